//! Jobs in tasks as they are typed: the steps, the exit codes, tasks that are killed.

use crate::cli_support::{Folder, Run};
use std::{fs, process::Stdio, thread, time::Duration};

/// Normal numbers, 38 MB of them.
fn inputs() -> Folder {
    let folder = Folder::on_disk();
    folder.ok(&["eval", "normal((600000, 16), 0.5, 1, seed=3, dtype=f32)", "-o", "x.npy"]);
    folder
}

const LIMITS: [&str; 4] = ["--memory", "64MiB", "--threads", "1"];

fn plan(folder: &Folder, words: &[&str]) -> serde_json::Value {
    let text = folder.ok(&[&["plan"], words, &["--job", "job", "--json"]].concat());
    serde_json::from_str(&text).unwrap()
}

fn task(folder: &Folder, step: &serde_json::Value, task: &str) -> Run {
    let (phase, stage) = (step["phase"].to_string(), step["stage"].to_string());
    folder.run(&["task", "--job", "job", "--phase", &phase, "--stage", &stage, "--task", task, "--json"])
}

#[test]
fn a_job_is_planned_run_and_finished() {
    let folder = inputs();
    let statement = "(x - mean(x, 0)) / std(x, 0)";
    folder.ok(&["eval", statement, "x.npy", "-o", "one.npy"]);
    let mut step = plan(&folder, &[&[statement, "x.npy", "-o", "many.npy", "--task-bytes", "6MB"], &LIMITS[..]].concat());
    assert_eq!((&step["schema"], &step["state"]), (&"outcore.step/1".into(), &"run".into()), "{step}");
    let mut stages = 0;
    while step["state"] == "run" {
        let tasks = step["tasks"].as_u64().unwrap();
        assert!(tasks >= 4 && step["peak_bytes"].as_u64().unwrap() < 64 << 20, "{step}");
        for number in (0..tasks).rev() {
            let ran = task(&folder, &step, &number.to_string());
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            let done: serde_json::Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
            assert_eq!((&done["state"], done["task"].as_u64()), (&"done".into(), Some(number)), "{done}");
        }
        assert!(task(&folder, &step, "0").stdout.contains("was done"));
        stages += 1;
        step = plan(&folder, &[]);
    }
    assert_eq!((stages, &step["state"]), (2, &"finish".into()), "{step}");
    assert!(!folder.path("many.npy").exists());
    folder.ok(&["finish", "--job", "job"]);
    assert!(fs::read(folder.path("one.npy")).unwrap() == fs::read(folder.path("many.npy")).unwrap());
    assert_eq!(plan(&folder, &[])["state"], "finished");
}

#[test]
fn values_are_printed_when_a_job_is_finished() {
    let folder = inputs();
    let want = folder.ok(&["eval", "sum(x) + median(x)", "x.npy"]);
    let mut step = plan(&folder, &[&["sum(x) + median(x)", "x.npy", "--task-bytes", "6MB"], &LIMITS[..]].concat());
    while step["state"] == "run" {
        for number in 0..step["tasks"].as_u64().unwrap() {
            assert_eq!(task(&folder, &step, &number.to_string()).code, 0);
        }
        step = plan(&folder, &[]);
    }
    assert_eq!(folder.ok(&["finish", "--job", "job"]), want);
}

#[test]
fn a_task_that_is_killed_is_run_again() {
    let folder = inputs();
    for shards in ["none", "30000,16"] {
        killed_tasks(&folder, &["--chunks", "10000,16", "--shards", shards]);
    }
}

