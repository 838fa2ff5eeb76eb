//! Files that a job writes: refused early, created together, published together.

use super::{
    below::{OutputMode, Place, ZarrOptions, create_with, same_file, split_zarr_output},
    job::ResultShape,
    words::{DType, Dims},
};
use crate::{
    error::{Error, Result},
    plan::OutputLayout,
    store::Target,
};
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
    zarr: ZarrOptions,
    expression: Option<String>,
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

    /// How Zarr outputs are laid out. The query of an output's path (`out.zarr?chunks=4096,128`) wins; axis names that are not given are the
    /// array's own.
    #[must_use]
    pub fn zarr(mut self, options: ZarrOptions) -> Save {
        self.zarr = options;
        self
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

    /// Whether digests are wanted.
    pub(super) fn wants_digests(&self) -> bool {
        self.digests
    }

    pub(super) fn mode(&self) -> OutputMode {
        if self.overwrite { OutputMode::Overwrite } else { OutputMode::CreateNew }
    }

    /// What a plan's identity has to know of an output's layout.
    pub(super) fn layout_text(&self, path: &Path) -> String {
        match zarr_parts(path) {
            Some(_) => format!("zarr {} {:?}", path.display(), self.zarr),
            None => path.extension().map_or_else(String::new, |end| end.to_string_lossy().to_string()),
        }
    }
}

/// Paths that have been looked at.
pub(super) struct Files {
    paths: Vec<Option<PathBuf>>,
    mode: OutputMode,
    zarr: ZarrOptions,
}

impl Files {
    /// Refuses, before any work, what must not be written: an existing file, an input under any name, one file for two outputs, and
    /// what lies inside of an input or of another output.
    ///
    /// Publishing refuses an existing file again, without a gap between looking and renaming.
    pub fn check(paths: Vec<Option<&Path>>, inputs: &[PathBuf], save: &Save) -> Result<Files> {
        let given: Vec<(&Path, bool)> =
            paths.iter().flatten().map(|path| zarr_parts(path).map_or((*path, false), |path| (path, true))).collect();
        // What goes into an array that exists is checked when it is begun.
        let parts: Vec<bool> = paths.iter().flatten().map(|path| is_part(path) || save.zarr.place != Place::New).collect();
        for (index, (path, is_zarr)) in given.iter().enumerate() {
            if !is_zarr && path.is_dir() {
                return Err(Error::output(format!("cannot write {}: it is a folder", path.display())).hint("name a file inside it"));
            }
            check_apart(path, inputs, given[..index].iter().map(|(other, _)| *other))?;
            if !save.overwrite && !parts[index] && fs::symlink_metadata(path).is_ok() {
                return Err(Error::output(format!("output {} exists", path.display())).hint("another name, or `Save::new().overwrite()`"));
            }
        }
        if !save.zarr.is_plain() && !given.is_empty() && !given.iter().any(|(_, is_zarr)| *is_zarr) {
            return Err(Error::usage("chunks, shards and codecs are for Zarr outputs, and there is none").hint("-o out.zarr"));
        }
        let mut zarr = save.zarr.clone();
        zarr.attributes.insert("outcore".to_string(), provenance(inputs, save));
        Ok(Files { paths: paths.iter().map(|path| path.map(Path::to_path_buf)).collect(), mode: save.mode(), zarr })
    }

    /// Creates every file under a temporary name, its room reserved. `dims` are the axis names of the arrays.
    pub fn create(&self, outputs: &[ResultShape], dims: &[Dims]) -> Result<Targets> {
        let make = |(place, path): (usize, &Option<PathBuf>)| match path {
            None => Ok(None),
            Some(path) => {
                let ((shape, dtype), mut options) = (&outputs[place], self.zarr.clone());
                let named = || dims.get(place).filter(|dims| dims.0.len() == shape.len() && !dims.is_unnamed()).cloned();
                options.dims = options.dims.or_else(named);
                create_at(path, *dtype, shape, self.mode, &options).map(Some)
            }
        };
        self.paths.iter().enumerate().map(make).collect::<Result<Vec<_>>>().map(Targets)
    }
}

