//! Jobs in tasks: one job, carried out by many processes that share a folder, with the bits of one.
//!
//! Whoever plans agrees with all others on how each stage is cut, by writing it into the folder; whoever runs a task walks through the
//! same job up to the phase it belongs to, takes what earlier phases and stages found from the folder, and does its own runs. Nothing
//! is listed: tasks are ranges of runs. What they leave is whole or not there, and the same however often a task is run.

mod cluster;
mod folder;
mod outputs;
#[cfg(test)]
mod tests;
mod walk;

pub(super) use self::walk::Walk;
use self::{
    folder::Folder,
    walk::{Found, Intent, walk},
};
use super::job::{Job, JobResult};
use crate::{
    error::{Error, Result},
    plan::Limits,
};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, sync::Arc};

/// How stages are cut into tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSize {
    /// Bytes that a task reads and writes, about (default: 1 GiB).
    pub bytes: u64,
    /// Tasks of a stage, at most (default: 20,000).
    pub tasks_max: usize,
}

impl Default for TaskSize {
    fn default() -> Self {
        TaskSize { bytes: 1 << 30, tasks_max: 20_000 }
    }
}

/// What is next of a job in tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Step {
    /// Tasks are to be run.
    Run(StageTasks),
    /// All tasks are done: [`Tasks::finish`].
    Finish,
    /// The outputs have their names.
    Finished,
}

/// The tasks of a stage: each once or oftener, in any order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StageTasks {
    /// The phase.
    pub phase: usize,
    /// The stage in its plan.
    pub stage: usize,
    /// Stages of that plan.
    pub stages: usize,
    /// What explain calls it.
    pub name: String,
    /// Tasks, from 0.
    pub tasks: usize,
    /// Tasks that are done already.
    pub tasks_done: usize,
    /// The others: ranges, each with its first task and the one behind its last.
    pub todo: Vec<(usize, usize)>,
    /// Bytes that all of them read and write.
    pub bytes: u64,
    /// Bytes that a task holds at most, as the plan proves.
    pub bytes_peak: u64,
    /// Compute threads of a task.
    pub threads: usize,
}

/// A task that is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskDone {
    /// The task.
    pub task: usize,
    /// Its phase.
    pub phase: usize,
    /// Its stage.
    pub stage: usize,
    /// Identity of the plan.
    pub plan: String,
    /// Time it took.
    pub seconds: f64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_written: u64,
    /// Memory that the engine held at most.
    pub bytes_peak_held: u64,
    /// What should be known of its part of the result.
    pub warnings: Vec<String>,
    /// Whether it was done before and nothing was computed.
    #[serde(skip)]
    pub was_done: bool,
}

/// A job that many processes carry out together, on any machines that see its folder, its inputs and its outputs under the same paths.
///
/// Every process builds the same [`Job`]: equal expressions, inputs, outputs and session settings. One of them asks for the
/// [`next`](Tasks::next) step, any of them run its tasks, and so on until [`finish`](Tasks::finish).
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// use outcore::{Destination, Job, Session, Step, TaskSize};
/// let session = Session::builder().memory("64MiB").build()?;
/// let x = session.arange(0, 1000, 1);
/// let job = Job::new(&session).output("total", &x.sum(..), Destination::Memory);
/// let tasks = job.tasks(folder.path().join("job"));
/// while let Step::Run(stage) = tasks.next(TaskSize::default())? {
///     for task in 0..stage.tasks {
///         tasks.run(stage.phase, stage.stage, task)?;
///     }
/// }
/// let result = tasks.finish()?;
/// assert_eq!(result.arrays[0].as_ref().unwrap().view::<i64, ndarray::Ix0>()?[()], 499_500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tasks {
    job: Job,
    folder: Folder,
}

impl Job {
    /// The job in tasks, with everything that its processes exchange in `folder`, which may be an address as `s3://bucket/jobs/1`. Zarr
    /// outputs have no shards unless they are asked for, because each of those is written by one task.
    #[must_use]
    pub fn tasks(self, folder: impl Into<PathBuf>) -> Tasks {
        let save = self.save_options().clone().unsharded(&self.paths());
        Tasks { job: self.save(save), folder: Folder::new(folder.into()) }
    }
}

impl Tasks {
    /// Limits that the job in `folder` was begun with, which all processes have to have.
    pub fn limits_of(folder: impl Into<PathBuf>) -> Result<Limits> {
        Folder::new(folder.into()).limits()
    }

    /// What the job in `folder` is called: 16 hexadecimal digits.
    pub fn id_of(folder: impl Into<PathBuf>) -> Result<String> {
        Folder::new(folder.into()).job()
    }

    /// Puts together what tasks have left, does what is too small for tasks, and says what is next. The first call begins the job: it
    /// makes the folder and the unfinished outputs. `size` counts for phases that were not planned yet.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Io`] while another process plans; [`crate::ErrorKind::Refused`] if the folder is another job's, or one of another
    /// version; [`crate::ErrorKind::Changed`] if an input changed; whatever planning says.
    pub fn next(&self, size: TaskSize) -> Result<Step> {
        let _alone = self.folder.lock()?;
        match self.walk(Intent::Plan(size))? {
            Found::Tasks(tasks) => Ok(Step::Run(tasks)),
            Found::End(_) if self.folder.is_finished()? => Ok(Step::Finished),
            Found::End(_) => Ok(Step::Finish),
            Found::Task(_) => Err(Error::internal("a task was run where one was planned")),
        }
    }

    /// Runs a task, unless it is done. Killed at any moment it leaves nothing that running it again does not put right.
    pub fn run(&self, phase: usize, stage: usize, task: usize) -> Result<TaskDone> {
        if let Some(agreed) = self.folder.phase(phase).agreed()?
            && let Some(done) = self.folder.phase(phase).done(stage, task, &agreed.plan)?
        {
            return Ok(TaskDone { was_done: true, ..done });
        }
        match self.walk(Intent::Task { phase, stage, task })? {
            Found::Task(done) => Ok(done),
            _ => Err(Error::usage(format!("the job in {} has no phase {phase}", self.folder.name()))),
        }
    }

    /// Gives the outputs their names, once all tasks are done.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] while tasks are missing, or if it was done before; [`crate::ErrorKind::Output`] while somebody still writes.
    pub fn finish(&self) -> Result<JobResult> {
        let _alone = self.folder.lock()?;
        if self.folder.is_finished()? && self.job.paths().iter().any(Option::is_some) {
            return Err(Error::usage(format!("the job in {} is finished: its outputs have their names", self.folder.name())));
        }
        match self.walk(Intent::Finish)? {
            Found::End(Some(result)) => {
                self.folder.finish()?;
                Ok(*result)
            }
            _ => Err(Error::internal("a job in tasks that ends with none of its results")),
        }
    }

    fn walk(&self, intent: Intent) -> Result<Found> {
        let way = Arc::new(Walk::new(self.folder.clone(), intent));
        let job = self.job.clone().within(self.job.session().with_walk(Arc::clone(&way)));
        let end = walk(&job, &way);
        // What was looked for ends the walk with an error, which is none.
        match way.take_found() {
            Some(found) => Ok(found),
            None => end.map(|result| Found::End(result.map(Box::new))),
        }
    }
}
