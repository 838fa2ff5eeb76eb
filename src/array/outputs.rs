//! How files are written, and what is refused before any work.

use super::{
    below::{BoxShape, OutputMode, Place, ZarrOptions, check_apart, create_with, output_chunks, split_append, split_zarr_output},
    identity::Identity,
    job::ResultShape,
    resume::take_up,
    words::{DType, Dims},
};
use crate::{
    error::{Error, Result},
    plan::OutputLayout,
    store::{Target, left_over, leftover},
};
use serde_json::{Map, Value};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// How outputs are written.
///
/// ```
/// use outcore::{Save, ZarrOptions};
/// let layout = ZarrOptions::default().with("chunks", "1024,128")?.with("codec", "blosc-lz4")?;
/// let save = Save::new().overwrite().zarr(layout);
/// # Ok::<(), outcore::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Save {
    overwrite: bool,
    resume: bool,
    zarr: ZarrOptions,
    expression: Option<String>,
    digests: bool,
}

impl Save {
    /// Existing files are an error, and so is what a job left that was stopped.
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

    /// How Zarr outputs are laid out. The query of an output's path (`out.zarr?chunks=4096,128`) wins; axis names that are not given are the
    /// array's own.
    #[must_use]
    pub fn zarr(mut self, options: ZarrOptions) -> Save {
        self.zarr = options;
        self
    }

    /// How Zarr outputs are laid out.
    pub(super) fn zarr_options(&self) -> &ZarrOptions {
        &self.zarr
    }

    /// The text that the outputs were computed by; Zarr outputs carry it in their attributes.
    #[must_use]
    pub fn expression(mut self, text: impl Into<String>) -> Save {
        self.expression = Some(text.into());
        self
    }

    /// Reads every file once more when it is written, for its digest in [`crate::RunReport::digests`].
    #[must_use]
    pub fn digests(mut self) -> Save {
        self.digests = true;
        self
    }

    /// Without shards, where it does not say: a task writes whole ones. For `paths` of which one is a Zarr array.
    pub(super) fn unsharded(mut self, paths: &[Option<&Path>]) -> Save {
        if paths.iter().flatten().any(|path| zarr_parts(path).is_some()) {
            self.zarr.shards.get_or_insert(BoxShape::None);
        }
        self
    }

    /// Whether digests are wanted.
    pub(super) fn wants_digests(&self) -> bool {
        self.digests
    }

    pub(super) fn is_overwrite(&self) -> bool {
        self.overwrite
    }

    pub(super) fn is_resume(&self) -> bool {
        self.resume
    }

    pub(super) fn mode(&self) -> OutputMode {
        if self.overwrite { OutputMode::Overwrite } else { OutputMode::CreateNew }
    }

    /// An error if a layout is asked for that no output can have.
    pub(super) fn check_layout(&self, paths: &[Option<&Path>]) -> Result<()> {
        let mut given = paths.iter().flatten().peekable();
        if self.zarr.is_plain() || given.peek().is_none() || given.any(|path| zarr_parts(path).is_some()) {
            return Ok(());
        }
        Err(Error::usage("chunks, shards and codecs are for Zarr outputs, and there is none").hint("-o out.zarr"))
    }

    /// How the store of an output will want to be written, before it is there.
    pub(super) fn layout_of(&self, path: &Path, (shape, dtype): &ResultShape) -> Result<Option<OutputLayout>> {
        let chunks = output_chunks(text_of(path)?, *dtype, shape, &self.zarr)?;
        Ok(chunks.map(|chunks| OutputLayout { chunk: chunks.chunk, scratch_bytes: chunks.scratch_bytes }))
    }

    /// What a plan's identity has to know of an output's layout.
    pub(super) fn layout_text(&self, path: &Path) -> String {
        match zarr_parts(path) {
            Some(_) => {
                let query = path.to_str().and_then(split_zarr_output).and_then(|(_, query)| query);
                format!("zarr {:?} {:?}", query.unwrap_or_default(), self.zarr)
            }
            None if appended_to(path).is_some() => "npy append".to_string(),
            None => path.extension().map_or_else(String::new, |end| end.to_string_lossy().to_string()),
        }
    }
}

/// Paths that have been looked at.
pub(super) struct Files {
    pub paths: Vec<Option<PathBuf>>,
    pub save: Save,
    /// `None`: the job cannot be continued.
    pub identity: Option<Identity>,
    /// Attributes that go along from the inputs, one map per path.
    pub attributes: Vec<Map<String, Value>>,
    zarr: ZarrOptions,
}

