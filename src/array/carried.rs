//! What goes along from arrays of Zarr stores to outputs: attributes that stay true, coordinates of axes that stay whole.
//!
//! One walk over the graph follows, for every node, which axes are those of an opened array, place for place, and whether its elements are
//! elements of one. Whatever is not known to stay true is left out.

use super::{
    below::{AxisPlaces, Coordinate, Place, ZarrOptions, ZarrOrigin, carry, is_in_group, zarr_output},
    graph::Work,
    outputs::stored_at,
    words::Dims,
};
use crate::{
    error::Result,
    expr::{Graph, NodeId, Op, graph::Node},
    nd::slice::{AxisSlice, resolve},
    numeric::Finish,
};
use serde_json::{Map, Value};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Arrays whose coordinates of one axis are held against each other.
const ORIGINS_MAX: usize = 8;
/// Attributes that are about all elements, or name other arrays that have their shape.
const OF_THE_WHOLE: [&str; 7] =
    ["actual_range", "ancillary_variables", "bounds", "cell_measures", "coordinates", "formula_terms", "grid_mapping"];
/// Attributes that a mean, a minimum and a maximum share with the elements.
const OF_A_SUMMARY: [&str; 4] = ["calendar", "long_name", "standard_name", "units"];

/// What is known of an axis.
#[derive(Clone, Debug, PartialEq)]
enum Axis {
    /// It is no axis of an array of a Zarr store.
    Foreign,
    /// It was one, but its places are others now.
    Changed,
    /// Its places are these of axes of opened arrays: numbers of array and axis.
    Of(Vec<(usize, usize)>, AxisPlaces),
}

impl Axis {
    /// What is known of an axis that operands share.
    fn with(self, other: &Axis) -> Axis {
        match (self, other) {
            (Axis::Changed, _) | (_, Axis::Changed) => Axis::Changed,
            (Axis::Foreign, other) => other.clone(),
            (known, Axis::Foreign) => known,
            (Axis::Of(mut known, places), Axis::Of(more, others)) if places == *others => {
                let new = more.iter().filter(|origin| !known.contains(origin)).copied().collect::<Vec<_>>();
                known.extend(new);
                known.truncate(ORIGINS_MAX);
                Axis::Of(known, places)
            }
            // As `x[1:] - x[:-1]`.
            (Axis::Of(..), Axis::Of(..)) => Axis::Changed,
        }
    }
}

/// How much of what is said of an array is true of elements that were taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Share {
    /// They are all its elements.
    All,
    /// They are some of them.
    Some,
    /// They are means or extremes.
    Summaries,
}

/// What is known of a node.
#[derive(Clone, Debug)]
struct Trace {
    axes: Vec<Axis>,
    /// The opened array that the elements come from.
    elements: Option<(usize, Share)>,
}

/// What goes along to every output.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// Attributes, one map per output.
    pub attributes: Vec<Map<String, Value>>,
    coordinates: Vec<Wanted>,
}

/// A coordinate that an output should have beside it.
#[derive(Debug)]
struct Wanted {
    output: PathBuf,
    name: String,
    places: AxisPlaces,
    candidates: Vec<PathBuf>,
    /// Whether the axis had other places in the input: what is called so is not its coordinate.
    is_changed: bool,
}

