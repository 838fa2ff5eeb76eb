//! A small part of an array that says something about all of it: views only, spread over the reduced axes.

use super::round::Round;
use crate::{
    error::Result,
    expr::{Graph, NodeId, Op},
    nd::SliceItem,
};

/// Neighbours that are read together where an axis lies contiguously in a store: a page of most dtypes.
const NEIGHBOURS: usize = 512;

/// A view of `node` with about `target` elements of every lane (the elements along the `reduced` axes), and which axes of it are reduced.
pub(super) fn sampled(round: &mut Round, node: NodeId, reduced: &[bool], target: usize) -> Result<(NodeId, Vec<bool>)> {
    let shape = round.node(node).shape();
    let mut items = vec![SliceItem::FULL; shape.len()];
    let (mut left, mut broken) = (target.max(1), None);
    for axis in (0..shape.len()).filter(|&axis| reduced[axis]) {
        let inner: usize = (axis + 1..shape.len()).filter(|&later| reduced[later]).map(|later| shape[later]).product();
        // An outer axis is only spread over where the inner ones alone are too many.
        let wanted = if inner > left { shape[axis].min(64).min(left) } else { left.div_ceil(inner.max(1)).min(shape[axis]) }.max(1);
        left = if inner > left { left.div_ceil(wanted) } else { inner.max(1) };
        if wanted == shape[axis] {
            continue;
        }
        let is_last = axis + 1 == shape.len();
        if is_last && wanted >= 2 * NEIGHBOURS && splits(round.graph(), node) {
            broken = Some((axis, wanted / NEIGHBOURS));
            let stride = shape[axis] / (wanted / NEIGHBOURS);
            items[axis] = range(stride * (wanted / NEIGHBOURS), 1);
        } else {
            let step = shape[axis] / wanted;
            items[axis] = range(step * wanted, step);
        }
    }
    let sliced = round.push(Op::Slice(items), vec![node])?;
    let Some((axis, pieces)) = broken else { return Ok((sliced, reduced.to_vec())) };
    let mut split: Vec<i64> = round.node(sliced).shape().iter().map(|&length| length as i64).collect();
    let stride = split[axis] / pieces as i64;
    split.splice(axis..=axis, [pieces as i64, stride]);
    let apart = round.push(Op::Reshape(split.clone()), vec![sliced])?;
    let mut items = vec![SliceItem::FULL; split.len()];
    items[axis + 1] = range(NEIGHBOURS.min(stride as usize), 1);
    let made = round.push(Op::Slice(items), vec![apart])?;
    let mut flags = reduced.to_vec();
    flags.insert(axis, true);
    Ok((made, flags))
}

fn range(stop: usize, step: usize) -> SliceItem {
    SliceItem::Range { start: None, stop: Some(stop as i64), step: step as i64 }
}

/// Whether an axis of `node` can be split without anything having to exist as a whole.
fn splits(graph: &Graph, node: NodeId) -> bool {
    let shape = graph.node(node).shape();
    let (mut waiting, mut seen) = (vec![node], vec![false; graph.nodes.len()]);
    while let Some(id) = waiting.pop() {
        if std::mem::replace(&mut seen[id.index()], true) {
            continue;
        }
        let node = graph.node(id);
        match &node.op {
            Op::Source(_) | Op::Constant(..) | Op::Sequence { .. } => {}
            Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(..) => waiting.extend(&node.args),
            // What is a view of one of those lies in strides.
            Op::Slice(_) | Op::Permute(_) | Op::BroadcastTo(_) | Op::Rename(_) | Op::Reshape(_) if node.shape() == shape => {
                waiting.extend(&node.args);
            }
            Op::BroadcastTo(_) | Op::Rename(_) => waiting.extend(&node.args),
            Op::Slice(_) | Op::Permute(_) if matches!(graph.node(node.args[0]).op, Op::Source(_)) => {}
            _ => return false,
        }
    }
    true
}
