//! The questions that are asked of every tile: is any float of it not finite, did any integer wrap or meet a divisor of zero.
//!
//! Each is a loop without an exit that only collects bits, so that it vectorises; a scalar operand is a slice of one element.

use crate::{
    kernel::program::{BinaryOp, CastMode, UnaryOp},
    nd::DType,
};
use bytemuck::{Pod, cast_slice};
use std::ops::BitOr;

/// `(out, a, b)`: whether an operation wrapped or divided by zero anywhere. One-operand operations are given `a` twice.
pub(crate) type EventCheck = fn(&[u8], &[u8], &[u8]) -> bool;

/// Whether any element of a tile is not finite.
pub(crate) type TileCheck = fn(&[u8]) -> bool;

/// The bits of a float dtype in which an exponent of ones becomes a carry.
macro_rules! special {
    ($name:ident, $bits:ty, $exponent_one:expr) => {
        #[inline(always)]
        pub(crate) fn $name(tile: &[u8]) -> bool {
            const TOP: $bits = 1 << (<$bits>::BITS - 1);
            let mut seen: $bits = 0;
            for &bits in cast_slice::<u8, $bits>(tile) {
                seen |= (bits & !TOP) + $exponent_one;
            }
            seen & TOP != 0
        }
    };
}
special!(special_f16, u16, 1 << 10);
special!(special_bf16, u16, 1 << 7);
special!(special_f32, u32, 1 << 23);
special!(special_f64, u64, 1 << 52);

/// Which check of floats a dtype has, among those of one instruction set.
pub(crate) fn special_check(dtype: DType, checks: [TileCheck; 4]) -> Option<TileCheck> {
    let [f16, bf16, f32, f64] = checks;
    match dtype {
        DType::F16 => Some(f16),
        DType::BF16 => Some(bf16),
        DType::F32 => Some(f32),
        DType::F64 => Some(f64),
        _ => None,
    }
}

/// Collects `event` of every element.
#[inline(always)]
fn collect<A: Pod + BitOr<Output = A> + Default, B: Pod>(out: &[u8], a: &[u8], b: &[u8], event: impl Fn(B, A, A) -> A) -> A {
    let (out, a, b): (&[B], &[A], &[A]) = (cast_slice(out), cast_slice(a), cast_slice(b));
    let mut seen = A::default();
    match (a, b) {
        ([a], b) => out.iter().zip(b).for_each(|(&r, &b)| seen = seen | event(r, *a, b)),
        (a, [b]) => out.iter().zip(a).for_each(|(&r, &a)| seen = seen | event(r, a, *b)),
        (a, b) => out.iter().zip(a).zip(b).for_each(|((&r, &a), &b)| seen = seen | event(r, a, b)),
    }
    seen
}

