//! Arrow and Parquet files: those that pyarrow wrote, our own, and damaged ones. With the feature `arrow` only.

use crate::cli_support::Folder;
use outcore::{
    DType, Session,
    nd::Region,
    store::{
        self, OutputMode, Source,
        suite::{Naming, TargetCase, check_source, check_target},
    },
};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/formats").join(name).display().to_string()
}

/// The elements that `data/formats/make_arrow.py` writes, `from` one on.
fn counting(from: usize, count: usize) -> Vec<f64> {
    (from..from + count).map(|place| (place % 97) as f64).collect()
}

fn check(path: &str, shape: &[usize], dtype: DType, want: &[f64]) {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let array = session.open(path);
    assert_eq!((array.shape().unwrap().as_slice(), array.dtype().unwrap()), (shape, dtype), "{path}");
    let values: Vec<f64> = array.cast::<f64>().eval::<f64, ndarray::IxDyn>().unwrap().iter().copied().collect();
    assert_eq!(values, want, "{path}");
}

/// All of a store, as its first read gives it.
fn whole(source: &dyn Source) -> Vec<u8> {
    let region = Region::whole(&source.facts().store_shape());
    let mut bytes = vec![0; region.count() * source.facts().dtype.size()];
    source.read(&region, &mut bytes).unwrap();
    bytes
}

const NUMBERS: [(&str, DType); 11] = [
    ("i1", DType::I8),
    ("i2", DType::I16),
    ("i4", DType::I32),
    ("i8", DType::I64),
    ("u1", DType::U8),
    ("u2", DType::U16),
    ("u4", DType::U32),
    ("u8", DType::U64),
    ("f2", DType::F16),
    ("f4", DType::F32),
    ("f8", DType::F64),
];

