//! Targets that lie inside of a file: boxes of the array are put where the file has them.

use crate::{
    error::Result,
    nd::{DType, Region},
    store::{PageCache, Target, check_write, output::FileTarget},
};
use std::path::PathBuf;

/// Where a file has the boxes of an array.
pub(super) trait Placing: Send + Sync {
    /// Writes a box, not empty, of an array of `shape` to the file.
    fn write(&self, file: &FileTarget, shape: &[usize], region: &Region, bytes: &[u8]) -> Result<()>;
    /// Bytes that a write holds besides its argument.
    fn scratch_bytes(&self) -> u64 {
        0
    }
}

/// An array inside of a file that is published with it.
pub(super) struct Inside<P> {
    pub file: FileTarget,
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub placing: P,
}

impl<P: Placing> Target for Inside<P> {
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn dtype(&self) -> DType {
        self.dtype
    }
    fn name(&self) -> String {
        self.file.name()
    }
    fn folder(&self) -> Option<PathBuf> {
        self.file.folder()
    }
    fn write_scratch_bytes(&self) -> u64 {
        self.placing.scratch_bytes()
    }
    fn write(&self, region: &Region, bytes: &[u8]) -> Result<()> {
        check_write(self, region, bytes.len())?;
        if region.is_empty() { Ok(()) } else { self.placing.write(&self.file, &self.shape, region, bytes) }
    }
    fn settle(&self, copy: PageCache) -> Result<()> {
        self.file.settle(copy)
    }
    fn sync(&self) -> Result<()> {
        self.file.sync()
    }
    fn publish(&self) -> Result<()> {
        self.file.publish()
    }
}
