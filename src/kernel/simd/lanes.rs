//! The vectors of the instruction sets, for the functions of [`crate::kernel::math`].
//!
//! The types are named by the table of their own set alone ([`super::table`]), which is handed out only where the CPU has it.
#![expect(unsafe_code, reason = "instructions of a set that the types stand for")]

use crate::kernel::math::Real;
use std::{
    arch::x86_64::*,
    mem::transmute,
    ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Sub},
};

/// Eight `f64` of AVX-512.
#[derive(Clone, Copy)]
pub(crate) struct Wide8(__m512d);
/// Sixteen `f32` of AVX-512.
#[derive(Clone, Copy)]
pub(crate) struct Wide16(__m512);
/// Four `f64` of AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Wide4(__m256d);
/// Eight `f32` of AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Narrow8(__m256);
/// A condition for each lane of a [`Wide4`].
#[derive(Clone, Copy)]
pub(crate) struct Mask4(__m256d);
/// A condition for each lane of a [`Narrow8`].
#[derive(Clone, Copy)]
pub(crate) struct Mask8(__m256);

/// Expressions of intrinsics: what they need is in the set that the type stands for.
macro_rules! set {
    ($e:expr) => {{
        // SAFETY: the type is named by the table of its own set alone, which is handed out only where the CPU has the features;
        // arrays and vectors of one size are plain bytes; places of a table are within it.
        #[allow(unused_unsafe, reason = "some expressions hold no more than safe calls")]
        unsafe {
            $e
        }
    }};
}

macro_rules! operators {
    ($t:ident, $($trait:ident $method:ident $f:ident),*) => {$(
        impl $trait for $t {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(set!($f(self.0, other.0)))
            }
        }
    )*};
}
operators!(Wide8, Add add _mm512_add_pd, Sub sub _mm512_sub_pd, Mul mul _mm512_mul_pd, Div div _mm512_div_pd);
operators!(Wide16, Add add _mm512_add_ps, Sub sub _mm512_sub_ps, Mul mul _mm512_mul_ps, Div div _mm512_div_ps);
operators!(Wide4, Add add _mm256_add_pd, Sub sub _mm256_sub_pd, Mul mul _mm256_mul_pd, Div div _mm256_div_pd);
operators!(Narrow8, Add add _mm256_add_ps, Sub sub _mm256_sub_ps, Mul mul _mm256_mul_ps, Div div _mm256_div_ps);
operators!(Mask4, BitAnd bitand _mm256_and_pd, BitOr bitor _mm256_or_pd);
operators!(Mask8, BitAnd bitand _mm256_and_ps, BitOr bitor _mm256_or_ps);

/// What the sets do alike; names of intrinsics differ.
macro_rules! real {
    ($t:ident($raw:ty, $integers:ty) $scalar:ty, $bits:ty, $signed:ty, $lanes:literal, $mask:ty;
     $set1:ident $seti:ident $fma:ident $sqrt:ident $min:ident $max:ident
     $and:ident $or:ident $xor:ident $add:ident $sub:ident $left:ident $right:ident;
     $($rest:item)*) => {
        impl Neg for $t {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                self.bit_xor(Self::of(-0.0))
            }
        }
        impl $t {
            #[inline(always)]
            fn integers(self) -> $integers {
                set!(transmute::<$raw, $integers>(self.0))
            }
            #[inline(always)]
            fn from_integers(integers: $integers) -> Self {
                Self(set!(transmute::<$integers, $raw>(integers)))
            }
        }
        impl Real for $t {
            type Scalar = $scalar;
            type Bits = $bits;
            type Mask = $mask;
            const LANES: usize = $lanes;
            #[inline(always)]
            fn of(value: $scalar) -> Self {
                Self(set!($set1(value)))
            }
            #[inline(always)]
            fn of_bits(bits: $bits) -> Self {
                Self::of(<$scalar>::from_bits(bits))
            }
            #[inline(always)]
            fn load(from: &[$scalar]) -> Self {
                let mut lanes = [0.0; $lanes];
                lanes.copy_from_slice(&from[..$lanes]);
                Self(set!(transmute::<[$scalar; $lanes], $raw>(lanes)))
            }
            #[inline(always)]
            fn store(self, to: &mut [$scalar]) {
                to[..$lanes].copy_from_slice(&set!(transmute::<$raw, [$scalar; $lanes]>(self.0)));
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                Self(set!($fma(self.0, a.0, b.0)))
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                Self(set!($sqrt(self.0)))
            }
            #[inline(always)]
            fn abs(self) -> Self {
                self.bit_and(Self::of_bits(<$bits>::MAX >> 1))
            }
            #[inline(always)]
            fn at_most(self, limit: Self) -> Self {
                // The instruction gives its second operand where one is NaN.
                Self(set!($min(limit.0, self.0)))
            }
            #[inline(always)]
            fn at_least(self, limit: Self) -> Self {
                Self(set!($max(limit.0, self.0)))
            }
            #[inline(always)]
            fn bit_and(self, other: Self) -> Self {
                Self::from_integers(set!($and(self.integers(), other.integers())))
            }
            #[inline(always)]
            fn bit_or(self, other: Self) -> Self {
                Self::from_integers(set!($or(self.integers(), other.integers())))
            }
            #[inline(always)]
            fn bit_xor(self, other: Self) -> Self {
                Self::from_integers(set!($xor(self.integers(), other.integers())))
            }
            #[inline(always)]
            fn bits_add(self, other: Self) -> Self {
                Self::from_integers(set!($add(self.integers(), other.integers())))
            }
            #[inline(always)]
            fn bits_subtract(self, other: Self) -> Self {
                Self::from_integers(set!($sub(self.integers(), other.integers())))
            }
            #[inline(always)]
            fn bits_left(self, count: u32) -> Self {
                Self::from_integers(set!($left(self.integers(), $seti(count as $signed))))
            }
            #[inline(always)]
            fn bits_right(self, count: u32) -> Self {
                Self::from_integers(set!($right(self.integers(), $seti(count as $signed))))
            }
            $($rest)*
        }
    };
}

