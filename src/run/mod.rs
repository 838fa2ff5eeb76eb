//! When: moments only. Carries out a plan, and decides nothing that a plan decides.
//!
//! [`execute`] runs a [`Plan`] on an [`Engine`] with [`Bindings`]: one scheduler loop on the calling thread owns all
//! state, rayon workers compute, plain I/O threads block. The protocol is in `README.md` beside this file. Nothing
//! here knows what an expression means, chooses a grid, or formats a sentence for a user beyond its errors and warnings.

mod budget;
mod cancel;
mod carry;
mod chunks;
mod compute;
mod engine;
mod execute;
mod fetch;
mod flights;
mod io;
mod job;
mod lanes;
mod pool;
mod prepare;
mod ready;
mod restore;
mod results;
mod scheduler;
mod share;
#[cfg(all(test, feature = "tracing"))]
mod span_tests;
mod spans;
mod spill;
#[cfg(test)]
mod tests;
mod timing;
mod waiting;
mod warnings;
mod windows;

pub use cancel::Cancel;
pub use engine::{Engine, EngineOptions};
pub use execute::execute_prepared;
pub use prepare::{PreparedPlan, prepare};
pub use share::{Doing, Left, Pieces, Share, divides};
pub use warnings::{OnInvalid, Policy};

use crate::{
    error::Result,
    kernel::vm::BlockFunction,
    nd::Region,
    plan::Plan,
    store::{MemoryTarget, Source, Target, journal::Journal},
    trace::{Recorder, RunStats},
};
use std::{fmt, path::PathBuf, sync::Arc};

/// Where an output goes.
pub enum Sink<'a> {
    /// An array that is written; boxes arrive in any order, from several threads.
    Target(Arc<dyn Target>),
    /// An array in memory, which compute threads write in place where they can.
    Memory(Arc<MemoryTarget>),
    /// A closure that is given boxes in C order of the runs, as C-order native bytes, on the thread that called [`execute`].
    /// It is given no empty boxes.
    Caller(&'a mut (dyn FnMut(&Region, &[u8]) -> Result<()> + Send + 'a)),
}

/// What the names in a plan stand for.
#[derive(Default)]
pub struct Bindings<'a> {
    /// One per source of the plan.
    pub sources: Vec<Arc<dyn Source>>,
    /// One per function of the plan.
    pub functions: Vec<Arc<dyn BlockFunction>>,
    /// One per output of the plan.
    pub sinks: Vec<Sink<'a>>,
}

/// What is told how far an execution is.
pub type ProgressCallback = Arc<dyn Fn(&Progress) + Send + Sync>;

/// How an execution is watched and stopped.
#[derive(Clone, Default)]
pub struct Control {
    /// Set from any thread: the execution ends with an error of kind [`Cancelled`](crate::ErrorKind::Cancelled).
    pub cancel: Cancel,
    /// Called on the thread that called [`execute`], about ten times a second and once at the end.
    pub progress: Option<ProgressCallback>,
    /// The folder of scratch; `None`: beside the first output that is a file.
    pub scratch: Option<PathBuf>,
    /// Where small results are kept, so that a job that is stopped need not compute them again.
    pub journal: Option<Arc<Journal>>,
    /// Takes down what happens when; `None`: nobody asks.
    pub recorder: Option<Arc<Recorder>>,
    /// What is to be done of the plan, where several processes carry it out; `None`: all.
    pub share: Option<Arc<Share>>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

/// How far an execution is.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Index of the running stage.
    pub stage: usize,
    /// Number of stages.
    pub stages: usize,
    /// Name of the running stage.
    pub stage_name: String,
    /// Planned bytes of what is done, reads and writes together.
    pub bytes_done: u64,
    /// Planned bytes of everything.
    pub bytes_total: u64,
    /// Since the start.
    pub seconds: f64,
    /// Memory held now.
    pub bytes_held: u64,
    /// Memory that may be held.
    pub bytes_budget: u64,
}

/// Carries out a plan.
///
/// On success every target is written and synced, and none is published: that is the caller's to do once all of a
/// job is well. On any error, a false check, a cancellation or a panic in a block function nothing is published
/// either, and no thread is left working when this returns. A panic in a caller's closure passes through.
///
/// May be called from anywhere, from any number of threads; called on one of the engine's compute threads it
/// computes on that thread alone.
pub fn execute(engine: &Engine, plan: &Plan, bindings: Bindings<'_>, control: &Control) -> Result<RunStats> {
    execute_prepared(engine, &*prepare(engine, plan)?, bindings, control)
}
