//! Zarr outputs, `convert`, `verify` and `diff` as they are typed.

use crate::cli_support::{Folder, read_f32};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};
use zarrs::{
    array::{Array, ArrayBytes},
    storage::{WritableStorageTraits, store::MemoryStore},
};

/// Every file below a folder.
fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// The elements of an f32 array, as another program reads them.
fn read_zarr(folder: &Path, node: &str) -> Vec<f32> {
    let store = MemoryStore::new();
    for (name, bytes) in files_in(folder) {
        store.set(&name.as_str().try_into().unwrap(), bytes.into()).unwrap();
    }
    let array = Array::open(Arc::new(store), node).unwrap();
    let bytes: ArrayBytes<'static> = array.retrieve_array_subset(&array.subset_all()).unwrap();
    bytes.into_fixed().unwrap().chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

fn json_of(path: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn eval_writes_zarr_with_the_layout_of_flags_and_query() {
    let place = Folder::new();
    place.counting("x.npy", &[6, 4]);
    let want: Vec<f32> = (0..24).map(|value| value as f32 + 1.0).collect();
    let flags = ["--chunks", "2,4", "--shards", "4,4", "--codec", "gzip:1"];
    let mut words = vec!["eval", "x + 1", "x.npy?dims=row,col", "-o", "z.zarr"];
    words.extend(flags);
    assert_eq!(place.ok(&words), "");
    assert_eq!(read_zarr(&place.path("z.zarr"), "/"), want);
    let json = json_of(&place.path("z.zarr/zarr.json"));
    assert_eq!(json["chunk_grid"]["configuration"]["chunk_shape"], serde_json::json!([4, 4]));
    assert_eq!(json["codecs"][0]["configuration"]["chunk_shape"], serde_json::json!([2, 4]));
    assert_eq!(json["dimension_names"], serde_json::json!(["row", "col"]));
    let made = &json["attributes"]["outcore"];
    assert_eq!((&made["expression"], &made["inputs"]), (&"x + 1".into(), &serde_json::json!(["x.npy"])));
    assert_eq!(made["version"], env!("CARGO_PKG_VERSION"));
    place.ok(&["eval", "x + 1", "x.npy", "-o", "v.zarr?version=2&chunks=4,-1&codec=none"]);
    assert_eq!(files_in(&place.path("v.zarr")).keys().collect::<Vec<_>>(), [".zarray", ".zattrs", "0.0", "1.0"]);
    assert_eq!(read_zarr(&place.path("v.zarr"), "/"), want);
    place.ok(&["eval", "z = x + 1; m = mean(z, 0)", "x.npy", "-o", "z=s.zarr/deep/z", "-o", "m=s.zarr/m"]);
    assert_eq!(read_zarr(&place.path("s.zarr"), "/deep/z"), want);
    assert_eq!(read_zarr(&place.path("s.zarr"), "/m"), [11.0, 12.0, 13.0, 14.0]);
    assert_eq!(place.names(), ["s.zarr", "v.zarr", "x.npy", "z.zarr"]);
}

#[test]
fn zarr_outputs_are_replaced_only_when_told_so() {
    let place = Folder::new();
    place.counting("x.npy", &[3]);
    let words = ["eval", "x * 2", "x.npy", "-o", "z.zarr"];
    place.ok(&words);
    place.fails(&words, 73, &["z.zarr", "exists", "--overwrite"]);
    place.ok(&["eval", "x * 3", "x.npy", "-o", "z.zarr", "--overwrite"]);
    assert_eq!(read_zarr(&place.path("z.zarr"), "/"), [0.0, 3.0, 6.0]);
    fs::create_dir_all(place.path("plain.zarr/sub")).unwrap();
    // What somebody put into it is not removed.
    place.write("z.zarr/notes.txt", b"mine");
    let refused = ["cannot replace z.zarr: it holds notes.txt", "no part of the array"];
    place.fails(&["eval", "x * 3", "x.npy", "-o", "z.zarr", "--overwrite"], 73, &refused);
    fs::rename(place.path("z.zarr/notes.txt"), place.path("z.zarr/c/notes.txt")).unwrap();
    place.fails(&["eval", "x * 3", "x.npy", "-o", "z.zarr", "--overwrite"], 73, &["it holds c/notes.txt"]);
    fs::remove_file(place.path("z.zarr/c/notes.txt")).unwrap();
    place.counting("square.npy", &[3, 3]);
    place.ok(&["eval", "x", "square.npy", "-o", "deep.zarr", "--chunks", "1,1"]);
    place.write("deep.zarr/c/0/mine.txt", b"mine");
    place.fails(&["eval", "x", "square.npy", "-o", "deep.zarr", "--overwrite"], 73, &["it holds c/0/mine.txt"]);
    fs::remove_file(place.path("deep.zarr/c/0/mine.txt")).unwrap();
    place.ok(&["eval", "x", "square.npy", "-o", "deep.zarr", "--overwrite"]);
    fs::remove_dir_all(place.path("deep.zarr")).unwrap();
    fs::remove_file(place.path("square.npy")).unwrap();
    place.ok(&["eval", "x * 3", "x.npy", "-o", "z.zarr", "--overwrite"]);
    place.fails(&["eval", "x", "x.npy", "-o", "plain.zarr", "--overwrite"], 73, &["plain.zarr", "no Zarr array"]);
    place.ok(&["eval", "x", "x.npy", "-o", "g.zarr/a"]);
    place.fails(&["eval", "x", "x.npy", "-o", "g.zarr", "--overwrite"], 73, &["g.zarr", "is a group"]);
    assert_eq!(place.names(), ["g.zarr", "plain.zarr", "x.npy", "z.zarr"]);
}

#[test]
fn layouts_that_make_no_sense_are_refused() {
    let place = Folder::new();
    place.counting("x.npy", &[6, 4]);
    place.fails(&["eval", "x", "x.npy", "-o", "z.zarr", "--chunks", "4"], 2, &["z.zarr", "(6, 4)", "1 lengths"]);
    place.fails(&["eval", "x", "x.npy", "-o", "z.zarr", "--chunks", "4,4", "--shards", "6,4"], 2, &["4 does not divide 6"]);
    place.fails(&["eval", "x", "x.npy", "-o", "z.zarr", "--codec", "zip"], 2, &["--codec", "unknown codec `zip`", "zstd:3"]);
    place.fails(&["eval", "x", "x.npy", "-o", "z.zarr?level=3"], 2, &["unknown key `level`"]);
    place.fails(&["eval", "x", "x.npy", "-o", "z.npy", "--codec", "zstd"], 2, &["Zarr outputs"]);
    place.fails(&["eval", "x", "x.npy", "-o", "none/z.zarr"], 73, &["none does not exist"]);
    fs::create_dir(place.path("in")).unwrap();
    fs::rename(place.path("x.npy"), place.path("in/x.npy")).unwrap();
    place.fails(&["eval", "a = x; b = x", "in/x.npy", "-o", "a=o.zarr", "-o", "b=o.zarr/b"], 73, &["one output lies inside the other"]);
}

#[test]
fn convert_changes_format_dtype_and_layout() {
    let place = Folder::new();
    place.counting("x.npy", &[5, 3]);
    let want: Vec<f32> = (0..15).map(|value| value as f32).collect();
    assert_eq!(place.ok(&["convert", "x.npy", "x.zarr", "--chunks", "2,3", "--codec", "lz4", "--shards", "none"]), "");
    assert_eq!(files_in(&place.path("x.zarr")).keys().collect::<Vec<_>>(), ["c/0/0", "c/1/0", "c/2/0", "zarr.json"]);
    place.ok(&["convert", "x.npy?dims=a,b", "y.zarr", "--codec", "blosc-zstd"]);
    assert_eq!(read_zarr(&place.path("y.zarr"), "/"), want);
    assert_eq!(json_of(&place.path("y.zarr/zarr.json"))["dimension_names"], serde_json::json!(["a", "b"]));
    place.ok(&["convert", "x.npy", "x.bin", "--dtype", "f16"]);
    assert_eq!(fs::metadata(place.path("x.bin")).unwrap().len(), 30);
    place.ok(&["convert", "x.bin?dtype=f16&shape=-1,3", "back.npy", "--dtype", "f32"]);
    assert_eq!(read_f32(&place.path("back.npy")), want);
    place.fails(&["convert", "x.npy", "back.npy"], 73, &["back.npy", "exists"]);
    place.ok(&["convert", "x.npy", "back.npy", "--overwrite"]);
    place.fails(&["convert", "x.npy", "x.npy", "--overwrite"], 73, &["x.npy", "is the input"]);
    place.fails(&["convert", "none.npy", "z.zarr"], 66, &["none.npy"]);
    place.fails(&["convert", "x.npy", "z.zarr", "--dtype", "text"], 2, &["unknown dtype `text`"]);
    place.f32("nan.npy", &[2], &[1.0, f32::NAN]);
    let ran = place.run(&["convert", "nan.npy", "z.zarr", "--dtype", "i32"]);
    assert!(ran.code != 0 && !place.path("z.zarr").exists(), "{ran:?}");
}

/// Gives a node of version 3 attributes, as another program would.
fn describe(place: &Folder, node: &str, attributes: serde_json::Value) {
    let path = place.path(node).join("zarr.json");
    let mut json = json_of(&path);
    json["attributes"] = attributes;
    fs::write(path, json.to_string()).unwrap();
}

/// A group of an array with two axes and their coordinates, one of them with attributes.
fn described(place: &Folder) {
    place.counting("x.npy", &[6, 4]);
    place.ok(&["convert", "x.npy?dims=time,lat", "in.zarr/x"]);
    place.ok(&["eval", "t = x[:, 0]; l = x[0, :]", "x.npy", "-o", "t=in.zarr/time?dims=time", "-o", "l=in.zarr/lat?dims=lat"]);
    describe(place, "in.zarr/x", serde_json::json!({"units": "K", "actual_range": [0, 23], "scale_factor": 2}));
    describe(place, "in.zarr/time", serde_json::json!({"units": "days since 2020-01-01"}));
    describe(place, "in.zarr", serde_json::json!({"title": "a test"}));
}

fn attributes(place: &Folder, node: &str) -> serde_json::Value {
    let mut attributes = json_of(&place.path(node).join("zarr.json"))["attributes"].take();
    attributes.as_object_mut().unwrap().remove("outcore");
    attributes
}

#[test]
fn coordinates_and_attributes_that_stay_true_go_along() {
    let place = Folder::new();
    described(&place);
    let below = |store: &str| {
        let mut names: Vec<String> =
            fs::read_dir(place.path(store)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    place.ok(&["eval", "x.T", "in.zarr/x", "-o", "t.zarr/y"]);
    assert_eq!(below("t.zarr"), ["lat", "time", "y", "zarr.json"]);
    assert_eq!(attributes(&place, "t.zarr/y"), serde_json::json!({"units": "K", "actual_range": [0, 23]}));
    assert_eq!(attributes(&place, "t.zarr/time"), serde_json::json!({"units": "days since 2020-01-01"}));
    assert_eq!(read_zarr(&place.path("t.zarr"), "/time"), [0.0, 4.0, 8.0, 12.0, 16.0, 20.0]);
    place.ok(&["eval", "x[1:] * 2 - mean(x, 0)", "in.zarr/x?cf=off", "-o", "part.zarr/y"]);
    assert_eq!(
        (below("part.zarr"), attributes(&place, "part.zarr/y")),
        (["lat", "time", "y", "zarr.json"].map(String::from).to_vec(), serde_json::json!({}))
    );
    assert_eq!(read_zarr(&place.path("part.zarr"), "/time"), [4.0, 8.0, 12.0, 16.0, 20.0]);
    place.ok(&["eval", "x[::-1][1:5:2][:, 1:]", "in.zarr/x", "-o", "few.zarr/y"]);
    assert_eq!(read_zarr(&place.path("few.zarr"), "/time"), [16.0, 8.0]);
    assert_eq!(below("few.zarr"), ["lat", "time", "y", "zarr.json"]);
    // Places that are no slice, and slices that are not one.
    place.ok(&["eval", "x[[0, 3]]", "in.zarr/x", "-o", "picked.zarr/y"]);
    place.ok(&["eval", "x[1:] - x[:-1]", "in.zarr/x", "-o", "steps.zarr/y"]);
    assert_eq!([below("picked.zarr"), below("steps.zarr")].map(|names| names.concat()), ["latyzarr.json", "latyzarr.json"]);
    place.ok(&["eval", "max(x, 0)", "in.zarr/x", "-o", "max.zarr/y"]);
    assert_eq!((below("max.zarr").len(), attributes(&place, "max.zarr/y")), (3, serde_json::json!({"units": "K"})));
    // Alone, an array has no room beside it; other names are other axes.
    place.ok(&["convert", "in.zarr/x?cf=off", "alone.zarr"]);
    assert_eq!(attributes(&place, "alone.zarr"), serde_json::json!({"units": "K", "actual_range": [0, 23], "scale_factor": 2}));
    place.ok(&["eval", "x", "in.zarr/x", "-o", "named.zarr/y?dims=a,lat"]);
    assert_eq!(below("named.zarr"), ["lat", "y", "zarr.json"]);
    assert_eq!(
        place.names(),
        ["alone.zarr", "few.zarr", "in.zarr", "max.zarr", "named.zarr", "part.zarr", "picked.zarr", "steps.zarr", "t.zarr", "x.npy"]
    );
}

#[test]
fn coordinates_that_do_not_fit_are_told_of_and_left() {
    let place = Folder::new();
    described(&place);
    let said = |words: &[&str]| {
        let ran = place.run(words);
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.stderr
    };
    place.ok(&["eval", "-x[:, 0]", "x.npy", "-o", "out.zarr/time?dims=time"]);
    let stderr = said(&["convert", "in.zarr/x", "out.zarr/x"]);
    assert!(stderr.contains("the coordinate `time` is not written beside out.zarr/x: ") && stderr.contains("other values"), "{stderr}");
    assert_eq!(read_zarr(&place.path("out.zarr"), "/time")[1], -4.0);
    let stderr = said(&["eval", "x[::-1]", "in.zarr/x", "-o", "out.zarr/r"]);
    assert!(
        stderr.contains("the coordinate `time` is not written beside out.zarr/r: ")
            && stderr.contains("time is there and has other values"),
        "{stderr}"
    );
    let stderr = said(&["eval", "x[[2, 0]]", "in.zarr/x", "-o", "out.zarr/p"]);
    assert!(stderr.contains("axis `time` of out.zarr/p has other places than the coordinate out.zarr/time"), "{stderr}");
    // Two inputs that disagree on their times.
    place.ok(&["eval", "x + 1", "in.zarr/x", "-o", "b.zarr/x"]);
    place.ok(&["eval", "-x[:, 0]", "x.npy", "-o", "b.zarr/time?dims=time", "--overwrite"]);
    let stderr = said(&["eval", "a + b", "a=in.zarr/x", "b=b.zarr/x", "-o", "sum.zarr/x"]);
    assert!(stderr.contains("in.zarr/time") && stderr.contains("b.zarr/time") && stderr.contains("differ"), "{stderr}");
    assert!(place.path("sum.zarr/lat").is_dir() && !place.path("sum.zarr/time").exists());
    // A coordinate that cannot be read costs itself alone.
    let path = place.path("in.zarr/time/zarr.json");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("float32", "string")).unwrap();
    let stderr = said(&["convert", "in.zarr/x", "last.zarr/x"]);
    assert!(stderr.contains("codec `bytes` is not known"), "{stderr}");
    assert!(place.path("last.zarr/lat").is_dir() && !place.path("last.zarr/time").exists());
}

#[test]
fn groups_are_converted_as_a_whole() {
    let place = Folder::new();
    described(&place);
    place.ok(&["convert", "in.zarr/x?cf=off", "in.zarr/deep/x"]);
    place.ok(&["convert", "in.zarr", "out.zarr", "--codec", "gzip:1"]);
    for node in ["/x", "/time", "/lat", "/deep/x", "/deep/time"] {
        assert_eq!(read_zarr(&place.path("out.zarr"), node), read_zarr(&place.path("in.zarr"), node));
    }
    assert_eq!(attributes(&place, "out.zarr"), serde_json::json!({"title": "a test"}));
    assert_eq!(attributes(&place, "out.zarr/x")["scale_factor"], 2);
    place.fails(&["convert", "in.zarr", "out.zarr"], 73, &["out.zarr exists", "--overwrite"]);
    place.ok(&["convert", "in.zarr", "out.zarr", "--overwrite", "--codec", "none"]);
    place.fails(&["convert", "in.zarr", "o.zarr", "--chunks", "2,2"], 2, &["in.zarr is a group", "name one"]);
    place.fails(&["convert", "in.zarr", "o.zarr", "--dtype", "f16"], 2, &["in.zarr is a group"]);
    place.fails(&["convert", "in.zarr", "o.npy"], 2, &["in.zarr is a group", "no Zarr store"]);
    place.ok(&["convert", "in.zarr", "two.zarr", "--zarr-version", "2"]);
    assert_eq!(read_zarr(&place.path("two.zarr"), "/deep/x"), read_zarr(&place.path("in.zarr"), "/x"));
    assert_eq!(json_of(&place.path("two.zarr/.zattrs")), serde_json::json!({"title": "a test"}));
    let path = place.path("in.zarr/lat/zarr.json");
    fs::write(&path, fs::read_to_string(&path).unwrap().replace("float32", "string")).unwrap();
    place.fails(&["convert", "in.zarr", "bad.zarr"], 65, &["in.zarr/lat", "dtype `string`"]);
    assert_eq!(place.names(), ["in.zarr", "out.zarr", "two.zarr", "x.npy"]);
}

#[test]
fn rows_are_appended() {
    let place = Folder::new();
    place.counting("x.npy", &[4, 2]);
    place.ok(&["convert", "x.npy", "z.zarr", "--chunks", "2,2", "--shards", "none"]);
    place.ok(&["convert", "x.npy", "z.zarr?append=0"]);
    place.ok(&["eval", "x[:2] * 10", "x.npy", "-o", "z.zarr?region=2:4,:"]);
    let row = |at: usize| read_zarr(&place.path("z.zarr"), "/")[2 * at..2 * at + 2].to_vec();
    assert_eq!(read_zarr(&place.path("z.zarr"), "/").len(), 16);
    assert_eq!((row(1), row(2), row(3), row(7)), (vec![2.0, 3.0], vec![0.0, 10.0], vec![20.0, 30.0], vec![6.0, 7.0]));
    place.fails(&["eval", "x[:1]", "x.npy", "-o", "z.zarr?region=2:3,:"], 2, &["3 on axis 0 cuts a chunk of (2, 2)"]);
    place.fails(&["convert", "x.npy", "none.zarr?append=0"], 66, &["none.zarr"]);
}

#[test]
fn verify_reads_everything_and_counts() {
    let place = Folder::new();
    place.f32("x.npy", &[2, 3], &[1.0, f32::NAN, f32::INFINITY, -0.0, f32::NEG_INFINITY, 2.0]);
    place.i64("n.npy", &[3], &[1, 2, 3]);
    assert_eq!(place.ok(&["verify", "x.npy"]), "x.npy  f32 (2, 3): 6 elements, 24 B, all read\n  nan 1  inf 2");
    assert_eq!(place.ok(&["verify", "n.npy", "--finite"]), "n.npy  i64 (3,): 3 elements, 24 B, all read\n  nan 0  inf 0");
    let ran = place.run(&["verify", "x.npy", "--finite", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &json["schema"]), (1, &"outcore.verify/1".into()));
    assert_eq!((&json["arrays"][0]["nan"], &json["arrays"][0]["inf"]), (&1.into(), &2.into()));
    let bytes = fs::read(place.path("x.npy")).unwrap();
    place.write("short.npy", &bytes[..bytes.len() - 1]);
    place.fails(&["verify", "short.npy"], 65, &["short.npy is truncated"]);
    place.fails(&["verify", "none.npy"], 66, &["none.npy"]);
    place.write(".n.npy.outcore-x.part", b"");
    assert!(place.ok(&["verify", "n.npy"]).contains("left by an interrupted or running job: ./.n.npy.outcore-x.part"));
}

#[test]
fn diff_says_where_arrays_differ() {
    let place = Folder::new();
    place.f32("a.npy", &[2, 3], &[1.0, 2.0, f32::NAN, 4.0, 0.0, f32::INFINITY]);
    place.f32("b.npy", &[2, 3], &[1.0, 2.5, f32::NAN, 4.0, -0.0, 1.0]);
    place.f32("c.npy", &[3, 2], &[0.0; 6]);
    place.f64("d.npy", &[2, 3], &[1.0, 2.0, f64::NAN, 4.0, 0.0, f64::INFINITY]);
    assert_eq!(place.ok(&["diff", "a.npy", "a.npy"]), "a.npy and a.npy are equal: f32 (2, 3), 6 elements");
    let differs = |words: &[&str]| {
        let ran = place.run(words);
        assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{words:?}");
        ran.stdout.trim_end().to_string()
    };
    assert_eq!(
        differs(&["diff", "a.npy", "b.npy"]),
        "a.npy and b.npy differ\n  2 of 6 elements differ\n  first at [0, 1]: 2.0 and 2.5\n  largest difference inf"
    );
    assert!(differs(&["diff", "a.npy", "b.npy", "--bits"]).contains("differ in bits\n  3 of 6"));
    assert_eq!(differs(&["diff", "a.npy", "c.npy"]), "a.npy and c.npy differ\n  a.npy: f32 (2, 3)\n  c.npy: f32 (3, 2)");
    assert_eq!(
        differs(&["diff", "a.npy", "d.npy"]),
        "a.npy and d.npy differ\n  a.npy: f32 (2, 3)\n  d.npy: f64 (2, 3)\n  all 6 values are equal"
    );
    let near = differs(&["diff", "a.npy", "b.npy", "--atol", "0.5"]);
    assert!(
        near.starts_with("a.npy and b.npy differ (rtol 0.0, atol 0.5)\n  1 of 6 elements differ\n  first at [1, 2]: inf and 1.0"),
        "{near}"
    );
    let json: serde_json::Value = serde_json::from_str(&differs(&["diff", "a.npy", "b.npy", "--json"])).unwrap();
    assert_eq!((&json["equal"], &json["differing"], &json["reason"]), (&false.into(), &2.into(), &"values".into()));
    assert_eq!((&json["first"], &json["largest_difference"]), (&serde_json::json!([0, 1]), &"Infinity".into()));
    place.fails(&["diff", "a.npy", "none.npy"], 66, &["none.npy"]);
    place.fails(&["diff", "a.npy", "b.npy", "--rtol", "-1"], 2, &["--rtol"]);
    place.fails(&["diff", "a.npy", "b.npy", "--rtol", "1", "--bits"], 2, &["--bits"]);
}

#[test]
fn diff_of_integers_and_of_nothing() {
    let place = Folder::new();
    place.i64("a.npy", &[4], &[1, 2, i64::MAX, 4]);
    place.i64("b.npy", &[4], &[1, 5, i64::MAX - 1, 4]);
    let ran = place.run(&["diff", "a.npy", "b.npy"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
    assert!(ran.stdout.contains("2 of 4 elements differ\n  first at [1]: 2 and 5\n  largest difference 3.0"), "{}", ran.stdout);
    place.f32("e.npy", &[0, 3], &[]);
    assert!(place.ok(&["diff", "e.npy", "e.npy"]).contains("are equal"));
}

/// The identity of a plan as `explain` shows it, and as the run of the same words reports it.
fn plan_ids(place: &Folder, words: &[&str]) -> [String; 2] {
    let explain = [&["explain", "--json"], &words[1..]].concat();
    let shown: serde_json::Value = serde_json::from_str(&place.ok(&explain)).unwrap();
    place.ok(&[words, &["--report", "report.json"]].concat());
    let report = json_of(&place.path("report.json"));
    [&shown["plan"]["plan_id"], &report["plan_id"]].map(|id| id.as_str().unwrap_or_else(|| panic!("{words:?}")).to_string())
}

#[test]
fn explain_shows_the_plan_that_runs() {
    let place = Folder::new();
    place.counting("x.npy", &[300, 70]);
    place.ok(&["eval", "x", "x.npy", "-o", "there.zarr", "--chunks", "100,70", "--shards", "none"]);
    let mut found = std::collections::BTreeSet::new();
    let cases: [(&str, &[&str]); 12] = [
        ("x * 2", &["-o", "a.npy"]),
        ("x * 2", &["-o", "a.bin"]),
        ("x * 2", &["-o", "a.fvecs"]),
        ("x * 2", &["-o", "a.zarr"]),
        ("x * 2", &["-o", "b.zarr", "--chunks", "7,70", "--shards", "none"]),
        ("x * 2", &["-o", "c.zarr", "--chunks", "7,5", "--shards", "70,70", "--codec", "blosc-lz4"]),
        ("x * 2", &["-o", "d.zarr?chunks=13,-1&codec=none&version=2"]),
        ("x.T", &["-o", "e.zarr", "--chunks", "7,300", "--block", "1000", "--threads", "3"]),
        ("x.T", &["-o", "f.npy", "--block", "1000"]),
        ("x * 2", &["-o", "there.zarr?append=0"]),
        ("(x * 3)[:200]", &["-o", "there.zarr?region=100:300,:"]),
        ("z = x - mean(x, 0); m = mean(z, 1)", &["-o", "z=g.zarr/z", "-o", "m=g.zarr/m"]),
    ];
    for (text, more) in cases {
        let [shown, run] = plan_ids(&place, &[&["eval", text, "x.npy"][..], more].concat());
        assert_eq!(shown, run, "{text} {more:?}");
        found.insert(shown);
    }
    assert_eq!(found.len(), cases.len(), "chunks, files and blocks make plans what they are");
    // Results in memory take room that the plan then has not.
    let [shown, run] = plan_ids(&place, &["eval", "(x + x.sum())[:10]", "x.npy", "--memory", "8MiB"]);
    assert_eq!(shown, run);
    place.fails(&["explain", "x", "x.npy", "-o", "a.npy", "--chunks", "7,7"], 2, &["there is none"]);
    place.fails(&["explain", "x", "x.npy", "-o", "n.zarr", "--chunks", "7"], 2, &["chunks"]);
    let text = place.ok(&["explain", "x", "x.npy", "-o", "n.zarr", "--chunks", "7,70"]);
    assert!(text.contains("in chunks of (7, 70)"), "{text}");
    assert!(!place.path("n.zarr").exists());
}
