//! Consolidated metadata: copies of the metadata of everything below a group, in one file of the group.
//!
//! Readers believe the copies, so they are changed with what they are copies of: an array is taken out before another one takes its
//! place, and put in when it stands there. Whoever reads in between misses an array and never reads it by the metadata of another one.
//! Every change replaces the file in one step, under a lock on the group's folder, so that jobs which write into one group at the same
//! time do not undo each other's.

use super::{
    groups::{above, replace_file},
    metadata::text,
    shard::failed,
};
use crate::{
    error::{Error, Result},
    store::zarr::metadata::{marked_object, marked_text},
};
use rustix::fs::FlockOperation;
use serde_json::{Map, Value};
use std::{
    fs::{self, File},
    io,
    path::Path,
};

const V2: &str = ".zmetadata";
const V3: &str = "zarr.json";
/// Files of a node of version 2.
const FILES_V2: [&str; 3] = [".zarray", ".zgroup", ".zattrs"];

/// Takes the array at `node` out of the copies in the groups above it.
pub(super) fn forget(node: &Path) -> Result<()> {
    change(node, &|copies, _, key, _| {
        let below = format!("{key}/");
        let before = copies.len();
        copies.retain(|name, _| name != key && !name.starts_with(&below));
        Ok(copies.len() < before)
    })
}

/// Puts what the node at `node` says now into the copies in the groups above it, and the groups in between.
pub(super) fn update(node: &Path) -> Result<()> {
    change(node, &|copies, group, key, file| {
        let ends = key.match_indices('/').map(|(at, _)| &key[..at]).chain([key]);
        for path in ends {
            if path == key || !is_known(copies, path, file) {
                insert(copies, &group.join(path), path, file)?;
            }
        }
        Ok(true)
    })
}

fn is_known(copies: &Map<String, Value>, path: &str, file: &str) -> bool {
    if file == V3 { copies.contains_key(path) } else { copies.contains_key(&format!("{path}/.zgroup")) }
}

fn insert(copies: &mut Map<String, Value>, folder: &Path, path: &str, file: &str) -> Result<()> {
    if file == V3 {
        if let Some(mut said) = read(&folder.join(V3))? {
            said.remove("consolidated_metadata");
            copies.insert(path.to_string(), Value::Object(said));
        }
        return Ok(());
    }
    for name in FILES_V2 {
        match read(&folder.join(name))? {
            Some(said) => copies.insert(format!("{path}/{name}"), Value::Object(said)),
            None => copies.remove(&format!("{path}/{name}")),
        };
    }
    Ok(())
}

/// What becomes of the copies of a group: given them, the group, the node's path in it, and the file. Whether they changed.
type Change<'a> = &'a dyn Fn(&mut Map<String, Value>, &Path, &str, &str) -> Result<bool>;

/// Changes the copies in every group above `node` that has such.
fn change(node: &Path, change: Change<'_>) -> Result<()> {
    for group in above(node) {
        let Some(key) = node.strip_prefix(group).ok().and_then(Path::to_str) else { continue };
        for file in [V2, V3] {
            if read(&group.join(file))?.is_none_or(|mut said| copies_of(&mut said, file).is_none()) {
                continue;
            }
            let _held = locked(group)?;
            let Some(mut said) = read(&group.join(file))? else { continue };
            let changed = copies_of(&mut said, file).map_or(Ok(false), |copies| change(copies, group, key, file))?;
            if changed {
                write(group, file, said)?;
            }
        }
    }
    Ok(())
}

/// Whoever changes a metadata file of `group` holds this while it reads and writes it.
pub(super) fn locked(group: &Path) -> Result<File> {
    let held = File::open(group).map_err(|error| failed("open", group, error))?;
    // Where folders cannot be locked, one job at a time has to do.
    let _ = rustix::fs::flock(&held, FlockOperation::LockExclusive);
    Ok(held)
}

/// Replaces a metadata file of a group.
pub(super) fn write(group: &Path, file: &str, said: Map<String, Value>) -> Result<()> {
    let text = marked_text(text(&Value::Object(said)));
    replace_file(group, file, &text).map_err(|error| failed("write", &group.join(file), error))
}

/// The copies in the file of a group; `None` if it has none.
fn copies_of<'a>(said: &'a mut Map<String, Value>, file: &str) -> Option<&'a mut Map<String, Value>> {
    match file {
        V3 => said.get_mut("consolidated_metadata")?.get_mut("metadata")?.as_object_mut(),
        _ => said.get_mut("metadata")?.as_object_mut(),
    }
}

/// A metadata file that [`write`] may write again, words for numbers that JSON does not have and all; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Map<String, Value>>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path, error)),
    };
    let refused = || {
        Error::data(format!("{} is not a JSON object", path.display()))
            .hint("mend the file; if it holds consolidated metadata, remove it and consolidate the store again")
    };
    marked_object(&text).map(Some).ok_or_else(refused)
}
