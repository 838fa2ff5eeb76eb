//! The part of an exact sum that kernels add to: a few 52-bit digits around the scale of an output's elements.
//!
//! A window of scale `e` takes what tiles of elements below `2^e` add up to. Its digits lie as planes, one value per
//! output, so that neighbouring outputs are added to as vectors. Digit `j` of a sum weighs `2^(e + headroom - 52 j)`,
//! of a sum of squares `2^(2 e + 4 - 52 j)`. All digits but the first are kept in `0..2^52`; the first has the sign and
//! `2^63` of room, which no number of elements fills. What does not fit is added to the digits behind the window.

mod join;
mod leading;

use crate::numeric::memory::reserved;
pub(super) use join::JOINED;

/// Bits of a digit.
pub(super) const DIGIT_BITS: i32 = 52;
const DIGIT_MASK: i64 = (1 << DIGIT_BITS) - 1;
/// The scale of a window that nothing was added to.
pub(super) const UNSET: i16 = i16::MIN;
/// Digits a kernel may add to: the second to the fourth of a sum.
pub(super) const SUM_COUNTS: usize = 3;
/// The second to the fifth of a sum of squares.
pub(super) const SQUARE_COUNTS: usize = 4;

/// Bits of the first digit when a window moves, and two of them: the others are for what is still to come.
const FIRST_BITS: i32 = 60;
const FIRST_MAX: u64 = 1 << 61;
/// Most digits of a window.
const DIGITS_MAX: usize = 5;
/// Most parts that [`Windows::each_part`] gives.
pub(super) const PARTS_MAX: usize = 2 * DIGITS_MAX;
/// Limbs that hold the number in any window.
pub(super) const WINDOW_LIMBS: usize = 5;

/// How large the windows of an element type are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// Digits of a sum's window and of that of the squares, the first included.
    pub digits: [usize; 2],
    /// Exponent of a sum's first digit, relative to the scale.
    pub headroom: i32,
    /// Scales outside of these are not used: the kernels' constants would leave the range of f64.
    pub scales: [i32; 2],
}

impl Extent {
    /// Exponent of a digit of a window of scale `scale`.
    #[inline(always)]
    pub(super) const fn exponent(&self, scale: i32, squares: bool, digit: usize) -> i32 {
        let first = if squares { 2 * scale + 4 } else { scale + self.headroom };
        first - DIGIT_BITS * digit as i32
    }

    /// Bytes per output.
    pub(super) const fn output_bytes(&self) -> u64 {
        2 + 8 * (self.digits[0] + self.digits[1]) as u64
    }
}

/// Windows of all outputs.
#[derive(Clone, Debug)]
pub(super) struct Windows {
    pub extent: Extent,
    outputs: usize,
    pub scales: Vec<i16>,
    /// Digit by digit, those of the sums first.
    pub planes: Vec<i64>,
    /// The scale that a window begins with.
    pub hint: i16,
    /// Which kernel to begin with, and for how many more pieces.
    pub mood: Mood,
}

/// What the last pieces have taught about the data. Only speed depends on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mood {
    pub tier: u8,
    pub pieces: u8,
    /// How often the first kernel failed of late: now and then is no reason to leave it.
    streak: u8,
}

/// Failures in a row that a mood lasts longest after, and those that it begins with.
const STREAK_MAX: u8 = 8;
const STREAK_MIN: u8 = 3;

impl Mood {
    /// A kernel before `tier` was not exact: the next pieces, at most so many, begin with that.
    pub(super) fn failed(&mut self, tier: u8, most: u8) {
        self.streak = (self.streak + 1).min(STREAK_MAX);
        self.tier = tier;
        self.pieces = if self.streak < STREAK_MIN { 0 } else { most >> (STREAK_MAX - self.streak) };
    }

    /// The first kernel was exact.
    #[inline(always)]
    pub(super) fn succeeded(&mut self) {
        self.streak /= 2;
    }
}

impl Windows {
    pub(super) fn new(extent: Extent, outputs: usize) -> Self {
        let planes = reserved((extent.digits[0] + extent.digits[1]) * outputs);
        let mut scales = reserved(outputs);
        scales.fill(UNSET);
        Self { extent, outputs, scales, planes, hint: 0, mood: Mood::default() }
    }

