//! Scores that are rounded once.

use super::{Metric, Queries};
use crate::{
    error::Result,
    nd::DType,
    numeric::{Accumulator, AccumulatorKind, Baseline, Finish, Side, SumMode, TileAxis},
};

/// Exact sums of products.
pub(super) struct Exact {
    dtype: DType,
    sum: Accumulator,
    /// A query times -1.
    negated: Vec<u8>,
}

impl Exact {
    pub fn new(dtype: DType) -> Result<Exact> {
        Ok(Exact { dtype, sum: Accumulator::new(AccumulatorKind::Dot(SumMode::Exact), dtype, 1)?, negated: Vec::new() })
    }

    fn take(&mut self, a: &[u8], b: &[u8]) {
        let axes = [TileAxis { length: a.len() / self.dtype.size(), output_step: 0, index_step: 0 }];
        let sides = [a, b].map(|tile| Side { tile, uniform: false });
        self.sum.absorb_pairs::<Baseline>(sides, &axes, 0);
    }

    fn rounded(&mut self) -> Result<f64> {
        let mut out = [0; 8];
        self.sum.finish(Finish::Dot, DType::F64, 0, 1, &mut out)?;
        self.sum.reset();
        Ok(f64::from_ne_bytes(out))
    }

    /// The sum of the products of two rows.
    pub fn dot(&mut self, a: &[u8], b: &[u8]) -> Result<f64> {
        self.take(a, b);
        self.rounded()
    }

    /// The square of the distance of two rows: `a a - 2 a b + b b`, of which no part is rounded.
    fn square_distance(&mut self, a: &[u8], b: &[u8]) -> Result<f64> {
        let mut negated = std::mem::take(&mut self.negated);
        negated.clear();
        match self.dtype {
            DType::F32 => negated.extend(b.as_chunks::<4>().0.iter().flat_map(|b| (-f32::from_ne_bytes(*b)).to_ne_bytes())),
            _ => negated.extend(b.as_chunks::<8>().0.iter().flat_map(|b| (-f64::from_ne_bytes(*b)).to_ne_bytes())),
        }
        self.take(a, a);
        // Twice, because twice an element may be beyond its dtype.
        self.take(a, &negated);
        self.take(a, &negated);
        self.take(b, b);
        self.negated = negated;
        self.rounded()
    }

    /// The score of a row: the greater, the nearer. Distances are negative squares.
    pub fn score(&mut self, queries: &Queries, query: usize, row: &[u8]) -> Result<f64> {
        let own = queries.row(query);
        match queries.metric {
            Metric::Dot => self.dot(row, own),
            Metric::L2 => Ok(-self.square_distance(row, own)?),
            Metric::Cosine => {
                let norms = queries.squares[query].sqrt() * self.dot(row, row)?.sqrt();
                Ok((self.dot(row, own)? / norms).clamp(-1.0, 1.0))
            }
        }
    }
}
