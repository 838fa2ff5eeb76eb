//! Blocks of rows against all queries: fast scores of all, and exact ones of those that could count.

use super::{
    Queries,
    exact::Exact,
    fast::{Bound, Bounds, Reach},
    tiles::{ROWS_TOGETHER, Tiles, groups, parts},
};
use crate::{error::Result, kernel::simd::enter};
use std::{ops::Range, sync::Arc};

/// What rows are scored for.
pub(super) trait Keep {
    /// Hears of a row that has no score.
    fn without_score(&mut self, row: u64);
    /// The first row that counts for a query, never one before that of the query before.
    fn first_row(&self, query: usize) -> u64;
    /// The score that a row has to reach, as far as is known.
    fn needed(&self, query: usize) -> f64;
    /// The same where nothing is known yet, from the sums of products of some rows with the query, which is at `place` among others.
    fn needed_among(&mut self, queries: &Queries, query: usize, tiles: &Tiles, place: usize) -> f64;
    /// Takes in a row that could reach it, by its exact score.
    fn keep(&mut self, query: usize, row: u64, score: f64) -> Result<()>;
    /// Some rows were taken in.
    fn settle(&mut self) -> Result<()>;
}

/// What scoring takes, kept from block to block.
pub(super) struct Scorer {
    queries: Arc<Queries>,
    exact: Exact,
    tiles: Tiles,
    bounds: Bounds,
    /// Rows and queries whose scores are wanted, by their places.
    found: Vec<[u32; 2]>,
}

impl Scorer {
    pub fn new(queries: Arc<Queries>) -> Result<Scorer> {
        let exact = Exact::new(queries.dtype)?;
        Ok(Scorer { queries, exact, tiles: Tiles::default(), bounds: Bounds::default(), found: Vec::new() })
    }

    /// Bytes held at most.
    pub fn bytes_max(queries: &Queries) -> u64 {
        let together = groups(queries).map(|group| group.len()).max().unwrap_or(0);
        // Twice what is found, as a vector grows.
        let found = 2 * together * ROWS_TOGETHER * size_of::<[u32; 2]>();
        Tiles::bytes_max(queries).saturating_add((found + 3 * 8 * together + 16 * 1024) as u64)
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
                self.find(together.clone(), keep);
                self.score(together, (first, rows), keep)?;
                keep.settle()?;
            }
        }
        Ok(())
    }

    /// Finds the rows that could count for some queries.
    fn find(&mut self, together: Range<usize>, keep: &mut impl Keep) {
        let Scorer { queries, tiles, bounds, found, .. } = self;
        bounds.clear();
        for (place, query) in together.enumerate() {
            if queries.squares[query].is_nan() {
                bounds.push(Bound::OUT_OF_REACH);
                continue;
            }
            let known = keep.needed(query);
            let needed = if known > f64::NEG_INFINITY { known } else { keep.needed_among(queries, query, tiles, place) };
            bounds.push(Bound::new(queries, query, needed));
        }
        found.clear();
        enter(queries.isa, Reach { sums: tiles.sums(), norms: &tiles.norms, bounds, found });
    }

    /// Takes in what was found, except what has become hopeless since.
    fn score(&mut self, together: Range<usize>, (first, rows): (u64, &[u8]), keep: &mut impl Keep) -> Result<()> {
        let queries = &*self.queries;
        let norms = &self.tiles.norms;
        for [at, place] in self.found.iter().map(|pair| pair.map(|place| place as usize)) {
            let query = together.start + place;
            let row = first + at as u64;
            let sum = self.tiles.sums()[at * together.len() + place];
            let misses = || Bound::new(queries, query, keep.needed(query)).misses(sum, norms.norms[at], norms.squares[at]);
            if queries.squares[query].is_nan() || row < keep.first_row(query) || misses() {
                continue;
            }
            let score = self.exact.score(queries, query, &rows[at * queries.row_bytes()..][..queries.row_bytes()])?;
            debug_assert!(!score.is_nan(), "rows with a norm have a score");
            keep.keep(query, row, score)?;
        }
        Ok(())
    }
}
