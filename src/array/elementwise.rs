//! Elementwise functions: NumPy's names, NumPy 2's dtypes. Every conversion becomes a cast of the graph.

use super::{
    node::{Array, Kind},
    operand::{Operand, ScalarSide},
    promotion,
    words::{BinaryOp, CastMode, DType, Domain, Element, Scalar, UnaryOp},
};
use crate::{
    error::{Error, Result},
    expr::{
        Meta, Op,
        elementwise::{binary_rule, unary_rule, weak_promote},
    },
    nd::dtype::DTypeFamily,
};

/// `constant` as the one literal of its value in `dtype`, so that equal constants are one node.
fn canonical(constant: Scalar, dtype: DType) -> Scalar {
    match dtype.family() {
        DTypeFamily::Bool => Scalar::Bool(constant.to_f64() != 0.0),
        DTypeFamily::Integer => Scalar::Int(constant.to_i128()),
        DTypeFamily::Float => Scalar::Float(constant.to_f64()),
    }
}

pub(super) fn constant(value: Scalar, dtype: DType) -> Result<Array> {
    Array::make(Op::Constant(canonical(value, dtype), dtype), Vec::new())
}

impl Array {
    /// A 0-d literal. Its dtype gives way to that of the array it meets; alone it is `bool`, `i64` (`u64` above all of them) or `f64`.
    #[must_use]
    #[track_caller]
    pub fn scalar(value: impl Into<Scalar>) -> Array {
        let value = value.into();
        let dtype = value.default_dtype();
        if !value.fits(dtype) {
            let error = Error::mismatch(format!("the integer {value} does not fit {dtype}")).hint(value.unfit_hint("it"));
            return Array::settle(Err(error), None);
        }
        Array::leaf(Kind::Literal(value), Meta::known(&[], dtype), None)
    }

    /// The literal this array is, if it is one.
    #[must_use]
    pub fn literal(&self) -> Option<Scalar> {
        match self.0.kind {
            Kind::Literal(value) => Some(value),
            _ => None,
        }
    }

    /// `op` of every element.
    #[must_use]
    #[track_caller]
    pub fn unary(op: UnaryOp, value: &Array) -> Array {
        value.then(try_unary(op, value))
    }

    /// `op` of the elements of two arrays, which broadcast and promote as in NumPy.
    #[must_use]
    #[track_caller]
    pub fn binary(op: BinaryOp, left: &Array, right: &Array) -> Array {
        let session = left.0.session.as_ref().or(right.0.session.as_ref());
        Array::settle(try_binary(op, left, right), session)
    }

    /// `op` of the elements of an array and a literal, which takes the array's dtype where it can.
    #[must_use]
    #[track_caller]
    pub fn binary_scalar(op: BinaryOp, value: &Array, literal: Scalar, side: ScalarSide) -> Array {
        value.then(try_binary_scalar(op, value, literal, side))
    }

    /// Elements of `left` where `condition` is true, of `right` elsewhere; the three broadcast.
    #[must_use]
    #[track_caller]
    pub fn select(condition: &Array, left: &Array, right: &Array) -> Array {
        let session = [condition, left, right].into_iter().find_map(|array| array.0.session.as_ref());
        Array::settle(try_select(condition, left, right), session)
    }

    #[track_caller]
    pub(super) fn with(&self, op: BinaryOp, other: Operand) -> Array {
        match other {
            Operand::Array(array) => Array::binary(op, self, &array),
            Operand::Scalar(literal) => Array::binary_scalar(op, self, literal, ScalarSide::Right),
        }
    }

    /// Converted to `dtype`. A float that the integer dtype cannot hold is an error that names the first such element; integers wrap.
    #[must_use]
    #[track_caller]
    pub fn astype(&self, dtype: DType) -> Array {
        self.cast_with(dtype, CastMode::Checked)
    }

    /// Converted to the dtype of `T`, as [`Array::astype`].
    #[must_use]
    #[track_caller]
    pub fn cast<T: Element>(&self) -> Array {
        self.astype(T::DTYPE)
    }

