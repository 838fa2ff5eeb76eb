//! The accumulator: one state per kind of reduction and family of element type, and the dispatch to its kernels.

use super::axes::{Baseline, InstructionSet, TileAxis, each_element};
use super::compensated::Compensated;
use super::distinct::Distinct;
use super::element::Float;
use super::exact::{self, Superaccumulator};
use super::grouped::Tallies;
use super::order::Extremes;
use super::pairs::{Pairs, Side};
use super::places::{Places, Wanted};
use super::product::Products;
use super::run::{RUN_MIN, Run};
use super::sketch::Sketch;
use super::truth::{FirstZero, Truths};
use super::whole::WholeSums;
use super::whole_product::WholeProducts;
use super::{AccumulatorKind, SumMode, dispatch};
use crate::error::{Error, Result};
use crate::nd::DType;

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
                State::Exact(Superaccumulator::new(exact::form(dtype, moments), outputs))
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
        let each = |bytes: u64| bytes.saturating_mul(outputs as u64);
        let sums = |mode: SumMode, moments: bool| {
            if !dtype.is_float() {
                each(WholeSums::output_bytes(moments))
            } else if mode == SumMode::Exact {
                exact::form(dtype, moments).bytes(outputs)
            } else {
                each(Compensated::output_bytes(moments))
            }
        };
        let bytes = match kind.plain() {
            AccumulatorKind::Sum(mode) => sums(mode, false),
            AccumulatorKind::Moments(mode) => sums(mode, true),
            AccumulatorKind::Min | AccumulatorKind::Max => each(Extremes::OUTPUT_BYTES),
            AccumulatorKind::Any | AccumulatorKind::All | AccumulatorKind::CountNonzero => each(Truths::OUTPUT_BYTES),
            AccumulatorKind::FirstFalse => each(FirstZero::OUTPUT_BYTES),
            AccumulatorKind::ArgMin | AccumulatorKind::ArgMax => each(Places::OUTPUT_BYTES),
            kind if kind.is_paired() => Pairs::bytes_max(kind, dtype, outputs),
            AccumulatorKind::Distinct => each(Distinct::OUTPUT_BYTES),
            AccumulatorKind::Sketch => each(Sketch::output_bytes(dtype)),
            AccumulatorKind::Count => Tallies::state_bytes(outputs),
            _ if dtype.is_float() => each(Products::OUTPUT_BYTES),
            _ => each(WholeProducts::OUTPUT_BYTES),
        };
        bytes.saturating_add(size_of::<Self>() as u64)
    }

    /// Bytes that one output of many takes.
    pub(crate) fn output_bytes(kind: AccumulatorKind, dtype: DType) -> u64 {
        const MANY: usize = 1 << 20;
        Self::state_bytes_max(kind, dtype, MANY) / MANY as u64
    }

    /// Exact sums of floats of which none can be lost: every output has digits of its own.
    pub(super) fn with_digits(dtype: DType, outputs: usize) -> Result<Self> {
        if Self::with_digits_bytes(dtype, outputs) > isize::MAX as u64 {
            return Err(Error::refused(format!("the states of {outputs} outputs cannot be addressed")));
        }
        let state = State::Exact(Superaccumulator::new(exact::form(dtype, false).with_digits(), outputs));
        Ok(Self { kind: AccumulatorKind::Sum(SumMode::Exact), dtype, outputs, empty_is_nan: false, state })
    }

    /// [`Accumulator::state_bytes_max`] of [`Accumulator::with_digits`].
    pub(super) fn with_digits_bytes(dtype: DType, outputs: usize) -> u64 {
        exact::form(dtype, false).with_digits().bytes(outputs).saturating_add(size_of::<Self>() as u64)
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

    /// How many elements a sum that is not exact takes at once from now on: a longer run is as good as several tiles of so many, to
    /// the bit, and takes less time.
    pub(crate) fn cut_runs(&mut self, elements: usize) {
        if let State::Compensated(state) = &mut self.state {
            state.cut = elements.max(1);
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
            State::Exact(state) => exact::absorb::<I>(state, self.dtype, tile, axes, base),
            State::Compensated(state) => dispatch::compensated::<I>(state, self.dtype, tile, axes, base),
            State::Whole(state) => dispatch::whole::<I>(state, self.dtype, tile, axes, base),
            State::Extremes(state) => match self.kind {
                AccumulatorKind::NanMin if self.dtype.is_float() => dispatch::numbers::<I, true>(state, self.dtype, tile, axes, base),
                AccumulatorKind::NanMax if self.dtype.is_float() => dispatch::numbers::<I, false>(state, self.dtype, tile, axes, base),
                AccumulatorKind::Min | AccumulatorKind::NanMin => dispatch::extremes::<I, true>(state, self.dtype, tile, axes, base),
                _ => dispatch::extremes::<I, false>(state, self.dtype, tile, axes, base),
            },
            State::Truths(state) => dispatch::truths::<I>(state, self.dtype, tile, axes, base),
            State::FirstZero(state) => dispatch::first(state, self.dtype, tile, axes, base, index),
            State::Places(state) => dispatch::places::<I>(state, self.dtype, wanted, (tile, axes, base, index)),
            State::Products(state) => dispatch::products::<I>(state, self.dtype, tile, axes, base),
            State::WholeProducts(state) => dispatch::whole_products::<I>(state, self.dtype, tile, axes, base),
            State::Pairs(_) => unreachable!("pairs are absorbed as pairs"),
            State::Tallies(state) => dispatch::count(state, self.dtype, tile, axes, base),
            State::Distinct(state) => dispatch::distinct::<I>(state, self.dtype, tile, axes, base),
            State::Sketch(state) => dispatch::sketch::<I>(state, self.dtype, tile, axes, base),
        }
    }

    /// Absorbs a run of elements that exist nowhere but in registers, as [`Accumulator::absorb`] would absorb a tile of them.
    /// False, and nothing done, where the run is too short for that or this accumulator wants a tile.
    pub(crate) fn absorb_run<I: InstructionSet, R: Run>(&mut self, run: R, output: usize) -> bool {
        if !R::Element::SQUARE_IS_F64 || run.len() < RUN_MIN || self.kind.skips_nan() {
            return false;
        }
        match &mut self.state {
            State::Compensated(state) if !state.moments => {
                state.add_run::<I, _, false>(run, output);
                true
            }
            State::Exact(state) if state.form.widths[1] == 0 => {
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

    /// Whether `other` is of the same reduction, as far as states tell.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        (self.kind, self.dtype, self.outputs) == (other.kind, other.dtype, other.outputs)
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
            (State::Exact(state), State::Exact(other)) => {
                state.check_subtract(at, other, from, count)?;
                state.subtract_run(at, other, from, count);
                Ok(())
            }
            (State::Whole(state), State::Whole(other)) => state.subtract_run(at, other, from, count),
            (State::Truths(state), State::Truths(other)) => state.subtract_run(at, other, from, count),
            (State::Tallies(state), State::Tallies(other)) => state.subtract_run(at, other, from, count),
            _ => Err(Error::usage(format!("{:?} of {} cannot be subtracted", self.kind, self.dtype))),
        }
    }
}
