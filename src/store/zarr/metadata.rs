//! What the metadata of an array say, v2 and v3 alike, checked: shapes that can be addressed, codecs that are known.

use super::{chain::Chain, codec::ByteCodec, v2, v3};
use crate::{
    error::{Error, Result},
    nd::{DType, Dims, Scalar, shape::element_count_strict, shape::show},
};
use half::{bf16, f16};
use serde_json::{Map, Value};

/// Axes that an array has at most, as in NumPy.
const RANK_MAX: usize = 64;
/// Bytes that the text of metadata has at most: consolidated metadata of large hierarchies have some MiB.
pub(super) const METADATA_BYTES_MAX: u64 = 256 << 20;

/// An array of a Zarr store.
#[derive(Clone, Debug)]
pub(super) struct ArrayMetadata {
    pub shape: Vec<usize>,
    pub dtype: DType,
    /// How a chunk of the grid is encoded; it has the chunk's shape.
    pub chain: Chain,
    /// Bytes of one element of what was never written, in native order.
    pub fill: Vec<u8>,
    pub keys: KeyEncoding,
    pub dims: Dims,
    pub attributes: Map<String, Value>,
    /// The fill value that a v2 array says, unless it says none: of a packed array it stands for no value.
    pub missing: Option<Value>,
    /// What a reader should hear of.
    pub warnings: Vec<String>,
}

/// What metadata say of an array.
#[derive(Clone, Debug)]
pub struct About {
    /// Shape of the array.
    pub shape: Vec<usize>,
    /// Dtype of the elements.
    pub dtype: DType,
    /// Shape of a chunk that has a file of its own: a shard, if the array has such.
    pub chunk: Vec<usize>,
    /// Shape of what is decoded at a time: a chunk, or an inner chunk of a shard.
    pub unit: Vec<usize>,
    /// Codecs in words, first to last, or `none`.
    pub codecs: String,
    /// Axis names.
    pub dims: Dims,
}

/// How the name of a chunk is made of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyEncoding {
    /// Whether names begin with `c`, as in v3.
    pub prefixed: bool,
    pub separator: char,
}

impl KeyEncoding {
    /// The name of a chunk below the folder of its array.
    pub fn key(self, place: &[usize]) -> String {
        let mut key = String::with_capacity(8 * place.len() + 1);
        if self.prefixed {
            key.push('c');
        } else if place.is_empty() {
            key.push('0');
        }
        for (axis, index) in place.iter().enumerate() {
            if axis > 0 || self.prefixed {
                key.push(self.separator);
            }
            key.push_str(&index.to_string());
        }
        key
    }
}

impl ArrayMetadata {
    /// Reads the object of `zarr.json`.
    pub fn of_v3(array: &Map<String, Value>) -> Result<Self> {
        v3::array(array).and_then(Self::checked)
    }

    /// Reads the texts of `.zarray` and `.zattrs`.
    pub fn of_v2(array: &[u8], attributes: Option<&[u8]>) -> Result<Self> {
        let attributes = attributes.map(object).transpose().map_err(|error| error.context(".zattrs"))?;
        v2::array(&object(array)?, attributes.unwrap_or_default()).and_then(Self::checked)
    }

    fn checked(self) -> Result<Self> {
        check_chain(&self.chain)?;
        Ok(self)
    }

    /// What is worth telling.
    pub fn about(&self) -> About {
        About {
            shape: self.shape.clone(),
            dtype: self.dtype,
            chunk: self.chain.shape.clone(),
            unit: self.chain.unit(),
            codecs: self.chain.words(),
            dims: self.dims.clone(),
        }
    }

    /// Chunks per axis.
    pub fn grid(&self) -> Vec<usize> {
        self.shape.iter().zip(&self.chain.shape).map(|(length, chunk)| length.div_ceil(*chunk)).collect()
    }
}

/// An error if anything about the sizes of a chunk cannot be counted.
fn check_chain(chain: &Chain) -> Result<()> {
    let scratch = chain.scratch_bytes().max(chain.encoded_bytes_max());
    if isize::try_from(scratch).is_err() || scratch == usize::MAX {
        return Err(Error::data(format!("chunks of shape {} are larger than this machine can address", show(&chain.shape))));
    }
    Ok(())
}

/// The shapes of an array and its chunks, each of which fits this machine.
pub(super) fn shapes(shape: &Value, chunk: &Value, dtype: DType) -> Result<(Vec<usize>, Vec<usize>)> {
    let (shape, chunk) = (lengths(shape, "shape")?, lengths(chunk, "chunk shape")?);
    if shape.len() != chunk.len() {
        return Err(Error::data(format!("an array of shape {} has chunks of shape {}", show(&shape), show(&chunk))));
    }
    element_count_strict(&shape, dtype.size())?;
    check_chunk(&chunk, dtype)?;
    Ok((shape, chunk))
}

