//! How: decisions only. Pure and deterministic: no I/O, no clock, no environment, no hash order.
//!
//! [`plan`] turns a graph and limits into a [`Plan`]. What must never live here: bytes, files, threads, moments.

pub mod chunks;
pub mod expression;
pub mod grid;
pub mod in_place;
pub mod lower;
pub mod memory;
pub mod model;
pub mod multiply;
pub mod panels;
pub mod placing;
pub mod reads;
pub mod share;
pub mod simplify;
pub mod spill;
pub mod views;
pub mod why;

mod assemble;
mod check;
mod operations;
mod show;
mod temps;
#[cfg(test)]
mod tests;

pub use model::*;

use crate::{
    error::{Error, Result},
    expr::{Graph, Node, NodeId, Op, Reduction, SourceId, infer},
    nd::DType,
    numeric::{Finish, SumMode},
};
use spill::Spilling;
use std::collections::BTreeSet;
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
    let why = Why::default();
    // 1. Assertions become reductions, so that they share the passes of what they check.
    let (graph, roots) = with_checks(graph, request)?;
    // 2. Fewer and plainer nodes; everything that is not asked for goes.
    let (graph, roots) = simplify::simplify(&graph, &roots)?;
    if let Some(node) = graph.nodes.iter().find(|node| matches!(node.op, Op::Phased(_))) {
        return Err(Error::internal(format!("{:?} is planned before a phase has found it", node.op)));
    }
    let job = (&graph, &roots[..]);
    let mut plan = Planning { graph: &graph, roots: &roots, job, request, limits, why: why.clone() }.best();
    let mut of_panels = why;
    if let Some((graph, roots)) = panels::in_panels(&graph, &roots, limits, &mut of_panels)? {
        let panels = Planning { graph: &graph, roots: &roots, job, request, limits, why: of_panels }.best();
        plan = fewest(plan, panels.map(|plan| panels::renamed(plan, &graph)));
    }
    let plan = plan?;
    // 6. What every later floor relies on.
    check::check(&plan)?;
    Ok(plan)
}

/// The plan that moves fewer bytes; of refusals the one that asks for less.
fn fewest(one: Result<Plan>, other: Result<Plan>) -> Result<Plan> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok(if spill::bytes_moved(&other) < spill::bytes_moved(&one) { other } else { one }),
        (Ok(plan), Err(_)) | (Err(_), Ok(plan)) => Ok(plan),
        (Err(one), Err(other)) => Err(if other.needed_bytes().is_some_and(|bytes| Some(bytes) < one.needed_bytes()) { other } else { one }),
    }
}

/// A request whose ways are compared.
struct Planning<'a> {
    graph: &'a Graph,
    roots: &'a [NodeId],
    /// What was asked for: the job is the same whatever way it goes.
    job: (&'a Graph, &'a [NodeId]),
    request: &'a Request,
    limits: &'a Limits,
    why: Why,
}

