//! The states of scans: what is carried from block to block, and where a block's lines are in it.

use super::budget::{Budget, Purpose, Reservation};
use crate::{
    error::Result,
    kernel::vm::CarriedScan,
    nd::{Region, shape::c_strides},
    numeric::Scan,
    plan::{Stage, StageScan},
};
use std::sync::Arc;

/// The states of the lines of a scan.
pub(super) struct Carry {
    scan: Scan,
    /// Lines between neighbours, per stage axis.
    steps: Vec<i64>,
    _reservation: Reservation,
}

impl Carry {
    pub fn new(budget: &Arc<Budget>, scan: &StageScan) -> Result<Self> {
        let reservation = budget.reserve(Purpose::States, scan.state_bytes)?;
        let mut steps = c_strides(&scan.lines);
        steps[scan.axis] = 0;
        Ok(Carry { scan: Scan::new(scan.kind, scan.dtype, scan.lines.iter().product())?, steps, _reservation: reservation })
    }
}

/// The states of a run, as its blocks see them.
pub(super) struct Carried<'a> {
    stage: &'a Stage,
    run: &'a Region,
    scans: Vec<CarriedScan<'a>>,
}

impl<'a> Carried<'a> {
    /// Lines that begin in the run begin again.
    pub fn new(stage: &'a Stage, run: &'a Region, carries: &'a mut [Carry]) -> Self {
        let mut scans = Vec::with_capacity(carries.len());
        for (carry, scan) in carries.iter_mut().zip(&stage.scans) {
            if stage.ordered && run.start[scan.axis..].iter().all(|&start| start == 0) {
                carry.scan.reset();
            }
            scans.push(CarriedScan { scan: &mut carry.scan, axis: scan.axis, base: 0, steps: &carry.steps });
        }
        Carried { stage, run, scans }
    }

    /// The states as the block at `start` needs them.
    pub fn of_block(&mut self, start: &[usize]) -> &mut [CarriedScan<'a>] {
        for carried in &mut self.scans {
            if !self.stage.ordered {
                carried.scan.reset();
                continue;
            }
            // Lines are those of the run before the axis and of the space behind it.
            let origin = |axis: usize| if axis < carried.axis { self.run.start[axis] } else { 0 };
            let place: i64 = carried.steps.iter().enumerate().map(|(axis, step)| (start[axis] - origin(axis)) as i64 * step).sum();
            carried.base = place as usize;
        }
        &mut self.scans
    }
}
