//! Plans, results and statistics turned into words.
//!
//! Pure functions of finished values: nothing here runs while a job runs, reads a clock or touches a file.
//! Entry functions: [`explain`], [`numpy_text`], [`value_json`], [`Summary`].

pub mod chart;
mod expected;
mod explain;
mod numpy_text;
pub mod sheet;
pub mod size;
mod summary;
mod values;

pub use expected::{Expected, Inputs, MachineRates, Resource, expected};
pub use explain::{blocks_of, explain, runs_of};
pub use numpy_text::{PrintOptions, numpy_text};
pub use summary::{Environment, Summary, SummaryStage};
pub use values::{Values, value_json};
