//! Orthogonal rows.

use ndarray::{Array2, ArrayView2, ArrayViewMut1, Axis};

/// What rows before it leave of a row, over the row, below which it is explained by them.
const EXPLAINED: f64 = 1e-10;

/// Orthogonal rows of length one that span what `rows` do, of which there are no more than elements in each: Gram and Schmidt's method,
/// with every row done twice. A row that those before it explain is replaced by a direction that they do not have.
#[must_use]
pub fn orthonormal(mut rows: Array2<f64>) -> Array2<f64> {
    let (count, length) = rows.dim();
    let mut direction = 0;
    for place in 0..count {
        let (before, mut rest) = rows.view_mut().split_at(Axis(0), place);
        let mut row = rest.row_mut(0);
        while !reduce(before.view(), row.view_mut()) && direction < length {
            row.fill(0.0);
            row[direction] = 1.0;
            direction += 1;
        }
    }
    rows
}

/// Leaves of a row what rows before it do not have, at length one; gives whether there is any.
fn reduce(before: ArrayView2<'_, f64>, mut row: ArrayViewMut1<'_, f64>) -> bool {
    let largest = row.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    if largest == 0.0 {
        return false;
    }
    // Squares of scaled elements do not overflow.
    row.mapv_inplace(|value| value / largest);
    let norm = |row: &ArrayViewMut1<'_, f64>| row.iter().map(|value| value * value).sum::<f64>().sqrt();
    let whole = norm(&row);
    for _ in 0..2 {
        for other in before.rows() {
            let along: f64 = row.iter().zip(other).map(|(one, other)| one * other).sum();
            row.zip_mut_with(&other, |one, other| *one -= along * other);
        }
    }
    let left = norm(&row);
    row.mapv_inplace(|value| value / left);
    left > EXPLAINED * whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn rows_become_orthogonal_and_explained_ones_are_replaced() {
        let cases = [
            array![[3.0, 4.0, 0.0], [1.0, 0.0, 1.0]],
            array![[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 0.0, 0.0]],
            array![[1e300, 1e300], [1e300, 0.9e300]],
            array![[1.0, 1.0 + 1e-6, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0 + 1e-7]],
        ];
        for rows in cases {
            let found = orthonormal(rows.clone());
            let unit = found.dot(&found.t()) - Array2::<f64>::eye(rows.nrows());
            assert!(unit.iter().all(|value| value.abs() < 1e-14), "{rows}\n{found}");
            let along = found[(0, 0)] / found[(0, 1)] - rows[(0, 0)] / rows[(0, 1)];
            assert!(along.abs() < 1e-14);
        }
    }
}
