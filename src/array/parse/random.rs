//! Functions that draw random arrays. All of them need a seed.

use crate::{
    array::{
        Array, AxisRef, Random,
        parse::{
            build::{Builder, Item},
            calls::Arguments,
            lineage::Lineage,
            source::Span,
        },
    },
    error::Result,
    nd::{DType, shape::show},
};

impl Builder<'_> {
    fn random(&self, arguments: &mut Arguments, span: Span) -> Result<Random> {
        let Some(seed) = arguments.given("seed") else {
            let error = self.source.error(span, "random values need a seed");
            return Err(error.hint("write `seed=1`, or any other integer: the same seed gives the same values"));
        };
        let whole = |operand, what| self.integer(operand, what).map(|number| number as u64);
        let random = Random::new(whole(seed, "the seed")?);
        Ok(arguments
            .given("stream")
            .map(|operand| whole(operand, "the stream"))
            .transpose()?
            .map_or(random, |stream| random.stream(stream)))
    }

    fn float_or(&self, arguments: &mut Arguments, name: &str, default: f64) -> Result<f64> {
        arguments.given(name).map_or(Ok(default), |operand| self.number(operand, name).map(crate::nd::Scalar::to_f64))
    }

    fn drawn(&self, array: Array, span: Span) -> Result<Item> {
        let rank = array.rank().unwrap_or(0);
        self.done(array, Lineage::made(rank), span)
    }
}

fn floats(builder: &Builder<'_>, mut arguments: Arguments, span: Span, law: &str, names: [&str; 2]) -> Result<Item> {
    let shape = builder.shape(arguments.need("shape")?)?;
    let first = builder.float_or(&mut arguments, names[0], 0.0)?;
    let second = builder.float_or(&mut arguments, names[1], 1.0)?;
    let dtype = arguments.given("dtype").map_or(Ok(DType::F64), |operand| builder.dtype(operand))?;
    let random = builder.random(&mut arguments, span)?;
    builder.drawn(random.floats(&shape, dtype, law, (first, second)), span)
}

pub(super) fn uniform(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    floats(builder, arguments, span, "uniform", ["low", "high"])
}

pub(super) fn normal(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    floats(builder, arguments, span, "normal", ["loc", "scale"])
}

pub(super) fn integers(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let shape = builder.shape(arguments.need("shape")?)?;
    let low = builder.whole(arguments.need("low")?, "low")?;
    let high = builder.whole(arguments.need("high")?, "high")?;
    let dtype = arguments.given("dtype").map_or(Ok(DType::I64), |operand| builder.dtype(operand))?;
    let random = builder.random(&mut arguments, span)?;
    builder.drawn(Array::settle(random.try_integers(&shape, dtype, low..high), None), span)
}

pub(super) fn bernoulli(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let shape = builder.shape(arguments.need("shape")?)?;
    let probability = builder.number(arguments.need("p")?, "p")?.to_f64();
    let random = builder.random(&mut arguments, span)?;
    builder.drawn(random.bernoulli(&shape, probability), span)
}

pub(super) fn permutation(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let shape = builder.shape(arguments.need("n")?)?;
    let &[length] = &shape[..] else {
        return Err(builder.source.error(span, format!("a permutation has one length, not the shape {}", show(&shape))));
    };
    let random = builder.random(&mut arguments, span)?;
    builder.drawn(random.permutation(length), span)
}

pub(super) fn shuffle(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let axis = match arguments.given("axis") {
        Some((item, id)) => builder.axis(&array, &item.value, id)?,
        None => 0,
    };
    let random = builder.random(&mut arguments, span)?;
    builder.changed(array.shuffle(random, axis), &lineage, &AxisRef::Index(axis), span)
}
