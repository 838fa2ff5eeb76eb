//! What is made of sums of products of columns: covariances, principal components, triangular factors, least squares.
//!
//! Data is read for the sums alone, in passes of ordinary jobs. What comes out is a matrix of columns by columns in `f64`, which
//! `kernel::dense` decomposes; what has as many rows as the data is a lazy array again.

mod factors;
mod pca;
mod sketch;
#[cfg(test)]
mod tests;

pub use factors::{LeastSquares, Qr, Svd};
pub use pca::{Pca, PcaMethod, PcaOptions};

use super::{
    any::AnyArray,
    axes::axis,
    below::eigen_bytes,
    elementwise::{convert, promoted, where_},
    matrix::matrix,
    node::Array,
    session::Session,
    size::show_memory,
    words::{CastMode, DType},
};
use crate::error::{Error, Result};
use ndarray::{Array2, Ix2};

impl Array {
    /// The covariances of all pairs of columns of a matrix whose rows are samples, as NumPy's `cov(x, rowvar=False)`: the products of
    /// what columns are away from their means, added up and divided by `n - ddof`. In `f64`; two passes over the data.
    ///
    /// ```
    /// let session = outcore::Session::default_session();
    /// let x = session.from_ndarray(ndarray::array![[1f32, 2.0], [3.0, 4.0], [5.0, 9.0]]);
    /// assert_eq!(x.cov_matrix(1).eval::<f64, _>()?, ndarray::array![[4.0, 7.0], [7.0, 13.0]]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn cov_matrix(&self, ddof: u64) -> Array {
        self.then(covariances(self, "cov_matrix", ddof))
    }

    /// Pearson's correlations of all pairs of columns of a matrix whose rows are samples, as NumPy's `corrcoef(x, rowvar=False)`: from
    /// -1 to 1, with 1 on the diagonal; NaN for columns that are constant. In `f64`; two passes over the data.
    ///
    /// ```
    /// let session = outcore::Session::default_session();
    /// let x = session.from_ndarray(ndarray::array![[1f32, -2.0], [3.0, -6.0]]);
    /// let found = x.corr_matrix().eval::<f64, ndarray::Ix2>()?;
    /// assert!(found[(0, 0)] == 1.0 && (found[(0, 1)] + 1.0).abs() < 1e-15);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn corr_matrix(&self) -> Array {
        self.then(correlations(self))
    }
}

fn covariances(value: &Array, name: &str, ddof: u64) -> Result<Array> {
    let [rows, _] = matrix(value, name)?;
    // Where nothing is left to divide by, the covariance is NaN or infinite, as NumPy's.
    let divisor = rows.saturating_sub(usize::try_from(ddof).unwrap_or(usize::MAX)) as f64;
    (centred(value)?.gram() / divisor).checked()
}

fn correlations(value: &Array) -> Result<Array> {
    let [_, columns] = matrix(value, "corr_matrix")?;
    let products = centred(value)?.gram();
    let diagonal = Array::eye(columns, columns, DType::Bool);
    let deviations = where_(&diagonal, &products, 0.0).sum(0).sqrt();
    let between = &products / deviations.insert_axis(1) / deviations.insert_axis(0);
    // One, and NaN of columns that are constant.
    where_(&diagonal, between.sign(), between.maximum(-1.0).minimum(1.0)).checked()
}

/// What the rows of a matrix are away from their mean, in `f64`.
fn centred(value: &Array) -> Result<Array> {
    (promoted(value, DType::F64)? - mean_of(value)).checked()
}

fn mean_of(value: &Array) -> Array {
    value.mean(axis(0).dtype(DType::F64))
}

/// `array` in a float dtype, from `f64`.
fn narrowed(array: &Array, dtype: DType) -> Result<Array> {
    convert(array, dtype, CastMode::Checked)
}

/// The only array of a list of one, as a matrix.
fn small(array: Option<AnyArray>) -> Result<Array2<f64>> {
    array.ok_or_else(|| Error::internal("a job lost its result"))?.into_ndarray::<f64, Ix2>()
}

/// An error if a matrix of that order cannot be decomposed within the budget.
fn check_room(session: &Session, name: &str, order: usize) -> Result<()> {
    let (needed, budget) = (eigen_bytes(order), session.limits().memory_bytes);
    if needed <= budget {
        return Ok(());
    }
    let text = format!(
        "{name} of {order} columns decomposes a matrix of that order, which takes {}; the memory budget is {}",
        show_memory(needed),
        show_memory(budget)
    );
    Err(Error::refused(text).hint("give it fewer columns, or more memory").with_needed_bytes(needed))
}
