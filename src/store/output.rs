//! Output files: a hidden file beside the name, its space reserved, published by a rename that never replaces by accident.
//!
//! Order of events: refuse what can be refused ([`OutputFile::create`], before any work), write at computed places from any
//! thread, sync, publish. Until the rename nothing stands under the name; a crash leaves at most the hidden part, which
//! [`OutputFile::reopen`] goes on with; an error or a drop leaves nothing, unless it is told to.

use crate::{
    error::{Error, ErrorKind, Result},
    format::data_bytes,
    nd::{Coverage, DType, Region, shape::c_strides},
    store::{
        PageCache, Part, Target, check_complete, check_write,
        part::{Hold, Refused, Taken, busy, part_path, place_of, start, take_by},
        runs::for_each_run,
    },
};
use rustix::{
    fs::{AtFlags, CWD, FallocateFlags, RenameFlags},
    io::Errno,
};
use std::{
    fs::{File, Permissions},
    io::{self, Write},
    ops::Range,
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// What the names of files begin with that get theirs when they are whole.
pub(super) const DRAFT: &str = ".draft-";

/// Whether an output may take the place of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputMode {
    /// An existing file is an error.
    #[default]
    CreateNew,
    /// An existing regular file is replaced, in one step, when the output is published.
    Overwrite,
}

/// A file that is being written under a hidden name, and locked for as long.
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    part: Part,
    end: Mutex<End>,
    path: PathBuf,
    name: String,
    mode: OutputMode,
    /// Bytes it takes.
    length: u64,
}

/// What becomes of the hidden name when the file is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is removed.
    Remove,
    /// It stays, for a job that goes on with it.
    Keep,
    /// It is gone already.
    Published,
}

impl OutputFile {
    /// Starts a file that will stand at `path` and take `length` bytes, which are reserved.
    ///
    /// What an earlier job left is replaced if `mode` says so, or if nothing of it is finished.
    pub fn create(path: &Path, length: u64, mode: OutputMode) -> Result<Self> {
        let name = path.display().to_string();
        let path = destination(path, &name, mode)?;
        let (Some(folder), Some(part)) = (path.parent(), part_path(&path)) else {
            return Err(Error::output(format!("cannot write {name}: it names no file")));
        };
        let file = start(&part, &name, mode).map_err(|refused| match refused {
            Refused::Said(error) => error,
            Refused::System(error) => cannot_create(&name, folder, error),
        })?;
        let part = Part::of(&part, &file).map_err(|error| Error::io("look at", part.display(), error))?;
        let made = OutputFile { file, part, end: Mutex::new(End::Remove), path, name, mode, length };
        reserve(&made.file, &made.name, length)?;
        Ok(made)
    }

    /// Goes on with a file of `length` bytes that a job left unfinished, or is writing. `None` if there is none like that.
    pub fn reopen(path: &Path, length: u64, mode: OutputMode, hold: Hold) -> Result<Option<Self>> {
        let name = path.display().to_string();
        let path = destination(path, &name, mode)?;
        let Some(part) = part_path(&path) else { return Ok(None) };
        let cannot = |error| Error::io("open", part.display(), error);
        let file = match take_by(&part, hold).map_err(cannot)? {
            Taken::Ours(file) => file,
            Taken::Busy => return Err(busy(&name)),
            Taken::Nothing => return Ok(None),
        };
        let metadata = file.metadata().map_err(cannot)?;
        if !metadata.is_file() || metadata.len() != length {
            return Ok(None);
        }
        let part = Part::of(&part, &file).map_err(cannot)?;
        // Until all is well it stays as it was.
        let made = OutputFile { file, part, end: Mutex::new(End::Keep), path, name, mode, length };
        if hold == Hold::Alone {
            reserve(&made.file, &made.name, length)?;
            made.set_end(End::Remove);
        }
        Ok(Some(made))
    }

