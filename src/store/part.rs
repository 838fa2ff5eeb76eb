//! Unfinished outputs: where they lie, who holds them, and what an earlier job left of one.
//!
//! The output `z.npy` grows in `.z.npy.part` beside it, locked for as long as somebody writes it. The lock goes with the process,
//! however it ends, so a part without a lock is left over.

use crate::{
    error::{Error, Result},
    store::{
        file::hash,
        journal::{Reading, read},
        output::{OutputMode, sync_folder},
    },
};
use rustix::fs::OFlags;
use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// File names end at 255 bytes, and a journal's is 14 longer than the output's.
const NAME_BYTES_MAX: usize = 240;

/// Where an unfinished array lies, and what tells it from any other file or folder. Publishing changes the path alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Path of the unfinished file or folder.
    pub path: PathBuf,
    /// Its device.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
}

impl Part {
    /// What lies at `path` and is open as `file`.
    pub fn of(path: &Path, file: &File) -> io::Result<Part> {
        let metadata = file.metadata()?;
        Ok(Part { path: path.to_path_buf(), device: metadata.dev(), inode: metadata.ino() })
    }

    /// Whether this is what lies at `path` now.
    #[must_use]
    pub fn is_at(&self, path: &Path) -> bool {
        std::fs::symlink_metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (self.device, self.inode))
    }
}

/// How many processes write an unfinished output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// One: whoever comes meanwhile is refused.
    Alone,
    /// Several, each of them other boxes of it, or the same bytes. None of them removes or publishes it.
    Shared,
}

/// Where an output that is given as `path` stands: absolute, links to what exists followed.
#[must_use]
pub fn place_of(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    std::fs::canonicalize(&absolute).unwrap_or(absolute)
}

/// Where the unfinished output lies that will stand at `place`. `None` if that names no file.
#[must_use]
pub fn part_path(place: &Path) -> Option<PathBuf> {
    let name = place.file_name()?;
    let mut part = OsString::from(".");
    if name.len() <= NAME_BYTES_MAX {
        part.push(name);
    } else {
        // Names that differ have parts that differ.
        part.push(format!("outcore-{:016x}", hash(name.as_bytes())));
    }
    part.push(".part");
    Some(place.with_file_name(part))
}

/// Where the journal of the job lies whose first output grows in `part`.
#[must_use]
pub fn journal_path(part: &Path) -> PathBuf {
    let mut path = part.as_os_str().to_os_string();
    path.push(".journal");
    PathBuf::from(path)
}

/// What there is in the place of an unfinished output.
pub(super) enum Taken {
    /// Nothing.
    Nothing,
    /// An unfinished output that somebody is writing.
    Busy,
    /// One that nobody is writing; ours for as long as the file is open.
    Ours(File),
}

/// Takes hold of the unfinished output at `part`, if there is one and nobody has it.
pub(super) fn take(part: &Path) -> io::Result<Taken> {
    take_by(part, Hold::Alone)
}

/// As [`take`], alone or with others.
pub(super) fn take_by(part: &Path, hold: Hold) -> io::Result<Taken> {
    let open = |write| OpenOptions::new().read(true).write(write).custom_flags(OFlags::NOFOLLOW.bits() as i32).open(part);
    loop {
        let opened = match open(true) {
            // A folder.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => open(false),
            other => other,
        };
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Taken::Nothing),
            Err(error) => return Err(error),
        };
        if !lock_by(&file, hold)? {
            return Ok(Taken::Busy);
        }
        // Who held it may have published or removed it while we opened it.
        if Part::of(part, &file)?.is_at(part) {
            return Ok(Taken::Ours(file));
        }
    }
}

/// Whether `file` is ours now. Where files cannot be locked everybody is believed.
pub(super) fn lock(file: &File) -> io::Result<bool> {
    lock_by(file, Hold::Alone)
}

fn lock_by(file: &File, hold: Hold) -> io::Result<bool> {
    let locked = match hold {
        Hold::Alone => file.try_lock(),
        Hold::Shared => file.try_lock_shared(),
    };
    match locked {
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => lock_by(file, hold),
        _ => Ok(true),
    }
}

/// Why a part could not be started.
pub(super) enum Refused {
    /// What there is already.
    Said(Error),
    /// The system does.
    System(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refused::System(error)
    }
}

/// A new, empty file at `part`, ours.
pub(super) fn start(part: &Path, name: &str, mode: OutputMode) -> Result<File, Refused> {
    loop {
        match OpenOptions::new().read(true).write(true).create_new(true).open(part) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
            // Somebody who was faster may hold it, or have taken it for a leftover and removed it.
            Ok(file) if lock(&file)? && Part::of(part, &file)?.is_at(part) => {
                remove_journal(part)?;
                return Ok(file);
            }
            Ok(_) => continue,
        }
        let file = match take(part)? {
            Taken::Ours(file) => file,
            Taken::Busy => return Err(Refused::Said(busy(name))),
            Taken::Nothing => continue,
        };
        let left = leftover_in(part, &file);
        if mode == OutputMode::CreateNew && left.percent > 0 {
            return Err(Refused::Said(left_over(name, &left)));
        }
        // The journal first: one without its part says nothing, a part without its journal holds nothing that is known.
        remove_journal(part)?;
        remove(part)?;
    }
}

