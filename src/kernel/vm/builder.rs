//! Makes the actions of a program's sweeps: resolves kernels, registers and tracks, instruction by instruction.

use super::{
    action::{Action, CastAction, Operation, Source, Track},
    fuse::fuse,
    group::GroupAction,
    in_place,
    nest::{Order, Role},
    prepare::{KEPT_LOADS_MAX, Once, PreparedStep, PreparedSweep, is_input_load, tile_elements, written},
    product::PreparedProduct,
    rows::Rows,
};
use crate::{
    error::{Error, Result},
    kernel::{
        program::{Accumulation, Arg, BinaryOp, Instr, Program, Reg, Slot, SlotId, SlotKind, Step, Sweep},
        search::SearchTable,
        simd::Kernels,
        watch::{EventCheck, TileCheck, Watch},
    },
    nd::{DType, Scalar},
    numeric::Outside,
};

/// A constant as the front bytes of a word.
pub(super) fn constant(value: Scalar, dtype: DType) -> [u64; 1] {
    let mut word = [0u64; 1];
    bytemuck::cast_slice_mut::<u64, u8>(&mut word)[..dtype.size()].copy_from_slice(&value.to_bytes(dtype));
    word
}

pub(super) struct Builder<'p> {
    pub program: &'p Program,
    pub kernels: Kernels,
    pub watch: Option<&'p Watch>,
}

