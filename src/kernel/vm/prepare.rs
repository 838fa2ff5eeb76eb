//! A program resolved for one instruction set: function pointers, tracks, and what a machine must hold.

use super::{fuse::fuse, group::GroupAction, nest::Order};
use crate::{
    error::{Error, Result},
    kernel::{
        chain::{CHAIN_MAX, ChainKernel, Link},
        formula::SumKernels,
        program::{Accumulation, Arg, BinaryOp, CastMode, Generator, Instr, Program, Reg, Slot, SlotId, SlotKind, Step, Sweep, UnaryOp},
        search::{SearchKernel, SearchTable},
        simd::{BinaryKernels, CastKernel, Isa, Kernels, SelectKernels, UnaryKernel, kernels},
        watch::{EventCheck, TileCheck, Watch, binary_check, cast_check, unary_check},
    },
    nd::{DType, Scalar},
    numeric::{AccumulatorKind, Outside},
};
use std::sync::atomic::{AtomicU64, Ordering};

/// A program with its function pointers, made once and shared by all workers.
pub struct Prepared {
    /// Distinguishes programs, so that a machine knows when its buffers are another program's.
    pub(super) id: u64,
    pub(super) slots: Vec<Slot>,
    pub(super) accumulations: Vec<Accumulation>,
    /// Position among the global accumulators, per accumulator.
    pub(super) globals: Vec<Option<usize>>,
    pub(super) steps: Vec<PreparedStep>,
    pub(super) kernels: Kernels,
    pub(super) registers: usize,
    pub(super) register_bytes: usize,
    pub(super) outputs: usize,
    /// What counts NaN and infinities that are created, and events of integers.
    pub(super) watch: Option<Box<Watch>>,
}

pub(super) enum PreparedStep {
    Sweep(PreparedSweep),
    Call { closure: usize, input: usize, output: usize },
}

pub(super) struct PreparedSweep {
    pub axes: Vec<bool>,
    pub tile_elements: usize,
    /// C order where something asks for the first element of a kind.
    pub order: Order,
    pub tracks: Vec<Track>,
    pub code: Vec<Operation>,
    /// Whether the code is one operation on what is loaded, whose result goes to memory: then no tile has to stay in the cache.
    pub passes_once: bool,
    /// Local accumulators that are absorbed into here and finish at the end.
    pub finishing: Vec<usize>,
    /// Sums that are asked at the end whether they took anything that is not finite.
    pub sums: Vec<usize>,
}

/// Something whose position moves with the coordinates.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Track {
    /// Elements of a slot.
    Slot(usize),
    /// Outputs of an accumulator.
    Accumulator(usize),
    /// The linear index in the stage's space.
    Index,
    /// The index of a generator.
    Generator { offset: i64, strides: Vec<i64> },
}

/// Where an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Register(usize),
    /// Bytes of one element, at the front.
    Constant([u64; 1]),
}

impl Source {
    #[inline]
    pub fn is(&self, register: usize) -> bool {
        *self == Source::Register(register)
    }
}

/// An action, and where its result goes instead of a register: a value that is stored at once and never read again is computed
/// straight into an output that is dense and aligned.
pub(super) struct Operation {
    pub action: Action,
    pub direct: Option<Direct>,
}

/// The place of a stored tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direct {
    pub slot: usize,
    pub track: usize,
    pub size: usize,
    /// Whether any element of the tile is not finite, where that is asked.
    pub check: Option<TileCheck>,
}

/// Loads of this many operands have a register of their own, which keeps a tile for as long as the operand does not move.
const KEPT_LOADS_MAX: usize = 6;

