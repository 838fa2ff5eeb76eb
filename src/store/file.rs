//! Input files: opened read-only, read at a place, and checked against what they were when they were opened. Objects of object stores
//! are files, too (`store/object`), which cannot be mapped.

use crate::{
    error::{Error, ErrorKind, Result},
    store::object::{self, First, Object},
};
use std::{
    fmt,
    fs::{File, Metadata},
    io,
    os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt},
    path::Path,
};

/// What makes a file the same file with the same content: two equal identities mean that nobody wrote in between. Of an object device and
/// inode are hashes of its store and of its etag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// Device the file lies on.
    pub device: u64,
    /// Inode on that device.
    pub inode: u64,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Time of the last change, in nanoseconds since 1970.
    pub modified_ns: i128,
}

impl FileIdentity {
    /// The identity that `metadata` shows.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        FileIdentity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.size(),
            modified_ns: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
        }
    }
}

impl fmt::Display for FileIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.device, self.inode, self.size_bytes, self.modified_ns)
    }
}

/// FNV-1a of 64 bits: tells texts apart, proves nothing.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A regular file or an object that is read and never written.
#[derive(Debug)]
pub struct InputFile {
    medium: Medium,
    name: String,
    identity: FileIdentity,
}

#[derive(Debug)]
enum Medium {
    File(File),
    Object(Box<Object>),
}

/// Bytes that are fetched with the first look at an object: headers are rarely longer.
const HEADER_BYTES: u64 = 64 << 10;

impl InputFile {
    /// Opens a regular file, or an object by its address. Directories, pipes, sockets and devices are refused.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        if object::is_object(path) {
            return Ok(InputFile::of_object(name.clone(), Object::open(&name, First::Head(HEADER_BYTES))?));
        }
        let cannot_open = |error| Error::io("open", &name, error);
        // Looked at before it is opened: opening a device can have effects. Looked at again after: the name may be another file by then.
        refuse_special(&name, &std::fs::metadata(path).map_err(cannot_open)?)?;
        // Non-blocking, so that a pipe that took the name in between cannot hang us; regular files do not care.
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(cannot_open)?;
        let metadata = file.metadata().map_err(|error| Error::io("inspect", &name, error))?;
        refuse_special(&name, &metadata)?;
        Ok(InputFile { identity: FileIdentity::of(&metadata), medium: Medium::File(file), name })
    }

    /// An object that is open.
    pub(super) fn of_object(name: String, object: Object) -> Self {
        InputFile { identity: object.identity(), medium: Medium::Object(Box::new(object)), name }
    }

    /// What errors call it: the path as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The identity it had when it was opened.
    #[must_use]
    pub fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// The open file; `None` for an object.
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        match &self.medium {
            Medium::File(file) => Some(file),
            Medium::Object(_) => None,
        }
    }

    /// Whether every read is a request to somewhere else.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        matches!(self.medium, Medium::Object(_))
    }

    /// Fills every buffer with the bytes from its place; those of an object with several requests in flight.
    pub(super) fn read_ranges(&self, wanted: Vec<(u64, &mut [u8])>) -> Result<()> {
        match &self.medium {
            Medium::File(_) => wanted.into_iter().try_for_each(|(offset, out)| self.read_exact_at(offset, out)),
            Medium::Object(object) => object.read_ranges(wanted),
        }
    }

    /// Fills `out` with the bytes from `offset`, then makes sure that nobody changed the file.
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        let file = match &self.medium {
            Medium::File(file) => file,
            Medium::Object(object) => return object.read_exact_at(offset, out),
        };
        let read = file.read_exact_at(out, offset);
        // A change explains a failed read better than the failure does.
        self.check()?;
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                let end = offset.saturating_add(out.len() as u64);
                Error::data(format!("{} is truncated: bytes {offset}..{end} are needed, it has {}", self.name, self.identity.size_bytes))
            }
            _ => Error::io("read", &self.name, error),
        })
    }

    /// The first `length` bytes, or all of a shorter file.
    pub fn read_prefix(&self, length: usize) -> Result<Vec<u8>> {
        let there = usize::try_from(self.identity.size_bytes).unwrap_or(usize::MAX);
        let mut prefix = vec![0; length.min(there)];
        self.read_exact_at(0, &mut prefix)?;
        Ok(prefix)
    }

    /// An error if the file is not what it was when it was opened.
    pub fn check(&self) -> Result<()> {
        let file = match &self.medium {
            Medium::File(file) => file,
            Medium::Object(object) => return object.check(),
        };
        let metadata = file.metadata().map_err(|error| Error::io("inspect", &self.name, error))?;
        let (then, now) = (self.identity, FileIdentity::of(&metadata));
        if now == then {
            return Ok(());
        }
        let how = if now.size_bytes == then.size_bytes {
            "it was written to".to_string()
        } else {
            format!("size {} -> {}", then.size_bytes, now.size_bytes)
        };
        Err(Error::changed(format!("{} changed while it was being read ({how})", self.name))
            .hint("results of a file that changes are worth nothing: let its writer finish, then start again"))
    }

    /// Asks the kernel to load a range of bytes soon.
    pub fn prefetch(&self, offset: u64, length: u64) {
        // Advice only; a length of 0 would mean all the rest of the file.
        if let (Some(length), Medium::File(file)) = (std::num::NonZeroU64::new(length), &self.medium) {
            let _ = rustix::fs::fadvise(file, offset, Some(length), rustix::fs::Advice::WillNeed);
        }
    }
}

fn refuse_special(name: &str, metadata: &Metadata) -> Result<()> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(Error::new(ErrorKind::Usage, format!("{name} is {what}, not a file of array data")).hint(if kind.is_dir() {
        "name a file inside it"
    } else {
        "arrays are read at any place more than once: copy it to a file first"
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_pipes_and_devices_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refusal = |path: &Path| InputFile::open(path).unwrap_err();
        assert!(refusal(folder.path()).message().ends_with("is a directory, not a file of array data"));
        assert!(refusal(Path::new("/dev/zero")).message().contains("a device"));
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        assert!(refusal(&pipe).message().contains("a pipe"));
        assert_eq!(refusal(&folder.path().join("none.npy")).kind(), ErrorKind::NotFound);
    }

    #[test]
    fn reads_see_changes_and_truncation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = InputFile::open(&path).unwrap();
        let mut out = [0; 4];
        file.read_exact_at(3, &mut out).unwrap();
        assert_eq!(&out, b"3456");
        assert!(file.read_exact_at(8, &mut out).unwrap_err().message().contains("bytes 8..12 are needed, it has 10"));
        assert_eq!(file.read_prefix(99).unwrap(), b"0123456789");
        File::options().write(true).open(&path).unwrap().set_len(5).unwrap();
        for error in [file.read_exact_at(0, &mut out).unwrap_err(), file.read_exact_at(6, &mut out).unwrap_err()] {
            assert_eq!(error.kind(), ErrorKind::Changed);
            assert!(error.message().ends_with("x changed while it was being read (size 10 -> 5)"), "{error}");
        }
    }

    #[test]
    fn a_write_of_the_same_size_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, b"0123").unwrap();
        let file = InputFile::open(&path).unwrap();
        let earlier = std::time::SystemTime::now() - std::time::Duration::from_secs(9);
        File::options().write(true).open(&path).unwrap().set_modified(earlier).unwrap();
        assert!(file.check().unwrap_err().message().contains("it was written to"));
    }
}