    /// Converted to `dtype`, with a say in what becomes of floats that the integer dtype cannot hold.
    #[must_use]
    #[track_caller]
    pub fn cast_with(&self, dtype: DType, mode: CastMode) -> Array {
        self.then(convert(self, dtype, mode))
    }

    /// Limited to `low..=high`; either may be an array. NaN stays. With one bound alone, [`Array::maximum`] or [`Array::minimum`].
    #[must_use]
    #[track_caller]
    pub fn clip(&self, low: impl Into<Operand>, high: impl Into<Operand>) -> Array {
        let within = |bound: Operand, end: BinaryOp| match bound {
            Operand::Scalar(literal) => Operand::Scalar(self.clip_bound(literal, end)),
            array @ Operand::Array(_) => array,
        };
        self.maximum(within(low.into(), BinaryOp::Maximum)).minimum(within(high.into(), BinaryOp::Minimum))
    }

    /// A bound of `clip`, which `op` holds elements to. As in NumPy, one behind all integers of the array's dtype bounds nothing; one
    /// before them all leaves no integer that is within, and is refused when it meets the array.
    pub(super) fn clip_bound(&self, bound: Scalar, op: BinaryOp) -> Scalar {
        match (bound, self.dtype()) {
            (Scalar::Int(value), Ok(dtype)) if dtype.is_integer() => {
                let bits = 8 * dtype.size() as u32;
                let (lowest, highest) =
                    if dtype.is_unsigned() { (0, (1i128 << bits) - 1) } else { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) };
                Scalar::Int(if op == BinaryOp::Maximum { value.max(lowest) } else { value.min(highest) })
            }
            _ => bound,
        }
    }
}

/// Elements of `left` where `condition` is true, of `right` elsewhere: NumPy's `where`.
///
/// ```
/// use outcore::{Session, where_};
/// let session = Session::builder().memory("64MiB").build()?;
/// let x = session.from_ndarray(ndarray::array![1f32, -2.0]);
/// assert_eq!(where_(x.greater(0.0), &x, 0.0).dtype()?, outcore::DType::F32);
/// # Ok::<(), outcore::Error>(())
/// ```
#[must_use]
#[track_caller]
pub fn where_(condition: impl Into<Operand>, left: impl Into<Operand>, right: impl Into<Operand>) -> Array {
    Array::select(&condition.into().into_array(), &left.into().into_array(), &right.into().into_array())
}

pub(super) fn convert(value: &Array, dtype: DType, mode: CastMode) -> Result<Array> {
    if value.known()?.dtype == dtype {
        // A literal that is cast is weak no more.
        return match value.literal() {
            Some(literal) => constant(literal, dtype),
            None => Ok(value.clone()),
        };
    }
    Array::make(Op::Cast(dtype, mode), vec![value.clone()])
}

pub(super) fn promoted(value: &Array, dtype: DType) -> Result<Array> {
    convert(value, dtype, CastMode::Checked)
}

fn try_unary(op: UnaryOp, value: &Array) -> Result<Array> {
    let dtype = value.known()?.dtype;
    if matches!(op, UnaryOp::Floor | UnaryOp::Ceil | UnaryOp::Trunc) && !dtype.is_float() {
        return Ok(value.clone());
    }
    let rule = unary_rule(op, dtype)?;
    Array::make(Op::Unary(op), vec![promoted(value, rule.operand)?])
}

