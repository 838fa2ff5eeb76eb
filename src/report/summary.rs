//! What a finished job took, as the JSON that `--report` writes.

use super::sketch::Sketch;
use crate::{
    plan::{Limits, NUMERICS_VERSION},
    trace::{Histogram, Recording, RunStats, StageStats},
};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// The report of one job: `outcore.report/1`.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// `outcore.report/1`.
    pub schema: &'static str,
    /// Version of the bits that functions give.
    pub numerics: u32,
    /// Identity of what was computed from what.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub job_id: String,
    /// Identity of the plan; that which `outcore explain` shows.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub plan_id: String,
    /// What ran, as far as the program that ran it tells.
    #[serde(skip_serializing_if = "Told::is_empty")]
    pub ran: Told,
    /// Planning and running; not the start of the process.
    pub seconds: f64,
    /// Bytes of sources read, over all passes.
    pub bytes_read: u64,
    /// Bytes of outputs written.
    pub bytes_written: u64,
    /// Of the bytes read, those that were copied or decoded into buffers instead of being used where they lie.
    pub bytes_copied: u64,
    /// Of those, the ones that the plan meant to use in place, so that explain does not show them. There should be none.
    pub bytes_copied_hidden: u64,
    /// Passes over each source.
    #[serde(serialize_with = "as_map")]
    pub passes: Vec<(String, usize)>,
    /// Most memory that the plan said the engine would hold.
    pub bytes_peak_planned: u64,
    /// Most memory that the engine did hold, by its own count.
    pub bytes_peak_held: u64,
    /// Most memory of the whole process, by the kernel's count (all jobs so far, program text included).
    pub bytes_peak_measured: Option<u64>,
    /// Compute threads.
    pub threads: usize,
    /// Blocks computed.
    pub blocks: u64,
    /// How long blocks took, if it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_times: Option<Durations>,
    /// Arithmetic operations on elements that the plans count, if they were recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operations: Option<u64>,
    /// What the machine could have done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<MachineRates>,
    /// How sources were reached: `mmap`, `read`, `memory` or `mixed`.
    pub io: String,
    /// Stages, in order.
    pub stages: Vec<SummaryStage>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Digest of every file that was written, where digests were asked for.
    #[serde(serialize_with = "as_map", skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<(String, String)>,
    /// Where it ran.
    pub env: Environment,
}

/// One stage of a report.
#[derive(Clone, Debug, Serialize)]
pub struct SummaryStage {
    /// Its counters.
    #[serde(flatten)]
    pub stats: StageStats,
    /// Bytes read and written per second.
    pub bytes_per_second: f64,
    /// How long its blocks took, if it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_times: Option<Durations>,
    /// What its threads did, if it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<ThreadSeconds>,
}

/// What ran.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Told {
    /// The command line, word by word.
    pub command: Vec<String>,
    /// Statements of the expression language.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub statements: String,
    /// Names of inputs, and what they are.
    pub inputs: Vec<(String, String)>,
    /// Files that were written.
    pub outputs: Vec<String>,
}

impl Told {
    fn is_empty(&self) -> bool {
        *self == Told::default()
    }
}

/// How long things took: percentiles of all of them, each too high by a sixteenth at most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Durations {
    /// How many.
    pub count: u64,
    /// Half of them took no longer.
    pub p50_seconds: f64,
    /// 95 of 100 took no longer.
    pub p95_seconds: f64,
    /// 99 of 100 took no longer.
    pub p99_seconds: f64,
    /// None took longer.
    pub max_seconds: f64,
    /// All together, of all threads.
    pub total_seconds: f64,
}

impl Durations {
    /// Of what a histogram has counted; `None` of nothing.
    #[must_use]
    pub fn of(histogram: &Histogram) -> Option<Durations> {
        let at = |percent| histogram.percentile(percent).map(seconds);
        Some(Durations {
            count: histogram.count(),
            p50_seconds: at(50.0)?,
            p95_seconds: at(95.0)?,
            p99_seconds: at(99.0)?,
            max_seconds: seconds(histogram.nanoseconds_max()),
            total_seconds: seconds(histogram.nanoseconds_total()),
        })
    }
}

