//! Zarr stores that zarr-python wrote (`data/zarr`), read through the public API and compared with the formula that made them.

use crate::cli_support::Folder;
use outcore::{
    AnyArray, DType, ErrorKind, Session,
    nd::{Scalar, SliceItem},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/zarr")
}

/// A line of `arrays.txt`.
struct Listed {
    path: String,
    dtype: DType,
    shape: Vec<usize>,
    fill: Scalar,
    /// The box that was written.
    written: Option<Vec<(usize, usize)>>,
}

fn listed() -> Vec<Listed> {
    let text = fs::read_to_string(data().join("arrays.txt")).unwrap();
    text.lines().map(line).collect()
}

fn line(line: &str) -> Listed {
    let [path, dtype, shape, fill, written] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let dtype: DType = dtype.parse().unwrap();
    let shape: Vec<usize> = if shape == "-" { Vec::new() } else { shape.split('x').map(|length| length.parse().unwrap()).collect() };
    let fill = match fill {
        "False" => Scalar::Bool(false),
        "NaN" | "nan" => Scalar::Float(f64::NAN),
        "-Infinity" => Scalar::Float(f64::NEG_INFINITY),
        number => Scalar::Int(number.parse().unwrap()),
    };
    let ends = |range: &str| range.split_once(':').map(|(start, stop)| (start.parse().unwrap(), stop.parse().unwrap())).unwrap();
    let written = match written {
        "all" => None,
        "none" => Some(shape.iter().map(|_| (0, 0)).collect()),
        ranges => Some(ranges.split(',').map(ends).collect()),
    };
    Listed { path: path.to_string(), dtype, shape, fill, written }
}

impl Listed {
    /// The bytes of the element at a place.
    fn element(&self, at: &[usize]) -> Vec<u8> {
        if self.written.as_ref().is_some_and(|ranges| ranges.iter().zip(at).any(|((start, stop), at)| at < start || at >= stop)) {
            return self.fill.to_bytes(self.dtype);
        }
        let index = at.iter().zip(&self.shape).fold(0, |index, (at, length)| index * length + at);
        let number = ((7 * index + 3) % 241) as i128;
        let scalar = match self.dtype {
            DType::Bool => Scalar::Bool(number % 2 == 1),
            dtype if dtype.is_float() => Scalar::Float((number - 120) as f64 / 4.0),
            dtype if dtype.is_unsigned() => Scalar::Int(number),
            _ => Scalar::Int(number - 120),
        };
        scalar.to_bytes(self.dtype)
    }

    /// Compares with the elements that `start + step * i` picks along each axis.
    fn check(&self, got: &AnyArray, picks: &[(usize, isize)]) {
        assert_eq!(got.dtype(), self.dtype, "{}", self.path);
        let size = self.dtype.size();
        let is_nan = |bytes: &[u8]| self.dtype == DType::F32 && f32::from_ne_bytes(bytes.try_into().unwrap()).is_nan();
        for place in 0..got.len() {
            let mut rest = place;
            let mut at = vec![0; picks.len()];
            for axis in (0..picks.len()).rev() {
                let within = (rest % got.shape()[axis]) as isize;
                at[axis] = (picks[axis].0 as isize + within * picks[axis].1) as usize;
                rest /= got.shape()[axis];
            }
            let (found, wanted) = (&got.bytes()[place * size..][..size], self.element(&at));
            assert!(found == wanted || is_nan(found) && is_nan(&wanted), "{} at {at:?}: {found:?}, not {wanted:?}", self.path);
        }
    }
}

fn range(start: i64, stop: i64, step: i64) -> SliceItem {
    SliceItem::Range { start: Some(start), stop: Some(stop), step }
}

#[test]
fn every_array_reads_as_it_was_written() {
    let sessions =
        [("64MiB", 2), ("24MiB", 1)].map(|(memory, threads)| Session::builder().memory(memory).threads(threads).build().unwrap());
    let mut arrays = 0;
    for listed in listed() {
        let path = data().join(&listed.path);
        for session in &sessions {
            let array = session.open(&path);
            assert_eq!(array.shape().unwrap(), listed.shape, "{}", listed.path);
            let all = array.eval_any().unwrap_or_else(|error| panic!("{}: {error}", listed.path));
            listed.check(&all, &vec![(0, 1); listed.shape.len()]);
            if listed.shape.len() < 2 || listed.shape.contains(&0) {
                continue;
            }
            let (rows, columns) = (listed.shape[0], listed.shape[1]);
            let inner = vec![range(2, rows as i64, 1), range(1, columns as i64 - 1, 1), SliceItem::Ellipsis];
            let mut picks = vec![(0, 1); listed.shape.len()];
            (picks[0], picks[1]) = ((2, 1), (1, 1));
            listed.check(&array.slice_items(inner).eval_any().unwrap(), &picks);
            let turned = vec![SliceItem::Range { start: None, stop: None, step: -1 }, range(0, columns as i64, 3), SliceItem::Ellipsis];
            (picks[0], picks[1]) = ((rows - 1, -1), (0, 3));
            listed.check(&array.slice_items(turned).eval_any().unwrap(), &picks);
        }
        arrays += 1;
    }
    assert!(arrays > 100, "{arrays} arrays are listed");
}

