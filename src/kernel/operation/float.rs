//! Floats: division with remainder, neighbours, scaling by powers of two.

use crate::kernel::lane::{f16_to_f32, f32_to_bf16, f32_to_f16};

/// Python's `//` and `%` on floats: the remainder has the divisor's sign, the quotient is the floor of the exact
/// quotient except where that cannot be told after rounding; division by zero follows `/`.
macro_rules! float_division {
    ($t:ty, $quotient:ident, $remainder:ident) => {
        #[inline(always)]
        pub(super) fn $remainder(a: $t, b: $t) -> $t {
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
        pub(super) fn $quotient(a: $t, b: $t) -> $t {
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

macro_rules! float_parts {
    ($t:ty, $fmod:ident, $sign:ident, $heaviside:ident) => {
        #[inline(always)]
        pub(super) fn $fmod(a: $t, b: $t) -> $t {
            a % b
        }
        /// 1, 0 or -1; NaN of NaN. The sign of a zero goes.
        #[inline(always)]
        pub(super) fn $sign(a: $t) -> $t {
            let sign = if a > 0.0 { 1.0 } else { 0.0 };
            let sign = if a < 0.0 { -1.0 } else { sign };
            if a.is_nan() { a } else { sign }
        }
        /// 0 below zero, `b` at zero, 1 above; NaN of NaN.
        #[inline(always)]
        pub(super) fn $heaviside(a: $t, b: $t) -> $t {
            let step = if a < 0.0 { 0.0 } else { 1.0 };
            let step = if a == 0.0 { b } else { step };
            if a.is_nan() { a } else { step }
        }
    };
}
float_parts!(f32, fmod_f32, sign_f32, heaviside_f32);
float_parts!(f64, fmod_f64, sign_f64, heaviside_f64);

/// The bits of the neighbour of `a` toward `b`; of `b` itself if the two are equal.
macro_rules! next_bits {
    ($bits:ty, $a:expr, $a_bits:expr, $b:expr, $b_bits:expr, $nan:expr) => {{
        let (a, b, a_bits, b_bits): (_, _, $bits, $bits) = ($a, $b, $a_bits, $b_bits);
        let sign_bit = !(<$bits>::MAX >> 1);
        let away = (a < b) == (a > 0.0);
        let stepped = if away { a_bits.wrapping_add(1) } else { a_bits.wrapping_sub(1) };
        // From zero the smallest magnitude with the sign of the goal.
        let stepped = if a == 0.0 { (b_bits & sign_bit) | 1 } else { stepped };
        let stepped = if a == b { b_bits } else { stepped };
        if a.is_nan() | b.is_nan() { $nan } else { stepped }
    }};
}

#[inline(always)]
pub(super) fn next_f16(a: f32, b: f32) -> f32 {
    f16_to_f32(next_bits!(u16, a, f32_to_f16(a), b, f32_to_f16(b), 0x7e00))
}

#[inline(always)]
pub(super) fn next_bf16(a: f32, b: f32) -> f32 {
    f32::from_bits(u32::from(next_bits!(u16, a, f32_to_bf16(a), b, f32_to_bf16(b), 0x7fc0)) << 16)
}

#[inline(always)]
pub(super) fn next_f32(a: f32, b: f32) -> f32 {
    f32::from_bits(next_bits!(u32, a, a.to_bits(), b, b.to_bits(), 0x7fc0_0000))
}

#[inline(always)]
pub(super) fn next_f64(a: f64, b: f64) -> f64 {
    f64::from_bits(next_bits!(u64, a, a.to_bits(), b, b.to_bits(), 0x7ff8_0000_0000_0000))
}

/// 2^`exponent` for exponents of normal doubles.
#[inline(always)]
fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// `a * 2^b`: exact in f64, rounded once. Half floats are right too: what f32 would round is far below their last bit.
#[inline(always)]
pub(super) fn ldexp_f32(a: f32, b: f32) -> f32 {
    (f64::from(a) * power_of_two(b.clamp(-400.0, 400.0) as i64)) as f32
}

/// `a * 2^b`: powers that keep the value normal first, so that only the last product rounds.
#[inline(always)]
pub(super) fn ldexp_f64(a: f64, b: f64) -> f64 {
    const STEP: i64 = 1022 - 53;
    let mut exponent = b.clamp(-2200.0, 2200.0) as i64;
    let mut value = a;
    for _ in 0..2 {
        let step = if exponent < -1022 { -STEP } else { 0 };
        let step = if exponent > 1023 { 1023 } else { step };
        value *= power_of_two(step);
        exponent -= step;
    }
    value * power_of_two(exponent.clamp(-1022, 1023))
}
