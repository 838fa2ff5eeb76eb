//! What this machine offers: memory (physical and allowed by the control group) and processors.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

/// Memory assumed where the operating system does not tell.
const MEMORY_UNKNOWN_BYTES: u64 = 4 << 30;

/// What bounds the memory of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryBounds {
    /// What the machine has.
    pub physical_bytes: u64,
    /// The smallest limit of its control group and of the groups around it, if there is one.
    pub group_bytes: Option<u64>,
}

/// What bounds the memory of this process.
#[must_use]
pub fn memory_bounds() -> MemoryBounds {
    let physical_bytes =
        fs::read_to_string("/proc/meminfo").ok().and_then(|text| kibibytes(&text, "MemTotal")).unwrap_or(MEMORY_UNKNOWN_BYTES);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    MemoryBounds { physical_bytes, group_bytes: group_limits(&groups, Path::new("/sys/fs/cgroup")).into_iter().min() }
}

/// Bytes that this process may use at most: physical memory or the control group's limit, whichever is smaller.
#[must_use]
pub fn memory_bytes() -> u64 {
    let MemoryBounds { physical_bytes, group_bytes } = memory_bounds();
    group_bytes.map_or(physical_bytes, |group| group.min(physical_bytes))
}

/// Compute threads to use: what affinity and the control group's quota allow.
#[must_use]
pub fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// A number of kibibytes in a text such as `/proc/meminfo` and `/proc/self/status`, in bytes.
#[must_use]
pub fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Version of the interface of a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupVersion {
    /// One tree per controller.
    V1,
    /// One tree.
    V2,
}

/// Folders of the control groups of `controller` in the text of `/proc/self/cgroup`, mounted below `root`: the process' own, and those
/// around it.
#[must_use]
pub fn group_folders(groups: &str, root: &Path, controller: &str) -> Vec<(PathBuf, GroupVersion)> {
    let mut folders = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (base, version) = match controllers {
            "" => (root.to_path_buf(), GroupVersion::V2),
            names if names.split(',').any(|name| name == controller) => (root.join(controller), GroupVersion::V1),
            _ => continue,
        };
        // Inside a container the path may be the host's; the mount's own root then holds the limit.
        let mut folder = base.join(path.trim_start_matches('/'));
        loop {
            folders.push((folder.clone(), version));
            if folder == base || !folder.pop() {
                break;
            }
        }
    }
    folders
}

/// Limits of the process' memory control group and of the groups around it.
fn group_limits(groups: &str, root: &Path) -> Vec<u64> {
    let limit = |(folder, version): (PathBuf, GroupVersion)| {
        let file = if version == GroupVersion::V2 { "memory.max" } else { "memory.limit_in_bytes" };
        fs::read_to_string(folder.join(file)).ok().and_then(|text| text.trim().parse().ok())
    };
    group_folders(groups, root, "memory").into_iter().filter_map(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_both_versions_and_of_outer_groups_count() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        write("a/b/memory.max", "max\n");
        write("a/memory.max", "1000\n");
        write("memory/c/memory.limit_in_bytes", "2000\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(group_limits("0::/a/b\n", root.path()), [1000]);
        assert_eq!(group_limits("5:cpu,memory:/c\n", root.path()), [2000, 9223372036854771712]);
        assert_eq!(group_limits("4:cpu:/c\nnonsense\n", root.path()), [] as [u64; 0]);
        assert_eq!(kibibytes("MemTotal:       16 kB\nMemFree: 1 kB\n", "MemTotal"), Some(16384));
        assert!(memory_bytes() > 1 << 20 && threads() >= 1);
    }
}
