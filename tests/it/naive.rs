//! The oracle: arrays as lists of numbers, every operation as the loop that defines it.

use outcore::{BinaryOp, DType, Finish, UnaryOp};

/// A number wide enough for every dtype.
#[derive(Clone, Copy, Debug)]
pub enum Number {
    /// `bool` and integers.
    Int(i128),
    /// Floats; what an operation gives is rounded to the dtype.
    Float(f64),
}

/// An array in memory, C order.
#[derive(Clone, Debug)]
pub struct Naive {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub data: Vec<Number>,
}

/// Rounded to odd, so that a second rounding sees on which side of a tie the value lies.
fn odd(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) == value || value.is_nan() {
        return nearest;
    }
    let toward_zero = if f64::from(nearest).abs() > value.abs() { nearest.to_bits() - 1 } else { nearest.to_bits() };
    f32::from_bits(toward_zero | 1)
}

/// How two numbers of one dtype compare; `None` if either is NaN.
fn order(a: Number, b: Number) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
        _ => a.float().partial_cmp(&b.float()),
    }
}

impl Number {
    pub fn float(self) -> f64 {
        match self {
            Number::Int(value) => value as f64,
            Number::Float(value) => value,
        }
    }
    pub fn int(self) -> i128 {
        match self {
            Number::Int(value) => value,
            Number::Float(value) => value as i128,
        }
    }
    pub fn truth(self) -> bool {
        match self {
            Number::Int(value) => value != 0,
            Number::Float(value) => value != 0.0,
        }
    }
    /// The same number as `dtype` holds it: floats rounded, integers wrapped.
    pub fn to(self, dtype: DType) -> Number {
        match dtype {
            DType::Bool => Number::Int(i128::from(self.truth())),
            DType::F64 => Number::Float(self.float()),
            DType::F32 => Number::Float(f64::from(self.float() as f32)),
            DType::F16 => Number::Float(f64::from(half::f16::from_f32(odd(self.float())))),
            DType::BF16 => Number::Float(f64::from(half::bf16::from_f32(odd(self.float())))),
            integer => {
                let bits = integer.size() * 8;
                let masked = self.int() & ((1i128 << bits) - 1);
                let negative = !integer.is_unsigned() && masked >> (bits - 1) & 1 == 1;
                Number::Int(if negative { masked - (1i128 << bits) } else { masked })
            }
        }
    }
    pub fn bytes(self, dtype: DType) -> Vec<u8> {
        match dtype {
            DType::F64 => self.float().to_ne_bytes().to_vec(),
            DType::F32 => (self.float() as f32).to_ne_bytes().to_vec(),
            DType::F16 => half::f16::from_f32(odd(self.float())).to_ne_bytes().to_vec(),
            DType::BF16 => half::bf16::from_f32(odd(self.float())).to_ne_bytes().to_vec(),
            integer => self.int().to_ne_bytes()[..integer.size()].to_vec(),
        }
    }
}

impl Naive {
    pub fn bytes(&self) -> Vec<u8> {
        self.data.iter().flat_map(|number| number.bytes(self.dtype)).collect()
    }

    /// The element at `coordinates`, stretched axes repeated.
    fn at(&self, coordinates: &[usize]) -> Number {
        let skip = coordinates.len() - self.shape.len();
        let mut place = 0;
        for (length, coordinate) in self.shape.iter().zip(&coordinates[skip..]) {
            place = place * length + if *length == 1 { 0 } else { *coordinate };
        }
        self.data[place]
    }

    fn make(dtype: DType, shape: &[usize], mut element: impl FnMut(&[usize]) -> Number) -> Naive {
        let mut data = Vec::new();
        for_each(shape, |coordinates| data.push(element(coordinates)));
        Naive { dtype, shape: shape.to_vec(), data }
    }

