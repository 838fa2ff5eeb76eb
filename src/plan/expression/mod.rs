//! The values of one stage: what is computed at every point of its space, with every view pushed down to the loads.
//!
//! A value is a node seen through an index map. The walk goes from the requested nodes down, parents before
//! children (node numbers are a topological order), and never recurses.

mod walk;

pub use walk::express;

use crate::{
    expr::{NodeId, Reduction},
    kernel::program::{BinaryOp, CastMode, Generator, UnaryOp},
    nd::{DType, IndexMap, Scalar},
    plan::placing::{Axes, Placed},
};
use std::collections::BTreeSet;

/// Index into [`Expression::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// How a value is made.
#[derive(Clone, Debug, PartialEq)]
pub enum Make {
    /// Read from a source, or from the result of another stage.
    Load(LoadFrom, IndexMap),
    /// The same everywhere.
    Constant(Scalar),
    /// Made from an index: the rule and the (linear) map to the index.
    Sequence(Generator, IndexMap),
    /// One operand.
    Unary(UnaryOp, ValueId),
    /// Two operands.
    Binary(BinaryOp, ValueId, ValueId),
    /// `mask ? a : b`.
    Select(ValueId, ValueId, ValueId),
    /// Conversion.
    Cast(CastMode, ValueId),
    /// Places in the table of a node.
    Search(NodeId, ValueId),
    /// A reduction whose axes lie whole in the block.
    Reduce(NodeId, ValueId),
    /// The same of two operands: a product of matrices.
    ReducePairs(NodeId, [ValueId; 2]),
    /// A user function on the block, or a scan through it.
    Call(NodeId, ValueId),
}

/// What a load reads: a source, or the result of a node that an earlier stage computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LoadFrom {
    /// A source.
    Source(crate::expr::SourceId),
    /// A result of an earlier stage.
    Result(NodeId),
}

/// One value of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// How it is made.
    pub make: Make,
    /// Dtype of the elements.
    pub dtype: DType,
    /// Axes of the stage along which it varies.
    pub support: Vec<bool>,
    /// Whether it is there for a function that sees neighbours: over a wider space, and in no sweep but that function's.
    pub wider: bool,
    /// How many local reductions or calls lie below it: later levels need the whole block of earlier ones.
    pub level: u32,
    /// Of what is reduced inside the stage: the axes of the stage that the axes of its operands are; else empty.
    pub axes: Axes,
}

/// The values of a stage, operands before results.
#[derive(Clone, Debug, Default)]
pub struct Expression {
    /// The space: that which was asked for, and behind it the axes that only products inside have.
    pub space: Vec<usize>,
    /// All values.
    pub values: Vec<Value>,
    /// Where the requested nodes are, in the order of the request.
    pub roots: Vec<ValueId>,
    /// Axes that must lie whole in a block.
    pub whole: Vec<bool>,
    /// Reductions and calls computed inside the stage.
    pub inside: BTreeSet<NodeId>,
}

impl Expression {
    /// Results of other stages that are read.
    pub fn results_read(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.values.iter().filter_map(|value| match value.make {
            Make::Load(LoadFrom::Result(node), _) => Some(node),
            _ => None,
        })
    }

    /// Everything that is read, and how it is seen.
    pub fn loads(&self) -> impl Iterator<Item = (LoadFrom, &IndexMap)> + '_ {
        self.values.iter().filter_map(|value| match &value.make {
            Make::Load(from, map) => Some((*from, map)),
            _ => None,
        })
    }

    /// Sources that are read.
    pub fn sources_read(&self) -> impl Iterator<Item = crate::expr::SourceId> + '_ {
        self.values.iter().filter_map(|value| match value.make {
            Make::Load(LoadFrom::Source(source), _) => Some(source),
            _ => None,
        })
    }
}

/// Decides whether a reduction or call may be done inside a stage: where its operands lie, and the axes that are whole then.
pub type Admit<'a> = dyn FnMut(NodeId, &Placed, &[bool]) -> bool + 'a;

/// A node that a stage is asked for.
#[derive(Clone, Debug)]
pub struct Root {
    /// It.
    pub node: NodeId,
    /// Its axes among those of the stage.
    pub axes: Axes,
}

/// The axes of a result, if what is reduced has `axes`.
#[must_use]
pub fn kept_axes(reduction: &Reduction, axes: &[Option<usize>]) -> Axes {
    axes.iter().enumerate().filter(|(own, _)| !reduction.axes.contains(own)).map(|(_, axis)| *axis).collect()
}

/// One flag per axis of a stage: whether a reduction's result lacks it.
#[must_use]
pub fn reduced_flags(reduction: &Reduction, axes: &[Option<usize>], rank: usize) -> Vec<bool> {
    let kept = kept_axes(reduction, axes);
    (0..rank).map(|axis| !kept.contains(&Some(axis))).collect()
}
