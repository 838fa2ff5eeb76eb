//! From the values of a pass to the tile program of a block.
//!
//! Values are put into sweeps: one per level and support. A level ends where a whole block is needed (a local
//! reduction, a call); a support is the set of axes along which a value varies, so that `sqrt` of a row norm is
//! computed once a row. Values that leave their sweep travel through locals.

mod product;
mod registers;
mod sweeps;

use crate::{
    expr::{FunctionId, FunctionRole, Graph, Grouping, NodeId, Op, Reduction},
    kernel::program::{AccId, Accumulation, Program, Slot, SlotId, SlotKind, Step, allocate},
    nd::{DType, IndexMap},
    numeric::{AccumulatorKind, Finish, Outside},
    plan::{
        ScanBy, WriteTo,
        expression::{Expression, LoadFrom, Make, Value, ValueId, kept_axes, reduced_flags},
        placing::{self, Axes},
        share::{Anchor, Draft, How, accumulator_kind, name_of},
    },
};
use std::collections::{BTreeMap, BTreeSet};
use sweeps::{Action, SweepKey};

/// A read before its place in memory is chosen.
#[derive(Clone, Debug)]
pub struct LoweredRead {
    /// Slot that it feeds.
    pub slot: SlotId,
    /// Origin.
    pub from: LoadFrom,
    /// Map from stage coordinates to the store.
    pub map: IndexMap,
    /// Dtype of the elements.
    pub dtype: DType,
}

/// A write before its run is chosen.
#[derive(Clone, Debug)]
pub struct LoweredWrite {
    /// Slot that makes it.
    pub slot: SlotId,
    /// Where it goes.
    pub to: WriteTo,
    /// Stage axis of each axis of the result.
    pub axes: Vec<Option<usize>>,
    /// Dtype of the elements.
    pub dtype: DType,
    /// Whether a mask decides how many elements there are.
    pub compressed: bool,
}

/// A reduction over all runs, before temps are numbered.
#[derive(Clone, Debug)]
pub struct LoweredReduction {
    /// Accumulator.
    pub acc: AccId,
    /// Stage axes that stay.
    pub kept: Vec<usize>,
    /// What it is finished into.
    pub finishes: Vec<(Finish, NodeId)>,
}

/// A scan before it is known how many of its lines are carried.
#[derive(Clone, Debug)]
pub struct LoweredScan {
    /// What is accumulated.
    pub by: ScanBy,
    /// Along which axis of the stage.
    pub axis: usize,
    /// Dtype of the elements.
    pub dtype: DType,
    /// What explain calls it.
    pub name: String,
}

/// A pass as a program, with what it reads and writes.
#[derive(Clone, Debug, Default)]
pub struct Lowered {
    /// The program of a block.
    pub program: Program,
    /// Inputs.
    pub reads: Vec<LoweredRead>,
    /// Outputs.
    pub writes: Vec<LoweredWrite>,
    /// Reductions over all runs.
    pub reductions: Vec<LoweredReduction>,
    /// Functions, in the order of the program's call indices.
    pub functions: Vec<FunctionId>,
    /// Scans, in the order of the program's scan indices.
    pub scans: Vec<LoweredScan>,
    /// Functions that take all blocks into a state, and the nodes that these are, in the order of the program's fold indices.
    pub folds: Vec<(FunctionId, NodeId)>,
}

