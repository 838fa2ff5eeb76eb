//! A program as one list of values, whatever sweeps they are in: what travels through a local is the value that was stored.

use crate::{
    kernel::program::{Arg, BinaryOp, CastMode, Generator, Instr, Program, Reg, Search, SlotId, SlotKind, Step, Table, UnaryOp},
    nd::{DType, Scalar},
    numeric::AccumulatorKind,
};

/// An operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operand {
    Value(usize),
    Constant(Scalar),
}

/// How a value is made.
#[derive(Clone, Debug)]
pub(super) enum Make {
    Load(SlotId),
    Generate { generator: Generator, offset: i64, strides: Vec<i64> },
    Unary(UnaryOp, Operand),
    Binary(BinaryOp, Operand, Operand),
    Select(Operand, Operand, Operand),
    Cast(CastMode, Operand),
    Search(Box<(Table, Search)>, Operand),
}

/// One value.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub make: Make,
    /// Dtype of the operands.
    pub from: DType,
    /// Dtype of the value.
    pub dtype: DType,
    /// Whether it, or what it is computed from, may be a NaN or an infinity that was created.
    pub creates: bool,
    /// Whether it, or what it is computed from, may wrap, and may divide by zero.
    pub events: [bool; 2],
}

/// Something that leaves the program: stored, reduced, or given to a user function.
#[derive(Clone, Debug)]
pub(super) struct Sink {
    /// Index of its step.
    pub step: usize,
    /// Index of its instruction.
    pub place: usize,
    pub value: Operand,
    /// Elements that do not leave are false here.
    pub mask: Option<Operand>,
    /// The accumulator that tells afterwards whether anything it took was not finite.
    pub sum: Option<usize>,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub all: Vec<Value>,
    pub sinks: Vec<Sink>,
}

impl Values {
    pub fn of(program: &Program) -> Values {
        let mut made = Values::default();
        let mut locals: Vec<Option<Operand>> = vec![None; program.slots.len()];
        let mut called = vec![false; program.slots.len()];
        for step in &program.steps {
            match step {
                Step::Call { input, .. } | Step::Scan { input, .. } | Step::Fold { input, .. } => called[input.0 as usize] = true,
                // What is multiplied leaves as what a user function is given.
                Step::Product(product) => {
                    [Some(product.left), product.right].iter().flatten().for_each(|side| called[side.0 as usize] = true)
                }
                Step::Sweep(_) | Step::Halo { .. } => {}
            }
        }
        for (index, step) in program.steps.iter().enumerate() {
            let Step::Sweep(sweep) = step else { continue };
            let mut registers: Vec<Option<Operand>> = vec![None; sweep.registers as usize];
            for (place, instr) in sweep.code.iter().enumerate() {
                made.instruction(program, (index, place), instr, &mut registers, &mut locals, &called);
            }
        }
        made
    }

    fn instruction(
        &mut self,
        program: &Program,
        (step, place): (usize, usize),
        instr: &Instr,
        registers: &mut [Option<Operand>],
        locals: &mut [Option<Operand>],
        called: &[bool],
    ) {
        // Programs are verified: what is read was written.
        let reg = |reg: Reg| registers[reg.0 as usize].unwrap_or(Operand::Constant(Scalar::Int(0)));
        let arg = |arg: Arg| match arg {
            Arg::Reg(register) => reg(register),
            Arg::Const(value) => Operand::Constant(value),
        };
        let (dst, from, dtype, make) = match instr {
            Instr::Load { dst, slot } => {
                if let Some(stored) = locals[slot.0 as usize] {
                    registers[dst.0 as usize] = Some(stored);
                    return;
                }
                let dtype = program.slots[slot.0 as usize].dtype;
                (dst, dtype, dtype, Make::Load(*slot))
            }
            Instr::Generate { dst, dtype, generator, offset, strides } => {
                (dst, *dtype, *dtype, Make::Generate { generator: *generator, offset: *offset, strides: strides.clone() })
            }
            Instr::Unary { op, dtype, dst, a } => (dst, *dtype, op.result(*dtype), Make::Unary(*op, arg(*a))),
            Instr::Binary { op, dtype, dst, a, b } => (dst, *dtype, op.result(*dtype), Make::Binary(*op, arg(*a), arg(*b))),
            Instr::Select { dtype, dst, mask, a, b } => (dst, *dtype, *dtype, Make::Select(reg(*mask), arg(*a), arg(*b))),
            Instr::Search { table, search, dtype, dst, a } => {
                (dst, *dtype, search.result(), Make::Search(Box::new((table.clone(), *search)), arg(*a)))
            }
            Instr::Cast { from, to, mode, dst, a } => (dst, *from, *to, Make::Cast(*mode, reg(*a))),
            Instr::Store { slot, src } => {
                let value = arg(*src);
                let slot = slot.0 as usize;
                if matches!(program.slots[slot].kind, SlotKind::Local { .. }) && !called[slot] {
                    locals[slot] = Some(value);
                } else {
                    self.sinks.push(Sink { step, place, value, mask: None, sum: None });
                }
                return;
            }
            Instr::Reduce { acc, src } => {
                let kind = program.accumulators[acc.0 as usize].kind;
                let sums = matches!(kind, AccumulatorKind::Sum(_) | AccumulatorKind::Moments(_));
                self.sinks.push(Sink { step, place, value: arg(*src), mask: None, sum: sums.then_some(acc.0 as usize) });
                return;
            }
            Instr::ReducePairs { a, b, .. } => {
                for side in [a, b] {
                    self.sinks.push(Sink { step, place, value: arg(*side), mask: None, sum: None });
                }
                return;
            }
            Instr::Group { src, labels, .. } => {
                for value in [arg(*src), arg(*labels)] {
                    self.sinks.push(Sink { step, place, value, mask: None, sum: None });
                }
                return;
            }
            Instr::Compress { src, mask, .. } => {
                self.sinks.push(Sink { step, place, value: arg(*src), mask: Some(arg(*mask)), sum: None });
                return;
            }
        };
        let value = self.value(make, from, dtype);
        self.all.push(value);
        registers[dst.0 as usize] = Some(Operand::Value(self.all.len() - 1));
    }

