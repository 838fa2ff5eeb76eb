//! Products of matrices: the sum over an inner axis of what two sides hold, for every pair of their places.
//!
//! One order of additions, whatever the instruction set, the block or the thread: per output, ascending chains of fused
//! multiply-adds over [`SEGMENT`] inner places in the elements' dtype, and the chains of a group of [`GROUP`] places added in order
//! in `f64`. Segments and groups begin at multiples of their length along the inner axis itself, so who cuts that axis cuts it at
//! multiples of [`GROUP`]; groups are added exactly ([`crate::numeric`]), in any order.
//!
//! Both sides are packed into panels that lie as the micro-kernel reads them (Goto and van de Geijn, "Anatomy of high-performance
//! matrix multiplication", 2008), from wherever their elements are: any strides, any alignment, no copy before.

mod micro;
mod pack;
mod rows;
#[cfg(test)]
mod tests;

use crate::{
    kernel::math::{Lanes, Real},
    nd::DType,
    numeric::{InstructionSet, Piece},
};
use bytemuck::Pod;

pub(crate) use rows::RowProducts;

/// Inner places of one chain of fused multiply-adds.
pub(crate) const SEGMENT: usize = 256;
/// Inner places that are added before the exact sum takes over.
pub(crate) const GROUP: usize = 4096;

/// Elements of one side: those of place `i` and inner place `k` are at `places[i] + inner[k]`.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    /// Bytes of its elements, at any alignment.
    pub bytes: &'a [u8],
    /// Where its places begin, in elements.
    pub places: &'a [i64],
    /// Distances along the inner axis, in elements.
    pub inner: &'a [i64],
}

/// Which outputs are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outputs {
    /// All.
    All,
    /// Both sides are one: those below the diagonal are computed, the others are the same.
    Symmetric,
}

/// Memory of one thread's panels, kept from block to block.
#[derive(Default)]
pub(crate) struct Panels {
    left: Vec<u64>,
    right: Vec<u64>,
}

/// Places that panels are padded by at most: no set has tiles of more rows or columns.
const PADDING: usize = 32;

impl Panels {
    /// Bytes held for one side of so many places and inner places, of elements of `size` bytes.
    pub(crate) fn side_bytes_max(places: usize, inner: usize, size: usize) -> u64 {
        let words = places.saturating_add(PADDING).saturating_mul(inner.clamp(1, SEGMENT)).saturating_mul(size).div_ceil(size_of::<u64>());
        words.saturating_mul(size_of::<u64>()) as u64
    }

    /// Bytes held now.
    pub(crate) fn held_bytes(&self) -> u64 {
        ((self.left.capacity() + self.right.capacity()) * size_of::<u64>()) as u64
    }

    fn fit(&mut self, rows: usize, columns: usize, inner: usize, size: usize) {
        let words = |places: usize| ((places + PADDING) * inner.clamp(1, SEGMENT) * size).div_ceil(size_of::<u64>());
        for (panel, places) in [(&mut self.left, rows), (&mut self.right, columns)] {
            if panel.len() < words(places) {
                // What a smaller block needed is given back first.
                *panel = Vec::new();
                panel.reserve_exact(words(places));
                panel.resize(words(places), 0);
            }
        }
    }
}

/// `(sums, left, right, outputs, panels)`: adds to `sums` (rows of the left side by columns of the right, dense) the products of one
/// group of inner places, the first of which begins a segment.
pub(crate) type ProductKernel = fn(&mut [f64], Side<'_>, Side<'_>, Outputs, &mut Panels);

/// The kernel for elements of `dtype`; `None` for all but `f32` and `f64`, which others are cast to.
pub(crate) fn kernel<S: InstructionSet + Lanes>(dtype: DType) -> Option<ProductKernel> {
    match dtype {
        DType::F32 => Some(multiply::<S, S::F32>),
        DType::F64 => Some(multiply::<S, S::F64>),
        _ => None,
    }
}

/// Elements that are multiplied.
pub(crate) trait Factor: Pod {
    fn wide(self) -> f64;
}

impl Factor for f32 {
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Factor for f64 {
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

/// Shapes of a tile for vectors of so many lanes: rows, and vectors in a row. Registers hold the tile, a row of the right panel and
/// one element of the left: of 32, of 16, and of 16 that hold one element each.
const fn tile(lanes: usize, element_bytes: usize) -> (usize, usize) {
    match lanes * element_bytes {
        64 => (8, 2),
        32 => (6, 2),
        _ => (4, 4),
    }
}

fn multiply<S: InstructionSet, V: Real<Scalar: Factor>>(
    sums: &mut [f64],
    left: Side<'_>,
    right: Side<'_>,
    outputs: Outputs,
    panels: &mut Panels,
) {
    panels.fit(left.places.len(), right.places.len(), left.inner.len(), size_of::<V::Scalar>());
    S::enter(Multiply::<V> { sums, left, right, outputs, panels, vectors: std::marker::PhantomData });
}

struct Multiply<'a, V> {
    sums: &'a mut [f64],
    left: Side<'a>,
    right: Side<'a>,
    outputs: Outputs,
    panels: &'a mut Panels,
    vectors: std::marker::PhantomData<V>,
}

impl<V: Real<Scalar: Factor>> Piece for Multiply<'_, V> {
    #[inline(always)]
    fn go(self) {
        match const { tile(V::LANES, size_of::<V::Scalar>()) } {
            (8, 2) => self.tiled::<8, 2>(),
            (6, 2) => self.tiled::<6, 2>(),
            _ => self.tiled::<4, 4>(),
        }
    }
}

impl<V: Real<Scalar: Factor>> Multiply<'_, V> {
    #[inline(always)]
    fn tiled<const ROWS: usize, const VECTORS: usize>(self) {
        let (rows, columns) = (self.left.places.len(), self.right.places.len());
        let wide = VECTORS * V::LANES;
        let left_panels: &mut [V::Scalar] = bytemuck::cast_slice_mut(&mut self.panels.left);
        let right_panels: &mut [V::Scalar] = bytemuck::cast_slice_mut(&mut self.panels.right);
        for from in (0..self.left.inner.len()).step_by(SEGMENT) {
            let inner = from..(from + SEGMENT).min(self.left.inner.len());
            let count = inner.len();
            pack::panels(left_panels, self.left, inner.clone(), ROWS);
            pack::panels(right_panels, self.right, inner, wide);
            for (place, right) in right_panels.chunks_exact(wide * count).take(columns.div_ceil(wide)).enumerate() {
                let first_column = place * wide;
                for (at, left) in left_panels.chunks_exact(ROWS * count).take(rows.div_ceil(ROWS)).enumerate() {
                    let first_row = at * ROWS;
                    if self.outputs == Outputs::Symmetric && first_row + ROWS <= first_column {
                        continue;
                    }
                    let tile = micro::chains::<V, ROWS, VECTORS>(left, right);
                    micro::add(&tile, self.sums, (rows, columns), (first_row, first_column));
                }
            }
        }
        if self.outputs == Outputs::Symmetric {
            micro::mirror(self.sums, rows);
        }
    }
}
