//! [`Sweep`]: the same work in sessions with other blocks, threads and ways to read.

use super::rounds::{Spread, excess_percent, interleaved, least_median};
use crate::{
    array::{Session, SessionBuilder, machine, words::IoMode},
    error::{Error, Result},
    plan::grid::BLOCK_BYTES,
};
use serde::Serialize;
use std::time::Instant;

/// Bytes of blocks that are tried where nobody says which. The default is among them.
const BLOCKS: [u64; 7] = [64 << 10, 128 << 10, 256 << 10, BLOCK_BYTES, 1 << 20, 2 << 20, 4 << 20];
/// Every setting has a session with threads of its own, all alive at once.
const SETTINGS_MAX: usize = 256;
/// Rounds where nobody says how many.
const ROUNDS: usize = 5;

/// What a session is made with. What is not there is left to the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Bytes of a block.
    pub block_bytes: Option<u64>,
    /// Compute threads.
    pub threads: Option<usize>,
    /// How files are read.
    pub io: Option<IoMode>,
}

impl Setting {
    /// Whether the engine decides everything.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Setting::default()
    }

    /// A session to be, with this setting.
    #[must_use]
    pub fn apply(&self, mut builder: SessionBuilder) -> SessionBuilder {
        if let Some(bytes) = self.block_bytes {
            builder = builder.block_bytes(bytes);
        }
        if let Some(threads) = self.threads {
            builder = builder.threads(threads);
        }
        if let Some(io) = self.io {
            builder = builder.io(io);
        }
        builder
    }
}

/// Which settings are tried together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grid {
    /// One thing at a time is changed, the others stay as the engine has them.
    #[default]
    Axes,
    /// Every block with every number of threads and every way to read.
    Full,
}

/// The same work in sessions with other blocks, threads and ways to read, and what is fastest.
///
/// Sessions are warmed up by one run that is not counted; then every round runs each of them once, forwards and backwards by turns. The
/// setting that leaves everything to the engine is always among them. Results do not depend on any of this, so nothing is compared.
///
/// ```
/// use outcore::{Session, tune::Sweep};
/// let sweep = Sweep::new().block_bytes([64 << 10, 1 << 20]).threads([1]).io_modes([]).rounds(3);
/// let swept = sweep.run(
///     || Session::builder().memory("64MiB"),
///     |session| session.arange(0, 100_000, 1).sqrt().sum(..).item::<f64>().map(drop),
/// )?;
/// // The default, two blocks, one thread.
/// assert_eq!(swept.rows.len(), 4);
/// assert!(swept.best().seconds.median > 0.0 && swept.default_excess_percent() >= 0.0);
/// # Ok::<(), outcore::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sweep {
    blocks: Vec<u64>,
    threads: Vec<usize>,
    io: Vec<IoMode>,
    grid: Grid,
    rounds: usize,
}

/// One setting and how long it takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// The setting.
    pub setting: Setting,
    /// Of all rounds.
    pub seconds: Spread,
    /// How much longer than the best, in percent: the median of the ratios of each round.
    pub excess_percent: f64,
}

/// What a sweep has found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Swept {
    /// Every setting once; the first is the default.
    pub rows: Vec<Measured>,
    /// The fastest of them.
    pub best: usize,
}

impl Default for Sweep {
    fn default() -> Self {
        Sweep::new()
    }
}

impl Sweep {
    /// Blocks from 64 KiB to 4 MiB, one thread, half of all and all, and every way to read; one thing at a time, five rounds.
    #[must_use]
    pub fn new() -> Sweep {
        let all = machine::threads();
        let mut threads = vec![1, all / 2];
        threads.retain(|&count| count > 0 && count < all);
        threads.dedup();
        Sweep { blocks: BLOCKS.to_vec(), threads, io: vec![IoMode::Mmap, IoMode::Read], grid: Grid::Axes, rounds: ROUNDS }
    }

    /// Bytes of blocks to try; none: what the engine takes.
    #[must_use]
    pub fn block_bytes(mut self, bytes: impl IntoIterator<Item = u64>) -> Sweep {
        self.blocks = bytes.into_iter().collect();
        self
    }

