//! Broken stores: metadata that lie, chunks that are cut, flipped or swapped for something else. An error each, never a panic.

use super::{
    tests::{array, data},
    *,
};
use crate::{
    error::{Error, ErrorKind},
    nd::Region,
    store::Source,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// A copy of an array of `data/zarr`.
struct Copied {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Copied {
    fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        copy_folder(&data().join(name), &path);
        Copied { _folder: folder, path }
    }

    /// Writes a file as if it had been there for long.
    fn write(&self, key: &str, bytes: &[u8]) {
        let path = self.path.join(key);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let earlier = SystemTime::now() - Duration::from_secs(9);
        fs::File::options().write(true).open(&path).unwrap().set_modified(earlier).unwrap();
    }

    fn read_file(&self, key: &str) -> Vec<u8> {
        fs::read(self.path.join(key)).unwrap()
    }

    /// Reads everything.
    fn read(&self) -> Result<Vec<u8>, Error> {
        let source = array(&self.path)?;
        let facts = source.facts();
        let mut out = vec![0; facts.count() * facts.dtype.size()];
        source.read(&Region::whole(&facts.shape), &mut out)?;
        Ok(out)
    }

    fn refusal(&self) -> Error {
        self.read().unwrap_err()
    }

    /// Changes the metadata as text.
    fn edit(&self, from: &str, to: &str) {
        let key = if self.path.join(".zarray").exists() { ".zarray" } else { "zarr.json" };
        let text: serde_json::Value = serde_json::from_slice(&self.read_file(key)).unwrap();
        let text = text.to_string();
        assert!(text.contains(from), "{text}");
        self.write(key, text.replace(from, to).as_bytes());
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy_folder(&entry.path(), &to) } else { fs::copy(entry.path(), to).map(drop).unwrap() }
    }
}

#[track_caller]
fn says(error: &Error, kind: ErrorKind, parts: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{error}\nwithout {part}");
    }
}

#[test]
fn broken_chunks_are_named() {
    let cases: [(&str, &str, &str); 8] = [
        ("v3.zarr/dtypes/int32", "c/0/0", "it has 95 bytes instead of 96"),
        ("v3.zarr/codecs/crc32c", "c/0/0", "crc32c checksum"),
        ("v3.zarr/codecs/zstd", "c/0/0", "zstd data cannot be decoded"),
        ("v3.zarr/codecs/gzip", "c/0/0", "gzip"),
        ("v3.zarr/codecs/bz2", "c/0/0", "bzip2"),
        ("v3.zarr/codecs/lz4", "c/0/0", "LZ4"),
        ("v3.zarr/codecs/blosc_lz4_shuffle", "c/0/0", "Blosc"),
        ("v2.zarr/codecs/zlib", "0.0", "zlib"),
    ];
    for (name, key, why) in cases {
        let copied = Copied::of(name);
        let mut bytes = copied.read_file(key);
        bytes.pop();
        copied.write(key, &bytes);
        says(&copied.refusal(), ErrorKind::Data, &["/a: chunk (0, 0) in ", key, "is corrupt", why]);
    }
}

