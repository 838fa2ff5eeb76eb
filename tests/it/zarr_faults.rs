//! Zarr stores where something is wrong, as the program meets it: disks that fill up, chunks that lie about their size, paths that lead
//! nowhere. `tests/full_disk.sh` and `tests/faults.sh` do it with real file systems and real errors of system calls.

use crate::cli_support::{Folder, Run};
use std::{collections::BTreeMap, fs, path::Path, process::Command};

/// Runs the program in a shell that was told something before.
fn within(place: &Folder, before: &str, words: &[&str]) -> Run {
    let program = place.command(words);
    let mut shell = Command::new("sh");
    shell.current_dir(place.path("")).arg("-c").arg(format!("{before}; exec \"$0\" \"$@\"")).arg(program.get_program()).args(words);
    Run::of(shell.output().unwrap())
}

fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_in(&path));
        } else {
            found.insert(path.display().to_string(), fs::read(&path).unwrap());
        }
    }
    found
}

/// A limit of the size of files is a full disk that every user can have: writing past it fails in the middle.
#[test]
fn a_medium_without_room_is_an_error_that_can_be_gone_on_from() {
    let place = Folder::on_disk();
    place.ok(&["eval", "normal((400, 256), seed=3)", "-o", "x.npy"]);
    for layout in ["chunks=8,256&shards=80,256", "chunks=100,256&shards=none", "chunks=8,256&shards=80,256&codec=lz4"] {
        let output = format!("z.zarr?{layout}");
        let words = ["eval", "x + 1", "x.npy", "-o", &output, "--memory", "8MiB", "--threads", "2"];
        place.ok(&words);
        let expected = files_in(&place.path("z.zarr"));
        fs::remove_dir_all(place.path("z.zarr")).unwrap();
        // 100 KiB, where a file takes 150 or more.
        let full = "trap '' XFSZ; ulimit -f 200";
        let ran = within(&place, full, &words);
        assert_eq!(ran.code, 73, "{ran:?}");
        assert!(ran.stderr.contains("z.zarr") && ran.stderr.contains("takes up to 819200 bytes"), "{ran:?}");
        assert_eq!(place.names(), ["x.npy"], "nothing is left");
        let words = [&words[..], &["--resume"]].concat();
        for _ in 0..2 {
            let ran = within(&place, full, &words);
            assert_eq!(ran.code, 73, "{ran:?}");
            assert!(!place.path("z.zarr").exists());
        }
        assert_eq!(place.run(&words).code, 0);
        assert!(files_in(&place.path("z.zarr")) == expected, "{layout}");
        assert_eq!(place.names(), ["x.npy", "z.zarr"]);
        fs::remove_dir_all(place.path("z.zarr")).unwrap();
    }
    let ran = within(&place, "trap '' XFSZ; ulimit -f 200", &["eval", "x + 1", "x.npy", "-o", "z.npy"]);
    assert_eq!(ran.code, 73, "{ran:?}");
    assert!(ran.stderr.contains("z.npy") && ran.stderr.contains("819328 bytes"), "{ran:?}");
    assert_eq!(place.names(), ["x.npy"]);
}

/// A version 2 array of one chunk, as the metadata say.
fn array(place: &Folder, name: &str, shape: usize, compressor: &str, chunk: &[u8]) {
    fs::create_dir(place.path(name)).unwrap();
    let metadata = format!(
        r#"{{"zarr_format": 2, "shape": [{shape}], "chunks": [{shape}], "dtype": "<f4", "compressor": {compressor}, "fill_value": 0, "order": "C", "filters": null}}"#
    );
    place.write(&format!("{name}/.zarray"), metadata.as_bytes());
    place.write(&format!("{name}/0"), chunk);
}

