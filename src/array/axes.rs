//! Which axes a reduction runs over, and how.

use super::words::{DType, Dims, SumMode};
use crate::{
    error::{Error, Result},
    expr::reduce::normalize_axes,
};

/// One axis: its place (negative from the end) or its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AxisRef {
    /// Place.
    Index(i64),
    /// Name.
    Name(String),
}

/// The axes of a reduction and its options. Made by `..` (all axes), [`axis`], or a number or name alone.
///
/// ```
/// use outcore::{DType, array::Axes, axis};
/// let _all: Axes = (..).into();
/// let _rows: Axes = axis("row").ddof(1);
/// let _two: Axes = axis([0, 2]).keepdims().dtype(DType::F64);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Axes {
    /// `None`: all.
    pub(super) list: Option<Vec<AxisRef>>,
    pub(super) keepdims: bool,
    pub(super) ddof: Option<u64>,
    pub(super) dtype: Option<DType>,
    pub(super) mode: Option<SumMode>,
}

/// The axis or axes that a reduction runs over: `axis(0)`, `axis(-1)`, `axis([0, 1])`, `axis("row")`.
#[must_use]
pub fn axis(axes: impl AxisList) -> Axes {
    Axes { list: Some(axes.into_list()), ..Axes::default() }
}

impl Axes {
    /// All axes: `..` with options.
    #[must_use]
    pub fn all() -> Axes {
        Axes::default()
    }

    /// Variance and standard deviation divide by `n - ddof` (default 0), the covariance too (default 1).
    #[must_use]
    pub fn ddof(mut self, ddof: u64) -> Axes {
        self.ddof = Some(ddof);
        self
    }

    /// Reduced axes stay with length 1.
    #[must_use]
    pub fn keepdims(mut self) -> Axes {
        self.keepdims = true;
        self
    }

    /// Dtype of the result of sums, products, means, deviations and norms, and of reductions of two arrays.
    #[must_use]
    pub fn dtype(mut self, dtype: DType) -> Axes {
        self.dtype = Some(dtype);
        self
    }

    /// How floats are added up (default: the session's mode, exact unless set otherwise).
    #[must_use]
    pub fn sum(mut self, mode: SumMode) -> Axes {
        self.mode = Some(mode);
        self
    }
}

/// One axis or several: numbers and names, alone, in arrays, slices and vectors.
pub trait AxisList {
    /// The axes.
    fn into_list(self) -> Vec<AxisRef>;
}

macro_rules! one {
    ($($t:ty => $make:expr),*) => {$(
        impl From<$t> for AxisRef {
            fn from(value: $t) -> AxisRef { $make(value) }
        }
        impl AxisList for $t {
            fn into_list(self) -> Vec<AxisRef> { vec![self.into()] }
        }
        impl From<$t> for Axes {
            fn from(value: $t) -> Axes { axis(value) }
        }
    )*};
}
one!(
    i32 => |value| AxisRef::Index(i64::from(value)),
    i64 => AxisRef::Index,
    usize => |value| AxisRef::Index(i64::try_from(value).unwrap_or(i64::MAX)),
    &str => |value| AxisRef::Name(String::from(value)),
    String => AxisRef::Name
);

impl<T: Into<AxisRef>, const N: usize> AxisList for [T; N] {
    fn into_list(self) -> Vec<AxisRef> {
        self.into_iter().map(Into::into).collect()
    }
}
impl<T: Into<AxisRef>> AxisList for Vec<T> {
    fn into_list(self) -> Vec<AxisRef> {
        self.into_iter().map(Into::into).collect()
    }
}
impl<T: Into<AxisRef> + Clone> AxisList for &[T] {
    fn into_list(self) -> Vec<AxisRef> {
        self.iter().cloned().map(Into::into).collect()
    }
}
impl From<AxisRef> for Axes {
    fn from(one: AxisRef) -> Axes {
        Axes { list: Some(vec![one]), ..Axes::default() }
    }
}
impl From<std::ops::RangeFull> for Axes {
    fn from(_: std::ops::RangeFull) -> Axes {
        Axes::default()
    }
}
impl<T: Into<AxisRef>, const N: usize> From<[T; N]> for Axes {
    fn from(list: [T; N]) -> Axes {
        axis(list)
    }
}

/// The place of `reference` in an array of `rank` axes with `dims`; may still be out of range.
pub(super) fn place(reference: &AxisRef, dims: &Dims) -> Result<i64> {
    match reference {
        AxisRef::Index(index) => Ok(*index),
        AxisRef::Name(name) => dims.position(name).map(|found| found as i64).ok_or_else(|| {
            let error = Error::usage(format!("no axis is named `{name}`"));
            if dims.is_unnamed() { error.hint("name the axes with `named([..])`") } else { error.hint(format!("the axes are {dims}")) }
        }),
    }
}

/// Ascending places of `list` (`None`: all axes).
pub(super) fn places(list: Option<&[AxisRef]>, dims: &Dims) -> Result<Vec<usize>> {
    let rank = dims.0.len();
    let Some(list) = list else { return Ok((0..rank).collect()) };
    let places = list.iter().map(|reference| place(reference, dims)).collect::<Result<Vec<i64>>>()?;
    normalize_axes(&places, rank)
}
