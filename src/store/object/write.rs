//! Writes: objects appear whole or not at all, and such as must be new are made by a condition that the store itself checks.

use super::{
    UPLOAD_BYTES,
    fault::{self, Doing},
    folder::Folder,
    read::Stamp,
};
use crate::error::{Error, Result};
use futures_util::{StreamExt, TryStreamExt};
use object_store::{ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path as Key};
use std::{fs::File, io::Read, path::Path, time::Duration};

/// Objects that are removed at a time.
const REMOVED_TOGETHER: usize = 8;

/// Parts of an object at most; stores take 10,000.
const PARTS_MAX: u64 = 9_000;
/// How often an object with a condition is put, when the connection breaks.
const PUT_ATTEMPTS: u32 = 5;
const PUT_PAUSE: Duration = Duration::from_millis(100);

/// Whether an object may take the place of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is an error if there is one.
    Create,
    Replace,
}

impl Folder {
    /// Puts an object of these bytes; whether it was put: not if it must be new and there is another one already.
    pub fn put(&self, key: &str, bytes: &[u8], put: Put) -> Result<bool> {
        let mode = if put == Put::Create { PutMode::Create } else { PutMode::Overwrite };
        let (client, path) = (self.client(), self.path(key));
        for attempt in 1.. {
            let options = PutOptions { mode: mode.clone(), ..PutOptions::default() };
            match client.wait(client.store.put_opts(&path, PutPayload::from(bytes.to_vec()), options)) {
                Ok(_) => return Ok(true),
                // A request that was tried again finds what it has put itself.
                Err(object_store::Error::AlreadyExists { .. }) => return Ok(self.text(key)?.is_some_and(|there| there == bytes)),
                // The client does not try again by itself what has a condition.
                Err(error) if attempt < PUT_ATTEMPTS && fault::broke_off(&error) => std::thread::sleep(PUT_PAUSE * attempt),
                Err(error) => return Err(fault::explain(&self.name(key), Doing::Write, &error)),
            }
        }
        Err(Error::internal("a write without an end"))
    }

    /// All of a small object; `None` if there is none.
    pub fn text(&self, key: &str) -> Result<Option<Vec<u8>>> {
        let (client, path) = (self.client(), self.path(key));
        let work = async {
            let answer = client.store.get(&path).await?;
            answer.bytes().await
        };
        match client.wait(work) {
            Ok(bytes) => Ok(Some(bytes.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault::explain(&self.name(key), Doing::Read, &error)),
        }
    }

    /// Puts what a file has: in parts if it is long, which become the object together.
    pub fn upload(&self, key: &str, file: &Path, put: Put) -> Result<bool> {
        let failed = |error| Error::io("read", file.display(), error);
        let mut from = File::open(file).map_err(failed)?;
        let length = from.metadata().map_err(failed)?.len();
        let part_bytes = UPLOAD_BYTES.max(length / PARTS_MAX + 1);
        let mut next = || -> Result<Vec<u8>> {
            let mut part = Vec::with_capacity(usize::try_from(part_bytes.min(length)).unwrap_or(0));
            from.by_ref().take(part_bytes).read_to_end(&mut part).map_err(failed)?;
            Ok(part)
        };
        if length <= UPLOAD_BYTES {
            return self.put(key, &next()?, put);
        }
        // The protocols have no condition for what comes in parts: it is looked at last.
        let (client, path, name) = (self.client(), self.path(key), self.name(key));
        let explain = |error: object_store::Error| fault::explain(&name, Doing::Write, &error);
        let mut upload = client.wait(client.store.put_multipart(&path)).map_err(explain)?;
        let sent = (|| {
            let mut left = length;
            while left > 0 {
                let part = next()?;
                if part.is_empty() {
                    return Err(Error::internal(format!("{} became shorter", file.display())));
                }
                left = left.saturating_sub(part.len() as u64);
                client.wait(upload.put_part(PutPayload::from(part))).map_err(explain)?;
            }
            Ok(())
        })();
        let is_free = sent.and_then(|()| if put == Put::Create { self.stamp(key).map(|there| there.is_none()) } else { Ok(true) });
        match is_free {
            Ok(true) => client.wait(upload.complete()).map(|_| true).map_err(explain),
            other => {
                let _ = client.wait(upload.abort());
                other
            }
        }
    }

    /// What an object is; `None` if there is none.
    pub(super) fn stamp(&self, key: &str) -> Result<Option<Stamp>> {
        let (client, path) = (self.client(), self.path(key));
        match client.wait(client.store.head(&path)) {
            Ok(meta) => Ok(Some(Stamp::of(&meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(fault::explain(&self.name(key), Doing::Open, &error)),
        }
    }

    /// Whether there is such an object.
    pub fn has(&self, key: &str) -> Result<bool> {
        self.stamp(key).map(|stamp| stamp.is_some())
    }

    /// Removes an object, if there is one.
    pub fn remove(&self, key: &str) -> Result<()> {
        let (client, path) = (self.client(), self.path(key));
        match client.wait(client.store.delete(&path)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(fault::explain(&self.name(key), Doing::Write, &error)),
        }
    }

    /// Removes all objects below this folder but one.
    pub fn remove_all_but(&self, key: &str) -> Result<()> {
        let (client, kept) = (self.client(), self.path(key));
        let prefix: Key = self.path("");
        let work = client.store.list(Some(&prefix)).try_filter(|meta| {
            let is_other = meta.location != kept;
            async move { is_other }
        });
        let work = work.map_ok(|meta| async move { client.store.delete(&meta.location).await }).try_buffer_unordered(REMOVED_TOGETHER);
        let removed = client.wait(
            work.filter(|done| {
                let is_gone = matches!(done, Err(object_store::Error::NotFound { .. }));
                async move { !is_gone }
            })
            .try_collect::<()>(),
        );
        removed.map_err(|error| fault::explain(&self.name(""), Doing::Write, &error))
    }
}
