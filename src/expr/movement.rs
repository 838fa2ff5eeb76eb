//! Views and selections: shapes, and the index map of each view.

use crate::{
    error::{Error, Result},
    expr::{Meta, Op},
    nd::{
        AxisMap, DType, Dims, Extent, IndexMap, SliceItem,
        index_map::{diagonal_length, resolve_reshape},
        shape::show,
        slice,
    },
};

pub(super) fn infer_slice(items: &[SliceItem], value: &Meta) -> Result<Meta> {
    let shape = slice::sliced_extents(items, &value.shape)?;
    let bounds: Vec<usize> = value.shape.iter().map(|extent| extent.bound()).collect();
    let mut dims = Vec::with_capacity(shape.len());
    let mut axis = 0;
    for item in slice::resolve(items, &bounds)? {
        match item {
            slice::AxisSlice::New => dims.push(None),
            slice::AxisSlice::Fixed(_) => axis += 1,
            slice::AxisSlice::Range { .. } => {
                dims.push(value.dims.0[axis].clone());
                axis += 1;
            }
        }
    }
    Ok(Meta { shape, dtype: value.dtype, dims: Dims(dims) })
}

pub(super) fn infer_permute(order: &[usize], value: &Meta) -> Result<Meta> {
    let mut seen = vec![false; value.rank()];
    let valid = order.len() == value.rank() && order.iter().all(|&axis| axis < seen.len() && !std::mem::replace(&mut seen[axis], true));
    if !valid {
        return Err(Error::usage(format!(
            "axes {} are no permutation of the {} axes of {}",
            show(order),
            value.rank(),
            show(&value.shape)
        )));
    }
    let shape = order.iter().map(|&axis| value.shape[axis]).collect();
    let dims = Dims(order.iter().map(|&axis| value.dims.0[axis].clone()).collect());
    Ok(Meta { shape, dtype: value.dtype, dims })
}

pub(super) fn infer_broadcast_to(shape: &[usize], value: &Meta) -> Result<Meta> {
    let target: Vec<Extent> = shape.iter().map(|&length| Extent::Known(length)).collect();
    let fits = value.rank() <= target.len()
        && value
            .shape
            .iter()
            .rev()
            .zip(target.iter().rev())
            .all(|(&own, &wanted)| own == wanted || own == Extent::Known(1) || own.known().is_none());
    if !fits {
        return Err(Error::mismatch(format!("shape {} does not stretch to {}", show(&value.shape), show(shape)))
            .hint("lengths must be equal or 1, aligned from the last axis"));
    }
    let mut dims = Dims::unnamed(shape.len() - value.rank());
    dims.0.extend(value.dims.0.iter().cloned());
    Ok(Meta { shape: target, dtype: value.dtype, dims })
}

pub(super) fn infer_reshape(shape: &[i64], value: &Meta) -> Result<Meta> {
    let Some(known) = value.known_shape() else {
        return Err(Error::usage(format!("reshape needs a known shape, this one is {}", show(&value.shape)))
            .hint("save the selection first, then reshape"));
    };
    let resolved = resolve_reshape(shape, known.iter().product())?;
    let dims = if resolved == known { value.dims.clone() } else { Dims::unnamed(resolved.len()) };
    Ok(Meta { dims, ..Meta::known(&resolved, value.dtype) })
}

pub(super) fn infer_gather(axis: usize, map: &AxisMap, length: usize, value: &Meta) -> Result<Meta> {
    let Some(Extent::Known(from)) = value.shape.get(axis).copied() else {
        return Err(Error::usage(format!("axis {axis} of {} has no known length to gather along", show(&value.shape)))
            .hint("save the selection first"));
    };
    if length > 0 {
        let (low, high) = map.bounds(0..length);
        if low < 0 || high >= from as i64 {
            let bad = if low < 0 { low } else { high };
            return Err(Error::usage(format!("index {bad} is out of bounds for axis {axis} of length {from}")));
        }
    }
    let mut shape = value.shape.clone();
    shape[axis] = Extent::Known(length);
    Ok(Meta { shape, ..value.clone() })
}

