//! Files or objects that many processes exchange: each appears whole and durable, or not at all, and may be put there again.

use crate::{
    error::{Error, Result},
    format::task::{decode, encode},
    store::{
        object::{self, Folder, Put},
        output::{is_full, replace, sync_folder},
    },
};
use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

pub use crate::format::task::Piece;

/// Where a folder of such files is for processes in other folders: its absolute path, or its address.
pub fn place(folder: &Path) -> io::Result<PathBuf> {
    if object::is_object(folder) { Ok(folder.to_path_buf()) } else { std::path::absolute(folder) }
}

/// Whether it is an address, which every machine reads alike.
#[must_use]
pub fn is_address(folder: &Path) -> bool {
    object::is_object(folder)
}

/// The folder and the key of an address; `None` for the path of a file.
fn address(path: &Path) -> Result<Option<(Folder, &str)>> {
    let Some(url) = path.to_str().filter(|_| object::is_object(path)) else { return Ok(None) };
    let (folder, key) = object::split_last(url)?;
    Ok(Some((Folder::open(folder)?, key)))
}

/// Puts what a task left at `path`; `plan` is the identity of the plan that it belongs to.
pub fn put_piece(path: &Path, piece: &Piece, plan: &str) -> Result<()> {
    put(path, &encode(piece, plan))
}

/// What a task of the same plan left at `path`; `None` if nothing is there.
pub fn get_piece(path: &Path, plan: &str) -> Result<Option<Piece>> {
    let Some(bytes) = get(path)? else { return Ok(None) };
    decode(&bytes, plan).map(Some).map_err(|error| error.context(path.display()))
}

/// Puts `bytes` at `path`, in place of what is there. The folder must exist.
pub fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some((folder, key)) = address(path)? {
        return folder.put(key, bytes, Put::Replace).map(drop);
    }
    try_put(path, bytes).map_err(|error| match error.kind() {
        kind if is_full(kind) => {
            let text = format!("cannot write {}, which takes {} bytes: {error}", path.display(), bytes.len());
            Error::output(text).with_source(error).with_needed_bytes(bytes.len() as u64)
        }
        _ => Error::io("write", path.display(), error),
    })
}

/// Puts `bytes` at `path`, unless another process was faster, and gives what is there then. Of files the faster is who holds [`alone`].
pub fn put_first(path: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    let Some((folder, key)) = address(path)? else { return put(path, bytes).map(|()| bytes.to_vec()) };
    if folder.put(key, bytes, Put::Create)? {
        return Ok(bytes.to_vec());
    }
    folder.text(key)?.ok_or_else(|| Error::data(format!("{} was removed", path.display())))
}

fn try_put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    replace(folder, path, bytes)?;
    sync_folder(folder)
}

/// What is at `path`; `None` if nothing is.
pub fn get(path: &Path) -> Result<Option<Vec<u8>>> {
    if let Some((folder, key)) = address(path)? {
        return folder.text(key);
    }
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path.display(), error)),
    }
}

/// Makes the folder at `path` and those above it. Addresses need none.
pub fn make_folder(path: &Path) -> Result<()> {
    if let Some(url) = path.to_str().filter(|_| object::is_object(path)) {
        return object::check_writable(url);
    }
    fs::create_dir_all(path)
        .map_err(|error| Error::output(format!("cannot make the folder {}: {error}", path.display())).with_source(error))
}

/// What others are kept out by, for as long as it lives.
#[derive(Debug)]
pub struct Alone {
    _file: Option<File>,
}

/// Locks the file at `path`, which is made if it is not there. Where files cannot be locked, and in object stores, everybody is believed:
/// what must be agreed on there is put by [`put_first`].
///
/// # Errors
/// [`crate::ErrorKind::Io`] while another process has it.
pub fn alone(path: &Path) -> Result<Alone> {
    if object::is_object(path) {
        return Ok(Alone { _file: None });
    }
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
    let file = opened.map_err(|error| Error::io("open", path.display(), error))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let error = io::Error::from(io::ErrorKind::WouldBlock);
            Err(Error::io("lock", path.display(), error).hint("another process plans or finishes this job: wait until it is done"))
        }
        _ => Ok(Alone { _file: Some(file) }),
    }
}

/// Numbers of the files in a folder that are called `NUMBER.end`.
pub fn numbered(folder: &Path, end: &str) -> Result<Vec<usize>> {
    let mut found: Vec<usize> = names(folder)?
        .iter()
        .filter_map(|name| name.strip_suffix(end).and_then(|name| name.strip_suffix('.')))
        .filter_map(|number| number.parse().ok())
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// Names of what is in a folder, if it is there.
fn names(folder: &Path) -> Result<Vec<String>> {
    if let Some(url) = folder.to_str().filter(|_| object::is_object(folder)) {
        return Folder::open(url)?.names();
    }
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("look into", folder.display(), error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| Error::io("look into", folder.display(), error))?.file_name();
        found.extend(name.into_string().ok());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_put_and_found_by_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        assert_eq!(numbered(&inner, "done").unwrap(), Vec::<usize>::new());
        assert!(get(&inner.join("0000001.done")).unwrap().is_none());
        assert!(put(&inner.join("0000001.done"), b"x").is_err());
        make_folder(&inner).unwrap();
        make_folder(&inner).unwrap();
        for (name, bytes) in
            [("0000012.done", &b"one"[..]), ("0000012.done", b"two"), ("0000003.done", b""), ("4.part", b""), ("x.done", b"")]
        {
            put(&inner.join(name), bytes).unwrap();
        }
        assert_eq!(numbered(&inner, "done").unwrap(), [3, 12]);
        assert_eq!(get(&inner.join("0000012.done")).unwrap().unwrap(), b"two");
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 4);
    }
}