real!(Wide8(__m512d, __m512i) f64, u64, i64, 8, __mmask8;
    _mm512_set1_pd _mm512_set1_epi64 _mm512_fmadd_pd _mm512_sqrt_pd _mm512_min_pd _mm512_max_pd
    _mm512_and_si512 _mm512_or_si512 _mm512_xor_si512 _mm512_add_epi64 _mm512_sub_epi64 _mm512_sllv_epi64 _mm512_srlv_epi64;
    #[inline(always)]
    fn is_less(self, other: Self) -> __mmask8 {
        set!(_mm512_cmp_pd_mask::<_CMP_LT_OQ>(self.0, other.0))
    }
    #[inline(always)]
    fn is_equal(self, other: Self) -> __mmask8 {
        set!(_mm512_cmp_pd_mask::<_CMP_EQ_OQ>(self.0, other.0))
    }
    #[inline(always)]
    fn is_at_most(self, other: Self) -> __mmask8 {
        set!(_mm512_cmp_pd_mask::<_CMP_LE_OQ>(self.0, other.0))
    }
    #[inline(always)]
    fn select(condition: __mmask8, yes: Self, no: Self) -> Self {
        Self(set!(_mm512_mask_blend_pd(condition, no.0, yes.0)))
    }
    #[inline(always)]
    fn lookup<const N: usize>(self, table: &'static [f64; N]) -> Self {
        const { assert!(N == 8 || N == 16) }
        let (low, high) = (Self::load(&table[..8]), Self::load(&table[N - 8..]));
        Self(if N == 8 {
            set!(_mm512_permutexvar_pd(self.integers(), low.0))
        } else {
            set!(_mm512_permutex2var_pd(low.0, self.integers(), high.0))
        })
    }
    #[inline(always)]
    fn has_bit(self, bit: u64) -> __mmask8 {
        set!(_mm512_test_epi64_mask(self.integers(), _mm512_set1_epi64(bit as i64)))
    }
    #[inline(always)]
    fn any(condition: __mmask8) -> bool {
        condition != 0
    }
    #[inline(always)]
    fn all(condition: __mmask8) -> bool {
        condition == __mmask8::MAX
    }
    #[inline(always)]
    fn exponent(self) -> Self {
        Self(set!(_mm512_getexp_pd(self.0)))
    }
    #[inline(always)]
    fn mantissa(self) -> Self {
        Self(set!(_mm512_getmant_pd::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_ZERO>(self.0)))
    }
    #[inline(always)]
    fn balanced(self) -> (Self, Self) {
        let mantissa = Self(set!(_mm512_getmant_pd::<_MM_MANT_NORM_P75_1P5, _MM_MANT_SIGN_ZERO>(self.0)));
        let exponent = self.exponent();
        (mantissa, Self::select(mantissa.is_less(Self::of(1.0)), exponent + Self::of(1.0), exponent))
    }
    #[inline(always)]
    fn scale(self, k: Self) -> Self {
        Self(set!(_mm512_scalef_pd(self.0, k.0)))
    }
    #[inline(always)]
    fn or_special_logarithm(self, x: Self) -> Self {
        Self(set!(_mm512_fixupimm_pd::<0>(self.0, x.0, _mm512_set1_epi64(LOGARITHM_FIXUP as i64))))
    }
    #[inline(always)]
    fn or_special_argument(self, x: Self) -> Self {
        Self(set!(_mm512_fixupimm_pd::<0>(self.0, x.0, _mm512_set1_epi64(ARGUMENT_FIXUP as i64))))
    }
);

