//! Calls: arguments to parameters, and what each function does with them.

use crate::{
    array::{
        Array,
        parse::{
            ast::ExprId,
            build::{Builder, Item},
            functions::{Form, FunctionDoc, Need, Parameter, ParameterKind},
            lineage::Lineage,
            operators::Operand,
            reductions,
            source::Span,
            suggest::nearest,
            value::Value,
        },
    },
    error::{Error, Result},
    kernel::program::{BinaryOp, CastMode},
    nd::{DType, Scalar},
};

/// The arguments of one call, in the places of the parameters.
pub(super) struct Arguments {
    function: &'static FunctionDoc,
    slots: Vec<(Parameter, Option<Operand>)>,
    pub rest: Vec<Operand>,
    /// How many were given by place.
    pub placed: usize,
    pub span: Span,
}

impl Arguments {
    pub(super) fn get(&mut self, name: &str) -> Option<Operand> {
        self.slots.iter_mut().find(|(parameter, _)| parameter.name == name).and_then(|(_, slot)| slot.take())
    }

    /// Whether `None` was written for an argument.
    pub(super) fn is_none(&self, name: &str) -> bool {
        self.slots
            .iter()
            .any(|(parameter, slot)| parameter.name == name && slot.as_ref().is_some_and(|(item, _)| matches!(item.value, Value::None)))
    }

    /// An argument; one that is `None` counts as not given.
    pub(super) fn given(&mut self, name: &str) -> Option<Operand> {
        self.get(name).filter(|(item, _)| !matches!(item.value, Value::None))
    }

    pub(super) fn need(&mut self, name: &str) -> Result<Operand> {
        self.get(name).ok_or_else(|| Error::internal(format!("{} has no argument `{name}`", self.function.name)))
    }
}

/// Functions with an axis of their own to which `None` means all elements in C order.
const ALL_ELEMENTS: [&str; 7] = ["sort", "argsort", "topk", "concatenate", "normalize", "standardize", "layer_norm"];

