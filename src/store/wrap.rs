//! Stores around stores, for tests: [`Failing`], [`Slow`] and [`Counting`]. They nest, and wrap sources and targets alike.

use crate::{
    error::{Error, Result},
    nd::{DType, IndexMap, Region, SourceFacts},
    store::{ChunkWindow, PageCache, Part, Source, Target, Window},
};
use std::{
    io,
    ops::Range,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Lets all operations through but one, which fails as a broken disk would (EIO).
#[derive(Debug)]
pub struct Failing<S> {
    inner: S,
    fails_at: u64,
    seen: AtomicU64,
}

impl<S> Failing<S> {
    /// The `nth` fallible operation (from 0) fails: a read, a window, a write, a settle, a sync, a publish.
    pub fn new(inner: S, nth: u64) -> Self {
        Failing { inner, fails_at: nth, seen: AtomicU64::new(0) }
    }

    /// How many fallible operations there were: the number of places where a test can let it fail.
    pub fn operations(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    fn pass(&self, what: &str, name: &str) -> Result<()> {
        if self.seen.fetch_add(1, Ordering::Relaxed) == self.fails_at {
            return Err(Error::io(what, name, io::Error::from_raw_os_error(libc::EIO)));
        }
        Ok(())
    }
}

/// Sleeps before every operation that touches the medium.
#[derive(Debug)]
pub struct Slow<S> {
    inner: S,
    delay: Duration,
}

impl<S> Slow<S> {
    /// Sleeps for `delay` each time.
    pub fn new(inner: S, delay: Duration) -> Self {
        Slow { inner, delay }
    }

    #[expect(clippy::unnecessary_wraps, reason = "one shape for all wrappers")]
    fn pass(&self, _what: &str, _name: &str) -> Result<()> {
        std::thread::sleep(self.delay);
        Ok(())
    }
}

/// Counts operations and bytes.
#[derive(Debug)]
pub struct Counting<S> {
    inner: S,
    counts: [AtomicU64; 6],
    read_bytes: AtomicU64,
    write_bytes: AtomicU64,
}

/// What a [`Counting`] has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reads.
    pub reads: u64,
    /// Windows.
    pub windows: u64,
    /// Writes.
    pub writes: u64,
    /// Settles.
    pub settles: u64,
    /// Syncs.
    pub syncs: u64,
    /// Publishes.
    pub publishes: u64,
    /// Bytes of all reads and windows.
    pub read_bytes: u64,
    /// Bytes of all writes.
    pub write_bytes: u64,
}

const OPERATIONS: [&str; 6] = ["read", "map", "write", "settle", "sync", "publish"];

impl<S> Counting<S> {
    /// Starts from zero.
    pub fn new(inner: S) -> Self {
        Counting { inner, counts: Default::default(), read_bytes: AtomicU64::new(0), write_bytes: AtomicU64::new(0) }
    }

    /// What was seen until now; operations count even if they fail.
    pub fn counts(&self) -> Counts {
        let [reads, windows, writes, settles, syncs, publishes] = self.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        let (read_bytes, write_bytes) = (self.read_bytes.load(Ordering::Relaxed), self.write_bytes.load(Ordering::Relaxed));
        Counts { reads, windows, writes, settles, syncs, publishes, read_bytes, write_bytes }
    }

    #[expect(clippy::unnecessary_wraps, reason = "one shape for all wrappers")]
    fn pass(&self, what: &str, _name: &str) -> Result<()> {
        if let Some(place) = OPERATIONS.iter().position(|operation| *operation == what) {
            self.counts[place].fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn saw_read(&self, bytes: usize) {
        self.read_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn saw_write(&self, bytes: usize) {
        self.write_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl<S> Failing<S> {
    fn saw_read(&self, _bytes: usize) {}
    fn saw_write(&self, _bytes: usize) {}
}

impl<S> Slow<S> {
    fn saw_read(&self, _bytes: usize) {}
    fn saw_write(&self, _bytes: usize) {}
}

macro_rules! wrap {
    ($($wrapper:ident),*) => {$(
        impl<S: Source> Source for $wrapper<S> {
            fn facts(&self) -> &SourceFacts {
                self.inner.facts()
            }
            fn index_map(&self) -> IndexMap {
                self.inner.index_map()
            }
            fn read(&self, region: &Region, out: &mut [u8]) -> Result<()> {
                self.pass("read", &self.facts().name)?;
                self.saw_read(out.len());
                self.inner.read(region, out)
            }
            fn window(&self, elements: Range<usize>) -> Result<Option<Window>> {
                self.pass("map", &self.facts().name)?;
                let window = self.inner.window(elements)?;
                self.saw_read(window.as_ref().map_or(0, |window| window.len()));
                Ok(window)
            }
            fn chunk_window(&self, region: &Region) -> Result<Option<ChunkWindow>> {
                self.pass("map", &self.facts().name)?;
                let held = self.inner.chunk_window(region)?;
                self.saw_read(held.as_ref().map_or(0, |held| held.window.len()));
                Ok(held)
            }
            fn prefetch(&self, elements: Range<usize>) {
                self.inner.prefetch(elements);
            }
            fn prefetch_box(&self, region: &Region) {
                self.inner.prefetch_box(region);
            }
            fn verify(&self) -> Result<()> {
                self.inner.verify()
            }
        }

        impl<S: Target> Target for $wrapper<S> {
            fn shape(&self) -> &[usize] {
                self.inner.shape()
            }
            fn dtype(&self) -> DType {
                self.inner.dtype()
            }
            fn name(&self) -> String {
                self.inner.name()
            }
            fn chunk(&self) -> Option<&[usize]> {
                self.inner.chunk()
            }
            fn shard(&self) -> Option<&[usize]> {
                self.inner.shard()
            }
            fn write_scratch_bytes(&self) -> u64 {
                self.inner.write_scratch_bytes()
            }
            fn folder(&self) -> Option<PathBuf> {
                self.inner.folder()
            }
            fn write(&self, region: &Region, bytes: &[u8]) -> Result<()> {
                self.pass("write", &self.inner.name())?;
                self.saw_write(bytes.len());
                self.inner.write(region, bytes)
            }
            fn settle(&self, copy: PageCache) -> Result<()> {
                self.pass("settle", &self.inner.name())?;
                self.inner.settle(copy)
            }
            fn sync(&self) -> Result<()> {
                self.pass("sync", &self.inner.name())?;
                self.inner.sync()
            }
            fn publish(&self) -> Result<()> {
                self.pass("publish", &self.inner.name())?;
                self.inner.publish()
            }
            fn part(&self) -> Option<Part> {
                self.inner.part()
            }
            fn is_finished(&self, region: &Region) -> bool {
                self.inner.is_finished(region)
            }
            fn adopt(&self, boxes: &[Region]) -> Result<()> {
                self.inner.adopt(boxes)
            }
            fn keep(&self) {
                self.inner.keep();
            }
        }
    )*};
}
wrap!(Failing, Slow, Counting);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::ErrorKind,
        store::{MemorySource, MemoryTarget, suite},
    };

    #[test]
    fn wrappers_keep_the_laws_and_count() {
        let source = Counting::new(Slow::new(MemorySource::from_vec(&[2, 3], vec![1u8, 2, 3, 4, 5, 6]).unwrap(), Duration::ZERO));
        suite::check_source(&source, &[1, 2, 3, 4, 5, 6]);
        assert!(source.counts().reads > 200 && source.counts().windows > 50);
    }

    #[test]
    fn the_nth_operation_fails() {
        let source = Failing::new(MemorySource::from_vec(&[2], vec![1u8, 2]).unwrap(), 1);
        let outcomes: Vec<bool> = (0..3).map(|_| source.read(&Region::run(0, 1), &mut [0]).is_ok()).collect();
        assert_eq!((outcomes, source.operations()), (vec![true, false, true], 3));
        let target = Failing::new(Counting::new(MemoryTarget::new(DType::U8, &[1]).unwrap()), 1);
        target.write(&Region::run(0, 1), &[1]).unwrap();
        assert_eq!(target.sync().unwrap_err().kind(), ErrorKind::Io);
        target.publish().unwrap();
        assert_eq!(target.inner.counts(), Counts { writes: 1, publishes: 1, write_bytes: 1, ..Counts::default() });
    }
}
