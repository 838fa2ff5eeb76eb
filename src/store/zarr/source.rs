//! [`ZarrSource`]: an array of a Zarr store that is read by boxes.

use super::{
    cf::{self, CfPacking},
    chain::Chain,
    copy::{self, Layout},
    files::{Files, Found},
    metadata::{About, ArrayMetadata},
    node::ArrayNode,
    part::Fault,
    read::{Reader, Scratch, for_each_cell, overlap},
    remote,
    shard::{IndexCache, coordinates},
    window,
};
use crate::{
    error::{Error, Result},
    nd::{Dims, Region, SourceFacts, StoreLayout, shape::show},
    store::{
        ChunkWindow, Source, check_read,
        file::{FileIdentity, hash},
    },
};
use serde_json::{Map, Value};
use std::{
    cell::Cell,
    sync::Arc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

/// Files of chunks that are looked at when an array is opened.
const LOOKED_AT_MAX: usize = 256;
/// Those that are looked at together: neighbours share blocks of a folder, and reading those is what takes time.
const NEIGHBOURS: usize = 8;
/// Threads that look at so many files, where there are more than a few.
const LOOKERS: usize = 16;
const LOOKED_AT_ALONE: usize = 64;
/// Attributes that describe a file and not its values.
pub(super) const BOOKKEEPING: [&str; 3] = ["_ARRAY_DIMENSIONS", "_zarrs", "outcore"];
/// Chunks that are asked for ahead by one call.
const PREFETCH_MAX: usize = 256;

thread_local! {
    /// Buffers and decoder states of the last read on this thread.
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// An array of a Zarr store. Reads decode on the calling thread.
#[derive(Debug)]
pub struct ZarrSource {
    pub(super) files: Files,
    pub(super) metadata: ArrayMetadata,
    /// How a chunk is decoded: what metadata say, but that elements of chunks that can be mapped keep their byte order.
    pub(super) chain: Chain,
    /// The bytes of one element of what was never written, in the source's byte order.
    pub(super) fill: Arc<Vec<u8>>,
    texts: Vec<(String, FileIdentity, u64)>,
    grid: Vec<usize>,
    indexes: IndexCache,
    pub(super) facts: SourceFacts,
    /// Chunks that were written after this were not what the array had when it was opened.
    opened_ns: i128,
}

impl ZarrSource {
    pub(super) fn new(name: String, files: Files, node: ArrayNode) -> Self {
        let ArrayNode { metadata, texts } = node;
        let opened_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128);
        let grid = metadata.grid();
        let seen = files.objects().map_or_else(|| look(&files, &metadata, &grid), |folder| remote::look(folder, &metadata, &grid));
        let identity: Vec<String> = texts.iter().map(|(key, identity, hash)| format!("{key}:{identity}:{hash:016x}")).collect();
        let (mut chain, mut fill) = (metadata.chain.clone(), metadata.fill.clone());
        let mappable = !files.are_archived() && files.objects().is_none() && window::is_in_place(&chain, &metadata.shape);
        let swapped = mappable && window::keep_byte_order(&mut chain);
        if swapped {
            fill.reverse();
        }
        let chunk = metadata.chain.unit().iter().zip(&metadata.shape).map(|(&chunk, &length)| chunk.min(length.max(1))).collect();
        // An entry of an archive may be deflated, whatever it holds.
        let inflated_bytes = if files.are_archived() { metadata.chain.encoded_bytes_max() as u64 * 2 + 65536 } else { 0 };
        let fetched_bytes = files.objects().map_or(0, |_| remote::scratch_bytes(&metadata.chain));
        let facts = SourceFacts {
            name,
            shape: metadata.shape.clone(),
            dtype: metadata.dtype,
            dims: metadata.dims.clone(),
            layout: StoreLayout::Chunked { chunk },
            swapped,
            encoded_bytes: seen.encoded_bytes,
            read_scratch_bytes: (metadata.chain.scratch_bytes() as u64).saturating_add(inflated_bytes).saturating_add(fetched_bytes),
            mappable,
            resident: false,
            identity: format!("{} {}:{:016x}", identity.join(" "), seen.files, seen.hash),
        };
        ZarrSource { files, metadata, chain, fill: Arc::new(fill), texts, grid, indexes: IndexCache::default(), facts, opened_ns }
    }

    /// The same array with other axis names, one slot per axis.
    #[must_use]
    pub fn with_dims(mut self, dims: Dims) -> Self {
        self.facts.dims = dims;
        self
    }

    /// How the stored values become the values they stand for, if attributes say so.
    pub fn packing(&self) -> Result<Option<CfPacking>> {
        let ArrayMetadata { attributes, dtype, missing, .. } = &self.metadata;
        cf::packing(attributes, *dtype, missing.as_ref()).map_err(|error| error.context(&self.facts.name))
    }

    /// What the attributes say of the values: of the stored ones if those are meant (`is_raw`), else of those they stand for. Axis names
    /// and what programs note of files are left out.
    #[must_use]
    pub fn attributes(&self, is_raw: bool) -> Map<String, Value> {
        let mut found = self.metadata.attributes.clone();
        BOOKKEEPING.iter().for_each(|name| drop(found.remove(*name)));
        if !is_raw {
            cf::PACKING.iter().for_each(|name| drop(found.remove(*name)));
        } else if let Some(missing) = cf::missing_of_fill(&found, self.metadata.missing.as_ref()) {
            found.insert("_FillValue".to_string(), missing);
        }
        found
    }

    /// What metadata say of the array.
    #[must_use]
    pub fn about(&self) -> About {
        self.metadata.about()
    }

    /// Whether [`SourceFacts::encoded_bytes`] is worked out from some of the files: there are too many to look at each.
    #[must_use]
    pub fn is_estimated(&self) -> bool {
        self.grid.iter().product::<usize>() > LOOKED_AT_MAX
    }

    /// What a reader should hear of: axis names that do not count.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.metadata.warnings
    }

    fn read_chunk(&self, scratch: &mut Scratch, cell: &[usize], region: &Region, out: &mut [u8], whole: &Layout) -> Result<()> {
        self.decode_chunk(self.open_chunk(cell)?, scratch, cell, region, out, whole)
    }

    /// Decodes what a box has of a chunk, whose file is open if there is one.
    pub(super) fn decode_chunk(
        &self,
        found: Option<Found>,
        scratch: &mut Scratch,
        cell: &[usize],
        region: &Region,
        out: &mut [u8],
        whole: &Layout,
    ) -> Result<()> {
        let chain = &self.chain;
        let (from, within, extent) = overlap(cell, &chain.shape, &region.start, &region.shape);
        let to = whole.moved(&within);
        let Some(found) = found else {
            copy::fill(&self.fill, &extent, out, &to);
            return Ok(());
        };
        self.reader(scratch, cell).read(chain, found.part(), &from, &extent, out, &to).map_err(|fault| self.failed(cell, fault))
    }

    /// The file of a chunk; `None` if there is none. An error if it was changed after the array was opened.
    pub(super) fn open_chunk(&self, cell: &[usize]) -> Result<Option<Found>> {
        let key = self.metadata.keys.key(cell);
        let about = |error: Error| self.failed(cell, Fault::Failed(error));
        let Some(found) = self.files.open(&key, self.chain.encoded_bytes_max() as u64).map_err(about)? else {
            self.check_time(self.files.folder_modified_ns(&key), &key, "a chunk may have been removed from it").map_err(about)?;
            return Ok(None);
        };
        self.check_time(Some(found.modified_ns()), &key, "it was written to").map_err(about)?;
        Ok(Some(found))
    }

    /// What decodes a chunk.
    pub(super) fn reader<'a>(&'a self, scratch: &'a mut Scratch, cell: &[usize]) -> Reader<'a> {
        let number = cell.iter().zip(&self.grid).fold(0, |number, (place, length)| number * length + place);
        Reader { scratch, indexes: &self.indexes, fill: &self.fill, chunk: number }
    }

    /// The error about a chunk that cannot be had.
    pub(super) fn failed(&self, cell: &[usize], fault: Fault) -> Error {
        match fault {
            Fault::Corrupt(why) => {
                let file = self.files.name(&self.metadata.keys.key(cell));
                Error::data(format!("{}: chunk {} in {file} is corrupt: {why}", self.facts.name, show(cell)))
                    .hint("restore the file from a copy, or write the chunk again")
            }
            Fault::Failed(error) => error.context(format!("{}: chunk {}", self.facts.name, show(cell))),
        }
    }

    /// Calls `work` with the buffers of this thread.
    pub(super) fn with_scratch<T>(&self, work: impl FnOnce(&mut Scratch) -> T) -> T {
        let mut scratch = SCRATCH.take().unwrap_or_default();
        if scratch.held_bytes() as u64 > self.facts.read_scratch_bytes {
            // Left by an array with larger chunks: nobody counts it any more.
            *scratch = Scratch::default();
        }
        let result = work(&mut scratch);
        SCRATCH.set(Some(scratch));
        result
    }

    /// An error if something was changed after the array was opened.
    fn check_time(&self, modified_ns: Option<i128>, key: &str, how: &str) -> Result<()> {
        if modified_ns.is_none_or(|modified_ns| modified_ns <= self.opened_ns) {
            return Ok(());
        }
        Err(Error::changed(format!("{} changed since the array was opened ({how})", self.files.name(key)))
            .hint("results of an array that changes are worth nothing: let its writer finish, then start again"))
    }
}

