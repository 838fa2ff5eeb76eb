//! Histograms with NumPy's contract: bins by comparison with edges, the last one closed on both sides.

use super::{
    lookup::{Edges, searched},
    node::Array,
    words::{BinaryOp, DType, Finish, Outside, Scalar, SumMode},
};
use crate::{
    error::{Error, Result},
    expr::{Grouping, Op, Reduction, reduce::reduced_dtype},
    kernel::program::{Generator, Search, TABLE_MAX},
    nd::shape::show,
};

/// The bins of a histogram.
#[derive(Clone, Debug)]
pub enum Bins {
    /// So many, evenly spaced over the range.
    Number(usize),
    /// Those between sorted edges.
    Edges(Edges),
}

impl From<usize> for Bins {
    fn from(number: usize) -> Self {
        Bins::Number(number)
    }
}
macro_rules! edges {
    ($($t:ty),*) => {$(
        impl From<$t> for Bins {
            fn from(edges: $t) -> Self { Bins::Edges(edges.into()) }
        }
    )*};
}
edges!(Vec<f64>, &[f64], Array, &Array);

/// A histogram that is described and not computed yet: what [`Array::histogram`] gives.
#[derive(Clone, Debug)]
pub struct Histogram {
    values: Array,
    bins: Bins,
    range: Option<(f64, f64)>,
    weights: Option<Array>,
    density: bool,
}

impl Array {
    /// A histogram of all elements. Without edges and range the bins lie between the smallest and the largest element, which
    /// are computed first.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![1.0, 2.0, 2.5, 4.0]);
    /// let histogram = x.histogram(3).range(1.0, 4.0);
    /// assert_eq!(histogram.counts().eval::<i64, _>()?, ndarray::array![1, 2, 1]);
    /// assert_eq!(histogram.edges().eval::<f64, _>()?, ndarray::array![1.0, 2.0, 3.0, 4.0]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    pub fn histogram(&self, bins: impl Into<Bins>) -> Histogram {
        Histogram { values: self.clone(), bins: bins.into(), range: None, weights: None, density: false }
    }
}

impl Histogram {
    /// Where the bins begin and end; elements outside are left out.
    #[must_use]
    pub fn range(mut self, low: f64, high: f64) -> Histogram {
        self.range = Some((low, high));
        self
    }

    /// What each element counts: an array of the same shape.
    #[must_use]
    pub fn weights(mut self, weights: &Array) -> Histogram {
        self.weights = Some(weights.clone());
        self
    }

    /// Counts divided by their sum and the widths of the bins.
    #[must_use]
    pub fn density(mut self) -> Histogram {
        self.density = true;
        self
    }

    /// The edges of the bins, one more than there are bins.
    #[must_use]
    #[track_caller]
    pub fn edges(&self) -> Array {
        self.values.then(self.try_edges())
    }

    /// How many elements each bin has, or the sum of their weights, or the density.
    #[must_use]
    #[track_caller]
    pub fn counts(&self) -> Array {
        self.values.then(self.try_counts())
    }

    fn try_counts(&self) -> Result<Array> {
        let table = match &self.bins {
            Bins::Edges(edges) => edges.clone(),
            Bins::Number(_) => self.known_edges()?.map_or_else(|| self.try_edges().map(Edges::Computed), |edges| Ok(edges.into()))?,
        };
        let labels = searched(&self.values, &table, Search::Bin)?;
        let axes: Vec<usize> = (0..labels.known()?.rank()).collect();
        let groups = self.number()?;
        let counts = match &self.weights {
            None => {
                let reduction = Reduction { finish: Finish::Count, axes, keepdims: false, mode: SumMode::Exact, dtype: DType::I64 };
                Array::make(
                    Op::Group(Grouping { reduction, groups: Some(groups), groups_max: groups, outside: Outside::Skip }),
                    vec![labels],
                )?
            }
            Some(weights) => {
                let (have, want) = (weights.known()?, labels.known()?);
                if have.shape != want.shape {
                    return Err(Error::mismatch(format!(
                        "weights of shape {} for values of shape {}",
                        show(&have.shape),
                        show(&want.shape)
                    )));
                }
                let dtype = reduced_dtype(Finish::Sum, have.dtype);
                let mode = self.values.0.session.as_ref().map_or(SumMode::default(), super::session::Session::sum_mode);
                let reduction = Reduction { finish: Finish::Sum, axes, keepdims: false, mode, dtype };
                Array::make(
                    Op::Group(Grouping { reduction, groups: Some(groups), groups_max: groups, outside: Outside::Skip }),
                    vec![labels, weights.clone()],
                )?
            }
        };
        if !self.density {
            return Ok(counts);
        }
        let edges = self.try_edges()?;
        let widths = (edges.slice_items(vec![tail()]) - edges.slice_items(vec![head()])).astype(DType::F64);
        (&counts / widths / counts.sum(..)).checked()
    }

