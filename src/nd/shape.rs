//! Extents of axes, axis names, and the arithmetic on shapes.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The length of an axis before everything about it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Extent {
    /// Exactly this many elements.
    Known(usize),
    /// Depends on data (a mask) or on a later binding (an input): at most this many.
    AtMost(usize),
}

impl Extent {
    /// The length, if it is known.
    #[must_use]
    pub fn known(self) -> Option<usize> {
        match self {
            Extent::Known(length) => Some(length),
            Extent::AtMost(_) => None,
        }
    }

    /// The largest length it can have.
    #[must_use]
    pub fn bound(self) -> usize {
        match self {
            Extent::Known(length) | Extent::AtMost(length) => length,
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Extent::Known(length) => write!(f, "{length}"),
            Extent::AtMost(usize::MAX) => f.write_str("?"),
            Extent::AtMost(length) => write!(f, "<={length}"),
        }
    }
}

/// Names of axes, one slot per axis; a slot may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dims(pub Vec<Option<Arc<str>>>);

impl Dims {
    /// `rank` axes without names.
    #[must_use]
    pub fn unnamed(rank: usize) -> Self {
        Dims(vec![None; rank])
    }

    /// Named axes; a name may not occur twice.
    pub fn named<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let names: Vec<Arc<str>> = names.into_iter().map(|name| Arc::from(name.as_ref())).collect();
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(Error::usage(format!("axis name `{name}` is given twice")));
            }
        }
        Ok(Dims(names.into_iter().map(Some).collect()))
    }

    /// The axis called `name`.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|slot| slot.as_deref() == Some(name))
    }

    /// Whether no axis has a name.
    #[must_use]
    pub fn is_unnamed(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

impl fmt::Display for Dims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|slot| slot.as_deref().unwrap_or("_")).collect();
        write!(f, "{}", names.join(","))
    }
}

/// The number of elements of `shape`, or an error when it leaves `usize` or, times `item_bytes`, leaves `isize`.
pub fn element_count(shape: &[usize], item_bytes: usize) -> Result<usize> {
    if shape.contains(&0) { Ok(0) } else { count_full(shape, item_bytes) }
}

/// As [`element_count`], and an error also when the axes that are not empty are by themselves too long to address.
pub fn element_count_strict(shape: &[usize], item_bytes: usize) -> Result<usize> {
    let count = count_full(shape, item_bytes)?;
    Ok(if shape.contains(&0) { 0 } else { count })
}

/// The number of elements if empty axes had one.
fn count_full(shape: &[usize], item_bytes: usize) -> Result<usize> {
    let overflow = || Error::data(format!("shape {} with {item_bytes}-byte elements is larger than this machine can address", show(shape)));
    let count = shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length.max(1))).ok_or_else(overflow)?;
    let bytes = count.checked_mul(item_bytes).ok_or_else(overflow)?;
    isize::try_from(bytes).map_err(|_| overflow())?;
    Ok(count)
}

/// C-order strides of `shape`, in elements; size-0 axes count as 1 so that strides stay finite.
#[must_use]
pub fn c_strides(shape: &[usize]) -> Vec<i64> {
    let mut strides = vec![1i64; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1].max(1) as i64;
    }
    strides
}

/// Fortran-order strides of `shape`, in elements.
#[must_use]
pub fn f_strides(shape: &[usize]) -> Vec<i64> {
    let mut strides = vec![1i64; shape.len()];
    for axis in 1..shape.len() {
        strides[axis] = strides[axis - 1] * shape[axis - 1].max(1) as i64;
    }
    strides
}

/// The axis that `axis` names in an array of `rank` axes; negative counts from the end.
pub fn normalize_axis(axis: i64, rank: usize) -> Result<usize> {
    let shifted = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(shifted).ok().filter(|&found| found < rank).ok_or_else(|| {
        let range = if rank == 0 { "a 0-d array has no axes".to_string() } else { format!("use -{rank} to {}", rank - 1) };
        Error::usage(format!("axis {axis} is out of range for an array of {rank} dimension{}", if rank == 1 { "" } else { "s" }))
            .hint(range)
    })
}

/// A shape as Python prints it: `(3, 4)`, `(3,)`, `()`.
#[must_use]
pub fn show<T: fmt::Display>(shape: &[T]) -> String {
    let parts: Vec<String> = shape.iter().map(ToString::to_string).collect();
    if parts.len() == 1 { format!("({},)", parts[0]) } else { format!("({})", parts.join(", ")) }
}
