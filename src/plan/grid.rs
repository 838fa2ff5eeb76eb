//! Shapes of blocks and runs: the block from the cache, the run from the medium, both from the budget.

use crate::plan::{multiply::ProductForm, reads::Input};

/// Bytes that a block of a pass touches: half of a 1 MiB second-level cache.
pub const BLOCK_BYTES: u64 = 512 * 1024;
/// Bytes that a run moves: mapped windows cost nothing from 4 MiB up, and a run of 8 MiB is about a millisecond of work.
pub const RUN_BYTES: u64 = 8 * 1024 * 1024;
/// How many times as large blocks are that hold nothing for their points: there are so many of them that each costs something.
const COMPUTED_BLOCKS: u64 = 4;
/// Rows that a sum of columns is worth beginning for, and how many times as large blocks are at most for them.
const COLUMN_ROWS: u64 = 256;
const COLUMN_BLOCKS_MAX: u64 = 16;
/// Bytes of one run's part of the states of a reduction: merging a part must cost less than filling it.
const PART_BYTES: u64 = 1024 * 1024;
/// The same where sums of columns would read pieces of rows otherwise: those cost more than merging.
const COLUMN_PART_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes along the last axis below which a cut makes requests that media are slow at.
const SEGMENT_BYTES: usize = 4096;

/// What the shape of a pass depends on besides the budget.
#[derive(Clone, Debug)]
pub struct Form {
    /// Iteration space.
    pub space: Vec<usize>,
    /// Axes that must lie whole in a block.
    pub whole: Vec<bool>,
    /// Axes from the outermost to the innermost in memory, of what is written, else of what is read most.
    pub order: Vec<usize>,
    /// A second axis that is innermost for somebody else: blocks are square over both.
    pub square: Option<usize>,
    /// Bytes that a point of the space moves and holds; 0: nothing that is read, written or held has an element for every point.
    pub point_bytes: u64,
    /// Whether all that is done is to reduce, along another axis than the innermost one.
    pub sums_columns: bool,
    /// Kept axes and bytes per output of each reduction over all runs.
    pub states: Vec<(Vec<usize>, u64)>,
    /// The other axes and bytes per line of each scan: blocks (and runs, if lines are cut) are not so wide that states outweigh elements.
    pub lines: Vec<(Vec<usize>, u64)>,
    /// The product of matrices that the pass is for.
    pub product: Option<ProductForm>,
}

/// The axes of the space from the outermost to the innermost of `input`.
#[must_use]
pub fn memory_order(input: &Input<'_>, rank: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rank).collect();
    if input.map.store_rank() == 1 {
        let strides = input.map.strides();
        let size = |axis: usize| if strides[axis] == 0 { u64::MAX } else { strides[axis].unsigned_abs() };
        order.sort_by_key(|&axis| (std::cmp::Reverse(size(axis)), axis));
    }
    order
}

/// Makes a length that is cut a few elements shorter where it is a power of two, or many of one: lines that are so far apart share
/// their place in the cache, and what crosses them to transpose a block finds none of them again.
fn spread(length: &mut usize, whole: usize) {
    const LINES: usize = 64;
    const LINE: usize = 16;
    if *length < whole && *length > LINES && length.is_multiple_of(LINES) {
        *length -= LINE;
    }
}

/// What a point is taken to be at least, in bytes: computing one costs time too.
const POINT_BYTES_MIN: u64 = 4;

impl Form {
    /// What a point counts for in the sizes of blocks and runs, in bytes.
    #[must_use]
    pub fn point_size(&self) -> u64 {
        self.point_bytes.max(POINT_BYTES_MIN)
    }

    /// The box of a block of about `target_bytes`.
    #[must_use]
    pub fn block(&self, target_bytes: u64) -> Vec<usize> {
        match &self.product {
            Some(product) => product.block(&self.space, &self.whole, target_bytes),
            None => self.boxed_with(target_bytes, &self.lines, &[]),
        }
    }

    /// Bytes of a block where nobody asks for others: more than [`BLOCK_BYTES`] where nothing is held for its points, and so many that sums
    /// of columns meet enough rows to fold.
    #[must_use]
    pub fn block_bytes(&self) -> u64 {
        let times = match self.order.last() {
            _ if self.product.is_some() => 1,
            _ if self.point_bytes == 0 => COMPUTED_BLOCKS,
            Some(&inner) if self.sums_columns => {
                let bytes = (self.space[inner] as u64).saturating_mul(COLUMN_ROWS * self.point_size());
                bytes.div_ceil(BLOCK_BYTES).clamp(1, COLUMN_BLOCKS_MAX)
            }
            _ => 1,
        };
        BLOCK_BYTES * times
    }

    /// The box of a run of about `target_bytes`, of so many lines only that their states do not outgrow a part's.
    #[must_use]
    pub fn run(&self, target_bytes: u64, lines: &[(Vec<usize>, u64)], grain: &[usize]) -> Vec<usize> {
        match &self.product {
            Some(product) => product.run(&self.space, &self.whole, target_bytes, grain),
            None => self.boxed_with(target_bytes, lines, grain),
        }
    }