/// An error unless chunks of this shape have elements, and not more than can be addressed.
pub(super) fn check_chunk(chunk: &[usize], dtype: DType) -> Result<()> {
    if chunk.contains(&0) {
        return Err(Error::data(format!("chunks of shape {} hold nothing", show(chunk))));
    }
    element_count_strict(chunk, dtype.size()).map(drop)
}

/// A list of lengths.
pub(super) fn lengths(value: &Value, what: &str) -> Result<Vec<usize>> {
    let list = value.as_array().ok_or_else(|| Error::data(format!("{what} {} is not a list", brief(value))))?;
    if list.len() > RANK_MAX {
        return Err(Error::data(format!("{what} has {} axes; {RANK_MAX} are read at most", list.len())));
    }
    let length = |value: &Value| value.as_u64().and_then(|length| usize::try_from(length).ok());
    list.iter().map(|value| length(value).ok_or_else(|| Error::data(format!("{what} has the length {}", brief(value))))).collect()
}

/// Text of an object, whose nesting `serde_json` bounds.
pub(super) fn object(text: &[u8]) -> Result<Map<String, Value>> {
    // Python writes NaN and infinities as words that JSON does not have.
    match serde_json::from_slice(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Error::data("the metadata are not a JSON object")),
        Err(error) => quoted_object(text, "").ok_or_else(|| Error::data(format!("the metadata are not JSON: {error}"))),
    }
}

/// What stands before a word that was no string: JSON writes this letter as it writes none of its own.
const MARK: &str = "\\u0000";
/// The words of Python for numbers that JSON does not have.
const WORDS: [&str; 3] = ["NaN", "-Infinity", "Infinity"];

/// Text of an object that is going to be written again by [`marked_text`], words and all; `None` if it is none.
pub(super) fn marked_object(text: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(text).ok().or_else(|| quoted_object(text, MARK))
}

/// The text of what [`marked_object`] gave, or of a part of it.
pub(super) fn marked_text(text: String) -> String {
    if !text.contains(MARK) {
        return text;
    }
    WORDS.iter().fold(text, |text, word| text.replace(&format!("\"{MARK}{word}\""), word))
}

fn quoted_object(text: &[u8], mark: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(&quoted_words(&String::from_utf8_lossy(text), mark)).ok()
}

/// The words outside of strings, as strings that begin with `mark`.
fn quoted_words(text: &str, mark: &str) -> String {
    let (mut out, mut rest, mut in_string) = (String::with_capacity(text.len()), text, false);
    while let Some(letter) = rest.chars().next() {
        let word = WORDS.into_iter().find(|word| !in_string && rest.starts_with(word));
        if let Some(word) = word {
            out.push_str(&format!("\"{mark}{word}\""));
            rest = &rest[word.len()..];
            continue;
        }
        if in_string && letter == '\\' {
            let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            continue;
        }
        in_string ^= letter == '"';
        out.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    out
}

/// A value as text that is not longer than a line.
pub(super) fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { text.chars().take(57).chain("...".chars()).collect() }
}

/// The bytes of a fill value, in native order.
pub(super) fn fill_bytes(value: &Value, dtype: DType) -> Result<Vec<u8>> {
    let bad = || Error::data(format!("fill value {} is none of dtype {dtype}", brief(value)));
    let scalar = match value {
        Value::Null => Scalar::Int(0),
        Value::Bool(value) => Scalar::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), _, _) => Scalar::Int(i128::from(value)),
            (_, Some(value), _) => Scalar::Int(i128::from(value)),
            (_, _, Some(value)) if dtype.is_float() => Scalar::Float(value),
            // Some writers give integers a point.
            (_, _, Some(value)) if value.fract() == 0.0 && value.abs() < 1e18 => Scalar::Int(value as i128),
            _ => return Err(bad()),
        },
        Value::String(text) => return fill_of_text(text, dtype).ok_or_else(bad),
        _ => return Err(bad()),
    };
    let fits = match dtype {
        DType::Bool => matches!(scalar, Scalar::Bool(_) | Scalar::Int(0 | 1)),
        _ if dtype.is_float() => !matches!(scalar, Scalar::Bool(_)),
        _ => !matches!(scalar, Scalar::Bool(true)) && scalar.fits(dtype),
    };
    if fits { Ok(scalar.to_bytes(dtype)) } else { Err(bad()) }
}

