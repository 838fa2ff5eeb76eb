//! Affine maps from the coordinates of a view to the coordinates of a store.
//!
//! Slices, flips, transposes, new axes, broadcasts and view-reshapes never copy: they compose into one
//! [`IndexMap`]. A view of `shape` reads, at coordinates `c`, the store coordinates
//! `offset[s] + sum over axes a of steps[a][s] * c[a]`. A dense store has one (linear) store axis, so its
//! steps are strides in elements; a chunked store has one store axis per array axis.

use crate::{
    error::{Error, Result},
    nd::{Region, SourceFacts, StoreLayout, shape::show, slice::AxisSlice},
};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// An affine map from view coordinates to store coordinates.
///
/// ```
/// use outcore::nd::IndexMap;
/// let matrix = IndexMap::dense(&[3, 4], &[4, 1]);
/// let transposed = matrix.permute(&[1, 0]);
/// assert_eq!(transposed.shape, [4, 3]);
/// assert_eq!(transposed.strides(), [1, 4]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IndexMap {
    /// Shape of the view.
    pub shape: Vec<usize>,
    /// Store coordinates of the view's first element.
    pub offset: Vec<i64>,
    /// `steps[axis][store_axis]`: how far one step along a view axis goes along a store axis.
    pub steps: Vec<Vec<i64>>,
}

impl IndexMap {
    /// A view with `strides` of a dense (linear) store.
    #[must_use]
    pub fn dense(shape: &[usize], strides: &[i64]) -> Self {
        IndexMap { shape: shape.to_vec(), offset: vec![0], steps: strides.iter().map(|&stride| vec![stride]).collect() }
    }

    /// The array itself in a store whose coordinates are its own.
    #[must_use]
    pub fn identity(shape: &[usize]) -> Self {
        let rank = shape.len();
        let steps = (0..rank).map(|axis| (0..rank).map(|store| i64::from(axis == store)).collect()).collect();
        IndexMap { shape: shape.to_vec(), offset: vec![0; rank], steps }
    }

    /// The whole of a source.
    #[must_use]
    pub fn of_source(facts: &SourceFacts) -> Self {
        match &facts.layout {
            StoreLayout::Dense { strides } => Self::dense(&facts.shape, strides),
            StoreLayout::Chunked { .. } => Self::identity(&facts.shape),
        }
    }

    /// Number of view axes.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// Number of store axes.
    #[must_use]
    pub fn store_rank(&self) -> usize {
        self.offset.len()
    }

    /// Strides into a linear store, in elements.
    ///
    /// # Panics
    /// If the store has more than one axis.
    #[must_use]
    pub fn strides(&self) -> Vec<i64> {
        assert_eq!(self.store_rank(), 1, "strides exist in a linear store only");
        self.steps.iter().map(|step| step[0]).collect()
    }

    /// Whether moving along `axis` stays at the same element.
    #[must_use]
    pub fn is_broadcast(&self, axis: usize) -> bool {
        self.steps[axis].iter().all(|&step| step == 0)
    }

    /// Basic indexing.
    #[must_use]
    pub fn slice(&self, items: &[AxisSlice]) -> Self {
        let mut result = IndexMap { shape: Vec::new(), offset: self.offset.clone(), steps: Vec::new() };
        let mut axis = 0;
        for item in items {
            match *item {
                AxisSlice::New => {
                    result.shape.push(1);
                    result.steps.push(vec![0; self.store_rank()]);
                }
                AxisSlice::Fixed(place) => {
                    result.advance(&self.steps[axis], place);
                    axis += 1;
                }
                AxisSlice::Range { start, step, length } => {
                    if length > 0 {
                        result.advance(&self.steps[axis], start);
                    }
                    result.shape.push(length);
                    result.steps.push(self.steps[axis].iter().map(|&store| store.wrapping_mul(step)).collect());
                    axis += 1;
                }
            }
        }
        result
    }

    fn advance(&mut self, steps: &[i64], by: usize) {
        for (place, step) in self.offset.iter_mut().zip(steps) {
            *place += step * by as i64;
        }
    }

    /// View axis `k` of the result is view axis `order[k]` of this.
    #[must_use]
    pub fn permute(&self, order: &[usize]) -> Self {
        IndexMap {
            shape: order.iter().map(|&axis| self.shape[axis]).collect(),
            offset: self.offset.clone(),
            steps: order.iter().map(|&axis| self.steps[axis].clone()).collect(),
        }
    }