#[test]
fn lying_indexes_are_refused() {
    let index_of = |entries: &[(usize, u64, u64)]| {
        let copied = Copied::of("v3.zarr/shards/no_checksum");
        let mut bytes = copied.read_file("c/0/0");
        let index = bytes.len() - 8 * 16;
        for &(number, offset, length) in entries {
            bytes[index + number * 16..][..8].copy_from_slice(&offset.to_le_bytes());
            bytes[index + number * 16 + 8..][..8].copy_from_slice(&length.to_le_bytes());
        }
        copied.write("c/0/0", &bytes);
        copied
    };
    let bad = [(0, u64::MAX - 5, 48), (0, 1 << 40, 48), (0, 0, 1 << 40), (0, 8 * 48, 48), (0, 1, u64::MAX)];
    for entry in bad {
        says(&index_of(&[entry]).refusal(), ErrorKind::Data, &["chunk (0, 0)", "its index puts inner chunk (0, 0)", "c/0/0"]);
    }
    says(&index_of(&[(1, 24, 48)]).refusal(), ErrorKind::Data, &["overlap"]);
    says(&index_of(&[(0, 0, 24)]).refusal(), ErrorKind::Data, &["inner chunk (0, 0): it has 24 bytes instead of 48"]);
    assert!(index_of(&[(0, u64::MAX, u64::MAX)]).read().is_ok(), "an inner chunk that was never written");

    let copied = Copied::of("v3.zarr/shards/zstd");
    copied.write("c/0/0", &[0; 20]);
    says(&copied.refusal(), ErrorKind::Data, &["it has 20 bytes, its index alone takes 132"]);
    let copied = Copied::of("v3.zarr/shards/zstd");
    let mut bytes = copied.read_file("c/0/0");
    let at = bytes.len() - 10;
    bytes[at] ^= 1;
    copied.write("c/0/0", &bytes);
    says(&copied.refusal(), ErrorKind::Data, &["the index: its crc32c checksum"]);
}

#[test]
fn bombs_do_not_burst() {
    // A gigabyte of zeros where 6400 bytes belong.
    let zeros = vec![0u8; 1 << 24];
    let copied = Copied::of("v3.zarr/codecs/zstd");
    copied.write("c/0/0", &zstd::encode_all(&zeros[..], 1).unwrap());
    says(&copied.refusal(), ErrorKind::Data, &["cannot be decoded into 6400 bytes"]);
    let copied = Copied::of("v3.zarr/codecs/gzip");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, &zeros).unwrap();
    copied.write("c/0/0", &encoder.finish().unwrap());
    let error = copied.refusal();
    assert!(error.message().contains("decode to more than 6400 bytes") || error.message().contains("no encoding of it"), "{error}");
    let copied = Copied::of("v3.zarr/codecs/lz4");
    copied.write("c/0/0", &lz4_flex::block::compress_prepend_size(&zeros[..1 << 20]));
    says(&copied.refusal(), ErrorKind::Data, &["its LZ4 size is 1048576 bytes, 6400 are expected at most"]);
    let copied = Copied::of("v3.zarr/codecs/lz4");
    copied.write("c/0/0", &vec![0; 1 << 20]);
    says(&copied.refusal(), ErrorKind::Data, &["it has 1048576 bytes, no encoding of it takes more than"]);
}

