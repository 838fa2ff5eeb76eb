//! Random programs, memory in random layouts, and what a machine leaves behind.

use crate::{
    kernel::{
        Isa,
        oracle::{self, Bits},
        program::{
            AccId, Accumulation, Arg, BinaryOp, CastMode, Generator, Instr, Program, Reg, Slot, SlotId, SlotKind, Step, Sweep, UnaryOp,
        },
        vm::{BlockContext, GlobalAccumulator, Machine, Operand, Prepared, Stores, scratch_bytes_max},
    },
    nd::{DType, Scalar},
    numeric::{Accumulator, AccumulatorKind, Finish},
};

/// Memory of one slot as a test owns it.
#[derive(Clone)]
pub(super) struct Memory {
    pub bytes: Vec<u8>,
    pub first: i64,
    pub strides: Vec<i64>,
    pub byte_offset: usize,
}

/// Room for `shape` in a random layout: permuted, flipped, stepped, and for inputs broadcast and misaligned.
fn memory(dtype: DType, shape: &[usize], input: bool, bits: &mut Bits) -> Memory {
    let mut order: Vec<usize> = (0..shape.len()).collect();
    if bits.below(3) == 0 {
        for axis in 0..order.len() {
            order.swap(axis, bits.below(shape.len()));
        }
    }
    let mut strides = vec![0i64; shape.len()];
    let (mut next, mut first) = (1i64, 0i64);
    for &axis in order.iter().rev() {
        if input && bits.below(4) == 0 {
            continue;
        }
        if bits.below(5) == 0 {
            next *= 1 + bits.below(3) as i64;
        }
        strides[axis] = next;
        next *= shape[axis].max(1) as i64;
        if bits.below(5) == 0 {
            first += strides[axis] * (shape[axis].max(1) as i64 - 1);
            strides[axis] = -strides[axis];
        }
    }
    let byte_offset = if input && bits.below(3) == 0 { bits.below(9) } else { 0 };
    let mut bytes = vec![0xa5; byte_offset];
    bytes.extend(oracle::elements(dtype, next as usize, bits));
    Memory { bytes, first, strides, byte_offset }
}

pub(super) struct Case {
    pub program: Program,
    pub shape: Vec<usize>,
    pub start: Vec<usize>,
    pub space: Vec<usize>,
    pub memories: Vec<Option<Memory>>,
    pub stores: Stores,
}

pub(super) const GLOBALS: usize = 2;

