//! Where arrays lie: the two open seams [`Source`] and [`Target`], their laws, and the stores of this crate.
//!
//! A store knows bytes and files. It never knows a graph or a plan, and never decides what to read next.
//! The laws every store keeps are written down, and run, in [`suite`].

use crate::{
    error::{Error, Result},
    nd::{DType, IndexMap, Region, SourceFacts, shape::show},
};
use std::{ops::Range, path::PathBuf, sync::Arc};

pub mod aligned;
pub mod append;
mod archive;
#[doc(hidden)]
pub mod chunked;
mod columns;
pub mod dense;
pub mod file;
mod filling;
mod inside;
pub mod joined;
pub mod journal;
mod journaled;
pub mod memory;
pub mod mmap;
pub mod nameless;
pub mod npy;
mod object;
pub mod open;
pub mod output;
mod part;
pub mod raw;
mod runs;
mod same;
pub mod scratch;
mod sent;
pub mod state;
#[doc(hidden)]
pub mod suite;
pub mod tasks;
mod tensors;
mod vectors;
#[doc(hidden)]
pub mod wrap;
pub mod zarr;

pub use aligned::AlignedBytes;
pub use filling::Lent;
pub use journaled::{Journaled, Published};
pub use memory::{MemorySource, MemoryTarget};
pub use mmap::{ChunkWindow, Window, install_sigbus_guard};
pub use open::{Packed, create, open, open_packed, reopen};
pub use output::OutputMode;
pub use part::{Hold, Leftover, Part, forget, journal_path, left_over, leftover, part_path, place_of};
pub use same::{check_apart, same_file};

/// An array that can be read.
///
/// Store coordinates are those of [`SourceFacts::layout`]: linear for dense stores, the array's own for chunked ones.
pub trait Source: Send + Sync {
    /// What the planner may know. Constant for the life of the source.
    fn facts(&self) -> &SourceFacts;

    /// The array in store coordinates. Only an array in memory with gaps or reversed axes differs from what the facts say.
    fn index_map(&self) -> IndexMap {
        IndexMap::of_source(self.facts())
    }

    /// Reads a box of store coordinates, in C order, in the store's byte order (see [`SourceFacts::swapped`]).
    ///
    /// `out` has exactly the box' bytes. Errors if the content changed since the source was opened.
    fn read(&self, region: &Region, out: &mut [u8]) -> Result<()>;

    /// The bytes of a run of elements of a dense store, in place; `None` where the store cannot be mapped.
    fn window(&self, elements: Range<usize>) -> Result<Option<Window>> {
        let _ = elements;
        Ok(None)
    }

    /// The elements of a box, not empty, of store coordinates in one chunk of a store of chunks, in place, in the store's byte order;
    /// `None` where this chunk cannot be had so. Errors if the content changed since the source was opened.
    fn chunk_window(&self, region: &Region) -> Result<Option<ChunkWindow>> {
        let _ = region;
        Ok(None)
    }

    /// Tells the store that a run of elements will be read soon. Never fails, may do nothing, may block on the medium.
    fn prefetch(&self, elements: Range<usize>) {
        let _ = elements;
    }

    /// Tells a store of chunks that a box will be read soon. As [`Source::prefetch`]: never fails, may do nothing, may block.
    fn prefetch_box(&self, region: &Region) {
        let _ = region;
    }

    /// An error if the content is not what it was when the source was opened.
    fn verify(&self) -> Result<()> {
        Ok(())
    }

    /// An error if a checksum does not hold that covers more than reading looks at: those of members of zip archives that are stored as
    /// they are. Reads what they cover, a piece at a time, and asks `go_on` before each.
    fn check_sums(&self, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        let _ = go_on;
        Ok(())
    }
}

/// What becomes of the system's copy in memory of bytes that have reached the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageCache {
    /// It stays for as long as the system likes.
    Keep,
    /// Its pages are given back at once, and take what is written next: little of the machine's memory is ever touched.
    Drop,
}

impl PageCache {
    /// All bytes of a file, however many there are.
    const WHOLE: Range<u64> = 0..i64::MAX as u64;

    /// Applies to bytes of a file that are durable. Of pages that more will be written to none should go: they would have to be read again.
    fn apply(self, file: &std::fs::File, bytes: Range<u64>) {
        // A length of 0 would mean all the rest of the file.
        let length = std::num::NonZeroU64::new(bytes.end.saturating_sub(bytes.start));
        if self == PageCache::Drop && length.is_some() {
            // Advice: without it everything works, with more memory.
            let _ = rustix::fs::fadvise(file, bytes.start, length, rustix::fs::Advice::DontNeed);
        }
    }
}