fn try_binary(op: BinaryOp, left: &Array, right: &Array) -> Result<Array> {
    let (a, b) = (left.known()?, right.known()?);
    match (left.literal(), right.literal()) {
        (None, Some(literal)) => return try_binary_scalar(op, left, literal, ScalarSide::Right),
        (Some(literal), None) => return try_binary_scalar(op, right, literal, ScalarSide::Left),
        _ => {}
    }
    let widening = promotion::meet(op.name(), left, right)?;
    if op.is_comparison()
        && let Some(compared) = compare_wide(op, left, right)?
    {
        return Ok(compared);
    }
    let rule = binary_rule(op, a.dtype, b.dtype)?;
    let right = if op == BinaryOp::Power { &checked_exponent(right, rule.operand)? } else { right };
    let made = Array::make(Op::Binary(without_nan(op, rule.operand)), vec![promoted(left, rule.operand)?, promoted(right, rule.operand)?])?;
    Ok(promotion::noted(made, widening))
}

/// Where there is no NaN, `fmin` is `minimum`.
fn without_nan(op: BinaryOp, dtype: DType) -> BinaryOp {
    match op {
        BinaryOp::Fmin if !dtype.is_float() => BinaryOp::Minimum,
        BinaryOp::Fmax if !dtype.is_float() => BinaryOp::Maximum,
        _ => op,
    }
}

/// A comparison of `u64` with signed integers: exact, as in NumPy, though the two promote to `f64`.
fn compare_wide(op: BinaryOp, left: &Array, right: &Array) -> Result<Option<Array>> {
    use BinaryOp::{BitwiseAnd, BitwiseOr, Equal, Greater, GreaterEqual, Less, LessEqual};
    let signed = |dtype: DType| dtype.is_integer() && !dtype.is_unsigned();
    let (a, b) = (left.known()?.dtype, right.known()?.dtype);
    if a == DType::U64 && signed(b) {
        let flipped = match op {
            Less => Greater,
            LessEqual => GreaterEqual,
            Greater => Less,
            GreaterEqual => LessEqual,
            same => same,
        };
        return compare_wide(flipped, right, left);
    }
    if b != DType::U64 || !signed(a) {
        return Ok(None);
    }
    let negative = Array::make(Op::Binary(Less), vec![left.clone(), constant(Scalar::Int(0), a)?])?;
    let plain = Array::make(Op::Binary(op), vec![convert(left, DType::U64, CastMode::Wrap)?, right.clone()])?;
    // What is below zero is less than everything unsigned.
    let made = match op {
        Equal | Greater | GreaterEqual => {
            let counts = Array::make(Op::Unary(UnaryOp::Invert), vec![negative])?;
            Array::make(Op::Binary(BitwiseAnd), vec![plain, counts])?
        }
        _ => Array::make(Op::Binary(BitwiseOr), vec![plain, negative])?,
    };
    Ok(Some(made))
}

/// `exponent`, whose elements below zero are an error when they are computed if it meets integers, as in NumPy.
///
/// A checked cast of the negative part, which is zero where all is well, is what tells: kernels report nothing else.
fn checked_exponent(exponent: &Array, met: DType) -> Result<Array> {
    let dtype = exponent.known()?.dtype;
    if !met.is_integer() || !dtype.is_integer() || dtype.is_unsigned() {
        return Ok(exponent.clone());
    }
    let zero = constant(Scalar::Float(0.0), DType::F64)?;
    let below = Array::make(Op::Binary(BinaryOp::Minimum), vec![promoted(exponent, DType::F64)?, zero])?;
    let nothing = promoted(&convert(&below, DType::U64, CastMode::Exponent)?, dtype)?;
    Array::make(Op::Binary(BinaryOp::Add), vec![exponent.clone(), nothing])
}

fn try_binary_scalar(op: BinaryOp, value: &Array, literal: Scalar, side: ScalarSide) -> Result<Array> {
    let dtype = value.known()?.dtype;
    if let Some(result) = compare_beyond(op, value, literal, side)? {
        return Ok(result);
    }
    if op == BinaryOp::Power && side == ScalarSide::Right {
        refuse_negative_power(dtype, literal)?;
    }
    let met = match op.domain() {
        // What any literal is converted to, whether or not it fits the array's dtype.
        Domain::Truths => dtype,
        Domain::Floats | Domain::Quotients => literal.weak_dtype(dtype),
        _ => weak_promote(literal, dtype)?,
    };
    if op == BinaryOp::Power
        && side == ScalarSide::Right
        && let Some(result) = power_of(value, literal, met)?
    {
        return Ok(result);
    }
    let rule = binary_rule(op, met, met)?;
    let value = if op == BinaryOp::Power && side == ScalarSide::Left { &checked_exponent(value, rule.operand)? } else { value };
    let (array, number) = (promoted(value, rule.operand)?, constant(literal, rule.operand)?);
    let args = if side == ScalarSide::Right { vec![array, number] } else { vec![number, array] };
    Array::make(Op::Binary(without_nan(op, rule.operand)), args)
}

