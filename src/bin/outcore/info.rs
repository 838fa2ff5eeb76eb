//! `outcore info`: what the header says. No data is read.

use crate::{
    args::Info,
    output::{Style, print},
    settings::Settings,
};
use outcore::{
    Result,
    nd::{
        SourceFacts, StoreLayout,
        shape::{c_strides, f_strides, show},
    },
    report::size::{count, data_bytes},
    store,
};
use std::fmt::Write as _;

/// Shows every array; the first that cannot be opened ends it.
pub fn run(command: &Info, settings: &Settings) -> Result<()> {
    let mut sources = Vec::new();
    for path in &command.paths {
        sources.push((path, store::open(path)?));
    }
    let facts = || sources.iter().map(|(path, source)| (path.as_str(), source.facts()));
    match settings.style {
        Style::Text => print(facts().map(|(path, facts)| text(path, facts)).collect::<Vec<_>>().join("\n").trim_end()),
        Style::Json => {
            let arrays: Vec<serde_json::Value> = facts().map(|(path, facts)| json(path, facts)).collect();
            print(&serde_json::json!({"schema": "outcore.info/1", "arrays": arrays}).to_string())
        }
    }
}

fn text(path: &str, facts: &SourceFacts) -> String {
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
    match &facts.layout {
        StoreLayout::Dense { strides } => line("layout", &format!("{}{}", order(facts, strides), byte_order(facts))),
        StoreLayout::Chunked { chunk } => line("chunks", &show(chunk)),
    }
    line("count", &count(facts.count() as u64));
    line("bytes", &format!("{} ({})", data_bytes(facts.encoded_bytes), count(facts.encoded_bytes)));
    text
}

fn json(path: &str, facts: &SourceFacts) -> serde_json::Value {
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
