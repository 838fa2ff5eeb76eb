//! Files that a job writes: refused early, created or continued together, published together.

use super::{
    below::{OutputMode, create, same_file},
    identity::Identity,
    resume::{Kept, take_up},
};
use crate::{
    error::{Error, ErrorKind, Result},
    nd::Coverage,
    plan::{NUMERICS_VERSION, Plan},
    store::{
        Journaled, Target, forget,
        journal::{Header, HeaderOutput, Journal},
        journal_path, left_over, leftover,
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How outputs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Save {
    overwrite: bool,
    resume: bool,
}

impl Save {
    /// Existing files are an error, and so is what a job left that was stopped.
    #[must_use]
    pub fn new() -> Save {
        Save::default()
    }

    /// Existing files are replaced when the new ones are complete; what a job left that was stopped is removed at once.
    #[must_use]
    pub fn overwrite(mut self) -> Save {
        self.overwrite = true;
        self
    }

    /// Goes on with what a job left that was stopped, if there is any, and leaves as much if this one is.
    ///
    /// A job that was killed is continued by the same one: equal expressions and outputs, inputs that have not changed, any budget,
    /// threads and blocks. The result is bit for bit that of an uninterrupted job. Cancelled, or failed for a reason that may pass (a
    /// full disk, an error of a medium or of user code), it keeps what is finished; without this, it removes it.
    ///
    /// ```
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("y.npy");
    /// use outcore::{Save, Session};
    /// let session = Session::builder().memory("64MiB").build()?;
    /// let report = session.save_all([(&session.arange(0, 10, 1).sqrt(), &path)], Save::new().resume())?;
    /// assert_eq!(report.kept[0].bytes, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn resume(mut self) -> Save {
        self.resume = true;
        self
    }

    pub(super) fn is_overwrite(self) -> bool {
        self.overwrite
    }

    pub(super) fn mode(self) -> OutputMode {
        if self.overwrite { OutputMode::Overwrite } else { OutputMode::CreateNew }
    }
}

/// Paths that have been looked at.
pub(super) struct Files {
    pub paths: Vec<Option<PathBuf>>,
    pub save: Save,
    /// `None`: the job cannot be continued.
    pub identity: Option<Identity>,
}

impl Files {
    /// Refuses, before any work, what must not be written: an existing file, an input under any name, one file for two outputs, one
    /// that somebody is writing, and what a job left that was stopped.
    ///
    /// Publishing refuses an existing file again, without a gap between looking and renaming.
    pub fn check(paths: Vec<Option<&Path>>, inputs: &[PathBuf], save: Save, identity: Option<Identity>) -> Result<Files> {
        let paths: Vec<Option<PathBuf>> = paths.iter().map(|path| path.map(Path::to_path_buf)).collect();
        let files = Files { paths, save, identity };
        let given: Vec<&PathBuf> = files.paths.iter().flatten().collect();
        for (index, path) in given.iter().enumerate() {
            if let Some(input) = inputs.iter().find(|input| same_file(input, path)) {
                let text = format!("output {} is the input {}", path.display(), input.display());
                return Err(Error::output(text).hint("write to another file; inputs are never changed"));
            }
            if let Some(other) = given[..index].iter().find(|other| same_file(other, path)) {
                return Err(Error::output(format!("two outputs go to one file: {} and {}", other.display(), path.display())));
            }
            if path.is_dir() {
                return Err(Error::output(format!("cannot write {}: it is a folder", path.display())).hint("name a file inside it"));
            }
        }
        let published = if save.resume { take_up(&files)?.map(|taken| taken.published) } else { None };
        for (index, path) in given.iter().enumerate() {
            let is_ours = published.as_ref().is_some_and(|published| published[index]);
            if !save.overwrite && !is_ours && fs::symlink_metadata(path).is_ok() {
                return Err(Error::output(format!("output {} exists", path.display())).hint("another name, or `Save::new().overwrite()`"));
            }
            if let Some(left) = leftover(path)?.filter(|_| !save.overwrite && !save.resume) {
                return Err(left_over(&path.display().to_string(), &left));
            }
        }
        Ok(files)
    }

    /// Creates every file under a hidden name, its room reserved, or goes on with what a job left.
    pub fn create(&self, plan: &Plan) -> Result<Targets> {
        if self.save.resume
            && let Some(targets) = super::resume::reopen(self, plan)?
        {
            return Ok(targets);
        }
        if self.save.resume {
            // What is there and cannot be gone on with is of no use.
            self.paths.iter().flatten().try_for_each(|path| forget(path))?;
        }
        let make = |(path, output): (&Option<PathBuf>, &crate::plan::Output)| match path {
            None => Ok(None),
            Some(path) => create_at(path, output.dtype, &output.shape, self.save.mode()).map(Some),
        };
        let made = self.paths.iter().zip(&plan.outputs).map(make).collect::<Result<Vec<_>>>()?;
        let journal = self.header(plan, &made).zip(self.journal_path(&made)).map(|(header, path)| {
            let worth_bytes = if self.save.resume { 0 } else { WORTH_BYTES };
            Arc::new(Journal::new(path, header, worth_bytes))
        });
        let none = vec![Coverage::default(); plan.outputs.len()];
        Targets::new(self, made, journal, none)
    }

    /// What the journal begins with; `None` if the job cannot be continued.
    fn header(&self, plan: &Plan, made: &[Option<Arc<dyn Target>>]) -> Option<Header> {
        let identity = self.identity.as_ref()?;
        let output = |target: &Arc<dyn Target>| {
            let part = target.part()?;
            let (name, shape) = (target.name(), target.shape().to_vec());
            Some(HeaderOutput { name, dtype: target.dtype(), shape, device: part.device, inode: part.inode })
        };
        Some(Header {
            numerics: NUMERICS_VERSION,
            job: identity.job.clone(),
            grid: identity.grid(&plan.plan_id),
            inputs: identity.inputs.clone(),
            outputs: made.iter().flatten().map(output).collect::<Option<Vec<_>>>().filter(|outputs| !outputs.is_empty())?,
        })
    }

    fn journal_path(&self, made: &[Option<Arc<dyn Target>>]) -> Option<PathBuf> {
        made.iter().flatten().next()?.part().map(|part| journal_path(&part.path))
    }
}

/// A stage that moves less is not worth a record; its results are computed again.
pub(super) const WORTH_BYTES: u64 = 64 << 20;

pub(super) fn create_at(path: &Path, dtype: crate::nd::DType, shape: &[usize], mode: OutputMode) -> Result<Arc<dyn Target>> {
    create(text_of(path)?, dtype, shape, mode)
}

pub(super) fn text_of(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::usage(format!("the path {} is not UTF-8", path.display())))
}