    fn set_end(&self, end: End) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    /// What errors call it: the path as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Writes all of `bytes` at `offset`.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|error| self.failed("write", error))
    }

    /// Starts and awaits the write-back of what has been written so far.
    pub fn settle(&self) -> Result<()> {
        self.file.sync_data().map_err(|error| self.failed("write back", error))
    }

    /// Makes content and length durable.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|error| self.failed("sync", error))
    }

    /// Gives the file its name and makes the name durable.
    pub fn publish(&self) -> Result<()> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if *end == End::Published {
            return Err(Error::internal(format!("{} is published twice", self.name)));
        }
        rename(&self.part.path, &self.path, self.mode).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => appeared(&self.name),
            _ => Error::new(ErrorKind::Output, format!("cannot publish {}: {error}", self.name)).with_source(error),
        })?;
        *end = End::Published;
        sync_folder(self.path.parent().unwrap_or(Path::new("/"))).map_err(|error| self.failed("sync the folder of", error))
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        write_failed(what, &self.name, self.length, error)
    }
}

/// Whether a medium has no room, or grants none.
pub(super) fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// The error of writing `name`, which takes `length` bytes.
pub(super) fn write_failed(what: &str, name: &str, length: u64, error: io::Error) -> Error {
    match error.kind() {
        kind if is_full(kind) => {
            let text = format!("cannot {what} {name}, which takes {length} bytes: {error}");
            Error::output(text).with_source(error).with_needed_bytes(length)
        }
        _ => Error::io(what, name, error),
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        let end = *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end == End::Remove && self.part.is_at(&self.part.path) {
            let _ = std::fs::remove_file(&self.part.path);
        }
    }
}

/// Where the output will stand: an absolute path, symbolic links to an existing file followed. Refuses what stands there already.
fn destination(path: &Path, name: &str, mode: OutputMode) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(|error| Error::output(format!("cannot write `{name}`: {error}")))?;
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return Err(Error::output(format!("cannot write {name}: it names a folder")).hint("name a file inside it"));
    }
    match std::fs::symlink_metadata(&absolute) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(absolute),
        Err(error) => Err(Error::output(format!("cannot write {name}: {error}")).with_source(error)),
        // A link is replaced where it points to: whoever made it meant the data to lie there. A broken one is replaced itself.
        Ok(_) => match std::fs::metadata(&absolute) {
            Ok(metadata) if metadata.is_dir() => {
                Err(Error::output(format!("cannot write {name}: it is a directory")).hint("name a file inside it"))
            }
            _ if mode == OutputMode::CreateNew => Err(exists(name)),
            Ok(metadata) if !metadata.is_file() => Err(Error::output(format!("cannot replace {name}: it is not a regular file"))),
            Ok(_) => Ok(place_of(&absolute)),
            Err(_) => Ok(absolute),
        },
    }
}

pub(super) fn exists(name: &str) -> Error {
    Error::output(format!("{name} exists")).hint("`--overwrite` replaces it")
}

/// The error about an output that somebody else was faster with.
pub(super) fn appeared(name: &str) -> Error {
    Error::output(format!("{name} exists: it was created while the result was being computed")).hint("`--overwrite` replaces it")
}

/// Writes a small file beside its place and gives it its name, whatever is there: it appears whole, or not at all. Its content is durable
/// then, its name once the folder is synced. The mask of the process decides who may read it.
pub(super) fn replace(draft_folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let permissions = Permissions::from_mode(0o666);
    let mut draft = tempfile::Builder::new().prefix(DRAFT).permissions(permissions).tempfile_in(draft_folder)?;
    draft.write_all(bytes)?;
    draft.as_file().sync_all()?;
    draft.persist(path).map(drop).map_err(|error| error.error)
}

pub(super) fn cannot_create(name: &str, folder: &Path, error: io::Error) -> Error {
    let (is_there, folder) = (folder.is_dir(), folder.display());
    let message = match error.kind() {
        io::ErrorKind::NotFound if !is_there => format!("cannot write {name}: the folder {folder} does not exist"),
        io::ErrorKind::NotFound => format!("cannot write {name}: {folder} is a folder that takes no files"),
        io::ErrorKind::NotADirectory => format!("cannot write {name}: {folder} is not a folder"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("cannot write {name}: no files may be created in {folder} ({error})")
        }
        _ => format!("cannot write {name}: creating a temporary file in {folder} failed ({error})"),
    };
    Error::output(message).with_source(error)
}

