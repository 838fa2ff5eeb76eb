//! Arrays whose dtype is known at run time only.

use super::words::{DType, Element, Scalar};
use crate::{
    dispatch,
    error::{Error, Result},
    nd::{
        Region,
        shape::{element_count, show},
    },
    store::{MemoryTarget, Target},
};
use ndarray::{ArrayView, ArrayViewD, Dimension, IxDyn};
use std::{any::Any, fmt};

/// A computed array in memory, in C order, of any dtype.
///
/// ```
/// let x = outcore::AnyArray::from(ndarray::array![[1u8, 2], [3, 4]]);
/// assert_eq!((x.shape(), x.dtype()), (&[2, 2][..], outcore::DType::U8));
/// assert_eq!(x.view::<u8, ndarray::Ix2>()?[[1, 0]], 3);
/// assert!(x.view::<f32, ndarray::Ix2>().is_err());
/// # Ok::<(), outcore::Error>(())
/// ```
pub struct AnyArray {
    dtype: DType,
    shape: Vec<usize>,
    elements: Box<dyn Elements>,
}

/// A vector of elements of any dtype.
trait Elements: Send + Sync {
    fn bytes(&self) -> &[u8];
    fn write(&mut self, place: usize, bytes: &[u8]);
    fn as_any(&self) -> &dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
    fn copied(&self) -> Box<dyn Elements>;
    fn scalar(&self, index: usize) -> Option<Scalar>;
}

impl<T: Element> Elements for Vec<T> {
    fn bytes(&self) -> &[u8] {
        T::as_bytes(self)
    }
    fn write(&mut self, place: usize, bytes: &[u8]) {
        T::write_bytes(&mut self[place..place + bytes.len() / size_of::<T>()], bytes);
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
    fn copied(&self) -> Box<dyn Elements> {
        Box::new(self.clone())
    }
    fn scalar(&self, index: usize) -> Option<Scalar> {
        scalar_of(T::DTYPE, T::as_bytes(self.get(index..=index)?))
    }
}

pub(super) fn scalar_of(dtype: DType, bytes: &[u8]) -> Option<Scalar> {
    use half::{bf16, f16};
    Some(match dtype {
        DType::Bool => Scalar::Bool(bool::from_bytes(bytes)),
        DType::I8 => i8::from_bytes(bytes).into(),
        DType::I16 => i16::from_bytes(bytes).into(),
        DType::I32 => i32::from_bytes(bytes).into(),
        DType::I64 => i64::from_bytes(bytes).into(),
        DType::U8 => u8::from_bytes(bytes).into(),
        DType::U16 => u16::from_bytes(bytes).into(),
        DType::U32 => u32::from_bytes(bytes).into(),
        DType::U64 => u64::from_bytes(bytes).into(),
        DType::F16 => f16::from_bytes(bytes).to_f64().into(),
        DType::BF16 => bf16::from_bytes(bytes).to_f64().into(),
        DType::F32 => f32::from_bytes(bytes).into(),
        DType::F64 => f64::from_bytes(bytes).into(),
    })
}

/// `count` default elements, or an error where the system has no room for them.
fn default_elements<T: Element>(count: usize) -> Result<Box<dyn Elements>> {
    // Asked first: running out of memory inside `vec!` would end the process.
    Vec::<T>::new().try_reserve_exact(count).map_err(|_| {
        let bytes = count as u64 * size_of::<T>() as u64;
        Error::refused(format!("the result takes {bytes} bytes of memory, which the system does not give")).with_needed_bytes(bytes)
    })?;
    Ok(Box::new(vec![T::default(); count]))
}

impl AnyArray {
    /// An array of zeros.
    pub fn zeros(dtype: DType, shape: &[usize]) -> Result<AnyArray> {
        let count = element_count(shape, dtype.size())?;
        let elements = dispatch!(dtype, T => default_elements::<T>(count))?;
        Ok(AnyArray { dtype, shape: shape.to_vec(), elements })
    }

    /// What was collected in memory, without a copy.
    pub(super) fn collected(target: &MemoryTarget) -> Result<AnyArray> {
        target.publish()?;
        dispatch!(target.dtype(), T => Ok(AnyArray::from(target.take_array::<T>()?)))
    }

    /// Dtype of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Shape.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements' bytes: C order, this machine's byte order.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.elements.bytes()
    }

    /// Element `index` in C order.
    #[must_use]
    pub fn scalar(&self, index: usize) -> Option<Scalar> {
        self.elements.scalar(index)
    }

    /// The elements in C order. An error if `T` is not the dtype.
    pub fn as_slice<T: Element>(&self) -> Result<&[T]> {
        self.elements.as_any().downcast_ref::<Vec<T>>().map(Vec::as_slice).ok_or_else(|| wrong_dtype::<T>(self.dtype))
    }

