//! Running sums and products of floats.

use super::lanes::{APART, Groups, Lanes, Reach, WIDE, run};
use super::{SEGMENT, ScanBlock};
use crate::error::Result;
use crate::nd::DType;
use crate::numeric::axes::{InstructionSet, Piece, TILE_AXES_MAX, TileAxis};
use crate::numeric::element::Float;
use crate::numeric::memory::reserved;
use crate::numeric::{Accumulator, Finish, SumMode, two_sum};
use half::{bf16, f16};

/// Sums that left f64 are kept times this, and leave it again only on their way out.
const DOWN: f64 = f64::from_bits((1023 - 64) << 52);
const UP: f64 = f64::from_bits((1023 + 64) << 52);

/// A float that an f64 can be rounded to.
pub(super) trait Narrow: Float<Bytes: bytemuck::Pod> {
    const DTYPE: DType;
    /// The bytes of `value`, rounded once.
    fn narrow(value: f64) -> Self::Bytes;
}

/// The bits of `value` rounded once to a format of 16 bits with so many mantissa bits. Without branches, so that lanes vectorise.
#[inline(always)]
pub(super) fn rounded<const MANTISSA: u32, const BIAS: u64>(value: f64) -> u16 {
    let (bits, drop) = (value.to_bits(), 52 - MANTISSA);
    let magnitude = bits & (u64::MAX >> 1);
    let even = (magnitude + ((1 << (drop - 1)) - 1) + (magnitude >> drop & 1)) >> drop;
    let infinity = (2 * BIAS + 1) << MANTISSA;
    let normal = even.wrapping_sub((1023 - BIAS) << MANTISSA).min(infinity);
    // Subnormals are multiples of the least one: an addition to 2^52 rounds to whole ones.
    let scale = f64::from_bits((1023 + BIAS - 1 + MANTISSA as u64) << 52);
    let subnormal = (f64::from_bits(magnitude) * scale + (1_u64 << 52) as f64).to_bits() & 0xffff;
    let finite = if magnitude < (1024 - BIAS) << 52 { subnormal } else { normal };
    let nan = infinity | 1 << (MANTISSA - 1);
    let held = if magnitude > 2047 << 52 { nan } else { finite };
    held as u16 | (bits >> 48) as u16 & 0x8000
}

macro_rules! narrows {
    ($($t:ty, $dtype:ident, $value:ident => $narrow:expr;)*) => {$(
        impl Narrow for $t {
            const DTYPE: DType = DType::$dtype;
            #[inline(always)]
            fn narrow($value: f64) -> Self::Bytes { <$t>::to_ne_bytes($narrow) }
        }
    )*};
}
narrows! {
    f16, F16, value => f16::from_bits(rounded::<10, 15>(value));
    bf16, BF16, value => bf16::from_bits(rounded::<7, 127>(value));
    f32, F32, value => value as f32;
    f64, F64, value => value;
}

/// The running sums of a number of lines.
#[derive(Clone, Debug)]
pub(super) struct FloatSums {
    mode: SumMode,
    /// The sum, and what its roundings lost (compensated modes).
    high: Vec<f64>,
    low: Vec<f64>,
    /// Whether a sum left f64 and is kept times [`DOWN`].
    scaled: Vec<u8>,
    exact: Option<Exact>,
}

/// The exact sums of everything before, and room to take one apart.
#[derive(Clone, Debug)]
struct Exact {
    whole: Accumulator,
    one: Accumulator,
}

impl FloatSums {
    pub(super) fn new(mode: SumMode, dtype: DType, lines: usize) -> Result<Self> {
        let exact = match mode {
            SumMode::Exact => Some(Exact { whole: Accumulator::with_digits(dtype, lines)?, one: Accumulator::with_digits(dtype, 1)? }),
            _ => None,
        };
        Ok(Self { mode, high: reserved(lines), low: reserved(lines), scaled: reserved(lines), exact })
    }

    pub(super) fn state_bytes_max(mode: SumMode, dtype: DType, lines: u64) -> u64 {
        let states = |lines: u64| Accumulator::with_digits_bytes(dtype, usize::try_from(lines).unwrap_or(usize::MAX));
        let exact = if mode == SumMode::Exact { states(lines).saturating_add(states(1)) } else { 0 };
        lines.saturating_mul(17).saturating_add(size_of::<Self>() as u64).saturating_add(exact)
    }

