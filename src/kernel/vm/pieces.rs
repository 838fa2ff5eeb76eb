//! Programs for pieces of an axis. A selection whose mask compares an index with a constant takes one of its branches all over a
//! block, unless the block lies across the cut. `concatenate` is made of such selections: of twenty pieces a block mostly has one.
//!
//! The cuts are found when a program is prepared. For blocks between two of them a program is derived, once and when the first
//! such block comes, in which the branch that is taken stands for the selection, and without what nothing reads any more.
//!
//! Nothing of this is seen: results are those of the branch that is taken, of what a program creates only that counts anyway, and
//! casts that may fail stay, so that no error depends on how blocks are cut.

use super::{BlockContext, Prepared};
use crate::{
    error::Result,
    kernel::program::{AccId, Arg, BinaryOp, Generator, Instr, Program, Reg, SlotKind, Step, allocate, visit_registers},
    nd::{DType, Scalar},
};
use std::sync::OnceLock;

/// Cuts along an axis at most: every piece has a program of its own.
const CUTS_MAX: usize = 256;
/// Constants and indices below this do not overflow when they meet.
const NUMBER_MAX: i128 = 1 << 62;

/// What is known of a value. Coordinates are those of the stage.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fact {
    /// `start + coordinate`, or `start - coordinate` where it is reversed.
    Index { axis: usize, start: i128, reversed: bool },
    /// Whether `coordinate < cut`, or whether not.
    Below { axis: usize, cut: i128, negated: bool },
}

/// The pieces of one axis. Those of other axes are pieces of their programs.
pub(super) struct Pieces {
    program: Program,
    axis: usize,
    /// Coordinates at which another piece begins, ascending.
    cuts: Vec<i128>,
    /// One per piece; `None` where the program itself will do.
    prepared: Vec<OnceLock<Option<Box<Prepared>>>>,
}

impl Pieces {
    /// The pieces of a program, if it has any.
    pub fn of(program: &Program) -> Option<Pieces> {
        // Tables are counted once by the memory proof.
        if instructions(program).any(|instr| matches!(instr, Instr::Search { .. })) {
            return None;
        }
        let mut found: Vec<(usize, i128)> = Vec::new();
        Values::new(program).walk(|mask| {
            if let Some(Fact::Below { axis, cut, .. }) = mask {
                found.push((axis, cut));
            }
            None
        });
        let axis = found.first()?.0;
        let mut cuts: Vec<i128> = found.into_iter().filter(|(other, _)| *other == axis).map(|(_, cut)| cut).collect();
        cuts.sort_unstable();
        cuts.dedup();
        if cuts.len() > CUTS_MAX {
            return None;
        }
        let prepared = (0..=cuts.len()).map(|_| OnceLock::new()).collect();
        Some(Pieces { program: program.clone(), axis, cuts, prepared })
    }

    /// The program of the piece in which all of a block lies. `prepare` makes it ready.
    pub fn of_block(&self, block: &BlockContext<'_>, prepare: impl Fn(&Program) -> Result<Prepared>) -> Option<&Prepared> {
        let (start, length) = (block.start[self.axis] as i128, block.shape[self.axis] as i128);
        let piece = self.cuts.partition_point(|cut| *cut <= start);
        if self.cuts.get(piece).is_some_and(|cut| *cut < start + length) {
            return None;
        }
        // A program that cannot be derived is no loss.
        let make = || self.derived(start).and_then(|program| prepare(&program).ok()).map(Box::new);
        self.prepared[piece].get_or_init(make).as_deref()
    }

    /// The program for blocks beside `coordinate`, if it does less.
    fn derived(&self, coordinate: i128) -> Option<Program> {
        let mut steps = Values::new(&self.program).walk(|mask| match mask {
            Some(Fact::Below { axis, cut, negated }) if axis == self.axis => Some((coordinate < cut) != negated),
            _ => None,
        });
        keep_what_is_read(&self.program, &mut steps);
        let program = Program { steps, ..self.program.clone() };
        (instructions(&program).count() < instructions(&self.program).count()).then_some(program)
    }
}

fn instructions(program: &Program) -> impl Iterator<Item = &Instr> {
    program.steps.iter().filter_map(|step| if let Step::Sweep(sweep) = step { Some(&sweep.code) } else { None }).flatten()
}

