//! Tests of folders that are published.

use super::*;

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn begin(path: &Path, mode: OutputMode) -> Result<PartFolder> {
    let destination = destination(path, "z.zarr", mode, |_| Standing::Replaceable)?;
    PartFolder::begin(destination, "z.zarr", mode)
}

fn published(path: &Path, mode: OutputMode, text: &str) -> Result<()> {
    let folder = begin(path, mode)?;
    std::fs::write(folder.path().join("a"), text).unwrap();
    folder.publish()
}

#[test]
fn a_folder_appears_whole_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("z.zarr");
    let folder = begin(&path, OutputMode::CreateNew).unwrap();
    std::fs::write(folder.path().join("a"), "1").unwrap();
    assert_eq!(names_in(place.path()), [".z.zarr.lock", ".z.zarr.part"]);
    drop(folder);
    assert!(names_in(place.path()).is_empty());
    published(&path, OutputMode::CreateNew, "1").unwrap();
    assert_eq!(names_in(place.path()), ["z.zarr"]);
    assert_eq!(std::fs::read_to_string(path.join("a")).unwrap(), "1");
    let error = published(&path, OutputMode::CreateNew, "2").unwrap_err();
    assert_eq!(error.to_string(), "z.zarr exists\n  try: `--overwrite` replaces it");
}

#[test]
fn replacing_is_one_step_and_goes_through_links() {
    let place = tempfile::tempdir().unwrap();
    let (path, link) = (place.path().join("z.zarr"), place.path().join("link.zarr"));
    published(&path, OutputMode::Overwrite, "1").unwrap();
    std::os::unix::fs::symlink("z.zarr", &link).unwrap();
    let folder = begin(&link, OutputMode::Overwrite).unwrap();
    std::fs::write(folder.path().join("b"), "2").unwrap();
    assert_eq!(std::fs::read_to_string(path.join("a")).unwrap(), "1");
    folder.publish().unwrap();
    assert!(folder.publish().is_err());
    drop(folder);
    assert_eq!((names_in(place.path()), names_in(&path)), (vec!["link.zarr".to_string(), "z.zarr".to_string()], vec!["b".to_string()]));
}

#[test]
fn a_second_job_is_refused_while_the_first_one_lives() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("z.zarr");
    let first = begin(&path, OutputMode::CreateNew).unwrap();
    for mode in [OutputMode::CreateNew, OutputMode::Overwrite] {
        let error = begin(&path, mode).unwrap_err();
        assert!(error.kind() == ErrorKind::Output && error.message().contains("is being written by another job"), "{error}");
    }
    assert!(first.path().is_dir());
    let held = rustix::fs::flock(File::open(first.path()).unwrap(), FlockOperation::NonBlockingLockExclusive);
    assert_eq!(held, Err(Errno::WOULDBLOCK));
    drop(first);
    begin(&path, OutputMode::CreateNew).unwrap();
    assert!(names_in(place.path()).is_empty());
}

#[test]
fn what_a_killed_job_left_is_taken_over() {
    let place = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(place.path().join(".z.zarr.part/c/0")).unwrap();
    std::fs::write(place.path().join(".z.zarr.lock"), "").unwrap();
    published(&place.path().join("z.zarr/"), OutputMode::CreateNew, "1").unwrap();
    assert_eq!(names_in(place.path()), ["z.zarr"]);
    assert_eq!(names_in(&place.path().join("z.zarr")), ["a"]);
}

#[test]
fn what_is_not_ours_is_never_replaced() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("z.zarr");
    std::fs::write(&path, "x").unwrap();
    let refusal = |look: Standing| destination(&path, "z.zarr", OutputMode::Overwrite, |_| look.clone()).unwrap_err().message().to_string();
    assert_eq!(refusal(Standing::Replaceable), "cannot replace z.zarr: it is not a folder");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(refusal(Standing::Foreign("it is a group".into())), "cannot replace z.zarr: it is a group");
    assert!(destination(Path::new("/"), "/", OutputMode::Overwrite, |_| Standing::Replaceable).is_err());
    // A name that was taken while the job ran.
    std::fs::remove_dir(&path).unwrap();
    let folder = begin(&path, OutputMode::CreateNew).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(folder.publish().unwrap_err().message().contains("created while the result was being computed"));
    drop(folder);
    assert_eq!(names_in(place.path()), ["z.zarr"]);
}

#[test]
fn file_systems_that_cannot_exchange_take_two_steps() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    std::fs::create_dir(&from).unwrap();
    std::fs::create_dir(&to).unwrap();
    std::fs::write(from.join("new"), "").unwrap();
    let old = rename_in_two_steps(&from, &to).unwrap().unwrap();
    assert!(to.join("new").exists() && old.is_dir());
    assert!(rename_in_two_steps(&from, &to).is_err());
    assert!(to.join("new").exists());
}
