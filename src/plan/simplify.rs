//! First pass: the same values with fewer and plainer nodes.
//!
//! Axis names go (they have done their work), casts and stretches to what is there already go, casts of constants
//! are folded, and reshapes sink through elementwise operations to the stores below them, where they are free.
//! No rewrite moves a rounding.

use crate::{
    error::Result,
    expr::{Graph, GraphBuilder, Node, NodeId, Op},
    nd::{
        DType, Dims, Element, Scalar, SliceItem,
        slice::{self, AxisSlice},
    },
};
use std::collections::{BTreeSet, HashMap};

/// The simplified graph and where the requested nodes went.
pub fn simplify(graph: &Graph, roots: &[NodeId]) -> Result<(Graph, Vec<NodeId>)> {
    let wanted = reachable(graph, roots);
    let mut sources = graph.sources.clone();
    for facts in &mut sources {
        facts.dims = Dims::unnamed(facts.shape.len());
    }
    let mut builder = GraphBuilder::with_leaves(sources, graph.functions.clone());
    let mut moved: Vec<Option<NodeId>> = vec![None; graph.nodes.len()];
    for (index, node) in graph.nodes.iter().enumerate().filter(|(index, _)| wanted[*index]) {
        let args: Vec<NodeId> = node.args.iter().map(|id| moved[id.index()].expect("children come first")).collect();
        moved[index] = Some(rewrite(&mut builder, node, args)?);
    }
    let roots = roots.iter().map(|id| moved[id.index()].expect("roots are reachable")).collect();
    Ok((builder.finish(), roots))
}

fn reachable(graph: &Graph, roots: &[NodeId]) -> Vec<bool> {
    let mut wanted = vec![false; graph.nodes.len()];
    for root in roots {
        wanted[root.index()] = true;
    }
    for index in (0..graph.nodes.len()).rev() {
        if wanted[index] {
            mark(graph, index, &mut wanted);
        }
    }
    wanted
}

fn mark(graph: &Graph, index: usize, wanted: &mut [bool]) {
    for arg in &graph.nodes[index].args {
        wanted[arg.index()] = true;
    }
}

fn rewrite(builder: &mut GraphBuilder, node: &Node, args: Vec<NodeId>) -> Result<NodeId> {
    let operand = |builder: &GraphBuilder, place: usize| builder.graph().node(args[place]).clone();
    match &node.op {
        Op::Rename(_) => Ok(args[0]),
        Op::Cast(to, _) if operand(builder, 0).dtype() == *to => Ok(args[0]),
        Op::Cast(to, mode) => match operand(builder, 0).op {
            Op::Constant(value, from) if mode.is_checked() => match fold_cast(value, from, *to) {
                Some(folded) => builder.push(Op::Constant(folded, *to), Vec::new()),
                None => builder.push(node.op.clone(), args),
            },
            _ => builder.push(node.op.clone(), args),
        },
        Op::BroadcastTo(shape) if operand(builder, 0).meta.known_shape().as_ref() == Some(shape) => Ok(args[0]),
        Op::Reshape(_) => {
            let target: Vec<i64> = node.shape().iter().map(|&length| length as i64).collect();
            reshape(builder, args[0], target)
        }
        Op::Compress { axis: Some(_), .. } => {
            let (value, mask) = (operand(builder, 0), operand(builder, 1));
            let mut items = vec![SliceItem::FULL];
            items.resize(value.meta.rank(), SliceItem::NewAxis);
            let stretched = match mask.meta.rank() == value.meta.rank() {
                true => args[1],
                false => builder.push(Op::Slice(items), vec![args[1]])?,
            };
            let shape = value.shape();
            let stretched = match builder.graph().node(stretched).shape() == shape {
                true => stretched,
                false => builder.push(Op::BroadcastTo(shape), vec![stretched])?,
            };
            builder.push(node.op.clone(), vec![args[0], stretched])
        }
        op => below_scans(builder, op, args[..].first().copied()).unwrap_or_else(|| builder.push(op.clone(), args)),
    }
}

/// A view of a scan as a scan of a view, where the view leaves every line whole and in order: only what is asked for is scanned then,
/// and nothing is kept in memory for it.
fn below_scans(builder: &mut GraphBuilder, op: &Op, value: Option<NodeId>) -> Option<Result<NodeId>> {
    let (mut scans, mut below) = (Vec::new(), value?);
    loop {
        let node = builder.graph().node(below);
        let Op::Scan { kind, axis } = node.op else { break };
        let Some(moved) = axis_behind(op, axis, &node.shape()) else { break };
        scans.push(Op::Scan { kind, axis: moved });
        below = node.args[0];
    }
    if scans.is_empty() {
        return None;
    }
    let view = builder.push(op.clone(), vec![below]);
    Some(scans.into_iter().rev().fold(view, |made, scan| builder.push(scan, vec![made?])))
}

