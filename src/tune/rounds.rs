//! The order of measurements, and medians.

use crate::error::{Error, Result};
use serde::Serialize;
use std::time::{Duration, Instant};

/// A median and how far measurements lie from it, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// As many are smaller as are larger.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// A quarter is smaller.
    pub quartile_low: f64,
    /// A quarter is larger.
    pub quartile_high: f64,
    /// How many there are.
    pub count: usize,
}

impl Spread {
    /// Of measurements in any order; all zero if there are none.
    #[must_use]
    pub fn of(seconds: &[f64]) -> Spread {
        let mut sorted = seconds.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share| quantile(&sorted, share);
        Spread { median: at(0.5), min: at(0.0), max: at(1.0), quartile_low: at(0.25), quartile_high: at(0.75), count: sorted.len() }
    }
}

/// Between the two nearest of `sorted`, as NumPy's default has it.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among measurements")]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * sorted.len().saturating_sub(1) as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    match (sorted.get(below), sorted.get(below + 1)) {
        (Some(low), Some(high)) => low + (high - low) * part,
        (Some(low), None) => *low,
        _ => 0.0,
    }
}

/// Calls `measure(index, round)` for every index in every round, forwards and backwards by turns, and gives what it said: one list per
/// index, in the order of the rounds.
///
/// ```
/// let mut order = Vec::new();
/// let said = outcore::tune::interleaved(3, 2, |index, round| {
///     order.push(index);
///     Ok((10 * round + index) as f64)
/// })?;
/// assert_eq!(order, [0, 1, 2, 2, 1, 0]);
/// assert_eq!(said, [[0.0, 10.0], [1.0, 11.0], [2.0, 12.0]]);
/// # Ok::<(), outcore::Error>(())
/// ```
pub fn interleaved<T>(count: usize, rounds: usize, mut measure: impl FnMut(usize, usize) -> Result<T>) -> Result<Vec<Vec<T>>> {
    if count == 0 || rounds == 0 {
        return Err(Error::usage(format!("{count} settings in {rounds} rounds: nothing would be measured")));
    }
    let mut said: Vec<Vec<T>> = (0..count).map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        for place in 0..count {
            let index = if round % 2 == 0 { place } else { count - 1 - place };
            said[index].push(measure(index, round)?);
        }
    }
    Ok(said)
}

/// Seconds of one call of `work`: the mean of as many calls as take `least`, and of at least one. For what is too short for a clock.
pub fn mean_seconds(least: Duration, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let (started, mut calls) = (Instant::now(), 0u32);
    while calls == 0 || started.elapsed() < least {
        work()?;
        calls = calls.saturating_add(1);
    }
    Ok(started.elapsed().as_secs_f64() / f64::from(calls))
}

/// The index with the least median; the first of equal ones.
#[must_use]
pub fn least_median(measured: &[Vec<f64>]) -> Option<usize> {
    let medians = measured.iter().map(|seconds| Spread::of(seconds).median).enumerate();
    medians.reduce(|best, next| if next.1 < best.1 { next } else { best }).map(|(index, _)| index)
}

/// How much longer `one` takes than `other`, in percent: the median of the ratios of each round.
#[must_use]
pub fn excess_percent(one: &[f64], other: &[f64]) -> f64 {
    let ratios: Vec<f64> = one.iter().zip(other).map(|(one, other)| one / other.max(f64::MIN_POSITIVE)).collect();
    if ratios.is_empty() { 0.0 } else { 100.0 * (Spread::of(&ratios).median - 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_quartiles_are_those_of_numpy() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!((spread.median, spread.min, spread.max), (2.5, 1.0, 4.0));
        assert_eq!((spread.quartile_low, spread.quartile_high, spread.count), (1.75, 3.25, 4));
        assert_eq!(Spread::of(&[7.0]).quartile_high, 7.0);
        assert_eq!(Spread::of(&[]).count, 0);
    }

    #[test]
    fn a_machine_that_slows_down_does_not_choose() {
        // Work takes 2, 1 and 1.5 units; every measurement finds the machine a tenth slower than the one before.
        let (work, mut clock) = ([2.0, 1.0, 1.5], 1.0);
        let said = interleaved(3, 4, |index, _| {
            clock *= 1.1;
            Ok(work[index] * clock)
        });
        let said = said.unwrap();
        assert_eq!(least_median(&said), Some(1));
        // One after the other the first would seem to be faster than it is by 2.6 times.
        assert!((excess_percent(&said[0], &said[1]) - 100.0).abs() < 12.0, "{}", excess_percent(&said[0], &said[1]));
        assert!((excess_percent(&said[2], &said[1]) - 50.0).abs() < 12.0);
    }

    #[test]
    fn what_is_measured_is_done_at_least_once() {
        let mut calls = 0;
        let count = || {
            calls += 1;
            Ok(())
        };
        assert!(mean_seconds(Duration::ZERO, count).unwrap() >= 0.0 && calls == 1);
        assert!(mean_seconds(Duration::MAX, || Err(Error::cancelled())).is_err());
    }

    #[test]
    fn an_error_ends_it_and_nothing_is_no_sweep() {
        let mut calls = 0;
        let failed = interleaved(2, 5, |_, round| {
            calls += 1;
            if round == 1 { Err(Error::cancelled()) } else { Ok(1.0) }
        });
        assert!(failed.is_err() && calls == 3);
        assert!(interleaved(0, 1, |_, _| Ok(0.0)).is_err() && interleaved(1, 0, |_, _| Ok(0.0)).is_err());
        assert_eq!(least_median(&[]), None);
        assert_eq!(excess_percent(&[], &[]), 0.0);
    }
}
