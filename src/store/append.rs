//! Rows appended to an npy file where it lies.
//!
//! Order of events: the file is locked and its header held against the new rows; room is reserved behind its data; rows are written there
//! and synced; only then the header gets its new length, in one write, and is synced too. A reader, and whoever comes after a crash, sees
//! the old array until then: bytes behind the data are no part of an npy file. A header that has no room for the new length is not
//! moved: the file is copied beside itself with a larger one, and takes its place when it is complete.

use crate::{
    error::{Error, ErrorKind, Result},
    format::{Order, data_bytes, npy as format},
    nd::{DType, Region, shape::show},
    store::{
        PageCache, Part, Target, check_complete, check_write,
        file::InputFile,
        inside::{Inside, Placing},
        npy::header_of,
        output::{FileTarget, OutputMode, reserve_from, write_failed},
        part::{busy, lock, place_of},
        runs::for_each_run,
    },
};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Bytes that are copied at a time.
const COPY_BYTES: usize = 4 << 20;

/// Path of an output that is to be appended to: `x.npy?append=0`. `None` for any other output.
#[must_use]
pub fn split_append(path_text: &str) -> Option<&str> {
    let path = path_text.strip_suffix("?append=0")?;
    let is_npy = Path::new(path).extension().is_some_and(|end| end.eq_ignore_ascii_case("npy"));
    (is_npy && !Path::new(path_text).exists()).then_some(path)
}

/// Starts rows of `shape` behind those of the npy file at `path`.
pub fn append(path: &Path, dtype: DType, shape: &[usize]) -> Result<Arc<dyn Target>> {
    let name = path.display().to_string();
    let place = place_of(path);
    let cannot = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::io("append to", &name, error).hint("the first rows are written without `?append=0`"),
        _ => Error::new(ErrorKind::Output, format!("cannot append to {name}: {error}")).with_source(error),
    };
    let file = OpenOptions::new().read(true).write(true).open(&place).map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(Error::output(format!("cannot append to {name}: it is not a regular file")));
    }
    if !lock(&file).map_err(cannot)? {
        return Err(busy(&name));
    }
    let part = Part::of(&place, &file).map_err(cannot)?;
    let input = InputFile::open(&place)?;
    let asked = (dtype == DType::BF16).then_some(dtype);
    let before = header_of(&input, &name, 0..input.identity().size_bytes, asked)?;
    let rows = fit(&name, &before, dtype, shape)?;
    let whole: Vec<usize> = std::iter::once(rows).chain(shape[1..].iter().copied()).collect();
    let added = data_bytes(dtype, shape).map_err(|error| error.context(&name))? as u64;
    let end = (before.data_offset + before.data_bytes) as u64;
    match format::resized(&before, &whole) {
        Some(header) => {
            reserve_from(&file, &name, end, added)?;
            let (written, unsynced, published) = (AtomicUsize::new(0), AtomicBool::new(true), Mutex::new(false));
            Ok(Arc::new(InPlace { file, part, name, header, end, dtype, shape: shape.to_vec(), written, unsynced, published }))
        }
        None => {
            let copied = FileTarget::create(&place, &format::encode(dtype, &whole), dtype, &whole, OutputMode::Overwrite)?;
            copy(&input, &before, &copied)?;
            let placing = Copied { _locked: file, rows_before: before.shape[0] };
            Ok(Arc::new(Inside { file: copied, dtype, shape: shape.to_vec(), placing }))
        }
    }
}

/// Rows there will be. An error if the new ones do not continue those that are there.
fn fit(name: &str, before: &format::NpyHeader, dtype: DType, shape: &[usize]) -> Result<usize> {
    let refuse = |why: String| Err(Error::mismatch(format!("cannot append to {name}: {why}")));
    if before.dtype != dtype {
        return refuse(format!("it holds {}, the rows are {dtype}", before.dtype))
            .map_err(|error| error.hint("`.astype(..)` converts them"));
    }
    if shape.is_empty() || before.shape.is_empty() || before.shape[1..] != shape[1..] {
        return refuse(format!("it has shape {}, the rows have {}", show(&before.shape), show(shape)));
    }
    if before.order == Order::Fortran && before.shape.len() > 1 {
        return refuse("it is in Fortran order, in which rows do not lie together".to_string())
            .map_err(|error| error.hint("`outcore convert` writes it in C order"));
    }
    if before.swapped {
        return refuse("it is in the other byte order".to_string())
            .map_err(|error| error.hint("`outcore convert` writes it in this machine's"));
    }
    match before.shape[0].checked_add(shape[0]) {
        Some(rows) => Ok(rows),
        None => refuse("there would be more than 2^64 rows".to_string()),
    }
}

