//! `outcore functions`: what the expression language knows.

use crate::{
    args::Functions,
    output::{Style, print},
    settings::Settings,
};
use outcore::{
    Error, Result,
    array::parse::{FunctionDoc, functions, nearest},
};

/// Lists the functions, or shows one.
pub fn run(command: &Functions, settings: &Settings) -> Result<()> {
    let chosen: Vec<&FunctionDoc> = match &command.name {
        None => functions().iter().collect(),
        Some(name) => vec![find(name)?],
    };
    match settings.style {
        Style::Json => {
            let docs: Vec<serde_json::Value> = chosen.iter().map(|doc| json(doc)).collect();
            print(&serde_json::json!({"schema": "outcore.functions/1", "functions": docs}).to_string())
        }
        Style::Text if command.name.is_some() => print(&chosen.iter().map(|doc| page(doc)).collect::<String>()),
        Style::Text => print(&list(&chosen)),
    }
}

fn find(name: &str) -> Result<&'static FunctionDoc> {
    let found = functions().iter().find(|doc| doc.name == name || doc.aliases.contains(&name));
    found.ok_or_else(|| {
        let known = functions().iter().flat_map(|doc| doc.aliases.iter().chain([&doc.name]).copied());
        let hint = nearest(name, known).map(|meant| format!("did you mean `{meant}`?"));
        Error::usage(format!("no function is called `{name}`")).hint(hint.unwrap_or_else(|| "`outcore functions` lists them".to_string()))
    })
}

fn list(docs: &[&FunctionDoc]) -> String {
    let width = docs.iter().map(|doc| doc.name.len()).max().unwrap_or(0);
    docs.iter().map(|doc| format!("{:<width$}  {}", doc.name, doc.doc)).collect::<Vec<_>>().join("\n")
}

fn page(doc: &FunctionDoc) -> String {
    let aliases = if doc.aliases.is_empty() { String::new() } else { format!("\n  also     {}", doc.aliases.join(", ")) };
    let (signature, text, dtypes, example) = (signature(doc), doc.doc, doc.dtypes, doc.example);
    format!("{signature}\n  {text}\n  dtypes   {dtypes}{aliases}\n  example  outcore eval '{example}' x.npy")
}

/// The name with its parameters, whether or not the table repeats the name.
fn signature(doc: &FunctionDoc) -> String {
    if doc.signature.starts_with(doc.name) { doc.signature.to_string() } else { format!("{}{}", doc.name, doc.signature) }
}

fn json(doc: &FunctionDoc) -> serde_json::Value {
    serde_json::json!({
        "name": doc.name,
        "aliases": doc.aliases,
        "signature": signature(doc),
        "dtypes": doc.dtypes,
        "doc": doc.doc,
        "example": doc.example,
    })
}
