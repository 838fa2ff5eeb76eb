//! A shard while its chunks arrive.
//!
//! The bytes of a finished shard do not depend on the order in which its chunks came: they lie in C order, the index at the end,
//! with its crc32c. A chunk whose turn it is is appended. One that comes early waits in a file beside the shard
//! (`<shard>.late`), which costs no memory and, as it is soon gone again, mostly no disk; it moves when its turn comes. Where all encoded
//! chunks have one length they have places from the start (multiples of [`ALIGN_BYTES`], so that readers can map them), and none
//! ever waits. Files are opened for every access: thousands of shards may be unfinished at a time.
//!
//! What is known of an unfinished shard can be taken out ([`Shard::state`]) and put back: bytes that were written later are written again,
//! with the same outcome. For that no byte that a state speaks of is ever overwritten while its shard is unfinished.

use crate::{
    error::{Error, Result},
    store::{PageCache, output::is_full},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// Where chunks of one length begin.
pub(super) const ALIGN_BYTES: u64 = 64;
/// Offset and length of a chunk of nothing but the fill value.
const EMPTY: (u64, u64) = (u64::MAX, u64::MAX);

/// Where the chunks of a shard go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Places {
    /// One after the other.
    Appended,
    /// Every this many bytes.
    Fixed(u64),
}

/// A shard that is being written.
#[derive(Debug)]
pub(super) struct Shard {
    path: PathBuf,
    places: Places,
    /// Index entries of all chunks of the shard's box, also of those outside of the array.
    entries: Vec<(u64, u64)>,
    /// Entry of the n-th chunk inside of the array.
    order: Vec<usize>,
    has_come: Vec<bool>,
    missing: usize,
    /// The first chunk whose place is not known yet.
    next: usize,
    tail: u64,
    /// Chunks in the file beside: where they lie there.
    late: BTreeMap<usize, (u64, u64)>,
    late_tail: u64,
    again: Again,
    /// Whether the file is whole, with its index.
    is_finished: bool,
}

/// What becomes of a chunk that comes a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It is an error.
    Refused,
    /// It has the same bytes, and is left alone: an earlier process wrote it.
    Ignored,
}

/// What is known of an unfinished shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ShardState {
    tail: u64,
    late_tail: u64,
    next: usize,
    /// Chunks inside of the array that have come.
    come: Vec<usize>,
    /// Number of an index entry, offset and length.
    entries: Vec<(usize, u64, u64)>,
    late: Vec<(usize, u64, u64)>,
}

/// What became of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Chunks are missing.
    Open,
    /// The file is complete.
    Done,
    /// All chunks are the fill value: there is no file.
    Empty,
}

impl Shard {
    /// A shard of `grid` chunks, of which those of the box `inside` will come.
    pub fn new(path: PathBuf, grid: &[usize], inside: &[usize], places: Places) -> Self {
        let count: usize = inside.iter().product();
        let order: Vec<usize> = (0..count).map(|nth| ravel(&unravel(nth, inside), grid)).collect();
        let entries = vec![EMPTY; grid.iter().product()];
        let (has_come, late) = (vec![false; count], BTreeMap::new());
        Shard {
            path,
            places,
            entries,
            order,
            has_come,
            missing: count,
            next: 0,
            tail: 0,
            late,
            late_tail: 0,
            again: Again::Refused,
            is_finished: false,
        }
    }

    /// As [`Shard::new`], with what an earlier process wrote; `None` if the state is not one of such a shard.
    pub fn restored(path: PathBuf, grid: &[usize], inside: &[usize], places: Places, state: &ShardState) -> Option<Self> {
        let mut shard = Shard { again: Again::Ignored, ..Shard::new(path, grid, inside, places) };
        for &nth in &state.come {
            *shard.has_come.get_mut(nth)? = true;
        }
        for &(entry, at, length) in &state.entries {
            *shard.entries.get_mut(entry)? = (at, length);
        }
        shard.missing = shard.has_come.iter().filter(|come| !**come).count();
        shard.late = state.late.iter().map(|&(nth, at, length)| (nth, (at, length))).collect();
        (shard.next, shard.tail, shard.late_tail) = (state.next, state.tail, state.late_tail);
        Some(shard)
    }

    /// What is known of the shard; `None` if it is finished.
    pub fn state(&self) -> Option<ShardState> {
        if self.is_finished {
            return None;
        }
        let numbered = self.entries.iter().enumerate().filter(|(_, entry)| **entry != EMPTY);
        Some(ShardState {
            tail: self.tail,
            late_tail: self.late_tail,
            next: self.next,
            come: (0..self.has_come.len()).filter(|nth| self.has_come[*nth]).collect(),
            entries: numbered.map(|(number, &(at, length))| (number, at, length)).collect(),
            late: self.late.iter().map(|(&nth, &(at, length))| (nth, at, length)).collect(),
        })
    }

