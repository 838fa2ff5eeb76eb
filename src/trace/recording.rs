//! What happened when: spans of runs and blocks, and samples over time, in bounded memory.
//!
//! Whoever runs a job adds to a [`Recorder`] from any thread; whoever reports takes a [`Recording`] of it. A long job is thinned out,
//! never cut: once there are too many spans, every second run's are dropped and every second run that follows is left out, and so on;
//! samples alike. Histograms and sums count every block and run.

use super::Histogram;
use serde::Serialize;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// Spans that are kept at most.
const SPANS_MAX: usize = 16 * 1024;
/// Spans of one run at most: its read, its computation and its writes, and its blocks as far as they are kept.
pub(crate) const SPANS_OF_RUN_MAX: usize = 96;
/// Samples that are kept at most.
const SAMPLES_MAX: usize = 1024;
/// Stages of different names that have records of their own; later ones share the last.
const STAGES_MAX: usize = 128;
/// Distance of the first samples.
const SAMPLE_PERIOD_NANOSECONDS: u64 = 2_000_000;

/// The time since a recorder was made. One for all threads.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Nanoseconds since the recorder was made.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Who did something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// The thread that asked for the job.
    Caller,
    /// A compute thread.
    Compute(u16),
    /// A thread that reads and writes.
    Transfer(u16),
    /// The thread that has written bytes brought to the medium.
    Settle,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SpanKind {
    /// Inputs of a run were read or decoded into buffers.
    Read,
    /// A run was computed; reading mapped pages is part of it.
    Compute,
    /// A block of a run was computed.
    Block,
    /// Results of a run were written or encoded.
    Write,
    /// Written bytes were brought to the medium while the job went on.
    Settle,
    /// Written bytes were waited for at the end.
    Sync,
}

/// A stage that is being executed: what its spans are added with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    stage: u16,
    /// Group of its first run.
    group: u64,
}

/// A stretch of time of one thread. Times are nanoseconds since the recorder was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// What was done.
    pub kind: SpanKind,
    /// Index into [`Recording::stages`].
    pub stage: u16,
    /// Who did it.
    pub lane: Lane,
    /// The run of the stage; 0 for what has none.
    pub run: u64,
    /// The block of the run; 0 for what is about all of them.
    pub block: u64,
    /// Begin.
    pub start: u64,
    /// End.
    pub end: u64,
    /// The run among all runs of all stages: its spans are kept or dropped together.
    #[serde(skip)]
    group: u64,
}

impl Span {
    /// A span of a run that is being recorded.
    #[must_use]
    pub fn new(kind: SpanKind, lane: Lane, (run, block): (u64, u64), (start, end): (u64, u64)) -> Span {
        Span { kind, stage: 0, lane, run, block, start, end: end.max(start), group: 0 }
    }

    /// How long it took.
    #[must_use]
    pub fn nanoseconds(&self) -> u64 {
        self.end - self.start
    }
}

/// How things stood at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Nanoseconds since the recorder was made.
    pub at: u64,
    /// Bytes read so far.
    pub bytes_read: u64,
    /// Bytes written so far.
    pub bytes_written: u64,
    /// Memory that the engine held, by its own count.
    pub bytes_held: u64,
    /// Memory of the process that was resident, by the kernel's count, mapped pages included; 0 where it does not tell.
    pub bytes_resident: u64,
    /// Memory that may be held.
    pub bytes_budget: u64,
}

/// What all executions of stages of one name did, every run counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StageRecord {
    /// Their name in the plan.
    pub name: String,
    /// How often they were executed.
    pub executions: u64,
    /// Begin of the first.
    pub start: u64,
    /// End of the last.
    pub end: u64,
    /// Durations of all blocks.
    pub blocks: Histogram,
    /// Time of all threads for reading and decoding into buffers.
    pub nanoseconds_read: u64,
    /// Time that runs were ready and no thread was free.
    pub nanoseconds_waited: u64,
    /// Time of all threads for computing, pages of mapped files that came in meanwhile included.
    pub nanoseconds_computed: u64,
    /// Time of all threads for writing and encoding.
    pub nanoseconds_written: u64,
}

