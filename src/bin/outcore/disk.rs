//! Disks and what stands in for them: kinds of file systems, how fast one writes and reads, and files out of the page cache.

use crate::signals;
use outcore::{Error, Result};
use std::{
    fs::{self, File},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Bytes of one read or write.
const PIECE_BYTES: usize = 8 << 20;

/// Where the bytes of a file system lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// On a device of this machine, or on what looks like one.
    Disk,
    /// In memory: files take what the budget does not count.
    Memory,
    /// On another machine.
    Network,
    /// A program or another file system answers; where the bytes lie is not known.
    Through,
}

/// Magic numbers of file systems (statfs(2), `linux/magic.h`).
const KINDS: [(u64, &str, Medium); 31] = [
    (0xef53, "ext4", Medium::Disk),
    (0x5846_5342, "xfs", Medium::Disk),
    (0x9123_683e, "btrfs", Medium::Disk),
    (0x2fc1_2fc1, "zfs", Medium::Disk),
    (0xf2f5_2010, "f2fs", Medium::Disk),
    (0xca45_1a4e, "bcachefs", Medium::Disk),
    (0x5265_4973, "reiserfs", Medium::Disk),
    (0x3153_464a, "jfs", Medium::Disk),
    (0x4d44, "vfat", Medium::Disk),
    (0x2011_bab0, "exfat", Medium::Disk),
    (0x5346_544e, "ntfs", Medium::Disk),
    (0x7366_746e, "ntfs3", Medium::Disk),
    (0x7371_7368, "squashfs", Medium::Disk),
    (0xe0f5_e1e2, "erofs", Medium::Disk),
    (0x0102_1994, "tmpfs", Medium::Memory),
    (0x8584_58f6, "ramfs", Medium::Memory),
    (0x9584_58f6, "hugetlbfs", Medium::Memory),
    (0x6969, "nfs", Medium::Network),
    (0xff53_4d42, "cifs", Medium::Network),
    (0xfe53_4d42, "smb2", Medium::Network),
    (0x517b, "smb", Medium::Network),
    (0x00c3_6400, "ceph", Medium::Network),
    (0x0bd0_0bd0, "lustre", Medium::Network),
    (0x4750_4653, "gpfs", Medium::Network),
    (0x1983_0326, "beegfs", Medium::Network),
    (0x5346_414f, "afs", Medium::Network),
    (0x0116_1970, "gfs2", Medium::Network),
    (0x7461_636f, "ocfs2", Medium::Network),
    (0x0102_1997, "9p", Medium::Network),
    (0x6573_5546, "fuse", Medium::Through),
    (0x794c_7630, "overlay", Medium::Through),
];

/// What a file system says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Its kind: `ext4`, `nfs`, or its number where that is not known.
    pub kind: String,
    /// Where its bytes lie.
    pub medium: Medium,
    /// What whoever runs this may still write.
    pub free_bytes: u64,
    /// What it holds in all.
    pub total_bytes: u64,
}

/// Bytes per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Written and on the medium.
    pub write: f64,
    /// Read after the page cache was dropped.
    pub read: f64,
}

/// The kind that has this number.
pub fn kind(magic: u64) -> (String, Medium) {
    match KINDS.iter().find(|(known, ..)| *known == magic & 0xffff_ffff) {
        Some((_, name, medium)) => ((*name).to_string(), *medium),
        None => (format!("0x{:x}", magic & 0xffff_ffff), Medium::Through),
    }
}

/// The file system of `path`.
pub fn file_system(path: &Path) -> Result<FileSystem> {
    let failed = |error: rustix::io::Errno| Error::io("look at", path.display(), error.into());
    let (found, room) = (rustix::fs::statfs(path).map_err(failed)?, rustix::fs::statvfs(path).map_err(failed)?);
    #[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, reason = "the type of the field differs between platforms")]
    let (kind, medium) = kind(found.f_type as u64);
    let bytes = |blocks: u64| blocks.saturating_mul(room.f_frsize);
    Ok(FileSystem { kind, medium, free_bytes: bytes(room.f_bavail), total_bytes: bytes(room.f_blocks) })
}

/// Refuses a folder that lies in memory: its files would be measured as memory, and take it.
pub fn refuse_memory(folder: &Path) -> Result<()> {
    let FileSystem { kind, medium, .. } = file_system(folder)?;
    if medium == Medium::Memory {
        return Err(Error::usage(format!("{} lies in memory ({kind})", folder.display())).hint("--dir with a folder on a disk"));
    }
    Ok(())
}

