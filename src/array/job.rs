//! [`Job`]: outputs and assertions that are planned, computed and published together.

use super::{
    any::AnyArray,
    below::{Control, RunStats, Sink, explain},
    carried::Carried,
    digest::of_files,
    graph::{Work, build, unbound},
    identity::{Identity, identity},
    node::Array,
    outputs::{Files, Save},
    panels::{PANELS, fewer_outputs, in_panels, is_spent},
    phased::{assume, prove, settle},
    phases::{Asked, control, merge, run_with},
    recorded::Record,
    resume::Kept,
    session::Session,
    size::show_memory,
    targets::{Started, Targets},
    words::{DType, Dims},
};
use crate::{
    error::{Error, ErrorKind, Result},
    expr::NodeId,
    plan::{Decision, Limits, Plan},
    store::{MemoryTarget, Target},
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

/// Shape and dtype of a result that stays in memory.
pub(super) type ResultShape = (Vec<usize>, DType);

/// Where an output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Into memory: [`JobResult::arrays`] has it.
    Memory,
    /// Into a file.
    Path(PathBuf),
}

/// Outputs and assertions that are planned and computed together: passes over shared sources are shared, and nothing is published
/// before everything is computed and every assertion holds.
///
/// ```
/// use outcore::{Destination, Job, Session};
/// let session = Session::builder().memory("64MiB").build()?;
/// let x = session.arange(0, 10, 1);
/// let job = Job::new(&session).output("total", &x.sum(..), Destination::Memory).assert("x < 10", &x.less(10));
/// let _plan = job.plan();
/// # Ok::<(), outcore::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Job {
    session: Session,
    outputs: Vec<(String, Array, Destination)>,
    checks: Vec<(String, Array)>,
    save: Save,
}

/// What a job gave.
#[derive(Debug)]
pub struct JobResult {
    /// One per output: the array if its destination was memory.
    pub arrays: Vec<Option<AnyArray>>,
    /// What it took.
    pub report: RunReport,
}

/// What a job took.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// What was read, written and held, over all phases.
    pub stats: RunStats,
    /// Planning and running, in seconds.
    pub seconds: f64,
    /// Identity of the job: what is computed from what.
    pub job_id: String,
    /// Identity of the last phase's plan.
    pub plan_id: String,
    /// What should be known of the result.
    pub warnings: Vec<String>,
    /// Path and digest of every file that was written, if [`Save::digests`] asked for them.
    pub digests: Vec<(String, String)>,
    /// What was there of each file from a job that was stopped.
    pub kept: Vec<Kept>,
    /// What happened when, if [`crate::SessionBuilder::record`] asked for it; other jobs of the session at the same time included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<Box<Record>>,
}

impl RunReport {
    /// The report of what began at `started` and is done now.
    pub(super) fn of(stats: RunStats, started: Instant) -> RunReport {
        let warnings = stats.warnings.iter().map(|(about, text)| format!("{about}: {text}")).collect();
        let [job_id, plan_id] = <[String; 2]>::default();
        let seconds = started.elapsed().as_secs_f64();
        RunReport { stats, seconds, job_id, plan_id, warnings, digests: Vec::new(), kept: Vec::new(), record: None }
    }
}

impl Job {
    /// A job without outputs.
    #[must_use]
    pub fn new(session: &Session) -> Job {
        Job { session: session.clone(), outputs: Vec::new(), checks: Vec::new(), save: Save::new() }
    }

    /// Adds an output; `name` is what plans, errors and reports call it.
    #[must_use]
    pub fn output(mut self, name: impl Into<String>, array: &Array, to: Destination) -> Job {
        self.outputs.push((name.into(), array.clone(), to));
        self
    }

    /// Adds a condition: every element must be true before anything is published.
    #[must_use]
    #[track_caller]
    pub fn assert(mut self, message: impl Into<String>, condition: &Array) -> Job {
        let message = message.into();
        let checked = condition.known().and_then(|meta| match meta.dtype {
            DType::Bool => Ok(condition.clone()),
            other => Err(Error::mismatch(format!("an assertion needs a bool array, `{message}` is {other}"))),
        });
        let condition = condition.then(checked);
        self.checks.push((message, condition));
        self
    }

