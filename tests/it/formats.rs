//! Files of vectors and of several arrays: those that their own libraries wrote, our own, and damaged ones.

use crate::cli_support::{Folder, npy_with_header};
use outcore::{DType, Session};
use std::{fs, path::Path};

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/formats").join(name).display().to_string()
}

/// The elements that `data/formats/make.py` writes, as f64.
fn counting(count: usize) -> Vec<f64> {
    (0..count).map(|place| (place % 97) as f64).collect()
}

fn check(path: &str, shape: &[usize], dtype: DType) {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let array = session.open(path);
    assert_eq!((array.shape().unwrap().as_slice(), array.dtype().unwrap()), (shape, dtype), "{path}");
    let values: Vec<f64> = array.cast::<f64>().eval::<f64, ndarray::IxDyn>().unwrap().iter().copied().collect();
    let mut want = counting(shape.iter().product());
    if dtype == DType::Bool {
        want.iter_mut().for_each(|value| *value = f64::from(*value != 0.0));
    }
    assert_eq!(values, want, "{path}");
}

#[test]
fn files_that_their_own_libraries_wrote() {
    for (name, dtype) in [
        ("rows.fvecs", DType::F32),
        ("rows.ivecs", DType::I32),
        ("rows.bvecs", DType::U8),
        ("rows.fbin", DType::F32),
        ("rows.u8bin", DType::U8),
        ("rows.i8bin", DType::I8),
        ("rows.ibin", DType::I32),
        ("one.safetensors", DType::F32),
        ("one.npz", DType::F32),
        ("several.npz#turned", DType::F32),
    ] {
        check(&data(name), &[7, 5], dtype);
    }
    for file in ["several.safetensors", "several.npz"] {
        for (part, shape, dtype) in [
            ("rows", &[7, 5][..], DType::F32),
            ("halves", &[3, 4], DType::F16),
            ("bytes", &[11], DType::U8),
            ("one", &[], DType::F64),
            ("none", &[0, 3], DType::I64),
            ("flags", &[6], DType::Bool),
        ] {
            check(&format!("{}#{part}", data(file)), shape, dtype);
        }
    }
}

#[test]
fn parts_of_vector_files_are_read_where_they_lie() {
    let session = Session::builder().memory("64MiB").threads(2).block_bytes(16).build().unwrap();
    for name in ["rows.fvecs", "rows.bvecs", "rows.ivecs"] {
        let x = session.open(data(name)).cast::<f64>();
        let sums: Vec<f64> = x.sum(0).eval::<f64, ndarray::IxDyn>().unwrap().iter().copied().collect();
        assert_eq!(sums, (0..5).map(|column| (0..7).map(|row| f64::from(row * 5 + column)).sum()).collect::<Vec<f64>>());
        let turned: Vec<f64> = x.t().eval::<f64, ndarray::IxDyn>().unwrap().iter().copied().collect();
        assert_eq!(turned, (0..35).map(|place| f64::from(place % 7 * 5 + place / 7)).collect::<Vec<f64>>());
    }
}

#[test]
fn our_own_files_are_those_of_their_libraries() {
    let folder = Folder::new();
    for name in ["rows.fvecs", "rows.ivecs", "rows.bvecs", "rows.fbin", "rows.u8bin", "rows.i8bin", "rows.ibin"] {
        let input = format!("x={}", data(name));
        for block in ["1", "1MiB"] {
            folder.ok(&["eval", "x + 0", &input, "-o", name, "--overwrite", "--block", block]);
            assert_eq!(fs::read(folder.path(name)).unwrap(), fs::read(data(name)).unwrap(), "{name}");
        }
    }
    let input = format!("x={}", data("rows.fvecs"));
    folder.ok(&["eval", "x", &input, "-o", "y.safetensors#rows"]);
    check(&format!("{}#rows", folder.path("y.safetensors").display()), &[7, 5], DType::F32);
    folder.fails(&["eval", "x", &input, "-o", "m.safetensors#__metadata__"], 2, &["no tensor has this name"]);
}