/// Where a view of `shape` puts `axis`, if it leaves its lines whole and in order.
fn axis_behind(op: &Op, axis: usize, shape: &[usize]) -> Option<usize> {
    match op {
        Op::Slice(items) => {
            let (mut own, mut place) = (0, 0);
            for item in slice::resolve(items, shape).ok()? {
                match item {
                    AxisSlice::New => place += 1,
                    AxisSlice::Fixed(_) if own == axis => return None,
                    AxisSlice::Fixed(_) => own += 1,
                    AxisSlice::Range { start, step, length } if own == axis => {
                        return (length == shape[axis] && start == 0 && step == 1).then_some(place);
                    }
                    AxisSlice::Range { .. } => (own, place) = (own + 1, place + 1),
                }
            }
            None
        }
        Op::Permute(order) => order.iter().position(|&from| from == axis),
        Op::Gather { axis: gathered, .. } => (*gathered != axis).then_some(axis),
        _ => None,
    }
}

/// Sinks a reshape through elementwise operations. An explicit stack, because chains may be 100,000 long.
fn reshape(builder: &mut GraphBuilder, value: NodeId, target: Vec<i64>) -> Result<NodeId> {
    let from = builder.graph().node(value).shape();
    // Values that the reshape passes through, parents before children.
    let mut order = BTreeSet::from([value]);
    let mut waiting = vec![value];
    while let Some(id) = waiting.pop() {
        let node = builder.graph().node(id);
        if is_elementwise(&node.op) && node.shape() == from {
            let below = node.args.iter().copied().filter(|arg| !builder.graph().node(*arg).shape().is_empty());
            waiting.extend(below.filter(|arg| order.insert(*arg)));
        }
    }
    let mut moved = HashMap::new();
    for id in order {
        let node = builder.graph().node(id).clone();
        let made = if node.shape() == target_shape(&target) {
            id
        } else if is_elementwise(&node.op)
            && node.shape() == from
            && !from.is_empty()
            && node.args.iter().all(|arg| moved.contains_key(arg) || builder.graph().node(*arg).shape().is_empty())
        {
            let args = node.args.iter().map(|arg| moved.get(arg).copied().unwrap_or(*arg)).collect();
            builder.push(node.op.clone(), args)?
        } else if node.shape() == from {
            builder.push(Op::Reshape(target.clone()), vec![id])?
        } else {
            // An operand that stretches: spelled out first, so that the reshape is of the stretched view.
            let stretched = builder.push(Op::BroadcastTo(from.clone()), vec![id])?;
            builder.push(Op::Reshape(target.clone()), vec![stretched])?
        };
        moved.insert(id, made);
    }
    Ok(moved[&value])
}

fn target_shape(target: &[i64]) -> Vec<usize> {
    target.iter().map(|&length| length as usize).collect()
}

/// Whether an operation works element by element.
#[must_use]
pub fn is_elementwise(op: &Op) -> bool {
    matches!(op, Op::Unary(_) | Op::Binary(_) | Op::Select | Op::Cast(..) | Op::Search { table: Some(_), .. })
}

/// A constant converted to another dtype; `None` where the conversion is a matter of the cast's mode.
fn fold_cast(value: Scalar, from: DType, to: DType) -> Option<Scalar> {
    let held = read_scalar(&value.to_bytes(from), from);
    match (held, to.is_float(), to) {
        (_, true, _) => Some(Scalar::Float(held.to_f64())).map(|folded| read_scalar(&folded.to_bytes(to), to)),
        (_, _, DType::Bool) => Some(Scalar::Bool(held.to_f64() != 0.0)),
        (Scalar::Float(_), ..) => None,
        (integer, ..) => integer.fits(to).then_some(Scalar::Int(integer.to_i128())),
    }
}

fn read_scalar(bytes: &[u8], dtype: DType) -> Scalar {
    match dtype {
        DType::Bool => Scalar::Bool(bytes[0] != 0),
        DType::F16 => Scalar::Float(f64::from(half::f16::from_bytes(bytes))),
        DType::BF16 => Scalar::Float(f64::from(half::bf16::from_bytes(bytes))),
        DType::F32 => Scalar::Float(f64::from(f32::from_bytes(bytes))),
        DType::F64 => Scalar::Float(f64::from_bytes(bytes)),
        DType::I8 => Scalar::from(i8::from_bytes(bytes)),
        DType::I16 => Scalar::from(i16::from_bytes(bytes)),
        DType::I32 => Scalar::from(i32::from_bytes(bytes)),
        DType::I64 => Scalar::from(i64::from_bytes(bytes)),
        DType::U8 => Scalar::from(u8::from_bytes(bytes)),
        DType::U16 => Scalar::from(u16::from_bytes(bytes)),
        DType::U32 => Scalar::from(u32::from_bytes(bytes)),
        DType::U64 => Scalar::from(u64::from_bytes(bytes)),
    }
}
