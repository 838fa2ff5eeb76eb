//! How a run's inputs get into memory: windows and row segments, and where its elements lie in them. Boxes of chunks: [`super::chunks`].

use super::{
    budget::{Purpose, Reservation},
    chunks::{Picked, StoreBox},
    job::{RunTask, StageJob},
    pool::Buffer,
};
use crate::{
    error::{Error, Result},
    nd::{IndexMap, Region},
    plan::{Access, Read, ReadFrom, reads::reach_of},
    store::{Source, Window},
};
use std::{
    borrow::Cow,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

/// Copies the inputs of a run that cannot be used in place into buffers of the pool. Blocks on the medium.
pub(super) fn fetch(job: &StageJob, task: &mut RunTask) -> Result<()> {
    let stage = job.stage.stage();
    task.inputs.resize_with(stage.reads.len(), || None);
    let wanted = job.slots_read(&task.region);
    for (index, read) in stage.reads.iter().enumerate() {
        let item_bytes = job.stage.slot_bytes(read.slot);
        if !wanted[read.slot.0 as usize] {
            continue;
        }
        let bytes = match &read.access {
            // Chunks are decoded by the worker that computes the run.
            Access::Resident | Access::Window | Access::Chunks | Access::Box | Access::Picked { .. } => continue,
            Access::Segments { segment_axes } => {
                let mut buffer = job.pool.take(index)?;
                let from = match &job.resident[index] {
                    Some(resident) => Origin::Memory { bytes: resident.bytes(), low: resident.low },
                    None => Origin::Source(source_of(job, read)?),
                };
                let bytes = read_segments(from, &read.map, segment_axes, &reach(job, read, &task.region), item_bytes, buffer.bytes_mut());
                task.inputs[index] = Some(buffer);
                bytes
            }
        };
        task.bytes_read += bytes?;
    }
    Ok(())
}

pub(super) fn source_of<'a>(job: &'a StageJob, read: &Read) -> Result<&'a Arc<dyn Source>> {
    match read.from {
        ReadFrom::Source(id) => Ok(&job.sources[id.0 as usize]),
        ReadFrom::Scratch(id) => job.scratch(id).map(|scratch| &scratch.source),
        ReadFrom::Temp(id) => Err(Error::internal(format!("temp {} is read as if it were a source", id.0))),
    }
}

/// The part of a buffer that a read needs; a plan that gave it less is an error.
pub(super) fn room(buffer: &mut [u8], bytes: usize) -> Result<&mut [u8]> {
    let planned = buffer.len();
    buffer.get_mut(..bytes).ok_or_else(|| Error::internal(format!("a read was planned with {planned} bytes per run and needs {bytes}")))
}

/// One contiguous piece of a dense store per combination of coordinates along some axes.
struct Segments {
    /// First element of the first segment.
    low: i64,
    /// Elements of a segment.
    length: usize,
    /// Number of segments.
    count: usize,
    /// Place of the run's first element in the buffer.
    first: i64,
}

impl Segments {
    /// Measures the segments of a run and writes the strides of the buffer that holds them one after the other.
    fn of(map: &IndexMap, segment_axes: &[usize], region: &Region, strides: &mut [i64]) -> Self {
        let (mut low, mut high, mut place) = (map.offset[0], map.offset[0], map.offset[0]);
        for (axis, stride) in strides.iter_mut().enumerate() {
            let step = map.steps[axis][0];
            *stride = step;
            // Gathered axes are segment axes, unless the run has one place along them.
            let (start, end) = (step * map.place(axis, region.start[axis]), step * map.place(axis, region.end(axis) - 1));
            place += start;
            let (lowest, highest) = if segment_axes.contains(&axis) { (start, start) } else { (start.min(end), start.max(end)) };
            low += lowest;
            high += highest;
        }
        let length = (high - low) as usize + 1;
        let mut count = 1;
        for &axis in segment_axes.iter().rev() {
            strides[axis] = (length * count) as i64;
            count *= region.shape[axis];
        }
        Segments { low, length, count, first: place - low }
    }
}

