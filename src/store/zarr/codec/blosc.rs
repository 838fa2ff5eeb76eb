//! Blosc 1 chunks: a header, blocks, and in every block one compressed piece per byte of an element, or one for all.
//!
//! Nothing in a header is believed: sizes are held against what the array says a chunk has, places against the bytes there are.

use super::{Decoded, Tools, shuffle};

const HEADER_BYTES: usize = 16;
/// Blocks of fewer elements than this were never cut into pieces, nor were elements of more bytes than `SPLITS_MAX`.
const SPLIT_ELEMENTS_MIN: usize = 128;
const SPLITS_MAX: usize = 16;

const SHUFFLED: u8 = 0x01;
const COPIED: u8 = 0x02;
const BITS_SHUFFLED: u8 = 0x04;
const UNKNOWN: u8 = 0x08;
const WHOLE_BLOCKS: u8 = 0x10;

#[derive(Clone, Copy)]
enum Inner {
    BloscLz,
    Lz4,
    Snappy,
    Zlib,
    Zstd,
}

struct Header {
    flags: u8,
    element_bytes: usize,
    decoded_bytes: usize,
    block_bytes: usize,
    inner: Inner,
}

fn word(bytes: &[u8], at: usize) -> Decoded<usize> {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or_else(|| format!("its Blosc data end before byte {at}"))?;
    let value = i32::from_le_bytes(*word);
    usize::try_from(value).map_err(|_| format!("a Blosc length is {value}"))
}

impl Header {
    fn read(chunk: &[u8], decoded_bytes_max: usize) -> Decoded<Self> {
        let &[version, _, flags, element_bytes, ..] = chunk else { return Err("its Blosc header is cut short".to_string()) };
        if chunk.len() < HEADER_BYTES {
            return Err("its Blosc header is cut short".to_string());
        }
        if version != 2 {
            return Err(format!("it has Blosc format {version}; 2 is read"));
        }
        if flags & UNKNOWN != 0 {
            return Err(format!("its Blosc flags {flags:#04x} are unknown"));
        }
        let (decoded_bytes, block_bytes, encoded_bytes) = (word(chunk, 4)?, word(chunk, 8)?, word(chunk, 12)?);
        if decoded_bytes > decoded_bytes_max {
            return Err(format!("its Blosc header promises {decoded_bytes} bytes, the chunk has {decoded_bytes_max}"));
        }
        if encoded_bytes != chunk.len() {
            return Err(format!("its Blosc header says {encoded_bytes} encoded bytes, there are {}", chunk.len()));
        }
        if decoded_bytes > 0 && (block_bytes == 0 || block_bytes > decoded_bytes) || element_bytes == 0 {
            return Err(format!("its Blosc blocks have {block_bytes} bytes, its elements {element_bytes}"));
        }
        let inner = match flags >> 5 {
            0 => Inner::BloscLz,
            1 => Inner::Lz4,
            2 => Inner::Snappy,
            3 => Inner::Zlib,
            4 => Inner::Zstd,
            other => return Err(format!("its Blosc compressor {other} is unknown")),
        };
        Ok(Header { flags, element_bytes: usize::from(element_bytes), decoded_bytes, block_bytes, inner })
    }

    /// Pieces that a block is cut into.
    fn pieces(&self, block_bytes: usize) -> usize {
        let whole_block = block_bytes == self.block_bytes;
        let split = self.flags & WHOLE_BLOCKS == 0
            && self.element_bytes <= SPLITS_MAX
            && block_bytes / self.element_bytes >= SPLIT_ELEMENTS_MIN
            && whole_block;
        if split { self.element_bytes } else { 1 }
    }
}

