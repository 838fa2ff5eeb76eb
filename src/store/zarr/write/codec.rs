//! What happens to the bytes of a chunk on their way to the disk, and how the metadata calls it.
//!
//! Every encoder is deterministic: one thread, no time stamps. Compressors that check nothing themselves are followed by a crc32c
//! in version 3 (version 2 has no place for one). `none` stays bare, so that readers can map it; `crc32c` is its checked twin.

use crate::{
    error::{Error, Result},
    nd::DType,
};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use std::{fmt, io::Write, str::FromStr};
use zarrs::array::codec::{
    BloscCodec, BloscCompressor, BloscShuffleMode,
    api::{BytesToBytesCodecTraits, CodecOptions},
};
use zstd::zstd_safe::CParameter;

use super::ZarrVersion;

const KNOWN: &str = "none, crc32c, zstd:3, lz4, blosc-lz4:5, blosc-zstd:5, gzip:5";
/// Numbers of bytes that lz4 and blosc can count.
const SMALL_BYTES_MAX: usize = 0x7e00_0000;

/// How the chunks of a Zarr array are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Bytes as they are.
    None,
    /// Bytes as they are, with a checksum.
    Crc32c,
    /// Zstandard of a level, with its own checksum.
    Zstd(i32),
    /// LZ4 blocks as numcodecs writes them.
    Lz4,
    /// Shuffled LZ4 of a level, in blosc's frame.
    BloscLz4(u8),
    /// Shuffled Zstandard of a level, in blosc's frame.
    BloscZstd(u8),
    /// gzip of a level.
    Gzip(u8),
}

impl Default for Codec {
    fn default() -> Self {
        Codec::Zstd(3)
    }
}

impl FromStr for Codec {
    type Err = Error;

    /// `none`, `zstd:3`, `gzip`: a name, and a level where there is one.
    fn from_str(text: &str) -> Result<Codec> {
        let (name, level) = text.split_once(':').map_or((text, None), |(name, level)| (name, Some(level)));
        let level = |default: i32, least: i32, most: i32| match level {
            None => Ok(default),
            Some(level) => level.parse().ok().filter(|level| (least..=most).contains(level)).ok_or_else(|| {
                Error::usage(format!("codec `{text}`: the level of {name} is a number from {least} to {most}"))
                    .hint(format!("as in {KNOWN}"))
            }),
        };
        let small = |default: i32| level(default, 0, 9).map(|level| u8::try_from(level).unwrap_or(9));
        let bare = |codec: Codec| match text.contains(':') {
            true => Err(Error::usage(format!("codec `{text}`: {name} has no level"))),
            false => Ok(codec),
        };
        match name {
            "none" => bare(Codec::None),
            "crc32c" => bare(Codec::Crc32c),
            "lz4" => bare(Codec::Lz4),
            "zstd" => Ok(Codec::Zstd(level(3, -7, 22)?)),
            "blosc-lz4" => Ok(Codec::BloscLz4(small(5)?)),
            "blosc-zstd" => Ok(Codec::BloscZstd(small(5)?)),
            "gzip" => Ok(Codec::Gzip(small(5)?)),
            _ => Err(Error::usage(format!("unknown codec `{text}`")).hint(format!("known are {KNOWN}"))),
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Codec::None => f.write_str("none"),
            Codec::Crc32c => f.write_str("crc32c"),
            Codec::Lz4 => f.write_str("lz4"),
            Codec::Zstd(level) => write!(f, "zstd:{level}"),
            Codec::BloscLz4(level) => write!(f, "blosc-lz4:{level}"),
            Codec::BloscZstd(level) => write!(f, "blosc-zstd:{level}"),
            Codec::Gzip(level) => write!(f, "gzip:{level}"),
        }
    }
}

impl Codec {
    /// Whether encoded chunks all have one length, whatever is in them.
    pub(super) fn is_fixed_size(self) -> bool {
        matches!(self, Codec::None | Codec::Crc32c)
    }

    /// An error if chunks of `chunk_bytes` cannot be encoded in an array of `version`.
    pub(super) fn check(self, chunk_bytes: usize, version: ZarrVersion) -> Result<()> {
        if version == ZarrVersion::V2 && self == Codec::Crc32c {
            return Err(Error::usage("Zarr version 2 has no crc32c").hint("version 3, or zstd, whose frames are checked"));
        }
        let is_small = !matches!(self, Codec::Lz4 | Codec::BloscLz4(_) | Codec::BloscZstd(_)) || chunk_bytes <= SMALL_BYTES_MAX;
        if is_small {
            return Ok(());
        }
        Err(Error::usage(format!("chunks of {chunk_bytes} bytes are too large for {self}, which takes up to {SMALL_BYTES_MAX}"))
            .hint("smaller chunks, or zstd"))
    }