/// What happened when.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Recording {
    /// Stages by name, in the order in which they began.
    pub stages: Vec<StageRecord>,
    /// Spans of the runs that were kept: one in [`Self::runs_per_kept`].
    pub spans: Vec<Span>,
    /// Of how many runs one has its spans kept.
    pub runs_per_kept: u64,
    /// Samples, in order.
    pub samples: Vec<Sample>,
    /// Nanoseconds from the making of the recorder to this recording.
    pub end: u64,
}

impl StageRecord {
    fn count(&mut self, spans: &[Span]) {
        for span in spans {
            match span.kind {
                SpanKind::Read => self.nanoseconds_read += span.nanoseconds(),
                SpanKind::Compute => self.nanoseconds_computed += span.nanoseconds(),
                SpanKind::Write => self.nanoseconds_written += span.nanoseconds(),
                SpanKind::Block | SpanKind::Settle | SpanKind::Sync => {}
            }
            self.end = self.end.max(span.end);
        }
    }
}

impl Recording {
    /// Durations of all blocks of all stages.
    #[must_use]
    pub fn blocks(&self) -> Histogram {
        let mut all = Histogram::default();
        self.stages.iter().for_each(|stage| all.merge(&stage.blocks));
        all
    }

    /// What happened from `start` on: spans and samples; stages keep what they counted.
    #[must_use]
    pub fn since(mut self, start: u64) -> Recording {
        self.spans.retain(|span| span.end >= start);
        self.samples.retain(|sample| sample.at >= start);
        self
    }
}

/// Takes down what happens. Holds at most [`Recorder::BYTES_MAX`], whatever the job.
#[derive(Debug)]
pub struct Recorder {
    clock: Clock,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    stages: Vec<StageRecord>,
    spans: Vec<Span>,
    /// Groups so far: one for each run of each execution.
    groups: u64,
    /// Every so manieth group is kept: a power of two.
    stride: u64,
    samples: Vec<Sample>,
    sample_period: u64,
    sample_next: u64,
    /// Bytes of executions that are over.
    bytes_read: u64,
    bytes_written: u64,
}

impl Default for Recorder {
    fn default() -> Self {
        let kept = Kept { stride: 1, sample_period: SAMPLE_PERIOD_NANOSECONDS, ..Kept::default() };
        Recorder { clock: Clock(Instant::now()), kept: Mutex::new(kept) }
    }
}

impl Recorder {
    /// What it holds at most: spans (vectors grow by doubling), samples, and a histogram of every stage.
    pub const BYTES_MAX: usize = 2 * (SPANS_MAX + SPANS_OF_RUN_MAX) * size_of::<Span>()
        + 2 * SAMPLES_MAX * size_of::<Sample>()
        + STAGES_MAX * (size_of::<StageRecord>() + 2 * Histogram::BUCKETS_MAX * 8);

    /// The time that spans are told in.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A stage of so many runs begins.
    pub fn begin(&self, name: &str, runs: u64) -> Begun {
        let now = self.clock.now();
        let mut kept = self.kept();
        let place = kept.stages.iter().position(|stage| stage.name == name).unwrap_or_else(|| {
            if kept.stages.len() < STAGES_MAX {
                kept.stages.push(StageRecord { name: name.to_owned(), start: now, ..StageRecord::default() });
            }
            kept.stages.len() - 1
        });
        kept.stages[place].executions += 1;
        kept.stages[place].end = now;
        let group = kept.groups;
        kept.groups = kept.groups.saturating_add(runs.max(1));
        Begun { stage: place as u16, group }
    }

    /// The stage ends.
    pub fn end(&self, begun: Begun) {
        let now = self.clock.now();
        if let Some(stage) = self.kept().stages.get_mut(usize::from(begun.stage)) {
            stage.end = now;
        }
    }

    /// Adds spans of one run of a stage, the durations of its blocks, and how long it waited for a thread.
    pub fn add(&self, begun: Begun, spans: &[Span], blocks: &Histogram, nanoseconds_waited: u64) {
        let Begun { stage, group } = begun;
        let mut kept = self.kept();
        if let Some(record) = kept.stages.get_mut(usize::from(stage)) {
            record.count(spans);
            record.blocks.merge(blocks);
            record.nanoseconds_waited += nanoseconds_waited;
        }
        let stride = kept.stride;
        let spans = spans.iter().take(SPANS_OF_RUN_MAX).map(|span| Span { stage, group: group.saturating_add(span.run), ..*span });
        kept.spans.extend(spans.filter(|span| span.group.is_multiple_of(stride)));
        while kept.spans.len() > SPANS_MAX {
            kept.stride *= 2;
            let stride = kept.stride;
            kept.spans.retain(|span| span.group.is_multiple_of(stride));
        }
    }

