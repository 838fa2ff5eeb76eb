//! `outcore topk`: the rows of a database that are nearest to queries.

use crate::{
    args::{Measure, TopK},
    output::{Style, note, print, print_values},
    saving,
    settings::Settings,
    signals,
};
use outcore::{Array, DType, Destination, Error, Job, Metric, Result, Search, ndarray, report::Values};
use std::path::Path;

/// Saves or prints rows and scores.
pub fn run(command: &TopK, settings: &Settings) -> Result<()> {
    let _guard = signals::guard(&settings.session);
    saving::refuse_existing([&command.output, &command.scores], settings)?;
    let inputs = [Some(command.database.as_str()), command.queries.as_deref(), command.filter.as_deref()];
    saving::keep_inputs([&command.output, &command.scores].into_iter().flatten().map(Path::new), &inputs)?;
    let database = vectors(&command.database, command.axis, settings)?;
    let metric = command.metric.metric();
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
    warn_of_rows(found.without_score, metric, "they come last");
    save([&command.output, &command.scores], settings, &found.rows, &found.scores)?;
    settings.reports.tell(&found.report, &[]);
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

impl Measure {
    /// The metric of that name.
    pub fn metric(self) -> Metric {
        match self {
            Measure::Cosine => Metric::Cosine,
            Measure::Dot => Metric::Dot,
            Measure::L2 => Metric::L2,
        }
    }
}

/// A matrix whose rows are vectors, from one whose vectors lie along `axis`.
pub fn vectors(path: &str, axis: i64, settings: &Settings) -> Result<Array> {
    let array = settings.session.open(path).checked()?;
    match axis {
        0 => Ok(array),
        1 => Ok(array.t()),
        axis => Err(Error::usage(format!("--axis {axis}: vectors are rows (0) or columns (1)"))),
    }
}

/// Says how many rows were left out.
pub fn warn_of_rows(without_score: u64, metric: Metric, fate: &str) {
    if without_score > 0 {
        let zeros = if metric == Metric::Cosine { ", or nothing but zeros" } else { "" };
        note("warning", &format!("{without_score} rows have no score: NaN or an infinity{zeros}; {fate}"));
    }
}

/// Both rows and scores where they were asked for, or none of them.
pub fn save<D: ndarray::Dimension>(
    paths: [&Option<String>; 2],
    settings: &Settings,
    rows: &ndarray::Array2<i64>,
    scores: &ndarray::Array<f64, D>,
) -> Result<()> {
    if paths.iter().all(|path| path.is_none()) {
        return Ok(());
    }
    let [to_rows, to_scores] = paths;
    let rows = to_rows.as_ref().map(|path| ("rows", settings.session.from_ndarray(rows.clone()), path));
    let scores = to_scores.as_ref().map(|path| ("scores", settings.session.from_ndarray(scores.clone()), path));
    let outputs = [rows, scores].into_iter().flatten();
    let job = outputs.fold(Job::new(&settings.session).save(saving::save(settings)), |job, (name, array, path)| {
        job.output(name, &array, Destination::Path(path.into()))
    });
    job.run().map(|_| ())
}
