//! Groups of half floats to `f32` and back.
//!
//! The instructions differ from the portable conversions in NaNs alone: they keep the payload of one that is narrowed, and quiet
//! one that is widened. The first is mended here, the second shows in no result of arithmetic.

use super::Baseline;
#[cfg(target_arch = "x86_64")]
use super::{Avx2Set, Avx512Set};
use crate::kernel::chain::{Halves, narrow_portable, widen_portable};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as x86;

impl Halves for Baseline {
    #[inline(always)]
    fn widen<const N: usize>(bits: [u16; N]) -> [f32; N] {
        widen_portable(bits)
    }
    #[inline(always)]
    fn narrow<const N: usize>(wide: [f32; N]) -> [u16; N] {
        narrow_portable(wide)
    }
}

/// Every NaN becomes the one that the portable conversion gives.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn plain_nans<const N: usize>(mut wide: [f32; N]) -> [f32; N] {
    for value in &mut wide {
        let nan = f32::from_bits(0x7fc0_0000 | (value.to_bits() & 0x8000_0000));
        *value = if value.is_nan() { nan } else { *value };
    }
    wide
}

#[cfg(target_arch = "x86_64")]
/// The conversions by instructions for groups of `$lanes`; what is left over goes the portable way.
macro_rules! halves_by_instruction {
    ($set:ident, $lanes:literal, $floats:ty, $halves:ty, $widen:expr, $narrow:expr) => {
        #[expect(unsafe_code, reason = "instructions of a set that the type stands for")]
        impl Halves for $set {
            #[inline(always)]
            fn widen<const N: usize>(bits: [u16; N]) -> [f32; N] {
                if !N.is_multiple_of($lanes) {
                    return widen_portable(bits);
                }
                let mut wide = [0.0; N];
                for (wide, bits) in wide.as_chunks_mut::<$lanes>().0.iter_mut().zip(bits.as_chunks::<$lanes>().0) {
                    // SAFETY: the set is named by its own table alone, which is handed out only where the CPU has the features;
                    // arrays and vectors are of one size and plain.
                    *wide = unsafe {
                        std::mem::transmute::<$floats, [f32; $lanes]>($widen(std::mem::transmute::<[u16; $lanes], $halves>(*bits)))
                    };
                }
                wide
            }
            #[inline(always)]
            fn narrow<const N: usize>(wide: [f32; N]) -> [u16; N] {
                if !N.is_multiple_of($lanes) {
                    return narrow_portable(wide);
                }
                let wide = plain_nans(wide);
                let mut bits = [0; N];
                for (bits, wide) in bits.as_chunks_mut::<$lanes>().0.iter_mut().zip(wide.as_chunks::<$lanes>().0) {
                    // SAFETY: as above.
                    *bits = unsafe {
                        std::mem::transmute::<$halves, [u16; $lanes]>($narrow(std::mem::transmute::<[f32; $lanes], $floats>(*wide)))
                    };
                }
                bits
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
halves_by_instruction!(Avx2Set, 8, x86::__m256, x86::__m128i, x86::_mm256_cvtph_ps, x86::_mm256_cvtps_ph::<0>);
#[cfg(target_arch = "x86_64")]
halves_by_instruction!(Avx512Set, 16, x86::__m512, x86::__m256i, x86::_mm512_cvtph_ps, x86::_mm512_cvtps_ph::<0>);
