//! The walk from requested nodes down to loads, and back up with a value for every node and map that was met.

use super::{Admit, Expression, LoadFrom, Make, Root, Value, ValueId, kept_axes};
use crate::{
    expr::{FunctionRole, Graph, Node, NodeId, Op, Reduction, movement::coordinate_map},
    kernel::program::Generator,
    nd::{DType, IndexMap, Scalar, shape::c_strides},
    numeric::Finish,
    plan::{
        placing::{self, Axes, Placed},
        simplify::is_elementwise,
        views::{Leaf, Views},
    },
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Axes that products inside a stage give it at most.
const ADDED_MAX: usize = 8;

/// Walks down from `roots` over `space`, which grows by the axes that products inside need; the axes of `whole` lie whole in a block
/// anyway.
pub fn express(graph: &Graph, views: &Views, space: &[usize], roots: &[Root], whole: &[bool], admit: &mut Admit<'_>) -> Expression {
    let mut wider = space.to_vec();
    loop {
        let mut whole = whole.to_vec();
        whole.resize(wider.len(), true);
        let mut walk = Walk {
            graph,
            views,
            space: &wider,
            added: (space.len() + ADDED_MAX).saturating_sub(wider.len()),
            roots,
            maps: Vec::new(),
            map_ids: HashMap::new(),
            inside: BTreeSet::new(),
            calls: false,
            products: false,
            lacking: None,
            whole,
            demanded: BTreeMap::new(),
            steps: HashMap::new(),
        };
        walk.descend(admit);
        match walk.lacking.take() {
            Some(space) => wider = space,
            None => return walk.ascend(),
        }
    }
}

type MapId = usize;
type Key = (NodeId, MapId);

/// What a demanded (node, map) turned out to be.
#[derive(Clone, Debug)]
enum StepDown {
    Load(LoadFrom, IndexMap, DType),
    Constant(Scalar, DType),
    Sequence(Generator, DType, IndexMap),
    Elementwise(Vec<Key>),
    /// A view of a computed node.
    Same(Key),
    /// A reduction or call inside the stage, where it lies, and its operands.
    Inside(NodeId, Axes, Vec<Key>),
}

struct Walk<'a> {
    graph: &'a Graph,
    views: &'a Views,
    space: &'a [usize],
    /// Axes that the space may still be given.
    added: usize,
    roots: &'a [Root],
    maps: Vec<IndexMap>,
    map_ids: HashMap<IndexMap, MapId>,
    inside: BTreeSet<NodeId>,
    /// Whether calls and scans are inside, which know one space only.
    calls: bool,
    /// Whether products are inside, which may need another one.
    products: bool,
    /// The space that a product needs.
    lacking: Option<Vec<usize>>,
    whole: Vec<bool>,
    demanded: BTreeMap<NodeId, Vec<MapId>>,
    steps: HashMap<Key, StepDown>,
}

