//! Products of matrices: the sum over an inner axis of what two sides hold, for every pair of their places.
//!
//! One order of additions, whatever the instruction set, the block or the thread: per output, ascending chains of fused
//! multiply-adds over [`SEGMENT`] inner places in the elements' dtype, and the chains of a group of [`GROUP`] places added in order
//! in `f64`. Segments and groups begin at multiples of their length along the inner axis itself, so who cuts that axis cuts it at
//! multiples of [`GROUP`]; groups are added exactly ([`crate::numeric`]), in any order.
//!
//! Sides are packed into panels that lie as the micro-kernel reads them (Goto and van de Geijn, "Anatomy of high-performance matrix
//! multiplication", 2008), from wherever their elements are: any strides, any alignment, no copy before. Rows of the left side whose
//! inner places lie beside each other are not even packed.

mod micro;
mod pack;
mod rows;
#[cfg(test)]
mod tests;
pub(super) mod whole;

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
        let words = |places: usize| Self::side_bytes_max(places, inner, size) as usize / size_of::<u64>();
        for (panel, places) in [(&mut self.left, rows), (&mut self.right, columns)] {
            if panel.len() < words(places) {
                fit(panel, words(places));
            }
        }
    }
}

/// Makes `list` of so many elements, of the capacity that it needs.
pub(super) fn fit<T: Pod>(list: &mut Vec<T>, count: usize) {
    if list.capacity() < count {
        // What a smaller block needed is given back first.
        *list = Vec::new();
        list.reserve_exact(count);
    }
    list.resize(count, T::zeroed());
}

/// `(sums, left, right, outputs, panels)`: adds to `sums` (rows of the left side by columns of the right, dense) the products of one
/// group of inner places, the first of which begins a segment.
pub(crate) type ProductKernel = fn(&mut [f64], Side<'_>, Side<'_>, Outputs, &mut Panels);

/// `(results, left, right, outputs, panels)`: writes to `results`, aligned bytes of `f32`, what [`ProductKernel`] adds to zeros,
/// rounded, where there is one segment: no sum leaves the registers before it is a result.
pub(crate) type SegmentKernel = fn(&mut [u8], Side<'_>, Side<'_>, Outputs, &mut Panels);

/// The kernel of one segment for elements of `dtype`; `None` for all but `f32`.
pub(crate) fn segment_kernel<S: InstructionSet + Lanes>(dtype: DType) -> Option<SegmentKernel> {
    (dtype == DType::F32).then_some(multiply_segment::<S>)
}

/// The kernel for elements of `dtype`; `None` for all but `f32` and `f64`, which others are cast to, or cut into ([`whole`]).
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

/// Shapes of a tile for vectors of so many bytes: rows, and vectors in a row. Registers hold the tile, a row of the right panel and
/// one element of the left: of 32, of 16, and of 16 that hold one element each. `narrow`: one vector holds all columns.
const fn tile(vector_bytes: usize, narrow: bool) -> (usize, usize) {
    match (vector_bytes, narrow) {
        (64, false) => (8, 2),
        (64, true) => (16, 1),
        (32, false) => (6, 2),
        (32, true) => (12, 1),
        _ => (4, 4),
    }
}

/// Whether rows are multiplied where they are: their inner places lie beside each other.
#[inline(always)]
fn is_unpacked(left: Side<'_>) -> bool {
    pack::is_run(left.inner)
}

fn multiply<S: InstructionSet, V: Real<Scalar: Factor>>(
    sums: &mut [f64],
    left: Side<'_>,
    right: Side<'_>,
    outputs: Outputs,
    panels: &mut Panels,
) {
    enter::<S, V, f64>(sums, left, right, outputs, panels);
}

fn multiply_segment<S: InstructionSet + Lanes>(results: &mut [u8], left: Side<'_>, right: Side<'_>, outputs: Outputs, panels: &mut Panels) {
    if left.inner.is_empty() {
        results.fill(0);
    }
    enter::<S, S::F32, micro::Only>(bytemuck::cast_slice_mut(results), left, right, outputs, panels);
}

