//! Files that are written beside outputs: reports, traces, drawings, pages and the machine profile. None takes the place of anything else.

use crate::cli_support::{Folder, Run};
use std::{fs, os::unix::fs::symlink};

/// A folder with an input, another array, notes of somebody, and links to the input.
fn place() -> Folder {
    let place = Folder::new();
    place.counting("x.npy", &[3]);
    place.counting("y.npy", &[3]);
    place.write("notes.json", b"{\"mine\": 1}");
    place.write("notes.svg", b"mine");
    place.write("notes.html", b"mine");
    place.write("list.json", b"x.npy\n");
    fs::hard_link(place.path("x.npy"), place.path("hard.json")).unwrap();
    symlink(place.path("x.npy"), place.path("soft.svg")).unwrap();
    place
}

#[test]
fn inputs_are_never_written_over() {
    let place = place();
    let before = fs::read(place.path("x.npy")).unwrap();
    let cases: [(&[&str], i32, &str); 13] = [
        (&["eval", "sum(x)", "x.npy", "--report", "x.npy"], 73, "output x.npy is the input x.npy"),
        (&["eval", "sum(x)", "x.npy", "--trace", "x.npy"], 73, "output x.npy is the input x.npy"),
        (&["eval", "sum(x)", "x.npy", "--trace", "hard.json"], 73, "inputs are never changed"),
        (&["eval", "sum(x)", "x.npy", "--report", "hard.json"], 73, "inputs are never changed"),
        (&["eval", "sum(x)", "@list.json", "--trace", "hard.json"], 73, "inputs are never changed"),
        (&["eval", "sum(x)", "@list.json", "--trace", "list.json"], 73, "inputs are never changed"),
        (&["eval", "sum(x)", "*.npy", "--trace", "hard.json"], 73, "inputs are never changed"),
        (&["eval", "sum(a + b)", "a=x.npy", "b=x.npy?dtype=f32", "--trace", "./hard.json"], 73, "output ./hard.json is the input x.npy"),
        (&["explain", "sum(x)", "x.npy", "--svg", "soft.svg"], 73, "inputs are never changed"),
        (&["explain", "sum(x)", "x.npy", "--svg", "x.npy"], 73, "inputs are never changed"),
        (&["tune", "sum(x)", "x.npy", "--svg", "soft.svg"], 73, "inputs are never changed"),
        (&["tune", "sum(x)", "x.npy", "--html", "x.npy"], 73, "inputs are never changed"),
        (&["topk", "y.npy", "--queries", "x.npy", "--trace", "hard.json"], 73, "inputs are never changed"),
    ];
    for (words, code, part) in cases {
        place.fails(words, code, &[part]);
        assert_eq!(fs::read(place.path("x.npy")).unwrap(), before, "{words:?}");
    }
    let ran = Run::of(place.command(&["eval", "sum(x)", "x.npy"]).env("OUTCORE_TRACE", "x.npy").output().unwrap());
    assert!(ran.code == 73 && ran.stderr.contains("output x.npy is the input x.npy"), "{}", ran.stderr);
    place.fails(&["eval", "x[", "-f", "notes.json", "--trace", "notes.json"], 73, &["inputs are never changed"]);
    assert_eq!(fs::read(place.path("x.npy")).unwrap(), before);
}

#[test]
fn one_file_is_written_once() {
    let place = place();
    let one = "two outputs go to one file";
    place.fails(&["eval", "x", "x.npy", "--report", "a.json", "--trace", "a.json"], 73, &[one, "a.json and a.json"]);
    place.fails(&["eval", "x", "x.npy", "--report", "a.json", "--report", "./a.json"], 73, &[one]);
    place.fails(&["eval", "x", "x.npy", "-o", "o.json", "--trace", "o.json"], 73, &[one]);
    place.fails(&["eval", "x", "x.npy", "-o", "o.npy", "--trace", "o.npy"], 73, &[one]);
    place.fails(&["eval", "x", "x.npy", "--trace", "t.txt"], 2, &["--trace t.txt", "ends in .json"]);
    place.fails(&["explain", "x", "x.npy", "--svg", "p.html"], 2, &["--svg p.html", "ends in .svg"]);
    place.fails(&["stats", "x.npy", "--state", "s.json", "--trace", "s.json"], 73, &[one]);
    place.ok(&["convert", "x.npy", "o.zarr"]);
    let words = ["convert", "x.npy", "o.zarr", "--overwrite", "--trace", "o.zarr/t.json"];
    place.fails(&words, 73, &["one output lies inside the other"]);
    place.fails(&["eval", "sum(x)", "o.zarr", "--trace", "o.zarr/t.json"], 73, &["lies inside the input o.zarr"]);
}

#[test]
fn what_is_none_of_ours_is_not_replaced() {
    let place = place();
    for (words, name) in [
        (&["eval", "sum(x)", "x.npy", "--trace", "notes.json"][..], "notes.json"),
        (&["eval", "sum(x)", "x.npy", "--report", "notes.json"], "notes.json"),
        (&["eval", "sum(x)", "x.npy", "--report", "notes.html", "--overwrite"], "notes.html"),
        (&["explain", "sum(x)", "x.npy", "--svg", "notes.svg"], "notes.svg"),
        (&["tune", "sum(x)", "x.npy", "--html", "notes.html"], "notes.html"),
    ] {
        let before = fs::read(place.path(name)).unwrap();
        place.fails(words, 73, &[name, "is not replaced", "another name"]);
        assert_eq!(fs::read(place.path(name)).unwrap(), before, "{words:?}");
    }
    // Its own files are replaced, and empty ones are taken.
    place.write("empty.json", b"");
    for _ in 0..2 {
        place.ok(&["eval", "sum(x)", "x.npy", "--trace", "t.json", "--report", "r.json", "--report", "r.html", "--report", "r.csv"]);
        place.ok(&["eval", "sum(x)", "x.npy", "--trace", "empty.json"]);
        place.ok(&["explain", "sum(x)", "x.npy", "--svg", "p.svg"]);
    }
    place.fails(&["eval", "sum(x)", "x.npy", "--report", "t.json"], 73, &["is not replaced"]);
}

#[test]
fn a_profile_takes_the_place_of_profiles_alone() {
    let place = place();
    let before = fs::read(place.path("y.npy")).unwrap();
    for words in [&["doctor", "--save"][..], &["tune", "sum(x)", "x.npy", "--save"]] {
        let ran = Run::of(place.command(words).env("OUTCORE_PROFILE", "y.npy").output().unwrap());
        assert!(ran.code == 73 && ran.stderr.contains("y.npy: the file there is not a machine profile"), "{words:?}: {}", ran.stderr);
        assert_eq!(fs::read(place.path("y.npy")).unwrap(), before, "{words:?}");
        // Nothing is measured for a profile that has no place.
        let ran = Run::of(place.command(words).env("OUTCORE_PROFILE", "").output().unwrap());
        assert!((ran.code, ran.stdout.as_str()) == (2, "") && ran.stderr.contains("no place for a machine profile"), "{}", ran.stderr);
    }
}
