//! `outcore tune`: which settings are fastest here, for statements; which layout of a Zarr store, for an array; and how sizes matter.
//!
//! Measuring is the library's (`outcore::tune`); here are flags, samples, scratch files and what is shown. What is made is removed on every
//! exit, and nothing of the user's is changed.

mod layouts;
mod page;
mod sizes;
mod statements;

use crate::{args, output::note, settings::Settings};
use clap::Args;
use outcore::{Array, Error, IoMode, Result, SliceItem, report::size::data_bytes};
use std::path::{Path, PathBuf};

/// `outcore tune`.
#[derive(Debug, Args)]
pub struct Tune {
    /// What to compute: 'z = (x - mean(x, 0)) / std(x, 0)'. With --zarr the array to lay out
    // A statement may start with a minus. Apart from the inputs, so that flags after it stay flags.
    #[arg(value_name = "STATEMENTS", required_unless_present = "sizes", allow_hyphen_values = true)]
    pub text: Option<String>,
    /// The inputs; one bare PATH is called x
    #[arg(value_name = "[NAME=]PATH")]
    pub words: Vec<String>,
    /// Save the result as if to PATH, or the value NAME; a file of this format is written beside PATH, and removed
    #[arg(short = 'o', long = "output", value_name = "[NAME=]PATH")]
    pub outputs: Vec<String>,
    /// The first rows of the inputs, about as many bytes as this, or all [default: 1GB; 64MB with --zarr]
    #[arg(long, value_name = "SIZE|all")]
    pub sample: Option<String>,
    /// Bytes of blocks to try, with commas [default: 64K,128K,256K,512K,1M,2M,4M]
    #[arg(long, value_name = "SIZES", value_delimiter = ',')]
    pub blocks: Vec<String>,
    /// Numbers of threads to try, with commas [default: 1, half of all, all]
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',')]
    pub thread_counts: Vec<usize>,
    /// Ways to read to try, with commas [default: auto,mmap,read]
    #[arg(long, value_name = "HOWS", value_delimiter = ',')]
    pub io_modes: Vec<args::Io>,
    /// Try every block with every number of threads and every way to read, not one thing at a time
    #[arg(long)]
    pub full: bool,
    /// How often everything is measured [default: 5; 3 with --zarr]
    #[arg(long, value_name = "N")]
    pub rounds: Option<usize>,
    /// Drop the pages of the inputs before every run: read from the disk, not from memory
    #[arg(long)]
    pub cold: bool,
    /// Keep the best in the machine profile (~/.config/outcore/machine.json, or OUTCORE_PROFILE): later runs follow it where no flag says
    /// otherwise
    #[arg(long)]
    pub save: bool,
    /// Try layouts of a Zarr store for this array instead
    #[arg(long, conflicts_with_all = ["outputs", "blocks", "thread_counts", "io_modes", "full", "save", "sizes"])]
    pub zarr: bool,
    /// Compare sum(x * 2 + 1) with ndarray and with a loop written by hand, from 100 to MAX elements, instead
    #[arg(long, value_name = "MAX", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    #[arg(conflicts_with_all = ["text", "words", "outputs", "sample", "blocks", "thread_counts", "io_modes", "full", "save", "cold"])]
    pub sizes: Option<String>,
    /// Draw it to FILE.svg
    #[arg(long, value_name = "FILE.svg")]
    pub svg: Option<PathBuf>,
    /// Write a page with tables and drawings to FILE.html
    #[arg(long, value_name = "FILE.html")]
    pub html: Option<PathBuf>,
}

/// Tunes.
pub fn run(command: &Tune, settings: &Settings) -> Result<()> {
    if command.rounds == Some(0) {
        return Err(Error::usage("--rounds 0: nothing would be measured"));
    }
    match &command.sizes {
        Some(most) => sizes::run(command, most, settings),
        None if command.zarr => layouts::run(command, settings),
        None => statements::run(command, settings),
    }
}

