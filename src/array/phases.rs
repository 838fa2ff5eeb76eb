//! Plan, run, bind, plan: a mask's number of true elements is data, so it is counted before what depends on it is planned.

use super::{
    below::{Bindings, Control, Request, RunStats, Sink, execute, plan},
    graph::{Work, rewrite},
    session::Session,
};
use crate::{
    error::{Error, Result},
    expr::{NodeId, Op, Reduction},
    nd::{DType, Region},
    numeric::{Finish, SumMode},
    plan::{Decision, Limits, Plan},
};
use std::collections::{BTreeMap, HashMap};

/// What is asked of a job besides its graph: names of its roots. The first roots are outputs, the others conditions.
pub(super) struct Asked {
    pub outputs: Vec<String>,
    /// Messages of the conditions that must hold.
    pub checks: Vec<String>,
    /// Text of the outputs' layout, which is part of the job's identity.
    pub layout: String,
}

impl Asked {
    /// One unnamed array that stays in memory.
    pub fn one() -> Asked {
        Asked { outputs: vec!["result".to_string()], checks: Vec::new(), layout: "memory".to_string() }
    }

    /// The plan of `work`, whose masks are counted.
    pub fn plan(&self, work: &Work, limits: &Limits) -> Result<Plan> {
        let named = |names: &[String], roots: &[NodeId]| names.iter().cloned().zip(roots.iter().copied()).collect();
        let (outputs, checks) = work.roots.split_at(self.outputs.len());
        let request = Request { outputs: named(&self.outputs, outputs), checks: named(&self.checks, checks), layout: self.layout.clone() };
        plan(&work.graph, &request, limits)
    }
}

pub(super) fn control(session: &Session) -> Control {
    Control { cancel: session.cancel_flag(), progress: session.on_event() }
}

/// Runs a plan once.
pub(super) fn run(session: &Session, plan: &Plan, work: &Work, sinks: Vec<Sink<'_>>) -> Result<RunStats> {
    if session.is_cancelled() {
        return Err(Error::cancelled());
    }
    let bindings = Bindings { sources: work.sources.clone(), functions: work.functions.clone(), sinks };
    execute(session.engine()?, plan, bindings, &control(session)).map(|stats| session.tell(stats))
}

/// Counts masks, level by level, until every shape of `work` is known. Returns what that took.
pub(super) fn count_masks(session: &Session, work: &mut Work, limits: &Limits) -> Result<Vec<RunStats>> {
    let mut stats = Vec::new();
    while let Some(level) = next_level(work) {
        let (counts, took) = count(session, work, &level, limits)?;
        stats.push(took);
        bind_counts(work, &counts)?;
    }
    Ok(stats)
}

/// Takes every mask to be all true: for plans that are only looked at. Returns what to say about it.
pub(super) fn assume_masks(work: &mut Work) -> Result<Vec<Decision>> {
    let mut said = Vec::new();
    while let Some(level) = next_level(work) {
        let bound = |(compress, mask): (&NodeId, &NodeId)| {
            let all = work.graph.node(*mask).shape().iter().product();
            (*compress, all)
        };
        let counts: HashMap<NodeId, usize> = level.iter().map(bound).collect();
        said.push(Decision {
            about: "masks".to_string(),
            text: format!("{} counted in a pass before this plan; lengths shown are bounds", plural(counts.len())),
        });
        bind_counts(work, &counts)?;
    }
    Ok(said)
}

/// Plans all phases before the first one runs, masks taken to be all true. A refusal is the one of the hungriest phase, so
/// that the budget it names works for all.
pub(super) fn prove_phases(asked: &Asked, work: &Work, limits: &Limits) -> Result<()> {
    let Some(level) = next_level(work) else { return Ok(()) };
    let counting = counting_plan(work, &level, limits).map(drop);
    let mut bounded = work.clone();
    assume_masks(&mut bounded)?;
    let refusals = [counting, asked.plan(&bounded, limits).map(drop)].into_iter().filter_map(Result::err);
    refusals.max_by_key(Error::needed_bytes).map_or(Ok(()), Err)
}

fn plural(masks: usize) -> String {
    if masks == 1 { "1 mask is".to_string() } else { format!("{masks} masks are") }
}

/// Selections whose masks can be counted now: each with its mask. `None` if no selection waits.
fn next_level(work: &Work) -> Option<BTreeMap<NodeId, NodeId>> {
    let nodes = &work.graph.nodes;
    let mut waits = vec![false; nodes.len()];
    let mut level = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let uncounted = matches!(node.op, Op::Compress { count: None, .. });
        if uncounted && !waits[node.args[1].index()] {
            level.insert(NodeId(index as u32), node.args[1]);
        }
        waits[index] = uncounted || node.args.iter().any(|arg| waits[arg.index()]);
    }
    (!level.is_empty()).then_some(level)
}

/// The plan that counts the masks of a level, and those masks in the order of its outputs.
fn counting_plan(work: &Work, level: &BTreeMap<NodeId, NodeId>, limits: &Limits) -> Result<(Plan, Vec<NodeId>)> {
    let mut masks: Vec<NodeId> = level.values().copied().collect();
    masks.sort_unstable();
    masks.dedup();
    let (mut builder, places) = rewrite(&work.graph, &masks, |_, op| op.clone())?;
    let mut outputs = Vec::new();
    for (index, place) in places.iter().enumerate() {
        let axes = (0..builder.graph().node(*place).meta.rank()).collect();
        let reduction = Reduction { finish: Finish::CountNonzero, axes, keepdims: false, mode: SumMode::Exact, dtype: DType::I64 };
        outputs.push((format!("count of mask {}", index + 1), builder.push(Op::Reduce(reduction), vec![*place])?));
    }
    let graph = builder.finish();
    Ok((plan(&graph, &Request { outputs, checks: Vec::new(), layout: "memory".to_string() }, limits)?, masks))
}

fn count(session: &Session, work: &Work, level: &BTreeMap<NodeId, NodeId>, limits: &Limits) -> Result<(HashMap<NodeId, usize>, RunStats)> {
    let (plan, masks) = counting_plan(work, level, limits)?;
    let mut counted = vec![0i64; masks.len()];
    let mut closures: Vec<_> = counted
        .iter_mut()
        .map(|slot| {
            move |_: &Region, bytes: &[u8]| {
                *slot = i64::from_ne_bytes(bytes.try_into().map_err(|_| Error::internal("a count is one i64"))?);
                Ok(())
            }
        })
        .collect();
    let sinks = closures.iter_mut().map(|closure| Sink::Caller(closure)).collect();
    let stats = run(session, &plan, work, sinks)?;
    drop(closures);
    let number = |mask: &NodeId| masks.binary_search(mask).map_or(0, |place| usize::try_from(counted[place]).unwrap_or(0));
    Ok((level.iter().map(|(compress, mask)| (*compress, number(mask))).collect(), stats))
}

fn bind_counts(work: &mut Work, counts: &HashMap<NodeId, usize>) -> Result<()> {
    let (builder, roots) = rewrite(&work.graph, &work.roots, |id, op| match (op, counts.get(&id)) {
        (Op::Compress { axis, .. }, Some(&count)) => Op::Compress { axis: *axis, count: Some(count) },
        _ => op.clone(),
    })?;
    (work.graph, work.roots) = (builder.finish(), roots);
    Ok(())
}

/// What all phases of a job did together.
pub(super) fn merge(phases: Vec<RunStats>) -> RunStats {
    let mut all = RunStats::default();
    for phase in phases {
        all.seconds += phase.seconds;
        all.bytes_read += phase.bytes_read;
        all.bytes_written += phase.bytes_written;
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
