//! Other texts of the kernel: mounts, choices in brackets.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// What is chosen in a text such as `always [madvise] never`.
pub fn chosen(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word.to_string())
}

/// Where the file system of `path` is mounted: the longest mount point above it in the text of `/proc/self/mountinfo`; of equal ones the
/// last, which hides the others.
pub fn mount_point(text: &str, path: &Path) -> Option<PathBuf> {
    let points = text.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped);
    let above = points.filter(|point| path.starts_with(point));
    above.fold(None, |best: Option<PathBuf>, point| match best {
        Some(best) if best.as_os_str().len() > point.as_os_str().len() => Some(best),
        _ => Some(point),
    })
}

/// Where the file system of `path` is mounted; empty: not known.
pub fn mount_of(path: &Path) -> String {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    mount_point(&text, &real).map(|point| point.display().to_string()).unwrap_or_default()
}

/// Blanks, tabs, line breaks and backslashes are written as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_string(), |text, (from, to)| text.replace(from, to))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcore::array::machine::kibibytes as meminfo;

    #[test]
    fn texts_of_the_kernel_are_read() {
        let text = include_str!("fixtures/meminfo.txt");
        assert_eq!(meminfo(text, "MemTotal"), Some(24_684_092 * 1024));
        assert_eq!(meminfo(text, "Mem"), None, "the whole name counts");
        assert_eq!(meminfo(text, "SwapFree"), Some(512 * 1024));
        assert_eq!(chosen("always [madvise] never\n").as_deref(), Some("madvise"));
        assert_eq!(chosen("always"), None);
    }

    #[test]
    fn the_nearest_mount_is_found() {
        let text = include_str!("fixtures/mountinfo.txt");
        let cases = [("/home/a/x.npy", "/"), ("/data/big/x.npy", "/data"), ("/database", "/"), ("/mnt/my disk/x", "/mnt/my disk")];
        for (path, point) in cases {
            assert_eq!(mount_point(text, Path::new(path)), Some(point.into()), "{path}");
        }
        assert_eq!(mount_point("", Path::new("/")), None);
    }
}
