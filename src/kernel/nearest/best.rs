//! The best rows of one query, and what all workers know of them.

use std::sync::atomic::{AtomicI64, Ordering};

/// The best rows so far, best first: by score, then by row.
#[derive(Clone, Debug)]
pub(super) struct Best {
    rows: Vec<(f64, u64)>,
    wanted: usize,
}

impl Best {
    pub fn new(wanted: usize) -> Best {
        Best { rows: Vec::new(), wanted }
    }

    /// Bytes that one holds at most.
    pub fn bytes(wanted: usize) -> u64 {
        (size_of::<Best>() + wanted.saturating_add(1).saturating_mul(size_of::<(f64, u64)>()).saturating_mul(2)) as u64
    }

    pub fn wanted(&self) -> usize {
        self.wanted
    }

    pub fn rows(&self) -> &[(f64, u64)] {
        &self.rows
    }

    /// The score that a row must reach to be among them.
    pub fn worst(&self) -> f64 {
        if self.rows.len() < self.wanted { f64::NEG_INFINITY } else { self.rows.last().map_or(f64::INFINITY, |(score, _)| *score) }
    }

    /// Takes a row in, if it is among the best.
    pub fn insert(&mut self, score: f64, row: u64) {
        let place = self.rows.partition_point(|&(other, place)| other > score || other == score && place < row);
        if place < self.wanted {
            self.rows.insert(place, (score, row));
            self.rows.truncate(self.wanted);
        }
    }
}

/// For every query a score that as many rows as are wanted have reached somewhere: rows that cannot are passed over by all workers.
/// It changes what is looked at, never what is found.
pub(super) struct Reached(Vec<AtomicI64>);

impl Reached {
    pub fn new(queries: usize) -> Reached {
        Reached((0..queries).map(|_| AtomicI64::new(ordered(f64::NEG_INFINITY))).collect())
    }

    pub fn get(&self, query: usize) -> f64 {
        number(self.0[query].load(Ordering::Relaxed))
    }

    pub fn raise(&self, query: usize, score: f64) {
        self.0[query].fetch_max(ordered(score), Ordering::Relaxed);
    }
}

/// An integer that orders as the number does.
fn ordered(score: f64) -> i64 {
    let bits = score.to_bits() as i64;
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

fn number(ordered: i64) -> f64 {
    f64::from_bits(if ordered < 0 { ordered ^ i64::MAX } else { ordered } as u64)
}
