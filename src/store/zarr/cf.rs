//! What CF attributes say of packed values: `scale_factor`, `add_offset`, `_FillValue`, `missing_value`.

use super::metadata::brief;
use crate::{
    error::{Error, Result},
    nd::{DType, Scalar},
};
use serde_json::{Map, Value};

/// How stored values become the values they stand for, as xarray decodes them:
/// `NaN` where a value is one of `missing`, else `value * scale + offset`.
#[derive(Clone, Debug, PartialEq)]
pub struct CfPacking {
    /// Dtype of the decoded values.
    pub dtype: DType,
    /// Stored values that stand for none; each fits the stored dtype, and none is NaN.
    pub missing: Vec<Scalar>,
    /// Factor of the stored values.
    pub scale: Option<f64>,
    /// What is added after that.
    pub offset: Option<f64>,
}

/// The attributes by which packed values are decoded; they do not describe the decoded ones.
pub(super) const PACKING: [&str; 5] = ["scale_factor", "add_offset", "_FillValue", "missing_value", "_Unsigned"];

/// What the attribute `_FillValue` has to say where only the fill value of a v2 array said it.
pub(super) fn missing_of_fill(attributes: &Map<String, Value>, fill: Option<&Value>) -> Option<Value> {
    let has = |name: &str| attributes.contains_key(name);
    let counts = (has("scale_factor") || has("add_offset")) && !has("_FillValue") && !has("missing_value");
    fill.filter(|_| counts).cloned()
}

/// `_FillValue` as each version of the format writes it: xarray wants floats of v3 arrays as the eight bytes of a double in base64.
pub(super) fn fill_attribute(value: &Value, dtype: DType, is_v3: bool) -> Value {
    match value {
        _ if !dtype.is_float() => value.clone(),
        Value::Number(number) if is_v3 => number.as_f64().map_or_else(|| value.clone(), |number| to_base64(&number.to_le_bytes()).into()),
        Value::String(text) if is_v3 && matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => {
            let number = text.parse::<f64>();
            number.map_or_else(|_| value.clone(), |number| to_base64(&number.to_le_bytes()).into())
        }
        Value::String(text) if !is_v3 => {
            let number = base64(text).and_then(|bytes| Some(f64::from_le_bytes(bytes.try_into().ok()?)));
            number.map_or_else(|| value.clone(), |number| serde_json::Number::from_f64(number).map_or_else(|| word(number), Value::Number))
        }
        _ => value.clone(),
    }
}

/// The word for a number that JSON does not have.
fn word(number: f64) -> Value {
    match number {
        infinite if infinite.is_infinite() => if infinite > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        _ => "NaN".into(),
    }
}

/// Reads the attributes of an array of `dtype`; `None` if they say nothing about its values. `fill` is what a v2 array says of itself:
/// of a packed array it stands for no value, as if it were an attribute.
pub(super) fn packing(attributes: &Map<String, Value>, dtype: DType, fill: Option<&Value>) -> Result<Option<CfPacking>> {
    let (scale, offset) = (number(attributes, "scale_factor")?, number(attributes, "add_offset")?);
    if dtype == DType::Bool {
        return Ok(None);
    }
    let mut missing = Vec::new();
    for key in ["_FillValue", "missing_value"] {
        match attributes.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::Array(list)) => list.iter().for_each(|value| missing.extend(stored(value, dtype))),
            Some(value) => missing.extend(stored(value, dtype)),
        }
    }
    if (scale.is_some() || offset.is_some()) && missing.is_empty() {
        missing.extend(fill.and_then(|value| stored(value, dtype)));
    }
    missing.dedup();
    if scale.is_none() && offset.is_none() && missing.is_empty() {
        return Ok(None);
    }
    if attributes.get("_Unsigned").and_then(Value::as_str) == Some("true") && dtype.is_integer() && !dtype.is_unsigned() {
        return Err(Error::data("the attribute `_Unsigned` is not supported").hint("`?cf=off` reads the stored values"));
    }
    Ok(Some(CfPacking { dtype: decoded(dtype, offset), missing, scale, offset }))
}

/// xarray's choice: the smallest float that holds the stored values, and `f64` where an offset is added.
fn decoded(dtype: DType, offset: Option<f64>) -> DType {
    match dtype {
        _ if offset.is_some() => DType::F64,
        DType::I8 | DType::U8 | DType::I16 | DType::U16 | DType::F16 | DType::BF16 | DType::F32 => DType::F32,
        _ => DType::F64,
    }
}