    pub(super) fn reset(&mut self) {
        self.scales.fill(UNSET);
        self.planes.fill(0);
    }

    /// The scale to read elements of `output` with.
    #[inline(always)]
    pub(super) fn scale(&self, output: usize) -> i32 {
        let scale = self.scales[output];
        i32::from(if scale == UNSET { self.hint } else { scale })
    }

    /// A digit of one output.
    #[inline(always)]
    pub(super) fn digit(&self, output: usize, squares: bool, digit: usize) -> i64 {
        self.planes[self.plane(squares, digit) + output]
    }

    #[inline(always)]
    fn plane(&self, squares: bool, digit: usize) -> usize {
        (digit + if squares { self.extent.digits[0] } else { 0 }) * self.outputs
    }

    /// Adds counts of one output, whose scale they have.
    #[inline(always)]
    pub(super) fn add(&mut self, output: usize, sums: [i64; SUM_COUNTS], squares: [i64; SQUARE_COUNTS]) {
        for (of_squares, counts) in [(false, &sums[..]), (true, &squares[..])] {
            let mut carry = 0;
            for digit in (1..self.extent.digits[usize::from(of_squares)]).rev() {
                let at = self.plane(of_squares, digit) + output;
                let total = self.planes[at] + counts[digit - 1] + carry;
                self.planes[at] = total & DIGIT_MASK;
                carry = total >> DIGIT_BITS;
            }
            if self.extent.digits[usize::from(of_squares)] > 0 {
                let at = self.plane(of_squares, 0) + output;
                self.planes[at] += carry;
            }
        }
    }

    /// [`Windows::add`] for the sums, or the squares, of neighbouring outputs: `counts` of the second digit and those after.
    #[inline(always)]
    pub(super) fn add_lanes<const L: usize>(&mut self, first: usize, squares: bool, counts: &[&[i64; L]]) {
        if counts.is_empty() {
            return;
        }
        let mut carry = [0; L];
        for (digit, counts) in counts.iter().enumerate().rev() {
            let at = self.plane(squares, digit + 1) + first;
            let plane = &mut self.planes[at..at + L];
            for lane in 0..L {
                let total = plane[lane] + counts[lane] + carry[lane];
                plane[lane] = total & DIGIT_MASK;
                carry[lane] = total >> DIGIT_BITS;
            }
        }
        let at = self.plane(squares, 0) + first;
        let plane = &mut self.planes[at..at + L];
        for lane in 0..L {
            plane[lane] += carry[lane];
        }
    }

    /// Empties one window.
    pub(super) fn clear(&mut self, output: usize) {
        for at in (output..self.planes.len()).step_by(self.outputs) {
            self.planes[at] = 0;
        }
        self.scales[output] = UNSET;
    }

    /// Adds a window of `other`, or takes it out, if there is a scale that holds both; whether it did.
    pub(super) fn merge(&mut self, at: usize, other: &Self, from: usize, subtract: bool) -> bool {
        let theirs = other.scales[from];
        if theirs == UNSET {
            return true;
        }
        let scale = i32::from(theirs.max(self.scales[at]));
        let Some(mut number) = other.number_at(from, scale) else { return false };
        if !self.rescale(at, scale) {
            return false;
        }
        let room = |squares: bool| {
            let own = if self.extent.digits[usize::from(squares)] > 0 { self.digit(at, squares, 0) } else { 0 };
            own.unsigned_abs() + number[usize::from(squares)][0].unsigned_abs() < FIRST_MAX
        };
        if !(room(false) && room(true)) {
            return false;
        }
        if subtract {
            number.as_flattened_mut().iter_mut().for_each(|digit| *digit = -*digit);
        }
        self.add_number(at, &number);
        true
    }

    /// Adds digits of the scale of a window.
    fn add_number(&mut self, output: usize, [sum, squares]: &Number) {
        for (of_squares, digits) in [(false, sum), (true, squares)] {
            let mut carry = 0;
            for digit in (0..self.extent.digits[usize::from(of_squares)]).rev() {
                let at = self.plane(of_squares, digit) + output;
                let total = self.planes[at] + digits[digit] + carry;
                self.planes[at] = if digit == 0 { total } else { total & DIGIT_MASK };
                carry = total >> DIGIT_BITS;
            }
        }
    }

