//! [`Array::digest`]: one hash of what an array holds, whatever holds it.

use super::{blocks::Rows, node::Array, session::Session, size::show_memory, words::DType};
use crate::{
    error::{Error, Result},
    plan::Output,
};
use std::{fmt, path::Path};

/// Bytes of a segment: each is hashed on its own, so that segments of other stores can be hashed side by side.
const SEGMENT_BYTES: usize = 1 << 20;
/// Bytes of a block that is waited for.
const BLOCK_BYTES: usize = 8 << 20;
/// The least of them.
const BLOCK_BYTES_MIN: usize = 4 << 10;
/// The budget is divided by this for a block.
const BLOCKS_SHARE: u64 = 64;

/// BLAKE3 of dtype, shape and values in C order.
///
/// Equal for equal values in `.npy` and raw files, in any byte order, any order of axes in the file and any chunks. Values are
/// compared bit by bit: `-0.0` is not `0.0`, and a NaN has its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The 32 bytes of the hash.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Array {
    /// Hash of dtype, shape and values: computes the array once, block by block, within the session's budget.
    ///
    /// The hash is BLAKE3 of the text `outcore digest 1 <dtype> <shape>` and of the BLAKE3 hashes of every MiB of the
    /// elements, little-endian, in C order.
    ///
    /// ```
    /// let x = outcore::Session::default_session().arange(0, 10, 1);
    /// assert_eq!(x.digest()?, (x.clone() + 0).digest()?);
    /// assert_ne!(x.digest()?, x.reshape([2, 5]).digest()?);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of computing the array.
    pub fn digest(&self) -> Result<Digest> {
        let (shape, dtype) = (self.shape()?, self.dtype()?);
        let mut hashed = Segments::default();
        let shown: Vec<String> = shape.iter().map(ToString::to_string).collect();
        hashed.outer.update(format!("outcore digest 1 {} {}\n", dtype.name(), shown.join(",")).as_bytes());
        let count: usize = shape.iter().product();
        let row_bytes = count / shape.first().copied().unwrap_or(1).max(1) * dtype.size();
        // Several blocks are on their way at a time. Which ones there are changes no digest.
        let share = usize::try_from(self.session().limits().memory_bytes / BLOCKS_SHARE).unwrap_or(usize::MAX);
        let block_bytes = share.clamp(BLOCK_BYTES_MIN, BLOCK_BYTES);
        // Long rows are cut, too, if that is a view; C order stays.
        let (rows, per_block) = if row_bytes > block_bytes || shape.is_empty() {
            (self.ravel(), block_bytes / dtype.size())
        } else {
            (self.clone(), block_bytes / row_bytes.max(1))
        };
        if count > 0 {
            for block in rows.blocks(Rows(per_block.clamp(1, count))) {
                let block = block.map_err(without_rows)?.into_array();
                if cfg!(target_endian = "big") {
                    return Err(Error::usage("digests are not made on big-endian machines yet"));
                }
                hashed.add(block.bytes());
            }
        }
        Ok(Digest(hashed.finish()))
    }
}

/// Blocks are chosen here: who asks for a digest can give memory alone.
fn without_rows(error: Error) -> Error {
    match error.needed_bytes() {
        // A part of what is given goes to blocks: five sixty-fourths.
        Some(needed) => {
            let enough = needed.saturating_add(needed / 8);
            error.hint(format!("--memory {enough} ({}) works", show_memory(enough))).with_needed_bytes(enough)
        }
        None => error,
    }
}

/// Path and digest of every output that went to a file, as they lie in the files.
pub(super) fn of_files(session: &Session, paths: &[Option<&Path>], outputs: &[Output]) -> Result<Vec<(String, String)>> {
    let written = paths.iter().zip(outputs).filter_map(|(path, output)| Some((path.as_ref()?, output)));
    let digest = |(path, output): (&&Path, &Output)| {
        let shown = path.display().to_string();
        let end = path.extension().map(std::ffi::OsStr::to_string_lossy).unwrap_or_default();
        // What a file does not say of itself.
        let query = match &*end {
            "npy" if output.dtype == DType::BF16 => "?dtype=bf16".to_string(),
            "bin" | "raw" => format!("?dtype={}", output.dtype.name()),
            _ => String::new(),
        };
        let array = session.open(format!("{shown}{query}"));
        let lengths: Vec<i64> = output.shape.iter().map(|&length| length as i64).collect();
        let array = if array.shape()? == output.shape { array } else { array.reshape(lengths) };
        let digest = array.digest().map_err(|error| error.context(format!("the digest of {shown}, which is written")))?;
        Ok((shown, digest.to_string()))
    };
    written.map(digest).collect()
}

/// A stream of bytes, hashed in segments.
#[derive(Default)]
struct Segments {
    outer: blake3::Hasher,
    inner: blake3::Hasher,
    inside: usize,
}

impl Segments {
    fn add(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(SEGMENT_BYTES - self.inside));
            self.inner.update(part);
            self.inside += part.len();
            bytes = rest;
            if self.inside == SEGMENT_BYTES {
                self.end_segment();
            }
        }
    }

    fn end_segment(&mut self) {
        self.outer.update(self.inner.finalize().as_bytes());
        self.inner.reset();
        self.inside = 0;
    }

    fn finish(mut self) -> [u8; 32] {
        if self.inside > 0 {
            self.end_segment();
        }
        *self.outer.finalize().as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Random, Session};

    #[test]
    fn cuts_and_views_do_not_show() {
        let array = Random::new(3).normal::<f32>([1000, 301], 0.0, 1.0);
        let with = |threads, block| Session::builder().threads(threads).block_bytes(block).build().expect("a session");
        let whole = with(1, 1 << 20).adopt(array.clone()).digest().expect("a digest");
        assert_eq!(with(2, 4096).adopt(array.clone()).digest().expect("a digest"), whole);
        let turned = with(1, 1 << 20).from_ndarray(array.t().eval::<f32, ndarray::Ix2>().expect("values"));
        assert_eq!(turned.t().digest().expect("a digest"), whole);
        assert_ne!(turned.digest().expect("a digest"), whole);
        assert_ne!((array.clone() * -1.0).digest().expect("a digest"), whole);
        assert_eq!(whole.to_string().len(), 64);
    }

    #[test]
    fn nothing_and_one_number_have_digests() {
        let session = Session::default_session();
        let empty = |shape: &[usize]| session.zeros::<f64>(shape).digest().expect("a digest");
        assert_ne!(empty(&[0, 3]), empty(&[3, 0]));
        assert_ne!(empty(&[]), empty(&[1]));
    }
}
