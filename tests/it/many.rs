//! Thousands of files under a small limit of open ones, and more threads than processors.

use crate::cli_support::{Folder, Run, npy};
use std::{fs, process::Command};

/// Runs the program where so many files may be open.
fn with_files(place: &Folder, open_max: usize, words: &[&str]) -> Run {
    let program = place.command(words);
    let mut shell = Command::new("sh");
    shell.current_dir(place.path("")).arg("-c").arg(format!("ulimit -n {open_max}; exec \"$0\" \"$@\"")).arg(program.get_program());
    Run::of(shell.args(words).output().unwrap())
}

#[track_caller]
fn succeeds(ran: &Run) -> &str {
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    ran.stdout.trim_end()
}

fn files_below(folder: &std::path::Path) -> usize {
    let below = |entry: fs::DirEntry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 };
    fs::read_dir(folder).unwrap().map(|entry| below(entry.unwrap())).sum()
}

#[test]
fn thousands_of_shards_need_few_open_files() {
    let place = Folder::new();
    let limits = ["--memory", "64MiB", "--threads", "4"];
    let with = |words: &[&str]| with_files(&place, 64, &[words, &limits].concat());
    // 3000 shards of two chunks, in compressed form and in a form that is used in place; then 3000 files of one chunk each.
    succeeds(&with(&["eval", "arange(12000).reshape(3000, 4)", "-o", "a.zarr?chunks=1,2&shards=1,4"]));
    succeeds(&with(&["eval", "x + 1", "a.zarr", "-o", "b.zarr?chunks=1,4&shards=none&codec=none"]));
    succeeds(&with(&["eval", "x.T * 2", "b.zarr", "-o", "c.zarr?chunks=2,1&shards=4,1&codec=none", "--resume"]));
    for name in ["a.zarr", "b.zarr", "c.zarr"] {
        assert!((3000..3010).contains(&files_below(&place.path(name))), "{name}");
    }
    for io in ["auto", "read"] {
        let found = with(&["eval", "sum(a), sum(b), sum(c), all(c.T == 2 * (a + 1))", "a=a.zarr", "b=b.zarr", "c=c.zarr", "--io", io]);
        assert_eq!(succeeds(&found), "71994000\n72006000\n144012000\nTrue", "--io {io}");
    }
    succeeds(&with(&["convert", "c.zarr", "d.npy"]));
    assert_eq!(succeeds(&with(&["eval", "x[3, 2999]", "d.npy"])), "24000");
}

#[test]
fn thousands_of_joined_files_need_few_open_files() {
    let place = Folder::new();
    for file in 0..3000i64 {
        let elements: Vec<u8> = (file * 4..file * 4 + 4).flat_map(i64::to_le_bytes).collect();
        place.write(&format!("part-{file:04}.npy"), &npy("<i8", &[1, 4], &elements));
    }
    for io in ["auto", "read", "mmap"] {
        let found = with_files(&place, 64, &["eval", "sum(x), x[2999]", "part-*.npy", "--memory", "64MiB", "--io", io]);
        assert_eq!(succeeds(&found), "71994000\n[11996 11997 11998 11999]", "--io {io}");
    }
    let found = with_files(&place, 64, &["eval", "x + 1", "part-*.npy", "-o", "y.zarr?chunks=1,4&shards=none", "--threads", "4"]);
    succeeds(&found);
    assert_eq!(place.ok(&["eval", "sum(x)", "y.zarr"]), "72006000");
    // Where there is no room for anything, it is said what to do.
    let found = with_files(&place, 4, &["eval", "sum(x)", "part-*.npy"]);
    assert!(found.code != 0 && found.stderr.contains("ulimit -n"), "{found:?}");
    assert!(!found.stderr.contains("panicked"), "{found:?}");
}

#[test]
fn results_do_not_depend_on_many_threads() {
    let place = Folder::new();
    place.ok(&["eval", "normal((600, 500), seed=5)", "-o", "x.zarr?chunks=16,64&shards=64,192"]);
    place.ok(&["eval", "x.astype(f32)", "x.zarr", "-o", "y.npy"]);
    let jobs: [&[&str]; 4] = [
        &["eval", "exp(x) * 2 - x.T[:500, :].sum()", "x.zarr", "-o", "out.zarr?chunks=32,32&shards=96,128"],
        &["eval", "(y - mean(y, axis=0)) / std(y, axis=0)", "y=y.npy", "-o", "out.npy"],
        &[
            "eval",
            "quantile(x, [0.1, 0.5, 0.99]), quantile(x, 0.5, axis=0).sum(), sum(x), std(x), argmax(x), histogram(x, bins=7)",
            "x.zarr",
        ],
        &["eval", "y[y > 1]", "y=y.npy", "-o", "out.zarr?chunks=128"],
    ];
    for job in jobs {
        let mut first = None;
        for threads in ["1", "2", "3", "7", "16", "64"] {
            let said = place.ok(&[job, &["--threads", threads, "--memory", "1GiB", "--block", "4KiB", "--sum", "exact"]].concat());
            let digest = match job.iter().position(|word| *word == "-o") {
                Some(at) => {
                    let path = job[at + 1].split('?').next().unwrap();
                    let digest = place.ok(&["digest", path]);
                    let out = place.path(path);
                    if out.is_dir() {
                        fs::remove_dir_all(out).unwrap()
                    } else {
                        fs::remove_file(out).unwrap()
                    }
                    digest
                }
                None => said,
            };
            assert_eq!(first.get_or_insert_with(|| digest.clone()), &digest, "{job:?} on {threads} threads");
        }
    }
}

#[test]
fn a_budget_too_small_for_its_threads_is_refused_or_kept() {
    let place = Folder::new();
    place.ok(&["eval", "normal((600, 500), seed=5)", "-o", "x.npy"]);
    // Fewer runs are in flight than there are threads.
    let small = place.ok(&["eval", "sum(x * 2), quantile(x, 0.5)", "x.npy", "--memory", "2MiB", "--threads", "64"]);
    assert_eq!(small, place.ok(&["eval", "sum(x * 2), quantile(x, 0.5)", "x.npy", "--threads", "1"]));
    place.fails(&["eval", "sum(x, axis=0)", "x.npy", "--memory", "4KiB", "--threads", "64"], 78, &["memory"]);
    place.fails(&["eval", "sum(x)", "x.npy", "--threads", "0"], 2, &["threads"]);
}
