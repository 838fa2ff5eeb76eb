//! Where the first smallest and the first largest elements are: the largest key of `order` and the smallest linear index
//! that has it. Both zeros have one key. NaN has the highest, so that the first one is found, or the lowest, where it is skipped.

use super::axes::{Absorb, Columns, Indices, Rows};
use super::lanes::{LANES, WIDE};
use super::memory::reserved;
use super::order::Keyed;
use std::marker::PhantomData;

/// Columns that are searched at once.
const PANEL: usize = 32;
/// Rows that are searched at once: their numbers fit the narrowest key.
const ROWS_MAX: usize = 120;

/// The largest key of each output, widened to i64, and the smallest index that has it; `i64::MAX` if there was no element.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub keys: Vec<i64>,
    pub indices: Vec<i64>,
}

impl Places {
    pub(super) fn new(outputs: usize) -> Self {
        let mut made = Self { keys: reserved(outputs), indices: reserved(outputs) };
        made.reset();
        made
    }

    /// Bytes per output.
    pub(super) const OUTPUT_BYTES: u64 = 16;

    pub(super) fn reset(&mut self) {
        self.keys.fill(i64::MIN);
        self.indices.fill(i64::MAX);
    }

    pub(super) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        for step in 0..count {
            self.take(at + step, other.keys[from + step], other.indices[from + step]);
        }
    }

    /// Whether an element with this key could be the one, if its index is `first` or more.
    #[inline(always)]
    fn wants(&self, output: usize, key: i64, first: i64) -> bool {
        key > self.keys[output] || (key == self.keys[output] && first < self.indices[output])
    }

    #[inline(always)]
    fn take(&mut self, output: usize, key: i64, index: i64) {
        if self.wants(output, key, index) {
            (self.keys[output], self.indices[output]) = (key, index);
        }
    }

    /// Whether elements were absorbed and all were NaN that is skipped, if `T` is a float.
    pub(super) fn is_hollow<T: Keyed>(&self, at: usize) -> bool {
        self.indices[at] != i64::MAX && self.keys[at] == T::LOWEST.into()
    }
}

/// What is looked for: how keys are complemented, and the key of NaN.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub smallest: bool,
    pub skip: bool,
}

/// A state as the kernel of one element type sees it.
pub(super) struct Target<'a, T: Keyed> {
    state: &'a mut Places,
    mask: T::Key,
    nan: T::Key,
    /// Linear index of the first element of the box.
    base: i64,
    indices: Indices,
    element: PhantomData<T>,
}

impl<'a, T: Keyed> Target<'a, T> {
    #[inline(always)]
    pub(super) fn new(state: &'a mut Places, wanted: Wanted, base: i64) -> Self {
        let nan = if wanted.skip { T::LOWEST } else { T::HIGHEST };
        let mask = if wanted.smallest { T::ALL_ONES } else { T::small(0) };
        Self { state, mask, nan, base, indices: Indices::default(), element: PhantomData }
    }

    #[inline(always)]
    fn key(&self, cell: T::Bytes) -> T::Key {
        T::read(cell).place_key(self.mask, self.nan)
    }

    /// The largest key of a run.
    #[inline(always)]
    fn largest(&self, cells: &[T::Bytes]) -> T::Key {
        let (rows, rest) = cells.as_chunks::<WIDE>();
        let mut largest = T::LOWEST;
        if !rows.is_empty() {
            let mut lanes = [T::LOWEST; WIDE];
            for row in rows {
                for lane in 0..WIDE {
                    lanes[lane] = lanes[lane].max(self.key(row[lane]));
                }
            }
            for key in lanes {
                largest = largest.max(key);
            }
        }
        let (rows, rest) = rest.as_chunks::<LANES>();
        for row in rows {
            let mut lanes = [T::LOWEST; LANES];
            for lane in 0..LANES {
                lanes[lane] = self.key(row[lane]);
            }
            for key in lanes {
                largest = largest.max(key);
            }
        }
        for cell in rest {
            largest = largest.max(self.key(*cell));
        }
        largest
    }

    /// The first element of a run that has a key.
    #[inline(always)]
    fn first(&self, cells: &[T::Bytes], wanted: T::Key) -> usize {
        let mut at = 0;
        for row in cells.as_chunks::<LANES>().0 {
            let mut met = false;
            for lane in 0..LANES {
                met |= self.key(row[lane]) == wanted;
            }
            if met {
                break;
            }
            at += LANES;
        }
        while at + 1 < cells.len() && self.key(cells[at]) != wanted {
            at += 1;
        }
        at
    }

    /// The largest key of each of up to [`PANEL`] columns, and the first row that has it.
    #[inline(always)]
    fn search(&self, cells: &[T::Bytes], rows: Rows, width: usize) -> ([T::Key; PANEL], [T::Key; PANEL]) {
        let (mut largest, mut at) = ([T::LOWEST; PANEL], [T::small(0); PANEL]);
        for row in 0..rows.count {
            let cells = &cells[row * rows.stride..];
            let number = T::small(row);
            let mut keys = [T::LOWEST; PANEL];
            if width == PANEL {
                if let Some(cells) = cells.first_chunk::<PANEL>() {
                    for lane in 0..PANEL {
                        keys[lane] = self.key(cells[lane]);
                    }
                }
            } else {
                for (key, cell) in keys.iter_mut().zip(&cells[..width]) {
                    *key = self.key(*cell);
                }
            }
            for lane in 0..PANEL {
                let better = keys[lane] > largest[lane];
                largest[lane] = if better { keys[lane] } else { largest[lane] };
                at[lane] = if better { number } else { at[lane] };
            }
        }
        (largest, at)
    }
}

impl<T: Keyed> Absorb<T::Bytes> for Target<'_, T> {
    const INDEXED: bool = true;

    #[inline(always)]
    fn at(&mut self, indices: Indices) {
        debug_assert!(indices.row_step >= 0 && indices.column_step >= 0, "indices follow the C order");
        self.indices = Indices { first: self.base + indices.first, ..indices };
    }

    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        let key = self.largest(cells);
        if self.state.wants(output, key.into(), self.indices.first) {
            let at = self.first(cells, key) as i64;
            self.state.take(output, key.into(), self.indices.first + at * self.indices.column_step);
        }
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        let Indices { first, row_step, column_step } = self.indices;
        let mut column = 0;
        while column < columns.count {
            let panel = columns.part(column, PANEL.min(columns.count - column));
            let mut row = 0;
            while row < rows.count {
                let part = Rows { count: ROWS_MAX.min(rows.count - row), stride: rows.stride };
                let (keys, places) = self.search(&cells[row * rows.stride + column..], part, panel.count);
                let first = first + row as i64 * row_step + column as i64 * column_step;
                for lane in 0..panel.count {
                    let place: i64 = places[lane].into();
                    self.state.take(panel.output(lane), keys[lane].into(), first + place * row_step + lane as i64 * column_step);
                }
                row += ROWS_MAX;
            }
            column += PANEL;
        }
    }
}
