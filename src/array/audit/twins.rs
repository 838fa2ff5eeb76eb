//! Equal rows, by the hashes of all rows: sorted in memory, or in buckets of scratch each of which memory holds.

use super::{Duplicates, NAMED_MAX, in_order};
use crate::{array::words::Region, error::Result, store::scratch::Buckets};
use std::{
    collections::{HashMap, VecDeque},
    path::PathBuf,
};

/// A hash and the row that has it.
type Record = [u64; 3];
const RECORD_BYTES: usize = size_of::<Record>();
/// The budget is divided by this for what is sorted at a time.
const SHARE: u64 = 4;

enum Kept {
    Memory(Vec<Record>),
    Scratch { buckets: Box<Buckets>, memory_bytes: u64 },
}

/// Hashes of rows.
pub(super) struct Twins {
    next: u64,
    /// Words of rows whose other word has not come.
    waiting: [VecDeque<u64>; 2],
    count: usize,
    /// Records that are sorted at a time.
    records_max: usize,
    kept: Kept,
}

impl Twins {
    /// For so many rows, in a share of `budget`; scratch goes to `named`, or where temporary files go.
    pub fn new(rows: usize, budget: u64, named: Option<PathBuf>) -> Result<Twins> {
        let records_max = (budget / SHARE / RECORD_BYTES as u64).max(1) as usize;
        if rows <= records_max {
            return Ok(Twins { next: 0, waiting: Default::default(), count: 1, records_max, kept: Kept::Memory(Vec::with_capacity(rows)) });
        }
        // Hashes spread evenly, so that an eighth of room is enough.
        let count = (rows + rows / 8).div_ceil(records_max);
        let memory_bytes = budget / SHARE / 2;
        let buckets = Box::new(Buckets::new(named, None, count, RECORD_BYTES, memory_bytes)?);
        Ok(Twins { next: 0, waiting: Default::default(), count, records_max, kept: Kept::Scratch { buckets, memory_bytes } })
    }

    /// Memory it takes while rows are read, in bytes.
    pub fn bytes(&self) -> u64 {
        match &self.kept {
            Kept::Memory(records) => (records.capacity() * RECORD_BYTES) as u64,
            Kept::Scratch { memory_bytes, .. } => *memory_bytes,
        }
    }

    /// Takes a word of the hashes of the next rows. What comes of one word waits for the other.
    pub fn take(&mut self, word: usize, region: &Region, bytes: &[u8]) -> Result<()> {
        let expected = self.next + self.waiting[word].len() as u64;
        self.waiting[word].extend(in_order::<u64>(region, expected, bytes)?);
        while let [Some(&first), Some(&second)] = [self.waiting[0].front(), self.waiting[1].front()] {
            for words in &mut self.waiting {
                words.pop_front();
            }
            let record = [first, second, self.next];
            self.next += 1;
            match &mut self.kept {
                Kept::Memory(records) => records.push(record),
                Kept::Scratch { buckets, .. } => {
                    // The words are in order of size: only together they are spread evenly.
                    let bucket = ((u128::from(first ^ second) * self.count as u128) >> 64) as usize;
                    buckets.push(bucket, bytemuck::cast_slice(&record), &[])?;
                }
            }
        }
        Ok(())
    }

    /// Which rows are equal.
    pub fn finish(self) -> Result<Duplicates> {
        let mut found = Duplicates::default();
        match self.kept {
            Kept::Memory(mut records) => sorted(&mut records, &mut found),
            Kept::Scratch { mut buckets, .. } => {
                let mut records = Vec::new();
                for bucket in 0..self.count {
                    let length = buckets.bytes(bucket) as usize / RECORD_BYTES;
                    // Only a hash that many rows have fills a bucket beyond its share: then there are few of them.
                    match length <= self.records_max {
                        true => {
                            records.clear();
                            buckets.drain(bucket, |bytes| {
                                records.extend(bytes.chunks_exact(RECORD_BYTES).map(bytemuck::pod_read_unaligned::<Record>));
                                Ok(())
                            })?;
                            sorted(&mut records, &mut found);
                        }
                        false => tabled(&mut buckets, bucket, &mut found)?,
                    }
                }
            }
        }
        found.first.sort_unstable();
        found.first.truncate(NAMED_MAX);
        Ok(found)
    }
}

/// Counts equal rows by order.
fn sorted(records: &mut [Record], found: &mut Duplicates) {
    records.sort_unstable();
    for equal in records.chunk_by(|a, b| a[..2] == b[..2]) {
        add(found, equal[0][2], equal.len() as u64);
    }
}

/// Counts equal rows by a table of the distinct ones.
fn tabled(buckets: &mut Buckets, bucket: usize, found: &mut Duplicates) -> Result<()> {
    let mut table: HashMap<[u64; 2], (u64, u64)> = HashMap::new();
    buckets.drain(bucket, |bytes| {
        for [first, second, row] in bytes.chunks_exact(RECORD_BYTES).map(bytemuck::pod_read_unaligned::<Record>) {
            table.entry([first, second]).or_insert((row, 0)).1 += 1;
        }
        Ok(())
    })?;
    table.into_values().for_each(|(row, count)| add(found, row, count));
    Ok(())
}

fn add(found: &mut Duplicates, row: u64, count: u64) {
    if count < 2 {
        return;
    }
    found.rows += count - 1;
    found.groups += 1;
    if (count, std::cmp::Reverse(row)) > (found.largest, std::cmp::Reverse(found.largest_row.unwrap_or(u64::MAX))) {
        (found.largest, found.largest_row) = (count, Some(row));
    }
    found.first.push((row, count));
    if found.first.len() >= 1024 {
        found.first.sort_unstable();
        found.first.truncate(NAMED_MAX);
    }
}
