//! All pairs of a query and a row that reach a score.

use super::{
    Metric, Queries,
    scorer::{Keep, Scorer},
    tiles::{ROWS_TOGETHER, Tiles},
};
use crate::{
    error::{Error, Result},
    kernel::vm::{BlockFold, BlockFunction},
};
use std::{
    any::Any,
    sync::{Arc, Mutex, PoisonError},
};

/// A pair of rows and its score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The row that was a query.
    pub query: u64,
    /// The row that was searched.
    pub row: u64,
    /// Their cosine, sum of products or distance.
    pub score: f64,
}

/// What the pairs of a walk are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// The rows of one matrix: every pair once, the lower row first.
    One,
    /// Rows of one matrix with rows of another.
    Two,
}

/// Pairs that were found so far, by all workers and in any order; no more than there is room for.
#[derive(Debug)]
pub struct FoundPairs {
    room: usize,
    pairs: Mutex<Vec<Pair>>,
}

impl FoundPairs {
    /// Room for so many pairs.
    #[must_use]
    pub fn with_room(room: usize) -> FoundPairs {
        FoundPairs { room, pairs: Mutex::default() }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// All of them, by query and then by row.
    #[must_use]
    pub fn sorted(&self) -> Vec<Pair> {
        let mut pairs = std::mem::take(&mut *self.pairs.lock().unwrap_or_else(PoisonError::into_inner));
        pairs.sort_unstable_by_key(|pair| (pair.query, pair.row));
        pairs
    }

    fn take(&self, new: &mut Vec<Pair>) -> Result<()> {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if pairs.len() + new.len() > self.room {
            let text = format!("there are more than {} pairs, which is what the memory budget has room for", self.room);
            return Err(Error::refused(text).hint("ask for nearer pairs (--above, --within), or give more --memory"));
        }
        pairs.append(new);
        Ok(())
    }
}

/// Queries as a function that folds blocks of whole rows: pairs go to [`FoundPairs`], the result is the number of rows without a score.
pub struct PairRows {
    queries: Arc<Queries>,
    found: Arc<FoundPairs>,
    name: String,
    threshold: f64,
    among: Among,
    first_query: u64,
    first_row: u64,
}

impl PairRows {
    /// A search that errors and plans call `name`, for pairs with a cosine or sum of products of at least `threshold`, or a distance of at
    /// most that. The first query is row `firsts[0]` of its matrix, the first row `firsts[1]` of the other.
    #[must_use]
    pub fn new(queries: Queries, name: String, threshold: f64, among: Among, firsts: [usize; 2], found: &Arc<FoundPairs>) -> PairRows {
        let [first_query, first_row] = firsts.map(|first| first as u64);
        PairRows { queries: Arc::new(queries), found: Arc::clone(found), name, threshold, among, first_query, first_row }
    }

    /// Bytes that one state holds at most.
    #[must_use]
    pub fn state_bytes(queries: &Queries) -> u64 {
        Scorer::bytes_max(queries).saturating_add((2 * ROWS_TOGETHER * size_of::<Pair>()) as u64)
    }
}

impl BlockFunction for PairRows {
    fn name(&self) -> &str {
        &self.name
    }

    fn fold(&self) -> Option<Box<dyn BlockFold>> {
        let metric = self.queries.metric;
        // The square of a distance is rounded, and so is that of the threshold: what is a little farther is scored, and then judged.
        let needed = match metric {
            Metric::L2 => -self.threshold * self.threshold * (1.0 + 8.0 * f64::EPSILON) - f64::MIN_POSITIVE,
            Metric::Cosine | Metric::Dot => self.threshold,
        };
        let (first_query, first_row) = (self.first_query, self.first_row);
        let keeper = Pairs {
            metric,
            needed,
            threshold: self.threshold,
            among: self.among,
            first_query,
            first_row,
            new: Vec::new(),
            found: Arc::clone(&self.found),
            without_score: 0,
        };
        Some(Box::new(State { pairs: keeper, scorer: Scorer::new(Arc::clone(&self.queries)).ok()? }))
    }
}

struct Pairs {
    metric: Metric,
    /// The score that is looked for.
    needed: f64,
    threshold: f64,
    among: Among,
    first_query: u64,
    first_row: u64,
    new: Vec<Pair>,
    found: Arc<FoundPairs>,
    without_score: u64,
}

impl Keep for Pairs {
    fn without_score(&mut self, _row: u64) {
        self.without_score += 1;
    }

    fn first_row(&self, query: usize) -> u64 {
        match self.among {
            Among::One => (self.first_query + query as u64 + 1).saturating_sub(self.first_row),
            Among::Two => 0,
        }
    }

    fn needed(&self, _query: usize) -> f64 {
        self.needed
    }

    fn needed_among(&mut self, _queries: &Queries, _query: usize, _tiles: &Tiles, _place: usize) -> f64 {
        self.needed
    }

    fn keep(&mut self, query: usize, row: u64, score: f64) -> Result<()> {
        let score = self.metric.told(score);
        let near = if self.metric == Metric::L2 { score <= self.threshold } else { score >= self.threshold };
        if near {
            self.new.push(Pair { query: self.first_query + query as u64, row: self.first_row + row, score });
        }
        if self.new.len() < ROWS_TOGETHER { Ok(()) } else { self.settle() }
    }

    fn settle(&mut self) -> Result<()> {
        if self.new.is_empty() { Ok(()) } else { self.found.take(&mut self.new) }
    }
}

struct State {
    pairs: Pairs,
    scorer: Scorer,
}

impl BlockFold for State {
    fn take(&mut self, start: &[usize], shape: &[usize], input: &[u8]) -> Result<()> {
        self.scorer.take(start, shape, input, &mut self.pairs)
    }

    fn merge(&mut self, other: Box<dyn BlockFold>) -> Result<()> {
        let other = other.taken::<State>()?;
        self.pairs.without_score += other.pairs.without_score;
        Ok(())
    }

    fn into_state(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }

    fn finish(self: Box<Self>, out: &mut [u8]) -> Result<()> {
        out.copy_from_slice(&(self.pairs.without_score as f64).to_ne_bytes());
        Ok(())
    }
}
