//! [`Journaled`]: a target whose finished boxes are written down, and those of an earlier job left alone.

use crate::{
    error::{Error, Result},
    nd::{Coverage, DType, Region, shape::show},
    store::{PageCache, Part, Target, journal::Journal},
};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A target of a job that can be continued.
pub struct Journaled {
    inner: Arc<dyn Target>,
    journal: Arc<Journal>,
    /// Place among the journal's outputs.
    index: usize,
    /// What an earlier job finished.
    kept: Coverage,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What is there, durable or not.
    written: Coverage,
    /// What no settling has covered.
    unsettled: Coverage,
}

impl Journaled {
    /// Writes to `inner`, which is output `index` of the journal and holds what `kept` says.
    pub fn new(inner: Arc<dyn Target>, journal: Arc<Journal>, index: usize, kept: Coverage) -> Result<Journaled> {
        inner.adopt(kept.boxes())?;
        let state = State { written: kept.clone(), unsettled: Coverage::default() };
        Ok(Journaled { inner, journal, index, kept, state: Mutex::new(state) })
    }

    /// An error unless everything is written.
    pub fn check_complete(&self) -> Result<()> {
        let Some(region) = self.lock().written.first_missing(self.shape()) else { return Ok(()) };
        let text = format!("{} of shape {}: region {region} was never written", self.name(), show(self.shape()));
        Err(Error::usage(text).hint("write every region before finishing"))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target for Journaled {
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
        if region.fits(self.shape()) && self.kept.has(region) {
            return Ok(());
        }
        self.inner.write(region, bytes)?;
        let mut state = self.lock();
        state.written.cover(region);
        state.unsettled.cover(region);
        Ok(())
    }

    fn settle(&self, copy: PageCache) -> Result<()> {
        // Taken first: what is written while we settle may not be durable.
        let settled = std::mem::take(&mut self.lock().unsettled);
        self.inner.settle(copy)?;
        self.journal.finish(self.index, settled.boxes());
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn publish(&self) -> Result<()> {
        self.check_complete()?;
        self.inner.publish()
    }

    fn part(&self) -> Option<Part> {
        self.inner.part()
    }

    fn is_finished(&self, region: &Region) -> bool {
        region.fits(self.shape()) && self.kept.has(region)
    }

    fn adopt(&self, boxes: &[Region]) -> Result<()> {
        let _ = boxes;
        Err(Error::internal(format!("{} is continued twice", self.name())))
    }

    fn keep(&self) {
        self.inner.keep();
    }
}

/// An array that stands under its name already: an earlier job was stopped between publishing it and another one.
#[derive(Debug)]
pub struct Published {
    name: String,
    dtype: DType,
    shape: Vec<usize>,
}

impl Published {
    /// The array called `name`.
    #[must_use]
    pub fn new(name: String, dtype: DType, shape: &[usize]) -> Published {
        Published { name, dtype, shape: shape.to_vec() }
    }
}

impl Target for Published {
    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn write(&self, region: &Region, bytes: &[u8]) -> Result<()> {
        super::check_write(self, region, bytes.len())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn publish(&self) -> Result<()> {
        Ok(())
    }

    fn is_finished(&self, region: &Region) -> bool {
        region.fits(&self.shape)
    }
}
