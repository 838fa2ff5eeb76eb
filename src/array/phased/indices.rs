//! Arrays of indices: they are computed before what they pick is gathered, and held as a list from then on.

use super::{Known, Task, round::Round};
use crate::{
    array::{any::AnyArray, graph::Work, size::show_memory},
    error::{Error, Result},
    expr::NodeId,
};
use std::sync::Arc;

/// Bytes of an entry of a list, beside those of the index it is made of.
pub(super) const ENTRY_BYTES: u64 = size_of::<usize>() as u64;

/// One array of indices and what it picks.
pub(super) struct Indices {
    node: NodeId,
    operand: NodeId,
    axis: usize,
    /// Length of the axis that they are indices of.
    length: usize,
    count: usize,
    list: Option<Arc<[usize]>>,
}

impl Indices {
    pub fn new(work: &Work, node: NodeId, axis: usize) -> Indices {
        let [value, operand] = [0, 1].map(|place| work.graph.node(node).args[place]);
        let (length, count) = (work.graph.node(value).shape()[axis], work.graph.node(operand).shape().iter().product());
        Indices { node, operand, axis, length, count, list: None }
    }
}

impl Task for Indices {
    fn operands(&self) -> Vec<NodeId> {
        vec![self.operand]
    }

    fn held_bytes(&self) -> u64 {
        self.count as u64 * ENTRY_BYTES
    }

    fn describe(&self) -> String {
        let held = show_memory(self.held_bytes());
        format!("{} indices of axis {} are read in a pass before this plan and held in {held}", self.count, self.axis)
    }

    fn ask(&mut self, round: &mut Round) -> Result<()> {
        let place = round.place(self.operand)?;
        round.output("indices", place);
        Ok(())
    }

    fn learn(&mut self, answers: Vec<AnyArray>) -> Result<()> {
        let answer = answers.first().ok_or_else(|| Error::internal("no indices"))?;
        let count = answer.shape().iter().product();
        let index = |place: usize| {
            let index = answer.scalar(place).ok_or_else(|| Error::internal("an index is missing"))?;
            checked(index.to_i128(), place, self.axis, self.length)
        };
        self.list = Some((0..count).map(index).collect::<Result<_>>()?);
        Ok(())
    }

    fn values(&mut self) -> Result<Option<Vec<(NodeId, Known)>>> {
        Ok(self.list.take().map(|list| vec![(self.node, Known::List(list))]))
    }
}

/// The place that an index means; negative ones count from the end.
fn checked(index: i128, place: usize, axis: usize, length: usize) -> Result<usize> {
    let shifted = if index < 0 { index + length as i128 } else { index };
    usize::try_from(shifted).ok().filter(|&found| found < length).ok_or_else(|| {
        Error::data(format!("index {index}, at place {place} of the array of indices, is out of bounds for axis {axis} of length {length}"))
    })
}
