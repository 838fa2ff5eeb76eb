//! Chunks in place: whether the blocks of a pass lie in one chunk each, and shapes for which they do.

use crate::{
    nd::{Grid, IndexMap, SourceFacts},
    plan::{
        IoMode,
        chunks::{Grain, boundaries, chunk_of, gcd, single_store_axis},
        grid::{Form, RUN_BYTES},
        memory::Boxes,
    },
};

/// Bytes of a chunk from which on mapping it costs less than a copy of it.
const MAPPED_BYTES_MIN: u64 = 256 * 1024;
/// Bytes of a run of one chunk from which on runs may be single chunks.
const ONE_CHUNK_BYTES_MIN: u64 = RUN_BYTES / 16;
/// A block is cut to so many times fewer elements at most.
const CUT_MAX: usize = 8;

/// Whether the chunks of a source can be mapped, and are to be.
#[must_use]
pub fn is_worth_mapping(facts: &SourceFacts, io: IoMode) -> bool {
    let Some(chunk) = chunk_of(Some(facts)).filter(|_| facts.mappable) else { return false };
    let bytes = chunk.iter().fold(facts.dtype.size() as u64, |bytes, &length| bytes.saturating_mul(length as u64));
    match io {
        IoMode::Auto => bytes >= MAPPED_BYTES_MIN,
        IoMode::Mmap => true,
        IoMode::Read => false,
    }
}

/// Whether every block of `block` in the runs of a grid lies in one chunk, and the blocks of a run go through its chunks one after the
/// other.
#[must_use]
pub fn is_in_place(map: &IndexMap, chunk: &[usize], runs: &Grid, block: &[usize]) -> bool {
    let space = runs.shape();
    let moves = |axis: usize, store: usize| space[axis] > 1 && map.steps[axis][store] != 0;
    let crossed = |store: usize| (0..space.len()).filter(|&axis| moves(axis, store)).count() > 1;
    // What sees neighbours reads across the ends of blocks.
    if map.shape != space || space.contains(&0) || (0..map.store_rank()).any(crossed) {
        return false;
    }
    let mut is_cut_inside = false;
    (0..space.len()).all(|axis| {
        let Some(along) = Along::of(map, chunk, runs, block, axis) else { return false };
        // Blocks of one chunk that others come between would have it mapped again.
        let is_in_turn = !(along.several_chunks && is_cut_inside);
        is_cut_inside |= along.several_blocks;
        is_in_turn
    })
}

/// Elements from the first to the last one of every run, of all runs together. What is in place once can be there again: runs along an
/// axis that the store does not vary on look at it again.
#[must_use]
pub fn elements_spanned(map: &IndexMap, runs: &Grid) -> u64 {
    let along = |axis: usize| {
        let (length, count) = (runs.shape()[axis] as u64, runs.count_along(axis) as u64);
        let step: u64 = map.steps[axis].iter().map(|step| step.unsigned_abs()).sum();
        (length - length.min(count)).saturating_mul(step).saturating_add(count)
    };
    (0..map.rank()).map(along).fold(1, u64::saturating_mul)
}

/// How the blocks of a run meet chunks along one axis.
struct Along {
    /// Whether a run may have several chunks.
    several_chunks: bool,
    /// Whether a chunk may have several blocks.
    several_blocks: bool,
}

impl Along {
    /// `None` if a block lies in two chunks, or may.
    fn of(map: &IndexMap, chunk: &[usize], runs: &Grid, block: &[usize], axis: usize) -> Option<Self> {
        let (length, run) = (runs.shape()[axis], runs.block()[axis]);
        let block = block[axis].clamp(1, run);
        let one = Along { several_chunks: false, several_blocks: block < run };
        if length == 1 || map.is_broadcast(axis) {
            return Some(one);
        }
        let store = single_store_axis(map, axis).filter(|_| !map.is_gathered(axis))?;
        let (step, chunk) = (map.steps[axis][store], chunk[store].max(1));
        if !(chunk as u64).is_multiple_of(step.unsigned_abs()) {
            // The ends of chunks are not equally far from each other.
            return None;
        }
        let (distance, first) = boundaries(chunk, map.offset[store], step);
        let first = if first == 0 { distance } else { first };
        if first >= length {
            return Some(one);
        }
        let several = Along { several_chunks: true, several_blocks: block < distance };
        let (_, first_run) = runs.along(axis, 0);
        if first_run >= length {
            let once = first.saturating_add(distance) >= length;
            return (first.is_multiple_of(block) && (once || distance.is_multiple_of(block))).then_some(several);
        }
        // Places of ends in their runs are multiples of this; the first run may be shorter.
        let (common, lacks) = (gcd(distance, run), run - first_run);
        if !(first + lacks).is_multiple_of(common) {
            return None;
        }
        if common == run {
            return Some(one);
        }
        let begins_well = lacks == 0 || first >= first_run || lacks.is_multiple_of(block);
        (common.is_multiple_of(block) && begins_well).then_some(several)
    }
}

/// `block` cut so that several of them are a chunk, along axes where runs have several chunks.
#[must_use]
pub fn cut_block(form: &Form, grain: &Grain, block: &[usize], run: &[usize]) -> Option<Vec<usize>> {
    let along = |axis: usize| {
        let (block, chunk) = (block[axis], grain.length[axis]);
        if form.whole[axis] || chunk <= 1 || run[axis] <= chunk {
            return Some(block);
        }
        if block >= chunk { Some(chunk) } else { (block.div_ceil(CUT_MAX)..=block).rev().find(|length| chunk.is_multiple_of(*length)) }
    };
    let cut: Vec<usize> = (0..block.len()).map(along).collect::<Option<_>>()?;
    let elements = |shape: &[usize]| shape.iter().fold(1, |count: usize, &length| count.saturating_mul(length));
    (elements(&cut).saturating_mul(CUT_MAX) >= elements(block)).then_some(cut)
}

