//! Executions of plans made by hand, over arrays in memory.

pub(super) mod builder;
mod failures;
mod values;
