//! The questions that are asked of every tile: is any float of it not finite, did any integer wrap or meet a divisor of zero.
//!
//! Each is a loop without an exit that only collects bits, so that it vectorises; a scalar operand is a slice of one element.

use crate::{
    kernel::program::{BinaryOp, CastMode, UnaryOp},
    nd::DType,
    numeric::{Baseline, InstructionSet, Piece},
};
use bytemuck::{Pod, cast_slice};
use std::{marker::PhantomData, ops::BitOr};

/// `(out, a, b)`: whether an operation wrapped or divided by zero anywhere. One-operand operations are given `a` twice.
pub(crate) type EventCheck = fn(&[u8], &[u8], &[u8]) -> bool;

/// Which checks of integers there are, among those of one instruction set.
#[derive(Clone, Copy)]
pub(crate) struct EventChecks {
    pub unary: fn(UnaryOp, DType) -> Option<EventCheck>,
    pub binary: fn(BinaryOp, DType) -> Option<EventCheck>,
    pub cast: fn(DType, DType, CastMode) -> Option<EventCheck>,
}

/// The checks compiled for `S`.
pub(crate) fn event_checks<S: InstructionSet>() -> EventChecks {
    EventChecks { unary: unary_check::<S>, binary: binary_check::<S>, cast: cast_check::<S> }
}

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
struct Collect<'a, A, B, F> {
    seen: &'a mut A,
    out: &'a [u8],
    a: &'a [u8],
    b: &'a [u8],
    event: F,
    result: PhantomData<fn() -> B>,
}

impl<A: Pod + BitOr<Output = A>, B: Pod, F: Fn(B, A, A) -> A> Piece for Collect<'_, A, B, F> {
    #[inline(always)]
    fn go(self) {
        let (out, a, b): (&[B], &[A], &[A]) = (cast_slice(self.out), cast_slice(self.a), cast_slice(self.b));
        let (mut seen, event) = (*self.seen, self.event);
        match (a, b) {
            ([a], b) => out.iter().zip(b).for_each(|(&r, &b)| seen = seen | event(r, *a, b)),
            (a, [b]) => out.iter().zip(a).for_each(|(&r, &a)| seen = seen | event(r, a, *b)),
            (a, b) => out.iter().zip(a).zip(b).for_each(|((&r, &a), &b)| seen = seen | event(r, a, b)),
        }
        *self.seen = seen;
    }
}

/// What [`Collect`] finds, by a loop compiled for the instruction set `S`.
#[inline(always)]
fn collect<S, A, B>(out: &[u8], a: &[u8], b: &[u8], event: impl Fn(B, A, A) -> A) -> A
where
    S: InstructionSet,
    A: Pod + BitOr<Output = A> + Default,
    B: Pod,
{
    let mut seen = A::default();
    S::enter(Collect { seen: &mut seen, out, a, b, event, result: PhantomData });
    seen
}

