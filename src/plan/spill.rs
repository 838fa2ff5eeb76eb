//! Values that go through scratch: which ones, in what frames, and what that costs beside reading sources again.
//!
//! A value is *held* by a node that does nothing but exist as a whole: the passes above it read its result. Sources that would be
//! read many times are held in frames that fit their readers, and so are results that are made in another layout than they are written.

use crate::{
    expr::{Graph, Node, NodeId, Op, SourceId},
    nd::{Dims, Grid, IndexMap, SourceFacts, StoreLayout, shape::c_strides},
    plan::{
        Access, Plan, Read, ReadFrom, Request, Stage,
        chunks::{bytes_decoded, chunk_of},
        reads::{times_in_chunks, times_read},
        share::How,
        why::show_bytes,
    },
};
use std::collections::BTreeSet;

/// Bytes of a frame, from what media like best to what small budgets hold.
pub const FRAME_BYTES: [u64; 4] = [4 << 20, 1 << 20, 256 << 10, 64 << 10];
/// Bytes of what is known of one frame.
pub const FRAME_INDEX_BYTES: u64 = 32;
/// Times that a source has to be read before scratch is thought of: it is written once and read once more.
const READ_TIMES_MIN: f64 = 2.5;

/// How frames are shaped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrameShape {
    /// As long along every axis as along the others.
    #[default]
    Cube,
    /// As the chunks of writers and readers meet: narrow where one of them is.
    Meeting,
}

/// What goes through scratch, and what is held between passes at all.
#[derive(Clone, Debug, Default)]
pub struct Spilling {
    /// Nodes that exist as a whole.
    pub holds: BTreeSet<NodeId>,
    /// Results between passes that are larger than this; `None`: all of them stay in memory.
    pub larger_than: Option<u64>,
    /// Bytes of a frame.
    pub frame_bytes: u64,
    /// Shape of a frame.
    pub frame_shape: FrameShape,
    /// Whether products are part of the passes that use them.
    pub fuses: bool,
}

impl Spilling {
    /// Whether a result between passes goes through scratch.
    #[must_use]
    pub fn is_spilled(&self, id: NodeId, how: How, node: &Node) -> bool {
        let bytes = node.shape().iter().fold(node.dtype().size() as u64, |bytes, &length| bytes.saturating_mul(length as u64));
        let large = self.larger_than.is_some_and(|limit| bytes > limit) && node.meta.rank() > 0;
        self.holds.contains(&id) || (large && matches!(how, How::Streamed | How::Local))
    }
}

/// The graph in which some sources, and the outputs that have chunks, are held, and the nodes that hold them.
#[must_use]
pub fn hold(
    graph: &Graph,
    roots: &[NodeId],
    sources: &BTreeSet<SourceId>,
    outputs: Option<&Request>,
) -> (Graph, Vec<NodeId>, BTreeSet<NodeId>) {
    let mut made =
        Graph { nodes: Vec::with_capacity(graph.nodes.len()), sources: graph.sources.clone(), functions: graph.functions.clone() };
    let mut holds = BTreeSet::new();
    let mut push = |node: Node| {
        made.nodes.push(node);
        NodeId(made.nodes.len() as u32 - 1)
    };
    let same = |node: &Node, id: NodeId| Node { op: Op::Permute((0..node.meta.rank()).collect()), args: vec![id], meta: node.meta.clone() };
    let mut places: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let mut id = push(Node { args: node.args.iter().map(|arg| places[arg.index()]).collect(), ..node.clone() });
        if matches!(node.op, Op::Source(source) if sources.contains(&source)) {
            id = push(same(node, id));
            holds.insert(id);
        }
        places.push(id);
    }
    let has_layout = |index: usize| outputs.is_some_and(|request| request.layouts.get(index).is_some_and(Option::is_some));
    let roots = roots.iter().enumerate().map(|(index, root)| {
        let (node, id) = (graph.node(*root), places[root.index()]);
        if !has_layout(index) || matches!(node.op, Op::Compress { .. }) {
            // What is held and asked for is read back.
            return if holds.contains(&id) { push(same(node, id)) } else { id };
        }
        let held = push(same(node, id));
        holds.insert(held);
        push(same(node, held))
    });
    let roots = roots.collect();
    (made, roots, holds)
}

