//! Arrays in memory: ndarrays read in place, and targets that collect an array.

use crate::{
    dispatch,
    error::{Error, Result},
    format::data_bytes,
    nd::{
        DType, Dims, Element, IndexMap, Region, SourceFacts, StoreLayout,
        shape::{c_strides, show},
    },
    store::{
        AlignedBytes, Source, Target, Window, check_complete, check_read, check_write,
        filling::{Filling, Lent},
        runs::for_each_run,
    },
};
use ndarray::{ArcArray, ArrayD, IxDyn};
use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

type SharedBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// An array in memory, read where it lies.
///
/// The facts describe a run of elements in memory. Where that is the array itself in some order of its axes (any
/// transpose of a whole array), shape and strides are the array's. Where the array has gaps (a slice with steps, some of the columns) or
/// reversed axes, the facts' shape is that of the memory it spans, one axis. [`Source::index_map`] is the array in both cases.
///
/// ```
/// use outcore::store::{MemorySource, Source};
/// let mut array = ndarray::Array2::<f32>::zeros((3, 4));
/// array.invert_axis(ndarray::Axis(1));
/// let source = MemorySource::from_array(array.into_shared().into_dyn());
/// assert_eq!(source.facts().shape, [12]);
/// assert_eq!((source.index_map().shape, source.index_map().strides()), (vec![3, 4], vec![4, -1]));
/// ```
pub struct MemorySource {
    bytes: SharedBytes,
    facts: SourceFacts,
    view: IndexMap,
}

impl MemorySource {
    /// An ndarray of any strides, without a copy. `Array::into_shared` makes one of an owned array, without a copy too.
    pub fn from_array<T: Element>(array: ArcArray<T, IxDyn>) -> Self {
        let (shape, strides) = (array.shape().to_vec(), array.strides().iter().map(|&stride| stride as i64).collect::<Vec<_>>());
        let (span, first) = span_of(&shape, &strides);
        let whole =
            shape.iter().product::<usize>() == span && strides.iter().zip(&shape).all(|(&stride, &length)| stride >= 0 || length < 2);
        let view = IndexMap::affine(shape, vec![first as i64], strides.iter().map(|&stride| vec![stride]).collect());
        let bytes: SharedBytes = Arc::new(SharedArray { array, first, span });
        if whole {
            // Axes of length 1 or 0 may have any stride, which says nothing; a plain one keeps plans equal.
            let strides = strides.iter().zip(&view.shape).map(|(&stride, &length)| if length < 2 { 1 } else { stride }).collect();
            return Self::new(bytes, T::DTYPE, view.shape, strides);
        }
        MemorySource { view, ..Self::new(bytes, T::DTYPE, vec![span], vec![1]) }
    }

    /// A C-order array of `shape`.
    pub fn from_vec<T: Element>(shape: &[usize], elements: Vec<T>) -> Result<Self> {
        let there = elements.len();
        let needed = data_bytes(T::DTYPE, shape)? / size_of::<T>();
        if there != needed {
            return Err(Error::mismatch(format!("{there} elements for an array of shape {}, which has {needed}", show(shape))));
        }
        Ok(Self::new(Arc::new(Elements(elements)), T::DTYPE, shape.to_vec(), c_strides(shape)))
    }

    /// A C-order array of `shape` from its bytes in native order.
    pub fn from_bytes(dtype: DType, shape: &[usize], bytes: AlignedBytes) -> Result<Self> {
        let (there, needed) = (bytes.len(), data_bytes(dtype, shape)?);
        if there != needed {
            return Err(Error::mismatch(format!("{there} bytes for {} of {dtype}, which takes {needed}", show(shape))));
        }
        Ok(Self::new(Arc::new(bytes), dtype, shape.to_vec(), c_strides(shape)))
    }

