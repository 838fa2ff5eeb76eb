//! From arrays to a graph: one walk from the requested roots, without recursion; equal expressions become one node.

use super::{
    below::{BlockFunction, ZarrOrigin},
    node::{Array, Input, Kind, Leaf, Node},
};
use crate::{
    error::{Error, Result},
    expr::{FunctionId, Graph, GraphBuilder, NodeId, Op, SourceId},
    nd::shape::show,
    store::{Source, joined::order_warning},
};
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};

/// A graph with what its leaves are.
#[derive(Clone)]
pub(super) struct Work {
    pub graph: Graph,
    /// The node of every root that was asked for, in order.
    pub roots: Vec<NodeId>,
    pub sources: Vec<Arc<dyn Source>>,
    pub functions: Vec<Arc<dyn BlockFunction>>,
    /// Files that are read.
    pub paths: Vec<PathBuf>,
    /// Place among the sources, for every input met.
    pub inputs: Vec<(Arc<Input>, SourceId)>,
    /// Where arrays of different dtypes meet, in words.
    pub widenings: Vec<String>,
    /// Nodes that are arrays of Zarr stores, decoded.
    pub origins: Vec<(NodeId, Arc<ZarrOrigin>)>,
    /// What should be known of the files, in words.
    pub warnings: Vec<String>,
    /// Bytes of values that earlier phases left in memory.
    pub held_bytes: u64,
}

/// Gives the array that stands for an input.
pub(super) type Bind<'a> = &'a dyn Fn(&Input) -> Result<Arc<dyn Source>>;

/// An input outside of [`super::Compiled`] has no array.
pub(super) fn unbound(input: &Input) -> Result<Arc<dyn Source>> {
    Err(Error::usage(format!("input `{}` has no array", input.name))
        .hint("`session.compile(..)` makes a plan of arrays with inputs, and its `run` takes the arrays"))
}

/// The graph of `roots`. Every distinct error among them is in the error.
pub(super) fn build(roots: &[&Array], bind: Bind<'_>) -> Result<Work> {
    if let Some(error) = all_errors(roots) {
        return Err(error);
    }
    let mut walk = Walk { builder: GraphBuilder::new(), seen: HashMap::new(), leaves: HashMap::new(), work: Work::empty(), bind };
    for root in roots {
        walk.visit(root)?;
    }
    let mut work = walk.work;
    work.roots = roots.iter().filter_map(|root| walk.seen.get(&address(root)).copied()).collect();
    work.graph = walk.builder.finish();
    Ok(work)
}

/// The distinct errors of `roots` as one: the first one's kind, everybody's message.
fn all_errors(roots: &[&Array]) -> Option<Error> {
    let mut distinct: Vec<Error> = Vec::new();
    for error in roots.iter().filter_map(|root| root.error()) {
        if !distinct.iter().any(|there| there.to_string() == error.to_string()) {
            distinct.push(error);
        }
    }
    let first = distinct.first()?.clone();
    if distinct.len() == 1 {
        return Some(first);
    }
    let texts: Vec<String> = distinct.iter().enumerate().map(|(index, error)| format!("{}. {error}", index + 1)).collect();
    Some(Error::new(first.kind(), format!("{} outputs cannot be computed\n{}", distinct.len(), texts.join("\n"))).with_source(first))
}

fn address(array: &Array) -> *const Node {
    Arc::as_ptr(&array.0)
}

struct Walk<'a> {
    builder: GraphBuilder,
    seen: HashMap<*const Node, NodeId>,
    /// Sources and functions by identity: the one array opened once and used twice is one source.
    leaves: HashMap<*const (), u32>,
    work: Work,
    bind: Bind<'a>,
}

