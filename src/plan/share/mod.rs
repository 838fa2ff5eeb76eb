//! Which results are computed, in which pass, and which share one.
//!
//! An *anchor* is a node whose value has to exist as a whole: an output, or a result that another stage reads.
//! Anchors of one level and one iteration space that read something in common become one stage: one pass, many answers. `fuse` says
//! which products are part of other passes, and where spaces are made one.

mod fuse;

use crate::{
    expr::{FunctionRole, Graph, NodeId, Op, Reduction, SourceId},
    kernel::program::PRODUCT_GROUP,
    nd::DType,
    numeric::{Accumulator, AccumulatorKind, Finish, SumMode},
    plan::{
        Limits,
        expression::{Expression, Make, Root, express, reduced_flags},
        grid::BLOCK_BYTES,
        placing::{self, Axes, Placed},
        views::Views,
        why::{Why, show_bytes},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// How an anchor's value comes to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Elementwise (or a view, or a call): block by block.
    Streamed,
    /// A reduction whose axes lie whole in a block: block by block.
    Local,
    /// A reduction over all blocks.
    Global,
    /// A selection by a mask: block by block, as many elements as are selected.
    Compressed,
}

/// A node that is computed as a whole.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// The node.
    pub node: NodeId,
    /// How.
    pub how: How,
    /// The shape that is walked.
    pub space: Vec<usize>,
    /// Nodes that it is made from, all of one shape.
    pub operands: Vec<NodeId>,
    /// Their axes among those of the pass.
    pub axes: Axes,
    /// Stage level: one more than the level of everything it waits for.
    pub level: u32,
    reads: BTreeSet<Origin>,
    inside: BTreeSet<NodeId>,
    all_whole: Vec<bool>,
    /// Whether it multiplies matrices, itself or on its way.
    multiplies: bool,
    /// Whether products are multiplied on its way.
    inside_products: bool,
    /// Whether nothing of it needs the whole pass to have its own shape.
    is_plain: bool,
}

/// Something that a stage reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Source(SourceId),
    Result(NodeId),
}

/// Anchors that are computed in one pass.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Iteration space.
    pub space: Vec<usize>,
    /// Level.
    pub level: u32,
    /// What is computed.
    pub anchors: Vec<Anchor>,
    /// Reductions and calls done inside the pass.
    pub inside: BTreeSet<NodeId>,
    reads: BTreeSet<Origin>,
    whole: Vec<bool>,
    /// The axis along which passes that became one are cut; all others lie whole in a block.
    stream: Option<usize>,
    /// Whether matrices are multiplied.
    multiplies: bool,
}

/// The accumulator that a finish needs.
#[must_use]
pub fn accumulator_kind(reduction: &Reduction) -> AccumulatorKind {
    AccumulatorKind::of(reduction.finish, reduction.mode)
}

/// Cuts a graph into passes, in the order they run. Products are part of other passes only if `fuses`.
pub fn share(graph: &Graph, views: &Views, roots: &[NodeId], limits: &Limits, fuses: bool, why: &mut Why) -> Vec<Draft> {
    let sharing = Sharing { graph, views, limits, fuses };
    let mut anchors = sharing.discover(roots, why);
    level(&mut anchors);
    let mut order: Vec<Anchor> = anchors.into_values().collect();
    order.sort_by_key(|anchor| (anchor.level, anchor.node));
    let mut drafts: Vec<Draft> = Vec::new();
    for anchor in order {
        sharing.place(&mut drafts, anchor, why);
    }
    drafts
}

fn level(anchors: &mut BTreeMap<NodeId, Anchor>) {
    let ids: Vec<NodeId> = anchors.keys().copied().collect();
    for id in ids {
        let waits = anchors[&id].reads.iter().filter_map(|origin| match origin {
            Origin::Result(node) => Some(anchors[node].level + 1),
            Origin::Source(_) => None,
        });
        let level = waits.max().unwrap_or(0);
        if let Some(anchor) = anchors.get_mut(&id) {
            anchor.level = level;
        }
    }
}

struct Sharing<'a> {
    graph: &'a Graph,
    views: &'a Views,
    limits: &'a Limits,
    fuses: bool,
}

