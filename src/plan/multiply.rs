//! Shapes of blocks and runs of passes that multiply matrices: what is read grows with the sides, what is computed with their product.

use super::chunks::lcm;
use crate::kernel::program::PRODUCT_GROUP;

/// Places along one side of a block: its sums stay in the second-level cache, and every element that is packed is used so often.
const SIDE_MAX: usize = 256;
/// Times the bytes of other blocks, where inner axes are cut: elements are packed before they are used, so that they need not stay in a
/// cache, but what they are computed from is better found in one.
const LARGER: u64 = 16;
/// The same where inner axes lie whole in a block: only sides of some length are worth packing.
const LARGER_WHOLE: u64 = 128;
/// The same where more is computed than one product, and read back at once.
const LARGER_FUSED: u64 = 4;
/// Times the bytes of other runs.
const LARGER_RUN: u64 = 4;

/// What a box of a pass holds: the axes that it has, and bytes of a place.
pub type Part = (Vec<bool>, u64);

/// A pass that multiplies matrices.
#[derive(Clone, Debug)]
pub struct ProductForm {
    /// Axes of the left side.
    pub left: Vec<bool>,
    /// Axes of the right side.
    pub right: Vec<bool>,
    /// Axes that are added over.
    pub reduced: Vec<bool>,
    /// Axes that are cut at multiples of a group only.
    pub grouped: Vec<bool>,
    /// What a block holds and touches.
    pub block_parts: Vec<Part>,
    /// What a run moves.
    pub run_parts: Vec<Part>,
    /// Whether the pass does more than multiply, so that blocks may be long as long as they are small.
    pub is_fused: bool,
}

impl ProductForm {
    /// What boxes are multiples of along `axis`, if `grain` is what else they are multiples of.
    #[must_use]
    pub fn group(&self, axis: usize, grain: usize) -> usize {
        if self.grouped[axis] { lcm(PRODUCT_GROUP, grain) } else { grain.max(1) }
    }

    /// A block of about `target_bytes`.
    #[must_use]
    pub fn block(&self, space: &[usize], whole: &[bool], target_bytes: u64) -> Vec<usize> {
        let is_whole = (0..space.len()).all(|axis| !self.reduced[axis] || whole[axis]);
        let larger = match is_whole {
            true => LARGER_WHOLE,
            false if self.is_fused => LARGER_FUSED,
            false => LARGER,
        };
        let targets = Targets {
            parts: &self.block_parts,
            bytes: target_bytes.saturating_mul(larger),
            free_bytes: if self.is_fused { target_bytes } else { 0 },
            side_max: SIDE_MAX,
        };
        self.boxed(space, whole, &targets, &[])
    }

    /// A run of about `target_bytes`, in multiples of `grain` (empty: of 1).
    #[must_use]
    pub fn run(&self, space: &[usize], whole: &[bool], target_bytes: u64, grain: &[usize]) -> Vec<usize> {
        let bytes = target_bytes.saturating_mul(LARGER_RUN);
        self.boxed(space, whole, &Targets { parts: &self.run_parts, bytes, free_bytes: 0, side_max: usize::MAX }, grain)
    }

    fn boxed(&self, space: &[usize], whole: &[bool], targets: &Targets<'_>, grain: &[usize]) -> Vec<usize> {
        let step = |axis: usize| self.group(axis, grain.get(axis).copied().unwrap_or(1));
        let mut shape: Vec<usize> =
            (0..space.len()).map(|axis| if whole[axis] { space[axis] } else { step(axis).min(space[axis]) }.max(1)).collect();
        let kept = |axis: usize| !self.reduced[axis] && space[axis] > 1;
        let of = |wanted: &dyn Fn(usize) -> bool| (0..space.len()).rev().filter(|&axis| wanted(axis)).collect::<Vec<usize>>();
        let rows = of(&|axis| kept(axis) && self.left[axis] && !self.right[axis]);
        let columns = of(&|axis| kept(axis) && self.right[axis] && !self.left[axis]);
        // Sides that grow alike are read the fewest times.
        loop {
            let length = |axes: &[usize]| axes.iter().map(|&axis| shape[axis]).product::<usize>();
            let order = if length(&columns) <= length(&rows) { [&columns, &rows] } else { [&rows, &columns] };
            let grown = order.into_iter().find_map(|axes| targets.doubled(&shape, space, axes, targets.side_max, &step));
            match grown {
                Some(larger) => shape = larger,
                None => break,
            }
        }
        let rest = of(&|axis| space[axis] > 1 && !rows.contains(&axis) && !columns.contains(&axis));
        while let Some(larger) = targets.doubled(&shape, space, &rest, usize::MAX, &step) {
            shape = larger;
        }
        shape
    }
}

