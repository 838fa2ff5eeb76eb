//! The unfinished outputs of a job in tasks: made once, written by all, published by one.

use crate::{
    array::{
        carried::Carried,
        graph::Work,
        job::{Job, ResultShape},
        outputs::{Files, create_at, text_of},
    },
    error::{Error, Result},
    nd::{Dims, Region},
    plan::{OutputFrom, Plan},
    store::{Hold, Target, reopen},
};
use std::sync::Arc;

/// One per output; `None` for one that goes into memory.
pub(super) struct Outputs {
    targets: Vec<Option<Arc<dyn Target>>>,
}

impl Outputs {
    /// Makes the unfinished outputs, and joins those who write them.
    pub fn made(job: &Job, work: &Work, carried: &Carried) -> Result<Outputs> {
        let files = Files::check(job.paths(), &work.paths, job.save_options(), None)?;
        let (files, shapes, dims) = settings(files, job, work, carried)?;
        for (place, path) in files.paths.iter().enumerate() {
            let Some(path) = path else { continue };
            let (shape, dtype) = &shapes[place];
            let made = create_at(path, *dtype, shape, files.save.mode(), &files.layout(place, shape, dims.get(place)))?;
            if made.part().is_none() {
                return Err(Error::usage(format!("{} cannot be written by several processes", path.display()))
                    .hint("a new .npy, .bin or .zarr; in an object store .zarr alone"));
            }
            made.sync()?;
            made.keep();
        }
        Outputs::reopened(&files, &shapes, &dims, Hold::Shared)
    }

    /// Joins those who write the unfinished outputs.
    pub fn shared(job: &Job, work: &Work, carried: &Carried) -> Result<Outputs> {
        Outputs::again(job, work, carried, Hold::Shared)
    }

    /// Takes hold of the unfinished outputs, all of whose boxes are there.
    pub fn alone(job: &Job, work: &Work, carried: &Carried) -> Result<Outputs> {
        Outputs::again(job, work, carried, Hold::Alone)
    }

    fn again(job: &Job, work: &Work, carried: &Carried, hold: Hold) -> Result<Outputs> {
        let (files, shapes, dims) = settings(Files::known(job.paths(), &work.paths, job.save_options()), job, work, carried)?;
        Outputs::reopened(&files, &shapes, &dims, hold)
    }

    fn reopened(files: &Files, shapes: &[ResultShape], dims: &[Dims], hold: Hold) -> Result<Outputs> {
        let mut outputs = Outputs { targets: Vec::new() };
        let opened = files.paths.iter().enumerate().try_for_each(|(place, path)| {
            let Some(path) = path else {
                outputs.targets.push(None);
                return Ok(());
            };
            let (shape, dtype) = &shapes[place];
            let options = files.layout(place, shape, dims.get(place));
            let gone = || Error::data(format!("the unfinished output {} is gone", path.display())).hint("begin again in another folder");
            let target = reopen(text_of(path)?, *dtype, shape, files.save.mode(), &options, hold)?.ok_or_else(gone)?;
            outputs.targets.push(Some(target));
            Ok(())
        });
        opened?;
        Ok(outputs)
    }

    /// The target of output `index`.
    pub fn get(&self, index: usize) -> Option<Arc<dyn Target>> {
        self.targets.get(index).cloned().flatten()
    }

    /// Gives all outputs their names. `before` is called when everything else is durable, and gives warnings.
    pub fn publish(self, plan: &Plan, before: impl FnOnce() -> Result<Vec<String>>) -> Result<Vec<String>> {
        let ready = || {
            for (target, output) in self.targets.iter().zip(&plan.outputs) {
                let Some(target) = target else { continue };
                // What is a result was written by this process, all else by tasks.
                if matches!(output.from, OutputFrom::Stage(_)) {
                    target.adopt(&[Region::whole(target.shape())])?;
                }
                target.sync()?;
            }
            before()
        };
        let left = ready()?;
        self.targets.iter().flatten().rev().try_for_each(|target| target.publish())?;
        Ok(left)
    }
}

/// What is not published stays: it is others' as well.
impl Drop for Outputs {
    fn drop(&mut self) {
        self.targets.iter().flatten().for_each(|target| target.keep());
    }
}

/// How outputs are made, and their shapes and axis names.
fn settings(mut files: Files, job: &Job, work: &Work, carried: &Carried) -> Result<(Files, Vec<ResultShape>, Vec<Dims>)> {
    files.attributes.clone_from(&carried.attributes);
    Ok((files, job.written_shapes(work)?, job.dims()?))
}