#[test]
fn absurd_metadata_are_refused() {
    let cases: &[(&str, &str, &str, &str)] = &[
        ("v3.zarr/dtypes/int32", "\"shape\":[7,10]", "\"shape\":[9223372036854775808,10]", "larger than this machine"),
        ("v3.zarr/dtypes/int32", "\"shape\":[7,10]", "\"shape\":[4294967296,4294967296]", "larger than this machine"),
        ("v3.zarr/dtypes/int32", "\"shape\":[7,10]", "\"shape\":[-7,10]", "has the length -7"),
        ("v3.zarr/dtypes/int32", "\"shape\":[7,10]", "\"shape\":[7.5,10]", "has the length 7.5"),
        ("v3.zarr/dtypes/int32", "\"shape\":[7,10]", "\"shape\":[7,10,3]", "has chunks of shape (4, 6)"),
        ("v3.zarr/dtypes/int32", "\"chunk_shape\":[4,6]", "\"chunk_shape\":[0,6]", "hold nothing"),
        ("v3.zarr/dtypes/int32", "\"chunk_shape\":[4,6]", "\"chunk_shape\":[18446744073709551615,6]", "larger than this machine"),
        ("v3.zarr/dtypes/int32", "\"int32\"", "\"complex64\"", "dtype `complex64` is not supported"),
        ("v3.zarr/dtypes/int32", "\"int32\"", "\"string\"", "dtype `string` is not supported"),
        ("v3.zarr/dtypes/int32", "\"regular\"", "\"rectilinear\"", "chunk grid `rectilinear`"),
        ("v3.zarr/dtypes/int32", "\"separator\":\"/\"", "\"separator\":\"/../\"", "separator"),
        ("v3.zarr/dtypes/int32", "\"name\":\"bytes\"", "\"name\":\"zfp\"", "codec `zfp` is not known"),
        ("v3.zarr/dtypes/int32", "\"zarr_format\":3", "\"zarr_format\":4", "zarr_format is 4"),
        ("v3.zarr/dtypes/int32", "\"zarr_format\":3", "\"zarr_format\":3,\"extra\":{\"a\":1}", "the key `extra`"),
        ("v3.zarr/dtypes/int32", "\"fill_value\":1", "\"fill_value\":3000000000", "fill value 3000000000 is none of dtype i32"),
        ("v3.zarr/dtypes/int32", "\"fill_value\":1", "\"fill_value\":\"what\"", "fill value"),
        ("v3.zarr/layout/transpose", "\"order\":[2,0,1]", "\"order\":[2,0,2]", "codec `transpose`"),
        ("v3.zarr/layout/transpose", "\"order\":[2,0,1]", "\"order\":[2,0,1,3]", "codec `transpose`"),
        ("v3.zarr/shards/zstd", "\"chunk_shape\":[4,3]", "\"chunk_shape\":[5,3]", "do not divide"),
        ("v3.zarr/shards/zstd", "\"chunk_shape\":[4,3]", "\"chunk_shape\":[0,3]", "hold nothing"),
        ("v3.zarr/shards/zstd", "\"index_location\":\"end\"", "\"index_location\":\"middle\"", "`middle`"),
        ("v2.zarr/dtypes/i4", "\"dtype\":\"<i4\"", "\"dtype\":[[\"a\",\"<i4\"]]", "structured dtype"),
        ("v2.zarr/dtypes/i4", "\"dtype\":\"<i4\"", "\"dtype\":\"<M8[ns]\"", "dtype `<M8[ns]` is not supported"),
        ("v2.zarr/dtypes/i4", "\"dtype\":\"<i4\"", "\"dtype\":\"|O\"", "dtype `|O`"),
        ("v2.zarr/dtypes/i4", "\"order\":\"C\"", "\"order\":\"K\"", "order \"K\""),
        ("v2.zarr/dtypes/i4", "\"compressor\":null", "\"compressor\":{\"id\":\"lzma\"}", "codec `lzma` is not known"),
    ];
    for (name, from, to, why) in cases {
        let copied = Copied::of(name);
        copied.edit(from, to);
        says(&copied.refusal(), ErrorKind::Data, &["/a/", "zar", why]);
    }
    let copied = Copied::of("v3.zarr/dtypes/int32");
    let many = vec!["1"; 10_000].join(",");
    copied.edit("\"shape\":[7,10]", &format!("\"shape\":[{many}]"));
    says(&copied.refusal(), ErrorKind::Data, &["10000 axes"]);
    copied.write("zarr.json", "[".repeat(100_000).as_bytes());
    says(&copied.refusal(), ErrorKind::Data, &["not JSON"]);
    copied.write("zarr.json", b"{\"node_type\": \"array\"}");
    says(&copied.refusal(), ErrorKind::Data, &["zarr_format"]);
    // A key that need not be understood.
    let copied = Copied::of("v3.zarr/dtypes/int32");
    copied.edit("\"zarr_format\":3", "\"zarr_format\":3,\"extra\":{\"must_understand\":false}");
    assert!(copied.read().is_ok());
}

