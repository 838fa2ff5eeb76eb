//! Text to stores: `x.npy`, `x.bin?dtype=f32&shape=-1,128`, by extension and query.

use crate::{
    error::{Error, Result},
    format::{Order, vectors::VectorFormat},
    nd::{DType, Dims},
    store::{
        Hold, Source, Target,
        append::{append, split_append},
        columns::{self, TableFormat},
        joined,
        npy::{self, NpyOptions},
        object,
        output::OutputMode,
        raw::{self, RawLayout},
        sent, tensors, vectors,
        zarr::{self, CfPacking, Opened, ZarrOptions, ZarrOrigin, ZarrSource},
    },
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

const RAW_EXAMPLE: &str = "a raw binary file is read as `file.bin?dtype=f32&shape=-1,128&offset=0&order=C`";
const OUTPUTS_KNOWN: &str =
    "known are .npy, .zarr, .safetensors, .arrow, vector files (.fvecs, .fbin, ...), and .bin or .raw for elements without a header";
const QUERY_KEYS: &str = "dtype, shape, offset, order, endian, dims";

/// Opens what `path_text` names.
///
/// A Zarr array is named by its folder, whatever its name, and takes the keys `dims` and `cf` (`off`: see [`open_packed`]). `.npy` takes the keys `dtype` (needed for `bf16`) and `dims`. Any other file is raw binary if its query has a `dtype`; further
/// keys are `shape` (one length may be -1; default -1), `offset` (bytes), `order` (C or F), `endian` (big or little) and `dims`
/// (`row,_` names the first of two axes). `shards/*.npy` is all files with such names in the order of their bytes, joined along axis 0,
/// and `@list.txt` those that it names, one a line; a query is that of each of them. A file whose name has the `?` in it wins over the query.
///
/// ```
/// use outcore::nd::{DType, Region};
/// use outcore::store::{self, OutputMode, Source, Target};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("x.bin").display().to_string();
/// let target = store::create(&path, DType::U8, &[2, 3], OutputMode::CreateNew)?;
/// target.write(&Region::whole(&[2, 3]), &[1, 2, 3, 4, 5, 6])?;
/// target.sync()?;
/// target.publish()?;
///
/// let source = store::open(&format!("{path}?dtype=u8&shape=-1,3"))?;
/// assert_eq!(source.facts().shape, [2, 3]);
/// let mut row = [0; 3];
/// source.read(&Region::run(3, 3), &mut row)?; // store coordinates: elements 3 to 6 of the file
/// assert_eq!(row, [4, 5, 6]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn open(path_text: &str) -> Result<Arc<dyn Source>> {
    open_any(path_text).map(|opened| opened.source)
}

/// An array, and what is known of it besides its elements.
pub struct Packed {
    /// The array; it gives elements as they are stored.
    pub source: Arc<dyn Source>,
    /// How they become the values they stand for, if they are packed.
    pub packing: Option<CfPacking>,
    /// Where it lies and what it says of itself, if it is an array of a Zarr store.
    pub origin: Option<ZarrOrigin>,
}

/// As [`open`], and how the values of the array are packed. The source gives them as they are stored; `?cf=off` says that they are
/// meant so.
pub fn open_packed(path_text: &str) -> Result<Packed> {
    let Any { source, packing, origin } = open_any(path_text)?;
    Ok(Packed { source, packing: packing?, origin })
}

/// What a path names, and how it is packed, if that can be told.
struct Any {
    source: Arc<dyn Source>,
    packing: Result<Option<CfPacking>>,
    origin: Option<ZarrOrigin>,
}

impl Any {
    fn plain(source: Arc<dyn Source>) -> Self {
        Any { source, packing: Ok(None), origin: None }
    }
}

fn open_any(path_text: &str) -> Result<Any> {
    object::refuse_unknown(path_text)?;
    let (path, query) = split(path_text)?;
    // What a name inside of a file ends with is no extension.
    if split_part(path).is_some() {
        return Ok(Any::plain(open_dense(path_text)?));
    }
    if let Some(paths) = joined::files(path)? {
        return Ok(Any::plain(Arc::new(joined::open_files(path_text, &paths, query)?)));
    }
    match zarr::open(path)? {
        Some(Opened::Array(source)) => open_zarr(path_text, query, *source),
        Some(Opened::Group(group)) => Err(group.refusal(path)),
        None => Ok(Any::plain(open_dense(path_text)?)),
    }
}

