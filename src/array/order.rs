//! Order: quantiles, percentiles, medians, sorting, the first elements, what is distinct.

use super::{
    axes::{Axes, AxisRef, places},
    node::Array,
    words::QuantileMethod,
};
use crate::{
    error::{Error, Result},
    expr::{
        Op, Phased,
        phased::{Part, Quantile, Sort, Top},
    },
};

/// Which quantiles, and how they are made of elements: a number, or a list of them (then the result has a leading axis).
///
/// ```
/// use outcore::{QuantileMethod, Quantiles, Session};
/// let x = Session::default_session().from_ndarray(ndarray::array![4f32, 1.0, 3.0, 2.0]);
/// assert_eq!(x.quantile(0.5, ..).item::<f32>()?, 2.5);
/// assert_eq!(x.quantile(Quantiles::from(0.5).method(QuantileMethod::Lower), ..).item::<f32>()?, 2.0);
/// assert_eq!(x.quantile([0.0, 1.0], ..).eval::<f32, ndarray::Ix1>()?, ndarray::array![1.0, 4.0]);
/// # Ok::<(), outcore::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Quantiles {
    values: Vec<f64>,
    listed: bool,
    method: QuantileMethod,
    skip_nan: bool,
}

impl Quantiles {
    /// How a quantile between two elements is made (default: in proportion).
    #[must_use]
    pub fn method(mut self, method: QuantileMethod) -> Quantiles {
        self.method = method;
        self
    }

    /// NaN are left out; else a line with NaN has NaN quantiles.
    #[must_use]
    pub fn skip_nan(mut self) -> Quantiles {
        self.skip_nan = true;
        self
    }

    /// An error if one does not lie from 0 to `top`.
    fn within(&self, what: &str, top: f64) -> Result<()> {
        let Some(wrong) = self.values.iter().find(|value| !(0.0..=top).contains(*value)) else { return Ok(()) };
        let error = Error::usage(format!("the {what} {wrong} does not lie from 0 to {top}"));
        Err(error.hint("quantiles go from 0 to 1, percentiles from 0 to 100"))
    }

    fn percent(mut self) -> Quantiles {
        self.values.iter_mut().for_each(|value| *value /= 100.0);
        self
    }
}

impl From<f64> for Quantiles {
    fn from(value: f64) -> Quantiles {
        Quantiles { values: vec![value], listed: false, method: QuantileMethod::default(), skip_nan: false }
    }
}
impl From<Vec<f64>> for Quantiles {
    fn from(values: Vec<f64>) -> Quantiles {
        Quantiles { values, listed: true, method: QuantileMethod::default(), skip_nan: false }
    }
}
impl From<&[f64]> for Quantiles {
    fn from(values: &[f64]) -> Quantiles {
        values.to_vec().into()
    }
}
impl<const N: usize> From<[f64; N]> for Quantiles {
    fn from(values: [f64; N]) -> Quantiles {
        values.to_vec().into()
    }
}

impl Array {
    /// Quantiles over `axes`, exact: order statistics that counts have certified, mixed by one of NumPy's methods in one rounding.
    ///
    /// Floats keep their dtype; integers give `f64`, or their own dtype where the method always gives an element. Where lines do not
    /// fit a block, phases find them: a sample, and mostly one pass that counts and keeps what may be the answer, within the budget.
    #[must_use]
    #[track_caller]
    pub fn quantile(&self, quantiles: impl Into<Quantiles>, axes: impl Into<Axes>) -> Array {
        self.then(try_quantile(self, &quantiles.into(), &axes.into()))
    }

    /// [`Array::quantile`] in percent.
    #[must_use]
    #[track_caller]
    pub fn percentile(&self, percents: impl Into<Quantiles>, axes: impl Into<Axes>) -> Array {
        let percents = percents.into();
        self.then(percents.within("percentile", 100.0).and_then(|()| try_quantile(self, &percents.percent(), &axes.into())))
    }

    /// The median over `axes`: the middle element, or the mean of the two, rounded once. NaN where there is one.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![[3f64, 1.0, 2.0], [9.0, 7.0, 8.0]]);
    /// assert_eq!(x.median(..).item::<f64>()?, 5.0);
    /// assert_eq!((&x / x.median(outcore::axis(1).keepdims())).max(..).item::<f64>()?, 1.5);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn median(&self, axes: impl Into<Axes>) -> Array {
        self.then(try_quantile(self, &0.5.into(), &axes.into()))
    }

    /// The median of what is not NaN over `axes`.
    #[must_use]
    #[track_caller]
    pub fn nanmedian(&self, axes: impl Into<Axes>) -> Array {
        self.then(try_quantile(self, &Quantiles::from(0.5).skip_nan(), &axes.into()))
    }
}

