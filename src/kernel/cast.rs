//! Conversions between dtypes, one element at a time.
//!
//! To a narrower float: one rounding to nearest even. Integer to integer: modulo 2^bits. To `bool`: not zero.
//! Float to integer: truncated toward zero; what is outside the range is a fault, the nearest value, or wraps.

use crate::kernel::lane::{self, Lane};
use half::{bf16, f16};

/// A conversion from elements of `A` to elements of `B`.
pub(crate) trait Convert<A: Lane, B: Lane> {
    /// Whether [`Convert::fits`] can be false.
    const CHECKED: bool = false;
    fn convert(value: A::Wide) -> B::Wide;
    /// The same for values that fit; anything for others.
    #[inline(always)]
    fn convert_fitting(value: A::Wide) -> B::Wide {
        Self::convert(value)
    }
    #[inline(always)]
    fn fits(_value: A::Wide) -> bool {
        true
    }
}

/// The conversion that cannot fail, or that saturates.
pub(crate) struct Plain;
/// Float to integer, faults where the value does not fit.
pub(crate) struct Checked;
/// Float to integer, modulo 2^bits.
pub(crate) struct Wrapped;

macro_rules! numbers {
    ($($a:ty => [$($b:ty)*];)*) => {$($(
        impl Convert<$a, $b> for Plain {
            #[inline(always)]
            fn convert(value: $a) -> $b { value as $b }
        }
    )*)*};
}
numbers! {
    i8 => [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64];
    i16 => [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64];
    i32 => [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64];
    i64 => [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64];
    u8 => [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64];
    u16 => [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64];
    u32 => [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64];
    u64 => [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64];
    f32 => [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64];
    f64 => [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64];
}

macro_rules! integers {
    ($($a:ty, $exact:expr;)*) => {$(
        impl Convert<$a, f16> for Plain {
            // Integers that f32 rounds are infinite in f16: no double rounding.
            #[inline(always)]
            fn convert(value: $a) -> f32 { value as f32 }
        }
        impl Convert<$a, bf16> for Plain {
            #[inline(always)]
            fn convert(value: $a) -> f32 { lane::f64_to_f32_odd($exact(value) as f64) }
        }
        impl Convert<$a, bool> for Plain {
            #[inline(always)]
            fn convert(value: $a) -> bool { value != 0 }
        }
        impl Convert<bool, $a> for Plain {
            #[inline(always)]
            fn convert(value: bool) -> $a { value as $a }
        }
    )*};
}
integers! {
    i8, identity; i16, identity; i32, identity; u8, identity; u16, identity; u32, identity;
    i64, odd_i64; u64, odd_u64;
}

#[inline(always)]
fn identity<T>(value: T) -> T {
    value
}

/// Rounded to odd at 53 bits where f64 cannot hold the value: a later rounding to bf16 sees on which side of a tie it lies.
#[inline(always)]
fn odd_i64(value: i64) -> i64 {
    let odd = (value & !0x7ff) | (i64::from(value & 0x7ff != 0) << 11);
    if value.unsigned_abs() >> 53 != 0 { odd } else { value }
}

/// See [`odd_i64`].
#[inline(always)]
fn odd_u64(value: u64) -> u64 {
    let odd = (value & !0x7ff) | (u64::from(value & 0x7ff != 0) << 11);
    if value >> 53 != 0 { odd } else { value }
}

macro_rules! conversions {
    ($($a:ty => $b:ty, |$value:ident| $body:expr;)*) => {$(
        impl Convert<$a, $b> for Plain {
            #[inline(always)]
            fn convert($value: <$a as Lane>::Wide) -> <$b as Lane>::Wide { $body }
        }
    )*};
}
conversions! {
    bool => bool, |value| value;
    bool => f16, |value| f32::from(u8::from(value));
    bool => bf16, |value| f32::from(u8::from(value));
    bool => f32, |value| f32::from(u8::from(value));
    bool => f64, |value| f64::from(u8::from(value));
    f16 => bool, |value| value != 0.0;
    bf16 => bool, |value| value != 0.0;
    f32 => bool, |value| value != 0.0;
    f64 => bool, |value| value != 0.0;
    f16 => f16, |value| value;
    f16 => bf16, |value| value;
    f16 => f32, |value| value;
    f16 => f64, |value| f64::from(value);
    bf16 => f16, |value| value;
    bf16 => bf16, |value| value;
    bf16 => f32, |value| value;
    bf16 => f64, |value| f64::from(value);
    f32 => f16, |value| value;
    f32 => bf16, |value| value;
    f64 => f16, |value| lane::f64_to_f32_odd(value);
    f64 => bf16, |value| lane::f64_to_f32_odd(value);
}

macro_rules! floats_to_integers {
    // What an integer narrower than 32 bits holds goes through `i32`, which every instruction set converts to at once.
    (@through i8) => { i32 };
    (@through i16) => { i32 };
    (@through u8) => { i32 };
    (@through u16) => { i32 };
    (@through $b:tt) => { $b };
    ($($a:ty, $wide:ty => [$($b:tt)*];)*) => {$($(
        impl Convert<$a, $b> for Checked {
            const CHECKED: bool = true;
            #[inline(always)]
            fn convert(value: $wide) -> $b { value as $b }
            #[expect(unsafe_code, reason = "`as` saturates, for which no instruction set has a vector instruction")]
            #[inline(always)]
            fn convert_fitting(value: $wide) -> $b {
                let fitting = if <Checked as Convert<$a, $b>>::fits(value) { value } else { 0.0 };
                // SAFETY: a value that fits is finite and, truncated, in the range of the integer and of the one it goes through.
                unsafe { fitting.to_int_unchecked::<floats_to_integers!(@through $b)>() as $b }
            }
            #[inline(always)]
            fn fits(value: $wide) -> bool {
                let whole = value.trunc();
                // Both bounds are powers of two (or 0), so exact; the upper one is excluded.
                (whole >= <$b>::MIN as $wide) & (whole < ((<$b>::MAX / 2 + 1) as $wide) * 2.0)
            }
        }
        impl Convert<$a, $b> for Wrapped {
            #[inline(always)]
            fn convert(value: $wide) -> $b {
                // From 2^120 up a float is a multiple of 2^64.
                if value.abs() < ((1u128 << 120) as $wide) { value as i128 as $b } else { 0 }
            }
        }
    )*)*};
}
floats_to_integers! {
    f16, f32 => [i8 i16 i32 i64 u8 u16 u32 u64];
    bf16, f32 => [i8 i16 i32 i64 u8 u16 u32 u64];
    f32, f32 => [i8 i16 i32 i64 u8 u16 u32 u64];
    f64, f64 => [i8 i16 i32 i64 u8 u16 u32 u64];
}

macro_rules! narrow_floats_saturate {
    ($($a:ty => [$($b:ty)*];)*) => {$($(
        impl Convert<$a, $b> for Plain {
            #[inline(always)]
            fn convert(value: f32) -> $b { value as $b }
        }
    )*)*};
}
narrow_floats_saturate! {
    f16 => [i8 i16 i32 i64 u8 u16 u32 u64];
    bf16 => [i8 i16 i32 i64 u8 u16 u32 u64];
}
