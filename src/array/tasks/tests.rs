//! Jobs in tasks give the bits of jobs of one process: whatever the tasks, their order, and how often they are run.

use super::*;
use crate::{
    AnyArray, Array, Destination, Save, Session, ZarrOptions,
    array::parse::{BuildOptions, Program, parse},
};
use std::{fs, path::Path};

const MEMORY: &str = "8MiB";

fn session() -> Session {
    Session::builder().memory(MEMORY).threads(2).block_bytes(16 << 10).build().unwrap()
}

/// Where the inputs lie: normal numbers as npy, as one Zarr array of chunks of rows, and small integers.
fn inputs() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let session = session();
    let x = value_of(&[], "normal((240000, 16), 0.5, 1, seed=7, dtype=f32)");
    let layout = ZarrOptions::default().with("chunks", "4000,16").unwrap().with("shards", "none").unwrap();
    session.save_all([(&x, folder.path().join("x.npy"))], Save::new()).unwrap();
    session.save_all([(&x, folder.path().join("x.zarr"))], Save::new().zarr(layout)).unwrap();
    let labels = value_of(&[], "integers((240000,), 0, 7, seed=8)");
    session.save_all([(&labels, folder.path().join("labels.npy"))], Save::new()).unwrap();
    folder
}

/// The value of a statement over the inputs.
fn value(folder: &Path, text: &str) -> Array {
    let session = session();
    let open = |name: &str, file: &str| (name.to_string(), session.open(folder.join(file)));
    value_of(&[open("x", "x.npy"), open("z", "x.zarr"), open("labels", "labels.npy")], text)
}

fn value_of(arrays: &[(String, Array)], text: &str) -> Array {
    let built = Program::build(&parse(text).unwrap(), arrays, &BuildOptions::default()).unwrap();
    match built.result.unwrap().1 {
        crate::array::parse::Value::Array(array) => array,
        other => panic!("{text} is {}", other.describe()),
    }
}

fn job(folder: &Path, text: &str, to: Destination) -> Job {
    let session = session();
    Job::new(&session).output("y", &value(folder, text), to)
}

/// Runs a job in tasks of `size`, each of them twice, in another order each time, every step by a process of its own.
fn in_tasks(make: &dyn Fn() -> Job, at: &Path, size: TaskSize) -> (JobResult, usize) {
    let tasks = || make().tasks(at);
    let mut count = 0;
    let mut steps = 0;
    while let Step::Run(stage) = tasks().next(size).unwrap() {
        assert_eq!(stage.tasks_done, 0);
        let odd_first = (0..stage.tasks).filter(|task| task % 2 == 1).chain((0..stage.tasks).filter(|task| task % 2 == 0));
        for task in odd_first {
            assert!(!tasks().run(stage.phase, stage.stage, task).unwrap().was_done);
            assert!(tasks().run(stage.phase, stage.stage, task).unwrap().was_done);
            if task % 3 == 0 {
                // As if its worker had been killed after its work and before its marker.
                fs::remove_file(at.join(format!("phase-{}/stage-{}/{task:07}.done", stage.phase, stage.stage))).unwrap();
                assert!(!tasks().run(stage.phase, stage.stage, task).unwrap().was_done);
            }
        }
        count += stage.tasks;
        steps += 1;
        assert!(steps < 40, "{stage:?}");
    }
    let result = tasks().finish().unwrap();
    assert_eq!(tasks().next(size).unwrap(), Step::Finished);
    if result.arrays.iter().all(Option::is_none) {
        assert_eq!(tasks().finish().unwrap_err().kind(), crate::ErrorKind::Usage);
    }
    (result, count)
}

fn bytes(result: &JobResult) -> (Vec<usize>, Vec<u8>) {
    let array: &AnyArray = result.arrays[0].as_ref().unwrap();
    (array.shape().to_vec(), array.bytes().to_vec())
}

