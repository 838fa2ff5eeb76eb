//! From dtypes and modes to the kernels that are compiled for them.

use super::SumMode;
use super::axes::{Baseline, InstructionSet, TileAxis, Walk};
use super::compensated::{self, Compensated, KAHAN, NEUMAIER, PLAIN};
use super::distinct::{self, Distinct};
use super::element::Truth;
use super::grouped::{self, Tallies};
use super::order::{self, Extremes};
use super::places::{self, Places, Wanted};
use super::product::{self, Products};
use super::sketch::{self, Sketch};
use super::truth::{self, Bits, FirstZero, Truths};
use super::whole::{self, WholeSums};
use super::whole_product::{self, WholeProducts};
use crate::nd::DType;
use half::{bf16, f16};
use std::marker::PhantomData;

/// Runs `$body` on `tile` cut into elements of the Rust type `$t`.
macro_rules! cut {
    ($tile:ident, $size:expr, $cells:ident => $body:expr) => {{
        let ($cells, rest) = $tile.as_chunks::<$size>();
        debug_assert!(rest.is_empty(), "whole elements");
        $body
    }};
}

pub(super) fn compensated<I: InstructionSet>(state: &mut Compensated, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    macro_rules! of {
        ($t:ty, $step:expr, $moments:expr) => {
            cut!(tile, { size_of::<$t>() }, cells => {
                let mut target = compensated::Target::<I, $t, $step, $moments> { state, of: PhantomData };
                I::enter(Walk { state: &mut target, cells, axes, base });
            })
        };
        ($t:ty) => {
            match (state.mode, state.moments) {
                (SumMode::Naive, false) => of!($t, PLAIN, false),
                (SumMode::Naive, true) => of!($t, PLAIN, true),
                (SumMode::Kahan, false) => of!($t, KAHAN, false),
                (SumMode::Kahan, true) => of!($t, KAHAN, true),
                (_, false) => of!($t, NEUMAIER, false),
                (_, true) => of!($t, NEUMAIER, true),
            }
        };
    }
    match dtype {
        DType::F16 => of!(f16),
        DType::BF16 => of!(bf16),
        DType::F32 => of!(f32),
        _ => of!(f64),
    }
}

pub(super) fn whole<I: InstructionSet>(state: &mut WholeSums, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    macro_rules! of {
        ($t:ty, $size:expr) => {
            cut!(tile, $size, cells => if state.moments {
                I::enter(Walk { state: &mut whole::Target::<$t, true> { state, element: PhantomData }, cells, axes, base });
            } else {
                I::enter(Walk { state: &mut whole::Target::<$t, false> { state, element: PhantomData }, cells, axes, base });
            })
        };
    }
    match dtype {
        DType::I8 => of!(i8, 1),
        DType::I16 => of!(i16, 2),
        DType::I32 => of!(i32, 4),
        DType::I64 => of!(i64, 8),
        DType::U8 => of!(u8, 1),
        DType::U16 => of!(u16, 2),
        DType::U32 => of!(u32, 4),
        DType::U64 => of!(u64, 8),
        _ => of!(Truth, 1),
    }
}

pub(super) fn extremes<I: InstructionSet, const SMALLEST: bool>(
    state: &mut Extremes,
    dtype: DType,
    tile: &[u8],
    axes: &[TileAxis],
    base: usize,
) {
    macro_rules! of {
        ($t:ty, $size:expr) => {
            cut!(tile, $size, cells => {
                I::enter(Walk { state: &mut order::Target::<$t, SMALLEST, false> { state, element: PhantomData }, cells, axes, base });
            })
        };
    }
    match dtype {
        DType::Bool => of!(Truth, 1),
        DType::I8 => of!(i8, 1),
        DType::I16 => of!(i16, 2),
        DType::I32 => of!(i32, 4),
        DType::I64 => of!(i64, 8),
        DType::U8 => of!(u8, 1),
        DType::U16 => of!(u16, 2),
        DType::U32 => of!(u32, 4),
        DType::U64 => of!(u64, 8),
        DType::F16 => of!(f16, 2),
        DType::BF16 => of!(bf16, 2),
        DType::F32 => of!(f32, 4),
        DType::F64 => of!(f64, 8),
    }
}

/// Runs `$body` with `$t` bound to the tested bits of `$dtype` and `$cells` to the tile's elements.
macro_rules! tested {
    ($dtype:expr, $tile:ident, $t:ident, $cells:ident => $body:expr) => {{
        macro_rules! of {
            ($u:ty, $float:expr) => {{
                                                                                        type $t = Bits<$u, $float>;
                                                                                        cut!($tile, { size_of::<$u>() }, $cells => $body)
                                                                                    }};
                                                                                }
        match ($dtype.size(), $dtype.is_float()) {
            (1, _) => of!(u8, false),
            (2, false) => of!(u16, false),
            (2, true) => of!(u16, true),
            (4, false) => of!(u32, false),
            (4, true) => of!(u32, true),
            (_, false) => of!(u64, false),
            (_, true) => of!(u64, true),
        }
    }};
}

pub(super) fn truths<I: InstructionSet>(state: &mut Truths, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    tested!(dtype, tile, T, cells => I::enter(Walk { state: &mut truth::Target::<T> { state, element: PhantomData }, cells, axes, base }));
}