impl Sharing<'_> {
    /// Every node that has to exist as a whole, from the outputs down.
    fn discover(&self, roots: &[NodeId], why: &mut Why) -> BTreeMap<NodeId, Anchor> {
        let mut waiting: BTreeSet<NodeId> = roots.iter().copied().collect();
        let mut anchors = BTreeMap::new();
        while let Some(node) = waiting.pop_last() {
            let anchor = self.anchor(node, why);
            waiting.extend(anchor.reads.iter().filter_map(|origin| match origin {
                Origin::Result(result) if !anchors.contains_key(result) => Some(*result),
                _ => None,
            }));
            anchors.insert(node, anchor);
        }
        anchors
    }

    fn anchor(&self, id: NodeId, why: &mut Why) -> Anchor {
        let node = self.graph.node(id);
        let (how, operands) = match &node.op {
            Op::Reduce(reduction) => (self.how_to_reduce(id, reduction, why), node.args.clone()),
            Op::Group(_) => (How::Global, node.args.clone()),
            Op::Compress { .. } => (How::Compressed, node.args.clone()),
            Op::MapBlocks(id) if matches!(self.graph.functions[id.0 as usize].role, FunctionRole::Fold { .. }) => {
                (How::Global, node.args.clone())
            }
            _ => (How::Streamed, vec![id]),
        };
        let space = self.graph.node(operands[0]).shape();
        let whole = match (&node.op, how) {
            (Op::Reduce(reduction), How::Local) => reduced_flags(reduction, &placing::identity(space.len()), space.len()),
            (Op::Compress { axis: Some(_), .. }, _) => (0..space.len()).map(|axis| axis > 0).collect(),
            (Op::MapBlocks(function), How::Global) => {
                let facts = &self.graph.functions[function.0 as usize];
                (0..space.len()).map(|axis| facts.whole.contains(&axis)).collect()
            }
            _ => vec![false; space.len()],
        };
        let axes = placing::identity(space.len());
        let is_plain = match &node.op {
            Op::Reduce(reduction) => !matches!(reduction.finish, Finish::State { .. }),
            _ => how == How::Streamed,
        };
        let expression = self.express(&space, &roots_of(&operands, &axes), &whole, is_plain, why);
        let inside_products = expression.inside.iter().any(|&id| self.is_product(id));
        Anchor {
            node: id,
            how,
            operands,
            axes,
            level: 0,
            reads: origins(&expression),
            multiplies: inside_products || self.is_product(id),
            inside_products,
            is_plain: is_plain && !expression.values.iter().any(|value| value.wider || matches!(value.make, Make::Call(..))),
            space: expression.space,
            inside: expression.inside,
            all_whole: expression.whole,
        }
    }

    /// Everything that `roots` are made from; what needs the whole pass to have its own shape has no products inside.
    fn express(&self, space: &[usize], roots: &[Root], whole: &[bool], is_plain: bool, why: &mut Why) -> Expression {
        let mut admit = |node: NodeId, placed: &Placed, whole: &[bool]| match &self.graph.node(node).op {
            Op::MapBlocks(_) | Op::Scan { .. } => true,
            // A state has an axis of its own, which no block has.
            Op::Reduce(reduction) if matches!(reduction.finish, Finish::State { .. }) => false,
            Op::Reduce(reduction) if reduction.finish == Finish::Matmul => is_plain && self.admit_product(node, placed, whole, why),
            _ => self.admit(node, placed, whole, why),
        };
        express(self.graph, self.views, space, roots, whole, &mut admit)
    }

    fn admit(&self, node: NodeId, placed: &Placed, whole: &[bool], why: &mut Why) -> bool {
        let arg = self.graph.node(self.graph.node(node).args[0]);
        let shape = arg.shape();
        let whole: Vec<bool> = placed.axes.iter().map(|axis| axis.is_none_or(|axis| whole[axis])).collect();
        let (bytes, blocks) = smallest_block(&shape, &whole, arg.dtype().size());
        let fits = self.fits(bytes, blocks);
        let axes: Vec<usize> = (0..shape.len()).filter(|&axis| whole[axis] && shape[axis] > 1).collect();
        let name = name_of(self.graph, node);
        if fits {
            why.note(name, format!("computed inside its pass: axes {axes:?} lie whole in a block of {}", show_bytes(bytes)));
        } else {
            why.note(
                name,
                format!(
                    "a pass of its own before it is used: axes {axes:?} whole take {} a block, which leaves {blocks} of them",
                    show_bytes(bytes)
                ),
            );
        }
        fits
    }

    /// A block with whole axes is cheap in the cache; a larger one must leave enough blocks for every thread.
    fn fits(&self, bytes: u64, blocks: u64) -> bool {
        bytes <= BLOCK_BYTES || (bytes.saturating_mul(3) <= self.limits.memory_bytes / 8 && blocks >= 4 * self.limits.threads as u64)
    }

    fn how_to_reduce(&self, id: NodeId, reduction: &Reduction, why: &mut Why) -> How {
        let arg = self.graph.node(self.graph.node(id).args[0]);
        let space = arg.shape();
        if matches!(reduction.finish, Finish::FirstFalse | Finish::State { .. }) || space.contains(&0) {
            return How::Global;
        }
        let reduced = reduced_flags(reduction, &placing::identity(space.len()), space.len());
        if reduction.finish == Finish::Matmul {
            return self.how_to_multiply(id, &space, &reduced, why);
        }
        let outputs: u64 = (0..space.len()).filter(|&axis| !reduced[axis]).map(|axis| space[axis] as u64).product();
        let (bytes, blocks) = smallest_block(&space, &reduced, arg.dtype().size());
        let first_reduced = (0..space.len()).find(|&axis| reduced[axis] && space[axis] > 1);
        let trailing = first_reduced.is_none_or(|first| (first..space.len()).all(|axis| reduced[axis] || space[axis] == 1));
        if trailing && outputs > 1 && bytes <= BLOCK_BYTES / 2 {
            return How::Local;
        }
        let outputs_held = usize::try_from(outputs).unwrap_or(usize::MAX);
        let state = Accumulator::state_bytes_max(accumulator_kind(reduction), arg.dtype(), outputs_held);
        if state <= (self.limits.memory_bytes / 64).max(1 << 20) || !self.fits(bytes, blocks) {
            return How::Global;
        }
        why.note(name_of(self.graph, id), format!("finished block by block: states of {outputs} outputs would take {}", show_bytes(state)));
        How::Local
    }

    /// A product whose inner axes are short is finished block by block; else its sums are held, as long as memory allows.
    fn how_to_multiply(&self, id: NodeId, space: &[usize], reduced: &[bool], why: &mut Why) -> How {
        let length = |wanted: bool| {
            let axes = (0..space.len()).filter(|&axis| reduced[axis] == wanted);
            axes.fold(1usize, |product, axis| product.saturating_mul(space[axis]))
        };
        if length(true) <= PRODUCT_GROUP {
            return How::Local;
        }
        let state = Accumulator::state_bytes_max(AccumulatorKind::Sum(SumMode::Exact), DType::F64, length(false));
        // All sums, those of one run, and those that are merged.
        if state <= sums_bytes_max(self.limits) {
            return How::Global;
        }
        let text = format!("inner axes lie whole in a block: sums of {} outputs would take {}", length(false), show_bytes(state));
        why.note(name_of(self.graph, id), text);
        How::Local
    }

    /// Bytes of the sums of several products over all runs; 0 for one.
    fn sums_bytes<'b>(&self, anchors: impl Iterator<Item = &'b Anchor>) -> u64 {
        let products = anchors.filter(|anchor| anchor.how == How::Global && self.is_product(anchor.node));
        let outputs: Vec<usize> = products.map(|anchor| self.graph.node(anchor.node).shape().iter().product()).collect();
        let kind = AccumulatorKind::Sum(SumMode::Exact);
        if outputs.len() < 2 { 0 } else { outputs.into_iter().map(|count| Accumulator::state_bytes_max(kind, DType::F64, count)).sum() }
    }

    fn is_product(&self, id: NodeId) -> bool {
        self.graph.node(id).op.product().is_some()
    }

    /// Puts an anchor into the pass that it can share, or into one of its own.
    fn place(&self, drafts: &mut Vec<Draft>, anchor: Anchor, why: &mut Why) {
        let name = name_of(self.graph, anchor.node);
        for draft in drafts.iter_mut().filter(|draft| draft.level == anchor.level) {
            let multiplies = self.fuses && (draft.multiplies || anchor.multiplies);
            if self.sums_bytes(draft.anchors.iter().chain([&anchor])) > sums_bytes_max(self.limits) {
                continue;
            }
            if !multiplies && draft.space != anchor.space
                || draft.anchors.iter().chain([&anchor]).any(|member| member.how == How::Compressed)
            {
                continue;
            }
            let common = draft.reads.intersection(&anchor.reads).next().is_some() || (draft.reads.is_empty() && anchor.reads.is_empty());
            if !common {
                continue;
            }
            if multiplies {
                if let Some(joined) = self.join(draft, &anchor, why) {
                    *draft = joined;
                    return;
                }
                continue;
            }
            let whole: Vec<bool> = draft.whole.iter().zip(&anchor.all_whole).map(|(a, b)| *a || *b).collect();
            let (bytes, blocks) = smallest_block(&draft.space, &whole, 8);
            if whole != draft.whole && whole != anchor.all_whole && !self.fits(bytes, blocks) {
                why.note(
                    name.clone(),
                    format!(
                        "not shared with {}: together a block would take {}",
                        name_of(self.graph, draft.anchors[0].node),
                        show_bytes(bytes)
                    ),
                );
                continue;
            }
            draft.whole = whole;
            draft.reads.extend(&anchor.reads);
            draft.inside.extend(&anchor.inside);
            draft.anchors.push(anchor);
            return;
        }
        drafts.push(Draft::new(anchor));
    }
}