fn enter<S: InstructionSet, V: Real<Scalar: Factor>, A: micro::Sum<V::Scalar>>(
    sums: &mut [A],
    left: Side<'_>,
    right: Side<'_>,
    outputs: Outputs,
    panels: &mut Panels,
) {
    let packed_rows = if is_unpacked(left) { 0 } else { left.places.len() };
    panels.fit(packed_rows, right.places.len(), left.inner.len(), size_of::<V::Scalar>());
    S::enter(Multiply::<V, A> { sums, left, right, outputs, panels, vectors: std::marker::PhantomData });
}

struct Multiply<'a, V, A> {
    sums: &'a mut [A],
    left: Side<'a>,
    right: Side<'a>,
    outputs: Outputs,
    panels: &'a mut Panels,
    vectors: std::marker::PhantomData<V>,
}

impl<V: Real<Scalar: Factor>, A: micro::Sum<V::Scalar>> Piece for Multiply<'_, V, A> {
    #[inline(always)]
    fn go(self) {
        match tile(V::LANES * size_of::<V::Scalar>(), self.right.places.len() <= V::LANES) {
            (8, 2) => self.tiled::<8, 2>(),
            (16, 1) => self.tiled::<16, 1>(),
            (6, 2) => self.tiled::<6, 2>(),
            (12, 1) => self.tiled::<12, 1>(),
            _ => self.tiled::<4, 4>(),
        }
    }
}

impl<V: Real<Scalar: Factor>, A: micro::Sum<V::Scalar>> Multiply<'_, V, A> {
    #[inline(always)]
    fn tiled<const ROWS: usize, const VECTORS: usize>(self) {
        let Multiply { sums, left, right, outputs, panels, .. } = self;
        let (rows, columns) = (left.places.len(), right.places.len());
        let wide = VECTORS * V::LANES;
        let left_panels: &mut [V::Scalar] = bytemuck::cast_slice_mut(&mut panels.left);
        let right_panels: &mut [V::Scalar] = bytemuck::cast_slice_mut(&mut panels.right);
        let unpacked = is_unpacked(left);
        for from in (0..left.inner.len()).step_by(SEGMENT) {
            let inner = from..(from + SEGMENT).min(left.inner.len());
            let count = inner.len();
            if !unpacked {
                pack::panels(left_panels, left, inner.clone(), ROWS);
            }
            pack::panels(right_panels, right, inner.clone(), wide);
            for (place, right) in right_panels.chunks_exact(wide * count).take(columns.div_ceil(wide)).enumerate() {
                let first_column = place * wide;
                for first_row in (0..rows).step_by(ROWS) {
                    let above = |columns: usize| outputs == Outputs::Symmetric && first_row + ROWS <= first_column + columns;
                    if above(0) {
                        continue;
                    }
                    // The other vectors of the tile would be padding, or mirrored.
                    let one = columns - first_column <= V::LANES || above(V::LANES);
                    let outputs = micro::Place { sums: &mut *sums, shape: (rows, columns), first: (first_row, first_column) };
                    if unpacked {
                        let left = lines::<V::Scalar, ROWS>(left, first_row, from, count);
                        micro::tile::<V, A, ROWS, VECTORS>(&left, right, one, outputs);
                    } else {
                        let left = micro::Packed(&left_panels[first_row * count..][..ROWS * count]);
                        micro::tile::<V, A, ROWS, VECTORS>(&left, right, one, outputs);
                    }
                }
            }
        }
        if outputs == Outputs::Symmetric {
            micro::mirror(sums, rows);
        }
    }
}

/// Inner places `from..from + count` of the rows of a tile, where they lie; behind the last row it stands again.
#[inline(always)]
fn lines<'a, T, const ROWS: usize>(side: Side<'a>, first_row: usize, from: usize, count: usize) -> micro::Lines<'a, ROWS> {
    let mut lines = [&[][..]; ROWS];
    for (row, line) in lines.iter_mut().enumerate() {
        let place = side.places[(first_row + row).min(side.places.len() - 1)];
        *line = &side.bytes[(place + side.inner[from]) as usize * size_of::<T>()..][..count * size_of::<T>()];
    }
    micro::Lines(lines)
}
