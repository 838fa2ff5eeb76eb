//! Functions of order: quantiles, sorting, the largest elements, what is unique.

use crate::{
    array::{
        Axes, AxisRef, Quantiles,
        parse::{
            build::{Builder, Item},
            calls::Arguments,
            lineage::Lineage,
            operators::Operand,
            source::Span,
            suggest::nearest,
            value::Value,
        },
    },
    error::Result,
    expr::reduce::normalize_axes,
    kernel::program::QuantileMethod,
};

/// What the quantiles of a call are of 1, and whether NaN are left out.
#[derive(Clone, Copy)]
enum Unit {
    One,
    Percent,
    Half,
}

impl Builder<'_> {
    fn quantiles(&mut self, unit: Unit, skip_nan: bool, mut arguments: Arguments, span: Span) -> Result<Item> {
        let (array, lineage) = self.operand_array(arguments.need("x")?)?;
        let mut quantiles = match unit {
            Unit::Half => Quantiles::from(0.5),
            Unit::One | Unit::Percent => self.probabilities(arguments.need("q")?, unit)?,
        };
        if let Some(method) = arguments.given("method") {
            quantiles = quantiles.method(self.method_of(method)?);
        }
        if skip_nan {
            quantiles = quantiles.skip_nan();
        }
        let axes = arguments.given("axis").map(|axis| self.axes(&array, axis)).transpose()?;
        let keepdims = arguments.given("keepdims").map_or(Ok(false), |operand| self.truth(operand, "keepdims"))?;
        let rank = array.rank()?;
        let reduced = match &axes {
            None => (0..rank).collect(),
            Some(axes) => normalize_axes(axes, rank).map_err(|error| self.source.locate(span, &error))?,
        };
        let mut options: Axes = axes.map_or_else(Axes::all, crate::array::axis);
        if keepdims {
            options = options.keepdims();
        }
        self.notes.settle(&lineage.products);
        let made = match unit {
            Unit::Percent => array.percentile(quantiles, options),
            _ => array.quantile(quantiles, options),
        };
        let lineage = match made.rank() {
            // A list of quantiles is an axis that nothing had before.
            Ok(made) if made + reduced.len() != rank && !(keepdims && made == rank) => Lineage::made(made),
            _ => lineage.reduce(&reduced, keepdims),
        };
        self.done(made, lineage, span)
    }

    /// A number or a list of numbers.
    fn probabilities(&self, (item, id): Operand, unit: Unit) -> Result<Quantiles> {
        let what = if matches!(unit, Unit::Percent) { "a percentile" } else { "a quantile" };
        let number = |value: Value| self.number((value.into(), id), what).map(crate::nd::Scalar::to_f64);
        match item.value {
            Value::Tuple(items) | Value::List(items) => Ok(items.into_iter().map(number).collect::<Result<Vec<f64>>>()?.into()),
            one => number(one).map(Quantiles::from),
        }
    }

    fn method_of(&self, (item, id): Operand) -> Result<QuantileMethod> {
        let names = || QuantileMethod::ALL.map(QuantileMethod::name);
        if let Value::Text(text) = &item.value {
            if let Some(method) = QuantileMethod::named(text) {
                return Ok(method);
            }
            let error = self.source.error(self.span(id), format!("no method of quantiles is called '{text}'"));
            return Err(match nearest(text, names()) {
                Some(meant) => error.hint(format!("did you mean '{meant}'?")),
                None => error.hint(format!("one of {}", names().join(", "))),
            });
        }
        let error = self.source.error(self.span(id), format!("a method of quantiles is a name, not {}", item.value.describe()));
        Err(error.hint(format!("one of {}", names().join(", "))))
    }
}

macro_rules! quantile_functions {
    ($($name:ident $unit:ident $skip_nan:expr;)*) => {$(
        pub(super) fn $name(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
            builder.quantiles(Unit::$unit, $skip_nan, arguments, span)
        }
    )*};
}
quantile_functions! {
    quantile One false;
    percentile Percent false;
    median Half false;
    nanquantile One true;
    nanpercentile Percent true;
    nanmedian Half true;
}

impl Builder<'_> {
    /// The array and the axis of a call; without an axis (`None`) all elements in C order.
    fn along(&mut self, arguments: &mut Arguments) -> Result<(crate::array::Array, AxisRef, Lineage)> {
        let (array, lineage) = self.operand_array(arguments.need("x")?)?;
        match arguments.get("axis") {
            None => Ok((array, AxisRef::Index(-1), lineage)),
            Some((Item { value: Value::None, .. }, _)) => Ok((array.ravel(), AxisRef::Index(0), Lineage::made(1))),
            Some((item, id)) => {
                let axis = self.axis(&array, &item.value, id)?;
                Ok((array, AxisRef::Index(axis), lineage))
            }
        }
    }

    /// Axes that were put in order have another past.
    fn ordered(&self, made: crate::array::Array, span: Span) -> Result<Item> {
        let lineage = Lineage::made(made.rank().unwrap_or(0));
        self.done(made, lineage, span)
    }
}

pub(super) fn sort(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, axis, _) = builder.along(&mut arguments)?;
    builder.ordered(array.sort(axis), span)
}

pub(super) fn argsort(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, axis, _) = builder.along(&mut arguments)?;
    builder.ordered(array.argsort(axis), span)
}

pub(super) fn topk(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, axis, _) = builder.along(&mut arguments)?;
    let (item, id) = arguments.need("k")?;
    let count = builder.integer_of(&item.value, id, "a number of elements")?;
    let count = usize::try_from(count).map_err(|_| builder.source.error(builder.span(id), format!("k is {count}, below 0")))?;
    let largest = arguments.given("largest").map_or(Ok(true), |operand| builder.truth(operand, "largest"))?;
    let (values, places) = array.top_k(count, axis, largest);
    let parts = [values, places].map(|part| builder.ordered(part, span).map(|item| item.value));
    Ok(Value::Tuple(parts.into_iter().collect::<Result<_>>()?).into())
}

pub(super) fn unique(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, _) = builder.operand_array(arguments.need("x")?)?;
    if !arguments.given("return_counts").map_or(Ok(false), |operand| builder.truth(operand, "return_counts"))? {
        return builder.ordered(array.unique(), span);
    }
    let (values, counts) = array.unique_counts();
    let parts = [values, counts].map(|part| builder.ordered(part, span).map(|item| item.value));
    Ok(Value::Tuple(parts.into_iter().collect::<Result<_>>()?).into())
}
