//! Byte layouts without I/O: bytes in, structs out, and back.
//!
//! Nothing here opens a file, and nothing here panics, whatever the bytes are: callers read a prefix, hand it
//! over and add the file's name to the error. Entry points: [`npy::header_bytes`], [`npy::parse`], [`npy::encode`], [`state::StateFile`].

use crate::{
    error::Result,
    nd::{DType, shape::element_count_strict},
};

#[cfg(feature = "arrow")]
pub mod arrow;
pub mod journal;
pub mod npy;
mod python_literal;
mod reader;
pub mod safetensors;
pub mod state;
pub mod task;
pub mod vectors;
pub mod zip;

/// Bytes of an array, or an error if strides or sizes of it would leave what this machine can address.
///
/// Lengths of 0 do not excuse the others: as in NumPy, `(2**62, 8, 0)` is refused, since its strides cannot be told.
pub fn data_bytes(dtype: DType, shape: &[usize]) -> Result<usize> {
    Ok(element_count_strict(shape, dtype.size())? * dtype.size())
}

/// The order in which a dense file stores the elements of an array.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The last axis varies fastest.
    #[default]
    C,
    /// The first axis varies fastest.
    Fortran,
}

impl Order {
    /// Strides of an array of `shape` that is stored in this order, in elements.
    #[must_use]
    pub fn strides(self, shape: &[usize]) -> Vec<i64> {
        match self {
            Order::C => crate::nd::shape::c_strides(shape),
            Order::Fortran => crate::nd::shape::f_strides(shape),
        }
    }
}
