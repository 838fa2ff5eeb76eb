//! The progress line.

use crate::args::ProgressWhen;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use outcore::{Progress, report::size};
use std::{
    io::{IsTerminal, Write, stderr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A job that is over sooner needs no progress line.
const QUIET: Duration = Duration::from_secs(1);
/// Away from a terminal, one line per this time.
const LINE_EVERY: Duration = Duration::from_secs(30);

/// Tells about progress.
pub struct Reporter {
    way: Way,
    state: Mutex<State>,
}

/// How progress is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Silent,
    /// A line that is drawn over itself.
    Bar,
    /// A line now and then.
    Lines,
    /// One JSON object a line.
    Json,
}

#[derive(Default)]
struct State {
    started: Option<Instant>,
    last_line: Option<Instant>,
    bar: Option<ProgressBar>,
    jobs: Jobs,
}

/// Many a command runs one plan after the other: iterations, phases, what is looked at before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Jobs {
    /// Plans so far.
    plans: u64,
    /// Bytes of those that are over.
    bytes_before: u64,
    /// Where the plan that runs stood last, and how long it had run then.
    bytes_last: u64,
    seconds_last: f64,
}

impl Jobs {
    /// Takes note of where things stand.
    fn see(&mut self, progress: &Progress) {
        if self.plans == 0 || progress.seconds < self.seconds_last || progress.bytes_done < self.bytes_last {
            self.plans += 1;
            self.bytes_before += self.bytes_last;
        }
        (self.bytes_last, self.seconds_last) = (progress.bytes_done, progress.seconds);
    }
}

impl Reporter {
    /// A reporter that tells as `when` asks.
    pub fn new(when: ProgressWhen) -> Self {
        let way = match (when, stderr().is_terminal()) {
            (ProgressWhen::Json, _) => Way::Json,
            (ProgressWhen::Auto | ProgressWhen::Always, true) => Way::Bar,
            (ProgressWhen::Always, false) => Way::Lines,
            _ => Way::Silent,
        };
        Reporter { way, state: Mutex::default() }
    }

    /// Whether a person is likely to read stderr.
    pub fn is_watched(&self) -> bool {
        matches!(self.way, Way::Bar | Way::Lines)
    }

