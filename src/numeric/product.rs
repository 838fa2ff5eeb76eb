//! Products of floats: a mantissa between 1 and 2 in f64, and the exponent beside it as an integer, so that nothing
//! overflows or vanishes on the way. Every multiplication rounds once: the relative error of a product of `n` elements is
//! below `n * 2^-53` (of narrow floats too, which are then rounded to their dtype).
//!
//! Lanes multiply what `lanes` cuts rows into; the bits depend on the tiles and the order of merges, not on the set.

use super::axes::{Absorb, Columns, Rows};
use super::element::Float;
use super::lanes::LANES;
use super::memory::reserved;
use super::round::{Exact, FloatFormat, decompose};
use std::marker::PhantomData;

const FLAG_ZERO: u8 = 1;
const FLAG_INFINITY: u8 = 2;
const FLAG_NAN: u8 = 4;
/// Every flag there is.
pub(super) const FLAGS_ALL: u8 = 7;

const FIELD: u64 = 0x7ff;
const SHIFT: u32 = 52;
const BIAS: i64 = 1023;
const ONE: u64 = 1.0_f64.to_bits();

/// Rows after which the lanes are brought back between 1 and 2.
const BLOCK_ROWS: usize = 64;
/// The same for narrow floats that are multiplied with their exponents: `2^-149` to `2^128` each.
const NARROW_ROWS: usize = 6;

/// `mantissa * 2^exponent` of each output, without the elements that have a flag but for their signs.
#[derive(Clone, Debug)]
pub(super) struct Products {
    pub mantissas: Vec<f64>,
    pub exponents: Vec<i64>,
    pub flags: Vec<u8>,
}

/// A product under way.
#[derive(Clone, Copy)]
struct Part {
    mantissa: f64,
    exponent: i64,
    flags: u8,
}

impl Part {
    /// The same with a mantissa between 1 and 2, if it is a normal number.
    #[inline(always)]
    fn settled(self) -> Self {
        let bits = self.mantissa.to_bits();
        let field = bits >> SHIFT & FIELD;
        Self { mantissa: f64::from_bits(bits & !(FIELD << SHIFT) | ONE), exponent: self.exponent + field as i64 - BIAS, ..self }
    }
}

impl Products {
    pub(super) fn new(outputs: usize) -> Self {
        let mut made = Self { mantissas: reserved(outputs), exponents: reserved(outputs), flags: reserved(outputs) };
        made.reset();
        made
    }

    /// Bytes per output.
    pub(super) const OUTPUT_BYTES: u64 = 17;

    /// Whether all factors of an output were finite.
    pub(super) fn took_finite(&self, at: usize) -> bool {
        self.flags[at] & (FLAG_NAN | FLAG_INFINITY) == 0
    }

    pub(super) fn reset(&mut self) {
        self.mantissas.fill(1.0);
        self.exponents.fill(0);
        self.flags.fill(0);
    }

    pub(super) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        for (to, from) in (at..at + count).zip(from..) {
            self.multiply(to, Part { mantissa: other.mantissas[from], exponent: other.exponents[from], flags: other.flags[from] });
        }
    }

    #[inline(always)]
    fn multiply(&mut self, output: usize, by: Part) {
        let mantissa = self.mantissas[output] * by.mantissa;
        let whole = Part { mantissa, exponent: self.exponents[output] + by.exponent, flags: self.flags[output] | by.flags }.settled();
        (self.mantissas[output], self.exponents[output], self.flags[output]) = (whole.mantissa, whole.exponent, whole.flags);
    }

    /// The bits of one output in `format`, rounded once more.
    pub(super) fn bits(&self, at: usize, format: FloatFormat) -> u64 {
        let (flags, mantissa) = (self.flags[at], self.mantissas[at]);
        let negative = mantissa.is_sign_negative();
        let (zero, infinite) = (flags & FLAG_ZERO != 0, flags & FLAG_INFINITY != 0);
        if flags & FLAG_NAN != 0 || zero && infinite {
            format.nan()
        } else if infinite {
            format.infinity(negative)
        } else if zero {
            format.zero(negative)
        } else {
            let (digits, exponent) = decompose(mantissa);
            let value = Exact::from_i128(i128::from(digits));
            let bits = Exact { negative, exponent: self.exponents[at] + i64::from(exponent), ..value }.round(1, format);
            // What rounds to zero keeps its sign.
            if bits == 0 { format.zero(negative) } else { bits }
        }
    }
}

