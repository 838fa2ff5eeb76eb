//! What a caller says about the layout of a Zarr output: fields, flags and the query of its path.

use super::codec::Codec;
use crate::{
    error::{Error, Result},
    nd::Dims,
    store::open::parse_dims,
};
use serde_json::{Map, Value};
use std::str::FromStr;

const KEYS: &str = "chunks, shards, codec, version, dims, append, region";

/// Version of the Zarr format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ZarrVersion {
    /// `.zarray` and `.zattrs`; no shards.
    V2,
    /// `zarr.json`.
    V3,
}

/// The box of a chunk or a shard, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoxShape {
    /// Of a good size: about 1 MiB for chunks, 64 MiB for shards.
    Auto,
    /// No shards: a file per chunk.
    None,
    /// A length for every axis; -1 is the whole axis.
    Lengths(Vec<i64>),
}

/// What of an array is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// All of a new one.
    #[default]
    New,
    /// Rows behind the last one of an array that exists.
    Append,
    /// A box of an array that exists: start and end on every axis; `None` is the axis' own end.
    Region(Vec<(usize, Option<usize>)>),
}

/// How a Zarr array is written. What is left out follows the array, the store it goes to, or the defaults: version 3, chunks of
/// about 1 MiB in shards of about 64 MiB, `zstd:3`.
///
/// ```
/// use outcore::store::zarr::ZarrOptions;
/// let options = ZarrOptions::default().with("chunks", "4096,128")?.with("codec", "blosc-lz4")?;
/// assert!(options.with("codec", "zip").is_err());
/// # Ok::<(), outcore::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ZarrOptions {
    /// Version of the format.
    pub version: Option<ZarrVersion>,
    /// Box of a chunk.
    pub chunks: Option<BoxShape>,
    /// Box of a shard, whole chunks.
    pub shards: Option<BoxShape>,
    /// Encoding of chunks.
    pub codec: Option<Codec>,
    /// Axis names.
    pub dims: Option<Dims>,
    /// Attributes of the array.
    pub attributes: Map<String, Value>,
    /// What of the array is written.
    pub place: Place,
}

impl ZarrOptions {
    /// With `key` (`chunks`, `shards`, `codec`, `version`, `dims`, `append`, `region`) as its flag or query says.
    pub fn with(mut self, key: &str, value: &str) -> Result<Self> {
        match key {
            "chunks" => self.chunks = Some(parse_box(key, value).and_then(|found| refuse_none(found, value))?),
            "shards" => self.shards = Some(parse_box(key, value)?),
            "codec" => self.codec = Some(value.parse()?),
            "version" => self.version = Some(value.parse()?),
            "dims" => self.dims = Some(parse_dims(value)?),
            "append" if value == "0" => self.place = Place::Append,
            "append" => return Err(Error::usage(format!("append={value}: rows are appended along axis 0")).hint("append=0")),
            "region" => self.place = Place::Region(parse_region(value)?),
            _ => return Err(Error::usage(format!("unknown key `{key}`")).hint(format!("keys of Zarr outputs are {KEYS}"))),
        }
        Ok(self)
    }

    /// Whether nothing is asked for that only a Zarr array can have.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.version.is_none() && self.chunks.is_none() && self.shards.is_none() && self.codec.is_none()
    }

    /// With what a path's query says on top.
    pub(in crate::store) fn with_query(self, path_text: &str, query: &str) -> Result<Self> {
        let mut options = self;
        let mut seen: Vec<&str> = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part.split_once('=').ok_or_else(|| {
                Error::usage(format!("{path_text}: `{part}` is not `key=value`")).hint(format!("keys of Zarr outputs are {KEYS}"))
            })?;
            if seen.contains(&key) {
                return Err(Error::usage(format!("{path_text}: `{key}` is given twice")));
            }
            seen.push(key);
            options = options.with(key, value).map_err(|error| error.context(path_text))?;
        }
        Ok(options)
    }
}

impl FromStr for ZarrVersion {
    type Err = Error;

    fn from_str(text: &str) -> Result<ZarrVersion> {
        match text {
            "2" => Ok(ZarrVersion::V2),
            "3" => Ok(ZarrVersion::V3),
            _ => Err(Error::usage(format!("there is no version {text} of Zarr")).hint("version 2 or 3")),
        }
    }
}

fn parse_box(key: &str, value: &str) -> Result<BoxShape> {
    match value {
        "auto" => return Ok(BoxShape::Auto),
        "none" => return Ok(BoxShape::None),
        _ => {}
    }
    let bare = value.trim().trim_start_matches('(').trim_end_matches(')');
    let bare = bare.strip_suffix(',').unwrap_or(bare);
    let length = |text: &str| text.trim().parse::<i64>().ok().filter(|&length| length > 0 || length == -1);
    let lengths = if bare.trim().is_empty() { Some(Vec::new()) } else { bare.split(',').map(length).collect() };
    lengths.map(BoxShape::Lengths).ok_or_else(|| {
        Error::usage(format!("{key} `{value}`: lengths of axes with commas between, -1 for a whole axis"))
            .hint(format!("as in {key}=4096,128; `auto` is the default"))
    })
}

/// `0:4096,:`: a range for every axis.
fn parse_region(value: &str) -> Result<Vec<(usize, Option<usize>)>> {
    let range = |text: &str| {
        let (start, end) = text.trim().split_once(':')?;
        let start = if start.is_empty() { 0 } else { start.parse().ok()? };
        Some((start, if end.is_empty() { None } else { Some(end.parse().ok()?) }))
    };
    value
        .split(',')
        .map(range)
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| Error::usage(format!("region={value}: ranges of axes with commas between, from 0 on")).hint("as in region=0:4096,:"))
}

fn refuse_none(found: BoxShape, value: &str) -> Result<BoxShape> {
    match found {
        BoxShape::None => Err(Error::usage(format!("chunks `{value}`: a Zarr array always has chunks")).hint("chunks=-1,-1 is one chunk")),
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_say_what_flags_say() {
        let options = ZarrOptions::default().with_query("z.zarr", "chunks=4096,-1&shards=none&codec=gzip&version=2&dims=row,_").unwrap();
        assert_eq!(options.chunks, Some(BoxShape::Lengths(vec![4096, -1])));
        assert_eq!(
            (options.shards.clone(), options.codec, options.version),
            (Some(BoxShape::None), Some(Codec::Gzip(5)), Some(ZarrVersion::V2))
        );
        assert_eq!(options.dims.clone().unwrap().to_string(), "row,_");
        assert!(!options.is_plain() && ZarrOptions::default().is_plain());
        let region = ZarrOptions::default().with("region", "0:4,:,2:").unwrap().place;
        assert_eq!(region, Place::Region(vec![(0, Some(4)), (0, None), (2, None)]));
        for bad in [
            "chunks=0,1",
            "chunks=a",
            "chunks=none",
            "version=4",
            "codec=zip",
            "level=3",
            "chunks",
            "codec=lz4&codec=lz4",
            "append=1",
            "region=1",
            "region=-1:2",
        ] {
            let error = ZarrOptions::default().with_query("z.zarr", bad).unwrap_err();
            assert!(error.kind() == crate::ErrorKind::Usage && error.message().len() > 10, "{bad}: {error}");
        }
    }
}