    /// The product of matrices, or of stacks of them, not rounded.
    pub fn multiply(&self, other: &Naive, dtype: DType) -> Naive {
        let (left, right) = (self.shape.len() - 2, other.shape.len() - 2);
        let lead = left.max(right);
        let length = |axis: usize| {
            let of = |shape: &[usize], own: usize| (axis + own).checked_sub(lead).map_or(1, |place| shape[place]);
            let lengths = [of(&self.shape, left), of(&other.shape, right)];
            if lengths[0] == 1 { lengths[1] } else { lengths[0] }
        };
        let shape: Vec<usize> = (0..lead).map(length).chain([self.shape[left], other.shape[right + 1]]).collect();
        Naive::make(dtype, &shape, |at| {
            let side = |row: usize, column: usize| at[..lead].iter().copied().chain([row, column]).collect::<Vec<usize>>();
            let products = (0..self.shape[left + 1]).map(|inner| (self.at(&side(at[lead], inner)), other.at(&side(inner, at[lead + 1]))));
            match dtype.is_float() {
                true => Number::Float(products.map(|(a, b)| a.float() * b.float()).sum::<f64>() + 0.0),
                false => Number::Int(products.map(|(a, b)| a.int() * b.int()).sum()),
            }
        })
    }

    pub fn unary(&self, op: UnaryOp) -> Naive {
        let number = |x: Number| match (op, x) {
            (UnaryOp::Negative, Number::Int(x)) => Number::Int(-x),
            (UnaryOp::Negative, Number::Float(x)) => Number::Float(-x),
            (UnaryOp::Absolute, Number::Int(x)) => Number::Int(x.abs()),
            (UnaryOp::Absolute, Number::Float(x)) => Number::Float(x.abs()),
            (UnaryOp::Square, Number::Int(x)) => Number::Int(x * x),
            (UnaryOp::Square, Number::Float(x)) => Number::Float(x * x),
            (UnaryOp::Floor | UnaryOp::Ceil | UnaryOp::Trunc, Number::Int(x)) => Number::Int(x),
            (UnaryOp::Sign, Number::Int(x)) => Number::Int(x.signum()),
            (UnaryOp::Sign, Number::Float(x)) => Number::Float(if x == 0.0 || x.is_nan() { x.abs() } else { x.signum() }),
            (UnaryOp::Floor, Number::Float(x)) => Number::Float(x.floor()),
            (UnaryOp::Ceil, Number::Float(x)) => Number::Float(x.ceil()),
            (UnaryOp::Trunc, Number::Float(x)) => Number::Float(x.trunc()),
            (UnaryOp::Rint, x) => Number::Float(x.to(self.dtype.to_float()).float().round_ties_even()),
            (UnaryOp::Signbit, x) => Number::Int(i128::from(x.float().is_sign_negative())),
            (UnaryOp::Sqrt, x) => Number::Float(x.float().sqrt()),
            (UnaryOp::LogicalNot, x) => Number::Int(i128::from(!x.truth())),
            (UnaryOp::IsNan, x) => Number::Int(i128::from(x.float().is_nan())),
            (other, _) => unreachable!("{other:?} is not drawn"),
        };
        let dtype = match op {
            UnaryOp::LogicalNot | UnaryOp::IsNan | UnaryOp::Signbit => DType::Bool,
            UnaryOp::Sqrt | UnaryOp::Rint => self.dtype.to_float(),
            UnaryOp::Square if self.dtype == DType::Bool => DType::I8,
            _ => self.dtype,
        };
        Naive { dtype, shape: self.shape.clone(), data: self.data.iter().map(|&x| number(x).to(dtype)).collect() }
    }

