//! Random programs over random layouts against a naive interpreter that walks one element at a time.

mod cases;
mod naive;

use super::{BlockContext, BlockFunction, Machine, Operand, Prepared, Stores};
use crate::{
    error::Result,
    kernel::{
        Isa,
        oracle::{self, Bits},
        program::{Arg, BinaryOp, CastMode, Instr, Program, Reg, Slot, SlotId, SlotKind, Step, Sweep, UnaryOp},
    },
    nd::{DType, Scalar},
};
use cases::{random_case, run_machine};
use naive::run_naive;

fn assert_same(dtypes: &[DType], got: &[Vec<u8>], want: &[Vec<u8>], what: &str) {
    for (index, (got, want)) in got.iter().zip(want).enumerate() {
        let (dtype, size) = (dtypes[index], dtypes[index].size());
        for (at, (got, want)) in got.chunks(size).zip(want.chunks(size)).enumerate() {
            assert!(oracle::same(dtype, got, want), "{what}: result {index} at {at}: {got:?}, not {want:?}");
        }
    }
}

#[test]
fn random_programs_agree_with_the_naive_interpreter() {
    let mut machine = Machine::new();
    for seed in 0..if cfg!(miri) { 6 } else { 250 } {
        let mut bits = Bits(seed);
        let case = random_case(&mut bits);
        let want = run_naive(&case);
        for isa in Isa::available() {
            let got = run_machine(&mut machine, &case, isa);
            let what = format!("seed {seed} {} {:?}\n{}", isa.name(), case.shape, case.program);
            let outputs = case.program.slots.iter().filter(|slot| slot.kind == SlotKind::Output);
            assert_same(&outputs.map(|slot| slot.dtype).collect::<Vec<_>>(), &got.0, &want.0, &what);
            assert_same(&[case.program.accumulators[1].dtype, DType::I64], &got.1, &want.1, &what);
            assert_eq!(got.2, want.2, "{what}");
        }
    }
}

fn simple(slots: Vec<Slot>, code: Vec<Instr>, registers: u32, rank: usize) -> Program {
    let sweep = Sweep { axes: vec![true; rank], code, registers, tile_elements: 1024 };
    Program { slots, accumulators: vec![], steps: vec![Step::Sweep(sweep)] }
}

fn slot(dtype: DType, kind: SlotKind) -> Slot {
    Slot { dtype, kind, swapped: false }
}

#[test]
fn a_program_of_100_000_instructions_runs() {
    let mut code = vec![Instr::Load { dst: Reg(0), slot: SlotId(0) }];
    let length: i64 = if cfg!(miri) { 1_000 } else { 100_000 };
    let one = Arg::Const(Scalar::Int(1));
    code.extend((0..length).map(|_| Instr::Binary { op: BinaryOp::Add, dtype: DType::I64, dst: Reg(0), a: Arg::Reg(Reg(0)), b: one }));
    code.push(Instr::Store { slot: SlotId(1), src: Arg::Reg(Reg(0)) });
    let program = simple(vec![slot(DType::I64, SlotKind::Input), slot(DType::I64, SlotKind::Output)], code, 1, 1);
    let prepared = Prepared::new(&program, Isa::detect()).unwrap();
    let input: Vec<i64> = (0..10).collect();
    let mut output = vec![0i64; 10];
    let mut operands = [
        Operand::Input { bytes: bytemuck::cast_slice(&input), first: 0, strides: &[1], byte_offset: 0 },
        Operand::Output { bytes: bytemuck::cast_slice_mut(&mut output), first: 0, strides: &[1], stores: Stores::Cached },
    ];
    let block = BlockContext { space: &[10], start: &[0], shape: &[10] };
    Machine::new().run(&prepared, &block, &mut operands, &mut [], &[], &mut [0]).unwrap();
    assert_eq!(output, (length..length + 10).collect::<Vec<_>>());
}

#[test]
fn a_checked_cast_names_the_value_and_where_it_is() {
    let code = vec![
        Instr::Load { dst: Reg(0), slot: SlotId(0) },
        Instr::Cast { from: DType::F32, to: DType::I8, mode: CastMode::Checked, dst: Reg(1), a: Reg(0) },
    ];
    let program = simple(vec![slot(DType::F32, SlotKind::Input)], code, 2, 3);
    let prepared = Prepared::new(&program, Isa::detect()).unwrap();
    let mut input = vec![1f32; 2 * 900];
    input[900 + 77] = 300.5;
    input[900 + 78] = 400.0;
    let mut operands = [Operand::Input { bytes: bytemuck::cast_slice(&input), first: 0, strides: &[900, 900, 1], byte_offset: 0 }];
    let block = BlockContext { space: &[9, 9, 9000], start: &[3, 4, 1000], shape: &[2, 1, 900] };
    let error = Machine::new().run(&prepared, &block, &mut operands, &mut [], &[], &mut []).unwrap_err();
    assert_eq!(error.message(), "300.5 at index (4, 4, 1077) does not fit i8");
}

