//! Maps from the coordinates of a view to the coordinates of a store.
//!
//! Slices, flips, transposes, new axes, broadcasts and view-reshapes never copy: they compose into one
//! [`IndexMap`]. A view of `shape` reads, at coordinates `c`, the store coordinates
//! `offset[s] + sum over axes a of steps[a][s] * maps[a](c[a])`. A dense store has one (linear) store axis, so its
//! steps are strides in elements; a chunked store has one store axis per array axis. The [`AxisMap`]s are identities but
//! for rolls, repeats, borders and lists of indices: along such an axis the view is gathered.

use crate::{
    error::{Error, Result},
    nd::{AxisMap, Region, SourceFacts, StoreLayout, axis_map::AxisStep, shape::show, slice::AxisSlice},
};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A map from view coordinates to store coordinates, affine but for its [`AxisMap`]s.
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
    /// What a coordinate along each view axis becomes before the steps; empty where all stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<AxisMap>,
}

impl IndexMap {
    /// A view with `strides` of a dense (linear) store.
    #[must_use]
    pub fn dense(shape: &[usize], strides: &[i64]) -> Self {
        IndexMap::affine(shape.to_vec(), vec![0], strides.iter().map(|&stride| vec![stride]).collect())
    }

    /// The array itself in a store whose coordinates are its own.
    #[must_use]
    pub fn identity(shape: &[usize]) -> Self {
        let rank = shape.len();
        let steps = (0..rank).map(|axis| (0..rank).map(|store| i64::from(axis == store)).collect()).collect();
        IndexMap::affine(shape.to_vec(), vec![0; rank], steps)
    }

    /// A map without [`AxisMap`]s.
    #[must_use]
    pub fn affine(shape: Vec<usize>, offset: Vec<i64>, steps: Vec<Vec<i64>>) -> Self {
        IndexMap { shape, offset, steps, maps: Vec::new() }
    }

    /// With one map an axis; kept only if one of them does something. Maps that are affine go into offset and steps.
    fn with_maps(mut self, mut maps: Vec<AxisMap>) -> Self {
        for (axis, map) in maps.iter_mut().enumerate() {
            // One place only is a constant.
            let affine = if self.shape[axis] == 1 { Some((map.at(0), 0)) } else { map.affine() };
            if let Some((start, step)) = affine.filter(|_| !map.is_identity()) {
                for (place, own) in self.offset.iter_mut().zip(&mut self.steps[axis]) {
                    *place += *own * start;
                    *own *= step;
                }
                *map = AxisMap::default();
            }
        }
        self.maps = if maps.iter().all(AxisMap::is_identity) { Vec::new() } else { maps };
        self
    }

    /// What a coordinate along `axis` becomes before the steps, if it does not stay.
    #[must_use]
    pub fn map_of(&self, axis: usize) -> Option<&AxisMap> {
        self.maps.get(axis).filter(|map| !map.is_identity())
    }

    /// Whether coordinates along `axis` are gathered rather than walked.
    #[must_use]
    pub fn is_gathered(&self, axis: usize) -> bool {
        self.map_of(axis).is_some()
    }

    /// Where a coordinate along `axis` goes before the steps.
    #[must_use]
    pub fn place(&self, axis: usize, index: usize) -> i64 {
        self.map_of(axis).map_or(index as i64, |map| map.at(index as i64))
    }

    fn maps_or_identities(&self) -> Vec<AxisMap> {
        if self.maps.is_empty() { vec![AxisMap::default(); self.rank()] } else { self.maps.clone() }
    }

    /// A view of `length` along `axis` whose coordinates there go through `map` first.
    #[must_use]
    pub fn gather(&self, axis: usize, map: &AxisMap, length: usize) -> Self {
        let mut maps = self.maps_or_identities();
        let mut result = IndexMap { maps: Vec::new(), ..self.clone() };
        result.shape[axis] = length;
        if length > 0 {
            maps[axis] = map.then(&maps[axis]);
        }
        result.with_maps(maps)
    }

