//! Products of matrices as they are called.

use crate::{
    array::{
        Array, Axes,
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
};

impl Builder<'_> {
    /// `left @ right`.
    pub(super) fn matrix_product(&mut self, left: Operand, right: Operand, span: Span) -> Result<Item> {
        let (left, right) = (self.operand_array(left)?, self.operand_array(right)?);
        self.product([left, right], span, Array::matmul)
    }

    /// What `multiply` makes of two sides. Whoever multiplies matrices means the axes as they are.
    fn product(&mut self, sides: [(Array, Lineage); 2], span: Span, multiply: impl Fn(&Array, &Array) -> Array) -> Result<Item> {
        for (_, lineage) in &sides {
            self.notes.settle(&lineage.products);
        }
        let made = multiply(&sides[0].0, &sides[1].0);
        let lineage = Lineage::made(made.rank().unwrap_or(0));
        self.done(made, lineage, span)
    }
}

fn sides(builder: &mut Builder<'_>, arguments: &mut Arguments) -> Result<[(Array, Lineage); 2]> {
    Ok([builder.operand_array(arguments.need("x1")?)?, builder.operand_array(arguments.need("x2")?)?])
}

pub(super) fn matmul(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let sides = sides(builder, &mut arguments)?;
    builder.product(sides, span, Array::matmul)
}

pub(super) fn inner(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let sides = sides(builder, &mut arguments)?;
    builder.product(sides, span, Array::inner)
}

pub(super) fn outer(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let sides = sides(builder, &mut arguments)?;
    builder.product(sides, span, Array::outer)
}

pub(super) fn dot(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let sides = sides(builder, &mut arguments)?;
    let ranks = [sides[0].0.rank()?, sides[1].0.rank()?];
    if ranks.iter().any(|&rank| rank > 2) {
        let error =
            builder.source.error(span, format!("dot of arrays of {} and {} axes means other things to other people", ranks[0], ranks[1]));
        return Err(error.hint("`x1 @ x2` multiplies stacks of matrices; `tensordot` and `einsum` name the axes"));
    }
    if ranks == [1, 1] {
        let mode = builder.options.sum_mode;
        return builder.product(sides, span, |left, right| left.vecdot(right, Axes::all().sum(mode)));
    }
    builder.product(sides, span, Array::matmul)
}

pub(super) fn tensordot(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let sides = sides(builder, &mut arguments)?;
    let axes = match arguments.given("axes") {
        None => count(2),
        Some((item, id)) => match item.value {
            Value::Tuple(pair) | Value::List(pair) if pair.len() == 2 => {
                let mut lists = pair.into_iter().map(|list| builder.integers(&(list.into(), id), "an axis"));
                [lists.next().unwrap_or(Ok(Vec::new()))?, lists.next().unwrap_or(Ok(Vec::new()))?]
            }
            value => {
                let number = builder.integer_of(&value, id, "axes")?;
                let most = sides.iter().map(|(side, _)| side.rank()).collect::<Result<Vec<usize>>>()?.into_iter().min().unwrap_or(0);
                match usize::try_from(number).ok().filter(|number| *number <= most) {
                    Some(number) => count(number),
                    None => {
                        let error = builder.source.error(builder.span(id), format!("{number} axes of arrays that share {most} at most"));
                        return Err(error.hint("a number of axes, or a list of axes of each: `axes=([0], [1])`"));
                    }
                }
            }
        },
    };
    builder.product(sides, span, |left, right| left.tensordot(right, &axes[0], &axes[1]))
}

/// The last axes of the left side and the first of the right one.
fn count(number: usize) -> [Vec<i64>; 2] {
    let number = number as i64;
    [(-number..0).collect(), (0..number).collect()]
}

pub(super) fn einsum(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (item, id) = arguments.need("subscripts")?;
    let Value::Text(subscripts) = item.value else {
        let message = format!("subscripts are a text, not {}", item.value.describe());
        return Err(builder.source.error(builder.span(id), message).hint("as in `einsum('ij,jk->ik', x, y)`"));
    };
    let operands = arguments.rest.into_iter().map(|operand| builder.operand_array(operand)).collect::<Result<Vec<_>>>()?;
    for (_, lineage) in &operands {
        builder.notes.settle(&lineage.products);
    }
    let made = Array::einsum(&subscripts, operands.iter().map(|(array, _)| array));
    let lineage = Lineage::made(made.rank().unwrap_or(0));
    builder.done(made, lineage, span)
}