impl Builder<'_> {
    /// Calls `function`: `whole` is the expression of the call.
    pub(super) fn call(
        &mut self,
        function: &'static FunctionDoc,
        placed: Vec<Operand>,
        named: Vec<(Span, Item, ExprId)>,
        whole: ExprId,
    ) -> Result<Item> {
        let span = self.span(whole);
        let mut arguments = self.bind(function, placed, named, span)?;
        match &function.form {
            Form::Unary(op) => {
                let (item, id) = arguments.need("x")?;
                self.unary(*op, item, self.span(id), span)
            }
            Form::Binary(op) => {
                let (left, right) = (arguments.need("x1")?, arguments.need("x2")?);
                self.binary(*op, left, right, span)
            }
            Form::Method(apply) => {
                let (item, id) = arguments.need("x")?;
                let (array, lineage) = self.array(item, self.span(id))?;
                self.done(apply(&array), lineage, span)
            }
            Form::Pair(apply) => {
                let (arrays, lineage) = self.weak_arrays(&mut arguments, &["x1", "x2"], span)?;
                self.done(apply(&arrays[0], &arrays[1]), lineage, span)
            }
            Form::Reduce(finish) => reductions::reduce(self, *finish, arguments, span),
            Form::Other(apply) => apply(self, arguments, span),
        }
    }

    fn bind(
        &self,
        function: &'static FunctionDoc,
        placed: Vec<Operand>,
        named: Vec<(Span, Item, ExprId)>,
        span: Span,
    ) -> Result<Arguments> {
        let mut slots: Vec<(Parameter, Option<Operand>)> = function.parameters().map(|parameter| (parameter, None)).collect();
        let (mut rest, count) = (Vec::new(), placed.len());
        for operand in placed {
            let free = slots.iter_mut().find(|(parameter, slot)| {
                parameter.kind == ParameterKind::Rest || (parameter.kind == ParameterKind::Place && slot.is_none())
            });
            match free {
                Some((parameter, _)) if parameter.kind == ParameterKind::Rest => rest.push(operand),
                Some((_, slot)) => *slot = Some(operand),
                None => {
                    let places = slots.iter().filter(|(parameter, _)| parameter.kind == ParameterKind::Place).count();
                    let message = format!("`{}` takes at most {places} arguments by place, {count} were given", function.name);
                    return Err(self.source.error(self.span(operand.1), message).hint(format!("write `{}`", function.signature)));
                }
            }
        }
        for (keyword, item, id) in named {
            let name = spelled(self.source.slice(keyword));
            match slots.iter_mut().find(|(parameter, _)| parameter.name == name) {
                Some((parameter, None)) if parameter.kind == ParameterKind::Rest && rest.is_empty() => rest.push((item, id)),
                Some((parameter, slot @ None)) if parameter.kind != ParameterKind::Rest => *slot = Some((item, id)),
                Some(_) => return Err(self.source.error(keyword, format!("`{name}` is given twice"))),
                None => return Err(self.unknown_keyword(function, keyword)),
            }
        }
        if let Some((missing, _)) = slots.iter().find(|(parameter, slot)| parameter.need == Need::Required && slot.is_none()) {
            let error = self.source.error(span, format!("`{}` needs the argument `{}`", function.name, missing.name));
            return Err(error.hint(format!("write `{}`", function.signature)));
        }
        self.refuse_no_axis(function, &slots)?;
        Ok(Arguments { function, slots, rest, placed: count, span })
    }

    /// Refuses `None` as an axis where it is neither what no axis means nor has a meaning of its own.
    fn refuse_no_axis(&self, function: &FunctionDoc, slots: &[(Parameter, Option<Operand>)]) -> Result<()> {
        for (parameter, slot) in slots {
            let (Some((item, id)), Some(default)) = (slot, parameter.default) else { continue };
            let of_axis = matches!(parameter.name, "axis" | "axis1" | "axis2") && default != "None";
            if of_axis && matches!(item.value, Value::None) && !ALL_ELEMENTS.contains(&function.name) {
                let error = self.source.error(self.span(*id), format!("`{}` takes an axis, not None", function.name));
                return Err(error.hint(format!("leave it out for axis {default}; `ravel(x)` has all elements along one axis")));
            }
        }
        Ok(())
    }

    fn unknown_keyword(&self, function: &FunctionDoc, keyword: Span) -> Error {
        let name = self.source.slice(keyword);
        let error = self.source.error(keyword, format!("`{}` has no argument `{name}`", function.name));
        match nearest(name, function.parameters().map(|parameter| parameter.name)) {
            Some(meant) => error.hint(format!("did you mean `{meant}=`?")),
            None => error.hint(format!("write `{}`", function.signature)),
        }
    }

    /// The axes that a number, a name, or a tuple of them names.
    pub(super) fn axes(&self, array: &Array, (item, id): Operand) -> Result<Vec<i64>> {
        match item.value {
            Value::Tuple(items) | Value::List(items) => items.iter().map(|item| self.axis(array, item, id)).collect(),
            one => Ok(vec![self.axis(array, &one, id)?]),
        }
    }

    pub(super) fn axis(&self, array: &Array, value: &Value, id: ExprId) -> Result<i64> {
        let span = self.span(id);
        match value {
            Value::Scalar(Scalar::Int(axis)) => {
                i64::try_from(*axis).map_err(|_| self.source.error(span, format!("axis {axis} is out of range")))
            }
            Value::Text(name) => {
                let dims = array.dims()?;
                let found = dims.position(name).and_then(|axis| i64::try_from(axis).ok());
                found.ok_or_else(|| {
                    let error = self.source.error(span, format!("there is no axis named `{name}`"));
                    let known = dims.0.iter().flatten().map(|name| &**name);
                    match nearest(name, known.clone()) {
                        Some(meant) => error.hint(format!("did you mean '{meant}'?")),
                        None if dims.is_unnamed() => {
                            error.hint("its axes have no names: use numbers, or name them with NAME='PATH?dims=row,dim'")
                        }
                        None => error.hint(format!("its axes are {}", known.collect::<Vec<_>>().join(", "))),
                    }
                })
            }
            other => Err(self.source.error(span, format!("an axis is a number or a name, not {}", other.describe()))),
        }
    }

    pub(super) fn truth(&self, (item, id): Operand, what: &str) -> Result<bool> {
        match item.value {
            Value::Scalar(Scalar::Bool(truth)) => Ok(truth),
            other => Err(self.source.error(self.span(id), format!("{what} is True or False, not {}", other.describe()))),
        }
    }

    pub(super) fn dtype(&self, (item, id): Operand) -> Result<DType> {
        let span = self.span(id);
        match item.value {
            Value::DType(dtype) => Ok(dtype),
            Value::Text(text) => text.parse().map_err(|error| self.source.locate(span, &error)),
            other => {
                let error = self.source.error(span, format!("a dtype is needed, not {}", other.describe()));
                Err(error.hint("one of bool, i8..i64, u8..u64, f16, bf16, f32, f64"))
            }
        }
    }

    pub(super) fn integer(&self, (item, id): Operand, what: &str) -> Result<i64> {
        self.integer_of(&item.value, id, what)
    }

    pub(super) fn integer_of(&self, value: &Value, id: ExprId, what: &str) -> Result<i64> {
        let span = self.span(id);
        match value {
            Value::Scalar(Scalar::Int(value)) => {
                i64::try_from(*value).map_err(|_| self.source.error(span, format!("{what} {value} is out of range")))
            }
            Value::Unknown => Err(self.unknown_length(span)),
            Value::Array(_) => Err(self.source.error(span, format!("{what} must be known beforehand; this depends on an array"))),
            other => Err(self.source.error(span, format!("{what} is an integer, not {}", other.describe()))),
        }
    }

    /// An integer of any size.
    pub(super) fn whole(&self, operand: Operand, what: &str) -> Result<i128> {
        match operand.0.value {
            Value::Scalar(Scalar::Int(value)) => Ok(value),
            _ => self.integer(operand, what).map(i128::from),
        }
    }

    pub(super) fn number(&self, (item, id): Operand, what: &str) -> Result<Scalar> {
        match item.value {
            Value::Scalar(scalar) => Ok(scalar),
            Value::Unknown => Err(self.unknown_length(self.span(id))),
            Value::Array(_) => Err(self.source.error(self.span(id), format!("{what} must be known beforehand; this depends on an array"))),
            other => Err(self.source.error(self.span(id), format!("{what} is a number, not {}", other.describe()))),
        }
    }

    /// A list or tuple of integers, or one of them.
    pub(super) fn integers(&self, (item, id): &Operand, what: &str) -> Result<Vec<i64>> {
        match &item.value {
            Value::Tuple(items) | Value::List(items) => items.iter().map(|value| self.integer_of(value, *id, what)).collect(),
            one => self.integer_of(one, *id, what).map(|one| vec![one]),
        }
    }

    /// Lengths given as one number, a tuple, a list, or several arguments.
    pub(super) fn lengths(&self, operands: &[Operand]) -> Result<Vec<i64>> {
        match operands {
            [one] => self.integers(one, "a length"),
            _ => operands.iter().map(|(item, id)| self.integer_of(&item.value, *id, "a length")).collect(),
        }
    }

    pub(super) fn shape(&self, operand: Operand) -> Result<Vec<usize>> {
        let span = self.span(operand.1);
        let lengths = self.lengths(&[operand])?;
        let unsigned =
            |&length: &i64| usize::try_from(length).map_err(|_| self.source.error(span, format!("a length is {length}, below 0")));
        lengths.iter().map(unsigned).collect()
    }

    /// Operands that meet; literals among them stay weak.
    pub(super) fn weak_arrays(&mut self, arguments: &mut Arguments, names: &[&str], span: Span) -> Result<(Vec<Array>, Lineage)> {
        let mut operands = Vec::new();
        for name in names {
            let (item, id) = arguments.need(name)?;
            let (array, lineage) = self.weak_array((item, id))?;
            operands.push((array, lineage, id));
        }
        let views: Vec<(&Array, &Lineage, ExprId)> = operands.iter().map(|(array, lineage, id)| (array, lineage, *id)).collect();
        let lineage = self.meet(&views, span)?;
        Ok((operands.into_iter().map(|(array, ..)| array).collect(), lineage))
    }

    fn weak_array(&self, (item, id): Operand) -> Result<(Array, Lineage)> {
        match item.value {
            Value::Scalar(scalar) => Ok((Array::scalar(scalar), Lineage::default())),
            value => self.operand_array((Item { value, lineage: item.lineage }, id)),
        }
    }

    pub(super) fn operand_array(&self, (item, id): Operand) -> Result<(Array, Lineage)> {
        self.array(item, self.span(id))
    }
}

