//! Skewness and kurtosis, as `scipy.stats` defines them: compositions in f64 whose sums are exact.
//!
//! The elements are first moved by their mean, rounded once; what that rounding leaves is taken out again by the sums of the
//! moved elements. With `d` the distances from the true mean, the error of the third and fourth central moment is below
//! `2^-49` times the mean of `|d|^3` and of `d^4`; integers beyond `2^53` are rounded to f64 before.

use super::{
    axes::{Axes, places},
    node::Array,
    words::{DType, Finish},
};
use crate::{error::Result, expr::reduce::reduced_dtype};

/// Whether statistics of a sample are corrected for its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bias {
    /// The moments as they are.
    #[default]
    Kept,
    /// Corrected, as far as the number of elements allows.
    Removed,
}

/// Which kurtosis a normal distribution has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kurtosis {
    /// 0: what is above or below 3.
    #[default]
    Fisher,
    /// 3.
    Pearson,
}

/// Means of the first powers of the distances from a number near the mean.
struct Powers {
    means: [Array; 4],
    /// Elements of a slice.
    count: f64,
    dtype: DType,
}

impl Array {
    /// Skewness over `axes`: the third central moment divided by the cube of the standard deviation; NaN of a constant.
    ///
    /// ```
    /// use outcore::{Bias, Session};
    /// let x = Session::default_session().from_ndarray(ndarray::array![1.0, 1.0, 1.0, 5.0]);
    /// let skew = x.skew(.., Bias::Kept).eval::<f64, ndarray::Ix0>()?.into_scalar();
    /// assert!((skew - 2.0 / 3f64.sqrt()).abs() < 1e-15);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn skew(&self, axes: impl Into<Axes>, bias: Bias) -> Array {
        let powers = match self.powers(&axes.into(), 3) {
            Ok(powers) => powers,
            Err(error) => return self.then(Err(error)),
        };
        let [first, second, third, _] = &powers.means;
        let variance = second - first.square();
        let moment = third - first * second * 3.0 + first.square() * first * 2.0;
        let skew = moment / (variance.sqrt() * &variance);
        let n = powers.count;
        let skew = if bias == Bias::Removed && n > 2.0 { skew * ((n * (n - 1.0)).sqrt() / (n - 2.0)) } else { skew };
        skew.astype(powers.dtype)
    }

    /// Kurtosis over `axes`: the fourth central moment divided by the square of the variance, less 3 by Fisher's definition; NaN
    /// of a constant.
    #[must_use]
    #[track_caller]
    pub fn kurtosis(&self, axes: impl Into<Axes>, definition: Kurtosis, bias: Bias) -> Array {
        let powers = match self.powers(&axes.into(), 4) {
            Ok(powers) => powers,
            Err(error) => return self.then(Err(error)),
        };
        let [first, second, third, fourth] = &powers.means;
        let square = first.square();
        let variance = second - &square;
        let moment = fourth - first * third * 4.0 + &square * second * 6.0 - square.square() * 3.0;
        let kurtosis = moment / variance.square();
        let n = powers.count;
        let excess = if bias == Bias::Removed && n > 3.0 {
            (kurtosis * (n * n - 1.0) - 3.0 * (n - 1.0) * (n - 1.0)) * (1.0 / ((n - 2.0) * (n - 3.0)))
        } else {
            kurtosis - 3.0
        };
        let made = if definition == Kurtosis::Fisher { excess } else { excess + 3.0 };
        made.astype(powers.dtype)
    }

    #[track_caller]
    fn powers(&self, axes: &Axes, highest: usize) -> Result<Powers> {
        let meta = self.known()?;
        let reduced = places(axes.list.as_deref(), &meta.dims)?;
        let count: f64 = reduced.iter().map(|&axis| meta.shape[axis].bound() as f64).product();
        let value = self.astype(DType::F64);
        let distance = &value - value.mean(axes.clone().keepdims());
        let square = distance.square();
        let third = &square * &distance;
        let fourth = if highest == 4 { square.square() } else { square.clone() };
        let means = [distance, square, third, fourth].map(|power| power.mean(axes.clone()));
        Ok(Powers { means, count, dtype: reduced_dtype(Finish::Mean, meta.dtype) })
    }
}
