//! Codecs that turn bytes into bytes, decoded straight into the buffers they are given.
//!
//! Every decoder writes to a slice of the size that its caller expects at most: nothing is allocated in proportion to what encoded
//! bytes promise.

mod blosc;
mod shuffle;

use flate2::{Crc, Decompress, FlushDecompress, Status};
use std::ops::Range;

/// What decoding gives: an error is the end of a sentence that began with a chunk's name.
pub(super) type Decoded<T> = std::result::Result<T, String>;

/// A codec of encoded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteCodec {
    Adler32,
    Blosc,
    Bzip2,
    Crc32,
    Crc32c,
    Fletcher32,
    Gzip,
    Lz4,
    Shuffle { element_bytes: usize },
    Zlib,
    Zstd,
}

/// Decoder states that are used again, one set per thread.
#[derive(Default)]
pub(super) struct Tools {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    zlib: Option<Decompress>,
    raw_deflate: Option<Decompress>,
}

impl ByteCodec {
    /// What metadata call it.
    pub fn name(self) -> &'static str {
        match self {
            ByteCodec::Adler32 => "adler32",
            ByteCodec::Blosc => "blosc",
            ByteCodec::Bzip2 => "bz2",
            ByteCodec::Crc32 => "crc32",
            ByteCodec::Crc32c => "crc32c",
            ByteCodec::Fletcher32 => "fletcher32",
            ByteCodec::Gzip => "gzip",
            ByteCodec::Lz4 => "lz4",
            ByteCodec::Shuffle { .. } => "shuffle",
            ByteCodec::Zlib => "zlib",
            ByteCodec::Zstd => "zstd",
        }
    }

    /// Whether the decoded bytes stand in the encoded ones as they are.
    pub fn is_checksum(self) -> bool {
        matches!(self, ByteCodec::Adler32 | ByteCodec::Crc32 | ByteCodec::Crc32c | ByteCodec::Fletcher32)
    }

    /// Bytes that an encoding of `decoded_bytes` takes at most; what is longer is corrupt.
    pub fn encoded_bytes_max(self, decoded_bytes: usize) -> usize {
        match self {
            _ if self.is_checksum() => decoded_bytes.saturating_add(4),
            ByteCodec::Shuffle { .. } => decoded_bytes,
            // Writers that flush often, and small blocks, cost more than the formats need.
            _ => decoded_bytes.saturating_add(decoded_bytes / 8).saturating_add(4096),
        }
    }

    /// Where the decoded bytes stand in the encoded ones as they are, or `None` if they have to be worked out.
    pub fn strip(self, encoded: &[u8]) -> Decoded<Option<Range<usize>>> {
        if !self.is_checksum() {
            return Ok(None);
        }
        let Some(length) = encoded.len().checked_sub(4) else { return Err("it is shorter than its checksum".to_string()) };
        let (sum_at, bytes_at) = match self {
            ByteCodec::Adler32 | ByteCodec::Crc32 => (0, 4..4 + length),
            _ => (length, 0..length),
        };
        let bytes = &encoded[bytes_at.clone()];
        let computed = match self {
            ByteCodec::Adler32 => adler32(bytes),
            ByteCodec::Crc32 => crc32(bytes),
            ByteCodec::Fletcher32 => fletcher32(bytes),
            _ => crc32c::crc32c(bytes),
        };
        let stored = u32::from_le_bytes(std::array::from_fn(|byte| encoded[sum_at + byte]));
        if stored != computed {
            return Err(format!("its {} checksum is {stored:08x}, its bytes give {computed:08x}", self.name()));
        }
        Ok(Some(bytes_at))
    }

    /// Decodes into the front of `out`; gives the number of bytes. More than `out` has room for is an error.
    pub fn decode(self, tools: &mut Tools, spare: &mut Vec<u8>, encoded: &[u8], out: &mut [u8]) -> Decoded<usize> {
        match self {
            ByteCodec::Blosc => blosc::decode(tools, spare, encoded, out),
            ByteCodec::Bzip2 => bzip2(encoded, out),
            ByteCodec::Gzip => tools.gzip(encoded, out),
            ByteCodec::Zlib => tools.zlib(encoded, out),
            ByteCodec::Zstd => tools.zstd(encoded, out),
            ByteCodec::Lz4 => lz4(encoded, out),
            ByteCodec::Shuffle { element_bytes } => {
                let out = out.get_mut(..encoded.len()).ok_or_else(|| format!("it decodes to more than {} bytes", encoded.len()))?;
                shuffle::unshuffle(element_bytes, encoded, out);
                Ok(out.len())
            }
            _ => Err("a checksum is to be stripped".to_string()),
        }
    }
}

impl Tools {
    fn zstd(&mut self, encoded: &[u8], out: &mut [u8]) -> Decoded<usize> {
        if self.zstd.is_none() {
            self.zstd = Some(zstd::bulk::Decompressor::new().map_err(|error| format!("a zstd decoder cannot be made: {error}"))?);
        }
        let decoder = self.zstd.as_mut().ok_or("a zstd decoder cannot be made")?;
        let room = out.len();
        decoder.decompress_to_buffer(encoded, out).map_err(|error| format!("its zstd data cannot be decoded into {room} bytes: {error}"))
    }

