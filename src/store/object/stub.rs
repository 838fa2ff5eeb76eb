//! What stands for objects in an outcore that was built without them: nothing can be made of these types.

use super::{First, not_built, scheme_of};
use crate::{error::Result, store::file::FileIdentity};
use std::path::Path;

/// An object that there is none of.
#[derive(Debug)]
pub enum Object {}

impl Object {
    pub fn open(url: &str, _: First) -> Result<Self> {
        Err(not_built(url, scheme_of(url).unwrap_or_default()))
    }

    pub fn identity(&self) -> FileIdentity {
        match *self {}
    }

    pub fn read_exact_at(&self, _: u64, _: &mut [u8]) -> Result<()> {
        match *self {}
    }

    pub fn read_ranges(&self, _: Vec<(u64, &mut [u8])>) -> Result<()> {
        match *self {}
    }

    pub fn check(&self) -> Result<()> {
        match *self {}
    }
}

/// How an object would be put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    Create,
    Replace,
}

/// A folder that cannot be looked into.
#[derive(Clone, Debug)]
pub struct Folder {
    url: String,
}

impl Folder {
    pub fn open(url: &str) -> Result<Self> {
        refuse(url).map(|()| Folder { url: url.to_string() })
    }

    pub fn child(&self, name: &str) -> Self {
        Folder { url: self.name(name) }
    }

    pub fn name(&self, key: &str) -> String {
        format!("{}/{key}", self.url)
    }

    pub fn open_all(&self, wanted: &[(String, First)]) -> Vec<Result<Option<Object>>> {
        wanted.iter().map(|_| refuse(&self.url).map(|()| None)).collect()
    }

    pub fn children(&self) -> Result<Vec<String>> {
        refuse(&self.url).map(|()| Vec::new())
    }

    pub fn names(&self) -> Result<Vec<String>> {
        refuse(&self.url).map(|()| Vec::new())
    }

    pub fn look(&self, _: &str, _: usize) -> Option<Vec<(String, u64, String)>> {
        None
    }

    pub fn put(&self, _: &str, _: &[u8], _: Put) -> Result<bool> {
        refuse(&self.url).map(|()| false)
    }

    pub fn text(&self, _: &str) -> Result<Option<Vec<u8>>> {
        refuse(&self.url).map(|()| None)
    }

    pub fn upload(&self, _: &str, _: &Path, _: Put) -> Result<bool> {
        refuse(&self.url).map(|()| false)
    }

    pub fn has(&self, _: &str) -> Result<bool> {
        refuse(&self.url).map(|()| false)
    }

    pub fn remove(&self, _: &str) -> Result<()> {
        refuse(&self.url)
    }

    pub fn remove_all_but(&self, _: &str) -> Result<()> {
        refuse(&self.url)
    }
}

fn refuse(url: &str) -> Result<()> {
    Err(not_built(url, scheme_of(url).unwrap_or_default()))
}
