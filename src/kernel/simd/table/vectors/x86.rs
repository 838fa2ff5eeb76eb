//! Vectors of AVX2 and AVX-512.
#![expect(unsafe_code, reason = "instructions of a set that the type stands for")]

use super::{Conversion, Vectors};
use half::{bf16, f16};
use std::arch::x86_64::*;

/// A type and the intrinsics that it computes with; what looks like closures is put into functions as it stands, since only those
/// are sure to be inlined. `$min` and `$max` say which lanes take `a`: see `operation::Minimum`.
macro_rules! vectors {
    (
        $name:ident: $bits:ty, $vector:ty, $lanes:literal, $load:ident $store:ident $splat:ident,
        $add:ident $subtract:ident $multiply:ident $divide:ident $sqrt:ident,
        |$n:ident| $negative:expr, |$p:ident| $absolute:expr, $round:ident,
        |$b:ident, $a:ident, $mask:ident| $choose:expr, |$la:ident, $lb:ident| $min:expr, |$ga:ident, $gb:ident| $max:expr
    ) => {
        pub(crate) struct $name;

        // SAFETY (of every block): the type is named by the table of its set alone, which is handed out only where the CPU has the
        // features; places are inside slices whose length is seen.
        impl Vectors for $name {
            type Bits = $bits;
            type Vector = $vector;
            const LANES: usize = $lanes;
            #[inline(always)]
            fn load(bits: &[$bits]) -> $vector {
                let bits: &[$bits; $lanes] = bits.first_chunk().expect("as many as there are lanes");
                // SAFETY: as above.
                unsafe { $load(bits.as_ptr()) }
            }
            #[inline(always)]
            fn store(out: &mut [$bits], vector: $vector) {
                let out: &mut [$bits; $lanes] = out.first_chunk_mut().expect("as many as there are lanes");
                // SAFETY: as above.
                unsafe { $store(out.as_mut_ptr(), vector) }
            }
            #[inline(always)]
            fn splat(bits: $bits) -> $vector {
                // SAFETY: as above.
                unsafe { $splat(bits) }
            }
            vectors!(@two $vector, add $add, subtract $subtract, multiply $multiply, divide $divide);
            #[inline(always)]
            fn minimum($la: $vector, $lb: $vector) -> $vector {
                let ($a, $b) = ($la, $lb);
                // SAFETY: as above.
                unsafe {
                    let $mask = $min;
                    $choose
                }
            }
            #[inline(always)]
            fn maximum($ga: $vector, $gb: $vector) -> $vector {
                let ($a, $b) = ($ga, $gb);
                // SAFETY: as above.
                unsafe {
                    let $mask = $max;
                    $choose
                }
            }
            #[inline(always)]
            fn negative($n: $vector) -> $vector {
                // SAFETY: as above.
                unsafe { $negative }
            }
            #[inline(always)]
            fn absolute($p: $vector) -> $vector {
                // SAFETY: as above.
                unsafe { $absolute }
            }
            #[inline(always)]
            fn sqrt(a: $vector) -> $vector {
                // SAFETY: as above.
                unsafe { $sqrt(a) }
            }
            vectors!(@round $vector, $round, rint 8, floor 9, ceil 10, trunc 11);
        }
    };
    (@two $vector:ty, $($name:ident $instruction:ident),*) => {$(
        #[inline(always)]
        fn $name(a: $vector, b: $vector) -> $vector {
            // SAFETY: as above.
            unsafe { $instruction(a, b) }
        }
    )*};
    // To nearest even, down, up, toward zero; without a flag for inexact results.
    (@round $vector:ty, $round:ident, $($name:ident $mode:literal),*) => {$(
        #[inline(always)]
        fn $name(a: $vector) -> $vector {
            // SAFETY: as above.
            unsafe { $round::<$mode>(a) }
        }
    )*};
}

