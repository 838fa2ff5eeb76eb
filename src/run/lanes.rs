//! Lanes: at most so many runs compute at once, and none waits for another in the pool.
//!
//! A lane is one task on the rayon pool that computes ready runs until there are none, and then ends: it never
//! blocks. A run that becomes ready while fewer lanes than workers exist starts another one.

use super::{
    budget::{Purpose, Reservation},
    compute::compute,
    engine::Machines,
    job::{RunTask, StageJob, without_panic},
    ready::Ready,
    scheduler::Event,
};
use crate::{
    error::{Error, Result},
    kernel::vm::Machine,
};
use crossbeam_channel::Sender;
use rayon::ThreadPool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The ready runs of a stage.
pub(super) struct Lanes {
    machines: Arc<Machines>,
    ready: Mutex<Ready<Box<RunTask>>>,
}

impl Lanes {
    pub fn new(machines: &Arc<Machines>, workers: usize) -> Arc<Self> {
        Arc::new(Lanes { machines: Arc::clone(machines), ready: Mutex::new(Ready::new(workers)) })
    }

    fn lock(&self) -> MutexGuard<'_, Ready<Box<RunTask>>> {
        // Nothing that can panic runs under the lock.
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a run ready. Whether a lane was started for it: it will say [`Event::Idle`] when it ends.
    pub fn push(self: &Arc<Self>, pool: &ThreadPool, job: &Arc<StageJob>, events: &Sender<Event>, task: Box<RunTask>) -> bool {
        if !self.lock().push(task) {
            return false;
        }
        let (lanes, job, events) = (Arc::clone(self), Arc::clone(job), events.clone());
        pool.spawn_fifo(move || {
            lanes.work(&job, &events);
            // Whoever hears that the lane is idle may count on everything it held being free.
            drop((job, lanes));
            let _ = events.send(Event::Idle);
        });
        true
    }

    fn work(&self, job: &Arc<StageJob>, events: &Sender<Event>) {
        loop {
            let mut worker = Worker::new(&self.machines, job);
            while let Some(mut task) = self.pop() {
                let result = match &mut worker {
                    Ok(worker) => worker.compute(job, &mut task),
                    Err(error) => Err(error.clone()),
                };
                let _ = events.send(Event::Computed { task, result });
            }
            if let Ok(worker) = worker {
                worker.retire(&self.machines);
            }
            // Only now, with nothing held, may another lane take this one's place.
            if self.lock().ends() {
                return;
            }
        }
    }

    fn pop(&self) -> Option<Box<RunTask>> {
        self.lock().pop()
    }
}

/// A machine and what it and the user functions may hold.
pub(super) struct Worker {
    machine: Machine,
    scratch: Reservation,
    _functions: Reservation,
    _stores: Reservation,
    /// Room for boxes that coordinates are picked out of.
    spare: Vec<u8>,
}

/// Machines that hold more than this are not kept between stages: resident memory follows the plan.
const MACHINE_BYTES_KEPT_MAX: u64 = 512 * 1024;

impl Worker {
    pub fn new(machines: &Machines, job: &StageJob) -> Result<Self> {
        let scratch = job.budget.reserve(Purpose::Scratch, job.stage.scratch_bytes)?;
        let functions = job.budget.reserve(Purpose::Functions, job.stage.function_scratch_bytes)?;
        let stores = job.budget.reserve(Purpose::Stores, job.stage.store_bytes)?;
        Ok(Worker { machine: machines.take(), scratch, _functions: functions, _stores: stores, spare: Vec::new() })
    }

    /// Computes a run; a panic becomes an error.
    pub fn compute(&mut self, job: &StageJob, task: &mut RunTask) -> Result<()> {
        if job.is_given_up(task.run) {
            return Err(Error::cancelled());
        }
        let run = task.run;
        let mut whole = false;
        let result = without_panic(
            || format!("run {run} of stage `{}`", job.stage.stage().name),
            || {
                let result = compute(job, &mut self.machine, task, &mut self.spare);
                whole = true;
                result
            },
        );
        if !whole {
            // What the panic left in the machine is anyone's guess.
            self.machine = Machine::new();
        }
        result
    }

    /// Gives the machine back, unless it grew large.
    pub fn retire(self, machines: &Machines) {
        if self.scratch.bytes() <= MACHINE_BYTES_KEPT_MAX {
            machines.give(self.machine);
        }
    }
}
