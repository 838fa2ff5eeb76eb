//! Values that earlier phases of a job find out: numbers of selected elements, and [`Phased`] values.
//!
//! A graph is settled level by level. What no longer waits for anything is a [`Task`] each; every round of a level asks all its unfinished
//! tasks what they need to know, in one plan, so that they share passes. When a level is done its values stand in the graph (a count, or
//! an array in memory), and the next level begins. What does not need a phase ([`local`]) is put into the graph as it is met.

mod indices;
mod local;
mod masks;
mod plain;
mod quantile;
mod round;
mod sample;
mod tables;
mod top;
mod unique;

use super::{
    any::AnyArray,
    below::{MemorySource, RunStats},
    graph::{Work, rewrite_with},
    phases::Asked,
    session::Session,
    size::show_memory,
    tasks::Walk,
};
use crate::{
    dispatch,
    error::{Error, ErrorKind, Result},
    expr::{GraphBuilder, Grouping, NodeId, Op, Phased},
    kernel::program::Table,
    nd::{AxisMap, Dims, Element, SourceFacts, StoreLayout, axis_map::AxisStep, shape::c_strides},
    plan::{Decision, Limits},
};
use round::Round;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Share of the memory budget that all tasks of a level hold together: what they keep between passes.
const SHARE: u64 = 4;

/// Rounds of a level after which something is wrong.
const ROUNDS_MAX: usize = 1_000_000;

/// Something that rounds find out.
trait Task {
    /// Nodes of the graph that it looks at.
    fn operands(&self) -> Vec<NodeId>;
    /// Bytes it holds between passes and during them.
    fn held_bytes(&self) -> u64;
    /// What explain says about it.
    fn describe(&self) -> String;
    /// Adds what it needs to know now.
    fn ask(&mut self, round: &mut Round) -> Result<()>;
    /// Gives up asking for something that is only of use, not needed. False if there is nothing of the kind.
    fn ask_less(&mut self) -> bool {
        false
    }
    /// Whether it asks for a part of its operand now, all of which is looked at later.
    fn is_sampling(&self) -> bool {
        false
    }
    /// Learns the outputs that it asked for, in their order.
    fn learn(&mut self, answers: Vec<AnyArray>) -> Result<()>;
    /// The values of its nodes, once they are known.
    fn values(&mut self) -> Result<Option<Vec<(NodeId, Known)>>>;
}

/// What a level found.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Level {
    found: BTreeMap<NodeId, Known>,
    /// From what.
    identity: String,
}

