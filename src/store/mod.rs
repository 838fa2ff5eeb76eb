//! Where arrays lie: the two open seams [`Source`] and [`Target`], their laws, and the stores of this crate.
//!
//! A store knows bytes and files. It never knows a graph or a plan, and never decides what to read next.
//! The laws every store keeps are written down, and run, in [`suite`].

use crate::{
    error::Result,
    nd::{DType, Region, SourceFacts},
};
use std::ops::Range;

pub mod mmap;
pub use mmap::Window;

/// An array that can be read.
///
/// Store coordinates are those of [`SourceFacts::layout`]: linear for dense stores, the array's own for chunked ones.
pub trait Source: Send + Sync {
    /// What the planner may know. Constant for the life of the source.
    fn facts(&self) -> &SourceFacts;

    /// Reads a box of store coordinates, in C order, in the store's byte order (see [`SourceFacts::swapped`]).
    ///
    /// `out` has exactly the box' bytes. Errors if the content changed since the source was opened.
    fn read(&self, region: &Region, out: &mut [u8]) -> Result<()>;

    /// The bytes of a run of elements of a dense store, in place; `None` where the store cannot be mapped.
    fn window(&self, elements: Range<usize>) -> Result<Option<Window>> {
        let _ = elements;
        Ok(None)
    }

    /// Tells the store that a run of elements will be read soon. Never fails, may do nothing, may block on the medium.
    fn prefetch(&self, elements: Range<usize>) {
        let _ = elements;
    }

    /// An error if the content is not what it was when the source was opened.
    fn verify(&self) -> Result<()> {
        Ok(())
    }
}

/// An array that is being written. Nothing stands under its name before [`Target::finish`].
pub trait Target: Send + Sync {
    /// Shape of the array.
    fn shape(&self) -> &[usize];
    /// Dtype of the elements.
    fn dtype(&self) -> DType;
    /// What errors call it.
    fn name(&self) -> String;
    /// Writes a box of the array: C order, native byte order. Boxes of concurrent calls do not overlap.
    fn write(&self, region: &Region, bytes: &[u8]) -> Result<()>;
    /// Asks for written bytes to reach the medium early; called from a thread that may block.
    fn settle(&self) -> Result<()> {
        Ok(())
    }
    /// Makes everything durable, without publishing it.
    fn sync(&self) -> Result<()>;
    /// Publishes the array under its name. Called once, after [`Target::sync`].
    fn publish(&self) -> Result<()>;
    // Dropping an unpublished target removes everything it left.
}
