//! Reductions over axes.

use super::{
    axes::{Axes, AxisRef, places},
    elementwise::convert,
    node::Array,
    words::{CastMode, DType, Finish, SumMode},
};
use crate::{
    error::{Error, Result},
    expr::{Op, Reduction, reduce::reduced_dtype},
};

impl Array {
    /// The reduction `finish` over `axes` (`None`: all). The typed methods ([`Array::sum`] and the like) are this with defaults.
    #[must_use]
    #[track_caller]
    pub fn reduce(&self, finish: Finish, axes: Option<Vec<i64>>, keepdims: bool, dtype: Option<DType>, mode: SumMode) -> Array {
        let list = axes.map(|axes| axes.into_iter().map(AxisRef::Index).collect());
        let axes = Axes { list, keepdims, ddof: None, dtype, mode: Some(mode) };
        self.then(try_reduce(self, finish, &axes))
    }

    #[track_caller]
    fn reduced(&self, finish: Finish, axes: &Axes) -> Array {
        self.then(try_reduce(self, finish, axes))
    }

    /// Variance over `axes`: the exact sums, one rounding; divides by `n - ddof`.
    #[must_use]
    #[track_caller]
    pub fn var(&self, axes: impl Into<Axes>) -> Array {
        let axes = axes.into();
        self.reduced(Finish::Var { ddof: axes.ddof.unwrap_or(0) }, &axes)
    }

    /// Quantiles `q` (from 0 to 1) over `axes`, about: a float at most 1/256 of its magnitude away from the element of rank
    /// `floor(q (n - 1))`; NaN where there is a NaN. One pass for all that are asked of one array. The answer depends on the
    /// elements alone, not on their order or blocks. Every element of the result takes 4.3 MB while it is computed, of `f32`
    /// 0.6 MB and of integers 0.3 MB.
    ///
    /// ```
    /// let x = outcore::Session::default_session().arange(0, 1001, 1);
    /// let median: f64 = x.approx_quantile(0.5, ..).item()?;
    /// assert!((median - 500.0).abs() <= 500.0 / 256.0);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn approx_quantile(&self, q: f64, axes: impl Into<Axes>) -> Array {
        match approx_quantile(q) {
            Ok(finish) => self.reduced(finish, &axes.into()),
            Err(error) => self.then(Err(error)),
        }
    }

    /// Standard deviation over `axes`; divides by `n - ddof`.
    #[must_use]
    #[track_caller]
    pub fn std(&self, axes: impl Into<Axes>) -> Array {
        let axes = axes.into();
        self.reduced(Finish::Std { ddof: axes.ddof.unwrap_or(0) }, &axes)
    }

    /// [`Array::var`] of the elements that are not NaN.
    #[must_use]
    #[track_caller]
    pub fn nanvar(&self, axes: impl Into<Axes>) -> Array {
        let axes = axes.into();
        self.reduced(Finish::NanVar { ddof: axes.ddof.unwrap_or(0) }, &axes)
    }

    /// [`Array::std`] of the elements that are not NaN.
    #[must_use]
    #[track_caller]
    pub fn nanstd(&self, axes: impl Into<Axes>) -> Array {
        let axes = axes.into();
        self.reduced(Finish::NanStd { ddof: axes.ddof.unwrap_or(0) }, &axes)
    }

    /// The largest element minus the smallest over `axes`.
    #[must_use]
    #[track_caller]
    pub fn ptp(&self, axes: impl Into<Axes>) -> Array {
        if let Ok(DType::Bool) = self.dtype() {
            return self.then(Err(Error::mismatch("ptp is not defined for bool").hint("cast first")));
        }
        let axes = axes.into();
        let largest = self.max(axes.clone());
        match largest.error() {
            // It is the error of both; an empty axis is one of them.
            Some(error) => self.then(Err(error.context("ptp"))),
            None => largest - self.min(axes),
        }
    }
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident $finish:ident;)*) => {
        impl Array {$(
            $(#[$doc])*
            #[must_use]
            #[track_caller]
            pub fn $name(&self, axes: impl Into<Axes>) -> Array { self.reduced(Finish::$finish, &axes.into()) }
        )*}
    };
}
reductions! {
    /// Sum over `axes`, in the dtype NumPy gives it: floats keep theirs, integers give `i64` or `u64`.
    sum Sum;
    /// Mean over `axes`; integers give `f64`.
    mean Mean;
    /// Smallest element over `axes`; NaN if there is one.
    min Min;
    /// Largest element over `axes`; NaN if there is one.
    max Max;
    /// Whether any element is not zero.
    any Any;
    /// Whether no element is zero.
    all All;
    /// Number of elements that are not zero, as `i64`.
    count_nonzero CountNonzero;
    /// Index of the first smallest element along an axis, or in C order of all elements, as `i64`; of the first NaN, if there is
    /// one. Both zeros are equal.
    ///
    /// ```
    /// use outcore::Session;
    /// let x = Session::default_session().from_ndarray(ndarray::array![[3f32, 1.0], [0.5, 1.0]]);
    /// assert_eq!(x.argmin(..).eval::<i64, ndarray::Ix0>()?.into_scalar(), 2);
    /// assert_eq!(x.argmax(0).eval::<i64, ndarray::Ix1>()?, ndarray::array![0, 0]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    argmin ArgMin;
    /// [`Array::argmin`] for the largest element.
    argmax ArgMax;
    /// Product over `axes`, in the dtype that a sum has. Of integers it is exact, and an error where it does not fit. Of `n` floats
    /// its relative error is below `n * 2^-53` and one rounding; nothing overflows on the way. The bits of a product of floats
    /// depend on the grid of blocks, never on threads.
    prod Prod;
    /// [`Array::sum`] of the elements that are not NaN: as exact.
    ///
    /// ```
    /// use outcore::Session;
    /// let x = Session::default_session().from_ndarray(ndarray::array![1e16, f64::NAN, 1.0, -1e16]);
    /// assert_eq!(x.nansum(..).eval::<f64, ndarray::Ix0>()?.into_scalar(), 1.0);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    nansum NanSum;
    /// [`Array::mean`] of the elements that are not NaN; NaN, and a warning, where all are.
    nanmean NanMean;
    /// Smallest element that is not NaN; NaN, and a warning, where all are.
    nanmin NanMin;
    /// Largest element that is not NaN; NaN, and a warning, where all are.
    nanmax NanMax;
    /// [`Array::argmin`] of the elements that are not NaN; an error where all are.
    nanargmin NanArgMin;
    /// [`Array::argmax`] of the elements that are not NaN; an error where all are.
    nanargmax NanArgMax;
    /// [`Array::prod`] of the elements that are not NaN.
    nanprod NanProd;
    /// Euclidean length over `axes`: the root of the exact sum of squares, rounded once; integers give `f64`.
    ///
    /// ```
    /// use outcore::Session;
    /// let x = Session::default_session().from_ndarray(ndarray::array![3.0, 4.0]) * 2f64.powi(600);
    /// assert_eq!(x.norm(..).item::<f64>()?, 5.0 * 2f64.powi(600));
    /// # Ok::<(), outcore::Error>(())
    /// ```
    norm Norm;
    /// About how many different elements there are, as `i64`, with a standard error of 0.8 percent; zeros are one, and so are
    /// NaNs. The answer depends on the elements alone, not on their order or blocks.
    approx_distinct ApproxDistinct;
}

