//! Exact sums of floats: per output a window of a few digits, and for the few outputs whose window does not hold their number
//! digits of full width from a reserve.
//!
//! The number of an output is what its window and its digits hold together. What is added goes to the window if it fits there, at
//! its scale or at another that holds all; else the output takes digits from the reserve. A reserve that is spent loses the
//! output, which says so when it is finished. Serialised is the settled sum of both: equal for equal data.
//!
//! Whatever is not a finite number is kept in flags: NaN, infinities of either sign, and whether anything but
//! `-0.0` was seen.

use super::digits::{PENDING_MAX, deposit, deposit_signed, digits_for, join_digits, negate_if_negative, settle_digits};
use super::window::{Extent, JOINED, PARTS_MAX, Windows};
use crate::error::{Error, Result};
use crate::numeric::memory::reserved;
use crate::numeric::round::Exact;

pub(in crate::numeric) const FLAG_NAN: u8 = 1;
pub(in crate::numeric) const FLAG_INFINITY: u8 = 2;
pub(in crate::numeric) const FLAG_NEGATIVE_INFINITY: u8 = 4;
/// Something other than `-0.0` was absorbed.
pub(in crate::numeric) const FLAG_NOT_NEGATIVE_ZERO: u8 = 8;
/// The reserve was spent when this output needed it: its number is lost.
pub(in crate::numeric) const FLAG_LOST: u8 = 16;
pub(in crate::numeric) const FLAGS_ALL: u8 = 31;
const FLAGS_SPECIAL: u8 = FLAG_NAN | FLAG_INFINITY | FLAG_NEGATIVE_INFINITY;

/// An output without digits.
const NO_SLOT: u32 = u32::MAX;
/// Outputs that have digits each: below it nothing is saved by having fewer.
const RESERVE_MIN: usize = 1024;

/// What an error is caused by where exact sums are lost: fewer outputs at a time have larger reserves.
#[derive(Clone, Copy, Debug)]
pub struct ReserveSpent;

impl ReserveSpent {
    /// So many outputs all have digits of their own.
    pub const OUTPUTS_SAFE: usize = RESERVE_MIN;
}

impl std::fmt::Display for ReserveSpent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the reserve of digits for exact sums is spent")
    }
}

impl std::error::Error for ReserveSpent {}

/// How large a state is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::numeric) struct Form {
    /// Exponent of the lowest bit of a sum; of a sum of squares it is twice this.
    pub low: i32,
    /// Digits of one output's sum and of its sum of squares (0 where there is none).
    pub widths: [usize; 2],
    /// The windows.
    pub(super) extent: Extent,
    /// Bytes that an output may take, if not all have digits of their own.
    pub output_bytes: Option<u64>,
}

impl Form {
    /// For sums of multiples of `2^low` below `2^end`, and of their squares.
    pub(super) const fn new(low: i32, end: i32, moments: bool, extent: Extent, output_bytes: Option<u64>) -> Self {
        let squares = if moments { digits_for(2 * low, 2 * end) } else { 0 };
        Self { low, widths: [digits_for(low, end), squares], extent, output_bytes }
    }

    /// The same states, but all outputs have digits.
    pub(in crate::numeric) const fn with_digits(self) -> Self {
        Self { output_bytes: None, ..self }
    }

    /// Digits of an output.
    const fn width(&self) -> usize {
        self.widths[0] + self.widths[1]
    }

    /// Outputs that can have digits.
    fn reserve(&self, outputs: usize) -> usize {
        let Some(bytes) = self.output_bytes else { return outputs };
        let share = bytes.saturating_sub(self.window_bytes()) as usize;
        (outputs / (8 * self.width()) * share).max(outputs.min(RESERVE_MIN))
    }

    /// Bytes of an output without digits.
    const fn window_bytes(&self) -> u64 {
        13 + self.extent.output_bytes()
    }

    /// Bytes of the states of a number of outputs.
    pub(in crate::numeric) fn bytes(&self, outputs: usize) -> u64 {
        let digits = (self.reserve(outputs) as u64).saturating_mul(8 * self.width() as u64);
        self.window_bytes().saturating_mul(outputs as u64).saturating_add(digits)
    }
}

/// Exact sums, and for moments exact sums of squares.
#[derive(Clone, Debug)]
pub(in crate::numeric) struct Superaccumulator {
    pub form: Form,
    pub counts: Vec<u64>,
    pub flags: Vec<u8>,
    /// Which digits of the reserve an output has.
    pub slots: Vec<u32>,
    /// The reserve, per slot the digits of the sum, then of the squares.
    pub digits: Vec<i64>,
    /// Slots that were given out.
    used: usize,
    /// Upper bound of the values added to any digit since all were settled.
    pending: u64,
    /// What the kernels add to.
    pub(super) windows: Windows,
}

