//! [`Writer`]: an output that the caller fills by hand, region by region, from any thread.

use super::{
    below::{OutputMode, ZarrOptions},
    movement::slice_item,
    outputs::create_at,
    session::Session,
    words::{Element, Region},
};
use crate::{
    error::{Error, Result},
    nd::{
        Coverage,
        shape::{element_count, show},
        slice::{AxisSlice, resolve},
    },
    store::Target,
};
use ndarray::{ArrayView, ArrayViewD, Axis, Dimension, SliceInfoElem};
use std::{
    fmt,
    marker::PhantomData,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// Bytes that a view which is not in C order is copied by.
const COPY_BYTES: usize = 1 << 20;

/// An array in a file that is being written by hand. Nothing stands under its name before [`Writer::finish`]; dropped before, it leaves
/// nothing.
pub struct Writer<T> {
    target: Arc<dyn Target>,
    state: Mutex<State>,
    element: PhantomData<fn(T)>,
}

#[derive(Default)]
struct State {
    coverage: Coverage,
    /// A region whose bytes did not arrive; the array can never be complete.
    failed: Option<Region>,
}

impl Session {
    /// Starts an array in a file; its extension is the format. Its room is reserved. An existing file is an error.
    pub fn create<T: Element>(&self, path: impl AsRef<Path>, shape: impl AsRef<[usize]>) -> Result<Writer<T>> {
        element_count(shape.as_ref(), size_of::<T>())?;
        let target = create_at(path.as_ref(), T::DTYPE, shape.as_ref(), OutputMode::CreateNew, &ZarrOptions::default())?;
        Ok(Writer { target, state: Mutex::default(), element: PhantomData })
    }
}

impl<T: Element> Writer<T> {
    /// Shape of the array.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.target.shape()
    }

    /// Writes `values` where `index` (ndarray's `s!`, steps of 1) says. Writing an element twice is an error.
    pub fn write<D: Dimension>(&self, index: impl AsRef<[SliceInfoElem]>, values: ArrayView<'_, T, D>) -> Result<()> {
        let (region, values) = self.region_of(index.as_ref(), values.into_dyn())?;
        self.check_chunks(&region)?;
        if let Err(there) = self.lock().coverage.add(region.clone()) {
            return Err(Error::usage(format!("region {region} of {} overlaps {there}, which is written already", self.target.name())));
        }
        let written = self.write_pieces(&region, &values);
        if written.is_err() {
            self.lock().failed.get_or_insert(region);
        }
        written
    }

    /// Publishes the array. An error that names the first missing region if there is one.
    pub fn finish(self) -> Result<()> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let name = self.target.name();
        if let Some(region) = &state.failed {
            return Err(Error::output(format!("{name} is incomplete: writing region {region} failed")));
        }
        if let Some(region) = state.coverage.first_missing(self.target.shape()) {
            return Err(Error::output(format!("{name} is incomplete: region {region} was never written")));
        }
        self.target.sync()?;
        self.target.publish()
    }

    /// The box that `index` names, and `values` with all its axes.
    fn region_of<'a>(&self, index: &[SliceInfoElem], mut values: ArrayViewD<'a, T>) -> Result<(Region, ArrayViewD<'a, T>)> {
        let items: Vec<_> = index.iter().map(slice_item).collect();
        let given = values.shape().to_vec();
        let mut region = Region::default();
        for slot in resolve(&items, self.target.shape())? {
            let (start, length) = match slot {
                AxisSlice::Range { start, step: 1, length } => (start, length),
                AxisSlice::Fixed(place) => {
                    let axis = region.rank();
                    if axis > values.ndim() {
                        return Err(self.misfit(&given, &region.shape));
                    }
                    values = values.insert_axis(Axis(axis));
                    (place, 1)
                }
                AxisSlice::Range { step, .. } => return Err(Error::usage(format!("a region is written with step 1, not {step}"))),
                AxisSlice::New => return Err(Error::usage("a region that is written has no new axes")),
            };
            region.start.push(if length == 0 { 0 } else { start });
            region.shape.push(length);
        }
        if values.shape() != region.shape {
            return Err(self.misfit(&given, &region.shape));
        }
        Ok((region, values))
    }

    /// A chunk is encoded as a whole, so a region may not cut one.
    fn check_chunks(&self, region: &Region) -> Result<()> {
        let Some(chunk) = self.target.chunk() else { return Ok(()) };
        let shape = self.target.shape();
        let cuts = |axis: usize| {
            let (start, end) = (region.start[axis], region.end(axis));
            !start.is_multiple_of(chunk[axis]) || !(end.is_multiple_of(chunk[axis]) || end == shape[axis])
        };
        match (0..region.rank()).find(|&axis| !region.is_empty() && cuts(axis)) {
            None => Ok(()),
            Some(axis) => Err(Error::usage(format!("region {region} of {} cuts chunks of {}", self.target.name(), show(chunk)))
                .hint(format!("on axis {axis} begin and end at multiples of {} or at the end", chunk[axis]))),
        }
    }

    fn misfit(&self, given: &[usize], region: &[usize]) -> Error {
        Error::mismatch(format!("values of shape {} for a region of shape {} of {}", show(given), show(region), self.target.name()))
    }

    fn write_pieces(&self, region: &Region, values: &ArrayViewD<'_, T>) -> Result<()> {
        if region.is_empty() {
            return Ok(());
        }
        if let Some(elements) = values.as_slice() {
            return self.target.write(region, T::as_bytes(elements));
        }
        // Another order: a few rows at a time are brought into C order.
        let row_bytes = values.len() / values.shape()[0] * size_of::<T>();
        // Whole chunks, where there are such; the region begins with one.
        let chunk_rows = self.target.chunk().map_or(1, |chunk| chunk[0]);
        let rows = (COPY_BYTES / row_bytes.max(1)).max(1).next_multiple_of(chunk_rows);
        for (index, piece) in values.axis_chunks_iter(Axis(0), rows).enumerate() {
            let mut part = region.clone();
            part.start[0] += index * rows;
            part.shape[0] = piece.shape()[0];
            let elements: Vec<T> = piece.iter().copied().collect();
            self.target.write(&part, T::as_bytes(&elements))?;
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Writer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({} {} {})", self.target.name(), self.target.dtype(), show(self.target.shape()))
    }
}
