//! The tile bytecode: what the planner writes and the [virtual machine](super::vm) runs.
//!
//! A [`Program`] computes one block: a box of a stage's iteration space. It is a list of sweeps. A sweep walks
//! the block (or its projection onto some axes) in tiles and runs its instructions on each. Values live in
//! registers of one tile; memory outside is reached through slots: inputs, outputs, and locals (dense
//! scratch arrays of one block that carry values from one sweep to the next). A reduction whose axes lie
//! whole in the block finishes at the end of its sweep into locals; the others leave accumulators that the
//! caller merges.
//!
//! Every value has the dtype its NumPy operation would give, and every instruction rounds to it: fusing never
//! moves a rounding.

mod operators;
mod quantile;
mod registers;
mod table;

pub use operators::{BinaryOp, Domain, Outcome, UnaryOp};
pub use quantile::QuantileMethod;
pub use registers::allocate;
pub(crate) use registers::visit as visit_registers;
pub use table::{Search, TABLE_MAX, Table};

use crate::{
    nd::{DType, Scalar},
    numeric::{AccumulatorKind, Finish, Outside},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A register of one tile. Register `r` holds elements of the dtype of the instruction that wrote it last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reg(pub u32);

/// Index into [`Program::slots`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SlotId(pub u32);

/// Index into [`Program::accumulators`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AccId(pub u32);

/// Where an instruction's operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arg {
    /// A register.
    Reg(Reg),
    /// A constant of the instruction's operand dtype; never a filled tile.
    Const(Scalar),
}

/// What a float outside the range of an integer dtype becomes in a cast.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CastMode {
    /// The first such element (C order) is an error.
    #[default]
    Checked,
    /// As `Checked`, of the part of integer exponents that is below zero: the error is about the power.
    #[doc(hidden)]
    Exponent,
    /// Nearest value of the dtype; NaN becomes 0.
    Saturate,
    /// Modulo 2^bits, as integer conversion does; NaN and infinities become 0.
    Wrap,
}

impl CastMode {
    /// Whether a float outside the range is an error.
    #[must_use]
    pub const fn is_checked(self) -> bool {
        matches!(self, CastMode::Checked | CastMode::Exponent)
    }
}

/// A value made from the coordinates of the element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Generator {
    /// `start + index * step`, in the dtype (floats: one multiplication and one addition in f64, rounded once to the dtype).
    Arange {
        /// First value.
        start: Scalar,
        /// Distance.
        step: Scalar,
    },
    /// NumPy's linspace: `index * step + start`, the last element exactly `stop` where the endpoint is asked for.
    Linspace {
        /// First value.
        start: Scalar,
        /// Last value.
        stop: Scalar,
        /// Distance, in f64.
        step: Scalar,
        /// Index that is exactly `stop`, or `u64::MAX`.
        last: u64,
    },
    /// Random values: a function of the seed, the stream and the index.
    Random {
        /// Their distribution.
        law: Law,
        /// Key of the generator.
        seed: u64,
        /// Upper half of its counter: other streams are independent.
        stream: u64,
    },
}

/// How random values are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Law {
    /// Evenly from `low` to below `high`; `f32` or `f64`.
    Uniform {
        /// Smallest value.
        low: Scalar,
        /// Bound above.
        high: Scalar,
    },
    /// Normally; `f32` or `f64`.
    Normal {
        /// Expected value.
        mean: Scalar,
        /// Standard deviation.
        std: Scalar,
    },
    /// Evenly among `count` integers from `low`; `i64`. The probabilities differ by less than `count` / 2^64.
    Integers {
        /// Smallest value.
        low: i64,
        /// How many.
        count: u64,
    },
    /// True with a probability; `bool`.
    Bernoulli {
        /// Probability of true.
        probability: Scalar,
    },
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Law::Uniform { low, high } => write!(f, "uniform {low} to {high}"),
            Law::Normal { mean, std } => write!(f, "normal {mean} +- {std}"),
            Law::Integers { low, count } => write!(f, "integers {low} + 0..{count}"),
            Law::Bernoulli { probability } => write!(f, "bernoulli {probability}"),
        }
    }
}

