//! What the threads of one stage share, and the one thing that travels between them: a [`RunTask`].

use super::{
    budget::{Budget, Purpose, Reservation},
    cancel::Cancel,
    carry::{Carry, FoldPart},
    pool::{Buffer, Pool},
    prepare::{PreparedStage, new_accumulator},
    restore::leaves_boxes_only,
    spill::Spill,
    timing::Timing,
};
use crate::{
    error::{Error, Result},
    expr::FunctionId,
    kernel::{
        vm::{BlockContext, BlockFunction},
        watch::Findings,
    },
    nd::Region,
    numeric::Accumulator,
    plan::{Access, ReadFrom, ScratchId},
    store::{Lent, MemoryTarget, Source, Target, Window},
    trace::Clock,
};
use std::{
    any::Any,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Bytes that are there for the whole stage, and the store element they start at.
pub(super) struct Resident {
    pub bytes: ResidentBytes,
    pub low: usize,
    _reservation: Option<Reservation>,
}

pub(super) enum ResidentBytes {
    Window(Window),
    Temp(Arc<Buffer>),
}

impl Resident {
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            ResidentBytes::Window(window) => window,
            ResidentBytes::Temp(buffer) => buffer.bytes(),
        }
    }
}

impl Resident {
    /// To be called after the bytes were used: an error if they may not have been the file's.
    pub fn check(&self) -> Result<()> {
        match &self.bytes {
            ResidentBytes::Window(window) => window.check(),
            ResidentBytes::Temp(_) => Ok(()),
        }
    }
}

/// A run's share of a reduction.
pub(super) struct Part {
    pub accumulator: Accumulator,
    _reservation: Reservation,
}

impl Part {
    /// An empty accumulator for `outputs` outputs, paid for.
    pub fn new(budget: &Arc<Budget>, stage: &PreparedStage, reduction: usize, outputs: usize) -> Result<Self> {
        let (accumulator, bytes) = new_accumulator(stage.stage(), reduction, outputs)?;
        Ok(Part { accumulator, _reservation: budget.reserve(Purpose::States, bytes)? })
    }
}

/// Everything about one run that moves from thread to thread. Exactly one thread holds it at any time.
#[derive(Default)]
pub(super) struct RunTask {
    pub run: usize,
    pub region: Region,
    /// Copied inputs, one place per read.
    pub inputs: Vec<Option<Buffer>>,
    /// Results, one place per write.
    pub outputs: Vec<Option<Buffer>>,
    /// Results that are written where they stay, one place per write: those have no buffer.
    pub lent: Vec<Option<Lent>>,
    /// Results that the worker gave to their stores itself, one place per write.
    pub stored: Vec<bool>,
    /// Shares of the reductions, in the program's order.
    pub parts: Vec<Part>,
    /// What user folds took of the run.
    pub folds: Vec<FoldPart>,
    /// Elements appended by compressing instructions, one per output slot.
    pub compressed: Vec<usize>,
    /// Where the run's first element lies in each slot's bytes, in elements.
    pub firsts: Vec<i64>,
    /// Strides of each slot along the stage's axes, in elements: slot by slot.
    pub strides: Vec<i64>,
    /// Strides of each reduction's outputs along the stage's axes: reduction by reduction.
    pub part_strides: Vec<i64>,
    /// What its blocks created.
    pub findings: Findings,
    pub blocks: u64,
    pub bytes_read: u64,
    /// Bytes reached through windows, and the time it took to compute them: what tells a cold file from a warm one.
    pub bytes_mapped: u64,
    pub seconds: f64,
    /// Bytes of windows that a store could not map, so that they were read.
    pub bytes_unmapped: u64,
    /// When its parts happened, while the job is recorded.
    pub timing: Option<Box<Timing>>,
}

impl RunTask {
    /// Makes it the task of `run`; what it allocated stays.
    pub fn start(&mut self, job: &StageJob, run: usize) {
        let rank = job.stage.runs.shape().len();
        self.run = run;
        self.region.start.resize(rank, 0);
        self.region.shape.resize(rank, 0);
        job.stage.runs.region_into(run, &mut self.region);
        self.findings = Findings::default();
        (self.blocks, self.bytes_read, self.bytes_mapped, self.bytes_unmapped, self.seconds) = (0, 0, 0, 0, 0.0);
        self.time(job.clock);
    }
}