/// A folder to put files into that belong to `path`: itself, if it is a folder that is no Zarr store, else the nearest such folder above.
pub fn folder_of(path: &Path) -> PathBuf {
    const PARTS_OF_STORES: [&str; 4] = ["zarr.json", ".zgroup", ".zarray", ".zattrs"];
    let is_plain = |folder: &Path| folder.is_dir() && !PARTS_OF_STORES.iter().any(|name| folder.join(name).exists());
    if is_plain(path) {
        return path.to_path_buf();
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    absolute.ancestors().skip(1).find(|folder| is_plain(folder)).map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Bytes that do not compress, so that a file system that compresses does the work too.
fn noise() -> Vec<u8> {
    (0..PIECE_BYTES as u64 / 8).flat_map(|k| k.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect()
}

/// Seconds to write `bytes` and have them on the medium. The file is removed.
pub fn write_seconds(path: &Path, bytes: u64) -> Result<f64> {
    let failed = |error| Error::io("write", path.display(), error);
    let block = noise();
    let started = Instant::now();
    let mut file = File::create_new(path).map_err(failed)?;
    let mut left = bytes;
    while left > 0 {
        signals::check()?;
        let now = usize::try_from(left).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        file.write_all(&block[..now]).map_err(failed)?;
        left -= now as u64;
    }
    file.sync_all().map_err(failed)?;
    let seconds = started.elapsed().as_secs_f64();
    fs::remove_file(path).map_err(|error| Error::io("remove", path.display(), error))?;
    Ok(seconds)
}

/// Writes up to `bytes_max` into a file without a name in `folder`, for up to `patience`, and reads them again from the medium. Whatever
/// ends the program ends the file.
#[allow(clippy::cast_precision_loss, reason = "rates")]
pub fn rates(folder: &Path, bytes_max: u64, patience: Duration) -> Result<Rates> {
    let failed = |what: &'static str| move |error| Error::io(what, format!("a temporary file in {}", folder.display()), error);
    let mut file = tempfile::tempfile_in(folder).map_err(failed("create"))?;
    let mut piece = noise();
    let started = Instant::now();
    let mut written = 0;
    while written < bytes_max && started.elapsed() < patience {
        signals::check()?;
        file.write_all(&piece).map_err(failed("write"))?;
        written += piece.len() as u64;
    }
    file.sync_all().map_err(failed("sync"))?;
    let write = written as f64 / started.elapsed().as_secs_f64().max(1e-9);
    let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    file.rewind().map_err(failed("read"))?;
    let (started, mut read) = (Instant::now(), 0);
    while started.elapsed() < patience {
        signals::check()?;
        match file.read(&mut piece).map_err(failed("read"))? {
            0 => break,
            now => read += now as u64,
        }
    }
    Ok(Rates { write, read: read as f64 / started.elapsed().as_secs_f64().max(1e-9) })
}

/// Drops what the page cache holds of a file, or of every file in a folder. What is not on the medium yet is written first.
pub fn evict(path: &Path) -> Result<()> {
    let failed = |error| Error::io("read", path.display(), error);
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(failed)? {
            evict(&entry.map_err(failed)?.path())?;
        }
        return Ok(());
    }
    let file = File::open(path).map_err(failed)?;
    // Pages that are still to be written stay whatever is advised.
    let _ = file.sync_data();
    let advised = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    advised.map_err(|error| Error::io("drop the pages of", path.display(), error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_their_numbers() {
        let cases = [(0xef53, "ext4", Medium::Disk), (0x6969, "nfs", Medium::Network), (0x0102_1994, "tmpfs", Medium::Memory)];
        for (magic, name, medium) in cases {
            assert_eq!(kind(magic), (name.to_string(), medium));
        }
        // A 64-bit field may carry the sign of a 32-bit one.
        assert_eq!(kind(0xffff_ffff_9123_683e).0, "btrfs");
        assert_eq!(kind(0x1234), ("0x1234".to_string(), Medium::Through));
        let numbers: std::collections::BTreeSet<u64> = KINDS.iter().map(|(number, ..)| *number).collect();
        assert_eq!(numbers.len(), KINDS.len());
    }

    #[test]
    fn no_folder_of_a_store_is_written_to() {
        let root = tempfile::tempdir().unwrap();
        let store = root.path().join("x.zarr");
        fs::create_dir_all(store.join("group/array")).unwrap();
        for part in ["zarr.json", "group/.zgroup", "group/array/.zarray"] {
            fs::write(store.join(part), "{}").unwrap();
        }
        for path in ["x.zarr", "x.zarr/group", "x.zarr/group/array", "x.zarr/group/new", "y.npy", "no/y.npy", ""] {
            assert_eq!(folder_of(&root.path().join(path)), root.path().join(""), "{path}");
        }
        assert_eq!(folder_of(Path::new(".")), Path::new("."));
    }

    #[test]
    fn what_is_measured_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let Rates { write, read } = rates(folder.path(), 1 << 20, Duration::from_secs(5)).unwrap();
        assert!(write > 0.0 && read > 0.0);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(folder.path().join("a"), [1; 10]).unwrap();
        fs::create_dir(folder.path().join("b")).unwrap();
        fs::write(folder.path().join("b/c"), [1; 7]).unwrap();
        evict(folder.path()).unwrap();
    }
}
