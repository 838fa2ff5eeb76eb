//! [`LayoutSweep`]: an array written to Zarr in several layouts, and read again by rows, by columns and whole.

use super::rounds::{Spread, interleaved};
use crate::{
    array::{Array, Save, Session},
    error::{Error, Result},
    nd::SliceItem,
    store::zarr::ZarrOptions,
};
use serde::Serialize;
use std::{fs, path::Path, time::Instant};

/// Bytes of chunks that are tried.
const CHUNK_BYTES: [usize; 3] = [256 << 10, 1 << 20, 4 << 20];
/// Bytes of the chunks that codecs are tried with.
const CHUNK_BYTES_MIDDLE: usize = 1 << 20;
/// The codec that chunks are tried with, and those that are tried beside it.
const CODEC: &str = "zstd:3";
const CODECS: [&str; 3] = ["none", "blosc-lz4:5", "blosc-zstd:3"];
/// How many rows, and how many columns, are read one by one.
const PICKS: [usize; 2] = [32, 8];
/// Rounds where nobody says how many.
const ROUNDS: usize = 3;

/// How a store is laid out, in the words of the flags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// Lengths of a chunk; `None`: the engine's choice.
    pub chunks: Option<Vec<usize>>,
    /// `auto`, `none` or lengths; `None`: the engine's choice.
    pub shards: Option<String>,
    /// The codec; `None`: the engine's choice.
    pub codec: Option<String>,
}

impl Layout {
    /// The options of an output.
    pub fn options(&self) -> Result<ZarrOptions> {
        let parts = [("chunks", self.chunks.as_deref().map(listed)), ("shards", self.shards.clone()), ("codec", self.codec.clone())];
        let given = parts.into_iter().filter_map(|(key, value)| Some((key, value?)));
        given.into_iter().try_fold(ZarrOptions::default(), |options, (key, value)| options.with(key, &value))
    }

    /// The flags of `outcore convert`; empty: the defaults.
    #[must_use]
    pub fn flags(&self) -> String {
        let parts = [("--chunks", self.chunks.as_deref().map(listed)), ("--shards", self.shards.clone()), ("--codec", self.codec.clone())];
        parts.into_iter().filter_map(|(flag, value)| Some(format!("{flag} {}", value?))).collect::<Vec<_>>().join(" ")
    }
}

fn listed(lengths: &[usize]) -> String {
    lengths.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// How a store is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadWay {
    /// One index of the first axis at a time.
    Row,
    /// One index of the last axis at a time.
    Column,
    /// All of it.
    Whole,
}

impl ReadWay {
    /// All of them.
    pub const ALL: [ReadWay; 3] = [ReadWay::Row, ReadWay::Column, ReadWay::Whole];

    /// `row`, `column` or `whole`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ReadWay::Row => "row",
            ReadWay::Column => "column",
            ReadWay::Whole => "whole",
        }
    }
}

/// One layout and what it costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayoutMeasured {
    /// The layout.
    pub layout: Layout,
    /// What the store takes on the medium.
    pub bytes: u64,
    /// Seconds to write the sample and have it on the medium.
    pub write: Spread,
    /// Seconds to read one row.
    pub row: Spread,
    /// Seconds to read one column.
    pub column: Spread,
    /// Seconds to read everything.
    pub whole: Spread,
}

impl LayoutMeasured {
    /// What a way to read takes.
    #[must_use]
    pub fn seconds(&self, way: ReadWay) -> Spread {
        match way {
            ReadWay::Row => self.row,
            ReadWay::Column => self.column,
            ReadWay::Whole => self.whole,
        }
    }
}

/// Layouts of an array of `shape` whose elements take `element_bytes`: the default first, then chunks of rows, of columns and as square as
/// the axes allow, of three sizes; with other codecs, and without shards. Every one once.
///
/// ```
/// let layouts = outcore::tune::candidates(&[100_000, 128], 4);
/// assert!(layouts[0].flags().is_empty());
/// assert!(layouts.iter().any(|layout| layout.flags() == "--chunks 2048,128 --shards auto --codec zstd:3"));
/// ```
#[must_use]
pub fn candidates(shape: &[usize], element_bytes: usize) -> Vec<Layout> {
    let layout = |chunks: &[usize], shards: &str, codec: &str| Layout {
        chunks: Some(chunks.to_vec()),
        shards: Some(shards.to_string()),
        codec: Some(codec.to_string()),
    };
    let mut layouts = vec![Layout::default()];
    for bytes in CHUNK_BYTES {
        let elements = (bytes / element_bytes.max(1)).max(1);
        for chunks in [rows(shape, elements), square(shape, elements), columns(shape, elements)] {
            layouts.push(layout(&chunks, "auto", CODEC));
            if bytes == CHUNK_BYTES_MIDDLE {
                layouts.push(layout(&chunks, "none", CODEC));
                layouts.extend(CODECS.map(|codec| layout(&chunks, "auto", codec)));
            }
        }
    }
    let mut seen: Vec<Layout> = Vec::new();
    layouts.retain(|layout| {
        !seen.contains(layout) && {
            seen.push(layout.clone());
            true
        }
    });
    layouts
}