/// One stage of one execution: shared by the scheduler, the workers and the I/O threads, and never changed by them.
pub(super) struct StageJob {
    pub stage: Arc<PreparedStage>,
    pub sources: Arc<Vec<Arc<dyn Source>>>,
    pub targets: Arc<Vec<Option<Arc<dyn Target>>>>,
    /// The targets that are arrays in memory.
    pub memories: Arc<Vec<Option<Arc<MemoryTarget>>>>,
    pub functions: Vec<Guarded>,
    /// Scratch that is open.
    scratches: Vec<Option<OpenScratch>>,
    /// Every function of the plan.
    bound: Vec<Arc<dyn BlockFunction>>,
    /// One place per read.
    pub resident: Vec<Option<Resident>>,
    pub budget: Arc<Budget>,
    pub pool: Pool,
    /// Shares of reductions waiting for their next run.
    idle_parts: Mutex<Vec<Vec<Part>>>,
    /// States of scans waiting for their next run.
    idle_carries: Mutex<Vec<Vec<Carry>>>,
    pub cancel: Cancel,
    /// What runs are timed with, if the job is recorded.
    pub clock: Option<Clock>,
    /// The runs that are computed.
    pub range: Range<usize>,
    /// Whether runs may be left out whose boxes are there from an earlier job.
    pub skips: bool,
    /// The lowest run that failed: runs from here on are given up, earlier ones are finished, so that the error
    /// that is reported does not depend on threads. 0 when cancelled.
    failed_run: AtomicUsize,
}

/// A scratch as who writes it and who reads it see it.
#[derive(Clone)]
pub(super) struct OpenScratch {
    pub spill: Arc<Spill>,
    pub source: Arc<dyn Source>,
}

/// What some of the outputs have.
type PerOutput<T> = Arc<Vec<Option<Arc<T>>>>;

impl StageJob {
    /// Which slots a run looks at: of arrays that were put one after the other it mostly needs one.
    pub fn slots_read(&self, region: &Region) -> &[bool] {
        let space = &self.stage.stage().space;
        self.stage.program.reads(&BlockContext { space, start: &region.start, shape: &region.shape })
    }

    pub fn new(
        stage: &Arc<PreparedStage>,
        sources: &Arc<Vec<Arc<dyn Source>>>,
        (targets, memories): (&PerOutput<dyn Target>, &PerOutput<MemoryTarget>),
        functions: &[Arc<dyn BlockFunction>],
        (temps, scratches): (&[Option<Arc<Buffer>>], &[Option<OpenScratch>]),
        budget: &Arc<Budget>,
        cancel: &Cancel,
    ) -> Result<Self> {
        let called = stage.stage().functions.iter().map(|id| Guarded(Arc::clone(&functions[id.0 as usize])));
        Ok(StageJob {
            functions: called.collect(),
            bound: functions.to_vec(),
            scratches: scratches.to_vec(),
            resident: bind_resident(stage, sources, temps, budget)?,
            pool: Pool::new(budget, stage.buffer_classes()),
            idle_parts: Mutex::new(Vec::new()),
            idle_carries: Mutex::new(Vec::new()),
            stage: Arc::clone(stage),
            sources: Arc::clone(sources),
            targets: Arc::clone(targets),
            memories: Arc::clone(memories),
            budget: Arc::clone(budget),
            cancel: cancel.clone(),
            clock: None,
            range: 0..stage.run_count,
            skips: leaves_boxes_only(stage.stage()),
            failed_run: AtomicUsize::new(usize::MAX),
        })
    }

    /// Bytes that were to be mapped for the whole stage and were read instead.
    pub fn bytes_unmapped(&self) -> u64 {
        let reads = self.stage.stage().reads.iter().zip(&self.resident);
        let unmapped = reads.filter(|(read, resident)| {
            let is_read = resident.as_ref().is_some_and(|resident| matches!(resident.bytes, ResidentBytes::Temp(_)));
            matches!(read.from, ReadFrom::Source(_)) && is_read
        });
        unmapped.map(|(read, _)| read.bytes_per_run).sum()
    }

    /// Whether `run` is not worth going on with.
    pub fn is_given_up(&self, run: usize) -> bool {
        run >= self.failed_run.load(Ordering::Relaxed) || self.cancel.is_set()
    }

    /// Gives up on `run` and all later ones.
    pub fn fail(&self, run: usize) {
        self.failed_run.fetch_min(run, Ordering::Relaxed);
    }

    /// Empty shares of all reductions.
    pub fn take_parts(&self) -> Result<Vec<Part>> {
        if self.stage.reductions.is_empty() {
            return Ok(Vec::new());
        }
        let idle = self.idle_parts.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(mut parts) = idle {
            parts.iter_mut().for_each(|part| part.accumulator.reset());
            return Ok(parts);
        }
        let outputs = self.stage.reductions.iter().zip(&self.stage.part_outputs);
        outputs.map(|(&reduction, &outputs)| Part::new(&self.budget, &self.stage, reduction, outputs)).collect()
    }

    /// The function of the plan that `id` names.
    pub fn bound(&self, id: FunctionId) -> Result<&dyn BlockFunction> {
        self.bound.get(id.0 as usize).map(|function| &**function).ok_or_else(|| Error::internal(format!("no function {}", id.0)))
    }

    /// The scratch of the plan that `id` names.
    pub fn scratch(&self, id: ScratchId) -> Result<&OpenScratch> {
        let open = self.scratches.get(id.0 as usize).and_then(Option::as_ref);
        open.ok_or_else(|| Error::internal(format!("scratch {} is used while it is not open", id.0)))
    }

