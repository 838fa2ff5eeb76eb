//! Products of matrices of whole numbers, exactly, by products of matrices of `f64`.
//!
//! An element is a sum of digits to the base `2^16`, all but the highest between `-2^15` and `2^15` (a balanced representation: Knuth,
//! "The Art of Computer Programming", vol. 2, 4.1). The products of two digits, over [`GROUP`](super::GROUP) inner places and for at
//! most four pairs of digits, add up to less than `2^47`: no sum of them rounds. Sums of pairs of the same weight are a plane;
//! the planes times their weights are the product. Digits that are 0 everywhere, as the high ones of small numbers, cost nothing.

use super::{Outputs, Panels, ProductKernel, SEGMENT, Side, fit, pack};
use crate::nd::DType;
use bytemuck::Pod;
use std::ops::Range;

/// Bits of a digit.
const DIGIT_BITS: i32 = 16;
/// Digits of the widest elements.
const DIGITS_MAX: usize = 4;

/// How many digits the elements of `dtype` are cut into; 1: they are multiplied as they are.
pub(crate) const fn digits(dtype: DType) -> usize {
    match dtype {
        DType::I32 | DType::U32 => 2,
        DType::I64 | DType::U64 => DIGITS_MAX,
        _ => 1,
    }
}

/// How many planes the products of `dtype` are the sum of.
pub(crate) const fn planes(dtype: DType) -> usize {
    2 * digits(dtype) - 1
}

/// What a plane is to be multiplied by.
pub(crate) fn weight(plane: usize) -> f64 {
    2f64.powi(DIGIT_BITS * plane as i32)
}

/// The whole number that planes add up to, the lowest first; `None` beyond `2^127`.
pub(crate) fn total(planes: impl DoubleEndedIterator<Item = f64>) -> Option<i128> {
    planes.rev().try_fold(0_i128, |total, plane| total.checked_mul(1 << DIGIT_BITS)?.checked_add(plane as i128))
}

/// A whole number of 32 or 64 bits.
trait Whole: Pod {
    const DIGITS: usize;
    /// The lowest digit, and the others as a number.
    fn cut(self) -> (i16, i64);
}

macro_rules! whole {
    ($($t:ty, $digits:literal;)*) => { $(
        impl Whole for $t {
            const DIGITS: usize = $digits;
            #[inline(always)]
            fn cut(self) -> (i16, i64) {
                // A low digit below 0 is one more of the next.
                (self as i16, (self >> DIGIT_BITS) as i64 + (self >> (DIGIT_BITS - 1) & 1) as i64)
            }
        }
    )* };
}
whole!(i32, 2; u32, 2; i64, 4; u64, 4;);

/// The digits of one side, for a segment of inner places.
#[derive(Default)]
struct Cut {
    /// Digit after digit: those of all places and inner places, those beside each other that are so in memory.
    digits: Vec<f64>,
    places: Vec<i64>,
    inner: Vec<i64>,
    /// Which digits are not 0 everywhere.
    used: [bool; DIGITS_MAX],
}

impl Cut {
    fn fill(&mut self, dtype: DType, side: Side<'_>, inner: Range<usize>) {
        match dtype {
            DType::I32 => self.of::<i32>(side, inner),
            DType::U32 => self.of::<u32>(side, inner),
            DType::I64 => self.of::<i64>(side, inner),
            _ => self.of::<u64>(side, inner),
        }
    }

    fn of<T: Whole>(&mut self, side: Side<'_>, inner: Range<usize>) {
        let (places, inner) = (side.places, &side.inner[inner]);
        let elements = places.len() * inner.len();
        fit(&mut self.digits, T::DIGITS * elements);
        // Along lines of what lies beside each other.
        let along_places = pack::is_run(places) && !pack::is_run(inner);
        let (lines, steps) = if along_places { (inner, places) } else { (places, inner) };
        let (lists, list) = if along_places { (&mut self.inner, &mut self.places) } else { (&mut self.places, &mut self.inner) };
        number(lists, lines.len(), steps.len());
        number(list, steps.len(), 1);
        let beside = pack::is_run(steps);
        let mut seen = [0_i32; DIGITS_MAX];
        for (line, &start) in lines.iter().enumerate() {
            let to = Line { digits: &mut self.digits[line * steps.len()..], apart: elements, seen: &mut seen };
            if let (true, Some(step)) = (beside, steps.first()) {
                let first = (start + step) as usize * size_of::<T>();
                let elements = side.bytes[first..][..steps.len() * size_of::<T>()].chunks_exact(size_of::<T>());
                to.cut(elements.map(bytemuck::pod_read_unaligned::<T>));
            } else {
                let place = |step: &i64| (start + step) as usize * size_of::<T>();
                to.cut(steps.iter().map(|step| bytemuck::pod_read_unaligned::<T>(&side.bytes[place(step)..][..size_of::<T>()])));
            }
        }
        self.used = seen.map(|seen| seen != 0);
    }

