//! State files on disk: read as a whole, replaced in one step.

use super::{
    file::InputFile,
    output::{OutputFile, OutputMode},
};
use crate::error::{Error, ErrorKind, Result};
use std::path::Path;

pub use crate::format::state::{StateFile, StateInput, StateSegment};

/// Larger files are no state files: states of a million outputs of a thousand segments would take less.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Reads a state file; `None` if there is none.
pub fn read_states(path: &Path) -> Result<Option<StateFile>> {
    let file = match InputFile::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let bytes = file.identity().size_bytes;
    if bytes > FILE_BYTES_MAX {
        return Err(Error::data(format!("{} is not a state file: it has {bytes} bytes", path.display())));
    }
    let bytes = file.read_prefix(usize::try_from(bytes).unwrap_or(usize::MAX))?;
    StateFile::decode(&bytes).map(Some).map_err(|error| error.context(path.display()))
}

/// Writes a state file. One that is there stays until the new one is complete and durable.
pub fn write_states(path: &Path, file: &StateFile) -> Result<()> {
    let bytes = file.encode();
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Error::refused(format!(
            "the states for {} take {} bytes, at most {FILE_BYTES_MAX} are kept",
            path.display(),
            bytes.len()
        ))
        .hint("keep fewer outputs, or one state file for some of the inputs each"));
    }
    let output = OutputFile::create(path, bytes.len() as u64, OutputMode::Overwrite)?;
    output.write_at(0, &bytes)?;
    output.sync()?;
    output.publish()
}