/// Seconds of all threads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ThreadSeconds {
    /// Reading and decoding into buffers.
    pub read: f64,
    /// Runs that were ready while no thread was free.
    pub waited: f64,
    /// Computing; pages of mapped files that came in meanwhile included.
    pub computed: f64,
    /// Writing and encoding.
    pub written: f64,
}

/// What a machine can do at most.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MachineRates {
    /// Memory that is read, with all threads.
    pub bytes_per_second: f64,
    /// Arithmetic operations on elements of `f32`, with all threads.
    pub operations_per_second: f64,
    /// Where the numbers come from.
    pub measured: String,
}

#[allow(clippy::cast_precision_loss, reason = "durations for people")]
pub(super) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// Where a job ran.
#[derive(Clone, Debug, Serialize)]
pub struct Environment {
    /// Version of this program.
    pub version: &'static str,
    /// Processor.
    pub cpu: String,
    /// Instruction set of the kernels.
    pub isa: String,
    /// Limits in force.
    pub limits: Limits,
    /// The machine profile that some of the limits come from, and which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// More that is worth knowing: what limits come from, the operating system, variables. Names and texts.
    #[serde(serialize_with = "as_map", skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<(String, String)>,
}

impl Summary {
    /// Puts the report together.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn new(stats: &RunStats, seconds: f64, warnings: Vec<String>, bytes_peak_measured: Option<u64>, env: Environment) -> Summary {
        let rate = |stage: &StageStats| {
            let bytes = stage.bytes_read + stage.bytes_written;
            if stage.seconds > 0.0 { bytes as f64 / stage.seconds } else { 0.0 }
        };
        Summary {
            schema: "outcore.report/1",
            numerics: NUMERICS_VERSION,
            ran: Told::default(),
            job_id: String::new(),
            plan_id: String::new(),
            seconds,
            bytes_read: stats.bytes_read,
            bytes_written: stats.bytes_written,
            bytes_copied: stats.bytes_copied,
            bytes_copied_hidden: stats.bytes_copied_hidden,
            passes: stats.passes.clone(),
            bytes_peak_planned: stats.bytes_peak_planned,
            bytes_peak_held: stats.bytes_peak_held,
            bytes_peak_measured,
            threads: env.limits.threads,
            blocks: stats.blocks,
            block_times: None,
            operations: None,
            machine: None,
            io: stats.io.clone(),
            stages: stats
                .stages
                .iter()
                .map(|stage| SummaryStage { stats: stage.clone(), bytes_per_second: rate(stage), block_times: None, threads: None })
                .collect(),
            warnings,
            digests: Vec::new(),
            env,
        }
    }

    /// Adds what was recorded: how long blocks took, and what plans count.
    #[must_use]
    pub fn recorded(mut self, recording: &Recording, plans: &[Sketch]) -> Summary {
        self.block_times = Durations::of(&recording.blocks());
        let of_plan = |plan: &Sketch| plan.stages.iter().map(|stage| stage.operations).fold(0, u64::saturating_add) * plan.executions;
        self.operations = (!plans.is_empty()).then(|| plans.iter().map(of_plan).fold(0, u64::saturating_add));
        for stage in &mut self.stages {
            let Some(record) = recording.stages.iter().find(|record| record.name == stage.stats.name) else { continue };
            stage.block_times = Durations::of(&record.blocks);
            stage.threads = Some(ThreadSeconds {
                read: seconds(record.nanoseconds_read),
                waited: seconds(record.nanoseconds_waited),
                computed: seconds(record.nanoseconds_computed),
                written: seconds(record.nanoseconds_written),
            });
        }
        self
    }

    /// One row per stage, with a row of names above.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = String::from(
            "stage,seconds,blocks,runs,bytes_read,bytes_written,bytes_copied,bytes_per_second,block_p50_seconds,block_p95_seconds,block_p99_seconds\n",
        );
        for SummaryStage { stats, bytes_per_second, block_times, .. } in &self.stages {
            let name = format!("\"{}\"", stats.name.replace('"', "\"\""));
            let times = block_times
                .map_or(String::from(",,"), |times| format!("{},{},{}", times.p50_seconds, times.p95_seconds, times.p99_seconds));
            let StageStats { seconds, blocks, runs, bytes_read, bytes_written, bytes_copied, .. } = stats;
            text.push_str(&format!(
                "{name},{seconds},{blocks},{runs},{bytes_read},{bytes_written},{bytes_copied},{bytes_per_second},{times}\n"
            ));
        }
        text
    }

    /// The JSON text, indented, with a line break at its end.
    #[must_use]
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
        text + "\n"
    }
}

