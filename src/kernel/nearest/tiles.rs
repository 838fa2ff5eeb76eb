//! Sums of products of a few rows with a few queries at a time, so that they stay in the cache.

use super::{
    Queries,
    fast::{Norms, Squares},
};
use crate::{
    error::{Error, Result},
    kernel::{
        product::RowProducts,
        simd::{enter, kernels},
    },
};
use std::ops::Range;

/// Queries that are multiplied together.
const QUERIES_TOGETHER: usize = 128;
/// Rows that are multiplied together.
pub(super) const ROWS_TOGETHER: usize = 512;

/// Norms of some rows, and their products with some queries.
#[derive(Default)]
pub(super) struct Tiles {
    pub norms: Norms,
    products: RowProducts,
}

impl Tiles {
    /// Bytes held at most.
    pub fn bytes_max(queries: &Queries) -> u64 {
        let together = queries.count.min(QUERIES_TOGETHER);
        let products = RowProducts::bytes_max(ROWS_TOGETHER, together, queries.width, queries.dtype.size());
        products.saturating_add((ROWS_TOGETHER * 24 + queries.width * 8) as u64)
    }

    /// Measures the norms of rows: NaN for those that have no score.
    pub fn measure(&mut self, queries: &Queries, rows: &[u8]) {
        let Queries { metric, dtype, width, isa, .. } = *queries;
        enter(isa, Squares { norms: &mut self.norms, rows, width, dtype, metric });
    }

    /// Multiplies the rows that were measured with queries.
    pub fn multiply(&mut self, queries: &Queries, together: Range<usize>, rows: &[u8]) -> Result<()> {
        let kernel = (kernels(queries.isa).product)(queries.dtype);
        let kernel = kernel.ok_or_else(|| Error::internal(format!("no products of {}", queries.dtype)))?;
        let count = self.norms.norms.len();
        self.products.fill(kernel, (rows, 0..count), (&queries.bytes, together), queries.width);
        Ok(())
    }

    /// What was multiplied last: row by row, a sum for every query.
    pub fn sums(&self) -> &[f64] {
        &self.products.sums
    }

    /// The sums of the query at `place` among those that were multiplied last.
    pub fn sums_of(&self, place: usize) -> impl Iterator<Item = f64> {
        let queries = self.products.sums.len() / self.norms.norms.len().max(1);
        self.products.sums.iter().skip(place).step_by(queries.max(1)).copied()
    }
}

/// Queries in groups that are multiplied together.
pub(super) fn groups(queries: &Queries) -> impl Iterator<Item = Range<usize>> + use<> {
    let count = queries.count;
    (0..count).step_by(QUERIES_TOGETHER).map(move |from| from..(from + QUERIES_TOGETHER).min(count))
}

/// A block of whole rows in parts that are multiplied together, each with its first row.
pub(super) fn parts<'a>(
    queries: &Queries,
    start: &[usize],
    shape: &[usize],
    block: &'a [u8],
) -> Result<impl Iterator<Item = (u64, &'a [u8])> + use<'a>> {
    let [_, width] = *shape else { return Err(Error::internal(format!("a search in a block of {} axes", shape.len()))) };
    if width != queries.width || start[1] != 0 {
        return Err(Error::internal(format!("a search in rows of {width} of {} elements", queries.width)));
    }
    let first = start[0];
    let parts = block.chunks(ROWS_TOGETHER * queries.row_bytes()).enumerate();
    Ok(parts.map(move |(place, part)| ((first + place * ROWS_TOGETHER) as u64, part)))
}
