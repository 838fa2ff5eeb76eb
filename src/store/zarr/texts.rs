//! Arrays of texts along one axis: names of stations, identifiers of rows. Nothing is computed with them; they go along as coordinates.
//!
//! Read are `string` and `fixed_length_utf32` of version 3, and of version 2 `|O` with the filter `vlen-utf8` and `<U8`. What is held is
//! bounded by the caller, whatever encoded bytes promise.

use super::{
    carry::AxisPlaces,
    codec::{ByteCodec, Tools},
    files::Files,
    metadata::{KeyEncoding, brief, byte_codec, dims, lengths, object, unknown_codec},
    part::Fault,
    source::BOOKKEEPING,
    v3::{key_encoding, separator_of},
};
use crate::{
    error::{Error, Result},
    nd::Dims,
};
use serde_json::{Map, Value};

/// What one text takes in memory besides its bytes.
const TEXT_BYTES: u64 = 24;
/// The first guess at what a chunk decodes to.
const ROOM_BYTES: usize = 64 << 10;

/// How texts are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Their number, then each behind its length.
    Utf8,
    /// So many code points each, unused ones zero.
    Utf32 { points: usize, big_endian: bool },
}

/// An array of texts.
#[derive(Debug)]
pub(super) struct Texts {
    files: Files,
    pub length: usize,
    chunk: usize,
    keys: KeyEncoding,
    form: Form,
    steps: Vec<ByteCodec>,
    fill: String,
    pub dims: Dims,
    pub attributes: Map<String, Value>,
}

impl Texts {
    /// The array at a node of a store; `None` if it is none of texts along one axis.
    pub fn open(files: Files) -> Result<Option<Texts>> {
        let found = if let Some((text, _)) = files.text("zarr.json")? {
            Texts::of_v3(files, &object(&text)?)
        } else if let Some((text, _)) = files.text(".zarray")? {
            let attributes = files.text(".zattrs")?.map(|(text, _)| object(&text)).transpose()?;
            Texts::of_v2(files, &object(&text)?, attributes.unwrap_or_default())
        } else {
            Ok(None)
        };
        Ok(found?.map(|mut texts| {
            BOOKKEEPING.iter().for_each(|name| drop(texts.attributes.remove(*name)));
            texts
        }))
    }

