//! Leaving out NaN: tiles without any go to the plain kernels as they are. Of the others a copy does, piece by piece, in
//! which the neutral element stands for NaN, and the elements that were NaN are taken off the counts again. The neutral
//! element of a sum is `+0.0`, as in NumPy: `nansum` of `-0.0` and NaN is `0.0`.

use super::accumulator::{Accumulator, State};
use super::axes::{Absorb, Columns, InstructionSet, Piece, Rows, TILE_AXES_MAX, TileAxis, Walk};
use super::lanes::{Cell, LANES, WIDE};
use super::truth::{Tested, count_run, counts_of_rows};
use crate::nd::DType;
use std::marker::PhantomData;

/// Bytes of a piece of a tile.
const PIECE_BYTES: usize = 8 * 1024;

/// Bits of a float, which are tested for NaN: magnitudes above `INFINITY`.
#[derive(Clone, Copy)]
struct IsNan<U, const INFINITY: u64>(U);

macro_rules! is_nan {
    ($($u:ty),*) => {$(
        impl<const INFINITY: u64> Cell for IsNan<$u, INFINITY> {
            type Bytes = [u8; size_of::<$u>()];
            const PAD: Self = IsNan(0);
            #[inline(always)]
            fn read(bytes: Self::Bytes) -> Self { IsNan(<$u>::from_ne_bytes(bytes)) }
        }
        impl<const INFINITY: u64> Tested for IsNan<$u, INFINITY> {
            #[inline(always)]
            fn truth(self) -> u8 { u8::from(self.0 << 1 > (INFINITY << 1) as $u) }
            type Counter = $u;
            #[inline(always)]
            fn count(self, before: $u) -> $u { before + <$u>::from(self.0 << 1 > (INFINITY << 1) as $u) }
        }
    )*};
}
is_nan!(u16, u32, u64);

/// Runs `$body` with `$t` bound to the bits of the float `$dtype`.
macro_rules! bits_of {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            DType::F16 => bits_of!(@ $t, u16, 0x7c00, $body),
            DType::BF16 => bits_of!(@ $t, u16, 0x7f80, $body),
            DType::F32 => bits_of!(@ $t, u32, 0x7f80_0000, $body),
            _ => bits_of!(@ $t, u64, 0x7ff0_0000_0000_0000, $body),
        }
    };
    (@ $t:ident, $u:ty, $infinity:expr, $body:expr) => {{
        type $t = IsNan<$u, $infinity>;
        $body
    }};
}

/// Counts the NaN of a run.
struct Count<'a, T: Cell> {
    cells: &'a [T::Bytes],
    found: &'a mut u64,
}

impl<T: Tested> Piece for Count<'_, T> {
    #[inline(always)]
    fn go(self) {
        *self.found = count_run::<T>(self.cells);
    }
}

/// Copies elements, with another in the place of NaN.
struct Replace<'a, T: Cell> {
    from: &'a [T::Bytes],
    to: &'a mut [T::Bytes],
    other: T::Bytes,
}

impl<T: Tested> Piece for Replace<'_, T> {
    #[inline(always)]
    fn go(self) {
        for (to, from) in self.to.iter_mut().zip(self.from) {
            *to = if T::read(*from).truth() != 0 { self.other } else { *from };
        }
    }
}

/// Takes the NaN of a box off the counts of its outputs.
struct Uncount<'a, T> {
    counts: &'a mut [u64],
    element: PhantomData<T>,
}

impl<T: Tested> Absorb<T::Bytes> for Uncount<'_, T> {
    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        self.counts[output] -= count_run::<T>(cells);
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        let mut first = 0;
        while first + WIDE <= columns.count {
            for (lane, found) in counts_of_rows::<T>(&cells[first..], rows).into_iter().enumerate() {
                self.counts[columns.output(first + lane)] -= found;
            }
            first += WIDE;
        }
        while first < columns.count {
            let width = LANES.min(columns.count - first);
            for row in 0..rows.count {
                let cells = &cells[row * rows.stride + first..][..width];
                for (lane, cell) in cells.iter().enumerate() {
                    self.counts[columns.output(first + lane)] -= u64::from(T::read(*cell).truth());
                }
            }
            first += LANES;
        }
    }
}

