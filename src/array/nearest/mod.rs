//! Exact search: the rows of an array that are nearest to queries, all pairs of rows that are near, and how far rows are from others.

mod pairs;
mod summary;
#[cfg(test)]
mod tests;

pub use pairs::{Near, Pairs};
pub use summary::DistanceSummary;

use super::{
    elementwise::{promoted, where_},
    job::RunReport,
    matrix::{RowFold, elements, float_of, matrix_of_elements},
    node::Array,
    words::DType,
};
use crate::{
    error::{Error, ErrorKind, Result},
    kernel::nearest::{Metric, NearestRows, Queries},
    nd::shape::show,
};
use ndarray::{Array2, s};
use std::sync::Arc;

/// What is searched for: how many rows, by which measure, and among which.
#[derive(Clone, Debug)]
pub struct Search {
    count: usize,
    metric: Metric,
    filter: Option<Array>,
}

impl Search {
    /// The `count` nearest rows by the cosine.
    #[must_use]
    pub fn nearest(count: usize) -> Search {
        Search { count, metric: Metric::Cosine, filter: None }
    }

    /// By another measure.
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Search {
        self.metric = metric;
        self
    }

    /// Only rows for which `filter` (`bool`, one element a row) is true. Where fewer rows pass than are wanted, the places behind them
    /// have row -1 and score NaN.
    #[must_use]
    pub fn filter(mut self, filter: &Array) -> Search {
        self.filter = Some(filter.clone());
        self
    }
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Neighbours {
    /// Shape (queries, rows wanted): the rows, nearest first; of equal scores the lower row is first.
    pub rows: Array2<i64>,
    /// Shape (queries, rows wanted): cosines, sums of products or Euclidean distances, computed from sums that are rounded once.
    pub scores: Array2<f64>,
    /// Rows with NaN or an infinity, and under the cosine rows of zeros: they have no score (NaN) and come last.
    pub without_score: u64,
    /// What the walk over the rows took; of several the last, and the seconds of all.
    pub report: RunReport,
}

impl Neighbours {
    /// One neighbour fewer of each of the rows from `first` on: not the row itself, or the last where others like it come first.
    fn without_own(self, first: usize) -> Neighbours {
        let count = self.rows.ncols() - 1;
        let own = |place: usize| self.rows.row(place).iter().position(|&row| row == (first + place) as i64).unwrap_or(count);
        let from: Vec<usize> = (0..self.rows.nrows()).map(own).collect();
        let column = |(place, to): (usize, usize)| (place, to + usize::from(to >= from[place]));
        let shape = (self.rows.nrows(), count);
        let rows = Array2::from_shape_fn(shape, |at| self.rows[column(at)]);
        let scores = Array2::from_shape_fn(shape, |at| self.scores[column(at)]);
        Neighbours { rows, scores, ..self }
    }

    /// What several walks found, one after the other.
    fn joined(parts: Vec<Neighbours>) -> Result<Neighbours> {
        let wrong = |error| Error::internal(format!("parts of a graph: {error}"));
        let rows: Vec<_> = parts.iter().map(|part| part.rows.view()).collect();
        let rows = ndarray::concatenate(ndarray::Axis(0), &rows).map_err(wrong)?;
        let scores: Vec<_> = parts.iter().map(|part| part.scores.view()).collect();
        let scores = ndarray::concatenate(ndarray::Axis(0), &scores).map_err(wrong)?;
        let seconds = parts.iter().map(|part| part.report.seconds).sum();
        let last = parts.into_iter().next_back().ok_or_else(|| Error::internal("a graph of no rows"))?;
        Ok(Neighbours { rows, scores, without_score: last.without_score, report: RunReport { seconds, ..last.report } })
    }
}

impl Array {
    /// The rows of a matrix of shape (rows, elements) that are nearest to each of `queries`, of shape (queries, elements) or (elements,).
    ///
    /// One walk over the rows for all queries; queries and what is found are held in memory. The answer is exact: rows are ranked by
    /// scores from exact sums of products, and every row whose fast score could reach the best is scored so. A matrix that has vectors
    /// as columns is given as `x.t()`.
    ///
    /// Errors: more rows wanted than there are, other lengths, queries with NaN (with the number of the first), what reading gives.
    ///
    /// ```
    /// use outcore::{Metric, Search};
    /// let session = outcore::Session::default_session();
    /// let rows = session.from_ndarray(ndarray::array![[1f32, 0.0], [0.0, 1.0], [3.0, 3.0]]);
    /// let query = session.from_ndarray(ndarray::array![[1f32, 0.9]]);
    /// assert_eq!(rows.nearest(&query, &Search::nearest(2))?.rows, ndarray::array![[2, 0]]);
    /// assert_eq!(rows.nearest(&query, &Search::nearest(1).metric(Metric::Dot))?.scores, ndarray::array![[5.699999928474426]]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    pub fn nearest(&self, queries: &Array, search: &Search) -> Result<Neighbours> {
        self.nearest_of(queries, search, Queries::all_scored)
    }

