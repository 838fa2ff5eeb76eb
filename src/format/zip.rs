//! The directory of a zip archive: which members there are and where their bytes lie.
//!
//! Source: PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.3 (zip64). What is read is what archives of arrays need: no encryption, one disk.

use crate::error::{Error, Result};

/// The longest tail of a file in which the end of the directory can lie: its record and a comment.
pub const TAIL_BYTES: u64 = 22 + 65_535 + LOCATOR_BYTES as u64;
/// Bytes of a member's own header, before its name.
pub const LOCAL_BYTES: usize = 30;
const LOCATOR_BYTES: usize = 20;
const END_SIGNATURE: &[u8] = b"PK\x05\x06";
const LOCATOR_SIGNATURE: &[u8] = b"PK\x06\x07";
const END64_SIGNATURE: &[u8] = b"PK\x06\x06";
const ENTRY_SIGNATURE: &[u8] = b"PK\x01\x02";
const LOCAL_SIGNATURE: &[u8] = b"PK\x03\x04";
/// Bytes of the record that the locator points to.
pub const END64_BYTES: usize = 56;

/// Where the directory lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directory {
    /// First byte, from the start of the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// Members.
    pub members: u64,
}

/// What the tail of a file says of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// It lies here.
    Directory(Directory),
    /// A record of [`END64_BYTES`] at this place says where.
    RecordAt(u64),
}

/// How a member is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// As it is.
    Stored,
    /// Deflated.
    Deflated,
    /// Another way, by its number.
    Other(u16),
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Name, with `/` between folders.
    pub name: String,
    /// How it is stored.
    pub method: Method,
    /// Bytes that it takes in the archive.
    pub stored_bytes: u64,
    /// Bytes of its content.
    pub content_bytes: u64,
    /// CRC-32 of its content.
    pub crc32: u32,
    /// Place of its own header.
    pub header_offset: u64,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

fn damaged(what: &str) -> Error {
    Error::data(format!("the zip archive is damaged: {what}"))
}

/// Finds the directory in the last bytes of a file of `file_bytes`.
pub fn parse_tail(tail: &[u8], file_bytes: u64) -> Result<Tail> {
    let tail_start = file_bytes.saturating_sub(tail.len() as u64);
    // The last record whose comment ends with the file; a comment could hold the signature itself.
    let end = (0..tail.len().saturating_sub(21)).rev().find(|&at| {
        tail[at..].starts_with(END_SIGNATURE) && u16_at(tail, at + 20).is_some_and(|comment| at + 22 + comment as usize == tail.len())
    });
    let Some(end) = end else {
        return Err(Error::data("no zip directory is found at its end").hint("the file is truncated, or no zip archive"));
    };
    if let Some(locator) = end.checked_sub(LOCATOR_BYTES).filter(|&at| tail[at..].starts_with(LOCATOR_SIGNATURE)) {
        let place = u64_at(tail, locator + 8).ok_or_else(|| damaged("its locator is cut off"))?;
        if place.checked_add(END64_BYTES as u64).is_none_or(|end| end > file_bytes) {
            return Err(damaged("its zip64 record lies outside of the file"));
        }
        return Ok(Tail::RecordAt(place));
    }
    let field = |at: usize| u32_at(tail, end + at).unwrap_or_default();
    let directory = Directory {
        members: u64::from(u16_at(tail, end + 10).unwrap_or_default()),
        length: u64::from(field(12)),
        offset: u64::from(field(16)),
    };
    check(directory, tail_start + end as u64).map(Tail::Directory)
}

/// The directory, from the zip64 record at `place`.
pub fn parse_record(record: &[u8], place: u64) -> Result<Directory> {
    if !record.starts_with(END64_SIGNATURE) || record.len() < END64_BYTES {
        return Err(damaged("its zip64 record is missing"));
    }
    let field = |at: usize| u64_at(record, at).unwrap_or_default();
    check(Directory { members: field(32), length: field(40), offset: field(48) }, place)
}

