//! Superinstructions: operations that run as one where nothing else reads what lies between them.

use super::prepare::{Action, Direct, Operation, Source};
use crate::{
    kernel::{
        formula::SumKernels,
        program::{BinaryOp, Program, SlotKind, UnaryOp},
    },
    nd::DType,
};

/// An operation, and how often its result is read.
struct Counted {
    operation: Operation,
    reads: usize,
}

impl Counted {
    /// Whether this makes `register`, for one reader.
    fn feeds(&self, register: usize) -> bool {
        self.reads == 1 && self.operation.action.computes(register)
    }
}

/// Finds two patterns: `r = op …; store s, r` computes straight into the output, and the sum of one or two operations on
/// `f32` reads their operands.
pub(super) fn fuse(
    code: Vec<Operation>,
    registers: usize,
    program: &Program,
    sum_of: fn(Option<BinaryOp>, Option<UnaryOp>) -> Option<SumKernels>,
) -> Vec<Operation> {
    let mut fused: Vec<Counted> = Vec::with_capacity(code.len());
    for counted in count_reads(code, registers) {
        match counted.operation.action {
            Action::Store { slot, track, src: Source::Register(register), size } if program.slots[slot].kind == SlotKind::Output => {
                if let Some(before) = fused.last_mut().filter(|before| before.feeds(register)) {
                    before.operation.direct = Some(Direct { slot, track, size });
                    continue;
                }
            }
            Action::Reduce { acc, track, src: Source::Register(register), size, .. }
                if program.accumulators[acc].kind.is_sum() && program.accumulators[acc].dtype == DType::F32 =>
            {
                if let Some((made, a, b, kernels)) = formula(&fused, register, sum_of) {
                    let action = Action::SumOf { acc, track, a, b, size, kernels, skip: made + 1 };
                    fused.insert(fused.len() - made, Counted { operation: Operation { action, direct: None }, reads: 0 });
                }
            }
            _ => {}
        }
        fused.push(counted);
    }
    fused.into_iter().map(|counted| counted.operation).collect()
}

/// How many of the last operations make `register` for one reader as a formula, its operands, and its kernels.
fn formula(
    code: &[Counted],
    register: usize,
    sum_of: fn(Option<BinaryOp>, Option<UnaryOp>) -> Option<SumKernels>,
) -> Option<(usize, Source, Source, SumKernels)> {
    let (last, before) = code.split_last().filter(|(last, _)| last.feeds(register))?;
    match last.operation.action {
        Action::Binary { op, dtype: DType::F32, a, b, .. } => Some((1, a, b, sum_of(Some(op), None)?)),
        Action::Unary { op: outer, dtype: DType::F32, a, .. } => {
            let inner = before.last().filter(|inner| matches!(a, Source::Register(register) if inner.feeds(register)));
            if let Some(Action::Binary { op, dtype: DType::F32, a, b, .. }) = inner.map(|inner| &inner.operation.action)
                && let Some(kernels) = sum_of(Some(*op), Some(outer))
            {
                return Some((2, *a, *b, kernels));
            }
            Some((1, a, a, sum_of(None, Some(outer))?))
        }
        _ => None,
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
