//! The scheduler loop of one stage: it owns all state, and everything that happens reaches it as an [`Event`].

use super::{
    chunks::box_ahead,
    compute::written_region,
    execute::Execution,
    fetch::{source_of, window_span},
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

/// Where a run is. Before it is admitted it is absent, after its last result is out of its buffers it is done.
enum RunState {
    /// With an I/O thread.
    Fetching,
    /// Ready, but runs before it are not: in an ordered stage they are computed one after the other.
    Ready(Box<RunTask>),
    /// Ready or being computed: with the lanes.
    Computing,
    /// Computed; its ordered results wait for those of earlier runs.
    Waiting(Box<RunTask>),
    /// Only with the I/O threads that write its results.
    Storing,
}

struct Flight {
    run: usize,
    state: RunState,
    stores_pending: usize,
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
    /// Runs that hold something; never more than `stage.in_flight`.
    flights: Vec<Flight>,
    #[expect(clippy::vec_box, reason = "tasks travel boxed, and what is reused is the box too")]
    idle_tasks: Vec<Box<RunTask>>,
    lanes_running: usize,
    next_run: usize,
    /// The run that is computed next, where they are computed in order.
    next_computed: usize,
    /// The run whose ordered results come next.
    next_ordered: usize,
    runs_done: usize,
    /// Writes whose runs must be delivered in order.
    ordered_writes: Vec<bool>,
    /// Whether runs have anything that must be delivered in order.
    ordered: bool,
    next_ahead: usize,
    ahead_runs: usize,
    cold: bool,
    failed: Option<(usize, Error)>,
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
        Ok(Scheduler {
            pool: execution.engine.pool()?,
            io: execution.engine.io()?,
            lanes: Lanes::new(execution.engine.machines(), stage.workers),
            sender,
            receiver,
            flights: Vec::with_capacity(stage.in_flight),
            idle_tasks: Vec::new(),
            lanes_running: 0,
            next_run: job.range.start,
            next_computed: job.range.start,
            next_ordered: job.range.start,
            runs_done: 0,
            ordered: !stage.reductions.is_empty() || !stage.folds.is_empty() || ordered_writes.contains(&true),
            ordered_writes,
            next_ahead: job.range.start,
            ahead_runs: AHEAD_BYTES.checked_div(window_bytes).map_or(0, |runs| runs.clamp(1, 16) as usize),
            cold: window_bytes > 0,
            failed: None,
            execution,
            job,
            results,
        })
    }

    /// Computes all runs. Returns only when no thread has anything of the stage any more.
    pub fn run(mut self) -> Result<()> {
        loop {
            self.admit();
            if self.flights.is_empty() && self.lanes_running == 0 {
                break;
            }
            match self.receiver.recv_timeout(TICK) {
                Ok(event) => self.handle(event),
                Err(RecvTimeoutError::Timeout) => {}
                // This end holds a sender.
                Err(RecvTimeoutError::Disconnected) => return Err(Error::internal("the event channel is gone")),
            }
            if let Err(error) = self.execution.tick(self.runs_done, self.job.range.len()) {
                self.fail(0, error);
            }
        }
        self.failed.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Lets runs in, as far as the plan allows runs to hold buffers.
    fn admit(&mut self) {
        while self.failed.is_none() && self.next_run < self.job.range.end && self.flights.len() < self.job.stage.stage().in_flight {
            let run = self.next_run;
            self.next_run += 1;
            if self.job.is_finished(run) {
                self.runs_done += 1;
                continue;
            }
            let mut task = self.idle_tasks.pop().unwrap_or_default();
            task.start(&self.job, run);
            self.look_ahead();
            if !self.job.stage.fetched {
                self.flights.push(Flight { run, state: RunState::Fetching, stores_pending: 0 });
                self.make_ready(task);
                continue;
            }
            let fetch = Command::Fetch { job: Arc::clone(&self.job), task, events: self.sender.clone() };
            match self.io.command(fetch) {
                Ok(()) => self.flights.push(Flight { run, state: RunState::Fetching, stores_pending: 0 }),
                Err(error) => self.fail(run, error),
            }
        }
    }

    fn make_ready(&mut self, task: Box<RunTask>) {
        if !self.job.stage.stage().ordered {
            return self.hand_over(task);
        }
        self.set_state(task.run, RunState::Ready(task));
        loop {
            let next = self.next_computed;
            let ready = self.flights.iter_mut().find(|flight| flight.run == next && matches!(flight.state, RunState::Ready(_)));
            let Some(flight) = ready else { return };
            let RunState::Ready(task) = std::mem::replace(&mut flight.state, RunState::Computing) else { return };
            self.next_computed += 1;
            self.hand_over(task);
        }
    }

    /// Gives a run to the lanes.
    fn hand_over(&mut self, mut task: Box<RunTask>) {
        task.is_ready();
        self.set_state(task.run, RunState::Computing);
        self.lanes_running += usize::from(self.lanes.push(&self.pool, &self.job, &self.sender, task));
    }

    /// Has the windows of coming runs brought in, while the file seems cold.
    fn look_ahead(&mut self) {
        self.next_ahead = self.next_ahead.max(self.next_run);
        let end = (self.next_run + self.ahead_runs).min(self.job.range.end);
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
            Event::Idle => self.lanes_running -= 1,
            Event::Fetched { task, result } => self.fetched(task, result),
            Event::Computed { task, result } => self.computed(task, result),
            Event::Stored { run, write, output, buffer, bytes, result, span } => {
                self.execution.record(span);
                self.job.pool.give(self.job.stage.stage().reads.len() + write, buffer);
                match result {
                    Ok(()) => self.settle(output, bytes as u64),
                    Err(error) => self.fail(run, error),
                }
                if let Some(flight) = self.flights.iter_mut().find(|flight| flight.run == run) {
                    flight.stores_pending -= 1;
                }
                self.retire(run);
            }
            Event::Settled { output, result, span } => {
                self.execution.record(span);
                if let Err(error) = self.execution.settled(output, result) {
                    self.fail(0, error);
                }
            }
        }
    }

    fn fetched(&mut self, task: Box<RunTask>, result: Result<()>) {
        if let Err(error) = result {
            self.fail(task.run, error);
            return self.give_up(task);
        }
        // Runs before a failed one are still computed: the error of the lowest run is the one reported.
        if self.job.is_given_up(task.run) {
            return self.give_up(task);
        }
        self.make_ready(task);
    }

    fn computed(&mut self, mut task: Box<RunTask>, result: Result<()>) {
        if let Err(error) = result {
            self.fail(task.run, error);
        }
        if self.failed.is_some() {
            return self.give_up(task);
        }
        self.execution.count_run(&mut task);
        if task.bytes_mapped > 0 && task.seconds > 0.0 {
            self.cold = task.bytes_mapped as f64 / task.seconds < WARM_BYTES_PER_SECOND;
        }
        self.settle_stored(&task);
        if let Err(error) = self.deliver(&mut task, false) {
            self.fail(task.run, error);
            return self.give_up(task);
        }
        let run = task.run;
        if self.ordered {
            self.set_state(run, RunState::Waiting(task));
            self.deliver_ordered();
        } else {
            self.finish_task(task);
        }
    }

    /// Delivers what has an order, as far as the runs are there.
    fn deliver_ordered(&mut self) {
        while self.failed.is_none() {
            let next = self.next_ordered;
            let waiting = self.flights.iter_mut().find(|flight| flight.run == next && matches!(flight.state, RunState::Waiting(_)));
            let Some(flight) = waiting else { return };
            let RunState::Waiting(mut task) = std::mem::replace(&mut flight.state, RunState::Storing) else { return };
            self.next_ordered += 1;
            let merged = self.results.merge(&self.job, &mut task);
            if let Err(error) = merged.and_then(|()| self.deliver(&mut task, true)) {
                self.fail(next, error);
            }
            self.finish_task(task);
        }
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
            if let Some(flight) = self.flights.iter_mut().find(|flight| flight.run == run) {
                flight.stores_pending += 1;
            }
        }
        Ok(())
    }

    /// Takes back what a run holds beside what is being stored.
    fn finish_task(&mut self, mut task: Box<RunTask>) {
        let run = task.run;
        self.job.release(&mut task);
        self.idle_tasks.push(task);
        self.set_state(run, RunState::Storing);
        self.retire(run);
    }

    /// Like [`Self::finish_task`], for a run that will not be delivered.
    fn give_up(&mut self, task: Box<RunTask>) {
        self.finish_task(task);
    }

    fn set_state(&mut self, run: usize, state: RunState) {
        if let Some(flight) = self.flights.iter_mut().find(|flight| flight.run == run) {
            flight.state = state;
        }
    }

    /// Ends a run that holds nothing any more.
    fn retire(&mut self, run: usize) {
        let done = |flight: &Flight| flight.run == run && flight.stores_pending == 0 && matches!(flight.state, RunState::Storing);
        if let Some(place) = self.flights.iter().position(done) {
            self.flights.swap_remove(place);
            self.runs_done += 1;
        }
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
            let taken =
                self.io.settle(Settle { target, output, copy, after: (self.runs_done, self.job.clock), events: self.sender.clone() });
            self.execution.settle_started(output, taken);
        }
    }

    /// Gives up on `run` and all later ones; of several errors the one of the lowest run stays.
    fn fail(&mut self, run: usize, error: Error) {
        if self.failed.as_ref().is_some_and(|(failed, _)| *failed <= run) {
            return;
        }
        self.job.fail(run);
        self.failed = Some((run, error));
        let waiting: Vec<Box<RunTask>> = self
            .flights
            .iter_mut()
            .filter_map(|flight| match std::mem::replace(&mut flight.state, RunState::Storing) {
                RunState::Waiting(task) => Some(task),
                // Nothing of what comes after the failed run is computed, and what comes before it may go on.
                RunState::Ready(task) if task.run > run => Some(task),
                state => {
                    flight.state = state;
                    None
                }
            })
            .collect();
        waiting.into_iter().for_each(|task| self.give_up(task));
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

/// How many events a stage has under way at most; with room for them no thread ever waits for the scheduler.
pub(super) fn events_max(workers: usize, in_flight: usize, writes: usize) -> usize {
    // Per run in flight: one answer to a fetch or a computation, one per store; per lane: its end.
    in_flight * (1 + writes) + workers
}
