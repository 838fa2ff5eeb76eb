//! Where results go: merged reductions, temps, compressed offsets, the caller's closures.
//!
//! Everything here happens on the thread that called execute. What has an order (merges, compressed writes,
//! closures) is given runs in order by the scheduler.

use super::{
    carry::FoldPart,
    compute::written_region,
    execute::Execution,
    job::{Part, RunTask, StageJob},
    prepare::groups_of,
    waiting::Waiting,
};
use crate::{
    error::{Error, Result},
    nd::{Region, shape::show},
    plan::WriteTo,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The whole of what a stage makes while it runs.
pub(super) struct StageResults {
    /// One entry per reduction, in the program's order.
    pub wholes: Vec<Part>,
    /// One entry per user fold.
    folds: Vec<FoldPart>,
    /// Units along the compressed axis that are written so far; one entry per write.
    compressed_done: Vec<usize>,
    /// What waits until it fills chunks; one entry per write.
    waiting: Vec<Option<Waiting>>,
}

/// A result that is still to be written to a target.
pub(super) struct Pending {
    pub output: usize,
    pub region: Region,
    pub bytes: usize,
}

impl StageResults {
    pub fn new(job: &StageJob) -> Result<Self> {
        let stage = job.stage.stage();
        let kept = |reduction: usize| stage.reductions[reduction].kept.iter().map(|&axis| stage.space[axis]).product::<usize>();
        let outputs = |reduction: usize| kept(reduction) * groups_of(stage, reduction);
        let wholes = job.stage.reductions.iter().map(|&reduction| Part::new(&job.budget, &job.stage, reduction, outputs(reduction)));
        let waiting = stage.writes.iter().map(|_| None).collect();
        let compressed_done = vec![0; stage.writes.len()];
        Ok(StageResults { wholes: wholes.collect::<Result<_>>()?, folds: job.take_folds()?, compressed_done, waiting })
    }

    /// Merges a run's shares of the reductions. Called in run order, so that inexact sums do not depend on threads.
    pub fn merge(&mut self, job: &StageJob, task: &mut RunTask) -> Result<()> {
        let stage = job.stage.stage();
        for ((whole, part), &reduction) in self.wholes.iter_mut().zip(&task.parts).zip(&job.stage.reductions) {
            let kept = &stage.reductions[reduction].kept;
            let space: Vec<usize> = kept.iter().map(|&axis| stage.space[axis]).collect();
            let start: Vec<usize> = kept.iter().map(|&axis| task.region.start[axis]).collect();
            let shape: Vec<usize> = kept.iter().map(|&axis| task.region.shape[axis]).collect();
            let groups = groups_of(stage, reduction);
            let [outputs, part_outputs] = [&whole.accumulator, &part.accumulator].map(|all| all.outputs() / groups.max(1));
            let region = Region { start, shape };
            if outputs == part_outputs && region.shape == space {
                whole.accumulator.merge_run(0, &part.accumulator, 0, outputs * groups);
                continue;
            }
            for group in 0..groups {
                for_each_row(&space, &region, |at, from, count| {
                    whole.accumulator.merge_run(group * outputs + at, &part.accumulator, group * part_outputs + from, count);
                });
            }
        }
        self.folds.iter_mut().zip(task.folds.drain(..)).try_for_each(|(whole, part)| whole.fold.merge(part.fold))
    }

    /// Finishes all reductions into their temps.
    pub fn finish(&mut self, execution: &mut Execution<'_>, job: &StageJob) -> Result<()> {
        for (whole, fold) in self.folds.drain(..).zip(&job.stage.stage().folds) {
            execution.finish_fold(whole.fold, fold.temp)?;
        }
        for (whole, &reduction) in self.wholes.iter().zip(&job.stage.reductions) {
            for (finish, temp) in &job.stage.stage().reductions[reduction].finishes {
                let dtype = execution.prepared.plan.temps[temp.0 as usize].dtype;
                execution.finish_into(&whole.accumulator, (*finish, dtype), *temp, groups_of(job.stage.stage(), reduction) > 1)?;
            }
        }
        Ok(())
    }

    /// Checks that every compressed output received as many elements as were counted before.
    pub fn check_compressed(&mut self, execution: &mut Execution<'_>, job: &StageJob) -> Result<()> {
        self.waiting.iter_mut().flatten().try_for_each(|waiting| waiting.flush(job, job.stage.run_count))?;
        for (write, &done) in job.stage.stage().writes.iter().zip(&self.compressed_done) {
            if !write.compressed {
                continue;
            }
            let (name, shape) = execution.written(write);
            // Rows without elements are selected unseen.
            if shape.first() != Some(&done) && !shape[1..].contains(&0) {
                return Err(count_changed(&name, &shape, done));
            }
            if let WriteTo::Output(index) = write.to {
                execution.stats.output_counts[index] = Some(done);
            }
        }
        Ok(())
    }

    /// Puts a run's result where it belongs, or says what a target still has to be given.
    pub fn deliver(&mut self, execution: &mut Execution<'_>, job: &StageJob, task: &mut RunTask, index: usize) -> Result<Option<Pending>> {
        let write = &job.stage.stage().writes[index];
        let region =
            if write.compressed { self.compressed_region(execution, job, task, index)? } else { written_region(write, &task.region) };
        let bytes = region.count() * write.dtype.size();
        execution.count_written(bytes as u64);
        if let Some(lent) = task.lent.get_mut(index).and_then(Option::take) {
            lent.finish();
            return Ok(None);
        }
        if task.stored.get(index) == Some(&true) {
            return Ok(None);
        }
        if write.compressed
            && bytes > 0
            && let Some(waiting) = self.waiting(execution, job, index)?
        {
            let buffer = task.outputs[index].as_mut().ok_or_else(|| Error::internal("a result is delivered twice"))?;
            let taken = waiting.take(job, task.run, region.shape[0], buffer.bytes_mut())?;
            return Ok(taken.map(|(region, bytes)| Pending { output: waiting.output, region, bytes }));
        }
        let buffer = task.outputs[index].as_ref().ok_or_else(|| Error::internal("a result is delivered twice"))?;
        let content = buffer.bytes().get(..bytes).ok_or_else(|| Error::internal("a run made more than it was planned to"))?;
        if bytes == 0 {
            return Ok(None);
        }
        match write.to {
            WriteTo::Temp(temp) => execution.write_temp(temp, &region, content).map(|()| None),
            WriteTo::Scratch(_) => Err(Error::internal("a frame of scratch was not written by its worker")),
            WriteTo::Output(output) if execution.has_caller(output) => execution.call(output, &region, content).map(|()| None),
            WriteTo::Output(output) => Ok(Some(Pending { output, region, bytes })),
        }
    }

    /// Where selected elements wait that go to a store of chunks.
    fn waiting(&mut self, execution: &Execution<'_>, job: &StageJob, index: usize) -> Result<Option<&mut Waiting>> {
        let write = &job.stage.stage().writes[index];
        let WriteTo::Output(output) = write.to else { return Ok(None) };
        let Some(chunk) = job.targets[output].as_ref().and_then(|target| target.chunk()) else { return Ok(None) };
        if self.waiting[index].is_none() {
            let (_, shape) = execution.written(write);
            self.waiting[index] = Some(Waiting::new(&job.budget, write, output, &shape, chunk)?);
        }
        Ok(self.waiting[index].as_mut())
    }

    /// The next rows of a compressed array.
    fn compressed_region(&mut self, execution: &Execution<'_>, job: &StageJob, task: &RunTask, index: usize) -> Result<Region> {
        let write = &job.stage.stage().writes[index];
        let (name, mut shape) = execution.written(write);
        let elements = task.compressed[job.stage.ordinals[index]];
        let row = shape.iter().skip(1).product::<usize>();
        if shape.is_empty() || (elements > 0 && (row == 0 || !elements.is_multiple_of(row))) {
            return Err(Error::internal(format!("{elements} selected elements are not whole rows of `{name}` of shape {}", show(&shape))));
        }
        let (done, rows) = (self.compressed_done[index], elements.checked_div(row).unwrap_or(0));
        if done + rows > shape[0] {
            return Err(count_changed(&name, &shape, done + rows));
        }
        self.compressed_done[index] = done + rows;
        let mut start = vec![0; shape.len()];
        (start[0], shape[0]) = (done, rows);
        Ok(Region { start, shape })
    }
}

fn count_changed(name: &str, shape: &[usize], found: usize) -> Error {
    let counted = shape.first().copied().unwrap_or(0);
    Error::changed(format!("the mask of `{name}` selected {counted} when it was counted, and {found} or more when it was written"))
        .hint("a source changed in between, or a block function does not always return the same")
}

/// Calls a caller's closure; a panic in it is kept for the end.
pub(super) fn call_guarded(work: impl FnOnce() -> Result<()>) -> Result<Result<()>, Box<dyn std::any::Any + Send>> {
    // The closure belongs to the caller, who sees the panic again once all threads are idle.
    catch_unwind(AssertUnwindSafe(work))
}

/// Calls `row(place in the array, place in the box, elements)` for every contiguous piece of a box of a dense C-order array.
pub(super) fn for_each_row(space: &[usize], region: &Region, mut row: impl FnMut(usize, usize, usize)) {
    if region.is_empty() {
        return;
    }
    // The innermost axes up to the first one that the box does not span are one piece.
    let mut outer = space.len();
    let (mut count, mut space_row, mut place) = (1, 1, 0);
    while outer > 0 {
        outer -= 1;
        place += region.start[outer] * space_row;
        space_row *= space[outer];
        count *= region.shape[outer];
        if region.shape[outer] != space[outer] {
            break;
        }
    }
    let mut at = vec![0; outer];
    let mut strides = vec![0; outer];
    for axis in (0..outer).rev() {
        strides[axis] = space_row;
        place += region.start[axis] * space_row;
        space_row *= space[axis];
    }
    let mut from = 0;
    loop {
        row(place, from, count);
        from += count;
        let mut axis = outer;
        loop {
            let Some(next) = axis.checked_sub(1) else { return };
            axis = next;
            at[axis] += 1;
            place += strides[axis];
            if at[axis] < region.shape[axis] {
                break;
            }
            place -= strides[axis] * at[axis];
            at[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(space: &[usize], region: Region) -> Vec<(usize, usize, usize)> {
        let mut found = Vec::new();
        for_each_row(space, &region, |at, from, count| found.push((at, from, count)));
        found
    }

    #[test]
    fn rows_of_boxes() {
        assert_eq!(rows(&[4, 5], Region::new([1, 0], [2, 5])), [(5, 0, 10)]);
        assert_eq!(rows(&[4, 5], Region::new([1, 2], [2, 3])), [(7, 0, 3), (12, 3, 3)]);
        assert_eq!(rows(&[], Region::default()), [(0, 0, 1)]);
        assert_eq!(rows(&[2, 3, 4], Region::new([0, 1, 0], [2, 2, 4])), [(4, 0, 8), (16, 8, 8)]);
        assert_eq!(rows(&[2, 2, 2], Region::new([0, 0, 1], [2, 2, 1])), [(1, 0, 1), (3, 1, 1), (5, 2, 1), (7, 3, 1)]);
        assert_eq!(rows(&[2, 0], Region::new([0, 0], [2, 0])), []);
    }
}
