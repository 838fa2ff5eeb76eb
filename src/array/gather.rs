//! Movement along an axis that no stride describes: rolls, repeats, tiles, borders, lists of indices, and arrays put together.
//!
//! All of them are views that are gathered when they are read: nothing is copied before the array is computed, and no more than
//! what a block needs then.

use super::{
    axes::{AxisRef, place},
    node::Array,
    words::{CastMode, Extent, Scalar, SliceItem},
};
use crate::{
    error::{Error, Result},
    expr::{Op, Phased},
    kernel::program::Generator,
    nd::{
        AxisMap, DType,
        axis_map::AxisStep,
        shape::{normalize_axis, show},
    },
};

/// What lies around an array that is padded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pad {
    /// A value, in the array's dtype.
    Constant(Scalar),
    /// The nearest element.
    Edge,
    /// The array mirrored, its edge not repeated.
    Reflect,
    /// The array mirrored, its edge repeated.
    Symmetric,
    /// The array again.
    Wrap,
}

/// Places along an axis: numbers, or an array of integers, which is computed before what lies there is read.
#[derive(Clone, Debug)]
pub enum Indices {
    /// Numbers.
    Given(Vec<i64>),
    /// An array of integers of any shape.
    Computed(Array),
}

impl From<Vec<i64>> for Indices {
    fn from(indices: Vec<i64>) -> Self {
        Indices::Given(indices)
    }
}
impl From<&[i64]> for Indices {
    fn from(indices: &[i64]) -> Self {
        Indices::Given(indices.to_vec())
    }
}
impl From<&Vec<i64>> for Indices {
    fn from(indices: &Vec<i64>) -> Self {
        Indices::Given(indices.clone())
    }
}
impl<const N: usize> From<[i64; N]> for Indices {
    fn from(indices: [i64; N]) -> Self {
        Indices::Given(indices.to_vec())
    }
}
impl From<Array> for Indices {
    fn from(indices: Array) -> Self {
        Indices::Computed(indices)
    }
}
impl From<&Array> for Indices {
    fn from(indices: &Array) -> Self {
        Indices::Computed(indices.clone())
    }
}

impl Array {
    /// The place of an axis that is there.
    pub(super) fn axis_of(&self, axis: &AxisRef) -> Result<usize> {
        let meta = self.known()?;
        normalize_axis(place(axis, &meta.dims)?, meta.rank())
    }

    pub(super) fn length_of(&self, axis: usize) -> Result<usize> {
        let meta = self.known()?;
        meta.shape[axis].known().ok_or_else(|| {
            Error::usage(format!("axis {axis} of {} has no known length yet", show(&meta.shape))).hint("save the selection first")
        })
    }

    fn gathered(&self, axis: usize, steps: impl IntoIterator<Item = AxisStep>, length: usize) -> Result<Array> {
        let map = AxisMap::of(steps);
        if map.is_identity() && self.length_of(axis)? == length {
            return Ok(self.clone());
        }
        Array::make(Op::Gather { axis, map, length }, vec![self.clone()])
    }

