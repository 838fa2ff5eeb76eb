//! The virtual machine: runs a [`Prepared`] program over one block at a time.
//!
//! Per block: lay out the loop nest of each sweep (`nest`), then run its actions on every tile (`execute`). Nothing is
//! allocated per block once the machine has seen a program; nothing recurses over a program.

mod absorb;
mod action;
mod builder;
mod chain;
mod examine;
mod execute;
mod fuse;
mod group;
mod in_place;
mod layout;
mod nest;
mod pieces;
pub(crate) mod prepare;
mod product;
mod register;
mod rows;
#[cfg(test)]
mod tests;
mod totals;
mod transfer;

pub(crate) use group::GroupKernel;
pub use prepare::Prepared;

use crate::{
    error::{Error, Result},
    kernel::{
        movement::CopyAxis,
        program::{Accumulation, Instr, Program, SlotKind, Step},
        search::SearchTable,
        watch::{Findings, REGISTER_BYTES_MAX},
    },
    nd::{DType, shape::show},
    numeric::{Accumulator, Scan, ScanBlock, TileAxis},
};
use examine::Examiner;
use nest::Nest;
use prepare::PreparedStep;
use register::{Buffer, Register};
use std::{any::Any, ops::Range};

/// Memory bound to a slot for one block, one per slot of the program.
pub enum Operand<'a> {
    /// Bytes of a source.
    Input {
        /// The bytes, at any alignment.
        bytes: &'a [u8],
        /// Index of the block's first element, counted from `byte_offset`.
        first: i64,
        /// Elements between neighbours, per stage axis; 0 where broadcast.
        strides: &'a [i64],
        /// Where element 0 starts.
        byte_offset: usize,
    },
    /// The block's part of an output.
    Output {
        /// The bytes, at any alignment.
        bytes: &'a mut [u8],
        /// Index of the block's first element.
        first: i64,
        /// Elements between neighbours, per stage axis.
        strides: &'a [i64],
        /// How it is written.
        stores: Stores,
    },
    /// The machine's own scratch.
    Local,
}

/// How results are written to memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stores {
    /// Through the cache: somebody reads them soon.
    #[default]
    Cached,
    /// Past the cache, which saves reading every line before it is written.
    Streamed,
}

impl Stores {
    /// How a result of `bytes` that is not read before it is whole is best written.
    #[must_use]
    pub fn of_result(bytes: u64) -> Stores {
        if bytes >= STREAMED_BYTES_MIN { Stores::Streamed } else { Stores::Cached }
    }
}

/// From this size on nothing of a result is left in a cache when it is whole.
const STREAMED_BYTES_MIN: u64 = 32 * 1024 * 1024;

/// Which block of the stage is computed.
#[derive(Clone, Copy, Debug)]
pub struct BlockContext<'a> {
    /// Lengths of the stage's axes.
    pub space: &'a [usize],
    /// First coordinate of the block.
    pub start: &'a [usize],
    /// Lengths of the block.
    pub shape: &'a [usize],
}

/// An accumulator that outlives the block.
pub struct GlobalAccumulator<'a> {
    /// It.
    pub accumulator: &'a mut Accumulator,
    /// Output of the block's first element.
    pub base: i64,
    /// Outputs between neighbours, per stage axis; 0 where reduced.
    pub strides: &'a [i64],
}

/// A scan and where the block's lines are among its states.
pub struct CarriedScan<'a> {
    /// The states.
    pub scan: ScanStates<'a>,
    /// The axis that is scanned.
    pub axis: usize,
    /// Line of the block's first element.
    pub base: usize,
    /// Lines between neighbours, per stage axis; 0 along the scanned one.
    pub steps: &'a [i64],
}

/// The states of the lines of a scan.
pub enum ScanStates<'a> {
    /// Those of a running sum, product or extreme.
    Own(&'a mut Scan),
    /// Those of user code.
    User(&'a mut dyn LineScan),
}

impl ScanStates<'_> {
    /// All lines begin again.
    pub fn reset(&mut self) {
        match self {
            ScanStates::Own(scan) => scan.reset(),
            ScanStates::User(scan) => scan.reset(),
        }
    }
}