impl Planning<'_> {
    /// The direct way, unless it reads sources many times or does not fit, and a way through scratch is cheaper.
    fn best(&self) -> Result<Plan> {
        let (direct, fuses) = self.direct();
        let often = direct.as_ref().map(spill::read_often).unwrap_or_default();
        let refused = direct.as_ref().is_err_and(|error| error.needed_bytes().is_some());
        if self.limits.is_shared || (often.is_empty() && !refused) {
            return direct;
        }
        let mut ways: Vec<Result<Plan>> = Vec::new();
        let chunked = |id: &usize| chunks::chunk_of(Some(&self.graph.sources[*id])).is_some();
        let sources: BTreeSet<SourceId> = (0..self.graph.sources.len()).filter(chunked).map(|id| SourceId(id as u32)).collect();
        let written = self.request.layouts.iter().any(Option::is_some);
        let shapes = [spill::FrameShape::Cube, spill::FrameShape::Meeting];
        for (frame_shape, frame_bytes) in shapes.into_iter().flat_map(|shape| spill::FRAME_BYTES.map(|bytes| (shape, bytes))) {
            let spilling = |larger_than| Spilling { larger_than, frame_bytes, frame_shape, fuses, ..Spilling::default() };
            if !often.is_empty() {
                ways.push(self.through(&often, false, spilling(None)));
            }
            for larger_than in [self.limits.memory_bytes / 4, 0].map(Some).into_iter().filter(|_| refused) {
                ways.push(self.through(&BTreeSet::new(), false, spilling(larger_than)));
                if !sources.is_empty() {
                    ways.push(self.through(&sources, false, spilling(larger_than)));
                }
                if written {
                    ways.push(self.through(&BTreeSet::new(), true, spilling(larger_than)));
                }
            }
        }
        self.cheapest(direct, ways)
    }

    /// The plan without scratch, and whether products are part of the passes that use them: where that fits, and moves no more bytes than
    /// results of products would.
    fn direct(&self) -> (Result<Plan>, bool) {
        let apart = self.through(&BTreeSet::new(), false, Spilling::default());
        if !self.graph.nodes.iter().any(|node| node.op.product().is_some()) {
            return (apart, false);
        }
        let fused = self.through(&BTreeSet::new(), false, Spilling { fuses: true, ..Spilling::default() });
        match (fused, apart) {
            (Ok(fused), Ok(apart)) if spill::bytes_moved(&fused) <= spill::bytes_moved(&apart) => (Ok(fused), true),
            (Ok(fused), Ok(mut apart)) => {
                let [bytes, of_apart] = [&fused, &apart].map(spill::bytes_moved).map(why::show_bytes);
                let text =
                    format!("passes of their own: {of_apart} are moved, {bytes} would be if they were multiplied where they are used");
                apart.why.push(Decision { about: "products".to_string(), text });
                (Ok(apart), false)
            }
            (Ok(fused), Err(_)) => (Ok(fused), true),
            (Err(_), apart) => (apart, false),
        }
    }

    /// The plan that moves the fewest bytes; of refusals the one that asks for least.
    fn cheapest(&self, direct: Result<Plan>, ways: Vec<Result<Plan>>) -> Result<Plan> {
        let (mut best, mut refusal): (Option<Plan>, Option<Error>) = (None, None);
        for way in ways {
            match way {
                Ok(plan) if plan.scratches.is_empty() => {}
                Ok(plan) if best.as_ref().is_none_or(|best| spill::bytes_moved(&plan) < spill::bytes_moved(best)) => best = Some(plan),
                Ok(_) => {}
                Err(error) if refusal.as_ref().is_none_or(|least| error.needed_bytes() < least.needed_bytes()) => refusal = Some(error),
                Err(_) => {}
            }
        }
        match (direct, best) {
            (Ok(direct), Some(best)) if spill::bytes_moved(&best) < spill::bytes_moved(&direct) => Ok(explained(best, Some(&direct))),
            (Ok(mut direct), best) => {
                if let Some(best) = best {
                    let bytes = [spill::bytes_moved(&direct), spill::bytes_moved(&best)].map(why::show_bytes);
                    let text = format!("none: {} are moved directly, {} would be through it", bytes[0], bytes[1]);
                    direct.why.push(Decision { about: "scratch".to_string(), text });
                }
                Ok(direct)
            }
            (Err(_), Some(best)) => Ok(explained(best, None)),
            (Err(error), None) => match refusal {
                Some(least) if least.needed_bytes().is_some() && least.needed_bytes() < error.needed_bytes() => Err(least),
                _ => Err(error),
            },
        }
    }

    /// A plan in which `sources`, or outputs with chunks, are held.
    fn through(&self, sources: &BTreeSet<SourceId>, outputs: bool, spilling: Spilling) -> Result<Plan> {
        let mut why = self.why.clone();
        let held = match sources.is_empty() && !outputs {
            true => None,
            false => Some(spill::hold(self.graph, self.roots, sources, outputs.then_some(self.request))),
        };
        let (graph, roots) = held.as_ref().map_or((self.graph, self.roots), |(graph, roots, _)| (graph, roots));
        let spilling = Spilling { holds: held.as_ref().map(|(.., holds)| holds.clone()).unwrap_or_default(), ..spilling };
        // 3. Views become index maps of what they read.
        let views = views::Views::new(graph, &spilling.holds);
        // 4. Which results exist as a whole, and which share a pass.
        let drafts = share::share(graph, &views, roots, self.limits, spilling.fuses, &mut why);
        // 5. Passes become programs with shapes that fit.
        let asked = assemble::Asked { request: self.request, roots, limits: self.limits, spilling: &spilling };
        assemble::assemble(graph, &views, &drafts, &asked, self.job, why)
    }
}

fn explained(mut plan: Plan, direct: Option<&Plan>) -> Plan {
    let text = spill::reason(&plan, direct);
    plan.why.push(Decision { about: "scratch".to_string(), text });
    plan
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