/// Opens a file of elements.
fn open_dense(path_text: &str) -> Result<Arc<dyn Source>> {
    let (path, query) = split(path_text)?;
    if extension(path) == "npy" && split_part(path).is_none() {
        let query = Query::parse(path_text, query)?;
        if let Some(key) = query.raw_key.or(query.cf.map(|_| "cf".to_string())) {
            return Err(Error::usage(format!("{path_text}: `{key}` is what the header of an npy file says"))
                .hint("keys of npy files are dtype and dims"));
        }
        return Ok(Arc::new(npy::open(Path::new(path), &NpyOptions { dtype: query.dtype, dims: query.dims })?));
    }
    if let Some(source) = open_framed(path_text, path, query)? {
        return Ok(source);
    }
    let layout = Query::parse(path_text, query)?;
    let Some(dtype) = layout.dtype else {
        // A missing file is the nearer trouble.
        if object::is_object(Path::new(path)) {
            return Err(Error::usage(format!("cannot tell what {path} holds: its name has none of the known endings")).hint(RAW_EXAMPLE));
        }
        if let Err(error) = std::fs::metadata(path) {
            return Err(Error::io("open", path, error));
        }
        if Path::new(path).is_dir() {
            return Err(Error::usage(format!("{path} is a directory, not a file of array data")).hint("name a file inside it"));
        }
        return Err(
            Error::usage(format!("cannot tell what {path} holds: known are .npy files, and raw binary with a query")).hint(RAW_EXAMPLE)
        );
    };
    let layout = RawLayout {
        dtype,
        shape: layout.shape.unwrap_or_else(|| vec![-1]),
        offset_bytes: layout.offset_bytes,
        order: layout.order,
        swapped: layout.swapped.unwrap_or(false),
        dims: layout.dims,
    };
    Ok(Arc::new(raw::open(Path::new(path), &layout)?))
}

fn open_zarr(path_text: &str, query: Option<&str>, source: ZarrSource) -> Result<Any> {
    let path = PathBuf::from(split(path_text)?.0);
    let query = Query::parse(path_text, query)?;
    if query.dtype.is_some() || query.raw_key.is_some() {
        let key = query.raw_key.as_deref().unwrap_or("dtype");
        return Err(Error::usage(format!("{path_text}: `{key}` is what the metadata of a Zarr array say"))
            .hint("the keys of Zarr arrays are dims and cf"));
    }
    let is_raw = query.cf == Some(false);
    let packing = if is_raw { Ok(None) } else { source.packing() };
    let attributes = source.attributes(is_raw);
    let dims = query.dims.map(|dims| npy::dims_of(path_text, Some(&dims), &source.facts().shape)).transpose()?;
    let source = if let Some(dims) = dims { source.with_dims(dims) } else { source };
    let origin = ZarrOrigin { path, attributes, dims: source.facts().dims.clone() };
    Ok(Any { source: Arc::new(source), packing, origin: Some(origin) })
}

/// Opens what its extension says to hold vectors or several arrays, unless a query gives raw elements.
fn open_framed(path_text: &str, path: &str, query: Option<&str>) -> Result<Option<Arc<dyn Source>>> {
    // A file whose name has the `#` in it wins.
    let (file, part) = match split_part(path).or_else(|| path.rsplit_once('#')) {
        Some((file, part)) if !Path::new(path).exists() => (file, Some(part)),
        _ => (path, None),
    };
    let end = extension(file);
    let (format, table) = (VectorFormat::of_extension(&end), TableFormat::of_extension(&end));
    if format.is_none() && table.is_none() && !matches!(end.as_str(), "safetensors" | "npz") {
        return Ok(None);
    }
    let query = Query::parse(path_text, query)?;
    let is_raw = query.raw_key.is_some() || (query.dtype.is_some() && end != "npz");
    if is_raw && part.is_none() {
        return Ok(None);
    }
    let (place, dims) = (Path::new(file), query.dims.as_ref());
    if let Some(table) = table {
        if object::is_object(place) {
            return Err(Error::usage(format!("{path_text}: tables are read from files, not from objects")).hint("download it first"));
        }
        return columns::open(place, table, part, dims).map(Some);
    }
    match (format, end.as_str()) {
        (Some(_), _) if part.is_some() => {
            Err(Error::usage(format!("{path_text}: a .{end} file holds one array, which has no name")).hint(format!("open it as `{file}`")))
        }
        (Some(format), _) => vectors::open(place, format, dims),
        (None, "npz") => tensors::open_npz(place, part, query.dtype, dims),
        (None, _) => tensors::open_safetensors(place, part, dims),
    }
    .map(Some)
}

