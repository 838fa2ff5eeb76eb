//! The functions of the language: one table that drives calls, errors and `outcore functions`.

use crate::{
    array::parse::{
        build::{Builder, Item},
        calls::{self, Arguments},
        create,
        source::Span,
        views,
    },
    error::Result,
    kernel::program::{BinaryOp, UnaryOp},
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
    Reduce(Reducer),
    Other(fn(&mut Builder<'_>, Arguments, Span) -> Result<Item>),
}

/// A reduction by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reducer {
    Sum,
    Mean,
    Var,
    Std,
    Min,
    Max,
    Any,
    All,
    CountNonzero,
}

/// A parameter of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub kind: ParameterKind,
    pub need: Need,
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
            let (name, need) = part.split_once('=').map_or((part, Need::Required), |(name, _)| (name, Need::Optional));
            Some(match name.strip_prefix('*') {
                Some(name) => Parameter { name, kind: ParameterKind::Rest, need: Need::Optional },
                None => Parameter { name, kind, need },
            })
        })
    }
}

/// Every function, in the order of `outcore functions`.
#[must_use]
pub fn functions() -> &'static [FunctionDoc] {
    FUNCTIONS
}

/// The function called `name`.
pub(super) fn find(name: &str) -> Option<&'static FunctionDoc> {
    FUNCTIONS.iter().find(|function| function.name == name || function.aliases.contains(&name))
}

/// All names and aliases.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().flat_map(|function| std::iter::once(function.name).chain(function.aliases.iter().copied()))
}

/// Names that people know from NumPy and that this language is meant to have.
pub(super) const LATER: [&str; 62] = [
    "append",
    "argmax",
    "argmin",
    "argpartition",
    "argsort",
    "array",
    "array_split",
    "asarray",
    "average",
    "bincount",
    "cbrt",
    "ceil",
    "concatenate",
    "corrcoef",
    "cos",
    "cov",
    "cumprod",
    "cumsum",
    "diag",
    "diff",
    "digitize",
    "dot",
    "einsum",
    "exp2",
    "expm1",
    "flip",
    "floor",
    "histogram",
    "hstack",
    "linalg",
    "log10",
    "log1p",
    "log2",
    "matmul",
    "median",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanstd",
    "nansum",
    "nanvar",
    "norm",
    "normal",
    "outer",
    "percentile",
    "prod",
    "quantile",
    "random",
    "repeat",
    "roll",
    "round",
    "searchsorted",
    "sign",
    "sin",
    "sort",
    "stack",
    "take",
    "tan",
    "tanh",
    "tile",
    "topk",
    "unique",
];

const fn doc(
    name: &'static str,
    aliases: &'static [&'static str],
    signature: &'static str,
    dtypes: &'static str,
    doc: &'static str,
    example: &'static str,
    form: Form,
) -> FunctionDoc {
    FunctionDoc { name, aliases, signature, dtypes, doc, example, form }
}

const SAME: &str = "any but bool -> the same";
const FLOATS: &str = "floats -> the same; i8 u8 -> f16; i16 u16 -> f32; others -> f64";
const PROMOTED: &str = "both promoted -> that dtype";
const COMPARED: &str = "both promoted -> bool";
const LOGICAL: &str = "any -> bool";
const BITS: &str = "bool, integers -> promoted";
const MOMENTS: &str = "floats -> the same; others -> f64";

