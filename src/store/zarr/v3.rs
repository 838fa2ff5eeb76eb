//! Metadata of version 3: `zarr.json`.

use super::{
    chain::{Body, Chain, IndexAt, Shard},
    codec::ByteCodec,
    copy::permuted,
    metadata::{ArrayMetadata, KeyEncoding, brief, byte_codec, check_chunk, dims, fill_bytes, lengths, shapes, unknown_codec},
    rare::RareCodecs,
};
use crate::{
    error::{Error, Result},
    nd::{DType, shape::show},
};
use serde_json::{Map, Value};

/// Keys of an array that are understood; `consolidated_metadata` was never made one officially.
const KEYS: [&str; 12] = [
    "zarr_format",
    "node_type",
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
    "attributes",
    "storage_transformers",
    "dimension_names",
    "consolidated_metadata",
];
/// Shards inside of shards that are read.
const DEPTH_MAX: usize = 4;

/// Something with a name and a configuration, written as an object or as its name alone.
struct Named<'a> {
    name: &'a str,
    options: Map<String, Value>,
}

impl<'a> Named<'a> {
    fn read(value: &'a Value, what: &str) -> Result<Self> {
        let bad = || Error::data(format!("{what} {} has no name", brief(value)));
        let (name, options) = match value {
            Value::String(name) => (name.as_str(), Map::new()),
            Value::Object(object) => {
                let options = match object.get("configuration") {
                    None | Some(Value::Null) => Map::new(),
                    Some(Value::Object(options)) => options.clone(),
                    Some(other) => return Err(Error::data(format!("the configuration of {what} is {}", brief(other)))),
                };
                (object.get("name").and_then(Value::as_str).ok_or_else(bad)?, options)
            }
            _ => return Err(bad()),
        };
        Ok(Named { name, options })
    }
}

/// Reads an array.
pub(super) fn array(object: &Map<String, Value>) -> Result<ArrayMetadata> {
    refuse_unknown_keys(object)?;
    let need = |key: &str| object.get(key).ok_or_else(|| Error::data(format!("the metadata have no `{key}`")));
    if need("zarr_format")?.as_u64() != Some(3) {
        return Err(Error::data(format!("zarr_format is {}; 2 and 3 are read", brief(need("zarr_format")?))));
    }
    let dtype = dtype(need("data_type")?)?;
    let grid = Named::read(need("chunk_grid")?, "the chunk grid")?;
    if grid.name != "regular" {
        return Err(Error::data(format!("chunk grid `{}` is not known", grid.name)).hint("regular grids are read"));
    }
    let chunk = grid.options.get("chunk_shape").ok_or_else(|| Error::data("the chunk grid has no `chunk_shape`"))?;
    let (shape, chunk) = shapes(need("shape")?, chunk, dtype)?;
    match object.get("storage_transformers") {
        None | Some(Value::Null) => {}
        Some(Value::Array(list)) if list.is_empty() => {}
        Some(other) => return Err(Error::data(format!("storage transformers {} are not known", brief(other)))),
    }
    let mut warnings = Vec::new();
    Ok(ArrayMetadata {
        dims: dims(object.get("dimension_names"), shape.len(), &mut warnings),
        shape,
        dtype,
        chain: chain(need("codecs")?, chunk, dtype, 0)?,
        fill: fill_bytes(need("fill_value")?, dtype)?,
        keys: key_encoding(need("chunk_key_encoding")?)?,
        missing: None,
        attributes: object.get("attributes").and_then(Value::as_object).cloned().unwrap_or_default(),
        warnings,
    })
}

fn refuse_unknown_keys(object: &Map<String, Value>) -> Result<()> {
    for (key, value) in object.iter().filter(|(key, _)| !KEYS.contains(&key.as_str())) {
        if value.get("must_understand").and_then(Value::as_bool) != Some(false) {
            return Err(Error::data(format!("the metadata have the key `{key}`, which is not known and must be understood")));
        }
    }
    Ok(())
}

