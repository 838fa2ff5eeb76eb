//! Naive versions, one element at a time: what the kernels are tested against.

use crate::kernel::program::{BinaryOp, UnaryOp};
use crate::nd::{DType, Scalar};
use half::{bf16, f16};

/// A small reproducible generator of bits (SplitMix64).
pub(crate) struct Bits(pub u64);

impl Bits {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Interesting and random elements of `dtype`.
pub(crate) fn elements(dtype: DType, count: usize, bits: &mut Bits) -> Vec<u8> {
    let specials: Vec<Scalar> = if dtype.is_float() {
        [0.0, -0.0, 1.0, -1.0, 2.0, 0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e-310, 1e-40, 3e38, 65504.0, -2.5, 6e-8]
            .map(Scalar::Float)
            .to_vec()
    } else {
        [0, 1, -1, 2, 3, 7, i64::MIN, i64::MAX, i32::MIN.into(), 127, 128, 255, -128].map(|value: i64| Scalar::Int(value.into())).to_vec()
    };
    let mut out = Vec::new();
    for _ in 0..count {
        match bits.below(4) {
            0 => out.extend(specials[bits.below(specials.len())].to_bytes(dtype)),
            1 if dtype.is_float() => out.extend(Scalar::Float(bits.below(2000) as f64 / 64.0 - 15.0).to_bytes(dtype)),
            _ if dtype == DType::Bool => out.push((bits.next() & 1) as u8 * (1 + bits.below(3) as u8)),
            _ => out.extend(&bits.next().to_ne_bytes()[..dtype.size()]),
        }
    }
    out
}

/// A value as the oracle computes with it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Int(i128),
    F32(f32),
    F64(f64),
}

pub(crate) fn get(dtype: DType, bytes: &[u8]) -> Value {
    use crate::nd::Element;
    match dtype {
        DType::Bool => Value::Int((bytes[0] != 0).into()),
        DType::I8 => Value::Int(i8::from_bytes(bytes).into()),
        DType::I16 => Value::Int(i16::from_bytes(bytes).into()),
        DType::I32 => Value::Int(i32::from_bytes(bytes).into()),
        DType::I64 => Value::Int(i64::from_bytes(bytes).into()),
        DType::U8 => Value::Int(u8::from_bytes(bytes).into()),
        DType::U16 => Value::Int(u16::from_bytes(bytes).into()),
        DType::U32 => Value::Int(u32::from_bytes(bytes).into()),
        DType::U64 => Value::Int(u64::from_bytes(bytes).into()),
        DType::F16 => Value::F32(f16::from_bytes(bytes).to_f32()),
        DType::BF16 => Value::F32(bf16::from_bytes(bytes).to_f32()),
        DType::F32 => Value::F32(f32::from_bytes(bytes)),
        DType::F64 => Value::F64(f64::from_bytes(bytes)),
    }
}

pub(crate) fn put(dtype: DType, value: Value) -> Vec<u8> {
    match value {
        Value::Int(value) => Scalar::Int(value).to_bytes(dtype),
        Value::F32(value) => match dtype {
            DType::F16 => f16::from_f32(value).to_ne_bytes().to_vec(),
            DType::BF16 => bf16::from_f32(value).to_ne_bytes().to_vec(),
            _ => value.to_ne_bytes().to_vec(),
        },
        Value::F64(value) => value.to_ne_bytes().to_vec(),
    }
}

/// Whether two elements are the same bits, or both NaN.
pub(crate) fn same(dtype: DType, a: &[u8], b: &[u8]) -> bool {
    let nan = |bytes: &[u8]| match get(dtype, bytes) {
        Value::F32(value) => value.is_nan(),
        Value::F64(value) => value.is_nan(),
        Value::Int(_) => false,
    };
    a == b || (nan(a) && nan(b))
}

