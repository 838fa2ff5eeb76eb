//! `outcore eval`: statements to a printed value or to files.

use crate::{
    args::{self, Eval},
    inputs,
    output::{Style, note, print, print_array, print_values},
    saving,
    settings::{Notes, Settings, Stopped},
    signals,
};
use outcore::{
    AnyArray, Array, Destination, Error, Job, JobResult, Result, Save, Scalar,
    array::parse::{BuildOptions, Built, Program, Value, parse},
    nd::shape::show,
    report::{
        Values,
        size::{count, data_bytes},
    },
};
use std::{
    fs,
    io::{Read, stdin},
    path::{Path, PathBuf},
};

/// Results of more elements than this are saved, not printed.
const PRINTED_MAX: usize = 1000;
/// Jobs that write more without `--resume` are told of it.
const RESUME_BYTES: u64 = 16 << 30;

/// A value and where it goes.
pub struct Output {
    /// Its name.
    pub name: String,
    /// The value.
    pub array: Array,
    /// The file.
    pub path: PathBuf,
}

/// What a command line asks for, before anything runs.
pub struct Prepared {
    /// What is to be computed; `None` if nothing is.
    pub job: Option<Job>,
    arrays: Vec<(String, Array)>,
    outputs: Vec<Output>,
    notes: Vec<String>,
    /// What is printed: the result, or what it is a list of.
    printed: Vec<Printed>,
}

/// Evaluates, then prints or saves.
pub fn run(command: &Eval, settings: &Settings) -> Result<()> {
    let prepared = prepare(command, settings)?;
    if settings.stopped == Stopped::Refuse {
        advise_resume(&prepared.outputs);
    }
    let result = match &prepared.job {
        Some(job) => {
            let _guard = signals::guard(&settings.session);
            Some(job.run().inspect_err(|_| settings.reporter.finish())?)
        }
        None => None,
    };
    tell(prepared, result, settings)
}

/// Builds the job of a command line.
pub fn prepare(command: &Eval, settings: &Settings) -> Result<Prepared> {
    let (text, words) = statements(command)?;
    let arrays = inputs::open(&settings.session, &inputs::named(&words)?)?;
    let built = build(&text, &arrays, settings)?;
    let outputs = outputs(command, &built)?;
    settings.reports.tell_statements(&text);
    let save = saving::save(settings).zarr(command.layout.options()?).expression(text.trim());
    let save = if command.digest { save.digests() } else { save };
    let (job, printed) = job(&built, &outputs, save, settings)?;
    Ok(Prepared { job, arrays, outputs, notes: built.notes, printed })
}

/// Prints what a job gave, and says what it took.
pub fn tell(prepared: Prepared, result: Option<JobResult>, settings: &Settings) -> Result<()> {
    let Prepared { arrays, outputs, notes, mut printed, .. } = prepared;
    settings.reporter.finish();
    if let Some(JobResult { arrays: values, report }) = result {
        let waiting = printed.iter_mut().filter(|printed| matches!(printed, Printed::Awaited));
        for (printed, array) in waiting.zip(values.into_iter().flatten()) {
            if array.len() > PRINTED_MAX {
                return Err(too_long(array.shape(), array.bytes().len() as u64));
            }
            *printed = Printed::Array(array);
        }
        let paths: Vec<&Path> = outputs.iter().map(|output| output.path.as_path()).collect();
        saving::tell(report, &arrays, &paths, &notes, settings)?;
    }
    printed.iter().try_for_each(|printed| printed.print(settings.style))
}

/// The text of the statements, and the words that are inputs.
pub fn statements(command: &Eval) -> Result<(String, Vec<String>)> {
    if let Some(flag) = command.text.as_deref().filter(|text| args::looks_like_a_flag(text)) {
        return Err(args::unknown_flag(flag));
    }
    let (text, words) = match (&command.given.file, &command.text) {
        (Some(path), first) => (read_statements(path)?, first.iter().chain(&command.given.words).cloned().collect()),
        (None, text) => (text.clone().unwrap_or_default(), command.given.words.clone()),
    };
    if text.trim().is_empty() {
        return Err(no_statements());
    }
    Ok((text, words))
}

fn no_statements() -> Error {
    Error::usage("no statements").hint("outcore eval 'x.mean(0)' x.npy")
}

fn read_statements(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        return stdin().read_to_string(&mut text).map(|_| text).map_err(|error| Error::io("read", "stdin", error));
    }
    fs::read_to_string(path).map_err(|error| Error::io("read", path.display(), error))
}

/// Gives the names of the text their meaning; says what should be looked at twice.
pub fn build(text: &str, arrays: &[(String, Array)], settings: &Settings) -> Result<Built> {
    let options = BuildOptions { sum_mode: settings.session.sum_mode(), strict: settings.notes == Notes::Errors };
    let statements = parse(text)?;
    // Separators and comments alone are no more than nothing.
    if statements.is_empty() {
        return Err(no_statements());
    }
    let built = Program::build(&statements, arrays, &options)?;
    built.notes.iter().for_each(|text| note("note", text));
    Ok(built)
}

/// What `-o` asks for.
pub fn outputs(command: &Eval, built: &Built) -> Result<Vec<Output>> {
    command.given.outputs.iter().map(|word| output(word, built)).collect()
}

