//! Functions that move axes and elements without changing them.

use crate::{
    array::parse::{
        build::{Builder, Item},
        calls::Arguments,
        lineage::{AxisOrigin, Lineage},
        source::Span,
        value::Value,
    },
    error::Result,
    expr::reduce::normalize_axes,
    nd::{Extent, SliceItem, shape::show},
};

pub(super) fn transpose(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let mut order = Vec::new();
    for operand in arguments.rest.drain(..).filter(|(item, _)| !matches!(item.value, Value::None)) {
        order.extend(builder.axes(&array, operand)?);
    }
    let rank = array.rank()?;
    if order.is_empty() && rank > 0 {
        let axes = lineage.axes.iter().rev().copied().collect();
        return builder.done(array.transpose(), lineage.with_axes(axes), span);
    }
    let origin = |axis: &i64| {
        let place = if *axis < 0 { axis.checked_add(rank as i64)? } else { *axis };
        lineage.axes.get(usize::try_from(place).ok()?).copied()
    };
    let axes = order.iter().map(|axis| origin(axis).unwrap_or_default()).collect();
    builder.done(array.permute(order), lineage.with_axes(axes), span)
}

pub(super) fn swap_axes(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let mut places = [0usize; 2];
    for (place, name) in places.iter_mut().zip(["axis1", "axis2"]) {
        let (item, id) = arguments.need(name)?;
        let axis = builder.axis(&array, &item.value, id)?;
        let found = crate::nd::shape::normalize_axis(axis, array.rank()?);
        *place = found.map_err(|error| builder.source.locate(builder.span(id), &error))?;
    }
    let mut order: Vec<usize> = (0..array.rank()?).collect();
    order.swap(places[0], places[1]);
    let axes = order.iter().map(|&axis| lineage.axes.get(axis).copied().unwrap_or_default()).collect();
    let order: Vec<i64> = order.into_iter().map(|axis| axis as i64).collect();
    builder.done(array.permute(order), lineage.with_axes(axes), span)
}

pub(super) fn broadcast_to(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let shape = builder.shape(arguments.need("shape")?)?;
    let mut axes = vec![AxisOrigin { tag: None, made: true }; shape.len().saturating_sub(lineage.axes.len())];
    axes.extend(lineage.axes.iter().copied());
    builder.done(array.broadcast_to(shape), lineage.with_axes(axes), span)
}

pub(super) fn reshape(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    if arguments.rest.is_empty() {
        return Err(builder.source.error(arguments.span, "`reshape` needs a shape").hint("write `reshape(x, (3, -1))`"));
    }
    let shape = builder.lengths(&arguments.rest)?;
    let axes = Lineage::made(shape.len()).axes;
    builder.done(array.reshape(shape), lineage.with_axes(axes), span)
}

pub(super) fn ravel(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    builder.done(array.ravel(), lineage.with_axes(Lineage::made(1).axes), span)
}

pub(super) fn squeeze(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let meta = array.meta()?;
    let axes = match arguments.given("axis") {
        None => (0..meta.rank()).filter(|&axis| meta.shape[axis] == Extent::Known(1)).collect(),
        Some(operand) => {
            let at = builder.span(operand.1);
            let axes = normalize_axes(&builder.axes(&array, operand)?, meta.rank()).map_err(|error| builder.source.locate(at, &error))?;
            if let Some(&axis) = axes.iter().find(|&&axis| meta.shape[axis] != Extent::Known(1)) {
                let message = format!("axis {axis} of shape {} cannot be squeezed: its length is not 1", show(&meta.shape));
                return Err(builder.source.error(at, message));
            }
            axes
        }
    };
    let items = (0..meta.rank()).map(|axis| if axes.contains(&axis) { SliceItem::Index(0) } else { SliceItem::FULL }).collect();
    builder.sliced(&array, &lineage, items, span)
}

pub(super) fn expand_dims(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let operand = arguments.need("axis")?;
    let at = builder.span(operand.1);
    let axes = match operand.0.value {
        Value::Tuple(items) | Value::List(items) => {
            items.iter().map(|item| builder.integer_of(item, operand.1, "an axis")).collect::<Result<_>>()?
        }
        one => vec![builder.integer_of(&one, operand.1, "an axis")?],
    };
    let rank = array.rank()? + axes.len();
    let axes = normalize_axes(&axes, rank).map_err(|error| builder.source.locate(at, &error))?;
    let items = (0..rank).map(|axis| if axes.contains(&axis) { SliceItem::NewAxis } else { SliceItem::FULL }).collect();
    builder.sliced(&array, &lineage, items, span)
}
