//! Tests of opening by name, and of npy and raw files in every version, order and byte order.

use super::*;
use crate::{
    error::ErrorKind,
    format,
    nd::{IndexMap, Region, StoreLayout},
    store::suite,
};
use std::path::PathBuf;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
    fn file(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.path(name), bytes).unwrap();
        self.text(name)
    }
    fn refusal(&self, name: &str) -> Error {
        open(&self.text(name)).err().unwrap()
    }
}

fn npy_bytes(version: u8, text: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    let length = (text.len() as u32).to_le_bytes();
    bytes.extend(if version == 1 { &length[..2] } else { &length[..] });
    bytes.extend(text.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn npy_files_of_every_kind_keep_the_laws() {
    let folder = Folder::new();
    for version in 1..=3 {
        for (fortran, order) in [("False", Order::C), ("True", Order::Fortran)] {
            for (descr, item, swapped) in [("<f4", 4, false), (">i8", 8, true), ("|u1", 1, false), ("<f2", 2, false)] {
                for (shape_text, shape) in [("()", vec![]), ("(0, 3)", vec![0, 3]), ("(5,)", vec![5]), ("(2, 3, 4)", vec![2, 3, 4])] {
                    // Headers of any length: the data begin at any byte, as in files that others wrote.
                    let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape_text}}}\n");
                    let data: Vec<u8> = (0..shape.iter().product::<usize>() * item).map(|byte| byte as u8).collect();
                    let bytes = npy_bytes(version, &text, &data);
                    let offset = bytes.len() - data.len();
                    let source = open(&folder.file("x.npy", &bytes)).unwrap();
                    let facts = source.facts();
                    assert_eq!((&facts.shape, facts.swapped, facts.encoded_bytes), (&shape, swapped, data.len() as u64));
                    assert_eq!(facts.layout, StoreLayout::Dense { strides: order.strides(&shape) });
                    assert_eq!(facts.mappable, offset.is_multiple_of(item));
                    suite::check_source(&source, &data);
                }
            }
        }
    }
}

#[test]
fn raw_files_of_every_kind_keep_the_laws() {
    let folder = Folder::new();
    let data: Vec<u8> = (0..99).collect();
    let path = folder.file("x.bin", &data);
    for (query, shape, range) in [
        ("dtype=u8", vec![99], 0..99),
        ("dtype=f32&offset=3", vec![24], 3..99),
        ("dtype=f32&shape=-1,8&offset=3&order=F&endian=big", vec![3, 8], 3..99),
        ("dtype=i16&shape=2,3", vec![2, 3], 0..12),
        ("dtype=>i2&shape=(4,)&dims=row", vec![4], 0..8),
        ("dtype=f64&shape=&offset=8", vec![], 8..16),
        ("dtype=f64&shape=0,5", vec![0, 5], 0..0),
        ("dtype=u8&offset=99", vec![0], 99..99),
    ] {
        let source = open(&format!("{path}?{query}")).unwrap();
        assert_eq!(source.facts().shape, shape, "{query}");
        assert_eq!(source.facts().swapped, query.contains("big") || query.contains('>'));
        suite::check_source(&source, &data[range]);
    }
    let source = open(&format!("{path}?dtype=f32&shape=-1,8&offset=3&order=F&dims=row,_")).unwrap();
    assert_eq!(source.index_map(), IndexMap::dense(&[3, 8], &[1, 3]));
    assert_eq!(source.facts().dims.to_string(), "row,_");
}

#[test]
fn truncated_and_odd_files_are_refused_with_the_numbers() {
    let folder = Folder::new();
    let header = format::npy::encode(DType::F32, &[3, 4]);
    for (name, bytes, want) in [
        ("short.npy", [&header[..], &[0; 40]].concat(), "its header promises (3, 4) of f32 (48 bytes of data), the file has 40"),
        ("cut.npy", header[..50].to_vec(), "cut.npy: npy header is truncated: it takes 128 bytes, the file has 50"),
        ("empty.npy", vec![], "npy header is truncated"),
        ("text.npy", b"hello, world".to_vec(), "text.npy: not an npy file"),
    ] {
        folder.file(name, &bytes);
        let error = folder.refusal(name);
        assert!(error.kind() == ErrorKind::Data && error.message().contains(want), "{error}");
    }
    let source = open(&folder.file("long.npy", &[&header[..], &[7; 60]].concat())).unwrap();
    suite::check_source(&source, &[7; 48]);
    folder.file("x.bin", &[0; 10]);
    for (query, kind, want) in [
        ("dtype=f32", ErrorKind::Data, "has 10 bytes from byte 0, which is not a multiple of the 4 that shape (-1,) of f32"),
        ("dtype=u8&shape=-1,4&offset=1", ErrorKind::Data, "1 are left over"),
        ("dtype=f64&shape=2", ErrorKind::Data, "(2,) of f64 takes 16 bytes, the file has 10 from byte 0"),
        ("dtype=u8&offset=11", ErrorKind::Data, "has 10 bytes, fewer than the offset of 11"),
        ("dtype=u8&shape=-1,-1", ErrorKind::Usage, "one at most can be -1"),
        ("dtype=u8&shape=-2", ErrorKind::Usage, "lengths are 0 or more"),
        ("dtype=u8&shape=-1,0", ErrorKind::Usage, "beside a length of 0"),
        ("dtype=f64&shape=9223372036854775807,9", ErrorKind::Data, "larger than this machine can address"),
        ("dtype=f64&shape=4611686018427387904,8,0", ErrorKind::Data, "larger than this machine can address"),
        ("dtype=u8&dims=a,b", ErrorKind::Usage, "has shape (10,), but 2 axis names are given: a,b"),
    ] {
        let error = folder.refusal(&format!("x.bin?{query}"));
        assert!(error.kind() == kind && error.message().contains(want), "{query}: {error}");
    }
}

