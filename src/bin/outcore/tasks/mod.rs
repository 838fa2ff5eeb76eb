//! `outcore plan`, `outcore task`, `outcore finish`: a job that many processes carry out, over a folder that all of them see.
//!
//! The folder keeps the command line that began the job, so that a task needs to be told nothing but the folder and its number.

mod emit;
mod on;

pub use emit::Emit;
pub use on::run as on;

use crate::{
    args::{Eval, Finish, Low, Mode, Plan, Task},
    errors,
    eval::{self, Prepared},
    output::{Style, note, print},
    settings::{self, ProfileUse, Settings},
    signals,
};
use clap::Parser;
use outcore::{
    Error, IoMode, Result, Size, Step, TaskDone, TaskSize, Tasks,
    report::size::{count, data_bytes, memory_bytes},
    store::tasks::{get, is_address, place, put},
};
use serde::{Deserialize, Serialize};
use std::{
    env,
    path::{Path, PathBuf},
};

/// Variables that hold the index of a task in an array of jobs.
const INDICES: [&str; 7] = [
    "JOB_COMPLETION_INDEX",
    "SLURM_ARRAY_TASK_ID",
    "PBS_ARRAY_INDEX",
    "HQ_TASK_ID",
    "AWS_BATCH_JOB_ARRAY_INDEX",
    "OMPI_COMM_WORLD_RANK",
    "PMI_RANK",
];

/// What `outcore plan` was called with when it began the job.
#[derive(Serialize, Deserialize)]
struct Began {
    schema: String,
    folder: PathBuf,
    words: Vec<String>,
}

const SCHEMA: &str = "outcore.job/1";

/// Begins a job, or goes on planning it.
pub fn plan(command: Plan, settings: &Settings) -> Result<()> {
    let folder = absolute(&command.job)?;
    let size = TaskSize { bytes: task_bytes(&command.task_bytes)?, tasks_max: command.tasks_max.max(1) };
    let step = begin(command.eval.eval(), &folder, size, settings)?;
    match (command.emit, &step) {
        (Some(scheduler), Step::Run(stage)) => print(emit::text(scheduler, stage, &Tasks::id_of(&folder)?, &folder).trim_end()),
        _ => tell(&step, &folder, settings.style),
    }
}

/// Runs a task; the exit code says whether another try may help.
pub fn task(command: &Task, style: Style) -> Result<u8> {
    let index = index_of(&command.task)? + command.task_base;
    match run(command, index, style) {
        Ok(done) if style == Style::Json => done.json().and_then(|line| print(&line.to_string())).map(|()| 0),
        Ok(done) => {
            let was = if done.was_done { "was done" } else { "done" };
            note("task", &format!("{index} of stage {} of phase {} {was}", done.stage, done.phase));
            Ok(0)
        }
        Err(error) if Tasks::may_pass(&error) => {
            let _ = errors::report(&error, style);
            Ok(Tasks::TRY_AGAIN)
        }
        Err(error) => Err(error),
    }
}

/// Gives the outputs their names.
pub fn finish(command: &Finish, style: Style) -> Result<()> {
    let folder = absolute(&command.job)?;
    let began = began(&folder)?.ok_or_else(|| nothing(&folder))?;
    let (eval, settings) = as_begun(&began, &folder, style)?;
    let mut prepared = eval::prepare(&eval, &settings)?;
    let result = {
        let _guard = signals::guard(&settings.session);
        tasks(&mut prepared, &folder)?.finish()?
    };
    eval::tell(prepared, Some(result), &settings)
}

fn run(command: &Task, index: usize, style: Style) -> Result<TaskDone> {
    let folder = absolute(&command.job)?;
    let began = began(&folder)?.ok_or_else(|| nothing(&folder))?;
    let (eval, settings) = as_begun(&began, &folder, style)?;
    let mut prepared = eval::prepare(&eval, &settings)?;
    let _guard = signals::guard(&settings.session);
    let done = tasks(&mut prepared, &folder)?.run(command.phase, command.stage, index)?;
    done.warnings.iter().for_each(|text| note("warning", text));
    Ok(done)
}

/// Begins the job in `folder`, or goes on planning it: what is given then has to be that job.
fn begin(given: Option<Eval>, folder: &Path, size: TaskSize, settings: &Settings) -> Result<Step> {
    match (began(folder)?, given) {
        (None, None) => Err(nothing(folder)),
        (None, Some(eval)) => {
            let step = next(&eval, folder, size, settings)?;
            keep_words(folder)?;
            Ok(step)
        }
        (Some(began), given) => {
            let here = current_folder()?;
            // The limits are those it began with, and so is what the command line does not say.
            let (eval, settings) = as_begun(&began, folder, settings.style)?;
            if given.is_some() {
                go_to(&here)?;
            }
            next(&given.unwrap_or(eval), folder, size, &settings)
        }
    }
}

fn next(eval: &Eval, folder: &Path, size: TaskSize, settings: &Settings) -> Result<Step> {
    let mut prepared = eval::prepare(eval, settings)?;
    let _guard = signals::guard(&settings.session);
    tasks(&mut prepared, folder)?.next(size).inspect_err(|_| settings.reporter.finish())
}