fn output(word: &str, built: &Built) -> Result<Output> {
    let (name, path) = inputs::split_name(word);
    if path.is_empty() {
        return Err(Error::usage(format!("-o {word}: no path after `=`")));
    }
    let (name, array) = match (name, &built.result) {
        (Some(name), _) => (name.to_string(), built.array(name)?),
        (None, Some((name, value))) => (name.clone(), array_of(value)?),
        (None, None) => {
            return Err(
                Error::usage(format!("-o {word}: the statements have no value")).hint("end with an expression, as in `assert ...; x`")
            );
        }
    };
    Ok(Output { name, array: array.checked()?, path: PathBuf::from(path) })
}

fn array_of(value: &Value) -> Result<Array> {
    match value {
        Value::Array(array) => Ok(array.clone()),
        Value::Scalar(scalar) => Ok(Array::scalar(*scalar)),
        Value::Tuple(_) | Value::List(_) => Err(Error::usage(format!("the result is {}, not an array", value.describe()))
            .hint("name the values, `a, b = ...`, and a file for each: -o a=a.npy -o b=b.npy")),
        other => Err(Error::usage(format!("the result is {}, not an array", other.describe()))),
    }
}

/// What is printed.
enum Printed {
    /// An array that the job computes.
    Awaited,
    Array(AnyArray),
    Scalar(Scalar),
    Text(String),
}

impl Printed {
    fn print(&self, style: Style) -> Result<()> {
        match self {
            Printed::Awaited => Err(Error::internal("a value was not computed")),
            Printed::Array(array) => print_array(array, style),
            // A literal beyond the integers of any dtype has its digits only.
            Printed::Scalar(scalar) if !scalar.fits(scalar.default_dtype()) => print(&scalar.to_string()),
            Printed::Scalar(scalar) => {
                let dtype = scalar.default_dtype();
                print_values(&Values { dtype, shape: &[], bytes: &scalar.to_bytes(dtype) }, style)
            }
            Printed::Text(text) if style == Style::Json => {
                print(&serde_json::json!({"schema": "outcore.value/1", "text": text}).to_string())
            }
            Printed::Text(text) => print(text),
        }
    }
}

/// The values that a result is printed as, with their names: several that arrays are among one by one, all else as it is.
pub fn values<'a>(name: &str, value: &'a Value) -> Vec<(String, &'a Value)> {
    match value {
        Value::Tuple(items) | Value::List(items) if items.iter().any(|item| matches!(item, Value::Array(_))) => {
            items.iter().enumerate().map(|(nth, item)| (format!("{name}[{nth}]"), item)).collect()
        }
        value => vec![(name.to_string(), value)],
    }
}

/// What has to be run, and what is printed when that is done.
fn job(built: &Built, outputs: &[Output], save: Save, settings: &Settings) -> Result<(Option<Job>, Vec<Printed>)> {
    let mut job = Job::new(&settings.session).save(save);
    for output in outputs {
        job = job.output(&output.name, &output.array, Destination::Path(output.path.clone()));
    }
    let mut printed = Vec::new();
    let mut is_idle = outputs.is_empty() && built.asserts.is_empty();
    if let (true, Some((name, value))) = (outputs.is_empty(), &built.result) {
        for (name, value) in values(name, value) {
            printed.push(match value {
                Value::Array(array) => {
                    let array = array.checked()?;
                    refuse_to_print(&array)?;
                    job = job.output(&name, &array, Destination::Memory);
                    is_idle = false;
                    Printed::Awaited
                }
                Value::Scalar(scalar) => Printed::Scalar(*scalar),
                other => Printed::Text(other.show()),
            });
        }
    }
    for (message, condition) in &built.asserts {
        job = job.assert(message, condition);
    }
    Ok((if is_idle { None } else { Some(job) }, printed))
}

/// Says once that a job that will take long could be one that survives. Lengths that depend on data are not known yet.
fn advise_resume(outputs: &[Output]) {
    let bytes = |output: &Output| {
        let meta = output.array.meta().ok()?;
        let lengths = meta.known_shape()?;
        Some(lengths.iter().fold(meta.dtype.size() as u64, |bytes, &length| bytes.saturating_mul(length as u64)))
    };
    let total = outputs.iter().filter_map(bytes).fold(0, u64::saturating_add);
    if total > RESUME_BYTES {
        note("note", &format!("this will write {}; with --resume an interruption keeps what is finished", data_bytes(total)));
    }
}

/// Refuses before running what is too long to print. A length that depends on data is looked at afterwards.
fn refuse_to_print(array: &Array) -> Result<()> {
    let meta = array.meta()?;
    match meta.known_shape() {
        Some(shape) if shape.iter().product::<usize>() > PRINTED_MAX => {
            Err(too_long(&shape, shape.iter().product::<usize>() as u64 * meta.dtype.size() as u64))
        }
        _ => Ok(()),
    }
}

fn too_long(shape: &[usize], bytes: u64) -> Error {
    let elements: usize = shape.iter().product();
    Error::usage(format!(
        "the result has shape {}: {} elements, {}; up to {} are printed",
        show(shape),
        count(elements as u64),
        data_bytes(bytes),
        count(PRINTED_MAX as u64)
    ))
    .hint("save it with -o result.npy, or take a part: [:5]")
}
