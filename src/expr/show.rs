//! The stable text form of a graph: one line a node, `%3 = add %1 %2 : f32 (3, 4)`.

use crate::{
    expr::{Graph, Node, Op, Reduction},
    nd::{SliceItem, shape::show},
};
use std::fmt;

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, node) in self.nodes.iter().enumerate() {
            writeln!(f, "%{index} = {} : {} {}", self.line(node), node.dtype(), show(&node.meta.shape))?;
        }
        Ok(())
    }
}

impl Graph {
    fn line(&self, node: &Node) -> String {
        let args: Vec<String> = node.args.iter().map(|id| format!(" %{}", id.0)).collect();
        format!("{}{}", self.operation(&node.op), args.concat())
    }

    fn operation(&self, op: &Op) -> String {
        match op {
            Op::Source(id) => format!("source {}", self.sources[id.0 as usize].name),
            Op::Constant(value, _) => format!("constant {value}"),
            Op::Sequence { generator, .. } => format!("sequence {generator:?}"),
            Op::Unary(unary) => unary.name().to_string(),
            Op::Binary(binary) => binary.name().to_string(),
            Op::Select => "where".to_string(),
            Op::Cast(to, mode) => format!("cast {to} {mode:?}"),
            Op::Search { table, search } => match table {
                Some(table) => format!("search {search:?} among {} {}", table.len(), table.dtype),
                None => format!("search {search:?}"),
            },
            Op::Slice(items) => format!("slice [{}]", items.iter().map(item).collect::<Vec<_>>().join(", ")),
            Op::Permute(order) => format!("permute {}", show(order)),
            Op::BroadcastTo(shape) => format!("broadcast_to {}", show(shape)),
            Op::Reshape(shape) => format!("reshape {}", show(shape)),
            Op::Gather { axis, map, length } => format!("gather axis {axis} to {length} by {map}"),
            Op::Diagonal { first, second, offset } => format!("diagonal {first} {second} offset {offset}"),
            Op::Windows { axis, window } => format!("windows axis {axis} of {window}"),
            Op::Rename(dims) => format!("rename {dims}"),
            Op::Reduce(reduction) => {
                let keep = if reduction.keepdims { " keepdims" } else { "" };
                format!("{} axes {}{keep} {:?}", reduction.finish.name(), show(&reduction.axes), reduction.mode)
            }
            Op::Group(grouping) => {
                let Reduction { finish, axes, mode, .. } = &grouping.reduction;
                let groups = grouping.groups.map_or("?".to_string(), |groups| groups.to_string());
                format!("{} of {groups} groups axes {} {mode:?} {:?}", finish.name(), show(axes), grouping.outside)
            }
            Op::Compress { axis, count } => format!("compress axis {axis:?} count {count:?}"),
            Op::Scan { kind, axis } => format!("{} axis {axis}", kind.name()),
            Op::Phased(phased) => format!("phased {phased:?}"),
            Op::MapBlocks(id) => format!("map_blocks {}", self.functions[id.0 as usize].name),
        }
    }
}

fn item(item: &SliceItem) -> String {
    let place = |value: &Option<i64>| value.map_or(String::new(), |value| value.to_string());
    match item {
        SliceItem::Index(index) => index.to_string(),
        SliceItem::Range { start, stop, step: 1 } => format!("{}:{}", place(start), place(stop)),
        SliceItem::Range { start, stop, step } => format!("{}:{}:{step}", place(start), place(stop)),
        SliceItem::NewAxis => "None".to_string(),
        SliceItem::Ellipsis => "...".to_string(),
    }
}
