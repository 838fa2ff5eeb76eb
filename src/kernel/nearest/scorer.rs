//! Blocks of rows against all queries: fast scores of all, and exact ones of those that could count.

use super::{
    Queries,
    exact::Exact,
    fast::{Bound, Norms, Reach},
    tiles::{Tiles, groups, parts},
};
use crate::{error::Result, kernel::simd::enter};
use std::sync::Arc;

/// What rows are scored for.
pub(super) trait Keep {
    /// Hears of a row that has no score.
    fn without_score(&mut self, row: u64);
    /// The first row that counts for a query, never one before that of the query before.
    fn first_row(&self, query: usize) -> u64;
    /// The score that the next rows, of which these are the sums of products, have to reach.
    fn needed(&mut self, queries: &Queries, query: usize, sums: &[f64], norms: &Norms) -> f64;
    /// Takes in a row that could reach it, by its exact score.
    fn keep(&mut self, query: usize, row: u64, score: f64);
    /// Some rows were taken in for a query.
    fn settle(&mut self, query: usize) -> Result<()>;
}

/// What scoring takes, kept from block to block.
pub(super) struct Scorer {
    queries: Arc<Queries>,
    exact: Exact,
    tiles: Tiles,
    found: Vec<usize>,
}

impl Scorer {
    pub fn new(queries: Arc<Queries>) -> Result<Scorer> {
        let exact = Exact::new(queries.dtype)?;
        Ok(Scorer { queries, exact, tiles: Tiles::default(), found: Vec::new() })
    }

    /// Bytes held at most.
    pub fn bytes_max(queries: &Queries) -> u64 {
        Tiles::bytes_max(queries).saturating_add(16 * 1024)
    }

    /// Scores a block of whole rows.
    pub fn take(&mut self, start: &[usize], shape: &[usize], block: &[u8], keep: &mut impl Keep) -> Result<()> {
        let queries = Arc::clone(&self.queries);
        for (first, rows) in parts(&queries, start, shape, block)? {
            self.tiles.measure(&queries, rows);
            let norms = &self.tiles.norms.norms;
            let last = first + norms.len() as u64;
            norms.iter().zip(first..).filter(|(norm, _)| norm.is_nan()).for_each(|(_, row)| keep.without_score(row));
            for together in groups(&queries) {
                if keep.first_row(together.start) >= last {
                    continue;
                }
                self.tiles.multiply(&queries, together.clone(), rows)?;
                for query in together.clone().filter(|query| !queries.squares[*query].is_nan()) {
                    self.query(query, query - together.start, (first, rows), keep)?;
                }
            }
        }
        Ok(())
    }

    /// Takes in the rows that could count for a query, which is at `place` among those that were multiplied.
    fn query(&mut self, query: usize, place: usize, (first, rows): (u64, &[u8]), keep: &mut impl Keep) -> Result<()> {
        let queries = &*self.queries;
        let (sums, norms) = self.tiles.of(place);
        self.found.clear();
        let bound = Bound::new(queries, query, keep.needed(queries, query, sums, norms));
        enter(queries.isa, Reach { sums, norms, bound, found: &mut self.found });
        let own = keep.first_row(query).saturating_sub(first);
        self.found.retain(|&at| at as u64 >= own);
        for &at in &self.found {
            let score = self.exact.score(queries, query, &rows[at * queries.row_bytes()..][..queries.row_bytes()])?;
            debug_assert!(!score.is_nan(), "rows with a norm have a score");
            keep.keep(query, first + at as u64, score);
        }
        if self.found.is_empty() { Ok(()) } else { keep.settle(query) }
    }
}
