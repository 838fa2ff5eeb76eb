//! Distinct elements and their counts: one pass with a table that is bounded.

use super::{Known, Task, round::Round};
use crate::{
    array::{any::AnyArray, graph::Work, size::show_memory},
    error::{Error, Result},
    expr::{NodeId, phased::Part},
    kernel::order::{
        distinct::{Distinct, ENTRY_BYTES},
        key::write_key,
    },
    nd::{DType, Element, Region},
};
use std::sync::Arc;

pub(super) struct Unique {
    nodes: Vec<(NodeId, Part)>,
    operand: NodeId,
    dtype: DType,
    room: usize,
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
        Unique { nodes: vec![(node, part)], operand, dtype: value.dtype(), room, pass: None, found }
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
        self.pass = Some(pass);
        Ok(())
    }

    fn learn(&mut self, _answers: Vec<AnyArray>) -> Result<()> {
        let pass = self.pass.take().ok_or_else(|| Error::internal("a pass that nobody asked for"))?;
        let refused = || {
            let (room, held) = (self.room, show_memory(self.held_bytes()));
            Error::refused(format!("there are more than {room} distinct elements, and {held} of the memory budget hold no more"))
                .hint("more memory, or round the elements first")
                .with_needed_bytes(self.held_bytes().saturating_mul(2 * super::SHARE))
        };
        self.found = Some(pass.take().ok_or_else(refused)?);
        Ok(())
    }

    fn values(&mut self) -> Result<Option<Vec<(NodeId, Known)>>> {
        let Some(found) = self.found.take() else { return Ok(None) };
        let made = self.nodes.iter().map(|(node, part)| Ok((*node, Known::Array(self.result(*part, &found)?))));
        made.collect::<Result<_>>().map(Some)
    }
}
