//! What each operation does to one element: zero-sized types that the loops are instantiated with.
//!
//! Integers wrap. `f16` and `bf16` compute in `f32` (their lanes widen and round). Comparisons give `bool`.

#![allow(clippy::useless_conversion, reason = "the operations are written once for all integers")]

mod float;
mod integer;

use crate::kernel::{
    lane::{Lane, Ordered, UNORDERED},
    math::{self, Lanes},
};
use bytemuck::{cast_slice, cast_slice_mut};
use float::*;
use half::{bf16, f16};
use integer::{common_divisor, common_multiple, negative_power, powers_i32, powers_i64, powers_u32, powers_u64, wrapping_power};

/// A one-operand operation on elements of `L`.
pub(crate) trait Unary<L: Lane> {
    /// Elements of the result.
    type Out: Lane;
    /// Whether [`Unary::apply_near`] is a shorter way.
    const HAS_NEAR: bool = false;
    fn apply(a: L::Wide) -> <Self::Out as Lane>::Wide;
    /// Whether `apply_near` gives the same bits.
    #[inline(always)]
    fn is_near(_a: L::Wide) -> bool {
        true
    }
    #[inline(always)]
    fn apply_near(a: L::Wide) -> <Self::Out as Lane>::Wide {
        Self::apply(a)
    }
    /// Fills `out` by the vectors of an instruction set, where the operation is written for them: the bits are those of `apply`.
    #[inline(always)]
    fn by_vectors<S: Lanes>(_out: &mut [u8], _a: &[u8]) -> bool {
        false
    }
}

/// A two-operand operation on elements of `L`.
pub(crate) trait Binary<L: Lane> {
    /// Elements of the result.
    type Out: Lane;
    /// Whether [`Binary::apply_near`] is a shorter way.
    const HAS_NEAR: bool = false;
    fn apply(a: L::Wide, b: L::Wide) -> <Self::Out as Lane>::Wide;
    /// Whether `apply_near` gives the same bits.
    #[inline(always)]
    fn is_near(_a: L::Wide, _b: L::Wide) -> bool {
        true
    }
    #[inline(always)]
    fn apply_near(a: L::Wide, b: L::Wide) -> <Self::Out as Lane>::Wide {
        Self::apply(a, b)
    }
    /// See [`Unary::by_vectors`].
    #[inline(always)]
    fn by_vectors<S: Lanes>(_out: &mut [u8], _a: &[u8], _b: &[u8]) -> bool {
        false
    }
}

/// Implements an operation for a list of dtypes; `same` gives the operand's dtype.
macro_rules! operations {
    (@out same $t:ty) => { $t };
    (@out bool $t:ty) => { bool };
    (@out byte $t:ty) => { u8 };
    ($($op:ident($a:ident) [$($t:ty)*] -> $out:ident $body:expr;)*) => {$($(
        impl Unary<$t> for $op {
            type Out = operations!(@out $out $t);
            #[inline(always)]
            fn apply($a: <$t as Lane>::Wide) -> <Self::Out as Lane>::Wide { $body }
        }
    )*)*};
    ($($op:ident($a:ident, $b:ident) [$($t:ty)*] -> $out:ident $body:expr;)*) => {$($(
        impl Binary<$t> for $op {
            type Out = operations!(@out $out $t);
            #[inline(always)]
            fn apply($a: <$t as Lane>::Wide, $b: <$t as Lane>::Wide) -> <Self::Out as Lane>::Wide { $body }
        }
    )*)*};
}

macro_rules! names { ($($name:ident)*) => {$(pub(crate) struct $name;)*}; }
names!(Negative Absolute Square Sign Sqrt Rint Floor Ceil Trunc LogicalNot Invert BitwiseCount);
names!(IsNan IsInf IsFinite Signbit Never Always);
names!(Add Subtract Multiply Divide IntegerPower Minimum Maximum Equal NotEqual Less LessEqual);
names!(LogicalAnd LogicalOr LogicalXor LogicalEqual BitwiseAnd BitwiseOr BitwiseXor LeftShift RightShift);
names!(FloorDivide Remainder Fmod Fmin Fmax Gcd Lcm Copysign Nextafter Heaviside Ldexp);