/// Starts the array that `path_text` names; the extension tells the format: `.npy`, `.safetensors`, `.arrow`, vector files, `.bin` and `.raw` without a
/// header, `.zarr`. C order, native bytes. `x.npy?append=0` puts the rows behind those that are there.
pub fn create(path_text: &str, dtype: DType, shape: &[usize], mode: OutputMode) -> Result<Arc<dyn Target>> {
    create_with(path_text, dtype, shape, mode, &ZarrOptions::default())
}

/// As [`create`]. A Zarr array is laid out as `options` say, and as the query of its path says on top:
/// `out.zarr?chunks=4096,128&shards=65536,128&codec=zstd:3&version=3&dims=row,_`.
pub fn create_with(path_text: &str, dtype: DType, shape: &[usize], mode: OutputMode, options: &ZarrOptions) -> Result<Arc<dyn Target>> {
    object::refuse_unknown(path_text)?;
    if let Some((path, options)) = zarr_output(path_text, options)? {
        return Ok(Arc::new(zarr::create(Path::new(path), path, dtype, shape, mode, &options)?));
    }
    if let Some(path) = split_append(path_text) {
        return append(Path::new(path), dtype, shape);
    }
    let path = Path::new(path_text);
    if object::scheme_of(path_text).is_some() && !path.exists() {
        return create_object(path_text, dtype, shape, mode);
    }
    // `x.safetensors#name` names the tensor, `x.arrow#name` the column.
    let (file, part) = part_of(path_text).unwrap_or((path_text, "array"));
    if file.contains('*') && !path.exists() {
        return Err(Error::usage(format!("cannot write {path_text}: an output is one file")).hint("name it without `*`"));
    }
    if part.rsplit_once('?').is_some_and(|(_, query)| query.contains('=')) {
        return Err(Error::usage(format!(
            "cannot write {path_text}: `{part}` could not be opened again, what follows its `?` would be a query"
        ))
        .hint("a name without `?`"));
    }
    let end = extension(file);
    if let Some(table) = TableFormat::of_extension(&end) {
        return columns::create(Path::new(file), table, part, dtype, shape, mode);
    }
    match end.as_str() {
        "npy" => Ok(Arc::new(npy::create(path, dtype, shape, mode)?)),
        "bin" | "raw" => Ok(Arc::new(raw::create(path, dtype, shape, mode)?)),
        "safetensors" => Ok(Arc::new(tensors::create_safetensors(Path::new(file), part, dtype, shape, mode)?)),
        _ if path.is_dir() => Err(Error::output(format!("cannot write {path_text}: it is a directory")).hint("name a file inside it")),
        end => match VectorFormat::of_extension(end) {
            Some(format) => vectors::create(path, format, dtype, shape, mode),
            None => Err(refuse_format(path_text)),
        },
    }
}

/// The error of an output whose ending is none that is known, if the query is not what makes it so.
fn refuse_format(path_text: &str) -> Error {
    let known = |path: &str| {
        let end = extension(path);
        matches!(end.as_str(), "npy" | "bin" | "raw" | "safetensors") || VectorFormat::of_extension(&end).is_some()
    };
    match path_text.rsplit_once('?').filter(|(path, _)| known(path)) {
        Some((path, query)) if query.starts_with("append=") && extension(path) != "npy" => {
            Error::usage(format!("cannot append to {path}: rows are appended to .npy files and Zarr arrays"))
                .hint(format!("a file of its own; `'*.{0}'` opens all of them as one array", extension(path)))
        }
        Some((path, query)) => Error::usage(format!("cannot write {path_text}: an output .{} takes no query `{query}`", extension(path)))
            .hint("`astype(x, f16)` or `convert --dtype` for another dtype, `?append=0` for rows behind those of an .npy file"),
        None => Error::usage(format!("cannot tell the format of the output {path_text} from its extension")).hint(OUTPUTS_KNOWN),
    }
}

