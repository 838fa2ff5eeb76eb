//! Quantiles whose lines do not lie whole in a block: a sample, and passes that count and keep.

use super::{Known, Task, round::Round, sample::sampled, too_large};
use crate::{
    array::{any::AnyArray, graph::Work, size::show_memory},
    error::{Error, Result},
    expr::{NodeId, Op, phased::Quantile},
    kernel::order::{
        cuts::{Cuts, KEPT_BYTES},
        scan::Scan,
        seek::{Seek, Wanted},
    },
    nd::{DType, SliceItem},
};
use std::{ops::Range, sync::Arc};

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
    wanted: Wanted,
    /// The result, filled panel by panel; `None` when it was handed over.
    result: Option<AnyArray>,
    /// Which axes of the operand are reduced.
    reduced: Vec<bool>,
    lanes: usize,
    line: u64,
    /// The kept axis that is cut where states of all lanes at once would not fit: all its ranges, and the lanes of one step along it.
    cut: usize,
    panels: Vec<Range<usize>>,
    lanes_per_step: usize,
    panel: usize,
    seek: Seek,
    room: usize,
    /// Whether a sample comes next.
    sampling: bool,
    samples: bool,
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
        let wanted = Wanted { quantiles: quantile.values(), method: quantile.method, skip_nan: quantile.skip_nan };
        let count = wanted.quantiles.len();
        let result = work.graph.node(node);
        let result_bytes = result.shape().iter().product::<usize>() as u64 * result.dtype().size() as u64;
        let room_bytes = room_bytes.saturating_sub(result_bytes);
        // At most half of the room for states, the rest for what is kept.
        let lanes_max = usize::try_from(room_bytes / 2 / Seek::state_bytes(count, 1).max(1)).unwrap_or(usize::MAX);
        let lanes_max = lanes_max.min(u32::MAX as usize / (Seek::cuts_max(count) + 1));
        let cut = (0..space.len()).find(|&axis| !reduced[axis] && space[axis] > 1).unwrap_or(0);
        let length = if lanes <= 1 { 1 } else { space[cut] };
        let lanes_per_step = lanes / length.max(1);
        let step = lanes_max / lanes_per_step.max(1);
        if step == 0 {
            let needed = Seek::state_bytes(count, lanes_per_step).saturating_mul(2);
            let what = format!("quantiles of {lanes_per_step} lines at once");
            return Err(too_large(&what, needed, room_bytes).hint("take them of a part of the other axes at a time"));
        }
        let panels: Vec<Range<usize>> = (0..length).step_by(step).map(|first| first..(first + step).min(length)).collect();
        let panel_lanes = lanes_per_step * step.min(length);
        let total = line.saturating_mul(panel_lanes as u64);
        let state = Seek::state_bytes(count, panel_lanes);
        let room = (room_bytes.saturating_sub(state) / KEPT_BYTES).min(total.max(64)).min(ROOM_MAX);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let result = AnyArray::zeros(result.dtype(), &result.shape())?;
        let samples = total >= SAMPLED_FROM;
        let held_bytes = state + room as u64 * KEPT_BYTES + result_bytes;
        let seek = Seek::new(dtype, wanted.clone(), if lanes == 0 { 0 } else { panel_lanes }, line, room);
        Ok(Quantiles {
            node,
            operand,
            dtype,
            wanted,
            result: Some(result),
            reduced,
            lanes,
            line,
            cut,
            panels,
            lanes_per_step,
            panel: 0,
            seek,
            room,
            sampling: samples,
            samples,
            scan: None,
            held_bytes,
        })
    }

    /// The operand, or the part of it that the panel at hand is made from.
    fn part(&self, round: &mut Round) -> Result<NodeId> {
        let operand = round.place(self.operand)?;
        if self.panels.len() < 2 {
            return Ok(operand);
        }
        let mut items = vec![SliceItem::FULL; self.reduced.len()];
        let range = &self.panels[self.panel];
        items[self.cut] = SliceItem::Range { start: Some(range.start as i64), stop: Some(range.end as i64), step: 1 };
        round.push(Op::Slice(items), vec![operand])
    }

    /// Puts the results of a finished panel where they belong, and begins with the next one.
    fn finish_panel(&mut self) -> Result<()> {
        let result = self.result.as_mut().ok_or_else(|| Error::internal("quantiles are found once"))?;
        let (dtype, shape) = (result.dtype(), vec![self.wanted.quantiles.len(), self.lanes]);
        let bytes = self.seek.results(dtype);
        if let Some(range) = self.panels.get(self.panel) {
            let (first, lanes) = (range.start * self.lanes_per_step, range.len() * self.lanes_per_step);
            for (quantile, bytes) in bytes.chunks_exact((lanes * dtype.size()).max(1)).enumerate() {
                result.place_flat(quantile * shape[1] + first, bytes);
            }
        }
        self.panel += 1;
        if let Some(range) = self.panels.get(self.panel) {
            let lanes = range.len() * self.lanes_per_step;
            self.seek = Seek::new(self.dtype, self.wanted.clone(), lanes, self.line, self.room);
            self.sampling = self.samples;
        }
        Ok(())
    }

    /// Has `cuts` asked of `node`.
    fn scan(&mut self, round: &mut Round, name: &str, node: NodeId, reduced: &[bool], cuts: Cuts) -> Result<()> {
        let scratch_bytes = Scan::scratch_bytes(cuts.lanes, Seek::cuts_max(self.wanted.quantiles.len()));
        let scan = Scan::new(self.dtype, &round.node(node).shape(), reduced, cuts)?;
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
        let parts = if self.panels.len() < 2 { String::new() } else { format!(" of each of {} parts", self.panels.len()) };
        format!("quantiles{lines} are found in {sample}{parts} before this plan, which hold {held}")
    }

    fn ask(&mut self, round: &mut Round) -> Result<()> {
        let operand = self.part(round)?;
        let reduced = self.reduced.clone();
        if self.sampling {
            let lanes = self.panels.get(self.panel).map_or(0, |range| range.len() * self.lanes_per_step).max(1);
            let room = self.room.min(SAMPLE.max(lanes.saturating_mul(SAMPLE_OF_LANE)));
            let (part, reduced) = sampled(round, operand, &reduced, room / lanes)?;
            let cuts = self.seek.sample_cuts(room);
            return self.scan(round, "sample for quantiles", part, &reduced, cuts);
        }
        let cuts = self.seek.next().ok_or_else(|| Error::internal("a search that is done asks no more"))?;
        self.scan(round, "pass for quantiles", operand, &reduced, cuts)
    }

    fn is_sampling(&self) -> bool {
        self.sampling
    }

    fn ask_less(&mut self) -> bool {
        self.samples = false;
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
        while self.seek.is_done() && self.panel < self.panels.len() {
            self.finish_panel()?;
        }
        if self.panel < self.panels.len() {
            return Ok(None);
        }
        Ok(self.result.take().map(|result| vec![(self.node, Known::Array(result))]))
    }
}
