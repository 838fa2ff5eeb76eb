//! Functions that gather elements or put arrays together: rolls, repeats, borders, lists of indices, concatenation.

use crate::{
    array::{
        Array, AxisRef, Indices, Pad,
        parse::{
            ast::ExprId,
            build::{Builder, Item},
            calls::Arguments,
            lineage::{AxisOrigin, Lineage},
            operators::Operand,
            source::Span,
            value::Value,
        },
    },
    error::{Error, Result},
    nd::Scalar,
};

impl Builder<'_> {
    /// The axis of an optional `axis` argument.
    fn optional_axis(&self, array: &Array, arguments: &mut Arguments) -> Result<Option<AxisRef>> {
        let Some((item, id)) = arguments.given("axis") else { return Ok(None) };
        self.axis(array, &item.value, id).map(|axis| Some(AxisRef::Index(axis)))
    }

    /// The result of something that keeps the axes but for what lies along `axis`.
    pub(super) fn changed(&self, array: Array, lineage: &Lineage, axis: &AxisRef, span: Span) -> Result<Item> {
        let mut axes = lineage.axes.clone();
        if let AxisRef::Index(index) = axis {
            let place = if *index < 0 { index + axes.len() as i64 } else { *index };
            if let Some(origin) = usize::try_from(place).ok().and_then(|place| axes.get_mut(place)) {
                *origin = AxisOrigin::default();
            }
        }
        self.done(array, lineage.with_axes(axes), span)
    }

    fn counts(&self, operand: &Operand, what: &str) -> Result<Vec<usize>> {
        let id = operand.1;
        let counts = self.integers(operand, what)?;
        counts.iter().map(|&count| self.count(count, id, what)).collect()
    }

    fn count(&self, count: i64, id: ExprId, what: &str) -> Result<usize> {
        usize::try_from(count).map_err(|_| self.source.error(self.span(id), format!("{what} is {count}, below 0")))
    }

    /// The arrays of a tuple or a list.
    fn arrays(&self, (item, id): Operand) -> Result<Vec<Array>> {
        let span = self.span(id);
        let (Value::Tuple(items) | Value::List(items)) = item.value else {
            let error = self.source.error(span, format!("arrays come in a tuple or a list, not as {}", item.value.describe()));
            return Err(error.hint("as in `concatenate((x, y), axis=0)`"));
        };
        items.into_iter().map(|value| self.array(value.into(), span).map(|(array, _)| array)).collect()
    }
}

pub(super) fn roll(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let shift = builder.integer(arguments.need("shift")?, "a shift")?;
    match builder.optional_axis(&array, &mut arguments)? {
        Some(axis) => builder.changed(array.roll(shift, axis.clone()), &lineage, &axis, span),
        None => {
            let shape: Vec<i64> = array.shape()?.iter().map(|&length| length as i64).collect();
            let axes = Lineage::made(shape.len()).axes;
            builder.done(array.ravel().roll(shift, 0).reshape(shape), lineage.with_axes(axes), span)
        }
    }
}

pub(super) fn flip(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let axes = match arguments.given("axis") {
        Some(operand) => builder.axes(&array, operand)?,
        None => (0..array.rank()? as i64).collect(),
    };
    let flipped = axes.iter().fold(array, |array, &axis| array.flip(axis));
    let made = Lineage::made(flipped.rank()?).axes;
    builder.done(flipped, lineage.with_axes(made), span)
}

pub(super) fn move_axis(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let (item, id) = arguments.need("source")?;
    let from = builder.axis(&array, &item.value, id)?;
    let to = builder.integer(arguments.need("destination")?, "an axis")?;
    let rank = array.rank()?;
    let place = |axis: i64| crate::nd::shape::normalize_axis(axis, rank).map_err(|error| builder.source.locate(span, &error));
    let (from, to) = (place(from)?, place(to)?);
    let mut axes = lineage.axes.clone();
    if axes.len() == rank {
        let moved = axes.remove(from);
        axes.insert(to, moved);
    }
    builder.done(array.move_axis(from, to as i64), lineage.with_axes(axes), span)
}

