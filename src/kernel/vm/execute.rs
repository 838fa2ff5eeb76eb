//! Runs one sweep over one block.

use super::{
    BlockContext, GlobalAccumulator, LocalAccumulator, Machine, Operand,
    nest::{Layout, Nest},
    prepare::{Action, Direct, Operation, Prepared, PreparedSweep, Source, Track},
    register::{Buffer, Buffers, Place, Register},
};
use crate::{
    error::{Error, Result},
    kernel::{
        formula::SumKernels,
        generate,
        movement::{CopyAxis, copy_box},
        program::{Generator, SlotKind},
        simd::{BinaryKernels, PREFETCH_BYTES, SelectKernels, prefetch},
        watch::TileCheck,
    },
    nd::{DType, shape::show},
    numeric::{Accumulator, TileAxis},
};
use std::ops::Range;

/// How many tiles are one where an operation goes from memory to memory: every tile begins with a wait for its first lines.
const WIDE_TILES: usize = 8;

pub(super) struct Execution<'m, 'b, 'o, 'a> {
    pub machine: &'m mut Machine,
    pub prepared: &'b Prepared,
    pub block: &'b BlockContext<'b>,
    pub operands: &'m mut [Operand<'o>],
    pub accumulators: &'m mut [GlobalAccumulator<'a>],
    pub compressed: &'m mut [usize],
}

/// What operands can be read from.
#[derive(Clone, Copy)]
pub(super) struct View<'s, 'o> {
    registers: &'s [Register],
    buffers: Buffers<'s>,
    locals: &'s [Buffer],
    operands: &'s [Operand<'o>],
}

impl<'s, 'o> View<'s, 'o> {
    pub(super) fn new(registers: &'s [Register], buffers: &'s [Buffer], locals: &'s [Buffer], operands: &'s [Operand<'o>]) -> Self {
        View { registers, buffers: Buffers::all(buffers), locals, operands }
    }

    fn is_uniform(self, source: &Source) -> bool {
        match source {
            Source::Constant(_) => true,
            Source::Register(register) => self.registers[*register].place == Place::Uniform,
        }
    }

    /// The tile, or one element of it where it is uniform.
    #[inline]
    pub(super) fn read(self, source: &'s Source, elements: usize, size: usize) -> (&'s [u8], bool) {
        let register = match source {
            Source::Constant(word) => return (&bytemuck::cast_slice(word)[..size], true),
            Source::Register(register) => &self.registers[*register],
        };
        match register.place {
            Place::Buffer => (&self.buffers.bytes(register.home)[..elements * size], false),
            Place::Uniform => (&bytemuck::cast_slice(&register.uniform)[..size], true),
            Place::Slot { slot, byte } => (&self.slot(slot as usize)[byte..byte + elements * size], false),
        }
    }

    fn slot(self, slot: usize) -> &'s [u8] {
        match &self.operands[slot] {
            Operand::Input { bytes, .. } => bytes,
            Operand::Output { bytes, .. } => bytes,
            Operand::Local => self.locals[slot].bytes(),
        }
    }
}

impl Execution<'_, '_, '_, '_> {
    pub fn sweep(&mut self, sweep: &PreparedSweep) -> Result<()> {
        self.lay_out(sweep)?;
        for &acc in &sweep.finishing {
            self.begin_local(acc, sweep)?;
        }
        loop {
            self.tile(sweep)?;
            if !self.machine.nest.advance() {
                break;
            }
        }
        self.ask_sums(sweep);
        for &acc in &sweep.finishing {
            self.finish_local(acc)?;
        }
        Ok(())
    }

    /// Whether a watched sum took something that is not finite. What an earlier block gave it counts as well: one look too many.
    fn ask_sums(&mut self, sweep: &PreparedSweep) {
        for &acc in &sweep.sums {
            self.machine.alarm |= match (self.prepared.globals[acc], &self.machine.accumulators[acc]) {
                (Some(global), _) => {
                    let global = &self.accumulators[global];
                    let (mut low, mut high) = (global.base, global.base);
                    for (&stride, &length) in global.strides.iter().zip(self.block.shape) {
                        let distance = stride * (length as i64 - 1);
                        (low, high) = (low + distance.min(0), high + distance.max(0));
                    }
                    global.accumulator.took_special(low.max(0) as usize, high.max(0) as usize + 1)
                }
                (None, Some(local)) => local.accumulator.took_special(0, local.outputs),
                (None, None) => false,
            };
        }
    }

