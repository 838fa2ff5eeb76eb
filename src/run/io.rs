//! The threads that may block on a medium: two that read and write, one that looks ahead, one that settles.
//!
//! They answer into the event channel of the execution that asked, which always has room for every answer it waits
//! for; so they never block on anything but the medium, and a full command channel always empties.

use super::{
    cancel::Cancel,
    fetch::fetch,
    job::{RunTask, StageJob, without_panic},
    pool::Buffer,
    scheduler::Event,
    timing::timed,
};
use crate::{
    error::{Error, Result},
    nd::Region,
    plan::memory::TRANSFER_THREADS,
    store::{PageCache, Source, Target},
    trace::{Clock, Lane, SpanKind},
};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::{
    ops::Range,
    sync::Arc,
    thread::{self, JoinHandle},
};

/// Commands that wait at most; each is a run, and what runs hold is bounded by the plan.
const COMMANDS_MAX: usize = 64;

/// What a transfer thread is asked to do.
pub(super) enum Command {
    /// Copy a run's inputs into buffers.
    Fetch { job: Arc<StageJob>, task: Box<RunTask>, events: Sender<Event> },
    /// Write a run's result.
    Store {
        job: Arc<StageJob>,
        run: usize,
        write: usize,
        output: usize,
        region: Region,
        buffer: Buffer,
        bytes: usize,
        events: Sender<Event>,
    },
}

/// What a worker will want soon.
pub(super) enum Soon {
    /// Elements of a dense store, mapped.
    Elements(Range<usize>),
    /// A box of a store of chunks, decoded.
    Box(Region),
}

/// What will be wanted soon. Holds nothing of the stage, which may end before this is looked at.
pub(super) struct Ahead {
    pub source: Arc<dyn Source>,
    pub what: Soon,
    pub cancel: Cancel,
}

/// An output whose written bytes should reach the medium.
pub(super) struct Settle {
    pub target: Arc<dyn Target>,
    pub output: usize,
    pub copy: PageCache,
    /// The run after which it is settled, and what that is timed with if the job is recorded.
    pub after: (usize, Option<Clock>),
    pub events: Sender<Event>,
}

/// The I/O threads of an engine. Dropping it joins them.
pub(super) struct IoThreads {
    channels: Option<Channels>,
    threads: Vec<JoinHandle<()>>,
}

struct Channels {
    commands: Sender<Command>,
    ahead: Sender<Ahead>,
    settle: Sender<Settle>,
}

impl IoThreads {
    pub fn start() -> Result<Self> {
        let (commands, command_queue) = bounded(COMMANDS_MAX);
        let (ahead, ahead_queue) = bounded(COMMANDS_MAX);
        let (settle, settle_queue) = bounded(COMMANDS_MAX);
        // Filled one by one, so that the threads that did start are joined if a later one does not.
        let mut made = IoThreads { channels: Some(Channels { commands, ahead, settle }), threads: Vec::new() };
        for index in 0..TRANSFER_THREADS {
            let queue = command_queue.clone();
            made.spawn(format!("outcore-io-{index}"), move || transfer(&queue, Lane::Transfer(index as u16)))?;
        }
        made.spawn("outcore-ahead".into(), move || look_ahead(&ahead_queue))?;
        made.spawn("outcore-settle".into(), move || settle_targets(&settle_queue))?;
        Ok(made)
    }

    fn spawn(&mut self, name: String, work: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = thread::Builder::new().name(name).spawn(work);
        self.threads.push(thread.map_err(|error| Error::io("start", "an I/O thread", error))?);
        Ok(())
    }

    /// Hands over a command; waits while the channel is full.
    pub fn command(&self, command: Command) -> Result<()> {
        let gone = || Error::internal("the I/O threads are gone");
        self.channels.as_ref().ok_or_else(gone)?.commands.send(command).map_err(|_| gone())
    }

    /// Whether the look-ahead was taken; it is only ever advice.
    pub fn ahead(&self, ahead: Ahead) -> bool {
        self.channels.as_ref().is_some_and(|channels| channels.ahead.try_send(ahead).is_ok())
    }

    /// Whether the request was taken; the next one covers what this one would have.
    pub fn settle(&self, settle: Settle) -> bool {
        let sent = self.channels.as_ref().map(|channels| channels.settle.try_send(settle));
        !matches!(sent, None | Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))))
    }
}

impl Drop for IoThreads {
    fn drop(&mut self) {
        self.channels = None;
        for thread in self.threads.drain(..) {
            // An engine that is dropped on one of its own threads cannot wait for it.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

fn transfer(queue: &Receiver<Command>, lane: Lane) {
    for command in queue {
        // An answer that nobody waits for any more is dropped with what it holds.
        match command {
            Command::Fetch { job, mut task, events } => {
                task.taken_by(lane);
                let begun = task.now();
                let result = fetch_guarded(&job, &mut task);
                task.did(SpanKind::Read, begun);
                drop(job);
                let _ = events.send(Event::Fetched { task, result });
            }
            Command::Store { job, run, write, output, region, buffer, bytes, events } => {
                let write_it = || store(&job, run, output, &region, &buffer.bytes()[..bytes]);
                let (result, span) = timed(job.clock, SpanKind::Write, lane, run, write_it);
                drop(job);
                let _ = events.send(Event::Stored { run, write, output, buffer, bytes, result, span });
            }
        }
    }
}

/// Reads a run's inputs, unless the run is given up.
pub(super) fn fetch_guarded(job: &StageJob, task: &mut RunTask) -> Result<()> {
    let run = task.run;
    if job.is_given_up(run) {
        return Err(Error::cancelled());
    }
    without_panic(|| format!("reading run {run} of stage `{}`", job.stage.stage().name), || fetch(job, task))
}

/// Writes a result to its target.
pub(super) fn store(job: &StageJob, run: usize, output: usize, region: &Region, bytes: &[u8]) -> Result<()> {
    if job.is_given_up(run) {
        return Err(Error::cancelled());
    }
    let target = job.targets[output].as_ref().ok_or_else(|| Error::internal(format!("output {output} has no target")))?;
    without_panic(|| format!("writing {}", target.name()), || target.write(region, bytes))
}

fn look_ahead(queue: &Receiver<Ahead>) {
    for Ahead { source, what, cancel } in queue {
        if !cancel.is_set() {
            // Advice never fails a job; what a source does wrong here shows when it is read.
            let _ = without_panic(String::new, || {
                match &what {
                    Soon::Elements(elements) => source.prefetch(elements.clone()),
                    Soon::Box(region) => source.prefetch_box(region),
                }
                Ok(())
            });
        }
    }
}

fn settle_targets(queue: &Receiver<Settle>) {
    for Settle { target, output, copy, after: (run, clock), events } in queue {
        let settle = || without_panic(|| format!("settling {}", target.name()), || target.settle(copy));
        let (result, span) = timed(clock, SpanKind::Settle, Lane::Settle, run, settle);
        drop(target);
        let _ = events.send(Event::Settled { output, result, span });
    }
}
