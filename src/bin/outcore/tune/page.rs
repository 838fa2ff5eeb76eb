//! Where tables and charts go: stdout, `--svg`, `--html`.

use super::Tune;
use crate::{measure, settings::Settings};
use outcore::{
    Error, Result,
    report::{
        chart::Chart,
        sheet::{Sheet, Table},
        size::memory_bytes,
    },
};
use std::{fs, path::Path};

/// Writes the files that are asked for. The first chart is the one of `--svg`.
pub fn write(
    command: &Tune,
    settings: &Settings,
    title: &str,
    facts: Vec<(String, String)>,
    charts: Vec<Chart>,
    tables: Vec<Table>,
) -> Result<()> {
    let save = |path: &Path, text: String| fs::write(path, text).map_err(|error| Error::io("write", path.display(), error));
    if let (Some(path), Some(chart)) = (&command.svg, charts.first()) {
        save(path, chart.svg_file())?;
    }
    let Some(path) = &command.html else { return Ok(()) };
    let limits = settings.session.limits();
    let machine = [
        ("machine", measure::hostname()),
        ("processor", measure::processor()),
        ("kernels", settings.isa.name().to_string()),
        ("threads", limits.threads.to_string()),
        ("budget", memory_bytes(limits.memory_bytes)),
        ("version", env!("CARGO_PKG_VERSION").to_string()),
    ];
    let facts = facts.into_iter().chain(machine.map(|(name, value)| (name.to_string(), value))).collect();
    save(path, Sheet { title: title.to_string(), facts, charts, tables }.html())
}
