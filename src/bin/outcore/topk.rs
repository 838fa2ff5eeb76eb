//! `outcore topk`: the rows of a database that are nearest to queries.

use crate::{
    args::{Measure, TopK},
    eval,
    output::{Style, note, print, print_values},
    settings::{Existing, Settings},
    signals,
};
use outcore::{DType, Destination, Error, Job, Metric, Neighbours, Result, Search, report::Values};
use std::path::Path;

/// Saves or prints rows and scores.
pub fn run(command: &TopK, settings: &Settings) -> Result<()> {
    let _guard = signals::guard(&settings.session);
    let mut paths = command.output.iter().chain(&command.scores);
    if let Some(path) = paths.find(|path| settings.existing != Existing::Replace && Path::new(path).exists()) {
        return Err(Error::output(format!("{path} exists")).hint("`--overwrite` replaces it"));
    }
    let database = settings.session.open(&command.database).checked()?;
    let database = match command.axis {
        0 => database,
        1 => database.t(),
        axis => return Err(Error::usage(format!("--axis {axis}: vectors are rows (0) or columns (1)"))),
    };
    let metric = match command.metric {
        Measure::Cosine => Metric::Cosine,
        Measure::Dot => Metric::Dot,
        Measure::L2 => Metric::L2,
    };
    let search = Search::nearest(command.count).metric(metric);
    let search = match &command.filter {
        Some(path) => search.filter(&settings.session.open(path).checked()?),
        None => search,
    };
    let found = match &command.queries {
        Some(path) => database.nearest(&settings.session.open(path).checked()?, &search),
        None => database.nearest_neighbours(&search),
    };
    settings.reporter.finish();
    let found = found?;
    if found.without_score > 0 {
        let zeros = if metric == Metric::Cosine { ", or nothing but zeros" } else { "" };
        note("warning", &format!("{} rows have no score: NaN or an infinity{zeros}; they come last", found.without_score));
    }
    save(command, settings, &found)?;
    eval::write_report(&found.report, &[], settings)?;
    match (&command.output, settings.style) {
        (Some(_), _) => Ok(()),
        (None, Style::Text) => {
            let bytes: Vec<u8> = found.rows.iter().flat_map(|row| row.to_ne_bytes()).collect();
            print_values(&Values { dtype: DType::I64, shape: found.rows.shape(), bytes: &bytes }, Style::Text)
        }
        (None, Style::Json) => {
            let lists = |numbers: Vec<serde_json::Value>| numbers.chunks(command.count).map(<[_]>::to_vec).collect::<Vec<_>>();
            let line = serde_json::json!({
                "schema": "outcore.topk/1",
                "rows": lists(found.rows.iter().map(|row| (*row).into()).collect()),
                "scores": lists(found.scores.iter().map(|score| (*score).into()).collect()),
                "without_score": found.without_score,
            });
            print(&line.to_string())
        }
    }
}

/// Both results, or none of them.
fn save(command: &TopK, settings: &Settings, found: &Neighbours) -> Result<()> {
    let rows = settings.session.from_ndarray(found.rows.clone());
    let scores = settings.session.from_ndarray(found.scores.clone());
    let outputs = [("rows", &command.output, &rows), ("scores", &command.scores, &scores)];
    let mut job = Job::new(&settings.session).save(eval::save(settings));
    for (name, path, array) in outputs {
        if let Some(path) = path {
            job = job.output(name, array, Destination::Path(path.into()));
        }
    }
    if command.output.is_none() && command.scores.is_none() { Ok(()) } else { job.run().map(|_| ()) }
}
