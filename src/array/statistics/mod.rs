//! Statistics of inputs that grow: exact states are kept per segment of rows, so that only rows that are new are read.
//!
//! A result is a function of the elements alone (states are exact, and merge in any order), so that one made of kept states has the
//! bits of one made in a single run. Whether kept states still belong to the rows they were made of is decided in [`look`].

mod look;
mod values;

#[cfg(test)]
mod tests;

pub use values::StatisticsValues;

use super::{
    axes::{Axes, places},
    below::{StateFile, StateInput, StateSegment, read_states, write_states},
    node::Array,
    session::Session,
    words::{DType, Dims},
};
use crate::{
    error::{Error, Result},
    nd::shape::show,
    plan::NUMERICS_VERSION,
    store::joined,
};
use look::{Look, Seen};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use values::{finish, states_of};

/// Statistics of one array or of many that continue each other along axis 0, which grow: states are kept, and only rows that no
/// state covers are read. Every number has the bits that reading everything would give.
///
/// ```
/// use outcore::{Session, Statistics, Update, axis};
/// # let folder = tempfile::tempdir().unwrap();
/// # let [january, february, kept] = ["1.npy", "2.npy", "columns.ocs"].map(|name| folder.path().join(name));
/// let session = Session::builder().memory("256MiB").build()?;
/// session.from_ndarray(outcore::ndarray::array![[1f32, 0.1], [2.0, 0.2]]).save(&january)?;
///
/// let mut columns = Statistics::open(&session, &kept, axis(0))?;
/// columns.update([&january])?;
/// assert_eq!(columns.values()?.mean[0], 1.5);
/// columns.save(&kept)?;
///
/// session.from_ndarray(outcore::ndarray::array![[6f32, 0.3]]).save(&february)?;
/// let mut columns = Statistics::open(&session, &kept, axis(0))?;
/// let updates = columns.update([&january, &february])?;
/// assert_eq!((updates[0].rows_read, updates[1].rows_read), (0, 1));
/// assert_eq!(columns.values()?.mean[0], 3.0);
/// # Ok::<(), outcore::Error>(())
/// ```
///
/// # What is noticed
/// A file is the same if device, inode, size and time of its last change are. If it grew where it is, its rows count as
/// appended, provided that the first and the last MiB of every segment of rows that was read before are as they were. In all other
/// cases (replaced, shorter, written to without growing, different ends) all its rows are read again, and [`InputUpdate`] says why.
/// What is not noticed: that rows in the middle of an earlier segment were changed *and* rows appended between two updates.
///
/// Inputs that are not files, or whose store says nothing of its identity, are read whole each time.
#[derive(Clone, Debug)]
pub struct Statistics {
    session: Session,
    axes: Axes,
    subject: Option<Subject>,
    inputs: BTreeMap<String, StateInput>,
    /// Names of the inputs that results are of.
    covered: BTreeSet<String>,
}

/// What all inputs have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subject {
    dtype: DType,
    row_shape: Vec<usize>,
    kept: Vec<usize>,
}

/// What [`Statistics::update`] did with an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputUpdate {
    /// The path, as it was given.
    pub path: String,
    /// Rows it has.
    pub rows: u64,
    /// Rows that were read; those at the ends of earlier segments, which are only looked at, do not count.
    pub rows_read: u64,
    /// Why.
    pub update: Update,
}

/// Why rows were read, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Update {
    /// There were no states of this input.
    New,
    /// It is as it was.
    Unchanged,
    /// It grew.
    Appended,
    /// The states were of something else, and are gone; the text says how that shows.
    Changed(String),
}

impl Statistics {
    /// Statistics over `axes`, of no input yet. Axis 0 has to be among them.
    #[must_use]
    pub fn new(session: &Session, axes: impl Into<Axes>) -> Statistics {
        Statistics { session: session.clone(), axes: axes.into(), subject: None, inputs: BTreeMap::new(), covered: BTreeSet::new() }
    }

