//! What goes with an array from one store into another: what its attributes say, and the coordinates of its axes.
//!
//! A coordinate, as xarray means it, is an array of one axis that is called as its axis, beside the arrays that have the axis.

use super::{
    node,
    open::{Opened, open, open_texts},
    source::ZarrSource,
    write::{ZarrOptions, create, create_texts, group_around},
};
use crate::{
    error::{Error, ErrorKind, Result},
    nd::{Dims, Region},
    store::{Source, Target, leftover, output::OutputMode},
};
use serde_json::{Map, Value};
use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Bytes of a coordinate that are held at a time, besides what decoding its chunks takes.
const PIECE_BYTES: usize = 1 << 20;
/// Times that another job is waited for which writes the same coordinate.
const ATTEMPTS: usize = 50;
const WAIT: Duration = Duration::from_millis(100);

/// Where an array lies and what it says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ZarrOrigin {
    /// The array, as its path was given, without a query.
    pub path: PathBuf,
    /// What its attributes say of its values.
    pub attributes: Map<String, Value>,
    /// Its axis names.
    pub dims: Dims,
}

impl ZarrOrigin {
    /// Where the coordinate of an axis of this name would lie.
    #[must_use]
    pub fn coordinate(&self, name: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(name)
    }
}

/// Some places of an axis, each `step` behind the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisPlaces {
    start: usize,
    step: i64,
    length: usize,
    /// Length of the whole axis.
    of: usize,
}

impl AxisPlaces {
    /// All places of an axis of this length.
    #[must_use]
    pub fn all(of: usize) -> AxisPlaces {
        AxisPlaces { start: 0, step: 1, length: of, of }
    }

    /// Some of these.
    #[must_use]
    pub fn part(self, start: usize, step: i64, length: usize) -> AxisPlaces {
        if length == 0 {
            AxisPlaces { length, ..self }
        } else {
            AxisPlaces { start: self.at(start), step: self.step * step, length, ..self }
        }
    }

    /// How many they are.
    pub(super) fn count(self) -> usize {
        self.length
    }

    /// Where the nth is on the whole axis.
    pub(super) fn at(self, nth: usize) -> usize {
        // Places lie within the axis.
        (self.start as i64 + self.step * nth as i64) as usize
    }

    /// The elements of `source` at `count` of the places, from the one numbered `first` on.
    fn read(self, source: &ZarrSource, first: usize, count: usize, bytes: &mut [u8]) -> Result<()> {
        if self.step == 1 {
            return source.read(&Region::run(self.at(first), count), bytes);
        }
        let item = source.facts().dtype.size();
        let together = (PIECE_BYTES / item / self.step.unsigned_abs() as usize).max(1);
        let mut span = Vec::new();
        for from in (0..count).step_by(together) {
            let last = (from + together).min(count) - 1;
            let [one, other] = [from, last].map(|nth| self.at(first + nth));
            let (low, high) = (one.min(other), one.max(other));
            span.resize((high - low + 1) * item, 0);
            source.read(&Region::run(low, high - low + 1), &mut span)?;
            for nth in from..=last {
                let place = self.at(first + nth) - low;
                bytes[nth * item..][..item].copy_from_slice(&span[place * item..][..item]);
            }
        }
        Ok(())
    }
}

/// What became of a coordinate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coordinate {
    /// Nothing: there is none, or no group that it could be put into.
    Absent,
    /// It was written.
    Written,
    /// It was there.
    There,
    /// It was not written, for this reason.
    Left(String),
}

/// Puts the coordinate `name` of `places` beside the array `output`, if that lies in a group: it is what `candidates` have there, which are
/// arrays beside those that the output was computed from. One that is there already is never replaced. Values are those that are
/// stored, with all their attributes, so that times stay times. Up to `bytes_max` bytes are held.
pub fn carry(candidates: &[PathBuf], name: &str, places: AxisPlaces, output: &Path, bytes_max: u64) -> Result<Coordinate> {
    let Some(place) = group_around(output).map(|group| group.join(name)) else { return Ok(Coordinate::Absent) };
    let mut found: Option<Values> = None;
    for path in candidates {
        let next = match coordinate(path, name, places, bytes_max) {
            Ok(Some(next)) => next,
            Ok(None) => continue,
            Err(error) => return left(error),
        };
        match &found {
            None => found = Some(next),
            Some(first) if first.equals(&next)? => {}
            Some(first) => return Ok(Coordinate::Left(format!("{} and {} differ", first.name(), next.name()))),
        }
    }
    let Some(values) = found else { return Ok(Coordinate::Absent) };
    for _ in 0..ATTEMPTS {
        if place.exists() {
            return is_there(&values, &place, name, bytes_max);
        }
        match values.write(&place, name) {
            Ok(()) => return Ok(Coordinate::Written),
            // Another job that writes into the group was faster: it is done soon.
            Err(_) if place.exists() || leftover(&place).is_err() => thread::sleep(WAIT),
            Err(error) => return Err(error),
        }
    }
    Ok(Coordinate::Left(format!("another job is writing {}", place.display())))
}

/// What a coordinate has at some places.
enum Values {
    /// Numbers, which are read piece by piece.
    Numbers(Box<ZarrSource>, AxisPlaces),
    /// Texts, which are few enough to be held, and what their attributes say.
    Texts { name: String, texts: Vec<String>, attributes: Map<String, Value> },
}

impl Values {
    /// What errors call them.
    fn name(&self) -> &str {
        match self {
            Values::Numbers(source, _) => &source.facts().name,
            Values::Texts { name, .. } => name,
        }
    }

