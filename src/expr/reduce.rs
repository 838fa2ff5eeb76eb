//! Reductions: axes, result dtypes, empty axes.

use crate::{
    error::{Error, Result},
    expr::{Meta, Reduction},
    nd::{
        DType, Dims, Extent,
        shape::{normalize_axis, show},
    },
    numeric::Finish,
};

/// The dtype a reduction of `dtype` gives, unless another is asked for.
#[must_use]
pub fn reduced_dtype(finish: Finish, dtype: DType) -> DType {
    match finish.plain() {
        Finish::Sum | Finish::Prod if dtype.is_unsigned() => DType::U64,
        Finish::Sum | Finish::Prod if !dtype.is_float() => DType::I64,
        Finish::Sum | Finish::Prod | Finish::Min | Finish::Max => dtype,
        Finish::Dot | Finish::Matmul => dtype,
        Finish::Cov { .. } | Finish::Corr => DType::F64,
        finish if finish.is_float() => {
            if dtype.is_float() {
                dtype
            } else {
                DType::F64
            }
        }
        Finish::Any | Finish::All => DType::Bool,
        Finish::ApproxQuantile { .. } if dtype.is_float() => dtype,
        Finish::ApproxQuantile { .. } => DType::F64,
        Finish::State { .. } => DType::U8,
        _ => DType::I64,
    }
}

/// Ascending axes that `axes` (possibly negative) name; each at most once.
pub fn normalize_axes(axes: &[i64], rank: usize) -> Result<Vec<usize>> {
    let mut found = axes.iter().map(|&axis| normalize_axis(axis, rank)).collect::<Result<Vec<usize>>>()?;
    found.sort_unstable();
    if let Some(pair) = found.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::usage(format!("axis {} is given twice", pair[0])));
    }
    Ok(found)
}

pub(super) fn infer_reduce(reduction: &Reduction, args: &[&Meta]) -> Result<Meta> {
    let value = args[0];
    if let [left, right] = args
        && (left.shape != right.shape || left.dtype != right.dtype)
    {
        let sides = format!("{} of {} and {} of {}", left.dtype, show(&left.shape), right.dtype, show(&right.shape));
        return Err(Error::mismatch(format!("{} of {sides}: both sides must be alike", reduction.finish.name())));
    }
    if matches!(reduction.finish.plain(), Finish::Min | Finish::Max | Finish::ArgMin | Finish::ArgMax)
        && let Some(axis) = reduction.axes.iter().find(|&&axis| value.shape[axis] == Extent::Known(0))
        && !empty_result(reduction, value)
    {
        return Err(Error::mismatch(format!(
            "{} over axis {axis} of length 0 of shape {} has no value",
            reduction.finish.name(),
            show(&value.shape)
        ))
        .hint("a minimum or maximum of nothing does not exist; slice so that the axis has an element"));
    }
    let mut shape = Vec::new();
    let mut dims = Vec::new();
    for (axis, extent) in value.shape.iter().enumerate() {
        let reduced = reduction.axes.contains(&axis);
        if !reduced || reduction.keepdims {
            shape.push(if reduced { Extent::Known(1) } else { *extent });
            dims.push(value.dims.0[axis].clone());
        }
    }
    if let Some(bytes) = reduction.finish.state_bytes(value.dtype) {
        shape.push(Extent::Known(bytes));
        dims.push(None);
    }
    Ok(Meta { shape, dtype: reduction.dtype, dims: Dims(dims) })
}

/// Whether the result has no element, so that an empty reduced axis is no matter.
fn empty_result(reduction: &Reduction, value: &Meta) -> bool {
    value.shape.iter().enumerate().any(|(axis, extent)| !reduction.axes.contains(&axis) && *extent == Extent::Known(0))
}
