//! `outcore explain`: the plan of what `eval` would do. Nothing is read but headers; inputs may be imagined.

use crate::{
    args::Explain,
    eval, expected, inputs,
    output::{Style, note, print},
    saving,
    settings::Settings,
    sides,
};
use outcore::{Array, Destination, Error, Job, Result, array::parse::Value, report};
use std::path::Path;

/// Prints the plan.
pub fn run(command: &Explain, settings: &Settings) -> Result<()> {
    let Explain { eval: command, svg } = command;
    let (text, words) = eval::statements(command)?;
    let named = inputs::named(&words)?;
    let arrays = inputs::open_or_imagine(&settings.session, &named)?;
    let built = eval::build(&text, &arrays, settings)?;
    let outputs = eval::outputs(command, &built)?;
    let mut job = Job::new(&settings.session).save(saving::save(settings).zarr(command.layout.options()?));
    for output in &outputs {
        job = job.output(&output.name, &output.array, Destination::Path(output.path.clone()));
    }
    if let (true, Some((name, value))) = (outputs.is_empty(), &built.result) {
        for (name, value) in eval::values(name, value) {
            let array = match value {
                Value::Array(array) => array.checked()?,
                Value::Scalar(scalar) => Array::scalar(*scalar),
                other => return Err(Error::usage(format!("the result is {}: nothing to plan", other.describe()))),
            };
            job = job.output(&name, &array, Destination::Memory);
        }
    }
    for (message, condition) in &built.asserts {
        job = job.assert(message, condition);
    }
    let mut plan = job.plan()?;
    // The run knows them by their names alone, so the plan is made with these.
    for (planned, output) in plan.outputs.iter_mut().zip(&outputs) {
        planned.name = format!("{} -> {}", output.name, output.path.display());
    }
    if let Some(path) = svg {
        sides::write(path, &report::drawing_file(&report::Sketch::of(&plan)))?;
    }
    if let Some(text) = settings.profile.note() {
        note("note", &text);
    }
    let paths: Vec<String> = named.into_iter().map(|(_, path)| path).collect();
    let files: Vec<&Path> = outputs.iter().map(|output| output.path.as_path()).collect();
    let times = expected::times(&plan, &paths, &files, settings);
    let times_text = times.as_ref().map_or_else(String::new, |times| format!("\n\n{}", times.text()));
    match settings.style {
        Style::Text => print(&format!("{}{times_text}", report::explain(&plan).trim_end())),
        Style::Json => {
            let mut json = serde_json::json!({"schema": "outcore.plan/1", "plan": plan});
            if let Some(times) = times {
                json["expected"] = times.json();
            }
            print(&json.to_string())
        }
    }
}
