//! Scratch: a large result between two stages, in frames in a file that has no name.
//!
//! Frames are packed where that gains, carry a checksum, and are appended in the order they come. The file is unlinked before anything
//! is written to it, so that it is gone however the process ends.

use super::budget::{Budget, Purpose, Reservation};
use crate::{
    error::{Error, ErrorKind, Result},
    nd::{Grid, Region, SourceFacts, copy::copy_box},
    plan::{Plan, ReadFrom, Scratch, ScratchId, spill::facts},
    store::{
        Source, Target,
        nameless::{ScratchFile, ScratchPlace},
    },
};
use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// While packing does not gain, one frame of so many is tried.
const TRY_EVERY: u64 = 16;

/// Where a frame lies in the file.
#[derive(Clone, Copy, Debug)]
struct Frame {
    offset: u64,
    bytes: u32,
    sum: u32,
    packed: bool,
}

/// A scratch that is open. Frames are written from any thread, once each, and read afterwards.
pub(super) struct Spill {
    file: ScratchFile,
    /// Frames of the array that is written.
    grid: Grid,
    /// As readers see it: the array, or its elements in C order.
    facts: SourceFacts,
    read_grid: Grid,
    frames: Vec<OnceLock<Frame>>,
    end: AtomicU64,
    written: AtomicU64,
    packing_gains: AtomicBool,
    /// Buffers that wait for their next frame; the plan counts two for everyone who reads or writes.
    idle: Mutex<Vec<Vec<u8>>>,
    bytes: u64,
    _reservation: Reservation,
}

impl Spill {
    /// Starts the scratch `id` of a plan.
    pub fn create(plan: &Plan, id: ScratchId, place: &ScratchPlace, budget: &Arc<Budget>) -> Result<Self> {
        let scratch = &plan.scratches[id.0 as usize];
        let file = place.open()?;
        file.make_room(scratch.bytes())?;
        let grid = Grid::new(scratch.shape.clone(), scratch.frame.clone());
        let (shape, frame) = if is_linear(plan, id, scratch) {
            (vec![scratch.shape.iter().product()], vec![scratch.frame.iter().product()])
        } else {
            (scratch.shape.clone(), scratch.frame.clone())
        };
        Ok(Spill {
            file,
            facts: facts(&format!("scratch of {}", scratch.name), scratch.dtype, &shape, &frame),
            read_grid: Grid::new(shape, frame),
            frames: (0..grid.count()).map(|_| OnceLock::new()).collect(),
            grid,
            end: AtomicU64::new(0),
            written: AtomicU64::new(0),
            packing_gains: AtomicBool::new(true),
            idle: Mutex::default(),
            bytes: scratch.bytes(),
            _reservation: budget.reserve(Purpose::Temps, scratch.index_bytes())?,
        })
    }

