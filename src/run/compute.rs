//! One run: bind its memory, walk its blocks through the machine, check its windows.

use super::{
    carry::{Carried, Carry},
    chunks::read_chunks,
    fetch::{Held, drop_windows, hold_windows, place_read, read_bytes},
    io::store,
    job::{RunTask, StageJob},
    pool::Buffer,
    prepare::{Binding, PreparedStage},
    timing::compute_lane,
    windows::ChunkWindows,
};
use crate::{
    error::{Error, Result},
    kernel::vm::{BlockContext, BlockFold, BlockFunction, GlobalAccumulator, Machine, Operand, Stores},
    nd::{Region, shape::c_strides},
    plan::{Access, Write, WriteTo},
    store::{Lent, Target},
    trace::SpanKind,
};
use std::time::Instant;

/// Computes a run, and decodes and encodes the chunks that it takes. Otherwise it does no I/O of its own; pages of mapped windows may
/// still be faulted in.
pub(super) fn compute(job: &StageJob, machine: &mut Machine, task: &mut RunTask, spare: &mut Vec<u8>) -> Result<()> {
    task.taken_by(compute_lane());
    let (begun, bytes_before) = (task.now(), task.bytes_read);
    read_chunks(job, task, spare)?;
    if task.bytes_read > bytes_before {
        task.did(SpanKind::Read, begun);
    }
    let (started, begun) = (Instant::now(), task.now());
    take_results(job, task)?;
    let held = hold_windows(job, task)?;
    place_slots(job, task, &held)?;
    let mut carries = job.take_carries()?;
    let mut chunks = ChunkWindows::new(job);
    let walked = walk(job, machine, task, (&held, &mut chunks), &mut carries);
    job.give_carries(carries);
    task.findings = machine.take_findings();
    task.bytes_mapped += chunks.bytes_mapped;
    task.bytes_read += chunks.bytes_mapped;
    // A file that changed under its window explains whatever else went wrong.
    let released = chunks.release();
    drop_windows(job, held).and(released)?;
    task.seconds = started.elapsed().as_secs_f64();
    task.did(SpanKind::Compute, begun);
    walked?;
    let begun = task.now();
    store_chunks(job, task)?;
    if task.stored.contains(&true) {
        task.did(SpanKind::Write, begun);
    }
    Ok(())
}

/// Gives the run's results to stores of chunks, which encode them, where they have no order.
fn store_chunks(job: &StageJob, task: &mut RunTask) -> Result<()> {
    let writes = &job.stage.stage().writes;
    task.stored.clear();
    task.stored.resize(writes.len(), false);
    for (index, write) in writes.iter().enumerate() {
        let Some(buffer) = &task.outputs[index] else { continue };
        let is_chunked = match write.to {
            WriteTo::Output(output) => job.targets[output].as_ref().is_some_and(|target| target.chunk().is_some()),
            WriteTo::Scratch(_) => true,
            WriteTo::Temp(_) => false,
        };
        if write.compressed || !is_chunked {
            continue;
        }
        let region = written_region(write, &task.region);
        let bytes = buffer.bytes().get(..region.count() * write.dtype.size());
        let bytes = bytes.ok_or_else(|| Error::internal("a run made more than it was planned to"))?;
        match write.to {
            _ if bytes.is_empty() => {}
            WriteTo::Output(output) => store(job, task.run, output, &region, bytes)?,
            WriteTo::Scratch(id) => job.scratch(id)?.spill.write(&region, bytes)?,
            WriteTo::Temp(_) => {}
        }
        task.stored[index] = true;
    }
    Ok(())
}

/// Buffers and accumulators for the results of the run.
fn take_results(job: &StageJob, task: &mut RunTask) -> Result<()> {
    let stage = job.stage.stage();
    task.outputs.clear();
    task.lent.clear();
    for (index, write) in stage.writes.iter().enumerate() {
        let lent = lend(job, write, &task.region)?;
        task.outputs.push(if lent.is_none() { Some(job.pool.take(stage.reads.len() + index)?) } else { None });
        task.lent.push(lent);
    }
    task.parts = job.take_parts()?;
    task.folds = job.take_folds()?;
    task.compressed.clear();
    task.compressed.resize(job.stage.output_slots, 0);
    Ok(())
}

