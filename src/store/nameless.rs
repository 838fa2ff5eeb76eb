//! Files of scratch: they never have a name, so that they are gone however the process ends.

use crate::{
    error::{Error, Result},
    store::output::{check_room, is_full, reserve},
};
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// What a file system says that keeps its files in memory: tmpfs and ramfs.
pub(crate) const MEMORY_FILE_SYSTEMS: [u64; 2] = [0x0102_1994, 0x8584_58f6];
const ELSEWHERE: &str = "`--scratch DIR` puts it elsewhere";

/// Where scratch goes.
#[derive(Clone, Debug, Default)]
pub struct ScratchPlace {
    /// As the user said; any file system will do.
    pub named: Option<PathBuf>,
    /// Beside an output.
    pub beside: Option<PathBuf>,
}

impl ScratchPlace {
    /// The folder: as it was named, else beside the output, or the system's folder for temporary files, unless that would silently
    /// be memory.
    pub fn folder(&self) -> Result<PathBuf> {
        if let Some(named) = &self.named {
            return Ok(named.clone());
        }
        let folder = self.beside.clone().unwrap_or_else(std::env::temp_dir);
        let cannot = |error: io::Error| Error::io("look at the folder of", name(&folder), error);
        let found = rustix::fs::statfs(&folder).map_err(|error| cannot(error.into()))?;
        if MEMORY_FILE_SYSTEMS.contains(&(found.f_type as u64)) {
            return Err(Error::refused(format!("{} would be memory: it is a file system in memory", name(&folder)))
                .hint("`--scratch DIR` names a folder on a disk, or this one if it shall be"));
        }
        Ok(folder)
    }

    /// A new, empty file there.
    pub fn open(&self) -> Result<ScratchFile> {
        let folder = self.folder()?;
        let file = tempfile::tempfile_in(&folder)
            .map_err(|error| Error::output(format!("cannot create {}: {error}", name(&folder))).with_source(error).hint(ELSEWHERE))?;
        Ok(ScratchFile { file, folder })
    }
}

fn name(folder: &Path) -> String {
    format!("scratch in {}", folder.display())
}

/// A file without a name.
#[derive(Debug)]
pub struct ScratchFile {
    file: File,
    folder: PathBuf,
}

impl ScratchFile {
    /// What errors call it.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.folder)
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Reserves what will be written. In a file system in memory that would be memory at once: there it is only looked at.
    pub fn make_room(&self, bytes: u64) -> Result<()> {
        let is_memory = rustix::fs::fstatfs(&self.file).is_ok_and(|found| MEMORY_FILE_SYSTEMS.contains(&(found.f_type as u64)));
        let room = if is_memory { check_room(&self.file, &self.name(), bytes) } else { reserve(&self.file, &self.name(), bytes) };
        room.map_err(|error| error.hint(ELSEWHERE))
    }

    /// Writes all of `bytes` at `offset`.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|error| self.cannot_write(error))
    }

    /// The error of a failed write; an output error if the room is used up.
    pub(crate) fn cannot_write(&self, error: io::Error) -> Error {
        match error.kind() {
            kind if is_full(kind) => Error::output(format!("not enough room for {}: {error}", self.name())).with_source(error),
            _ => Error::io("write", self.name(), error),
        }
        .hint(ELSEWHERE)
    }

    /// Fills `bytes` from `offset` on.
    pub fn read_at(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(bytes, offset).map_err(|error| Error::io("read", self.name(), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_folder_in_memory_has_to_be_named() {
        let shm = Path::new("/dev/shm");
        let memory = rustix::fs::statfs(shm).is_ok_and(|found| MEMORY_FILE_SYSTEMS.contains(&(found.f_type as u64)));
        if memory {
            let beside = ScratchPlace { named: None, beside: Some(shm.to_path_buf()) };
            assert_eq!(beside.folder().unwrap_err().kind(), ErrorKind::Refused);
        }
        assert_eq!(ScratchPlace { named: Some(shm.to_path_buf()), beside: None }.folder().unwrap(), shm);
    }

    #[test]
    fn files_leave_nothing_and_say_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let file = ScratchPlace { named: Some(folder.path().to_path_buf()), beside: None }.open().unwrap();
        file.make_room(100).unwrap();
        file.write_at(3, b"scratch").unwrap();
        let mut read = [0; 4];
        file.read_at(6, &mut read).unwrap();
        assert_eq!((&read, folder.path().read_dir().unwrap().count()), (b"atch", 0));
        let full = file.cannot_write(io::Error::from_raw_os_error(libc::ENOSPC));
        assert_eq!(full.kind(), ErrorKind::Output);
        assert!(full.message().contains(&folder.path().display().to_string()) && full.hint_text() == Some(ELSEWHERE));
    }
}