#[test]
fn other_things_than_files_stand_in_the_way() {
    let copied = Copied::of("v3.zarr/dtypes/int32");
    fs::remove_file(copied.path.join("c/0/0")).unwrap();
    fs::create_dir(copied.path.join("c/0/0")).unwrap();
    // The folder of chunks was changed just now; it would be so for a reader that opened it later.
    std::thread::sleep(Duration::from_millis(20));
    says(&copied.refusal(), ErrorKind::Data, &["chunk (0, 0)", "c/0/0 is a directory"]);
    let copied = Copied::of("v3.zarr/dtypes/int32");
    fs::remove_dir_all(copied.path.join("c")).unwrap();
    fs::write(copied.path.join("c"), b"").unwrap();
    std::thread::sleep(Duration::from_millis(20));
    assert!(copied.read().is_err());
}

#[test]
fn changes_after_opening_are_seen() {
    let copied = Copied::of("v3.zarr/dtypes/int32");
    let source = array(&copied.path).unwrap();
    let read = |source: &ZarrSource| source.read(&Region::new([0, 0], [1, 1]), &mut [0; 4]);
    read(&source).unwrap();
    let bytes = copied.read_file("c/0/0");
    let later = SystemTime::now() + Duration::from_secs(3600);
    fs::File::options().write(true).open(copied.path.join("c/0/0")).unwrap().set_modified(later).unwrap();
    says(&read(&source).unwrap_err(), ErrorKind::Changed, &["c/0/0 changed since the array was opened"]);
    copied.write("c/0/0", &bytes);
    read(&source).unwrap();
    fs::remove_file(copied.path.join("c/0/0")).unwrap();
    fs::File::open(copied.path.join("c/0")).unwrap().set_modified(later).unwrap();
    says(&read(&source).unwrap_err(), ErrorKind::Changed, &["removed"]);
    source.verify().unwrap();
    let before = array(&copied.path).unwrap().facts().identity.clone();
    copied.edit("\"fill_value\":1", "\"fill_value\":2");
    says(&source.verify().unwrap_err(), ErrorKind::Changed, &["zarr.json changed"]);
    assert_ne!(array(&copied.path).unwrap().facts().identity, before);
}

/// Every byte of some stores is flipped, and every file cut at every place: what comes is an error or the size that was promised.
#[test]
fn no_damage_is_a_panic() {
    let names = [
        "v3.zarr/shards/start",
        "v3.zarr/shards/nested",
        "v3.zarr/shards/no_checksum",
        "v3.zarr/codecs/blosc_blosclz_shuffle",
        "v3.zarr/codecs/blosc_lz4_bitshuffle",
        "v3.zarr/codecs/zstd",
        "v3.zarr/codecs/gzip",
        "v3.zarr/codecs/bz2",
        "v3.zarr/codecs/shuffle_zlib",
        "v3.zarr/codecs/lz4",
        "v3.zarr/layout/transpose_zstd",
        "v2.zarr/layout/fortran_zlib",
    ];
    let (mut errors, mut reads) = (0, 0);
    for name in names {
        let copied = Copied::of(name);
        let keys: &[&str] = if name.starts_with("v2") {
            &[".zarray", "0.0.0"]
        } else {
            &["zarr.json", if name.contains("transpose") { "c/0/0/0" } else { "c/0/0" }]
        };
        for key in keys {
            let good = copied.read_file(key);
            // Long files are damaged at 50 places.
            let step = (good.len() / 50).max(1);
            for place in (0..good.len()).step_by(step) {
                for damage in 0..3 {
                    let mut bytes = good.clone();
                    match damage {
                        0 => bytes.truncate(place),
                        1 => bytes[place] ^= 1 << (place % 8),
                        _ => bytes[place] = 0xff,
                    }
                    copied.write(key, &bytes);
                    // Metadata may ask for more than a test should hold, and say so.
                    let promised = array_or_group(&copied.path);
                    if promised.is_none_or(|bytes| bytes > 1 << 20) || copied.read().is_err() { errors += 1 } else { reads += 1 }
                }
            }
            copied.write(key, &good);
            copied.read().unwrap();
        }
    }
    assert!(errors > 800 && reads > 300, "{errors} errors, {reads} reads");
}

