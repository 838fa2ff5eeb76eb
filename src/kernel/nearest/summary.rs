//! The least, the greatest and the sum of what every query is away from all rows.
//!
//! Everything is computed in `f64`: sums of products by `kernel::product`, distances from them, and those of rows that lie so near that
//! products cancel from differences. Sums of the rounded values are exact, so that the result is a function of the rows alone.

use super::{
    Metric, Queries,
    fast::Norms,
    tiles::{ROWS_TOGETHER, Tiles, groups, parts},
};
use crate::{
    error::Result,
    kernel::{
        simd::kernels,
        vm::{BlockFold, BlockFunction},
    },
    nd::DType,
    numeric::{Accumulator, AccumulatorKind, Finish, SumMode, TileAxis},
};
use std::{any::Any, sync::Arc};

/// Sums do not depend on what comes first.
const SUM: AccumulatorKind = AccumulatorKind::Sum(SumMode::Exact);
/// Squares of distances below this part of the squares of the norms are computed from differences.
const NEAR: f64 = 1.0 / (1u64 << 20) as f64;

/// Queries as a function that folds blocks of whole rows into numbers for every query.
pub struct SummedRows {
    queries: Arc<Queries>,
    name: String,
}

impl SummedRows {
    /// A fold that errors and plans call `name`, for queries in `f64`.
    #[must_use]
    pub fn new(queries: Queries, name: String) -> SummedRows {
        SummedRows { queries: Arc::new(queries), name }
    }

    /// Bytes that one state holds at most.
    #[must_use]
    pub fn state_bytes(queries: &Queries) -> u64 {
        let sums = Accumulator::state_bytes_max(SUM, DType::F64, queries.count);
        sums.saturating_add(Tiles::bytes_max(queries)).saturating_add((16 * queries.count + 2 * 8 * ROWS_TOGETHER + 16 * 1024) as u64)
    }

    /// Elements of the result: minima, maxima and sums of all queries, and then how many rows were left out.
    #[must_use]
    pub fn result_length(queries: &Queries) -> usize {
        3 * queries.count + 1
    }
}

impl BlockFunction for SummedRows {
    fn name(&self) -> &str {
        &self.name
    }

    fn fold(&self) -> Option<Box<dyn BlockFold>> {
        let queries = Arc::clone(&self.queries);
        let count = queries.count;
        let sums = Accumulator::new(SUM, DType::F64, count).ok()?;
        let (least, greatest) = (vec![f64::INFINITY; count], vec![f64::NEG_INFINITY; count]);
        Some(Box::new(State { queries, tiles: Tiles::default(), least, greatest, sums, values: Vec::new(), without_score: 0 }))
    }
}

struct State {
    queries: Arc<Queries>,
    tiles: Tiles,
    least: Vec<f64>,
    greatest: Vec<f64>,
    sums: Accumulator,
    /// Of one query, kept from tile to tile.
    values: Vec<f64>,
    without_score: u64,
}

impl State {
    /// Takes in some rows for a query, which is at `place` among those that were multiplied.
    fn query(&mut self, query: usize, place: usize, rows: &[u8]) {
        let queries = &*self.queries;
        let values = &mut self.values;
        values.clear();
        measured(values, queries, query, (self.tiles.sums_of(place), &self.tiles.norms), rows);
        self.least[query] = values.iter().copied().fold(self.least[query], f64::min);
        self.greatest[query] = values.iter().copied().fold(self.greatest[query], f64::max);
        let axes = [TileAxis { length: values.len(), output_step: 0, index_step: 0 }];
        (kernels(queries.isa).absorb)(&mut self.sums, bytemuck::cast_slice(values.as_slice()), &axes, query, 0);
    }
}

/// Adds to `values` what counts of the rows with a score, made of their sums of products with a query.
fn measured(values: &mut Vec<f64>, queries: &Queries, query: usize, (sums, norms): (impl Iterator<Item = f64>, &Norms), rows: &[u8]) {
    let square = queries.squares[query];
    let norm = square.sqrt();
    let own = queries.row(query);
    for (at, sum) in sums.enumerate() {
        let (row_norm, row_square) = (norms.norms[at], norms.squares[at]);
        if row_norm.is_nan() {
            continue;
        }
        values.push(match queries.metric {
            Metric::Dot => sum,
            Metric::Cosine => (sum / (norm * row_norm)).clamp(-1.0, 1.0),
            Metric::L2 => {
                let apart = (square + row_square) - 2.0 * sum;
                let near = apart < NEAR * (square + row_square);
                let row = &rows[at * queries.row_bytes()..][..queries.row_bytes()];
                if near { square_between(own, row).sqrt() } else { apart.sqrt() }
            }
        });
    }
}

/// The square of the distance of two rows of `f64`.
fn square_between(one: &[u8], other: &[u8]) -> f64 {
    let pairs = one.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0);
    pairs.map(|(one, other)| f64::from_ne_bytes(*one) - f64::from_ne_bytes(*other)).map(|apart| apart * apart).sum()
}

impl BlockFold for State {
    fn take(&mut self, start: &[usize], shape: &[usize], input: &[u8]) -> Result<()> {
        let queries = Arc::clone(&self.queries);
        for (_, rows) in parts(&queries, start, shape, input)? {
            self.tiles.measure(&queries, rows);
            self.without_score += self.tiles.norms.norms.iter().filter(|norm| norm.is_nan()).count() as u64;
            for together in groups(&queries) {
                self.tiles.multiply(&queries, together.clone(), rows)?;
                together.clone().for_each(|query| self.query(query, query - together.start, rows));
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn BlockFold>) -> Result<()> {
        let other = other.taken::<State>()?;
        self.least.iter_mut().zip(&other.least).for_each(|(least, other)| *least = least.min(*other));
        self.greatest.iter_mut().zip(&other.greatest).for_each(|(greatest, other)| *greatest = greatest.max(*other));
        self.sums.merge_run(0, &other.sums, 0, other.sums.outputs());
        self.without_score += other.without_score;
        Ok(())
    }

    fn into_state(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }

    fn finish(self: Box<Self>, out: &mut [u8]) -> Result<()> {
        let count = self.queries.count;
        let (ends, rest) = out.split_at_mut(2 * count * size_of::<f64>());
        let numbers = self.least.iter().chain(&self.greatest);
        ends.chunks_exact_mut(size_of::<f64>()).zip(numbers).for_each(|(to, number)| to.copy_from_slice(&number.to_ne_bytes()));
        let (sums, left) = rest.split_at_mut(count * size_of::<f64>());
        self.sums.finish(Finish::Sum, DType::F64, 0, count, sums)?;
        left.copy_from_slice(&(self.without_score as f64).to_ne_bytes());
        Ok(())
    }
}
