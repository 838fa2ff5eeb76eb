//! Writing Zarr arrays: [`create`] gives a target whose chunks are written by any thread, each one once.
//!
//! A box that is written covers whole chunks (of a sharded array: inner chunks, so that a shard streams and never has to fit into
//! memory). One call encodes its chunks one after the other on the caller's thread; chunks of nothing but zeros, the fill value, are left
//! out. The bytes of every file are a function of the values and the options alone: see [`shard`] for how shards keep that.
//! Everything happens in a folder beside the name ([`super::publish`]); metadata is written last, so that even there an unfinished
//! array is none.

mod checkpoint;
mod codec;
mod consolidated;
mod existing;
mod groups;
mod layout;
mod metadata;
mod options;
mod preview;
mod remote;
mod shard;
mod target;
mod texts;

pub use codec::Codec;
pub use groups::{copy_group_attributes, group_around, is_in_group};
pub use options::{BoxShape, Place, ZarrOptions, ZarrVersion};
pub use preview::chunks_of;
pub use target::ZarrTarget;
pub(super) use texts::create_texts;

use self::{
    existing::{Existing, Part},
    layout::Layout,
    metadata::ArrayFacts,
    target::Goal,
};
use super::publish::{PartFolder, destination};
use crate::{
    error::{Error, Result},
    nd::{
        DType, Dims,
        shape::{element_count, show},
    },
    store::{object, output::OutputMode, part::Hold},
};
use std::path::{Path, PathBuf};

/// Whether an output of this path is a Zarr array: it is called `*.zarr`, or lies in a folder that is or in a group. A file `*.npy`,
/// `*.bin` or `*.raw` is one of its kind wherever it lies.
#[must_use]
pub fn is_zarr(path: &Path) -> bool {
    let ends =
        |path: &Path, wanted: &[&str]| path.extension().is_some_and(|end| wanted.iter().any(|wanted| end.eq_ignore_ascii_case(wanted)));
    if ends(path, &["npy", "bin", "raw"]) {
        return false;
    }
    let is_in_group = || path.extension().is_none() && path.parent().is_some_and(|folder| groups::node(folder) != groups::Node::Plain);
    path.ancestors().any(|part| ends(part, &["zarr"])) || is_in_group()
}

/// Starts a Zarr array at `path`; `name` is what errors call it.
pub fn create(path: &Path, name: &str, dtype: DType, shape: &[usize], mode: OutputMode, options: &ZarrOptions) -> Result<ZarrTarget> {
    if object::is_object(path) {
        return remote::create(name, dtype, shape, mode, options);
    }
    if options.place != Place::New {
        return create_part(path, name, dtype, shape, options);
    }
    let made = begin(path, name, dtype, shape, mode, options, &|destination| PartFolder::begin(destination, name, mode).map(Some))?;
    let made = made.ok_or_else(|| Error::internal(format!("{name} has no folder")))?;
    made.check_room()?;
    Ok(made)
}

/// Goes on with an array that [`create`] started with the same arguments and whose writer was stopped. Boxes that were written before its
/// last [`ZarrTarget::checkpoint`] are there, and are counted with [`Target::adopt`](crate::store::Target::adopt); all others are to be written. `None`
/// if nothing was left.
///
/// [`Hold::Shared`]: one that other processes write as well. A chunk or shard that two of them write is whole at any time; each of them writes all of a
/// shard or nothing.
pub fn reopen(
    path: &Path,
    name: &str,
    dtype: DType,
    shape: &[usize],
    mode: OutputMode,
    options: &ZarrOptions,
    hold: Hold,
) -> Result<Option<ZarrTarget>> {
    if options.place != Place::New {
        return Ok(None);
    }
    if object::is_object(path) {
        let found = remote::reopen(name, dtype, shape, mode, options)?;
        return found.map(|target| if hold == Hold::Shared { target.shared() } else { Ok(target) }).transpose();
    }
    let found = begin(path, name, dtype, shape, mode, options, &|destination| PartFolder::resume(destination, name, mode, hold))?;
    let Some(target) = found else { return Ok(None) };
    if hold == Hold::Shared {
        return target.shared().map(Some);
    }
    target.remove_drafts()?;
    let notes = checkpoint::read(target.root()?);
    // Killed between the note that a shard is complete and the end of the file that chunks had waited in.
    let complete: Vec<Vec<usize>> = notes.iter().filter(|(_, state)| state.is_none()).map(|(place, _)| place.clone()).collect();
    target.remove_late(&complete)?;
    Ok(Some(target.with_notes(notes)))
}

