//! Reductions of two arrays: dot products, means with weights, covariances. The pairs are those of elementwise operations.

use super::{
    axes::{Axes, places},
    elementwise::promoted,
    node::Array,
    promotion,
    words::{BinaryOp, DType, Finish, SumMode},
};
use crate::{
    error::{Error, Result},
    expr::{Op, Reduction, reduce::reduced_dtype},
    nd::{broadcast::broadcast_shapes, shape::show},
};

impl Array {
    /// The dot product of two arrays of one axis: the exact sum of the products, which are not rounded, rounded once. Of
    /// integers it is exact, and an error where it leaves their dtype. Of matrices it is [`Array::matmul`].
    ///
    /// ```
    /// use outcore::Session;
    /// let session = Session::default_session();
    /// let (x, y) = (session.from_ndarray(ndarray::array![1e300, 1e300, 3.0]), session.from_ndarray(ndarray::array![1e300, -1e300, 2.0]));
    /// assert_eq!(x.dot(&y).eval::<f64, ndarray::Ix0>()?.into_scalar(), 6.0);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn dot(&self, other: &Array) -> Array {
        let ranks = self.rank().and_then(|rank| Ok([rank, other.rank()?]));
        match ranks {
            Ok([1, 1]) => self.vecdot(other, ..),
            Ok([1 | 2, 1 | 2]) => self.matmul(other),
            Ok(ranks) => self.then(Err(Error::mismatch(format!("dot of arrays of {} and {} axes", ranks[0], ranks[1]))
                .hint("`matmul` multiplies stacks of matrices; `tensordot` and `einsum` name the axes"))),
            Err(error) => self.then(Err(error)),
        }
    }

    /// [`Array::dot`] of all elements of two arrays, in C order.
    #[must_use]
    #[track_caller]
    pub fn vdot(&self, other: &Array) -> Array {
        if self.known().and_then(|meta| Ok(meta.shape == other.known()?.shape)).unwrap_or(false) {
            return self.vecdot(other, ..);
        }
        self.ravel().vecdot(&other.ravel(), ..)
    }

    /// [`Array::dot`] of two arrays that broadcast, over `axes`.
    #[must_use]
    #[track_caller]
    pub fn vecdot(&self, other: &Array, axes: impl Into<Axes>) -> Array {
        if [self, other].iter().all(|side| matches!(side.dtype(), Ok(DType::Bool))) {
            return Array::binary(BinaryOp::BitwiseAnd, self, other).any(axes);
        }
        self.paired(other, Finish::Dot, &axes.into())
    }

    /// The mean over `axes` in which every element counts as often as `weights` says: both sums exact, one rounding.
    #[must_use]
    #[track_caller]
    pub fn average(&self, weights: &Array, axes: impl Into<Axes>) -> Array {
        self.paired(weights, Finish::Average, &axes.into())
    }

    /// The covariance of two arrays over `axes`: exact sums, one rounding; divides by `n - ddof`, `n - 1` unless `axes` say
    /// otherwise. In `f64`, as NumPy has it, unless they name another dtype.
    #[must_use]
    #[track_caller]
    pub fn cov(&self, other: &Array, axes: impl Into<Axes>) -> Array {
        let axes = axes.into();
        self.paired(other, Finish::Cov { ddof: axes.ddof.unwrap_or(1) }, &axes)
    }

    /// Pearson's correlation of two arrays over `axes`: exact sums, one rounding; never beyond -1 and 1, and 1 of an array that
    /// is not constant and itself.
    #[must_use]
    #[track_caller]
    pub fn corr(&self, other: &Array, axes: impl Into<Axes>) -> Array {
        self.paired(other, Finish::Corr, &axes.into())
    }

    #[track_caller]
    fn paired(&self, other: &Array, finish: Finish, axes: &Axes) -> Array {
        let session = self.0.session.as_ref().or(other.0.session.as_ref());
        Array::settle(try_paired(self, other, finish, axes), session)
    }
}

fn try_paired(left: &Array, right: &Array, finish: Finish, options: &Axes) -> Result<Array> {
    let name = finish.name();
    let widening = promotion::meet(name, left, right)?;
    let metas = [left.known()?, right.known()?];
    let shape = broadcast_shapes(&["the left operand", "the right operand"], &[&metas[0].shape, &metas[1].shape])?;
    let lengths: Option<Vec<usize>> = shape.iter().map(|extent| extent.known()).collect();
    let Some(lengths) = lengths else {
        return Err(Error::usage(format!("{name} needs a known shape, not {}", show(&shape))).hint("save the selection first"));
    };
    if options.ddof.is_some() && !finish.has_ddof() {
        return Err(Error::usage(format!("{name} has no ddof")));
    }
    let met = metas[0].dtype.promote(metas[1].dtype);
    let default = reduced_dtype(finish, met);
    let dtype = options.dtype.unwrap_or(default);
    if !dtype.is_float() && dtype != default {
        return Err(Error::usage(format!("{name} of {met} gives {default}; {dtype} was asked for")).hint("cast the result instead"));
    }
    // Exact sums of narrow floats, and of integers, do not need the operands in the dtype of the result.
    let operand = if met.is_float() && dtype.promote(met) == dtype || !met.is_float() { met } else { dtype };
    let stretched = |side: &Array| -> Result<Array> {
        let side = promoted(side, operand)?;
        if side.known()?.shape == shape { Ok(side) } else { Array::make(Op::BroadcastTo(lengths.clone()), vec![side]) }
    };
    let (left, right) = (stretched(left)?, stretched(right)?);
    let axes = places(options.list.as_deref(), &left.known()?.dims)?;
    let session_mode =
        || left.0.session.as_ref().or(right.0.session.as_ref()).map_or(SumMode::default(), super::session::Session::sum_mode);
    let mode = options.mode.unwrap_or_else(session_mode);
    let reduction = Reduction { finish, axes, keepdims: options.keepdims, mode, dtype };
    Ok(promotion::noted(Array::make(Op::Reduce(reduction), vec![left, right])?, widening))
}