    /// Elements moved by `shift` places along `axis`; those that leave at one end come back at the other.
    ///
    /// ```
    /// let x = outcore::Session::default_session().arange(0, 5, 1);
    /// assert_eq!(x.roll(2, 0).eval::<i64, _>()?, ndarray::array![3, 4, 0, 1, 2]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn roll(&self, shift: i64, axis: impl Into<AxisRef>) -> Array {
        self.then(self.try_roll(shift, &axis.into()))
    }

    fn try_roll(&self, shift: i64, axis: &AxisRef) -> Result<Array> {
        let axis = self.axis_of(axis)?;
        let length = self.length_of(axis)?;
        if length == 0 {
            return Ok(self.clone());
        }
        let shift = shift.rem_euclid(length as i64);
        if shift == 0 {
            return Ok(self.clone());
        }
        self.gathered(axis, [AxisStep::Affine { start: -shift, step: 1 }, AxisStep::Modulo(length)], length)
    }

    /// Elements in reverse order along an axis.
    #[must_use]
    #[track_caller]
    pub fn flip(&self, axis: impl Into<AxisRef>) -> Array {
        let axis = axis.into();
        let made = self.axis_of(&axis).and_then(|axis| {
            let mut items = vec![SliceItem::FULL; self.known()?.rank()];
            items[axis] = SliceItem::Range { start: None, stop: None, step: -1 };
            Array::make(Op::Slice(items), vec![self.clone()])
        });
        self.then(made)
    }

    /// Axis `from` moved to the place `to`; the others keep their order.
    #[must_use]
    #[track_caller]
    pub fn move_axis(&self, from: impl Into<AxisRef>, to: i64) -> Array {
        let from = from.into();
        let made = self.axis_of(&from).and_then(|from| {
            let rank = self.known()?.rank();
            let mut order: Vec<usize> = (0..rank).filter(|&axis| axis != from).collect();
            order.insert(normalize_axis(to, rank)?, from);
            Array::make(Op::Permute(order), vec![self.clone()])
        });
        self.then(made)
    }

    /// The elements at `[i, i + offset]` of the two axes, along a new last axis.
    ///
    /// ```
    /// let x = outcore::Session::default_session().eye::<f32>(3) * 2.0;
    /// assert_eq!(x.diagonal(0, 0, 1).eval::<f32, _>()?, ndarray::array![2.0, 2.0, 2.0]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn diagonal(&self, offset: i64, first: impl Into<AxisRef>, second: impl Into<AxisRef>) -> Array {
        let (first, second) = (first.into(), second.into());
        let made = self.axis_of(&first).and_then(|first| {
            let second = self.axis_of(&second)?;
            Array::make(Op::Diagonal { first, second, offset }, vec![self.clone()])
        });
        self.then(made)
    }

    /// The elements at `indices` along `axis`, in their order; negative indices count from the end.
    ///
    /// Reading is done in the order of the indices: ascending ones read a file once, in order. An array of indices is computed in a
    /// pass before, and held in memory with 8 bytes an index; its axes take the place of `axis`, as in NumPy.
    ///
    /// ```
    /// let session = outcore::Session::default_session();
    /// let x = session.arange(10, 20, 1);
    /// assert_eq!(x.take([3, -1, 3], 0).eval::<i64, _>()?, ndarray::array![13, 19, 13]);
    /// let places = session.from_ndarray(ndarray::array![[3u8, 0], [1, 1]]);
    /// assert_eq!(x.take(&places, 0).eval::<i64, _>()?, ndarray::array![[13, 10], [11, 11]]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// Indices out of bounds: of a list at once, of an array when it is computed.
    #[must_use]
    #[track_caller]
    pub fn take(&self, indices: impl Into<Indices>, axis: impl Into<AxisRef>) -> Array {
        self.then(self.try_take(&indices.into(), &axis.into()))
    }

    fn try_take(&self, indices: &Indices, axis: &AxisRef) -> Result<Array> {
        let axis = self.axis_of(axis)?;
        let is_known = self.known()?.shape[axis].known().is_some();
        let indices = match indices {
            Indices::Given(indices) if is_known => indices,
            // Which of them are out of bounds, and where the negative ones lie, shows when the length is known.
            Indices::Given(indices) => {
                let indices = self.session().from_ndarray(ndarray::Array1::from_vec(indices.clone()));
                return Array::make(Op::Phased(Phased::Take { axis }), vec![self.clone(), indices]);
            }
            Indices::Computed(indices) => return Array::make(Op::Phased(Phased::Take { axis }), vec![self.clone(), indices.clone()]),
        };
        let length = self.length_of(axis)?;
        let place = |&index: &i64| {
            let shifted = if index < 0 { index + length as i64 } else { index };
            usize::try_from(shifted)
                .ok()
                .filter(|&found| found < length)
                .ok_or_else(|| Error::usage(format!("index {index} is out of bounds for axis {axis} of length {length}")))
        };
        let list = indices.iter().map(place).collect::<Result<Vec<usize>>>()?;
        self.gathered(axis, [AxisStep::List(list.into())], indices.len())
    }

    /// Every element `count` times in a row along `axis`.
    #[must_use]
    #[track_caller]
    pub fn repeat(&self, count: usize, axis: impl Into<AxisRef>) -> Array {
        let axis = axis.into();
        let made = self.axis_of(&axis).and_then(|axis| {
            let length = grown(self.length_of(axis)?, count)?;
            if count == 1 { Ok(self.clone()) } else { self.gathered(axis, [AxisStep::Divide(count.max(1))], length) }
        });
        self.then(made)
    }

    /// The array again and again: `counts[k]` times along axis `k`; missing counts at the front are 1, missing axes new ones.
    #[must_use]
    #[track_caller]
    pub fn tile(&self, counts: &[usize]) -> Array {
        self.then(self.try_tile(counts))
    }

    fn try_tile(&self, counts: &[usize]) -> Result<Array> {
        let rank = self.known()?.rank();
        let mut array = self.clone();
        for _ in rank..counts.len() {
            array = array.insert_axis(0).checked()?;
        }
        let first = array.known()?.rank() - counts.len();
        for (axis, &count) in counts.iter().enumerate().map(|(at, count)| (first + at, count)) {
            let length = array.length_of(axis)?;
            array = match (length, count) {
                (_, 1) => array,
                (1, _) => {
                    let mut shape = array.shape()?;
                    shape[axis] = count;
                    Array::make(Op::BroadcastTo(shape), vec![array])?
                }
                _ => array.gathered(axis, [AxisStep::Modulo(length.max(1))], grown(length, count)?)?,
            };
        }
        Ok(array)
    }

    /// With a border: `widths[k]` elements before and after along axis `k`.
    ///
    /// ```
    /// use outcore::Pad;
    /// let x = outcore::Session::default_session().arange(1, 4, 1);
    /// assert_eq!(x.pad(&[(1, 2)], Pad::Constant(0.into())).eval::<i64, _>()?, ndarray::array![0, 1, 2, 3, 0, 0]);
    /// assert_eq!(x.pad(&[(2, 0)], Pad::Reflect).eval::<i64, _>()?, ndarray::array![3, 2, 1, 2, 3]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn pad(&self, widths: &[(usize, usize)], pad: Pad) -> Array {
        self.then(self.try_pad(widths, pad))
    }

    fn try_pad(&self, widths: &[(usize, usize)], pad: Pad) -> Result<Array> {
        let rank = self.known()?.rank();
        if widths.len() != rank {
            return Err(Error::usage(format!("{} pairs of widths for an array of {rank} dimensions", widths.len())));
        }
        let mut array = self.clone();
        for (axis, &(before, after)) in widths.iter().enumerate().filter(|(_, widths)| **widths != (0, 0)) {
            array = array.padded(axis, before, after, pad)?;
        }
        Ok(array)
    }

    fn padded(&self, axis: usize, before: usize, after: usize, pad: Pad) -> Result<Array> {
        let length = self.length_of(axis)?;
        let whole = length
            .checked_add(before)
            .and_then(|sum| sum.checked_add(after))
            .filter(|&sum| i64::try_from(sum).is_ok())
            .ok_or_else(|| Error::usage(format!("a border of {before} and {after} around {length} elements overflows")))?;
        let shift = AxisStep::Affine { start: -(before as i64), step: 1 };
        let step = match pad {
            Pad::Constant(value) => return self.bordered(axis, before, whole, value),
            _ if length == 0 => {
                let text = format!("axis {axis} is empty: there is nothing to repeat around it");
                return Err(Error::usage(text).hint("pad with a constant"));
            }
            Pad::Edge => AxisStep::Clamp(length),
            Pad::Wrap => AxisStep::Modulo(length),
            Pad::Reflect => AxisStep::Mirror { length, edge: false },
            Pad::Symmetric => AxisStep::Mirror { length, edge: true },
        };
        self.gathered(axis, [shift, step], whole)
    }

    /// With `value` around `axis`.
    fn bordered(&self, axis: usize, before: usize, whole: usize, value: Scalar) -> Result<Array> {
        let (dtype, length) = (self.dtype()?, self.length_of(axis)?);
        // A float loses its fraction in an integer dtype, as in NumPy, and has to fit then.
        let whole_value = if dtype.is_integer() { Scalar::Int(value.to_i128()) } else { value };
        if !whole_value.fits(dtype) {
            return Err(Error::mismatch(format!("a border of {value} does not fit {dtype}")).hint("cast the array to a wider dtype first"));
        }
        let value = super::elementwise::convert(&Array::scalar(value), dtype, CastMode::Checked)?;
        let mut shape = self.shape()?;
        shape[axis] = whole;
        let border = Array::make(Op::BroadcastTo(shape), vec![value])?;
        if length == 0 {
            return Ok(border);
        }
        let place = self.index_along(axis, whole)?;
        let inside = &place.greater_equal(before as i64) & &place.less((before + length) as i64);
        let stretched = self.padded(axis, before, whole - before - length, Pad::Edge)?;
        Array::select(&inside, &stretched, &border).checked()
    }

    /// `0, 1, …` along `axis` of arrays of this rank.
    fn index_along(&self, axis: usize, length: usize) -> Result<Array> {
        let generator = Generator::Arange { start: Scalar::Int(0), step: Scalar::Int(1) };
        let index = Array::make(Op::Sequence { generator, length, dtype: DType::I64 }, Vec::new())?;
        let items = (axis + 1..self.known()?.rank()).map(|_| SliceItem::NewAxis);
        Array::make(Op::Slice(std::iter::once(SliceItem::FULL).chain(items).collect()), vec![index])
    }

    /// The arrays one after the other along `axis`, in the dtype that all of them promote to.
    ///
    /// ```
    /// use outcore::Array;
    /// let x = outcore::Session::default_session().arange(0, 3, 1);
    /// let y = Array::concatenate([&x, &(&x * 10)], 0);
    /// assert_eq!(y.eval::<i64, _>()?, ndarray::array![0, 1, 2, 0, 10, 20]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn concatenate<'a>(arrays: impl IntoIterator<Item = &'a Array>, axis: impl Into<AxisRef>) -> Array {
        let arrays: Vec<&Array> = arrays.into_iter().collect();
        let session = arrays.iter().find_map(|array| array.0.session.as_ref());
        Array::settle(try_concatenate(&arrays, &axis.into()), session)
    }

    /// The arrays, which have one shape, along a new axis at place `axis` of the result.
    #[must_use]
    #[track_caller]
    pub fn stack<'a>(arrays: impl IntoIterator<Item = &'a Array>, axis: i64) -> Array {
        let arrays: Vec<&Array> = arrays.into_iter().collect();
        let session = arrays.iter().find_map(|array| array.0.session.as_ref());
        Array::settle(try_stack(&arrays, axis), session)
    }

    /// `count` views of equal length along `axis`.
    ///
    /// # Errors
    /// If the axis has no such parts. Not deferred: without them there are no arrays to carry the error.
    #[track_caller]
    pub fn split(&self, count: usize, axis: impl Into<AxisRef>) -> Result<Vec<Array>> {
        self.try_split(count, &axis.into()).map_err(|error| error.at(std::panic::Location::caller()))
    }

    fn try_split(&self, count: usize, axis: &AxisRef) -> Result<Vec<Array>> {
        let axis = self.axis_of(axis)?;
        let length = self.length_of(axis)?;
        if count == 0 || count > length.max(1) || !length.is_multiple_of(count) {
            return Err(Error::mismatch(format!("axis {axis} of length {length} does not split into {count} equal parts"))
                .hint("take slices of it instead, which may have any length"));
        }
        let length = (length / count) as i64;
        let part = |index: i64| {
            let mut items = vec![SliceItem::FULL; self.known()?.rank()];
            items[axis] = SliceItem::Range { start: Some(index * length), stop: Some((index + 1) * length), step: 1 };
            Array::make(Op::Slice(items), vec![self.clone()])
        };
        (0..count as i64).map(part).collect()
    }
}

