//! Many files as one array: `shards/*.npy`, or `@list.txt` with one path a line, joined along axis 0.
//!
//! The store's elements go on from file to file. What lies in one file is mapped in place, what does not is copied together. Many files
//! are not held open: each is opened anew when something of it is read.

use crate::{
    error::{Error, Result},
    nd::{
        Region, SourceFacts, StoreLayout,
        shape::{c_strides, show},
    },
    store::{
        AlignedBytes, Source, Window, check_read, object,
        open::{open, split_part},
        same_file,
    },
};
use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Joined files that are held open: more are opened when they are read, so that their number is not bounded by what a process may have
/// open, which is 256 on some systems.
const HELD_MAX: usize = 64;

/// Lists that name each other, at most.
const LISTS_MAX: usize = 16;

/// Arrays of one dtype and one shape behind the first axis, one after the other.
pub struct JoinedSource {
    parts: Vec<Arc<dyn Source>>,
    /// The first element of every part, and the end.
    starts: Vec<usize>,
    facts: SourceFacts,
}

impl JoinedSource {
    /// Joins dense arrays in C order; `name` is what errors and plans call the whole.
    pub fn new(name: &str, parts: Vec<Arc<dyn Source>>) -> Result<Self> {
        let Some(first) = parts.first().map(|part| part.facts().clone()) else {
            return Err(Error::usage(format!("{name} names no file")));
        };
        let mut starts = vec![0];
        let mut rows = 0;
        for part in &parts {
            fits(part.facts(), &first, name)?;
            rows += part.facts().shape[0];
            starts.push(starts[starts.len() - 1] + part.facts().count());
        }
        let mut shape = first.shape.clone();
        shape[0] = rows;
        // Equal files in an equal order give an equal identity, whatever their number.
        let mut identities = blake3::Hasher::new();
        for part in &parts {
            identities.update(part.facts().identity.as_bytes()).update(&[0]);
        }
        let facts = SourceFacts {
            name: name.to_string(),
            layout: StoreLayout::Dense { strides: c_strides(&shape) },
            encoded_bytes: parts.iter().map(|part| part.facts().encoded_bytes).sum(),
            read_scratch_bytes: parts.iter().map(|part| part.facts().read_scratch_bytes).max().unwrap_or(0),
            mappable: parts.iter().all(|part| part.facts().mappable),
            identity: format!("{} files {}", parts.len(), &identities.finalize().to_hex()[..16]),
            shape,
            ..first
        };
        Ok(JoinedSource { parts, starts, facts })
    }

    /// The parts that `elements` lie in: each with its own elements, and where they begin among those asked for.
    fn parts_of(&self, elements: &Range<usize>) -> impl Iterator<Item = (&Arc<dyn Source>, Range<usize>, usize)> {
        let elements = elements.clone();
        let first = self.starts.partition_point(|&start| start <= elements.start).saturating_sub(1);
        let touched = self.parts.iter().zip(self.starts.windows(2)).skip(first);
        let (start, end) = (elements.start, elements.end);
        touched.take_while(move |(_, bounds)| bounds[0] < end).filter_map(move |(part, bounds)| {
            let (low, high) = (bounds[0].max(start), bounds[1].min(end));
            (low < high).then(|| (part, low - bounds[0]..high - bounds[0], low - start))
        })
    }
}

