//! outcore
pub mod array;
pub mod error;
pub mod expr;
pub mod format;
pub mod kernel;
pub mod nd;
pub mod numeric;
pub mod plan;
pub mod report;
pub mod run;
pub mod store;
pub mod trace;
pub use array::{
    AnyArray, Array, Axes, AxisList, AxisRef, Block, Blocks, Bound, BoxError, Compiled, Destination, Endpoint, Isa, Job, JobResult,
    MapSpec, MemoryAmount, Operand, Progress, Rows, RunReport, RunStats, Save, ScalarSide, Session, SessionBuilder, Size, StageStats,
    Writer, axis, open, where_,
    words::{BinaryOp, CastMode, DType, Dims, Element, Extent, Finish, IoMode, Region, Scalar, SliceItem, SumMode, UnaryOp},
};
pub use error::{Error, ErrorKind, Result};
pub use half;
pub use ndarray;
