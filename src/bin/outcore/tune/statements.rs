//! Statements in sessions with other blocks, threads and ways to read.

use super::{Sample, Tune, facts, first_along, io_mode, page, scratch_folder, tell_sample};
use crate::{
    args, disk, inputs,
    output::{Style, note, print},
    profile::{self, Tuned, io_name},
    settings::{Recipe, Settings},
    signals,
};
use outcore::{
    Array, Destination, Error, IoMode, Job, Result, Save, Session, Size,
    array::parse::{BuildOptions, Built, Program, Value, parse},
    report::{
        chart::{Chart, Point, Series},
        sheet::Table,
        size::{memory_bytes, plural, seconds},
    },
    store::joined,
    tune::{Grid, Measured, Setting, Sweep, Swept},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Bytes of the inputs that are measured where nobody says how many.
const SAMPLE_BYTES: u64 = 1_000_000_000;
/// Results up to this stay in memory; larger ones are written.
const SMALL_BYTES: u64 = 1 << 20;

/// What is measured, again and again.
struct Work<'a> {
    command: &'a Tune,
    text: &'a str,
    named: Vec<(String, String)>,
    /// Rows that are taken of each input; `None`: it is as it is.
    rows: Vec<Option<usize>>,
    folder: PathBuf,
    /// What statements are built with.
    options: BuildOptions,
}

/// Sweeps, and tells.
pub fn run(command: &Tune, settings: &Settings) -> Result<()> {
    let text = command.text.as_deref().unwrap_or_default();
    if args::looks_like_a_flag(text) {
        return Err(args::unknown_flag(text));
    }
    let _guard = signals::guard(&settings.session);
    let sweep = sweep(command, settings)?;
    let named = inputs::named(&command.words)?;
    let first = command.outputs.first().map(|word| inputs::split_name(word).1).or(named.first().map(|(_, path)| path.as_str()));
    let folder = scratch_folder(Path::new(inputs::without_query(first.unwrap_or("."))), settings)?;
    let options = BuildOptions { sum_mode: settings.session.sum_mode(), strict: false };
    let rows = sampled(&named, Sample::of(command, SAMPLE_BYTES)?, settings)?;
    let work = Work { command, text, named, rows, folder: folder.path().to_path_buf(), options };
    let swept = work.sweep(&sweep, settings);
    settings.reporter.finish();
    let removed = folder.close().map_err(|error| Error::io("remove", "the folder of scratch files", error));
    let swept = swept?;
    removed?;
    show(command, &swept, settings)?;
    if command.save {
        save(text, &swept)?;
    }
    Ok(())
}

/// What flags fix is not swept.
fn sweep(command: &Tune, settings: &Settings) -> Result<Sweep> {
    let mut sweep = Sweep::new().grid(if command.full { Grid::Full } else { Grid::Axes });
    if let Some(rounds) = command.rounds {
        sweep = sweep.rounds(rounds);
    }
    let recipe = &settings.recipe;
    let bytes = |text: &String| match text.parse::<Size>().map_err(|error| error.context("--blocks"))? {
        Size::Bytes(bytes) if bytes > 0 => Ok(bytes),
        _ => Err(Error::usage(format!("--blocks {text}: a block is a number of bytes")).hint("--blocks 256K,1M")),
    };
    if recipe.block_bytes.is_some() {
        sweep = sweep.block_bytes([]);
    } else if !command.blocks.is_empty() {
        sweep = sweep.block_bytes(command.blocks.iter().map(bytes).collect::<Result<Vec<_>>>()?);
    }
    if command.thread_counts.contains(&0) {
        return Err(Error::usage("--thread-counts 0: nothing would be computed"));
    }
    if recipe.threads.is_some() {
        sweep = sweep.threads([]);
    } else if !command.thread_counts.is_empty() {
        // What the engine takes by itself is the default's row.
        let all = settings.session.limits().threads;
        sweep = sweep.threads(command.thread_counts.iter().copied().filter(|&count| count != all));
    }
    if recipe.io != IoMode::Auto {
        sweep = sweep.io_modes([]);
    } else if !command.io_modes.is_empty() {
        sweep = sweep.io_modes(command.io_modes.iter().copied().map(io_mode));
    }
    Ok(sweep)
}

/// Rows that are taken of each input: those as long as the largest one are cut alike.
fn sampled(named: &[(String, String)], sample: Sample, settings: &Settings) -> Result<Vec<Option<usize>>> {
    let arrays = inputs::open(&settings.session, named)?;
    let facts = arrays.iter().map(|(_, array)| facts(array)).collect::<Result<Vec<_>>>()?;
    let bytes =
        |(shape, element): &(Vec<usize>, usize)| shape.iter().fold(*element as u64, |bytes, &length| bytes.saturating_mul(length as u64));
    let Some((index, (shape, element))) = facts.iter().enumerate().max_by_key(|(_, facts)| bytes(facts)) else { return Ok(Vec::new()) };
    let rows = sample.length(0, shape, *element);
    tell_sample(&named[index].0, 0, rows, shape, *element);
    let cut = |(other, _): &(Vec<usize>, usize)| {
        (other.first() == shape.first() && other.first().is_some_and(|&length| rows < length)).then_some(rows)
    };
    Ok(facts.iter().map(cut).collect())
}

