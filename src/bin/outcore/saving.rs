//! How commands save, and what they say of a job that is done.

use crate::{
    args::spelling,
    inputs::{name_of_store, without_query},
    output::note,
    settings::{Existing, Settings, Stopped, check_writable},
};
use outcore::{
    Array, Error, Kept, Result, RunReport, Save,
    report::size::{data_bytes, memory_bytes, plural, seconds},
    store::check_apart,
};
use std::path::Path;

/// How outputs are written.
pub fn save(settings: &Settings) -> Save {
    let save = if settings.existing == Existing::Replace { Save::new().overwrite() } else { Save::new() };
    if settings.stopped == Stopped::Resume { save.resume() } else { save }
}

/// An error before anything is read if a file could not be written at the end.
pub fn writable(path: &Path, flag: &str) -> Result<()> {
    check_writable(path, &spelling(flag))
}

/// An error before anything is read if an output is there already.
pub fn refuse_existing(paths: [&Option<String>; 2], settings: &Settings) -> Result<()> {
    let mut paths = paths.into_iter().flatten();
    match paths.find(|path| settings.existing != Existing::Replace && Path::new(path).exists()) {
        Some(path) => Err(Error::output(format!("{path} exists")).hint("`--overwrite` replaces it")),
        None => Ok(()),
    }
}

/// An error before anything is read if an output is one of the inputs, or lies inside of one, or holds one: outputs that are computed
/// before they are saved do not know what they were computed from.
pub fn keep_inputs<'a>(outputs: impl IntoIterator<Item = &'a Path>, inputs: &[Option<&str>]) -> Result<()> {
    let bare = |input: &&str| without_query(input).split('#').next().unwrap_or_default().to_string();
    let inputs: Vec<String> = inputs.iter().flatten().map(bare).collect();
    outputs.into_iter().try_for_each(|output| check_apart(output, &inputs, [""; 0]))
}

/// Says what a job did, names its inputs as the command did, and tells it to reports. `notes` stand among its warnings.
pub fn tell(mut report: RunReport, inputs: &[(String, Array)], paths: &[&Path], notes: &[String], settings: &Settings) -> Result<()> {
    for (store, _) in &mut report.stats.passes {
        *store = name_of_store(store, inputs);
    }
    report.kept.iter().filter(|kept| kept.bytes > 0).for_each(say_kept);
    report.warnings.iter().for_each(|text| note("warning", text));
    report.digests.iter().for_each(|(path, digest)| note("digest", &format!("{digest}  {path}")));
    settings.reports.tell_files(inputs, paths);
    settings.reports.tell(&report, notes);
    if settings.reporter.is_watched() && !paths.is_empty() {
        note("wrote", &said(&report, paths, settings));
    }
    Ok(())
}

/// Says that a job was not begun anew.
fn say_kept(kept: &Kept) {
    let percent = u128::from(kept.bytes) * 100 / u128::from(kept.bytes_total.max(1));
    note("resumed", &format!("{percent} % of {} was there", kept.path.display()));
}

/// One line for a person who watches.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shown to a person")]
fn said(report: &RunReport, paths: &[&Path], settings: &Settings) -> String {
    let files: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let stats = &report.stats;
    let passes: Vec<String> =
        stats.passes.iter().map(|(name, times)| format!("{} over {name}", plural(*times as u64, "pass", "passes"))).collect();
    let rate = (stats.bytes_read + stats.bytes_written) as f64 / report.seconds.max(1e-9);
    format!(
        "{} in {}, {}/s; {}; {} read, {} written; peak {} of {}",
        files.join(", "),
        seconds(report.seconds),
        data_bytes(rate as u64),
        passes.join(", "),
        data_bytes(stats.bytes_read),
        data_bytes(stats.bytes_written),
        memory_bytes(stats.bytes_peak_held),
        memory_bytes(settings.session.limits().memory_bytes)
    )
}