/// The place in memory where a run's result stays, if it may be written there.
fn lend(job: &StageJob, write: &Write, region: &Region) -> Result<Option<Lent>> {
    match write.to {
        WriteTo::Output(output) if !write.compressed => match &job.memories[output] {
            Some(memory) => memory.lend(&written_region(write, region)),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// The box of a written array that a box of the stage makes.
pub(super) fn written_region(write: &Write, region: &Region) -> Region {
    let start: Vec<usize> = write.axes.iter().map(|axis| axis.map_or(0, |axis| region.start[axis])).collect();
    let shape: Vec<usize> = write.axes.iter().map(|axis| axis.map_or(1, |axis| region.shape[axis])).collect();
    Region { start, shape }
}

/// Works out where every slot's elements lie.
fn place_slots(job: &StageJob, task: &mut RunTask, held: &[Option<Held>]) -> Result<()> {
    let stage = job.stage.stage();
    let rank = stage.space.len();
    task.firsts.clear();
    task.firsts.resize(job.stage.bindings.len(), 0);
    task.strides.clear();
    task.strides.resize(job.stage.bindings.len() * rank, 0);
    for (slot, binding) in job.stage.bindings.iter().enumerate() {
        let strides = &mut task.strides[slot * rank..][..rank];
        match *binding {
            Binding::Local => {}
            Binding::Read(index) => task.firsts[slot] = place_read(job, index, &task.region, held, strides),
            Binding::Write(index) => place_write(job, index, &task.region, strides)?,
        }
    }
    place_parts(&job.stage, task);
    Ok(())
}

/// Strides of a run's result, which lies densely in its buffer.
fn place_write(job: &StageJob, index: usize, region: &Region, strides: &mut [i64]) -> Result<()> {
    let write = &job.stage.stage().writes[index];
    if write.compressed {
        // Appended from the front of the buffer, block after block: strides of 0 keep every block's first element there.
        return Ok(());
    }
    let written = written_region(write, region);
    let needed = written.count() as u64 * write.dtype.size() as u64;
    if needed > write.bytes_per_run {
        return Err(Error::internal(format!("a write was planned with {} bytes per run and needs {needed}", write.bytes_per_run)));
    }
    for (axis, stride) in write.axes.iter().zip(c_strides(&written.shape)) {
        if let Some(axis) = *axis {
            strides[axis] = stride;
        }
    }
    Ok(())
}

/// Strides of the reductions' outputs: C order of the box of kept axes.
fn place_parts(stage: &PreparedStage, task: &mut RunTask) {
    let rank = stage.stage().space.len();
    task.part_strides.clear();
    task.part_strides.resize(stage.reductions.len() * rank, 0);
    for (&reduction, strides) in stage.reductions.iter().zip(task.part_strides.chunks_mut(rank.max(1))) {
        let mut stride = 1;
        for &axis in stage.stage().reductions[reduction].kept.iter().rev() {
            strides[axis] = stride;
            stride *= task.region.shape[axis] as i64;
        }
    }
}

/// Runs the program on every block of the run, in C order, with the chunks mapped that the blocks lie in.
fn walk(
    job: &StageJob,
    machine: &mut Machine,
    task: &mut RunTask,
    (held, chunks): (&[Option<Held>], &mut ChunkWindows<'_>),
    carries: &mut [Carry],
) -> Result<()> {
    let stage = job.stage.stage();
    let region = task.region.clone();
    let mut carried = Carried::new(stage, &region, carries);
    let mut block = BlockWalk::new(&region, &stage.block);
    loop {
        chunks.hold(&region, &block.start)?;
        if !walk_on(job, machine, task, (held, chunks), &mut carried, &mut block)? {
            return Ok(());
        }
    }
}

/// Runs the program on one block after the other, as long as they lie in the chunks that are held; false after the last. Nothing is
/// allocated per block.
fn walk_on(
    job: &StageJob,
    machine: &mut Machine,
    task: &mut RunTask,
    (held, chunks): (&[Option<Held>], &ChunkWindows<'_>),
    carried: &mut Carried<'_>,
    block: &mut BlockWalk<'_>,
) -> Result<bool> {
    let stage = job.stage.stage();
    let rank = stage.space.len();
    let RunTask { inputs, outputs, lent, parts, folds, compressed, firsts, strides, part_strides, blocks, run, timing, .. } = task;
    let wanted = job.slots_read(block.region);
    let mut operands = operands(job, wanted, (inputs, held, chunks), (outputs, lent), strides)?;
    // Operands of chunks know their first block's place, all others that of the run's first element.
    for (slot, operand) in operands.iter().enumerate() {
        if let (Operand::Input { strides, .. }, Some(first)) = (operand, chunks.first(job.stage.bindings[slot], &block.start)) {
            firsts[slot] = first - block.place(strides);
        }
    }
    let mut accumulators: Vec<GlobalAccumulator<'_>> = parts
        .iter_mut()
        .enumerate()
        .map(|(index, part)| GlobalAccumulator {
            accumulator: &mut part.accumulator,
            base: 0,
            strides: &part_strides[index * rank..][..rank],
        })
        .collect();
    let functions: Vec<&dyn BlockFunction> = job.functions.iter().map(|function| function as _).collect();
    let mut states: Vec<&mut dyn BlockFold> = folds.iter_mut().map(|part| -> &mut dyn BlockFold { &mut *part.fold }).collect();
    loop {
        if job.is_given_up(*run) {
            return Err(Error::cancelled());
        }
        for (operand, &run_first) in operands.iter_mut().zip(firsts.iter()) {
            match operand {
                Operand::Input { first, strides, .. } | Operand::Output { first, strides, .. } => *first = run_first + block.place(strides),
                Operand::Local => {}
            }
        }
        for accumulator in &mut accumulators {
            accumulator.base = block.place(accumulator.strides);
        }
        let scans = carried.of_block(&block.start);
        let context = BlockContext { space: &stage.space, start: &block.start, shape: &block.shape };
        let begun = timing.as_ref().map(|timing| timing.now());
        machine.run_carried(
            &job.stage.program,
            &context,
            &mut operands,
            &mut accumulators,
            &functions,
            (scans, &mut states),
            compressed,
        )?;
        if let (Some(timing), Some(begun)) = (timing.as_mut(), begun) {
            timing.block(*run, *blocks, begun);
        }
        *blocks += 1;
        if !block.advance() {
            return Ok(false);
        }
        if !chunks.have(&block.start) {
            return Ok(true);
        }
    }
}

/// The memory of every slot.
fn operands<'a>(
    job: &'a StageJob,
    wanted: &[bool],
    (inputs, held, chunks): (&'a [Option<Buffer>], &'a [Option<Held>], &'a ChunkWindows<'_>),
    (outputs, lent): (&'a mut [Option<Buffer>], &'a mut [Option<Lent>]),
    strides: &'a [i64],
) -> Result<Vec<Operand<'a>>> {
    let stage = job.stage.stage();
    let rank = stage.space.len();
    let strides_of = |slot: usize| &strides[slot * rank..][..rank];
    let mut operands = Vec::with_capacity(job.stage.bindings.len());
    for (slot, binding) in job.stage.bindings.iter().enumerate() {
        operands.push(match *binding {
            Binding::Read(index) if stage.reads[index].access == Access::Chunks => {
                let (bytes, strides) = chunks.of(index)?;
                Operand::Input { bytes, first: 0, strides, byte_offset: 0 }
            }
            Binding::Read(_) if !wanted[slot] => Operand::Input { bytes: &[], first: 0, strides: strides_of(slot), byte_offset: 0 },
            Binding::Read(index) => {
                let bytes = read_bytes(job, index, inputs, held)?;
                Operand::Input { bytes, first: 0, strides: strides_of(slot), byte_offset: 0 }
            }
            _ => Operand::Local,
        });
    }
    for (write, place) in stage.writes.iter().zip(outputs.iter_mut().zip(lent)) {
        let slot = write.slot.0 as usize;
        // What is in a buffer is taken from there at once.
        let (bytes, stores) = match place {
            (_, Some(lent)) => (lent.bytes_mut(), stores_of(job, write)),
            (Some(buffer), None) => (buffer.bytes_mut(), Stores::Cached),
            (None, None) => continue,
        };
        operands[slot] = Operand::Output { bytes, first: 0, strides: strides_of(slot), stores };
    }
    Ok(operands)
}

/// How a result is stored that stays where it is written.
fn stores_of(job: &StageJob, write: &Write) -> Stores {
    let WriteTo::Output(output) = write.to else { return Stores::Cached };
    let elements = job.memories[output].as_ref().map_or(0, |memory| memory.shape().iter().product());
    Stores::of_result(elements as u64 * write.dtype.size() as u64)
}

/// A walk over the blocks of a run in C order, the last axis fastest.
struct BlockWalk<'a> {
    region: &'a Region,
    block: &'a [usize],
    start: Vec<usize>,
    shape: Vec<usize>,
}

impl<'a> BlockWalk<'a> {
    fn new(region: &'a Region, block: &'a [usize]) -> Self {
        let shape = region.shape.iter().zip(block).map(|(length, block)| *length.min(&(*block).max(1))).collect();
        BlockWalk { region, block, start: region.start.clone(), shape }
    }

    /// How far the block's first element lies from the run's.
    fn place(&self, strides: &[i64]) -> i64 {
        let within = self.start.iter().zip(&self.region.start);
        within.zip(strides).map(|((start, run), stride)| (start - run) as i64 * stride).sum()
    }

    /// Goes to the next block; false after the last.
    fn advance(&mut self) -> bool {
        for axis in (0..self.start.len()).rev() {
            let length = self.block[axis].max(1);
            self.start[axis] += length;
            if self.start[axis] < self.region.end(axis) {
                self.shape[axis] = length.min(self.region.end(axis) - self.start[axis]);
                return true;
            }
            self.start[axis] = self.region.start[axis];
            self.shape[axis] = length.min(self.region.shape[axis]);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nd::Grid;

    #[test]
    fn the_walk_visits_the_blocks_of_the_grid_in_order() {
        for (run, block) in [(vec![5, 7], vec![2, 3]), (vec![4], vec![4]), (vec![], vec![]), (vec![3, 1, 2], vec![1, 1, 2])] {
            let region = Region::new(vec![10; run.len()], run.clone());
            let grid = Grid::new(run, block.clone());
            let mut walk = BlockWalk::new(&region, grid.block());
            for index in 0..grid.count() {
                let want = grid.region(index);
                assert_eq!(walk.shape, want.shape);
                assert!(walk.start.iter().zip(&want.start).all(|(found, want)| found - 10 == *want));
                assert_eq!(walk.advance(), index + 1 < grid.count());
            }
        }
    }
}