    /// Statistics over `axes` with the states in a file, all of whose inputs are covered; if there is no such file, as [`Statistics::new`].
    ///
    /// # Errors
    /// [`crate::ErrorKind::Data`] if the file is corrupt, or of another version of the numbers: it is never used in part.
    /// [`crate::ErrorKind::Mismatch`] if its states are over other axes.
    pub fn open(session: &Session, path: impl AsRef<Path>, axes: impl Into<Axes>) -> Result<Statistics> {
        let path = path.as_ref();
        let mut made = Statistics::new(session, axes);
        let Some(file) = read_states(path)? else { return Ok(made) };
        if file.numerics != NUMERICS_VERSION {
            let text = format!(
                "{}: states of version {} of the numbers, this program makes version {NUMERICS_VERSION}",
                path.display(),
                file.numerics
            );
            return Err(Error::data(text).hint("delete it and run again: everything is read once more, and the file is made anew"));
        }
        made.check_axes(path, &file)?;
        let outputs = file.kept.iter().map(|&axis| file.row_shape[axis - 1]).product::<usize>();
        let states = outputs * values::states_per_output(file.dtype);
        if file.inputs.iter().flat_map(|input| &input.segments).any(|segment| segment.states.len() != states) {
            return Err(Error::data(format!("{}: a segment has not the {states} states of {outputs} outputs", path.display()))
                .hint("delete it and run again: everything is read once more, and the file is made anew"));
        }
        made.subject = Some(Subject { dtype: file.dtype, row_shape: file.row_shape, kept: file.kept });
        made.covered = file.inputs.iter().map(|input| input.name.clone()).collect();
        made.inputs = file.inputs.into_iter().map(|input| (input.name.clone(), input)).collect();
        Ok(made)
    }

    /// An error if the states of a file are over other axes. Names of axes are known with an input only.
    fn check_axes(&self, path: &Path, file: &StateFile) -> Result<()> {
        let rank = file.row_shape.len() + 1;
        let named = self.axes.list.iter().flatten().any(|axis| matches!(axis, super::axes::AxisRef::Name(_)));
        if named || kept_axes(&self.axes, &Dims::unnamed(rank))? == file.kept {
            return Ok(());
        }
        Err(other_axes(path.display().to_string(), &file.kept, rank))
    }

    /// Covers `inputs`, and nothing else: reads the rows of which there are no states. States of other inputs stay in the file
    /// for as long as their files exist.
    ///
    /// What was read before an error stays: [`Statistics::save`] keeps it.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Mismatch`] if an input has another dtype or rows of another shape than the others;
    /// [`crate::ErrorKind::Changed`] if one changes while it is read; those of opening and reading them.
    pub fn update<P: AsRef<Path>>(&mut self, inputs: impl IntoIterator<Item = P>) -> Result<Vec<InputUpdate>> {
        self.covered.clear();
        let mut told = Vec::new();
        let mut paths = Vec::new();
        for path in inputs {
            let path = path.as_ref();
            match joined::files(&path.to_string_lossy())? {
                Some(files) => paths.extend(files),
                None => paths.push(path.to_path_buf()),
            }
        }
        for path in paths {
            let look = Look::at(&self.session, &path)?;
            if !self.covered.insert(look.name.clone()) {
                return Err(Error::usage(format!("the input {} is given twice", look.path)));
            }
            self.fit(&look)?;
            told.push(self.update_one(look)?);
        }
        let gone = |name: &String| !self.covered.contains(name) && !look::exists(name);
        let gone: Vec<String> = self.inputs.keys().filter(|name| gone(name)).cloned().collect();
        gone.iter().for_each(|name| drop(self.inputs.remove(name)));
        Ok(told)
    }

    /// An error if an input does not continue the others.
    fn fit(&mut self, look: &Look) -> Result<()> {
        let shape = look.rows.shape()?;
        let (dtype, row_shape) = (look.rows.dtype()?, shape[1..].to_vec());
        let kept = kept_axes(&self.axes, &look.rows.dims()?)?;
        let Some(subject) = &self.subject else {
            self.subject = Some(Subject { dtype, row_shape, kept });
            return Ok(());
        };
        if kept != subject.kept {
            return Err(other_axes("the state file".to_string(), &subject.kept, shape.len()));
        }
        if (dtype, &row_shape) != (subject.dtype, &subject.row_shape) {
            let text = format!(
                "{} has rows of {dtype} {}, the others have rows of {} {}",
                look.path,
                show(&row_shape),
                subject.dtype,
                show(&subject.row_shape)
            );
            return Err(Error::mismatch(text).hint("inputs continue each other along axis 0; keep states of others in another file"));
        }
        Ok(())
    }

    fn update_one(&mut self, look: Look) -> Result<InputUpdate> {
        // What is known stays until there is something in its place.
        let (mut segments, update) = match self.inputs.get(&look.name) {
            None => (Vec::new(), Update::New),
            Some(known) => match look.compare(known)? {
                Seen::Unchanged => (known.segments.clone(), Update::Unchanged),
                Seen::Appended => (known.segments.clone(), Update::Appended),
                Seen::Changed(how) => (Vec::new(), Update::Changed(how)),
            },
        };
        let rows = look.row_count()?;
        let from = segments.last().map_or(0, |segment| segment.rows_end);
        if from < rows {
            segments.push(self.read_rows(&look, from..rows)?);
        }
        // What was looked at before and what was computed have to be one content.
        look.check_unchanged(&self.session)?;
        let input = StateInput { name: look.name.clone(), identity: look.identity.clone(), segments };
        self.inputs.insert(look.name, input);
        Ok(InputUpdate { path: look.path, rows, rows_read: rows - from, update })
    }

