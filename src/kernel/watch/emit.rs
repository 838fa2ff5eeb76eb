//! Instructions for values and for the masks of what is to be counted among their elements.

use super::values::{Make, Operand, Value, Values};
use crate::{
    kernel::program::{Arg, BinaryOp, CastMode, Generator, Instr, Reg, UnaryOp},
    nd::{DType, Scalar},
};

/// A mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Truth {
    Always,
    Never,
    Mask(Reg),
}

/// Which masks are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    /// Whether all elements that a float is computed from are finite.
    pub finite: bool,
    /// Whether an element depends on a wrap, and on a division by zero.
    pub events: [bool; 2],
}

/// Writes instructions, a register for every result.
pub(super) struct Emitter {
    rank: usize,
    wanted: Wanted,
    pub code: Vec<Instr>,
    next: u32,
    registers: Vec<Option<Reg>>,
    finite: Vec<Truth>,
    events: Vec<[Truth; 2]>,
}

impl Emitter {
    /// Computes every marked value and its masks.
    pub fn new(values: &Values, marked: &[bool], rank: usize, wanted: Wanted) -> Emitter {
        let count = values.all.len();
        let mut made = Emitter {
            rank,
            wanted,
            code: Vec::new(),
            next: 0,
            registers: vec![None; count],
            finite: vec![Truth::Always; count],
            events: vec![[Truth::Never; 2]; count],
        };
        for (index, value) in values.all.iter().enumerate().filter(|(index, _)| marked[*index]) {
            made.value(index, value);
        }
        made
    }

    fn value(&mut self, index: usize, value: &Value) {
        let register = self.compute(value);
        self.registers[index] = Some(register);
        if self.wanted.finite && value.dtype.is_float() {
            self.finite[index] = self.finite_of(value, register);
        }
        for kind in 0..2 {
            if self.wanted.events[kind] && value.events[kind] {
                let below = self.events_below(value, kind);
                let own = if kind == 0 { self.wraps(value, register) } else { self.divides_by_zero(value) };
                self.events[index][kind] = self.or(below, own);
            }
        }
    }

    fn fresh(&mut self) -> Reg {
        self.next += 1;
        Reg(self.next - 1)
    }

    /// The operand as an instruction takes it.
    pub fn arg(&self, operand: Operand) -> Arg {
        match operand {
            // Operands come first.
            Operand::Value(index) => Arg::Reg(self.registers[index].unwrap_or(Reg(0))),
            Operand::Constant(value) => Arg::Const(value),
        }
    }

    fn register(&mut self, arg: Arg, dtype: DType) -> Reg {
        match arg {
            Arg::Reg(register) => register,
            Arg::Const(start) => {
                let dst = self.fresh();
                let step = if dtype.is_float() { Scalar::Float(-0.0) } else { Scalar::Int(0) };
                let generator = Generator::Arange { start, step };
                self.code.push(Instr::Generate { dst, dtype, generator, offset: 0, strides: vec![0; self.rank] });
                dst
            }
        }
    }

    fn compute(&mut self, value: &Value) -> Reg {
        let dtype = value.from;
        match value.make {
            Make::Load(slot) => {
                let dst = self.fresh();
                self.code.push(Instr::Load { dst, slot });
                dst
            }
            Make::Generate { generator, offset, ref strides } => {
                let dst = self.fresh();
                self.code.push(Instr::Generate { dst, dtype, generator, offset, strides: strides.clone() });
                dst
            }
            Make::Unary(op, a) => self.unary(op, dtype, self.arg(a)),
            Make::Binary(op, a, b) => self.binary(op, dtype, self.arg(a), self.arg(b)),
            Make::Select(mask, a, b) => {
                let mask = self.register(self.arg(mask), DType::Bool);
                self.select(dtype, mask, self.arg(a), self.arg(b))
            }
            Make::Search(ref made, a) => {
                let (dst, (table, search)) = (self.fresh(), made.as_ref());
                self.code.push(Instr::Search { table: table.clone(), search: *search, dtype, dst, a: self.arg(a) });
                dst
            }
            Make::Cast(mode, a) => {
                let a = self.register(self.arg(a), dtype);
                // What does not fit was an error of the first walk.
                let mode = if dtype.is_float() && mode.is_checked() { CastMode::Saturate } else { mode };
                self.cast(dtype, value.dtype, mode, a)
            }
        }
    }