struct Reverse;
impl BlockFunction for Reverse {
    fn name(&self) -> &str {
        "reverse"
    }
    fn call(&self, start: &[usize], shape: &[usize], input: &[u8], output: &mut [u8]) -> Result<()> {
        assert_eq!((start, shape), (&[2, 0][..], &[2, 3][..]));
        output.copy_from_slice(input);
        output.reverse();
        Ok(())
    }
}

#[test]
fn calls_see_whole_locals_and_empty_blocks_do_nothing() {
    let local = || slot(DType::U8, SlotKind::Local { axes: vec![true, true] });
    let slots = vec![slot(DType::U8, SlotKind::Input), local(), local(), slot(DType::U8, SlotKind::Output)];
    let copy = |from, to| {
        let code = vec![Instr::Load { dst: Reg(0), slot: SlotId(from) }, Instr::Store { slot: SlotId(to), src: Arg::Reg(Reg(0)) }];
        Step::Sweep(Sweep { axes: vec![true; 2], code, registers: 1, tile_elements: 4 })
    };
    let steps = vec![copy(0, 1), Step::Call { closure: 0, input: SlotId(1), output: SlotId(2) }, copy(2, 3)];
    let program = Program { slots, accumulators: vec![], steps };
    let prepared = Prepared::new(&program, Isa::detect()).unwrap();
    let mut machine = Machine::new();
    for (shape, want) in [([2, 3], [6u8, 5, 4, 3, 2, 1]), ([0, 3], [0; 6])] {
        let mut output = [0u8; 6];
        let mut operands = [
            Operand::Input { bytes: &[1, 2, 3, 4, 5, 6], first: 0, strides: &[3, 1], byte_offset: 0 },
            Operand::Local,
            Operand::Local,
            Operand::Output { bytes: &mut output, first: 0, strides: &[3, 1], stores: Stores::Cached },
        ];
        let block = BlockContext { space: &[9, 3], start: &[2, 0], shape: &shape };
        machine.run(&prepared, &block, &mut operands, &mut [], &[&Reverse], &mut [0]).unwrap();
        assert_eq!(output, want);
    }
}

#[test]
fn operands_that_do_not_reach_are_an_error_and_malformed_programs_are_refused() {
    let code = vec![Instr::Load { dst: Reg(0), slot: SlotId(0) }];
    let program = simple(vec![slot(DType::F32, SlotKind::Input)], code, 1, 1);
    let prepared = Prepared::new(&program, Isa::Baseline).unwrap();
    for (first, stride) in [(0, 1), (-1, 0), (3, -2)] {
        let mut operands = [Operand::Input { bytes: &[0; 36], first, strides: &[stride], byte_offset: 0 }];
        let block = BlockContext { space: &[10], start: &[0], shape: &[10] };
        assert!(Machine::new().run(&prepared, &block, &mut operands, &mut [], &[], &mut []).is_err());
    }
    let bad = simple(vec![], vec![Instr::Unary { op: UnaryOp::Sqrt, dtype: DType::F32, dst: Reg(0), a: Arg::Reg(Reg(0)) }], 1, 1);
    assert_eq!(bad.verify().unwrap_err(), "step 0: instruction 0: register 0 is read before it is written");
    let undefined =
        simple(vec![], vec![Instr::Unary { op: UnaryOp::Sqrt, dtype: DType::I8, dst: Reg(0), a: Arg::Const(Scalar::Int(1)) }], 1, 1);
    assert!(Prepared::new(&undefined, Isa::Baseline).is_err());
}

#[test]
fn listings_are_stable() {
    let code = vec![
        Instr::Load { dst: Reg(0), slot: SlotId(0) },
        Instr::Binary { op: BinaryOp::LessEqual, dtype: DType::F32, dst: Reg(1), a: Arg::Reg(Reg(0)), b: Arg::Const(Scalar::Float(0.5)) },
        Instr::Cast { from: DType::Bool, to: DType::U8, mode: CastMode::Checked, dst: Reg(1), a: Reg(1) },
    ];
    let program = simple(vec![slot(DType::F32, SlotKind::Input)], code, 2, 2);
    expect_test::expect![[r#"
        s0: input f32
        sweep [0 1], 2 registers of 1024 elements
          r0 = load s0
          r1 = less_equal.f32 r0, 0.5
          r1 = cast.bool.u8 r1 checked
    "#]]
    .assert_eq(&program.to_string());
}