    fn buffer(&self) -> Vec<u8> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, buffers: [Vec<u8>; 2]) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(buffers);
    }

    /// Lets go of buffers: a stage has ended.
    pub fn rest(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Writes a box of whole frames.
    pub fn write(&self, region: &Region, bytes: &[u8]) -> Result<()> {
        let (mut raw, mut packed) = (self.buffer(), self.buffer());
        let item = self.facts.dtype.size();
        let written = for_each_frame(&self.grid, region, |index, frame| {
            let content = if frame == region {
                bytes
            } else {
                size(&mut raw, frame.count() * item);
                let start: Vec<usize> = frame.start.iter().zip(&region.start).map(|(inner, outer)| inner - outer).collect();
                let zero = vec![0; start.len()];
                copy_box((bytes, &region.shape, &start), (&mut raw, &frame.shape, &zero), &frame.shape, item);
                &raw[..frame.count() * item]
            };
            self.append(index, content, &mut packed)
        });
        self.give([raw, packed]);
        written
    }

    fn append(&self, index: usize, content: &[u8], packed: &mut Vec<u8>) -> Result<()> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let mut stored = content;
        let mut is_packed = false;
        if self.packing_gains.load(Ordering::Relaxed) || number.is_multiple_of(TRY_EVERY) {
            size(packed, lz4_flex::block::get_maximum_output_size(content.len()));
            let bytes = lz4_flex::block::compress_into(content, packed)
                .map_err(|error| Error::internal(format!("a frame of scratch cannot be packed: {error}")))?;
            is_packed = bytes < content.len() / 10 * 9;
            self.packing_gains.store(is_packed, Ordering::Relaxed);
            if is_packed {
                stored = &packed[..bytes];
            }
        }
        let bytes = u32::try_from(stored.len()).map_err(|_| Error::internal("a frame of scratch has 4 GiB or more"))?;
        let offset = self.end.fetch_add(u64::from(bytes), Ordering::Relaxed);
        self.file.write_at(offset, stored).map_err(|error| self.with_need(error))?;
        let frame = Frame { offset, bytes, sum: crc32c::crc32c(stored), packed: is_packed };
        self.frames[index].set(frame).map_err(|_| Error::internal("a frame of scratch is written twice"))
    }

    /// What the scratch takes, said with the error of a write.
    fn with_need(&self, error: Error) -> Error {
        let error = if error.kind() == ErrorKind::Output { error.with_needed_bytes(self.bytes) } else { error };
        error.hint(format!("it takes up to {} bytes; `--scratch DIR` puts it elsewhere", self.bytes))
    }

    fn frame(&self, index: usize) -> Result<Frame> {
        self.frames[index].get().copied().ok_or_else(|| Error::internal(format!("frame {index} of scratch was never written")))
    }

    /// The elements of a frame, in `raw` (or, if it is not packed, in `packed`).
    fn load<'a>(&self, frame: Frame, bytes: usize, packed: &'a mut Vec<u8>, raw: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        size(packed, frame.bytes as usize);
        let stored = &mut packed[..frame.bytes as usize];
        self.load_stored(frame, stored)?;
        if !frame.packed {
            return Ok(stored);
        }
        size(raw, bytes);
        let unpacked = lz4_flex::block::decompress_into(stored, &mut raw[..bytes]).map_err(|_| self.damaged(frame))?;
        if unpacked == bytes { Ok(&raw[..bytes]) } else { Err(self.damaged(frame)) }
    }

    fn load_stored(&self, frame: Frame, stored: &mut [u8]) -> Result<()> {
        self.file.read_at(frame.offset, stored)?;
        if crc32c::crc32c(stored) == frame.sum { Ok(()) } else { Err(self.damaged(frame)) }
    }

    fn damaged(&self, frame: Frame) -> Error {
        let text = format!("{} does not hold at {} what was written there", self.file.name(), frame.offset);
        Error::new(ErrorKind::Io, text).hint("the disk or its memory is faulty; `--scratch DIR` puts scratch elsewhere")
    }
}

impl Source for Spill {
    fn facts(&self) -> &SourceFacts {
        &self.facts
    }

    fn read(&self, region: &Region, out: &mut [u8]) -> Result<()> {
        let item = self.facts.dtype.size();
        let (mut packed, mut raw) = (self.buffer(), self.buffer());
        let read = for_each_frame(&self.read_grid, region, |index, around| {
            let frame = self.frame(index)?;
            if around == region && !frame.packed {
                return self.load_stored(frame, &mut out[..frame.bytes as usize]);
            }
            let content = self.load(frame, around.count() * item, &mut packed, &mut raw)?;
            let axes = 0..region.rank();
            let low: Vec<usize> = axes.clone().map(|axis| around.start[axis].max(region.start[axis])).collect();
            let shape: Vec<usize> = axes.map(|axis| around.end(axis).min(region.end(axis)) - low[axis]).collect();
            let inside = |outer: &Region| low.iter().zip(&outer.start).map(|(low, start)| low - start).collect::<Vec<_>>();
            copy_box((content, &around.shape, &inside(around)), (&mut *out, &region.shape, &inside(region)), &shape, item);
            Ok(())
        });
        self.give([packed, raw]);
        read
    }

    fn prefetch_box(&self, region: &Region) {
        let _ = for_each_frame(&self.read_grid, region, |index, _| {
            if let (Ok(frame), Some(bytes)) = (self.frame(index), std::num::NonZeroU64::new(4096)) {
                let bytes = std::num::NonZeroU64::new(u64::from(frame.bytes)).unwrap_or(bytes);
                // Advice: without it everything works, only slower.
                let _ = rustix::fs::fadvise(self.file.file(), frame.offset, Some(bytes), rustix::fs::Advice::WillNeed);
            }
            Ok(())
        });
    }
}

/// Whether who reads a scratch goes through its elements in C order, whatever its axes.
fn is_linear(plan: &Plan, id: ScratchId, scratch: &Scratch) -> bool {
    let reads = plan.stages.iter().flat_map(|stage| &stage.reads);
    scratch.shape.len() != 1 && reads.filter(|read| read.from == ReadFrom::Scratch(id)).any(|read| read.map.store_rank() == 1)
}

/// The folder of the first target that has one.
pub(super) fn beside(targets: &[Option<Arc<dyn Target>>]) -> Option<PathBuf> {
    targets.iter().flatten().find_map(|target| target.folder())
}