    fn unary(&mut self, op: UnaryOp, dtype: DType, a: Arg) -> Reg {
        let dst = self.fresh();
        self.code.push(Instr::Unary { op, dtype, dst, a });
        dst
    }

    fn binary(&mut self, op: BinaryOp, dtype: DType, a: Arg, b: Arg) -> Reg {
        let a = if matches!((a, b), (Arg::Const(_), Arg::Const(_))) { Arg::Reg(self.register(a, dtype)) } else { a };
        let dst = self.fresh();
        self.code.push(Instr::Binary { op, dtype, dst, a, b });
        dst
    }

    fn select(&mut self, dtype: DType, mask: Reg, a: Arg, b: Arg) -> Reg {
        let dst = self.fresh();
        self.code.push(Instr::Select { dtype, dst, mask, a, b });
        dst
    }

    fn cast(&mut self, from: DType, to: DType, mode: CastMode, a: Reg) -> Reg {
        if from == to {
            return a;
        }
        let dst = self.fresh();
        self.code.push(Instr::Cast { from, to, mode, dst, a });
        dst
    }

    pub fn or(&mut self, a: Truth, b: Truth) -> Truth {
        match (a, b) {
            (Truth::Always, _) | (_, Truth::Always) => Truth::Always,
            (Truth::Never, other) | (other, Truth::Never) => other,
            (Truth::Mask(a), Truth::Mask(b)) => Truth::Mask(self.binary(BinaryOp::LogicalOr, DType::Bool, Arg::Reg(a), Arg::Reg(b))),
        }
    }

    pub fn and(&mut self, a: Truth, b: Truth) -> Truth {
        match (a, b) {
            (Truth::Never, _) | (_, Truth::Never) => Truth::Never,
            (Truth::Always, other) | (other, Truth::Always) => other,
            (Truth::Mask(a), Truth::Mask(b)) => Truth::Mask(self.binary(BinaryOp::LogicalAnd, DType::Bool, Arg::Reg(a), Arg::Reg(b))),
        }
    }

    fn choose(&mut self, mask: Operand, a: Truth, b: Truth) -> Truth {
        if a == b {
            return a;
        }
        let arg = |truth: Truth| match truth {
            Truth::Always => Arg::Const(Scalar::Bool(true)),
            Truth::Never => Arg::Const(Scalar::Bool(false)),
            Truth::Mask(mask) => Arg::Reg(mask),
        };
        let mask = self.register(self.arg(mask), DType::Bool);
        Truth::Mask(self.select(DType::Bool, mask, arg(a), arg(b)))
    }

    /// A comparison of which at most one side is a constant.
    fn compare(&mut self, op: BinaryOp, dtype: DType, a: Arg, b: Arg) -> Truth {
        Truth::Mask(self.binary(op, dtype, a, b))
    }

    /// Whether the elements of an operand hang on finite elements only.
    pub fn finite(&self, operand: Operand) -> Truth {
        match operand {
            Operand::Value(index) => self.finite[index],
            Operand::Constant(value) => {
                if value.to_f64().is_finite() {
                    Truth::Always
                } else {
                    Truth::Never
                }
            }
        }
    }

    fn finite_of(&mut self, value: &Value, register: Reg) -> Truth {
        match value.make {
            Make::Load(_) => Truth::Mask(self.unary(UnaryOp::IsFinite, value.dtype, Arg::Reg(register))),
            Make::Generate { .. } => Truth::Always,
            // A mask decides, it is not computed with.
            Make::Select(mask, a, b) => self.choose(mask, self.finite(a), self.finite(b)),
            _ => {
                let mut all = Truth::Always;
                for operand in value.make.operands() {
                    all = self.and(all, self.finite(operand));
                }
                all
            }
        }
    }

