//! A cluster carries a job out: the Python package `outcore-dask` hands its tasks to workers, which start a program for each of them.
//!
//! The program of a job that Rust builds is the one that built it. Started for a task it learns from the job's folder what it was first
//! called with, builds the same job, and does what it was asked for.

use super::{JobResult, Step, TaskDone, TaskSize, Tasks};
use crate::{
    error::{Error, ErrorKind, Result},
    plan::NUMERICS_VERSION,
    store::tasks::{get, place, put},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    env,
    ffi::OsString,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Which Python has the package.
const PYTHON: &str = "OUTCORE_PYTHON";
/// The exit code of a failure that will not pass.
const FAILED: u8 = 1;

impl Tasks {
    /// The exit code of a step that may be tried again.
    pub const TRY_AGAIN: u8 = 75;

    /// Has the Python package `outcore-dask` carry out the job that was begun in `folder`, on the cluster that `scheduler` names:
    /// `dask://HOST:PORT`, `dask:local?workers=2`, `dask:scheduler-file=PATH`. The program is started for every step, here and on the workers, as
    /// `PROGRAM plan|task|finish --job FOLDER ...`. `line` gets what the package prints: events as JSON, and what `finish` printed. The exit code.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if Python cannot be started; what `line` says.
    pub fn drive(folder: &Path, scheduler: &str, program: &Path, mut line: impl FnMut(&str) -> Result<()>) -> Result<u8> {
        let python = env::var_os(PYTHON).unwrap_or_else(|| "python3".into());
        let mut command = Command::new(&python);
        command.args(["-m", "outcore_dask", "--scheduler", scheduler, "--job"]).arg(folder).arg("--outcore").arg(program);
        let missing = |error| {
            Error::usage(format!("{} cannot be started: {error}", python.display()))
                .hint(format!("pip install outcore-dask; {PYTHON} names the Python that has it"))
        };
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(missing)?;
        let stdout = child.stdout.take().ok_or_else(|| Error::internal("a driver without output"))?;
        let heard = BufReader::new(stdout).lines().try_for_each(|text| {
            let text = text.map_err(|error| Error::io("read", "the events of the driver", error))?;
            line(&text)
        });
        if heard.is_err() {
            // Nobody listens: tasks that run end by themselves, and what they leave is kept.
            let _ = child.kill();
            let _ = child.wait();
        }
        heard?;
        let status = child.wait().map_err(|error| Error::io("wait for", "the driver", error))?;
        // Ended by a signal: as a shell says it.
        Ok(u8::try_from(status.code().unwrap_or(137)).unwrap_or(70))
    }

    /// The words that this process builds its job from: its own, or, where a cluster started it for a step of a job, those that the job was
    /// begun with. To be called first, with [`std::env::args`]. Paths among them should be absolute: workers run anywhere.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] if the job's folder does not say them; as reading it.
    pub fn words(own: impl IntoIterator<Item = String>) -> Result<Vec<String>> {
        let own: Vec<String> = own.into_iter().collect();
        let Some(asked) = Asked::of(&own) else { return Ok(own) };
        Ok(Began::read(asked.folder())?.map_or(own, |began| began.words))
    }

    /// Does what this process was started for by a cluster, if it was: prints what the driver wants to know, and gives the exit code to end
    /// with. `own` are its words, as [`std::env::args`] gives them; `None` if they ask for nothing of this job.
    pub fn serve(&self, own: impl IntoIterator<Item = String>) -> Option<u8> {
        let own: Vec<String> = own.into_iter().collect();
        let asked = Asked::of(&own)?;
        if Some(asked.folder()) != place(self.folder.path()).ok().as_deref() {
            return None;
        }
        let answer = self.answer(&asked).and_then(|text| {
            let written = writeln!(io::stdout(), "{text}");
            written.map_err(|error| Error::io("write to", "stdout", error))
        });
        Some(answer.map_or_else(|error| self.complain(&error), |()| 0))
    }

    /// Carries the job out on the cluster that `scheduler` names, in tasks of `size`, and publishes its outputs; `event` gets every event of the driver, a line of
    /// JSON each. What was done before is not done again. Python with the package `outcore-dask` is needed here (`OUTCORE_PYTHON` says
    /// which), this program under the same path on every worker, and a folder that all of them see. What is less than one task is done here.
    ///
    /// ```no_run
    /// use outcore::{Destination, Job, Session, TaskSize, Tasks, axis};
    /// fn main() -> Result<std::process::ExitCode, outcore::Error> {
    ///     let words = Tasks::words(std::env::args())?;
    ///     let session = Session::builder().memory("1GiB").build()?;
    ///     let x = session.open(&words[1]);
    ///     let job = Job::new(&session).output("mean", &x.mean(axis(0)), Destination::Memory);
    ///     let tasks = job.tasks("/shared/job");
    ///     if let Some(code) = tasks.serve(std::env::args()) {
    ///         return Ok(code.into());
    ///     }
    ///     let result = tasks.on("dask://scheduler:8786", TaskSize::default(), |event| eprintln!("{event}"))?;
    ///     println!("{:?}", result.arrays[0]);
    ///     Ok(0.into())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Tasks::next`] and [`Tasks::finish`]; [`ErrorKind::Io`] if what failed may pass, and [`ErrorKind::Data`] if a task cannot be
    /// done, with its message and the command that reproduces it.
    pub fn on(&self, scheduler: &str, size: TaskSize, mut event: impl FnMut(&str)) -> Result<JobResult> {
        let words = words_here()?;
        if let Some(asked) = Asked::of(&words) {
            let (theirs, ours) = (asked.folder().display(), self.folder.name());
            let text = format!("this process was started for a step of the job in {theirs}, and now begins the one in {ours}");
            return Err(Error::usage(text).hint("`Tasks::serve` before `Tasks::on`, and absolute paths"));
        }
        self.next(size)?;
        let folder = place(self.folder.path()).map_err(|error| Error::io("find", self.folder.name(), error))?;
        Began { words, size }.write(&folder)?;
        let program = env::current_exe().map_err(|error| Error::io("find", "this program", error))?;
        let mut failed = String::new();
        let code = Tasks::drive(&folder, scheduler, &program, |line| {
            let told: Value = serde_json::from_str(line).unwrap_or_default();
            if told["event"] == "failed" {
                failed = told["message"].as_str().unwrap_or_default().to_string();
            }
            if told["event"].is_string() {
                event(line);
            }
            Ok(())
        })?;
        if code == 0 {
            return self.finish();
        }
        let kind = if code == Tasks::TRY_AGAIN { ErrorKind::Io } else { ErrorKind::Data };
        let why = if failed.is_empty() { "it said why on stderr".to_string() } else { failed };
        Err(Error::new(kind, format!("{scheduler} did not carry the job in {} out (exit code {code}): {why}", self.folder.name()))
            .hint("what is done is kept: the same call goes on with it"))
    }

    /// Whether the task that failed with `error` may succeed later, or elsewhere.
    #[must_use]
    pub fn may_pass(error: &Error) -> bool {
        match error.kind() {
            ErrorKind::Io | ErrorKind::Cancelled => true,
            // No room.
            ErrorKind::Output => error.needed_bytes().is_some(),
            _ => false,
        }
    }

    fn answer(&self, asked: &Asked) -> Result<String> {
        match *asked {
            Asked::Version(_) => Ok(format!("outcore {} (numerics {NUMERICS_VERSION})", env!("CARGO_PKG_VERSION"))),
            Asked::Plan(_) => {
                let size = Began::read(self.folder.path())?.map(|began| began.size).unwrap_or_default();
                Ok(self.next(size)?.json(&self.folder.job()?)?.to_string())
            }
            Asked::Task(_, phase, stage, task) => Ok(self.run(phase, stage, task)?.json()?.to_string()),
            // Whoever called [`Tasks::on`] finishes it, and has the results.
            Asked::Finish(_) => Ok(String::new()),
        }
    }

    fn complain(&self, error: &Error) -> u8 {
        // Nobody is left to complain to if that cannot be written.
        let _ = writeln!(io::stderr(), "error: {error}");
        if Tasks::may_pass(error) { Tasks::TRY_AGAIN } else { FAILED }
    }
}

/// The words of this process.
fn words_here() -> Result<Vec<String>> {
    let word = |word: OsString| word.into_string().map_err(|word| Error::usage(format!("{} is not UTF-8", word.display())));
    env::args_os().map(word).collect()
}

/// What the driver starts a program for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Version(PathBuf),
    Plan(PathBuf),
    /// Phase, stage and task.
    Task(PathBuf, usize, usize, usize),
    Finish(PathBuf),
}

