//! How many elements each output took.

use super::Labels;
use crate::error::Result;
use crate::numeric::axes::{Absorb, Columns, InstructionSet, Piece, Rows};
use crate::numeric::memory::reserved;
use crate::numeric::whole::check_counts;

/// Tables that are counted in side by side: the next count need not wait until the last one is in memory.
const LANES: usize = 4;
/// Outputs up to which there are several tables: together they fit the first cache.
const LANES_OUTPUTS_MAX: usize = 1024;

/// Counts of the outputs, spread over tables. Every table has a place more, for labels that are no group.
#[derive(Clone, Debug)]
pub(in crate::numeric) struct Tallies {
    outputs: usize,
    tables: Vec<u64>,
}

/// Number of tables for so many outputs.
const fn lanes(outputs: usize) -> usize {
    if outputs <= LANES_OUTPUTS_MAX { LANES } else { 1 }
}

impl Tallies {
    pub(in crate::numeric) fn new(outputs: usize) -> Self {
        Self { outputs, tables: reserved((outputs + 1) * lanes(outputs)) }
    }

    /// Bytes of all outputs.
    pub(in crate::numeric) fn state_bytes(outputs: usize) -> u64 {
        (outputs as u64).saturating_add(1).saturating_mul(8 * lanes(outputs) as u64)
    }

    pub(in crate::numeric) fn outputs(&self) -> usize {
        self.outputs
    }

    #[cfg(test)]
    pub(in crate::numeric) fn tables(&self) -> &Vec<u64> {
        &self.tables
    }

    pub(in crate::numeric) fn reset(&mut self) {
        self.tables.fill(0);
    }

    pub(in crate::numeric) fn count(&self, at: usize) -> u64 {
        (0..lanes(self.outputs)).fold(0, |sum: u64, lane| sum.wrapping_add(self.tables[lane * (self.outputs + 1) + at]))
    }

    /// Counts of all outputs.
    pub(in crate::numeric) fn counts(&self) -> Vec<u64> {
        (0..self.outputs).map(|at| self.count(at)).collect()
    }

    /// Sets the count of an output of an empty state.
    pub(in crate::numeric) fn set(&mut self, at: usize, count: u64) {
        self.tables[at] = count;
    }

    #[inline(always)]
    pub(in crate::numeric) fn add(&mut self, at: usize, count: u64) {
        self.tables[at] += count;
    }

    pub(in crate::numeric) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        for step in 0..count {
            self.tables[at + step] = self.tables[at + step].wrapping_add(other.count(from + step));
        }
    }

    pub(in crate::numeric) fn subtract_run(&mut self, at: usize, other: &Self, from: usize, count: usize) -> Result<()> {
        let have: Vec<u64> = (at..at + count).map(|at| self.count(at)).collect();
        let take: Vec<u64> = (from..from + count).map(|at| other.count(at)).collect();
        check_counts(&have, &take)?;
        for (step, take) in take.into_iter().enumerate() {
            // The tables hold the count together; any of them may pass through zero.
            self.tables[at + step] = self.tables[at + step].wrapping_sub(take);
        }
        Ok(())
    }

    /// Counts labels, which are the outputs; gives how many are none.
    pub(super) fn count_labels<I: InstructionSet>(&mut self, labels: Labels<'_>) -> u64 {
        I::enter(CountLabels { state: self, labels });
        let width = self.outputs + 1;
        let mut skipped = 0;
        for lane in 0..lanes(self.outputs) {
            skipped += std::mem::take(&mut self.tables[lane * width + width - 1]);
        }
        skipped
    }
}

struct CountLabels<'a> {
    state: &'a mut Tallies,
    labels: Labels<'a>,
}

impl Piece for CountLabels<'_> {
    #[inline(always)]
    fn go(self) {
        let last = self.state.outputs;
        match self.labels {
            Labels::Narrow(labels) => {
                let most = u32::try_from(last).unwrap_or(u32::MAX);
                tally(self.state, labels, |bytes| (i32::from_ne_bytes(bytes) as u32).min(most) as usize);
            }
            Labels::Wide(labels) => tally(self.state, labels, |bytes| (i64::from_ne_bytes(bytes) as usize).min(last)),
        }
    }
}

/// Adds one at the place of every label; places are at most the last of a table.
#[inline(always)]
fn tally<B: Copy>(state: &mut Tallies, labels: &[B], place: impl Fn(B) -> usize) {
    let last = state.outputs;
    if lanes(last) == 1 {
        for label in labels {
            state.tables[place(*label)] += 1;
        }
        return;
    }
    let (low, high) = state.tables.split_at_mut(2 * (last + 1));
    let ((first, second), (third, fourth)) = (low.split_at_mut(last + 1), high.split_at_mut(last + 1));
    // One look at the lengths, so that the loop needs none.
    assert!([first.len(), second.len(), third.len(), fourth.len()].into_iter().all(|length| length > last));
    let (fours, rest) = labels.as_chunks::<LANES>();
    for four in fours {
        first[place(four[0])] += 1;
        second[place(four[1])] += 1;
        third[place(four[2])] += 1;
        fourth[place(four[3])] += 1;
    }
    for label in rest {
        first[place(*label)] += 1;
    }
}

/// A state as it sees elements: not at all.
pub(in crate::numeric) struct Target<'a> {
    pub state: &'a mut Tallies,
}

impl<B> Absorb<B> for Target<'_> {
    #[inline(always)]
    fn run(&mut self, cells: &[B], output: usize) {
        self.state.add(output, cells.len() as u64);
    }

    #[inline(always)]
    fn columns(&mut self, _cells: &[B], rows: Rows, columns: Columns) {
        for column in 0..columns.count {
            self.state.add(columns.output(column), rows.count as u64);
        }
    }
}