real!(Wide16(__m512, __m512i) f32, u32, i32, 16, __mmask16;
    _mm512_set1_ps _mm512_set1_epi32 _mm512_fmadd_ps _mm512_sqrt_ps _mm512_min_ps _mm512_max_ps
    _mm512_and_si512 _mm512_or_si512 _mm512_xor_si512 _mm512_add_epi32 _mm512_sub_epi32 _mm512_sllv_epi32 _mm512_srlv_epi32;
    #[inline(always)]
    fn is_less(self, other: Self) -> __mmask16 {
        set!(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0))
    }
    #[inline(always)]
    fn is_equal(self, other: Self) -> __mmask16 {
        set!(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, other.0))
    }
    #[inline(always)]
    fn is_at_most(self, other: Self) -> __mmask16 {
        set!(_mm512_cmp_ps_mask::<_CMP_LE_OQ>(self.0, other.0))
    }
    #[inline(always)]
    fn select(condition: __mmask16, yes: Self, no: Self) -> Self {
        Self(set!(_mm512_mask_blend_ps(condition, no.0, yes.0)))
    }
    #[inline(always)]
    fn lookup<const N: usize>(self, table: &'static [f32; N]) -> Self {
        const { assert!(N == 16 || N == 32) }
        let (low, high) = (Self::load(&table[..16]), Self::load(&table[N - 16..]));
        Self(if N == 16 {
            set!(_mm512_permutexvar_ps(self.integers(), low.0))
        } else {
            set!(_mm512_permutex2var_ps(low.0, self.integers(), high.0))
        })
    }
    #[inline(always)]
    fn has_bit(self, bit: u32) -> __mmask16 {
        set!(_mm512_test_epi32_mask(self.integers(), _mm512_set1_epi32(bit as i32)))
    }
    #[inline(always)]
    fn any(condition: __mmask16) -> bool {
        condition != 0
    }
    #[inline(always)]
    fn all(condition: __mmask16) -> bool {
        condition == __mmask16::MAX
    }
    #[inline(always)]
    fn exponent(self) -> Self {
        Self(set!(_mm512_getexp_ps(self.0)))
    }
    #[inline(always)]
    fn mantissa(self) -> Self {
        Self(set!(_mm512_getmant_ps::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_ZERO>(self.0)))
    }
    #[inline(always)]
    fn balanced(self) -> (Self, Self) {
        let mantissa = Self(set!(_mm512_getmant_ps::<_MM_MANT_NORM_P75_1P5, _MM_MANT_SIGN_ZERO>(self.0)));
        let exponent = self.exponent();
        (mantissa, Self::select(mantissa.is_less(Self::of(1.0)), exponent + Self::of(1.0), exponent))
    }
    #[inline(always)]
    fn scale(self, k: Self) -> Self {
        Self(set!(_mm512_scalef_ps(self.0, k.0)))
    }
    #[inline(always)]
    fn or_special_logarithm(self, x: Self) -> Self {
        Self(set!(_mm512_fixupimm_ps::<0>(self.0, x.0, _mm512_set1_epi32(LOGARITHM_FIXUP))))
    }
    #[inline(always)]
    fn or_special_argument(self, x: Self) -> Self {
        Self(set!(_mm512_fixupimm_ps::<0>(self.0, x.0, _mm512_set1_epi32(ARGUMENT_FIXUP))))
    }
);

real!(Wide4(__m256d, __m256i) f64, u64, i64, 4, Mask4;
    _mm256_set1_pd _mm256_set1_epi64x _mm256_fmadd_pd _mm256_sqrt_pd _mm256_min_pd _mm256_max_pd
    _mm256_and_si256 _mm256_or_si256 _mm256_xor_si256 _mm256_add_epi64 _mm256_sub_epi64 _mm256_sllv_epi64 _mm256_srlv_epi64;
    #[inline(always)]
    fn is_less(self, other: Self) -> Mask4 {
        Mask4(set!(_mm256_cmp_pd::<_CMP_LT_OQ>(self.0, other.0)))
    }
    #[inline(always)]
    fn is_equal(self, other: Self) -> Mask4 {
        Mask4(set!(_mm256_cmp_pd::<_CMP_EQ_OQ>(self.0, other.0)))
    }
    #[inline(always)]
    fn is_at_most(self, other: Self) -> Mask4 {
        Mask4(set!(_mm256_cmp_pd::<_CMP_LE_OQ>(self.0, other.0)))
    }
    #[inline(always)]
    fn has_bit(self, bit: u64) -> Mask4 {
        set!(Mask4(_mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_and_si256(self.integers(), _mm256_set1_epi64x(bit as i64)), _mm256_set1_epi64x(bit as i64)))))
    }
    #[inline(always)]
    fn any(condition: Mask4) -> bool {
        set!(_mm256_movemask_pd(condition.0)) != 0
    }
    #[inline(always)]
    fn all(condition: Mask4) -> bool {
        set!(_mm256_movemask_pd(condition.0)) == 0xf
    }
    #[inline(always)]
    fn select(condition: Mask4, yes: Self, no: Self) -> Self {
        Self(set!(_mm256_blendv_pd(no.0, yes.0, condition.0)))
    }
    #[inline(always)]
    fn lookup<const N: usize>(self, table: &'static [f64; N]) -> Self {
        let places = self.bit_and(Self::of_bits(N as u64 - 1)).integers();
        Self(set!(_mm256_i64gather_pd::<8>(table.as_ptr(), places)))
    }
);