operations! {
    Negative(a) [i8 i16 i32 i64 u8 u16 u32 u64] -> same a.wrapping_neg();
    Negative(a) [f16 bf16 f32 f64] -> same -a;
    Absolute(a) [i8 i16 i32 i64] -> same a.wrapping_abs();
    Absolute(a) [u8 u16 u32 u64 bool] -> same a;
    Absolute(a) [f16 bf16 f32 f64] -> same a.abs();
    Sqrt(a) [f16 bf16 f32 f64] -> same a.sqrt();
    Sign(a) [i8 i16 i32 i64] -> same a.signum();
    Sign(a) [u8 u16 u32 u64] -> same a.min(1);
    Sign(a) [f16 bf16 f32] -> same sign_f32(a);
    Sign(a) [f64] -> same sign_f64(a);
    Rint(a) [f16 bf16 f32 f64] -> same a.round_ties_even();
    Floor(a) [f16 bf16 f32 f64] -> same a.floor();
    Ceil(a) [f16 bf16 f32 f64] -> same a.ceil();
    Trunc(a) [f16 bf16 f32 f64] -> same a.trunc();
    Square(a) [i8 i16 i32 i64 u8 u16 u32 u64] -> same a.wrapping_mul(a);
    Square(a) [f16 bf16 f32 f64] -> same a * a;
    LogicalNot(a) [u8 u16 u32 u64] -> bool a == 0;
    LogicalNot(a) [f16 bf16 f32 f64] -> bool a == 0.0;
    LogicalNot(a) [bool] -> bool !a;
    Invert(a) [u8 u16 u32 u64] -> same !a;
    BitwiseCount(a) [i8 i16 i32 i64] -> byte a.unsigned_abs().count_ones() as u8;
    BitwiseCount(a) [u8 u16 u32 u64] -> byte a.count_ones() as u8;
    Signbit(a) [f16 bf16 f32 f64] -> bool a.is_sign_negative();
    IsNan(a) [f16 bf16 f32 f64] -> bool a.is_nan();
    IsInf(a) [f16 bf16 f32 f64] -> bool a.is_infinite();
    IsFinite(a) [f16 bf16 f32 f64] -> bool a.is_finite();
    Never(_a) [u8 u16 u32 u64] -> bool false;
    Always(_a) [u8 u16 u32 u64] -> bool true;
}

