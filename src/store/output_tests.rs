//! Tests of output files: the laws, what is refused up front, and what is left behind.

use super::*;
use crate::store::{
    Hold, PageCache, Source, npy, raw,
    suite::{self, Naming, TargetCase},
};
use std::os::unix::fs::MetadataExt;

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn published(path: &Path, mode: OutputMode, value: u8) -> Result<()> {
    let target = raw::create(path, DType::U8, &[3], mode)?;
    target.write(&Region::run(0, 3), &[value; 3])?;
    target.sync()?;
    target.publish()
}

#[test]
fn npy_and_raw_targets_keep_the_laws() {
    for dtype in DType::ALL {
        for shape in [&[][..], &[0, 3], &[7], &[4, 1, 5], &[9, 10]] {
            for (name, npy) in [("x.npy", true), ("x.bin", false)] {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join(name);
                let mode = OutputMode::CreateNew;
                let read = || -> Result<Box<dyn Source>> {
                    let options = npy::NpyOptions { dtype: Some(dtype), dims: None };
                    let layout =
                        raw::RawLayout { shape: shape.iter().map(|&length| length as i64).collect(), ..raw::RawLayout::flat(dtype) };
                    Ok(if npy { Box::new(npy::open(&path, &options)?) } else { Box::new(raw::open(&path, &layout)?) })
                };
                suite::check_target(&TargetCase {
                    create: &|| if npy { npy::create(&path, dtype, shape, mode) } else { raw::create(&path, dtype, shape, mode) },
                    read_back: &|_| {
                        let source = read().ok()?;
                        assert_eq!(source.facts().shape, shape);
                        let mut bytes = vec![0; source.facts().count() * dtype.size()];
                        source.read(&Region::run(0, source.facts().count()), &mut bytes).unwrap();
                        suite::check_source(&*source, &bytes);
                        Some(bytes)
                    },
                    is_clean: &|| names_in(folder.path()).is_empty(),
                    remove: &|| std::fs::remove_file(&path).unwrap(),
                    named: Naming::Named,
                });
            }
        }
    }
}

#[test]
fn overwriting_replaces_in_one_step_and_through_links() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real.bin"), folder.path().join("link.bin"));
    published(&real, OutputMode::Overwrite, 1).unwrap();
    std::os::unix::fs::symlink("real.bin", &link).unwrap();
    let target = raw::create(&link, DType::U8, &[3], OutputMode::Overwrite).unwrap();
    target.write(&Region::run(0, 3), &[2; 3]).unwrap();
    assert_eq!(std::fs::read(&real).unwrap(), [1; 3]);
    target.publish().unwrap();
    assert_eq!(std::fs::read(&real).unwrap(), [2; 3]);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(names_in(folder.path()), ["link.bin", "real.bin"]);
    assert!(published(&link, OutputMode::CreateNew, 3).unwrap_err().to_string().contains("link.bin exists\n  try: `--overwrite`"));
}

#[test]
fn what_cannot_be_written_is_refused_up_front() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("broken")).unwrap();
    let refusal = |path: &Path, mode| {
        let error = published(path, mode, 0).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Output, "{error}");
        error.message().to_string()
    };
    assert!(refusal(folder.path(), OutputMode::Overwrite).ends_with("it is a directory"));
    assert!(refusal(&folder.path().join("new/"), OutputMode::CreateNew).contains("names a folder"));
    assert!(refusal(&folder.path().join("none/x.bin"), OutputMode::CreateNew).contains("none does not exist"));
    assert!(refusal(&file.join("x.bin"), OutputMode::CreateNew).contains("cannot write"));
    assert!(refusal(&file, OutputMode::CreateNew).ends_with("file exists"));
    assert!(refusal(&folder.path().join("broken"), OutputMode::CreateNew).ends_with("broken exists"));
    assert!(refusal(Path::new("/dev/null"), OutputMode::Overwrite).contains("not a regular file"));
    assert!(refusal(Path::new(""), OutputMode::CreateNew).contains("cannot write"));
    assert_eq!(names_in(folder.path()), ["broken", "file"]);
    published(&folder.path().join("broken"), OutputMode::Overwrite, 4).unwrap();
}

#[test]
fn too_little_room_is_an_error_with_both_numbers() {
    let folder = tempfile::tempdir().unwrap();
    for length in [1usize << 50, 1 << 62] {
        let error = raw::create(&folder.path().join("x.bin"), DType::U8, &[length], OutputMode::CreateNew).unwrap_err();
        assert_eq!((error.kind(), error.needed_bytes()), (ErrorKind::Output, Some(length as u64)));
        assert!(error.message().contains("are available"), "{error}");
    }
    assert!(raw::create(&folder.path().join("x.bin"), DType::U8, &[usize::MAX, 2], OutputMode::CreateNew).is_err());
    assert!(names_in(folder.path()).is_empty());
}

#[test]
fn published_files_look_like_any_other_and_long_names_work() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, ours) = (folder.path().join("plain"), folder.path().join("n".repeat(255)));
    std::fs::write(&plain, "").unwrap();
    published(&ours, OutputMode::CreateNew, 0).unwrap();
    assert_eq!(std::fs::metadata(&plain).unwrap().mode(), std::fs::metadata(&ours).unwrap().mode());
}