    pub(super) fn reset(&mut self) {
        // The sum of negative zeros is one.
        self.high.fill(-0.0);
        self.low.fill(0.0);
        self.scaled.fill(0);
        if let Some(exact) = &mut self.exact {
            exact.whole.reset();
        }
    }
}

/// The two terms of `P` sums.
struct Pairs<T, const P: usize, const PLAIN: bool> {
    high: [f64; P],
    low: [f64; P],
    element: std::marker::PhantomData<T>,
}

/// The value of a pair. A low term of zero must not take the sign of a zero, one that is NaN not an infinity.
#[inline(always)]
fn value(high: f64, low: f64) -> f64 {
    if low.abs() > 0.0 { high + low } else { high }
}

impl<T: Narrow, const P: usize, const PLAIN: bool> Lanes<P> for Pairs<T, P, PLAIN> {
    type Cell = T::Bytes;
    #[inline(always)]
    fn step(&mut self, row: &[T::Bytes; P]) -> [T::Bytes; P] {
        let mut sums = [0.0; P];
        for lane in 0..P {
            let element = T::read(row[lane]).widen();
            if PLAIN {
                self.high[lane] += element;
                sums[lane] = self.high[lane];
            } else {
                let (high, lost) = two_sum(self.high[lane], element);
                self.high[lane] = high;
                self.low[lane] += lost;
                sums[lane] = value(high, self.low[lane]);
            }
        }
        let mut given = *row;
        for lane in 0..P {
            given[lane] = T::narrow(sums[lane]);
        }
        given
    }
}

struct Panels<'a, T: Narrow, const P: usize, const PLAIN: bool> {
    sums: &'a mut FloatSums,
    reach: Reach,
    input: &'a [T::Bytes],
    output: &'a mut [T::Bytes],
}

impl<T: Narrow, const P: usize, const PLAIN: bool> Piece for Panels<'_, T, P, PLAIN> {
    #[inline(always)]
    fn go(self) {
        let Self { sums, reach, input, output } = self;
        let mut from = 0;
        while from < reach.columns {
            let part = reach.part(from, P.min(reach.columns - from));
            let mut lanes = Pairs::<T, P, PLAIN> { high: [0.0; P], low: [0.0; P], element: std::marker::PhantomData };
            for lane in 0..part.columns {
                (lanes.high[lane], lanes.low[lane]) = (sums.high[part.line(lane)], sums.low[part.line(lane)]);
            }
            run(&mut lanes, T::narrow(0.0), part, input, output);
            for lane in 0..part.columns {
                let line = part.line(lane);
                // What left f64, or may not be added in it, is done again by itself.
                if !PLAIN && (sums.scaled[line] != 0 || (!lanes.low[lane].is_finite() && sums.high[line].is_finite())) {
                    slow_line::<T>(sums, part.part(lane, 1), input, output);
                } else {
                    (sums.high[line], sums.low[line]) = (lanes.high[lane], lanes.low[lane]);
                }
            }
            from += P;
        }
    }
}

/// One line with infinities, NaN, or sums that leave f64 on the way.
#[cold]
fn slow_line<T: Narrow>(sums: &mut FloatSums, line: Reach, input: &[T::Bytes], output: &mut [T::Bytes]) {
    let (mut high, mut low, mut scaled) = (sums.high[line.line], sums.low[line.line], sums.scaled[line.line] != 0);
    for row in 0..line.rows {
        let place = line.first + row * line.row_step;
        let element = T::read(input[place]).widen();
        if !element.is_finite() || !high.is_finite() {
            // Whatever the sum was: an infinity is one with its scale.
            (high, low, scaled) = (if high.is_finite() { element } else { high + element }, 0.0, false);
        } else {
            let (mut sum, mut lost) = two_sum(high, if scaled { element * DOWN } else { element });
            let stays = sum.is_finite() && (low + lost).is_finite();
            if !scaled && !stays {
                (low, scaled) = (low * DOWN, true);
                (sum, lost) = two_sum(high * DOWN, element * DOWN);
            }
            (high, low) = (sum, low + lost);
        }
        let sum = value(high, low);
        output[place] = T::narrow(if scaled { sum * UP } else { sum });
    }
    (sums.high[line.line], sums.low[line.line], sums.scaled[line.line]) = (high, low, u8::from(scaled));
}

