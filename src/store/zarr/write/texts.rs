//! Arrays of texts along one axis, as coordinates: `string` in version 3, objects with the filter `vlen-utf8` in version 2.

use super::{
    consolidated,
    groups::{self, version_of_store},
    metadata::{MetadataFile, text},
    options::ZarrVersion,
    shard::failed,
};
use crate::{
    error::{Error, Result},
    store::{
        output::{OutputMode, sync_folder},
        zarr::publish::PartFolder,
    },
};
use serde_json::{Map, Value, json};
use std::{fs::File, io::Write, path::Path};

/// Texts of a chunk.
const CHUNK: usize = 65_536;
const LEVEL: i32 = 3;

/// Writes an array of texts at `place`, whole or not at all. `dim` is the name of its axis.
pub fn create_texts(place: &Path, dim: Option<&str>, texts: &[String], attributes: &Map<String, Value>) -> Result<()> {
    let called = place.display().to_string();
    let version = version_of_store(place, &called)?.unwrap_or(ZarrVersion::V3);
    groups::make(place, &called, version)?;
    let written = write(place, &called, dim, texts, attributes, version);
    match written {
        Ok(()) => groups::keep(place),
        Err(_) => groups::give_up(place),
    }
    written.and_then(|()| consolidated::update(place))
}

fn write(
    place: &Path,
    called: &str,
    dim: Option<&str>,
    texts: &[String],
    attributes: &Map<String, Value>,
    version: ZarrVersion,
) -> Result<()> {
    let folder = PartFolder::begin(place.to_path_buf(), called, OutputMode::CreateNew)?;
    let root = folder.path();
    let put = |key: String, bytes: &[u8]| {
        let path = root.join(key);
        let written = File::create(&path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
        written.map_err(|error| failed("write", &path, error))
    };
    let chunks = root.join("c");
    if version == ZarrVersion::V3 {
        std::fs::create_dir(&chunks).map_err(|error| failed("make", &chunks, error))?;
    }
    let chunk = chunk_of(texts.len());
    for (number, part) in texts.chunks(chunk).enumerate() {
        let key = if version == ZarrVersion::V3 { format!("c/{number}") } else { number.to_string() };
        put(key, &encode(part, chunk).map_err(|error| Error::internal(format!("texts cannot be encoded: {error}")))?)?;
    }
    for (key, content) in files(dim, texts.len(), attributes, version) {
        put(key.to_string(), content.as_bytes())?;
    }
    for folder in [&chunks, root].into_iter().filter(|folder| folder.is_dir()) {
        sync_folder(folder).map_err(|error| failed("sync", folder, error))?;
    }
    folder.publish()
}

/// Texts of a chunk of so many in all.
fn chunk_of(length: usize) -> usize {
    length.clamp(1, CHUNK)
}

/// Number of the texts of a whole chunk, each behind its length, compressed. What the array does not have of it are empty texts.
fn encode(texts: &[String], chunk: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = (chunk as u32).to_le_bytes().to_vec();
    let none = String::new();
    for text in texts.iter().chain(std::iter::repeat(&none)).take(chunk) {
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    zstd::bulk::compress(&bytes, LEVEL)
}

/// The files that make a folder an array of texts.
fn files(dim: Option<&str>, length: usize, attributes: &Map<String, Value>, version: ZarrVersion) -> Vec<MetadataFile> {
    let chunk = chunk_of(length);
    if version == ZarrVersion::V3 {
        let array = json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": [length],
            "data_type": "string",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [chunk]}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": "",
            "codecs": [{"name": "vlen-utf8"}, {"name": "zstd", "configuration": {"level": LEVEL, "checksum": false}}],
            "dimension_names": [dim],
            "attributes": attributes,
        });
        return vec![("zarr.json", text(&array))];
    }
    let array = json!({
        "zarr_format": 2,
        "shape": [length],
        "chunks": [chunk],
        "dtype": "|O",
        "compressor": {"id": "zstd", "level": LEVEL, "checksum": false},
        // xarray takes a fill value of version 2 for the mark of missing values.
        "fill_value": null,
        "order": "C",
        "filters": [{"id": "vlen-utf8"}],
        "dimension_separator": ".",
    });
    let mut attributes = attributes.clone();
    if let Some(dim) = dim {
        attributes.insert("_ARRAY_DIMENSIONS".to_string(), json!([dim]));
    }
    vec![(".zattrs", text(&attributes.into())), (".zarray", text(&array))]
}
