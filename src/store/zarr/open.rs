//! Paths to arrays and groups: `dir.zarr`, `dir.zarr/group/array`.

use super::{
    files::Files,
    metadata::{About, ArrayMetadata},
    node::{self, Node},
    source::ZarrSource,
    texts::Texts,
};
use crate::{
    error::{Error, Result},
    store::{
        object::{self, Folder},
        open::split_part,
    },
};
use std::path::{Component, Path};

/// Names of arrays that an error shows.
const SHOWN_MAX: usize = 12;

/// What a path into a Zarr store leads to.
#[derive(Debug)]
pub enum Opened {
    /// An array.
    Array(Box<ZarrSource>),
    /// A group.
    Group(Group),
}

/// A group of a Zarr store, and the arrays below it.
#[derive(Debug)]
pub struct Group {
    /// Every array below the group, sorted by path.
    pub arrays: Vec<GroupArray>,
}

/// An array of a group.
#[derive(Debug)]
pub struct GroupArray {
    /// Path from the group: `a`, `inner/a`.
    pub path: String,
    /// What the array is, or why it cannot be read.
    pub about: Result<About>,
}

/// Opens an array or a group of a Zarr store; `None` if the path leads to none.
pub fn open(path: &str) -> Result<Option<Opened>> {
    let place = Path::new(path);
    if object::is_object(place) {
        return open_objects(path);
    }
    // `x.safetensors#layer.zarr` is a tensor.
    if split_part(path).is_some() {
        return Ok(None);
    }
    if let Some((archive, inside)) = in_archive(place) {
        let files = Files::of_archive(archive, &inside)?;
        return match known(path, &files)? {
            Some(opened) => Ok(Some(opened)),
            // An archive of something else.
            None if inside.is_empty() => Ok(Some(group(&files)?).filter(|group| !group.arrays.is_empty()).map(Opened::Group)),
            None if files.exist() => group(&files).map(Opened::Group).map(Some),
            None => {
                let group = group(&Files::of_archive(archive, "")?)?;
                Err(Error::not_found(format!("there is no array {path}")).hint(group.arrays_named(&archive.display().to_string())))
            }
        };
    }
    let is_folder = place.is_dir();
    let files = Files::Folder(place.to_path_buf());
    if is_folder && let Some(opened) = known(path, &files)? {
        return Ok(Some(opened));
    }
    if place.is_file() {
        return Ok(None);
    }
    if let Some(array) = node::array_above(place) {
        let array = array.display();
        return Err(
            Error::not_found(format!("there is no array {path}")).hint(format!("{array} is an array, and has no other ones inside"))
        );
    }
    let Some(root) = node::group_above(place) else {
        let named = place.ancestors().find(|above| above.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zarr")));
        return match named {
            Some(store) if store.is_dir() => {
                Err(Error::data(format!("{} has no Zarr metadata: neither zarr.json nor .zarray nor .zgroup", store.display())))
            }
            Some(store) if !store.exists() => Err(Error::not_found(format!("there is no Zarr store {}", store.display()))),
            _ => Ok(None),
        };
    };
    if is_folder {
        return group(&files).map(Opened::Group).map(Some);
    }
    let group = group(&Files::Folder(root.to_path_buf()))?;
    Err(Error::not_found(format!("there is no array {path}")).hint(group.arrays_named(&root.display().to_string())))
}

/// Opens an array of texts along one axis; `None` if the path leads to none.
pub(super) fn open_texts(path: &str) -> Result<Option<Texts>> {
    let place = Path::new(path);
    let files = match in_archive(place) {
        _ if object::is_object(place) => Files::Objects(Folder::open(path)?),
        Some((archive, inside)) => Files::of_archive(archive, &inside)?,
        None if place.is_dir() => Files::Folder(place.to_path_buf()),
        None => return Ok(None),
    };
    Texts::open(files)
}

/// Opens an array or a group of a store of objects; `None` if the address is that of one object.
fn open_objects(path: &str) -> Result<Option<Opened>> {
    let parts: Vec<&Path> = path.split('/').skip(3).filter(|part| !part.is_empty()).map(Path::new).collect();
    let is_store = parts.iter().any(|part| part.extension().is_some_and(|end| end.eq_ignore_ascii_case("zarr")));
    // What ends like a file is one: looking for metadata takes three requests.
    if !is_store && parts.last().is_some_and(|part| part.extension().is_some()) {
        return Ok(None);
    }
    let files = Files::Objects(Folder::open(path)?);
    if let Some(opened) = known(path.trim_end_matches('/'), &files)? {
        return Ok(Some(opened));
    }
    if !is_store {
        return Ok(None);
    }
    // A web server cannot be asked what it has.
    match files.children().and_then(|_| group(&files)) {
        Ok(group) if !group.arrays.is_empty() => Ok(Some(Opened::Group(group))),
        _ => Err(Error::not_found(format!("there is no Zarr array or group {path}: neither zarr.json nor .zarray nor .zgroup"))),
    }
}

/// The array or group that has metadata of its own.
fn known(path: &str, files: &Files) -> Result<Option<Opened>> {
    Ok(match node::read(files)? {
        Some(Node::Array(node)) => Some(Opened::Array(Box::new(ZarrSource::new(path.to_string(), files.clone(), *node)))),
        Some(Node::Group) => Some(Opened::Group(group(files)?)),
        None => None,
    })
}

/// The zip archive that a path is, or leads into, and the rest of the path.
fn in_archive(place: &Path) -> Option<(&Path, String)> {
    let is_zip = |path: &Path| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip")) && path.is_file();
    let archive = place.ancestors().find(|above| is_zip(above))?;
    let inside = place.strip_prefix(archive).ok()?;
    let names = inside.components().map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    Some((archive, names.collect::<Option<Vec<_>>>()?.join("/")))
}

fn group(files: &Files) -> Result<Group> {
    let about = |(path, metadata): (String, Result<ArrayMetadata>)| GroupArray { path, about: metadata.map(|metadata| metadata.about()) };
    Ok(Group { arrays: node::arrays(files)?.into_iter().map(about).collect() })
}

impl Group {
    /// A sentence that names the arrays of the group at `root`.
    fn arrays_named(&self, root: &str) -> String {
        let names: Vec<String> = self.arrays.iter().take(SHOWN_MAX).map(|array| format!("{root}/{}", array.path)).collect();
        match self.arrays.len() {
            0 => format!("the group {root} has no arrays"),
            count if count > SHOWN_MAX => format!("one of {} and {} more", names.join(", "), count - SHOWN_MAX),
            _ => format!("one of {}", names.join(", ")),
        }
    }

    /// The refusal of a group where an array is wanted.
    #[must_use]
    pub fn refusal(&self, path: &str) -> Error {
        Error::usage(format!("{path} is a group of arrays, not an array")).hint(self.arrays_named(path.trim_end_matches('/')))
    }
}
