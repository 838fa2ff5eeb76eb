//! The files of a node: those of a folder, of a folder in a zip archive, or objects below a prefix.

use super::{
    archive::{Archive, Located},
    metadata::METADATA_BYTES_MAX,
    part::Part,
};
use crate::{
    error::{Error, ErrorKind, Result},
    store::{
        file::{FileIdentity, InputFile},
        object::{First, Folder},
    },
};
use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The files below a node of a store.
#[derive(Clone, Debug)]
pub(super) enum Files {
    /// Those of a folder.
    Folder(PathBuf),
    /// Those of an archive whose names begin with a prefix, which is empty or ends in a slash.
    Archive { archive: Arc<Archive>, prefix: String },
    /// Objects of an object store.
    Objects(Folder),
}

/// A file of a store, open.
#[derive(Debug)]
pub(super) struct Found {
    file: Arc<InputFile>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Range { start: u64, length: u64 },
    Bytes(Vec<u8>),
}

impl Found {
    /// Its bytes.
    pub fn part(&self) -> Part<'_> {
        match &self.content {
            Content::Range { start, length } => Part::File { file: &self.file, start: *start, length: *length },
            Content::Bytes(bytes) => Part::Bytes(bytes),
        }
    }

    /// The file that its bytes lie in.
    pub fn file(&self) -> &Arc<InputFile> {
        &self.file
    }

    /// When it was written, in nanoseconds since 1970.
    pub fn modified_ns(&self) -> i128 {
        self.file.identity().modified_ns
    }

    /// Asks for its bytes to be in memory soon.
    pub fn prefetch(&self) {
        if let Content::Range { start, length } = self.content {
            self.file.prefetch(start, length);
        }
    }
}

impl Files {
    /// The files of a node below this one. `name` is a single name.
    pub fn child(&self, name: &str) -> Self {
        match self {
            Files::Folder(folder) => Files::Folder(folder.join(name)),
            Files::Archive { archive, prefix } => Files::Archive { archive: Arc::clone(archive), prefix: format!("{prefix}{name}/") },
            Files::Objects(folder) => Files::Objects(folder.child(name)),
        }
    }

    /// What errors call a file.
    pub fn name(&self, key: &str) -> String {
        match self {
            Files::Folder(folder) => folder.join(key).display().to_string(),
            Files::Archive { archive, prefix } => format!("{}/{prefix}{key}", archive.file.name()),
            Files::Objects(folder) => folder.name(key),
        }
    }

    /// The objects, if every look at a file is a request to somewhere else.
    pub fn objects(&self) -> Option<&Folder> {
        match self {
            Files::Objects(folder) => Some(folder),
            Files::Folder(_) | Files::Archive { .. } => None,
        }
    }

    /// Opens files with several requests in flight; `None` for those that there are none of.
    pub fn open_all(folder: &Folder, wanted: &[(String, First)]) -> Vec<Result<Option<Found>>> {
        let found = folder.open_all(wanted).into_iter().zip(wanted);
        let found = found.map(|(object, (key, _))| {
            let Some(object) = object? else { return Ok(None) };
            let file = InputFile::of_object(folder.name(key), object);
            let length = file.identity().size_bytes;
            Ok(Some(Found { file: Arc::new(file), content: Content::Range { start: 0, length } }))
        });
        found.collect()
    }

    /// Whether files may have to be inflated before they are read.
    pub fn are_archived(&self) -> bool {
        matches!(self, Files::Archive { .. })
    }

    /// An error if the archive that the files lie in says that one of them has another checksum.
    pub fn check_sums(&self, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        match self {
            Files::Archive { archive, prefix } => archive.check_sums(prefix, go_on),
            Files::Folder(_) | Files::Objects(_) => Ok(()),
        }
    }