    /// Whether an operand hangs on an event of integers.
    pub fn event(&self, operand: Operand, kind: usize) -> Truth {
        match operand {
            Operand::Value(index) => self.events[index][kind],
            Operand::Constant(_) => Truth::Never,
        }
    }

    fn events_below(&mut self, value: &Value, kind: usize) -> Truth {
        if let Make::Select(mask, a, b) = value.make {
            let chosen = self.choose(mask, self.event(a, kind), self.event(b, kind));
            return self.or(chosen, self.event(mask, kind));
        }
        let mut any = Truth::Never;
        for operand in value.make.operands() {
            any = self.or(any, self.event(operand, kind));
        }
        any
    }

    fn divides_by_zero(&mut self, value: &Value) -> Truth {
        match value.make {
            Make::Binary(BinaryOp::FloorDivide | BinaryOp::Remainder | BinaryOp::Fmod, _, divisor) if value.from.is_integer() => {
                match divisor {
                    Operand::Constant(divisor) if divisor.to_i128() == 0 => Truth::Always,
                    Operand::Constant(_) => Truth::Never,
                    value_of => self.compare(BinaryOp::Equal, value.from, self.arg(value_of), zero()),
                }
            }
            _ => Truth::Never,
        }
    }

    /// Whether the operation itself wraps.
    fn wraps(&mut self, value: &Value, result: Reg) -> Truth {
        let (dtype, result) = (value.from, Arg::Reg(result));
        if !dtype.is_integer() {
            return Truth::Never;
        }
        let signed = !dtype.is_unsigned();
        match value.make {
            Make::Unary(UnaryOp::Negative, a) if !signed => self.compare(BinaryOp::NotEqual, dtype, self.arg(a), zero()),
            Make::Unary(UnaryOp::Negative, a) => self.is_lowest(dtype, a),
            Make::Unary(UnaryOp::Absolute, a) if signed => self.is_lowest(dtype, a),
            Make::Unary(UnaryOp::Square, a) => self.product_wraps(dtype, a, a, result),
            Make::Binary(BinaryOp::Add, a, b) => self.sum_wraps(dtype, a, b, result),
            Make::Binary(BinaryOp::Subtract, a, b) if signed => {
                let (signs, moved) = (self.xor(dtype, a, self.arg(b)), self.xor(dtype, a, result));
                self.both_negative(dtype, signs, moved)
            }
            Make::Binary(BinaryOp::Subtract, a, b) => self.compare(BinaryOp::Less, dtype, self.arg(a), self.arg(b)),
            Make::Binary(BinaryOp::Multiply, a, b) => self.product_wraps(dtype, a, b, result),
            Make::Binary(BinaryOp::Power, a, b) => self.power_wraps(dtype, a, b),
            Make::Binary(BinaryOp::LeftShift, a, b) => {
                let back = self.binary(BinaryOp::RightShift, dtype, result, self.arg(b));
                self.compare(BinaryOp::NotEqual, dtype, Arg::Reg(back), self.arg(a))
            }
            Make::Binary(BinaryOp::FloorDivide, a, b) if signed => {
                let lowest = self.is_lowest(dtype, a);
                let least = self.equals(dtype, b, -1);
                self.and(lowest, least)
            }
            Make::Binary(BinaryOp::Gcd, ..) if signed => self.compare(BinaryOp::Less, dtype, result, zero()),
            Make::Binary(BinaryOp::Lcm, a, b) => self.multiple_wraps(dtype, a, b, result),
            Make::Cast(mode, a) if value.dtype.is_integer() && mode != CastMode::Wrap => self.cast_wraps(value, a, result),
            _ => Truth::Never,
        }
    }

    fn xor(&mut self, dtype: DType, a: Operand, b: Arg) -> Reg {
        self.binary(BinaryOp::BitwiseXor, dtype, self.arg(a), b)
    }

    fn both_negative(&mut self, dtype: DType, a: Reg, b: Reg) -> Truth {
        let both = self.binary(BinaryOp::BitwiseAnd, dtype, Arg::Reg(a), Arg::Reg(b));
        self.compare(BinaryOp::Less, dtype, Arg::Reg(both), zero())
    }

