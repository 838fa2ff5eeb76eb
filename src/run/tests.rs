//! Executions of plans made by hand, over arrays in memory; and the model of what executes them.

pub(super) mod builder;
mod failures;
mod model;
mod values;
