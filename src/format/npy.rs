//! NumPy's npy header, versions 1.0, 2.0 and 3.0.
//!
//! Layout: the magic `\x93NUMPY`, two version bytes, the length of the text (two bytes little-endian in version 1,
//! four after), then a Python dict with exactly `descr`, `fortran_order` and `shape`, padded with spaces and closed
//! with a newline so that the data that follow are 64-byte aligned. Versions 1 and 2 are Latin-1 text, version 3 is UTF-8.
//! Source: the format notes of `numpy.lib.format`.
//!
//! NumPy has no bfloat16. The `ml_dtypes` package writes it as the two-byte void `<V2`, and so do we; since any
//! two-byte void looks the same, it is read back only when the caller says that it is `bf16`.

use super::{
    Order, data_bytes,
    python_literal::{self, Entry, Literal},
};
use crate::{
    error::{Error, Result},
    nd::{DType, shape::show},
};
use std::fmt::Write;

/// The bytes every npy file begins with.
pub const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Bytes of a file that [`header_bytes`] needs to see.
pub const PREFIX_BYTES: usize = 12;

/// Longest header that is read. A header of this crate's dtypes takes 128 bytes; this bound only keeps a corrupt
/// length field from asking for gigabytes.
pub const HEADER_BYTES_MAX: usize = 1 << 20;

/// Alignment of the data in files that are written.
const ALIGNMENT_BYTES: usize = 64;

/// Room that NumPy leaves so that the first length can grow in place: the digits of the largest 64-bit integer, and a sign.
const GROWTH_DIGITS: usize = 21;

/// What an npy header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NpyHeader {
    /// Major version: 1, 2 or 3.
    pub version: u8,
    /// Element type.
    pub dtype: DType,
    /// Whether elements are stored in the other byte order than this machine's.
    pub swapped: bool,
    /// Order of the elements.
    pub order: Order,
    /// Shape of the array.
    pub shape: Vec<usize>,
    /// Place of the first element in the file, in bytes.
    pub data_offset: usize,
    /// Bytes of all elements.
    pub data_bytes: usize,
}

/// The length of the whole header, from the first [`PREFIX_BYTES`] bytes of a file (or all of it, if it is shorter).
pub fn header_bytes(prefix: &[u8]) -> Result<usize> {
    let (fields, text_bytes) = text_field(prefix)?;
    let total = fields + text_bytes;
    if total > HEADER_BYTES_MAX {
        return Err(Error::data(format!(
            "npy header, byte 8: the header says it is {text_bytes} bytes long, more than the {HEADER_BYTES_MAX} that are read"
        )));
    }
    Ok(total)
}

/// Bytes before the text, and bytes of the text.
fn text_field(prefix: &[u8]) -> Result<(usize, usize)> {
    let start = &prefix[..prefix.len().min(MAGIC.len())];
    if start != &MAGIC[..start.len()] {
        return Err(Error::data("not an npy file: it does not begin with \\x93NUMPY")
            .hint("a raw binary file is read as `file.bin?dtype=f32&shape=-1,128`"));
    }
    match *prefix {
        [_, _, _, _, _, _, 1, 0, low, high, ..] => Ok((10, usize::from(u16::from_le_bytes([low, high])))),
        [_, _, _, _, _, _, 2 | 3, 0, a, b, c, d, ..] => Ok((12, u32::from_le_bytes([a, b, c, d]) as usize)),
        [_, _, _, _, _, _, major, minor, ..] if !matches!((major, minor), (1..=3, 0)) => {
            Err(Error::data(format!("npy header, byte 6: version {major}.{minor} is not known")).hint("versions 1.0, 2.0 and 3.0 are"))
        }
        _ => Err(truncated(prefix.len(), PREFIX_BYTES)),
    }
}

fn truncated(found_bytes: usize, needed_bytes: usize) -> Error {
    Error::data(format!("npy header is truncated: it takes {needed_bytes} bytes, the file has {found_bytes}"))
}

/// Reads a header from the first bytes of a file; `bytes` holds at least [`header_bytes`] of them, unless the file is shorter.
///
/// `asked` is the dtype that the caller knows the file to have. Without it a two-byte void is refused; with it a file of
/// another dtype is.
pub fn parse(bytes: &[u8], asked: Option<DType>) -> Result<NpyHeader> {
    let total = header_bytes(bytes)?;
    let (fields, _) = text_field(bytes)?;
    let text = bytes.get(fields..total).ok_or_else(|| truncated(bytes.len(), total))?;
    let version = bytes[6];
    let text = decode(text, version, fields)?;
    let entries = dict_entries(python_literal::parse(&text, fields)?, fields)?;
    let (dtype, swapped) = parse_descr(one(&entries, "descr")?, asked)?;
    let order = parse_order(one(&entries, "fortran_order")?)?;
    let shape = parse_shape(one(&entries, "shape")?)?;
    let data_bytes = data_bytes(dtype, &shape).map_err(|error| error.context("npy header"))?;
    Ok(NpyHeader { version, dtype, swapped, order, shape, data_offset: total, data_bytes })
}

