//! NumPy's rules of quantiles: which order statistics, and how they are mixed.

use super::key::{value_of, write_key};
use crate::{
    kernel::{lane::f64_to_f32_odd, program::QuantileMethod},
    nd::DType,
    numeric::two_sum,
};
use half::{bf16, f16};

/// What a quantile is made of: two neighbouring ranks and how far it lies from the first to the second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mix {
    pub ranks: [u64; 2],
    pub share: f64,
}

/// The ranks of the quantile `q` of `count` elements (at least one). The arithmetic is NumPy's, in f64.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ranks are clamped to the count")]
#[must_use]
pub(crate) fn mix(method: QuantileMethod, count: u64, q: f64) -> Mix {
    use QuantileMethod as M;
    let (n, last) = (count as f64, count - 1);
    let one = |rank: f64| {
        let rank = (rank.max(0.0) as u64).min(last);
        Mix { ranks: [rank, rank], share: 0.0 }
    };
    let spread = |alpha: f64, beta: f64| n * q + (alpha + q * (1.0 - alpha - beta)) - 1.0;
    let between = |place: f64, share: fn(f64) -> f64| {
        if place >= last as f64 || place < 0.0 {
            return one(place);
        }
        let low = place.floor();
        let rank = low as u64;
        Mix { ranks: [rank, (rank + 1).min(last)], share: share(place - low) }
    };
    match method {
        M::Linear => between((n - 1.0) * q, |share| share),
        M::Lower => one(((n - 1.0) * q).floor()),
        M::Higher => one(((n - 1.0) * q).ceil()),
        M::Nearest => one(((n - 1.0) * q).round_ties_even()),
        M::Midpoint => {
            let place = (n - 1.0) * q;
            between(0.5 * (place.floor() + place.ceil()), |share| share)
        }
        M::InvertedCdf => one(step(n * q - 1.0, |_| true)),
        M::AveragedInvertedCdf => between(n * q - 1.0, |share| if share == 0.0 { 0.5 } else { 1.0 }),
        M::ClosestObservation => one(step(n * q - 1.5, |low| low.rem_euclid(2.0) == 1.0)),
        M::InterpolatedInvertedCdf => between(spread(0.0, 1.0), |share| share),
        M::Hazen => between(spread(0.5, 0.5), |share| share),
        M::Weibull => between(spread(0.0, 0.0), |share| share),
        M::MedianUnbiased => between(spread(1.0 / 3.0, 1.0 / 3.0), |share| share),
        M::NormalUnbiased => between(spread(3.0 / 8.0, 3.0 / 8.0), |share| share),
    }
}

/// The place itself where it is whole and `stays`, else the next one.
fn step(place: f64, stays: fn(f64) -> bool) -> f64 {
    let low = place.floor();
    if place == low && stays(low) { low } else { low + 1.0 }
}

/// Writes the quantile between the elements with keys `keys` of `from` as one element of `to`.
pub(crate) fn write_mix(from: DType, to: DType, keys: [i64; 2], share: f64, out: &mut [u8]) {
    if from == to && (share == 0.0 || keys[0] == keys[1]) {
        return write_key(from, keys[0], out);
    }
    write_float(to, between(value_of(from, keys[0]), value_of(from, keys[1]), share), out);
}

/// Writes what a quantile of nothing, or of something with NaN, is.
pub(crate) fn write_nan(to: DType, out: &mut [u8]) {
    if to.is_float() {
        write_float(to, f64::NAN, out);
    } else {
        out.fill(0);
    }
}

#[allow(clippy::cast_possible_truncation, reason = "rounding to the result's dtype")]
fn write_float(to: DType, value: f64, out: &mut [u8]) {
    // Rounded to odd first, so that rounding to a narrow float is the only rounding.
    let odd = f64_to_f32_odd(value);
    match to {
        DType::F16 => out.copy_from_slice(&if value.is_nan() { f16::from_bits(0x7e00) } else { f16::from_f32(odd) }.to_ne_bytes()),
        DType::BF16 => out.copy_from_slice(&if value.is_nan() { bf16::from_bits(0x7fc0) } else { bf16::from_f32(odd) }.to_ne_bytes()),
        DType::F32 => out.copy_from_slice(&if value.is_nan() { f32::from_bits(0x7fc0_0000) } else { value as f32 }.to_ne_bytes()),
        _ => out.copy_from_slice(&if value.is_nan() { f64::from_bits(0x7ff8 << 48) } else { value }.to_ne_bytes()),
    }
}

/// `a + share * (b - a)` for `a <= b`, each the sum of two floats: the exact value rounded once (but for a unit in 2^100), never outside
/// of the two, without overflow in between.
#[must_use]
fn between(a: (f64, f64), b: (f64, f64), share: f64) -> f64 {
    if share == 0.0 || share == 1.0 {
        return if share == 0.0 { a.0 + a.1 } else { b.0 + b.1 };
    }
    if a.0.is_infinite() || b.0.is_infinite() {
        return if a.0 == b.0 || share < 1.0 && a.0.is_infinite() && b.0.is_finite() { a.0 } else { (1.0 - share) * a.0 + share * b.0 };
    }
    // Halves cannot overflow; where they would lose bits of their own, the whole cannot overflow.
    if a.0.abs().max(b.0.abs()) > 1e300 {
        return 2.0 * between((a.0 / 2.0, a.1 / 2.0), (b.0 / 2.0, b.1 / 2.0), share);
    }
    let (gap, rest) = two_sum(b.0, -a.0);
    let rest = rest + (b.1 - a.1);
    let product = gap * share;
    let lost = gap.mul_add(share, -product);
    let (high, low) = two_sum(a.0, product);
    let mixed = high + (low + (lost + rest * share) + a.1);
    mixed.clamp(a.0 + a.1, b.0 + b.1)
}