fn tasks(prepared: &mut Prepared, folder: &Path) -> Result<Tasks> {
    let job =
        prepared.job.take().ok_or_else(|| Error::usage("there is nothing to compute: the value is known without reading anything"))?;
    Ok(job.tasks(folder))
}

fn task_bytes(text: &str) -> Result<u64> {
    match text.parse::<Size>().map_err(|error| error.context("--task-bytes"))? {
        Size::Bytes(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(Error::usage(format!("--task-bytes {text}: a number of bytes is wanted")).hint("--task-bytes 1GiB")),
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    place(path).map_err(|error| Error::usage(format!("--job {}: {error}", path.display())))
}

fn nothing(folder: &Path) -> Error {
    Error::usage(format!("no job was begun in {}", folder.display())).hint("outcore plan 'STATEMENTS' x.npy -o y.npy --job FOLDER")
}

fn began(folder: &Path) -> Result<Option<Began>> {
    let path = folder.join("job.json");
    let Some(bytes) = get(&path)? else { return Ok(None) };
    let began: Began = serde_json::from_slice(&bytes).map_err(|error| Error::data(format!("{}: {error}", path.display())))?;
    if began.schema == SCHEMA {
        return Ok(Some(began));
    }
    Err(Error::refused(format!("{}: its schema is {}, this program knows {SCHEMA}", path.display(), began.schema))
        .hint("the same version of outcore on all machines"))
}

/// Keeps the command line for those who come later.
fn keep_words(folder: &Path) -> Result<()> {
    let word = |word: std::ffi::OsString| word.into_string().map_err(|word| Error::usage(format!("{} is not UTF-8", word.display())));
    let words = env::args_os().map(word).collect::<Result<_>>()?;
    let began = Began { schema: SCHEMA.to_string(), folder: current_folder()?, words };
    let text = serde_json::to_vec_pretty(&began).map_err(|error| Error::internal(format!("a command line is no JSON: {error}")))?;
    put(&folder.join("job.json"), &text)
}

fn current_folder() -> Result<PathBuf> {
    env::current_dir().map_err(|error| Error::io("find", "the current folder", error))
}

fn go_to(folder: &Path) -> Result<()> {
    env::set_current_dir(folder).map_err(|error| Error::io("go to", folder.display(), error))
}

/// The job as it was begun: from the same folder, with the same words and limits.
fn as_begun(began: &Began, folder: &Path, style: Style) -> Result<(Eval, Settings)> {
    match go_to(&began.folder) {
        // Machines that share addresses alone need not have the folder that the job was planned in.
        Err(_) if is_address(folder) => {}
        other => other?,
    }
    let bad = |why: String| Error::data(format!("{}: {why}", folder.join("job.json").display()));
    let Low { mode, mut common } = Low::try_parse_from(&began.words).map_err(|error| bad(error.to_string()))?;
    let eval = match mode {
        Mode::Plan(plan) => plan.eval.eval(),
        Mode::Eval(command) => Some(command.eval),
        _ => None,
    };
    let limits = Tasks::limits_of(folder)?;
    common.memory = Some(limits.memory_bytes.to_string());
    common.threads = Some(limits.threads);
    common.block = limits.block_bytes.map(|bytes| bytes.to_string());
    common.io = Some(match limits.io {
        IoMode::Auto => crate::args::Io::Auto,
        IoMode::Mmap => crate::args::Io::Mmap,
        IoMode::Read => crate::args::Io::Read,
    });
    common.json = style == Style::Json;
    let settings = settings::resolve(&common, ProfileUse::Ignore)?;
    Ok((eval.ok_or_else(|| bad("it has no statements".to_string()))?, settings))
}

/// The number of a task, as it is given or as the scheduler says.
fn index_of(text: &str) -> Result<usize> {
    if text != "auto" {
        return text.parse().map_err(|_| Error::usage(format!("--task {text}: neither a number nor auto")));
    }
    let found = INDICES.iter().find_map(|name| env::var(name).ok().map(|value| (name, value)));
    let (name, value) = found.ok_or_else(|| {
        Error::usage("--task auto: no variable says which task this is").hint(format!("one of {}, or --task 0", INDICES.join(", ")))
    })?;
    value.parse().map_err(|_| Error::usage(format!("--task auto: {name} is `{value}`, which is no number")))
}

fn tell(step: &Step, folder: &Path, style: Style) -> Result<()> {
    if style == Style::Json {
        return print(&step.json(&Tasks::id_of(folder)?)?.to_string());
    }
    let job = folder.display();
    match step {
        Step::Run(stage) => {
            let done = if stage.tasks_done > 0 { format!(", {} done", count(stage.tasks_done as u64)) } else { String::new() };
            let about = format!(
                "{} tasks{done}, {} in all, at most {} each",
                count(stage.tasks as u64),
                data_bytes(stage.bytes),
                memory_bytes(stage.bytes_peak)
            );
            print(&format!("phase {}, stage {} ({}): {about}", stage.phase, stage.stage, stage.name))?;
            let (phase, number, last) = (stage.phase, stage.stage, stage.tasks - 1);
            print(&format!("  outcore task --job {job} --phase {phase} --stage {number} --task I    for every I from 0 to {last}"))?;
            print(&format!("  outcore plan --job {job}"))
        }
        Step::Finish => print(&format!("all tasks are done\n  outcore finish --job {job}")),
        Step::Finished => print("finished: the outputs have their names"),
    }
}