pub(super) enum Action {
    Load {
        dst: usize,
        slot: usize,
        track: usize,
        size: usize,
        swap: Option<fn(&mut [u8])>,
        borrows: bool,
        keeps: bool,
    },
    Generate {
        dst: usize,
        dtype: DType,
        generator: Generator,
        track: usize,
    },
    Unary {
        op: UnaryOp,
        dtype: DType,
        dst: usize,
        a: Source,
        kernel: UnaryKernel,
        size: usize,
        out_size: usize,
        event: Option<EventCheck>,
    },
    Binary {
        op: BinaryOp,
        dtype: DType,
        dst: usize,
        a: Source,
        b: Source,
        kernels: BinaryKernels,
        size: usize,
        out_size: usize,
        event: Option<EventCheck>,
    },
    Search {
        dst: usize,
        a: Source,
        table: Box<SearchTable>,
        kernel: SearchKernel,
        size: usize,
        out_size: usize,
    },
    Select {
        dst: usize,
        mask: Source,
        a: Source,
        b: Source,
        kernels: SelectKernels,
        size: usize,
    },
    Cast {
        dst: usize,
        a: Source,
        kernel: CastKernel,
        from: DType,
        to: DType,
        event: Option<EventCheck>,
    },
    Store {
        slot: usize,
        track: usize,
        src: Source,
        size: usize,
        check: Option<TileCheck>,
    },
    Reduce {
        acc: usize,
        track: usize,
        index: Option<usize>,
        src: Source,
        size: usize,
        check: Option<TileCheck>,
    },
    Group(GroupAction),
    Compress {
        slot: usize,
        ordinal: usize,
        src: Source,
        mask: Source,
        size: usize,
        check: Option<TileCheck>,
    },
    /// Adds a formula to one output and skips the operations that follow, which do the same one by one; where that cannot be,
    /// it does nothing and they run.
    SumOf {
        acc: usize,
        track: usize,
        a: Source,
        b: Source,
        size: usize,
        kernels: SumKernels,
        skip: usize,
    },
    /// Operations that hand one value on: see [`crate::kernel::chain`].
    Chain(Chain),
}

/// The operations of a chain, in order. Of the arrays, what lies behind them is of no account.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    pub dtype: DType,
    pub dst: usize,
    pub kernel: ChainKernel,
    pub length: usize,
    pub links: [Link; CHAIN_MAX],
    /// The first running value, and the other operand of every operation.
    pub operands: [Source; CHAIN_MAX + 1],
}

impl Action {
    pub(super) fn for_sources(&mut self, mut visit: impl FnMut(&mut Source)) {
        match self {
            Action::Load { .. } | Action::Generate { .. } => {}
            Action::Unary { a, .. } | Action::Cast { a, .. } | Action::Search { a, .. } => visit(a),
            Action::Store { src, .. } | Action::Reduce { src, .. } => visit(src),
            Action::Binary { a, b, .. } | Action::SumOf { a, b, .. } => [a, b].into_iter().for_each(visit),
            Action::Select { mask, a, b, .. } => [mask, a, b].into_iter().for_each(visit),
            Action::Compress { src, mask, .. } => [src, mask].into_iter().for_each(&mut visit),
            Action::Group(group) => [&mut group.src, &mut group.labels].into_iter().for_each(visit),
            Action::Chain(chain) => chain.operands[..=chain.length].iter_mut().for_each(visit),
        }
    }

    fn rename_sources(&mut self, homes: &[usize]) {
        self.for_sources(|source| {
            if let Source::Register(register) = source {
                *register = homes[*register];
            }
        });
    }

    pub(super) fn destination(&self) -> Option<usize> {
        match self {
            Action::Load { dst, .. }
            | Action::Generate { dst, .. }
            | Action::Unary { dst, .. }
            | Action::Binary { dst, .. }
            | Action::Select { dst, .. }
            | Action::Cast { dst, .. }
            | Action::Search { dst, .. }
            | Action::Chain(Chain { dst, .. }) => Some(*dst),
            Action::Store { .. } | Action::Reduce { .. } | Action::Group(_) | Action::Compress { .. } | Action::SumOf { .. } => None,
        }
    }

    /// Has the tile that is handed out asked.
    fn ask(&mut self, special: Option<TileCheck>) {
        if let Action::Store { check, .. } | Action::Reduce { check, .. } | Action::Compress { check, .. } = self {
            *check = special;
        } else if let Action::Group(group) = self {
            group.check = special;
        }
    }

