//! `outcore explain`: the plan of what `eval` would do. Nothing is read but headers; inputs may be imagined.

use crate::{
    args::{Explain, spelling},
    eval, inputs,
    output::{Style, print},
    reporting, saving,
    settings::{Settings, check_writable},
};
use outcore::{Array, Destination, Error, Job, Result, array::parse::Value, report};

/// Prints the plan.
pub fn run(command: &Explain, settings: &Settings) -> Result<()> {
    command.svg.as_ref().map_or(Ok(()), |path| check_writable(path, &spelling("--svg")))?;
    let Explain { eval: command, svg } = command;
    let (text, words) = eval::statements(command)?;
    let arrays = inputs::open_or_imagine(&settings.session, &inputs::named(&words)?)?;
    let built = eval::build(&text, &arrays, settings)?;
    let outputs = eval::outputs(command, &built)?;
    let mut job = Job::new(&settings.session).save(saving::save(settings).zarr(command.layout.options()?));
    for output in &outputs {
        job = job.output(&output.name, &output.array, Destination::Path(output.path.clone()));
    }
    if let (true, Some((name, value))) = (outputs.is_empty(), &built.result) {
        let array = match value {
            Value::Array(array) => array.checked()?,
            Value::Scalar(scalar) => Array::scalar(*scalar),
            other => return Err(Error::usage(format!("the result is {}: nothing to plan", other.describe()))),
        };
        job = job.output(name, &array, Destination::Memory);
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
        reporting::write(path, &report::drawing_file(&report::Sketch::of(&plan)))?;
    }
    match settings.style {
        Style::Text => print(report::explain(&plan).trim_end()),
        Style::Json => print(&serde_json::json!({"schema": "outcore.plan/1", "plan": plan}).to_string()),
    }
}
