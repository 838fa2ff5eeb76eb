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

#[test]
fn every_array_keeps_the_laws() {
    let mut count = 0;
    for (path, dtype, shape, bytes) in listed() {
        println!("{path}");
        let source = array(&data().join(&path)).unwrap();
        assert_eq!((source.facts().dtype, &source.facts().shape), (dtype, &shape), "{path}");
        suite::check_source(&source, &bytes);
        count += 1;
    }
    assert!(count > 100);
}
