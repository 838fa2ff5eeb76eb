//! [`Object`]: reads of ranges, several in flight, held against what the object was when it was opened.

use super::{
    First, PIECE_BYTES, REQUESTS_MAX,
    ahead::{Ahead, Keep},
    client::{Address, Client},
    fault::{self, Doing},
};
use crate::{
    error::{Error, ErrorKind, Result},
    store::file::{FileIdentity, hash},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStoreExt, path::Path};
use std::{ops::Range, sync::Arc, time::Duration};

/// Reads below this are served from what is read ahead.
const SMALL_BYTES: usize = 256 << 10;
/// How often a body that ends early is asked for again; the client does so by itself where there are etags.
const BODY_ATTEMPTS: usize = 4;
const BODY_PAUSE: Duration = Duration::from_millis(100);

/// What makes an object the one that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Stamp {
    pub size_bytes: u64,
    pub etag: Option<String>,
    pub version: Option<String>,
    pub modified_ns: i128,
}

impl Stamp {
    pub fn of(meta: &ObjectMeta) -> Self {
        let modified_ns = meta.last_modified.timestamp_nanos_opt().map_or(0, i128::from);
        Stamp { size_bytes: meta.size, etag: meta.e_tag.clone(), version: meta.version.clone(), modified_ns }
    }
}

/// An object that is open: it is read, and is an error when it is no longer what it was.
#[derive(Debug)]
pub struct Object {
    place: Place,
    stamp: Stamp,
    held: Arc<Ahead>,
}

/// Where an object is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub client: Arc<Client>,
    pub path: Path,
    pub url: String,
}

impl Object {
    /// Opens the object at an address.
    pub fn open(url: &str, first: First) -> Result<Self> {
        let Address { client, path } = Address::parse(url)?;
        if path.as_ref().is_empty() {
            return Err(Error::usage(format!("{url} names no object")).hint("as in s3://bucket/folder/x.npy"));
        }
        let place = Place { client: Arc::clone(&client), path, url: url.to_string() };
        client.wait(place.open(first))
    }

    /// An object that was opened before, as it was then.
    pub(super) fn known(place: Place, stamp: Stamp) -> Self {
        Object { place, stamp, held: Arc::default() }
    }

    pub(super) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// What tells it from others, and from what it is after a change.
    pub fn identity(&self) -> FileIdentity {
        let Stamp { size_bytes, etag, version, modified_ns } = &self.stamp;
        let mark = format!("{}\0{}\0{}", self.place.path, etag.as_deref().unwrap_or_default(), version.as_deref().unwrap_or_default());
        FileIdentity {
            device: hash(self.place.client.root.as_bytes()),
            inode: hash(mark.as_bytes()),
            size_bytes: *size_bytes,
            modified_ns: *modified_ns,
        }
    }

    /// Fills `out` with the bytes from `offset`.
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        if out.is_empty() || self.held.copy(offset, out) {
            return Ok(());
        }
        if out.len() >= SMALL_BYTES {
            return self.read_ranges(vec![(offset, out)]);
        }
        self.check_range(offset, out.len())?;
        let range = offset..self.held.end_of(offset, out.len() as u64).min(self.stamp.size_bytes);
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.read_ranges(vec![(range.start, &mut bytes)])?;
        out.copy_from_slice(&bytes[..out.len()]);
        self.held.put(range.start, bytes, Keep::WhileThereIsRoom);
        Ok(())
    }

    /// Fills every buffer with the bytes from its place, with several requests in flight.
    pub fn read_ranges(&self, wanted: Vec<(u64, &mut [u8])>) -> Result<()> {
        let mut pieces = Vec::new();
        for (offset, out) in wanted {
            self.check_range(offset, out.len())?;
            let places = (offset..).step_by(PIECE_BYTES);
            pieces.extend(places.zip(out.chunks_mut(PIECE_BYTES)));
        }
        let work = stream::iter(pieces).map(|(offset, out)| self.fill(offset, out)).buffer_unordered(REQUESTS_MAX);
        self.place.client.wait(work.try_collect::<()>())
    }

    /// An error if the object is not what it was when it was opened.
    pub fn check(&self) -> Result<()> {
        let Place { client, path, url } = &self.place;
        let meta = client.wait(client.store.head(path)).map_err(|error| match error {
            object_store::Error::NotFound { .. } => fault::changed(url, "it is gone"),
            error => fault::explain(url, Doing::Open, &error),
        })?;
        self.check_same(&meta)
    }

    fn check_same(&self, meta: &ObjectMeta) -> Result<()> {
        let (then, now) = (&self.stamp, Stamp::of(meta));
        if then.size_bytes != now.size_bytes {
            return Err(fault::changed(&self.place.url, &format!("size {} -> {}", then.size_bytes, now.size_bytes)));
        }
        // A server without etags tells by the time alone.
        let same = match (&then.etag, &now.etag) {
            (Some(then), Some(now)) => then == now,
            _ => then.modified_ns == now.modified_ns,
        };
        if same { Ok(()) } else { Err(fault::changed(&self.place.url, "it was written to")) }
    }

    fn check_range(&self, offset: u64, length: usize) -> Result<()> {
        let end = offset.saturating_add(length as u64);
        if end <= self.stamp.size_bytes {
            return Ok(());
        }
        let (url, size_bytes) = (&self.place.url, self.stamp.size_bytes);
        Err(Error::data(format!("{url} is truncated: bytes {offset}..{end} are needed, it has {size_bytes}")))
    }

    /// Fills `out` by one request, or by more if its answer breaks off.
    async fn fill(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        let mut done = 0;
        for attempt in 1.. {
            let from = offset + done as u64;
            let options = GetOptions {
                range: Some(GetRange::Bounded(from..offset + out.len() as u64)),
                if_match: self.stamp.etag.clone(),
                version: self.stamp.version.clone(),
                ..GetOptions::default()
            };
            let Place { client, path, url } = &self.place;
            let answer = client.store.get_opts(path, options).await.map_err(|error| match error {
                object_store::Error::NotFound { .. } => fault::changed(url, "it is gone"),
                error => fault::explain(url, Doing::Read, &error),
            })?;
            self.check_same(&answer.meta)?;
            let (wanted, before) = (out.len() - done, done);
            let (count, failed) = copy_body(answer, &mut out[done..]).await;
            done += count;
            if done == out.len() && failed.is_none() {
                return Ok(());
            }
            if attempt >= BODY_ATTEMPTS {
                let error = failed.map(|error| fault::explain(url, Doing::Read, &error));
                return Err(error.unwrap_or_else(|| fault::truncated(url, offset + before as u64, wanted as u64, count as u64)));
            }
            tokio::time::sleep(BODY_PAUSE * attempt as u32).await;
        }
        Err(Error::internal("a read without an end"))
    }
}

