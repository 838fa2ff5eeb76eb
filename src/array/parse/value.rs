//! What an expression is worth while a job is built: literals and facts are known, arrays are lazy.

use crate::{
    array::Array,
    nd::{DType, Scalar},
};

/// A value of the language.
#[derive(Clone)]
pub enum Value {
    /// A literal, or arithmetic on literals and lengths. Its dtype gives way to the array it meets.
    Scalar(Scalar),
    /// A lazy array.
    Array(Array),
    /// `(a, b)`, a shape.
    Tuple(Vec<Value>),
    /// `[a, b]`: an array literal when it meets an operator; or several arrays.
    List(Vec<Value>),
    /// A dtype.
    DType(DType),
    /// A string.
    Text(String),
    /// `None`.
    None,
    /// A length that depends on data.
    Unknown,
}

impl Value {
    /// What errors call it, with its article.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Value::Scalar(Scalar::Bool(value)) => format!("the truth value {}", if *value { "True" } else { "False" }),
            Value::Scalar(Scalar::Int(value)) => format!("the integer {value}"),
            Value::Scalar(Scalar::Float(value)) => format!("the float {}", float_text(*value)),
            Value::Array(_) => "an array".to_string(),
            Value::Tuple(items) => format!("a tuple of {}", items.len()),
            Value::List(items) => format!("a list of {}", items.len()),
            Value::DType(dtype) => format!("the dtype {dtype}"),
            Value::Text(text) => format!("the string {text:?}"),
            Value::None => "None".to_string(),
            Value::Unknown => "a length that depends on data".to_string(),
        }
    }

    /// As Python writes it; an array by its shape and dtype.
    #[must_use]
    pub fn show(&self) -> String {
        let joined = |items: &[Value]| items.iter().map(Value::show).collect::<Vec<_>>().join(", ");
        match self {
            Value::Scalar(Scalar::Bool(value)) => (if *value { "True" } else { "False" }).to_string(),
            Value::Scalar(Scalar::Int(value)) => value.to_string(),
            Value::Scalar(Scalar::Float(value)) => float_text(*value),
            Value::Array(array) => match array.meta() {
                Ok(meta) => format!("array {} {}", meta.dtype, crate::nd::shape::show(&meta.shape)),
                Err(_) => "array".to_string(),
            },
            Value::Tuple(items) if items.len() == 1 => format!("({},)", joined(items)),
            Value::Tuple(items) => format!("({})", joined(items)),
            Value::List(items) => format!("[{}]", joined(items)),
            Value::DType(dtype) => dtype.to_string(),
            Value::Text(text) => format!("'{text}'"),
            Value::None => "None".to_string(),
            Value::Unknown => "?".to_string(),
        }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.show())
    }
}

/// A float as Python writes it: `1.0`, `inf`, `nan`.
fn float_text(value: f64) -> String {
    if value.is_nan() { "nan".to_string() } else { format!("{value:?}") }
}