    /// The array in place. An error if dtype or number of axes are others.
    pub fn view<T: Element, D: Dimension>(&self) -> Result<ArrayView<'_, T, D>> {
        let elements = self.as_slice::<T>()?;
        let view = ArrayViewD::from_shape(IxDyn(&self.shape), elements).map_err(|error| Error::internal(error.to_string()))?;
        view.into_dimensionality::<D>().map_err(|_| wrong_rank(D::NDIM, &self.shape))
    }

    /// The array as an ndarray, without a copy. An error if dtype or number of axes are others.
    pub fn into_ndarray<T: Element, D: Dimension>(self) -> Result<ndarray::Array<T, D>> {
        let (dtype, shape) = (self.dtype, self.shape);
        let elements = self.elements.into_any().downcast::<Vec<T>>().map_err(|_| wrong_dtype::<T>(dtype))?;
        let array = ndarray::ArrayD::from_shape_vec(IxDyn(&shape), *elements).map_err(|error| Error::internal(error.to_string()))?;
        array.into_dimensionality::<D>().map_err(|_| wrong_rank(D::NDIM, &shape))
    }

    /// Writes elements from the one at `first` (C order) on.
    pub(super) fn place_flat(&mut self, first: usize, bytes: &[u8]) {
        self.elements.write(first, bytes);
    }

    /// Writes a box of the array.
    pub(super) fn place(&mut self, region: &Region, bytes: &[u8]) {
        let (item, elements) = (self.dtype.size(), &mut self.elements);
        for_each_run(&self.shape, region, |to, from, length| elements.write(to, &bytes[from * item..(from + length) * item]));
    }
}

pub(super) fn wrong_dtype<T: Element>(dtype: DType) -> Error {
    Error::mismatch(format!("the array is {dtype}, {} was asked for", T::DTYPE)).hint(format!("`.cast::<{}>()` converts it", T::DTYPE))
}

pub(super) fn wrong_rank<S: fmt::Display>(wanted: Option<usize>, shape: &[S]) -> Error {
    let wanted = wanted.map_or("another number of".to_string(), |rank| rank.to_string());
    Error::mismatch(format!("the array has shape {}, {wanted} axes were asked for", show(shape)))
}

/// Calls `each` with every contiguous run that `region` has in a C-order array of `shape`: place in the array, place in the
/// region's own C-order elements, length.
pub(super) fn for_each_run(shape: &[usize], region: &Region, mut each: impl FnMut(usize, usize, usize)) {
    if region.is_empty() {
        return;
    }
    let rank = shape.len();
    // Trailing axes that are whole lie together; the axis before them is the run's first.
    let mut split = rank;
    while split > 0 && region.shape[split - 1] == shape[split - 1] {
        split -= 1;
    }
    let split = split.saturating_sub(1);
    let length: usize = region.shape[split..].iter().product();
    let mut coordinates = region.start.clone();
    let mut from = 0;
    loop {
        let to = coordinates.iter().zip(shape).fold(0, |place, (&at, &extent)| place * extent + at);
        each(to, from, length);
        from += length;
        let Some(axis) = (0..split).rev().find(|&axis| coordinates[axis] + 1 < region.end(axis)) else { return };
        coordinates[axis] += 1;
        coordinates[axis + 1..split].copy_from_slice(&region.start[axis + 1..split]);
    }
}

impl<T: Element, D: Dimension> From<ndarray::Array<T, D>> for AnyArray {
    fn from(array: ndarray::Array<T, D>) -> AnyArray {
        let shape = array.shape().to_vec();
        // A C-order array gives its vector; another order is copied into C order.
        let elements: Vec<T> = if array.is_standard_layout() {
            let (elements, offset) = array.into_raw_vec_and_offset();
            let (first, count) = (offset.unwrap_or(0), shape.iter().product::<usize>());
            if first == 0 && elements.len() == count { elements } else { elements[first..first + count].to_vec() }
        } else {
            array.iter().copied().collect()
        };
        AnyArray { dtype: T::DTYPE, shape, elements: Box::new(elements) }
    }
}

impl Clone for AnyArray {
    fn clone(&self) -> Self {
        AnyArray { dtype: self.dtype, shape: self.shape.clone(), elements: self.elements.copied() }
    }
}

impl fmt::Debug for AnyArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyArray({} {})", self.dtype, show(&self.shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_land_where_they_belong() {
        let mut array = AnyArray::zeros(DType::I32, &[4, 3, 2]).unwrap();
        let whole: Vec<i32> = (0..24).collect();
        for (start, shape) in [([0, 0, 0], [4, 1, 2]), ([0, 1, 0], [1, 2, 2]), ([1, 1, 0], [3, 2, 1]), ([1, 1, 1], [3, 2, 1])] {
            let region = Region::new(start, shape);
            let mut values = Vec::new();
            for a in start[0]..start[0] + shape[0] {
                for b in start[1]..start[1] + shape[1] {
                    values.extend((start[2]..start[2] + shape[2]).map(|c| whole[(a * 3 + b) * 2 + c]));
                }
            }
            array.place(&region, i32::as_bytes(&values));
        }
        assert_eq!(array.as_slice::<i32>().unwrap(), whole);
        let mut one = AnyArray::zeros(DType::F64, &[]).unwrap();
        one.place(&Region::whole(&[]), &2.5f64.to_ne_bytes());
        assert_eq!(one.scalar(0), Some(Scalar::Float(2.5)));
        assert!(one.scalar(1).is_none());
    }

    #[test]
    fn ndarrays_of_any_layout_come_in_c_order() {
        let array = ndarray::Array2::from_shape_fn((3, 4), |(a, b)| (a * 4 + b) as i64);
        assert_eq!(AnyArray::from(array.clone().reversed_axes()).as_slice::<i64>().unwrap()[..3], [0, 4, 8]);
        let tail = array.slice_move(ndarray::s![1.., ..]);
        assert_eq!(AnyArray::from(tail).into_ndarray::<i64, ndarray::Ix2>().unwrap()[[0, 0]], 4);
    }
}