#[rustfmt::skip]
static FUNCTIONS: &[FunctionDoc] = {
    use BinaryOp as B;
    use Form::{Binary, Other, Reduce, Unary};
    use Reducer as R;
    use UnaryOp as U;
    &[
        doc("negative", &[], "negative(x)", SAME, "-x.", "negative(x)", Unary(U::Negative)),
        doc("abs", &["absolute"], "abs(x)", "any -> the same", "Absolute value; the smallest signed integer wraps to itself.", "abs(x)", Unary(U::Absolute)),
        doc("sqrt", &[], "sqrt(x)", FLOATS, "Square root; NaN for negative numbers.", "sqrt(abs(x))", Unary(U::Sqrt)),
        doc("exp", &[], "exp(x)", FLOATS, "e to the power of x.", "exp(-x)", Unary(U::Exp)),
        doc("log", &[], "log(x)", FLOATS, "Natural logarithm; NaN for negative numbers.", "log(x + 1)", Unary(U::Log)),
        doc("square", &[], "square(x)", "any -> the same; bool -> i8", "x * x.", "square(x)", Unary(U::Square)),
        doc("power", &["pow"], "power(x1, x2)", PROMOTED, "x1 ** x2.", "power(x, 3)", Binary(B::Power)),
        doc("add", &[], "add(x1, x2)", PROMOTED, "x1 + x2.", "add(x, 1)", Binary(B::Add)),
        doc("subtract", &[], "subtract(x1, x2)", PROMOTED, "x1 - x2.", "subtract(x, y)", Binary(B::Subtract)),
        doc("multiply", &[], "multiply(x1, x2)", PROMOTED, "x1 * x2.", "multiply(x, 2)", Binary(B::Multiply)),
        doc("divide", &["true_divide"], "divide(x1, x2)", "floats -> promoted; integers -> f64", "x1 / x2.", "divide(x, 2)", Binary(B::Divide)),
        doc("floor_divide", &[], "floor_divide(x1, x2)", PROMOTED, "x1 // x2, rounded down; integers by zero give 0.", "floor_divide(x, 2)", Binary(B::FloorDivide)),
        doc("remainder", &["mod"], "remainder(x1, x2)", PROMOTED, "x1 % x2, with the sign of x2; integers by zero give 0.", "remainder(x, 2)", Binary(B::Remainder)),
        doc("minimum", &[], "minimum(x1, x2)", PROMOTED, "The smaller of two elements; NaN if either is.", "minimum(x, 1)", Binary(B::Minimum)),
        doc("maximum", &[], "maximum(x1, x2)", PROMOTED, "The larger of two elements; NaN if either is.", "maximum(x, 1e-12)", Binary(B::Maximum)),
        doc("clip", &[], "clip(x, min=None, max=None)", "promoted with the bounds", "x, not below min and not above max.", "clip(x, 0, 1)", Other(calls::clip)),
        doc("equal", &[], "equal(x1, x2)", COMPARED, "x1 == x2.", "equal(x, 0)", Binary(B::Equal)),
        doc("not_equal", &[], "not_equal(x1, x2)", COMPARED, "x1 != x2.", "not_equal(x, 0)", Binary(B::NotEqual)),
        doc("less", &[], "less(x1, x2)", COMPARED, "x1 < x2.", "less(x, y)", Binary(B::Less)),
        doc("less_equal", &[], "less_equal(x1, x2)", COMPARED, "x1 <= x2.", "less_equal(x, y)", Binary(B::LessEqual)),
        doc("greater", &[], "greater(x1, x2)", COMPARED, "x1 > x2.", "greater(x, y)", Binary(B::Greater)),
        doc("greater_equal", &[], "greater_equal(x1, x2)", COMPARED, "x1 >= x2.", "greater_equal(x, y)", Binary(B::GreaterEqual)),
        doc("logical_and", &[], "logical_and(x1, x2)", LOGICAL, "Whether both elements are not zero.", "logical_and(m, x)", Binary(B::LogicalAnd)),
        doc("logical_or", &[], "logical_or(x1, x2)", LOGICAL, "Whether one of the elements is not zero.", "logical_or(m, x)", Binary(B::LogicalOr)),
        doc("logical_xor", &[], "logical_xor(x1, x2)", LOGICAL, "Whether exactly one of the elements is not zero.", "logical_xor(m, x)", Binary(B::LogicalXor)),
        doc("logical_not", &[], "logical_not(x)", LOGICAL, "Whether the element is zero.", "logical_not(x)", Unary(U::LogicalNot)),
        doc("bitwise_and", &[], "bitwise_and(x1, x2)", BITS, "x1 & x2.", "bitwise_and(m, x > 0)", Binary(B::BitwiseAnd)),
        doc("bitwise_or", &[], "bitwise_or(x1, x2)", BITS, "x1 | x2.", "bitwise_or(m, x > 0)", Binary(B::BitwiseOr)),
        doc("bitwise_xor", &[], "bitwise_xor(x1, x2)", BITS, "x1 ^ x2.", "bitwise_xor(m, x > 0)", Binary(B::BitwiseXor)),
        doc("invert", &["bitwise_not"], "invert(x)", "bool, integers -> the same", "~x.", "invert(m)", Unary(U::Invert)),
        doc("isnan", &[], "isnan(x)", LOGICAL, "Whether the element is NaN.", "isnan(x)", Unary(U::IsNan)),
        doc("isinf", &[], "isinf(x)", LOGICAL, "Whether the element is infinite.", "isinf(x)", Unary(U::IsInf)),
        doc("isfinite", &[], "isfinite(x)", LOGICAL, "Whether the element is neither NaN nor infinite.", "all(isfinite(x))", Unary(U::IsFinite)),
        doc("where", &[], "where(condition, x1, x2)", "bool, both promoted -> that dtype", "x1 where the condition is true, x2 elsewhere.", "where(x > 0, x, 0)", Other(calls::select)),
        doc("cast", &[], "cast(x, dtype, mode='checked')", "any -> dtype", "x converted; a float outside an integer dtype is an error unless mode is wrap or saturate.", "cast(x, f16)", Other(calls::cast)),
        doc("astype", &[], "astype(x, dtype)", "any -> dtype", "x converted to dtype.", "x.astype(f16)", Other(calls::astype)),
        doc("sum", &[], "sum(x, axis=None, *, keepdims=False, dtype=None)", "floats -> the same; signed, bool -> i64; unsigned -> u64", "Sum over axes, exact and rounded once.", "sum(x, axis=0)", Reduce(R::Sum)),
        doc("mean", &[], "mean(x, axis=None, *, keepdims=False, dtype=None)", MOMENTS, "Mean over axes, exact and rounded once.", "mean(x, axis=1, keepdims=True)", Reduce(R::Mean)),
        doc("var", &[], "var(x, axis=None, *, ddof=0, keepdims=False, dtype=None)", MOMENTS, "Variance over axes; divides by n - ddof.", "var(x, axis=0, ddof=1)", Reduce(R::Var)),
        doc("std", &[], "std(x, axis=None, *, ddof=0, keepdims=False, dtype=None)", MOMENTS, "Standard deviation over axes; divides by n - ddof.", "std(x, axis=0)", Reduce(R::Std)),
        doc("min", &["amin"], "min(x, axis=None, *, keepdims=False)", "any -> the same", "Smallest element over axes; NaN if there is one.", "min(x)", Reduce(R::Min)),
        doc("max", &["amax"], "max(x, axis=None, *, keepdims=False)", "any -> the same", "Largest element over axes; NaN if there is one.", "max(x, axis=1)", Reduce(R::Max)),
        doc("any", &[], "any(x, axis=None, *, keepdims=False)", LOGICAL, "Whether an element is not zero.", "any(x > 0, axis=1)", Reduce(R::Any)),
        doc("all", &[], "all(x, axis=None, *, keepdims=False)", LOGICAL, "Whether no element is zero.", "all(isfinite(x))", Reduce(R::All)),
        doc("count_nonzero", &[], "count_nonzero(x, axis=None, *, keepdims=False)", "any -> i64", "Number of elements that are not zero.", "count_nonzero(x > 0)", Reduce(R::CountNonzero)),
        doc("transpose", &[], "transpose(x, *axes)", "any -> the same", "Axes in reverse order, or in the order of axes.", "transpose(x, (1, 0))", Other(views::transpose)),
        doc("swapaxes", &[], "swapaxes(x, axis1, axis2)", "any -> the same", "Two axes exchanged.", "swapaxes(x, 0, 1)", Other(views::swap_axes)),
        doc("broadcast_to", &[], "broadcast_to(x, shape)", "any -> the same", "x stretched to a shape, without a copy.", "broadcast_to(y, x.shape)", Other(views::broadcast_to)),
        doc("reshape", &[], "reshape(x, *shape)", "any -> the same", "The same elements in C order; one length may be -1.", "x.reshape(-1, 1)", Other(views::reshape)),
        doc("ravel", &["flatten"], "ravel(x)", "any -> the same", "One axis with all elements in C order.", "ravel(x)", Other(views::ravel)),
        doc("squeeze", &[], "squeeze(x, axis=None)", "any -> the same", "Without the axes of length 1.", "squeeze(x[:, None])", Other(views::squeeze)),
        doc("expand_dims", &[], "expand_dims(x, axis)", "any -> the same", "With new axes of length 1 at these places of the result.", "expand_dims(y, 1)", Other(views::expand_dims)),
        doc("zeros", &[], "zeros(shape, dtype=f64)", "-> dtype", "A shape filled with zeros.", "zeros((3, 4))", Other(create::zeros)),
        doc("ones", &[], "ones(shape, dtype=f64)", "-> dtype", "A shape filled with ones.", "ones(3, dtype=f32)", Other(create::ones)),
        doc("full", &[], "full(shape, value, dtype=None)", "-> dtype, or that of the value", "A shape filled with a value.", "full((3, 4), 7)", Other(create::full)),
        doc("arange", &[], "arange(start=0, stop=None, step=1, dtype=None)", "-> i64; f64 if a bound is a float", "Numbers from start to before stop; one bound alone is stop.", "arange(0, 10, 2)", Other(create::arange)),
        doc("linspace", &[], "linspace(start, stop, num=50, endpoint=True, dtype=None)", "-> f64", "num evenly spaced numbers from start to stop.", "linspace(0, 1, 11)", Other(create::linspace)),
        doc("eye", &["identity"], "eye(n, m=None, *, dtype=f64)", "-> dtype", "Ones on the diagonal of n rows and m columns.", "eye(3)", Other(create::eye)),
        doc("meshgrid", &[], "meshgrid(*arrays, indexing='xy')", "any -> the same", "Vectors stretched over the grid of all of them: as many arrays.", "meshgrid(arange(3), arange(4))[0]", Other(create::meshgrid)),
    ]
};

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
