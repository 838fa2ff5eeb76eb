//! What the norms of rows say, counted as they come.

use super::{Named, Norms, in_order};
use crate::{array::words::Region, error::Result};
use std::collections::BTreeMap;

/// Shares whose norms are told.
const SHARES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];
/// Bits of a float that do not tell buckets of norms apart, to begin with: the middle of a bucket is within 2^-13 of what lies in it.
const SHIFT: u32 = 52 - 12;
/// Bits below the exponent.
const SHIFT_MAX: u32 = 52;
/// Memory of a bucket: key, count, and what a tree leaves empty.
const BUCKET_BYTES: u64 = 32;

/// Norms that are kept for their quantiles.
enum Kept {
    /// All of them.
    All(Vec<f64>),
    /// How many lie in each bucket; a bucket has all floats whose bits are the same but for so many.
    Counts { counts: BTreeMap<u64, u64>, shift: u32 },
}

/// Counts of rows.
pub(super) struct RowTally {
    next: u64,
    nan: Named,
    inf: Named,
    zero: Named,
    unit: u64,
    unit_tolerance: f64,
    count: u64,
    mean: f64,
    /// Sum of the squared distances from the mean (B. Welford, Technometrics 4, 1962).
    spread: f64,
    min: f64,
    max: f64,
    kept: Kept,
    bytes_max: u64,
}

/// Rows of zeros, by their largest magnitudes: where squares are too small to tell.
#[derive(Default)]
pub(super) struct ZeroRows {
    next: u64,
    pub found: Named,
}

impl ZeroRows {
    /// Takes the largest magnitudes of the next rows.
    pub fn take(&mut self, region: &Region, bytes: &[u8]) -> Result<()> {
        for largest in in_order::<f64>(region, self.next, bytes)? {
            if largest == 0.0 {
                self.found.add(self.next);
            }
            self.next += 1;
        }
        Ok(())
    }
}

/// What was counted.
pub(super) struct RowFindings {
    pub nan: Named,
    pub inf: Named,
    pub zero: Named,
    pub norms: Norms,
}

impl RowTally {
    /// For so many rows; keeps their norms if they take up to `bytes_max`.
    pub fn new(rows: usize, unit_tolerance: f64, bytes_max: u64) -> RowTally {
        let fits = (rows as u64).saturating_mul(8) <= bytes_max;
        let kept = if fits { Kept::All(Vec::with_capacity(rows)) } else { Kept::Counts { counts: BTreeMap::new(), shift: SHIFT } };
        let [nan, inf, zero] = <[Named; 3]>::default();
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        RowTally { next: 0, nan, inf, zero, unit: 0, unit_tolerance, count: 0, mean: 0.0, spread: 0.0, min, max, kept, bytes_max }
    }

    /// Memory it takes, in bytes.
    pub fn bytes(&self) -> u64 {
        match &self.kept {
            Kept::All(norms) => norms.capacity() as u64 * 8,
            Kept::Counts { .. } => self.bytes_max,
        }
    }

    /// Takes the squares of the norms of the next rows.
    pub fn take(&mut self, region: &Region, bytes: &[u8]) -> Result<()> {
        for square in in_order::<f64>(region, self.next, bytes)? {
            let norm = square.sqrt();
            let row = self.next;
            self.next += 1;
            if norm.is_nan() {
                self.nan.add(row);
                continue;
            }
            if norm.is_infinite() {
                self.inf.add(row);
                continue;
            }
            if norm == 0.0 {
                self.zero.add(row);
            }
            self.unit += u64::from((norm - 1.0).abs() <= self.unit_tolerance);
            self.count += 1;
            let off = norm - self.mean;
            self.mean += off / self.count as f64;
            self.spread += off * (norm - self.mean);
            (self.min, self.max) = (self.min.min(norm), self.max.max(norm));
            match &mut self.kept {
                Kept::All(norms) => norms.push(norm),
                Kept::Counts { counts, shift } => {
                    *counts.entry(norm.to_bits() >> *shift).or_default() += 1;
                    // Wider buckets are fewer.
                    while counts.len() as u64 * BUCKET_BYTES > self.bytes_max && *shift < SHIFT_MAX {
                        *shift += 1;
                        let fine = std::mem::take(counts);
                        fine.into_iter().for_each(|(bucket, count)| *counts.entry(bucket >> 1).or_default() += count);
                    }
                }
            }
        }
        Ok(())
    }

    /// What was counted.
    pub fn finish(mut self) -> RowFindings {
        let quantiles = SHARES.into_iter().filter_map(|share| Some((share, self.at(share)?))).collect();
        let none = self.count == 0;
        let or_nan = |value: f64| if none { f64::NAN } else { value };
        let norms = Norms {
            count: self.count,
            min: or_nan(self.min),
            max: or_nan(self.max),
            mean: or_nan(self.mean),
            std: (self.spread / self.count as f64).sqrt(),
            quantiles,
            quantile_error: match self.kept {
                Kept::All(_) => 0.0,
                Kept::Counts { shift, .. } => 0.5f64.powi((SHIFT_MAX - shift) as i32 + 1),
            },
            unit: self.unit,
            unit_tolerance: self.unit_tolerance,
        };
        RowFindings { nan: self.nan, inf: self.inf, zero: self.zero, norms }
    }

    /// The norm of a rank.
    fn at(&mut self, share: f64) -> Option<f64> {
        let rank = (share * self.count.checked_sub(1)? as f64).floor() as u64;
        match &mut self.kept {
            Kept::All(norms) => Some(*norms.select_nth_unstable_by(rank as usize, f64::total_cmp).1),
            Kept::Counts { counts, shift } => {
                let mut before = 0;
                let (bucket, _) = counts.iter().find(|(_, count)| {
                    before += **count;
                    before > rank
                })?;
                // The middle of the bucket, and nothing that no norm reaches.
                let middle = f64::from_bits((*bucket << *shift) | 1 << (*shift - 1));
                Some(middle.clamp(self.min, self.max))
            }
        }
    }
}
