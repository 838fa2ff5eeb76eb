//! How fast memory is: sums of a buffer that no cache holds, and copies of it.

use crate::signals;
use outcore::Result;
use serde::Serialize;
use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

/// How long each of the four loops is repeated at least.
const EACH: Duration = Duration::from_millis(250);
/// A buffer is that many times the last cache.
const CACHES: u64 = 4;
/// What a buffer holds at least and at most, in bytes: half a second is not spent on making it.
const BUFFER_BYTES: (u64, u64) = (64 << 20, 512 << 20);

/// Bytes per second; a copied byte is read and written, and counts twice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemoryRates {
    /// What was read at a time.
    pub buffer_bytes: u64,
    /// Threads of the rates of all.
    pub threads: usize,
    /// Read by one thread.
    pub read_one: f64,
    /// Read by all threads.
    pub read_all: f64,
    /// Copied by one thread.
    pub copy_one: f64,
    /// Copied by all threads.
    pub copy_all: f64,
}

/// Measures for about a second, with two buffers beyond the last cache that take no more than a quarter of `available_bytes`.
pub fn rates(threads: usize, cache_bytes: u64, available_bytes: u64) -> Result<MemoryRates> {
    let (least, most) = BUFFER_BYTES;
    let bytes = (cache_bytes * CACHES).clamp(least, most).min(available_bytes / 8).max(1 << 20);
    let words = usize::try_from(bytes / 8).unwrap_or(1 << 17);
    let from: Vec<u64> = (0..words as u64).collect();
    let mut to = vec![1u64; words];
    let mut rate = |threads: usize, loops: Loop| best_rate(&from, &mut to, threads, loops);
    Ok(MemoryRates {
        buffer_bytes: words as u64 * 8,
        threads,
        read_one: rate(1, Loop::Read)?,
        read_all: rate(threads, Loop::Read)?,
        copy_one: rate(1, Loop::Copy)?,
        copy_all: rate(threads, Loop::Copy)?,
    })
}

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loop {
    Read,
    Copy,
}

/// Bytes per second of the fastest of several passes.
#[allow(clippy::cast_precision_loss, reason = "a rate")]
fn best_rate(from: &[u64], to: &mut [u64], threads: usize, loops: Loop) -> Result<f64> {
    let part = from.len().div_ceil(threads.max(1)).max(1);
    let (began, mut least) = (Instant::now(), f64::INFINITY);
    while began.elapsed() < EACH || least.is_infinite() {
        signals::check()?;
        let started = Instant::now();
        thread::scope(|scope| {
            for (from, to) in from.chunks(part).zip(to.chunks_mut(part)) {
                scope.spawn(move || match loops {
                    Loop::Read => drop(black_box(folded(from))),
                    Loop::Copy => {
                        to.copy_from_slice(from);
                        black_box(to);
                    }
                });
            }
        });
        least = least.min(started.elapsed().as_secs_f64());
    }
    let times = if loops == Loop::Copy { 2 } else { 1 };
    Ok((from.len() * 8 * times) as f64 / least.max(1e-9))
}

/// All words, folded into a few: as little as can be done with what is read.
fn folded(words: &[u64]) -> [u64; 16] {
    let mut lanes = [0u64; 16];
    for piece in words.chunks_exact(16) {
        lanes.iter_mut().zip(piece).for_each(|(lane, word)| *lane ^= word);
    }
    lanes
}
