//! The processor: its name, what it can do, its caches.

use serde::Serialize;
use std::{collections::BTreeSet, fs, path::Path};

/// Features that kernels use or could use.
const INTERESTING: [&str; 22] = [
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "bmi2",
    "avx512f",
    "avx512bw",
    "avx512dq",
    "avx512vl",
    "avx512cd",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "asimd",
    "asimdhp",
    "asimddp",
    "bf16",
    "i8mm",
    "sve",
    "sve2",
];

/// What `/proc/cpuinfo` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processor {
    /// Name.
    pub model: String,
    /// Those of its features that matter for arrays.
    pub features: Vec<String>,
    /// Physical cores; `None`: not told.
    pub cores: Option<usize>,
}

/// One cache of the first processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// 1 is the nearest.
    pub level: u32,
    /// `Data`, `Instruction` or `Unified`.
    pub kind: String,
    /// Its size.
    pub bytes: u64,
    /// Processors that share it, as the kernel writes it: `0-3,8`.
    pub shared_by: String,
}

/// Reads the text of `/proc/cpuinfo`.
pub fn processor(text: &str) -> Processor {
    let value =
        |line: &str, name: &str| line.split_once(':').filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_string());
    let first = |name: &str| text.lines().find_map(|line| value(line, name));
    let flags = first("flags").or_else(|| first("Features")).unwrap_or_default();
    let flags: BTreeSet<&str> = flags.split_whitespace().collect();
    let mut cores = BTreeSet::new();
    for block in text.split("\n\n") {
        let of = |name: &str| block.lines().find_map(|line| value(line, name));
        cores.extend(of("physical id").zip(of("core id")));
    }
    Processor {
        model: first("model name").unwrap_or_else(|| std::env::consts::ARCH.to_string()),
        features: INTERESTING.iter().filter(|name| flags.contains(**name)).map(ToString::to_string).collect(),
        cores: (!cores.is_empty()).then_some(cores.len()),
    }
}

/// The caches of a folder such as `/sys/devices/system/cpu/cpu0/cache`, nearest first.
pub fn caches(folder: &Path) -> Vec<Cache> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let cache = |folder: &Path| {
        let text = |name: &str| fs::read_to_string(folder.join(name)).ok().map(|text| text.trim().to_string());
        let shared_by = text("shared_cpu_list").unwrap_or_default();
        Some(Cache { level: text("level")?.parse().ok()?, kind: text("type")?, bytes: size(&text("size")?)?, shared_by })
    };
    let mut caches: Vec<Cache> = entries.flatten().filter_map(|entry| cache(&entry.path())).collect();
    caches.sort_by(|a, b| (a.level, &a.kind).cmp(&(b.level, &b.kind)));
    caches
}

/// `32K`, `1024K`, `32M`.
fn size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' => (&text[..text.len() - 1], 10),
        b'M' => (&text[..text.len() - 1], 20),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_shl(shift)
}

/// How many processors a list such as `0-3,8` names.
pub fn list_length(text: &str) -> Option<usize> {
    let mut count = 0;
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        count += (last + 1).checked_sub(first)?;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_tell_their_features_and_cores() {
        let found = processor(include_str!("fixtures/cpuinfo-x86.txt"));
        assert_eq!(found.model, "AMD EPYC 9R14");
        assert_eq!(found.cores, Some(2), "four processors, two a core");
        assert_eq!(found.features, ["sse4_2", "avx", "avx2", "fma", "f16c", "bmi2", "avx512f", "avx512bw", "avx512vl"]);
        let found = processor(include_str!("fixtures/cpuinfo-arm.txt"));
        assert_eq!((found.features, found.cores), (vec!["asimd".into(), "asimdhp".into(), "sve".into()], None));
        assert_eq!(processor("").features, [] as [String; 0]);
    }

    #[test]
    fn caches_are_read_from_files() {
        let root = tempfile::tempdir().unwrap();
        let write = |index: usize, files: [(&str, &str); 4]| {
            let folder = root.path().join(format!("index{index}"));
            fs::create_dir(&folder).unwrap();
            files.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
        };
        write(3, [("level", "3\n"), ("type", "Unified\n"), ("size", "32M\n"), ("shared_cpu_list", "0-7\n")]);
        write(0, [("level", "1\n"), ("type", "Data\n"), ("size", "32K\n"), ("shared_cpu_list", "0\n")]);
        write(1, [("level", "x\n"), ("type", "Data\n"), ("size", "32K\n"), ("shared_cpu_list", "0\n")]);
        fs::create_dir(root.path().join("power")).unwrap();
        let found = caches(root.path());
        assert_eq!(found.iter().map(|cache| (cache.level, cache.bytes)).collect::<Vec<_>>(), [(1, 32 << 10), (3, 32 << 20)]);
        assert_eq!(caches(&root.path().join("none")), []);
        assert_eq!([list_length("0-7"), list_length("0,2-3\n"), list_length("x"), list_length("")], [Some(8), Some(3), None, Some(0)]);
    }
}
