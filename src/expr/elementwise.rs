//! Elementwise operations: which dtypes they take, what they give.

use crate::{
    error::{Error, Result},
    expr::Meta,
    kernel::program::{BinaryOp, UnaryOp},
    nd::{
        DType, Extent, Scalar,
        broadcast::{broadcast_dims, broadcast_shapes},
        dtype::DTypeFamily,
    },
};

/// The dtypes of an operation: what operands are converted to, and what comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Dtype of the operands.
    pub operand: DType,
    /// Dtype of the result.
    pub result: DType,
}

impl UnaryOp {
    /// NumPy's name of the function.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            UnaryOp::Negative => "negative",
            UnaryOp::Absolute => "abs",
            UnaryOp::Sqrt => "sqrt",
            UnaryOp::Exp => "exp",
            UnaryOp::Log => "log",
            UnaryOp::Square => "square",
            UnaryOp::LogicalNot => "logical_not",
            UnaryOp::Invert => "invert",
            UnaryOp::IsNan => "isnan",
            UnaryOp::IsInf => "isinf",
            UnaryOp::IsFinite => "isfinite",
        }
    }
}

impl BinaryOp {
    /// NumPy's name of the function.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            BinaryOp::Add => "add",
            BinaryOp::Subtract => "subtract",
            BinaryOp::Multiply => "multiply",
            BinaryOp::Divide => "divide",
            BinaryOp::Power => "power",
            BinaryOp::Minimum => "minimum",
            BinaryOp::Maximum => "maximum",
            BinaryOp::Equal => "equal",
            BinaryOp::NotEqual => "not_equal",
            BinaryOp::Less => "less",
            BinaryOp::LessEqual => "less_equal",
            BinaryOp::Greater => "greater",
            BinaryOp::GreaterEqual => "greater_equal",
            BinaryOp::LogicalAnd => "logical_and",
            BinaryOp::LogicalOr => "logical_or",
            BinaryOp::LogicalXor => "logical_xor",
            BinaryOp::BitwiseAnd => "bitwise_and",
            BinaryOp::BitwiseOr => "bitwise_or",
            BinaryOp::BitwiseXor => "bitwise_xor",
            BinaryOp::FloorDivide => "floor_divide",
            BinaryOp::Remainder => "remainder",
        }
    }

    /// Whether the result is `bool` whatever the operands are.
    #[must_use]
    pub fn gives_bool(self) -> bool {
        use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual, LogicalAnd, LogicalOr, LogicalXor, NotEqual};
        matches!(self, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual | LogicalAnd | LogicalOr | LogicalXor)
    }
}

/// The rule of a one-operand operation on `dtype`.
pub fn unary_rule(op: UnaryOp, dtype: DType) -> Result<Rule> {
    let same = Rule { operand: dtype, result: dtype };
    let to_bool = |operand| Rule { operand, result: DType::Bool };
    match op {
        UnaryOp::Negative if dtype == DType::Bool => {
            Err(Error::mismatch("negative is not defined for bool").hint("use `~x` or `logical_not(x)`"))
        }
        UnaryOp::Negative | UnaryOp::Absolute => Ok(same),
        UnaryOp::Square if dtype == DType::Bool => Ok(Rule { operand: DType::I8, result: DType::I8 }),
        UnaryOp::Square => Ok(same),
        UnaryOp::Sqrt | UnaryOp::Exp | UnaryOp::Log => Ok(Rule { operand: dtype.to_float(), result: dtype.to_float() }),
        UnaryOp::LogicalNot => Ok(to_bool(dtype)),
        UnaryOp::Invert if dtype.is_float() => Err(Error::mismatch(format!("`~` is not defined for {dtype}"))),
        UnaryOp::Invert => Ok(same),
        UnaryOp::IsNan | UnaryOp::IsInf | UnaryOp::IsFinite => Ok(to_bool(dtype)),
    }
}

/// The rule of a two-operand operation whose operands promote to `dtype`.
pub fn binary_rule(op: BinaryOp, dtype: DType) -> Result<Rule> {
    use BinaryOp::{
        Add, BitwiseAnd, BitwiseOr, BitwiseXor, Divide, Equal, FloorDivide, Greater, GreaterEqual, Less, LessEqual, LogicalAnd, LogicalOr,
        LogicalXor, Maximum, Minimum, Multiply, NotEqual, Power, Remainder, Subtract,
    };
    let same = Rule { operand: dtype, result: dtype };
    match op {
        Add | Multiply | Minimum | Maximum => Ok(same),
        Subtract if dtype == DType::Bool => Err(Error::mismatch("subtract is not defined for bool").hint("use `a ^ b`, or cast first")),
        Subtract => Ok(same),
        Divide if dtype.is_float() => Ok(same),
        Divide => Ok(Rule { operand: DType::F64, result: DType::F64 }),
        Power | FloorDivide | Remainder if dtype == DType::Bool => Ok(Rule { operand: DType::I8, result: DType::I8 }),
        Power | FloorDivide | Remainder => Ok(same),
        Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual => Ok(Rule { operand: dtype, result: DType::Bool }),
        LogicalAnd | LogicalOr | LogicalXor => Ok(Rule { operand: DType::Bool, result: DType::Bool }),
        BitwiseAnd | BitwiseOr | BitwiseXor if dtype.is_float() => {
            Err(Error::mismatch(format!("{} is not defined for {dtype}", op.name())).hint("combine comparisons, which are bool"))
        }
        BitwiseAnd | BitwiseOr | BitwiseXor => Ok(same),
    }
}

/// The dtype that a literal and an array of `dtype` meet in; an error if an integer literal does not fit.
pub fn weak_promote(literal: Scalar, dtype: DType) -> Result<DType> {
    let met = literal.weak_dtype(dtype);
    if met.family() == DTypeFamily::Integer && !literal.fits(met) {
        return Err(Error::mismatch(format!("the integer {literal} does not fit {met}")).hint("cast the array to a wider dtype first"));
    }
    Ok(met)
}

pub(super) fn infer_unary(op: UnaryOp, value: &Meta) -> Result<Meta> {
    let rule = unary_rule(op, value.dtype)?;
    debug_assert_eq!(rule.operand, value.dtype, "the builder inserts casts");
    Ok(Meta { dtype: rule.result, ..value.clone() })
}

pub(super) fn infer_binary(op: BinaryOp, a: &Meta, b: &Meta) -> Result<Meta> {
    debug_assert_eq!(a.dtype, b.dtype, "the builder inserts casts");
    let rule = binary_rule(op, a.dtype)?;
    broadcast(&[a, b], rule.result)
}

pub(super) fn infer_select(mask: &Meta, a: &Meta, b: &Meta) -> Result<Meta> {
    debug_assert_eq!(a.dtype, b.dtype, "the builder inserts casts");
    if mask.dtype != DType::Bool {
        return Err(Error::mismatch(format!("where needs a bool condition, not {}", mask.dtype)).hint("compare first, as in `x != 0`"));
    }
    broadcast(&[mask, a, b], a.dtype)
}

fn broadcast(operands: &[&Meta], dtype: DType) -> Result<Meta> {
    let shapes: Vec<&[Extent]> = operands.iter().map(|meta| meta.shape.as_slice()).collect();
    let shape = broadcast_shapes(&["left", "right", "third"], &shapes)?;
    let dims = broadcast_dims(&operands.iter().map(|meta| &meta.dims).collect::<Vec<_>>())?;
    Ok(Meta { shape, dtype, dims })
}