    /// Fills the nest: steps per track and axis, from the innermost axis outwards, and the offsets of the first element.
    fn lay_out(&mut self, sweep: &PreparedSweep) -> Result<()> {
        let machine = &mut *self.machine;
        // What an earlier sweep, or another program, would have read next is nobody's business here.
        machine.ahead = None;
        let (nest, steps, running, streams) = (&mut machine.nest, &mut machine.steps, &mut machine.running, &mut machine.streams);
        nest.begin(sweep.tracks.len());
        steps.clear();
        steps.resize(sweep.tracks.len(), 0);
        running.clear();
        running.resize(sweep.tracks.len(), 1);
        streams.clear();
        streams.resize(sweep.tracks.len(), true);
        for axis in (0..self.block.shape.len()).rev() {
            let length = self.block.shape[axis];
            for (track, (step, running)) in sweep.tracks.iter().zip(steps.iter_mut().zip(running.iter_mut())) {
                // Dense tracks grow by the lengths of the axes that they span.
                let mut dense = |spans: bool, length: usize| {
                    let step = if spans { *running } else { 0 };
                    *running = if spans { running.saturating_mul(length as i64) } else { *running };
                    step
                };
                *step = match track {
                    Track::Slot(slot) => match (&self.operands[*slot], &self.prepared.slots[*slot].kind) {
                        (Operand::Input { strides, .. } | Operand::Output { strides, .. }, _) => strides[axis],
                        (Operand::Local, SlotKind::Local { axes }) => dense(axes[axis], length),
                        (Operand::Local, _) => 0,
                    },
                    Track::Accumulator(acc) => match self.prepared.globals[*acc] {
                        Some(global) => self.accumulators[global].strides[axis],
                        None => dense(sweep.axes[axis] && !self.prepared.accumulations[*acc].reduced[axis], length),
                    },
                    Track::Index => dense(true, self.block.space[axis]),
                    Track::Generator { strides, .. } => strides[axis],
                };
            }
            if sweep.axes[axis] && length > 1 {
                nest.push_outer(axis, length, steps);
                streams.iter_mut().zip(steps.iter()).for_each(|(streams, step)| *streams &= *step != 0);
            }
            for (track, (offset, step)) in sweep.tracks.iter().zip(nest.offsets.iter_mut().zip(steps.iter())) {
                if matches!(track, Track::Index | Track::Generator { .. }) {
                    *offset += *step * self.block.start[axis] as i64;
                }
            }
        }
        for (track, offset) in sweep.tracks.iter().zip(nest.offsets.iter_mut()) {
            *offset += match track {
                Track::Slot(slot) => match &self.operands[*slot] {
                    Operand::Input { first, .. } | Operand::Output { first, .. } => *first,
                    Operand::Local => 0,
                },
                Track::Accumulator(acc) => self.prepared.globals[*acc].map_or(0, |global| self.accumulators[global].base),
                Track::Index => 0,
                Track::Generator { offset, .. } => *offset,
            };
        }
        nest.finish(sweep.tile_elements, sweep.order, |track| matches!(sweep.tracks[track], Track::Slot(_)));
        if sweep.passes_once && self.lies_in_place(sweep) {
            self.machine.nest.widen(sweep.tile_elements * WIDE_TILES);
        }
        self.check_reach(sweep)
    }

    /// Whether nothing of a tile is ever copied: all of it is read and written where it lies.
    fn lies_in_place(&self, sweep: &PreparedSweep) -> bool {
        sweep.tracks.iter().zip(&self.machine.nest.layouts).all(|(track, layout)| {
            let Track::Slot(slot) = track else { return false };
            let size = self.prepared.slots[*slot].dtype.size();
            match &self.operands[*slot] {
                Operand::Input { bytes, byte_offset, .. } => {
                    let aligned = (bytes.as_ptr() as usize + byte_offset).is_multiple_of(size);
                    *layout == Layout::Uniform || *layout == Layout::Dense && aligned
                }
                Operand::Output { bytes, .. } => *layout == Layout::Dense && (bytes.as_ptr() as usize).is_multiple_of(size),
                Operand::Local => false,
            }
        })
    }

