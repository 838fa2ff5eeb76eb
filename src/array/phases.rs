//! Plan, run, bind, plan: what a phase is asked, and how it is run. What phases find is in [`super::phased`].

use super::{
    any::AnyArray,
    below::{Bindings, Control, Request, RunStats, Sink, execute, plan},
    graph::Work,
    session::Session,
    size::show_memory,
    words::Region,
};
use crate::{
    error::{Error, Result},
    expr::{Graph, NodeId},
    plan::{Limits, OutputLayout, Plan},
};
use std::sync::Arc;

/// Budgets that are tried for one that works.
const BUDGETS_MAX: usize = 64;

/// What is asked of a job besides its graph: names of its roots. The first roots are outputs, the others conditions.
pub(super) struct Asked {
    pub outputs: Vec<String>,
    /// Messages of the conditions that must hold.
    pub checks: Vec<String>,
    /// Text of the outputs' layout, which is part of the job's identity.
    pub layout: String,
    /// How the stores of outputs want them; may be shorter than `outputs`.
    pub layouts: Vec<Option<OutputLayout>>,
}

impl Asked {
    /// One unnamed array that stays in memory.
    pub fn one() -> Asked {
        Asked { outputs: vec!["result".to_string()], checks: Vec::new(), layout: "memory".to_string(), layouts: Vec::new() }
    }

    /// The plan of `work`, in which nothing waits for a phase.
    pub fn plan(&self, work: &Work, limits: &Limits) -> Result<Plan> {
        let named = |names: &[String], roots: &[NodeId]| names.iter().cloned().zip(roots.iter().copied()).collect();
        let (outputs, checks) = work.roots.split_at(self.outputs.len());
        let (layout, layouts) = (self.layout.clone(), self.layouts.clone());
        let request = Request { outputs: named(&self.outputs, outputs), checks: named(&self.checks, checks), layout, layouts };
        plan_beside(&work.graph, &request, limits, work.held_bytes)
    }
}

/// The plan of what is asked, in the memory that `held` bytes leave.
pub(super) fn plan_beside(graph: &Graph, request: &Request, limits: &Limits, held: u64) -> Result<Plan> {
    if held == 0 {
        return plan(graph, request, limits);
    }
    let about = |error: Error, needed: u64| {
        let text = format!("beside {} that earlier phases hold", show_memory(held));
        error.context(text).with_needed_bytes(needed.saturating_add(held))
    };
    let left = limits_beside(limits, held, "earlier phases hold")?;
    let made = plan(graph, request, &left).map_err(|error| match error.needed_bytes() {
        Some(needed) => about(error, needed),
        None => error,
    })?;
    Ok(Plan { limits: limits.clone(), bytes_peak: made.bytes_peak + held, ..made })
}

/// The limits that `held` bytes leave; `what` says who has them.
pub(super) fn limits_beside(limits: &Limits, held: u64, what: &str) -> Result<Limits> {
    if held >= limits.memory_bytes {
        let text = format!("{what} {}, the memory budget is {}", show_memory(held), show_memory(limits.memory_bytes));
        return Err(Error::refused(text).with_needed_bytes(held));
    }
    Ok(Limits { memory_bytes: limits.memory_bytes - held, ..limits.clone() })
}

/// `error`, with a budget above `memory` that works, if there is one: what is held beside a plan depends on the budget, and so do plans, so
/// that no sum says it and `attempt` is asked.
#[cold]
pub(super) fn with_budget(error: Error, mut memory: u64, attempt: impl Fn(u64) -> Result<()>) -> Error {
    let Some(mut needed) = error.needed_bytes() else { return error };
    for _ in 0..BUDGETS_MAX {
        // A quarter more at least, so that it ends soon.
        memory = needed.max(memory.saturating_add(memory / 4 + 8));
        match attempt(memory) {
            Ok(()) => return error.hint(format!("--memory {memory} ({}) works", show_memory(memory))).with_needed_bytes(memory),
            Err(more) => match more.needed_bytes() {
                Some(bytes) => needed = bytes,
                None => return error,
            },
        }
    }
    error
}

/// What collects each of `arrays` as its parts come.
pub(super) fn collectors(arrays: &mut [AnyArray]) -> Vec<impl FnMut(&Region, &[u8]) -> Result<()> + Send> {
    let collect = |array: &mut AnyArray, region: &Region, bytes: &[u8]| {
        array.place(region, bytes);
        Ok(())
    };
    arrays.iter_mut().map(|array| move |region: &Region, bytes: &[u8]| collect(array, region, bytes)).collect()
}

pub(super) fn control(session: &Session) -> Control {
    Control {
        cancel: session.cancel_flag(),
        progress: session.on_event(),
        scratch: session.scratch(),
        journal: None,
        recorder: session.recorded().map(|recorded| Arc::clone(&recorded.recorder)),
        share: None,
    }
}

/// Runs a plan once.
pub(super) fn run(session: &Session, plan: &Plan, work: &Work, sinks: Vec<Sink<'_>>) -> Result<RunStats> {
    run_with(session, plan, work, sinks, control(session))
}

/// Runs a plan once, watched and stopped by `control`.
pub(super) fn run_with(session: &Session, plan: &Plan, work: &Work, sinks: Vec<Sink<'_>>, control: Control) -> Result<RunStats> {
    if session.is_cancelled() {
        return Err(Error::cancelled());
    }
    let bindings = Bindings { sources: work.sources.clone(), functions: work.functions.clone(), sinks };
    execute_recorded(session, plan, bindings, &control).map(|stats| session.tell(stats))
}

/// Runs a plan once, and keeps what it was and what it did if the session records.
pub(super) fn execute_recorded(session: &Session, plan: &Plan, bindings: Bindings<'_>, control: &Control) -> Result<RunStats> {
    if let Some(walk) = session.walk() {
        return walk.execute(session, plan, bindings, control);
    }
    session.record_plan(plan);
    let stats = execute(session.engine()?, plan, bindings, control)?;
    session.record_done(&stats);
    Ok(stats)
}

/// What all phases of a job did together.
pub(super) fn merge(phases: Vec<RunStats>) -> RunStats {
    let mut all = RunStats::default();
    for phase in phases {
        all.seconds += phase.seconds;
        all.bytes_read += phase.bytes_read;
        all.bytes_written += phase.bytes_written;
        all.bytes_copied += phase.bytes_copied;
        all.bytes_copied_hidden += phase.bytes_copied_hidden;
        all.blocks += phase.blocks;
        all.runs += phase.runs;
        all.bytes_peak_planned = all.bytes_peak_planned.max(phase.bytes_peak_planned);
        all.bytes_peak_held = all.bytes_peak_held.max(phase.bytes_peak_held);
        all.stages.extend(phase.stages);
        for (name, passes) in phase.passes {
            match all.passes.iter_mut().find(|(there, _)| *there == name) {
                Some((_, count)) => *count += passes,
                None => all.passes.push((name, passes)),
            }
        }
        all.io = if all.io.is_empty() || all.io == phase.io { phase.io } else { "mixed".to_string() };
        all.output_counts = phase.output_counts;
        phase.warnings.into_iter().for_each(|(about, text)| all.warn(&about, text));
    }
    all
}
