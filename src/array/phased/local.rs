//! What needs no phase: lines that lie whole in a block are selected from where they are read.

use crate::{
    array::{
        below::BlockFunction,
        graph::{Work, rewrite_with},
        size::show_memory,
    },
    error::{Error, Result},
    expr::{
        FunctionFacts, FunctionRole, GraphBuilder, NodeId, Op, Phased, Reduction,
        phased::{Part, Quantile, Sort, Top},
    },
    kernel::{
        order::lines::{Give, LineQuantile, LineSort},
        program::{BinaryOp, Generator},
    },
    nd::{DType, Scalar, SliceItem, shape::show},
    numeric::{Finish, SumMode},
    plan::{Limits, grid::BLOCK_BYTES},
};
use std::sync::Arc;

/// Puts those of `nodes` that need no phase into the graph of `work`. Whether there was one.
pub(super) fn put(work: &mut Work, nodes: &[NodeId], limits: &Limits) -> Result<bool> {
    let fits = |id: &NodeId| match &work.graph.node(*id).op {
        Op::Phased(Phased::Quantile(quantile)) => {
            let value = work.graph.node(work.graph.node(*id).args[0]);
            let shape = value.shape();
            let within: Vec<bool> = (0..shape.len()).map(|axis| quantile.axes.contains(&axis)).collect();
            !shape.contains(&0) && lies_whole(&shape, &within, value.dtype().size() + quantile.dtype(value.dtype()).size(), limits)
        }
        // There is no other way.
        Op::Phased(Phased::Sort(_)) => true,
        Op::Phased(Phased::Top(top)) => {
            let value = work.graph.node(work.graph.node(*id).args[0]);
            let shape = value.shape();
            // What is cut off leaves the block in order, so that all axes but the first are whole.
            let within: Vec<bool> = (0..shape.len()).map(|axis| axis > 0 || axis == top.axis).collect();
            top.count > 0 && !shape.contains(&0) && lies_whole(&shape, &within, value.dtype().size() + 9, limits)
        }
        _ => false,
    };
    let local: Vec<NodeId> = nodes.iter().copied().filter(fits).collect();
    if local.is_empty() {
        return Ok(false);
    }
    let graph = work.graph.clone();
    let mut functions: Vec<Arc<dyn BlockFunction>> = Vec::new();
    let (builder, roots) = rewrite_with(&graph, &work.roots, |builder, id, op, args| match op {
        Op::Phased(Phased::Quantile(quantile)) if local.contains(&id) => quantiles(builder, &mut functions, quantile, args[0]),
        Op::Phased(Phased::Sort(sort)) if local.contains(&id) => sorted(builder, &mut functions, sort, args[0], limits),
        Op::Phased(Phased::Top(top)) if local.contains(&id) => first_of_lines(builder, &mut functions, top, args[0]),
        _ => builder.push(op.clone(), args),
    })?;
    (work.graph, work.roots) = (builder.finish(), roots);
    work.functions.extend(functions);
    Ok(true)
}

/// Whether blocks in which the axes `within` are whole are small, or leave enough of them for every thread. `item_bytes` is what an
/// element takes in a block.
pub(super) fn lies_whole(shape: &[usize], within: &[bool], item_bytes: usize, limits: &Limits) -> bool {
    let (mut bytes, mut blocks) = (item_bytes as u64, 1u64);
    for (axis, &length) in shape.iter().enumerate() {
        let cut = match within[axis] {
            true => length,
            // A cut along the last axis below a page costs requests.
            false if axis + 1 == shape.len() => length.min(4096 / item_bytes.min(4096)),
            false => 1,
        };
        bytes = bytes.saturating_mul(cut as u64);
        blocks = blocks.saturating_mul(length.div_ceil(cut.max(1)) as u64);
    }
    let block = limits.block_bytes.unwrap_or(BLOCK_BYTES);
    let large = limits.block_bytes.is_none() && blocks >= 4 * limits.threads as u64;
    bytes.saturating_mul(12) <= limits.memory_bytes && (bytes <= block || large)
}