/// The checks of one integer dtype and the one of its bits: the sign of what is collected tells, or whether it is zero.
macro_rules! whole {
    ($name:ident, $t:ty, $bits:ty, $wide:ty) => {
        mod $name {
            use super::{BinaryOp, EventCheck, UnaryOp, collect};

            const SIGNED: bool = <$t>::MIN != 0;
            fn top(seen: $bits) -> bool {
                seen >> (<$bits>::BITS - 1) != 0
            }
            fn add(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                top(collect(out, a, b, |r: $bits, a: $bits, b| if SIGNED { (a ^ r) & (b ^ r) } else { (a & b) | ((a | b) & !r) }))
            }
            fn subtract(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                top(collect(out, a, b, |r: $bits, a: $bits, b| if SIGNED { (a ^ b) & (a ^ r) } else { (!a & b) | ((!a | b) & r) }))
            }
            fn multiply(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                collect(out, a, b, |r: $t, a: $t, b: $t| <$t>::from(<$wide>::from(a).wrapping_mul(<$wide>::from(b)) != <$wide>::from(r)))
                    != 0
            }
            fn power(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                collect(out, a, b, |_: $t, a: $t, b: $t| {
                    let exponent = u32::try_from(b).unwrap_or(if b > <$t>::MIN.max(0) { u32::MAX } else { 0 });
                    let small = a == 0 || a == 1 || (SIGNED && a == !0);
                    <$t>::from(!small && a.checked_pow(exponent).is_none())
                }) != 0
            }
            fn left_shift(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                collect(out, a, b, |r: $t, a: $t, b: $t| {
                    let shift = u32::try_from(b).unwrap_or(u32::MAX);
                    <$t>::from(a != 0 && r.checked_shr(shift) != Some(a))
                }) != 0
            }
            fn floor_divide(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                collect(out, a, b, |_: $t, a: $t, b: $t| <$t>::from((b == 0) | (SIGNED & (a == <$t>::MIN) & (b == !0)))) != 0
            }
            fn remainder(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                collect(out, a, b, |_: $t, _: $t, b: $t| <$t>::from(b == 0)) != 0
            }
            fn negative(out: &[u8], a: &[u8], _: &[u8]) -> bool {
                collect(out, a, a, |_: $t, a: $t, _| if SIGNED { <$t>::from(a == <$t>::MIN) } else { a }) != 0
            }
            fn square(out: &[u8], a: &[u8], _: &[u8]) -> bool {
                multiply(out, a, a)
            }

            pub(super) fn two(op: BinaryOp) -> Option<EventCheck> {
                Some(match op {
                    BinaryOp::Add => add,
                    BinaryOp::Subtract => subtract,
                    BinaryOp::Multiply => multiply,
                    BinaryOp::Power => power,
                    BinaryOp::LeftShift => left_shift,
                    BinaryOp::FloorDivide => floor_divide,
                    BinaryOp::Remainder | BinaryOp::Fmod => remainder,
                    _ => return None,
                })
            }
            pub(super) fn one(op: UnaryOp) -> Option<EventCheck> {
                Some(match op {
                    UnaryOp::Negative => negative,
                    UnaryOp::Absolute if SIGNED => negative,
                    UnaryOp::Square => square,
                    _ => return None,
                })
            }
        }
    };
}
whole!(of_i8, i8, u8, i64);
whole!(of_i16, i16, u16, i64);
whole!(of_i32, i32, u32, i64);
whole!(of_i64, i64, u64, i128);
whole!(of_u8, u8, u8, u64);
whole!(of_u16, u16, u16, u64);
whole!(of_u32, u32, u32, u64);
whole!(of_u64, u64, u64, u128);

macro_rules! of {
    ($dtype:expr, $function:ident, $op:expr) => {
        match $dtype {
            DType::I8 => of_i8::$function($op),
            DType::I16 => of_i16::$function($op),
            DType::I32 => of_i32::$function($op),
            DType::I64 => of_i64::$function($op),
            DType::U8 => of_u8::$function($op),
            DType::U16 => of_u16::$function($op),
            DType::U32 => of_u32::$function($op),
            DType::U64 => of_u64::$function($op),
            _ => None,
        }
    };
}

/// Whether an operation of integers wrapped; `None` where it cannot.
pub(crate) fn unary_check(op: UnaryOp, dtype: DType) -> Option<EventCheck> {
    of!(dtype, one, op)
}

/// Whether an operation of integers wrapped or divided by zero; `None` where it cannot.
pub(crate) fn binary_check(op: BinaryOp, dtype: DType) -> Option<EventCheck> {
    of!(dtype, two, op)
}

/// Whether a conversion of integers, whose elements come twice, gave other integers; `None` where it cannot, or was asked to.
pub(crate) fn cast_check(from: DType, to: DType, mode: CastMode) -> Option<EventCheck> {
    /// Sign and bits both tell: `u64` and `i64` convert back to what they were.
    macro_rules! pairs {
        ($($a:ident $at:ty: $($b:ident $bt:ty),*;)*) => {
            match (from, to) {
                $($((DType::$a, DType::$b) => |out, a, _| {
                    collect(out, a, a, |r: $bt, a: $at, _| <$at>::from(i128::from(r) != i128::from(a))) != 0
                },)*)*
                _ => return None,
            }
        };
    }
    if mode == CastMode::Wrap {
        return None;
    }
    let check: EventCheck = pairs! {
        I8 i8: U8 u8, U16 u16, U32 u32, U64 u64;
        I16 i16: I8 i8, U8 u8, U16 u16, U32 u32, U64 u64;
        I32 i32: I8 i8, I16 i16, U8 u8, U16 u16, U32 u32, U64 u64;
        I64 i64: I8 i8, I16 i16, I32 i32, U8 u8, U16 u16, U32 u32, U64 u64;
        U8 u8: I8 i8;
        U16 u16: I8 i8, I16 i16, U8 u8;
        U32 u32: I8 i8, I16 i16, I32 i32, U8 u8, U16 u16;
        U64 u64: I8 i8, I16 i16, I32 i32, I64 i64, U8 u8, U16 u16, U32 u32;
    };
    Some(check)
}
