//! The part of an exact sum that kernels add to: a few 52-bit digits around the scale of an output's elements.
//!
//! A window of scale `e` takes what tiles of elements below `2^e` add up to. Its digits lie as planes, one value per
//! output, so that neighbouring outputs are added to as vectors. Digit `j` of a sum weighs `2^(e + headroom - 52 j)`,
//! of a sum of squares `2^(2 e + 4 - 52 j)`. All digits but the first are kept in `0..2^52`; the first has the sign and
//! `2^63` of room, which no number of elements fills. What does not fit is added to the digits behind the window.

use super::memory::reserved;

/// Bits of a digit.
pub(super) const DIGIT_BITS: i32 = 52;
const DIGIT_MASK: i64 = (1 << DIGIT_BITS) - 1;
/// The scale of a window that nothing was added to.
pub(super) const UNSET: i16 = i16::MIN;
/// Digits a kernel may add to: the second to the fourth of a sum.
pub(super) const SUM_COUNTS: usize = 3;
/// The second to the fifth of a sum of squares.
pub(super) const SQUARE_COUNTS: usize = 4;

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

    /// Empties one window.
    pub(super) fn clear(&mut self, output: usize) {
        for at in (output..self.planes.len()).step_by(self.outputs) {
            self.planes[at] = 0;
        }
        self.scales[output] = UNSET;
    }

    /// Adds a window of `other`, if this one has its scale or none; whether it did.
    pub(super) fn merge(&mut self, at: usize, other: &Self, from: usize) -> bool {
        let scale = other.scales[from];
        if scale == UNSET {
            return true;
        }
        if self.scales[at] != UNSET && self.scales[at] != scale {
            return false;
        }
        self.scales[at] = scale;
        let (mut sums, mut square_sums) = ([0; SUM_COUNTS], [0; SQUARE_COUNTS]);
        for (squares, counts) in [(false, &mut sums[..]), (true, &mut square_sums[..])] {
            let digits = self.extent.digits[usize::from(squares)];
            for digit in 1..digits {
                counts[digit - 1] = other.digit(from, squares, digit);
            }
            if digits > 0 {
                let plane = self.plane(squares, 0);
                self.planes[plane + at] += other.digit(from, squares, 0);
            }
        }
        self.add(at, sums, square_sums);
        true
    }

    /// Calls `take(squares, digits, exponent)` for the parts of one output's window. The first two digits come as one
    /// number: of a small negative number each alone would be large.
    pub(super) fn each_digit(&self, output: usize, mut take: impl FnMut(bool, i128, i32)) {
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
