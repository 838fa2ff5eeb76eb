//! Labels of rows.

use super::nearest::{Centroids, NOWHERE, Nearest};
use crate::{
    error::{Error, Result},
    kernel::vm::BlockFunction,
};
use std::sync::{Mutex, PoisonError};

/// A function of blocks of whole rows: every element becomes the label of its row, an `i32`.
pub struct Assign {
    name: String,
    centroids: Centroids,
    skips: bool,
    /// What calls that are done have left for others.
    spare: Mutex<Vec<Nearest>>,
}

impl Assign {
    /// Labels by these centroids; with `skips`, rows that are not finite get -1, else they are an error.
    #[must_use]
    pub fn new(name: String, centroids: Centroids, skips: bool) -> Assign {
        Assign { name, centroids, skips, spare: Mutex::default() }
    }

    /// Bytes that a call takes for a block of so many bytes.
    #[must_use]
    pub fn scratch_bytes(centroids: &Centroids, block_bytes: u64) -> u64 {
        let rows = usize::try_from(block_bytes).unwrap_or(usize::MAX) / centroids.row_bytes().max(1);
        Nearest::bytes_max(centroids.count(), centroids.columns(), centroids.dtype().size(), rows.max(1))
    }
}

impl BlockFunction for Assign {
    fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, start: &[usize], shape: &[usize], input: &[u8], output: &mut [u8]) -> Result<()> {
        self.centroids.rows_of(shape)?;
        let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nearest = spare().pop().unwrap_or_default();
        nearest.find(&self.centroids, input);
        let nowhere = nearest.labels.iter().position(|&label| label == NOWHERE).filter(|_| !self.skips);
        if let Some(row) = nowhere {
            return Err(not_finite(start[0] + row));
        }
        for (row, label) in output.chunks_exact_mut(self.centroids.columns() * size_of::<i32>()).zip(&nearest.labels) {
            row.chunks_exact_mut(size_of::<i32>()).for_each(|element| element.copy_from_slice(&label.to_ne_bytes()));
        }
        spare().push(nearest);
        Ok(())
    }
}

fn not_finite(row: usize) -> Error {
    Error::data(format!("row {row} has NaN or infinities, and is near to no centroid")).hint("leave such rows out, or let them be skipped")
}
