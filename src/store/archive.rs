//! The members of a zip archive that lies in a file.

use crate::{
    error::{Error, Result},
    format::zip::{self, Member, Tail},
    store::file::InputFile,
};

/// The longest directory of an archive that is read: some million members.
const DIRECTORY_BYTES_MAX: u64 = 512 << 20;
/// Bytes that are read at once for a checksum.
const PIECE_BYTES: u64 = 256 << 10;

/// The members of the archive, in the order of its directory.
pub(super) fn members_of(file: &InputFile) -> Result<Vec<Member>> {
    let in_file = |error: Error| error.context(file.name());
    let size_bytes = file.identity().size_bytes;
    let mut tail = vec![0; zip::TAIL_BYTES.min(size_bytes) as usize];
    file.read_exact_at(size_bytes - tail.len() as u64, &mut tail)?;
    let directory = match zip::parse_tail(&tail, size_bytes).map_err(in_file)? {
        Tail::Directory(directory) => directory,
        Tail::RecordAt(place) => {
            let mut record = [0; zip::END64_BYTES];
            file.read_exact_at(place, &mut record)?;
            zip::parse_record(&record, place).map_err(in_file)?
        }
    };
    if directory.length > DIRECTORY_BYTES_MAX {
        return Err(Error::data(format!("{}: a directory of {} bytes is more than is read", file.name(), directory.length)));
    }
    let mut bytes = vec![0; directory.length as usize];
    file.read_exact_at(directory.offset, &mut bytes)?;
    zip::parse_directory(&bytes, directory).map_err(in_file)
}

/// An error if the content of a member that is stored as it is, from `start` on, has not the checksum of the directory.
pub(super) fn check_crc(file: &InputFile, member: &Member, start: u64, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
    let mut crc = flate2::Crc::new();
    let mut piece = vec![0; PIECE_BYTES.min(member.content_bytes) as usize];
    let mut done = 0;
    while done < member.content_bytes {
        go_on()?;
        piece.truncate((member.content_bytes - done).min(PIECE_BYTES) as usize);
        file.read_exact_at(start + done, &mut piece)?;
        crc.update(&piece);
        done += piece.len() as u64;
    }
    if crc.sum() == member.crc32 {
        return Ok(());
    }
    let text = format!(
        "{}: the member {} is corrupt: its CRC-32 is {:08x}, the archive says {:08x}",
        file.name(),
        member.name,
        crc.sum(),
        member.crc32
    );
    Err(Error::data(text).hint("the file was damaged after it was written: take another copy"))
}

/// Where the content of a member begins in the file.
pub(super) fn content_of(file: &InputFile, member: &Member) -> Result<u64> {
    let mut local = [0; zip::LOCAL_BYTES];
    file.read_exact_at(member.header_offset, &mut local)?;
    let start = zip::content_offset(member, &local).map_err(|error| error.context(file.name()))?;
    match start.checked_add(member.stored_bytes) {
        Some(end) if end <= file.identity().size_bytes => Ok(start),
        _ => Err(Error::data(format!("{}: the member {} leads out of the archive", file.name(), member.name))),
    }
}