impl Place {
    /// Opens the object, with the bytes that `first` asks for.
    pub async fn open(self, first: First) -> Result<Object> {
        let keep = if matches!(first, First::Whole(_)) { Keep::Pinned } else { Keep::WhileThereIsRoom };
        for attempt in 1.. {
            let (answer, body) = match self.ask(first).await {
                Ok(answer) => answer,
                // An object of no bytes has no first ones.
                Err(error) if first != First::Look && fault::is_out_of_range(&error) => {
                    self.ask(First::Look).await.map_err(|error| fault::explain(&self.url, Doing::Open, &error))?
                }
                Err(error) => return Err(fault::explain(&self.url, Doing::Open, &error)),
            };
            let stamp = Stamp::of(&answer.meta);
            let range = if body { answer.range.clone() } else { 0..0 };
            let too_long = matches!(first, First::Whole(bytes_max) if range.end - range.start > bytes_max);
            let range: Range<u64> = if too_long { 0..0 } else { range };
            let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(usize::MAX)];
            let (count, failed) = if bytes.is_empty() { (0, None) } else { copy_body(answer, &mut bytes).await };
            if count == bytes.len() && failed.is_none() {
                let object = Object::known(self, stamp);
                if !bytes.is_empty() {
                    object.held.put(range.start, bytes, keep);
                }
                return Ok(object);
            }
            if attempt >= BODY_ATTEMPTS {
                let error = failed.map(|error| fault::explain(&self.url, Doing::Read, &error));
                return Err(error.unwrap_or_else(|| fault::truncated(&self.url, range.start, range.end - range.start, count as u64)));
            }
            tokio::time::sleep(BODY_PAUSE * attempt as u32).await;
        }
        Err(Error::internal("a read without an end"))
    }

    /// The answer to the first request, and whether it has a body.
    async fn ask(&self, first: First) -> object_store::Result<(GetResult, bool)> {
        let range = match first {
            First::Head(bytes) => Some(GetRange::Bounded(0..bytes.max(1))),
            First::Tail(bytes) => Some(GetRange::Suffix(bytes.max(1))),
            // A range, too: its answer says how long the object is, whatever comes of it.
            First::Whole(bytes_max) => Some(GetRange::Bounded(0..bytes_max.saturating_add(1))),
            First::Look => None,
        };
        let head = first == First::Look;
        let options = GetOptions { range, head, ..GetOptions::default() };
        match self.client.store.get_opts(&self.path, options).await {
            // Azure knows no ranges from the end.
            Err(object_store::Error::NotSupported { .. } | object_store::Error::NotImplemented { .. }) if !head => {
                let options = GetOptions { head: true, ..GetOptions::default() };
                Ok((self.client.store.get_opts(&self.path, options).await?, false))
            }
            // Some web servers give files as a whole only.
            Err(error) if matches!(first, First::Whole(_)) && fault::gives_no_parts(&error) => {
                Ok((self.client.store.get_opts(&self.path, GetOptions::default()).await?, true))
            }
            answer => Ok((answer?, !head)),
        }
    }
}

/// Copies what an answer has to `out`: how many bytes came, and what ended it early. More than were asked for is no answer to that.
async fn copy_body(answer: GetResult, out: &mut [u8]) -> (usize, Option<object_store::Error>) {
    let mut done = 0;
    let mut body = answer.into_stream();
    while let Some(part) = body.next().await {
        match part {
            Ok(part) => {
                let Some(room) = out.get_mut(done..done + part.len()) else {
                    let source = "the answer has more bytes than were asked for".into();
                    return (done, Some(object_store::Error::Generic { store: "body", source }));
                };
                room.copy_from_slice(&part);
                done += part.len();
            }
            Err(error) => return (done, Some(error)),
        }
    }
    (done, None)
}

/// `None` for what is not there.
pub(super) fn there(opened: Result<Object>) -> Result<Option<Object>> {
    match opened {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