    /// The same array, called `name` by errors and plans.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.facts.name = name.into();
        self
    }

    /// The same array with an identity: equal identities mean equal elements.
    #[must_use]
    pub fn identified(mut self, identity: impl Into<String>) -> Self {
        self.facts.identity = identity.into();
        self
    }

    /// The same array with axis names.
    ///
    /// Names belong to the axes of [`Source::index_map`], also where the facts describe the memory that an array with gaps spans.
    pub fn with_dims(mut self, dims: Dims) -> Result<Self> {
        super::npy::dims_of("the array", Some(&dims), &self.view.shape)?;
        self.facts.dims = dims;
        Ok(self)
    }

    fn new(bytes: SharedBytes, dtype: DType, shape: Vec<usize>, strides: Vec<i64>) -> Self {
        let facts = SourceFacts {
            name: "memory".to_string(),
            dims: Dims::unnamed(shape.len()),
            encoded_bytes: (*bytes).as_ref().len() as u64,
            read_scratch_bytes: 0,
            layout: StoreLayout::Dense { strides },
            shape,
            dtype,
            swapped: false,
            mappable: true,
            resident: true,
            identity: String::new(),
        };
        MemorySource { view: IndexMap::of_source(&facts), bytes, facts }
    }
}

/// Elements from the lowest to the highest place of an array, and the place of its first element among them.
fn span_of(shape: &[usize], strides: &[i64]) -> (usize, usize) {
    if shape.contains(&0) {
        return (0, 0);
    }
    let (mut below, mut above) = (0, 0);
    for (&length, &stride) in shape.iter().zip(strides) {
        let reach = stride.unsigned_abs() as usize * (length - 1);
        *(if stride < 0 { &mut below } else { &mut above }) += reach;
    }
    (below + above + 1, below)
}

/// An ndarray that gives the bytes it spans.
struct SharedArray<T> {
    array: ArcArray<T, IxDyn>,
    first: usize,
    span: usize,
}

impl<T: Element> AsRef<[u8]> for SharedArray<T> {
    fn as_ref(&self) -> &[u8] {
        T::as_bytes(super::mmap::elements_of(&self.array, self.first, self.span))
    }
}

/// A vector that gives its bytes.
struct Elements<T>(Vec<T>);

impl<T: Element> AsRef<[u8]> for Elements<T> {
    fn as_ref(&self) -> &[u8] {
        T::as_bytes(&self.0)
    }
}

impl Source for MemorySource {
    fn facts(&self) -> &SourceFacts {
        &self.facts
    }

    fn index_map(&self) -> IndexMap {
        self.view.clone()
    }

    fn read(&self, region: &Region, out: &mut [u8]) -> Result<()> {
        check_read(&self.facts, region, out.len())?;
        let item = self.facts.dtype.size();
        out.copy_from_slice(&(*self.bytes).as_ref()[region.start[0] * item..region.end(0) * item]);
        Ok(())
    }

    fn window(&self, elements: Range<usize>) -> Result<Option<Window>> {
        let (start, end, count) = (elements.start, elements.end, self.facts.count());
        if start > end || end > count {
            return Err(Error::internal(format!("elements {start}..{end} of an array in memory, which has {count}")));
        }
        let item = self.facts.dtype.size();
        Ok(Some(Window::borrowed(Arc::clone(&self.bytes), start * item..end * item)))
    }
}

/// Collects an array in memory and hands it out once it is published. Several threads may write at once, and write boxes that
/// lie without gaps in place.
pub struct MemoryTarget {
    dtype: DType,
    shape: Vec<usize>,
    filling: Arc<Filling>,
    phase: Mutex<Phase>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Writing,
    Published,
}

impl MemoryTarget {
    /// An array of zeros, ready to be written.
    pub fn new(dtype: DType, shape: &[usize]) -> Result<Self> {
        let count = data_bytes(dtype, shape)? / dtype.size();
        let filling = dispatch!(dtype, T => Filling::new(zeros::<T>(count)?));
        Ok(MemoryTarget { dtype, shape: shape.to_vec(), filling, phase: Mutex::new(Phase::Writing) })
    }

