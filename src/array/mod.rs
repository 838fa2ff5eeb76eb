//! The door: what a user holds. [`Session`] is the budget, [`Array`] a lazy value, [`Job`] what is computed together.
//!
//! Here live arguments and their conversion, deferred errors, the walk from arrays to a graph, and the order plan, run, publish.
//! No algorithm on elements ever does.

mod axes;
mod below;
mod create;
mod elementwise;
mod function;
pub mod machine;
mod movement;
mod node;
mod operand;
mod operators;
mod reduce;
mod session;
pub mod size;
pub mod words;

pub use axes::{Axes, AxisList, AxisRef, axis};
pub use create::{Endpoint, open};
pub use elementwise::where_;
pub use function::{BoxError, MapSpec};
pub use node::Array;
pub use operand::{Operand, ScalarSide};
pub use session::{MemoryAmount, Session, SessionBuilder};
pub use size::Size;

#[cfg(test)]
mod tests;