pub(super) fn advance_sums<I: InstructionSet, T: Narrow>(sums: &mut FloatSums, block: &ScanBlock<'_>, input: &[u8], output: &mut [u8]) {
    let rows = block.shape[block.axis];
    let mut row = 0;
    while row < rows {
        let at = block.start + row;
        let end = match sums.exact {
            Some(_) => ((at / SEGMENT + 1) * SEGMENT).min(block.length),
            None => block.start + rows,
        };
        let stop = rows.min(end - block.start);
        absorb::<I, T>(sums, block, row, stop, input);
        let mut groups = Groups::new(block);
        while let Some(reach) = groups.next() {
            add_rows::<I, T>(sums, reach.rows(row, stop), bytemuck::cast_slice(input), bytemuck::cast_slice_mut(output));
        }
        if sums.exact.is_some() && block.start + stop == end {
            settle::<T>(sums, block, stop - 1, end == block.length, output);
        }
        row = stop;
    }
}

fn add_rows<I: InstructionSet, T: Narrow>(sums: &mut FloatSums, reach: Reach, input: &[T::Bytes], output: &mut [T::Bytes]) {
    let wide = reach.is_dense() && reach.columns >= WIDE;
    match (sums.mode == SumMode::Naive, wide, reach.columns > 1) {
        (false, true, _) => I::enter(Panels::<T, WIDE, false> { sums, reach, input, output }),
        (false, false, true) => I::enter(Panels::<T, APART, false> { sums, reach, input, output }),
        (false, false, false) => I::enter(Panels::<T, 1, false> { sums, reach, input, output }),
        (true, true, _) => I::enter(Panels::<T, WIDE, true> { sums, reach, input, output }),
        (true, false, true) => I::enter(Panels::<T, APART, true> { sums, reach, input, output }),
        (true, false, false) => I::enter(Panels::<T, 1, true> { sums, reach, input, output }),
    }
}

/// Takes the rows `from..to` of a block into the exact sums.
fn absorb<I: InstructionSet, T: Narrow>(sums: &mut FloatSums, block: &ScanBlock<'_>, from: usize, to: usize, input: &[u8]) {
    let Some(exact) = &mut sums.exact else { return };
    let (before, behind) = (&block.shape[..block.axis], &block.shape[block.axis + 1..]);
    let rows = block.shape[block.axis];
    let mut axes: Vec<TileAxis> =
        block.shape.iter().zip(block.steps).map(|(&length, &output_step)| TileAxis { length, output_step, index_step: 0 }).collect();
    axes[block.axis] = TileAxis { length: to - from, output_step: 0, index_step: 0 };
    if to - from == rows && axes.iter().filter(|axis| axis.length > 1).count() <= TILE_AXES_MAX {
        return exact.whole.absorb::<I>(input, &axes, block.base, 0);
    }
    let row_bytes = behind.iter().product::<usize>() * size_of::<T::Bytes>();
    let mut at = vec![0; before.len()];
    for outer in 0..before.iter().product::<usize>() {
        let line: i64 = at.iter().zip(block.steps).map(|(&at, step): (&usize, _)| at as i64 * step).sum();
        let tile = &input[(outer * rows + from) * row_bytes..(outer * rows + to) * row_bytes];
        exact.whole.absorb::<I>(tile, &axes[block.axis..], block.base + line as usize, 0);
        for (at, &length) in at.iter_mut().zip(before).rev() {
            *at += 1;
            if *at < length {
                break;
            }
            *at = 0;
        }
    }
}

/// Writes the exact sums to `row`; unless the lines end there, they go on from them.
fn settle<T: Narrow>(sums: &mut FloatSums, block: &ScanBlock<'_>, row: usize, ends: bool, output: &mut [u8]) {
    let output: &mut [T::Bytes] = bytemuck::cast_slice_mut(output);
    let mut groups = Groups::new(block);
    while let Some(reach) = groups.next() {
        for column in 0..reach.columns {
            let line = reach.line(column);
            let place = reach.first + row * reach.row_step + column * reach.column_step;
            output[place] = bytemuck::cast(sum_of::<T>(sums, line));
            if !ends {
                begin_again::<T>(sums, line);
            }
        }
    }
}

/// The exact sum of a line, rounded once.
fn sum_of<T: Narrow>(sums: &FloatSums, line: usize) -> T::Bytes {
    let mut cell = T::narrow(0.0);
    if let Some(exact) = &sums.exact {
        finish(&exact.whole, T::DTYPE, line, bytemuck::bytes_of_mut(&mut cell));
    }
    cell
}

fn finish(accumulator: &Accumulator, dtype: DType, line: usize, out: &mut [u8]) {
    accumulator.finish(Finish::Sum, dtype, line, 1, out).expect("a sum of floats finishes into a float");
}

