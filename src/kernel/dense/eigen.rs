//! Eigenvalues and eigenvectors of symmetric matrices.

use crate::error::{Error, Result};
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2};

/// Steps of the QR iteration per column after which it is given up; three are usual.
const STEPS_PER_COLUMN: usize = 64;

/// Eigenvalues in falling order, and their eigenvectors.
#[derive(Clone, Debug)]
pub struct Eigen {
    /// The eigenvalues.
    pub values: Array1<f64>,
    /// One row per eigenvalue, of length one. Of its elements the one farthest from zero (the first of several) is positive.
    pub vectors: Array2<f64>,
}

/// Bytes that [`symmetric_eigen`] holds at most: the matrix, a copy that is reduced, its vectors and the result.
#[must_use]
pub fn eigen_bytes(order: usize) -> u64 {
    (order as u64).saturating_mul(order as u64).saturating_mul(8 * 5)
}

/// Eigenvalues and eigenvectors of a symmetric matrix, of which the lower triangle is read.
///
/// # Errors
/// [`crate::ErrorKind::Data`] if an element is not finite, or the iteration does not end.
pub fn symmetric_eigen(matrix: &Array2<f64>) -> Result<Eigen> {
    let order = matrix.nrows();
    if let Some(((row, column), value)) = matrix.indexed_iter().find(|(_, value)| !value.is_finite()) {
        let text = format!("the sums of products of columns {row} and {column} are {value}");
        return Err(Error::data(text).hint("`outcore verify --finite` counts NaN and infinities; leave out their rows"));
    }
    let copied = DMatrix::from_fn(order, order, |row, column| matrix[(row.max(column), row.min(column))]);
    let found = SymmetricEigen::try_new(copied, f64::EPSILON, STEPS_PER_COLUMN * order.max(4));
    let found = found.ok_or_else(|| Error::data(format!("the eigenvalues of a matrix of order {order} do not converge")))?;
    let mut places: Vec<usize> = (0..order).collect();
    places.sort_by(|&one, &other| found.eigenvalues[other].total_cmp(&found.eigenvalues[one]));
    let values = places.iter().map(|&place| found.eigenvalues[place]).collect();
    let mut vectors = Array2::zeros((order, order));
    for (&place, mut row) in places.iter().zip(vectors.rows_mut()) {
        row.iter_mut().zip(found.eigenvectors.column(place).iter()).for_each(|(to, from)| *to = *from);
        let farthest = row.iter().fold(0.0f64, |farthest, &value| if value.abs() > farthest.abs() { value } else { farthest });
        if farthest < 0.0 {
            row.mapv_inplace(|value| -value);
        }
    }
    Ok(Eigen { values, vectors })
}