fn number(attributes: &Map<String, Value>, key: &str) -> Result<Option<f64>> {
    // Some writers make lists of one.
    let value = match attributes.get(key) {
        Some(Value::Array(list)) if list.len() == 1 => list.first(),
        other => other,
    };
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(Error::data(format!("the attribute `{key}` is {}, not a number", brief(value)))
                    .hint("`?cf=off` reads the stored values")),
            }
        }
    }
}

/// A value as the array stores it; `None` if it stores no such, or NaN, which stays what it is.
fn stored(value: &Value, dtype: DType) -> Option<Scalar> {
    let scalar = match value {
        Value::Number(number) => match number.as_i64() {
            Some(value) if !dtype.is_float() => Scalar::Int(i128::from(value)),
            _ => match number.as_u64() {
                Some(value) if !dtype.is_float() => Scalar::Int(i128::from(value)),
                _ => Scalar::Float(number.as_f64()?),
            },
        },
        // xarray writes floats of v3 arrays as the eight bytes of a double.
        Value::String(text) if dtype.is_float() => Scalar::Float(f64::from_le_bytes(base64(text)?.try_into().ok()?)),
        _ => return None,
    };
    let scalar = match scalar {
        Scalar::Float(value) if !dtype.is_float() => Scalar::Int((value.fract() == 0.0 && value.abs() < 1e18).then_some(value as i128)?),
        other => other,
    };
    (scalar.fits(dtype) && !scalar.to_f64().is_nan()).then_some(scalar)
}

fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        bits = bits << 6 | LETTERS.iter().position(|&known| known == letter)? as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, dtype: DType) -> Option<CfPacking> {
        packing(serde_json::from_str::<Value>(text).unwrap().as_object().unwrap(), dtype, Some(&Value::from(7))).unwrap()
    }

    #[test]
    fn fill_attributes_change_with_the_version() {
        let there = fill_attribute(&serde_json::json!(-999.0), DType::F32, true);
        assert_eq!(there, "AAAAAAA4j8A=");
        assert_eq!(fill_attribute(&there, DType::F32, false), serde_json::json!(-999.0));
        assert_eq!(fill_attribute(&"NaN".into(), DType::F32, true), "AAAAAAAA+H8=");
        assert_eq!(fill_attribute(&"AAAAAAAA+H8=".into(), DType::F32, false), "NaN");
        for word in ["Infinity", "-Infinity"] {
            let there = fill_attribute(&word.into(), DType::F32, true);
            assert_eq!(there, to_base64(&if word == "Infinity" { f64::INFINITY } else { f64::NEG_INFINITY }.to_le_bytes()));
            assert_eq!(fill_attribute(&there, DType::F32, false), word);
        }
        assert_eq!(fill_attribute(&serde_json::json!(-1), DType::I16, true), serde_json::json!(-1));
        assert_eq!((to_base64(b"a"), to_base64(b"ab"), to_base64(b"abc")), ("YQ==".into(), "YWI=".into(), "YWJj".into()));
    }

    #[test]
    fn attributes_become_a_packing() {
        assert_eq!(of(r#"{"units": "m", "_FillValue": "what"}"#, DType::I16), None);
        let packed =
            of(r#"{"scale_factor": 0.5, "add_offset": 10, "_FillValue": -999, "missing_value": [-998, 70000]}"#, DType::I16).unwrap();
        assert_eq!((packed.dtype, packed.scale, packed.offset), (DType::F64, Some(0.5), Some(10.0)));
        assert_eq!(packed.missing, [Scalar::Int(-999), Scalar::Int(-998)]);
        let scaled = of(r#"{"scale_factor": 0.5}"#, DType::U8).unwrap();
        assert_eq!((scaled.dtype, scaled.missing), (DType::F32, vec![Scalar::Int(7)]));
        assert_eq!(of(r#"{"_FillValue": "AAAAAAAA+H8="}"#, DType::F32), None);
        assert_eq!(of(r#"{"_FillValue": "AAAAAAAA8D8="}"#, DType::F32).unwrap().missing, [Scalar::Float(1.0)]);
        assert!(packing(serde_json::json!({"scale_factor": "x"}).as_object().unwrap(), DType::I16, None).is_err());
        assert!(packing(serde_json::json!({"scale_factor": 2, "_Unsigned": "true"}).as_object().unwrap(), DType::I8, None).is_err());
    }
}