    /// The elements whose coordinates along two axes differ by `offset` (second less first), as a new last axis. `None` where one
    /// of the two is gathered.
    #[must_use]
    pub fn diagonal(&self, first: usize, second: usize, offset: i64) -> Option<Self> {
        if self.is_gathered(first) || self.is_gathered(second) {
            return None;
        }
        let (down, right) = (offset.saturating_neg().max(0), offset.max(0));
        let length = diagonal_length(self.shape[first], self.shape[second], offset);
        let mut result = self.clone();
        if length > 0 {
            result.advance(&self.steps[first], down);
            result.advance(&self.steps[second], right);
        }
        let step = self.steps[first].iter().zip(&self.steps[second]).map(|(a, b)| a + b).collect();
        for axis in [first.max(second), first.min(second)] {
            result.shape.remove(axis);
            result.steps.remove(axis);
            if !result.maps.is_empty() {
                result.maps.remove(axis);
            }
        }
        result.shape.push(length);
        result.steps.push(step);
        if !result.maps.is_empty() {
            result.maps.push(AxisMap::default());
        }
        Some(result)
    }

    /// Every window of `window` neighbours along `axis`, with the places in it as a new last axis. `None` where the axis is gathered.
    #[must_use]
    pub fn windows(&self, axis: usize, window: usize) -> Option<Self> {
        if self.is_gathered(axis) {
            return None;
        }
        let mut result = self.clone();
        result.shape[axis] = (self.shape[axis] + 1).saturating_sub(window);
        result.shape.push(window);
        result.steps.push(self.steps[axis].clone());
        if !result.maps.is_empty() {
            result.maps.push(AxisMap::default());
        }
        Some(result)
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
        let mut result = IndexMap::affine(Vec::new(), self.offset.clone(), Vec::new());
        let mut maps = Vec::new();
        let mut axis = 0;
        for item in items {
            match *item {
                AxisSlice::New => {
                    result.shape.push(1);
                    result.steps.push(vec![0; self.store_rank()]);
                    maps.push(AxisMap::default());
                }
                AxisSlice::Fixed(place) => {
                    result.advance(&self.steps[axis], self.place(axis, place));
                    axis += 1;
                }
                AxisSlice::Range { start, step, length } => {
                    let taken = AxisMap::of([AxisStep::Affine { start: start as i64, step }]);
                    result.shape.push(length);
                    result.steps.push(self.steps[axis].clone());
                    maps.push(match self.map_of(axis) {
                        _ if length == 0 => AxisMap::default(),
                        Some(map) => taken.then(map),
                        None => taken,
                    });
                    axis += 1;
                }
            }
        }
        result.with_maps(maps)
    }

    fn advance(&mut self, steps: &[i64], by: i64) {
        for (place, step) in self.offset.iter_mut().zip(steps) {
            *place += step * by;
        }
    }

    /// View axis `k` of the result is view axis `order[k]` of this.
    #[must_use]
    pub fn permute(&self, order: &[usize]) -> Self {
        IndexMap {
            shape: order.iter().map(|&axis| self.shape[axis]).collect(),
            offset: self.offset.clone(),
            steps: order.iter().map(|&axis| self.steps[axis].clone()).collect(),
            maps: if self.maps.is_empty() { Vec::new() } else { order.iter().map(|&axis| self.maps[axis].clone()).collect() },
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
        let mut maps = vec![AxisMap::default(); if self.maps.is_empty() { 0 } else { missing }];
        maps.extend(self.maps.iter().cloned());
        IndexMap { shape: shape.to_vec(), offset: self.offset.clone(), steps, maps }
    }

    /// The same elements in C order as `shape`, if no copy is needed.
    ///
    /// Axes can always be split; neighbouring axes merge where one step of the outer is a whole run of the inner.
    #[must_use]
    pub fn reshape(&self, shape: &[usize]) -> Option<Self> {
        let still = vec![0; self.store_rank()];
        if shape.contains(&0) || self.shape.contains(&0) {
            return Some(IndexMap::affine(shape.to_vec(), self.offset.clone(), vec![still; shape.len()]));
        }
        let old: Vec<usize> = (0..self.rank()).filter(|&axis| self.shape[axis] != 1).collect();
        let mut steps = vec![still; shape.len()];
        let mut maps = vec![AxisMap::default(); shape.len()];
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
            // A gathered axis can only stay as it is.
            if old[from..old_end].iter().any(|&axis| self.is_gathered(axis)) {
                let kept = (to..new_end).filter(|&axis| shape[axis] != 1).collect::<Vec<_>>();
                let ([axis], 1) = (&kept[..], old_end - from) else { return None };
                maps[*axis] = self.maps[old[from]].clone();
            }
            let mut step = self.steps[old[old_end - 1]].clone();
            for axis in (to..new_end).rev() {
                steps[axis].clone_from(&step);
                step.iter_mut().for_each(|store| *store *= shape[axis] as i64);
            }
            (from, to) = (old_end, new_end);
        }
        let whole = shape[to..].iter().all(|&length| length == 1);
        whole.then(|| IndexMap::affine(shape.to_vec(), self.offset.clone(), steps).with_maps(maps))
    }