/// User code along the lines of a block, with a state per line.
pub trait LineScan: Send {
    /// All lines begin again.
    fn reset(&mut self);
    /// Scans the next block: dense C-order bytes. Every line's blocks come in order.
    fn advance(&mut self, block: &ScanBlock<'_>, input: &[u8], output: &mut [u8]) -> Result<()>;
}

/// User code that takes blocks into a state.
pub trait BlockFold: Send {
    /// Takes the block at `start`: dense C-order bytes.
    fn take(&mut self, start: &[usize], shape: &[usize], input: &[u8]) -> Result<()>;
    /// Takes what another one of the same function has taken.
    fn merge(&mut self, other: Box<dyn BlockFold>) -> Result<()>;
    /// The state itself.
    fn into_state(self: Box<Self>) -> Box<dyn Any + Send>;
    /// Writes the result.
    fn finish(self: Box<Self>, out: &mut [u8]) -> Result<()>;
}

impl dyn BlockFold {
    /// The state, for one of the same function that takes it in.
    pub fn taken<S: 'static>(self: Box<Self>) -> Result<Box<S>> {
        self.into_state().downcast().map_err(|_| Error::internal("a fold is merged with the state of another one"))
    }
}

/// User code over a whole block.
pub trait BlockFunction: Send + Sync {
    /// What errors call it.
    fn name(&self) -> &str;
    /// Computes `output` from `input`: dense C-order bytes of the block at `start`. Functions that only scan or fold have none.
    fn call(&self, _start: &[usize], _shape: &[usize], _input: &[u8], _output: &mut [u8]) -> Result<()> {
        Err(Error::internal(format!("`{}` maps no blocks", self.name())))
    }
    /// States of so many lines, if this is a scan.
    fn scan(&self, _lines: usize) -> Option<Box<dyn LineScan>> {
        None
    }
    /// An empty state, if this folds blocks.
    fn fold(&self) -> Option<Box<dyn BlockFold>> {
        None
    }
}

/// Registers, locals and local accumulators of one worker.
#[derive(Default)]
pub struct Machine {
    program: u64,
    family: u64,
    registers: Vec<Register>,
    /// One per register, and a spare.
    buffers: Vec<Buffer>,
    /// The buffer that is nobody's home now.
    spare: usize,
    /// One per slot; empty but for locals.
    locals: Vec<Buffer>,
    accumulators: Vec<Option<LocalAccumulator>>,
    nest: Nest,
    /// What a product of matrices needs besides its operands.
    multiplying: product::Multiplying,
    steps: Vec<i64>,
    running: Vec<i64>,
    copy_axes: Vec<CopyAxis>,
    tile_axes: Vec<TileAxis>,
    /// One per track: whether it meets new memory along every axis, so that it pays to ask for memory ahead.
    streams: Vec<bool>,
    /// The slots that this tile was loaded from, and what of their next tile has not been asked for.
    ahead: Vec<(usize, Range<usize>)>,
    /// Whether tiles are neither copied nor read twice.
    in_place: bool,
    /// Whether something may have been created in the block.
    alarm: bool,
    /// What was created in all blocks since it was last taken.
    findings: Findings,
    examiner: Option<Box<Examiner>>,
}

struct LocalAccumulator {
    outputs: usize,
    accumulator: Accumulator,
}

impl Machine {
    /// A machine without buffers; they grow with the first block of each program.
    #[must_use]
    pub fn new() -> Machine {
        Machine::default()
    }