/// One product per lane. Exponents are sums of exponent fields, each of which is too high by [`BIAS`].
#[derive(Clone, Copy)]
struct Lanes {
    mantissas: [f64; LANES],
    fields: [u64; LANES],
    flags: [u8; LANES],
    /// Fields that were added to each lane.
    factors: i64,
}

impl Lanes {
    #[inline(always)]
    fn new() -> Self {
        Self { mantissas: [1.0; LANES], fields: [0; LANES], flags: [0; LANES], factors: 0 }
    }

    /// Multiplies by the elements of up to [`BLOCK_ROWS`] rows of `width` elements.
    #[inline(always)]
    fn block<T: Float>(&mut self, cells: &[T::Bytes], rows: Rows, width: usize) {
        let plain = if T::SQUARE_IS_F64 { self.narrow::<T>(cells, rows, width) } else { self.wide::<T>(cells, rows, width) };
        *self = plain.unwrap_or_else(|| self.special::<T>(cells, rows, width));
        self.settle();
        self.factors += rows.count as i64;
    }

    /// Brings mantissas back between 1 and 2. Whether a mantissa was no normal number.
    #[inline(always)]
    fn settle(&mut self) -> bool {
        let mut strange = 0;
        for lane in 0..LANES {
            let bits = self.mantissas[lane].to_bits();
            let field = bits >> SHIFT & FIELD;
            strange |= ((field + 1) & (FIELD - 1)).wrapping_sub(1);
            self.fields[lane] = self.fields[lane].wrapping_add(field);
            self.mantissas[lane] = f64::from_bits(bits & !(FIELD << SHIFT) | ONE);
        }
        self.factors += 1;
        strange >> 63 != 0
    }

    /// The lanes times normal elements; `None` if any element is not normal.
    #[inline(always)]
    fn wide<T: Float>(&self, cells: &[T::Bytes], rows: Rows, width: usize) -> Option<Self> {
        let (mut mantissas, mut fields) = (self.mantissas, self.fields);
        // The sign bit is set where a field is 0 or 2047; neighbouring lanes share one.
        let mut strange = [0_u64; LANES / 4];
        for row in 0..rows.count {
            let row = load::<T>(&cells[row * rows.stride..], width);
            for lane in 0..LANES {
                let field = row[lane] >> SHIFT & FIELD;
                fields[lane] = fields[lane].wrapping_add(field);
                strange[lane % (LANES / 4)] |= ((field + 1) & (FIELD - 1)).wrapping_sub(1);
                mantissas[lane] *= f64::from_bits(row[lane] & !(FIELD << SHIFT) | ONE);
            }
        }
        let mut all = 0;
        for lane in 0..LANES / 4 {
            all |= strange[lane];
        }
        (all >> 63 == 0).then_some(Self { mantissas, fields, ..*self })
    }

    /// The same for narrow floats: a few of them are multiplied as they are before the lanes are settled. Their exponents are added
    /// as the biased ones, which the caller expects: one for each row.
    #[inline(always)]
    fn narrow<T: Float>(&self, cells: &[T::Bytes], rows: Rows, width: usize) -> Option<Self> {
        let mut lanes = *self;
        let mut strange = false;
        let mut first = 0;
        while first < rows.count {
            let count = NARROW_ROWS.min(rows.count - first);
            let mut mantissas = lanes.mantissas;
            for row in first..first + count {
                let row = load::<T>(&cells[row * rows.stride..], width);
                for lane in 0..LANES {
                    mantissas[lane] *= f64::from_bits(row[lane]);
                }
            }
            lanes.mantissas = mantissas;
            strange |= lanes.settle();
            first += count;
        }
        // Nothing was added for the rows themselves.
        lanes.factors -= rows.count as i64;
        (!strange).then_some(lanes)
    }

