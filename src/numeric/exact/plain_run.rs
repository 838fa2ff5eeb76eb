//! The fast exact sum of a run of narrow elements: plain f64 lanes, and the certificate that no addition rounded.
//!
//! If every element is a multiple of `2^low` and a lane's magnitudes add up to at most `2^(low + 53)`, so is and does
//! every partial sum: all of them are f64s. The largest and the smallest magnitude tell both.

use super::kernel::{END_SPECIAL, END_ZERO};
use crate::numeric::axes::Piece;
use crate::numeric::element::Float;
use crate::numeric::lanes::Cell;
use crate::numeric::run::{PART, PieceLanes, ROW, Run, fold_lanes};

/// Rows of a piece: many, for memory idles while a piece is settled; its sum stays within the room of a window.
pub(super) const PIECE_ROWS: usize = 128;
/// Elements of a piece.
pub(super) const PLAIN_PIECE: usize = PIECE_ROWS * ROW;
/// Partial sums of a piece that are as good as one: each has less room to fill.
const PARTIALS: usize = 4;

/// What a piece comes to in its lanes.
pub(super) struct PlainLanes {
    sums: PieceLanes,
    /// The largest magnitude, and the smallest but zero less one, as [`Float::magnitude_bits`].
    largest: u32,
    smallest: u32,
}

/// What is known about a piece.
#[derive(Clone, Copy)]
pub(in crate::numeric) struct Bounds {
    /// All magnitudes are below two to this.
    pub(super) end: i32,
    /// All elements are multiples of two to this.
    low: i32,
}

impl Bounds {
    /// From the largest magnitude of a piece, and the smallest but zero less one, as [`Float::magnitude_bits`].
    #[inline(always)]
    pub(in crate::numeric) fn of<T: Float>(largest: u32, smallest: u32) -> Bounds {
        let field = (largest >> T::MAGNITUDE_SHIFT) as i32;
        let lowest = (smallest.wrapping_add(1) >> T::MAGNITUDE_SHIFT).max(1) as i32;
        let end = if largest == 0 {
            END_ZERO
        } else if field == T::FIELD_SPECIAL as i32 {
            END_SPECIAL
        } else {
            field.max(1) + T::EXPONENT_MIN + T::MAGNITUDE_SHIFT as i32
        };
        Bounds { end, low: lowest + T::EXPONENT_MIN - 1 }
    }

    /// The same of elements that are not all zero.
    #[inline(always)]
    pub(in crate::numeric) fn holds(self, elements: usize) -> bool {
        self.end != END_ZERO && self.fits(elements)
    }

    /// Whether the sum of so many elements is an f64, in any order.
    #[inline(always)]
    fn fits(self, elements: usize) -> bool {
        self.end == END_ZERO || self.end < END_SPECIAL && self.end + log2_ceil(elements) <= self.low + 53
    }
}

/// Several f64s that add up to a piece exactly.
pub(super) struct Exactly {
    sums: PieceLanes,
    count: usize,
}

impl Exactly {
    pub(super) fn sums(&self) -> &[f64] {
        &self.sums[..self.count]
    }
}

impl PlainLanes {
    pub(super) const EMPTY: Self = Self { sums: [-0.0; PART], largest: 0, smallest: u32::MAX };

    #[inline(always)]
    fn bound<T: Float>(&mut self, element: T) {
        self.largest = self.largest.max(element.magnitude_bits());
        // Zeros become the largest.
        self.smallest = self.smallest.min(element.magnitude_bits().wrapping_sub(1));
    }

    #[inline(always)]
    pub(super) fn bounds<T: Float>(&self) -> Bounds {
        Bounds::of::<T>(self.largest, self.smallest)
    }

    /// What a piece of so many elements comes to, where no addition rounded and one float holds it. Short runs are this and little else.
    #[inline(always)]
    pub(super) fn one(&self, bounds: Bounds, elements: usize) -> Option<f64> {
        bounds.fits(elements).then(|| fold_lanes(&self.sums))
    }

    /// What a piece of so many elements comes to, where no addition rounded.
    pub(super) fn exactly(&self, bounds: Bounds, elements: usize) -> Option<Exactly> {
        let fits = |sums: usize| bounds.fits(elements.div_ceil(sums));
        if !fits(PART) {
            return None;
        }
        let mut exactly = Exactly { sums: self.sums, count: PART };
        if fits(PARTIALS) {
            exactly.count = PARTIALS;
            exactly.sums[..PARTIALS].copy_from_slice(&fold(&self.sums));
        }
        Some(exactly)
    }
}

fn log2_ceil(value: usize) -> i32 {
    (usize::BITS - (value.max(1) - 1).leading_zeros()) as i32
}

