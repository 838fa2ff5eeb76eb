//! Where the reserve of digits for exact sums is spent: the same reductions in panels of fewer outputs, each with a reserve of its
//! own. The sums are exact either way, so that panels show nowhere in the bits.

use super::graph::{Work, rewrite_with};
use crate::{
    error::{Error, Result},
    expr::{Graph, NodeId, Op},
    numeric::{Finish, ReserveSpent, SumMode},
    plan::{Limits, grid::BLOCK_BYTES, panels::panels},
};

/// How many panels are tried, one after the other. What spends the reserves of the last ones is an error.
pub(super) const PANELS: [usize; 3] = [4, 16, 64];
/// Panels that one becomes.
const FACTOR: usize = 4;

/// Whether an error says that a reserve is spent.
pub(super) fn is_spent(error: &Error) -> bool {
    error.downcast_ref::<ReserveSpent>().is_some()
}

/// Cuts the exact sums of many outputs into panels, and panels into smaller ones. Whether there was one to cut.
pub(super) fn in_panels(work: &mut Work) -> Result<bool> {
    let graph = work.graph.clone();
    let mut cut = false;
    let (builder, roots) = rewrite_with(&graph, &work.roots, |builder, id, op, args| match (op, longest_kept(&graph, id)) {
        (Op::Reduce(reduction), Some((axis, length))) => {
            cut = true;
            panels(builder, reduction, &args, axis, FACTOR.min(length))
        }
        _ => builder.push(op.clone(), args),
    })?;
    if cut {
        (work.graph, work.roots) = (builder.finish(), roots);
    }
    Ok(cut)
}

/// The same limits with smaller blocks, as many times as there are panels: sums whose axes lie whole in a block have an output for each of
/// its lines, and a reserve for each block.
pub(super) fn fewer_outputs(limits: &Limits, panels: usize) -> Limits {
    let block = limits.block_bytes.unwrap_or(BLOCK_BYTES) / panels as u64;
    Limits { block_bytes: Some(block.max(1)), ..limits.clone() }
}

/// The longest axis that stays of an exact sum of floats with more outputs than have digits each, and its length.
fn longest_kept(graph: &Graph, id: NodeId) -> Option<(usize, usize)> {
    let node = graph.node(id);
    let Op::Reduce(reduction) = &node.op else { return None };
    let sums = match reduction.finish.plain() {
        Finish::Sum | Finish::Mean | Finish::Var { .. } | Finish::Std { .. } | Finish::Norm | Finish::State { .. } => true,
        finish => finish.is_paired(),
    };
    let value = graph.node(node.args[0]);
    if !sums || reduction.mode != SumMode::Exact || !value.dtype().is_float() {
        return None;
    }
    let shape = value.meta.known_shape()?;
    let kept = || (0..shape.len()).filter(|axis| !reduction.axes.contains(axis));
    let outputs: usize = kept().map(|axis| shape[axis]).product();
    let axis = kept().max_by_key(|&axis| shape[axis])?;
    (outputs > ReserveSpent::OUTPUTS_SAFE && shape[axis] > 1).then_some((axis, shape[axis]))
}