/// Nodes of one shape as roots.
fn roots_of(nodes: &[NodeId], axes: &Axes) -> Vec<Root> {
    nodes.iter().map(|&node| Root { node, axes: axes.clone() }).collect()
}

impl Draft {
    fn new(anchor: Anchor) -> Draft {
        Draft {
            space: anchor.space.clone(),
            level: anchor.level,
            inside: anchor.inside.clone(),
            reads: anchor.reads.clone(),
            whole: anchor.all_whole.clone(),
            stream: None,
            multiplies: anchor.multiplies,
            anchors: vec![anchor],
        }
    }

    /// Everything the pass computes, as one expression. Roots are the operands of the anchors, in order.
    pub fn express(&self, graph: &Graph, views: &Views) -> Expression {
        let roots: Vec<Root> = self.anchors.iter().flat_map(|anchor| roots_of(&anchor.operands, &anchor.axes)).collect();
        express(graph, views, &self.space, &roots, &self.whole, &mut |node, _, _| self.inside.contains(&node))
    }

    /// How many of the first axes are those of what is computed as a whole.
    #[must_use]
    pub fn own_axes(&self) -> usize {
        let last = self.anchors.iter().flat_map(|anchor| anchor.axes.iter().flatten()).max();
        if self.multiplies { last.map_or(0, |last| last + 1) } else { self.space.len() }
    }

