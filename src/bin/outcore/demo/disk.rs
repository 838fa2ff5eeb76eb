//! How fast this disk writes, and whether it is one.

use crate::signals;
use outcore::{Error, Result};
use std::{fs::File, io::Write, path::Path, time::Instant};

/// `TMPFS_MAGIC` of Linux: files in memory.
const TMPFS: i64 = 0x0102_1994;
/// Bytes of one write.
const WRITE_BYTES: usize = 8 << 20;

/// Refuses a folder that lies in memory: its files would be measured as memory, and take it.
pub fn refuse_memory(folder: &Path) -> Result<()> {
    let found = rustix::fs::statfs(folder).map_err(|error| Error::io("look at", folder.display(), error.into()))?;
    #[allow(clippy::unnecessary_cast, reason = "the type of the field differs between platforms")]
    if found.f_type as i64 == TMPFS {
        return Err(Error::usage(format!("{} lies in memory (tmpfs)", folder.display())).hint("--dir with a folder on a disk"));
    }
    Ok(())
}

/// Seconds to write `bytes` and have them on the medium. The file is removed.
pub fn write_seconds(path: &Path, bytes: u64) -> Result<f64> {
    let failed = |error| Error::io("write", path.display(), error);
    // Not compressible, so that a file system that compresses does the work too.
    let block: Vec<u8> = (0..WRITE_BYTES as u64 / 8).flat_map(|k| k.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect();
    let started = Instant::now();
    let mut file = File::create_new(path).map_err(failed)?;
    let mut left = bytes;
    while left > 0 {
        signals::check()?;
        let now = usize::try_from(left).unwrap_or(WRITE_BYTES).min(WRITE_BYTES);
        file.write_all(&block[..now]).map_err(failed)?;
        left -= now as u64;
    }
    file.sync_all().map_err(failed)?;
    let seconds = started.elapsed().as_secs_f64();
    std::fs::remove_file(path).map_err(|error| Error::io("remove", path.display(), error))?;
    Ok(seconds)
}