/// The checks of one integer dtype and the one of its bits: the sign of what is collected tells, or whether it is zero.
macro_rules! whole {
    ($name:ident, $t:ty, $bits:ty, $wide:ty) => {
        mod $name {
            use super::{Baseline, BinaryOp, EventCheck, InstructionSet, UnaryOp, collect};

            const SIGNED: bool = <$t>::MIN != 0;
            fn top(seen: $bits) -> bool {
                seen >> (<$bits>::BITS - 1) != 0
            }
            fn add<S: InstructionSet>(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                top(collect::<S, _, _>(
                    out,
                    a,
                    b,
                    |r: $bits, a: $bits, b| if SIGNED { (a ^ r) & (b ^ r) } else { (a & b) | ((a | b) & !r) },
                ))
            }
            fn subtract<S: InstructionSet>(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                top(collect::<S, _, _>(
                    out,
                    a,
                    b,
                    |r: $bits, a: $bits, b| if SIGNED { (a ^ b) & (a ^ r) } else { (!a & b) | ((!a | b) & r) },
                ))
            }
            fn multiply<S: InstructionSet>(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                collect::<S, _, _>(out, a, b, |r: $t, a: $t, b: $t| {
                    <$t>::from(<$wide>::from(a).wrapping_mul(<$wide>::from(b)) != <$wide>::from(r))
                }) != 0
            }
            /// No set has vectors for it.
            fn power(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                collect::<Baseline, _, _>(out, a, b, |_: $t, a: $t, b: $t| {
                    let exponent = u32::try_from(b).unwrap_or(if b > <$t>::MIN.max(0) { u32::MAX } else { 0 });
                    let small = a == 0 || a == 1 || (SIGNED && a == !0);
                    <$t>::from(!small && a.checked_pow(exponent).is_none())
                }) != 0
            }
            fn left_shift<S: InstructionSet>(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                collect::<S, _, _>(out, a, b, |r: $t, a: $t, b: $t| {
                    let shift = u32::try_from(b).unwrap_or(u32::MAX);
                    <$t>::from(a != 0 && r.checked_shr(shift) != Some(a))
                }) != 0
            }
            fn floor_divide<S: InstructionSet>(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                collect::<S, _, _>(out, a, b, |_: $t, a: $t, b: $t| <$t>::from((b == 0) | (SIGNED & (a == <$t>::MIN) & (b == !0)))) != 0
            }
            fn remainder<S: InstructionSet>(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                collect::<S, _, _>(out, a, b, |_: $t, _: $t, b: $t| <$t>::from(b == 0)) != 0
            }
            /// Only 2^(bits - 1) is too large: the divisor of the smallest integer and itself, or zero.
            fn gcd<S: InstructionSet>(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                collect::<S, _, _>(out, a, b, |r: $t, _: $t, _: $t| <$t>::from(r < <$t>::MIN.max(0))) != 0
            }
            /// What a multiple is reduced to is less than the least one, and so no multiple of both, or not above zero. No set has
            /// vectors for remainders.
            fn lcm(out: &[u8], a: &[u8], b: &[u8]) -> bool {
                collect::<Baseline, _, _>(out, a, b, |r: $t, a: $t, b: $t| {
                    let divides = |by: $t| r.wrapping_rem(by) == 0;
                    <$t>::from(a != 0 && b != 0 && (r <= <$t>::MIN.max(0) || !divides(a) || !divides(b)))
                }) != 0
            }
            fn negative<S: InstructionSet>(out: &[u8], a: &[u8], _: &[u8]) -> bool {
                collect::<S, _, _>(out, a, a, |_: $t, a: $t, _| if SIGNED { <$t>::from(a == <$t>::MIN) } else { a }) != 0
            }
            fn square<S: InstructionSet>(out: &[u8], a: &[u8], _: &[u8]) -> bool {
                multiply::<S>(out, a, a)
            }

            pub(super) fn two<S: InstructionSet>(op: BinaryOp) -> Option<EventCheck> {
                Some(match op {
                    BinaryOp::Add => add::<S>,
                    BinaryOp::Subtract => subtract::<S>,
                    BinaryOp::Multiply => multiply::<S>,
                    BinaryOp::Power => power,
                    BinaryOp::LeftShift => left_shift::<S>,
                    BinaryOp::FloorDivide => floor_divide::<S>,
                    BinaryOp::Remainder | BinaryOp::Fmod => remainder::<S>,
                    BinaryOp::Gcd if SIGNED => gcd::<S>,
                    BinaryOp::Lcm => lcm,
                    _ => return None,
                })
            }
            pub(super) fn one<S: InstructionSet>(op: UnaryOp) -> Option<EventCheck> {
                Some(match op {
                    UnaryOp::Negative => negative::<S>,
                    UnaryOp::Absolute if SIGNED => negative::<S>,
                    UnaryOp::Square => square::<S>,
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
            DType::I8 => of_i8::$function::<S>($op),
            DType::I16 => of_i16::$function::<S>($op),
            DType::I32 => of_i32::$function::<S>($op),
            DType::I64 => of_i64::$function::<S>($op),
            DType::U8 => of_u8::$function::<S>($op),
            DType::U16 => of_u16::$function::<S>($op),
            DType::U32 => of_u32::$function::<S>($op),
            DType::U64 => of_u64::$function::<S>($op),
            _ => None,
        }
    };
}

/// Whether an operation of integers wrapped; `None` where it cannot.
pub(crate) fn unary_check<S: InstructionSet>(op: UnaryOp, dtype: DType) -> Option<EventCheck> {
    of!(dtype, one, op)
}

/// Whether an operation of integers wrapped or divided by zero; `None` where it cannot.
pub(crate) fn binary_check<S: InstructionSet>(op: BinaryOp, dtype: DType) -> Option<EventCheck> {
    of!(dtype, two, op)
}

/// Whether a conversion of integers, whose elements come twice, gave other integers; `None` where it cannot, or was asked to.
pub(crate) fn cast_check<S: InstructionSet>(from: DType, to: DType, mode: CastMode) -> Option<EventCheck> {
    /// Sign and bits both tell: `u64` and `i64` convert back to what they were.
    macro_rules! pairs {
        ($($a:ident $at:ty: $($b:ident $bt:ty),*;)*) => {
            match (from, to) {
                $($((DType::$a, DType::$b) => |out, a, _| {
                    collect::<S, _, _>(out, a, a, |r: $bt, a: $at, _| <$at>::from(i128::from(r) != i128::from(a))) != 0
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
