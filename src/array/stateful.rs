//! User code with a state: [`Array::scan_with`] and [`Array::reduce_with`].

use super::{
    axes::{AxisRef, places},
    below::{BlockFold, BlockFunction, LineScan, ScanBlock},
    function::{BlockCode, BoxError},
    node::Array,
    words::Element,
};
use crate::{
    error::{Error, Result},
    expr::{FunctionFacts, FunctionRole},
};
use ndarray::{ArrayD, ArrayView1, ArrayViewD, ArrayViewMut1, ArrayViewMutD, IxDyn};
use std::{
    any::Any,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// What the planner must know of user code that keeps a state.
#[derive(Clone, Debug)]
pub struct StateSpec {
    name: String,
    heap_bytes: u64,
    shape: Vec<usize>,
    whole: Vec<AxisRef>,
}

impl StateSpec {
    /// Code called `name`, best with a version (`ewma/1`): the same name must always mean the same code.
    #[must_use]
    pub fn named(name: impl Into<String>) -> StateSpec {
        StateSpec { name: name.into(), heap_bytes: 0, shape: Vec::new(), whole: Vec::new() }
    }

    /// Memory that one state holds besides the value itself, in bytes; it counts against the budget.
    #[must_use]
    pub fn heap_bytes(mut self, bytes: u64) -> StateSpec {
        self.heap_bytes = bytes;
        self
    }

    /// Shape of what a reduction gives; none is a 0-d array.
    #[must_use]
    pub fn shape(mut self, shape: impl Into<Vec<usize>>) -> StateSpec {
        self.shape = shape.into();
        self
    }

    /// Every block of a reduction has `axis` whole, so that rows of a matrix, for example, are never cut.
    #[must_use]
    pub fn whole(mut self, axis: impl Into<AxisRef>) -> StateSpec {
        self.whole.push(axis.into());
        self
    }

    fn facts<In: Element, Out: Element>(&self, role: FunctionRole) -> Result<FunctionFacts> {
        if self.name.is_empty() {
            return Err(Error::usage("code that keeps a state needs a name"));
        }
        Ok(FunctionFacts { name: self.name.clone(), input: In::DTYPE, output: Out::DTYPE, whole: Vec::new(), scratch_bytes: 0, role })
    }

    fn state_bytes<S>(&self) -> u64 {
        self.heap_bytes.saturating_add(size_of::<S>() as u64)
    }
}

impl Array {
    /// A scan along an axis by your own code: every line has a state that `start` makes; `step` gets it with the next elements of the
    /// line, in order, and fills as many results.
    ///
    /// Lines are cut anywhere, and `step` must not depend on where. Only the states are kept between pieces; declare with
    /// [`StateSpec::heap_bytes`] what they hold. An error that `step` returns ends the job and can be downcast again.
    ///
    /// ```
    /// use outcore::{Session, StateSpec};
    /// let x = Session::default_session().from_ndarray(ndarray::array![1f64, 2.0, 3.0, 6.0]);
    /// // Every result is the mean of the element and the result before.
    /// let smooth = x.scan_with::<f64, f64, f64>(StateSpec::named("smooth/1"), 0, || 0.0, |last, line, mut out| {
    ///     for (value, out) in line.iter().zip(&mut out) {
    ///         *last = (*last + value) / 2.0;
    ///         *out = *last;
    ///     }
    ///     Ok(())
    /// });
    /// assert_eq!(smooth.eval::<f64, _>()?, ndarray::array![0.5, 1.25, 2.125, 4.0625]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn scan_with<In: Element, Out: Element, S: Send + 'static>(
        &self,
        spec: StateSpec,
        axis: impl Into<AxisRef>,
        start: impl Fn() -> S + Send + Sync + 'static,
        step: impl Fn(&mut S, ArrayView1<'_, In>, ArrayViewMut1<'_, Out>) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Array {
        let axis = axis.into();
        let made = self.axis_of(&axis).and_then(|axis| {
            let facts = spec.facts::<In, Out>(FunctionRole::Scan { axis, state_bytes: spec.state_bytes::<Option<S>>() })?;
            let code = Arc::new(Scanning { name: spec.name.clone(), start, step, types: PhantomData::<fn(In, S) -> Out> });
            self.make_mapped(Arc::new(BlockCode { facts, code: Arc::new(Scans(code)) }))
        });
        self.then(made)
    }

    /// A reduction of all elements by your own code: `take` takes a block into a state that `start` made, `merge` takes another state
    /// into one, `finish` turns the last one into the result, of the shape that [`StateSpec::shape`] says.
    ///
    /// Blocks have any shape, except that axes given to [`StateSpec::whole`] are never cut. Each run of blocks has a state of its own, and states are merged in the order of the runs: the result may
    /// depend on where blocks end, never on threads.
    ///
    /// ```
    /// use outcore::{Session, StateSpec};
    /// let x = Session::default_session().from_ndarray(ndarray::array![3f32, 1.0, 2.0]);
    /// let spread = x.reduce_with::<f32, f32, (f32, f32)>(
    ///     StateSpec::named("spread/1"),
    ///     || (f32::INFINITY, f32::NEG_INFINITY),
    ///     |state, block| {
    ///         block.iter().for_each(|&value| *state = (state.0.min(value), state.1.max(value)));
    ///         Ok(())
    ///     },
    ///     |state, other| *state = (state.0.min(other.0), state.1.max(other.1)),
    ///     |state, mut out| {
    ///         out.fill(state.1 - state.0);
    ///         Ok(())
    ///     },
    /// );
    /// assert_eq!(spread.eval::<f32, ndarray::Ix0>()?.into_scalar(), 2.0);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn reduce_with<In: Element, Out: Element, S: Send + 'static>(
        &self,
        spec: StateSpec,
        start: impl Fn() -> S + Send + Sync + 'static,
        take: impl Fn(&mut S, ArrayViewD<'_, In>) -> Result<(), BoxError> + Send + Sync + 'static,
        merge: impl Fn(&mut S, S) + Send + Sync + 'static,
        finish: impl Fn(S, ArrayViewMutD<'_, Out>) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Array {
        let made = self.known().and_then(|meta| {
            let role = FunctionRole::Fold { state_bytes: spec.state_bytes::<S>(), shape: spec.shape.clone() };
            let facts = FunctionFacts { whole: places(Some(&spec.whole), &meta.dims)?, ..spec.facts::<In, Out>(role)? };
            let (name, shape) = (spec.name.clone(), spec.shape.clone());
            let code = Folding { name, shape, start, take, merge, finish, types: PhantomData::<fn(In, S) -> Out> };
            self.make_mapped(Arc::new(BlockCode { facts, code: Arc::new(Folds(Arc::new(code))) }))
        });
        self.then(made)
    }
}

/// Calls user code; a panic or an error in it names it.
fn guarded(name: &str, call: impl FnOnce() -> Result<(), BoxError>) -> Result<()> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| Error::closure(name, error)),
        Err(payload) => {
            let text = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            Err(Error::closure(name, format!("panicked: {}", text.unwrap_or("no message")).into()))
        }
    }
}