fn dtype(value: &Value) -> Result<DType> {
    let named = Named::read(value, "the data type")?;
    let known = DType::ALL.into_iter().find(|dtype| dtype.numpy_name() == named.name);
    known.ok_or_else(|| unknown_dtype(named.name))
}

/// The refusal of a dtype that no array here has.
pub(super) fn unknown_dtype(name: &str) -> Error {
    Error::data(format!("dtype `{name}` is not supported"))
        .hint("bool, int8 to int64, uint8 to uint64, float16, bfloat16, float32 and float64 are")
}

pub(super) fn key_encoding(value: &Value) -> Result<KeyEncoding> {
    let named = Named::read(value, "the chunk key encoding")?;
    let (prefixed, default) = match named.name {
        "default" => (true, "/"),
        "v2" => (false, "."),
        other => return Err(Error::data(format!("chunk key encoding `{other}` is not known")).hint("default and v2 are")),
    };
    let separator = match named.options.get("separator") {
        None => default,
        Some(value) => value.as_str().unwrap_or_default(),
    };
    Ok(KeyEncoding { prefixed, separator: separator_of(separator)? })
}

/// One of the two separators: anything else could lead out of the store.
pub(super) fn separator_of(text: &str) -> Result<char> {
    match text {
        "/" => Ok('/'),
        "." => Ok('.'),
        other => Err(Error::data(format!("chunk key separator {} is not known", brief(&Value::from(other)))).hint("`/` and `.` are")),
    }
}

/// Reads the codecs of a chunk of `shape`.
fn chain(codecs: &Value, shape: Vec<usize>, dtype: DType, depth: usize) -> Result<Chain> {
    let list = codecs.as_array().ok_or_else(|| Error::data("the codecs are not a list"))?;
    let rare = rare_codecs(list, &shape, dtype)?;
    let (mut order, mut body, mut steps): (Option<Vec<usize>>, Option<Body>, Vec<ByteCodec>) = (None, None, Vec::new());
    for codec in list {
        let Named { name, options } = Named::read(codec, "a codec")?;
        let bare = name.strip_prefix("numcodecs.").unwrap_or(name);
        match (&body, bare) {
            _ if rare.is_some() && (KNOWN.contains(&bare) || RARE.contains(&bare)) => body.clone_from(&rare),
            (None, "transpose") => order = Some(transposed(order, &options, shape.len())?),
            // Rounding is what a writer did; a reader has nothing to undo.
            (None, "bitround") => {}
            (None, "bytes" | "endian") => body = Some(Body::Elements { swapped: is_swapped(&options, dtype)? }),
            (None, "sharding_indexed") => {
                let stored = order.as_ref().map_or_else(|| shape.clone(), |order| permuted(&shape, order));
                body = Some(Body::Shard(Box::new(shard(&options, &stored, dtype, depth)?)));
            }
            _ => {
                let codec = byte_codec(bare, &options)?.ok_or_else(|| unknown_codec(name))?;
                if body.is_none() {
                    return Err(Error::data(format!("codec `{name}` stands where elements are not bytes yet")));
                }
                steps.push(codec);
            }
        }
    }
    let body = body.ok_or_else(|| Error::data("no codec makes bytes of elements"))?;
    Ok(Chain { order: order.filter(|order| !order.is_sorted()), shape, body, steps, item_bytes: dtype.size() })
}

/// Codecs of elements that are decoded here.
const KNOWN: [&str; 5] = ["transpose", "bitround", "bytes", "endian", "sharding_indexed"];
/// Codecs of elements that are left to zarrs, with all that stand beside them.
const RARE: [&str; 5] = ["packbits", "reshape", "squeeze", "fixedscaleoffset", "zarrs.squeeze"];