/// The last axes whole, as many as there is room for.
fn rows(shape: &[usize], elements: usize) -> Vec<usize> {
    let mut chunks = vec![1; shape.len()];
    let mut left = elements;
    for axis in (0..shape.len()).rev() {
        chunks[axis] = shape[axis].clamp(1, left.max(1));
        left /= chunks[axis];
    }
    chunks
}

/// The first axes whole, as many as there is room for.
fn columns(shape: &[usize], elements: usize) -> Vec<usize> {
    let mut chunks = vec![1; shape.len()];
    let mut left = elements;
    for (chunk, &length) in chunks.iter_mut().zip(shape) {
        *chunk = length.clamp(1, left.max(1));
        left /= *chunk;
    }
    chunks
}

/// Axes alike; what short ones leave goes to the longer.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length near a root")]
fn square(shape: &[usize], elements: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.sort_by_key(|&axis| shape[axis]);
    let (mut chunks, mut left) = (vec![1; shape.len()], elements);
    for (place, &axis) in order.iter().enumerate() {
        let side = (left as f64).powf(1.0 / (shape.len() - place) as f64).round() as usize;
        chunks[axis] = shape[axis].clamp(1, side.max(1));
        left = (left / chunks[axis]).max(1);
    }
    chunks
}

/// An array written to Zarr in several layouts, and read again: interleaved as [`super::Sweep`] is. One store exists at a time.
///
/// ```
/// use outcore::{Session, tune::{LayoutSweep, Layout, ReadWay}};
/// let session = Session::builder().memory("64MiB").build()?;
/// let folder = tempfile::tempdir().unwrap();
/// let sample = session.arange(0, 4000, 1).reshape([400, 10]);
/// let rows = Layout { chunks: Some(vec![40, 10]), ..Layout::default() };
/// let measured = LayoutSweep::new(vec![Layout::default(), rows]).rounds(1).run(&session, &sample, folder.path(), |_| Ok(()))?;
/// assert!(measured.iter().all(|layout| layout.bytes > 0 && layout.seconds(ReadWay::Row).median > 0.0));
/// assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
/// # Ok::<(), outcore::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LayoutSweep {
    layouts: Vec<Layout>,
    rounds: usize,
}

/// What one writing and reading of a store took.
struct Once {
    bytes: u64,
    write: f64,
    reads: [f64; 3],
}

impl LayoutSweep {
    /// A sweep of these layouts, three rounds.
    #[must_use]
    pub fn new(layouts: Vec<Layout>) -> LayoutSweep {
        LayoutSweep { layouts, rounds: ROUNDS }
    }

    /// How often every layout is written and read.
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> LayoutSweep {
        self.rounds = rounds;
        self
    }

    /// Writes `sample` to stores in `folder`, one at a time, and removes them. `before_read` is called with the store's path before it is
    /// read, and not measured. The results are in the order of the layouts.
    pub fn run(
        &self,
        session: &Session,
        sample: &Array,
        folder: &Path,
        before_read: impl Fn(&Path) -> Result<()>,
    ) -> Result<Vec<LayoutMeasured>> {
        let shape = sample.meta()?.known_shape().ok_or_else(|| Error::usage("the shape of a sample must be known"))?;
        if shape.contains(&0) || shape.is_empty() {
            return Err(Error::usage(format!("an array of shape {shape:?} has no layouts to choose from")));
        }
        let measured = interleaved(self.layouts.len(), self.rounds, |index, _| {
            let path = folder.join(format!("layout-{index}.zarr"));
            let once = once(session, sample, &shape, &self.layouts[index], &path, &before_read)?;
            fs::remove_dir_all(&path).map_err(|error| Error::io("remove", path.display(), error))?;
            Ok(once)
        })?;
        Ok(self.layouts.iter().zip(&measured).map(|(layout, rounds)| summed(layout, rounds)).collect())
    }
}