    pub fn binary(&self, op: BinaryOp, other: &Naive, shape: &[usize]) -> Naive {
        let common = self.dtype.promote(other.dtype);
        let logical = matches!(op, BinaryOp::LogicalAnd | BinaryOp::LogicalOr);
        let comparison = matches!(op, BinaryOp::Less | BinaryOp::GreaterEqual | BinaryOp::Equal);
        let operand = match op {
            BinaryOp::Divide if !common.is_float() => DType::F64,
            BinaryOp::Copysign | BinaryOp::Heaviside => self.dtype.to_float().promote(other.dtype.to_float()),
            BinaryOp::LeftShift | BinaryOp::RightShift | BinaryOp::FloorDivide | BinaryOp::Remainder if common == DType::Bool => DType::I8,
            _ => common,
        };
        let dtype = if logical || comparison { DType::Bool } else { operand };
        Naive::make(dtype, shape, |at| {
            let (a, b) = (self.at(at).to(operand), other.at(at).to(operand));
            let number = match (op, a, b) {
                (BinaryOp::LogicalAnd, ..) => Number::Int(i128::from(self.at(at).truth() && other.at(at).truth())),
                (BinaryOp::LogicalOr, ..) => Number::Int(i128::from(self.at(at).truth() || other.at(at).truth())),
                (BinaryOp::Less, ..) => Number::Int(i128::from(order(a, b).is_some_and(std::cmp::Ordering::is_lt))),
                (BinaryOp::GreaterEqual, ..) => Number::Int(i128::from(order(a, b).is_some_and(std::cmp::Ordering::is_ge))),
                (BinaryOp::Equal, ..) => Number::Int(i128::from(order(a, b).is_some_and(std::cmp::Ordering::is_eq))),
                (BinaryOp::Add, Number::Int(a), Number::Int(b)) => Number::Int(a + b),
                (BinaryOp::Subtract, Number::Int(a), Number::Int(b)) => Number::Int(a - b),
                (BinaryOp::Multiply, Number::Int(a), Number::Int(b)) => Number::Int(a * b),
                (BinaryOp::BitwiseAnd, Number::Int(a), Number::Int(b)) => Number::Int(a & b),
                (BinaryOp::BitwiseOr, Number::Int(a), Number::Int(b)) => Number::Int(a | b),
                (BinaryOp::BitwiseXor, Number::Int(a), Number::Int(b)) => Number::Int(a ^ b),
                (BinaryOp::FloorDivide | BinaryOp::Remainder, Number::Int(_), Number::Int(0)) => Number::Int(0),
                (BinaryOp::FloorDivide, Number::Int(a), Number::Int(b)) => {
                    Number::Int(a.div_euclid(b) - i128::from(b < 0 && a.rem_euclid(b) != 0))
                }
                (BinaryOp::Remainder, Number::Int(a), Number::Int(b)) => {
                    Number::Int(a.rem_euclid(b) + if b < 0 && a.rem_euclid(b) != 0 { b } else { 0 })
                }
                (BinaryOp::LeftShift | BinaryOp::RightShift, Number::Int(a), Number::Int(b)) => Number::Int(shift(op, operand, a, b)),
                (BinaryOp::Copysign, ..) => Number::Float(a.float().copysign(b.float())),
                (BinaryOp::Heaviside, ..) if a.float().is_nan() => a,
                (BinaryOp::Heaviside, ..) if a.float() == 0.0 => b,
                (BinaryOp::Heaviside, ..) => Number::Float(f64::from(u8::from(a.float() > 0.0))),
                (BinaryOp::Fmin | BinaryOp::Fmax, Number::Float(a), b) if a.is_nan() => b,
                (BinaryOp::Fmin | BinaryOp::Fmax, a, Number::Float(b)) if b.is_nan() => a,
                (BinaryOp::Fmin, ..) => extreme(a, b, true),
                (BinaryOp::Fmax, ..) => extreme(a, b, false),
                (BinaryOp::Minimum, Number::Int(a), Number::Int(b)) => Number::Int(a.min(b)),
                (BinaryOp::Maximum, Number::Int(a), Number::Int(b)) => Number::Int(a.max(b)),
                (BinaryOp::Add, ..) => Number::Float(a.float() + b.float()),
                (BinaryOp::Subtract, ..) => Number::Float(a.float() - b.float()),
                (BinaryOp::Multiply, ..) => Number::Float(a.float() * b.float()),
                (BinaryOp::Divide, ..) => Number::Float(a.float() / b.float()),
                (BinaryOp::Minimum, ..) => Number::Float(pick(a.float(), b.float(), true)),
                (BinaryOp::Maximum, ..) => Number::Float(pick(a.float(), b.float(), false)),
                (other, ..) => unreachable!("{other:?} is not drawn"),
            };
            match (dtype, number) {
                (DType::Bool, Number::Int(value)) => Number::Int(i128::from(value != 0)),
                _ => number.to(dtype),
            }
        })
    }

    pub fn select(mask: &Naive, a: &Naive, b: &Naive, shape: &[usize]) -> Naive {
        let dtype = a.dtype.promote(b.dtype);
        Naive::make(dtype, shape, |at| if mask.at(at).truth() { a.at(at).to(dtype) } else { b.at(at).to(dtype) })
    }

