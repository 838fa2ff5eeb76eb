//! `outcore pca`: principal components, what they explain, and projections onto them.

use crate::{
    args::{Method, Pca},
    output::{Style, print},
    saving::{self, writable},
    settings::Settings,
    signals,
};
use outcore::{
    Array, Destination, Job, PcaMethod, PcaOptions, Result,
    report::{PrintOptions, Values, numpy_text, size::count},
};
use std::path::PathBuf;

/// More components than this are printed only as JSON.
const LINES_MAX: usize = 50;

/// Finds components, prints what they explain, and saves what is asked for.
pub fn run(command: &Pca, settings: &Settings) -> Result<()> {
    let x = settings.session.open(&command.path).checked()?;
    let paths = [("-o", &command.output), ("--components", &command.components), ("--mean", &command.mean)];
    saving::keep_inputs(paths.iter().filter_map(|(_, path)| path.as_deref()), &[Some(command.path.as_str())])?;
    for (flag, path) in paths.iter().filter_map(|(flag, path)| path.as_ref().map(|path| (flag, path))) {
        writable(path, flag)?;
    }
    let options = command.count.map_or_else(PcaOptions::new, |count| PcaOptions::new().components(count));
    let method = match command.method {
        Method::Auto => PcaMethod::Auto,
        Method::Exact => PcaMethod::Exact,
        Method::Randomized => PcaMethod::Randomized,
    };
    let options = options.method(method).seed(command.seed).powers(command.powers);
    let _guard = signals::guard(&settings.session);
    let found = x.pca(options).inspect_err(|_| settings.reporter.finish())?;
    let projected = if command.whiten { found.whiten(&x) } else { found.transform(&x) };
    let components = settings.session.from_ndarray(found.components.clone());
    let mean = settings.session.from_ndarray(found.mean.clone());
    save(
        &x,
        &[("projected", &projected, &command.output), ("components", &components, &command.components), ("mean", &mean, &command.mean)],
        settings,
    )?;
    settings.reporter.finish();
    match settings.style {
        Style::Text => print(&text(command, &x.shape()?, &found)),
        Style::Json => print(&json(command, &x.shape()?, &found).to_string()),
    }
}

/// Saves what has a path, all together, and writes the report.
pub fn save(x: &Array, outputs: &[(&str, &Array, &Option<PathBuf>)], settings: &Settings) -> Result<()> {
    let mut job = Job::new(&settings.session).save(saving::save(settings));
    let mut paths = Vec::new();
    for (name, array, path) in outputs {
        let Some(path) = path else { continue };
        job = job.output(*name, array, Destination::Path(path.clone()));
        paths.push(path.as_path());
    }
    if paths.is_empty() {
        settings.reports.tell_files(&[("x".to_string(), x.clone())], &[]);
        return Ok(());
    }
    let report = job.run().inspect_err(|_| settings.reporter.finish())?.report;
    settings.reporter.finish();
    saving::tell(report, &[("x".to_string(), x.clone())], &paths, &[], settings)?;
    // What was computed before anything could be saved is most of it.
    settings.reports.tell_whole();
    Ok(())
}

/// A number with the digits that read back.
pub fn number(value: f64) -> String {
    numpy_text(&Values { dtype: outcore::DType::F64, shape: &[], bytes: &value.to_ne_bytes() }, &PrintOptions::default())
}

fn text(command: &Pca, shape: &[usize], found: &outcore::Pca) -> String {
    let ratios = &found.explained_variance_ratio;
    let total: f64 = ratios.sum();
    let how = if found.method == PcaMethod::Randomized { " from random directions" } else { "" };
    let mut lines = vec![format!(
        "{}  {} samples of {} features; {} of {} components{how}: {:.2} % of the variance",
        command.path,
        count(found.samples as u64),
        count(shape[1] as u64),
        count(ratios.len() as u64),
        count(shape[0].min(shape[1]) as u64),
        100.0 * total
    )];
    lines.push("  component  variance                 part      together".to_string());
    let mut together = 0.0;
    for (place, (variance, part)) in found.explained_variance.iter().zip(ratios).enumerate().take(LINES_MAX) {
        together += part;
        lines.push(format!("  {place:>9}  {:<23}  {:>6.2} %  {:>6.2} %", number(*variance), 100.0 * part, 100.0 * together));
    }
    if ratios.len() > LINES_MAX {
        lines.push(format!("  and {} more; --json has all", count((ratios.len() - LINES_MAX) as u64)));
    }
    lines.join("\n")
}

fn json(command: &Pca, shape: &[usize], found: &outcore::Pca) -> serde_json::Value {
    serde_json::json!({
        "schema": "outcore.pca/1",
        "path": command.path,
        "shape": shape,
        "components": found.components.nrows(),
        "method": if found.method == PcaMethod::Randomized { "randomized" } else { "exact" },
        "explained_variance": found.explained_variance.to_vec(),
        "explained_variance_ratio": found.explained_variance_ratio.to_vec(),
        "whitened": command.whiten,
        "outputs": { "projected": command.output, "components": command.components, "mean": command.mean },
    })
}
