//! Scores with a bound on their error, compiled for every instruction set.

use super::{Metric, Queries};
use crate::{
    kernel::product::{Factor, SEGMENT},
    nd::DType,
    numeric::Piece,
};

/// Squares of the norms of rows, and norms; those of rows that have no score are NaN.
#[derive(Default)]
pub(super) struct Norms {
    pub squares: Vec<f64>,
    pub norms: Vec<f64>,
}

/// Computes [`Norms`].
pub(super) struct Squares<'a> {
    pub norms: &'a mut Norms,
    pub rows: &'a [u8],
    pub width: usize,
    pub dtype: DType,
    pub metric: Metric,
}

impl Piece for Squares<'_> {
    #[inline(always)]
    fn go(self) {
        let Squares { norms, rows, width, dtype, metric } = self;
        norms.squares.clear();
        match dtype {
            DType::F32 => norms.squares.extend(rows.chunks_exact(4 * width).map(square::<f32>)),
            _ => norms.squares.extend(rows.chunks_exact(8 * width).map(square::<f64>)),
        }
        let scored = |square: f64| square.is_finite() && (square > 0.0 || metric != Metric::Cosine);
        norms.squares.iter_mut().filter(|square| !scored(**square)).for_each(|square| *square = f64::NAN);
        norms.norms.clear();
        norms.norms.extend(norms.squares.iter().map(|square| square.sqrt()));
    }
}

#[inline(always)]
fn square<T: Factor>(row: &[u8]) -> f64 {
    const LANES: usize = 32;
    let wide = |element: &[u8]| bytemuck::pod_read_unaligned::<T>(element).wide();
    let mut sums = [0.0; LANES];
    let mut blocks = row.chunks_exact(LANES * size_of::<T>());
    for block in &mut blocks {
        for (sum, element) in sums.iter_mut().zip(block.chunks_exact(size_of::<T>())) {
            let element = wide(element);
            *sum = element.mul_add(element, *sum);
        }
    }
    for element in blocks.remainder().chunks_exact(size_of::<T>()) {
        let element = wide(element);
        sums[0] += element * element;
    }
    sums.iter().sum()
}

/// How far a sum of products may be from the exact one, over the product of the norms, and besides.
///
/// A chain of `n` multiply-adds is off by `n u / (1 - n u)` of the sum of the magnitudes at most (Higham, "Accuracy and Stability of
/// Numerical Algorithms", 3.1), which the product of the norms bounds; what underflows is off by half of the least number.
pub(super) fn error_of_sums(dtype: DType, width: usize) -> [f64; 2] {
    let chain = width.min(SEGMENT) as f64 + 4.0;
    let chains = (width / SEGMENT) as f64 + 4.0;
    let [unit, least] = match dtype {
        DType::F32 => [f64::from(f32::EPSILON) / 2.0, f64::from(f32::from_bits(1))],
        _ => [f64::EPSILON / 2.0, f64::from_bits(1)],
    };
    [1.001 * (chain * unit + chains * f64::EPSILON), least * (width as f64 + 1.0)]
}

/// A row can reach a score only where its sum of products is at least `constant + by_norm * norm + by_square * norm^2`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    constant: f64,
    by_norm: f64,
    by_square: f64,
}

impl Bound {
    /// For query `query` to reach `score`.
    pub fn new(queries: &Queries, query: usize, score: f64) -> Bound {
        let [relative, least] = error_of_sums(queries.dtype, queries.width);
        let square = queries.squares[query];
        let norm = square.sqrt();
        // Norms and what is computed from them here are themselves rounded.
        let rounded = (queries.width as f64 + 16.0) * f64::EPSILON;
        match queries.metric {
            Metric::Dot => Bound { constant: score - least - score.abs() * rounded, by_norm: -relative * norm, by_square: 0.0 },
            Metric::Cosine => Bound { constant: -least, by_norm: (score - relative - 4.0 * rounded) * norm, by_square: 0.0 },
            Metric::L2 => Bound {
                constant: (score + square * (1.0 - rounded)) / 2.0 - least - score.abs() * rounded,
                by_norm: -relative * norm,
                by_square: (1.0 - 2.0 * rounded) / 2.0,
            },
        }
    }
}

/// Finds the rows that can reach a score.
pub(super) struct Reach<'a> {
    pub sums: &'a [f64],
    pub norms: &'a Norms,
    pub bound: Bound,
    pub found: &'a mut Vec<usize>,
}

impl Piece for Reach<'_> {
    #[inline(always)]
    fn go(self) {
        const TOGETHER: usize = 16;
        let Bound { constant, by_norm, by_square } = self.bound;
        let Norms { squares, norms } = self.norms;
        // A sum that is no number may be any; a norm that is none belongs to no score.
        let misses = |sum: f64, norm: f64, square: f64| sum < constant + by_norm * norm + by_square * square || norm.is_nan();
        for first in (0..self.sums.len()).step_by(TOGETHER) {
            let last = (first + TOGETHER).min(self.sums.len());
            let (sums, norms, squares) = (&self.sums[first..last], &norms[first..last], &squares[first..last]);
            let mut all_miss = true;
            for at in 0..sums.len() {
                all_miss &= misses(sums[at], norms[at], squares[at]);
            }
            if !all_miss {
                self.found.extend((0..sums.len()).filter(|&at| !misses(sums[at], norms[at], squares[at])).map(|at| first + at));
            }
        }
    }
}

/// A score that so many of these rows have at least, where there are as many.
pub(super) fn reached_by(queries: &Queries, query: usize, sums: &[f64], norms: &Norms, lower: &mut Vec<f64>) -> Option<f64> {
    let [relative, least] = error_of_sums(queries.dtype, queries.width);
    let square = queries.squares[query];
    let own = square.sqrt();
    let rounded = (queries.width as f64 + 16.0) * f64::EPSILON;
    lower.clear();
    for ((&sum, &norm), &row_square) in sums.iter().zip(&norms.norms).zip(&norms.squares) {
        let off = relative * own * norm + least;
        let score = match queries.metric {
            Metric::Dot => sum - off,
            Metric::Cosine => (sum - off) / (own * norm) - 8.0 * rounded,
            Metric::L2 => 2.0 * (sum - off) - (row_square + square) * (1.0 + 4.0 * rounded),
        };
        if score > f64::NEG_INFINITY && score < f64::INFINITY {
            lower.push(score - score.abs() * 4.0 * rounded);
        }
    }
    let place = queries.wanted.checked_sub(1).filter(|place| *place < lower.len())?;
    let (_, score, _) = lower.select_nth_unstable_by(place, |a, b| b.total_cmp(a));
    Some(*score)
}