    pub fn permute(&self, order: &[usize]) -> Naive {
        let shape: Vec<usize> = order.iter().map(|&axis| self.shape[axis]).collect();
        Naive::make(self.dtype, &shape, |at| {
            let mut from = vec![0; at.len()];
            order.iter().zip(at).for_each(|(&axis, &coordinate)| from[axis] = coordinate);
            self.at(&from)
        })
    }

    /// `(start, step, length)` per axis.
    pub fn slice(&self, ranges: &[(usize, i64, usize)]) -> Naive {
        let shape: Vec<usize> = ranges.iter().map(|range| range.2).collect();
        Naive::make(self.dtype, &shape, |at| {
            let from: Vec<usize> = at.iter().zip(ranges).map(|(&c, range)| (range.0 as i64 + c as i64 * range.1) as usize).collect();
            self.at(&from)
        })
    }

    #[allow(dead_code, reason = "not drawn yet")]
    pub fn reshape(&self, shape: &[usize]) -> Naive {
        Naive { dtype: self.dtype, shape: shape.to_vec(), data: self.data.clone() }
    }

    pub fn broadcast_to(&self, shape: &[usize]) -> Naive {
        Naive::make(self.dtype, shape, |at| self.at(at))
    }

    #[allow(dead_code, reason = "not drawn yet")]
    pub fn compress(&self, mask: &Naive) -> Naive {
        let data: Vec<Number> = self.data.iter().zip(&mask.data).filter(|(_, keep)| keep.truth()).map(|(number, _)| *number).collect();
        Naive { dtype: self.dtype, shape: vec![data.len()], data }
    }

    /// The scan `step` along an axis, from the first element on; the running value is not rounded to `dtype`.
    pub fn scan(&self, axis: usize, dtype: DType, step: impl Fn(Number, Number) -> Number) -> Naive {
        let mut running: Vec<Number> = Vec::new();
        let stride: usize = self.shape[axis + 1..].iter().product();
        for (place, &number) in self.data.iter().enumerate() {
            let first = (place / stride).is_multiple_of(self.shape[axis]);
            running.push(if first { number } else { step(running[place - stride], number) });
        }
        Naive { dtype, shape: self.shape.clone(), data: running.into_iter().map(|number| number.to(dtype)).collect() }
    }

    pub fn windows(&self, axis: usize, window: usize) -> Naive {
        let mut shape = self.shape.clone();
        shape[axis] -= window - 1;
        shape.push(window);
        Naive::make(self.dtype, &shape, |coordinates| {
            let (at, own) = coordinates.split_last().expect("a window has an axis");
            let mut own = own.to_vec();
            own[axis] += at;
            self.at(&own)
        })
    }

    pub fn reduce(&self, finish: Finish, axes: &[usize], keepdims: bool) -> Naive {
        let kept: Vec<usize> = (0..self.shape.len()).filter(|axis| !axes.contains(axis)).collect();
        let shape: Vec<usize> = kept.iter().map(|&axis| self.shape[axis]).collect();
        let mut groups: Vec<Vec<Number>> = vec![Vec::new(); shape.iter().product()];
        for_each(&self.shape, |at| {
            let place = kept.iter().fold(0, |place, &axis| place * self.shape[axis] + at[axis]);
            groups[place].push(self.at(at));
        });
        let dtype = match finish {
            Finish::Sum | Finish::NanSum if self.dtype.is_unsigned() => DType::U64,
            Finish::ArgMin | Finish::ArgMax => DType::I64,
            Finish::NanSum if !self.dtype.is_float() => DType::I64,
            Finish::Sum | Finish::CountNonzero if finish == Finish::CountNonzero || !self.dtype.is_float() => DType::I64,
            Finish::Mean | Finish::Var { .. } if !self.dtype.is_float() => DType::F64,
            Finish::Any | Finish::All => DType::Bool,
            _ => self.dtype,
        };
        let shape = if keepdims {
            (0..self.shape.len()).map(|axis| if axes.contains(&axis) { 1 } else { self.shape[axis] }).collect()
        } else {
            shape
        };
        Naive { dtype, shape, data: groups.iter().map(|group| finish_group(finish, self.dtype, group).to(dtype)).collect() }
    }
}

