//! Functions of whole rows: softmax and its kin, norms, standardisation. Compositions; the planner fuses them.
//!
//! `f16` and `bf16` are computed in `f32` and rounded at the end, integers as the floats that hold them.

use super::{
    axes::{Axes, axis},
    node::Array,
    words::DType,
};
use crate::{
    error::{Error, Result},
    nd::shape::normalize_axis,
};

/// Which length [`Array::normalize`] makes 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Norm {
    /// The sum of the magnitudes.
    L1,
    /// The root of the sum of the squares; squares of narrow floats are not rounded.
    #[default]
    L2,
}

impl Array {
    /// `exp(x)` divided by its sum over `axes`, without overflow in between.
    ///
    /// ```
    /// use outcore::{Session, axis};
    /// let session = Session::builder().memory("64MiB").build()?;
    /// let rows = session.from_ndarray(ndarray::array![[0f32, 0.0], [1000.0, 0.0]]);
    /// let p = rows.softmax(-1).eval::<f32, ndarray::Ix2>()?;
    /// assert_eq!(p, ndarray::array![[0.5, 0.5], [1.0, 0.0]]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn softmax(&self, axes: impl Into<Axes>) -> Array {
        let (value, dtype) = self.wide();
        let axes = axes.into().keepdims();
        let powers = (&value - value.max(axes.clone())).exp();
        (&powers / powers.sum(axes)).astype_or_keep(dtype)
    }

    /// The logarithm of [`Array::softmax`], accurate where that is near 0 and finite where that is 0.
    #[must_use]
    #[track_caller]
    pub fn log_softmax(&self, axes: impl Into<Axes>) -> Array {
        let (value, dtype) = self.wide();
        let axes = axes.into().keepdims();
        let shifted = &value - value.finite_max(&axes);
        (&shifted - shifted.exp().sum(axes).log()).astype_or_keep(dtype)
    }

    /// The logarithm of the sum of `exp(x)` over `axes`, without overflow in between.
    #[must_use]
    #[track_caller]
    pub fn logsumexp(&self, axes: impl Into<Axes>) -> Array {
        let (value, dtype) = self.wide();
        let given = axes.into();
        let kept = given.clone().keepdims();
        // The same maximum twice: once beside the elements, once in the shape of the result.
        let sum = (&value - value.finite_max(&kept)).exp().sum(given.clone());
        (sum.log() + value.finite_max(&given)).astype_or_keep(dtype)
    }

    /// The largest element over `axes`, 0 where that is infinite or NaN.
    #[track_caller]
    fn finite_max(&self, axes: &Axes) -> Array {
        let largest = self.max(axes.clone());
        Array::select(&largest.isfinite(), &largest, &Array::scalar(0.0))
    }

    /// Divided by its norm over `axes`, or by `epsilon` where the norm is smaller.
    #[must_use]
    #[track_caller]
    pub fn normalize(&self, norm: Norm, axes: impl Into<Axes>, epsilon: f64) -> Array {
        let value = self.to_float();
        let dtype = value.dtype().ok();
        let axes = axes.into().keepdims();
        // In f64 no length of a narrower row is infinite or 0 that should not be. The squares of f64 may be: their norm has no such step.
        let length = match norm {
            Norm::L1 => value.abs().sum(axes.dtype(DType::F64)),
            Norm::L2 if dtype == Some(DType::F64) => value.norm(axes),
            Norm::L2 => value.astype(DType::F64).square().sum(axes).sqrt(),
        };
        (value.astype(DType::F64) / length.maximum(epsilon)).astype_or_keep(dtype)
    }

    /// `(x - mean) / std` over `axes`, whose `ddof` counts. Where the deviation is 0 the result is NaN: `epsilon` added to the
    /// deviation's square keeps it finite.
    #[must_use]
    #[track_caller]
    pub fn standardize(&self, axes: impl Into<Axes>, epsilon: f64) -> Array {
        let (value, dtype) = self.wide();
        let axes = axes.into().keepdims();
        let mean = value.mean(Axes { ddof: None, ..axes.clone() });
        let deviation = match epsilon {
            0.0 => value.std(axes),
            // The root of variance and epsilon, neither of which is squared again: the variance of a finite row may be infinite.
            _ => value.std(axes.dtype(DType::F64)).hypot(epsilon.sqrt()).astype_or_keep(value.dtype().ok()),
        };
        ((&value - mean) / deviation).astype_or_keep(dtype)
    }

    /// [`Array::standardize`] over the last axes with `epsilon` beside the variance, as networks do; weights and biases multiply
    /// and add as usual after it.
    #[must_use]
    #[track_caller]
    pub fn layer_norm(&self, axes: impl Into<Axes>, epsilon: f64) -> Array {
        self.standardize(axes, epsilon)
    }

    /// [`Array::standardize`] over all axes but `channel`, with `epsilon` beside the variance.
    #[must_use]
    #[track_caller]
    pub fn batch_norm(&self, channel: i64, epsilon: f64) -> Array {
        match self.others(channel) {
            Ok(others) => self.standardize(axis(others), epsilon),
            Err(error) => self.then(Err(error)),
        }
    }

    /// All axes but one.
    fn others(&self, channel: i64) -> Result<Vec<i64>> {
        let rank = self.known()?.rank();
        let channel = normalize_axis(channel, rank)?;
        if rank < 2 {
            return Err(Error::mismatch("batch_norm needs an axis beside that of the channels").hint("use standardize"));
        }
        Ok((0..rank).filter(|place| *place != channel).map(|place| place as i64).collect())
    }

    /// As a float of at least 32 bits, and the dtype to go back to if it was narrower.
    #[track_caller]
    fn wide(&self) -> (Array, Option<DType>) {
        let value = self.to_float();
        match value.dtype() {
            Ok(dtype @ (DType::F16 | DType::BF16)) => (value.astype(DType::F32), Some(dtype)),
            _ => (value, None),
        }
    }

    #[track_caller]
    fn astype_or_keep(&self, dtype: Option<DType>) -> Array {
        dtype.map_or_else(|| self.clone(), |dtype| self.astype(dtype))
    }
}
