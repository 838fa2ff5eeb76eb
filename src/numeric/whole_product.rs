//! Exact products of integers and bools: 64 bits and a sign per output, or that it is more. A product without a zero never
//! gets smaller, so once it has left 64 bits only a zero can bring it back, and only the elements that are neither 1 nor -1
//! have to be multiplied: a few dozen, until then.

use super::axes::{Absorb, Columns, Rows};
use super::element::Whole;
use super::lanes::{Cell, LANES};
use super::memory::reserved;
use std::marker::PhantomData;

const FLAG_NEGATIVE: u8 = 1;
const FLAG_BEYOND: u8 = 2;
/// Every flag there is.
pub(super) const FLAGS_ALL: u8 = 3;

/// Elements that are looked at before any of them is multiplied.
const CHUNK: usize = 16 * LANES;

/// Magnitude and sign of each output. A zero has no flags; what left 64 bits has the largest magnitude and one flag.
#[derive(Clone, Debug)]
pub(super) struct WholeProducts {
    pub magnitudes: Vec<u64>,
    pub flags: Vec<u8>,
}

/// A product.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Part {
    magnitude: u64,
    flags: u8,
}

const ZERO: Part = Part { magnitude: 0, flags: 0 };
const BEYOND: Part = Part { magnitude: u64::MAX, flags: FLAG_BEYOND };

impl Part {
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        if self.magnitude == 0 || other.magnitude == 0 {
            return ZERO;
        }
        if (self.flags | other.flags) & FLAG_BEYOND != 0 {
            return BEYOND;
        }
        match self.magnitude.checked_mul(other.magnitude) {
            Some(magnitude) => Self { magnitude, flags: self.flags ^ other.flags },
            None => BEYOND,
        }
    }

    #[inline(always)]
    fn is_open(self) -> bool {
        self.magnitude != 0 && self.flags & FLAG_BEYOND == 0
    }
}

impl WholeProducts {
    pub(super) fn new(outputs: usize) -> Self {
        let mut made = Self { magnitudes: reserved(outputs), flags: reserved(outputs) };
        made.reset();
        made
    }

    /// Bytes per output.
    pub(super) const OUTPUT_BYTES: u64 = 9;

    pub(super) fn reset(&mut self) {
        self.magnitudes.fill(1);
        self.flags.fill(0);
    }

    pub(super) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        for (to, from) in (at..at + count).zip(from..) {
            self.multiply(to, other.part(from));
        }
    }

    /// The product of one output; `None` where it takes more than 64 bits and a sign.
    pub(super) fn value(&self, at: usize) -> Option<i128> {
        let part = self.part(at);
        let magnitude = i128::from(part.magnitude);
        (part.flags & FLAG_BEYOND == 0).then_some(if part.flags & FLAG_NEGATIVE != 0 { -magnitude } else { magnitude })
    }

    #[inline(always)]
    fn part(&self, at: usize) -> Part {
        Part { magnitude: self.magnitudes[at], flags: self.flags[at] }
    }

    #[inline(always)]
    fn multiply(&mut self, output: usize, by: Part) {
        let whole = self.part(output).times(by);
        (self.magnitudes[output], self.flags[output]) = (whole.magnitude, whole.flags);
    }
}

/// An element, padded with ones.
#[derive(Clone, Copy)]
struct Factor<T>(T);

impl<T: Whole> Factor<T> {
    /// Magnitude, and the sign in the highest bit.
    #[inline(always)]
    fn split(self) -> (u64, u64) {
        let value = self.0.wrapped();
        if T::UNSIGNED { (value as u64, 0) } else { (value.unsigned_abs(), value as u64) }
    }

    #[inline(always)]
    fn part(self) -> Part {
        let (magnitude, sign) = self.split();
        if magnitude == 0 { ZERO } else { Part { magnitude, flags: (sign >> 63) as u8 } }
    }
}

/// What the elements of a lane have in common.
struct Survey {
    /// The highest bit stays while no element is 0.
    nonzero: [u64; LANES],
    /// Not 0 once an element is neither 0, 1 nor -1.
    large: [u64; LANES],
    /// The highest bit is the sign of the product.
    sign: [u64; LANES],
}

impl Survey {
    #[inline(always)]
    fn new() -> Self {
        Self { nonzero: [u64::MAX; LANES], large: [0; LANES], sign: [0; LANES] }
    }

    #[inline(always)]
    fn row<T: Whole>(&mut self, cells: &[T::Bytes], width: usize) {
        let mut row = [(1, 0); LANES];
        if width == LANES {
            if let Some(cells) = cells.first_chunk::<LANES>() {
                for lane in 0..LANES {
                    row[lane] = Factor(<T as Cell>::read(cells[lane])).split();
                }
            }
        } else {
            for (lane, cell) in row.iter_mut().zip(&cells[..width]) {
                *lane = Factor(<T as Cell>::read(*cell)).split();
            }
        }
        for lane in 0..LANES {
            let (magnitude, sign) = row[lane];
            self.nonzero[lane] &= magnitude | magnitude.wrapping_neg();
            self.large[lane] |= magnitude >> 1;
            self.sign[lane] ^= sign;
        }
    }

    /// The product of a lane, if it has no large elements.
    #[inline(always)]
    fn part(&self, lane: usize) -> Part {
        if self.nonzero[lane] >> 63 == 0 { ZERO } else { Part { magnitude: 1, flags: (self.sign[lane] >> 63) as u8 } }
    }
}

/// Multiplies elements until it does not matter any more.
#[inline(always)]
fn product<T: Whole>(cells: impl Iterator<Item = T::Bytes>) -> Part {
    let mut whole = Part { magnitude: 1, flags: 0 };
    for cell in cells {
        whole = whole.times(Factor(<T as Cell>::read(cell)).part());
        if !whole.is_open() {
            break;
        }
    }
    whole
}

/// A state as the kernel of one element type sees it.
pub(super) struct Target<'a, T> {
    pub state: &'a mut WholeProducts,
    pub element: PhantomData<T>,
}

impl<T: Whole> Absorb<T::Bytes> for Target<'_, T> {
    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        for chunk in cells.chunks(CHUNK) {
            let mut survey = Survey::new();
            let (rows, rest) = chunk.as_chunks::<LANES>();
            for row in rows {
                survey.row::<T>(row, LANES);
            }
            if !rest.is_empty() {
                survey.row::<T>(rest, rest.len());
            }
            let (mut small, mut large) = (Part { magnitude: 1, flags: 0 }, 0);
            for lane in 0..LANES {
                small = small.times(survey.part(lane));
                large |= survey.large[lane];
            }
            let whole =
                if large == 0 || small == ZERO || !self.state.part(output).is_open() { small } else { product::<T>(chunk.iter().copied()) };
            self.state.multiply(output, whole);
            if whole == ZERO {
                return;
            }
        }
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        let mut first = 0;
        while first < columns.count {
            let strip = columns.part(first, LANES.min(columns.count - first));
            let mut survey = Survey::new();
            for row in 0..rows.count {
                survey.row::<T>(&cells[row * rows.stride + first..], strip.count);
            }
            for lane in 0..strip.count {
                let output = strip.output(lane);
                let small = survey.part(lane);
                let whole = if survey.large[lane] == 0 || small == ZERO || !self.state.part(output).is_open() {
                    small
                } else {
                    product::<T>((0..rows.count).map(|row| cells[row * rows.stride + first + lane]))
                };
                self.state.multiply(output, whole);
            }
            first += LANES;
        }
    }
}
