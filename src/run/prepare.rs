//! What is computed once per plan, so that executing it again costs only its work.

use super::{budget::Purpose, engine::Engine};
use crate::{
    error::{Error, Result},
    kernel::{
        program::SlotKind,
        vm::{Prepared, scratch_bytes_max},
    },
    nd::Grid,
    numeric::Accumulator,
    plan::{Access, OutputFrom, Plan, Read, ReadFrom, Stage, TempId, Write, WriteTo},
};
use std::sync::Arc;

/// A plan with its programs resolved for the machine, ready to be executed any number of times.
#[derive(Debug)]
pub struct PreparedPlan {
    pub(super) plan: Arc<Plan>,
    pub(super) stages: Vec<Arc<PreparedStage>>,
    pub(super) passes: Vec<(String, usize)>,
    pub(super) io: &'static str,
    pub(super) bytes_total: u64,
}

impl PreparedPlan {
    /// The plan it was made from.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}

/// What a slot of a stage's program is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binding {
    Read(usize),
    Write(usize),
    Local,
}

/// A stage, resolved.
pub(super) struct PreparedStage {
    plan: Arc<Plan>,
    pub index: usize,
    pub program: Prepared,
    /// Runs of the space.
    pub runs: Grid,
    pub run_count: usize,
    /// One entry per slot of the program.
    pub bindings: Vec<Binding>,
    /// For each write: how many output slots come before its own, which is where the machine counts what it compressed.
    pub ordinals: Vec<usize>,
    /// Output slots of the program.
    pub output_slots: usize,
    /// Indices into the stage's reductions, in the order of the program's accumulators.
    pub reductions: Vec<usize>,
    /// Outputs of one run's part, at most; one entry per entry of `reductions`.
    pub part_outputs: Vec<usize>,
    /// What one worker's machine holds at most.
    pub scratch_bytes: u64,
    /// What the user functions of one worker hold at most.
    pub function_scratch_bytes: u64,
    /// What the stores of one worker hold at most.
    pub store_bytes: u64,
    /// Whether a run has to be copied into buffers before a worker takes it. Workers read chunks themselves.
    pub fetched: bool,
    /// Whether every read is in memory already.
    pub resident: bool,
    /// Bytes read and written by the whole stage, as planned.
    pub bytes_total: u64,
}

impl std::fmt::Debug for PreparedStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedStage").field("name", &self.stage().name).field("run_count", &self.run_count).finish_non_exhaustive()
    }
}

impl PreparedStage {
    pub fn stage(&self) -> &Stage {
        &self.plan.stages[self.index]
    }

    /// The plan that it is a stage of.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The buffer classes of the stage's pool: its reads, then its writes.
    pub fn buffer_classes(&self) -> impl Iterator<Item = (Purpose, u64)> {
        let reads = self.stage().reads.iter().map(|read| {
            // A window's class is used only where the store cannot map after all and the span is read instead.
            let purpose = if read.access.is_window() { Purpose::Windows } else { Purpose::ReadBuffers };
            (purpose, read.bytes_per_run)
        });
        reads.chain(self.stage().writes.iter().map(|write| (Purpose::WriteBuffers, write.bytes_per_run)))
    }

    /// Element size of a slot.
    pub fn slot_bytes(&self, slot: crate::kernel::program::SlotId) -> usize {
        self.stage().program.slots[slot.0 as usize].dtype.size()
    }
}

/// Resolves a plan for the engine's machine: programs to kernels, slots to reads and writes.
///
/// An inconsistent plan is an error of kind [`Internal`](crate::ErrorKind::Internal).
pub fn prepare(engine: &Engine, plan: &Plan) -> Result<Arc<PreparedPlan>> {
    check_ids(plan)?;
    let plan = Arc::new(plan.clone());
    let stages: Result<Vec<_>> = (0..plan.stages.len()).map(|index| prepare_stage(engine, &plan, index).map(Arc::new)).collect();
    let stages = stages?;
    let bytes_total = stages.iter().map(|stage| stage.bytes_total).sum();
    Ok(Arc::new(PreparedPlan { passes: count_passes(&plan), io: io_of(&plan), bytes_total, stages, plan }))
}

