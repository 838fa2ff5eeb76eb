//! The accumulator: one state per kind of reduction and family of element type, and the dispatch to its kernels.

use super::axes::{Baseline, InstructionSet, TileAxis, Walk, each_element};
use super::compensated::{self, Compensated, KAHAN, NEUMAIER, PLAIN, SumRun};
use super::dispatch::{absorb_numbers, absorb_places, absorb_products, absorb_whole_products, cut};
use super::distinct::{self, Distinct};
use super::element::{Float, Truth};
use super::grouped::{self, Tallies};
use super::order::{self, Extremes};
use super::pairs::{Pairs, Side};
use super::places::{Places, Wanted};
use super::product::Products;
use super::run::{RUN_MIN, Run};
use super::sketch::{self, Sketch};
use super::superaccumulator::{Superaccumulator, digits_for};
use super::truth::{self, Bits, FirstZero, Truths};
use super::whole::{self, WholeSums};
use super::whole_product::WholeProducts;
use super::window::Extent;
use super::{AccumulatorKind, SumMode, exact};
use crate::error::{Error, Result};
use crate::nd::DType;
use half::{bf16, f16};
use std::marker::PhantomData;

/// Partial results of a number of outputs of one reduction.
#[derive(Clone, Debug)]
pub struct Accumulator {
    pub(super) kind: AccumulatorKind,
    pub(super) dtype: DType,
    pub(super) outputs: usize,
    /// Whether a minimum or maximum of no floats is NaN instead of an error.
    pub(super) empty_is_nan: bool,
    pub(super) state: State,
}

/// The states, as structures of arrays.
#[derive(Clone, Debug)]
pub(super) enum State {
    Exact(Superaccumulator),
    Compensated(Compensated),
    Whole(WholeSums),
    Extremes(Extremes),
    Truths(Truths),
    FirstZero(FirstZero),
    Places(Places),
    Products(Products),
    WholeProducts(WholeProducts),
    Pairs(Box<Pairs>),
    Tallies(Tallies),
    Distinct(Distinct),
    Sketch(Sketch),
}

/// Exponent of the lowest bit of an exact sum of `dtype`, digits per output of it and of the sum of squares, and the
/// windows before them.
fn exact_form(dtype: DType, moments: bool) -> (i32, [usize; 2], Extent) {
    const fn of<T: Float>() -> (i32, [usize; 2]) {
        let (low, end) = (T::EXPONENT_MIN, T::EXPONENT_END);
        (low, [digits_for(low, end), digits_for(2 * low, 2 * end)])
    }
    let (low, [sum, squares]) = match dtype {
        DType::F16 => of::<f16>(),
        DType::BF16 => of::<bf16>(),
        DType::F32 => of::<f32>(),
        _ => of::<f64>(),
    };
    (low, [sum, if moments { squares } else { 0 }], exact::extent(dtype != DType::F64, moments))
}

impl Accumulator {
    /// An empty accumulator of `outputs` outputs; `dtype` is that of the elements it will absorb.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Refused`] if the states of that many outputs cannot be addressed.
    pub fn new(kind: AccumulatorKind, dtype: DType, outputs: usize) -> Result<Self> {
        if Self::state_bytes_max(kind, dtype, outputs) > isize::MAX as u64 {
            return Err(Error::refused(format!("the states of {outputs} outputs cannot be addressed")));
        }
        let sums = |mode: SumMode, moments: bool| {
            if !dtype.is_float() {
                State::Whole(WholeSums::new(moments, outputs))
            } else if mode == SumMode::Exact {
                let (low, widths, extent) = exact_form(dtype, moments);
                State::Exact(Superaccumulator::new(widths, low, extent, outputs))
            } else {
                State::Compensated(Compensated::new(mode, moments, outputs))
            }
        };
        let state = match kind.plain() {
            AccumulatorKind::Sum(mode) => sums(mode, false),
            AccumulatorKind::Moments(mode) => sums(mode, true),
            AccumulatorKind::Min | AccumulatorKind::Max => State::Extremes(Extremes::new(outputs)),
            AccumulatorKind::Any | AccumulatorKind::All | AccumulatorKind::CountNonzero => State::Truths(Truths::new(outputs)),
            AccumulatorKind::FirstFalse => State::FirstZero(FirstZero::new(outputs)),
            AccumulatorKind::Count => State::Tallies(Tallies::new(outputs)),
            AccumulatorKind::Distinct => State::Distinct(Distinct::new(outputs)),
            AccumulatorKind::Sketch => State::Sketch(Sketch::new(dtype, outputs)),
            AccumulatorKind::ArgMin | AccumulatorKind::ArgMax => State::Places(Places::new(outputs)),
            kind if kind.is_paired() => State::Pairs(Box::new(Pairs::new(kind, dtype, outputs)?)),
            _ if dtype.is_float() => State::Products(Products::new(outputs)),
            _ => State::WholeProducts(WholeProducts::new(outputs)),
        };
        Ok(Self { kind, dtype, outputs, empty_is_nan: false, state })
    }

