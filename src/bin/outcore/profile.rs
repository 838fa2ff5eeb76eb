//! The machine profile: rates that `doctor --save` measured and settings that `tune --save` found best.
//!
//! It lies in `$XDG_CONFIG_HOME/outcore/machine.json` or `~/.config/outcore/machine.json`; `OUTCORE_PROFILE` names another file, or none if
//! it is empty. A profile of another machine is left alone. What it says changes how fast something runs and never what comes out.

use crate::measure;
use outcore::{Error, IoMode, Result, SumMode, report::size::memory_bytes};
use serde::{Deserialize, Serialize};
use std::{
    env,
    ffi::OsString,
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

/// What a file of this form calls itself.
const SCHEMA: &str = "outcore.machine/1";

/// What is known of one machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// [`SCHEMA`].
    pub schema: String,
    /// Version of the program that wrote it.
    pub version: String,
    /// The machine's name.
    pub hostname: String,
    /// Its processor.
    pub cpu: String,
    /// What `doctor` measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<Rates>,
    /// What `tune` found best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuned: Option<Tuned>,
}

/// Measured rates, in bytes per second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Memory read, by all threads.
    pub memory_read: f64,
    /// Memory read and written, by all threads.
    pub memory_copy: f64,
    /// Operations per second in registers of the kernels, by all threads. Profiles of before have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<f64>,
    /// What "all threads" were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Disks that were looked at.
    pub disks: Vec<DiskRates>,
}

/// Measured rates of one disk, in bytes per second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiskRates {
    /// Where it is mounted.
    pub mount: String,
    /// Kind of its file system.
    pub kind: String,
    /// Read from the medium.
    pub read: f64,
    /// Written and on the medium.
    pub write: f64,
}

/// The best of a sweep. What is not there is best left as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// Bytes of a block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_bytes: Option<u64>,
    /// Compute threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// How files are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io: Option<IoMode>,
    /// What was swept.
    pub statements: String,
}

/// What was found where the profile belongs.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Nothing.
    None,
    /// A profile of this machine.
    Fits(PathBuf, Box<Profile>),
    /// A file that says nothing of this machine, and why.
    Stale(PathBuf, String),
}

/// What of a profile a session takes over, where no flag and no variable says otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Bytes of a block.
    pub block_bytes: Option<u64>,
    /// Compute threads.
    pub threads: Option<usize>,
    /// How files are read.
    pub io: Option<IoMode>,
}

impl Found {
    /// The profile, if it is one of this machine.
    pub fn profile(&self) -> Option<&Profile> {
        match self {
            Found::Fits(_, profile) => Some(profile),
            _ => None,
        }
    }

    /// What should be said of a file that is not used.
    pub fn note(&self) -> Option<String> {
        match self {
            Found::Stale(path, why) => Some(format!("the machine profile {} is not used: {why}", path.display())),
            _ => None,
        }
    }
}

impl Applied {
    /// What `tuned` says of what `given` leaves open. Block bytes decide the order in which sums that are not exact are added up, so they are
    /// taken for exact sums only; threads are never more than `threads_max`.
    pub fn new(tuned: Option<&Tuned>, given: &Applied, sum: Option<SumMode>, threads_max: usize) -> Applied {
        let Some(tuned) = tuned else { return Applied::default() };
        let exact = sum.is_none_or(|mode| mode == SumMode::Exact);
        Applied {
            block_bytes: tuned.block_bytes.filter(|&bytes| exact && bytes > 0 && given.block_bytes.is_none()),
            threads: tuned.threads.filter(|_| given.threads.is_none()).map(|threads| threads.clamp(1, threads_max.max(1))),
            io: tuned.io.filter(|_| given.io.is_none()),
        }
    }