/// Sources that a plan reads so often that scratch may be cheaper.
#[must_use]
pub fn read_often(plan: &Plan) -> BTreeSet<SourceId> {
    let often = |stage: &Stage, read: &Read| match read.from {
        ReadFrom::Source(id) => (times_of(read, &plan.sources[id.0 as usize], stage) >= READ_TIMES_MIN).then_some(id),
        ReadFrom::Temp(_) | ReadFrom::Scratch(_) => None,
    };
    plan.stages.iter().flat_map(|stage| stage.reads.iter().filter_map(move |read| often(stage, read))).collect()
}

/// How often the runs of a stage decode the chunks that they touch, or read the pages; 1 of what stays in memory.
#[must_use]
pub fn times_of(read: &Read, facts: &SourceFacts, stage: &Stage) -> f64 {
    let item_bytes = facts.dtype.size();
    match (&read.access, chunk_of(Some(facts))) {
        (Access::Resident, _) => 1.0,
        (Access::Chunks, Some(chunk)) => times_in_chunks(&read.map, chunk, &stage.runs(), item_bytes),
        (_, Some(chunk)) => {
            let whole = Grid::new(read.map.shape.clone(), read.map.shape.clone());
            let once = bytes_decoded(&read.map, facts, chunk, &read.map.shape, &whole);
            if once > 0 { read.bytes_total as f64 / once as f64 } else { 1.0 }
        }
        (_, None) => times_read(&read.map, &stage.space, &stage.run, item_bytes),
    }
}

/// Bytes that a plan moves: decoded, copied and written, scratch on both sides.
#[must_use]
pub fn bytes_moved(plan: &Plan) -> u64 {
    let reads = plan.stages.iter().flat_map(|stage| stage.reads.iter().map(|read| read.bytes_total));
    let writes = plan.stages.iter().flat_map(|stage| stage.writes.iter().map(|write| write.bytes_total));
    reads.chain(writes).fold(0, u64::saturating_add)
}

/// What a plan through scratch says about the choice.
#[must_use]
pub fn reason(through: &Plan, direct: Option<&Plan>) -> String {
    let bytes = show_bytes(bytes_moved(through));
    let scratch: u64 = through.scratches.iter().map(|scratch| scratch.bytes()).sum();
    let scratch = show_bytes(scratch);
    match direct {
        Some(direct) => format!("{scratch} go through scratch: {bytes} are moved in all, {} without", show_bytes(bytes_moved(direct))),
        None => format!("{scratch} go through scratch, {bytes} are moved in all: the budget holds no direct way"),
    }
}

/// A map to the C-order places of an array of `shape` as one to its coordinates. `None` where an axis of the view runs across several.
#[must_use]
pub fn lift(map: &IndexMap, shape: &[usize]) -> Option<IndexMap> {
    let strides = c_strides(shape);
    let rank = shape.len();
    if map.shape.contains(&0) || shape.contains(&0) {
        return Some(IndexMap::affine(map.shape.clone(), vec![0; rank], vec![vec![0; rank]; map.rank()]));
    }
    let mut lifted = IndexMap { offset: vec![0; rank], steps: vec![vec![0; rank]; map.rank()], ..map.clone() };
    let mut rest = map.offset[0];
    for axis in 0..rank {
        lifted.offset[axis] = rest.div_euclid(strides[axis].max(1));
        rest = rest.rem_euclid(strides[axis].max(1));
    }
    for axis in (0..map.rank()).filter(|&axis| map.shape[axis] > 1 && map.steps[axis][0] != 0) {
        let step = map.steps[axis][0];
        // The outermost axis that the step is whole of, and that is long enough.
        let along = (0..rank).find(|&place| {
            shape[place] > 1 && step % strides[place] == 0 && (step / strides[place]).unsigned_abs() < shape[place] as u64
        })?;
        lifted.steps[axis][along] = step / strides[along];
    }
    let span = |store: usize| {
        let (mut low, mut high) = (lifted.offset[store], lifted.offset[store]);
        for axis in 0..map.rank() {
            let bounds = map.map_of(axis).map_or((0, map.shape[axis] as i64 - 1), |gathered| gathered.bounds(0..map.shape[axis]));
            let step = lifted.steps[axis][store];
            low += (step * bounds.0).min(step * bounds.1);
            high += (step * bounds.0).max(step * bounds.1);
        }
        low >= 0 && high < shape[store] as i64
    };
    (0..rank).all(span).then_some(lifted)
}