    /// The same, and a minimum or maximum of no floats is NaN: of groups some may be empty.
    #[must_use]
    pub fn with_empty_nan(self) -> Self {
        Self { empty_is_nan: true, ..self }
    }

    /// Every byte an accumulator of these holds, itself included, for as long as it lives. It never grows.
    #[must_use]
    pub fn state_bytes_max(kind: AccumulatorKind, dtype: DType, outputs: usize) -> u64 {
        let sums = |mode: SumMode, moments: bool| {
            if !dtype.is_float() {
                WholeSums::output_bytes(moments)
            } else if mode == SumMode::Exact {
                let (_, widths, extent) = exact_form(dtype, moments);
                Superaccumulator::output_bytes(widths, extent)
            } else {
                Compensated::output_bytes(moments)
            }
        };
        if kind.is_paired() {
            return Pairs::bytes_max(kind, dtype, outputs).saturating_add(size_of::<Self>() as u64);
        }
        let output_bytes = match kind.plain() {
            AccumulatorKind::Sum(mode) => sums(mode, false),
            AccumulatorKind::Moments(mode) => sums(mode, true),
            AccumulatorKind::Min | AccumulatorKind::Max => Extremes::OUTPUT_BYTES,
            AccumulatorKind::Any | AccumulatorKind::All | AccumulatorKind::CountNonzero => Truths::OUTPUT_BYTES,
            AccumulatorKind::FirstFalse => FirstZero::OUTPUT_BYTES,
            AccumulatorKind::Distinct => Distinct::OUTPUT_BYTES,
            AccumulatorKind::Sketch => Sketch::output_bytes(dtype),
            AccumulatorKind::Count => return Tallies::state_bytes(outputs).saturating_add(size_of::<Self>() as u64),
            AccumulatorKind::ArgMin | AccumulatorKind::ArgMax => Places::OUTPUT_BYTES,
            _ if dtype.is_float() => Products::OUTPUT_BYTES,
            _ => WholeProducts::OUTPUT_BYTES,
        };
        output_bytes.saturating_mul(outputs as u64).saturating_add(size_of::<Self>() as u64)
    }

    /// Back to empty; keeps the memory.
    pub fn reset(&mut self) {
        match &mut self.state {
            State::Exact(state) => state.reset(),
            State::Compensated(state) => state.reset(),
            State::Whole(state) => state.reset(),
            State::Extremes(state) => state.reset(),
            State::Truths(state) => state.reset(),
            State::FirstZero(state) => state.reset(),
            State::Places(state) => state.reset(),
            State::Products(state) => state.reset(),
            State::WholeProducts(state) => state.reset(),
            State::Pairs(state) => state.reset(),
            State::Tallies(state) => state.reset(),
            State::Distinct(state) => state.reset(),
            State::Sketch(state) => state.reset(),
        }
    }

    /// The same sums of no elements in particular.
    pub(super) fn without_counts(&self) -> Self {
        let mut made = self.clone();
        if let State::Exact(state) = &mut made.state {
            state.forget_counts();
        }
        made
    }

    /// The number of outputs.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// What is accumulated.
    #[must_use]
    pub fn kind(&self) -> AccumulatorKind {
        self.kind
    }