/// An array that is being written. Nothing stands under its name before [`Target::publish`].
pub trait Target: Send + Sync {
    /// Shape of the array.
    fn shape(&self) -> &[usize];
    /// Dtype of the elements.
    fn dtype(&self) -> DType;
    /// What errors call it.
    fn name(&self) -> String;
    /// The box that has exactly one writer, of the array's rank, for stores of chunks: every write covers whole ones of them
    /// (clipped at the ends of the array), and none is written twice. `None`: any box may be written.
    fn chunk(&self) -> Option<&[usize]> {
        None
    }
    /// The box, of whole [`Target::chunk`]s, that lies in one file: of several processes that write the array one writes all of it. `None`: they
    /// may share it as they like.
    fn shard(&self) -> Option<&[usize]> {
        None
    }
    /// Bytes that one call of [`Target::write`] holds besides its argument.
    fn write_scratch_bytes(&self) -> u64 {
        0
    }
    /// The folder that it is made in, where scratch can lie beside it; `None` for what has none.
    fn folder(&self) -> Option<PathBuf> {
        None
    }
    /// Writes a box of the array: C order, native byte order. Boxes of concurrent calls do not overlap.
    fn write(&self, region: &Region, bytes: &[u8]) -> Result<()>;
    /// Asks for written bytes to reach the medium early, and says what becomes of their copy in memory; called from a thread that may
    /// block. A target with a [`Target::part`] answers when every box whose write had returned before is durable.
    fn settle(&self, copy: PageCache) -> Result<()> {
        let _ = copy;
        Ok(())
    }
    /// Makes everything durable, without publishing it.
    fn sync(&self) -> Result<()>;
    /// Publishes the array under its name. Called once, after [`Target::sync`]. An array that was not written in full is refused.
    fn publish(&self) -> Result<()>;
    /// Where the unfinished array lies; `None` if no later process could go on with it.
    fn part(&self) -> Option<Part> {
        None
    }
    /// Whether all of a box is there from an earlier job, so that it need not be computed. A write of it does nothing.
    fn is_finished(&self, region: &Region) -> bool {
        let _ = region;
        false
    }
    /// Counts boxes as written that an earlier job wrote. They do not overlap; a box that overlaps one may be written again, with the
    /// same bytes. Called once, before the first write.
    fn adopt(&self, boxes: &[Region]) -> Result<()> {
        if boxes.is_empty() { Ok(()) } else { Err(Error::internal(format!("{} cannot be continued", self.name()))) }
    }
    /// Lets what is unfinished stay when the target is dropped.
    fn keep(&self) {}
    // Dropping an unpublished target removes everything it left, unless it is to be kept.
}

impl<S: Source + ?Sized> Source for Arc<S> {
    fn facts(&self) -> &SourceFacts {
        (**self).facts()
    }
    fn index_map(&self) -> IndexMap {
        (**self).index_map()
    }
    fn read(&self, region: &Region, out: &mut [u8]) -> Result<()> {
        (**self).read(region, out)
    }
    fn window(&self, elements: Range<usize>) -> Result<Option<Window>> {
        (**self).window(elements)
    }
    fn chunk_window(&self, region: &Region) -> Result<Option<ChunkWindow>> {
        (**self).chunk_window(region)
    }
    fn prefetch(&self, elements: Range<usize>) {
        (**self).prefetch(elements);
    }
    fn prefetch_box(&self, region: &Region) {
        (**self).prefetch_box(region);
    }
    fn verify(&self) -> Result<()> {
        (**self).verify()
    }
}

impl<T: Target + ?Sized> Target for Arc<T> {
    fn shape(&self) -> &[usize] {
        (**self).shape()
    }
    fn dtype(&self) -> DType {
        (**self).dtype()
    }
    fn name(&self) -> String {
        (**self).name()
    }
    fn chunk(&self) -> Option<&[usize]> {
        (**self).chunk()
    }
    fn shard(&self) -> Option<&[usize]> {
        (**self).shard()
    }
    fn write_scratch_bytes(&self) -> u64 {
        (**self).write_scratch_bytes()
    }
    fn folder(&self) -> Option<PathBuf> {
        (**self).folder()
    }
    fn write(&self, region: &Region, bytes: &[u8]) -> Result<()> {
        (**self).write(region, bytes)
    }
    fn settle(&self, copy: PageCache) -> Result<()> {
        (**self).settle(copy)
    }
    fn sync(&self) -> Result<()> {
        (**self).sync()
    }
    fn publish(&self) -> Result<()> {
        (**self).publish()
    }
    fn part(&self) -> Option<Part> {
        (**self).part()
    }
    fn is_finished(&self, region: &Region) -> bool {
        (**self).is_finished(region)
    }
    fn adopt(&self, boxes: &[Region]) -> Result<()> {
        (**self).adopt(boxes)
    }
    fn keep(&self) {
        (**self).keep();
    }
}

/// An error unless `region` lies inside the store and `out_bytes` is what it takes.
fn check_read(facts: &SourceFacts, region: &Region, out_bytes: usize) -> Result<()> {
    let shape = facts.store_shape();
    if !region.fits(&shape) {
        return Err(Error::internal(format!("read of {region:?} outside of {}, whose store has shape {}", facts.name, show(&shape))));
    }
    let needed = region.count() * facts.dtype.size();
    if out_bytes != needed {
        return Err(Error::internal(format!("read of {region} of {} takes {needed} bytes, {out_bytes} are given", facts.name)));
    }
    Ok(())
}

/// An error unless `region` lies inside the target and `bytes` is what it takes.
fn check_write(target: &dyn Target, region: &Region, bytes: usize) -> Result<()> {
    let (name, shape) = (target.name(), target.shape());
    if !region.fits(shape) {
        return Err(Error::internal(format!("write of {region:?} outside of {name}, which has shape {}", show(shape))));
    }
    let needed = region.count() * target.dtype().size();
    if bytes != needed {
        return Err(Error::internal(format!("write of {region} of {name} takes {needed} bytes, {bytes} are given")));
    }
    Ok(())
}

/// An error if fewer elements than the array has were written.
fn check_complete(target: &dyn Target, written: usize) -> Result<()> {
    let count: usize = target.shape().iter().product();
    if written < count {
        return Err(Error::usage(format!("{}: {} of its {count} elements were never written", target.name(), count - written))
            .hint("write every region before finishing"));
    }
    Ok(())
}
