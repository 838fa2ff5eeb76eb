//! The first elements of many lanes in order, of arrays whose lines do not lie whole in a block.

use super::key::{Cell, Key, of_cell};
use crate::{
    error::Result,
    kernel::vm::BlockFunction,
    nd::{DType, shape::c_strides},
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Elements looked at between two looks at the bounds.
const BATCH: usize = 16 * 1024;
/// Elements that are asked together whether one of them may be among the first.
const PART: usize = 64;

/// An element as it is ordered: its key, complemented where the largest come first, and its place in the line.
type Entry = (i64, u64);

/// A function on blocks that keeps the first `wanted` elements of every lane along `axis`, by value and then by place.
pub(crate) struct Top {
    dtype: DType,
    axis: usize,
    lane_steps: Vec<usize>,
    turned: i64,
    wanted: usize,
    lanes: Mutex<Lanes>,
}

/// The first elements of every lane so far.
struct Lanes {
    /// Up to `2 * wanted` entries per lane.
    entries: Vec<Entry>,
    counts: Vec<u32>,
    /// The last of `wanted` entries; nothing behind it is among the first.
    bounds: Vec<Entry>,
}

impl Top {
    /// `wanted` is not 0.
    pub fn new(dtype: DType, shape: &[usize], axis: usize, wanted: usize, largest: bool) -> Top {
        let kept: Vec<usize> = (0..shape.len()).filter(|&other| other != axis).collect();
        let strides = c_strides(&kept.iter().map(|&axis| shape[axis]).collect::<Vec<_>>());
        let mut lane_steps = vec![0; shape.len()];
        for (&axis, stride) in kept.iter().zip(strides) {
            lane_steps[axis] = usize::try_from(stride).unwrap_or(0);
        }
        let lanes: usize = kept.iter().map(|&axis| shape[axis]).product();
        let entries = vec![(0, 0); lanes * wanted * 2];
        let lanes = Lanes { entries, counts: vec![0; lanes], bounds: vec![(i64::MAX, u64::MAX); lanes] };
        Top { dtype, axis, lane_steps, turned: -i64::from(largest), wanted, lanes: Mutex::new(lanes) }
    }

    /// Memory that it holds, in bytes.
    pub fn held_bytes(lanes: usize, wanted: usize) -> u64 {
        (lanes as u64).saturating_mul((wanted as u64).saturating_mul(2 * size_of::<Entry>() as u64).saturating_add(20))
    }

    /// Memory of one call.
    pub fn scratch_bytes() -> u64 {
        (BATCH * 2 * (size_of::<Entry>() + 8)) as u64
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Values and places of the first elements, `[lane][rank]`; fewer where a line is shorter.
    pub fn take(&self) -> Vec<Vec<(i64, u64)>> {
        let mut lanes = self.lock();
        let (wanted, turned) = (self.wanted, self.turned);
        let counts = std::mem::take(&mut lanes.counts);
        let of_lane = |(lane, count): (usize, u32)| {
            let entries = &mut lanes.entries[lane * 2 * wanted..][..count as usize];
            entries.sort_unstable();
            entries.iter().take(wanted).map(|(key, place)| (key ^ turned, *place)).collect()
        };
        counts.into_iter().enumerate().map(of_lane).collect()
    }

    fn walk<C: Cell>(&self, start: &[usize], shape: &[usize], input: &[u8]) {
        let cells = C::cells(input);
        let rank = shape.len();
        // Lanes and places of a row of the last axis: one of the two moves along it.
        let row = shape[rank - 1];
        let (lane_step, place_step) = if self.axis + 1 == rank { (0, 1) } else { (self.lane_steps[rank - 1], 0) };
        let mut found: Vec<(usize, Entry)> = Vec::new();
        let mut at = vec![0; rank - 1];
        for cells in cells.chunks(row.max(1)) {
            let place = |axis: usize| start[axis] + at.get(axis).copied().unwrap_or(0);
            let lane: usize = (0..rank).map(|axis| place(axis) * self.lane_steps[axis]).sum();
            let first = place(self.axis) as u64;
            for (batch, cells) in cells.chunks(BATCH).enumerate() {
                let skip = batch * BATCH;
                let bounds = self.bounds(lane + skip * lane_step, lane_step, cells.len());
                let from = (lane + skip * lane_step, first + (skip * place_step) as u64);
                self.look::<C>(cells, &bounds, from, (lane_step, place_step), &mut found);
                if found.len() >= BATCH || lane_step == 0 {
                    self.merge(&mut found);
                }
            }
            for axis in (0..rank - 1).rev() {
                at[axis] += 1;
                if at[axis] < shape[axis] {
                    break;
                }
                at[axis] = 0;
            }
        }
        self.merge(&mut found);
    }

    /// The bounds of `count` lanes from `first` on; of one where the lane does not move.
    fn bounds(&self, first: usize, step: usize, count: usize) -> Vec<Entry> {
        let lanes = self.lock();
        if step == 0 { vec![lanes.bounds[first]] } else { (0..count).map(|at| lanes.bounds[first + at * step]).collect() }
    }

    fn look<C: Cell>(
        &self,
        cells: &[C::Bytes],
        bounds: &[Entry],
        from: (usize, u64),
        steps: (usize, usize),
        found: &mut Vec<(usize, Entry)>,
    ) {
        let already = found.len();
        for (part, cells) in cells.chunks(PART).enumerate() {
            let bound = |at: usize| bounds[if steps.0 == 0 { 0 } else { part * PART + at }];
            let key = |cell: C::Bytes| C::key(cell).folded::<C>() ^ self.turned;
            let any = cells.iter().enumerate().fold(false, |any, (at, cell)| any | (key(*cell) <= bound(at).0));
            if !any {
                continue;
            }
            for (at, &cell) in cells.iter().enumerate() {
                let index = part * PART + at;
                let entry = (key(cell), from.1 + (index * steps.1) as u64);
                if entry <= bound(at) {
                    found.push((from.0 + index * steps.0, entry));
                }
            }
        }
        // Of one lane only the first are worth telling.
        if steps.0 == 0 && found.len() - already > self.wanted {
            found[already..].select_nth_unstable_by_key(self.wanted - 1, |(_, entry)| *entry);
            found.truncate(already + self.wanted);
        }
    }

    fn merge(&self, found: &mut Vec<(usize, Entry)>) {
        if found.is_empty() {
            return;
        }
        let mut lanes = self.lock();
        let (wanted, Lanes { entries, counts, bounds }) = (self.wanted, &mut *lanes);
        for (lane, entry) in found.drain(..) {
            if entry > bounds[lane] {
                continue;
            }
            let (entries, count) = (&mut entries[lane * 2 * wanted..][..2 * wanted], &mut counts[lane]);
            entries[*count as usize] = entry;
            *count += 1;
            if *count as usize == 2 * wanted {
                entries.select_nth_unstable(wanted - 1);
                *count = wanted as u32;
            }
            if *count as usize == wanted {
                bounds[lane] = entries[..wanted].iter().copied().max().unwrap_or((i64::MAX, u64::MAX));
            }
        }
    }
}

impl BlockFunction for Top {
    fn name(&self) -> &str {
        "top elements"
    }

    fn call(&self, start: &[usize], shape: &[usize], input: &[u8], _output: &mut [u8]) -> Result<()> {
        of_cell!(self.dtype, T => self.walk::<T>(start, shape, input));
        Ok(())
    }
}
