//! Everything that the doctor finds, as one value: `outcore.doctor/1`.

use super::{
    Doctor, groups,
    groups::Quota,
    kernel, memory,
    memory::MemoryRates,
    processor::{self, Cache},
    warnings,
};
use crate::{
    args::{Common, spelling},
    disk::{self, Medium},
    measure,
    profile::{Found, Profile, io_name},
    settings::Settings,
};
use outcore::{
    Error, Result,
    array::{Isa, machine},
    plan::NUMERICS_VERSION,
    report::size::memory_bytes,
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// What the JSON calls itself.
pub const SCHEMA: &str = "outcore.doctor/1";
/// Bytes that are written to a disk and read again at most.
const DISK_BYTES: u64 = 256 << 20;
/// How much of the free space that may be: one part of so many.
const FREE_PARTS: u64 = 8;
/// How long a disk is written at most, and read.
const DISK_PATIENCE: Duration = Duration::from_secs(2);
/// Variables that change what programs of this kind do.
const VARIABLES: [&str; 3] = ["OUTCORE_", "OMP_", "RAYON_"];

/// What the doctor finds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Findings {
    pub schema: &'static str,
    pub versions: Versions,
    pub processor: ProcessorFindings,
    pub threads: Threads,
    pub memory: Memory,
    pub memory_rates: Option<MemoryRates>,
    pub paths: Vec<PathFindings>,
    pub in_force: InForce,
    /// Environment variables that matter.
    pub variables: BTreeMap<String, String>,
    pub profile: ProfileFindings,
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Versions {
    pub outcore: &'static str,
    /// Version of the bits that functions give.
    pub numerics: u32,
    /// `release`, or `debug`: without optimisation.
    pub build: &'static str,
    pub kernel: String,
    pub hostname: String,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct ProcessorFindings {
    pub model: String,
    pub features: Vec<String>,
    /// Instruction set of the kernels.
    pub isa: String,
    pub isa_why: String,
    pub isas: Vec<String>,
    pub cores: Option<usize>,
    /// Processors that are switched on.
    pub online: Option<usize>,
    pub caches: Vec<Cache>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Threads {
    pub count: usize,
    pub why: String,
    /// What affinity and quota allow.
    pub allowed: usize,
    /// Processors that this process may run on.
    pub affinity: Option<usize>,
    pub quota: Option<Quota>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Memory {
    pub total_bytes: u64,
    pub available_bytes: Option<u64>,
    pub group_bytes: Option<u64>,
    pub budget_bytes: u64,
    pub budget_why: String,
    pub swap_total_bytes: u64,
    pub swap_used_bytes: u64,
    /// `always`, `madvise` or `never`.
    pub huge_pages: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct PathFindings {
    pub path: PathBuf,
    pub folder: PathBuf,
    pub mount: String,
    pub kind: String,
    /// `disk`, `memory`, `network` or `through`.
    pub medium: &'static str,
    pub free_bytes: u64,
    pub total_bytes: u64,
    /// Bytes per second, written and on the medium.
    pub write: Option<f64>,
    /// Bytes per second, read from the medium.
    pub read: Option<f64>,
    /// Why it was not measured.
    pub not_measured: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct InForce {
    pub block_bytes: Option<u64>,
    pub io: String,
    pub sum: String,
    pub scratch: Option<PathBuf>,
    pub open_files: Option<u64>,
    pub open_files_hard: Option<u64>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct ProfileFindings {
    pub path: Option<PathBuf>,
    /// Why it is not used.
    pub stale: Option<String>,
    pub profile: Option<Profile>,
}

impl Findings {
    /// Looks and measures.
    pub fn look(command: &Doctor, common: &Common, settings: &Settings) -> Result<Findings> {
        let processor = processor_findings(settings);
        let threads = threads(common, settings);
        let memory = memory_findings(common, settings);
        let given = if command.paths.is_empty() { vec![PathBuf::from(".")] } else { command.paths.clone() };
        let mut paths = given.iter().map(|path| path_findings(path)).collect::<Result<Vec<_>>>()?;
        let mut memory_rates = None;
        if !command.quick {
            let cache = processor.caches.iter().map(|cache| cache.bytes).max().unwrap_or(0);
            // What the machine has left may be more than the control group allows.
            let available = memory.available_bytes.unwrap_or(memory.total_bytes);
            let available = memory.group_bytes.map_or(available, |group| group.min(available));
            memory_rates = Some(memory::rates(threads.allowed, cache, available)?);
            measure_disks(&mut paths)?;
        }
        let mut found = Findings {
            schema: SCHEMA,
            versions: versions(),
            processor,
            threads,
            memory,
            memory_rates,
            paths,
            in_force: in_force(settings),
            variables: variables(env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))),
            profile: profile_findings(&settings.profile),
            warnings: Vec::new(),
        };
        found.warnings = warnings::warnings(&found);
        Ok(found)
    }
}

fn versions() -> Versions {
    let system = rustix::system::uname();
    Versions {
        outcore: env!("CARGO_PKG_VERSION"),
        numerics: NUMERICS_VERSION,
        build: if cfg!(debug_assertions) { "debug" } else { "release" },
        kernel: format!("{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy()),
        hostname: measure::hostname(),
    }
}

fn processor_findings(settings: &Settings) -> ProcessorFindings {
    let found = processor::processor(&text("/proc/cpuinfo"));
    let forced = settings.recipe.isa.is_some();
    ProcessorFindings {
        model: found.model,
        features: found.features,
        isa: settings.isa.name().to_string(),
        isa_why: if forced { "OUTCORE_ISA".to_string() } else { "the widest that this processor has".to_string() },
        isas: Isa::available().into_iter().map(|isa| isa.name().to_string()).collect(),
        cores: found.cores,
        online: processor::list_length(&text("/sys/devices/system/cpu/online")).filter(|&count| count > 0),
        caches: processor::caches(Path::new("/sys/devices/system/cpu/cpu0/cache")),
    }
}

fn threads(common: &Common, settings: &Settings) -> Threads {
    let affinity = rustix::thread::sched_getaffinity(None).ok().map(|set| set.count() as usize);
    let quota = groups::quota(&text("/proc/self/cgroup"), Path::new("/sys/fs/cgroup"));
    let (count, allowed) = (settings.session.limits().threads, machine::threads());
    let why = match (&common.threads, &quota) {
        (Some(_), _) => spelling("--threads"),
        (None, Some(quota)) if affinity.is_none_or(|affinity| quota.processors < affinity as f64) => {
            format!("a quota of {:.2} processors in {}", quota.processors, quota.file.display())
        }
        _ => "every processor that affinity allows; there is no smaller quota".to_string(),
    };
    Threads { count, why, allowed, affinity, quota }
}

fn memory_findings(common: &Common, settings: &Settings) -> Memory {
    let bounds = machine::memory_bounds();
    let meminfo = text("/proc/meminfo");
    let kib = |name: &str| machine::kibibytes(&meminfo, name);
    let group_bytes = bounds.group_bytes.filter(|&bytes| bytes < bounds.physical_bytes);
    let budget_why = match (&common.memory, group_bytes) {
        (Some(memory), _) => format!("{} {memory}", spelling("--memory")),
        (None, Some(bytes)) => format!("half of the control group's limit of {}", memory_bytes(bytes)),
        (None, None) => format!("half of the machine's {}", memory_bytes(bounds.physical_bytes)),
    };
    let swap_total_bytes = kib("SwapTotal").unwrap_or(0);
    Memory {
        total_bytes: bounds.physical_bytes,
        available_bytes: kib("MemAvailable"),
        group_bytes,
        budget_bytes: settings.session.limits().memory_bytes,
        budget_why,
        swap_total_bytes,
        swap_used_bytes: swap_total_bytes.saturating_sub(kib("SwapFree").unwrap_or(swap_total_bytes)),
        huge_pages: kernel::chosen(&text("/sys/kernel/mm/transparent_hugepage/enabled")),
    }
}

fn path_findings(path: &Path) -> Result<PathFindings> {
    if !path.exists() {
        return Err(Error::not_found(format!("{}: there is no such file or folder", path.display())));
    }
    let found = disk::file_system(path)?;
    let medium = match found.medium {
        Medium::Disk => "disk",
        Medium::Memory => "memory",
        Medium::Network => "network",
        Medium::Through => "through",
    };
    Ok(PathFindings {
        path: path.to_path_buf(),
        folder: disk::folder_of(path),
        mount: kernel::mount_of(path),
        kind: found.kind,
        medium,
        free_bytes: found.free_bytes,
        total_bytes: found.total_bytes,
        ..PathFindings::default()
    })
}

/// Every folder once.
fn measure_disks(paths: &mut [PathFindings]) -> Result<()> {
    for index in 0..paths.len() {
        let (before, rest) = paths.split_at_mut(index);
        let Some(this) = rest.first_mut() else { continue };
        if let Some(same) = before.iter().find(|other| other.folder == this.folder) {
            (this.write, this.read, this.not_measured) = (same.write, same.read, same.not_measured.clone());
            continue;
        }
        let bytes = DISK_BYTES.min(this.free_bytes / FREE_PARTS);
        if this.total_bytes == 0 {
            this.not_measured = Some("it holds no files of a user's".to_string());
            continue;
        }
        if bytes < 8 << 20 {
            this.not_measured = Some("too little free space".to_string());
            continue;
        }
        match disk::rates(&this.folder, bytes, DISK_PATIENCE) {
            Ok(rates) => (this.write, this.read) = (Some(rates.write), Some(rates.read)),
            Err(error) if error.kind() == outcore::ErrorKind::Cancelled => return Err(error),
            Err(error) => this.not_measured = Some(error.message().to_string()),
        }
    }
    Ok(())
}

fn in_force(settings: &Settings) -> InForce {
    let open = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    InForce {
        block_bytes: settings.recipe.block_bytes,
        io: io_name(settings.recipe.io).to_string(),
        sum: format!("{:?}", settings.session.sum_mode()).to_lowercase(),
        scratch: settings.recipe.scratch.clone(),
        open_files: open.current,
        open_files_hard: open.maximum,
    }
}

fn variables(all: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    all.filter(|(name, _)| VARIABLES.iter().any(|prefix| name.starts_with(prefix))).collect()
}

fn profile_findings(found: &Found) -> ProfileFindings {
    match found {
        Found::None => ProfileFindings { path: crate::profile::path(), ..ProfileFindings::default() },
        Found::Fits(path, profile) => ProfileFindings { path: Some(path.clone()), profile: Some(Profile::clone(profile)), stale: None },
        Found::Stale(path, why) => ProfileFindings { path: Some(path.clone()), profile: None, stale: Some(why.clone()) },
    }
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_that_matter_are_shown() {
        let all = [("OMP_NUM_THREADS", "4"), ("HOME", "/root"), ("OUTCORE_IO", "read"), ("TOKEN", "secret")];
        let found = variables(all.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())));
        assert_eq!(found.into_keys().collect::<Vec<_>>(), ["OMP_NUM_THREADS", "OUTCORE_IO"]);
    }
}