/// The finish of a quantile.
pub(super) fn approx_quantile(q: f64) -> Result<Finish> {
    if (0.0..=1.0).contains(&q) {
        // One spelling of zero.
        return Ok(Finish::ApproxQuantile { bits: (q + 0.0).to_bits() });
    }
    Err(Error::usage(format!("a quantile is between 0 and 1, not {q}")))
}

fn try_reduce(value: &Array, finish: Finish, options: &Axes) -> Result<Array> {
    let (operand, reduction) = reduction(value, finish, options)?;
    Array::make(Op::Reduce(reduction), vec![operand])
}

/// Sums and products are numbers.
pub(super) fn refuse_truth(name: &str, dtype: Option<DType>) -> Result<()> {
    match dtype {
        Some(DType::Bool) => Err(Error::usage(format!("{name} has no dtype bool: it is a number"))
            .hint("`any(x)` is true where a sum of truths would be, `all(x)` where a product is")),
        _ => Ok(()),
    }
}

/// What is reduced, and how.
pub(super) fn reduction(value: &Array, finish: Finish, options: &Axes) -> Result<(Array, Reduction)> {
    let meta = value.known()?;
    // Nothing but a float can be NaN.
    let finish = if meta.dtype.is_float() { finish } else { finish.plain() };
    let plain = finish.plain();
    if plain.is_paired() {
        return Err(Error::usage(format!("{} takes two arrays", finish.name())));
    }
    let adds = matches!(plain, Finish::Sum | Finish::Mean | Finish::Var { .. } | Finish::Std { .. } | Finish::Norm);
    let has_dtype = adds || plain == Finish::Prod;
    let average = adds && plain != Finish::Sum;
    if let Some(dtype) = options.dtype
        && (!has_dtype || (average && !dtype.is_float()))
    {
        let result = if has_dtype { "a float dtype" } else { "no choice of dtype" };
        return Err(Error::usage(format!("{} has {result}; {dtype} was asked for", finish.name())).hint("cast the result instead"));
    }
    refuse_truth(finish.name(), options.dtype)?;
    if options.ddof.is_some() && !finish.has_ddof() {
        return Err(Error::usage(format!("{} has no ddof", finish.name())));
    }
    let axes = places(options.list.as_deref(), &meta.dims)?;
    if matches!(plain, Finish::ArgMin | Finish::ArgMax) && options.list.is_some() && axes.len() != 1 {
        let error = Error::usage(format!("{} runs over one axis or over all, not over {axes:?}", finish.name()));
        return Err(error.hint("reshape first, so that they are one axis"));
    }
    let default = reduced_dtype(finish, meta.dtype);
    let dtype = options.dtype.unwrap_or(default);
    // NumPy converts the elements first, which loses digits or wraps. A sum is taken of the elements as they are and rounded once, or
    // refused where it does not fit; so is a product of integers.
    let whole = !meta.dtype.is_float() && dtype.is_integer();
    let rounds = dtype.is_float() && (meta.dtype.is_float() || plain != Finish::Prod);
    let converts = dtype != default && !whole && !rounds;
    let operand = if converts { convert(value, dtype, CastMode::Checked)? } else { value.clone() };
    let session_mode = || value.0.session.as_ref().map_or(SumMode::default(), super::session::Session::sum_mode);
    // One spelling for one meaning, so that equal reductions are one node.
    let mode = if adds { options.mode.unwrap_or_else(session_mode) } else { SumMode::Exact };
    Ok((operand, Reduction { finish, axes, keepdims: options.keepdims, mode, dtype }))
}
