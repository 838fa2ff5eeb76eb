//! Exact search: the rows of a matrix that score highest against queries, in one walk over the rows.
//!
//! Scores of a block are computed fast, with a bound on their error; a row whose score could reach the worst of the best so far is
//! scored again by exact sums of products, and only such scores are ranked. So the answer is a function of the rows alone: of equal
//! scores the lower row is first, and neither blocks nor threads nor the instruction set show.

mod best;
mod exact;
mod fast;
#[cfg(test)]
mod tests;

use crate::{
    error::{Error, Result},
    kernel::{
        product::RowProducts,
        simd::{Isa, enter, kernels},
        vm::{BlockFold, BlockFunction},
    },
    nd::DType,
};
use best::{Best, Reached};
use exact::Exact;
use fast::{Bound, Bounds, Norms};
use serde::{Deserialize, Serialize};
use std::{any::Any, ops::Range, sync::Arc};

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

/// Queries that are scored together, so that their scores of a few rows stay in the cache.
const QUERIES_TOGETHER: usize = 128;
/// Rows that are scored together.
const ROWS_TOGETHER: usize = 512;

impl Queries {
    /// Queries of `width` native elements of `dtype` (`f32` or `f64`) each.
    ///
    /// Errors: a query that has NaN, an infinity, or (under the cosine) nothing but zeros, with its number.
    pub fn new(metric: Metric, dtype: DType, width: usize, bytes: Vec<u8>, wanted: usize, isa: Isa) -> Result<Queries> {
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(Error::internal(format!("queries of {dtype}")));
        }
        let count = bytes.len() / (width * dtype.size()).max(1);
        let mut exact = Exact::new(dtype)?;
        let mut squares = Vec::with_capacity(count);
        for (place, query) in bytes.chunks_exact((width * dtype.size()).max(1)).enumerate() {
            let square = exact.dot(query, query)?;
            if !square.is_finite() {
                return Err(Error::data(format!("query {place} has NaN, an infinity, or a norm beyond f64")));
            }
            if square == 0.0 && metric == Metric::Cosine {
                return Err(Error::data(format!("query {place} is all zeros, which has no cosine")).hint("--metric dot or l2 takes it"));
            }
            squares.push(square);
        }
        Ok(Queries { metric, dtype, width, count, wanted, bytes, squares, isa })
    }

    /// Bytes that one state holds at most.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        let together = self.count.min(QUERIES_TOGETHER);
        let best = (self.count as u64).saturating_mul(Best::bytes(self.wanted));
        let products = RowProducts::bytes_max(together, ROWS_TOGETHER, self.width, self.dtype.size());
        let rows = (ROWS_TOGETHER * 24 + together * 24 + self.width * 8 + self.wanted * 8) as u64;
        // Twice what is found, as a vector grows.
        let found = (2 * together * ROWS_TOGETHER * size_of::<[u32; 2]>()) as u64;
        best.saturating_add(products).saturating_add(rows + found + 16 * 1024)
    }

    /// Bytes of the queries themselves.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        (self.bytes.len() + 24 * self.count) as u64
    }

    /// Elements of the result: scores and rows of every query, best first, and then how many rows were left out.
    #[must_use]
    pub fn result_length(&self) -> usize {
        2 * self.count * self.wanted + 1
    }
}

/// Queries as a function that folds blocks of whole rows into the best of them. One function is for one job: what its workers have
/// reached holds for the rows of that job.
pub struct NearestRows {
    queries: Arc<Queries>,
    reached: Arc<Reached>,
    name: String,
}

impl NearestRows {
    /// A search that errors and plans call `name`.
    #[must_use]
    pub fn new(queries: Queries, name: String) -> NearestRows {
        let reached = Arc::new(Reached::new(queries.count));
        NearestRows { queries: Arc::new(queries), reached, name }
    }
}

impl BlockFunction for NearestRows {
    fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, _start: &[usize], _shape: &[usize], _input: &[u8], _output: &mut [u8]) -> Result<()> {
        Err(Error::internal("a search maps no blocks"))
    }

    fn fold(&self) -> Option<Box<dyn BlockFold>> {
        let state = State::new(Arc::clone(&self.queries), Arc::clone(&self.reached)).ok()?;
        Some(Box::new(state))
    }
}

/// The best rows so far.
struct State {
    queries: Arc<Queries>,
    reached: Arc<Reached>,
    best: Vec<Best>,
    /// The first rows that have no score, and how many there are.
    left_out: Vec<u64>,
    left_out_count: u64,
    exact: Exact,
    norms: Norms,
    products: RowProducts,
    bounds: Bounds,
    /// Rows and queries whose scores are wanted.
    found: Vec<[u32; 2]>,
    lower: Vec<f64>,
}

impl State {
    fn new(queries: Arc<Queries>, reached: Arc<Reached>) -> Result<State> {
        let best = vec![Best::new(queries.wanted); queries.count];
        let exact = Exact::new(queries.dtype)?;
        Ok(State {
            queries,
            reached,
            best,
            left_out: Vec::new(),
            left_out_count: 0,
            exact,
            norms: Norms::default(),
            products: RowProducts::default(),
            bounds: Bounds::default(),
            found: Vec::new(),
            lower: Vec::new(),
        })
    }