    /// Every element that a track meets must lie in its slot; a plan that breaks this is a bug, not a panic.
    fn check_reach(&self, sweep: &PreparedSweep) -> Result<()> {
        for (index, track) in sweep.tracks.iter().enumerate() {
            let (low, high) = self.machine.nest.reach(index);
            let Track::Slot(slot) = track else {
                if low < 0 && matches!(track, Track::Accumulator(_)) {
                    return Err(Error::internal(format!("output {low} of an accumulator")));
                }
                continue;
            };
            let size = self.prepared.slots[*slot].dtype.size();
            let bytes = match &self.operands[*slot] {
                Operand::Input { bytes, byte_offset, .. } => bytes.len().saturating_sub(*byte_offset),
                Operand::Output { bytes, .. } => bytes.len(),
                Operand::Local => self.machine.locals[*slot].bytes().len(),
            };
            if low < 0 || high >= (bytes / size) as i64 {
                return Err(Error::internal(format!("elements {low} to {high} of slot {slot}, which holds {}", bytes / size)));
            }
        }
        Ok(())
    }

    fn begin_local(&mut self, acc: usize, sweep: &PreparedSweep) -> Result<()> {
        let accumulation = &self.prepared.accumulations[acc];
        let kept = sweep.axes.iter().zip(&accumulation.reduced).zip(self.block.shape);
        let outputs = kept.filter(|((walked, reduced), _)| **walked && !**reduced).map(|(_, &length)| length).product();
        let held = &mut self.machine.accumulators[acc];
        match held {
            Some(local) if local.outputs == outputs => local.accumulator.reset(),
            _ => {
                *held = None;
                *held = Some(LocalAccumulator { outputs, accumulator: Accumulator::new(accumulation.kind, accumulation.dtype, outputs)? });
            }
        }
        Ok(())
    }

    fn finish_local(&mut self, acc: usize) -> Result<()> {
        let Some(local) = &self.machine.accumulators[acc] else { return Ok(()) };
        for (what, slot) in &self.prepared.accumulations[acc].finishes {
            let dtype = self.prepared.slots[slot.0 as usize].dtype;
            let out = &mut self.machine.locals[slot.0 as usize].bytes_mut()[..local.outputs * dtype.size()];
            local.accumulator.finish(*what, dtype, 0, local.outputs, out)?;
        }
        Ok(())
    }

