//! Scratch that is sorted into buckets as it comes: records are appended to the bucket they belong to, and read bucket by bucket.
//!
//! A bucket collects records in memory and appends them to one file in pieces of equal size, so that what is written is written in
//! one direction and what is read comes in pieces that a disk likes. The file has no name: it is gone however the process ends.

use crate::{
    error::{Error, Result},
    store::nameless::{ScratchFile, ScratchPlace},
};
use std::path::PathBuf;

/// Records of one size in buckets.
pub struct Buckets {
    /// Made when memory holds no more.
    file: Option<ScratchFile>,
    place: ScratchPlace,
    record_bytes: usize,
    /// Bytes that are written at once: whole records.
    piece_bytes: usize,
    buckets: Vec<Bucket>,
    /// Pieces in the file.
    pieces: u64,
}

#[derive(Default)]
struct Bucket {
    /// Records that are not in the file.
    waiting: Vec<u8>,
    /// Numbers of its pieces in the file.
    pieces: Vec<u32>,
}

impl Buckets {
    /// `count` buckets, which keep up to `memory_bytes`; an error if that is too little for a record each. What they do not keep goes to
    /// a file where [`ScratchPlace::folder`] says.
    pub fn new(named: Option<PathBuf>, beside: Option<PathBuf>, count: usize, record_bytes: usize, memory_bytes: u64) -> Result<Buckets> {
        let share = memory_bytes / count.max(1) as u64;
        let records = share / record_bytes.max(1) as u64;
        if records == 0 {
            let needed = count as u64 * record_bytes as u64;
            return Err(Error::refused(format!("{count} buckets of records of {record_bytes} bytes take {needed} bytes of memory"))
                .with_needed_bytes(needed));
        }
        let piece_bytes = (records * record_bytes as u64) as usize;
        let buckets = (0..count).map(|_| Bucket::default()).collect();
        Ok(Buckets { file: None, place: ScratchPlace { named, beside }, record_bytes, piece_bytes, buckets, pieces: 0 })
    }

    /// Appends a record, which comes in two parts.
    pub fn push(&mut self, bucket: usize, head: &[u8], tail: &[u8]) -> Result<()> {
        debug_assert_eq!(head.len() + tail.len(), self.record_bytes);
        let Bucket { waiting, pieces } = &mut self.buckets[bucket];
        if waiting.capacity() == 0 {
            // Growing by doubling would take up to twice of what is said.
            waiting.reserve_exact(self.piece_bytes);
        }
        waiting.extend_from_slice(head);
        waiting.extend_from_slice(tail);
        if waiting.len() == self.piece_bytes {
            let number = u32::try_from(self.pieces).map_err(|_| Error::refused("scratch of more than 2^32 pieces").hint("more memory"))?;
            pieces.push(number);
            let piece = std::mem::take(waiting);
            self.write(&piece)?;
            // Its memory is used again.
            self.buckets[bucket].waiting = piece;
            self.buckets[bucket].waiting.clear();
        }
        Ok(())
    }

    fn write(&mut self, piece: &[u8]) -> Result<()> {
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(self.place.open()?),
        };
        file.write_at(self.pieces * self.piece_bytes as u64, piece)?;
        self.pieces += 1;
        Ok(())
    }

    /// Bytes that the file has.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.pieces * self.piece_bytes as u64
    }

    /// Bytes of a bucket.
    #[must_use]
    pub fn bytes(&self, bucket: usize) -> u64 {
        let Bucket { waiting, pieces } = &self.buckets[bucket];
        pieces.len() as u64 * self.piece_bytes as u64 + waiting.len() as u64
    }

    /// Hands the records of a bucket to `take`, in the order they came and in whole pieces, and forgets them. Keeps one piece in memory.
    pub fn drain(&mut self, bucket: usize, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let Bucket { waiting, pieces } = std::mem::take(&mut self.buckets[bucket]);
        let mut piece = vec![0; if pieces.is_empty() { 0 } else { self.piece_bytes }];
        for number in pieces {
            let file = self.file.as_ref().ok_or_else(|| Error::internal("a piece of scratch without a file"))?;
            file.read_at(u64::from(number) * self.piece_bytes as u64, &mut piece)?;
            take(&piece)?;
        }
        drop(piece);
        take(&waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_give_back_what_they_took_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for memory in [3 * 5, 64, 4096] {
            let mut buckets = Buckets::new(Some(folder.path().to_path_buf()), None, 3, 5, memory).unwrap();
            let mut want = vec![Vec::new(); 3];
            for number in 0..200u32 {
                let bucket = (number * number % 7 % 3) as usize;
                buckets.push(bucket, &number.to_le_bytes(), &[bucket as u8]).unwrap();
                want[bucket].extend(number.to_le_bytes());
                want[bucket].push(bucket as u8);
            }
            for (bucket, want) in want.into_iter().enumerate() {
                assert_eq!(buckets.bytes(bucket), want.len() as u64);
                let mut found = Vec::new();
                buckets
                    .drain(bucket, |records| {
                        found.extend_from_slice(records);
                        Ok(())
                    })
                    .unwrap();
                assert_eq!(found, want);
            }
        }
        assert!(folder.path().read_dir().unwrap().next().is_none());
        let refusal = Buckets::new(None, None, 1000, 64, 1000).err().unwrap();
        assert_eq!(refusal.needed_bytes(), Some(64_000));
    }
}
