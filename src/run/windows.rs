//! Windows of chunks: for every read of one, that of the chunk which the blocks of a run lie in; one at a time.

use super::{
    budget::{Purpose, Reservation},
    fetch::source_of,
    job::StageJob,
    pool::Buffer,
    prepare::Binding,
};
use crate::{
    error::{Error, Result},
    nd::{IndexMap, Region, shape::c_strides},
    plan::{Access, Read, chunks::chunk_of},
    store::{ChunkWindow, Source, Window},
};
use std::sync::Arc;

/// The part of one chunk that a run needs.
struct HeldChunk {
    /// In store coordinates.
    region: Region,
    bytes: Bytes,
    /// Along the axes of the store.
    store_strides: Vec<i64>,
    /// Along the axes of the stage.
    strides: Vec<i64>,
}

enum Bytes {
    Mapped {
        window: Window,
        _reservation: Reservation,
    },
    /// The store could not map it after all.
    Copied(Buffer),
}

/// The chunks that one worker holds.
pub(super) struct ChunkWindows<'a> {
    job: &'a StageJob,
    /// One place per read; empty where the stage reads no chunks in place.
    held: Vec<Option<HeldChunk>>,
    /// Bytes of all windows until now.
    pub bytes_mapped: u64,
}

impl<'a> ChunkWindows<'a> {
    pub fn new(job: &'a StageJob) -> Self {
        let reads = &job.stage.stage().reads;
        let is_used = reads.iter().any(|read| read.access == Access::Chunks);
        ChunkWindows { job, held: if is_used { reads.iter().map(|_| None).collect() } else { Vec::new() }, bytes_mapped: 0 }
    }

    /// The reads that have chunks in place.
    fn reads(&self) -> impl Iterator<Item = (&'a Read, &Option<HeldChunk>)> {
        self.job.stage.stage().reads.iter().zip(&self.held).filter(|(read, _)| read.access == Access::Chunks)
    }

    /// Whether the block at `start` lies in the chunks that are held; the plan has made sure that it lies in one of each read.
    pub fn have(&self, start: &[usize]) -> bool {
        self.reads().all(|(read, held)| held.as_ref().is_some_and(|held| held.has(&read.map, start)))
    }

    /// Maps the chunks of the block of a run at `start`, in the place of those that it does not lie in.
    pub fn hold(&mut self, run: &Region, start: &[usize]) -> Result<()> {
        for index in 0..self.held.len() {
            let read = &self.job.stage.stage().reads[index];
            if read.access != Access::Chunks || self.held[index].as_ref().is_some_and(|held| held.has(&read.map, start)) {
                continue;
            }
            // Before the next one is mapped: there is memory for one.
            self.held[index].take().map_or(Ok(()), HeldChunk::release)?;
            let source = source_of(self.job, read)?;
            let region = chunk_around(source, read, run, start)?;
            let item_bytes = self.job.stage.slot_bytes(read.slot);
            self.bytes_mapped += (region.count() * item_bytes) as u64;
            self.held[index] = Some(HeldChunk::new(self.job, source, read, region, item_bytes)?);
        }
        Ok(())
    }

    /// The bytes of a read, and its strides along the axes of the stage.
    pub fn of(&self, index: usize) -> Result<(&[u8], &[i64])> {
        let held = self.held.get(index).and_then(Option::as_ref);
        let held = held.ok_or_else(|| Error::internal("a block is computed before its chunk is mapped"))?;
        Ok((held.bytes(), &held.strides))
    }

    /// Where the first element of the block at `start` lies in the bytes of what a slot reads, if that is a chunk.
    pub fn first(&self, binding: Binding, start: &[usize]) -> Option<i64> {
        let Binding::Read(index) = binding else { return None };
        let held = self.held.get(index)?.as_ref()?;
        let map = &self.job.stage.stage().reads[index].map;
        let place = |store: usize| (coordinate(map, start, store) - held.region.start[store] as i64) * held.store_strides[store];
        Some((0..map.store_rank()).map(place).sum())
    }

    /// Checks that what the windows showed is what the files hold, and lets go of them.
    pub fn release(self) -> Result<()> {
        self.held.into_iter().flatten().map(HeldChunk::release).fold(Ok(()), Result::and)
    }
}

impl HeldChunk {
    fn new(job: &StageJob, source: &Arc<dyn Source>, read: &Read, region: Region, item_bytes: usize) -> Result<Self> {
        let of_store = |strides: &[i64]| {
            let along = |step: &Vec<i64>| step.iter().zip(strides).map(|(step, stride)| step * stride).sum();
            read.map.steps.iter().map(along).collect()
        };
        if let Some(ChunkWindow { window, strides }) = source.chunk_window(&region)? {
            let reservation = job.budget.reserve(Purpose::Windows, window.len() as u64)?;
            let store_strides: Vec<i64> = strides.iter().map(|&stride| stride as i64).collect();
            let strides = of_store(&store_strides);
            return Ok(HeldChunk { region, bytes: Bytes::Mapped { window, _reservation: reservation }, store_strides, strides });
        }
        // Not from the pool, which would keep it beside the windows of later chunks.
        let mut buffer = Buffer::new(&job.budget, Purpose::Windows, (region.count() * item_bytes) as u64)?;
        source.read(&region, buffer.bytes_mut())?;
        let store_strides = c_strides(&region.shape);
        let strides = of_store(&store_strides);
        Ok(HeldChunk { region, bytes: Bytes::Copied(buffer), store_strides, strides })
    }

    fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped { window, .. } => window,
            Bytes::Copied(buffer) => buffer.bytes(),
        }
    }

    fn has(&self, map: &IndexMap, start: &[usize]) -> bool {
        let inside = |store: usize| {
            let place = coordinate(map, start, store) as usize;
            self.region.start[store] <= place && place < self.region.end(store)
        };
        (0..map.store_rank()).all(inside)
    }

    fn release(self) -> Result<()> {
        match self.bytes {
            Bytes::Mapped { window, .. } => window.check(),
            Bytes::Copied(_) => Ok(()),
        }
    }
}

/// The coordinate along an axis of the store of the element of the stage at `start`. No axis is gathered.
fn coordinate(map: &IndexMap, start: &[usize], store: usize) -> i64 {
    let along = start.iter().zip(&map.steps).map(|(&start, step)| start as i64 * step[store]);
    map.offset[store] + along.sum::<i64>()
}

/// The part that a run needs of the chunk which the element at `start` lies in.
fn chunk_around(source: &Arc<dyn Source>, read: &Read, run: &Region, start: &[usize]) -> Result<Region> {
    let chunk = chunk_of(Some(source.facts())).ok_or_else(|| Error::internal("a window of a chunk of a store without chunks"))?;
    let (mut low, mut shape) = (Vec::new(), Vec::new());
    for (store, span) in read.map.span(run).into_iter().enumerate() {
        let length = chunk[store].max(1);
        let first = coordinate(&read.map, start, store) as usize / length * length;
        let (begin, end) = (span.start.max(first), span.end.min(first.saturating_add(length)));
        low.push(begin);
        shape.push(end.saturating_sub(begin));
    }
    Ok(Region::new(low, shape))
}
