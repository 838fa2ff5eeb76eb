//! A fused sum gives the bits of its operations one by one, on every instruction set.

use super::super::{BlockContext, GlobalAccumulator, Machine, Operand, Prepared, action::Action, prepare::PreparedStep};
use crate::{
    kernel::{
        Isa,
        formula::Shape,
        oracle::Bits,
        program::{AccId, Accumulation, Arg, BinaryOp, Instr, Program, Reg, Slot, SlotId, SlotKind, Step, Sweep, UnaryOp},
    },
    nd::{DType, Scalar},
    numeric::{Accumulator, AccumulatorKind, Finish, SumMode},
};

/// What the second operand is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Second {
    Tile,
    Constant,
    /// The constant comes first.
    Exchanged,
    /// The first operand again.
    Same,
}

/// `sum(outer(inner(s0, second)))`, `s0` squared where asked for; `apart` also counts the summed values, so that something else reads them.
fn program(Shape { squared, inner, outer }: Shape, second: Second, mode: SumMode, apart: bool) -> Program {
    let slot = || Slot { dtype: DType::F32, kind: SlotKind::Input, swapped: false };
    let (x, constant) = (Arg::Reg(Reg(0)), Arg::Const(Scalar::Float(0.37)));
    let mut code = vec![Instr::Load { dst: Reg(0), slot: SlotId(0) }, Instr::Load { dst: Reg(1), slot: SlotId(1) }];
    if squared {
        code.push(Instr::Binary { op: BinaryOp::Multiply, dtype: DType::F32, dst: Reg(0), a: x, b: x });
    }
    if let Some(op) = inner {
        let (a, b) = match second {
            Second::Tile => (x, Arg::Reg(Reg(1))),
            Second::Constant => (x, constant),
            Second::Exchanged => (constant, x),
            Second::Same => (x, x),
        };
        code.push(Instr::Binary { op, dtype: DType::F32, dst: Reg(0), a, b });
    }
    if let Some(op) = outer {
        code.push(Instr::Unary { op, dtype: DType::F32, dst: Reg(0), a: x });
    }
    code.push(Instr::Reduce { acc: AccId(0), src: x });
    let of = |kind| Accumulation { kind, dtype: DType::F32, reduced: vec![true], groups: 1, finishes: vec![] };
    let mut accumulators = vec![of(AccumulatorKind::Sum(mode))];
    if apart {
        code.push(Instr::Reduce { acc: AccId(1), src: x });
        accumulators.push(of(AccumulatorKind::CountNonzero));
    }
    let sweep = Sweep { axes: vec![true], code, registers: 2, tile_elements: 2048 };
    Program { slots: vec![slot(), slot()], accumulators, steps: vec![Step::Sweep(sweep)] }
}

fn is_fused(prepared: &Prepared) -> bool {
    prepared.steps.iter().any(|step| match step {
        PreparedStep::Sweep(sweep) => sweep.code.iter().any(|operation| matches!(operation.action, Action::SumOf { .. })),
        PreparedStep::Call { .. }
        | PreparedStep::Scan { .. }
        | PreparedStep::Fold { .. }
        | PreparedStep::Product(_)
        | PreparedStep::Halo { .. } => false,
    })
}

/// The bits of the sum.
fn sum(program: &Program, isa: Isa, inputs: [&[u8]; 2], elements: usize) -> (bool, [u8; 8]) {
    let prepared = Prepared::new(program, isa).unwrap();
    let mut states: Vec<Accumulator> =
        program.accumulators.iter().map(|accumulation| Accumulator::new(accumulation.kind, accumulation.dtype, 1).unwrap()).collect();
    let mut operands = inputs.map(|bytes| Operand::Input { bytes, first: 0, strides: &[1], byte_offset: 0 });
    let mut globals: Vec<_> = states.iter_mut().map(|accumulator| GlobalAccumulator { accumulator, base: 0, strides: &[0] }).collect();
    let block = BlockContext { space: &[elements], start: &[0], shape: &[elements] };
    Machine::new().run(&prepared, &block, &mut operands, &mut globals, &[], &mut []).unwrap();
    let mut out = [0; 8];
    states[0].finish(Finish::Sum, DType::F64, 0, 1, &mut out).unwrap();
    (is_fused(&prepared), out)
}

#[test]
#[cfg_attr(miri, ignore = "millions of elements")]
fn fused_sums_equal_unfused_ones() {
    let mut bits = Bits(7);
    let inner = [None, Some(BinaryOp::Add), Some(BinaryOp::Subtract), Some(BinaryOp::Multiply)];
    let outer = [None, Some(UnaryOp::Absolute), Some(UnaryOp::Square), Some(UnaryOp::Sqrt)];
    let modes = [SumMode::Exact, SumMode::Neumaier, SumMode::Kahan, SumMode::Pairwise, SumMode::Naive];
    for elements in [1, 63, 64, 255, 2048, 5000, 20_000] {
        // Positive and negative numbers of many magnitudes, so that the order of additions shows and few roots are NaN.
        let [a, b] = [1.0, -1.0].map(|sign| {
            let value = |_| sign * (bits.next() >> 40) as f32 * 2f32.powi(bits.below(40) as i32 - 40);
            bytemuck::cast_slice::<f32, u8>(&(0..elements).map(value).collect::<Vec<_>>()).to_vec()
        });
        let pairs = inner.iter().flat_map(|inner| outer.iter().map(move |outer| (*inner, *outer)));
        for shape in pairs.flat_map(|(inner, outer)| [false, true].map(|squared| Shape { squared, inner, outer })) {
            for second in [Second::Tile, Second::Constant, Second::Exchanged, Second::Same] {
                for mode in modes {
                    let [fused, apart] = [false, true].map(|apart| program(shape, second, mode, apart));
                    let (is_apart_fused, want) = sum(&apart, Isa::Baseline, [&a, &b], elements);
                    assert!(!is_apart_fused);
                    for isa in Isa::available() {
                        let (is_fused, got) = sum(&fused, isa, [&a, &b], elements);
                        assert_eq!(is_fused, shape != Shape::default());
                        let (got, want) = (f64::from_ne_bytes(got), f64::from_ne_bytes(want));
                        assert!(
                            got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()),
                            "{shape:?} {second:?} {mode:?} {isa:?} {elements}: {got:e} {want:e}"
                        );
                    }
                }
            }
        }
    }
}