    /// The dtype of absorbed elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Absorbs a tile: dense C-order native elements of the box `axes` (a `bool` is a byte, any but zero true).
    /// `base` is the output of the first element and `index` its global linear index.
    ///
    /// `I` is the instruction set whose loops run; the result does not depend on it. Needs no alignment and does not
    /// allocate.
    ///
    /// # Panics
    /// If the tile is shorter than the box, or an output lies outside the accumulator.
    pub fn absorb<I: InstructionSet>(&mut self, tile: &[u8], axes: &[TileAxis], base: usize, index: i64) {
        match &self.state {
            State::Exact(_) | State::Compensated(_) | State::Products(_) if self.kind.skips_nan() => {
                self.absorb_skipping::<I>(tile, axes, base);
            }
            _ => self.absorb_plain::<I>(tile, axes, base, index),
        }
    }

    /// [`Accumulator::absorb`] for the kinds that take pairs of elements.
    ///
    /// # Panics
    /// If a tile is shorter than the box, or an output lies outside the accumulator.
    pub fn absorb_pairs<I: InstructionSet>(&mut self, sides: [Side<'_>; 2], axes: &[TileAxis], base: usize) {
        let dtype = self.dtype;
        match &mut self.state {
            State::Pairs(state) => state.absorb::<I>(dtype, sides, axes, base),
            _ => unreachable!("one element at a time is absorbed"),
        }
    }

    /// [`Accumulator::absorb`] of a tile in which nothing is to be replaced.
    pub(super) fn absorb_plain<I: InstructionSet>(&mut self, tile: &[u8], axes: &[TileAxis], base: usize, index: i64) {
        let wanted = Wanted { smallest: matches!(self.kind.plain(), AccumulatorKind::ArgMin), skip: self.kind.skips_nan() };
        match &mut self.state {
            State::Exact(state) => absorb_exact::<I>(state, self.dtype, tile, axes, base),
            State::Compensated(state) => absorb_compensated::<I>(state, self.dtype, tile, axes, base),
            State::Whole(state) => absorb_whole::<I>(state, self.dtype, tile, axes, base),
            State::Extremes(state) => match self.kind {
                AccumulatorKind::NanMin if self.dtype.is_float() => absorb_numbers::<I, true>(state, self.dtype, tile, axes, base),
                AccumulatorKind::NanMax if self.dtype.is_float() => absorb_numbers::<I, false>(state, self.dtype, tile, axes, base),
                AccumulatorKind::Min | AccumulatorKind::NanMin => absorb_extremes::<I, true>(state, self.dtype, tile, axes, base),
                _ => absorb_extremes::<I, false>(state, self.dtype, tile, axes, base),
            },
            State::Truths(state) => absorb_truths::<I>(state, self.dtype, tile, axes, base),
            State::FirstZero(state) => absorb_first(state, self.dtype, tile, axes, base, index),
            State::Places(state) => absorb_places::<I>(state, self.dtype, wanted, (tile, axes, base, index)),
            State::Products(state) => absorb_products::<I>(state, self.dtype, tile, axes, base),
            State::WholeProducts(state) => absorb_whole_products::<I>(state, self.dtype, tile, axes, base),
            State::Pairs(_) => unreachable!("pairs are absorbed as pairs"),
            State::Tallies(state) => absorb_count(state, self.dtype, tile, axes, base),
            State::Distinct(state) => absorb_distinct::<I>(state, self.dtype, tile, axes, base),
            State::Sketch(state) => absorb_sketch::<I>(state, self.dtype, tile, axes, base),
        }
    }

    /// Absorbs a run of elements that exist nowhere but in registers, as [`Accumulator::absorb`] would absorb a tile of them.
    /// False, and nothing done, where the run is too short for that or this accumulator wants a tile.
    pub(crate) fn absorb_run<I: InstructionSet, R: Run>(&mut self, run: R, output: usize) -> bool {
        match &mut self.state {
            State::Compensated(state) if R::Element::SQUARE_IS_F64 && !state.moments && run.len() >= RUN_MIN && !self.kind.skips_nan() => {
                I::enter(SumRun { state, run, output });
                true
            }
            State::Exact(state) if R::Element::SQUARE_IS_F64 && state.widths[1] == 0 && run.len() >= RUN_MIN => {
                exact::absorb_run::<I, R>(state, run, output);
                true
            }
            _ => false,
        }
    }

    /// [`Accumulator::absorb`] with the baseline instruction set.
    pub(crate) fn absorb_baseline(&mut self, tile: &[u8], axes: &[TileAxis], base: usize, index: i64) {
        self.absorb::<Baseline>(tile, axes, base, index);
    }

    /// Absorbs the element `value` (its native bytes) repeated over the box `axes`, which may be of any size.
    ///
    /// # Panics
    /// If an output lies outside the accumulator or `value` is not one element.
    pub fn absorb_constant(&mut self, value: &[u8], axes: &[TileAxis], base: usize, index: i64) {
        assert_eq!(value.len(), self.dtype.size(), "one {} element", self.dtype);
        // Reduced axes only repeat the element; of places the smallest index counts.
        let (mut repeats, mut lowest) = (1_u64, index);
        let mut kept = [TileAxis::default(); super::axes::TILE_AXES_MAX];
        let mut rank = 0;
        for axis in axes.iter().filter(|axis| axis.length != 1) {
            if axis.output_step == 0 || axis.length == 0 {
                repeats *= axis.length as u64;
                lowest += (axis.index_step * (axis.length as i64 - 1)).min(0);
            } else {
                assert!(rank < kept.len(), "a box has at most {} kept axes", kept.len());
                kept[rank] = *axis;
                rank += 1;
            }
        }
        if repeats == 0 {
            return;
        }
        if let State::FirstZero(_) | State::Places(_) = self.state {
            return each_element(&kept[..rank], base, lowest, |_, output, index| self.absorb_baseline(value, &[], output, index));
        }
        let repeated = self.repeated(value, repeats);
        each_element(&kept[..rank], base, lowest, |_, output, _| self.merge_run(output, &repeated, 0, 1));
    }

    /// An accumulator of one output that absorbed `value` so many times: doubled as often as `count` has bits.
    fn repeated(&self, value: &[u8], count: u64) -> Self {
        let mut power = Self::new(self.kind, self.dtype, 1).expect("one output fits where several did");
        let mut total = power.clone();
        power.absorb_baseline(value, &[], 0, 0);
        let mut rest = count;
        while rest > 0 {
            if rest & 1 == 1 {
                total.merge_run(0, &power, 0, 1);
            }
            rest >>= 1;
            if rest > 0 {
                let half = power.clone();
                power.merge_run(0, &half, 0, 1);
            }
        }
        total
    }

    /// Merges the outputs `from..from + count` of `other` into `at..at + count`.
    ///
    /// # Panics
    /// If the two differ in kind or dtype, or a range is outside.
    pub fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        assert_eq!((self.kind, self.dtype), (other.kind, other.dtype), "accumulators of one reduction merge");
        match (&mut self.state, &other.state) {
            (State::Exact(state), State::Exact(other)) => state.merge_run(at, other, from, count),
            (State::Compensated(state), State::Compensated(other)) => state.merge_run(at, other, from, count),
            (State::Whole(state), State::Whole(other)) => state.merge_run(at, other, from, count),
            (State::Extremes(state), State::Extremes(other)) => state.merge_run(at, other, from, count),
            (State::Truths(state), State::Truths(other)) => state.merge_run(at, other, from, count),
            (State::FirstZero(state), State::FirstZero(other)) => state.merge_run(at, other, from, count),
            (State::Places(state), State::Places(other)) => state.merge_run(at, other, from, count),
            (State::Products(state), State::Products(other)) => state.merge_run(at, other, from, count),
            (State::WholeProducts(state), State::WholeProducts(other)) => state.merge_run(at, other, from, count),
            (State::Pairs(state), State::Pairs(other)) => state.merge_run(at, other, from, count),
            (State::Tallies(state), State::Tallies(other)) => state.merge_run(at, other, from, count),
            (State::Distinct(state), State::Distinct(other)) => state.merge_run(at, other, from, count),
            (State::Sketch(state), State::Sketch(other)) => state.merge_run(at, other, from, count),
            _ => unreachable!("kind and dtype decide the state"),
        }
    }