vectors!(
    F32x8: f32, __m256, 8, _mm256_loadu_ps _mm256_storeu_ps _mm256_set1_ps,
    _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_div_ps _mm256_sqrt_ps,
    |a| _mm256_xor_ps(a, _mm256_set1_ps(-0.0)), |a| _mm256_andnot_ps(_mm256_set1_ps(-0.0), a), _mm256_round_ps,
    |b, a, mask| _mm256_blendv_ps(b, a, mask),
    |a, b| {
        let (less, nan) = (_mm256_cmp_ps::<_CMP_LT_OQ>(a, b), _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a));
        _mm256_or_ps(_mm256_or_ps(less, nan), _mm256_and_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(a, b), a))
    },
    |a, b| {
        let (greater, nan) = (_mm256_cmp_ps::<_CMP_GT_OQ>(a, b), _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a));
        _mm256_or_ps(_mm256_or_ps(greater, nan), _mm256_andnot_ps(a, _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)))
    }
);
vectors!(
    F64x4: f64, __m256d, 4, _mm256_loadu_pd _mm256_storeu_pd _mm256_set1_pd,
    _mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_div_pd _mm256_sqrt_pd,
    |a| _mm256_xor_pd(a, _mm256_set1_pd(-0.0)), |a| _mm256_andnot_pd(_mm256_set1_pd(-0.0), a), _mm256_round_pd,
    |b, a, mask| _mm256_blendv_pd(b, a, mask),
    |a, b| {
        let (less, nan) = (_mm256_cmp_pd::<_CMP_LT_OQ>(a, b), _mm256_cmp_pd::<_CMP_UNORD_Q>(a, a));
        _mm256_or_pd(_mm256_or_pd(less, nan), _mm256_and_pd(_mm256_cmp_pd::<_CMP_EQ_OQ>(a, b), a))
    },
    |a, b| {
        let (greater, nan) = (_mm256_cmp_pd::<_CMP_GT_OQ>(a, b), _mm256_cmp_pd::<_CMP_UNORD_Q>(a, a));
        _mm256_or_pd(_mm256_or_pd(greater, nan), _mm256_andnot_pd(a, _mm256_cmp_pd::<_CMP_EQ_OQ>(a, b)))
    }
);
vectors!(
    F32x16: f32, __m512, 16, _mm512_loadu_ps _mm512_storeu_ps _mm512_set1_ps,
    _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_div_ps _mm512_sqrt_ps,
    |a| _mm512_xor_ps(a, _mm512_set1_ps(-0.0)), |a| _mm512_abs_ps(a), _mm512_roundscale_ps,
    |b, a, mask| _mm512_mask_blend_ps(mask, b, a),
    |a, b| {
        let (less, nan) = (_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a));
        less | nan | (_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b) & _mm512_movepi32_mask(_mm512_castps_si512(a)))
    },
    |a, b| {
        let (greater, nan) = (_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a));
        greater | nan | (_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b) & !_mm512_movepi32_mask(_mm512_castps_si512(a)))
    }
);
vectors!(
    F64x8: f64, __m512d, 8, _mm512_loadu_pd _mm512_storeu_pd _mm512_set1_pd,
    _mm512_add_pd _mm512_sub_pd _mm512_mul_pd _mm512_div_pd _mm512_sqrt_pd,
    |a| _mm512_xor_pd(a, _mm512_set1_pd(-0.0)), |a| _mm512_abs_pd(a), _mm512_roundscale_pd,
    |b, a, mask| _mm512_mask_blend_pd(mask, b, a),
    |a, b| {
        let (less, nan) = (_mm512_cmp_pd_mask::<_CMP_LT_OQ>(a, b), _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(a, a));
        less | nan | (_mm512_cmp_pd_mask::<_CMP_EQ_OQ>(a, b) & _mm512_movepi64_mask(_mm512_castpd_si512(a)))
    },
    |a, b| {
        let (greater, nan) = (_mm512_cmp_pd_mask::<_CMP_GT_OQ>(a, b), _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(a, a));
        greater | nan | (_mm512_cmp_pd_mask::<_CMP_EQ_OQ>(a, b) & !_mm512_movepi64_mask(_mm512_castpd_si512(a)))
    }
);

