//! User functions on blocks with their neighbours: [`Array::map_overlap`].

use super::{
    axes::AxisRef,
    below::BlockFunction,
    function::{BlockCode, BoxError},
    gather::Pad,
    node::Array,
    words::Element,
};
use crate::{
    error::{Error, Result},
    expr::{FunctionFacts, FunctionRole},
};
use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, IxDyn};
use std::{marker::PhantomData, sync::Arc};

/// What the planner must know of a function that sees neighbours.
#[derive(Clone, Debug)]
pub struct OverlapSpec {
    name: String,
    depths: Vec<(AxisRef, usize, usize)>,
    boundary: Option<Pad>,
    scratch_bytes: u64,
}

impl OverlapSpec {
    /// A function called `name`, best with a version (`blur/1`): the same name must always mean the same function.
    #[must_use]
    pub fn named(name: impl Into<String>) -> OverlapSpec {
        OverlapSpec { name: name.into(), depths: Vec::new(), boundary: None, scratch_bytes: 0 }
    }

    /// Along `axis` the function sees so many neighbours before and after its block.
    #[must_use]
    pub fn depth(mut self, axis: impl Into<AxisRef>, before: usize, after: usize) -> OverlapSpec {
        self.depths.push((axis.into(), before, after));
        self
    }

    /// What lies beyond the ends of the array. Without it there are results only where all neighbours exist.
    #[must_use]
    pub fn boundary(mut self, boundary: Pad) -> OverlapSpec {
        self.boundary = Some(boundary);
        self
    }

    /// Memory that one call of the function allocates, in bytes; it counts against the budget.
    #[must_use]
    pub fn scratch_bytes(mut self, bytes: u64) -> OverlapSpec {
        self.scratch_bytes = bytes;
        self
    }
}

impl Array {
    /// `function` of every block with its neighbours: it gets a block that is longer by the depths of `spec`, and fills a block without.
    ///
    /// Blocks have any shape, and the function must not depend on where they end; neighbours of neighbouring blocks are read again, or
    /// computed again where the array is computed. It may run on several threads at once. An error it returns ends the job and can be
    /// downcast again.
    ///
    /// ```
    /// use outcore::{OverlapSpec, Pad, Session};
    /// let x = Session::default_session().from_ndarray(ndarray::array![1f32, 2.0, 6.0, 4.0]);
    /// let spec = OverlapSpec::named("middle/1").depth(0, 1, 1).boundary(Pad::Edge);
    /// let largest = x.map_overlap::<f32, f32>(spec, |block, mut out| {
    ///     for (place, out) in out.iter_mut().enumerate() {
    ///         *out = block[place].max(block[place + 1]).max(block[place + 2]);
    ///     }
    ///     Ok(())
    /// });
    /// assert_eq!(largest.eval::<f32, _>()?, ndarray::array![2.0, 6.0, 6.0, 6.0]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn map_overlap<In: Element, Out: Element>(
        &self,
        spec: OverlapSpec,
        function: impl Fn(ArrayViewD<'_, In>, ArrayViewMutD<'_, Out>) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Array {
        let made = self.overlapping(&spec).and_then(|(wide, extra)| {
            let facts = FunctionFacts {
                name: spec.name.clone(),
                input: In::DTYPE,
                output: Out::DTYPE,
                whole: Vec::new(),
                scratch_bytes: spec.scratch_bytes,
                role: FunctionRole::Overlap { extra: extra.clone() },
            };
            let code = Arc::new(Overlapping { name: spec.name.clone(), extra, function, types: PhantomData::<fn(In) -> Out> });
            wide.make_mapped(Arc::new(BlockCode { facts, code }))
        });
        self.then(made)
    }

    /// The array with the border that `spec` asks for, and the neighbours of a block along every axis.
    fn overlapping(&self, spec: &OverlapSpec) -> Result<(Array, Vec<usize>)> {
        if spec.name.is_empty() {
            return Err(Error::usage("a block function needs a name"));
        }
        let mut widths = vec![(0, 0); self.rank()?];
        for (axis, before, after) in &spec.depths {
            widths[self.axis_of(axis)?] = (*before, *after);
        }
        let extra = widths.iter().map(|(before, after)| before + after).collect();
        let wide = match spec.boundary {
            Some(boundary) if widths.iter().any(|width| *width != (0, 0)) => self.pad(&widths, boundary).checked()?,
            _ => self.clone(),
        };
        Ok((wide, extra))
    }
}

/// Gives a closure on typed views the shape of a function on bytes.
struct Overlapping<F, In, Out> {
    name: String,
    extra: Vec<usize>,
    function: F,
    types: PhantomData<fn(In) -> Out>,
}

impl<F, In: Element, Out: Element> BlockFunction for Overlapping<F, In, Out>
where
    F: Fn(ArrayViewD<'_, In>, ArrayViewMutD<'_, Out>) -> Result<(), BoxError> + Send + Sync,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, _start: &[usize], shape: &[usize], input: &[u8], output: &mut [u8]) -> Result<()> {
        let wide: Vec<usize> = shape.iter().zip(&self.extra).map(|(length, extra)| length + extra).collect();
        let mut elements = vec![In::default(); wide.iter().product()];
        In::write_bytes(&mut elements, input);
        let block = ArrayViewD::from_shape(IxDyn(&wide), &elements)
            .map_err(|error| Error::internal(format!("block of `{}`: {error}", self.name)))?;
        let mut result = ArrayD::<Out>::default(IxDyn(shape));
        (self.function)(block, result.view_mut()).map_err(|error| Error::closure(&self.name, error))?;
        let filled = result.as_slice().ok_or_else(|| Error::internal("a fresh array is contiguous"))?;
        output.copy_from_slice(Out::as_bytes(filled));
        Ok(())
    }
}
