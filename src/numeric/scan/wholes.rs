//! Running sums and products of `i64` and `u64`: exact, and the first that does not fit is found.

use super::ScanBlock;
use super::lanes::{APART, Groups, Lanes, Reach, WIDE, run};
use crate::numeric::axes::{InstructionSet, Piece};

type Cell = [u8; 8];

/// The values of `P` lines as bits, and whether one of them left the dtype: then the highest bit of `over` is set.
struct Running<const P: usize, const PRODUCT: bool, const UNSIGNED: bool> {
    values: [u64; P],
    over: [u64; P],
}

/// A value and the next element: their sum or product modulo 2^64, and a highest bit that says whether it is another number.
#[inline(always)]
fn combine<const PRODUCT: bool, const UNSIGNED: bool>(a: u64, b: u64) -> (u64, u64) {
    match (PRODUCT, UNSIGNED) {
        (false, _) => {
            let sum = a.wrapping_add(b);
            (sum, if UNSIGNED { (a & b) | ((a | b) & !sum) } else { (a ^ sum) & (b ^ sum) })
        }
        (true, true) => {
            let (product, over) = a.overflowing_mul(b);
            (product, u64::from(over) << 63)
        }
        (true, false) => {
            let (product, over) = a.cast_signed().overflowing_mul(b.cast_signed());
            (product.cast_unsigned(), u64::from(over) << 63)
        }
    }
}

impl<const P: usize, const PRODUCT: bool, const UNSIGNED: bool> Lanes<P> for Running<P, PRODUCT, UNSIGNED> {
    type Cell = Cell;
    #[inline(always)]
    fn step(&mut self, row: &[Cell; P]) -> [Cell; P] {
        let mut given = [[0; 8]; P];
        for lane in 0..P {
            let (value, over) = combine::<PRODUCT, UNSIGNED>(self.values[lane], u64::from_ne_bytes(row[lane]));
            self.values[lane] = value;
            self.over[lane] |= over;
            given[lane] = value.to_ne_bytes();
        }
        given
    }
}

struct Panels<'a, const P: usize, const PRODUCT: bool, const UNSIGNED: bool> {
    state: &'a mut [u64],
    reach: Reach,
    input: &'a [Cell],
    output: &'a mut [Cell],
    /// The lowest place of a result that does not fit.
    lowest: &'a mut usize,
}

impl<const P: usize, const PRODUCT: bool, const UNSIGNED: bool> Piece for Panels<'_, P, PRODUCT, UNSIGNED> {
    #[inline(always)]
    fn go(self) {
        let mut from = 0;
        while from < self.reach.columns {
            let part = self.reach.part(from, P.min(self.reach.columns - from));
            let mut lanes = Running::<P, PRODUCT, UNSIGNED> { values: [u64::from(PRODUCT); P], over: [0; P] };
            for lane in 0..part.columns {
                lanes.values[lane] = self.state[part.line(lane)];
            }
            // Padding adds or multiplies zeros and never overflows.
            run(&mut lanes, [0; 8], part, self.input, self.output);
            for lane in 0..part.columns {
                if lanes.over[lane] >> 63 == 1 {
                    let place = first_over::<PRODUCT, UNSIGNED>(self.state[part.line(lane)], part.part(lane, 1), self.input);
                    *self.lowest = place.min(*self.lowest);
                }
                self.state[part.line(lane)] = lanes.values[lane];
            }
            from += P;
        }
    }
}

/// The place of the first result of one line that does not fit.
#[cold]
fn first_over<const PRODUCT: bool, const UNSIGNED: bool>(start: u64, line: Reach, input: &[Cell]) -> usize {
    let mut value = start;
    for row in 0..line.rows {
        let place = line.first + row * line.row_step;
        let (next, over) = combine::<PRODUCT, UNSIGNED>(value, u64::from_ne_bytes(input[place]));
        if over >> 63 == 1 {
            return place;
        }
        value = next;
    }
    usize::MAX
}

pub(super) fn advance<I: InstructionSet>(
    state: &mut [u64],
    product: bool,
    unsigned: bool,
    block: &ScanBlock<'_>,
    input: &[u8],
    output: &mut [u8],
) -> Result<(), usize> {
    let (input, output): (&[Cell], &mut [Cell]) = (bytemuck::cast_slice(input), bytemuck::cast_slice_mut(output));
    let mut groups = Groups::new(block);
    let mut over = usize::MAX;
    while let Some(reach) = groups.next() {
        let lowest = &mut over;
        macro_rules! enter {
            ($p:expr) => {
                match (product, unsigned) {
                    (false, false) => I::enter(Panels::<{ $p }, false, false> { state, reach, input, output, lowest }),
                    (false, true) => I::enter(Panels::<{ $p }, false, true> { state, reach, input, output, lowest }),
                    (true, false) => I::enter(Panels::<{ $p }, true, false> { state, reach, input, output, lowest }),
                    (true, true) => I::enter(Panels::<{ $p }, true, true> { state, reach, input, output, lowest }),
                }
            };
        }
        match reach {
            _ if reach.is_dense() && reach.columns >= WIDE => enter!(WIDE),
            _ if reach.columns > 1 => enter!(APART),
            _ => enter!(1),
        }
    }
    if over == usize::MAX { Ok(()) } else { Err(over) }
}