    fn of_v3(files: Files, array: &Map<String, Value>) -> Result<Option<Texts>> {
        let kind = array.get("data_type").map(named).unwrap_or_default();
        let form = match kind {
            ("string", _) => Form::Utf8,
            ("fixed_length_utf32", Some(options)) => match options.get("length_bytes").and_then(Value::as_u64) {
                Some(bytes) if bytes > 0 && bytes.is_multiple_of(4) => Form::Utf32 { points: bytes as usize / 4, big_endian: false },
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let mut codecs = array.get("codecs").and_then(Value::as_array).into_iter().flatten().map(named);
        let form = match (form, codecs.next()) {
            (Form::Utf8, Some(("vlen-utf8", _))) => form,
            (Form::Utf32 { points, .. }, Some(("bytes", options))) => {
                let endian = options.and_then(|options| options.get("endian")).and_then(Value::as_str);
                Form::Utf32 { points, big_endian: endian == Some("big") }
            }
            (_, codec) => return Err(unknown_codec(codec.unwrap_or_default().0)),
        };
        let step = |(name, options): (&str, Option<&Map<String, Value>>)| {
            let name = name.strip_prefix("numcodecs.").unwrap_or(name);
            byte_codec(name, options.unwrap_or(&Map::new()))?.ok_or_else(|| unknown_codec(name))
        };
        let steps = codecs.map(step).collect::<Result<_>>()?;
        let chunk = array.get("chunk_grid").map(named).and_then(|(_, options)| options?.get("chunk_shape"));
        let Some((length, chunk)) = one_axis(array.get("shape"), chunk)? else { return Ok(None) };
        Ok(Some(Texts {
            files,
            length,
            chunk,
            keys: key_encoding(array.get("chunk_key_encoding").unwrap_or(&Value::Null))?,
            form,
            steps,
            fill: fill(array),
            dims: dims(array.get("dimension_names"), 1, &mut Vec::new()),
            attributes: array.get("attributes").and_then(Value::as_object).cloned().unwrap_or_default(),
        }))
    }

    fn of_v2(files: Files, array: &Map<String, Value>, attributes: Map<String, Value>) -> Result<Option<Texts>> {
        let listed = array.get("filters").and_then(Value::as_array).into_iter().flatten();
        let codecs: Vec<&Value> = listed.chain(array.get("compressor").filter(|codec| !codec.is_null())).collect();
        let id = |codec: &Value| codec.get("id").and_then(Value::as_str).unwrap_or_default().to_string();
        let dtype = array.get("dtype").and_then(Value::as_str).unwrap_or_default();
        let (form, codecs) = match (dtype.split_at_checked(2), codecs.split_first()) {
            (Some(("|O", "")), Some((first, rest))) if id(first) == "vlen-utf8" => (Form::Utf8, rest.to_vec()),
            (Some((order @ ("<U" | ">U"), points)), _) => match points.parse() {
                Ok(points) if points > 0 => (Form::Utf32 { points, big_endian: order == ">U" }, codecs),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let step = |codec: &&Value| {
            let name = id(codec);
            byte_codec(&name, codec.as_object().unwrap_or(&Map::new()))?.ok_or_else(|| unknown_codec(&name))
        };
        let steps = codecs.iter().map(step).collect::<Result<_>>()?;
        let Some((length, chunk)) = one_axis(array.get("shape"), array.get("chunks"))? else { return Ok(None) };
        let separator = array.get("dimension_separator").and_then(Value::as_str).unwrap_or(".");
        Ok(Some(Texts {
            files,
            length,
            chunk,
            keys: KeyEncoding { prefixed: false, separator: separator_of(separator)? },
            form,
            steps,
            fill: fill(array),
            dims: dims(attributes.get("_ARRAY_DIMENSIONS"), 1, &mut Vec::new()),
            attributes,
        }))
    }

    /// The texts at some places. Of all that is held at a time more than `bytes_max` is refused.
    pub fn read(&self, places: AxisPlaces, bytes_max: u64) -> Result<Vec<String>> {
        let too_many = |bytes: u64| Error::refused(format!("its texts take more than {bytes} bytes of memory"));
        let mut held = places.count() as u64 * TEXT_BYTES;
        if held > bytes_max {
            return Err(too_many(bytes_max));
        }
        let mut found = Vec::with_capacity(places.count());
        let (mut number, mut texts) = (usize::MAX, Vec::new());
        for nth in 0..places.count() {
            let place = places.at(nth);
            if place / self.chunk != number {
                number = place / self.chunk;
                texts.clear();
                texts = self.chunk(number, bytes_max - held)?;
            }
            let text = texts.get(place % self.chunk).unwrap_or(&self.fill);
            held += text.len() as u64;
            if held > bytes_max {
                return Err(too_many(bytes_max));
            }
            found.push(text.clone());
        }
        Ok(found)
    }

    /// The texts of a chunk; none if it was never written.
    fn chunk(&self, number: usize, bytes_max: u64) -> Result<Vec<String>> {
        let key = self.keys.key(&[number]);
        let bad = |why: String| Error::data(format!("{}: chunk {number} is corrupt: {why}", self.files.name(&key)));
        let Some(found) = self.files.open(&key, bytes_max)? else { return Ok(Vec::new()) };
        let part = found.part();
        if part.length() > bytes_max {
            return Err(Error::refused(format!("{} has {} bytes, {bytes_max} are left", self.files.name(&key), part.length())));
        }
        let mut bytes = vec![0; part.length() as usize];
        part.read(0, &mut bytes).map_err(|fault| match fault {
            Fault::Corrupt(why) => bad(why),
            Fault::Failed(error) => error,
        })?;
        for step in self.steps.iter().rev() {
            bytes = undo(*step, bytes, usize::try_from(bytes_max).unwrap_or(usize::MAX)).map_err(&bad)?;
        }
        // What a text takes besides its bytes is more than the four bytes of its length.
        let texts = match self.form {
            Form::Utf8 => of_utf8(&bytes, self.chunk, bytes_max / TEXT_BYTES),
            Form::Utf32 { points, big_endian } => of_utf32(&bytes, points, big_endian),
        };
        texts.ok_or_else(|| bad("its texts are not what they should be".to_string()))
    }
}

/// Undoes a codec whose output may have any length up to `bytes_max`.
fn undo(step: ByteCodec, mut encoded: Vec<u8>, bytes_max: usize) -> std::result::Result<Vec<u8>, String> {
    if let Some(range) = step.strip(&encoded)? {
        encoded.truncate(range.end);
        encoded.drain(..range.start);
        return Ok(encoded);
    }
    let mut room = ROOM_BYTES.max(encoded.len().saturating_mul(4)).min(bytes_max);
    loop {
        let mut out = vec![0; room];
        match step.decode(&mut Tools::default(), &mut Vec::new(), &encoded, &mut out) {
            Ok(length) => {
                out.truncate(length);
                return Ok(out);
            }
            Err(why) if room >= bytes_max => return Err(why),
            Err(_) => room = room.saturating_mul(4).min(bytes_max),
        }
    }
}

/// The texts of a chunk of `chunk` at most.
fn of_utf8(mut bytes: &[u8], chunk: usize, count_max: u64) -> Option<Vec<String>> {
    let number = |bytes: &mut &[u8]| {
        let (head, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(u32::from_le_bytes(*head) as usize)
    };
    let count = number(&mut bytes).filter(|&count| count <= chunk && count as u64 <= count_max && count <= bytes.len() / 4)?;
    let mut texts = Vec::with_capacity(count);
    for _ in 0..count {
        let length = number(&mut bytes)?;
        let (text, rest) = bytes.split_at_checked(length)?;
        texts.push(str::from_utf8(text).ok()?.to_string());
        bytes = rest;
    }
    bytes.is_empty().then_some(texts)
}

/// The texts of code points, so many each.
fn of_utf32(bytes: &[u8], points: usize, big_endian: bool) -> Option<Vec<String>> {
    let point = |bytes: &[u8; 4]| if big_endian { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) };
    let text = |bytes: &[u8]| {
        let points: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(point).collect();
        // Zeros at the end fill up.
        let end = points.iter().rposition(|&point| point != 0).map_or(0, |last| last + 1);
        points[..end].iter().map(|&point| char::from_u32(point)).collect::<Option<String>>()
    };
    let size = points.checked_mul(4)?;
    if !bytes.len().is_multiple_of(size) {
        return None;
    }
    bytes.chunks_exact(size).map(text).collect()
}

/// Length and chunk length of an array of one axis.
fn one_axis(shape: Option<&Value>, chunk: Option<&Value>) -> Result<Option<(usize, usize)>> {
    let (shape, chunk) = (lengths(shape.unwrap_or(&Value::Null), "shape")?, lengths(chunk.unwrap_or(&Value::Null), "chunk shape")?);
    match (&shape[..], &chunk[..]) {
        ([length], [chunk]) if *chunk > 0 => Ok(Some((*length, *chunk))),
        ([_], chunk) => Err(Error::data(format!("chunks of shape {} are none", brief(&chunk.into())))),
        _ => Ok(None),
    }
}

/// A name, alone or with a configuration.
fn named(value: &Value) -> (&str, Option<&Map<String, Value>>) {
    match value {
        Value::String(name) => (name, None),
        other => (other.get("name").and_then(Value::as_str).unwrap_or_default(), other.get("configuration").and_then(Value::as_object)),
    }
}

fn fill(array: &Map<String, Value>) -> String {
    array.get("fill_value").and_then(Value::as_str).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, store::zarr::write::create_texts};
    use serde_json::json;
    use std::{fs, path::Path};

    /// A group of a version, as a text file of its own.
    fn group(folder: &Path, version: u8) {
        fs::create_dir(folder).unwrap();
        let (name, text) = if version == 3 {
            ("zarr.json", json!({"zarr_format": 3, "node_type": "group"}))
        } else {
            (".zgroup", json!({"zarr_format": 2}))
        };
        fs::write(folder.join(name), text.to_string()).unwrap();
    }

    #[test]
    fn what_is_written_is_read_at_any_places() {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<String> = (0..70_000).map(|number| format!("{number}ü").repeat(number % 3)).collect();
        let attributes = json!({"long_name": "name"}).as_object().unwrap().clone();
        for version in [2, 3] {
            let root = folder.path().join(format!("v{version}.zarr"));
            group(&root, version);
            create_texts(&root.join("name"), Some("name"), &texts, &attributes).unwrap();
            assert!(create_texts(&root.join("name"), Some("name"), &texts, &attributes).is_err());
            let there = || Texts::open(Files::Folder(root.join("name"))).unwrap().unwrap();
            let read = there();
            assert_eq!((read.length, &read.attributes, read.dims.0[0].as_deref()), (70_000, &attributes, Some("name")));
            let all = AxisPlaces::all(70_000);
            assert_eq!(read.read(all, 64 << 20).unwrap(), texts);
            let some: Vec<String> = (0..20).map(|nth| texts[69_000 - 3000 * nth].clone()).collect();
            assert_eq!(read.read(all.part(69_000, -3000, 20), 64 << 20).unwrap(), some);
            assert_eq!(read.read(all, 1 << 20).unwrap_err().kind(), ErrorKind::Refused);
            let chunk = root.join(if version == 3 { "name/c/1" } else { "name/1" });
            let mut bytes = fs::read(&chunk).unwrap();
            bytes.truncate(bytes.len() - 1);
            fs::write(&chunk, bytes).unwrap();
            assert_eq!(there().read(all, 64 << 20).unwrap_err().kind(), ErrorKind::Data);
            fs::remove_file(chunk).unwrap();
            assert_eq!(there().read(all.part(69_999, 1, 1), 64 << 20).unwrap(), [""]);
        }
    }

    #[test]
    fn lying_texts_are_none() {
        let whole = [2, 0, 0, 0, 1, 0, 0, 0, b'a', 2, 0, 0, 0, 0xc3, 0xbc];
        assert_eq!(of_utf8(&whole, 2, 9).unwrap(), ["a", "ü"]);
        for end in 0..whole.len() {
            assert_eq!(of_utf8(&whole[..end], 2, 9), None, "{end}");
        }
        assert_eq!(of_utf8(&whole, 1, 9), None);
        assert_eq!(of_utf8(&whole, 2, 1), None);
        assert_eq!(of_utf8(&[255, 255, 255, 255, 0, 0, 0, 0], usize::MAX, u64::MAX), None);
        assert_eq!(of_utf8(&[1, 0, 0, 0, 1, 0, 0, 0, 0xff], 1, 9), None);
    }

    #[test]
    fn code_points_are_texts_without_the_zeros_behind_them() {
        let bytes: Vec<u8> = [0x61u32, 0, 0xfc, 0, 0, 0].iter().flat_map(|point| point.to_be_bytes()).collect();
        assert_eq!(of_utf32(&bytes, 3, true).unwrap(), ["a\0ü", ""]);
        assert_eq!(of_utf32(&bytes, 3, false), None);
        assert_eq!(of_utf32(&bytes[1..], 3, true), None);
    }
}