#[test]
fn temporary_files_are_hidden_and_lie_beside_the_output() {
    let folder = tempfile::tempdir().unwrap();
    let target = npy::create(&folder.path().join("z.npy"), DType::F32, &[1000], OutputMode::CreateNew).unwrap();
    let names = names_in(folder.path());
    assert!(names == [".z.npy.part"], "{names:?}");
    assert!(std::fs::metadata(folder.path().join(&names[0])).unwrap().blocks() * 512 >= 4128, "space is reserved");
    drop(target);
    assert!(names_in(folder.path()).is_empty());
}

#[test]
fn a_name_that_is_taken_meanwhile_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bin");
    let target = raw::create(&path, DType::U8, &[3], OutputMode::CreateNew).unwrap();
    target.write(&Region::run(0, 3), &[1; 3]).unwrap();
    std::fs::write(&path, "other").unwrap();
    assert!(target.publish().unwrap_err().message().contains("was created while"));
    drop(target);
    assert_eq!((names_in(folder.path()), std::fs::read(&path).unwrap()), (vec!["x.bin".to_string()], b"other".to_vec()));
}

#[test]
fn an_output_has_one_writer_and_outlives_it_only_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bin");
    let create = |mode| raw::create(&path, DType::U8, &[3], mode);
    let first = create(OutputMode::CreateNew).unwrap();
    for mode in [OutputMode::CreateNew, OutputMode::Overwrite] {
        assert!(create(mode).unwrap_err().message().ends_with("x.bin is being written by another job"));
        assert!(raw::reopen(&path, DType::U8, &[3], mode, Hold::Alone).is_err());
    }
    first.write(&Region::run(0, 2), &[1, 2]).unwrap();
    first.keep();
    let part = first.part().unwrap();
    drop(first);
    assert_eq!(names_in(folder.path()), [".x.bin.part"]);
    assert!(raw::reopen(&path, DType::U8, &[4], OutputMode::CreateNew, Hold::Alone).unwrap().is_none(), "another length is another job's");
    let second = raw::reopen(&path, DType::U8, &[3], OutputMode::CreateNew, Hold::Alone).unwrap().unwrap();
    assert_eq!(second.part().unwrap(), part);
    second.adopt(&[Region::run(0, 2)]).unwrap();
    assert!(second.publish().is_err(), "a hole is a hole");
    second.write(&Region::run(2, 1), &[3]).unwrap();
    second.publish().unwrap();
    assert!(part.is_at(&path));
    drop(second);
    assert_eq!((names_in(folder.path()), std::fs::read(&path).unwrap()), (vec!["x.bin".to_string()], vec![1, 2, 3]));
}

#[test]
fn what_is_left_over_without_a_journal_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bin");
    std::fs::write(folder.path().join(".x.bin.part"), "left").unwrap();
    std::fs::write(folder.path().join(".x.bin.part.journal"), "no journal").unwrap();
    published(&path, OutputMode::CreateNew, 7).unwrap();
    assert_eq!((names_in(folder.path()), std::fs::read(&path).unwrap()), (vec!["x.bin".to_string()], vec![7; 3]));
}

#[test]
fn hard_links_publish_where_rename_has_no_flags() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::write(&from, "new").unwrap();
    std::fs::write(&to, "old").unwrap();
    assert_eq!(link_then_unlink(&from, &to).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    std::fs::remove_file(&to).unwrap();
    link_then_unlink(&from, &to).unwrap();
    assert_eq!(names_in(folder.path()), ["to"]);
}

#[test]
fn an_error_of_any_operation_leaves_nothing() {
    use crate::store::wrap::Failing;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let run = |nth: u64| -> (Result<()>, u64) {
        let target = Failing::new(npy::create(&path, DType::F32, &[4, 2], OutputMode::CreateNew).unwrap(), nth);
        let outcome = (0..4).try_for_each(|row| target.write(&Region::new([row, 0], [1, 2]), &[1; 8]));
        let outcome = outcome.and_then(|()| target.settle(PageCache::Drop)).and_then(|()| target.sync()).and_then(|()| target.publish());
        (outcome, target.operations())
    };
    for nth in 0..7 {
        assert_eq!(run(nth).0.unwrap_err().kind(), ErrorKind::Io, "operation {nth}");
        assert!(names_in(folder.path()).is_empty(), "operation {nth}");
    }
    let (outcome, operations) = run(7);
    assert!(outcome.is_ok() && operations == 7);
    assert_eq!(names_in(folder.path()), ["x.npy"]);
}

#[test]
fn what_leaves_the_page_cache_in_between_is_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let (rows, columns) = (300, 1000);
    let element = |row: usize, column: usize| (row * columns + column) as f32;
    let target = npy::create(&path, DType::F32, &[rows, columns], OutputMode::CreateNew).unwrap();
    // Tiles whose edges lie inside of pages, in an order that leaves gaps before what is written.
    for (from, to) in [(100, 200), (0, 100), (200, 300)] {
        for (left, right) in [(500, 1000), (0, 500)] {
            let tile: Vec<f32> = (from..to).flat_map(|row| (left..right).map(move |column| element(row, column))).collect();
            target.write(&Region::new([from, left], [to - from, right - left]), bytemuck::cast_slice(&tile)).unwrap();
            target.settle(PageCache::Drop).unwrap();
        }
    }
    target.sync().unwrap();
    target.publish().unwrap();
    let want: Vec<f32> = (0..rows * columns).map(|place| place as f32).collect();
    assert!(std::fs::read(&path).unwrap().ends_with(bytemuck::cast_slice(&want)));
}