/// File and name inside of it, of `x.safetensors#layer.npy`: the name is all that follows the first `#` behind a file that may hold several
/// arrays, whatever is in it. `None` for other paths, and for a file that exists under the whole name.
pub(super) fn split_part(path: &str) -> Option<(&str, &str)> {
    part_of(path).filter(|_| !Path::new(path).exists())
}

/// As [`split_part`], of an output, which need not exist.
fn part_of(path: &str) -> Option<(&str, &str)> {
    let has_parts =
        |file: &str| matches!(extension(file).as_str(), "safetensors" | "npz") || TableFormat::of_extension(&extension(file)).is_some();
    path.match_indices('#').map(|(at, _)| (&path[..at], &path[at + 1..])).find(|(file, _)| has_parts(file))
}

/// How an output that lies in chunks wants to be written; see [`Target::chunk`] and [`Target::write_scratch_bytes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputChunks {
    /// The box that has one writer.
    pub chunk: Vec<usize>,
    /// What a write holds besides its argument.
    pub scratch_bytes: u64,
}

/// The chunks of what [`create_with`] would start with the same arguments, without making anything; `None` for outputs without any.
pub fn output_chunks(path_text: &str, dtype: DType, shape: &[usize], options: &ZarrOptions) -> Result<Option<OutputChunks>> {
    let Some((path, options)) = zarr_output(path_text, options)? else { return Ok(None) };
    zarr::chunks_of(Path::new(path), path, dtype, shape, &options).map(Some)
}

/// Goes on with an output that a job left unfinished; [`create_with`] started it with the same arguments. `None` if there is none like
/// that.
///
/// [`Hold::Shared`]: one that this process writes with others, and neither removes nor publishes.
pub fn reopen(
    path_text: &str,
    dtype: DType,
    shape: &[usize],
    mode: OutputMode,
    options: &ZarrOptions,
    hold: Hold,
) -> Result<Option<Arc<dyn Target>>> {
    if let Some((path, options)) = zarr_output(path_text, options)? {
        let found = zarr::reopen(Path::new(path), path, dtype, shape, mode, &options, hold)?;
        return Ok(found.map(|target| Arc::new(target) as Arc<dyn Target>));
    }
    let path = Path::new(path_text);
    if object::is_object(path) {
        return Ok(None);
    }
    let found = match extension(path_text).as_str() {
        "npy" => npy::reopen(path, dtype, shape, mode, hold)?,
        "bin" | "raw" => raw::reopen(path, dtype, shape, mode, hold)?,
        _ => None,
    };
    Ok(found.map(|target| Arc::new(target) as Arc<dyn Target>))
}

/// Path and options of an output that is a Zarr array, its query on top; `None` for any other output.
pub fn zarr_output<'a>(path_text: &'a str, options: &ZarrOptions) -> Result<Option<(&'a str, ZarrOptions)>> {
    let Some((path, query)) = split_zarr_output(path_text) else { return Ok(None) };
    Ok(Some((path, options.clone().with_query(path_text, query.unwrap_or_default())?)))
}

/// Path and query of an output that is a Zarr array; `None` for any other output.
#[must_use]
pub fn split_zarr_output(path_text: &str) -> Option<(&str, Option<&str>)> {
    let (path, query) = match path_text.rsplit_once('?') {
        Some((path, query)) if !Path::new(path_text).exists() => (path, Some(query)),
        _ => (path_text, None),
    };
    (zarr::is_zarr(Path::new(path)) && part_of(path_text).is_none()).then_some((path, query))
}

/// Starts an array that is an object.
fn create_object(url: &str, dtype: DType, shape: &[usize], mode: OutputMode) -> Result<Arc<dyn Target>> {
    object::check_writable(url)?;
    match extension(url).as_str() {
        "npy" => Ok(Arc::new(sent::create_npy(url, dtype, shape, mode)?)),
        end => Err(Error::usage(format!("cannot write {url}: objects `.{end}` are not written")).hint("written are .zarr and .npy")),
    }
}

/// Path and query. The query begins at the last `?`, unless there is a file of that whole name.
fn split(path_text: &str) -> Result<(&str, Option<&str>)> {
    if path_text.is_empty() {
        return Err(Error::usage("the path of an input is empty"));
    }
    match path_text.rsplit_once('?') {
        // `x.safetensors#what?` ends with the name of a tensor.
        Some((path, query)) if !query.contains('=') && part_of(path).is_some() && !Path::new(path_text).exists() => Ok((path_text, None)),
        Some((path, query)) if !Path::new(path_text).exists() => Ok((path, Some(query))),
        _ => Ok((path_text, None)),
    }
}