    /// Moves a window to another scale, if that holds its number; whether it does.
    pub(super) fn rescale(&mut self, output: usize, scale: i32) -> bool {
        if i32::from(self.scales[output]) == scale {
            return true;
        }
        if self.scales[output] != UNSET {
            let Some(number) = self.number_at(output, scale) else { return false };
            for at in (output..self.planes.len()).step_by(self.outputs) {
                self.planes[at] = 0;
            }
            self.add_number(output, &number);
        }
        self.scales[output] = scale as i16;
        true
    }

    /// The digits that a window of another scale would have.
    fn number_at(&self, output: usize, scale: i32) -> Option<Number> {
        let mut number = [[0; DIGITS_MAX]; 2];
        for squares in [false, true] {
            let digits = self.extent.digits[usize::from(squares)];
            if digits == 0 {
                continue;
            }
            let (mut limbs, negative, exponent) = self.limbs(output, squares)?;
            let shift = exponent - i64::from(self.extent.exponent(scale, squares, digits - 1));
            let bits = bit_length(&limbs);
            if bits > 0 && i64::from(bits) + shift > i64::from(DIGIT_BITS * (digits as i32 - 1) + FIRST_BITS) {
                return None;
            }
            shift_limbs(&mut limbs, shift)?;
            let mut carry = 0;
            for digit in (0..digits).rev() {
                let place = DIGIT_BITS as usize * (digits - 1 - digit);
                let (limb, within) = (place / 64, place % 64);
                let above = if within > 0 && limb + 1 < WINDOW_LIMBS { limbs[limb + 1] << (64 - within) } else { 0 };
                let low = (limbs[limb] >> within | above) as i64;
                let part = if digit == 0 { low } else { low & DIGIT_MASK };
                let part = if negative { -part } else { part } + carry;
                number[usize::from(squares)][digit] = if digit == 0 { part } else { part & DIGIT_MASK };
                carry = part >> DIGIT_BITS;
            }
        }
        Some(number)
    }

