//! Reductions as they are called.

use crate::{
    array::{
        Array, Axes, axis,
        parse::{
            build::{Builder, Item},
            calls::Arguments,
            lineage::Lineage,
            source::Span,
        },
    },
    error::Result,
    expr::reduce::normalize_axes,
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

pub(super) fn reduce(builder: &mut Builder<'_>, finish: Finish, mut arguments: Arguments, span: Span) -> Result<Item> {
    let call = Call::read(builder, &mut arguments, span)?;
    let dtype = arguments.given("dtype").map(|operand| builder.dtype(operand)).transpose()?;
    let ddof = match arguments.given("ddof") {
        Some(operand) => {
            let at = builder.span(operand.1);
            let ddof = builder.integer(operand, "ddof")?;
            u64::try_from(ddof).map_err(|_| builder.source.error(at, format!("ddof is {ddof}, below 0")))?
        }
        None => 0,
    };
    let made = call.array.reduce(finish.with_ddof(ddof), call.axes, call.keepdims, dtype, builder.options.sum_mode);
    builder.done(made, call.lineage, span)
}

pub(super) fn ptp(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let call = Call::read(builder, &mut arguments, span)?;
    let made = call.array.ptp(call.options(builder));
    builder.done(made, call.lineage, span)
}
