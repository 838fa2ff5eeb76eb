//! Sums over pairs of elements: of their products, which are not rounded, and of what else a mean with weights, a covariance or
//! a correlation takes. The products of a piece of two tiles are written down as numbers that hold them, and those are
//! absorbed by accumulators of their own.
//!
//! | elements | products are kept as | summed by |
//! |---|---|---|
//! | f16, bf16, f32 | one f64, which holds them | a sum of f64 |
//! | f64, exact sums | the rounded product and what the rounding lost | a sum of f64 |
//! | f64, exact sums, very large or small products | the same, of elements scaled by powers of 2 | one more sum for each scale |
//! | f64, other modes | one f64, rounded | a sum of f64 |
//! | integers of at most 32 bits | one 64-bit integer | a sum of those |
//! | 64-bit integers | the lower and the upper half of 128 bits | one sum for each |

use super::accumulator::Accumulator;
use super::axes::{InstructionSet, Piece, TileAxis};
use super::element::{Float, Truth, Whole};
use super::lanes::Cell;
use super::skip::each_piece;
use super::{AccumulatorKind, SumMode};
use crate::error::Result;
use crate::nd::DType;
use half::{bf16, f16};
use std::ops::Range;

/// Elements of a piece of two tiles.
const PIECE: usize = 512;
/// Accumulators that are sums of products at most; those over one side each follow.
pub(super) const PRODUCTS: usize = 3;
const PARTS: usize = 5;
const LEFT: usize = 3;
const RIGHT: usize = 4;

/// Exponent by which products beyond the range of f64 are scaled down, and those below it up: half of it on each side.
pub(super) const SCALE: i64 = 1100;
/// Magnitudes of rounded products for which what the rounding loses is a float too.
const PLAIN: Range<f64> = f64::from_bits((1023 - 969) << 52)..f64::from_bits((1023 + 1022) << 52);

/// One side of pairs: an element each, or one for all.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Native elements.
    pub tile: &'a [u8],
    /// Whether there is one element for the whole box.
    pub uniform: bool,
}

/// The accumulators of a sum over pairs. Which there are, kind and dtype decide.
#[derive(Clone, Debug)]
pub(super) struct Pairs {
    parts: [Option<Accumulator>; PARTS],
}

/// Kind and dtype of every accumulator.
pub(super) fn forms(kind: AccumulatorKind, dtype: DType) -> [Option<(AccumulatorKind, DType)>; PARTS] {
    let mode = match kind {
        AccumulatorKind::Dot(mode) | AccumulatorKind::Weighted(mode) | AccumulatorKind::Comoments(mode) => mode,
        _ => return [None; PARTS],
    };
    let sum = |dtype| Some((AccumulatorKind::Sum(mode), dtype));
    let (first, second, third) = match dtype {
        DType::F64 if mode == SumMode::Exact => (DType::F64, sum(DType::F64), sum(DType::F64)),
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => (DType::F64, None, None),
        DType::I64 => (DType::U64, sum(DType::I64), None),
        DType::U64 => (DType::U64, sum(DType::U64), None),
        _ if dtype.is_unsigned() || dtype == DType::Bool => (DType::U64, None, None),
        _ => (DType::I64, None, None),
    };
    let (left, right) = match kind {
        AccumulatorKind::Dot(_) => (None, None),
        AccumulatorKind::Weighted(_) => (None, sum(dtype)),
        _ => (Some((AccumulatorKind::Moments(mode), dtype)), Some((AccumulatorKind::Moments(mode), dtype))),
    };
    [sum(first), second, third, left, right]
}

impl Pairs {
    pub(super) fn new(kind: AccumulatorKind, dtype: DType, outputs: usize) -> Result<Self> {
        let mut parts = [const { None }; PARTS];
        for (part, form) in parts.iter_mut().zip(forms(kind, dtype)) {
            *part = form.map(|(kind, dtype)| Accumulator::new(kind, dtype, outputs)).transpose()?;
        }
        Ok(Self { parts })
    }

    /// Bytes of everything but the accumulator that holds this.
    pub(super) fn bytes_max(kind: AccumulatorKind, dtype: DType, outputs: usize) -> u64 {
        let inline = size_of::<Accumulator>() as u64;
        let parts = forms(kind, dtype).into_iter().flatten();
        let heap = parts.map(|(kind, dtype)| Accumulator::state_bytes_max(kind, dtype, outputs).saturating_sub(inline));
        heap.fold(size_of::<Self>() as u64, u64::saturating_add)
    }

    pub(super) fn reset(&mut self) {
        self.parts.iter_mut().flatten().for_each(Accumulator::reset);
    }