fn killed_tasks(folder: &Folder, layout: &[&str]) {
    folder.ok(&[&["eval", "exp(-x * x)", "x.npy", "-o", "one.zarr"], layout].concat());
    let words = [&["exp(-x * x)", "x.npy", "-o", "many.zarr", "--task-bytes", "20MB"], layout, &LIMITS[..]].concat();
    let step = plan(folder, &words);
    let tasks = step["tasks"].as_u64().unwrap();
    let mut killed = 0;
    for number in 0..tasks {
        for moment in [8, 16, 24, 40, 60] {
            let (phase, stage, number) = (step["phase"].to_string(), step["stage"].to_string(), number.to_string());
            let words = ["task", "--job", "job", "--phase", &phase, "--stage", &stage, "--task", &number];
            let mut child = folder.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            thread::sleep(Duration::from_millis(moment));
            let _ = child.kill();
            killed += u32::from(!child.wait().unwrap().success());
        }
        let ran = task(folder, &step, &number.to_string());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    assert!(killed > 0, "no task was killed in time");
    assert_eq!(plan(folder, &[])["state"], "finish");
    folder.ok(&["finish", "--job", "job"]);
    let digest = |name: &str| folder.ok(&["digest", name]).split_whitespace().next().unwrap().to_string();
    assert_eq!(digest("one.zarr"), digest("many.zarr"));
    assert!(folder.names().iter().all(|name| !name.starts_with('.')), "{:?}", folder.names());
    let drafts: Vec<_> = fs::read_dir(folder.path("many.zarr")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(drafts.len(), 2, "{drafts:?}");
    ["one.zarr", "many.zarr", "job"].iter().for_each(|name| fs::remove_dir_all(folder.path(name)).unwrap());
}

#[test]
fn what_cannot_be_is_said() {
    let folder = inputs();
    folder.fails(&["plan", "--job", "job"], 2, &["no job was begun", "outcore plan"]);
    folder.fails(&["task", "--job", "job", "--task", "0"], 2, &["no job was begun"]);
    folder.fails(&["plan", "1 + 1", "--job", "job"], 2, &["nothing to compute"]);
    folder.fails(&["plan", "sum(x)", "x.npy", "--job", "job", "--task-bytes", "50%"], 2, &["--task-bytes"]);
    let words = ["x * 2", "x.npy", "-o", "y.zarr", "--shards", "600000,16", "--chunks", "10000,16", "--task-bytes", "1MB"];
    let ran = folder.run(&[&["plan"], &words[..], &["--job", "other"]].concat());
    assert!(ran.code == 0 && ran.stdout.contains("1 tasks"), "one shard is one task's: {ran:?}");
    let step = plan(&folder, &[&["sum(x)", "x.npy", "--task-bytes", "6MB"], &LIMITS[..]].concat());
    folder.fails(&["plan", "sum(x * 2)", "x.npy", "--job", "job"], 78, &["another job"]);
    folder.fails(&["eval", "sum(x * 2)", "x.npy", "--on", "dask:local", "--job", "job"], 78, &["another job"]);
    // Its words mean what they mean where it is called.
    fs::create_dir(folder.path("below")).unwrap();
    let mut below = folder.command(&["plan", "sum(x)", "../x.npy", "--job", "../job"]);
    let ran = Run::of(below.current_dir(folder.path("below")).output().unwrap());
    assert!(ran.code == 0 && ran.stdout.contains("stage 0"), "{ran:?}");
    folder.fails(&["finish", "--job", "job"], 2, &["not done yet"]);
    folder.fails(&["task", "--job", "job", "--task", "x"], 2, &["neither a number nor auto"]);
    folder.fails(&["task", "--job", "job", "--task", "auto"], 2, &["SLURM_ARRAY_TASK_ID"]);
    let mut auto = folder.command(&["task", "--job", "job", "--task", "auto", "--task-base", "1", "--stage", &step["stage"].to_string()]);
    let ran = Run::of(auto.env("SLURM_ARRAY_TASK_ID", "2").output().unwrap());
    assert!(ran.code == 0 && ran.stderr.contains("3 of stage"), "{ran:?}");
    // An input that is another file now.
    let bytes = fs::read(folder.path("x.npy")).unwrap();
    fs::write(folder.path("x.npy"), &bytes).unwrap();
    let ran = task(&folder, &step, "0");
    assert!(ran.code == 65 && ran.stderr.contains("changed since"), "{ran:?}");
}
