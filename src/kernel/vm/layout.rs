//! From a sweep and a block to a loop nest: how far every track steps along every axis, and whether all of it lies in its slot.

use super::{
    Operand,
    action::Track,
    execute::Execution,
    nest::Layout,
    prepare::{Once, PreparedSweep},
};
use crate::{
    error::{Error, Result},
    kernel::program::SlotKind,
    numeric::RUN_MIN,
};

/// How many tiles are one where an operation goes from memory to memory: every tile begins with a wait for its first lines.
const WIDE_TILES: usize = 8;

/// How many are one where all of a tile goes into one reduction: nothing of it is looked at again.
const SUMMED_TILES: usize = 32;

impl Execution<'_, '_, '_, '_> {
    /// Fills the nest: steps per track and axis, from the innermost axis outwards, and the offsets of the first element.
    pub(super) fn lay_out(&mut self, sweep: &PreparedSweep) -> Result<()> {
        let machine = &mut *self.machine;
        // What an earlier sweep, or another program, would have read next is nobody's business here.
        machine.ahead.clear();
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
                        (Operand::Local, SlotKind::Halo { .. }) => dense(true, length),
                        (Operand::Local, _) => 0,
                    },
                    Track::Accumulator(acc) => match self.prepared.globals[*acc] {
                        Some(global) => self.accumulators[global].strides[axis],
                        None => dense(sweep.axes[axis] && !self.prepared.accumulations[*acc].reduced[axis], length),
                    },
                    Track::Index(acc) => {
                        let is_counted = self.prepared.counts_space || sweep.axes[axis];
                        dense(is_counted && self.prepared.accumulations[*acc].reduced[axis], self.block.space[axis])
                    }
                    Track::Generator { strides, .. } => strides[axis],
                };
            }
            if sweep.axes[axis] && length > 1 {
                nest.push_outer(axis, length, steps);
                streams.iter_mut().zip(steps.iter()).for_each(|(streams, step)| *streams &= *step != 0);
            }
            for (track, (offset, step)) in sweep.tracks.iter().zip(nest.offsets.iter_mut().zip(steps.iter())) {
                if matches!(track, Track::Index(_) | Track::Generator { .. }) {
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
                Track::Index(_) => 0,
                Track::Generator { offset, .. } => *offset,
            };
        }
        nest.finish(sweep.tile_elements, sweep.order, &sweep.roles);
        self.lengthen_tiles(sweep);
        self.check_reach(sweep)
    }

    /// Makes one tile of several where nothing of them is looked at again.
    fn lengthen_tiles(&mut self, sweep: &PreparedSweep) {
        self.machine.in_place = false;
        if let Some(Once::Reduces { alone, exact: true }) = sweep.once
            && self.machine.nest.take_rows(if alone { usize::MAX } else { sweep.tile_elements * SUMMED_TILES })
        {
            if self.lies_in_place(sweep) {
                return;
            }
            self.machine.nest.put_back();
        }
        let once = sweep.once.filter(|_| self.lies_in_place(sweep));
        self.machine.in_place = once == Some(Once::Passes);
        let sums_runs = matches!(once, Some(Once::Sums { .. } | Once::Reduces { exact: false, .. })) && self.sums_runs(sweep);
        let reduced = |alone: bool| sweep.tile_elements * if alone { SUMMED_TILES } else { WIDE_TILES };
        let nest = &mut self.machine.nest;
        match once {
            Some(Once::Passes) => nest.widen(sweep.tile_elements * WIDE_TILES),
            // What is not exact is cut into pieces again, where the shorter tiles would have ended.
            Some(Once::Reduces { alone, exact: false }) if sums_runs => nest.widen(reduced(alone)),
            Some(Once::Reduces { alone, exact: true }) => nest.lengthen(reduced(alone)),
            Some(Once::Sums { exact }) if sums_runs && (exact || nest.row_rest() >= RUN_MIN) => {
                nest.widen(sweep.tile_elements * SUMMED_TILES);
                if exact {
                    nest.piece = nest.elements;
                }
            }
            Some(Once::Sums { exact: true }) if self.sums_rows(sweep) => {
                let nest = &mut self.machine.nest;
                nest.lengthen(sweep.tile_elements * SUMMED_TILES);
                nest.piece = nest.elements;
            }
            Some(Once::Sums { .. } | Once::Reduces { .. }) | None => {}
        }
    }

    /// Whether a tile that is a piece of one row is a run for one output, for sums.
    fn sums_runs(&self, sweep: &PreparedSweep) -> bool {
        let nest = &self.machine.nest;
        let is_vector = |layout: &Layout| *layout == Layout::Dense;
        sweep.tracks.iter().zip(&nest.layouts).any(|(track, layout)| matches!(track, Track::Slot(_)) && is_vector(layout))
            && sweep.tracks.iter().enumerate().all(|(at, track)| match track {
                Track::Accumulator(_) => nest.steps(at).last() == Some(&0),
                _ => true,
            })
    }

    /// Whether a tile is whole rows beside each other, each a run for one output.
    fn sums_rows(&self, sweep: &PreparedSweep) -> bool {
        let nest = &self.machine.nest;
        let is_run = nest.box_shape().iter().skip(1).product::<usize>() >= RUN_MIN && nest.layouts.contains(&Layout::Dense);
        is_run
            && sweep.tracks.iter().enumerate().all(|(at, track)| match track {
                Track::Accumulator(_) => nest
                    .steps(at)
                    .split_first()
                    .is_some_and(|(first, rest)| *first != 0 && !rest.is_empty() && rest.iter().all(|step| *step == 0)),
                Track::Slot(_) => nest.layouts[at] != Layout::Strided,
                _ => false,
            })
    }

    /// Whether nothing of a tile is ever copied: all of it is read and written where it lies.
    pub(super) fn lies_in_place(&self, sweep: &PreparedSweep) -> bool {
        sweep.tracks.iter().zip(&self.machine.nest.layouts).all(|(track, layout)| {
            let slot = match track {
                Track::Slot(slot) => slot,
                Track::Accumulator(_) => return matches!(sweep.once, Some(Once::Reduces { .. } | Once::Sums { .. })),
                _ => return false,
            };
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
}
