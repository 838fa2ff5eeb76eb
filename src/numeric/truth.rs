//! Truth of elements: how many are not zero (which answers any and all too), and where the first zero is.
//! NaN is true, `-0.0` is false.

use super::axes::{Absorb, Columns, Rows, TileAxis, each_element};
use super::lanes::{Cell, LANES, LaneFold, WIDE, fold_run, fold_strip};
use super::memory::add_each;
use super::memory::reserved;
use super::whole::check_counts;
use crate::error::Result;
use std::marker::PhantomData;

/// Elements, and elements that are not zero, of each output.
#[derive(Clone, Debug)]
pub(super) struct Truths {
    pub counts: Vec<u64>,
    pub nonzero: Vec<u64>,
}

impl Truths {
    pub(super) fn new(outputs: usize) -> Self {
        Self { counts: reserved(outputs), nonzero: reserved(outputs) }
    }

    /// Bytes per output.
    pub(super) const OUTPUT_BYTES: u64 = 16;

    pub(super) fn reset(&mut self) {
        self.counts.fill(0);
        self.nonzero.fill(0);
    }

    pub(super) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        add_each(&mut self.counts[at..at + count], &other.counts[from..from + count], u64::wrapping_add);
        add_each(&mut self.nonzero[at..at + count], &other.nonzero[from..from + count], u64::wrapping_add);
    }

    pub(super) fn subtract_run(&mut self, at: usize, other: &Self, from: usize, count: usize) -> Result<()> {
        check_counts(&self.counts[at..at + count], &other.counts[from..from + count])?;
        check_counts(&self.nonzero[at..at + count], &other.nonzero[from..from + count])?;
        add_each(&mut self.counts[at..at + count], &other.counts[from..from + count], u64::wrapping_sub);
        add_each(&mut self.nonzero[at..at + count], &other.nonzero[from..from + count], u64::wrapping_sub);
        Ok(())
    }
}

/// The bits of an element that make it true: all of an integer or bool, all but the sign of a float.
#[derive(Clone, Copy)]
pub(super) struct Bits<U, const FLOAT: bool>(U);

macro_rules! bits {
    ($($u:ty),*) => {$(
        impl<const FLOAT: bool> Cell for Bits<$u, FLOAT> {
            type Bytes = [u8; size_of::<$u>()];
            const PAD: Self = Bits(0);
            #[inline(always)]
            fn read(bytes: Self::Bytes) -> Self {
                let bits = <$u>::from_ne_bytes(bytes);
                Bits(if FLOAT { bits << 1 } else { bits })
            }
        }
        impl<const FLOAT: bool> Tested for Bits<$u, FLOAT> {
            #[inline(always)]
            fn truth(self) -> u8 { u8::from(self.0 != 0) }
            type Counter = $u;
            #[inline(always)]
            fn count(self, before: $u) -> $u { before + <$u>::from(self.0 != 0) }
        }
    )*};
}
bits!(u8, u16, u32, u64);

/// A cell that can be tested.
pub(super) trait Tested: Cell {
    /// 1 if the element is not zero.
    fn truth(self) -> u8;
    /// A number as wide as the element, so that counting needs no conversions.
    type Counter: Copy + Default + Into<u64>;
    /// One more if the element is not zero.
    fn count(self, before: Self::Counter) -> Self::Counter;
}

/// Counts per lane; the byte counters are emptied before they can overflow.
struct Fold {
    few: [u8; LANES],
    many: [u64; LANES],
}

impl<T: Tested> LaneFold<T> for Fold {
    #[inline(always)]
    fn block_rows(&self) -> usize {
        255
    }
    #[inline(always)]
    fn step(&mut self, row: &[T; LANES]) {
        for lane in 0..LANES {
            self.few[lane] += row[lane].truth();
        }
    }
    #[inline(always)]
    fn flush(&mut self) {
        for lane in 0..LANES {
            self.many[lane] += u64::from(self.few[lane]);
            self.few[lane] = 0;
        }
    }
}

impl Fold {
    #[inline(always)]
    fn new() -> Self {
        Self { few: [0; LANES], many: [0; LANES] }
    }
}

