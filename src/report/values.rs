//! Values of an array as decimal text: the shortest digits that read back as the same bits.

use crate::nd::{DType, Element};
use half::{bf16, f16};

/// The elements of an array: C order, native byte order.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// Dtype of the elements.
    pub dtype: DType,
    /// Shape.
    pub shape: &'a [usize],
    /// Bytes of the elements.
    pub bytes: &'a [u8],
}

/// One element, ready to be printed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Bool(bool),
    Int(i128),
    Float(Decimal),
}

/// The shortest decimal of a float: `d.ddd * 10^exponent`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Decimal {
    /// The value, widened.
    pub value: f64,
    /// Whether the sign is minus (minus zero has one).
    pub negative: bool,
    /// Significant digits without a point; empty for NaN and infinities.
    pub digits: String,
    /// Power of ten of the first digit.
    pub exponent: i32,
}

impl Values<'_> {
    /// Number of elements.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The element at `index` in C order.
    pub(super) fn value(&self, index: usize) -> Value {
        let size = self.dtype.size();
        let bytes = &self.bytes[index * size..(index + 1) * size];
        match self.dtype {
            DType::Bool => Value::Bool(bool::from_bytes(bytes)),
            DType::I8 => Value::Int(i8::from_bytes(bytes).into()),
            DType::I16 => Value::Int(i16::from_bytes(bytes).into()),
            DType::I32 => Value::Int(i32::from_bytes(bytes).into()),
            DType::I64 => Value::Int(i64::from_bytes(bytes).into()),
            DType::U8 => Value::Int(u8::from_bytes(bytes).into()),
            DType::U16 => Value::Int(u16::from_bytes(bytes).into()),
            DType::U32 => Value::Int(u32::from_bytes(bytes).into()),
            DType::U64 => Value::Int(u64::from_bytes(bytes).into()),
            DType::F16 => {
                let value = f16::from_bytes(bytes);
                Value::Float(Decimal::of_half(value.to_f32(), |read| f16::from_f32(read) == value))
            }
            DType::BF16 => {
                let value = bf16::from_bytes(bytes);
                Value::Float(Decimal::of_half(value.to_f32(), |read| bf16::from_f32(read) == value))
            }
            DType::F32 => {
                let value = f32::from_bytes(bytes);
                Value::Float(Decimal::from_scientific(value.into(), &format!("{value:e}")))
            }
            DType::F64 => Value::Float(Decimal::of_f64(f64::from_bytes(bytes))),
        }
    }
}

impl Decimal {
    /// The decimal of an `f64`.
    pub fn of_f64(value: f64) -> Self {
        Self::from_scientific(value, &format!("{value:e}"))
    }

    /// The decimal of a 16-bit float: the fewest digits for which `same` says that they read back as the same value.
    fn of_half(value: f32, same: impl Fn(f32) -> bool) -> Self {
        // Five digits tell all f16 apart, four all bf16; NaN is never `same`, and its digits do not matter.
        let shortest = (0..9).map(|digits| format!("{value:.digits$e}")).find(|text| text.parse().is_ok_and(&same));
        Self::from_scientific(value.into(), &shortest.unwrap_or_else(|| format!("{value:e}")))
    }

    fn from_scientific(value: f64, text: &str) -> Self {
        let negative = value.is_sign_negative() && !value.is_nan();
        let (mantissa, exponent) = text.trim_start_matches('-').split_once('e').unwrap_or(("", "0"));
        let all: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        let kept = all.trim_end_matches('0');
        let digits = if kept.is_empty() && !all.is_empty() { "0" } else { kept };
        Decimal { value, negative, digits: digits.to_string(), exponent: exponent.parse().unwrap_or(0) }
    }

    /// The parts before and after the point, without sign.
    pub fn positional(&self) -> (String, String) {
        let split = self.exponent + 1;
        if split <= 0 {
            return ("0".to_string(), format!("{}{}", "0".repeat(split.unsigned_abs() as usize), self.digits));
        }
        let split = split.unsigned_abs() as usize;
        if self.digits.len() <= split {
            return (format!("{}{}", self.digits, "0".repeat(split - self.digits.len())), String::new());
        }
        (self.digits[..split].to_string(), self.digits[split..].to_string())
    }

    /// `e+16`, `e-05`: at least two digits, as NumPy and Python print them.
    pub fn exponent_text(&self) -> String {
        format!("e{}{:02}", if self.exponent < 0 { '-' } else { '+' }, self.exponent.unsigned_abs())
    }

