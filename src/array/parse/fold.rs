//! Arithmetic on literals, by Python's rules: integers are exact, `/` gives a float, `//` and `%` round toward minus infinity.

use crate::{
    array::parse::ast::Sign,
    error::{Error, Result},
    kernel::program::BinaryOp,
    nd::Scalar,
};
use std::cmp::Ordering;

/// `a op b`.
pub fn binary(op: BinaryOp, a: Scalar, b: Scalar) -> Result<Scalar> {
    use BinaryOp::{BitwiseAnd, BitwiseOr, BitwiseXor, Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
    let order = compare(a, b);
    match op {
        Equal => Ok(Scalar::Bool(order == Some(Ordering::Equal))),
        NotEqual => Ok(Scalar::Bool(order != Some(Ordering::Equal))),
        Less => Ok(Scalar::Bool(order == Some(Ordering::Less))),
        LessEqual => Ok(Scalar::Bool(matches!(order, Some(Ordering::Less | Ordering::Equal)))),
        Greater => Ok(Scalar::Bool(order == Some(Ordering::Greater))),
        GreaterEqual => Ok(Scalar::Bool(matches!(order, Some(Ordering::Greater | Ordering::Equal)))),
        BitwiseAnd | BitwiseOr | BitwiseXor => bitwise(op, a, b),
        _ => match (integer(a), integer(b)) {
            (Some(a), Some(b)) => integers(op, a, b),
            _ => floats(op, a.to_f64(), b.to_f64()).map(Scalar::Float),
        },
    }
}

/// `-a`, `+a`, `~a`. As in NumPy, `~` of a truth value is its opposite.
pub fn unary(sign: Sign, a: Scalar) -> Result<Scalar> {
    match (sign, a) {
        (Sign::Minus, Scalar::Float(value)) => Ok(Scalar::Float(-value)),
        (Sign::Minus, other) => other.to_i128().checked_neg().map(Scalar::Int).ok_or_else(overflow),
        (Sign::Plus, Scalar::Bool(value)) => Ok(Scalar::Int(i128::from(value))),
        (Sign::Plus, other) => Ok(other),
        (Sign::Invert, Scalar::Bool(value)) => Ok(Scalar::Bool(!value)),
        (Sign::Invert, Scalar::Int(value)) => Ok(Scalar::Int(!value)),
        (Sign::Invert, Scalar::Float(_)) => Err(Error::usage("`~` is not defined for a float")),
    }
}

/// The value of an integer or a truth value.
fn integer(value: Scalar) -> Option<i128> {
    match value {
        Scalar::Float(_) => None,
        other => Some(other.to_i128()),
    }
}

/// Exact order of two literals; `None` if one is NaN.
fn compare(a: Scalar, b: Scalar) -> Option<Ordering> {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (Some(a), None) => compare_mixed(a, b.to_f64()),
        (None, Some(b)) => compare_mixed(b, a.to_f64()).map(Ordering::reverse),
        (None, None) => a.to_f64().partial_cmp(&b.to_f64()),
    }
}

/// An integer against a float without rounding the integer.
fn compare_mixed(a: i128, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        return None;
    }
    // Every float of this size is an integer, and outside the range of i128 or at its lower end.
    let limit = 2f64.powi(127);
    if b >= limit {
        return Some(Ordering::Less);
    }
    if b < -limit {
        return Some(Ordering::Greater);
    }
    let floor = Scalar::Float(b.floor()).to_i128();
    Some(a.cmp(&floor).then(if b > b.floor() { Ordering::Less } else { Ordering::Equal }))
}

fn bitwise(op: BinaryOp, a: Scalar, b: Scalar) -> Result<Scalar> {
    let apply = |x: i128, y: i128| match op {
        BinaryOp::BitwiseAnd => x & y,
        BinaryOp::BitwiseOr => x | y,
        _ => x ^ y,
    };
    match (a, b) {
        (Scalar::Bool(x), Scalar::Bool(y)) => Ok(Scalar::Bool(apply(i128::from(x), i128::from(y)) != 0)),
        (Scalar::Float(_), _) | (_, Scalar::Float(_)) => Err(Error::usage(format!("{} is not defined for floats", op.name()))
            .hint("`&` and `|` bind tighter than comparisons: put parentheses around these, as in `(a > 0) & (b > 0)`")),
        _ => Ok(Scalar::Int(apply(a.to_i128(), b.to_i128()))),
    }
}

