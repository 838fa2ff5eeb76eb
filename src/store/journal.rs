//! The journal of a job: which boxes of its outputs are durable, and small results that need not be computed again.
//!
//! One file beside the first unfinished output, made when there is something to say. A box is written down after its bytes are
//! durable, never before, so whatever a journal says is true after a kill and after a power cut; what it has not come to say is
//! computed again. It knows boxes of arrays and nothing of how a store keeps them.

use crate::{
    error::{Error, Result},
    format::journal::{self as format, Record},
    nd::{Coverage, Region},
};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

pub use crate::format::journal::{Header, HeaderOutput};

/// Bytes of all small results that are kept.
const TEMP_BYTES_MAX: usize = 16 << 20;

/// What a journal says.
#[derive(Clone, Debug)]
pub struct Found {
    /// The job.
    pub header: Header,
    /// Durable boxes, one entry per output.
    pub finished: Vec<Coverage>,
    /// Whether all outputs were complete and were being given their names.
    pub is_publishing: bool,
    temps: BTreeMap<String, TempPlace>,
    /// End of the last record that can be trusted.
    end: u64,
}

/// Where the bytes of a small result lie in the journal.
#[derive(Clone, Copy, Debug)]
struct TempPlace {
    offset: u64,
    length: usize,
}

/// What lies where a journal would.
#[derive(Clone, Debug)]
pub enum Reading {
    /// Nothing.
    Absent,
    /// Something whose beginning is damaged, which says nothing any more.
    Damaged,
    /// A journal of another version.
    OtherVersion(u32),
    /// A journal.
    Found(Box<Found>),
}

impl Found {
    /// Bytes of output `index`, or of all, that are finished, and bytes there are in all.
    #[must_use]
    pub fn bytes(&self, index: usize) -> (u64, u64) {
        let output = &self.header.outputs[index];
        let item = output.dtype.size() as u64;
        let all = output.shape.iter().fold(item, |bytes, &length| bytes.saturating_mul(length as u64));
        (if self.is_publishing { all } else { self.finished[index].count() as u64 * item }, all)
    }

    /// Share of all outputs that is finished.
    #[must_use]
    pub fn percent(&self) -> u64 {
        let each = (0..self.finished.len()).map(|index| self.bytes(index));
        let (there, all) = each.fold((0u128, 0u128), |sum, (there, all)| (sum.0 + u128::from(there), sum.1 + u128::from(all)));
        (there * 100).checked_div(all).unwrap_or(0) as u64
    }
}

/// Reads the journal at `path`, up to the first record that is cut or damaged.
pub fn read(path: &Path) -> Result<Reading> {
    let cannot = |error: io::Error| Error::io("read", path.display(), error);
    let mut file = match File::open(path) {
        Ok(file) => io::BufReader::new(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Reading::Absent),
        Err(error) => return Err(cannot(error)),
    };
    let mut magic = [0; format::MAGIC.len()];
    if !fill(&mut file, &mut magic).map_err(cannot)? || magic != format::MAGIC {
        return Ok(Reading::Damaged);
    }
    let mut end = magic.len() as u64;
    let mut found: Option<Found> = None;
    while let Some((record, bytes)) = next(&mut file).map_err(cannot)? {
        match (&mut found, record) {
            (None, Record::Header(header)) => {
                let finished = vec![Coverage::default(); header.outputs.len()];
                found = Some(Found { header, finished, is_publishing: false, temps: BTreeMap::new(), end: 0 });
            }
            (None, Record::OtherVersion(version)) => return Ok(Reading::OtherVersion(version)),
            (Some(found), Record::Finished { output, region }) => match found.header.outputs.get(output) {
                Some(about) if region.fits(&about.shape) => found.finished[output].cover(&region),
                _ => break,
            },
            (Some(found), Record::Temp { key, from }) => {
                let from = format::HEAD_BYTES + from;
                let length = bytes - from - format::CHECK_BYTES;
                found.temps.insert(key, TempPlace { offset: end + from as u64, length });
            }
            (Some(found), Record::Publishing) => found.is_publishing = true,
            _ => break,
        }
        end += bytes as u64;
    }
    Ok(found.map_or(Reading::Damaged, |found| Reading::Found(Box::new(Found { end, ..found }))))
}

/// The next record and its length; `None` at the end and where damage begins.
fn next(file: &mut impl Read) -> io::Result<Option<(Record, usize)>> {
    let mut head = [0; format::HEAD_BYTES];
    if !fill(file, &mut head)? {
        return Ok(None);
    }
    let Some(payload_bytes) = format::payload_bytes(head) else { return Ok(None) };
    let mut rest = Vec::new();
    // A length that lies takes no more memory than the file has bytes.
    let wanted = payload_bytes + format::CHECK_BYTES;
    file.take(wanted as u64).read_to_end(&mut rest)?;
    Ok(format::decode(head, &rest).map(|record| (record, head.len() + wanted)))
}

/// Whether all of `bytes` could be read.
fn fill(file: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// The journal of a job that runs. Dropped, its file is removed unless it was told to stay.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    header: Header,
    state: Mutex<State>,
    /// Bytes below which a stage's results are not worth keeping.
    worth_bytes: u64,
    stays: AtomicBool,
    is_paused: AtomicBool,
}

#[derive(Debug)]
struct State {
    file: JournalFile,
    temps: BTreeMap<String, TempPlace>,
    end: u64,
}

#[derive(Debug)]
enum JournalFile {
    /// Not made yet.
    None,
    Open(File),
    /// Writing failed: what was written before holds, and no more is.
    Broken(File),
}

