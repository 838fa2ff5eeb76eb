//! Folders that appear under their name whole: built beside it as `.NAME.part`, published by rename.
//!
//! Order of events, as for files ([`crate::store::output`]): refuse what can be refused and take the lock (before any work), write
//! into the folder from any thread, sync, publish. Where a folder is replaced, the two change names in one step and the old one is
//! removed afterwards. A lock on `.NAME.lock` is held from beginning to end, so that a second job that writes the same output is
//! refused; the kernel drops it with the process, however that ends. What a killed job left is taken over, emptied, by the next one.
//!
//! Because nothing reads the folder before it is published, files inside are written under their final names.

use crate::{
    error::{Error, ErrorKind, Result},
    store::{
        journal_path, left_over, leftover,
        output::{OutputMode, appeared, cannot_create, exists, sync_folder},
        part::Hold,
        part_path,
    },
};
use rustix::{
    fs::{CWD, FlockOperation, RenameFlags},
    io::Errno,
};
use std::{
    borrow::Cow,
    ffi::OsString,
    fs::{File, OpenOptions},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// Times that a lock file which is removed under our hands is made again.
const LOCK_ATTEMPTS: usize = 100;

/// A folder that is being written beside the name it will have.
#[derive(Debug)]
pub struct PartFolder {
    name: String,
    part: PathBuf,
    destination: PathBuf,
    mode: OutputMode,
    /// Whether dropping removes nothing: it is published, or kept.
    stays: AtomicBool,
    /// The folder itself, locked too: whoever finds it can tell that it is not left over.
    _held: Option<File>,
    // Dropped last: the lock covers the clean-up.
    _lock: Lock,
}

impl PartFolder {
    /// Starts the folder that will stand at `destination`, an absolute path whose folder exists. What stands there already has been
    /// looked at by the caller ([`destination`]); publishing looks again, in the same step in which it renames.
    pub fn begin(destination: PathBuf, name: &str, mode: OutputMode) -> Result<Self> {
        let lock = Lock::take(&destination, name)?;
        let part = part_of(&destination);
        let left = leftover(&destination)?.filter(|left| mode == OutputMode::CreateNew && left.percent > 0);
        if let Some(left) = left {
            return Err(left_over(name, &left));
        }
        // The journal first: one without its part says nothing.
        let removed = remove_leftover(&journal_path(&part)).and_then(|()| remove_leftover(&part));
        removed.map_err(|error| Error::output(format!("cannot remove {}: {error}", part.display())).with_source(error))?;
        let parent = destination.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir(&part).map_err(|error| cannot_create(name, parent, error))?;
        Ok(PartFolder::held(part, destination, name, mode, lock))
    }

    /// Takes over what a job left that was stopped, as it is, or joins those who write it; `None` if nothing is there.
    pub fn resume(destination: PathBuf, name: &str, mode: OutputMode, hold: Hold) -> Result<Option<Self>> {
        let lock = Lock::take_by(&destination, name, hold)?;
        let part = part_of(&destination);
        if !part.is_dir() {
            return Ok(None);
        }
        let folder = PartFolder::held(part, destination, name, mode, lock);
        if hold == Hold::Shared {
            folder.keep();
        }
        Ok(Some(folder))
    }

    fn held(part: PathBuf, destination: PathBuf, name: &str, mode: OutputMode, lock: Lock) -> Self {
        // Where folders cannot be locked, the lock beside is what counts.
        let held = File::open(&part).ok().filter(|folder| rustix::fs::flock(folder, operation(lock.hold)).is_ok());
        PartFolder { name: name.to_string(), part, destination, mode, stays: AtomicBool::new(false), _held: held, _lock: lock }
    }

    /// Lets the unfinished folder stay when this is dropped.
    pub fn keep(&self) {
        self.stays.store(true, Ordering::Release);
    }

    /// The unfinished folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.part
    }

    /// Gives the folder its name and makes the name durable. Everything inside is durable already.
    pub fn publish(&self) -> Result<()> {
        if self.stays.swap(true, Ordering::AcqRel) {
            return Err(Error::internal(format!("{} is published twice", self.name)));
        }
        let replaced = rename(&self.part, &self.destination, self.mode).inspect_err(|_| {
            // Still ours to remove.
            self.stays.store(false, Ordering::Release);
        });
        let replaced = replaced.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => appeared(&self.name),
            _ => Error::new(ErrorKind::Output, format!("cannot publish {}: {error}", self.name)).with_source(error),
        })?;
        let parent = self.destination.parent().unwrap_or(Path::new("/"));
        sync_folder(parent).map_err(|error| Error::io("sync the folder of", &self.name, error))?;
        if let Some(old) = replaced {
            // The output stands; an old one that cannot be removed is not a reason to call it failed. The next job tries again.
            let _ = std::fs::remove_dir_all(old);
        }
        Ok(())
    }
}

impl Drop for PartFolder {
    fn drop(&mut self) {
        if !self.stays.load(Ordering::Acquire) {
            let _ = std::fs::remove_dir_all(&self.part);
        }
    }
}

/// What stands under the name of an output folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A folder that may be replaced.
    Replaceable,
    /// Something else, in words.
    Foreign(Cow<'static, str>),
}

