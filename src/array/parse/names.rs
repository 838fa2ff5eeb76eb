//! What names stand for: values, functions, methods, attributes; and what was probably meant by one that stands for nothing.

use crate::{
    array::parse::{
        ast::ExprId,
        build::{Builder, Item},
        functions::{self, FunctionDoc},
        source::Span,
        suggest::nearest,
        value::Value,
    },
    error::{Error, Result},
    expr::Meta,
    nd::{DType, Scalar},
};

/// Attributes of an array.
const ATTRIBUTES: [&str; 5] = ["T", "shape", "dtype", "ndim", "size"];
/// Names that stand for a value everywhere.
const CONSTANTS: [&str; 8] = ["True", "False", "None", "newaxis", "pi", "e", "inf", "nan"];

impl Builder<'_> {
    pub(super) fn name(&mut self, span: Span) -> Result<Item> {
        let name = self.source.slice(span);
        if let Some(item) = self.names.get(name) {
            return Ok(item.clone());
        }
        let value = match name {
            "True" => Value::Scalar(Scalar::Bool(true)),
            "False" => Value::Scalar(Scalar::Bool(false)),
            "None" | "newaxis" => Value::None,
            "pi" => Value::Scalar(Scalar::Float(std::f64::consts::PI)),
            "e" => Value::Scalar(Scalar::Float(std::f64::consts::E)),
            "inf" => Value::Scalar(Scalar::Float(f64::INFINITY)),
            "nan" => Value::Scalar(Scalar::Float(f64::NAN)),
            "wrap" | "saturate" => Value::Text(name.to_string()),
            _ => match bare_dtype(name) {
                Some(dtype) => Value::DType(dtype),
                None => return Err(self.unknown_name(name, span)),
            },
        };
        Ok(value.into())
    }

    fn unknown_name(&self, name: &str, span: Span) -> Error {
        if let Some(function) = functions::find(name) {
            let error = self.source.error(span, format!("`{name}` is a function, here it stands without its arguments"));
            return error.hint(format!("write `{}`", function.signature));
        }
        let error = self.source.error(span, format!("unknown name `{name}`"));
        if matches!(name, "np" | "numpy" | "math") {
            return error.hint("functions stand alone: `mean(x)`, not `np.mean(x)`");
        }
        if let Some(dtype) = numpy_code(name) {
            return error.hint(format!("did you mean `{dtype}`? NumPy's codes count bytes, these names count bits"));
        }
        let known =
            CONSTANTS.into_iter().chain(self.names.keys().copied()).chain(DType::ALL.iter().flat_map(|d| [d.name(), d.numpy_name()]));
        match nearest(name, known) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None if self.inputs.is_empty() => error.hint(format!("give it a value: `{name} = ...`, or an input NAME=PATH")),
            None => error.hint(format!("known: {}", self.inputs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", "))),
        }
    }

    pub(super) fn function(&self, span: Span) -> Result<&'static FunctionDoc> {
        let name = self.source.slice(span);
        if let Some(function) = functions::find(name) {
            return Ok(function);
        }
        if functions::LATER.contains(&name) {
            return Err(self.source.error(span, format!("the function `{name}` is not available yet")));
        }
        if let Some(item) = self.names.get(name) {
            let error = self.source.error(span, format!("`{name}` is {}, not a function", item.value.describe()));
            return Err(error.hint(format!("`{name} * (...)` multiplies, `{name}[...]` selects")));
        }
        if bare_dtype(name).is_some() {
            return Err(self.source.error(span, format!("`{name}` is a dtype, not a function")).hint(format!("write `cast(x, {name})`")));
        }
        let error = self.source.error(span, format!("unknown function `{name}`"));
        Err(match nearest(name, functions::names()).filter(|_| !matches!(name, "len" | "range")) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => match name {
                "len" => error.hint("`x.shape[0]` is the length of the first axis"),
                "range" => error.hint("write `arange(...)`"),
                "print" => error.hint("the value of the last statement is printed"),
                _ => error.hint("`outcore functions` lists them"),
            },
        })
    }

    pub(super) fn method(&self, owner: &Value, span: Span) -> Result<&'static FunctionDoc> {
        let name = self.source.slice(span);
        if let Some(function) = functions::find(name).filter(|function| function.is_method()) {
            return match owner {
                Value::Array(_) | Value::Scalar(_) | Value::List(_) => Ok(function),
                other => Err(self.source.error(span, format!("{} has no methods", other.describe()))),
            };
        }
        if let Some(function) = functions::find(name) {
            let error = self.source.error(span, format!("`{name}` is a function, not a method"));
            return Err(error.hint(format!("write `{}`", function.signature)));
        }
        if ATTRIBUTES.contains(&name) {
            return Err(self.source.error(span, format!("`.{name}` is not called: it stands without parentheses")));
        }
        if functions::LATER.contains(&name) {
            return Err(self.source.error(span, format!("the method `{name}` is not available yet")));
        }
        let error = self.source.error(span, format!("an array has no method `{name}`"));
        Err(match nearest(name, functions::names()) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error,
        })
    }

    pub(super) fn attribute(&mut self, item: Item, owner: ExprId, name: Span, span: Span) -> Result<Item> {
        let word = self.source.slice(name);
        if !ATTRIBUTES.contains(&word) {
            return Err(self.unknown_attribute(&item.value, word, name));
        }
        let (array, lineage) = self.array(item, self.span(owner))?;
        let meta: Meta = array.meta()?;
        let length = |known: Option<usize>| known.map_or(Value::Unknown, |length| Value::Scalar(Scalar::from(length)));
        let value = match word {
            "shape" => Value::Tuple(meta.shape.iter().map(|extent| length(extent.known())).collect()),
            "dtype" => Value::DType(meta.dtype),
            "ndim" => length(Some(meta.rank())),
            "size" => length(meta.known_shape().map(|shape| shape.iter().product())),
            _ => {
                if meta.rank() == 1 {
                    let text =
                        format!("`{}`: the transpose of a 1-d array is the array itself; `[:, None]` makes a column", self.excerpt(span));
                    self.notes.push(text, span);
                }
                let axes = lineage.axes.iter().rev().copied().collect();
                return self.done(array.transpose(), lineage.with_axes(axes), span);
            }
        };
        Ok(value.into())
    }

    fn unknown_attribute(&self, owner: &Value, word: &str, span: Span) -> Error {
        if functions::find(word).is_some_and(FunctionDoc::is_method) {
            return self.source.error(span, format!("`.{word}` is a method: call it, as in `.{word}()`"));
        }
        let error = self.source.error(span, format!("{} has no attribute `{word}`", owner.describe()));
        match nearest(word, ATTRIBUTES.into_iter().chain(functions::names())) {
            Some(meant) => error.hint(format!("did you mean `.{meant}`?")),
            None => error.hint("attributes: .T, .shape, .dtype, .ndim, .size"),
        }
    }
}

/// The dtype of one of NumPy's codes that is no name here. (`i8` and `u8` are names: of one byte.)
fn numpy_code(name: &str) -> Option<DType> {
    matches!(name, "f2" | "f4" | "f8" | "i1" | "i2" | "i4" | "u1" | "u2" | "u4").then(|| name.parse().ok())?
}

/// The dtype that a bare word names: `f32`, `float32`, `float`.
fn bare_dtype(name: &str) -> Option<DType> {
    match name {
        "float" | "double" => Some(DType::F64),
        "int" => Some(DType::I64),
        "single" => Some(DType::F32),
        "half" => Some(DType::F16),
        "bool_" => Some(DType::Bool),
        _ => DType::ALL.into_iter().find(|dtype| dtype.name() == name || dtype.numpy_name() == name),
    }
}
