//! Numbers about a run: what was read, written, computed and held, per stage and in all.
//!
//! Nothing here formats, and nothing here knows a file or a thread: the scheduler fills these in, reports read them. Counters are always
//! kept ([`RunStats`]); what happened when is recorded only where it is asked for ([`Recorder`]).

mod histogram;
mod recording;

pub use histogram::Histogram;
pub use recording::{Begun, Clock, Lane, Recorder, Recording, Sample, Span, SpanKind, StageRecord};

use serde::Serialize;

/// What one stage did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StageStats {
    /// The stage's name in the plan.
    pub name: String,
    /// Wall-clock time.
    pub seconds: f64,
    /// Blocks computed.
    pub blocks: u64,
    /// Runs computed.
    pub runs: u64,
    /// Bytes of sources that were mapped, copied or used in place.
    pub bytes_read: u64,
    /// Bytes that went to outputs and temps.
    pub bytes_written: u64,
    /// Of the bytes read, those that were copied or decoded into buffers instead of being used where they lie.
    pub bytes_copied: u64,
    /// Of the bytes copied, those that the plan meant to use in place, so that explain does not show them: windows that a store could not
    /// map after all.
    pub bytes_copied_hidden: u64,
}

impl StageStats {
    /// Adds what the stage did another time.
    pub fn add(&mut self, other: &StageStats) {
        self.seconds += other.seconds;
        self.blocks += other.blocks;
        self.runs += other.runs;
        self.bytes_read += other.bytes_read;
        self.bytes_written += other.bytes_written;
        self.bytes_copied += other.bytes_copied;
        self.bytes_copied_hidden += other.bytes_copied_hidden;
    }
}

/// What one execution of a plan did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunStats {
    /// Wall-clock time, making the outputs durable included.
    pub seconds: f64,
    /// Bytes of sources that were mapped, copied or used in place.
    pub bytes_read: u64,
    /// Bytes that went to outputs and temps.
    pub bytes_written: u64,
    /// Of the bytes read, those that were copied or decoded into buffers instead of being used where they lie.
    pub bytes_copied: u64,
    /// Of the bytes copied, those that the plan meant to use in place. There should be none.
    pub bytes_copied_hidden: u64,
    /// Blocks computed.
    pub blocks: u64,
    /// Runs computed.
    pub runs: u64,
    /// What the plan said would be held at most.
    pub bytes_peak_planned: u64,
    /// What was held at most: every buffer, window, temp, state and scratch.
    pub bytes_peak_held: u64,
    /// One entry per stage, in order.
    pub stages: Vec<StageStats>,
    /// How many stages read each source: its name and the number of passes over it.
    pub passes: Vec<(String, usize)>,
    /// How sources were reached: `mmap`, `read`, `memory`, or `mixed`.
    pub io: String,
    /// For each output: the length along the compressed axis if it was compressed.
    pub output_counts: Vec<Option<usize>>,
    /// What should be known of the results: what it is about, and the text. Each text once.
    #[serde(skip)]
    pub warnings: Vec<(String, String)>,
}

impl RunStats {
    /// Adds a finished stage.
    pub fn push_stage(&mut self, stage: StageStats) {
        self.bytes_read += stage.bytes_read;
        self.bytes_written += stage.bytes_written;
        self.bytes_copied += stage.bytes_copied;
        self.bytes_copied_hidden += stage.bytes_copied_hidden;
        self.blocks += stage.blocks;
        self.runs += stage.runs;
        self.stages.push(stage);
    }

    /// Adds a warning. What an earlier stage, or phase, has said already is about the later one then.
    pub fn warn(&mut self, about: &str, text: String) {
        match self.warnings.iter_mut().find(|(_, there)| *there == text) {
            Some((there, _)) => about.clone_into(there),
            None => self.warnings.push((about.to_owned(), text)),
        }
    }
}