operations! {
    Add(a, b) [u8 u16 u32 u64] -> same a.wrapping_add(b);
    Add(a, b) [f16 bf16 f32 f64] -> same a + b;
    Subtract(a, b) [u8 u16 u32 u64] -> same a.wrapping_sub(b);
    Subtract(a, b) [f16 bf16 f32 f64] -> same a - b;
    Multiply(a, b) [u8 u16 u32 u64] -> same a.wrapping_mul(b);
    Multiply(a, b) [f16 bf16 f32 f64] -> same a * b;
    Divide(a, b) [f16 bf16 f32 f64] -> same a / b;
    IntegerPower(a, b) [i8 i16 i32 i64] -> same if b >= 0 { wrapping_power(a, b as u64) } else { negative_power(a.into(), (b & 1) != 0) as _ };
    IntegerPower(a, b) [u8 u16 u32 u64] -> same wrapping_power(a, b.into());
    Minimum(a, b) [i8 i16 i32 i64 u8 u16 u32 u64] -> same a.min(b);
    Maximum(a, b) [i8 i16 i32 i64 u8 u16 u32 u64] -> same a.max(b);
    Minimum(a, b) [f16 bf16 f32 f64] -> same if (a < b) | ((a == b) & a.is_sign_negative()) | a.is_nan() { a } else { b };
    Maximum(a, b) [f16 bf16 f32 f64] -> same if (a > b) | ((a == b) & a.is_sign_positive()) | a.is_nan() { a } else { b };
    Fmin(a, b) [f16 bf16 f32 f64] -> same if (a < b) | ((a == b) & a.is_sign_negative()) | b.is_nan() { a } else { b };
    Fmax(a, b) [f16 bf16 f32 f64] -> same if (a > b) | ((a == b) & a.is_sign_positive()) | b.is_nan() { a } else { b };
    Copysign(a, b) [f16 bf16 f32 f64] -> same a.copysign(b);
    Nextafter(a, b) [f16] -> same next_f16(a, b);
    Nextafter(a, b) [bf16] -> same next_bf16(a, b);
    Nextafter(a, b) [f32] -> same next_f32(a, b);
    Nextafter(a, b) [f64] -> same next_f64(a, b);
    Heaviside(a, b) [f16 bf16 f32] -> same heaviside_f32(a, b);
    Heaviside(a, b) [f64] -> same heaviside_f64(a, b);
    Ldexp(a, b) [f16 f32] -> same ldexp_f32(a, b);
    Ldexp(a, b) [f64] -> same ldexp_f64(a, b);
    Equal(a, b) [u8 u16 u32 u64 f16 bf16 f32 f64] -> bool a == b;
    NotEqual(a, b) [u8 u16 u32 u64 f16 bf16 f32 f64] -> bool a != b;
    Less(a, b) [i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64] -> bool a < b;
    LessEqual(a, b) [i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64] -> bool a <= b;
    Less(a, b) [bool] -> bool !a & b;
    LessEqual(a, b) [bool] -> bool !a | b;
    LogicalAnd(a, b) [u8 u16 u32 u64] -> bool (a != 0) & (b != 0);
    LogicalOr(a, b) [u8 u16 u32 u64] -> bool (a | b) != 0;
    LogicalXor(a, b) [u8 u16 u32 u64] -> bool (a != 0) ^ (b != 0);
    LogicalAnd(a, b) [f16 bf16 f32 f64] -> bool (a != 0.0) & (b != 0.0);
    LogicalOr(a, b) [f16 bf16 f32 f64] -> bool (a != 0.0) | (b != 0.0);
    LogicalXor(a, b) [f16 bf16 f32 f64] -> bool (a != 0.0) ^ (b != 0.0);
    LogicalAnd(a, b) [bool] -> bool a & b;
    LogicalOr(a, b) [bool] -> bool a | b;
    LogicalXor(a, b) [bool] -> bool a ^ b;
    LogicalEqual(a, b) [bool] -> bool !(a ^ b);
    BitwiseAnd(a, b) [u8 u16 u32 u64] -> same a & b;
    BitwiseOr(a, b) [u8 u16 u32 u64] -> same a | b;
    BitwiseXor(a, b) [u8 u16 u32 u64] -> same a ^ b;
    LeftShift(a, b) [u8] -> same if b < 8 { a.wrapping_shl(b.into()) } else { 0 };
    LeftShift(a, b) [u16] -> same if b < 16 { a.wrapping_shl(b.into()) } else { 0 };
    LeftShift(a, b) [u32] -> same if b < 32 { a.wrapping_shl(b) } else { 0 };
    LeftShift(a, b) [u64] -> same if b < 64 { a.wrapping_shl(b as u32) } else { 0 };
    RightShift(a, b) [u8] -> same if b < 8 { a.wrapping_shr(b.into()) } else { 0 };
    RightShift(a, b) [u16] -> same if b < 16 { a.wrapping_shr(b.into()) } else { 0 };
    RightShift(a, b) [u32] -> same if b < 32 { a.wrapping_shr(b) } else { 0 };
    RightShift(a, b) [u64] -> same if b < 64 { a.wrapping_shr(b as u32) } else { 0 };
    RightShift(a, b) [i8] -> same a.wrapping_shr((b as u8).min(7).into());
    RightShift(a, b) [i16] -> same a.wrapping_shr((b as u16).min(15).into());
    RightShift(a, b) [i32] -> same a.wrapping_shr((b as u32).min(31));
    RightShift(a, b) [i64] -> same a.wrapping_shr((b as u64).min(63) as u32);
    Gcd(a, b) [i8 i16 i32 i64] -> same common_divisor(a.unsigned_abs().into(), b.unsigned_abs().into()) as _;
    Gcd(a, b) [u8 u16 u32 u64] -> same common_divisor(a.into(), b.into()) as _;
    Lcm(a, b) [i8 i16 i32 i64] -> same common_multiple(a.unsigned_abs().into(), b.unsigned_abs().into()) as _;
    Lcm(a, b) [u8 u16 u32 u64] -> same common_multiple(a.into(), b.into()) as _;
    FloorDivide(a, b) [i8 i16 i32 i64] -> same if b == 0 { 0 } else { a.wrapping_div(b).wrapping_sub(((a.wrapping_rem(b) != 0) & ((a < 0) != (b < 0))).into()) };
    FloorDivide(a, b) [u8 u16 u32 u64] -> same a.checked_div(b).unwrap_or(0);
    Remainder(a, b) [i8 i16 i32 i64] -> same if b == 0 { 0 } else { let r = a.wrapping_rem(b); if (r != 0) & ((r < 0) != (b < 0)) { r.wrapping_add(b) } else { r } };
    Remainder(a, b) [u8 u16 u32 u64] -> same a.checked_rem(b).unwrap_or(0);
    Fmod(a, b) [i8 i16 i32 i64] -> same if b == 0 { 0 } else { a.wrapping_rem(b) };
    Fmod(a, b) [u8 u16 u32 u64] -> same a.checked_rem(b).unwrap_or(0);
}

