//! Exact search: the rows of a matrix that score highest against queries, or all that reach a score, in one walk over the rows.
//!
//! Scores of a block are computed fast, with a bound on their error; a row whose score could reach the worst of the best so far is
//! scored again by exact sums of products, and only such scores are ranked. So the answer is a function of the rows alone: of equal
//! scores the lower row is first, and neither blocks nor threads nor the instruction set show.

mod best;
mod exact;
mod fast;
mod pairs;
mod scorer;
mod summary;
#[cfg(test)]
mod tests;
mod tiles;
mod tops;

use crate::{
    error::{Error, Result},
    kernel::simd::Isa,
    nd::DType,
};
use exact::Exact;
use serde::{Deserialize, Serialize};

pub use pairs::{Among, FoundPairs, Pair, PairRows};
pub use summary::SummedRows;
pub use tops::NearestRows;

/// What makes a row near to a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// The greatest cosine of the angle between them. Rows of zeros have none.
    #[default]
    Cosine,
    /// The greatest sum of products.
    Dot,
    /// The least Euclidean distance.
    L2,
}

impl Metric {
    /// Whether a row (or query) with this square of its norm has a score.
    #[inline(always)]
    fn scores(self, square: f64) -> bool {
        square.is_finite() && (square > 0.0 || self != Metric::Cosine)
    }

    /// What people are told of a score: distances are scored by their negative squares.
    fn told(self, score: f64) -> f64 {
        if self == Metric::L2 { (-score).max(0.0).sqrt() } else { score }
    }
}

/// Queries, and how many rows are wanted for each.
pub struct Queries {
    pub(super) metric: Metric,
    pub(super) dtype: DType,
    /// Elements of a query.
    pub(super) width: usize,
    pub(super) count: usize,
    /// Rows wanted for each query.
    pub(super) wanted: usize,
    /// Native elements, query by query.
    pub(super) bytes: Vec<u8>,
    /// Exact sums of squares of the queries, rounded.
    pub(super) squares: Vec<f64>,
    isa: Isa,
}

impl Queries {
    /// Queries of `width` native elements of `dtype` (`f32` or `f64`) each, to find `wanted` rows for each.
    ///
    /// Errors: a query that has NaN, an infinity, or (under the cosine) nothing but zeros, with its number.
    pub fn new(metric: Metric, dtype: DType, width: usize, bytes: Vec<u8>, wanted: usize, isa: Isa) -> Result<Queries> {
        Queries::skipping(metric, dtype, width, bytes, isa)?.wanting(wanted).all_scored()
    }

    /// These, if each has a score.
    ///
    /// Errors: as those of [`Queries::new`].
    pub fn all_scored(self) -> Result<Queries> {
        let Some(place) = self.squares.iter().position(|square| square.is_nan()) else { return Ok(self) };
        let own = self.row(place);
        let square = Exact::new(self.dtype)?.dot(own, own)?;
        if square == 0.0 {
            return Err(Error::data(format!("query {place} is all zeros, which has no cosine")).hint("--metric dot or l2 takes it"));
        }
        Err(Error::data(format!("query {place} has NaN, an infinity, or a norm beyond f64")))
    }

    /// The same, of which those without a score find nothing.
    pub fn skipping(metric: Metric, dtype: DType, width: usize, bytes: Vec<u8>, isa: Isa) -> Result<Queries> {
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(Error::internal(format!("queries of {dtype}")));
        }
        let row_bytes = (width * dtype.size()).max(1);
        let mut exact = Exact::new(dtype)?;
        let scored = |square: &f64| metric.scores(*square);
        let squares = bytes.chunks_exact(row_bytes).map(|query| Ok(Some(exact.dot(query, query)?).filter(scored).unwrap_or(f64::NAN)));
        let squares = squares.collect::<Result<Vec<f64>>>()?;
        Ok(Queries { metric, dtype, width, count: squares.len(), wanted: 0, bytes, squares, isa })
    }

    /// The same, to find `wanted` rows for each.
    #[must_use]
    pub fn wanting(self, wanted: usize) -> Queries {
        Queries { wanted, ..self }
    }

    /// Whether each has a score.
    pub fn scored(&self) -> impl Iterator<Item = bool> {
        self.squares.iter().map(|square| !square.is_nan())
    }

    /// How many have no score.
    #[must_use]
    pub fn without_score(&self) -> u64 {
        self.scored().filter(|scored| !scored).count() as u64
    }

    /// Bytes of the queries themselves.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        (self.bytes.len() + 24 * self.count) as u64
    }

    /// The elements of one query.
    fn row(&self, query: usize) -> &[u8] {
        &self.bytes[query * self.row_bytes()..][..self.row_bytes()]
    }

    /// Bytes of one query.
    fn row_bytes(&self) -> usize {
        self.width * self.dtype.size()
    }
}