pub(super) fn random_case(bits: &mut Bits) -> Case {
    let rank = bits.below(4);
    let shape: Vec<usize> = (0..rank).map(|_| [1, 2, 3, 7, 16, 33, 40, 700][bits.below(if rank < 3 { 8 } else { 6 })]).collect();
    let start: Vec<usize> = shape.iter().map(|_| bits.below(5)).collect();
    let space = shape.iter().zip(&start).map(|(length, start)| length + start + bits.below(3)).collect();
    let dtype = [DType::F32, DType::F64, DType::I32, DType::U8, DType::F16, DType::I64, DType::I16][bits.below(7)];
    let flags = |bits: &mut Bits| -> Vec<bool> { (0..rank).map(|_| bits.below(2) == 0).collect() };
    let reduced = flags(bits);
    let kept: Vec<bool> = reduced.iter().map(|reduced| !reduced).collect();
    let slot = |dtype, kind| Slot { dtype, kind, swapped: false };
    let mut slots = vec![
        Slot { dtype, kind: SlotKind::Input, swapped: bits.below(3) == 0 },
        slot(dtype, SlotKind::Input),
        slot(dtype, SlotKind::Output),
        slot(DType::Bool, SlotKind::Output),
        slot(dtype, SlotKind::Local { axes: kept }),
        slot(dtype, SlotKind::Local { axes: vec![true; rank] }),
        slot(dtype, SlotKind::Output),
        slot(dtype, SlotKind::Output),
    ];
    slots[1].swapped = false;
    let local = Accumulation { kind: AccumulatorKind::Max, dtype, reduced, groups: 1, finishes: vec![(Finish::Max, SlotId(4))] };
    let global = |kind, dtype, bits: &mut Bits| Accumulation { kind, dtype, reduced: flags(bits), groups: 1, finishes: vec![] };
    let accumulators = vec![
        local,
        global(AccumulatorKind::Min, dtype, bits),
        global([AccumulatorKind::FirstFalse, AccumulatorKind::CountNonzero][bits.below(2)], DType::Bool, bits),
    ];
    let tile_elements = [1, 5, 64, 1024][bits.below(4)];
    let mut code = vec![Instr::Load { dst: Reg(0), slot: SlotId(0) }, Instr::Load { dst: Reg(1), slot: SlotId(1) }];
    let strides = (0..rank).map(|_| bits.below(7) as i64 - 3).collect();
    let generator = Generator::Arange { start: Scalar::Int(3), step: Scalar::Int(2) };
    code.push(Instr::Generate { dst: Reg(2), dtype, generator, offset: 40, strides });
    let ops = [BinaryOp::Add, BinaryOp::Subtract, BinaryOp::Multiply, BinaryOp::Minimum, BinaryOp::Maximum];
    for _ in 0..bits.below(12) {
        let arg = |bits: &mut Bits| if bits.below(5) == 0 { Arg::Const(Scalar::Int(2)) } else { Arg::Reg(Reg(bits.below(3) as u32)) };
        let dst = Reg(bits.below(3) as u32);
        code.push(match bits.below(3) {
            0 => Instr::Unary { op: [UnaryOp::Negative, UnaryOp::Square][bits.below(2)], dtype, dst, a: arg(bits) },
            _ => Instr::Binary { op: ops[bits.below(5)], dtype, dst, a: arg(bits), b: Arg::Reg(Reg(bits.below(3) as u32)) },
        });
    }
    code.extend([
        Instr::Binary { op: BinaryOp::Greater, dtype, dst: Reg(3), a: Arg::Reg(Reg(0)), b: Arg::Reg(Reg(1)) },
        Instr::Select { dtype, dst: Reg(4), mask: Reg(3), a: Arg::Reg(Reg(2)), b: Arg::Const(Scalar::Int(5)) },
        Instr::Store { slot: SlotId(2), src: Arg::Reg(Reg(4)) },
        Instr::Store { slot: SlotId(3), src: Arg::Reg(Reg(3)) },
        Instr::Store { slot: SlotId(5), src: Arg::Reg(Reg(0)) },
        Instr::Reduce { acc: AccId(0), src: Arg::Reg(Reg(4)) },
        Instr::Reduce { acc: AccId(1), src: Arg::Reg(Reg(1)) },
        Instr::Reduce { acc: AccId(2), src: Arg::Reg(Reg(3)) },
    ]);
    let first = Sweep { axes: vec![true; rank], code, registers: 5, tile_elements };
    let code = vec![
        Instr::Load { dst: Reg(0), slot: SlotId(4) },
        Instr::Load { dst: Reg(1), slot: SlotId(5) },
        Instr::Cast { from: dtype, to: DType::U8, mode: CastMode::Wrap, dst: Reg(2), a: Reg(1) },
        Instr::Cast { from: DType::U8, to: dtype, mode: CastMode::Wrap, dst: Reg(2), a: Reg(2) },
        Instr::Binary { op: BinaryOp::Add, dtype, dst: Reg(1), a: Arg::Reg(Reg(0)), b: Arg::Reg(Reg(2)) },
        Instr::Store { slot: SlotId(6), src: Arg::Reg(Reg(1)) },
        Instr::Binary { op: BinaryOp::Less, dtype, dst: Reg(3), a: Arg::Reg(Reg(2)), b: Arg::Const(Scalar::Int(99)) },
        Instr::Compress { slot: SlotId(7), src: Arg::Reg(Reg(1)), mask: Arg::Reg(Reg(3)) },
    ];
    let second = Sweep { axes: vec![true; rank], code, registers: 4, tile_elements };
    let program = Program { slots, accumulators, steps: vec![Step::Sweep(first), Step::Sweep(second)] };
    let memories = program
        .slots
        .iter()
        .enumerate()
        .map(|(index, slot)| match slot.kind {
            SlotKind::Input => Some(memory(slot.dtype, &shape, true, bits)),
            SlotKind::Output if index == 7 => Some(Memory {
                bytes: vec![0; slot.dtype.size() * shape.iter().product::<usize>()],
                first: 0,
                strides: vec![0; rank],
                byte_offset: 0,
            }),
            SlotKind::Output => Some(memory(slot.dtype, &shape, false, bits)),
            SlotKind::Local { .. } | SlotKind::Halo { .. } => None,
        })
        .collect();
    let stores = [Stores::Cached, Stores::Streamed][bits.below(2)];
    Case { program, shape, start, space, memories, stores }
}

