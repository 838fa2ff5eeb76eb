//! A finished job as one page that needs nothing else: no script, no font, no address. Well-formed as XML too, so that a test reads it.
//!
//! Numbers that are those of the JSON report carry their place in it and their value as it stands there (`data-json`, `data-value`); the
//! whole JSON is inside the page, as the element `report`.

mod charts;
mod stages;
mod timeline;

use super::{
    drawing::drawing,
    markup::escape,
    size::{count, data_bytes, memory_bytes, plural, seconds},
    sketch::Sketch,
    summary::{Durations, Summary},
};
use crate::trace::Recording;
use std::fmt::Write as _;

/// Decisions that are shown at most.
const DECISIONS_MAX: usize = 200;
/// Plans that are drawn at most.
const PLANS_MAX: usize = 8;

/// What a page is made of.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// The report.
    pub summary: &'a Summary,
    /// What happened when.
    pub recording: &'a Recording,
    /// What was planned.
    pub plans: &'a [Sketch],
}

/// The page.
#[must_use]
pub fn page(page: &Page<'_>) -> String {
    let mut text = String::with_capacity(128 * 1024);
    text.push_str("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
    text.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>outcore run</title>\n<style>\n");
    text.push_str(include_str!("page.css"));
    text.push_str("</style>\n</head>\n<body>\n<main>\n");
    header(&mut text, page.summary);
    tiles(&mut text, page.summary);
    warnings(&mut text, page.summary);
    ran(&mut text, page.summary);
    plans(&mut text, page.plans);
    text.push_str("<div class=\"pair\">\n");
    section(
        &mut text,
        "throughput",
        "Throughput",
        "bytes of sources and outputs, page cache included",
        &charts::throughput(page.recording),
    );
    section(
        &mut text,
        "memory",
        "Memory",
        "of the process and of the engine, against the budget",
        &charts::memory(page.summary, page.recording),
    );
    text.push_str("</div>\n");
    section(&mut text, "stages", "Stages", "", &stages::table(page.summary));
    text.push_str("<div class=\"pair\">\n");
    section(&mut text, "roofline", "Roofline", "this run under what the machine can do", &charts::roofline(page.summary, page.plans));
    section(&mut text, "blocks", "Blocks", "how long each of them took", &charts::blocks(page.summary, page.recording));
    text.push_str("</div>\n");
    section(&mut text, "timeline", "Timeline", "what every thread did", &timeline::timeline(page.recording));
    environment(&mut text, page.summary);
    decisions(&mut text, page.plans);
    footer(&mut text, page.summary);
    text.push_str("</main>\n</body>\n</html>\n");
    text
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(what);
}

fn section(text: &mut String, id: &str, title: &str, about: &str, inner: &str) {
    let about = if about.is_empty() { String::new() } else { format!("<small>{}</small>", escape(about)) };
    push(text, format_args!("<section id=\"{id}\">\n<h2>{}{about}</h2>\n{inner}</section>\n", escape(title)));
}

/// A number of the JSON report in words, with its place there.
fn fact(place: &str, value: impl Into<serde_json::Value>, words: &str) -> String {
    let value = value.into();
    format!("<span data-json=\"{place}\" data-value=\"{}\">{}</span>", escape(&value.to_string()), escape(words))
}

fn header(text: &mut String, summary: &Summary) {
    let what = if summary.ran.outputs.is_empty() { "outcore run".to_string() } else { files(&summary.ran.outputs) };
    let when = summary.env.more.iter().find(|(name, _)| name == "finished").map_or(String::new(), |(_, when)| format!(", {when}"));
    let about = format!("outcore {} on {}{when}", summary.env.version, summary.env.cpu);
    push(text, format_args!("<header>\n<h1>{}</h1>\n<p class=\"note\">{}</p>\n</header>\n", escape(&what), escape(&about)));
}

/// The first few of a list of files.
fn files(paths: &[String]) -> String {
    let shown = paths.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    if paths.len() > 3 { format!("{shown} and {} more", paths.len() - 3) } else { shown }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shown to a person")]
fn tiles(text: &mut String, summary: &Summary) {
    let limits = &summary.env.limits;
    let rate = (summary.bytes_read + summary.bytes_written) as f64 / summary.seconds.max(1e-9);
    let passes: Vec<String> =
        summary.passes.iter().take(3).map(|(name, passes)| format!("{} over {name}", plural(*passes as u64, "pass", "passes"))).collect();
    let more = if summary.passes.len() > 3 { ", …" } else { "" };
    let passes = escape(&passes.join(", ")) + more;
    let read = match summary.bytes_read {
        0 => passes,
        _ if summary.bytes_copied == 0 => format!("{passes}; used where it lies"),
        _ => {
            format!("{passes}; {} of it copied or decoded", fact("/bytes_copied", summary.bytes_copied, &data_bytes(summary.bytes_copied)))
        }
    };
    let written = match summary.ran.outputs.len() {
        0 => "no file: results are in memory".to_string(),
        files => format!("to {}, on the medium", plural(files as u64, "file", "files")),
    };
    let share = 100.0 * summary.bytes_peak_held as f64 / (limits.memory_bytes as f64).max(1.0);
    let peak = fact("/bytes_peak_held", summary.bytes_peak_held, &memory_bytes(summary.bytes_peak_held));
    let (blocks, times) = blocks_tile(summary);
    let tiles = [
        (
            "Time",
            fact("/seconds", summary.seconds, &seconds(summary.seconds)),
            format!("{}/s on the whole", escape(&data_bytes(rate as u64))),
        ),
        ("Read", fact("/bytes_read", summary.bytes_read, &data_bytes(summary.bytes_read)), read),
        ("Written", fact("/bytes_written", summary.bytes_written, &data_bytes(summary.bytes_written)), written),
        ("Memory held at most", peak, memory_tile(summary, share)),
        ("Blocks", blocks, times),
    ];
    text.push_str("<div class=\"tiles\">\n");
    for (what, value, more) in tiles {
        push(
            text,
            format_args!(
                "<div class=\"tile\"><div class=\"what\">{what}</div><div class=\"value\">{value}</div><div class=\"more\">{more}</div></div>\n"
            ),
        );
    }
    text.push_str("</div>\n");
}

fn memory_tile(summary: &Summary, share: f64) -> String {
    let budget = summary.env.limits.memory_bytes;
    let planned = fact("/bytes_peak_planned", summary.bytes_peak_planned, &memory_bytes(summary.bytes_peak_planned));
    let budget = fact("/env/limits/memory_bytes", budget, &memory_bytes(budget));
    format!("<div class=\"meter\"><i style=\"width:{:.1}%\"></i></div>{planned} planned, of a budget of {budget}", share.clamp(0.0, 100.0))
}

fn blocks_tile(summary: &Summary) -> (String, String) {
    let blocks = fact("/blocks", summary.blocks, &count(summary.blocks));
    let times = summary.block_times.map_or("not timed".to_string(), |times| percentiles("/block_times", &times));
    (blocks, times)
}

/// The three percentiles that are told everywhere.
fn percentiles(place: &str, times: &Durations) -> String {
    let one = |name: &str, value: f64| fact(&format!("{place}/{name}_seconds"), value, &format!("{name} {}", short_seconds(value)));
    [one("p50", times.p50_seconds), one("p95", times.p95_seconds), one("p99", times.p99_seconds)].join(", ")
}

/// Seconds of a block, which may be few microseconds.
pub(super) fn short_seconds(value: f64) -> String {
    if value < 1e-6 {
        format!("{:.0} ns", value * 1e9)
    } else if value < 1e-4 {
        format!("{:.1} µs", value * 1e6)
    } else if value < 1e-3 {
        format!("{:.0} µs", value * 1e6)
    } else {
        seconds(value)
    }
}

fn warnings(text: &mut String, summary: &Summary) {
    let hidden = summary.bytes_copied_hidden;
    let fallback = format!("{} were to be mapped and had to be read: a copy that the plan did not show", data_bytes(hidden));
    let all: Vec<&String> = summary.warnings.iter().chain((hidden > 0).then_some(&fallback)).collect();
    if all.is_empty() {
        return;
    }
    let lines: String = all.iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect();
    push(text, format_args!("<section id=\"warnings\" class=\"warnings\">\n<h2>Warnings</h2>\n<ul>\n{lines}</ul>\n</section>\n"));
}

fn ran(text: &mut String, summary: &Summary) {
    let told = &summary.ran;
    let mut inner = String::new();
    if !told.statements.is_empty() {
        push(&mut inner, format_args!("<pre>{}</pre>\n", escape(&told.statements)));
    }
    let mut rows: Vec<(String, String)> = told.inputs.iter().map(|(name, what)| (format!("in {name}"), what.clone())).collect();
    rows.extend(told.outputs.iter().map(|path| ("out".to_string(), path.clone())));
    if !told.command.is_empty() {
        rows.push(("command".to_string(), told.command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")));
    }
    rows.extend(summary.digests.iter().map(|(path, digest)| (format!("digest of {path}"), digest.clone())));
    for (name, id) in [("job", &summary.job_id), ("plan", &summary.plan_id)] {
        if !id.is_empty() {
            rows.push((name.to_string(), id.clone()));
        }
    }
    inner.push_str(&list(&rows));
    section(text, "ran", "What ran", "", &inner);
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_./=:,@%+".contains(letter);
    if !word.is_empty() && word.chars().all(plain) { word.to_string() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn list(rows: &[(String, String)]) -> String {
    let rows: String = rows.iter().map(|(name, what)| format!("<dt>{}</dt><dd>{}</dd>\n", escape(name), escape(what))).collect();
    format!("<dl>\n{rows}</dl>\n")
}

fn plans(text: &mut String, plans: &[Sketch]) {
    let mut inner = String::new();
    for (index, plan) in plans.iter().take(PLANS_MAX).enumerate() {
        if plans.len() > 1 {
            let times = if plan.executions > 1 { format!(", run {} times", count(plan.executions)) } else { String::new() };
            push(&mut inner, format_args!("<p class=\"note\">plan {} of {}{times}</p>\n", index + 1, plans.len()));
        }
        inner.push_str(&drawing(plan));
    }
    if plans.len() > PLANS_MAX {
        push(&mut inner, format_args!("<p class=\"note\">and {} more plans</p>\n", plans.len() - PLANS_MAX));
    }
    if plans.is_empty() {
        inner.push_str("<p class=\"note\">No plan was run.</p>\n");
    }
    section(text, "plan", "Plan", "what is read, computed in passes, and written; dashed arrows copy or decode", &inner);
}

fn environment(text: &mut String, summary: &Summary) {
    let env = &summary.env;
    let mut rows = vec![
        ("outcore".to_string(), format!("{}, numerics {}", env.version, summary.numerics)),
        ("processor".to_string(), env.cpu.clone()),
        ("instruction set in use".to_string(), env.isa.clone()),
        ("threads".to_string(), env.limits.threads.to_string()),
        ("memory budget".to_string(), memory_bytes(env.limits.memory_bytes)),
        ("files are reached by".to_string(), summary.io.clone()),
        (
            "block".to_string(),
            env.limits.block_bytes.map_or("chosen from the cache".to_string(), |bytes| format!("{}, asked for", memory_bytes(bytes))),
        ),
    ];
    if let Some(bytes) = summary.bytes_peak_measured {
        rows.push(("resident at most".to_string(), format!("{}, by the kernel's count, of the whole process", memory_bytes(bytes))));
    }
    rows.extend(env.more.iter().cloned());
    section(text, "environment", "Environment", "", &list(&rows));
}

fn decisions(text: &mut String, plans: &[Sketch]) {
    let mut lines: Vec<String> = Vec::new();
    for decision in plans.iter().flat_map(|plan| &plan.why) {
        let line = format!("<li><b>{}</b>: {}</li>\n", escape(&decision.about), escape(&decision.text));
        if lines.len() < DECISIONS_MAX && !lines.contains(&line) {
            lines.push(line);
        }
    }
    if !lines.is_empty() {
        push(
            text,
            format_args!(
                "<section id=\"why\"><details><summary>Why it was planned so</summary>\n<ul>\n{}</ul>\n</details></section>\n",
                lines.concat()
            ),
        );
    }
}

/// The JSON, inside the page: characters that markup knows are written as JSON writes any character.
fn footer(text: &mut String, summary: &Summary) {
    let mut json = summary.json();
    for (letter, code) in [("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")] {
        json = json.replace(letter, code);
    }
    push(text, format_args!("<script type=\"application/json\" id=\"report\">\n{json}</script>\n"));
    text.push_str(
        "<footer>The same numbers as JSON are inside this page, in the element “report”. Point at boxes and bars for more.</footer>\n",
    );
}