fn decode(text: &[u8], version: u8, base: usize) -> Result<String> {
    if version < 3 {
        return Ok(text.iter().map(|&byte| char::from(byte)).collect());
    }
    match std::str::from_utf8(text) {
        Ok(text) => Ok(text.to_string()),
        Err(error) => Err(Error::data(format!("npy header, byte {}: not UTF-8", base + error.valid_up_to()))),
    }
}

/// The entries of the dict, each known and there once.
fn dict_entries(literal: Literal, base: usize) -> Result<Vec<Entry>> {
    let Literal::Dict(entries) = literal else {
        return Err(Error::data(format!("npy header, byte {base}: expected a dict, found {}", literal.kind())));
    };
    for (index, entry) in entries.iter().enumerate() {
        let Literal::Text(key) = &entry.key else {
            return Err(Error::data(format!("npy header, byte {}: a key is {}, not a string", entry.at, entry.key.kind())));
        };
        if !matches!(key.as_str(), "descr" | "fortran_order" | "shape") {
            return Err(Error::data(format!("npy header, byte {}: unknown key '{key}'", entry.at)));
        }
        if let Some(first) = entries[..index].iter().find(|other| other.key == entry.key) {
            return Err(Error::data(format!("npy header, byte {}: key '{key}' occurs twice, first at byte {}", entry.at, first.at)));
        }
    }
    Ok(entries)
}

fn one<'a>(entries: &'a [Entry], key: &str) -> Result<&'a Entry> {
    let found = entries.iter().find(|entry| matches!(&entry.key, Literal::Text(text) if text == key));
    found.ok_or_else(|| Error::data(format!("npy header has no key '{key}'")))
}

fn parse_order(entry: &Entry) -> Result<Order> {
    match entry.value {
        Literal::Bool(false) => Ok(Order::C),
        Literal::Bool(true) => Ok(Order::Fortran),
        ref other => {
            Err(Error::data(format!("npy header, byte {}: 'fortran_order' is {}, not True or False", entry.value_at, other.kind())))
        }
    }
}

fn parse_shape(entry: &Entry) -> Result<Vec<usize>> {
    let at = entry.value_at;
    let Literal::Tuple(lengths) = &entry.value else {
        return Err(Error::data(format!("npy header, byte {at}: 'shape' is {}, not a tuple", entry.value.kind())));
    };
    let length = |literal: &Literal| match literal {
        Literal::Integer(value) => {
            usize::try_from(*value).map_err(|_| Error::data(format!("npy header, byte {at}: 'shape' has the length {value}")))
        }
        other => Err(Error::data(format!("npy header, byte {at}: 'shape' has {} in it", other.kind()))),
    };
    lengths.iter().map(length).collect()
}

/// Dtype, and whether its bytes are swapped.
fn parse_descr(entry: &Entry, asked: Option<DType>) -> Result<(DType, bool)> {
    let descr = match &entry.value {
        Literal::Text(descr) => descr,
        Literal::List(_) => {
            return Err(Error::data("the file has a structured dtype (records with named fields), which is not supported")
                .hint("save each field as its own array: `numpy.save('field.npy', a['field'])`"));
        }
        other => {
            return Err(Error::data(format!("npy header, byte {}: 'descr' is {}, not a string", entry.value_at, other.kind())));
        }
    };
    let (mark, code) = match descr.chars().next() {
        Some(mark @ ('<' | '>' | '|' | '=')) => (mark, &descr[1..]),
        _ => ('=', descr.as_str()),
    };
    let swapped = |dtype: DType| dtype.size() > 1 && mark == if cfg!(target_endian = "little") { '>' } else { '<' };
    let found = match code {
        "V2" if asked == Some(DType::BF16) => DType::BF16,
        "V2" => {
            return Err(Error::data(format!("the file's dtype is '{descr}', two bytes without a meaning"))
                .hint("if it holds bfloat16 (ml_dtypes writes it so), open it with `?dtype=bf16`"));
        }
        _ => plain_code(code).ok_or_else(|| refuse(descr, code, entry.value_at))?,
    };
    match asked {
        Some(asked) if asked != found => Err(Error::mismatch(format!("the file's dtype is {found}, not {asked} as asked"))
            .hint(format!("leave `dtype` out and cast: `astype(x, {asked})`"))),
        _ => Ok((found, swapped(found))),
    }
}

fn plain_code(code: &str) -> Option<DType> {
    Some(match code {
        "b1" | "?" => DType::Bool,
        "i1" => DType::I8,
        "i2" => DType::I16,
        "i4" => DType::I32,
        "i8" => DType::I64,
        "u1" => DType::U8,
        "u2" => DType::U16,
        "u4" => DType::U32,
        "u8" => DType::U64,
        "f2" => DType::F16,
        "f4" => DType::F32,
        "f8" => DType::F64,
        _ => return None,
    })
}

