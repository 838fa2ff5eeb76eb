//! The laws of sources on every array of `data/zarr`, and what broken stores say.

use super::*;
use crate::{
    error::Result,
    nd::{DType, Scalar},
    store::{Source, suite},
};
use std::path::{Path, PathBuf};

pub(super) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/zarr")
}

pub(super) fn array(path: &Path) -> Result<ZarrSource> {
    match open(path.to_str().unwrap())? {
        Some(Opened::Array(source)) => Ok(*source),
        other => panic!("{} is no array: {other:?}", path.display()),
    }
}

/// Path, dtype and bytes of every array that is listed.
fn listed() -> Vec<(String, DType, Vec<usize>, Vec<u8>)> {
    let text = std::fs::read_to_string(data().join("arrays.txt")).unwrap();
    text.lines().map(expected).collect()
}

fn expected(line: &str) -> (String, DType, Vec<usize>, Vec<u8>) {
    let [path, dtype, shape, fill, written] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let dtype: DType = dtype.parse().unwrap();
    let shape: Vec<usize> = if shape == "-" { Vec::new() } else { shape.split('x').map(|length| length.parse().unwrap()).collect() };
    let fill =
        metadata::fill_bytes(&serde_json::from_str(&fill.to_lowercase()).unwrap_or(fill.replace("nan", "NaN").into()), dtype).unwrap();
    let ends = |range: &str| range.split_once(':').map(|(start, stop)| start.parse().unwrap()..stop.parse().unwrap()).unwrap();
    let written: Vec<std::ops::Range<usize>> = match written {
        "all" => shape.iter().map(|&length| 0..length).collect(),
        "none" => shape.iter().map(|_| 0..0).collect(),
        ranges => ranges.split(',').map(ends).collect(),
    };
    let mut bytes = Vec::new();
    for index in 0..shape.iter().product::<usize>() {
        let place = shard::coordinates(index, &shape);
        if place.iter().zip(&written).any(|(at, range)| !range.contains(at)) {
            bytes.extend(&fill);
            continue;
        }
        let number = ((7 * index + 3) % 241) as i128;
        let scalar = match dtype {
            DType::Bool => Scalar::Bool(number % 2 == 1),
            _ if dtype.is_float() => Scalar::Float((number - 120) as f64 / 4.0),
            _ if dtype.is_unsigned() => Scalar::Int(number),
            _ => Scalar::Int(number - 120),
        };
        bytes.extend(scalar.to_bytes(dtype));
    }
    (path.to_string(), dtype, shape, bytes)
}

/// Bytes of native elements in the byte order of a source.
fn in_order_of(source: &ZarrSource, mut bytes: Vec<u8>) -> Vec<u8> {
    if source.facts().swapped {
        bytes.chunks_mut(source.facts().dtype.size()).for_each(<[u8]>::reverse);
    }
    bytes
}

#[test]
fn every_array_keeps_the_laws() {
    let mut count = 0;
    for (path, dtype, shape, bytes) in listed() {
        println!("{path}");
        let source = array(&data().join(&path)).unwrap();
        assert_eq!((source.facts().dtype, &source.facts().shape), (dtype, &shape), "{path}");
        suite::check_source(&source, &in_order_of(&source, bytes));
        count += 1;
    }
    assert!(count > 100);
}

/// Writes the keys of a store in memory into a folder.
fn dump(store: &zarrs::storage::store::MemoryStore, folder: &Path) {
    use zarrs::storage::{ListableStorageTraits, ReadableStorageTraits};
    for key in store.list().unwrap() {
        let path = folder.join(key.as_str());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, store.get(&key).unwrap().unwrap()).unwrap();
    }
}

#[test]
fn stores_that_zarrs_wrote_keep_the_laws() {
    use std::sync::Arc;
    use zarrs::{
        array::{
            ArrayBuilder,
            codec::{
                BloscCodec, BloscCompressor, BloscShuffleMode, Bz2Codec, Crc32cCodec, GzipCodec, PackBitsCodec, ReshapeCodec, SqueezeCodec,
                TransposeCodec, ZlibCodec, ZstdCodec,
            },
            data_type,
        },
        storage::store::MemoryStore,
    };
    let (shape, count) = ([23u64, 1, 30], 690usize);
    let integers: Vec<i16> = (0..count).map(|index| (index * 7 % 241) as i16 - 120).collect();
    let bools: Vec<bool> = (0..count).map(|index| index * 7 % 3 == 1).collect();
    type Change = fn(&mut ArrayBuilder);
    let cases: &[(&str, Change)] = &[
        ("plain", |_| {}),
        ("zstd", |builder| {
            builder.bytes_to_bytes_codecs(vec![Arc::new(ZstdCodec::new(3, true))]);
        }),
        ("gzip crc", |builder| {
            builder.bytes_to_bytes_codecs(vec![Arc::new(GzipCodec::new(5).unwrap()), Arc::new(Crc32cCodec::new())]);
        }),
        ("zlib bz2", |builder| {
            builder.bytes_to_bytes_codecs(vec![
                Arc::new(ZlibCodec::new(5u32.try_into().unwrap())),
                Arc::new(Bz2Codec::new(5u32.try_into().unwrap())),
            ]);
        }),
        ("blosc snappy", |builder| {
            let codec = BloscCodec::new(BloscCompressor::Snappy, 5.try_into().unwrap(), None, BloscShuffleMode::BitShuffle, Some(2));
            builder.bytes_to_bytes_codecs(vec![Arc::new(codec.unwrap())]);
        }),
        ("shards", |builder| {
            builder.subchunk_shape(vec![5, 1, 4]).bytes_to_bytes_codecs(vec![Arc::new(ZstdCodec::new(1, false))]);
        }),
        ("transpose", |builder| {
            let order = zarrs::array::codec::TransposeOrder::new(&[2, 0, 1]).unwrap();
            builder.array_to_array_codecs(vec![Arc::new(TransposeCodec::new(order))]);
        }),
        ("squeeze", |builder| {
            builder.array_to_array_codecs(vec![Arc::new(SqueezeCodec::new())]);
        }),
        ("reshape", |builder| {
            let shape = serde_json::from_str("[[0], [1, 2]]").unwrap();
            builder
                .array_to_array_codecs(vec![Arc::new(ReshapeCodec::new(shape))])
                .bytes_to_bytes_codecs(vec![Arc::new(ZstdCodec::new(1, false))]);
        }),
        ("packbits", |builder| {
            builder.array_to_bytes_codec(Arc::new(PackBitsCodec::default()));
        }),
    ];
    for (name, change) in cases {
        println!("{name}");
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(MemoryStore::new());
        let is_bool = *name == "packbits";
        let mut builder = if is_bool {
            ArrayBuilder::new(shape.to_vec(), vec![10, 1, 12], data_type::bool(), zarrs::array::FillValue::from(false))
        } else {
            ArrayBuilder::new(shape.to_vec(), vec![10, 1, 12], data_type::int16(), 9i16)
        };
        change(&mut builder);
        let made = builder.build(store.clone(), "/").unwrap();
        made.store_metadata().unwrap();
        let all = [0..23u64, 0..1, 0..30];
        let bytes: Vec<u8> = if is_bool {
            made.store_array_subset(&all, &bools[..]).unwrap();
            bools.iter().map(|&element| u8::from(element)).collect()
        } else {
            made.store_array_subset(&all, &integers[..]).unwrap();
            integers.iter().flat_map(|element| element.to_ne_bytes()).collect()
        };
        dump(&store, folder.path());
        suite::check_source(&array(folder.path()).unwrap(), &bytes);
    }
}
