//! safetensors: a length, a header in JSON, and tensors one after the other, little-endian, in C order.
//!
//! Source: the format's description in its repository (huggingface/safetensors), version 0.4: eight bytes with the length of the
//! header, at most 100 MB; names to `dtype`, `shape` and `data_offsets`, which count from the end of the header.

use crate::{
    error::{Error, Result},
    format::data_bytes,
    nd::{DType, shape::show},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
};

/// Bytes of the header's length.
pub const LENGTH_BYTES: usize = 8;
/// The longest header that is read.
const HEADER_BYTES_MAX: u64 = 100_000_000;

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Name.
    pub name: String,
    /// Dtype, as the file spells it.
    pub dtype_text: String,
    /// Dtype; `None` if it is none of ours.
    pub dtype: Option<DType>,
    /// Shape.
    pub shape: Vec<usize>,
    /// First byte, from the start of the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

#[derive(Deserialize)]
struct About {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// Names to what is said of them, of which each is said once: of two tensors with one name nobody could name the first.
struct Entries(BTreeMap<String, serde_json::Value>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Entries;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a map of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Entries, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
                    match entries.entry(name) {
                        Entry::Occupied(there) => {
                            return Err(serde::de::Error::custom(format!("two tensors are called `{}`", there.key())));
                        }
                        Entry::Vacant(place) => place.insert(value),
                    };
                }
                Ok(Entries(entries))
            }
        }
        from.deserialize_map(Once)
    }
}

/// Bytes of length and header, from the first bytes of a file of `file_bytes`.
pub fn header_bytes(prefix: &[u8], file_bytes: u64) -> Result<usize> {
    let Some(length) = prefix.first_chunk::<LENGTH_BYTES>() else {
        return Err(Error::data(format!("{file_bytes} bytes are too few for a safetensors header")));
    };
    let length = u64::from_le_bytes(*length);
    if length > HEADER_BYTES_MAX || length > file_bytes.saturating_sub(LENGTH_BYTES as u64) {
        return Err(Error::data(format!(
            "the header claims {length} bytes, the file has {file_bytes} (and no header has more than 100 MB)"
        ))
        .hint("is it a safetensors file, and complete?"));
    }
    Ok(length as usize + LENGTH_BYTES)
}

/// The tensors of a file, in the order of their names; `header` begins with the length.
pub fn parse(header: &[u8], file_bytes: u64) -> Result<Vec<Tensor>> {
    let text = header.get(LENGTH_BYTES..).unwrap_or_default();
    let Entries(entries) =
        serde_json::from_slice(text).map_err(|error| Error::data(format!("the header is not what safetensors writes: {error}")))?;
    let data_bytes_there = file_bytes.saturating_sub(header.len() as u64);
    let tensors = entries.into_iter().filter(|(name, _)| name != "__metadata__");
    tensors.map(|(name, value)| tensor(name, value, header.len() as u64, data_bytes_there)).collect()
}

fn tensor(name: String, value: serde_json::Value, data_offset: u64, there: u64) -> Result<Tensor> {
    let entry: About = serde_json::from_value(value).map_err(|error| Error::data(format!("tensor `{name}`: {error}")))?;
    let (start, end) = entry.data_offsets;
    if start > end || end > there {
        return Err(Error::data(format!("tensor `{name}` claims bytes {start}..{end} of {there}")).hint("the file is truncated or damaged"));
    }
    let dtype = dtype_of(&entry.dtype);
    if let Some(dtype) = dtype {
        let needed = data_bytes(dtype, &entry.shape).map_err(|error| error.context(format!("tensor `{name}`")))? as u64;
        if needed != end - start {
            return Err(Error::data(format!(
                "tensor `{name}` has shape {} of {dtype}, which takes {needed} bytes, but is given {}",
                show(&entry.shape),
                end - start
            )));
        }
    }
    Ok(Tensor { name, dtype, dtype_text: entry.dtype, shape: entry.shape, offset: data_offset + start, length: end - start })
}

const DTYPES: [(&str, DType); 13] = [
    ("BOOL", DType::Bool),
    ("I8", DType::I8),
    ("U8", DType::U8),
    ("I16", DType::I16),
    ("U16", DType::U16),
    ("I32", DType::I32),
    ("U32", DType::U32),
    ("I64", DType::I64),
    ("U64", DType::U64),
    ("F16", DType::F16),
    ("BF16", DType::BF16),
    ("F32", DType::F32),
    ("F64", DType::F64),
];

fn dtype_of(text: &str) -> Option<DType> {
    DTYPES.iter().find(|(name, _)| *name == text).map(|(_, dtype)| *dtype)
}

/// The header of a file with one tensor, padded so that the elements begin at a multiple of 64 bytes.
#[must_use]
pub fn encode(name: &str, dtype: DType, shape: &[usize], data_bytes: u64) -> Vec<u8> {
    let dtype_text = DTYPES.iter().find(|(_, known)| *known == dtype).map_or("F32", |(text, _)| text);
    let entry = serde_json::json!({ name: { "dtype": dtype_text, "shape": shape, "data_offsets": [0, data_bytes] } });
    let mut text = entry.to_string().into_bytes();
    text.resize((text.len() + LENGTH_BYTES).next_multiple_of(64) - LENGTH_BYTES, b' ');
    [&(text.len() as u64).to_le_bytes()[..], &text].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (_, dtype) in DTYPES {
            let bytes = 6 * dtype.size() as u64;
            let header = encode("a \"name\"", dtype, &[2, 3], bytes);
            assert!(header.len().is_multiple_of(64));
            let file_bytes = header.len() as u64 + bytes;
            assert_eq!(header_bytes(&header, file_bytes).unwrap(), header.len());
            let tensors = parse(&header, file_bytes).unwrap();
            assert_eq!((tensors.len(), tensors[0].name.as_str(), tensors[0].dtype), (1, "a \"name\"", Some(dtype)));
            assert_eq!((tensors[0].offset, tensors[0].length), (header.len() as u64, bytes));
            assert!(parse(&header, file_bytes - 1).is_err());
        }
    }

    #[test]
    fn damaged_headers_are_errors() {
        assert!(header_bytes(&[1, 2, 3], 3).is_err());
        assert!(header_bytes(&u64::MAX.to_le_bytes(), 100).is_err());
        let with = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        let cases = [
            "[]",
            "{",
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
            r#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]}}"#,
        ];
        for text in cases {
            let header = with(text);
            assert!(parse(&header, header.len() as u64 + 8).is_err(), "{text}");
        }
        let strange = with(r#"{"__metadata__":{"x":"y"},"a":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}"#);
        let tensors = parse(&strange, strange.len() as u64 + 8).unwrap();
        assert_eq!((tensors[0].dtype, tensors[0].dtype_text.as_str()), (None, "F8_E4M3"));
    }
}