#[test]
fn damaged_and_unsuitable_files_are_errors() {
    let folder = Folder::new();
    let rows = |widths: &[i32]| -> Vec<u8> {
        widths.iter().flat_map(|&width| [width.to_le_bytes().to_vec(), vec![0; 4 * width.max(0) as usize]].concat()).collect()
    };
    fs::write(folder.path("ragged.fvecs"), rows(&[3, 1, 5])).unwrap();
    fs::write(folder.path("odd.fvecs"), rows(&[3, 5])).unwrap();
    fs::write(folder.path("negative.fvecs"), rows(&[-3])).unwrap();
    fs::write(folder.path("counts.fbin"), [7u32.to_le_bytes(), 5u32.to_le_bytes()].concat()).unwrap();
    let whole = fs::read(data("several.safetensors")).unwrap();
    fs::write(folder.path("cut.safetensors"), &whole[..whole.len() - 1]).unwrap();
    let whole = fs::read(data("several.npz")).unwrap();
    fs::write(folder.path("cut.npz"), &whole[..whole.len() - 5]).unwrap();
    let several = data("several.safetensors");
    let (packed, unnamed, unknown) = (data("packed.npz"), several.clone(), format!("{several}#what"));
    for (path, code, parts) in [
        ("ragged.fvecs", 65, &["vector 1 has 1 components", "vector 0 has 3"][..]),
        ("odd.fvecs", 65, &["8 of the file's 40 bytes are left over"]),
        ("negative.fvecs", 65, &["-3 components"]),
        ("counts.fbin", 65, &["7 vectors of 5 components", "the file has 8"]),
        ("cut.safetensors", 65, &["cut.safetensors", "claims bytes"]),
        ("cut.npz", 65, &["cut.npz", "directory"]),
        (&packed, 65, &["compressed", "np.savez"]),
        (&unnamed, 2, &["6 tensors: bytes, flags", "#bytes"]),
        (&unknown, 2, &["no tensor `what`", "halves"]),
    ] {
        folder.fails(&["eval", "x.sum()", path], code, parts);
    }
    folder.counting("x.npy", &[2, 3, 4]);
    folder.fails(&["eval", "x", "x.npy", "-o", "z.fvecs"], 73, &["(2, 3, 4)", "vectors"]);
    folder.fails(&["eval", "x[0].astype(f64)", "x.npy", "-o", "z.fvecs"], 73, &["f64", "astype"]);
    assert!(!folder.path("z.fvecs").exists());
}

/// Every byte of the small files flipped, and every length of them: an error or an array, nothing else.
#[test]
fn no_byte_makes_a_file_dangerous() {
    let folder = Folder::new();
    let session = Session::builder().memory("64MiB").threads(1).build().unwrap();
    for name in ["rows.fvecs", "rows.bvecs", "rows.fbin", "one.safetensors", "one.npz"] {
        let whole = fs::read(data(name)).unwrap();
        let path = folder.path(name);
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let _ = session.open(path.display().to_string()).sum(..).eval_any();
        };
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            read(&bytes);
            bytes[place] = 0xff;
            read(&bytes);
            read(&whole[..place]);
        }
    }
}

#[test]
fn files_in_the_order_of_bytes_are_warned_of_once() {
    let place = Folder::new();
    for (name, value) in [("p-9.npy", 9.0), ("p-10.npy", 10.0), ("q-09.npy", 9.0), ("q-10.npy", 10.0)] {
        place.f32(name, &[1], &[value]);
    }
    let warning =
        "outcore: warning: p-*.npy: files are joined in the order of their names' bytes: p-10.npy where p-9.npy would come by its number\n";
    for words in [
        &["eval", "x + 1", "p-*.npy"][..],
        &["eval", "x + x.sum()", "p-*.npy", "-o", "z.npy"],
        &["convert", "p-*.npy", "c.npy"],
        &["explain", "x", "p-*.npy"],
        &["stats", "p-*.npy"],
        &["head", "p-*.npy"],
        &["info", "p-*.npy"],
        &["digest", "p-*.npy"],
        &["verify", "p-*.npy"],
        &["diff", "p-*.npy", "p-*.npy", "--rtol", "0"],
    ] {
        let ran = place.run(words);
        let times = if words[0] == "diff" { 2 } else { 1 };
        assert_eq!((ran.code, ran.stderr), (0, warning.repeat(times)), "{words:?}");
    }
    assert_eq!(place.ok(&["eval", "x", "q-*.npy"]), "[ 9. 10.]");
    place.write("list.txt", b"p-10.npy\np-9.npy\n");
    assert_eq!(place.ok(&["eval", "x", "@list.txt"]), "[10.  9.]");
}

#[test]
fn what_cannot_be_joined_is_refused_with_a_way_out() {
    let place = Folder::new();
    place.f32("a.npy", &[2, 3], &[0.0; 6]);
    place.write("b.npy", &npy_with_header("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", &[0; 24]));
    place.fails(&["eval", "x", "*.npy"], 65, &["b.npy is in Fortran order", "outcore convert b.npy"]);
    place.write("b.npy", &npy_with_header("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", &[0; 24]));
    place.fails(&["eval", "x", "*.npy"], 65, &["b.npy has another byte order than a.npy", "outcore convert b.npy"]);
    std::fs::remove_file(place.path("a.npy")).unwrap();
    place.write("c.npy", &npy_with_header("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 3), }", &[0; 12]));
    assert_eq!(place.ok(&["eval", "sum(x, 1)", "*.npy"]), "[0. 0. 0.]");
    place.ok(&["convert", "b.npy", "d.zarr"]);
    place.ok(&["convert", "c.npy", "e.zarr"]);
    place.fails(&["eval", "x", "*.zarr"], 65, &["d.zarr lies in chunks", "concatenate((a, b), axis=0)"]);
    assert_eq!(place.ok(&["eval", "sum(concatenate((a, b), axis=0), 1)", "a=d.zarr", "b=e.zarr"]), "[0. 0. 0.]");
}