impl Source for ZarrSource {
    fn facts(&self) -> &SourceFacts {
        &self.facts
    }

    fn read(&self, region: &Region, out: &mut [u8]) -> Result<()> {
        check_read(&self.facts, region, out.len())?;
        if region.is_empty() {
            return Ok(());
        }
        let whole = Layout::in_c_order(&region.shape, &vec![0; region.rank()]);
        if let Some(folder) = self.files.objects() {
            return self.read_remote(folder, region, out, &whole);
        }
        let mut result = Ok(());
        self.with_scratch(|scratch| {
            for_each_cell(&region.start, &region.shape, &self.chain.shape, |cell| {
                if result.is_ok() {
                    result = self.read_chunk(scratch, cell, region, out, &whole);
                }
            });
        });
        result
    }

    fn chunk_window(&self, region: &Region) -> Result<Option<ChunkWindow>> {
        if self.facts.mappable { self.window_of(region).map(Some) } else { Ok(None) }
    }

    fn prefetch_box(&self, region: &Region) {
        // What is fetched is nowhere until it is read.
        if !region.fits(&self.metadata.shape) || region.is_empty() || self.files.objects().is_some() {
            return;
        }
        let (chain, in_place) = (&self.chain, self.facts.mappable);
        let unit = if in_place { chain.unit() } else { chain.shape.clone() };
        let mut left = PREFETCH_MAX;
        for_each_cell(&region.start, &region.shape, &unit, |cell| {
            if left == 0 {
                return;
            }
            let (from, _, extent) = overlap(cell, &unit, &region.start, &region.shape);
            if in_place {
                left -= 1;
                let start: Vec<usize> = (0..cell.len()).map(|axis| cell[axis] * unit[axis] + from[axis]).collect();
                return self.prefetch_window(&Region::new(start, extent));
            }
            // A small part of a shard or of a plain chunk is read alone.
            let mostly = extent.iter().product::<usize>() * 2 >= chain.shape.iter().product();
            if mostly || !chain.is_plain() && !chain.is_open_shard() {
                left -= 1;
                if let Ok(Some(found)) = self.files.open(&self.metadata.keys.key(cell), 0) {
                    found.prefetch();
                }
            }
        });
    }

