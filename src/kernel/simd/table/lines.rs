//! Stores of whole cache lines that pass the cache: what is written is not read again soon, and its lines are not fetched first.

use super::Baseline;
#[cfg(target_arch = "x86_64")]
use super::{Avx2Set, Avx512Set};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as x86;

/// Bytes of a cache line.
const LINE: usize = 64;

/// How an instruction set stores lines. What was stored so is seen by other threads after [`super::super::Fence`] only.
pub(crate) trait Lines {
    /// `out` lies on lines.
    fn store(out: &mut [[u8; LINE]], from: &[[u8; LINE]]);
}

/// Copies `from` into `out`, whole lines past the cache.
#[inline(always)]
pub(crate) fn stream<S: Lines>(out: &mut [u8], from: &[u8]) {
    let head = (out.as_ptr() as usize).wrapping_neg() % LINE;
    if cfg!(miri) || out.len() < head + LINE || out.len() != from.len() {
        return out.copy_from_slice(from);
    }
    let (out_head, out) = out.split_at_mut(head);
    let (from_head, from) = from.split_at(head);
    out_head.copy_from_slice(from_head);
    let ((lines, tail), (from_lines, from_tail)) = (out.as_chunks_mut::<LINE>(), from.as_chunks::<LINE>());
    S::store(lines, from_lines);
    tail.copy_from_slice(from_tail);
}

#[cfg(not(target_arch = "x86_64"))]
impl Lines for Baseline {
    fn store(out: &mut [[u8; LINE]], from: &[[u8; LINE]]) {
        out.copy_from_slice(from);
    }
}

#[cfg(target_arch = "x86_64")]
macro_rules! lines_by_instruction {
    ($set:ident, $vector:ty, $load:path, $store:path) => {
        #[expect(unsafe_code, reason = "instructions of a set that the type stands for")]
        impl Lines for $set {
            #[inline(always)]
            fn store(out: &mut [[u8; LINE]], from: &[[u8; LINE]]) {
                for (out, from) in out.iter_mut().zip(from) {
                    debug_assert!((out.as_ptr() as usize).is_multiple_of(LINE));
                    for at in (0..LINE).step_by(size_of::<$vector>()) {
                        // SAFETY: the set is named by its own table alone, which is handed out only where the CPU has the features;
                        // both places lie in their lines, and `stream` gives lines that are aligned.
                        unsafe { $store(out[at..].as_mut_ptr().cast(), $load(from[at..].as_ptr().cast())) };
                    }
                }
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
lines_by_instruction!(Baseline, x86::__m128i, x86::_mm_loadu_si128, x86::_mm_stream_si128);
#[cfg(target_arch = "x86_64")]
lines_by_instruction!(Avx2Set, x86::__m256i, x86::_mm256_loadu_si256, x86::_mm256_stream_si256);
#[cfg(target_arch = "x86_64")]
lines_by_instruction!(Avx512Set, x86::__m512i, x86::_mm512_loadu_si512, x86::_mm512_stream_si512);
