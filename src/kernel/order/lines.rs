//! Functions on blocks in which lines lie whole: quantiles, sorting.

use super::{
    key::{Cell, Key, of_cell},
    method::{Mix, mix, write_mix, write_nan},
};
use crate::{
    error::Result,
    kernel::{program::QuantileMethod, vm::BlockFunction},
    nd::{DType, shape::c_strides},
};

/// Where the lines of a block lie: the first element of each, and the elements of each from there.
struct Lines {
    firsts: Vec<usize>,
    steps: Vec<usize>,
}

impl Lines {
    fn new(shape: &[usize], within: &[bool]) -> Lines {
        let strides = c_strides(shape);
        let places = |wanted: bool| {
            let mut places = vec![0usize];
            for axis in (0..shape.len()).filter(|&axis| within[axis] == wanted) {
                let stride = strides[axis] as usize;
                places = places.iter().flat_map(|&place| (0..shape[axis]).map(move |at| place + at * stride)).collect();
            }
            places
        };
        Lines { firsts: places(false), steps: places(true) }
    }

    /// Memory for lines of `length`, in bytes, beside that of a line itself.
    fn bytes(length: usize) -> u64 {
        // The list is made axis by axis.
        (length as u64).saturating_mul(2 * size_of::<usize>() as u64)
    }
}

/// Quantiles of every line, selected together: elements with coordinate `i` along one of its axes become the `i`-th, those behind the
/// last one the last.
pub(crate) struct LineQuantile {
    pub from: DType,
    pub to: DType,
    pub quantiles: Vec<f64>,
    pub method: QuantileMethod,
    pub skip_nan: bool,
    /// Axes within a line.
    pub within: Vec<bool>,
    /// The axis within a line along which the quantiles are told apart.
    pub along: usize,
}

impl LineQuantile {
    /// Memory of one call for lines of `length` in a block of `block` elements, in bytes.
    pub fn scratch_bytes(length: usize, block: usize) -> u64 {
        Lines::bytes(length) + (length as u64).saturating_mul(8) + (block / length.max(1)) as u64 * 16 + 4096
    }

    fn fill<C: Cell>(&self, shape: &[usize], input: &[u8], output: &mut [u8]) {
        let (cells, size) = (C::cells(input), self.to.size());
        let lines = Lines::new(shape, &self.within);
        let mut keys: Vec<C::Key> = Vec::with_capacity(lines.steps.len());
        // Which of the quantiles an element of a line becomes.
        let inner: usize = (self.along + 1..shape.len()).filter(|&axis| self.within[axis]).map(|axis| shape[axis]).product();
        // A 0-d array is a line of one element.
        let along = shape.get(self.along).map_or(1, |&length| length.max(1));
        let which = |place: usize| (place / inner.max(1) % along).min(self.quantiles.len() - 1);
        let mut values = vec![0u8; self.quantiles.len() * size];
        for first in lines.firsts {
            keys.clear();
            keys.extend(lines.steps.iter().map(|step| C::key(cells[first + step])));
            self.select::<C>(&mut keys, &mut values);
            for (place, step) in lines.steps.iter().enumerate() {
                output[(first + step) * size..][..size].copy_from_slice(&values[which(place) * size..][..size]);
            }
        }
    }

    fn select<C: Cell>(&self, keys: &mut [C::Key], values: &mut [u8]) {
        let values = values.chunks_exact_mut(self.to.size());
        // NaN are last: those before them are the elements.
        let nan = if C::HAS_NAN { keys.iter().filter(|key| **key == C::Key::HIGHEST).count() } else { 0 };
        let valid = keys.len() - nan;
        if valid == 0 || (nan > 0 && !self.skip_nan) {
            values.for_each(|value| write_nan(self.to, value));
            return;
        }
        let mixes: Vec<Mix> = self.quantiles.iter().map(|&quantile| mix(self.method, valid as u64, quantile)).collect();
        let mut ranks: Vec<usize> = mixes.iter().flat_map(|mix| mix.ranks).map(|rank| rank as usize).collect();
        ranks.sort_unstable();
        ranks.dedup();
        // Behind a rank that is in its place lies nothing smaller.
        let mut done = 0;
        for &rank in &ranks {
            if rank == done && rank > 0 {
                let least = (rank..keys.len()).min_by_key(|&at| keys[at]).unwrap_or(rank);
                keys.swap(rank, least);
            } else {
                keys[done..].select_nth_unstable(rank - done);
            }
            done = rank + 1;
        }
        for (Mix { ranks, share }, value) in mixes.into_iter().zip(values) {
            write_mix(self.from, self.to, ranks.map(|rank| keys[rank as usize].widen()), share, value);
        }
    }
}

impl BlockFunction for LineQuantile {
    fn name(&self) -> &str {
        "quantile of lines"
    }

    fn call(&self, _start: &[usize], shape: &[usize], input: &[u8], output: &mut [u8]) -> Result<()> {
        of_cell!(self.from, T => self.fill::<T>(shape, input, output));
        Ok(())
    }
}

/// What becomes of a line that is put in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Give {
    /// The elements, in order.
    Values,
    /// Where they were, as `i64`.
    Places,
}

/// Lines along one axis, put in order.
pub(crate) struct LineSort {
    pub dtype: DType,
    pub axis: usize,
    /// Whether the largest come first; NaN count as the largest of all.
    pub descending: bool,
    pub give: Give,
    /// Elements of a line that are wanted, from the front; what stands behind them is nothing to anybody.
    pub wanted: usize,
}

impl LineSort {
    /// Memory of one call for lines of `length` elements of `dtype`, in bytes.
    pub fn scratch_bytes(length: usize) -> u64 {
        (length as u64).saturating_mul(16).saturating_add(4096)
    }

    fn sort<C: Cell>(&self, shape: &[usize], input: &[u8], output: &mut [u8]) {
        let cells = C::cells(input);
        let (length, inner) = (shape[self.axis], shape[self.axis + 1..].iter().product::<usize>());
        let wanted = self.wanted.min(length);
        let turned = -i64::from(self.descending);
        let mut keys: Vec<C::Key> = Vec::new();
        let mut pairs: Vec<(i64, usize)> = Vec::new();
        for outer in 0..cells.len() / (length * inner).max(1) {
            for lane in 0..inner {
                let first = outer * length * inner + lane;
                let line = (0..length).map(|at| C::key(cells[first + at * inner]));
                if self.give == Give::Values && wanted == length && !self.descending {
                    keys.clear();
                    keys.extend(line);
                    keys.sort_unstable();
                    for (at, &key) in keys.iter().enumerate() {
                        C::cells_mut(output)[first + at * inner] = C::bytes(key);
                    }
                    continue;
                }
                pairs.clear();
                pairs.extend(line.enumerate().map(|(at, key)| (key.folded::<C>() ^ turned, at)));
                if wanted < length && wanted > 0 {
                    pairs.select_nth_unstable(wanted - 1);
                }
                pairs[..wanted].sort_unstable();
                for (at, &(_, place)) in pairs[..wanted].iter().enumerate() {
                    match self.give {
                        Give::Values => C::cells_mut(output)[first + at * inner] = cells[first + place * inner],
                        Give::Places => i64::cells_mut(output)[first + at * inner] = (place as i64).to_ne_bytes(),
                    }
                }
            }
        }
    }
}

impl BlockFunction for LineSort {
    fn name(&self) -> &str {
        "sort"
    }

    fn call(&self, _start: &[usize], shape: &[usize], input: &[u8], output: &mut [u8]) -> Result<()> {
        of_cell!(self.dtype, T => self.sort::<T>(shape, input, output));
        Ok(())
    }
}