#[test]
fn every_column_that_pyarrow_wrote() {
    for file in ["table.arrow", "stream.arrow", "table.parquet"] {
        let column = |name: &str| format!("{}#{name}", data(file));
        for (name, dtype) in NUMBERS {
            check(&column(name), &[7], dtype, &counting(0, 7));
        }
        check(&column("rows"), &[7, 5], DType::F32, &counting(0, 35));
        check(&column("lists"), &[7, 5], DType::F32, &counting(0, 35));
        check(&column("large"), &[7, 5], DType::I16, &counting(0, 35));
    }
    for file in ["table.arrow", "stream.arrow"] {
        check(&format!("{}#cube", data(file)), &[7, 2, 3], DType::F64, &counting(0, 42));
        check(&format!("{}#nested", data(file)), &[7, 2, 3], DType::I32, &counting(0, 42));
    }
    check(&format!("{}#pair.a", data("table.parquet")), &[7], DType::I64, &counting(0, 7));
    check(&format!("{}#flags", data("table.parquet")), &[7], DType::Bool, &[1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
    check(&data("sliced.feather"), &[4, 5], DType::F32, &counting(10, 20));
    check(&data("none.parquet"), &[0, 0], DType::F32, &[]);
    for file in ["pages.parquet", "pages2.parquet", "groups.parquet"] {
        check(&format!("{}#rows", data(file)), &[600, 5], DType::F32, &counting(0, 3000));
        check(&format!("{}#lists", data(file)), &[600, 5], DType::F32, &counting(0, 3000));
        check(&format!("{}#f8", data(file)), &[600], DType::F64, &counting(0, 600));
    }
}

#[test]
fn columns_keep_the_laws_of_sources() {
    for column in ["table.arrow#lists", "table.arrow#cube", "stream.arrow#rows", "sliced.feather", "table.arrow#i2"] {
        let source = store::open(&data(column)).unwrap();
        let bytes = whole(&*source);
        check_source(&*source, &bytes);
    }
    let halves: Vec<u8> = counting(0, 3000).iter().flat_map(|&value| (value as f32).to_ne_bytes()).collect();
    let wide: Vec<u8> = counting(0, 600).iter().flat_map(|value| value.to_ne_bytes()).collect();
    for file in ["pages.parquet", "pages2.parquet", "groups.parquet"] {
        check_source(&*store::open(&format!("{}#rows", data(file))).unwrap(), &halves);
        check_source(&*store::open(&format!("{}#lists", data(file))).unwrap(), &halves);
        check_source(&*store::open(&format!("{}#f8", data(file))).unwrap(), &wide);
    }
}

#[test]
fn batches_are_mapped_where_they_lie() {
    let source = store::open(&data("table.arrow#rows")).unwrap();
    assert!(source.facts().mappable);
    // Batches of three rows: one is a window of the file, two are put together.
    let values = |elements: std::ops::Range<usize>| -> Vec<f32> {
        let window = source.window(elements).unwrap().unwrap();
        window.chunks_exact(4).map(|bytes| f32::from_ne_bytes(bytes.try_into().unwrap())).collect()
    };
    assert_eq!(values(15..20), [15.0, 16.0, 17.0, 18.0, 19.0]);
    assert_eq!(values(13..17), [13.0, 14.0, 15.0, 16.0]);
    assert!(format!("{:?}", source.window(16..20).unwrap().unwrap()).contains("mapped"));
}

#[test]
fn what_is_no_array_is_refused_by_name() {
    let folder = Folder::new();
    let refused = |path: &str, code, parts: &[&str]| folder.fails(&["stats", &data(path)], code, parts);
    for file in ["table.arrow", "table.parquet"] {
        refused(file, 2, &["of column", "text", "name one"]);
        refused(&format!("{file}#none"), 2, &["has no column `none`", "rows"]);
        refused(&format!("{file}#text"), 65, &["#text", "is not read"]);
        refused(&format!("{file}#holes"), 65, &["#holes", "0 has 1 nulls"]);
        refused(&format!("{file}#ragged"), 65, &["row 0 has lists of 2 elements, row 5 has one of 1"]);
    }
    refused("table.arrow#flags", 65, &["Boolean", "uint8"]);
    refused("table.parquet#nested", 65, &["lists of lists"]);
    refused("packed.feather", 65, &["record batch 0 is compressed (LZ4_FRAME)", "uncompressed"]);
    // Nothing but the values themselves says that there are nulls.
    refused("holes.parquet", 65, &["row group 2, rows 80 to 99, has 1 nulls"]);
    let input = data("table.arrow#rows");
    folder.fails(&["convert", &input, "x.parquet"], 2, &["Parquet is read and not written"]);
    folder.fails(&["eval", "x > 1", &format!("x={input}"), "-o", "x.arrow"], 73, &["bool", "astype(u8)"]);
    folder.fails(&["eval", "sum(x)", &format!("x={input}"), "-o", "x.arrow"], 73, &["a single number has none"]);
}

#[test]
fn arrow_files_keep_the_laws_of_targets() {
    for (dtype, shape) in
        [(DType::F32, &[20, 3][..]), (DType::U8, &[7]), (DType::F16, &[5, 2, 3]), (DType::F64, &[0, 4]), (DType::I32, &[4, 0])]
    {
        let folder = tempfile::tempdir().unwrap();
        let path: PathBuf = folder.path().join("x.arrow");
        let text = path.display().to_string();
        check_target(&TargetCase {
            create: &|| store::create(&text, dtype, shape, OutputMode::CreateNew),
            read_back: &|_| {
                let source = path.exists().then(|| store::open(&text).unwrap())?;
                assert_eq!(source.facts().shape, shape);
                Some(whole(&*source))
            },
            is_clean: &|| folder.path().read_dir().unwrap().count() == 0,
            remove: &|| fs::remove_file(&path).unwrap(),
            named: Naming::Named,
        });
    }
}

#[test]
fn columns_are_computed_with_and_written() {
    let folder = Folder::new();
    let input = format!("x={}", data("pages.parquet#lists"));
    for block in ["1", "1MiB"] {
        folder.ok(&["eval", "x * 2", &input, "-o", "double.arrow#twice", "--overwrite", "--block", block]);
        let text = folder.ok(&["eval", "max(abs(y - x - x))", &input, "y=double.arrow#twice"]);
        assert_eq!(text, "0.0");
    }
    assert!(folder.ok(&["info", "double.arrow"]).contains("600, 5"));
    // More than one batch: 64 MiB of elements each.
    folder.ok(&["eval", "arange(20000000) % 97", "-o", "long.arrow"]);
    folder.ok(&["eval", "arange(20000000) % 97", "-o", "long.npy"]);
    let text = folder.ok(&["eval", "count_nonzero(a != b)", "a=long.arrow", "b=long.npy", "--memory", "16MiB"]);
    assert_eq!(text, "0");
}

#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 7u64;
    let mut dice = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for (file, end) in [("table.arrow", "arrow"), ("stream.arrow", "arrow"), ("table.parquet", "parquet"), ("pages.parquet", "parquet")] {
        let original = fs::read(data(file)).unwrap();
        let path = folder.path().join(format!("x.{end}"));
        let text = format!("{}#lists", path.display());
        let (mut read, mut failed) = (0, 0);
        for round in 0..300 {
            let mut bytes = original.clone();
            match round % 3 {
                0 => bytes.truncate(dice(original.len())),
                // Near the end are the metadata.
                1 => (0..1 + dice(3)).for_each(|_| bytes[original.len() - 1 - dice(600)] = dice(256) as u8),
                _ => (0..1 + dice(8)).for_each(|_| bytes[dice(original.len())] = dice(256) as u8),
            }
            fs::write(&path, &bytes).unwrap();
            let outcome = store::open(&text).and_then(|source| {
                // What a file claims is not believed for as many bytes as this.
                let region = Region::whole(&source.facts().store_shape());
                let mut out = vec![0; region.count().min(1 << 20) * source.facts().dtype.size()];
                source.read(&region, &mut out)
            });
            if outcome.is_ok() { read += 1 } else { failed += 1 }
        }
        assert!(read > 0 && failed > 100, "{file}: {read} read, {failed} refused");
    }
}