pub(super) fn first(state: &mut FirstZero, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize, index: i64) {
    tested!(dtype, tile, T, cells => state.absorb::<T>(cells, axes, base, index));
}

/// [`extremes`] of floats that are not NaN.
pub(super) fn numbers<I: InstructionSet, const SMALLEST: bool>(
    state: &mut Extremes,
    dtype: DType,
    tile: &[u8],
    axes: &[TileAxis],
    base: usize,
) {
    macro_rules! of {
        ($t:ty) => {
            cut!(tile, { size_of::<$t>() }, cells => {
                I::enter(Walk { state: &mut order::Target::<$t, SMALLEST, true> { state, element: PhantomData }, cells, axes, base });
            })
        };
    }
    match dtype {
        DType::F16 => of!(f16),
        DType::BF16 => of!(bf16),
        DType::F32 => of!(f32),
        _ => of!(f64),
    }
}

pub(super) fn places<I: InstructionSet>(
    state: &mut Places,
    dtype: DType,
    wanted: Wanted,
    (tile, axes, base, index): (&[u8], &[TileAxis], usize, i64),
) {
    macro_rules! of {
        ($t:ty, $size:expr) => {
            cut!(tile, $size, cells => {
                I::enter(Walk { state: &mut places::Target::<$t>::new(state, wanted, index), cells, axes, base });
            })
        };
    }
    match dtype {
        DType::Bool => of!(Truth, 1),
        DType::I8 => of!(i8, 1),
        DType::I16 => of!(i16, 2),
        DType::I32 => of!(i32, 4),
        DType::I64 => of!(i64, 8),
        DType::U8 => of!(u8, 1),
        DType::U16 => of!(u16, 2),
        DType::U32 => of!(u32, 4),
        DType::U64 => of!(u64, 8),
        DType::F16 => of!(f16, 2),
        DType::BF16 => of!(bf16, 2),
        DType::F32 => of!(f32, 4),
        DType::F64 => of!(f64, 8),
    }
}

pub(super) fn products<I: InstructionSet>(state: &mut Products, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    macro_rules! of {
        ($t:ty) => {
            cut!(tile, { size_of::<$t>() }, cells => {
                I::enter(Walk { state: &mut product::Target::<$t> { state, element: PhantomData }, cells, axes, base });
            })
        };
    }
    match dtype {
        DType::F16 => of!(f16),
        DType::BF16 => of!(bf16),
        DType::F32 => of!(f32),
        _ => of!(f64),
    }
}

pub(super) fn whole_products<I: InstructionSet>(state: &mut WholeProducts, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    macro_rules! of {
        ($t:ty, $size:expr) => {
            cut!(tile, $size, cells => {
                I::enter(Walk { state: &mut whole_product::Target::<$t> { state, element: PhantomData }, cells, axes, base });
            })
        };
    }
    match dtype {
        DType::I8 => of!(i8, 1),
        DType::I16 => of!(i16, 2),
        DType::I32 => of!(i32, 4),
        DType::I64 => of!(i64, 8),
        DType::U8 => of!(u8, 1),
        DType::U16 => of!(u16, 2),
        DType::U32 => of!(u32, 4),
        DType::U64 => of!(u64, 8),
        _ => of!(Truth, 1),
    }
}

/// Elements are counted unseen.
pub(super) fn count(state: &mut Tallies, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    macro_rules! of {
        ($size:expr) => {
            cut!(tile, $size, cells => Baseline::enter(Walk { state: &mut grouped::TallyTarget { state }, cells, axes, base }))
        };
    }
    match dtype.size() {
        1 => of!(1),
        2 => of!(2),
        4 => of!(4),
        _ => of!(8),
    }
}

/// `of!` with the element type of a dtype.
macro_rules! by_dtype {
    ($dtype:expr, $of:ident) => {
        match $dtype {
            DType::Bool => $of!(Truth),
            DType::I8 => $of!(i8),
            DType::I16 => $of!(i16),
            DType::I32 => $of!(i32),
            DType::I64 => $of!(i64),
            DType::U8 => $of!(u8),
            DType::U16 => $of!(u16),
            DType::U32 => $of!(u32),
            DType::U64 => $of!(u64),
            DType::F16 => $of!(f16),
            DType::BF16 => $of!(bf16),
            DType::F32 => $of!(f32),
            DType::F64 => $of!(f64),
        }
    };
}

pub(super) fn distinct<I: InstructionSet>(state: &mut Distinct, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    macro_rules! of {
        ($t:ty) => {
            cut!(tile, { size_of::<$t>() }, cells => {
                I::enter(Walk { state: &mut distinct::Target::<$t> { state, element: PhantomData }, cells, axes, base });
            })
        };
    }
    by_dtype!(dtype, of);
}

pub(super) fn sketch<I: InstructionSet>(state: &mut Sketch, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    macro_rules! of {
        ($t:ty) => {
            cut!(tile, { size_of::<$t>() }, cells => {
                I::enter(Walk { state: &mut sketch::Target::<$t> { state, element: PhantomData }, cells, axes, base });
            })
        };
    }
    by_dtype!(dtype, of);
}