#[test]
fn names_of_axes_come_along() {
    let session = Session::default_session();
    let dims = |path: &str| session.open(data().join(path)).dims().unwrap().to_string();
    assert_eq!(dims("v3.zarr/layout/named"), "y,_");
    assert_eq!(dims("v3.zarr/layout/twice"), "_,_");
    assert_eq!(dims("v2.zarr/layout/named"), "time,place");
}

#[test]
fn groups_and_missing_arrays_name_what_there_is() {
    let session = Session::default_session();
    let refusal = |path: &str| session.open(data().join(path)).eval_any().unwrap_err();
    let group = refusal("v3.zarr/missing");
    assert!(group.message().ends_with("v3.zarr/missing is a group of arrays, not an array"), "{group}");
    assert!(
        group.hint_text().unwrap().ends_with("v3.zarr/missing/nan, ").eq(&false) && group.to_string().contains("missing/nan"),
        "{group}"
    );
    let missing = refusal("v2.zarr/layout/none");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("v2.zarr/layout/fortran, "), "{missing}");
}

/// Writes an array of one chunk as it is in memory.
fn write_plain(folder: &Path, dtype: &str, shape: &str, attributes: &str, bytes: &[u8]) {
    fs::create_dir_all(folder.join("c")).unwrap();
    let text = format!(
        r#"{{"zarr_format": 3, "node_type": "array", "shape": {shape}, "data_type": "{dtype}", "fill_value": 0, "attributes": {attributes},
        "chunk_grid": {{"name": "regular", "configuration": {{"chunk_shape": {shape}}}}}, "chunk_key_encoding": "default",
        "codecs": [{{"name": "bytes", "configuration": {{"endian": "little"}}}}]}}"#
    );
    fs::write(folder.join("zarr.json"), text).unwrap();
    fs::write(folder.join("c/0"), bytes).unwrap();
}

#[test]
fn packed_values_are_decoded_unless_they_are_not_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed");
    let stored: Vec<u8> = [-999i16, 0, 10, -3].iter().flat_map(|value| value.to_le_bytes()).collect();
    let session = Session::builder().memory("64MiB").build().unwrap();
    let values = |path: &str| session.open(path).eval_any().unwrap();
    let text = path.to_str().unwrap();

    write_plain(&path, "int16", "[4]", r#"{"scale_factor": 0.5, "add_offset": 10.0, "_FillValue": -999}"#, &stored);
    let decoded = values(text);
    let decoded = decoded.as_slice::<f64>().unwrap();
    assert!(decoded[0].is_nan() && decoded[1..] == [10.0, 15.0, 8.5], "{decoded:?}");
    assert_eq!(values(&format!("{text}?cf=off")).as_slice::<i16>().unwrap(), [-999, 0, 10, -3]);
    assert_eq!(session.open(format!("{text}?dims=time")).dims().unwrap().to_string(), "time");
    assert!(session.open(format!("{text}?shape=4")).error().unwrap().message().contains("`shape`"));

    write_plain(&path, "int16", "[4]", r#"{"scale_factor": 0.1}"#, &stored);
    let scaled = values(text);
    assert_eq!(scaled.as_slice::<f32>().unwrap(), [-999f32 * 0.1, 0.0, 10f32 * 0.1, -3f32 * 0.1]);
    write_plain(&path, "int16", "[4]", r#"{"scale_factor": "half"}"#, &stored);
    assert!(session.open(text).error().unwrap().message().contains("`scale_factor`"));
    assert!(session.open(format!("{text}?cf=off")).error().is_none());
}

#[test]
fn info_lists_what_a_group_has() {
    let place = Folder::new();
    let group = data().join("v3.zarr/shards");
    let text = place.ok(&["info", group.to_str().unwrap()]);
    assert!(text.contains("12 arrays") && text.contains("zstd         (13, 17) i32 in chunks of (4, 3)"), "{text}");
    let one = place.ok(&["info", group.join("zstd").to_str().unwrap()]);
    assert!(one.contains("chunks  (4, 3) in shards of (8, 12)") && one.contains("codecs  zstd"), "{one}");
    let json: serde_json::Value = serde_json::from_str(&place.ok(&["info", "--json", group.to_str().unwrap()])).unwrap();
    assert_eq!(json["arrays"].as_array().unwrap().len(), 12);
    assert_eq!(json["arrays"][0]["codecs"], "transpose (1, 0)");
    place.fails(&["stats", group.to_str().unwrap()], 2, &["is a group of arrays", "shards/zstd"]);
}