impl Walk<'_> {
    fn intern(&mut self, map: IndexMap) -> MapId {
        if let Some(&id) = self.map_ids.get(&map) {
            return id;
        }
        self.maps.push(map.clone());
        self.map_ids.insert(map, self.maps.len() - 1);
        self.maps.len() - 1
    }

    fn demand(&mut self, key: Key) {
        let maps = self.demanded.entry(key.0).or_default();
        if !maps.contains(&key.1) {
            maps.push(key.1);
        }
    }

    fn root_key(&mut self, root: &Root) -> Key {
        (root.node, self.intern(placing::map_of(&root.axes, self.space)))
    }

    fn descend(&mut self, admit: &mut Admit<'_>) {
        for root in self.roots {
            let key = self.root_key(root);
            self.demand(key);
        }
        while let Some((node, maps)) = self.demanded.pop_last() {
            for map in maps {
                let step = self.step_down((node, map), admit);
                match &step {
                    _ if self.lacking.is_some() => return,
                    StepDown::Elementwise(keys) | StepDown::Inside(_, _, keys) => keys.iter().for_each(|key| self.demand(*key)),
                    StepDown::Same(key) => self.demand(*key),
                    _ => {}
                }
                self.steps.insert((node, map), step);
            }
        }
    }

    fn step_down(&mut self, (id, map): Key, admit: &mut Admit<'_>) -> StepDown {
        let node = self.graph.node(id);
        if self.views.is_held(id) && self.roots.iter().any(|root| root.node == id) {
            // The pass that makes it looks at what it holds.
            return StepDown::Same((node.args[0], map));
        }
        if let Some((leaf, view)) = self.views.get(id) {
            let Some(seen) = view.compose(&self.maps[map]) else { return self.held(id, map) };
            return match *leaf {
                Leaf::Source(source) => StepDown::Load(LoadFrom::Source(source), seen, node.dtype()),
                Leaf::Constant(value, dtype) => StepDown::Constant(value, dtype),
                // A rule gives values along affine steps only.
                Leaf::Sequence(..) if !seen.maps.is_empty() => self.held(id, map),
                Leaf::Sequence(generator, dtype) => StepDown::Sequence(generator, dtype, seen),
                Leaf::Result(result) => self.result(result, seen, admit),
            };
        }
        let args = node.args.clone();
        if let Some(&arg) = args.first().filter(|_| !is_elementwise(&node.op)) {
            let from = self.graph.node(arg).shape();
            // Reshapes that are no views were given a leaf of their own; what is left always has a coordinate map.
            let through = coordinate_map(&node.op, &from).unwrap_or_else(|| IndexMap::identity(&from));
            let Some(composed) = through.compose(&self.maps[map]) else { return self.held(id, map) };
            return StepDown::Same((arg, self.intern(composed)));
        }
        let shape = node.shape();
        let keys = args
            .iter()
            .map(|&arg| {
                let from = self.graph.node(arg).shape();
                if from == shape {
                    return (arg, map);
                }
                let stretched = IndexMap::identity(&from).broadcast_to(&shape).compose(&self.maps[map]);
                (arg, self.intern(stretched.expect("a stretched operand is not gathered")))
            })
            .collect();
        StepDown::Elementwise(keys)
    }

    /// A view whose composition is no index map: the node's own result, which then exists as a whole.
    fn held(&self, id: NodeId, map: MapId) -> StepDown {
        let node = self.graph.node(id);
        let shape = node.shape();
        let seen = IndexMap::dense(&shape, &c_strides(&shape)).compose(&self.maps[map]).expect("a dense result is not gathered");
        StepDown::Load(LoadFrom::Result(id), seen, node.dtype())
    }

    /// A reduction, selection or call: inside the stage if it has a place there and is admitted, else a load of its result.
    fn result(&mut self, result: NodeId, seen: IndexMap, admit: &mut Admit<'_>) -> StepDown {
        let node = self.graph.node(result);
        let is_product = node.op.product().is_some();
        let placed = match &node.op {
            Op::Reduce(reduction) => self.reduced(reduction, node, &seen),
            _ => self.called(node, &seen).filter(|_| !self.products),
        };
        let load = StepDown::Load(LoadFrom::Result(result), seen, node.dtype());
        let Some(placed) = placed.filter(|_| !(is_product && self.calls)) else { return load };
        let mut whole: Vec<bool> = (0..placed.space.len()).map(|axis| placed.others[axis] || self.whole[axis]).collect();
        if !self.inside.contains(&result) && !admit(result, &placed, &whole) {
            return load;
        }
        if placed.space.len() > self.space.len() {
            self.lacking = Some(placed.space);
            return load;
        }
        std::mem::swap(&mut self.whole, &mut whole);
        self.inside.insert(result);
        self.products |= is_product;
        self.calls |= !matches!(node.op, Op::Reduce(_));
        let keys = node.args.iter().map(|&arg| {
            let map = match matches!(node.op, Op::Reduce(_)) {
                true => placing::map_of(&placed.axes, self.space),
                // What a function with neighbours reads has as many more places as it has neighbours.
                false => IndexMap::identity(&self.graph.node(arg).shape()),
            };
            (arg, self.intern(map))
        });
        let keys = keys.collect();
        StepDown::Inside(result, placed.axes, keys)
    }

    /// Where a reduction lies in the stage, if it can be done there. Only products ask for axes that the stage lacks.
    fn reduced(&self, reduction: &Reduction, node: &Node, seen: &IndexMap) -> Option<Placed> {
        let is_product = reduction.finish == Finish::Matmul;
        if node.args.len() > 1 && !is_product {
            return None;
        }
        let shape = self.graph.node(node.args[0]).shape();
        let placed = placing::place(reduction, &shape, seen, self.space, if is_product { self.added } else { 0 })?;
        // Where nothing is multiplied, every pass has the shape of what it computes.
        let is_own = shape == self.space && placed.axes == placing::identity(shape.len());
        let is_placed = self.views.multiplies() && !shape.contains(&0) && (!reduction.counts_places() || placing::is_ordered(&placed.axes));
        (is_own && !is_product || is_placed).then_some(placed)
    }

    /// A call or a scan that is aligned with the stage.
    fn called(&self, node: &Node, seen: &IndexMap) -> Option<Placed> {
        let arg_shape = self.graph.node(*node.args.first()?).shape();
        let shape = if overlap(self.graph, node) { node.shape() } else { arg_shape };
        if shape != self.space || seen.shape != self.space || seen.offset != [0] || !seen.maps.is_empty() {
            return None;
        }
        let others = match &node.op {
            Op::MapBlocks(function) => {
                let facts = &self.graph.functions[function.0 as usize];
                if matches!(facts.role, FunctionRole::Fold { .. }) {
                    return None;
                }
                (0..self.space.len()).map(|axis| facts.whole.contains(&axis)).collect()
            }
            // Where the axis is cut, the states of its lines are carried from block to block.
            Op::Scan { .. } => vec![false; self.space.len()],
            _ => return None,
        };
        let (steps, wanted) = (seen.strides(), c_strides(self.space));
        let same = (0..self.space.len()).all(|axis| self.space[axis] <= 1 || steps[axis] == wanted[axis]);
        same.then(|| Placed { axes: placing::identity(self.space.len()), others, space: self.space.to_vec() })
    }

    fn ascend(mut self) -> Expression {
        let mut keys: Vec<Key> = self.steps.keys().copied().collect();
        keys.sort_unstable();
        let (inside, whole) = (std::mem::take(&mut self.inside), std::mem::take(&mut self.whole));
        let mut made = Expression { space: self.space.to_vec(), inside, whole, ..Expression::default() };
        let mut places: HashMap<Key, ValueId> = HashMap::with_capacity(keys.len());
        let mut loads: HashMap<(LoadFrom, IndexMap), ValueId> = HashMap::new();
        let mut inside: HashMap<(NodeId, Axes), ValueId> = HashMap::new();
        for key in keys {
            let step = self.steps.remove(&key).expect("every key has a step");
            let place = match step {
                StepDown::Same(below) => places[&below],
                StepDown::Load(from, map, dtype) => *loads
                    .entry((from, map.clone()))
                    .or_insert_with(|| push(&mut made, self.value(key.1, Make::Load(from, map), dtype, &[]))),
                StepDown::Inside(node, axes, below) => *inside.entry((node, axes.clone())).or_insert_with(|| {
                    let operands: Vec<ValueId> = below.iter().map(|key| places[key]).collect();
                    let value = self.inside_value(node, axes, &operands, &made);
                    push(&mut made, value)
                }),
                StepDown::Constant(value, dtype) => push(&mut made, self.value(key.1, Make::Constant(value), dtype, &[])),
                StepDown::Sequence(generator, dtype, map) => push(&mut made, self.value(key.1, Make::Sequence(generator, map), dtype, &[])),
                StepDown::Elementwise(below) => {
                    let args: Vec<ValueId> = below.iter().map(|key| places[key]).collect();
                    let node = self.graph.node(key.0);
                    let operands: Vec<&Value> = args.iter().map(|id| &made.values[id.0]).collect();
                    let value = self.value(key.1, elementwise(key.0, &node.op, &args), node.dtype(), &operands);
                    push(&mut made, value)
                }
            };
            places.insert(key, place);
        }
        made.roots = self.roots.iter().map(|root| places[&self.root_key(root)]).collect();
        made
    }

    fn value(&self, map: MapId, make: Make, dtype: DType, operands: &[&Value]) -> Value {
        let wider = self.maps[map].shape != self.space;
        let support = match &make {
            Make::Load(_, map) | Make::Sequence(_, map) => {
                (0..self.space.len()).map(|axis| self.space[axis] > 1 && !map.is_broadcast(axis)).collect()
            }
            _ => (0..self.space.len()).map(|axis| operands.iter().any(|operand| operand.support[axis])).collect(),
        };
        let level = operands.iter().map(|operand| operand.level).max().unwrap_or(0);
        Value { make, dtype, support, wider, level, axes: Axes::new() }
    }

    fn inside_value(&self, id: NodeId, axes: Axes, operands: &[ValueId], made: &Expression) -> Value {
        let node = self.graph.node(id);
        let level = operands.iter().map(|operand| made.values[operand.0].level).max().unwrap_or(0) + 1;
        let Op::Reduce(reduction) = &node.op else {
            let support = self.space.iter().map(|&length| length > 1).collect();
            return Value { make: Make::Call(id, operands[0]), dtype: node.dtype(), support, wider: false, level, axes: Axes::new() };
        };
        let make = match *operands {
            [left, right] => Make::ReducePairs(id, [left, right]),
            _ => Make::Reduce(id, operands[0]),
        };
        let support = placing::flags(&kept_axes(reduction, &axes), self.space);
        Value { make, dtype: node.dtype(), support, wider: false, level, axes }
    }
}

fn push(made: &mut Expression, value: Value) -> ValueId {
    made.values.push(value);
    ValueId(made.values.len() - 1)
}

fn elementwise(node: NodeId, op: &Op, args: &[ValueId]) -> Make {
    match op {
        Op::Unary(unary) => Make::Unary(*unary, args[0]),
        Op::Binary(binary) => Make::Binary(*binary, args[0], args[1]),
        Op::Select => Make::Select(args[0], args[1], args[2]),
        Op::Cast(_, mode) => Make::Cast(*mode, args[0]),
        Op::Search { .. } => Make::Search(node, args[0]),
        other => unreachable!("{other:?} is not elementwise"),
    }
}

/// Whether a node is a function that sees neighbours.
fn overlap(graph: &Graph, node: &Node) -> bool {
    matches!(node.op, Op::MapBlocks(id) if matches!(graph.functions[id.0 as usize].role, FunctionRole::Overlap { .. }))
}
