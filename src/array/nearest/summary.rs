//! [`Array::distance_summary`]: how far rows are from all rows of another matrix.

use super::{meeting, rows_together};
use crate::{
    array::{
        elementwise::promoted,
        job::RunReport,
        matrix::{RowFold, elements},
        node::Array,
        words::DType,
    },
    error::{Error, Result},
    kernel::nearest::{Metric, Queries, SummedRows},
};
use ndarray::{Array1, s};
use std::sync::Arc;

/// Bytes that the numbers of a row take in a state: an exact sum, and what is written.
const STATE_BYTES: usize = 512;

/// What every row is away from all rows of another matrix: cosines, sums of products or Euclidean distances.
#[derive(Clone, Debug)]
pub struct DistanceSummary {
    /// The least of each row.
    pub min: Array1<f64>,
    /// The greatest of each row.
    pub max: Array1<f64>,
    /// The sum of each row: an exact sum of numbers in `f64`, rounded once.
    pub sum: Array1<f64>,
    /// The sum over the number of rows that were counted.
    pub mean: Array1<f64>,
    /// Rows of the other matrix with NaN or an infinity, and under the cosine rows of zeros: they are left out.
    pub without_score: u64,
    /// What the last walk took, and the seconds of all.
    pub report: RunReport,
}

impl Array {
    /// For every row the least, the greatest, the sum and the mean of what it is away from all rows of `other`, without the matrix of
    /// distances: one walk over `other` for as many rows as the budget holds.
    ///
    /// All of it is computed in `f64` and has the same bits on any grid. A sum of products is right to about 3e-14 of the product of the
    /// norms; distances come from such sums, and those of rows nearer than a thousandth of their norms from differences, so that they are
    /// right to 1e-7 of themselves at worst, and zero between equal rows. Rows without a score give NaN, and are left out of `other`.
    ///
    /// ```
    /// use outcore::Metric;
    /// let session = outcore::Session::default_session();
    /// let x = session.from_ndarray(ndarray::array![[0f32, 0.0], [3.0, 4.0]]);
    /// let found = x.distance_summary(&x, Metric::L2)?;
    /// assert_eq!((found.min[0], found.max[0], found.mean[0], found.sum[1]), (0.0, 5.0, 2.5, 5.0));
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the arrays are no matrices with rows of one length, or `other` has no rows.
    pub fn distance_summary(&self, other: &Array, metric: Metric) -> Result<DistanceSummary> {
        let [count, own, width] = meeting(other, self, "a summary of distances")?;
        if count == 0 || own == 0 {
            return Err(Error::usage(format!("a summary of distances of {own} rows from {count} rows")));
        }
        let session = self.session();
        let rows = promoted(other, DType::F64)?;
        let (mut ends, mut sums) = ([Vec::with_capacity(own), Vec::with_capacity(own)], Vec::with_capacity(own));
        let mut seconds = 0.0;
        let mut last = None;
        let together = rows_together(self, width, STATE_BYTES);
        for first in (0..own).step_by(together) {
            let bytes = elements(&self.slice(s![first..(first + together).min(own), ..].as_ref()), DType::F64)?;
            let queries = Queries::skipping(metric, DType::F64, width, bytes, session.isa())?;
            let scored: Vec<bool> = queries.scored().collect();
            let name = format!("distances by {metric:?} from row {first}");
            let (state_bytes, held_bytes) = (SummedRows::state_bytes(&queries), queries.held_bytes());
            let length = SummedRows::result_length(&queries);
            let code = Arc::new(SummedRows::new(queries, name.clone()));
            let (found, report) = RowFold { name, code, state_bytes, held_bytes, length }.run(&session, &rows)?;
            let without_score = found[found.len() - 1];
            let known = |place: usize| scored[place] && (without_score as usize) < count;
            let numbers = |part: usize| {
                let part = &found[part * scored.len()..][..scored.len()];
                part.iter().enumerate().map(|(place, &number)| if known(place) { number } else { f64::NAN })
            };
            ends[0].extend(numbers(0));
            ends[1].extend(numbers(1));
            sums.extend(numbers(2));
            seconds += report.seconds;
            last = Some((report, without_score as u64));
        }
        let (report, without_score) = last.ok_or_else(|| Error::internal("a summary of no rows"))?;
        let [min, max] = ends.map(Array1::from_vec);
        let sum = Array1::from_vec(sums);
        let mean = &sum / (count as u64 - without_score) as f64;
        Ok(DistanceSummary { min, max, sum, mean, without_score, report: RunReport { seconds, ..report } })
    }
}
