//! outcore
pub mod array;
pub mod error;
pub mod expr;
pub mod format;
pub mod kernel;
pub mod nd;
pub mod numeric;
pub mod plan;
pub mod report;
pub mod run;
pub mod store;
pub mod trace;
pub use error::{Error, ErrorKind, Result};