    fn equals(&mut self, dtype: DType, operand: Operand, number: i128) -> Truth {
        match operand {
            Operand::Constant(value) if value.to_i128() == number => Truth::Always,
            Operand::Constant(_) => Truth::Never,
            operand => self.compare(BinaryOp::Equal, dtype, self.arg(operand), Arg::Const(Scalar::Int(number))),
        }
    }

    fn is_lowest(&mut self, dtype: DType, operand: Operand) -> Truth {
        self.equals(dtype, operand, -(1i128 << (8 * dtype.size() - 1)))
    }

    fn sum_wraps(&mut self, dtype: DType, a: Operand, b: Operand, result: Arg) -> Truth {
        if dtype.is_unsigned() {
            // The sum is less than both, or than neither; constants stand on one side only.
            let other = if matches!(a, Operand::Constant(_)) { b } else { a };
            return self.compare(BinaryOp::Less, dtype, result, self.arg(other));
        }
        let (from_a, from_b) = (self.xor(dtype, a, result), self.xor(dtype, b, result));
        self.both_negative(dtype, from_a, from_b)
    }

    fn product_wraps(&mut self, dtype: DType, a: Operand, b: Operand, result: Arg) -> Truth {
        let wide = if dtype.is_unsigned() { DType::U64 } else { DType::I64 };
        if dtype != wide {
            let [a, b, result] = [self.arg(a), self.arg(b), result].map(|arg| match arg {
                Arg::Reg(register) => Arg::Reg(self.cast(dtype, wide, CastMode::Wrap, register)),
                constant @ Arg::Const(_) => constant,
            });
            let product = self.binary(BinaryOp::Multiply, wide, a, b);
            return self.compare(BinaryOp::NotEqual, wide, Arg::Reg(product), result);
        }
        // A product that fits gives a back when it is divided by b.
        let (a, b) = if matches!(a, Operand::Constant(_)) { (b, a) } else { (a, b) };
        let back = self.binary(BinaryOp::FloorDivide, dtype, result, self.arg(b));
        let differs = self.compare(BinaryOp::NotEqual, dtype, Arg::Reg(back), self.arg(a));
        let is_zero = self.equals(dtype, b, 0);
        let counts = self.not(is_zero);
        let differs = self.and(differs, counts);
        if dtype.is_unsigned() {
            return differs;
        }
        let least = self.equals(dtype, b, -1);
        let lowest = self.is_lowest(dtype, a);
        let flips = self.and(least, lowest);
        self.or(differs, flips)
    }

    /// A multiple that was reduced is not above zero, or leaves a rest of one side: the least one is the smallest that leaves none.
    fn multiple_wraps(&mut self, dtype: DType, a: Operand, b: Operand, result: Arg) -> Truth {
        let mut wrong = self.compare(BinaryOp::LessEqual, dtype, result, zero());
        let mut counts = Truth::Always;
        for side in [a, b] {
            let rest = self.binary(BinaryOp::Remainder, dtype, result, self.arg(side));
            let rest = self.compare(BinaryOp::NotEqual, dtype, Arg::Reg(rest), zero());
            wrong = self.or(wrong, rest);
            let is_zero = self.equals(dtype, side, 0);
            let is_number = self.not(is_zero);
            counts = self.and(counts, is_number);
        }
        self.and(wrong, counts)
    }

    pub fn not(&mut self, truth: Truth) -> Truth {
        match truth {
            Truth::Always => Truth::Never,
            Truth::Never => Truth::Always,
            Truth::Mask(mask) => Truth::Mask(self.unary(UnaryOp::LogicalNot, DType::Bool, Arg::Reg(mask))),
        }
    }

