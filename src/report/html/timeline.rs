//! What every thread did, from left to right.

use super::super::{
    chrome::{name_of, name_of_kind},
    markup::{Svg, shortened},
    summary::seconds,
};
use super::short_seconds;
use crate::trace::{Lane, Recording, Span, SpanKind};

/// Spans that are drawn at most: a page stays small, whatever the job.
const SPANS_MAX: usize = 3000;
const WIDTH: f64 = 1100.0;
const LEFT: f64 = 96.0;
const TOP: f64 = 24.0;
const LANE_HEIGHT: f64 = 26.0;
/// About what a letter of a name takes.
const LETTER_WIDTH: f64 = 6.6;
/// Names above the lanes need so much room; where there is less, a stage has its number only.
const NAME_WIDTH_MIN: f64 = 60.0;

/// The drawing, and what it leaves out.
pub(super) fn timeline(recording: &Recording) -> String {
    let Some(start) = recording.spans.iter().map(|span| span.start).min() else {
        return "<p class=\"note\">No span was recorded.</p>\n".to_string();
    };
    let end = recording.spans.iter().map(|span| span.end).max().unwrap_or(start).max(start + 1);
    let mut lanes: Vec<Lane> = recording.spans.iter().map(|span| span.lane).collect();
    lanes.sort_unstable();
    lanes.dedup();
    let (drawn, kept) = chosen(&recording.spans);
    let height = TOP + lanes.len() as f64 * LANE_HEIGHT + 26.0;
    let mut svg = Svg::new((WIDTH, height), "what every thread did over time");
    let place = Placing { start, end };
    draw_axes(&mut svg, &lanes, &place);
    draw_stages(&mut svg, recording, lanes.len(), &place);
    for span in drawn {
        let Ok(lane) = lanes.binary_search(&span.lane) else { continue };
        draw_span(&mut svg, span, lane, recording, &place);
    }
    let share = recording.runs_per_kept.saturating_mul(kept);
    let left_out = if share > 1 { format!(" One run in {share} is drawn.") } else { String::new() };
    let kinds = [
        ("read", "read and decode"),
        ("compute", "compute, a light edge between blocks"),
        ("write", "encode and write"),
        ("settle", "bring to the medium"),
    ];
    let legend: String = kinds.iter().map(|(class, name)| format!("<span><i class=\"{class}\"></i>{name}</span>")).collect();
    let note = format!("{} long.{left_out}", short_seconds(seconds(end - start)));
    svg.finish() + &format!("<div class=\"legend\">{legend}</div>\n<p class=\"note\">{note}</p>\n")
}

/// From time to place.
struct Placing {
    start: u64,
    end: u64,
}

impl Placing {
    #[allow(clippy::cast_precision_loss, reason = "drawn to a pixel")]
    fn at(&self, time: u64) -> f64 {
        LEFT + (WIDTH - LEFT - 10.0) * time.saturating_sub(self.start) as f64 / (self.end - self.start) as f64
    }
}

/// So many spans that they can be drawn: those of one run in so many. Blocks only where all of them have room.
fn chosen(spans: &[Span]) -> (Vec<&Span>, u64) {
    if spans.len() <= SPANS_MAX {
        return (spans.iter().collect(), 1);
    }
    let whole: Vec<&Span> = spans.iter().filter(|span| span.kind != SpanKind::Block).collect();
    let mut runs: Vec<(u16, u64)> = whole.iter().map(|span| (span.stage, span.run)).collect();
    runs.sort_unstable();
    runs.dedup();
    let step = whole.len().div_ceil(SPANS_MAX);
    let kept: std::collections::BTreeSet<(u16, u64)> = runs.into_iter().step_by(step).collect();
    let chosen = whole.into_iter().filter(|span| kept.contains(&(span.stage, span.run)) || span.kind == SpanKind::Sync).take(2 * SPANS_MAX);
    (chosen.collect(), step as u64)
}

