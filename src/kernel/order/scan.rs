//! The pass: counts elements at or below cuts, and keeps those of chosen cells, at the speed of memory.
//!
//! Keys of a tile are made once and compared with every cut; only where a count says that a kept cell has elements in a tile are they
//! looked for, without branches. Two walks: runs of one lane (what is reduced lies innermost) and rows of lanes.

use super::{
    cuts::{Cuts, Tally},
    key::{Cell, Key, of_cell},
};
use crate::{
    error::Result,
    kernel::{
        simd::{Isa, enter},
        vm::BlockFunction,
    },
    nd::{DType, shape::c_strides},
    numeric::Piece,
};
use std::sync::{Arc, Mutex, PoisonError};

/// Elements whose keys are made at a time.
const TILE: usize = 256;
/// Elements that are looked through together for kept ones.
const PART: usize = 64;
/// Elements scanned before what was kept is handed over.
const BATCH: usize = 4 * 1024;

/// A function on blocks that answers [`Cuts`]. What it returns is nothing; the answer is in the tally.
pub(crate) struct Scan {
    dtype: DType,
    /// Lanes between neighbours along each axis; 0 along reduced ones.
    lane_steps: Vec<usize>,
    reduced: Vec<bool>,
    cuts: Cuts,
    isa: Isa,
    tally: Mutex<Tally>,
}

impl Scan {
    /// A scan of an array of `shape`, whose `reduced` axes lie within a lane.
    pub fn new(dtype: DType, shape: &[usize], reduced: &[bool], cuts: Cuts) -> Result<Arc<Scan>> {
        let kept: Vec<usize> = (0..shape.len()).filter(|&axis| !reduced[axis]).collect();
        let strides = c_strides(&kept.iter().map(|&axis| shape[axis]).collect::<Vec<_>>());
        let mut lane_steps = vec![0; shape.len()];
        for (&axis, stride) in kept.iter().zip(strides) {
            lane_steps[axis] = usize::try_from(stride).unwrap_or(0);
        }
        let tally = Mutex::new(Tally::new(&cuts)?);
        Ok(Arc::new(Scan { dtype, lane_steps, reduced: reduced.to_vec(), cuts, isa: Isa::detect(), tally }))
    }

    /// Memory of one call with up to `cuts` cuts, in bytes.
    pub fn scratch_bytes(lanes: usize, cuts: usize) -> u64 {
        let row = lanes.min(TILE) as u64;
        (2 * BATCH * 16) as u64 + (cuts as u64 + 1) * (row * 28 + 128)
    }

    /// The question.
    pub fn cuts(&self) -> &Cuts {
        &self.cuts
    }