/// Rows that the narrowest counter can count.
const ROWS_MAX: usize = 255;

/// How many elements of each of [`WIDE`] columns are not zero.
#[inline(always)]
pub(super) fn counts_of_rows<T: Tested>(cells: &[T::Bytes], rows: Rows) -> [u64; WIDE] {
    let mut counts = [0u64; WIDE];
    let mut first = 0;
    while first < rows.count {
        let end = rows.count.min(first + ROWS_MAX);
        let mut few = [T::Counter::default(); WIDE];
        for row in first..end {
            if let Some(row) = cells[row * rows.stride..].first_chunk::<WIDE>() {
                for lane in 0..WIDE {
                    few[lane] = T::read(row[lane]).count(few[lane]);
                }
            }
        }
        for lane in 0..WIDE {
            counts[lane] += few[lane].into();
        }
        first = end;
    }
    counts
}

#[inline(always)]
pub(super) fn count_run<T: Tested>(cells: &[T::Bytes]) -> u64 {
    let mut fold = Fold::new();
    let wide = Rows { count: cells.len() / WIDE, stride: WIDE };
    fold_run::<T, _>(&mut fold, &cells[wide.count * WIDE..]);
    let mut total: u64 = if wide.count > 0 { counts_of_rows::<T>(cells, wide).iter().sum() } else { 0 };
    for lane in 0..LANES {
        total += fold.many[lane];
    }
    total
}

/// A state as the kernel of one element type sees it.
pub(super) struct Target<'a, T> {
    pub state: &'a mut Truths,
    pub element: PhantomData<T>,
}

impl<T: Tested> Absorb<T::Bytes> for Target<'_, T> {
    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        self.state.counts[output] += cells.len() as u64;
        self.state.nonzero[output] += count_run::<T>(cells);
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        let mut first = 0;
        while first + WIDE <= columns.count {
            let panel = columns.part(first, WIDE);
            for (lane, nonzero) in counts_of_rows::<T>(&cells[first..], rows).into_iter().enumerate() {
                self.state.counts[panel.output(lane)] += rows.count as u64;
                self.state.nonzero[panel.output(lane)] += nonzero;
            }
            first += WIDE;
        }
        while first < columns.count {
            let strip = columns.part(first, LANES.min(columns.count - first));
            let mut fold = Fold::new();
            fold_strip::<T, _>(&mut fold, &cells[first..], rows, strip.count);
            for lane in 0..strip.count {
                let output = strip.output(lane);
                self.state.counts[output] += rows.count as u64;
                self.state.nonzero[output] += fold.many[lane];
            }
            first += LANES;
        }
    }
}

/// The smallest index of a zero element per output; `i64::MAX` while there is none.
#[derive(Clone, Debug)]
pub(super) struct FirstZero {
    pub indices: Vec<i64>,
}

impl FirstZero {
    pub(super) fn new(outputs: usize) -> Self {
        let mut made = Self { indices: reserved(outputs) };
        made.reset();
        made
    }

    /// Bytes per output.
    pub(super) const OUTPUT_BYTES: u64 = 8;

    pub(super) fn reset(&mut self) {
        self.indices.fill(i64::MAX);
    }

    pub(super) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        add_each(&mut self.indices[at..at + count], &other.indices[from..from + count], i64::min);
    }

    #[inline(always)]
    pub(super) fn absorb<T: Tested>(&mut self, cells: &[T::Bytes], axes: &[TileAxis], base: usize, index: i64) {
        // Assertions hold nearly always: the whole tile is tested at full speed, and searched only if one failed.
        if count_run::<T>(cells) != cells.len() as u64 {
            self.search::<T>(cells, axes, base, index);
        }
    }

    #[cold]
    #[inline(never)]
    fn search<T: Tested>(&mut self, cells: &[T::Bytes], axes: &[TileAxis], base: usize, index: i64) {
        each_element(axes, base, index, |element, output, index| {
            if T::read(cells[element]).truth() == 0 {
                self.indices[output] = self.indices[output].min(index);
            }
        });
    }
}
