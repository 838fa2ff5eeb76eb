//! Coverage-guided fuzzing of everything that outcore reads from strangers. `tests/fuzz/run.sh` builds it and makes the first inputs.
//!
//! `OUTCORE_FUZZ` names what is read: a file by its extension, `zarr2`, `zarr3`, `query`, `statements`, `slice`, `state`,
//! `journal` or `task`.
//! Whatever the bytes are, there is a value or an error; panics and internal errors are findings.

#![no_main]

use libfuzzer_sys::fuzz_target;
use outcore::{
    Array, ErrorKind, Result, Save, Session,
    array::{
        Statistics,
        parse::{BuildOptions, Program, parse, parse_slice},
    },
    format::task,
};
use std::{env, fs, path::Path, sync::OnceLock};

/// Between the metadata of a Zarr array and its chunk, or a part and its journal.
const CUT: &[u8] = b"\n----\n";
/// Arrays of more elements are only opened.
const ELEMENTS_MAX: usize = 1 << 16;

struct Place {
    session: Session,
    folder: tempfile::TempDir,
    what: String,
}

fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Place {
            session: Session::builder().memory("32MiB").threads(1).build().expect("a session"),
            folder: folder.expect("a folder"),
            what: env::var("OUTCORE_FUZZ").expect("OUTCORE_FUZZ says what is read"),
        }
    })
}

fuzz_target!(|data: &[u8]| {
    let place = place();
    let result = match place.what.as_str() {
        "zarr2" | "zarr3" => zarr(place, data),
        "query" => query(place, data),
        "statements" => statements(place, data),
        "slice" => text(data).map_or(Ok(()), |text| parse_slice(text).map(drop)),
        "state" => state(place, data),
        "journal" => journal(place, data),
        "task" => task(data),
        extension => file(place, data, extension),
    };
    if let Err(error) = result {
        assert_ne!(error.kind(), ErrorKind::Internal, "{error}");
    }
});

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok().filter(|text| !text.contains('\0'))
}

fn write(path: &Path, data: &[u8]) {
    fs::write(path, data).expect("an input is written");
}

/// Reads what there is, if that is little.
fn look(array: &Array) -> Result<()> {
    let shape = array.shape()?;
    if shape.iter().try_fold(1usize, |all, &length| all.checked_mul(length)).is_some_and(|count| count <= ELEMENTS_MAX) {
        array.eval_any()?;
        array.digest()?;
    }
    Ok(())
}

fn file(place: &Place, data: &[u8], extension: &str) -> Result<()> {
    let path = place.folder.path().join(format!("x.{extension}"));
    write(&path, data);
    look(&place.session.open(&path))
}

/// The metadata, and one chunk that stands wherever the first one may.
fn zarr(place: &Place, data: &[u8]) -> Result<()> {
    let (metadata, chunk) = split(data);
    let root = place.folder.path().join("x.zarr");
    let _ = fs::remove_dir_all(&root);
    let (name, chunks) = match place.what.as_str() {
        "zarr2" => (".zarray", ["0", "0.0", "0/0", "0.0.0"]),
        _ => ("zarr.json", ["c/0", "c/0/0", "c/0/0/0", "c.0.0"]),
    };
    for chunk_name in chunks {
        let path = root.join(chunk_name);
        if path.parent().is_some_and(|folder| fs::create_dir_all(folder).is_ok()) && !path.is_dir() {
            let _ = fs::write(&path, chunk);
        }
    }
    write(&root.join(name), metadata);
    look(&place.session.open(&root))
}

/// A path's query, on a raw file of 64 bytes.
fn query(place: &Place, data: &[u8]) -> Result<()> {
    let Some(text) = text(data) else { return Ok(()) };
    let path = place.folder.path().join("x.bin");
    write(&path, &[7; 64]);
    look(&place.session.open(format!("{}?{text}", path.display())))
}

fn statements(place: &Place, data: &[u8]) -> Result<()> {
    let Some(text) = text(data).filter(|text| text.len() < 2000) else { return Ok(()) };
    let session = &place.session;
    let x = session.arange(0, 12, 1).cast::<f32>().reshape([4, 3]);
    let inputs = vec![("x".to_string(), x), ("i".to_string(), session.arange(0, 3, 1))];
    let built = Program::build(&parse(text)?, &inputs, &BuildOptions::default())?;
    let _ = format!("{built:?}");
    Ok(())
}

fn state(place: &Place, data: &[u8]) -> Result<()> {
    let path = place.folder.path().join("x.ocs");
    write(&path, data);
    Statistics::open(&place.session, &path, ..).map(drop)
}

/// What a stopped job may have left: its part, and its journal.
fn journal(place: &Place, data: &[u8]) -> Result<()> {
    let (part, journal) = split(data);
    let path = place.folder.path().join("y.npy");
    let _ = fs::remove_file(&path);
    write(&place.folder.path().join(".y.npy.part"), part);
    write(&place.folder.path().join(".y.npy.part.journal"), journal);
    let value = place.session.arange(0, 1000, 1) + 1;
    let saved = place.session.save_all([(&value, &path)], Save::new().resume());
    let _ = fs::remove_file(place.folder.path().join(".y.npy.part"));
    let _ = fs::remove_file(place.folder.path().join(".y.npy.part.journal"));
    saved?;
    assert_eq!(place.session.open(&path).sum(..).item::<i64>()?, 500_500, "a job that went on");
    Ok(())
}

/// What a task left for others. The checksum is right, so that what is behind it is read.
fn task(data: &[u8]) -> Result<()> {
    let plan = "0123456789abcdef";
    let bytes = [data, blake3::hash(data).as_bytes()].concat();
    let piece = task::decode(&bytes, plan)?;
    assert_eq!(task::encode(&piece, plan), bytes, "a piece that was read is what was written");
    Ok(())
}

fn split(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.windows(CUT.len()).position(|window| window == CUT);
    at.map_or((data, &[]), |at| (&data[..at], &data[at + CUT.len()..]))
}