/// Comparisons of integers with an integer literal outside their dtype, which NumPy decides instead of refusing.
fn compare_beyond(op: BinaryOp, value: &Array, literal: Scalar, side: ScalarSide) -> Result<Option<Array>> {
    let dtype = value.known()?.dtype;
    let Scalar::Int(number) = literal else { return Ok(None) };
    if !dtype.is_integer() || literal.fits(dtype) {
        return Ok(None);
    }
    let array_is_less = (number > 0) == (side == ScalarSide::Right);
    let truth = match op {
        BinaryOp::Equal => false,
        BinaryOp::NotEqual => true,
        BinaryOp::Less | BinaryOp::LessEqual => array_is_less,
        BinaryOp::Greater | BinaryOp::GreaterEqual => !array_is_less,
        _ => return Ok(None),
    };
    // An integer equals itself, so this is the answer everywhere, in the array's shape.
    let same = if truth { BinaryOp::Equal } else { BinaryOp::NotEqual };
    Array::make(Op::Binary(same), vec![value.clone(), value.clone()]).map(Some)
}

/// The exponents that NumPy refuses.
fn refuse_negative_power(dtype: DType, exponent: Scalar) -> Result<()> {
    match exponent {
        Scalar::Int(number) if number < 0 && !dtype.is_float() => {
            Err(Error::usage(format!("integers to the negative integer power {number} are not defined"))
                .hint(format!("cast to a float first, or write {number}.0")))
        }
        _ => Ok(()),
    }
}

/// NumPy's special exponents.
fn power_of(value: &Array, exponent: Scalar, met: DType) -> Result<Option<Array>> {
    let dtype = binary_rule(BinaryOp::Power, met, met)?.operand;
    let base = promoted(value, dtype)?;
    let number = exponent.to_f64();
    if matches!(exponent, Scalar::Bool(_)) {
        return Ok(None);
    }
    if number == 2.0 {
        return Array::make(Op::Unary(UnaryOp::Square), vec![base]).map(Some);
    }
    if number == 0.5 && dtype.is_float() {
        return Array::make(Op::Unary(UnaryOp::Sqrt), vec![base]).map(Some);
    }
    if number == 1.0 {
        return Ok(Some(base));
    }
    if number == -1.0 && dtype.is_float() {
        return Array::make(Op::Binary(BinaryOp::Divide), vec![constant(Scalar::Float(1.0), dtype)?, base]).map(Some);
    }
    Ok(None)
}

fn try_select(condition: &Array, left: &Array, right: &Array) -> Result<Array> {
    let (mask, a, b) = (condition.known()?, left.known()?, right.known()?);
    let dtype = match (left.literal(), right.literal()) {
        (None, Some(literal)) => weak_promote(literal, a.dtype)?,
        (Some(literal), None) => weak_promote(literal, b.dtype)?,
        _ => a.dtype.promote(b.dtype),
    };
    let side = |array: &Array| match array.literal() {
        Some(literal) => constant(literal, dtype),
        None => promoted(array, dtype),
    };
    let mask = if mask.dtype == DType::Bool { condition.clone() } else { promoted(condition, DType::Bool)? };
    let widening = promotion::meet("where", left, right)?;
    Ok(promotion::noted(Array::make(Op::Select, vec![mask, side(left)?, side(right)?])?, widening))
}
