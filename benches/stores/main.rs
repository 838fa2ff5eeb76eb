//! Zarr beside a hand-written zarrs loop, and whole-array movements beside the disk, in one run.
//!
//! `cargo bench --bench stores -- --data DIR [--rows N] [--repeat N] [--only W9,W10] [--fail-below 0.5]` converts `DIR/emb_N.npy` (made by the
//! `workloads` bench) into Zarr arrays where they are missing, runs each job through the command line program and through
//! its limit in turn, and prints the best of each and their ratio.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod chunks;
mod disk;
mod limited;
#[path = "../threshold.rs"]
mod threshold;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};
use threshold::Threshold;

struct Options {
    data: PathBuf,
    rows: usize,
    repeat: usize,
    only: Vec<String>,
}

fn options() -> Options {
    let mut options = Options { data: "target/bench-data".into(), rows: 4_000_000, repeat: 3, only: Vec::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--data" => options.data = value().into(),
            "--rows" => options.rows = value().parse().unwrap(),
            "--repeat" => options.repeat = value().parse().unwrap(),
            "--only" => options.only = value().split(',').map(str::to_string).collect(),
            _ => {} // cargo's own `--bench`
        }
    }
    options
}

/// Runs the program and gives what its report says.
fn outcore(report: &Path, arguments: &[&str]) -> serde_json::Value {
    let done = Command::new(env!("CARGO_BIN_EXE_outcore"))
        .args(arguments)
        .args(["--threads", "2", "--overwrite", "--report"])
        .arg(report)
        .output()
        .unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap()
}

struct Bench {
    options: Options,
    threshold: Threshold,
    report: PathBuf,
}

impl Bench {
    fn wanted(&self, id: &str) -> bool {
        self.options.only.is_empty() || self.options.only.iter().any(|only| id.starts_with(only))
    }

    /// A job beside a loop that does the same.
    fn beside(&self, id: &str, what: &str, gb: f64, arguments: &[&str], mut limit: impl FnMut()) {
        if !self.wanted(id) {
            return;
        }
        let (mut best, mut bound) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..self.options.repeat {
            let start = Instant::now();
            limit();
            bound = bound.min(start.elapsed().as_secs_f64());
            best = best.min(outcore(&self.report, arguments)["seconds"].as_f64().unwrap());
        }
        println!("| {id} | {what} | {:.2} GB/s | {:.2} GB/s | {:.2} |", gb / best, gb / bound, bound / best);
        self.threshold.look(id, bound / best);
    }

    /// A job beside the disk's own time for the bytes that its report says it moved.
    fn beside_disk(&self, id: &str, what: &str, arguments: &[&str]) {
        if !self.wanted(id) {
            return;
        }
        let (mut best, mut bound, mut bytes) = (f64::INFINITY, f64::INFINITY, (0, 0));
        for _ in 0..self.options.repeat {
            let report = outcore(&self.report, arguments);
            best = best.min(report["seconds"].as_f64().unwrap());
            bytes = (report["bytes_read"].as_u64().unwrap(), report["bytes_written"].as_u64().unwrap());
            bound = bound.min(disk::read_and_write(&self.options.data, bytes.0, bytes.1).unwrap());
        }
        let gb = (bytes.0 + bytes.1) as f64 / 1e9;
        println!("| {id} | {what} | {:.2} GB/s of {gb:.1} GB moved | {:.2} GB/s | {:.2} |", gb / best, gb / bound, bound / best);
        self.threshold.look(id, bound / best);
    }
}

/// Name, and the layout in the words of `convert`.
const KINDS: [(&str, &[&str]); 4] = [
    ("raw", &["--chunks", "16384,128", "--codec", "none"]),
    ("zstd", &["--chunks", "16384,128", "--codec", "zstd:1"]),
    ("blosc", &["--chunks", "16384,128", "--codec", "blosc-lz4"]),
    ("shard", &["--chunks", "2048,128", "--shards", "131072,128", "--codec", "blosc-lz4"]),
];