/// A value that was found.
#[derive(Debug, Serialize, Deserialize)]
enum Known {
    /// How many elements a mask selects, or how many groups there are.
    Count(usize),
    /// What elements are looked up in.
    Table(Table),
    /// Places along an axis.
    List(Arc<[usize]>),
    /// An array.
    Array(#[serde(with = "plain")] AnyArray),
}

/// What to do instead of using a selection where its length has to be known.
pub(super) const SELECTION_HINT: &str =
    "a selection is as long as the data say: save it first, and use the file; or keep every place with `where(mask, x, 0)`";

/// Whether phases come before the plan of `work`.
pub(super) fn waits_for_phases(work: &Work) -> bool {
    work.graph.nodes.iter().any(|node| waits(&node.op))
}

fn waits(op: &Op) -> bool {
    matches!(op, Op::Phased(_)) || is_counted_later(op) || is_looked_up_later(op)
}

fn is_counted_later(op: &Op) -> bool {
    matches!(op, Op::Compress { count: None, .. })
}

fn is_looked_up_later(op: &Op) -> bool {
    matches!(op, Op::Search { table: None, .. } | Op::Group(Grouping { groups: None, .. }))
}

/// Puts what needs no phase into the graph, as far as nothing before it waits for one.
pub(super) fn settle_local(work: &mut Work, limits: &Limits) -> Result<()> {
    loop {
        let nodes = ready(work);
        if !local::put(work, &nodes, limits)? {
            return Ok(());
        }
    }
}

/// Runs phases, level by level, until nothing in `work` waits. Returns what that took.
pub(super) fn settle(session: &Session, work: &mut Work, limits: &Limits) -> Result<Vec<RunStats>> {
    let mut stats = Vec::new();
    while let Some(mut tasks) = next_level(work, limits)? {
        if let Some(level) = session.walk().map(Walk::level).transpose()?.flatten() {
            let Level { found, identity } = level;
            bind(work, found, &identity)?;
            continue;
        }
        let (mut found, mut identity) = (BTreeMap::new(), String::new());
        for round in 0.. {
            let mut open: Vec<Box<dyn Task>> = Vec::new();
            for mut task in tasks {
                match task.values()? {
                    Some(values) => found.extend(values),
                    None => open.push(task),
                }
            }
            tasks = open;
            if tasks.is_empty() {
                break;
            }
            if round == ROUNDS_MAX {
                return Err(Error::internal(format!("{} after {ROUNDS_MAX} rounds", tasks[0].describe())));
            }
            let held = tasks.iter().map(|task| task.held_bytes()).sum();
            let asked = round::ask(work, &mut tasks, held, limits)?;
            identity.clone_from(&asked.plan.job_id);
            let sampling = tasks.iter().any(|task| task.is_sampling());
            let mut took = round::run(session, asked, &mut tasks, work)?;
            if sampling {
                // The pass over all elements will have counted them all.
                took.warnings.clear();
            }
            took.bytes_peak_held += held + work.held_bytes;
            stats.push(took);
        }
        let level = Level { found, identity };
        session.walk().map_or(Ok(()), |walk| walk.keep_level(&level))?;
        bind(work, level.found, &level.identity)?;
    }
    Ok(stats)
}

/// Takes every value that a phase would find to be as large as it can be: for plans that are only looked at. Returns what to say of it.
pub(super) fn assume(work: &mut Work, limits: &Limits) -> Result<Vec<Decision>> {
    let mut said = Vec::new();
    while let Some(tasks) = next_level(work, limits)? {
        let texts = said_of(&tasks);
        said.extend(texts.into_iter().map(|text| Decision { about: "phases".to_string(), text }));
        assume_level(work)?;
    }
    Ok(said)
}

/// What explain says of the tasks of a level, equal sentences once.
fn said_of(tasks: &[Box<dyn Task>]) -> Vec<String> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for task in tasks {
        let text = task.describe();
        match counted.iter_mut().find(|(there, _)| *there == text) {
            Some((_, count)) => *count += 1,
            None => counted.push((text, 1)),
        }
    }
    let told = |(text, count): (String, usize)| if count == 1 { text } else { format!("{count} times: {text}") };
    counted.into_iter().map(told).collect()
}

/// Plans what can be known of all phases before the first one runs, every value as large as it can be. A refusal is the one of the
/// hungriest phase, so that the budget it names works for all.
pub(super) fn prove(asked: &Asked, work: &Work, limits: &Limits) -> Result<()> {
    if !waits_for_phases(work) {
        return Ok(());
    }
    let mut work = work.clone();
    let mut refusals = Vec::new();
    while let Some(tasks) = next_level(&mut work, limits)? {
        let mut open = Vec::new();
        for mut task in tasks {
            // Samples are left out where they do not fit.
            let _ = task.ask_less();
            if task.values()?.is_none() {
                open.push(task);
            }
        }
        let mut tasks = open;
        let held = tasks.iter().map(|task| task.held_bytes()).sum();
        refusals.extend(round::ask(&work, &mut tasks, held, limits).err());
        assume_level(&mut work)?;
    }
    refusals.extend(asked.plan(&work, limits).err());
    refusals.into_iter().max_by_key(Error::needed_bytes).map_or(Ok(()), Err)
}

/// Nodes that wait for a phase and whose operands do not. What needs none is put into the graph first.
fn ready(work: &Work) -> Vec<NodeId> {
    let nodes = &work.graph.nodes;
    let mut waiting = vec![false; nodes.len()];
    let mut found = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let own = waits(&node.op);
        // A selection by a counted mask may well be of something that waits; its mask is what counts, the last operand. So is a table.
        let last = is_counted_later(&node.op) || is_looked_up_later(&node.op);
        let decisive = if last { &node.args[node.args.len() - 1..] } else { &node.args[..] };
        if own && !decisive.iter().any(|arg| waiting[arg.index()]) {
            found.push(NodeId(index as u32));
        }
        waiting[index] = own || node.args.iter().any(|arg| waiting[arg.index()]);
    }
    found
}