    fn equals(&self, other: &Values) -> Result<bool> {
        match (self, other) {
            (Values::Numbers(one, places), Values::Numbers(other, others)) => equal((one, *places), (other, *others)),
            (Values::Texts { texts, .. }, Values::Texts { texts: others, .. }) => Ok(texts == others),
            _ => Ok(false),
        }
    }

    fn write(&self, place: &Path, name: &str) -> Result<()> {
        match self {
            Values::Numbers(source, places) => write(source, place, name, *places),
            Values::Texts { texts, attributes, .. } => create_texts(place, Some(name), texts, attributes),
        }
    }
}

/// Whether an array of texts along one axis is at `path`.
#[must_use]
pub fn is_texts(path: &str) -> bool {
    matches!(open_texts(path), Ok(Some(_)))
}

/// Copies the array of texts at `from` to `to`, unless something is there. Up to `bytes_max` bytes are held.
pub fn copy_texts(from: &str, to: &Path, bytes_max: u64) -> Result<()> {
    if to.exists() {
        return Ok(());
    }
    let texts = open_texts(from)?.ok_or_else(|| Error::not_found(format!("there is no array of texts {from}")))?;
    let found = texts.read(AxisPlaces::all(texts.length), bytes_max).map_err(|error| error.context(from))?;
    create_texts(to, texts.dims.0.first().and_then(Option::as_deref), &found, &texts.attributes)
}

/// The coordinate at `path` at some places, if it is one. Up to `bytes_max` bytes are held of it.
fn coordinate(path: &Path, name: &str, places: AxisPlaces, bytes_max: u64) -> Result<Option<Values>> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if parent.is_dir() && node::group_above(path) != Some(parent) {
        return Ok(None);
    }
    let Some(text) = path.to_str() else { return Ok(None) };
    let is_it =
        |length: usize, dims: &Dims| length == places.of && (dims.is_unnamed() || dims.0.first().and_then(Option::as_deref) == Some(name));
    if let Some(texts) = open_texts(text)? {
        if !is_it(texts.length, &texts.dims) {
            return Ok(None);
        }
        let found = texts.read(places, bytes_max).map_err(|error| error.context(path.display()))?;
        return Ok(Some(Values::Texts { name: text.to_string(), texts: found, attributes: texts.attributes }));
    }
    let source = match open(text) {
        Ok(Some(Opened::Array(source))) => source,
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => return Ok(None),
    };
    let facts = source.facts();
    if facts.shape.len() != 1 || !is_it(facts.shape[0], &facts.dims) {
        return Ok(None);
    }
    let needed = facts.read_scratch_bytes + PIECE_BYTES as u64 * 3;
    if needed > bytes_max {
        return Err(Error::refused(format!("reading {} takes {needed} bytes of memory", path.display())));
    }
    Ok(Some(Values::Numbers(source, places)))
}

fn is_there(values: &Values, place: &Path, name: &str, bytes_max: u64) -> Result<Coordinate> {
    let said = |what: &str| Ok(Coordinate::Left(format!("{} is there and {what}", place.display())));
    let count = match values {
        Values::Numbers(_, places) => places.length,
        Values::Texts { texts, .. } => texts.len(),
    };
    match coordinate(place, name, AxisPlaces::all(count), bytes_max) {
        Ok(Some(there)) if values.equals(&there)? => Ok(Coordinate::There),
        Ok(Some(_)) => said("has other values"),
        Ok(None) => said("is something else"),
        Err(error) => left(error),
    }
}

/// A coordinate that is not what can be read is left; one that the medium cannot give may be there the next time.
fn left(error: Error) -> Result<Coordinate> {
    if error.kind() == ErrorKind::Io { Err(error) } else { Ok(Coordinate::Left(error.message().to_string())) }
}

/// Whether two arrays of one axis have the same bits at places of as many.
fn equal((a, places): (&ZarrSource, AxisPlaces), (b, others): (&ZarrSource, AxisPlaces)) -> Result<bool> {
    let item = a.facts().dtype.size();
    if a.facts().dtype != b.facts().dtype {
        return Ok(false);
    }
    let mut theirs = Vec::new();
    let mut is_equal = true;
    for_each_piece(a, places, PIECE_BYTES / item, |region, bytes| {
        theirs.resize(bytes.len(), 0);
        others.read(b, region.start[0], region.shape[0], &mut theirs)?;
        is_equal &= theirs == bytes;
        Ok(())
    })?;
    Ok(is_equal)
}

fn write(source: &ZarrSource, place: &Path, name: &str, places: AxisPlaces) -> Result<()> {
    let facts = source.facts();
    let options = ZarrOptions { dims: Some(Dims(vec![Some(name.into())])), attributes: source.attributes(true), ..ZarrOptions::default() };
    let called = place.display().to_string();
    let target = create(place, &called, facts.dtype, &[places.length], OutputMode::CreateNew, &options)?;
    let chunk = target.chunk().and_then(|chunk| chunk.first().copied()).unwrap_or(1);
    let step = (PIECE_BYTES / facts.dtype.size()).next_multiple_of(chunk);
    for_each_piece(source, places, step, |region, bytes| target.write(region, bytes))?;
    target.sync()?;
    target.publish()
}

/// Reads `step` elements at a time; regions count among the places.
fn for_each_piece(source: &ZarrSource, places: AxisPlaces, step: usize, mut take: impl FnMut(&Region, &[u8]) -> Result<()>) -> Result<()> {
    let item = source.facts().dtype.size();
    let mut bytes = Vec::new();
    for start in (0..places.length).step_by(step) {
        let region = Region::run(start, step.min(places.length - start));
        bytes.resize(region.count() * item, 0);
        places.read(source, start, region.count(), &mut bytes)?;
        take(&region, &bytes)?;
    }
    Ok(())
}
