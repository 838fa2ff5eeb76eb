//! [`Compiled`]: plan once, run often.

use super::{
    any::AnyArray,
    below::{Bindings, PreparedPlan, Sink, execute_prepared, prepare},
    create::source_in_c_order,
    graph::{Work, build, inputs_of},
    job::{ResultShape, memory_for, plan_beside_results},
    node::{Array, Input},
    phased::{settle, settle_local, waits_for_phases},
    phases::{Asked, control, run},
    session::Session,
    words::Element,
};
use crate::{
    error::{Error, Result},
    expr::graph::require_known,
    nd::SourceFacts,
    plan::Plan,
    store::Source,
};
use ndarray::{ArrayBase, DataOwned, Dimension};
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Plans kept, one for every combination of shapes that was bound. A loop over batches needs two: the full batch and the last.
const PLANS_MAX: usize = 64;

/// Arrays with inputs, planned once for every combination of shapes and run any number of times.
pub struct Compiled {
    session: Session,
    outputs: Vec<Array>,
    inputs: Vec<Arc<Input>>,
    plans: Mutex<HashMap<Vec<SourceFacts>, Arc<Ready>>>,
}

/// An array that is bound to an input.
#[derive(Clone)]
pub struct Bound(Arc<dyn Source>);

impl<S, D> From<ArrayBase<S, D>> for Bound
where
    S: DataOwned,
    S::Elem: Element,
    D: Dimension,
{
    fn from(array: ArrayBase<S, D>) -> Bound {
        Bound(source_in_c_order(array))
    }
}
impl From<Arc<dyn Source>> for Bound {
    fn from(source: Arc<dyn Source>) -> Bound {
        Bound(source)
    }
}
impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.0.facts();
        write!(f, "Bound({} {})", facts.dtype, crate::nd::shape::show(&facts.shape))
    }
}

/// A plan for inputs of certain shapes.
struct Ready {
    work: Work,
    /// Place among the sources of every input, in the order of [`Compiled::inputs`]; `None` if nothing reads it.
    places: Vec<Option<usize>>,
    prepared: Arc<PreparedPlan>,
    results: Vec<ResultShape>,
}

impl Session {
    /// Prepares arrays, usually made from [`Session::input`]s, to be computed many times.
    pub fn compile<'a>(&self, arrays: impl IntoIterator<Item = &'a Array>) -> Result<Compiled> {
        let outputs: Vec<Array> = arrays.into_iter().cloned().collect();
        if let Some(error) = outputs.iter().find_map(Array::error) {
            return Err(error);
        }
        let inputs = inputs_of(&outputs)?;
        let compiled = Compiled { session: self.clone(), outputs, inputs, plans: Mutex::default() };
        if compiled.inputs.is_empty() {
            compiled.ready(&[])?;
        }
        Ok(compiled)
    }
}

impl Compiled {
    /// Names of the inputs.
    #[must_use]
    pub fn inputs(&self) -> Vec<&str> {
        self.inputs.iter().map(|input| input.name.as_str()).collect()
    }

    /// Computes the arrays with `inputs` in their places: `let [y] = compiled.run([("x", x.into())])?`.
    ///
    /// The first run with inputs of new shapes plans; later ones do not.
    pub fn run<const INPUTS: usize, const OUTPUTS: usize>(&self, inputs: [(&str, Bound); INPUTS]) -> Result<[AnyArray; OUTPUTS]> {
        let computed = self.run_all(&inputs)?;
        let there = computed.len();
        computed.try_into().map_err(|_| Error::usage(format!("{there} arrays were compiled, {OUTPUTS} are taken")))
    }

    /// [`Compiled::run`] for numbers of inputs and outputs that are not known when the program is written.
    pub fn run_all(&self, inputs: &[(&str, Bound)]) -> Result<Vec<AnyArray>> {
        let sources = self.sources(inputs)?;
        match self.ready(&sources)? {
            Some(ready) => self.run_ready(&ready, &sources),
            None => self.run_phases(&sources),
        }
    }

