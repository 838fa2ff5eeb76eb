//! npy files that become objects: written on this machine, and put as a whole when they are published.

use crate::{
    error::{Error, Result},
    nd::{DType, Region},
    store::{
        Target, npy,
        object::{self, Folder, Put},
        output::{FileTarget, OutputMode, appeared, exists},
    },
};
use std::path::PathBuf;

/// An npy file whose place is an object.
pub(super) struct SentFile {
    inner: FileTarget,
    path: PathBuf,
    url: String,
    folder: Folder,
    key: String,
    mode: OutputMode,
    /// Where it is written; dropped last.
    _staging: tempfile::TempDir,
}

/// Starts an npy file at an address.
pub(super) fn create_npy(url: &str, dtype: DType, shape: &[usize], mode: OutputMode) -> Result<SentFile> {
    let (folder, key) = object::split_last(url)?;
    let folder = Folder::open(folder)?;
    if mode == OutputMode::CreateNew && folder.has(key)? {
        return Err(exists(url));
    }
    let staging = tempfile::Builder::new().prefix("outcore-").tempdir();
    let staging = staging.map_err(|error| Error::io("make a folder for", url, error))?;
    let path = staging.path().join("x.npy");
    let inner = npy::create(&path, dtype, shape, OutputMode::CreateNew)?;
    Ok(SentFile { inner, path, url: url.to_string(), folder, key: key.to_string(), mode, _staging: staging })
}

impl Target for SentFile {
    fn shape(&self) -> &[usize] {
        self.inner.shape()
    }

    fn dtype(&self) -> DType {
        self.inner.dtype()
    }

    fn name(&self) -> String {
        self.url.clone()
    }

    fn write(&self, region: &Region, bytes: &[u8]) -> Result<()> {
        self.inner.write(region, bytes)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn publish(&self) -> Result<()> {
        self.inner.publish()?;
        let put = if self.mode == OutputMode::Overwrite { Put::Replace } else { Put::Create };
        if self.folder.upload(&self.key, &self.path, put)? {
            return Ok(());
        }
        Err(appeared(&self.url))
    }
}