impl Files {
    /// Refuses, before any work, what must not be written: an existing file, an input under any name, one file for two outputs, what
    /// lies inside of an input or of another output, one that somebody is writing, and what a job left that was stopped.
    ///
    /// Publishing refuses an existing file again, without a gap between looking and renaming.
    pub fn check(paths: Vec<Option<&Path>>, inputs: &[PathBuf], save: &Save, identity: Option<Identity>) -> Result<Files> {
        let given: Vec<(&Path, bool)> = paths.iter().flatten().map(|path| (stored_at(path), zarr_parts(path).is_some())).collect();
        save.check_layout(&paths)?;
        for (index, (path, is_zarr)) in given.iter().enumerate() {
            if !is_zarr && path.is_dir() {
                return Err(Error::output(format!("cannot write {}: it is a folder", path.display())).hint("name a file inside it"));
            }
            check_apart(path, inputs, given[..index].iter().map(|(other, _)| *other))?;
        }
        // What goes into an array that exists is checked when it is begun.
        let parts: Vec<bool> = paths.iter().flatten().map(|path| is_part(path) || save.zarr.place != Place::New).collect();
        let files = Files { identity, ..Files::known(paths.clone(), inputs, save) };
        let published = if save.resume { take_up(&files)?.map(|taken| taken.published) } else { None };
        for (index, (path, _)) in given.iter().enumerate() {
            let is_ours = published.as_ref().is_some_and(|published| published[index]);
            if !save.overwrite && !is_ours && !parts[index] && fs::symlink_metadata(path).is_ok() {
                return Err(Error::output(format!("output {} exists", path.display())).hint("another name, or `Save::new().overwrite()`"));
            }
            if let Some(left) = leftover(path)?.filter(|_| !save.overwrite && !save.resume) {
                return Err(left_over(&path.display().to_string(), &left));
            }
        }
        Ok(files)
    }

    /// Paths that need not be looked at: they are those of a job that has begun.
    pub fn known(paths: Vec<Option<&Path>>, inputs: &[PathBuf], save: &Save) -> Files {
        let mut zarr = save.zarr.clone();
        zarr.attributes.insert("outcore".to_string(), provenance(inputs, save));
        let paths = paths.iter().map(|path| path.map(Path::to_path_buf)).collect();
        Files { paths, save: save.clone(), identity: None, attributes: Vec::new(), zarr }
    }

    /// How output `place` of `shape` is laid out if it is a store of chunks; `dims` are the axis names of the array.
    pub fn layout(&self, place: usize, shape: &[usize], dims: Option<&Dims>) -> ZarrOptions {
        let mut options = self.zarr.clone();
        // What the caller says wins.
        let mut attributes = self.attributes.get(place).cloned().unwrap_or_default();
        attributes.append(&mut options.attributes);
        options.attributes = attributes;
        let named = || dims.filter(|dims| dims.0.len() == shape.len() && !dims.is_unnamed()).cloned();
        options.dims = options.dims.or_else(named);
        options
    }
}

/// The path of an output without its query.
pub(super) fn stored_at(path: &Path) -> &Path {
    zarr_parts(path).or_else(|| appended_to(path)).unwrap_or(path)
}

/// The npy file that an output is appended to.
fn appended_to(path: &Path) -> Option<&Path> {
    path.to_str().and_then(split_append).map(Path::new)
}

/// The path of a Zarr output without its query; `None` for other outputs.
fn zarr_parts(path: &Path) -> Option<&Path> {
    path.to_str().and_then(split_zarr_output).map(|(path, _)| Path::new(path))
}

/// Whether the query of an output asks for a part of an array that exists.
fn is_part(path: &Path) -> bool {
    let query = path.to_str().and_then(split_zarr_output).and_then(|(_, query)| query);
    appended_to(path).is_some()
        || query.is_some_and(|query| query.split('&').any(|part| part.starts_with("append=") || part.starts_with("region=")))
}

fn provenance(inputs: &[PathBuf], save: &Save) -> Value {
    let inputs: Vec<String> = inputs.iter().map(|path| path.display().to_string()).collect();
    let mut made = serde_json::json!({"version": env!("CARGO_PKG_VERSION"), "inputs": inputs});
    if let Some(text) = &save.expression {
        made["expression"] = text.as_str().into();
    }
    made
}

pub(super) fn create_at(path: &Path, dtype: DType, shape: &[usize], mode: OutputMode, options: &ZarrOptions) -> Result<Arc<dyn Target>> {
    create_with(text_of(path)?, dtype, shape, mode, options)
}

pub(super) fn text_of(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::usage(format!("the path {} is not UTF-8", path.display())))
}