pub(super) fn infer_diagonal(first: usize, second: usize, offset: i64, value: &Meta) -> Result<Meta> {
    let length = |axis: usize| value.shape.get(axis).and_then(|extent| extent.known());
    let (Some(down), Some(right), true) = (length(first), length(second), first != second) else {
        return Err(Error::usage(format!("axes {first} and {second} of {} have no diagonal", show(&value.shape)))
            .hint("a diagonal needs two axes of known length"));
    };
    let kept = (0..value.rank()).filter(|&axis| axis != first && axis != second);
    let mut dims: Vec<_> = kept.clone().map(|axis| value.dims.0[axis].clone()).collect();
    let mut shape: Vec<Extent> = kept.map(|axis| value.shape[axis]).collect();
    shape.push(Extent::Known(diagonal_length(down, right, offset)));
    dims.push(None);
    Ok(Meta { shape, dtype: value.dtype, dims: Dims(dims) })
}

pub(super) fn infer_windows(axis: usize, window: usize, value: &Meta) -> Result<Meta> {
    let Some(Extent::Known(length)) = value.shape.get(axis).copied() else {
        return Err(
            Error::usage(format!("axis {axis} of {} has no known length for windows", show(&value.shape))).hint("save the selection first")
        );
    };
    if window == 0 || window > length {
        return Err(Error::usage(format!("a window of {window} along axis {axis} of length {length}"))
            .hint("a window has at least one element and at most those of the axis"));
    }
    let mut made = value.clone();
    made.shape[axis] = Extent::Known(length - window + 1);
    made.shape.push(Extent::Known(window));
    made.dims.0.push(None);
    Ok(made)
}

pub(super) fn infer_rename(dims: &Dims, value: &Meta) -> Result<Meta> {
    if dims.0.len() != value.rank() {
        return Err(Error::mismatch(format!("{} axis names for {} axes of shape {}", dims.0.len(), value.rank(), show(&value.shape))));
    }
    Ok(Meta { dims: dims.clone(), ..value.clone() })
}

pub(super) fn infer_compress(axis: Option<usize>, count: Option<usize>, value: &Meta, mask: &Meta) -> Result<Meta> {
    if mask.dtype != DType::Bool {
        return Err(Error::mismatch(format!("a mask must be bool, this one is {}", mask.dtype)).hint("compare first, as in `x[x != 0]`"));
    }
    let agrees = match axis {
        None => mask.shape == value.shape,
        // The planner stretches the mask over the other axes.
        Some(axis) => mask.shape == value.shape || (mask.rank() == 1 && axis < value.rank() && mask.shape[0] == value.shape[axis]),
    };
    if !agrees {
        return Err(Error::mismatch(format!("mask of shape {} for an array of shape {}", show(&mask.shape), show(&value.shape)))
            .hint("a mask has the array's shape, or one axis of its first axis' length"));
    }
    let all = axis
        .map_or_else(|| mask.shape.iter().map(|extent| extent.bound()).fold(1, usize::saturating_mul), |axis| value.shape[axis].bound());
    let selected = count.map_or(Extent::AtMost(all), Extent::Known);
    Ok(match axis {
        None => Meta { shape: vec![selected], dtype: value.dtype, dims: Dims::unnamed(1) },
        Some(axis) => {
            let mut shape = value.shape.clone();
            shape[axis] = selected;
            Meta { shape, ..value.clone() }
        }
    })
}

/// For a view operation on an operand of `from`: the map from its result's coordinates to the operand's. `None` for other operations
/// and for reshapes, which are maps of stores, not of coordinates.
#[must_use]
pub fn coordinate_map(op: &Op, from: &[usize]) -> Option<IndexMap> {
    let map = IndexMap::identity(from);
    view_of(op, &map)
}

/// `map` seen through the view operation `op`, reshapes included where they need no copy.
#[must_use]
pub fn view_of(op: &Op, map: &IndexMap) -> Option<IndexMap> {
    match op {
        Op::Slice(items) => slice::resolve(items, &map.shape).ok().map(|resolved| map.slice(&resolved)),
        Op::Permute(order) => Some(map.permute(order)),
        Op::BroadcastTo(shape) => Some(map.broadcast_to(shape)),
        Op::Gather { axis, map: through, length } => Some(map.gather(*axis, through, *length)),
        Op::Diagonal { first, second, offset } => map.diagonal(*first, *second, *offset),
        Op::Windows { axis, window } => map.windows(*axis, *window),
        Op::Rename(_) => Some(map.clone()),
        Op::Reshape(shape) => resolve_reshape(shape, map.shape.iter().product()).ok().and_then(|resolved| map.reshape(&resolved)),
        _ => None,
    }
}
