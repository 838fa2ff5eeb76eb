//! From a program to what watches it: which tiles are asked, and the programs that count.

use super::{
    FindingKind,
    emit::{Emitter, Truth, Wanted},
    values::{Operand, Sink, Values},
};
use crate::{
    error::Result,
    kernel::{
        program::{Accumulation, Instr, Program, Step, UnaryOp, allocate},
        simd::Isa,
        vm::{Prepared, prepare::written},
    },
    nd::DType,
    numeric::AccumulatorKind,
};

/// Bytes that the registers of a counting program take at most, on every worker.
pub(crate) const REGISTER_BYTES_MAX: usize = 64 * 1024;
/// Bytes that a register takes besides its tile, at most.
const REGISTER_SLACK_BYTES: usize = 72;
/// Shortest tile of a counting program.
const TILE_ELEMENTS_MIN: usize = 16;
/// Longest tile of a counting program.
const TILE_ELEMENTS_MAX: usize = 2048;

/// What watches a program.
pub(crate) struct Watch {
    pub(super) values: Values,
    /// The sweeps out of which something comes that could be counted.
    pub(crate) sweeps: Vec<WatchedSweep>,
    /// Step and instruction of every sink whose tiles are asked.
    asked: Vec<(usize, usize)>,
    /// Step and accumulator of every sum that is asked when its sweep is done.
    sums: Vec<(usize, usize)>,
}

/// The program that counts what comes out of one sweep.
pub(crate) struct WatchedSweep {
    pub axes: Vec<bool>,
    /// One sweep; per kind it has an accumulator for the number and one for the first index.
    pub program: Prepared,
    /// The same without the first indices, which cost the most: for blocks behind the first element of a kind.
    pub recount: Prepared,
    pub kinds: Vec<FindingKind>,
    pub(super) sinks: Vec<Sink>,
}

impl Watch {
    /// What watches `program`, which is verified; `None` where nothing can be created.
    pub(crate) fn new(program: &Program, isa: Isa) -> Result<Option<Watch>> {
        let values = Values::of(program);
        let mut made = Watch { values, sweeps: Vec::new(), asked: Vec::new(), sums: Vec::new() };
        for (index, step) in program.steps.iter().enumerate() {
            let Step::Sweep(sweep) = step else { continue };
            let sinks: Vec<Sink> = made.values.sinks.iter().filter(|sink| sink.step == index && made.counts(sink)).cloned().collect();
            if sinks.is_empty() {
                continue;
            }
            if let Some(watched) = made.watched(program, &sweep.axes, sinks, isa)? {
                made.ask(&watched.sinks);
                made.sweeps.push(watched);
            }
        }
        Ok((!made.sweeps.is_empty()).then_some(made))
    }

    fn is_float_sink(&self, sink: &Sink) -> bool {
        self.values.creates(sink.value)
    }

    fn events(&self, sink: &Sink) -> [bool; 2] {
        let (value, mask) = (self.values.events(sink.value), sink.mask.map_or([false; 2], |mask| self.values.events(mask)));
        [value[0] | mask[0], value[1] | mask[1]]
    }

    fn counts(&self, sink: &Sink) -> bool {
        self.is_float_sink(sink) || self.events(sink).contains(&true)
    }

    fn ask(&mut self, sinks: &[Sink]) {
        for sink in sinks {
            if self.is_float_sink(sink) {
                match sink.sum {
                    Some(acc) => self.sums.push((sink.step, acc)),
                    None => self.asked.push((sink.step, sink.place)),
                }
            }
        }
    }

    /// Whether the tiles of a sink are asked.
    pub(crate) fn asks(&self, step: usize, place: usize) -> bool {
        self.asked.contains(&(step, place))
    }

    /// The sums of a step that are asked.
    pub(crate) fn sums(&self, step: usize) -> Vec<usize> {
        self.sums.iter().filter(|(there, _)| *there == step).map(|(_, acc)| *acc).collect()
    }

