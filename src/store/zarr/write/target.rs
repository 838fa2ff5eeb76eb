//! The target of a Zarr array: chunks come in, files come out.

use super::{
    checkpoint::{self, Notes},
    codec::{Codec, Encoder, encoded_bytes_max},
    consolidated,
    existing::Part,
    groups,
    layout::Layout,
    metadata::MetadataFile,
    options::ZarrVersion,
    remote::{self, Remote},
    shard::{self, Places, Progress, Shard, failed, ravel, unravel},
};
use crate::{
    error::{Error, ErrorKind, Result},
    nd::{DType, Region, copy::copy_box, shape::show},
    store::{
        PageCache, Part as UnfinishedPart, Target, check_complete, check_write,
        output::{DRAFT, check_room, is_full, replace, sync_folder},
        zarr::publish::PartFolder,
    },
};
use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};
use tempfile::TempDir;

/// Threads that wait for the medium when many files are made durable: file systems put what is asked for together into one commit.
const SYNC_THREADS: usize = 8;

/// A Zarr array that is being written.
pub struct ZarrTarget {
    name: String,
    dtype: DType,
    pub(super) layout: Layout,
    codec: Codec,
    version: ZarrVersion,
    places: Places,
    /// The file of an existing array that the first one becomes; empty for a new array.
    first: Vec<usize>,
    goal: Goal,
    /// Written when all elements are.
    metadata: Vec<MetadataFile>,
    destination: PathBuf,
    /// Always there; taken when the target is dropped, to be dropped before the groups around it are looked at.
    folder: Option<PartFolder>,
    /// Buffers and compressors, one per thread that writes at a time.
    desks: Mutex<Vec<Desk>>,
    /// Unfinished shards by their place.
    pub(super) shards: Mutex<HashMap<Vec<usize>, Arc<Mutex<Shard>>>>,
    pub(super) unsynced: Mutex<Unsynced>,
    /// Elements written; an array with holes is never published.
    written: AtomicUsize,
    has_metadata: AtomicBool,
    is_published: AtomicBool,
    /// Whether there are notes for a later process, which then go on.
    pub(super) is_noted: AtomicBool,
    /// Whether other processes write files too, perhaps the same ones: each appears whole.
    is_shared: bool,
    /// Where shards of one of several processes grow until they are whole.
    drafts: Option<TempDir>,
    /// What an earlier process noted of its shards; `None` where nothing is gone on with.
    notes: Option<Mutex<Notes>>,
    /// Where its files go when they are complete, if it becomes objects.
    remote: Option<Remote>,
}

/// What becomes of the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    /// It is the array.
    Array,
    /// Its files go into an array that exists.
    PartOfOne,
}

/// What no sync has covered yet.
#[derive(Default)]
pub(super) struct Unsynced {
    /// Places of complete files.
    pub files: Vec<Vec<usize>>,
    pub folders: BTreeSet<PathBuf>,
}

/// What one thread needs to encode a chunk.
struct Desk {
    encoder: Encoder,
    /// A chunk that is not in one piece in what is written.
    chunk: Vec<u8>,
}

/// Where chunks lie in their shards.
fn place_chunks(codec: Codec, layout: &Layout, dtype: DType, version: ZarrVersion) -> Result<Places> {
    if layout.shard.is_none() || !codec.is_fixed_size() {
        return Ok(Places::Appended);
    }
    // What a chunk of any content takes.
    let sample = Encoder::new(codec, dtype, version)?.encode(&[])?.len() as u64;
    let chunk_bytes = (layout.chunk.iter().product::<usize>() * dtype.size()) as u64;
    Ok(Places::Fixed((chunk_bytes + sample).next_multiple_of(shard::ALIGN_BYTES)))
}

/// What one call of [`Target::write`] holds besides its argument.
pub(super) fn write_scratch_bytes(codec: Codec, layout: &Layout, dtype: DType) -> u64 {
    let chunk_bytes = layout.chunk.iter().product::<usize>() * dtype.size();
    // A chunk put together, a chunk encoded, and an encoded chunk that moves to its place in a shard.
    let moved = if layout.shard.is_some() { encoded_bytes_max(chunk_bytes) } else { 0 };
    chunk_bytes as u64 + codec.scratch_bytes(chunk_bytes) + moved
}