    /// Opens a file; `None` if there is none. `bytes_max` bounds what has to be inflated.
    pub fn open(&self, key: &str, bytes_max: u64) -> Result<Option<Found>> {
        let folder = match self {
            Files::Folder(folder) => folder,
            Files::Archive { archive, prefix } => {
                let name = format!("{prefix}{key}");
                let Some(entry) = archive.entry(&name) else { return Ok(None) };
                let content = match archive.locate(entry, bytes_max)? {
                    Located::Stored { start, length } => Content::Range { start, length },
                    Located::Inflated(bytes) => Content::Bytes(bytes),
                };
                return Ok(Some(Found { file: Arc::clone(&archive.file), content }));
            }
            Files::Objects(folder) => {
                let mut found = Files::open_all(folder, &[(key.to_string(), First::Whole(bytes_max))]);
                return found.pop().unwrap_or(Ok(None));
            }
        };
        match InputFile::open(&folder.join(key)) {
            Ok(file) => {
                let length = file.identity().size_bytes;
                Ok(Some(Found { file: Arc::new(file), content: Content::Range { start: 0, length } }))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            // A directory, a pipe or a device stands where a file should.
            Err(error) if error.kind() == ErrorKind::Usage => Err(Error::data(error.message())),
            Err(error) => Err(error),
        }
    }

    /// All of a small file, and what it was when it was read.
    pub fn text(&self, key: &str) -> Result<Option<(Vec<u8>, FileIdentity)>> {
        let Some(found) = self.open(key, METADATA_BYTES_MAX)? else { return Ok(None) };
        let part = found.part();
        if part.length() > METADATA_BYTES_MAX {
            return Err(Error::data(format!("{} has {} bytes, too many for metadata", self.name(key), part.length())));
        }
        let mut text = vec![0; usize::try_from(part.length()).unwrap_or(0)];
        match part {
            Part::File { file, start, .. } => file.read_exact_at(start, &mut text)?,
            Part::Bytes(bytes) => text.copy_from_slice(bytes),
        }
        Ok(Some((text, found.file.identity())))
    }

    /// Names of what may be nodes below this one, sorted.
    pub fn children(&self) -> Result<Vec<String>> {
        let folder = match self {
            Files::Folder(folder) => folder,
            Files::Archive { archive, prefix } => return Ok(archive.folders(prefix)),
            Files::Objects(folder) => return folder.children(),
        };
        let failed = |error| Error::io("list", folder.display(), error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
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
        let Files::Folder(folder) = self else { return None };
        let path = folder.join(key);
        let above = path.ancestors().skip(1).take_while(|above| above.starts_with(folder));
        above.into_iter().find_map(|above| std::fs::metadata(above).ok()).map(|metadata| FileIdentity::of(&metadata).modified_ns)
    }

    /// Size and time of a file, without opening it.
    pub fn look(&self, key: &str) -> Option<(u64, i128)> {
        match self {
            Files::Folder(folder) => {
                let metadata = std::fs::metadata(folder.join(key)).ok()?;
                Some((metadata.size(), FileIdentity::of(&metadata).modified_ns))
            }
            Files::Archive { archive, prefix } => archive.entry(&format!("{prefix}{key}")).map(|entry| (entry.content_bytes, 0)),
            // A request for each would take longer than it is worth.
            Files::Objects(_) => None,
        }
    }

    /// Files of an archive, at a path inside of it. One that holds nothing but a single folder is entered.
    pub fn of_archive(path: &Path, inside: &str) -> Result<Self> {
        let archive = Arc::new(Archive::open(path)?);
        let mut prefix = String::new();
        let is_node =
            |prefix: &str| ["zarr.json", ".zarray", ".zgroup"].iter().any(|key| archive.entry(&format!("{prefix}{key}")).is_some());
        if !is_node("")
            && let [only] = archive.folders("").as_slice()
            && !inside.starts_with(&format!("{only}/"))
            && inside != only
        {
            prefix = format!("{only}/");
        }
        if !inside.is_empty() {
            prefix = format!("{prefix}{inside}/");
        }
        Ok(Files::Archive { archive, prefix })
    }

    /// Whether there is such a folder.
    pub fn exist(&self) -> bool {
        match self {
            Files::Folder(folder) => folder.is_dir(),
            Files::Archive { archive, prefix } => archive.has(prefix),
            Files::Objects(folder) => folder.children().is_ok_and(|names| !names.is_empty()),
        }
    }
}
