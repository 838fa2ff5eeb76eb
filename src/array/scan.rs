//! Running sums, products and extremes along an axis; differences; sliding windows.

use super::{
    axes::{Axes, AxisRef, places},
    elementwise::convert,
    node::Array,
    session::Session,
    words::{BinaryOp, CastMode, DType, ScanKind, SliceItem, SumMode},
};
use crate::{
    error::{Error, Result},
    expr::{Op, scan::scanned_dtype},
    nd::shape::show,
};

impl Array {
    /// Running sums along an axis, of the elements in C order for `..`: element `i` is the sum of the elements up to `i`.
    ///
    /// The last one is [`Array::sum`] bit for bit: floats are added exactly, and rounded once at every 4096th element of the axis and at
    /// its last; in between, double-double sums go on from there. Nothing depends on blocks, threads or memory. A running sum of
    /// integers that does not fit 64 bits is an error that names its place. `axis(0).dtype(..)` and `axis(0).sum(..)` are options.
    ///
    /// ```
    /// let x = outcore::Session::default_session().arange(1, 5, 1);
    /// assert_eq!(x.cumsum(0).eval::<i64, _>()?, ndarray::array![1, 3, 6, 10]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn cumsum(&self, axis: impl Into<Axes>) -> Array {
        let axis = axis.into();
        let mode = axis.mode.unwrap_or_else(|| self.0.session.as_ref().map_or(SumMode::default(), Session::sum_mode));
        self.then(try_scan(self, ScanKind::Sum(mode), &axis))
    }

    /// Running products along an axis; narrow floats are multiplied in f64. Integers as in [`Array::cumsum`].
    ///
    /// ```
    /// let x = outcore::Session::default_session().arange(1, 5, 1);
    /// assert_eq!(x.cumprod(0).eval::<i64, _>()?, ndarray::array![1, 2, 6, 24]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn cumprod(&self, axis: impl Into<Axes>) -> Array {
        self.then(try_scan(self, ScanKind::Product, &axis.into()))
    }

    /// The largest element so far along an axis; NaN once there was one.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![1f32, 3.0, 2.0]);
    /// assert_eq!(x.cummax(0).eval::<f32, _>()?, ndarray::array![1.0, 3.0, 3.0]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn cummax(&self, axis: impl Into<Axes>) -> Array {
        self.then(try_scan(self, ScanKind::Maximum, &axis.into()))
    }

    /// The smallest element so far along an axis; NaN once there was one.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![2f32, 3.0, 1.0]);
    /// assert_eq!(x.cummin(0).eval::<f32, _>()?, ndarray::array![2.0, 2.0, 1.0]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn cummin(&self, axis: impl Into<Axes>) -> Array {
        self.then(try_scan(self, ScanKind::Minimum, &axis.into()))
    }

    /// Differences of neighbours along an axis, `n` times over (at most 100, an error otherwise, or until nothing is left);
    /// of bools, whether they differ.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![1, 4, 9, 16]);
    /// assert_eq!(x.diff(2, -1).eval::<i32, _>()?, ndarray::array![2, 2]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn diff(&self, n: usize, axis: impl Into<AxisRef>) -> Array {
        self.then(try_diff(self, n, &axis.into()))
    }

    /// Differences of neighbours of all elements in C order.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![[1, 4], [9, 16]]);
    /// assert_eq!(x.ediff1d().eval::<i32, _>()?, ndarray::array![3, 5, 7]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn ediff1d(&self) -> Array {
        self.ravel().diff(1, 0)
    }

    /// Every window of `window` neighbours along an axis: a view, with the places in the window along a new last axis.
    ///
    /// Reductions over that axis read what lies under all windows of a block once.
    ///
    /// ```
    /// use outcore::axis;
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![1f32, 2.0, 6.0, 4.0]);
    /// let means = x.sliding_window_view(3, 0).mean(axis(-1));
    /// assert_eq!(means.eval::<f32, _>()?, ndarray::array![3.0, 4.0]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn sliding_window_view(&self, window: usize, axis: impl Into<AxisRef>) -> Array {
        let axis = axis.into();
        self.then(self.axis_of(&axis).and_then(|axis| Array::make(Op::Windows { axis, window }, vec![self.clone()])))
    }
}

fn try_scan(value: &Array, kind: ScanKind, options: &Axes) -> Result<Array> {
    let meta = value.known()?;
    let name = kind.name();
    if options.ddof.is_some() || options.keepdims {
        return Err(Error::usage(format!("{name} has no ddof and no keepdims: it keeps all axes")));
    }
    if options.dtype.is_some() && !matches!(kind, ScanKind::Sum(_) | ScanKind::Product) {
        return Err(Error::usage(format!("{name} has no choice of dtype")).hint("cast the result instead"));
    }
    super::reduce::refuse_truth(name, options.dtype)?;
    let (value, axis) = match &options.list {
        None if meta.rank() == 1 => (value.clone(), 0),
        None => (Array::make(Op::Reshape(vec![-1]), vec![value.clone()])?, 0),
        Some(list) => match places(Some(list), &meta.dims)?[..] {
            [axis] => (value.clone(), axis),
            ref several => return Err(Error::usage(format!("{name} goes along one axis, not along {}", show(several)))),
        },
    };
    let wanted = options.dtype.unwrap_or_else(|| scanned_dtype(kind, meta.dtype));
    let held = scanned_dtype(kind, wanted);
    let kind = match kind {
        // One spelling for one meaning, so that equal scans are one node.
        ScanKind::Sum(_) if !held.is_float() => ScanKind::Sum(SumMode::Exact),
        kind => kind,
    };
    let scanned = Array::make(Op::Scan { kind, axis }, vec![convert(&value, held, CastMode::Checked)?])?;
    convert(&scanned, wanted, CastMode::Checked)
}

/// Differences of differences that one formula may hold: its work grows with the square of their number.
const DIFF_MAX: usize = 100;

fn try_diff(value: &Array, n: usize, axis: &AxisRef) -> Result<Array> {
    let axis = value.axis_of(axis)?;
    // What has no elements left keeps none.
    let n = n.min(value.known()?.shape[axis].bound());
    if n > DIFF_MAX {
        return Err(Error::usage(format!("diff takes differences up to {DIFF_MAX} times, and n is {n}"))
            .hint("save the differences so far, and go on with those"));
    }
    let op = if value.known()?.dtype == DType::Bool { BinaryOp::NotEqual } else { BinaryOp::Subtract };
    let part = |array: &Array, start: Option<i64>, stop: Option<i64>| {
        let mut items = vec![SliceItem::FULL; axis];
        items.push(SliceItem::Range { start, stop, step: 1 });
        Array::make(Op::Slice(items), vec![array.clone()])
    };
    (0..n).try_fold(value.clone(), |array, _| Array::binary(op, &part(&array, Some(1), None)?, &part(&array, None, Some(-1))?).checked())
}