/// The path of a Zarr output without its query; `None` for other outputs.
fn zarr_parts(path: &Path) -> Option<&Path> {
    path.to_str().and_then(split_zarr_output).map(|(path, _)| Path::new(path))
}

/// Whether the query of a Zarr output asks for a part of an array that exists.
fn is_part(path: &Path) -> bool {
    let query = path.to_str().and_then(split_zarr_output).and_then(|(_, query)| query);
    query.is_some_and(|query| query.split('&').any(|part| part.starts_with("append=") || part.starts_with("region=")))
}

fn check_apart<'a>(path: &Path, inputs: &[PathBuf], others: impl Iterator<Item = &'a Path>) -> Result<()> {
    let shown = path.display();
    for input in inputs {
        if same_file(input, path) {
            let text = format!("output {shown} is the input {}", input.display());
            return Err(Error::output(text).hint("write to another file; inputs are never changed"));
        }
        let text = match (lies_inside(path, input), lies_inside(input, path)) {
            (false, false) => continue,
            (true, _) => format!("output {shown} lies inside the input {}", input.display()),
            _ => format!("the input {} lies inside the output {shown}", input.display()),
        };
        return Err(Error::output(text).hint("write beside it; inputs are never changed"));
    }
    for other in others {
        if same_file(other, path) {
            return Err(Error::output(format!("two outputs go to one file: {} and {shown}", other.display())));
        }
        let is_nested = |a: &Path, b: &Path| a.starts_with(b) && (zarr_parts(a).is_some() || zarr_parts(b).is_some());
        if is_nested(other, path) || is_nested(path, other) {
            return Err(Error::output(format!("one output lies inside the other: {} and {shown}", other.display())));
        }
    }
    Ok(())
}

/// Whether `path` is somewhere in the folder `folder`, under any name.
fn lies_inside(path: &Path, folder: &Path) -> bool {
    let Ok(absolute) = std::path::absolute(path) else { return false };
    // Links on the way are seen through where the folders exist.
    let real = absolute.parent().and_then(|parent| fs::canonicalize(parent).ok());
    let inside = |path: &Path| path.ancestors().any(|above| same_file(above, folder));
    folder.is_dir() && (absolute.ancestors().skip(1).any(|above| same_file(above, folder)) || real.is_some_and(|parent| inside(&parent)))
}

fn provenance(inputs: &[PathBuf], save: &Save) -> serde_json::Value {
    let inputs: Vec<String> = inputs.iter().map(|path| path.display().to_string()).collect();
    let mut made = serde_json::json!({"version": env!("CARGO_PKG_VERSION"), "inputs": inputs});
    if let Some(text) = &save.expression {
        made["expression"] = text.as_str().into();
    }
    made
}

pub(super) fn create_at(path: &Path, dtype: DType, shape: &[usize], mode: OutputMode, options: &ZarrOptions) -> Result<Arc<dyn Target>> {
    let text = path.to_str().ok_or_else(|| Error::usage(format!("the path {} is not UTF-8", path.display())))?;
    create_with(text, dtype, shape, mode, options)
}

/// Files that are being written. Dropped unpublished, they leave nothing.
pub(super) struct Targets(Vec<Option<Arc<dyn Target>>>);

impl Targets {
    /// The target of output `index`.
    pub fn get(&self, index: usize) -> Option<Arc<dyn Target>> {
        self.0.get(index).cloned().flatten()
    }

    /// How the stores of chunks among them want to be written.
    pub fn layouts(&self) -> Vec<Option<OutputLayout>> {
        let layout = |target: &Arc<dyn Target>| {
            let chunk = target.chunk()?.to_vec();
            Some(OutputLayout { chunk, scratch_bytes: target.write_scratch_bytes() })
        };
        self.0.iter().map(|target| target.as_ref().and_then(layout)).collect()
    }

    /// Gives every file its name. They are synced already, so that this is only renaming.
    pub fn publish(self) -> Result<()> {
        self.0.iter().flatten().try_for_each(|target| target.publish())
    }
}
