//! Blocks that functions are given where they lie: a local that would only be a copy of an input need not be made.

use super::Operand;
use crate::{
    kernel::{
        program::{Instr, Program, SlotId, SlotKind, Step, Sweep},
        watch::Watch,
    },
    nd::DType,
};

/// Per slot, the input that it is a copy of, if it is one and only functions and folds look at it.
pub(super) fn copies(program: &Program, watch: Option<&Watch>) -> Vec<Option<usize>> {
    let mut copies = vec![None; program.slots.len()];
    for (index, step) in program.steps.iter().enumerate() {
        if let Step::Sweep(sweep) = step
            && let Some((input, local)) = copied(program, sweep)
            && watch.is_none_or(|watch| !watch.asks(index, 1))
        {
            copies[local.0 as usize] = Some(input.0 as usize);
        }
    }
    for (slot, copy) in copies.iter_mut().enumerate() {
        let others: usize = program.steps.iter().map(|step| uses_beside_functions(step, slot)).sum();
        // Besides who fills it.
        if others != 1 {
            *copy = None;
        }
    }
    copies
}

/// The input and the local, where a sweep only copies one to the other.
pub(super) fn copied(program: &Program, sweep: &Sweep) -> Option<(SlotId, SlotId)> {
    let [Instr::Load { slot: input, .. }, Instr::Store { slot: local, .. }] = &sweep.code[..] else { return None };
    let (from, to) = (&program.slots[input.0 as usize], &program.slots[local.0 as usize]);
    let is_block = matches!(&to.kind, SlotKind::Local { axes } if axes.iter().all(|walked| *walked));
    let is_plain = from.kind == SlotKind::Input && !from.swapped && from.dtype == to.dtype;
    (is_block && is_plain).then_some((*input, *local))
}

/// How often a step looks at a slot or fills it other than as the input of a function.
fn uses_beside_functions(step: &Step, slot: usize) -> usize {
    let is_it = |other: &SlotId| usize::from(other.0 as usize == slot);
    let instruction = |instr: &Instr| match instr {
        Instr::Load { slot, .. } | Instr::Store { slot, .. } | Instr::Compress { slot, .. } => is_it(slot),
        _ => 0,
    };
    match step {
        Step::Sweep(sweep) | Step::Halo { sweep, .. } => sweep.code.iter().map(instruction).sum(),
        Step::Product(product) => is_it(&product.left) + product.right.as_ref().map_or(0, is_it),
        Step::Scan { input, output, .. } => is_it(input) + is_it(output),
        Step::Call { output, .. } => is_it(output),
        Step::Fold { .. } => 0,
    }
}

/// The bytes of a block of an input, if they lie together in C order, at an address for elements of `dtype`.
pub(super) fn dense<'a>(operand: &'a Operand<'_>, shape: &[usize], dtype: DType) -> Option<&'a [u8]> {
    let Operand::Input { bytes, first, strides, byte_offset } = operand else { return None };
    let mut expected = 1;
    for (&length, &stride) in shape.iter().zip(*strides).rev() {
        if length > 1 && stride != expected {
            return None;
        }
        expected *= length as i64;
    }
    let start = usize::try_from(*first).ok()?.checked_mul(dtype.size())?.checked_add(*byte_offset)?;
    let block = bytes.get(start..start.checked_add(expected as usize * dtype.size())?)?;
    (block.as_ptr().addr() % dtype.size() == 0).then_some(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::Result,
        kernel::{
            program::{Arg, Reg},
            simd::Isa,
            vm::{BlockContext, BlockFunction, Machine, Prepared, Stores},
        },
    };
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Copies, and says where its input was.
    #[derive(Default)]
    struct Watched(AtomicUsize);

    impl BlockFunction for Watched {
        fn name(&self) -> &str {
            "watched"
        }

        fn call(&self, _start: &[usize], _shape: &[usize], input: &[u8], output: &mut [u8]) -> Result<()> {
            self.0.store(input.as_ptr().addr(), Ordering::Relaxed);
            output.copy_from_slice(input);
            Ok(())
        }
    }

    fn copy(from: u32, to: u32) -> Step {
        let code = vec![Instr::Load { dst: Reg(0), slot: SlotId(from) }, Instr::Store { slot: SlotId(to), src: Arg::Reg(Reg(0)) }];
        Step::Sweep(Sweep { axes: vec![true; 2], code, registers: 1, tile_elements: 4 })
    }

    /// What a function sees of a block of 2 by 3 of an input that lies so, and whether it saw it in place.
    fn seen(bytes: &[u8], byte_offset: usize, strides: &[i64], reads_local: bool, dtype: DType) -> (Vec<u8>, bool) {
        let slot = |kind| crate::kernel::program::Slot { dtype, kind, swapped: false };
        let local = || slot(SlotKind::Local { axes: vec![true, true] });
        let slots = vec![slot(SlotKind::Input), local(), local(), slot(SlotKind::Output), slot(SlotKind::Output)];
        let last = if reads_local { copy(1, 4) } else { copy(0, 4) };
        let steps = vec![copy(0, 1), Step::Call { closure: 0, input: SlotId(1), output: SlotId(2) }, copy(2, 3), last];
        let prepared = Prepared::new(&Program { slots, accumulators: vec![], steps }, Isa::detect()).unwrap();
        let (mut output, mut second) = (vec![0; 6 * dtype.size()], vec![0; 6 * dtype.size()]);
        let mut operands = [
            Operand::Input { bytes, first: 1, strides, byte_offset },
            Operand::Local,
            Operand::Local,
            Operand::Output { bytes: &mut output, first: 0, strides: &[3, 1], stores: Stores::Cached },
            Operand::Output { bytes: &mut second, first: 0, strides: &[3, 1], stores: Stores::Cached },
        ];
        let watched = Watched::default();
        let block = BlockContext { space: &[2, 3], start: &[0, 0], shape: &[2, 3] };
        Machine::new().run(&prepared, &block, &mut operands, &mut [], &[&watched], &mut [0, 0]).unwrap();
        assert_eq!(output, second);
        (output, watched.0.into_inner() == bytes.as_ptr().addr() + byte_offset + dtype.size())
    }

    #[test]
    fn functions_are_given_dense_inputs_where_they_lie() {
        let words: Vec<u32> = (0..20).collect();
        let bytes: &[u8] = bytemuck::cast_slice(&words);
        let want = |places: [u32; 6]| bytemuck::cast_slice::<u32, u8>(&places).to_vec();
        assert_eq!(seen(bytes, 4, &[3, 1], false, DType::I32), (want([2, 3, 4, 5, 6, 7]), true));
        assert_eq!(seen(bytes, 4, &[4, 1], false, DType::I32), (want([2, 3, 4, 6, 7, 8]), false));
        assert_eq!(seen(bytes, 0, &[1, 2], false, DType::I32), (want([1, 3, 5, 2, 4, 6]), false));
        assert_eq!(seen(bytes, 0, &[3, 1], true, DType::I32), (want([1, 2, 3, 4, 5, 6]), false));
        // Bytes that lie at no address for their elements are copied to one.
        let (shifted, in_place) = seen(bytes, 2, &[3, 1], false, DType::I32);
        assert_eq!((shifted, in_place), (bytes[6..30].to_vec(), false));
        assert_eq!(seen(bytes, 3, &[3, 1], false, DType::U8), (bytes[4..10].to_vec(), true));
    }
}
