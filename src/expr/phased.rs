//! Values that earlier phases of a job compute: what they are, their shapes and dtypes.
//!
//! A phase finds such a value in as many passes as its data need; the value is an array in memory for the phases after it. Where the
//! lines that it is made of lie whole in a block, no phase is needed and it is computed on the way.

use crate::{
    error::{Error, Result},
    expr::Meta,
    kernel::program::QuantileMethod,
    nd::{DType, Dims, Extent, shape::show},
};
use serde::{Deserialize, Serialize};

/// A value that earlier phases compute.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phased {
    /// Quantiles over axes.
    Quantile(Quantile),
    /// The first elements along an axis in order.
    Top(Top),
    /// All elements along an axis in order; never needs a phase.
    Sort(Sort),
    /// The distinct elements in order, and how many there are of each.
    Unique(Part),
    /// The elements along an axis at the places that a second operand holds; that is what is computed, the elements are a view then.
    Take {
        /// The axis.
        axis: usize,
    },
}

/// Which of two results that are found together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Part {
    /// Elements.
    Values,
    /// What belongs to them: places along the axis, or counts.
    Numbers,
}

/// All elements along an axis in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sort {
    /// The axis, whose lines have to lie whole in a block.
    pub axis: usize,
    /// What is wanted of the elements.
    pub part: Part,
}

/// The first elements along an axis in order, by value and then by place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Top {
    /// How many.
    pub count: usize,
    /// The axis.
    pub axis: usize,
    /// Whether the largest come first, NaN before all; else the smallest, NaN last.
    pub largest: bool,
    /// What is wanted of them.
    pub part: Part,
}

/// Quantiles over axes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quantile {
    /// Bits of the quantiles, from 0 to 1.
    pub quantiles: Vec<u64>,
    /// Whether there is a leading axis with one entry per quantile; else there is one quantile.
    pub listed: bool,
    /// How they are made of elements.
    pub method: QuantileMethod,
    /// Axes that are reduced, ascending.
    pub axes: Vec<usize>,
    /// Whether reduced axes stay with length 1.
    pub keepdims: bool,
    /// Whether NaN are left out; else they make a quantile NaN.
    pub skip_nan: bool,
}

impl Quantile {
    /// The quantiles.
    #[must_use]
    pub fn values(&self) -> Vec<f64> {
        self.quantiles.iter().map(|bits| f64::from_bits(*bits)).collect()
    }

    /// The dtype of the quantiles of `dtype`.
    #[must_use]
    pub fn dtype(&self, dtype: DType) -> DType {
        if self.method.is_discrete() || dtype.is_float() { dtype } else { DType::F64 }
    }
}

impl Phased {
    /// What explain calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Phased::Quantile(Quantile { skip_nan: true, .. }) => "nanquantile",
            Phased::Quantile(_) => "quantile",
            Phased::Top(_) => "topk",
            Phased::Sort(Sort { part: Part::Values, .. }) => "sort",
            Phased::Sort(_) => "argsort",
            Phased::Unique(_) => "unique",
            Phased::Take { .. } => "take",
        }
    }
}

pub(super) fn infer_phased(phased: &Phased, args: &[&Meta]) -> Result<Meta> {
    let value = args[0];
    match phased {
        Phased::Quantile(quantile) => infer_quantile(quantile, value),
        Phased::Top(top) => infer_top(top, value),
        Phased::Sort(sort) => Ok(Meta { dtype: sort.part.dtype(value.dtype), ..value.clone() }),
        Phased::Unique(part) => {
            let all = value.shape.iter().map(|extent| extent.bound()).fold(1, usize::saturating_mul);
            Ok(Meta { shape: vec![Extent::AtMost(all)], dtype: part.dtype(value.dtype), dims: Dims::unnamed(1) })
        }
        Phased::Take { axis } => infer_take(*axis, value, args[1]),
    }
}

impl Part {
    /// The dtype of it for elements of `dtype`.
    #[must_use]
    pub fn dtype(self, dtype: DType) -> DType {
        match self {
            Part::Values => dtype,
            Part::Numbers => DType::I64,
        }
    }
}

fn infer_top(top: &Top, value: &Meta) -> Result<Meta> {
    let length = value.shape[top.axis].bound();
    if top.count > length {
        let (count, axis) = (top.count, top.axis);
        let text = format!("topk of {count} elements along axis {axis} of shape {}, which has {length}", show(&value.shape));
        return Err(Error::mismatch(text).hint(format!("take {length} at most, or another axis")));
    }
    let mut shape = value.shape.clone();
    shape[top.axis] = Extent::Known(top.count);
    Ok(Meta { shape, dtype: top.part.dtype(value.dtype), dims: value.dims.clone() })
}

fn infer_take(axis: usize, value: &Meta, indices: &Meta) -> Result<Meta> {
    if !indices.dtype.is_integer() {
        return Err(Error::mismatch(format!("indices are integers, these are {}", indices.dtype)).hint("a bool mask selects: `compress`"));
    }
    if value.shape[axis] == Extent::Known(0) && indices.shape.iter().all(|extent| *extent != Extent::Known(0)) {
        return Err(Error::mismatch(format!("axis {axis} of shape {} has no elements to take", show(&value.shape))));
    }
    let (mut shape, mut dims) = (value.shape.clone(), value.dims.0.clone());
    // The axis is the same one, in another order, where the indices are one line.
    let name = if indices.rank() == 1 { dims[axis].clone() } else { None };
    shape.splice(axis..=axis, indices.shape.iter().copied());
    dims.splice(axis..=axis, vec![name; indices.rank()]);
    Ok(Meta { shape, dtype: value.dtype, dims: Dims(dims) })
}

fn infer_quantile(quantile: &Quantile, value: &Meta) -> Result<Meta> {
    let empty = quantile.axes.iter().any(|&axis| value.shape[axis] == Extent::Known(0));
    let dtype = quantile.dtype(value.dtype);
    if empty && !dtype.is_float() {
        return Err(Error::mismatch(format!("a quantile over an axis of length 0 of shape {} has no value", show(&value.shape)))
            .hint("the continuous methods give NaN there"));
    }
    let (mut shape, mut dims) = (Vec::new(), Vec::new());
    if quantile.listed {
        shape.push(Extent::Known(quantile.quantiles.len()));
        dims.push(None);
    }
    for (axis, extent) in value.shape.iter().enumerate() {
        let reduced = quantile.axes.contains(&axis);
        if !reduced || quantile.keepdims {
            shape.push(if reduced { Extent::Known(1) } else { *extent });
            dims.push(value.dims.0[axis].clone());
        }
    }
    Ok(Meta { shape, dtype, dims: Dims(dims) })
}
