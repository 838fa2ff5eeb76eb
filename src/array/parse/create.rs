//! Functions that make arrays from nothing, or grids from vectors.

use crate::{
    array::{
        Array, Endpoint,
        parse::{
            build::{Builder, Item},
            calls::Arguments,
            lineage::Lineage,
            operators::Operand,
            source::Span,
            value::Value,
        },
    },
    error::Result,
    nd::{DType, Scalar, SliceItem, shape::show},
};

fn filled(builder: &mut Builder<'_>, mut arguments: Arguments, value: i128, span: Span) -> Result<Item> {
    let shape = builder.shape(arguments.need("shape")?)?;
    let dtype = arguments.given("dtype").map_or(Ok(DType::F64), |operand| builder.dtype(operand))?;
    let lineage = Lineage::made(shape.len());
    builder.done(Array::full(&shape, Scalar::Int(value), dtype), lineage, span)
}

pub(super) fn zeros(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    filled(builder, arguments, 0, span)
}

pub(super) fn ones(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    filled(builder, arguments, 1, span)
}

pub(super) fn full(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let shape = builder.shape(arguments.need("shape")?)?;
    let (item, id) = arguments.need("value")?;
    let dtype = arguments.given("dtype").map(|operand| builder.dtype(operand)).transpose()?;
    let lineage = Lineage::made(shape.len());
    if let Value::Scalar(scalar) = item.value {
        return builder.done(Array::full(&shape, scalar, dtype.unwrap_or(scalar.default_dtype())), lineage, span);
    }
    let (array, _) = builder.operand_array((item, id))?;
    let stretched = array.broadcast_to(shape);
    builder.done(dtype.map_or(stretched.clone(), |dtype| stretched.astype(dtype)), lineage, span)
}

pub(super) fn arange(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (start, stop) = (arguments.given("start"), arguments.given("stop"));
    // As in Python's range, one bound is the end.
    let (start, stop) = if stop.is_none() && arguments.placed > 0 { (stop, start) } else { (start, stop) };
    let Some(stop) = stop else {
        return Err(builder.source.error(span, "`arange` needs a bound").hint("write `arange(stop)` or `arange(start, stop, step)`"));
    };
    let start = start.map_or(Ok(Scalar::Int(0)), |operand| builder.number(operand, "the start"))?;
    let stop = builder.number(stop, "the stop")?;
    let step = arguments.given("step").map_or(Ok(Scalar::Int(1)), |operand| builder.number(operand, "the step"))?;
    let dtype = arguments.given("dtype").map(|operand| builder.dtype(operand)).transpose()?;
    generated(builder, Array::arange(start, stop, step, dtype), span)
}

pub(super) fn linspace(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let start = builder.number(arguments.need("start")?, "the start")?.to_f64();
    let stop = builder.number(arguments.need("stop")?, "the stop")?.to_f64();
    let count = match arguments.given("num") {
        None => 50,
        Some(operand) => {
            let at = builder.span(operand.1);
            let count = builder.integer(operand, "num")?;
            usize::try_from(count).map_err(|_| builder.source.error(at, format!("num is {count}, below 0")))?
        }
    };
    let closed = arguments.given("endpoint").map_or(Ok(true), |operand| builder.truth(operand, "endpoint"))?;
    let array = Array::linspace(start, stop, count, if closed { Endpoint::Included } else { Endpoint::Excluded });
    let array = match arguments.given("dtype") {
        Some(operand) => array.astype(builder.dtype(operand)?),
        None => array,
    };
    generated(builder, array, span)
}

pub(super) fn eye(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let mut length = |operand: Operand| {
        let at = builder.span(operand.1);
        let length = builder.integer(operand, "a length")?;
        usize::try_from(length).map_err(|_| builder.source.error(at, format!("a length is {length}, below 0")))
    };
    let rows = length(arguments.need("n")?)?;
    let columns = arguments.given("m").map_or(Ok(rows), &mut length)?;
    let dtype = arguments.given("dtype").map_or(Ok(DType::F64), |operand| builder.dtype(operand))?;
    builder.done(Array::eye(rows, columns, dtype), Lineage::made(2), span)
}

/// A generated array: its axes are its own.
fn generated(builder: &mut Builder<'_>, array: Array, span: Span) -> Result<Item> {
    let item = builder.done(array, Lineage::default(), span)?;
    match item.value {
        Value::Array(array) => builder.base(array),
        other => Ok(other.into()),
    }
}

pub(super) fn meshgrid(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let matrix = match arguments.given("indexing") {
        None => false,
        Some((item, id)) => match &item.value {
            Value::Text(text) if text == "xy" => false,
            Value::Text(text) if text == "ij" => true,
            other => return Err(builder.source.error(builder.span(id), format!("indexing is 'xy' or 'ij', not {}", other.describe()))),
        },
    };
    let mut vectors = Vec::new();
    for operand in arguments.rest.drain(..) {
        let at = builder.span(operand.1);
        let (array, _) = builder.operand_array(operand)?;
        let shape = array.shape().map_err(|error| builder.source.locate(at, &error))?;
        if shape.len() > 1 {
            return Err(builder.source.error(at, format!("meshgrid takes vectors, this array has shape {}", show(&shape))));
        }
        vectors.push((array, shape.first().copied().unwrap_or(1)));
    }
    let rank = vectors.len();
    // Cartesian indexing runs the first vector along columns.
    let axis_of = |place: usize| if !matrix && rank > 1 && place < 2 { 1 - place } else { place };
    let mut shape = vec![0; rank];
    for (place, (_, length)) in vectors.iter().enumerate() {
        shape[axis_of(place)] = *length;
    }
    let mut grids = Vec::with_capacity(rank);
    for (place, (array, _)) in vectors.iter().enumerate() {
        let along = axis_of(place);
        let own = if array.rank()? == 0 { SliceItem::NewAxis } else { SliceItem::FULL };
        let items = (0..rank).map(|axis| if axis == along { own } else { SliceItem::NewAxis }).collect();
        let grid = builder.done(array.slice_items(items).broadcast_to(shape.clone()), Lineage::default(), span)?;
        grids.push(grid.value);
    }
    Ok(Value::List(grids).into())
}
