//! Raw binary files: elements and nothing else. What a header would say, the caller says.

use crate::{
    error::{Error, Result},
    format::{Order, data_bytes},
    nd::{DType, Dims, SourceFacts, shape::show},
    store::{
        Hold,
        dense::DenseFile,
        file::InputFile,
        npy::dims_of,
        output::{FileTarget, OutputMode},
    },
};
use std::path::Path;

/// What a raw file holds.
#[derive(Clone, Debug)]
pub struct RawLayout {
    /// Element type.
    pub dtype: DType,
    /// Shape; one length may be -1 and is then what the file's size makes it.
    pub shape: Vec<i64>,
    /// Place of the first element, in bytes.
    pub offset_bytes: u64,
    /// Order of the elements.
    pub order: Order,
    /// Whether elements are stored in the other byte order than this machine's.
    pub swapped: bool,
    /// Axis names.
    pub dims: Option<Dims>,
}

impl RawLayout {
    /// All of a file as one axis of `dtype`, in this machine's byte order.
    #[must_use]
    pub fn flat(dtype: DType) -> Self {
        RawLayout { dtype, shape: vec![-1], offset_bytes: 0, order: Order::C, swapped: false, dims: None }
    }
}

/// Opens a raw file. With a length of -1 the elements must fill the file; without, what follows them is ignored.
pub fn open(path: &Path, layout: &RawLayout) -> Result<DenseFile> {
    let file = InputFile::open(path)?;
    let size_bytes = file.identity().size_bytes;
    let name = file.name();
    let there_bytes = size_bytes.checked_sub(layout.offset_bytes).ok_or_else(|| {
        Error::data(format!(
            "{name} has {size_bytes} bytes, fewer than the offset of {} at which its elements should begin",
            layout.offset_bytes
        ))
    })?;
    let shape = resolve(name, layout, there_bytes)?;
    let data_bytes = data_bytes(layout.dtype, &shape).map_err(|error| error.context(name))? as u64;
    if there_bytes < data_bytes {
        return Err(Error::data(format!(
            "{name} is too short: {} of {} takes {data_bytes} bytes, the file has {there_bytes} from byte {}",
            show(&shape),
            layout.dtype,
            layout.offset_bytes
        ))
        .hint("`shape=-1,…` takes as many rows as there are"));
    }
    let dims = dims_of(name, layout.dims.as_ref(), &shape)?;
    let strides = layout.order.strides(&shape);
    let swapped = layout.swapped && layout.dtype.size() > 1;
    let facts = SourceFacts { swapped, ..SourceFacts::of_file(name, layout.dtype, shape, strides, dims) };
    Ok(DenseFile::new(file, layout.offset_bytes, facts))
}

/// The shape, with the length that was -1 worked out from the bytes there are.
fn resolve(name: &str, layout: &RawLayout, there_bytes: u64) -> Result<Vec<usize>> {
    let asked = &layout.shape;
    let free = asked.iter().filter(|&&length| length == -1).count();
    if free > 1 || asked.iter().any(|&length| length < -1) {
        return Err(Error::usage(format!("shape {} of {name}: lengths are 0 or more, and one at most can be -1", show(asked))));
    }
    let fixed: Vec<usize> = asked.iter().filter_map(|&length| usize::try_from(length).ok()).collect();
    if free == 0 {
        return Ok(fixed);
    }
    if fixed.contains(&0) {
        return Err(Error::usage(format!("shape {} of {name}: -1 cannot be worked out beside a length of 0", show(asked))));
    }
    let row_bytes = data_bytes(layout.dtype, &fixed).map_err(|error| error.context(name))? as u64;
    if !there_bytes.is_multiple_of(row_bytes) {
        return Err(Error::data(format!(
            "{name} has {there_bytes} bytes from byte {}, which is not a multiple of the {row_bytes} that shape {} of {} takes for each step of its -1: {} are left over",
            layout.offset_bytes,
            show(asked),
            layout.dtype,
            there_bytes % row_bytes
        ))
        .hint("check dtype, shape and offset, or give all lengths to ignore what follows"));
    }
    let length = usize::try_from(there_bytes / row_bytes).unwrap_or(usize::MAX);
    Ok(asked.iter().map(|&asked| usize::try_from(asked).unwrap_or(length)).collect())
}

/// Starts a raw file: C order, this machine's byte order, no header.
pub fn create(path: &Path, dtype: DType, shape: &[usize], mode: OutputMode) -> Result<FileTarget> {
    FileTarget::create(path, &[], dtype, shape, mode)
}

/// Goes on with a file that [`create`] started and a job left unfinished, or is writing. `None` if there is none like that.
pub fn reopen(path: &Path, dtype: DType, shape: &[usize], mode: OutputMode, hold: Hold) -> Result<Option<FileTarget>> {
    FileTarget::reopen(path, &[], dtype, shape, mode, hold)
}
