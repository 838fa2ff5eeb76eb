//! Columns of tables as arrays: `x.arrow#column` and `x.parquet#column`. Built with the feature `arrow` only.

use crate::{
    error::{Error, Result},
    nd::{DType, Dims},
    store::{OutputMode, Source, Target},
};
use std::{path::Path, sync::Arc};

#[cfg(feature = "arrow")]
mod decode;
#[cfg(feature = "arrow")]
mod ipc;
#[cfg(feature = "arrow")]
mod pages;
#[cfg(feature = "arrow")]
mod parquet;

/// A format of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Arrow IPC: batches of columns as they are in memory.
    Arrow,
    /// Parquet: columns in encoded pages.
    Parquet,
}

impl TableFormat {
    /// The format that the extension of a file names.
    #[must_use]
    pub fn of_extension(end: &str) -> Option<TableFormat> {
        match end {
            "arrow" | "feather" | "ipc" => Some(TableFormat::Arrow),
            "parquet" | "pq" => Some(TableFormat::Parquet),
            _ => None,
        }
    }
}

/// Opens a column of a table; a table with one needs no name.
#[cfg(feature = "arrow")]
pub fn open(path: &Path, format: TableFormat, asked: Option<&str>, dims: Option<&Dims>) -> Result<Arc<dyn Source>> {
    match format {
        TableFormat::Arrow => ipc::open(path, asked, dims),
        TableFormat::Parquet => parquet::open(path, asked, dims),
    }
}

/// Starts a table of one column.
#[cfg(feature = "arrow")]
pub fn create(path: &Path, format: TableFormat, column: &str, dtype: DType, shape: &[usize], mode: OutputMode) -> Result<Arc<dyn Target>> {
    match format {
        TableFormat::Arrow => ipc::create(path, column, dtype, shape, mode),
        TableFormat::Parquet => Err(Error::usage(format!("cannot write {}: Parquet is read and not written", path.display()))
            .hint("write `.arrow`, which `pyarrow` and others read and convert")),
    }
}

/// Says how tables can be read.
#[cfg(not(feature = "arrow"))]
pub fn open(path: &Path, format: TableFormat, _asked: Option<&str>, _dims: Option<&Dims>) -> Result<Arc<dyn Source>> {
    // A missing file is the nearer trouble.
    std::fs::metadata(path).map_err(|error| Error::io("open", path.display(), error))?;
    Err(not_built("read", path, format))
}

/// Says how tables can be written.
#[cfg(not(feature = "arrow"))]
pub fn create(path: &Path, format: TableFormat, _: &str, _: DType, _: &[usize], _: OutputMode) -> Result<Arc<dyn Target>> {
    Err(not_built("write", path, format))
}

#[cfg(not(feature = "arrow"))]
fn not_built(what: &str, path: &Path, format: TableFormat) -> Error {
    let text = format!("cannot {what} {}: {format:?} files need the feature `arrow`, without which this outcore was built", path.display());
    Error::usage(text).hint("`cargo install outcore --features arrow` (or `cargo build --release --features arrow`) builds it with them")
}