/// Checks that every id of the plan names something.
fn check_ids(plan: &Plan) -> Result<()> {
    let temp = |id: TempId| (id.0 as usize) < plan.temps.len();
    let stage_fits = |stage: &Stage| {
        stage.functions.iter().all(|id| (id.0 as usize) < plan.functions.len())
            && stage.reductions.iter().all(|reduction| {
                (reduction.acc.0 as usize) < stage.program.accumulators.len()
                    && reduction.kept.iter().all(|&axis| axis < stage.space.len())
                    && reduction.finishes.iter().all(|(_, id)| temp(*id))
            })
            && stage.writes.iter().all(|write| match write.to {
                WriteTo::Output(output) => output < plan.outputs.len(),
                WriteTo::Temp(id) => temp(id),
                WriteTo::Scratch(id) => (id.0 as usize) < plan.scratches.len(),
            })
            && stage.reads.iter().all(|read| match read.from {
                ReadFrom::Source(id) => (id.0 as usize) < plan.sources.len(),
                ReadFrom::Temp(id) => temp(id),
                ReadFrom::Scratch(id) => (id.0 as usize) < plan.scratches.len(),
            })
    };
    if let Some(stage) = plan.stages.iter().find(|stage| !stage_fits(stage)) {
        return Err(Error::internal(format!("stage `{}` names something that the plan does not have", stage.name)));
    }
    let outputs_fit = plan.outputs.iter().all(|output| match output.from {
        OutputFrom::Stage(stage) => stage < plan.stages.len(),
        OutputFrom::Temp(id) => temp(id),
    });
    if outputs_fit && plan.checks.iter().all(|check| temp(check.temp)) {
        return Ok(());
    }
    Err(Error::internal("an output or a check names something that the plan does not have"))
}

fn prepare_stage(engine: &Engine, plan: &Arc<Plan>, index: usize) -> Result<PreparedStage> {
    let stage = &plan.stages[index];
    let rank = stage.space.len();
    if stage.run.len() != rank || stage.block.len() != rank || stage.workers == 0 || stage.in_flight == 0 {
        return Err(Error::internal(format!("stage `{}` has an inconsistent grid", stage.name)));
    }
    let runs = stage.runs();
    let (reductions, part_outputs) = order_reductions(stage, runs.block())?;
    let block = Grid::new(stage.run.clone(), stage.block.clone());
    let outputs_before = |slot: usize| stage.program.slots.iter().take(slot).filter(|slot| slot.kind == SlotKind::Output).count();
    let resolve = if engine.policy().is_watching() { Prepared::watched } else { Prepared::new };
    Ok(PreparedStage {
        program: resolve(&stage.program, engine.isa())?,
        run_count: runs.count(),
        bindings: bind_slots(stage)?,
        ordinals: stage.writes.iter().map(|write| outputs_before(write.slot.0 as usize)).collect(),
        output_slots: outputs_before(usize::MAX),
        scratch_bytes: scratch_bytes_max(&stage.program, block.block()),
        function_scratch_bytes: stage.functions.iter().map(|function| plan.functions[function.0 as usize].scratch_bytes).sum(),
        fetched: stage.reads.iter().any(|read| matches!(read.access, Access::Segments { .. })),
        store_bytes: stage.store_bytes_per_worker(),
        resident: stage.reads.iter().all(|read| read.access == Access::Resident),
        bytes_total: stage.reads.iter().map(|read| read.bytes_total).chain(stage.writes.iter().map(|write| write.bytes_total)).sum(),
        plan: Arc::clone(plan),
        index,
        runs,
        reductions,
        part_outputs,
    })
}

/// What every slot is bound to; each slot of the outside has exactly one read or write.
fn bind_slots(stage: &Stage) -> Result<Vec<Binding>> {
    let slots = &stage.program.slots;
    let mut bindings = vec![Binding::Local; slots.len()];
    let reads = stage.reads.iter().enumerate().map(|(index, read)| (read.slot, Binding::Read(index)));
    let writes = stage.writes.iter().enumerate().map(|(index, write)| (write.slot, Binding::Write(index)));
    for (slot, binding) in reads.chain(writes) {
        let wanted = match binding {
            Binding::Read(_) => SlotKind::Input,
            _ => SlotKind::Output,
        };
        match bindings.get_mut(slot.0 as usize) {
            Some(place) if *place == Binding::Local && slots[slot.0 as usize].kind == wanted => *place = binding,
            _ => {
                return Err(Error::internal(format!(
                    "slot {} of stage `{}` is bound twice or not what it is bound to",
                    slot.0, stage.name
                )));
            }
        }
    }
    let unbound = bindings
        .iter()
        .zip(slots)
        .position(|(binding, slot)| *binding == Binding::Local && matches!(slot.kind, SlotKind::Input | SlotKind::Output));
    if let Some(slot) = unbound {
        return Err(Error::internal(format!("slot {slot} of stage `{}` is bound to nothing", stage.name)));
    }
    for read in &stage.reads {
        check_read(stage, read)?;
    }
    for Write { axes, .. } in &stage.writes {
        if axes.iter().flatten().any(|&axis| axis >= stage.space.len()) {
            return Err(Error::internal(format!("a write of stage `{}` names an axis that the stage does not have", stage.name)));
        }
    }
    Ok(bindings)
}