/// A directory lies before the record that names it, and every member takes 46 bytes of it at least.
fn check(directory: Directory, before: u64) -> Result<Directory> {
    let fits = directory.offset.checked_add(directory.length).is_some_and(|end| end <= before);
    if !fits || directory.members.checked_mul(46).is_none_or(|bytes| bytes > directory.length) {
        return Err(damaged("its directory does not lie where it should"));
    }
    Ok(directory)
}

/// The members, from the bytes of the directory.
pub fn parse_directory(mut bytes: &[u8], directory: Directory) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    for _ in 0..directory.members {
        let (member, length) = entry(bytes).ok_or_else(|| damaged("an entry of its directory is cut off"))??;
        if member.header_offset.checked_add(member.stored_bytes).is_none_or(|end| end > directory.offset) {
            return Err(damaged(&format!("member `{}` lies outside of it", member.name)));
        }
        members.push(member);
        bytes = &bytes[length..];
    }
    Ok(members)
}

/// One entry and its bytes.
fn entry(bytes: &[u8]) -> Option<Result<(Member, usize)>> {
    if !bytes.starts_with(ENTRY_SIGNATURE) {
        return Some(Err(damaged("an entry of its directory has another signature")));
    }
    let [name_bytes, extra_bytes, comment_bytes] = [28, 30, 32].map(|at| u16_at(bytes, at).map(usize::from));
    let (name_bytes, extra_bytes) = (name_bytes?, extra_bytes?);
    let length = 46 + name_bytes + extra_bytes + comment_bytes?;
    let name = String::from_utf8_lossy(bytes.get(46..46 + name_bytes)?).into_owned();
    let extra = bytes.get(46 + name_bytes..46 + name_bytes + extra_bytes)?;
    bytes.get(..length)?;
    if u16_at(bytes, 8)? & 1 != 0 {
        return Some(Err(Error::data(format!("member `{name}` is encrypted")).hint("extract it first")));
    }
    let narrow = [u32_at(bytes, 24)?, u32_at(bytes, 20)?, u32_at(bytes, 42)?];
    let [content_bytes, stored_bytes, header_offset] = widened(narrow, extra)?;
    let method = match u16_at(bytes, 10)? {
        0 => Method::Stored,
        8 => Method::Deflated,
        other => Method::Other(other),
    };
    if method == Method::Stored && content_bytes != stored_bytes {
        return Some(Err(damaged(&format!("member `{name}` is stored as {stored_bytes} bytes and should have {content_bytes}"))));
    }
    Some(Ok((Member { name, method, stored_bytes, content_bytes, crc32: u32_at(bytes, 16)?, header_offset }, length)))
}

/// Numbers that do not fit 32 bits stand in the extra field, in this order.
fn widened(narrow: [u32; 3], mut extra: &[u8]) -> Option<[u64; 3]> {
    let mut wide = narrow.map(u64::from);
    if !narrow.contains(&u32::MAX) {
        return Some(wide);
    }
    while extra.len() >= 4 {
        let (id, length) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
        let field = extra.get(4..4 + length)?;
        if id == 1 {
            let mut at = 0;
            for (wide, narrow) in wide.iter_mut().zip(narrow) {
                if narrow == u32::MAX {
                    *wide = u64_at(field, at)?;
                    at += 8;
                }
            }
            return Some(wide);
        }
        extra = &extra[4 + length..];
    }
    Some(wide)
}

/// Place of a member's content, from the first [`LOCAL_BYTES`] at its header.
pub fn content_offset(member: &Member, local: &[u8]) -> Result<u64> {
    let lengths = u16_at(local, 26).zip(u16_at(local, 28)).filter(|_| local.starts_with(LOCAL_SIGNATURE));
    let (name, extra) = lengths.ok_or_else(|| damaged(&format!("member `{}` has no header of its own", member.name)))?;
    Ok(member.header_offset + LOCAL_BYTES as u64 + u64::from(name) + u64::from(extra))
}