/// Quantiles of lines that lie whole in a block.
fn quantiles(
    builder: &mut GraphBuilder,
    functions: &mut Vec<Arc<dyn BlockFunction>>,
    quantile: &Quantile,
    value: NodeId,
) -> Result<NodeId> {
    let node = builder.graph().node(value);
    let (shape, from) = (node.shape(), node.dtype());
    let within: Vec<bool> = (0..shape.len()).map(|axis| quantile.axes.contains(&axis)).collect();
    let length: usize = quantile.axes.iter().map(|&axis| shape[axis]).product();
    let to = quantile.dtype(from);
    let axes = &quantile.axes;
    // Quantiles of one function are told apart along the longest axis of a line.
    let along = axes.iter().copied().max_by_key(|&axis| shape[axis]);
    let together = along.map_or(1, |axis| shape[axis]).max(1);
    let mut made = Vec::new();
    for some in quantile.values().chunks(together) {
        let facts = FunctionFacts {
            name: match some {
                [at] => format!("quantile {at} of lines"),
                _ => format!("{} quantiles of lines", some.len()),
            },
            input: from,
            output: to,
            whole: quantile.axes.clone(),
            scratch_bytes: LineQuantile::scratch_bytes(length, BLOCK_BYTES as usize) + 64 * some.len() as u64,
            role: FunctionRole::Map,
        };
        let function = builder.function(facts);
        functions.push(Arc::new(LineQuantile {
            from,
            to,
            quantiles: some.to_vec(),
            method: quantile.method,
            skip_nan: quantile.skip_nan,
            within: within.clone(),
            along: along.unwrap_or(0),
        }));
        let filled = builder.push(Op::MapBlocks(function), vec![value])?;
        for place in 0..some.len() {
            let one = if some.len() == 1 { filled } else { only(builder, filled, along.unwrap_or(0), place)? };
            // What is not neutral is the quantile; a minimum takes one of them and leaves the axes away.
            let axes = quantile.axes.clone();
            let reduction = Reduction { finish: Finish::Min, axes, keepdims: quantile.keepdims, mode: SumMode::Exact, dtype: to };
            made.push(builder.push(Op::Reduce(reduction), vec![one])?);
        }
    }
    if quantile.listed { stacked(builder, &made) } else { Ok(made[0]) }
}

/// `value` where the coordinate along `axis` is `place`; elsewhere what changes no minimum.
fn only(builder: &mut GraphBuilder, value: NodeId, axis: usize, place: usize) -> Result<NodeId> {
    let node = builder.graph().node(value);
    let (shape, dtype) = (node.shape(), node.dtype());
    let neutral = match dtype {
        DType::Bool => Scalar::Bool(true),
        dtype if dtype.is_float() => Scalar::Float(f64::INFINITY),
        dtype => Scalar::Int((1_i128 << (8 * dtype.size() - usize::from(!dtype.is_unsigned()))) - 1),
    };
    let generator = Generator::Arange { start: Scalar::Int(0), step: Scalar::Int(1) };
    let index = builder.push(Op::Sequence { generator, length: shape[axis], dtype: DType::I64 }, Vec::new())?;
    let here = builder.push(Op::Constant(Scalar::Int(place as i128), DType::I64), Vec::new())?;
    let mask = builder.push(Op::Binary(BinaryOp::Equal), vec![index, here])?;
    let mut items = vec![SliceItem::NewAxis; shape.len()];
    items[axis] = SliceItem::FULL;
    let mask = builder.push(Op::Slice(items), vec![mask])?;
    let neutral = builder.push(Op::Constant(neutral, dtype), Vec::new())?;
    builder.push(Op::Select, vec![mask, value, neutral])
}

