//! How: decisions only. Pure and deterministic: no I/O, no clock, no environment, no hash order.
//!
//! [`plan`] turns a graph and limits into a [`Plan`].
pub mod model;
pub use model::*;