    /// Whether this is a kernel that writes `register`.
    pub(super) fn computes(&self, register: usize) -> bool {
        !matches!(self, Action::Load { .. } | Action::Generate { .. }) && self.destination() == Some(register)
    }
}

impl Prepared {
    /// Resolves `program` for `isa` (for the baseline where this CPU lacks it). Fails on a program that [`Program::verify`] rejects.
    pub fn new(program: &Program, isa: Isa) -> Result<Prepared> {
        Self::with(program, isa, None)
    }

    /// As [`Prepared::new`]; machines also count what the program creates ([`crate::kernel::watch`]).
    pub fn watched(program: &Program, isa: Isa) -> Result<Prepared> {
        verify(program)?;
        Self::with(program, isa, Watch::new(program, isa)?)
    }

    fn with(program: &Program, isa: Isa, watch: Option<Watch>) -> Result<Prepared> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        verify(program)?;
        let mut next_global = 0;
        let globals = program
            .accumulators
            .iter()
            .map(|accumulation| {
                let global = accumulation.finishes.is_empty();
                next_global += usize::from(global);
                global.then(|| next_global - 1)
            })
            .collect();
        let kernels = kernels(isa);
        let builder = Builder { program, kernels, watch: watch.as_ref() };
        let steps = program.steps.iter().enumerate().map(|(index, step)| builder.step(index, step)).collect::<Result<_>>()?;
        let (registers, register_bytes) = register_needs(program);
        Ok(Prepared {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            slots: program.slots.clone(),
            accumulations: program.accumulators.clone(),
            globals,
            steps,
            kernels,
            registers,
            register_bytes,
            outputs: program.slots.iter().filter(|slot| slot.kind == SlotKind::Output).count(),
            watch: watch.map(Box::new),
        })
    }
}

fn verify(program: &Program) -> Result<()> {
    program.verify().map_err(|what| Error::internal(format!("malformed program: {what}")))
}

/// Registers of the largest sweep with the spare, and bytes of each.
pub(super) fn register_needs(program: &Program) -> (usize, usize) {
    let (mut registers, mut bytes) = (0, 0);
    for step in &program.steps {
        let Step::Sweep(sweep) = step else { continue };
        registers = registers.max(sweep.registers as usize + kept_loads(sweep, program) + 1);
        let widest = sweep.code.iter().filter_map(|instr| written(instr, program)).map(|(_, dtype)| dtype.size()).max().unwrap_or(0);
        bytes = bytes.max(widest * sweep.tile_elements);
    }
    (registers, bytes)
}

/// See [`PreparedSweep::passes_once`].
fn passes_once(code: &[Operation]) -> bool {
    let Some((last, loads)) = code.split_last() else { return false };
    let stores = last.direct.is_some() || matches!(last.action, Action::Store { .. });
    stores && loads.iter().all(|load| matches!(load.action, Action::Load { borrows: true, swap: None, .. }))
}

/// Compressed elements are written in C order, and of all faults the first is reported.
fn needs_order(instr: &Instr) -> bool {
    match instr {
        Instr::Compress { .. } | Instr::Group { outside: Outside::Refuse, .. } => true,
        Instr::Cast { from, to, mode, .. } => *mode == CastMode::Checked && from.is_float() && to.is_integer(),
        _ => false,
    }
}

/// How many loads of a sweep have a register of their own.
fn kept_loads(sweep: &Sweep, program: &Program) -> usize {
    sweep.code.iter().filter(|instr| is_input_load(instr, program)).take(KEPT_LOADS_MAX).count()
}

fn is_input_load(instr: &Instr, program: &Program) -> bool {
    matches!(instr, Instr::Load { slot, .. } if program.slots[slot.0 as usize].kind == SlotKind::Input)
}

