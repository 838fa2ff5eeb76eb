//! `outcore verify`: everything is read once, so that every checksum is checked; NaN and infinities are counted on the way.

use crate::{
    args::Verify,
    inputs::{self, open_one},
    output::{Style, print},
    settings::Settings,
    signals,
};
use outcore::{
    Array, DType, Destination, Error, Job, Result,
    nd::shape::show,
    report::size::{count, data_bytes},
    store,
};
use std::{ffi::OsStr, fs, path::Path};

/// What was found out about an array that could be read.
struct Found {
    path: String,
    dtype: DType,
    shape: Vec<usize>,
    elements: u64,
    nan: u64,
    inf: u64,
    bytes_stored: u64,
    /// What interrupted jobs left in and beside it.
    leftovers: Vec<String>,
}

/// Verifies every array; the first that is corrupt ends it. 1 if `--finite` was asked for and does not hold.
pub fn run(command: &Verify, settings: &Settings) -> Result<u8> {
    let mut found = Vec::new();
    for path in &command.paths {
        let one = verify(path, settings)?;
        if settings.style == Style::Text {
            print(&text(&one))?;
        }
        found.push(one);
    }
    if settings.style == Style::Json {
        let arrays: Vec<serde_json::Value> = found.iter().map(json).collect();
        print(&serde_json::json!({"schema": "outcore.verify/1", "arrays": arrays}).to_string())?;
    }
    Ok(u8::from(command.finite && found.iter().any(|one| one.nan + one.inf > 0)))
}

fn verify(path: &str, settings: &Settings) -> Result<Found> {
    let array = open_one(&settings.session, path)?;
    let (dtype, shape) = (array.dtype()?, array.shape()?);
    let elements = shape.iter().product::<usize>() as u64;
    let source = store::open(path)?;
    {
        let _guard = signals::guard(&settings.session);
        source.check_sums(&signals::check)?;
    }
    let (nan, inf) = if elements == 0 { (0, 0) } else { read_all(&array, settings)? };
    let bytes_stored = source.facts().encoded_bytes;
    let leftovers = leftovers(Path::new(inputs::without_query(path)));
    Ok(Found { path: path.to_string(), dtype, shape, elements, nan, inf, bytes_stored, leftovers })
}

/// NaN and infinities. Also where there can be none every element is read.
fn read_all(array: &Array, settings: &Settings) -> Result<(u64, u64)> {
    let wanted = match array.dtype()?.is_float() {
        true => vec![array.isnan().count_nonzero(..), array.isinf().count_nonzero(..)],
        false => vec![array.count_nonzero(..)],
    };
    let mut job = Job::new(&settings.session);
    for (index, value) in wanted.iter().enumerate() {
        job = job.output(format!("count {index}"), value, Destination::Memory);
    }
    let _guard = signals::guard(&settings.session);
    let result = job.run();
    settings.reporter.finish();
    let counts = result?.arrays.into_iter().flatten().map(|counted| {
        let value = counted.scalar(0).ok_or_else(|| Error::internal("a count is missing"))?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count is whole and not negative")]
        Ok(value.to_f64() as u64)
    });
    let counts = counts.collect::<Result<Vec<u64>>>()?;
    Ok(match counts[..] {
        [nan, inf] => (nan, inf),
        _ => (0, 0),
    })
}

/// Unfinished outputs, locks and journals of this array, and inside of it.
fn leftovers(path: &Path) -> Vec<String> {
    let (Some(name), folder) = (path.file_name(), path.parent().filter(|folder| !folder.as_os_str().is_empty())) else { return Vec::new() };
    let prefix = format!(".{}.", name.to_string_lossy());
    let is_left = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with(&prefix) && [".part", ".lock", ".journal"].iter().any(|end| name.ends_with(end))
    };
    let mut found = names_in(folder.unwrap_or(Path::new(".")), is_left);
    if path.is_dir() {
        let is_ours = |name: &OsStr| {
            let name = name.to_string_lossy();
            [".part", ".late", ".lock", ".journal"].iter().any(|end| name.ends_with(end))
        };
        found.extend(names_in(path, is_ours));
    }
    found.sort();
    found
}

fn names_in(folder: &Path, wanted: impl Fn(&OsStr) -> bool) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| wanted(&entry.file_name())).map(|entry| entry.path().display().to_string()).collect()
}

fn text(found: &Found) -> String {
    let (elements, bytes) = (count(found.elements), data_bytes(found.bytes_stored));
    let mut text = format!("{}  {} {}: {elements} elements, {bytes}, all read\n", found.path, found.dtype, show(&found.shape));
    text.push_str(&format!("  nan {}  inf {}", count(found.nan), count(found.inf)));
    for path in &found.leftovers {
        text.push_str(&format!("\n  left by an interrupted or running job: {path}"));
    }
    text
}

fn json(found: &Found) -> serde_json::Value {
    serde_json::json!({
        "path": found.path,
        "dtype": found.dtype.name(),
        "shape": found.shape,
        "elements": found.elements,
        "nan": found.nan,
        "inf": found.inf,
        "bytes": found.bytes_stored,
        "leftovers": found.leftovers,
    })
}
