//! What makes an array into numbers: eval, item, save, explain.

use super::{
    any::{AnyArray, wrong_dtype, wrong_rank},
    below::Sink,
    graph::{build, unbound},
    job::{Destination, Job, RunReport, plan_beside_results},
    node::Array,
    outputs::Save,
    phased::settle,
    phases::{Asked, run},
    session::Session,
    words::{Element, Region},
};
use crate::{
    error::{Error, Result},
    nd::shape::show,
    plan::Plan,
};
use ndarray::{ArrayViewMut, ArrayViewMutD, Dimension};
use std::{iter, path::Path};

impl Array {
    /// Computes the array as an ndarray of `T` with the axes of `D`. Another dtype is an error, never a cast.
    ///
    /// The result counts against the session's memory budget.
    pub fn eval<T: Element, D: Dimension>(&self) -> Result<ndarray::Array<T, D>> {
        let meta = self.known()?;
        if meta.dtype != T::DTYPE {
            return Err(wrong_dtype::<T>(meta.dtype));
        }
        if D::NDIM.is_some_and(|rank| rank != meta.rank()) {
            return Err(wrong_rank(D::NDIM, &meta.shape));
        }
        self.eval_any()?.into_ndarray()
    }

    /// Computes the array, whatever its dtype.
    pub fn eval_any(&self) -> Result<AnyArray> {
        let job = Job::new(&self.session()).output("result", self, Destination::Memory);
        job.run()?.arrays.pop().flatten().ok_or_else(|| Error::internal("a job lost its result"))
    }

    /// Computes an array of one element.
    pub fn item<T: Element>(&self) -> Result<T> {
        let meta = self.known()?;
        if meta.dtype != T::DTYPE {
            return Err(wrong_dtype::<T>(meta.dtype));
        }
        if let Some(shape) = meta.known_shape().filter(|shape| shape.iter().product::<usize>() != 1) {
            return Err(Error::mismatch(format!("item takes an array of one element, this one has shape {}", show(&shape))));
        }
        let array = self.eval_any()?;
        array.as_slice::<T>()?.first().copied().ok_or_else(|| Error::mismatch("item takes an array of one element, this one has none"))
    }

    /// Computes the array into `out`, which has its shape; any strides.
    pub fn eval_into<T: Element, D: Dimension>(&self, mut out: ArrayViewMut<'_, T, D>) -> Result<()> {
        let session = self.session();
        let mut work = build(&[self], &unbound)?;
        settle(&session, &mut work, session.limits())?;
        let node = work.graph.node(work.roots[0]);
        let shape = crate::expr::graph::require_known(node)?;
        if node.dtype() != T::DTYPE {
            return Err(wrong_dtype::<T>(node.dtype()));
        }
        if shape != out.shape() {
            return Err(Error::mismatch(format!("the array has shape {}, the place for it {}", show(&shape), show(out.shape()))));
        }
        let asked = Asked::one();
        let plan = plan_beside_results(&asked, &work, session.limits(), iter::empty())?;
        let mut view = out.view_mut().into_dyn();
        let mut place = |region: &Region, bytes: &[u8]| {
            place_in_view(&mut view, region, bytes);
            Ok(())
        };
        run(&session, &plan, &work, vec![Sink::Caller(&mut place)])?;
        Ok(())
    }

    /// Computes the array into a file; its extension is the format. An existing file is an error.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<RunReport> {
        self.session().save_all([(self, path)], Save::new())
    }

    /// The plan of this array in words.
    pub fn explain(&self) -> Result<String> {
        self.session().explain([self])
    }
}

fn place_in_view<T: Element>(view: &mut ArrayViewMutD<'_, T>, region: &Region, bytes: &[u8]) {
    let mut part = view.slice_each_axis_mut(|axis| {
        let axis = axis.axis.index();
        ndarray::Slice::from(region.start[axis]..region.end(axis))
    });
    if let Some(elements) = part.as_slice_mut() {
        T::write_bytes(elements, bytes);
    } else {
        part.iter_mut().zip(bytes.chunks_exact(size_of::<T>())).for_each(|(to, from)| *to = T::from_bytes(from));
    }
}

impl Session {
    /// Computes arrays into files, planned together: passes over shared sources are shared. All are published, or none.
    pub fn save_all<'a, P: AsRef<Path>>(&self, outputs: impl IntoIterator<Item = (&'a Array, P)>, save: Save) -> Result<RunReport> {
        let mut job = Job::new(self).save(save);
        for (array, path) in outputs {
            let path = path.as_ref().to_path_buf();
            job = job.output(path.display().to_string(), array, Destination::Path(path));
        }
        Ok(job.run()?.report)
    }

    /// Computes several arrays together.
    pub fn eval_all<'a>(&self, arrays: impl IntoIterator<Item = &'a Array>) -> Result<Vec<AnyArray>> {
        Ok(self.in_memory(arrays).run()?.arrays.into_iter().flatten().collect())
    }

    /// The plan of arrays that are computed together.
    pub fn plan<'a>(&self, arrays: impl IntoIterator<Item = &'a Array>) -> Result<Plan> {
        self.in_memory(arrays).plan()
    }

    /// The plan of arrays that are computed together, in words.
    pub fn explain<'a>(&self, arrays: impl IntoIterator<Item = &'a Array>) -> Result<String> {
        self.in_memory(arrays).explain()
    }

    fn in_memory<'a>(&self, arrays: impl IntoIterator<Item = &'a Array>) -> Job {
        let mut job = Job::new(self);
        for (index, array) in arrays.into_iter().enumerate() {
            job = job.output(format!("result {index}"), array, Destination::Memory);
        }
        job
    }
}