fn grown(length: usize, count: usize) -> Result<usize> {
    let whole = length.checked_mul(count).filter(|&whole| i64::try_from(whole).is_ok());
    whole.ok_or_else(|| Error::usage(format!("{length} elements {count} times overflow")))
}

/// The arrays one after the other along an axis that they do not have yet.
fn try_stack(arrays: &[&Array], axis: i64) -> Result<Array> {
    let first = arrays.first().ok_or_else(|| Error::usage("there is nothing to stack"))?.known()?;
    for (index, array) in arrays.iter().enumerate() {
        let meta = array.known()?;
        if meta.shape != first.shape {
            let (have, start) = (show(&meta.shape), show(&first.shape));
            return Err(Error::mismatch(format!("array {index} has shape {have}, the first one {start}: what is stacked has one shape"))
                .hint("`concatenate` takes arrays of several lengths along an axis that they have; `pad` makes them alike"));
        }
    }
    let place = normalize_axis(axis, first.rank() + 1)? as i64;
    let slices: Vec<Array> = arrays.iter().map(|array| array.insert_axis(place)).collect();
    try_concatenate(&slices.iter().collect::<Vec<_>>(), &AxisRef::Index(place))
}

/// Every array stretched over the whole axis, each picked where it belongs.
fn try_concatenate(arrays: &[&Array], axis: &AxisRef) -> Result<Array> {
    let first = arrays.first().ok_or_else(|| Error::usage("there is nothing to concatenate"))?;
    if first.known()?.rank() == 0 {
        return Err(Error::mismatch("0-d arrays cannot be concatenated").hint("give them an axis first, or stack them"));
    }
    let axis = first.axis_of(axis)?;
    let others = |array: &Array| -> Result<Vec<Extent>> {
        let mut shape = array.known()?.shape.clone();
        if axis < shape.len() {
            shape.remove(axis);
        }
        Ok(shape)
    };
    let wanted = others(first)?;
    let (mut pieces, mut dtype, mut whole) = (Vec::new(), first.dtype()?, 0usize);
    for (index, array) in arrays.iter().enumerate() {
        let meta = array.known()?;
        if meta.rank() != wanted.len() + 1 || others(array)? != wanted {
            let (have, start) = (show(&meta.shape), show(&first.known()?.shape));
            let text = format!("array {index} has shape {have}, the first one {start}: all axes but axis {axis} must agree");
            return Err(Error::mismatch(text));
        }
        super::promotion::meet("concatenate", first, array)?;
        dtype = dtype.promote(meta.dtype);
        let length = array.length_of(axis)?;
        if length > 0 {
            pieces.push((whole, length, *array));
        }
        whole = whole.checked_add(length).ok_or_else(|| Error::usage("the concatenated axis overflows"))?;
    }
    let part = |&(start, length, array): &(usize, usize, &Array)| -> Result<Array> {
        let array = super::elementwise::convert(array, dtype, CastMode::Checked)?;
        array.gathered(axis, [AxisStep::Affine { start: -(start as i64), step: 1 }, AxisStep::Clamp(length)], whole)
    };
    let Some(last) = pieces.pop() else { return super::elementwise::convert(first, dtype, CastMode::Checked) };
    let mut result = part(&last)?;
    let index = first.index_along(axis, whole)?;
    for piece in pieces.iter().rev() {
        result = Array::select(&index.less((piece.0 + piece.1) as i64), &part(piece)?, &result).checked()?;
    }
    Ok(result)
}
