//! `nextafter` and `ldexp`, by search and by halving.

use super::{Value, get, put};
use crate::{
    kernel::program::BinaryOp,
    nd::{DType, Scalar},
};

/// `nextafter` and `ldexp`, by search and by halving.
pub(super) fn neighbour(op: BinaryOp, dtype: DType, a: Value, b: Value) -> Option<Vec<u8>> {
    let wide = |value| match value {
        Value::Int(value) => value as f64,
        Value::F32(value) => f64::from(value),
        Value::F64(value) => value,
    };
    let (from, goal) = (wide(a), wide(b));
    match op {
        BinaryOp::Ldexp if dtype != DType::BF16 => scaled(dtype, from, goal),
        BinaryOp::Nextafter if from.is_nan() || goal.is_nan() => Some(Scalar::Float(f64::NAN).to_bytes(dtype)),
        BinaryOp::Nextafter if from == goal => Some(put(dtype, b)),
        BinaryOp::Nextafter => {
            let bytes = put(dtype, a);
            let mut word = [0u8; 8];
            word[..bytes.len()].copy_from_slice(&bytes);
            let word = u64::from_le_bytes(word);
            let sign = 1u64 << (8 * dtype.size() - 1);
            // From zero, the one bit on the side of the goal; else the one of the two neighbours that lies between.
            let candidates = if from == 0.0 { [1, sign | 1] } else { [word.wrapping_add(1), word.wrapping_sub(1)] };
            let toward = |bits: &u64| {
                let value = wide(get(dtype, &bits.to_le_bytes()[..dtype.size()]));
                if goal > from { value > from } else { value < from }
            };
            candidates.iter().find(|bits| toward(bits)).map(|bits| bits.to_le_bytes()[..dtype.size()].to_vec())
        }
        _ => None,
    }
}

/// `a * 2^b` through a string of exact halvings: the value is exact until the last rounding, which is the dtype's own.
fn scaled(dtype: DType, a: f64, b: f64) -> Option<Vec<u8>> {
    let mut left = b.clamp(-3000.0, 3000.0).round_ties_even() as i32;
    let mut value = a;
    if dtype != DType::F64 {
        let step = left.clamp(-700, 700);
        return Some(Scalar::Float(value * 2f64.powi(step)).to_bytes(dtype));
    }
    while left > 0 {
        (value, left) = (value * 2.0, left - 1);
    }
    // Whole doubles shifted as integers, to nearest even.
    if left < 0 && value != 0.0 && value.is_finite() {
        let bits = value.abs().to_bits();
        let (exponent, fraction) = (((bits >> 52) as i32).max(1), bits & ((1 << 52) - 1) | if bits >> 52 > 0 { 1 << 52 } else { 0 });
        let lost = (1 - (exponent + left)).max(0);
        let magnitude = if lost == 0 {
            f64::from_bits(bits.wrapping_sub((u64::from(left.unsigned_abs())) << 52))
        } else if lost > 60 {
            0.0
        } else {
            let (kept, rest, half) = (fraction >> lost, fraction & ((1 << lost) - 1), 1u64 << (lost - 1));
            f64::from_bits(kept + u64::from(rest > half || (rest == half && kept & 1 == 1)))
        };
        value = magnitude.copysign(value);
    }
    Some(value.to_ne_bytes().to_vec())
}
