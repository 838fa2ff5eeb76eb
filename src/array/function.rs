//! User functions on blocks: [`Array::map_blocks`].

use super::{
    axes::{AxisRef, places},
    below::BlockFunction,
    node::Array,
    words::Element,
};
use crate::{
    error::{Error, Result},
    expr::{FunctionFacts, FunctionRole},
};
use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, IxDyn};
use std::{marker::PhantomData, sync::Arc};

/// What user code may fail with; [`Error::downcast_ref`] finds it again.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What the planner must know of a block function before it runs.
#[derive(Clone, Debug)]
pub struct MapSpec {
    name: String,
    whole: Vec<AxisRef>,
    scratch_bytes: u64,
}

impl MapSpec {
    /// A function called `name`, best with a version (`soft/1`): the same name must always mean the same function.
    #[must_use]
    pub fn named(name: impl Into<String>) -> MapSpec {
        MapSpec { name: name.into(), whole: Vec::new(), scratch_bytes: 0 }
    }

    /// Every block has `axis` whole: the function needs all its elements at once.
    #[must_use]
    pub fn whole(mut self, axis: impl Into<AxisRef>) -> MapSpec {
        self.whole.push(axis.into());
        self
    }

    /// Memory that one call of the function allocates, in bytes; it counts against the budget.
    #[must_use]
    pub fn scratch_bytes(mut self, bytes: u64) -> MapSpec {
        self.scratch_bytes = bytes;
        self
    }
}

/// A block function with its facts, as an [`Array`] holds it.
pub(super) struct BlockCode {
    pub facts: FunctionFacts,
    pub code: Arc<dyn BlockFunction>,
}

impl Array {
    /// `function` of every block: it gets the block's elements and fills a block of the same shape.
    ///
    /// Blocks have any shape, except that axes given to [`MapSpec::whole`] are never cut; the function must not depend on where blocks end.
    /// It may run on several threads at once, and more than once for a block. An error it returns ends the job and can be downcast again.
    ///
    /// ```
    /// use outcore::{MapSpec, Session};
    /// let x = Session::builder().build()?.from_ndarray(ndarray::array![0f32, 1.0]);
    /// let y = x.map_blocks::<f32, f32>(MapSpec::named("tanh/1"), |block, mut out| {
    ///     out.zip_mut_with(&block, |to, from| *to = from.tanh());
    ///     Ok(())
    /// });
    /// assert_eq!(y.shape()?, [2]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn map_blocks<In: Element, Out: Element>(
        &self,
        spec: MapSpec,
        function: impl Fn(ArrayViewD<'_, In>, ArrayViewMutD<'_, Out>) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Array {
        let made = self.known().and_then(|meta| {
            if spec.name.is_empty() {
                return Err(Error::usage("a block function needs a name"));
            }
            let whole = places(Some(&spec.whole), &meta.dims)?;
            // Two arrays are the function and its block in the types it is called with.
            let facts = FunctionFacts {
                name: spec.name.clone(),
                input: In::DTYPE,
                output: Out::DTYPE,
                whole,
                scratch_bytes: spec.scratch_bytes,
                role: FunctionRole::Map,
            };
            let code = Arc::new(Typed { name: spec.name, function, types: PhantomData::<fn(In) -> Out> });
            self.make_mapped(Arc::new(BlockCode { facts, code }))
        });
        self.then(made)
    }
}

/// Gives a closure on typed views the shape of a function on bytes.
struct Typed<F, In, Out> {
    name: String,
    function: F,
    types: PhantomData<fn(In) -> Out>,
}

impl<F, In: Element, Out: Element> BlockFunction for Typed<F, In, Out>
where
    F: Fn(ArrayViewD<'_, In>, ArrayViewMutD<'_, Out>) -> Result<(), BoxError> + Send + Sync,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn call(&self, _start: &[usize], shape: &[usize], input: &[u8], output: &mut [u8]) -> Result<()> {
        let count: usize = shape.iter().product();
        // Bytes carry no alignment and no promise about bools, so the block is copied; it lies in the cache.
        let mut elements = vec![In::default(); count];
        In::write_bytes(&mut elements, input);
        let mut result = ArrayD::<Out>::default(IxDyn(shape));
        let block = ArrayViewD::from_shape(IxDyn(shape), &elements)
            .map_err(|error| Error::internal(format!("block of `{}`: {error}", self.name)))?;
        (self.function)(block, result.view_mut()).map_err(|error| Error::closure(&self.name, error))?;
        let filled = result.as_slice().ok_or_else(|| Error::internal("a fresh array is contiguous"))?;
        output.copy_from_slice(Out::as_bytes(filled));
        Ok(())
    }
}