fn extension(path: &str) -> String {
    Path::new(path).extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

#[derive(Default)]
struct Query {
    dtype: Option<DType>,
    dims: Option<Dims>,
    shape: Option<Vec<i64>>,
    offset_bytes: u64,
    order: Order,
    swapped: Option<bool>,
    /// Whether packed values are to be decoded.
    cf: Option<bool>,
    /// A key that only raw files have.
    raw_key: Option<String>,
}

impl Query {
    fn parse(path_text: &str, query: Option<&str>) -> Result<Self> {
        let mut found = Query::default();
        let mut seen: Vec<&str> = Vec::new();
        for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
            let (key, value) = part
                .split_once('=')
                .ok_or_else(|| Error::usage(format!("{path_text}: `{part}` is not `key=value`")).hint(format!("keys are {QUERY_KEYS}")))?;
            if seen.contains(&key) {
                return Err(Error::usage(format!("{path_text}: `{key}` is given twice")));
            }
            seen.push(key);
            found.set(key, value).map_err(|error| error.context(path_text))?;
        }
        Ok(found)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let bad = |want: &str| Error::usage(format!("`{key}={value}`: {want}"));
        if !matches!(key, "dtype" | "dims" | "cf") {
            self.raw_key.get_or_insert(key.to_string());
        }
        match key {
            "dtype" => {
                self.dtype = Some(value.parse()?);
                match value.chars().next() {
                    Some('<') => self.set_endian(Endian::Little)?,
                    Some('>') => self.set_endian(Endian::Big)?,
                    _ => {}
                }
            }
            "cf" => {
                self.cf = Some(match value {
                    "on" => true,
                    "off" => false,
                    _ => return Err(bad("on or off")),
                });
            }
            "dims" => self.dims = Some(parse_dims(value)?),
            "shape" => self.shape = Some(parse_shape(value).ok_or_else(|| bad("lengths with commas between, as in `-1,128`"))?),
            "offset" => self.offset_bytes = value.parse().map_err(|_| bad("a number of bytes"))?,
            "order" => {
                self.order = match value {
                    "C" | "c" => Order::C,
                    "F" | "f" => Order::Fortran,
                    _ => return Err(bad("C (the last axis varies fastest) or F (the first does)")),
                }
            }
            "endian" => {
                let endian = match value {
                    "little" => Endian::Little,
                    "big" => Endian::Big,
                    _ => return Err(bad("big or little")),
                };
                self.set_endian(endian)?;
            }
            _ => return Err(Error::usage(format!("unknown key `{key}`")).hint(format!("keys are {QUERY_KEYS}; {RAW_EXAMPLE}"))),
        }
        Ok(())
    }

    fn set_endian(&mut self, endian: Endian) -> Result<()> {
        let swapped = (endian == Endian::Big) == cfg!(target_endian = "little");
        match self.swapped.replace(swapped) {
            Some(other) if other != swapped => Err(Error::usage("`endian` contradicts the byte order of `dtype`")),
            _ => Ok(()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Endian {
    Little,
    Big,
}

/// `4,3`, `4,`, `(4, 3)`, or nothing at all for an array of no axes.
fn parse_shape(text: &str) -> Option<Vec<i64>> {
    let bare = text.trim().trim_start_matches('(').trim_end_matches(')');
    let bare = bare.strip_suffix(',').unwrap_or(bare);
    if bare.trim().is_empty() {
        return Some(Vec::new());
    }
    bare.split(',').map(|length| length.trim().parse().ok()).collect()
}

/// Names with commas between; `_` leaves an axis unnamed.
pub(super) fn parse_dims(text: &str) -> Result<Dims> {
    let names: Vec<Option<&str>> = text.split(',').map(str::trim).map(|name| (name != "_").then_some(name)).collect();
    if names.contains(&Some("")) {
        return Err(Error::usage(format!("`dims={text}` has an empty axis name")).hint("`_` leaves an axis unnamed"));
    }
    Dims::named(names.iter().flatten())?;
    Ok(Dims(names.into_iter().map(|name| name.map(Arc::from)).collect()))
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
