//! The values of one stage: what is computed at every point of its space, with every view pushed down to the loads.
//!
//! A value is a node seen through an index map. The walk goes from the requested nodes down, parents before
//! children (node numbers are a topological order), and never recurses.

use crate::{
    expr::{FunctionRole, Graph, Node, NodeId, Op, Reduction, movement::coordinate_map},
    kernel::program::{BinaryOp, CastMode, Generator, UnaryOp},
    nd::{DType, IndexMap, Scalar, shape::c_strides},
    plan::views::{Leaf, Views},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Index into [`Expression::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ValueId(pub usize);

/// How a value is made.
#[derive(Clone, Debug, PartialEq)]
pub enum Make {
    /// Read from a source, or from the result of another stage.
    Load(LoadFrom, IndexMap),
    /// The same everywhere.
    Constant(Scalar),
    /// Made from an index: the rule and the (linear) map to the index.
    Sequence(Generator, IndexMap),
    /// One operand.
    Unary(UnaryOp, ValueId),
    /// Two operands.
    Binary(BinaryOp, ValueId, ValueId),
    /// `mask ? a : b`.
    Select(ValueId, ValueId, ValueId),
    /// Conversion.
    Cast(CastMode, ValueId),
    /// Places in the table of a node.
    Search(NodeId, ValueId),
    /// A reduction whose axes lie whole in the block.
    Reduce(NodeId, ValueId),
    /// The same of two operands; only where it is what the stage is for.
    ReducePairs(NodeId, [ValueId; 2]),
    /// A user function on the block, or a scan through it.
    Call(NodeId, ValueId),
}

/// What a load reads: a source, or the result of a node that an earlier stage computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LoadFrom {
    /// A source.
    Source(crate::expr::SourceId),
    /// A result of an earlier stage.
    Result(NodeId),
}

/// One value of a stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// How it is made.
    pub make: Make,
    /// Dtype of the elements.
    pub dtype: DType,
    /// Axes of the stage along which it varies.
    pub support: Vec<bool>,
    /// Whether it is there for a function that sees neighbours: over a wider space, and in no sweep but that function's.
    pub wider: bool,
    /// How many local reductions or calls lie below it: later levels need the whole block of earlier ones.
    pub level: u32,
}

/// The values of a stage, operands before results.
#[derive(Clone, Debug, Default)]
pub struct Expression {
    /// All values.
    pub values: Vec<Value>,
    /// Where the requested nodes are, in the order of the request.
    pub roots: Vec<ValueId>,
    /// Axes that must lie whole in a block.
    pub whole: Vec<bool>,
    /// Reductions and calls computed inside the stage.
    pub inside: BTreeSet<NodeId>,
}

impl Expression {
    /// Results of other stages that are read.
    pub fn results_read(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.values.iter().filter_map(|value| match value.make {
            Make::Load(LoadFrom::Result(node), _) => Some(node),
            _ => None,
        })
    }

    /// Everything that is read, and how it is seen.
    pub fn loads(&self) -> impl Iterator<Item = (LoadFrom, &IndexMap)> + '_ {
        self.values.iter().filter_map(|value| match &value.make {
            Make::Load(from, map) => Some((*from, map)),
            _ => None,
        })
    }

    /// Sources that are read.
    pub fn sources_read(&self) -> impl Iterator<Item = crate::expr::SourceId> + '_ {
        self.values.iter().filter_map(|value| match value.make {
            Make::Load(LoadFrom::Source(source), _) => Some(source),
            _ => None,
        })
    }
}

/// Decides whether a reduction or call over `axes` of the stage may be done inside it, given the axes that are whole already.
pub type Admit<'a> = dyn FnMut(NodeId, &[bool]) -> bool + 'a;

/// Walks down from `roots`, all of the shape `space`; the axes of `whole` lie whole in a block anyway.
pub fn express(graph: &Graph, views: &Views, space: &[usize], roots: &[NodeId], whole: &[bool], admit: &mut Admit<'_>) -> Expression {
    let mut walk = Walk {
        graph,
        views,
        space,
        roots,
        maps: Vec::new(),
        map_ids: HashMap::new(),
        inside: BTreeSet::new(),
        whole: whole.to_vec(),
        demanded: BTreeMap::new(),
        steps: HashMap::new(),
    };
    walk.descend(roots, admit);
    walk.ascend(roots)
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
    /// A reduction or call inside the stage; the key is its operand.
    Inside(NodeId, Key),
}

struct Walk<'a> {
    graph: &'a Graph,
    views: &'a Views,
    space: &'a [usize],
    roots: &'a [NodeId],
    maps: Vec<IndexMap>,
    map_ids: HashMap<IndexMap, MapId>,
    inside: BTreeSet<NodeId>,
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

    fn descend(&mut self, roots: &[NodeId], admit: &mut Admit<'_>) {
        let identity = self.intern(IndexMap::identity(self.space));
        for &root in roots {
            self.demand((root, identity));
        }
        while let Some((node, maps)) = self.demanded.pop_last() {
            for map in maps {
                let step = self.step_down((node, map), admit);
                match &step {
                    StepDown::Elementwise(keys) => keys.iter().for_each(|key| self.demand(*key)),
                    StepDown::Same(key) | StepDown::Inside(_, key) => self.demand(*key),
                    _ => {}
                }
                self.steps.insert((node, map), step);
            }
        }
    }

    fn step_down(&mut self, (id, map): Key, admit: &mut Admit<'_>) -> StepDown {
        let node = self.graph.node(id);
        if self.views.is_held(id) && self.roots.contains(&id) {
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
        if let Some(&arg) = args.first().filter(|_| !super::simplify::is_elementwise(&node.op)) {
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

    /// A reduction, selection or call: inside the stage if it is aligned with it and admitted, else a load of its result.
    fn result(&mut self, result: NodeId, seen: IndexMap, admit: &mut Admit<'_>) -> StepDown {
        let load = |seen| StepDown::Load(LoadFrom::Result(result), seen, self.graph.node(result).dtype());
        let Some(axes) = self.aligned(result, &seen) else { return load(seen) };
        if !self.inside.contains(&result) {
            let whole: Vec<bool> = (0..self.space.len()).map(|axis| self.whole[axis] || axes[axis]).collect();
            if !admit(result, &whole) {
                return load(seen);
            }
            self.whole = whole;
            self.inside.insert(result);
        }
        // What a function with neighbours reads has as many more places as it has neighbours.
        let arg = self.graph.node(result).args[0];
        let identity = self.intern(IndexMap::identity(&self.graph.node(arg).shape()));
        StepDown::Inside(result, (arg, identity))
    }

    /// For a result that the stage could compute where it uses it: the axes it needs whole.
    fn aligned(&self, result: NodeId, seen: &IndexMap) -> Option<Vec<bool>> {
        let node = self.graph.node(result);
        if matches!(node.op, Op::Reduce(_)) && node.args.len() > 1 {
            return None;
        }
        let arg_shape = self.graph.node(*node.args.first()?).shape();
        let shape = if overlap(self.graph, node) { node.shape() } else { arg_shape };
        if shape != self.space || seen.shape != self.space || seen.offset != [0] || !seen.maps.is_empty() {
            return None;
        }
        let (whole, wanted) = match &node.op {
            Op::Reduce(reduction) => (reduced_flags(reduction, self.space.len()), result_steps(reduction, self.space)),
            Op::MapBlocks(function) => {
                let facts = &self.graph.functions[function.0 as usize];
                if matches!(facts.role, FunctionRole::Fold { .. }) {
                    return None;
                }
                ((0..self.space.len()).map(|axis| facts.whole.contains(&axis)).collect(), c_strides(self.space))
            }
            // Where the axis is cut, the states of its lines are carried from block to block.
            Op::Scan { .. } => (vec![false; self.space.len()], c_strides(self.space)),
            _ => return None,
        };
        let steps = seen.strides();
        let same = (0..self.space.len()).all(|axis| self.space[axis] <= 1 || steps[axis] == wanted[axis]);
        same.then_some(whole)
    }

    fn ascend(mut self, roots: &[NodeId]) -> Expression {
        let mut keys: Vec<Key> = self.steps.keys().copied().collect();
        keys.sort_unstable();
        let mut made = Expression { inside: self.inside.clone(), whole: std::mem::take(&mut self.whole), ..Expression::default() };
        let mut places: HashMap<Key, ValueId> = HashMap::with_capacity(keys.len());
        let mut loads: HashMap<(LoadFrom, IndexMap), ValueId> = HashMap::new();
        let mut inside: HashMap<NodeId, ValueId> = HashMap::new();
        for key in keys {
            let step = self.steps.remove(&key).expect("every key has a step");
            let place = match step {
                StepDown::Same(below) => places[&below],
                StepDown::Load(from, map, dtype) => *loads
                    .entry((from, map.clone()))
                    .or_insert_with(|| push(&mut made, self.value(key.1, Make::Load(from, map), dtype, &[]))),
                StepDown::Inside(node, below) => *inside.entry(node).or_insert_with(|| {
                    let value = self.inside_value(node, places[&below], &made);
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
        let identity = self.map_ids[&IndexMap::identity(self.space)];
        made.roots = roots.iter().map(|&root| places[&(root, identity)]).collect();
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
        Value { make, dtype, support, wider, level: operands.iter().map(|operand| operand.level).max().unwrap_or(0) }
    }

    fn inside_value(&self, id: NodeId, operand: ValueId, made: &Expression) -> Value {
        let node = self.graph.node(id);
        let level = made.values[operand.0].level + 1;
        let (make, kept) = match &node.op {
            Op::Reduce(reduction) => {
                let reduced = reduced_flags(reduction, self.space.len());
                (Make::Reduce(id, operand), reduced.iter().map(|&reduced| !reduced).collect::<Vec<bool>>())
            }
            _ => (Make::Call(id, operand), vec![true; self.space.len()]),
        };
        let support = (0..self.space.len()).map(|axis| kept[axis] && self.space[axis] > 1).collect();
        Value { make, dtype: node.dtype(), support, wider: false, level }
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

/// One flag per axis: whether the reduction removes it.
#[must_use]
pub fn reduced_flags(reduction: &Reduction, rank: usize) -> Vec<bool> {
    (0..rank).map(|axis| reduction.axes.contains(&axis)).collect()
}

/// For every axis of `space`: the stride of the reduction's dense result along it, 0 where reduced.
fn result_steps(reduction: &Reduction, space: &[usize]) -> Vec<i64> {
    let kept: Vec<usize> = (0..space.len()).filter(|axis| !reduction.axes.contains(axis)).collect();
    let strides = c_strides(&kept.iter().map(|&axis| space[axis]).collect::<Vec<_>>());
    let mut steps = vec![0; space.len()];
    for (place, &axis) in kept.iter().enumerate() {
        steps[axis] = strides[place];
    }
    steps
}