fn as_map<T: Serialize, S: Serializer>(pairs: &[(String, T)], to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(pairs.len()))?;
    for (name, value) in pairs {
        map.serialize_entry(name, value)?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::IoMode,
        trace::{Lane, Recorder, Span, SpanKind},
    };

    #[test]
    fn has_the_fields_of_its_schema() {
        let stage = StageStats { name: "mean".into(), seconds: 0.5, bytes_read: 100, ..StageStats::default() };
        let stats =
            RunStats { bytes_read: 100, passes: vec![("x.npy".into(), 1)], stages: vec![stage], io: "mmap".into(), ..RunStats::default() };
        let limits =
            Limits { memory_bytes: 1 << 20, threads: 2, block_bytes: None, rows_per_run: None, io: IoMode::Auto, is_shared: false };
        let more = vec![("os".into(), "any".into())];
        let env = Environment { version: "0", cpu: "some".into(), isa: "avx2".into(), limits, profile: None, more };
        let text = Summary::new(&stats, 1.5, vec!["careful".into()], Some(7), env).json();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["schema"], "outcore.report/1");
        assert_eq!(read["passes"]["x.npy"], 1);
        assert_eq!(read["stages"][0]["name"], "mean");
        assert_eq!(read["stages"][0]["bytes_per_second"], 200.0);
        assert_eq!(read["env"]["limits"]["memory_bytes"], 1 << 20);
        assert_eq!(read["bytes_peak_measured"], 7);
        assert_eq!(read["warnings"][0], "careful");
        assert_eq!(read["env"]["more"]["os"], "any");
        // What was not recorded is not there.
        assert!(read.get("block_times").is_none() && read.get("ran").is_none() && read.get("machine").is_none());
    }

    #[test]
    fn rows_of_stages_read_back() {
        let stage = StageStats { name: "a, \"b\"".into(), seconds: 0.5, blocks: 3, bytes_read: 100, ..StageStats::default() };
        let stats = RunStats { stages: vec![stage], ..RunStats::default() };
        let limits = Limits { memory_bytes: 1, threads: 1, block_bytes: None, rows_per_run: None, io: IoMode::Auto, is_shared: false };
        let env = Environment { version: "0", cpu: String::new(), isa: String::new(), limits, profile: None, more: Vec::new() };
        let mut summary = Summary::new(&stats, 1.0, Vec::new(), None, env);
        let recorder = Recorder::default();
        let begun = recorder.begin("a, \"b\"", 1);
        let mut blocks = Histogram::default();
        (0..3).for_each(|_| blocks.add(8));
        recorder.add(begun, &[Span::new(SpanKind::Compute, Lane::Caller, (0, 0), (5, 2_000_000_005))], &blocks, 0);
        summary = summary.recorded(&recorder.recording(), &[]);
        assert_eq!(summary.csv().lines().nth(1), Some("\"a, \"\"b\"\"\",0.5,3,0,100,0,0,200,0.000000008,0.000000008,0.000000008"));
        assert_eq!(summary.block_times.map(|times| times.count), Some(3));
        assert_eq!(summary.stages[0].threads, Some(ThreadSeconds { computed: 2.0, ..ThreadSeconds::default() }));
    }
}