/// Bytes of the array and of what reading it holds, if there is one.
fn array_or_group(path: &Path) -> Option<u64> {
    match open(path.to_str().unwrap()) {
        Ok(Some(Opened::Array(source))) => {
            let facts = source.facts();
            Some((facts.count() as u64).saturating_mul(8).saturating_add(facts.read_scratch_bytes.saturating_sub(1 << 22)))
        }
        _ => None,
    }
}

/// What an archive of stored entries has: names and bytes, one after the other, and the directory.
fn zip(entries: &[(String, Vec<u8>)], is_deflated: bool) -> Vec<u8> {
    use std::io::Write;
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        let data = if is_deflated { encoder.finish().unwrap() } else { bytes.clone() };
        let mut head = vec![20, 0, 0, 0, if is_deflated { 8 } else { 0 }, 0, 0, 0, 0, 0];
        for number in [crc.sum(), data.len() as u32, bytes.len() as u32] {
            head.extend(number.to_le_bytes());
        }
        head.extend([name.len() as u8, 0, 0, 0]);
        let start = out.len() as u32;
        out.extend(b"PK\x03\x04");
        out.extend(&head);
        out.extend(name.as_bytes());
        out.extend(data);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&head);
        directory.extend([0; 10]);
        directory.extend(start.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([(entries.len() as u16).to_le_bytes(), (entries.len() as u16).to_le_bytes()].concat());
    out.extend([(directory.len() as u32).to_le_bytes(), start.to_le_bytes()].concat());
    out.extend([0, 0]);
    out
}

fn entries_below(folder: &Path, prefix: &str, entries: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() {
            entries_below(&entry.path(), &format!("{name}/"), entries)
        } else {
            entries.push((name, fs::read(entry.path()).unwrap()))
        }
    }
}

#[test]
fn archives_read_as_folders_do() {
    let folder = tempfile::tempdir().unwrap();
    for prefix in ["", "v3.zarr/"] {
        let mut entries = Vec::new();
        entries_below(&data().join("v3.zarr/shards"), &format!("{prefix}shards/"), &mut entries);
        entries.push((format!("{prefix}zarr.json"), fs::read(data().join("v3.zarr/zarr.json")).unwrap()));
        for is_deflated in [false, true] {
            let path = folder.path().join("x.zip");
            let bytes = zip(&entries, is_deflated);
            fs::write(&path, &bytes).unwrap();
            let Some(Opened::Group(group)) = open(path.to_str().unwrap()).unwrap() else { panic!("a group") };
            assert_eq!(group.arrays.len(), 12);
            for name in ["zstd", "plain", "start", "holes"] {
                let wanted = Copied::of(&format!("v3.zarr/shards/{name}")).read().unwrap();
                let source = array(&path.join("shards").join(name)).unwrap();
                crate::store::suite::check_source(&source, &wanted);
            }
            let missing = open(path.join("shards/none").to_str().unwrap()).unwrap_err();
            says(&missing, ErrorKind::NotFound, &["shards/none", "x.zip/shards/around"]);
            // Damage anywhere is an error or goes unseen where nothing looks.
            for place in (0..bytes.len()).step_by((bytes.len() / 200).max(1)).chain(bytes.len() - 400..bytes.len()) {
                let mut broken = bytes.clone();
                broken[place] ^= 0x41;
                fs::write(&path, &broken).unwrap();
                if let Ok(Some(Opened::Array(source))) = open(path.join("shards/zstd").to_str().unwrap()) {
                    let _ = source.read(&Region::whole(&[13, 17]), &mut [0; 13 * 17 * 4]);
                }
                fs::write(&path, &bytes[..place]).unwrap();
                assert!(open(path.join("shards/zstd").to_str().unwrap()).is_err());
            }
        }
    }
}
