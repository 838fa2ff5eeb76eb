//! Products of matrices: their operands as memory that the kernel walks, and products of a side with itself.

use super::{Action, Lowering, Operand, Request};
use crate::{
    expr::{Graph, NodeId, Op},
    kernel::program::{AccId, Product, SlotId, Step, is_factor},
    nd::IndexMap,
    plan::{
        expression::{Expression, Make, ValueId, reduced_flags},
        lower::sweeps::operands,
        placing::Axes,
        share::Draft,
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// Longest side that lies whole in a block so that half of a product is enough: its sums are 8 MiB.
const MIRRORED_MAX: usize = 1024;

/// The products whose right side is the left one with two axes exchanged, and these axes; the right sides are no longer computed.
pub fn mirrored(graph: &Graph, draft: &Draft, expression: &mut Expression) -> BTreeMap<(NodeId, Axes), [usize; 2]> {
    let mut found = BTreeMap::new();
    let mut at = 0;
    for anchor in &draft.anchors {
        let sides = at..at + anchor.operands.len();
        at = sides.end;
        let Some(reduction) = graph.node(anchor.node).op.product() else { continue };
        let [left, right] = [expression.roots[sides.start], expression.roots[sides.start + 1]];
        let reduced = reduced_flags(reduction, &anchor.axes, draft.space.len());
        if let Some(axes) = exchanged(expression, &draft.space, &reduced, [left, right]) {
            found.insert((anchor.node, anchor.axes.clone()), axes);
            expression.roots[sides.start + 1] = left;
        }
    }
    if !found.is_empty() {
        prune(expression);
    }
    found
}

/// The one axis that the left side alone has and the one that the right side alone has, if exchanging them turns one side into the other.
fn exchanged(expression: &Expression, space: &[usize], reduced: &[bool], [left, right]: [ValueId; 2]) -> Option<[usize; 2]> {
    let support = |side: ValueId| &expression.values[side.0].support;
    let only = |side: ValueId, other: ValueId| {
        let mut axes = (0..space.len()).filter(|&axis| !reduced[axis] && support(side)[axis] && !support(other)[axis]);
        axes.next().filter(|_| axes.next().is_none())
    };
    let axes = [only(left, right)?, only(right, left)?];
    (space[axes[0]] == space[axes[1]] && space[axes[0]] <= MIRRORED_MAX && is_mirror(expression, [left, right], axes)).then_some(axes)
}

fn is_mirror(expression: &Expression, sides: [ValueId; 2], [first, second]: [usize; 2]) -> bool {
    let value = |id: ValueId| &expression.values[id.0];
    let exchanged = |axis: Option<usize>| match axis {
        Some(axis) if axis == first => Some(second),
        Some(axis) if axis == second => Some(first),
        axis => axis,
    };
    let flipped = |map: &IndexMap| {
        let mut map = map.clone();
        map.shape.swap(first, second);
        map.steps.swap(first, second);
        if !map.maps.is_empty() {
            map.maps.swap(first, second);
        }
        map
    };
    let mut seen = BTreeSet::new();
    let mut waiting = vec![sides];
    while let Some([a, b]) = waiting.pop() {
        if !seen.insert([a, b]) {
            continue;
        }
        let (one, other) = (value(a), value(b));
        let same = one.dtype == other.dtype
            && match (&one.make, &other.make) {
                _ if a == b => !one.support[first] && !one.support[second],
                (Make::Load(from, map), Make::Load(other, seen)) => from == other && flipped(map) == *seen,
                (Make::Sequence(rule, map), Make::Sequence(other, seen)) => rule == other && flipped(map) == *seen,
                (Make::Constant(one), Make::Constant(other)) => one == other,
                (Make::Unary(one, _), Make::Unary(other, _)) => one == other,
                (Make::Binary(one, ..), Make::Binary(other, ..)) => one == other,
                (Make::Select(..), Make::Select(..)) => true,
                (Make::Cast(one, _), Make::Cast(other, _)) => one == other,
                (Make::Search(one, _), Make::Search(other, _)) => one == other,
                (Make::ReducePairs(node, _), Make::ReducePairs(other, _)) | (Make::Reduce(node, _), Make::Reduce(other, _)) => {
                    node == other && one.axes.iter().copied().map(exchanged).eq(value(b).axes.iter().copied())
                }
                _ => false,
            };
        if !same {
            return false;
        }
        if a != b {
            waiting.extend(operands(&one.make).into_iter().zip(operands(&other.make)).map(|(a, b)| [a, b]));
        }
    }
    true
}

/// Drops values that no root needs.
fn prune(expression: &mut Expression) {
    let mut needed: BTreeSet<ValueId> = expression.roots.iter().copied().collect();
    for index in (0..expression.values.len()).rev().map(ValueId) {
        if needed.contains(&index) {
            needed.extend(operands(&expression.values[index.0].make));
        }
    }
    let places: BTreeMap<ValueId, ValueId> = needed.iter().enumerate().map(|(place, &old)| (old, ValueId(place))).collect();
    let moved = |id: &mut ValueId| *id = places[id];
    let values = std::mem::take(&mut expression.values);
    expression.values =
        values.into_iter().enumerate().filter(|(index, _)| needed.contains(&ValueId(*index))).map(|(_, value)| value).collect();
    for value in &mut expression.values {
        match &mut value.make {
            Make::Load(..) | Make::Constant(_) | Make::Sequence(..) => {}
            Make::Unary(_, a) | Make::Cast(_, a) | Make::Search(_, a) | Make::Reduce(_, a) | Make::Call(_, a) => moved(a),
            Make::Binary(_, a, b) | Make::ReducePairs(_, [a, b]) => [a, b].into_iter().for_each(moved),
            Make::Select(a, b, c) => [a, b, c].into_iter().for_each(moved),
        }
    }
    expression.roots.iter_mut().for_each(moved);
}

impl Lowering<'_> {
    /// Multiplies two sides once all sweeps of their level have run.
    pub(super) fn product(&mut self, acc: AccId, request: &Request) {
        let Operand::Pairs([left, right]) = request.operand else { unreachable!("a product has two sides") };
        let level = self.level(request.operand);
        let mirrored = self.mirrored.get(&(request.node, request.axes.clone())).copied().filter(|_| left == right);
        let left_slot = self.side(left);
        let right_slot = if mirrored.is_some() { None } else { Some(self.side(right)) };
        let left_axes = self.values[left.0].support.clone();
        let mut right_axes = self.values[right.0].support.clone();
        if let Some([first, second]) = mirrored {
            right_axes.swap(first, second);
        }
        let Op::Reduce(reduction) = &self.graph.node(request.node).op else { unreachable!("made from a reduction") };
        let inner = request.axes.iter().enumerate().filter(|(own, _)| reduction.axes.contains(own)).filter_map(|(_, axis)| *axis).collect();
        let mirrored = mirrored.unwrap_or_default();
        let product = Product { left: left_slot, right: right_slot, mirrored, left_axes, right_axes, inner, acc };
        self.products.push((level, Step::Product(product)));
    }

    /// The memory of a side: what it is loaded from, if the kernel can read that, or a local.
    fn side(&mut self, side: ValueId) -> SlotId {
        let value = &self.values[side.0];
        let plain = is_factor(value.dtype);
        if let Some(&slot) = self.loads.get(&side).filter(|slot| plain && !self.made.program.slots[slot.0 as usize].swapped) {
            return slot;
        }
        let (level, support) = (value.level, value.support.clone());
        let is_left_there = matches!(value.make, Make::Reduce(..) | Make::ReducePairs(..) | Make::Call(..));
        let is_new = !self.locals.contains_key(&side);
        let slot = self.place_of(side);
        if is_new && !is_left_there {
            self.act(level, support, Action::Store(slot, side));
        }
        slot
    }
}