    /// How files are written.
    #[must_use]
    pub fn save(mut self, save: Save) -> Job {
        self.save = save;
        self
    }

    pub(super) fn save_options(&self) -> &Save {
        &self.save
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    pub(super) fn within(self, session: Session) -> Job {
        Job { session, ..self }
    }

    /// The plan of the job, as [`Job::run`] makes it: with the chunks of its outputs, beside the results that stay in memory. Where masks
    /// decide shapes, they count as all true and lengths are bounds. Results that memory cannot hold are planned as if it could.
    pub fn plan(&self) -> Result<Plan> {
        let mut work = self.build()?;
        let limits = self.session.limits();
        let said = assume(&mut work, limits)?;
        self.save.check_layout(&self.paths())?;
        let asked = self.asked_with_layouts(&work)?;
        let mut plan = match plan_beside_results(&asked, &work, limits, self.result_shapes(&work)?.iter().flatten()) {
            // A preview needs no room for results.
            Err(error) if error.needed_bytes().is_some() => asked.plan(&work, limits)?,
            made => made?,
        };
        plan.why.extend(said);
        plan.why.extend(work.widenings.into_iter().map(|text| Decision { about: "widening".to_string(), text }));
        Ok(plan)
    }

    /// The plan in words.
    pub fn explain(&self) -> Result<String> {
        Ok(explain(&self.plan()?))
    }

    /// Computes everything. On any error nothing is published and, without [`Save::resume`], nothing is left behind.
    ///
    /// Where exact sums spread too far for their states, all is computed again in panels of fewer outputs, and a warning says so.
    pub fn run(&self) -> Result<JobResult> {
        let started = Instant::now();
        let mut work = self.build()?;
        let writes_files = self.outputs.iter().any(|(_, _, to)| *to != Destination::Memory);
        // Panels give the same bits: whoever goes on need not know of them.
        let who = if writes_files { self.identity(&work)? } else { None };
        let carried = Carried::new(&work, &self.paths(), &self.dims()?, self.save.zarr_options())?;
        let limits = self.session.limits();
        let first = self.attempt(&mut work.clone(), who.clone(), &carried, (limits, started));
        let Some(spent) = first.as_ref().err().filter(|error| is_spent(error)).cloned() else { return first };
        for panels in PANELS {
            if !in_panels(&mut work)? {
                break;
            }
            match self.attempt(&mut work.clone(), who.clone(), &carried, (&fewer_outputs(limits, panels), started)) {
                Err(error) if is_spent(&error) || error.kind() == ErrorKind::Refused => {}
                Err(error) => return Err(error),
                Ok(mut made) => {
                    let text = format!("exact sums spread too far for their states: all was computed again in up to {panels} panels");
                    made.report.warnings.push(text);
                    return Ok(made);
                }
            }
        }
        Err(spent)
    }

    fn attempt(
        &self,
        work: &mut Work,
        who: Option<Identity>,
        carried: &Carried,
        (limits, started): (&Limits, Instant),
    ) -> Result<JobResult> {
        let begin = self.session.record_begin();
        let mut files = Files::check(self.paths(), &work.paths, &self.save, who)?;
        files.attributes.clone_from(&carried.attributes);
        prove(&self.asked(), work, limits)?;
        let mut phases = settle(&self.session, work, limits)?;
        let results = self.result_shapes(work)?;
        // Stores of chunks say how they want to be written, so they are there before the last plan is made.
        let started_files = Started::new(&files, self.written_shapes(work)?, self.dims()?)?;
        let asked = Asked { layouts: started_files.layouts(), ..self.asked() };
        let plan = plan_beside_results(&asked, work, limits, results.iter().flatten())?;
        let memories = memories_for(&results)?;
        let targets = started_files.begin(&plan)?;
        match self.execute(&plan, work, &targets, &memories) {
            Ok(stats) => phases.push(stats),
            Err(error) => return Err(targets.stop(error)),
        }
        let kept = targets.kept.clone();
        // Before the outputs: whoever finds one finds its coordinates.
        let left = match carried.write(&self.paths(), limits.memory_bytes) {
            Ok(left) => left,
            Err(error) => return Err(targets.stop(error)),
        };
        targets.publish()?;
        let mut made = self.result(plan, merge(phases), &memories, (&work.warnings, left), started)?;
        made.report.kept = kept;
        made.report.record = self.session.record_since(begin);
        Ok(made)
    }

    /// What a job gave whose outputs have their names. `said` are warnings of before and after its execution.
    pub(super) fn result(
        &self,
        plan: Plan,
        stats: RunStats,
        memories: &[Option<Arc<MemoryTarget>>],
        said: (&[String], Vec<String>),
        started: Instant,
    ) -> Result<JobResult> {
        let digests = if self.save.wants_digests() { of_files(&self.session, &self.paths(), &plan.outputs)? } else { Vec::new() };
        let arrays = memories.iter().map(|memory| memory.as_deref().map(AnyArray::collected).transpose()).collect::<Result<_>>()?;
        let mut report = RunReport { digests, job_id: plan.job_id, plan_id: plan.plan_id, ..RunReport::of(stats, started) };
        report.warnings = said.0.iter().cloned().chain(report.warnings).chain(said.1).collect();
        Ok(JobResult { arrays, report })
    }

    pub(super) fn identity(&self, work: &Work) -> Result<Option<Identity>> {
        let layouts: Vec<String> = self.paths().into_iter().flatten().map(|path| self.save.layout_text(path)).collect();
        identity(work, &layouts)
    }

    /// What [`Job::run`] has before it executes.
    #[cfg(test)]
    pub(super) fn prepared(&self) -> Result<(Targets, Plan)> {
        let work = self.build()?;
        let files = Files::check(self.paths(), &work.paths, &self.save, self.identity(&work)?)?;
        let started_files = Started::new(&files, self.written_shapes(&work)?, self.dims()?)?;
        let plan = plan_beside_results(&self.asked(), &work, self.session.limits(), std::iter::empty())?;
        Ok((started_files.begin(&plan)?, plan))
    }

    fn execute(&self, plan: &Plan, work: &Work, targets: &Targets, memories: &[Option<Arc<MemoryTarget>>]) -> Result<RunStats> {
        let control = Control { journal: targets.journal(), ..control(&self.session) };
        run_with(&self.session, plan, work, sinks(memories, |index| targets.get(index))?, control)
    }

    pub(super) fn build(&self) -> Result<Work> {
        let outputs = self.outputs.iter().map(|(_, array, _)| array);
        let roots: Vec<&Array> = outputs.chain(self.checks.iter().map(|(_, array)| array)).collect();
        build(&roots, &unbound)
    }

    pub(super) fn paths(&self) -> Vec<Option<&Path>> {
        self.outputs
            .iter()
            .map(|(_, _, to)| match to {
                Destination::Path(path) => Some(path.as_path()),
                Destination::Memory => None,
            })
            .collect()
    }

    /// Axis names of the outputs.
    pub(super) fn dims(&self) -> Result<Vec<Dims>> {
        self.outputs.iter().map(|(_, array, _)| array.dims()).collect()
    }

    /// What is asked, with the chunks that outputs will have.
    pub(super) fn asked_with_layouts(&self, work: &Work) -> Result<Asked> {
        let layout = |(path, shape): (Option<&Path>, ResultShape)| path.map_or(Ok(None), |path| self.save.layout_of(path, &shape));
        let layouts = self.paths().into_iter().zip(self.written_shapes(work)?).map(layout).collect::<Result<_>>()?;
        Ok(Asked { layouts, ..self.asked() })
    }

    fn asked(&self) -> Asked {
        let kind = |(name, _, to): &(String, Array, Destination)| match to {
            Destination::Memory => format!("{name} memory\n"),
            Destination::Path(path) => {
                format!("{name} file {}\n", self.save.layout_text(path))
            }
        };
        Asked {
            outputs: self.outputs.iter().map(|(name, ..)| name.clone()).collect(),
            checks: self.checks.iter().map(|(message, _)| message.clone()).collect(),
            layout: self.outputs.iter().map(kind).collect(),
            layouts: Vec::new(),
        }
    }

    /// Shape and dtype of every output, as its graph says.
    pub(super) fn written_shapes(&self, work: &Work) -> Result<Vec<ResultShape>> {
        let shape = |(root, _): (&NodeId, _)| {
            let node = work.graph.node(*root);
            Ok((crate::expr::graph::require_known(node)?, node.dtype()))
        };
        work.roots.iter().zip(&self.outputs).map(shape).collect()
    }

    /// Shape and dtype of every output that goes into memory.
    pub(super) fn result_shapes(&self, work: &Work) -> Result<Vec<Option<ResultShape>>> {
        let in_memory = |(shape, (_, _, to)): (ResultShape, &(String, Array, Destination))| (*to == Destination::Memory).then_some(shape);
        Ok(self.written_shapes(work)?.into_iter().zip(&self.outputs).map(in_memory).collect())
    }
}

/// Where every output goes: into its array in memory, or into its target.
pub(super) fn sinks<'a>(
    memories: &[Option<Arc<MemoryTarget>>],
    target: impl Fn(usize) -> Option<Arc<dyn Target>>,
) -> Result<Vec<Sink<'a>>> {
    let sink = |(index, memory): (usize, &Option<Arc<MemoryTarget>>)| match (memory, target(index)) {
        (Some(memory), _) => Ok(Sink::Memory(Arc::clone(memory))),
        (None, Some(target)) => Ok(Sink::Target(target)),
        (None, None) => Err(Error::internal("an output without a destination")),
    };
    memories.iter().enumerate().map(sink).collect()
}