impl Target for ZarrTarget {
    fn shape(&self) -> &[usize] {
        &self.layout.shape
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn chunk(&self) -> Option<&[usize]> {
        Some(&self.layout.chunk)
    }

    fn shard(&self) -> Option<&[usize]> {
        self.layout.shard.as_deref()
    }

    fn write_scratch_bytes(&self) -> u64 {
        let remote = self.remote.as_ref().map_or(0, |_| remote::scratch_bytes(&self.layout, self.dtype));
        write_scratch_bytes(self.codec, &self.layout, self.dtype) + remote
    }

    fn write(&self, region: &Region, bytes: &[u8]) -> Result<()> {
        check_write(self, region, bytes.len())?;
        if region.is_empty() {
            return Ok(());
        }
        let Some(places) = self.layout.chunks_of(region) else {
            let (name, chunk) = (&self.name, show(&self.layout.chunk));
            return Err(Error::internal(format!("write of {region} of {name} cuts chunks of {chunk}")));
        };
        let mut desk = self.desk()?;
        let outcome = (0..places.count()).try_for_each(|nth| {
            let place: Vec<usize> = unravel(nth, &places.shape).iter().zip(&places.start).map(|(step, start)| step + start).collect();
            self.write_chunk(&place, region, bytes, &mut desk)
        });
        lock(&self.desks).push(desk);
        outcome.map_err(|error| self.with_room(error))?;
        self.written.fetch_add(region.count(), Ordering::Relaxed);
        Ok(())
    }

    fn settle(&self, copy: PageCache) -> Result<()> {
        if self.remote.is_some() {
            return Ok(());
        }
        let settled = match self.goal {
            Goal::Array if !self.is_shared => self.checkpoint(copy),
            Goal::Array | Goal::PartOfOne => self.settle_files(copy),
        };
        settled.map_err(|error| self.with_room(error))
    }

    fn sync(&self) -> Result<()> {
        self.sync_all().map_err(|error| self.with_room(error))
    }

    fn folder(&self) -> Option<PathBuf> {
        if self.remote.is_some() {
            return None;
        }
        self.destination.parent().map(Path::to_path_buf)
    }

    fn part(&self) -> Option<UnfinishedPart> {
        if let Some(remote) = &self.remote {
            return Some(remote.part());
        }
        let folder = self.folder.as_ref().filter(|_| self.goal == Goal::Array)?.path();
        UnfinishedPart::of(folder, &File::open(folder).ok()?).ok()
    }

    fn adopt(&self, boxes: &[Region]) -> Result<()> {
        self.written.fetch_add(boxes.iter().map(Region::count).sum(), Ordering::Relaxed);
        Ok(())
    }

    fn keep(&self) {
        if let Some(folder) = &self.folder {
            folder.keep();
        }
        if let Some(remote) = &self.remote {
            remote.keep();
        }
    }

    fn publish(&self) -> Result<()> {
        self.publish_all().map_err(|error| self.with_room(error))
    }
}

impl ZarrTarget {
    /// The needs of the array, where the medium had no room.
    pub(super) fn with_room(&self, error: Error) -> Error {
        let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        if !cause.is_some_and(is_full) || error.kind() != ErrorKind::Output || error.needed_bytes().is_some() {
            return error;
        }
        let bytes = self.data_bytes();
        let what = if self.codec.is_fixed_size() { "takes" } else { "takes up to" };
        error.hint(format!("{} {what} {bytes} bytes", self.name)).with_needed_bytes(bytes)
    }

    /// Bytes of all elements; encoded they take less, or a little more.
    fn data_bytes(&self) -> u64 {
        self.layout.shape.iter().fold(self.dtype.size() as u64, |bytes, &length| bytes.saturating_mul(length as u64))
    }