/// Older names of arguments.
fn spelled(keyword: &str) -> &str {
    match keyword {
        "a_min" => "min",
        "a_max" => "max",
        "fill_value" => "value",
        "newshape" => "shape",
        "N" => "n",
        "M" => "m",
        other => other,
    }
}

pub(super) fn clip(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (mut item, id) = arguments.need("x")?;
    let array = if let Value::Array(array) = &item.value { Some(array.clone()) } else { None };
    let within = |mut bound: Operand, op: BinaryOp| {
        if let (Some(array), Value::Scalar(literal)) = (&array, &bound.0.value) {
            bound.0.value = Value::Scalar(array.clip_bound(*literal, op));
        }
        bound
    };
    let low = arguments.given("min").map(|bound| within(bound, BinaryOp::Maximum));
    let high = arguments.given("max").map(|bound| within(bound, BinaryOp::Minimum));
    if low.is_none() && high.is_none() {
        return Err(builder
            .source
            .error(span, "clip needs a bound")
            .hint("write `clip(x, low, high)`, `clip(x, min=low)` or `clip(x, max=high)`"));
    }
    if let Some(low) = low {
        item = builder.binary(BinaryOp::Maximum, (item, id), low, span)?;
    }
    if let Some(high) = high {
        item = builder.binary(BinaryOp::Minimum, (item, id), high, span)?;
    }
    Ok(item)
}

