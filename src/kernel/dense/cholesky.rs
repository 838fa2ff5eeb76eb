//! Triangular factors of positive definite matrices.

use ndarray::{Array2, ArrayView2};

/// A column that others explain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deficient {
    /// Which column.
    pub column: usize,
    /// The part of its norm that the columns before it leave, as far as `f64` can tell.
    pub left: f64,
    /// The part below which it cannot.
    pub least: f64,
}

/// The upper triangle `R` with `R.T @ R` equal to `gram`, a matrix of sums of products of columns.
///
/// Columns are scaled to length one first, so that their units do not matter.
///
/// # Errors
/// The first column that is zero, not finite, or a combination of those before it to within the rounding of the sums.
pub fn cholesky(gram: &Array2<f64>) -> Result<Array2<f64>, Deficient> {
    let order = gram.nrows();
    let least = 16.0 * f64::EPSILON * order as f64;
    let norms: Vec<f64> = (0..order).map(|column| gram[(column, column)].sqrt()).collect();
    let deficient = |column: usize, left: f64| Deficient { column, left, least: least.sqrt() };
    if let Some(column) = norms.iter().position(|norm| !norm.is_finite() || *norm <= 0.0) {
        return Err(deficient(column, 0.0));
    }
    let mut upper = Array2::<f64>::zeros((order, order));
    for row in 0..order {
        for column in row..order {
            let explained: f64 = (0..row).map(|above| upper[(above, row)] * upper[(above, column)]).sum();
            let rest = gram[(row, column)] / norms[row] / norms[column] - explained;
            if column == row {
                if rest.is_nan() || rest <= least {
                    return Err(deficient(row, rest.max(0.0).sqrt()));
                }
                upper[(row, row)] = rest.sqrt();
            } else {
                upper[(row, column)] = rest / upper[(row, row)];
            }
        }
    }
    for (column, norm) in norms.iter().enumerate() {
        upper.column_mut(column).mapv_inplace(|value| value * norm);
    }
    Ok(upper)
}

/// The inverse of an upper triangle without zeros on its diagonal.
#[must_use]
pub fn inverse_of_upper(upper: &Array2<f64>) -> Array2<f64> {
    let order = upper.nrows();
    let mut inverse = Array2::<f64>::zeros((order, order));
    for column in 0..order {
        for row in (0..=column).rev() {
            let unit = if row == column { 1.0 } else { 0.0 };
            let known: f64 = (row + 1..=column).map(|below| upper[(row, below)] * inverse[(below, column)]).sum();
            inverse[(row, column)] = (unit - known) / upper[(row, row)];
        }
    }
    inverse
}

/// The solution of `upper.T @ upper @ x = right`, column by column.
#[must_use]
pub fn solve(upper: &Array2<f64>, right: ArrayView2<'_, f64>) -> Array2<f64> {
    let order = upper.nrows();
    let mut solved = right.to_owned();
    for mut column in solved.columns_mut() {
        for row in 0..order {
            let known: f64 = (0..row).map(|above| upper[(above, row)] * column[above]).sum();
            column[row] = (column[row] - known) / upper[(row, row)];
        }
        for row in (0..order).rev() {
            let known: f64 = (row + 1..order).map(|below| upper[(row, below)] * column[below]).sum();
            column[row] = (column[row] - known) / upper[(row, row)];
        }
    }
    solved
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn factors_multiply_to_the_matrix_and_solve_it() {
        let gram = array![[4.0, 2.0, -2.0], [2.0, 10.0, 2.0], [-2.0, 2.0, 6.0]];
        let upper = cholesky(&gram).unwrap();
        let near = |one: &Array2<f64>, other: &Array2<f64>| (one - other).iter().all(|difference| difference.abs() < 1e-14);
        assert!(near(&upper.t().dot(&upper), &gram));
        assert!(near(&upper.dot(&inverse_of_upper(&upper)), &Array2::eye(3)));
        let right = array![[1.0, 0.0], [2.0, 5.0], [3.0, -1.0]];
        assert!(near(&gram.dot(&solve(&upper, right.view())), &right));
    }

    #[test]
    fn dependent_columns_are_named() {
        // The third column is the sum of the others.
        let columns = array![[1.0, 2.0, 3.0], [0.5, -1.0, -0.5], [1e3, 7.0, 1007.0], [0.0, 1.0, 1.0]];
        let found = cholesky(&columns.t().dot(&columns)).unwrap_err();
        assert_eq!(found.column, 2);
        assert!(found.left <= found.least && found.least < 1e-6, "{found:?}");
        assert_eq!(cholesky(&array![[0.0]]).unwrap_err().column, 0);
    }
}