impl Work<'_> {
    fn sweep(&self, sweep: &Sweep, settings: &Settings) -> Result<Swept> {
        // What cannot work says so before anything is measured, and notes are told once.
        let built = self.build(&settings.session)?;
        built.notes.iter().for_each(|text| note("note", text));
        let builder = || {
            let reporter = settings.reporter.clone();
            Recipe { scratch: Some(self.folder.clone()), ..settings.recipe.clone() }
                .builder()
                .on_event(move |progress| reporter.tell(progress))
        };
        let cold = if self.command.cold { self.files()? } else { Vec::new() };
        let before = |_: &Session| {
            signals::check()?;
            self.clear()?;
            cold.iter().try_for_each(|path| disk::evict(path))
        };
        let swept = sweep.run_after(builder, before, |session| self.once(session))?;
        self.clear()?;
        Ok(swept)
    }

    /// The files and folders of the inputs.
    fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for (_, path) in &self.named {
            let plain = inputs::without_query(path);
            let bare = if Path::new(plain).exists() { plain } else { plain.split('#').next().unwrap_or(plain) };
            files.extend(joined::files(plain)?.unwrap_or_else(|| vec![PathBuf::from(bare)]));
        }
        Ok(files)
    }

    fn build(&self, session: &Session) -> Result<Built> {
        let opened = inputs::open(session, &self.named)?.into_iter().zip(&self.rows);
        let arrays: Vec<(String, Array)> =
            opened.map(|((name, array), rows)| (name, rows.map_or_else(|| array.clone(), |rows| first_along(&array, 0, rows)))).collect();
        let built = Program::build(&parse(self.text)?, &arrays, &self.options);
        built.map_err(|error| match self.rows.iter().any(Option::is_some) {
            true if error.hint_text().is_none() => error.hint("if it is the sample that does not fit: `--sample all`"),
            _ => error,
        })
    }

    /// One run.
    fn once(&self, session: &Session) -> Result<()> {
        let _guard = signals::guard(session);
        let built = self.build(session)?;
        let mut job = Job::new(session).save(Save::new());
        let mut outputs = 0;
        for (index, word) in self.command.outputs.iter().enumerate() {
            let (name, path) = inputs::split_name(word);
            let array = match name {
                Some(name) => built.array(name)?,
                None => result(&built)?,
            };
            let end = Path::new(inputs::without_query(path)).extension().map_or("npy".into(), |end| end.to_string_lossy().to_string());
            job = job.output(name.unwrap_or("result"), &array, Destination::Path(self.folder.join(format!("{index}.{end}"))));
            outputs += 1;
        }
        if self.command.outputs.is_empty() && built.result.is_some() {
            let array = result(&built)?;
            job = job.output("result", &array, self.destination(&array)?);
            outputs += 1;
        }
        for (message, condition) in &built.asserts {
            job = job.assert(message, condition);
            outputs += 1;
        }
        if outputs == 0 {
            return Err(Error::usage("the statements have no value").hint("end with an expression, as in `m = mean(x, 0); m`"));
        }
        job.run().map(drop)
    }

    /// Small results are just computed.
    fn destination(&self, array: &Array) -> Result<Destination> {
        let meta = array.meta()?;
        let bytes = meta
            .known_shape()
            .map(|shape| shape.iter().fold(meta.dtype.size() as u64, |bytes, &length| bytes.saturating_mul(length as u64)));
        Ok(match bytes {
            Some(bytes) if bytes <= SMALL_BYTES => Destination::Memory,
            _ => Destination::Path(self.folder.join("result.npy")),
        })
    }

    /// Removes what the last run wrote.
    fn clear(&self) -> Result<()> {
        let failed = |error| Error::io("remove", self.folder.display(), error);
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.map_err(failed)?;
        }
        Ok(())
    }
}

fn result(built: &Built) -> Result<Array> {
    match &built.result {
        Some((_, Value::Array(array))) => array.checked(),
        Some((_, Value::Scalar(scalar))) => Ok(Array::scalar(*scalar)),
        Some((_, other)) => Err(Error::usage(format!("the result is {}, not an array", other.describe()))),
        None => Err(Error::usage("the statements have no value")),
    }
}