/// The frame of a scratch of `shape`: about `bytes`, as long along every axis as along the others. `fits` are lengths that its writers and
/// readers come in, per axis; 1 where any will do.
#[must_use]
pub fn cube(shape: &[usize], item_bytes: usize, bytes: u64, fits: &[Vec<usize>]) -> Vec<usize> {
    let mut left = (bytes / item_bytes as u64).max(1) as f64;
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.sort_by_key(|&axis| shape[axis]);
    let mut frame = vec![1; shape.len()];
    for (done, &axis) in order.iter().enumerate() {
        let side = left.powf(1.0 / (shape.len() - done) as f64).max(1.0) as usize;
        let length = shape[axis].max(1);
        frame[axis] = fitted(length, side.min(length), fits.get(axis).map_or(&[], Vec::as_slice));
        left = (left / frame[axis] as f64).max(1.0);
    }
    frame
}

/// The frame of which the chunks of writers and readers are whole ones, as far as `bytes` allow. `fits` as in [`cube`].
#[must_use]
pub fn meeting(shape: &[usize], item_bytes: usize, bytes: u64, fits: &[Vec<usize>]) -> Vec<usize> {
    let limit = (bytes / item_bytes as u64).max(1);
    let units = |axis: usize| fits.get(axis).into_iter().flatten().map(move |&unit| unit.clamp(1, shape[axis].max(1)));
    let mut frame: Vec<usize> = (0..shape.len()).map(|axis| units(axis).min().unwrap_or(shape[axis].max(1))).collect();
    let count = |frame: &[usize]| frame.iter().fold(1, |count: u64, &length| count.saturating_mul(length as u64));
    while count(&frame) > limit {
        let Some(longest) = (0..frame.len()).max_by_key(|&axis| frame[axis]) else { break };
        let length = frame[longest];
        let parts = (2..=length).find(|parts| length.is_multiple_of(*parts)).unwrap_or(length);
        frame[longest] = length / parts.max(2);
        frame[longest] = frame[longest].max(1);
    }
    for axis in (0..shape.len()).rev() {
        let most = units(axis).max().unwrap_or(shape[axis].max(1)) / frame[axis];
        frame[axis] *= ((limit / count(&frame).max(1)) as usize).clamp(1, most.max(1));
    }
    frame
}

/// A length near `side` that is a multiple or a part of what writers and readers come in.
fn fitted(length: usize, side: usize, fits: &[usize]) -> usize {
    if side >= length {
        return length;
    }
    let mut side = side;
    for &unit in fits.iter().filter(|unit| **unit > 1 && **unit < length) {
        side = if unit <= side {
            side / unit * unit
        } else if unit <= 2 * side {
            unit
        } else {
            let parts = (unit.div_ceil(side)..=unit).find(|parts| unit % parts == 0).unwrap_or(unit);
            unit / parts
        };
    }
    side.max(1)
}

/// The frame of a scratch that is read in C order across its axes: frames are runs of elements, all of one length.
#[must_use]
pub fn rows(shape: &[usize], item_bytes: usize, bytes: u64) -> Vec<usize> {
    let mut left = (bytes / item_bytes as u64).max(1) as usize;
    let mut frame = vec![1; shape.len()];
    for axis in (0..shape.len()).rev() {
        let length = shape[axis].max(1);
        if length <= left {
            frame[axis] = length;
            left /= length;
            continue;
        }
        // Only along the first axis may the last frame be shorter than the others.
        let outer = shape[..axis].iter().any(|&length| length > 1);
        frame[axis] = if outer { (1..=left).rev().find(|part| length.is_multiple_of(*part)).unwrap_or(1) } else { left };
        break;
    }
    frame
}