    /// The answer; nothing is left behind.
    pub fn take(&self) -> Tally {
        std::mem::take(&mut *self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn walk<C: Cell>(&self, start: &[usize], shape: &[usize], input: &[u8]) {
        let cells = C::cells(input);
        let rank = shape.len();
        // Innermost axes that are reduced are one run; else the last axis is a row of lanes and the reduced one before it the rows.
        let run_axes = (0..rank).rev().take_while(|&axis| self.reduced[axis]).count();
        let (outer, rows, row) = if run_axes > 0 || rank == 0 {
            let outer = rank - run_axes;
            (outer, 1, shape[outer..].iter().product())
        } else if rank > 1 && self.reduced[rank - 2] {
            (rank - 2, shape[rank - 2], shape[rank - 1])
        } else {
            (rank - 1, 1, shape[rank - 1])
        };
        let piece = rows * row;
        let mut at = vec![0; outer];
        let mut seed = start.iter().fold(0u64, |seed, &place| mixed(seed ^ place as u64));
        for part in cells.chunks(piece.max(1)) {
            let lane: usize = (0..rank).map(|axis| (start[axis] + at.get(axis).copied().unwrap_or(0)) * self.lane_steps[axis]).sum();
            seed = mixed(seed);
            if run_axes > 0 || rank == 0 {
                self.run::<C>(part, lane, seed);
            } else {
                self.rows::<C>(part, row, lane, seed);
            }
            for axis in (0..outer).rev() {
                at[axis] += 1;
                if at[axis] < shape[axis] {
                    break;
                }
                at[axis] = 0;
            }
        }
    }

    /// One run of one lane.
    fn run<C: Cell>(&self, cells: &[C::Bytes], lane: usize, seed: u64) {
        let cuts = &self.cuts;
        let keys: Vec<C::Key> = (0..cuts.count).map(|cut| C::Key::narrow(cuts.key(cut, lane))).collect();
        let spans: Vec<Option<[C::Key; 2]>> = (0..=cuts.count).map(|cell| span::<C>(cuts, cell, lane)).collect();
        let mut counts = vec![0u64; cuts.count];
        let mut kept: Vec<Vec<C::Key>> = vec![Vec::new(); spans.len()];
        for (batch, part) in cells.chunks(BATCH).enumerate() {
            enter(self.isa, Run::<C> { cells: part, cuts: &keys, spans: &spans, counts: &mut counts, kept: &mut kept });
            if kept.iter().any(|kept| !kept.is_empty()) {
                let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
                for (cell, keys) in kept.iter_mut().enumerate() {
                    let slot = (cell * cuts.lanes + lane) as u32;
                    let seed = mixed(seed ^ batch as u64);
                    tally.keep(slot, chosen(keys, cuts.shift, seed).map(|key| key.widen()), cuts.room);
                    keys.clear();
                }
            }
        }
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        for (cut, count) in counts.into_iter().enumerate() {
            tally.at_most[cut * cuts.lanes + lane] += count;
        }
    }

    /// Rows of `row` lanes from `first` on.
    fn rows<C: Cell>(&self, cells: &[C::Bytes], row: usize, first: usize, seed: u64) {
        let cuts = &self.cuts;
        let step = *self.lane_steps.last().unwrap_or(&1);
        debug_assert!(step == 1 || row == 1, "the last axis is the last lane axis");
        for lanes in (0..row).step_by(TILE) {
            let width = TILE.min(row - lanes);
            let at = |index: usize| first + lanes + index % width;
            let keys: Vec<C::Key> = (0..cuts.count * width).map(|index| C::Key::narrow(cuts.key(index / width, at(index)))).collect();
            let mut spans = vec![None; cuts.count + 1];
            for (cell, span_of) in spans.iter_mut().enumerate() {
                if (0..width).any(|lane| cuts.keeps[cell * cuts.lanes + at(lane)]) {
                    let ends = (0..width).map(|lane| span::<C>(cuts, cell, at(lane)).unwrap_or([C::Key::HIGHEST, C::Key::LOWEST]));
                    *span_of = Some(ends.unzip_pairs());
                }
            }
            let mut counts = vec![0u32; cuts.count * width];
            let mut kept: Vec<Vec<(u32, C::Key)>> = vec![Vec::new(); spans.len()];
            let height = (BATCH / width).max(1);
            for (batch, part) in cells.chunks(height * row).enumerate() {
                enter(
                    self.isa,
                    Rows::<C> { cells: part, row, lanes, width, cuts: &keys, spans: &spans, counts: &mut counts, kept: &mut kept },
                );
                self.hand_over(&mut kept, first + lanes, mixed(seed ^ batch as u64 ^ (lanes as u64) << 32));
            }
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            for (index, count) in counts.into_iter().enumerate() {
                tally.at_most[index / width * cuts.lanes + at(index)] += u64::from(count);
            }
        }
    }

    fn hand_over<K: Key>(&self, kept: &mut [Vec<(u32, K)>], first: usize, seed: u64) {
        if kept.iter().all(Vec::is_empty) {
            return;
        }
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        for (cell, pairs) in kept.iter_mut().enumerate() {
            for (lane, key) in chosen(pairs, self.cuts.shift, seed) {
                tally.keep((cell * self.cuts.lanes + first + lane as usize) as u32, std::iter::once(key.widen()), self.cuts.room);
            }
            pairs.clear();
        }
    }
}

impl BlockFunction for Scan {
    fn name(&self) -> &str {
        "order statistics"
    }

    fn call(&self, start: &[usize], shape: &[usize], input: &[u8], _output: &mut [u8]) -> Result<()> {
        of_cell!(self.dtype, T => self.walk::<T>(start, shape, input));
        Ok(())
    }
}

/// First and last key of a kept cell.
fn span<C: Cell>(cuts: &Cuts, cell: usize, lane: usize) -> Option<[C::Key; 2]> {
    if !cuts.keeps[cell * cuts.lanes + lane] {
        return None;
    }
    let (low, high) = cuts.cell(cell, lane, C::Key::HIGHEST.widen())?;
    Some([C::Key::narrow(low.max(C::Key::LOWEST.widen())), C::Key::narrow(high)])
}

trait UnzipPairs<K> {
    fn unzip_pairs(self) -> [Vec<K>; 2];
}
impl<K, I: Iterator<Item = [K; 2]>> UnzipPairs<K> for I {
    fn unzip_pairs(self) -> [Vec<K>; 2] {
        let (low, high) = self.map(|[low, high]| (low, high)).unzip();
        [low, high]
    }
}

/// One of `2^shift` of `kept`, whichever `seed` says.
fn chosen<T: Copy>(kept: &[T], shift: u32, seed: u64) -> impl Iterator<Item = T> + '_ {
    let mask = (1u64 << shift) - 1;
    kept.iter().enumerate().filter(move |(index, _)| mask == 0 || mixed(seed ^ *index as u64) & mask == 0).map(|(_, kept)| *kept)
}

/// A number that looks like no other's.
fn mixed(seed: u64) -> u64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

struct Run<'a, C: Cell> {
    cells: &'a [C::Bytes],
    cuts: &'a [C::Key],
    spans: &'a [Option<[C::Key; 2]>],
    counts: &'a mut [u64],
    kept: &'a mut [Vec<C::Key>],
}

