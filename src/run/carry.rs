//! The states of scans: what is carried from block to block, and where a block's lines are in it. The states of user folds.

use super::{
    budget::{Budget, Purpose, Reservation},
    job::StageJob,
};
use crate::{
    error::{Error, Result},
    kernel::vm::{BlockFold, CarriedScan, LineScan, ScanStates},
    nd::{Region, shape::c_strides},
    numeric::Scan,
    plan::{ScanBy, Stage, StageFold, StageScan},
};
use std::sync::Arc;

/// The states of the lines of a scan.
pub(super) struct Carry {
    states: States,
    /// Lines between neighbours, per stage axis.
    steps: Vec<i64>,
    _reservation: Reservation,
}

enum States {
    Own(Scan),
    User(Box<dyn LineScan>),
}

impl Carry {
    pub fn new(job: &StageJob, scan: &StageScan) -> Result<Self> {
        let reservation = job.budget.reserve(Purpose::States, scan.state_bytes)?;
        let mut steps = c_strides(&scan.lines);
        steps[scan.axis] = 0;
        let lines = scan.lines.iter().product();
        let states = match scan.by {
            ScanBy::Own(kind) => States::Own(Scan::new(kind, scan.dtype, lines)?),
            ScanBy::User(id) => {
                let made = job.bound(id)?.scan(lines);
                States::User(made.ok_or_else(|| Error::internal(format!("`{}` is no scan", scan.name)))?)
            }
        };
        Ok(Carry { states, steps, _reservation: reservation })
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
            let states = match &mut carry.states {
                States::Own(states) => ScanStates::Own(states),
                States::User(states) => ScanStates::User(&mut **states),
            };
            let mut carried = CarriedScan { scan: states, axis: scan.axis, base: 0, steps: &carry.steps };
            if stage.ordered && run.start[scan.axis..].iter().all(|&start| start == 0) {
                carried.scan.reset();
            }
            scans.push(carried);
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

/// A state of a user fold: what one run, or all runs before, gave it.
pub(super) struct FoldPart {
    pub fold: Box<dyn BlockFold>,
    _reservation: Reservation,
}

impl FoldPart {
    pub fn new(budget: &Arc<Budget>, job: &StageJob, fold: &StageFold) -> Result<Self> {
        let reservation = budget.reserve(Purpose::States, fold.state_bytes)?;
        let made = job.bound(fold.function)?.fold();
        let fold = made.ok_or_else(|| Error::internal("a function that folds nothing"))?;
        Ok(FoldPart { fold, _reservation: reservation })
    }
}
