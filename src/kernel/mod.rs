//! The local strided kernel: tile bytecode, its virtual machine, and the loops below it.
//!
//! A [`program::Program`] computes one block; [`vm::Prepared`] resolves it once to function pointers of one
//! instruction set; a [`vm::Machine`] (one per worker) runs it over blocks. Nothing here allocates in proportion to
//! data, spawns, knows files or plans, or branches on a dtype inside a loop over elements.

pub(crate) mod cast;
mod chain;
pub mod cluster;
pub mod dense;
mod formula;
mod generate;
pub(crate) mod lane;
mod listing;
pub(crate) mod loops;
pub mod math;
pub(crate) mod movement;
pub mod nearest;
pub(crate) mod operation;
#[cfg(test)]
mod oracle;
pub mod order;
pub(crate) mod product;
pub mod program;
mod random;
pub(crate) mod rows;
mod search;
pub mod simd;
pub mod sketch;
mod verify;
pub mod vm;
pub mod watch;

pub use simd::Isa;
pub use vm::{BlockContext, BlockFunction, GlobalAccumulator, Machine, Operand, Prepared, Stores, scratch_bytes_max};