/// How much of the inputs is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sample {
    All,
    Bytes(u64),
}

impl Sample {
    fn of(command: &Tune, default_bytes: u64) -> Result<Sample> {
        match command.sample.as_deref() {
            None => Ok(Sample::Bytes(default_bytes)),
            Some("all") => Ok(Sample::All),
            Some(text) => match text.parse::<outcore::Size>().map_err(|error| error.context("--sample"))? {
                outcore::Size::Bytes(bytes) if bytes > 0 => Ok(Sample::Bytes(bytes)),
                _ => Err(Error::usage(format!("--sample {text}: a number of bytes, or all")).hint("--sample 256MB")),
            },
        }
    }

    /// How many places along an axis of an array of this shape it is: at least one, at most all.
    fn length(self, axis: usize, shape: &[usize], element_bytes: usize) -> usize {
        let Some(&length) = shape.get(axis) else { return 0 };
        let others = shape.iter().enumerate().filter(|(other, _)| *other != axis).map(|(_, &length)| length as u64);
        let place = others.fold(element_bytes as u64, u64::saturating_mul).max(1);
        match self {
            Sample::All => length,
            Sample::Bytes(bytes) => usize::try_from((bytes / place).max(1)).unwrap_or(usize::MAX).min(length),
        }
    }
}

/// The first `length` places of an array along an axis.
fn first_along(array: &Array, axis: usize, length: usize) -> Array {
    let full = SliceItem::Range { start: None, stop: None, step: 1 };
    let mut items = vec![full; axis];
    items.push(SliceItem::Range { start: None, stop: i64::try_from(length).ok(), step: 1 });
    array.slice_items(items)
}

/// Shape and bytes of an element.
fn facts(array: &Array) -> Result<(Vec<usize>, usize)> {
    let meta = array.meta()?;
    let shape = meta.known_shape().ok_or_else(|| Error::usage("the length of an input depends on data"))?;
    Ok((shape, meta.dtype.size()))
}

/// A folder for what is written meanwhile: in `--scratch`, else beside `path`.
fn scratch_folder(path: &Path, settings: &Settings) -> Result<tempfile::TempDir> {
    let beside = settings.recipe.scratch.clone().unwrap_or_else(|| crate::disk::folder_of(path));
    let made = tempfile::Builder::new().prefix(".outcore-tune-").tempdir_in(&beside);
    made.map_err(|error| {
        Error::output(format!("cannot create a folder in {}: {error}", beside.display())).hint("`--scratch DIR` puts it elsewhere")
    })
}

/// Says that only a part was measured: `taken` places along an axis.
fn tell_sample(name: &str, axis: usize, taken: usize, shape: &[usize], element_bytes: usize) {
    let Some(&length) = shape.get(axis).filter(|&&length| taken < length) else { return };
    let whole = shape.iter().fold(element_bytes as u64, |bytes, &length| bytes.saturating_mul(length as u64));
    let bytes = whole / length as u64 * taken as u64;
    let places = if axis == 0 { "rows".to_string() } else { format!("places along axis {axis}") };
    let text = format!("the first {taken} of {length} {places} of {name}, {}; `--sample all` takes all", data_bytes(bytes));
    note("sample", &text);
}

/// The way to read that a flag names.
fn io_mode(flag: args::Io) -> IoMode {
    match flag {
        args::Io::Auto => IoMode::Auto,
        args::Io::Mmap => IoMode::Mmap,
        args::Io::Read => IoMode::Read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_whole_rows() {
        let cases = [(Sample::Bytes(1000), 25), (Sample::Bytes(1), 1), (Sample::Bytes(1 << 40), 100), (Sample::All, 100)];
        for (sample, rows) in cases {
            assert_eq!(sample.length(0, &[100, 10], 4), rows, "{sample:?}");
        }
        assert_eq!(Sample::Bytes(800).length(1, &[100, 10], 4), 2);
        assert_eq!(Sample::All.length(0, &[], 4), 0);
    }
}
