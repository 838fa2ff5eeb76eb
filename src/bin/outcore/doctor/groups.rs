//! Control groups: the share of the processors that this one and those around it may use.

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
    let mut least: Option<Quota> = None;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let base = match controllers {
            "" => root.to_path_buf(),
            names if names.split(',').any(|name| name == "cpu") => root.join("cpu"),
            _ => continue,
        };
        let mut folder = base.join(path.trim_start_matches('/'));
        loop {
            let found = if controllers.is_empty() { second_version(&folder) } else { first_version(&folder) };
            if let Some(found) = found.filter(|found| least.as_ref().is_none_or(|least| found.processors < least.processors)) {
                least = Some(found);
            }
            if folder == base || !folder.pop() {
                break;
            }
        }
    }
    least
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