/// Arrays in memory for the results that stay there.
pub(super) fn memories_for(results: &[Option<ResultShape>]) -> Result<Vec<Option<Arc<MemoryTarget>>>> {
    results.iter().map(|result| result.as_ref().map(memory_for).transpose()).collect()
}

/// An array in memory for a result.
pub(super) fn memory_for((shape, dtype): &ResultShape) -> Result<Arc<MemoryTarget>> {
    MemoryTarget::new(*dtype, shape).map(Arc::new)
}

/// The plan of what is asked, in the memory that results which stay in memory leave.
pub(super) fn plan_beside_results<'a>(
    asked: &Asked,
    work: &Work,
    limits: &Limits,
    results: impl Iterator<Item = &'a ResultShape>,
) -> Result<Plan> {
    let bytes = results.map(|(shape, dtype)| shape.iter().product::<usize>() as u64 * dtype.size() as u64).sum::<u64>();
    let budget = limits.memory_bytes;
    if bytes >= budget && bytes > 0 {
        let advice = "save it (`save`, or -o), take it block by block (`blocks`), slice it, or give more memory";
        let text = format!("the result takes {}, the memory budget is {}", show_memory(bytes), show_memory(budget));
        return Err(Error::refused(text).hint(advice).with_needed_bytes(bytes));
    }
    let left = Limits { memory_bytes: budget - bytes, ..limits.clone() };
    let plan = asked.plan(work, &left).map_err(|error| match error.needed_bytes() {
        Some(needed) if bytes > 0 => {
            let smallest = needed.saturating_add(bytes);
            let mut hint = format!("--memory {smallest} ({}) is the smallest that works", show_memory(smallest));
            if bytes >= needed {
                hint.push_str("; or save it (`save`, or -o), take it block by block (`blocks`), or slice it");
            }
            error.context(format!("beside a result of {}", show_memory(bytes))).hint(hint).with_needed_bytes(smallest)
        }
        _ => error,
    })?;
    // The plan is one of the whole budget, of which results hold a part.
    Ok(Plan { limits: limits.clone(), ..plan })
}
