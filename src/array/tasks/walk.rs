//! The walk through a job: phase after phase, as far as its results are there.

use super::{
    StageTasks, TaskDone, TaskSize,
    folder::{Agreed, Folder, Phase},
    outputs::Outputs,
};
use crate::{
    array::{
        below::{Bindings, Control, RunStats, Sink, execute},
        carried::Carried,
        job::{Job, JobResult, memories_for, plan_beside_results, sinks},
        phased::{Level, settle},
        phases::control,
        session::Session,
    },
    error::{Error, Result},
    nd::Region,
    plan::{Output, OutputFrom, Plan},
    run::{Doing, Share},
    store::{Target, tasks::Piece},
};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

/// A stage of one task that moves less is run by whoever plans.
const SMALL_BYTES: u64 = 64 << 20;

/// Warnings of tasks that are told one by one.
const WARNINGS_MAX: usize = 16;

/// What a process has come to do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Intent {
    /// To find out what is next.
    Plan(TaskSize),
    /// To run a task.
    Task { phase: usize, stage: usize, task: usize },
    /// To give outputs their names.
    Finish,
}

/// What it found.
pub(super) enum Found {
    /// Tasks that are to be run.
    Tasks(StageTasks),
    /// The task is done.
    Task(TaskDone),
    /// The end of the job; its result if it was to be finished.
    End(Option<Box<JobResult>>),
}

/// One walk through a job.
pub(in crate::array) struct Walk {
    folder: Folder,
    intent: Intent,
    /// Phases that were met.
    phases: AtomicUsize,
    /// Levels of values that were met.
    levels: AtomicUsize,
    found: Mutex<Option<Found>>,
}

impl Walk {
    pub(super) fn new(folder: Folder, intent: Intent) -> Walk {
        Walk { folder, intent, phases: AtomicUsize::new(0), levels: AtomicUsize::new(0), found: Mutex::new(None) }
    }

    pub(super) fn take_found(&self) -> Option<Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What the level found that is met next, if it was met to its end before.
    pub(in crate::array) fn level(&self) -> Result<Option<Level>> {
        let Some((level, phases)) = self.folder.level(self.levels.load(Ordering::Relaxed))? else { return Ok(None) };
        self.levels.fetch_add(1, Ordering::Relaxed);
        self.phases.store(phases, Ordering::Relaxed);
        Ok(Some(level))
    }

    /// Keeps what a level found.
    pub(in crate::array) fn keep_level(&self, level: &Level) -> Result<()> {
        self.folder.put_level(self.levels.fetch_add(1, Ordering::Relaxed), level, self.phases.load(Ordering::Relaxed))
    }

    /// Stands for the execution of a plan: gives its results if they are there. An error ends the walk where they are not.
    pub(in crate::array) fn execute(&self, session: &Session, plan: &Plan, bindings: Bindings<'_>, control: &Control) -> Result<RunStats> {
        let number = self.phases.fetch_add(1, Ordering::Relaxed);
        if !plan.functions.is_empty() && matches!(self.intent, Intent::Plan(_)) {
            // What functions see stays with the process that calls them; what becomes of it is kept with their level.
            return execute(session.engine()?, plan, bindings, control).map(|stats| session.tell(stats));
        }
        let phase = self.folder.phase(number);
        let at = Place { session, plan, phase: &phase, control };
        let parts = of_targets(&bindings, |target| target.part().map(|part| part.inode));
        let agreed = match (phase.agreed()?, self.intent) {
            (Some(agreed), _) => agreed,
            (None, Intent::Plan(size)) => {
                phase.agree(plan, size, parts.clone(), &of_targets(&bindings, |target| target.shard().map(<[usize]>::to_vec)))?
            }
            (None, _) => return Err(Error::usage(format!("phase {number} is not planned yet")).hint("outcore plan --job FOLDER")),
        };
        if agreed.plan != plan.plan_id || agreed.stages.len() != plan.stages.len() {
            let text = format!("phase {number} was planned as {}, here it is {}", agreed.plan, plan.plan_id);
            return Err(Error::refused(text).hint("the same program and settings on all machines, or another folder"));
        }
        if agreed.parts != parts {
            return Err(Error::data("an unfinished output is not the one that tasks have written: another job took its place")
                .hint("begin again in another folder"));
        }
        match self.intent {
            Intent::Task { phase, stage, task } if phase == number => {
                let done = at.run(stage, task, &agreed, &bindings)?;
                Err(self.stop(Found::Task(done)))
            }
            intent => {
                for stage in 0..plan.stages.len() {
                    if at.phase.has_results(stage)? {
                        continue;
                    }
                    if !matches!(intent, Intent::Plan(_)) {
                        return Err(
                            Error::usage(format!("stage {stage} of phase {number} is not done yet")).hint("outcore plan --job FOLDER")
                        );
                    }
                    if !at.advance(stage, &agreed, &bindings)? {
                        return Err(self.stop(Found::Tasks(at.phase.step(stage, &agreed, plan)?)));
                    }
                }
                let stats = if matches!(intent, Intent::Finish) { at.took(&agreed)? } else { RunStats::default() };
                at.replay(&agreed, bindings)?;
                Ok(RunStats { output_counts: vec![None; plan.outputs.len()], ..stats })
            }
        }
    }

