//! Functions of whole rows: softmax, norms, standardisation. The arithmetic is the array's; here are arguments.

use crate::{
    array::{
        Array, Axes, Norm, axis,
        parse::{
            build::{Builder, Item},
            calls::Arguments,
            source::Span,
        },
    },
    error::Result,
    nd::{Scalar, shape::normalize_axis},
};

/// The axes that were given, with the sums of this text; those of `default` if none were (`None`: all).
fn axes(builder: &Builder<'_>, array: &Array, arguments: &mut Arguments, default: Option<i64>) -> Result<Axes> {
    let given = match arguments.get("axis") {
        Some(operand) if matches!(operand.0.value, super::value::Value::None) => None,
        Some(operand) => Some(builder.axes(array, operand)?),
        None => default.map(|place| vec![place]),
    };
    Ok(given.map_or_else(Axes::all, axis).sum(builder.options.sum_mode))
}

fn epsilon(builder: &Builder<'_>, arguments: &mut Arguments, default: f64) -> Result<f64> {
    arguments.given("eps").map_or(Ok(default), |operand| builder.number(operand, "eps").map(Scalar::to_f64))
}

fn same_shape(
    builder: &mut Builder<'_>,
    mut arguments: Arguments,
    span: Span,
    default: Option<i64>,
    apply: impl Fn(&Builder<'_>, &Array, Axes, &mut Arguments) -> Result<Array>,
) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let axes = axes(builder, &array, &mut arguments, default)?;
    let made = apply(builder, &array, axes, &mut arguments)?;
    builder.done(made, lineage, span)
}

pub(super) fn softmax(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    same_shape(builder, arguments, span, None, |_, array, axes, _| Ok(array.softmax(axes)))
}

pub(super) fn log_softmax(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    same_shape(builder, arguments, span, None, |_, array, axes, _| Ok(array.log_softmax(axes)))
}

pub(super) fn logsumexp(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let keepdims = arguments.given("keepdims").map_or(Ok(false), |operand| builder.truth(operand, "keepdims"))?;
    let given = arguments.given("axis").map(|operand| builder.axes(&array, operand)).transpose()?;
    let rank = array.rank()?;
    let places: Vec<usize> = match &given {
        Some(list) => list.iter().filter_map(|place| normalize_axis(*place, rank).ok()).collect(),
        None => (0..rank).collect(),
    };
    let axes = given.map_or_else(Axes::all, axis).sum(builder.options.sum_mode);
    let made = array.logsumexp(if keepdims { axes.keepdims() } else { axes });
    builder.done(made, lineage.reduce(&places, keepdims), span)
}

pub(super) fn normalize(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    same_shape(builder, arguments, span, Some(-1), |builder, array, axes, arguments| {
        let norm = match arguments.given("ord") {
            None => Norm::L2,
            Some(operand) => {
                let at = builder.span(operand.1);
                match builder.integer(operand, "ord")? {
                    1 => Norm::L1,
                    2 => Norm::L2,
                    other => return Err(builder.source.error(at, format!("ord is 1 or 2, not {other}"))),
                }
            }
        };
        Ok(array.normalize(norm, axes, epsilon(builder, arguments, 1e-12)?))
    })
}

pub(super) fn standardize(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    same_shape(builder, arguments, span, Some(0), |builder, array, axes, arguments| {
        let ddof = arguments.given("ddof").map_or(Ok(0), |operand| builder.integer(operand, "ddof"))?;
        Ok(array.standardize(axes.ddof(ddof.unsigned_abs()), epsilon(builder, arguments, 0.0)?))
    })
}

/// A weight or bias, if one was given, in the shape that meets `array` along `channel`.
fn factor(builder: &Builder<'_>, arguments: &mut Arguments, name: &str, array: &Array, channel: Option<i64>) -> Result<Option<Array>> {
    let Some(operand) = arguments.given(name) else { return Ok(None) };
    let (factor, _) = builder.operand_array(operand)?;
    let Some(channel) = channel else { return Ok(Some(factor)) };
    let rank = array.rank()?;
    let after = (rank - 1).saturating_sub(normalize_axis(channel, rank)?);
    Ok(Some((0..after).fold(factor, |factor, _| factor.insert_axis(-1))))
}

fn scaled(made: Array, weight: Option<Array>, bias: Option<Array>) -> Array {
    let made = weight.map_or(made.clone(), |weight| made * weight);
    bias.map_or(made.clone(), |bias| made + bias)
}

pub(super) fn layer_norm(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    same_shape(builder, arguments, span, Some(-1), |builder, array, axes, arguments| {
        let made = array.layer_norm(axes, epsilon(builder, arguments, 1e-5)?);
        let weight = factor(builder, arguments, "weight", array, None)?;
        Ok(scaled(made, weight, factor(builder, arguments, "bias", array, None)?))
    })
}

pub(super) fn batch_norm(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let channel = match arguments.given("axis") {
        Some((item, id)) => builder.axis(&array, &item.value, id)?,
        None => 1,
    };
    let made = array.batch_norm(channel, epsilon(builder, &mut arguments, 1e-5)?);
    if made.error().is_some() {
        return builder.done(made, lineage, span);
    }
    let weight = factor(builder, &mut arguments, "weight", &array, Some(channel))?;
    let bias = factor(builder, &mut arguments, "bias", &array, Some(channel))?;
    builder.done(scaled(made, weight, bias), lineage, span)
}