    /// The memory of a box, to be written in place: C order, native byte order. `None` where it does not lie without gaps, and for
    /// `bool`, of which not every byte is one.
    pub fn lend(&self, region: &Region) -> Result<Option<Lent>> {
        check_write(self, region, region.count() * self.dtype.size())?;
        // All axes whole behind the first one that is a part, and one coordinate along those before it.
        let partial = (0..self.shape.len()).rev().find(|&axis| region.shape[axis] != self.shape[axis]).unwrap_or(0);
        if self.dtype == DType::Bool || region.is_empty() || region.shape[..partial].iter().any(|&length| length != 1) {
            return Ok(None);
        }
        let first: usize = region.start.iter().zip(c_strides(&self.shape)).map(|(&start, stride)| start * stride as usize).sum();
        self.filling.lend(self.bytes_of(&(first..first + region.count()))).map(Some)
    }

    fn bytes_of(&self, elements: &Range<usize>) -> Range<usize> {
        elements.start * self.dtype.size()..elements.end * self.dtype.size()
    }

    /// The published array, without a copy. Gives it once.
    pub fn take_array<T: Element>(&self) -> Result<ArrayD<T>> {
        if T::DTYPE != self.dtype {
            return Err(Error::mismatch(format!("the result is {}, not {} as asked", self.dtype, T::DTYPE)).hint(format!(
                "ask for {}, or cast: `astype(x, {})`",
                self.dtype,
                T::DTYPE
            )));
        }
        ArrayD::from_shape_vec(self.shape.clone(), self.take_elements::<T>()?).map_err(|error| Error::internal(error.to_string()))
    }

    /// The published array as a source, without a copy. Gives it once.
    pub fn take_source(&self) -> Result<MemorySource> {
        dispatch!(self.dtype, T => MemorySource::from_vec(&self.shape, self.take_elements::<T>()?))
    }

    fn take_elements<T: Element>(&self) -> Result<Vec<T>> {
        if *self.phase() == Phase::Writing {
            return Err(Error::internal("an array in memory was asked for before it was published"));
        }
        let elements = self.filling.take()?.downcast::<Vec<T>>();
        elements.map(|elements| *elements).map_err(|_| Error::internal("a collected array has another dtype than its target"))
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn zeros<T: Element>(count: usize) -> Result<Vec<T>> {
    let bytes = count * size_of::<T>();
    // Asked first, as running out of memory inside `vec!` would end the process.
    Vec::<T>::new().try_reserve_exact(count).map_err(|_| {
        Error::refused(format!("the result takes {bytes} bytes of memory, which the system does not give")).with_needed_bytes(bytes as u64)
    })?;
    Ok(vec![T::default(); count])
}

impl Target for MemoryTarget {
    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn name(&self) -> String {
        "memory".to_string()
    }

    fn write(&self, region: &Region, bytes: &[u8]) -> Result<()> {
        check_write(self, region, bytes.len())?;
        let item = self.dtype.size();
        for_each_run(&self.shape, region, |place, from, length| {
            let mut part = self.filling.lend(self.bytes_of(&(place..place + length)))?;
            let from = &bytes[from * item..(from + length) * item];
            if self.dtype == DType::Bool {
                part.bytes_mut().iter_mut().zip(from).for_each(|(to, from)| *to = u8::from(*from != 0));
            } else {
                part.bytes_mut().copy_from_slice(from);
            }
            part.finish();
            Ok(())
        })
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn publish(&self) -> Result<()> {
        let mut phase = self.phase();
        if *phase == Phase::Published {
            return Err(Error::internal("an array in memory is published twice"));
        }
        check_complete(self, self.filling.written() / self.dtype.size())?;
        *phase = Phase::Published;
        Ok(())
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
