//! Asking for memory before it is needed.
//!
//! A tile program touches memory in bursts: the first instruction of a tile reads it, the others compute, and the memory
//! idles while they do. Asking for a few lines of the next tile after each instruction keeps it busy. Few, because a
//! core has about two dozen requests under way at most, and one more waits for a place.

/// Bytes of a cache line.
const LINE_BYTES: usize = 64;
/// Bytes asked for at a time.
pub(crate) const PREFETCH_BYTES: usize = 32 * LINE_BYTES;

/// Asks for every cache line of `bytes`. A hint: it changes nothing but when the memory arrives.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[expect(unsafe_code, reason = "the prefetch instruction takes a pointer")]
#[inline]
pub(crate) fn prefetch(bytes: &[u8]) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    for line in bytes.chunks(LINE_BYTES) {
        // SAFETY: the pointer comes from a slice, and a prefetch neither reads nor writes what it points to.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
}

/// Nothing to ask here.
#[cfg(not(all(target_arch = "x86_64", not(miri))))]
pub(crate) fn prefetch(_: &[u8]) {}
