//! Stores of chunks in memory, for tests: they count what is decoded, and hold writers to the chunks.

use crate::{
    error::{Error, Result},
    nd::{DType, Dims, Grid, IndexMap, Region, SourceFacts, StoreLayout, shape::c_strides},
    store::{ChunkWindow, MemoryTarget, Source, Target, Window, check_read, check_write, runs::for_each_run},
};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// An array in memory that is read as if it lay in chunks.
#[derive(Debug)]
pub struct ChunkedSource {
    facts: SourceFacts,
    chunk: Vec<usize>,
    bytes: Vec<u8>,
    bytes_decoded: AtomicU64,
    /// The elements of every chunk as windows show them.
    in_place: Option<Vec<Arc<Vec<u8>>>>,
}

impl ChunkedSource {
    /// The array whose C-order bytes are `bytes`, in chunks of `chunk`.
    pub fn new(dtype: DType, shape: &[usize], chunk: &[usize], bytes: Vec<u8>) -> Self {
        let chunk_bytes = chunk.iter().product::<usize>() * dtype.size();
        let facts = SourceFacts {
            name: "chunks".to_string(),
            shape: shape.to_vec(),
            dtype,
            dims: Dims::unnamed(shape.len()),
            layout: StoreLayout::Chunked { chunk: chunk.to_vec() },
            swapped: false,
            encoded_bytes: bytes.len() as u64,
            read_scratch_bytes: chunk_bytes as u64,
            mappable: false,
            resident: false,
            identity: "chunks".to_string(),
        };
        ChunkedSource { facts, chunk: chunk.to_vec(), bytes, bytes_decoded: AtomicU64::new(0), in_place: None }
    }

    /// The same array whose chunks can be mapped: they show their elements in reverse order of the axes.
    #[must_use]
    pub fn in_place(mut self) -> Self {
        let (shape, item) = (&self.facts.shape, self.facts.dtype.size());
        let grid = Grid::new(shape.clone(), self.chunk.clone());
        let chunks = (0..grid.count()).map(|index| {
            let region = grid.region(index);
            let (outer, inner) = (c_strides(shape), c_strides(&region.shape));
            let mut shown = vec![0; region.count() * item];
            for number in 0..region.count() {
                let at = |axis: usize| number / inner[axis] as usize % region.shape[axis];
                let from: usize = (0..shape.len()).map(|axis| (region.start[axis] + at(axis)) * outer[axis] as usize).sum();
                let place: usize = shown_strides(&region.shape).iter().enumerate().map(|(axis, stride)| at(axis) * stride).sum();
                shown[place * item..][..item].copy_from_slice(&self.bytes[from * item..][..item]);
            }
            Arc::new(shown)
        });
        self.in_place = Some(chunks.collect());
        self.facts.mappable = true;
        self
    }

    /// The same array with an identity: equal identities mean equal elements.
    #[must_use]
    pub fn identified(mut self, identity: impl Into<String>) -> Self {
        self.facts.identity = identity.into();
        self
    }

    /// Bytes of all chunks that reads have touched, once for every read.
    pub fn bytes_decoded(&self) -> u64 {
        self.bytes_decoded.load(Ordering::Relaxed)
    }
}

/// Strides of the elements of a chunk in the order in which windows show them.
fn shown_strides(shape: &[usize]) -> Vec<usize> {
    let reversed: Vec<usize> = shape.iter().rev().copied().collect();
    c_strides(&reversed).iter().rev().map(|&stride| stride as usize).collect()
}

impl Source for ChunkedSource {
    fn facts(&self) -> &SourceFacts {
        &self.facts
    }

    fn read(&self, region: &Region, out: &mut [u8]) -> Result<()> {
        check_read(&self.facts, region, out.len())?;
        let item = self.facts.dtype.size();
        if !region.is_empty() {
            let around = |axis: usize| {
                let chunk = self.chunk[axis];
                (region.end(axis).div_ceil(chunk) * chunk).min(self.facts.shape[axis]) - region.start[axis] / chunk * chunk
            };
            let touched = (0..region.rank()).map(around).product::<usize>() * item;
            self.bytes_decoded.fetch_add(touched as u64, Ordering::Relaxed);
        }
        for_each_run(&self.facts.shape, region, |place, at, length| {
            out[at * item..][..length * item].copy_from_slice(&self.bytes[place * item..][..length * item]);
            Ok(())
        })
    }

