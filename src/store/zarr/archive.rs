//! Zip archives as stores: the central directory, and entries in place or inflated. Zip64 is read, encryption is not.

use crate::{
    error::{Error, Result},
    store::file::InputFile,
};
use std::{collections::BTreeMap, ops::Bound, path::Path, sync::Arc};

/// Bytes of the directory that are read at most: some million entries.
const DIRECTORY_BYTES_MAX: u64 = 512 << 20;
const END_BYTES: usize = 22;
const LOCATOR_BYTES: usize = 20;
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;

/// An archive whose directory was read.
#[derive(Debug)]
pub(super) struct Archive {
    pub file: Arc<InputFile>,
    entries: BTreeMap<String, Entry>,
}

/// A file of an archive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    header: u64,
    encoded_bytes: u64,
    pub bytes: u64,
    crc: u32,
    deflated: bool,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?)))
}
fn u32_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)))
}
fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl Archive {
    /// Reads the directory of an archive.
    pub fn open(path: &Path) -> Result<Self> {
        let file = Arc::new(InputFile::open(path)?);
        let broken = |why: &str| Error::data(format!("{} is no zip archive that can be read: {why}", file.name()));
        let (start, length) = Self::directory(&file)?.ok_or_else(|| broken("it has no directory"))?;
        let inside = start.checked_add(length).is_some_and(|end| end <= file.identity().size_bytes);
        if !inside || length > DIRECTORY_BYTES_MAX {
            return Err(broken(&format!("its directory is said to have {length} bytes from byte {start}")));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(start, &mut bytes)?;
        let mut entries = BTreeMap::new();
        let mut rest = bytes.as_slice();
        while rest.first_chunk() == Some(b"PK\x01\x02") {
            let (name, entry, taken) = Entry::read(rest).ok_or_else(|| broken("its directory is cut short"))??;
            // Of two with one name the later one counts.
            entries.insert(name, entry);
            rest = &rest[taken..];
        }
        Ok(Archive { file, entries })
    }

    /// Where the directory is: its first byte and its length.
    fn directory(file: &InputFile) -> Result<Option<(u64, u64)>> {
        let size = file.identity().size_bytes;
        let tail_bytes = size.min((END_BYTES + LOCATOR_BYTES + usize::from(u16::MAX)) as u64);
        let mut tail = vec![0; usize::try_from(tail_bytes).unwrap_or(0)];
        file.read_exact_at(size - tail_bytes, &mut tail)?;
        let is_end = |at: &usize| {
            tail[*at..].starts_with(b"PK\x05\x06")
                && u16_at(&tail, at + 20).is_some_and(|comment| (at + END_BYTES) as u64 + comment == tail_bytes)
        };
        let Some(end) = (0..tail.len().saturating_sub(END_BYTES - 1)).rev().find(is_end) else { return Ok(None) };
        let short = u32_at(&tail, end + 16).zip(u32_at(&tail, end + 12));
        let locator = end.checked_sub(LOCATOR_BYTES).filter(|&at| tail[at..].starts_with(b"PK\x06\x07"));
        let Some(wide) = locator.and_then(|at| u64_at(&tail, at + 8)) else { return Ok(short) };
        if wide.checked_add(56).is_none_or(|end| end > size) {
            return Ok(None);
        }
        let mut record = [0; 56];
        file.read_exact_at(wide, &mut record)?;
        Ok(u64_at(&record, 48).zip(u64_at(&record, 40)).filter(|_| record.starts_with(b"PK\x06\x06")))
    }

    /// The entry of a name.
    pub fn entry(&self, name: &str) -> Option<Entry> {
        self.entries.get(name).copied()
    }

    /// Names of the folders directly below `prefix`, which is empty or ends in a slash.
    pub fn folders(&self, prefix: &str) -> Vec<String> {
        let mut names = Vec::new();
        let mut from = prefix.to_string();
        while let Some((name, _)) = self.entries.range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded)).next() {
            let Some(below) = name.strip_prefix(prefix) else { break };
            match below.split_once('/') {
                Some((folder, _)) => {
                    // The next name that is not in this folder: `0` follows the slash.
                    from = format!("{prefix}{folder}0");
                    if !folder.is_empty() {
                        names.push(folder.to_string());
                    }
                }
                None => from = format!("{name}\0"),
            }
        }
        names
    }

    /// Whether any name begins with `prefix`.
    pub fn has(&self, prefix: &str) -> bool {
        self.entries.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)).next().is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// Where the bytes of an entry begin in the file.
    fn start(&self, name: &str, entry: Entry) -> Result<u64> {
        let mut local = [0; LOCAL_BYTES];
        self.file.read_exact_at(entry.header, &mut local)?;
        let lengths = u16_at(&local, 26).zip(u16_at(&local, 28)).filter(|_| local.starts_with(b"PK\x03\x04"));
        let start = lengths.map(|(name, extra)| entry.header + LOCAL_BYTES as u64 + name + extra);
        let fits = |start: &u64| start.checked_add(entry.encoded_bytes).is_some_and(|end| end <= self.file.identity().size_bytes);
        start.filter(fits).ok_or_else(|| Error::data(format!("{}: the entry {name} leads out of the archive", self.file.name())))
    }

    /// The place of an entry that stands in the archive as it is, or its bytes if it is compressed: `bytes_max` at most.
    pub fn locate(&self, name: &str, entry: Entry, bytes_max: u64) -> Result<Located> {
        let start = self.start(name, entry)?;
        if !entry.deflated {
            return Ok(Located::Stored { start, length: entry.encoded_bytes });
        }
        let corrupt = |why: String| Error::data(format!("{}: the entry {name} is corrupt: {why}", self.file.name()));
        if entry.bytes > bytes_max || entry.encoded_bytes > bytes_max.saturating_add(bytes_max / 8 + 4096) {
            return Err(corrupt(format!("it is said to have {} bytes, {bytes_max} are expected at most", entry.bytes)));
        }
        let mut encoded = vec![0; entry.encoded_bytes as usize];
        self.file.read_exact_at(start, &mut encoded)?;
        let mut bytes = vec![0; entry.bytes as usize];
        let mut state = flate2::Decompress::new(false);
        let status = state.decompress(&encoded, &mut bytes, flate2::FlushDecompress::Finish).map_err(|error| corrupt(error.to_string()))?;
        let mut crc = flate2::Crc::new();
        crc.update(&bytes);
        if status != flate2::Status::StreamEnd || state.total_out() != entry.bytes || crc.sum() != entry.crc {
            return Err(corrupt("its checksum or its length is another".to_string()));
        }
        Ok(Located::Inflated(bytes))
    }
}