    /// Makes what has been written so far durable.
    pub fn sync(&self, copy: PageCache) -> Result<()> {
        // What waits is read again soon.
        for (path, copy) in [(self.path.clone(), copy), (late_path(&self.path), PageCache::Keep)] {
            match File::open(&path).and_then(|file| file.sync_all().map(|()| copy.apply(&file, 0..self.tail))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("sync", &path, error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether chunks are missing beside others that are not the fill value.
    pub fn is_begun(&self) -> bool {
        !self.is_finished && (!self.late.is_empty() || self.entries.iter().any(|&entry| entry != EMPTY))
    }

    /// Takes the `nth` chunk inside of the array, encoded; `None` is the fill value. `open` opens a file that is made if it is not there.
    ///
    /// What is known of the shard is true after an error, too: a later process may go on from it.
    pub fn take(&mut self, nth: usize, encoded: Option<&[u8]>, open: &dyn Fn(&Path) -> io::Result<File>) -> Result<Progress> {
        let written = match self.has_come.get(nth) {
            Some(false) => self.place(nth, encoded, open),
            // An earlier process may have failed at what comes after it.
            Some(true) if self.again == Again::Ignored => Ok(()),
            _ => return Err(Error::internal(format!("chunk {nth} of {} was written twice", self.path.display()))),
        };
        let progress = written.and_then(|()| if self.missing == 0 { self.finish(open) } else { Ok(Progress::Open) });
        progress.map_err(|error| {
            self.give_back();
            failed("write", &self.path, error)
        })
    }

    /// Gives the room back that half a chunk takes: on a full disk it is needed to note what is there.
    fn give_back(&self) {
        for (path, length) in [(self.path.clone(), self.tail), (late_path(&self.path), self.late_tail)] {
            if let Ok(file) = File::options().write(true).open(path) {
                let _ = file.set_len(length);
            }
        }
    }

    fn come(&mut self, nth: usize) {
        self.has_come[nth] = true;
        self.missing -= 1;
    }

    fn place(&mut self, nth: usize, encoded: Option<&[u8]>, open: &dyn Fn(&Path) -> io::Result<File>) -> io::Result<()> {
        let length = encoded.map_or(0, |bytes| bytes.len() as u64);
        match (self.places, encoded) {
            (Places::Fixed(every), Some(bytes)) => {
                let at = every * nth as u64;
                open(&self.path)?.write_all_at(bytes, at)?;
                self.entries[self.order[nth]] = (at, length);
                self.tail = self.tail.max(at + length);
            }
            (Places::Appended, Some(bytes)) if nth == self.next => self.append(nth, bytes, open)?,
            (Places::Appended, Some(bytes)) => {
                open(&late_path(&self.path))?.write_all_at(bytes, self.late_tail)?;
                self.late.insert(nth, (self.late_tail, length));
                self.late_tail += length;
            }
            // It has come; there is nothing to keep.
            (_, None) => {}
        }
        self.come(nth);
        if self.places == Places::Appended { self.catch_up(open) } else { Ok(()) }
    }

    fn append(&mut self, nth: usize, bytes: &[u8], open: &dyn Fn(&Path) -> io::Result<File>) -> io::Result<()> {
        open(&self.path)?.write_all_at(bytes, self.tail)?;
        self.entries[self.order[nth]] = (self.tail, bytes.len() as u64);
        self.tail += bytes.len() as u64;
        Ok(())
    }

    /// Moves the chunks whose turn has come out of the file beside.
    fn catch_up(&mut self, open: &dyn Fn(&Path) -> io::Result<File>) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut beside = None;
        while self.has_come.get(self.next) == Some(&true) {
            // What was appended at once is not among them.
            if let Some(&(at, length)) = self.late.get(&self.next) {
                let file = match &beside {
                    Some(file) => file,
                    None => beside.insert(File::open(late_path(&self.path))?),
                };
                bytes.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
                file.read_exact_at(&mut bytes, at)?;
                self.append(self.next, &bytes, open)?;
                self.late.remove(&self.next);
            }
            self.next += 1;
        }
        Ok(())
    }

    fn finish(&mut self, open: &dyn Fn(&Path) -> io::Result<File>) -> io::Result<Progress> {
        self.catch_up(open)?;
        if self.entries.iter().all(|&entry| entry == EMPTY) {
            // An earlier process may have begun it and not lived to tell.
            remove_if_there(&self.path)?;
            self.is_finished = true;
            return Ok(Progress::Empty);
        }
        let mut index: Vec<u8> = self.entries.iter().flat_map(|&(at, length)| [at, length]).flat_map(u64::to_le_bytes).collect();
        let sum = crc32c::crc32c(&index);
        index.extend_from_slice(&sum.to_le_bytes());
        // With fixed places the file does not depend on which chunks are there, only on what is in them.
        let file = open(&self.path)?;
        file.write_all_at(&index, self.tail)?;
        file.set_len(self.tail + index.len() as u64)?;
        self.is_finished = true;
        Ok(Progress::Done)
    }
}

/// Removes what chunks waited in: when the shard is complete and durable, and no state speaks of it any more.
pub(super) fn remove_late(path: &Path) -> Result<()> {
    remove_if_there(&late_path(path)).map_err(|error| failed("remove", &late_path(path), error))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn late_path(path: &Path) -> PathBuf {
    let mut late = path.as_os_str().to_os_string();
    late.push(".late");
    PathBuf::from(late)
}

/// An error of the system on a file of an output; a full disk is the output's failure.
pub(super) fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    match error.kind() {
        kind if is_full(kind) => Error::output(format!("cannot {what} {}: {error}", path.display())).with_source(error),
        _ => Error::io(what, path.display(), error),
    }
}

/// Coordinates of the `nth` place of a box, in C order.
pub(super) fn unravel(mut nth: usize, lengths: &[usize]) -> Vec<usize> {
    let mut place = vec![0; lengths.len()];
    for axis in (0..lengths.len()).rev() {
        place[axis] = nth % lengths[axis].max(1);
        nth /= lengths[axis].max(1);
    }
    place
}

/// The inverse of [`unravel`].
pub(super) fn ravel(place: &[usize], lengths: &[usize]) -> usize {
    place.iter().zip(lengths).fold(0, |nth, (place, length)| nth * length + place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const GRID: [usize; 2] = [3, 4];

    fn encoded(nth: usize) -> Option<Vec<u8>> {
        // Some are the fill value, the others have lengths of their own.
        (!nth.is_multiple_of(5)).then(|| vec![nth as u8; 40 + nth])
    }

    /// Writes the chunks of `order` until the `fails_at`-th access to a file fails; which of them came, and how it ended.
    fn write(shard: &mut Shard, order: &[usize], places: Places, fails_at: usize) -> (Vec<usize>, Option<Progress>) {
        let seen = Cell::new(0);
        let open = |path: &Path| {
            seen.set(seen.get() + 1);
            if seen.get() > fails_at {
                // What a full disk leaves: a part of what was to be written.
                let file = File::options().append(true).create(true).open(path)?;
                std::io::Write::write_all(&mut &file, b"half")?;
                return Err(io::ErrorKind::StorageFull.into());
            }
            File::options().write(true).create(true).truncate(false).open(path)
        };
        let (mut came, mut last) = (Vec::new(), Some(Progress::Open));
        for &nth in order {
            let bytes = encoded(nth).map(|bytes| if places == Places::Appended { bytes } else { bytes[..40].to_vec() });
            match shard.take(nth, bytes.as_deref(), &open) {
                Ok(progress) => {
                    came.push(nth);
                    last = Some(progress);
                }
                Err(error) => {
                    assert_eq!(error.kind(), crate::ErrorKind::Output);
                    return (came, None);
                }
            }
        }
        (came, last)
    }

    /// After an error of any write the state is true: who goes on from it with what did not come ends with the same bytes.
    #[test]
    fn a_shard_is_gone_on_with_after_any_write_failed() {
        let count = GRID[0] * GRID[1];
        let orders: [Vec<usize>; 3] = [(0..count).collect(), (0..count).rev().collect(), (0..count).map(|nth| nth * 7 % count).collect()];
        for places in [Places::Appended, Places::Fixed(64)] {
            let mut expected: Option<Vec<u8>> = None;
            for order in &orders {
                let mut failures = 0;
                for fails_at in 0.. {
                    let folder = tempfile::tempdir().unwrap();
                    let path = folder.path().join("shard");
                    let mut shard = Shard::new(path.clone(), &GRID, &GRID, places);
                    let (came, progress) = write(&mut shard, order, places, fails_at);
                    if progress.is_none() {
                        failures += 1;
                        let state = shard.state().unwrap();
                        let rest: Vec<usize> = order.iter().copied().filter(|nth| !came.contains(nth)).collect();
                        let mut again = Shard::restored(path.clone(), &GRID, &GRID, places, &state).unwrap();
                        assert_eq!(write(&mut again, &rest, places, usize::MAX).1, Some(Progress::Done), "{order:?} at {fails_at}");
                        assert!(again.state().is_none());
                    }
                    let bytes = std::fs::read(&path).unwrap();
                    assert!(*expected.get_or_insert_with(|| bytes.clone()) == bytes, "{order:?} at {fails_at}");
                    if progress.is_some() {
                        break;
                    }
                }
                assert!(failures >= 10, "{failures}");
            }
        }
    }
}
