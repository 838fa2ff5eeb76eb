//! Stores of chunks: Zarr, versions 2 and 3.

pub mod publish;
mod write;

pub use write::{BoxShape, Codec, Place, ZarrOptions, ZarrTarget, ZarrVersion, attributes, create, is_zarr, reopen};