/// An error unless a part is of the same kind as the first one.
fn fits(part: &SourceFacts, first: &SourceFacts, name: &str) -> Result<()> {
    let refused = |what: String, hint: &str| Err(Error::mismatch(format!("{name}: {} {what}", part.name)).hint(hint));
    let odd = |what: String| refused(what, "files that are joined have one dtype, and one shape behind the first axis");
    let converted = |what: String| refused(what, &format!("`outcore convert {} C_ORDER.npy` makes a file that can be joined", part.name));
    let StoreLayout::Dense { strides } = &part.layout else {
        let hint = "`concatenate((a, b), axis=0)` of a=PATH b=PATH joins arrays of any kind, or `outcore convert` each to .npy";
        return refused("lies in chunks; only dense files are joined".to_string(), hint);
    };
    if part.shape.is_empty() {
        return odd("has no axis to be joined along".to_string());
    }
    let kind = |facts: &SourceFacts| format!("{} (.., {})", facts.dtype, show(&facts.shape[1..]));
    if part.dtype != first.dtype || part.shape[1..] != first.shape[1..] {
        return odd(format!("is {} {}, and {} is {}", part.dtype, show(&part.shape), first.name, kind(first)));
    }
    if part.swapped != first.swapped {
        return converted(format!("has another byte order than {}", first.name));
    }
    if part.dims != first.dims {
        return odd(format!("has the axis names {}, and {} has {}", part.dims, first.name, first.dims));
    }
    let plain = c_strides(&part.shape);
    let is_c = strides.iter().zip(&plain).zip(&part.shape).all(|((stride, plain), &length)| stride == plain || length < 2);
    if is_c || part.shape.contains(&0) {
        Ok(())
    } else {
        converted("is in Fortran order; files that are joined are in C order".to_string())
    }
}

impl Source for JoinedSource {
    fn facts(&self) -> &SourceFacts {
        &self.facts
    }

    fn read(&self, region: &Region, out: &mut [u8]) -> Result<()> {
        check_read(&self.facts, region, out.len())?;
        let item = self.facts.dtype.size();
        for (part, elements, at) in self.parts_of(&(region.start[0]..region.end(0))) {
            let out = &mut out[at * item..(at + elements.len()) * item];
            part.read(&Region::run(elements.start, elements.len()), out)?;
        }
        Ok(())
    }

    fn window(&self, elements: Range<usize>) -> Result<Option<Window>> {
        if elements.start > elements.end || elements.end > self.facts.count() {
            let (start, end, count) = (elements.start, elements.end, self.facts.count());
            return Err(Error::internal(format!("elements {start}..{end} of {}, which has {count}", self.facts.name)));
        }
        if !self.facts.mappable {
            return Ok(None);
        }
        let mut touched = self.parts_of(&elements);
        if let (Some((part, own, _)), None) = (touched.next(), touched.next()) {
            return part.window(own);
        }
        drop(touched);
        let mut bytes = AlignedBytes::zeroed(elements.len() * self.facts.dtype.size());
        self.read(&Region::run(elements.start, elements.len()), &mut bytes)?;
        let length = bytes.len();
        Ok(Some(Window::borrowed(Arc::new(bytes), 0..length)))
    }

    fn prefetch(&self, elements: Range<usize>) {
        let end = elements.end.min(self.facts.count());
        self.parts_of(&(elements.start.min(end)..end)).for_each(|(part, own, _)| part.prefetch(own));
    }

    fn verify(&self) -> Result<()> {
        self.parts.iter().try_for_each(|part| part.verify())
    }

    fn check_sums(&self, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        self.parts.iter().try_for_each(|part| part.check_sums(go_on))
    }
}

/// The files that `path` (`shards/*.npy`, or `@list.txt`) names, in the order in which they are joined; `None` if it is a path like
/// any other.
pub fn files(path: &str) -> Result<Option<Vec<PathBuf>>> {
    // A star in the name of a tensor is a letter of it.
    if Path::new(path).exists() || (!path.starts_with('@') && split_part(path).is_some()) {
        return Ok(None);
    }
    let found = if let Some(list) = path.strip_prefix('@') {
        refuse_circle(list, &mut vec![list.to_string()])?;
        lines_of(list)?.into_iter().map(PathBuf::from).collect()
    } else if object::is_object(Path::new(path)) {
        return match path.contains('*') {
            true => Err(Error::usage(format!("{path}: stars stand for names of files, not of objects"))
                .hint("a list of addresses, one a line: `@list.txt`")),
            false => Ok(None),
        };
    } else if path.contains('*') {
        glob(path)?
    } else {
        return Ok(None);
    };
    if found.is_empty() {
        return Err(Error::new(crate::error::ErrorKind::NotFound, format!("{path}: no file has a name like this")));
    }
    Ok(Some(found))
}

