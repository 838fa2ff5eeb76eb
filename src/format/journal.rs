//! Journals of unfinished outputs: a magic number, then records, each with its length and a checksum.
//!
//! ```text
//! "OUTCJRNL", then records: kind:u8 length:u32 payload crc32c:u32 (of kind, length and payload), little-endian
//!   1 header     version:u32 numerics:u32 job:text grid:text inputs:u32×(name:text identity:text)
//!                outputs:u32×(name:text dtype:text shape:box device:u64 inode:u64)
//!   2 finished   output:u32 start:box shape:box
//!   3 temp       key:text, then its bytes
//!   4 publishing
//! text: length:u32 bytes, box: rank:u32 lengths:u64×rank
//! ```
//!
//! The header is the first record. A reader takes records up to the first one that is cut, damaged or unknown: what follows was
//! never promised to anybody.

use super::reader::Reader;
use crate::nd::{DType, Region};

/// First bytes of a journal.
pub const MAGIC: [u8; 8] = *b"OUTCJRNL";
/// Version of the layout above.
pub const VERSION: u32 = 1;
/// Bytes before a payload.
pub const HEAD_BYTES: usize = 5;
/// Bytes after a payload.
pub const CHECK_BYTES: usize = 4;
/// A longer payload is damage.
pub const PAYLOAD_BYTES_MAX: usize = 32 << 20;
/// As many axes as arrays have at most, generously.
const RANK_MAX: u32 = 64;

const KIND_HEADER: u8 = 1;
const KIND_FINISHED: u8 = 2;
const KIND_TEMP: u8 = 3;
const KIND_PUBLISHING: u8 = 4;

/// What a job is, and what it writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Version of the bits that functions give.
    pub numerics: u32,
    /// What is computed, whatever the inputs hold.
    pub job: String,
    /// The grid, where it shows in the bits; else empty.
    pub grid: String,
    /// Names and identities of the inputs.
    pub inputs: Vec<(String, String)>,
    /// Everything that is written, in the job's order.
    pub outputs: Vec<HeaderOutput>,
}

/// An output of a [`Header`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderOutput {
    /// What errors call it.
    pub name: String,
    /// Dtype of the elements.
    pub dtype: DType,
    /// Shape.
    pub shape: Vec<usize>,
    /// Device of the unfinished file or folder.
    pub device: u64,
    /// Its number there, which renaming does not change.
    pub inode: u64,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// What the job is.
    Header(Header),
    /// A header of another version, which is all that can be said of it.
    OtherVersion(u32),
    /// A box of an output whose bytes are durable.
    Finished {
        /// Place among the outputs.
        output: usize,
        /// The box.
        region: Region,
    },
    /// A small result between stages.
    Temp {
        /// What it is.
        key: String,
        /// Where its bytes begin in the payload; they end with it.
        from: usize,
    },
    /// All outputs are complete and durable, and are being given their names.
    Publishing,
}

/// Kind and length of the payload that follows; `None` if this begins no record.
#[must_use]
pub fn payload_bytes(head: [u8; HEAD_BYTES]) -> Option<usize> {
    let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
    ((KIND_HEADER..=KIND_PUBLISHING).contains(&head[0]) && length <= PAYLOAD_BYTES_MAX).then_some(length)
}

/// The record of a head and `rest`, its payload and checksum; `None` if it is damaged.
#[must_use]
pub fn decode(head: [u8; HEAD_BYTES], rest: &[u8]) -> Option<Record> {
    let (payload, check) = rest.split_at_checked(payload_bytes(head)?)?;
    if check != check_of(&[&head, payload]) {
        return None;
    }
    let mut reader = Reader { rest: payload };
    let record = match head[0] {
        KIND_HEADER => return decode_header(&mut reader),
        KIND_FINISHED => {
            let (output, start, shape) = (reader.u32()? as usize, lengths(&mut reader)?, lengths(&mut reader)?);
            if start.len() != shape.len() {
                return None;
            }
            Record::Finished { output, region: Region { start, shape } }
        }
        // What follows the key are its bytes.
        KIND_TEMP => return Some(Record::Temp { key: reader.text()?, from: payload.len() - reader.rest.len() }),
        _ => Record::Publishing,
    };
    reader.rest.is_empty().then_some(record)
}

fn decode_header(reader: &mut Reader<'_>) -> Option<Record> {
    let version = reader.u32()?;
    if version != VERSION {
        return Some(Record::OtherVersion(version));
    }
    let mut header = Header { numerics: reader.u32()?, job: reader.text()?, grid: reader.text()?, ..Header::default() };
    for _ in 0..reader.u32()? {
        header.inputs.push((reader.text()?, reader.text()?));
    }
    for _ in 0..reader.u32()? {
        let (name, dtype) = (reader.text()?, reader.text()?);
        let dtype = DType::ALL.into_iter().find(|known| known.name() == dtype)?;
        header.outputs.push(HeaderOutput { name, dtype, shape: lengths(reader)?, device: reader.u64()?, inode: reader.u64()? });
    }
    reader.rest.is_empty().then_some(Record::Header(header))
}

