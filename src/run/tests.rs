//! Executions of plans made by hand, over arrays in memory.

mod builder;
mod failures;
mod values;
