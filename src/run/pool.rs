//! Aligned buffers, reused between the runs of a stage and given back to the system at its end.

use super::budget::{Budget, Purpose, Reservation};
use crate::error::{Error, Result};
use memmap2::MmapMut;
use std::sync::{Arc, Mutex, PoisonError};

/// Alignment of every buffer: a cache line, the widest vector register.
const ALIGNMENT_BYTES: usize = 64;
/// From this size on a buffer is its own mapping, so that freeing it gives the pages back at once whatever the allocator keeps.
const MAPPING_BYTES_MIN: usize = 256 * 1024;
/// Size of a huge page, and the alignment of buffers that hold at least two of them.
const HUGE_PAGE_BYTES: usize = 2 * 1024 * 1024;

#[derive(Debug)]
enum Memory {
    Heap(Vec<u8>),
    Mapping(MmapMut),
}

/// Aligned bytes with the reservation that pays for them.
#[derive(Debug)]
pub(super) struct Buffer {
    memory: Memory,
    offset: usize,
    length: usize,
    _reservation: Reservation,
}

impl Buffer {
    /// Zeroed bytes.
    pub fn new(budget: &Arc<Budget>, purpose: Purpose, bytes: u64) -> Result<Self> {
        let reservation = budget.reserve(purpose, bytes)?;
        let length = usize::try_from(bytes).map_err(|_| Error::refused(format!("a buffer of {bytes} bytes cannot be addressed")))?;
        if length >= MAPPING_BYTES_MIN {
            return Self::mapped(length, reservation);
        }
        let memory = vec![0u8; length + ALIGNMENT_BYTES - 1];
        let offset = padding(&memory, ALIGNMENT_BYTES);
        Ok(Buffer { memory: Memory::Heap(memory), offset, length, _reservation: reservation })
    }

    fn mapped(length: usize, reservation: Reservation) -> Result<Self> {
        let huge = length >= 2 * HUGE_PAGE_BYTES;
        // The padding is address space only: its pages are never touched.
        let mapping_bytes = if huge { length + HUGE_PAGE_BYTES } else { length };
        let memory =
            MmapMut::map_anon(mapping_bytes).map_err(|error| Error::io("allocate", format_args!("a buffer of {length} bytes"), error))?;
        let offset = if huge { padding(&memory, HUGE_PAGE_BYTES) } else { 0 };
        #[cfg(target_os = "linux")]
        if huge {
            // Whole huge pages only: a huge page that holds the tail would make more resident than is reserved.
            let whole = length / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
            // Advice: without it everything works, with more page faults.
            let _ = memory.advise_range(memmap2::Advice::HugePage, offset, whole);
        }
        Ok(Buffer { memory: Memory::Mapping(memory), offset, length, _reservation: reservation })
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        let all: &[u8] = match &self.memory {
            Memory::Heap(memory) => memory,
            Memory::Mapping(memory) => memory,
        };
        &all[self.offset..self.offset + self.length]
    }

    /// The bytes, to be overwritten.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let all: &mut [u8] = match &mut self.memory {
            Memory::Heap(memory) => memory,
            Memory::Mapping(memory) => memory,
        };
        &mut all[self.offset..self.offset + self.length]
    }
}

/// Bytes to skip until the next multiple of `alignment`.
fn padding(memory: &[u8], alignment: usize) -> usize {
    memory.as_ptr().addr().next_multiple_of(alignment) - memory.as_ptr().addr()
}

/// The idle buffers of a stage: one class per read and per write, all buffers of a class equally long.
///
/// A class never holds more buffers than were ever in use at once, which the number of runs in flight bounds.
#[derive(Debug)]
pub(super) struct Pool {
    budget: Arc<Budget>,
    classes: Vec<Class>,
}

#[derive(Debug)]
struct Class {
    purpose: Purpose,
    bytes: u64,
    idle: Mutex<Vec<Buffer>>,
}

impl Pool {
    /// A pool whose class `k` hands out buffers of `classes[k]`.
    pub fn new(budget: &Arc<Budget>, classes: impl IntoIterator<Item = (Purpose, u64)>) -> Self {
        let classes = classes.into_iter().map(|(purpose, bytes)| Class { purpose, bytes, idle: Mutex::default() }).collect();
        Pool { budget: Arc::clone(budget), classes }
    }

    /// An idle buffer of the class, or a new one. Its content is undefined.
    pub fn take(&self, class: usize) -> Result<Buffer> {
        let class = &self.classes[class];
        let idle = class.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| Buffer::new(&self.budget, class.purpose, class.bytes), Ok)
    }

    /// Keeps a buffer for the next run.
    pub fn give(&self, class: usize, buffer: Buffer) {
        self.classes[class].idle.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_zeroed_and_reused() {
        let budget = Budget::new();
        budget.limit_to(u64::MAX);
        for bytes in [0, 1, 63, 64, 65, 300_000, 5 << 20] {
            let pool = Pool::new(&budget, [(Purpose::ReadBuffers, bytes)]);
            let mut buffer = pool.take(0).unwrap();
            assert_eq!(buffer.bytes().len() as u64, bytes);
            assert_eq!(buffer.bytes().as_ptr().addr() % if bytes >= 4 << 20 { HUGE_PAGE_BYTES } else { 64 }, 0);
            assert!(buffer.bytes().iter().all(|&byte| byte == 0));
            buffer.bytes_mut().fill(7);
            let place = buffer.bytes().as_ptr().addr();
            pool.give(0, buffer);
            assert_eq!(pool.take(0).unwrap().bytes().as_ptr().addr(), place);
            drop(pool);
            assert_eq!(budget.bytes_held(), 0);
        }
    }
}
