//! How many elements masks select.

use super::{Known, Task, elements, round::Round};
use crate::{
    array::{any::AnyArray, graph::Work},
    error::{Error, Result},
    expr::NodeId,
    nd::DType,
    numeric::Finish,
};

/// The selections of a level, counted together.
pub(super) struct Masks {
    /// Each selection with its mask.
    selections: Vec<(NodeId, NodeId)>,
    /// The masks, each once.
    masks: Vec<NodeId>,
    counts: Option<Vec<usize>>,
}

impl Masks {
    pub fn new(work: &Work, selections: &[NodeId]) -> Masks {
        let selections: Vec<(NodeId, NodeId)> = selections.iter().map(|&id| (id, work.graph.node(id).args[1])).collect();
        let mut masks: Vec<NodeId> = selections.iter().map(|(_, mask)| *mask).collect();
        masks.sort_unstable();
        masks.dedup();
        Masks { selections, masks, counts: None }
    }
}

impl Task for Masks {
    fn operands(&self) -> Vec<NodeId> {
        self.masks.clone()
    }

    fn held_bytes(&self) -> u64 {
        0
    }

    fn describe(&self) -> String {
        let masks = if self.masks.len() == 1 { "1 mask is".to_string() } else { format!("{} masks are", self.masks.len()) };
        format!("{masks} counted in a pass before this plan; lengths shown are bounds")
    }

    fn ask(&mut self, round: &mut Round) -> Result<()> {
        for (index, mask) in self.masks.iter().enumerate() {
            let place = round.place(*mask)?;
            round.reduced(format!("count of mask {}", index + 1), place, Finish::CountNonzero, DType::I64)?;
        }
        Ok(())
    }

    fn learn(&mut self, answers: Vec<AnyArray>) -> Result<()> {
        let count = |array: &AnyArray| -> Result<usize> {
            let count = elements::<i64>(array)?.first().copied().unwrap_or(0);
            usize::try_from(count).map_err(|_| Error::internal("a count below 0"))
        };
        self.counts = Some(answers.iter().map(count).collect::<Result<_>>()?);
        Ok(())
    }

    fn values(&mut self) -> Result<Option<Vec<(NodeId, Known)>>> {
        let Some(counts) = &self.counts else { return Ok(None) };
        let number = |mask: &NodeId| self.masks.binary_search(mask).ok().and_then(|place| counts.get(place)).copied().unwrap_or(0);
        Ok(Some(self.selections.iter().map(|(selection, mask)| (*selection, Known::Count(number(mask)))).collect()))
    }
}