/// Prints, and writes the files that are asked for.
fn show(command: &Tune, swept: &Swept, settings: &Settings) -> Result<()> {
    let text = command.text.as_deref().unwrap_or_default();
    let facts = vec![
        ("statements".to_string(), text.to_string()),
        ("inputs".to_string(), command.words.join(" ")),
        ("pages".to_string(), pages(command).to_string()),
        ("best".to_string(), verdict(swept)),
    ];
    let table = table(swept, settings);
    match settings.style {
        Style::Text => print(&format!("{}\n\n{}", table.text(), verdict(swept)))?,
        Style::Json => print(
            &serde_json::json!({
                "schema": "outcore.tune/1", "statements": text, "inputs": command.words, "pages": pages(command), "rows": swept.rows,
                "best": swept.best, "default_excess_percent": swept.default_excess_percent(), "within_noise": swept.is_within_noise(),
            })
            .to_string(),
        )?,
    }
    page::write(command, settings, &format!("outcore tune: {text}"), facts, vec![chart(text, swept, settings)], vec![table])
}

fn pages(command: &Tune) -> &'static str {
    if command.cold { "cold" } else { "warm" }
}

/// The bytes of a block that a setting asks for; `None`: the planner takes what suits each stage.
fn block_of(setting: &Setting, settings: &Settings) -> Option<u64> {
    setting.block_bytes.or(settings.recipe.block_bytes)
}

fn block_text(block: Option<u64>) -> String {
    block.map_or("planned".to_string(), memory_bytes)
}

fn threads_of(setting: &Setting, settings: &Settings) -> usize {
    setting.threads.unwrap_or(settings.session.limits().threads)
}

fn io_of(setting: &Setting, settings: &Settings) -> &'static str {
    io_name(setting.io.unwrap_or(settings.recipe.io))
}

fn table(swept: &Swept, settings: &Settings) -> Table {
    let head = ["block", "threads", "io", "median", "min", "max", "over best", ""].map(ToString::to_string).to_vec();
    let row = |(index, Measured { setting, seconds: spread, excess_percent }): (usize, &Measured)| {
        let mark = match (index == swept.best, setting.is_default()) {
            (true, true) => "best, default",
            (true, false) => "best",
            (false, true) => "default",
            _ => "",
        };
        let times = [spread.median, spread.min, spread.max].map(seconds);
        let cells =
            [block_text(block_of(setting, settings)), threads_of(setting, settings).to_string(), io_of(setting, settings).to_string()];
        [&cells[..], &times[..], &[format!("{excess_percent:+.1} %"), mark.to_string()]].concat()
    };
    Table { title: "Settings".to_string(), head, rows: swept.rows.iter().enumerate().map(row).collect(), marked: vec![swept.best] }
}

/// One sentence: how far the default is from the best.
fn verdict(swept: &Swept) -> String {
    let best = swept.best().setting;
    let words = profile::Applied { block_bytes: best.block_bytes, threads: best.threads, io: best.io }.show();
    if swept.best == 0 {
        return "the default is the best of these".to_string();
    }
    let noise = if swept.is_within_noise() { "; that is within the spread of the measurements" } else { "" };
    format!("best: {words}; the default takes {:.1} % longer{noise}", swept.default_excess_percent())
}

fn chart(text: &str, swept: &Swept, settings: &Settings) -> Chart {
    let mut blocks: Vec<Option<u64>> = swept.rows.iter().map(|row| block_of(&row.setting, settings)).collect();
    let all = blocks.clone();
    blocks.sort_unstable();
    blocks.dedup();
    let mut series: Vec<Series> = Vec::new();
    for (row, block) in swept.rows.iter().zip(all) {
        let threads = threads_of(&row.setting, settings);
        let name = format!("{}, {}", plural(threads as u64, "thread", "threads"), io_of(&row.setting, settings));
        let place = blocks.iter().position(|known| *known == block).unwrap_or(0);
        let point = Point { place, value: row.seconds.median, low: row.seconds.min, high: row.seconds.max };
        match series.iter_mut().find(|series| series.name == name) {
            Some(series) => series.points.push(point),
            None => series.push(Series { name, points: vec![point] }),
        }
    }
    series.iter_mut().for_each(|series| series.points.sort_by_key(|point| point.place));
    Chart {
        title: text.to_string(),
        places_label: "bytes of a block".to_string(),
        values_label: "seconds".to_string(),
        places: blocks.into_iter().map(block_text).collect(),
        series,
        ..Chart::default()
    }
}

/// What is within the noise is no reason to leave the default.
fn save(text: &str, swept: &Swept) -> Result<()> {
    let best = if swept.is_within_noise() { Setting::default() } else { swept.best().setting };
    let tuned = Tuned { block_bytes: best.block_bytes, threads: best.threads, io: best.io, statements: text.to_string() };
    let path = profile::change(|profile| profile.tuned = Some(tuned))?;
    let what = if best.is_default() { "the defaults, which nothing beats clearly," } else { "the best" };
    note("saved", &format!("{what} in {}", path.display()));
    Ok(())
}