    fn tile(&mut self, sweep: &PreparedSweep) -> Result<()> {
        if sweep.passes_once && self.copy_across(sweep) {
            return Ok(());
        }
        let mut next = 0;
        while let Some(Operation { action, direct }) = sweep.code.get(next) {
            next += 1;
            let direct = *direct;
            match action {
                Action::Load { dst, slot, track, size, swap, borrows, keeps } => {
                    self.load(*dst, *slot, *track, *size, *swap, *borrows, *keeps);
                }
                Action::Generate { dst, dtype, generator, track } => self.generate(*dst, *dtype, generator, *track),
                Action::Unary { dst, a, kernel, size, out_size, event, .. } => {
                    let happened = self.compute(*dst, *out_size, direct, [(a, *size)], |out, [(a, _)]| {
                        kernel(out, a);
                        event.is_some_and(|event| event(out, a, a))
                    });
                    self.machine.alarm |= happened;
                }
                Action::Binary { dst, a, b, kernels, size, out_size, event, .. } => {
                    let happened = self.compute(*dst, *out_size, direct, [(a, *size), (b, *size)], |out, [a, b]| {
                        binary(kernels, out, a, b);
                        event.is_some_and(|event| event(out, a.0, b.0))
                    });
                    self.machine.alarm |= happened;
                }
                Action::Select { dst, mask, a, b, kernels, size } => {
                    let sources = [(mask, 1), (a, *size), (b, *size)];
                    self.compute(*dst, *size, direct, sources, |out, [mask, a, b]| select(kernels, out, mask, a, b));
                }
                Action::Cast { dst, a, kernel, from, to, event } => {
                    let (fault, happened) = self.compute(*dst, to.size(), direct, [(a, from.size())], |out, [(a, _)]| {
                        let fault = kernel(out, a);
                        (fault, event.is_some_and(|event| event(out, a, a)))
                    });
                    self.machine.alarm |= happened;
                    if fault != usize::MAX {
                        return Err(self.cast_fault(sweep, fault, a, *from, *to));
                    }
                }
                Action::Search { dst, a, table, kernel, size, out_size } => {
                    self.compute(*dst, *out_size, direct, [(a, *size)], |out, [(a, _)]| kernel(table, out, a));
                }
                Action::Store { slot, track, src, size, check } => self.store(*slot, *track, src, *size, *check),
                Action::Reduce { acc, track, index, src, size, check } => self.reduce(*acc, *track, *index, src, *size, *check),
                Action::Group(group) => self.group(sweep, group)?,
                Action::Compress { slot, ordinal, src, mask, size, check } => {
                    self.ask(src, *size, *check);
                    self.compress(*slot, *ordinal, src, mask, *size)?;
                }
                Action::Chain(chain) => {
                    let (size, links) = (chain.dtype.size(), &chain.links[..chain.length]);
                    let sources = chain.operands.each_ref().map(|source| (source, size));
                    self.compute(chain.dst, size, direct, sources, |out, tiles| (chain.kernel)(out, &tiles, links));
                }
                Action::SumOf { acc, track, a, b, size, kernels, skip } => {
                    next += if self.sum_of(*acc, *track, [a, b], *size, kernels) { *skip } else { 0 };
                }
            }
            // A program that only reads keeps the memory busy by itself.
            if sweep.code.len() > 2 && !matches!(action, Action::Load { .. }) {
                self.look_ahead();
            }
        }
        Ok(())
    }

    /// Copies a strided tile from an input into an output at once, where that is all there is to do.
    fn copy_across(&mut self, sweep: &PreparedSweep) -> bool {
        let [Operation { action: Action::Load { slot: from, track, dst, swap: None, .. }, .. }, Operation { action: store, .. }] =
            &sweep.code[..]
        else {
            return false;
        };
        // What is only moved was not created here: nothing to check.
        let Action::Store { slot: to, track: to_track, src, size, check: _ } = store else { return false };
        let machine = &mut *self.machine;
        let nest = &machine.nest;
        if !src.is(*dst) || nest.layouts[*track] != Layout::Strided || nest.box_shape().len() != 2 || from == to {
            return false;
        }
        let Ok([Operand::Input { bytes, byte_offset, .. }, Operand::Output { bytes: out, .. }]) =
            self.operands.get_disjoint_mut([*from, *to])
        else {
            return false;
        };
        machine.copy_axes.clear();
        let steps = nest.steps(*track).iter().zip(nest.steps(*to_track));
        machine.copy_axes.extend(nest.box_shape().iter().zip(steps).map(|(&length, (&from, &to))| {
            let size = *size as i64;
            CopyAxis { length, to: to * size, from: from * size }
        }));
        let (first, to_first) = (*byte_offset + nest.offsets[*track] as usize * size, nest.offsets[*to_track] as usize * size);
        copy_box(*size, &mut machine.copy_axes, out, to_first, bytes, first);
        true
    }

    /// Asks for the next lines of the tile that will be loaded after this one.
    #[inline]
    fn look_ahead(&mut self) {
        let Some((slot, range)) = &mut self.machine.ahead else { return };
        let Operand::Input { bytes, .. } = &self.operands[*slot] else { return };
        let end = (range.start + PREFETCH_BYTES).min(range.end);
        prefetch(bytes.get(range.start..end).unwrap_or_default());
        range.start = end;
    }

    fn generate(&mut self, dst: usize, dtype: DType, generator: &Generator, track: usize) {
        let machine = &mut *self.machine;
        let nest = &machine.nest;
        box_axes(&mut machine.copy_axes, nest.box_shape(), nest.steps(track), 1);
        let register = &mut machine.registers[dst];
        register.place = Place::Buffer;
        let out = &mut machine.buffers[register.home].bytes_mut()[..nest.elements * dtype.size()];
        generate::fill(generator, dtype, &machine.copy_axes, nest.offsets[track], out);
    }