/// The tasks of the next level; `None` if nothing waits.
fn next_level(work: &mut Work, limits: &Limits) -> Result<Option<Vec<Box<dyn Task>>>> {
    loop {
        let nodes = ready(work);
        if nodes.is_empty() {
            return Ok(None);
        }
        if local::put(work, &nodes, limits)? {
            continue;
        }
        let phased = nodes.iter().filter(|node| matches!(work.graph.node(**node).op, Op::Phased(_))).count() as u64;
        let room = limits.memory_bytes.saturating_sub(work.held_bytes) / SHARE / phased.max(1);
        let mut tasks: Vec<Box<dyn Task>> = Vec::new();
        let (mut masks, mut tables, mut tops, mut distinct) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for id in nodes {
            match &work.graph.node(id).op {
                Op::Phased(Phased::Quantile(quantile)) => tasks.push(Box::new(quantile::Quantiles::new(work, id, quantile, room)?)),
                Op::Phased(Phased::Top(top)) if top::join(&mut tops, work, id, top) => {}
                Op::Phased(Phased::Top(top)) => tops.push(top::TopTask::new(work, id, top, room)?),
                Op::Phased(Phased::Unique(part)) if unique::join(&mut distinct, work, id, *part) => {}
                Op::Phased(Phased::Unique(part)) => distinct.push(unique::Unique::new(work, id, *part, room)),
                Op::Phased(Phased::Take { axis }) => tasks.push(Box::new(indices::Indices::new(work, id, *axis))),
                op if is_looked_up_later(op) => tables.push(id),
                _ => masks.push(id),
            }
        }
        tasks.extend(tops.into_iter().map(|task| Box::new(task) as Box<dyn Task>));
        tasks.extend(distinct.into_iter().map(|task| Box::new(task) as Box<dyn Task>));
        if !masks.is_empty() {
            tasks.push(Box::new(masks::Masks::new(work, &masks)));
        }
        if !tables.is_empty() {
            tasks.push(Box::new(tables::Tables::new(work, &tables)));
        }
        return Ok(Some(tasks));
    }
}

/// Puts values into the graph. `identity` says what they were found from.
fn bind(work: &mut Work, known: BTreeMap<NodeId, Known>, identity: &str) -> Result<()> {
    let mut known = known;
    let (mut sources, mut held) = (Vec::new(), 0);
    let graph = work.graph.clone();
    let made = rewrite_with(&graph, &work.roots, |builder, id, op, args| match (op, known.remove(&id)) {
        (Op::Compress { axis, .. }, Some(Known::Count(count))) => builder.push(Op::Compress { axis: *axis, count: Some(count) }, args),
        (Op::Search { search, .. }, Some(Known::Table(table))) => {
            builder.push(Op::Search { table: Some(table), search: *search }, args[..1].to_vec())
        }
        (Op::Group(grouping), Some(Known::Count(groups))) => {
            let operands = args[..grouping.operands()].to_vec();
            builder.push(Op::Group(Grouping { groups: Some(groups), ..grouping.clone() }), operands)
        }
        (Op::Phased(Phased::Take { axis }), Some(Known::List(list))) => {
            held += list.len() as u64 * indices::ENTRY_BYTES;
            taken(builder, *axis, AxisMap::of([AxisStep::List(list)]), &args)
        }
        (Op::Phased(phased), Some(Known::Array(array))) => {
            held += array.bytes().len() as u64;
            let dims = graph.node(id).meta.dims.clone();
            let source = in_memory(array)?.named(phased.name()).identified(format!("{identity} {}", id.0)).with_dims(dims)?;
            let facts = crate::store::Source::facts(&source).clone();
            sources.push(Arc::new(source) as Arc<dyn crate::store::Source>);
            let source = builder.source(facts);
            builder.push(Op::Source(source), Vec::new())
        }
        _ => builder.push(op.clone(), args),
    });
    let (builder, roots) = made.map_err(counted)?;
    (work.graph, work.roots) = (builder.finish(), roots);
    work.sources.extend(sources);
    work.held_bytes += held;
    Ok(())
}

