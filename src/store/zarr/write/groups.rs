//! What stands around an output: the groups above it, made where they are missing, and what a folder is.
//!
//! Groups are made when an array in them is begun, as its unfinished folder lies beside its place. Those that were made here and are still
//! empty when an array is given up are removed again.

use super::{consolidated, metadata::group_files, options::ZarrVersion, shard::failed};
use crate::{
    error::{Error, Result},
    store::{
        object,
        output::{cannot_create, sync_folder},
        zarr::{metadata::object, publish::Standing},
    },
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs, io,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Groups that this process made and that hold no published array yet.
static MADE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Files that hold metadata and no elements.
const METADATA: [&str; 5] = ["zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"];

/// What a folder is, by its metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Array(ZarrVersion),
    Group(ZarrVersion),
    /// No metadata at all.
    Plain,
}

/// What `folder` is.
pub(super) fn node(folder: &Path) -> Node {
    if let Ok(text) = fs::read(folder.join("zarr.json")) {
        let json = object(&text).unwrap_or_default();
        return if json.get("node_type").is_some_and(|kind| kind == "array") {
            Node::Array(ZarrVersion::V3)
        } else {
            Node::Group(ZarrVersion::V3)
        };
    }
    match (folder.join(".zarray").is_file(), folder.join(".zgroup").is_file()) {
        (true, _) => Node::Array(ZarrVersion::V2),
        (false, true) => Node::Group(ZarrVersion::V2),
        (false, false) => Node::Plain,
    }
}

/// The group that an array at this path lies in, or would lie in, whose metadata may still have to be made.
pub fn group_around(array: &Path) -> Option<PathBuf> {
    if object::is_object(array) {
        return None;
    }
    let absolute = std::path::absolute(array).ok()?;
    above(&absolute.components().collect::<PathBuf>()).last().map(|group| group.to_path_buf())
}

/// Whether an array at this path lies in a group, or would.
#[must_use]
pub fn is_in_group(array: &Path) -> bool {
    group_around(array).is_some()
}

/// Gives the group `to` the attributes of the group `from`, which may be of the other version, in one step.
pub fn copy_group_attributes(from: &Path, to: &Path) -> Result<()> {
    let found = match consolidated::read(&from.join("zarr.json"))? {
        Some(mut group) => match group.remove("attributes") {
            Some(Value::Object(attributes)) => attributes,
            _ => return Ok(()),
        },
        None => consolidated::read(&from.join(".zattrs"))?.unwrap_or_default(),
    };
    if found.is_empty() {
        return Ok(());
    }
    let held = consolidated::locked(to)?;
    if node(to) == Node::Group(ZarrVersion::V2) {
        consolidated::write(to, ".zattrs", found)?;
    } else {
        let mut group = consolidated::read(&to.join("zarr.json"))?.unwrap_or_default();
        group.insert("attributes".to_owned(), Value::Object(found));
        consolidated::write(to, "zarr.json", group)?;
    }
    drop(held);
    consolidated::update(to)
}

/// Puts a small file in the place of another one, in one step.
pub(super) fn replace_file(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(".group-").suffix(".part").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    make_readable(file.as_file(), folder)?;
    file.as_file().sync_all()?;
    file.persist(folder.join(name)).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// What `open` asks for everywhere, so far as the folder's own mode allows reading.
fn make_readable(file: &fs::File, folder: &Path) -> io::Result<()> {
    let mode = fs::metadata(folder)?.permissions().mode() & 0o666;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// Whether an array may take the place of `folder`.
pub(super) fn standing(folder: &Path) -> Standing {
    let is_empty = || fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    match node(folder) {
        Node::Array(_) => match foreign(folder) {
            Some(name) => Standing::Foreign(format!("it holds {name}, which is no part of the array").into()),
            None => Standing::Replaceable,
        },
        Node::Group(_) => Standing::Foreign("it is a group, which may hold more than this array".into()),
        Node::Plain if is_empty() => Standing::Replaceable,
        Node::Plain => Standing::Foreign("it is a folder that is no Zarr array".into()),
    }
}

/// The first name, in the order of the folders, that is neither metadata nor a chunk of an array: somebody put it there. Chunks may be
/// many; replacing them looks at each as well.
fn foreign(folder: &Path) -> Option<String> {
    // What is being put in the place of a metadata file is there for a moment, or was left by somebody who was killed.
    let is_ours = |name: &str| METADATA.contains(&name) || is_chunk(name) || (name.starts_with(".group-") && name.ends_with(".part"));
    foreign_within(folder, &is_ours)
}

fn foreign_within(folder: &Path, is_ours: &dyn Fn(&str) -> bool) -> Option<String> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let name = entry.file_name();
        // Names that are no text are none of ours.
        if !name.to_str().is_some_and(is_ours) {
            return Some(name.to_string_lossy().into_owned());
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let within = if is_folder { foreign_within(&entry.path(), &is_chunk) } else { None };
        within.map(|inner| format!("{}/{inner}", name.to_string_lossy()))
    })
}