impl Journal {
    /// A journal without anything in it. Nothing is written before there is something to say; small results of stages that move less
    /// than `worth_bytes` are not.
    #[must_use]
    pub fn new(path: PathBuf, header: Header, worth_bytes: u64) -> Journal {
        let state = State { file: JournalFile::None, temps: BTreeMap::new(), end: 0 };
        Journal::with(path, header, worth_bytes, state)
    }

    fn with(path: PathBuf, header: Header, worth_bytes: u64, state: State) -> Journal {
        let (stays, is_paused) = (AtomicBool::new(false), AtomicBool::new(false));
        Journal { path, header, state: Mutex::new(state), worth_bytes, stays, is_paused }
    }

    /// Goes on with a journal that was found at `path`. What cannot be trusted of it is cut off.
    pub fn go_on(path: PathBuf, found: Found) -> Result<Journal> {
        let open = || {
            let file = OpenOptions::new().read(true).write(true).open(&path)?;
            file.set_len(found.end)?;
            Ok(file)
        };
        let file = open().map_err(|error: io::Error| Error::output(format!("cannot go on with {}: {error}", path.display())))?;
        let state = State { file: JournalFile::Open(file), temps: found.temps, end: found.end };
        Ok(Journal::with(path, found.header, 0, state))
    }

    /// Whether results of a stage that moves so many bytes are worth keeping.
    #[must_use]
    pub fn is_worth(&self, bytes: u64) -> bool {
        bytes >= self.worth_bytes
    }

    /// Whether anything was said yet.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        !matches!(self.lock().file, JournalFile::None)
    }

    /// Share of the job that is finished; `None` if nothing was said yet.
    #[must_use]
    pub fn percent(&self) -> Option<u64> {
        match read(&self.path) {
            Ok(Reading::Found(found)) if self.is_begun() => Some(found.percent()),
            _ => None,
        }
    }

    /// Writes down that boxes of output `index` are durable. They must be.
    ///
    /// A journal that cannot be written is not a reason for the job to fail: from then on it says no more.
    pub fn finish(&self, index: usize, boxes: &[Region]) {
        if boxes.is_empty() || self.is_paused.load(Ordering::Acquire) {
            return;
        }
        let records: Vec<u8> = boxes.iter().flat_map(|region| format::finished(index, region)).collect();
        self.append(&[&records]);
    }

    /// Keeps the bytes of a small result, if they are few.
    pub fn keep_temp(&self, key: &str, bytes: &[u8]) {
        let held: usize = self.lock().temps.values().map(|place| place.length).sum();
        let room = TEMP_BYTES_MAX.saturating_sub(held);
        let Some((before, check)) = format::around_temp(key, bytes).filter(|_| bytes.len() <= room) else { return };
        if self.is_paused.load(Ordering::Acquire) || self.lock().temps.contains_key(key) {
            return;
        }
        if let Some(at) = self.append(&[&before, bytes, &check]) {
            let place = TempPlace { offset: at + before.len() as u64, length: bytes.len() };
            self.lock().temps.insert(key.to_string(), place);
        }
    }

    /// Whether there is a small result of so many bytes.
    #[must_use]
    pub fn has_temp(&self, key: &str, bytes: usize) -> bool {
        self.lock().temps.get(key).is_some_and(|place| place.length == bytes)
    }

    /// Fills `out` with a small result.
    pub fn temp(&self, key: &str, out: &mut [u8]) -> Result<()> {
        let state = self.lock();
        let place = state.temps.get(key).filter(|place| place.length == out.len());
        let (Some(place), JournalFile::Open(file) | JournalFile::Broken(file)) = (place, &state.file) else {
            return Err(Error::internal(format!("{} has no result `{key}`", self.path.display())));
        };
        file.read_exact_at(out, place.offset).map_err(|error| Error::io("read", self.path.display(), error))
    }

    /// Says no more: what is computed from now on may turn out to be an error, and must then be met again.
    pub fn pause(&self) {
        self.is_paused.store(true, Ordering::Release);
    }

    /// Writes down that all outputs are complete and durable.
    pub fn publish(&self) {
        self.is_paused.store(false, Ordering::Release);
        self.append(&[&format::publishing()]);
    }

    /// Lets the file stay when the journal is dropped.
    pub fn stay(&self) {
        self.stays.store(true, Ordering::Release);
    }

    /// Appends one record or several, and makes them durable. Gives the place of the first.
    fn append(&self, parts: &[&[u8]]) -> Option<u64> {
        let mut state = self.lock();
        let at = self.try_append(&mut state, parts);
        if at.is_err() {
            state.file = match std::mem::replace(&mut state.file, JournalFile::None) {
                JournalFile::Open(file) | JournalFile::Broken(file) => JournalFile::Broken(file),
                JournalFile::None => JournalFile::None,
            };
        }
        at.ok()
    }

    fn try_append(&self, state: &mut State, parts: &[&[u8]]) -> io::Result<u64> {
        if let JournalFile::None = state.file {
            let mut bytes = format::MAGIC.to_vec();
            bytes.extend(format::header(&self.header));
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&self.path)?;
            file.write_all(&bytes)?;
            state.file = JournalFile::Open(file);
            state.end = bytes.len() as u64;
            super::output::sync_folder(self.path.parent().unwrap_or(Path::new("/")))?;
        }
        let JournalFile::Open(file) = &state.file else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let at = state.end;
        let mut end = at;
        for part in parts {
            file.write_all_at(part, end)?;
            end += part.len() as u64;
        }
        file.sync_data()?;
        state.end = end;
        Ok(at)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if !self.stays.load(Ordering::Acquire) && !matches!(self.lock().file, JournalFile::None) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
