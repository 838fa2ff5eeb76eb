//! Bytes of objects that were read ahead: a little for each object, and not much for all of them together.

use super::{GAP_BYTES_MAX, HELD_BYTES_MAX};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// Bytes that are read ahead where nothing was read near by.
const AHEAD_BYTES_MIN: u64 = 64 << 10;
/// Bytes that all objects keep together, besides those that are pinned.
const ALL_BYTES_MAX: u64 = 4 * HELD_BYTES_MAX;

/// Pieces that objects keep, oldest first. Some may be gone already.
static KEPT: Mutex<Kept> = Mutex::new(Kept { pieces: VecDeque::new(), bytes: 0 });

struct Kept {
    pieces: VecDeque<(Weak<Ahead>, u64, u64)>,
    bytes: u64,
}

/// How long bytes stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// As long as the object is open: who opened it counts them.
    Pinned,
    WhileThereIsRoom,
}

/// What an object keeps.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    held: Mutex<VecDeque<Held>>,
}

#[derive(Clone, Debug)]
struct Held {
    start: u64,
    bytes: Arc<Vec<u8>>,
}

impl Held {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl Ahead {
    /// Where a read from `offset` of so many bytes should end.
    pub fn end_of(&self, offset: u64, length: u64) -> u64 {
        // One read after the other, with gaps: the gaps are read along.
        let near = lock(&self.held).iter().any(|held| offset >= held.start && offset <= held.end().saturating_add(GAP_BYTES_MAX));
        let ahead = if near { GAP_BYTES_MAX } else { AHEAD_BYTES_MIN };
        offset.saturating_add(ahead.max(length))
    }

    /// Fills `out` with the bytes from `offset`, if they are here.
    pub fn copy(&self, offset: u64, out: &mut [u8]) -> bool {
        let end = offset.saturating_add(out.len() as u64);
        let found = lock(&self.held).iter().find(|held| offset >= held.start && end <= held.end()).cloned();
        let Some(Held { start, bytes }) = found else { return false };
        out.copy_from_slice(&bytes[(offset - start) as usize..][..out.len()]);
        true
    }

    /// Keeps bytes, in the place of older ones.
    pub fn put(self: &Arc<Self>, start: u64, bytes: Vec<u8>, keep: Keep) {
        let length = bytes.len() as u64;
        {
            let mut held = lock(&self.held);
            held.push_back(Held { start, bytes: Arc::new(bytes) });
            while held.len() > 1 && held.iter().map(|held| held.bytes.len() as u64).sum::<u64>() > HELD_BYTES_MAX {
                held.pop_front();
            }
        }
        if keep == Keep::Pinned {
            return;
        }
        let mut kept = lock(&KEPT);
        kept.pieces.push_back((Arc::downgrade(self), start, length));
        kept.bytes += length;
        while kept.bytes > ALL_BYTES_MAX
            && let Some((object, start, length)) = kept.pieces.pop_front()
        {
            kept.bytes -= length;
            if let Some(object) = object.upgrade() {
                lock(&object.held).retain(|held| held.start != start);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_objects_keep_little_together() {
        let objects: Vec<Arc<Ahead>> = (0..64).map(|_| Arc::default()).collect();
        for object in &objects {
            object.put(5, vec![7; 1 << 20], Keep::WhileThereIsRoom);
        }
        let held = |object: &Arc<Ahead>| lock(&object.held).iter().map(|held| held.bytes.len() as u64).sum::<u64>();
        assert!(objects.iter().map(held).sum::<u64>() <= ALL_BYTES_MAX);
        let mut out = [0; 3];
        assert!(objects[63].copy(9, &mut out) && out == [7; 3] && !objects[0].copy(9, &mut out));
        assert!(!objects[63].copy(4, &mut out) && !objects[63].copy(3 + (1 << 20), &mut out));
        // What follows is read with the gap; what lies elsewhere with a little.
        assert_eq!(objects[63].end_of(2 << 20, 10), 3 << 20);
        assert_eq!(objects[63].end_of(9 << 20, 10), (9 << 20) + AHEAD_BYTES_MIN);
        // What is pinned stays.
        objects[0].put(0, vec![1; 10], Keep::Pinned);
        for object in &objects[1..] {
            object.put(5, vec![7; 1 << 20], Keep::WhileThereIsRoom);
        }
        assert!(objects[0].copy(0, &mut out) && out == [1; 3]);
    }
}
