//! Files that are being written: created or continued together, published together.

use super::{
    job::ResultShape,
    outputs::{Files, Save, create_at, stored_at},
    resume::{Before, Kept, reopen},
    words::Dims,
};
use crate::{
    error::{Error, ErrorKind, Result},
    nd::Coverage,
    plan::{NUMERICS_VERSION, OutputLayout, Plan},
    store::{
        Journaled, PageCache, Target, forget,
        journal::{Header, HeaderOutput, Journal},
        journal_path,
    },
};
use std::{path::PathBuf, sync::Arc};

/// A stage that moves less is not worth a record; its results are computed again.
const WORTH_BYTES: u64 = 64 << 20;

/// Files under their hidden names, before it is planned how they are written: new ones, or those that a job left.
pub(super) struct Started<'a> {
    files: &'a Files,
    shapes: Vec<ResultShape>,
    dims: Vec<Dims>,
    made: Vec<Option<Arc<dyn Target>>>,
    /// What is gone on with.
    before: Option<Before>,
}

impl<'a> Started<'a> {
    /// Creates every file under a hidden name, its room reserved, or goes on with what a job left. `dims` are the axis names of the arrays.
    pub fn new(files: &'a Files, shapes: Vec<ResultShape>, dims: Vec<Dims>) -> Result<Started<'a>> {
        let mut started = Started { files, shapes, dims, made: Vec::new(), before: None };
        if files.save.is_resume()
            && let Some((made, before)) = reopen(files, &started.shapes, &started.dims)?
        {
            (started.made, started.before) = (made, Some(before));
            return Ok(started);
        }
        started.create()?;
        Ok(started)
    }

    fn create(&mut self) -> Result<()> {
        if self.files.save.is_resume() {
            // What is there and cannot be gone on with is of no use.
            self.files.paths.iter().flatten().try_for_each(|path| forget(stored_at(path)))?;
        }
        let make = |(place, path): (usize, &Option<PathBuf>)| match path {
            None => Ok(None),
            Some(path) => {
                let (shape, dtype) = &self.shapes[place];
                create_at(path, *dtype, shape, self.files.save.mode(), &self.files.layout(place, shape, self.dims.get(place))).map(Some)
            }
        };
        self.made = self.files.paths.iter().enumerate().map(make).collect::<Result<_>>()?;
        Ok(())
    }

    /// How the stores of chunks among them want to be written.
    pub fn layouts(&self) -> Vec<Option<OutputLayout>> {
        let layout = |target: &Arc<dyn Target>| {
            let chunk = target.chunk()?.to_vec();
            Some(OutputLayout { chunk, scratch_bytes: target.write_scratch_bytes() })
        };
        self.made.iter().map(|target| target.as_ref().and_then(layout)).collect()
    }

    /// The files as `plan` writes them, with a journal.
    pub fn begin(mut self, plan: &Plan) -> Result<Targets> {
        if let (Some(before), Some(identity)) = (&self.before, &self.files.identity) {
            let name = self.made.iter().flatten().next().map(|target| target.name()).unwrap_or_default();
            match identity.check_grid(before.header(), &plan.plan_id, &name) {
                Ok(()) => {}
                Err(_) if self.files.save.is_overwrite() => {
                    self.before = None;
                    self.made.clear();
                    self.create()?;
                }
                Err(error) => return Err(error),
            }
        }
        let (journal, there) = match self.before.take() {
            Some(before) => before.go_on(&self.made).map(|(journal, there)| (Some(journal), there)).inspect_err(|_| self.keep())?,
            None => (self.journal(plan), vec![Coverage::default(); self.made.len()]),
        };
        Targets::new(self.files, std::mem::take(&mut self.made), journal, there)
    }

    fn journal(&self, plan: &Plan) -> Option<Arc<Journal>> {
        let (header, path) = self.header(plan).zip(self.journal_path())?;
        let worth_bytes = if self.files.save.is_resume() { 0 } else { WORTH_BYTES };
        Some(Arc::new(Journal::new(path, header, worth_bytes)))
    }

    fn keep(&self) {
        self.made.iter().flatten().for_each(|target| target.keep());
    }

    /// What the journal begins with; `None` if the job cannot be continued.
    fn header(&self, plan: &Plan) -> Option<Header> {
        let identity = self.files.identity.as_ref()?;
        let output = |target: &Arc<dyn Target>| {
            // Where there is no folder, there is no place for a journal.
            let part = target.part().filter(|_| target.folder().is_some())?;
            let (name, shape) = (target.name(), target.shape().to_vec());
            Some(HeaderOutput { name, dtype: target.dtype(), shape, device: part.device, inode: part.inode })
        };
        Some(Header {
            numerics: NUMERICS_VERSION,
            job: identity.job.clone(),
            grid: identity.grid(&plan.plan_id),
            inputs: identity.inputs.clone(),
            outputs: self.made.iter().flatten().map(output).collect::<Option<Vec<_>>>().filter(|outputs| !outputs.is_empty())?,
        })
    }

    fn journal_path(&self) -> Option<PathBuf> {
        self.made.iter().flatten().next()?.part().map(|part| journal_path(&part.path))
    }
}

/// What is gone on with stays where it is if the job does not come to its beginning.
impl Drop for Started<'_> {
    fn drop(&mut self) {
        if self.before.is_some() {
            self.keep();
        }
    }
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
        let mut all = Targets { targets: Vec::new(), journaled: Vec::new(), journal, save: files.save.clone(), kept: Vec::new() };
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
        let Some(journal) = self.journal.as_ref().filter(|_| self.save.is_resume() && may_pass) else { return error };
        for target in &self.journaled {
            // What cannot be settled is not written down, and computed again.
            let _ = target.settle(PageCache::Keep);
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
