//! Which sweep a value belongs to, what has to travel between sweeps, and the instructions of a sweep.

use crate::{
    expr::{Graph, NodeId, Op},
    kernel::program::{AccId, Arg, Generator, Instr, Reg, SlotId},
    nd::{DType, Scalar},
    numeric::Outside,
    plan::expression::{Make, Value, ValueId},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What identifies a sweep. Sweeps run in the order of their keys: a value's operands are in earlier sweeps or its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SweepKey {
    /// Level.
    pub level: u32,
    count: usize,
    /// Axes that are walked.
    pub axes: Vec<bool>,
}

impl SweepKey {
    /// The sweep over `axes` at `level`.
    #[must_use]
    pub fn new(level: u32, axes: Vec<bool>) -> Self {
        SweepKey { level, count: axes.iter().filter(|&&axis| axis).count(), axes }
    }
}

/// What a sweep does with a value besides computing others.
#[derive(Clone, Debug)]
pub enum Action {
    /// Write it to a slot.
    Store(SlotId, ValueId),
    /// Absorb it.
    Reduce(AccId, ValueId),
    /// Absorb the pairs of two values.
    ReducePairs(AccId, [ValueId; 2]),
    /// Absorb the value, or nothing but its being there, by labels.
    Group {
        /// The accumulator.
        acc: AccId,
        /// The value; `None` where elements are counted.
        value: Option<ValueId>,
        /// The labels.
        labels: ValueId,
        /// What becomes of labels that are no group.
        outside: Outside,
    },
    /// Write the selected elements of the first, by the second.
    Compress(SlotId, ValueId, ValueId),
    /// Write it to the local that a function takes into its state.
    Fold {
        /// The local.
        slot: SlotId,
        /// The operand.
        value: ValueId,
        /// The node that the function makes.
        node: NodeId,
    },
    /// Write it to the local that a function reads.
    CallInput {
        /// The local.
        slot: SlotId,
        /// The operand.
        value: ValueId,
        /// The function's result.
        result: ValueId,
    },
}

impl Action {
    fn operands(&self) -> Vec<ValueId> {
        match self {
            Action::ReducePairs(_, sides) => sides.to_vec(),
            Action::Group { value, labels, .. } => value.iter().chain([labels]).copied().collect(),
            Action::Store(_, value) | Action::Reduce(_, value) | Action::CallInput { value, .. } | Action::Fold { value, .. } => {
                vec![*value]
            }
            Action::Compress(_, value, mask) => vec![*value, *mask],
        }
    }
}

/// The sweep of every value that is computed in one; `None` for loads, constants, and what calls and reductions leave in locals.
#[must_use]
pub fn homes(values: &[Value]) -> Vec<Option<SweepKey>> {
    values
        .iter()
        .map(|value| match value.make {
            _ if value.wider => None,
            Make::Unary(..) | Make::Binary(..) | Make::Select(..) | Make::Cast(..) | Make::Search(..) => {
                Some(SweepKey::new(value.level, value.support.clone()))
            }
            _ => None,
        })
        .collect()
}

/// The values of each sweep, operands first.
#[must_use]
pub fn members(homes: &[Option<SweepKey>]) -> BTreeMap<SweepKey, Vec<ValueId>> {
    let mut members: BTreeMap<SweepKey, Vec<ValueId>> = BTreeMap::new();
    for (index, home) in homes.iter().enumerate() {
        if let Some(key) = home {
            members.entry(key.clone()).or_default().push(ValueId(index));
        }
    }
    members
}

/// Operands of a value.
#[must_use]
pub fn operands(make: &Make) -> Vec<ValueId> {
    match *make {
        Make::Load(..) | Make::Constant(_) | Make::Sequence(..) => Vec::new(),
        Make::Unary(_, a) | Make::Cast(_, a) | Make::Search(_, a) | Make::Reduce(_, a) | Make::Call(_, a) => vec![a],
        Make::Binary(_, a, b) | Make::ReducePairs(_, [a, b]) => vec![a, b],
        Make::Select(a, b, c) => vec![a, b, c],
    }
}

/// Computed values that are used in another sweep than their own.
#[must_use]
pub fn travelling(values: &[Value], homes: &[Option<SweepKey>], actions: &BTreeMap<SweepKey, Vec<Action>>) -> BTreeSet<ValueId> {
    let mut found = BTreeSet::new();
    let mut visit = |user: &SweepKey, operand: ValueId| {
        if homes[operand.0].as_ref().is_some_and(|home| home != user) {
            found.insert(operand);
        }
    };
    for (index, value) in values.iter().enumerate() {
        if let Some(key) = &homes[index] {
            operands(&value.make).into_iter().for_each(|operand| visit(key, operand));
        }
    }
    for (key, list) in actions {
        list.iter().flat_map(Action::operands).for_each(|operand| visit(key, operand));
    }
    found
}

/// Writes the instructions of one sweep, with a register of its own for every value.
pub struct Emitter<'a> {
    /// The graph, for tables.
    pub graph: &'a Graph,
    /// All values.
    pub values: &'a [Value],
    /// Slots of values that travel.
    pub locals: &'a BTreeMap<ValueId, SlotId>,
    /// Slots of loads.
    pub loads: &'a BTreeMap<ValueId, SlotId>,
    /// The sweep.
    pub key: &'a SweepKey,
}

