//! Chunks that are objects: several are fetched at a time by the thread that decodes them, whole or by their index.

use super::{
    chain::{Body, Chain, GROUP_BYTES, IndexAt},
    copy::Layout,
    files::Files,
    metadata::ArrayMetadata,
    read::{for_each_cell, overlap},
    source::{Seen, ZarrSource},
};
use crate::{
    error::Result,
    nd::Region,
    store::{
        file::hash,
        object::{BATCH_BYTES, First, Folder, GAP_BYTES_MAX, READ_SCRATCH_BYTES, REQUESTS_MAX},
    },
};

/// Objects that are opened together at most.
const OPENED_MAX: usize = 16;
/// Objects that are listed when an array is opened: as many as one answer has.
const LISTED_MAX: usize = 1000;

/// What reading objects holds besides what reading files does.
pub(super) fn scratch_bytes(chain: &Chain) -> u64 {
    let opened = BATCH_BYTES.max(fetched_bytes(chain));
    let groups = match &chain.body {
        Body::Shard(shard) if chain.is_open_shard() => (GROUP_BYTES.max(shard.inner.encoded_bytes_max()) * (REQUESTS_MAX - 1)) as u64,
        _ => 0,
    };
    opened.saturating_add(groups).saturating_add(READ_SCRATCH_BYTES)
}

/// Bytes that are fetched of a chunk when it is opened, at most.
fn fetched_bytes(chain: &Chain) -> u64 {
    match &chain.body {
        Body::Shard(shard) if chain.is_open_shard() => shard.index_bytes() as u64,
        _ if chain.is_plain() && chain.decoded_bytes() as u64 > BATCH_BYTES => 0,
        _ => chain.encoded_bytes_max() as u64,
    }
}

/// What is fetched at once of a chunk of which so many elements are wanted.
fn first_of(chain: &Chain, elements: usize) -> First {
    match &chain.body {
        Body::Shard(shard) if chain.is_open_shard() => match shard.index_at {
            IndexAt::Start => First::Head(shard.index_bytes() as u64),
            IndexAt::End => First::Tail(shard.index_bytes() as u64),
        },
        _ if chain.is_plain() => {
            let bytes = chain.decoded_bytes() as u64;
            let mostly = elements.saturating_mul(2 * chain.item_bytes) as u64 >= bytes;
            if bytes <= GAP_BYTES_MAX || mostly && bytes <= BATCH_BYTES { First::Whole(bytes) } else { First::Look }
        }
        _ => First::Whole(chain.encoded_bytes_max() as u64),
    }
}

impl ZarrSource {
    /// Reads a box, not empty, of chunks that are objects.
    pub(super) fn read_remote(&self, folder: &Folder, region: &Region, out: &mut [u8], whole: &Layout) -> Result<()> {
        let chain = &self.chain;
        let mut cells: Vec<Vec<usize>> = Vec::new();
        for_each_cell(&region.start, &region.shape, &chain.shape, |cell| cells.push(cell.to_vec()));
        let together = (BATCH_BYTES / fetched_bytes(chain).max(1)).clamp(1, OPENED_MAX as u64) as usize;
        for batch in cells.chunks(together) {
            let wanted = batch.iter().map(|cell| {
                let (_, _, extent) = overlap(cell, &chain.shape, &region.start, &region.shape);
                (self.metadata.keys.key(cell), first_of(chain, extent.iter().product()))
            });
            let wanted: Vec<(String, First)> = wanted.collect();
            for (found, cell) in Files::open_all(folder, &wanted).into_iter().zip(batch) {
                let found = found.map_err(|error| self.failed(cell, error.into()))?;
                self.with_scratch(|scratch| self.decode_chunk(found, scratch, cell, region, out, whole))?;
            }
        }
        Ok(())
    }
}

/// What one listing shows of the chunks of an array. Where nothing can be listed the array is taken for one that is not encoded.
pub(super) fn look(folder: &Folder, metadata: &ArrayMetadata, grid: &[usize]) -> Seen {
    let count = grid.iter().product::<usize>();
    let decoded = metadata.shape.iter().fold(metadata.dtype.size() as u64, |bytes, &length| bytes.saturating_mul(length as u64));
    let unknown = Seen { files: 0, hash: 0, encoded_bytes: decoded };
    let Some(listed) = folder.look(if metadata.keys.prefixed { "c" } else { "" }, LISTED_MAX) else { return unknown };
    let is_chunk =
        |key: &str| key.rsplit('/').next().is_some_and(|name| name.starts_with(|letter: char| letter.is_ascii_digit() || letter == 'c'));
    let chunks: Vec<_> = listed.iter().filter(|(key, ..)| is_chunk(key)).collect();
    let bytes = chunks.iter().fold(0u64, |bytes, (_, size, _)| bytes.saturating_add(*size));
    let mut marks = Vec::new();
    for (key, size, etag) in &chunks {
        marks.extend(format!("{key} {size} {etag}\n").bytes());
    }
    let encoded_bytes = match chunks.len() {
        0 => 0,
        seen if listed.len() < LISTED_MAX => return Seen { files: seen, hash: hash(&marks), encoded_bytes: bytes },
        seen => u64::try_from(u128::from(bytes) * count.max(seen) as u128 / seen as u128).unwrap_or(u64::MAX),
    };
    Seen { files: chunks.len(), hash: hash(&marks), encoded_bytes }
}