fn finish_wide(accumulator: &Accumulator, line: usize) -> f64 {
    let mut bytes = [0; 8];
    finish(accumulator, DType::F64, line, &mut bytes);
    f64::from_ne_bytes(bytes)
}

/// The pair goes on from the exact sum.
fn begin_again<T: Narrow>(sums: &mut FloatSums, line: usize) {
    // An infinity or a NaN went in: a sum of finite elements is finite here, scaled at the worst.
    let special = !sums.high[line].is_finite();
    let Some(Exact { whole, one }) = &mut sums.exact else { return };
    let high = finish_wide(whole, line);
    let (mut low, mut scaled) = (0.0, false);
    let mut set_high = high;
    if !T::SQUARE_IS_F64 && !special && high != 0.0 {
        one.reset();
        one.merge_run(0, whole, line, 1);
        if high.is_finite() {
            one.absorb_baseline(&(-high).to_ne_bytes(), &[], 0, 0);
            low = finish_wide(one, 0);
        } else {
            (set_high, low) = take_down(one, high > 0.0);
            scaled = true;
        }
    }
    (sums.high[line], sums.low[line], sums.scaled[line]) = (set_high, low, u8::from(scaled));
}

/// A sum beyond f64 as a pair times [`DOWN`]: as many `2^1023` as fit, and the rest.
#[cold]
fn take_down(sum: &mut Accumulator, positive: bool) -> (f64, f64) {
    let unit = if positive { f64::from_bits(2046 << 52) } else { -f64::from_bits(2046 << 52) };
    let take = |sum: &mut Accumulator, count: usize| {
        sum.absorb_constant(&(-unit).to_ne_bytes(), &[TileAxis { length: count, output_step: 0, index_step: 0 }], 0, 0);
    };
    let mut count = 0_u64;
    for bit in (0..52).rev() {
        let mut trial = sum.clone();
        take(&mut trial, 1 << bit);
        if (finish_wide(&trial, 0) >= 0.0) == positive {
            *sum = trial;
            count += 1 << bit;
        }
    }
    two_sum(count as f64 * (unit * DOWN), finish_wide(sum, 0) * DOWN)
}

/// Running products, narrow floats in f64.
struct Products<T, const P: usize> {
    products: [f64; P],
    element: std::marker::PhantomData<T>,
}

impl<T: Narrow, const P: usize> Lanes<P> for Products<T, P> {
    type Cell = T::Bytes;
    #[inline(always)]
    fn step(&mut self, row: &[T::Bytes; P]) -> [T::Bytes; P] {
        let mut given = *row;
        for lane in 0..P {
            self.products[lane] *= T::read(row[lane]).widen();
            given[lane] = T::narrow(self.products[lane]);
        }
        given
    }
}

struct ProductPanels<'a, T: Narrow, const P: usize> {
    state: &'a mut [f64],
    reach: Reach,
    input: &'a [T::Bytes],
    output: &'a mut [T::Bytes],
}

impl<T: Narrow, const P: usize> Piece for ProductPanels<'_, T, P> {
    #[inline(always)]
    fn go(self) {
        let mut from = 0;
        while from < self.reach.columns {
            let part = self.reach.part(from, P.min(self.reach.columns - from));
            let mut lanes = Products::<T, P> { products: [1.0; P], element: std::marker::PhantomData };
            for lane in 0..part.columns {
                lanes.products[lane] = self.state[part.line(lane)];
            }
            run(&mut lanes, T::narrow(0.0), part, self.input, self.output);
            for lane in 0..part.columns {
                self.state[part.line(lane)] = lanes.products[lane];
            }
            from += P;
        }
    }
}

pub(super) fn advance_products<I: InstructionSet, T: Narrow>(state: &mut [f64], block: &ScanBlock<'_>, input: &[u8], output: &mut [u8]) {
    let (input, output) = (bytemuck::cast_slice(input), bytemuck::cast_slice_mut(output));
    let mut groups = Groups::new(block);
    while let Some(reach) = groups.next() {
        match reach {
            _ if reach.is_dense() && reach.columns >= WIDE => I::enter(ProductPanels::<T, WIDE> { state, reach, input, output }),
            _ if reach.columns > 1 => I::enter(ProductPanels::<T, APART> { state, reach, input, output }),
            _ => I::enter(ProductPanels::<T, 1> { state, reach, input, output }),
        }
    }
}