/// Removes the journal of a job that is over.
fn remove_journal(part: &Path) -> io::Result<()> {
    match std::fs::remove_file(journal_path(part)) {
        Ok(()) => sync_folder(part.parent().unwrap_or(Path::new("/"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// What an earlier job left of an output.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// Share of the job that is finished, in percent.
    pub percent: u64,
    /// Since something was last written to it.
    pub age: Duration,
}

/// Looks for what an earlier job left of the output `path`. An error if somebody is writing it now.
pub fn leftover(path: &Path) -> Result<Option<Leftover>> {
    let Some(part) = part_path(&place_of(path)) else { return Ok(None) };
    match take(&part) {
        Ok(Taken::Nothing) => Ok(None),
        Ok(Taken::Busy) => Err(busy(&path.display().to_string())),
        Ok(Taken::Ours(file)) => Ok(Some(leftover_in(&part, &file))),
        Err(error) => Err(Error::output(format!("cannot look at {}: {error}", part.display())).with_source(error)),
    }
}

/// Removes what an earlier job left of the output `path`. An error if somebody is writing it now.
pub fn forget(path: &Path) -> Result<()> {
    let Some(part) = part_path(&place_of(path)) else { return Ok(()) };
    let name = path.display().to_string();
    let removed = match take(&part) {
        Ok(Taken::Nothing) => remove_journal(&part),
        Ok(Taken::Busy) => return Err(busy(&name)),
        Ok(Taken::Ours(_held)) => remove_journal(&part).and_then(|()| remove(&part)),
        Err(error) => Err(error),
    };
    removed.map_err(|error| Error::output(format!("cannot remove what is left of {name}: {error}")).with_source(error))
}

fn remove(part: &Path) -> io::Result<()> {
    if std::fs::symlink_metadata(part)?.is_dir() { std::fs::remove_dir_all(part) } else { std::fs::remove_file(part) }
}

/// What the part that is open as `file` holds.
pub(super) fn leftover_in(part: &Path, file: &File) -> Leftover {
    let percent = match read(&journal_path(part)) {
        Ok(Reading::Found(found)) => found.percent(),
        _ => 0,
    };
    let written = file.metadata().and_then(|metadata| metadata.modified()).unwrap_or_else(|_| SystemTime::now());
    Leftover { percent, age: written.elapsed().unwrap_or_default() }
}

/// The error about an output that somebody is writing.
#[must_use]
pub fn busy(name: &str) -> Error {
    Error::output(format!("{name} is being written by another job")).hint("wait until it is done, or write to another file")
}

/// The error about what an earlier job left of an output.
#[must_use]
pub fn left_over(name: &str, left: &Leftover) -> Error {
    let text = format!("{} % of {name} is there, left by a job that was stopped {} ago", left.percent, said(left.age));
    Error::output(text).hint("`--resume` goes on with it, `--overwrite` starts anew")
}

/// A time span in words.
fn said(age: Duration) -> String {
    let seconds = age.as_secs();
    let (count, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7199 => (seconds / 60, "minute"),
        7200..=172_799 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_beside_their_output_under_names_that_differ() {
        assert_eq!(part_path(Path::new("/a/z.npy")).unwrap(), Path::new("/a/.z.npy.part"));
        assert_eq!(journal_path(Path::new("/a/.z.npy.part")), Path::new("/a/.z.npy.part.journal"));
        assert_eq!(part_path(Path::new("/")), None);
        let long = |end: char| part_path(Path::new(&format!("{}{end}", "n".repeat(254)))).unwrap();
        assert!(long('a') != long('b') && long('a').as_os_str().len() < 60);
        assert_eq!(journal_path(&part_path(Path::new(&"n".repeat(240))).unwrap()).as_os_str().len(), 254);
    }

    #[test]
    fn a_part_is_held_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("z.npy");
        let part = part_path(&output).unwrap();
        assert!(leftover(&output).unwrap().is_none());
        std::fs::write(&part, "half").unwrap();
        let Ok(Taken::Ours(held)) = take(&part) else { panic!("nobody holds it") };
        assert!(matches!(take(&part), Ok(Taken::Busy)));
        assert!(leftover(&output).unwrap_err().message().ends_with("z.npy is being written by another job"));
        drop(held);
        let Ok(Taken::Ours(first)) = take_by(&part, Hold::Shared) else { panic!("nobody holds it") };
        assert!(matches!(take_by(&part, Hold::Shared), Ok(Taken::Ours(_))) && matches!(take(&part), Ok(Taken::Busy)));
        drop(first);
        assert_eq!(leftover(&output).unwrap().unwrap().percent, 0);
        std::os::unix::fs::symlink("/etc/hostname", folder.path().join(".y.npy.part")).unwrap();
        assert_eq!(leftover(&folder.path().join("y.npy")).unwrap_err().kind(), crate::error::ErrorKind::Output);
    }

    #[test]
    fn ages_have_one_unit() {
        for (seconds, text) in [(1, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (7200, "2 hours"), (200_000, "2 days")] {
            assert_eq!(said(Duration::from_secs(seconds)), text);
        }
    }
}
