//! Files that a job writes: refused early, created together, published together.

use super::below::{OutputMode, create, same_file};
use crate::{
    error::{Error, Result},
    plan::Output,
    store::Target,
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
    digests: bool,
}

impl Save {
    /// Existing files are an error.
    #[must_use]
    pub fn new() -> Save {
        Save::default()
    }

    /// Existing files are replaced when the new ones are complete.
    #[must_use]
    pub fn overwrite(mut self) -> Save {
        self.overwrite = true;
        self
    }

    /// Reads every file once more when it is written, for its digest in [`crate::RunReport::digests`].
    #[must_use]
    pub fn digests(mut self) -> Save {
        self.digests = true;
        self
    }

    /// Whether digests are wanted.
    pub(super) fn wants_digests(self) -> bool {
        self.digests
    }

    pub(super) fn mode(self) -> OutputMode {
        if self.overwrite { OutputMode::Overwrite } else { OutputMode::CreateNew }
    }
}

/// Paths that have been looked at.
pub(super) struct Files {
    paths: Vec<Option<PathBuf>>,
    mode: OutputMode,
}

impl Files {
    /// Refuses, before any work, what must not be written: an existing file, an input under any name, one file for two outputs.
    ///
    /// Publishing refuses an existing file again, without a gap between looking and renaming.
    pub fn check(paths: Vec<Option<&Path>>, inputs: &[PathBuf], save: Save) -> Result<Files> {
        let given: Vec<&Path> = paths.iter().flatten().copied().collect();
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
            if !save.overwrite && fs::symlink_metadata(path).is_ok() {
                return Err(Error::output(format!("output {} exists", path.display())).hint("another name, or `Save::new().overwrite()`"));
            }
        }
        Ok(Files { paths: paths.iter().map(|path| path.map(Path::to_path_buf)).collect(), mode: save.mode() })
    }

    /// Creates every file under a temporary name, its room reserved.
    pub fn create(&self, outputs: &[Output]) -> Result<Targets> {
        let make = |(path, output): (&Option<PathBuf>, &Output)| match path {
            None => Ok(None),
            Some(path) => create_at(path, output.dtype, &output.shape, self.mode).map(Some),
        };
        self.paths.iter().zip(outputs).map(make).collect::<Result<Vec<_>>>().map(Targets)
    }
}

pub(super) fn create_at(path: &Path, dtype: crate::nd::DType, shape: &[usize], mode: OutputMode) -> Result<Arc<dyn Target>> {
    let text = path.to_str().ok_or_else(|| Error::usage(format!("the path {} is not UTF-8", path.display())))?;
    create(text, dtype, shape, mode)
}

/// Files that are being written. Dropped unpublished, they leave nothing.
pub(super) struct Targets(Vec<Option<Arc<dyn Target>>>);

impl Targets {
    /// The target of output `index`.
    pub fn get(&self, index: usize) -> Option<Arc<dyn Target>> {
        self.0.get(index).cloned().flatten()
    }

    /// Gives every file its name. They are synced already, so that this is only renaming.
    pub fn publish(self) -> Result<()> {
        self.0.iter().flatten().try_for_each(|target| target.publish())
    }
}
