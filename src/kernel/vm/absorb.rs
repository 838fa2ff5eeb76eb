//! Tiles into accumulators.

use super::{
    LocalAccumulator,
    action::Source,
    execute::{Execution, View},
    prepare::PreparedSweep,
};
use crate::{
    error::{Error, Result},
    kernel::{formula::SumKernels, simd::prefetch, watch::TileCheck},
    numeric::{AHEAD_BYTES, Accumulator, Side, TileAxis},
};

impl Execution<'_, '_, '_, '_> {
    /// Whether a watched sum took something that is not finite. What an earlier block gave it counts as well: one look too many.
    pub(super) fn ask_sums(&mut self, sweep: &PreparedSweep) {
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

    pub(super) fn begin_local(&mut self, acc: usize, sweep: &PreparedSweep) -> Result<()> {
        let accumulation = &self.prepared.accumulations[acc];
        let kept = sweep.axes.iter().zip(&accumulation.reduced).zip(self.block.shape);
        let outputs = kept.filter(|((walked, reduced), _)| **walked && !**reduced).map(|(_, &length)| length).product();
        self.local_of(acc, outputs)
    }

    /// An empty local accumulator of so many outputs.
    pub(super) fn local_of(&mut self, acc: usize, outputs: usize) -> Result<()> {
        let accumulation = &self.prepared.accumulations[acc];
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

    /// Writes the results of a local accumulator, unless they are there already, and looks at them.
    pub(super) fn finish_local(&mut self, acc: usize, writes: bool) -> Result<()> {
        let Some(local) = &self.machine.accumulators[acc] else { return Ok(()) };
        for (what, slot) in &self.prepared.accumulations[acc].finishes {
            let dtype = self.prepared.slots[slot.0 as usize].dtype;
            let out = &mut self.machine.locals[slot.0 as usize].bytes_mut()[..local.outputs * dtype.size()];
            if writes {
                local.accumulator.finish(*what, dtype, 0, local.outputs, out)?;
            }
            self.machine.findings.add_results(what.name(), local.accumulator.outcomes(*what, dtype, 0, out));
        }
        Ok(())
    }

    pub(super) fn reduce(&mut self, acc: usize, track: usize, index: Option<usize>, src: &Source, size: usize, check: Option<TileCheck>) {
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
            accumulator.cut_runs(nest.piece);
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

    pub(super) fn reduce_pairs(&mut self, acc: usize, track: usize, sides: &[Source; 2], size: usize, check: Option<TileCheck>) {
        sides.iter().for_each(|side| self.ask(side, size, check));
        let machine = &mut *self.machine;
        let nest = &machine.nest;
        let axes = &mut machine.tile_axes;
        axes.clear();
        let steps = nest.box_shape().iter().zip(nest.steps(track));
        axes.extend(steps.map(|(&length, &output_step)| TileAxis { length, output_step, index_step: 0 }));
        let view = View::new(&machine.registers, &machine.buffers, &machine.locals, self.operands);
        let sides = sides.each_ref().map(|side| {
            let (tile, uniform) = view.read(side, nest.elements, size);
            Side { tile, uniform }
        });
        let accumulator = match (self.prepared.globals[acc], &mut machine.accumulators[acc]) {
            (Some(global), _) => &mut *self.accumulators[global].accumulator,
            (None, Some(local)) => &mut local.accumulator,
            (None, None) => return,
        };
        (self.prepared.kernels.absorb_pairs)(accumulator, sides, axes, nest.offsets[track] as usize);
    }

    /// Adds a formula of `a` and `b` to the outputs, a run of elements to each. False where the tile's outputs do not lie along its
    /// first axis, or nothing of the formula is a vector.
    pub(super) fn sum_of(
        &mut self,
        sweep: &PreparedSweep,
        target: (usize, usize),
        sides: [&Source; 2],
        size: usize,
        kernels: &SumKernels,
    ) -> Result<bool> {
        let summed = self.sum_runs(target, sides, size, kernels);
        // Registers hold no more of what comes instead.
        if !summed && self.machine.nest.elements > sweep.tile_elements {
            return Err(Error::internal("a wide tile that is no run"));
        }
        Ok(summed)
    }

    fn sum_runs(&mut self, (acc, track): (usize, usize), [a, b]: [&Source; 2], size: usize, kernels: &SumKernels) -> bool {
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
        let piece = nest.piece * size;
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
            // Kernels ask for what lies ahead in a run, which these are too short for.
            if run < AHEAD_BYTES {
                for (side, _) in [(a, a_uniform), (b, b_uniform)].into_iter().filter(|(_, uniform)| !uniform) {
                    prefetch(side.get(at * run + AHEAD_BYTES..(at + 1) * run + AHEAD_BYTES).unwrap_or_default());
                }
            }
            let (a, b) = (&a[part(a, a_uniform, at)], &b[part(b, b_uniform, at)]);
            (0..run).step_by(piece).all(|from| {
                let piece = |bytes: &'_ [u8], uniform: bool| if uniform { 0..bytes.len() } else { from..run.min(from + piece) };
                kernel(accumulator, &a[piece(a, a_uniform)], &b[piece(b, b_uniform)], output)
            })
        })
    }
}
