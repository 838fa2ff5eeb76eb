//! What each operation does to one element: zero-sized types that the loops are instantiated with.
//!
//! Integers wrap. `f16` and `bf16` compute in `f32` (their lanes widen and round). Comparisons give `bool`.

#![allow(clippy::useless_conversion, reason = "the operations are written once for all integers")]

use crate::kernel::{lane::Lane, math};
use half::{bf16, f16};
use num_traits::{One, WrappingMul};

/// A one-operand operation on elements of `L`.
pub(crate) trait Unary<L: Lane> {
    /// Elements of the result.
    type Out: Lane;
    fn apply(a: L::Wide) -> <Self::Out as Lane>::Wide;
}

/// A two-operand operation on elements of `L`.
pub(crate) trait Binary<L: Lane> {
    /// Elements of the result.
    type Out: Lane;
    fn apply(a: L::Wide, b: L::Wide) -> <Self::Out as Lane>::Wide;
}

/// Implements an operation for a list of dtypes; `same` gives the operand's dtype.
macro_rules! operations {
    (@out same $t:ty) => { $t };
    (@out bool $t:ty) => { bool };
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
names!(Negative Absolute Sqrt Exp Log Square LogicalNot Invert IsNan IsInf IsFinite Never Always);
names!(Add Subtract Multiply Divide Power Minimum Maximum Equal NotEqual Less LessEqual);
names!(LogicalAnd LogicalOr LogicalXor LogicalEqual BitwiseAnd BitwiseOr BitwiseXor FloorDivide Remainder);

operations! {
    Negative(a) [i8 i16 i32 i64 u8 u16 u32 u64] -> same a.wrapping_neg();
    Negative(a) [f16 bf16 f32 f64] -> same -a;
    Absolute(a) [i8 i16 i32 i64] -> same a.wrapping_abs();
    Absolute(a) [u8 u16 u32 u64 bool] -> same a;
    Absolute(a) [f16 bf16 f32 f64] -> same a.abs();
    Sqrt(a) [f16 bf16 f32 f64] -> same a.sqrt();
    Exp(a) [f16 bf16 f32] -> same math::exp_f32(a);
    Exp(a) [f64] -> same math::exp_f64(a);
    Log(a) [f16 bf16 f32] -> same math::log_f32(a);
    Log(a) [f64] -> same math::log_f64(a);
    Square(a) [i8 i16 i32 i64 u8 u16 u32 u64] -> same a.wrapping_mul(a);
    Square(a) [f16 bf16 f32 f64] -> same a * a;
    LogicalNot(a) [u8 u16 u32 u64] -> bool a == 0;
    LogicalNot(a) [f16 bf16 f32 f64] -> bool a == 0.0;
    LogicalNot(a) [bool] -> bool !a;
    Invert(a) [u8 u16 u32 u64] -> same !a;
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
    Power(a, b) [i8 i16 i32 i64] -> same if b >= 0 { wrapping_power(a, b as u64) } else { negative_power(a.into(), (b & 1) != 0) as _ };
    Power(a, b) [u8 u16 u32 u64] -> same wrapping_power(a, b.into());
    Power(a, b) [f16 bf16 f32] -> same math::power_f32(a, b);
    Power(a, b) [f64] -> same math::power_f64(a, b);
    Minimum(a, b) [i8 i16 i32 i64 u8 u16 u32 u64] -> same a.min(b);
    Maximum(a, b) [i8 i16 i32 i64 u8 u16 u32 u64] -> same a.max(b);
    Minimum(a, b) [f16 bf16 f32 f64] -> same if (a < b) | ((a == b) & a.is_sign_negative()) | a.is_nan() { a } else { b };
    Maximum(a, b) [f16 bf16 f32 f64] -> same if (a > b) | ((a == b) & a.is_sign_positive()) | a.is_nan() { a } else { b };
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
    FloorDivide(a, b) [i8 i16 i32 i64] -> same if b == 0 { 0 } else { a.wrapping_div(b).wrapping_sub(((a.wrapping_rem(b) != 0) & ((a < 0) != (b < 0))).into()) };
    FloorDivide(a, b) [u8 u16 u32 u64] -> same a.checked_div(b).unwrap_or(0);
    Remainder(a, b) [i8 i16 i32 i64] -> same if b == 0 { 0 } else { let r = a.wrapping_rem(b); if (r != 0) & ((r < 0) != (b < 0)) { r.wrapping_add(b) } else { r } };
    Remainder(a, b) [u8 u16 u32 u64] -> same a.checked_rem(b).unwrap_or(0);
    FloorDivide(a, b) [f16 bf16 f32] -> same floor_divide_f32(a, b);
    FloorDivide(a, b) [f64] -> same floor_divide_f64(a, b);
    Remainder(a, b) [f16 bf16 f32] -> same remainder_f32(a, b);
    Remainder(a, b) [f64] -> same remainder_f64(a, b);
}

#[inline(always)]
fn wrapping_power<T: WrappingMul + One>(base: T, exponent: u64) -> T {
    let (mut result, mut base, mut left) = (T::one(), base, exponent);
    while left != 0 {
        if left & 1 != 0 {
            result = result.wrapping_mul(&base);
        }
        base = base.wrapping_mul(&base);
        left >>= 1;
    }
    result
}

/// A negative power of an integer, truncated: only 1 and -1 have one that is not 0.
#[inline(always)]
fn negative_power(base: i64, odd: bool) -> i64 {
    match base {
        1 => 1,
        -1 if odd => -1,
        -1 => 1,
        _ => 0,
    }
}

/// Python's `//` and `%` on floats: the remainder has the divisor's sign, the quotient is the floor of the exact
/// quotient except where that cannot be told after rounding; division by zero follows `/`.
macro_rules! float_division {
    ($t:ty, $quotient:ident, $remainder:ident) => {
        #[inline(always)]
        fn $remainder(a: $t, b: $t) -> $t {
            let rest = a % b;
            if rest == 0.0 {
                <$t>::copysign(0.0, b)
            } else if (rest < 0.0) != (b < 0.0) {
                rest + b
            } else {
                rest
            }
        }
        #[inline(always)]
        fn $quotient(a: $t, b: $t) -> $t {
            if b == 0.0 {
                return a / b;
            }
            let rest = a % b;
            let mut quotient = (a - rest) / b;
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
                quotient -= 1.0;
            }
            if quotient == 0.0 {
                return <$t>::copysign(0.0, a / b);
            }
            let floor = quotient.floor();
            if quotient - floor > 0.5 { floor + 1.0 } else { floor }
        }
    };
}
float_division!(f32, floor_divide_f32, remainder_f32);
float_division!(f64, floor_divide_f64, remainder_f64);