/// A walk through a program in which every value gets a register of its own.
struct Values<'p> {
    program: &'p Program,
    /// Of every new register.
    facts: Vec<Option<Fact>>,
    /// Of what locals hold.
    locals: Vec<Option<Fact>>,
}

impl<'p> Values<'p> {
    fn new(program: &'p Program) -> Self {
        Values { program, facts: Vec::new(), locals: vec![None; program.slots.len()] }
    }

    /// The steps with new registers. `decide` is told what is known of the mask of every selection; where it says which way that
    /// goes, the branch stands for the result.
    fn walk(mut self, mut decide: impl FnMut(Option<Fact>) -> Option<bool>) -> Vec<Step> {
        let mut steps = self.program.steps.clone();
        for step in &mut steps {
            let Step::Sweep(sweep) = step else {
                self.forget(step);
                continue;
            };
            self.facts.clear();
            let mut now = vec![Reg(0); sweep.registers as usize];
            for instr in std::mem::take(&mut sweep.code) {
                sweep.code.extend(self.instruction(instr, &mut now, &mut decide));
            }
            sweep.registers = self.facts.len() as u32;
        }
        steps
    }

    /// What is known of locals that a step other than a plain sweep writes.
    fn forget(&mut self, step: &Step) {
        match step {
            Step::Call { output, .. } | Step::Scan { output, .. } => self.locals[output.0 as usize] = None,
            Step::Product(product) => self.forget_finished(product.acc),
            Step::Halo { .. } | Step::Fold { .. } | Step::Sweep(_) => {}
        }
    }

    fn forget_finished(&mut self, acc: AccId) {
        for (_, slot) in &self.program.accumulators[acc.0 as usize].finishes {
            self.locals[slot.0 as usize] = None;
        }
    }

    /// An instruction with new registers; nothing, where its result is another value.
    fn instruction(&mut self, mut instr: Instr, now: &mut [Reg], decide: &mut impl FnMut(Option<Fact>) -> Option<bool>) -> Option<Instr> {
        visit_registers(&mut instr, &mut |register, is_destination| {
            if !is_destination {
                *register = now[register.0 as usize];
            }
        });
        if let Instr::Select { dst, mask, a, b, .. } = &mut instr
            && let Some(taken) = decide(self.facts[mask.0 as usize])
        {
            match if taken { *a } else { *b } {
                Arg::Reg(register) => {
                    now[dst.0 as usize] = register;
                    return None;
                }
                constant => (*a, *b) = (constant, constant),
            }
        }
        let fact = self.fact(&instr);
        match instr {
            Instr::Store { slot, .. } => self.locals[slot.0 as usize] = fact,
            Instr::Reduce { acc, .. } | Instr::ReducePairs { acc, .. } => self.forget_finished(acc),
            _ => {}
        }
        visit_registers(&mut instr, &mut |register, is_destination| {
            if is_destination {
                let made = Reg(self.facts.len() as u32);
                now[register.0 as usize] = made;
                *register = made;
                self.facts.push(fact);
            }
        });
        Some(instr)
    }

    /// What is known of what an instruction computes or stores.
    fn fact(&self, instr: &Instr) -> Option<Fact> {
        let of = |arg: &Arg| if let Arg::Reg(register) = arg { self.facts[register.0 as usize] } else { None };
        match instr {
            Instr::Generate { dtype: DType::I64, generator: Generator::Arange { start, step }, offset, strides, .. } => {
                let (Scalar::Int(start), Scalar::Int(step)) = (*start, *step) else { return None };
                index(start, step, i128::from(*offset), strides)
            }
            Instr::Binary { op, dtype: DType::I64, a, b: Arg::Const(Scalar::Int(bound)), .. } => below(of(a)?, *op, *bound),
            Instr::Binary { op, dtype: DType::I64, a: Arg::Const(Scalar::Int(bound)), b, .. } => below(of(b)?, exchanged(*op)?, *bound),
            Instr::Load { slot, .. } => self.locals[slot.0 as usize],
            Instr::Store { src, .. } => of(src),
            _ => None,
        }
    }
}