    /// The lanes times any elements.
    #[cold]
    fn special<T: Float>(&self, cells: &[T::Bytes], rows: Rows, width: usize) -> Self {
        let mut lanes = *self;
        for row in 0..rows.count {
            let row = load::<T>(&cells[row * rows.stride..], width);
            for (lane, &bits) in row.iter().enumerate() {
                let value = f64::from_bits(bits);
                let (factor, flag, shift) = if value.is_normal() {
                    (bits, 0, 0)
                } else if value.is_nan() {
                    (ONE, FLAG_NAN, 0)
                } else if value.is_infinite() {
                    (ONE | bits & 1 << 63, FLAG_INFINITY, 0)
                } else if value == 0.0 {
                    (ONE | bits, FLAG_ZERO, 0)
                } else {
                    ((value * (1_u64 << 54) as f64).to_bits(), 0, 54)
                };
                lanes.flags[lane] |= flag;
                lanes.fields[lane] = lanes.fields[lane].wrapping_add(factor >> SHIFT & FIELD).wrapping_sub(shift);
                lanes.mantissas[lane] *= f64::from_bits(factor & !(FIELD << SHIFT) | ONE);
            }
        }
        lanes
    }

    #[inline(always)]
    fn exponent(&self, lane: usize) -> i64 {
        self.fields[lane] as i64 - self.factors * BIAS
    }

    /// The lane as a product of its own.
    #[inline(always)]
    fn part(&self, lane: usize) -> Part {
        Part { mantissa: self.mantissas[lane], exponent: self.exponent(lane), flags: self.flags[lane] }
    }

    /// The product of all lanes.
    #[inline(always)]
    fn all(&self) -> Part {
        let mut whole = self.part(0);
        for lane in 1..LANES {
            let part = self.part(lane);
            whole.mantissa *= part.mantissa;
            whole.exponent += part.exponent;
            whole.flags |= part.flags;
        }
        whole.settled()
    }
}

/// The first `width` elements as bits of f64, and ones.
#[inline(always)]
fn load<T: Float>(cells: &[T::Bytes], width: usize) -> [u64; LANES] {
    let mut row = [ONE; LANES];
    if width == LANES {
        if let Some(cells) = cells.first_chunk::<LANES>() {
            for lane in 0..LANES {
                row[lane] = T::read(cells[lane]).widen().to_bits();
            }
        }
    } else {
        for (bits, cell) in row.iter_mut().zip(&cells[..width]) {
            *bits = T::read(*cell).widen().to_bits();
        }
    }
    row
}

/// A state as the kernel of one element type sees it.
pub(super) struct Target<'a, T> {
    pub state: &'a mut Products,
    pub element: PhantomData<T>,
}

impl<T: Float> Absorb<T::Bytes> for Target<'_, T> {
    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        let mut lanes = Lanes::new();
        let whole = cells.len() / LANES * LANES;
        let mut at = 0;
        while at < whole {
            let rows = Rows { count: BLOCK_ROWS.min((whole - at) / LANES), stride: LANES };
            lanes.block::<T>(&cells[at..], rows, LANES);
            at += rows.count * LANES;
        }
        if whole < cells.len() {
            lanes.block::<T>(&cells[whole..], Rows { count: 1, stride: 0 }, cells.len() - whole);
        }
        self.state.multiply(output, lanes.all());
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        let mut first = 0;
        while first < columns.count {
            let strip = columns.part(first, LANES.min(columns.count - first));
            let mut lanes = Lanes::new();
            let mut row = 0;
            while row < rows.count {
                let part = Rows { count: BLOCK_ROWS.min(rows.count - row), stride: rows.stride };
                lanes.block::<T>(&cells[row * rows.stride + first..], part, strip.count);
                row += BLOCK_ROWS;
            }
            for lane in 0..strip.count {
                self.state.multiply(strip.output(lane), lanes.part(lane));
            }
            first += LANES;
        }
    }
}
