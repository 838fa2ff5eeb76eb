//! Which elements there are, and how many of each, as long as there are few.

use super::key::{Cell, Key, of_cell};
use crate::{error::Result, kernel::vm::BlockFunction, nd::DType};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Elements that are put in order together.
const BATCH: usize = 16 * 1024;

/// Bytes that an entry takes while the table grows.
pub(crate) const ENTRY_BYTES: u64 = 80;

/// A function on blocks that counts every distinct element. `-0` counts as `+0`, and all NaN as one.
pub(crate) struct Distinct {
    dtype: DType,
    /// Distinct elements at most.
    room: usize,
    counts: Mutex<HashMap<i64, u64>>,
}

impl Distinct {
    pub fn new(dtype: DType, room: usize) -> Distinct {
        Distinct { dtype, room, counts: Mutex::default() }
    }

    /// Memory of one call.
    pub fn scratch_bytes() -> u64 {
        (BATCH * 8 + (1 << 16) * 8) as u64
    }

    /// Keys in order with their counts; `None` if there are more than there was room for.
    pub fn take(&self) -> Option<Vec<(i64, u64)>> {
        let counts = std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        if counts.len() > self.room {
            return None;
        }
        let mut entries: Vec<(i64, u64)> = counts.into_iter().collect();
        entries.sort_unstable();
        Some(entries)
    }

    fn add(&self, entries: impl Iterator<Item = (i64, u64)>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, count) in entries {
            // One more than there is room for says it all.
            if counts.len() > self.room {
                return;
            }
            *counts.entry(key).or_default() += count;
        }
    }

    fn count<C: Cell>(&self, input: &[u8]) {
        let cells = C::cells(input);
        if size_of::<C::Key>() <= 2 {
            // Narrow keys are places in a table.
            let low = C::Key::LOWEST.widen();
            let mut table = vec![0u64; (C::Key::HIGHEST.widen() - low + 1) as usize];
            for &cell in cells {
                table[(C::key(cell).folded::<C>() - low) as usize] += 1;
            }
            return self
                .add(table.into_iter().enumerate().filter(|(_, count)| *count > 0).map(|(place, count)| (place as i64 + low, count)));
        }
        let mut keys: Vec<i64> = Vec::with_capacity(BATCH);
        for cells in cells.chunks(BATCH) {
            keys.clear();
            keys.extend(cells.iter().map(|&cell| C::key(cell).folded::<C>()));
            keys.sort_unstable();
            self.add(keys.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u64)));
        }
    }
}

impl BlockFunction for Distinct {
    fn name(&self) -> &str {
        "distinct elements"
    }

    fn call(&self, _start: &[usize], _shape: &[usize], input: &[u8], _output: &mut [u8]) -> Result<()> {
        of_cell!(self.dtype, T => self.count::<T>(input));
        Ok(())
    }
}
