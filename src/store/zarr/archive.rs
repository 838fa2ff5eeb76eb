//! Zip archives as stores: the central directory, and entries in place or inflated. Zip64 is read, encryption is not.

use crate::{
    error::{Error, Result},
    format::zip::{Member, Method},
    store::{
        archive::{check_crc, content_of, members_of},
        file::InputFile,
    },
};
use std::{collections::BTreeMap, ops::Bound, path::Path, sync::Arc};

/// An archive whose directory was read.
#[derive(Debug)]
pub(super) struct Archive {
    pub file: Arc<InputFile>,
    entries: BTreeMap<String, Member>,
}

impl Archive {
    /// Reads the directory of an archive.
    pub fn open(path: &Path) -> Result<Self> {
        let file = Arc::new(InputFile::open(path)?);
        // Of two with one name the later one counts.
        let entries = members_of(&file)?.into_iter().map(|member| (member.name.clone(), member)).collect();
        Ok(Archive { file, entries })
    }

    /// The entry of a name.
    pub fn entry(&self, name: &str) -> Option<&Member> {
        self.entries.get(name)
    }

    /// Names of the folders directly below `prefix`, which is empty or ends in a slash.
    pub fn folders(&self, prefix: &str) -> Vec<String> {
        let mut names = Vec::new();
        let mut from = prefix.to_string();
        while let Some((name, _)) = self.entries.range::<str, _>((Bound::Included(from.as_str()), Bound::Unbounded)).next() {
            let Some(below) = name.strip_prefix(prefix) else { break };
            match below.split_once('/') {
                Some((folder, _)) => {
                    // The next name that is not in this folder: `0` follows the slash.
                    from = format!("{prefix}{folder}0");
                    if !folder.is_empty() {
                        names.push(folder.to_string());
                    }
                }
                None => from = format!("{name}\0"),
            }
        }
        names
    }

    /// Whether any name begins with `prefix`.
    pub fn has(&self, prefix: &str) -> bool {
        self.entries.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)).next().is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// An error if an entry below `prefix` that stands in the archive as it is has another checksum. Others are checked as they are inflated.
    pub fn check_sums(&self, prefix: &str, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        let below =
            self.entries.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)).take_while(|(name, _)| name.starts_with(prefix));
        let mut stored = below.filter(|(_, entry)| entry.method == Method::Stored && entry.content_bytes > 0);
        stored.try_for_each(|(_, entry)| check_crc(&self.file, entry, content_of(&self.file, entry)?, go_on))
    }

    /// The place of an entry that stands in the archive as it is, or its bytes if it is compressed: `bytes_max` at most.
    pub fn locate(&self, entry: &Member, bytes_max: u64) -> Result<Located> {
        let (name, start) = (&entry.name, content_of(&self.file, entry)?);
        match entry.method {
            Method::Stored => return Ok(Located::Stored { start, length: entry.stored_bytes }),
            Method::Deflated => {}
            Method::Other(method) => {
                return Err(Error::data(format!("{}: the entry {name} is compressed by method {method}", self.file.name()))
                    .hint("entries are stored as they are, or deflated"));
            }
        }
        let corrupt = |why: String| Error::data(format!("{}: the entry {name} is corrupt: {why}", self.file.name()));
        if entry.content_bytes > bytes_max || entry.stored_bytes > bytes_max.saturating_add(bytes_max / 8 + 4096) {
            return Err(corrupt(format!("it is said to have {} bytes, {bytes_max} are expected at most", entry.content_bytes)));
        }
        let mut encoded = vec![0; entry.stored_bytes as usize];
        self.file.read_exact_at(start, &mut encoded)?;
        let mut bytes = vec![0; entry.content_bytes as usize];
        let mut state = flate2::Decompress::new(false);
        let status = state.decompress(&encoded, &mut bytes, flate2::FlushDecompress::Finish).map_err(|error| corrupt(error.to_string()))?;
        let mut crc = flate2::Crc::new();
        crc.update(&bytes);
        if status != flate2::Status::StreamEnd || state.total_out() != entry.content_bytes || crc.sum() != entry.crc32 {
            return Err(corrupt("its checksum or its length is another".to_string()));
        }
        Ok(Located::Inflated(bytes))
    }
}

/// Where an entry is.
pub(super) enum Located {
    Stored { start: u64, length: u64 },
    Inflated(Vec<u8>),
}
