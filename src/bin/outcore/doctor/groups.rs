//! Control groups: the share of the processors that this one and those around it may use.

use outcore::array::machine::{GroupVersion, group_folders};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A share of the processors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quota {
    /// Processors' worth of time.
    pub processors: f64,
    /// The file that says so.
    pub file: PathBuf,
}

/// The smallest quota of the groups in the text of `/proc/self/cgroup`, versions 1 and 2, mounted below `root`.
pub fn quota(groups: &str, root: &Path) -> Option<Quota> {
    let quota = |(folder, version): (PathBuf, GroupVersion)| match version {
        GroupVersion::V2 => second_version(&folder),
        GroupVersion::V1 => first_version(&folder),
    };
    let quotas = group_folders(groups, root, "cpu").into_iter().filter_map(quota);
    quotas.min_by(|one, other| one.processors.total_cmp(&other.processors))
}

/// `max 100000` or `150000 100000`: microseconds of how many.
fn second_version(folder: &Path) -> Option<Quota> {
    let file = folder.join("cpu.max");
    let text = fs::read_to_string(&file).ok()?;
    let mut words = text.split_whitespace().map(str::parse::<f64>);
    let (given, period) = (words.next()?.ok()?, words.next()?.ok()?);
    (period > 0.0).then(|| Quota { processors: given / period, file })
}

/// Two files; -1 is no quota.
fn first_version(folder: &Path) -> Option<Quota> {
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<f64>().ok();
    let (given, period) = (number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?);
    (given > 0.0 && period > 0.0).then(|| Quota { processors: given / period, file: folder.join("cpu.cfs_quota_us") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_quota_of_all_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = root.path().join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        write("a/b/cpu.max", "max 100000\n");
        write("a/cpu.max", "150000 100000\n");
        write("cpu/c/cpu.cfs_quota_us", "50000\n");
        write("cpu/c/cpu.cfs_period_us", "100000\n");
        write("cpu/cpu.cfs_quota_us", "-1\n");
        write("cpu/cpu.cfs_period_us", "100000\n");
        let processors = |text: &str| quota(text, root.path()).map(|quota| quota.processors);
        assert_eq!(processors(include_str!("fixtures/cgroup-v2.txt")), Some(1.5));
        assert_eq!(processors(include_str!("fixtures/cgroup-v1.txt")), Some(0.5));
        assert_eq!(processors("4:memory:/c\nnonsense\n"), None);
        assert!(quota("0::/a/b\n", root.path()).unwrap().file.ends_with("a/cpu.max"));
    }
}
