//! Triangular factors, singular values and least squares of tall matrices.

use super::{check_room, narrowed, small};
use crate::{
    array::{
        below::{Deficient, cholesky, inverse_of_upper, solve, symmetric_eigen},
        elementwise::promoted,
        matrix::{compute, float_of, matrix},
        node::Array,
        words::DType,
    },
    error::{Error, Result},
    nd::shape::show,
};
use ndarray::{Array1, Array2, Axis, s};

/// Singular values below this part of the largest are rounding: they are roots of sums of squares.
const TRUSTED: f64 = 1e-8;

/// A tall matrix as orthogonal columns and a triangle: [`Array::qr`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Qr {
    /// As many rows and columns as the matrix; its columns are orthogonal and of length one. Lazy: `x @ inv(R)`.
    pub q: Array,
    /// The upper triangle, with a positive diagonal.
    pub r: Array2<f64>,
}

/// A matrix as directions and their lengths: [`Array::svd`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Svd {
    /// Left singular vectors, one a column. Lazy: `x @ V / s`; an error to compute if a singular value is too small to divide by.
    pub left: Array,
    /// Singular values, the largest first.
    pub singular_values: Array1<f64>,
    /// Right singular vectors, one a row. Of the elements of each the one farthest from zero is positive.
    pub right: Array2<f64>,
}

/// Coefficients of least squares: [`Array::lstsq`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LeastSquares {
    /// One row per column of the matrix, one column per column of the right side (one, if that is a vector).
    pub coefficients: Array2<f64>,
    /// Per column of the right side the sum of the squares of what is not explained.
    pub residual_squares: Array1<f64>,
}

impl Array {
    /// The matrix as `q @ r`, where `q` has orthogonal columns and `r` is an upper triangle, by Cholesky's method done twice: `q` is
    /// orthogonal to rounding if the condition number is below about 1e7. Two passes and scratch of the size of the matrix.
    ///
    /// # Errors
    /// If there are fewer rows than columns, or a column is a combination of those before it to within about 1e-7 of its length.
    pub fn qr(&self) -> Result<Qr> {
        let session = self.session();
        let columns = tall(self, "qr")?;
        check_room(&session, "qr", columns)?;
        let wide = promoted(self, DType::F64)?;
        let upper = |array: &Array| -> Result<Array2<f64>> {
            let gram = small(compute(&session, &[("products of columns", &array.gram())])?.pop())?;
            cholesky(&gram).map_err(|found| deficient("qr", found))
        };
        let first = upper(&wide)?;
        let nearly = wide.matmul(&session.from_ndarray(inverse_of_upper(&first))).checked()?;
        let second = upper(&nearly)?;
        let q = nearly.matmul(&session.from_ndarray(inverse_of_upper(&second)));
        let q = narrowed(&q.checked()?, float_of(self.dtype()?))?;
        Ok(Qr { q, r: second.dot(&first) })
    }

    /// The first `count` singular values and vectors of the matrix, from its products of columns: one pass. Singular values are roots
    /// of eigenvalues: those below about 1e-8 of the largest are rounding.
    ///
    /// # Errors
    /// If there are fewer rows or columns than `count`, or NaN or infinities among the elements.
    pub fn svd(&self, count: usize) -> Result<Svd> {
        let session = self.session();
        let [rows, columns] = matrix(self, "svd")?;
        if count == 0 || count > rows.min(columns) {
            let shape = show(&[rows, columns]);
            return Err(Error::usage(format!("{count} singular values of {shape}: there are 1 to {}", rows.min(columns))));
        }
        check_room(&session, "svd", columns)?;
        let wide = promoted(self, DType::F64)?;
        let gram = small(compute(&session, &[("products of columns", &wide.gram())])?.pop())?;
        let eigen = symmetric_eigen(&gram).map_err(|error| error.context("svd"))?;
        let singular_values = eigen.values.slice(s![..count]).mapv(|value| value.max(0.0).sqrt());
        let right = eigen.vectors.slice(s![..count, ..]).to_owned();
        let left = self.then(left_vectors(self, &wide, &singular_values, &right));
        Ok(Svd { left, singular_values, right })
    }

