//! The metadata of arrays and groups as text.

use super::{codec::Codec, layout::Layout, options::ZarrVersion};
use crate::{
    nd::{DType, Dims},
    store::zarr::cf::fill_attribute,
};
use serde_json::{Map, Value, json};

/// A metadata file: its name and its text.
pub(super) type MetadataFile = (&'static str, String);

/// What the metadata of an array says.
pub(super) struct ArrayFacts<'a> {
    pub layout: &'a Layout,
    pub dtype: DType,
    pub codec: Codec,
    pub dims: &'a Dims,
    pub attributes: &'a Map<String, Value>,
}

impl ArrayFacts<'_> {
    /// The files that make a folder an array of `version`.
    pub fn files(&self, version: ZarrVersion) -> Vec<MetadataFile> {
        match version {
            ZarrVersion::V3 => vec![("zarr.json", text(&self.v3()))],
            ZarrVersion::V2 => vec![(".zattrs", text(&self.attributes_v2().into())), (".zarray", text(&self.v2()))],
        }
    }

    fn attributes(&self, version: ZarrVersion) -> Map<String, Value> {
        let mut attributes = self.attributes.clone();
        if let Some(fill) = attributes.get_mut("_FillValue") {
            *fill = fill_attribute(fill, self.dtype, version == ZarrVersion::V3);
        }
        attributes
    }

    fn v3(&self) -> Value {
        let bytes = match self.dtype.size() {
            1 => json!({"name": "bytes"}),
            _ => json!({"name": "bytes", "configuration": {"endian": ENDIAN}}),
        };
        let mut chain = vec![bytes.clone()];
        chain.extend(self.codec.v3(self.dtype));
        let codecs = match &self.layout.shard {
            None => chain,
            Some(_) => vec![json!({"name": "sharding_indexed", "configuration": {
                "chunk_shape": self.layout.chunk,
                "codecs": chain,
                "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
                "index_location": "end",
            }})],
        };
        let mut metadata = json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": self.layout.shape,
            "data_type": self.dtype.numpy_name(),
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": self.layout.file()}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": fill_value(self.dtype),
            "codecs": codecs,
            "attributes": self.attributes(ZarrVersion::V3),
        });
        if !self.dims.is_unnamed() {
            metadata["dimension_names"] = json!(self.dims.0.iter().map(Option::as_deref).collect::<Vec<_>>());
        }
        metadata
    }

    fn v2(&self) -> Value {
        json!({
            "zarr_format": 2,
            "shape": self.layout.shape,
            "chunks": self.layout.chunk,
            "dtype": dtype_v2(self.dtype),
            "compressor": self.codec.v2(),
            // xarray takes a fill value of version 2 for the mark of missing values; without one every chunk is written.
            "fill_value": null,
            "order": "C",
            "filters": null,
            "dimension_separator": ".",
        })
    }

    /// Version 2 names axes by an attribute. It has no place for an axis without a name, so all have one or none has.
    fn attributes_v2(&self) -> Map<String, Value> {
        let mut attributes = self.attributes(ZarrVersion::V2);
        attributes.remove("_ARRAY_DIMENSIONS");
        let names: Option<Vec<&str>> = self.dims.0.iter().map(Option::as_deref).collect();
        if let Some(names) = names.filter(|names| !names.is_empty()) {
            attributes.insert("_ARRAY_DIMENSIONS".to_string(), json!(names));
        }
        attributes
    }
}

const ENDIAN: &str = if cfg!(target_endian = "big") { "big" } else { "little" };

fn fill_value(dtype: DType) -> Value {
    match dtype {
        DType::Bool => json!(false),
        float if float.is_float() => json!(0.0),
        _ => json!(0),
    }
}

/// NumPy's code: `<f4`, `|u1`.
fn dtype_v2(dtype: DType) -> String {
    let order = match dtype.size() {
        1 => '|',
        _ if cfg!(target_endian = "big") => '>',
        _ => '<',
    };
    let letter = match dtype {
        DType::Bool => 'b',
        float if float.is_float() => 'f',
        unsigned if unsigned.is_unsigned() => 'u',
        _ => 'i',
    };
    format!("{order}{letter}{}", dtype.size())
}

/// The files that make a folder a group of `version`.
pub(super) fn group_files(version: ZarrVersion) -> Vec<MetadataFile> {
    match version {
        ZarrVersion::V3 => vec![("zarr.json", text(&json!({"zarr_format": 3, "node_type": "group", "attributes": {}})))],
        ZarrVersion::V2 => vec![(".zgroup", text(&json!({"zarr_format": 2})))],
    }
}

pub(super) fn text(value: &Value) -> String {
    // A value that was made here has no key that JSON cannot have.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