/// `$name` converts `$lane` in vectors of `$wide`; each of the three is given with its intrinsics.
macro_rules! conversion {
    ($name:ident, $lane:ty, $wide:ty, $vector:ty, $lanes:literal,
        |$bits:ident| $widen:expr, |$wide_value:ident| $round:expr, |$out:ident, $rounded:ident| $narrow:expr
    ) => {
        pub(crate) struct $name;

        impl Conversion for $name {
            type Wide = $wide;
            type Lane = $lane;
            #[inline(always)]
            fn widen(bits: &[u16]) -> $vector {
                let bits: &[u16; $lanes] = bits.first_chunk().expect("as many as there are lanes");
                let $bits = bits.as_ptr();
                // SAFETY: as for the vectors above.
                unsafe { $widen }
            }
            #[inline(always)]
            fn round($wide_value: $vector) -> $vector {
                // SAFETY: as for the vectors above.
                unsafe { $round }
            }
            #[inline(always)]
            fn narrow(out: &mut [u16], $rounded: $vector) {
                let out: &mut [u16; $lanes] = out.first_chunk_mut().expect("as many as there are lanes");
                let $out = out.as_mut_ptr();
                // SAFETY: as for the vectors above.
                unsafe { $narrow }
            }
        }
    };
}

// The instructions keep the payload of a NaN that is narrowed, the portable conversion does not: mended where it is stored.
conversion!(
    Half8,
    f16,
    F32x8,
    __m256,
    8,
    |bits| _mm256_cvtph_ps(_mm_loadu_si128(bits.cast())),
    |wide| _mm256_cvtph_ps(_mm256_cvtps_ph::<0>(wide)),
    |out, wide| {
        let plain = _mm256_or_ps(_mm256_and_ps(wide, _mm256_set1_ps(-0.0)), _mm256_set1_ps(f32::NAN));
        let mended = _mm256_blendv_ps(wide, plain, _mm256_cmp_ps::<_CMP_UNORD_Q>(wide, wide));
        _mm_storeu_si128(out.cast(), _mm256_cvtps_ph::<0>(mended));
    }
);
conversion!(
    Half16,
    f16,
    F32x16,
    __m512,
    16,
    |bits| _mm512_cvtph_ps(_mm256_loadu_si256(bits.cast())),
    |wide| _mm512_cvtph_ps(_mm512_cvtps_ph::<0>(wide)),
    |out, wide| {
        let plain = _mm512_or_ps(_mm512_and_ps(wide, _mm512_set1_ps(-0.0)), _mm512_set1_ps(f32::NAN));
        let mended = _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(wide, wide), wide, plain);
        _mm256_storeu_si256(out.cast(), _mm512_cvtps_ph::<0>(mended));
    }
);
// To nearest even: half of the last place and its own bit are added before the low bits are dropped. NaNs stay NaNs.
conversion!(
    Brain8,
    bf16,
    F32x8,
    __m256,
    8,
    |bits| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(bits.cast())))),
    |wide| {
        let bits = _mm256_castps_si256(wide);
        let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
        let rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
        let nan = _mm256_or_si256(bits, _mm256_set1_epi32(0x0040_0000));
        let is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(wide, wide);
        let chosen = _mm256_blendv_ps(_mm256_castsi256_ps(rounded), _mm256_castsi256_ps(nan), is_nan);
        _mm256_and_ps(chosen, _mm256_castsi256_ps(_mm256_set1_epi32(-0x1_0000)))
    },
    |out, wide| {
        let high = _mm256_srli_epi32::<16>(_mm256_castps_si256(wide));
        let packed = _mm256_permute4x64_epi64::<0b1000>(_mm256_packus_epi32(high, high));
        _mm_storeu_si128(out.cast(), _mm256_castsi256_si128(packed));
    }
);
conversion!(
    Brain16,
    bf16,
    F32x16,
    __m512,
    16,
    |bits| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(bits.cast())))),
    |wide| {
        let bits = _mm512_castps_si512(wide);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
        let rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
        let nan = _mm512_or_si512(bits, _mm512_set1_epi32(0x0040_0000));
        let chosen = _mm512_mask_blend_epi32(_mm512_cmp_ps_mask::<_CMP_UNORD_Q>(wide, wide), rounded, nan);
        _mm512_castsi512_ps(_mm512_and_si512(chosen, _mm512_set1_epi32(-0x1_0000)))
    },
    |out, wide| {
        let high = _mm512_srli_epi32::<16>(_mm512_castps_si512(wide));
        _mm256_storeu_si256(out.cast(), _mm512_cvtepi32_epi16(high));
    }
);
