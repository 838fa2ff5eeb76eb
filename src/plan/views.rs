//! What each node reads without computing: the leaf below a chain of views, and the map to its store.

use crate::{
    expr::{Graph, NodeId, Op, SourceId, movement::view_of},
    kernel::program::Generator,
    nd::{DType, IndexMap, Scalar, shape::c_strides},
    plan::simplify::is_elementwise,
};
use std::collections::BTreeSet;

/// The end of a chain of views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leaf {
    /// A source.
    Source(SourceId),
    /// The same value everywhere.
    Constant(Scalar, DType),
    /// A value made from the (linear) index.
    Sequence(Generator, DType),
    /// The result of a node that is not elementwise: computed in place if the stage can, else a temp. Dense, C order.
    Result(NodeId),
}

/// For every node: its leaf and map, if it is a view of a leaf.
pub struct Views {
    of: Vec<Option<(Leaf, IndexMap)>>,
    holds: BTreeSet<NodeId>,
    multiplies: bool,
}

impl Views {
    /// Looks through the views of `graph`, leaves first. Nodes of `holds` exist as a whole: they are leaves.
    #[must_use]
    pub fn new(graph: &Graph, holds: &BTreeSet<NodeId>) -> Self {
        let multiplies = graph.nodes.iter().any(|node| node.op.product().is_some());
        let mut views = Views { of: Vec::with_capacity(graph.nodes.len()), holds: holds.clone(), multiplies };
        for (index, node) in graph.nodes.iter().enumerate() {
            let shape = node.shape();
            let view = match &node.op {
                _ if holds.contains(&NodeId(index as u32)) => Some(result(NodeId(index as u32), &shape)),
                Op::Source(id) => Some((Leaf::Source(*id), IndexMap::of_source(&graph.sources[id.0 as usize]))),
                Op::Constant(value, dtype) => Some((Leaf::Constant(*value, *dtype), IndexMap::dense(&[], &[]))),
                Op::Sequence { generator, dtype, .. } => Some((Leaf::Sequence(*generator, *dtype), IndexMap::dense(&shape, &[1]))),
                Op::Reduce(_) | Op::Group(_) | Op::Compress { .. } | Op::MapBlocks(_) | Op::Scan { .. } => {
                    Some(result(NodeId(index as u32), &shape))
                }
                op if is_elementwise(op) => None,
                op => views.look_through(graph, op, node.args[0]),
            };
            views.of.push(view);
        }
        views
    }

    /// The leaf and map of `node`.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<&(Leaf, IndexMap)> {
        self.of[node.index()].as_ref()
    }

    /// Whether `node` exists as a whole whatever reads it.
    #[must_use]
    pub fn is_held(&self, node: NodeId) -> bool {
        self.holds.contains(&node)
    }

    /// Whether the graph has products of matrices.
    #[must_use]
    pub fn multiplies(&self) -> bool {
        self.multiplies
    }

    fn look_through(&self, graph: &Graph, op: &Op, arg: NodeId) -> Option<(Leaf, IndexMap)> {
        if let Some((leaf, map)) = &self.of[arg.index()]
            && let Some(seen) = view_of(op, map)
            // A rule gives values along affine steps only: a gathered sequence is a view of its result.
            && (seen.maps.is_empty() || !matches!(leaf, Leaf::Sequence(..)))
        {
            return Some((*leaf, seen));
        }
        if !matches!(op, Op::Reshape(_)) {
            return None;
        }
        // A reshape that is no view reads the operand's result, which then has to exist as a whole.
        let (leaf, map) = result(arg, &graph.node(arg).shape());
        view_of(op, &map).map(|seen| (leaf, seen))
    }
}

fn result(node: NodeId, shape: &[usize]) -> (Leaf, IndexMap) {
    (Leaf::Result(node), IndexMap::dense(shape, &c_strides(shape)))
}
