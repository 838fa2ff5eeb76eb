//! Indexes of shards: read, held against the shard they are part of, and kept for the next read.

use super::{
    chain::{IndexAt, Shard},
    part::{Fault, Part, room},
};
use crate::store::file::FileIdentity;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

/// Where the inner chunks of a shard lie.
#[derive(Debug)]
pub(super) struct Index {
    /// Offset and length per inner chunk, both [`u64::MAX`] where there is none.
    places: Vec<(u64, u64)>,
}

impl Index {
    /// Reads the index of a shard. `buffer` holds its bytes meanwhile.
    pub fn read(shard: &Shard, part: Part<'_>, buffer: &mut Vec<u8>) -> Result<Self, Fault> {
        let index_bytes = shard.index_bytes() as u64;
        let length = part.length();
        let Some(data_bytes) = length.checked_sub(index_bytes) else {
            return Err(format!("it has {length} bytes, its index alone takes {index_bytes}").into());
        };
        let (start, data) = match shard.index_at {
            IndexAt::Start => (0, index_bytes..length),
            IndexAt::End => (data_bytes, 0..data_bytes),
        };
        let encoded = room(buffer, shard.index_bytes())?;
        part.read(start, encoded)?;
        let mut bytes: &[u8] = encoded;
        for step in shard.index_steps.iter().rev() {
            let stripped = step.strip(bytes).map_err(|why| format!("the index: {why}"))?;
            bytes = &bytes[stripped.unwrap_or(0..bytes.len())];
        }
        let mut places = Vec::new();
        places.try_reserve_exact(shard.count()).map_err(|_| format!("there is no memory for an index of {} places", shard.count()))?;
        let number = |word: &[u8; 8]| if shard.index_is_big_endian { u64::from_be_bytes(*word) } else { u64::from_le_bytes(*word) };
        let (words, _) = bytes.as_chunks::<8>();
        places.extend(words.chunks_exact(2).map(|pair| (number(&pair[0]), number(&pair[1]))));
        check(&places, &data, &shard.grid)?;
        Ok(Index { places })
    }

    /// Offset and length of an inner chunk; `None` if it was never written.
    pub fn place(&self, number: usize) -> Option<(u64, u64)> {
        self.places.get(number).copied().filter(|&place| place != (u64::MAX, u64::MAX))
    }

    fn bytes(&self) -> usize {
        self.places.len() * 16
    }
}

/// An error unless every place lies in the data, apart from the others.
fn check(places: &[(u64, u64)], data: &std::ops::Range<u64>, grid: &[usize]) -> Result<(), Fault> {
    let name = |number: usize| crate::nd::shape::show(&coordinates(number, grid));
    let is_there = |place: &(u64, u64)| *place != (u64::MAX, u64::MAX);
    let mut ordered = true;
    let mut reached = 0;
    for (number, place @ &(offset, length)) in places.iter().enumerate().filter(|(_, place)| is_there(place)) {
        let end = offset.checked_add(length).filter(|&end| offset >= data.start && end <= data.end);
        let Some(end) = end else {
            let (chunk, start, stop) = (name(number), data.start, data.end);
            return Err(format!(
                "its index puts inner chunk {chunk} at byte {offset} with {length} bytes, its data lie from {start} to {stop} ({place:?})"
            )
            .into());
        };
        ordered &= offset >= reached;
        reached = reached.max(end);
    }
    if ordered {
        return Ok(());
    }
    let mut sorted: Vec<usize> = (0..places.len()).filter(|&number| is_there(&places[number]) && places[number].1 > 0).collect();
    sorted.sort_unstable_by_key(|&number| places[number]);
    for pair in sorted.windows(2) {
        if places[pair[0]].0 + places[pair[0]].1 > places[pair[1]].0 {
            return Err(format!("its index lets inner chunks {} and {} overlap", name(pair[0]), name(pair[1])).into());
        }
    }
    Ok(())
}

/// The place in a grid of the inner chunk that has this number in C order.
pub(super) fn coordinates(mut number: usize, grid: &[usize]) -> Vec<usize> {
    let mut place = vec![0; grid.len()];
    for axis in (0..grid.len()).rev() {
        place[axis] = number % grid[axis];
        number /= grid[axis];
    }
    place
}

/// Which shard an index is of: the number of its chunk in the array, and the byte of its file at which it begins and its length.
pub(super) type Key = (usize, u64, u64);

/// Indexes that were read lately. The lock is held to look and to put, never while anything is read.
#[derive(Debug, Default)]
pub(super) struct IndexCache {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    indexes: HashMap<Key, (FileIdentity, Arc<Index>)>,
    /// Oldest first.
    order: VecDeque<Key>,
    bytes: usize,
}

/// Bytes of indexes that are kept; two of them are, however long they are.
const CACHE_BYTES: usize = 1024 * 1024;
/// What an entry takes besides its places, roughly.
const ENTRY_BYTES: usize = 128;

impl IndexCache {
    /// The index that was read of a file that has not changed since.
    pub fn get(&self, key: Key, identity: FileIdentity) -> Option<Arc<Index>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.indexes.get(&key).filter(|(then, _)| *then == identity).map(|(_, index)| Arc::clone(index))
    }

    /// Keeps an index, and lets go of the oldest ones.
    pub fn put(&self, key: Key, identity: FileIdentity, index: &Arc<Index>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, old)) = held.indexes.insert(key, (identity, Arc::clone(index))) {
            held.bytes -= old.bytes() + ENTRY_BYTES;
        } else {
            held.order.push_back(key);
        }
        held.bytes += index.bytes() + ENTRY_BYTES;
        while held.bytes > CACHE_BYTES && held.order.len() > 2 {
            let Some(oldest) = held.order.pop_front() else { return };
            if let Some((_, old)) = held.indexes.remove(&oldest) {
                held.bytes -= old.bytes() + ENTRY_BYTES;
            }
        }
    }
}
