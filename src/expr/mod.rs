//! What is asked: operations, their shape, dtype and axis-name rules, and the [`Graph`] of a job.
//!
//! Meaning only. Nothing here touches data or knows a block size. Operators that mix dtypes do not exist in a
//! graph: whoever builds one inserts the casts that [`elementwise::binary_rule`] asks for, so every rounding is
//! visible. Entry points: [`infer`], [`GraphBuilder`].

pub mod elementwise;
pub mod graph;
pub mod group;
pub mod movement;
pub mod phased;
pub mod reduce;
pub mod scan;
mod show;

pub use graph::{Graph, GraphBuilder, Node, NodeId};
pub use phased::Phased;

use crate::{
    error::{Error, Result},
    kernel::program::{BinaryOp, CastMode, Generator, Search, Table, UnaryOp},
    nd::{AxisMap, DType, Dims, Extent, Scalar, SliceItem, SourceFacts, shape::show},
    numeric::{Finish, Outside, ScanKind, SumMode},
};
use serde::{Deserialize, Serialize};

/// What is known of a value before it is computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Extents of the axes.
    pub shape: Vec<Extent>,
    /// Dtype of the elements.
    pub dtype: DType,
    /// Axis names.
    pub dims: Dims,
}

impl Meta {
    /// A value of known shape without axis names.
    #[must_use]
    pub fn known(shape: &[usize], dtype: DType) -> Self {
        Meta { shape: shape.iter().map(|&length| Extent::Known(length)).collect(), dtype, dims: Dims::unnamed(shape.len()) }
    }

    /// The shape, if every extent is known.
    #[must_use]
    pub fn known_shape(&self) -> Option<Vec<usize>> {
        self.shape.iter().map(|extent| extent.known()).collect()
    }

    /// Number of axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }
}

/// Index of a source among a graph's sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourceId(pub u32);

/// Index of a user function among a graph's functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FunctionId(pub u32);

/// What the planner may know of a block function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FunctionFacts {
    /// Name with version, `soft/1`: the same name must mean the same function.
    pub name: String,
    /// Dtype it is given.
    pub input: DType,
    /// Dtype it returns.
    pub output: DType,
    /// Axes that it needs whole.
    pub whole: Vec<usize>,
    /// Memory it allocates per call, in bytes.
    pub scratch_bytes: u64,
    /// What it does with blocks.
    #[serde(default)]
    pub role: FunctionRole,
}

/// What a user function does with blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FunctionRole {
    /// A block becomes a block.
    #[default]
    Map,
    /// A block with neighbours around it becomes a block without them: the result has that many fewer places along every axis.
    Overlap {
        /// Neighbours before and after a block together, per axis.
        extra: Vec<usize>,
    },
    /// Lines become lines, with a state that is carried along each.
    Scan {
        /// Along which axis.
        axis: usize,
        /// Bytes of the state of a line.
        state_bytes: u64,
    },
    /// Blocks go into states, states into one another, and the last into a result.
    Fold {
        /// Bytes of a state.
        state_bytes: u64,
        /// Shape of the result.
        shape: Vec<usize>,
    },
}

/// An operation of a graph.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// An array in a store.
    Source(SourceId),
    /// A 0-d constant.
    Constant(Scalar, DType),
    /// A one-dimensional sequence.
    Sequence {
        /// The rule.
        generator: SequenceKey,
        /// Number of elements.
        length: usize,
        /// Dtype of the elements.
        dtype: DType,
    },
    /// An elementwise operation of one operand.
    Unary(UnaryOp),
    /// An elementwise operation of two operands of one dtype, which broadcast.
    Binary(BinaryOp),
    /// `mask ? a : b`: a `bool` and two operands of one dtype, which broadcast.
    Select,
    /// Conversion of the elements.
    Cast(DType, CastMode),
    /// Places of the elements in a sorted table of one axis.
    Search {
        /// The table; `None` until an earlier phase has computed the second operand, which it is then.
        table: Option<Table>,
        /// What of the place.
        search: Search,
    },
    /// Basic indexing.
    Slice(Vec<SliceItem>),
    /// Axis `k` of the result is axis `order[k]` of the operand.
    Permute(Vec<usize>),
    /// Stretch to a shape.
    BroadcastTo(Vec<usize>),
    /// The same elements in C order; one length may be -1.
    Reshape(Vec<i64>),
    /// An axis whose coordinates go through a map first: rolls, repeats, borders, lists of indices.
    Gather {
        /// The axis.
        axis: usize,
        /// From its coordinates to those of the operand.
        map: AxisMap,
        /// Its length in the result.
        length: usize,
    },
    /// The elements whose coordinates along two axes differ by `offset`, as a new last axis.
    Diagonal {
        /// Axis that the offset is subtracted from.
        first: usize,
        /// Axis that leads by the offset.
        second: usize,
        /// How far.
        offset: i64,
    },
    /// Every window of neighbours along an axis, with the places in it as a new last axis.
    Windows {
        /// The axis.
        axis: usize,
        /// Length of a window.
        window: usize,
    },
    /// New axis names, one slot per axis.
    Rename(Dims),
    /// A reduction over axes.
    Reduce(Reduction),
    /// A reduction by labels: operands the labels and, unless elements are only counted, the value.
    Group(Grouping),
    /// The elements (axis `None`) or the indices along axis 0 (`Some(0)`) where a mask is true: operands value, mask.
    Compress {
        /// Axis that the mask selects along; `None`: the mask has the value's shape and the result is flat.
        axis: Option<usize>,
        /// Number of true elements, once an earlier phase has counted them.
        count: Option<usize>,
    },
    /// A value that earlier phases of the job compute.
    Phased(Phased),
    /// A user function on blocks; the shape stays, unless its role is to fold them.
    MapBlocks(FunctionId),
    /// A running sum, product or extreme along an axis; the shape and the dtype stay.
    Scan {
        /// What is accumulated.
        kind: ScanKind,
        /// Along which axis.
        axis: usize,
    },
}

