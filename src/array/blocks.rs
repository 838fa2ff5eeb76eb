//! [`Array::blocks`]: the array as a stream of blocks of rows, computed ahead of the consumer.

use super::{
    any::AnyArray,
    below::Sink,
    graph::{build, unbound},
    node::Array,
    phased::settle,
    phases::{Asked, limits_beside, run, with_budget},
    size::show_memory,
    words::{DType, Element, Region},
};
use crate::{
    error::{Error, Result},
    expr::graph::require_known,
    plan::Limits,
};
use ndarray::{ArrayView, Dimension};
use std::{
    collections::BTreeMap,
    fmt,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

/// Blocks that wait for the consumer, at most: one to take and one behind it.
const BLOCKS_AHEAD: usize = 2;

/// Blocks that exist at a time: those that wait, the one the consumer has, the one being filled and the one it runs over into.
pub(super) const BLOCKS_HELD: u64 = BLOCKS_AHEAD as u64 + 3;

/// Rows (along axis 0) of every block but the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows(pub usize);

/// A computed block of an array.
#[derive(Clone, Debug)]
pub struct Block {
    region: Region,
    array: AnyArray,
}

impl Block {
    /// Where the block lies in the array.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The elements. An error if dtype or number of axes are others.
    pub fn view<T: Element, D: Dimension>(&self) -> Result<ArrayView<'_, T, D>> {
        self.array.view()
    }

    /// The elements as an array of its own.
    #[must_use]
    pub fn into_array(self) -> AnyArray {
        self.array
    }
}

/// The blocks of an array, in order. Dropping it early cancels the rest.
pub struct Blocks {
    receiver: Option<Receiver<Result<Block>>>,
    thread: Option<JoinHandle<()>>,
}

impl Array {
    /// Computes the array block by block, in order, a few blocks ahead of the consumer, within the session's budget.
    #[must_use]
    pub fn blocks(&self, rows: Rows) -> Blocks {
        let (sender, receiver) = sync_channel(BLOCKS_AHEAD);
        let array = self.clone();
        let work = move || {
            if let Err(error) = produce(&array, rows.0, &sender) {
                // Nobody listens any more if the consumer is gone; then there is nobody to tell.
                let _ = sender.send(Err(error));
            }
        };
        match thread::Builder::new().name("outcore-blocks".to_string()).spawn(work) {
            Ok(thread) => Blocks { receiver: Some(receiver), thread: Some(thread) },
            Err(error) => {
                let (sender, receiver) = sync_channel(1);
                let _ = sender.send(Err(Error::io("start", "a thread", error)));
                Blocks { receiver: Some(receiver), thread: None }
            }
        }
    }
}

impl Iterator for Blocks {
    type Item = Result<Block>;

    fn next(&mut self) -> Option<Result<Block>> {
        match self.receiver.as_ref()?.recv() {
            Ok(Err(error)) => {
                self.stop();
                Some(Err(error))
            }
            Ok(block) => Some(block),
            Err(_) => {
                self.receiver = None;
                let ended = self.thread.take()?.join();
                ended.is_err().then(|| Err(Error::internal("computing blocks panicked")))
            }
        }
    }
}

impl Blocks {
    fn stop(&mut self) {
        // The producer notices the closed channel at its next block.
        self.receiver = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blocks({})", if self.receiver.is_some() { "running" } else { "ended" })
    }
}