    /// This map read through `inner`'s view: `inner` maps its own coordinates to coordinates of this view. `None` where a gathered
    /// axis of this one would depend on several of `inner`'s, or one of `inner`'s on more than it.
    #[must_use]
    pub fn compose(&self, inner: &IndexMap) -> Option<Self> {
        debug_assert_eq!(inner.store_rank(), self.rank());
        if !self.maps.is_empty() {
            return self.compose_gathered(inner);
        }
        let through = |coordinates: &[i64], start: &[i64]| -> Vec<i64> {
            (0..self.store_rank())
                .map(|store| start[store] + coordinates.iter().zip(&self.steps).map(|(&c, step)| c * step[store]).sum::<i64>())
                .collect()
        };
        Some(IndexMap {
            shape: inner.shape.clone(),
            offset: through(&inner.offset, &self.offset),
            steps: inner.steps.iter().map(|step| through(step, &vec![0; self.store_rank()])).collect(),
            maps: inner.maps.clone(),
        })
    }

    /// [`IndexMap::compose`], where axes of this map are gathered: what feeds one goes through its map and nowhere else.
    fn compose_gathered(&self, inner: &IndexMap) -> Option<Self> {
        let mut plain = IndexMap { maps: Vec::new(), ..self.clone() };
        let mut rest = inner.clone();
        let mut gathered: Vec<(usize, &[i64], AxisMap)> = Vec::new();
        for axis in (0..self.rank()).filter(|&axis| self.is_gathered(axis)) {
            let feeding: Vec<usize> = (0..inner.rank()).filter(|&from| inner.steps[from][axis] != 0).collect();
            let map = &self.maps[axis];
            match feeding[..] {
                [] if inner.shape.contains(&0) => {}
                [] => plain.advance(&self.steps[axis], map.at(inner.offset[axis])),
                [from] if inner.steps[from].iter().filter(|&&step| step != 0).count() == 1 => {
                    let affine = AxisMap::of([AxisStep::Affine { start: inner.offset[axis], step: inner.steps[from][axis] }]);
                    gathered.push((from, &self.steps[axis], affine.then(map)));
                    rest.steps[from][axis] = 0;
                }
                _ => return None,
            }
            rest.offset[axis] = 0;
        }
        let mut result = plain.compose(&rest)?;
        let mut maps = inner.maps_or_identities();
        for (from, steps, map) in gathered {
            result.steps[from] = steps.to_vec();
            maps[from] = maps[from].then(&map);
        }
        result.maps = Vec::new();
        Some(result.with_maps(maps))
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
                    if step == 0 {
                        continue;
                    }
                    let range = region.start[axis]..region.end(axis);
                    let (nearest, farthest) = match self.map_of(axis) {
                        Some(map) => map.bounds(range),
                        None => (range.start as i64, range.end as i64 - 1),
                    };
                    let (first, last) = (step * nearest, step * farthest);
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
        let along = |(axis, &c): (usize, &usize)| self.steps[axis][0] * self.place(axis, c);
        self.offset[0] + coordinates.iter().enumerate().map(along).sum::<i64>()
    }

    /// An error for a reshape that would have to copy.
    #[must_use]
    pub fn reshape_error(&self, shape: &[usize]) -> Error {
        Error::usage(format!("reshape of {} to {} is not a view of these strides", show(&self.shape), show(shape)))
            .hint("save the array first, or reshape before slicing and transposing")
    }
}