    /// `None` where a program with that many live values would not be watched within the memory that is set aside.
    fn watched(&self, program: &Program, axes: &[bool], sinks: Vec<Sink>, isa: Isa) -> Result<Option<WatchedSweep>> {
        let floats = sinks.iter().any(|sink| self.is_float_sink(sink));
        let events = sinks.iter().map(|sink| self.events(sink)).fold([false; 2], |all, own| [all[0] | own[0], all[1] | own[1]]);
        let marked = self.values.reachable(sinks.iter().flat_map(|sink| [Some(sink.value), sink.mask]).flatten());
        let mut emitter = Emitter::new(&self.values, &marked, axes.len(), Wanted { finite: floats, events });
        let mut kinds = Vec::new();
        let wanted = [floats, floats, events[0], events[1]];
        for kind in FindingKind::ALL.into_iter().filter(|kind| wanted[*kind as usize]) {
            let mut truth = Truth::Never;
            for sink in &sinks {
                let own = self.mask(&mut emitter, sink, kind);
                truth = emitter.or(truth, own);
            }
            emitter.tally(truth, kinds.len() as u32);
            kinds.push(kind);
        }
        let mut sweep = allocate(axes.to_vec(), emitter.finish(), TILE_ELEMENTS_MIN);
        // Some loads have a register of their own, and one is spare.
        let registers = sweep.registers as usize + 8;
        let widest = sweep.code.iter().filter_map(|instr| written(instr, program)).map(|(_, dtype)| dtype.size()).max().unwrap_or(8);
        sweep.tile_elements = ((REGISTER_BYTES_MAX / registers).saturating_sub(REGISTER_SLACK_BYTES) / widest).min(TILE_ELEMENTS_MAX);
        if sweep.tile_elements < TILE_ELEMENTS_MIN {
            return Ok(None);
        }
        let counter = |kind| Accumulation { kind, dtype: DType::Bool, reduced: vec![true; axes.len()], groups: 1, finishes: Vec::new() };
        let accumulators = kinds.iter().flat_map(|_| [counter(AccumulatorKind::CountNonzero), counter(AccumulatorKind::FirstFalse)]);
        let mut numbers = sweep.clone();
        numbers.code.retain(|instr| !matches!(instr, Instr::Reduce { acc, .. } if acc.0 % 2 == 1));
        let counting = Program { slots: program.slots.clone(), accumulators: accumulators.collect(), steps: vec![Step::Sweep(sweep)] };
        let program = Prepared::counting(&counting, isa)?;
        let recount = Prepared::counting(&Program { steps: vec![Step::Sweep(numbers)], ..counting }, isa)?;
        Ok(Some(WatchedSweep { axes: axes.to_vec(), program, recount, kinds, sinks }))
    }

    /// The elements of a sink that count for `kind`.
    fn mask(&self, emitter: &mut Emitter, sink: &Sink, kind: FindingKind) -> Truth {
        let leaves = sink.mask.map_or(Truth::Always, |mask| emitter.truth(mask));
        if kind.is_float() {
            if !self.is_float_sink(sink) {
                return Truth::Never;
            }
            let op = if kind == FindingKind::Nan { UnaryOp::IsNan } else { UnaryOp::IsInf };
            let bad = emitter.asks(op, self.dtype(sink.value), sink.value);
            let created = emitter.and(bad, emitter.finite(sink.value));
            return emitter.and(created, leaves);
        }
        let place = usize::from(kind == FindingKind::ZeroDivision);
        let met = emitter.event(sink.value, place);
        let met = emitter.and(met, leaves);
        let decided = sink.mask.map_or(Truth::Never, |mask| emitter.event(mask, place));
        emitter.or(met, decided)
    }

    fn dtype(&self, operand: Operand) -> DType {
        match operand {
            Operand::Value(index) => self.values.all[index].dtype,
            Operand::Constant(_) => DType::F64,
        }
    }
}