fn copy(from: &InputFile, before: &format::NpyHeader, to: &FileTarget) -> Result<()> {
    let row_bytes = before.data_bytes / before.shape[0].max(1);
    let at_once = (COPY_BYTES / row_bytes.max(1)).max(1);
    let mut bytes = Vec::new();
    for first in (0..before.shape[0]).step_by(at_once) {
        let rows = at_once.min(before.shape[0] - first);
        bytes.resize(rows * row_bytes, 0);
        from.read_exact_at((before.data_offset + first * row_bytes) as u64, &mut bytes)?;
        let (mut start, mut shape) = (vec![0; before.shape.len()], before.shape.clone());
        (start[0], shape[0]) = (first, rows);
        to.write(&Region { start, shape }, &bytes)?;
    }
    Ok(())
}

/// Rows behind those of a file whose header has room.
struct InPlace {
    file: File,
    part: Part,
    name: String,
    /// The header with all rows, as long as the one that is there.
    header: Vec<u8>,
    /// Where the new rows begin.
    end: u64,
    dtype: DType,
    /// Shape of the new rows.
    shape: Vec<usize>,
    written: AtomicUsize,
    unsynced: AtomicBool,
    published: Mutex<bool>,
}

impl InPlace {
    fn failed(&self, what: &str, error: io::Error) -> Error {
        write_failed(what, &self.name, self.bytes(), error)
    }

    fn bytes(&self) -> u64 {
        self.shape.iter().product::<usize>() as u64 * self.dtype.size() as u64
    }
}

impl Target for InPlace {
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn dtype(&self) -> DType {
        self.dtype
    }
    fn name(&self) -> String {
        self.name.clone()
    }
    fn folder(&self) -> Option<PathBuf> {
        self.part.path.parent().map(Path::to_path_buf)
    }

    fn write(&self, region: &Region, bytes: &[u8]) -> Result<()> {
        check_write(self, region, bytes.len())?;
        let item = self.dtype.size();
        for_each_run(&self.shape, region, |place, from, length| {
            let written = self.file.write_all_at(&bytes[from * item..(from + length) * item], self.end + (place * item) as u64);
            written.map_err(|error| self.failed("append to", error))
        })?;
        self.written.fetch_add(region.count(), Ordering::Relaxed);
        self.unsynced.store(true, Ordering::Release);
        Ok(())
    }

    fn settle(&self, copy: PageCache) -> Result<()> {
        self.file.sync_data().map_err(|error| self.failed("write back", error))?;
        copy.apply(&self.file, self.end..self.end + self.bytes());
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.unsynced.store(false, Ordering::Release);
        self.file.sync_all().map_err(|error| {
            self.unsynced.store(true, Ordering::Release);
            self.failed("sync", error)
        })
    }

    fn publish(&self) -> Result<()> {
        check_complete(self, self.written.load(Ordering::Relaxed))?;
        if self.unsynced.load(Ordering::Acquire) {
            self.sync()?;
        }
        if !self.part.is_at(&self.part.path) {
            return Err(Error::changed(format!("{} was replaced while rows were appended to it", self.name)).hint("run it again"));
        }
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        // What a longer append that was killed has left behind the end goes first.
        self.file.set_len(self.end + self.bytes()).map_err(|error| self.failed("give its length to", error))?;
        self.file.write_all_at(&self.header, 0).map_err(|error| self.failed("write the header of", error))?;
        *published = true;
        self.file.sync_all().map_err(|error| self.failed("sync", error))
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        // Rows that no header counts are of no use. If this fails they do no harm either.
        if !*self.published.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = self.file.set_len(self.end);
        }
    }
}

/// Rows behind those of a copy.
struct Copied {
    _locked: File,
    rows_before: usize,
}

