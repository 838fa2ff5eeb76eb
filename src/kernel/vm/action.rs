//! What a prepared sweep does on every tile: actions, where their operands come from and where their results go.

use super::group::GroupAction;
use crate::{
    kernel::{
        chain::{CHAIN_MAX, ChainKernel, Link},
        formula::SumKernels,
        program::{BinaryOp, CastMode, Generator, UnaryOp},
        search::{SearchKernel, SearchTable},
        simd::{BinaryKernels, CastKernel, SelectKernels, UnaryKernel},
        watch::{EventCheck, TileCheck},
    },
    nd::DType,
};

/// Something whose position moves with the coordinates.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Track {
    /// Elements of a slot.
    Slot(usize),
    /// Outputs of an accumulator.
    Accumulator(usize),
    /// The linear index over the axes that an accumulator reduces, in the stage's space.
    Index(usize),
    /// The index of a generator.
    Generator { offset: i64, strides: Vec<i64> },
}

/// Where an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Register(usize),
    /// Bytes of one element, at the front.
    Constant([u64; 1]),
}

impl Source {
    #[inline]
    pub fn is(&self, register: usize) -> bool {
        *self == Source::Register(register)
    }
}

/// An action, and where its result goes instead of a register: a value that is stored at once and never read again is computed
/// straight into an output that is dense and aligned.
pub(super) struct Operation {
    pub action: Action,
    pub direct: Option<Direct>,
}

/// The place of a stored tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direct {
    pub slot: usize,
    pub track: usize,
    pub size: usize,
    /// Whether any element of the tile is not finite, where that is asked.
    pub check: Option<TileCheck>,
}

/// A tile of another dtype.
pub(super) struct CastAction {
    pub dst: usize,
    pub a: Source,
    pub kernel: CastKernel,
    pub from: DType,
    pub to: DType,
    /// What the error of a value that does not fit is about.
    pub mode: CastMode,
    pub event: Option<EventCheck>,
}

pub(super) enum Action {
    Load {
        dst: usize,
        slot: usize,
        track: usize,
        size: usize,
        swap: Option<fn(&mut [u8])>,
        borrows: bool,
        keeps: bool,
    },
    Generate {
        dst: usize,
        dtype: DType,
        generator: Generator,
        track: usize,
    },
    Unary {
        op: UnaryOp,
        dtype: DType,
        dst: usize,
        a: Source,
        kernel: UnaryKernel,
        size: usize,
        out_size: usize,
        event: Option<EventCheck>,
    },
    Binary {
        op: BinaryOp,
        dtype: DType,
        dst: usize,
        a: Source,
        b: Source,
        kernels: BinaryKernels,
        size: usize,
        out_size: usize,
        event: Option<EventCheck>,
    },
    Select {
        dst: usize,
        mask: Source,
        a: Source,
        b: Source,
        kernels: SelectKernels,
        size: usize,
    },
    Cast(CastAction),
    Store {
        slot: usize,
        track: usize,
        src: Source,
        size: usize,
        check: Option<TileCheck>,
    },
    Reduce {
        acc: usize,
        track: usize,
        index: Option<usize>,
        src: Source,
        size: usize,
        check: Option<TileCheck>,
    },
    Search {
        dst: usize,
        a: Source,
        table: Box<SearchTable>,
        kernel: SearchKernel,
        size: usize,
        out_size: usize,
    },
    Group(GroupAction),
    ReducePairs {
        acc: usize,
        track: usize,
        sides: [Source; 2],
        size: usize,
        check: Option<TileCheck>,
    },
    Compress {
        slot: usize,
        ordinal: usize,
        src: Source,
        mask: Source,
        size: usize,
        check: Option<TileCheck>,
    },
    /// Adds a formula to one output and skips the operations that follow, which do the same one by one; where that cannot be,
    /// it does nothing and they run.
    SumOf {
        acc: usize,
        track: usize,
        a: Source,
        b: Source,
        size: usize,
        kernels: SumKernels,
        skip: usize,
    },
    /// Operations that hand one value on: see [`crate::kernel::chain`].
    Chain(Chain),
}

/// The operations of a chain, in order. Of the arrays, what lies behind them is of no account.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    pub dtype: DType,
    pub dst: usize,
    pub kernel: ChainKernel,
    pub length: usize,
    pub links: [Link; CHAIN_MAX],
    /// The first running value, and the other operand of every operation.
    pub operands: [Source; CHAIN_MAX + 1],
}

impl Action {
    pub(super) fn for_sources(&mut self, mut visit: impl FnMut(&mut Source)) {
        match self {
            Action::Load { .. } | Action::Generate { .. } => {}
            Action::Unary { a, .. } | Action::Cast(CastAction { a, .. }) | Action::Search { a, .. } => visit(a),
            Action::Store { src, .. } | Action::Reduce { src, .. } => visit(src),
            Action::Binary { a, b, .. } | Action::SumOf { a, b, .. } => [a, b].into_iter().for_each(visit),
            Action::Select { mask, a, b, .. } => [mask, a, b].into_iter().for_each(visit),
            Action::ReducePairs { sides, .. } => sides.iter_mut().for_each(visit),
            Action::Group(group) => [&mut group.src, &mut group.labels].into_iter().for_each(visit),
            Action::Compress { src, mask, .. } => [src, mask].into_iter().for_each(&mut visit),
            Action::Chain(chain) => chain.operands[..=chain.length].iter_mut().for_each(visit),
        }
    }

    pub(super) fn rename_sources(&mut self, homes: &[usize]) {
        self.for_sources(|source| {
            if let Source::Register(register) = source {
                *register = homes[*register];
            }
        });
    }

    pub(super) fn destination(&self) -> Option<usize> {
        match self {
            Action::Load { dst, .. }
            | Action::Generate { dst, .. }
            | Action::Unary { dst, .. }
            | Action::Binary { dst, .. }
            | Action::Search { dst, .. }
            | Action::Select { dst, .. }
            | Action::Cast(CastAction { dst, .. })
            | Action::Chain(Chain { dst, .. }) => Some(*dst),
            Action::Store { .. }
            | Action::Reduce { .. }
            | Action::ReducePairs { .. }
            | Action::Group(_)
            | Action::Compress { .. }
            | Action::SumOf { .. } => None,
        }
    }

    /// Has the tile that is handed out asked.
    pub(super) fn ask(&mut self, special: Option<TileCheck>) {
        if let Action::Store { check, .. }
        | Action::Reduce { check, .. }
        | Action::ReducePairs { check, .. }
        | Action::Compress { check, .. } = self
        {
            *check = special;
        } else if let Action::Group(group) = self {
            group.check = special;
        }
    }

    /// Whether this is a kernel that writes `register`.
    pub(super) fn computes(&self, register: usize) -> bool {
        !matches!(self, Action::Load { .. } | Action::Generate { .. }) && self.destination() == Some(register)
    }
}