/// Whether a name is one that chunks, or folders of them, have in some array: `c`, `3`, `0.17`, `c.0.17`.
fn is_chunk(name: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = name.strip_prefix("c.").unwrap_or(name);
    name == "c" || numbers.split('.').all(is_number)
}

/// The groups above an array, outermost first: from the outermost folder called `*.zarr`, or that is a group already.
pub(super) fn above(array: &Path) -> Vec<&Path> {
    let folders: Vec<&Path> = array.ancestors().skip(1).collect();
    let is_store = |folder: &&Path| folder.extension().is_some_and(|end| end.eq_ignore_ascii_case("zarr")) || node(folder) != Node::Plain;
    let outermost = folders.iter().rposition(is_store).map_or(0, |place| place + 1);
    let mut groups = folders[..outermost].to_vec();
    groups.reverse();
    groups
}

/// The version of the store that an array would be part of; `None` if it would be a store of its own.
pub(super) fn version_of_store(array: &Path, name: &str) -> Result<Option<ZarrVersion>> {
    let mut found = None;
    for folder in above(array) {
        match node(folder) {
            Node::Array(_) => {
                let text = format!("cannot write {name}: {} is an array, and arrays hold no other ones", folder.display());
                return Err(Error::output(text).hint("write beside it"));
            }
            Node::Group(version) => found = Some(version),
            Node::Plain => {}
        }
    }
    Ok(found)
}

/// Makes the groups above an array that are missing.
pub(super) fn make(array: &Path, name: &str, version: ZarrVersion) -> Result<()> {
    for folder in above(array) {
        let parent = folder.parent().unwrap_or(Path::new("/"));
        let is_new = match fs::create_dir(folder) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(cannot_create(name, parent, error)),
        };
        if is_new {
            made().insert(folder.to_path_buf());
        }
        if node(folder) == Node::Plain {
            write_group(folder, version).map_err(|error| failed("write the group", folder, error))?;
            sync_folder(parent).map_err(|error| failed("sync", parent, error))?;
        }
    }
    Ok(())
}

fn write_group(folder: &Path, version: ZarrVersion) -> io::Result<()> {
    for (name, text) in group_files(version) {
        let mut file = tempfile::Builder::new().prefix(".group-").suffix(".part").tempfile_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        match file.persist_noclobber(folder.join(name)) {
            // Another output of the same store was faster.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.error),
            Ok(file) => make_readable(&file, folder)?,
        }
    }
    sync_folder(folder)
}

/// The groups above an array that has been published are there to stay.
pub(super) fn keep(array: &Path) {
    let mut made = made();
    for folder in above(array) {
        made.remove(folder);
    }
}

/// Removes the groups above an array that was given up, as far as they were made here and hold nothing.
pub(super) fn give_up(array: &Path) {
    for folder in above(array).into_iter().rev() {
        let holds_nothing =
            fs::read_dir(folder).is_ok_and(|entries| entries.flatten().all(|entry| METADATA.iter().any(|name| entry.file_name() == *name)));
        if !holds_nothing || !made().remove(folder) {
            return;
        }
        for name in METADATA {
            let _ = fs::remove_file(folder.join(name));
        }
        // Fails if something was put there meanwhile, and then must.
        let _ = fs::remove_dir(folder);
    }
}

fn made() -> std::sync::MutexGuard<'static, BTreeSet<PathBuf>> {
    MADE.lock().unwrap_or_else(PoisonError::into_inner)
}
