//! How a run's part of each input gets into memory, and what it costs.

use crate::{
    kernel::program::SlotId,
    nd::{Grid, IndexMap, Region, SourceFacts, shape::c_strides},
    plan::{
        Access, IoMode, Read, ReadFrom,
        chunks::{bytes_decoded, chunk_of, picked_axes, picked_elements, single_store_axis},
        in_place::{elements_spanned, is_in_place, is_worth_mapping},
    },
};

/// Gaps up to this size are read along: a smaller request costs the medium as much as the gap.
const GAP_BYTES: i64 = 4096;
/// A window over a file holds whole pages at both ends.
const PAGE_BYTES: u64 = 4096;
/// A file of no more than this is mapped once, not run by run: a mapping that goes costs every thread about as much as reading it.
const RESIDENT_BYTES: u64 = 256 * 1024;
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
    // Gaps of less than a page are read along, as in files.
    let (one, run) = within_chunk(&input.map, chunk, runs);
    let gaps = reach(&one, &one.shape, input.item_bytes).covered() as f64 / boxed(&input.map, &one.shape).max(1) as f64;
    let once = scaled(elements_spanned(&input.map, runs).saturating_mul(input.item_bytes as u64), gaps);
    Read {
        slot: input.slot,
        from: input.from,
        map: input.map.clone(),
        access: Access::Chunks,
        bytes_per_run: bytes.saturating_add(2 * PAGE_BYTES),
        // Of a chunk that is in place only the pages that are wanted are looked at.
        bytes_total: scaled(once, times_read(&one, &one.shape, &run, input.item_bytes)),
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
            let reach_whole = reach(&input.map, whole, input.item_bytes);
            let once = bytes(reach_whole.covered());
            match mapped {
                // One mapping serves all runs.
                true if stays || bytes(reach_whole.extent) <= RESIDENT_BYTES => {
                    (Access::Resident, bytes(reach_whole.extent) + 2 * PAGE_BYTES, once)
                }
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
            scaled(bytes_total, times_read(&input.map, space, run, input.item_bytes))
        }
        _ => bytes_total,
    };
    let scratch_bytes = input.facts.map_or(0, |facts| facts.read_scratch_bytes);
    Read { slot: input.slot, from: input.from, map: input.map.clone(), access, bytes_per_run, bytes_total, scratch_bytes }
}

/// How often runs of `run` read what they touch of a dense store: columns that are narrower than a page, or lie in short rows, have the
/// pages of all rows read again for each run of columns. 1 at least; what a broadcast repeats does not count.
#[must_use]
pub fn times_read(map: &IndexMap, space: &[usize], run: &[usize], item_bytes: usize) -> f64 {
    let touched = |shape: &[usize]| {
        let reach = reach(map, shape, item_bytes);
        let span_bytes = reach.span.saturating_mul(item_bytes as u64);
        // A page that one run ends in and the next begins in is still there.
        reach.segments as f64 * if reach.segments > 1 { span_bytes.max(PAGE_BYTES) } else { span_bytes } as f64
    };
    let along = |axis: usize| space[axis] as f64 / run[axis].clamp(1, space[axis].max(1)) as f64;
    let runs: f64 = (0..space.len()).filter(|&axis| !map.is_broadcast(axis)).map(along).product();
    (runs * touched(&reach_of(map, space, run)) / touched(&map.shape)).max(1.0)
}

/// As [`times_read`], of chunks that are read where they lie.
#[must_use]
pub fn times_in_chunks(map: &IndexMap, chunk: &[usize], runs: &Grid, item_bytes: usize) -> f64 {
    let (one, run) = within_chunk(map, chunk, runs);
    times_read(&one, &one.shape, &run, item_bytes)
}

/// What a view wants of one chunk, and what a run wants of it.
fn within_chunk(map: &IndexMap, chunk: &[usize], runs: &Grid) -> (IndexMap, Vec<usize>) {
    let strides = c_strides(chunk);
    let inside = |axis: usize| match single_store_axis(map, axis) {
        Some(store) => (chunk[store].div_ceil(map.steps[axis][store].unsigned_abs() as usize), map.steps[axis][store] * strides[store]),
        None => (1, 0),
    };
    let (lengths, strides): (Vec<usize>, Vec<i64>) = (0..map.rank()).map(inside).unzip();
    let of_one = |shape: &[usize]| -> Vec<usize> { shape.iter().zip(&lengths).map(|(&length, &most)| length.min(most)).collect() };
    (IndexMap::dense(&of_one(runs.shape()), &strides), of_one(runs.block()))
}

fn scaled(bytes: u64, times: f64) -> u64 {
    if times == 1.0 { bytes } else { (bytes as f64 * times) as u64 }
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
    fn narrow_columns_read_the_pages_of_all_rows_again() {
        let map = rows(&[4000, 128]);
        let times = |run: &[usize]| times_read(&map, &map.shape, run, 4);
        assert_eq!((times(&[500, 128]), times(&[300, 128])), (1.0, 1.0));
        assert!((times(&[4000, 2]) - 64.0).abs() < 0.1, "{}", times(&[4000, 2]));
        // Rows of many pages: columns of a page are read once, of a fourth of it four times.
        let wide = rows(&[100, 1 << 16]);
        let times = |run: &[usize]| times_read(&wide, &wide.shape, run, 4);
        assert_eq!((times(&[100, 1024]), times(&[100, 256])), (1.0, 4.0));
        // One row that all rows of the space see is no other page.
        let row = rows(&[1, 128]).broadcast_to(&[4000, 128]);
        assert_eq!(times_read(&row, &[4000, 128], &[10, 128], 4), 1.0);
    }

    #[test]
    fn chunks_in_place_are_read_again_as_files_are() {
        let map = IndexMap::identity(&[4000, 128]);
        let times = |chunk: [usize; 2], run: [usize; 2]| times_in_chunks(&map, &chunk, &Grid::new(map.shape.clone(), run.to_vec()), 4);
        assert_eq!((times([1000, 128], [2000, 128]), times([1000, 128], [250, 128])), (1.0, 1.0));
        assert!((times([1000, 128], [4000, 2]) - 64.0).abs() < 0.5);
        // Chunks of few columns are read by those who want them.
        assert_eq!(times([4000, 2], [4000, 2]), 1.0);
        let turned = map.permute(&[1, 0]);
        let times = times_in_chunks(&turned, &[1000, 128], &Grid::new(vec![128, 4000], vec![2, 4000]), 4);
        assert!((times - 64.0).abs() < 0.5, "{times}");
    }

    #[test]
    fn a_transposed_read_makes_segments_along_the_long_stride() {
        let map = rows(&[4096, 1 << 16]).permute(&[1, 0]);
        let found = reach(&map, &[1024, 1024], 4);
        assert_eq!((found.segment_axes.clone(), found.segments, found.span), (vec![1], 1024, 1024));
    }
}
