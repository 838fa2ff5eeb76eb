//! Running maxima and minima, by the ordering keys of `order`.

use super::ScanBlock;
use super::lanes::{Groups, Lanes, Reach, WIDE, run};
use crate::numeric::axes::{InstructionSet, Piece};
use crate::numeric::order::Keyed;

/// The largest keys of `P` lines so far.
struct Largest<T: Keyed, const P: usize, const SMALLEST: bool> {
    keys: [T::Key; P],
}

/// A cell that can be made from the low bits of a number.
pub(super) trait Bits: Copy {
    fn low(bits: u64) -> Self;
}

macro_rules! low_bits {
    ($($n:literal $t:ty),*) => {$(
        impl Bits for [u8; $n] {
            #[inline(always)]
            fn low(bits: u64) -> Self { (bits as $t).to_ne_bytes() }
        }
    )*};
}
low_bits!(1 u8, 2 u16, 4 u32, 8 u64);

impl<T: Keyed<Bytes: Bits>, const P: usize, const SMALLEST: bool> Lanes<P> for Largest<T, P, SMALLEST> {
    type Cell = T::Bytes;
    #[inline(always)]
    fn step(&mut self, row: &[T::Bytes; P]) -> [T::Bytes; P] {
        let mut given = [Bits::low(0); P];
        for lane in 0..P {
            self.keys[lane] = self.keys[lane].max(T::read(row[lane]).key(SMALLEST));
            given[lane] = Bits::low(T::bits(self.keys[lane].into(), SMALLEST));
        }
        given
    }
}

struct Panels<'a, T: Keyed, const P: usize, const SMALLEST: bool> {
    keys: &'a mut [i64],
    reach: Reach,
    input: &'a [T::Bytes],
    output: &'a mut [T::Bytes],
}

impl<T: Keyed<Bytes: Bits, Key: TryFrom<i64>>, const P: usize, const SMALLEST: bool> Piece for Panels<'_, T, P, SMALLEST> {
    #[inline(always)]
    fn go(self) {
        let mut from = 0;
        while from < self.reach.columns {
            let part = self.reach.part(from, P.min(self.reach.columns - from));
            let mut lanes = Largest::<T, P, SMALLEST> { keys: [T::LOWEST; P] };
            for lane in 0..part.columns {
                // A state that has not begun is below every key.
                lanes.keys[lane] = T::Key::try_from(self.keys[part.line(lane)]).unwrap_or(T::LOWEST);
            }
            run(&mut lanes, Bits::low(0), part, self.input, self.output);
            for lane in 0..part.columns {
                self.keys[part.line(lane)] = lanes.keys[lane].into();
            }
            from += P;
        }
    }
}

pub(super) fn advance<I: InstructionSet, T: Keyed<Bytes: Bits + bytemuck::Pod, Key: TryFrom<i64>>>(
    keys: &mut [i64],
    smallest: bool,
    block: &ScanBlock<'_>,
    input: &[u8],
    output: &mut [u8],
) {
    let (input, output) = (bytemuck::cast_slice(input), bytemuck::cast_slice_mut(output));
    let mut groups = Groups::new(block);
    while let Some(reach) = groups.next() {
        match (reach.is_dense() && reach.columns >= WIDE, smallest) {
            (true, true) => I::enter(Panels::<T, WIDE, true> { keys, reach, input, output }),
            (true, false) => I::enter(Panels::<T, WIDE, false> { keys, reach, input, output }),
            (false, true) => I::enter(Panels::<T, 1, true> { keys, reach, input, output }),
            (false, false) => I::enter(Panels::<T, 1, false> { keys, reach, input, output }),
        }
    }
}