    /// Ends the walk.
    fn stop(&self, found: Found) -> Error {
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        Error::cancelled()
    }

    /// Whether somebody has planned the phase that is met next.
    fn is_next_planned(&self) -> Result<bool> {
        Ok(self.folder.phase(self.phases.load(Ordering::Relaxed)).agreed()?.is_some())
    }
}

/// Where a walk stands.
struct Place<'a> {
    session: &'a Session,
    plan: &'a Plan,
    phase: &'a Phase,
    control: &'a Control,
}

impl Place<'_> {
    /// Runs a task and puts down what it leaves.
    fn run(&self, stage: usize, task: usize, agreed: &Agreed, bindings: &Bindings<'_>) -> Result<TaskDone> {
        let cut = agreed.stages.get(stage).filter(|cut| task < cut.tasks);
        let missing = || Error::usage(format!("phase {} has no stage {stage} with a task {task}", self.phase.number));
        let cut = cut.ok_or_else(missing)?;
        let doing = if cut.divides { Doing::Runs(cut.runs_of(task)) } else { Doing::Stage };
        let share = Arc::new(Share::new(stage, doing, self.phase.results(stage, self.plan)?));
        let boxes: Mutex<Vec<(usize, Region, Vec<u8>)>> = Mutex::default();
        let stats = self.execute(&share, bindings, &boxes)?;
        let left = share.take_left();
        let boxes = boxes.into_inner().unwrap_or_else(PoisonError::into_inner);
        let done = TaskDone {
            task,
            phase: self.phase.number,
            stage,
            plan: self.plan.plan_id.clone(),
            seconds: stats.seconds,
            bytes_read: stats.bytes_read,
            bytes_written: stats.bytes_written,
            bytes_peak_held: stats.bytes_peak_held,
            warnings: stats.warnings.iter().map(|(about, text)| format!("{about}: {text}")).collect(),
            was_done: false,
        };
        self.phase.finish_task(&done, &Piece { states: left.states, results: left.results, boxes })?;
        Ok(done)
    }

    /// Executes a share of the plan. What is for no file is kept in `boxes`.
    fn execute(&self, share: &Arc<Share>, bindings: &Bindings<'_>, boxes: &Mutex<Vec<(usize, Region, Vec<u8>)>>) -> Result<RunStats> {
        let keep = |output: usize| {
            move |region: &Region, bytes: &[u8]| {
                boxes.lock().unwrap_or_else(PoisonError::into_inner).push((output, region.clone(), bytes.to_vec()));
                Ok(())
            }
        };
        let mut keepers: Vec<_> = (0..bindings.sinks.len()).map(keep).collect();
        let sinks = bindings.sinks.iter().zip(&mut keepers).map(|(sink, keeper)| match sink {
            Sink::Target(target) => Sink::Target(Arc::clone(target)),
            Sink::Memory(_) | Sink::Caller(_) => Sink::Caller(keeper),
        });
        let bindings = Bindings { sources: bindings.sources.clone(), functions: bindings.functions.clone(), sinks: sinks.collect() };
        let control = Control { share: Some(Arc::clone(share)), ..self.control.clone() };
        execute(self.session.engine()?, self.plan, bindings, &control).map(|stats| self.session.tell(stats))
    }

    /// Whether a stage is done: what its tasks left is put together then. A small stage is run at once.
    fn advance(&self, stage: usize, agreed: &Agreed, bindings: &Bindings<'_>) -> Result<bool> {
        let cut = &agreed.stages[stage];
        if self.phase.tasks_done(stage)?.len() < cut.tasks {
            if cut.tasks > 1 || cut.bytes > SMALL_BYTES {
                return Ok(false);
            }
            self.run(stage, 0, agreed, bindings)?;
        }
        let results = if !cut.divides {
            self.phase.piece(stage, 0, &agreed.plan)?.results
        } else if self.plan.stages[stage].reductions.is_empty() {
            Vec::new()
        } else {
            self.merge(stage, agreed, bindings)?
        };
        self.phase.put_results(stage, results, &agreed.plan)?;
        Ok(true)
    }

    /// Puts together the states that the tasks of a stage left.
    fn merge(&self, stage: usize, agreed: &Agreed, bindings: &Bindings<'_>) -> Result<Vec<(usize, Vec<u8>)>> {
        let (phase, plan) = (self.phase.clone(), agreed.plan.clone());
        let mut tasks = 0..agreed.stages[stage].tasks;
        let pieces = move || tasks.next().map(|task| phase.piece(stage, task, &plan).map(|piece| piece.states)).transpose();
        let share = Arc::new(Share::new(stage, Doing::Merge(Box::new(pieces)), self.phase.results(stage, self.plan)?));
        self.execute(&share, bindings, &Mutex::default())?;
        Ok(share.take_left().results)
    }

    /// What all tasks of the phase did together.
    fn took(&self, agreed: &Agreed) -> Result<RunStats> {
        let (mut stats, mut more) = (RunStats::default(), 0);
        for (stage, cut) in agreed.stages.iter().enumerate() {
            for task in 0..cut.tasks {
                let Some(done) = self.phase.done(stage, task, &agreed.plan)? else { continue };
                stats.bytes_read += done.bytes_read;
                stats.bytes_written += done.bytes_written;
                stats.bytes_peak_held = stats.bytes_peak_held.max(done.bytes_peak_held);
                for (about, text) in done.warnings.iter().filter_map(|text| text.split_once(": ")) {
                    if stats.warnings.len() < WARNINGS_MAX { stats.warn(about, text.to_string()) } else { more += 1 }
                }
            }
        }
        if more > 0 {
            stats.warn("tasks", format!("{more} warnings more: they stand in the files *.done of the job"));
        }
        Ok(stats)
    }

    /// Gives the sinks what tasks have kept for them, and what is a result.
    fn replay(&self, agreed: &Agreed, mut bindings: Bindings<'_>) -> Result<()> {
        let results = self.phase.results(self.plan.stages.len(), self.plan)?;
        let missing = |name: &str| Error::data(format!("the result `{name}` of phase {} is not there", self.phase.number));
        for (sink, output) in bindings.sinks.iter_mut().zip(&self.plan.outputs) {
            if let OutputFrom::Temp(temp) = output.from {
                let bytes = results[temp.0 as usize].as_deref().ok_or_else(|| missing(&output.name))?;
                give(sink, &Region::whole(&output.shape), bytes)?;
            }
        }
        for (stage, cut) in agreed.stages.iter().enumerate() {
            if !self.plan.outputs.iter().zip(&bindings.sinks).any(|(output, sink)| is_kept(output, sink, stage)) {
                continue;
            }
            for task in 0..cut.tasks {
                for (output, region, bytes) in self.phase.piece(stage, task, &agreed.plan)?.boxes {
                    let sink = bindings.sinks.get_mut(output).ok_or_else(|| missing("of a task"))?;
                    give(sink, &region, &bytes)?;
                }
            }
        }
        Ok(())
    }
}

