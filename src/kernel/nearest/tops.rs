//! The best rows of every query.

use super::{
    Queries,
    best::{Best, Reached},
    fast::reached_by,
    scorer::{Keep, Scorer},
    tiles::Tiles,
};
use crate::{
    error::Result,
    kernel::vm::{BlockFold, BlockFunction},
};
use std::{any::Any, sync::Arc};

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

    /// Bytes that one state holds at most.
    #[must_use]
    pub fn state_bytes(queries: &Queries) -> u64 {
        let best = (queries.count as u64).saturating_mul(Best::bytes(queries.wanted));
        best.saturating_add(Scorer::bytes_max(queries)).saturating_add(queries.wanted as u64 * 8)
    }

    /// Elements of the result: scores and rows of every query, best first, and then how many rows were left out.
    #[must_use]
    pub fn result_length(queries: &Queries) -> usize {
        2 * queries.count * queries.wanted + 1
    }
}

impl BlockFunction for NearestRows {
    fn name(&self) -> &str {
        &self.name
    }

    fn fold(&self) -> Option<Box<dyn BlockFold>> {
        let queries = Arc::clone(&self.queries);
        let best = vec![Best::new(queries.wanted); queries.count];
        let tops = Tops { reached: Arc::clone(&self.reached), best, left_out: Vec::new(), left_out_count: 0, lower: Vec::new() };
        let scorer = Scorer::new(Arc::clone(&queries)).ok()?;
        Some(Box::new(State { queries, tops, scorer }))
    }
}

/// The best rows so far.
struct Tops {
    reached: Arc<Reached>,
    best: Vec<Best>,
    /// The first rows that have no score, and how many there are.
    left_out: Vec<u64>,
    left_out_count: u64,
    lower: Vec<f64>,
}

impl Keep for Tops {
    fn without_score(&mut self, row: u64) {
        self.left_out_count += 1;
        if self.best.first().is_some_and(|best| self.left_out.len() < best.wanted()) {
            self.left_out.push(row);
        }
    }

    fn first_row(&self, _query: usize) -> u64 {
        0
    }

    fn needed(&self, query: usize) -> f64 {
        self.reached.get(query).max(self.best[query].worst())
    }

    fn needed_among(&mut self, queries: &Queries, query: usize, tiles: &Tiles, place: usize) -> f64 {
        reached_by(queries, query, tiles.sums_of(place), &tiles.norms, &mut self.lower).unwrap_or(f64::NEG_INFINITY)
    }

    fn keep(&mut self, query: usize, row: u64, score: f64) -> Result<()> {
        self.best[query].insert(score, row);
        self.reached.raise(query, self.best[query].worst());
        Ok(())
    }

    fn settle(&mut self) -> Result<()> {
        Ok(())
    }
}

struct State {
    queries: Arc<Queries>,
    tops: Tops,
    scorer: Scorer,
}

impl BlockFold for State {
    fn take(&mut self, start: &[usize], shape: &[usize], input: &[u8]) -> Result<()> {
        self.scorer.take(start, shape, input, &mut self.tops)
    }

    fn merge(&mut self, other: Box<dyn BlockFold>) -> Result<()> {
        let other = other.taken::<State>()?.tops;
        for (query, (best, others)) in self.tops.best.iter_mut().zip(&other.best).enumerate() {
            others.rows().iter().for_each(|&(score, row)| best.insert(score, row));
            // A part alone holds too few rows to know what all of them together have reached.
            self.tops.reached.raise(query, best.worst());
        }
        self.tops.left_out.extend(other.left_out);
        self.tops.left_out.sort_unstable();
        self.tops.left_out.truncate(self.queries.wanted);
        self.tops.left_out_count += other.left_out_count;
        Ok(())
    }

    fn into_state(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }

    /// Scores of all queries, rows of all queries (exact, as they are below 2^53), and the number of rows without a score; those come
    /// last, with the score NaN, and where there are no more rows stands -1. So it does for queries that have no score.
    fn finish(self: Box<Self>, out: &mut [u8]) -> Result<()> {
        let Queries { metric, wanted, count, .. } = *self.queries;
        let mut result = vec![f64::NAN; 2 * count * wanted + 1];
        let (scores, rest) = result.split_at_mut(count * wanted);
        for (query, best) in self.tops.best.iter().enumerate() {
            let found = best.rows().iter().map(|&(score, row)| (metric.told(score), row as f64));
            let others = if self.queries.squares[query].is_nan() { &[][..] } else { &self.tops.left_out };
            let others = others.iter().map(|&row| (f64::NAN, row as f64));
            let all = found.chain(others).chain(std::iter::repeat((f64::NAN, -1.0)));
            for (place, (score, row)) in all.take(wanted).enumerate() {
                scores[query * wanted + place] = score;
                rest[query * wanted + place] = row;
            }
        }
        rest[count * wanted] = self.tops.left_out_count as f64;
        out.copy_from_slice(bytemuck::cast_slice(&result));
        Ok(())
    }
}