    fn read_rows(&self, look: &Look, rows: std::ops::Range<u64>) -> Result<StateSegment> {
        let part: Array = look.part(rows.clone());
        let kept = self.subject.as_ref().map_or(&[][..], |subject| &subject.kept);
        let reduced: Vec<usize> = (0..part.rank()?).filter(|axis| !kept.contains(axis)).collect();
        let states = states_of(&part, &reduced)?;
        Ok(StateSegment { rows_end: rows.end, fingerprint: look.fingerprint(rows)?, states })
    }

    /// Adds the inputs of `other`, and covers them too: states that were made apart, on other machines perhaps.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Mismatch`] if they are not of the same dtype, rows and axes, or differ in an input that both have; nothing
    /// has changed then.
    pub fn merge(&mut self, other: &Statistics) -> Result<()> {
        let (Some(ours), Some(theirs)) = (&self.subject, &other.subject) else {
            if self.subject.is_none() {
                *self = Statistics { session: self.session.clone(), ..other.clone() };
            }
            return Ok(());
        };
        if ours != theirs {
            return Err(Error::mismatch(format!("statistics of {ours} do not merge with those of {theirs}")));
        }
        let differs = |(name, input): &(&String, &StateInput)| self.inputs.get(*name).is_some_and(|there| there.segments != input.segments);
        if let Some((name, _)) = other.inputs.iter().find(differs) {
            return Err(Error::mismatch(format!("both statistics have the input {name}, with different states"))
                .hint("update one of them with all inputs instead"));
        }
        self.inputs.extend(other.inputs.clone());
        self.covered.extend(other.covered.iter().cloned());
        Ok(())
    }

    /// Writes all states to a file, in place of one that is there; in one step, so that a crash leaves the old one. Equal states
    /// give equal bytes.
    ///
    /// # Errors
    /// Those of writing a file; [`crate::ErrorKind::Usage`] before anything was covered.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let subject = self.subject()?;
        let file = StateFile {
            numerics: NUMERICS_VERSION,
            dtype: subject.dtype,
            row_shape: subject.row_shape.clone(),
            kept: subject.kept.clone(),
            inputs: self.inputs.values().cloned().collect(),
        };
        write_states(path.as_ref(), &file)
    }

    /// The statistics of what is covered.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] before anything was covered; [`crate::ErrorKind::Data`] if states of the file are not what they
    /// should be.
    pub fn values(&self) -> Result<StatisticsValues> {
        let subject = self.subject()?;
        let shape = subject.kept.iter().map(|&axis| subject.row_shape[axis - 1]).collect();
        let covered = self.inputs.values().filter(|input| self.covered.contains(&input.name));
        let parts: Vec<&[Vec<u8>]> = covered.flat_map(|input| input.segments.iter().map(|segment| &segment.states[..])).collect();
        finish(shape, subject.dtype, &parts)
    }

    /// Rows of all that is covered.
    #[must_use]
    pub fn rows(&self) -> u64 {
        let covered = self.inputs.values().filter(|input| self.covered.contains(&input.name));
        covered.filter_map(|input| input.segments.last()).map(|segment| segment.rows_end).sum()
    }

    /// Dtype and shape of a row, once they are known.
    #[must_use]
    pub fn row(&self) -> Option<(DType, &[usize])> {
        self.subject.as_ref().map(|subject| (subject.dtype, &subject.row_shape[..]))
    }

    fn subject(&self) -> Result<&Subject> {
        self.subject.as_ref().ok_or_else(|| Error::usage("statistics of no input at all").hint("`update` takes the inputs"))
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rows of {} {} that keep the axes {:?}", self.dtype, show(&self.row_shape), self.kept)
    }
}

fn other_axes(of: String, kept: &[usize], rank: usize) -> Error {
    let over: Vec<usize> = (0..rank).filter(|axis| !kept.contains(axis)).collect();
    Error::mismatch(format!("{of} has states over the axes {over:?}")).hint("give these axes, or another state file")
}

/// The axes that stay.
fn kept_axes(axes: &Axes, dims: &Dims) -> Result<Vec<usize>> {
    let reduced = places(axes.list.as_deref(), dims)?;
    if !reduced.contains(&0) {
        let text = format!("statistics over the axes {reduced:?} are some for every row: there is nothing to keep them for");
        return Err(Error::usage(text).hint("states are kept over axis 0, along which inputs grow"));
    }
    Ok((0..dims.0.len()).filter(|axis| !reduced.contains(axis)).collect())
}
