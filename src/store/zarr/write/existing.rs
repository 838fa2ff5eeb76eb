//! Writing into an array that exists: a box of whole files, or rows behind its end.
//!
//! The new files are built in a folder of their own, as a new array's are, and moved into the array when they are complete: every
//! file is replaced whole. Rows become visible together, because the metadata with the longer shape comes last. Only arrays that this
//! program could have written are taken; whether that is so is asked by writing their metadata again.

use super::{
    codec::Codec,
    groups::{self, Node},
    layout::Layout,
    metadata::{ArrayFacts, MetadataFile},
    options::{Place, ZarrVersion},
    target::Goal,
};
use crate::{
    error::{Error, Result},
    nd::{DType, Dims, shape::show},
};
use serde_json::{Map, Value, json};
use std::{fs, path::Path};

/// An array that is written into.
#[derive(Debug)]
pub(super) struct Existing {
    pub version: ZarrVersion,
    pub dtype: DType,
    pub codec: Codec,
    layout: Layout,
    file: &'static str,
    metadata: Value,
}

/// What is written: a new array, or a part of one, as if it were an array of its own.
#[derive(Debug)]
pub(super) struct Part {
    pub layout: Layout,
    /// File of the array that the first file of a part becomes.
    pub first: Vec<usize>,
    /// Metadata of the array afterwards, if it changes.
    pub metadata: Vec<MetadataFile>,
    /// What becomes of its files.
    pub goal: Goal,
}

impl Existing {
    /// The array in `folder`, if it is one that can be written into.
    pub fn open(folder: &Path, name: &str) -> Result<Self> {
        let (version, file) = match groups::node(folder) {
            Node::Array(ZarrVersion::V3) => (ZarrVersion::V3, "zarr.json"),
            Node::Array(ZarrVersion::V2) => (ZarrVersion::V2, ".zarray"),
            _ => {
                return Err(
                    Error::output(format!("cannot write into {name}: no Zarr array is there")).hint("write it first, without a query")
                );
            }
        };
        let path = folder.join(file);
        let text = fs::read_to_string(&path).map_err(|error| Error::io("read", path.display(), error))?;
        let metadata: Value =
            serde_json::from_str(&text).map_err(|error| Error::data(format!("{} is not JSON: {error}", path.display())))?;
        let found = match version {
            ZarrVersion::V3 => parse_v3(&metadata),
            ZarrVersion::V2 => parse_v2(&metadata),
        };
        let refusal = |what: &str| {
            Error::output(format!("cannot write into {name}: its {what} is not what this program writes"))
                .hint("`outcore convert` it first")
        };
        let (layout, dtype, codec) = found.ok_or_else(|| refusal("metadata"))?;
        let dims = Dims::unnamed(layout.shape.len());
        let facts = ArrayFacts { layout: &layout, dtype, codec, dims: &dims, attributes: &Map::new() };
        let again = facts.files(version).pop().and_then(|(_, text)| serde_json::from_str::<Value>(&text).ok()).unwrap_or_default();
        let keys: &[&str] = match version {
            ZarrVersion::V3 => &["data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs"],
            // Whatever the fill value is: every chunk is written.
            ZarrVersion::V2 => &["dtype", "chunks", "compressor", "order", "filters", "dimension_separator"],
        };
        if let Some(key) = keys.iter().find(|key| metadata[**key] != again[**key]) {
            return Err(refusal(key));
        }
        Ok(Existing { version, dtype, codec, layout, file, metadata })
    }

    /// The part that `place` names, for values of `shape`.
    pub fn part(mut self, name: &str, dtype: DType, shape: &[usize], place: &Place) -> Result<Part> {
        if dtype != self.dtype {
            return Err(
                Error::mismatch(format!("{name} is {}, the values are {dtype}", self.dtype)).hint(format!("astype({})", self.dtype))
            );
        }
        let (start, metadata) = match place {
            Place::New => return Err(Error::internal("a new array is no part of one")),
            Place::Append => {
                let start = self.end_of_rows(name, shape)?;
                self.layout.shape[0] += shape[0];
                self.metadata["shape"] = json!(self.layout.shape);
                let text = serde_json::to_string_pretty(&self.metadata).unwrap_or_default() + "\n";
                (start, vec![(self.file, text)])
            }
            Place::Region(ranges) => (self.region(name, shape, ranges)?, Vec::new()),
        };
        self.check_whole_files(name, &start, shape)?;
        let first = start.iter().zip(self.layout.file()).map(|(start, file)| start / file).collect();
        Ok(Part { layout: Layout { shape: shape.to_vec(), ..self.layout }, first, metadata, goal: Goal::PartOfOne })
    }

    fn end_of_rows(&self, name: &str, shape: &[usize]) -> Result<Vec<usize>> {
        let there = &self.layout.shape;
        if there.is_empty() || shape.len() != there.len() || shape[1..] != there[1..] {
            let text = format!("cannot append {} to {name}, which has shape {}", show(shape), show(there));
            return Err(Error::mismatch(text).hint("all axes but the first have the same lengths"));
        }
        let mut start = vec![0; there.len()];
        start[0] = there[0];
        Ok(start)
    }