    /// Stretches to `shape` by NumPy's rule: leading axes are added, axes of length 1 repeat.
    ///
    /// The caller has checked that the shapes broadcast.
    #[must_use]
    pub fn broadcast_to(&self, shape: &[usize]) -> Self {
        let missing = shape.len() - self.rank();
        let still = vec![0; self.store_rank()];
        let steps = (0..shape.len())
            .map(|axis| match axis.checked_sub(missing) {
                Some(own) if self.shape[own] == shape[axis] => self.steps[own].clone(),
                _ => still.clone(),
            })
            .collect();
        IndexMap { shape: shape.to_vec(), offset: self.offset.clone(), steps }
    }

    /// The same elements in C order as `shape`, if no copy is needed.
    ///
    /// Axes can always be split; neighbouring axes merge where one step of the outer is a whole run of the inner.
    #[must_use]
    pub fn reshape(&self, shape: &[usize]) -> Option<Self> {
        let still = vec![0; self.store_rank()];
        if shape.contains(&0) || self.shape.contains(&0) {
            return Some(IndexMap { shape: shape.to_vec(), offset: self.offset.clone(), steps: vec![still; shape.len()] });
        }
        let old: Vec<usize> = (0..self.rank()).filter(|&axis| self.shape[axis] != 1).collect();
        let mut steps = vec![still; shape.len()];
        let (mut from, mut to) = (0, 0);
        while from < old.len() {
            // The smallest group of old axes and of new axes with equal products.
            let (mut old_end, mut new_end) = (from + 1, to + 1);
            let (mut old_count, mut new_count) = (self.shape[old[from]], *shape.get(to)?);
            while old_count != new_count {
                if old_count < new_count {
                    old_count *= self.shape[*old.get(old_end)?];
                    old_end += 1;
                } else {
                    new_count *= shape.get(new_end)?;
                    new_end += 1;
                }
            }
            for pair in old[from..old_end].windows(2) {
                let merged = self.steps[pair[0]]
                    .iter()
                    .zip(&self.steps[pair[1]])
                    .all(|(&outer, &inner)| outer == inner * self.shape[pair[1]] as i64);
                if !merged {
                    return None;
                }
            }
            let mut step = self.steps[old[old_end - 1]].clone();
            for axis in (to..new_end).rev() {
                steps[axis].clone_from(&step);
                step.iter_mut().for_each(|store| *store *= shape[axis] as i64);
            }
            (from, to) = (old_end, new_end);
        }
        shape[to..].iter().all(|&length| length == 1).then(|| IndexMap { shape: shape.to_vec(), offset: self.offset.clone(), steps })
    }

    /// This map read through `inner`'s view: `inner` maps its own coordinates to coordinates of this view.
    #[must_use]
    pub fn compose(&self, inner: &IndexMap) -> Self {
        debug_assert_eq!(inner.store_rank(), self.rank());
        let through = |coordinates: &[i64], start: &[i64]| -> Vec<i64> {
            (0..self.store_rank())
                .map(|store| start[store] + coordinates.iter().zip(&self.steps).map(|(&c, step)| c * step[store]).sum::<i64>())
                .collect()
        };
        IndexMap {
            shape: inner.shape.clone(),
            offset: through(&inner.offset, &self.offset),
            steps: inner.steps.iter().map(|step| through(step, &vec![0; self.store_rank()])).collect(),
        }
    }

    /// The store coordinates, per store axis, that a box of the view touches (empty if the box is).
    #[must_use]
    pub fn span(&self, region: &Region) -> Vec<Range<usize>> {
        if region.is_empty() {
            return vec![0..0; self.store_rank()];
        }
        (0..self.store_rank())
            .map(|store| {
                let (mut low, mut high) = (self.offset[store], self.offset[store]);
                for axis in 0..self.rank() {
                    let step = self.steps[axis][store];
                    let (first, last) = (step * region.start[axis] as i64, step * (region.end(axis) - 1) as i64);
                    low += first.min(last);
                    high += first.max(last);
                }
                low as usize..high as usize + 1
            })
            .collect()
    }