fn integers(op: BinaryOp, a: i128, b: i128) -> Result<Scalar> {
    use BinaryOp::{Add, Divide, FloorDivide, LeftShift, Multiply, Power, Remainder, RightShift, Subtract};
    if b < 0 && matches!(op, LeftShift | RightShift) {
        return Err(Error::usage(format!("a shift by {b}, below 0")));
    }
    if b == 0 && matches!(op, Divide | FloorDivide | Remainder) {
        return Err(division_by_zero());
    }
    let exact = match op {
        Add => a.checked_add(b),
        Subtract => a.checked_sub(b),
        Multiply => a.checked_mul(b),
        FloorDivide => a.checked_div(b).map(|quotient| quotient - i128::from(a % b != 0 && (a < 0) != (b < 0))),
        // b = -1 leaves the remainder 0 for every a, also for the one whose quotient overflows.
        Remainder if b == -1 => Some(0),
        Remainder => Some(a % b + if a % b != 0 && (a < 0) != (b < 0) { b } else { 0 }),
        Power if b < 0 => return floats(op, Scalar::Int(a).to_f64(), Scalar::Int(b).to_f64()).map(Scalar::Float),
        Power => integer_power(a, b),
        LeftShift if a == 0 => Some(0),
        LeftShift => u32::try_from(b).ok().and_then(|by| 2i128.checked_pow(by)).and_then(|power| a.checked_mul(power)),
        RightShift => Some(a >> b.min(127)),
        Divide => return Ok(Scalar::Float(true_quotient(a, b))),
        _ => return Err(Error::usage(format!("{} is not defined for literals", op.name()))),
    };
    exact.map(Scalar::Int).ok_or_else(overflow)
}

fn integer_power(base: i128, exponent: i128) -> Option<i128> {
    match base {
        0 | 1 => Some(if exponent == 0 { 1 } else { base }),
        -1 => Some(if exponent % 2 == 0 { 1 } else { -1 }),
        _ => base.checked_pow(u32::try_from(exponent).ok()?),
    }
}

/// `a / b` as a float: exact quotients stay exact.
fn true_quotient(a: i128, b: i128) -> f64 {
    match a.checked_rem(b) {
        Some(0) => Scalar::Int(a / b).to_f64(),
        _ => Scalar::Int(a).to_f64() / Scalar::Int(b).to_f64(),
    }
}

fn floats(op: BinaryOp, a: f64, b: f64) -> Result<f64> {
    use BinaryOp::{Add, Divide, FloorDivide, Multiply, Power, Remainder, Subtract};
    if b == 0.0 && matches!(op, Divide | FloorDivide | Remainder) {
        return Err(division_by_zero());
    }
    match op {
        Add => Ok(a + b),
        Subtract => Ok(a - b),
        Multiply => Ok(a * b),
        Divide => Ok(a / b),
        FloorDivide => Ok(floor_divide(a, b).0),
        Remainder => Ok(floor_divide(a, b).1),
        Power if a == 0.0 && b < 0.0 => Err(division_by_zero()),
        Power if a < 0.0 && a.is_finite() && b.is_finite() && b.fract() != 0.0 => {
            Err(Error::usage(format!("({a:?}) ** {b:?} is a complex number, which are not available")))
        }
        Power => {
            let power = a.powf(b);
            if power.is_infinite() && a.is_finite() && b.is_finite() { Err(overflow()) } else { Ok(power) }
        }
        _ => Err(Error::usage(format!("{} is not defined for literals", op.name()))),
    }
}