/// None where the operation is not defined on the dtype. Functions of [`crate::kernel::math`] are taken from there: their
/// accuracy has tests of its own.
pub(crate) fn unary(op: UnaryOp, dtype: DType, a: &[u8]) -> Option<Vec<u8>> {
    use crate::kernel::math;
    let yes = |value: bool| Some(vec![u8::from(value)]);
    match (op, get(dtype, a)) {
        (UnaryOp::LogicalNot, Value::Int(value)) => return yes(value == 0),
        (UnaryOp::LogicalNot, Value::F32(value)) => return yes(value == 0.0),
        (UnaryOp::LogicalNot, Value::F64(value)) => return yes(value == 0.0),
        (UnaryOp::IsNan, Value::F32(value)) => return yes(value.is_nan()),
        (UnaryOp::IsNan, Value::F64(value)) => return yes(value.is_nan()),
        (UnaryOp::IsInf, Value::F32(value)) => return yes(value.is_infinite()),
        (UnaryOp::IsInf, Value::F64(value)) => return yes(value.is_infinite()),
        (UnaryOp::IsFinite, Value::F32(value)) => return yes(value.is_finite()),
        (UnaryOp::IsFinite, Value::F64(value)) => return yes(value.is_finite()),
        (UnaryOp::IsNan | UnaryOp::IsInf, Value::Int(_)) => return yes(false),
        (UnaryOp::IsFinite, Value::Int(_)) => return yes(true),
        _ => {}
    }
    let value = match (op, get(dtype, a)) {
        (UnaryOp::Negative, Value::Int(value)) if dtype != DType::Bool => Value::Int(-value),
        (UnaryOp::Absolute, Value::Int(value)) => Value::Int(value.abs()),
        (UnaryOp::Square, Value::Int(value)) => Value::Int(value.wrapping_mul(value)),
        (UnaryOp::Invert, Value::Int(value)) if dtype == DType::Bool => Value::Int(1 - value),
        (UnaryOp::Invert, Value::Int(value)) => Value::Int(!value),
        (UnaryOp::Negative, Value::F32(value)) => Value::F32(-value),
        (UnaryOp::Absolute, Value::F32(value)) => Value::F32(value.abs()),
        (UnaryOp::Square, Value::F32(value)) => Value::F32(value * value),
        (UnaryOp::Sqrt, Value::F32(value)) => Value::F32(value.sqrt()),
        (UnaryOp::Exp, Value::F32(value)) => Value::F32(math::exp_f32(value)),
        (UnaryOp::Log, Value::F32(value)) => Value::F32(math::log_f32(value)),
        (UnaryOp::Negative, Value::F64(value)) => Value::F64(-value),
        (UnaryOp::Absolute, Value::F64(value)) => Value::F64(value.abs()),
        (UnaryOp::Square, Value::F64(value)) => Value::F64(value * value),
        (UnaryOp::Sqrt, Value::F64(value)) => Value::F64(value.sqrt()),
        (UnaryOp::Exp, Value::F64(value)) => Value::F64(math::exp_f64(value)),
        (UnaryOp::Log, Value::F64(value)) => Value::F64(math::log_f64(value)),
        _ => return None,
    };
    Some(put(dtype, value))
}

fn compare<T: PartialOrd>(op: BinaryOp, a: T, b: T, zero: T) -> Option<bool> {
    Some(match op {
        BinaryOp::Equal => a == b,
        BinaryOp::NotEqual => a != b,
        BinaryOp::Less => a < b,
        BinaryOp::LessEqual => a <= b,
        BinaryOp::Greater => a > b,
        BinaryOp::GreaterEqual => a >= b,
        BinaryOp::LogicalAnd => a != zero && b != zero,
        BinaryOp::LogicalOr => a != zero || b != zero,
        BinaryOp::LogicalXor => (a != zero) != (b != zero),
        _ => return None,
    })
}

/// See [`unary`].
pub(crate) fn binary(op: BinaryOp, dtype: DType, a: &[u8], b: &[u8]) -> Option<Vec<u8>> {
    let (a, b) = (get(dtype, a), get(dtype, b));
    let compared = match (a, b) {
        (Value::Int(a), Value::Int(b)) => compare(op, a, b, 0),
        (Value::F32(a), Value::F32(b)) => compare(op, a, b, 0.0),
        (Value::F64(a), Value::F64(b)) => compare(op, a, b, 0.0),
        _ => None,
    };
    if let Some(value) = compared {
        return Some(vec![u8::from(value)]);
    }
    let value = match (a, b) {
        (Value::Int(a), Value::Int(b)) => Value::Int(integer(op, dtype, a, b)?),
        (Value::F32(a), Value::F32(b)) => Value::F32(float32(op, a, b)?),
        (Value::F64(a), Value::F64(b)) => Value::F64(float64(op, a, b)?),
        _ => return None,
    };
    Some(put(dtype, value))
}