/// Lines in order.
fn sorted(
    builder: &mut GraphBuilder,
    functions: &mut Vec<Arc<dyn BlockFunction>>,
    sort: &Sort,
    value: NodeId,
    limits: &Limits,
) -> Result<NodeId> {
    let node = builder.graph().node(value);
    let (shape, dtype, axis) = (node.shape(), node.dtype(), sort.axis);
    let (output, scratch_bytes) = (sort.part.dtype(dtype), LineSort::scratch_bytes(shape[axis]));
    let line = (shape[axis] as u64).saturating_mul((dtype.size() + output.size()) as u64).saturating_add(scratch_bytes);
    if line > limits.memory_bytes {
        let text = format!(
            "sorting along axis {axis} of shape {} takes {} for a line, the memory budget is {}",
            show(&shape),
            show_memory(line),
            show_memory(limits.memory_bytes)
        );
        let hint = "a line is sorted in memory; `topk` and quantiles need no room for lines";
        return Err(Error::refused(text).hint(hint).with_needed_bytes(line));
    }
    let (name, give) = match sort.part {
        Part::Values => ("sort", Give::Values),
        Part::Numbers => ("argsort", Give::Places),
    };
    let facts = FunctionFacts {
        name: format!("{name} along axis {axis}"),
        input: dtype,
        output,
        whole: vec![axis],
        scratch_bytes,
        role: FunctionRole::Map,
    };
    let function = builder.function(facts);
    functions.push(Arc::new(LineSort { dtype, axis, descending: false, give, wanted: usize::MAX }));
    builder.push(Op::MapBlocks(function), vec![value])
}

/// The first elements of lines that lie whole in a block, each block's cut off as it is stored.
fn first_of_lines(builder: &mut GraphBuilder, functions: &mut Vec<Arc<dyn BlockFunction>>, top: &Top, value: NodeId) -> Result<NodeId> {
    let node = builder.graph().node(value);
    let (shape, dtype) = (node.shape(), node.dtype());
    let length = shape[top.axis];
    let (give, output) = match top.part {
        Part::Values => (Give::Values, dtype),
        Part::Numbers => (Give::Places, DType::I64),
    };
    let facts = FunctionFacts {
        name: format!("first {} of lines", top.count),
        input: dtype,
        output,
        whole: vec![top.axis],
        scratch_bytes: LineSort::scratch_bytes(length),
        role: FunctionRole::Map,
    };
    let function = builder.function(facts);
    functions.push(Arc::new(LineSort { dtype, axis: top.axis, descending: top.largest, give, wanted: top.count }));
    let ordered = builder.push(Op::MapBlocks(function), vec![value])?;
    let generator = Generator::Arange { start: Scalar::Int(0), step: Scalar::Int(1) };
    let index = builder.push(Op::Sequence { generator, length, dtype: DType::I64 }, Vec::new())?;
    let count = builder.push(Op::Constant(Scalar::Int(top.count as i128), DType::I64), Vec::new())?;
    let mask = builder.push(Op::Binary(BinaryOp::Less), vec![index, count])?;
    let mut items = vec![SliceItem::NewAxis; shape.len()];
    items[top.axis] = SliceItem::FULL;
    let mask = builder.push(Op::Slice(items), vec![mask])?;
    let mask = builder.push(Op::BroadcastTo(shape), vec![mask])?;
    builder.push(Op::Compress { axis: Some(top.axis), count: Some(top.count) }, vec![ordered, mask])
}

/// Values of one shape along a new first axis.
fn stacked(builder: &mut GraphBuilder, values: &[NodeId]) -> Result<NodeId> {
    let shape = builder.graph().node(values[0]).shape();
    let mut whole = vec![values.len()];
    whole.extend(&shape);
    let generator = Generator::Arange { start: Scalar::Int(0), step: Scalar::Int(1) };
    let index = builder.push(Op::Sequence { generator, length: values.len(), dtype: DType::I64 }, Vec::new())?;
    let mut items = vec![SliceItem::NewAxis; whole.len()];
    items[0] = SliceItem::FULL;
    let index = builder.push(Op::Slice(items), vec![index])?;
    let mut stacked = builder.push(Op::BroadcastTo(whole), vec![values[0]])?;
    for (place, &value) in values.iter().enumerate().skip(1) {
        let here = builder.push(Op::Constant(Scalar::Int(place as i128), DType::I64), Vec::new())?;
        let chosen = builder.push(Op::Binary(BinaryOp::Equal), vec![index, here])?;
        stacked = builder.push(Op::Select, vec![chosen, value, stacked])?;
    }
    Ok(stacked)
}