    /// The number in a window: its magnitude, lowest limb first, whether it is negative, and the exponent of its lowest bit.
    pub(super) fn limbs(&self, output: usize, squares: bool) -> Option<([u64; WINDOW_LIMBS], bool, i64)> {
        let scale = self.scales[output];
        if scale == UNSET {
            return None;
        }
        let digits = self.extent.digits[usize::from(squares)];
        let first = self.digit(output, squares, 0);
        let mut limbs = [(first >> 63) as u64; WINDOW_LIMBS];
        limbs[0] = first as u64;
        for digit in 1..digits {
            for at in (1..WINDOW_LIMBS).rev() {
                limbs[at] = limbs[at] << DIGIT_BITS | limbs[at - 1] >> (64 - DIGIT_BITS);
            }
            limbs[0] = limbs[0] << DIGIT_BITS | self.digit(output, squares, digit) as u64;
        }
        if first < 0 {
            let mut carry = true;
            for limb in &mut limbs {
                (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
            }
        }
        Some((limbs, first < 0, i64::from(self.extent.exponent(i32::from(scale), squares, digits - 1))))
    }

    /// Adds `±magnitude * 2^exponent` of at most 116 bits, if the window holds it; whether it did.
    #[inline]
    pub(super) fn deposit(&mut self, output: usize, squares: bool, magnitude: u128, negative: bool, exponent: i32) -> bool {
        if magnitude == 0 {
            return true;
        }
        if self.scales[output] == UNSET {
            return false;
        }
        let digits = self.extent.digits[usize::from(squares)];
        let position = exponent - self.extent.exponent(i32::from(self.scales[output]), squares, digits - 1);
        let (magnitude, position) = if position < 0 {
            if magnitude.trailing_zeros() < position.unsigned_abs() {
                return false;
            }
            (magnitude >> position.unsigned_abs(), 0)
        } else {
            (magnitude, position)
        };
        let bits = 128 - magnitude.leading_zeros() as i32;
        // No more than elements that the scale is for add to the first digit.
        if position + bits > DIGIT_BITS * (digits as i32 - 1) + 2 {
            return false;
        }
        let (mut digit, within) = (digits - 1 - (position / DIGIT_BITS) as usize, position % DIGIT_BITS);
        let mut rest = magnitude >> (DIGIT_BITS - within);
        let mut part = ((magnitude << within) as u64 & DIGIT_MASK as u64) as i64;
        let mut carry = 0;
        loop {
            let at = self.plane(squares, digit) + output;
            let total = self.planes[at] + if negative { -part } else { part } + carry;
            self.planes[at] = if digit == 0 { total } else { total & DIGIT_MASK };
            carry = total >> DIGIT_BITS;
            if digit == 0 || rest == 0 && carry == 0 {
                return true;
            }
            digit -= 1;
            part = (rest as u64 & DIGIT_MASK as u64) as i64;
            rest >>= DIGIT_BITS;
        }
    }

    /// Moves a window so that it holds `magnitude * 2^exponent` too, if there is such a scale; whether there is.
    pub(super) fn make_room(&mut self, output: usize, squares: bool, magnitude: u128, exponent: i32) -> bool {
        let [lowest, highest] = self.extent.scales;
        let end = exponent + 128 - magnitude.leading_zeros() as i32;
        let highest_scale = if squares { (end + 1).div_euclid(2) + 1 } else { end + 1 }.clamp(lowest, highest);
        if self.scales[output] == UNSET {
            self.scales[output] = highest_scale as i16;
            return true;
        }
        let scale = i32::from(self.scales[output]);
        if highest_scale > scale {
            return self.rescale(output, highest_scale);
        }
        let digits = self.extent.digits[usize::from(squares)];
        let missing = self.extent.exponent(scale, squares, digits - 1) - (exponent + magnitude.trailing_zeros() as i32);
        let lower = scale - if squares { (missing + 1).div_euclid(2) } else { missing };
        lower < scale && lower >= lowest && self.rescale(output, lower)
    }

    /// Calls `take(squares, digits, exponent)` for the parts of one output's window. The first two digits come as one
    /// number: of a small negative number each alone would be large.
    pub(super) fn each_part(&self, output: usize, mut take: impl FnMut(bool, i128, i32)) {
        let scale = i32::from(self.scales[output]);
        if self.scales[output] == UNSET {
            return;
        }
        for squares in [false, true] {
            let digits = self.extent.digits[usize::from(squares)];
            for digit in 1..digits {
                let mut value = i128::from(self.digit(output, squares, digit));
                if digit == 1 {
                    value += i128::from(self.digit(output, squares, 0)) << DIGIT_BITS;
                }
                if value != 0 {
                    take(squares, value, self.extent.exponent(scale, squares, digit));
                }
            }
        }
    }
}

/// Digits of a sum and of a sum of squares.
type Number = [[i64; DIGITS_MAX]; 2];

fn bit_length(limbs: &[u64; WINDOW_LIMBS]) -> u32 {
    limbs.iter().rposition(|limb| *limb != 0).map_or(0, |at| 64 * (at as u32 + 1) - limbs[at].leading_zeros())
}

/// Shifts to the left, or to the right where only zeros are lost; what is shifted has room.
fn shift_limbs(limbs: &mut [u64; WINDOW_LIMBS], shift: i64) -> Option<()> {
    let zeros = limbs.iter().position(|limb| *limb != 0).map_or(i64::MAX, |at| 64 * at as i64 + i64::from(limbs[at].trailing_zeros()));
    if zeros == i64::MAX {
        return Some(());
    }
    if -shift > zeros {
        return None;
    }
    let (whole, within) = (shift.div_euclid(64), shift.rem_euclid(64) as u32);
    let of = |at: i64| usize::try_from(at).ok().and_then(|at| limbs.get(at)).copied().unwrap_or(0);
    let shifted = std::array::from_fn(|at| {
        let at = at as i64 - whole;
        if within == 0 { of(at) } else { of(at) << within | of(at - 1) >> (64 - within) }
    });
    *limbs = shifted;
    Some(())
}