/// A header as a record.
#[must_use]
pub fn header(header: &Header) -> Vec<u8> {
    let mut payload = Vec::new();
    put_number(&mut payload, VERSION);
    put_number(&mut payload, header.numerics);
    put_text(&mut payload, &header.job);
    put_text(&mut payload, &header.grid);
    put_number(&mut payload, header.inputs.len() as u32);
    for (name, identity) in &header.inputs {
        put_text(&mut payload, name);
        put_text(&mut payload, identity);
    }
    put_number(&mut payload, header.outputs.len() as u32);
    for output in &header.outputs {
        put_text(&mut payload, &output.name);
        put_text(&mut payload, output.dtype.name());
        put_lengths(&mut payload, &output.shape);
        payload.extend(output.device.to_le_bytes());
        payload.extend(output.inode.to_le_bytes());
    }
    record(KIND_HEADER, &payload)
}

/// A durable box as a record.
#[must_use]
pub fn finished(output: usize, region: &Region) -> Vec<u8> {
    let mut payload = Vec::new();
    put_number(&mut payload, output as u32);
    put_lengths(&mut payload, &region.start);
    put_lengths(&mut payload, &region.shape);
    record(KIND_FINISHED, &payload)
}

/// What stands before and after the bytes of a temp, so that they need not be copied. `None` if they are too many.
#[must_use]
pub fn around_temp(key: &str, bytes: &[u8]) -> Option<(Vec<u8>, [u8; CHECK_BYTES])> {
    let length = bytes.len().checked_add(key.len() + 4).filter(|&length| length <= PAYLOAD_BYTES_MAX)?;
    let mut before = vec![KIND_TEMP];
    put_number(&mut before, length as u32);
    put_text(&mut before, key);
    let check = check_of(&[&before, bytes]);
    Some((before, check))
}

/// That outputs are being given their names, as a record.
#[must_use]
pub fn publishing() -> Vec<u8> {
    record(KIND_PUBLISHING, &[])
}

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    put_number(&mut bytes, payload.len() as u32);
    bytes.extend(payload);
    bytes.extend(check_of(&[&bytes]));
    bytes
}

fn check_of(parts: &[&[u8]]) -> [u8; CHECK_BYTES] {
    parts.iter().fold(0, |check, part| crc32c::crc32c_append(check, part)).to_le_bytes()
}

fn put_number(bytes: &mut Vec<u8>, number: u32) {
    bytes.extend(number.to_le_bytes());
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put_number(bytes, text.len() as u32);
    bytes.extend(text.as_bytes());
}

fn put_lengths(bytes: &mut Vec<u8>, lengths: &[usize]) {
    put_number(bytes, lengths.len() as u32);
    lengths.iter().for_each(|&length| bytes.extend((length as u64).to_le_bytes()));
}

/// Lengths behind their number.
fn lengths(reader: &mut Reader<'_>) -> Option<Vec<usize>> {
    let rank = reader.u32().filter(|&rank| rank <= RANK_MAX)?;
    reader.lengths(rank as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples() -> Vec<(Vec<u8>, Record)> {
        let output = |name: &str, shape: &[usize]| HeaderOutput {
            name: name.into(),
            dtype: DType::F16,
            shape: shape.to_vec(),
            device: 7,
            inode: u64::MAX,
        };
        let about = Header {
            numerics: 3,
            job: "0123".into(),
            grid: String::new(),
            inputs: vec![("x.npy".into(), "1:2".into()), ("ü".into(), String::new())],
            outputs: vec![output("z.npy", &[3, 4]), output("m.npy", &[])],
        };
        let region = Region::new([1, usize::MAX], [2, 0]);
        let (mut temp, check) = around_temp("mean", &[1, 2, 3]).unwrap();
        temp.extend([1, 2, 3]);
        temp.extend(check);
        vec![
            (header(&about), Record::Header(about)),
            (finished(5, &region), Record::Finished { output: 5, region }),
            (temp, Record::Temp { key: "mean".into(), from: 8 }),
            (publishing(), Record::Publishing),
        ]
    }

    fn read(bytes: &[u8]) -> Option<Record> {
        let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        decode(*head, rest)
    }

    #[test]
    fn records_read_back_and_damage_is_seen() {
        for (bytes, record) in examples() {
            assert_eq!(read(&bytes).as_ref(), Some(&record));
            for length in 0..bytes.len() {
                assert_eq!(read(&bytes[..length]), None, "{record:?} cut to {length}");
            }
            for bit in 0..bytes.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(read(&flipped), None, "{record:?} with bit {bit} flipped");
            }
        }
    }

    #[test]
    fn lengths_that_lie_are_refused_under_a_valid_checksum() {
        for payload in [&[255; 4][..], &[0, 0, 0, 0, 255, 0, 0, 0], &[0; 4], &[]] {
            assert_eq!(read(&record(KIND_FINISHED, payload)), None);
            assert!(!matches!(read(&record(KIND_HEADER, payload)), Some(Record::Header(_))));
        }
        assert_eq!(read(&record(KIND_PUBLISHING, &[0])), None);
        assert_eq!(read(&record(KIND_HEADER, &9u32.to_le_bytes())), Some(Record::OtherVersion(9)));
        assert_eq!(payload_bytes([KIND_TEMP, 255, 255, 255, 255]), None);
        assert_eq!(around_temp("k", &vec![0; PAYLOAD_BYTES_MAX]), None);
    }
}