    /// Whether products are part of it that are more than what it is for.
    #[must_use]
    pub fn is_fused(&self) -> bool {
        self.multiplies && (self.stream.is_some() || self.anchors.len() > 1 || self.anchors.iter().any(|anchor| anchor.inside_products))
    }
}

/// Bytes that the sums of the products of a pass may take.
#[must_use]
pub fn sums_bytes_max(limits: &Limits) -> u64 {
    limits.memory_bytes / 10 * 3
}

fn origins(expression: &Expression) -> BTreeSet<Origin> {
    expression.sources_read().map(Origin::Source).chain(expression.results_read().map(Origin::Result)).collect()
}

/// Bytes of the smallest sensible block with `whole` axes (4 KiB along the last axis if that is not whole), and how many there are.
pub(super) fn smallest_block(space: &[usize], whole: &[bool], item_bytes: usize) -> (u64, u64) {
    let mut bytes = item_bytes as u64;
    let mut blocks = 1u64;
    for (axis, &length) in space.iter().enumerate() {
        let cut = match whole[axis] {
            true => length,
            false if axis + 1 == space.len() => length.min(4096 / item_bytes),
            false => 1,
        };
        bytes = bytes.saturating_mul(cut as u64);
        blocks = blocks.saturating_mul(length.div_ceil(cut.max(1)) as u64);
    }
    (bytes, blocks)
}

/// What explain calls a node.
#[must_use]
pub fn name_of(graph: &Graph, id: NodeId) -> String {
    let node = graph.node(id);
    let what = match &node.op {
        Op::Reduce(reduction) => reduction.finish.name().to_string(),
        Op::Group(grouping) => format!("{} of {} groups", grouping.reduction.finish.name(), grouping.groups.unwrap_or(0)),
        Op::Compress { .. } => "mask selection".to_string(),
        Op::Phased(phased) => phased.name().to_string(),
        Op::MapBlocks(function) => graph.functions[function.0 as usize].name.clone(),
        Op::Scan { kind, .. } => kind.name().to_string(),
        Op::Source(source) => graph.sources[source.0 as usize].name.clone(),
        _ => "value".to_string(),
    };
    format!("{what} %{}", id.0)
}
