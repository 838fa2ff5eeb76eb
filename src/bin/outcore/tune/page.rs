//! Where tables and charts go: stdout, `--svg`, `--html`.

use super::Tune;
use crate::{measure, settings::Settings, sides::write as write_side};
use outcore::{
    Result,
    report::{
        chart::Chart,
        sheet::{Sheet, Table},
        size::memory_bytes,
    },
};

/// Writes the files that are asked for. The first chart is the one of `--svg`.
pub fn write(
    command: &Tune,
    settings: &Settings,
    title: &str,
    facts: Vec<(String, String)>,
    charts: Vec<Chart>,
    tables: Vec<Table>,
) -> Result<()> {
    if let (Some(path), Some(chart)) = (&command.svg, charts.first()) {
        write_side(path, &chart.svg_file())?;
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
    write_side(path, &Sheet { title: title.to_string(), facts, charts, tables }.html())
}
