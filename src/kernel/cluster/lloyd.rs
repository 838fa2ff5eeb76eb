//! One pass of Lloyd's algorithm: every row goes to its nearest centroid, and what went there is added up.

use super::nearest::{Centroids, NOWHERE, Nearest};
use crate::{
    error::{Error, Result},
    kernel::vm::{BlockFold, BlockFunction},
    nd::DType,
    numeric::{Accumulator, AccumulatorKind, Finish, SumMode, TileAxis},
};
use ndarray::Array2;
use std::{any::Any, sync::Arc};

/// Bytes of rows that wait until those of one cluster are added up together.
const WAITING_BYTES: usize = 2 << 20;
/// Sums do not depend on what comes first.
const SUM: AccumulatorKind = AccumulatorKind::Sum(SumMode::Exact);

/// The pass as a function that folds blocks of whole rows.
pub struct Lloyd {
    name: String,
    centroids: Arc<Centroids>,
}

/// What a pass found.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The mean of the rows of every cluster; NaN of those that are empty.
    pub means: Array2<f64>,
    /// Rows of every cluster.
    pub sizes: Vec<u64>,
    /// The sum of the squares of the distances.
    pub inertia: f64,
    /// Rows that are not finite.
    pub skipped: u64,
}

impl Lloyd {
    /// A pass called `name` with these centroids.
    #[must_use]
    pub fn new(name: String, centroids: Centroids) -> Lloyd {
        Lloyd { name, centroids: Arc::new(centroids) }
    }

    /// Bytes of one state.
    #[must_use]
    pub fn state_bytes(centroids: &Centroids) -> u64 {
        let (count, columns, dtype) = (centroids.count(), centroids.columns(), centroids.dtype());
        let sums = Accumulator::state_bytes_max(SUM, dtype, count.saturating_mul(columns));
        let rows = waiting_rows(centroids);
        let waiting = (rows * (2 * centroids.row_bytes() + 16)) as u64;
        let nearest = Nearest::bytes_max(count, columns, dtype.size(), rows);
        sums.saturating_add(waiting).saturating_add(nearest).saturating_add(32 * count as u64 + 4096)
    }

    /// Elements of the result, which [`Pass::read`] understands.
    #[must_use]
    pub fn result_length(centroids: &Centroids) -> usize {
        centroids.count() * centroids.columns() + centroids.count() + 2
    }
}

impl Pass {
    /// What the elements of a result say.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] if there are too few.
    pub fn read(elements: &[f64], count: usize, columns: usize) -> Result<Pass> {
        let short = || Error::internal(format!("{} elements of a pass of {count} by {columns}", elements.len()));
        let (means, rest) = elements.split_at_checked(count * columns).ok_or_else(short)?;
        let (sizes, rest) = rest.split_at_checked(count).ok_or_else(short)?;
        let [inertia, skipped] = rest else { return Err(short()) };
        Ok(Pass {
            means: Array2::from_shape_vec((count, columns), means.to_vec()).map_err(|_| short())?,
            sizes: sizes.iter().map(|&size| size as u64).collect(),
            inertia: *inertia,
            skipped: *skipped as u64,
        })
    }
}

fn waiting_rows(centroids: &Centroids) -> usize {
    (WAITING_BYTES / centroids.row_bytes().max(1)).max(1)
}

impl BlockFunction for Lloyd {
    fn name(&self) -> &str {
        &self.name
    }

    fn fold(&self) -> Option<Box<dyn BlockFold>> {
        let centroids = Arc::clone(&self.centroids);
        let outputs = centroids.count() * centroids.columns();
        let sums = Accumulator::new(SUM, centroids.dtype(), outputs).ok()?;
        let squares = Accumulator::new(SUM, DType::F64, 1).ok()?;
        let sizes = vec![0; centroids.count()];
        let most = waiting_rows(&centroids);
        let rows = Vec::with_capacity(most * centroids.row_bytes());
        let waiting = Waiting { rows, labels: Vec::with_capacity(most), ..Waiting::default() };
        Some(Box::new(State { centroids, sums, squares, sizes, skipped: 0, waiting, nearest: Nearest::default() }))
    }
}

/// Rows of several blocks, and the clusters that they belong to.
#[derive(Default)]
struct Waiting {
    rows: Vec<u8>,
    labels: Vec<i32>,
    /// Rows again, those of one cluster together.
    sorted: Vec<u8>,
    /// Where those of each cluster end.
    ends: Vec<usize>,
}

impl Waiting {
    /// Brings rows of one cluster together, and leaves out those of none.
    fn sort(&mut self, count: usize, size: usize, rows: &[u8], labels: &[i32]) {
        let Waiting { sorted, ends, .. } = self;
        ends.clear();
        ends.resize(count + 1, 0);
        for label in labels.iter().filter(|label| **label != NOWHERE) {
            ends[*label as usize + 1] += 1;
        }
        (1..ends.len()).for_each(|place| ends[place] += ends[place - 1]);
        if sorted.len() < rows.len() {
            sorted.resize(rows.len(), 0);
        }
        // `ends` begin as the places where clusters start, and move as their rows come.
        for (row, label) in rows.chunks_exact(size).zip(labels).filter(|(_, label)| **label != NOWHERE) {
            let place = &mut ends[*label as usize];
            sorted[*place * size..][..size].copy_from_slice(row);
            *place += 1;
        }
    }
}