    /// In f64: whole powers from the second on stay clear of the edge of a dtype by more than a rounding, unless they lie on it.
    fn power_wraps(&mut self, dtype: DType, a: Operand, b: Operand) -> Truth {
        let bits = 8 * dtype.size() as i32;
        let (low, high) = if dtype.is_unsigned() { (0.0, 2f64.powi(bits)) } else { (-2f64.powi(bits - 1), 2f64.powi(bits - 1)) };
        let [base, exponent] = [a, b].map(|operand| match self.arg(operand) {
            Arg::Reg(register) => Arg::Reg(self.cast(dtype, DType::F64, CastMode::Wrap, register)),
            Arg::Const(value) => Arg::Const(Scalar::Float(value.to_f64())),
        });
        let power = Arg::Reg(self.binary(BinaryOp::Power, DType::F64, base, exponent));
        let above = self.compare(BinaryOp::GreaterEqual, DType::F64, power, Arg::Const(Scalar::Float(high)));
        let below = self.compare(BinaryOp::Less, DType::F64, power, Arg::Const(Scalar::Float(low)));
        let outside = self.or(above, below);
        let real = match exponent {
            Arg::Const(value) if value.to_f64() > 1.0 => Truth::Always,
            Arg::Const(_) => Truth::Never,
            exponent => self.compare(BinaryOp::Greater, DType::F64, exponent, Arg::Const(Scalar::Float(1.0))),
        };
        self.and(outside, real)
    }

    fn cast_wraps(&mut self, value: &Value, a: Operand, result: Arg) -> Truth {
        let (from, to) = (value.from, value.dtype);
        let (Arg::Reg(a), Arg::Reg(result)) = (self.arg(a), result) else { return Truth::Never };
        let back = self.cast(to, from, CastMode::Wrap, result);
        let differs = self.compare(BinaryOp::NotEqual, from, Arg::Reg(back), Arg::Reg(a));
        let sign = match (from.is_unsigned(), to.is_unsigned()) {
            (false, true) => self.compare(BinaryOp::Less, from, Arg::Reg(a), zero()),
            (true, false) => self.compare(BinaryOp::Less, to, Arg::Reg(result), zero()),
            _ => Truth::Never,
        };
        self.or(differs, sign)
    }

    /// Counts `truth`: one accumulator for the number, one for the first.
    pub fn tally(&mut self, truth: Truth, counter: u32) {
        let (hit, miss) = match truth {
            Truth::Never => return,
            Truth::Always => (Arg::Const(Scalar::Bool(true)), Arg::Const(Scalar::Bool(false))),
            Truth::Mask(mask) => (Arg::Reg(mask), Arg::Reg(self.unary(UnaryOp::LogicalNot, DType::Bool, Arg::Reg(mask)))),
        };
        self.code.push(Instr::Reduce { acc: crate::kernel::program::AccId(2 * counter), src: hit });
        self.code.push(Instr::Reduce { acc: crate::kernel::program::AccId(2 * counter + 1), src: miss });
    }

    /// The mask of elements that `op` says yes to.
    pub fn asks(&mut self, op: UnaryOp, dtype: DType, value: Operand) -> Truth {
        match value {
            Operand::Constant(_) => Truth::Never,
            value => Truth::Mask(self.unary(op, dtype, self.arg(value))),
        }
    }

    /// An operand that is a mask itself.
    pub fn truth(&self, mask: Operand) -> Truth {
        match mask {
            Operand::Value(index) => self.registers[index].map_or(Truth::Never, Truth::Mask),
            Operand::Constant(value) => {
                if value.to_f64() == 0.0 {
                    Truth::Never
                } else {
                    Truth::Always
                }
            }
        }
    }

    /// The instructions, without those whose results nobody reads.
    pub fn finish(self) -> Vec<Instr> {
        let mut read = vec![false; self.next as usize];
        let mut kept: Vec<Instr> = Vec::with_capacity(self.code.len());
        for mut instr in self.code.into_iter().rev() {
            let (mut needed, mut sources) = (false, Vec::new());
            crate::kernel::program::visit_registers(&mut instr, &mut |register, is_destination| {
                if is_destination {
                    needed = read[register.0 as usize];
                } else {
                    sources.push(register.0 as usize);
                }
            });
            if needed || matches!(instr, Instr::Reduce { .. }) {
                sources.into_iter().for_each(|source| read[source] = true);
                kept.push(instr);
            }
        }
        kept.reverse();
        kept
    }
}

fn zero() -> Arg {
    Arg::Const(Scalar::Int(0))
}