/// All codecs of elements as one, if any of them is rare.
fn rare_codecs(list: &[Value], shape: &[usize], dtype: DType) -> Result<Option<Body>> {
    let (mut codecs, mut names) = (Vec::new(), Vec::new());
    for codec in list {
        let Named { name, .. } = Named::read(codec, "a codec")?;
        let bare = name.strip_prefix("numcodecs.").unwrap_or(name);
        if KNOWN.contains(&bare) || RARE.contains(&bare) {
            codecs.push(codec);
            names.push(name);
        }
    }
    if !names.iter().any(|name| RARE.contains(&name.strip_prefix("numcodecs.").unwrap_or(name))) {
        return Ok(None);
    }
    RareCodecs::new(&codecs, names, shape, dtype).map(|codecs| Some(Body::Rare(Box::new(codecs))))
}

/// The order of axes after one more transpose.
fn transposed(before: Option<Vec<usize>>, options: &Map<String, Value>, rank: usize) -> Result<Vec<usize>> {
    let before = before.unwrap_or_else(|| (0..rank).collect());
    let order = options.get("order").ok_or_else(|| Error::data("codec `transpose` has no `order`"))?;
    let order = match order.as_str() {
        // Written by early versions.
        Some("C") => (0..rank).collect(),
        Some("F") => (0..rank).rev().collect(),
        _ => lengths(order, "the order of codec `transpose`")?,
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..rank) {
        return Err(Error::data(format!("the order {} of codec `transpose` is none of {rank} axes", show(&order))));
    }
    Ok(permuted(&before, &order))
}

fn is_swapped(options: &Map<String, Value>, dtype: DType) -> Result<bool> {
    let big = match options.get("endian").map(|endian| endian.as_str().unwrap_or_default()) {
        Some("little") => false,
        Some("big") => true,
        None if dtype.size() == 1 => return Ok(false),
        None => return Err(Error::data(format!("codec `bytes` does not say the byte order of dtype {dtype}"))),
        Some(other) => return Err(Error::data(format!("byte order `{other}` is not known"))),
    };
    Ok(dtype.size() > 1 && big == cfg!(target_endian = "little"))
}

fn shard(options: &Map<String, Value>, stored: &[usize], dtype: DType, depth: usize) -> Result<Shard> {
    if depth == DEPTH_MAX {
        return Err(Error::data(format!("shards inside of shards are more than {DEPTH_MAX} deep")));
    }
    let need = |key: &str| options.get(key).ok_or_else(|| Error::data(format!("codec `sharding_indexed` has no `{key}`")));
    let inner = lengths(need("chunk_shape")?, "the shape of inner chunks")?;
    check_chunk(&inner, dtype)?;
    if inner.len() != stored.len() || inner.iter().zip(stored).any(|(inner, outer)| !outer.is_multiple_of(*inner)) {
        return Err(Error::data(format!("inner chunks of shape {} do not divide shards of shape {}", show(&inner), show(stored))));
    }
    let index_at = match options.get("index_location").map(|place| place.as_str().unwrap_or_default()) {
        None | Some("end") => IndexAt::End,
        Some("start") => IndexAt::Start,
        Some(other) => return Err(Error::data(format!("the index of a shard stands at `{other}`; start and end are known"))),
    };
    let grid: Vec<usize> = stored.iter().zip(&inner).map(|(outer, inner)| outer / inner).collect();
    // Places are pairs of 64-bit integers, with an axis of two behind the grid's.
    let index = chain(need("index_codecs")?, vec![1], DType::U64, DEPTH_MAX)?;
    let Body::Elements { swapped } = index.body else { return Err(Error::data("the index of a shard is a shard")) };
    if let Some(step) = index.steps.iter().find(|step| !step.is_checksum()) {
        return Err(Error::data(format!("the index of a shard is compressed ({step:?}), so that its length is not known")));
    }
    Ok(Shard {
        grid,
        inner: chain(need("codecs")?, inner, dtype, depth + 1)?,
        index_is_big_endian: swapped == cfg!(target_endian = "little"),
        index_steps: index.steps,
        index_at,
    })
}