/// Sums are exact in f64 as long as the drawn numbers are small dyadic ones.
fn finish_group(finish: Finish, dtype: DType, group: &[Number]) -> Number {
    let is_nan = |number: &Number| matches!(number, Number::Float(value) if value.is_nan());
    if finish.skips_nan() {
        let left: Vec<Number> = group.iter().copied().filter(|number| !is_nan(number)).collect();
        let sums = matches!(finish.plain(), Finish::Sum);
        // A NaN that is left out of a sum stands for +0.
        let hole = (sums && left.len() < group.len()).then_some(Number::Float(0.0));
        let left: Vec<Number> = left.into_iter().chain(hole).collect();
        return if left.is_empty() && !group.is_empty() { Number::Float(f64::NAN) } else { finish_group(finish.plain(), dtype, &left) };
    }
    if let Finish::ArgMin | Finish::ArgMax = finish {
        let less = |a: &Number, b: &Number| match (a, b) {
            (Number::Int(a), Number::Int(b)) => a < b,
            _ => a.float() < b.float(),
        };
        let better = |a: &Number, b: &Number| if finish == Finish::ArgMin { less(a, b) } else { less(b, a) };
        let mut best = 0;
        for (at, number) in group.iter().enumerate() {
            if !is_nan(&group[best]) && (is_nan(number) || better(number, &group[best])) {
                best = at;
            }
        }
        return Number::Int(best as i128);
    }
    // Rust's empty sum is -0, NumPy's is 0.
    let sum: f64 = if group.is_empty() { 0.0 } else { group.iter().map(|number| number.float()).sum() };
    let count = group.len() as f64;
    match finish {
        Finish::Sum if dtype.is_float() => Number::Float(sum),
        Finish::Sum => Number::Int(group.iter().map(|number| number.int()).sum()),
        Finish::Mean => Number::Float(sum / count),
        Finish::Var { .. } => Number::Float(variance(group)),
        Finish::Min => group.iter().copied().reduce(|a, b| extreme(a, b, true)).unwrap_or(Number::Int(0)),
        Finish::Max => group.iter().copied().reduce(|a, b| extreme(a, b, false)).unwrap_or(Number::Int(0)),
        Finish::Any => Number::Int(i128::from(group.iter().any(|number| number.truth()))),
        Finish::All => Number::Int(i128::from(group.iter().all(|number| number.truth()))),
        Finish::CountNonzero => Number::Int(group.iter().filter(|number| number.truth()).count() as i128),
        other => unreachable!("{other:?} is not drawn"),
    }
}

/// The variance of multiples of 1/4096, rounded once.
fn variance(group: &[Number]) -> f64 {
    let scaled = || group.iter().map(|number| (number.float() * 4096.0) as i128);
    let (count, sum) = (group.len() as i128, scaled().sum::<i128>());
    let deviation = count * scaled().map(|value| value * value).sum::<i128>() - sum * sum;
    if deviation == 0 || count == 0 {
        return if count == 0 { f64::NAN } else { 0.0 };
    }
    let shift = deviation.leading_zeros() - 1;
    let (shifted, divisor) = (deviation << shift, count * count);
    let quotient = (shifted / divisor) | i128::from(shifted % divisor != 0);
    quotient as f64 * 2f64.powi(-24 - shift as i32)
}

/// Shifts beyond the width leave nothing, or the sign.
fn shift(op: BinaryOp, dtype: DType, a: i128, b: i128) -> i128 {
    let inside = (0..8 * dtype.size() as i128).contains(&b);
    match op {
        BinaryOp::LeftShift if inside => a << b,
        BinaryOp::LeftShift => 0,
        _ if inside => a >> b,
        _ => a >> 127,
    }
}

pub fn extreme(a: Number, b: Number, smallest: bool) -> Number {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => Number::Int(if smallest { a.min(b) } else { a.max(b) }),
        _ => Number::Float(pick(a.float(), b.float(), smallest)),
    }
}

/// IEEE `minimum` and `maximum`: NaN wins, -0 is below +0.
fn pick(a: f64, b: f64, smallest: bool) -> f64 {
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    let a_first = a < b || (a == b && a.is_sign_negative());
    if a_first == smallest { a } else { b }
}

fn for_each(shape: &[usize], mut visit: impl FnMut(&[usize])) {
    let count: usize = shape.iter().product();
    let mut at = vec![0; shape.len()];
    for _ in 0..count {
        visit(&at);
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
}