/// An index that counts the places of one axis, up or down.
fn index(start: i128, step: i128, offset: i128, strides: &[i64]) -> Option<Fact> {
    let mut moved = strides.iter().enumerate().filter(|(_, stride)| **stride != 0);
    let ((axis, stride), None) = (moved.next()?, moved.next()) else { return None };
    let (start, step) = (start.checked_add(step.checked_mul(offset)?)?, step.checked_mul(i128::from(*stride))?);
    (step.abs() == 1 && start.abs() < NUMBER_MAX).then_some(Fact::Index { axis, start, reversed: step < 0 })
}

/// The comparison of a value with `bound`, its second operand.
fn below(value: Fact, op: BinaryOp, bound: i128) -> Option<Fact> {
    let Fact::Index { axis, start, reversed } = value else { return None };
    // As `value < bound`, or not.
    let (bound, negated) = match op {
        BinaryOp::Less => (bound, false),
        BinaryOp::LessEqual => (bound.checked_add(1)?, false),
        BinaryOp::Greater => (bound.checked_add(1)?, true),
        BinaryOp::GreaterEqual => (bound, true),
        _ => return None,
    };
    if bound.abs() > NUMBER_MAX {
        return None;
    }
    // `start - coordinate < bound` is not `coordinate < start - bound + 1`.
    Some(if reversed {
        Fact::Below { axis, cut: start - bound + 1, negated: !negated }
    } else {
        Fact::Below { axis, cut: bound - start, negated }
    })
}

/// The comparison with its operands exchanged.
fn exchanged(op: BinaryOp) -> Option<BinaryOp> {
    Some(match op {
        BinaryOp::Less => BinaryOp::Greater,
        BinaryOp::LessEqual => BinaryOp::GreaterEqual,
        BinaryOp::Greater => BinaryOp::Less,
        BinaryOp::GreaterEqual => BinaryOp::LessEqual,
        _ => return None,
    })
}

/// Leaves out, from the last step to the first, what nothing reads that comes behind it.
fn keep_what_is_read(program: &Program, steps: &mut Vec<Step>) {
    let mut read = vec![false; program.slots.len()];
    for step in steps.iter_mut().rev() {
        if let Step::Sweep(sweep) = step {
            let code = std::mem::take(&mut sweep.code);
            let code = kept(program, code, sweep.registers as usize, &mut read);
            *sweep = allocate(std::mem::take(&mut sweep.axes), code, sweep.tile_elements);
        }
        step.slots_read(&mut |slot| read[slot.0 as usize] = true);
    }
    steps.retain(|step| !matches!(step, Step::Sweep(sweep) if sweep.code.is_empty()));
}

/// The instructions of a sweep that are needed; `read` tells which slots are, and is told.
fn kept(program: &Program, code: Vec<Instr>, registers: usize, read: &mut [bool]) -> Vec<Instr> {
    let mut wanted = vec![false; registers];
    let mut kept = Vec::with_capacity(code.len());
    for mut instr in code.into_iter().rev() {
        let mut is_wanted = match &instr {
            Instr::Store { slot, .. } => read[slot.0 as usize] || program.slots[slot.0 as usize].kind == SlotKind::Output,
            Instr::Reduce { acc, .. } | Instr::ReducePairs { acc, .. } => {
                let finishes = &program.accumulators[acc.0 as usize].finishes;
                finishes.is_empty() || finishes.iter().any(|(_, slot)| read[slot.0 as usize])
            }
            Instr::Group { .. } | Instr::Compress { .. } => true,
            Instr::Cast { from, to, mode, .. } => mode.is_checked() && from.is_float() && to.is_integer(),
            _ => false,
        };
        visit_registers(&mut instr, &mut |register, is_destination| is_wanted |= is_destination && wanted[register.0 as usize]);
        if !is_wanted {
            continue;
        }
        visit_registers(&mut instr, &mut |register, _| wanted[register.0 as usize] = true);
        // A local that is stored to before, in this sweep.
        if let Instr::Load { slot, .. } = instr {
            read[slot.0 as usize] = true;
        }
        kept.push(instr);
    }
    kept.reverse();
    kept
}

#[cfg(test)]
#[path = "pieces_tests.rs"]
mod tests;