#[cfg(not(feature = "arrow"))]
#[test]
fn tables_name_the_feature_that_reads_them() {
    let folder = Folder::new();
    for path in [data("table.arrow#rows"), data("table.parquet"), data("packed.feather")] {
        folder.fails(&["info", &path], 2, &["need the feature `arrow`", "cargo install outcore --features arrow"]);
    }
    folder.fails(&["eval", "arange(3)", "-o", "x.arrow"], 2, &["need the feature `arrow`"]);
    folder.fails(&["info", "missing.parquet"], 66, &["cannot open missing.parquet"]);
}

/// A zip archive of files as they are, with their checksums.
fn archive(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut whole, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        // Version, flags, method, time, date; then what both headers have.
        let mut about = [[20u8, 0, 0, 0, 0, 0].as_slice(), &[0; 4], &crc.sum().to_le_bytes(), &length, &length].concat();
        about.extend([&u16::try_from(name.len()).unwrap().to_le_bytes()[..], &[0; 2]].concat());
        let offset = u32::try_from(whole.len()).unwrap().to_le_bytes();
        directory.extend([b"PK\x01\x02\x14\0", &about[..], &[0; 10], &offset, name.as_bytes()].concat());
        whole.extend([b"PK\x03\x04", &about[..], name.as_bytes(), bytes].concat());
    }
    let (count, offset) = (u16::try_from(files.len()).unwrap().to_le_bytes(), u32::try_from(whole.len()).unwrap().to_le_bytes());
    let length = u32::try_from(directory.len()).unwrap().to_le_bytes();
    whole.extend([&directory[..], b"PK\x05\x06\0\0\0\0", &count, &count, &length, &offset, &[0; 2]].concat());
    whole
}

#[test]
fn checksums_of_archives_are_verified() {
    let folder = Folder::new();
    folder.counting("x.npy", &[300, 1000]);
    folder.ok(&["convert", "x.npy", "x.zarr", "--codec", "none", "--chunks", "100,1000", "--shards", "none"]);
    let read = |name: &str| fs::read(folder.path(name)).unwrap();
    let npz = archive(&[("a.npy", read("x.npy")), ("b.npy", read("x.npy"))]);
    let chunks = ["zarr.json", "c/0/0", "c/1/0", "c/2/0"].map(|name| (name, read(&format!("x.zarr/{name}"))));
    let zarr = archive(&chunks);
    folder.write("x.npz", &npz);
    folder.write("z.zip", &zarr);
    for path in ["x.npz#a", "x.npz#b", "z.zip"] {
        folder.ok(&["verify", path]);
    }
    // One bit in the last element of the first array, and of the last chunk.
    let damage = |whole: &[u8], place: usize| {
        let mut bytes = whole.to_vec();
        bytes[place] ^= 1;
        bytes
    };
    let first = npz.windows(4).enumerate().filter(|(_, four)| *four == b"PK\x03\x04").nth(1).unwrap().0;
    folder.write("x.npz", &damage(&npz, first - 4));
    let last = zarr.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    folder.write("z.zip", &damage(&zarr, last - 4));
    folder.fails(&["verify", "x.npz#a"], 65, &["x.npz: the member a is corrupt", "CRC-32"]);
    folder.ok(&["verify", "x.npz#b"]);
    folder.fails(&["verify", "z.zip"], 65, &["z.zip: the member c/2/0 is corrupt", "CRC-32"]);
}

#[test]
fn tensors_may_be_called_anything() {
    let folder = Folder::new();
    folder.counting("x.npy", &[2, 3]);
    for name in ["layer.npy", "layer.zarr", "a#b", "why?", "x*y", "a/b.npz", "w.safetensors#v"] {
        let path = format!("o.safetensors#{name}");
        folder.ok(&["convert", "x.npy", &path, "--overwrite"]);
        assert_eq!(folder.ok(&["eval", "sum(x)", &path]), "15.0", "{name}");
        let listed = folder.ok(&["info", &path, "--json"]);
        assert!(listed.contains("[2,3]"), "{name}: {listed}");
    }
    folder.fails(&["convert", "x.npy", "p.safetensors#a?b=c"], 2, &["`a?b=c` could not be opened again"]);
    let header = br#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
    folder.write("two.safetensors", &[&(header.len() as u64).to_le_bytes()[..], header, &[1, 2]].concat());
    folder.fails(&["info", "two.safetensors"], 65, &["two tensors are called `a`"]);
    folder.fails(&["info", &data("several.npz")], 2, &["arrays: "]);
}
