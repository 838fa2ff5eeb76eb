//! NumPy basic indexing: integers, slices with steps of either sign, ellipsis, new axes.

use crate::{
    error::{Error, Result},
    nd::{
        Extent,
        shape::{normalize_axis, show},
    },
};
use serde::{Deserialize, Serialize};

/// One item of a basic index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SliceItem {
    /// An integer: the axis disappears. Negative counts from the end.
    Index(i64),
    /// `start:stop:step`; `None` is Python's empty place.
    Range {
        /// First coordinate.
        start: Option<i64>,
        /// One past the last coordinate.
        stop: Option<i64>,
        /// Distance, not 0.
        step: i64,
    },
    /// `None`: a new axis of length 1.
    NewAxis,
    /// `...`: as many full axes as are missing.
    Ellipsis,
}

impl SliceItem {
    /// `:`.
    pub const FULL: SliceItem = SliceItem::Range { start: None, stop: None, step: 1 };
}

/// One axis of an index after it met a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AxisSlice {
    /// Source axis fixed at a coordinate.
    Fixed(usize),
    /// `length` coordinates of a source axis from `start`, `step` apart.
    Range {
        /// First coordinate (meaningless if `length` is 0).
        start: usize,
        /// Distance between coordinates, of either sign.
        step: i64,
        /// Number of coordinates.
        length: usize,
    },
    /// A new axis of length 1.
    New,
}

/// Python's `slice.indices(length)`: first coordinate and count.
#[must_use]
pub fn slice_indices(start: Option<i64>, stop: Option<i64>, step: i64, length: usize) -> (usize, usize) {
    let extent = i128::try_from(length).unwrap_or(i128::MAX);
    let (lowest, highest) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
    let place = |value: Option<i64>, default: i128| match value {
        None => default,
        Some(value) if value < 0 => (i128::from(value) + extent).clamp(lowest, highest),
        Some(value) => i128::from(value).clamp(lowest, highest),
    };
    let first = place(start, if step > 0 { lowest } else { highest });
    let last = place(stop, if step > 0 { highest } else { lowest });
    let step = i128::from(step);
    let count = if step > 0 { (last - first + step - 1).div_euclid(step) } else { (first - last - step - 1).div_euclid(-step) }.max(0);
    (first.max(0) as usize, count as usize)
}

/// Fits `items` to `shape`: the ellipsis is spelled out, bounds are resolved.
pub fn resolve(items: &[SliceItem], shape: &[usize]) -> Result<Vec<AxisSlice>> {
    let mut result = Vec::with_capacity(shape.len() + items.len());
    let mut axis = 0;
    for &item in &spell_out(items, shape.len(), || show(shape))? {
        match item {
            SliceItem::NewAxis => result.push(AxisSlice::New),
            SliceItem::Index(index) => {
                let length = shape[axis];
                let place = normalize_axis(index, length).map_err(|_| out_of_bounds(index, axis, length))?;
                result.push(AxisSlice::Fixed(place));
                axis += 1;
            }
            SliceItem::Range { start, stop, step } => {
                if step == 0 {
                    return Err(Error::usage(format!("slice step of axis {axis} is 0")));
                }
                let (first, length) = slice_indices(start, stop, step, shape[axis]);
                result.push(AxisSlice::Range { start: first, step, length });
                axis += 1;
            }
            SliceItem::Ellipsis => {}
        }
    }
    Ok(result)
}

