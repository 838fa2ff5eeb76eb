//! Exact sums of floats: per output a signed fixed-point number that is wide enough for every sum of its element
//! type, as 64-bit digits that weigh `2^32` each.
//!
//! A value added to the number adds less than `2^32` to each digit, so `2^30` values may be added before carries
//! must move up ([`Superaccumulator::settle`]); `pending` counts them. Settled digits are `0..2^32` with the sign in
//! the highest, a unique form: what serialises is equal for equal data.
//!
//! In front of the digits lies a window (`window`) that takes what the kernels find. Most data never reach the digits,
//! whose memory the system then does not hand out.
//!
//! Whatever is not a finite number is kept in flags: NaN, infinities of either sign, and whether anything but
//! `-0.0` was seen.

use super::memory::reserved;
use super::window::{Extent, UNSET, Windows};
use super::{big::Big, round::Exact};
use crate::error::{Error, Result};

pub(super) const FLAG_NAN: u8 = 1;
pub(super) const FLAG_INFINITY: u8 = 2;
pub(super) const FLAG_NEGATIVE_INFINITY: u8 = 4;
/// Something other than `-0.0` was absorbed.
pub(super) const FLAG_NOT_NEGATIVE_ZERO: u8 = 8;
pub(super) const FLAGS_ALL: u8 = 15;
/// The digits behind the window were added to. A hint: it may be set where they are 0, and is no part of the state.
pub(super) const FLAG_BEHIND: u8 = 16;

/// Values that may be added to settled digits: `2^30 * 2^32` leaves a bit of an `i64` free for merging.
pub(super) const PENDING_MAX: u64 = 1 << 30;

/// The number of digits for values that are multiples of `2^low` and below `2^end`, of which `2^64` may be added.
pub(super) const fn digits_for(low: i32, end: i32) -> usize {
    // The highest digit keeps 63 bits; two more digits so that two deposits 64 bits apart stay inside.
    (end - low + 65 - 63) as usize / 32 + 4
}

/// Exact sums, and for moments exact sums of squares.
#[derive(Clone, Debug)]
pub(super) struct Superaccumulator {
    /// Digits of one output's sum and of its sum of squares (0 where there is none).
    pub widths: [usize; 2],
    /// Exponent of the lowest bit of a sum; of a sum of squares it is twice this.
    pub exponent_min: i32,
    pub counts: Vec<u64>,
    pub flags: Vec<u8>,
    /// Per output the digits of the sum, then of the squares.
    pub digits: Vec<i64>,
    /// Upper bound of the values added to any digit since all were settled.
    pub pending: u64,
    /// What the kernels add to. The number of an output is its digits and its window together.
    pub windows: Windows,
}

/// Values that emptying a window adds to a digit at most.
const WINDOW_VALUES: u64 = 8;

impl Superaccumulator {
    pub(super) fn new(widths: [usize; 2], exponent_min: i32, extent: Extent, outputs: usize) -> Self {
        let width = widths[0] + widths[1];
        Self {
            widths,
            exponent_min,
            counts: reserved(outputs),
            flags: reserved(outputs),
            digits: reserved(outputs * width),
            pending: 0,
            windows: Windows::new(extent, outputs),
        }
    }

    /// Bytes per output.
    pub(super) const fn output_bytes(widths: [usize; 2], extent: Extent) -> u64 {
        9 + 8 * (widths[0] + widths[1]) as u64 + extent.output_bytes()
    }

    /// Forgets how many elements there were, and whether all were `-0.0`.
    pub(super) fn forget_counts(&mut self) {
        self.counts.fill(0);
        self.flags.iter_mut().for_each(|flags| *flags &= !FLAG_NOT_NEGATIVE_ZERO);
    }

    pub(super) fn reset(&mut self) {
        self.counts.fill(0);
        self.flags.fill(0);
        if self.pending > 0 {
            self.digits.fill(0);
        }
        self.pending = 0;
        self.windows.reset();
    }

    #[inline(always)]
    pub(super) fn width(&self) -> usize {
        self.widths[0] + self.widths[1]
    }

    /// Makes room for `values` more additions to any digit.
    #[inline(always)]
    pub(super) fn expect_values(&mut self, values: u64) {
        if self.pending + values > PENDING_MAX {
            self.settle();
        }
        self.pending += values;
    }

    /// Makes room for `values` more that are added to the digits of `output`, and gives them: of the sum, of the squares.
    #[inline(always)]
    pub(super) fn digits_of(&mut self, output: usize, values: u64) -> (&mut [i64], &mut [i64]) {
        self.expect_values(values);
        self.flags[output] |= FLAG_BEHIND;
        let width = self.width();
        self.digits[output * width..(output + 1) * width].split_at_mut(self.widths[0])
    }

