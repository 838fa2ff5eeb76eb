//! Durations on a fixed logarithmic scale: percentiles of any number of them, in bounded memory.

use serde::{Deserialize, Serialize};

/// Buckets of an octave: a bucket is at most a sixteenth of its lower end wide.
const PER_OCTAVE: u64 = 16;
const OCTAVE_BITS: u32 = PER_OCTAVE.trailing_zeros();
/// Durations from here on share the last bucket: 2^44 ns are nearly five hours.
const NANOSECONDS_MAX: u64 = (1 << 44) - 1;

/// How often durations of each size came. Merged histograms are the histogram of everything.
///
/// ```
/// use outcore::trace::Histogram;
/// let mut all = Histogram::default();
/// (1..=1000).for_each(|microseconds| all.add(microseconds * 1000));
/// let median = all.percentile(50.0).unwrap();
/// assert!((470_000..=530_000).contains(&median), "{median}");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Up to the last bucket that is not empty.
    counts: Vec<u64>,
    nanoseconds_total: u64,
    nanoseconds_max: u64,
}

impl Histogram {
    /// Buckets that there can be.
    pub const BUCKETS_MAX: usize = 656;

    /// Counts a duration.
    pub fn add(&mut self, nanoseconds: u64) {
        let bucket = bucket_of(nanoseconds);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.nanoseconds_total = self.nanoseconds_total.saturating_add(nanoseconds);
        self.nanoseconds_max = self.nanoseconds_max.max(nanoseconds);
    }

    /// Counts everything that `other` has counted.
    pub fn merge(&mut self, other: &Histogram) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.nanoseconds_total = self.nanoseconds_total.saturating_add(other.nanoseconds_total);
        self.nanoseconds_max = self.nanoseconds_max.max(other.nanoseconds_max);
    }

    /// Forgets everything, and keeps its memory.
    pub fn clear(&mut self) {
        self.counts.clear();
        (self.nanoseconds_total, self.nanoseconds_max) = (0, 0);
    }

    /// Durations counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    #[must_use]
    pub fn nanoseconds_total(&self) -> u64 {
        self.nanoseconds_total
    }

    /// The longest of them.
    #[must_use]
    pub fn nanoseconds_max(&self) -> u64 {
        self.nanoseconds_max
    }

    /// The duration that `percent` of 100 do not exceed, too high by a sixteenth at most; `None` of nothing.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a rank among counts")]
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        let rank = ((self.count() as f64 * percent / 100.0).ceil() as u64).max(1);
        let mut below = 0;
        let bucket = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        })?;
        Some(end_of(bucket).min(self.nanoseconds_max))
    }

    /// Buckets that are not empty: the longest duration of each, and how many it has.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(bucket, count)| (end_of(bucket), *count))
    }
}

/// Short durations have a bucket each; of longer ones the highest bit and the four behind it choose.
fn bucket_of(nanoseconds: u64) -> usize {
    let nanoseconds = nanoseconds.min(NANOSECONDS_MAX);
    if nanoseconds < PER_OCTAVE {
        return nanoseconds as usize;
    }
    let shift = nanoseconds.ilog2() - OCTAVE_BITS;
    ((u64::from(shift) + 1) * PER_OCTAVE + (nanoseconds >> shift) - PER_OCTAVE) as usize
}

/// The longest duration of a bucket.
fn end_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    match (bucket / PER_OCTAVE).checked_sub(1) {
        None => bucket,
        Some(shift) => ((bucket % PER_OCTAVE + PER_OCTAVE + 1) << shift) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_are_narrow() {
        assert_eq!(bucket_of(u64::MAX) + 1, Histogram::BUCKETS_MAX);
        for bucket in 0..Histogram::BUCKETS_MAX {
            let end = end_of(bucket);
            assert_eq!(bucket_of(end), bucket);
            let start = if bucket == 0 { 0 } else { end_of(bucket - 1) + 1 };
            assert_eq!(bucket_of(start), bucket);
            assert!((end - start) * PER_OCTAVE <= start, "{start}..={end}");
        }
    }

    #[test]
    fn percentiles_are_those_of_sorted_durations() {
        let mut durations: Vec<u64> = (0..10_000u64).map(|index| (index * 7919 % 10_000).pow(2)).collect();
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        for (index, &duration) in durations.iter().enumerate() {
            if index % 3 == 0 { one.add(duration) } else { other.add(duration) }
        }
        one.merge(&other);
        durations.sort_unstable();
        for percent in [1.0, 50.0, 95.0, 99.0, 100.0] {
            let want = durations[(100.0 * percent) as usize - 1];
            let found = one.percentile(percent).unwrap();
            assert!(found >= want && (found - want) * PER_OCTAVE <= want, "{percent}: {found} beside {want}");
        }
        assert_eq!((one.count(), one.nanoseconds_total()), (10_000, durations.iter().sum()));
        assert_eq!(one.buckets().map(|(_, count)| count).sum::<u64>(), 10_000);
        assert_eq!(Histogram::default().percentile(50.0), None);
    }
}