/// The register an instruction writes and the dtype it then has.
pub(crate) fn written(instr: &Instr, program: &Program) -> Option<(Reg, DType)> {
    match instr {
        Instr::Load { dst, slot } => program.slots.get(slot.0 as usize).map(|slot| (*dst, slot.dtype)),
        Instr::Generate { dst, dtype, .. } | Instr::Select { dtype, dst, .. } => Some((*dst, *dtype)),
        Instr::Unary { op, dtype, dst, .. } => Some((*dst, op.result(*dtype))),
        Instr::Binary { op, dtype, dst, .. } => Some((*dst, op.result(*dtype))),
        Instr::Cast { to, dst, .. } => Some((*dst, *to)),
        Instr::Search { search, dst, .. } => Some((*dst, search.result())),
        Instr::Store { .. } | Instr::Reduce { .. } | Instr::Group { .. } | Instr::Compress { .. } => None,
    }
}

/// A constant as the front bytes of a word.
pub(super) fn constant(value: Scalar, dtype: DType) -> [u64; 1] {
    let mut word = [0u64; 1];
    bytemuck::cast_slice_mut::<u64, u8>(&mut word)[..dtype.size()].copy_from_slice(&value.to_bytes(dtype));
    word
}

struct Builder<'p> {
    program: &'p Program,
    kernels: Kernels,
    watch: Option<&'p Watch>,
}

