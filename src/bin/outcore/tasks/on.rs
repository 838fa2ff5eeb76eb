//! `outcore eval ... --on dask:...`: plans the job in tasks and has the Python package `outcore-dask` drive them on a cluster.

use super::{absolute, begin};
use crate::{
    args::Eval,
    output::{Style, note, print},
    settings::Settings,
};
use outcore::{Error, Progress, Result, TaskSize, Tasks};
use serde_json::Value;
use std::{
    env,
    path::{Path, PathBuf},
};

/// Evaluates on the cluster that `scheduler` names; the exit code is the driver's. What was begun stays in `job` if it fails.
pub fn run(eval: Eval, scheduler: &str, job: Option<&PathBuf>, settings: &Settings) -> Result<u8> {
    if !scheduler.starts_with("dask:") {
        return Err(Error::usage(format!("--on {scheduler}: no such kind of cluster"))
            .hint("dask://HOST:8786, dask:local?workers=2 or dask:scheduler-file=PATH"));
    }
    let job = job.ok_or_else(|| Error::usage("--on needs a folder that all machines see").hint("--job FOLDER"))?;
    let folder = absolute(job)?;
    let _ = begin(Some(eval), &folder, TaskSize::default(), settings)?;
    let code = drive(&folder, scheduler, settings)?;
    settings.reporter.finish();
    if code != 0 {
        note("note", &format!("what is done is kept in {}: the same command goes on with it", folder.display()));
    }
    Ok(code)
}

/// Runs the driver; passes on what it prints, and tells of its events.
fn drive(folder: &Path, scheduler: &str, settings: &Settings) -> Result<u8> {
    let program = env::current_exe().map_err(|error| Error::io("find", "this program", error))?;
    let (mut is_done, mut stage) = (false, Value::Null);
    Tasks::drive(folder, scheduler, &program, |line| {
        let event: Option<Value> = if is_done { None } else { serde_json::from_str(line).ok() };
        match event.filter(|event| event["event"].is_string()) {
            Some(event) => {
                is_done = event["event"] == "done";
                match event["event"].as_str() {
                    Some("progress") => settings.reporter.tell(&progress(&stage, &event, settings)),
                    Some("stage") => stage = event.clone(),
                    _ => {}
                }
                tell(&event, line, settings);
                Ok(())
            }
            None => print(line),
        }
    })
}

/// How far a stage is, by the tasks that are done. Memory is that of one task.
fn progress(stage: &Value, event: &Value, settings: &Settings) -> Progress {
    let number = |of: &Value, name: &str| of[name].as_u64().unwrap_or(0);
    let bytes_total = number(stage, "bytes");
    let bytes_done = u128::from(bytes_total) * u128::from(number(event, "done")) / u128::from(number(event, "tasks").max(1));
    Progress {
        stage: number(stage, "stage") as usize,
        stages: number(stage, "stages") as usize,
        stage_name: stage["name"].as_str().unwrap_or_default().to_string(),
        bytes_done: bytes_done as u64,
        bytes_total,
        seconds: event["seconds"].as_f64().unwrap_or(0.0),
        bytes_held: number(stage, "peak_bytes"),
        bytes_budget: settings.session.limits().memory_bytes,
    }
}

/// Tells of an event: to programs as it is, to people what they wait for.
fn tell(event: &Value, line: &str, settings: &Settings) {
    let text = |name: &str| event[name].as_str().unwrap_or_default().to_string();
    match (settings.style, event["event"].as_str()) {
        (Style::Json, _) => eprintln!("{line}"),
        // The progress line says it.
        (_, Some("stage")) if settings.reporter.is_watched() => {}
        (_, Some("stage")) => note("stage", &format!("{}: {} tasks on {} slots", text("name"), event["tasks"], event["slots"])),
        (_, Some("task")) if matches!(event["state"].as_str(), Some("retry" | "lost" | "backup")) => {
            note("task", &format!("{} of {}: {} {}", event["task"], text("name"), text("state"), text("message")));
        }
        (_, Some("failed")) => note("error", &text("message")),
        _ => {}
    }
}
