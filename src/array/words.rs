//! The vocabulary of the floors below that stands in the door's signatures, named in one place.

pub use crate::{
    kernel::program::{BinaryOp, CastMode, Domain, QuantileMethod, UnaryOp},
    nd::{DType, Dims, Element, Extent, Region, Scalar, SliceItem},
    numeric::{Finish, Outside, ScanKind, SumMode},
    plan::IoMode,
};