    /// The coefficients that explain `right` (a vector, or one target a column) by the columns of the matrix with the least sum of
    /// squares: normal equations in `f64`, and one step of refinement with the true residuals. Two passes over the data.
    ///
    /// ```
    /// let session = outcore::Session::default_session();
    /// let x = session.from_ndarray(ndarray::array![[1f64, 0.0], [1.0, 1.0], [1.0, 2.0]]);
    /// let y = session.from_ndarray(ndarray::array![1f64, 3.0, 5.0]);
    /// let found = x.lstsq(&y)?;
    /// assert!((found.coefficients[(1, 0)] - 2.0).abs() < 1e-12 && found.residual_squares[0] < 1e-12);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there are fewer rows than columns, if the sides have different numbers of rows, or if a column is a combination of those
    /// before it to within about 1e-7 of its length.
    pub fn lstsq(&self, right: &Array) -> Result<LeastSquares> {
        let session = self.session();
        let columns = tall(self, "lstsq")?;
        let (rows, target) = (self.shape()?[0], right.shape()?);
        if target.is_empty() || target.len() > 2 || target[0] != rows {
            let text = format!("lstsq of {} and {}: the sides have one row per sample", show(&[rows, columns]), show(&target));
            return Err(Error::mismatch(text));
        }
        check_room(&session, "lstsq", columns)?;
        let wide = promoted(self, DType::F64)?;
        let targets = promoted(&if target.len() == 1 { right.insert_axis(1) } else { right.clone() }, DType::F64)?;
        let (gram, products) = (wide.gram(), wide.t().matmul(&targets));
        let mut found = compute(&session, &[("products of columns", &gram), ("products with targets", &products)])?;
        let products = small(found.pop())?;
        let gram = small(found.pop())?;
        let upper = cholesky(&gram).map_err(|found| deficient("lstsq", found))?;
        let first = solve(&upper, products.view());
        let rest = (&targets - wide.matmul(&session.from_ndarray(first.clone()))).checked()?;
        let squares = (&rest * &rest).sum(0).insert_axis(0);
        let products = wide.t().matmul(&rest);
        let mut found = compute(&session, &[("products with residuals", &products), ("squares of residuals", &squares)])?;
        let squares = small(found.pop())?;
        let products = small(found.pop())?;
        let step = solve(&upper, products.view());
        // The step takes its own explained squares off those of the residuals.
        let explained = (&step * &products).sum_axis(Axis(0));
        let residual_squares = (squares.row(0).to_owned() - explained).mapv(|sum| sum.max(0.0));
        Ok(LeastSquares { coefficients: first + step, residual_squares })
    }
}

/// Columns of a matrix that has no more of them than rows.
fn tall(value: &Array, name: &str) -> Result<usize> {
    match matrix(value, name)? {
        [_, 0] => Err(Error::mismatch(format!("{name} of a matrix without columns"))),
        [rows, columns] if rows < columns => {
            Err(Error::mismatch(format!("{name} takes at least as many rows as columns, the array has shape {}", show(&[rows, columns]))))
        }
        [_, columns] => Ok(columns),
    }
}

fn left_vectors(value: &Array, wide: &Array, singular_values: &Array1<f64>, right: &Array2<f64>) -> Result<Array> {
    let largest = singular_values[0];
    if let Some(place) = singular_values.iter().position(|&value| value.is_nan() || value <= largest * TRUSTED) {
        let text = format!(
            "left singular vector {place} would be divided by {:e}, which is rounding beside the largest singular value {largest:e}",
            singular_values[place]
        );
        return Err(Error::data(text).hint(format!("ask for {place} singular values")));
    }
    let scaled = (right / &singular_values.view().insert_axis(Axis(1))).reversed_axes();
    let scaled = value.session().from_ndarray(scaled.as_standard_layout().into_owned());
    narrowed(&wide.matmul(&scaled).checked()?, float_of(value.dtype()?))
}

fn deficient(name: &str, found: Deficient) -> Error {
    let Deficient { column, left, least } = found;
    let text = format!(
        "{name}: column {column} is a combination of those before it: {left:.1e} of its length is left, what can be told is {least:.1e}"
    );
    Error::data(text).hint("leave the column out, or take `svd` or `pca`, which say how many directions there are")
}