    fn sync_all(&self) -> Result<()> {
        if self.is_shared {
            // Who publishes it knows nothing of them.
            self.check_shards()?;
        }
        if self.remote.is_some() {
            // What was put is durable.
            return Ok(());
        }
        // An array with holes is never published, and gets no metadata.
        if check_complete(self, self.written.load(Ordering::Relaxed)).is_ok() && !self.has_metadata.swap(true, Ordering::AcqRel) {
            for (name, text) in &self.metadata {
                let path = self.root()?.join(name);
                std::fs::write(&path, text).and_then(|()| File::open(&path)?.sync_all()).map_err(|error| failed("write", &path, error))?;
            }
        }
        if self.is_noted.load(Ordering::Acquire) {
            self.checkpoint(PageCache::Keep)?
        } else {
            self.settle_files(PageCache::Keep)?
        }
        let mut folders = std::mem::take(&mut lock(&self.unsynced).folders);
        folders.insert(self.root()?.to_path_buf());
        folders.iter().try_for_each(|folder| sync_folder(folder).map_err(|error| failed("sync", folder, error)))
    }

    fn publish_all(&self) -> Result<()> {
        check_complete(self, self.written.load(Ordering::Relaxed))?;
        self.check_shards()?;
        if let Some(remote) = &self.remote {
            return remote.publish(&self.metadata);
        }
        let notes = self.root()?.join(checkpoint::NOTES);
        if notes.exists() {
            std::fs::remove_file(&notes).map_err(|error| failed("remove", &notes, error))?;
        }
        let is_synced = lock(&self.unsynced).files.is_empty() && self.has_metadata.load(Ordering::Acquire);
        if !is_synced {
            self.sync()?;
        }
        match (&self.folder, self.goal) {
            (None, _) => return Err(Error::internal(format!("{} has no folder", self.name))),
            (Some(_), Goal::PartOfOne) => self.move_files()?,
            (Some(folder), Goal::Array) => {
                if self.destination.exists() {
                    consolidated::forget(&self.destination)?;
                }
                folder.publish()?;
            }
        }
        groups::keep(&self.destination);
        if self.metadata.is_empty() { Ok(()) } else { consolidated::update(&self.destination) }
    }

    /// A target that is built in `folder`.
    pub(super) fn new(
        name: &str,
        dtype: DType,
        version: ZarrVersion,
        codec: Codec,
        part: Part,
        folder: PartFolder,
        destination: PathBuf,
    ) -> Result<Self> {
        let Part { layout, first, metadata, goal } = part;
        let places = place_chunks(codec, &layout, dtype, version)?;
        Ok(ZarrTarget {
            name: name.to_string(),
            dtype,
            layout,
            codec,
            version,
            places,
            first,
            goal,
            metadata,
            destination,
            folder: Some(folder),
            desks: Mutex::default(),
            shards: Mutex::default(),
            unsynced: Mutex::default(),
            written: AtomicUsize::new(0),
            has_metadata: AtomicBool::new(false),
            is_published: AtomicBool::new(false),
            is_noted: AtomicBool::new(false),
            is_shared: false,
            drafts: None,
            notes: None,
            remote: None,
        })
    }

    /// One of several processes that write it. Of a shard each writes all or nothing.
    pub(super) fn shared(mut self) -> Result<Self> {
        if self.layout.shard.is_some() && self.remote.is_none() {
            let root = self.root()?;
            let made = tempfile::Builder::new().prefix(DRAFT).tempdir_in(root);
            self.drafts = Some(made.map_err(|error| failed("make a folder in", root, error))?);
        }
        self.is_shared = true;
        Ok(self)
    }

