//! What a finished job took, as the JSON that `--report` writes.

use crate::{
    plan::{Limits, NUMERICS_VERSION},
    trace::{RunStats, StageStats},
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
    /// Planning and running; not the start of the process.
    pub seconds: f64,
    /// Bytes of sources read, over all passes.
    pub bytes_read: u64,
    /// Bytes of outputs written.
    pub bytes_written: u64,
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
            job_id: String::new(),
            plan_id: String::new(),
            seconds,
            bytes_read: stats.bytes_read,
            bytes_written: stats.bytes_written,
            passes: stats.passes.clone(),
            bytes_peak_planned: stats.bytes_peak_planned,
            bytes_peak_held: stats.bytes_peak_held,
            bytes_peak_measured,
            threads: env.limits.threads,
            blocks: stats.blocks,
            io: stats.io.clone(),
            stages: stats.stages.iter().map(|stage| SummaryStage { stats: stage.clone(), bytes_per_second: rate(stage) }).collect(),
            warnings,
            digests: Vec::new(),
            env,
        }
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
    use crate::plan::IoMode;

    #[test]
    fn has_the_fields_of_its_schema() {
        let stage = StageStats { name: "mean".into(), seconds: 0.5, bytes_read: 100, ..StageStats::default() };
        let stats =
            RunStats { bytes_read: 100, passes: vec![("x.npy".into(), 1)], stages: vec![stage], io: "mmap".into(), ..RunStats::default() };
        let limits = Limits { memory_bytes: 1 << 20, threads: 2, block_bytes: None, rows_per_run: None, io: IoMode::Auto };
        let env = Environment { version: "0", cpu: "some".into(), isa: "avx2".into(), limits, profile: None };
        let text = Summary::new(&stats, 1.5, vec!["careful".into()], Some(7), env).json();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["schema"], "outcore.report/1");
        assert_eq!(read["passes"]["x.npy"], 1);
        assert_eq!(read["stages"][0]["name"], "mean");
        assert_eq!(read["stages"][0]["bytes_per_second"], 200.0);
        assert_eq!(read["env"]["limits"]["memory_bytes"], 1 << 20);
        assert_eq!(read["bytes_peak_measured"], 7);
        assert_eq!(read["warnings"][0], "careful");
    }
}
