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

use crate::{
    error::{Error, Result},
    nd::Region,
};

const MAGIC: &[u8; 4] = b"octp";
const VERSION: u8 = 1;
const CHECK_BYTES: usize = 32;
const PLAN_BYTES: usize = 16;
/// Boxes of more axes are damage.
const RANK_MAX: u64 = 64;

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
    let begins_well =
        reader.take(4) == Some(MAGIC) && reader.take(1) == Some(&[VERSION]) && reader.take(PLAN_BYTES) == Some(&plan_bytes(plan));
    let piece = begins_well.then(|| reader.piece()).flatten().ok_or_else(damaged)?;
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

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        let bytes = self.take(8)?.try_into().ok()?;
        usize::try_from(u64::from_le_bytes(bytes)).ok()
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = self.number()?;
        self.take(length).map(<[u8]>::to_vec)
    }

    fn piece(&mut self) -> Option<Piece> {
        let states = self.bytes()?;
        let mut piece = Piece { states, ..Piece::default() };
        for _ in 0..self.number()? {
            piece.results.push((self.number()?, self.bytes()?));
        }
        for _ in 0..self.number()? {
            let (output, rank) = (self.number()?, self.number()?);
            if rank as u64 > RANK_MAX {
                return None;
            }
            let mut lengths = || (0..rank).map(|_| self.number()).collect::<Option<Vec<usize>>>();
            let (start, shape) = (lengths()?, lengths()?);
            piece.boxes.push((output, Region { start, shape }, self.bytes()?));
        }
        Some(piece)
    }
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