/// The shape of a slice of an array whose extents may be bounds only.
pub fn sliced_extents(items: &[SliceItem], shape: &[Extent]) -> Result<Vec<Extent>> {
    let bounds: Vec<usize> = shape.iter().map(|extent| extent.bound()).collect();
    let mut result = Vec::new();
    let mut axis = 0;
    let spelled = spell_out(items, shape.len(), || show(shape))?;
    for (slot, item) in resolve(&spelled, &bounds)?.into_iter().zip(&spelled) {
        match slot {
            AxisSlice::New => result.push(Extent::Known(1)),
            AxisSlice::Fixed(_) => axis += 1,
            AxisSlice::Range { length, .. } => {
                let full = *item == SliceItem::FULL;
                result.push(match shape[axis] {
                    known_or_full if full => known_or_full,
                    Extent::Known(_) => Extent::Known(length),
                    Extent::AtMost(_) => Extent::AtMost(length),
                });
                axis += 1;
            }
        }
    }
    Ok(result)
}

/// `items` with the ellipsis (or the missing tail) replaced by full slices.
fn spell_out(items: &[SliceItem], rank: usize, shape: impl Fn() -> String) -> Result<Vec<SliceItem>> {
    let taken = items.iter().filter(|item| matches!(item, SliceItem::Index(_) | SliceItem::Range { .. })).count();
    if taken > rank {
        return Err(Error::usage(format!("{taken} indices for an array of shape {}", shape())).hint(format!("it has {rank} axes")));
    }
    if items.iter().filter(|item| **item == SliceItem::Ellipsis).count() > 1 {
        return Err(Error::usage("an index can have one `...` only"));
    }
    let missing = vec![SliceItem::FULL; rank - taken];
    let mut spelled = Vec::with_capacity(items.len() + missing.len());
    match items.iter().position(|item| *item == SliceItem::Ellipsis) {
        Some(place) => {
            spelled.extend_from_slice(&items[..place]);
            spelled.extend_from_slice(&missing);
            spelled.extend_from_slice(&items[place + 1..]);
        }
        None => {
            spelled.extend_from_slice(items);
            spelled.extend_from_slice(&missing);
        }
    }
    Ok(spelled)
}

fn out_of_bounds(index: i64, axis: usize, length: usize) -> Error {
    Error::usage(format!("index {index} is out of bounds for axis {axis} of length {length}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slice_indices_agree_with_stepping() {
        for length in [0usize, 1, 2, 5] {
            for step in [-3i64, -1, 1, 2] {
                for start in [None, Some(-7), Some(-1), Some(0), Some(2), Some(9)] {
                    for stop in [None, Some(-7), Some(-2), Some(0), Some(3), Some(9)] {
                        let (first, count) = slice_indices(start, stop, step, length);
                        assert_eq!(
                            (0..count).map(|k| first as i64 + k as i64 * step).collect::<Vec<_>>(),
                            by_stepping(start, stop, step, length as i64)
                        );
                    }
                }
            }
        }
    }

    /// Python's rule, written as the loop it describes.
    fn by_stepping(start: Option<i64>, stop: Option<i64>, step: i64, length: i64) -> Vec<i64> {
        let clamp = |value: i64, low: i64, high: i64| if value < 0 { (value + length).max(low) } else { value.min(high) };
        let (mut at, end) = if step > 0 {
            (start.map_or(0, |s| clamp(s, 0, length)), stop.map_or(length, |s| clamp(s, 0, length)))
        } else {
            (start.map_or(length - 1, |s| clamp(s, -1, length - 1)), stop.map_or(-1, |s| clamp(s, -1, length - 1)))
        };
        let mut out = Vec::new();
        while (step > 0 && at < end) || (step < 0 && at > end) {
            out.push(at);
            at += step;
        }
        out
    }

    #[test]
    fn bad_indices_are_named() {
        assert!(resolve(&[SliceItem::Index(3)], &[3]).unwrap_err().to_string().contains("index 3 is out of bounds for axis 0 of length 3"));
        assert!(resolve(&[SliceItem::FULL, SliceItem::FULL], &[3]).is_err());
        assert!(resolve(&[SliceItem::Ellipsis, SliceItem::Ellipsis], &[3]).is_err());
        assert!(resolve(&[SliceItem::Range { start: None, stop: None, step: 0 }], &[3]).is_err());
    }
}