/// The lines of a list.
fn lines_of(list: &str) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(list).map_err(|error| Error::io("open", list, error))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_string).collect())
}

/// An error if a list names itself, through others or not, or if lists are nested so deep that nobody means it. `chain` are the lists
/// from the first one to this one.
fn refuse_circle(list: &str, chain: &mut Vec<String>) -> Result<()> {
    for line in lines_of(list)? {
        let Some(inner) = line.strip_prefix('@').filter(|_| !Path::new(&line).exists()) else { continue };
        // A list that exists may be opened with a query.
        let inner = if Path::new(inner).exists() { inner } else { inner.rsplit_once('?').map_or(inner, |(inner, _)| inner) };
        let place = chain.iter().position(|outer| same_file(Path::new(outer), Path::new(inner)));
        chain.push(inner.to_string());
        if let Some(place) = place {
            let circle: Vec<&str> = chain[place..].iter().map(String::as_str).collect();
            return Err(Error::data(format!("the list {inner} names itself: {}", circle.join(" -> ")))
                .hint("a list holds the paths of files of array data, one a line"));
        }
        if chain.len() > LISTS_MAX {
            return Err(Error::data(format!("{}: lists are nested more than {LISTS_MAX} deep", chain[0])).hint("one list of all files"));
        }
        // What cannot be read is told when it is opened.
        if Path::new(inner).exists() {
            refuse_circle(inner, chain)?;
        }
        chain.pop();
    }
    Ok(())
}

/// Opens `paths`, each with `query`, as one array.
pub fn open_files(name: &str, paths: &[PathBuf], query: Option<&str>) -> Result<JoinedSource> {
    let open_one = |path: &PathBuf| {
        let text = path.to_str().ok_or_else(|| Error::usage(format!("the path {} is not UTF-8", path.display())))?;
        let text = query.map_or_else(|| text.to_string(), |query| format!("{text}?{query}"));
        let source = open(&text).map_err(|error| error.context(name))?;
        // Objects take no descriptors, and opening one is a request.
        let is_held = paths.len() <= HELD_MAX || object::is_object(path);
        Ok(if is_held { source } else { Arc::new(Closed { text, facts: source.facts().clone() }) as Arc<dyn Source> })
    };
    JoinedSource::new(name, paths.iter().map(open_one).collect::<Result<_>>()?)
}

/// A file that is opened whenever something of it is wanted.
struct Closed {
    text: String,
    /// As they were when it was first opened.
    facts: SourceFacts,
}

impl Closed {
    fn open(&self) -> Result<Arc<dyn Source>> {
        let source = open(&self.text)?;
        let now = source.facts();
        if (&now.identity, &now.shape, now.dtype) == (&self.facts.identity, &self.facts.shape, self.facts.dtype) {
            return Ok(source);
        }
        Err(Error::changed(format!("{} changed while it was being read (it is another file now)", self.facts.name))
            .hint("results of a file that changes are worth nothing: let its writer finish, then start again"))
    }
}

impl Source for Closed {
    fn facts(&self) -> &SourceFacts {
        &self.facts
    }

    fn read(&self, region: &Region, out: &mut [u8]) -> Result<()> {
        self.open()?.read(region, out)
    }

    fn window(&self, elements: Range<usize>) -> Result<Option<Window>> {
        // A window holds its file.
        self.open()?.window(elements)
    }

    fn prefetch(&self, elements: Range<usize>) {
        if let Ok(source) = self.open() {
            source.prefetch(elements);
        }
    }

    fn verify(&self) -> Result<()> {
        self.open()?.verify()
    }

    fn check_sums(&self, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        self.open()?.check_sums(go_on)
    }
}

