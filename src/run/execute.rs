//! One execution of a plan: its stages one after the other, temps, checks, outputs, and the figures of it all.

use super::{
    Bindings, Control, Progress, Sink,
    budget::{Budget, Purpose},
    engine::Engine,
    flights::events_max,
    io::{fetch_guarded, store},
    job::{OpenScratch, RunTask, StageJob, without_panic},
    lanes::Worker,
    pool::Buffer,
    prepare::{PreparedPlan, PreparedStage},
    restore::{is_restorable, keep, key_of, temps_of},
    results::{StageResults, call_guarded, for_each_row},
    scheduler::{Event, Scheduler},
    share::Ending,
    spans,
    spill::{Spill, beside},
    timing::{bytes_resident, compute_lane, timed},
    warnings::{judge, told_name},
};
use crate::{
    error::{Error, Result},
    kernel::{
        vm::{BlockFold, BlockFunction},
        watch::Findings,
    },
    nd::{DType, Region, shape::show},
    numeric::{Accumulator, Finish, Outcome},
    plan::{Check, Output, OutputFrom, ScratchId, Stage, TempId, Write, WriteTo},
    store::{MemoryTarget, PageCache, Source, Target, nameless::ScratchPlace},
    trace::{Begun, Clock, Histogram, RunStats, Sample, Span, SpanKind, StageStats},
};
use crossbeam_channel::{Receiver, Sender, bounded};
use rayon::prelude::*;
use std::{
    any::Any,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

/// Stages that move less than this in all are not worth waking a thread for.
const INLINE_BYTES_MAX: u64 = 64 * 1024;
/// Points of a stage that are computed faster than threads are woken.
const INLINE_POINTS_MAX: usize = 64 * 1024;
/// Distance of progress events.
const PROGRESS_PERIOD: Duration = Duration::from_millis(100);
/// Outputs of a reduction that one task finishes.
const FINISH_CHUNK: usize = 8192;

type Caller<'a> = &'a mut (dyn FnMut(&Region, &[u8]) -> Result<()> + Send + 'a);

/// Write-back of one output.
#[derive(Clone, Default)]
struct SettleState {
    bytes_since: u64,
    running: bool,
}

/// Everything that one execution owns.
pub(super) struct Execution<'a> {
    pub engine: &'a Engine,
    pub prepared: &'a PreparedPlan,
    pub stats: RunStats,
    control: &'a Control,
    sources: Arc<Vec<Arc<dyn Source>>>,
    functions: Vec<Arc<dyn BlockFunction>>,
    targets: Arc<Vec<Option<Arc<dyn Target>>>>,
    /// The targets that are arrays in memory.
    memories: Arc<Vec<Option<Arc<MemoryTarget>>>>,
    callers: Vec<Option<Caller<'a>>>,
    pub budget: Arc<Budget>,
    /// Temps that are made and still needed.
    pub temps: Vec<Option<Arc<Buffer>>>,
    /// Scratch that is open.
    scratches: Vec<Option<OpenScratch>>,
    /// Temps that the current stage makes.
    making: Vec<Option<Buffer>>,
    stage_stats: StageStats,
    /// What the current stage created.
    findings: Findings,
    channel: Option<(Sender<Event>, Receiver<Event>)>,
    settles: Vec<SettleState>,
    /// What a closure of the caller panicked with.
    panic: Option<Box<dyn Any + Send>>,
    started: Instant,
    progress_at: Instant,
    /// Planned bytes of the finished stages.
    bytes_done: u64,
    /// The stage as the recorder knows it.
    begun: Option<Begun>,
}

/// Runs a prepared plan. See [`execute`](super::execute).
pub fn execute_prepared(engine: &Engine, prepared: &PreparedPlan, bindings: Bindings<'_>, control: &Control) -> Result<RunStats> {
    let plan = &prepared.plan;
    let bound = (bindings.sources.len(), bindings.functions.len(), bindings.sinks.len());
    let wanted = (plan.sources.len(), plan.functions.len(), plan.outputs.len());
    if bound != wanted {
        return Err(Error::internal(format!("bound {bound:?} sources, functions and outputs to a plan with {wanted:?}")));
    }
    let Bindings { sources, functions, sinks } = bindings;
    sinks.iter().zip(&plan.outputs).try_for_each(|(sink, output)| check_layout(sink, output))?;
    let shorten = |sink| match sink {
        Sink::Target(target) => Sink::Target(target),
        Sink::Memory(memory) => Sink::Memory(memory),
        // The closure may live longer than this execution: its lifetime is cut here.
        Sink::Caller(caller) => Sink::Caller(caller),
    };
    let sinks = sinks.into_iter().map(shorten).collect();
    let mut execution = Execution::new(engine, prepared, sources, functions, sinks, control);
    let outcome = execution.run();
    let settled = execution.wait_settled();
    if let Some(payload) = execution.panic.take() {
        drop(execution);
        std::panic::resume_unwind(payload);
    }
    outcome?;
    settled?;
    Ok(execution.into_stats())
}

/// An error unless the plan knows of the chunks of a target.
fn check_layout(sink: &Sink<'_>, output: &Output) -> Result<()> {
    let chunk = match sink {
        Sink::Target(target) => target.chunk(),
        _ => None,
    };
    if chunk == output.layout.as_ref().map(|layout| &layout.chunk[..]) {
        return Ok(());
    }
    Err(Error::internal(format!("output `{}` was planned for other chunks than {chunk:?}", output.name)))
}

impl<'a> Execution<'a> {
    fn new(
        engine: &'a Engine,
        prepared: &'a PreparedPlan,
        sources: Vec<Arc<dyn Source>>,
        functions: Vec<Arc<dyn BlockFunction>>,
        sinks: Vec<Sink<'a>>,
        control: &'a Control,
    ) -> Self {
        let plan = &prepared.plan;
        let (mut targets, mut memories, mut callers) = (Vec::new(), Vec::new(), Vec::new());
        for sink in sinks {
            let (target, memory, caller): (Option<Arc<dyn Target>>, _, _) = match sink {
                Sink::Target(target) => (Some(target), None, None),
                Sink::Memory(memory) => (Some(Arc::clone(&memory) as Arc<dyn Target>), Some(memory), None),
                Sink::Caller(caller) => (None, None, Some(caller)),
            };
            targets.push(target);
            memories.push(memory);
            callers.push(caller);
        }
        let now = Instant::now();
        Execution {
            engine,
            prepared,
            control,
            sources: Arc::new(sources),
            functions,
            settles: vec![SettleState::default(); targets.len()],
            targets: Arc::new(targets),
            memories: Arc::new(memories),
            callers,
            budget: Budget::new(),
            temps: vec![None; plan.temps.len()],
            scratches: vec![None; plan.scratches.len()],
            making: plan.temps.iter().map(|_| None).collect(),
            stats: RunStats {
                bytes_peak_planned: plan.bytes_peak,
                passes: prepared.passes.clone(),
                io: prepared.io.to_owned(),
                output_counts: vec![None; plan.outputs.len()],
                stages: Vec::with_capacity(plan.stages.len()),
                ..RunStats::default()
            },
            stage_stats: StageStats::default(),
            findings: Findings::default(),
            channel: None,
            panic: None,
            started: now,
            progress_at: now,
            bytes_done: 0,
            begun: None,
        }
    }

    fn run(&mut self) -> Result<()> {
        let prepared = self.prepared;
        let _told = spans::job(&prepared.plan);
        self.sample();
        for stage in &prepared.stages {
            match &self.control.share {
                Some(share) => self.run_share(stage, share)?,
                None => self.run_stage(stage, 0..stage.run_count, Ending::Results)?,
            }
        }
        if self.control.share.is_none() {
            self.deliver_temps()?;
        }
        for source in self.sources.iter().filter(|source| !source.facts().resident) {
            source.verify()?;
        }
        self.wait_settled()?;
        let mut spans = Vec::new();
        for target in self.targets.iter().flatten() {
            let (synced, span) = timed(self.clock(), SpanKind::Sync, compute_lane(), 0, || {
                without_panic(|| format!("syncing {}", target.name()), || target.sync())
            });
            spans.push(span);
            synced?;
        }
        spans.into_iter().for_each(|span| self.record(span));
        self.sample();
        if self.control.progress.is_some() {
            self.report(self.prepared.plan.stages.len().saturating_sub(1), self.prepared.bytes_total);
        }
        Ok(())
    }

    /// Computes the runs of `range`.
    pub fn run_stage(&mut self, stage: &Arc<PreparedStage>, range: Range<usize>, ending: Ending<'_>) -> Result<()> {
        if self.control.cancel.is_set() {
            return Err(Error::cancelled());
        }
        if self.restore(stage)? {
            return self.check(stage.index);
        }
        let started = Instant::now();
        let plan = stage.stage();
        let _told = spans::stage(plan, range.len());
        let is_whole = !matches!(ending, Ending::States(_));
        self.stage_stats = StageStats { name: plan.name.clone(), ..StageStats::default() };
        self.make_room(stage)?;
        self.begun = self.control.recorder.as_ref().map(|recorder| recorder.begin(&plan.name, range.len() as u64));
        let mut job = StageJob::new(
            stage,
            &self.sources,
            (&self.targets, &self.memories),
            &self.functions,
            (&self.temps, &self.scratches),
            &self.budget,
            &self.control.cancel,
        )?;
        job.clock = self.clock();
        job.range = range;
        let bytes_unmapped = job.bytes_unmapped();
        let mut results = StageResults::new(&job)?;
        if job.range.is_empty() || self.is_inline(stage) {
            self.run_inline(&job, &mut results)?;
            self.end_stage(&job, &mut results, ending)?;
        } else {
            let job = Arc::new(job);
            Scheduler::new(self, Arc::clone(&job), &mut results)?.run()?;
            self.end_stage(&job, &mut results, ending)?;
        }
        self.bytes_done += stage.bytes_total;
        let mut done = std::mem::take(&mut self.stage_stats);
        done.seconds = started.elapsed().as_secs_f64();
        done.bytes_read += resident_bytes(plan);
        done.bytes_copied += bytes_unmapped;
        done.bytes_copied_hidden += bytes_unmapped;
        if let (Some(recorder), Some(begun)) = (&self.control.recorder, self.begun) {
            recorder.end(begun);
        }
        spans::done(&done);
        self.stats.push_stage(done);
        let texts = judge(&std::mem::take(&mut self.findings), plan, self.engine.policy())?;
        for text in texts {
            let name = told_name(plan);
            spans::warning(&name, &text);
            self.stats.warn(&name, text);
        }
        keep(stage, &self.temps, self.control);
        if is_whole { self.check(stage.index) } else { Ok(()) }
    }

    /// Whether everything that a stage makes is there from an earlier job; its small results then are.
    fn restore(&mut self, stage: &PreparedStage) -> Result<bool> {
        let Some(journal) = self.control.journal.as_ref().filter(|journal| is_restorable(stage, journal, &self.targets)) else {
            return Ok(false);
        };
        self.make_room(stage)?;
        for temp in temps_of(stage) {
            if let Some(mut buffer) = self.making[temp].take() {
                journal.temp(&key_of(stage, temp), buffer.bytes_mut())?;
                self.temps[temp] = Some(Arc::new(buffer));
            }
        }
        self.pass_over(stage);
        Ok(true)
    }

    /// Counts a stage as done that was done before.
    pub fn pass_over(&mut self, stage: &PreparedStage) {
        self.bytes_done += stage.bytes_total;
        self.stats.push_stage(StageStats { name: stage.stage().name.clone(), ..StageStats::default() });
    }

    /// Lets go of temps that no stage needs any more, and makes those of this stage.
    fn make_room(&mut self, stage: &PreparedStage) -> Result<()> {
        self.budget.limit_to(stage.stage().memory.total());
        for (index, temp) in self.prepared.plan.temps.iter().enumerate() {
            if temp.last_use < stage.index {
                self.temps[index] = None;
            }
            if temp.made_by == stage.index {
                self.making[index] = Some(Buffer::new(&self.budget, Purpose::Temps, temp.bytes())?);
            }
        }
        for (index, scratch) in self.prepared.plan.scratches.iter().enumerate() {
            if scratch.last_use < stage.index {
                self.scratches[index] = None;
            }
            if scratch.made_by == stage.index {
                let place = ScratchPlace { named: self.control.scratch.clone(), beside: beside(&self.targets) };
                let spill = Arc::new(Spill::create(&self.prepared.plan, ScratchId(index as u32), &place, &self.budget)?);
                self.scratches[index] = Some(OpenScratch { source: Arc::clone(&spill) as Arc<dyn Source>, spill });
            }
        }
        Ok(())
    }

    fn end_stage(&mut self, job: &StageJob, results: &mut StageResults, ending: Ending<'_>) -> Result<()> {
        match ending {
            Ending::Results => {}
            Ending::States(states) => {
                *states = results.states();
                return Ok(());
            }
            Ending::Merged(pieces) => {
                while let Some(piece) = pieces()? {
                    results.merge_states(&piece)?;
                }
            }
        }
        results.check_compressed(self, job)?;
        results.finish(self, job)?;
        self.scratches.iter().flatten().for_each(|scratch| scratch.spill.rest());
        for (made, temp) in self.making.iter_mut().zip(&mut self.temps) {
            if let Some(buffer) = made.take() {
                *temp = Some(Arc::new(buffer));
            }
        }
        Ok(())
    }

    /// Whether a stage is computed on the calling thread: where threads could not help, or must not be waited for.
    fn is_inline(&self, stage: &PreparedStage) -> bool {
        let workers = stage.stage().workers.min(self.engine.threads());
        let waits = |output: usize| !self.has_caller(output) && self.memories[output].is_none();
        let stores = stage.stage().writes.iter().any(|write| matches!(write.to, WriteTo::Output(output) if waits(output)));
        // What is generated or stretched has many points of few bytes.
        let points = stage.stage().space.iter().fold(1, |points: usize, &length| points.saturating_mul(length));
        stage.run_count <= 1
            || (stage.bytes_total <= INLINE_BYTES_MAX && points <= INLINE_POINTS_MAX)
            || (workers == 1 && stage.resident && !stores)
            || self.engine.is_own_thread()
    }

    fn run_inline(&mut self, job: &StageJob, results: &mut StageResults) -> Result<()> {
        let machines = self.engine.machines();
        let mut worker = Worker::new(machines, job)?;
        let mut task = RunTask::default();
        for run in job.range.clone() {
            if job.is_finished(run) {
                continue;
            }
            task.start(job, run);
            if job.stage.fetched {
                let begun = task.now();
                fetch_guarded(job, &mut task)?;
                task.did(SpanKind::Read, begun);
            }
            worker.compute(job, &mut task)?;
            self.count_run(&mut task);
            results.merge(job, &mut task)?;
            for write in 0..job.stage.stage().writes.len() {
                if let Some(pending) = results.deliver(self, job, &mut task, write)? {
                    let buffer = task.outputs[write].as_ref().map(Buffer::bytes).unwrap_or_default();
                    let write_it = || store(job, run, pending.output, &pending.region, &buffer[..pending.bytes]);
                    let (stored, span) = timed(job.clock, SpanKind::Write, compute_lane(), run, write_it);
                    self.record(span);
                    stored?;
                }
            }
            job.release(&mut task);
            self.tick(run + 1 - job.range.start, job.range.len())?;
        }
        worker.retire(machines);
        Ok(())
    }

    /// Gives outputs that are temps to their sinks.
    fn deliver_temps(&mut self) -> Result<()> {
        let prepared = self.prepared;
        self.budget.limit_to(prepared.plan.bytes_peak);
        for (index, output) in prepared.plan.outputs.iter().enumerate() {
            let OutputFrom::Temp(temp) = output.from else { continue };
            let made = self.temps[temp.0 as usize].clone();
            let buffer = made.ok_or_else(|| Error::internal(format!("output `{}` was never made", output.name)))?;
            let region = Region::whole(&output.shape);
            if self.has_caller(index) {
                self.call(index, &region, buffer.bytes())?;
            } else if let Some(target) = &self.targets[index] {
                let _stores = self.budget.reserve(Purpose::Stores, output.layout.as_ref().map_or(0, |layout| layout.scratch_bytes))?;
                without_panic(|| format!("writing {}", target.name()), || target.write(&region, buffer.bytes()))?;
            }
        }
        Ok(())
    }

    /// The assertions whose value the stage made.
    fn check(&self, stage: usize) -> Result<()> {
        let plan = &self.prepared.plan;
        for check in plan.checks.iter().filter(|check| plan.temps[check.temp.0 as usize].made_by == stage) {
            let buffer = self.temps[check.temp.0 as usize].as_ref();
            let bytes = buffer.and_then(|buffer| buffer.bytes().try_into().ok());
            let index = bytes.map(i64::from_ne_bytes).ok_or_else(|| Error::internal("a check is not a 0-d i64"))?;
            if let Ok(index) = usize::try_from(index) {
                return Err(failed_check(check, index));
            }
        }
        Ok(())
    }

    /// Whether the output goes to a closure of the caller.
    pub fn has_caller(&self, output: usize) -> bool {
        self.callers[output].is_some()
    }

    /// Gives a box of an output to the caller's closure.
    pub fn call(&mut self, output: usize, region: &Region, bytes: &[u8]) -> Result<()> {
        let Some(caller) = &mut self.callers[output] else { return Ok(()) };
        call_guarded(|| caller(region, bytes)).unwrap_or_else(|payload| {
            self.panic = Some(payload);
            Err(Error::cancelled())
        })
    }

    /// Writes a box of a temp that the stage makes.
    pub fn write_temp(&mut self, temp: TempId, region: &Region, bytes: &[u8]) -> Result<()> {
        let facts = &self.prepared.plan.temps[temp.0 as usize];
        let missing = || Error::internal(format!("temp `{}` is written by a stage that does not make it", facts.name));
        let out = self.making[temp.0 as usize].as_mut().ok_or_else(missing)?.bytes_mut();
        if !region.fits(&facts.shape) {
            return Err(Error::internal(format!("box {region} leaves temp `{}` of shape {}", facts.name, show(&facts.shape))));
        }
        let size = facts.dtype.size();
        for_each_row(&facts.shape, region, |at, from, count| {
            out[at * size..][..count * size].copy_from_slice(&bytes[from * size..][..count * size]);
        });
        Ok(())
    }

    /// Finishes a user fold into a temp that the stage makes.
    pub fn finish_fold(&mut self, whole: Box<dyn BlockFold>, temp: TempId) -> Result<()> {
        let missing = || Error::internal(format!("temp {} is finished by a stage that does not make it", temp.0));
        whole.finish(self.making[temp.0 as usize].as_mut().ok_or_else(missing)?.bytes_mut())
    }

    /// Finishes a reduction into a temp that the stage makes.
    ///
    /// Groups without elements are no news: what they are is written down.
    pub fn finish_into(&mut self, whole: &Accumulator, (finish, dtype): (Finish, DType), temp: TempId, in_groups: bool) -> Result<()> {
        let missing = || Error::internal(format!("temp {} is finished by a stage that does not make it", temp.0));
        let out = self.making[temp.0 as usize].as_mut().ok_or_else(missing)?.bytes_mut();
        finish_all(self.engine, whole, finish, dtype, out)?;
        let outcomes = whole.outcomes(finish, dtype, 0, out);
        self.findings
            .add_results(finish.name(), outcomes.map(|(why, count)| (why, if in_groups && why == Outcome::Nan { 0 } else { count })));
        Ok(())
    }

    /// Name and shape of what a write goes to.
    pub fn written(&self, write: &Write) -> (String, Vec<usize>) {
        let plan = &self.prepared.plan;
        match write.to {
            WriteTo::Output(output) => (plan.outputs[output].name.clone(), plan.outputs[output].shape.clone()),
            WriteTo::Temp(temp) => (plan.temps[temp.0 as usize].name.clone(), plan.temps[temp.0 as usize].shape.clone()),
            WriteTo::Scratch(id) => (plan.scratches[id.0 as usize].name.clone(), plan.scratches[id.0 as usize].shape.clone()),
        }
    }

    /// Counts a computed run.
    pub fn count_run(&mut self, task: &mut RunTask) {
        if let Some(journal) = self.control.journal.as_ref().filter(|_| !task.findings.is_empty() && self.engine.policy().is_strict()) {
            // What may turn out to be an error must be met again by a job that goes on.
            journal.pause();
        }
        self.findings.merge(std::mem::take(&mut task.findings));
        self.stage_stats.runs += 1;
        self.stage_stats.blocks += task.blocks;
        self.stage_stats.bytes_read += task.bytes_read;
        self.stage_stats.bytes_copied += task.bytes_read.saturating_sub(task.bytes_mapped) + task.bytes_unmapped;
        self.stage_stats.bytes_copied_hidden += task.bytes_unmapped;
        if let (Some(timing), Some(recorder), Some(begun)) = (&mut task.timing, &self.control.recorder, self.begun) {
            timing.all();
            recorder.add(begun, &timing.spans, &timing.blocks, timing.waited);
        }
    }

    /// What is timed with, if the job is recorded.
    fn clock(&self) -> Option<Clock> {
        self.control.recorder.as_ref().map(|recorder| recorder.clock())
    }

    /// Takes down what a thread did besides computing.
    pub fn record(&self, span: Option<Span>) {
        if let (Some(span), Some(recorder), Some(begun)) = (span, &self.control.recorder, self.begun) {
            recorder.add(begun, &[span], &Histogram::default(), 0);
        }
    }

    /// Takes down how things stand.
    fn sample(&self) {
        let Some(recorder) = &self.control.recorder else { return };
        recorder.sample(Sample {
            at: 0,
            bytes_read: self.stats.bytes_read + self.stage_stats.bytes_read,
            bytes_written: self.stats.bytes_written + self.stage_stats.bytes_written,
            bytes_held: self.budget.bytes_held(),
            bytes_resident: bytes_resident(),
            bytes_budget: self.prepared.plan.limits.memory_bytes,
        });
    }

    /// Counts delivered bytes.
    pub fn count_written(&mut self, bytes: u64) {
        self.stage_stats.bytes_written += bytes;
    }

    /// Looks up from the work: cancellation and progress.
    pub fn tick(&mut self, runs_done: usize, run_count: usize) -> Result<()> {
        if self.control.cancel.is_set() {
            return Err(Error::cancelled());
        }
        if self.control.recorder.as_ref().is_some_and(|recorder| recorder.wants_sample()) {
            self.sample();
        }
        if self.control.progress.is_some() && self.progress_at.elapsed() >= PROGRESS_PERIOD {
            self.progress_at = Instant::now();
            let stage = self.stats.stages.len();
            let planned = self.prepared.stages[stage].bytes_total;
            let done = u128::from(planned) * runs_done as u128 / run_count.max(1) as u128;
            self.report(stage, self.bytes_done + done as u64);
        }
        if self.panic.is_some() { Err(Error::cancelled()) } else { Ok(()) }
    }

    fn report(&mut self, stage: usize, bytes_done: u64) {
        let plan = &self.prepared.plan;
        let progress = Progress {
            stage,
            stages: plan.stages.len(),
            stage_name: plan.stages.get(stage).map(|stage| stage.name.clone()).unwrap_or_default(),
            bytes_done,
            bytes_total: self.prepared.bytes_total,
            seconds: self.started.elapsed().as_secs_f64(),
            bytes_held: self.budget.bytes_held(),
            bytes_budget: plan.limits.memory_bytes,
        };
        let Some(callback) = &self.control.progress else { return };
        let called = call_guarded(|| {
            callback(&progress);
            Ok(())
        });
        if let Err(payload) = called {
            self.panic.get_or_insert(payload);
        }
    }

    /// Both ends of the event channel.
    pub fn channel(&mut self) -> (Sender<Event>, Receiver<Event>) {
        let prepared = self.prepared;
        let outputs = prepared.plan.outputs.len();
        let threads = self.engine.threads();
        let events = prepared.plan.stages.iter().map(|stage| events_max(threads, stage.workers, stage.in_flight, stage.writes.len())).max();
        self.channel.get_or_insert_with(|| bounded(events.unwrap_or(0) + outputs)).clone()
    }

    /// Counts bytes that reached a target; gives the target when it is time to settle it, and what becomes of the copy in memory.
    pub fn settle_due(&mut self, output: usize, bytes: u64, period_bytes: u64) -> Option<(Arc<dyn Target>, PageCache)> {
        let state = &mut self.settles[output];
        state.bytes_since += bytes;
        // One at a time: the next one covers whatever is written until then, so a slow medium is never flooded.
        if state.running || state.bytes_since < period_bytes {
            return None;
        }
        let plan = &self.prepared.plan;
        let copy = if plan.outputs[output].stays_cached(&plan.limits) { PageCache::Keep } else { PageCache::Drop };
        Some((Arc::clone(self.targets[output].as_ref()?), copy))
    }

    /// Notes that a target is being settled.
    pub fn settle_started(&mut self, output: usize, running: bool) {
        if running {
            self.settles[output] = SettleState { bytes_since: 0, running: true };
        }
    }

    /// Notes that a target was settled. Its error counts: the medium may not report it a second time.
    pub fn settled(&mut self, output: usize, result: Result<()>) -> Result<()> {
        self.settles[output].running = false;
        result
    }

    /// Waits until no target is being settled.
    fn wait_settled(&mut self) -> Result<()> {
        let Some((_, receiver)) = self.channel.clone() else { return Ok(()) };
        let mut outcome = Ok(());
        while self.settles.iter().any(|state| state.running) {
            match receiver.recv() {
                Ok(Event::Settled { output, result, span }) => {
                    self.record(span);
                    outcome = outcome.and(self.settled(output, result));
                }
                Ok(_) => {}
                Err(_) => return Err(Error::internal("the event channel is gone")),
            }
        }
        outcome
    }

    fn into_stats(mut self) -> RunStats {
        self.stats.bytes_peak_held = self.budget.bytes_peak();
        self.stats.seconds = self.started.elapsed().as_secs_f64();
        if let Some(recorder) = &self.control.recorder {
            recorder.end_execution(self.stats.bytes_read, self.stats.bytes_written);
        }
        self.stats
    }
}

/// Planned bytes of the reads that are used where they are.
fn resident_bytes(stage: &Stage) -> u64 {
    use crate::plan::{Access, ReadFrom};
    let resident = stage.reads.iter().filter(|read| read.access == Access::Resident && matches!(read.from, ReadFrom::Source(_)));
    resident.map(|read| read.bytes_total).sum()
}

fn failed_check(check: &Check, index: usize) -> Error {
    if check.shape.is_empty() {
        return Error::assert(format!("assertion failed: {}", check.message));
    }
    let mut place = vec![0; check.shape.len()];
    let mut rest = index;
    for (axis, length) in check.shape.iter().enumerate().rev() {
        place[axis] = rest % (*length).max(1);
        rest /= (*length).max(1);
    }
    Error::assert(format!(
        "assertion failed: {}: first false at {} of an array of shape {}",
        check.message,
        show(&place),
        show(&check.shape)
    ))
}

/// Finishes all outputs of a reduction, in parts on all threads where there are many.
fn finish_all(engine: &Engine, whole: &Accumulator, finish: Finish, dtype: DType, out: &mut [u8]) -> Result<()> {
    // A state takes several elements of the temp.
    let item = finish.state_bytes(whole.dtype()).unwrap_or(dtype.size());
    let outputs = out.len() / item;
    if outputs <= 2 * FINISH_CHUNK || engine.threads() == 1 || engine.is_own_thread() {
        return whole.finish(finish, dtype, 0, outputs, out);
    }
    let pool = engine.pool()?;
    let finish_chunk = |(index, chunk): (usize, &mut [u8])| whole.finish(finish, dtype, index * FINISH_CHUNK, chunk.len() / item, chunk);
    let work = || {
        let chunks = out.par_chunks_mut(FINISH_CHUNK * item).enumerate().map(finish_chunk);
        chunks.find_first(Result::is_err).unwrap_or(Ok(()))
    };
    without_panic(|| "finishing a reduction".to_owned(), || pool.install(work))
}