/// Decodes a chunk into the front of `out`; gives the bytes that it has. `spare` holds one block.
pub(super) fn decode(tools: &mut Tools, spare: &mut Vec<u8>, chunk: &[u8], out: &mut [u8]) -> Decoded<usize> {
    let header = Header::read(chunk, out.len())?;
    let out = &mut out[..header.decoded_bytes];
    if header.flags & COPIED != 0 {
        if chunk.len() != HEADER_BYTES + out.len() {
            return Err(format!("its Blosc data have {} bytes for {} copied ones", chunk.len() - HEADER_BYTES, out.len()));
        }
        out.copy_from_slice(&chunk[HEADER_BYTES..]);
        return Ok(out.len());
    }
    if out.is_empty() {
        return Ok(0);
    }
    let by_bytes = header.flags & SHUFFLED != 0 && header.element_bytes > 1;
    for (index, block) in out.chunks_mut(header.block_bytes).enumerate() {
        let start = word(chunk, HEADER_BYTES + 4 * index)?;
        let by_bits = !by_bytes && header.flags & BITS_SHUFFLED != 0 && block.len() >= header.element_bytes;
        if !by_bytes && !by_bits {
            decode_block(tools, &header, chunk, start, block)?;
            continue;
        }
        if spare.len() < block.len() {
            spare.resize(block.len(), 0);
        }
        let shuffled = &mut spare[..block.len()];
        decode_block(tools, &header, chunk, start, shuffled)?;
        if by_bytes {
            shuffle::unshuffle(header.element_bytes, shuffled, block);
        } else {
            shuffle::unshuffle_bits(header.element_bytes, shuffled, block);
        }
    }
    Ok(header.decoded_bytes)
}

fn decode_block(tools: &mut Tools, header: &Header, chunk: &[u8], mut at: usize, block: &mut [u8]) -> Decoded<()> {
    let pieces = header.pieces(block.len());
    let piece_bytes = block.len() / pieces;
    // A block that is cut is a whole number of elements: any other was never written, and would leave bytes undecoded.
    if piece_bytes * pieces != block.len() {
        return Err(format!("a Blosc block of {} bytes is cut into {pieces} pieces", block.len()));
    }
    for piece in block.chunks_mut(piece_bytes) {
        let length = word(chunk, at)?;
        let data = chunk.get(at + 4..).and_then(|rest| rest.get(..length));
        let data = data.ok_or_else(|| format!("a Blosc piece of {length} bytes at byte {at} leaves the chunk"))?;
        at += 4 + length;
        if length == piece_bytes {
            piece.copy_from_slice(data);
            continue;
        }
        let made = match header.inner {
            Inner::BloscLz => blosclz(data, piece),
            Inner::Lz4 => super::lz4_block(data, piece),
            Inner::Zlib => tools.zlib(data, piece),
            Inner::Zstd => tools.zstd(data, piece),
            Inner::Snappy => snappy(data, piece),
        }?;
        if made != piece_bytes {
            return Err(format!("a Blosc piece has {made} bytes instead of {piece_bytes}"));
        }
    }
    Ok(())
}

/// Takes bytes off the front of a slice.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Decoded<u8> {
        let (&first, rest) = self.0.split_first().ok_or("compressed data end too early")?;
        self.0 = rest;
        Ok(first)
    }

    fn take(&mut self, count: usize) -> Decoded<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or("compressed data end too early")?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Appends to a slice, from outside or from what it holds already.
struct Output<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl Output<'_> {
    fn literal(&mut self, bytes: &[u8]) -> Decoded<()> {
        let to = self.bytes.get_mut(self.length..self.length + bytes.len()).ok_or("compressed data hold more than they should")?;
        to.copy_from_slice(bytes);
        self.length += bytes.len();
        Ok(())
    }

    /// Repeats `length` bytes from `distance` back; they may overlap.
    fn repeat(&mut self, distance: usize, length: usize) -> Decoded<()> {
        if distance == 0 || distance > self.length {
            return Err(format!("compressed data refer {distance} bytes back, {} are there", self.length));
        }
        if length > self.bytes.len() - self.length {
            return Err("compressed data hold more than they should".to_string());
        }
        let (start, end) = (self.length - distance, self.length + length);
        if distance == 1 {
            let byte = self.bytes[start];
            self.bytes[self.length..end].fill(byte);
        } else {
            // What was copied is a longer piece to copy from.
            let mut done = 0;
            while done < length {
                let step = (distance + done).min(length - done);
                self.bytes.copy_within(start..start + step, self.length + done);
                done += step;
            }
        }
        self.length = end;
        Ok(())
    }
}

