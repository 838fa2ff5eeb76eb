//! The workloads of this project beside their limits, in one run.
//!
//! `cargo bench --bench workloads -- --data DIR [--rows N] [--repeat N] [--sum neumaier] [--only W1,W3] [--fail-below 0.5]` makes
//! `emb_N.npy` in DIR if it is not there, runs each workload through the command line program and through the loop
//! written by hand in turn, and prints the best of each and their ratio. Ratios hold when the machine drifts;
//! absolute numbers do not.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod limits;
mod threshold;

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};
use threshold::Threshold;

struct Options {
    data: PathBuf,
    rows: usize,
    repeat: usize,
    sum: String,
    only: Vec<String>,
}

fn options() -> Options {
    let mut options = Options { data: "target/bench-data".into(), rows: 4_000_000, repeat: 3, sum: "neumaier".into(), only: Vec::new() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--data" => options.data = value().into(),
            "--rows" => options.rows = value().parse().unwrap(),
            "--repeat" => options.repeat = value().parse().unwrap(),
            "--sum" => options.sum = value(),
            "--only" => options.only = value().split(',').map(str::to_string).collect(),
            _ => {} // cargo's own `--bench`
        }
    }
    options
}

/// An npy file of `rows` x 128 f32, about normal(0.5, 1): sums of uniform numbers from a counter.
fn make_embeddings(path: &Path, rows: usize) {
    if path.exists() {
        return;
    }
    let mut next = counter();
    let values =
        std::iter::repeat_with(|| (0..4).fold(0.5f32, |value, _| value + (next() >> 40) as f32 / (1u64 << 24) as f32 * 1.732 - 0.866));
    write_rows(path, "<f4", rows, values.map(f32::to_le_bytes));
}

/// Random numbers.
fn counter() -> impl FnMut() -> u64 {
    let mut state = 1u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state
    }
}

/// An npy file of `rows` x 128 elements.
fn write_rows<const SIZE: usize>(path: &Path, dtype: &str, rows: usize, values: impl Iterator<Item = [u8; SIZE]>) {
    let part = path.with_extension("part");
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&part).unwrap());
    write_npy(&mut file, &format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({rows}, 128), }}"));
    values.take(rows * 128).for_each(|value| file.write_all(&value).unwrap());
    file.into_inner().unwrap().sync_all().unwrap();
    std::fs::rename(part, path).unwrap();
}

fn mapped(path: &Path) -> memmap2::Mmap {
    let file = File::open(path).unwrap();
    #[expect(unsafe_code, reason = "the benchmark's own file, which nobody changes")]
    // SAFETY: the file was made by this program and nothing writes to it while it runs.
    unsafe { memmap2::Mmap::map(&file) }.unwrap()
}

fn write_npy(file: &mut impl Write, header: &str) {
    let padding = (64 - (10 + header.len() + 1) % 64) % 64;
    file.write_all(b"\x93NUMPY\x01\x00").unwrap();
    file.write_all(&((header.len() + padding + 1) as u16).to_le_bytes()).unwrap();
    writeln!(file, "{header}{}", " ".repeat(padding)).unwrap();
}

fn make_line(path: &Path, count: usize, stop: f32) -> Vec<f32> {
    let values: Vec<f32> = (0..count).map(|index| stop * index as f32 / (count - 1) as f32).collect();
    let mut file = BufWriter::new(File::create(path).unwrap());
    write_npy(&mut file, &format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({count},), }}"));
    values.iter().for_each(|value| file.write_all(&value.to_le_bytes()).unwrap());
    values
}

struct Bench {
    options: Options,
    threshold: Threshold,
    report: PathBuf,
}

