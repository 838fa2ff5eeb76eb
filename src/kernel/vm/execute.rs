//! Runs one sweep over one block.

use super::{
    BlockContext, GlobalAccumulator, Machine, Operand, Stores,
    action::{Action, CastAction, Direct, Operation, Source},
    prepare::{Once, Prepared, PreparedSweep},
    register::{Buffer, Buffers, Place, Register},
    transfer::{Target, ask_ahead, take_direct},
};
use crate::{
    error::{Error, Result},
    kernel::{
        program::CastMode,
        simd::{BinaryKernels, Fence, SelectKernels, prefetch},
        watch::TileCheck,
    },
    nd::shape::show,
};

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
    pub fn new(registers: &'s [Register], buffers: &'s [Buffer], locals: &'s [Buffer], operands: &'s [Operand<'o>]) -> Self {
        View { registers, buffers: Buffers::all(buffers), locals, operands }
    }

    pub fn is_uniform(self, source: &Source) -> bool {
        match source {
            Source::Constant(_) => true,
            Source::Register(register) => self.registers[*register].place == Place::Uniform,
        }
    }

    /// The tile, or one element of it where it is uniform.
    #[inline]
    pub fn read(self, source: &'s Source, elements: usize, size: usize) -> (&'s [u8], bool) {
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

    /// The memory of the slot in which the tile lies, from the tile on; nothing where it does not.
    #[inline]
    fn memory_from(self, source: &Source) -> &'s [u8] {
        let Source::Register(register) = source else { return &[] };
        let Place::Slot { slot, byte } = self.registers[*register].place else { return &[] };
        &self.slot(slot as usize)[byte..]
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
        let streams = |operand: &Operand<'_>| matches!(operand, Operand::Output { stores: Stores::Streamed, .. });
        let _fence = self.operands.iter().any(streams).then_some(Fence);
        for &acc in &sweep.finishing {
            self.begin_local(acc, sweep)?;
        }
        let rows = self.rows_of(sweep);
        loop {
            match rows {
                Some(rows) => self.finish_rows(rows)?,
                None => self.tile(sweep)?,
            }
            if !self.machine.nest.advance() {
                break;
            }
        }
        self.ask_sums(sweep);
        for &acc in &sweep.finishing {
            self.finish_local(acc, rows.is_none())?;
        }
        Ok(())
    }

    fn tile(&mut self, sweep: &PreparedSweep) -> Result<()> {
        if sweep.once == Some(Once::Passes) && self.copy_across(sweep) {
            return Ok(());
        }
        self.machine.ahead.clear();
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
                    let mut happened = false;
                    self.compute(*dst, *out_size, direct, [(a, *size)], |_, out, [(a, _)]| {
                        kernel(out, a);
                        happened |= event.is_some_and(|event| event(out, a, a));
                    });
                    self.machine.alarm |= happened;
                }
                Action::Binary { dst, a, b, kernels, size, out_size, event, .. } => {
                    let mut happened = false;
                    self.compute(*dst, *out_size, direct, [(a, *size), (b, *size)], |_, out, [a, b]| {
                        binary(kernels, out, a, b);
                        happened |= event.is_some_and(|event| event(out, a.0, b.0));
                    });
                    self.machine.alarm |= happened;
                }
                Action::Select { dst, mask, a, b, kernels, size } => {
                    let sources = [(mask, 1), (a, *size), (b, *size)];
                    self.compute(*dst, *size, direct, sources, |_, out, [mask, a, b]| select(kernels, out, mask, a, b));
                }
                Action::Cast(cast) => self.cast(sweep, cast, direct)?,
                Action::Search { dst, a, table, kernel, size, out_size } => {
                    self.compute(*dst, *out_size, direct, [(a, *size)], |_, out, [(a, _)]| kernel(table, out, a));
                }
                Action::Store { slot, track, src, size, check } => self.store(*slot, *track, src, *size, *check),
                Action::Group(group) => self.group(sweep, group)?,
                Action::Reduce { acc, track, index, src, size, check } => self.reduce(*acc, *track, *index, src, *size, *check),
                Action::ReducePairs { acc, track, sides, size, check } => self.reduce_pairs(*acc, *track, sides, *size, *check),
                Action::Compress { slot, ordinal, src, mask, size, check } => {
                    self.ask(src, *size, *check);
                    self.compress(*slot, *ordinal, src, mask, *size)?;
                }
                Action::Chain(chain) => {
                    let (size, links) = (chain.dtype.size(), &chain.links[..chain.length]);
                    let sources = chain.operands.each_ref().map(|source| (source, size));
                    self.compute(chain.dst, size, direct, sources, |_, out, tiles| (chain.kernel)(out, &tiles, links));
                }
                Action::SumOf { acc, track, a, b, size, kernels, skip } => {
                    next += if self.sum_of(sweep, (*acc, *track), [a, b], *size, kernels)? { *skip } else { 0 };
                }
            }
            // A program that only reads keeps the memory busy by itself.
            if sweep.code.len() > 2 && !matches!(action, Action::Load { .. }) {
                self.look_ahead();
            }
        }
        Ok(())
    }

    fn cast(&mut self, sweep: &PreparedSweep, cast: &CastAction, direct: Option<Direct>) -> Result<()> {
        let CastAction { dst, a, kernel, from, to, event, .. } = cast;
        let (mut fault, mut happened) = (usize::MAX, false);
        self.compute(*dst, to.size(), direct, [(a, from.size())], |first, out, [(a, _)]| {
            fault = fault.min(kernel(out, a).saturating_add(first));
            happened |= event.is_some_and(|event| event(out, a, a));
        });
        self.machine.alarm |= happened;
        if fault == usize::MAX { Ok(()) } else { Err(self.cast_fault(sweep, fault, cast)) }
    }

    /// Runs a kernel into register `dst`: on one element where all operands are uniform, else on the tile. A destination
    /// that is also an operand is written to the spare buffer, which then becomes its home. The kernel is told which element
    /// of the tile is the first of what it is given.
    #[inline(always)]
    fn compute<const N: usize>(
        &mut self,
        dst: usize,
        out_size: usize,
        direct: Option<Direct>,
        sources: [(&Source, usize); N],
        mut kernel: impl FnMut(usize, &mut [u8], [(&[u8], bool); N]),
    ) {
        let machine = &mut *self.machine;
        let view = View::new(&machine.registers, &machine.buffers, &machine.locals, self.operands);
        if sources.iter().all(|(source, _)| view.is_uniform(source)) {
            let mut word = [0u64; 1];
            let operands = sources.map(|(source, size)| view.read(source, 1, size));
            kernel(0, &mut bytemuck::cast_slice_mut(&mut word)[..out_size], operands);
            let register = &mut machine.registers[dst];
            (register.place, register.uniform) = (Place::Uniform, word);
        } else if let Some(mut target) = direct.and_then(|place| take_direct(&machine.nest, self.operands, place)) {
            self.machine.alarm |= self.compute_pieces(&mut target, sources, kernel);
            return target.put_back(self.operands);
        } else {
            let aliases = sources.iter().any(|(source, _)| source.is(dst));
            let target = if aliases { machine.spare } else { machine.registers[dst].home };
            let (out, buffers) = Buffers::split(&mut machine.buffers, target);
            let view = View { registers: &machine.registers, buffers, locals: &machine.locals, operands: self.operands };
            let elements = machine.nest.elements;
            let operands = sources.map(|(source, size)| view.read(source, elements, size));
            kernel(0, &mut out.bytes_mut()[..elements * out_size], operands);
            let register = &mut machine.registers[dst];
            register.place = Place::Buffer;
            if aliases {
                machine.spare = std::mem::replace(&mut register.home, target);
            }
        }
        if let Some(Direct { slot, track, size, check }) = direct {
            self.store(slot, track, &Source::Register(dst), size, check);
        }
    }

    /// Runs a kernel into the memory of an output, piece by piece: what is asked of a piece, and what passes the cache on its way
    /// out, is still in the first-level cache. Whether any element is not finite, where that is asked.
    #[inline(always)]
    fn compute_pieces<const N: usize>(
        &mut self,
        target: &mut Target<'_>,
        sources: [(&Source, usize); N],
        mut kernel: impl FnMut(usize, &mut [u8], [(&[u8], bool); N]),
    ) -> bool {
        let machine = &mut *self.machine;
        let (stage, buffers) = Buffers::split(&mut machine.buffers, machine.spare);
        let view = View { registers: &machine.registers, buffers, locals: &machine.locals, operands: self.operands };
        let (elements, Direct { size, check, .. }, stores) = (machine.nest.elements, target.place, target.stores);
        let operands = sources.map(|(source, size)| view.read(source, elements, size));
        let behind = sources.map(|(source, _)| view.memory_from(source));
        let widest = sources.iter().fold(size, |widest, (_, size)| widest.max(*size));
        let mut special = false;
        let mut first = 0;
        while first < elements {
            let end = target.piece_end(first, widest, elements);
            let mut part = [(&[][..], false); N];
            for operand in 0..N {
                let ((bytes, uniform), size) = (operands[operand], sources[operand].1);
                part[operand] = if uniform { (bytes, true) } else { (&bytes[first * size..end * size], false) };
            }
            let out = target.piece(first, end);
            match stores {
                Stores::Cached => {
                    kernel(first, out, part);
                    special |= check.is_some_and(|check| check(out));
                }
                Stores::Streamed => {
                    let stage = &mut stage.bytes_mut()[..out.len()];
                    kernel(first, stage, part);
                    special |= check.is_some_and(|check| check(stage));
                    if machine.in_place {
                        for (behind, (_, size)) in behind.iter().zip(&sources) {
                            prefetch(behind.get(end * size..(2 * end - first) * size).unwrap_or_default());
                        }
                    } else {
                        for _ in 0..machine.ahead.len() {
                            ask_ahead(&mut machine.ahead, self.operands, (end - first) * widest);
                        }
                    }
                    (self.prepared.kernels.stream)(out, stage);
                }
            }
            first = end;
        }
        special
    }

    /// Asks a tile that is handed out, where that is wanted.
    #[inline]
    pub(super) fn ask(&mut self, src: &Source, size: usize, check: Option<TileCheck>) {
        let Some(check) = check else { return };
        let machine = &mut *self.machine;
        let view = View::new(&machine.registers, &machine.buffers, &machine.locals, self.operands);
        machine.alarm |= check(view.read(src, machine.nest.elements, size).0);
    }

    #[cold]
    fn cast_fault(&self, sweep: &PreparedSweep, element: usize, cast: &CastAction) -> Error {
        let CastAction { a: source, from, to, mode, .. } = cast;
        let view = View::new(&self.machine.registers, &self.machine.buffers, &self.machine.locals, self.operands);
        let (tile, _) = view.read(source, self.machine.nest.elements, from.size());
        let value =
            crate::dispatch!(*from, T => <T as crate::nd::Element>::from_bytes(&tile[element * from.size()..][..from.size()]).to_string());
        let place = show(&self.coordinate(sweep, element));
        if *mode == CastMode::Exponent {
            let text = format!("integers to the negative integer power {value} at index {place} are not defined");
            return Error::data(text).hint("cast the base or the exponent to a float first");
        }
        Error::data(format!("{value} at index {place} does not fit {to}")).hint("cast with saturate or wrap, or clip first")
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