    /// Bytes that encoding a chunk of `chunk_bytes` takes at most: the result and the compressor's tables.
    pub(super) fn scratch_bytes(self, chunk_bytes: usize) -> u64 {
        let (chunk, encoded) = (chunk_bytes as u64, encoded_bytes_max(chunk_bytes));
        encoded
            + match self {
                Codec::None | Codec::Crc32c => 0,
                Codec::Zstd(level) => zstd_table_bytes(level, chunk),
                Codec::Lz4 => 64 << 10,
                // Shuffled copy, compressed copy, and the vector that comes back.
                Codec::BloscLz4(_) | Codec::BloscZstd(_) => 2 * encoded + (4 << 20),
                Codec::Gzip(_) => 512 << 10,
            }
    }

    /// The chain of bytes-to-bytes codecs, as version 3 writes it.
    pub(super) fn v3(self, dtype: DType) -> Vec<Value> {
        let crc32c = json!({"name": "crc32c"});
        match self {
            Codec::None => vec![],
            Codec::Crc32c => vec![crc32c],
            Codec::Zstd(level) => vec![json!({"name": "zstd", "configuration": {"level": level, "checksum": true}})],
            Codec::Lz4 => vec![json!({"name": "numcodecs.lz4", "configuration": {"acceleration": 1}}), crc32c],
            Codec::BloscLz4(level) | Codec::BloscZstd(level) => {
                let configuration = json!({
                    "cname": self.blosc_name(), "clevel": level, "shuffle": "shuffle", "typesize": dtype.size(), "blocksize": 0,
                });
                vec![json!({"name": "blosc", "configuration": configuration}), crc32c]
            }
            Codec::Gzip(level) => vec![json!({"name": "gzip", "configuration": {"level": level}})],
        }
    }

    /// The compressor, as version 2 writes it.
    pub(super) fn v2(self) -> Value {
        match self {
            Codec::None | Codec::Crc32c => Value::Null,
            Codec::Zstd(level) => json!({"id": "zstd", "level": level, "checksum": true}),
            Codec::Lz4 => json!({"id": "lz4", "acceleration": 1}),
            Codec::BloscLz4(level) | Codec::BloscZstd(level) => {
                json!({"id": "blosc", "cname": self.blosc_name(), "clevel": level, "shuffle": 1, "blocksize": 0})
            }
            Codec::Gzip(level) => json!({"id": "gzip", "level": level}),
        }
    }

    fn blosc_name(self) -> &'static str {
        if matches!(self, Codec::BloscLz4(_)) { "lz4" } else { "zstd" }
    }

    fn is_followed_by_crc32c(self, version: ZarrVersion) -> bool {
        version == ZarrVersion::V3 && matches!(self, Codec::Crc32c | Codec::Lz4 | Codec::BloscLz4(_) | Codec::BloscZstd(_))
    }
}

/// Bytes of an encoded chunk at most, in every codec; lz4's bound is the largest.
pub(super) fn encoded_bytes_max(chunk_bytes: usize) -> u64 {
    let chunk = chunk_bytes as u64;
    chunk + chunk / 10 + 1024
}

/// Tables of a compressor for chunks of this size: what libzstd asks for, rounded up.
fn zstd_table_bytes(level: i32, chunk_bytes: u64) -> u64 {
    // Hashes and chains are eight bytes and some tags per byte of the chunk at most, and never longer than their level says.
    let chunk = chunk_bytes.next_power_of_two().max(64 << 10);
    let (per_byte, most) = match level {
        ..=4 => (4, 4 << 20),
        5..=8 => (12, 10 << 20),
        9..=12 => (18, 64 << 20),
        13..=19 => (17, 96 << 20),
        _ => (17, 700 << 20),
    };
    // Sequences and statistics of a block come on top.
    (chunk * per_byte).min(most) + (5 << 19)
}

/// One thread's encoder, with its buffers: a chunk goes in, and lies encoded in [`Encoder::encoded`].
pub(super) struct Encoder {
    codec: Codec,
    version: ZarrVersion,
    zstd: Option<zstd::bulk::Compressor<'static>>,
    blosc: Option<BloscCodec>,
    encoded: Vec<u8>,
}

