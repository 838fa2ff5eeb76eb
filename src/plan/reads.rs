//! How a run's part of each input gets into memory, and what it costs.

use crate::{
    kernel::program::SlotId,
    nd::{Grid, IndexMap, Region, SourceFacts},
    plan::{
        Access, IoMode, Read, ReadFrom,
        chunks::{bytes_decoded, chunk_of, picked_axes, picked_elements},
        in_place::{elements_spanned, is_in_place, is_worth_mapping},
    },
};

/// Gaps up to this size are read along: a smaller request costs the medium as much as the gap.
const GAP_BYTES: i64 = 4096;
/// A window over a file holds whole pages at both ends.
const PAGE_BYTES: u64 = 4096;
/// What it takes to know where one picked coordinate lies, while coordinates are put into groups.
const PLACE_BYTES: u64 = 128;

/// An input whose place in memory is to be chosen.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// Slot that it feeds.
    pub slot: SlotId,
    /// Origin.
    pub from: ReadFrom,
    /// Facts of the source; `None` for temps.
    pub facts: Option<&'a SourceFacts>,
    /// Map from stage coordinates to the store.
    pub map: IndexMap,
    /// Bytes of an element.
    pub item_bytes: usize,
}

impl Input<'_> {
    /// Whether it is a store of chunks.
    #[must_use]
    pub fn is_chunked(&self) -> bool {
        chunk_of(self.facts).is_some()
    }
}

/// The part of a dense store that a box touches: `segments` runs of `span` elements each.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reach {
    segment_axes: Vec<usize>,
    segments: u64,
    span: u64,
    /// From the first element to the last one.
    extent: u64,
}

/// Chooses the access of `input` for the runs of a grid, and for blocks of `block` in them.
#[must_use]
pub fn place(input: &Input<'_>, runs: &Grid, block: &[usize], io: IoMode) -> Read {
    if let (Some(facts), Some(chunk)) = (input.facts, chunk_of(input.facts)) {
        // A window may span a whole chunk, whatever is wanted of it.
        let is_much = || boxed(&input.map, runs.block()).saturating_mul(2) >= elements_of(chunk);
        let is_mapped = is_worth_mapping(facts, io) && (io == IoMode::Mmap || is_much()) && is_in_place(&input.map, chunk, runs, block);
        return if is_mapped { place_in_chunks(input, facts, chunk, runs) } else { place_chunked(input, facts, chunk, runs) };
    }
    place_linear(input, runs.shape(), runs.block(), io)
}

/// Windows of chunks, one at a time.
fn place_in_chunks(input: &Input<'_>, facts: &SourceFacts, chunk: &[usize], runs: &Grid) -> Read {
    let bytes = elements_of(chunk).saturating_mul(input.item_bytes as u64);
    Read {
        slot: input.slot,
        from: input.from,
        map: input.map.clone(),
        access: Access::Chunks,
        bytes_per_run: bytes.saturating_add(2 * PAGE_BYTES),
        // Of a chunk that is in place only what is wanted is looked at.
        bytes_total: elements_spanned(&input.map, runs).saturating_mul(input.item_bytes as u64),
        scratch_bytes: facts.read_scratch_bytes,
    }
}

/// Boxes of a store of chunks. Coordinates that lie apart are picked out of their chunks.
fn place_chunked(input: &Input<'_>, facts: &SourceFacts, chunk: &[usize], runs: &Grid) -> Read {
    let (map, space, run) = (&input.map, runs.shape(), runs.block());
    let part = reach_of(map, space, run);
    let bytes = |elements: u64| elements.saturating_mul(input.item_bytes as u64);
    let picked_axes = picked_axes(map, run);
    let (access, bytes_per_run, scratch_bytes) = if picked_axes.is_empty() {
        (Access::Box, bytes(boxed(map, &part)), 0)
    } else {
        let (elements, around) = picked_elements(map, &picked_axes, &part, chunk, &facts.shape);
        // Beside the box of a group: which coordinates lie where.
        let places = picked_axes.iter().map(|&axis| part[axis] as u64 * PLACE_BYTES).sum::<u64>();
        (Access::Picked { picked_axes }, bytes(elements), bytes(around).saturating_add(places))
    };
    Read {
        slot: input.slot,
        from: input.from,
        map: map.clone(),
        access,
        bytes_per_run,
        bytes_total: bytes_decoded(map, facts, chunk, space, runs),
        scratch_bytes: scratch_bytes.saturating_add(facts.read_scratch_bytes),
    }
}

