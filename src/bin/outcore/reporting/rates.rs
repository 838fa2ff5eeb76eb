//! What this machine can do at most: a report draws the job under it. The machine profile knows, or it is measured in a moment after the job.

use crate::{profile::Found, settings::Settings};
use outcore::{Result, ndarray::Array1, report::MachineRates};
use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

/// Bytes that are read again and again: more than caches hold.
const BYTES: u64 = 64 << 20;
/// A smaller part of the memory would be measured in caches.
const BYTES_MIN: u64 = 16 << 20;
/// Times that each measure is repeated; the best one counts, for others had the machine in the rest.
const REPEATS: usize = 5;
/// Elements that are computed, and multiplications and additions of each.
const ELEMENTS: usize = 1 << 21;
const PAIRS: usize = 48;

/// The rates that the machine profile has, or else those of now.
pub fn find(settings: &Settings) -> Option<MachineRates> {
    known(&settings.profile, settings.session.limits().threads).or_else(|| measure(settings))
}

/// The rates of a profile that were measured with so many threads.
fn known(profile: &Found, threads: usize) -> Option<MachineRates> {
    let Found::Fits(path, profile) = profile else { return None };
    let rates = profile.rates.as_ref().filter(|rates| rates.threads == Some(threads))?;
    let measured = format!("Limits are those that `outcore doctor --save` measured with as many threads, in {}", path.display());
    Some(MachineRates { bytes_per_second: rates.memory_read, operations_per_second: rates.operations?, measured })
}

/// The rates; `None` where the budget leaves too little memory for the measure to mean something.
fn measure(settings: &Settings) -> Option<MachineRates> {
    let limits = settings.session.limits();
    let bytes = BYTES.min(limits.memory_bytes / 4);
    if bytes < BYTES_MIN {
        return None;
    }
    let bytes_per_second = read_rate(bytes, limits.threads);
    let operations_per_second = operation_rate(settings).ok()?;
    let measured = format!(
        "Limits were measured right after the run with its threads: {} MiB of memory read again and again, and {PAIRS} multiplications and \
         additions of each element in registers of this engine",
        bytes >> 20
    );
    Some(MachineRates { bytes_per_second, operations_per_second, measured })
}

/// Bytes per second of threads that read a part of a buffer each.
#[allow(clippy::cast_precision_loss, reason = "a rate")]
fn read_rate(bytes: u64, threads: usize) -> f64 {
    let words = vec![1u64; (bytes / 8) as usize];
    let part = words.len().div_ceil(threads.max(1));
    let mut best = Duration::MAX;
    for _ in 0..REPEATS {
        let started = Instant::now();
        thread::scope(|scope| {
            for part in words.chunks(part) {
                scope.spawn(move || black_box(part.iter().fold(0u64, |sum, word| sum.wrapping_add(*word))));
            }
        });
        best = best.min(started.elapsed());
    }
    bytes as f64 / best.as_secs_f64().max(1e-9)
}

/// Operations per second of the kernels themselves, where memory is not what they wait for.
#[allow(clippy::cast_precision_loss, reason = "a rate")]
pub fn operation_rate(settings: &Settings) -> Result<f64> {
    let session = settings.recipe.builder().build()?;
    let mut value = session.from_ndarray(Array1::<f32>::ones(ELEMENTS));
    for _ in 0..PAIRS {
        value = value * 0.5f32 + 0.25f32;
    }
    let value = value.max(..);
    let mut best = Duration::MAX;
    for _ in 0..REPEATS {
        let started = Instant::now();
        black_box(value.item::<f32>()?);
        best = best.min(started.elapsed());
    }
    Ok((ELEMENTS * (2 * PAIRS + 1)) as f64 / best.as_secs_f64().max(1e-9))
}