impl Op {
    /// The reduction of a product of matrices, if this is one.
    #[must_use]
    pub fn product(&self) -> Option<&Reduction> {
        match self {
            Op::Reduce(reduction) if reduction.finish == Finish::Matmul => Some(reduction),
            _ => None,
        }
    }
}

/// A [`Generator`] that can be hashed.
pub type SequenceKey = Generator;

/// A reduction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reduction {
    /// What it gives.
    pub finish: Finish,
    /// Axes that are reduced, ascending.
    pub axes: Vec<usize>,
    /// Whether reduced axes stay with length 1.
    pub keepdims: bool,
    /// How floats are added.
    pub mode: SumMode,
    /// Dtype of the result.
    pub dtype: DType,
}

impl Reduction {
    /// Whether the result depends on the order in which elements are walked.
    #[must_use]
    pub fn counts_places(&self) -> bool {
        matches!(self.finish, Finish::ArgMin | Finish::ArgMax | Finish::NanArgMin | Finish::NanArgMax | Finish::FirstFalse)
    }
}

/// A reduction whose elements go to groups by their labels. The groups are a new first axis of the result.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grouping {
    /// What is reduced; axes do not stay.
    pub reduction: Reduction,
    /// Number of groups: labels are below it. `None` until an earlier phase has computed the last operand, which it is then.
    pub groups: Option<usize>,
    /// Most groups that there can be.
    pub groups_max: usize,
    /// What becomes of other labels.
    pub outside: Outside,
}

impl Grouping {
    /// How many operands there are besides the number of groups: the labels, and the value unless elements are only counted.
    #[must_use]
    pub fn operands(&self) -> usize {
        if self.reduction.finish == Finish::Count { 1 } else { 2 }
    }
}

/// The result of `op` on operands of `args`, by NumPy's rules.
pub fn infer(op: &Op, args: &[&Meta], sources: &[SourceFacts], functions: &[FunctionFacts]) -> Result<Meta> {
    match op {
        Op::Source(id) => Ok(of_source(&sources[id.0 as usize])),
        Op::Constant(_, dtype) => Ok(Meta::known(&[], *dtype)),
        Op::Sequence { length, dtype, .. } => Ok(Meta::known(&[*length], *dtype)),
        Op::Unary(unary) => elementwise::infer_unary(*unary, args[0]),
        Op::Binary(binary) => elementwise::infer_binary(*binary, args[0], args[1]),
        Op::Select => elementwise::infer_select(args[0], args[1], args[2]),
        Op::Cast(dtype, _) => Ok(Meta { dtype: *dtype, ..args[0].clone() }),
        Op::Search { search, .. } => Ok(Meta { dtype: search.result(), ..args[0].clone() }),
        Op::Slice(items) => movement::infer_slice(items, args[0]),
        Op::Permute(order) => movement::infer_permute(order, args[0]),
        Op::BroadcastTo(shape) => movement::infer_broadcast_to(shape, args[0]),
        Op::Reshape(shape) => movement::infer_reshape(shape, args[0]),
        Op::Gather { axis, map, length } => movement::infer_gather(*axis, map, *length, args[0]),
        Op::Diagonal { first, second, offset } => movement::infer_diagonal(*first, *second, *offset, args[0]),
        Op::Windows { axis, window } => movement::infer_windows(*axis, *window, args[0]),
        Op::Rename(dims) => movement::infer_rename(dims, args[0]),
        Op::Reduce(reduction) => reduce::infer_reduce(reduction, args),
        Op::Group(grouping) => group::infer_group(grouping, args),
        Op::Compress { axis, count } => movement::infer_compress(*axis, *count, args[0], args[1]),
        Op::Scan { kind, axis } => scan::infer_scan(*kind, *axis, args[0]),
        Op::Phased(phased) => phased::infer_phased(phased, args),
        Op::MapBlocks(id) => infer_map_blocks(&functions[id.0 as usize], args[0]),
    }
}

fn of_source(facts: &SourceFacts) -> Meta {
    Meta { dims: facts.dims.clone(), ..Meta::known(&facts.shape, facts.dtype) }
}

fn overlapped(function: &FunctionFacts, extra: &[usize], value: &Meta) -> Result<Meta> {
    let short = || {
        Error::mismatch(format!("`{}` needs {} neighbours, the array has the shape {}", function.name, show(extra), show(&value.shape)))
            .hint("give it a border")
    };
    let lengths = value.known_shape().filter(|shape| shape.len() == extra.len()).ok_or_else(short)?;
    let inner = lengths.iter().zip(extra).map(|(length, extra)| length.checked_sub(*extra).map(Extent::Known));
    let shape = inner.collect::<Option<Vec<Extent>>>().ok_or_else(short)?;
    Ok(Meta { shape, dtype: function.output, dims: value.dims.clone() })
}

fn infer_map_blocks(function: &FunctionFacts, value: &Meta) -> Result<Meta> {
    if value.dtype != function.input {
        return Err(Error::mismatch(format!("block function `{}` takes {}, the array is {}", function.name, function.input, value.dtype))
            .hint(format!("`.cast::<{}>()` before map_blocks", function.input)));
    }
    Ok(match &function.role {
        FunctionRole::Fold { shape, .. } => Meta::known(shape, function.output),
        FunctionRole::Overlap { extra } => overlapped(function, extra, value)?,
        _ => Meta { dtype: function.output, ..value.clone() },
    })
}