impl Asked {
    /// What the words of a process ask for, the first of which names the program.
    fn of(own: &[String]) -> Option<Asked> {
        let flag = |name: &str| own.iter().skip_while(|word| *word != name).nth(1);
        let number = |name: &str| flag(name)?.parse().ok();
        let folder = || place(Path::new(flag("--job")?)).ok();
        match own.get(1)?.as_str() {
            "--version" => Some(Asked::Version(folder()?)),
            "plan" => Some(Asked::Plan(folder()?)),
            "task" => Some(Asked::Task(folder()?, number("--phase")?, number("--stage")?, number("--task")?)),
            "finish" => Some(Asked::Finish(folder()?)),
            _ => None,
        }
    }

    fn folder(&self) -> &Path {
        match self {
            Asked::Version(folder) | Asked::Plan(folder) | Asked::Task(folder, ..) | Asked::Finish(folder) => folder,
        }
    }
}

/// What the program that began a job was called with.
#[derive(Debug, Serialize, Deserialize)]
struct Began {
    words: Vec<String>,
    size: TaskSize,
}

impl Began {
    fn path(folder: &Path) -> PathBuf {
        folder.join("words.json")
    }

    fn read(folder: &Path) -> Result<Option<Began>> {
        let path = Began::path(folder);
        let Some(bytes) = get(&path)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::data(format!("{}: {error}", path.display())))
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(|error| Error::internal(format!("words are no JSON: {error}")))?;
        put(&Began::path(folder), &text)
    }
}

