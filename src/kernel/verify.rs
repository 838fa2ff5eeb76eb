//! Whether a program can be run at all: what the planner must have got right.

use crate::{
    kernel::{
        program::{AccId, Arg, Instr, Product, Program, Reg, SlotId, SlotKind, Step, Sweep, is_factor},
        search::SearchTable,
        vm::prepare::written,
    },
    nd::{DType, Scalar},
};

impl Program {
    /// Checks that registers are in range, written before they are read and of the dtype that is asked for, that slots and
    /// accumulators exist and have the right kind and dtype, that local reductions finish into locals over the axes they keep,
    /// and that a sweep absorbs into each local accumulator once only. The message names the step and the instruction.
    pub fn verify(&self) -> Result<(), String> {
        let rank = self.rank();
        let mut reduced_in = vec![None; self.accumulators.len()];
        for (index, step) in self.steps.iter().enumerate() {
            let result = match step {
                Step::Sweep(sweep) | Step::Halo { sweep, .. } => self.verify_sweep(sweep, rank, index, &mut reduced_in),
                Step::Call { input, output, .. } | Step::Scan { input, output, .. } => self.verify_call(*input, Some(*output)),
                Step::Fold { input, .. } => self.verify_call(*input, None),
                Step::Product(product) => self.verify_product(product),
            };
            result.map_err(|what| format!("step {index}: {what}"))?;
        }
        self.verify_finishes(rank)
    }

    /// Number of axes of the stage, as far as the program tells.
    fn rank(&self) -> Option<usize> {
        self.steps.iter().find_map(|step| match step {
            Step::Sweep(sweep) | Step::Halo { sweep, .. } => Some(sweep.axes.len()),
            Step::Call { .. } | Step::Scan { .. } | Step::Fold { .. } | Step::Product(_) => None,
        })
    }

    fn verify_product(&self, product: &Product) -> Result<(), String> {
        let acc = self.accumulators.get(product.acc.0 as usize).ok_or("no such accumulator")?;
        if acc.dtype != DType::F64 || acc.groups != 1 {
            return Err(format!("a product into an accumulator of {} groups of {}", acc.groups, acc.dtype));
        }
        if product.right.is_none() && product.mirrored.iter().any(|&axis| acc.reduced.get(axis) != Some(&false)) {
            return Err(format!("axes {:?} of a symmetric product", product.mirrored));
        }
        if product.left_axes.len() != acc.reduced.len() || product.right_axes.len() != acc.reduced.len() {
            return Err(format!("sides of {} and {} axes", product.left_axes.len(), product.right_axes.len()));
        }
        if product.inner.iter().any(|&axis| acc.reduced.get(axis) != Some(&true)) {
            return Err(format!("inner axes {:?} of a product that keeps one of them", product.inner));
        }
        for side in product.right.iter().chain([&product.left]) {
            match self.slots.get(side.0 as usize) {
                Some(slot) if is_factor(slot.dtype) && !slot.swapped && slot.kind != SlotKind::Output => {}
                _ => return Err(format!("slot {} of a product is no input or local of f32, f64 or integers of their sizes", side.0)),
            }
        }
        Ok(())
    }

    fn verify_call(&self, input: SlotId, output: Option<SlotId>) -> Result<(), String> {
        for slot in output.into_iter().chain([input]) {
            if !matches!(self.slots.get(slot.0 as usize).map(|slot| &slot.kind), Some(SlotKind::Local { .. } | SlotKind::Halo { .. })) {
                return Err(format!("slot {} of a call is not a local", slot.0));
            }
        }
        if Some(input) == output { Err("a call writes over its input".into()) } else { Ok(()) }
    }

    fn verify_finishes(&self, rank: Option<usize>) -> Result<(), String> {
        for (index, accumulation) in self.accumulators.iter().enumerate() {
            let reduced = &accumulation.reduced;
            if rank.is_some_and(|rank| rank != reduced.len()) {
                return Err(format!("accumulator {index} has {} axes", reduced.len()));
            }
            for (_, slot) in &accumulation.finishes {
                match self.slots.get(slot.0 as usize).map(|slot| &slot.kind) {
                    // An axis that the sweep does not walk is neither reduced nor kept.
                    Some(SlotKind::Local { axes }) if axes.len() == reduced.len() => {
                        if axes.iter().zip(reduced).any(|(kept, reduced)| *kept && *reduced) {
                            return Err(format!("accumulator {index} finishes into slot {}, which keeps a reduced axis", slot.0));
                        }
                    }
                    _ => return Err(format!("accumulator {index} does not finish into a local")),
                }
            }
        }
        Ok(())
    }

    fn verify_sweep(&self, sweep: &Sweep, rank: Option<usize>, step: usize, reduced_in: &mut [Option<usize>]) -> Result<(), String> {
        if sweep.tile_elements == 0 {
            return Err("a tile has no elements".into());
        }
        if rank.is_some_and(|rank| rank != sweep.axes.len()) {
            return Err(format!("{} axes", sweep.axes.len()));
        }
        let mut dtypes: Vec<Option<DType>> = vec![None; sweep.registers as usize];
        for (index, instr) in sweep.code.iter().enumerate() {
            let at = |what: String| format!("instruction {index}: {what}");
            self.verify_reads(instr, &dtypes).map_err(at)?;
            self.verify_places(instr, sweep, step, reduced_in).map_err(at)?;
            if let Some((dst, dtype)) = written(instr, self) {
                let held = dtypes.get_mut(dst.0 as usize).ok_or_else(|| at(format!("register {} is out of range", dst.0)))?;
                *held = Some(dtype);
            }
        }
        Ok(())
    }