    /// Runs a kernel into register `dst`: on one element where all operands are uniform, else on the tile. A destination
    /// that is also an operand is written to the spare buffer, which then becomes its home.
    #[inline(always)]
    fn compute<const N: usize, R>(
        &mut self,
        dst: usize,
        out_size: usize,
        direct: Option<Direct>,
        sources: [(&Source, usize); N],
        kernel: impl FnOnce(&mut [u8], [(&[u8], bool); N]) -> R,
    ) -> R {
        let machine = &mut *self.machine;
        let view = View::new(&machine.registers, &machine.buffers, &machine.locals, self.operands);
        let result = if sources.iter().all(|(source, _)| view.is_uniform(source)) {
            let mut word = [0u64; 1];
            let operands = sources.map(|(source, size)| view.read(source, 1, size));
            let result = kernel(&mut bytemuck::cast_slice_mut(&mut word)[..out_size], operands);
            let register = &mut machine.registers[dst];
            (register.place, register.uniform) = (Place::Uniform, word);
            result
        } else if let Some((place, mut bytes, range)) = direct.and_then(|place| take_direct(&machine.nest, self.operands, place)) {
            let view = View::new(&machine.registers, &machine.buffers, &machine.locals, self.operands);
            let operands = sources.map(|(source, size)| view.read(source, machine.nest.elements, size));
            let result = kernel(&mut bytes[range.clone()], operands);
            let special = place.check.is_some_and(|check| check(&bytes[range]));
            if let Operand::Output { bytes: home, .. } = &mut self.operands[place.slot] {
                *home = std::mem::take(&mut bytes);
            }
            self.machine.alarm |= special;
            return result;
        } else {
            let aliases = sources.iter().any(|(source, _)| source.is(dst));
            let target = if aliases { machine.spare } else { machine.registers[dst].home };
            let (out, buffers) = Buffers::split(&mut machine.buffers, target);
            let view = View { registers: &machine.registers, buffers, locals: &machine.locals, operands: self.operands };
            let elements = machine.nest.elements;
            let operands = sources.map(|(source, size)| view.read(source, elements, size));
            let result = kernel(&mut out.bytes_mut()[..elements * out_size], operands);
            let register = &mut machine.registers[dst];
            register.place = Place::Buffer;
            if aliases {
                machine.spare = std::mem::replace(&mut register.home, target);
            }
            result
        };
        if let Some(Direct { slot, track, size, check }) = direct {
            self.store(slot, track, &Source::Register(dst), size, check);
        }
        result
    }

    fn load(&mut self, dst: usize, slot: usize, track: usize, size: usize, swap: Option<fn(&mut [u8])>, borrows: bool, keeps: bool) {
        let machine = &mut *self.machine;
        let offset = machine.nest.offsets[track] as usize;
        let (bytes, byte): (&[u8], usize) = match &self.operands[slot] {
            Operand::Input { bytes, byte_offset, .. } => (bytes, byte_offset + offset * size),
            Operand::Output { bytes, .. } => (bytes, offset * size),
            Operand::Local => (machine.locals[slot].bytes(), offset * size),
        };
        let register = &mut machine.registers[dst];
        let layout = machine.nest.layouts[track];
        if layout == Layout::Uniform {
            register.place = Place::Uniform;
            let out = &mut register.uniform_mut()[..size];
            out.copy_from_slice(&bytes[byte..byte + size]);
            if let Some(swap) = swap {
                swap(out);
            }
            return;
        }
        let aligned = (bytes.as_ptr() as usize + byte).is_multiple_of(size);
        if layout == Layout::Dense && swap.is_none() && aligned && borrows {
            register.place = Place::Slot { slot: slot as u32, byte };
            if machine.streams[track] {
                let next = byte + machine.nest.elements * size;
                machine.ahead = Some((slot, next..(next + machine.nest.elements * size).min(bytes.len())));
            }
            return;
        }
        register.place = Place::Buffer;
        let tile = Some((machine.nest.offsets[track], machine.nest.stamp));
        if keeps && register.kept == tile {
            return;
        }
        register.kept = tile;
        let out = &mut machine.buffers[register.home].bytes_mut()[..machine.nest.elements * size];
        if layout == Layout::Dense {
            let length = out.len();
            if machine.streams[track] {
                machine.ahead = Some((slot, (byte + length).min(bytes.len())..(byte + 2 * length).min(bytes.len())));
            }
            out.copy_from_slice(&bytes[byte..byte + length]);
        } else {
            box_axes(&mut machine.copy_axes, machine.nest.box_shape(), machine.nest.steps(track), size);
            copy_box(size, &mut machine.copy_axes, out, 0, bytes, byte);
        }
        if let Some(swap) = swap {
            swap(out);
        }
    }

