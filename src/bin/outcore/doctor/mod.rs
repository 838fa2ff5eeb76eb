//! `outcore doctor`: what this machine offers, what is in force and why, and what would bite. Nothing of the user's is read or changed.
//!
//! Files of the kernel are parsed by [`processor`], [`groups`] and [`kernel`], from text, so that tests need no such machine. [`findings`]
//! puts everything into one value, of which [`warnings`], [`show`] and [`compare`] make sentences.

mod compare;
mod findings;
mod groups;
mod kernel;
mod memory;
mod processor;
mod show;
mod warnings;

pub use kernel::mount_of;

use crate::{
    args::Common,
    output::{Style, note, print},
    profile::{self, DiskRates, Rates},
    reporting::operation_rate,
    settings::Settings,
};
use clap::Args;
use findings::Findings;
use outcore::{Error, Result};
use std::{fs, path::PathBuf};

/// `outcore doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Files or folders whose disks are looked at and measured [default: the current folder]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Show what has changed since `outcore doctor --json > OLD.json`
    #[arg(long, value_name = "OLD.json")]
    pub compare: Option<PathBuf>,
    /// Keep the measured rates in the machine profile (~/.config/outcore/machine.json, or OUTCORE_PROFILE): `explain` predicts times by
    /// them, and reports draw their roofline
    #[arg(long, conflicts_with = "quick")]
    pub save: bool,
    /// Measure nothing
    #[arg(long)]
    pub quick: bool,
}

/// Looks, and tells.
pub fn run(command: &Doctor, common: &Common, settings: &Settings) -> Result<()> {
    let old = command.compare.as_ref().map(read_old).transpose()?;
    let found = Findings::look(command, common, settings)?;
    if command.save {
        let operations = operation_rate(settings)?;
        let path = profile::change(|profile| profile.rates = rates(&found, operations, settings.session.limits().threads))?;
        note("saved", &format!("the measured rates, in {}", path.display()));
    }
    let new = serde_json::to_value(&found).map_err(|error| Error::internal(format!("findings are no JSON: {error}")))?;
    match (old, settings.style) {
        (Some(old), Style::Text) => print(&compare::text(&compare::changes(&old, &new))),
        (Some(old), Style::Json) => print(&compare::json(&compare::changes(&old, &new)).to_string()),
        (None, Style::Text) => print(&show::text(&found)),
        (None, Style::Json) => print(&serde_json::to_string_pretty(&new).unwrap_or_default()),
    }
}

fn read_old(path: &PathBuf) -> Result<serde_json::Value> {
    let bytes = fs::read(path).map_err(|error| Error::io("read", path.display(), error))?;
    let bad = |why: String| Error::data(format!("{}: {why}", path.display())).hint("a file that `outcore doctor --json` wrote");
    let old: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| bad(format!("it is no JSON ({error})")))?;
    match old["schema"].as_str() {
        Some(findings::SCHEMA) => Ok(old),
        other => Err(bad(format!("its schema is {}, not {}", other.unwrap_or("not there"), findings::SCHEMA))),
    }
}

/// What a profile keeps of the findings. The last path on a disk speaks for it. `operations` were measured with `threads`: if memory was
/// with others, they are not kept.
fn rates(found: &Findings, operations: f64, threads: usize) -> Option<Rates> {
    let memory = found.memory_rates.as_ref()?;
    let mut disks: Vec<DiskRates> = Vec::new();
    for path in &found.paths {
        let (Some(read), Some(write)) = (path.read, path.write) else { continue };
        disks.retain(|disk| disk.mount != path.mount);
        disks.push(DiskRates { mount: path.mount.clone(), kind: path.kind.clone(), read, write });
    }
    let operations = (memory.threads == threads).then_some(operations);
    Some(Rates { memory_read: memory.read_all, memory_copy: memory.copy_all, operations, threads: Some(memory.threads), disks })
}