    /// Moves the window of `output` into its digits.
    pub(super) fn empty_window(&mut self, output: usize) {
        if self.windows.scales[output] == UNSET {
            return; // the digits, and with them their memory, stay untouched
        }
        let width = self.width();
        self.expect_values(WINDOW_VALUES);
        let digits = &mut self.digits[output * width..(output + 1) * width];
        let (widths, low, flags) = (self.widths, self.exponent_min, &mut self.flags[output]);
        self.windows.each_digit(output, |squares, value, exponent| {
            *flags |= FLAG_BEHIND;
            deposit_part(digits, widths, low, squares, value, exponent);
        });
        self.windows.clear(output);
    }

    /// Moves carries up in every output.
    #[inline(never)]
    fn settle(&mut self) {
        let (sum, width) = (self.widths[0], self.width());
        for digits in self.digits.chunks_exact_mut(width) {
            let (sum, squares) = digits.split_at_mut(sum);
            settle_digits(sum);
            settle_digits(squares);
        }
        self.pending = 0;
    }

    pub(super) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        self.expect_values(other.pending + WINDOW_VALUES);
        let width = self.width();
        add_each(&mut self.counts[at..at + count], &other.counts[from..from + count], u64::wrapping_add);
        add_each(&mut self.flags[at..at + count], &other.flags[from..from + count], |a, b| a | b);
        if other.pending > 0 {
            let (to, of) = (at * width..(at + count) * width, from * width..(from + count) * width);
            add_each(&mut self.digits[to], &other.digits[of], i64::wrapping_add);
        }
        for step in 0..count {
            if !self.windows.merge(at + step, &other.windows, from + step) {
                self.add_window(at + step, other, from + step, 1);
            }
        }
    }

    /// Adds `sign` times a window of `other` to the digits, for which room was made.
    fn add_window(&mut self, at: usize, other: &Self, from: usize, sign: i128) {
        self.flags[at] |= FLAG_BEHIND;
        let width = self.width();
        let digits = &mut self.digits[at * width..(at + 1) * width];
        let (widths, low) = (self.widths, self.exponent_min);
        other.windows.each_digit(from, |squares, value, exponent| deposit_part(digits, widths, low, squares, sign * value, exponent));
    }

    /// Takes the elements of `other` out again. A zero that is left is `+0.0`, unless nothing is left.
    pub(super) fn subtract_run(&mut self, at: usize, other: &Self, from: usize, count: usize) -> Result<()> {
        let special = FLAG_NAN | FLAG_INFINITY | FLAG_NEGATIVE_INFINITY;
        for step in 0..count {
            if (other.flags[from + step] | self.flags[at + step]) & special != 0 {
                return Err(Error::data(format!("output {}: a NaN or an infinity cannot be taken out of a sum", at + step)));
            }
            if other.counts[from + step] > self.counts[at + step] {
                let (less, more) = (self.counts[at + step], other.counts[from + step]);
                return Err(Error::data(format!("output {}: {more} elements cannot be taken out of a sum of {less}", at + step)));
            }
        }
        self.expect_values(other.pending + WINDOW_VALUES);
        let width = self.width();
        let (to, of) = (at * width..(at + count) * width, from * width..(from + count) * width);
        add_each(&mut self.counts[at..at + count], &other.counts[from..from + count], u64::wrapping_sub);
        add_each(&mut self.digits[to], &other.digits[of], i64::wrapping_sub);
        for step in 0..count {
            self.add_window(at + step, other, from + step, -1);
        }
        for (flags, count) in self.flags[at..at + count].iter_mut().zip(&self.counts[at..at + count]) {
            *flags = if *count == 0 { *flags & FLAG_BEHIND } else { *flags | FLAG_BEHIND };
        }
        Ok(())
    }

    /// The settled digits of one output's sum or sum of squares.
    pub(super) fn settled(&self, at: usize, squares: bool) -> Vec<i64> {
        let (first, width) = if squares { (self.widths[0], self.widths[1]) } else { (0, self.widths[0]) };
        let start = at * self.width() + first;
        let mut digits = self.digits[start..start + width].to_vec();
        let low = self.exponent_min * if squares { 2 } else { 1 };
        self.windows.each_digit(at, |of_squares, value, exponent| {
            if of_squares == squares {
                deposit_signed(&mut digits, value, exponent - low);
            }
        });
        settle_digits(&mut digits);
        digits
    }

    /// The finite part of one output's sum or sum of squares.
    pub(super) fn value(&self, at: usize, squares: bool) -> Exact {
        let mut digits = self.settled(at, squares);
        let negative = negate_if_negative(&mut digits);
        let low = digits.iter().position(|digit| *digit != 0).unwrap_or(0);
        let limbs = digits[low..].iter().map(|digit| *digit as u64);
        let exponent = self.exponent_min * if squares { 2 } else { 1 } + 32 * low as i32;
        Exact { negative, magnitude: join_digits(limbs), exponent: i64::from(exponent) }
    }
}

