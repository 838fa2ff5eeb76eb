//! Tiles between registers and the memory of slots.

use super::{
    Operand, Stores,
    action::{Action, Direct, Operation, Source},
    execute::{Execution, View},
    nest::{Layout, Nest},
    prepare::PreparedSweep,
    register::{LINE, Place},
};
use crate::{
    error::{Error, Result},
    kernel::{
        generate,
        movement::{CopyAxis, copy_box},
        program::Generator,
        simd::{PREFETCH_BYTES, prefetch},
        watch::TileCheck,
    },
    nd::DType,
};
use std::ops::Range;

impl Execution<'_, '_, '_, '_> {
    /// Copies a strided tile from an input into an output at once, where that is all there is to do.
    pub(super) fn copy_across(&mut self, sweep: &PreparedSweep) -> bool {
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
        let Ok([Operand::Input { bytes, byte_offset, .. }, Operand::Output { bytes: out, stores, .. }]) =
            self.operands.get_disjoint_mut([*from, *to])
        else {
            return false;
        };
        // What is streamed is turned in the cache, and stored in longer rows from there.
        if *stores == Stores::Streamed && streams_rows(nest, *to_track, *size, out) {
            return false;
        }
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

    /// Asks for the next lines of a tile that will be loaded after this one.
    #[inline]
    pub(super) fn look_ahead(&mut self) {
        ask_ahead(&mut self.machine.ahead, self.operands, PREFETCH_BYTES);
    }

    pub(super) fn generate(&mut self, dst: usize, dtype: DType, generator: &Generator, track: usize) {
        let machine = &mut *self.machine;
        let nest = &machine.nest;
        box_axes(&mut machine.copy_axes, nest.box_shape(), nest.steps(track), 1);
        let register = &mut machine.registers[dst];
        register.place = Place::Buffer;
        let out = &mut machine.buffers[register.home].bytes_mut()[..nest.elements * dtype.size()];
        generate::fill(generator, dtype, &machine.copy_axes, nest.offsets[track], out, self.prepared.kernels.draw);
    }

    pub(super) fn load(
        &mut self,
        dst: usize,
        slot: usize,
        track: usize,
        size: usize,
        swap: Option<fn(&mut [u8])>,
        borrows: bool,
        keeps: bool,
    ) {
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
                machine.ahead.push((slot, next..(next + machine.nest.elements * size).min(bytes.len())));
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
                machine.ahead.push((slot, (byte + length).min(bytes.len())..(byte + 2 * length).min(bytes.len())));
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

    pub(super) fn store(&mut self, slot: usize, track: usize, src: &Source, size: usize, check: Option<TileCheck>) {
        self.ask(src, size, check);
        let machine = &mut *self.machine;
        let byte = machine.nest.offsets[track] as usize * size;
        let elements = machine.nest.elements;
        // Taken out while the rest is read; put back below.
        let mut local = std::mem::take(&mut machine.locals[slot]);
        let (mut output, stores): (&mut [u8], Stores) = match &mut self.operands[slot] {
            Operand::Output { bytes, stores, .. } => (std::mem::take(bytes), *stores),
            _ => (&mut [], Stores::Cached),
        };
        let is_output = matches!(self.operands[slot], Operand::Output { .. });
        let out = if is_output { &mut *output } else { local.bytes_mut() };
        let view = View::new(&machine.registers, &machine.buffers, &machine.locals, self.operands);
        let (tile, uniform) = view.read(src, elements, size);
        match machine.nest.layouts[track] {
            Layout::Uniform => out[byte..byte + size].copy_from_slice(&tile[tile.len() - size..]),
            Layout::Dense if !uniform && stores == Stores::Streamed => {
                (self.prepared.kernels.stream)(&mut out[byte..byte + elements * size], tile);
            }
            Layout::Dense if !uniform => out[byte..byte + elements * size].copy_from_slice(tile),
            _ if !uniform && stores == Stores::Streamed && streams_rows(&machine.nest, track, size, out) => {
                store_axes(&mut machine.copy_axes, machine.nest.box_shape(), machine.nest.steps(track), uniform, size);
                stream_rows(self.prepared.kernels.stream, &machine.copy_axes, &mut out[byte..], &tile[..elements * size]);
            }
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

    pub(super) fn compress(&mut self, slot: usize, ordinal: usize, src: &Source, mask: &Source, size: usize) -> Result<()> {
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
}

/// Shortest row that is worth a loop of its own past the cache, and the shortest whose ends may share their lines with others.
const ROW_BYTES_MIN: usize = 256;
const LONG_ROW_BYTES: usize = 2048;

/// Whether the rows of a strided tile are dense each, and long enough or on cache lines, so that they can pass the cache.
fn streams_rows(nest: &Nest, track: usize, size: usize, out: &[u8]) -> bool {
    let (Some((1, outer)), Some(length)) = (nest.steps(track).split_last(), nest.box_shape().last()) else { return false };
    let on_lines = |elements: i64| (elements.unsigned_abs() as usize * size).is_multiple_of(LINE);
    let first = out.as_ptr() as usize + nest.offsets[track] as usize * size;
    let aligned = first.is_multiple_of(LINE) && outer.iter().all(|&step| on_lines(step));
    let row_bytes = length * size;
    outer.iter().all(|&step| step > 0) && row_bytes >= ROW_BYTES_MIN && (aligned || row_bytes >= LONG_ROW_BYTES)
}

/// Copies a dense tile past the cache to rows that are dense each; the first one begins with `out`.
fn stream_rows(stream: fn(&mut [u8], &[u8]), axes: &[CopyAxis], out: &mut [u8], tile: &[u8]) {
    match axes {
        [] | [_] => stream(&mut out[..tile.len()], tile),
        [outer, inner @ ..] => {
            for (index, part) in tile.chunks_exact(outer.from as usize).enumerate() {
                stream_rows(stream, inner, &mut out[index * outer.to as usize..], part);
            }
        }
    }
}

/// Asks for `bytes` of what will be loaded for the next tile.
#[inline]
pub(super) fn ask_ahead(ahead: &mut [(usize, Range<usize>)], operands: &[Operand<'_>], bytes: usize) {
    let is_left = |(slot, range): &&mut (usize, Range<usize>)| !range.is_empty() && matches!(operands[*slot], Operand::Input { .. });
    let Some((slot, range)) = ahead.iter_mut().find(is_left) else { return };
    let Operand::Input { bytes: memory, .. } = &operands[*slot] else { return };
    let end = (range.start + bytes).min(range.end);
    prefetch(memory.get(range.start..end).unwrap_or_default());
    range.start = end;
}

/// An output's bytes, taken out of its operand while a tile is computed straight into them.
pub(super) struct Target<'o> {
    pub place: Direct,
    pub stores: Stores,
    bytes: &'o mut [u8],
    /// Where the tile begins.
    byte: usize,
}

/// Bytes of a piece that passes the cache: its operands are asked for while the piece before it is stored.
const STREAMED_BYTES: usize = 1024;
/// Bytes of any other piece.
const PIECE_BYTES: usize = 16 * 1024;

impl<'o> Target<'o> {
    /// Where the piece that begins with element `first` ends, if elements have `widest` bytes at most. Pieces that are streamed end
    /// on cache lines.
    #[inline]
    pub fn piece_end(&self, first: usize, widest: usize, elements: usize) -> usize {
        let (length, size) = match self.stores {
            Stores::Cached => (PIECE_BYTES / widest, 0),
            Stores::Streamed => (STREAMED_BYTES / widest, self.place.size),
        };
        let end = first + length;
        let beyond = ((self.bytes.as_ptr() as usize + self.byte + end * size) % LINE).checked_div(size).unwrap_or(0);
        (end - beyond).min(elements)
    }

    #[inline]
    pub fn piece(&mut self, first: usize, end: usize) -> &mut [u8] {
        &mut self.bytes[self.byte + first * self.place.size..self.byte + end * self.place.size]
    }

    pub fn put_back(self, operands: &mut [Operand<'o>]) {
        if let Operand::Output { bytes, .. } = &mut operands[self.place.slot] {
            *bytes = self.bytes;
        }
    }
}

/// Takes an output's bytes out of its operand, where the tile is dense and aligned there.
#[inline]
pub(super) fn take_direct<'o>(nest: &Nest, operands: &mut [Operand<'o>], place: Direct) -> Option<Target<'o>> {
    let Operand::Output { bytes, stores, .. } = &mut operands[place.slot] else { return None };
    let byte = nest.offsets[place.track] as usize * place.size;
    let aligned = (bytes.as_ptr() as usize + byte).is_multiple_of(place.size);
    let dense = nest.layouts[place.track] == Layout::Dense;
    (dense && aligned).then(|| Target { place, stores: *stores, bytes: std::mem::take(bytes), byte })
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
