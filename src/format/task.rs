//! What a task of a job leaves for others, as bytes: states of reductions, results, boxes of outputs.
//!
//! ```text
//! "octp" version:u8 plan:16 characters
//! states: length:u64 bytes
//! results: number:u64, each: place:u64 length:u64 bytes
//! boxes: number:u64, each: output:u64 rank:u64 start:u64... shape:u64... length:u64 bytes
//! check:[u8; 32]       BLAKE3 of everything before it
//! ```
//! Little-endian on every machine, but for the elements of results and boxes, which are native: a job runs on machines of one kind.

use super::reader::Reader;
use crate::{
    error::{Error, Result},
    nd::Region,
};

const MAGIC: &[u8; 4] = b"octp";
const VERSION: u8 = 1;
const CHECK_BYTES: usize = 32;
const PLAN_BYTES: usize = 16;
/// Boxes of more axes are damage.
const RANK_MAX: usize = 64;

/// What a task left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// States of reductions, whatever they look like.
    pub states: Vec<u8>,
    /// Results: their place in the plan, and their bytes.
    pub results: Vec<(usize, Vec<u8>)>,
    /// Boxes of outputs that are no files: the output, the box, its elements in C order.
    pub boxes: Vec<(usize, Region, Vec<u8>)>,
}

/// `piece` as bytes; `plan` is the identity of the plan that it belongs to.
#[must_use]
pub fn encode(piece: &Piece, plan: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(piece.states.len() + 256);
    out.extend(MAGIC);
    out.push(VERSION);
    out.extend(plan_bytes(plan));
    put_bytes(&mut out, &piece.states);
    put(&mut out, piece.results.len());
    for (place, bytes) in &piece.results {
        put(&mut out, *place);
        put_bytes(&mut out, bytes);
    }
    put(&mut out, piece.boxes.len());
    for (output, region, bytes) in &piece.boxes {
        put(&mut out, *output);
        put(&mut out, region.rank());
        region.start.iter().chain(&region.shape).for_each(|&length| put(&mut out, length));
        put_bytes(&mut out, bytes);
    }
    let check = blake3::hash(&out);
    out.extend(check.as_bytes());
    out
}

/// The piece that [`encode`] made bytes of, for the same plan.
///
/// # Errors
/// [`crate::ErrorKind::Data`] for anything else.
pub fn decode(bytes: &[u8], plan: &str) -> Result<Piece> {
    let damaged = || Error::data("it is damaged, or of another job");
    let (content, check) = bytes.split_last_chunk::<CHECK_BYTES>().ok_or_else(damaged)?;
    if blake3::hash(content).as_bytes() != check {
        return Err(damaged());
    }
    let mut reader = Reader { rest: content };
    let begins_well = reader.array() == Some(*MAGIC) && reader.array() == Some([VERSION]) && reader.array() == Some(plan_bytes(plan));
    let piece = begins_well.then(|| piece(&mut reader)).flatten().ok_or_else(damaged)?;
    if reader.rest.is_empty() { Ok(piece) } else { Err(damaged()) }
}

fn plan_bytes(plan: &str) -> [u8; PLAN_BYTES] {
    let mut bytes = [b' '; PLAN_BYTES];
    bytes.iter_mut().zip(plan.as_bytes()).for_each(|(to, from)| *to = *from);
    bytes
}

fn put(out: &mut Vec<u8>, number: usize) {
    out.extend((number as u64).to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len());
    out.extend(bytes);
}

fn piece(reader: &mut Reader<'_>) -> Option<Piece> {
    let mut piece = Piece { states: long_bytes(reader)?, ..Piece::default() };
    for _ in 0..reader.length()? {
        piece.results.push((reader.length()?, long_bytes(reader)?));
    }
    for _ in 0..reader.length()? {
        let (output, rank) = (reader.length()?, reader.length()?);
        if rank > RANK_MAX {
            return None;
        }
        let (start, shape) = (reader.lengths(rank)?, reader.lengths(rank)?);
        piece.boxes.push((output, Region { start, shape }, long_bytes(reader)?));
    }
    Some(piece)
}

/// Bytes behind their length in 64 bits.
fn long_bytes(reader: &mut Reader<'_>) -> Option<Vec<u8>> {
    let length = reader.length()?;
    reader.bytes(length).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece() -> Piece {
        Piece {
            states: vec![1, 2, 3],
            results: vec![(0, vec![]), (7, vec![9; 40])],
            boxes: vec![(1, Region::new([2, 0], [1, 3]), vec![5; 12]), (0, Region::default(), vec![1])],
        }
    }

    #[test]
    fn pieces_come_back() {
        for piece in [piece(), Piece::default()] {
            assert_eq!(decode(&encode(&piece, "0123456789abcdef"), "0123456789abcdef").unwrap(), piece);
        }
        assert!(decode(&encode(&piece(), "0123456789abcdef"), "another plan").is_err());
    }

    #[test]
    fn damage_anywhere_is_an_error() {
        let bytes = encode(&piece(), "plan");
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0x40;
            assert!(decode(&broken, "plan").is_err(), "byte {at}");
            assert!(decode(&bytes[..at], "plan").is_err(), "cut at {at}");
        }
        // Numbers that lie, under a check that holds.
        for at in 21..bytes.len() - CHECK_BYTES - 8 {
            let mut lying = bytes[..bytes.len() - CHECK_BYTES].to_vec();
            lying[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
            let check = blake3::hash(&lying);
            lying.extend(check.as_bytes());
            let _ = decode(&lying, "plan");
        }
    }
}
