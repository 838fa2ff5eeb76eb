//! What happened when, as the trace event format that Perfetto and Chrome open: one JSON object, times in microseconds.

use super::sketch::Sketch;
use crate::trace::{Lane, Recording, Sample, Span, SpanKind};
use serde_json::{Value, json};

/// All events of a trace are those of one process.
const PROCESS: u32 = 1;

/// The text of the trace: a track for each thread, with the blocks of a run inside it, and counters of memory and bytes.
#[must_use]
pub fn chrome_trace(recording: &Recording, plans: &[Sketch]) -> String {
    let mut lanes: Vec<Lane> = recording.spans.iter().map(|span| span.lane).collect();
    lanes.sort_unstable();
    lanes.dedup();
    let mut events = vec![metadata("process_name", 0, &json!({"name": "outcore"}))];
    for lane in lanes {
        events.push(metadata("thread_name", thread(lane), &json!({"name": name_of(lane)})));
        events.push(metadata("thread_sort_index", thread(lane), &json!({"sort_index": thread(lane)})));
    }
    events.extend(recording.stages.iter().enumerate().flat_map(|(index, stage)| {
        // Stages that come again overlap others without nesting, which asynchronous events may.
        let edge = |phase: &str, at: u64| {
            let arguments = json!({"executions": stage.executions, "blocks": stage.blocks.count()});
            json!({"ph": phase, "pid": PROCESS, "tid": 0, "id": index, "cat": "stage", "name": stage.name, "ts": microseconds(at), "args": arguments})
        };
        [edge("b", stage.start), edge("e", stage.end.max(stage.start))]
    }));
    events.extend(recording.spans.iter().map(|span| event(span, recording)));
    events.extend(recording.samples.iter().flat_map(counters));
    let stages: Vec<&str> = plans.iter().flat_map(|plan| plan.stages.iter().map(|stage| stage.name.as_str())).collect();
    let about = json!({"program": "outcore", "one run in": recording.runs_per_kept, "stages": stages});
    let trace = json!({"displayTimeUnit": "ms", "otherData": about, "traceEvents": events});
    trace.to_string() + "\n"
}

fn metadata(name: &str, thread: u32, arguments: &Value) -> Value {
    json!({"ph": "M", "pid": PROCESS, "tid": thread, "name": name, "args": arguments})
}

/// A number for each thread. 0 has the stages.
fn thread(lane: Lane) -> u32 {
    match lane {
        Lane::Caller => 1,
        Lane::Compute(index) => 10 + u32::from(index),
        Lane::Transfer(index) => 100_000 + u32::from(index),
        Lane::Settle => 200_000,
    }
}

/// What a person calls a thread.
pub(super) fn name_of(lane: Lane) -> String {
    match lane {
        Lane::Caller => "caller".to_string(),
        Lane::Compute(index) => format!("compute {index}"),
        Lane::Transfer(index) => format!("I/O {index}"),
        Lane::Settle => "to the medium".to_string(),
    }
}

/// What a person calls what was done.
pub(super) fn name_of_kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Read => "read",
        SpanKind::Compute => "compute",
        SpanKind::Block => "block",
        SpanKind::Write => "write",
        SpanKind::Settle => "settle",
        SpanKind::Sync => "sync",
    }
}

fn event(span: &Span, recording: &Recording) -> Value {
    let stage = recording.stages.get(usize::from(span.stage)).map_or("", |stage| stage.name.as_str());
    let kind = name_of_kind(span.kind);
    let name = if span.kind == SpanKind::Compute { stage.to_string() } else { kind.to_string() };
    let arguments = match span.kind {
        SpanKind::Block => json!({"stage": stage, "run": span.run, "block": span.block}),
        SpanKind::Sync => json!({}),
        _ => json!({"stage": stage, "run": span.run}),
    };
    json!({"ph": "X", "pid": PROCESS, "tid": thread(span.lane), "cat": kind, "name": name, "ts": microseconds(span.start),
        "dur": microseconds(span.nanoseconds()), "args": arguments})
}

fn counters(sample: &Sample) -> [Value; 2] {
    let counter =
        |name: &str, arguments: Value| json!({"ph": "C", "pid": PROCESS, "name": name, "ts": microseconds(sample.at), "args": arguments});
    [counter("memory held", json!({"bytes": sample.bytes_held})), counter("memory resident", json!({"bytes": sample.bytes_resident}))]
}

#[allow(clippy::cast_precision_loss, reason = "2^53 nanoseconds are a hundred days")]
fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Histogram, Recorder};

    #[test]
    fn events_have_what_the_format_asks_for() {
        let recorder = Recorder::default();
        let begun = recorder.begin("z </script>", 2);
        let lane = Lane::Compute(1);
        let spans = [
            Span::new(SpanKind::Compute, lane, (1, 0), (2_000, 9_500)),
            Span::new(SpanKind::Block, lane, (1, 1), (3_000, 4_000)),
            Span::new(SpanKind::Settle, Lane::Settle, (1, 0), (1_000, 4_000)),
        ];
        recorder.add(begun, &spans, &Histogram::default(), 0);
        recorder.sample(Sample { bytes_held: 7, ..Sample::default() });
        let trace: Value = serde_json::from_str(&chrome_trace(&recorder.recording(), &[])).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        for event in events {
            assert!(event["pid"].is_u64() && event["name"].is_string() && event["ph"].is_string(), "{event}");
            match event["ph"].as_str().unwrap() {
                "M" => assert!(event["args"].is_object()),
                "X" => assert!(event["ts"].is_f64() && event["dur"].as_f64().unwrap() >= 0.0 && event["tid"].is_u64(), "{event}"),
                "b" | "e" => assert!(event["ts"].is_f64() && event["id"].is_u64() && event["cat"].is_string(), "{event}"),
                "C" => assert!(event["ts"].is_f64() && event["args"]["bytes"].is_u64(), "{event}"),
                other => panic!("{other}"),
            }
        }
        let computed = events.iter().find(|event| event["cat"] == "compute").unwrap();
        assert_eq!((&computed["name"], &computed["ts"], &computed["dur"]), (&json!("z </script>"), &json!(2.0), &json!(7.5)));
        let named = events.iter().find(|event| event["ph"] == "M" && event["tid"] == computed["tid"]).unwrap();
        assert_eq!(named["args"]["name"], "compute 1");
    }
}