    /// The same with queries that `check` lets pass.
    fn nearest_of(&self, queries: &Array, search: &Search, check: fn(Queries) -> Result<Queries>) -> Result<Neighbours> {
        let queries = if queries.rank()? == 1 { queries.insert_axis(0) } else { queries.clone() };
        let [rows, count, width] = meeting(self, &queries, "a search")?;
        if search.count == 0 || search.count > rows {
            let text = format!("{} nearest rows of {rows} were asked for", search.count);
            return Err(Error::usage(text).hint(format!("a count from 1 to {rows}")));
        }
        let dtype = float_of(self.dtype()?.promote(queries.dtype()?));
        let bytes = elements(&queries, dtype).map_err(held_queries)?;
        let isa = self.session().isa();
        let searched = check(Queries::skipping(search.metric, dtype, width, bytes, isa)?.wanting(search.count))?;
        let (found, report) = self.searched(searched, dtype, search)?;
        let (scores, rest) = found.split_at(count * search.count);
        let shape = (count, search.count);
        let table = |numbers: &[f64]| {
            Array2::from_shape_vec(shape, numbers.to_vec()).map_err(|error| Error::internal(format!("a result of a search: {error}")))
        };
        let mut left_out = rest[count * search.count] as u64;
        let mut rows_found = table(&rest[..count * search.count])?.mapv(|row| row as i64);
        let scores = table(scores)?;
        if let Some(filter) = &search.filter {
            let passed: i64 = filter.count_nonzero(..).item()?;
            left_out = left_out.saturating_sub(rows as u64 - passed as u64);
            // Rows that do not pass stand where rows without a score would.
            rows_found.zip_mut_with(&scores, |row, score| {
                if score.is_nan() {
                    *row = -1;
                }
            });
        }
        Ok(Neighbours { rows: rows_found, scores, without_score: left_out, report })
    }

    /// For every row the `count` other rows nearest to it: the graph of nearest neighbours, of shape (rows, count).
    ///
    /// The array is walked once for as many rows as the budget holds results of. A row is not its own neighbour; its duplicates are.
    /// Rows without a score (NaN, an infinity, under the cosine nothing but zeros) are neighbours of none but where there are no others,
    /// and have none: row -1 and score NaN.
    pub fn nearest_neighbours(&self, search: &Search) -> Result<Neighbours> {
        let [rows, width] = matrix_of_elements(self, "a search")?;
        if search.count == 0 || search.count >= rows {
            let others = rows.saturating_sub(1);
            let text = format!("{} neighbours of each row were asked for, of {others} others", search.count);
            return Err(match others {
                0 => Error::usage(text).hint("queries of their own, or more rows"),
                _ => Error::usage(text).hint(format!("a count from 1 to {others}")),
            });
        }
        let one_more = Search { count: search.count + 1, ..search.clone() };
        let each = (one_more.count * 128 + width * 32) as u64;
        let together = (self.session().limits().memory_bytes / 8 / each).clamp(1, rows as u64) as usize;
        let mut parts = Vec::new();
        for first in (0..rows).step_by(together) {
            let last = (first + together).min(rows);
            let part = self.nearest_of(&self.slice(s![first..last, ..].as_ref()), &one_more, Ok)?;
            parts.push(part.without_own(first));
        }
        Neighbours::joined(parts)
    }

    /// Runs a search: scores, rows, and the number of rows without a score.
    fn searched(&self, queries: Queries, dtype: DType, search: &Search) -> Result<(Vec<f64>, RunReport)> {
        let input = promoted(self, dtype)?;
        let input = match &search.filter {
            None => input,
            Some(filter) => {
                let rows = self.shape()?[0];
                if filter.dtype()? != DType::Bool || filter.shape()? != [rows] {
                    let (dtype, shape) = (filter.dtype()?, show(&filter.shape()?));
                    return Err(Error::mismatch(format!(
                        "a filter of {dtype} of shape {shape} for {rows} rows; it is bool, one element a row"
                    )));
                }
                promoted(&where_(filter.insert_axis(1), &input, f64::NAN), dtype)?
            }
        };
        let name = format!("nearest {} of {:?}", search.count, search.metric);
        let (state_bytes, held_bytes) = (NearestRows::state_bytes(&queries), queries.held_bytes());
        let length = NearestRows::result_length(&queries);
        let code = Arc::new(NearestRows::new(queries, name.clone()));
        RowFold { name, code, state_bytes, held_bytes, length }.run(&self.session(), &input)
    }
}

/// Queries are held in memory whatever is saved.
fn held_queries(error: Error) -> Error {
    let error = if error.kind() == ErrorKind::Refused { error.context("queries, which memory holds") } else { error };
    match error.hint_text() {
        Some(hint) if hint.starts_with("save it") => error.hint("more memory, or fewer queries at a time"),
        _ => error,
    }
}

/// Rows of one matrix, rows of the other, and the elements that all of them have.
fn meeting(rows: &Array, queries: &Array, name: &str) -> Result<[usize; 3]> {
    let [count, width] = matrix_of_elements(rows, name)?;
    let [query_count, query_width] = matrix_of_elements(queries, name)?;
    if query_width != width {
        return Err(Error::mismatch(format!("queries of {query_width} elements, rows of {width}"))
            .hint("vectors that are columns are rows of `x.T` (`--axis 1`)"));
    }
    Ok([count, query_count, width])
}

/// Rows of `width` elements that are held together as queries, each of which takes `state_bytes` in every state.
fn rows_together(array: &Array, width: usize, state_bytes: usize) -> usize {
    let limits = array.session();
    let limits = limits.limits();
    // Held by all workers, of which each is promised them, and once more while they are read.
    let each = (width * 8 + 24) as u64 * (limits.threads as u64 + 1) + state_bytes as u64 * (2 * limits.threads as u64 + 2);
    usize::try_from(limits.memory_bytes / 4 / each).unwrap_or(usize::MAX).max(1)
}
