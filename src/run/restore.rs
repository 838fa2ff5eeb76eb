//! What an earlier job of the same kind has done: runs that need not be computed, small results that are there.

use super::{Control, compute::written_region, job::StageJob, pool::Buffer, prepare::PreparedStage};
use crate::{
    nd::Region,
    plan::{Stage, WriteTo},
    store::{Target, journal::Journal},
};
use std::sync::Arc;

/// Whether all that a run of a stage leaves are boxes of outputs, wherever it comes in the order.
pub(super) fn leaves_boxes_only(stage: &Stage) -> bool {
    let boxes = stage.writes.iter().all(|write| matches!(write.to, WriteTo::Output(_)) && !write.compressed);
    boxes && !stage.writes.is_empty() && stage.reductions.is_empty() && stage.folds.is_empty() && !stage.ordered
}

impl StageJob {
    /// Whether everything that a run would write is there from an earlier job.
    pub fn is_finished(&self, run: usize) -> bool {
        if !self.skips {
            return false;
        }
        let region = self.stage.runs.region(run);
        self.stage.stage().writes.iter().all(|write| match write.to {
            WriteTo::Output(output) => {
                self.targets[output].as_ref().is_some_and(|target| target.is_finished(&written_region(write, &region)))
            }
            WriteTo::Temp(_) | WriteTo::Scratch(_) => false,
        })
    }
}

/// Places of the temps that a stage makes.
pub(super) fn temps_of(stage: &PreparedStage) -> impl Iterator<Item = usize> + use<> {
    let made: Vec<usize> =
        stage.plan().temps.iter().enumerate().filter(|(_, temp)| temp.made_by == stage.index).map(|(place, _)| place).collect();
    made.into_iter()
}

/// What a temp is called in a journal: limits may cut other stages, but equal jobs have equal nodes.
pub(super) fn key_of(stage: &PreparedStage, temp: usize) -> String {
    let plan = stage.plan();
    format!("{} {}", plan.job_id, plan.temps[temp].node.0)
}

/// Whether a stage makes small results, all of which are there, and whatever else it makes is there too.
pub(super) fn is_restorable(stage: &PreparedStage, journal: &Journal, targets: &[Option<Arc<dyn Target>>]) -> bool {
    let written = |output: usize| {
        let target = targets[output].as_ref();
        target.is_some_and(|target| target.is_finished(&Region::whole(target.shape())))
    };
    let outputs = stage.stage().writes.iter().all(|write| match write.to {
        WriteTo::Output(output) => written(output),
        WriteTo::Temp(_) => true,
        // What lay in scratch is gone with the job that wrote it.
        WriteTo::Scratch(_) => false,
    });
    let mut temps = temps_of(stage).peekable();
    // A length that was counted on the way is not kept.
    let counts = stage.stage().writes.iter().any(|write| write.compressed);
    outputs && !counts && temps.peek().is_some() && temps.all(|temp| has(journal, stage, temp))
}

fn has(journal: &Journal, stage: &PreparedStage, temp: usize) -> bool {
    let bytes = stage.plan().temps[temp].bytes();
    usize::try_from(bytes).is_ok_and(|bytes| journal.has_temp(&key_of(stage, temp), bytes))
}

/// Keeps the small results of a stage, if it was worth the work.
pub(super) fn keep(stage: &PreparedStage, temps: &[Option<Arc<Buffer>>], control: &Control) {
    let Some(journal) = control.journal.as_ref().filter(|journal| journal.is_worth(stage.bytes_total)) else { return };
    for temp in temps_of(stage) {
        if let Some(buffer) = &temps[temp] {
            journal.keep_temp(&key_of(stage, temp), &buffer.bytes()[..stage.plan().temps[temp].bytes() as usize]);
        }
    }
}