pub(super) fn diagonal(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let mut number = |name: &str, default: i64, what: &str| match arguments.given(name) {
        Some(operand) => builder.integer(operand, what),
        None => Ok(default),
    };
    let (offset, first, second) = (number("offset", 0, "an offset")?, number("axis1", 0, "an axis")?, number("axis2", 1, "an axis")?);
    let made = array.diagonal(offset, first, second);
    let axes = Lineage::made(array.rank()?.saturating_sub(1)).axes;
    builder.done(made, lineage.with_axes(axes), span)
}

pub(super) fn take(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let indices = arguments.need("indices")?;
    let indices = match indices.0.value {
        Value::Array(indices) => Indices::Computed(indices),
        _ => Indices::Given(builder.integers(&indices, "an index")?),
    };
    let (array, axis) = match builder.optional_axis(&array, &mut arguments)? {
        Some(axis) => (array, axis),
        None => (array.ravel(), AxisRef::Index(0)),
    };
    match indices {
        Indices::Given(_) if array.rank()? == lineage.axes.len() => {
            builder.changed(array.take(indices, axis.clone()), &lineage, &axis, span)
        }
        _ => {
            let taken = array.take(indices, axis);
            let axes = Lineage::made(taken.rank().unwrap_or(0)).axes;
            builder.done(taken, lineage.with_axes(axes), span)
        }
    }
}

pub(super) fn repeat(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let (item, id) = arguments.need("repeats")?;
    let count = builder.integer_of(&item.value, id, "a number of repeats")?;
    let count = builder.count(count, id, "a number of repeats")?;
    match builder.optional_axis(&array, &mut arguments)? {
        Some(axis) => builder.changed(array.repeat(count, axis.clone()), &lineage, &axis, span),
        None => builder.done(array.ravel().repeat(count, 0), lineage.with_axes(Lineage::made(1).axes), span),
    }
}

pub(super) fn tile(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let counts = builder.counts(&arguments.need("reps")?, "a number of repeats")?;
    let tiled = array.tile(&counts);
    let axes = Lineage::made(tiled.rank().unwrap_or(0)).axes;
    builder.done(tiled, lineage.with_axes(axes), span)
}

pub(super) fn pad(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let widths = widths(builder, arguments.need("pad_width")?, array.rank()?)?;
    let value = match arguments.given("constant_values") {
        Some(operand) => builder.number(operand, "a border")?,
        None => Scalar::Int(0),
    };
    let mode = match arguments.given("mode") {
        None => Pad::Constant(value),
        Some((item, id)) => match &item.value {
            Value::Text(text) => match text.as_str() {
                "constant" => Pad::Constant(value),
                "edge" => Pad::Edge,
                "reflect" => Pad::Reflect,
                "symmetric" => Pad::Symmetric,
                "wrap" => Pad::Wrap,
                other => {
                    let error = builder.source.error(builder.span(id), format!("there is no border `{other}`"));
                    return Err(error.hint("one of 'constant', 'edge', 'reflect', 'symmetric', 'wrap'"));
                }
            },
            other => return Err(builder.source.error(builder.span(id), format!("a mode is a string, not {}", other.describe()))),
        },
    };
    let axes = Lineage::made(array.rank()?).axes;
    builder.done(array.pad(&widths, mode), lineage.with_axes(axes), span)
}

/// `n`, `(before, after)`, or a pair for every axis.
fn widths(builder: &Builder<'_>, operand: Operand, rank: usize) -> Result<Vec<(usize, usize)>> {
    let what = "a width";
    let id = operand.1;
    let fail = |text: String| Err(builder.source.error(builder.span(id), text).hint("as in `pad(x, ((1, 1), (0, 2)))`"));
    let pairs = match &operand.0.value {
        Value::Tuple(items) | Value::List(items) if items.iter().all(|item| matches!(item, Value::Tuple(_) | Value::List(_))) => {
            items.iter().map(|item| builder.counts(&(item.clone().into(), id), what)).collect::<Result<Vec<_>>>()?
        }
        _ => vec![builder.counts(&operand, what)?],
    };
    let pair = |counts: &Vec<usize>| match counts[..] {
        [both] => Some((both, both)),
        [before, after] => Some((before, after)),
        _ => None,
    };
    match pairs.iter().map(pair).collect::<Option<Vec<_>>>() {
        Some(pairs) if pairs.len() == 1 => Ok(vec![pairs[0]; rank]),
        Some(pairs) if pairs.len() == rank => Ok(pairs),
        Some(pairs) => fail(format!("{} pairs of widths for an array of {rank} dimensions", pairs.len())),
        None => fail("widths are one number or a pair for every axis".to_string()),
    }
}