/// Digits below `2^32`, except the highest, into a number.
fn join_digits(digits: impl Iterator<Item = u64>) -> Big {
    let mut limbs = Vec::new();
    let mut carry = 0_u64;
    for (at, digit) in digits.enumerate() {
        if at % 2 == 0 {
            // The highest digit may have more than 32 bits.
            let (sum, over) = digit.overflowing_add(carry);
            limbs.push(sum);
            carry = u64::from(over);
        } else if let Some(last) = limbs.last_mut() {
            *last |= digit << 32;
            carry += digit >> 32;
        }
    }
    limbs.push(carry);
    Big::from_limbs(limbs)
}

/// Moves carries up: all digits but the highest end in `0..2^32`.
pub(super) fn settle_digits(digits: &mut [i64]) {
    let Some((highest, lower)) = digits.split_last_mut() else { return };
    let mut carry = 0_i64;
    for digit in lower {
        let total = digit.wrapping_add(carry);
        *digit = total & 0xffff_ffff;
        carry = total >> 32;
    }
    *highest = highest.wrapping_add(carry);
}

/// Makes settled digits the settled digits of their magnitude; whether they were negative.
pub(super) fn negate_if_negative(digits: &mut [i64]) -> bool {
    let negative = digits.last().is_some_and(|highest| *highest < 0);
    if negative {
        for digit in digits.iter_mut() {
            *digit = digit.wrapping_neg();
        }
        settle_digits(digits);
    }
    negative
}

pub(super) fn add_each<T: Copy>(to: &mut [T], of: &[T], add: impl Fn(T, T) -> T) {
    for (to, of) in to.iter_mut().zip(of) {
        *to = add(*to, *of);
    }
}

/// Adds `±magnitude * 2^position` to `digits`; a negative position must drop zeros only.
#[inline(always)]
pub(super) fn deposit(digits: &mut [i64], magnitude: u64, negative: bool, position: i32) {
    let (magnitude, position) =
        if position < 0 { (magnitude.checked_shr(position.unsigned_abs()).unwrap_or(0), 0) } else { (magnitude, position as usize) };
    let wide = u128::from(magnitude) << (position % 32);
    let sign = -i64::from(negative);
    let parts = [wide as u32, (wide >> 32) as u32, (wide >> 64) as u32];
    if let Some(window) = digits.get_mut(position / 32..).and_then(|rest| rest.first_chunk_mut::<3>()) {
        for (digit, part) in window.iter_mut().zip(parts) {
            *digit = digit.wrapping_add((i64::from(part) ^ sign) - sign);
        }
    } else {
        debug_assert!(magnitude == 0, "{magnitude} * 2^{position} is outside the element type's range");
    }
}

/// Adds `magnitude * 2^position`, as [`deposit`] does, for up to 106 bits.
#[inline(always)]
pub(super) fn deposit_wide(digits: &mut [i64], magnitude: u128, position: i32) {
    let (magnitude, position) =
        if position < 0 { (magnitude.checked_shr(position.unsigned_abs()).unwrap_or(0), 0) } else { (magnitude, position) };
    deposit(digits, magnitude as u64, false, position);
    deposit(digits, (magnitude >> 64) as u64, false, position + 64);
}

/// Adds part of a window to the digits of one output, those of the sum first.
fn deposit_part(digits: &mut [i64], widths: [usize; 2], low: i32, squares: bool, value: i128, exponent: i32) {
    let (sum, square) = digits.split_at_mut(widths[0]);
    if squares {
        deposit_signed(square, value, exponent - 2 * low);
    } else {
        deposit_signed(sum, value, exponent - low);
    }
}

/// Adds `value * 2^position`, as [`deposit`] does.
pub(super) fn deposit_signed(digits: &mut [i64], value: i128, position: i32) {
    let (magnitude, position) = (value.unsigned_abs(), position);
    let (magnitude, position) =
        if position < 0 { (magnitude.checked_shr(position.unsigned_abs()).unwrap_or(0), 0) } else { (magnitude, position) };
    deposit(digits, magnitude as u64, value < 0, position);
    deposit(digits, (magnitude >> 64) as u64, value < 0, position + 64);
}
