//! [`Session`]: the budget, the threads, and what is told along the way.

use super::{
    below::{Cancel, Engine, EngineOptions, Isa, OnInvalid, Policy, Progress},
    machine,
    recorded::Recorded,
    size::{Size, show_memory},
    tasks::Walk,
    words::{IoMode, SumMode},
};
use crate::{
    error::{Error, Result},
    plan::Limits,
    trace::RunStats,
};
use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

/// What is called with the progress of a job.
pub(super) type OnEvent = Arc<dyn Fn(&Progress) + Send + Sync>;
/// What is called with a warning.
type OnWarning = Arc<dyn Fn(&str) + Send + Sync>;

/// A memory budget and the threads that work within it. Cheap to clone; threads start with the first job and end with the last clone
/// (arrays hold one).
///
/// ```
/// let session = outcore::Session::builder().memory("256MiB").threads(2).build()?;
/// assert_eq!(session.limits().memory_bytes, 256 << 20);
/// # Ok::<(), outcore::Error>(())
/// ```
#[derive(Clone)]
pub struct Session(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    limits: Limits,
    sum: SumMode,
    promote: Promote,
    options: EngineOptions,
    engine: Arc<OnceLock<Result<Engine>>>,
    on_event: Option<OnEvent>,
    on_warning: Option<OnWarning>,
    cancel: Cancel,
    scratch: Option<PathBuf>,
    recorded: Option<Arc<Recorded>>,
    walk: Option<Arc<Walk>>,
}

/// Settings of a [`Session`] to be.
#[derive(Default)]
pub struct SessionBuilder {
    memory: Option<Result<Size>>,
    threads: Option<usize>,
    pool: Option<Arc<rayon::ThreadPool>>,
    block_bytes: Option<u64>,
    io: IoMode,
    sum: SumMode,
    isa: Option<Isa>,
    policy: Policy,
    promote: Promote,
    on_event: Option<OnEvent>,
    on_warning: Option<OnWarning>,
    scratch: Option<PathBuf>,
    records: bool,
}

/// What becomes of arrays of different dtypes that meet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Promote {
    /// They are converted to the dtype that holds both, as in NumPy; `explain` names the conversions.
    #[default]
    NumPy,
    /// They are refused: the program casts. Literals and `bool` arrays still follow the array that they meet.
    Strict,
}

/// An amount of memory: bytes, or text such as `"2GiB"` and `"50%"`.
pub trait MemoryAmount {
    /// The amount, or why the text is none.
    fn into_size(self) -> Result<Size>;
}
impl MemoryAmount for u64 {
    fn into_size(self) -> Result<Size> {
        Ok(Size::Bytes(self))
    }
}
impl MemoryAmount for Size {
    fn into_size(self) -> Result<Size> {
        Ok(self)
    }
}
impl MemoryAmount for &str {
    fn into_size(self) -> Result<Size> {
        self.parse()
    }
}
impl MemoryAmount for String {
    fn into_size(self) -> Result<Size> {
        self.parse()
    }
}

impl SessionBuilder {
    /// Memory that jobs may hold together with the arrays they return (default: half of what the machine or control group has).
    #[must_use]
    pub fn memory(mut self, amount: impl MemoryAmount) -> Self {
        self.memory = Some(amount.into_size());
        self
    }

    /// Compute threads (default: what affinity and the control group's quota allow).
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Computes on the caller's thread pool instead of one of its own.
    #[must_use]
    pub fn thread_pool(mut self, pool: Arc<rayon::ThreadPool>) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Size of a block, for tests and tuning (default: chosen from the cache).
    #[must_use]
    pub fn block_bytes(mut self, bytes: u64) -> Self {
        self.block_bytes = Some(bytes);
        self
    }

    /// The folder for results between passes that memory does not hold (default: that of the first output, else the system's folder for
    /// temporary files; neither may be a file system in memory). Nothing stays in it, however the program ends.
    #[must_use]
    pub fn scratch(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch = Some(folder.into());
        self
    }

    /// How files are reached.
    #[must_use]
    pub fn io(mut self, io: IoMode) -> Self {
        self.io = io;
        self
    }

    /// How floats are added up where a reduction does not say (default: exact).
    #[must_use]
    pub fn sum(mut self, mode: SumMode) -> Self {
        self.sum = mode;
        self
    }

    /// The instruction set to compute with, for tests (default: the best one). Results do not depend on it.
    #[must_use]
    pub fn isa(mut self, isa: Isa) -> Self {
        self.isa = Some(isa);
        self
    }

    /// What happens when a statement creates NaN or infinities out of finite elements (default: [`crate::RunReport::warnings`] says so).
    /// With [`OnInvalid::Ignore`] nothing is looked for, integers that wrap included.
    #[must_use]
    pub fn on_invalid(mut self, what: OnInvalid) -> Self {
        self.policy.on_invalid = what;
        self
    }