/// One step of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "fields are named after the roles the variants' docs give")]
pub enum Instr {
    /// Fetch a tile of a slot (any strides; dense aligned tiles are borrowed, not copied).
    Load { dst: Reg, slot: SlotId },
    /// A value made from `index = offset + sum(strides[a] * coordinate[a])` over the stage's axes.
    Generate { dst: Reg, dtype: DType, generator: Generator, offset: i64, strides: Vec<i64> },
    /// `dst = op(a)`, operand of `dtype`.
    Unary { op: UnaryOp, dtype: DType, dst: Reg, a: Arg },
    /// `dst = op(a, b)`, operands of `dtype`; at most one of them is a constant.
    Binary { op: BinaryOp, dtype: DType, dst: Reg, a: Arg, b: Arg },
    /// `dst = mask ? a : b`, values of `dtype`, a `bool` mask; both branches are evaluated already.
    Select { dtype: DType, dst: Reg, mask: Reg, a: Arg, b: Arg },
    /// `dst` = places of the elements of `a` in a table.
    Search { table: Table, search: Search, dtype: DType, dst: Reg, a: Arg },
    /// `dst = a` converted.
    Cast { from: DType, to: DType, mode: CastMode, dst: Reg, a: Reg },
    /// Write a tile to an output or local slot of the value's dtype.
    Store { slot: SlotId, src: Arg },
    /// Absorb a tile into an accumulator.
    Reduce { acc: AccId, src: Arg },
    /// Absorb the pairs of two tiles into an accumulator of sums over pairs.
    ReducePairs { acc: AccId, a: Arg, b: Arg },
    /// Absorb a tile into the groups of an accumulator that the labels (`i32` or `i64`, as `dtype` says) choose.
    Group { acc: AccId, src: Arg, labels: Arg, dtype: DType, outside: Outside },
    /// Append the elements whose mask is true to an output slot, densely, in C order of the block.
    Compress { slot: SlotId, src: Arg, mask: Arg },
}

/// What a slot is bound to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SlotKind {
    /// Bytes of a source, with strides along the stage's axes.
    Input,
    /// The block's part of an output, dense or strided.
    Output,
    /// Scratch of one block, dense over the axes marked true (the others have extent 1).
    Local {
        /// One flag per axis of the stage.
        axes: Vec<bool>,
    },
    /// Scratch of one block with as many places behind it along every axis, dense.
    Halo {
        /// Places behind the block, per axis.
        extra: Vec<usize>,
    },
}

/// A piece of memory that a program reaches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// Dtype of the elements.
    pub dtype: DType,
    /// What it is bound to.
    pub kind: SlotKind,
    /// Whether elements are in the other byte order (inputs only).
    pub swapped: bool,
}

/// A reduction of a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accumulation {
    /// What is accumulated.
    pub kind: AccumulatorKind,
    /// Dtype of the elements that are absorbed.
    pub dtype: DType,
    /// Axes of the stage that the outputs do not have.
    pub reduced: Vec<bool>,
    /// Number of groups, each of which has all outputs, for an accumulator that elements are grouped into; else 1.
    pub groups: usize,
    /// For a local reduction: what is finished into which local slot at the end of its sweep.
    /// Empty for a global one: the accumulator itself is the block's result.
    pub finishes: Vec<(Finish, SlotId)>,
}

/// One walk over the block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// Axes of the stage that the sweep walks; along the others it stays at the block's first coordinate.
    pub axes: Vec<bool>,
    /// Instructions, run in order on every tile.
    pub code: Vec<Instr>,
    /// Number of registers.
    pub registers: u32,
    /// Elements of a tile.
    pub tile_elements: usize,
}

