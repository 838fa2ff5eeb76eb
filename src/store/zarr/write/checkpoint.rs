//! Going on with an array whose writer was stopped.
//!
//! [`ZarrTarget::checkpoint`] makes everything durable that has been written, and notes in a file of the unfinished folder what is known of
//! its shards. [`super::reopen`] reads the notes; the last one of a shard counts, and one that is cut off counts for nothing. Chunks
//! that are written again although they are there, because the caller's own record is older, are left alone.

use super::{
    shard::{Shard, ShardState, failed},
    target::{ZarrTarget, lock},
};
use crate::{
    error::{Error, Result},
    store::{PageCache, output::sync_folder},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
    sync::{Arc, Mutex, atomic::Ordering},
};

/// The file of notes, inside of the unfinished folder.
pub(super) const NOTES: &str = ".outcore-shards";

/// What is known of the shards of an array: no state is that of a complete one.
pub(super) type Notes = HashMap<Vec<usize>, Option<ShardState>>;

/// A line of the file of notes.
#[derive(Serialize, Deserialize)]
struct Note {
    place: Vec<usize>,
    state: Option<ShardState>,
}

impl ZarrTarget {
    /// Makes every box durable whose write had returned before, in a way that [`super::reopen`] finds.
    pub fn checkpoint(&self, copy: PageCache) -> Result<()> {
        self.is_noted.store(true, Ordering::Release);
        // Shards first: one that is finished meanwhile is in the second list, or in both.
        let open: Vec<_> = lock(&self.shards).iter().map(|(place, shard)| (place.clone(), Arc::clone(shard))).collect();
        let (files, folders) = {
            let mut unsynced = lock(&self.unsynced);
            (std::mem::take(&mut unsynced.files), std::mem::take(&mut unsynced.folders))
        };
        let noted = self.note(&open, &files, copy).and_then(|()| {
            folders.iter().try_for_each(|folder| sync_folder(folder).map_err(|error| failed("sync", folder, error)))?;
            let root = self.root()?;
            sync_folder(root).map_err(|error| failed("sync", root, error))?;
            self.remove_late(&files)
        });
        noted.inspect_err(|_| {
            let mut unsynced = lock(&self.unsynced);
            unsynced.files.extend(files);
            unsynced.folders.extend(folders);
        })
    }

    fn note(&self, open: &[(Vec<usize>, Arc<Mutex<Shard>>)], files: &[Vec<usize>], copy: PageCache) -> Result<()> {
        self.sync_files(files, copy)?;
        let mut lines = String::new();
        let mut add = |place: &[usize], state: Option<ShardState>| -> Result<()> {
            let note = Note { place: place.to_vec(), state };
            let text = serde_json::to_string(&note).map_err(|error| Error::internal(format!("a note of a shard: {error}")))?;
            lines.push_str(&format!("{:08x} {text}\n", crc32c::crc32c(text.as_bytes())));
            Ok(())
        };
        for (place, shard) in open {
            let shard = lock(shard);
            shard.sync(copy)?;
            add(place, shard.state())?;
        }
        if self.layout.shard.is_some() {
            files.iter().try_for_each(|place| add(place, None))?;
        }
        let path = self.root()?.join(NOTES);
        let written = OpenOptions::new().append(true).create(true).open(&path).and_then(|mut file| {
            file.write_all(lines.as_bytes())?;
            file.sync_data()
        });
        written.map_err(|error| failed("write", &path, error))
    }
}

/// What the notes in an unfinished folder say. What follows a damaged line was written later, and is as if it were not there.
pub(super) fn read(folder: &Path) -> Notes {
    let text = fs::read(folder.join(NOTES)).unwrap_or_default();
    let mut notes = Notes::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let Some(note) = parse(line) else { break };
        notes.insert(note.place, note.state);
    }
    notes
}

fn parse(line: &[u8]) -> Option<Note> {
    let (sum, text) = std::str::from_utf8(line).ok()?.strip_suffix('\n')?.split_once(' ')?;
    let is_whole = u32::from_str_radix(sum, 16).ok()? == crc32c::crc32c(text.as_bytes());
    if is_whole { serde_json::from_str(text).ok() } else { None }
}