/// Outputs of a global accumulator: dense over the axes it keeps.
pub(super) fn kept_strides(shape: &[usize], kept: impl Fn(usize) -> bool) -> (Vec<i64>, usize) {
    let (mut strides, mut next) = (vec![0; shape.len()], 1);
    for axis in (0..shape.len()).rev() {
        if kept(axis) {
            strides[axis] = next as i64;
            next *= shape[axis];
        }
    }
    (strides, next)
}

/// What a run leaves behind: outputs, finished global accumulators, and the number of compressed elements.
pub(super) type Outcome = (Vec<Vec<u8>>, Vec<Vec<u8>>, usize);

pub(super) fn finish(program: &Program, accumulators: &[Accumulator], shape: &[usize]) -> Vec<Vec<u8>> {
    let globals = program.accumulators.iter().filter(|accumulation| accumulation.finishes.is_empty());
    globals
        .zip(accumulators)
        .map(|(accumulation, accumulator)| {
            let (_, outputs) = kept_strides(shape, |axis| !accumulation.reduced[axis]);
            let (what, dtype) = match accumulation.kind {
                AccumulatorKind::FirstFalse => (Finish::FirstFalse, DType::I64),
                AccumulatorKind::CountNonzero => (Finish::CountNonzero, DType::I64),
                _ => (Finish::Min, accumulation.dtype),
            };
            let mut out = vec![0; outputs * dtype.size()];
            accumulator.finish(what, dtype, 0, outputs, &mut out).unwrap();
            out
        })
        .collect()
}

pub(super) fn run_machine(machine: &mut Machine, case: &Case, isa: Isa) -> Outcome {
    let prepared = Prepared::watched(&case.program, isa).unwrap();
    let mut memories = case.memories.clone();
    let globals = || case.program.accumulators.iter().filter(|accumulation| accumulation.finishes.is_empty());
    let layouts: Vec<_> = globals().map(|acc| kept_strides(&case.shape, |axis| !acc.reduced[axis])).collect();
    let mut states: Vec<_> =
        globals().zip(&layouts).map(|(acc, layout)| Accumulator::new(acc.kind, acc.dtype, layout.1).unwrap()).collect();
    let mut compressed = vec![0; 4];
    {
        let mut operands: Vec<Operand<'_>> = case
            .program
            .slots
            .iter()
            .zip(&mut memories)
            .map(|(slot, memory)| match (&slot.kind, memory) {
                (SlotKind::Input, Some(memory)) => {
                    Operand::Input { bytes: &memory.bytes, first: memory.first, strides: &memory.strides, byte_offset: memory.byte_offset }
                }
                (SlotKind::Output, Some(memory)) => {
                    Operand::Output { bytes: &mut memory.bytes, first: memory.first, strides: &memory.strides, stores: case.stores }
                }
                _ => Operand::Local,
            })
            .collect();
        let mut accumulators: Vec<_> = states
            .iter_mut()
            .zip(&layouts)
            .map(|(accumulator, layout)| GlobalAccumulator { accumulator, base: 0, strides: &layout.0 })
            .collect();
        let block = BlockContext { space: &case.space, start: &case.start, shape: &case.shape };
        machine.run(&prepared, &block, &mut operands, &mut accumulators, &[], &mut compressed).unwrap();
    }
    assert!(machine.held_bytes() <= scratch_bytes_max(&case.program, &case.shape));
    let outputs = memories.into_iter().zip(&case.program.slots).filter(|(_, slot)| slot.kind == SlotKind::Output);
    (outputs.map(|(memory, _)| memory.unwrap().bytes).collect(), finish(&case.program, &states, &case.shape), compressed[3])
}
