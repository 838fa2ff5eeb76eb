//! How: decisions only. Pure and deterministic: no I/O, no clock, no environment, no hash order.
//!
//! [`plan`] turns a graph and limits into a [`Plan`]. What must never live here: bytes, files, threads, moments.

pub mod chunks;
pub mod expression;
pub mod grid;
pub mod lower;
pub mod memory;
pub mod model;
pub mod reads;
pub mod share;
pub mod simplify;
pub mod views;
pub mod why;

mod assemble;
mod check;
mod show;
#[cfg(test)]
mod tests;

pub use model::*;

use crate::{
    error::{Error, Result},
    expr::{Graph, Node, NodeId, Op, Reduction, infer},
    nd::DType,
    numeric::{Finish, SumMode},
};
use why::Why;

/// What is asked of a graph.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Names and nodes of the results, in order.
    pub outputs: Vec<(String, NodeId)>,
    /// Messages and `bool` nodes whose every element must be true.
    pub checks: Vec<(String, NodeId)>,
    /// The layout of the outputs in their stores, as text: part of what makes two jobs the same.
    pub layout: String,
    /// For each output how its store wants it, where that is a store of chunks; may be shorter than `outputs`.
    pub layouts: Vec<Option<OutputLayout>>,
}

/// Plans a phase: the fewest passes, the shapes of their blocks, and the proof that they fit the memory budget.
///
/// Errors: the budget cannot hold the job (with the smallest that can), or a reshape would have to copy.
pub fn plan(graph: &Graph, request: &Request, limits: &Limits) -> Result<Plan> {
    let mut why = Why::default();
    // 1. Assertions become reductions, so that they share the passes of what they check.
    let (graph, roots) = with_checks(graph, request)?;
    // 2. Fewer and plainer nodes; everything that is not asked for goes.
    let (graph, roots) = simplify::simplify(&graph, &roots)?;
    if let Some(node) = graph.nodes.iter().find(|node| matches!(node.op, Op::Phased(_))) {
        return Err(Error::internal(format!("{:?} is planned before a phase has found it", node.op)));
    }
    // 3. Views become index maps of what they read.
    let views = views::Views::new(&graph);
    // 4. Which results exist as a whole, and which share a pass.
    let drafts = share::share(&graph, &views, &roots, limits, &mut why);
    // 5. Passes become programs with shapes that fit.
    let plan = assemble::assemble(&graph, &views, &drafts, request, &roots, limits, why)?;
    // 6. What every later floor relies on.
    check::check(&plan)?;
    Ok(plan)
}

/// The graph with one "first false index" reduction per check; roots are the outputs and then these.
fn with_checks(graph: &Graph, request: &Request) -> Result<(Graph, Vec<NodeId>)> {
    let mut graph = graph.clone();
    let mut roots: Vec<NodeId> = request.outputs.iter().map(|(_, node)| *node).collect();
    for (_, node) in &request.checks {
        let axes = (0..graph.node(*node).meta.rank()).collect();
        let op = Op::Reduce(Reduction { finish: Finish::FirstFalse, axes, keepdims: false, mode: SumMode::Exact, dtype: DType::I64 });
        let meta = infer(&op, &[&graph.node(*node).meta], &graph.sources, &graph.functions)?;
        graph.nodes.push(Node { op, args: vec![*node], meta });
        roots.push(NodeId(graph.nodes.len() as u32 - 1));
    }
    Ok((graph, roots))
}