impl Placing for Copied {
    fn write(&self, file: &FileTarget, _shape: &[usize], region: &Region, bytes: &[u8]) -> Result<()> {
        let mut region = region.clone();
        region.start[0] += self.rows_before;
        file.write(&region, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, Source};

    fn rows(path: &Path) -> (Vec<usize>, Vec<u8>) {
        let source = store::open(path.to_str().unwrap()).unwrap();
        let shape = source.facts().shape.clone();
        let count: usize = shape.iter().product();
        let mut bytes = vec![0; count];
        source.read(&Region::run(0, count), &mut bytes).unwrap();
        (shape, bytes)
    }

    fn write(target: &dyn Target, value: u8) {
        let region = Region::whole(target.shape());
        target.write(&region, &vec![value; region.count()]).unwrap();
    }

    fn begun(folder: &Path) -> PathBuf {
        let path = folder.join("x.npy");
        let target = store::create(path.to_str().unwrap(), DType::U8, &[2, 3], OutputMode::CreateNew).unwrap();
        write(&*target, 1);
        target.publish().unwrap();
        path
    }

    #[test]
    fn rows_are_there_once_they_are_published_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = begun(folder.path());
        for round in 0..12u8 {
            let target = append(&path, DType::U8, &[100, 3]).unwrap();
            write(&*target, round);
            target.sync().unwrap();
            assert_eq!(rows(&path).0, [2 + 100 * usize::from(round), 3]);
            target.publish().unwrap();
        }
        let (shape, bytes) = rows(&path);
        assert_eq!((shape, &bytes[..6], bytes[6 + 300], bytes[bytes.len() - 1]), (vec![1202, 3], &[1; 6][..], 1, 11));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 128 + 1202 * 3);
        assert_eq!(std::fs::read(&path).unwrap()[..128], format::encode(DType::U8, &[1202, 3]));
    }

    #[test]
    fn what_is_given_up_or_killed_leaves_the_old_array() {
        let folder = tempfile::tempdir().unwrap();
        let path = begun(folder.path());
        let before = std::fs::read(&path).unwrap();
        let target = append(&path, DType::U8, &[100, 3]).unwrap();
        write(&*target, 7);
        assert!(append(&path, DType::U8, &[1, 3]).err().unwrap().message().contains("being written by another job"));
        drop(target);
        assert_eq!(std::fs::read(&path).unwrap(), before);
        // What a process that is killed leaves: rows behind the data, and no lock.
        let mut killed = before.clone();
        killed.extend([9; 1000]);
        std::fs::write(&path, &killed).unwrap();
        assert_eq!(rows(&path), (vec![2, 3], vec![1; 6]));
        let target = append(&path, DType::U8, &[1, 3]).unwrap();
        write(&*target, 5);
        target.publish().unwrap();
        assert_eq!(rows(&path), (vec![3, 3], vec![1, 1, 1, 1, 1, 1, 5, 5, 5]));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 128 + 9);
        drop(target);
        let target = append(&path, DType::U8, &[2, 3]).unwrap();
        assert!(target.publish().unwrap_err().message().contains("never written"));
    }

    #[test]
    fn a_header_without_room_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let text = "{'descr':'|u1','fortran_order':False,'shape':(9,3)}\n";
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((text.len() as u16).to_le_bytes());
        file.extend(text.as_bytes());
        file.extend([4; 27]);
        std::fs::write(&path, &file).unwrap();
        let target = append(&path, DType::U8, &[2, 3]).unwrap();
        write(&*target, 6);
        assert_eq!(rows(&path).0, [9, 3]);
        target.sync().unwrap();
        target.publish().unwrap();
        assert_eq!(rows(&path), (vec![11, 3], [vec![4; 27], vec![6; 6]].concat()));
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn what_does_not_continue_a_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = begun(folder.path());
        let refused = |dtype, shape: &[usize]| append(&path, dtype, shape).err().unwrap().to_string();
        assert!(refused(DType::I8, &[1, 3]).contains("it holds u8, the rows are i8"));
        assert!(refused(DType::U8, &[1, 4]).contains("it has shape (2, 3), the rows have (1, 4)"));
        assert!(refused(DType::U8, &[3]).contains("it has shape (2, 3), the rows have (3,)"));
        let header = |text: &str| {
            let mut file = b"\x93NUMPY\x01\x00".to_vec();
            file.extend((text.len() as u16).to_le_bytes());
            file.extend(text.as_bytes());
            file.extend([4; 48]);
            std::fs::write(&path, &file).unwrap();
        };
        header("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n");
        assert!(refused(DType::U8, &[1, 3]).contains("Fortran order"));
        header("{'descr': '>u2', 'fortran_order': False, 'shape': (2, 3), }\n");
        assert!(refused(DType::U16, &[1, 3]).contains("other byte order"));
        header("{'descr': '<u2', 'fortran_order': False, 'shape': (200, 3), }\n");
        assert!(refused(DType::U16, &[1, 3]).contains("truncated"));
        let missing = append(&folder.path().join("none.npy"), DType::U8, &[1, 3]).err().unwrap();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
