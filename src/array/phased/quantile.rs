//! Quantiles whose lines do not lie whole in a block: a sample, and passes that count and keep.

use super::{Known, Task, round::Round, sample::sampled, too_large};
use crate::{
    array::{any::AnyArray, graph::Work, size::show_memory},
    error::{Error, Result},
    expr::{NodeId, phased::Quantile},
    kernel::order::{
        cuts::{Cuts, KEPT_BYTES},
        scan::Scan,
        seek::{Seek, Wanted},
    },
    nd::{DType, Region},
};
use std::sync::Arc;

/// Elements of a sample, at most; from so many on a bracket is a small part of all.
const SAMPLE: usize = 1 << 19;
/// Elements of which none is sampled first: they are looked at once, and kept as far as there is room.
const SAMPLED_FROM: u64 = 1 << 20;
/// Elements of a sample per lane that say anything about it.
const SAMPLE_OF_LANE: usize = 1024;
/// Elements kept at most: brackets of any array hold fewer.
const ROOM_MAX: u64 = 1 << 25;

pub(super) struct Quantiles {
    node: NodeId,
    operand: NodeId,
    dtype: DType,
    /// Shape and dtype of the result.
    shape: Vec<usize>,
    result: DType,
    /// Which axes of the operand are reduced.
    reduced: Vec<bool>,
    lanes: usize,
    line: u64,
    quantiles: usize,
    seek: Seek,
    /// Whether a sample comes next.
    sampling: bool,
    /// The pass that is under way.
    scan: Option<Arc<Scan>>,
    held_bytes: u64,
}

impl Quantiles {
    pub fn new(work: &Work, node: NodeId, quantile: &Quantile, room_bytes: u64) -> Result<Quantiles> {
        let operand = work.graph.node(node).args[0];
        let value = work.graph.node(operand);
        let (space, dtype) = (value.shape(), value.dtype());
        let reduced: Vec<bool> = (0..space.len()).map(|axis| quantile.axes.contains(&axis)).collect();
        let product = |wanted: bool| (0..space.len()).filter(|&axis| reduced[axis] == wanted).map(|axis| space[axis]).product::<usize>();
        let (lanes, line) = (product(false), product(true) as u64);
        let quantiles = quantile.values();
        let state = Seek::state_bytes(quantiles.len(), lanes);
        let total = line.saturating_mul(lanes as u64);
        let room = (room_bytes.saturating_sub(state) / KEPT_BYTES).min(total.max(64)).min(ROOM_MAX);
        if room < 64 || lanes.saturating_mul(Seek::cuts_max(quantiles.len()) + 1) > u32::MAX as usize {
            let needed = state + 64 * KEPT_BYTES;
            return Err(too_large(&format!("quantiles of {lanes} lines at once"), needed, room_bytes)
                .hint("take them of a part of the other axes at a time"));
        }
        let held_bytes = state + room * KEPT_BYTES;
        let count = quantiles.len();
        let wanted = Wanted { quantiles, method: quantile.method, skip_nan: quantile.skip_nan };
        let result = work.graph.node(node);
        Ok(Quantiles {
            node,
            operand,
            dtype,
            shape: result.shape(),
            result: result.dtype(),
            seek: Seek::new(dtype, wanted, lanes, line, usize::try_from(room).unwrap_or(usize::MAX)),
            sampling: total >= SAMPLED_FROM,
            scan: None,
            reduced,
            lanes,
            line,
            quantiles: count,
            held_bytes,
        })
    }

    /// Has `cuts` asked of `node`.
    fn scan(&mut self, round: &mut Round, name: &str, node: NodeId, reduced: &[bool], cuts: Cuts) -> Result<()> {
        let scan = Scan::new(self.dtype, &round.node(node).shape(), reduced, cuts)?;
        let scratch_bytes = Scan::scratch_bytes(self.lanes, Seek::cuts_max(self.quantiles));
        round.observe(name, node, scratch_bytes, scan.clone())?;
        self.scan = Some(scan);
        Ok(())
    }
}

impl Task for Quantiles {
    fn operands(&self) -> Vec<NodeId> {
        vec![self.operand]
    }

    fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    fn describe(&self) -> String {
        let sample = if self.sampling { "a sample and one or two passes" } else { "a pass or more" };
        let (lines, held) = (self.lanes, show_memory(self.held_bytes));
        let lines = if lines == 1 { String::new() } else { format!(" of {lines} lines of {}", self.line) };
        format!("quantiles{lines} are found in {sample} before this plan, which hold {held}")
    }

    fn ask(&mut self, round: &mut Round) -> Result<()> {
        let operand = round.place(self.operand)?;
        if self.sampling {
            let room = self.seek.room().min(SAMPLE.max(self.lanes.saturating_mul(SAMPLE_OF_LANE)));
            let (part, reduced) = sampled(round, operand, &self.reduced, room / self.lanes.max(1))?;
            let cuts = self.seek.sample_cuts(room);
            return self.scan(round, "sample for quantiles", part, &reduced, cuts);
        }
        let cuts = self.seek.next().ok_or_else(|| Error::internal("a search that is done asks no more"))?;
        let reduced = self.reduced.clone();
        self.scan(round, "pass for quantiles", operand, &reduced, cuts)
    }

    fn ask_less(&mut self) -> bool {
        std::mem::take(&mut self.sampling)
    }

    fn learn(&mut self, _answers: Vec<AnyArray>) -> Result<()> {
        let scan = self.scan.take().ok_or_else(|| Error::internal("a pass that nobody asked for"))?;
        if std::mem::take(&mut self.sampling) {
            self.seek.propose(scan.take());
            return Ok(());
        }
        self.seek.learn(scan.cuts(), scan.take())
    }

    fn values(&mut self) -> Result<Option<Vec<(NodeId, Known)>>> {
        if !self.seek.is_done() {
            return Ok(None);
        }
        let bytes = self.seek.results(self.result);
        let mut array = AnyArray::zeros(self.result, &self.shape)?;
        array.place(&Region::whole(&self.shape), &bytes);
        Ok(Some(vec![(self.node, Known::Array(array))]))
    }
}
