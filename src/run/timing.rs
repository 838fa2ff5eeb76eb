//! When the parts of a run happened, and how things stand meanwhile: only while a job is recorded, and next to nothing else.

use super::job::RunTask;
use crate::trace::{Clock, Histogram, Lane, Span, SpanKind};
use std::fs;

/// Spans of blocks that a run keeps at most; when there are more, every second one goes.
const BLOCKS_MAX: usize = 64;

/// What is known of the run that a task is.
pub(super) struct Timing {
    clock: Clock,
    lane: Lane,
    ready: u64,
    pub waited: u64,
    /// Read, computed, written.
    pub spans: Vec<Span>,
    blocks_kept: Vec<Span>,
    block_stride: u64,
    pub blocks: Histogram,
}

impl Timing {
    fn new(clock: Clock) -> Self {
        let (spans, blocks_kept, blocks) = (Vec::new(), Vec::new(), Histogram::default());
        Timing { clock, lane: Lane::Caller, ready: 0, waited: 0, spans, blocks_kept, block_stride: 1, blocks }
    }

    fn clear(&mut self) {
        self.spans.clear();
        self.blocks_kept.clear();
        self.blocks.clear();
        (self.lane, self.ready, self.waited, self.block_stride) = (Lane::Caller, 0, 0, 1);
    }

    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// A block was computed since `start`.
    pub fn block(&mut self, run: usize, block: u64, start: u64) {
        let end = self.clock.now();
        self.blocks.add(end.saturating_sub(start));
        if !block.is_multiple_of(self.block_stride) {
            return;
        }
        if self.blocks_kept.len() == BLOCKS_MAX {
            self.block_stride *= 2;
            let stride = self.block_stride;
            self.blocks_kept.retain(|span| span.block.is_multiple_of(stride));
            if !block.is_multiple_of(stride) {
                return;
            }
        }
        self.blocks_kept.push(Span::new(SpanKind::Block, self.lane, (run as u64, block), (start, end)));
    }

    /// All spans of the run.
    pub fn all(&mut self) -> &[Span] {
        self.spans.append(&mut self.blocks_kept);
        &self.spans
    }
}

impl RunTask {
    /// Starts to time a run, if `clock` says so.
    pub fn time(&mut self, clock: Option<Clock>) {
        match (&mut self.timing, clock) {
            (Some(timing), Some(_)) => timing.clear(),
            (timing, clock) => *timing = clock.map(|clock| Box::new(Timing::new(clock))),
        }
    }

    /// Now, if the run is timed.
    pub fn now(&self) -> u64 {
        self.timing.as_ref().map_or(0, |timing| timing.now())
    }

    /// The run waits for a thread from now on.
    pub fn is_ready(&mut self) {
        if let Some(timing) = &mut self.timing {
            timing.ready = timing.now();
        }
    }

    /// A thread takes the run.
    pub fn taken_by(&mut self, lane: Lane) {
        if let Some(timing) = &mut self.timing {
            timing.lane = lane;
            if timing.ready > 0 {
                timing.waited = timing.now().saturating_sub(timing.ready);
            }
        }
    }

    /// What the thread has done since `start`.
    pub fn did(&mut self, kind: SpanKind, start: u64) {
        let run = self.run as u64;
        if let Some(timing) = &mut self.timing {
            let span = Span::new(kind, timing.lane, (run, 0), (start, timing.now()));
            timing.spans.push(span);
        }
    }
}

/// The lane of a thread that computes.
pub(super) fn compute_lane() -> Lane {
    rayon::current_thread_index().map_or(Lane::Caller, |index| Lane::Compute(u16::try_from(index).unwrap_or(u16::MAX)))
}

/// What a thread does, timed if `clock` says so.
pub(super) fn timed<T>(clock: Option<Clock>, kind: SpanKind, lane: Lane, run: usize, work: impl FnOnce() -> T) -> (T, Option<Span>) {
    let start = clock.map(|clock| clock.now());
    let done = work();
    let span = clock.zip(start).map(|(clock, start)| Span::new(kind, lane, (run as u64, 0), (start, clock.now())));
    (done, span)
}

/// Memory of this process that is resident now, by the kernel's count; 0 where it does not tell.
pub(super) fn bytes_resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Recorder;

    #[test]
    fn blocks_of_a_run_are_thinned_out_and_all_counted() {
        let mut task = RunTask::default();
        task.time(Some(Recorder::default().clock()));
        task.run = 5;
        let timing = task.timing.as_mut().unwrap();
        (0..1000).for_each(|block| timing.block(5, block, timing.now()));
        assert_eq!(timing.blocks.count(), 1000);
        let stride = timing.block_stride;
        let kept: Vec<u64> = timing.all().iter().map(|span| span.block).collect();
        assert!(kept.len() <= BLOCKS_MAX && kept.len() > BLOCKS_MAX / 3, "{kept:?}");
        assert_eq!(kept, (0..1000).filter(|block| block % stride == 0).collect::<Vec<u64>>());
    }

    #[test]
    fn this_process_has_memory() {
        if cfg!(target_os = "linux") {
            assert!(bytes_resident() > 1 << 16);
        }
    }
}
