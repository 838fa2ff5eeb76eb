//! The tile of outputs that registers hold.

use super::Factor;
use crate::kernel::math::Real;
use bytemuck::{Pod, Zeroable};

/// The left side of a tile: an element for each of its rows at every inner place.
pub(super) trait Left<T, const ROWS: usize> {
    fn at(&self, inner: usize) -> [T; ROWS];
}

/// A panel.
pub(super) struct Packed<'a, T>(pub &'a [T]);

impl<T: Pod, const ROWS: usize> Left<T, ROWS> for Packed<'_, T> {
    #[inline(always)]
    fn at(&self, inner: usize) -> [T; ROWS] {
        let panel = &self.0[inner * ROWS..][..ROWS];
        let mut elements = [T::zeroed(); ROWS];
        elements.copy_from_slice(panel);
        elements
    }
}

/// Rows whose inner places lie beside each other in memory: they are multiplied where they are.
pub(super) struct Lines<'a, const ROWS: usize>(pub [&'a [u8]; ROWS]);

impl<T: Pod, const ROWS: usize> Left<T, ROWS> for Lines<'_, ROWS> {
    #[inline(always)]
    fn at(&self, inner: usize) -> [T; ROWS] {
        let mut elements = [T::zeroed(); ROWS];
        for (element, line) in elements.iter_mut().zip(&self.0) {
            *element = bytemuck::pod_read_unaligned(&line[inner * size_of::<T>()..][..size_of::<T>()]);
        }
        elements
    }
}

/// What the chains of a segment go to.
pub(super) trait Sum<T>: Copy {
    fn take(&mut self, chain: T);
}

/// Chains of a group, added in order.
impl<T: Factor> Sum<T> for f64 {
    #[inline(always)]
    fn take(&mut self, chain: T) {
        *self += chain.wide();
    }
}

/// The one chain that there is: what its sum with 0 in `f64` is, rounded back.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(super) struct Only(f32);

impl Sum<f32> for Only {
    #[inline(always)]
    fn take(&mut self, chain: f32) {
        // Chains of products that vanish may be -0, sums are not; and every NaN of a result is the same.
        let sum = chain + 0.0;
        self.0 = if sum.is_nan() { f32::NAN } else { sum };
    }
}

/// Sums, dense and of `shape`, and the row and the column at which a tile begins.
pub(super) struct Place<'a, A> {
    pub sums: &'a mut [A],
    pub shape: (usize, usize),
    pub first: (usize, usize),
}

/// Adds the chains of a tile to its sums, or of the first of its vectors only; `right` has `VECTORS` vectors an inner place.
#[inline(always)]
pub(super) fn tile<V: Real, A: Sum<V::Scalar>, const ROWS: usize, const VECTORS: usize>(
    left: &impl Left<V::Scalar, ROWS>,
    right: &[V::Scalar],
    one: bool,
    place: Place<'_, A>,
) {
    if one {
        add::<V, A, ROWS, 1>(&chains::<V, ROWS, 1>(left, right, VECTORS * V::LANES), place);
    } else {
        add::<V, A, ROWS, VECTORS>(&chains::<V, ROWS, VECTORS>(left, right, VECTORS * V::LANES), place);
    }
}

/// The chains of a tile over one segment; `right` has `width` elements an inner place.
#[inline(always)]
fn chains<V: Real, const ROWS: usize, const VECTORS: usize>(
    left: &impl Left<V::Scalar, ROWS>,
    right: &[V::Scalar],
    width: usize,
) -> [[V; VECTORS]; ROWS] {
    let mut tile = [[V::of(V::Scalar::default()); VECTORS]; ROWS];
    for (inner, right) in right.chunks_exact(width).enumerate() {
        let mut row = [V::of(V::Scalar::default()); VECTORS];
        for (at, vector) in row.iter_mut().enumerate() {
            *vector = V::load(&right[at * V::LANES..]);
        }
        for (sums, element) in tile.iter_mut().zip(left.at(inner)) {
            let element = V::of(element);
            for (sum, vector) in sums.iter_mut().zip(row) {
                *sum = element.mul_add(vector, *sum);
            }
        }
    }
    tile
}

/// Adds a tile to its sums; what lies beyond them was padding.
#[inline(always)]
fn add<V: Real, A: Sum<V::Scalar>, const ROWS: usize, const VECTORS: usize>(tile: &[[V; VECTORS]; ROWS], place: Place<'_, A>) {
    let Place { sums, shape: (rows, columns), first: (first_row, first_column) } = place;
    /// Lanes of the widest vector.
    const LANES_MAX: usize = 16;
    for (row, vectors) in (first_row..rows).zip(tile) {
        let line = &mut sums[row * columns..][first_column..columns];
        let mut rest = &mut line[..];
        for vector in vectors {
            let mut lanes = [V::Scalar::default(); LANES_MAX];
            vector.store(&mut lanes[..V::LANES]);
            let (here, behind) = rest.split_at_mut(V::LANES.min(rest.len()));
            if here.len() == V::LANES {
                for lane in 0..V::LANES {
                    here[lane].take(lanes[lane]);
                }
            } else {
                here.iter_mut().zip(lanes).for_each(|(sum, lane)| sum.take(lane));
            }
            rest = behind;
        }
    }
}

/// The sums above the diagonal become those below it.
#[inline(always)]
pub(super) fn mirror<A: Copy>(sums: &mut [A], side: usize) {
    /// Rows and columns of a block whose lines stay in the first cache.
    const BLOCK: usize = 16;
    for top in (0..side).step_by(BLOCK) {
        for left in (top..side).step_by(BLOCK) {
            for row in top..(top + BLOCK).min(side) {
                for column in left.max(row + 1)..(left + BLOCK).min(side) {
                    sums[row * side + column] = sums[column * side + row];
                }
            }
        }
    }
}
