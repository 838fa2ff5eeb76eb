//! Zarr stores, v2 and v3: folders of chunks that are encoded one by one.
//!
//! Metadata and everything in a chunk come from outside: each number is held against what the array says, and what is longer,
//! elsewhere or other than it must be is an error that names array, chunk and file.

mod archive;
mod carry;
mod cf;
mod chain;
mod codec;
mod copy;
mod files;
mod metadata;
mod node;
mod open;
mod part;
pub mod publish;
mod rare;
mod read;
mod remote;
mod shard;
mod source;
mod texts;
mod v2;
mod v3;
mod window;
mod write;

pub use carry::{AxisPlaces, Coordinate, ZarrOrigin, carry, copy_texts, is_texts};
pub use cf::CfPacking;
pub use metadata::About;
pub use open::{Group, GroupArray, Opened, open};
pub use source::ZarrSource;
pub use write::{
    BoxShape, Codec, Place, ZarrOptions, ZarrTarget, ZarrVersion, chunks_of, copy_group_attributes, create, is_in_group, is_zarr, reopen,
};

#[cfg(test)]
mod broken_tests;
#[cfg(test)]
mod tests;