/// What `ask` finds of every output that is a target.
fn of_targets<T>(bindings: &Bindings<'_>, ask: impl Fn(&dyn Target) -> Option<T>) -> Vec<Option<T>> {
    let of_sink = |sink: &Sink<'_>| match sink {
        Sink::Target(target) => ask(&**target),
        Sink::Memory(_) | Sink::Caller(_) => None,
    };
    bindings.sinks.iter().map(of_sink).collect()
}

/// Whether tasks of a stage have kept boxes of an output.
fn is_kept(output: &Output, sink: &Sink<'_>, stage: usize) -> bool {
    output.from == OutputFrom::Stage(stage) && !matches!(sink, Sink::Target(_))
}

fn give(sink: &mut Sink<'_>, region: &Region, bytes: &[u8]) -> Result<()> {
    match sink {
        Sink::Target(target) => target.write(region, bytes),
        Sink::Memory(memory) => memory.write(region, bytes),
        Sink::Caller(caller) => caller(region, bytes),
    }
}

/// Walks through `job` to its end; the result if it is to be finished.
pub(super) fn walk(job: &Job, way: &Walk) -> Result<Option<JobResult>> {
    let started = Instant::now();
    let session = job.session();
    let limits = session.limits();
    let mut work = job.build()?;
    let who = job
        .identity(&work)?
        .ok_or_else(|| Error::usage("an input of this job is known to one process only, so that others cannot work on it"))?;
    match way.intent {
        Intent::Plan(_) if !way.folder.is_begun()? => way.folder.begin(&who, limits)?,
        _ => way.folder.check(&who, limits)?,
    }
    if matches!(way.intent, Intent::Plan(_)) && way.folder.is_finished()? {
        return Ok(None);
    }
    let carried = Carried::new(&work, &job.paths(), &job.dims()?, job.save_options().zarr_options())?;
    settle(session, &mut work, limits)?;
    let results = job.result_shapes(&work)?;
    let asked = job.asked_with_layouts(&work)?;
    let plan = plan_beside_results(&asked, &work, limits, results.iter().flatten())?;
    let memories = memories_for(&results)?;
    let outputs = match way.intent {
        Intent::Finish => Outputs::alone(job, &work, &carried)?,
        Intent::Plan(_) if !way.is_next_planned()? => Outputs::made(job, &work, &carried)?,
        _ => Outputs::shared(job, &work, &carried)?,
    };
    let sinks = sinks(&memories, |index| outputs.get(index))?;
    let bindings = Bindings { sources: work.sources.clone(), functions: work.functions.clone(), sinks };
    let stats = way.execute(session, &plan, bindings, &control(session))?;
    if !matches!(way.intent, Intent::Finish) {
        return Ok(None);
    }
    let left = outputs.publish(&plan, || carried.write(&job.paths(), limits.memory_bytes))?;
    job.result(plan, stats, &memories, (&work.warnings, left), started).map(Some)
}