/// [`IntegerPower`] of long integers, in chunks that vectorise.
pub(crate) struct ChunkedPower;

macro_rules! chunked_powers {
    ($($t:ident $function:ident;)*) => {$(
        impl Binary<$t> for ChunkedPower {
            type Out = $t;
            #[inline(always)]
            fn apply(a: $t, b: $t) -> $t { <IntegerPower as Binary<$t>>::apply(a, b) }
            #[inline(always)]
            fn by_vectors<S: Lanes>(out: &mut [u8], a: &[u8], b: &[u8]) -> bool {
                $function(cast_slice_mut(out), cast_slice(a), cast_slice(b));
                true
            }
        }
    )*};
}
chunked_powers! {
    i32 powers_i32;
    u32 powers_u32;
    i64 powers_i64;
    u64 powers_u64;
}

/// Functions of [`math`] that are written for vectors: one of `f32` and one of `f64`, with the vectors they take.
macro_rules! vector_functions {
    ($($op:ident($($arg:ident),*) $trait:ident $narrow:ident $lanes:ident $single:ident $wide:ident $wide_lanes:ident $double:ident;)*) => {$(
        pub(crate) struct $op;
        vector_functions!(@one $op($($arg),*) $trait f32 $narrow $lanes $single);
        vector_functions!(@one $op($($arg),*) $trait f64 $wide $wide_lanes $double);
    )*};
    (@one $op:ident($($arg:ident),*) $trait:ident $t:tt $scalar:ident $lanes:ident $function:ident) => {
        impl $trait<$t> for $op {
            type Out = $t;
            #[inline(always)]
            fn apply($($arg: $t),*) -> $t { math::$scalar($($arg),*) }
            #[inline(always)]
            fn by_vectors<S: Lanes>(out: &mut [u8], $($arg: &[u8]),*) -> bool {
                $(let $arg: &[$t] = cast_slice($arg);)*
                math::map!(S::$lanes, math::$function, cast_slice_mut::<u8, $t>(out), $($arg),*);
                true
            }
        }
    };
}

