//! [`Running`]: a job that runs on a thread of its own while the caller goes on.

use super::{
    below::{Cancel, Progress},
    job::{Job, JobResult},
};
use crate::error::{Error, Result};
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

/// A job that was started with [`Job::spawn`]. Dropping it cancels the job and waits for its end.
pub struct Running {
    thread: Option<JoinHandle<Result<JobResult>>>,
    cancel: Cancel,
    progress: Arc<Mutex<Option<Progress>>>,
}

impl Job {
    /// Starts the job on a thread of its own; it computes on the session's threads, within the session's budget like any job.
    ///
    /// ```
    /// use outcore::{Destination, Job, Session};
    /// let session = Session::builder().memory("64MiB").build()?;
    /// let total = session.arange(0, 1_000, 1).sum(..);
    /// let running = Job::new(&session).output("total", &total, Destination::Memory).spawn()?;
    /// let result = running.join()?;
    /// assert_eq!(result.arrays[0].as_ref().and_then(|array| array.scalar(0)), Some(499_500i64.into()));
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the system gives no thread. What the job itself meets comes from [`Running::join`].
    pub fn spawn(self) -> Result<Running> {
        let progress = Arc::new(Mutex::new(None));
        let (last, session) = (Arc::clone(&progress), self.session());
        let (cancel, before) = (session.cancel_flag().child(), session.on_event());
        let on_event = Arc::new(move |event: &Progress| {
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(event.clone());
            if let Some(before) = &before {
                before(event);
            }
        });
        let job = self.clone().within(session.watched(cancel.clone(), on_event));
        let thread = thread::Builder::new().name("outcore-job".to_string()).spawn(move || job.run());
        let thread = thread.map_err(|error| Error::io("start", "the thread of a job", error))?;
        Ok(Running { thread: Some(thread), cancel, progress })
    }
}

impl Running {
    /// How far the job is; `None` before it has begun to compute.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the job to end with [`crate::ErrorKind::Cancelled`]; returns at once. Nothing of it is published then.
    pub fn cancel(&self) {
        self.cancel.set();
    }

    /// Whether [`Running::join`] would not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// What [`Job::run`] gives.
    pub fn join(mut self) -> Result<JobResult> {
        let Some(thread) = self.thread.take() else { return Err(Error::internal("a job is joined once")) };
        // A closure of the caller's that panics does so here as well.
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.cancel.set();
            // Its error, or its panic, is nobody's any more.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}