/// Chunks that would burst, read with no more memory to be had than the budget and 24 MiB: whatever is wrong with them is said, and said
/// by the program, not by an allocation that failed.
#[test]
fn corrupt_chunks_stay_within_the_budget() {
    let place = Folder::new();
    // A gibibyte of zeros in small chunks that say they are 4 MiB.
    let zeros = vec![0; 1 << 30];
    let zstd = zstd::bulk::compress(&zeros, 1).unwrap();
    let gzip = {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, &zeros).unwrap();
        encoder.finish().unwrap()
    };
    drop(zeros);
    array(&place, "zstd", 1 << 20, r#"{"id": "zstd", "level": 1}"#, &zstd);
    array(&place, "gzip", 1 << 20, r#"{"id": "gzip", "level": 1}"#, &gzip);
    // Sizes in headers that are not true.
    array(&place, "lz4", 1 << 20, r#"{"id": "lz4"}"#, &[&[0xff, 0xff, 0xff, 0x7f][..], &[0x11; 100]].concat());
    let blosc =
        [&[2, 1, 0x21, 4][..], &0x7fff_ffffu32.to_le_bytes(), &0x0100_0000u32.to_le_bytes(), &116u32.to_le_bytes(), &[7; 100]].concat();
    let id = r#"{"id": "blosc", "cname": "lz4", "clevel": 1, "shuffle": 1, "blocksize": 0}"#;
    array(&place, "blosc", 1 << 20, id, &blosc);
    // A zstd frame that claims a window of 2 GiB.
    array(&place, "window", 1 << 20, r#"{"id": "zstd", "level": 1}"#, &[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x03, 0x00, 0x00, 0x41, 0x00]);
    // Chunks that no budget holds.
    array(&place, "absurd", 1 << 45, r#"{"id": "zstd", "level": 1}"#, &zstd);
    array(&place, "plain", 1 << 45, "null", &[0; 100]);
    // Kilobytes of private memory that can be written: 64 MiB and 24 MiB.
    let limit = format!("ulimit -d {}", (64 + 24) << 10);
    for (name, codes) in [
        ("zstd", &[65][..]),
        ("gzip", &[65]),
        ("lz4", &[65]),
        ("blosc", &[65]),
        ("window", &[65]),
        ("absurd", &[65, 78]),
        ("plain", &[65, 78]),
    ] {
        let ran = within(&place, &limit, &["eval", "sum(x)", name, "--memory", "64MiB", "--threads", "2"]);
        assert!(codes.contains(&ran.code), "{name}: {ran:?}");
        assert!((ran.code == 78 || ran.stderr.contains(name)) && !ran.stderr.contains("panicked"), "{name}: {ran:?}");
    }
    // The limit is one that a true array lives in.
    place.ok(&["eval", "normal((1024, 1024), seed=1).astype(f32)", "-o", "true.zarr"]);
    let ran = within(&place, &limit, &["eval", "sum(x)", "true.zarr", "--memory", "64MiB", "--threads", "2"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let ran = within(&place, "ulimit -d 6000", &["eval", "sum(x)", "true.zarr", "--memory", "64MiB", "--threads", "2"]);
    assert_ne!(ran.code, 0, "a limit that does not hold back shows nothing");
}

#[test]
fn paths_into_arrays_are_told_from_paths_into_groups() {
    let place = Folder::new();
    place.counting("x.npy", &[3]);
    place.ok(&["eval", "x", "x.npy", "-o", "a.zarr"]);
    place.ok(&["eval", "x", "x.npy", "-o", "b.zarr?version=2"]);
    place.ok(&["eval", "x", "x.npy", "-o", "g.zarr/x"]);
    for name in ["a.zarr", "b.zarr", "g.zarr/x"] {
        let path = format!("{name}/nope");
        place.fails(
            &["info", &path],
            66,
            &[&format!("there is no array {path}"), &format!("{name} is an array, and has no other ones inside")],
        );
    }
    place.fails(&["convert", "g.zarr/nope", "y.npy"], 66, &["there is no array g.zarr/nope", "one of g.zarr/x"]);
}
