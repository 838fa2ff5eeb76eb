//! Exact products of integers and bools: 64 bits and a sign per output, or that it is more. A product without a zero never
//! gets smaller, so once it has left 64 bits only a zero can bring it back, and only the elements that are neither 1 nor -1
//! have to be multiplied: a few dozen, until then.

use super::axes::{Absorb, Columns, Rows};
use super::element::{Truth, Whole};
use super::lanes::{Cell, LANES};
use super::memory::reserved;
use std::marker::PhantomData;

const FLAG_NEGATIVE: u8 = 1;
const FLAG_BEYOND: u8 = 2;
/// Every flag there is.
pub(super) const FLAGS_ALL: u8 = 3;

/// Elements that are looked at before any of them is multiplied.
const CHUNK: usize = 64 * LANES;

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

/// An element whose bits can be surveyed in its own width.
pub(super) trait Surveyed: Whole {
    /// An unsigned integer of the element's width.
    type Bits: Copy;
    /// No element yet: see [`Survey`].
    const START: [Self::Bits; 3];
    /// The survey after one more element.
    fn survey(self, before: [Self::Bits; 3]) -> [Self::Bits; 3];
    /// The survey of the elements of two.
    fn join(left: [Self::Bits; 3], right: [Self::Bits; 3]) -> [Self::Bits; 3];
    /// Whether an element was 0, whether one was neither 0, 1 nor -1, and whether the product is negative.
    fn found(survey: [Self::Bits; 3]) -> [bool; 3];
}

macro_rules! surveyed {
    ($($t:ty, $bits:ty, $magnitude:expr, $sign:expr;)*) => {$(
        impl Surveyed for $t {
            type Bits = $bits;
            const START: [$bits; 3] = [<$bits>::MAX, 0, 0];
            #[inline(always)]
            fn survey(self, [nonzero, large, sign]: [$bits; 3]) -> [$bits; 3] {
                let magnitude: $bits = $magnitude(self);
                [nonzero & (magnitude | magnitude.wrapping_neg()), large | magnitude >> 1, sign ^ $sign(self)]
            }
            #[inline(always)]
            fn join(left: [$bits; 3], right: [$bits; 3]) -> [$bits; 3] {
                [left[0] & right[0], left[1] | right[1], left[2] ^ right[2]]
            }
            #[inline(always)]
            fn found([nonzero, large, sign]: [$bits; 3]) -> [bool; 3] {
                let top = <$bits>::BITS - 1;
                [nonzero >> top == 0, large != 0, sign >> top != 0]
            }
        }
    )*};
}
surveyed! {
    i8, u8, i8::unsigned_abs, |value: i8| value as u8;
    i16, u16, i16::unsigned_abs, |value: i16| value as u16;
    i32, u32, i32::unsigned_abs, |value: i32| value as u32;
    i64, u64, i64::unsigned_abs, |value: i64| value as u64;
    u8, u8, |value: u8| value, |_| 0; u16, u16, |value: u16| value, |_| 0;
    u32, u32, |value: u32| value, |_| 0; u64, u64, |value: u64| value, |_| 0;
    Truth, u8, |value: Truth| u8::from(value.0 != 0), |_| 0;
}

/// What the elements of each lane have in common: the highest bit of the first word stays while none is 0, the second is not 0 once
/// one is neither 0, 1 nor -1, and the highest bit of the third is the sign of the product.
struct Survey<T: Surveyed> {
    nonzero: [T::Bits; LANES],
    large: [T::Bits; LANES],
    sign: [T::Bits; LANES],
}

impl<T: Surveyed> Survey<T> {
    #[inline(always)]
    fn new() -> Self {
        let [nonzero, large, sign] = T::START;
        Self { nonzero: [nonzero; LANES], large: [large; LANES], sign: [sign; LANES] }
    }

    #[inline(always)]
    fn take(&mut self, lane: usize, cell: T::Bytes) {
        let before = self.lane(lane);
        [self.nonzero[lane], self.large[lane], self.sign[lane]] = T::read(cell).survey(before);
    }

    #[inline(always)]
    fn row(&mut self, cells: &[T::Bytes], width: usize) {
        if width == LANES {
            if let Some(cells) = cells.first_chunk::<LANES>() {
                for lane in 0..LANES {
                    self.take(lane, cells[lane]);
                }
            }
        } else {
            for (lane, cell) in cells[..width].iter().enumerate() {
                self.take(lane, *cell);
            }
        }
    }

    #[inline(always)]
    fn lane(&self, lane: usize) -> [T::Bits; 3] {
        [self.nonzero[lane], self.large[lane], self.sign[lane]]
    }

    /// The product of a lane, if it has no large elements, and whether it has.
    #[inline(always)]
    fn part(&self, lane: usize) -> (Part, bool) {
        part::<T>(self.lane(lane))
    }

    /// The same of all lanes.
    #[inline(always)]
    fn all(&self) -> (Part, bool) {
        let mut joined = self.lane(0);
        for lane in 1..LANES {
            joined = T::join(joined, self.lane(lane));
        }
        part::<T>(joined)
    }
}

#[inline(always)]
fn part<T: Surveyed>(survey: [T::Bits; 3]) -> (Part, bool) {
    let [zero, large, negative] = T::found(survey);
    (if zero { ZERO } else { Part { magnitude: 1, flags: u8::from(negative) } }, large)
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

impl<T: Surveyed> Absorb<T::Bytes> for Target<'_, T> {
    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        for chunk in cells.chunks(CHUNK) {
            let mut survey = Survey::<T>::new();
            let (rows, rest) = chunk.as_chunks::<LANES>();
            for row in rows {
                survey.row(row, LANES);
            }
            if !rest.is_empty() {
                survey.row(rest, rest.len());
            }
            let (small, large) = survey.all();
            let is_open = self.state.part(output).is_open();
            let whole = if large && small != ZERO && is_open { product::<T>(chunk.iter().copied()) } else { small };
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
            let mut survey = Survey::<T>::new();
            for row in 0..rows.count {
                survey.row(&cells[row * rows.stride + first..], strip.count);
            }
            for lane in 0..strip.count {
                let output = strip.output(lane);
                let (small, large) = survey.part(lane);
                let whole = if !large || small == ZERO || !self.state.part(output).is_open() {
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