    /// Place of the view's element `coordinates` in a linear store.
    #[must_use]
    pub fn linear(&self, coordinates: &[usize]) -> i64 {
        self.offset[0] + self.steps.iter().zip(coordinates).map(|(step, &c)| step[0] * c as i64).sum::<i64>()
    }

    /// An error for a reshape that would have to copy.
    #[must_use]
    pub fn reshape_error(&self, shape: &[usize]) -> Error {
        Error::usage(format!("reshape of {} to {} is not a view of these strides", show(&self.shape), show(shape)))
            .hint("save the array first, or reshape before slicing and transposing")
    }
}

/// The full shape that `requested` (one length may be -1) means for `count` elements.
pub fn resolve_reshape(requested: &[i64], count: usize) -> Result<Vec<usize>> {
    let error = || Error::mismatch(format!("cannot reshape {count} elements to {}", show(requested)));
    if requested.iter().filter(|&&length| length == -1).count() > 1 || requested.iter().any(|&length| length < -1) {
        return Err(Error::usage(format!("reshape to {}: one length at most can be -1", show(requested))));
    }
    let known = requested
        .iter()
        .filter(|&&length| length != -1)
        .try_fold(1usize, |product, &length| product.checked_mul(length as usize))
        .ok_or_else(error)?;
    let free = match (requested.contains(&-1), known) {
        (false, _) if known == count => 0,
        (true, 1..) if count.is_multiple_of(known) => count / known,
        _ => return Err(error()),
    };
    Ok(requested.iter().map(|&length| if length == -1 { free } else { length as usize }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nd::shape::c_strides;

    fn places(map: &IndexMap) -> Vec<i64> {
        let grid = crate::nd::Grid::new(map.shape.clone(), vec![1; map.rank()]);
        (0..grid.count()).map(|index| map.linear(&grid.region(index).start)).collect()
    }

    #[test]
    fn slices_transposes_and_broadcasts_compose() {
        let map = IndexMap::dense(&[3, 4], &c_strides(&[3, 4]));
        let sliced = map.slice(&[AxisSlice::Fixed(1), AxisSlice::Range { start: 3, step: -2, length: 2 }]);
        assert_eq!(places(&sliced), [7, 5]);
        assert_eq!(places(&sliced.broadcast_to(&[2, 2])), [7, 5, 7, 5]);
        assert_eq!(
            places(&map.permute(&[1, 0]).slice(&[AxisSlice::New, AxisSlice::Fixed(2), AxisSlice::Range { start: 0, step: 1, length: 3 }])),
            [2, 6, 10]
        );
        let outer = IndexMap::identity(&[3, 4]).permute(&[1, 0]);
        assert_eq!(places(&map.compose(&outer)), places(&map.permute(&[1, 0])));
    }

    #[test]
    fn reshape_is_a_view_when_it_can_be() {
        let map = IndexMap::dense(&[4, 6], &c_strides(&[4, 6]));
        assert_eq!(places(&map.reshape(&[2, 2, 3, 2]).unwrap()), (0..24).collect::<Vec<_>>());
        assert_eq!(places(&map.reshape(&[24]).unwrap()), (0..24).collect::<Vec<_>>());
        assert!(map.permute(&[1, 0]).reshape(&[24]).is_none());
        assert!(map.permute(&[1, 0]).reshape(&[2, 3, 4]).is_some());
        assert_eq!(map.slice(&[AxisSlice::Fixed(0), AxisSlice::Fixed(0)]).reshape(&[1, 1]).unwrap().shape, [1, 1]);
        assert!(IndexMap::dense(&[1], &[1]).reshape(&[]).is_some());
    }

    #[test]
    fn span_covers_negative_steps() {
        let map = IndexMap::dense(&[10], &[1]).slice(&[AxisSlice::Range { start: 9, step: -3, length: 4 }]);
        assert_eq!(map.span(&Region::run(1, 2)), vec![3..7; 1]);
    }

    #[test]
    fn reshape_requests_resolve() {
        assert_eq!(resolve_reshape(&[-1, 3], 12).unwrap(), [4, 3]);
        assert_eq!(resolve_reshape(&[0, 3], 0).unwrap(), [0, 3]);
        for bad in [&[-1, -1][..], &[5], &[-1, 5], &[-2], &[-1, 0]] {
            assert!(resolve_reshape(bad, 12).is_err());
        }
    }
}