#[test]
fn names_and_queries_are_refused_with_what_would_work() {
    let folder = Folder::new();
    folder.file("x.dat", &[0; 8]);
    folder.file("x.npy", &format::npy::encode(DType::U8, &[0]));
    for (name, kind, want) in [
        ("none.npy", ErrorKind::NotFound, "none.npy"),
        ("none.dat", ErrorKind::NotFound, "none.dat"),
        ("x.dat", ErrorKind::Usage, "?dtype=f32&shape=-1,128"),
        ("", ErrorKind::Usage, "is a directory"),
        ("x.dat?shape=8", ErrorKind::Usage, "known are .npy"),
        ("x.dat?dtype=f33", ErrorKind::Usage, "unknown dtype `f33`"),
        ("x.dat?dtype=u8&colour=red", ErrorKind::Usage, "unknown key `colour`"),
        ("x.dat?dtype", ErrorKind::Usage, "`dtype` is not `key=value`"),
        ("x.dat?dtype=u8&dtype=i8", ErrorKind::Usage, "`dtype` is given twice"),
        ("x.dat?dtype=u8&order=K", ErrorKind::Usage, "`order=K`"),
        ("x.dat?dtype=u8&endian=middle", ErrorKind::Usage, "big or little"),
        ("x.dat?dtype=>u2&endian=little", ErrorKind::Usage, "contradicts"),
        ("x.dat?dtype=u8&offset=-1", ErrorKind::Usage, "a number of bytes"),
        ("x.dat?dtype=u8&shape=2,x", ErrorKind::Usage, "lengths with commas between"),
        ("x.dat?dtype=u8&dims=a,a", ErrorKind::Usage, "given twice"),
        ("x.dat?dtype=u8&dims=a,", ErrorKind::Usage, "empty axis name"),
        ("x.npy?shape=3", ErrorKind::Usage, "`shape` is what the header of an npy file says"),
        ("x.npy?dtype=f32", ErrorKind::Mismatch, "u8, not f32"),
    ] {
        let error = folder.refusal(name);
        assert!(error.kind() == kind && error.to_string().contains(want), "{name}: {error:?}");
    }
    assert_eq!(open("").err().unwrap().kind(), ErrorKind::Usage);
    // A file that is called like a query is that file.
    folder.file("x.dat?dtype=u8.npy", &format::npy::encode(DType::U8, &[0]));
    assert_eq!(open(&folder.text("x.dat?dtype=u8.npy")).unwrap().facts().shape, [0]);
}

#[test]
fn outputs_follow_the_extension() {
    let folder = Folder::new();
    for (name, query) in [("a.npy", "?dtype=bf16"), ("b.bin", "?dtype=bf16&shape=2,-1"), ("c.RAW", "?dtype=bf16&shape=2,3")] {
        let target = create(&folder.text(name), DType::BF16, &[2, 3], OutputMode::CreateNew).unwrap();
        target.write(&Region::whole(&[2, 3]), &[9; 12]).unwrap();
        target.sync().unwrap();
        target.publish().unwrap();
        let source = open(&format!("{}{query}", folder.text(name))).unwrap();
        assert_eq!((source.facts().dtype, &source.facts().shape[..]), (DType::BF16, &[2, 3][..]));
        suite::check_source(&source, &[9; 12]);
    }
    let refusal = |name: &str| create(&folder.text(name), DType::U8, &[1], OutputMode::CreateNew).err().unwrap();
    assert!(refusal("x.csv").kind() == ErrorKind::Usage && refusal("x.csv").to_string().contains(".npy"));
    assert_eq!(refusal("").kind(), ErrorKind::Output);
}