impl Encoder {
    pub fn new(codec: Codec, dtype: DType, version: ZarrVersion) -> Result<Self> {
        let blosc = |compressor, level: u8| {
            let level = level.try_into().map_err(|_| Error::internal(format!("blosc level {level}")))?;
            BloscCodec::new(compressor, level, None, BloscShuffleMode::Shuffle, Some(dtype.size()))
                .map_err(|error| Error::internal(format!("blosc: {error}")))
        };
        let (mut zstd, mut made) = (None, None);
        match codec {
            Codec::Zstd(level) => {
                let mut compressor = zstd::bulk::Compressor::new(level).map_err(|error| failed("zstd", error))?;
                compressor.set_parameter(CParameter::ChecksumFlag(true)).map_err(|error| failed("zstd", error))?;
                zstd = Some(compressor);
            }
            Codec::BloscLz4(level) => made = Some(blosc(BloscCompressor::LZ4, level)?),
            Codec::BloscZstd(level) => made = Some(blosc(BloscCompressor::Zstd, level)?),
            _ => {}
        }
        Ok(Encoder { codec, version, zstd, blosc: made, encoded: Vec::new() })
    }

    /// The bytes that are stored for a chunk: `chunk` itself where nothing happens to it.
    pub fn encode<'a>(&'a mut self, chunk: &'a [u8]) -> Result<&'a [u8]> {
        let encoded = &mut self.encoded;
        encoded.clear();
        match self.codec {
            Codec::None => return Ok(chunk),
            Codec::Crc32c => encoded.extend_from_slice(chunk),
            Codec::Zstd(_) => {
                let compressor = self.zstd.as_mut().ok_or_else(|| Error::internal("no zstd compressor"))?;
                encoded.reserve(zstd::zstd_safe::compress_bound(chunk.len()));
                compressor.compress_to_buffer(chunk, encoded).map_err(|error| failed("zstd", error))?;
            }
            Codec::Lz4 => {
                let length = u32::try_from(chunk.len()).map_err(|_| Error::internal("a chunk too large for lz4"))?;
                encoded.resize(4 + lz4_flex::block::get_maximum_output_size(chunk.len()), 0);
                encoded[..4].copy_from_slice(&length.to_le_bytes());
                let taken =
                    lz4_flex::block::compress_into(chunk, &mut encoded[4..]).map_err(|error| Error::internal(format!("lz4: {error}")))?;
                encoded.truncate(4 + taken);
            }
            Codec::BloscLz4(_) | Codec::BloscZstd(_) => {
                let blosc = self.blosc.as_ref().ok_or_else(|| Error::internal("no blosc compressor"))?;
                let options = CodecOptions::default().with_concurrent_target(1);
                let made = blosc.encode(chunk.into(), &options).map_err(|error| Error::internal(format!("blosc: {error}")))?;
                encoded.extend_from_slice(&made);
            }
            Codec::Gzip(level) => {
                let mut writer = GzBuilder::new().mtime(0).write(&mut *encoded, Compression::new(u32::from(level)));
                writer.write_all(chunk).and_then(|()| writer.finish().map(drop)).map_err(|error| failed("gzip", error))?;
            }
        }
        if self.codec.is_followed_by_crc32c(self.version) {
            let sum = crc32c::crc32c(encoded);
            encoded.extend_from_slice(&sum.to_le_bytes());
        }
        Ok(encoded)
    }
}

fn failed(name: &str, error: std::io::Error) -> Error {
    Error::internal(format!("{name} cannot compress a chunk: {error}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_spelt_with_their_level() {
        for (text, codec) in [
            ("none", Codec::None),
            ("zstd", Codec::Zstd(3)),
            ("zstd:-7", Codec::Zstd(-7)),
            ("gzip:9", Codec::Gzip(9)),
            ("blosc-lz4", Codec::BloscLz4(5)),
            ("blosc-zstd:1", Codec::BloscZstd(1)),
            ("lz4", Codec::Lz4),
            ("crc32c", Codec::Crc32c),
        ] {
            assert_eq!(text.parse::<Codec>().unwrap(), codec, "{text}");
            assert_eq!(codec.to_string().parse::<Codec>().unwrap(), codec);
        }
        for bad in ["", "zip", "zstd:23", "zstd:", "gzip:10", "lz4:3", "none:1", "zstd:3:4", "Zstd"] {
            assert!(bad.parse::<Codec>().is_err(), "{bad}");
        }
    }

    #[test]
    fn tables_of_zstd_stay_within_what_is_planned() {
        for level in -7..=22 {
            for chunk_bytes in [100usize, 64 << 10, 1 << 20, 5 << 20].into_iter().take(if level > 12 { 3 } else { 4 }) {
                let mut encoder = Encoder::new(Codec::Zstd(level), DType::U8, ZarrVersion::V3).unwrap();
                let chunk: Vec<u8> = (0..chunk_bytes).map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
                assert!(encoder.encode(&chunk).unwrap().len() as u64 <= encoded_bytes_max(chunk_bytes));
                let taken = encoder.zstd.as_mut().unwrap().context_mut().sizeof() as u64;
                let planned = zstd_table_bytes(level, chunk_bytes as u64);
                assert!(taken <= planned, "level {level}, {chunk_bytes} bytes: {taken} taken, {planned} planned");
            }
        }
    }
}