    /// Asks a tile that is handed out, where that is wanted.
    #[inline]
    pub(super) fn ask(&mut self, src: &Source, size: usize, check: Option<TileCheck>) {
        let Some(check) = check else { return };
        let machine = &mut *self.machine;
        let view = View::new(&machine.registers, &machine.buffers, &machine.locals, self.operands);
        machine.alarm |= check(view.read(src, machine.nest.elements, size).0);
    }

    fn store(&mut self, slot: usize, track: usize, src: &Source, size: usize, check: Option<TileCheck>) {
        self.ask(src, size, check);
        let machine = &mut *self.machine;
        let byte = machine.nest.offsets[track] as usize * size;
        let elements = machine.nest.elements;
        // Taken out while the rest is read; put back below.
        let mut local = std::mem::take(&mut machine.locals[slot]);
        let mut output: &mut [u8] = match &mut self.operands[slot] {
            Operand::Output { bytes, .. } => std::mem::take(bytes),
            _ => &mut [],
        };
        let is_output = matches!(self.operands[slot], Operand::Output { .. });
        let out = if is_output { &mut *output } else { local.bytes_mut() };
        let view = View::new(&machine.registers, &machine.buffers, &machine.locals, self.operands);
        let (tile, uniform) = view.read(src, elements, size);
        match machine.nest.layouts[track] {
            Layout::Uniform => out[byte..byte + size].copy_from_slice(&tile[tile.len() - size..]),
            Layout::Dense if !uniform => out[byte..byte + elements * size].copy_from_slice(tile),
            _ => {
                store_axes(&mut machine.copy_axes, machine.nest.box_shape(), machine.nest.steps(track), uniform, size);
                copy_box(size, &mut machine.copy_axes, out, byte, tile, 0);
            }
        }
        if let Operand::Output { bytes, .. } = &mut self.operands[slot] {
            *bytes = std::mem::take(&mut output);
        }
        machine.locals[slot] = local;
    }

    fn reduce(&mut self, acc: usize, track: usize, index: Option<usize>, src: &Source, size: usize, check: Option<TileCheck>) {
        self.ask(src, size, check);
        self.tile_axes(track, index);
        let machine = &mut *self.machine;
        let base = machine.nest.offsets[track] as usize;
        let first_index = index.map_or(0, |index| machine.nest.offsets[index]);
        let (nest, axes) = (&machine.nest, &machine.tile_axes);
        let view = View::new(&machine.registers, &machine.buffers, &machine.locals, self.operands);
        let (tile, uniform) = view.read(src, nest.elements, size);
        let accumulator = match (self.prepared.globals[acc], &mut machine.accumulators[acc]) {
            (Some(global), _) => &mut *self.accumulators[global].accumulator,
            (None, Some(local)) => &mut local.accumulator,
            (None, None) => return,
        };
        if uniform {
            accumulator.absorb_constant(tile, axes, base, first_index);
        } else {
            (self.prepared.kernels.absorb)(accumulator, tile, axes, base, first_index);
        }
    }