/// What segments are copied from.
enum Origin<'a> {
    Source(&'a Arc<dyn Source>),
    /// Elements from number `low` on.
    Memory {
        bytes: &'a [u8],
        low: usize,
    },
}

/// Pieces and gaps below this are read together: a request costs the medium as much.
const PIECE_BYTES_MIN: usize = 4096;
/// Bytes that small pieces are read ahead by.
const CHUNK_BYTES: usize = 64 * 1024;

/// Pieces that a slow medium is asked for at once: it works on many as fast as on one.
const PIECES_AHEAD: usize = 128;
/// A read that takes longer waits for a medium; one from memory takes a few microseconds.
const SLOW: Duration = Duration::from_micros(40);
/// Of reads of more bytes the time says nothing, and media like them as they are.
const SLOW_BYTES_MAX: usize = 64 * 1024;
/// Pieces that are asked for ahead after one that was slow.
const SLOW_PIECES: usize = 1024;

/// Copies pieces of an origin one after the other into a buffer.
struct Pieces<'a> {
    from: Origin<'a>,
    item_bytes: usize,
    out: &'a mut [u8],
    done: usize,
    /// Elements that are being collected into one read.
    next: Range<usize>,
    /// Elements that were read ahead, and their bytes.
    chunk: (Range<usize>, Vec<u8>),
    /// End of the last piece.
    last: usize,
    /// Pieces for which the medium is taken to be slow: one was read slowly not long ago.
    slow_pieces: usize,
}

impl Pieces<'_> {
    /// The source, while it lies on a medium that takes its time.
    fn slow_source(&self) -> Option<&Arc<dyn Source>> {
        match &self.from {
            Origin::Source(source) if self.slow_pieces > 0 => Some(source),
            _ => None,
        }
    }

    /// Appends a segment; one that follows the last is read with it, one that is the last again is copied.
    fn push(&mut self, start: usize, length: usize) -> Result<()> {
        if start == self.next.end && !self.next.is_empty() {
            self.next.end += length;
            return Ok(());
        }
        self.flush()?;
        let bytes = length * self.item_bytes;
        if self.done >= bytes && self.last == start + length {
            self.out.copy_within(self.done - bytes..self.done, self.done);
            self.done += bytes;
            return Ok(());
        }
        self.next = start..start + length;
        Ok(())
    }

    /// Reads what was collected.
    fn flush(&mut self) -> Result<()> {
        let next = std::mem::replace(&mut self.next, 0..0);
        if next.is_empty() {
            return Ok(());
        }
        let bytes = next.len() * self.item_bytes;
        let out = &mut self.out[self.done..self.done + bytes];
        match &self.from {
            Origin::Memory { bytes, low } => {
                let from = (next.start - low) * self.item_bytes;
                let part = bytes.get(from..from + out.len());
                out.copy_from_slice(part.ok_or_else(|| Error::internal("a gathered piece lies outside its memory"))?);
            }
            Origin::Source(source) => {
                let gap = next.start.wrapping_sub(self.last).saturating_mul(self.item_bytes);
                let (held, chunk) = &mut self.chunk;
                let count = source.facts().store_shape().first().copied().unwrap_or(0);
                if !source.facts().resident
                    && bytes < PIECE_BYTES_MIN
                    && gap < PIECE_BYTES_MIN
                    && (next.start < held.start || next.end > held.end)
                {
                    *held = next.start..count.min(next.start + CHUNK_BYTES / self.item_bytes);
                    chunk.resize(held.len() * self.item_bytes, 0);
                    source.read(&Region::run(held.start, held.len()), chunk)?;
                }
                if held.start <= next.start && next.end <= held.end {
                    let from = (next.start - held.start) * self.item_bytes;
                    out.copy_from_slice(&chunk[from..from + bytes]);
                } else {
                    let begun = Instant::now();
                    source.read(&Region::run(next.start, next.len()), out)?;
                    let is_slow = bytes < SLOW_BYTES_MAX && begun.elapsed() > SLOW;
                    self.slow_pieces = if is_slow { SLOW_PIECES } else { self.slow_pieces.saturating_sub(1) };
                }
            }
        }
        self.done += bytes;
        self.last = next.end;
        Ok(())
    }
}

