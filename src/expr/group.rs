//! Reductions by groups: what can be grouped, the shape of the result.

use crate::{
    error::{Error, Result},
    expr::{Grouping, Meta},
    nd::{DType, Dims, Extent, shape::show},
    numeric::Finish,
};

/// The dtype that labels are converted to: the narrow one where it holds all of them.
#[must_use]
pub fn label_dtype(dtype: DType) -> Option<DType> {
    match dtype {
        DType::I8 | DType::I16 | DType::I32 | DType::U8 | DType::U16 | DType::Bool => Some(DType::I32),
        DType::U32 | DType::I64 | DType::U64 => Some(DType::I64),
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => None,
    }
}

pub(super) fn infer_group(grouping: &Grouping, args: &[&Meta]) -> Result<Meta> {
    let labels = args[0];
    let finish = grouping.reduction.finish;
    debug_assert!(matches!(labels.dtype, DType::I32 | DType::I64), "the builder inserts casts");
    let defined = matches!(
        finish,
        Finish::Count
            | Finish::Sum
            | Finish::Mean
            | Finish::Var { .. }
            | Finish::Std { .. }
            | Finish::Min
            | Finish::Max
            | Finish::Any
            | Finish::All
            | Finish::CountNonzero
            | Finish::ApproxDistinct
            | Finish::ApproxQuantile { .. }
    );
    if !defined {
        return Err(Error::mismatch(format!("{} is not defined by groups", finish.name())));
    }
    let operands = grouping.operands();
    if args.len() != operands + usize::from(grouping.groups.is_none()) {
        return Err(Error::internal(format!("{} operands of a grouped {}", args.len(), finish.name())));
    }
    let value = args[operands - 1];
    if value.shape != labels.shape {
        return Err(Error::internal(format!("labels of shape {} for values of shape {}", show(&labels.shape), show(&value.shape))));
    }
    let (mut shape, mut dims) = (vec![grouping.groups.map_or(Extent::AtMost(grouping.groups_max), Extent::Known)], vec![None]);
    for axis in (0..value.rank()).filter(|axis| !grouping.reduction.axes.contains(axis)) {
        shape.push(value.shape[axis]);
        dims.push(value.dims.0[axis].clone());
    }
    Ok(Meta { shape, dtype: grouping.reduction.dtype, dims: Dims(dims) })
}
