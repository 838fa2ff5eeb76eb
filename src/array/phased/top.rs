//! The first elements of lines that do not lie whole in a block: one pass that keeps the best of every line so far.

use super::{Known, Task, round::Round, too_large};
use crate::{
    array::{any::AnyArray, graph::Work, size::show_memory},
    error::{Error, Result},
    expr::{
        NodeId,
        phased::{Part, Top},
    },
    kernel::order::{key::write_key, top},
    nd::{DType, Region},
};
use std::sync::Arc;

pub(super) struct TopTask {
    nodes: Vec<(NodeId, Part)>,
    operand: NodeId,
    wanted: Top,
    shape: Vec<usize>,
    dtype: DType,
    pass: Option<Arc<top::Top>>,
    lines: Option<Vec<Vec<(i64, u64)>>>,
    held_bytes: u64,
}

/// Whether a task of `tasks` finds `node` too.
pub(super) fn join(tasks: &mut [TopTask], work: &Work, node: NodeId, top: &Top) -> bool {
    let operand = work.graph.node(node).args[0];
    let same = |task: &&mut TopTask| task.operand == operand && Top { part: top.part, ..task.wanted.clone() } == *top;
    let Some(task) = tasks.iter_mut().find(same) else { return false };
    task.nodes.push((node, top.part));
    true
}

impl TopTask {
    pub fn new(work: &Work, node: NodeId, top: &Top, room_bytes: u64) -> Result<TopTask> {
        let operand = work.graph.node(node).args[0];
        let value = work.graph.node(operand);
        let shape = value.shape();
        let lanes: usize = (0..shape.len()).filter(|&axis| axis != top.axis).map(|axis| shape[axis]).product();
        let held_bytes = top::Top::held_bytes(lanes, top.count);
        if held_bytes > room_bytes {
            let what = format!("the first {} elements of {lanes} lines", top.count);
            return Err(too_large(&what, held_bytes, room_bytes).hint("fewer elements, or a part of the other axes at a time"));
        }
        let lines = (top.count == 0 || shape.contains(&0)).then(|| vec![Vec::new(); lanes]);
        let (dtype, wanted) = (value.dtype(), top.clone());
        Ok(TopTask { nodes: vec![(node, top.part)], operand, wanted, shape, dtype, pass: None, lines, held_bytes })
    }

    /// One of the results: entry `(lane, rank)` goes where the lane's line is.
    fn result(&self, part: Part, lines: &[Vec<(i64, u64)>]) -> Result<AnyArray> {
        let (axis, count) = (self.wanted.axis, self.wanted.count);
        let mut shape = self.shape.clone();
        shape[axis] = count;
        let dtype = if part == Part::Values { self.dtype } else { DType::I64 };
        let inner: usize = shape[axis + 1..].iter().product();
        let mut bytes = vec![0u8; shape.iter().product::<usize>() * dtype.size()];
        for (lane, line) in lines.iter().enumerate() {
            if line.len() < count {
                return Err(Error::changed("lines had fewer elements when they were read than before").hint("a source changed in between"));
            }
            for (rank, (key, place)) in line.iter().enumerate() {
                let at = (lane / inner * inner * count + rank * inner + lane % inner) * dtype.size();
                match part {
                    Part::Values => write_key(dtype, *key, &mut bytes[at..at + dtype.size()]),
                    Part::Numbers => bytes[at..at + 8].copy_from_slice(&(*place as i64).to_ne_bytes()),
                }
            }
        }
        let mut array = AnyArray::zeros(dtype, &shape)?;
        array.place(&Region::whole(&shape), &bytes);
        Ok(array)
    }
}

impl Task for TopTask {
    fn operands(&self) -> Vec<NodeId> {
        vec![self.operand]
    }

    fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    fn describe(&self) -> String {
        let (count, held) = (self.wanted.count, show_memory(self.held_bytes));
        format!("the first {count} along axis {} are found in a pass before this plan, which holds {held}", self.wanted.axis)
    }

    fn ask(&mut self, round: &mut Round) -> Result<()> {
        let operand = round.place(self.operand)?;
        let Top { count, axis, largest, .. } = self.wanted;
        let pass = Arc::new(top::Top::new(self.dtype, &self.shape, axis, count, largest));
        round.observe("pass for the first elements", operand, top::Top::scratch_bytes(), pass.clone())?;
        self.pass = Some(pass);
        Ok(())
    }

    fn learn(&mut self, _answers: Vec<AnyArray>) -> Result<()> {
        self.lines = self.pass.take().map(|pass| pass.take());
        Ok(())
    }

    fn values(&mut self) -> Result<Option<Vec<(NodeId, Known)>>> {
        let Some(lines) = self.lines.take() else { return Ok(None) };
        let made = self.nodes.iter().map(|(node, part)| Ok((*node, Known::Array(self.result(*part, &lines)?))));
        made.collect::<Result<_>>().map(Some)
    }
}
