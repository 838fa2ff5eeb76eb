//! Reductions as they are called.

use crate::{
    array::{
        Array, Axes, Bias, Kurtosis, axis,
        parse::{
            build::{Builder, Item},
            calls::Arguments,
            lineage::Lineage,
            source::Span,
        },
    },
    error::{Error, Result},
    expr::reduce::normalize_axes,
    nd::shape::normalize_axis,
    numeric::Finish,
};

/// The operand of a reduction, its options, and the lineage of the result.
struct Call {
    array: Array,
    axes: Option<Vec<i64>>,
    keepdims: bool,
    lineage: Lineage,
}

impl Call {
    /// Reads `x`, `axis` and `keepdims`.
    fn read(builder: &mut Builder<'_>, arguments: &mut Arguments, span: Span) -> Result<Call> {
        let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
        let axes = arguments.given("axis").map(|axis| builder.axes(&array, axis)).transpose()?;
        let keepdims = arguments.given("keepdims").map_or(Ok(false), |operand| builder.truth(operand, "keepdims"))?;
        let rank = array.rank()?;
        let reduced = match &axes {
            None => (0..rank).collect(),
            Some(axes) => normalize_axes(axes, rank).map_err(|error| builder.source.locate(span, &error))?,
        };
        builder.notes.settle(&lineage.products);
        let lineage = lineage.reduce(&reduced, keepdims);
        Ok(Call { array, axes, keepdims, lineage })
    }

    /// The options as the library has them.
    fn options(&self, builder: &Builder<'_>) -> Axes {
        let axes = self.axes.clone().map_or_else(Axes::all, axis).sum(builder.options.sum_mode);
        if self.keepdims { axes.keepdims() } else { axes }
    }
}

fn ddof(builder: &Builder<'_>, arguments: &mut Arguments, otherwise: u64) -> Result<u64> {
    let Some(operand) = arguments.given("ddof") else { return Ok(otherwise) };
    let at = builder.span(operand.1);
    let ddof = builder.integer(operand, "ddof")?;
    u64::try_from(ddof).map_err(|_| builder.source.error(at, format!("ddof is {ddof}, below 0")))
}

pub(super) fn reduce(builder: &mut Builder<'_>, finish: Finish, mut arguments: Arguments, span: Span) -> Result<Item> {
    let call = Call::read(builder, &mut arguments, span)?;
    let dtype = arguments.given("dtype").map(|operand| builder.dtype(operand)).transpose()?;
    let ddof = ddof(builder, &mut arguments, 0)?;
    let made = call.array.reduce(finish.with_ddof(ddof), call.axes, call.keepdims, dtype, builder.options.sum_mode);
    builder.done(made, call.lineage, span)
}

pub(super) fn ptp(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let call = Call::read(builder, &mut arguments, span)?;
    let made = call.array.ptp(call.options(builder));
    builder.done(made, call.lineage, span)
}

/// Two operands, and the lineage of what is made of their pairs.
fn sides(builder: &mut Builder<'_>, arguments: &mut Arguments, span: Span) -> Result<([Array; 2], Lineage)> {
    let (arrays, lineage) = builder.weak_arrays(arguments, &["x1", "x2"], span)?;
    builder.notes.settle(&lineage.products);
    <[Array; 2]>::try_from(arrays).map(|sides| (sides, lineage)).map_err(|_| Error::internal("two operands are two arrays"))
}

/// Two operands of one axis each.
fn vectors(builder: &mut Builder<'_>, arguments: &mut Arguments, name: &str, span: Span) -> Result<[Array; 2]> {
    let (sides, _) = sides(builder, arguments, span)?;
    for side in &sides {
        let rank = side.rank()?;
        if rank != 1 {
            let error = builder.source.error(span, format!("{name} takes two vectors, not an array of {rank} axes"));
            return Err(error.hint("slice out a row or a column, or ravel"));
        }
    }
    Ok(sides)
}

pub(super) fn vdot(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (left, _) = builder.operand_array(arguments.need("x1")?)?;
    let (right, _) = builder.operand_array(arguments.need("x2")?)?;
    let made = left.ravel().vecdot(&right.ravel(), Axes::all().sum(builder.options.sum_mode));
    builder.done(made, Lineage::made(0), span)
}