impl Walk<'_> {
    fn visit(&mut self, root: &Array) -> Result<()> {
        let mut stack = vec![root];
        while let Some(&array) = stack.last() {
            if self.seen.contains_key(&address(array)) {
                stack.pop();
                continue;
            }
            let before = stack.len();
            stack.extend(array.0.args.iter().rev().filter(|arg| !self.seen.contains_key(&address(arg))));
            if stack.len() == before {
                let node = self.push(array)?;
                self.work.origins.extend(array.0.origin.iter().map(|origin| (node, origin.clone())));
                self.seen.insert(address(array), node);
                stack.pop();
            }
        }
        Ok(())
    }

    fn push(&mut self, array: &Array) -> Result<NodeId> {
        let args: Vec<NodeId> = array.0.args.iter().filter_map(|arg| self.seen.get(&address(arg)).copied()).collect();
        if let Some(text) = array.0.widening.as_ref().filter(|text| !self.work.widenings.contains(text)) {
            self.work.widenings.push(text.clone());
        }
        let op = match &array.0.kind {
            Kind::Op(op) => op.clone(),
            Kind::Literal(value) => Op::Constant(*value, value.default_dtype()),
            Kind::Source(leaf) => Op::Source(self.source(leaf)),
            Kind::Input(input) => Op::Source(self.input(input)?),
            Kind::MapBlocks(code) => {
                let key = Arc::as_ptr(code).cast::<()>();
                let known = self.leaves.get(&key).copied();
                Op::MapBlocks(FunctionId(known.unwrap_or_else(|| {
                    let id = self.builder.function(code.facts.clone()).0;
                    self.work.functions.push(code.code.clone());
                    self.leaves.insert(key, id);
                    id
                })))
            }
            Kind::Failed => return Err(array.error().unwrap_or_else(|| Error::internal("a failed array without its error"))),
        };
        self.builder.push(op, args).map_err(|error| match array.0.args.is_empty() {
            true => error,
            false => error.context("after the inputs' shapes became known"),
        })
    }

    fn source(&mut self, leaf: &Leaf) -> SourceId {
        let key = Arc::as_ptr(&leaf.source).cast::<()>();
        if let Some(&known) = self.leaves.get(&key) {
            return SourceId(known);
        }
        let id = self.builder.source(leaf.source.facts().clone());
        self.work.sources.push(leaf.source.clone());
        self.work.paths.extend(leaf.paths.iter().cloned());
        self.work.warnings.extend(order_warning(&leaf.source.facts().name, &leaf.paths));
        self.leaves.insert(key, id.0);
        id
    }

    fn input(&mut self, input: &Arc<Input>) -> Result<SourceId> {
        if let Some((_, known)) = self.work.inputs.iter().find(|(there, _)| there.name == input.name) {
            return Ok(*known);
        }
        let source = (self.bind)(input)?;
        let facts = source.facts();
        let fits = facts.dtype == input.dtype
            && facts.shape.len() == input.shape.len()
            && facts.shape.iter().zip(&input.shape).all(|(have, want)| want.is_none_or(|want| want == *have));
        if !fits {
            let wanted: Vec<String> =
                input.shape.iter().map(|length| length.map_or("?".to_string(), |length| length.to_string())).collect();
            return Err(Error::mismatch(format!(
                "input `{}` takes {} {}, it was given {} {}",
                input.name,
                input.dtype,
                show(&wanted),
                facts.dtype,
                show(&facts.shape)
            )));
        }
        let id = self.builder.source(facts.clone());
        self.work.sources.push(source);
        self.work.inputs.push((input.clone(), id));
        Ok(id)
    }
}

/// The inputs that `roots` are made from, by name; an error if a name stands for two different ones.
pub(super) fn inputs_of(roots: &[Array]) -> Result<Vec<Arc<Input>>> {
    let mut inputs: Vec<Arc<Input>> = Vec::new();
    let mut seen = HashSet::new();
    let mut stack: Vec<&Array> = roots.iter().rev().collect();
    while let Some(array) = stack.pop() {
        if !seen.insert(address(array)) {
            continue;
        }
        stack.extend(array.0.args.iter().rev());
        let Kind::Input(input) = &array.0.kind else { continue };
        match inputs.iter().find(|there| there.name == input.name) {
            None => inputs.push(input.clone()),
            Some(there) if there.dtype == input.dtype && there.shape == input.shape => {}
            Some(_) => return Err(Error::usage(format!("input `{}` is declared twice, with different shapes or dtypes", input.name))),
        }
    }
    Ok(inputs)
}

impl Work {
    fn empty() -> Work {
        let (roots, sources, functions, paths, inputs, widenings, origins, warnings) = Default::default();
        Work { graph: Graph::default(), roots, sources, functions, paths, inputs, widenings, origins, warnings, held_bytes: 0 }
    }
}

/// `graph` without what `roots` do not need, every operation passed through `change`; shapes are inferred again.
pub(super) fn rewrite(graph: &Graph, roots: &[NodeId], change: impl Fn(NodeId, &Op) -> Op) -> Result<(GraphBuilder, Vec<NodeId>)> {
    rewrite_with(graph, roots, |builder, id, op, args| builder.push(change(id, op), args))
}

/// `graph` without what `roots` do not need, every operation made by `make` from its new operands.
pub(super) fn rewrite_with(
    graph: &Graph,
    roots: &[NodeId],
    mut make: impl FnMut(&mut GraphBuilder, NodeId, &Op, Vec<NodeId>) -> Result<NodeId>,
) -> Result<(GraphBuilder, Vec<NodeId>)> {
    let mut needed = vec![false; graph.nodes.len()];
    roots.iter().for_each(|root| needed[root.index()] = true);
    for (index, node) in graph.nodes.iter().enumerate().rev() {
        if needed[index] {
            node.args.iter().for_each(|arg| needed[arg.index()] = true);
        }
    }
    let mut builder = GraphBuilder::with_leaves(graph.sources.clone(), graph.functions.clone());
    let mut places: Vec<Option<NodeId>> = vec![None; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate().filter(|(index, _)| needed[*index]) {
        let args = node.args.iter().filter_map(|arg| places[arg.index()]).collect();
        places[index] = Some(make(&mut builder, NodeId(index as u32), &node.op, args)?);
    }
    let roots = roots.iter().filter_map(|root| places[root.index()]).collect();
    Ok((builder, roots))
}
