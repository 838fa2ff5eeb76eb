//! Tables that elements are looked up in, and numbers of groups: small values that are computed as they stand in the graph.

use super::{Known, Task, elements, round::Round};
use crate::{
    array::{any::AnyArray, graph::Work, group::group_count, lookup::checked},
    error::{Error, Result},
    expr::{NodeId, Op},
    kernel::program::{Search, TABLE_MAX, Table},
    nd::DType,
};

/// Bounds of numbers of groups that plans are made for before the number is known.
const ASSUMED_GROUPS_MAX: usize = 1 << 16;

/// The tables and the numbers of groups of a level, computed together.
pub(super) struct Tables {
    waiting: Vec<Waiting>,
    answers: Option<Vec<AnyArray>>,
}

/// A node and the operand that it waits for.
struct Waiting {
    node: NodeId,
    operand: NodeId,
    /// How a table is searched, and for elements of which dtype; `None`: a number of groups.
    search: Option<(Search, DType)>,
}

impl Tables {
    pub fn new(work: &Work, nodes: &[NodeId]) -> Tables {
        let waiting = nodes.iter().filter_map(|&node| {
            let found = work.graph.node(node);
            let search = match found.op {
                Op::Search { search, .. } => Some((search, work.graph.node(found.args[0]).dtype())),
                _ => None,
            };
            found.args.last().map(|&operand| Waiting { node, operand, search })
        });
        Tables { waiting: waiting.collect(), answers: None }
    }
}

impl Task for Tables {
    fn operands(&self) -> Vec<NodeId> {
        self.waiting.iter().map(|waiting| waiting.operand).collect()
    }

    fn held_bytes(&self) -> u64 {
        let tables = self.waiting.iter().filter(|waiting| waiting.search.is_some()).count();
        (tables * TABLE_MAX * size_of::<u64>()) as u64
    }

    fn describe(&self) -> String {
        let tables = self.waiting.iter().filter(|waiting| waiting.search.is_some()).count();
        let plural = |count: usize, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
        let parts = match (tables, self.waiting.len() - tables) {
            (0, groups) => plural(groups, "number of groups"),
            (tables, 0) => plural(tables, "table"),
            (tables, groups) => format!("{} and {}", plural(tables, "table"), plural(groups, "number of groups")),
        };
        format!("{parts} computed in a pass before this plan")
    }

    fn ask(&mut self, round: &mut Round) -> Result<()> {
        for (index, waiting) in self.waiting.iter().enumerate() {
            let place = round.place(waiting.operand)?;
            let length: usize = round.node(place).shape().iter().product();
            if length > TABLE_MAX {
                return Err(Error::refused(format!("a table of {length} elements; {TABLE_MAX} is the most that is searched")));
            }
            round.output(format!("table {}", index + 1), place);
        }
        Ok(())
    }

    fn learn(&mut self, answers: Vec<AnyArray>) -> Result<()> {
        self.answers = Some(answers);
        Ok(())
    }

    fn values(&mut self) -> Result<Option<Vec<(NodeId, Known)>>> {
        let Some(answers) = &self.answers else { return Ok(None) };
        let value = |(waiting, answer): (&Waiting, &AnyArray)| -> Result<(NodeId, Known)> {
            let known = match waiting.search {
                Some((search, dtype)) => Known::Table(checked(&Table::from_bytes(answer.dtype(), answer.bytes()), dtype, search)?),
                None => {
                    let count = elements::<i64>(answer)?.first().copied().unwrap_or(0).max(0);
                    Known::Count(group_count(usize::try_from(count).unwrap_or(usize::MAX))?)
                }
            };
            Ok((waiting.node, known))
        };
        self.waiting.iter().zip(answers).map(value).collect::<Result<Vec<_>>>().map(Some)
    }
}

/// A table of the right length, for plans that are only looked at.
pub(super) fn any_table(work: &crate::expr::Graph, node: NodeId) -> Table {
    let [value, table] = [0, 1].map(|place| work.node(work.node(node).args[place]));
    let length = table.shape().first().copied().unwrap_or(0).min(TABLE_MAX);
    Table { dtype: Table::meeting(value.dtype(), table.dtype()), bits: vec![0; length] }
}

/// A number of groups for plans that are only looked at. Without a bound any number would do as well.
pub(super) fn any_groups(groups_max: usize) -> usize {
    if groups_max <= ASSUMED_GROUPS_MAX { groups_max } else { 1 }
}