pub(super) fn vecdot(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let ([left, right], lineage) = sides(builder, &mut arguments, span)?;
    let wide = if left.rank()? >= right.rank()? { &left } else { &right };
    let place = match arguments.given("axis") {
        Some((item, id)) => builder.axis(wide, &item.value, id)?,
        None => -1,
    };
    let keepdims = arguments.given("keepdims").map_or(Ok(false), |operand| builder.truth(operand, "keepdims"))?;
    let reduced = normalize_axis(place, wide.rank()?).map_err(|error| builder.source.locate(span, &error))?;
    let axes = axis(place).sum(builder.options.sum_mode);
    let made = left.vecdot(&right, if keepdims { axes.keepdims() } else { axes });
    builder.done(made, lineage.reduce(&[reduced], keepdims), span)
}

pub(super) fn average(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let call = Call::read(builder, &mut arguments, span)?;
    let Some(weights) = arguments.given("weights") else {
        let made = call.array.mean(call.options(builder));
        return builder.done(made, call.lineage, span);
    };
    let (weights, _) = builder.operand_array(weights)?;
    let (rank, own) = (call.array.rank()?, weights.rank()?);
    let weights = match &call.axes {
        // Weights of one axis lie along it.
        Some(axes) if own == 1 && rank > 1 && axes.len() == 1 => {
            let place = normalize_axis(axes[0], rank).map_err(|error| builder.source.locate(span, &error))?;
            (place + 1..rank).fold(weights, |weights, _| weights.insert_axis(-1))
        }
        _ if own == rank => weights,
        _ => {
            let error = builder.source.error(span, format!("weights of {own} axes for an array of {rank}"));
            return Err(error.hint("weights have the shape of the array, or are a vector along the one axis that is reduced"));
        }
    };
    let made = call.array.average(&weights, call.options(builder));
    builder.done(made, call.lineage, span)
}

/// `[[a, b], [b, c]]`.
fn matrix(corner: &Array, beside: &Array, last: &Array) -> Array {
    Array::stack(&[Array::stack(&[corner.clone(), beside.clone()], 0), Array::stack(&[beside.clone(), last.clone()], 0)], 0)
}

pub(super) fn cov(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let [left, right] = vectors(builder, &mut arguments, "cov", span)?;
    let ddof = ddof(builder, &mut arguments, 1)?;
    let axes = || Axes::all().ddof(ddof).sum(builder.options.sum_mode);
    let made = matrix(&left.cov(&left, axes()), &left.cov(&right, axes()), &right.cov(&right, axes()));
    builder.done(made, Lineage::made(2), span)
}

pub(super) fn corrcoef(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let [left, right] = vectors(builder, &mut arguments, "corrcoef", span)?;
    let axes = || Axes::all().sum(builder.options.sum_mode);
    let made = matrix(&left.corr(&left, axes()), &left.corr(&right, axes()), &right.corr(&right, axes()));
    builder.done(made, Lineage::made(2), span)
}

fn bias(builder: &mut Builder<'_>, arguments: &mut Arguments) -> Result<Bias> {
    let kept = arguments.given("bias").map_or(Ok(true), |operand| builder.truth(operand, "bias"))?;
    Ok(if kept { Bias::Kept } else { Bias::Removed })
}

pub(super) fn skew(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let call = Call::read(builder, &mut arguments, span)?;
    let bias = bias(builder, &mut arguments)?;
    let made = call.array.skew(call.options(builder), bias);
    builder.done(made, call.lineage, span)
}

pub(super) fn kurtosis(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let call = Call::read(builder, &mut arguments, span)?;
    let bias = bias(builder, &mut arguments)?;
    let fisher = arguments.given("fisher").map_or(Ok(true), |operand| builder.truth(operand, "fisher"))?;
    let definition = if fisher { Kurtosis::Fisher } else { Kurtosis::Pearson };
    let made = call.array.kurtosis(call.options(builder), definition, bias);
    builder.done(made, call.lineage, span)
}
