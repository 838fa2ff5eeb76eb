//! `outcore pairs`: all pairs of rows that are near to each other.

use crate::{
    args::{Measure, Pairs},
    output::{Style, note, print},
    pca::number,
    saving,
    settings::Settings,
    signals, topk,
};
use outcore::{
    Array, Error, Near, Result,
    report::size::{count, plural},
};
use std::path::Path;

/// More pairs than this are printed only as JSON.
const LINES_MAX: usize = 50;

/// Finds pairs; saves or prints them.
pub fn run(command: &Pairs, settings: &Settings) -> Result<()> {
    let near = near(command)?;
    saving::refuse_existing([&command.output, &command.scores], settings)?;
    let outputs = [&command.output, &command.scores].into_iter().flatten().map(Path::new);
    saving::keep_inputs(outputs, &[Some(command.database.as_str()), command.with.as_deref()])?;
    let _guard = signals::guard(&settings.session);
    let x = topk::vectors(&command.database, command.axis, settings)?;
    let other = command.with.as_ref().map(|path| topk::vectors(path, command.axis, settings)).transpose()?;
    say_plan(command, &x, other.as_ref(), settings)?;
    let found = match &other {
        Some(other) => x.near_pairs_with(other, near),
        None => x.near_pairs(near),
    };
    settings.reporter.finish();
    let found = found?;
    topk::warn_of_rows(found.without_score, command.metric.metric(), "they are in no pair");
    topk::save([&command.output, &command.scores], settings, &found.rows, &found.scores)?;
    settings.reports.tell(&found.report, &[]);
    match settings.style {
        Style::Text => print(&text(command, &found)),
        Style::Json => print(&json(command, &found).to_string()),
    }
}

fn near(command: &Pairs) -> Result<Near> {
    match (command.metric, command.above, command.within) {
        (Measure::Cosine, Some(threshold), None) => Ok(Near::cosine(threshold)),
        (Measure::Dot, Some(threshold), None) => Ok(Near::dot(threshold)),
        (Measure::L2, None, Some(distance)) => Ok(Near::within(distance)),
        (Measure::L2, _, _) => Err(Error::usage("pairs by l2 are those --within a distance")),
        _ => Err(Error::usage("pairs by cosine or dot are those --above a score").hint("--metric l2 --within D takes distances")),
    }
}

/// Tells whoever watches how often the file will be read.
fn say_plan(command: &Pairs, x: &Array, other: Option<&Array>, settings: &Settings) -> Result<()> {
    if settings.reporter.is_watched() {
        let walks = x.near_pairs_walks(other.unwrap_or(x))? as u64;
        let from = if other.is_none() && walks > 1 { ", each from a later row on" } else { "" };
        let path = command.with.as_ref().unwrap_or(&command.database);
        note("plan", &format!("{} of {path}{from}", plural(walks, "walk", "walks")));
    }
    Ok(())
}

fn text(command: &Pairs, found: &outcore::Pairs) -> String {
    let path = command.with.as_ref().unwrap_or(&command.database);
    let walks = plural(found.walks as u64, "walk", "walks");
    let mut lines = vec![format!("{}  {}; {walks} of {path}", command.database, plural(found.scores.len() as u64, "pair", "pairs"))];
    if command.output.is_none() {
        let pairs = found.rows.rows().into_iter().zip(&found.scores).take(LINES_MAX);
        lines.extend(pairs.map(|(rows, score)| format!("  {:>9} {:>9}  {}", rows[0], rows[1], number(*score))));
        if found.scores.len() > LINES_MAX {
            lines.push(format!("  and {} more; --json has all, -o saves them", count((found.scores.len() - LINES_MAX) as u64)));
        }
    }
    lines.join("\n")
}

fn json(command: &Pairs, found: &outcore::Pairs) -> serde_json::Value {
    let saved = command.output.is_some();
    let rows = || found.rows.rows().into_iter().map(|row| row.to_vec()).collect::<Vec<_>>();
    serde_json::json!({
        "schema": "outcore.pairs/1",
        "path": command.database,
        "with": command.with,
        "pairs": found.scores.len(),
        "rows": if saved { None } else { Some(rows()) },
        "scores": if saved { None } else { Some(found.scores.to_vec()) },
        "without_score": found.without_score,
        "walks": found.walks,
        "outputs": { "rows": command.output, "scores": command.scores },
    })
}