    pub(super) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        for (part, other) in self.parts.iter_mut().flatten().zip(other.parts.iter().flatten()) {
            part.merge_run(at, other, from, count);
        }
    }

    /// The accumulators there are, in their order.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Accumulator> {
        self.parts.iter().flatten()
    }

    /// The same, if the number of accumulators is right.
    pub(super) fn parts_mut(&mut self) -> impl Iterator<Item = &mut Accumulator> {
        self.parts.iter_mut().flatten()
    }

    /// Whether a place among [`Pairs::parts`] is a sum of products.
    pub(super) fn is_product(&self, place: usize) -> bool {
        place < self.parts[..PRODUCTS].iter().flatten().count()
    }

    /// One of the [`PRODUCTS`] sums of products.
    pub(super) fn product(&self, place: usize) -> Option<&Accumulator> {
        self.parts[place].as_ref()
    }

    /// The sums over the left side.
    pub(super) fn left(&self) -> Option<&Accumulator> {
        self.parts[LEFT].as_ref()
    }

    /// The sums over the right side.
    pub(super) fn right(&self) -> Option<&Accumulator> {
        self.parts[RIGHT].as_ref()
    }

    /// Absorbs the pairs of a box.
    pub(super) fn absorb<I: InstructionSet>(&mut self, dtype: DType, sides: [Side<'_>; 2], axes: &[TileAxis], base: usize) {
        let size = dtype.size();
        let mut same = [[0_u8; PIECE * 8]; 2];
        for (same, side) in same.iter_mut().zip(sides).filter(|(_, side)| side.uniform) {
            same[..PIECE * size].chunks_exact_mut(size).for_each(|element| element.copy_from_slice(&side.tile[..size]));
        }
        let mut out = Products { first: [0; PIECE], second: [0; PIECE], plain: true };
        each_piece(axes, PIECE, |first, count, axes, offset| {
            let base = (base as i64 + offset) as usize;
            let of = |side: usize| match sides[side].uniform {
                true => &same[side][..count * size],
                false => &sides[side].tile[first * size..(first + count) * size],
            };
            let [left, right] = [of(0), of(1)];
            self.multiply::<I>(dtype, [left, right], &mut out, axes, base);
            for (part, tile) in [(LEFT, left), (RIGHT, right)] {
                if let Some(part) = &mut self.parts[part] {
                    part.absorb::<I>(tile, axes, base, 0);
                }
            }
        });
    }

    fn multiply<I: InstructionSet>(&mut self, dtype: DType, sides: [&[u8]; 2], out: &mut Products, axes: &[TileAxis], base: usize) {
        macro_rules! of {
            ($piece:ident, $t:ty) => {
                I::enter($piece::<$t> { left: sides[0].as_chunks().0, right: sides[1].as_chunks().0, out: &mut *out })
            };
        }
        match dtype {
            DType::F16 => of!(Widened, f16),
            DType::BF16 => of!(Widened, bf16),
            DType::F32 => of!(Widened, f32),
            DType::F64 if self.parts[1].is_some() => {
                I::enter(Lossless { left: sides[0].as_chunks().0, right: sides[1].as_chunks().0, out: &mut *out })
            }
            DType::F64 => of!(Widened, f64),
            DType::I8 => of!(Short, i8),
            DType::I16 => of!(Short, i16),
            DType::I32 => of!(Short, i32),
            DType::U8 => of!(Short, u8),
            DType::U16 => of!(Short, u16),
            DType::U32 => of!(Short, u32),
            DType::Bool => of!(Short, Truth),
            DType::I64 => of!(Long, i64),
            DType::U64 => of!(Long, u64),
        }
        let count = sides[0].len() / dtype.size();
        if dtype != DType::F64 || self.parts[1].is_none() {
            for (part, tile) in self.parts.iter_mut().zip([&out.first, &out.second]).take(2) {
                if let Some(part) = part {
                    part.absorb::<I>(bytemuck::cast_slice(&tile[..count]), axes, base, 0);
                }
            }
        } else if out.plain {
            self.absorb_lossless::<I>(0, out, count, axes, base);
        } else {
            self.multiply_scaled::<I>(sides, axes, base);
        }
    }

    fn absorb_lossless<I: InstructionSet>(&mut self, part: usize, out: &Products, count: usize, axes: &[TileAxis], base: usize) {
        let Some(part) = &mut self.parts[part] else { return };
        part.absorb::<I>(bytemuck::cast_slice(&out.first[..count]), axes, base, 0);
        if out.second[..count].iter().any(|lost| lost << 1 != 0) {
            part.absorb::<I>(bytemuck::cast_slice(&out.second[..count]), axes, base, 0);
        }
    }

    /// A piece in which a product, or what rounding it loses, may lie outside of the range of f64: every product goes to the sum
    /// of its scale, and zero to the others.
    #[cold]
    fn multiply_scaled<I: InstructionSet>(&mut self, sides: [&[u8]; 2], axes: &[TileAxis], base: usize) {
        let [left, right] = sides.map(|side| side.as_chunks::<8>().0);
        for scale in 0..PRODUCTS {
            let mut out = Products { first: [0; PIECE], second: [0; PIECE], plain: true };
            let mut any = scale == 0;
            for (at, (left, right)) in left.iter().zip(right).enumerate() {
                let (left, right) = (f64::from_ne_bytes(*left), f64::from_ne_bytes(*right));
                if scale_of(left, right) == scale {
                    // Zeros and what is not finite come with scale 0 and lose nothing.
                    let factor = [1.0, 2_f64.powi(-(SCALE as i32) / 2), 2_f64.powi(SCALE as i32 / 2)][scale];
                    let (left, right) = (left * factor, right * factor);
                    let product = left * right;
                    let lost = if product.is_finite() { left.mul_add(right, -product) } else { 0.0 };
                    (out.first[at], out.second[at], any) = (product.to_bits(), lost.to_bits(), true);
                }
            }
            if any {
                self.absorb_lossless::<I>(scale, &out, left.len(), axes, base);
            }
        }
    }
}