    fn digit(&self, digit: usize) -> Side<'_> {
        let elements = self.places.len() * self.inner.len();
        Side { bytes: bytemuck::cast_slice(&self.digits[digit * elements..][..elements]), places: &self.places, inner: &self.inner }
    }

    fn held_bytes(&self) -> u64 {
        (8 * (self.digits.capacity() + self.places.capacity() + self.inner.capacity())) as u64
    }
}

/// Where the digits of a line go: the first ones beside each other, the next ones so far `apart`.
struct Line<'a> {
    digits: &'a mut [f64],
    apart: usize,
    /// All bits of all digits.
    seen: &'a mut [i32; DIGITS_MAX],
}

impl Line<'_> {
    #[inline(always)]
    fn cut<T: Whole>(self, elements: impl ExactSizeIterator<Item = T>) {
        let (count, seen) = (elements.len(), self.seen);
        let (first, rest) = self.digits.split_at_mut(self.apart);
        if T::DIGITS == 2 {
            for ((element, low), high) in elements.zip(&mut first[..count]).zip(&mut rest[..count]) {
                let digits = element.cut();
                seen[0] |= i32::from(digits.0);
                // Of 32 bits: at most 2^16.
                seen[1] |= digits.1 as i32;
                (*low, *high) = (f64::from(digits.0), f64::from(digits.1 as i32));
            }
            return;
        }
        let (second, rest) = rest.split_at_mut(self.apart);
        let (third, fourth) = rest.split_at_mut(self.apart);
        let to = first[..count].iter_mut().zip(&mut second[..count]).zip(&mut third[..count]).zip(&mut fourth[..count]);
        for (element, (((first, second), third), fourth)) in elements.zip(to) {
            let (one, rest) = element.cut();
            let (two, rest) = rest.cut();
            let (three, four) = rest.cut();
            let digits = [i32::from(one), i32::from(two), i32::from(three), four as i32];
            for at in 0..DIGITS_MAX {
                seen[at] |= digits[at];
            }
            [*first, *second, *third, *fourth] = digits.map(f64::from);
        }
    }
}

/// Makes `list` the first multiples of `step`.
fn number(list: &mut Vec<i64>, count: usize, step: usize) {
    fit(list, count);
    list.iter_mut().enumerate().for_each(|(at, place)| *place = (at * step) as i64);
}

/// Digits of both sides, kept from block to block.
#[derive(Default)]
pub(crate) struct Digits {
    left: Cut,
    right: Cut,
}

impl Digits {
    /// Bytes held for one side of so many places and inner places of `dtype`; 0 for what is not cut.
    pub(crate) fn side_bytes_max(places: usize, inner: usize, dtype: DType) -> u64 {
        if digits(dtype) == 1 {
            return 0;
        }
        let elements = places.saturating_mul(inner.min(SEGMENT)).saturating_mul(digits(dtype));
        (elements.saturating_add(places).saturating_add(SEGMENT) as u64).saturating_mul(8)
    }

    /// Bytes held now.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.left.held_bytes() + self.right.held_bytes()
    }

    /// Writes to the planes of `sums`, one after the other, the products of one group of inner places of `dtype`; `kernel` multiplies
    /// `f64`. Gives the number of planes that there are; those behind them are not touched.
    pub(crate) fn multiply(
        &mut self,
        (kernel, dtype): (ProductKernel, DType),
        sums: &mut [f64],
        [left, right]: [Side<'_>; 2],
        outputs: Outputs,
        panels: &mut Panels,
    ) -> usize {
        let count = left.places.len() * right.places.len();
        sums[..count].fill(0.0);
        let mut there = 1;
        for from in (0..left.inner.len()).step_by(SEGMENT) {
            let segment = from..(from + SEGMENT).min(left.inner.len());
            self.left.fill(dtype, left, segment.clone());
            if outputs == Outputs::All {
                self.right.fill(dtype, right, segment);
            }
            let (rows, columns) = (&self.left, if outputs == Outputs::All { &self.right } else { &self.left });
            for (one, other) in (0..digits(dtype)).flat_map(|one| (0..digits(dtype)).map(move |other| (one, other))) {
                if rows.used[one] && columns.used[other] {
                    let place = one + other;
                    if place >= there {
                        sums[there * count..(place + 1) * count].fill(0.0);
                        there = place + 1;
                    }
                    let plane = &mut sums[place * count..][..count];
                    kernel(plane, rows.digit(one), columns.digit(other), outputs, panels);
                }
            }
        }
        there
    }
}

/// Writes whole numbers below `2^53` as native elements of an integer `dtype` of 32 or 64 bits. False if one does not fit.
pub(crate) fn write_line(sums: &[f64], dtype: DType, out: &mut [u8]) -> bool {
    macro_rules! written {
        ($t:ty) => {{
            let mut fits = true;
            for (sum, element) in sums.iter().zip(out.as_chunks_mut().0) {
                let whole = *sum as i64;
                fits &= whole as $t as i64 == whole && (<$t>::MIN != 0 || whole >= 0);
                *element = (whole as $t).to_ne_bytes();
            }
            fits
        }};
    }
    match dtype {
        DType::I32 => written!(i32),
        DType::U32 => written!(u32),
        DType::I64 => written!(i64),
        DType::U64 => written!(u64),
        _ => false,
    }
}