/// Number of elements on a diagonal of two axes.
#[must_use]
pub fn diagonal_length(first: usize, second: usize, offset: i64) -> usize {
    let far = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
    let (down, right) = if offset < 0 { (far, 0) } else { (0, far) };
    first.saturating_sub(down).min(second.saturating_sub(right))
}

/// The full shape that `requested` (one length may be -1) means for `count` elements.
pub fn resolve_reshape(requested: &[i64], count: usize) -> Result<Vec<usize>> {
    let error = || Error::mismatch(format!("cannot reshape {count} elements to {}", show(requested)));
    if let Some(wrong) = requested.iter().find(|&&length| length < -1) {
        return Err(Error::usage(format!("reshape to {}: a length is {wrong}, below 0", show(requested)))
            .hint("-1 stands for the one length that follows from the others"));
    }
    if requested.iter().filter(|&&length| length == -1).count() > 1 {
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
        assert_eq!(places(&map.compose(&outer).unwrap()), places(&map.permute(&[1, 0])));
    }

    #[test]
    fn gathered_axes_compose() {
        let map = IndexMap::dense(&[3, 4], &c_strides(&[3, 4]));
        let take = |list: &[usize]| AxisMap::of([AxisStep::List(list.into())]);
        let taken = map.gather(0, &take(&[2, 0, 2, 1]), 4);
        assert_eq!(taken.shape, [4, 4]);
        let back = AxisSlice::Range { start: 3, step: -2, length: 2 };
        assert_eq!(places(&taken.slice(&[back, AxisSlice::Fixed(1)])), [5, 1]);
        let two = AxisSlice::Range { start: 0, step: 1, length: 2 };
        assert_eq!(places(&taken.permute(&[1, 0]).slice(&[AxisSlice::Fixed(3), AxisSlice::New, two])), [11, 3]);
        // The same through composition, whichever side is gathered.
        let view = IndexMap::identity(&[4, 4]).slice(&[back, AxisSlice::Fixed(1)]);
        assert_eq!(places(&taken.compose(&view).unwrap()), [5, 1]);
        let gathered = IndexMap::identity(&[3, 4]).gather(1, &take(&[3, 3, 0]), 3).gather(0, &AxisMap::of([AxisStep::Divide(2)]), 6);
        let both = map.compose(&gathered).unwrap();
        assert_eq!(places(&both)[..6], [3, 3, 0, 3, 3, 0]);
        assert_eq!(places(&both)[12..], [11, 11, 8, 11, 11, 8]);
        let again = both.compose(&IndexMap::identity(&[6, 3]).gather(1, &take(&[2, 1]), 2)).unwrap();
        assert_eq!(places(&again)[..4], [0, 3, 0, 3]);
        assert_eq!(again.span(&Region::new([2, 0], [2, 2])), vec![4..8; 1]);
        // A gathered axis cannot be split, merged or walked along a diagonal; others can.
        assert!(taken.reshape(&[2, 2, 4]).is_none());
        assert!(taken.reshape(&[16]).is_none());
        assert_eq!(places(&taken.reshape(&[4, 2, 1, 2]).unwrap()), places(&taken));
        assert!(taken.diagonal(0, 1, 0).is_none());
        assert!(taken.compose(&IndexMap::identity(&[4, 4]).diagonal(0, 1, 0).unwrap()).is_none());
        // One place is a constant; so is what a broadcast repeats.
        let one = map.gather(0, &take(&[2]), 1);
        assert!(one.maps.is_empty());
        assert_eq!(places(&one.broadcast_to(&[2, 4])), [8, 9, 10, 11, 8, 9, 10, 11]);
        assert_eq!(map.gather(0, &take(&[]), 0).shape, [0, 4]);
    }

    #[test]
    fn diagonals_are_numpys() {
        let map = IndexMap::dense(&[3, 4], &c_strides(&[3, 4]));
        assert_eq!(places(&map.diagonal(0, 1, 0).unwrap()), [0, 5, 10]);
        assert_eq!(places(&map.diagonal(0, 1, 2).unwrap()), [2, 7]);
        assert_eq!(places(&map.diagonal(0, 1, -1).unwrap()), [4, 9]);
        assert_eq!(places(&map.diagonal(1, 0, -1).unwrap()), [1, 6, 11]);
        assert_eq!(map.diagonal(0, 1, 9).unwrap().shape, [0]);
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
