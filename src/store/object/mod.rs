//! Objects of object stores and web servers as files: `s3://`, `gs://`, `az://`, `https://`. Built with the feature `object-store` only.
//!
//! An [`Object`] is pinned when it is opened: its etag and its size are what every later read asks for and is held against, so that
//! an object that is replaced while it is read is an error, as a file is. Reads are ranges, several in flight at a time, straight into
//! the caller's buffer. Requests are driven by the threads that wait for them: there is no thread of our own.

use crate::error::{Error, Result};
use std::path::Path;

#[cfg(feature = "object-store")]
mod ahead;
#[cfg(feature = "object-store")]
mod client;
#[cfg(feature = "object-store")]
mod fault;
#[cfg(feature = "object-store")]
mod folder;
#[cfg(feature = "object-store")]
mod read;
#[cfg(not(feature = "object-store"))]
mod stub;
#[cfg(feature = "object-store")]
mod write;

#[cfg(feature = "object-store")]
pub(super) use self::{folder::Folder, read::Object, write::Put};
#[cfg(not(feature = "object-store"))]
pub(super) use stub::{Folder, Object, Put};

/// Beginnings of what is read from elsewhere.
const SCHEMES: [&str; 8] = ["s3://", "s3a://", "gs://", "az://", "abfs://", "abfss://", "http://", "https://"];

/// Gaps between ranges of one object up to which one request is cheaper than two.
pub(super) const GAP_BYTES_MAX: u64 = 1 << 20;
/// Requests of one read that are in flight at a time.
pub(super) const REQUESTS_MAX: usize = 4;
/// Bytes of one request of a long read.
#[cfg(feature = "object-store")]
const PIECE_BYTES: usize = 2 << 20;
/// What a connection holds of a response that is being copied out of it, at most.
const CONNECTION_BYTES: u64 = 512 << 10;
/// Bytes that an open object keeps of what was read ahead.
const HELD_BYTES_MAX: u64 = 2 << 20;
/// Bytes of whole chunks that are fetched together.
pub(super) const BATCH_BYTES: u64 = 4 << 20;

/// Bytes of an object that is put in one request; longer ones are put in parts of as many.
pub(super) const UPLOAD_BYTES: u64 = 8 << 20;

/// Bytes that one read holds besides the buffer it fills.
pub(super) const READ_SCRATCH_BYTES: u64 = REQUESTS_MAX as u64 * CONNECTION_BYTES + HELD_BYTES_MAX;

/// What is fetched of an object when it is opened, in the request that finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// So many bytes from its beginning.
    Head(u64),
    /// So many bytes from its end.
    Tail(u64),
    /// All of it; more than so many bytes are not what is expected, and are left where they are.
    Whole(u64),
    /// Nothing but what it is.
    Look,
}

/// The scheme of what lies in an object store or on a web server.
pub(super) fn scheme_of(text: &str) -> Option<&'static str> {
    SCHEMES.into_iter().find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// Whether a path is the address of an object. A file of that name wins.
pub(super) fn is_object(path: &Path) -> bool {
    path.to_str().is_some_and(|text| scheme_of(text).is_some()) && !path.exists()
}

/// Refuses what this outcore was built without, and schemes that nobody reads.
pub(super) fn refuse_unknown(text: &str) -> Result<()> {
    if Path::new(text).exists() {
        return Ok(());
    }
    if let Some(scheme) = scheme_of(text).filter(|_| cfg!(not(feature = "object-store"))) {
        return Err(not_built(text, scheme));
    }
    match text.strip_prefix("file://") {
        Some(path) => Err(Error::usage(format!("{text}: files are named by their paths")).hint(format!("`{path}`"))),
        None => Ok(()),
    }
}

/// Splits an address at its last slash.
pub(super) fn split_last(url: &str) -> Result<(&str, &str)> {
    url.rsplit_once('/')
        .filter(|(folder, name)| !name.is_empty() && folder.len() > folder.find("://").map_or(0, |at| at + 3))
        .ok_or_else(|| Error::usage(format!("{url} names no object")).hint("as in s3://bucket/folder/x.npy"))
}

/// An error for addresses that are read and not written.
pub(super) fn check_writable(url: &str) -> Result<()> {
    match scheme_of(url) {
        Some(scheme) if scheme.starts_with("http") => {
            Err(Error::usage(format!("cannot write {url}: web servers are read and not written")).hint("s3://, gs:// or az://"))
        }
        _ => refuse_unknown(url),
    }
}

fn not_built(text: &str, scheme: &str) -> Error {
    Error::usage(format!("{text}: {scheme} paths need the feature `object-store`, without which this outcore was built"))
        .hint("`cargo install outcore --features object-store` (or `cargo build --release --features object-store`) builds it with them")
}
