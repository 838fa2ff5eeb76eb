//! Boxes of chunked stores: read and decoded by the worker that computes the run, into a buffer of the pool.

use super::{
    fetch::{reach, room, source_of},
    job::{RunTask, StageJob},
    results::for_each_row,
};
use crate::{
    error::{Error, Result},
    nd::{IndexMap, Region, shape::c_strides},
    plan::{
        Access, Read,
        chunks::{Group, chunk_of, groups},
    },
    store::Source,
};
use std::sync::Arc;

/// Reads a run's boxes of chunked stores. `spare` is the worker's room for boxes that coordinates are picked out of; the plan counts it.
pub(super) fn read_chunks(job: &StageJob, task: &mut RunTask, spare: &mut Vec<u8>) -> Result<()> {
    let stage = job.stage.stage();
    task.inputs.resize_with(stage.reads.len(), || None);
    let wanted = job.slots_read(&task.region);
    for (index, read) in stage.reads.iter().enumerate() {
        let item_bytes = job.stage.slot_bytes(read.slot);
        let region = match read.access {
            Access::Box | Access::Picked { .. } if wanted[read.slot.0 as usize] => reach(job, read, &task.region),
            _ => continue,
        };
        if job.is_given_up(task.run) {
            return Err(Error::cancelled());
        }
        let mut buffer = job.pool.take(index)?;
        let source = source_of(job, read)?;
        task.bytes_read += match &read.access {
            Access::Picked { picked_axes } => read_picked(source, &read.map, picked_axes, &region, item_bytes, buffer.bytes_mut(), spare)?,
            _ => read_box(source, &read.map, &region, item_bytes, buffer.bytes_mut())?,
        };
        task.inputs[index] = Some(buffer);
    }
    Ok(())
}

/// The box of store coordinates that a run reads at once, if it does.
pub(super) fn box_ahead(job: &StageJob, read: &Read, region: &Region) -> Region {
    let span = read.map.span(&reach(job, read, region));
    Region::new(span.iter().map(|range| range.start).collect::<Vec<_>>(), span.iter().map(ExactSizeIterator::len).collect::<Vec<_>>())
}

/// The dense box of store coordinates around a run.
pub(super) struct StoreBox {
    pub region: Region,
    pub first: i64,
}

impl StoreBox {
    /// Measures the box and writes the strides of the buffer that holds it.
    pub fn of(map: &IndexMap, region: &Region, strides: &mut [i64]) -> Self {
        let span = map.span(region);
        let inner = Region::new(
            span.iter().map(|range| range.start).collect::<Vec<_>>(),
            span.iter().map(ExactSizeIterator::len).collect::<Vec<_>>(),
        );
        let within = c_strides(&inner.shape);
        for (stride, step) in strides.iter_mut().zip(&map.steps) {
            *stride = step.iter().zip(&within).map(|(step, within)| step * within).sum();
        }
        let place = |store: usize| {
            let along = (0..map.rank()).map(|axis| map.steps[axis][store] * map.place(axis, region.start[axis])).sum::<i64>();
            (map.offset[store] + along - inner.start[store] as i64) * within[store]
        };
        let first = (0..map.store_rank()).map(place).sum();
        StoreBox { region: inner, first }
    }
}

fn read_box(source: &Arc<dyn Source>, map: &IndexMap, region: &Region, item_bytes: usize, buffer: &mut [u8]) -> Result<u64> {
    let mut strides = vec![0; map.rank()];
    let wanted = StoreBox::of(map, region, &mut strides);
    let out = room(buffer, wanted.region.count() * item_bytes)?;
    source.read(&wanted.region, out)?;
    Ok(out.len() as u64)
}

/// The buffer of a run whose coordinates along some axes are picked: one small box for each combination of them.
pub(super) struct Picked {
    /// Shape of the small boxes, in store coordinates.
    inner: Vec<usize>,
    /// Where the box of a combination begins, less what the picked axes add.
    low: Vec<i64>,
    /// Place of the run's first element in the buffer.
    pub first: i64,
}

impl Picked {
    /// Measures the boxes and writes the strides of the buffer that holds them one after the other.
    pub fn of(map: &IndexMap, picked: &[usize], region: &Region, strides: &mut [i64]) -> Self {
        let still = |axis: &usize| !picked.contains(axis);
        let (mut inner, mut low) = (vec![1; map.store_rank()], map.offset.clone());
        let mut back = vec![0; map.store_rank()];
        for axis in (0..map.rank()).filter(still) {
            for store in 0..map.store_rank() {
                let step = map.steps[axis][store];
                let reach = step * (region.shape[axis] as i64 - 1);
                inner[store] += reach.unsigned_abs() as usize;
                low[store] += step * map.place(axis, region.start[axis]) + reach.min(0);
                back[store] -= reach.min(0);
            }
        }
        let within = c_strides(&inner);
        for axis in (0..map.rank()).filter(still) {
            strides[axis] = map.steps[axis].iter().zip(&within).map(|(step, within)| step * within).sum();
        }
        let mut stride = inner.iter().product::<usize>() as i64;
        for &axis in picked.iter().rev() {
            strides[axis] = stride;
            stride *= region.shape[axis] as i64;
        }
        Picked { first: back.iter().zip(&within).map(|(back, within)| back * within).sum(), inner, low }
    }
}