    /// The value alone, as Python prints a float: `1.0`, `0.001`, `1e+16`, `nan`, `-inf`.
    pub fn alone(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        if !self.value.is_finite() {
            return format!("{sign}{}", if self.value.is_nan() { "nan" } else { "inf" });
        }
        if self.digits == "0" || (-4..16).contains(&self.exponent) {
            let (whole, fraction) = self.positional();
            return format!("{sign}{whole}.{}", if fraction.is_empty() { "0" } else { &fraction });
        }
        let point = if self.digits.len() > 1 { "." } else { "" };
        format!("{sign}{}{point}{}{}", &self.digits[..1], &self.digits[1..], self.exponent_text())
    }
}

impl Value {
    /// The value alone, as Python prints it.
    pub fn alone(&self) -> String {
        match self {
            Value::Bool(true) => "True".to_string(),
            Value::Bool(false) => "False".to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(decimal) => decimal.alone(),
        }
    }

    /// The value as JSON; NaN and infinities, which JSON does not have, as strings.
    fn json(&self) -> String {
        match self {
            Value::Bool(value) => value.to_string(),
            Value::Float(decimal) if decimal.value.is_nan() => "\"NaN\"".to_string(),
            Value::Float(decimal) if decimal.value.is_infinite() => {
                if decimal.negative { "\"-Infinity\"" } else { "\"Infinity\"" }.to_string()
            }
            other => other.alone(),
        }
    }
}

/// `{"schema":"outcore.value/1","dtype":…,"shape":[…],"data":[…]}`: flat, C order, on one line.
#[must_use]
pub fn value_json(values: &Values<'_>) -> String {
    let shape: Vec<String> = values.shape.iter().map(ToString::to_string).collect();
    let data: Vec<String> = (0..values.count()).map(|index| values.value(index).json()).collect();
    format!(
        "{{\"schema\":\"outcore.value/1\",\"dtype\":\"{}\",\"shape\":[{}],\"data\":[{}]}}",
        values.dtype,
        shape.join(","),
        data.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_alone_are_printed_as_python_prints_them() {
        let cases = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1.5e-4, "0.00015"),
            (1.5e-5, "1.5e-05"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.25e300, "1.25e+300"),
            (f64::NAN, "nan"),
            (f64::NEG_INFINITY, "-inf"),
            (123_456.789, "123456.789"),
        ];
        for (value, text) in cases {
            assert_eq!(Decimal::of_f64(value).alone(), text);
        }
    }

    #[test]
    fn narrow_floats_have_the_fewest_digits_that_read_back() {
        let text = |dtype, bytes: &[u8]| Values { dtype, shape: &[], bytes }.value(0).alone();
        assert_eq!(text(DType::F32, &0.1f32.to_ne_bytes()), "0.1");
        assert_eq!(text(DType::F16, &f16::from_f32(0.1).to_ne_bytes()), "0.1");
        assert_eq!(text(DType::F16, &f16::MAX.to_ne_bytes()), "65500.0");
        assert_eq!(text(DType::BF16, &bf16::from_f32(3.140_625).to_ne_bytes()), "3.14");
        assert_eq!(text(DType::F16, &f16::NAN.to_ne_bytes()), "nan");
        for bits in 0..=u16::MAX {
            let value = f16::from_bits(bits);
            if value.is_finite() {
                let read: f32 = text(DType::F16, &value.to_ne_bytes()).parse().unwrap();
                assert_eq!(f16::from_f32(read).to_bits(), bits);
            }
        }
    }

    #[test]
    fn json_keeps_what_json_cannot_say() {
        let bytes: Vec<u8> = [1.5f32, f32::NAN, f32::INFINITY, -1e30].iter().flat_map(|v| v.to_ne_bytes()).collect();
        let text = value_json(&Values { dtype: DType::F32, shape: &[2, 2], bytes: &bytes });
        assert_eq!(text, r#"{"schema":"outcore.value/1","dtype":"f32","shape":[2,2],"data":[1.5,"NaN","Infinity",-1e+30]}"#);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        let empty = value_json(&Values { dtype: DType::Bool, shape: &[0], bytes: &[] });
        assert_eq!(empty, r#"{"schema":"outcore.value/1","dtype":"bool","shape":[0],"data":[]}"#);
    }
}