    /// Removes what processes left that were killed while they wrote a chunk or a shard.
    pub(super) fn remove_drafts(&self) -> Result<()> {
        let root = self.root()?;
        let cannot = |error| failed("look into", root, error);
        for entry in std::fs::read_dir(root).map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(DRAFT.as_bytes())) {
                let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
                removed.map_err(|error| failed("remove", &path, error))?;
            }
        }
        Ok(())
    }

    /// Lets files become objects.
    pub(super) fn with_remote(mut self, remote: Remote) -> Self {
        self.remote = Some(remote);
        self
    }

    /// An error if the file system has not the room for it. What compressed chunks will take nobody knows.
    pub(super) fn check_room(&self) -> Result<()> {
        if !self.codec.is_fixed_size() {
            return Ok(());
        }
        let root = self.root()?;
        let folder = File::open(root).map_err(|error| failed("open", root, error))?;
        check_room(&folder, &self.name, self.data_bytes())
    }

    /// Goes on with what an earlier process wrote, as its notes say.
    pub(super) fn with_notes(mut self, notes: Notes) -> Self {
        self.is_noted = AtomicBool::new(true);
        self.notes = Some(Mutex::new(notes));
        self
    }

    /// Makes complete files durable, without notes for a later process.
    fn settle_files(&self, copy: PageCache) -> Result<()> {
        let files = std::mem::take(&mut lock(&self.unsynced).files);
        let settled = self.sync_files(&files, copy).and_then(|()| self.remove_late(&files));
        settled.inspect_err(|_| lock(&self.unsynced).files.extend(files.iter().cloned()))
    }

    /// Whether an error in this program has left chunks of a shard behind.
    fn check_shards(&self) -> Result<()> {
        let begun = lock(&self.shards).iter().find(|(_, shard)| lock(shard).is_begun()).map(|(place, _)| self.key(place));
        begun.map_or(Ok(()), |key| Err(Error::internal(format!("shard {key} of {} is not complete", self.name))))
    }

    /// Moves the files of a part into the array they belong to, and removes those whose place is nothing but zeros now; metadata last.
    fn move_files(&self) -> Result<()> {
        if self.is_published.swap(true, Ordering::AcqRel) {
            return Err(Error::internal(format!("{} is published twice", self.name)));
        }
        let root = self.root()?;
        let files: Vec<usize> = self.layout.shape.iter().zip(self.layout.file()).map(|(length, file)| length.div_ceil(*file)).collect();
        let mut folders = BTreeSet::from([self.destination.clone()]);
        for nth in 0..files.iter().product() {
            let place = unravel(nth, &files);
            let goal: Vec<usize> = place.iter().zip(&self.first).map(|(place, first)| place + first).collect();
            let (from, to) = (root.join(self.key(&place)), self.destination.join(self.key(&goal)));
            let moved = move_file(&from, &to, &self.destination, &mut folders);
            moved.map_err(|error| failed("replace", &to, error))?;
        }
        folders.iter().try_for_each(|folder| sync_folder(folder).map_err(|error| failed("sync", folder, error)))?;
        for (name, _) in &self.metadata {
            let to = self.destination.join(name);
            std::fs::rename(root.join(name), &to).map_err(|error| failed("replace", &to, error))?;
        }
        sync_folder(&self.destination).map_err(|error| failed("sync", &self.destination, error))
    }

    pub(super) fn root(&self) -> Result<&Path> {
        self.folder.as_ref().map(PartFolder::path).ok_or_else(|| Error::internal(format!("{} has no folder", self.name)))
    }

    fn chunk_bytes(&self) -> usize {
        self.layout.chunk.iter().product::<usize>() * self.dtype.size()
    }

    fn desk(&self) -> Result<Desk> {
        let waiting = lock(&self.desks).pop();
        match waiting {
            Some(desk) => Ok(desk),
            None => Ok(Desk { encoder: Encoder::new(self.codec, self.dtype, self.version)?, chunk: Vec::new() }),
        }
    }

    /// Encodes the chunk at `place` out of a box that holds it, and stores it.
    fn write_chunk(&self, place: &[usize], region: &Region, bytes: &[u8], desk: &mut Desk) -> Result<()> {
        let Desk { encoder, chunk } = desk;
        let part = self.layout.region_of_chunk(place);
        let whole = if part.shape == self.layout.chunk && part == *region {
            bytes
        } else {
            chunk.clear();
            chunk.resize(self.chunk_bytes(), 0);
            let start: Vec<usize> = part.start.iter().zip(&region.start).map(|(part, region)| part - region).collect();
            let origin = vec![0; start.len()];
            copy_box((bytes, &region.shape, &start), (chunk, &self.layout.chunk, &origin), &part.shape, self.dtype.size());
            &chunk[..]
        };
        // Arrays of version 2 say no fill value.
        let is_fill = self.version == ZarrVersion::V3 && is_zero(whole);
        let encoded = if is_fill { None } else { Some(encoder.encode(whole)?) };
        match (&self.layout.shard, encoded) {
            (Some(_), encoded) => self.store_in_shard(place, encoded),
            (None, Some(encoded)) => self.store_as_file(place, encoded),
            (None, None) => Ok(()),
        }
    }

    fn store_as_file(&self, place: &[usize], encoded: &[u8]) -> Result<()> {
        if let Some(remote) = &self.remote {
            return remote.put(&self.key(place), encoded);
        }
        let path = self.root()?.join(self.key(place));
        if self.is_shared {
            return self.replace_file(&path, encoded).map_err(|error| failed("write", &path, error));
        }
        let mut options = OpenOptions::new();
        match self.notes {
            // An earlier process may have written it, whole or not.
            Some(_) => options.write(true).create(true).truncate(true),
            None => options.write(true).create_new(true),
        };
        let written = self.open(&path, &options).and_then(|file| file.write_all_at(encoded, 0));
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::internal(format!("chunk {} was written twice", path.display())),
            _ => {
                // Half a file is worth nothing, and on a full disk its room is needed to note what is there.
                let _ = std::fs::remove_file(&path);
                failed("write", &path, error)
            }
        })?;
        lock(&self.unsynced).files.push(place.to_vec());
        Ok(())
    }

    /// Writes a file beside the chunks and gives it its name, whoever has written it before.
    fn replace_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let root = self.folder.as_ref().map(PartFolder::path).ok_or(io::ErrorKind::NotFound)?;
        self.make_folders(path)?;
        replace(root, path, bytes)?;
        self.has_appeared(path);
        Ok(())
    }

    /// Gives a shard its name, whoever has written it before.
    fn place_shard(&self, draft: &Path, path: &Path) -> io::Result<()> {
        File::open(draft)?.sync_all()?;
        self.make_folders(path)?;
        std::fs::rename(draft, path)?;
        self.has_appeared(path);
        Ok(())
    }

    /// The content of a file is durable; its name is when the folders are, whoever has made them.
    fn has_appeared(&self, path: &Path) {
        let root = self.folder.as_ref().map(PartFolder::path);
        let above = path.ancestors().skip(1).take_while(|folder| Some(*folder) != root);
        lock(&self.unsynced).folders.extend(above.map(Path::to_path_buf));
    }

    fn store_in_shard(&self, place: &[usize], encoded: Option<&[u8]>) -> Result<()> {
        let grid = self.layout.chunks_per_file();
        let of_file: Vec<usize> = place.iter().zip(&grid).map(|(place, count)| place / count).collect();
        let inside = self.layout.chunks_in_file(&of_file);
        let within: Vec<usize> = place.iter().zip(&grid).map(|(place, count)| place % count).collect();
        let path = match &self.drafts {
            Some(drafts) => drafts.path().join(self.key(&of_file).replace('/', "-")),
            None => self.root()?.join(self.key(&of_file)),
        };
        let shard = match lock(&self.shards).entry(of_file.clone()) {
            Entry::Occupied(there) => Arc::clone(there.get()),
            Entry::Vacant(free) if self.notes.is_some() => match self.shard_of_earlier(&of_file, path.clone(), &grid, &inside)? {
                Some(shard) => Arc::clone(free.insert(Arc::new(Mutex::new(shard)))),
                // Complete, and this chunk in it.
                None => return Ok(()),
            },
            Entry::Vacant(_) if path.exists() => return Err(Error::internal(format!("shard {} was written twice", path.display()))),
            Entry::Vacant(free) => Arc::clone(free.insert(Arc::new(Mutex::new(Shard::new(path.clone(), &grid, &inside, self.places))))),
        };
        let open = |path: &Path| self.open(path, OpenOptions::new().write(true).create(true));
        let progress = lock(&shard).take(ravel(&within, &inside), encoded, &open)?;
        // In one of the two lists at any time.
        match &self.remote {
            Some(remote) if progress == Progress::Done => {
                let file = self.root()?.join(self.key(&of_file));
                remote.upload(&self.key(&of_file), &file)?;
                self.remove_late(std::slice::from_ref(&of_file))?;
            }
            None if progress == Progress::Done && self.is_shared => {
                let to = self.root()?.join(self.key(&of_file));
                self.place_shard(&path, &to).map_err(|error| failed("write", &to, error))?;
                shard::remove_late(&path)?;
            }
            None if progress == Progress::Done => lock(&self.unsynced).files.push(of_file.clone()),
            _ => {}
        }
        if progress != Progress::Open {
            if let Some(notes) = &self.notes {
                lock(notes).insert(of_file.clone(), None);
            }
            lock(&self.shards).remove(&of_file);
        }
        Ok(())
    }

    /// The shard as an earlier process left it; `None` if it is complete.
    fn shard_of_earlier(&self, place: &[usize], path: PathBuf, grid: &[usize], inside: &[usize]) -> Result<Option<Shard>> {
        let noted = self.notes.as_ref().and_then(|notes| lock(notes).get(place).cloned());
        match noted {
            // Begun after the last note at most: begun again.
            None => Ok(Some(Shard::new(path, grid, inside, self.places))),
            Some(None) => Ok(None),
            Some(Some(state)) => {
                let misfit =
                    || Error::data(format!("what was noted of {} does not fit it", path.display())).hint("`--overwrite` starts anew");
                Shard::restored(path.clone(), grid, inside, self.places, &state).map(Some).ok_or_else(misfit)
            }
        }
    }

    /// The path of a chunk or shard inside the array.
    fn key(&self, place: &[usize]) -> String {
        let numbers: Vec<String> = place.iter().map(ToString::to_string).collect();
        match self.version {
            ZarrVersion::V2 if numbers.is_empty() => "0".to_string(),
            ZarrVersion::V2 => numbers.join("."),
            ZarrVersion::V3 if numbers.is_empty() => "c".to_string(),
            ZarrVersion::V3 => format!("c/{}", numbers.join("/")),
        }
    }

    /// Opens a file of the array, and makes the folders above it when they are missing.
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<File> {
        match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        self.make_folders(path)?;
        options.open(path)
    }

    /// Makes the folders above a file where they are missing.
    fn make_folders(&self, path: &Path) -> io::Result<()> {
        let root = self.folder.as_ref().map(PartFolder::path);
        let mut missing: Vec<&Path> = path.ancestors().skip(1).take_while(|folder| Some(*folder) != root && !folder.exists()).collect();
        missing.reverse();
        for folder in missing {
            match std::fs::create_dir(folder) {
                Ok(()) => {
                    lock(&self.unsynced).folders.insert(folder.to_path_buf());
                }
                // Another thread was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes the files that chunks of these shards waited in.
    pub(super) fn remove_late(&self, places: &[Vec<usize>]) -> Result<()> {
        let root = self.root()?;
        let has_late = self.layout.shard.is_some() && self.places == Places::Appended;
        places.iter().filter(|_| has_late).try_for_each(|place| shard::remove_late(&root.join(self.key(place))))
    }

    pub(super) fn sync_files(&self, places: &[Vec<usize>], copy: PageCache) -> Result<()> {
        let root = self.root()?;
        let sync_all = |places: &[Vec<usize>]| {
            places.iter().try_for_each(|place| {
                let path = root.join(self.key(place));
                let synced = File::open(&path).and_then(|file| file.sync_all().map(|()| copy.apply(&file, PageCache::WHOLE)));
                synced.map_err(|error| failed("sync", &path, error))
            })
        };
        if places.len() < 2 {
            return sync_all(places);
        }
        thread::scope(|scope| {
            let parts = places.chunks(places.len().div_ceil(SYNC_THREADS));
            let threads: Vec<_> = parts.map(|part| scope.spawn(move || sync_all(part))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(Error::internal("a sync panicked"))))
        })
    }
}

impl Drop for ZarrTarget {
    fn drop(&mut self) {
        drop(self.folder.take());
        groups::give_up(&self.destination);
    }
}

impl std::fmt::Debug for ZarrTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ZarrTarget({} {} {:?})", self.name, self.dtype, self.layout)
    }
}

/// Renames `from` to `to`; where there is no such file, because it would be the fill value, there is none afterwards either.
fn move_file(from: &Path, to: &Path, array: &Path, folders: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    let parent = to.parent().unwrap_or(array);
    if !from.exists() {
        return match std::fs::remove_file(to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Err(_) => Ok(()),
            Ok(()) => {
                folders.insert(parent.to_path_buf());
                Ok(())
            }
        };
    }
    if !parent.exists() {
        std::fs::create_dir_all(parent)?;
        folders.extend(parent.ancestors().take_while(|above| *above != array).map(Path::to_path_buf));
    }
    folders.insert(parent.to_path_buf());
    std::fs::rename(from, to)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether all bytes are zero: the fill value, in every dtype. (`-0.0` is not.)
fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(4096).all(|part| part.iter().fold(0, |any, byte| any | byte) == 0)
}
