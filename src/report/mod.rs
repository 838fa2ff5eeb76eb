//! Plans, results and statistics turned into words.
//!
//! Pure functions of finished values: nothing here runs while a job runs, reads a clock or touches a file.
//! Entry functions: [`explain`], [`drawing_file`], [`numpy_text`], [`value_json`], [`Summary`], [`page`], [`chrome_trace`].

pub mod chart;
mod chrome;
mod drawing;
mod expected;
mod explain;
mod html;
mod markup;
mod numpy_text;
mod plot;
pub mod sheet;
pub mod size;
mod sketch;
mod summary;
mod values;

pub use chrome::chrome_trace;
pub use drawing::{drawing, drawing_file};
pub use expected::{Expected, Inputs, Resource, TransferRates, expected};
pub use explain::{blocks_of, explain, runs_of};
pub use html::{Page, page};
pub use markup::escape;
pub use numpy_text::{PrintOptions, numpy_text};
pub use sketch::{ArrayRole, Sketch, SketchArray, SketchEdge, SketchStage};
pub use summary::{Durations, Environment, MachineRates, Summary, SummaryStage, ThreadSeconds, Told};
pub use values::{Values, value_json};