#[derive(Default)]
struct Code {
    instructions: Vec<Instr>,
    registers: HashMap<ValueId, Reg>,
    next: u32,
}

impl Code {
    fn fresh(&mut self) -> Reg {
        self.next += 1;
        Reg(self.next - 1)
    }
}

impl Emitter<'_> {
    /// The instructions of `members`, in order, and then of `actions`.
    #[must_use]
    pub fn emit(&self, members: Option<&Vec<ValueId>>, actions: &[Action]) -> Vec<Instr> {
        let mut code = Code::default();
        for &id in members.into_iter().flatten() {
            self.compute(&mut code, id);
        }
        for action in actions {
            let instruction = match *action {
                Action::Store(slot, value) | Action::CallInput { slot, value, .. } | Action::Fold { slot, value, .. } => {
                    Instr::Store { slot, src: self.arg(&mut code, value) }
                }
                Action::Reduce(acc, value) => Instr::Reduce { acc, src: self.arg(&mut code, value) },
                Action::ReducePairs(acc, [a, b]) => Instr::ReducePairs { acc, a: self.arg(&mut code, a), b: self.arg(&mut code, b) },
                Action::Group { acc, value, labels, outside } => {
                    let src = value.map_or(Arg::Const(Scalar::Bool(true)), |value| self.arg(&mut code, value));
                    let dtype = self.values[labels.0].dtype;
                    Instr::Group { acc, src, labels: self.arg(&mut code, labels), dtype, outside }
                }
                Action::Compress(slot, value, mask) => {
                    Instr::Compress { slot, src: self.arg(&mut code, value), mask: self.arg(&mut code, mask) }
                }
            };
            code.instructions.push(instruction);
        }
        code.instructions
    }

    fn compute(&self, code: &mut Code, id: ValueId) {
        let value = &self.values[id.0];
        let operand_dtype = |id: ValueId| self.values[id.0].dtype;
        let instruction = match value.make {
            Make::Unary(op, a) => {
                let a_arg = self.arg(code, a);
                Instr::Unary { op, dtype: operand_dtype(a), dst: code.fresh(), a: a_arg }
            }
            Make::Binary(op, a, b) => {
                let a_arg = if self.is_constant(b) { Arg::Reg(self.register(code, a)) } else { self.arg(code, a) };
                let b_arg = self.arg(code, b);
                Instr::Binary { op, dtype: operand_dtype(a), dst: code.fresh(), a: a_arg, b: b_arg }
            }
            Make::Select(mask, a, b) => {
                let mask = self.register(code, mask);
                let (a_arg, b_arg) = (self.arg(code, a), self.arg(code, b));
                Instr::Select { dtype: value.dtype, dst: code.fresh(), mask, a: a_arg, b: b_arg }
            }
            Make::Search(node, a) => {
                let a_arg = self.arg(code, a);
                let Op::Search { table: Some(table), search } = &self.graph.node(node).op else { unreachable!("made from a search") };
                Instr::Search { table: table.clone(), search: *search, dtype: operand_dtype(a), dst: code.fresh(), a: a_arg }
            }
            Make::Cast(mode, a) => {
                let register = self.register(code, a);
                Instr::Cast { from: operand_dtype(a), to: value.dtype, mode, dst: code.fresh(), a: register }
            }
            _ => unreachable!("only elementwise values have a sweep"),
        };
        code.registers.insert(id, Reg(code.next - 1));
        code.instructions.push(instruction);
    }

    fn is_constant(&self, id: ValueId) -> bool {
        matches!(self.values[id.0].make, Make::Constant(_))
    }

    fn arg(&self, code: &mut Code, id: ValueId) -> Arg {
        match self.values[id.0].make {
            Make::Constant(value) => Arg::Const(value),
            _ => Arg::Reg(self.register(code, id)),
        }
    }

    fn register(&self, code: &mut Code, id: ValueId) -> Reg {
        if let Some(&register) = code.registers.get(&id) {
            return register;
        }
        let value = &self.values[id.0];
        let dst = code.fresh();
        let instruction = match &value.make {
            Make::Load(..) => Instr::Load { dst, slot: self.loads[&id] },
            Make::Sequence(generator, map) => {
                Instr::Generate { dst, dtype: value.dtype, generator: *generator, offset: map.offset[0], strides: map.strides() }
            }
            Make::Constant(constant) => {
                let generator = Generator::Arange { start: *constant, step: no_step(value.dtype) };
                Instr::Generate { dst, dtype: value.dtype, generator, offset: 0, strides: vec![0; self.key.axes.len()] }
            }
            _ => Instr::Load { dst, slot: self.locals[&id] },
        };
        code.registers.insert(id, dst);
        code.instructions.push(instruction);
        dst
    }
}

/// A step that leaves the start as it is, the sign of zero included.
fn no_step(dtype: DType) -> Scalar {
    if dtype.is_float() { Scalar::Float(-0.0) } else { Scalar::Int(0) }
}
