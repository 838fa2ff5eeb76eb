//! What searches, clusters and decompositions ask of a matrix of rows before they read it, and folds over its rows.

use super::{
    any::AnyArray,
    below::BlockFunction,
    elementwise::promoted,
    function::BlockCode,
    job::{Destination, Job, RunReport},
    node::Array,
    session::Session,
    words::DType,
};
use crate::{
    error::{Error, Result},
    expr::{FunctionFacts, FunctionRole},
    nd::shape::show,
};
use std::sync::Arc;

/// Rows and columns of what `name` takes.
pub(super) fn matrix(value: &Array, name: &str) -> Result<[usize; 2]> {
    let shape = value.shape()?;
    match shape[..] {
        [rows, columns] => Ok([rows, columns]),
        _ => Err(Error::mismatch(format!("{name} takes a matrix with a row per sample, the array has shape {}", show(&shape)))
            .hint("reshape it to two axes")),
    }
}

/// Rows and columns of what `name` takes, whose rows have elements.
pub(super) fn matrix_of_elements(value: &Array, name: &str) -> Result<[usize; 2]> {
    match matrix(value, name)? {
        [rows, 0] => Err(Error::mismatch(format!("{name} takes rows with elements, the array has shape {}", show(&[rows, 0])))),
        shape => Ok(shape),
    }
}

/// The dtype that rows are computed in: `f32` for `f32` and what it holds exactly, else `f64`.
pub(super) fn float_of(dtype: DType) -> DType {
    if dtype.promote(DType::F32) == DType::F32 { DType::F32 } else { DType::F64 }
}

/// Computes small arrays together.
pub(super) fn compute(session: &Session, arrays: &[(&str, &Array)]) -> Result<Vec<AnyArray>> {
    Ok(computed(session, arrays)?.0)
}

/// The native elements of a small matrix in `f32` or `f64`.
pub(super) fn elements(array: &Array, dtype: DType) -> Result<Vec<u8>> {
    Ok(promoted(array, dtype)?.eval_any()?.bytes().to_vec())
}

fn computed(session: &Session, arrays: &[(&str, &Array)]) -> Result<(Vec<AnyArray>, RunReport)> {
    let job = arrays.iter().fold(Job::new(session), |job, (name, array)| job.output(*name, array, Destination::Memory));
    let done = job.run()?;
    let arrays = done.arrays.into_iter().map(|array| array.ok_or_else(|| Error::internal("a job lost its result")));
    Ok((arrays.collect::<Result<_>>()?, done.report))
}

/// A function that folds blocks of whole rows into a list of numbers.
pub(super) struct RowFold {
    /// Another function has another name.
    pub name: String,
    pub code: Arc<dyn BlockFunction>,
    pub state_bytes: u64,
    /// Bytes that all states share.
    pub held_bytes: u64,
    /// How many numbers.
    pub length: usize,
}

impl RowFold {
    /// One walk over the rows of a matrix in `f32` or `f64`.
    pub fn run(self, session: &Session, rows: &Array) -> Result<(Vec<f64>, RunReport)> {
        let facts = FunctionFacts {
            name: self.name,
            input: rows.dtype()?,
            output: DType::F64,
            whole: vec![1],
            scratch_bytes: self.held_bytes,
            role: FunctionRole::Fold { state_bytes: self.state_bytes, shape: vec![self.length] },
        };
        let folded = rows.make_mapped(Arc::new(BlockCode { facts, code: self.code }))?;
        let (mut arrays, report) = computed(session, &[("rows", &folded)])?;
        let result = arrays.pop().ok_or_else(|| Error::internal("a fold lost its result"))?;
        Ok((result.as_slice::<f64>()?.to_vec(), report))
    }
}