impl Bench {
    fn seconds(&self, arguments: &[&str]) -> f64 {
        let done = Command::new(env!("CARGO_BIN_EXE_outcore"))
            .arg("eval")
            .args(arguments)
            .args(["--threads", "2", "--overwrite", "--sum", &self.options.sum, "--report"])
            .arg(&self.report)
            .output()
            .unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&self.report).unwrap()).unwrap();
        report["seconds"].as_f64().unwrap()
    }

    fn wants(&self, id: &str) -> bool {
        self.options.only.is_empty() || self.options.only.iter().any(|only| only == id)
    }

    fn row(&self, id: &str, what: &str, amount: f64, unit: &str, mut ours: impl FnMut() -> f64, mut limit: impl FnMut() -> f64) {
        if !self.wants(id) {
            return;
        }
        let (mut best, mut bound) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..self.options.repeat {
            bound = bound.min(limit());
            best = best.min(ours());
        }
        println!("| {id} | {what} | {:.2} {unit} | {:.2} {unit} | {:.2} |", amount / best, amount / bound, bound / best);
        self.threshold.look(id, bound / best);
    }
}

/// The first half of the embeddings as f64, as many bytes, with digits drawn for the rest of each mantissa.
struct Doubles {
    input: String,
    mapping: Option<memmap2::Mmap>,
}

impl Doubles {
    fn made(bench: &Bench, x: &[f32]) -> Self {
        let path = bench.options.data.join(format!("emb64_{}.npy", bench.options.rows / 2));
        let input = format!("x={}", path.display());
        if !bench.wants("W1f64") && !bench.wants("W2f64") {
            return Self { input, mapping: None };
        }
        if !path.exists() {
            let mut next = counter();
            let mut digits = || (next() >> 11) as f64 / (1u64 << 53) as f64 / f64::from(1u32 << 24);
            let values = x.iter().map(|&value| (f64::from(value) * (1.0 + digits())).to_le_bytes());
            write_rows(&path, "<f8", bench.options.rows / 2, values);
        }
        Self { input, mapping: Some(mapped(&path)) }
    }

    fn values(&self) -> &[f64] {
        bytemuck::cast_slice(&self.mapping.as_ref().expect("made for the rows that want it")[128..])
    }
}

fn timed<T>(run: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    std::hint::black_box(run());
    start.elapsed().as_secs_f64()
}