impl<C: Cell> Piece for Run<'_, C> {
    #[inline(always)]
    fn go(self) {
        let (tiles, rest) = self.cells.as_chunks::<TILE>();
        let mut keys = [C::Key::default(); TILE];
        let mut before = vec![0usize; self.cuts.len() + 1];
        for tile in tiles {
            for lane in 0..TILE {
                keys[lane] = C::key(tile[lane]);
            }
            let mut last = 0;
            for (cut, &limit) in self.cuts.iter().enumerate() {
                let count = count_at_most(&keys, limit);
                self.counts[cut] += count as u64;
                before[cut] = count - last;
                last = count;
            }
            before[self.cuts.len()] = TILE - last;
            for (cell, span) in self.spans.iter().enumerate() {
                if let Some([low, high]) = span
                    && before[cell] > 0
                {
                    keep_between(&keys, *low, *high, &mut self.kept[cell]);
                }
            }
        }
        for &cell in rest {
            let key = C::key(cell);
            self.cuts.iter().zip(self.counts.iter_mut()).for_each(|(&cut, count)| *count += u64::from(key <= cut));
            for (span, kept) in self.spans.iter().zip(self.kept.iter_mut()) {
                if span.is_some_and(|[low, high]| low <= key && key <= high) {
                    kept.push(key);
                }
            }
        }
    }
}

/// How many keys are not above `limit`.
#[inline(always)]
fn count_at_most<K: Key>(keys: &[K; TILE], limit: K) -> usize {
    // Sums of the keys' own width stay in lanes of that width; a part's fit the narrowest.
    let of_part = |part: &[K; PART]| part.iter().fold(K::default(), |sum, &key| sum.plus(K::one_if(key <= limit))).widen();
    keys.as_chunks::<PART>().0.iter().map(of_part).sum::<i64>() as usize
}

/// Appends the keys from `low` to `high`.
#[inline(always)]
fn keep_between<K: Key>(keys: &[K; TILE], low: K, high: K, kept: &mut Vec<K>) {
    for part in keys.as_chunks::<PART>().0 {
        let mut flags = [0u8; PART];
        for (flag, &key) in flags.iter_mut().zip(part) {
            *flag = u8::from((low <= key) & (key <= high));
        }
        each_flag(&flags, |at| kept.push(part[at]));
    }
}

/// Calls `found` with the place of every flag that is 1. Most have none.
#[inline(always)]
fn each_flag(flags: &[u8; PART], mut found: impl FnMut(usize)) {
    let words = flags.as_chunks::<8>().0;
    if words.iter().fold(0, |any, word| any | u64::from_le_bytes(*word)) == 0 {
        return;
    }
    for (index, word) in words.iter().enumerate() {
        let mut left = u64::from_le_bytes(*word);
        while left != 0 {
            found((index * 8 + left.trailing_zeros() as usize / 8) % PART);
            left &= left - 1;
        }
    }
}

struct Rows<'a, C: Cell> {
    cells: &'a [C::Bytes],
    row: usize,
    lanes: usize,
    width: usize,
    /// `[cut][lane]`.
    cuts: &'a [C::Key],
    spans: &'a [Option<[Vec<C::Key>; 2]>],
    counts: &'a mut [u32],
    kept: &'a mut [Vec<(u32, C::Key)>],
}

impl<C: Cell> Piece for Rows<'_, C> {
    #[inline(always)]
    fn go(self) {
        let mut keys = [C::Key::default(); TILE];
        let width = self.width;
        for row in self.cells.chunks_exact(self.row) {
            let keys = &mut keys[..width];
            for (key, &cell) in keys.iter_mut().zip(&row[self.lanes..self.lanes + width]) {
                *key = C::key(cell);
            }
            for (limits, counts) in self.cuts.chunks_exact(width).zip(self.counts.chunks_exact_mut(width)) {
                for lane in 0..width {
                    counts[lane] += u32::from(keys[lane] <= limits[lane]);
                }
            }
            for (span, kept) in self.spans.iter().zip(self.kept.iter_mut()) {
                if let Some([low, high]) = span {
                    keep_lanes(keys, low, high, kept);
                }
            }
        }
    }
}

/// Appends the keys that lie within their lanes' spans, with their lanes.
#[inline(always)]
fn keep_lanes<K: Key>(keys: &[K], low: &[K], high: &[K], kept: &mut Vec<(u32, K)>) {
    let parts = keys.chunks(PART).zip(low.chunks(PART)).zip(high.chunks(PART));
    for (index, ((keys, low), high)) in parts.enumerate() {
        let mut flags = [0u8; PART];
        for (flag, (&key, (&low, &high))) in flags.iter_mut().zip(keys.iter().zip(low.iter().zip(high))) {
            *flag = u8::from((low <= key) & (key <= high));
        }
        each_flag(&flags, |at| kept.push(((index * PART + at) as u32, keys[at])));
    }
}