/// A target in the folder that `take` gives.
fn begin(
    path: &Path,
    name: &str,
    dtype: DType,
    shape: &[usize],
    mode: OutputMode,
    options: &ZarrOptions,
    take: &dyn Fn(PathBuf) -> Result<Option<PartFolder>>,
) -> Result<Option<ZarrTarget>> {
    check_count(name, dtype, shape)?;
    let destination = destination(path, name, mode, groups::standing)?;
    let version = version_of(&destination, name, dtype, options)?;
    let (part, codec) = new_array(name, dtype, shape, version, options)?;
    groups::make(&destination, name, version)?;
    let Some(folder) = take(destination.clone()).inspect_err(|_| groups::give_up(&destination))? else {
        groups::give_up(&destination);
        return Ok(None);
    };
    ZarrTarget::new(name, dtype, version, codec, part, folder, destination).map(Some)
}

/// The version that is asked for, or that of the store around it.
fn version_of(destination: &Path, name: &str, dtype: DType, options: &ZarrOptions) -> Result<ZarrVersion> {
    let of_store = groups::version_of_store(destination, name)?;
    let version = options.version.or(of_store).unwrap_or(ZarrVersion::V3);
    if let Some(other) = of_store.filter(|other| *other != version) {
        let (wanted, there) = (version.number(), other.number());
        return Err(Error::output(format!("cannot write {name} as Zarr version {wanted}: its store is one of version {there}"))
            .hint(format!("version={there}, or another store")));
    }
    check_dtype(name, dtype, version)?;
    Ok(version)
}

/// An error if nothing could count the elements.
fn check_count(name: &str, dtype: DType, shape: &[usize]) -> Result<()> {
    let counted = element_count(shape, dtype.size());
    counted.map(drop).map_err(|error| Error::output(format!("cannot write {name}: {}", error.message())))
}

/// An error if a version of the format has no such dtype.
fn check_dtype(name: &str, dtype: DType, version: ZarrVersion) -> Result<()> {
    if dtype == DType::BF16 && version == ZarrVersion::V2 {
        return Err(Error::usage(format!("{name}: Zarr version 2 has no bf16")).hint("version 3, or astype(f32)"));
    }
    Ok(())
}

/// An array that is to be: how it lies, its metadata and its codec.
fn new_array(name: &str, dtype: DType, shape: &[usize], version: ZarrVersion, options: &ZarrOptions) -> Result<(Part, Codec)> {
    let layout = Layout::new(name, shape, dtype, version, options)?;
    let dims = dims_of(name, options, shape)?;
    let codec = options.codec.unwrap_or_default();
    let metadata = ArrayFacts { layout: &layout, dtype, codec, dims: &dims, attributes: &options.attributes }.files(version);
    Ok((Part { layout, first: Vec::new(), metadata, goal: Goal::Array }, codec))
}

/// Starts a part of an array that exists.
fn create_part(path: &Path, name: &str, dtype: DType, shape: &[usize], options: &ZarrOptions) -> Result<ZarrTarget> {
    refuse_layout(name, options)?;
    let destination = std::fs::canonicalize(path).map_err(|error| Error::io("write into", name, error))?;
    if options.place == Place::Append {
        groups::version_of_store(&destination, name)?;
    }
    // The lock first: what the metadata says must hold until the end.
    let folder = PartFolder::begin(destination.clone(), name, OutputMode::Overwrite)?;
    let existing = Existing::open(&destination, name)?;
    let (version, codec) = (existing.version, existing.codec);
    let part = existing.part(name, dtype, shape, &options.place)?;
    let made = ZarrTarget::new(name, dtype, version, codec, part, folder, destination)?;
    made.check_room()?;
    Ok(made)
}

/// An error if a layout is asked for where one is there already.
fn refuse_layout(name: &str, options: &ZarrOptions) -> Result<()> {
    if options.is_plain() {
        return Ok(());
    }
    Err(Error::usage(format!("{name} exists: its chunks, shards, codec and version are what they are"))
        .hint("leave them out when something is appended, or a region written"))
}

impl ZarrVersion {
    fn number(self) -> u8 {
        match self {
            ZarrVersion::V2 => 2,
            ZarrVersion::V3 => 3,
        }
    }
}

fn dims_of(name: &str, options: &ZarrOptions, shape: &[usize]) -> Result<Dims> {
    match &options.dims {
        None => Ok(Dims::unnamed(shape.len())),
        Some(dims) if dims.0.len() == shape.len() => Ok(dims.clone()),
        Some(dims) => Err(Error::usage(format!("{name} has shape {}, but {} axis names are given: {dims}", show(shape), dims.0.len()))),
    }
}

#[cfg(test)]
mod tests;
