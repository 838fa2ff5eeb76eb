//! Naive versions, one element at a time: what the kernels are tested against.

mod narrow;
mod neighbour;

pub(crate) use narrow::{bf16_of_f64, bf16_of_integer};

use crate::kernel::{
    math,
    program::{BinaryOp, UnaryOp},
};
use crate::nd::{DType, Scalar};
use half::{bf16, f16};
use neighbour::neighbour;

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

/// Elements of which none is huge, so that whole chunks take the shorter way of a function that has one.
pub(crate) fn tame_elements(dtype: DType, count: usize, bits: &mut Bits) -> Vec<u8> {
    if !dtype.is_float() {
        return elements(dtype, count, bits);
    }
    (0..count).flat_map(|_| Scalar::Float(bits.below(200_000) as f64 / 4096.0 - 24.0).to_bytes(dtype)).collect()
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
    let value = get(dtype, a);
    let asked = match value {
        Value::Int(value) => match op {
            UnaryOp::LogicalNot => Some(value == 0),
            UnaryOp::IsNan | UnaryOp::IsInf => Some(false),
            UnaryOp::IsFinite => Some(true),
            _ => None,
        },
        Value::F32(value) => question(op, f64::from(value)),
        Value::F64(value) => question(op, value),
    };
    if let Some(truth) = asked {
        return Some(vec![u8::from(truth)]);
    }
    let value = match value {
        Value::Int(value) => Value::Int(integer_unary(op, dtype, value)?),
        Value::F32(value) => Value::F32(float32_unary(op, value)?),
        Value::F64(value) => Value::F64(float64_unary(op, value)?),
    };
    Some(put(op.result(dtype), value))
}

fn question(op: UnaryOp, value: f64) -> Option<bool> {
    Some(match op {
        UnaryOp::LogicalNot => value == 0.0,
        UnaryOp::IsNan => value.is_nan(),
        UnaryOp::IsInf => value.is_infinite(),
        UnaryOp::IsFinite => value.is_finite(),
        UnaryOp::Signbit => value.is_sign_negative(),
        _ => return None,
    })
}

fn integer_unary(op: UnaryOp, dtype: DType, value: i128) -> Option<i128> {
    Some(match op {
        UnaryOp::Invert if dtype == DType::Bool => 1 - value,
        UnaryOp::Negative | UnaryOp::Sign | UnaryOp::BitwiseCount if dtype == DType::Bool => return None,
        UnaryOp::Negative => -value,
        UnaryOp::Absolute => value.abs(),
        UnaryOp::Square => value.wrapping_mul(value),
        UnaryOp::Sign => value.signum(),
        UnaryOp::Invert => !value,
        UnaryOp::BitwiseCount => value.unsigned_abs().count_ones().into(),
        _ => return None,
    })
}