struct State {
    centroids: Arc<Centroids>,
    sums: Accumulator,
    squares: Accumulator,
    sizes: Vec<u64>,
    skipped: u64,
    waiting: Waiting,
    nearest: Nearest,
}

impl State {
    /// Adds up the rows that wait.
    fn settle(&mut self) {
        let (mut rows, mut labels) = (std::mem::take(&mut self.waiting.rows), std::mem::take(&mut self.waiting.labels));
        self.waiting.sort(self.centroids.count(), self.centroids.row_bytes(), &rows, &labels);
        self.add();
        rows.clear();
        labels.clear();
        (self.waiting.rows, self.waiting.labels) = (rows, labels);
    }

    /// Adds up the rows that were sorted last.
    fn add(&mut self) {
        let (size, columns) = (self.centroids.row_bytes(), self.centroids.columns());
        let Waiting { sorted, ends, .. } = &self.waiting;
        let mut start = 0;
        for (label, &end) in ends[..self.centroids.count()].iter().enumerate() {
            if end > start {
                let axes = [
                    TileAxis { length: end - start, output_step: 0, index_step: 0 },
                    TileAxis { length: columns, output_step: 1, index_step: 0 },
                ];
                (self.centroids.absorb)(&mut self.sums, &sorted[start * size..end * size], &axes, label * columns, 0);
                self.sizes[label] += (end - start) as u64;
            }
            start = end;
        }
    }

    /// Takes in rows with their labels: together with others, unless they are enough alone.
    fn take_in(&mut self, rows: &[u8], is_enough: bool) {
        let size = self.centroids.row_bytes();
        if is_enough && self.waiting.labels.is_empty() {
            self.waiting.sort(self.centroids.count(), size, rows, &self.nearest.labels);
            self.add();
            return;
        }
        for (row, &label) in rows.chunks_exact(size).zip(&self.nearest.labels).filter(|(_, label)| **label != NOWHERE) {
            self.waiting.rows.extend_from_slice(row);
            self.waiting.labels.push(label);
        }
    }
}

impl BlockFold for State {
    fn take(&mut self, _start: &[usize], shape: &[usize], input: &[u8]) -> Result<()> {
        let centroids = Arc::clone(&self.centroids);
        let rows = centroids.rows_of(shape)?;
        let (size, most) = (centroids.row_bytes(), waiting_rows(&centroids));
        let mut from = 0;
        while from < rows {
            let count = (rows - from).min(most - self.waiting.labels.len());
            let some = &input[from * size..(from + count) * size];
            self.nearest.find(&centroids, some);
            for (_, square) in self.nearest.labels.iter().zip(&mut self.nearest.squares).filter(|(label, _)| **label == NOWHERE) {
                self.skipped += 1;
                *square = 0.0;
            }
            self.take_in(some, count == most);
            let axes = [TileAxis { length: count, output_step: 0, index_step: 0 }];
            (centroids.absorb)(&mut self.squares, bytemuck::cast_slice(&self.nearest.squares), &axes, 0, 0);
            from += count;
            if self.waiting.labels.len() == most {
                self.settle();
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn BlockFold>) -> Result<()> {
        let other = other.taken::<State>()?;
        self.settle();
        self.sums.merge_run(0, &other.sums, 0, other.sums.outputs());
        self.squares.merge_run(0, &other.squares, 0, 1);
        self.sizes.iter_mut().zip(&other.sizes).for_each(|(size, other)| *size += other);
        self.skipped += other.skipped;
        Ok(())
    }

    fn into_state(mut self: Box<Self>) -> Box<dyn Any + Send> {
        self.settle();
        self
    }

    fn finish(mut self: Box<Self>, out: &mut [u8]) -> Result<()> {
        self.settle();
        let outputs = self.sums.outputs();
        let (means, rest) = out.split_at_mut(outputs * size_of::<f64>());
        self.sums.finish(Finish::Mean, DType::F64, 0, outputs, means)?;
        let (sizes, rest) = rest.split_at_mut(self.sizes.len() * size_of::<f64>());
        for (to, size) in sizes.chunks_exact_mut(size_of::<f64>()).zip(&self.sizes) {
            to.copy_from_slice(&(*size as f64).to_ne_bytes());
        }
        let (inertia, skipped) = rest.split_at_mut(size_of::<f64>());
        self.squares.finish(Finish::Sum, DType::F64, 0, 1, inertia)?;
        skipped.copy_from_slice(&(self.skipped as f64).to_ne_bytes());
        Ok(())
    }
}