vector_functions! {
    Exp(a) Unary exp_f32 F32Twice exp_single exp_f64 F64 exp;
    Exp2(a) Unary exp2_f32 F32Twice exp2_single exp2_f64 F64 exp2;
    Log(a) Unary log_f32 F32Twice log_single log_f64 F64 log;
    Log2(a) Unary log2_f32 F32Twice log2_single log2_f64 F64 log2;
    Log10(a) Unary log10_f32 F32Twice log10_single log10_f64 F64 log10;
    Log1p(a) Unary log1p_f32 F32Twice log1p_single log1p_f64 F64Twice log1p;
    Cbrt(a) Unary cbrt_f32 F32Twice cbrt_single cbrt_f64 F64 cbrt;
    Atan(a) Unary atan_f32 F32Twice atan_single atan_f64 F64Twice atan;
    Sinh(a) Unary sinh_f32 F32Twice sinh_single sinh_f64 F64Twice sinh;
    Cosh(a) Unary cosh_f32 F32Twice cosh_single cosh_f64 F64 cosh;
    Tanh(a) Unary tanh_f32 F32Twice tanh_single tanh_f64 F64Twice tanh;
    Asinh(a) Unary asinh_f32 F32Twice asinh_single asinh_f64 F64Twice asinh;
    Acosh(a) Unary acosh_f32 F32Twice acosh_single acosh_f64 F64Twice acosh;
    Atanh(a) Unary atanh_f32 F32Twice atanh_single atanh_f64 F64Twice atanh;
    Power(a, b) Binary power_f32 F32Twice power_single power_f64 F64Twice power;
}

names!(Asin Acos Atan2);
vector_functions!(@one Atan2(a, b) Binary f64 atan2_f64 F64Twice atan2);
vector_functions!(@one Asin(a) Unary f64 asin_f64 F64Twice asin);
vector_functions!(@one Acos(a) Unary f64 acos_f64 F64Twice acos);
operations! {
    Asin(a) [f32] -> same math::asin_f32(a);
    Acos(a) [f32] -> same math::acos_f32(a);
}
operations! {
    Atan2(a, b) [f32] -> same math::atan2_f32(a, b);
}

/// Functions of [`math`]: `f32` and `f64` only, the narrow dtypes go through `f32` .
/// Comparisons of half floats by their order: see [`Ordered`].
macro_rules! ordered {
    ($($op:ident($a:ident, $b:ident) $body:expr;)*) => {$(
        impl<const INFINITY: u16> Binary<Ordered<INFINITY>> for $op {
            type Out = bool;
            #[inline(always)]
            fn apply($a: i16, $b: i16) -> bool { $body }
        }
    )*};
}

ordered! {
    Equal(a, b) (a == b) & (a != UNORDERED);
    NotEqual(a, b) (a != b) | (a == UNORDERED);
    Less(a, b) (a < b) & (a != UNORDERED);
    LessEqual(a, b) (a <= b) & (a != UNORDERED);
}

/// Functions of [`math`]: `f32` and `f64` only, the narrow dtypes go through `f32` ([`super::loops::through`]).
macro_rules! functions {
    ($($op:ident($($arg:ident),*) $trait:ident $narrow:ident $wide:ident;)*) => {$(
        pub(crate) struct $op;
        impl $trait<f32> for $op {
            type Out = f32;
            #[inline(always)]
            fn apply($($arg: f32),*) -> f32 { math::$narrow($($arg),*) }
        }
        impl $trait<f64> for $op {
            type Out = f64;
            #[inline(always)]
            fn apply($($arg: f64),*) -> f64 { math::$wide($($arg),*) }
        }
    )*};
}