struct Scanning<Start, Step, In, Out, S> {
    name: String,
    start: Start,
    step: Step,
    types: PhantomData<fn(In, S) -> Out>,
}

struct Scans<T>(Arc<T>);

impl<Start, Step, In: Element, Out: Element, S: Send + 'static> BlockFunction for Scans<Scanning<Start, Step, In, Out, S>>
where
    Start: Fn() -> S + Send + Sync + 'static,
    Step: Fn(&mut S, ArrayView1<'_, In>, ArrayViewMut1<'_, Out>) -> Result<(), BoxError> + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        &self.0.name
    }

    fn scan(&self, lines: usize) -> Option<Box<dyn LineScan>> {
        let mut states = Vec::new();
        states.resize_with(lines, || None);
        Some(Box::new(Lines { code: Arc::clone(&self.0), states }))
    }
}

/// The states of a number of lines; none where a line has not begun.
struct Lines<T, S> {
    code: Arc<T>,
    states: Vec<Option<S>>,
}

impl<Start, Step, In: Element, Out: Element, S: Send> LineScan for Lines<Scanning<Start, Step, In, Out, S>, S>
where
    Start: Fn() -> S + Send + Sync,
    Step: Fn(&mut S, ArrayView1<'_, In>, ArrayViewMut1<'_, Out>) -> Result<(), BoxError> + Send + Sync,
{
    fn reset(&mut self) {
        self.states.fill_with(|| None);
    }

    fn advance(&mut self, block: &ScanBlock<'_>, input: &[u8], output: &mut [u8]) -> Result<()> {
        let Scanning { name, start, step, .. } = &*self.code;
        let (count, stride) = (block.shape[block.axis], block.shape[block.axis + 1..].iter().product::<usize>());
        let (mut taken, mut given) = (vec![In::default(); count], vec![Out::default(); count]);
        let mut bytes = vec![0; count * size_of::<In>()];
        for first in (0..block.shape.iter().product()).filter(|place| place / stride % count == 0) {
            for (row, cell) in bytes.chunks_exact_mut(size_of::<In>()).enumerate() {
                cell.copy_from_slice(&input[(first + row * stride) * size_of::<In>()..][..size_of::<In>()]);
            }
            In::write_bytes(&mut taken, &bytes);
            let state = self.states[line_of(block, first)].get_or_insert_with(start);
            guarded(name, || step(state, ArrayView1::from(&taken), ArrayViewMut1::from(&mut given)))?;
            for (row, cell) in Out::as_bytes(&given).chunks_exact(size_of::<Out>()).enumerate() {
                output[(first + row * stride) * size_of::<Out>()..][..size_of::<Out>()].copy_from_slice(cell);
            }
        }
        Ok(())
    }
}

