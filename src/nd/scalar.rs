//! One value outside any array: a Python-like weak literal, or a typed element.

use crate::nd::{DType, dtype::DTypeFamily};
use half::{bf16, f16};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    hash::{Hash, Hasher},
};

/// A literal whose dtype gives way to the array it meets (NumPy 2's weak scalars).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Scalar {
    /// `True`, `False`.
    Bool(bool),
    /// An integer literal.
    Int(i128),
    /// A float literal.
    Float(#[serde(with = "float_bits")] f64),
}

/// Floats travel as bits: JSON has no NaN and no infinity, and a plan must come back with the same bits.
mod float_bits {
    use serde::{Deserialize, Deserializer, Serializer};
    pub fn serialize<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.to_bits())
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        Ok(f64::from_bits(u64::deserialize(from)?))
    }
}

impl Scalar {
    /// The family of the literal.
    #[must_use]
    pub fn family(self) -> DTypeFamily {
        match self {
            Scalar::Bool(_) => DTypeFamily::Bool,
            Scalar::Int(_) => DTypeFamily::Integer,
            Scalar::Float(_) => DTypeFamily::Float,
        }
    }

    /// The dtype the literal has when it meets no array: `bool`, `i64`, `f64`; `u64` for integers that only it holds.
    #[must_use]
    pub fn default_dtype(self) -> DType {
        match self {
            Scalar::Bool(_) => DType::Bool,
            Scalar::Int(value) if i64::try_from(value).is_err() && u64::try_from(value).is_ok() => DType::U64,
            Scalar::Int(_) => DType::I64,
            Scalar::Float(_) => DType::F64,
        }
    }

    /// What to try where an integer literal does not fit the dtype of `what`. Digits are lost only where no integer dtype holds them.
    #[must_use]
    pub fn unfit_hint(self, what: &str) -> String {
        match (self.fits(DType::I64), self.fits(DType::U64)) {
            (true, _) => format!("cast {what} to a wider dtype first"),
            (false, true) => format!("cast {what} to u64 first"),
            _ => "no integer dtype holds it; a float, as in `1e20`, has 53 bits of it".to_string(),
        }
    }

    /// The dtype of an operation of this literal with an array of `dtype`: the array's own, unless the literal is of a higher family.
    #[must_use]
    pub fn weak_dtype(self, dtype: DType) -> DType {
        if self.family() <= dtype.family() { dtype } else { self.default_dtype() }
    }

    /// Whether an integer literal can be held by integer `dtype` (floats and bools always can be converted).
    #[must_use]
    pub fn fits(self, dtype: DType) -> bool {
        let Scalar::Int(value) = self else { return true };
        match dtype {
            DType::I8 => i8::try_from(value).is_ok(),
            DType::I16 => i16::try_from(value).is_ok(),
            DType::I32 => i32::try_from(value).is_ok(),
            DType::I64 => i64::try_from(value).is_ok(),
            DType::U8 => u8::try_from(value).is_ok(),
            DType::U16 => u16::try_from(value).is_ok(),
            DType::U32 => u32::try_from(value).is_ok(),
            DType::U64 => u64::try_from(value).is_ok(),
            _ => true,
        }
    }

    /// The value as `f64`, rounded once.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "rounding to nearest is what is asked for")]
    pub fn to_f64(self) -> f64 {
        match self {
            Scalar::Bool(value) => f64::from(u8::from(value)),
            Scalar::Int(value) => value as f64,
            Scalar::Float(value) => value,
        }
    }

    /// The value as an integer, truncated toward zero; floats outside the range saturate.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "truncation is what is asked for")]
    pub fn to_i128(self) -> i128 {
        match self {
            Scalar::Bool(value) => i128::from(value),
            Scalar::Int(value) => value,
            Scalar::Float(value) => value as i128,
        }
    }

