//! Chunks and shards of an array: what is asked for, checked, and what is good where nothing is.

use super::options::{BoxShape, ZarrOptions, ZarrVersion};
use crate::{
    error::{Error, Result},
    nd::{DType, Region, shape::show},
};

/// Chunks take about this much: enough for compressors and disks, little beside a cache.
const CHUNK_BYTES: usize = 1 << 20;
/// Shards take about this much: few files, each of them written in one go.
const SHARD_BYTES: usize = 64 << 20;

/// Boxes of an array that is written: chunks, and the files they lie in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The array.
    pub shape: Vec<usize>,
    /// The box that is encoded as one.
    pub chunk: Vec<usize>,
    /// The box that a file holds, where it is more than a chunk.
    pub shard: Option<Vec<usize>>,
}

impl Layout {
    /// The layout that `options` ask for.
    pub fn new(name: &str, shape: &[usize], dtype: DType, version: ZarrVersion, options: &ZarrOptions) -> Result<Self> {
        let item = dtype.size();
        let chunk = match &options.chunks {
            Some(BoxShape::Lengths(lengths)) => resolve(name, "chunks", lengths, shape)?,
            _ => grow(&vec![1; shape.len()], shape, CHUNK_BYTES / item),
        };
        let chunk_bytes = bytes_of(name, &chunk, item)?;
        options.codec.unwrap_or_default().check(chunk_bytes, version)?;
        let shard = match &options.shards {
            Some(BoxShape::Lengths(_)) if version == ZarrVersion::V2 => {
                return Err(Error::usage(format!("{name}: version 2 of Zarr has no shards")).hint("version 3, or leave the shards out"));
            }
            Some(BoxShape::Lengths(lengths)) => {
                let shard = resolve(name, "shards", lengths, shape)?;
                Some(whole_chunks(name, shard, &chunk, matches!(options.chunks, Some(BoxShape::Lengths(_))))?)
            }
            Some(BoxShape::None) => None,
            Some(BoxShape::Auto) | None if version == ZarrVersion::V2 => None,
            Some(BoxShape::Auto) | None => Some(grow(&chunk, shape, SHARD_BYTES / item)),
        };
        if let Some(shard) = &shard {
            bytes_of(name, shard, item)?;
        }
        let shard = shard.filter(|shard| *shard != chunk);
        Ok(Layout { shape: shape.to_vec(), chunk, shard })
    }

    /// The box of a file.
    pub fn file(&self) -> &[usize] {
        self.shard.as_ref().unwrap_or(&self.chunk)
    }

    /// Chunks along every axis of a shard.
    pub fn chunks_per_file(&self) -> Vec<usize> {
        self.file().iter().zip(&self.chunk).map(|(file, chunk)| file / chunk).collect()
    }

    /// Chunks of file `place` that hold elements of the array, along every axis.
    pub fn chunks_in_file(&self, place: &[usize]) -> Vec<usize> {
        let of_axis = |axis: usize| {
            let start = place[axis] * self.file()[axis];
            self.shape[axis].saturating_sub(start).min(self.file()[axis]).div_ceil(self.chunk[axis])
        };
        (0..place.len()).map(of_axis).collect()
    }

    /// The part of the array that chunk `place` holds.
    pub fn region_of_chunk(&self, place: &[usize]) -> Region {
        let start: Vec<usize> = place.iter().zip(&self.chunk).map(|(place, chunk)| place * chunk).collect();
        let lengths: Vec<usize> = (0..place.len()).map(|axis| self.chunk[axis].min(self.shape[axis] - start[axis])).collect();
        Region::new(start, lengths)
    }

    /// The box of chunks (in units of chunks) that a box of the array is made of; `None` if it cuts one.
    pub fn chunks_of(&self, region: &Region) -> Option<Region> {
        let mut places = Region { start: Vec::new(), shape: Vec::new() };
        for axis in 0..self.shape.len() {
            let (start, end, chunk) = (region.start[axis], region.end(axis), self.chunk[axis]);
            if !start.is_multiple_of(chunk) || !(end.is_multiple_of(chunk) || end == self.shape[axis]) {
                return None;
            }
            places.start.push(start / chunk);
            places.shape.push(end.div_ceil(chunk) - start / chunk);
        }
        Some(places)
    }
}

/// Lengths as they are asked for, with whole axes filled in. An empty axis has chunks of one.
fn resolve(name: &str, what: &str, lengths: &[i64], shape: &[usize]) -> Result<Vec<usize>> {
    if lengths.len() != shape.len() {
        let text = format!("{name}: {what} {} have {} lengths, the array has shape {}", show(lengths), lengths.len(), show(shape));
        return Err(Error::usage(text).hint("a length for every axis; -1 is the whole axis"));
    }
    let length = |(&length, &whole): (&i64, &usize)| usize::try_from(length).unwrap_or(whole).max(1);
    Ok(lengths.iter().zip(shape).map(length).collect())
}

/// The index of a shard takes 16 bytes for each of its chunks, whether they are in the array or not.
const CHUNKS_OF_A_SHARD_MAX: usize = 1 << 22;