    /// Takes the elements of `other`'s outputs `from..from + count` out of `at..at + count` again: exact sums,
    /// integers and counts. A sum of zero that is left is `+0.0`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] for the other kinds, [`crate::ErrorKind::Data`] where a NaN or an infinity went
    /// in or more would come out than went in; nothing has changed then.
    pub fn subtract_run(&mut self, at: usize, other: &Self, from: usize, count: usize) -> Result<()> {
        if (self.kind, self.dtype) != (other.kind, other.dtype) {
            return Err(Error::usage("accumulators of different reductions cannot be subtracted"));
        }
        match (&mut self.state, &other.state) {
            (State::Exact(state), State::Exact(other)) => state.subtract_run(at, other, from, count),
            (State::Whole(state), State::Whole(other)) => state.subtract_run(at, other, from, count),
            (State::Truths(state), State::Truths(other)) => state.subtract_run(at, other, from, count),
            (State::Tallies(state), State::Tallies(other)) => state.subtract_run(at, other, from, count),
            _ => Err(Error::usage(format!("{:?} of {} cannot be subtracted", self.kind, self.dtype))),
        }
    }
}

fn absorb_exact<I: InstructionSet>(state: &mut Superaccumulator, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    macro_rules! of {
        ($t:ty, $moments:expr) => {
            cut!(tile, { size_of::<$t>() }, cells => {
                let mut target = exact::Target::<$t, $moments> { state, element: PhantomData };
                I::enter(Walk { state: &mut target, cells, axes, base });
            })
        };
    }
    match (dtype, state.widths[1] > 0) {
        (DType::F16, false) => of!(f16, false),
        (DType::F16, true) => of!(f16, true),
        (DType::BF16, false) => of!(bf16, false),
        (DType::BF16, true) => of!(bf16, true),
        (DType::F32, false) => of!(f32, false),
        (DType::F32, true) => of!(f32, true),
        (_, false) => of!(f64, false),
        (_, true) => of!(f64, true),
    }
}