    /// A box of about `target_bytes`, grown from the innermost axis outwards, of so many lines only that their states do not outgrow a part's, in multiples of `grain` (empty: of 1).
    #[must_use]
    pub fn boxed_with(&self, target_bytes: u64, lines: &[(Vec<usize>, u64)], grain: &[usize]) -> Vec<usize> {
        let target = (target_bytes / self.point_size()).max(1);
        let rank = self.space.len();
        let least = |axis: usize| if self.whole[axis] { usize::MAX } else { grain.get(axis).copied().unwrap_or(1) };
        let mut shape: Vec<usize> = (0..rank).map(|axis| least(axis).min(self.space[axis]).max(1)).collect();
        if let (Some(square), Some(&inner)) = (self.square, self.order.last()) {
            // Of large runs the written pieces are the longer ones: writing in pieces costs more than reading in them.
            let stretch = if target_bytes > RUN_BYTES { 8.0 } else { 1.0 };
            let side = (target as f64 * stretch).sqrt() as usize;
            for (axis, limit) in [(inner, side as u64), (square, target), (inner, target)] {
                self.grow(&mut shape, axis, limit, lines, grain);
            }
        }
        for &axis in self.order.iter().rev() {
            self.grow(&mut shape, axis, target, lines, grain);
        }
        if let (Some(square), Some(&inner), true) = (self.square, self.order.last(), grain.is_empty()) {
            [square, inner].into_iter().filter(|&axis| !self.whole[axis]).for_each(|axis| spread(&mut shape[axis], self.space[axis]));
        }
        shape
    }

    /// Makes `axis` as long as `target` points allow.
    fn grow(&self, shape: &mut [usize], axis: usize, target: u64, lines: &[(Vec<usize>, u64)], grain: &[usize]) {
        let length = self.space[axis].max(1);
        if shape[axis] == length {
            return;
        }
        let others: u64 = shape.iter().enumerate().filter(|(other, _)| *other != axis).map(|(_, &extent)| extent as u64).product();
        // Where runs are chunks, those are what media are asked for.
        let is_last = self.order.last() == Some(&axis) && grain.iter().all(|&length| length == 1);
        let least = if is_last { (SEGMENT_BYTES / self.point_size().min(8) as usize).min(target as usize) } else { 1 };
        let fits = (target / others.max(1)).max(1).min(self.part_limit(shape, axis, lines)) as usize;
        let grain = grain.get(axis).copied().unwrap_or(1).max(1);
        let most = fits.max(least);
        shape[axis] = if most >= length { length } else { (most / grain * grain).max(shape[axis]) };
    }

    /// How long a kept axis may be so that no reduction's part of a run outgrows its bytes.
    fn part_limit(&self, shape: &[usize], axis: usize, lines: &[(Vec<usize>, u64)]) -> u64 {
        let most = if self.sums_columns { COLUMN_PART_BYTES } else { PART_BYTES };
        let limits = self.states.iter().chain(lines).filter(|(kept, _)| kept.contains(&axis)).map(|(kept, bytes)| {
            let others: u64 = kept.iter().filter(|other| **other != axis).map(|&other| shape[other] as u64).product();
            most / (bytes * others).max(1)
        });
        limits.min().unwrap_or(u64::MAX).max(1)
    }
}

/// `run` cut to whole blocks along every axis that it does not span.
#[must_use]
pub fn align(space: &[usize], run: &[usize], block: &[usize]) -> Vec<usize> {
    (0..space.len())
        .map(|axis| match run[axis] >= space[axis] {
            true => space[axis].max(1),
            false => (run[axis] / block[axis] * block[axis]).max(block[axis]),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(space: &[usize]) -> Form {
        Form {
            space: space.to_vec(),
            whole: vec![false; space.len()],
            order: (0..space.len()).collect(),
            square: None,
            point_bytes: 8,
            sums_columns: false,
            states: Vec::new(),
            lines: Vec::new(),
            product: None,
        }
    }

    #[test]
    fn boxes_grow_from_the_inside() {
        assert_eq!(form(&[4_000_000, 128]).block(512 * 1024), [512, 128]);
        assert_eq!(form(&[50, 10_000_000]).block(512 * 1024), [1, 65_536]);
        assert_eq!(form(&[3, 4, 5]).block(512 * 1024), [3, 4, 5]);
        assert_eq!(form(&[]).block(512 * 1024), Vec::<usize>::new());
        assert_eq!(form(&[0, 7]).block(512 * 1024), [1, 7]);
    }

    #[test]
    fn wide_states_cut_the_kept_axis() {
        let mut wide = form(&[4096, 1 << 20]);
        wide.states = vec![(vec![1], 64)];
        assert_eq!(wide.block(8 << 20), [64, 16_384]);
    }

    #[test]
    fn transposes_are_square() {
        let mut square = form(&[12_800, 40_000]);
        square.square = Some(0);
        assert_eq!(square.block(8 << 20), [1008, 1008]);
        assert_eq!(square.block(64 << 20), [1008, 8176]);
    }

    #[test]
    fn runs_are_whole_blocks() {
        assert_eq!(align(&[100, 128], &[50, 128], &[16, 128]), [48, 128]);
        assert_eq!(align(&[100, 128], &[7, 128], &[16, 128]), [16, 128]);
    }
}
