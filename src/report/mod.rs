//! Plans, results and statistics turned into words.
//!
//! Pure functions of finished values: nothing here runs while a job runs, reads a clock or touches a file.
//! Entry functions: [`explain`], [`numpy_text`], [`value_json`], [`Summary`].

mod explain;
mod numpy_text;
pub mod size;
mod sketch;
mod summary;
mod values;

pub use explain::{blocks_of, explain, runs_of};
pub use numpy_text::{PrintOptions, numpy_text};
pub use sketch::{ArrayRole, Sketch, SketchArray, SketchEdge, SketchStage};
pub use summary::{Environment, Summary, SummaryStage};
pub use values::{Values, value_json};