/// An error if the file system that `file` lies on has not the room for `length` bytes.
pub fn check_room(file: &File, name: &str, length: u64) -> Result<()> {
    match available(file) {
        Some(bytes) if bytes < length => Err(too_little(name, length, Some(bytes), "")),
        _ => Ok(()),
    }
}

fn available(file: &File) -> Option<u64> {
    rustix::fs::fstatvfs(file).ok().map(|space| space.f_bavail.saturating_mul(space.f_frsize))
}

fn too_little(name: &str, length: u64, available: Option<u64>, reason: &str) -> Error {
    let there = available.map_or(String::new(), |bytes| format!(", {bytes} bytes are available"));
    Error::output(format!("not enough room for {name}: it takes {length} bytes{there}{reason}")).with_needed_bytes(length)
}

/// Gives the file its length and the room for it, so that a full disk shows before the work and not after it.
pub fn reserve(file: &File, name: &str, length: u64) -> Result<()> {
    reserve_from(file, name, 0, length)
}

/// Gives the file `length` bytes from `from` on.
pub(super) fn reserve_from(file: &File, name: &str, from: u64, length: u64) -> Result<()> {
    if length == 0 {
        return Ok(());
    }
    // Asked first: a reservation that fails half way has filled the disk for a moment, under everyone else's feet.
    check_room(file, name, length)?;
    let too_little = |reason: &str| too_little(name, length, available(file), reason);
    loop {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), from, length) {
            Ok(()) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::NOSPC) => return Err(too_little("")),
            Err(Errno::DQUOT) => return Err(too_little(" and the quota is used up")),
            Err(Errno::FBIG) => return Err(too_little("; files of that size are not possible here")),
            // NFS before 4.2, some FUSE file systems: the length alone, without the promise.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                return file
                    .set_len(from + length)
                    .map_err(|error| Error::output(format!("cannot give {name} its {length} bytes: {error}")));
            }
            Err(errno) => return Err(Error::output(format!("cannot reserve {length} bytes for {name}: {}", io::Error::from(errno)))),
        }
    }
}

fn rename(from: &Path, to: &Path, mode: OutputMode) -> io::Result<()> {
    if mode == OutputMode::Overwrite {
        return std::fs::rename(from, to);
    }
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system does not know the flag. A hard link never replaces either.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => link_then_unlink(from, to),
        other => Ok(other?),
    }
}

fn link_then_unlink(from: &Path, to: &Path) -> io::Result<()> {
    rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty())?;
    // The output stands; a temporary name that cannot be removed is not a reason to call it failed.
    let _ = std::fs::remove_file(from);
    Ok(())
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems do not sync folders, and say so.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

/// Boxes of a file that are told apart. Of what is written in more pieces only the elements are counted.
const BOXES_MAX: usize = 64;

/// What of an array is written.
#[derive(Debug)]
struct Done {
    /// Elements.
    count: usize,
    /// Where they are, while they are in few boxes.
    boxes: Option<Coverage>,
}

impl Done {
    fn cover(&mut self, region: &Region) {
        self.count += region.count();
        if let Some(boxes) = &mut self.boxes {
            boxes.cover(region);
            if boxes.boxes().len() > BOXES_MAX {
                self.boxes = None;
            }
        }
    }

    /// Ranges of elements of an array of `shape` that are written without a gap.
    fn pieces(&self, shape: &[usize]) -> Vec<Range<usize>> {
        let strides = c_strides(shape);
        let is_whole = |region: &&Region| region.shape.iter().zip(shape).skip(1).all(|(part, whole)| part == whole);
        let boxes = self.boxes.iter().flat_map(|boxes| boxes.boxes()).filter(is_whole);
        let first = |region: &Region| region.start.first().map_or(0, |&start| start * strides[0] as usize);
        boxes.map(|region| first(region)..first(region) + region.count()).collect()
    }
}