    /// The axes of the tile as the accumulator of `track` sees them.
    pub(super) fn tile_axes(&mut self, track: usize, index: Option<usize>) {
        let machine = &mut *self.machine;
        let (nest, axes) = (&machine.nest, &mut machine.tile_axes);
        axes.clear();
        for (at, (&length, &output_step)) in nest.box_shape().iter().zip(nest.steps(track)).enumerate() {
            let index_step = index.map_or(0, |index| nest.steps(index)[at]);
            match axes.last_mut() {
                // The accumulator may see one long axis where another operand kept the nest from coalescing.
                Some(outer)
                    if outer.output_step == output_step * length as i64
                        && (index.is_none() || outer.index_step == index_step * length as i64) =>
                {
                    *outer = TileAxis { length: outer.length * length, output_step, index_step };
                }
                _ => axes.push(TileAxis { length, output_step, index_step }),
            }
        }
    }

    /// Adds a formula of `a` and `b` to the outputs, a run of elements to each. False where the tile's outputs do not lie along its
    /// first axis, or nothing of the formula is a vector.
    fn sum_of(&mut self, acc: usize, track: usize, [a, b]: [&Source; 2], size: usize, kernels: &SumKernels) -> bool {
        let machine = &mut *self.machine;
        let nest = &machine.nest;
        let (mut outputs, mut output_step) = (1, 0);
        for (at, (&length, &step)) in nest.box_shape().iter().zip(nest.steps(track)).enumerate() {
            if length > 1 && step != 0 {
                if at > 0 {
                    return false;
                }
                (outputs, output_step) = (length, step);
            }
        }
        let run = nest.elements / outputs * size;
        let first = nest.offsets[track];
        let view = View::new(&machine.registers, &machine.buffers, &machine.locals, self.operands);
        let [(a, a_uniform), (b, b_uniform)] = [a, b].map(|source| view.read(source, nest.elements, size));
        let kernel = match (a_uniform, b_uniform) {
            (false, false) => kernels.vector_vector,
            (false, true) => kernels.vector_scalar,
            (true, false) => kernels.scalar_vector,
            (true, true) => return false,
        };
        let accumulator = match (self.prepared.globals[acc], &mut machine.accumulators[acc]) {
            (Some(global), _) => &mut *self.accumulators[global].accumulator,
            (None, Some(local)) => &mut local.accumulator,
            (None, None) => return false,
        };
        let part = |bytes: &[u8], uniform: bool, at: usize| if uniform { 0..bytes.len() } else { at * run..(at + 1) * run };
        (0..outputs).all(|at| {
            let output = (first + at as i64 * output_step) as usize;
            kernel(accumulator, &a[part(a, a_uniform, at)], &b[part(b, b_uniform, at)], output)
        })
    }

    fn compress(&mut self, slot: usize, ordinal: usize, src: &Source, mask: &Source, size: usize) -> Result<()> {
        let machine = &mut *self.machine;
        let elements = machine.nest.elements;
        let (mut output, first) = match &mut self.operands[slot] {
            Operand::Output { bytes, first, .. } => (std::mem::take(bytes), *first),
            _ => return Err(Error::internal("compress into a slot that is not an output")),
        };
        let view = View::new(&machine.registers, &machine.buffers, &machine.locals, self.operands);
        let ((tile, uniform), (mask, constant_mask)) = (view.read(src, elements, size), view.read(mask, elements, 1));
        let mut at = (first.max(0) as usize + self.compressed[ordinal]) * size;
        let mut short = false;
        for element in 0..elements {
            if mask[if constant_mask { 0 } else { element }] == 0 {
                continue;
            }
            let from = if uniform { 0 } else { element * size };
            match output.get_mut(at..at + size) {
                Some(out) => out.copy_from_slice(&tile[from..from + size]),
                None => short = true,
            }
            at += size;
            self.compressed[ordinal] += 1;
        }
        if let Operand::Output { bytes, .. } = &mut self.operands[slot] {
            *bytes = std::mem::take(&mut output);
        }
        if short { Err(Error::internal(format!("output slot {slot} is too small for the elements that were kept"))) } else { Ok(()) }
    }