/// What should be known of the order of the files that `name` stands for: that their numbers would sort otherwise. `part-10` comes before
/// `part-9`, byte by byte. A list is in the order that somebody gave it.
#[must_use]
pub fn order_warning(name: &str, paths: &[PathBuf]) -> Option<String> {
    if name.starts_with('@') {
        return None;
    }
    let mut natural: Vec<&PathBuf> = paths.iter().collect();
    natural.sort_by_key(|path| numbers_of(&path.to_string_lossy()));
    let (sorted, by_number) = paths.iter().zip(natural).find(|(sorted, natural)| *sorted != *natural)?;
    let [sorted, by_number] = [sorted, by_number].map(|path| path.display());
    Some(format!("{name}: files are joined in the order of their names' bytes: {sorted} where {by_number} would come by its number"))
}

/// Text and numbers of a name, so that names sort as people count.
fn numbers_of(name: &str) -> Vec<(String, u128)> {
    let mut parts = vec![(String::new(), 0u128)];
    let mut digits = false;
    for letter in name.chars() {
        let last = parts.len() - 1;
        if let Some(digit) = letter.to_digit(10) {
            parts[last].1 = parts[last].1.saturating_mul(10).saturating_add(u128::from(digit));
            digits = true;
        } else {
            if digits {
                parts.push((String::new(), 0));
                digits = false;
            }
            let last = parts.len() - 1;
            parts[last].0.push(letter);
        }
    }
    parts
}

/// The files whose path is like `pattern`, sorted by bytes. A star stands for any letters of one name; hidden names need their dot.
fn glob(pattern: &str) -> Result<Vec<PathBuf>> {
    let mut found = vec![if pattern.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() }];
    for name in pattern.split('/').filter(|name| !name.is_empty()) {
        if !name.contains('*') {
            found.iter_mut().for_each(|path| path.push(name));
            continue;
        }
        let mut below = Vec::new();
        for folder in &found {
            let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder.as_path() };
            let entries = match std::fs::read_dir(listed) {
                Ok(entries) => entries,
                Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => continue,
                Err(error) => return Err(Error::io("list", listed.display(), error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| Error::io("list", listed.display(), error))?;
                let is_like = entry.file_name().to_str().is_some_and(|found| is_like(found.as_bytes(), name.as_bytes()));
                if is_like {
                    below.push(folder.join(entry.file_name()));
                }
            }
        }
        found = below;
    }
    found.retain(|path| path.exists());
    found.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    Ok(found)
}