/// The error for a dtype that NumPy has and this crate has not, by its name.
fn refuse(descr: &str, code: &str, at: usize) -> Error {
    let (what, hint) = match code.chars().next() {
        Some('O') => ("object", "convert it to numbers first, as it holds pickled Python objects: `numpy.save(path, a.astype('float32'))`"),
        Some('c') => ("complex", "save the parts as two arrays: `a.real` and `a.imag`"),
        Some('M') => ("datetime64", "save it as integers: `a.astype('int64')`"),
        Some('m') => ("timedelta64", "save it as integers: `a.astype('int64')`"),
        Some('S' | 'a') => ("byte string", "save numbers: `a.astype('float64')`, or codes of the strings"),
        Some('U' | 'T') => ("string", "save numbers: `a.astype('float64')`, or codes of the strings"),
        Some('V') => ("void", "view it as numbers first: `a.view('uint8')`"),
        Some('f') => ("extended float", "save it as float64: `a.astype('float64')`"),
        _ => return Error::data(format!("npy header, byte {at}: unknown dtype '{}'", descr.escape_debug())),
    };
    Error::data(format!("the file has the {what} dtype '{}', which is not supported", descr.escape_debug())).hint(hint)
}

/// The header of a C-order file of this machine's byte order; the data follow at its end, 64-byte aligned.
///
/// The bytes are those that NumPy writes: version 1.0, or 2.0 where the text is longer than 65,535 bytes.
///
/// ```
/// use outcore::{format::npy, nd::DType};
/// let bytes = npy::encode(DType::F32, &[4_000_000, 128]);
/// let header = npy::parse(&bytes, None)?;
/// assert_eq!((bytes.len(), header.data_offset, header.shape), (128, 128, vec![4_000_000, 128]));
/// # Ok::<(), outcore::Error>(())
/// ```
#[must_use]
pub fn encode(dtype: DType, shape: &[usize]) -> Vec<u8> {
    let mut text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", descr(dtype), show(shape));
    if let Some(first) = shape.first() {
        let digits = first.to_string().len();
        let _ = write!(text, "{:1$}", "", GROWTH_DIGITS.saturating_sub(digits));
    }
    let padded = |fields: usize| {
        let used = fields + text.len() + 1;
        // A whole extra line where it is aligned already, as NumPy does.
        text.len() + 1 + ALIGNMENT_BYTES - used % ALIGNMENT_BYTES
    };
    let mut bytes = MAGIC.to_vec();
    let length = match u16::try_from(padded(10)) {
        Ok(length) => {
            bytes.extend([1, 0]);
            bytes.extend(length.to_le_bytes());
            usize::from(length)
        }
        Err(_) => {
            let length = padded(12);
            bytes.extend([2, 0]);
            // A shape whose text takes 4 GiB cannot be held in memory as a list of lengths.
            bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
            length
        }
    };
    let end = bytes.len() + length;
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(end - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// `header` with another shape, as long as it was. `None` if there is no room for it.
///
/// ```
/// use outcore::{format::npy, nd::DType};
/// let header = npy::parse(&npy::encode(DType::F32, &[10, 4]), None)?;
/// assert_eq!(npy::resized(&header, &[1_000_000, 4]), Some(npy::encode(DType::F32, &[1_000_000, 4])));
/// # Ok::<(), outcore::Error>(())
/// ```
#[must_use]
pub fn resized(header: &NpyHeader, shape: &[usize]) -> Option<Vec<u8>> {
    let fortran = if header.order == Order::Fortran { "True" } else { "False" };
    let text = format!("{{'descr': '{}', 'fortran_order': {fortran}, 'shape': {}, }}", descr(header.dtype), show(shape));
    let mut bytes = MAGIC.to_vec();
    bytes.extend([header.version, 0]);
    match header.version {
        1 => bytes.extend(u16::try_from(header.data_offset.checked_sub(10)?).ok()?.to_le_bytes()),
        _ => bytes.extend(u32::try_from(header.data_offset.checked_sub(12)?).ok()?.to_le_bytes()),
    }
    bytes.extend_from_slice(text.as_bytes());
    if bytes.len() >= header.data_offset {
        return None;
    }
    bytes.resize(header.data_offset - 1, b' ');
    bytes.push(b'\n');
    Some(bytes)
}

/// NumPy's code for `dtype` in this machine's byte order; `<V2` for `bf16`.
fn descr(dtype: DType) -> String {
    let mark = match dtype.size() {
        1 => '|',
        _ if cfg!(target_endian = "little") => '<',
        _ => '>',
    };
    let kind = match dtype {
        DType::Bool => 'b',
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => 'i',
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => 'u',
        DType::BF16 => 'V',
        DType::F16 | DType::F32 | DType::F64 => 'f',
    };
    format!("{mark}{kind}{}", dtype.size())
}

#[cfg(test)]
#[path = "npy_tests.rs"]
mod tests;
