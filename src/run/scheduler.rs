//! The scheduler loop of one stage: it owns all state, and everything that happens reaches it as an [`Event`].

use super::{
    chunks::box_ahead,
    compute::written_region,
    execute::Execution,
    fetch::{source_of, window_span},
    flights::{Flights, Next, Rules},
    io::{Ahead, Command, IoThreads, Settle, Soon},
    job::{RunTask, StageJob},
    lanes::Lanes,
    pool::Buffer,
    results::{Pending, StageResults},
};
use crate::{
    error::{Error, Result},
    plan::{Access, ReadFrom, WriteTo},
    trace::Span,
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use rayon::ThreadPool;
use std::{sync::Arc, time::Duration};

/// How long the loop sleeps at most, so that a cancellation is noticed while nothing happens.
const TICK: Duration = Duration::from_millis(50);
/// Written bytes after which an output is settled: enough for the medium to work on, little enough to keep it busy.
const SETTLE_BYTES: u64 = 64 * 1024 * 1024;
/// How far windows are looked ahead in a cold file.
const AHEAD_BYTES: u64 = 32 * 1024 * 1024;
/// A worker that gets through mapped bytes faster than this has them in memory: asking for them again would only cost.
const WARM_BYTES_PER_SECOND: f64 = 3e9;

/// What the other threads tell the scheduler.
pub(super) enum Event {
    /// A run's inputs are in its buffers.
    Fetched { task: Box<RunTask>, result: Result<()> },
    /// A run's results are in its buffers and accumulators.
    Computed { task: Box<RunTask>, result: Result<()> },
    /// A lane ended.
    Idle,
    /// A result is with its target.
    Stored { run: usize, write: usize, output: usize, buffer: Buffer, bytes: usize, result: Result<()>, span: Option<Span> },
    /// What was written to an output before it was asked is on its way to the medium.
    Settled { output: usize, result: Result<()>, span: Option<Span> },
}

/// Lets a stage be computed by the engine's threads.
pub(super) struct Scheduler<'s, 'e> {
    execution: &'s mut Execution<'e>,
    job: Arc<StageJob>,
    results: &'s mut StageResults,
    pool: Arc<ThreadPool>,
    io: Arc<IoThreads>,
    lanes: Arc<Lanes>,
    sender: Sender<Event>,
    receiver: Receiver<Event>,
    flights: Flights<Box<RunTask>, Error>,
    #[expect(clippy::vec_box, reason = "tasks travel boxed, and what is reused is the box too")]
    idle_tasks: Vec<Box<RunTask>>,
    /// Writes whose runs must be delivered in order.
    ordered_writes: Vec<bool>,
    next_ahead: usize,
    ahead_runs: usize,
    cold: bool,
}

impl<'s, 'e> Scheduler<'s, 'e> {
    pub fn new(execution: &'s mut Execution<'e>, job: Arc<StageJob>, results: &'s mut StageResults) -> Result<Self> {
        let stage = job.stage.stage();
        let ordered_writes: Vec<bool> = stage
            .writes
            .iter()
            .map(|write| write.compressed || matches!(write.to, WriteTo::Output(output) if execution.has_caller(output)))
            .collect();
        let (sender, receiver) = execution.channel();
        let window_bytes: u64 =
            job.stage.stage().reads.iter().filter(|read| is_cold_window(&job, read)).map(|read| read.bytes_per_run).sum();
        let rules = Rules {
            in_flight: stage.in_flight,
            computes_in_order: stage.ordered,
            delivers_in_order: !stage.reductions.is_empty() || !stage.folds.is_empty() || ordered_writes.contains(&true),
        };
        Ok(Scheduler {
            pool: execution.engine.pool()?,
            io: execution.engine.io()?,
            lanes: Lanes::new(execution.engine.machines(), stage.workers),
            sender,
            receiver,
            flights: Flights::new(job.range.clone(), rules),
            idle_tasks: Vec::new(),
            ordered_writes,
            next_ahead: job.range.start,
            ahead_runs: AHEAD_BYTES.checked_div(window_bytes).map_or(0, |runs| runs.clamp(1, 16) as usize),
            cold: window_bytes > 0,
            execution,
            job,
            results,
        })
    }

    /// Computes all runs. Returns only when no thread has anything of the stage any more.
    pub fn run(mut self) -> Result<()> {
        loop {
            while let Some(next) = self.flights.next() {
                self.carry_out(next);
            }
            if self.flights.is_over() {
                break;
            }
            match self.receiver.recv_timeout(TICK) {
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout) => {}
                // This end holds a sender.
                Err(RecvTimeoutError::Disconnected) => return Err(Error::internal("the event channel is gone")),
            }
            if let Err(error) = self.execution.tick(self.flights.runs_done(), self.job.range.len()) {
                self.fail(0, error);
            }
        }
        self.flights.outcome()
    }

    fn carry_out(&mut self, next: Next<Box<RunTask>>) {
        match next {
            Next::Begin(run) => self.begin(run),
            Next::Compute(task) => self.hand_over(task),
            Next::Deliver(mut task) => {
                self.count(&mut task);
                let delivered = self.deliver(&mut task, false);
                self.note(task.run, delivered);
                self.flights.delivered(task.run, task);
            }
            Next::DeliverInOrder(mut task) => {
                let merged = self.results.merge(&self.job, &mut task);
                let delivered = merged.and_then(|()| self.deliver(&mut task, true));
                self.note(task.run, delivered);
                self.flights.delivered_in_order(task.run, task);
            }
            Next::TakeBack(mut task) => {
                self.job.release(&mut task);
                self.idle_tasks.push(task);
            }
        }
    }

    /// Has a run's inputs copied, if there is anything to be copied and anything to be done.
    fn begin(&mut self, run: usize) {
        if self.job.is_finished(run) {
            return self.flights.left_out(run);
        }
        let mut task = self.idle_tasks.pop().unwrap_or_default();
        task.start(&self.job, run);
        self.look_ahead(run + 1);
        if !self.job.stage.fetched {
            return self.flights.fetched(run, task);
        }
        let fetch = Command::Fetch { job: Arc::clone(&self.job), task, events: self.sender.clone() };
        if let Err(error) = self.io.command(fetch) {
            self.fail(run, error);
            self.flights.left_out(run);
        }
    }

    /// Gives a run to the lanes.
    fn hand_over(&mut self, mut task: Box<RunTask>) {
        task.is_ready();
        if self.lanes.push(&self.pool, &self.job, &self.sender, task) {
            self.flights.lane_started();
        }
    }

    /// Has the windows of coming runs brought in, while the file seems cold.
    fn look_ahead(&mut self, next_run: usize) {
        self.next_ahead = self.next_ahead.max(next_run);
        let end = (next_run + self.ahead_runs).min(self.job.range.end);
        while self.cold && self.next_ahead < end && self.ask_ahead(self.next_ahead) {
            self.next_ahead += 1;
        }
    }

    /// Whether there was room to ask for the windows of `run`.
    fn ask_ahead(&self, run: usize) -> bool {
        let region = self.job.stage.runs.region(run);
        let wanted = self.job.slots_read(&region);
        let cold = |read: &&crate::plan::Read| wanted[read.slot.0 as usize] && is_cold_window(&self.job, read);
        self.job.stage.stage().reads.iter().filter(cold).all(|read| {
            let Ok(source) = source_of(&self.job, read).map(Arc::clone) else { return true };
            let what = match read.access {
                Access::Box | Access::Chunks => Soon::Box(box_ahead(&self.job, read, &region)),
                _ => Soon::Elements(window_span(&self.job, read, &region)),
            };
            self.io.ahead(Ahead { source, what, cancel: self.job.cancel.clone() })
        })
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Idle => self.flights.lane_ended(),
            Event::Fetched { task, result } => {
                self.note(task.run, result);
                self.flights.fetched(task.run, task);
            }
            Event::Computed { task, result } => {
                self.note(task.run, result);
                self.flights.computed(task.run, task);
            }
            Event::Stored { run, write, output, buffer, bytes, result, span } => {
                self.execution.record(span);
                self.job.pool.give(self.job.stage.stage().reads.len() + write, buffer);
                if result.is_ok() {
                    self.settle(output, bytes as u64);
                }
                self.note(run, result);
                self.flights.stored(run);
            }
            Event::Settled { output, result, span } => {
                self.execution.record(span);
                let settled = self.execution.settled(output, result);
                self.note(0, settled);
            }
        }
    }

    /// Takes down what a run tells of itself.
    fn count(&mut self, task: &mut RunTask) {
        self.execution.count_run(task);
        if task.bytes_mapped > 0 && task.seconds > 0.0 {
            self.cold = task.bytes_mapped as f64 / task.seconds < WARM_BYTES_PER_SECOND;
        }
        self.settle_stored(task);
    }

    /// Delivers the ordered or the other results of a run.
    fn deliver(&mut self, task: &mut RunTask, ordered: bool) -> Result<()> {
        for write in 0..self.ordered_writes.len() {
            if self.ordered_writes[write] != ordered {
                continue;
            }
            let job = Arc::clone(&self.job);
            let Some(Pending { output, region, bytes }) = self.results.deliver(self.execution, &job, task, write)? else { continue };
            let Some(buffer) = task.outputs[write].take() else { continue };
            let run = task.run;
            self.io.command(Command::Store { job, run, write, output, region, buffer, bytes, events: self.sender.clone() })?;
            self.flights.store_started(run);
        }
        Ok(())
    }

    /// Counts what the worker gave to stores of chunks itself.
    fn settle_stored(&mut self, task: &RunTask) {
        let job = Arc::clone(&self.job);
        for (write, _) in job.stage.stage().writes.iter().zip(&task.stored).filter(|(_, stored)| **stored) {
            if let WriteTo::Output(output) = write.to {
                self.settle(output, (written_region(write, &task.region).count() * write.dtype.size()) as u64);
            }
        }
    }

    fn settle(&mut self, output: usize, bytes: u64) {
        if let Some((target, copy)) = self.execution.settle_due(output, bytes, SETTLE_BYTES) {
            let after = (self.flights.runs_done(), self.job.clock);
            let taken = self.io.settle(Settle { target, output, copy, after, events: self.sender.clone() });
            self.execution.settle_started(output, taken);
        }
    }

    fn note(&mut self, run: usize, result: Result<()>) {
        if let Err(error) = result {
            self.fail(run, error);
        }
    }

    /// Gives up on `run` and all later ones.
    fn fail(&mut self, run: usize, error: Error) {
        if self.flights.fail(run, error) {
            self.job.fail(run);
        }
    }
}

/// Whether a worker reads of it what may have to come from a medium: windows, and boxes of chunks.
fn is_cold_window(job: &StageJob, read: &crate::plan::Read) -> bool {
    let is_cold = match read.from {
        ReadFrom::Source(id) => !job.sources[id.0 as usize].facts().resident,
        ReadFrom::Scratch(_) => true,
        ReadFrom::Temp(_) => false,
    };
    is_cold && matches!(read.access, Access::Window | Access::Box | Access::Chunks)
}
