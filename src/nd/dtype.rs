//! Element types and NumPy 2 promotion.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The type of an array's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum DType {
    Bool,
    I8,
    I16,
    I32,
    I64,
    U8,
    U16,
    U32,
    U64,
    F16,
    BF16,
    F32,
    F64,
}

/// The family a dtype belongs to; promotion never leaves a higher family for a lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DTypeFamily {
    /// `bool`.
    Bool,
    /// Signed and unsigned integers.
    Integer,
    /// Binary floating point.
    Float,
}

impl DType {
    /// Every dtype, in declaration order.
    pub const ALL: [DType; 13] = [
        DType::Bool,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::U8,
        DType::U16,
        DType::U32,
        DType::U64,
        DType::F16,
        DType::BF16,
        DType::F32,
        DType::F64,
    ];

    /// Bytes of one element.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            DType::Bool | DType::I8 | DType::U8 => 1,
            DType::I16 | DType::U16 | DType::F16 | DType::BF16 => 2,
            DType::I32 | DType::U32 | DType::F32 => 4,
            DType::I64 | DType::U64 | DType::F64 => 8,
        }
    }

    /// Short name, as the command line prints it: `f32`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::U8 => "u8",
            DType::U16 => "u16",
            DType::U32 => "u32",
            DType::U64 => "u64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::F32 => "f32",
            DType::F64 => "f64",
        }
    }

    /// NumPy's name: `float32`.
    #[must_use]
    pub const fn numpy_name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::I8 => "int8",
            DType::I16 => "int16",
            DType::I32 => "int32",
            DType::I64 => "int64",
            DType::U8 => "uint8",
            DType::U16 => "uint16",
            DType::U32 => "uint32",
            DType::U64 => "uint64",
            DType::F16 => "float16",
            DType::BF16 => "bfloat16",
            DType::F32 => "float32",
            DType::F64 => "float64",
        }
    }

    /// The family of this dtype.
    #[must_use]
    pub const fn family(self) -> DTypeFamily {
        match self {
            DType::Bool => DTypeFamily::Bool,
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => DTypeFamily::Float,
            _ => DTypeFamily::Integer,
        }
    }

    /// Whether this is `f16`, `bf16`, `f32` or `f64`.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self.family(), DTypeFamily::Float)
    }

    /// Whether this is an integer dtype (`bool` is not).
    #[must_use]
    pub const fn is_integer(self) -> bool {
        matches!(self.family(), DTypeFamily::Integer)
    }

    /// Whether this is an unsigned integer.
    #[must_use]
    pub const fn is_unsigned(self) -> bool {
        matches!(self, DType::U8 | DType::U16 | DType::U32 | DType::U64)
    }

    /// The dtype that holds both operands, by NumPy 2's table (`bf16` follows `f16`'s row; the two together give `f32`).
    #[must_use]
    pub fn promote(self, other: DType) -> DType {
        if self == other {
            return self;
        }
        let (low, high) = if self.family() <= other.family() { (self, other) } else { (other, self) };
        match (low.family(), high.family()) {
            (DTypeFamily::Bool, _) => high,
            (DTypeFamily::Integer, DTypeFamily::Integer) => promote_integers(low, high),
            (DTypeFamily::Integer, _) => match (low.size(), high) {
                (1, _) => high,
                (2, DType::F16 | DType::BF16) => DType::F32,
                (2, _) => high,
                _ => DType::F64,
            },
            _ if low.size() == high.size() => DType::F32, // f16 with bf16
            _ if low.size() > high.size() => low,
            _ => high,
        }
    }

    /// The dtype of `mean`, `sqrt`, `/` and the like on this dtype: floats stay, small integers give
    /// `f16`/`f32` as NumPy's ufuncs do, the others `f64`.
    #[must_use]
    pub const fn to_float(self) -> DType {
        match self {
            DType::Bool | DType::I8 | DType::U8 => DType::F16,
            DType::I16 | DType::U16 => DType::F32,
            DType::I32 | DType::U32 | DType::I64 | DType::U64 => DType::F64,
            float => float,
        }
    }
}

fn promote_integers(a: DType, b: DType) -> DType {
    if a.is_unsigned() == b.is_unsigned() {
        return if a.size() > b.size() { a } else { b };
    }
    let (unsigned, signed) = if a.is_unsigned() { (a, b) } else { (b, a) };
    if signed.size() > unsigned.size() {
        return signed;
    }
    match unsigned {
        DType::U8 => DType::I16,
        DType::U16 => DType::I32,
        DType::U32 => DType::I64,
        _ => DType::F64,
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for DType {
    type Err = Error;

    /// Accepts `f32`, `float32`, `<f4`, `|u1`, `?`. A `>` prefix names the same dtype; byte order is the file's business.
    fn from_str(text: &str) -> Result<DType> {
        let bare = text.trim().trim_matches(|c| c == '\'' || c == '"');
        if let Some(found) = DType::ALL.iter().find(|dtype| dtype.name() == bare || dtype.numpy_name() == bare) {
            return Ok(*found);
        }
        let code = bare.trim_start_matches(['<', '>', '|', '=']);
        Ok(match code {
            "b1" | "?" | "bool_" => DType::Bool,
            "i1" => DType::I8,
            "i2" => DType::I16,
            "i4" => DType::I32,
            "i8" => DType::I64,
            "u1" => DType::U8,
            "u2" => DType::U16,
            "u4" => DType::U32,
            "u8" => DType::U64,
            "f2" | "half" => DType::F16,
            "f4" | "single" => DType::F32,
            "f8" | "double" | "float" => DType::F64,
            "int" => DType::I64,
            _ => return Err(Error::usage(format!("unknown dtype `{bare}`")).hint("one of bool, i8..i64, u8..u64, f16, bf16, f32, f64")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promotion_follows_numpy() {
        let cases = [
            (DType::Bool, DType::I8, DType::I8),
            (DType::U8, DType::I8, DType::I16),
            (DType::U32, DType::I32, DType::I64),
            (DType::U64, DType::I8, DType::F64),
            (DType::I8, DType::F16, DType::F16),
            (DType::I16, DType::F16, DType::F32),
            (DType::I16, DType::BF16, DType::F32),
            (DType::I32, DType::F32, DType::F64),
            (DType::I64, DType::F16, DType::F64),
            (DType::F16, DType::BF16, DType::F32),
            (DType::F32, DType::F64, DType::F64),
            (DType::I64, DType::U8, DType::I64),
        ];
        for (a, b, want) in cases {
            assert_eq!(a.promote(b), want, "{a} with {b}");
            assert_eq!(b.promote(a), want, "{b} with {a}");
        }
    }

    #[test]
    fn names_round_trip_and_codes_parse() {
        for dtype in DType::ALL {
            assert_eq!(dtype.name().parse::<DType>().unwrap(), dtype);
            assert_eq!(dtype.numpy_name().parse::<DType>().unwrap(), dtype);
        }
        assert_eq!("'<f4'".parse::<DType>().unwrap(), DType::F32);
        // `u8` is the eight-bit integer here; NumPy's eight-byte code needs its byte order mark.
        assert_eq!("u8".parse::<DType>().unwrap(), DType::U8);
        assert!("object".parse::<DType>().is_err());
    }
}