    /// Numbers of threads to try; none: what the engine takes.
    #[must_use]
    pub fn threads(mut self, threads: impl IntoIterator<Item = usize>) -> Sweep {
        self.threads = threads.into_iter().collect();
        self
    }

    /// Ways to read to try; none: what the engine takes.
    #[must_use]
    pub fn io_modes(mut self, modes: impl IntoIterator<Item = IoMode>) -> Sweep {
        self.io = modes.into_iter().collect();
        self
    }

    /// Which settings are tried together.
    #[must_use]
    pub fn grid(mut self, grid: Grid) -> Sweep {
        self.grid = grid;
        self
    }

    /// How often every setting is measured.
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Sweep {
        self.rounds = rounds;
        self
    }

    /// Every setting once; the first leaves everything to the engine. What the engine takes anyway is no setting of its own.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let with_default = |values: Vec<Setting>| [vec![Setting::default()], values].concat();
        let blocks = self.blocks.iter().map(|&bytes| Setting { block_bytes: Some(bytes), ..Setting::default() });
        let threads = self.threads.iter().map(|&count| Setting { threads: Some(count), ..Setting::default() });
        let io = self.io.iter().filter(|&&io| io != IoMode::Auto).map(|&io| Setting { io: Some(io), ..Setting::default() });
        let (blocks, threads, io): (Vec<_>, Vec<_>, Vec<_>) = (blocks.collect(), threads.collect(), io.collect());
        let mut settings = match self.grid {
            Grid::Axes => with_default([blocks, threads, io].concat()),
            Grid::Full => {
                let mut all = Vec::new();
                for io in with_default(io) {
                    for threads in with_default(threads.clone()) {
                        all.extend(with_default(blocks.clone()).iter().map(|block| Setting {
                            threads: threads.threads,
                            io: io.io,
                            ..*block
                        }));
                    }
                }
                all
            }
        };
        // A block or a number that is given twice is measured once.
        let mut seen = Vec::new();
        settings.retain(|setting| {
            !seen.contains(setting) && {
                seen.push(*setting);
                true
            }
        });
        settings
    }

    /// Runs `work` in a session of every setting. `builder` makes what the settings are put on.
    pub fn run(&self, builder: impl Fn() -> SessionBuilder, work: impl FnMut(&Session) -> Result<()>) -> Result<Swept> {
        self.run_after(builder, |_| Ok(()), work)
    }

    /// [`Sweep::run`] with something that is done before every run and not measured, as dropping pages and removing outputs.
    pub fn run_after(
        &self,
        builder: impl Fn() -> SessionBuilder,
        mut before: impl FnMut(&Session) -> Result<()>,
        mut work: impl FnMut(&Session) -> Result<()>,
    ) -> Result<Swept> {
        let settings = self.settings();
        if settings.len() > SETTINGS_MAX {
            let text = format!("{} settings: more than {SETTINGS_MAX} sessions are not kept at the same time", settings.len());
            return Err(Error::usage(text).hint("fewer blocks, threads or ways to read"));
        }
        let sessions = settings.iter().map(|setting| setting.apply(builder()).build()).collect::<Result<Vec<_>>>()?;
        let mut timed = |session: &Session| {
            before(session)?;
            let started = Instant::now();
            work(session)?;
            Ok(started.elapsed().as_secs_f64())
        };
        // Threads start with the first job, and files get into the page cache.
        sessions.iter().try_for_each(|session| timed(session).map(drop))?;
        Swept::of(&settings, &interleaved(settings.len(), self.rounds, |index, _| timed(&sessions[index]))?)
    }
}

impl Swept {
    fn of(settings: &[Setting], seconds: &[Vec<f64>]) -> Result<Swept> {
        let Some(best) = least_median(seconds) else { return Err(Error::usage("a sweep needs a setting")) };
        let row = |(setting, of_setting): (&Setting, &Vec<f64>)| Measured {
            setting: *setting,
            seconds: Spread::of(of_setting),
            excess_percent: excess_percent(of_setting, &seconds[best]),
        };
        Ok(Swept { rows: settings.iter().zip(seconds).map(row).collect(), best })
    }