macro_rules! float_unary {
    ($name:ident, $t:ty; $($op:ident $function:ident)*) => {
        fn $name(op: UnaryOp, a: $t) -> Option<$t> {
            Some(match op {
                UnaryOp::Negative => -a,
                UnaryOp::Absolute => a.abs(),
                UnaryOp::Square => a * a,
                UnaryOp::Sqrt => a.sqrt(),
                UnaryOp::Sign if a == 0.0 || a.is_nan() => a.abs(),
                UnaryOp::Sign => a.signum(),
                UnaryOp::Rint => a.round_ties_even(),
                UnaryOp::Floor => a.floor(),
                UnaryOp::Ceil => a.ceil(),
                UnaryOp::Trunc => a.trunc(),
                $(UnaryOp::$op => math::$function(a),)*
                _ => return None,
            })
        }
    };
}
#[rustfmt::skip]
float_unary!(float32_unary, f32; Exp exp_f32 Exp2 exp2_f32 Expm1 expm1_f32 Log log_f32 Log2 log2_f32 Log10 log10_f32 Log1p log1p_f32 Cbrt cbrt_f32 Sin sin_f32 Cos cos_f32 Tan tan_f32 Asin asin_f32 Acos acos_f32 Atan atan_f32 Sinh sinh_f32 Cosh cosh_f32 Tanh tanh_f32 Asinh asinh_f32 Acosh acosh_f32 Atanh atanh_f32 Sigmoid sigmoid_f32 Softplus softplus_f32 Gelu gelu_f32 Silu silu_f32 Erf erf_f32 Erfc erfc_f32);
#[rustfmt::skip]
float_unary!(float64_unary, f64; Exp exp_f64 Exp2 exp2_f64 Expm1 expm1_f64 Log log_f64 Log2 log2_f64 Log10 log10_f64 Log1p log1p_f64 Cbrt cbrt_f64 Sin sin_f64 Cos cos_f64 Tan tan_f64 Asin asin_f64 Acos acos_f64 Atan atan_f64 Sinh sinh_f64 Cosh cosh_f64 Tanh tanh_f64 Asinh asinh_f64 Acosh acosh_f64 Atanh atanh_f64 Sigmoid sigmoid_f64 Softplus softplus_f64 Gelu gelu_f64 Silu silu_f64 Erf erf_f64 Erfc erfc_f64);

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
    if let (Some(bits), Value::F32(_) | Value::F64(_)) = (neighbour(op, dtype, a, b), a) {
        return Some(bits);
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
        BinaryOp::Multiply | BinaryOp::Minimum | BinaryOp::BitwiseAnd if bool => a & b,
        BinaryOp::Maximum | BinaryOp::BitwiseOr if bool => a | b,
        BinaryOp::BitwiseXor if bool => a ^ b,
        _ if bool => return None,
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
        BinaryOp::Fmod if b == 0 => 0,
        BinaryOp::Fmod => a % b,
        BinaryOp::Gcd => euclid(a.abs(), b.abs()),
        BinaryOp::Lcm if a == 0 || b == 0 => 0,
        BinaryOp::Lcm => (a.abs() / euclid(a.abs(), b.abs())).wrapping_mul(b.abs()),
        BinaryOp::LeftShift | BinaryOp::RightShift => shifted(op, 8 * dtype.size() as i128, a, b),
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

fn euclid(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { euclid(b, a % b) }
}

fn shifted(op: BinaryOp, width: i128, a: i128, b: i128) -> i128 {
    let inside = (0..width).contains(&b);
    match op {
        BinaryOp::LeftShift if inside => a << b,
        BinaryOp::LeftShift => 0,
        _ if inside => a >> b,
        _ => a >> 127,
    }
}

fn num_integer_floor(a: i128, b: i128) -> i128 {
    let quotient = a / b;
    if a % b != 0 && (a < 0) != (b < 0) { quotient - 1 } else { quotient }
}

macro_rules! floats {
    ($name:ident, $t:ty, $($math:ident $function:ident)*) => {
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
                $(BinaryOp::$math => math::$function(a, b),)*
                BinaryOp::Fmin | BinaryOp::Fmax if a.is_nan() => b,
                BinaryOp::Fmin | BinaryOp::Fmax if b.is_nan() => a,
                BinaryOp::Fmin => pick(true),
                BinaryOp::Fmax => pick(false),
                BinaryOp::Fmod => a % b,
                BinaryOp::Copysign => a.abs() * <$t>::copysign(1.0, b),
                BinaryOp::Heaviside if a.is_nan() => a,
                BinaryOp::Heaviside if a == 0.0 => b,
                BinaryOp::Heaviside => <$t>::from(u8::from(a > 0.0)),
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
floats!(float32, f32, Power power_f32 Hypot hypot_f32 Atan2 atan2_f32 Logaddexp logaddexp_f32 Logaddexp2 logaddexp2_f32);
floats!(float64, f64, Power power_f64 Hypot hypot_f64 Atan2 atan2_f64 Logaddexp logaddexp_f64 Logaddexp2 logaddexp2_f64);