    /// Makes integers that wrap, and integer division by zero, an error.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.policy.strict = strict;
        self
    }

    /// What becomes of arrays of different dtypes that meet (default: they are converted, as in NumPy).
    #[must_use]
    pub fn promote(mut self, promote: Promote) -> Self {
        self.promote = promote;
        self
    }

    /// Records what happens when: spans of runs and blocks, samples of memory and bytes, and plans, for [`crate::Session::record`] and
    /// [`crate::RunReport::record`]. Takes a clock reading a block and up to [`crate::trace::Recorder::BYTES_MAX`] of memory (a few
    /// megabytes, outside the budget), however long a job is.
    #[must_use]
    pub fn record(mut self) -> Self {
        self.records = true;
        self
    }

    /// Calls `report` about ten times a second while a job runs.
    #[must_use]
    pub fn on_event(mut self, report: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.on_event = Some(Arc::new(report));
        self
    }

    /// Calls `hear` with what a finished job has to say: created NaN and infinities, integers that wrapped; and, when they are opened, with
    /// what should be known of files that are joined. The way to hear of it where
    /// there is no [`crate::RunReport`]: after [`crate::Array::eval`], [`crate::Array::blocks`] and [`crate::Compiled::run`].
    #[must_use]
    pub fn on_warning(mut self, hear: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.on_warning = Some(Arc::new(hear));
        self
    }

    /// The session. An error if a setting makes no sense; no thread starts yet.
    pub fn build(self) -> Result<Session> {
        let total = machine::memory_bytes();
        let memory_bytes = self.memory.unwrap_or(Ok(Size::Percent(50.0)))?.resolve(total);
        let pool_threads = self.pool.as_ref().map(|pool| pool.current_num_threads());
        let threads = self.threads.or(pool_threads).unwrap_or_else(machine::threads);
        if threads == 0 {
            return Err(Error::usage("a session needs at least one thread"));
        }
        if memory_bytes == 0 {
            return Err(Error::usage("a memory budget of 0 holds nothing").hint(format!("this machine has {}", show_memory(total))));
        }
        let limits = Limits { memory_bytes, threads, block_bytes: self.block_bytes, rows_per_run: None, io: self.io, is_shared: false };
        let options = EngineOptions { threads, pool: self.pool.clone(), isa: self.isa, policy: self.policy };
        let (engine, cancel) = (Arc::default(), Cancel::default());
        let recorded = self.records.then(Arc::default);
        let SessionBuilder { sum, promote, on_event, on_warning, scratch, .. } = self;
        Ok(Session(Arc::new(Inner { limits, sum, promote, options, engine, on_event, on_warning, cancel, scratch, recorded, walk: None })))
    }
}

impl Session {
    /// Settings to start from.
    #[must_use]
    pub fn builder() -> SessionBuilder {
        SessionBuilder::default()
    }

    /// The session of programs that do not make one: half the memory, all processors.
    #[must_use]
    pub fn default_session() -> Session {
        static DEFAULT: OnceLock<Session> = OnceLock::new();
        DEFAULT.get_or_init(|| Session::builder().build().expect("defaults are valid settings")).clone()
    }

    /// What jobs are planned for.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// How floats are added up where a reduction does not say.
    #[must_use]
    pub fn sum_mode(&self) -> SumMode {
        self.0.sum
    }

    /// What becomes of arrays of different dtypes that meet.
    #[must_use]
    pub fn promote(&self) -> Promote {
        self.0.promote
    }

    /// Ends every running job of this session with [`crate::ErrorKind::Cancelled`], and every later one until [`Session::resume`].
    ///
    /// Nothing that was not published stays behind. May be called from any thread, and from a signal handler's thread.
    pub fn cancel(&self) {
        self.0.cancel.set();
    }

    /// Allows jobs again after [`Session::cancel`].
    pub fn resume(&self) {
        self.0.cancel.clear();
    }

    /// Whether [`Session::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancel.is_set()
    }

    pub(super) fn engine(&self) -> Result<&Engine> {
        self.0.engine.get_or_init(|| Engine::new(self.0.options.clone())).as_ref().map_err(Clone::clone)
    }

    /// The same budget and threads, watched and stopped apart.
    pub(super) fn watched(&self, cancel: Cancel, on_event: OnEvent) -> Session {
        Session(Arc::new(Inner { cancel, on_event: Some(on_event), ..Inner::clone(&self.0) }))
    }

    /// The same session, whose plans are carried out in tasks.
    pub(super) fn with_walk(&self, walk: Arc<Walk>) -> Session {
        let limits = Limits { is_shared: true, ..self.limits().clone() };
        Session(Arc::new(Inner { limits, walk: Some(walk), ..Inner::clone(&self.0) }))
    }

    /// The walk through the job in tasks that is carried out.
    pub(super) fn walk(&self) -> Option<&Walk> {
        self.0.walk.as_deref()
    }

    /// The instruction set of loops that are not part of a plan.
    pub(super) fn isa(&self) -> Isa {
        self.0.options.isa.unwrap_or_else(Isa::detect)
    }

    /// The folder of scratch, if one was named.
    pub(super) fn scratch(&self) -> Option<PathBuf> {
        self.0.scratch.clone()
    }

    /// Where its jobs are recorded, if they are.
    pub(super) fn recorded(&self) -> Option<&Recorded> {
        self.0.recorded.as_deref()
    }

    pub(super) fn cancel_flag(&self) -> Cancel {
        self.0.cancel.clone()
    }

    /// Tells what a run has to say to whoever listens.
    pub(super) fn tell(&self, stats: RunStats) -> RunStats {
        stats.warnings.iter().for_each(|(about, text)| self.warn(&format!("{about}: {text}")));
        stats
    }

    /// Tells whoever listens.
    pub(super) fn warn(&self, text: &str) {
        if let Some(hear) = &self.0.on_warning {
            hear(text);
        }
    }

    pub(super) fn on_event(&self) -> Option<OnEvent> {
        self.0.on_event.clone()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = &self.0.limits;
        write!(f, "Session({}, {} threads)", show_memory(limits.memory_bytes), limits.threads)
    }
}