/// `NaN`, `Infinity`, `-Infinity`, the bits as `0x7fc00000`, or a number in quotes.
fn fill_of_text(text: &str, dtype: DType) -> Option<Vec<u8>> {
    if !dtype.is_float() {
        let value = text.parse::<i128>().ok().map(Scalar::Int).filter(|scalar| dtype != DType::Bool && scalar.fits(dtype))?;
        return Some(value.to_bytes(dtype));
    }
    if let Some(digits) = text.strip_prefix("0x") {
        if digits.len() != 2 * dtype.size() {
            return None;
        }
        let bits = u64::from_str_radix(digits, 16).ok()?;
        return Some(match dtype.size() {
            2 => u16::try_from(bits).ok()?.to_ne_bytes().to_vec(),
            4 => u32::try_from(bits).ok()?.to_ne_bytes().to_vec(),
            _ => bits.to_ne_bytes().to_vec(),
        });
    }
    let value = match text {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        number => number.parse().ok()?,
    };
    Some(match dtype {
        // A NaN keeps its quiet bit alone, whatever rounding would do to it.
        DType::F16 if value.is_nan() => f16::NAN.to_ne_bytes().to_vec(),
        DType::BF16 if value.is_nan() => bf16::NAN.to_ne_bytes().to_vec(),
        _ => Scalar::Float(value).to_bytes(dtype),
    })
}

/// Axis names; such as are missing, empty or given twice count as absent.
pub(super) fn dims(names: Option<&Value>, rank: usize, warnings: &mut Vec<String>) -> Dims {
    let Some(list) = names.filter(|names| !names.is_null()) else { return Dims::unnamed(rank) };
    let names = Some(list);
    let list = list.as_array().filter(|list| list.len() == rank);
    let Some(list) = list else {
        warnings.push(format!("the axis names {} are not a list of {rank} and count as none", names.map(brief).unwrap_or_default()));
        return Dims::unnamed(rank);
    };
    let words: Vec<Option<&str>> = list.iter().map(|name| name.as_str().filter(|name| !name.is_empty())).collect();
    let mut dims = Dims::unnamed(rank);
    for (axis, name) in words.iter().enumerate() {
        let Some(name) = name else { continue };
        if words.iter().filter(|other| **other == Some(*name)).count() > 1 {
            if !words[..axis].contains(&Some(name)) {
                warnings.push(format!("the axis name `{name}` is given twice and counts as none"));
            }
            continue;
        }
        dims.0[axis] = Some((*name).into());
    }
    dims
}

/// A codec of bytes by its name without `numcodecs.`, the same in both versions; `None` if it is none of them.
pub(super) fn byte_codec(name: &str, options: &Map<String, Value>) -> Result<Option<ByteCodec>> {
    let checksum = |codec: ByteCodec, at: &str| match options.get("location").and_then(Value::as_str) {
        Some(location) if location != at => {
            Err(Error::data(format!("codec `{name}` with its checksum at the {location} is not known; it stands at the {at}")))
        }
        _ => Ok(codec),
    };
    Ok(Some(match name {
        "adler32" => checksum(ByteCodec::Adler32, "start")?,
        "crc32" => checksum(ByteCodec::Crc32, "start")?,
        "crc32c" => checksum(ByteCodec::Crc32c, "end")?,
        "fletcher32" => ByteCodec::Fletcher32,
        "blosc" => ByteCodec::Blosc,
        "bz2" => ByteCodec::Bzip2,
        "gzip" => ByteCodec::Gzip,
        "lz4" => ByteCodec::Lz4,
        "zlib" => ByteCodec::Zlib,
        "zstd" => ByteCodec::Zstd,
        "shuffle" => {
            let element_bytes = options.get("elementsize").map_or(Some(4), Value::as_u64);
            let element_bytes = element_bytes.and_then(|bytes| usize::try_from(bytes).ok()).filter(|bytes| (1..=1024).contains(bytes));
            ByteCodec::Shuffle { element_bytes: element_bytes.ok_or_else(|| Error::data("codec `shuffle` has no `elementsize`"))? }
        }
        _ => return Ok(None),
    }))
}

/// The refusal of a codec that is not read.
pub(super) fn unknown_codec(name: &str) -> Error {
    Error::data(format!("codec `{name}` is not known")).hint(
        "known are bytes, transpose, sharding_indexed, blosc, bz2, gzip, lz4, zlib, zstd, shuffle, adler32, crc32, crc32c and fletcher32",
    )
}
