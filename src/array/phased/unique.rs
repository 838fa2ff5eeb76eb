//! Distinct elements and their counts: one pass with a table that is bounded.

use super::{Known, Task, elements, round::Round};
use crate::{
    array::{any::AnyArray, graph::Work, size::show_memory},
    error::{Error, Result},
    expr::{NodeId, phased::Part},
    kernel::order::{
        distinct::{Distinct, ENTRY_BYTES},
        key::write_key,
    },
    nd::{DType, Element, Region},
    numeric::Finish,
};
use std::sync::Arc;

pub(super) struct Unique {
    nodes: Vec<(NodeId, Part)>,
    operand: NodeId,
    dtype: DType,
    room: usize,
    /// Elements.
    total: usize,
    pass: Option<Arc<Distinct>>,
    found: Option<Vec<(i64, u64)>>,
}

/// Whether a task of `tasks` finds `node` too.
pub(super) fn join(tasks: &mut [Unique], work: &Work, node: NodeId, part: Part) -> bool {
    let operand = work.graph.node(node).args[0];
    let Some(task) = tasks.iter_mut().find(|task| task.operand == operand) else { return false };
    task.nodes.push((node, part));
    true
}

impl Unique {
    pub fn new(work: &Work, node: NodeId, part: Part, room_bytes: u64) -> Unique {
        let operand = work.graph.node(node).args[0];
        let value = work.graph.node(operand);
        let total: usize = value.shape().iter().product();
        let room = usize::try_from(room_bytes / ENTRY_BYTES).unwrap_or(usize::MAX).min(total);
        let found = (total == 0).then(Vec::new);
        Unique { nodes: vec![(node, part)], operand, dtype: value.dtype(), room, total, pass: None, found }
    }

    /// Whether there can be more distinct elements than there is room for: then it is told how many there are.
    fn may_not_fit(&self) -> bool {
        let possible = 1_usize.checked_shl(8 * self.dtype.size() as u32).unwrap_or(usize::MAX);
        self.room < possible.min(self.total)
    }

    fn result(&self, part: Part, found: &[(i64, u64)]) -> Result<AnyArray> {
        let dtype = if part == Part::Values { self.dtype } else { DType::I64 };
        let mut bytes = vec![0u8; found.len() * dtype.size()];
        for (bytes, (key, count)) in bytes.chunks_exact_mut(dtype.size()).zip(found) {
            match part {
                Part::Values => write_key(dtype, *key, bytes),
                Part::Numbers => bytes.copy_from_slice(i64::as_bytes(&[*count as i64])),
            }
        }
        let shape = [found.len()];
        let mut array = AnyArray::zeros(dtype, &shape)?;
        array.place(&Region::whole(&shape), &bytes);
        Ok(array)
    }
}

impl Task for Unique {
    fn operands(&self) -> Vec<NodeId> {
        vec![self.operand]
    }

    fn held_bytes(&self) -> u64 {
        self.room as u64 * ENTRY_BYTES
    }

    fn describe(&self) -> String {
        let held = show_memory(self.held_bytes());
        format!("distinct elements are found in a pass before this plan, up to {} of them in {held}; lengths shown are bounds", self.room)
    }

    fn ask(&mut self, round: &mut Round) -> Result<()> {
        let operand = round.place(self.operand)?;
        let pass = Arc::new(Distinct::new(self.dtype, self.room));
        round.observe("pass for distinct elements", operand, Distinct::scratch_bytes(), pass.clone())?;
        if self.may_not_fit() {
            round.reduced("number of distinct elements, about", operand, Finish::ApproxDistinct, DType::I64)?;
        }
        self.pass = Some(pass);
        Ok(())
    }

    fn learn(&mut self, answers: Vec<AnyArray>) -> Result<()> {
        let pass = self.pass.take().ok_or_else(|| Error::internal("a pass that nobody asked for"))?;
        if let Some(found) = pass.take() {
            self.found = Some(found);
            return Ok(());
        }
        let about =
            answers.last().map(elements::<i64>).transpose()?.and_then(|counted| counted.first()).map_or(0, |counted| *counted as u64);
        // The estimate may lie below what is there for certain; what it says is needed has to be enough.
        let about = about.max(self.room as u64 + 1);
        let needed = (about + about / 16).saturating_mul(ENTRY_BYTES * super::SHARE);
        let (room, held) = (self.room, show_memory(self.held_bytes()));
        let text = format!("there are about {about} distinct elements, and {held} of the memory budget hold {room}");
        Err(Error::refused(text).hint(format!("--memory {}, or round the elements first", show_memory(needed))).with_needed_bytes(needed))
    }

    fn values(&mut self) -> Result<Option<Vec<(NodeId, Known)>>> {
        let Some(found) = self.found.take() else { return Ok(None) };
        let made = self.nodes.iter().map(|(node, part)| Ok((*node, Known::Array(self.result(*part, &found)?))));
        made.collect::<Result<_>>().map(Some)
    }
}
