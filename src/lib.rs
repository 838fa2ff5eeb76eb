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
    Array, Axes, AxisList, AxisRef, BoxError, Endpoint, MapSpec, MemoryAmount, Operand, ScalarSide, Session, SessionBuilder, Size, axis,
    open, where_,
    words::{BinaryOp, CastMode, DType, Dims, Element, Extent, Finish, IoMode, Region, Scalar, SliceItem, SumMode, UnaryOp},
};
pub use error::{Error, ErrorKind, Result};
pub use half;
pub use ndarray;