    /// Whether it is time for a sample.
    #[must_use]
    pub fn wants_sample(&self) -> bool {
        self.clock.now() >= self.kept().sample_next
    }

    /// Adds a sample of a running execution, whose bytes count from its own start; the moment is now.
    pub fn sample(&self, sample: Sample) {
        let at = self.clock.now();
        let mut kept = self.kept();
        let sample = Sample {
            at,
            bytes_read: kept.bytes_read + sample.bytes_read,
            bytes_written: kept.bytes_written + sample.bytes_written,
            ..sample
        };
        kept.samples.push(sample);
        if kept.samples.len() > SAMPLES_MAX {
            let mut index = 0;
            kept.samples.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            kept.sample_period *= 2;
        }
        kept.sample_next = at + kept.sample_period;
    }

    /// An execution is over, and read and wrote so much.
    pub fn end_execution(&self, bytes_read: u64, bytes_written: u64) {
        let mut kept = self.kept();
        kept.bytes_read += bytes_read;
        kept.bytes_written += bytes_written;
    }

    /// A copy of what there is.
    #[must_use]
    pub fn recording(&self) -> Recording {
        let end = self.clock.now();
        let kept = self.kept();
        let mut spans = kept.spans.clone();
        spans.sort_by_key(|span| (span.start, span.end));
        Recording { stages: kept.stages.clone(), spans, runs_per_kept: kept.stride, samples: kept.samples.clone(), end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_job_is_thinned_out_and_counted_whole() {
        let recorder = Recorder::default();
        let stage = recorder.begin("z", 100_000);
        for run in 0..100_000u64 {
            let mut blocks = Histogram::default();
            blocks.add(1000 + run % 10);
            let span = |kind| Span::new(kind, Lane::Compute(0), (run, 0), (run * 10, run * 10 + 7));
            recorder.add(stage, &[span(SpanKind::Compute), span(SpanKind::Write)], &blocks, 3);
        }
        let found = recorder.recording();
        assert!(found.spans.len() <= SPANS_MAX && found.spans.len() > SPANS_MAX / 4, "{}", found.spans.len());
        assert!(found.spans.iter().all(|span| span.run.is_multiple_of(found.runs_per_kept)));
        // From the beginning to the end, and both of a run or none.
        assert!(found.spans[0].run == 0 && found.spans.last().unwrap().run + found.runs_per_kept >= 100_000);
        assert_eq!(found.spans.len() % 2, 0);
        let record = &found.stages[0];
        assert_eq!((record.blocks.count(), record.nanoseconds_computed, record.nanoseconds_waited), (100_000, 700_000, 300_000));
        const { assert!(Recorder::BYTES_MAX < 8 << 20) }
    }

    #[test]
    fn many_stages_and_samples_are_bounded() {
        let recorder = Recorder::default();
        for index in 0..1000 {
            let stage = recorder.begin(&format!("stage {index}"), 1);
            recorder.add(stage, &[], &Histogram::default(), 0);
        }
        let again = recorder.begin("stage 3", 1);
        for bytes_read in 0..10_000 {
            recorder.sample(Sample { bytes_read, ..Sample::default() });
        }
        let found = recorder.recording();
        assert_eq!((found.stages.len(), found.stages[usize::from(again.stage)].executions), (STAGES_MAX, 2));
        assert!(found.samples.len() <= SAMPLES_MAX && found.samples.is_sorted_by_key(|sample| sample.bytes_read));
        assert_eq!(found.samples[0].bytes_read, 0);
    }

    #[test]
    fn bytes_of_executions_add_up() {
        let recorder = Recorder::default();
        recorder.sample(Sample { bytes_read: 5, ..Sample::default() });
        recorder.end_execution(7, 1);
        recorder.sample(Sample { bytes_read: 2, bytes_written: 1, ..Sample::default() });
        let samples = recorder.recording().samples;
        assert_eq!(samples.iter().map(|sample| (sample.bytes_read, sample.bytes_written)).collect::<Vec<_>>(), [(5, 0), (9, 2)]);
    }
}