/// Which sum takes a product: 0 as it is, 1 scaled down, 2 scaled up.
fn scale_of(left: f64, right: f64) -> usize {
    if left == 0.0 || right == 0.0 || !left.is_finite() || !right.is_finite() {
        return 0;
    }
    let magnitude = (left * right).abs();
    if magnitude >= PLAIN.end {
        1
    } else if magnitude < PLAIN.start {
        2
    } else {
        0
    }
}

/// The products of a piece, as bits.
struct Products {
    first: [u64; PIECE],
    second: [u64; PIECE],
    /// Whether no product of f64 needs a scale.
    plain: bool,
}

/// Products in f64.
struct Widened<'a, T: Cell> {
    left: &'a [T::Bytes],
    right: &'a [T::Bytes],
    out: &'a mut Products,
}

impl<T: Float> Piece for Widened<'_, T> {
    #[inline(always)]
    fn go(self) {
        for (out, (left, right)) in self.out.first.iter_mut().zip(self.left.iter().zip(self.right)) {
            *out = (T::read(*left).widen() * T::read(*right).widen()).to_bits();
        }
    }
}

/// Products of f64 and what rounding them loses.
struct Lossless<'a> {
    left: &'a [[u8; 8]],
    right: &'a [[u8; 8]],
    out: &'a mut Products,
}

impl Piece for Lossless<'_> {
    #[inline(always)]
    fn go(self) {
        let outs = self.out.first.iter_mut().zip(self.out.second.iter_mut());
        let mut plain = true;
        for ((product, lost), (left, right)) in outs.zip(self.left.iter().zip(self.right)) {
            let (left, right) = (f64::from_ne_bytes(*left), f64::from_ne_bytes(*right));
            let rounded = left * right;
            let magnitude = rounded.abs();
            plain &= PLAIN.contains(&magnitude) | (rounded == 0.0) & ((left == 0.0) | (right == 0.0));
            *product = rounded.to_bits();
            *lost = left.mul_add(right, -rounded).to_bits();
        }
        self.out.plain = plain;
    }
}

/// Products of integers in 64 bits.
struct Short<'a, T: Cell> {
    left: &'a [T::Bytes],
    right: &'a [T::Bytes],
    out: &'a mut Products,
}

impl<T: Whole> Piece for Short<'_, T> {
    #[inline(always)]
    fn go(self) {
        for (out, (left, right)) in self.out.first.iter_mut().zip(self.left.iter().zip(self.right)) {
            *out = T::read(*left).wrapped().wrapping_mul(T::read(*right).wrapped()) as u64;
        }
    }
}

/// Halves of products of 64-bit integers.
struct Long<'a, T: Cell> {
    left: &'a [T::Bytes],
    right: &'a [T::Bytes],
    out: &'a mut Products,
}

impl<T: Whole> Piece for Long<'_, T> {
    #[inline(always)]
    fn go(self) {
        let outs = self.out.first.iter_mut().zip(self.out.second.iter_mut());
        for ((low, high), (left, right)) in outs.zip(self.left.iter().zip(self.right)) {
            let [left, right] = [left, right].map(|cell| {
                let value = T::read(*cell).wrapped();
                if T::UNSIGNED { i128::from(value as u64) } else { i128::from(value) }
            });
            let product = left.wrapping_mul(right);
            (*low, *high) = (product as u64, (product >> 64) as u64);
        }
    }
}