    #[cold]
    fn cast_fault(&self, sweep: &PreparedSweep, element: usize, source: &Source, from: DType, to: DType) -> Error {
        let view = View::new(&self.machine.registers, &self.machine.buffers, &self.machine.locals, self.operands);
        let (tile, _) = view.read(source, self.machine.nest.elements, from.size());
        let value =
            crate::dispatch!(from, T => <T as crate::nd::Element>::from_bytes(&tile[element * from.size()..][..from.size()]).to_string());
        let coordinate = self.coordinate(sweep, element);
        Error::data(format!("{value} at index {} does not fit {to}", show(&coordinate))).hint("cast with saturate or wrap, or clip first")
    }

    /// Where in the stage an element of the tile lies.
    pub(super) fn coordinate(&self, sweep: &PreparedSweep, element: usize) -> Vec<usize> {
        let nest = &self.machine.nest;
        let mut coordinate = self.block.start.to_vec();
        let mut rest = element;
        for axis in (0..nest.lengths.len()).rev() {
            let mut along = nest.position[axis] + rest % nest.shape[axis];
            rest /= nest.shape[axis];
            let (low, high) = nest.origins[axis];
            // Axes of length 1 and axes that are not walked lie in the range too; only walked ones were multiplied in.
            for original in (low..high).rev() {
                let length = if sweep.axes[original] { self.block.shape[original] } else { 1 };
                coordinate[original] += along % length;
                along /= length;
            }
        }
        coordinate
    }
}

/// Takes an output's bytes out of its operand, with the range of the tile, where the tile is dense and aligned there.
#[inline]
fn take_direct<'o>(nest: &Nest, operands: &mut [Operand<'o>], place: Direct) -> Option<(Direct, &'o mut [u8], Range<usize>)> {
    let Operand::Output { bytes, .. } = &mut operands[place.slot] else { return None };
    let byte = nest.offsets[place.track] as usize * place.size;
    let aligned = (bytes.as_ptr() as usize + byte).is_multiple_of(place.size);
    let dense = nest.layouts[place.track] == Layout::Dense;
    (dense && aligned).then(|| (place, std::mem::take(bytes), byte..byte + nest.elements * place.size))
}

/// Box axes of a copy into a dense tile; `from` steps are in elements.
fn box_axes(axes: &mut Vec<CopyAxis>, shape: &[usize], from: &[i64], size: usize) {
    axes.clear();
    let mut dense = size as i64;
    for (&length, &step) in shape.iter().zip(from).rev() {
        axes.push(CopyAxis { length, to: dense, from: step * size as i64 });
        dense *= length as i64;
    }
    axes.reverse();
}

/// Box axes of a copy out of a dense tile, or out of one element.
fn store_axes(axes: &mut Vec<CopyAxis>, shape: &[usize], to: &[i64], uniform: bool, size: usize) {
    box_axes(axes, shape, to, size);
    for axis in axes {
        let from = if uniform { 0 } else { axis.to };
        *axis = CopyAxis { length: axis.length, to: axis.from, from };
    }
}

#[inline(always)]
fn binary(kernels: &BinaryKernels, out: &mut [u8], (a, a_uniform): (&[u8], bool), (b, b_uniform): (&[u8], bool)) {
    match (a_uniform, b_uniform, kernels.scalar_vector) {
        (false, true, _) => (kernels.vector_scalar)(out, a, b),
        (true, false, Some(kernel)) => kernel(out, a, b),
        (true, false, None) => (kernels.vector_scalar)(out, b, a),
        // Two scalars are tiles of one element.
        _ => (kernels.vector_vector)(out, a, b),
    }
}

#[inline(always)]
fn select(kernels: &SelectKernels, out: &mut [u8], (mask, mask_uniform): (&[u8], bool), a: (&[u8], bool), b: (&[u8], bool)) {
    if mask_uniform {
        let (chosen, uniform) = if mask[0] != 0 { a } else { b };
        if uniform {
            for out in out.chunks_exact_mut(chosen.len()) {
                out.copy_from_slice(chosen);
            }
        } else {
            out.copy_from_slice(chosen);
        }
        return;
    }
    let kernel = match (a.1, b.1) {
        (false, false) => kernels.vector_vector,
        (false, true) => kernels.vector_scalar,
        (true, false) => kernels.scalar_vector,
        (true, true) => kernels.scalar_scalar,
    };
    kernel(out, mask, a.0, b.0);
}