    fn verify_reads(&self, instr: &Instr, dtypes: &[Option<DType>]) -> Result<(), String> {
        let register = |reg: Reg, wanted: DType| match dtypes.get(reg.0 as usize).copied().flatten() {
            None => Err(format!("register {} is read before it is written", reg.0)),
            Some(held) if held != wanted => Err(format!("register {} holds {held}, not {wanted}", reg.0)),
            Some(_) => Ok(()),
        };
        let read = |arg: &Arg, wanted: DType| match arg {
            Arg::Reg(reg) => register(*reg, wanted),
            Arg::Const(value @ Scalar::Int(_)) if wanted.is_integer() && !value.fits(wanted) => {
                Err(format!("constant {value} does not fit {wanted}"))
            }
            Arg::Const(_) => Ok(()),
        };
        match instr {
            Instr::Load { .. } | Instr::Generate { .. } => Ok(()),
            Instr::Unary { dtype, a, .. } => read(a, *dtype),
            Instr::Binary { dtype, a, b, .. } => read(a, *dtype).and_then(|()| read(b, *dtype)),
            Instr::Select { dtype, mask, a, b, .. } => {
                register(*mask, DType::Bool).and_then(|()| read(a, *dtype)).and_then(|()| read(b, *dtype))
            }
            Instr::Search { table, dtype, .. } if !SearchTable::is_defined(*dtype, table.dtype) => {
                Err(format!("{dtype} in a table of {}", table.dtype))
            }
            Instr::Search { dtype, a, .. } => read(a, *dtype),
            Instr::Cast { from, a, .. } => register(*a, *from),
            Instr::Store { slot, src } => read(src, self.slot_dtype(*slot)?),
            Instr::Reduce { acc, src } => read(src, self.accumulator_dtype(*acc)?),
            Instr::ReducePairs { acc, a, b } => {
                let dtype = self.accumulator_dtype(*acc)?;
                read(a, dtype).and_then(|()| read(b, dtype))
            }
            Instr::Group { acc, src, labels, dtype, .. } => {
                if !matches!(dtype, DType::I32 | DType::I64) {
                    return Err(format!("labels of {dtype}"));
                }
                read(src, self.accumulator_dtype(*acc)?).and_then(|()| read(labels, *dtype))
            }
            Instr::Compress { slot, src, mask } => read(src, self.slot_dtype(*slot)?).and_then(|()| read(mask, DType::Bool)),
        }
    }

    fn verify_places(&self, instr: &Instr, sweep: &Sweep, step: usize, reduced_in: &mut [Option<usize>]) -> Result<(), String> {
        let rank = sweep.axes.len();
        let kind = |slot: &SlotId| self.slots.get(slot.0 as usize).map(|slot| &slot.kind);
        match instr {
            Instr::Load { slot, .. } => match kind(slot) {
                Some(SlotKind::Input) => Ok(()),
                Some(SlotKind::Local { axes }) if axes.len() == rank => Ok(()),
                _ => Err(format!("slot {} cannot be loaded", slot.0)),
            },
            Instr::Store { slot, .. } => match kind(slot) {
                Some(SlotKind::Output) => Ok(()),
                Some(SlotKind::Local { axes }) if axes.len() == rank => Ok(()),
                Some(SlotKind::Halo { extra }) if extra.len() == rank => Ok(()),
                _ => Err(format!("slot {} cannot be stored to", slot.0)),
            },
            Instr::Compress { slot, .. } if kind(slot) != Some(&SlotKind::Output) => Err(format!("slot {} is not an output", slot.0)),
            Instr::Generate { strides, .. } if strides.len() != rank => Err(format!("a generator with {} axes", strides.len())),
            Instr::Group { acc, .. } => match self.accumulators.get(acc.0 as usize) {
                Some(accumulation) if accumulation.finishes.is_empty() => Ok(()),
                Some(_) => Err(format!("groups of accumulator {} finish in a block", acc.0)),
                None => Err(format!("no accumulator {}", acc.0)),
            },
            Instr::Reduce { acc, .. } | Instr::ReducePairs { acc, .. } => {
                let accumulation = self.accumulators.get(acc.0 as usize).ok_or_else(|| format!("no accumulator {}", acc.0))?;
                if accumulation.kind.is_paired() != matches!(instr, Instr::ReducePairs { .. }) {
                    return Err(format!("accumulator {} of {:?} is given the wrong number of operands", acc.0, accumulation.kind));
                }
                let first = reduced_in[acc.0 as usize].get_or_insert(step);
                if *first != step && !accumulation.finishes.is_empty() {
                    return Err(format!("accumulator {} was finished in step {first}", acc.0));
                }
                self.verify_local_shape(accumulation, sweep, acc.0)
            }
            _ => Ok(()),
        }
    }

    /// A local result has one element per output of its accumulator.
    fn verify_local_shape(&self, accumulation: &super::program::Accumulation, sweep: &Sweep, acc: u32) -> Result<(), String> {
        for (_, slot) in &accumulation.finishes {
            let Some(SlotKind::Local { axes }) = self.slots.get(slot.0 as usize).map(|slot| &slot.kind) else { continue };
            let kept = sweep.axes.iter().zip(&accumulation.reduced).map(|(walked, reduced)| *walked && !*reduced);
            if !axes.iter().copied().eq(kept) {
                return Err(format!("accumulator {acc} does not fill slot {}", slot.0));
            }
        }
        Ok(())
    }

    fn slot_dtype(&self, slot: SlotId) -> Result<DType, String> {
        self.slots.get(slot.0 as usize).map(|slot| slot.dtype).ok_or_else(|| format!("no slot {}", slot.0))
    }

    fn accumulator_dtype(&self, acc: AccId) -> Result<DType, String> {
        self.accumulators.get(acc.0 as usize).map(|acc| acc.dtype).ok_or_else(|| format!("no accumulator {}", acc.0))
    }
}
