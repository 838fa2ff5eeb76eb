//! The accumulator: one state per kind of reduction and family of element type, and the dispatch to its kernels.

use super::axes::{Baseline, InstructionSet, TileAxis, each_element};
use super::compensated::{Compensated, SumRun};
use super::element::Float;
use super::exact::{self, Superaccumulator};
use super::order::Extremes;
use super::run::{RUN_MIN, Run};
use super::truth::{FirstZero, Truths};
use super::whole::WholeSums;
use super::{AccumulatorKind, SumMode, dispatch, products};
use crate::error::{Error, Result};
use crate::nd::DType;

/// Partial results of a number of outputs of one reduction.
#[derive(Clone, Debug)]
pub struct Accumulator {
    pub(super) kind: AccumulatorKind,
    pub(super) dtype: DType,
    pub(super) outputs: usize,
    pub(super) state: State,
}

/// The states, as structures of arrays.
#[derive(Clone, Debug)]
pub(super) enum State {
    Exact(Superaccumulator),
    /// Sums of products, and what else their statistics need.
    Products(Vec<Superaccumulator>),
    Compensated(Compensated),
    Whole(WholeSums),
    Extremes(Extremes),
    Truths(Truths),
    FirstZero(FirstZero),
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
        let state = match kind {
            AccumulatorKind::Sum(mode) => sums(mode, false),
            AccumulatorKind::Moments(mode) => sums(mode, true),
            AccumulatorKind::Min | AccumulatorKind::Max => State::Extremes(Extremes::new(outputs)),
            AccumulatorKind::Any | AccumulatorKind::All | AccumulatorKind::CountNonzero => State::Truths(Truths::new(outputs)),
            AccumulatorKind::FirstFalse => State::FirstZero(FirstZero::new(outputs)),
            AccumulatorKind::Dot | AccumulatorKind::Weighted | AccumulatorKind::Comoments | AccumulatorKind::Powers => {
                if !dtype.is_float() {
                    return Err(Error::usage(format!("{kind:?} of {dtype}: cast to a float first")));
                }
                let forms = products::forms(kind, dtype).unwrap_or_default();
                State::Products(forms.into_iter().map(|form| Superaccumulator::new(form, outputs)).collect())
            }
        };
        Ok(Self { kind, dtype, outputs, state })
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
        let bytes = match kind {
            AccumulatorKind::Sum(mode) => sums(mode, false),
            AccumulatorKind::Moments(mode) => sums(mode, true),
            AccumulatorKind::Min | AccumulatorKind::Max => each(Extremes::OUTPUT_BYTES),
            AccumulatorKind::Any | AccumulatorKind::All | AccumulatorKind::CountNonzero => each(Truths::OUTPUT_BYTES),
            AccumulatorKind::FirstFalse => each(FirstZero::OUTPUT_BYTES),
            AccumulatorKind::Dot | AccumulatorKind::Weighted | AccumulatorKind::Comoments | AccumulatorKind::Powers => {
                let forms = products::forms(kind, dtype).unwrap_or_default();
                forms.iter().fold(0, |bytes: u64, form| bytes.saturating_add(form.bytes(outputs) + size_of::<Superaccumulator>() as u64))
            }
        };
        bytes.saturating_add(size_of::<Self>() as u64)
    }

    /// Bytes that one output of many takes.
    pub(crate) fn output_bytes(kind: AccumulatorKind, dtype: DType) -> u64 {
        const MANY: usize = 1 << 20;
        Self::state_bytes_max(kind, dtype, MANY) / MANY as u64
    }

    /// Back to empty; keeps the memory.
    pub fn reset(&mut self) {
        match &mut self.state {
            State::Exact(state) => state.reset(),
            State::Products(states) => states.iter_mut().for_each(Superaccumulator::reset),
            State::Compensated(state) => state.reset(),
            State::Whole(state) => state.reset(),
            State::Extremes(state) => state.reset(),
            State::Truths(state) => state.reset(),
            State::FirstZero(state) => state.reset(),
        }
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
        match &mut self.state {
            State::Exact(state) => exact::absorb::<I>(state, self.dtype, tile, axes, base),
            State::Products(states) if self.kind == AccumulatorKind::Powers => {
                products::absorb_powers::<I>(states, self.dtype, tile, axes, base);
            }
            // A dot product of the tile with itself.
            State::Products(states) => products::absorb_pair::<I>(states, self.dtype, [tile, tile], axes, base),
            State::Compensated(state) => dispatch::compensated::<I>(state, self.dtype, tile, axes, base),
            State::Whole(state) => dispatch::whole::<I>(state, self.dtype, tile, axes, base),
            State::Extremes(state) => {
                if matches!(self.kind, AccumulatorKind::Min) {
                    dispatch::extremes::<I, true>(state, self.dtype, tile, axes, base);
                } else {
                    dispatch::extremes::<I, false>(state, self.dtype, tile, axes, base);
                }
            }
            State::Truths(state) => dispatch::truths::<I>(state, self.dtype, tile, axes, base),
            State::FirstZero(state) => dispatch::first(state, self.dtype, tile, axes, base, index),
        }
    }

    /// Absorbs two tiles, both as [`Accumulator::absorb`] has one: the operands of [`AccumulatorKind::Dot`] and
    /// [`AccumulatorKind::Comoments`], the values and the weights of [`AccumulatorKind::Weighted`].
    ///
    /// # Panics
    /// If a tile is shorter than the box, an output lies outside the accumulator, or the kind takes one tile only.
    pub fn absorb_pair<I: InstructionSet>(&mut self, a: &[u8], b: &[u8], axes: &[TileAxis], base: usize) {
        match &mut self.state {
            State::Products(states) if self.kind != AccumulatorKind::Powers => {
                products::absorb_pair::<I>(states, self.dtype, [a, b], axes, base);
            }
            _ => unreachable!("{:?} takes one tile", self.kind),
        }
    }

    /// Absorbs a run of elements that exist nowhere but in registers, as [`Accumulator::absorb`] would absorb a tile of them.
    /// False, and nothing done, where the run is too short for that or this accumulator wants a tile.
    pub(crate) fn absorb_run<I: InstructionSet, R: Run>(&mut self, run: R, output: usize) -> bool {
        match &mut self.state {
            State::Compensated(state) if R::Element::SQUARE_IS_F64 && !state.moments && run.len() >= RUN_MIN => {
                I::enter(SumRun { state, run, output });
                true
            }
            State::Exact(state) if R::Element::SQUARE_IS_F64 && state.form.widths[1] == 0 && run.len() >= RUN_MIN => {
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
        // Reduced axes only repeat the element; the smallest index counts for the first false.
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
        if let State::FirstZero(_) = self.state {
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
            (State::Products(states), State::Products(others)) => {
                states.iter_mut().zip(others).for_each(|(state, other)| state.merge_run(at, other, from, count));
            }
            (State::Compensated(state), State::Compensated(other)) => state.merge_run(at, other, from, count),
            (State::Whole(state), State::Whole(other)) => state.merge_run(at, other, from, count),
            (State::Extremes(state), State::Extremes(other)) => state.merge_run(at, other, from, count),
            (State::Truths(state), State::Truths(other)) => state.merge_run(at, other, from, count),
            (State::FirstZero(state), State::FirstZero(other)) => state.merge_run(at, other, from, count),
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
            (State::Products(states), State::Products(others)) => {
                states.iter().zip(others).try_for_each(|(state, other)| state.check_subtract(at, other, from, count))?;
                states.iter_mut().zip(others).for_each(|(state, other)| state.subtract_run(at, other, from, count));
                Ok(())
            }
            (State::Whole(state), State::Whole(other)) => state.subtract_run(at, other, from, count),
            (State::Truths(state), State::Truths(other)) => state.subtract_run(at, other, from, count),
            _ => Err(Error::usage(format!("{:?} of {} cannot be subtracted", self.kind, self.dtype))),
        }
    }
}
