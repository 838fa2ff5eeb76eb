//! The arena of a job: hash-consed nodes, children before parents.

use crate::{
    error::{Error, Result},
    expr::{FunctionFacts, FunctionId, Meta, Op, SourceId, infer},
    nd::{DType, SourceFacts, shape::show},
};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Index of a node in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub u32);

impl NodeId {
    /// As an index into [`Graph::nodes`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// How it is made.
    pub op: Op,
    /// From what.
    pub args: Vec<NodeId>,
    /// What is known of it.
    pub meta: Meta,
}

impl Node {
    /// The shape; masks that are not counted yet count with their bound.
    #[must_use]
    pub fn shape(&self) -> Vec<usize> {
        self.meta.shape.iter().map(|extent| extent.bound()).collect()
    }

    /// The dtype.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.meta.dtype
    }
}

/// Everything that is asked of one job. Nodes are in topological order, equal expressions are one node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Graph {
    /// Values, children before parents.
    pub nodes: Vec<Node>,
    /// Sources that [`Op::Source`] refers to.
    pub sources: Vec<SourceFacts>,
    /// Functions that [`Op::MapBlocks`] refers to.
    pub functions: Vec<FunctionFacts>,
}

impl Graph {
    /// The node called `id`.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }
}

/// Builds a [`Graph`] from the leaves up.
#[derive(Debug, Default)]
pub struct GraphBuilder {
    graph: Graph,
    known: HashMap<(Op, Vec<NodeId>), NodeId>,
}

impl GraphBuilder {
    /// An empty graph.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A graph with sources and functions and no nodes yet.
    #[must_use]
    pub fn with_leaves(sources: Vec<SourceFacts>, functions: Vec<FunctionFacts>) -> Self {
        GraphBuilder { graph: Graph { nodes: Vec::new(), sources, functions }, known: HashMap::new() }
    }

    /// Registers a source.
    pub fn source(&mut self, facts: SourceFacts) -> SourceId {
        self.graph.sources.push(facts);
        SourceId(self.graph.sources.len() as u32 - 1)
    }

    /// Registers a block function.
    pub fn function(&mut self, facts: FunctionFacts) -> FunctionId {
        self.graph.functions.push(facts);
        FunctionId(self.graph.functions.len() as u32 - 1)
    }

    /// The node of `op` on `args`: an existing one if the same was pushed before.
    pub fn push(&mut self, op: Op, args: Vec<NodeId>) -> Result<NodeId> {
        let key = (op, args);
        if let Some(&found) = self.known.get(&key) {
            return Ok(found);
        }
        let metas: Vec<&Meta> = key.1.iter().map(|id| &self.graph.node(*id).meta).collect();
        let meta = infer(&key.0, &metas, &self.graph.sources, &self.graph.functions)?;
        let id = u32::try_from(self.graph.nodes.len()).map(NodeId).map_err(|_| Error::refused("a graph of more than 2^32 nodes"))?;
        self.graph.nodes.push(Node { op: key.0.clone(), args: key.1.clone(), meta });
        self.known.insert(key, id);
        Ok(id)
    }

    /// What has been pushed so far.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The finished graph.
    #[must_use]
    pub fn finish(self) -> Graph {
        self.graph
    }
}

/// An error unless every extent of `node` is known.
pub fn require_known(node: &Node) -> Result<Vec<usize>> {
    node.meta.known_shape().ok_or_else(|| Error::internal(format!("the shape {} is not known yet", show(&node.meta.shape))))
}
