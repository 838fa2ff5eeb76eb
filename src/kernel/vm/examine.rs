//! The second walk over a block in which something may have been created.

use super::{BlockContext, GlobalAccumulator, Machine, Operand, Prepared, execute::Execution, prepare::PreparedStep};
use crate::{
    error::Result,
    kernel::{
        program::{SlotId, SlotKind},
        watch::{Blame, Finding, FindingKind, Place, Watch, WatchedSweep},
    },
    nd::{DType, shape::c_strides},
    numeric::{Accumulator, Finish},
};

/// A machine for the programs that count, and their accumulators.
#[derive(Default)]
pub(super) struct Examiner {
    machine: Machine,
    /// Which program the accumulators belong to.
    program: u64,
    accumulators: Vec<Accumulator>,
}

impl Machine {
    /// Counts what the block created. The values of the block are computed a second time, in pieces that stay small; what they are
    /// computed from still lies where it was.
    #[cold]
    pub(super) fn examine(&mut self, prepared: &Prepared, block: &BlockContext<'_>, operands: &mut [Operand<'_>]) -> Result<()> {
        let Some(watch) = &prepared.watch else { return Ok(()) };
        let mut examiner = self.examiner.take().unwrap_or_default();
        // Of axes that are not walked, the first coordinate speaks for all.
        let is_first = |sweep: &&WatchedSweep| sweep.axes.iter().zip(block.start).all(|(walked, start)| *walked || *start == 0);
        for sweep in watch.sweeps.iter().filter(is_first) {
            std::mem::swap(&mut examiner.machine.locals, &mut self.locals);
            // Behind the first element of a kind only numbers are wanted.
            let lowest: usize = c_strides(block.space).iter().zip(block.start).map(|(stride, at)| *stride as usize * at).sum();
            let is_behind = |kind| self.findings.first(kind).is_some_and(|first| first <= lowest as u64);
            let mut counted = examiner.count(&sweep.recount, &sweep.kinds, block, operands);
            if counted.as_ref().is_ok_and(|counted| counted.iter().any(|(kind, ..)| !is_behind(*kind))) {
                counted = examiner.count(&sweep.program, &sweep.kinds, block, operands);
            }
            std::mem::swap(&mut examiner.machine.locals, &mut self.locals);
            for (kind, count, first) in counted? {
                let first = first.or(self.findings.first(kind)).unwrap_or_default();
                let known = self.findings.first(kind).is_some_and(|known| known <= first);
                let blame = if known { None } else { self.blame(prepared, watch, sweep, (kind, first), block, operands) };
                self.findings.add(Finding { kind, count, first, blame });
            }
        }
        self.examiner = Some(examiner);
        Ok(())
    }

    /// The operation that made the element with linear index `first` count.
    fn blame(
        &self,
        prepared: &Prepared,
        watch: &Watch,
        sweep: &WatchedSweep,
        (kind, first): (FindingKind, u64),
        block: &BlockContext<'_>,
        operands: &[Operand<'_>],
    ) -> Option<Blame> {
        let coordinate: Vec<usize> = c_strides(block.space)
            .iter()
            .zip(block.space)
            .map(|(stride, length)| (first as usize / (*stride).max(1) as usize) % (*length).max(1))
            .collect();
        let within: Vec<usize> = coordinate.iter().zip(block.start).map(|(at, start)| at.saturating_sub(*start)).collect();
        let load = |slot: SlotId| self.element(prepared, slot.0 as usize, &within, block, operands).unwrap_or_default();
        watch.blame(sweep, kind, &Place { coordinate: &coordinate, load: &load, kernels: &prepared.kernels })
    }

    /// One element of a slot, as a native word.
    fn element(
        &self,
        prepared: &Prepared,
        slot: usize,
        within: &[usize],
        block: &BlockContext<'_>,
        operands: &[Operand<'_>],
    ) -> Option<[u64; 1]> {
        let facts = &prepared.slots[slot];
        let size = facts.dtype.size();
        let (bytes, index, byte_offset) = match (&operands[slot], &facts.kind) {
            (Operand::Input { bytes, first, strides, byte_offset }, _) => {
                let index = first + strides.iter().zip(within).map(|(stride, at)| stride * *at as i64).sum::<i64>();
                (*bytes, index, *byte_offset)
            }
            (Operand::Local, SlotKind::Local { axes }) => {
                let (mut index, mut step) = (0, 1);
                for axis in (0..axes.len()).rev().filter(|&axis| axes[axis]) {
                    index += step * within[axis] as i64;
                    step *= block.shape[axis] as i64;
                }
                (self.locals[slot].bytes(), index, 0)
            }
            _ => return None,
        };
        let byte = byte_offset + usize::try_from(index).ok()? * size;
        let mut word = [0u64; 1];
        let out: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut word)[..size];
        out.copy_from_slice(bytes.get(byte..byte + size)?);
        if facts.swapped {
            out.reverse();
        }
        Some(word)
    }
}

impl Examiner {
    /// Bytes of buffers held now.
    pub fn held_bytes(&self) -> u64 {
        self.machine.held_bytes()
    }

    /// Kind, number and smallest index (where the program asks for it) of what comes out of a sweep.
    fn count(
        &mut self,
        program: &Prepared,
        kinds: &[FindingKind],
        block: &BlockContext<'_>,
        operands: &mut [Operand<'_>],
    ) -> Result<Vec<(FindingKind, u64, Option<u64>)>> {
        if self.machine.program != program.id {
            self.machine.fit_registers(program);
        }
        if self.program != program.id {
            self.program = program.id;
            let made = program.accumulations.iter().map(|accumulation| Accumulator::new(accumulation.kind, DType::Bool, 1));
            self.accumulators = made.collect::<Result<_>>()?;
        }
        let strides = vec![0; block.shape.len()];
        let mut accumulators: Vec<GlobalAccumulator<'_>> = Vec::with_capacity(self.accumulators.len());
        for accumulator in &mut self.accumulators {
            accumulator.reset();
            accumulators.push(GlobalAccumulator { accumulator, base: 0, strides: &strides });
        }
        for step in &program.steps {
            if let PreparedStep::Sweep(counting) = step {
                let (machine, accumulators, compressed) = (&mut self.machine, &mut accumulators, &mut []);
                Execution { machine, prepared: program, block, operands, accumulators, compressed }.sweep(counting)?;
            }
        }
        let mut found = Vec::new();
        for (kind, pair) in kinds.iter().zip(self.accumulators.chunks_exact(2)) {
            let finish = |at: usize, what: Finish| {
                let mut out = [0u8; 8];
                pair[at].finish(what, DType::I64, 0, 1, &mut out).map(|()| i64::from_ne_bytes(out))
            };
            let (count, first) = (finish(0, Finish::CountNonzero)?, finish(1, Finish::FirstFalse)?);
            if count > 0 {
                found.push((*kind, count.unsigned_abs(), u64::try_from(first).ok()));
            }
        }
        Ok(found)
    }
}