/// The other way out than a larger budget.
fn or_fewer_rows(error: Error) -> Error {
    match error.hint_text().filter(|_| error.needed_bytes().is_some()).map(|hint| format!("{hint}; or fewer rows per block")) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn produce(array: &Array, rows: usize, sender: &SyncSender<Result<Block>>) -> Result<()> {
    if rows == 0 {
        return Err(Error::usage("blocks of 0 rows"));
    }
    let session = array.session();
    let mut work = build(&[array], &unbound)?;
    settle(&session, &mut work, session.limits())?;
    let node = work.graph.node(work.roots[0]);
    let mut bands = Bands::new(require_known(node)?, node.dtype(), rows);
    let on_their_way = format!("{BLOCKS_HELD} blocks of {} on their way take", show_memory(bands.band_bytes()));
    let held = bands.band_bytes().saturating_mul(BLOCKS_HELD);
    let fit = |memory_bytes: u64| {
        let limits = limits_beside(&Limits { memory_bytes, ..session.limits().clone() }, held, &on_their_way)?;
        Asked::one().plan(&work, &Limits { rows_per_run: Some(rows), ..limits })
    };
    let memory = session.limits().memory_bytes;
    let plan = fit(memory).map_err(|error| or_fewer_rows(with_budget(error, memory, |memory| fit(memory).map(drop))))?;
    let mut deliver =
        |region: &Region, bytes: &[u8]| bands.add(region, bytes, |block| sender.send(Ok(block)).map_err(|_| Error::cancelled()));
    run(&session, &plan, &work, vec![Sink::Caller(&mut deliver)])?;
    Ok(())
}

/// Puts regions, which come in order but may be cut in any way, together to bands of rows.
pub(super) struct Bands {
    shape: Vec<usize>,
    dtype: DType,
    rows: usize,
    /// Bands that have begun, with the number of elements they still lack.
    begun: BTreeMap<usize, (AnyArray, usize)>,
    next: usize,
}

impl Bands {
    pub fn new(shape: Vec<usize>, dtype: DType, rows: usize) -> Bands {
        Bands { shape, dtype, rows, begun: BTreeMap::new(), next: 0 }
    }

    fn band_bytes(&self) -> u64 {
        self.band_shape(0).iter().product::<usize>() as u64 * self.dtype.size() as u64
    }

    fn band_shape(&self, band: usize) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if let Some(height) = shape.first_mut() {
            *height = (*height - band * self.rows).min(self.rows);
        }
        shape
    }

    pub fn add(&mut self, region: &Region, bytes: &[u8], mut emit: impl FnMut(Block) -> Result<()>) -> Result<()> {
        if region.is_empty() {
            return Ok(());
        }
        let (first, height) = (region.start.first().copied().unwrap_or(0), region.shape.first().copied().unwrap_or(1));
        let row_bytes = bytes.len() / height;
        for band in first / self.rows..=(first + height - 1) / self.rows {
            let start = first.max(band * self.rows);
            let end = (first + height).min((band + 1).saturating_mul(self.rows));
            let mut part = region.clone();
            if let (Some(place), Some(length)) = (part.start.first_mut(), part.shape.first_mut()) {
                (*place, *length) = (start - band * self.rows, end - start);
            }
            self.fill(band, &part, &bytes[(start - first) * row_bytes..(end - first) * row_bytes])?;
        }
        while let Some((array, 0)) = self.begun.get(&self.next) {
            let mut start = vec![0; self.shape.len()];
            if let Some(place) = start.first_mut() {
                *place = self.next * self.rows;
            }
            let region = Region::new(start, array.shape());
            if let Some((array, _)) = self.begun.remove(&self.next) {
                self.next += 1;
                emit(Block { region, array })?;
            }
        }
        Ok(())
    }

    fn fill(&mut self, band: usize, part: &Region, bytes: &[u8]) -> Result<()> {
        if !self.begun.contains_key(&band) {
            let array = AnyArray::zeros(self.dtype, &self.band_shape(band))?;
            let lacking = array.len();
            self.begun.insert(band, (array, lacking));
        }
        if let Some((array, lacking)) = self.begun.get_mut(&band) {
            array.place(part, bytes);
            *lacking -= part.count();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nd::Grid;

    #[test]
    fn regions_of_any_cut_become_bands() {
        for (shape, cut) in [(vec![10, 3], vec![4, 2]), (vec![10, 3], vec![1, 3]), (vec![7], vec![7]), (vec![], vec![])] {
            let whole: Vec<i64> = (0..shape.iter().product::<usize>() as i64).collect();
            let mut source = AnyArray::zeros(DType::I64, &shape).unwrap();
            source.place(&Region::whole(&shape), i64::as_bytes(&whole));
            let view = source.view::<i64, ndarray::IxDyn>().unwrap();
            let (mut bands, mut out, mut row) = (Bands::new(shape.clone(), DType::I64, 3), Vec::new(), 0);
            let grid = Grid::new(shape, cut);
            for index in 0..grid.count() {
                let region = grid.region(index);
                let part = view.slice_each_axis(|axis| (region.start[axis.axis.0]..region.end(axis.axis.0)).into());
                let values: Vec<i64> = part.iter().copied().collect();
                let emit = |block: Block| {
                    assert_eq!(block.region().start.first().copied().unwrap_or(0), row);
                    row += 3;
                    out.extend_from_slice(block.array.as_slice::<i64>()?);
                    Ok(())
                };
                bands.add(&region, i64::as_bytes(&values), emit).unwrap();
            }
            assert_eq!(out, whole);
        }
    }
}