fn read_picked(
    source: &Arc<dyn Source>,
    map: &IndexMap,
    picked: &[usize],
    region: &Region,
    item_bytes: usize,
    buffer: &mut [u8],
    spare: &mut Vec<u8>,
) -> Result<u64> {
    let mut strides = vec![0; map.rank()];
    let boxes = Picked::of(map, picked, region, &mut strides);
    let counts: Vec<usize> = picked.iter().map(|&axis| region.shape[axis]).collect();
    let bytes = boxes.inner.iter().chain(&counts).product::<usize>() * item_bytes;
    let out = room(buffer, bytes)?;
    let chunk = chunk_of(Some(source.facts())).ok_or_else(|| Error::internal("coordinates are picked out of a store without chunks"))?;
    let groups: Vec<Vec<Group>> = picked.iter().map(|&axis| groups(map, chunk, axis, region.start[axis]..region.end(axis))).collect();
    let all: Vec<usize> = groups.iter().map(Vec::len).collect();
    for_each(&all, |at| {
        let groups: Vec<&Group> = at.iter().zip(&groups).map(|(&place, groups)| &groups[place]).collect();
        let reading = Reading { source, map, picked, region, boxes: &boxes, strides: &strides, item_bytes };
        reading.read(&groups, out, spare)
    })?;
    Ok(bytes as u64)
}

/// Calls `visit` for every combination of coordinates below `counts`.
fn for_each(counts: &[usize], mut visit: impl FnMut(&[usize]) -> Result<()>) -> Result<()> {
    if counts.contains(&0) {
        return Ok(());
    }
    let mut at = vec![0; counts.len()];
    loop {
        visit(&at)?;
        let mut axis = counts.len();
        loop {
            let Some(next) = axis.checked_sub(1) else { return Ok(()) };
            axis = next;
            at[axis] += 1;
            if at[axis] < counts[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
}

/// What all groups of a run share.
struct Reading<'a> {
    source: &'a Arc<dyn Source>,
    map: &'a IndexMap,
    picked: &'a [usize],
    region: &'a Region,
    boxes: &'a Picked,
    strides: &'a [i64],
    item_bytes: usize,
}

impl Reading<'_> {
    /// Reads the box around one group along every picked axis, and copies the boxes of its coordinates to where they belong.
    fn read(&self, groups: &[&Group], out: &mut [u8], spare: &mut Vec<u8>) -> Result<()> {
        let (mut low, mut shape) = (self.boxes.low.clone(), self.boxes.inner.clone());
        for (&axis, group) in self.picked.iter().zip(groups) {
            for (store, step) in self.map.steps[axis].iter().enumerate() {
                low[store] += (step * group.low).min(step * group.high);
                shape[store] += (step * (group.high - group.low)).unsigned_abs() as usize;
            }
        }
        let around = Region::new(low.iter().map(|&low| low as usize).collect::<Vec<_>>(), shape);
        let inner_bytes = self.boxes.inner.iter().product::<usize>() * self.item_bytes;
        let counts: Vec<usize> = groups.iter().map(|group| group.coordinates.len()).collect();
        if around.shape == self.boxes.inner && counts.iter().all(|&count| count == 1) {
            let place = self.place(groups, &vec![0; groups.len()]).0;
            return self.source.read(&around, &mut out[place..place + inner_bytes]);
        }
        let bytes = around.count() * self.item_bytes;
        if spare.len() < bytes {
            spare.reserve_exact(bytes - spare.len());
            spare.resize(bytes, 0);
        }
        let spare = &mut spare[..bytes];
        self.source.read(&around, spare)?;
        for_each(&counts, |at| {
            let (place, start) = self.place(groups, at);
            let start: Vec<usize> = start.iter().zip(&low).map(|(start, low)| (start - low) as usize).collect();
            let (to, item) = (&mut out[place..place + inner_bytes], self.item_bytes);
            for_each_row(&around.shape, &Region { start, shape: self.boxes.inner.clone() }, |from, to_at, count| {
                to[to_at * item..][..count * item].copy_from_slice(&spare[from * item..][..count * item]);
            });
            Ok(())
        })
    }

    /// Where the box of a combination of coordinates lies: bytes in the buffer, and its first store coordinates.
    fn place(&self, groups: &[&Group], at: &[usize]) -> (usize, Vec<i64>) {
        let (mut place, mut start) = (0, self.boxes.low.clone());
        for ((&axis, group), &at) in self.picked.iter().zip(groups).zip(at) {
            let (from, index) = group.coordinates[at];
            place += (index - self.region.start[axis]) * self.strides[axis] as usize;
            start.iter_mut().zip(&self.map.steps[axis]).for_each(|(start, step)| *start += step * from);
        }
        (place * self.item_bytes, start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_of_a_transposed_chunked_store() {
        let map = IndexMap::affine(vec![6, 4], vec![3, 0], vec![vec![0, 1], vec![-1, 0]]);
        let mut strides = [0; 2];
        let found = StoreBox::of(&map, &Region::new([2, 1], [3, 2]), &mut strides);
        assert_eq!(found.region, Region::new([1, 2], [2, 3]));
        assert_eq!((found.first, strides), (3, [1, -3]));
    }
}
