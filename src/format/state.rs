//! State files: exact states of parts of inputs, so that results of data that grows need only what is new.
//!
//! ```text
//! magic:8 version:u32 numerics:u32 sections:u64
//! section: bytes:u64 check:[u8; 32] payload
//!     the first: dtype:text row_shape:list kept:list        text: bytes:u32 and UTF-8; list: length:u32 and u64...
//!     the others, by ascending names: name:text identity:text segments:u32, then per segment:
//!         rows_end:u64 fingerprint:[u8; 32] states:u32, then per state bytes:u32 and the bytes
//! ```
//! Everything is little-endian. A check is the BLAKE3 hash of the check before it (of the header for the first), the length and the
//! payload: sections that were changed, cut, swapped or taken from another file are all found. Segments of an input follow one
//! another from row 0 on. Equal contents give equal bytes.

use super::reader::Reader;
use crate::{
    error::{Error, Result},
    nd::DType,
};

const MAGIC: [u8; 8] = *b"ocstate\n";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 24;
const CHECK_BYTES: usize = 32;

/// What a state file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFile {
    /// Version of the numbers that states were made by.
    pub numerics: u32,
    /// Dtype of the elements of all inputs.
    pub dtype: DType,
    /// Shape of the inputs without their first axis.
    pub row_shape: Vec<usize>,
    /// Axes of the inputs that results keep; never the first.
    pub kept: Vec<usize>,
    /// Inputs by ascending names.
    pub inputs: Vec<StateInput>,
}

/// An input of which states are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateInput {
    /// What it is called.
    pub name: String,
    /// What told its content apart when it was seen last.
    pub identity: String,
    /// Rows that were read together, in their order, from row 0 on.
    pub segments: Vec<StateSegment>,
}

/// Rows that were read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSegment {
    /// The row behind the last one.
    pub rows_end: u64,
    /// Hash of the elements at its ends.
    pub fingerprint: [u8; 32],
    /// The states, all statistics of one output after those of another.
    pub states: Vec<Vec<u8>>,
}

impl StateFile {
    /// The file as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(self.numerics.to_le_bytes());
        out.extend((1 + self.inputs.len() as u64).to_le_bytes());
        let mut check = *blake3::hash(&out).as_bytes();
        let mut subject = Vec::new();
        put_bytes(&mut subject, self.dtype.name().as_bytes());
        put_list(&mut subject, &self.row_shape);
        put_list(&mut subject, &self.kept);
        put_section(&mut out, &mut check, &subject);
        for input in &self.inputs {
            put_section(&mut out, &mut check, &input.payload());
        }
        out
    }

    /// What [`StateFile::encode`] wrote.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Data`] for anything else. The caller adds the name of the file.
    pub fn decode(bytes: &[u8]) -> Result<StateFile> {
        let mut reader = Reader { rest: bytes };
        if reader.array() != Some(MAGIC) {
            return Err(Error::data("not a state file").hint("name a state file, or a file that does not exist yet"));
        }
        let version = reader.u32().unwrap_or_default();
        if version != VERSION {
            return Err(Error::data(format!("a state file of version {version}, this program reads version {VERSION}")).hint(REMEDY));
        }
        let corrupt = |what: String| Error::data(format!("the state file is corrupt: {what}")).hint(REMEDY);
        let short = || corrupt(format!("it ends after {} bytes", bytes.len()));
        let numerics = reader.u32().ok_or_else(short)?;
        let sections = reader.u64().ok_or_else(short)?;
        let mut check = *blake3::hash(&bytes[..HEADER_BYTES]).as_bytes();
        let mut next = |place: u64| {
            let length = reader.u64().ok_or_else(short)?;
            let found: [u8; CHECK_BYTES] = reader.array().ok_or_else(short)?;
            let payload = usize::try_from(length).ok().and_then(|length| reader.bytes(length)).ok_or_else(short)?;
            check = check_after(&check, payload);
            if found != check {
                return Err(corrupt(format!("the checksum of section {} of {sections} is wrong", place + 1)));
            }
            Ok(payload)
        };
        let subject = next(0)?;
        let (dtype, row_shape, kept) = read_subject(subject).ok_or_else(|| corrupt("its first section makes no sense".to_string()))?;
        let mut inputs = Vec::new();
        for place in 1..sections {
            let payload = next(place)?;
            inputs.push(read_input(payload).ok_or_else(|| corrupt(format!("section {} makes no sense", place + 1)))?);
        }
        let made = StateFile { numerics, dtype, row_shape, kept, inputs };
        // One comparison covers what is left: bytes behind the end, texts and lists that are longer than they say.
        if !made.is_ordered() || made.encode() != bytes {
            return Err(corrupt("it is not in canonical form".to_string()));
        }
        Ok(made)
    }

    /// Whether inputs are in order, and segments follow one another.
    fn is_ordered(&self) -> bool {
        self.inputs.is_sorted_by(|a, b| a.name < b.name)
            && self.inputs.iter().all(|input| {
                let mut end = 0;
                input.segments.iter().all(|segment| segment.rows_end > std::mem::replace(&mut end, segment.rows_end))
            })
            && self.kept.is_sorted_by(|a, b| a < b)
            && self.kept.iter().all(|axis| (1..=self.row_shape.len()).contains(axis))
    }
}

