//! Boxes of whole coordinates.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A box in an array: one half-open range per axis.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Region {
    /// First coordinate per axis.
    pub start: Vec<usize>,
    /// Number of coordinates per axis.
    pub shape: Vec<usize>,
}

impl Region {
    /// The box that starts at `start` and has `shape`.
    #[must_use]
    pub fn new(start: impl Into<Vec<usize>>, shape: impl Into<Vec<usize>>) -> Self {
        let (start, shape) = (start.into(), shape.into());
        debug_assert_eq!(start.len(), shape.len());
        Region { start, shape }
    }

    /// All of an array of `shape`.
    #[must_use]
    pub fn whole(shape: &[usize]) -> Self {
        Region { start: vec![0; shape.len()], shape: shape.to_vec() }
    }

    /// The one-dimensional box `start..start + length`.
    #[must_use]
    pub fn run(start: usize, length: usize) -> Self {
        Region { start: vec![start], shape: vec![length] }
    }

    /// Number of axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.start.len()
    }

    /// Number of elements.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the box has no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// One past the last coordinate of `axis`.
    #[must_use]
    pub fn end(&self, axis: usize) -> usize {
        self.start[axis] + self.shape[axis]
    }

    /// Whether the box lies inside an array of `shape`.
    #[must_use]
    pub fn fits(&self, shape: &[usize]) -> bool {
        self.rank() == shape.len()
            && (0..shape.len()).all(|axis| self.start[axis].checked_add(self.shape[axis]).is_some_and(|end| end <= shape[axis]))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for axis in 0..self.rank() {
            write!(f, "{}{}:{}", if axis > 0 { ", " } else { "" }, self.start[axis], self.end(axis))?;
        }
        f.write_str("]")
    }
}
