//! The local strided kernel: tile bytecode, its virtual machine, and the loops below it.
pub mod program;
