//! Selected elements that go to a store of chunks: runs of them end anywhere, chunks are written whole.

use super::{
    budget::{Budget, Purpose, Reservation},
    io::store,
    job::StageJob,
    pool::Buffer,
};
use crate::{
    error::Result,
    nd::Region,
    plan::{Write, memory::TRANSFER_THREADS},
};
use std::sync::Arc;

/// Rows of a selection that wait until they fill a row of chunks.
pub(super) struct Waiting {
    buffer: Buffer,
    pub output: usize,
    /// Shape of the selection.
    shape: Vec<usize>,
    row_bytes: usize,
    /// Rows of a chunk.
    chunk_rows: usize,
    /// The first row that waits, and how many do.
    first: usize,
    rows: usize,
    _stores: Reservation,
}

impl Waiting {
    /// Room for one row of chunks of `shape`.
    pub fn new(budget: &Arc<Budget>, write: &Write, output: usize, shape: &[usize], chunk: &[usize]) -> Result<Self> {
        let row_bytes = shape[1..].iter().product::<usize>() * write.dtype.size();
        Ok(Waiting {
            buffer: Buffer::new(budget, Purpose::Stores, write.waiting_bytes)?,
            // What the threads hold that write whole chunks meanwhile, and this one.
            _stores: budget.reserve(Purpose::Stores, write.scratch_bytes * (1 + TRANSFER_THREADS as u64))?,
            output,
            shape: shape.to_vec(),
            row_bytes,
            chunk_rows: chunk[0].clamp(1, shape[0].max(1)),
            first: 0,
            rows: 0,
        })
    }

    /// Takes the next `rows`, which lie at the front of `bytes`. What of them is whole rows of chunks is moved to the front: its region
    /// and bytes come back.
    pub fn take(&mut self, job: &StageJob, run: usize, rows: usize, bytes: &mut [u8]) -> Result<Option<(Region, usize)>> {
        let mut taken = 0;
        if self.rows > 0 {
            taken = rows.min(self.chunk_rows - self.rows);
            self.keep(&bytes[..taken * self.row_bytes], taken);
            if self.rows < self.chunk_rows {
                return Ok(None);
            }
            self.flush(job, run)?;
        }
        let whole = (rows - taken) / self.chunk_rows * self.chunk_rows;
        let rest = rows - taken - whole;
        let region = self.region(self.first, whole);
        self.first += whole;
        self.keep(&bytes[(taken + whole) * self.row_bytes..rows * self.row_bytes], rest);
        bytes.copy_within(taken * self.row_bytes..(taken + whole) * self.row_bytes, 0);
        Ok((whole > 0).then_some((region, whole * self.row_bytes)))
    }

    /// Writes what waits: a whole row of chunks, or the last one.
    pub fn flush(&mut self, job: &StageJob, run: usize) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let region = self.region(self.first, self.rows);
        store(job, run, self.output, &region, &self.buffer.bytes()[..self.rows * self.row_bytes])?;
        self.first += self.rows;
        self.rows = 0;
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8], rows: usize) {
        let at = self.rows * self.row_bytes;
        self.buffer.bytes_mut()[at..at + bytes.len()].copy_from_slice(bytes);
        self.rows += rows;
    }

    fn region(&self, first: usize, rows: usize) -> Region {
        let (mut start, mut shape) = (vec![0; self.shape.len()], self.shape.clone());
        (start[0], shape[0]) = (first, rows);
        Region { start, shape }
    }
}