/// The line of an element of a block.
fn line_of(block: &ScanBlock<'_>, place: usize) -> usize {
    let (mut rest, mut line) = (place, block.base as i64);
    for (length, step) in block.shape.iter().zip(block.steps).rev() {
        line += (rest % length) as i64 * step;
        rest /= length;
    }
    line as usize
}

struct Folding<Start, Take, Merge, Finish, In, Out, S> {
    name: String,
    shape: Vec<usize>,
    start: Start,
    take: Take,
    merge: Merge,
    finish: Finish,
    types: PhantomData<fn(In, S) -> Out>,
}

struct Folds<T>(Arc<T>);

/// One state.
struct Part<T, S> {
    code: Arc<T>,
    state: S,
}

impl<Start, Take, Merge, Finish, In: Element, Out: Element, S: Send + 'static> BlockFunction
    for Folds<Folding<Start, Take, Merge, Finish, In, Out, S>>
where
    Start: Fn() -> S + Send + Sync + 'static,
    Take: Fn(&mut S, ArrayViewD<'_, In>) -> Result<(), BoxError> + Send + Sync + 'static,
    Merge: Fn(&mut S, S) + Send + Sync + 'static,
    Finish: Fn(S, ArrayViewMutD<'_, Out>) -> Result<(), BoxError> + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        &self.0.name
    }

    fn fold(&self) -> Option<Box<dyn BlockFold>> {
        Some(Box::new(Part { code: Arc::clone(&self.0), state: (self.0.start)() }))
    }
}

impl<Start, Take, Merge, Finish, In: Element, Out: Element, S: Send + 'static> BlockFold
    for Part<Folding<Start, Take, Merge, Finish, In, Out, S>, S>
where
    Start: Send + Sync + 'static,
    Take: Fn(&mut S, ArrayViewD<'_, In>) -> Result<(), BoxError> + Send + Sync + 'static,
    Merge: Fn(&mut S, S) + Send + Sync + 'static,
    Finish: Fn(S, ArrayViewMutD<'_, Out>) -> Result<(), BoxError> + Send + Sync + 'static,
{
    fn take(&mut self, _start: &[usize], shape: &[usize], input: &[u8]) -> Result<()> {
        let Part { code, state } = self;
        let mut elements = vec![In::default(); shape.iter().product()];
        In::write_bytes(&mut elements, input);
        let block = ArrayViewD::from_shape(IxDyn(shape), &elements)
            .map_err(|error| Error::internal(format!("block of `{}`: {error}", code.name)))?;
        guarded(&code.name, || (code.take)(state, block))
    }

    fn merge(&mut self, other: Box<dyn BlockFold>) -> Result<()> {
        let Part { code, state } = self;
        let other = other.taken::<S>()?;
        guarded(&code.name, || {
            (code.merge)(state, *other);
            Ok(())
        })
    }

    fn into_state(self: Box<Self>) -> Box<dyn Any + Send> {
        Box::new(self.state)
    }

    fn finish(self: Box<Self>, out: &mut [u8]) -> Result<()> {
        let Part { code, state } = *self;
        let mut result = ArrayD::<Out>::default(IxDyn(&code.shape));
        guarded(&code.name, || (code.finish)(state, result.view_mut()))?;
        let filled = result.as_slice().ok_or_else(|| Error::internal("a fresh array is contiguous"))?;
        out.copy_from_slice(Out::as_bytes(filled));
        Ok(())
    }
}