/// The axis of `arrays` that `axis` names, and what is put together along it.
fn joined(builder: &Builder<'_>, mut arguments: Arguments, span: Span, join: impl FnOnce(Vec<Array>, i64) -> Array) -> Result<Item> {
    let arrays = builder.arrays(arguments.need("arrays")?)?;
    let axis = match arguments.given("axis") {
        Some((item, id)) => match arrays.first() {
            Some(first) => builder.axis(first, &item.value, id)?,
            None => builder.integer_of(&item.value, id, "an axis")?,
        },
        None => 0,
    };
    let made = join(arrays, axis);
    let axes = Lineage::made(made.rank().unwrap_or(0)).axes;
    builder.done(made, Lineage::default().with_axes(axes), span)
}

pub(super) fn concatenate(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    let flat = arguments.is_none("axis");
    joined(builder, arguments, span, |arrays, axis| {
        let lines: Vec<Array> = if flat { arrays.iter().map(Array::ravel).collect() } else { arrays };
        Array::concatenate(&lines, axis)
    })
}

pub(super) fn stack(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    joined(builder, arguments, span, |arrays, axis| Array::stack(&arrays, axis))
}

pub(super) fn hstack(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    joined(builder, arguments, span, |arrays, _| {
        let arrays: Vec<Array> = arrays.iter().map(|array| at_least(array, 1)).collect();
        let flat = arrays.first().is_some_and(|first| first.rank().is_ok_and(|rank| rank <= 1));
        Array::concatenate(&arrays, if flat { 0 } else { 1 })
    })
}

pub(super) fn vstack(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    joined(builder, arguments, span, |arrays, _| {
        let rows: Vec<Array> = arrays.iter().map(|array| at_least(array, 2)).collect();
        Array::concatenate(&rows, 0)
    })
}

/// With new first axes up to `rank` axes.
fn at_least(array: &Array, rank: usize) -> Array {
    (array.rank().unwrap_or(rank)..rank).fold(array.clone(), |array, _| array.insert_axis(0))
}

pub(super) fn split(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, _) = builder.operand_array(arguments.need("x")?)?;
    let (item, id) = arguments.need("sections")?;
    let count = builder.integer_of(&item.value, id, "a number of parts")?;
    let count = builder.count(count, id, "a number of parts")?;
    let axis = builder.optional_axis(&array, &mut arguments)?.unwrap_or(AxisRef::Index(0));
    let parts = array.split(count, axis).map_err(|error| builder.source.locate(span, &error))?;
    Ok(Value::Tuple(parts.into_iter().map(Value::Array).collect()).into())
}

/// The elements along `axis` where a mask of one axis is true.
pub(super) fn compressed(array: &Array, mask: &Array, axis: i64) -> Array {
    array.move_axis(axis, 0).compress(mask).move_axis(0, axis)
}

pub(super) fn compress(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (condition, _) = builder.operand_array(arguments.need("condition")?)?;
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let made = match builder.optional_axis(&array, &mut arguments)? {
        None => array.ravel().compress(&condition),
        Some(AxisRef::Index(axis)) if crate::nd::shape::normalize_axis(axis, array.rank()?)? != 0 => compressed(&array, &condition, axis),
        Some(_) if condition.rank()? == 1 => array.compress(&condition),
        Some(_) => return Err(Error::usage("the condition of compress has one axis")),
    };
    let axes = Lineage::made(made.rank().unwrap_or(0)).axes;
    builder.done(made, lineage.with_axes(axes), span)
}