/// Lowers one pass. `destinations` says where each streamed node goes; global reductions go to temps by themselves.
pub fn lower(graph: &Graph, draft: &Draft, mut expression: Expression, destinations: &BTreeMap<NodeId, Vec<WriteTo>>) -> Lowered {
    let swapped = |from: &LoadFrom| match from {
        LoadFrom::Source(source) => graph.sources[source.0 as usize].swapped,
        LoadFrom::Result(_) => false,
    };
    let mirrored = product::mirrored(graph, draft, &mut expression);
    let mut lowering = Lowering {
        graph,
        draft,
        mirrored,
        products: Vec::new(),
        values: expression.values,
        made: Lowered::default(),
        locals: BTreeMap::new(),
        loads: BTreeMap::new(),
        actions: BTreeMap::new(),
        requests: Vec::new(),
        early: Vec::new(),
    };
    for (index, value) in lowering.values.iter().enumerate() {
        if let Make::Load(from, map) = &value.make {
            let slot = SlotId(lowering.made.program.slots.len() as u32);
            lowering.made.program.slots.push(Slot { dtype: value.dtype, kind: SlotKind::Input, swapped: swapped(from) });
            lowering.made.reads.push(LoweredRead { slot, from: *from, map: map.clone(), dtype: value.dtype });
            lowering.loads.insert(ValueId(index), slot);
        }
    }
    let mut roots = expression.roots.iter().copied();
    for anchor in &draft.anchors {
        let operands: Vec<ValueId> = roots.by_ref().take(anchor.operands.len()).collect();
        lowering.anchor(anchor, &operands, destinations);
    }
    lowering.inside();
    lowering.accumulate();
    lowering.emit();
    lowering.made
}

/// What is reduced: one value, or the pairs of two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    One(ValueId),
    Pairs([ValueId; 2]),
}

impl Operand {
    fn of(values: &[ValueId]) -> Operand {
        match *values {
            [a, b] => Operand::Pairs([a, b]),
            _ => Operand::One(values[0]),
        }
    }

    fn first(self) -> ValueId {
        match self {
            Operand::One(value) | Operand::Pairs([value, _]) => value,
        }
    }
}

/// A reduction that somebody wants.
struct Request {
    operand: Operand,
    /// Axes of the pass that the operand is reduced over or keeps, and those that the result lacks.
    axes: Axes,
    reduced: Vec<bool>,
    kind: AccumulatorKind,
    finish: Finish,
    node: NodeId,
    /// The value that its result is inside the pass; `None`: a reduction over all runs.
    local: Option<ValueId>,
    /// Labels, number of groups, and what becomes of other labels.
    groups: Option<(ValueId, usize, Outside)>,
}

struct Lowering<'a> {
    graph: &'a Graph,
    draft: &'a Draft,
    /// Products of a side with itself, and the axes that are exchanged.
    mirrored: BTreeMap<(NodeId, Axes), [usize; 2]>,
    /// Products, and the level of their operands.
    products: Vec<(u32, Step)>,
    values: Vec<Value>,
    made: Lowered,
    /// Slots of values that travel between sweeps.
    locals: BTreeMap<ValueId, SlotId>,
    /// Slots of loads.
    loads: BTreeMap<ValueId, SlotId>,
    actions: BTreeMap<SweepKey, Vec<Action>>,
    requests: Vec<Request>,
    /// What needs nothing but loads and comes before all sweeps.
    early: Vec<Step>,
}

