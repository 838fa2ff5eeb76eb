//! Which operation it was: one element computed once more, one operation after the other.

use super::{
    Blame, FindingKind, Watch, WatchedSweep,
    checks::{binary_check, cast_check, unary_check},
    values::{Make, Operand, Value},
};
use crate::{
    kernel::{
        generate,
        program::{CastMode, SlotId},
        search::SearchTable,
        simd::Kernels,
    },
    nd::{DType, Element, Scalar},
    numeric::Baseline,
};
use bytemuck::{cast_slice, cast_slice_mut};
use half::{bf16, f16};

/// Where the element is, and what lies there.
pub(crate) struct Place<'a> {
    /// Its coordinate in the stage's space.
    pub coordinate: &'a [usize],
    /// The native bytes of an element of a slot there, at the front.
    pub load: &'a dyn Fn(SlotId) -> [u64; 1],
    /// The kernels that computed it.
    pub kernels: &'a Kernels,
}

impl Watch {
    /// The operation that made the element at `place` count for `kind`.
    pub(crate) fn blame(&self, sweep: &WatchedSweep, kind: FindingKind, place: &Place<'_>) -> Option<Blame> {
        let roots = sweep.sinks.iter().flat_map(|sink| [Some(sink.value), sink.mask]).flatten();
        let marked = self.values.reachable(roots);
        let mut words = vec![[0u64; 1]; self.values.all.len()];
        for (index, value) in self.values.all.iter().enumerate().filter(|(index, _)| marked[*index]) {
            words[index] = compute(value, &words, place);
        }
        let search = Search { watch: self, words: &words };
        let leaves = |mask: Option<Operand>| mask.is_none_or(|mask| search.is_true(mask));
        if kind.is_float() {
            let sinks = sweep.sinks.iter().filter(|sink| leaves(sink.mask));
            return sinks.filter_map(|sink| search.creator(sink.value, kind)).next();
        }
        let mut live = vec![false; words.len()];
        for sink in &sweep.sinks {
            let reached = [Some(sink.value).filter(|_| leaves(sink.mask)), sink.mask];
            for operand in reached.into_iter().flatten() {
                if let Operand::Value(index) = operand {
                    live[index] = true;
                }
            }
        }
        search.event(&mut live, kind)
    }
}

fn word(operand: Operand, dtype: DType, words: &[[u64; 1]]) -> [u64; 1] {
    match operand {
        Operand::Value(index) => words[index],
        Operand::Constant(value) => constant(value, dtype),
    }
}

fn constant(value: Scalar, dtype: DType) -> [u64; 1] {
    let mut word = [0u64; 1];
    cast_slice_mut::<u64, u8>(&mut word)[..dtype.size()].copy_from_slice(&value.to_bytes(dtype));
    word
}

fn front(word: &[u64; 1], dtype: DType) -> &[u8] {
    &cast_slice::<u64, u8>(word)[..dtype.size()]
}

fn compute(value: &Value, words: &[[u64; 1]], place: &Place<'_>) -> [u64; 1] {
    let mut out = [0u64; 1];
    let to: &mut [u8] = &mut cast_slice_mut(&mut out)[..value.dtype.size()];
    let from = value.from;
    match value.make {
        Make::Load(slot) => return (place.load)(slot),
        Make::Generate { ref generator, offset, ref strides } => {
            let index: i64 = strides.iter().zip(place.coordinate).map(|(stride, at)| stride * *at as i64).sum();
            generate::fill(generator, value.dtype, &[], offset + index, to, place.kernels.draw);
        }
        Make::Unary(op, a) => {
            if let Some(kernel) = (place.kernels.unary)(op, from) {
                kernel(to, front(&word(a, from, words), from));
            }
        }
        Make::Binary(op, a, b) => {
            use crate::kernel::program::BinaryOp::{Greater, GreaterEqual, Less, LessEqual};
            let (op, a, b) = match op {
                Greater => (Less, b, a),
                GreaterEqual => (LessEqual, b, a),
                op => (op, a, b),
            };
            if let Some(kernels) = (place.kernels.binary)(op, from) {
                (kernels.vector_vector)(to, front(&word(a, from, words), from), front(&word(b, from, words), from));
            }
        }
        Make::Select(mask, a, b) => {
            let chosen = if front(&word(mask, DType::Bool, words), DType::Bool)[0] != 0 { a } else { b };
            return word(chosen, from, words);
        }
        Make::Search(ref made, a) => {
            let (table, search) = made.as_ref();
            (place.kernels.search)(&SearchTable::new(table, *search, from), to, front(&word(a, from, words), from));
        }
        Make::Cast(mode, a) => {
            let mode = if from.is_float() && mode.is_checked() { CastMode::Saturate } else { mode };
            (place.kernels.cast)(from, value.dtype, mode)(to, front(&word(a, from, words), from));
        }
    }
    out
}

