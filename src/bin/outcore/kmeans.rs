//! `outcore kmeans`: clusters of rows, their centroids, and the label of every row.

use crate::{
    args::Kmeans,
    output::{Style, note, print},
    pca::{number, save},
    saving::{self, writable},
    settings::Settings,
    signals,
};
use outcore::{
    KMeans, KMeansEnd, KMeansOptions, Result,
    report::size::{count, plural},
};
use std::path::PathBuf;

/// Finds clusters, prints what they are like, and saves what is asked for.
pub fn run(command: &Kmeans, settings: &Settings) -> Result<()> {
    let x = settings.session.open(&command.path).checked()?;
    for (flag, path) in [("-o", &command.output), ("--labels", &command.labels)] {
        path.as_ref().map_or(Ok(()), |path| writable(path, flag))?;
    }
    let outputs = [&command.output, &command.labels].into_iter().flatten().map(PathBuf::as_path);
    saving::keep_inputs(outputs, &[Some(command.path.as_str())])?;
    let options = KMeansOptions::new(command.count).seed(command.seed).iterations(command.iterations).tolerance(command.tolerance);
    let options = if command.skip_nan { options.skip_nan() } else { options };
    let options = command.sample.map_or(options.clone(), |rows| options.sample(rows));
    let options = command.batch.map_or(options.clone(), |rows| options.batch(rows));
    let _guard = signals::guard(&settings.session);
    let found = x.kmeans(options).inspect_err(|_| settings.reporter.finish())?;
    let (centroids, labels) = (found.array(&settings.session), found.assign(&x));
    save(&x, &[("centroids", &centroids, &command.output), ("labels", &labels, &command.labels)], settings)?;
    settings.reporter.finish();
    if found.skipped > 0 {
        note("warning", &format!("{} with NaN or infinities left out", plural(found.skipped, "row", "rows")));
    }
    match settings.style {
        Style::Text => print(&text(command, &found)),
        Style::Json => print(&json(command, &x.shape()?, &found).to_string()),
    }
}

fn text(command: &Kmeans, found: &KMeans) -> String {
    let rows: u64 = found.sizes.iter().sum();
    let empty = found.sizes.iter().filter(|&&size| size == 0).count() as u64;
    let full = |pick: fn(u64, u64) -> u64| found.sizes.iter().copied().filter(|&size| size > 0).reduce(pick).unwrap_or(0);
    let end = match found.end {
        KMeansEnd::Converged => "converged",
        KMeansEnd::Iterations => "not converged yet",
    };
    let (drawn, of) = match command.batch {
        Some(batch) => (" drawn", format!(" of {}", plural(batch as u64, "row", "rows"))),
        None => ("", String::new()),
    };
    let first = found.inertia.first().copied().unwrap_or(0.0);
    let last = found.inertia.last().copied().unwrap_or(0.0);
    [
        format!("{}  {}{drawn} in {}", command.path, plural(rows, "row", "rows"), plural(found.sizes.len() as u64, "cluster", "clusters")),
        format!("  iterations  {}{of}, {end}", found.inertia.len()),
        format!("  inertia     {}, {} at first", number(last), number(first)),
        format!("  sizes       {} to {}, {} empty", count(full(u64::min)), count(full(u64::max)), count(empty)),
    ]
    .join("\n")
}

fn json(command: &Kmeans, shape: &[usize], found: &KMeans) -> serde_json::Value {
    serde_json::json!({
        "schema": "outcore.kmeans/1",
        "path": command.path,
        "shape": shape,
        "clusters": found.sizes.len(),
        "seed": command.seed,
        "batch": command.batch,
        "iterations": found.inertia.len(),
        "converged": found.end == KMeansEnd::Converged,
        "inertia": found.inertia,
        "sizes": found.sizes,
        "skipped": found.skipped,
        "outputs": { "centroids": command.output, "labels": command.labels },
    })
}
