//! Plan, run, bind, plan: a mask's number of true elements is data, so it is counted before what depends on it is planned. So is
//! a table that elements are looked up in.

use super::{
    below::{Bindings, Control, Request, RunStats, Sink, execute, plan},
    graph::{Work, rewrite},
    group::group_count,
    lookup::checked,
    session::Session,
};
use crate::{
    error::{Error, Result},
    expr::{Grouping, NodeId, Op, Reduction},
    kernel::program::{TABLE_MAX, Table},
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
    execute(session.engine()?, plan, bindings, &control(session))
}

/// Bounds of numbers of groups that plans are made for before the number is known.
const ASSUMED_GROUPS_MAX: usize = 1 << 16;

/// Counts masks and computes tables, level by level, until every shape of `work` is known. Returns what that took.
pub(super) fn count_masks(session: &Session, work: &mut Work, limits: &Limits) -> Result<Vec<RunStats>> {
    let mut stats = Vec::new();
    while let Some(level) = next_level(work) {
        let (bound, took) = count(session, work, &level, limits)?;
        stats.push(took);
        bind(work, &bound)?;
    }
    Ok(stats)
}

/// Takes every mask to be all true, and every table to be any: for plans that are only looked at. Returns what to say about it.
pub(super) fn assume_masks(work: &mut Work) -> Result<Vec<Decision>> {
    let mut said = Vec::new();
    while let Some(level) = next_level(work) {
        let mut bound = Bound::default();
        for (&node, &of) in &level.masks {
            bound.counts.insert(node, work.graph.node(of).shape().iter().product());
        }
        for &node in level.tables.keys() {
            bound.tables.insert(node, any_table(work, node));
        }
        if !level.masks.is_empty() {
            let text = format!("{} counted in a pass before this plan; lengths shown are bounds", plural(level.masks.len(), "mask"));
            said.push(Decision { about: "masks".to_string(), text });
        }
        for &node in level.groups.keys() {
            let Op::Group(grouping) = &work.graph.node(node).op else { continue };
            // Without a bound any number would do as well.
            bound.groups.insert(node, if grouping.groups_max <= ASSUMED_GROUPS_MAX { grouping.groups_max } else { 1 });
        }
        if !level.groups.is_empty() {
            let text = format!("{} computed in a pass before this plan", plural(level.groups.len(), "number of groups"));
            said.push(Decision { about: "groups".to_string(), text });
        }
        if !level.tables.is_empty() {
            let text = format!("{} computed in a pass before this plan", plural(level.tables.len(), "table"));
            said.push(Decision { about: "tables".to_string(), text });
        }
        bind(work, &bound)?;
    }
    Ok(said)
}

/// A table of the right length.
fn any_table(work: &Work, node: NodeId) -> Table {
    let [value, table] = [0, 1].map(|place| work.graph.node(work.graph.node(node).args[place]));
    let length = table.shape().first().copied().unwrap_or(0).min(TABLE_MAX);
    Table { dtype: Table::meeting(value.dtype(), table.dtype()), bits: vec![0; length] }
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

fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what} is") } else { format!("{count} {what}s are") }
}

/// What waits for data and can be computed now.
#[derive(Default)]
struct Level {
    /// Selections, each with its mask.
    masks: BTreeMap<NodeId, NodeId>,
    /// Searches, each with its table.
    tables: BTreeMap<NodeId, NodeId>,
    /// Reductions by groups, each with their number.
    groups: BTreeMap<NodeId, NodeId>,
}

/// What was computed for a level.
#[derive(Default)]
struct Bound {
    counts: HashMap<NodeId, usize>,
    tables: HashMap<NodeId, Table>,
    groups: HashMap<NodeId, usize>,
}

/// Selections whose masks can be counted now, and searches whose tables can be computed. `None` if nothing waits.
fn next_level(work: &Work) -> Option<Level> {
    let nodes = &work.graph.nodes;
    let mut waits = vec![false; nodes.len()];
    let mut level = Level::default();
    for (index, node) in nodes.iter().enumerate() {
        let list = match node.op {
            Op::Compress { count: None, .. } => Some(&mut level.masks),
            Op::Search { table: None, .. } => Some(&mut level.tables),
            Op::Group(Grouping { groups: None, .. }) => Some(&mut level.groups),
            _ => None,
        };
        waits[index] = list.is_some() || node.args.iter().any(|arg| waits[arg.index()]);
        // What is waited for is the last operand.
        if let (Some(list), Some(last)) = (list, node.args.last().filter(|last| !waits[last.index()])) {
            list.insert(NodeId(index as u32), *last);
        }
    }
    (!level.masks.is_empty() || !level.tables.is_empty() || !level.groups.is_empty()).then_some(level)
}

