//! Views and selections: slices, axes, shapes, names, masks. None of them copies before the array is computed.

use super::{
    axes::AxisRef,
    node::Array,
    words::{Dims, Element, Extent, SliceItem},
};
use crate::{
    error::{Error, Result},
    expr::Op,
    nd::shape::{normalize_axis, show},
};
use ndarray::SliceInfoElem;

impl Array {
    /// Basic indexing with ndarray's `s!`; a negative step walks the range from its end, as in ndarray.
    ///
    /// ```
    /// use outcore::{Session, ndarray::s};
    /// let x = Session::default_session().arange(0, 10, 1);
    /// assert_eq!(x.slice(s![2..8;2]).shape()?, [3]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn slice(&self, index: impl AsRef<[SliceInfoElem]>) -> Array {
        self.slice_items(index.as_ref().iter().map(slice_item).collect())
    }

    /// Basic indexing by NumPy's rules: integers, ranges, new axes, an ellipsis.
    #[must_use]
    #[track_caller]
    pub fn slice_items(&self, items: Vec<SliceItem>) -> Array {
        self.then(Array::make(Op::Slice(items), vec![self.clone()]))
    }

    /// A new axis of length 1 at place `axis` of the result (negative from the end).
    #[must_use]
    #[track_caller]
    pub fn insert_axis(&self, axis: i64) -> Array {
        self.then(self.try_insert_axis(axis))
    }

    fn try_insert_axis(&self, axis: i64) -> Result<Array> {
        let rank = self.known()?.rank();
        let mut items = vec![SliceItem::FULL; rank];
        items.insert(normalize_axis(axis, rank + 1)?, SliceItem::NewAxis);
        Array::make(Op::Slice(items), vec![self.clone()])
    }

    /// NumPy's name of [`Array::insert_axis`].
    #[must_use]
    #[track_caller]
    pub fn expand_dims(&self, axis: i64) -> Array {
        self.insert_axis(axis)
    }

    /// Without the axes of length 1.
    #[must_use]
    #[track_caller]
    pub fn squeeze(&self) -> Array {
        let made = self.known().and_then(|meta| {
            let gone = |extent: &Extent| *extent == Extent::Known(1);
            let items = meta.shape.iter().map(|extent| if gone(extent) { SliceItem::Index(0) } else { SliceItem::FULL }).collect();
            Array::make(Op::Slice(items), vec![self.clone()])
        });
        self.then(made)
    }

    /// Without `axis`, which must have length 1.
    #[must_use]
    #[track_caller]
    pub fn squeeze_axis(&self, axis: impl Into<AxisRef>) -> Array {
        self.then(self.try_squeeze_axis(&axis.into()))
    }

    fn try_squeeze_axis(&self, axis: &AxisRef) -> Result<Array> {
        let meta = self.known()?;
        let axis = self.axis_of(axis)?;
        if meta.shape[axis] != Extent::Known(1) {
            return Err(Error::mismatch(format!("axis {axis} of shape {} cannot be squeezed: its length is not 1", show(&meta.shape))));
        }
        let mut items = vec![SliceItem::FULL; meta.rank()];
        items[axis] = SliceItem::Index(0);
        Array::make(Op::Slice(items), vec![self.clone()])
    }

    /// Axes in reverse order.
    #[must_use]
    #[track_caller]
    pub fn transpose(&self) -> Array {
        self.then(self.known().and_then(|meta| Array::make(Op::Permute((0..meta.rank()).rev().collect()), vec![self.clone()])))
    }

    /// Short for [`Array::transpose`].
    #[must_use]
    #[track_caller]
    pub fn t(&self) -> Array {
        self.transpose()
    }

    /// Axis `k` of the result is axis `order[k]` of this.
    #[must_use]
    #[track_caller]
    pub fn permute<R: Into<AxisRef>>(&self, order: impl IntoIterator<Item = R>) -> Array {
        let order: Vec<AxisRef> = order.into_iter().map(Into::into).collect();
        self.then(self.try_permute(&order))
    }

    fn try_permute(&self, order: &[AxisRef]) -> Result<Array> {
        let order = order.iter().map(|axis| self.axis_of(axis)).collect::<Result<Vec<usize>>>()?;
        Array::make(Op::Permute(order), vec![self.clone()])
    }

    /// The two axes exchanged.
    #[must_use]
    #[track_caller]
    pub fn swap_axes(&self, first: impl Into<AxisRef>, second: impl Into<AxisRef>) -> Array {
        let (first, second) = (first.into(), second.into());
        let made = self.known().and_then(|meta| {
            let mut order: Vec<usize> = (0..meta.rank()).collect();
            order.swap(self.axis_of(&first)?, self.axis_of(&second)?);
            Array::make(Op::Permute(order), vec![self.clone()])
        });
        self.then(made)
    }

    /// Stretched to `shape` by NumPy's rule.
    #[must_use]
    #[track_caller]
    pub fn broadcast_to(&self, shape: impl AsRef<[usize]>) -> Array {
        self.then(Array::make(Op::BroadcastTo(shape.as_ref().to_vec()), vec![self.clone()]))
    }

    /// The same elements in C order as `shape`; one length may be -1.
    #[must_use]
    #[track_caller]
    pub fn reshape(&self, shape: impl AsRef<[i64]>) -> Array {
        self.then(Array::make(Op::Reshape(shape.as_ref().to_vec()), vec![self.clone()]))
    }

    /// One axis with all elements in C order.
    #[must_use]
    #[track_caller]
    pub fn ravel(&self) -> Array {
        self.reshape([-1])
    }

    /// With names for all axes; `""` and `"_"` leave an axis without one.
    #[must_use]
    #[track_caller]
    pub fn named<S: AsRef<str>>(&self, names: impl IntoIterator<Item = S>) -> Array {
        let names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_string()).collect();
        self.then(try_dims(&names).and_then(|dims| Array::make(Op::Rename(dims), vec![self.clone()])))
    }

    /// Axes brought into the order of `names`; names it does not have become axes of length 1.
    #[must_use]
    #[track_caller]
    pub fn align<S: AsRef<str>>(&self, names: impl IntoIterator<Item = S>) -> Array {
        let names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_string()).collect();
        self.then(self.try_align(&names))
    }

    fn try_align(&self, names: &[String]) -> Result<Array> {
        let meta = self.known()?;
        let wanted = Dims::named(names)?;
        if let Some(axis) = meta.dims.0.iter().position(|slot| slot.as_deref().is_none_or(|name| wanted.position(name).is_none())) {
            let name = meta.dims.0[axis].as_deref().map_or("without a name".to_string(), |name| format!("`{name}`"));
            return Err(Error::mismatch(format!("axis {axis} ({name}) has no place among {wanted}"))
                .hint("align names every axis of the array; reduce or rename it first"));
        }
        let order: Vec<usize> = names.iter().filter_map(|name| meta.dims.position(name)).collect();
        let items =
            names.iter().map(|name| if meta.dims.position(name).is_some() { SliceItem::FULL } else { SliceItem::NewAxis }).collect();
        let permuted = Array::make(Op::Permute(order), vec![self.clone()])?;
        let widened = Array::make(Op::Slice(items), vec![permuted])?;
        Array::make(Op::Rename(wanted), vec![widened])
    }

    /// The elements where `mask` is true. A mask of the array's shape gives a flat array; a mask of one axis selects along axis 0.
    #[must_use]
    #[track_caller]
    pub fn compress(&self, mask: &Array) -> Array {
        let made = self.known().and_then(|meta| {
            let along = mask.known()?.rank() == 1 && meta.rank() > 1;
            Array::make(Op::Compress { axis: along.then_some(0), count: None }, vec![self.clone(), mask.clone()])
        });
        self.then(made)
    }

    /// This array, or an error if its dtype is not `T`'s or its shape is another; `None` takes any length. Nothing is read.
    ///
    /// ```
    /// let x = outcore::Session::default_session().zeros::<f32>([5, 768]);
    /// assert!(x.expect::<f32, 2>([None, Some(768)]).is_ok());
    /// assert!(x.expect::<f64, 2>([None, None]).is_err());
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[track_caller]
    pub fn expect<T: Element, const N: usize>(&self, shape: [Option<usize>; N]) -> Result<Array> {
        let meta = self.known()?;
        let fits = |(have, want): (&Extent, &Option<usize>)| want.is_none() || have.known().is_none() || have.known() == *want;
        if meta.dtype == T::DTYPE && meta.rank() == N && meta.shape.iter().zip(&shape).all(fits) {
            return Ok(self.clone());
        }
        let wanted: Vec<Extent> = shape.iter().map(|length| length.map_or(Extent::AtMost(usize::MAX), Extent::Known)).collect();
        let (have, want) = (show(&meta.shape), show(&wanted));
        Err(Error::mismatch(format!("expected {} {want}, the array is {} {have}", T::DTYPE, meta.dtype)).at(std::panic::Location::caller()))
    }
}

fn try_dims(names: &[String]) -> Result<Dims> {
    let given = |name: &&String| !name.is_empty() && name.as_str() != "_";
    Dims::named(names.iter().filter(given))?;
    Ok(Dims(names.iter().map(|name| given(&name).then(|| name.as_str().into())).collect()))
}

/// ndarray's element of an index as NumPy's: a negative step there walks `start..end` from its end.
pub(super) fn slice_item(element: &SliceInfoElem) -> SliceItem {
    match *element {
        SliceInfoElem::Index(index) => SliceItem::Index(index as i64),
        SliceInfoElem::NewAxis => SliceItem::NewAxis,
        SliceInfoElem::Slice { start, end, step } if step > 0 => {
            SliceItem::Range { start: (start != 0).then_some(start as i64), stop: end.map(|end| end as i64), step: step as i64 }
        }
        SliceInfoElem::Slice { start: _, end: Some(0), step } => SliceItem::Range { start: Some(0), stop: Some(0), step: step as i64 },
        SliceInfoElem::Slice { start, end, step } => {
            SliceItem::Range { start: end.map(|end| end as i64 - 1), stop: (start != 0).then_some(start as i64 - 1), step: step as i64 }
        }
    }
}