impl Builder<'_> {
    fn step(&self, index: usize, step: &Step) -> Result<PreparedStep> {
        match step {
            Step::Sweep(sweep) => self.sweep(index, sweep).map(PreparedStep::Sweep),
            Step::Call { closure, input, output } => {
                Ok(PreparedStep::Call { closure: *closure, input: input.0 as usize, output: output.0 as usize })
            }
        }
    }

    fn sweep(&self, step: usize, sweep: &Sweep) -> Result<PreparedSweep> {
        let mut made = PreparedSweep {
            axes: sweep.axes.clone(),
            tile_elements: sweep.tile_elements,
            order: if sweep.code.iter().any(needs_order) { Order::C } else { Order::Any },
            tracks: Vec::new(),
            code: Vec::with_capacity(sweep.code.len()),
            passes_once: false,
            finishing: Vec::new(),
            sums: self.watch.map_or_else(Vec::new, |watch| watch.sums(step)),
        };
        let mut stored = vec![false; self.program.slots.len()];
        for instr in &sweep.code {
            if let Instr::Store { slot, .. } = instr {
                stored[slot.0 as usize] = true;
            }
        }
        let mut tracks = Tracks { slots: vec![None; self.program.slots.len()] };
        // Where each register of the program lives now: kept loads follow the program's own registers.
        let mut homes: Vec<usize> = (0..sweep.registers as usize).collect();
        let mut kept = 0;
        for (place, instr) in sweep.code.iter().enumerate() {
            let keeps = kept < KEPT_LOADS_MAX && is_input_load(instr, self.program);
            let mut action = self.action(instr, &mut made, &mut tracks, &stored)?;
            if self.watch.is_some_and(|watch| watch.asks(step, place)) {
                action.ask(self.special_of(instr));
            }
            action.rename_sources(&homes);
            if let Some((dst, _)) = written(instr, self.program) {
                homes[dst.0 as usize] = if keeps { sweep.registers as usize + kept } else { dst.0 as usize };
            }
            if let (Action::Load { dst, keeps: keep, .. }, true) = (&mut action, keeps) {
                (*dst, *keep) = (sweep.registers as usize + kept, true);
                kept += 1;
            }
            made.code.push(Operation { action, direct: None });
        }
        let code = std::mem::take(&mut made.code);
        made.code = fuse(code, sweep.registers as usize + kept, self.program, &self.kernels);
        made.passes_once = passes_once(&made.code);
        Ok(made)
    }

    fn action(&self, instr: &Instr, sweep: &mut PreparedSweep, tracks: &mut Tracks, stored: &[bool]) -> Result<Action> {
        let reg = |reg: Reg| reg.0 as usize;
        Ok(match instr {
            Instr::Load { dst, slot } => {
                let found = self.slot(*slot);
                let size = found.dtype.size();
                Action::Load {
                    dst: reg(*dst),
                    slot: slot.0 as usize,
                    track: tracks.slot(sweep, *slot),
                    size,
                    swap: (found.swapped && size > 1).then(|| (self.kernels.swap_bytes)(size)),
                    // A local that this sweep also stores into could change under a borrowed tile.
                    borrows: !stored[slot.0 as usize],
                    keeps: false,
                }
            }
            Instr::Generate { dst, dtype, generator, offset, strides } => {
                let track = push_track(sweep, Track::Generator { offset: *offset, strides: strides.clone() });
                Action::Generate { dst: reg(*dst), dtype: *dtype, generator: *generator, track }
            }
            Instr::Unary { op, dtype, dst, a } => {
                let kernel = (self.kernels.unary)(*op, *dtype).ok_or_else(|| undefined(op, *dtype))?;
                Action::Unary {
                    op: *op,
                    dtype: *dtype,
                    dst: reg(*dst),
                    a: source(*a, *dtype),
                    kernel,
                    size: dtype.size(),
                    out_size: op.result(*dtype).size(),
                    event: self.watch.and_then(|_| unary_check(*op, *dtype)),
                }
            }
            Instr::Binary { op, dtype, dst, a, b } => self.binary(*op, *dtype, reg(*dst), source(*a, *dtype), source(*b, *dtype))?,
            Instr::Select { dtype, dst, mask, a, b } => Action::Select {
                dst: reg(*dst),
                mask: Source::Register(reg(*mask)),
                a: source(*a, *dtype),
                b: source(*b, *dtype),
                kernels: (self.kernels.select)(dtype.size()),
                size: dtype.size(),
            },
            Instr::Search { table, search, dtype, dst, a } => Action::Search {
                dst: reg(*dst),
                a: source(*a, *dtype),
                table: Box::new(SearchTable::new(table, *search, *dtype)),
                kernel: self.kernels.search,
                size: dtype.size(),
                out_size: search.result().size(),
            },
            Instr::Cast { from, to, mode, dst, a } => Action::Cast {
                dst: reg(*dst),
                a: Source::Register(reg(*a)),
                kernel: (self.kernels.cast)(*from, *to, *mode),
                from: *from,
                to: *to,
                event: self.watch.and_then(|_| cast_check(*from, *to, *mode)),
            },
            Instr::Store { slot, src } => {
                let dtype = self.slot(*slot).dtype;
                Action::Store {
                    slot: slot.0 as usize,
                    track: tracks.slot(sweep, *slot),
                    src: source(*src, dtype),
                    size: dtype.size(),
                    check: None,
                }
            }
            Instr::Reduce { acc, src } => self.reduce(acc.0 as usize, *src, sweep),
            Instr::Group { acc, src, labels, dtype, outside } => {
                let accumulated = self.program.accumulators[acc.0 as usize].dtype;
                Action::Group(GroupAction {
                    acc: acc.0 as usize,
                    track: push_track(sweep, Track::Accumulator(acc.0 as usize)),
                    src: source(*src, accumulated),
                    size: accumulated.size(),
                    labels: source(*labels, *dtype),
                    dtype: *dtype,
                    outside: *outside,
                    kernel: self.kernels.absorb_groups,
                    check: None,
                })
            }
            Instr::Compress { slot, src, mask } => self.compress(*slot, *src, *mask),
        })
    }

    fn compress(&self, slot: SlotId, src: Arg, mask: Arg) -> Action {
        let dtype = self.slot(slot).dtype;
        let slot = slot.0 as usize;
        let before = &self.program.slots[..slot];
        Action::Compress {
            slot,
            ordinal: before.iter().filter(|slot| slot.kind == SlotKind::Output).count(),
            src: source(src, dtype),
            mask: source(mask, DType::Bool),
            size: dtype.size(),
            check: None,
        }
    }

    fn binary(&self, op: BinaryOp, dtype: DType, dst: usize, a: Source, b: Source) -> Result<Action> {
        let (op, a, b) = match op {
            BinaryOp::Greater => (BinaryOp::Less, b, a),
            BinaryOp::GreaterEqual => (BinaryOp::LessEqual, b, a),
            _ => (op, a, b),
        };
        let kernels = (self.kernels.binary)(op, dtype).ok_or_else(|| undefined(&op, dtype))?;
        Ok(Action::Binary {
            op,
            dtype,
            dst,
            a,
            b,
            kernels,
            size: dtype.size(),
            out_size: op.result(dtype).size(),
            event: self.watch.and_then(|_| self.binary_event(op, dtype, b)),
        })
    }

    fn reduce(&self, acc: usize, src: Arg, sweep: &mut PreparedSweep) -> Action {
        let accumulation = &self.program.accumulators[acc];
        if !accumulation.finishes.is_empty() && !sweep.finishing.contains(&acc) {
            sweep.finishing.push(acc);
        }
        let index = (accumulation.kind == AccumulatorKind::FirstFalse).then(|| push_track(sweep, Track::Index));
        let track = push_track(sweep, Track::Accumulator(acc));
        Action::Reduce { acc, track, index, src: source(src, accumulation.dtype), size: accumulation.dtype.size(), check: None }
    }

    /// What asks a tile that an instruction hands out.
    fn special_of(&self, instr: &Instr) -> Option<TileCheck> {
        let dtype = match instr {
            Instr::Store { slot, .. } | Instr::Compress { slot, .. } => self.slot(*slot).dtype,
            Instr::Reduce { acc, .. } | Instr::Group { acc, .. } => self.program.accumulators[acc.0 as usize].dtype,
            _ => return None,
        };
        (self.kernels.special)(dtype)
    }

    /// The check of an operation of integers, unless its constant divisor speaks for it.
    fn binary_event(&self, op: BinaryOp, dtype: DType, b: Source) -> Option<EventCheck> {
        let check = binary_check(op, dtype)?;
        let divides = matches!(op, BinaryOp::FloorDivide | BinaryOp::Remainder | BinaryOp::Fmod);
        match b {
            Source::Constant(word) if divides && is_plain_divisor(word, dtype) => None,
            _ => Some(check),
        }
    }

    fn slot(&self, slot: SlotId) -> &Slot {
        &self.program.slots[slot.0 as usize]
    }
}

