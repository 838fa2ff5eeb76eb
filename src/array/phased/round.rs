//! One round of a level: what all tasks want to know, as one plan.

use super::{SHARE, Task};
use crate::{
    array::{
        any::AnyArray,
        below::{Bindings, BlockFunction, Request, RunStats, Sink},
        graph::{Work, rewrite},
        phases::{collectors, control, execute_recorded, plan_beside},
        session::Session,
        size::show_memory,
    },
    error::{Error, Result},
    expr::{FunctionFacts, FunctionRole, Graph, GraphBuilder, Node, NodeId, Op, Reduction},
    nd::DType,
    numeric::{Finish, SumMode},
    plan::{Limits, Plan},
};
use std::{collections::HashMap, ops::Range, sync::Arc};

/// The graph of a round while tasks add to it.
pub(super) struct Round {
    builder: GraphBuilder,
    /// Where the operands of the tasks are.
    places: HashMap<NodeId, NodeId>,
    functions: Vec<Arc<dyn BlockFunction>>,
    outputs: Vec<(String, NodeId)>,
}

/// A round that is planned.
pub(super) struct AskedRound {
    pub plan: Plan,
    graph: Graph,
    outputs: Vec<(String, NodeId)>,
    functions: Vec<Arc<dyn BlockFunction>>,
    /// The outputs of each task.
    shares: Vec<Range<usize>>,
}

impl Round {
    /// Where a node of the job's graph is in the round's.
    pub fn place(&self, node: NodeId) -> Result<NodeId> {
        self.places.get(&node).copied().ok_or_else(|| Error::internal("a task asks for a node it did not name"))
    }

    pub fn node(&self, node: NodeId) -> &Node {
        self.builder.graph().node(node)
    }

    pub fn graph(&self) -> &Graph {
        self.builder.graph()
    }

    pub fn push(&mut self, op: Op, args: Vec<NodeId>) -> Result<NodeId> {
        self.builder.push(op, args)
    }

    /// Wants the elements of `node`.
    pub fn output(&mut self, name: impl Into<String>, node: NodeId) {
        self.outputs.push((name.into(), node));
    }

    /// Wants a reduction of all elements of `node`.
    pub fn reduced(&mut self, name: impl Into<String>, node: NodeId, finish: Finish, dtype: DType) -> Result<()> {
        let axes = (0..self.node(node).meta.rank()).collect();
        let reduction = Reduction { finish, axes, keepdims: false, mode: SumMode::Exact, dtype };
        let made = self.builder.push(Op::Reduce(reduction), vec![node])?;
        self.output(name, made);
        Ok(())
    }

    /// Has `function` see every block of `node` once. What it writes is nothing to anybody.
    pub fn observe(&mut self, name: &str, node: NodeId, scratch_bytes: u64, function: Arc<dyn BlockFunction>) -> Result<()> {
        let facts = FunctionFacts {
            name: name.to_string(),
            input: self.node(node).dtype(),
            output: DType::Bool,
            whole: Vec::new(),
            scratch_bytes,
            role: FunctionRole::Map,
        };
        let id = self.builder.function(facts);
        self.functions.push(function);
        let seen = self.builder.push(Op::MapBlocks(id), vec![node])?;
        // Something has to ask for its result, and an answer of one byte costs least.
        self.reduced(name, seen, Finish::Any, DType::Bool)
    }
}

/// Plans a round; leaves out what is only of use where it does not fit.
pub(super) fn ask(work: &Work, tasks: &mut [Box<dyn Task>], held: u64, limits: &Limits) -> Result<AskedRound> {
    loop {
        match try_ask(work, tasks, held, limits) {
            Err(error) if error.needed_bytes().is_some() => {
                // Every task is told, not only the first that can.
                let less = tasks.iter_mut().filter_map(|task| task.ask_less().then_some(())).count();
                if less == 0 {
                    return Err(needs_more(error, held, work.held_bytes));
                }
            }
            asked => return asked,
        }
    }
}

/// The refusal of a round, with the budget that would do: tasks hold a share of it, whatever it is.
fn needs_more(error: Error, held: u64, earlier: u64) -> Error {
    let Some(all) = error.needed_bytes() else { return error };
    let plan = all.saturating_sub(held).saturating_sub(earlier);
    let whole = plan.saturating_mul(SHARE).div_ceil(SHARE - 1).max(plan).saturating_add(earlier);
    // What tasks keep grows with the budget, and the scratch of their functions with that.
    let whole = whole.saturating_add(whole / 16);
    error.hint(format!("--memory {whole} ({}) works", show_memory(whole))).with_needed_bytes(whole)
}

fn try_ask(work: &Work, tasks: &mut [Box<dyn Task>], held: u64, limits: &Limits) -> Result<AskedRound> {
    let mut operands: Vec<NodeId> = tasks.iter().flat_map(|task| task.operands()).collect();
    operands.sort_unstable();
    operands.dedup();
    let (builder, places) = rewrite(&work.graph, &operands, |_, op| op.clone())?;
    let places = operands.into_iter().zip(places).collect();
    let mut round = Round { builder, places, functions: work.functions.clone(), outputs: Vec::new() };
    let mut shares = Vec::new();
    for task in tasks {
        let first = round.outputs.len();
        task.ask(&mut round)?;
        shares.push(first..round.outputs.len());
    }
    let graph = round.builder.finish();
    let request = Request { outputs: round.outputs.clone(), layout: "memory".to_string(), ..Request::default() };
    let plan = plan_beside(&graph, &request, limits, held.saturating_add(work.held_bytes))?;
    Ok(AskedRound { plan, graph, outputs: round.outputs, functions: round.functions, shares })
}

/// Runs a round and lets the tasks learn.
pub(super) fn run(session: &Session, asked: AskedRound, tasks: &mut [Box<dyn Task>], work: &Work) -> Result<RunStats> {
    if session.is_cancelled() {
        return Err(Error::cancelled());
    }
    let AskedRound { plan, graph, outputs, functions, shares } = asked;
    let shape = |(_, node): &(String, NodeId)| AnyArray::zeros(graph.node(*node).dtype(), &graph.node(*node).shape());
    let mut arrays = outputs.iter().map(shape).collect::<Result<Vec<AnyArray>>>()?;
    let mut closures = collectors(&mut arrays);
    let sinks = closures.iter_mut().map(|closure| Sink::Caller(closure)).collect();
    let bindings = Bindings { sources: work.sources.clone(), functions, sinks };
    let stats = execute_recorded(session, &plan, bindings, &control(session))?;
    drop(closures);
    let mut arrays = arrays.into_iter();
    for (task, share) in tasks.iter_mut().zip(shares) {
        task.learn(arrays.by_ref().take(share.len()).collect())?;
    }
    Ok(stats)
}
