//! Calls: arguments to parameters, and what each function does with them.

use crate::{
    array::{
        Array, Endpoint,
        parse::{
            ast::ExprId,
            build::{Builder, Item},
            functions::{Form, FunctionDoc, Need, Parameter, ParameterKind, Reducer},
            lineage::{AxisOrigin, Lineage},
            operators::Operand,
            source::Span,
            suggest::nearest,
            value::Value,
        },
    },
    error::{Error, Result},
    expr::reduce::normalize_axes,
    kernel::program::{BinaryOp, CastMode},
    nd::{DType, Extent, Scalar, SliceItem, shape::show},
    numeric::Finish,
};

/// The arguments of one call, in the places of the parameters.
pub(super) struct Arguments {
    function: &'static FunctionDoc,
    slots: Vec<(Parameter, Option<Operand>)>,
    rest: Vec<Operand>,
    /// How many were given by place.
    placed: usize,
    span: Span,
}

impl Arguments {
    fn get(&mut self, name: &str) -> Option<Operand> {
        self.slots.iter_mut().find(|(parameter, _)| parameter.name == name).and_then(|(_, slot)| slot.take())
    }

    /// An argument; one that is `None` counts as not given.
    fn given(&mut self, name: &str) -> Option<Operand> {
        self.get(name).filter(|(item, _)| !matches!(item.value, Value::None))
    }

