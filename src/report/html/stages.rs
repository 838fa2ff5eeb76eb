//! The table of stages.

use super::{
    super::{
        size::{count, data_bytes, seconds},
        summary::{Summary, SummaryStage, ThreadSeconds},
    },
    escape, fact, percentiles, push, short_seconds,
};

/// Stages that are shown at most.
const STAGES_MAX: usize = 100;

/// One row per stage.
pub(super) fn table(summary: &Summary) -> String {
    let mut text = String::new();
    if summary.stages.is_empty() {
        return "<p class=\"note\">No stage ran.</p>\n".to_string();
    }
    let longest = summary.stages.iter().map(|stage| stage.stats.seconds).fold(0.0, f64::max);
    text.push_str("<table>\n<tr><th class=\"name\">stage</th><th>time</th><th>read</th><th>written</th><th>bytes per second</th>");
    text.push_str("<th>blocks</th><th>a block</th><th>threads</th></tr>\n");
    for (index, stage) in summary.stages.iter().take(STAGES_MAX).enumerate() {
        row(&mut text, index, stage, longest);
    }
    text.push_str("</table>\n");
    if summary.stages.len() > STAGES_MAX {
        push(&mut text, format_args!("<p class=\"note\">and {} more</p>\n", summary.stages.len() - STAGES_MAX));
    }
    if summary.stages.iter().any(|stage| stage.threads.is_some()) {
        let kinds = [("read", "read and decode"), ("compute", "compute"), ("write", "encode and write"), ("wait", "ready, no thread free")];
        let legend: String = kinds.iter().map(|(class, name)| format!("<span><i class=\"{class}\"></i>{name}</span>")).collect();
        push(&mut text, format_args!("<div class=\"legend\">{legend}</div>\n"));
    }
    text
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is positive and finite")]
fn row(text: &mut String, index: usize, stage: &SummaryStage, longest: f64) {
    let stats = &stage.stats;
    let place = |name: &str| format!("/stages/{index}/{name}");
    let width = if longest > 0.0 { 100.0 * stats.seconds / longest } else { 0.0 };
    let time = fact(&place("seconds"), stats.seconds, &short_seconds(stats.seconds));
    let read = fact(&place("bytes_read"), stats.bytes_read, &data_bytes(stats.bytes_read));
    let copied = match stats.bytes_copied {
        0 => String::new(),
        bytes => format!("<br/><span class=\"soft\">{} copied</span>", fact(&place("bytes_copied"), bytes, &data_bytes(bytes))),
    };
    let written = fact(&place("bytes_written"), stats.bytes_written, &data_bytes(stats.bytes_written));
    let rate = format!("{}/s", data_bytes(stage.bytes_per_second as u64));
    let times = stage.block_times.map_or("–".to_string(), |times| percentiles(&place("block_times"), &times).replace(", ", "<br/>"));
    push(
        text,
        format_args!(
            "<tr><td class=\"name\">{} {}</td><td>{time}<div class=\"bar\"><i class=\"compute\" style=\"width:{width:.1}%\"></i></div></td>\
             <td>{read}{copied}</td><td>{written}</td><td>{}</td><td>{}</td><td>{times}</td><td class=\"wide\">{}</td></tr>\n",
            index + 1,
            escape(&stats.name),
            fact(&place("bytes_per_second"), stage.bytes_per_second, &rate),
            fact(&place("blocks"), stats.blocks, &count(stats.blocks)),
            stage.threads.map_or("–".to_string(), |threads| shares(&threads)),
        ),
    );
}

/// What threads did, as parts of a bar.
fn shares(threads: &ThreadSeconds) -> String {
    let parts = [("read", threads.read), ("compute", threads.computed), ("write", threads.written), ("wait", threads.waited)];
    let total: f64 = parts.iter().map(|(_, seconds)| seconds).sum();
    let bars: String = parts
        .iter()
        .filter(|(_, part)| *part > 0.0)
        .map(|(class, part)| {
            format!("<i class=\"{class}\" style=\"width:{:.1}%\" title=\"{class} {}\"></i>", 100.0 * part / total, seconds(*part))
        })
        .collect();
    let worked = threads.read + threads.computed + threads.written;
    format!("{} of work<div class=\"bar\">{bars}</div>", short_seconds(worked))
}