pub(super) fn select(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let mut operands = Vec::new();
    for (place, name) in ["condition", "x1", "x2"].into_iter().enumerate() {
        let (item, id) = arguments.need(name)?;
        // A literal branch stays weak: `where(c, x, 0.0)` keeps the dtype of x.
        let (array, lineage) = if place > 0 { builder.weak_array((item, id))? } else { builder.operand_array((item, id))? };
        operands.push((array, lineage, id));
    }
    let views: Vec<(&Array, &Lineage, ExprId)> = operands.iter().map(|(array, lineage, id)| (array, lineage, *id)).collect();
    builder.refuse_widening("where", (views[1].0, views[1].2), (views[2].0, views[2].2), span)?;
    let lineage = builder.meet(&views, span)?;
    builder.done(Array::select(views[0].0, views[1].0, views[2].0), lineage, span)
}

pub(super) fn cast(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let dtype = builder.dtype(arguments.need("dtype")?)?;
    let mode = match arguments.given("mode") {
        None => CastMode::Checked,
        Some((item, id)) => match &item.value {
            Value::Text(text) if text == "checked" => CastMode::Checked,
            Value::Text(text) if text == "wrap" => CastMode::Wrap,
            Value::Text(text) if text == "saturate" => CastMode::Saturate,
            other => {
                let error = builder.source.error(builder.span(id), format!("no such cast mode: {}", other.describe()));
                return Err(error.hint("'checked', 'wrap' or 'saturate'"));
            }
        },
    };
    builder.done(array.cast_with(dtype, mode), lineage, span)
}

pub(super) fn astype(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let dtype = builder.dtype(arguments.need("dtype")?)?;
    builder.done(array.astype(dtype), lineage, span)
}

pub(super) fn divmod(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (arrays, lineage) = builder.weak_arrays(&mut arguments, &["x1", "x2"], span)?;
    let (quotient, rest) = arrays[0].divmod(&arrays[1]);
    let parts = [quotient, rest].map(|part| builder.done(part, lineage.clone(), span).map(|item| item.value));
    Ok(Value::Tuple(parts.into_iter().collect::<Result<_>>()?).into())
}

fn taken_apart(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span, parts: fn(&Array) -> (Array, Array)) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let (first, second) = parts(&array);
    let parts = [first, second].map(|part| builder.done(part, lineage.clone(), span).map(|item| item.value));
    Ok(Value::Tuple(parts.into_iter().collect::<Result<_>>()?).into())
}

pub(super) fn modf(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    taken_apart(builder, arguments, span, Array::modf)
}

pub(super) fn frexp(builder: &mut Builder<'_>, arguments: Arguments, span: Span) -> Result<Item> {
    taken_apart(builder, arguments, span, Array::frexp)
}

pub(super) fn round(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let decimals = arguments.given("decimals").map_or(Ok(0), |operand| builder.integer(operand, "decimals"))?;
    let decimals = decimals.clamp(-400, 400) as i32;
    builder.done(array.round(decimals), lineage, span)
}

pub(super) fn nan_to_num(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let mut number = |name| arguments.given(name).map(|operand| builder.number(operand, name).map(Scalar::to_f64)).transpose();
    let (nan, positive, negative) = (number("nan")?, number("posinf")?, number("neginf")?);
    builder.done(array.nan_to_num(nan.unwrap_or(0.0), positive, negative), lineage, span)
}

pub(super) fn select_first(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let mut lists = Vec::new();
    for name in ["condlist", "choicelist"] {
        let (item, id) = arguments.need(name)?;
        let (Value::List(values) | Value::Tuple(values)) = item.value else {
            let message = format!("{name} is a list, not {}", item.value.describe());
            return Err(builder.source.error(builder.span(id), message).hint("write `select([x < 0, x > 1], [0, 1], x)`"));
        };
        let part = |value| builder.weak_array((Item::from(value), id)).map(|(array, _)| array);
        lists.push(values.into_iter().map(part).collect::<Result<Vec<Array>>>()?);
    }
    let (choices, conditions) = (lists.pop().unwrap_or_default(), lists.pop().unwrap_or_default());
    if choices.len() != conditions.len() || choices.is_empty() {
        return Err(builder.source.error(span, format!("{} conditions for {} choices", conditions.len(), choices.len())));
    }
    let default = match arguments.given("default") {
        Some(operand) => builder.weak_array(operand)?.0,
        None => Array::scalar(0),
    };
    let pairs: Vec<_> = conditions.into_iter().zip(choices.into_iter().map(crate::array::Operand::from)).collect();
    let array = Array::select_first(&pairs, default);
    let lineage = Lineage::made(array.rank().unwrap_or(0));
    builder.done(array, lineage, span)
}