#[test]
fn values_are_those_of_one_process() {
    let folder = inputs();
    let mut tasks = 0;
    for text in [
        "sum(x)",
        "mean(x, axis=0)",
        "std(x, axis=1)[:10]",
        "sum((x - mean(x, 0)) / std(x, 0), axis=0)",
        "min(x, 0) + max(z, 0) * argmax(x, 0)",
        "histogram(x, 32)[0]",
        "median(x)",
        "quantile(x, 0.3, axis=0)",
        "x.T @ x",
        "prod(x[:200], axis=0)",
        "cumsum(x[:, :2], 0)[-1]",
        "x[:, 3][x[:, 0] > 2.2]",
        "group_mean(x, labels, 7, axis=0)",
        "topk(x[:, 0], 5)[0]",
        "corrcoef(x[:, 0], x[:, 1])",
        "(x[:20] * 2)",
        "sum(where(isnan(x), 0, x) != 0)",
    ] {
        let make = || job(folder.path(), text, Destination::Memory);
        eprintln!("{text}");
        let want = make().run().unwrap_or_else(|error| panic!("{text}: {error}"));
        for (nth, size) in
            [TaskSize { bytes: 1_600_000, tasks_max: 50 }, TaskSize { bytes: 1, tasks_max: 3 }, TaskSize::default()].into_iter().enumerate()
        {
            let at = folder.path().join(format!("job-{nth}"));
            let (got, count) = in_tasks(&make, &at, size);
            assert_eq!(bytes(&got), bytes(&want), "{text} {size:?}");
            tasks += count;
            fs::remove_dir_all(&at).unwrap();
        }
    }
    assert!(tasks > 60, "{tasks} tasks");
}