    fn check_sums(&self, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        self.files.check_sums(go_on)
    }

    fn verify(&self) -> Result<()> {
        for (key, identity, text_hash) in &self.texts {
            let now = self.files.text(key)?;
            let same = now.as_ref().is_some_and(|(text, now)| now == identity || hash(text) == *text_hash);
            if !same {
                return Err(Error::changed(format!("{} changed since the array was opened", self.files.name(key)))
                    .hint("let its writer finish, then start again"));
            }
        }
        Ok(())
    }
}

/// What a look at some of the chunks' files showed.
pub(super) struct Seen {
    pub files: usize,
    pub hash: u64,
    /// Bytes of all files, if as many more were like those that were seen.
    pub encoded_bytes: u64,
}

/// What `look_at` sees of the numbers below `count`, in their order. Many are looked at by several threads: each waits for the medium.
fn side_by_side<T: Send>(count: usize, look_at: &(dyn Fn(usize) -> Option<T> + Sync)) -> Vec<T> {
    if count < LOOKED_AT_ALONE {
        return (0..count).filter_map(look_at).collect();
    }
    thread::scope(|scope| {
        let part = count.div_ceil(LOOKERS);
        let begin = |start: usize| scope.spawn(move || (start..count.min(start + part)).filter_map(look_at).collect::<Vec<T>>());
        let lookers: Vec<_> = (0..count).step_by(part).map(begin).collect();
        lookers.into_iter().flat_map(|looker| looker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// Looks at the files of chunks, spread over the grid: all of them if they are few.
fn look(files: &Files, metadata: &ArrayMetadata, grid: &[usize]) -> Seen {
    let count = grid.iter().product::<usize>();
    let looked_at = count.min(LOOKED_AT_MAX);
    let look_at = |nth: usize| {
        let spot = nth / NEIGHBOURS * NEIGHBOURS;
        let number = (spot as u128 * count as u128 / looked_at as u128) as usize + nth % NEIGHBOURS;
        let (size, modified_ns) = files.look(&metadata.keys.key(&coordinates(number, grid)))?;
        Some((number, size, modified_ns))
    };
    let mut seen = Seen { files: 0, hash: 0, encoded_bytes: 0 };
    let mut marks = Vec::new();
    for (number, size, modified_ns) in side_by_side(looked_at, &look_at) {
        seen.files += 1;
        seen.encoded_bytes = seen.encoded_bytes.saturating_add(size);
        marks.extend(number.to_le_bytes());
        marks.extend(size.to_le_bytes());
        marks.extend(modified_ns.to_le_bytes());
    }
    seen.hash = hash(&marks);
    if looked_at < count {
        let estimate = u128::from(seen.encoded_bytes) * count as u128 / looked_at as u128;
        seen.encoded_bytes = u64::try_from(estimate).unwrap_or(u64::MAX);
    }
    seen
}