fn check_read(stage: &Stage, read: &Read) -> Result<()> {
    let linear = read.map.store_rank() == 1;
    let covers = read.map.rank() == stage.space.len() && read.map.shape.iter().zip(&stage.space).all(|(have, need)| have >= need);
    let fits = covers && (linear || matches!(read.access, Access::Box | Access::Chunks | Access::Picked { .. }));
    let copies = matches!(read.access, Access::Resident | Access::Segments { .. });
    let reachable = matches!(read.from, ReadFrom::Source(_) | ReadFrom::Scratch(_)) || copies;
    if fits && reachable {
        return Ok(());
    }
    Err(Error::internal(format!("slot {} of stage `{}` cannot be reached the way it is planned", read.slot.0, stage.name)))
}

/// The reductions in the order in which the program's global accumulators come, with the outputs of one part.
fn order_reductions(stage: &Stage, run: &[usize]) -> Result<(Vec<usize>, Vec<usize>)> {
    let global = |acc: usize| stage.program.accumulators.get(acc).is_some_and(|found| found.finishes.is_empty());
    let mut order: Vec<usize> = (0..stage.reductions.len()).collect();
    order.sort_by_key(|&index| stage.reductions[index].acc);
    let accumulators: Vec<usize> = (0..stage.program.accumulators.len()).filter(|&acc| global(acc)).collect();
    if !order.iter().map(|&index| stage.reductions[index].acc.0 as usize).eq(accumulators) {
        return Err(Error::internal(format!("the reductions of stage `{}` are not those of its program", stage.name)));
    }
    let outputs = order
        .iter()
        .map(|&index| stage.reductions[index].kept.iter().map(|&axis| run[axis]).product::<usize>() * groups_of(stage, index))
        .collect();
    Ok((order, outputs))
}

/// An accumulator for `outputs` outputs of a stage's reduction, and what it holds at most.
pub(super) fn new_accumulator(stage: &Stage, reduction: usize, outputs: usize) -> Result<(Accumulator, u64)> {
    let accumulation = &stage.program.accumulators[stage.reductions[reduction].acc.0 as usize];
    let bytes = Accumulator::state_bytes_max(accumulation.kind, accumulation.dtype, outputs);
    let made = Accumulator::new(accumulation.kind, accumulation.dtype, outputs)?;
    Ok((if accumulation.groups == 1 { made } else { made.with_empty_nan() }, bytes))
}

/// How often a reduction has its outputs: once per group.
pub(super) fn groups_of(stage: &Stage, reduction: usize) -> usize {
    stage.program.accumulators[stage.reductions[reduction].acc.0 as usize].groups
}

/// How many stages read each source.
fn count_passes(plan: &Plan) -> Vec<(String, usize)> {
    let reads =
        |stage: &Stage, source: usize| stage.reads.iter().any(|read| matches!(read.from, ReadFrom::Source(id) if id.0 as usize == source));
    let count = |source: usize| plan.stages.iter().filter(|stage| reads(stage, source)).count();
    plan.sources.iter().enumerate().map(|(index, facts)| (facts.name.clone(), count(index))).collect()
}

/// How the sources of a plan are reached, in one word.
fn io_of(plan: &Plan) -> &'static str {
    let reads = plan.stages.iter().flat_map(|stage| &stage.reads).filter(|read| matches!(read.from, ReadFrom::Source(_)));
    let words = reads.map(|read| match read.access {
        Access::Resident => "memory",
        Access::Window | Access::Chunks => "mmap",
        Access::Segments { .. } | Access::Box | Access::Picked { .. } => "read",
    });
    words.reduce(|all, word| if all == word { all } else { "mixed" }).unwrap_or("memory")
}