fn draw_axes(svg: &mut Svg, lanes: &[Lane], place: &Placing) {
    for (index, lane) in lanes.iter().enumerate() {
        let top = TOP + index as f64 * LANE_HEIGHT;
        svg.rect("track", (LEFT, top + 2.0), (WIDTH - LEFT - 10.0, LANE_HEIGHT - 4.0), 3.0);
        svg.text("lane", (LEFT - 8.0, top + LANE_HEIGHT / 2.0 + 4.0), "end", &name_of(*lane));
    }
    let bottom = TOP + lanes.len() as f64 * LANE_HEIGHT;
    for part in 0..=4u64 {
        let time = place.start + (place.end - place.start) / 4 * part;
        let anchor = if part == 4 {
            "end"
        } else if part == 0 {
            "start"
        } else {
            "middle"
        };
        let text = if part == 0 { "0".to_string() } else { short_seconds(seconds(time - place.start)) };
        svg.text("tick", (place.at(time), bottom + 18.0), anchor, &text);
    }
}

/// Where each stage begins, and its name as far as there is room.
fn draw_stages(svg: &mut Svg, recording: &Recording, lanes: usize, place: &Placing) {
    let bottom = TOP + lanes as f64 * LANE_HEIGHT;
    // A stage that has no span here began before this recording.
    let begin = |index| recording.spans.iter().filter(|span| usize::from(span.stage) == index).map(|span| span.start).min();
    let mut begins: Vec<(f64, usize)> =
        (0..recording.stages.len()).filter_map(|index| begin(index).map(|start| (place.at(start), index))).collect();
    begins.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = 0.0;
    for (order, &(at, index)) in begins.iter().enumerate() {
        svg.line("stage-mark", (at, TOP - 6.0), (at, bottom));
        let room = begins.get(order + 1).map_or(WIDTH - 10.0, |next| next.0) - at;
        let name = shortened(&format!("{} {}", index + 1, recording.stages[index].name), ((room - 8.0) / LETTER_WIDTH).max(0.0) as usize);
        let text = if room >= NAME_WIDTH_MIN { name } else { (index + 1).to_string() };
        if at >= free {
            free = at + LETTER_WIDTH * text.chars().count() as f64 + 6.0;
            svg.text("lane", (at + 3.0, TOP - 8.0), "start", &text);
        }
    }
}

fn draw_span(svg: &mut Svg, span: &Span, lane: usize, recording: &Recording, place: &Placing) {
    let top = TOP + lane as f64 * LANE_HEIGHT;
    let (left, right) = (place.at(span.start), place.at(span.end));
    let kind = name_of_kind(span.kind);
    if span.kind == SpanKind::Block {
        // Where a block begins: a light edge, where blocks are wide enough to tell them apart.
        if right - left >= 3.0 && span.block > 0 {
            svg.rect("span block", (left, top + 5.0), (0.8, LANE_HEIGHT - 10.0), 0.0);
        }
        return;
    }
    let stage = recording.stages.get(usize::from(span.stage)).map_or("", |stage| stage.name.as_str());
    let tip = match span.kind {
        SpanKind::Sync => format!("{kind}: {}", short_seconds(seconds(span.nanoseconds()))),
        _ => format!("{kind}, {stage}, run {}: {}", span.run, short_seconds(seconds(span.nanoseconds()))),
    };
    svg.rect_with_tip(&format!("span {kind}"), (left, top + 5.0), ((right - left).max(0.7), LANE_HEIGHT - 10.0), &tip);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Histogram, Recorder};

    #[test]
    fn long_recordings_are_drawn_in_part_and_say_so() {
        let recorder = Recorder::default();
        let begun = recorder.begin("z", 8000);
        for run in 0..8000 {
            recorder.add(
                begun,
                &[Span::new(SpanKind::Compute, Lane::Compute(0), (run, 0), (run * 10, run * 10 + 5))],
                &Histogram::default(),
                0,
            );
        }
        let text = timeline(&recorder.recording());
        assert!(text.contains("One run in 3 is drawn"), "{}", &text[text.len() - 200..]);
        assert_eq!(text.matches("class=\"span compute\"").count(), 8000usize.div_ceil(3));
        assert!(timeline(&Recording::default()).contains("No span"));
    }
}