/// Target of a dense file in C order: an optional header, then the elements.
#[derive(Debug)]
pub struct FileTarget {
    output: OutputFile,
    dtype: DType,
    shape: Vec<usize>,
    data_offset: u64,
    /// What is written; an array with holes is never published.
    done: Mutex<Done>,
    /// Whether bytes were written that no sync has covered; they are synced before they are published, whatever the caller forgot.
    unsynced: AtomicBool,
}

impl FileTarget {
    /// Goes on with a file of `header` and an array that a job left unfinished, or is writing. `None` if there is none like that.
    pub(super) fn reopen(path: &Path, header: &[u8], dtype: DType, shape: &[usize], mode: OutputMode, hold: Hold) -> Result<Option<Self>> {
        let data_offset = header.len() as u64;
        let Some(output) = OutputFile::reopen(path, data_offset + data_bytes(dtype, shape)? as u64, mode, hold)? else { return Ok(None) };
        output.write_at(0, header)?;
        Ok(Some(FileTarget::of(output, dtype, shape, data_offset)))
    }

    /// Starts a file of `header` and an array.
    pub(super) fn create(path: &Path, header: &[u8], dtype: DType, shape: &[usize], mode: OutputMode) -> Result<Self> {
        let name = path.display();
        let data_bytes = data_bytes(dtype, shape).map_err(|error| Error::output(format!("cannot write {name}: {}", error.message())))?;
        let data_offset = header.len() as u64;
        let output = OutputFile::create(path, data_offset + data_bytes as u64, mode)?;
        output.write_at(0, header)?;
        Ok(FileTarget::of(output, dtype, shape, data_offset))
    }

    fn of(output: OutputFile, dtype: DType, shape: &[usize], data_offset: u64) -> Self {
        FileTarget {
            output,
            dtype,
            shape: shape.to_vec(),
            data_offset,
            done: Mutex::new(Done { count: 0, boxes: Some(Coverage::default()) }),
            unsynced: AtomicBool::new(true),
        }
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target for FileTarget {
    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn name(&self) -> String {
        self.output.name().to_string()
    }

    fn folder(&self) -> Option<PathBuf> {
        self.output.path.parent().map(Path::to_path_buf)
    }

    fn write(&self, region: &Region, bytes: &[u8]) -> Result<()> {
        check_write(self, region, bytes.len())?;
        let item = self.dtype.size();
        for_each_run(&self.shape, region, |place, from, length| {
            self.output.write_at(self.data_offset + (place * item) as u64, &bytes[from * item..(from + length) * item])
        })?;
        self.done().cover(region);
        self.unsynced.store(true, Ordering::Release);
        Ok(())
    }

    fn settle(&self, copy: PageCache) -> Result<()> {
        // Looked at first: what is written meanwhile may not be durable.
        let pieces = self.done().pieces(&self.shape);
        self.output.settle()?;
        let byte = |place: usize| self.data_offset + (place * self.dtype.size()) as u64;
        pieces.into_iter().for_each(|piece| copy.apply(&self.output.file, byte(piece.start)..byte(piece.end)));
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        // Cleared first: a write that comes while we sync sets it again.
        self.unsynced.store(false, Ordering::Release);
        self.output.sync().inspect_err(|_| self.unsynced.store(true, Ordering::Release))
    }

    fn publish(&self) -> Result<()> {
        check_complete(self, self.done().count)?;
        if self.unsynced.load(Ordering::Acquire) {
            self.sync()?;
        }
        self.output.publish()
    }

    fn part(&self) -> Option<Part> {
        Some(self.output.part.clone())
    }

    fn adopt(&self, boxes: &[Region]) -> Result<()> {
        let mut done = self.done();
        boxes.iter().for_each(|region| done.cover(region));
        Ok(())
    }

    fn keep(&self) {
        let mut end = self.output.end.lock().unwrap_or_else(PoisonError::into_inner);
        if *end == End::Remove {
            *end = End::Keep;
        }
    }
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;
