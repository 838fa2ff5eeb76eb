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

/// What is reduced, and how.
pub(super) fn reduction(value: &Array, finish: Finish, options: &Axes) -> Result<(Array, Reduction)> {
    let meta = value.known()?;
    let adds = matches!(finish, Finish::Sum | Finish::Mean | Finish::Var { .. } | Finish::Std { .. });
    let average = adds && finish != Finish::Sum;
    if let Some(dtype) = options.dtype
        && (!adds || (average && !dtype.is_float()))
    {
        let result = if adds { "a float dtype" } else { "no choice of dtype" };
        return Err(Error::usage(format!("{} has {result}; {dtype} was asked for", finish.name())).hint("cast the result instead"));
    }
    if options.ddof.is_some() && !matches!(finish, Finish::Var { .. } | Finish::Std { .. }) {
        return Err(Error::usage(format!("{} has no ddof", finish.name())));
    }
    let axes = places(options.list.as_deref(), &meta.dims)?;
    let default = reduced_dtype(finish, meta.dtype);
    let dtype = options.dtype.unwrap_or(default);
    // NumPy converts the elements first; a wider float holds the exact sum of narrower ones anyway.
    let widens = meta.dtype.is_float() && meta.dtype.promote(dtype) == dtype;
    let operand = if dtype == default || widens { value.clone() } else { convert(value, dtype, CastMode::Checked)? };
    let session_mode = || value.0.session.as_ref().map_or(SumMode::default(), super::session::Session::sum_mode);
    // One spelling for one meaning, so that equal reductions are one node.
    let mode = if adds { options.mode.unwrap_or_else(session_mode) } else { SumMode::Exact };
    Ok((operand, Reduction { finish, axes, keepdims: options.keepdims, mode, dtype }))
}