/// Where the folder will stand: an absolute path, symbolic links to an existing folder followed. Refuses what stands there
/// already, unless `mode` and `look` allow to replace it.
pub fn destination(path: &Path, name: &str, mode: OutputMode, look: impl Fn(&Path) -> Standing) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|error| Error::output(format!("cannot write `{name}`: {error}")))?;
    // `x.zarr/` is `x.zarr`.
    let absolute: PathBuf = absolute.components().collect();
    if absolute.file_name().is_none() {
        return Err(Error::output(format!("cannot write {name}: it names no folder")));
    }
    let failed = |error: io::Error| Error::output(format!("cannot write {name}: {error}")).with_source(error);
    match std::fs::symlink_metadata(&absolute) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(absolute),
        Err(error) => return Err(failed(error)),
        Ok(_) if mode == OutputMode::CreateNew => return Err(exists(name)),
        Ok(_) => {}
    }
    // A link is replaced where it points to: whoever made it meant the data to lie there.
    let real = std::fs::canonicalize(&absolute).map_err(failed)?;
    match std::fs::metadata(&real).map_err(failed)?.is_dir().then(|| look(&real)) {
        Some(Standing::Replaceable) => Ok(real),
        Some(Standing::Foreign(what)) => {
            Err(Error::output(format!("cannot replace {name}: {what}")).hint("another name, or remove it first"))
        }
        None => Err(Error::output(format!("cannot replace {name}: it is not a folder")).hint("another name, or remove it first")),
    }
}

/// Where the unfinished folder lies.
fn part_of(destination: &Path) -> PathBuf {
    part_path(destination).unwrap_or_else(|| beside(destination, "part"))
}

/// `.NAME.END` beside a folder.
fn beside(destination: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(destination.file_name().unwrap_or_default());
    name.push(".");
    name.push(end);
    destination.with_file_name(name)
}

fn remove_leftover(part: &Path) -> io::Result<()> {
    let removed = match std::fs::symlink_metadata(part) {
        Ok(there) if there.is_dir() => std::fs::remove_dir_all(part),
        Ok(_) => std::fs::remove_file(part),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Renames `from` to `to`. What stood there, if it may be replaced, has the returned name afterwards.
fn rename(from: &Path, to: &Path, mode: OutputMode) -> io::Result<Option<PathBuf>> {
    let try_with = |flags| rustix::fs::renameat_with(CWD, from, CWD, to, flags);
    if mode == OutputMode::Overwrite {
        match try_with(RenameFlags::EXCHANGE) {
            Ok(()) => return Ok(Some(from.to_path_buf())),
            // Nothing to replace.
            Err(Errno::NOENT) => {}
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if to.exists() => return rename_in_two_steps(from, to),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    match try_with(RenameFlags::NOREPLACE) {
        // The file system does not know the flag. A rename replaces an empty folder at most, and the lock keeps other jobs away.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if std::fs::symlink_metadata(to).is_ok() => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => std::fs::rename(from, to).map(|()| None),
        other => Ok(other.map(|()| None)?),
    }
}

/// For file systems that cannot exchange: for a moment nothing stands under the name, and a crash then leaves both under others.
fn rename_in_two_steps(from: &Path, to: &Path) -> io::Result<Option<PathBuf>> {
    let old = beside(to, "old.part");
    remove_leftover(&old)?;
    std::fs::rename(to, &old)?;
    if let Err(error) = std::fs::rename(from, to) {
        // Back to what was there; the first error is the one that says why.
        let _ = std::fs::rename(&old, to);
        return Err(error);
    }
    Ok(Some(old))
}

fn operation(hold: Hold) -> FlockOperation {
    match hold {
        Hold::Alone => FlockOperation::NonBlockingLockExclusive,
        Hold::Shared => FlockOperation::NonBlockingLockShared,
    }
}

/// A lock on an output's name, as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
    hold: Hold,
}

impl Lock {
    /// The lock of `destination`, or an error if another job holds it.
    pub fn take(destination: &Path, name: &str) -> Result<Self> {
        Lock::take_by(destination, name, Hold::Alone)
    }

    /// As [`Lock::take`], alone or with others.
    pub fn take_by(destination: &Path, name: &str, hold: Hold) -> Result<Self> {
        let path = beside(destination, "lock");
        let folder = destination.parent().unwrap_or(Path::new("/"));
        for _ in 0..LOCK_ATTEMPTS {
            let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
            let file = opened.map_err(|error| cannot_create(name, folder, error))?;
            match rustix::fs::flock(&file, operation(hold)) {
                Err(Errno::WOULDBLOCK) => {
                    return Err(Error::output(format!("{name} is being written by another job, which holds {}", path.display()))
                        .hint("wait until it has ended, or write to another name"));
                }
                // No locks on this file system: the rename at the end still never replaces by accident.
                Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => {}
                Err(errno) => return Err(Error::output(format!("cannot lock {}: {}", path.display(), io::Error::from(errno)))),
            }
            // The holder before us removed the file between our open and our lock: that lock locks nothing.
            let is_same = match (file.metadata(), std::fs::metadata(&path)) {
                (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
                _ => false,
            };
            if is_same {
                return Ok(Lock { path, file, hold });
            }
        }
        Err(Error::output(format!("cannot lock {}: other jobs keep taking it", path.display())))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is held, so that nobody can hold a lock on a file that is about to go. Others may hold what is shared.
        if self.hold == Hold::Alone {
            let _ = std::fs::remove_file(&self.path);
        }
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