impl Builder<'_> {
    pub fn step(&self, index: usize, step: &Step) -> Result<PreparedStep> {
        match step {
            Step::Sweep(sweep) => self.sweep(index, sweep).map(PreparedStep::Sweep),
            Step::Halo { sweep, extra } => Ok(PreparedStep::Halo { sweep: self.sweep(index, sweep)?, extra: extra.clone() }),
            Step::Product(product) => Ok(PreparedStep::Product(PreparedProduct::new(self.program, &self.kernels, product)?)),
            Step::Fold { fold, input } => Ok(PreparedStep::Fold { fold: *fold, input: input.0 as usize }),
            Step::Scan { scan, input, output } => {
                Ok(PreparedStep::Scan { scan: *scan, input: input.0 as usize, output: output.0 as usize })
            }
            Step::Call { closure, input, output } => {
                Ok(PreparedStep::Call { closure: *closure, input: input.0 as usize, output: output.0 as usize })
            }
        }
    }

    fn sweep(&self, step: usize, sweep: &Sweep) -> Result<PreparedSweep> {
        let mut made = PreparedSweep {
            axes: sweep.axes.clone(),
            tile_elements: tile_elements(sweep),
            order: if sweep.code.iter().any(needs_order) { Order::C } else { Order::Any },
            tracks: Vec::new(),
            roles: Vec::new(),
            code: Vec::with_capacity(sweep.code.len()),
            once: None,
            rows: None,
            finishing: Vec::new(),
            sums: self.watch.map_or_else(Vec::new, |watch| watch.sums(step)),
            copies: in_place::copied(self.program, sweep).map(|(_, local)| local.0 as usize),
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
        made.once = once(&made.code, &self.program.accumulators);
        made.rows = Rows::of(&made.code, self.program);
        made.roles = made.tracks.iter().map(|track| role(track, &self.program.accumulators)).collect();
        Ok(made)
    }

    fn action(&self, instr: &Instr, sweep: &mut PreparedSweep, tracks: &mut Tracks, stored: &[bool]) -> Result<Action> {
        let reg = |reg: Reg| reg.0 as usize;
        Ok(match instr {
            Instr::Load { dst, slot } => self.load(reg(*dst), *slot, tracks.slot(sweep, *slot), stored),
            Instr::Generate { dst, dtype, generator, offset, strides } => {
                let track = push_track(sweep, Track::Generator { offset: *offset, strides: strides.clone() });
                Action::Generate { dst: reg(*dst), dtype: *dtype, generator: *generator, track }
            }
            Instr::Unary { op, dtype, dst, a } => Action::Unary {
                op: *op,
                dtype: *dtype,
                dst: reg(*dst),
                a: source(*a, *dtype),
                kernel: (self.kernels.unary)(*op, *dtype).ok_or_else(|| undefined(op, *dtype))?,
                size: dtype.size(),
                out_size: op.result(*dtype).size(),
                event: self.watch.and_then(|_| (self.kernels.events.unary)(*op, *dtype)),
            },
            Instr::Binary { op, dtype, dst, a, b } => self.binary(*op, *dtype, reg(*dst), source(*a, *dtype), source(*b, *dtype))?,
            Instr::Select { dtype, dst, mask, a, b } => Action::Select {
                dst: reg(*dst),
                mask: Source::Register(reg(*mask)),
                a: source(*a, *dtype),
                b: source(*b, *dtype),
                kernels: (self.kernels.select)(dtype.size()),
                size: dtype.size(),
            },
            Instr::Cast { from, to, mode, dst, a } => Action::Cast(CastAction {
                dst: reg(*dst),
                a: Source::Register(reg(*a)),
                kernel: (self.kernels.cast)(*from, *to, *mode),
                from: *from,
                to: *to,
                mode: *mode,
                event: self.watch.and_then(|_| (self.kernels.events.cast)(*from, *to, *mode)),
            }),
            Instr::Search { table, search, dtype, dst, a } => Action::Search {
                dst: reg(*dst),
                a: source(*a, *dtype),
                table: Box::new(SearchTable::new(table, *search, *dtype)),
                kernel: self.kernels.search,
                size: dtype.size(),
                out_size: search.result().size(),
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
            Instr::ReducePairs { acc, a, b } => self.reduce_pairs(acc.0 as usize, [*a, *b], sweep),
            Instr::Group { acc, src, labels, dtype, outside } => {
                self.group(acc.0 as usize, *src, source(*labels, *dtype), (*dtype, *outside), sweep)
            }
            Instr::Compress { slot, src, mask } => self.compress(*slot, *src, *mask),
        })
    }

    fn load(&self, dst: usize, slot: SlotId, track: usize, stored: &[bool]) -> Action {
        let found = self.slot(slot);
        let size = found.dtype.size();
        let swap = (found.swapped && size > 1).then(|| (self.kernels.swap_bytes)(size));
        // A local that this sweep also stores into could change under a borrowed tile.
        Action::Load { dst, slot: slot.0 as usize, track, size, swap, borrows: !stored[slot.0 as usize], keeps: false }
    }

    /// Labels of `dtype`.
    fn group(&self, acc: usize, src: Arg, labels: Source, (dtype, outside): (DType, Outside), sweep: &mut PreparedSweep) -> Action {
        let accumulated = self.program.accumulators[acc].dtype;
        Action::Group(GroupAction {
            acc,
            track: push_track(sweep, Track::Accumulator(acc)),
            src: source(src, accumulated),
            size: accumulated.size(),
            labels,
            dtype,
            outside,
            kernel: self.kernels.absorb_groups,
            check: None,
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
        let index = accumulation.kind.is_indexed().then(|| push_track(sweep, Track::Index(acc)));
        let track = push_track(sweep, Track::Accumulator(acc));
        Action::Reduce { acc, track, index, src: source(src, accumulation.dtype), size: accumulation.dtype.size(), check: None }
    }

    fn reduce_pairs(&self, acc: usize, sides: [Arg; 2], sweep: &mut PreparedSweep) -> Action {
        let accumulation = &self.program.accumulators[acc];
        if !accumulation.finishes.is_empty() && !sweep.finishing.contains(&acc) {
            sweep.finishing.push(acc);
        }
        let track = push_track(sweep, Track::Accumulator(acc));
        let sides = sides.map(|side| source(side, accumulation.dtype));
        Action::ReducePairs { acc, track, sides, size: accumulation.dtype.size(), check: None }
    }

    /// What asks a tile that an instruction hands out.
    fn special_of(&self, instr: &Instr) -> Option<TileCheck> {
        let dtype = match instr {
            Instr::Store { slot, .. } | Instr::Compress { slot, .. } => self.slot(*slot).dtype,
            Instr::Reduce { acc, .. } | Instr::ReducePairs { acc, .. } | Instr::Group { acc, .. } => {
                self.program.accumulators[acc.0 as usize].dtype
            }
            _ => return None,
        };
        (self.kernels.special)(dtype)
    }

    /// The check of an operation of integers, unless its constant divisor speaks for it.
    fn binary_event(&self, op: BinaryOp, dtype: DType, b: Source) -> Option<EventCheck> {
        let check = (self.kernels.events.binary)(op, dtype)?;
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

fn role(track: &Track, accumulations: &[Accumulation]) -> Role {
    match track {
        Track::Slot(_) => Role::Memory,
        Track::Accumulator(acc) if accumulations[*acc].kind.is_settled(accumulations[*acc].dtype) => Role::Settled,
        Track::Accumulator(_) => Role::Plain,
        Track::Index(_) | Track::Generator { .. } => Role::Other,
    }
}

/// See [`PreparedSweep::once`].
fn once(code: &[Operation], accumulations: &[Accumulation]) -> Option<Once> {
    let is_load = |operation: &&Operation| matches!(operation.action, Action::Load { borrows: true, swap: None, .. });
    let is_exact = |acc: usize| accumulations[acc].kind.is_exact(accumulations[acc].dtype);
    let rest = &code[code.iter().take_while(is_load).count()..];
    let may_cut = |acc: usize| accumulations[acc].kind.is_cut() || is_exact(acc);
    let reduced = |operation: &Operation| if let Action::Reduce { acc, .. } = operation.action { Some(acc) } else { None };
    let reduces = |operation: &Operation| reduced(operation).is_some_and(may_cut);
    match rest {
        [last] if last.direct.is_some() || matches!(last.action, Action::Store { .. }) => Some(Once::Passes),
        [Operation { action: Action::SumOf { acc, skip, .. }, .. }, skipped @ ..] if skipped.len() == *skip => {
            Some(Once::Sums { exact: is_exact(*acc) })
        }
        _ if rest.iter().all(|operation| is_load(&operation) || reduces(operation)) => {
            let exact = rest.iter().filter_map(reduced).all(is_exact);
            Some(Once::Reduces { alone: rest.len() == 1, exact })
        }
        _ => None,
    }
}

/// Compressed elements are written in C order, and of all faults the first is reported.
fn needs_order(instr: &Instr) -> bool {
    match instr {
        Instr::Compress { .. } | Instr::Group { outside: Outside::Refuse, .. } => true,
        Instr::Cast { from, to, mode, .. } => mode.is_checked() && from.is_float() && to.is_integer(),
        _ => false,
    }
}
