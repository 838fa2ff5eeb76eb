//! Superinstructions: operations that run as one where nothing else reads what lies between them.

use super::{
    action::{Action, Direct, Operation, Source},
    chain::chain,
};
use crate::{
    kernel::{
        formula::Shape,
        program::{BinaryOp, Program, SlotKind, UnaryOp},
        simd::Kernels,
    },
    nd::DType,
};

/// An operation, and how often its result is read.
pub(super) struct Counted {
    pub operation: Operation,
    pub reads: usize,
}

impl Counted {
    /// Whether this makes `register`, for one reader.
    pub fn feeds(&self, register: usize) -> bool {
        self.reads == 1 && self.operation.action.computes(register)
    }
}

/// Finds three patterns: `r = op …; store s, r` computes straight into the output, the sum of a formula of `f32` reads the
/// formula's operands, and operations that hand one value on are a chain.
pub(super) fn fuse(code: Vec<Operation>, registers: usize, program: &Program, kernels: &Kernels) -> Vec<Operation> {
    let mut fused: Vec<Counted> = Vec::with_capacity(code.len());
    for counted in count_reads(code, registers) {
        match counted.operation.action {
            Action::Store { slot, track, src: Source::Register(register), size, check } if program.slots[slot].kind == SlotKind::Output => {
                if let Some(before) = fused.last_mut().filter(|before| before.feeds(register)) {
                    before.operation.direct = Some(Direct { slot, track, size, check });
                    continue;
                }
            }
            Action::Reduce { acc, track, src: Source::Register(register), size, .. }
                if program.accumulators[acc].kind.is_sum() && program.accumulators[acc].dtype == DType::F32 =>
            {
                if let Some(formula) = Formula::ending(&fused, register)
                    && let Some(kernels) = (kernels.sums_of)(formula.shape)
                {
                    let action = Action::SumOf { acc, track, a: formula.a, b: formula.b, size, kernels, skip: formula.made + 1 };
                    fused.insert(fused.len() - formula.made, Counted { operation: Operation { action, direct: None }, reads: 0 });
                }
            }
            _ => {}
        }
        fused.push(counted);
    }
    chain(fused, kernels)
}

/// A formula at the end of some code.
struct Formula {
    /// How many operations make it.
    made: usize,
    shape: Shape,
    a: Source,
    b: Source,
}

impl Formula {
    /// The longest one that makes `register`, if what it is made from feeds nothing else.
    fn ending(code: &[Counted], register: usize) -> Option<Formula> {
        if let Some(formula) = Self::inner(code, register) {
            return Some(formula);
        }
        let (last, before) = code.split_last().filter(|(last, _)| last.feeds(register))?;
        let Action::Unary { op, dtype: DType::F32, a, .. } = last.operation.action else { return None };
        let outer = Some(op);
        if let Source::Register(register) = a
            && let Some(formula) = Self::inner(before, register)
        {
            return Some(Formula { made: formula.made + 1, shape: Shape { outer, ..formula.shape }, ..formula });
        }
        Some(Formula { made: 1, shape: Shape { outer, ..Shape::default() }, a, b: a })
    }

    /// A two-operand operation, with the square before it.
    fn inner(code: &[Counted], register: usize) -> Option<Formula> {
        let (last, before) = code.split_last().filter(|(last, _)| last.feeds(register))?;
        let Action::Binary { op, dtype: DType::F32, a, b, .. } = last.operation.action else { return None };
        let plain = Formula { made: 1, shape: Shape { inner: Some(op), ..Shape::default() }, a, b };
        let squared = |square: Source, other: Source| {
            let Source::Register(register) = square else { return None };
            let a = before.last().filter(|square| square.feeds(register))?.operation.action.squares()?;
            Some(Formula { made: 2, shape: Shape { squared: true, inner: Some(op), outer: None }, a, b: other })
        };
        let exchanged = || squared(b, a).filter(|_| matches!(op, BinaryOp::Add | BinaryOp::Multiply));
        Some(squared(a, b).or_else(exchanged).unwrap_or(plain))
    }
}

impl Action {
    /// What of `f32` this is the square of.
    fn squares(&self) -> Option<Source> {
        match self {
            Action::Unary { op: UnaryOp::Square, dtype: DType::F32, a, .. } => Some(*a),
            Action::Binary { op: BinaryOp::Multiply, dtype: DType::F32, a, b, .. } if a == b => Some(*a),
            _ => None,
        }
    }
}

fn count_reads(code: Vec<Operation>, registers: usize) -> Vec<Counted> {
    let mut writers: Vec<Option<usize>> = vec![None; registers];
    let mut counted: Vec<Counted> = code.into_iter().map(|operation| Counted { operation, reads: 0 }).collect();
    for at in 0..counted.len() {
        let action = &mut counted[at].operation.action;
        let destination = action.destination();
        let mut read = [None; 3];
        let mut slots = read.iter_mut();
        action.for_sources(|source| {
            if let (Source::Register(register), Some(slot)) = (&*source, slots.next()) {
                *slot = writers[*register];
            }
        });
        for writer in read.into_iter().flatten() {
            counted[writer].reads += 1;
        }
        if let Some(register) = destination {
            writers[register] = Some(at);
        }
    }
    counted
}

#[cfg(test)]
#[path = "fuse_tests.rs"]
mod tests;