fn absorb_compensated<I: InstructionSet>(state: &mut Compensated, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    macro_rules! of {
        ($t:ty, $step:expr, $moments:expr) => {
            cut!(tile, { size_of::<$t>() }, cells => {
                let mut target = compensated::Target::<$t, $step, $moments> { state, element: PhantomData };
                I::enter(Walk { state: &mut target, cells, axes, base });
            })
        };
        ($t:ty) => {
            match (state.mode, state.moments) {
                (SumMode::Naive, false) => of!($t, PLAIN, false),
                (SumMode::Naive, true) => of!($t, PLAIN, true),
                (SumMode::Kahan, false) => of!($t, KAHAN, false),
                (SumMode::Kahan, true) => of!($t, KAHAN, true),
                (_, false) => of!($t, NEUMAIER, false),
                (_, true) => of!($t, NEUMAIER, true),
            }
        };
    }
    match dtype {
        DType::F16 => of!(f16),
        DType::BF16 => of!(bf16),
        DType::F32 => of!(f32),
        _ => of!(f64),
    }
}

fn absorb_whole<I: InstructionSet>(state: &mut WholeSums, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    macro_rules! of {
        ($t:ty, $size:expr) => {
            cut!(tile, $size, cells => if state.moments {
                I::enter(Walk { state: &mut whole::Target::<$t, true> { state, element: PhantomData }, cells, axes, base });
            } else {
                I::enter(Walk { state: &mut whole::Target::<$t, false> { state, element: PhantomData }, cells, axes, base });
            })
        };
    }
    match dtype {
        DType::I8 => of!(i8, 1),
        DType::I16 => of!(i16, 2),
        DType::I32 => of!(i32, 4),
        DType::I64 => of!(i64, 8),
        DType::U8 => of!(u8, 1),
        DType::U16 => of!(u16, 2),
        DType::U32 => of!(u32, 4),
        DType::U64 => of!(u64, 8),
        _ => of!(Truth, 1),
    }
}

