//! Nodes of a hierarchy: which path is an array, which a group, and what a group holds.

use super::{
    files::Files,
    metadata::{ArrayMetadata, object},
};
use crate::{
    error::{Error, Result},
    store::file::{FileIdentity, hash},
};
use serde_json::Value;
use std::path::Path;

/// Groups inside of groups that are looked into, and arrays that are listed.
const DEPTH_MAX: usize = 16;
const ARRAYS_MAX: usize = 10_000;

/// Paths of arrays, and what they are or why they cannot be read.
type Listed = Vec<(String, Result<ArrayMetadata>)>;

/// What stands at a path.
pub(super) enum Node {
    Array(Box<ArrayNode>),
    Group,
}

/// An array, and the texts that say what it is.
pub(super) struct ArrayNode {
    pub metadata: ArrayMetadata,
    /// Name, identity and hash of the text of each file of metadata that was read.
    pub texts: Vec<(String, FileIdentity, u64)>,
}

/// Reads the metadata of a node; `None` if there are none.
pub(super) fn read(files: &Files) -> Result<Option<Node>> {
    let about = |key: &str, error: Error| error.context(files.name(key));
    if let Some((text, identity)) = files.text("zarr.json")? {
        let head = object(&text).map_err(|error| about("zarr.json", error))?;
        return match head.get("node_type").and_then(Value::as_str) {
            Some("group") => Ok(Some(Node::Group)),
            Some("array") => {
                let metadata = ArrayMetadata::of_v3(&head).map_err(|error| about("zarr.json", error))?;
                Ok(Some(Node::Array(Box::new(ArrayNode { metadata, texts: vec![("zarr.json".to_string(), identity, hash(&text))] }))))
            }
            _ => Err(Error::data(format!("{}: `node_type` is neither array nor group", files.name("zarr.json")))),
        };
    }
    if let Some((text, identity)) = files.text(".zarray")? {
        let attributes = files.text(".zattrs")?;
        let metadata = ArrayMetadata::of_v2(&text, attributes.as_ref().map(|(text, _)| text.as_slice()));
        let mut texts = vec![(".zarray".to_string(), identity, hash(&text))];
        texts.extend(attributes.map(|(text, identity)| (".zattrs".to_string(), identity, hash(&text))));
        let metadata = metadata.map_err(|error| about(".zarray", error))?;
        return Ok(Some(Node::Array(Box::new(ArrayNode { metadata, texts }))));
    }
    let Some((text, _)) = files.text(".zgroup")? else { return Ok(None) };
    object(&text).map_err(|error| about(".zgroup", error))?;
    Ok(Some(Node::Group))
}

/// Paths of the arrays below a group, relative to it, sorted; an array that cannot be read is listed with its error.
pub(super) fn arrays(files: &Files) -> Result<Listed> {
    // Elsewhere every look is a request: one text that says it all is believed.
    if files.objects().is_some()
        && let Some(listed) = consolidated(files)?
    {
        return Ok(listed);
    }
    let mut found = Vec::new();
    collect(files, "", 0, &mut found)?;
    Ok(found)
}

/// The arrays that the consolidated metadata of a group name; `None` if it has none.
fn consolidated(files: &Files) -> Result<Option<Listed>> {
    let mut found = Vec::new();
    if let Some((text, _)) = files.text("zarr.json")? {
        let head = object(&text).map_err(|error| error.context(files.name("zarr.json")))?;
        let Some(listed) = head.get("consolidated_metadata").and_then(|held| held.get("metadata")).and_then(Value::as_object) else {
            return Ok(None);
        };
        let arrays = listed.iter().filter_map(|(path, node)| Some((path, node.as_object()?)));
        let arrays = arrays.filter(|(_, node)| node.get("node_type").is_some_and(|kind| kind == "array"));
        found.extend(arrays.map(|(path, node)| (path.clone(), ArrayMetadata::of_v3(node))));
    } else if let Some((text, _)) = files.text(".zmetadata")? {
        let head = object(&text).map_err(|error| error.context(files.name(".zmetadata")))?;
        let Some(listed) = head.get("metadata").and_then(Value::as_object) else { return Ok(None) };
        for (key, array) in listed {
            let Some(path) = key.strip_suffix("/.zarray") else { continue };
            let attributes = listed.get(&format!("{path}/.zattrs")).map(Value::to_string);
            let metadata = ArrayMetadata::of_v2(array.to_string().as_bytes(), attributes.as_ref().map(String::as_bytes));
            found.push((path.to_string(), metadata));
        }
    } else {
        return Ok(None);
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.truncate(ARRAYS_MAX);
    Ok(Some(found))
}

fn collect(files: &Files, prefix: &str, depth: usize, found: &mut Listed) -> Result<()> {
    for name in files.children()? {
        if found.len() >= ARRAYS_MAX {
            return Ok(());
        }
        let (child, path) = (files.child(&name), format!("{prefix}{name}"));
        match read(&child) {
            Ok(Some(Node::Array(node))) => found.push((path, Ok(node.metadata))),
            Err(error) => found.push((path, Err(error))),
            // Of objects the names of chunks look like folders, too, and every look is a request.
            Ok(None) if files.objects().is_some() => {}
            // Folders without metadata are groups that nobody wrote down.
            Ok(Some(Node::Group) | None) if depth < DEPTH_MAX => collect(&child, &format!("{path}/"), depth + 1, found)?,
            Ok(_) => {}
        }
    }
    Ok(())
}

/// The nearest folder above a path that is a node of a store, if that is an array.
pub(super) fn array_above(path: &Path) -> Option<&Path> {
    let is_node = |folder: &&Path| ["zarr.json", ".zarray", ".zgroup"].iter().any(|key| folder.join(key).is_file());
    let nearest = path.ancestors().skip(1).map(here).take(DEPTH_MAX + 1).find(is_node)?;
    let is_array = || match read(&Files::Folder(nearest.to_path_buf())) {
        Ok(Some(Node::Array(_))) => true,
        _ => nearest.join(".zarray").is_file(),
    };
    is_array().then_some(nearest)
}

/// The current folder has an empty name at the end of ancestors.
fn here(folder: &Path) -> &Path {
    if folder == Path::new("") { Path::new(".") } else { folder }
}

/// The nearest folder above a path that is a group of a store.
pub(super) fn group_above(path: &Path) -> Option<&Path> {
    let is_group = |folder: &&Path| ["zarr.json", ".zgroup"].iter().any(|key| folder.join(key).is_file());
    path.ancestors().skip(1).map(here).take(DEPTH_MAX + 1).find(is_group)
}