fn is_like(name: &[u8], pattern: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    // Greedy with one place to come back to: the last star, and where it began.
    let (mut at, mut in_pattern, mut back) = (0, 0, None);
    while at < name.len() {
        if pattern.get(in_pattern) == Some(&b'*') {
            back = Some((in_pattern, at));
            in_pattern += 1;
        } else if pattern.get(in_pattern) == Some(&name[at]) {
            (at, in_pattern) = (at + 1, in_pattern + 1);
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            (in_pattern, at) = (star + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[in_pattern..].iter().all(|&letter| letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        nd::DType,
        store::{OutputMode, create, suite},
    };

    fn write(path: &Path, dtype: DType, shape: &[usize], bytes: &[u8]) {
        let target = create(path.to_str().unwrap(), dtype, shape, OutputMode::CreateNew).unwrap();
        target.write(&Region::whole(shape), bytes).unwrap();
        target.sync().unwrap();
        target.publish().unwrap();
    }

    #[test]
    fn shards_of_any_length_keep_the_laws() {
        let folder = tempfile::tempdir().unwrap();
        let whole: Vec<u8> = (0..9 * 3 * 2).collect();
        let mut from = 0;
        for (name, rows) in [("a1.npy", 4), ("a2.npy", 0), ("a3.npy", 1), ("a9.npy", 4)] {
            write(&folder.path().join(name), DType::U16, &[rows, 3], &whole[from..from + rows * 6]);
            from += rows * 6;
        }
        std::fs::write(folder.path().join(".a0.npy"), "hidden").unwrap();
        let source = open(folder.path().join("a*.npy").to_str().unwrap()).unwrap();
        assert_eq!(source.facts().shape, [9, 3]);
        suite::check_source(&*source, &whole);
        let list = folder.path().join("list.txt");
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(&list, format!("{}\n\n{}\n", path("a9.npy"), path("a1.npy"))).unwrap();
        let listed = open(&format!("@{}", list.display())).unwrap();
        let mut out = vec![0; 48];
        listed.read(&Region::run(0, 24), &mut out).unwrap();
        assert_eq!(out, [&whole[30..54], &whole[..24]].concat());
        assert_ne!(listed.facts().identity, source.facts().identity);
        assert_eq!(source.facts().identity, open(folder.path().join("a*.npy").to_str().unwrap()).unwrap().facts().identity);
    }

    #[test]
    fn many_files_keep_the_laws_and_are_not_held_open() {
        let folder = tempfile::tempdir().unwrap();
        let whole: Vec<u8> = (0..(HELD_MAX + 10) * 2).map(|place| place as u8).collect();
        for (place, bytes) in whole.chunks(2).enumerate() {
            write(&folder.path().join(format!("x{place:03}.npy")), DType::U8, &[1, 2], bytes);
        }
        let open_files = || {
            std::fs::read_dir("/proc/self/fd").map_or(0, |found| {
                let paths = found.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
                paths.filter(|path| path.starts_with(folder.path())).count()
            })
        };
        let source = open(folder.path().join("x*.npy").to_str().unwrap()).unwrap();
        assert_eq!(open_files(), 0);
        suite::check_source(&*source, &whole);
        let window = source.window(0..2).unwrap().unwrap();
        assert_eq!((&window[..], open_files()), (&whole[..2], 1));
        // Another file of the same size under the name of one that was joined.
        let path = folder.path().join("x005.npy");
        std::fs::remove_file(&path).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        write(&path, DType::U8, &[1, 2], &[7, 7]);
        let error = source.verify().unwrap_err();
        assert!(error.kind() == crate::ErrorKind::Changed && error.message().contains("x005.npy"), "{error}");
        assert_eq!(source.read(&Region::run(10, 2), &mut [0; 2]).unwrap_err().kind(), crate::ErrorKind::Changed);
    }

    #[test]
    fn the_odd_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("a.npy"), DType::U8, &[2, 3], &[0; 6]);
        write(&folder.path().join("b.npy"), DType::U8, &[2, 4], &[0; 8]);
        let pattern = folder.path().join("*.npy").display().to_string();
        let error = open(&pattern).err().unwrap();
        assert!(error.message().contains("b.npy") && error.message().contains("(2, 4)"), "{error}");
        let error = open(&folder.path().join("*.zip").display().to_string()).err().unwrap();
        assert_eq!(error.kind(), crate::ErrorKind::NotFound);
        write(&folder.path().join("c.raw"), DType::U8, &[4], &[1, 2, 3, 4]);
        write(&folder.path().join("d.raw"), DType::U8, &[2], &[5, 6]);
        let raw = open(&format!("{}/*.raw?dtype=u8&shape=-1,2", folder.path().display())).unwrap();
        assert_eq!(raw.facts().shape, [3, 2]);
    }

    #[test]
    fn stars_and_numbers() {
        for (name, pattern, like) in
            [("a10.npy", "a*.npy", true), ("a.npy", "a*.npy", true), ("ab", "a*c", false), ("abcbc", "a*bc", true), (".a", "*", false)]
        {
            assert_eq!(is_like(name.as_bytes(), pattern.as_bytes()), like, "{name} {pattern}");
        }
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert!(order_warning("p-*", &paths(&["p-10", "p-9"])).unwrap().contains("p-9"));
        assert!(order_warning("p-*", &paths(&["p-09", "p-10"])).is_none());
        assert!(order_warning("@list", &paths(&["p-10", "p-9"])).is_none());
    }
}
