//! The engine: compute threads, I/O threads and machines that executions share.

use super::{io::IoThreads, warnings::Policy};
use crate::{
    error::{Error, Result},
    kernel::{simd::Isa, vm::Machine},
};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

/// How an [`Engine`] computes.
#[derive(Clone, Default)]
pub struct EngineOptions {
    /// Compute threads, at least one; ignored if `pool` is given.
    pub threads: usize,
    /// A pool to compute on; `None`: the engine starts its own. Never rayon's global pool by itself.
    pub pool: Option<Arc<ThreadPool>>,
    /// Instruction set; `None`: the best this machine has.
    pub isa: Option<Isa>,
    /// What is looked for in results, and what is an error.
    pub policy: Policy,
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineOptions").field("threads", &self.threads).field("own_pool", &self.pool.is_none()).finish_non_exhaustive()
    }
}

/// Threads and machines for any number of executions, at the same time too.
///
/// Threads start when the first execution needs them, and are joined when the engine is dropped.
pub struct Engine {
    threads: usize,
    isa: Isa,
    policy: Policy,
    given_pool: Option<Arc<ThreadPool>>,
    started: Mutex<Started>,
    machines: Arc<Machines>,
}

/// Threads that run.
#[derive(Default)]
struct Started {
    pool: Option<Arc<ThreadPool>>,
    io: Option<Arc<IoThreads>>,
    compute_threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("threads", &self.threads).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine that has started nothing yet.
    pub fn new(options: EngineOptions) -> Result<Self> {
        let threads = options.pool.as_ref().map_or(options.threads, |pool| pool.current_num_threads());
        if threads == 0 {
            return Err(Error::usage("0 threads cannot compute anything").hint("1 thread or more"));
        }
        Ok(Engine {
            threads,
            isa: options.isa.unwrap_or_else(Isa::detect),
            policy: options.policy,
            given_pool: options.pool,
            started: Mutex::default(),
            machines: Arc::default(),
        })
    }

    /// Compute threads.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Instruction set that programs are prepared for.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// What is looked for in results.
    #[must_use]
    pub fn policy(&self) -> Policy {
        self.policy
    }

    pub(super) fn machines(&self) -> &Arc<Machines> {
        &self.machines
    }

    fn started(&self) -> MutexGuard<'_, Started> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the calling thread is one of the compute threads: then it must not wait for them.
    pub(super) fn is_own_thread(&self) -> bool {
        let inside = |pool: &Arc<ThreadPool>| pool.current_thread_index().is_some();
        self.given_pool.as_ref().map_or_else(|| self.started().pool.as_ref().is_some_and(inside), inside)
    }

    /// The compute threads, started if need be.
    pub(super) fn pool(&self) -> Result<Arc<ThreadPool>> {
        if let Some(pool) = &self.given_pool {
            return Ok(Arc::clone(pool));
        }
        let mut started = self.started();
        if let Some(pool) = &started.pool {
            return Ok(Arc::clone(pool));
        }
        let handles = Arc::clone(&started.compute_threads);
        let pool = ThreadPoolBuilder::new()
            .num_threads(self.threads)
            .spawn_handler(move |worker| {
                let thread = thread::Builder::new().name(format!("outcore-compute-{}", worker.index())).spawn(|| worker.run())?;
                handles.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
                Ok(())
            })
            .build()
            .map_err(|error| Error::new(crate::error::ErrorKind::Io, format!("cannot start {} compute threads: {error}", self.threads)))?;
        Ok(Arc::clone(started.pool.insert(Arc::new(pool))))
    }

    /// The I/O threads, started if need be.
    pub(super) fn io(&self) -> Result<Arc<IoThreads>> {
        let mut started = self.started();
        if let Some(io) = &started.io {
            return Ok(Arc::clone(io));
        }
        Ok(Arc::clone(started.io.insert(Arc::new(IoThreads::start()?))))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let Started { pool, io, compute_threads } = std::mem::take(&mut *self.started());
        drop(pool);
        drop(io);
        for thread in compute_threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// Machines that wait for work; their registers are warm.
#[derive(Default)]
pub(super) struct Machines(Mutex<Vec<Machine>>);

impl Machines {
    pub fn take(&self) -> Machine {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub fn give(&self, machine: Machine) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(machine);
    }
}
