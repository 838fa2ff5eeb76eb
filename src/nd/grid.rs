//! Cutting a shape into blocks.

use crate::nd::Region;
use serde::{Deserialize, Serialize};

/// A regular grid of blocks over a shape; edge blocks are cut at the shape. C order: the last axis runs fastest.
///
/// ```
/// use outcore::nd::Grid;
/// let grid = Grid::new(vec![5, 4], vec![2, 4]);
/// assert_eq!(grid.count(), 3);
/// assert_eq!(grid.region(2).to_string(), "[4:5, 0:4]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grid {
    shape: Vec<usize>,
    block: Vec<usize>,
}

impl Grid {
    /// A grid of blocks of `block` over `shape`. A block length is cut to 1 at least and the axis' length at most.
    #[must_use]
    pub fn new(shape: Vec<usize>, mut block: Vec<usize>) -> Self {
        assert_eq!(shape.len(), block.len(), "one block length per axis");
        for (length, extent) in block.iter_mut().zip(&shape) {
            *length = (*length).min(*extent).max(1);
        }
        Grid { shape, block }
    }

    /// The shape that is cut.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The shape of an inner block.
    #[must_use]
    pub fn block(&self) -> &[usize] {
        &self.block
    }

    /// Blocks along `axis`.
    #[must_use]
    pub fn count_along(&self, axis: usize) -> usize {
        self.shape[axis].div_ceil(self.block[axis])
    }

    /// Number of blocks; 0 if the shape has no element, 1 if it has no axis.
    #[must_use]
    pub fn count(&self) -> usize {
        (0..self.shape.len()).map(|axis| self.count_along(axis)).product()
    }

    /// The region of block `index`.
    #[must_use]
    pub fn region(&self, index: usize) -> Region {
        let mut region = Region { start: vec![0; self.shape.len()], shape: vec![0; self.shape.len()] };
        self.region_into(index, &mut region);
        region
    }

    /// The region of block `index`, written into `region` of the same rank; allocates nothing.
    pub fn region_into(&self, mut index: usize, region: &mut Region) {
        for axis in (0..self.shape.len()).rev() {
            let along = self.count_along(axis).max(1);
            let start = (index % along) * self.block[axis];
            index /= along;
            region.start[axis] = start;
            region.shape[axis] = self.block[axis].min(self.shape[axis] - start);
        }
    }
}
