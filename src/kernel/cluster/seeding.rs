//! Centroids to begin with: k-means++ (Arthur and Vassilvitskii, 2007).

use ndarray::{ArrayView1, ArrayView2};

/// Places of rows to begin with: each is drawn with a probability that grows as the square of its distance from those before it.
/// `draws` are one number in `[0, 1)` for each. Where all rows that are left lie on some of those before, the first that was not taken.
#[must_use]
pub fn plus_plus(rows: ArrayView2<'_, f64>, draws: &[f64]) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::with_capacity(draws.len());
    let mut squares = vec![f64::INFINITY; rows.nrows()];
    for draw in draws.iter().take(rows.nrows()) {
        let place = match chosen.last() {
            None => ((draw * rows.nrows() as f64) as usize).min(rows.nrows() - 1),
            Some(&last) => {
                let center = rows.row(last);
                for (square, row) in squares.iter_mut().zip(rows.rows()) {
                    *square = square.min(distance(row, center));
                }
                drawn(&squares, *draw).or_else(|| (0..rows.nrows()).find(|place| !chosen.contains(place))).unwrap_or(last)
            }
        };
        chosen.push(place);
    }
    chosen
}

/// The place whose part of the sum of all squares `draw` falls into.
fn drawn(squares: &[f64], draw: f64) -> Option<usize> {
    let wanted = draw * squares.iter().sum::<f64>();
    let mut sum = 0.0;
    let found = squares.iter().position(|square| {
        sum += square;
        *square > 0.0 && sum > wanted
    });
    // Sums round: what falls behind the last one is the last one.
    found.or_else(|| squares.iter().rposition(|square| *square > 0.0))
}

fn distance(one: ArrayView1<'_, f64>, other: ArrayView1<'_, f64>) -> f64 {
    let mut sums = [0.0; 8];
    match (one.as_slice(), other.as_slice()) {
        (Some(one), Some(other)) => {
            for (one, other) in one.chunks(8).zip(other.chunks(8)) {
                for (sum, (one, other)) in sums.iter_mut().zip(one.iter().zip(other)) {
                    *sum += (one - other) * (one - other);
                }
            }
        }
        _ => sums[0] = one.iter().zip(other).map(|(one, other)| (one - other) * (one - other)).sum(),
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn far_rows_are_drawn_and_equal_ones_last() {
        let rows = array![[0.0], [0.0], [10.0], [10.5]];
        assert_eq!(plus_plus(rows.view(), &[0.0, 0.4, 0.9]), [0, 2, 3]);
        let same = array![[1.0], [1.0], [1.0]];
        assert_eq!(plus_plus(same.view(), &[0.5, 0.1, 0.9]), [1, 0, 2]);
        assert_eq!(plus_plus(same.view(), &[0.5; 5]).len(), 3);
    }
}