    /// Native-order bytes of the value as `dtype`; integers wrap. Call [`Scalar::fits`] first where wrapping is wrong.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "conversion is the purpose")]
    pub fn to_bytes(self, dtype: DType) -> Vec<u8> {
        let (int, float) = (self.to_i128(), self.to_f64());
        match dtype {
            DType::Bool => vec![u8::from(float != 0.0)],
            DType::I8 => (int as i8).to_ne_bytes().to_vec(),
            DType::I16 => (int as i16).to_ne_bytes().to_vec(),
            DType::I32 => (int as i32).to_ne_bytes().to_vec(),
            DType::I64 => (int as i64).to_ne_bytes().to_vec(),
            DType::U8 => vec![int as u8],
            DType::U16 => (int as u16).to_ne_bytes().to_vec(),
            DType::U32 => (int as u32).to_ne_bytes().to_vec(),
            DType::U64 => (int as u64).to_ne_bytes().to_vec(),
            DType::F16 => f16::from_f32(f64_to_f32_odd(float)).to_ne_bytes().to_vec(),
            DType::BF16 => bf16::from_f32(f64_to_f32_odd(float)).to_ne_bytes().to_vec(),
            DType::F32 => (float as f32).to_ne_bytes().to_vec(),
            DType::F64 => float.to_ne_bytes().to_vec(),
        }
    }
}

/// `value` rounded to odd: rounding the result again to 22 bits or fewer gives what one rounding would. (`half` drops the low 32 bits
/// of a double before it rounds, or rounds twice, by what the CPU has.)
#[inline(always)]
pub(crate) fn f64_to_f32_odd(value: f64) -> f32 {
    let nearest = value as f32;
    let back = f64::from(nearest);
    let away = u32::from(back.abs() > value.abs());
    let inexact = u32::from(back != value);
    f32::from_bits((nearest.to_bits() - away) | inexact)
}

impl PartialEq for Scalar {
    /// Bitwise for floats, so that equal scalars are interchangeable in a graph.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Scalar::Bool(a), Scalar::Bool(b)) => a == b,
            (Scalar::Int(a), Scalar::Int(b)) => a == b,
            (Scalar::Float(a), Scalar::Float(b)) => a.to_bits() == b.to_bits(),
            _ => false,
        }
    }
}
impl Eq for Scalar {}
impl Hash for Scalar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Scalar::Bool(value) => (0u8, value).hash(state),
            Scalar::Int(value) => (1u8, value).hash(state),
            Scalar::Float(value) => (2u8, value.to_bits()).hash(state),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Bool(value) => write!(f, "{value}"),
            Scalar::Int(value) => write!(f, "{value}"),
            Scalar::Float(value) => write!(f, "{value:?}"),
        }
    }
}

macro_rules! from_int { ($($t:ty),*) => {$(impl From<$t> for Scalar { fn from(value: $t) -> Self { Scalar::Int(i128::from(value)) } })*}; }
from_int!(i8, i16, i32, i64, u8, u16, u32, u64);
impl From<usize> for Scalar {
    fn from(value: usize) -> Self {
        Scalar::Int(value as i128)
    }
}
impl From<bool> for Scalar {
    fn from(value: bool) -> Self {
        Scalar::Bool(value)
    }
}
impl From<f32> for Scalar {
    fn from(value: f32) -> Self {
        Scalar::Float(f64::from(value))
    }
}
impl From<f64> for Scalar {
    fn from(value: f64) -> Self {
        Scalar::Float(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_beside_a_tie_are_rounded_once() {
        let bytes = |value: f64, dtype| Scalar::Float(value).to_bytes(dtype);
        let tie = 1.0 + 2f64.powi(-8);
        let beside = f64::from_bits(tie.to_bits() + 1);
        assert_eq!(bytes(tie, DType::BF16), bf16::from_f32(1.0).to_ne_bytes());
        assert_eq!(bytes(beside, DType::BF16), bf16::from_f32(1.0 + 2f32.powi(-7)).to_ne_bytes());
        let tie = 1.0 + 2f64.powi(-11);
        let beside = f64::from_bits(tie.to_bits() + 1);
        assert_eq!(bytes(tie, DType::F16), f16::from_f32(1.0).to_ne_bytes());
        assert_eq!(bytes(beside, DType::F16), f16::from_f32(1.0 + 2f32.powi(-10)).to_ne_bytes());
        assert_eq!(bytes(-2f64.powi(-25) * 1.5, DType::F16), f16::from_bits(0x8001).to_ne_bytes());
        assert_eq!(bytes(65_519.999_999_999, DType::F16), f16::MAX.to_ne_bytes());
        assert_eq!(bytes(f64::INFINITY, DType::BF16), bf16::INFINITY.to_ne_bytes());
        assert!(f64_to_f32_odd(f64::NAN).is_nan());
    }
}
