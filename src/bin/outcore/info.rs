//! `outcore info`: what the header says, and which arrays a group has. No data is read.

use crate::{
    args::Info,
    inputs::warn_of_order,
    output::{Style, print},
    settings::Settings,
};
use outcore::{
    Error, Result,
    nd::{
        Dims, SourceFacts, StoreLayout,
        shape::{c_strides, f_strides, show},
    },
    report::size::{count, data_bytes},
    store::{
        self,
        zarr::{self, About, Group, Opened},
    },
};
use std::{fmt::Write as _, path::Path};

/// What one path of the command line names.
enum Shown {
    Array { path: String, facts: Box<SourceFacts>, zarr: Option<Box<Zarr>> },
    Group { path: String, group: Group },
}

/// What an array of a Zarr store has besides its facts.
struct Zarr {
    about: About,
    is_estimated: bool,
    warnings: Vec<String>,
}

/// Shows every array and group; the first that cannot be opened ends it.
pub fn run(command: &Info, settings: &Settings) -> Result<()> {
    let mut shown = Vec::new();
    for path in &command.paths {
        shown.push(look(path)?);
    }
    match settings.style {
        Style::Text => print(shown.iter().map(text).collect::<Vec<_>>().join("\n").trim_end()),
        Style::Json => {
            let mut arrays = Vec::new();
            for shown in &shown {
                match shown {
                    Shown::Array { path, facts, zarr } => arrays.push(json(path, facts, zarr.as_deref())),
                    Shown::Group { path, group } => {
                        for array in &group.arrays {
                            arrays.push(json_in_group(&format!("{}/{}", path.trim_end_matches('/'), array.path))?);
                        }
                    }
                }
            }
            print(&serde_json::json!({"schema": "outcore.info/1", "arrays": arrays}).to_string())
        }
    }
}

fn look(path: &str) -> Result<Shown> {
    let file = if Path::new(path).exists() { path } else { path.rsplit_once('?').map_or(path, |(file, _)| file) };
    let zarr = match zarr::open(file)? {
        Some(Opened::Group(group)) => return Ok(Shown::Group { path: path.to_string(), group }),
        Some(Opened::Array(source)) => {
            Some(Box::new(Zarr { about: source.about(), is_estimated: source.is_estimated(), warnings: source.warnings().to_vec() }))
        }
        None => None,
    };
    warn_of_order(path)?;
    Ok(Shown::Array { path: path.to_string(), facts: Box::new(store::open(path)?.facts().clone()), zarr })
}

/// An array of a group; one that cannot be read is listed with its error.
fn json_in_group(path: &str) -> Result<serde_json::Value> {
    match look(path) {
        Ok(Shown::Array { facts, zarr, .. }) => Ok(json(path, &facts, zarr.as_deref())),
        Ok(Shown::Group { .. }) => Err(Error::internal(format!("{path} was an array and is a group"))),
        Err(error) => Ok(serde_json::json!({"path": path, "error": error.message()})),
    }
}

fn text(shown: &Shown) -> String {
    match shown {
        Shown::Array { path, facts, zarr } => array_text(path, facts, zarr.as_deref()),
        Shown::Group { path, group } => group_text(path, group),
    }
}

fn group_text(path: &str, group: &Group) -> String {
    let count = group.arrays.len();
    let mut text = format!("{path}\n  group   {count} array{}\n", if count == 1 { "" } else { "s" });
    let width = group.arrays.iter().map(|array| array.path.chars().count()).max().unwrap_or(0);
    for array in &group.arrays {
        let about = match &array.about {
            Ok(about) => format!("{} {} in chunks of {}{}", show(&about.shape), about.dtype, show(&about.unit), named(&about.dims)),
            Err(_) if zarr::is_texts(&format!("{}/{}", path.trim_end_matches('/'), array.path)) => {
                "texts, which are not computed with and go along".to_string()
            }
            Err(error) => format!("cannot be read: {}", error.message()),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:<width$}  {about}", array.path);
    }
    text
}

fn named(dims: &Dims) -> String {
    if dims.is_unnamed() { String::new() } else { format!(", dims {dims}") }
}

fn array_text(path: &str, facts: &SourceFacts, zarr: Option<&Zarr>) -> String {
    let mut text = format!("{path}\n");
    let mut line = |name: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {name:<7} {value}");
    };
    line("shape", &show(&facts.shape));
    line("dtype", &format!("{} ({})", facts.dtype, facts.dtype.numpy_name()));
    if !facts.dims.is_unnamed() {
        line("dims", &facts.dims.to_string());
    }
    match (&facts.layout, zarr) {
        (StoreLayout::Dense { strides }, _) => line("layout", &format!("{}{}", order(facts, strides), byte_order(facts))),
        (StoreLayout::Chunked { chunk }, None) => line("chunks", &show(chunk)),
        (StoreLayout::Chunked { .. }, Some(Zarr { about, .. })) => {
            let shards = if about.unit == about.chunk { String::new() } else { format!(" in shards of {}", show(&about.chunk)) };
            line("chunks", &format!("{}{shards}", show(&about.unit)));
            line("codecs", &about.codecs);
        }
    }
    line("count", &count(facts.count() as u64));
    let about = if zarr.is_some_and(|zarr| zarr.is_estimated) { "about " } else { "" };
    line("bytes", &format!("{about}{} ({})", data_bytes(facts.encoded_bytes), count(facts.encoded_bytes)));
    for warning in zarr.map(|zarr| zarr.warnings.as_slice()).unwrap_or_default() {
        line("warning", warning);
    }
    text
}

fn json(path: &str, facts: &SourceFacts, zarr: Option<&Zarr>) -> serde_json::Value {
    let (layout, chunks) = match &facts.layout {
        StoreLayout::Dense { strides } => (order(facts, strides), None),
        StoreLayout::Chunked { chunk } => ("chunks".to_string(), Some(chunk)),
    };
    let dims: Option<Vec<Option<&str>>> = (!facts.dims.is_unnamed()).then(|| facts.dims.0.iter().map(Option::as_deref).collect());
    serde_json::json!({
        "path": path,
        "shape": facts.shape,
        "dtype": facts.dtype.name(),
        "dims": dims,
        "layout": layout,
        "chunks": chunks,
        "shards": zarr.filter(|zarr| zarr.about.unit != zarr.about.chunk).map(|zarr| &zarr.about.chunk),
        "codecs": zarr.map(|zarr| &zarr.about.codecs),
        "big_endian": facts.swapped != cfg!(target_endian = "big"),
        "bytes": facts.encoded_bytes,
    })
}

fn order(facts: &SourceFacts, strides: &[i64]) -> String {
    // The strides of axes of length 1 mean nothing.
    let same = |wanted: &[i64]| (0..strides.len()).all(|axis| facts.shape[axis] <= 1 || strides[axis] == wanted[axis]);
    if same(&c_strides(&facts.shape)) || facts.shape.contains(&0) {
        "C order".to_string()
    } else if same(&f_strides(&facts.shape)) {
        "Fortran order".to_string()
    } else {
        format!("strides {}", show(strides))
    }
}

fn byte_order(facts: &SourceFacts) -> &'static str {
    match (facts.swapped, cfg!(target_endian = "big")) {
        (false, _) => "",
        (true, false) => ", big-endian",
        (true, true) => ", little-endian",
    }
}