    fn region(&self, name: &str, shape: &[usize], ranges: &[(usize, Option<usize>)]) -> Result<Vec<usize>> {
        let there = &self.layout.shape;
        if ranges.len() != there.len() {
            let text = format!("a region of {name} has {} ranges, the array has shape {}", ranges.len(), show(there));
            return Err(Error::usage(text).hint("a range for every axis, as in region=0:4096,:"));
        }
        let ends: Vec<usize> = ranges.iter().zip(there).map(|((_, end), length)| end.unwrap_or(*length)).collect();
        let fits = ranges.iter().zip(&ends).zip(there).all(|(((start, _), end), length)| start <= end && end <= length);
        if !fits {
            return Err(Error::usage(format!("the region leaves {name}, which has shape {}", show(there))));
        }
        let lengths: Vec<usize> = ranges.iter().zip(&ends).map(|((start, _), end)| end - start).collect();
        if lengths != shape {
            return Err(Error::mismatch(format!("the region of {name} has shape {}, the values have {}", show(&lengths), show(shape))));
        }
        Ok(ranges.iter().map(|(start, _)| *start).collect())
    }

    /// A file is encoded as a whole, so a part begins and ends with one, or at the end of the array.
    fn check_whole_files(&self, name: &str, start: &[usize], shape: &[usize]) -> Result<()> {
        let (file, whole) = (self.layout.file(), &self.layout.shape);
        let what = if self.layout.shard.is_some() { "shard" } else { "chunk" };
        for axis in 0..start.len() {
            let end = start[axis] + shape[axis];
            let cut = [start[axis], end].into_iter().find(|&at| !at.is_multiple_of(file[axis]) && at != whole[axis]);
            // Where something is appended the end of what was there lies inside the array.
            if let Some(at) = cut.or_else(|| (!start[axis].is_multiple_of(file[axis]) && shape[axis] > 0).then_some(start[axis])) {
                let text = format!("cannot write into {name}: {at} on axis {axis} cuts a {what} of {}", show(file));
                return Err(Error::usage(text).hint(format!("begin and end at multiples of {} or at the end of the array", file[axis])));
            }
        }
        Ok(())
    }
}

fn lengths(value: &Value) -> Option<Vec<usize>> {
    value.as_array()?.iter().map(|length| length.as_u64().and_then(|length| usize::try_from(length).ok())).collect()
}

/// Lengths of a box: none is 0.
fn box_of(value: &Value, rank: usize) -> Option<Vec<usize>> {
    lengths(value).filter(|found| found.len() == rank && !found.contains(&0))
}

fn parse_v3(json: &Value) -> Option<(Layout, DType, Codec)> {
    let shape = lengths(&json["shape"])?;
    let name = json["data_type"].as_str()?;
    let dtype = DType::ALL.into_iter().find(|dtype| dtype.numpy_name() == name)?;
    let file = box_of(&json["chunk_grid"]["configuration"]["chunk_shape"], shape.len())?;
    let codecs = json["codecs"].as_array()?;
    if codecs.first()?["name"] != "sharding_indexed" {
        return Some((Layout { shape, chunk: file, shard: None }, dtype, codec_v3(codecs.get(1..)?)?));
    }
    let sharding = &codecs.first()?["configuration"];
    let chunk = box_of(&sharding["chunk_shape"], shape.len())?;
    let divides = file.iter().zip(&chunk).all(|(file, chunk)| file.is_multiple_of(*chunk));
    let codec = codec_v3(sharding["codecs"].as_array()?.get(1..)?)?;
    divides.then_some((Layout { shape, chunk, shard: Some(file) }, dtype, codec))
}

fn codec_v3(chain: &[Value]) -> Option<Codec> {
    let Some(first) = chain.first() else { return Some(Codec::None) };
    let settings = &first["configuration"];
    match first["name"].as_str()? {
        "crc32c" => Some(Codec::Crc32c),
        "zstd" => settings["level"].as_i64().and_then(|level| i32::try_from(level).ok()).map(Codec::Zstd),
        "gzip" => level(&settings["level"]).map(Codec::Gzip),
        "numcodecs.lz4" => Some(Codec::Lz4),
        "blosc" => blosc(settings),
        _ => None,
    }
}

fn parse_v2(json: &Value) -> Option<(Layout, DType, Codec)> {
    let shape = lengths(&json["shape"])?;
    let dtype: DType = json["dtype"].as_str()?.parse().ok()?;
    let chunk = box_of(&json["chunks"], shape.len())?;
    let compressor = &json["compressor"];
    let codec = match compressor["id"].as_str() {
        None => Codec::None,
        Some("zstd") => Codec::Zstd(i32::try_from(compressor["level"].as_i64()?).ok()?),
        Some("gzip") => Codec::Gzip(level(&compressor["level"])?),
        Some("lz4") => Codec::Lz4,
        Some("blosc") => blosc(compressor)?,
        Some(_) => return None,
    };
    Some((Layout { shape, chunk, shard: None }, dtype, codec))
}

fn blosc(settings: &Value) -> Option<Codec> {
    let level = level(&settings["clevel"])?;
    match settings["cname"].as_str()? {
        "lz4" => Some(Codec::BloscLz4(level)),
        "zstd" => Some(Codec::BloscZstd(level)),
        _ => None,
    }
}

fn level(value: &Value) -> Option<u8> {
    value.as_u64().and_then(|level| u8::try_from(level).ok()).filter(|level| *level <= 9)
}