fn absorb_extremes<I: InstructionSet, const SMALLEST: bool>(
    state: &mut Extremes,
    dtype: DType,
    tile: &[u8],
    axes: &[TileAxis],
    base: usize,
) {
    macro_rules! of {
        ($t:ty, $size:expr) => {
            cut!(tile, $size, cells => {
                I::enter(Walk { state: &mut order::Target::<$t, SMALLEST, false> { state, element: PhantomData }, cells, axes, base });
            })
        };
    }
    match dtype {
        DType::Bool => of!(Truth, 1),
        DType::I8 => of!(i8, 1),
        DType::I16 => of!(i16, 2),
        DType::I32 => of!(i32, 4),
        DType::I64 => of!(i64, 8),
        DType::U8 => of!(u8, 1),
        DType::U16 => of!(u16, 2),
        DType::U32 => of!(u32, 4),
        DType::U64 => of!(u64, 8),
        DType::F16 => of!(f16, 2),
        DType::BF16 => of!(bf16, 2),
        DType::F32 => of!(f32, 4),
        DType::F64 => of!(f64, 8),
    }
}

/// Runs `$body` with `$t` bound to the tested bits of `$dtype` and `$cells` to the tile's elements.
macro_rules! tested {
    ($dtype:expr, $tile:ident, $t:ident, $cells:ident => $body:expr) => {{
        macro_rules! of {
                                                                                    ($u:ty, $float:expr) => {{
                                                                                        type $t = Bits<$u, $float>;
                                                                                        cut!($tile, { size_of::<$u>() }, $cells => $body)
                                                                                    }};
                                                                                }
        match ($dtype.size(), $dtype.is_float()) {
            (1, _) => of!(u8, false),
            (2, false) => of!(u16, false),
            (2, true) => of!(u16, true),
            (4, false) => of!(u32, false),
            (4, true) => of!(u32, true),
            (_, false) => of!(u64, false),
            (_, true) => of!(u64, true),
        }
    }};
}

fn absorb_truths<I: InstructionSet>(state: &mut Truths, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    tested!(dtype, tile, T, cells => I::enter(Walk { state: &mut truth::Target::<T> { state, element: PhantomData }, cells, axes, base }));
}

fn absorb_first(state: &mut FirstZero, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize, index: i64) {
    tested!(dtype, tile, T, cells => state.absorb::<T>(cells, axes, base, index));
}

/// Elements are counted unseen.
fn absorb_count(state: &mut Tallies, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    macro_rules! of {
        ($size:expr) => {
            cut!(tile, $size, cells => Baseline::enter(Walk { state: &mut grouped::TallyTarget { state }, cells, axes, base }))
        };
    }
    match dtype.size() {
        1 => of!(1),
        2 => of!(2),
        4 => of!(4),
        _ => of!(8),
    }
}

/// `of!` with the element type of a dtype.
macro_rules! by_dtype {
    ($dtype:expr, $of:ident) => {
        match $dtype {
            DType::Bool => $of!(Truth),
            DType::I8 => $of!(i8),
            DType::I16 => $of!(i16),
            DType::I32 => $of!(i32),
            DType::I64 => $of!(i64),
            DType::U8 => $of!(u8),
            DType::U16 => $of!(u16),
            DType::U32 => $of!(u32),
            DType::U64 => $of!(u64),
            DType::F16 => $of!(f16),
            DType::BF16 => $of!(bf16),
            DType::F32 => $of!(f32),
            DType::F64 => $of!(f64),
        }
    };
}

fn absorb_distinct<I: InstructionSet>(state: &mut Distinct, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    macro_rules! of {
        ($t:ty) => {
            cut!(tile, { size_of::<$t>() }, cells => {
                I::enter(Walk { state: &mut distinct::Target::<$t> { state, element: PhantomData }, cells, axes, base });
            })
        };
    }
    by_dtype!(dtype, of);
}

fn absorb_sketch<I: InstructionSet>(state: &mut Sketch, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    macro_rules! of {
        ($t:ty) => {
            cut!(tile, { size_of::<$t>() }, cells => {
                I::enter(Walk { state: &mut sketch::Target::<$t> { state, element: PhantomData }, cells, axes, base });
            })
        };
    }
    by_dtype!(dtype, of);
}