functions! {
    Expm1(a) Unary expm1_f32 expm1_f64;
    Sigmoid(a) Unary sigmoid_f32 sigmoid_f64;
    Softplus(a) Unary softplus_f32 softplus_f64;
    Gelu(a) Unary gelu_f32 gelu_f64;
    Silu(a) Unary silu_f32 silu_f64;
    Erf(a) Unary erf_f32 erf_f64;
    Erfc(a) Unary erfc_f32 erfc_f64;
    Hypot(a, b) Binary hypot_f32 hypot_f64;
    Logaddexp(a, b) Binary logaddexp_f32 logaddexp_f64;
    Logaddexp2(a, b) Binary logaddexp2_f32 logaddexp2_f64;
}

/// sin, cos and tan: by vectors where no argument is huge.
macro_rules! turning_functions {
    ($($op:ident $t:ident $limit:ident $function:ident $lanes:ident $near:ident;)*) => {$(
        impl Unary<$t> for $op {
            type Out = $t;
            #[inline(always)]
            fn apply(a: $t) -> $t { math::$function(a) }
            #[inline(always)]
            fn by_vectors<S: Lanes>(out: &mut [u8], a: &[u8]) -> bool {
                let (out, a): (&mut [$t], &[$t]) = (cast_slice_mut(out), cast_slice(a));
                for (out, a) in out.chunks_mut(TURNING_CHUNK).zip(a.chunks(TURNING_CHUNK)) {
                    // Without an exit, so that it vectorises.
                    if a.iter().fold(true, |near, a| near & (a.abs() <= math::$limit)) {
                        math::map!(S::$lanes, math::$near, &mut *out, a);
                    } else {
                        for (out, &a) in out.iter_mut().zip(a) {
                            *out = math::$function(a);
                        }
                    }
                }
                true
            }
        }
    )*};
}

/// Elements that are asked together whether one is huge.
const TURNING_CHUNK: usize = 256;

names!(Sin Cos Tan);
turning_functions! {
    Sin f32 TRIG_NEAR_F32 sin_f32 F32Twice sin_near_single;
    Cos f32 TRIG_NEAR_F32 cos_f32 F32Twice cos_near_single;
    Tan f32 TRIG_NEAR_F32 tan_f32 F32Twice tan_near_single;
    Sin f64 TRIG_NEAR sin_f64 F64Twice sin_near;
    Cos f64 TRIG_NEAR cos_f64 F64Twice cos_near;
    Tan f64 TRIG_NEAR tan_f64 F64Twice tan_near;
}

/// Functions with a shorter way where a quotient is not huge.
macro_rules! near_functions {
    ($($op:ident($($arg:ident),*) $trait:ident $t:ty, $near:expr, $function:expr, $short:expr;)*) => {$(
        impl $trait<$t> for $op {
            type Out = $t;
            const HAS_NEAR: bool = true;
            #[inline(always)]
            fn apply($($arg: $t),*) -> $t { $function($($arg),*) }
            #[inline(always)]
            fn is_near($($arg: $t),*) -> bool { $near }
            #[inline(always)]
            fn apply_near($($arg: $t),*) -> $t { $short($($arg),*) }
        }
    )*};
}

near_functions! {
    Fmod(a, b) Binary f32, quotient_is_near_f32(a, b), fmod_f32, fmod_near_f32;
    Fmod(a, b) Binary f64, quotient_is_near_f64(a, b), fmod_f64, fmod_near_f64;
    FloorDivide(a, b) Binary f32, quotient_is_near_f32(a, b), floor_divide_f32, floor_divide_near_f32;
    FloorDivide(a, b) Binary f64, quotient_is_near_f64(a, b), floor_divide_f64, floor_divide_near_f64;
    Remainder(a, b) Binary f32, quotient_is_near_f32(a, b), remainder_f32, remainder_near_f32;
    Remainder(a, b) Binary f64, quotient_is_near_f64(a, b), remainder_f64, remainder_near_f64;
}