    /// Computes one block. `operands` has one entry per slot; `accumulators` one per accumulator without finishes, in program
    /// order; `compressed` one count of elements per output slot, which [`crate::kernel::program::Instr::Compress`] advances.
    ///
    /// Fails where a checked cast meets a value that does not fit, where a function fails, and on operands that do not
    /// belong to the program.
    pub fn run(
        &mut self,
        prepared: &Prepared,
        block: &BlockContext<'_>,
        operands: &mut [Operand<'_>],
        accumulators: &mut [GlobalAccumulator<'_>],
        functions: &[&dyn BlockFunction],
        compressed: &mut [usize],
    ) -> Result<()> {
        self.run_carried(prepared, block, operands, accumulators, functions, (&mut [], &mut []), compressed)
    }

    /// [`Machine::run`] for programs with scans and folds: one entry per scan and per fold of the stage. Blocks of a line come in order.
    #[expect(clippy::too_many_arguments, reason = "a block is bound to all of these")]
    pub fn run_carried(
        &mut self,
        prepared: &Prepared,
        block: &BlockContext<'_>,
        operands: &mut [Operand<'_>],
        accumulators: &mut [GlobalAccumulator<'_>],
        functions: &[&dyn BlockFunction],
        (scans, folds): (&mut [CarriedScan<'_>], &mut [&mut dyn BlockFold]),
        compressed: &mut [usize],
    ) -> Result<()> {
        check_call(prepared, block, operands, accumulators, compressed)?;
        if block.shape.contains(&0) {
            return Ok(());
        }
        let prepared = prepared.of_block(block);
        self.alarm = false;
        self.fit(prepared, block)?;
        for step in &prepared.steps {
            match step {
                PreparedStep::Sweep(sweep) => {
                    if sweep.copies.is_some_and(|local| prepared.in_place(local, block, operands).is_some()) {
                        continue;
                    }
                    execute::Execution { machine: self, prepared, block, operands, accumulators, compressed }.sweep(sweep)?;
                }
                PreparedStep::Call { closure, input, output } => {
                    let function = functions.get(*closure).ok_or_else(|| Error::internal(format!("no closure {closure}")))?;
                    let mut out = std::mem::take(&mut self.locals[*output]);
                    let bytes = prepared.in_place(*input, block, operands).unwrap_or(self.locals[*input].bytes());
                    let result = function.call(block.start, block.shape, bytes, out.bytes_mut());
                    self.locals[*output] = out;
                    result?;
                }
                PreparedStep::Halo { sweep, extra } => {
                    let wider: Vec<usize> = block.shape.iter().zip(extra).map(|(length, extra)| length + extra).collect();
                    let space: Vec<usize> = block.space.iter().zip(extra).map(|(length, extra)| length + extra).collect();
                    let wide = BlockContext { space: &space, start: block.start, shape: &wider };
                    execute::Execution { machine: self, prepared, block: &wide, operands, accumulators, compressed }.sweep(sweep)?;
                }
                PreparedStep::Product(product) => {
                    execute::Execution { machine: self, prepared, block, operands, accumulators, compressed }.product(product)?;
                }
                PreparedStep::Fold { fold, input } => {
                    let fold = folds.get_mut(*fold).ok_or_else(|| Error::internal(format!("no fold {fold}")))?;
                    let bytes = prepared.in_place(*input, block, operands).unwrap_or(self.locals[*input].bytes());
                    fold.take(block.start, block.shape, bytes)?;
                }
                PreparedStep::Scan { scan, input, output } => {
                    let carried = scans.get_mut(*scan).ok_or_else(|| Error::internal(format!("no scan {scan}")))?;
                    let mut out = std::mem::take(&mut self.locals[*output]);
                    let tile = ScanBlock {
                        shape: block.shape,
                        axis: carried.axis,
                        start: block.start[carried.axis],
                        length: block.space[carried.axis],
                        base: carried.base,
                        steps: carried.steps,
                    };
                    let (from, to) = (self.locals[*input].bytes(), out.bytes_mut());
                    let result = match &mut carried.scan {
                        ScanStates::Own(scan) => (prepared.kernels.scan)(scan, &tile, from, to)
                            .map_err(|place| overflow(prepared.slots[*output].dtype, block, place)),
                        ScanStates::User(scan) => scan.advance(&tile, from, to),
                    };
                    self.locals[*output] = out;
                    result?;
                }
            }
        }
        if self.alarm { self.examine(prepared, block, operands) } else { Ok(()) }
    }

    /// What the blocks since the last call created; empty for programs that are not watched.
    pub fn take_findings(&mut self) -> Findings {
        std::mem::take(&mut self.findings)
    }

    /// Bytes of buffers held now (states of accumulators excepted).
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        let own: u64 = self.buffers.iter().chain(&self.locals).map(Buffer::capacity_bytes).sum();
        own + self.multiplying.held_bytes() + self.examiner.as_ref().map_or(0, |examiner| examiner.held_bytes())
    }

    /// Sizes the buffers. Another program's are dropped first: what is held never exceeds what one program needs.
    fn fit(&mut self, prepared: &Prepared, block: &BlockContext<'_>) -> Result<()> {
        if self.family != prepared.family {
            self.family = prepared.family;
            self.locals.clear();
            self.locals.resize_with(prepared.slots.len(), Buffer::default);
        }
        if self.program != prepared.id {
            self.fit_registers(prepared);
        }
        for (buffer, slot) in self.locals.iter_mut().zip(&prepared.slots) {
            let bytes = match &slot.kind {
                SlotKind::Local { axes } => local_bytes(axes, block.shape, slot.dtype.size()),
                SlotKind::Halo { extra } => halo_bytes(extra, block.shape, slot.dtype.size()),
                _ => continue,
            };
            buffer.resize(bytes.ok_or_else(|| Error::internal("a local overflows"))?);
        }
        Ok(())
    }

    fn fit_registers(&mut self, prepared: &Prepared) {
        self.program = prepared.id;
        self.multiplying = product::Multiplying::default();
        self.accumulators.clear();
        self.accumulators.resize_with(prepared.accumulations.len(), || None);
        let needed = Buffer::allocated_bytes(prepared.register_bytes);
        self.buffers.truncate(prepared.registers);
        self.buffers.retain(|buffer| buffer.capacity_bytes() <= needed);
        self.buffers.resize_with(prepared.registers, Buffer::default);
        for buffer in &mut self.buffers {
            buffer.resize(prepared.register_bytes);
        }
        self.spare = prepared.registers.saturating_sub(1);
        self.registers.clear();
        self.registers.extend((0..self.spare).map(|home| Register { home, ..Register::default() }));
    }
}

/// A running sum or product that does not fit at `place` of the block.
#[cold]
fn overflow(dtype: DType, block: &BlockContext<'_>, place: usize) -> Error {
    let mut rest = place;
    let mut index = block.start.to_vec();
    for (at, length) in index.iter_mut().zip(block.shape).rev() {
        *at += rest % length;
        rest /= length;
    }
    Error::data(format!("the running sum or product does not fit {dtype} at index {}", show(&index))).hint("cast to f64 before the scan")
}

fn local_bytes(axes: &[bool], shape: &[usize], size: usize) -> Option<usize> {
    axes.iter().zip(shape).filter(|(walked, _)| **walked).try_fold(size, |product, (_, &length)| product.checked_mul(length))
}

fn halo_bytes(extra: &[usize], shape: &[usize], size: usize) -> Option<usize> {
    extra.iter().zip(shape).try_fold(size, |product, (&extra, &length)| product.checked_mul(length.checked_add(extra)?))
}

fn check_call(
    prepared: &Prepared,
    block: &BlockContext<'_>,
    operands: &[Operand<'_>],
    accumulators: &[GlobalAccumulator<'_>],
    compressed: &[usize],
) -> Result<()> {
    let rank = block.shape.len();
    let globals = prepared.globals.iter().flatten().count();
    let fits = operands.len() == prepared.slots.len()
        && accumulators.len() == globals
        && compressed.len() >= prepared.outputs
        && block.space.len() == rank
        && block.start.len() == rank
        && accumulators.iter().all(|accumulator| accumulator.strides.len() == rank)
        && operands.iter().zip(&prepared.slots).all(|(operand, slot)| match (operand, &slot.kind) {
            (Operand::Input { strides, .. }, SlotKind::Input) | (Operand::Output { strides, .. }, SlotKind::Output) => {
                strides.len() == rank
            }
            (Operand::Local, SlotKind::Local { axes }) => axes.len() == rank,
            (Operand::Local, SlotKind::Halo { extra }) => extra.len() == rank,
            _ => false,
        });
    if fits { Ok(()) } else { Err(Error::internal("operands do not belong to the program")) }
}

/// The most memory that a machine holds for blocks of at most `block_shape`: registers, locals, and states of local accumulators.
#[must_use]
pub fn scratch_bytes_max(program: &Program, block_shape: &[usize]) -> u64 {
    let (registers, bytes) = prepare::register_needs(program);
    let registers = (registers as u64).saturating_mul(Buffer::allocated_bytes(bytes));
    let locals = program.slots.iter().map(|slot| match &slot.kind {
        SlotKind::Local { axes } => local_bytes(axes, block_shape, slot.dtype.size()).map_or(u64::MAX, Buffer::allocated_bytes),
        SlotKind::Halo { extra } => halo_bytes(extra, block_shape, slot.dtype.size()).map_or(u64::MAX, Buffer::allocated_bytes),
        _ => 0,
    });
    let is_held =
        |acc: usize, accumulation: &Accumulation| !accumulation.finishes.is_empty() && !product::is_direct(program, acc, block_shape);
    let accumulators = program.accumulators.iter().enumerate();
    let states = accumulators.filter(|(acc, accumulation)| is_held(*acc, accumulation)).map(|(_, accumulation)| {
        let kept = accumulation.reduced.iter().zip(block_shape).filter(|(reduced, _)| !**reduced);
        let outputs = kept.fold(1usize, |product, (_, &length)| product.saturating_mul(length));
        Accumulator::state_bytes_max(accumulation.kind, accumulation.dtype, outputs)
    });
    let code = program.steps.iter().filter_map(|step| if let Step::Sweep(sweep) = step { Some(&sweep.code) } else { None });
    let tables = code.flatten().filter_map(|instr| match instr {
        Instr::Search { table, .. } => Some(SearchTable::bytes_max(table.len())),
        _ => None,
    });
    let products = std::iter::once(product::bytes_max(program, block_shape));
    // Room to look into what a block created.
    locals.chain(states).chain(tables).chain(products).fold(registers.saturating_add(REGISTER_BYTES_MAX as u64), u64::saturating_add)
}
