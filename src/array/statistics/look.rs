//! What an input is called, what tells its content apart, and whether it is what it was.

use super::super::{
    below::{StateInput, StateSegment},
    node::{Array, Kind},
    session::Session,
    words::SliceItem,
};
use crate::error::{Error, Result};
use std::{ops::Range, path::Path};

/// Bytes at either end of a segment that its fingerprint is made of.
const END_BYTES: usize = 1 << 20;

/// An input as it is now.
pub(super) struct Look {
    /// As it was given.
    pub path: String,
    /// Its absolute path, links followed, and its query.
    pub name: String,
    /// What its store calls its content; empty if it does not tell.
    pub identity: String,
    /// The array, with an axis 0.
    pub rows: Array,
}

/// An input beside what is known of it.
pub(super) enum Seen {
    Unchanged,
    Appended,
    Changed(String),
}

/// Device, inode, size and time of the last change.
struct File {
    place: [u64; 2],
    size_bytes: u64,
}

impl File {
    /// `None` for the identity of anything but a file.
    fn of(identity: &str) -> Option<File> {
        let parts: Vec<&str> = identity.split(':').collect();
        let [device, inode, size, modified] = parts[..] else { return None };
        modified.parse::<i128>().ok()?;
        Some(File { place: [device.parse().ok()?, inode.parse().ok()?], size_bytes: size.parse().ok()? })
    }
}

impl Look {
    pub fn at(session: &Session, path: &Path) -> Result<Look> {
        let array = session.open(path).checked()?;
        let shown = path.display().to_string();
        let Kind::Source(leaf) = &array.0.kind else {
            return Err(Error::usage(format!("{shown} is packed (`scale_factor`, `add_offset`): its states are not kept"))
                .hint(format!("`{shown}?cf=off` has statistics of the values as they are stored")));
        };
        let identity = leaf.source.facts().identity.clone();
        let [file] = &leaf.paths[..] else { return Err(Error::internal(format!("{shown} was not opened as one file"))) };
        let absolute = std::fs::canonicalize(file).map_err(|error| Error::io("open", &shown, error))?;
        let query = shown.strip_prefix(&file.display().to_string()).unwrap_or_default();
        let name = format!("{}{query}", absolute.display());
        let rows = if array.rank()? == 0 { array.reshape([1]).checked()? } else { array };
        Ok(Look { path: shown, name, identity, rows })
    }

    pub fn row_count(&self) -> Result<u64> {
        Ok(self.rows.shape()?.first().copied().unwrap_or(1) as u64)
    }

    /// The rows of a segment.
    pub fn part(&self, rows: Range<u64>) -> Array {
        let whole = self.row_count().is_ok_and(|count| rows == (0..count));
        if whole { self.rows.clone() } else { self.rows.slice_items(vec![range(rows.start as usize, rows.end as usize)]) }
    }

    /// Hash of the first and the last elements of a segment, a MiB of each.
    pub fn fingerprint(&self, rows: Range<u64>) -> Result<[u8; 32]> {
        let shape = self.rows.shape()?;
        let mut left = END_BYTES / self.rows.dtype()?.size();
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for (axis, &length) in shape.iter().enumerate().rev() {
            let span = if axis == 0 { rows.start as usize..rows.end as usize } else { 0..length };
            let taken = span.len().min(left.max(1));
            left /= taken.max(1);
            first.insert(0, range(span.start, span.start + taken));
            last.insert(0, range(span.end - taken, span.end));
        }
        let mut hasher = blake3::Hasher::new();
        for items in [first, last] {
            hasher.update(self.rows.slice_items(items).digest()?.bytes());
        }
        Ok(*hasher.finalize().as_bytes())
    }

    /// Whether the states of an input are of what it is now.
    pub fn compare(&self, known: &StateInput) -> Result<Seen> {
        let changed = |how: &str| Ok(Seen::Changed(how.to_string()));
        let (rows, covered) = (self.row_count()?, known.segments.last().map_or(0, |segment| segment.rows_end));
        if self.identity.is_empty() {
            return changed("its store does not tell whether it changed");
        }
        if self.identity == known.identity {
            return if rows == covered { Ok(Seen::Unchanged) } else { changed("it has another number of rows") };
        }
        let (Some(now), Some(then)) = (File::of(&self.identity), File::of(&known.identity)) else {
            return changed("it was written to");
        };
        if now.place != then.place {
            return changed("it was replaced");
        }
        if now.size_bytes <= then.size_bytes || rows <= covered {
            return changed(if now.size_bytes < then.size_bytes { "it is shorter" } else { "it was written to and has no more rows" });
        }
        let mut start = 0;
        for StateSegment { rows_end, fingerprint, .. } in &known.segments {
            if self.fingerprint(start..*rows_end)? != *fingerprint {
                return Ok(Seen::Changed(format!("rows {start} to {rows_end} are not what they were")));
            }
            start = *rows_end;
        }
        Ok(Seen::Appended)
    }

    /// An error if the input is not what it was when it was opened.
    pub fn check_unchanged(&self, session: &Session) -> Result<()> {
        let now = Look::at(session, Path::new(&self.path))?;
        if now.identity == self.identity {
            return Ok(());
        }
        Err(Error::changed(format!("{} changed while it was being read", self.path))
            .hint("results of a file that changes are worth nothing: let its writer finish, then start again"))
    }
}

/// Whether the file of an input that is called `name` exists.
pub(super) fn exists(name: &str) -> bool {
    // A query is a part of the name unless a file is called so.
    Path::new(name).exists() || name.rsplit_once('?').is_some_and(|(file, _)| Path::new(file).exists())
}

fn range(start: usize, stop: usize) -> SliceItem {
    SliceItem::Range { start: Some(start as i64), stop: Some(stop as i64), step: 1 }
}