impl Step {
    /// The step as a line for programs, of the job that is called `job`.
    pub fn json(&self, job: &str) -> Result<Value> {
        line_of(json!({"schema": "outcore.step/1", "job": job, "version": env!("CARGO_PKG_VERSION"), "numerics": NUMERICS_VERSION}), self)
    }
}

impl TaskDone {
    /// The task as a line for programs.
    pub fn json(&self) -> Result<Value> {
        line_of(json!({"schema": "outcore.task/1", "state": if self.was_done { "was done" } else { "done" }}), self)
    }
}

/// A line for programs: what begins it, and the fields of `of`.
fn line_of(mut line: Value, of: &impl Serialize) -> Result<Value> {
    let fields = serde_json::to_value(of).map_err(|error| Error::internal(format!("fields are no JSON: {error}")))?;
    for (key, value) in fields.as_object().into_iter().flatten() {
        let key = if key == "bytes_peak" { "peak_bytes" } else { key };
        line[key] = value.clone();
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Option<Asked> {
        let own: Vec<String> = ["program"].iter().chain(words).map(ToString::to_string).collect();
        Asked::of(&own)
    }

    #[test]
    fn what_a_driver_asks_for_is_told_from_everything_else() {
        let folder = || PathBuf::from("/shared/job");
        assert_eq!(asked(&["--version", "--job", "/shared/job"]), Some(Asked::Version(folder())));
        assert_eq!(asked(&["plan", "--job", "/shared/job", "--json"]), Some(Asked::Plan(folder())));
        let task = ["task", "--job", "/shared/job", "--phase", "1", "--stage", "2", "--task", "33", "--json"];
        assert_eq!(asked(&task), Some(Asked::Task(folder(), 1, 2, 33)));
        assert_eq!(asked(&["finish", "--job", "/shared/job"]), Some(Asked::Finish(folder())));
        for words in [&[][..], &["x.npy"], &["plan"], &["plan", "--job"], &["task", "--job", "j", "--phase", "1"], &["--version"]] {
            assert_eq!(asked(words), None, "{words:?}");
        }
        let own = || ["program", "x.npy"].map(String::from);
        assert_eq!(Tasks::words(own()).unwrap(), own());
    }
}