impl Superaccumulator {
    pub(in crate::numeric) fn new(form: Form, outputs: usize) -> Self {
        let mut slots = reserved(outputs);
        slots.fill(NO_SLOT);
        Self {
            form,
            counts: reserved(outputs),
            flags: reserved(outputs),
            slots,
            digits: reserved(form.reserve(outputs) * form.width()),
            used: 0,
            pending: 0,
            windows: Windows::new(form.extent, outputs),
        }
    }

    /// Forgets how many elements there were, and of zeros what they were.
    pub(in crate::numeric) fn forget_counts(&mut self) {
        self.counts.fill(0);
        for at in 0..self.flags.len() {
            if self.settled(at, false).iter().all(|digit| *digit == 0) {
                self.flags[at] &= !FLAG_NOT_NEGATIVE_ZERO;
            }
        }
    }

    pub(in crate::numeric) fn reset(&mut self) {
        self.counts.fill(0);
        self.flags.fill(0);
        self.slots.fill(NO_SLOT);
        self.digits[..self.used * self.form.width()].fill(0);
        (self.used, self.pending) = (0, 0);
        self.windows.reset();
    }

    /// Makes room for one more output with digits, which the memory of a serialised state was given for.
    pub(in crate::numeric) fn grow(&mut self) {
        let width = self.form.width();
        if (self.used + 1) * width > self.digits.len() {
            self.digits.resize((self.used + 1) * width, 0);
        }
    }

    /// Whether all of an output's number lies in its window.
    #[inline(always)]
    pub(super) fn is_compact(&self, output: usize) -> bool {
        self.slots[output] == NO_SLOT
    }

    /// The digits of an output for `values` more additions, of the sum and of the squares; those of the reserve if it has none.
    #[inline(always)]
    pub(super) fn digits_of(&mut self, output: usize, values: u64) -> Option<(&mut [i64], &mut [i64])> {
        if self.pending + values > PENDING_MAX {
            self.settle();
        }
        self.pending += values;
        let width = self.form.width();
        if self.slots[output] == NO_SLOT {
            if (self.used + 1) * width > self.digits.len() {
                self.flags[output] |= FLAG_LOST;
                return None;
            }
            self.slots[output] = self.used as u32;
            self.used += 1;
        }
        let slot = self.slots[output] as usize;
        Some(self.digits[slot * width..(slot + 1) * width].split_at_mut(self.form.widths[0]))
    }

    /// Moves carries up in every output.
    #[inline(never)]
    fn settle(&mut self) {
        let width = self.form.width();
        for digits in self.digits[..self.used * width].chunks_exact_mut(width) {
            let (sum, squares) = digits.split_at_mut(self.form.widths[0]);
            settle_digits(sum);
            settle_digits(squares);
        }
        self.pending = 0;
    }

    /// Adds `±magnitude * 2^exponent` to the sum, or to the sum of squares, of an output.
    #[inline]
    pub(in crate::numeric) fn add(&mut self, output: usize, squares: bool, magnitude: u128, negative: bool, exponent: i32) {
        if self.slots[output] == NO_SLOT && (self.windows.deposit(output, squares, magnitude, negative, exponent)) {
            return;
        }
        self.add_far(output, squares, magnitude, negative, exponent);
    }

    /// [`Superaccumulator::add`] where the window has to move, or digits have to be added to.
    #[inline(never)]
    fn add_far(&mut self, output: usize, squares: bool, magnitude: u128, negative: bool, exponent: i32) {
        if self.slots[output] == NO_SLOT
            && self.windows.make_room(output, squares, magnitude, exponent)
            && self.windows.deposit(output, squares, magnitude, negative, exponent)
        {
            return;
        }
        let low = self.form.low * if squares { 2 } else { 1 };
        let Some((sum, square)) = self.digits_of(output, 2) else { return };
        let digits = if squares { square } else { sum };
        deposit(digits, magnitude as u64, negative, exponent - low);
        deposit(digits, (magnitude >> 64) as u64, negative, exponent - low + 64);
    }

    /// Moves the window of `output` to another scale, and what it does not hold there into the digits.
    pub(super) fn move_window(&mut self, output: usize, scale: i32) {
        if self.windows.rescale(output, scale) {
            return;
        }
        let (mut parts, mut count) = ([(false, 0_i128, 0_i32); PARTS_MAX], 0);
        self.windows.each_part(output, |squares, value, exponent| {
            parts[count] = (squares, value, exponent);
            count += 1;
        });
        self.windows.clear(output);
        let low = self.form.low;
        if let Some((sum, square)) = self.digits_of(output, 2 * count as u64) {
            for &(squares, value, exponent) in &parts[..count] {
                let (digits, low) = if squares { (&mut *square, 2 * low) } else { (&mut *sum, low) };
                deposit_signed(digits, value, exponent - low);
            }
        }
        self.windows.scales[output] = scale as i16;
    }

