//! A vector that several threads fill at once, each a part of its own, which it may write in place.
//!
//! A part is lent to one thread at a time: [`Filling`] keeps a list of what is lent and refuses what overlaps. The vector is
//! handed out when nothing is lent any more.
#![expect(unsafe_code, reason = "parts of one vector, written by several threads")]

use crate::{
    error::{Error, Result},
    nd::Element,
};
use std::{
    any::Any,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// From this size on a result asks for huge pages: a page fault for every 4 KiB takes longer than what is written there.
const HUGE_BYTES_MIN: usize = 4 << 20;
/// Size of a huge page.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// A `Vec` of elements of a dtype that is known at run time.
pub(super) trait Elements: Send {
    /// Where its bytes begin; they stay there until the vector is dropped or grows.
    fn pointer(&mut self) -> *mut u8;
    /// The vector itself.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<T: Element> Elements for Vec<T> {
    fn pointer(&mut self) -> *mut u8 {
        self.as_mut_ptr().cast()
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

/// See the module.
pub(super) struct Filling {
    pointer: *mut u8,
    bytes: usize,
    ledger: Mutex<Ledger>,
}

struct Ledger {
    /// `None` once the vector was handed out.
    elements: Option<Box<dyn Elements>>,
    lent: Vec<Range<usize>>,
    written: usize,
}

// SAFETY: the pointer is used for parts that are lent, which do not overlap; everything else is behind the mutex.
unsafe impl Send for Filling {}
// SAFETY: as above.
unsafe impl Sync for Filling {}

impl Filling {
    /// `elements`, of any dtype but `bool`, whose bytes are not all valid, unless who fills it writes 0 and 1 alone.
    pub fn new<T: Element>(elements: Vec<T>) -> Arc<Filling> {
        let bytes = size_of_val(&elements[..]);
        let mut elements: Box<dyn Elements> = Box::new(elements);
        let pointer = elements.pointer();
        ask_for_huge_pages(pointer, bytes);
        Arc::new(Filling { pointer, bytes, ledger: Mutex::new(Ledger { elements: Some(elements), lent: Vec::new(), written: 0 }) })
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        // Nothing that can panic runs under the lock.
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends the bytes in `range`, which nobody else has.
    pub fn lend(self: &Arc<Self>, range: Range<usize>) -> Result<Lent> {
        let mut ledger = self.lock();
        if ledger.elements.is_none() {
            return Err(Error::internal("a write to an array in memory that was handed out"));
        }
        let overlaps = |other: &Range<usize>| other.start < range.end && range.start < other.end;
        if range.start > range.end || range.end > self.bytes || ledger.lent.iter().any(overlaps) {
            return Err(Error::internal(format!("bytes {range:?} of {} of an array in memory are lent twice, or not there", self.bytes)));
        }
        ledger.lent.push(range.clone());
        Ok(Lent { of: Arc::clone(self), range })
    }

    /// Bytes that were given back as written.
    pub fn written(&self) -> usize {
        self.lock().written
    }

    /// The vector. An error if it was taken before, or parts of it are lent.
    pub fn take(&self) -> Result<Box<dyn Any>> {
        let mut ledger = self.lock();
        if !ledger.lent.is_empty() {
            return Err(Error::internal("an array in memory was taken while it was being written"));
        }
        let elements = ledger.elements.take().ok_or_else(|| Error::internal("an array in memory was taken twice"))?;
        Ok(elements.into_any())
    }
}

/// Part of an array in memory, to be written in place. Dropping it gives it back unwritten.
pub struct Lent {
    of: Arc<Filling>,
    range: Range<usize>,
}

impl Lent {
    /// The bytes: whatever was written before, or zeros.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `Filling::lend` saw that the range lies in the vector and overlaps no other that is lent; while this is lent the
        // vector is not handed out, and `of` keeps it alive. Its bytes were initialised when it was made, and are bytes.
        unsafe { std::slice::from_raw_parts_mut(self.of.pointer.add(self.range.start), self.range.len()) }
    }

    /// Gives it back, written.
    pub fn finish(self) {
        self.of.lock().written += self.range.len();
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut ledger = self.of.lock();
        if let Some(place) = ledger.lent.iter().position(|lent| *lent == self.range) {
            ledger.lent.swap_remove(place);
        }
    }
}

/// Whole huge pages only: one that holds the ends would make more resident than there is.
#[cfg(all(target_os = "linux", not(miri)))]
fn ask_for_huge_pages(pointer: *mut u8, bytes: usize) {
    if bytes < HUGE_BYTES_MIN {
        return;
    }
    let skipped = pointer.addr().next_multiple_of(HUGE_PAGE_BYTES) - pointer.addr();
    let whole = (bytes - skipped) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    // SAFETY: the range lies in one allocation of ours, and the advice changes nothing but the size of its pages. Whether it is
    // taken does not matter.
    let _ = unsafe { rustix::mm::madvise(pointer.add(skipped).cast(), whole, rustix::mm::Advice::LinuxHugepage) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn ask_for_huge_pages(_pointer: *mut u8, _bytes: usize) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_lent_once_and_threads_fill_their_own() {
        let filling = Filling::new(vec![0u16; 100]);
        let part = filling.lend(20..40).unwrap();
        for range in [0..21, 39..50, 25..30, 20..40, 150..201] {
            assert!(filling.lend(range).is_err());
        }
        assert!(filling.lend(40..40).is_ok() && filling.take().is_err());
        drop(part);
        assert!(filling.written() == 0 && filling.lend(0..200).is_ok());
        std::thread::scope(|scope| {
            for index in 0..10 {
                let mut part = filling.lend(index * 20..(index + 1) * 20).unwrap();
                scope.spawn(move || {
                    part.bytes_mut().fill(index as u8);
                    part.finish();
                });
            }
        });
        assert_eq!(filling.written(), 200);
        let taken = filling.take().unwrap().downcast::<Vec<u16>>().unwrap();
        assert!(taken.iter().enumerate().all(|(index, &value)| value == 0x101 * (index / 10) as u16));
        assert!(filling.take().is_err() && filling.lend(0..1).is_err());
    }

    #[test]
    #[cfg_attr(miri, ignore = "megabytes, byte by byte")]
    fn a_large_vector_is_filled_to_its_ends() {
        let filling = Filling::new(vec![0u8; HUGE_BYTES_MIN + 5]);
        filling.lend(0..HUGE_BYTES_MIN + 5).unwrap().bytes_mut().fill(3);
        assert!(filling.take().unwrap().downcast::<Vec<u8>>().unwrap().iter().all(|&byte| byte == 3));
    }
}
