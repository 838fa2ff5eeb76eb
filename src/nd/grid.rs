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
    /// How much the first block along each axis is cut short; empty where none is.
    origin: Vec<usize>,
}

impl Grid {
    /// A grid of blocks of `block` over `shape`. A block length is cut to 1 at least and the axis' length at most.
    #[must_use]
    pub fn new(shape: Vec<usize>, mut block: Vec<usize>) -> Self {
        assert_eq!(shape.len(), block.len(), "one block length per axis");
        for (length, extent) in block.iter_mut().zip(&shape) {
            *length = (*length).min(*extent).max(1);
        }
        Grid { shape, block, origin: Vec::new() }
    }

    /// The same grid moved: along each axis its first block is `origin` shorter, so that it meets a grid that begins elsewhere.
    ///
    /// ```
    /// use outcore::nd::Grid;
    /// let grid = Grid::new(vec![10], vec![4]).moved(&[3]);
    /// assert_eq!((0..3).map(|index| grid.region(index).to_string()).collect::<Vec<_>>(), ["[0:1]", "[1:5]", "[5:9]"]);
    /// ```
    #[must_use]
    pub fn moved(mut self, origin: &[usize]) -> Self {
        self.origin = origin.iter().zip(&self.block).map(|(&origin, &block)| origin % block).collect();
        self
    }

    /// By how much the first block along an axis is shorter.
    #[must_use]
    pub fn origin(&self, axis: usize) -> usize {
        self.origin.get(axis).copied().unwrap_or(0)
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
        // An axis without elements has no block, wherever the grid begins.
        if self.shape[axis] == 0 { 0 } else { (self.shape[axis] + self.origin(axis)).div_ceil(self.block[axis]) }
    }

    /// Start and length of the block at `place` along `axis`.
    #[must_use]
    pub fn along(&self, axis: usize, place: usize) -> (usize, usize) {
        let (place, origin) = (place * self.block[axis], self.origin(axis));
        let start = place.saturating_sub(origin);
        (start, (place + self.block[axis] - origin).min(self.shape[axis]) - start)
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
            (region.start[axis], region.shape[axis]) = self.along(axis, index % along);
            index /= along;
        }
    }
}