    fn chunk_window(&self, region: &Region) -> Result<Option<ChunkWindow>> {
        let Some(chunks) = &self.in_place else { return Ok(None) };
        let around = |axis: usize| region.start[axis] / self.chunk[axis] == (region.end(axis) - 1) / self.chunk[axis];
        if !region.fits(&self.facts.shape) || region.is_empty() || !(0..region.rank()).all(around) {
            return Err(Error::internal(format!("a window of {region:?}, which is not part of a chunk")));
        }
        let (item, grid) = (self.facts.dtype.size(), Grid::new(self.facts.shape.clone(), self.chunk.clone()));
        self.bytes_decoded.fetch_add((region.count() * item) as u64, Ordering::Relaxed);
        let cell = |axis: usize| region.start[axis] / self.chunk[axis];
        let number = (0..region.rank()).fold(0, |number, axis| number * grid.count_along(axis) + cell(axis));
        let chunk = grid.region(number);
        let strides = shown_strides(&chunk.shape);
        let first: usize = (0..region.rank()).map(|axis| (region.start[axis] - chunk.start[axis]) * strides[axis]).sum();
        let reach: usize = region.shape.iter().zip(&strides).map(|(length, stride)| (length - 1) * stride).sum();
        let window = Window::borrowed(Arc::clone(&chunks[number]) as _, first * item..(first + reach + 1) * item);
        Ok(Some(ChunkWindow { window, strides }))
    }

    fn index_map(&self) -> IndexMap {
        IndexMap::identity(&self.facts.shape)
    }
}

/// An array in memory that refuses what a store of chunks could not write: parts of chunks, and chunks that were written before.
pub struct ChunkedTarget {
    inner: MemoryTarget,
    grid: Grid,
    chunk: Vec<usize>,
    written: Mutex<Vec<bool>>,
}

impl ChunkedTarget {
    /// An array in chunks of `chunk`, ready to be written.
    pub fn new(dtype: DType, shape: &[usize], chunk: &[usize]) -> Result<Self> {
        let grid = Grid::new(shape.to_vec(), chunk.to_vec());
        let written = Mutex::new(vec![false; grid.count()]);
        Ok(ChunkedTarget { inner: MemoryTarget::new(dtype, shape)?, grid, chunk: chunk.to_vec(), written })
    }

    /// The published array.
    pub fn inner(&self) -> &MemoryTarget {
        &self.inner
    }
}

impl Target for ChunkedTarget {
    fn shape(&self) -> &[usize] {
        self.inner.shape()
    }

    fn dtype(&self) -> DType {
        self.inner.dtype()
    }

    fn name(&self) -> String {
        "chunks".to_string()
    }

    fn chunk(&self) -> Option<&[usize]> {
        Some(&self.chunk)
    }

    fn write_scratch_bytes(&self) -> u64 {
        (self.chunk.iter().product::<usize>() * self.dtype().size()) as u64
    }

    fn write(&self, region: &Region, bytes: &[u8]) -> Result<()> {
        check_write(self, region, bytes.len())?;
        for index in 0..self.grid.count() {
            let chunk = self.grid.region(index);
            let axes = 0..region.rank();
            if axes.clone().any(|axis| chunk.end(axis) <= region.start[axis] || region.end(axis) <= chunk.start[axis]) {
                continue;
            }
            if axes.clone().any(|axis| chunk.start[axis] < region.start[axis] || chunk.end(axis) > region.end(axis)) {
                return Err(Error::internal(format!("write of {region} covers a part of chunk {chunk}")));
            }
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::replace(&mut written[index], true) {
                return Err(Error::internal(format!("chunk {chunk} is written twice")));
            }
        }
        self.inner.write(region, bytes)
    }

    fn sync(&self) -> Result<()> {
        self.inner.sync()
    }

    fn publish(&self) -> Result<()> {
        self.inner.publish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite;

    #[test]
    fn chunks_in_memory_keep_the_laws_and_count() {
        let bytes: Vec<u8> = (0..60).collect();
        let source = ChunkedSource::new(DType::U8, &[5, 12], &[2, 5], bytes.clone());
        suite::check_source(&source, &bytes);
        suite::check_source(&ChunkedSource::new(DType::U8, &[5, 12], &[2, 5], bytes.clone()).in_place(), &bytes);
        let before = source.bytes_decoded();
        source.read(&Region::new([1, 4], [3, 2]), &mut [0; 6]).unwrap();
        assert_eq!(source.bytes_decoded() - before, 4 * 10);
    }

    #[test]
    fn parts_of_chunks_and_second_writers_are_refused() {
        let target = ChunkedTarget::new(DType::U8, &[5, 4], &[2, 2]).unwrap();
        assert!(target.write(&Region::new([0, 0], [1, 2]), &[0; 2]).is_err());
        target.write(&Region::new([2, 0], [3, 2]), &[0; 6]).unwrap();
        assert!(target.write(&Region::new([4, 0], [1, 2]), &[0; 2]).is_err());
    }
}