real!(Narrow8(__m256, __m256i) f32, u32, i32, 8, Mask8;
    _mm256_set1_ps _mm256_set1_epi32 _mm256_fmadd_ps _mm256_sqrt_ps _mm256_min_ps _mm256_max_ps
    _mm256_and_si256 _mm256_or_si256 _mm256_xor_si256 _mm256_add_epi32 _mm256_sub_epi32 _mm256_sllv_epi32 _mm256_srlv_epi32;
    #[inline(always)]
    fn is_less(self, other: Self) -> Mask8 {
        Mask8(set!(_mm256_cmp_ps::<_CMP_LT_OQ>(self.0, other.0)))
    }
    #[inline(always)]
    fn is_equal(self, other: Self) -> Mask8 {
        Mask8(set!(_mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, other.0)))
    }
    #[inline(always)]
    fn is_at_most(self, other: Self) -> Mask8 {
        Mask8(set!(_mm256_cmp_ps::<_CMP_LE_OQ>(self.0, other.0)))
    }
    #[inline(always)]
    fn has_bit(self, bit: u32) -> Mask8 {
        set!(Mask8(_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(self.integers(), _mm256_set1_epi32(bit as i32)), _mm256_set1_epi32(bit as i32)))))
    }
    #[inline(always)]
    fn any(condition: Mask8) -> bool {
        set!(_mm256_movemask_ps(condition.0)) != 0
    }
    #[inline(always)]
    fn all(condition: Mask8) -> bool {
        set!(_mm256_movemask_ps(condition.0)) == 0xff
    }
    #[inline(always)]
    fn select(condition: Mask8, yes: Self, no: Self) -> Self {
        Self(set!(_mm256_blendv_ps(no.0, yes.0, condition.0)))
    }
    #[inline(always)]
    fn lookup<const N: usize>(self, table: &'static [f32; N]) -> Self {
        const { assert!(N == 16 || N == 32) }
        let places = self.integers();
        let eight = |start: usize| Self(set!(_mm256_permutevar8x32_ps(Self::load(&table[start..]).0, places)));
        // The sign of a condition counts alone.
        let second = |start: usize| Self::select(Mask8(self.bits_left(28).0), eight(start + 8), eight(start));
        if N == 16 { second(0) } else { Self::select(Mask8(self.bits_left(27).0), second(N - 16), second(0)) }
    }
);

/// The response of `fixupimm` for a logarithm: NaN of a NaN, -inf of zero, NaN of what is negative, +inf of +inf; one keeps.
const LOGARITHM_FIXUP: i32 = 0x0353_0422;
/// The argument of NaN, zero and infinities; others keep.
const ARGUMENT_FIXUP: i32 = 0x0011_0111;

/// Half floats to `f32` and back. The instructions keep what a NaN carries when it is narrowed; here it becomes the one that the
/// portable conversion gives.
macro_rules! halves {
    ($t:ident $raw:ty, $halves:ty, $lanes:literal $widen:expr, $narrow:expr) => {
        impl $t {
            #[inline(always)]
            pub(crate) fn widened(bits: [u16; $lanes]) -> [f32; $lanes] {
                set!(transmute::<$raw, [f32; $lanes]>($widen(transmute::<[u16; $lanes], $halves>(bits))))
            }
            #[inline(always)]
            pub(crate) fn narrowed(wide: [f32; $lanes]) -> [u16; $lanes] {
                let wide = Self::load(&wide);
                let nan = wide.bit_and(Self::of(-0.0)).bit_or(Self::of_bits(0x7fc0_0000));
                let plain = Self::select(wide.is_equal(wide), wide, nan);
                set!(transmute::<$halves, [u16; $lanes]>($narrow(plain.0)))
            }
        }
    };
}
halves!(Wide16 __m512, __m256i, 16 _mm512_cvtph_ps, _mm512_cvtps_ph::<0>);
halves!(Narrow8 __m256, __m128i, 8 _mm256_cvtph_ps, _mm256_cvtps_ph::<0>);
