//! Chunks in place: which can be mapped, where a box of one lies in its file, and windows of it.

use super::{
    chain::{Body, Chain, Shard},
    copy::{self, Layout},
    part::{Fault, Part},
    read::{Reader, overlap},
    source::ZarrSource,
};
use crate::{
    error::{Error, Result},
    nd::{Region, shape::show},
    store::{ChunkWindow, Window},
};
use std::sync::Arc;

/// Whether elements lie in the files of chunks as they are, alone or in shards, and no window of a part of a chunk is longer than what
/// the array has of the chunk.
pub(super) fn is_in_place(chain: &Chain, shape: &[usize]) -> bool {
    let unit = chain.unit();
    let held: Vec<usize> = unit.iter().zip(shape).map(|(&chunk, &length)| chunk.min(length.max(1))).collect();
    let strides = unit_strides(chain);
    strides.is_some_and(|strides| held == unit || Layout { first: 0, strides }.last(&held) < held.iter().product())
}

/// The strides of the chunks that are decoded at a time, if they lie in their files as they are.
fn unit_strides(chain: &Chain) -> Option<Vec<usize>> {
    if !chain.steps.is_empty() {
        return None;
    }
    let stored = match &chain.body {
        Body::Elements { .. } => Layout::in_c_order(&chain.stored_shape(), &vec![0; chain.shape.len()]).strides,
        Body::Shard(shard) => unit_strides(&shard.inner)?,
        Body::Rare(_) => return None,
    };
    Some(chain.order.as_ref().map_or(stored.clone(), |order| unpermuted(&stored, order)))
}

/// `values` of stored axes for the axes that they are stored of.
fn unpermuted(values: &[usize], order: &[usize]) -> Vec<usize> {
    let mut result = vec![0; values.len()];
    order.iter().zip(values).for_each(|(&axis, &value)| result[axis] = value);
    result
}

/// Lets elements be decoded to the byte order that they have; whether that is the other one.
pub(super) fn keep_byte_order(chain: &mut Chain) -> bool {
    match &mut chain.body {
        Body::Elements { swapped } => std::mem::take(swapped),
        Body::Shard(shard) => keep_byte_order(&mut shard.inner),
        Body::Rare(_) => false,
    }
}

/// Where the elements of a box lie.
pub(super) struct Place {
    /// Byte of the file at which the first one begins, and bytes to the end of the last one.
    start: u64,
    bytes: usize,
    /// Steps along the axes of the array, in elements.
    strides: Vec<usize>,
}

impl Reader<'_> {
    /// Finds the box at `start` of a chunk, of `shape` and not empty; `None` if it was never written.
    pub fn locate(&mut self, chain: &Chain, part: Part<'_>, start: &[usize], shape: &[usize]) -> Result<Option<Place>, Fault> {
        let Some(order) = &chain.order else { return self.locate_stored(chain, part, start, shape) };
        let (start, shape) = (copy::permuted(start, order), copy::permuted(shape, order));
        let found = self.locate_stored(chain, part, &start, &shape)?;
        Ok(found.map(|place| Place { strides: unpermuted(&place.strides, order), ..place }))
    }

    fn locate_stored(&mut self, chain: &Chain, part: Part<'_>, start: &[usize], shape: &[usize]) -> Result<Option<Place>, Fault> {
        match (&chain.body, part) {
            (Body::Elements { .. }, Part::File { start: from, length, .. }) => {
                let (item, bytes) = (chain.item_bytes, chain.decoded_bytes());
                if length != bytes as u64 {
                    return Err(format!("it has {length} bytes instead of {bytes}").into());
                }
                let layout = Layout::in_c_order(&chain.stored_shape(), start);
                let bytes = (layout.last(shape) + 1 - layout.first) * item;
                Ok(Some(Place { start: from + (layout.first * item) as u64, bytes, strides: layout.strides }))
            }
            (Body::Shard(shard), part) => self.locate_inner(shard, part, start, shape),
            _ => Err(Fault::Failed(Error::internal("a window of a chunk that has to be decoded"))),
        }
    }

    fn locate_inner(&mut self, shard: &Shard, part: Part<'_>, start: &[usize], shape: &[usize]) -> Result<Option<Place>, Fault> {
        let index = self.index(shard, part)?;
        let inner = &shard.inner;
        let cell: Vec<usize> = start.iter().zip(&inner.shape).map(|(start, length)| start / length).collect();
        let (from, _, extent) = overlap(&cell, &inner.shape, start, shape);
        if extent != shape {
            return Err(Fault::Failed(Error::internal("a window of several inner chunks")));
        }
        let number = cell.iter().zip(&shard.grid).fold(0, |number, (place, length)| number * length + place);
        let Some((offset, length)) = index.place(number) else { return Ok(None) };
        let part = part.range(offset, length).ok_or_else(|| "its index leads out of it".to_string())?;
        self.locate(inner, part, &from, shape).map_err(|fault| match fault {
            Fault::Corrupt(why) => Fault::Corrupt(format!("inner chunk {}: {why}", show(&cell))),
            failed => failed,
        })
    }
}

impl ZarrSource {
    /// The elements of a box of one chunk, in place.
    pub(super) fn window_of(&self, region: &Region) -> Result<ChunkWindow> {
        let Some((file, place)) = self.locate_box(region)? else {
            // One element stands for all.
            let window = Window::borrowed(Arc::clone(&self.fill) as _, 0..self.fill.len());
            return Ok(ChunkWindow { window, strides: vec![0; region.rank()] });
        };
        Ok(ChunkWindow { window: Window::of_file(&file, place.start, place.bytes)?, strides: place.strides })
    }

    /// Asks for the bytes of a box of one chunk, unless most of them are others'.
    pub(super) fn prefetch_window(&self, region: &Region) {
        if let Ok(Some((file, place))) = self.locate_box(region)
            && place.bytes <= 2 * region.count() * self.facts.dtype.size()
        {
            file.prefetch(place.start, place.bytes as u64);
        }
    }

    /// The file and the place in it of a box of one chunk; `None` if it was never written.
    fn locate_box(&self, region: &Region) -> Result<Option<(Arc<crate::store::file::InputFile>, Place)>> {
        let chunk = &self.chain.shape;
        if !region.fits(&self.facts.shape) || region.is_empty() {
            return Err(Error::internal(format!(
                "a window of {region:?} of {}, which has shape {}",
                self.facts.name,
                show(&self.facts.shape)
            )));
        }
        let cell: Vec<usize> = region.start.iter().zip(chunk).map(|(start, length)| start / length).collect();
        let (from, _, extent) = overlap(&cell, chunk, &region.start, &region.shape);
        if extent != region.shape {
            return Err(Error::internal(format!("a window of {region} of {}, which is in several chunks", self.facts.name)));
        }
        let Some(found) = self.open_chunk(&cell)? else { return Ok(None) };
        let place = self.with_scratch(|scratch| self.reader(scratch, &cell).locate(&self.chain, found.part(), &from, &extent));
        let place = place.map_err(|fault| self.failed(&cell, fault))?;
        Ok(place.map(|place| (Arc::clone(found.file()), place)))
    }
}