fn integer(op: BinaryOp, dtype: DType, a: i128, b: i128) -> Option<i128> {
    let bool = dtype == DType::Bool;
    Some(match op {
        BinaryOp::Add if bool => a | b,
        BinaryOp::Subtract | BinaryOp::Power | BinaryOp::FloorDivide | BinaryOp::Remainder if bool => return None,
        BinaryOp::Add => a + b,
        BinaryOp::Subtract => a - b,
        BinaryOp::Multiply => a.wrapping_mul(b),
        BinaryOp::Minimum => a.min(b),
        BinaryOp::Maximum => a.max(b),
        BinaryOp::BitwiseAnd => a & b,
        BinaryOp::BitwiseOr => a | b,
        BinaryOp::BitwiseXor => a ^ b,
        BinaryOp::FloorDivide if b == 0 => 0,
        BinaryOp::Remainder if b == 0 => 0,
        BinaryOp::FloorDivide => num_integer_floor(a, b),
        BinaryOp::Remainder => a - b * num_integer_floor(a, b),
        BinaryOp::Power if b < 0 => match a {
            1 => 1,
            -1 => 1 - 2 * (b & 1),
            _ => 0,
        },
        BinaryOp::Power => {
            let (mut result, mut base, mut left) = (1i128, a, b as u128);
            while left > 0 {
                if left & 1 == 1 {
                    result = result.wrapping_mul(base);
                }
                base = base.wrapping_mul(base);
                left >>= 1;
            }
            result
        }
        _ => return None,
    })
}

fn num_integer_floor(a: i128, b: i128) -> i128 {
    let quotient = a / b;
    if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
}

macro_rules! floats {
    ($name:ident, $t:ty, $power:path) => {
        fn $name(op: BinaryOp, a: $t, b: $t) -> Option<$t> {
            let pick = |smaller: bool| {
                if a.is_nan() || b.is_nan() {
                    <$t>::NAN
                } else if (a.total_cmp(&b) == std::cmp::Ordering::Less) == smaller {
                    a
                } else {
                    b
                }
            };
            Some(match op {
                BinaryOp::Add => a + b,
                BinaryOp::Subtract => a - b,
                BinaryOp::Multiply => a * b,
                BinaryOp::Divide => a / b,
                BinaryOp::Minimum => pick(true),
                BinaryOp::Maximum => pick(false),
                BinaryOp::Power => $power(a, b),
                BinaryOp::Remainder => {
                    let rest = a % b;
                    if rest == 0.0 {
                        <$t>::copysign(0.0, b)
                    } else if (rest < 0.0) != (b < 0.0) {
                        rest + b
                    } else {
                        rest
                    }
                }
                BinaryOp::FloorDivide if b == 0.0 => a / b,
                BinaryOp::FloorDivide => {
                    let rest = a % b;
                    let mut quotient = (a - rest) / b;
                    if rest != 0.0 && (rest < 0.0) != (b < 0.0) {
                        quotient -= 1.0;
                    }
                    if quotient == 0.0 {
                        <$t>::copysign(0.0, a / b)
                    } else {
                        let floor = quotient.floor();
                        if quotient - floor > 0.5 { floor + 1.0 } else { floor }
                    }
                }
                _ => return None,
            })
        }
    };
}
floats!(float32, f32, crate::kernel::math::power_f32);
floats!(float64, f64, crate::kernel::math::power_f64);

/// The bfloat16 nearest to a magnitude that `compare` knows how to compare with exact thresholds; ties to even.
pub(crate) fn nearest_bf16(near: f64, compare: impl Fn(f64) -> std::cmp::Ordering) -> u16 {
    let value = |bits: u16| if bits == 0x7f80 { 2f64.powi(128) } else { f64::from(f32::from_bits(u32::from(bits) << 16)) };
    let guess = ((near as f32).to_bits() >> 16) as u16;
    let below = (guess.saturating_sub(1)..=(guess + 1).min(0x7f7f)).rev().find(|&bits| compare(value(bits)).is_ge()).unwrap_or(0);
    match compare((value(below) + value(below + 1)) / 2.0) {
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Equal => below + (below & 1),
        std::cmp::Ordering::Greater => below + 1,
    }
}

/// bfloat16 bits of a double, rounded once.
pub(crate) fn bf16_of_f64(value: f64) -> u16 {
    let magnitude = value.abs();
    let bits = match magnitude {
        _ if magnitude.is_nan() => 0x7fc0,
        f64::INFINITY => 0x7f80,
        _ => nearest_bf16(magnitude, |threshold| magnitude.total_cmp(&threshold)),
    };
    bits | (u16::from(value.is_sign_negative()) << 15)
}

/// bfloat16 bits of an integer, rounded once.
pub(crate) fn bf16_of_integer(value: i128) -> u16 {
    let magnitude = value.unsigned_abs();
    // Thresholds of magnitudes above 2^9 are integers; smaller integers are exact or compare as floats.
    let bits = nearest_bf16(magnitude as f64, |threshold| {
        if magnitude < 1 << 20 { (magnitude as f64).total_cmp(&threshold) } else { magnitude.cmp(&(threshold as u128)) }
    });
    bits | (u16::from(value < 0) << 15)
}
