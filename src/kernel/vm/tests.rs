//! Random programs over random layouts against a naive interpreter that walks one element at a time.

use super::{BlockContext, BlockFunction, GlobalAccumulator, Machine, Operand, Prepared, scratch_bytes_max};
use crate::{
    error::Result,
    kernel::{
        Isa,
        oracle::{self, Bits},
        program::{
            AccId, Accumulation, Arg, BinaryOp, CastMode, Generator, Instr, Program, Reg, Slot, SlotId, SlotKind, Step, Sweep, UnaryOp,
        },
    },
    nd::{DType, Scalar},
    numeric::{Accumulator, AccumulatorKind, Finish},
};

/// Memory of one slot as a test owns it.
#[derive(Clone)]
struct Memory {
    bytes: Vec<u8>,
    first: i64,
    strides: Vec<i64>,
    byte_offset: usize,
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

struct Case {
    program: Program,
    shape: Vec<usize>,
    start: Vec<usize>,
    space: Vec<usize>,
    memories: Vec<Option<Memory>>,
}

const GLOBALS: usize = 2;

fn random_case(bits: &mut Bits) -> Case {
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
            SlotKind::Local { .. } => None,
        })
        .collect();
    Case { program, shape, start, space, memories }
}

/// Outputs of a global accumulator: dense over the axes it keeps.
fn kept_strides(shape: &[usize], kept: impl Fn(usize) -> bool) -> (Vec<i64>, usize) {
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
type Outcome = (Vec<Vec<u8>>, Vec<Vec<u8>>, usize);

fn finish(program: &Program, accumulators: &[Accumulator], shape: &[usize]) -> Vec<Vec<u8>> {
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

fn run_machine(machine: &mut Machine, case: &Case, isa: Isa) -> Outcome {
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
                    Operand::Output { bytes: &mut memory.bytes, first: memory.first, strides: &memory.strides }
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

/// The naive interpreter.
struct Naive<'c> {
    case: &'c Case,
    memories: Vec<Option<Memory>>,
    locals: Vec<Vec<u8>>,
    local_states: Vec<Option<Accumulator>>,
    globals: Vec<Option<Accumulator>>,
    compressed: usize,
}

impl Naive<'_> {
    fn address(&self, slot: usize, at: &[usize]) -> usize {
        let dtype = self.case.program.slots[slot].dtype;
        let (strides, first, offset) = match (&self.memories[slot], &self.case.program.slots[slot].kind) {
            (Some(memory), _) => (memory.strides.clone(), memory.first, memory.byte_offset),
            (None, SlotKind::Local { axes }) => (kept_strides(&self.case.shape, |axis| axes[axis]).0, 0, 0),
            _ => unreachable!("no memory"),
        };
        let element = first + at.iter().zip(&strides).map(|(&at, stride)| at as i64 * stride).sum::<i64>();
        offset + element as usize * dtype.size()
    }

    fn element(&mut self, code: &[Instr], at: &[usize]) {
        let program = &self.case.program;
        let mut registers: Vec<Vec<u8>> = vec![vec![]; 8];
        let coordinate: Vec<usize> = at.iter().zip(&self.case.start).map(|(at, start)| at + start).collect();
        for instr in code {
            let read = |arg: &Arg, dtype: DType| match arg {
                Arg::Reg(reg) => registers[reg.0 as usize].clone(),
                Arg::Const(value) => value.to_bytes(dtype),
            };
            match instr {
                Instr::Load { dst, slot } => {
                    let index = slot.0 as usize;
                    let (byte, size) = (self.address(index, at), program.slots[index].dtype.size());
                    let bytes = self.memories[index].as_ref().map_or(&self.locals[index], |memory| &memory.bytes);
                    let mut value = bytes[byte..byte + size].to_vec();
                    if program.slots[index].swapped {
                        value.reverse();
                    }
                    registers[dst.0 as usize] = value;
                }
                Instr::Generate { dst, dtype, generator: Generator::Arange { start, step }, offset, strides } => {
                    let index = offset + coordinate.iter().zip(strides).map(|(&at, stride)| at as i64 * stride).sum::<i64>();
                    registers[dst.0 as usize] = Scalar::Int(start.to_i128() + i128::from(index) * step.to_i128()).to_bytes(*dtype);
                }
                Instr::Unary { op, dtype, dst, a } => registers[dst.0 as usize] = oracle::unary(*op, *dtype, &read(a, *dtype)).unwrap(),
                Instr::Binary { op, dtype, dst, a, b } => {
                    registers[dst.0 as usize] = oracle::binary(*op, *dtype, &read(a, *dtype), &read(b, *dtype)).unwrap();
                }
                Instr::Select { dtype, dst, mask, a, b } => {
                    let chosen = if registers[mask.0 as usize][0] != 0 { a } else { b };
                    registers[dst.0 as usize] = read(chosen, *dtype);
                }
                Instr::Cast { from, to, dst, a, .. } => {
                    let value = match oracle::get(*from, &registers[a.0 as usize]) {
                        oracle::Value::Int(value) => Scalar::Int(value),
                        oracle::Value::F32(value) if value.is_nan() || value.abs() > 1e36 => Scalar::Int(0),
                        oracle::Value::F32(value) => Scalar::Int(value as i128),
                        oracle::Value::F64(value) if value.is_nan() || value.abs() > 1e36 => Scalar::Int(0),
                        oracle::Value::F64(value) => Scalar::Int(value as i128),
                    };
                    registers[dst.0 as usize] = value.to_bytes(*to);
                }
                Instr::Store { slot, src } => {
                    let index = slot.0 as usize;
                    let (byte, value) = (self.address(index, at), read(src, program.slots[index].dtype));
                    let bytes = self.memories[index].as_mut().map_or(&mut self.locals[index], |memory| &mut memory.bytes);
                    bytes[byte..byte + value.len()].copy_from_slice(&value);
                }
                Instr::Reduce { acc, src } => {
                    let index = acc.0 as usize;
                    let accumulation = &program.accumulators[index];
                    let (strides, _) = kept_strides(&self.case.shape, |axis| !accumulation.reduced[axis]);
                    let base = at.iter().zip(&strides).map(|(&at, stride)| at as i64 * stride).sum::<i64>();
                    let linear = coordinate.iter().zip(&self.case.space).fold(0, |sum, (&at, &length)| sum * length as i64 + at as i64);
                    let value = read(src, accumulation.dtype);
                    let state = if accumulation.finishes.is_empty() { &mut self.globals } else { &mut self.local_states };
                    state[index].as_mut().unwrap().absorb_constant(&value, &[], base as usize, linear);
                }
                Instr::Compress { slot, src, mask } => {
                    let index = slot.0 as usize;
                    let value = read(src, program.slots[index].dtype);
                    if read(mask, DType::Bool)[0] != 0 {
                        let byte = self.compressed * value.len();
                        self.memories[index].as_mut().unwrap().bytes[byte..byte + value.len()].copy_from_slice(&value);
                        self.compressed += 1;
                    }
                }
                Instr::Generate { .. } | Instr::Search { .. } | Instr::Group { .. } => unreachable!("not in these programs"),
            }
        }
    }
}

fn run_naive(case: &Case) -> Outcome {
    let program = &case.program;
    let count: usize = case.shape.iter().product();
    let state = |accumulation: &Accumulation| {
        Some(
            Accumulator::new(accumulation.kind, accumulation.dtype, kept_strides(&case.shape, |axis| !accumulation.reduced[axis]).1)
                .unwrap(),
        )
    };
    let mut naive = Naive {
        case,
        memories: case.memories.clone(),
        locals: program.slots.iter().map(|slot| vec![0; count * slot.dtype.size()]).collect(),
        local_states: program.accumulators.iter().map(state).collect(),
        globals: program.accumulators.iter().map(state).collect(),
        compressed: 0,
    };
    for step in &program.steps {
        let Step::Sweep(sweep) = step else { continue };
        for index in 0..count {
            let mut at = vec![0; case.shape.len()];
            let mut rest = index;
            for axis in (0..at.len()).rev() {
                at[axis] = rest % case.shape[axis];
                rest /= case.shape[axis];
            }
            naive.element(&sweep.code, &at);
        }
        for (accumulation, state) in program.accumulators.iter().zip(&naive.local_states) {
            for (what, slot) in &accumulation.finishes {
                let outputs = kept_strides(&case.shape, |axis| !accumulation.reduced[axis]).1;
                let dtype = program.slots[slot.0 as usize].dtype;
                let out = &mut naive.locals[slot.0 as usize][..outputs * dtype.size()];
                state.as_ref().unwrap().finish(*what, dtype, 0, outputs, out).unwrap();
            }
        }
    }
    let globals: Vec<Accumulator> = naive
        .globals
        .into_iter()
        .zip(&program.accumulators)
        .filter(|(_, accumulation)| accumulation.finishes.is_empty())
        .filter_map(|(state, _)| state)
        .collect();
    assert_eq!(globals.len(), GLOBALS);
    let outputs = naive.memories.into_iter().zip(&program.slots).filter(|(_, slot)| slot.kind == SlotKind::Output);
    (outputs.map(|(memory, _)| memory.unwrap().bytes).collect(), finish(program, &globals, &case.shape), naive.compressed)
}

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
    for seed in 0..250 {
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
    let one = Arg::Const(Scalar::Int(1));
    code.extend((0..100_000).map(|_| Instr::Binary { op: BinaryOp::Add, dtype: DType::I64, dst: Reg(0), a: Arg::Reg(Reg(0)), b: one }));
    code.push(Instr::Store { slot: SlotId(1), src: Arg::Reg(Reg(0)) });
    let program = simple(vec![slot(DType::I64, SlotKind::Input), slot(DType::I64, SlotKind::Output)], code, 1, 1);
    let prepared = Prepared::new(&program, Isa::detect()).unwrap();
    let input: Vec<i64> = (0..10).collect();
    let mut output = vec![0i64; 10];
    let mut operands = [
        Operand::Input { bytes: bytemuck::cast_slice(&input), first: 0, strides: &[1], byte_offset: 0 },
        Operand::Output { bytes: bytemuck::cast_slice_mut(&mut output), first: 0, strides: &[1] },
    ];
    let block = BlockContext { space: &[10], start: &[0], shape: &[10] };
    Machine::new().run(&prepared, &block, &mut operands, &mut [], &[], &mut [0]).unwrap();
    assert_eq!(output, (100_000..100_010).collect::<Vec<_>>());
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
            Operand::Output { bytes: &mut output, first: 0, strides: &[3, 1] },
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