    fn value(&self, make: Make, from: DType, dtype: DType) -> Value {
        let (mut creates, mut events) = (can_create(&make, from, dtype), can_happen(&make, from, dtype));
        for operand in make.operands() {
            if let Operand::Value(index) = operand {
                let below = &self.all[index];
                // What is not a float cannot hand on what is not finite.
                creates |= below.creates && dtype.is_float() && below.dtype.is_float();
                events = [events[0] | below.events[0], events[1] | below.events[1]];
            }
        }
        Value { make, from, dtype, creates, events }
    }

    /// Marks everything that `roots` are computed from.
    pub fn reachable(&self, roots: impl Iterator<Item = Operand>) -> Vec<bool> {
        let mut marked = vec![false; self.all.len()];
        let mark = |marked: &mut Vec<bool>, operand: Operand| {
            if let Operand::Value(index) = operand {
                marked[index] = true;
            }
        };
        roots.for_each(|root| mark(&mut marked, root));
        for index in (0..self.all.len()).rev() {
            if marked[index] {
                self.all[index].make.operands().for_each(|operand| mark(&mut marked, operand));
            }
        }
        marked
    }

    pub fn creates(&self, operand: Operand) -> bool {
        matches!(operand, Operand::Value(index) if self.all[index].creates)
    }

    pub fn events(&self, operand: Operand) -> [bool; 2] {
        match operand {
            Operand::Value(index) => self.all[index].events,
            Operand::Constant(_) => [false; 2],
        }
    }
}

impl Make {
    pub fn operands(&self) -> impl Iterator<Item = Operand> + use<> {
        let found = match self {
            Make::Load(_) | Make::Generate { .. } => [None; 3],
            Make::Unary(_, a) | Make::Cast(_, a) | Make::Search(_, a) => [Some(*a), None, None],
            Make::Binary(_, a, b) => [Some(*a), Some(*b), None],
            Make::Select(mask, a, b) => [Some(*mask), Some(*a), Some(*b)],
        };
        found.into_iter().flatten()
    }
}

/// Whether finite operands may give a result that is not finite.
fn can_create(make: &Make, from: DType, dtype: DType) -> bool {
    if !dtype.is_float() {
        return false;
    }
    match make {
        Make::Load(_) | Make::Generate { .. } | Make::Select(..) | Make::Search(..) => false,
        Make::Unary(op, _) => {
            use UnaryOp::{Absolute, Asinh, Atan, Cbrt, Ceil, Cos, Erf, Erfc, Floor, Negative, Rint, Sigmoid, Sign, Sin, Tanh, Trunc};
            !matches!(
                op,
                Negative | Absolute | Sign | Rint | Floor | Ceil | Trunc | Sin | Cos | Atan | Tanh | Sigmoid | Erf | Erfc | Cbrt | Asinh
            )
        }
        Make::Binary(op, ..) => {
            use BinaryOp::{Atan2, Copysign, Fmax, Fmin, Heaviside, Maximum, Minimum};
            !matches!(op, Minimum | Maximum | Fmin | Fmax | Copysign | Heaviside | Atan2)
        }
        Make::Cast(..) => match (from, dtype) {
            (DType::F64, to) => to != DType::F64,
            (DType::F32, DType::F16 | DType::BF16) | (DType::BF16, DType::F16) => true,
            (DType::U16 | DType::I32 | DType::U32 | DType::I64 | DType::U64, DType::F16) => true,
            _ => false,
        },
    }
}

/// Whether an operation may wrap, and may divide by zero.
fn can_happen(make: &Make, from: DType, to: DType) -> [bool; 2] {
    if !from.is_integer() {
        return [false; 2];
    }
    let signed = !from.is_unsigned();
    match make {
        Make::Unary(op, _) => [matches!(op, UnaryOp::Negative | UnaryOp::Square) || (signed && *op == UnaryOp::Absolute), false],
        Make::Binary(op, _, b) => {
            use BinaryOp::{Add, FloorDivide, Fmod, Gcd, Lcm, LeftShift, Multiply, Power, Remainder, Subtract};
            let (divisor, least) = match b {
                Operand::Constant(value) => (value.to_i128() == 0, value.to_i128() == -1),
                Operand::Value(_) => (true, true),
            };
            match op {
                Add | Subtract | Multiply | Power | LeftShift | Lcm => [true, false],
                Gcd => [signed, false],
                FloorDivide => [signed && least, divisor],
                Remainder | Fmod => [false, divisor],
                _ => [false; 2],
            }
        }
        Make::Cast(mode, _) => [*mode != CastMode::Wrap && to.is_integer() && !holds(to, from), false],
        Make::Load(_) | Make::Generate { .. } | Make::Select(..) | Make::Search(..) => [false; 2],
    }
}

/// Whether every integer of `from` is one of `to`.
fn holds(to: DType, from: DType) -> bool {
    match (to.is_unsigned(), from.is_unsigned()) {
        (true, true) | (false, false) => to.size() >= from.size(),
        (false, true) => to.size() > from.size(),
        (true, false) => false,
    }
}
