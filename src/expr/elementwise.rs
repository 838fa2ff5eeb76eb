//! Elementwise operations: which dtypes they take, what they give.

use crate::{
    error::{Error, Result},
    expr::Meta,
    kernel::program::{BinaryOp, Domain, UnaryOp},
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

/// The rule of a one-operand operation on `dtype`.
pub fn unary_rule(op: UnaryOp, dtype: DType) -> Result<Rule> {
    let operand = operand_of(op.domain(), dtype).ok_or_else(|| match op {
        UnaryOp::Invert => Error::mismatch(format!("`~` is not defined for {dtype}")),
        _ if dtype == DType::Bool => undefined(op.name(), dtype).hint("use `~x` or `logical_not(x)`"),
        _ => undefined(op.name(), dtype).hint("cast to an integer first, as in `x.astype(i64)`"),
    })?;
    Ok(Rule { operand, result: op.result(operand) })
}

/// The rule of a two-operand operation on `a` and `b`.
pub fn binary_rule(op: BinaryOp, a: DType, b: DType) -> Result<Rule> {
    let domain = op.domain();
    // Each operand becomes a float of its own before the two meet: `hypot` of `i8` and `u8` is `f16`, not `f32`.
    let met = if domain == Domain::Floats { a.to_float().promote(b.to_float()) } else { a.promote(b) };
    let operand = operand_of(domain, met).ok_or_else(|| match op {
        BinaryOp::Subtract => undefined(op.name(), met).hint("use `a ^ b`, or cast first"),
        BinaryOp::BitwiseAnd | BinaryOp::BitwiseOr | BinaryOp::BitwiseXor if a.is_float() || b.is_float() => {
            undefined(op.name(), met).hint("combine comparisons, which are bool")
        }
        _ if met.is_float() && !a.is_float() && !b.is_float() => {
            undefined(op.name(), met).hint(format!("{a} and {b} meet only there: cast one of them"))
        }
        _ => undefined(op.name(), met).hint("cast first"),
    })?;
    Ok(Rule { operand, result: op.result(operand) })
}

/// What `domain` makes of a dtype; `None` where the operation is not defined.
fn operand_of(domain: Domain, dtype: DType) -> Option<DType> {
    let family = dtype.family();
    match (domain, family) {
        (Domain::Any, _) => Some(dtype),
        (Domain::Numbers | Domain::WholeNumbers, DTypeFamily::Bool) => None,
        (Domain::Numbers, _) => Some(dtype),
        (Domain::Counts | Domain::Integers, DTypeFamily::Bool) => Some(DType::I8),
        (Domain::Counts, _) => Some(dtype),
        (Domain::Bits | Domain::Integers | Domain::WholeNumbers, DTypeFamily::Float) => None,
        (Domain::Bits | Domain::Integers | Domain::WholeNumbers, _) => Some(dtype),
        (Domain::Floats, _) => Some(dtype.to_float()),
        (Domain::Quotients, DTypeFamily::Float) => Some(dtype),
        (Domain::Quotients, _) => Some(DType::F64),
        (Domain::Truths, _) => Some(DType::Bool),
    }
}

#[cold]
fn undefined(name: &str, dtype: DType) -> Error {
    Error::mismatch(format!("{name} is not defined for {dtype}"))
}

/// The dtype that a literal and an array of `dtype` meet in; an error if an integer literal does not fit.
pub fn weak_promote(literal: Scalar, dtype: DType) -> Result<DType> {
    let met = literal.weak_dtype(dtype);
    if met.family() == DTypeFamily::Integer && !literal.fits(met) {
        return Err(Error::mismatch(format!("the integer {literal} does not fit {met}")).hint(literal.unfit_hint("the array")));
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
    let rule = binary_rule(op, a.dtype, b.dtype)?;
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