    /// The arrays of all inputs, in their order.
    fn sources(&self, given: &[(&str, Bound)]) -> Result<Vec<Arc<dyn Source>>> {
        if let Some((name, _)) = given.iter().find(|(name, _)| !self.inputs.iter().any(|input| input.name == *name)) {
            return Err(Error::usage(format!("no input is called `{name}`")).hint(format!("the inputs are {}", self.inputs().join(", "))));
        }
        let find = |input: &Arc<Input>| {
            let mut found = given.iter().filter(|(name, _)| *name == input.name);
            match (found.next(), found.next()) {
                (Some((_, bound)), None) => Ok(bound.0.clone()),
                (None, _) => Err(Error::usage(format!("input `{}` has no array", input.name))),
                _ => Err(Error::usage(format!("input `{}` is given twice", input.name))),
            }
        };
        self.inputs.iter().map(find).collect()
    }

    /// The plan for `sources`; `None` if phases come first, so that every run plans anew.
    fn ready(&self, sources: &[Arc<dyn Source>]) -> Result<Option<Arc<Ready>>> {
        // Plans depend on facts; content is free to change.
        let key: Vec<SourceFacts> = sources.iter().map(|source| source.facts().clone()).collect();
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = plans.get(&key) {
            return Ok(Some(ready.clone()));
        }
        let mut work = self.build(sources)?;
        settle_local(&mut work, self.session.limits())?;
        if waits_for_phases(&work) {
            return Ok(None);
        }
        let (plan, results) = self.plan(&work)?;
        let place = |input: &Arc<Input>| work.inputs.iter().find(|(there, _)| there.name == input.name).map(|(_, id)| id.0 as usize);
        let places = self.inputs.iter().map(place).collect();
        let ready = Arc::new(Ready { prepared: prepare(self.session.engine()?, &plan)?, work, places, results });
        if plans.len() >= PLANS_MAX {
            plans.clear();
        }
        plans.insert(key, ready.clone());
        Ok(Some(ready))
    }

    fn build(&self, sources: &[Arc<dyn Source>]) -> Result<Work> {
        let bind = |input: &Input| {
            let place = self.inputs.iter().position(|there| there.name == input.name);
            place.map(|place| sources[place].clone()).ok_or_else(|| Error::internal(format!("input `{}` was not collected", input.name)))
        };
        build(&self.outputs.iter().collect::<Vec<_>>(), &bind)
    }

    fn plan(&self, work: &Work) -> Result<(Plan, Vec<ResultShape>)> {
        let shape = |id: &crate::expr::NodeId| {
            let node = work.graph.node(*id);
            Ok((require_known(node)?, node.dtype()))
        };
        let results = work.roots.iter().map(shape).collect::<Result<Vec<_>>>()?;
        let outputs = (0..self.outputs.len()).map(|index| format!("result {index}")).collect();
        let asked = Asked { outputs, ..Asked::one() };
        Ok((plan_beside_results(&asked, work, self.session.limits(), results.iter())?, results))
    }

    fn run_ready(&self, ready: &Ready, inputs: &[Arc<dyn Source>]) -> Result<Vec<AnyArray>> {
        if self.session.is_cancelled() {
            return Err(Error::cancelled());
        }
        let mut sources = ready.work.sources.clone();
        for (place, source) in ready.places.iter().zip(inputs) {
            if let Some(place) = place {
                sources[*place] = source.clone();
            }
        }
        let functions = ready.work.functions.clone();
        collect(&ready.results, |sinks| {
            let bindings = Bindings { sources, functions, sinks };
            self.session.record_plan(ready.prepared.plan());
            let stats = execute_prepared(self.session.engine()?, &ready.prepared, bindings, &control(&self.session))?;
            self.session.record_done(&stats);
            self.session.tell(stats);
            Ok(())
        })
    }

    fn run_phases(&self, sources: &[Arc<dyn Source>]) -> Result<Vec<AnyArray>> {
        let mut work = self.build(sources)?;
        settle(&self.session, &mut work, self.session.limits())?;
        let (plan, results) = self.plan(&work)?;
        collect(&results, |sinks| run(&self.session, &plan, &work, sinks).map(drop))
    }
}

/// Arrays of `results`, filled through the sinks that `run` is given.
fn collect(results: &[ResultShape], run: impl FnOnce(Vec<Sink<'_>>) -> Result<()>) -> Result<Vec<AnyArray>> {
    let memories = results.iter().map(memory_for).collect::<Result<Vec<_>>>()?;
    run(memories.iter().map(|memory| Sink::Memory(Arc::clone(memory))).collect())?;
    memories.iter().map(|memory| AnyArray::collected(memory)).collect()
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compiled({} outputs of inputs {})", self.outputs.len(), self.inputs().join(", "))
    }
}
