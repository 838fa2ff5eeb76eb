//! The memory of a job, told a second time: every buffer, window, state and scratch holds a [`Reservation`].
//!
//! The planner has proved a bound for each stage; here the bound is asserted. A reservation beyond it is a bug
//! in one of the two, and is reported with both numbers.

use crate::error::{Error, Result};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What memory is held for; the entries of [`StageMemory`](crate::plan::StageMemory).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Temps,
    States,
    Windows,
    ReadBuffers,
    WriteBuffers,
    Scratch,
    Functions,
    Stores,
}

impl Purpose {
    const COUNT: usize = 8;
    const NAMES: [&'static str; Self::COUNT] =
        ["temps", "states", "windows", "read buffers", "write buffers", "scratch", "functions", "stores"];
}

/// Bytes held against the bytes that the stage was planned with.
#[derive(Debug)]
pub(super) struct Budget {
    bytes_max: AtomicU64,
    bytes_held: AtomicU64,
    bytes_peak: AtomicU64,
    bytes_by_purpose: [AtomicU64; Purpose::COUNT],
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    budget: Arc<Budget>,
    purpose: Purpose,
    bytes: u64,
}

impl Budget {
    pub fn new() -> Arc<Self> {
        Arc::new(Budget {
            bytes_max: AtomicU64::new(0),
            bytes_held: AtomicU64::new(0),
            bytes_peak: AtomicU64::new(0),
            bytes_by_purpose: [const { AtomicU64::new(0) }; Purpose::COUNT],
        })
    }

    /// Starts a stage that was planned with `bytes_max`.
    pub fn limit_to(&self, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// Bytes held now.
    pub fn bytes_held(&self) -> u64 {
        self.bytes_held.load(Ordering::Relaxed)
    }

    /// The most that was ever held.
    pub fn bytes_peak(&self) -> u64 {
        self.bytes_peak.load(Ordering::Relaxed)
    }

    /// Takes `bytes`, or says by how much the plan was wrong.
    pub fn reserve(self: &Arc<Self>, purpose: Purpose, bytes: u64) -> Result<Reservation> {
        // A counter bumped before the check: two racing reservations may both see themselves above the limit, never both below it.
        let held = self.bytes_held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bytes_by_purpose[purpose as usize].fetch_add(bytes, Ordering::Relaxed);
        let reservation = Reservation { budget: Arc::clone(self), purpose, bytes };
        if held > self.bytes_max.load(Ordering::Relaxed) {
            return Err(self.exceeded(purpose, bytes, held));
        }
        self.bytes_peak.fetch_max(held, Ordering::Relaxed);
        Ok(reservation)
    }

    #[cold]
    fn exceeded(&self, purpose: Purpose, bytes: u64, held: u64) -> Error {
        let parts: Vec<String> = Purpose::NAMES
            .iter()
            .zip(&self.bytes_by_purpose)
            .map(|(name, held)| (name, held.load(Ordering::Relaxed)))
            .filter(|(_, held)| *held > 0)
            .map(|(name, held)| format!("{name} {held}"))
            .collect();
        Error::internal(format!(
            "the stage was planned with {} bytes and would hold {held} with {bytes} more for {} ({})",
            self.bytes_max.load(Ordering::Relaxed),
            Purpose::NAMES[purpose as usize],
            parts.join(", ")
        ))
    }
}

impl Reservation {
    /// Bytes that are held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.bytes_held.fetch_sub(self.bytes, Ordering::Relaxed);
        self.budget.bytes_by_purpose[self.purpose as usize].fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reservations_are_counted_released_and_bounded() {
        let budget = Budget::new();
        budget.limit_to(100);
        let first = budget.reserve(Purpose::Windows, 60).unwrap();
        let error = budget.reserve(Purpose::States, 41).unwrap_err();
        assert!(error.message().contains("planned with 100 bytes and would hold 101"), "{error}");
        assert!(error.message().contains("windows 60"), "{error}");
        assert_eq!(budget.bytes_held(), 60);
        drop(first);
        assert_eq!((budget.bytes_held(), budget.bytes_peak()), (0, 60));
    }
}
