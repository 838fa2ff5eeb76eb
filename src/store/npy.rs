//! npy files: opening and creating. The header is `format::npy`'s business.

use crate::{
    error::{Error, Result},
    format::npy::{self as format, NpyHeader},
    nd::{DType, Dims, SourceFacts, shape::show},
    store::{
        Hold,
        dense::DenseFile,
        file::InputFile,
        output::{FileTarget, OutputMode},
    },
};
use std::{ops::Range, path::Path};

/// What the caller knows of an npy file that its header cannot say.
#[derive(Clone, Debug, Default)]
pub struct NpyOptions {
    /// The dtype; needed for `bf16`, checked for the others.
    pub dtype: Option<DType>,
    /// Axis names.
    pub dims: Option<Dims>,
}

/// Opens an npy file. Bytes after the data are ignored, as NumPy ignores them.
pub fn open(path: &Path, options: &NpyOptions) -> Result<DenseFile> {
    let file = InputFile::open(path)?;
    let (name, size_bytes) = (file.name().to_string(), file.identity().size_bytes);
    open_at(file, &name, 0..size_bytes, options)
}

/// Opens the npy file that the bytes `place` of a file are; `name` is what errors call it.
pub(super) fn open_at(file: InputFile, name: &str, place: Range<u64>, options: &NpyOptions) -> Result<DenseFile> {
    let start = place.start;
    let header = header_of(&file, name, place, options.dtype)?;
    let dims = dims_of(name, options.dims.as_ref(), &header.shape)?;
    let strides = header.order.strides(&header.shape);
    let facts = SourceFacts { swapped: header.swapped, ..SourceFacts::of_file(name, header.dtype, header.shape, strides, dims) };
    Ok(DenseFile::new(file, start + header.data_offset as u64, facts))
}

/// The header of the npy file that the bytes `place` of a file are. They hold what it promises.
pub(super) fn header_of(file: &InputFile, name: &str, place: Range<u64>, dtype: Option<DType>) -> Result<NpyHeader> {
    let in_file = |error: Error| error.context(name);
    let place_bytes = place.end - place.start;
    let prefix = |length: usize| -> Result<Vec<u8>> {
        let mut bytes = vec![0; length.min(usize::try_from(place_bytes).unwrap_or(usize::MAX))];
        file.read_exact_at(place.start, &mut bytes)?;
        Ok(bytes)
    };
    let length = format::header_bytes(&prefix(format::PREFIX_BYTES)?).map_err(in_file)?;
    let header = format::parse(&prefix(length)?, dtype).map_err(in_file)?;
    let there_bytes = place_bytes.saturating_sub(header.data_offset as u64);
    if there_bytes < header.data_bytes as u64 {
        return Err(Error::data(format!(
            "{name} is truncated: its header promises {} of {} ({} bytes of data), the file has {there_bytes}",
            show(&header.shape),
            header.dtype,
            header.data_bytes,
        )));
    }
    Ok(header)
}

/// The axis names that were asked for, if they fit the shape.
pub(super) fn dims_of(name: &str, asked: Option<&Dims>, shape: &[usize]) -> Result<Dims> {
    match asked {
        None => Ok(Dims::unnamed(shape.len())),
        Some(dims) if dims.0.len() == shape.len() => Ok(dims.clone()),
        Some(dims) => Err(Error::usage(format!("{name} has shape {}, but {} axis names are given: {dims}", show(shape), dims.0.len()))),
    }
}

/// Starts an npy file: version 1.0, C order, this machine's byte order, data 64-byte aligned.
///
/// `bf16`, which NumPy lacks, is written as the two-byte void `<V2`, as the `ml_dtypes` package writes it.
pub fn create(path: &Path, dtype: DType, shape: &[usize], mode: OutputMode) -> Result<FileTarget> {
    FileTarget::create(path, &format::encode(dtype, shape), dtype, shape, mode)
}

/// Goes on with a file that [`create`] started and a job left unfinished, or is writing. `None` if there is none like that.
pub fn reopen(path: &Path, dtype: DType, shape: &[usize], mode: OutputMode, hold: Hold) -> Result<Option<FileTarget>> {
    FileTarget::reopen(path, &format::encode(dtype, shape), dtype, shape, mode, hold)
}
