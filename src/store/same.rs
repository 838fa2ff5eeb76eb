//! Whether two paths name one file, however they are spelt: links, hard links, `..`, and names that do not exist yet.

use crate::error::{Error, Result};
use std::{
    ffi::OsString,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Longest chain of broken links that is followed, as in the kernel.
const LINKS_MAX: usize = 40;

/// Whether `a` and `b` name the same file now, or would if they were created.
///
/// Existing files are compared by device and inode, so links and hard links are seen through. A name that does not exist
/// is compared by its folder and its last part. Names that cannot be looked up at all are the same only if they are spelt the same.
#[must_use]
pub fn same_file(a: &Path, b: &Path) -> bool {
    match (key(a), key(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// Whether `path` is somewhere in the folder `folder`, under any name.
fn lies_inside(path: &Path, folder: &Path) -> bool {
    let Ok(absolute) = std::path::absolute(path) else { return false };
    // Links on the way are seen through where the folders exist.
    let real = absolute.parent().and_then(|parent| std::fs::canonicalize(parent).ok());
    let inside = |path: &Path| path.ancestors().any(|above| same_file(above, folder));
    folder.is_dir() && (absolute.ancestors().skip(1).any(|above| same_file(above, folder)) || real.is_some_and(|parent| inside(&parent)))
}

/// Refuses an output that is one of `inputs` or of `outputs` under any name, lies inside one, or holds one.
///
/// # Errors
/// [`crate::ErrorKind::Output`], which names both.
pub fn check_apart(
    path: &Path,
    inputs: impl IntoIterator<Item = impl AsRef<Path>>,
    outputs: impl IntoIterator<Item = impl AsRef<Path>>,
) -> Result<()> {
    let shown = path.display();
    for input in inputs {
        let input = input.as_ref();
        let text = match relation(path, input) {
            Relation::Apart => continue,
            Relation::Same => format!("output {shown} is the input {}", input.display()),
            Relation::Inside => format!("output {shown} lies inside the input {}", input.display()),
            Relation::Holds => format!("the input {} lies inside the output {shown}", input.display()),
        };
        return Err(Error::output(text).hint("write to another place; inputs are never changed"));
    }
    for other in outputs {
        let other = other.as_ref();
        let text = match relation(path, other) {
            Relation::Apart => continue,
            Relation::Same => format!("two outputs go to one file: {} and {shown}", other.display()),
            Relation::Inside | Relation::Holds => format!("one output lies inside the other: {} and {shown}", other.display()),
        };
        return Err(Error::output(text).hint("give each a place of its own"));
    }
    Ok(())
}

enum Relation {
    Apart,
    Same,
    Inside,
    Holds,
}

fn relation(path: &Path, other: &Path) -> Relation {
    // Folders that do not exist yet are known by their names alone.
    let within = |path: &Path, folder: &Path| !folder.as_os_str().is_empty() && path.starts_with(folder) || lies_inside(path, folder);
    match (same_file(path, other), within(path, other), within(other, path)) {
        (true, ..) => Relation::Same,
        (_, true, _) => Relation::Inside,
        (.., true) => Relation::Holds,
        _ => Relation::Apart,
    }
}

#[derive(PartialEq, Eq)]
enum Key {
    There { device: u64, inode: u64 },
    Missing { device: u64, folder_inode: u64, name: OsString },
}

fn key(path: &Path) -> Option<Key> {
    let mut path: PathBuf = std::path::absolute(path).ok()?;
    for _ in 0..LINKS_MAX {
        if let Ok(metadata) = std::fs::metadata(&path) {
            return Some(Key::There { device: metadata.dev(), inode: metadata.ino() });
        }
        // A broken link: what it would become is the file it points to.
        match std::fs::read_link(&path) {
            Ok(target) => path = path.parent()?.join(target),
            Err(_) => {
                let folder = std::fs::metadata(path.parent()?).ok()?;
                return Some(Key::Missing { device: folder.dev(), folder_inode: folder.ino(), name: path.file_name()?.to_os_string() });
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_under_any_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("sub")).unwrap();
        std::fs::write(at("a"), "x").unwrap();
        std::fs::write(at("b"), "x").unwrap();
        std::fs::hard_link(at("a"), at("hard")).unwrap();
        std::os::unix::fs::symlink("a", at("soft")).unwrap();
        std::os::unix::fs::symlink("none", at("broken")).unwrap();
        std::os::unix::fs::symlink("sub", at("linked")).unwrap();
        std::os::unix::fs::symlink("loop", at("loop")).unwrap();
        for (a, b, same) in [
            ("a", "hard", true),
            ("a", "soft", true),
            ("a", "sub/../a", true),
            ("a", "b", false),
            ("none", "sub/../none", true),
            ("none", "broken", true),
            ("sub/new", "linked/new", true),
            ("sub/new", "new", false),
            ("missing/x", "missing/x", true),
            ("missing/x", "missing/y", false),
            ("loop", "a", false),
        ] {
            assert_eq!(same_file(&at(a), &at(b)), same, "{a} and {b}");
        }
    }
}
