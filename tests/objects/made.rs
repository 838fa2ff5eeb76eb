//! What the tests of Zarr stores and of outputs compute with.

use ndarray::{ArrayD, IxDyn};
use outcore::{Array, Session};

/// A session of two threads within `memory`.
pub fn session(memory: &str) -> Session {
    Session::builder().memory(memory).threads(2).build().unwrap()
}

/// The elements of `array`.
pub fn values(array: &Array) -> ArrayD<f32> {
    array.eval::<f32, IxDyn>().unwrap()
}

/// An array that compresses badly, and differs everywhere.
pub fn made(session: &Session, rows: usize, columns: usize) -> Array {
    session.arange(0, (rows * columns) as i64, 1).cast::<f32>().sin().reshape([rows as i64, columns as i64])
}
