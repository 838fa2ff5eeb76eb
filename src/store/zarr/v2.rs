//! Metadata of version 2: `.zarray` and `.zattrs`.

use super::{
    chain::{Body, Chain},
    metadata::{ArrayMetadata, KeyEncoding, brief, byte_codec, dims, fill_bytes, shapes, unknown_codec},
    v3::{separator_of, unknown_dtype},
};
use crate::{
    error::{Error, Result},
    nd::DType,
};
use serde_json::{Map, Value};

/// Reads an array.
pub(super) fn array(object: &Map<String, Value>, attributes: Map<String, Value>) -> Result<ArrayMetadata> {
    let need = |key: &str| object.get(key).ok_or_else(|| Error::data(format!("the metadata have no `{key}`")));
    if need("zarr_format")?.as_u64() != Some(2) {
        return Err(Error::data(format!("zarr_format is {}; 2 and 3 are read", brief(need("zarr_format")?))));
    }
    let (dtype, swapped) = dtype(need("dtype")?)?;
    let (shape, chunk) = shapes(need("shape")?, need("chunks")?, dtype)?;
    let rank = shape.len();
    let order = match need("order")?.as_str() {
        Some("C") => None,
        Some("F") => Some((0..rank).rev().collect()).filter(|_| rank > 1),
        _ => return Err(Error::data(format!("order {} is not known; C and F are", brief(need("order")?)))),
    };
    let mut steps = Vec::new();
    let filters = object.get("filters").filter(|filters| !filters.is_null());
    let filters = match filters {
        None => &[],
        Some(Value::Array(list)) => list.as_slice(),
        Some(other) => return Err(Error::data(format!("filters {} are not a list", brief(other)))),
    };
    let compressor = object.get("compressor").filter(|compressor| !compressor.is_null());
    for codec in filters.iter().chain(compressor) {
        let options = codec.as_object().ok_or_else(|| Error::data(format!("codec {} is not an object", brief(codec))))?;
        let id = options.get("id").and_then(Value::as_str).ok_or_else(|| Error::data(format!("codec {} has no `id`", brief(codec))))?;
        // Rounding is what a writer did; a reader has nothing to undo.
        if id != "bitround" {
            steps.push(byte_codec(id, options)?.ok_or_else(|| unknown_codec(id))?);
        }
    }
    let separator = object.get("dimension_separator").map_or(Some("."), Value::as_str).unwrap_or_default();
    let mut warnings = Vec::new();
    Ok(ArrayMetadata {
        dims: dims(attributes.get("_ARRAY_DIMENSIONS"), rank, &mut warnings),
        shape,
        dtype,
        chain: Chain { shape: chunk, order, body: Body::Elements { swapped }, steps, item_bytes: dtype.size() },
        fill: fill_bytes(object.get("fill_value").unwrap_or(&Value::Null), dtype)?,
        keys: KeyEncoding { prefixed: false, separator: separator_of(separator)? },
        attributes,
        missing: object.get("fill_value").filter(|value| !value.is_null()).cloned(),
        warnings,
    })
}

/// A dtype as NumPy writes it, and whether it has the other byte order.
fn dtype(value: &Value) -> Result<(DType, bool)> {
    let Some(text) = value.as_str() else {
        return Err(Error::data(format!("structured dtype {} is not supported", brief(value))).hint("write its fields as arrays"));
    };
    let known = match text {
        "bfloat16" => Some(DType::BF16),
        _ => text.strip_prefix(['<', '>', '|']).and_then(|code| match code {
            "b1" => Some(DType::Bool),
            "i1" | "i2" | "i4" | "i8" | "u1" | "u2" | "u4" | "u8" | "f2" | "f4" | "f8" => text.parse().ok(),
            _ => None,
        }),
    };
    let dtype = known.ok_or_else(|| unknown_dtype(text))?;
    let big = text.starts_with('>');
    Ok((dtype, dtype.size() > 1 && big == cfg!(target_endian = "little")))
}