const REMEDY: &str = "delete it and run again: everything is read once more, and the file is made anew";

impl StateInput {
    fn payload(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, self.name.as_bytes());
        put_bytes(&mut out, self.identity.as_bytes());
        out.extend((self.segments.len() as u32).to_le_bytes());
        for segment in &self.segments {
            out.extend(segment.rows_end.to_le_bytes());
            out.extend(segment.fingerprint);
            out.extend((segment.states.len() as u32).to_le_bytes());
            segment.states.iter().for_each(|state| put_bytes(&mut out, state));
        }
        out
    }
}

fn check_after(check: &[u8; CHECK_BYTES], payload: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(check).update(&(payload.len() as u64).to_le_bytes()).update(payload);
    *hasher.finalize().as_bytes()
}

fn put_section(out: &mut Vec<u8>, check: &mut [u8; CHECK_BYTES], payload: &[u8]) {
    *check = check_after(check, payload);
    out.extend((payload.len() as u64).to_le_bytes());
    out.extend(*check);
    out.extend(payload);
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}

fn put_list(out: &mut Vec<u8>, list: &[usize]) {
    out.extend((list.len() as u32).to_le_bytes());
    list.iter().for_each(|&length| out.extend((length as u64).to_le_bytes()));
}

fn read_subject(payload: &[u8]) -> Option<(DType, Vec<usize>, Vec<usize>)> {
    let mut reader = Reader { rest: payload };
    let dtype = reader.text()?.parse().ok()?;
    let mut list = || reader.u32().and_then(|count| reader.lengths(count as usize));
    Some((dtype, list()?, list()?))
}

fn read_input(payload: &[u8]) -> Option<StateInput> {
    let mut reader = Reader { rest: payload };
    let (name, identity) = (reader.text()?, reader.text()?);
    let mut segments = Vec::new();
    for _ in 0..reader.u32()? {
        let (rows_end, fingerprint) = (reader.u64()?, reader.array()?);
        let mut states = Vec::new();
        for _ in 0..reader.u32()? {
            let length = reader.u32()?;
            states.push(reader.bytes(length as usize)?.to_vec());
        }
        segments.push(StateSegment { rows_end, fingerprint, states });
    }
    reader.rest.is_empty().then_some(StateInput { name, identity, segments })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn example() -> StateFile {
        let segment =
            |rows_end: u64| StateSegment { rows_end, fingerprint: [rows_end as u8; 32], states: vec![vec![1, 2, 3], vec![], vec![9; 40]] };
        let input = |name: &str, ends: &[u64]| StateInput {
            name: name.to_string(),
            identity: "1:2:3:4".to_string(),
            segments: ends.iter().map(|&end| segment(end)).collect(),
        };
        StateFile {
            numerics: 2,
            dtype: DType::F32,
            row_shape: vec![4, 5],
            kept: vec![2],
            inputs: vec![input("/a.npy", &[10, 11]), input("/b.npy", &[]), input("/c.npy?x=1", &[7])],
        }
    }

    #[test]
    fn files_read_back() {
        for file in [example(), StateFile { inputs: Vec::new(), kept: Vec::new(), row_shape: Vec::new(), ..example() }] {
            assert_eq!(StateFile::decode(&file.encode()).unwrap(), file);
        }
    }

    #[test]
    fn no_other_bytes_are_a_state_file() {
        let bytes = example().encode();
        for at in 0..bytes.len() {
            for change in [1, 0x80] {
                let mut other = bytes.clone();
                other[at] ^= change;
                assert_eq!(StateFile::decode(&other).unwrap_err().kind(), ErrorKind::Data, "byte {at}");
            }
            assert!(StateFile::decode(&bytes[..at]).is_err(), "{at} bytes");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(StateFile::decode(&longer).unwrap_err().message().contains("canonical"));
    }

    #[test]
    fn order_is_part_of_the_form() {
        let mut swapped = example();
        swapped.inputs.swap(0, 2);
        let mut rows = example();
        rows.inputs[0].segments.swap(0, 1);
        for bad in [swapped, rows, StateFile { kept: vec![0], ..example() }, StateFile { kept: vec![3], ..example() }] {
            assert!(StateFile::decode(&bad.encode()).unwrap_err().hint_text().unwrap().contains("delete it"));
        }
    }
}
