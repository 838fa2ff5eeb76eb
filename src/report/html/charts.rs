//! Curves over time, how long blocks took, and the roofline.

use super::super::{
    markup::{Svg, number},
    plot::{Axis, Plot, Scale},
    size::{count, data_bytes, memory_bytes},
    sketch::Sketch,
    summary::{MachineRates, Summary, seconds},
};
use super::{percentiles, push, short_seconds};
use crate::trace::{Recording, Sample};

const SIZE: (f64, f64) = (540.0, 260.0);
/// Stretches of time whose rates are drawn at most.
const RATES_MAX: usize = 100;

const TOO_SHORT: &str = "<p class=\"note\">The job was over before there was a second sample.</p>\n";

fn time_axis(high: f64) -> Axis<'static> {
    Axis {
        scale: Scale::Linear,
        low: 0.0,
        high,
        label: &|value| if value == 0.0 { "0".to_string() } else { tick_seconds(value) },
        step_base: 60.0,
        title: "time",
    }
}

fn tick_seconds(value: f64) -> String {
    match value {
        minutes if minutes >= 120.0 => format!("{} min", number(minutes / 60.0)),
        whole if whole >= 1.0 => format!("{} s", number(whole)),
        _ => format!("{} ms", number(value * 1e3)),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is positive and finite")]
fn tick_rate(value: f64) -> String {
    if value == 0.0 { "0".to_string() } else { data_bytes(value as u64).replace(".00", "").replace(".0 ", " ") + "/s" }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bytes are positive and finite")]
fn tick_memory(value: f64) -> String {
    if value == 0.0 { "0".to_string() } else { memory_bytes(value as u64).replace(".00", "").replace(".0 ", " ") }
}

/// Seconds since the first sample.
fn since(samples: &[Sample], at: u64) -> f64 {
    seconds(at.saturating_sub(samples.first().map_or(0, |first| first.at)))
}

/// Bytes so far at a moment: between two samples as if they came evenly.
#[allow(clippy::cast_precision_loss, reason = "drawn to a pixel")]
fn total_at(samples: &[Sample], at: u64, bytes: fn(&Sample) -> u64) -> f64 {
    let next = samples.partition_point(|sample| sample.at < at);
    match (next.checked_sub(1).and_then(|before| samples.get(before)), samples.get(next)) {
        (Some(before), Some(after)) => {
            let part = (at - before.at) as f64 / (after.at - before.at).max(1) as f64;
            bytes(before) as f64 + part * bytes(after).saturating_sub(bytes(before)) as f64
        }
        (None, Some(sample)) | (Some(sample), None) => bytes(sample) as f64,
        (None, None) => 0.0,
    }
}

/// Bytes read and written per second over time.
#[allow(clippy::cast_precision_loss, reason = "drawn to a pixel")]
pub(super) fn throughput(recording: &Recording) -> String {
    let samples = &recording.samples;
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return TOO_SHORT.to_string() };
    if samples.len() < 2 || last.at <= first.at {
        return TOO_SHORT.to_string();
    }
    // Stretches of equal length: samples come when runs end, not when a clock strikes.
    let stretches = samples.len().min(RATES_MAX) as u64;
    let mut curves: [Vec<(f64, f64)>; 2] = [Vec::new(), Vec::new()];
    for stretch in 0..stretches {
        let [from, to] = [stretch, stretch + 1]
            .map(|edge| first.at + (u128::from(last.at - first.at) * u128::from(edge) / u128::from(stretches)) as u64);
        let [start, end] = [from, to].map(|at| since(samples, at));
        for (curve, bytes) in curves.iter_mut().zip([(|sample| sample.bytes_read) as fn(&Sample) -> u64, |sample| sample.bytes_written]) {
            let rate = (total_at(samples, to, bytes) - total_at(samples, from, bytes)) / (end - start).max(1e-9);
            curve.extend([(start, rate.max(0.0)), (end, rate.max(0.0))]);
        }
    }
    let high = curves.iter().flatten().map(|point| point.1).fold(1.0, f64::max);
    let y = Axis { scale: Scale::Linear, low: 0.0, high: high * 1.06, label: &tick_rate, step_base: 1000.0, title: "" };
    let mut plot = Plot::new(SIZE, "bytes per second over time", time_axis(since(samples, last.at)), y);
    for (class, curve) in ["read", "write"].iter().zip(&curves) {
        if curve.iter().any(|point| point.1 > 0.0) {
            plot.area(&format!("fill {class}"), curve);
            plot.line(&format!("curve {class}"), curve);
        }
    }
    plot.svg.finish() + "<div class=\"legend\"><span><i class=\"read\"></i>read</span><span><i class=\"write\"></i>written</span></div>\n"
}

/// Memory over time, with the budget.
#[allow(clippy::cast_precision_loss, reason = "drawn to a pixel")]
pub(super) fn memory(summary: &Summary, recording: &Recording) -> String {
    let samples = &recording.samples;
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return TOO_SHORT.to_string() };
    if samples.len() < 2 || last.at <= first.at {
        return TOO_SHORT.to_string();
    }
    let curve = |bytes: fn(&Sample) -> u64| -> Vec<(f64, f64)> {
        samples.iter().map(|sample| (since(samples, sample.at), bytes(sample) as f64)).collect()
    };
    let (resident, held) = (curve(|sample| sample.bytes_resident), curve(|sample| sample.bytes_held));
    let budget = summary.env.limits.memory_bytes as f64;
    let used = resident.iter().chain(&held).map(|point| point.1).fold(1.0, f64::max);
    // A budget far above what is used would press everything to the ground: then the line is told, not drawn.
    let is_drawn = budget <= 6.0 * used;
    let high = if is_drawn { used.max(budget) } else { used };
    let y = Axis { scale: Scale::Linear, low: 0.0, high: high * 1.1, label: &tick_memory, step_base: 1024.0, title: "" };
    let mut plot = Plot::new(SIZE, "memory over time", time_axis(since(samples, last.at)), y);
    plot.area("fill held", &held);
    plot.line("curve held", &held);
    if resident.iter().any(|point| point.1 > 0.0) {
        plot.line("curve resident", &resident);
    }
    let words = format!("budget {}", memory_bytes(summary.env.limits.memory_bytes));
    if is_drawn {
        plot.level("limit", budget, &words);
    }
    let outside = if is_drawn { String::new() } else { format!("<span>{words}: above the drawing</span>") };
    let legend = format!(
        "<div class=\"legend\"><span><i class=\"line resident\"></i>resident, by the kernel's count: program and mapped pages too</span>\
         <span><i class=\"line held\"></i>held by the engine</span>{outside}</div>\n"
    );
    plot.svg.finish() + &legend
}

/// A histogram of the durations of blocks.
#[allow(clippy::cast_precision_loss, reason = "drawn to a pixel")]
pub(super) fn blocks(summary: &Summary, recording: &Recording) -> String {
    let histogram = recording.blocks();
    let Some(times) = summary.block_times else { return "<p class=\"note\">No block was timed.</p>\n".to_string() };
    // Four buckets a column: columns of a quarter of an octave are still narrow.
    let mut columns: Vec<(u64, u64)> = Vec::new();
    for (end, count) in histogram.buckets() {
        match columns.last_mut() {
            Some((last, there)) if end as f64 <= *last as f64 * 1.19 => *there += count,
            _ => columns.push((end, count)),
        }
    }
    let (low, high) = (columns.first().map_or(1.0, |column| column.0 as f64), columns.last().map_or(1.0, |column| column.0 as f64));
    let (low, high) = (10f64.powf((low * 0.8).max(1.0).log10().floor()), 10f64.powf((high * 1.2).max(10.0).log10().ceil()));
    let most = columns.iter().map(|column| column.1).max().unwrap_or(1) as f64;
    let label = |value: f64| short_seconds(value / 1e9).replace(".0 ", " ").replace(".00 ", " ");
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let counted = |value: f64| count(value as u64);
    let x = Axis { scale: Scale::Log, low, high, label: &label, step_base: 10.0, title: "time of a block" };
    let y = Axis { scale: Scale::Linear, low: 0.0, high: most * 1.25, label: &counted, step_base: 10.0, title: "" };
    let mut plot = Plot::new(SIZE, "how long blocks took", x, y);
    for &(end, blocks) in &columns {
        let ((left, top), (right, bottom)) = (plot.at(end as f64 / 1.19, blocks as f64), plot.at(end as f64, 0.0));
        let tip = format!("{} blocks of up to {}", count(blocks), short_seconds(seconds(end)));
        plot.svg.rect_with_tip("column", (left, top), ((right - left - 1.0).max(1.5), bottom - top), &tip);
    }
    for (row, (name, value)) in [("p50", times.p50_seconds), ("p95", times.p95_seconds), ("p99", times.p99_seconds)].into_iter().enumerate()
    {
        plot.upright("percentile", value * 1e9, row, &format!("{name} {}", short_seconds(value)));
    }
    let mut text = plot.svg.finish();
    push(
        &mut text,
        format_args!(
            "<p class=\"note\">{} blocks: {}, the longest {}. Every block is counted; percentiles are right to a sixteenth.</p>\n",
            count(times.count),
            percentiles("/block_times", &times),
            short_seconds(times.max_seconds)
        ),
    );
    text
}

/// Operations per second over operations per byte, under the two limits of the machine.
pub(super) fn roofline(summary: &Summary, plans: &[Sketch]) -> String {
    let Some(machine) = &summary.machine else {
        return "<p class=\"note\">The limits of this machine were not measured: the budget leaves too little memory for it.</p>\n"
            .to_string();
    };
    let points = points(summary, plans);
    let Some(run) = points.first().filter(|point| point.operations > 0.0 && point.bytes > 0.0) else {
        return no_operations(summary, machine);
    };
    let text = draw_roofline(machine, &points);
    let [rate, work] = [run.bytes / run.seconds, run.operations / run.seconds];
    let reach = (run.operations / run.bytes * machine.bytes_per_second).min(machine.operations_per_second);
    let binds = if reach < machine.operations_per_second { "memory" } else { "arithmetic" };
    text + &format!(
        "<p class=\"note\">{} a byte: {} is the limit here. {} and {}, {:.0} % of what that limit allows. {}. One operation is counted for each \
         instruction of a pass and each element{}; time that goes into disks is time too.</p>\n",
        operations_text(run.operations / run.bytes, "operation", "operations"),
        binds,
        tick_rate(rate),
        operations_rate(work),
        100.0 * work / reach,
        super::escape(&machine.measured),
        if plans.iter().flat_map(|plan| &plan.stages).any(|stage| stage.user_code) { ", nothing for user code" } else { "" },
    )
}

/// A run or a stage as the roofline sees it.
struct Point {
    name: String,
    operations: f64,
    bytes: f64,
    seconds: f64,
}

/// The whole run, then its stages.
#[allow(clippy::cast_precision_loss, reason = "drawn to a pixel")]
fn points(summary: &Summary, plans: &[Sketch]) -> Vec<Point> {
    let bytes = (summary.bytes_read + summary.bytes_written) as f64;
    let mut points = vec![Point {
        name: "the run".into(),
        operations: summary.operations.unwrap_or(0) as f64,
        bytes,
        seconds: summary.seconds.max(1e-9),
    }];
    for stage in &summary.stages {
        let stats = &stage.stats;
        let of_plan = |plan: &Sketch| {
            let operations = plan.stages.iter().filter(|stage| stage.name == stats.name).map(|stage| stage.operations).sum::<u64>();
            operations.saturating_mul(plan.executions)
        };
        let operations = plans.iter().map(of_plan).fold(0, u64::saturating_add) as f64;
        let bytes = (stats.bytes_read + stats.bytes_written) as f64;
        if operations > 0.0 && bytes > 0.0 && stats.seconds > 0.0 {
            points.push(Point { name: stats.name.clone(), operations, bytes, seconds: stats.seconds });
        }
    }
    points.truncate(40);
    points
}

fn draw_roofline(machine: &MachineRates, points: &[Point]) -> String {
    let (bandwidth, peak) = (machine.bytes_per_second, machine.operations_per_second);
    let ridge = peak / bandwidth;
    let drawn = || points.iter().filter(|point| point.operations > 0.0 && point.bytes > 0.0);
    let intensity = |point: &Point| point.operations / point.bytes;
    let low = drawn().map(intensity).fold(ridge, f64::min) / 4.0;
    let high = drawn().map(intensity).fold(ridge, f64::max) * 8.0;
    let bottom = drawn().map(|point| point.operations / point.seconds).fold(low * bandwidth, f64::min) / 2.0;
    let x = Axis { scale: Scale::Log, low, high, label: &plain, step_base: 10.0, title: "operations per byte read or written" };
    let y = Axis { scale: Scale::Log, low: bottom, high: peak * 3.0, label: &operations_rate, step_base: 10.0, title: "" };
    let mut plot = Plot::new(SIZE, "operations per second over operations per byte", x, y);
    plot.line("curve roof", &[(low, low * bandwidth), (ridge, peak), (high, peak)]);
    let (roof_x, roof_y) = plot.at((low * ridge).sqrt(), (low * ridge).sqrt() * bandwidth);
    plot.svg.text("mark", (roof_x + 8.0, roof_y + 16.0), "start", &format!("memory {}", tick_rate(bandwidth)));
    let (end_x, end_y) = plot.at(high, peak);
    plot.svg.text("mark", (end_x - 4.0, end_y - 7.0), "end", &format!("arithmetic {}", operations_rate(peak)));
    for (place, point) in points.iter().enumerate().rev() {
        let at = plot.at(intensity(point), point.operations / point.seconds);
        let rates = format!("{}, {}", operations_rate(point.operations / point.seconds), tick_rate(point.bytes / point.seconds));
        let class = if place == 0 { "point" } else { "point stage" };
        plot.svg.circle(class, at, if place == 0 { 6.5 } else { 4.5 }, &format!("{}: {rates}", point.name));
        if place == 0 {
            let is_right = at.0 > plot.frame.left + 0.75 * plot.frame.width;
            let (x, anchor) = if is_right { (at.0 - 11.0, "end") } else { (at.0 + 11.0, "start") };
            plot.svg.text("mark", (x, at.1 + 4.0), anchor, "this run");
        }
    }
    plot.svg.finish()
}

/// Where nothing is computed, bytes are all there is to compare.
#[allow(clippy::cast_precision_loss, reason = "shown to a person")]
fn no_operations(summary: &Summary, machine: &MachineRates) -> String {
    let rate = (summary.bytes_read + summary.bytes_written) as f64 / summary.seconds.max(1e-9);
    let share = 100.0 * rate / machine.bytes_per_second;
    let mut svg = Svg::new((SIZE.0, 60.0), "bytes per second beside the memory's");
    svg.rect("track", (0.0, 20.0), (SIZE.0, 16.0), 4.0);
    svg.rect("column", (0.0, 20.0), (SIZE.0 * (share / 100.0).clamp(0.002, 1.0), 16.0), 4.0);
    svg.text("tick", (0.0, 12.0), "start", &format!("this run {}", tick_rate(rate)));
    svg.text("tick", (SIZE.0, 12.0), "end", &format!("memory {}", tick_rate(machine.bytes_per_second)));
    let text = super::escape(&machine.measured);
    svg.finish()
        + &format!(
            "<p class=\"note\">Bytes are moved and nothing is computed that is counted: {share:.0} % of what memory can be read with. {text}.</p>\n"
        )
}

fn plain(value: f64) -> String {
    if value >= 1.0 { number(value) } else { format!("{value:.3}").trim_end_matches('0').to_string() }
}

fn operations_text(value: f64, one: &str, many: &str) -> String {
    let shown = if value >= 9.95 { format!("{value:.0}") } else { format!("{value:.2}") };
    format!("{shown} {}", if shown == "1.00" { one } else { many })
}

fn operations_rate(value: f64) -> String {
    let (scale, unit) =
        [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")].into_iter().find(|(scale, _)| value >= *scale).unwrap_or((1.0, ""));
    let value = value / scale;
    let shown = if value >= 9.95 { format!("{value:.0}") } else { format!("{value:.1}").trim_end_matches(".0").to_string() };
    format!("{shown} {unit}op/s")
}