/// Reads the segments of a run into `buffer`; gives the bytes that it then holds.
fn read_segments(
    from: Origin<'_>,
    map: &IndexMap,
    segment_axes: &[usize],
    region: &Region,
    item_bytes: usize,
    buffer: &mut [u8],
) -> Result<u64> {
    let mut strides = vec![0; map.rank()];
    let segments = Segments::of(map, segment_axes, region, &mut strides);
    let out = room(buffer, segments.length * segments.count * item_bytes)?;
    let mut pieces = Pieces { from, item_bytes, out, done: 0, next: 0..0, chunk: (0..0, Vec::new()), last: usize::MAX, slow_pieces: 0 };
    let places = Places { map, axes: segment_axes, region, at: vec![0; segment_axes.len()], low: segments.low, left: segments.count };
    // Another walk over the same places, which runs ahead while the medium is slow.
    let mut ahead = places.clone().enumerate();
    let mut asked = 0;
    for (nth, low) in places.enumerate() {
        while let Some(source) = pieces.slow_source().filter(|_| asked < nth + PIECES_AHEAD) {
            let Some((number, low)) = ahead.next() else { break };
            asked = number + 1;
            if number > nth {
                source.prefetch(low..low + segments.length);
            }
        }
        pieces.push(low, segments.length)?;
    }
    pieces.flush()?;
    Ok(pieces.done as u64)
}

/// The places of a run's segments, in the order they are copied.
#[derive(Clone)]
struct Places<'a> {
    map: &'a IndexMap,
    axes: &'a [usize],
    region: &'a Region,
    at: Vec<usize>,
    low: i64,
    left: usize,
}

impl Iterator for Places<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let place = self.low as usize;
        for nth in (0..self.at.len()).rev() {
            let axis = self.axes[nth];
            let along = |at: usize| self.map.steps[axis][0] * self.map.place(axis, self.region.start[axis] + at);
            let (at, next) = (self.at[nth], self.at[nth] + 1);
            let is_over = next == self.region.shape[axis];
            self.at[nth] = if is_over { 0 } else { next };
            self.low += along(self.at[nth]) - along(at);
            if !is_over {
                break;
            }
        }
        Some(place)
    }
}

/// A run's window of a source, held while it is computed.
pub(super) enum Held {
    Mapped {
        window: Window,
        low: usize,
        _reservation: Reservation,
    },
    /// The store could not map after all.
    Copied {
        buffer: Buffer,
        low: usize,
    },
}

impl Held {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Held::Mapped { window, .. } => window,
            Held::Copied { buffer, .. } => buffer.bytes(),
        }
    }

    fn low(&self) -> usize {
        match self {
            Held::Mapped { low, .. } | Held::Copied { low, .. } => *low,
        }
    }
}

/// The elements of a dense store that a run's window covers.
pub(super) fn window_span(job: &StageJob, read: &Read, region: &Region) -> Range<usize> {
    read.map.span(&reach(job, read, region))[0].clone()
}

/// What a run needs of a read: its box, with the neighbours that some functions see.
pub(super) fn reach<'a>(job: &StageJob, read: &Read, region: &'a Region) -> Cow<'a, Region> {
    let space = &job.stage.stage().space;
    if read.map.shape == *space {
        return Cow::Borrowed(region);
    }
    Cow::Owned(Region::new(region.start.clone(), reach_of(&read.map, space, &region.shape)))
}