fn main() -> ExitCode {
    let options = options();
    std::fs::create_dir_all(&options.data).unwrap();
    rayon::ThreadPoolBuilder::new().num_threads(2).build_global().unwrap();
    let data = options.data.clone();
    let embeddings = data.join(format!("emb_{}.npy", options.rows));
    make_embeddings(&embeddings, options.rows);
    let (a, b) = (make_line(&data.join("a.npy"), 60_000, 1.0), make_line(&data.join("b.npy"), 60_000, 2.0));
    let mapping = mapped(&embeddings);
    let x: &[f32] = bytemuck::cast_slice(&mapping[128..]);
    let gb = x.len() as f64 * 4.0 / 1e9;
    let bench = Bench { report: data.join("report.json"), threshold: Threshold::asked(), options };
    let input = format!("x={}", embeddings.display());
    let (pa, pb) = (format!("a={}", data.join("a.npy").display()), format!("b={}", data.join("b.npy").display()));
    let [out, m, s] = ["out.npy", "m.npy", "s.npy"].map(|name| data.join(name).display().to_string());
    let (om, os) = (format!("m={m}"), format!("s={s}"));
    let bytes = (x.len() * 4) as u64;
    let disk = || limits::disk_write(&data, bytes).unwrap();
    println!("| id | workload | outcore | limit | ratio |\n|---|---|---|---|---|");
    bench.row("W1", "sum(x)", gb, "GB/s", || bench.seconds(&["sum(x)", &input]), || timed(|| limits::sum(x)));
    bench.row(
        "W2",
        "mean(x,0), std(x,0)",
        gb,
        "GB/s",
        || bench.seconds(&["m = mean(x, axis=0); s = std(x, axis=0)", &input, "-o", &om, "-o", &os]),
        || timed(|| limits::moments(x)),
    );
    let wide = "y = reshape(x, (-1, 1600)); m = mean(y, axis=0); s = std(y, axis=0)";
    bench.row(
        "W2wide",
        "the same of 1600 columns",
        gb,
        "GB/s",
        || bench.seconds(&[wide, &input, "-o", &om, "-o", &os]),
        || timed(|| limits::moments(x)),
    );
    let doubles = Doubles::made(&bench, x);
    bench.row(
        "W1f64",
        "sum(x) of f64",
        gb,
        "GB/s",
        || bench.seconds(&["sum(x)", &doubles.input]),
        || timed(|| limits::sum_f64(doubles.values())),
    );
    bench.row(
        "W2f64",
        "mean(x,0), std(x,0) of f64",
        gb,
        "GB/s",
        || bench.seconds(&["m = mean(x, axis=0); s = std(x, axis=0)", &doubles.input, "-o", &om, "-o", &os]),
        || timed(|| limits::moments_f64(doubles.values())),
    );
    bench.row(
        "W3",
        "(x-mean(x,0))/std(x,0) -> npy",
        gb,
        "GB/s written",
        || bench.seconds(&["(x - mean(x, axis=0)) / std(x, axis=0)", &input, "-o", &out]),
        disk,
    );
    bench.row(
        "W4",
        "x/sqrt(sum(x*x,1)) -> npy",
        gb,
        "GB/s written",
        || bench.seconds(&["x / sqrt(sum(x*x, axis=1, keepdims=True))", &input, "-o", &out]),
        disk,
    );
    bench.row("W5", "sum(sqrt(x*x+1))", gb, "GB/s", || bench.seconds(&["sum(sqrt(x*x + 1))", &input]), || timed(|| limits::root_sum(x)));
    bench.row("W6", "exp(-x*x) -> npy", gb, "GB/s written", || bench.seconds(&["exp(-x*x)", &input, "-o", &out]), disk);
    bench.row(
        "W7",
        "sum(abs(a[:,None]-b[None,:]))",
        3.6,
        "Gelem/s",
        || bench.seconds(&["sum(abs(a[:, None] - b[None, :]))", &pa, &pb]),
        || timed(|| limits::pair_sum(&a, &b)),
    );
    bench.row("W14", "median(x)", gb, "GB/s", || bench.seconds(&["median(x)", &input]), || timed(|| limits::sum(x)));
    bench.row(
        "W17",
        "histogram(x, 256, range=(-1, 2))",
        gb,
        "GB/s",
        || bench.seconds(&["histogram(x, 256, range=(-1, 2))[0]", &input]),
        || timed(|| limits::histogram(x, -1.0, 2.0)),
    );
    bench.row("W18", "cumsum(x, 0) -> npy", gb, "GB/s written", || bench.seconds(&["cumsum(x, axis=0)", &input, "-o", &out]), disk);
    let wide = "y = reshape(x, (50, -1)); (y - mean(y, axis=1, keepdims=True)) / std(y, axis=1, keepdims=True)";
    bench.row("W20", "rows of 40 MB, standardised -> npy", gb, "GB/s written", || bench.seconds(&[wide, &input, "-o", &out]), disk);
    overhead(&bench, &input, bytes);
    for name in ["out.npy", "m.npy", "s.npy", "report.json"] {
        let _ = std::fs::remove_file(data.join(name));
    }
    bench.threshold.end()
}

/// W16: what a block costs, from a run with a million blocks and one with the default.
fn overhead(bench: &Bench, input: &str, bytes: u64) {
    if !bench.wants("W16") {
        return;
    }
    let block = (bytes / 1_000_000).to_string();
    let (mut small, mut usual) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..bench.options.repeat {
        small = small.min(bench.seconds(&["sum(x)", input, "--block", &block]));
        usual = usual.min(bench.seconds(&["sum(x)", input]));
    }
    println!("| W16 | 1,000,000 blocks of {block} B | {:.3} us a block | 1 us | |", (small - usual) * 1e6 / 1e6);
}