    fn need(&mut self, name: &str) -> Result<Operand> {
        self.get(name).ok_or_else(|| Error::internal(format!("{} has no argument `{name}`", self.function.name)))
    }
}

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
            Form::Reduce(reducer) => self.reduce(*reducer, arguments, span),
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
        Ok(Arguments { function, slots, rest, placed: count, span })
    }

    fn unknown_keyword(&self, function: &FunctionDoc, keyword: Span) -> Error {
        let name = self.source.slice(keyword);
        let error = self.source.error(keyword, format!("`{}` has no argument `{name}`", function.name));
        match nearest(name, function.parameters().map(|parameter| parameter.name)) {
            Some(meant) => error.hint(format!("did you mean `{meant}=`?")),
            None => error.hint(format!("write `{}`", function.signature)),
        }
    }

    fn reduce(&mut self, reducer: Reducer, mut arguments: Arguments, span: Span) -> Result<Item> {
        let (item, id) = arguments.need("x")?;
        let (array, lineage) = self.array(item, self.span(id))?;
        let axes = arguments.given("axis").map(|axis| self.axes(&array, axis)).transpose()?;
        let keepdims = arguments.given("keepdims").map_or(Ok(false), |operand| self.truth(operand, "keepdims"))?;
        let dtype = arguments.given("dtype").map(|operand| self.dtype(operand)).transpose()?;
        let ddof = match arguments.given("ddof") {
            Some(operand) => {
                let at = self.span(operand.1);
                let ddof = self.integer(operand, "ddof")?;
                u64::try_from(ddof).map_err(|_| self.source.error(at, format!("ddof is {ddof}, below 0")))?
            }
            None => 0,
        };
        let finish = match reducer {
            Reducer::Sum => Finish::Sum,
            Reducer::Mean => Finish::Mean,
            Reducer::Var => Finish::Var { ddof },
            Reducer::Std => Finish::Std { ddof },
            Reducer::Min => Finish::Min,
            Reducer::Max => Finish::Max,
            Reducer::Any => Finish::Any,
            Reducer::All => Finish::All,
            Reducer::CountNonzero => Finish::CountNonzero,
        };
        let rank = array.rank()?;
        let reduced = match &axes {
            None => (0..rank).collect(),
            Some(axes) => normalize_axes(axes, rank).map_err(|error| self.source.locate(span, &error))?,
        };
        self.notes.settle(&lineage.products);
        let lineage = lineage.reduce(&reduced, keepdims);
        self.done(array.reduce(finish, axes, keepdims, dtype, self.options.sum_mode), lineage, span)
    }

    /// The axes that a number, a name, or a tuple of them names.
    fn axes(&self, array: &Array, (item, id): Operand) -> Result<Vec<i64>> {
        match item.value {
            Value::Tuple(items) | Value::List(items) => items.iter().map(|item| self.axis(array, item, id)).collect(),
            one => Ok(vec![self.axis(array, &one, id)?]),
        }
    }

    fn axis(&self, array: &Array, value: &Value, id: ExprId) -> Result<i64> {
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

    fn truth(&self, (item, id): Operand, what: &str) -> Result<bool> {
        match item.value {
            Value::Scalar(Scalar::Bool(truth)) => Ok(truth),
            other => Err(self.source.error(self.span(id), format!("{what} is True or False, not {}", other.describe()))),
        }
    }

    fn dtype(&self, (item, id): Operand) -> Result<DType> {
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

    fn integer(&self, (item, id): Operand, what: &str) -> Result<i64> {
        self.integer_of(&item.value, id, what)
    }

    fn integer_of(&self, value: &Value, id: ExprId, what: &str) -> Result<i64> {
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

    fn number(&self, (item, id): Operand, what: &str) -> Result<Scalar> {
        match item.value {
            Value::Scalar(scalar) => Ok(scalar),
            Value::Unknown => Err(self.unknown_length(self.span(id))),
            Value::Array(_) => Err(self.source.error(self.span(id), format!("{what} must be known beforehand; this depends on an array"))),
            other => Err(self.source.error(self.span(id), format!("{what} is a number, not {}", other.describe()))),
        }
    }

    /// Lengths given as one number, a tuple, a list, or several arguments.
    fn lengths(&self, operands: &[Operand]) -> Result<Vec<i64>> {
        match operands {
            [(Item { value: Value::Tuple(items) | Value::List(items), .. }, id)] => {
                items.iter().map(|item| self.integer_of(item, *id, "a length")).collect()
            }
            _ => operands.iter().map(|(item, id)| self.integer_of(&item.value, *id, "a length")).collect(),
        }
    }

    fn shape(&self, operand: Operand) -> Result<Vec<usize>> {
        let span = self.span(operand.1);
        let lengths = self.lengths(&[operand])?;
        let unsigned =
            |&length: &i64| usize::try_from(length).map_err(|_| self.source.error(span, format!("a length is {length}, below 0")));
        lengths.iter().map(unsigned).collect()
    }

    fn operand_array(&self, (item, id): Operand) -> Result<(Array, Lineage)> {
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
    let (low, high) = (arguments.given("min"), arguments.given("max"));
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
        let (array, lineage) = match item.value {
            Value::Scalar(scalar) if place > 0 => (Array::scalar(scalar), Lineage::default()),
            value => builder.operand_array((Item { value, lineage: item.lineage }, id))?,
        };
        operands.push((array, lineage, id));
    }
    let views: Vec<(&Array, &Lineage, ExprId)> = operands.iter().map(|(array, lineage, id)| (array, lineage, *id)).collect();
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

pub(super) fn transpose(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let mut order = Vec::new();
    for operand in arguments.rest.drain(..).filter(|(item, _)| !matches!(item.value, Value::None)) {
        order.extend(builder.axes(&array, operand)?);
    }
    let rank = array.rank()?;
    if order.is_empty() && rank > 0 {
        let axes = lineage.axes.iter().rev().copied().collect();
        return builder.done(array.transpose(), lineage.with_axes(axes), span);
    }
    let origin = |axis: &i64| {
        let place = if *axis < 0 { axis.checked_add(rank as i64)? } else { *axis };
        lineage.axes.get(usize::try_from(place).ok()?).copied()
    };
    let axes = order.iter().map(|axis| origin(axis).unwrap_or_default()).collect();
    builder.done(array.permute(order), lineage.with_axes(axes), span)
}

pub(super) fn swap_axes(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let mut places = [0usize; 2];
    for (place, name) in places.iter_mut().zip(["axis1", "axis2"]) {
        let (item, id) = arguments.need(name)?;
        let axis = builder.axis(&array, &item.value, id)?;
        let found = crate::nd::shape::normalize_axis(axis, array.rank()?);
        *place = found.map_err(|error| builder.source.locate(builder.span(id), &error))?;
    }
    let mut order: Vec<usize> = (0..array.rank()?).collect();
    order.swap(places[0], places[1]);
    let axes = order.iter().map(|&axis| lineage.axes.get(axis).copied().unwrap_or_default()).collect();
    let order: Vec<i64> = order.into_iter().map(|axis| axis as i64).collect();
    builder.done(array.permute(order), lineage.with_axes(axes), span)
}

pub(super) fn broadcast_to(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let shape = builder.shape(arguments.need("shape")?)?;
    let mut axes = vec![AxisOrigin { tag: None, made: true }; shape.len().saturating_sub(lineage.axes.len())];
    axes.extend(lineage.axes.iter().copied());
    builder.done(array.broadcast_to(shape), lineage.with_axes(axes), span)
}

pub(super) fn reshape(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    if arguments.rest.is_empty() {
        return Err(builder.source.error(arguments.span, "`reshape` needs a shape").hint("write `reshape(x, (3, -1))`"));
    }
    let shape = builder.lengths(&arguments.rest)?;
    let axes = Lineage::made(shape.len()).axes;
    builder.done(array.reshape(shape), lineage.with_axes(axes), span)
}

pub(super) fn ravel(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    builder.done(array.ravel(), lineage.with_axes(Lineage::made(1).axes), span)
}

pub(super) fn squeeze(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let meta = array.meta()?;
    let axes = match arguments.given("axis") {
        None => (0..meta.rank()).filter(|&axis| meta.shape[axis] == Extent::Known(1)).collect(),
        Some(operand) => {
            let at = builder.span(operand.1);
            let axes = normalize_axes(&builder.axes(&array, operand)?, meta.rank()).map_err(|error| builder.source.locate(at, &error))?;
            if let Some(&axis) = axes.iter().find(|&&axis| meta.shape[axis] != Extent::Known(1)) {
                let message = format!("axis {axis} of shape {} cannot be squeezed: its length is not 1", show(&meta.shape));
                return Err(builder.source.error(at, message));
            }
            axes
        }
    };
    let items = (0..meta.rank()).map(|axis| if axes.contains(&axis) { SliceItem::Index(0) } else { SliceItem::FULL }).collect();
    builder.sliced(&array, &lineage, items, span)
}

pub(super) fn expand_dims(builder: &mut Builder<'_>, mut arguments: Arguments, span: Span) -> Result<Item> {
    let (array, lineage) = builder.operand_array(arguments.need("x")?)?;
    let operand = arguments.need("axis")?;
    let at = builder.span(operand.1);
    let axes = match operand.0.value {
        Value::Tuple(items) | Value::List(items) => {
            items.iter().map(|item| builder.integer_of(item, operand.1, "an axis")).collect::<Result<_>>()?
        }
        one => vec![builder.integer_of(&one, operand.1, "an axis")?],
    };
    let rank = array.rank()? + axes.len();
    let axes = normalize_axes(&axes, rank).map_err(|error| builder.source.locate(at, &error))?;
    let items = (0..rank).map(|axis| if axes.contains(&axis) { SliceItem::NewAxis } else { SliceItem::FULL }).collect();
    builder.sliced(&array, &lineage, items, span)
}

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
