//! `outcore demo`: real embeddings, larger than the budget, standardised, measured and checked.

mod data;

use crate::{
    args, disk, measure,
    output::print,
    settings::{Recipe, Settings},
    signals,
};
use outcore::{
    Array, Destination, Error, Job, Result, RunReport, Session, Size, SliceItem, SumMode,
    array::parse::{BuildOptions, Program, parse},
    axis,
    nd::shape::show,
    report::{
        explain,
        size::{data_bytes, memory_bytes, plural, seconds},
    },
};
use std::path::Path;

/// The job.
const STATEMENTS: &str = "m = mean(x, axis=0); s = std(x, axis=0); z = (x - m) / s";
/// Budget without `--memory`.
const MEMORY_BYTES: u64 = 128 << 20;
/// Rows that are computed again with other settings.
const ROWS_AGAIN: i64 = 10_000;
/// A budget that cannot work.
const MEMORY_BYTES_TOO_LITTLE: u64 = 1 << 10;
/// What the process holds besides the budget at most: its text, stacks and tables.
const PROCESS_BYTES: u64 = 24 << 20;

/// Shows it, and cleans up.
pub fn run(command: &args::Demo, settings: &Settings) -> Result<()> {
    let bytes = match command.size.parse::<Size>().map_err(|error| error.context("--size"))? {
        Size::Bytes(bytes) => bytes,
        Size::Percent(_) => return Err(Error::usage("--size is a number of bytes").hint("--size 768MB")),
    };
    let dir = command.dir.clone().unwrap_or_else(|| ".".into());
    disk::refuse_memory(&dir)?;
    let mut recipe = settings.recipe.clone();
    recipe.memory.get_or_insert(Size::Bytes(MEMORY_BYTES));
    // Compensated sums until exact ones are as fast.
    recipe.sum.get_or_insert(SumMode::Neumaier);
    let reporter = settings.reporter.clone();
    let session = recipe.builder().on_event(move |progress| reporter.tell(progress)).build()?;
    settings.reports.tell_session(&session);
    let _guard = signals::guard(&session);
    let made = tempfile::Builder::new().prefix("outcore-demo-").tempdir_in(&dir);
    let folder = made.map_err(|error| Error::output(format!("cannot create a folder in {}: {error}", dir.display())).hint("--dir"))?;
    let shown = show_demo(folder.path(), bytes, &session, &recipe, settings);
    let path = folder.path().to_path_buf();
    folder.close().map_err(|error| Error::io("remove", path.display(), error))?;
    shown?;
    print(&format!("cleanup   removed {}", path.display()))
}

fn show_demo(folder: &Path, bytes: u64, session: &Session, recipe: &Recipe, settings: &Settings) -> Result<()> {
    let (input, output) = (folder.join("embeddings.npy"), folder.join("standardised.npy"));
    let shape = data::make(session, folder, &input, bytes)?;
    let bytes = shape.iter().product::<usize>() as u64 * 4;
    let limits = session.limits();
    let (budget, threads) = (limits.memory_bytes, plural(limits.threads as u64, "thread", "threads"));
    let data = format!("{} f32, {}: embeddings of 1,140 sentences, repeated with jitter", show(&shape), data_bytes(bytes));
    print(&format!("data      {data}\nbudget    {}, {threads}", memory_bytes(budget)))?;
    let x = session.open(&input).checked()?;
    let z = standardised(&x, session.sum_mode())?;
    let job = Job::new(session).output("z", &z, Destination::Path(output.clone()));
    print(&format!("job       {STATEMENTS}   (--sum {})", format!("{:?}", session.sum_mode()).to_lowercase()))?;
    for line in explain(&job.plan()?).lines().take_while(|line| !line.is_empty()) {
        print(&format!("  {line}"))?;
    }
    // Once before and once after: shared disks vary, and the faster one is what the job could have had.
    let disk_before = disk::write_seconds(&folder.join("disk-speed"), bytes)?;
    let report = job.run();
    settings.reporter.finish();
    let disk_seconds = disk::write_seconds(&folder.join("disk-speed"), bytes)?.min(disk_before);
    show_speed(&report?.report, bytes, disk_seconds)?;
    show_peak(budget)?;
    show_check(session, &output)?;
    show_same(&input, recipe)?;
    show_refusal(&input, recipe)?;
    let command = "outcore eval 'z = (x - mean(x, axis=0)) / std(x, axis=0)' embeddings.npy -o standardised.npy --memory";
    print(&format!("yours     {command} {}", memory_bytes(budget).replace(' ', "")))
}