    fn zlib(&mut self, encoded: &[u8], out: &mut [u8]) -> Decoded<usize> {
        let state = self.zlib.get_or_insert_with(|| Decompress::new(true));
        state.reset(true);
        let (taken, made) = inflate(state, "zlib", encoded, out)?;
        if taken != encoded.len() {
            return Err(format!("{} bytes follow its zlib data", encoded.len() - taken));
        }
        Ok(made)
    }

    /// Decodes the members of a gzip file one after the other.
    fn gzip(&mut self, mut encoded: &[u8], out: &mut [u8]) -> Decoded<usize> {
        let mut made = 0;
        while made == 0 || !encoded.is_empty() {
            let header = gzip_header_bytes(encoded).ok_or("its gzip header is broken")?;
            let state = self.raw_deflate.get_or_insert_with(|| Decompress::new(false));
            state.reset(false);
            let (taken, length) = inflate(state, "gzip", &encoded[header..], &mut out[made..])?;
            let member = &out[made..made + length];
            let (trailer, rest) = encoded[header + taken..].split_first_chunk::<8>().ok_or("its gzip data end too early")?;
            let [crc, size] = [0, 4].map(|at| u32::from_le_bytes(std::array::from_fn(|byte| trailer[at + byte])));
            if size != length as u32 || crc != crc32(member) {
                return Err(format!("its gzip checksum is {crc:08x}, its bytes give {:08x}", crc32(member)));
            }
            made += length;
            if rest.len() == encoded.len() || (length == 0 && rest.is_empty()) {
                break;
            }
            encoded = rest;
        }
        Ok(made)
    }
}

/// Inflates until the stream ends; gives the bytes taken and made.
fn inflate(state: &mut Decompress, name: &str, encoded: &[u8], out: &mut [u8]) -> Decoded<(usize, usize)> {
    let status = state.decompress(encoded, out, FlushDecompress::Finish);
    let status = status.map_err(|error| format!("its {name} data cannot be decoded: {error}"))?;
    let (taken, made) = (state.total_in() as usize, state.total_out() as usize);
    match status {
        Status::StreamEnd => Ok((taken, made)),
        _ if taken >= encoded.len() => Err(format!("its {name} data end too early")),
        _ => Err(format!("its {name} data decode to more than {} bytes", out.len())),
    }
}

/// Bytes of the header of a gzip member.
fn gzip_header_bytes(encoded: &[u8]) -> Option<usize> {
    const CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    let &[0x1f, 0x8b, 8, flags, ..] = encoded else { return None };
    let mut at = 10;
    if flags & EXTRA != 0 {
        at += 2 + usize::from(u16::from_le_bytes(*encoded.get(at..)?.first_chunk()?));
    }
    for flag in [NAME, COMMENT] {
        if flags & flag != 0 {
            at += encoded.get(at..)?.iter().position(|&byte| byte == 0)? + 1;
        }
    }
    if flags & CRC != 0 {
        at += 2;
    }
    (at <= encoded.len()).then_some(at)
}

/// An LZ4 block behind its decoded size in four bytes, as numcodecs writes it.
fn lz4(encoded: &[u8], out: &mut [u8]) -> Decoded<usize> {
    let (size, block) = encoded.split_first_chunk().ok_or("it is shorter than an LZ4 size")?;
    let size = u32::from_le_bytes(*size) as usize;
    let room = out.len();
    let out = out.get_mut(..size).ok_or_else(|| format!("its LZ4 size is {size} bytes, {room} are expected at most"))?;
    let made = lz4_block(block, out)?;
    if made == size { Ok(size) } else { Err(format!("its LZ4 data have {made} bytes, their header says {size}")) }
}

fn lz4_block(block: &[u8], out: &mut [u8]) -> Decoded<usize> {
    lz4_flex::block::decompress_into(block, out).map_err(|error| format!("its LZ4 data cannot be decoded: {error}"))
}

fn bzip2(encoded: &[u8], out: &mut [u8]) -> Decoded<usize> {
    use std::io::Read;
    let mut decoder = bzip2::read::MultiBzDecoder::new(encoded);
    let mut made = 0;
    let failed = |error: std::io::Error| format!("its bzip2 data cannot be decoded: {error}");
    while made < out.len() {
        match decoder.read(&mut out[made..]).map_err(failed)? {
            0 => return Ok(made),
            more => made += more,
        }
    }
    match decoder.read(&mut [0]).map_err(failed)? {
        0 => Ok(made),
        _ => Err(format!("its bzip2 data decode to more than {made} bytes")),
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65521;
    let (mut low, mut high) = (1u32, 0u32);
    // So many bytes cannot overflow 32 bits before the remainder is taken.
    for piece in bytes.chunks(5552) {
        for &byte in piece {
            low += u32::from(byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}

/// The variant that HDF5 defines: pairs of bytes, big-endian, sums modulo 65535.
fn fletcher32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (0u32, 0u32);
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    for piece in bytes.chunks(720) {
        for pair in piece.chunks(2) {
            low += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |&byte| u32::from(byte));
            high += low;
        }
        (low, high) = (fold(low), fold(high));
    }
    (low, high) = (fold(low), fold(high));
    high << 16 | low
}
