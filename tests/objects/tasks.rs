//! Jobs in tasks whose folder, inputs and outputs are objects: the bits of one process with files, whatever the server does.

use crate::{
    program::{fails, program, runs},
    server::{Server, server},
};
use serde_json::Value;
use std::{process::Stdio, thread, time::Duration};

const LIMITS: [&str; 4] = ["--memory", "64MiB", "--threads", "1"];

/// Puts (600000, 16) normal numbers into a folder of a bucket, as npy and as Zarr; gives the local paths.
fn inputs(server: &Server, bucket: &str, folder: &str) -> [String; 2] {
    let [npy, zarr] = ["x.npy", "x.zarr"].map(|key| server.path(bucket, &format!("{folder}/{key}")).display().to_string());
    runs(&["eval", "normal((600000, 16), 0.5, 1, seed=5, dtype=f32)", "-o", &npy, "--overwrite"]);
    runs(&["convert", &npy, &zarr, "--chunks", "20000,16", "--shards", "none", "--overwrite"]);
    [npy, zarr]
}

/// The next step of a job.
fn step(job: &str, words: &[&str]) -> Value {
    let text = runs(&[&["plan"], words, &["--job", job, "--json"]].concat());
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

/// Runs a job to its end, every task twice and backwards, some after their markers were lost; how many tasks there were.
fn run_all(server: &Server, bucket: &str, name: &str, words: &[&str]) -> (usize, String) {
    let job = format!("s3://{bucket}/jobs/{name}");
    let mut next = step(&job, &[words, &LIMITS[..]].concat());
    let mut count = 0;
    while next["state"] == "run" {
        let [phase, stage, tasks] = ["phase", "stage", "tasks"].map(|field| next[field].as_u64().unwrap());
        assert_eq!(next["todo"], serde_json::json!([[0, tasks]]));
        for task in (0..tasks).rev() {
            let words = ["task", "--job", &job, "--phase", &phase.to_string(), "--stage", &stage.to_string(), "--task", &task.to_string()];
            runs(&words);
            if task % 3 == 1 {
                let marker = format!("jobs/{name}/phase-{phase}/stage-{stage}/{task:07}.done");
                std::fs::remove_file(server.path(bucket, &marker)).unwrap();
            }
            runs(&words);
        }
        count += tasks;
        assert!(count < 500, "{next}");
        next = step(&job, &[]);
    }
    assert_eq!(next["state"], "finish");
    let printed = runs(&["finish", "--job", &job]);
    fails(&mut program(&["finish", "--job", &job]), if printed.is_empty() { 2 } else { 0 }, &[]);
    (count as usize, printed)
}

#[test]
fn values_are_those_of_one_process() {
    let server = server();
    let mut count = 0;
    for bucket in ["plain", "failing", "resetting", "truncating"] {
        let [npy, zarr] = inputs(server, bucket, "t");
        let objects = [format!("x=s3://{bucket}/t/x.npy"), format!("z=s3://{bucket}/t/x.zarr")];
        let statements = ["mean(x, axis=0)", "quantile(z, 0.3, axis=0)", "x.T @ z", "histogram((x - mean(z, 0)) / std(x, 0), 32)[0]"];
        for (nth, statement) in statements.into_iter().enumerate().take(if bucket == "plain" { 4 } else { 2 }) {
            let want = runs(&[&["eval", statement, &format!("x={npy}"), &format!("z={zarr}")][..], &LIMITS].concat());
            let words = [statement, &objects[0], &objects[1], "--task-bytes", "6MB"];
            let (tasks, got) = run_all(server, bucket, &format!("value-{nth}"), &words);
            assert_eq!(got, want, "{bucket}: {statement}");
            count += tasks;
        }
    }
    assert!(count > 30, "{count} tasks");
}

#[test]
fn outputs_are_those_of_one_process() {
    let server = server();
    for bucket in ["plain", "failing"] {
        let [npy, zarr] = inputs(server, bucket, "o");
        for (name, statement, chunks, shards) in [
            ("scores", "(x - mean(x, axis=0)) / std(x, axis=0)", "20000,16", "none"),
            ("shards", "x * 0.5", "10000,8", "40000,16"),
            ("columns", "z", "300000,4", "none"),
        ] {
            let layout = ["--chunks", chunks, "--shards", shards];
            let one = server.path(bucket, &format!("o/one-{name}.zarr")).display().to_string();
            let (x, z) = (format!("x={npy}"), format!("z={zarr}"));
            runs(&[&["eval", statement, &x, &z, "-o", &one][..], &layout, &LIMITS].concat());
            let many = format!("s3://{bucket}/o/many-{name}.zarr");
            let (x, z) = (format!("x=s3://{bucket}/o/x.npy"), format!("z=s3://{bucket}/o/x.zarr"));
            let words = [&[statement, &x, &z, "-o", &many, "--task-bytes", "6MB"][..], &layout].concat();
            let (tasks, _) = run_all(server, bucket, name, &words);
            assert!(tasks > 1, "{tasks} tasks");
            let folder = server.path(bucket, &format!("o/many-{name}.zarr"));
            let digest = |path: &str| runs(&["digest", path]).split_whitespace().next().map(str::to_string);
            assert_eq!(digest(&folder.display().to_string()), digest(&one), "{bucket}: {name}");
            assert!(!folder.join(".outcore-writer").exists());
            std::fs::remove_dir_all(&folder).unwrap();
            std::fs::remove_dir_all(&one).unwrap();
        }
    }
}

#[test]
fn what_is_not_finished_is_no_array_and_no_other_job_s() {
    let server = server();
    let [npy, _] = inputs(server, "other", "t");
    let words = ["x * 2", "s3://other/t/x.npy", "-o", "s3://other/t/twice.zarr", "--chunks", "20000,16", "--task-bytes", "6MB"];
    let words = [&words[..], &LIMITS].concat();
    let next = step("s3://other/jobs/a", &words);
    assert!(next["tasks"].as_u64().unwrap() > 4, "{next}");
    let phase = next["phase"].to_string();
    let task = |task: &str| program(&["task", "--job", "s3://other/jobs/a", "--phase", &phase, "--task", task]);
    // Killed in the middle, and run again.
    for after in [5, 20, 60, 150] {
        let mut child = task("1").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(after));
        child.kill().unwrap();
        child.wait().unwrap();
        fails(&mut program(&["info", "s3://other/t/twice.zarr"]), 66, &[]);
    }
    assert!(task("1").status().unwrap().success());
    fails(&mut program(&[&["plan"], &words[..], &["--job", "s3://other/jobs/b"]].concat()), 73, &["being written by another job"]);
    fails(&mut program(&["plan", "sum(x * 3)", "s3://other/t/x.npy", "--job", "s3://other/jobs/a"]), 78, &["another job"]);
    fails(&mut program(&["finish", "--job", "s3://other/jobs/a"]), 2, &["not done yet"]);
    // Another machine has another folder to work in, and addresses mean the same there.
    let elsewhere = tempfile::tempdir().unwrap();
    let next = step("s3://other/jobs/a", &[]);
    assert_eq!(next["todo"][0], serde_json::json!([0, 1]));
    for number in 0..next["tasks"].as_u64().unwrap() {
        assert!(task(&number.to_string()).current_dir(elsewhere.path()).status().unwrap().success());
    }
    assert_eq!(step("s3://other/jobs/a", &[])["state"], "finish");
    runs(&["finish", "--job", "s3://other/jobs/a"]);
    assert_eq!(runs(&["eval", "sum(x)", "s3://other/t/twice.zarr"]), runs(&["eval", "sum(x * 2)", &npy]));
    // An input that is another one now.
    let next = step("s3://other/jobs/c", &[&["sum(x)", "s3://other/t/x.npy", "--task-bytes", "6MB"], &LIMITS[..]].concat());
    assert!(next["tasks"].as_u64().unwrap() > 4, "{next}");
    runs(&["eval", "normal((600000, 16), 0.5, 1, seed=6, dtype=f32)", "-o", &npy, "--overwrite"]);
    fails(&mut program(&["task", "--job", "s3://other/jobs/c", "--task", "0"]), 65, &["changed since"]);
    let npy = ["x * 2", "s3://other/t/x.npy", "-o", "s3://other/t/twice.npy", "--job", "s3://other/jobs/d"];
    fails(&mut program(&[&["plan"], &npy[..], &LIMITS].concat()), 2, &["cannot be written by several processes", ".zarr"]);
}

/// On a Dask cluster; OUTCORE_PYTHON names a Python that has `distributed` and `python/outcore-dask`, as `run.sh` installs them.
#[test]
fn a_dask_cluster_gives_the_same() {
    let server = server();
    let [npy, _] = inputs(server, "slow", "t");
    let want = runs(&[&["eval", "sum((x - mean(x, 0)) / std(x, 0), axis=1)[::10000]", &npy][..], &LIMITS].concat());
    let python = std::env::var("OUTCORE_PYTHON").expect("OUTCORE_PYTHON: run this by tests/objects/run.sh");
    let words = ["eval", "sum((x - mean(x, 0)) / std(x, 0), axis=1)[::10000]", "s3://slow/t/x.npy"];
    let on = ["--on", "dask:local?workers=2", "--job", "s3://slow/jobs/dask"];
    let mut command = program(&[&words[..], &on, &LIMITS].concat());
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("OUTCORE_PYTHON", python).env("PATH", path).env("HOME", "/tmp");
    let output = command.envs(std::env::vars().filter(|(name, _)| name == "PYTHONPATH")).output().unwrap();
    let [printed, said] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).to_string());
    assert!(output.status.success(), "{said}");
    assert_eq!(printed, want, "{said}");
}