fn standardised(x: &Array, sum_mode: SumMode) -> Result<Array> {
    let inputs = [("x".to_string(), x.clone())];
    Program::build(&parse(STATEMENTS)?, &inputs, &BuildOptions { sum_mode, strict: false })?.array("z")
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shown to a person")]
fn show_speed(report: &RunReport, bytes: u64, disk_seconds: f64) -> Result<()> {
    let rate = |seconds: f64| data_bytes((bytes as f64 / seconds.max(1e-9)) as u64);
    print(&format!(
        "speed     {}: {} read, {} written and on the medium at {}/s,\n          {:.0} % of this disk's own write + fsync of the same bytes just now ({}/s, nothing computed)",
        seconds(report.seconds),
        data_bytes(report.stats.bytes_read),
        data_bytes(bytes),
        rate(report.seconds),
        100.0 * disk_seconds / report.seconds.max(1e-9),
        rate(disk_seconds)
    ))
}

fn show_peak(budget: u64) -> Result<()> {
    let Some(peak) = measure::peak_resident_bytes() else { return Ok(()) };
    let verdict = match peak {
        below if below <= budget => "inside the budget",
        near if near <= budget + PROCESS_BYTES => "the budget and the program itself",
        _ => "ABOVE the budget: please report this",
    };
    print(&format!("memory    the kernel saw {} at most, mapped pages included: {verdict}", memory_bytes(peak)))
}

/// The columns of the output, read back, have mean 0 and deviation 1.
fn show_check(session: &Session, output: &Path) -> Result<()> {
    let z = session.open(output).checked()?.cast::<f64>();
    let mean = z.mean(axis(0)).abs().max(..);
    let off = (z.std(axis(0)) - 1.0f64).abs().max(..);
    let values = session.eval_all([&mean, &off])?;
    let value = |index: usize| values.get(index).and_then(|array| array.scalar(0)).map_or(f64::NAN, outcore::Scalar::to_f64);
    let (mean, off) = (value(0), value(1));
    if mean < 1e-5 && off < 1e-5 {
        return print(&format!("check     read back: every column has |mean| <= {mean:.1e} and |std - 1| <= {off:.1e}"));
    }
    Err(Error::internal(format!("the output is wrong: a column has |mean| {mean:e} or |std - 1| {off:e}")))
}

/// The same bits whatever the threads, the budget and the blocks; with exact sums, which promise it.
fn show_same(input: &Path, recipe: &Recipe) -> Result<()> {
    let mut digests: Vec<String> = Vec::new();
    let settings = [(1, 96, None), (2, 96, None), (4, 128, None), (2, 64, Some(64 << 10)), (3, 256, Some(1 << 20))];
    for (threads, mebibytes, block_bytes) in settings {
        let memory = Some(Size::Bytes(mebibytes << 20));
        let sum = Some(SumMode::Exact);
        let session = Recipe { memory, threads: Some(threads), block_bytes, sum, ..recipe.clone() }.builder().build()?;
        let _guard = signals::guard(&session);
        let rows = session.open(input).slice_items(vec![SliceItem::Range { start: None, stop: Some(ROWS_AGAIN), step: 1 }]);
        let values = standardised(&rows, SumMode::Exact)?.eval_any()?;
        digests.push(blake3::hash(values.bytes()).to_hex()[..16].to_string());
    }
    let Some(first) = digests.first() else { return Ok(()) };
    if digests.iter().any(|digest| digest != first) {
        return Err(Error::internal(format!("digests differ between settings: {}", digests.join(", "))));
    }
    let said = "1 to 4 threads, 64 to 256 MiB, blocks of 64 KiB to the default";
    print(&format!("digest    {first} of the first {ROWS_AGAIN} rows with exact sums, the same for {said}"))
}

/// A budget that cannot work is refused before anything runs, with the smallest one that does.
fn show_refusal(input: &Path, recipe: &Recipe) -> Result<()> {
    let plan = |bytes: u64| -> Result<()> {
        let session = Recipe { memory: Some(Size::Bytes(bytes)), ..recipe.clone() }.builder().build()?;
        let z = standardised(&session.open(input), session.sum_mode())?;
        Job::new(&session).output("z", &z, Destination::Path("z.npy".into())).plan().map(drop)
    };
    let Err(refused) = plan(MEMORY_BYTES_TOO_LITTLE) else {
        return Err(Error::internal(format!("a budget of {} was not refused", memory_bytes(MEMORY_BYTES_TOO_LITTLE))));
    };
    print(&format!("refusal   --memory 1KiB: {}", refused.message()))?;
    let Some(needed) = refused.needed_bytes() else { return Ok(()) };
    plan(needed)?;
    print(&format!("          --memory {needed} ({}) is planned", memory_bytes(needed)))
}
