//! Reductions along short rows whose results are finished at once, without an accumulator for each.

use super::{
    Operand,
    action::{Action, Operation},
    execute::Execution,
    nest::Layout,
    prepare::PreparedSweep,
};
use crate::{
    error::{Error, Result},
    kernel::program::{Accumulation, Program, SlotId},
    numeric::{Finish, ROW_LENGTHS, ROWS_MAX, RowSums, TileAxis},
};

/// A sweep that only reduces a slot to results, each of which [`RowSums`] gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    slot: usize,
    /// Tracks of the slot and of the outputs.
    tracks: [usize; 2],
    acc: usize,
}

impl Rows {
    pub fn of(code: &[Operation], program: &Program) -> Option<Rows> {
        let [load, reduce] = code else { return None };
        let (
            Action::Load { slot, track: slot_track, swap: None, borrows: true, .. },
            Action::Reduce { acc, track, index: None, check: None, .. },
        ) = (&load.action, &reduce.action)
        else {
            return None;
        };
        let Accumulation { kind, dtype, finishes, .. } = &program.accumulators[*acc];
        let is_given = |what: &Finish, slot: &SlotId| RowSums::finishes(*kind, *dtype, *what, program.slots[slot.0 as usize].dtype);
        let all = !finishes.is_empty() && finishes.iter().all(|(what, slot)| is_given(what, slot));
        all.then_some(Rows { slot: *slot, tracks: [*slot_track, *track], acc: *acc })
    }
}

impl Execution<'_, '_, '_, '_> {
    /// The rows of the block that was laid out, if it is some that lie one after the other, each with an output.
    pub(super) fn rows_of(&self, sweep: &PreparedSweep) -> Option<Rows> {
        let (rows, nest) = (sweep.rows?, &self.machine.nest);
        let [slot_track, track] = rows.tracks;
        let &[_, length] = &nest.lengths[..] else { return None };
        let is_whole = nest.tile[1] == length && nest.box_first == 0 && ROW_LENGTHS.contains(&length);
        let is_direct = self.lies_in_place(sweep) && nest.layouts[slot_track] == Layout::Dense && nest.steps(track) == [1, 0];
        (is_whole && is_direct).then_some(rows)
    }

    /// The results of the rows of a tile. Those that are not certain go through the accumulator.
    pub(super) fn finish_rows(&mut self, rows: Rows) -> Result<()> {
        let machine = &mut *self.machine;
        let (Operand::Input { bytes, byte_offset, .. }, Some(local)) = (&self.operands[rows.slot], &mut machine.accumulators[rows.acc])
        else {
            return Err(Error::internal("rows that are not there"));
        };
        let (accumulation, kernels) = (&self.prepared.accumulations[rows.acc], &self.prepared.kernels);
        let slots = &self.prepared.slots;
        let finishes = accumulation.finishes.iter().map(|(what, slot)| (*what, slot.0 as usize, slots[slot.0 as usize].dtype));
        let [from, base] = rows.tracks.map(|track| machine.nest.offsets[track] as usize);
        let [count, length] = [machine.nest.shape[0], machine.nest.shape[1]];
        let row_bytes = length * accumulation.dtype.size();
        let tile = &bytes[byte_offset + from * accumulation.dtype.size()..][..count * row_bytes];
        let axes = [TileAxis { length, output_step: 0, index_step: 1 }];
        let mut sums = RowSums::EMPTY;
        for (first, cells) in (base..).step_by(ROWS_MAX).zip(tile.chunks(ROWS_MAX * row_bytes)) {
            let here = cells.len() / row_bytes;
            (kernels.take_rows)(&mut sums, accumulation.dtype, cells, length, here);
            let mut doubtful = 0;
            for (what, slot, dtype) in finishes.clone() {
                let out = &mut machine.locals[slot].bytes_mut()[first * dtype.size()..][..here * dtype.size()];
                doubtful |= (kernels.finish_rows)(&sums, what, dtype, here, out);
            }
            while doubtful != 0 {
                let row = doubtful.trailing_zeros() as usize;
                doubtful &= doubtful - 1;
                let (cells, output) = (&cells[row * row_bytes..][..row_bytes], first + row);
                (kernels.absorb)(&mut local.accumulator, cells, &axes, output, 0);
                for (what, slot, dtype) in finishes.clone() {
                    let out = &mut machine.locals[slot].bytes_mut()[output * dtype.size()..][..dtype.size()];
                    local.accumulator.finish(what, dtype, output, 1, out)?;
                }
            }
        }
        Ok(())
    }
}