impl Carried {
    /// What goes along from the inputs of `work` to outputs with these axis names at these paths.
    pub fn new(work: &Work, paths: &[Option<&Path>], dims: &[Dims], options: &ZarrOptions) -> Result<Carried> {
        let mut carried = Carried { attributes: vec![Map::new(); paths.len()], coordinates: Vec::new() };
        if work.origins.is_empty() {
            return Ok(carried);
        }
        let origins: Vec<Arc<ZarrOrigin>> = work.origins.iter().map(|(_, origin)| origin.clone()).collect();
        let traces = trace(work);
        for (place, path) in paths.iter().enumerate() {
            let (Some(path), Some(root)) = (path.and_then(Path::to_str), work.roots.get(place)) else { continue };
            let Some((path, options)) = zarr_output(path, options)? else { continue };
            let trace = &traces[root.index()];
            if let Some((origin, share)) = trace.elements {
                carried.attributes[place] = shared(&origins[origin].attributes, share);
            }
            let dims = options.dims.as_ref().or(dims.get(place)).filter(|_| options.place == Place::New);
            for (axis, name) in dims.iter().flat_map(|dims| dims.0.iter().enumerate()) {
                let Some(name) = name else { continue };
                let (candidates, places) = match trace.axes.get(axis) {
                    Some(Axis::Of(from, places)) => (candidates(&origins, from, name), *places),
                    _ => (Vec::new(), AxisPlaces::all(0)),
                };
                let is_changed = trace.axes.get(axis) == Some(&Axis::Changed);
                let (output, name) = (PathBuf::from(path), name.to_string());
                carried.coordinates.push(Wanted { output, name, places, candidates, is_changed });
            }
        }
        Ok(carried)
    }

    /// Writes the coordinates that are not there yet, and says which could not be. None takes more than `bytes_max` of memory.
    pub fn write(&self, outputs: &[Option<&Path>], bytes_max: u64) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        let mut say = |text: String| {
            if !warnings.contains(&text) {
                warnings.push(text);
            }
        };
        // An output of its own comes from this job.
        let is_output = |place: &Path| outputs.iter().flatten().any(|path| stored_at(path) == place);
        for Wanted { output, name, places, candidates, .. } in &self.coordinates {
            if is_output(&output.with_file_name(name)) {
                continue;
            }
            if let Coordinate::Left(why) = carry(candidates, name, *places, output, bytes_max)? {
                say(format!("the coordinate `{name}` is not written beside {}: {why}", output.display()));
            }
        }
        for Wanted { output, name, .. } in self.coordinates.iter().filter(|wanted| wanted.is_changed) {
            let place = output.with_file_name(name);
            if is_in_group(output) && (is_output(&place) || place.is_dir()) {
                say(format!("axis `{name}` of {} has other places than the coordinate {}", output.display(), place.display()));
            }
        }
        Ok(warnings)
    }
}

