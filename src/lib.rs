//! An out-of-core array engine: NumPy-like expressions over arrays larger than memory, inside a memory budget that is proved before
//! anything is read.
//!
//! An [`Array`] is lazy: operators and methods build an expression, with NumPy 2's dtypes and shapes. Asking for numbers ([`Array::eval`],
//! [`Array::save`], [`Session::save_all`], [`Array::blocks`]) makes a plan of as few passes over the files as possible, in pieces
//! that fit the [`Session`]'s budget, and runs it on all cores. Results do not depend on the budget, the block size or the number of threads.
//!
//! ```
//! use outcore::{Save, Session, axis};
//!
//! let session = Session::builder().memory("256MiB").build()?;
//! # let folder = tempfile::tempdir().unwrap();
//! # let [x_path, z_path, mean_path] = ["x.npy", "z.npy", "mean.npy"].map(|name| folder.path().join(name));
//! # session.from_ndarray(outcore::ndarray::array![[1f32, 2.0], [3.0, 6.0], [5.0, 4.0]]).save(&x_path)?;
//! let x = session.open(&x_path);
//! let (mean, deviation) = (x.mean(0), x.std(axis(0).ddof(1)));
//! let z = (&x - &mean) / deviation.maximum(1e-12);
//!
//! println!("{}", session.explain([&z, &mean])?);
//! let report = session.save_all([(&z, &z_path), (&mean, &mean_path)], Save::new())?;
//! assert!(report.stats.bytes_peak_held <= 256 << 20);
//!
//! let largest: f32 = session.open(&z_path).max(..).item()?;
//! assert_eq!(largest, 1.0);
//! # Ok::<(), outcore::Error>(())
//! ```
//!
//! Nothing panics on what a user gives: an operation that makes no sense gives an array that carries the error, with the place in the
//! program, and whatever computes it returns that error.
//!
//! The modules are the floors of the house, from the door down to the ground; most programs need only what is re-exported here.
#![warn(clippy::print_stdout, clippy::print_stderr)]

// The door: what a user holds, and plans and runs in words.
pub mod array;
pub mod report;
// Beside the door: the same work with other settings.
pub mod tune;
// What: meaning only.
pub mod expr;
// How: decisions only.
pub mod plan;
// When: moments only.
pub mod run;
// Machines: work only.
pub mod format;
pub mod kernel;
pub mod numeric;
pub mod store;
// Ground.
pub mod error;
pub mod nd;
pub mod trace;

pub use array::{
    AnyArray, Array, Audit, AuditSpec, Axes, AxisList, AxisRef, Bias, Bins, Block, Blocks, Bound, BoxError, ColumnStatistics, Compiled,
    Destination, Digest, DistanceSummary, Duplicates, Edges, Endpoint, GroupBy, Histogram, InputUpdate, Int8, Isa, Job, JobResult, KMeans,
    KMeansEnd, KMeansOptions, Kept, Kurtosis, LeastSquares, MapSpec, MemoryAmount, Named, Near, Neighbours, Norm, Norms, OnInvalid,
    Operand, OverlapSpec, Pad, Pairs, Pca, PcaMethod, PcaOptions, Progress, Promote, Qr, Quantiles, Quantised, Random, Record, RowOrder,
    Rows, RunReport, RunStats, Running, Save, ScalarSide, ScaleOf, Search, Session, SessionBuilder, Side, Size, StageStats, StageTasks,
    StateSpec, Statistics, StatisticsValues, Step, Svd, TaskDone, TaskSize, Tasks, Update, Writer, axis, open, where_,
    words::{
        BinaryOp, CastMode, DType, Dims, Element, Extent, Finish, IoMode, QuantileMethod, Region, Scalar, ScanKind, SliceItem, SumMode,
        UnaryOp,
    },
};
pub use error::{Error, ErrorKind, Result};
pub use half;
pub use kernel::nearest::Metric;
pub use ndarray;
pub use store::{install_sigbus_guard, zarr::ZarrOptions};

/// The snippets of the README and of the guide, run as tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/from-dask.md")]
    struct FromDask;
    #[doc = include_str!("../docs/larger-than-memory.md")]
    struct LargerThanMemory;
    #[doc = include_str!("../docs/errors.md")]
    struct Errors;
    #[doc = include_str!("../docs/reports.md")]
    struct Reports;
    #[doc = include_str!("../docs/tuning.md")]
    struct Tuning;
}