struct Search<'a> {
    watch: &'a Watch,
    words: &'a [[u64; 1]],
}

impl Search<'_> {
    fn is_true(&self, mask: Operand) -> bool {
        front(&word(mask, DType::Bool, self.words), DType::Bool)[0] != 0
    }

    /// The element as `f64`, if it is a float.
    fn float(&self, operand: Operand) -> Option<f64> {
        let Operand::Value(index) = operand else { return None };
        let bytes = front(&self.words[index], self.watch.values.all[index].dtype);
        match self.watch.values.all[index].dtype {
            DType::F16 => Some(f16::from_bytes(bytes).to_f64()),
            DType::BF16 => Some(bf16::from_bytes(bytes).to_f64()),
            DType::F32 => Some(f32::from_bytes(bytes).into()),
            DType::F64 => Some(f64::from_bytes(bytes)),
            _ => None,
        }
    }

    /// Goes down from a result that is not finite, along what is not finite, to the operation whose operands all are.
    fn creator(&self, sink: Operand, kind: FindingKind) -> Option<Blame> {
        let found = self.float(sink)?;
        if found.is_finite() || found.is_nan() != (kind == FindingKind::Nan) {
            return None;
        }
        let mut at = sink;
        loop {
            let Operand::Value(index) = at else { return None };
            let value = &self.watch.values.all[index];
            let next = match value.make {
                Make::Load(_) | Make::Generate { .. } => return None,
                Make::Select(mask, a, b) => Some(if self.is_true(mask) { a } else { b }),
                _ => value.make.operands().find(|operand| self.float(*operand).is_some_and(|value| !value.is_finite())),
            };
            match next {
                Some(next) => at = next,
                None => return Some(blamed(value)),
            }
        }
    }

    /// The first operation with an event among those that reach a result.
    fn event(&self, live: &mut [bool], kind: FindingKind) -> Option<Blame> {
        for index in (0..live.len()).rev() {
            if !live[index] {
                continue;
            }
            let make = &self.watch.values.all[index].make;
            let reached: Vec<Operand> = match *make {
                Make::Select(mask, a, b) => vec![mask, if self.is_true(mask) { a } else { b }],
                _ => make.operands().collect(),
            };
            for operand in reached {
                if let Operand::Value(below) = operand {
                    live[below] = true;
                }
            }
        }
        let values = &self.watch.values.all;
        values.iter().enumerate().find(|(index, value)| live[*index] && self.has_event(*index, value, kind)).map(|(_, value)| blamed(value))
    }

    fn has_event(&self, index: usize, value: &Value, kind: FindingKind) -> bool {
        let (from, out) = (value.from, front(&self.words[index], value.dtype));
        let operand = |operand| word(operand, from, self.words);
        match value.make {
            Make::Unary(op, a) if kind == FindingKind::Wrap => {
                unary_check::<Baseline>(op, from).is_some_and(|check| check(out, front(&operand(a), from), front(&operand(a), from)))
            }
            Make::Binary(op, a, b) => {
                let (a, b) = (operand(a), operand(b));
                let by_zero = front(&b, from).iter().all(|&byte| byte == 0) && {
                    use crate::kernel::program::BinaryOp::{FloorDivide, Fmod, Remainder};
                    matches!(op, FloorDivide | Remainder | Fmod)
                };
                by_zero == (kind == FindingKind::ZeroDivision)
                    && binary_check::<Baseline>(op, from).is_some_and(|check| check(out, front(&a, from), front(&b, from)))
            }
            Make::Cast(mode, a) if kind == FindingKind::Wrap => {
                cast_check::<Baseline>(from, value.dtype, mode).is_some_and(|check| check(out, front(&operand(a), from), &[]))
            }
            _ => false,
        }
    }
}

fn blamed(value: &Value) -> Blame {
    let operation = match value.make {
        Make::Unary(op, _) => op.name(),
        Make::Binary(op, ..) => op.name(),
        Make::Cast(..) => "cast",
        Make::Select(..) => "where",
        Make::Search(..) => "searchsorted",
        Make::Load(_) | Make::Generate { .. } => "load",
    };
    Blame { operation, from: value.from, to: value.dtype }
}