fn size(buffer: &mut Vec<u8>, bytes: usize) {
    if buffer.len() < bytes {
        buffer.reserve_exact(bytes - buffer.len());
        buffer.resize(bytes, 0);
    }
}

/// Calls `visit` with number and box of every frame that touches `region`.
fn for_each_frame(grid: &Grid, region: &Region, mut visit: impl FnMut(usize, &Region) -> Result<()>) -> Result<()> {
    if region.is_empty() {
        return Ok(());
    }
    let rank = region.rank();
    let first: Vec<usize> = (0..rank).map(|axis| region.start[axis] / grid.block()[axis]).collect();
    let last: Vec<usize> = (0..rank).map(|axis| (region.end(axis) - 1) / grid.block()[axis]).collect();
    let mut at = first.clone();
    let mut frame = Region::whole(grid.shape());
    loop {
        let index = (0..rank).fold(0, |index, axis| index * grid.count_along(axis) + at[axis]);
        grid.region_into(index, &mut frame);
        visit(index, &frame)?;
        let mut axis = rank;
        loop {
            let Some(next) = axis.checked_sub(1) else { return Ok(()) };
            axis = next;
            if at[axis] < last[axis] {
                at[axis] += 1;
                break;
            }
            at[axis] = first[axis];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{nd::DType, store::suite};
    use std::path::Path;

    fn plan_of(shape: &[usize], frame: &[usize]) -> Plan {
        let mut plan = super::super::tests::builder::plan(&[]);
        plan.scratches.push(Scratch {
            name: "x".into(),
            shape: shape.into(),
            dtype: DType::U16,
            frame: frame.into(),
            made_by: 0,
            last_use: 1,
        });
        plan
    }

    fn named(folder: &Path) -> ScratchPlace {
        ScratchPlace { named: Some(folder.to_path_buf()), beside: None }
    }

    #[test]
    fn frames_written_in_any_boxes_read_back_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let budget = Budget::new();
        budget.limit_to(1 << 20);
        for noise in [1u64, 0x9e37_79b9_7f4a_7c15] {
            let plan = plan_of(&[30, 41, 7], &[4, 10, 7]);
            let spill = Spill::create(&plan, ScratchId(0), &named(folder.path()), &budget).unwrap();
            let whole: Vec<u8> = (0..30 * 41 * 7 * 2).map(|at: u64| (at.wrapping_mul(noise) >> 33) as u8).collect();
            let runs = Grid::new(vec![30, 41, 7], vec![8, 20, 7]);
            for index in 0..runs.count() {
                let region = runs.region(index);
                spill.write(&region, &suite::part_of(&whole, &[30, 41, 7], &region, 2)).unwrap();
            }
            assert_eq!(spill.end.load(Ordering::Relaxed) < whole.len() as u64 / 2, noise == 1);
            for region in [Region::whole(&[30, 41, 7]), Region::new([3, 9, 1], [20, 2, 5]), Region::new([4, 10, 0], [4, 10, 7])] {
                let mut out = vec![0; region.count() * 2];
                spill.prefetch_box(&region);
                spill.read(&region, &mut out).unwrap();
                assert!(out == suite::part_of(&whole, &[30, 41, 7], &region, 2));
            }
            assert!(spill.write(&Region::new([0, 0, 0], [4, 10, 7]), &[0; 4 * 10 * 7 * 2]).is_err());
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
        assert_eq!(budget.bytes_held(), 0);
    }

    #[test]
    fn damage_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let budget = Budget::new();
        budget.limit_to(1 << 20);
        let spill = Spill::create(&plan_of(&[100], &[50]), ScratchId(0), &named(folder.path()), &budget).unwrap();
        assert!(spill.read(&Region::run(0, 1), &mut [0; 2]).unwrap_err().message().contains("never written"));
        spill.write(&Region::run(0, 100), &[7; 200]).unwrap();
        spill.file.write_at(1, &[99]).unwrap();
        let error = spill.read(&Region::run(0, 1), &mut [0; 2]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        spill.read(&Region::run(60, 1), &mut [0; 2]).unwrap();
        spill.file.file().set_len(2).unwrap();
        assert_eq!(spill.read(&Region::run(60, 1), &mut [0; 2]).unwrap_err().kind(), ErrorKind::Io);
        let full = spill.with_need(spill.file.cannot_write(std::io::Error::from_raw_os_error(libc::ENOSPC)));
        assert_eq!((full.kind(), full.needed_bytes()), (ErrorKind::Output, Some(200)));
    }
}