/// The sums of every fourth lane.
fn fold(sums: &[f64; PART]) -> [f64; PARTIALS] {
    let mut partials = [-0.0; PARTIALS];
    for four in sums.as_chunks::<PARTIALS>().0 {
        for lane in 0..PARTIALS {
            partials[lane] += four[lane];
        }
    }
    partials
}

/// A piece of `run` written down, the rows from `first` on.
pub(super) struct Written<'a, R: Run> {
    pub run: R,
    pub first: usize,
    pub cells: &'a mut [<R::Element as Cell>::Bytes],
}

impl<R: Run> Piece for Written<'_, R> {
    #[inline(always)]
    fn go(self) {
        let (rows, rest) = self.cells.as_chunks_mut::<ROW>();
        let count = rows.len();
        for (at, cells) in rows.iter_mut().enumerate() {
            let row = self.run.row(self.first + at);
            for lane in 0..ROW {
                cells[lane] = R::value(row, lane).bytes();
            }
        }
        for (lane, cell) in rest.iter_mut().enumerate() {
            *cell = self.run.at((self.first + count) * ROW + lane).bytes();
        }
    }
}

/// The fold of one piece of `run`, the rows from `first` on, to be compiled for an instruction set. The loop alone: what is
/// kept in its registers would be taken apart lane by lane if the lanes were added up here.
pub(super) struct PlainPiece<'a, R> {
    pub run: R,
    pub first: usize,
    pub elements: usize,
    pub lanes: &'a mut PlainLanes,
}

impl<R: Run> Piece for PlainPiece<'_, R> {
    #[inline(always)]
    fn go(self) {
        let (rows, rest) = (self.elements / ROW, self.elements % ROW);
        let [mut sums0, mut sums1, mut sums2, mut sums3] = [[-0.0_f64; PART]; 4];
        let (mut largest, mut smallest) = ([0_u32; PART], [u32::MAX; PART]);
        for row in self.first..self.first + rows {
            let row = self.run.row(row);
            add_part::<R, 0>(row, &mut sums0, &mut largest, &mut smallest);
            add_part::<R, PART>(row, &mut sums1, &mut largest, &mut smallest);
            add_part::<R, { 2 * PART }>(row, &mut sums2, &mut largest, &mut smallest);
            add_part::<R, { 3 * PART }>(row, &mut sums3, &mut largest, &mut smallest);
        }
        let mut total = PlainLanes::EMPTY;
        for lane in 0..PART {
            total.sums[lane] = (sums0[lane] + sums1[lane]) + (sums2[lane] + sums3[lane]);
        }
        for lane in 0..PART {
            total.largest = total.largest.max(largest[lane]);
        }
        for lane in 0..PART {
            total.smallest = total.smallest.min(smallest[lane]);
        }
        let lanes = self.lanes;
        *lanes = total;
        let first = (self.first + rows) * ROW;
        if R::IS_MADE {
            // There are many formulas; a loop is short.
            for lane in 0..rest {
                let element = self.run.at(first + lane);
                lanes.sums[lane % PART] += element.widen();
                lanes.bound(element);
            }
            return;
        }
        for from in (0..rest).step_by(PART) {
            let mut elements = [R::Element::PAD; PART];
            for (lane, element) in elements.iter_mut().enumerate().take(rest - from) {
                *element = self.run.at(first + from + lane);
            }
            for (sum, element) in lanes.sums.iter_mut().zip(elements) {
                *sum += element.widen();
            }
            for element in elements {
                lanes.bound(element);
            }
        }
    }
}

/// Few enough lanes for the compiler to unroll the loops wholly, which is what keeps them in registers.
///
/// How long the vectors of narrow elements are depends on which loops there are: those of a formula are as long as they can be where
/// elements are made first and all else is one loop, those of bounds where widening has a loop of its own. Either is a quarter faster than
/// one loop for all, on a cache.
#[inline(always)]
fn add_part<R: Run, const FIRST: usize>(row: R::Row, sums: &mut [f64; PART], largest: &mut [u32; PART], smallest: &mut [u32; PART]) {
    let mut elements = [R::Element::PAD; PART];
    for lane in 0..PART {
        elements[lane] = R::value(row, FIRST + lane);
    }
    let mut bound = |lane: usize| {
        let magnitude = elements[lane].magnitude_bits();
        largest[lane] = largest[lane].max(magnitude);
        // Zeros become the largest.
        smallest[lane] = smallest[lane].min(magnitude.wrapping_sub(1));
    };
    if R::IS_MADE {
        for lane in 0..PART {
            sums[lane] += elements[lane].widen();
            bound(lane);
        }
    } else {
        for lane in 0..PART {
            sums[lane] += elements[lane].widen();
        }
        (0..PART).for_each(bound);
    }
}