/// How large a box may be.
struct Targets<'a> {
    parts: &'a [Part],
    bytes: u64,
    /// Up to so many bytes sides are as long as they like.
    free_bytes: u64,
    /// Places of a side at most.
    side_max: usize,
}

impl Targets<'_> {
    /// `shape` with the first of `axes` that is not whole twice as long, if that fits; `length_max` bounds all of them together.
    fn doubled(
        &self,
        shape: &[usize],
        space: &[usize],
        axes: &[usize],
        length_max: usize,
        step: &dyn Fn(usize) -> usize,
    ) -> Option<Vec<usize>> {
        let &axis = axes.iter().find(|&&axis| shape[axis] < space[axis])?;
        let next = (shape[axis] * 2).next_multiple_of(step(axis));
        let lengths = [if next * 4 >= space[axis] * 3 { space[axis] } else { next }, next.min(space[axis])];
        lengths.into_iter().find_map(|length| {
            let mut larger = shape.to_vec();
            larger[axis] = length;
            let side: usize = axes.iter().map(|&axis| larger[axis]).product();
            let bytes = self.bytes_of(&larger);
            (bytes <= self.bytes && (side <= length_max || bytes <= self.free_bytes)).then_some(larger)
        })
    }

    fn bytes_of(&self, shape: &[usize]) -> u64 {
        let bytes = |(axes, bytes): &Part| {
            (0..shape.len()).filter(|&axis| axes[axis]).fold(*bytes, |product, axis| product.saturating_mul(shape[axis] as u64))
        };
        self.parts.iter().map(bytes).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> ProductForm {
        let (left, right, reduced) = (vec![true, false, true], vec![false, true, true], vec![false, false, true]);
        let parts = vec![(left.clone(), 4), (right.clone(), 4), (vec![true, true, false], 8)];
        let (block_parts, run_parts) = (parts.clone(), parts);
        ProductForm { left, right, grouped: reduced.clone(), reduced, block_parts, run_parts, is_fused: false }
    }

    #[test]
    fn blocks_of_a_gram_matrix_have_all_outputs_and_whole_groups() {
        let space = [128, 128, 4_000_000];
        let block = form().block(&space, &[false; 3], 512 * 1024);
        assert_eq!(&block[..2], [128, 128]);
        assert!(block[2] >= PRODUCT_GROUP && block[2].is_multiple_of(PRODUCT_GROUP), "{block:?}");
        let run = form().run(&space, &[false; 3], 8 << 20, &[]);
        assert_eq!(&run[..2], [128, 128]);
        assert!(run[2] > block[2] && run[2].is_multiple_of(PRODUCT_GROUP), "{run:?}");
        // Chunks along the inner axis count besides groups.
        let run = form().run(&space, &[false; 3], 8 << 20, &[1, 1, 3000]);
        assert!(run[2] == space[2] || run[2].is_multiple_of(3000 * PRODUCT_GROUP / 8), "{run:?}");
    }

    #[test]
    fn sides_grow_alike_and_rows_go_on() {
        let whole = [false, false, true];
        let block = form().block(&[100_000, 100_000, 1024], &whole, 512 * 1024);
        assert_eq!(block, [256, 256, 1024]);
        let run = form().run(&[1_000_000, 64, 128], &whole, 8 << 20, &[]);
        assert!(run[0] > 10_000 && run[1..] == [64, 128], "{run:?}");
    }

    #[test]
    fn small_targets_give_small_boxes() {
        let block = form().block(&[1000, 1000, 1_000_000], &[false; 3], 1);
        assert_eq!(block, [1, 1, PRODUCT_GROUP]);
        assert_eq!(form().block(&[1, 1, 5], &[false; 3], 1), [1, 1, 5]);
    }
}
