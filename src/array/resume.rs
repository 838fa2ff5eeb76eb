//! Going on with what a job left: which files, which journal, and whether it is the same job.

use super::{
    below::reopen as reopen_target,
    job::ResultShape,
    outputs::{Files, stored_at, text_of},
    words::Dims,
};
use crate::{
    error::{Error, Result},
    nd::{Coverage, Region},
    store::{
        Hold, Part, Published, Target,
        journal::{Found, Header, Journal, Reading, read},
        journal_path, part_path, place_of,
    },
};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// What of an output was there from a job that was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The output.
    pub path: PathBuf,
    /// Bytes that were there and were not computed again.
    pub bytes: u64,
    /// Bytes of the whole array.
    pub bytes_total: u64,
}

impl Kept {
    pub(super) fn new(path: &Path, target: &dyn Target, there: &Coverage) -> Kept {
        let item = target.dtype().size() as u64;
        let bytes_total = target.shape().iter().product::<usize>() as u64 * item;
        Kept { path: path.to_path_buf(), bytes: there.count() as u64 * item, bytes_total }
    }
}

/// What can be gone on with.
pub(super) struct Taken {
    journal: PathBuf,
    found: Found,
    /// Whether each file stands under its name already.
    pub published: Vec<bool>,
}

/// Looks for what the same job left. `None` if there is nothing, or nothing that holds together; an error if it is not the same job.
pub(super) fn take_up(files: &Files) -> Result<Option<Taken>> {
    let places: Vec<PathBuf> = files.paths.iter().flatten().map(|path| place_of(stored_at(path))).collect();
    let Some(first) = places.first().and_then(|place| part_path(place)) else { return Ok(None) };
    let name = files.paths.iter().flatten().next().map(|path| path.display().to_string()).unwrap_or_default();
    let (journal, Some(identity)) = (journal_path(&first), &files.identity) else { return Ok(None) };
    let anew = files.save.is_overwrite();
    let found = match read(&journal)? {
        Reading::Found(found) => *found,
        Reading::OtherVersion(version) if !anew => {
            let text = format!("what is there of {name} was left by another version of outcore (journal {version})");
            return Err(Error::refused(text).hint("`--overwrite` starts anew"));
        }
        _ => return Ok(None),
    };
    if let Err(error) = identity.check(&found.header, &name) {
        return if anew { Ok(None) } else { Err(error) };
    }
    if found.header.outputs.len() != places.len() {
        let text = format!("what is there of {name} was left by a job with {} outputs", found.header.outputs.len());
        return if anew { Ok(None) } else { Err(Error::output(text).hint("give the same outputs, or `--overwrite` starts anew")) };
    }
    let mut published = Vec::new();
    for (place, output) in places.iter().zip(&found.header.outputs) {
        let Some(path) = part_path(place) else { return Ok(None) };
        let part = Part { path, device: output.device, inode: output.inode };
        match (part.is_at(&part.path), found.is_publishing && part.is_at(place)) {
            (true, _) => published.push(false),
            (_, true) => published.push(true),
            // Not what was left there: whatever else is said of it is worth nothing.
            _ => return Ok(None),
        }
    }
    Ok(Some(Taken { journal, found, published }))
}

/// What a job left, now that nobody else can write it.
pub(super) struct Before {
    journal: PathBuf,
    found: Found,
}

impl Before {
    /// What the journal begins with.
    pub fn header(&self) -> &Header {
        &self.found.header
    }

    /// The journal, and what of every output is there.
    pub fn go_on(self, made: &[Option<Arc<dyn Target>>]) -> Result<(Arc<Journal>, Vec<Coverage>)> {
        let Before { journal, found } = self;
        let mut finished = found.finished.clone().into_iter();
        let there = made.iter().map(|target| match target {
            Some(target) => {
                let mut there = finished.next().unwrap_or_default();
                if found.is_publishing {
                    there.cover(&Region::whole(target.shape()));
                }
                there
            }
            None => Coverage::default(),
        });
        let there = there.collect();
        Ok((Arc::new(Journal::go_on(journal, found)?), there))
    }
}

/// One per output; `None` for one that goes into memory.
pub(super) type Made = Vec<Option<Arc<dyn Target>>>;

/// The targets of a job that goes on, and what is known of it. `None` if it starts anew.
pub(super) fn reopen(files: &Files, shapes: &[ResultShape], dims: &[Dims]) -> Result<Option<(Made, Before)>> {
    let Some(before) = take_up(files)? else { return Ok(None) };
    let mut made = Made::new();
    let opened = open_all(files, (shapes, dims), &before.published, &mut made);
    let keep = || made.iter().flatten().for_each(|target| target.keep());
    if !opened.inspect_err(|_| keep())? {
        keep();
        return Ok(None);
    }
    // Only now that nobody else can write is what the journal says the last word.
    let Some(Taken { journal, found, .. }) = take_up(files).inspect_err(|_| keep())? else {
        keep();
        return Ok(None);
    };
    let fits = made.iter().flatten().zip(&found.header.outputs).all(|(target, about)| {
        (target.dtype(), target.shape()) == (about.dtype, &about.shape)
            && target.part().is_none_or(|part| (part.device, part.inode) == (about.device, about.inode))
    });
    if !fits {
        keep();
        return Ok(None);
    }
    Ok(Some((made, Before { journal, found })))
}

/// Opens the unfinished outputs into `made`, one entry per output. False if one of them is not there.
fn open_all(
    files: &Files,
    (shapes, dims): (&[ResultShape], &[Dims]),
    published: &[bool],
    made: &mut Vec<Option<Arc<dyn Target>>>,
) -> Result<bool> {
    let mut published = published.iter();
    for (place, (path, (shape, dtype))) in files.paths.iter().zip(shapes).enumerate() {
        let Some(path) = path else {
            made.push(None);
            continue;
        };
        let target: Option<Arc<dyn Target>> = match published.next() {
            Some(true) => Some(Arc::new(Published::new(path.display().to_string(), *dtype, shape))),
            _ => {
                reopen_target(text_of(path)?, *dtype, shape, files.save.mode(), &files.layout(place, shape, dims.get(place)), Hold::Alone)?
            }
        };
        if target.is_none() {
            return Ok(false);
        }
        made.push(target);
    }
    Ok(true)
}
