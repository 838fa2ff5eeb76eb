//! Where the reserve of digits for exact sums is spent: the same reductions in panels of fewer outputs, each with a reserve of its
//! own. The sums are exact either way, so that panels show nowhere in the bits.

use super::graph::{Work, rewrite_with};
use crate::{
    error::{Error, Result},
    expr::{Graph, GraphBuilder, NodeId, Op, Reduction},
    kernel::program::{BinaryOp, Generator},
    nd::{AxisMap, DType, Scalar, SliceItem, axis_map::AxisStep},
    numeric::{Finish, ReserveSpent, SumMode},
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

/// The reduction of `count` parts of its operands along `axis`, one after the other.
fn panels(builder: &mut GraphBuilder, reduction: &Reduction, args: &[NodeId], axis: usize, count: usize) -> Result<NodeId> {
    let shape = builder.graph().node(args[0]).shape();
    let (length, rank) = (shape[axis], shape.len());
    let mut made = Vec::new();
    for panel in 0..count {
        let (start, stop) = (panel * length / count, (panel + 1) * length / count);
        let mut items = vec![SliceItem::FULL; rank];
        items[axis] = SliceItem::Range { start: Some(start as i64), stop: Some(stop as i64), step: 1 };
        let parts = args.iter().map(|&arg| builder.push(Op::Slice(items.clone()), vec![arg])).collect::<Result<_>>()?;
        made.push((start, stop, builder.push(Op::Reduce(reduction.clone()), parts)?));
    }
    let axis = if reduction.keepdims { axis } else { axis - reduction.axes.iter().filter(|&&reduced| reduced < axis).count() };
    joined(builder, &made, axis, length)
}

/// Parts of a value along `axis`, which begin and end at the places given, as one.
fn joined(builder: &mut GraphBuilder, parts: &[(usize, usize, NodeId)], axis: usize, length: usize) -> Result<NodeId> {
    let rank = builder.graph().node(parts[0].2).shape().len();
    let generator = Generator::Arange { start: Scalar::Int(0), step: Scalar::Int(1) };
    let index = builder.push(Op::Sequence { generator, length, dtype: DType::I64 }, Vec::new())?;
    let mut items = vec![SliceItem::NewAxis; rank];
    items[axis] = SliceItem::FULL;
    let index = builder.push(Op::Slice(items), vec![index])?;
    let mut whole = None;
    // Every part is stretched over the whole axis by repeating its ends, and taken where it belongs.
    for &(start, stop, part) in parts.iter().rev() {
        let map = AxisMap::of([AxisStep::Affine { start: -(start as i64), step: 1 }, AxisStep::Clamp(stop - start)]);
        let part = builder.push(Op::Gather { axis, map, length }, vec![part])?;
        whole = Some(match whole {
            None => part,
            Some(behind) => {
                let end = builder.push(Op::Constant(Scalar::Int(stop as i128), DType::I64), Vec::new())?;
                let before = builder.push(Op::Binary(BinaryOp::Less), vec![index, end])?;
                builder.push(Op::Select, vec![before, part, behind])?
            }
        });
    }
    whole.ok_or_else(|| Error::internal("a reduction without panels"))
}