fn summed(layout: &Layout, rounds: &[Once]) -> LayoutMeasured {
    let spread = |of: &dyn Fn(&Once) -> f64| Spread::of(&rounds.iter().map(of).collect::<Vec<_>>());
    LayoutMeasured {
        layout: layout.clone(),
        bytes: rounds.first().map_or(0, |once| once.bytes),
        write: spread(&|once| once.write),
        row: spread(&|once| once.reads[0]),
        column: spread(&|once| once.reads[1]),
        whole: spread(&|once| once.reads[2]),
    }
}

/// Writes and reads one store.
fn once(
    session: &Session,
    sample: &Array,
    shape: &[usize],
    layout: &Layout,
    path: &Path,
    before_read: &impl Fn(&Path) -> Result<()>,
) -> Result<Once> {
    let started = Instant::now();
    session.save_all([(sample, path)], Save::new().zarr(layout.options()?))?;
    let write = started.elapsed().as_secs_f64();
    let mut reads = [0.0; 3];
    for (seconds, way) in reads.iter_mut().zip(ReadWay::ALL) {
        before_read(path)?;
        *seconds = read_seconds(&session.open(path), shape, way)?;
    }
    Ok(Once { bytes: bytes_of(path)?, write, reads })
}

/// Seconds of one row, one column, or everything.
#[allow(clippy::cast_precision_loss, reason = "a mean")]
fn read_seconds(array: &Array, shape: &[usize], way: ReadWay) -> Result<f64> {
    let axis = if way == ReadWay::Column { shape.len() - 1 } else { 0 };
    let picks = match way {
        ReadWay::Whole => {
            let started = Instant::now();
            array.max(..).eval_any()?;
            return Ok(started.elapsed().as_secs_f64());
        }
        ReadWay::Row => PICKS[0],
        ReadWay::Column => PICKS[1],
    };
    let count = picks.min(shape[axis]);
    let started = Instant::now();
    for pick in 0..count {
        let at = i64::try_from(pick * shape[axis] / count).unwrap_or(0);
        let full = SliceItem::Range { start: None, stop: None, step: 1 };
        let mut items = vec![full; shape.len()];
        items[axis] = SliceItem::Index(at);
        array.slice_items(items).eval_any()?;
    }
    Ok(started.elapsed().as_secs_f64() / count as f64)
}

/// Bytes of all files of a folder.
fn bytes_of(path: &Path) -> Result<u64> {
    let failed = |error| Error::io("look at", path.display(), error);
    let mut bytes = 0;
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let about = entry.metadata().map_err(failed)?;
        bytes += if about.is_dir() { bytes_of(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_have_the_size_that_is_asked_for() {
        type Lengths = &'static [usize];
        let cases: [(Lengths, usize, [Lengths; 3]); 4] = [
            (&[1000, 128], 1024, [&[8, 128], &[32, 32], &[1000, 1]]),
            (&[1000, 8], 1024, [&[128, 8], &[128, 8], &[1000, 1]]),
            (&[10, 20, 30], 100, [&[1, 3, 30], &[5, 4, 5], &[10, 10, 1]]),
            (&[50], 1024, [&[50], &[50], &[50]]),
        ];
        for (shape, elements, want) in cases {
            let found = [rows(shape, elements), square(shape, elements), columns(shape, elements)];
            assert_eq!(found.each_ref().map(Vec::as_slice), want, "{shape:?}");
        }
    }

    #[test]
    fn candidates_are_different_and_can_be_written() {
        for shape in [&[100_000, 128][..], &[1_000_000], &[64, 64, 64, 3], &[2, 2]] {
            let found = candidates(shape, 4);
            assert!(found.iter().enumerate().all(|(index, layout)| !found[..index].contains(layout)), "{found:?}");
            assert!(found.iter().all(|layout| layout.options().is_ok()));
        }
        assert_eq!(candidates(&[100_000, 128], 4).len(), 15, "rows of 128 are as square as it gets");
    }

    #[test]
    fn a_shape_without_elements_is_refused() {
        let session = Session::builder().memory("64MiB").build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        for shape in [&[0, 3][..], &[]] {
            let sweep = LayoutSweep::new(vec![Layout::default()]);
            let error = sweep.run(&session, &session.zeros::<f32>(shape), folder.path(), |_| Ok(())).unwrap_err();
            assert!(error.message().contains("no layouts"), "{error}");
        }
    }
}
