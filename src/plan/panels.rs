//! Reductions of many outputs in panels: parts of the outputs, each with a reduction of its own, so that the sums of one part are held
//! at a time. Sums are exact either way, so that panels show nowhere in the bits.

use crate::{
    error::{Error, Result},
    expr::{Graph, GraphBuilder, NodeId, Op, Reduction},
    kernel::program::{BinaryOp, Generator, PRODUCT_GROUP},
    nd::{AxisMap, DType, Scalar, SliceItem, axis_map::AxisStep},
    numeric::{Accumulator, AccumulatorKind, SumMode},
    plan::{
        Limits, Plan,
        share::sums_bytes_max,
        why::{Why, show_bytes},
    },
};

/// Panels of one product at most: each reads its operands once more.
const PANELS_MAX: usize = 64;

/// The graph in which products whose sums are more than memory holds are cut into panels that it holds, if there are any.
pub fn in_panels(graph: &Graph, roots: &[NodeId], limits: &Limits, why: &mut Why) -> Result<Option<(Graph, Vec<NodeId>)>> {
    if !(0..graph.nodes.len()).any(|index| cut_of(graph, index, limits).is_some()) {
        return Ok(None);
    }
    let mut builder = GraphBuilder::with_leaves(graph.sources.clone(), graph.functions.clone());
    let mut moved: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    for (index, node) in graph.nodes.iter().enumerate() {
        let args: Vec<NodeId> = node.args.iter().map(|arg| moved[arg.index()]).collect();
        moved.push(match (&node.op, cut_of(graph, index, limits)) {
            (Op::Reduce(reduction), Some((axis, count))) => {
                let bytes = show_bytes(sums_bytes(graph, index));
                let text =
                    format!("in {count} panels along axis {axis}, which read what it multiplies {count} times: all sums take {bytes}");
                why.note(format!("matmul %{index}"), text);
                panels(&mut builder, reduction, &args, axis, count)?
            }
            _ => builder.push(node.op.clone(), args)?,
        });
    }
    let roots = roots.iter().map(|root| moved[root.index()]).collect();
    Ok(Some((builder.finish(), roots)))
}

/// A plan of a graph with panels: its nodes are those of these panels only, and what is kept of one of them is nothing to a plan with
/// others. More panels are more nodes.
#[must_use]
pub fn renamed(mut plan: Plan, graph: &Graph) -> Plan {
    let salt = (graph.nodes.len() as u32).wrapping_mul(0x9e37_79b1);
    plan.temps.iter_mut().for_each(|temp| temp.node = NodeId(temp.node.0 ^ salt));
    plan
}

/// Bytes of the sums of all outputs of a product.
fn sums_bytes(graph: &Graph, index: usize) -> u64 {
    let outputs = graph.nodes[index].shape().iter().fold(1usize, |count, &length| count.saturating_mul(length));
    Accumulator::state_bytes_max(AccumulatorKind::Sum(SumMode::Exact), DType::F64, outputs)
}

/// The longest axis of a product whose sums are more than memory holds, and into how many parts it is cut.
fn cut_of(graph: &Graph, index: usize, limits: &Limits) -> Option<(usize, usize)> {
    let node = &graph.nodes[index];
    let reduction = node.op.product()?;
    let shape = graph.node(node.args[0]).shape();
    let inner = reduction.axes.iter().fold(1usize, |count, &axis| count.saturating_mul(shape[axis]));
    let bytes = sums_bytes(graph, index);
    if inner <= PRODUCT_GROUP || shape.contains(&0) || bytes <= sums_bytes_max(limits) {
        return None;
    }
    let axis = (0..shape.len()).filter(|axis| !reduction.axes.contains(axis)).max_by_key(|&axis| (shape[axis], std::cmp::Reverse(axis)))?;
    let count = usize::try_from(bytes.div_ceil(sums_bytes_max(limits).max(1))).ok()?;
    // Parts of nearly equal length: the longest may hold a line more than its share.
    let count = count.saturating_add(usize::from(!shape[axis].is_multiple_of(count)));
    (count <= PANELS_MAX.min(shape[axis])).then_some((axis, count))
}

/// The reduction of `count` parts of its operands along `axis`, one after the other.
pub fn panels(builder: &mut GraphBuilder, reduction: &Reduction, args: &[NodeId], axis: usize, count: usize) -> Result<NodeId> {
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
