//! Products inside passes, and passes over the same rows that become one.
//!
//! A product is multiplied where it is used if the axes that its result does not have lie whole in a block: then nothing is computed
//! twice, and what it multiplies is read once. Passes that multiply become one if all their axes but the one that they stream along lie
//! whole in a block: what an epoch of gradient descent asks of the samples is one read.

use super::{Anchor, Draft, How, Sharing, name_of, origins};
use crate::{
    expr::{Graph, NodeId, Op, movement::coordinate_map},
    kernel::program::PRODUCT_GROUP,
    nd::IndexMap,
    plan::{
        expression::{Expression, LoadFrom, Make, kept_axes},
        grid::BLOCK_BYTES,
        placing::{self, Axes, Placed},
        simplify::is_elementwise,
        views::Views,
        why::{Why, show_bytes},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// Places along an axis that is cut for which a product is worth its packing.
const ROWS_MIN: usize = 64;

impl Sharing<'_> {
    /// Whether a product is multiplied inside the pass that uses it.
    pub(super) fn admit_product(&self, id: NodeId, placed: &Placed, whole: &[bool], why: &mut Why) -> bool {
        let node = self.graph.node(id);
        let Op::Reduce(reduction) = &node.op else { return false };
        let shape = self.graph.node(node.args[0]).shape();
        let inner: usize = reduction.axes.iter().map(|&axis| shape[axis]).product();
        if !self.fuses || inner == 0 || inner > PRODUCT_GROUP || placed.space.contains(&0) {
            return false;
        }
        let bytes_of = |varies: &dyn Fn(usize) -> bool, item: usize| {
            let extent = |axis: usize| if placed.axes[axis].is_none_or(|own| whole[own]) { shape[axis] } else { shape[axis].min(ROWS_MIN) };
            (0..shape.len()).filter(|&axis| varies(axis)).fold(item as u64, |bytes, axis| bytes.saturating_mul(extent(axis) as u64))
        };
        let sides = node.args.iter().map(|&arg| {
            let varies = varies(self.graph, self.views, arg);
            bytes_of(&|axis| varies[axis], self.graph.node(arg).dtype().size())
        });
        let bytes = sides.fold(bytes_of(&|axis| !reduction.axes.contains(&axis), 8), u64::saturating_add);
        let fits = bytes <= self.block_bytes_max();
        let text = match fits {
            true => format!(
                "multiplied inside the pass that uses it: {inner} inner places and {} of both sides lie in a block",
                show_bytes(bytes)
            ),
            false => format!("a pass of its own before it is used: a block would take {}", show_bytes(bytes)),
        };
        why.note(name_of(self.graph, id), text);
        fits
    }

    /// What a block of a pass that multiplies may take: everybody's is an eighth of the budget.
    fn block_bytes_max(&self) -> u64 {
        (self.limits.memory_bytes / (4 * self.limits.threads.max(1) as u64)).max(BLOCK_BYTES)
    }

    /// A pass with an anchor more, if one of both multiplies and their axes can be made the same.
    pub(super) fn join(&self, draft: &Draft, anchor: &Anchor, why: &mut Why) -> Option<Draft> {
        if !draft.anchors.iter().chain([anchor]).all(|anchor| anchor.is_plain) {
            return None;
        }
        let same = draft.space == anchor.space && draft.stream.is_none();
        let joined = same.then(|| draft.with(anchor, anchor.axes.clone(), draft.space.clone(), None));
        let joined = joined.into_iter().chain(self.along_stream(draft, anchor));
        joined.map(|joined| self.settled(joined)).find_map(|joined| {
            let (joined, bytes) = joined?;
            let fits = bytes <= self.block_bytes_max();
            if !fits {
                let [one, other] = [anchor.node, draft.anchors[0].node].map(|node| name_of(self.graph, node));
                why.note(one, format!("not shared with {other}: together a block would take {}", show_bytes(bytes)));
            }
            fits.then_some(joined)
        })
    }

    /// A pass over the axis that both stream along; all others lie whole in a block.
    fn along_stream(&self, draft: &Draft, anchor: &Anchor) -> Option<Draft> {
        let cut = |space: &[usize], whole: &[bool]| {
            (0..space.len()).filter(|&axis| !whole[axis] && space[axis] > 1).max_by_key(|&axis| space[axis])
        };
        let alike = |space: &[usize], length: usize| space.iter().position(|&own| own == length);
        let (own, stream) = match (cut(&anchor.space, &anchor.all_whole), draft.stream.or_else(|| cut(&draft.space, &draft.whole))) {
            (Some(own), Some(stream)) => (own, stream),
            // Of what lies whole in a block any axis will do.
            (Some(own), None) => (own, alike(&draft.space, anchor.space[own])?),
            (None, Some(stream)) => (alike(&anchor.space, draft.space[stream])?, stream),
            (None, None) => {
                let stream = (0..draft.space.len()).max_by_key(|&axis| draft.space[axis])?;
                (alike(&anchor.space, draft.space[stream])?, stream)
            }
        };
        if anchor.space[own] != draft.space[stream] || draft.space[stream] <= 1 {
            return None;
        }
        let alone = Draft::new(anchor.clone()).express(self.graph, self.views);
        let (ours, theirs) = (touched(&alone), touched(&draft.express(self.graph, self.views)));
        let (mut space, mut places): (Vec<usize>, BTreeMap<usize, usize>) = (draft.space.clone(), BTreeMap::from([(own, stream)]));
        for axis in (0..anchor.space.len()).filter(|&axis| axis != own && anchor.space[axis] > 1) {
            let is_free = |place: &usize| space[*place] == anchor.space[axis] && !places.values().any(|taken| taken == place);
            // Of axes of one length the one along which the same is read.
            let common = |place: &usize| ours[axis].intersection(&theirs[*place]).count();
            let found = (0..draft.space.len()).filter(is_free).max_by_key(|place| (common(place), std::cmp::Reverse(*place)));
            let place = found.unwrap_or_else(|| {
                space.push(anchor.space[axis]);
                space.len() - 1
            });
            places.insert(axis, place);
        }
        let axes: Axes = anchor.axes.iter().map(|axis| axis.and_then(|axis| places.get(&axis).copied())).collect();
        let counts_places = matches!(&self.graph.node(anchor.node).op, Op::Reduce(reduction) if reduction.counts_places());
        (placing::is_ordered(&axes) || !counts_places).then(|| draft.with(anchor, axes, space, Some((stream, own))))
    }

    /// A pass with all axes that it needs, and bytes of its smallest block; `None` if it would read what nobody makes.
    fn settled(&self, mut draft: Draft) -> Option<(Draft, u64)> {
        let expression = draft.express(self.graph, self.views);
        if !origins(&expression).is_subset(&draft.reads) {
            return None;
        }
        let products = draft.anchors.iter().filter_map(|anchor| Some((anchor, self.graph.node(anchor.node).op.product()?)));
        let rows = if products.clone().any(|(anchor, _)| anchor.how == How::Global) { PRODUCT_GROUP } else { ROWS_MIN };
        let extent = |axis: usize| if expression.whole[axis] { expression.space[axis] } else { expression.space[axis].min(rows) } as u64;
        let sums = products.map(|(anchor, reduction)| {
            kept_axes(reduction, &anchor.axes).iter().flatten().fold(8, |bytes: u64, &axis| bytes.saturating_mul(extent(axis)))
        });
        let sums = sums.fold(0, u64::saturating_add);
        let bytes = expression.values.iter().filter(|value| !matches!(value.make, Make::Load(..) | Make::Constant(_) | Make::Sequence(..)));
        let bytes = bytes.map(|value| {
            let item = if matches!(value.make, Make::ReducePairs(..)) { 16 } else { value.dtype.size() } as u64;
            (0..expression.space.len()).filter(|&axis| value.support[axis]).fold(item, |bytes, axis| bytes.saturating_mul(extent(axis)))
        });
        let bytes = bytes.fold(sums, u64::saturating_add);
        (draft.space, draft.whole, draft.inside) = (expression.space, expression.whole, expression.inside);
        Some((draft, bytes))
    }
}

impl Draft {
    /// The pass with an anchor whose operands have `axes` in `space`; with a stream (in the pass and in the anchor) all other axes lie
    /// whole in a block.
    fn with(&self, anchor: &Anchor, axes: Axes, space: Vec<usize>, stream: Option<(usize, usize)>) -> Draft {
        let mut joined = self.clone();
        joined.whole = match stream {
            Some((stream, own)) => {
                let is_whole = self.whole[stream] || anchor.all_whole[own];
                (0..space.len()).map(|axis| axis != stream || is_whole).collect()
            }
            None => self.whole.iter().zip(&anchor.all_whole).map(|(a, b)| *a || *b).collect(),
        };
        joined.reads.extend(&anchor.reads);
        joined.inside.extend(&anchor.inside);
        joined.anchors.push(Anchor { axes, ..anchor.clone() });
        Draft { space, stream: stream.map(|(stream, _)| stream), multiplies: true, ..joined }
    }
}

/// For every axis of a pass what is read along it, and in which steps.
fn touched(expression: &Expression) -> Vec<BTreeSet<(LoadFrom, Vec<i64>)>> {
    let mut touched = vec![BTreeSet::new(); expression.space.len()];
    for (from, map) in expression.loads() {
        for (axis, steps) in map.steps.iter().enumerate().take(touched.len()).filter(|(_, steps)| steps.iter().any(|step| *step != 0)) {
            touched[axis].insert((from, steps.clone()));
        }
    }
    touched
}

/// The axes along which a node varies, as far as views tell.
fn varies(graph: &Graph, views: &Views, id: NodeId) -> Vec<bool> {
    let mut id = id;
    let mut map = IndexMap::identity(&graph.node(id).shape());
    let flags = |map: &IndexMap| (0..map.rank()).map(|axis| map.shape[axis] > 1 && !map.is_broadcast(axis)).collect();
    loop {
        let node = graph.node(id);
        if let Some((_, view)) = views.get(id) {
            return flags(&view.compose(&map).unwrap_or(map));
        }
        let through = node.args.first().filter(|_| !is_elementwise(&node.op)).and_then(|&arg| {
            let from = graph.node(arg).shape();
            Some((arg, coordinate_map(&node.op, &from)?.compose(&map)?))
        });
        match through {
            Some((arg, below)) => (id, map) = (arg, below),
            None => return flags(&map),
        }
    }
}