fn main() -> ExitCode {
    let options = options();
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
    let (data, rows) = (options.data.clone(), options.rows);
    let npy = data.join(format!("emb_{rows}.npy"));
    assert!(npy.exists(), "{} is made by `cargo bench --bench workloads -- --only none`", npy.display());
    let gb = rows as f64 * 128.0 * 4.0 / 1e9;
    let bench = Bench { report: data.join("report.json"), threshold: Threshold::asked(), options };
    println!("| id | job | outcore | limit | ratio |\n|---|---|---|---|---|");
    for (kind, layout) in KINDS {
        let id = format!("W9{kind}");
        if !bench.wanted(&id) {
            continue;
        }
        let store = data.join(format!("{kind}_{rows}.zarr"));
        if !store.exists() {
            let mut words = vec!["convert", npy.to_str().unwrap(), store.to_str().unwrap()];
            words.extend(layout);
            outcore(&bench.report, &words);
        }
        let input = format!("x={}", store.display());
        bench.beside(&id, "mean(x, 0) of Zarr", gb, &["eval", "mean(x, axis=0)", &input], || {
            std::hint::black_box(chunks::mean_of_columns(&store));
        });
    }
    let input = format!("x={}", npy.display());
    let out = data.join("out.npy").display().to_string();
    let transpose = ["eval", "reshape(x, (40000, -1)).T", &input, "-o", &out, "--memory", "256MiB"];
    bench.beside_disk("W8", "transpose of 2 GB in 256 MiB -> npy", &transpose);
    let columns = data.join("columns.zarr").display().to_string();
    let rechunk = format!("{rows},2");
    let store = data.join(format!("raw_{rows}.zarr")).display().to_string();
    let words = ["convert", &store, &columns, "--chunks", &rechunk, "--codec", "none", "--memory", "512MiB"];
    bench.beside_disk("W10", "Zarr rows -> columns in 512 MiB", &words);
    limited(&bench, &npy, &out);
    for name in [&out, &columns] {
        let _ = std::fs::remove_file(name);
        let _ = std::fs::remove_dir_all(name);
    }
    bench.threshold.end()
}

/// W19: W3 on a cold file, in a cgroup of a quarter of it, with a budget of half of that.
fn limited(bench: &Bench, npy: &Path, out: &str) {
    if !bench.wanted("W19") {
        return;
    }
    let bytes = npy.metadata().unwrap().len();
    let budget = (bytes / 8).to_string();
    let Some(group) = limited::Group::new(bytes / 4) else {
        println!("| W19 | skipped: no memory cgroup can be made here | | | |");
        return;
    };
    let (input, report) = (format!("x={}", npy.display()), bench.report.display().to_string());
    let statement = "(x - mean(x, axis=0)) / std(x, axis=0)";
    let words = ["eval", statement, &input, "-o", out, "--memory", &budget, "--threads", "2", "--overwrite", "--report", &report];
    let (mut best, mut bound, mut peak) = (f64::INFINITY, f64::INFINITY, 0);
    for _ in 0..bench.options.repeat {
        bound = bound.min(limited::read_and_write_cold(npy, 2, &bench.options.data).unwrap());
        limited::drop_pages(npy).unwrap();
        let done = group.run(env!("CARGO_BIN_EXE_outcore"), &words).unwrap();
        assert!(done.status.success(), "{}: {}", done.status, String::from_utf8_lossy(&done.stderr));
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&bench.report).unwrap()).unwrap();
        best = best.min(report["seconds"].as_f64().unwrap());
        peak = peak.max(report["bytes_peak_measured"].as_u64().unwrap_or(0));
    }
    let (gb, mib) = (3.0 * bytes as f64 / 1e9, |bytes: u64| bytes as f64 / f64::from(1 << 20));
    let what = format!("W3 cold in a cgroup of {:.0} MiB, budget {:.0} MiB, peak {:.0} MiB", mib(bytes / 4), mib(bytes / 8), mib(peak));
    println!("| W19 | {what} | {:.2} GB/s | {:.2} GB/s | {:.2} |", gb / best, gb / bound, bound / best);
    bench.threshold.look("W19", bound / best);
}