/// Every file below `path`, by its name there.
fn files(path: &Path) -> Vec<(String, Vec<u8>)> {
    if path.is_file() {
        return vec![(String::new(), fs::read(path).unwrap())];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().to_string();
        found.extend(files(&entry.path()).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
    }
    found.sort();
    found
}

#[test]
fn files_are_those_of_one_process() {
    let folder = inputs();
    let at = |name: &str| folder.path().join(name);
    for (text, end, chunks) in [
        ("(x - mean(x, 0)) / std(x, 0)", "npy", ""),
        ("(x - mean(x, 0)) / std(x, 0)", "zarr", "2000,16"),
        ("z", "zarr", "60000,2"),
        ("(x - mean(x, 0)) / std(x, 0)", "zarr", "2000,16 in 6000,16"),
        ("x * 0.5", "zarr", "1000,4 in 4000,8"),
        ("z", "zarr", "7000,2 in 70000,4"),
        ("x.T", "zarr", "4,3000 in 8,9000"),
        ("z[137:60137]", "zarr", "1,16 in 700,16"),
        ("z.T", "npy", ""),
        ("cumsum(x, 0)", "npy", ""),
        ("x - median(x, 0)", "bin", ""),
        ("x[x[:, 1] > 0]", "npy", ""),
        ("std(x, 0)", "npy", ""),
    ] {
        let (one, many) = (at(&format!("one.{end}")), at(&format!("many.{end}")));
        let make = |to: &Path| {
            let layout = if chunks.is_empty() {
                ZarrOptions::default()
            } else {
                let (chunks, shards) = chunks.split_once(" in ").unwrap_or((chunks, "none"));
                ZarrOptions::default().with("chunks", chunks).unwrap().with("shards", shards).unwrap()
            };
            job(folder.path(), text, Destination::Path(to.to_path_buf())).save(Save::new().zarr(layout))
        };
        make(&one).run().unwrap();
        let (_, count) = in_tasks(&|| make(&many), &at("job"), TaskSize { bytes: 1_200_000, tasks_max: 20 });
        assert!(files(&one) == files(&many), "{text} to {end}");
        assert!(!text.contains('/') || count > 3, "{text}: {count} tasks");
        let left: Vec<String> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().to_string()).collect();
        assert!(left.iter().all(|name| !name.starts_with('.')), "{left:?}");
        for path in [&one, &many, &at("job")] {
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
    }
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let folder = inputs();
    let at = folder.path().join("job");
    let size = TaskSize { bytes: 1_200_000, tasks_max: 20 };
    let to = Destination::Path(folder.path().join("y.npy"));
    let make = |text: &str| job(folder.path(), text, to.clone()).tasks(&at);
    let kind = |result: Result<JobResult>| result.unwrap_err().kind();
    assert_eq!(make("x * 2").finish().unwrap_err().kind(), crate::ErrorKind::Usage);
    let Step::Run(stage) = make("x * 2").next(size).unwrap() else { panic!("there are tasks") };
    assert!(stage.tasks > 3 && stage.bytes_peak < 8 << 20, "{stage:?}");
    // Too early, too far, another job, other limits.
    assert_eq!(kind(make("x * 2").finish()), crate::ErrorKind::Usage);
    assert!(folder.path().join(".y.npy.part").exists(), "what is unfinished stays");
    assert_eq!(make("x * 2").run(0, 0, stage.tasks).unwrap_err().kind(), crate::ErrorKind::Usage);
    assert_eq!(make("x * 2").run(1, 0, 0).unwrap_err().kind(), crate::ErrorKind::Usage);
    assert_eq!(make("x * 3").run(0, 0, 0).unwrap_err().kind(), crate::ErrorKind::Refused);
    let other = Session::builder().memory("9MiB").threads(2).block_bytes(16 << 10).build().unwrap();
    let job_of_other = Job::new(&other).output("y", &value(folder.path(), "x * 2"), to.clone()).tasks(&at);
    assert_eq!(job_of_other.run(0, 0, 0).unwrap_err().kind(), crate::ErrorKind::Refused);
    for task in 0..stage.tasks {
        make("x * 2").run(0, 0, task).unwrap();
    }
    // Another job takes the place of what nobody holds; this one sees it.
    let (part, aside) = (folder.path().join(".y.npy.part"), folder.path().join("aside"));
    fs::rename(&part, &aside).unwrap();
    assert_eq!(make("x * 2").next(size).unwrap_err().kind(), crate::ErrorKind::Data, "it is gone");
    fs::copy(&aside, &part).unwrap();
    assert_eq!(make("x * 2").next(size).unwrap_err().kind(), crate::ErrorKind::Data, "it is another one");
    fs::rename(&aside, &part).unwrap();
    assert_eq!(make("x * 2").next(size).unwrap(), Step::Finish);
    let held = crate::store::tasks::alone(&at.join("lock")).unwrap();
    assert_eq!(make("x * 2").next(size).unwrap_err().kind(), crate::ErrorKind::Io);
    drop(held);
    // A damaged input: its tasks are those of another file.
    let bytes = fs::read(folder.path().join("x.npy")).unwrap();
    fs::write(folder.path().join("x.npy"), &bytes).unwrap();
    assert_eq!(make("x * 2").next(size).unwrap_err().kind(), crate::ErrorKind::Changed);
}

#[test]
fn damaged_pieces_are_errors() {
    let folder = inputs();
    let at = folder.path().join("job");
    let size = TaskSize { bytes: 1_200_000, tasks_max: 20 };
    let make = || job(folder.path(), "mean(x, 0)", Destination::Memory).tasks(&at);
    let Step::Run(stage) = make().next(size).unwrap() else { panic!("there are tasks") };
    for task in 0..stage.tasks {
        make().run(0, stage.stage, task).unwrap();
    }
    let piece = at.join(format!("phase-0/stage-{}/0000002.part", stage.stage));
    let whole = fs::read(&piece).unwrap();
    for damage in [whole[..whole.len() - 1].to_vec(), whole.iter().map(|byte| byte ^ 1).collect(), Vec::new()] {
        fs::write(&piece, &damage).unwrap();
        let error = make().next(size).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Data);
        assert!(error.message().contains("0000002.part"), "{error}");
    }
    fs::write(&piece, &whole).unwrap();
    assert_eq!(make().next(size).unwrap(), Step::Finish);
    assert_eq!(bytes(&make().finish().unwrap()), bytes(&job(folder.path(), "mean(x, 0)", Destination::Memory).run().unwrap()));
}