    /// The fastest.
    #[must_use]
    pub fn best(&self) -> &Measured {
        &self.rows[self.best]
    }

    /// What leaves everything to the engine.
    #[must_use]
    pub fn default_row(&self) -> &Measured {
        &self.rows[0]
    }

    /// How much longer the default takes than the best, in percent.
    #[must_use]
    pub fn default_excess_percent(&self) -> f64 {
        self.default_row().excess_percent.max(0.0)
    }

    /// Whether some measurement of the best took longer than some of the default: then nothing is certain.
    #[must_use]
    pub fn is_within_noise(&self) -> bool {
        self.best == 0 || self.best().seconds.max >= self.default_row().seconds.min
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Sweep {
        Sweep::new().block_bytes([4096, BLOCK_BYTES, 4096]).threads([1, 3]).io_modes([IoMode::Auto, IoMode::Read])
    }

    #[test]
    fn every_setting_is_there_once_and_the_default_first() {
        let axes = small().settings();
        assert_eq!(axes.len(), 6, "the default, two blocks, two numbers of threads, one way to read: {axes:?}");
        let full = small().grid(Grid::Full).settings();
        assert_eq!(full.len(), 3 * 3 * 2, "{full:?}");
        for settings in [axes, full] {
            assert!(settings[0].is_default());
            assert!(settings.iter().enumerate().all(|(index, setting)| !settings[..index].contains(setting)));
        }
    }

    #[test]
    fn work_is_done_once_to_warm_up_and_once_a_round() {
        let mut runs: Vec<(usize, Option<u64>, IoMode)> = Vec::new();
        let mut prepared = 0;
        let builder = || Session::builder().memory("16MiB").threads(2);
        let work = |session: &Session| {
            let limits = session.limits();
            runs.push((limits.threads, limits.block_bytes, limits.io));
            Ok(())
        };
        let count = |_: &Session| {
            prepared += 1;
            Ok(())
        };
        let swept = small().rounds(3).run_after(builder, count, work).unwrap();
        assert_eq!((runs.len(), prepared), (6 * 4, 6 * 4));
        assert_eq!(
            runs[..6],
            [
                (2, None, IoMode::Auto),
                (2, Some(4096), IoMode::Auto),
                (2, Some(BLOCK_BYTES), IoMode::Auto),
                (1, None, IoMode::Auto),
                (3, None, IoMode::Auto),
                (2, None, IoMode::Read)
            ]
        );
        assert_eq!(runs[12..18].iter().rev().collect::<Vec<_>>(), runs[6..12].iter().collect::<Vec<_>>(), "backwards the second time");
        assert_eq!((swept.rows.len(), swept.rows[0].seconds.count), (6, 3));
    }

    #[test]
    fn the_best_and_how_far_the_default_is_from_it() {
        let settings = small().settings()[..3].to_vec();
        let swept = Swept::of(&settings, &[vec![1.1, 2.2, 3.3], vec![1.0, 2.0, 3.0], vec![5.0, 5.0, 5.0]]).unwrap();
        assert_eq!(swept.best, 1);
        assert!((swept.default_excess_percent() - 10.0).abs() < 1e-9);
        assert!(swept.is_within_noise(), "the rounds differ by more");
        let clear = Swept::of(&settings, &[vec![2.0, 2.1, 2.2], vec![1.0, 1.1, 1.2], vec![5.0; 3]]).unwrap();
        assert!(!clear.is_within_noise());
    }

    #[test]
    fn what_fails_ends_the_sweep() {
        let failed = small().run(|| Session::builder().memory("16MiB"), |_| Err(Error::usage("no")));
        assert_eq!(failed.unwrap_err().message(), "no");
        let many = Sweep::new().block_bytes((1..100).map(|k| k * 4096)).threads(1..10).grid(Grid::Full);
        assert!(many.run(|| Session::builder().memory("16MiB"), |_| Ok(())).unwrap_err().message().contains("settings"));
    }
}