    /// Empty states of all folds.
    pub fn take_folds(&self) -> Result<Vec<FoldPart>> {
        self.stage.stage().folds.iter().map(|fold| FoldPart::new(&self.budget, self, fold)).collect()
    }

    /// The states of all scans. In an ordered stage there is one set, and it is where the run before left it.
    pub fn take_carries(&self) -> Result<Vec<Carry>> {
        let scans = &self.stage.stage().scans;
        if scans.is_empty() {
            return Ok(Vec::new());
        }
        let idle = self.idle_carries.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.map_or_else(|| scans.iter().map(|scan| Carry::new(self, scan)).collect(), Ok)
    }

    /// Takes the states back for the next run.
    pub fn give_carries(&self, carries: Vec<Carry>) {
        if !carries.is_empty() {
            self.idle_carries.lock().unwrap_or_else(PoisonError::into_inner).push(carries);
        }
    }

    /// Takes back everything that a run still holds.
    pub fn release(&self, task: &mut RunTask) {
        task.lent.clear();
        let inputs = task.inputs.iter_mut().enumerate();
        let reads = self.stage.stage().reads.len();
        let outputs = task.outputs.iter_mut().enumerate().map(|(index, buffer)| (reads + index, buffer));
        for (class, place) in inputs.chain(outputs) {
            if let Some(buffer) = place.take() {
                self.pool.give(class, buffer);
            }
        }
        task.folds.clear();
        if !task.parts.is_empty() {
            self.idle_parts.lock().unwrap_or_else(PoisonError::into_inner).push(std::mem::take(&mut task.parts));
        }
    }
}

/// Whole-stage bytes of the reads that are in memory.
fn bind_resident(
    stage: &PreparedStage,
    sources: &[Arc<dyn Source>],
    temps: &[Option<Arc<Buffer>>],
    budget: &Arc<Budget>,
) -> Result<Vec<Option<Resident>>> {
    let whole = Region::whole(&stage.stage().space);
    let bind = |read: &crate::plan::Read| -> Result<Option<Resident>> {
        // Temps are copied from where they lie, so they are bound whatever their access.
        let whole = if read.map.shape == whole.shape { whole.clone() } else { Region::whole(&read.map.shape) };
        if whole.is_empty() || (read.access != Access::Resident && !matches!(read.from, ReadFrom::Temp(_))) {
            return Ok(None);
        }
        match read.from {
            ReadFrom::Temp(id) => {
                let buffer =
                    temps[id.0 as usize].as_ref().ok_or_else(|| Error::internal(format!("temp {} is read before it is made", id.0)))?;
                Ok(Some(Resident { bytes: ResidentBytes::Temp(Arc::clone(buffer)), low: 0, _reservation: None }))
            }
            ReadFrom::Scratch(id) => Err(Error::internal(format!("scratch {} is not in memory", id.0))),
            ReadFrom::Source(id) => {
                let source = &sources[id.0 as usize];
                let span = read.map.span(&whole)[0].clone();
                let low = span.start;
                // A mapping of a file costs memory, an array that is there does not.
                let costs = if source.facts().resident { 0 } else { read.bytes_per_run };
                let reservation = budget.reserve(Purpose::Windows, costs)?;
                if let Some(window) = source.window(span.clone())? {
                    return Ok(Some(Resident { bytes: ResidentBytes::Window(window), low, _reservation: Some(reservation) }));
                }
                // The store could not map after all.
                drop(reservation);
                let mut buffer = Buffer::new(budget, Purpose::Windows, (span.len() * stage.slot_bytes(read.slot)) as u64)?;
                source.read(&Region::run(low, span.len()), buffer.bytes_mut())?;
                Ok(Some(Resident { bytes: ResidentBytes::Temp(Arc::new(buffer)), low, _reservation: None }))
            }
        }
    };
    stage.stage().reads.iter().map(bind).collect()
}

/// A user function whose panic is an error that names it.
pub(super) struct Guarded(Arc<dyn BlockFunction>);

impl BlockFunction for Guarded {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn call(&self, start: &[usize], shape: &[usize], input: &[u8], output: &mut [u8]) -> Result<()> {
        // The output is scratch of the block and dropped with it, so nothing broken is seen after a panic.
        catch_unwind(AssertUnwindSafe(|| self.0.call(start, shape, input, output)))
            .unwrap_or_else(|payload| Err(Error::closure(self.0.name(), format!("panicked: {}", panic_message(&*payload)).into())))
    }
}

/// What a panic said.
pub(super) fn panic_message(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// Runs `work`; a panic in it becomes an error that says where.
pub(super) fn without_panic<T>(place: impl FnOnce() -> String, work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|payload| Err(Error::internal(format!("panic in {}: {}", place(), panic_message(&*payload)))))
}
