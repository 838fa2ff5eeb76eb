//! Functions along an axis that keep it: running sums, products and extremes, differences, sliding windows.

use crate::{
    array::{
        Array, Axes, axis,
        parse::{
            build::{Builder, Item},
            calls::Arguments,
            lineage::{AxisOrigin, Lineage},
            operators::Operand,
            source::Span,
        },
    },
    error::Result,
    nd::shape::normalize_axis,
};

fn scan(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span, apply: fn(&Array, Axes) -> Array) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let given = arguments.given("axis").map(|(item, id)| builder.axis(&array, &item.value, id)).transpose()?;
    let dtype = arguments.given("dtype").map(|operand| builder.dtype(operand)).transpose()?;
    let flat = given.is_none() && array.rank()? != 1;
    let mut axes = given.map_or_else(Axes::all, axis).sum(builder.options.sum_mode);
    if let Some(dtype) = dtype {
        axes = axes.dtype(dtype);
    }
    builder.done(apply(&array, axes), if flat { lineage.with_axes(Lineage::made(1).axes) } else { lineage }, span)
}

pub(super) fn cumsum(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    scan(builder, arguments, span, |array, axes| array.cumsum(axes))
}

pub(super) fn cumprod(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    scan(builder, arguments, span, |array, axes| array.cumprod(axes))
}

pub(super) fn cummax(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    scan(builder, arguments, span, |array, axes| array.cummax(axes))
}

pub(super) fn cummin(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    scan(builder, arguments, span, |array, axes| array.cummin(axes))
}

/// What is put before or after: a literal has length 1 along the axis and the other lengths of `array`.
fn edge(builder: &mut Builder<'_>, operand: Operand, array: &Array, place: usize) -> Result<Array> {
    let (edge, _) = builder.operand_array(operand)?;
    if edge.rank()? > 0 {
        return Ok(edge);
    }
    let mut shape = array.shape()?;
    shape[place] = 1;
    Ok(edge.broadcast_to(shape))
}

pub(super) fn diff(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let n = match arguments.given("n") {
        Some((item, id)) => {
            let n = builder.integer_of(&item.value, id, "n")?;
            usize::try_from(n).map_err(|_| builder.source.error(builder.span(id), format!("n is {n}, below 0")))?
        }
        None => 1,
    };
    let given = arguments.given("axis").map(|(item, id)| builder.axis(&array, &item.value, id)).transpose()?.unwrap_or(-1);
    let place = normalize_axis(given, array.rank()?).map_err(|error| builder.source.locate(span, &error))?;
    let mut parts = vec![array.clone()];
    if let Some(operand) = arguments.given("prepend") {
        parts.insert(0, edge(builder, operand, &array, place)?);
    }
    if let Some(operand) = arguments.given("append") {
        parts.push(edge(builder, operand, &array, place)?);
    }
    let joined = if parts.len() == 1 { array } else { Array::concatenate(&parts, place) };
    let mut axes = lineage.axes.clone();
    if let Some(origin) = axes.get_mut(place) {
        *origin = AxisOrigin::default();
    }
    builder.done(joined.diff(n, place), lineage.with_axes(axes), span)
}

pub(super) fn ediff1d(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let differences = array.ediff1d();
    let mut parts = vec![differences.clone()];
    for (name, front) in [("to_begin", true), ("to_end", false)] {
        let Some(operand) = arguments.given(name) else { continue };
        let part = builder.operand_array(operand)?.0.ravel().astype(differences.dtype()?);
        parts.insert(if front { 0 } else { parts.len() }, part);
    }
    let made = if parts.len() == 1 { differences } else { Array::concatenate(&parts, 0) };
    builder.done(made, lineage.with_axes(Lineage::made(1).axes), span)
}

pub(super) fn sliding_window_view(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let windows = builder.shape(arguments.need("window_shape")?)?;
    let axes = match arguments.given("axis") {
        Some(operand) => builder.axes(&array, operand)?,
        None => (0..array.rank()? as i64).collect(),
    };
    if axes.len() != windows.len() {
        return Err(builder.source.error(span, format!("{} windows for {} axes", windows.len(), axes.len())));
    }
    let rank = array.rank()?;
    let mut made = array;
    for (&axis, &window) in axes.iter().zip(&windows) {
        let place = normalize_axis(axis, rank).map_err(|error| builder.source.locate(span, &error))?;
        made = made.sliding_window_view(window, place);
    }
    let origins = Lineage::made(rank + windows.len()).axes;
    builder.done(made, lineage.with_axes(origins), span)
}
