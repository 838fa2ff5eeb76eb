//! Arrays that are written to an object store.
//!
//! Objects cannot be renamed, so chunks are put under the names that they keep, and what makes them an array, its metadata, comes last: until
//! then nobody sees one. An object beside them names the writer; it is made by a condition that the store checks, so that two writers never mix
//! their chunks. Shards grow in a folder of this machine and are put when they are complete.

use super::{
    ZarrTarget, check_count, check_dtype,
    codec::encoded_bytes_max,
    layout::Layout,
    metadata::{MetadataFile, group_files},
    new_array,
    options::{Place, ZarrOptions, ZarrVersion},
};
use crate::{
    error::{Error, Result},
    nd::DType,
    store::{
        Part,
        file::hash,
        object::{self, Folder, Put, UPLOAD_BYTES},
        output::{OutputMode, appeared, exists},
        zarr::publish::PartFolder,
    },
};
use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// The object that names the writer of an unfinished array.
const WRITER: &str = ".outcore-writer";
/// What makes objects an array or a group.
const METADATA: [&str; 4] = ["zarr.json", ".zarray", ".zattrs", ".zgroup"];

/// What writing to an object store holds besides what writing files does: a part of a shard, or a chunk, on its way.
pub(super) fn scratch_bytes(layout: &Layout, dtype: DType) -> u64 {
    UPLOAD_BYTES.max(encoded_bytes_max(layout.chunk.iter().product::<usize>() * dtype.size()))
}

/// Arrays that this process has begun.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Where the objects of an array go.
pub(super) struct Remote {
    folder: Folder,
    url: String,
    version: ZarrVersion,
    mode: OutputMode,
    /// What the object that names the writer holds.
    mark: Vec<u8>,
    /// Whether dropping removes nothing: it is published, or others write it too.
    stays: AtomicBool,
    /// Shards while they grow.
    _staging: tempfile::TempDir,
}

/// Starts an array at an address.
pub(super) fn create(url: &str, dtype: DType, shape: &[usize], mode: OutputMode, options: &ZarrOptions) -> Result<ZarrTarget> {
    object::check_writable(url)?;
    if options.place != Place::New {
        return Err(Error::usage(format!("cannot write into {url}: arrays in object stores are written as a whole"))
            .hint("write another array, or a file"));
    }
    target(url, dtype, shape, mode, options, Remote::begin)
}

/// Goes on with an array that [`create`] started in another process, and that is not published. `None` if there is none.
pub(super) fn reopen(url: &str, dtype: DType, shape: &[usize], mode: OutputMode, options: &ZarrOptions) -> Result<Option<ZarrTarget>> {
    if Folder::open(url)?.text(WRITER)?.is_none() {
        return Ok(None);
    }
    target(url, dtype, shape, mode, options, Remote::join).map(Some)
}

/// A target whose objects `take` takes hold of.
fn target(
    url: &str,
    dtype: DType,
    shape: &[usize],
    mode: OutputMode,
    options: &ZarrOptions,
    take: fn(&mut Remote) -> Result<()>,
) -> Result<ZarrTarget> {
    check_count(url, dtype, shape)?;
    let url = url.trim_end_matches('/');
    let version = options.version.unwrap_or(ZarrVersion::V3);
    check_dtype(url, dtype, version)?;
    let (array, codec) = new_array(url, dtype, shape, version, options)?;
    let staging = tempfile::Builder::new().prefix("outcore-").tempdir();
    let staging = staging.map_err(|error| Error::io("make a folder for the shards of", url, error))?;
    let destination = staging.path().join("array");
    let part = PartFolder::begin(destination.clone(), url, OutputMode::CreateNew)?;
    let (folder, mark) = (Folder::open(url)?, Vec::new());
    let mut remote = Remote { folder, url: url.to_string(), version, mode, mark, stays: AtomicBool::new(true), _staging: staging };
    take(&mut remote)?;
    ZarrTarget::new(url, dtype, version, codec, array, part, destination).map(|target| target.with_remote(remote))
}

/// What tells this writer from all others, and people who it is.
fn new_mark() -> String {
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let number = BEGUN.fetch_add(1, Ordering::Relaxed);
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    format!("process {} on {host}, since {} ({nanoseconds}-{number})\n", std::process::id(), nanoseconds / 1_000_000_000)
}

impl Remote {
    /// Refuses what must not be replaced, becomes the writer, and removes what may be replaced.
    fn begin(&mut self) -> Result<()> {
        self.mark = new_mark().into_bytes();
        let url = &self.url;
        self.check_groups()?;
        let is_array = self.folder.has("zarr.json")? || self.folder.has(".zarray")?;
        let is_group = self.folder.has(".zgroup")? || self.folder.text("zarr.json")?.is_some_and(|text| is_group(&text));
        if is_group {
            return Err(Error::output(format!("cannot replace {url}: it is a group, which may hold more than this array"))
                .hint("another name, or remove it first"));
        }
        if is_array && self.mode == OutputMode::CreateNew {
            return Err(exists(url));
        }
        if !self.folder.put(WRITER, &self.mark, Put::Create)? {
            self.take_over()?;
        }
        // Ours from here on: dropping removes what is there.
        self.stays.store(false, Ordering::Release);
        let others = self.folder.look("", 2).unwrap_or_default();
        let is_alone = others.iter().all(|(key, ..)| key.ends_with(WRITER));
        if is_alone {
            return Ok(());
        }
        if !is_array && self.mode == OutputMode::CreateNew {
            self.keep();
            self.folder.remove(WRITER)?;
            return Err(Error::output(format!("cannot write {url}: there are objects below it that are no Zarr array"))
                .hint("another name, or remove them first; `--overwrite` removes what a stopped job left"));
        }
        // The metadata first: what is half removed is no array.
        METADATA.iter().try_for_each(|key| self.folder.remove(key))?;
        self.folder.remove_all_but(WRITER)
    }