impl Array {
    /// Sorted along `axis`: `-0` before `+0`, NaN last. A line along the axis has to fit into memory a few times over.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![3f32, f32::NAN, 1.0, 2.0]);
    /// assert_eq!(x.sort(0).eval::<f32, ndarray::Ix1>()?.to_vec()[..3], [1.0, 2.0, 3.0]);
    /// assert_eq!(x.argsort(0).eval::<i64, ndarray::Ix1>()?, ndarray::array![2, 3, 0, 1]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn sort(&self, axis: impl Into<AxisRef>) -> Array {
        self.then(try_sort(self, &axis.into(), Part::Values))
    }

    /// Where the elements of the sorted array are along `axis`, as `i64`: equal elements (`-0` and `+0` are) in the order of their
    /// places, NaN last.
    #[must_use]
    #[track_caller]
    pub fn argsort(&self, axis: impl Into<AxisRef>) -> Array {
        self.then(try_sort(self, &axis.into(), Part::Numbers))
    }

    /// The `count` largest elements along `axis` (or the smallest) in order, and where they are, as `i64`.
    ///
    /// Equal elements come in the order of their places. NaN count as the largest of all, as they do when sorting: first among the largest,
    /// last among the smallest. The axis may be of any length.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![3f32, 5.0, 1.0, 5.0]);
    /// let (values, places) = x.top_k(2, 0, true);
    /// assert_eq!(values.eval::<f32, ndarray::Ix1>()?, ndarray::array![5.0, 5.0]);
    /// assert_eq!(places.eval::<i64, ndarray::Ix1>()?, ndarray::array![1, 3]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn top_k(&self, count: usize, axis: impl Into<AxisRef>, largest: bool) -> (Array, Array) {
        let axis = axis.into();
        let made = |part| {
            let axis = self.axis_of(&axis)?;
            Array::make(Op::Phased(Phased::Top(Top { count, axis, largest, part })), vec![self.clone()])
        };
        (self.then(made(Part::Values)), self.then(made(Part::Numbers)))
    }

    /// The distinct elements in order, NaN last and all one, `-0` as `+0`. Refused if there are more than a quarter of the budget holds.
    #[must_use]
    #[track_caller]
    pub fn unique(&self) -> Array {
        self.then(Array::make(Op::Phased(Phased::Unique(Part::Values)), vec![self.clone()]))
    }

    /// [`Array::unique`], and how many there are of each, as `i64`.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![[3u8, 1], [3, 3]]);
    /// let (values, counts) = x.unique_counts();
    /// assert_eq!(values.eval::<u8, ndarray::Ix1>()?, ndarray::array![1, 3]);
    /// assert_eq!(counts.eval::<i64, ndarray::Ix1>()?, ndarray::array![1, 3]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn unique_counts(&self) -> (Array, Array) {
        (self.unique(), self.then(Array::make(Op::Phased(Phased::Unique(Part::Numbers)), vec![self.clone()])))
    }
}

fn try_sort(value: &Array, axis: &AxisRef, part: Part) -> Result<Array> {
    let axis = value.axis_of(axis)?;
    Array::make(Op::Phased(Phased::Sort(Sort { axis, part })), vec![value.clone()])
}

fn try_quantile(value: &Array, quantiles: &Quantiles, options: &Axes) -> Result<Array> {
    let meta = value.known()?;
    if options.ddof.is_some() || options.dtype.is_some() || options.mode.is_some() {
        return Err(Error::usage("quantiles have no ddof, no choice of dtype and no mode of sums").hint("cast the result instead"));
    }
    if quantiles.values.is_empty() {
        return Err(Error::usage("a list of no quantiles").hint("name one at least, as in `quantile(x, [0.25, 0.75])`"));
    }
    quantiles.within("quantile", 1.0)?;
    let quantile = Quantile {
        // Zero has one spelling, so that equal quantiles are one node.
        quantiles: quantiles.values.iter().map(|q| (q + 0.0).to_bits()).collect(),
        listed: quantiles.listed,
        method: quantiles.method,
        axes: places(options.list.as_deref(), &meta.dims)?,
        keepdims: options.keepdims,
        skip_nan: quantiles.skip_nan && meta.dtype.is_float(),
    };
    Array::make(Op::Phased(Phased::Quantile(quantile)), vec![value.clone()])
}