    /// Scores a few rows, the first of which is row `first`.
    fn rows(&mut self, first: u64, rows: &[u8]) -> Result<()> {
        let queries = Arc::clone(&self.queries);
        let Queries { metric, dtype, width, isa, .. } = *queries;
        enter(isa, fast::Squares { norms: &mut self.norms, rows, width, dtype, metric });
        let without = self.norms.norms.iter().enumerate().filter(|(_, norm)| norm.is_nan()).map(|(place, _)| first + place as u64);
        for row in without {
            self.left_out_count += 1;
            if self.left_out.len() < queries.wanted {
                self.left_out.push(row);
            }
        }
        let kernel = (kernels(isa).product)(dtype).ok_or_else(|| Error::internal(format!("no products of {dtype}")))?;
        let count = self.norms.norms.len();
        for from in (0..queries.count).step_by(QUERIES_TOGETHER) {
            let together = from..(from + QUERIES_TOGETHER).min(queries.count);
            self.products.fill(kernel, (rows, 0..count), (&queries.bytes, together.clone()), width);
            self.reach(together.clone());
            self.score(together, first, rows)?;
        }
        Ok(())
    }

    /// Finds the rows that may be among the best of some queries.
    fn reach(&mut self, together: Range<usize>) {
        let queries = Arc::clone(&self.queries);
        self.bounds.clear();
        for query in together.clone() {
            let mut needed = self.reached.get(query).max(self.best[query].worst());
            let sums = self.products.sums.iter().skip(query - together.start).step_by(together.len()).copied();
            if needed == f64::NEG_INFINITY
                && let Some(score) = fast::reached_by(&queries, query, sums, &self.norms, &mut self.lower)
            {
                needed = score;
            }
            self.bounds.push(Bound::new(&queries, query, needed));
        }
        self.found.clear();
        enter(queries.isa, fast::Reach { sums: &self.products.sums, norms: &self.norms, bounds: &self.bounds, found: &mut self.found });
    }

    /// Takes in what was found of some queries, except what others before it have made hopeless.
    fn score(&mut self, together: Range<usize>, first: u64, rows: &[u8]) -> Result<()> {
        let queries = Arc::clone(&self.queries);
        let row_bytes = queries.width * queries.dtype.size();
        for [row, at] in self.found.iter().map(|pair| pair.map(|place| place as usize)) {
            let query = together.start + at;
            let sum = self.products.sums[row * together.len() + at];
            let needed = self.reached.get(query).max(self.best[query].worst());
            if Bound::new(&queries, query, needed).misses(sum, self.norms.norms[row], self.norms.squares[row]) {
                continue;
            }
            let score = self.exact.score(&queries, query, &rows[row * row_bytes..][..row_bytes])?;
            debug_assert!(!score.is_nan(), "rows with a norm have a score");
            self.best[query].insert(score, first + row as u64);
            self.reached.raise(query, self.best[query].worst());
        }
        Ok(())
    }
}

impl BlockFold for State {
    fn take(&mut self, start: &[usize], shape: &[usize], input: &[u8]) -> Result<()> {
        let [rows, width] = *shape else { return Err(Error::internal(format!("a search in a block of {} axes", shape.len()))) };
        if width != self.queries.width || start[1] != 0 {
            return Err(Error::internal(format!("a search in rows of {width} of {} elements", self.queries.width)));
        }
        let row_bytes = width * self.queries.dtype.size();
        for (from, part) in (0..rows).step_by(ROWS_TOGETHER).zip(input.chunks(ROWS_TOGETHER * row_bytes)) {
            self.rows((start[0] + from) as u64, part)?;
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn BlockFold>) -> Result<()> {
        let other = other.into_state().downcast::<State>().map_err(|_| Error::internal("a state that is not one of a search"))?;
        for (query, (best, others)) in self.best.iter_mut().zip(&other.best).enumerate() {
            others.rows().iter().for_each(|&(score, row)| best.insert(score, row));
            // A part alone holds too few rows to know what all of them together have reached.
            self.reached.raise(query, best.worst());
        }
        self.left_out.extend(other.left_out);
        self.left_out.sort_unstable();
        self.left_out.truncate(self.queries.wanted);
        self.left_out_count += other.left_out_count;
        Ok(())
    }

    fn into_state(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }

    /// Scores of all queries, rows of all queries (exact, as they are below 2^53), and the number of rows without a score; those come
    /// last, with the score NaN, and where there are no more rows stands -1.
    fn finish(self: Box<Self>, out: &mut [u8]) -> Result<()> {
        let Queries { metric, wanted, count, .. } = *self.queries;
        let mut result = vec![f64::NAN; 2 * count * wanted + 1];
        let (scores, rest) = result.split_at_mut(count * wanted);
        for (query, best) in self.best.iter().enumerate() {
            let found = best.rows().iter().map(|&(score, row)| (score, row as f64));
            let others = self.left_out.iter().map(|&row| (f64::NAN, row as f64));
            let all = found.chain(others).chain(std::iter::repeat((f64::NAN, -1.0)));
            for (place, (score, row)) in all.take(wanted).enumerate() {
                let score = if metric == Metric::L2 { (-score).max(0.0).sqrt() } else { score };
                scores[query * wanted + place] = score;
                rest[query * wanted + place] = row;
            }
        }
        rest[count * wanted] = self.left_out_count as f64;
        out.copy_from_slice(bytemuck::cast_slice(&result));
        Ok(())
    }
}
