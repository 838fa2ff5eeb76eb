//! How much a stage computes: what a report holds against what the machine could.

use super::model::Stage;
use crate::kernel::program::{Instr, Step, Sweep};

impl Stage {
    /// Arithmetic operations on elements: one for each instruction of a sweep that computes something and each point that it walks, two
    /// for each pair of elements of a product. User code counts nothing, so this is a lower bound where [`Stage::calls_user_code`].
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.program.steps.iter().fold(0, |total: u64, step| total.saturating_add(self.of_step(step)))
    }

    /// Whether it runs code whose operations nobody counts.
    #[must_use]
    pub fn calls_user_code(&self) -> bool {
        self.program.steps.iter().any(|step| matches!(step, Step::Call { .. } | Step::Fold { .. }))
    }

    fn of_step(&self, step: &Step) -> u64 {
        match step {
            Step::Sweep(sweep) | Step::Halo { sweep, .. } => self.of_sweep(sweep),
            Step::Product(product) => {
                let has = |axis: usize| product.left_axes[axis] || product.right_axes[axis];
                let pairs = self.points(has);
                // One side alone: half of the product is the other half.
                pairs.saturating_mul(if product.right.is_some() { 2 } else { 1 })
            }
            Step::Scan { .. } => self.points(|_| true),
            Step::Call { .. } | Step::Fold { .. } => 0,
        }
    }

    fn of_sweep(&self, sweep: &Sweep) -> u64 {
        let computes = |instr: &&Instr| !matches!(instr, Instr::Load { .. } | Instr::Store { .. } | Instr::Compress { .. });
        let instructions = sweep.code.iter().filter(computes).count() as u64;
        self.points(|axis| sweep.axes[axis]).saturating_mul(instructions)
    }

    /// Points of the space that are walked: along axes that are not, one for each block.
    fn points(&self, walked: impl Fn(usize) -> bool) -> u64 {
        let lengths = self.space.iter().zip(&self.block).enumerate();
        let along = lengths.map(|(axis, (&length, &block))| if walked(axis) { length } else { length.div_ceil(block.max(1)) } as u64);
        along.fold(1, u64::saturating_mul)
    }
}
