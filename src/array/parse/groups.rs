//! Functions that sort elements into groups and bins: reductions by labels, counts, places in tables, histograms.

use crate::{
    array::{
        Array, Axes, Bins, Edges, GroupBy, Side, axis,
        parse::{
            build::{Builder, Item},
            calls::Arguments,
            lineage::Lineage,
            operators::Operand,
            source::Span,
            value::Value,
        },
        words::{DType, Finish},
    },
    error::Result,
};

impl Builder<'_> {
    fn number_of(&self, operand: Operand, what: &str) -> Result<usize> {
        let span = self.span(operand.1);
        let number = self.integer(operand, what)?;
        usize::try_from(number).map_err(|_| self.source.error(span, format!("{what} is {number}, below 0")))
    }

    /// The numbers of a list or tuple, or an array.
    fn edges(&self, (item, id): Operand) -> Result<Edges> {
        let (Value::List(items) | Value::Tuple(items)) = &item.value else {
            return self.operand_array((item, id)).map(|(array, _)| array.into());
        };
        let number = |value: &Value| match value {
            Value::Scalar(scalar) => Ok(scalar.to_f64()),
            other => Err(self.source.error(self.span(id), format!("an edge is a number, not {}", other.describe()))),
        };
        items.iter().map(number).collect::<Result<Vec<f64>>>().map(Edges::from)
    }

    fn bins(&self, operand: Option<Operand>) -> Result<Bins> {
        match operand {
            None => Ok(Bins::Number(10)),
            Some((item, id)) if matches!(item.value, Value::Scalar(_) | Value::Unknown) => {
                self.number_of((item, id), "the number of bins").map(Bins::Number)
            }
            Some(operand) => self.edges(operand).map(Bins::Edges),
        }
    }

    fn range(&self, operand: Option<Operand>) -> Result<Option<(f64, f64)>> {
        let Some((item, id)) = operand else { return Ok(None) };
        match &item.value {
            Value::Tuple(items) | Value::List(items) => match items.as_slice() {
                [Value::Scalar(low), Value::Scalar(high)] => Ok(Some((low.to_f64(), high.to_f64()))),
                _ => Err(self.source.error(self.span(id), "a range is two numbers").hint("as in `range=(0, 1)`")),
            },
            other => Err(self.source.error(self.span(id), format!("a range is two numbers, not {}", other.describe()))),
        }
    }

    fn optional_array(&self, operand: Option<Operand>) -> Result<Option<Array>> {
        operand.map(|operand| self.operand_array(operand).map(|(array, _)| array)).transpose()
    }
}

/// A reduction of groups; `finish` is given the degrees of freedom.
fn grouped(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span, finish: fn(u64) -> Finish) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let (labels, _) = builder.operand_array(arguments.need("labels")?)?;
    let count = builder.number_of(arguments.need("n")?, "the number of groups")?;
    let given = arguments.given("axis").map(|operand| builder.axes(&array, operand)).transpose()?;
    let dtype = if matches!(finish(0), Finish::Sum | Finish::Mean) {
        arguments.given("dtype").map(|operand| builder.dtype(operand)).transpose()?
    } else {
        None
    };
    let ddof = if matches!(finish(0), Finish::Var { .. } | Finish::Std { .. }) { arguments.given("ddof") } else { None };
    let ddof = ddof.map_or(Ok(0), |operand| builder.number_of(operand, "ddof"))?;
    let skip = arguments.given("skip").map_or(Ok(false), |operand| builder.truth(operand, "skip"))?;
    let mut axes = given.map_or_else(Axes::all, axis);
    if matches!(finish(0), Finish::Sum | Finish::Mean | Finish::Var { .. } | Finish::Std { .. }) {
        axes = axes.sum(builder.options.sum_mode);
    }
    if let Some(dtype) = dtype {
        axes = axes.dtype(dtype);
    }
    let groups = array.group_by(&labels, count);
    let groups = if skip { groups.skip_others() } else { groups };
    let made = array.then(GroupBy::reduced(&groups, finish(ddof as u64), &axes));
    let rank = made.rank().unwrap_or(0);
    builder.done(made, lineage.with_axes(Lineage::made(rank).axes), span)
}

macro_rules! grouped {
    ($($name:ident $finish:expr;)*) => {$(
        pub(super) fn $name(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
            grouped(builder, arguments, span, $finish)
        }
    )*};
}
grouped! {
    sum |_| Finish::Sum;
    mean |_| Finish::Mean;
    var |ddof| Finish::Var { ddof };
    std |ddof| Finish::Std { ddof };
    min |_| Finish::Min;
    max |_| Finish::Max;
    any |_| Finish::Any;
    all |_| Finish::All;
    count |_| Finish::Count;
}

