//! Encoded bytes: a file, a range of one, or bytes in memory.

use crate::{
    error::{Error, Result},
    store::file::InputFile,
};

/// Why a chunk cannot be had.
#[derive(Debug)]
pub(super) enum Fault {
    /// What is there is not what a writer wrote; the end of a sentence about the chunk.
    Corrupt(String),
    /// Anything else.
    Failed(Error),
}

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Fault::Corrupt(why)
    }
}
impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Failed(error)
    }
}

/// Bytes that may have to be read.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// A range of a file.
    File { file: &'a InputFile, start: u64, length: u64 },
    /// Bytes that were read already.
    Bytes(&'a [u8]),
}

impl<'a> Part<'a> {
    pub fn length(&self) -> u64 {
        match self {
            Part::File { length, .. } => *length,
            Part::Bytes(bytes) => bytes.len() as u64,
        }
    }

    /// A range of it; `None` if it has no such.
    pub fn range(&self, from: u64, count: u64) -> Option<Part<'a>> {
        let end = from.checked_add(count).filter(|&end| end <= self.length())?;
        Some(match self {
            Part::File { file, start, .. } => Part::File { file, start: start.checked_add(from)?, length: count },
            Part::Bytes(bytes) => Part::Bytes(&bytes[usize::try_from(from).ok()?..usize::try_from(end).ok()?]),
        })
    }

    /// Fills `out` with the bytes from `from`.
    pub fn read(&self, from: u64, out: &mut [u8]) -> Result<(), Fault> {
        let there = self.length();
        let part = self.range(from, out.len() as u64);
        match part.ok_or_else(|| format!("bytes {from} to {} are needed, it has {there}", from.saturating_add(out.len() as u64)))? {
            Part::File { file, start, .. } => file.read_exact_at(start, out)?,
            Part::Bytes(bytes) => out.copy_from_slice(bytes),
        }
        Ok(())
    }

    /// Whether it is read by requests to somewhere else.
    pub fn is_remote(&self) -> bool {
        matches!(self, Part::File { file, .. } if file.is_remote())
    }

    /// Ranges of it, in place or read into `buffer` one after the other, together where requests can be in flight together.
    pub fn load_ranges<'b>(self, ranges: &[(u64, u64)], buffer: &'b mut Vec<u8>) -> Result<Vec<Part<'b>>, Fault>
    where
        'a: 'b,
    {
        let outside = || Fault::Corrupt("its index leads out of it".to_string());
        let parts = ranges.iter().map(|&(from, count)| self.range(from, count).ok_or_else(outside));
        let parts: Vec<Part<'a>> = parts.collect::<Result<_, _>>()?;
        let Part::File { file, .. } = self else { return Ok(parts) };
        let length = parts.iter().map(Part::length).sum::<u64>();
        let mut rest = room(buffer, usize::try_from(length).unwrap_or(usize::MAX))?;
        let mut wanted = Vec::with_capacity(parts.len());
        for part in &parts {
            let Part::File { start, length, .. } = part else { continue };
            let (out, behind) = rest.split_at_mut(*length as usize);
            wanted.push((*start, out));
            rest = behind;
        }
        file.read_ranges(wanted)?;
        let mut rest: &'b [u8] = &buffer[..length as usize];
        let mut loaded = Vec::with_capacity(parts.len());
        for part in &parts {
            let (bytes, behind) = rest.split_at(part.length() as usize);
            loaded.push(Part::Bytes(bytes));
            rest = behind;
        }
        Ok(loaded)
    }

    /// All of it, in place or read into `buffer`; more than `bytes_max` is not what an encoder makes.
    pub fn load<'b>(self, buffer: &'b mut Vec<u8>, bytes_max: usize) -> Result<&'b [u8], Fault>
    where
        'a: 'b,
    {
        let length = usize::try_from(self.length()).unwrap_or(usize::MAX);
        if length > bytes_max {
            return Err(format!("it has {length} bytes, no encoding of it takes more than {bytes_max}").into());
        }
        match self {
            Part::Bytes(bytes) => Ok(bytes),
            Part::File { .. } => {
                let room = room(buffer, length)?;
                self.read(0, room)?;
                Ok(room)
            }
        }
    }
}

/// The first `bytes` of a buffer, which grows if it has to; an error and not an abort if there is no memory.
pub(super) fn room(buffer: &mut Vec<u8>, bytes: usize) -> Result<&mut [u8]> {
    if let Some(missing) = bytes.checked_sub(buffer.len()).filter(|&missing| missing > 0) {
        // What it held is of no use to anybody.
        buffer.clear();
        buffer.try_reserve_exact(bytes).map_err(|_| {
            Error::refused(format!("there is no memory for {missing} more bytes of a chunk")).with_needed_bytes(bytes as u64)
        })?;
        buffer.resize(bytes, 0);
    }
    Ok(&mut buffer[..bytes])
}