    pub(in crate::numeric) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        for first in (0..count).step_by(JOINED) {
            let (at, from, count) = (at + first, from + first, JOINED.min(count - first));
            for step in 0..count {
                self.counts[at + step] += other.counts[from + step];
                self.flags[at + step] |= other.flags[from + step];
            }
            let plain = other.slots[from..from + count].iter().all(|slot| *slot == NO_SLOT);
            if !(plain && self.windows.join(at, &other.windows, from, count)) {
                for step in 0..count {
                    self.combine(at + step, other, from + step, false);
                }
            }
        }
    }

    /// Adds, or takes out, a number of `other`.
    fn combine(&mut self, at: usize, other: &Self, from: usize, subtract: bool) {
        let width = self.form.width();
        if other.slots[from] != NO_SLOT
            && let Some((sum, square)) = self.digits_of(at, other.pending.max(1))
        {
            let first = other.slots[from] as usize * width;
            for (to, of) in sum.iter_mut().chain(square).zip(&other.digits[first..first + width]) {
                *to = if subtract { to.wrapping_sub(*of) } else { to.wrapping_add(*of) };
            }
        }
        if !self.windows.merge(at, &other.windows, from, subtract) {
            other.windows.each_part(from, |squares, value, exponent| {
                self.add(at, squares, value.unsigned_abs(), (value < 0) != subtract, exponent);
            });
        }
    }

    /// Whether the elements of `other` can be taken out.
    pub(in crate::numeric) fn check_subtract(&self, at: usize, other: &Self, from: usize, count: usize) -> Result<()> {
        for (at, from) in (at..at + count).zip(from..from + count) {
            if (other.flags[from] | self.flags[at]) & FLAGS_SPECIAL != 0 {
                return Err(Error::data(format!("output {at}: a NaN or an infinity cannot be taken out of a sum")));
            }
            let (less, more) = (self.counts[at], other.counts[from]);
            if more > less {
                return Err(Error::data(format!("output {at}: {more} elements cannot be taken out of a sum of {less}")));
            }
        }
        Ok(())
    }

    /// Takes the elements of `other` out again. A zero that is left is `+0.0`, unless nothing is left.
    pub(in crate::numeric) fn subtract_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        for (at, from) in (at..at + count).zip(from..from + count) {
            self.counts[at] -= other.counts[from];
            self.combine(at, other, from, true);
            self.flags[at] |= other.flags[from] & FLAG_LOST;
            if self.counts[at] == 0 {
                self.flags[at] &= FLAG_LOST;
            }
        }
    }

    /// An error if a number of the outputs was lost.
    pub(in crate::numeric) fn check(&self, at: usize) -> Result<()> {
        if self.flags[at] & FLAG_LOST == 0 {
            return Ok(());
        }
        let (reserve, outputs) = (self.digits.len() / self.form.width(), self.counts.len());
        Err(Error::refused(format!(
            "more than {reserve} of {outputs} exact sums spread over too many binades for their windows, and the reserve for those is spent"
        ))
        .hint("reduce fewer outputs at a time (slice the axes that are kept), or sum with `--sum neumaier`")
        .with_source(ReserveSpent))
    }

    /// The settled digits of one output's sum or sum of squares.
    pub(in crate::numeric) fn settled(&self, at: usize, squares: bool) -> Vec<i64> {
        let [sum, square] = self.form.widths;
        let (first, width) = if squares { (sum, square) } else { (0, sum) };
        let mut digits = match self.slots[at] {
            NO_SLOT => vec![0; width],
            slot => self.digits[slot as usize * (sum + square) + first..][..width].to_vec(),
        };
        let low = self.form.low * if squares { 2 } else { 1 };
        self.windows.each_part(at, |of_squares, value, exponent| {
            if of_squares == squares {
                deposit_signed(&mut digits, value, exponent - low);
            }
        });
        settle_digits(&mut digits);
        digits
    }

    /// The finite part of one output's sum or sum of squares.
    pub(in crate::numeric) fn value(&self, at: usize, squares: bool) -> Exact {
        let mut digits = self.settled(at, squares);
        let negative = negate_if_negative(&mut digits);
        let low = digits.iter().position(|digit| *digit != 0).unwrap_or(0);
        let limbs = digits[low..].iter().map(|digit| *digit as u64);
        let exponent = self.form.low * if squares { 2 } else { 1 } + 32 * low as i32;
        Exact { negative, magnitude: join_digits(limbs), exponent: i64::from(exponent) }
    }

    /// Adds a number given as the digits of its magnitude, from digit `first` on.
    pub(in crate::numeric) fn add_digits(&mut self, output: usize, squares: bool, negative: bool, digits: &[i64], first: usize) {
        let low = self.form.low * if squares { 2 } else { 1 } + 32 * first as i32;
        for (at, digit) in digits.iter().enumerate().rev().filter(|(_, digit)| **digit != 0) {
            self.add(output, squares, u128::from(*digit as u64), negative, low + 32 * at as i32);
        }
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(in crate::numeric) fn held_bytes(&self) -> u64 {
        use crate::numeric::memory::held_bytes;
        let windows = held_bytes(&self.windows.scales) + held_bytes(&self.windows.planes);
        held_bytes(&self.counts) + held_bytes(&self.flags) + held_bytes(&self.slots) + held_bytes(&self.digits) + windows
    }
}
