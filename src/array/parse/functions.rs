//! The functions of the language: one table that drives calls, errors and `outcore functions`.

mod table;

use crate::{
    array::{
        Array,
        parse::{
            build::{Builder, Item},
            calls::Arguments,
            source::Span,
        },
    },
    error::Result,
    kernel::program::{BinaryOp, UnaryOp},
    numeric::Finish,
};

/// A function of the language: how it is written, what it does.
pub struct FunctionDoc {
    /// Its name, as in NumPy.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// Parameters with their defaults; those after `*` are given by name.
    pub signature: &'static str,
    /// What it takes and gives, in dtypes.
    pub dtypes: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// An expression of `x` (a matrix), `y` (a vector with as many elements as `x` has columns) and `m` (a bool matrix like `x`).
    pub example: &'static str,
    pub(super) form: Form,
}

/// How a function is carried out.
pub(super) enum Form {
    Unary(UnaryOp),
    Binary(BinaryOp),
    /// A composition of one operand.
    Method(fn(&Array) -> Array),
    /// A composition of two operands; literals come as weak 0-d arrays.
    Pair(fn(&Array, &Array) -> Array),
    Reduce(Finish),
    Other(fn(&mut Builder<'_>, Arguments, Span) -> Result<Item>),
}

/// A parameter of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub kind: ParameterKind,
    pub need: Need,
    /// What it is where it is not given, as the signature says it.
    pub default: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ParameterKind {
    /// By place or by name.
    Place,
    /// By name only.
    Name,
    /// All that remain, by place; or one tuple, by name.
    Rest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Required,
    Optional,
}

impl FunctionDoc {
    /// Whether it can be written `x.name(...)`: its first parameter is `x`.
    #[must_use]
    pub fn is_method(&self) -> bool {
        self.parameters().next().is_some_and(|parameter| parameter.name == "x")
    }

    /// The parameters, read from the signature.
    pub(super) fn parameters(&self) -> impl Iterator<Item = Parameter> + use<> {
        let signature: &'static str = self.signature;
        let inside = signature.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or("");
        let mut kind = ParameterKind::Place;
        inside.split(", ").filter(|part| !part.is_empty()).filter_map(move |part| {
            if part == "*" {
                kind = ParameterKind::Name;
                return None;
            }
            let (name, default) = part.split_once('=').map_or((part, None), |(name, default)| (name, Some(default)));
            let need = if default.is_some() { Need::Optional } else { Need::Required };
            Some(match name.strip_prefix('*') {
                Some(name) => Parameter { name, kind: ParameterKind::Rest, need: Need::Optional, default },
                None => Parameter { name, kind, need, default },
            })
        })
    }
}

/// Every function, in the order of `outcore functions`.
#[must_use]
pub fn functions() -> &'static [FunctionDoc] {
    table::FUNCTIONS
}

/// The function called `name`.
pub(super) fn find(name: &str) -> Option<&'static FunctionDoc> {
    functions().iter().find(|function| function.name == name || function.aliases.contains(&name))
}

/// All names and aliases.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    functions().iter().flat_map(|function| std::iter::once(function.name).chain(function.aliases.iter().copied()))
}

/// Names that people know from NumPy and that this language is meant to have.
pub(super) const LATER: [&str; 7] = ["append", "argpartition", "array", "array_split", "asarray", "diag", "linalg"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_signatures_parse() {
        let mut seen = std::collections::HashSet::new();
        for function in functions() {
            assert!(function.signature.starts_with(&format!("{}(", function.name)), "{}", function.signature);
            assert!(function.parameters().count() > 0, "{}", function.signature);
            assert!(function.doc.ends_with('.') && !function.doc.contains('\n'), "{}", function.name);
        }
        for name in names().chain(LATER) {
            assert!(seen.insert(name), "{name} is there twice");
        }
    }
}