/// Distances above this one are written with two bytes more.
const NEAR_MAX: usize = 8191;

/// Decodes BloscLZ: literals of up to 32 bytes, and repeats of at least 3.
fn blosclz(data: &[u8], out: &mut [u8]) -> Decoded<usize> {
    let (mut input, mut out) = (Input(data), Output { bytes: out, length: 0 });
    // The first command is a literal, whatever its upper bits say.
    let mut command = usize::from(input.byte()? & 31);
    loop {
        if command < 32 {
            out.literal(input.take(command + 1)?)?;
        } else {
            let mut length = (command >> 5) - 1;
            let mut high = (command & 31) << 8;
            if length == 6 {
                loop {
                    let more = input.byte()?;
                    length += usize::from(more);
                    if more != 255 {
                        break;
                    }
                }
            }
            let low = usize::from(input.byte()?);
            if low == 255 && high == 31 << 8 {
                high = usize::from(input.byte()?) << 8;
                let low = usize::from(input.byte()?);
                out.repeat(high + low + NEAR_MAX + 1, length + 3)?;
            } else {
                out.repeat(high + low + 1, length + 3)?;
            }
        }
        match input.byte() {
            Ok(next) => command = usize::from(next),
            Err(_) => return Ok(out.length),
        }
    }
}

/// Decodes a Snappy block: its length, literals, and repeats in three widths.
fn snappy(data: &[u8], out: &mut [u8]) -> Decoded<usize> {
    let (mut input, mut out) = (Input(data), Output { bytes: out, length: 0 });
    let mut promised = 0usize;
    for shift in [0, 7, 14, 21, 28] {
        let byte = input.byte()?;
        promised |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    if promised != out.bytes.len() {
        return Err(format!("a Snappy piece promises {promised} bytes instead of {}", out.bytes.len()));
    }
    while let Ok(tag) = input.byte() {
        let tag = usize::from(tag);
        match tag & 3 {
            0 => {
                let mut length = tag >> 2;
                if length >= 60 {
                    let wide = input.take(length - 59)?;
                    length = wide.iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte));
                }
                out.literal(input.take(length + 1)?)?;
            }
            1 => {
                let low = usize::from(input.byte()?);
                out.repeat((tag >> 5) << 8 | low, (tag >> 2 & 7) + 4)?;
            }
            kind => {
                let bytes = input.take(if kind == 2 { 2 } else { 4 })?;
                let distance = bytes.iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte));
                out.repeat(distance, (tag >> 2) + 1)?;
            }
        }
    }
    Ok(out.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_may_overlap_and_never_leave() {
        for distance in 1..9 {
            for length in 0..20 {
                let mut bytes = [0; 32];
                let mut out = Output { bytes: &mut bytes, length: 0 };
                out.literal(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
                out.repeat(distance, length).unwrap();
                let end = out.length;
                for place in 8..end {
                    assert_eq!(bytes[place], bytes[place - distance]);
                }
            }
        }
        let mut out = Output { bytes: &mut [0; 4], length: 2 };
        assert!(out.repeat(3, 1).is_err() && out.repeat(0, 1).is_err() && out.repeat(1, 3).is_err());
        assert!(out.literal(&[0; 3]).is_err());
    }

    #[test]
    fn a_snappy_block_of_each_command() {
        // "abcd", four back 5 long (short form), two back 3 long (two bytes), one back 2 long (four bytes).
        let data = [14, 3 << 2, b'a', b'b', b'c', b'd', 1 << 2 | 1, 4, 2 << 2 | 2, 2, 0, 1 << 2 | 3, 1, 0, 0, 0];
        let mut out = [0; 14];
        assert_eq!(snappy(&data, &mut out).unwrap(), 14);
        assert_eq!(&out, b"abcdabcdadadd\x64");
        assert!(snappy(&data[..7], &mut out).is_err());
    }
}
