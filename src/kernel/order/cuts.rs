//! What a pass over elements is asked, and what it answers: cuts between keys, counts at cuts, elements of chosen cells.

use crate::error::{Error, Result};

/// Cuts of a number of lanes (the independent selections of one pass: one over all elements, or one per column).
///
/// Cut `c` of a lane is a key; cell `c` are the keys above cut `c - 1` up to cut `c`, the last cell those above all cuts.
#[derive(Clone, Debug)]
pub(crate) struct Cuts {
    pub lanes: usize,
    /// Cuts per lane; ascending, the last one repeated where a lane has fewer.
    pub count: usize,
    /// Keys, `[cut][lane]`.
    pub keys: Vec<i64>,
    /// Whether elements of a cell are kept, `[cell][lane]`.
    pub keeps: Vec<bool>,
    /// One of `2^shift` elements of the kept cells is kept.
    pub shift: u32,
    /// Elements kept at most.
    pub room: usize,
}

/// Bytes of one kept element.
pub(crate) const KEPT_BYTES: u64 = 12;

/// Bytes of cuts, counts and flags of one cut of one lane.
pub(crate) const CUT_BYTES: u64 = 17;

impl Cuts {
    pub fn key(&self, cut: usize, lane: usize) -> i64 {
        self.keys[cut * self.lanes + lane]
    }

    /// The keys of a cell, both ends included; `None` if there is no key between its cuts.
    pub fn cell(&self, cell: usize, lane: usize, highest: i64) -> Option<(i64, i64)> {
        let low = match cell {
            0 => i64::MIN,
            _ => self.key(cell - 1, lane).checked_add(1)?,
        };
        let high = if cell == self.count { highest } else { self.key(cell, lane) };
        (low <= high).then_some((low, high))
    }
}

/// The answer.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Elements at or below each cut, `[cut][lane]`.
    pub at_most: Vec<u64>,
    /// Cell and lane of each kept element: `cell * lanes + lane`.
    pub slots: Vec<u32>,
    /// Their keys.
    pub kept: Vec<i64>,
    /// Whether there were more than there was room for.
    pub overflowed: bool,
}

impl Tally {
    pub fn new(cuts: &Cuts) -> Result<Tally> {
        let (mut slots, mut kept) = (Vec::new(), Vec::new());
        let refused = |_| {
            let bytes = cuts.room as u64 * KEPT_BYTES;
            Error::refused(format!("{bytes} bytes of memory for a selection, which the system does not give")).with_needed_bytes(bytes)
        };
        slots.try_reserve_exact(cuts.room).map_err(refused)?;
        kept.try_reserve_exact(cuts.room).map_err(refused)?;
        Ok(Tally { at_most: vec![0; cuts.count * cuts.lanes], slots, kept, overflowed: false })
    }

    /// Keeps `keys` of `slot` as far as there is room.
    pub fn keep(&mut self, slot: u32, keys: impl Iterator<Item = i64>, room: usize) {
        for key in keys {
            if self.kept.len() == room {
                self.overflowed = true;
                return;
            }
            self.slots.push(slot);
            self.kept.push(key);
        }
    }

    /// Puts the kept elements of a slot together. Returns where each slot ends.
    pub fn group(&mut self, slots: usize) -> Vec<usize> {
        let mut ends = vec![0usize; slots];
        self.slots.iter().for_each(|&slot| ends[slot as usize] += 1);
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum;
        }
        // Every element is swapped to its place at once: as many swaps as elements at most.
        let mut next: Vec<usize> = std::iter::once(0).chain(ends.iter().copied()).take(slots).collect();
        for slot in 0..slots {
            while next[slot] < ends[slot] {
                let at = next[slot];
                let home = self.slots[at] as usize;
                if home == slot {
                    next[slot] += 1;
                } else {
                    self.slots.swap(at, next[home]);
                    self.kept.swap(at, next[home]);
                    next[home] += 1;
                }
            }
        }
        ends
    }
}
