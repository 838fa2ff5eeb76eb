//! One element into one output, for every kind of state.

use super::{Elements, exact, tally};
use crate::nd::DType;
use crate::numeric::accumulator::{Accumulator, State};
use crate::numeric::element::{Float, Truth, Whole};
use crate::numeric::lanes::Cell;
use crate::numeric::order::{Extremes, Keyed};
use crate::numeric::whole::{WholeSums, add_limbs};
use crate::numeric::{AccumulatorKind, exact::Superaccumulator, truth::Truths};
use half::{bf16, f16};

/// The elements that are scattered: which of the tile, and where to.
struct Places<'a> {
    tile: Elements<'a>,
    places: &'a [u32],
    outputs: &'a [usize],
}

impl Places<'_> {
    /// Calls `take(element, output)` for all of them.
    #[inline(always)]
    fn each<T: Cell<Bytes = [u8; N]>, const N: usize>(&self, mut take: impl FnMut(T, usize)) {
        let (bytes, step) = match self.tile {
            Elements::Dense(bytes) => (bytes, 1),
            Elements::Uniform(bytes) => (bytes, 0),
        };
        let (cells, _) = bytes.as_chunks::<N>();
        for (place, output) in self.places.iter().zip(self.outputs) {
            take(T::read(cells[*place as usize * step]), *output);
        }
    }
}

impl Accumulator {
    /// Absorbs the elements at `places` of a tile into `outputs`.
    pub(super) fn scatter(&mut self, tile: Elements<'_>, places: &[u32], outputs: &[usize]) {
        let of = Places { tile, places, outputs };
        let (dtype, kind) = (self.dtype, self.kind);
        match &mut self.state {
            State::Exact(state) => floats(state, dtype, &of),
            State::Whole(state) => wholes(state, dtype, &of),
            State::Extremes(state) if kind == AccumulatorKind::Min => extremes::<true>(state, dtype, &of),
            State::Extremes(state) => extremes::<false>(state, dtype, &of),
            State::Truths(state) => truths(state, dtype, &of),
            State::Tallies(state) => outputs.iter().for_each(|output| tally::Tallies::add(state, *output, 1)),
            _ => self.scatter_slowly(&of),
        }
    }

    fn scatter_slowly(&mut self, of: &Places<'_>) {
        let size = self.dtype.size();
        for (place, output) in of.places.iter().zip(of.outputs) {
            let element = match of.tile {
                Elements::Dense(bytes) => &bytes[*place as usize * size..][..size],
                Elements::Uniform(bytes) => bytes,
            };
            self.absorb_baseline(element, &[], *output, 0);
        }
    }
}

fn floats(state: &mut Superaccumulator, dtype: DType, of: &Places<'_>) {
    fn each<T: Float + Cell<Bytes = [u8; N]>, const N: usize>(state: &mut Superaccumulator, of: &Places<'_>) {
        if state.form.widths[1] > 0 {
            of.each(|value: T, output| exact::add_one::<true>(state, value.widen(), output));
        } else {
            of.each(|value: T, output| exact::add_one::<false>(state, value.widen(), output));
        }
    }
    match dtype {
        DType::F16 => each::<f16, 2>(state, of),
        DType::BF16 => each::<bf16, 2>(state, of),
        DType::F32 => each::<f32, 4>(state, of),
        _ => each::<f64, 8>(state, of),
    }
}

fn wholes(state: &mut WholeSums, dtype: DType, of: &Places<'_>) {
    fn each<T: Whole + Cell<Bytes = [u8; N]>, const N: usize>(state: &mut WholeSums, of: &Places<'_>) {
        of.each(|value: T, output| {
            let value = value.wrapped();
            state.counts[output] += 1;
            state.sums[output] += if T::UNSIGNED { i128::from(value as u64) } else { i128::from(value) };
            if state.moments {
                let magnitude = u128::from(if T::UNSIGNED { value as u64 } else { value.unsigned_abs() });
                let square = magnitude * magnitude;
                state.squares[output] = add_limbs(state.squares[output], [square as u64, (square >> 64) as u64, 0]);
            }
        });
    }
    match dtype {
        DType::I8 => each::<i8, 1>(state, of),
        DType::I16 => each::<i16, 2>(state, of),
        DType::I32 => each::<i32, 4>(state, of),
        DType::I64 => each::<i64, 8>(state, of),
        DType::U8 => each::<u8, 1>(state, of),
        DType::U16 => each::<u16, 2>(state, of),
        DType::U32 => each::<u32, 4>(state, of),
        DType::U64 => each::<u64, 8>(state, of),
        _ => each::<Truth, 1>(state, of),
    }
}

fn extremes<const SMALLEST: bool>(state: &mut Extremes, dtype: DType, of: &Places<'_>) {
    fn each<T: Keyed + Cell<Bytes = [u8; N]>, const N: usize>(state: &mut Extremes, of: &Places<'_>, smallest: bool) {
        of.each(|value: T, output| {
            state.keys[output] = state.keys[output].max(value.key(smallest).into());
            state.seen[output] = 1;
        });
    }
    match dtype {
        DType::Bool => each::<Truth, 1>(state, of, SMALLEST),
        DType::I8 => each::<i8, 1>(state, of, SMALLEST),
        DType::I16 => each::<i16, 2>(state, of, SMALLEST),
        DType::I32 => each::<i32, 4>(state, of, SMALLEST),
        DType::I64 => each::<i64, 8>(state, of, SMALLEST),
        DType::U8 => each::<u8, 1>(state, of, SMALLEST),
        DType::U16 => each::<u16, 2>(state, of, SMALLEST),
        DType::U32 => each::<u32, 4>(state, of, SMALLEST),
        DType::U64 => each::<u64, 8>(state, of, SMALLEST),
        DType::F16 => each::<f16, 2>(state, of, SMALLEST),
        DType::BF16 => each::<bf16, 2>(state, of, SMALLEST),
        DType::F32 => each::<f32, 4>(state, of, SMALLEST),
        DType::F64 => each::<f64, 8>(state, of, SMALLEST),
    }
}

fn truths(state: &mut Truths, dtype: DType, of: &Places<'_>) {
    // All bits of an integer or bool, all but the sign of a float.
    let drop = u32::from(dtype.is_float());
    let mut add = |bits: u64, output: usize| {
        state.counts[output] += 1;
        state.nonzero[output] += u64::from(bits != 0);
    };
    match dtype.size() {
        1 => of.each(|value: u8, output| add(u64::from(value), output)),
        2 => of.each(|value: u16, output| add(u64::from(value << drop), output)),
        4 => of.each(|value: u32, output| add(u64::from(value << drop), output)),
        _ => of.each(|value: u64, output| add(value << drop, output)),
    }
}