    /// Becomes one of those who write what is there, and does not remove it.
    fn join(&mut self) -> Result<()> {
        let gone = || Error::data(format!("the unfinished array {} is gone", self.url));
        self.mark = self.folder.text(WRITER)?.ok_or_else(gone)?;
        Ok(())
    }

    /// Lets everything stay when this is dropped.
    pub fn keep(&self) {
        self.stays.store(true, Ordering::Release);
    }

    /// What tells it from any other unfinished array.
    pub fn part(&self) -> Part {
        Part { path: PathBuf::from(&self.url), device: 0, inode: hash(&self.mark) }
    }

    /// Takes the place of a writer that was stopped, if that is asked for.
    fn take_over(&self) -> Result<()> {
        if self.mode == OutputMode::Overwrite {
            return self.folder.put(WRITER, &self.mark, Put::Replace).map(drop);
        }
        let writer = self.folder.text(WRITER)?.unwrap_or_default();
        let writer = String::from_utf8_lossy(&writer);
        let writer = writer.split(" (").next().unwrap_or_default().trim();
        Err(Error::output(format!("{} is being written by another job, or was left by one that was stopped: {writer}", self.url))
            .hint("wait until it has ended; if it is gone, `--overwrite` starts anew"))
    }

    /// An error if somebody else has become the writer.
    fn check_writer(&self) -> Result<()> {
        let there = self.folder.text(WRITER)?;
        if there.as_ref() == Some(&self.mark) {
            return Ok(());
        }
        Err(Error::output(format!("{} was taken over by another job while it was being written", self.url)).hint("write to another name"))
    }

    /// Puts a chunk.
    pub fn put(&self, key: &str, bytes: &[u8]) -> Result<()> {
        self.folder.put(key, bytes, Put::Replace).map(drop)
    }

    /// Puts a shard that is complete, and removes its file.
    pub fn upload(&self, key: &str, file: &Path) -> Result<()> {
        self.folder.upload(key, file, Put::Replace)?;
        std::fs::remove_file(file).map_err(|error| Error::io("remove", file.display(), error))
    }

    /// Makes what was put an array.
    pub fn publish(&self, metadata: &[MetadataFile]) -> Result<()> {
        self.check_writer()?;
        for folder in groups_above(&self.url) {
            let folder = Folder::open(folder)?;
            for (key, text) in group_files(self.version) {
                // Another writer of the same store may have been faster, with the same.
                folder.put(key, text.as_bytes(), Put::Create)?;
            }
        }
        for (key, text) in metadata {
            if !self.folder.put(key, text.as_bytes(), Put::Create)? {
                return Err(appeared(&self.url));
            }
        }
        self.keep();
        self.folder.remove(WRITER)
    }

    /// An error if a group around would have to be changed, or is none.
    fn check_groups(&self) -> Result<()> {
        for url in groups_above(&self.url) {
            let folder = Folder::open(url)?;
            let text = folder.text("zarr.json")?;
            let is_consolidated = text.as_ref().is_some_and(|text| String::from_utf8_lossy(text).contains("\"consolidated_metadata\""));
            if is_consolidated || folder.has(".zmetadata")? {
                return Err(Error::output(format!("cannot write {}: the group {url} has consolidated metadata", self.url))
                    .hint("write to another group, or a file"));
            }
            if text.is_some_and(|text| !is_group(&text)) || folder.has(".zarray")? {
                return Err(Error::output(format!("cannot write {}: {url} is an array, and arrays hold no other ones", self.url))
                    .hint("write beside it"));
            }
            let is_v2 = folder.has(".zgroup")?;
            if is_v2 && self.version == ZarrVersion::V3 {
                return Err(Error::output(format!("cannot write {} as Zarr version 3: its store is one of version 2", self.url))
                    .hint("version=2, or another store"));
            }
        }
        Ok(())
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if !self.stays.load(Ordering::Acquire) && self.check_writer().is_ok() {
            let _ = self.folder.remove_all_but(WRITER);
            let _ = self.folder.remove(WRITER);
        }
    }
}

fn is_group(text: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(text).is_ok_and(|head| head["node_type"] == "group")
}

/// The groups above an array, outermost first: from the outermost that is called `*.zarr`.
fn groups_above(url: &str) -> Vec<&str> {
    let start = url.find("://").map_or(0, |at| at + 3);
    let cuts: Vec<usize> = url.match_indices('/').map(|(at, _)| at).filter(|&at| at > start).collect();
    let names: Vec<&str> = cuts.iter().skip(1).map(|&at| &url[..at]).collect();
    let is_store = |folder: &&&str| Path::new(folder).extension().is_some_and(|end| end.eq_ignore_ascii_case("zarr"));
    let first = names.iter().position(|folder| is_store(&folder)).unwrap_or(names.len());
    names[first..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_begin_at_the_outermost_store() {
        assert_eq!(groups_above("s3://b.zarr/x.zarr"), [""; 0]);
        assert_eq!(groups_above("s3://b/f/g.zarr/a/h.zarr/x"), ["s3://b/f/g.zarr", "s3://b/f/g.zarr/a", "s3://b/f/g.zarr/a/h.zarr"]);
        assert_eq!(groups_above("s3://b/f/x.zarr"), [""; 0]);
    }
}