/// The plan that computes a level, and in the order of its outputs the masks that are counted and the tables.
fn counting_plan(work: &Work, level: &Level, limits: &Limits) -> Result<(Plan, Vec<NodeId>, Vec<NodeId>)> {
    let [masks, tables] = [vec![&level.masks], vec![&level.tables, &level.groups]].map(|lists| {
        let mut nodes: Vec<NodeId> = lists.into_iter().flat_map(|list| list.values().copied()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    });
    let roots: Vec<NodeId> = masks.iter().chain(&tables).copied().collect();
    let (mut builder, places) = rewrite(&work.graph, &roots, |_, op| op.clone())?;
    let mut outputs = Vec::new();
    for (index, place) in places.iter().enumerate() {
        if index >= masks.len() {
            outputs.push((format!("table {}", index + 1 - masks.len()), *place));
            continue;
        }
        let axes = (0..builder.graph().node(*place).meta.rank()).collect();
        let reduction = Reduction { finish: Finish::CountNonzero, axes, keepdims: false, mode: SumMode::Exact, dtype: DType::I64 };
        outputs.push((format!("count of mask {}", index + 1), builder.push(Op::Reduce(reduction), vec![*place])?));
    }
    let graph = builder.finish();
    Ok((plan(&graph, &Request { outputs, checks: Vec::new(), layout: "memory".to_string() }, limits)?, masks, tables))
}

fn count(session: &Session, work: &Work, level: &Level, limits: &Limits) -> Result<(Bound, RunStats)> {
    let (plan, masks, tables) = counting_plan(work, level, limits)?;
    if let Some(long) = plan.outputs.iter().find(|output| output.shape.iter().product::<usize>() > TABLE_MAX) {
        return Err(Error::refused(format!("a table of {} elements; {TABLE_MAX} is the most that is searched", long.shape[0])));
    }
    let mut made: Vec<Vec<u8>> =
        plan.outputs.iter().map(|output| vec![0; output.shape.iter().product::<usize>() * output.dtype.size()]).collect();
    let mut closures: Vec<_> = made
        .iter_mut()
        .zip(&plan.outputs)
        .map(|(all, output)| {
            let size = output.dtype.size();
            // Counts have no axis, tables one.
            move |region: &Region, bytes: &[u8]| {
                let from = region.start.first().copied().unwrap_or(0) * size;
                let place = all.get_mut(from..from + bytes.len()).ok_or_else(|| Error::internal("a table outside of its shape"))?;
                place.copy_from_slice(bytes);
                Ok(())
            }
        })
        .collect();
    let sinks = closures.iter_mut().map(|closure| Sink::Caller(closure)).collect();
    let stats = run(session, &plan, work, sinks)?;
    drop(closures);
    let number = |mask: &NodeId| {
        let bytes = masks.binary_search(mask).ok().and_then(|place| made[place].as_slice().try_into().ok());
        bytes.map_or(0, |bytes| usize::try_from(i64::from_ne_bytes(bytes)).unwrap_or(0))
    };
    let mut bound = Bound { counts: level.masks.iter().map(|(node, mask)| (*node, number(mask))).collect(), ..Bound::default() };
    for (&node, of) in &level.tables {
        let Some(place) = tables.binary_search(of).ok().map(|place| masks.len() + place) else { continue };
        let Op::Search { search, .. } = work.graph.node(node).op else { continue };
        let table = Table::from_bytes(plan.outputs[place].dtype, &made[place]);
        let dtype = work.graph.node(work.graph.node(node).args[0]).dtype();
        bound.tables.insert(node, checked(&table, dtype, search)?);
    }
    for (&node, of) in &level.groups {
        let bytes = tables.binary_search(of).ok().and_then(|place| made[masks.len() + place].as_slice().try_into().ok());
        let count = bytes.map_or(0, |bytes| i64::from_ne_bytes(bytes).max(0));
        bound.groups.insert(node, group_count(usize::try_from(count).unwrap_or(usize::MAX))?);
    }
    Ok((bound, stats))
}

fn bind(work: &mut Work, bound: &Bound) -> Result<()> {
    let (builder, roots) = rewrite(&work.graph, &work.roots, |id, op| match (op, bound.counts.get(&id), bound.tables.get(&id)) {
        (Op::Compress { axis, .. }, Some(&count), _) => Op::Compress { axis: *axis, count: Some(count) },
        (Op::Search { search, .. }, _, Some(table)) => Op::Search { table: Some(table.clone()), search: *search },
        (Op::Group(grouping), ..) if bound.groups.contains_key(&id) => {
            Op::Group(Grouping { groups: bound.groups.get(&id).copied(), ..grouping.clone() })
        }
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
