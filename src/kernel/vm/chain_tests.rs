//! A chain gives the bits of its operations one by one, on every instruction set.

use super::super::{BlockContext, Machine, Operand, Prepared, Stores, action::Action, prepare::PreparedStep};
use crate::{
    kernel::{
        Isa,
        oracle::{self, Bits},
        program::{Arg, BinaryOp, Instr, Program, Reg, Slot, SlotId, SlotKind, Step, Sweep, UnaryOp},
    },
    nd::{DType, Scalar},
};

const INPUTS: u32 = 3;

/// Operations in a row on three inputs, the result stored; `apart` stores what lies between as well, so that nothing can be joined.
fn program(dtype: DType, length: usize, apart: bool, bits: &mut Bits) -> Program {
    use BinaryOp::{Add, Divide, Fmax, Maximum, Minimum, Multiply, Subtract};
    use UnaryOp::{Absolute, Negative, Rint, Sqrt, Square};
    let slot = |kind| Slot { dtype, kind, swapped: false };
    let mut slots = vec![slot(SlotKind::Input); INPUTS as usize];
    let mut code: Vec<Instr> = (0..INPUTS).map(|input| Instr::Load { dst: Reg(input), slot: SlotId(input) }).collect();
    let mut value = Arg::Reg(Reg(0));
    for step in 0..length {
        let dst = Reg(if bits.below(2) == 0 { INPUTS + step as u32 % 2 } else { 0 });
        if bits.below(3) == 0 {
            let op = [Absolute, Negative, Rint, Sqrt, Square][bits.below(5)];
            code.push(Instr::Unary { op, dtype, dst, a: value });
        } else {
            let op = [Add, Divide, Fmax, Maximum, Minimum, Multiply, Subtract][bits.below(7)];
            let other = [Arg::Reg(Reg(1)), Arg::Reg(Reg(2)), Arg::Const(Scalar::Float(0.37)), value][bits.below(4)];
            let (a, b) = if bits.below(2) == 0 { (value, other) } else { (other, value) };
            code.push(Instr::Binary { op, dtype, dst, a, b });
        }
        value = Arg::Reg(dst);
        if apart || step + 1 == length {
            code.push(Instr::Store { slot: SlotId(slots.len() as u32), src: value });
            slots.push(slot(SlotKind::Output));
        }
    }
    let sweep = Sweep { axes: vec![true], code, registers: INPUTS + 2, tile_elements: 1024 };
    Program { slots, accumulators: vec![], steps: vec![Step::Sweep(sweep)] }
}

fn has_chain(prepared: &Prepared) -> bool {
    prepared.steps.iter().any(|step| match step {
        PreparedStep::Sweep(sweep) => {
            sweep.code.iter().any(|operation| matches!(&operation.action, Action::Chain(chain) if chain.length > 1))
        }
        PreparedStep::Call { .. }
        | PreparedStep::Scan { .. }
        | PreparedStep::Fold { .. }
        | PreparedStep::Product(_)
        | PreparedStep::Halo { .. } => false,
    })
}

/// The last output, and whether a chain made it. `uniform` inputs are one element.
fn run(program: &Program, isa: Isa, inputs: &[Vec<u8>], uniform: [bool; INPUTS as usize], elements: usize) -> (Vec<u8>, bool) {
    let prepared = Prepared::new(program, isa).unwrap();
    let size = program.slots[0].dtype.size();
    let mut outputs = vec![vec![0u8; elements * size]; program.slots.len() - inputs.len()];
    let mut operands: Vec<Operand<'_>> = inputs
        .iter()
        .zip(uniform)
        .map(|(bytes, uniform)| Operand::Input { bytes, first: 0, strides: if uniform { &[0] } else { &[1] }, byte_offset: 0 })
        .collect();
    operands.extend(outputs.iter_mut().map(|bytes| Operand::Output { bytes, first: 0, strides: &[1], stores: Stores::Cached }));
    let block = BlockContext { space: &[elements], start: &[0], shape: &[elements] };
    let mut compressed = vec![0; operands.len()];
    Machine::new().run(&prepared, &block, &mut operands, &mut [], &[], &mut compressed).unwrap();
    drop(operands);
    (outputs.pop().unwrap(), has_chain(&prepared))
}

#[test]
fn chains_equal_their_operations_one_by_one() {
    let mut bits = Bits(11);
    let mut chains = 0;
    for round in 0..if cfg!(miri) { 8 } else { 600 } {
        let dtype = [DType::F16, DType::BF16, DType::F32, DType::F64][round % 4];
        let elements = [1, 31, 64, 200, 1025, 9000][bits.below(6)];
        let (length, seed) = (1 + bits.below(12), bits.next());
        let inputs: Vec<Vec<u8>> = (0..INPUTS).map(|_| oracle::elements(dtype, elements, &mut bits)).collect();
        let uniform = [bits.below(5) == 0, bits.below(5) == 0, bits.below(5) == 0];
        let [joined, apart] = [false, true].map(|apart| program(dtype, length, apart, &mut Bits(seed)));
        let (want, is_joined) = run(&apart, Isa::Baseline, &inputs, uniform, elements);
        assert!(!is_joined);
        for isa in Isa::available() {
            let (got, is_joined) = run(&joined, isa, &inputs, uniform, elements);
            chains += usize::from(is_joined);
            for (got, want) in got.chunks(dtype.size()).zip(want.chunks(dtype.size())) {
                let [got, want] =
                    [got, want].map(|bytes| crate::dispatch!(dtype, T => <T as crate::nd::Element>::from_bytes(bytes).to_string()));
                assert_eq!(got, want, "{dtype} {isa:?} {joined}");
            }
        }
    }
    assert!(chains > if cfg!(miri) { 2 } else { 300 }, "{chains}");
}