/// A shard of whole chunks: the whole of an axis is rounded up, a length that was given is not.
fn whole_chunks(name: &str, shard: Vec<usize>, chunk: &[usize], are_given: bool) -> Result<Vec<usize>> {
    for (axis, (&shard_length, &chunk_length)) in shard.iter().zip(chunk).enumerate() {
        if !shard_length.is_multiple_of(chunk_length) {
            let (shard, chunk) = (show(&shard), show(chunk));
            let origin = if are_given { "" } else { " (chosen, as none are given)" };
            return Err(Error::usage(format!(
                "{name}: shards of {shard} are not whole chunks of {chunk}{origin}: on axis {axis}, {chunk_length} does not divide {shard_length}"
            ))
            .hint("lengths of shards that are multiples of those of chunks"));
        }
    }
    let count = shard.iter().zip(chunk).fold(1, |count: usize, (shard, chunk)| count.saturating_mul(shard / chunk));
    if count > CHUNKS_OF_A_SHARD_MAX {
        let text =
            format!("{name}: shards of {} have {count} chunks of {}, up to {CHUNKS_OF_A_SHARD_MAX} are written", show(&shard), show(chunk));
        return Err(Error::usage(text).hint("smaller shards, or larger chunks: every reader holds the index of a shard, 16 bytes a chunk"));
    }
    Ok(shard)
}

fn bytes_of(name: &str, lengths: &[usize], item: usize) -> Result<usize> {
    let bytes = lengths.iter().try_fold(item, |bytes, &length| bytes.checked_mul(length));
    bytes.filter(|&bytes| isize::try_from(bytes).is_ok()).ok_or_else(|| {
        Error::usage(format!("{name}: a box of {} elements is larger than this machine can address", show(lengths))).hint("smaller chunks")
    })
}

/// `unit` made larger, whole inner axes first, up to about `elements`; along the last axis that grows by a power of two.
fn grow(unit: &[usize], shape: &[usize], elements: usize) -> Vec<usize> {
    let mut grown = unit.to_vec();
    let mut room = elements / unit.iter().product::<usize>().max(1);
    for axis in (0..unit.len()).rev() {
        let units = shape[axis].div_ceil(unit[axis]).max(1);
        if units > room {
            grown[axis] *= 1 << room.max(1).ilog2();
            break;
        }
        grown[axis] *= units;
        room /= units;
    }
    grown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(shape: &[usize], query: &str) -> Result<Layout> {
        let options = ZarrOptions::default().with_query("z.zarr", query)?;
        Layout::new("z.zarr", shape, DType::F32, options.version.unwrap_or(ZarrVersion::V3), &options)
    }

    #[test]
    fn boxes_are_about_a_megabyte_and_64() {
        for (shape, chunk, shard) in [
            (&[4_000_000, 768][..], &[256, 768][..], Some(&[16384, 768][..])),
            (&[100, 1_000_000], &[1, 1 << 18], Some(&[16, 1 << 20])),
            (&[10, 10], &[10, 10], None),
            (&[], &[], None),
            (&[0, 5], &[1, 5], None),
            (&[1 << 30], &[1 << 18], Some(&[1 << 24])),
            (&[5000, 128], &[2048, 128], Some(&[6144, 128])),
            (&[300, 300, 300], &[2, 300, 300], Some(&[128, 300, 300])),
        ] {
            let found = layout(shape, "").unwrap();
            assert_eq!((found.chunk.as_slice(), found.shard.as_deref()), (chunk, shard), "{shape:?}");
        }
        assert_eq!(layout(&[5000, 128], "version=2").unwrap().shard, None);
    }

    #[test]
    fn what_is_asked_for_is_checked() {
        let found = layout(&[1000, 128], "chunks=64,-1&shards=256,128").unwrap();
        assert_eq!((found.chunk, found.shard), (vec![64, 128], Some(vec![256, 128])));
        assert_eq!(layout(&[1000, 128], "chunks=64,128&shards=64,128").unwrap().shard, None);
        assert_eq!(layout(&[1000, 128], "chunks=64,128&shards=none").unwrap().shard, None);
        for (query, part) in [
            ("chunks=64", "have 1 lengths, the array has shape (1000, 128)"),
            ("chunks=64,128&shards=100,128", "on axis 0, 64 does not divide 100"),
            ("shards=999,128", "chosen, as none are given"),
            ("chunks=64,128&shards=128,128&version=2", "no shards"),
            ("codec=crc32c&version=2", "no crc32c"),
            ("chunks=9000000000,9000000000", "larger than this machine"),
            ("chunks=9000000000,1&codec=lz4&shards=none", "too large for lz4"),
        ] {
            let error = layout(&[1000, 128], query).unwrap_err();
            assert!(error.kind() == crate::ErrorKind::Usage && error.to_string().contains(part), "{query}: {error}");
        }
    }

    #[test]
    fn places_of_chunks() {
        let found = layout(&[10, 7], "chunks=2,3&shards=4,6").unwrap();
        assert_eq!(found.chunks_per_file(), [2, 2]);
        assert_eq!(found.chunks_in_file(&[0, 0]), [2, 2]);
        assert_eq!(found.chunks_in_file(&[2, 1]), [1, 1]);
        assert_eq!(found.region_of_chunk(&[4, 2]), Region::new([8, 6], [2, 1]));
        assert_eq!(found.chunks_of(&Region::new([2, 3], [4, 4])), Some(Region::new([1, 1], [2, 2])));
        assert_eq!(found.chunks_of(&Region::new([0, 0], [3, 7])), None);
        assert_eq!(found.chunks_of(&Region::new([1, 0], [1, 7])), None);
        assert_eq!(found.chunks_of(&Region::new([8, 6], [2, 1])), Some(Region::new([4, 2], [1, 1])));
    }
}