    /// Number of bins.
    fn number(&self) -> Result<usize> {
        let number = match &self.bins {
            Bins::Number(number) => *number,
            Bins::Edges(Edges::Given(edges)) => edges.len().saturating_sub(1),
            Bins::Edges(Edges::Computed(edges)) => edges.shape()?.first().copied().unwrap_or(0).saturating_sub(1),
        };
        match number {
            0 => Err(Error::usage("a histogram has one bin at least")),
            number if number >= TABLE_MAX => Err(Error::refused(format!("{number} bins; {} are the most", TABLE_MAX - 1))
                .hint("numbers are counted by bincount, whatever their range")),
            number => Ok(number),
        }
    }

    /// The dtype of computed edges: that of float values, else `f64`.
    fn dtype(&self) -> Result<DType> {
        Ok(match self.values.known()?.dtype {
            DType::BF16 => DType::F32,
            dtype if dtype.is_float() => dtype,
            _ => DType::F64,
        })
    }

    /// Edges that do not depend on data, as `linspace` computes them in `f64`, rounded to their dtype.
    fn known_edges(&self) -> Result<Option<Vec<f64>>> {
        let empty = self.values.known()?.shape.iter().any(|extent| extent.known() == Some(0));
        let (low, high) = match self.range {
            Some((low, high)) if !(low.is_finite() && high.is_finite()) => {
                return Err(Error::usage(format!("the range from {low} to {high} is not finite")));
            }
            Some((low, high)) if low > high => return Err(Error::usage(format!("the range ends at {high}, before it begins at {low}"))),
            Some(range) => range,
            None if empty => (0.0, 1.0),
            None => return Ok(None),
        };
        let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
        let (number, dtype) = (self.number()?, self.dtype()?);
        let step = (high - low) / number as f64;
        let edge = |at: usize| if at == number { high } else { at as f64 * step + low };
        let round = |value: f64| crate::kernel::program::Table::from_bytes(dtype, &Scalar::Float(value).to_bytes(dtype)).floats()[0];
        Ok(Some((0..=number).map(|at| round(edge(at))).collect()))
    }

    fn try_edges(&self) -> Result<Array> {
        match &self.bins {
            Bins::Edges(Edges::Computed(edges)) => return Ok(edges.clone()),
            Bins::Edges(Edges::Given(edges)) => return Ok(self.values.session().from_ndarray(ndarray::Array1::from_vec(edges.clone()))),
            Bins::Number(_) => {}
        }
        let (dtype, number) = (self.dtype()?, self.number()?);
        if let Some(edges) = self.known_edges()? {
            return self.values.session().from_ndarray(ndarray::Array1::from_vec(edges)).astype(dtype).checked();
        }
        // NumPy's linspace in the dtype of the values, rounded at every step.
        let (low, high) = (self.values.min(..).astype(dtype), self.values.max(..).astype(dtype));
        let same = low.with(BinaryOp::Equal, (&high).into());
        let first = Array::select(&same, &(&low - 0.5), &low);
        let last = Array::select(&same, &(&high + 0.5), &high);
        let step = (&last - &first) / number as f64;
        let generator = Generator::Arange { start: Scalar::Int(0), step: Scalar::Int(1) };
        let index = Array::make(Op::Sequence { generator, length: number + 1, dtype: DType::I64 }, Vec::new())?;
        let inner = index.astype(dtype) * step + &first;
        Array::select(&index.with(BinaryOp::Equal, (number as i64).into()), &last, &inner).checked()
    }
}

/// All but the first.
fn tail() -> super::words::SliceItem {
    super::words::SliceItem::Range { start: Some(1), stop: None, step: 1 }
}

/// All but the last.
fn head() -> super::words::SliceItem {
    super::words::SliceItem::Range { start: None, stop: Some(-1), step: 1 }
}