impl Accumulator {
    /// Absorbs the elements of a tile that are not NaN. The state is one of sums or products of floats.
    pub(super) fn absorb_skipping<I: InstructionSet>(&mut self, tile: &[u8], axes: &[TileAxis], base: usize) {
        let elements: usize = axes.iter().map(|axis| axis.length).product();
        let size = self.dtype.size();
        let tile = &tile[..elements * size];
        let found = count::<I>(self.dtype, tile);
        if found == 0 {
            return self.absorb_plain::<I>(tile, axes, base, 0);
        }
        let whole = (tile.len() <= PIECE_BYTES).then_some(found);
        let mut buffer = [0_u8; PIECE_BYTES];
        each_piece(axes, PIECE_BYTES / size, |first, count, axes, offset| {
            let piece = &tile[first * size..(first + count) * size];
            let base = (base as i64 + offset) as usize;
            self.absorb_piece::<I>(piece, whole, &mut buffer[..count * size], axes, base);
        });
    }

    /// Absorbs a piece with `found` NaN, if their number is known.
    fn absorb_piece<I: InstructionSet>(&mut self, piece: &[u8], found: Option<u64>, buffer: &mut [u8], axes: &[TileAxis], base: usize) {
        let dtype = self.dtype;
        let found = found.unwrap_or_else(|| count::<I>(dtype, piece));
        if found == 0 {
            return self.absorb_plain::<I>(piece, axes, base, 0);
        }
        let neutral = self.neutral();
        bits_of!(dtype, T => {
            let other = <T as Cell>::Bytes::try_from(&neutral[..dtype.size()]).expect("as many bytes as the dtype has");
            I::enter(Replace::<T> { from: piece.as_chunks().0, to: buffer.as_chunks_mut().0, other });
        });
        self.absorb_plain::<I>(buffer, axes, base, 0);
        let counts = match &mut self.state {
            State::Exact(state) => &mut state.counts,
            State::Compensated(state) => &mut state.counts,
            _ => return,
        };
        if axes.iter().all(|axis| axis.output_step == 0) {
            counts[base] -= found;
            return;
        }
        bits_of!(dtype, T => {
            let mut uncount = Uncount::<T> { counts, element: PhantomData };
            I::enter(Walk { state: &mut uncount, cells: piece.as_chunks().0, axes, base });
        });
    }

    /// Native bytes of the element that stands for NaN, and zeros.
    fn neutral(&self) -> [u8; 8] {
        let product = matches!(self.state, State::Products(_));
        let mut bytes = [0; 8];
        match self.dtype {
            _ if !product => {}
            DType::F16 => bytes[..2].copy_from_slice(&half::f16::ONE.to_ne_bytes()),
            DType::BF16 => bytes[..2].copy_from_slice(&half::bf16::ONE.to_ne_bytes()),
            DType::F32 => bytes[..4].copy_from_slice(&1_f32.to_ne_bytes()),
            _ => bytes.copy_from_slice(&1_f64.to_ne_bytes()),
        }
        bytes
    }
}

/// How many elements of a tile of floats are NaN.
fn count<I: InstructionSet>(dtype: DType, tile: &[u8]) -> u64 {
    let mut found = 0;
    bits_of!(dtype, T => I::enter(Count::<T> { cells: tile.as_chunks().0, found: &mut found }));
    found
}

/// Cuts a box into boxes of at most `elements_max` elements that lie one after the other in the tile, and calls
/// `visit(first element, elements, axes, distance of the first output)` for each.
pub(super) fn each_piece(axes: &[TileAxis], elements_max: usize, mut visit: impl FnMut(usize, usize, &[TileAxis], i64)) {
    let mut parts = [TileAxis::default(); TILE_AXES_MAX];
    let mut rank = 0;
    for axis in axes.iter().filter(|axis| axis.length != 1) {
        assert!(rank < TILE_AXES_MAX, "a tile has at most {TILE_AXES_MAX} axes longer than one");
        parts[rank] = *axis;
        rank += 1;
    }
    let axes = &mut parts[..rank];
    // Axes behind `cut` lie whole in a piece; those before it are walked.
    let (mut cut, mut inner) = (rank, 1);
    while cut > 0 && inner * axes[cut - 1].length <= elements_max {
        cut -= 1;
        inner *= axes[cut].length;
    }
    if cut == 0 {
        return if inner > 0 {
            visit(0, inner, axes, 0)
        };
    }
    cut -= 1;
    let whole = axes[cut].length;
    let walked: usize = axes[..cut].iter().map(|axis| axis.length).product();
    let length_max = elements_max / inner;
    for walk in 0..walked {
        let (mut rest, mut offset) = (walk, 0);
        for axis in axes[..cut].iter().rev() {
            offset += (rest % axis.length) as i64 * axis.output_step;
            rest /= axis.length;
        }
        let mut at = 0;
        while at < whole {
            let length = length_max.min(whole - at);
            axes[cut].length = length;
            visit((walk * whole + at) * inner, length * inner, &axes[cut..], offset + at as i64 * axes[cut].output_step);
            at += length;
        }
        axes[cut].length = whole;
    }
}