/// What the planner and readers know of a scratch.
#[must_use]
pub fn facts(name: &str, dtype: crate::nd::DType, shape: &[usize], frame: &[usize]) -> SourceFacts {
    let frame_bytes = (frame.iter().product::<usize>() * dtype.size()) as u64;
    SourceFacts {
        name: name.to_string(),
        shape: shape.to_vec(),
        dtype,
        dims: Dims::unnamed(shape.len()),
        layout: StoreLayout::Chunked { chunk: frame.to_vec() },
        swapped: false,
        encoded_bytes: shape.iter().product::<usize>() as u64 * dtype.size() as u64,
        // The frame as it lies in the file, and as it was.
        read_scratch_bytes: 2 * frame_bytes + FRAME_SLACK_BYTES,
        mappable: false,
        resident: false,
        identity: String::new(),
    }
}

/// What packing and unpacking takes besides frames.
pub const FRAME_SLACK_BYTES: u64 = 64 << 10;

/// What a writer of frames of `frame_bytes` holds: the frame, and packed, which may be a little more.
#[must_use]
pub fn write_scratch_bytes(frame_bytes: u64) -> u64 {
    2 * frame_bytes + frame_bytes / 8 + FRAME_SLACK_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nd::slice::AxisSlice;

    #[test]
    fn frames_meet_the_chunks_of_both_sides() {
        let fits = [vec![16_384, 4_000_000], vec![128, 2]];
        let frame = |bytes| meeting(&[4_000_000, 128], 4, bytes, &fits);
        assert_eq!(frame(1 << 20), [16_384, 16]);
        assert_eq!(frame(256 << 10), [16_384, 4]);
        assert_eq!(frame(64 << 10), [8192, 2]);
        assert_eq!(meeting(&[10, 7], 8, 1 << 20, &[Vec::new(), Vec::new()]), [10, 7]);
        assert_eq!(meeting(&[0, 7], 8, 8, &[vec![3], vec![7]]), [1, 1]);
    }

    #[test]
    fn maps_to_places_become_maps_to_coordinates() {
        let shape = [6, 5, 4];
        let dense = IndexMap::dense(&shape, &c_strides(&shape));
        let back = AxisSlice::Range { start: 5, step: -2, length: 3 };
        for map in [
            dense.clone(),
            dense.permute(&[2, 0, 1]),
            dense.slice(&[back, AxisSlice::Fixed(3), AxisSlice::Range { start: 1, step: 1, length: 3 }]),
            dense.slice(&[AxisSlice::Fixed(0), AxisSlice::Fixed(0), AxisSlice::Fixed(2)]).broadcast_to(&[3]),
            dense.reshape(&[2, 3, 5, 4]).unwrap(),
            dense.reshape(&[6, 5, 2, 2]).unwrap().permute(&[3, 1, 0, 2]),
        ] {
            let lifted = lift(&map, &shape).unwrap();
            let grid = Grid::new(map.shape.clone(), vec![1; map.rank()]);
            for index in 0..grid.count() {
                let at = grid.region(index).start;
                let place: i64 = (0..3)
                    .map(|store| {
                        let along: i64 = (0..map.rank()).map(|axis| lifted.steps[axis][store] * at[axis] as i64).sum();
                        (lifted.offset[store] + along) * c_strides(&shape)[store]
                    })
                    .sum();
                assert_eq!(place, map.linear(&at));
            }
        }
        assert!(lift(&dense.reshape(&[30, 4]).unwrap(), &shape).is_none());
        assert!(lift(&dense.reshape(&[120]).unwrap(), &shape).is_none());
    }

    #[test]
    fn frames_are_cubes_or_runs_of_rows() {
        assert_eq!(cube(&[40_000, 12_800], 4, 4 << 20, &[]), [1024, 1024]);
        assert_eq!(cube(&[40_000, 3], 4, 1200, &[]), [100, 3]);
        assert_eq!(cube(&[40_000, 12_800], 4, 4 << 20, &[vec![100], vec![2000]]), [500, 2000]);
        assert_eq!(rows(&[1000, 7, 5], 4, 4 * 100), [2, 7, 5]);
        assert_eq!(rows(&[1000, 12, 5], 4, 4 * 50), [1, 6, 5]);
        assert_eq!(rows(&[1000], 4, 4 * 300), [300]);
    }
}