impl Lowering<'_> {
    fn space(&self) -> &[usize] {
        &self.draft.space
    }

    fn full(&self) -> Vec<bool> {
        self.space().iter().map(|&length| length > 1).collect()
    }

    fn act(&mut self, level: u32, axes: Vec<bool>, action: Action) {
        self.actions.entry(SweepKey::new(level, axes)).or_default().push(action);
    }

    fn anchor(&mut self, anchor: &Anchor, operands: &[ValueId], destinations: &BTreeMap<NodeId, Vec<WriteTo>>) {
        let node = self.graph.node(anchor.node);
        let none = Vec::new();
        let targets = destinations.get(&anchor.node).unwrap_or(&none);
        match (&node.op, anchor.how) {
            (Op::Reduce(reduction), How::Global) => self.request(anchor.node, reduction, Operand::of(operands), &anchor.axes, None),
            (Op::Reduce(reduction), _) => {
                let result = self.local_result(anchor.node, reduction, Operand::of(operands), &anchor.axes);
                let is_kept = |own: usize| !reduction.axes.contains(&own);
                let axes: Axes = match reduction.keepdims {
                    true => anchor.axes.iter().enumerate().map(|(own, axis)| axis.filter(|_| is_kept(own))).collect(),
                    false => kept_axes(reduction, &anchor.axes),
                };
                let (level, support) = (self.values[result.0].level, self.values[result.0].support.clone());
                for to in targets {
                    let slot = self.output(*to, axes.clone(), reduction.dtype, false);
                    self.act(level, support.clone(), Action::Store(slot, result));
                }
            }
            (Op::MapBlocks(_), How::Global) => {
                let (level, full) = (self.values[operands[0].0].level, self.full());
                let slot = self.local(full.clone(), self.values[operands[0].0].dtype);
                self.act(level, full, Action::Fold { slot, value: operands[0], node: anchor.node });
            }
            (Op::Group(grouping), _) => self.request_groups(anchor.node, grouping, operands),
            (Op::Compress { .. }, _) => {
                let level = operands.iter().map(|id| self.values[id.0].level).max().unwrap_or(0);
                let axes = (0..node.meta.rank()).map(Some).collect::<Vec<_>>();
                for to in targets {
                    let slot = self.output(*to, axes.clone(), node.dtype(), true);
                    self.act(level, self.full(), Action::Compress(slot, operands[0], operands[1]));
                }
            }
            _ => {
                let flags = placing::flags(&anchor.axes, self.space());
                for to in targets {
                    let slot = self.output(*to, anchor.axes.clone(), node.dtype(), false);
                    self.act(self.values[operands[0].0].level, flags.clone(), Action::Store(slot, operands[0]));
                }
            }
        }
    }

    fn output(&mut self, to: WriteTo, axes: Vec<Option<usize>>, dtype: DType, compressed: bool) -> SlotId {
        let slot = SlotId(self.made.program.slots.len() as u32);
        self.made.program.slots.push(Slot { dtype, kind: SlotKind::Output, swapped: false });
        self.made.writes.push(LoweredWrite { slot, to, axes, dtype, compressed });
        slot
    }

    /// The value of a reduction that is finished inside the pass; made here if nothing in the pass uses it.
    fn local_result(&mut self, node: NodeId, reduction: &Reduction, operand: Operand, axes: &Axes) -> ValueId {
        let makes =
            |value: &Value| matches!(value.make, Make::Reduce(made, _) | Make::ReducePairs(made, _) if made == node) && value.axes == *axes;
        if let Some(place) = self.values.iter().position(makes) {
            return ValueId(place);
        }
        let support = placing::flags(&kept_axes(reduction, axes), self.space());
        let make = match operand {
            Operand::One(value) => Make::Reduce(node, value),
            Operand::Pairs(sides) => Make::ReducePairs(node, sides),
        };
        let level = self.level(operand) + 1;
        self.values.push(Value { make, dtype: reduction.dtype, support, wider: false, level, axes: axes.clone() });
        ValueId(self.values.len() - 1)
    }

    fn level(&self, operand: Operand) -> u32 {
        match operand {
            Operand::One(value) => self.values[value.0].level,
            Operand::Pairs(sides) => sides.map(|side| self.values[side.0].level).into_iter().max().unwrap_or(0),
        }
    }

    /// Reductions and calls that the pass computes on the way.
    fn inside(&mut self) {
        for index in 0..self.values.len() {
            match self.values[index].make {
                Make::Reduce(node, operand) => self.request_inside(node, Operand::One(operand), ValueId(index)),
                Make::ReducePairs(node, sides) => self.request_inside(node, Operand::Pairs(sides), ValueId(index)),
                Make::Call(node, operand) if self.extra_of(node).is_some() => self.neighbours(node, operand, ValueId(index)),
                Make::Call(_, operand) => {
                    let (level, full) = (self.values[operand.0].level, self.full());
                    let input = self.local(full.clone(), self.values[operand.0].dtype);
                    let output = self.local(full.clone(), self.values[index].dtype);
                    self.locals.insert(ValueId(index), output);
                    self.act(level, full, Action::CallInput { slot: input, value: operand, result: ValueId(index) });
                }
                _ => {}
            }
        }
    }

    fn request_inside(&mut self, node: NodeId, operand: Operand, result: ValueId) {
        let graph = self.graph;
        let Op::Reduce(reduction) = &graph.node(node).op else { unreachable!("made from a reduction") };
        let axes = self.values[result.0].axes.clone();
        self.request(node, reduction, operand, &axes, Some(result));
    }

    /// Places that a function with neighbours sees behind a block.
    fn extra_of(&self, node: NodeId) -> Option<Vec<usize>> {
        let Op::MapBlocks(id) = self.graph.node(node).op else { return None };
        match &self.graph.functions[id.0 as usize].role {
            FunctionRole::Overlap { extra } => Some(extra.clone()),
            _ => None,
        }
    }

    /// A function with neighbours: its operand is computed over block and neighbours in one sweep, and the function called at once.
    fn neighbours(&mut self, node: NodeId, operand: ValueId, result: ValueId) {
        let extra = self.extra_of(node).unwrap_or_default();
        let input = SlotId(self.made.program.slots.len() as u32);
        let kind = SlotKind::Halo { extra: extra.clone() };
        self.made.program.slots.push(Slot { dtype: self.values[operand.0].dtype, kind, swapped: false });
        let output = self.local(self.full(), self.values[result.0].dtype);
        self.locals.insert(result, output);
        let mut members = BTreeSet::new();
        let mut waiting = vec![operand];
        while let Some(value) = waiting.pop() {
            let make = &self.values[value.0].make;
            if matches!(make, Make::Unary(..) | Make::Binary(..) | Make::Select(..) | Make::Cast(..)) && members.insert(value) {
                waiting.extend(sweeps::operands(make));
            }
        }
        let axes: Vec<bool> = self.space().iter().zip(&extra).map(|(length, extra)| length + extra > 1).collect();
        let key = SweepKey::new(0, axes.clone());
        let members: Vec<ValueId> = members.into_iter().collect();
        let code = sweeps::Emitter { graph: self.graph, values: &self.values, locals: &self.locals, loads: &self.loads, key: &key }
            .emit(Some(&members), &[Action::Store(input, operand)]);
        let tile_elements = registers::tile_elements(&self.values);
        self.early.push(Step::Halo { sweep: allocate(axes, code, tile_elements), extra });
        let call = self.call(input, result);
        self.early.push(call);
    }

    fn request(&mut self, node: NodeId, reduction: &Reduction, operand: Operand, axes: &Axes, local: Option<ValueId>) {
        self.requests.push(Request {
            operand,
            axes: axes.clone(),
            reduced: reduced_flags(reduction, axes, self.space().len()),
            kind: accumulator_kind(reduction),
            finish: reduction.finish,
            node,
            local,
            groups: None,
        });
    }

    /// The operands of a grouped reduction are the labels and, unless it counts, the value.
    fn request_groups(&mut self, node: NodeId, grouping: &Grouping, operands: &[ValueId]) {
        let axes = placing::identity(self.space().len());
        self.request(node, &grouping.reduction, Operand::One(operands[operands.len() - 1]), &axes, None);
        if let Some(request) = self.requests.last_mut() {
            request.groups = Some((operands[0], grouping.groups.unwrap_or(0), grouping.outside));
        }
    }

    /// One accumulator for all requests that it can answer: a mean and a deviation of the same values share their moments.
    fn accumulate(&mut self) {
        let requests = std::mem::take(&mut self.requests);
        let mut groups: Vec<(AccumulatorKind, Vec<&Request>)> = Vec::new();
        for request in &requests {
            let mate = groups.iter_mut().find(|(kind, members)| {
                let first = members[0];
                let same = first.operand == request.operand
                    && first.groups == request.groups
                    && first.reduced == request.reduced
                    && first.axes == request.axes
                    && first.local.is_some() == request.local.is_some();
                // Bytes of a state are those of its own kind.
                let whole = |request: &Request| matches!(request.finish, Finish::State { .. });
                let joined = joint(*kind, request.kind);
                let kept = |request: &Request| !whole(request) || joined == Some(request.kind);
                same && joined.is_some() && kept(request) && members.iter().all(|member| kept(member))
            });
            match mate {
                Some((kind, members)) => {
                    *kind = joint(*kind, request.kind).unwrap_or(*kind);
                    members.push(request);
                }
                None => groups.push((request.kind, vec![request])),
            }
        }
        for (kind, members) in groups {
            self.accumulator(kind, &members);
        }
    }

    fn accumulator(&mut self, kind: AccumulatorKind, members: &[&Request]) {
        let first = members[0];
        let product = self.graph.node(first.node).op.product().is_some();
        // Sums of a product of floats are finished as sums are; those of integers are whole numbers.
        let finish = |member: &Request| match self.graph.node(member.node).op.product() {
            Some(reduction) if reduction.dtype.is_float() => Finish::Sum,
            _ => member.finish,
        };
        let acc = AccId(self.made.program.accumulators.len() as u32);
        let (level, dtype) = (self.level(first.operand), self.values[first.operand.first().0].dtype);
        let mut finishes = Vec::new();
        for member in members {
            let Some(value) = member.local else { continue };
            let slot = self.place_of(value);
            finishes.push((finish(member), slot));
        }
        if first.local.is_none() {
            // Outputs come in the order of the result's own axes.
            let kept = first.axes.iter().flatten().copied().filter(|&axis| !first.reduced[axis]).collect();
            let finishes = members.iter().map(|member| (finish(member), member.node)).collect();
            self.made.reductions.push(LoweredReduction { acc, kept, finishes });
        }
        let groups = first.groups.map_or(1, |(_, groups, _)| groups);
        // What is only counted is not looked at.
        let dtype = match kind {
            AccumulatorKind::Count => DType::Bool,
            _ if product => DType::F64,
            _ => dtype,
        };
        self.made.program.accumulators.push(Accumulation { kind, dtype, reduced: first.reduced.clone(), groups, finishes });
        match first.groups {
            None if product => self.product(acc, first),
            None => {
                let action = match first.operand {
                    Operand::One(value) => Action::Reduce(acc, value),
                    Operand::Pairs(sides) => Action::ReducePairs(acc, sides),
                };
                self.act(level, placing::flags(&first.axes, self.space()), action);
            }
            Some((labels, _, outside)) => {
                let value = match first.operand {
                    Operand::One(value) if kind != AccumulatorKind::Count => Some(value),
                    _ => None,
                };
                let level = level.max(self.values[labels.0].level);
                self.act(level, self.full(), Action::Group { acc, value, labels, outside });
            }
        }
    }

    /// The memory through which a value travels.
    fn place_of(&mut self, value: ValueId) -> SlotId {
        if let Some(&slot) = self.locals.get(&value) {
            return slot;
        }
        let slot = self.local(self.values[value.0].support.clone(), self.values[value.0].dtype);
        self.locals.insert(value, slot);
        slot
    }

    fn local(&mut self, axes: Vec<bool>, dtype: DType) -> SlotId {
        let slot = SlotId(self.made.program.slots.len() as u32);
        self.made.program.slots.push(Slot { dtype, kind: SlotKind::Local { axes }, swapped: false });
        slot
    }

    fn emit(&mut self) {
        let homes = sweeps::homes(&self.values);
        let mut keys: Vec<SweepKey> = self.actions.keys().cloned().collect();
        keys.extend(homes.iter().flatten().cloned());
        keys.sort();
        keys.dedup();
        for value in sweeps::travelling(&self.values, &homes, &self.actions) {
            if !self.locals.contains_key(&value) {
                let slot = self.place_of(value);
                let key = homes[value.0].clone().expect("only computed values travel");
                self.actions.entry(key).or_default().push(Action::Store(slot, value));
            }
        }
        let tile_elements = registers::tile_elements(&self.values);
        let members = sweeps::members(&homes);
        let mut calls = std::mem::take(&mut self.products);
        let mut steps: Vec<Step> = std::mem::take(&mut self.early);
        for key in &keys {
            // A call or a product runs when every sweep of its level is done.
            calls.sort_by_key(|(level, _)| *level);
            let done = calls.partition_point(|(level, _)| *level < key.level);
            steps.extend(calls.drain(..done).map(|(_, step)| step));
            let actions = self.actions.get(key).cloned().unwrap_or_default();
            let sweep = sweeps::Emitter { graph: self.graph, values: &self.values, locals: &self.locals, loads: &self.loads, key }
                .emit(members.get(key), &actions);
            steps.push(Step::Sweep(allocate(key.axes.clone(), sweep, tile_elements)));
            for action in &actions {
                match action {
                    Action::CallInput { slot, result, .. } => calls.push((key.level, self.call(*slot, *result))),
                    Action::Fold { slot, node, .. } => calls.push((key.level, self.fold(*slot, *node))),
                    _ => {}
                }
            }
        }
        calls.sort_by_key(|(level, _)| *level);
        steps.extend(calls.into_iter().map(|(_, step)| step));
        self.made.program.steps = steps;
    }

    fn fold(&mut self, input: SlotId, node: NodeId) -> Step {
        let Op::MapBlocks(function) = self.graph.node(node).op else { unreachable!("made from a fold") };
        self.made.folds.push((function, node));
        Step::Fold { fold: self.made.folds.len() - 1, input }
    }

    fn call(&mut self, input: SlotId, result: ValueId) -> Step {
        let Make::Call(node, _) = self.values[result.0].make else { unreachable!("made from a call") };
        let output = self.locals[&result];
        let mut scan = |axis, by| {
            let dtype = self.graph.node(self.graph.node(node).args[0]).dtype();
            self.made.scans.push(LoweredScan { by, axis, dtype, name: name_of(self.graph, node) });
            Step::Scan { scan: self.made.scans.len() - 1, input, output }
        };
        match self.graph.node(node).op {
            Op::MapBlocks(function) => {
                if let FunctionRole::Scan { axis, .. } = self.graph.functions[function.0 as usize].role {
                    return scan(axis, ScanBy::User(function));
                }
                self.made.functions.push(function);
                Step::Call { closure: self.made.functions.len() - 1, input, output }
            }
            Op::Scan { kind, axis } => scan(axis, ScanBy::Own(kind)),
            _ => unreachable!("made from a call"),
        }
    }
}

/// The accumulator that serves both, if there is one.
fn joint(a: AccumulatorKind, b: AccumulatorKind) -> Option<AccumulatorKind> {
    match (a, b) {
        _ if a == b => Some(a),
        (AccumulatorKind::Sum(x), AccumulatorKind::Moments(y)) | (AccumulatorKind::Moments(y), AccumulatorKind::Sum(x)) if x == y => {
            Some(AccumulatorKind::Moments(y))
        }
        (AccumulatorKind::Dot(x), kind @ (AccumulatorKind::Weighted(y) | AccumulatorKind::Comoments(y)))
        | (kind @ (AccumulatorKind::Weighted(y) | AccumulatorKind::Comoments(y)), AccumulatorKind::Dot(x))
            if x == y =>
        {
            Some(kind)
        }
        (AccumulatorKind::NanSum(x), AccumulatorKind::NanMoments(y)) | (AccumulatorKind::NanMoments(y), AccumulatorKind::NanSum(x))
            if x == y =>
        {
            Some(AccumulatorKind::NanMoments(y))
        }
        _ => None,
    }
}