/// Axes and `keepdims` of a reduction.
fn reduced_axes(builder: &Builder<'_>, array: &Array, arguments: &mut Arguments) -> Result<Axes> {
    let given = arguments.given("axis").map(|operand| builder.axes(array, operand)).transpose()?;
    let axes = given.map_or_else(Axes::all, axis);
    let keeps = arguments.given("keepdims").map_or(Ok(false), |operand| builder.truth(operand, "keepdims"))?;
    Ok(if keeps { axes.keepdims() } else { axes })
}

pub(super) fn approx_distinct(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let axes = reduced_axes(builder, &array, &mut arguments)?;
    let made = array.approx_distinct(axes);
    let rank = made.rank().unwrap_or(0);
    builder.done(made, lineage.with_axes(Lineage::made(rank).axes), span)
}

pub(super) fn approx_quantile(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let (item, id) = arguments.need("q")?;
    let axes = reduced_axes(builder, &array, &mut arguments)?;
    let made = match &item.value {
        Value::List(items) | Value::Tuple(items) => {
            let mut parts = Vec::new();
            for value in items {
                let q = builder.number((Item::from(value.clone()), id), "a quantile")?.to_f64();
                parts.push(array.approx_quantile(q, axes.clone()));
            }
            Array::stack(&parts, 0)
        }
        _ => array.approx_quantile(builder.number((item, id), "a quantile")?.to_f64(), axes),
    };
    let rank = made.rank().unwrap_or(0);
    builder.done(made, lineage.with_axes(Lineage::made(rank).axes), span)
}

pub(super) fn bincount(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let weights = builder.optional_array(arguments.given("weights"))?;
    let least = arguments.given("minlength").map_or(Ok(0), |operand| builder.number_of(operand, "minlength"))?;
    let length = arguments.given("length").map(|operand| builder.number_of(operand, "length")).transpose()?;
    let made = match (length, weights) {
        (None, weights) => array.bincount_all(weights.as_ref(), least),
        (Some(length), None) => array.bincount(length),
        (Some(length), Some(weights)) => weights.astype(DType::F64).group_by(&array, length).sum(Axes::all().sum(builder.options.sum_mode)),
    };
    builder.done(made, lineage.with_axes(Lineage::made(1).axes), span)
}

pub(super) fn digitize(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let bins = builder.edges(arguments.need("bins")?)?;
    let right = arguments.given("right").map_or(Ok(false), |operand| builder.truth(operand, "right"))?;
    builder.done(array.digitize(bins, if right { Side::Right } else { Side::Left }), lineage, span)
}

pub(super) fn searchsorted(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let table = builder.edges(arguments.need("a")?)?;
    let (values, lineage) = builder.operand_array(arguments.need("v")?)?;
    let side = match arguments.given("side") {
        None => Side::Left,
        Some((item, id)) => match &item.value {
            Value::Text(text) if text == "left" => Side::Left,
            Value::Text(text) if text == "right" => Side::Right,
            other => return Err(builder.source.error(builder.span(id), format!("side is 'left' or 'right', not {}", other.describe()))),
        },
    };
    builder.done(values.places_in(table, side), lineage, span)
}

fn described(builder: &mut Builder<'_>, arguments: &mut Arguments) -> Result<crate::array::Histogram> {
    let (array, _) = builder.operand_array(arguments.need("x")?)?;
    let made = array.histogram(builder.bins(arguments.given("bins"))?);
    Ok(match builder.range(arguments.given("range"))? {
        Some((low, high)) => made.range(low, high),
        None => made,
    })
}

pub(super) fn histogram(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let mut made = described(builder, &mut arguments)?;
    if let Some(weights) = builder.optional_array(arguments.given("weights"))? {
        made = made.weights(&weights);
    }
    if arguments.given("density").map_or(Ok(false), |operand| builder.truth(operand, "density"))? {
        made = made.density();
    }
    let parts = [made.counts(), made.edges()].map(|part| builder.done(part, Lineage::made(1), span).map(|item| item.value));
    Ok(Value::Tuple(parts.into_iter().collect::<Result<_>>()?).into())
}

pub(super) fn histogram_bin_edges(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let made = described(builder, &mut arguments)?;
    builder.done(made.edges(), Lineage::made(1), span)
}
