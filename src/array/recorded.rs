//! What a session keeps of its jobs while they are recorded: spans and samples, what was planned, and what all of them did together.

use super::{below::RunStats, phases::merge, session::Session};
use crate::{
    plan::Plan,
    report::Sketch,
    trace::{Recorder, Recording},
};
use serde::Serialize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Plans that are kept at most: a job has one a phase, and an iteration mostly has the plan of the one before.
const PLANS_MAX: usize = 24;
/// Stages of different names whose figures are kept apart.
const STAGES_MAX: usize = 128;

/// What is kept. Outside of the memory budget: [`Recorder::BYTES_MAX`], and a few kilobytes for each of the plans.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    pub recorder: Arc<Recorder>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Plans, and when each began last.
    plans: Vec<(Sketch, u64)>,
    totals: RunStats,
}

/// What a session recorded of its jobs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    /// What happened when.
    pub recording: Recording,
    /// What was planned, in the order in which it was first run; up to 24 plans.
    pub plans: Vec<Sketch>,
    /// What all executions did together.
    pub totals: RunStats,
}

impl Recorded {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self, plan: &Plan) {
        let (sketch, now) = (Sketch::of(plan), self.recorder.clock().now());
        let mut kept = self.kept();
        if let Some((there, last)) = kept.plans.iter_mut().find(|(there, _)| there.is_again(&sketch)) {
            there.executions += 1;
            *last = now;
        } else if kept.plans.len() < PLANS_MAX {
            kept.plans.push((sketch, now));
        }
    }

    fn add(&self, stats: &RunStats) {
        let mut kept = self.kept();
        let mut totals = merge(vec![std::mem::take(&mut kept.totals), stats.clone()]);
        // Stages that come again are one.
        for stage in totals.stages.split_off(totals.stages.len() - stats.stages.len()) {
            let full = totals.stages.len() >= STAGES_MAX;
            let same = totals.stages.iter().position(|there| there.name == stage.name);
            match same.or(full.then_some(STAGES_MAX - 1)).and_then(|place| totals.stages.get_mut(place)) {
                Some(there) => there.add(&stage),
                None => totals.stages.push(stage),
            }
        }
        kept.totals = totals;
    }

    fn record(&self, since: u64) -> Record {
        let kept = self.kept();
        let plans = kept.plans.iter().filter(|(_, last)| *last >= since).map(|(plan, _)| plan.clone());
        Record { recording: self.recorder.recording().since(since), plans: plans.collect(), totals: kept.totals.clone() }
    }
}

impl Session {
    /// What was recorded so far, of all jobs of this session; `None` unless [`crate::SessionBuilder::record`] asked for it.
    ///
    /// ```
    /// let session = outcore::Session::builder().memory("64MiB").record().build()?;
    /// let total: f64 = session.arange(0, 1000, 1).cast::<f64>().sum(..).item()?;
    /// assert_eq!(total, 499_500.0);
    /// let record = session.record().unwrap();
    /// assert_eq!(record.recording.blocks().count(), record.totals.blocks);
    /// assert_eq!(record.plans.len(), 1);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        self.recorded().map(|recorded| recorded.record(0))
    }

    /// The moment from which a job records.
    pub(super) fn record_begin(&self) -> u64 {
        self.recorded().map_or(0, |recorded| recorded.recorder.clock().now())
    }

    /// What was recorded since a moment.
    pub(super) fn record_since(&self, begin: u64) -> Option<Box<Record>> {
        self.recorded().map(|recorded| Box::new(recorded.record(begin)))
    }

    /// Keeps what is about to be run.
    pub(super) fn record_plan(&self, plan: &Plan) {
        if let Some(recorded) = self.recorded() {
            recorded.plan(plan);
        }
    }

    /// Keeps what was done.
    pub(super) fn record_done(&self, stats: &RunStats) {
        if let Some(recorded) = self.recorded() {
            recorded.add(stats);
        }
    }
}
