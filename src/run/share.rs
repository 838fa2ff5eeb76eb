//! What one process does of a plan that several carry out: some runs of one stage, or what becomes of them all.
//!
//! The results of earlier stages are given, what this one leaves is handed back as bytes: accumulators before they are finished, or
//! results that are. Which runs, which stage and where the bytes are kept is for the caller to decide; that pieces of a stage give what
//! the whole one does is for [`divides`] to know.

use super::{budget::Purpose, execute::Execution, pool::Buffer, prepare::PreparedStage, restore::temps_of, results::StageResults};
use crate::{
    error::{Error, Result},
    numeric::Accumulator,
    plan::{Stage, WriteTo},
};
use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

/// Gives the states that pieces of a stage left, in the order of their runs; `None` after the last one.
pub type Pieces = Box<dyn FnMut() -> Result<Option<Vec<u8>>> + Send>;

/// What is to be done.
pub enum Doing {
    /// Some runs of a stage that [`divides`]: boxes go to the outputs, and states are left.
    Runs(Range<usize>),
    /// A whole stage: its results are left.
    Stage,
    /// What pieces of a stage left is put together: its results are left.
    Merge(Pieces),
}

/// What one process does of a plan.
pub struct Share {
    /// The stage.
    stage: usize,
    /// What is to be done of it.
    doing: Mutex<Option<Doing>>,
    /// The results of earlier stages: one place per temp of the plan.
    results: Vec<Option<Vec<u8>>>,
    left: Mutex<Left>,
}

/// What a share leaves for others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// States of a piece of a stage.
    pub states: Vec<u8>,
    /// Results of a stage: place among the temps of the plan, and the bytes.
    pub results: Vec<(usize, Vec<u8>)>,
}

impl Share {
    /// `doing` something of stage `stage`, of which the `results` of earlier stages are known.
    #[must_use]
    pub fn new(stage: usize, doing: Doing, results: Vec<Option<Vec<u8>>>) -> Share {
        Share { stage, doing: Mutex::new(Some(doing)), results, left: Mutex::default() }
    }

    /// What it left, once it is done.
    #[must_use]
    pub fn take_left(&self) -> Left {
        std::mem::take(&mut self.left.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How the runs of a stage end.
pub(super) enum Ending<'a> {
    /// Reductions are finished.
    Results,
    /// Reductions stay as they are.
    States(&'a mut Vec<u8>),
    /// Reductions take what pieces of the stage left, and are finished.
    Merged(&'a mut Pieces),
}

/// Whether pieces of a stage, in any order and on any machine, leave what the whole one does: boxes of outputs, and states that merge to the
/// same bits whatever was merged first.
#[must_use]
pub fn divides(stage: &Stage) -> bool {
    let boxes = stage.writes.iter().all(|write| matches!(write.to, WriteTo::Output(_)) && !write.compressed);
    let states = stage.reductions.iter().all(|reduction| stage.program.accumulators[reduction.acc.0 as usize].kind.merges_in_any_order());
    boxes && states && stage.folds.is_empty() && !stage.ordered
}

impl Execution<'_> {
    /// Does what the share of the control says of stage `stage`.
    pub(super) fn run_share(&mut self, stage: &Arc<PreparedStage>, share: &Share) -> Result<()> {
        match stage.index.cmp(&share.stage) {
            std::cmp::Ordering::Less => self.recall(stage, share),
            std::cmp::Ordering::Equal => self.run_own(stage, share),
            std::cmp::Ordering::Greater => Ok(()),
        }
    }

    /// Holds the results of an earlier stage that are still needed.
    fn recall(&mut self, stage: &PreparedStage, share: &Share) -> Result<()> {
        for place in temps_of(stage) {
            let temp = &self.prepared.plan.temps[place];
            if temp.last_use < share.stage {
                continue;
            }
            let missing = || Error::internal(format!("the result `{}` of an earlier stage is not there", temp.name));
            let bytes =
                share.results.get(place).and_then(Option::as_ref).filter(|bytes| bytes.len() as u64 == temp.bytes()).ok_or_else(missing)?;
            self.budget.limit_to(self.prepared.plan.bytes_peak);
            let mut buffer = Buffer::new(&self.budget, Purpose::Temps, temp.bytes())?;
            buffer.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
            self.temps[place] = Some(Arc::new(buffer));
        }
        self.pass_over(stage);
        Ok(())
    }

    fn run_own(&mut self, stage: &Arc<PreparedStage>, share: &Share) -> Result<()> {
        let mut left = Left::default();
        match share.doing.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(Doing::Runs(range)) => self.run_stage(stage, range, Ending::States(&mut left.states))?,
            Some(Doing::Stage) => {
                self.run_stage(stage, 0..stage.run_count, Ending::Results)?;
                left.results = self.results_of(stage);
            }
            Some(Doing::Merge(mut pieces)) => {
                self.run_stage(stage, 0..0, Ending::Merged(&mut pieces))?;
                left.results = self.results_of(stage);
            }
            None => return Err(Error::internal("a share of an execution that was done before")),
        }
        *share.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
        Ok(())
    }

    /// The bytes of the temps that a stage has made.
    fn results_of(&self, stage: &PreparedStage) -> Vec<(usize, Vec<u8>)> {
        let made = |place: usize| {
            let buffer = self.temps[place].as_ref()?;
            Some((place, buffer.bytes()[..stage.plan().temps[place].bytes() as usize].to_vec()))
        };
        temps_of(stage).filter_map(made).collect()
    }
}

impl StageResults {
    /// The states of all reductions as bytes: the length of each, then each.
    pub fn states(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for whole in &self.wholes {
            let state = whole.accumulator.serialise();
            bytes.extend((state.len() as u64).to_le_bytes());
            bytes.extend(state);
        }
        bytes
    }

    /// Merges what [`StageResults::states`] of a piece gave.
    pub fn merge_states(&mut self, bytes: &[u8]) -> Result<()> {
        let broken = || Error::data("the states of a task are damaged, or are those of another job");
        let mut rest = bytes;
        for whole in &mut self.wholes {
            let (length, after) = rest.split_first_chunk::<8>().ok_or_else(broken)?;
            let (state, after) =
                usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|length| after.split_at_checked(length)).ok_or_else(broken)?;
            rest = after;
            let piece = Accumulator::deserialise(state)?;
            if !whole.accumulator.is_like(&piece) {
                return Err(broken());
            }
            whole.accumulator.merge_run(0, &piece, 0, piece.outputs());
        }
        if rest.is_empty() { Ok(()) } else { Err(broken()) }
    }
}