/// An error of shapes that showed when the length of a selection was counted.
fn counted(error: Error) -> Error {
    if error.kind() != ErrorKind::Mismatch {
        return error;
    }
    error.context("now that the selected elements are counted").hint(SELECTION_HINT)
}

/// The elements of `args[0]` along `axis` where `map` says, in the shape of the indices `args[1]`.
fn taken(builder: &mut GraphBuilder, axis: usize, map: AxisMap, args: &[NodeId]) -> Result<NodeId> {
    let (value, indices) = (builder.graph().node(args[0]).shape(), builder.graph().node(args[1]).shape());
    let length = indices.iter().product();
    let line = builder.push(Op::Gather { axis, map, length }, vec![args[0]])?;
    if indices.len() == 1 {
        return Ok(line);
    }
    let shape = value[..axis].iter().chain(&indices).chain(&value[axis + 1..]).map(|&length| length as i64).collect();
    builder.push(Op::Reshape(shape), vec![line])
}

fn in_memory(array: AnyArray) -> Result<MemorySource> {
    let shape = array.shape().to_vec();
    dispatch!(array.dtype(), T => {
        let elements = array.into_ndarray::<T, ndarray::IxDyn>()?.into_raw_vec_and_offset().0;
        MemorySource::from_vec::<T>(&shape, elements)
    })
}

/// Takes every value of a level to be as large as it can be.
fn assume_level(work: &mut Work) -> Result<()> {
    let level = ready(work);
    let graph = work.graph.clone();
    let mut held = 0;
    let (builder, roots) = rewrite_with(&graph, &work.roots, |builder, id, op, args| match op {
        Op::Compress { axis, count: None } if level.contains(&id) => {
            let all = graph.node(graph.node(id).args[1]).shape().iter().product();
            builder.push(Op::Compress { axis: *axis, count: Some(all) }, args)
        }
        Op::Search { table: None, search } if level.contains(&id) => {
            let table = Some(tables::any_table(&graph, id));
            builder.push(Op::Search { table, search: *search }, args[..1].to_vec())
        }
        Op::Group(grouping) if grouping.groups.is_none() && level.contains(&id) => {
            let groups = Some(tables::any_groups(grouping.groups_max));
            builder.push(Op::Group(Grouping { groups, ..grouping.clone() }), args[..grouping.operands()].to_vec())
        }
        Op::Phased(Phased::Take { axis }) if level.contains(&id) => {
            let node = graph.node(id);
            let count: usize = graph.node(node.args[1]).shape().iter().product();
            held += count as u64 * indices::ENTRY_BYTES;
            // Any places: the first ones, again and again.
            let length = graph.node(node.args[0]).shape()[*axis].max(1);
            taken(builder, *axis, AxisMap::of([AxisStep::Modulo(length)]), &args)
        }
        Op::Phased(phased) if level.contains(&id) => {
            let node = graph.node(id);
            let shape = node.shape();
            held += shape.iter().product::<usize>() as u64 * node.dtype().size() as u64;
            let facts = SourceFacts {
                name: phased.name().to_string(),
                dims: Dims::unnamed(shape.len()),
                encoded_bytes: 0,
                read_scratch_bytes: 0,
                layout: StoreLayout::Dense { strides: c_strides(&shape) },
                dtype: node.dtype(),
                shape,
                swapped: false,
                mappable: true,
                resident: true,
                identity: format!("{phased:?}"),
            };
            let source = builder.source(SourceFacts { dims: node.meta.dims.clone(), ..facts });
            builder.push(Op::Source(source), Vec::new())
        }
        _ => builder.push(op.clone(), args),
    })?;
    (work.graph, work.roots) = (builder.finish(), roots);
    work.held_bytes += held;
    Ok(())
}

/// A refusal because what a task holds does not fit its share of the budget.
fn too_large(what: &str, needed: u64, room: u64) -> Error {
    let text = format!("{what} take {} of memory, of the budget {} are there for it", show_memory(needed), show_memory(room));
    Error::refused(text).with_needed_bytes(needed.saturating_mul(SHARE))
}

/// The elements of `array` of a known dtype, for tasks that read their answers.
fn elements<T: Element>(array: &AnyArray) -> Result<&[T]> {
    array.as_slice::<T>()
}
