//! Floats: division with remainder, neighbours, scaling by powers of two.

use crate::kernel::lane::{f16_to_f32, f32_to_bf16, f32_to_f16};

/// Python's `//` and `%` and C's `%` on floats, from a way to C's remainder.
///
/// Python's remainder has the divisor's sign; its quotient is the floor of the exact quotient except where that cannot be told
/// after rounding; division by zero follows `/`.
macro_rules! float_division {
    ($t:ty, $rest:ident, $quotient:ident, $remainder:ident) => {
        #[inline(always)]
        pub(super) fn $remainder(a: $t, b: $t) -> $t {
            let rest = $rest(a, b);
            let moved = if (rest < 0.0) != (b < 0.0) { rest + b } else { rest };
            if rest == 0.0 { <$t>::copysign(0.0, b) } else { moved }
        }
        #[inline(always)]
        pub(super) fn $quotient(a: $t, b: $t) -> $t {
            let (rest, ratio) = ($rest(a, b), a / b);
            let quotient = (a - rest) / b;
            let down = (rest != 0.0) & ((rest < 0.0) != (b < 0.0));
            let quotient = quotient - if down { 1.0 } else { 0.0 };
            let floor = quotient.floor();
            let floor = floor + if quotient - floor > 0.5 { 1.0 } else { 0.0 };
            let floor = if quotient == 0.0 { <$t>::copysign(0.0, ratio) } else { floor };
            if b == 0.0 { ratio } else { floor }
        }
    };
}
float_division!(f32, fmod_f32, floor_divide_f32, remainder_f32);
float_division!(f64, fmod_f64, floor_divide_f64, remainder_f64);
float_division!(f32, fmod_near_f32, floor_divide_near_f32, remainder_near_f32);
float_division!(f64, fmod_near_f64, floor_divide_near_f64, remainder_near_f64);

/// Whether the quotient is small enough for [`fmod_near_f32`].
#[inline(always)]
pub(super) fn quotient_is_near_f32(a: f32, b: f32) -> bool {
    ((a / b).abs() < 268_435_456.0) & (b.abs() < f32::INFINITY)
}

/// Whether the quotient is small enough for [`fmod_near_f64`].
#[inline(always)]
pub(super) fn quotient_is_near_f64(a: f64, b: f64) -> bool {
    ((a / b).abs() < 4_503_599_627_370_496.0) & (b.abs() < f64::INFINITY)
}

/// The same bits as `%`: the product of the whole quotient and `b` is exact in f64, and so is what it leaves of `a`.
#[inline(always)]
pub(super) fn fmod_near_f32(a: f32, b: f32) -> f32 {
    let (wide, divisor) = (f64::from(a), f64::from(b));
    let rest = wide - (wide / divisor).trunc() * divisor;
    settled(wide, divisor.abs(), rest) as f32
}

/// The same bits as `%`: one rounding, of a value that needs none.
#[inline(always)]
pub(super) fn fmod_near_f64(a: f64, b: f64) -> f64 {
    settled(a, b.abs(), (-(a / b).trunc()).mul_add(b, a))
}

/// A quotient that was rounded up to a whole number has taken the divisor once too often: the rest then has the wrong sign.
#[inline(always)]
fn settled(a: f64, divisor: f64, rest: f64) -> f64 {
    let back = if a < 0.0 { -divisor } else { divisor };
    let wrong = (rest != 0.0) & ((rest < 0.0) != (a < 0.0));
    (if wrong { rest + back } else { rest }).abs().copysign(a)
}

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
    f64::from_bits((exponent.wrapping_add(1023) as u64) << 52)
}

/// The integer nearest to a number below 2^51, 0 for NaN: `as i64` does not vectorise everywhere.
#[inline(always)]
fn whole(value: f64) -> i64 {
    const ROUND: f64 = 6_755_399_441_055_744.0;
    let value = if value.is_nan() { 0.0 } else { value };
    ((value + ROUND).to_bits() as i64).wrapping_sub(ROUND.to_bits() as i64)
}

/// `a * 2^b`: exact in f64, rounded once. Half floats are right too: what f32 would round is far below their last bit.
#[inline(always)]
pub(super) fn ldexp_f32(a: f32, b: f32) -> f32 {
    (f64::from(a) * power_of_two(whole(f64::from(b.clamp(-400.0, 400.0))))) as f32
}

/// `a * 2^b`: powers that keep the value normal first, so that only the last product rounds. What a step down makes subnormal is
/// below half of the smallest number after the rest of it.
#[inline(always)]
pub(super) fn ldexp_f64(a: f64, b: f64) -> f64 {
    const STEP: i64 = 1022 - 53;
    let mut exponent = whole(b.clamp(-2200.0, 2200.0));
    let mut value = a;
    for _ in 0..2 {
        let step = if exponent < -1022 { -STEP } else { 0 };
        let step = if exponent > 1023 { 1023 } else { step };
        value *= power_of_two(step);
        exponent = exponent.wrapping_sub(step);
    }
    value * power_of_two(exponent.clamp(-1022, 1023))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::oracle::Bits;

    /// A float of any sign with an exponent among `exponents`, often with few digits, so that quotients are close to whole.
    fn float(bits: &mut Bits, exponents: std::ops::Range<i64>) -> f64 {
        let digits = bits.below(53);
        let fraction = (bits.next() >> 12) >> digits << digits;
        let exponent = exponents.start + bits.below((exponents.end - exponents.start) as usize) as i64;
        let value = f64::from_bits(fraction | (1023 << 52)) * 2f64.powi(exponent as i32);
        if bits.next() & 1 == 0 { value } else { -value }
    }

    #[test]
    fn near_remainders_are_those_of_c() {
        let mut bits = Bits(7);
        let mut count = [0u32; 2];
        for _ in 0..3_000_000 {
            let b = float(&mut bits, -30..30);
            // Close to a multiple of b as often as anywhere.
            let a = if bits.below(2) == 0 { float(&mut bits, -30..75) } else { b * bits.below(1 << 40) as f64 };
            let a = f64::from_bits(a.to_bits().wrapping_add(bits.below(3) as u64));
            if quotient_is_near_f64(a, b) {
                count[0] += 1;
                assert_eq!(fmod_near_f64(a, b).to_bits(), (a % b).to_bits(), "{a:e} {b:e}");
            }
            let (a, b) = (a as f32, b as f32);
            if quotient_is_near_f32(a, b) {
                count[1] += 1;
                assert_eq!(fmod_near_f32(a, b).to_bits(), (a % b).to_bits(), "{a:e} {b:e}");
            }
        }
        assert!(count.iter().all(|count| *count > 500_000), "{count:?}");
        for (a, b) in [(1.0, f64::INFINITY), (1.0, 0.0), (f64::NAN, 1.0), (f64::INFINITY, 2.0), (1.0, f64::NAN)] {
            assert!(!quotient_is_near_f64(a, b) && !quotient_is_near_f32(a as f32, b as f32));
        }
        for (a, b) in [(-0.0, 3.0), (5e-324, 1.5e-323), (-1.7e308, 1.6e308), (6.0, -3.0), (-6.0, 3.0)] {
            assert_eq!(fmod_near_f64(a, b).to_bits(), (a % b).to_bits(), "{a:e} {b:e}");
        }
    }
}