/// The track of each slot that a sweep has met, so that long programs are prepared in linear time.
struct Tracks {
    slots: Vec<Option<usize>>,
}

impl Tracks {
    fn slot(&mut self, sweep: &mut PreparedSweep, slot: SlotId) -> usize {
        let slot = slot.0 as usize;
        *self.slots[slot].get_or_insert_with(|| {
            sweep.tracks.push(Track::Slot(slot));
            sweep.tracks.len() - 1
        })
    }
}

/// Whether nothing happens where an integer is divided by this one: it is neither 0 nor -1.
fn is_plain_divisor(word: [u64; 1], dtype: DType) -> bool {
    let unused = 64 - 8 * dtype.size() as u32;
    let bits = word[0] << unused >> unused;
    bits != 0 && bits != u64::MAX >> unused
}

fn push_track(sweep: &mut PreparedSweep, track: Track) -> usize {
    if let Some(found) = sweep.tracks.iter().position(|other| *other == track) {
        return found;
    }
    sweep.tracks.push(track);
    sweep.tracks.len() - 1
}

fn source(arg: Arg, dtype: DType) -> Source {
    match arg {
        Arg::Reg(reg) => Source::Register(reg.0 as usize),
        Arg::Const(value) => Source::Constant(constant(value, dtype)),
    }
}

fn undefined(op: &dyn std::fmt::Debug, dtype: DType) -> Error {
    Error::internal(format!("malformed program: {op:?} is not defined on {dtype}"))
}
