//! [`Folder`]: the objects below a prefix, as the files of a folder.

use super::{
    First, REQUESTS_MAX,
    client::{Address, Client},
    fault::{self, Doing},
    read::{Object, Place, Stamp, there},
};
use crate::error::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Objects whose stamps are kept: about 200 bytes each.
const STAMPS_MAX: usize = 4096;

/// Objects below a prefix. What was opened once stays what it was then: a second look asks for the same etag.
#[derive(Clone, Debug)]
pub struct Folder {
    client: Arc<Client>,
    prefix: Path,
    url: String,
    stamps: Arc<Mutex<HashMap<String, Stamp>>>,
}

impl Folder {
    /// The folder at an address; it need not be there.
    pub fn open(url: &str) -> Result<Self> {
        let Address { client, path } = Address::parse(url)?;
        Ok(Folder { client, prefix: path, url: url.trim_end_matches('/').to_string(), stamps: Arc::default() })
    }

    /// The folder of a name below this one.
    pub fn child(&self, name: &str) -> Self {
        Folder { client: Arc::clone(&self.client), prefix: self.path(name), url: self.name(name), stamps: Arc::default() }
    }

    /// What errors call an object below it.
    pub fn name(&self, key: &str) -> String {
        format!("{}/{key}", self.url)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn path(&self, key: &str) -> Path {
        key.split('/').filter(|part| !part.is_empty()).fold(self.prefix.clone(), |path, part| path.join(part))
    }

    /// Opens objects, with several requests in flight; `None` for those that there are none of.
    pub fn open_all(&self, wanted: &[(String, First)]) -> Vec<Result<Option<Object>>> {
        let mut found: Vec<Option<Result<Option<Object>>>> =
            wanted.iter().map(|(key, first)| self.known(key, *first).map(|object| Ok(Some(object)))).collect();
        let missing: Vec<usize> = (0..wanted.len()).filter(|&index| found[index].is_none()).collect();
        let ask = |index: usize| {
            let (key, first) = &wanted[index];
            let work = self.place(key).open(*first);
            async move { (index, work.await) }
        };
        let asked = stream::iter(missing).map(ask).buffer_unordered(REQUESTS_MAX).collect::<Vec<_>>();
        for (index, opened) in self.client.wait(asked) {
            let checked = opened.and_then(|object| self.remember(&wanted[index].0, object.stamp()).map(|()| object));
            found[index] = Some(there(checked));
        }
        found.into_iter().map(|found| found.unwrap_or(Ok(None))).collect()
    }

    fn place(&self, key: &str) -> Place {
        Place { client: Arc::clone(&self.client), path: self.path(key), url: self.name(key) }
    }

    /// An object that was opened before and of which nothing has to be fetched at once.
    fn known(&self, key: &str, first: First) -> Option<Object> {
        if matches!(first, First::Whole(_)) {
            return None;
        }
        let stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        stamps.get(key).map(|stamp| Object::known(self.place(key), stamp.clone()))
    }

    /// Keeps what an object is; an error if it was another one before.
    fn remember(&self, key: &str, stamp: &Stamp) -> Result<()> {
        let mut stamps = self.stamps.lock().unwrap_or_else(PoisonError::into_inner);
        if stamps.get(key).is_some_and(|then| then != stamp) {
            return Err(fault::changed(&self.name(key), "it was written to"));
        }
        if stamps.len() >= STAMPS_MAX {
            stamps.clear();
        }
        stamps.insert(key.to_string(), stamp.clone());
        Ok(())
    }

    /// Names of the folders directly below this one, sorted.
    pub fn children(&self) -> Result<Vec<String>> {
        let listed = self.client.wait(self.client.store.list_with_delimiter(Some(&self.prefix)));
        let listed = listed.map_err(|error| fault::explain(&self.url, Doing::List, &error))?;
        let mut names: Vec<String> = listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_string)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Last parts of the keys of the objects directly below this folder.
    pub fn names(&self) -> Result<Vec<String>> {
        let listed = self.client.wait(self.client.store.list(Some(&self.prefix)).map_ok(|meta| meta.location).try_collect::<Vec<_>>());
        let listed = listed.map_err(|error| fault::explain(&self.url, Doing::List, &error))?;
        Ok(listed.iter().filter_map(|path| path.filename().map(str::to_string)).collect())
    }

    /// Key below `under`, size and etag of objects below this one, `count_max` at most; `None` if they cannot be listed.
    pub fn look(&self, under: &str, count_max: usize) -> Option<Vec<(String, u64, String)>> {
        let prefix = self.path(under);
        let listed = self.client.wait(self.client.store.list(Some(&prefix)).take(count_max).try_collect::<Vec<_>>()).ok()?;
        let of = |meta: object_store::ObjectMeta| (meta.location.to_string(), meta.size, meta.e_tag.unwrap_or_default());
        Some(listed.into_iter().map(of).collect())
    }
}