/// Files that are being written. Dropped unpublished, they leave nothing, unless [`Targets::stop`] has said so.
pub(super) struct Targets {
    targets: Vec<Option<Arc<dyn Target>>>,
    journaled: Vec<Arc<Journaled>>,
    journal: Option<Arc<Journal>>,
    save: Save,
    /// What was there already, one entry per file.
    pub kept: Vec<Kept>,
}

impl Targets {
    /// `made` with a journal, if there is to be one; `there` is what an earlier job finished.
    pub fn new(files: &Files, made: Vec<Option<Arc<dyn Target>>>, journal: Option<Arc<Journal>>, there: Vec<Coverage>) -> Result<Targets> {
        let mut all = Targets { targets: Vec::new(), journaled: Vec::new(), journal, save: files.save, kept: Vec::new() };
        let mut place = 0;
        for ((target, path), there) in made.into_iter().zip(&files.paths).zip(there) {
            let (Some(target), Some(path)) = (target, path) else {
                all.targets.push(None);
                continue;
            };
            all.kept.push(Kept::new(path, &*target, &there));
            match &all.journal {
                // What has no part stands under its name already.
                Some(journal) if target.part().is_some() => {
                    let target = Arc::new(Journaled::new(target, journal.clone(), place, there)?);
                    all.journaled.push(target.clone());
                    all.targets.push(Some(target));
                }
                _ => all.targets.push(Some(target)),
            }
            place += 1;
        }
        Ok(all)
    }

    /// The target of output `index`.
    pub fn get(&self, index: usize) -> Option<Arc<dyn Target>> {
        self.targets.get(index).cloned().flatten()
    }

    /// What small results are kept in.
    pub fn journal(&self) -> Option<Arc<Journal>> {
        self.journal.clone()
    }

    /// Gives every file its name. They are synced already, so that this is only renaming.
    ///
    /// The first one, beside which the journal lies, comes last: a job that is killed in between is found by its part, or is done.
    pub fn publish(self) -> Result<()> {
        for target in &self.journaled {
            target.check_complete()?;
        }
        if let Some(journal) = self.journal.as_ref().filter(|journal| self.journaled.len() > 1 || journal.is_begun()) {
            journal.publish();
        }
        self.targets.iter().flatten().rev().try_for_each(|target| target.publish())
    }

    /// Ends a job that failed: keeps what is finished if that was asked for and `error` may pass, and says so.
    pub fn stop(self, error: Error) -> Error {
        let may_pass = matches!(error.kind(), ErrorKind::Cancelled | ErrorKind::Io | ErrorKind::Output | ErrorKind::Closure);
        let Some(journal) = self.journal.as_ref().filter(|_| self.save.resume && may_pass) else { return error };
        for target in &self.journaled {
            // What cannot be settled is not written down, and computed again.
            let _ = target.settle();
        }
        let Some(percent) = journal.percent() else { return error };
        journal.stay();
        self.journaled.iter().for_each(|target| target.keep());
        let kept = format!("{percent} % is kept; `--resume` goes on with it");
        let hint = error.hint_text().map_or_else(|| kept.clone(), |hint| format!("{hint}; {kept}"));
        error.hint(hint)
    }
}

#[cfg(test)]
#[path = "resume_tests.rs"]
mod tests;