fn place_linear(input: &Input<'_>, space: &[usize], run: &[usize], io: IoMode) -> Read {
    let bytes = |elements: u64| elements.saturating_mul(input.item_bytes as u64);
    let around = reach_of(&input.map, space, run);
    let (whole, part) = (&input.map.shape, &around);
    let stays = (0..space.len()).all(|axis| run[axis] >= space[axis] || input.map.is_broadcast(axis));
    let gathers = (0..space.len()).any(|axis| run[axis] > 1 && input.map.is_gathered(axis));
    let (access, bytes_per_run, bytes_once) = match input.facts {
        // Kernels walk by strides, so what is gathered is copied, even from memory.
        _ if gathers => {
            let reach_run = reach(&input.map, part, input.item_bytes);
            let once = input.facts.map_or(0, |_| bytes(reach(&input.map, whole, input.item_bytes).covered()));
            (Access::Segments { segment_axes: reach_run.segment_axes.clone() }, bytes(reach_run.covered()), once)
        }
        None => (Access::Resident, 0, 0),
        Some(facts) if facts.resident => (Access::Resident, 0, bytes(reach(&input.map, whole, input.item_bytes).covered())),
        Some(facts) => {
            let reach_run = reach(&input.map, part, input.item_bytes);
            let together = reach_run.segment_axes.is_empty() || reach_run.extent <= 2 * reach_run.covered();
            let mapped = facts.mappable
                && match io {
                    IoMode::Auto => together,
                    IoMode::Mmap => true,
                    IoMode::Read => false,
                };
            let once = bytes(reach(&input.map, whole, input.item_bytes).covered());
            match mapped {
                // One mapping serves all runs.
                true if stays => (Access::Resident, bytes(reach_run.extent) + 2 * PAGE_BYTES, once),
                true => (Access::Window, bytes(reach_run.extent) + 2 * PAGE_BYTES, once),
                false => (Access::Segments { segment_axes: reach_run.segment_axes.clone() }, bytes(reach_run.covered()), once),
            }
        }
    };
    // Runs along axes that the input does not vary on read it again, unless it is there all the time.
    let again: u64 = (0..space.len())
        .filter(|&axis| input.map.is_broadcast(axis) && access != Access::Resident)
        .map(|axis| space[axis].div_ceil(run[axis].max(1)).max(1) as u64)
        .product();
    let bytes_total = if space.contains(&0) { 0 } else { bytes_once.saturating_mul(again) };
    let bytes_total = match access {
        Access::Window | Access::Segments { .. } if input.facts.is_some() => {
            bytes_total.saturating_mul(pages_again(&input.map, part, input.item_bytes))
        }
        _ => bytes_total,
    };
    let scratch_bytes = input.facts.map_or(0, |facts| facts.read_scratch_bytes);
    Read { slot: input.slot, from: input.from, map: input.map.clone(), access, bytes_per_run, bytes_total, scratch_bytes }
}

/// How often a page of a dense store is read because runs of `part` cut what lies in it.
#[must_use]
pub fn pages_again(map: &IndexMap, part: &[usize], item_bytes: usize) -> u64 {
    let (run, whole) = (reach(map, part, item_bytes), reach(map, &map.shape, item_bytes));
    let span_bytes = run.span.saturating_mul(item_bytes as u64);
    if run.segments < 2 || whole.span <= run.span || span_bytes >= GAP_BYTES as u64 { 1 } else { GAP_BYTES as u64 / span_bytes.max(1) }
}

/// The box of a read that a run of shape `run` at the origin needs: with the neighbours that some functions see.
#[must_use]
pub fn reach_of(map: &IndexMap, space: &[usize], run: &[usize]) -> Vec<usize> {
    (0..space.len()).map(|axis| run[axis] + map.shape[axis].saturating_sub(space[axis])).collect()
}

impl Reach {
    fn covered(&self) -> u64 {
        self.segments.saturating_mul(self.span)
    }
}

fn reach(map: &IndexMap, shape: &[usize], item_bytes: usize) -> Reach {
    let strides = map.strides();
    let mut axes: Vec<usize> = (0..shape.len()).filter(|&axis| shape[axis] > 1 && strides[axis] != 0).collect();
    axes.sort_by_key(|&axis| (strides[axis].unsigned_abs(), axis));
    let mut made = Reach { segment_axes: Vec::new(), segments: 1, span: 1, extent: 1 };
    for &axis in &axes {
        let (steps, stride) = (shape[axis] as u64 - 1, strides[axis].unsigned_abs());
        let gap = (stride as i64).saturating_sub(made.span as i64).saturating_mul(item_bytes as i64);
        if made.segment_axes.is_empty() && gap < GAP_BYTES && !map.is_gathered(axis) {
            made.span += steps * stride;
        } else {
            made.segment_axes.insert(0, axis);
            made.segments = made.segments.saturating_mul(shape[axis] as u64);
        }
        made.extent += steps.saturating_mul(stride);
    }
    made
}

fn elements_of(shape: &[usize]) -> u64 {
    shape.iter().fold(1, |count: u64, &length| count.saturating_mul(length as u64))
}

/// Elements of the box of store coordinates that a box of `shape` at the origin touches.
fn boxed(map: &IndexMap, shape: &[usize]) -> u64 {
    map.span(&Region::whole(shape)).iter().map(|span| span.len() as u64).product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nd::shape::c_strides;

    fn rows(shape: &[usize]) -> IndexMap {
        IndexMap::dense(shape, &c_strides(shape))
    }

    #[test]
    fn rows_lie_together_and_far_columns_do_not() {
        let map = rows(&[1000, 128]);
        assert_eq!(reach(&map, &[10, 128], 4), Reach { segment_axes: vec![], segments: 1, span: 1280, extent: 1280 });
        let wide = rows(&[1000, 1 << 20]);
        assert_eq!(reach(&wide, &[10, 2048], 4), Reach { segment_axes: vec![0], segments: 10, span: 2048, extent: 9 * (1 << 20) + 2048 });
        // Narrow columns of short rows: the gaps are read along.
        assert_eq!(reach(&map, &[10, 3], 4), Reach { segment_axes: vec![], segments: 1, span: 9 * 128 + 3, extent: 9 * 128 + 3 });
    }

    #[test]
    fn a_transposed_read_makes_segments_along_the_long_stride() {
        let map = rows(&[4096, 1 << 16]).permute(&[1, 0]);
        let found = reach(&map, &[1024, 1024], 4);
        assert_eq!((found.segment_axes.clone(), found.segments, found.span), (vec![1], 1024, 1024));
    }
}