/// Maps the windows of a run; empty if the stage has none.
pub(super) fn hold_windows(job: &StageJob, task: &mut RunTask) -> Result<Vec<Option<Held>>> {
    let stage = job.stage.stage();
    if stage.reads.iter().all(|read| read.access != Access::Window) {
        return Ok(Vec::new());
    }
    let wanted = job.slots_read(&task.region);
    let mut held = Vec::with_capacity(stage.reads.len());
    for (index, read) in stage.reads.iter().enumerate() {
        if read.access != Access::Window || !wanted[read.slot.0 as usize] {
            held.push(None);
            continue;
        }
        let (source, span) = (source_of(job, read)?, window_span(job, read, &task.region));
        let (low, bytes) = (span.start, span.len() * job.stage.slot_bytes(read.slot));
        let reservation = job.budget.reserve(Purpose::Windows, bytes as u64)?;
        task.bytes_mapped += bytes as u64;
        held.push(Some(match source.window(span.clone())? {
            Some(window) => Held::Mapped { window, low, _reservation: reservation },
            None => {
                drop(reservation);
                let mut buffer = job.pool.take(index)?;
                source.read(&Region::run(low, span.len()), room(buffer.bytes_mut(), bytes)?)?;
                task.bytes_unmapped += bytes as u64;
                Held::Copied { buffer, low }
            }
        }));
    }
    task.bytes_read += task.bytes_mapped;
    Ok(held)
}

/// Checks that what the windows showed is what the files hold, and lets go of them.
pub(super) fn drop_windows(job: &StageJob, held: Vec<Option<Held>>) -> Result<()> {
    let mut result = Ok(());
    for resident in job.resident.iter().flatten() {
        result = result.and_then(|()| resident.check());
    }
    for (index, held) in held.into_iter().enumerate() {
        match held {
            Some(Held::Mapped { window, .. }) => result = result.and(window.check()),
            Some(Held::Copied { buffer, .. }) => job.pool.give(index, buffer),
            None => {}
        }
    }
    result
}

/// Where the run's elements of a read lie: gives the place of the first one, in elements, and writes the strides.
pub(super) fn place_read(job: &StageJob, index: usize, region: &Region, held: &[Option<Held>], strides: &mut [i64]) -> i64 {
    let read = &job.stage.stage().reads[index];
    let region = &*reach(job, read, region);
    let linear = |low: usize, strides: &mut [i64]| {
        strides.iter_mut().zip(&read.map.steps).for_each(|(stride, step)| *stride = step[0]);
        read.map.linear(&region.start) - low as i64
    };
    match &read.access {
        Access::Resident => linear(job.resident[index].as_ref().map_or(0, |resident| resident.low), strides),
        Access::Window => linear(held[index].as_ref().map_or(0, Held::low), strides),
        // Every chunk has strides of its own.
        Access::Chunks => 0,
        Access::Segments { segment_axes } => Segments::of(&read.map, segment_axes, region, strides).first,
        Access::Box => StoreBox::of(&read.map, region, strides).first,
        Access::Picked { picked_axes } => Picked::of(&read.map, picked_axes, region, strides).first,
    }
}

/// The bytes that a read of the run is computed from; for one that it looks at.
pub(super) fn read_bytes<'a>(job: &'a StageJob, index: usize, inputs: &'a [Option<Buffer>], held: &'a [Option<Held>]) -> Result<&'a [u8]> {
    let bytes = match job.stage.stage().reads[index].access {
        Access::Resident => job.resident[index].as_ref().map(super::job::Resident::bytes),
        Access::Window => held[index].as_ref().map(Held::bytes),
        Access::Chunks => None,
        Access::Segments { .. } | Access::Box | Access::Picked { .. } => inputs[index].as_ref().map(Buffer::bytes),
    };
    bytes.ok_or_else(|| Error::internal("a run is computed before it is fetched"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_of_column_slices_flips_and_whole_rows() {
        // Columns 7, 5, 3 of rows 2.. of a (10, 8) array.
        let map = IndexMap::affine(vec![8, 3], vec![16 + 7], vec![vec![8], vec![-2]]);
        let mut strides = [0; 2];
        let segments = Segments::of(&map, &[0], &Region::new([1, 0], [4, 3]), &mut strides);
        assert_eq!((segments.low, segments.length, segments.count, segments.first), (24 + 3, 5, 4, 4));
        assert_eq!(strides, [5, -2]);
    }
}