/// Where coordinates of an axis may lie.
fn candidates(origins: &[Arc<ZarrOrigin>], from: &[(usize, usize)], name: &Arc<str>) -> Vec<PathBuf> {
    let called_so = |(origin, axis): &&(usize, usize)| origins[*origin].dims.0.get(*axis) == Some(&Some(name.clone()));
    let mut found: Vec<PathBuf> = from.iter().filter(called_so).map(|(origin, _)| origins[*origin].coordinate(name)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The attributes that are true of a share of an array.
fn shared(attributes: &Map<String, Value>, share: Share) -> Map<String, Value> {
    let stays = |name: &String| match share {
        Share::All => true,
        Share::Some => !OF_THE_WHOLE.contains(&name.as_str()),
        Share::Summaries => OF_A_SUMMARY.contains(&name.as_str()),
    };
    attributes.iter().filter(|(name, _)| stays(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What is known of every node.
fn trace(work: &Work) -> Vec<Trace> {
    let graph = &work.graph;
    let mut traces: Vec<Trace> = Vec::with_capacity(graph.nodes.len());
    // The first of those that a node has wins.
    let opened: HashMap<NodeId, usize> = work.origins.iter().enumerate().rev().map(|(place, (node, _))| (*node, place)).collect();
    for (index, node) in graph.nodes.iter().enumerate() {
        let made = match opened.get(&NodeId(index as u32)) {
            Some(&origin) => {
                let axes = node.shape().into_iter().enumerate().map(|(axis, of)| Axis::Of(vec![(origin, axis)], AxisPlaces::all(of)));
                let axes = axes.collect();
                Trace { axes, elements: Some((origin, Share::All)) }
            }
            None => through(node, graph, &traces),
        };
        traces.push(made);
    }
    traces
}

/// What is known of a node by what is known of its operands.
fn through(node: &Node, graph: &Graph, traces: &[Trace]) -> Trace {
    let rank = node.meta.rank();
    let unknown = |axis: Axis| Trace { axes: vec![axis; rank], elements: None };
    let Some(first) = node.args.first() else { return unknown(Axis::Foreign) };
    let of = &traces[first.index()];
    let taken = |share: Share| of.elements.map(|(origin, before)| (origin, before.max(share)));
    match &node.op {
        Op::Cast(..) | Op::Rename(_) => of.clone(),
        Op::Permute(order) => Trace { axes: order.iter().map(|&axis| of.axes[axis].clone()).collect(), elements: of.elements },
        Op::Slice(items) => match resolve(items, &graph.node(*first).shape()) {
            Ok(slots) => sliced(of, &slots, &graph.node(*first).shape()),
            Err(_) => unknown(Axis::Changed),
        },
        Op::BroadcastTo(_) => Trace { elements: taken(Share::Some), ..together(node, graph, traces) },
        Op::Reshape(_) => Trace { elements: taken(Share::All), ..unknown(Axis::Changed) },
        Op::Gather { axis, .. } => {
            let mut axes = of.axes.clone();
            axes[*axis] = Axis::Changed;
            Trace { axes, elements: taken(Share::Some) }
        }
        Op::Diagonal { .. } | Op::Windows { .. } | Op::Compress { .. } => Trace { elements: taken(Share::Some), ..unknown(Axis::Changed) },
        Op::Reduce(reduction) => {
            let is_summary =
                matches!(reduction.finish, Finish::Mean | Finish::Min | Finish::Max | Finish::NanMean | Finish::NanMin | Finish::NanMax);
            let elements = taken(Share::Summaries).filter(|_| is_summary && node.args.len() == 1);
            let stays = |axis: &usize| reduction.keepdims || !reduction.axes.contains(axis);
            let state = |axis: usize| if reduction.axes.contains(&axis) { Axis::Changed } else { of.axes[axis].clone() };
            let mut axes: Vec<Axis> = (0..of.axes.len()).filter(stays).map(state).collect();
            axes.resize(rank, Axis::Changed);
            Trace { axes, elements }
        }
        Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Scan { .. } | Op::MapBlocks(_) => together(node, graph, traces),
        Op::Search { .. } if of.axes.len() == rank => Trace { elements: None, ..of.clone() },
        _ => unknown(Axis::Changed),
    }
}

/// Axes of operands that broadcast. One that is stretched says nothing of the result's axis.
fn together(node: &Node, graph: &Graph, traces: &[Trace]) -> Trace {
    let shape = node.shape();
    let mut axes = vec![Axis::Foreign; shape.len()];
    for arg in &node.args {
        let (lengths, trace) = (graph.node(*arg).shape(), &traces[arg.index()]);
        for (back, (length, axis)) in lengths.iter().zip(&trace.axes).rev().enumerate() {
            let Some(place) = shape.len().checked_sub(back + 1) else { continue };
            if *length == shape[place] {
                axes[place] = std::mem::replace(&mut axes[place], Axis::Foreign).with(axis);
            }
        }
    }
    Trace { axes, elements: None }
}

fn sliced(of: &Trace, slots: &[AxisSlice], shape: &[usize]) -> Trace {
    let (mut axes, mut axis, mut is_whole) = (Vec::new(), 0, true);
    for slot in slots {
        match slot {
            AxisSlice::New => {
                axes.push(Axis::Foreign);
                continue;
            }
            AxisSlice::Fixed(_) => is_whole &= shape[axis] == 1,
            AxisSlice::Range { start: 0, step: 1, length } if *length == shape[axis] => axes.push(of.axes[axis].clone()),
            AxisSlice::Range { start, step, length } => {
                is_whole &= *length == shape[axis];
                axes.push(match &of.axes[axis] {
                    Axis::Of(from, places) => Axis::Of(from.clone(), places.part(*start, *step, *length)),
                    other => other.clone(),
                });
            }
        }
        axis += 1;
    }
    let share = if is_whole { Share::All } else { Share::Some };
    Trace { axes, elements: of.elements.map(|(origin, before)| (origin, before.max(share))) }
}