/// Where an entry is.
pub(super) enum Located {
    Stored { start: u64, length: u64 },
    Inflated(Vec<u8>),
}

impl Entry {
    /// Reads an entry of the directory; gives its name and the bytes that it takes. `None` if it is cut short.
    fn read(bytes: &[u8]) -> Option<Result<(String, Entry, usize)>> {
        let [name_bytes, extra_bytes, comment_bytes] = [28, 30, 32].map(|at| u16_at(bytes, at));
        let (name_end, extra_bytes) = (ENTRY_BYTES + name_bytes? as usize, extra_bytes? as usize);
        let name = String::from_utf8_lossy(bytes.get(ENTRY_BYTES..name_end)?).into_owned();
        let extra = bytes.get(name_end..name_end + extra_bytes)?;
        let taken = name_end + extra_bytes + comment_bytes? as usize;
        bytes.get(..taken)?;
        let (flags, method) = (u16_at(bytes, 8)?, u16_at(bytes, 10)?);
        if flags & 1 != 0 || !matches!(method, 0 | 8) {
            return Some(Err(Error::data(format!("the entry {name} of the archive is encrypted or compressed by method {method}"))
                .hint("entries are stored as they are, or deflated")));
        }
        let crc = u32::try_from(u32_at(bytes, 16)?).ok()?;
        let (mut encoded_bytes, mut decoded_bytes, mut header) = (u32_at(bytes, 20)?, u32_at(bytes, 24)?, u32_at(bytes, 42)?);
        // What 32 bits cannot hold stands in an extra field, in this order.
        let mut wide = extra_field(extra, 1).unwrap_or_default();
        for value in [&mut decoded_bytes, &mut encoded_bytes, &mut header] {
            if *value == u64::from(u32::MAX) {
                *value = u64_at(wide, 0)?;
                wide = &wide[8..];
            }
        }
        Some(Ok((name, Entry { header, encoded_bytes, bytes: decoded_bytes, crc, deflated: method == 8 }, taken)))
    }
}

/// The extra field of a number.
fn extra_field(mut extra: &[u8], wanted: u64) -> Option<&[u8]> {
    loop {
        let (id, length) = (u16_at(extra, 0)?, u16_at(extra, 2)? as usize);
        let field = extra.get(4..4 + length)?;
        if id == wanted {
            return Some(field);
        }
        extra = &extra[4 + length..];
    }
}