/// A step of a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Tile bytecode over the block.
    Sweep(Sweep),
    /// User code over whole local arrays: `closure(input) -> output`, both dense locals of the block.
    Call {
        /// Index into the stage's closures.
        closure: usize,
        /// Local that holds the input.
        input: SlotId,
        /// Local that receives the output.
        output: SlotId,
    },
    /// Tile bytecode over the block and as many places behind it along every axis, stored to slots of this kind.
    Halo {
        /// The sweep.
        sweep: Sweep,
        /// Places behind the block, per axis.
        extra: Vec<usize>,
    },
    /// A product of matrices over the whole block: absorbed into an accumulator of sums of `f64`, which finishes here if it is local.
    Product(Product),
    /// User code that takes a whole local array into a state.
    Fold {
        /// Index into the stage's folds.
        fold: usize,
        /// Local that holds the input.
        input: SlotId,
    },
    /// A scan over whole local arrays, with states that are carried from block to block.
    Scan {
        /// Index into the stage's scans.
        scan: usize,
        /// Local that holds the input.
        input: SlotId,
        /// Local that receives the output.
        output: SlotId,
    },
}

impl Step {
    /// Calls `see` for every slot that the step looks at.
    pub(crate) fn slots_read(&self, see: &mut impl FnMut(SlotId)) {
        match self {
            Step::Sweep(sweep) | Step::Halo { sweep, .. } => {
                for instr in &sweep.code {
                    if let Instr::Load { slot, .. } = instr {
                        see(*slot);
                    }
                }
            }
            Step::Product(product) => product.right.iter().chain([&product.left]).for_each(|side| see(*side)),
            Step::Call { input, .. } | Step::Fold { input, .. } | Step::Scan { input, .. } => see(*input),
        }
    }
}

/// The operands of a product of matrices: floats or integers of 32 or 64 bits, inputs or locals. Axes that one side alone has are rows or columns of the
/// product, axes of both that stay are batches of products, and inner axes are added over. Other axes of the stage are nothing to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// The left side.
    pub left: SlotId,
    /// The right side; `None`: it is the left one with two axes exchanged, so that half of the product is the other half.
    pub right: Option<SlotId>,
    /// The two axes that are exchanged from one side to the other where they are one.
    pub mirrored: [usize; 2],
    /// Axes of the stage that the left side has.
    pub left_axes: Vec<bool>,
    /// Axes of the stage that the right side has.
    pub right_axes: Vec<bool>,
    /// Axes of the stage that are added over, in the order of the product's own: chains run along the last one.
    pub inner: Vec<usize>,
    /// Where the sums go.
    pub acc: AccId,
}

/// Whether a product of matrices multiplies elements of `dtype` as they lie.
#[must_use]
pub fn is_factor(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F64) || super::product::whole::digits(dtype) > 1
}

/// Bytes of one sum of a product of `dtype` before it is a result.
#[must_use]
pub fn product_sum_bytes(dtype: DType) -> u64 {
    8 * super::product::whole::planes(dtype) as u64
}

/// Elements along the last reduced axis of a product that are added before the exact sum takes over: blocks cut it at multiples.
pub const PRODUCT_GROUP: usize = super::product::GROUP;

/// The computation of one block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Memory reached.
    pub slots: Vec<Slot>,
    /// Reductions.
    pub accumulators: Vec<Accumulation>,
    /// Steps, in order.
    pub steps: Vec<Step>,
}

/// Bytes of the widest register of a tile: three live registers fit a 32 KiB first-level cache.
pub const TILE_BYTES: usize = 8 * 1024;

impl Program {
    /// Bytes that a machine holds for a block of `block` at most: registers, locals, local accumulators.
    #[must_use]
    pub fn scratch_bytes_max(&self, block: &[usize]) -> u64 {
        super::vm::scratch_bytes_max(self, block)
    }
}
