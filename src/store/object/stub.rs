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

/// A folder that there is none of.
#[derive(Clone, Debug)]
pub enum Folder {}

impl Folder {
    pub fn open(url: &str) -> Result<Self> {
        Err(not_built(url, scheme_of(url).unwrap_or_default()))
    }

    pub fn child(&self, _: &str) -> Self {
        match *self {}
    }

    pub fn name(&self, _: &str) -> String {
        match *self {}
    }

    pub fn open_all(&self, _: &[(String, First)]) -> Vec<Result<Option<Object>>> {
        match *self {}
    }

    pub fn children(&self) -> Result<Vec<String>> {
        match *self {}
    }

    pub fn look(&self, _: &str, _: usize) -> Option<Vec<(String, u64, String)>> {
        match *self {}
    }

    pub fn put(&self, _: &str, _: &[u8], _: Put) -> Result<bool> {
        match *self {}
    }

    pub fn text(&self, _: &str) -> Result<Option<Vec<u8>>> {
        match *self {}
    }

    pub fn upload(&self, _: &str, _: &Path, _: Put) -> Result<bool> {
        match *self {}
    }

    pub fn has(&self, _: &str) -> Result<bool> {
        match *self {}
    }

    pub fn remove(&self, _: &str) -> Result<()> {
        match *self {}
    }

    pub fn remove_all_but(&self, _: &str) -> Result<()> {
        match *self {}
    }
}
