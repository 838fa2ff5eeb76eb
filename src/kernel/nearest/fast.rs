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
            DType::F32 => squares::<f32>(&mut norms.squares, rows, width),
            _ => squares::<f64>(&mut norms.squares, rows, width),
        }
        norms.squares.iter_mut().filter(|square| !metric.scores(**square)).for_each(|square| *square = f64::NAN);
        norms.norms.clear();
        norms.norms.extend(norms.squares.iter().map(|square| square.sqrt()));
    }
}

/// A plain loop: what an iterator is given might be compiled apart from it, for the least instruction set.
#[inline(always)]
fn squares<T: Factor>(to: &mut Vec<f64>, rows: &[u8], width: usize) {
    for row in rows.chunks_exact(width * size_of::<T>()) {
        to.push(square::<T>(row));
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
    /// No sum that is a number reaches it.
    pub const OUT_OF_REACH: Bound = Bound { constant: f64::INFINITY, by_norm: 0.0, by_square: 0.0 };

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

    /// Whether a row with this sum of products, norm and square of the norm cannot reach the score. A sum that is no finite number may be
    /// any: products of `f32` may be beyond it where their sum is not.
    #[inline(always)]
    pub fn misses(self, sum: f64, norm: f64, square: f64) -> bool {
        sum < self.constant + self.by_norm * norm + self.by_square * square && sum > f64::NEG_INFINITY
    }
}

/// The bounds of some queries.
#[derive(Default)]
pub(super) struct Bounds {
    constant: Vec<f64>,
    by_norm: Vec<f64>,
    by_square: Vec<f64>,
}

impl Bounds {
    pub fn clear(&mut self) {
        [&mut self.constant, &mut self.by_norm, &mut self.by_square].into_iter().for_each(Vec::clear);
    }

    pub fn push(&mut self, bound: Bound) {
        self.constant.push(bound.constant);
        self.by_norm.push(bound.by_norm);
        self.by_square.push(bound.by_square);
    }
}

/// Finds the rows that can reach what their queries need: pairs of a row and a query, row by row.
pub(super) struct Reach<'a> {
    /// Row by row, a sum for every query.
    pub sums: &'a [f64],
    pub norms: &'a Norms,
    pub bounds: &'a Bounds,
    pub found: &'a mut Vec<[u32; 2]>,
}

impl Piece for Reach<'_> {
    #[inline(always)]
    fn go(self) {
        const TOGETHER: usize = 16;
        let Bounds { constant, by_norm, by_square } = self.bounds;
        let queries = constant.len();
        for (row, sums) in self.sums.chunks_exact(queries.max(1)).enumerate() {
            let (norm, square) = (self.norms.norms[row], self.norms.squares[row]);
            if norm.is_nan() {
                continue;
            }
            for first in (0..queries).step_by(TOGETHER) {
                let some = first..(first + TOGETHER).min(queries);
                let (constant, by_norm, by_square) = (&constant[some.clone()], &by_norm[some.clone()], &by_square[some.clone()]);
                let sums = &sums[some.clone()];
                let mut all_miss = true;
                for at in 0..sums.len() {
                    let below = sums[at] < constant[at] + by_norm[at] * norm + by_square[at] * square;
                    all_miss &= below & (sums[at] > f64::NEG_INFINITY);
                }
                if !all_miss {
                    for (at, query) in some.enumerate() {
                        let bound = Bound { constant: constant[at], by_norm: by_norm[at], by_square: by_square[at] };
                        if !bound.misses(sums[at], norm, square) {
                            self.found.push([row as u32, query as u32]);
                        }
                    }
                }
            }
        }
    }
}

/// A score that so many of these rows have at least, where there are as many.
pub(super) fn reached_by(
    queries: &Queries,
    query: usize,
    sums: impl Iterator<Item = f64>,
    norms: &Norms,
    lower: &mut Vec<f64>,
) -> Option<f64> {
    let [relative, least] = error_of_sums(queries.dtype, queries.width);
    let square = queries.squares[query];
    let own = square.sqrt();
    let rounded = (queries.width as f64 + 16.0) * f64::EPSILON;
    lower.clear();
    for ((sum, &norm), &row_square) in sums.zip(&norms.norms).zip(&norms.squares) {
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