    /// In words; empty: nothing is taken over.
    pub fn show(&self) -> String {
        let parts = [
            self.block_bytes.map(|bytes| format!("block {}", memory_bytes(bytes))),
            self.threads.map(|threads| format!("threads {threads}")),
            self.io.map(|io| format!("io {}", io_name(io))),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// The name of a way to read files, as its flag has it.
pub fn io_name(io: IoMode) -> &'static str {
    match io {
        IoMode::Auto => "auto",
        IoMode::Mmap => "mmap",
        IoMode::Read => "read",
    }
}

/// Where the profile belongs; `None`: nowhere.
pub fn path() -> Option<PathBuf> {
    place(env::var_os("OUTCORE_PROFILE"), env::var_os("XDG_CONFIG_HOME"), env::var_os("HOME"))
}

/// Where the profile is saved; an error if it belongs nowhere.
pub fn place_to_save() -> Result<PathBuf> {
    path().ok_or_else(|| Error::usage("there is no place for a machine profile").hint("OUTCORE_PROFILE=machine.json"))
}

fn place(named: Option<OsString>, config: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    if let Some(named) = named {
        return (!named.is_empty()).then(|| named.into());
    }
    // The specification wants relative paths ignored.
    let config = config.map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = config.or_else(|| home.filter(|home| !home.is_empty()).map(|home| PathBuf::from(home).join(".config")))?;
    Some(folder.join("outcore/machine.json"))
}

/// The profile, if there is one. It never stops a job.
pub fn load() -> Found {
    match path() {
        // Most machines have none, and need not be asked for their names.
        Some(path) if path.exists() => load_from(&path, &measure::hostname(), &measure::processor()),
        _ => Found::None,
    }
}

fn load_from(path: &Path, hostname: &str, cpu: &str) -> Found {
    let stale = |why: String| Found::Stale(path.to_path_buf(), why);
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::None,
        Err(error) => return stale(error.to_string()),
    };
    match serde_json::from_str::<Profile>(&text) {
        Err(error) => stale(format!("it is no profile ({error})")),
        Ok(profile) if profile.schema != SCHEMA => stale(format!("its schema is {}, not {SCHEMA}", profile.schema)),
        Ok(profile) if profile.hostname != hostname => stale(format!("it is of the machine {}, this is {hostname}", profile.hostname)),
        Ok(profile) if profile.cpu != cpu => stale(format!("it is of a {}, this is a {cpu}", profile.cpu)),
        Ok(profile) => Found::Fits(path.to_path_buf(), Box::new(profile)),
    }
}

/// Changes the profile of this machine, and begins a new one if there is none. Gives its path.
pub fn change(how: impl FnOnce(&mut Profile)) -> Result<PathBuf> {
    let path = place_to_save()?;
    let mut profile = match load() {
        Found::Fits(_, profile) => *profile,
        _ => Profile::default(),
    };
    profile.schema = SCHEMA.to_string();
    profile.version = env!("CARGO_PKG_VERSION").to_string();
    (profile.hostname, profile.cpu) = (measure::hostname(), measure::processor());
    how(&mut profile);
    write(&path, &profile).map_err(|error| Error::output(format!("cannot write {}: {error}", path.display())))?;
    Ok(path)
}

/// The new file takes the place of the old one when it is complete.
fn write(path: &Path, profile: &Profile) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(serde_json::to_string_pretty(profile)?.as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_follows_the_variables() {
        let os = |text: &str| Some(OsString::from(text));
        assert_eq!(place(os("p.json"), os("/c"), os("/h")), Some("p.json".into()));
        assert_eq!(place(os(""), os("/c"), os("/h")), None);
        assert_eq!(place(None, os("/c"), os("/h")), Some("/c/outcore/machine.json".into()));
        assert_eq!(place(None, os("relative"), os("/h")), Some("/h/.config/outcore/machine.json".into()));
        assert_eq!(place(None, None, None), None);
    }

    #[test]
    fn a_profile_of_another_machine_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/machine.json");
        assert_eq!(load_from(&path, "host", "cpu"), Found::None);
        let profile = Profile { schema: SCHEMA.into(), hostname: "host".into(), cpu: "cpu".into(), ..Profile::default() };
        write(&path, &profile).unwrap();
        assert_eq!(load_from(&path, "host", "cpu"), Found::Fits(path.clone(), Box::new(profile)));
        for (hostname, cpu, said) in [("other", "cpu", "the machine host"), ("host", "better", "of a cpu")] {
            let note = load_from(&path, hostname, cpu).note().unwrap();
            assert!(note.contains(said) && note.contains("is not used"), "{note}");
        }
        fs::write(&path, "{").unwrap();
        assert!(load_from(&path, "host", "cpu").note().unwrap().contains("no profile"));
    }

    #[test]
    fn flags_win_and_results_never_depend_on_a_profile() {
        let tuned = Tuned { block_bytes: Some(1 << 20), threads: Some(8), io: Some(IoMode::Read), statements: String::new() };
        let all = Applied::new(Some(&tuned), &Applied::default(), None, 4);
        assert_eq!(all, Applied { block_bytes: Some(1 << 20), threads: Some(4), io: Some(IoMode::Read) });
        assert_eq!(all.show(), "block 1.00 MiB, threads 4, io read");
        let given = Applied { block_bytes: Some(1), threads: Some(1), io: Some(IoMode::Auto) };
        assert_eq!(Applied::new(Some(&tuned), &given, None, 4), Applied::default());
        assert_eq!(Applied::new(Some(&tuned), &Applied::default(), Some(SumMode::Naive), 4).block_bytes, None);
        assert_eq!(Applied::new(None, &Applied::default(), None, 4), Applied::default());
    }
}
