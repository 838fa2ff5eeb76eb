//! The files of a node: those of a folder.

use super::metadata::METADATA_BYTES_MAX;
use crate::{
    error::{Error, ErrorKind, Result},
    store::file::{FileIdentity, InputFile},
};
use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The files below a node of a store.
#[derive(Clone, Debug)]
pub(super) struct Files {
    folder: PathBuf,
}

/// A file of a store, open.
#[derive(Debug)]
pub(super) struct Found {
    pub file: InputFile,
    /// Where its bytes begin.
    pub start: u64,
    pub length: u64,
}

impl Files {
    /// The files of a folder.
    pub fn of_folder(folder: &Path) -> Self {
        Files { folder: folder.to_path_buf() }
    }

    /// The files of a node below this one. `name` is a single name.
    pub fn child(&self, name: &str) -> Self {
        Files { folder: self.folder.join(name) }
    }

    /// What errors call a file.
    pub fn name(&self, key: &str) -> String {
        self.folder.join(key).display().to_string()
    }

    /// Opens a file; `None` if there is none.
    pub fn open(&self, key: &str) -> Result<Option<Found>> {
        match InputFile::open(&self.folder.join(key)) {
            Ok(file) => {
                let length = file.identity().size_bytes;
                Ok(Some(Found { file, start: 0, length }))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            // A directory, a pipe or a device stands where a file should.
            Err(error) if error.kind() == ErrorKind::Usage => Err(Error::data(error.message())),
            Err(error) => Err(error),
        }
    }

    /// All of a small file, and what it was when it was read.
    pub fn text(&self, key: &str) -> Result<Option<(Vec<u8>, FileIdentity)>> {
        let Some(found) = self.open(key)? else { return Ok(None) };
        if found.length > METADATA_BYTES_MAX {
            return Err(Error::data(format!("{} has {} bytes, too many for metadata", self.name(key), found.length)));
        }
        let mut text = vec![0; usize::try_from(found.length).unwrap_or(0)];
        found.file.read_exact_at(found.start, &mut text)?;
        Ok(Some((text, found.file.identity())))
    }

    /// Names of what may be nodes below this one, sorted.
    pub fn children(&self) -> Result<Vec<String>> {
        let failed = |error| Error::io("list", self.folder.display(), error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.path().is_dir()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// When the nearest folder that exists around a file was changed, in nanoseconds since 1970.
    pub fn folder_modified_ns(&self, key: &str) -> Option<i128> {
        let path = self.folder.join(key);
        let metadata = path
            .ancestors()
            .skip(1)
            .take_while(|folder| folder.starts_with(&self.folder))
            .find_map(|folder| std::fs::metadata(folder).ok());
        metadata.map(|metadata| FileIdentity::of(&metadata).modified_ns)
    }

    /// Size and time of a file, without opening it.
    pub fn look(&self, key: &str) -> Option<(u64, i128)> {
        let metadata = std::fs::metadata(self.folder.join(key)).ok()?;
        Some((metadata.size(), FileIdentity::of(&metadata).modified_ns))
    }
}