/// Runs of one chunk each, and blocks of about so many bytes in them. `None` if they were small.
#[must_use]
pub fn one_chunk(form: &Form, grain: &Grain, block_bytes: u64) -> Option<Boxes> {
    let run = form.boxed_with(1, &form.lines, &grain.length);
    let bytes = run.iter().fold(form.point_size(), |bytes, &length| bytes.saturating_mul(length as u64));
    if bytes < ONE_CHUNK_BYTES_MIN {
        return None;
    }
    let inside = Form { space: run.clone(), ..form.clone() };
    let block = inside.boxed_with(block_bytes, &form.lines, &[]).iter().zip(&run).map(|(&block, &run)| block.min(run)).collect();
    let origin: Vec<usize> = (0..run.len()).map(|axis| if run[axis] >= form.space[axis] { 0 } else { grain.origin[axis] }).collect();
    Some((block, run, if origin.iter().all(|&lacks| lacks == 0) { Vec::new() } else { origin }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nd::{Region, slice::AxisSlice};

    /// What [`is_in_place`] says, found by looking at every block.
    fn by_looking(map: &IndexMap, chunk: &[usize], runs: &Grid, block: &[usize]) -> bool {
        (0..runs.count()).all(|run| {
            let run = runs.region(run);
            let blocks = Grid::new(run.shape.clone(), block.to_vec());
            let mut seen: Vec<Vec<usize>> = Vec::new();
            (0..blocks.count()).all(|index| {
                let within = blocks.region(index);
                let start: Vec<usize> = within.start.iter().zip(&run.start).map(|(within, run)| within + run).collect();
                let span = map.span(&Region::new(start, within.shape));
                let of = |end: fn(&std::ops::Range<usize>) -> usize| -> Vec<usize> {
                    span.iter().zip(chunk).map(|(span, chunk)| end(span) / chunk).collect()
                };
                let (first, last) = (of(|span| span.start), of(|span| span.end - 1));
                let is_new = !seen.contains(&first);
                let in_turn = is_new || seen.last() == Some(&first);
                if is_new {
                    seen.push(first.clone());
                }
                first == last && in_turn
            })
        })
    }

    #[test]
    fn blocks_are_in_place_only_where_each_is_in_one_chunk() {
        let mut state = 7u64;
        let mut below = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % bound
        };
        let (mut yes, mut missed) = (0, 0);
        for _ in 0..20_000 {
            let store = [1 + below(40), 1 + below(12)];
            let chunk = [1 + below(store[0]), 1 + below(store[1])];
            let slices = store.map(|length| {
                let start = below(length);
                let step: i64 = [1, 1, 1, -1, 2, -2, 3][below(7)];
                let length = if step > 0 { (length - start).div_ceil(step as usize) } else { start / step.unsigned_abs() as usize + 1 };
                AxisSlice::Range { start, step, length }
            });
            let mut map = IndexMap::identity(&store).slice(&slices);
            if below(3) == 0 {
                map = map.permute(&[1, 0]);
            }
            let space = map.shape.clone();
            let grain = Grain::of_source(&map, &chunk, &space);
            let run: Vec<usize> = (0..2).map(|axis| [grain.length[axis] * (1 + below(3)), 1 + below(space[axis])][below(2)]).collect();
            let runs = Grid::new(space.clone(), run.clone());
            let runs = if below(2) == 0 { runs.moved(&grain.origin) } else { runs };
            let block: Vec<usize> = runs.block().iter().map(|&run| [1 + below(run), run][below(2)]).collect();
            let (said, is) = (is_in_place(&map, &chunk, &runs, &block), by_looking(&map, &chunk, &runs, &block));
            assert!(is || !said, "{map:?} in chunks of {chunk:?}, {runs:?}, blocks of {block:?}");
            yes += usize::from(said);
            missed += usize::from(is && !said);
        }
        assert!(yes > 2000 && missed * 2 < yes, "{yes} in place, {missed} missed");
    }

    #[test]
    fn shapes_meet_small_and_large_chunks() {
        let form = |space: [usize; 2]| Form {
            space: space.to_vec(),
            whole: vec![false; 2],
            order: vec![0, 1],
            square: None,
            point_bytes: 4,
            sums_columns: false,
            states: Vec::new(),
            lines: Vec::new(),
            product: None,
        };
        let grain = |length: [usize; 2]| Grain { length: length.to_vec(), origin: vec![0; 2] };
        // Several chunks of rows are a run: blocks divide them.
        let (rows, long) = (form([4_000_000, 128]), grain([1000, 128]));
        assert_eq!(cut_block(&rows, &long, &[1024, 128], &[16_000, 128]), Some(vec![1000, 128]));
        assert_eq!(cut_block(&rows, &grain([6000, 128]), &[1024, 128], &[12_000, 128]), Some(vec![1000, 128]));
        assert_eq!(cut_block(&rows, &grain([4099, 128]), &[1024, 128], &[8198, 128]), None);
        assert_eq!(one_chunk(&rows, &long, 512 * 1024), None);
        // Chunks of both axes: one is a run.
        let square = one_chunk(&form([20_000, 20_000]), &grain([1000, 1000]), 512 * 1024);
        assert_eq!(square, Some((vec![131, 1000], vec![1000, 1000], Vec::new())));
    }
}
