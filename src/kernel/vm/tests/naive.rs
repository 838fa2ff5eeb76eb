//! An interpreter that walks one element at a time.

use super::cases::{Case, GLOBALS, Memory, Outcome, finish, kept_strides};
use crate::{
    kernel::{
        oracle,
        program::{Accumulation, Arg, Generator, Instr, SlotKind, Step},
    },
    nd::{DType, Scalar},
    numeric::Accumulator,
};

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
                    let reduced = coordinate.iter().zip(&self.case.space).zip(&accumulation.reduced).filter(|(_, reduced)| **reduced);
                    let linear = reduced.fold(0, |sum, ((&at, &length), _)| sum * length as i64 + at as i64);
                    let value = read(src, accumulation.dtype);
                    let state = if accumulation.finishes.is_empty() { &mut self.globals } else { &mut self.local_states };
                    state[index].as_mut().unwrap().absorb_constant(&value, &[], base as usize, linear);
                }
                Instr::ReducePairs { .. } | Instr::Search { .. } | Instr::Group { .. } => unreachable!("not drawn"),
                Instr::Compress { slot, src, mask } => {
                    let index = slot.0 as usize;
                    let value = read(src, program.slots[index].dtype);
                    if read(mask, DType::Bool)[0] != 0 {
                        let byte = self.compressed * value.len();
                        self.memories[index].as_mut().unwrap().bytes[byte..byte + value.len()].copy_from_slice(&value);
                        self.compressed += 1;
                    }
                }
                Instr::Generate { .. } => unreachable!("not in these programs"),
            }
        }
    }
}

pub(super) fn run_naive(case: &Case) -> Outcome {
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