/// Python's `divmod`: the remainder has the divisor's sign.
fn floor_divide(a: f64, b: f64) -> (f64, f64) {
    let mut remainder = a % b;
    let mut quotient = (a - remainder) / b;
    if remainder == 0.0 {
        remainder = 0f64.copysign(b);
    } else if (b < 0.0) != (remainder < 0.0) {
        remainder += b;
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return (0f64.copysign(a / b), remainder);
    }
    let floor = quotient.floor();
    (if quotient - floor > 0.5 { floor + 1.0 } else { floor }, remainder)
}

#[cold]
fn overflow() -> Error {
    Error::usage("the result of this arithmetic on literals is too large").hint("write one operand as a float, or use `inf`")
}

#[cold]
fn division_by_zero() -> Error {
    Error::usage("division by zero in arithmetic on literals").hint("write `inf` or `nan` if that is meant")
}

#[cfg(test)]
mod tests {
    use super::*;
    use BinaryOp::*;

    #[test]
    fn arithmetic_is_pythons() {
        let int = |value: i128| Scalar::Int(value);
        let float = |value: f64| Scalar::Float(value);
        let truth = |value: bool| Scalar::Bool(value);
        let cases = [
            (Add, int(1), int(2), int(3)),
            (Add, truth(true), truth(true), int(2)),
            (Divide, int(7), int(2), float(3.5)),
            (Divide, int(6), int(2), float(3.0)),
            (FloorDivide, int(-7), int(2), int(-4)),
            (FloorDivide, int(7), int(-2), int(-4)),
            (FloorDivide, int(-8), int(2), int(-4)),
            (Remainder, int(-7), int(3), int(2)),
            (Remainder, int(7), int(-3), int(-2)),
            (Remainder, int(i128::MIN), int(-1), int(0)),
            (FloorDivide, float(-7.0), int(2), float(-4.0)),
            (Remainder, float(-7.5), int(2), float(0.5)),
            (Remainder, float(6.0), int(-3), float(-0.0)),
            (Remainder, int(1), float(f64::INFINITY), float(1.0)),
            (Power, int(2), int(100), int(1 << 100)),
            (Power, int(2), int(-1), float(0.5)),
            (Power, int(-1), int(1_000_000_000_001), int(-1)),
            (Power, int(0), int(0), int(1)),
            (Power, float(2.0), int(3), float(8.0)),
            (Equal, int(1), float(1.0), truth(true)),
            (Less, int((1 << 53) + 1), float(9007199254740992.0), truth(false)),
            (Less, int(i128::MAX), float(1e300), truth(true)),
            (GreaterEqual, int(i128::MIN), float(-(2f64.powi(127))), truth(true)),
            (LessEqual, int(1), float(f64::NAN), truth(false)),
            (NotEqual, float(f64::NAN), float(f64::NAN), truth(true)),
            (BitwiseAnd, truth(true), truth(false), truth(false)),
            (BitwiseOr, int(5), int(2), int(7)),
        ];
        for (op, a, b, want) in cases {
            assert_eq!(binary(op, a, b).unwrap(), want, "{a} {} {b}", op.name());
        }
    }

    #[test]
    fn what_python_refuses_is_refused() {
        let bad = [
            (Divide, Scalar::Int(1), Scalar::Int(0)),
            (FloorDivide, Scalar::Float(1.0), Scalar::Int(0)),
            (Remainder, Scalar::Int(1), Scalar::Float(0.0)),
            (Power, Scalar::Int(0), Scalar::Int(-1)),
            (Power, Scalar::Int(-8), Scalar::Float(0.5)),
            (Power, Scalar::Float(10.0), Scalar::Int(400)),
            (Power, Scalar::Int(10), Scalar::Int(400)),
            (Multiply, Scalar::Int(i128::MAX), Scalar::Int(2)),
            (FloorDivide, Scalar::Int(i128::MIN), Scalar::Int(-1)),
            (BitwiseAnd, Scalar::Float(1.0), Scalar::Int(1)),
        ];
        for (op, a, b) in bad {
            assert!(binary(op, a, b).is_err(), "{a} {} {b}", op.name());
        }
        assert!(unary(Sign::Minus, Scalar::Int(i128::MIN)).is_err());
        assert_eq!(unary(Sign::Invert, Scalar::Bool(true)).unwrap(), Scalar::Bool(false));
    }
}
