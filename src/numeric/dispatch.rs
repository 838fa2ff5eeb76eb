//! From dtypes to the kernels of extremes among numbers, of places and of products.

use super::axes::{InstructionSet, TileAxis, Walk};
use super::element::Truth;
use super::order::{self, Extremes};
use super::places::{self, Places, Wanted};
use super::product::{self, Products};
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
pub(super) use cut;

/// [`absorb_extremes`] of floats that are not NaN.
pub(super) fn absorb_numbers<I: InstructionSet, const SMALLEST: bool>(
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

pub(super) fn absorb_places<I: InstructionSet>(
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

pub(super) fn absorb_products<I: InstructionSet>(state: &mut Products, dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
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

pub(super) fn absorb_whole_products<I: InstructionSet>(
    state: &mut WholeProducts,
    dtype: DType,
    tile: &[u8],
    axes: &[TileAxis],
    base: usize,
) {
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
