//! [`Array::near_pairs`]: all pairs of rows that are near to each other.

use super::{super::elementwise::promoted, meeting, rows_together};
use crate::{
    array::{
        job::RunReport,
        matrix::{RowFold, elements, float_of},
        node::Array,
    },
    error::{Error, Result},
    kernel::nearest::{Among, FoundPairs, Metric, PairRows, Queries},
};
use ndarray::{Array1, Array2, s};
use std::sync::Arc;

/// What makes two rows a pair.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    metric: Metric,
    threshold: f64,
}

impl Near {
    /// A cosine of at least `threshold`.
    #[must_use]
    pub fn cosine(threshold: f64) -> Near {
        Near { metric: Metric::Cosine, threshold }
    }

    /// A sum of products of at least `threshold`.
    #[must_use]
    pub fn dot(threshold: f64) -> Near {
        Near { metric: Metric::Dot, threshold }
    }

    /// A Euclidean distance of at most `distance`.
    #[must_use]
    pub fn within(distance: f64) -> Near {
        Near { metric: Metric::L2, threshold: distance }
    }

    fn checked(self) -> Result<Near> {
        let threshold = self.threshold;
        match self.metric {
            Metric::Cosine if !(-1.0..=1.0).contains(&threshold) => {
                Err(Error::usage(format!("a cosine of {threshold} is not from -1 to 1")))
            }
            Metric::L2 if !(0.0..=f64::MAX).contains(&threshold) => {
                Err(Error::usage(format!("a distance of {threshold} is not a number from 0 on")))
            }
            _ if !threshold.is_finite() => Err(Error::usage(format!("a sum of products of {threshold} is no number"))),
            _ => Ok(self),
        }
    }
}

/// Pairs of rows that are near to each other.
#[derive(Clone, Debug)]
pub struct Pairs {
    /// Shape (pairs, 2): the rows of every pair, in order.
    pub rows: Array2<i64>,
    /// Cosines, sums of products or distances of the pairs, computed from sums that are rounded once.
    pub scores: Array1<f64>,
    /// Rows with NaN or an infinity, and under the cosine rows of zeros: they are in no pair.
    pub without_score: u64,
    /// How often the rows were walked over.
    pub walks: usize,
    /// What the last walk took, and the seconds of all.
    pub report: RunReport,
}

impl Array {
    /// All pairs of rows of a matrix that are near to each other, each once and the lower row first, in the order of the rows.
    ///
    /// As many rows as the budget holds are compared with all that come after them in one walk ([`Array::near_pairs_walks`]); scores are
    /// never held. The answer is exact, as that of [`Array::nearest`]: which pairs there are depends on nothing but the rows.
    ///
    /// ```
    /// use outcore::Near;
    /// let session = outcore::Session::default_session();
    /// let x = session.from_ndarray(ndarray::array![[1f32, 0.0], [0.0, 1.0], [2.0, 0.1]]);
    /// assert_eq!(x.near_pairs(Near::cosine(0.9))?.rows, ndarray::array![[0, 2]]);
    /// assert_eq!(x.near_pairs(Near::within(1.5))?.rows, ndarray::array![[0, 1], [0, 2]]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the array is no matrix, if no two rows can be as near as that, or if there are more pairs than a sixteenth of the budget holds.
    pub fn near_pairs(&self, near: Near) -> Result<Pairs> {
        self.pairs(self, Among::One, near)
    }

    /// All pairs of a row of this matrix and one of `other` that are near to each other, in order. One walk over `other` for as many rows
    /// of this one as the budget holds.
    ///
    /// # Errors
    /// As [`Array::near_pairs`], and if rows have different lengths.
    pub fn near_pairs_with(&self, other: &Array, near: Near) -> Result<Pairs> {
        self.pairs(other, Among::Two, near)
    }

    /// How often [`Array::near_pairs_with`] walks over `other`. Of the walks of [`Array::near_pairs`] every one begins later: together they
    /// read the matrix about half as often, and a half time more.
    ///
    /// # Errors
    /// If the arrays are no matrices with rows of one length.
    pub fn near_pairs_walks(&self, other: &Array) -> Result<usize> {
        let [_, count, width] = meeting(other, self, "a search for pairs")?;
        Ok(count.div_ceil(rows_together(self, width, 0)))
    }

    fn pairs(&self, other: &Array, among: Among, near: Near) -> Result<Pairs> {
        let Near { metric, threshold } = near.checked()?;
        let [count, own, width] = meeting(other, self, "a search for pairs")?;
        let session = self.session();
        let dtype = float_of(self.dtype()?.promote(other.dtype()?));
        let rows = promoted(other, dtype)?;
        // A pair is held twice when it is handed over.
        let room = session.limits().memory_bytes / 16 / size_of::<crate::kernel::nearest::Pair>() as u64;
        let found = Arc::new(FoundPairs::with_room(usize::try_from(room).unwrap_or(usize::MAX)));
        let mut without_score = 0;
        let mut seconds = 0.0;
        let mut last_report = None;
        let together = rows_together(self, width, 0);
        for first in (0..own).step_by(together) {
            let last = (first + together).min(own);
            let bytes = elements(&self.slice(s![first..last, ..].as_ref()), dtype)?;
            let queries = Queries::skipping(metric, dtype, width, bytes, session.isa())?;
            let first_row = if among == Among::One { first } else { 0 };
            without_score += if among == Among::Two { queries.without_score() } else { 0 };
            let name = format!("pairs by {metric:?} from row {first}");
            let (state_bytes, held_bytes) = (PairRows::state_bytes(&queries), queries.held_bytes());
            let code = Arc::new(PairRows::new(queries, name.clone(), threshold, among, [first, first_row], &found));
            let walked = rows.slice(s![first_row..count, ..].as_ref());
            let fold = RowFold { name, code, state_bytes, held_bytes, length: 1 };
            let (left_out, report) = fold.run(&session, &walked)?;
            without_score += if first == 0 { left_out[0] as u64 } else { 0 };
            seconds += report.seconds;
            last_report = Some(report);
        }
        let report = last_report.ok_or_else(|| Error::usage("pairs of a matrix without rows"))?;
        let pairs = found.sorted();
        let rows = Array2::from_shape_fn((pairs.len(), 2), |(place, side)| {
            let pair = &pairs[place];
            (if side == 0 { pair.query } else { pair.row }) as i64
        });
        let scores = pairs.iter().map(|pair| pair.score).collect();
        Ok(Pairs { rows, scores, without_score, walks: own.div_ceil(together), report: RunReport { seconds, ..report } })
    }
}