    /// Tells where the job stands.
    pub fn tell(&self, progress: &Progress) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let started = *state.started.get_or_insert(now);
        state.jobs.see(progress);
        let jobs = state.jobs;
        match self.way {
            Way::Silent => {}
            Way::Bar if now - started < QUIET => {}
            Way::Bar => {
                let bar = state.bar.get_or_insert_with(new_bar);
                bar.set_length(progress.bytes_total.max(1));
                bar.set_position(progress.bytes_done);
                bar.set_prefix(stage(progress, &jobs));
                bar.set_message(amounts(progress));
            }
            Way::Lines => {
                let since = state.last_line.unwrap_or(started);
                if now - since >= LINE_EVERY {
                    state.last_line = Some(now);
                    let _ = writeln!(stderr(), "outcore: {} {} % {}", stage(progress, &jobs), percent(progress), amounts(progress));
                }
            }
            Way::Json => {
                let _ = writeln!(stderr(), "{}", json(progress, &jobs));
            }
        }
    }

    /// Takes the line away.
    pub fn finish(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
        *state = State::default();
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    // The template is a constant: when it does not parse, the plain style still shows the numbers.
    if let Ok(style) = ProgressStyle::with_template("{prefix} ▕{bar:20}▏ {percent} % {msg}") {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    bar
}

/// `stage 2/3 z -> z.npy`, and before it which plan it is a stage of, from the second one on.
fn stage(progress: &Progress, jobs: &Jobs) -> String {
    let plan = if jobs.plans > 1 { format!("plan {}, ", jobs.plans) } else { String::new() };
    format!("{plan}stage {}/{} {}", progress.stage + 1, progress.stages, progress.stage_name)
}

/// Bytes per second, and the seconds that are left of the plan; `None` before anything is done.
#[allow(clippy::cast_precision_loss, reason = "shown to a person")]
fn speed(progress: &Progress) -> (f64, Option<f64>) {
    let rate = if progress.seconds > 0.0 { progress.bytes_done as f64 / progress.seconds } else { 0.0 };
    let left = progress.bytes_total.saturating_sub(progress.bytes_done) as f64;
    (rate, (rate > 0.0).then_some(left / rate))
}

fn amounts(progress: &Progress) -> String {
    let (rate, left) = speed(progress);
    let eta = left.map_or(String::new(), |left| format!(" eta {}", whole_seconds(left)));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is positive and finite")]
    let speed = size::data_bytes(rate as u64);
    format!(
        "{} {speed}/s{eta} mem {}",
        of(&size::data_bytes(progress.bytes_done), &size::data_bytes(progress.bytes_total)),
        of(&size::memory_bytes(progress.bytes_held), &size::memory_bytes(progress.bytes_budget))
    )
}

/// `12.3/30.0 GB`; both units are kept where they differ.
fn of(part: &str, whole: &str) -> String {
    match (part.split_once(' '), whole.split_once(' ')) {
        (Some((number, unit)), Some((total, other))) if unit == other => format!("{number}/{total} {unit}"),
        _ => format!("{part}/{whole}"),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shown to a person; saturates")]
fn whole_seconds(seconds: f64) -> String {
    let seconds = seconds.ceil() as u64;
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds.div_ceil(60)) }
}

fn percent(progress: &Progress) -> u64 {
    (u128::from(progress.bytes_done) * 100 / u128::from(progress.bytes_total.max(1))) as u64
}

fn json(progress: &Progress, jobs: &Jobs) -> String {
    let (rate, left) = speed(progress);
    serde_json::json!({
        "schema": "outcore.progress/1",
        "plan": jobs.plans,
        "stage": progress.stage + 1,
        "stages": progress.stages,
        "name": progress.stage_name,
        "bytes_done": progress.bytes_done,
        "bytes_total": progress.bytes_total,
        "bytes_before": jobs.bytes_before,
        "seconds": progress.seconds,
        "bytes_per_second": rate,
        "eta_seconds": left,
        "bytes_held": progress.bytes_held,
        "bytes_budget": progress.bytes_budget,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_where_how_fast_and_how_long() {
        let progress = Progress {
            stage: 1,
            stages: 3,
            stage_name: "z -> z.npy".to_string(),
            bytes_done: 12_300_000_000,
            bytes_total: 30_000_000_000,
            seconds: 6.5,
            bytes_held: 1_180_000_000,
            bytes_budget: 2 << 30,
        };
        assert_eq!(stage(&progress, &Jobs { plans: 1, ..Jobs::default() }), "stage 2/3 z -> z.npy");
        assert_eq!(stage(&progress, &Jobs { plans: 4, ..Jobs::default() }), "plan 4, stage 2/3 z -> z.npy");
        assert_eq!(amounts(&progress), "12.3/30.0 GB 1.89 GB/s eta 10 s mem 1.10/2.00 GiB");
        assert_eq!(percent(&progress), 41);
    }

    #[test]
    fn a_plan_that_begins_is_told_from_one_that_goes_on() {
        let at = |seconds, bytes_done| Progress {
            stage: 0,
            stages: 1,
            stage_name: String::new(),
            bytes_done,
            bytes_total: 100,
            seconds,
            bytes_held: 0,
            bytes_budget: 1,
        };
        let mut jobs = Jobs::default();
        let steps = [(0.1, 0, 1, 0), (0.2, 70, 1, 0), (0.3, 100, 1, 0), (0.1, 100, 2, 100), (0.2, 100, 2, 100), (0.9, 40, 3, 200)];
        for (seconds, bytes, plans, before) in steps {
            jobs.see(&at(seconds, bytes));
            assert_eq!((jobs.plans, jobs.bytes_before), (plans, before), "{seconds} {bytes}");
        }
        assert!(json(&at(0.0, 0), &jobs).contains("\"eta_seconds\":null"));
    }
}
