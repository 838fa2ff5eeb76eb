//! Jobs over files of vectors: audit, quantize, shuffle, split, and rows that are appended.

use crate::cli_support::{Folder, npy};
use std::{fs, process::Stdio, time::Duration};

const ROWS: usize = 400;
const WIDTH: usize = 24;

/// Numbers between -1 and 1 that are not all alike.
fn values(count: usize) -> Vec<f32> {
    let mut state = 12345u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

#[test]
fn an_audit_names_what_is_wrong() {
    let folder = Folder::new();
    let mut x = values(ROWS * WIDTH);
    x[5 * WIDTH + 3] = f32::NAN;
    x[9 * WIDTH..10 * WIDTH].fill(0.0);
    x.copy_within(0..WIDTH, 77 * WIDTH);
    folder.f32("x.npy", &[ROWS, WIDTH], &x);
    let text = folder.ok(&["audit", "x.npy"]);
    for part in
        ["x.npy  f32 (400, 24)", "nan elements      1", "rows with nan     1: 5", "zero rows         1: 9", "in 1 groups: row 0 2 times"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&folder.ok(&["audit", "x.npy", "--json", "--columns"])).unwrap();
    assert_eq!((json["schema"].as_str(), json["nan_rows"]["count"].as_u64()), (Some("outcore.audit/1"), Some(1)));
    assert_eq!((json["duplicates"]["first"][0][0].as_u64(), json["stats"]["passes"][0][1].as_u64()), (Some(0), Some(1)), "{json}");
    assert_eq!(json["columns"]["mean"].as_array().unwrap().len(), WIDTH);
    for (kinds, code) in [("nan", 1), ("inf", 0), ("zero,inf", 1), ("duplicates", 1), ("constant", 0), ("any", 1)] {
        assert_eq!(folder.run(&["audit", "x.npy", "--fail-on", kinds]).code, code, "{kinds}");
    }
    folder.counting("line.npy", &[7]);
    folder.fails(&["audit", "line.npy"], 65, &["rows of numbers", "(7,)"]);
    folder.fails(&["audit", "x.npy", "--unit", "-1"], 2, &["--unit"]);
    folder.fails(&["audit", "none.npy"], 66, &["none.npy"]);
}

#[test]
fn what_cannot_be_quantised_is_refused() {
    let folder = Folder::new();
    let mut x = values(4 * 6);
    x[7] = f32::NAN;
    folder.f32("bad.npy", &[4, 6], &x);
    let refused = ["bad.npy: row 1 holds a value that is not finite", "outcore audit bad.npy"];
    folder.fails(&["quantize", "bad.npy", "q.npy", "--to", "int8"], 65, &refused);
    folder.fails(&["quantize", "bad.npy", "q.npy", "--to", "int8", "--scale", "column"], 65, &["bad.npy: column 1 holds"]);
    folder.fails(&["quantize", "bad.npy", "q.npy", "--to", "int8", "--scale", "whole"], 65, &["bad.npy: the array holds"]);
    x[7] = f32::NEG_INFINITY;
    folder.f32("bad.npy", &[4, 6], &x);
    folder.fails(&["quantize", "bad.npy", "q.npy", "--to", "int8"], 65, &refused);
    folder.fails(&["quantize", "bad.npy", "q.npy", "--to", "f16", "--scale", "row"], 2, &["--scale says nothing"]);
    folder.f32("x.npy", &[4, 6], &values(4 * 6));
    folder.fails(&["quantize", "x.npy", "q.npy", "--to", "f16", "--dims", "7"], 65, &["7 dimensions", "have 6"]);
    folder.fails(&["quantize", "x.npy", "q.npy", "--to", "binary", "--clip", "99"], 2, &["--clip"]);
    folder.fails(&["quantize", "x.npy", "q.npy", "--to", "f16", "--inverse"], 2, &["--inverse"]);
    folder.fails(&["quantize", "x.npy", "q.npy", "--to", "int8", "--clip", "101"], 2, &["percentile 101"]);
    folder.fails(&["quantize", "x.npy", "q.npy", "--to", "binary", "--inverse"], 2, &["--dims"]);
    folder.ok(&["quantize", "x.npy", "bits.npy", "--to", "binary"]);
    for dims in ["0", "9"] {
        let words = ["quantize", "bits.npy", "y.npy", "--to", "binary", "--inverse", "--dims", dims];
        folder.fails(&words, 65, &["rows of 1 bytes were packed from 1 to 8"]);
    }
    folder.ok(&["quantize", "x.npy", "q.npy", "--to", "int8"]);
    folder.fails(&["quantize", "x.npy", "q.npy", "--to", "int8"], 73, &["q.npy", "exists"]);
    folder.f32("wrong.npy", &[3, 1], &[1.0; 3]);
    folder.fails(&["quantize", "q.npy", "y.npy", "--to", "int8", "--inverse", "--scales", "wrong.npy"], 65, &["[3, 1]", "[4, 6]"]);
    folder.fails(&["quantize", "x.npy", "y.npy", "--to", "int8", "--inverse", "--scales", "q.scales.npy"], 65, &["codes are i8"]);
}

#[test]
fn shares_and_outputs_that_make_no_sense() {
    let folder = Folder::new();
    folder.counting("x.npy", &[10, 3]);
    folder.fails(&["split", "x.npy", "0.8"], 2, &["SHARE=PATH"]);
    folder.fails(&["split", "x.npy", "most=a.npy"], 2, &["`most` is no share"]);
    folder.fails(&["split", "x.npy", "0.8=a.npy", "0.8=b.npy"], 2, &["up to 1"]);
    folder.fails(&["split", "x.npy", "0.5=a.npy", "0.5=a.npy"], 73, &["two outputs go to one file"]);
    folder.fails(&["split", "x.npy", "0.99=a.npy", "rest=b.npy"], 65, &["of 10 rows, for b.npy"]);
    folder.fails(&["shuffle", "x.npy", "x.npy"], 73, &["is the input"]);
}

#[test]
fn a_shuffle_and_its_order_appear_together() {
    let folder = Folder::new();
    folder.f32("x.npy", &[ROWS, WIDTH], &values(ROWS * WIDTH));
    folder.fails(&["shuffle", "x.npy", "o.npy", "--permutation", "o.npy"], 73, &["two outputs go to one file"]);
    folder.fails(&["shuffle", "x.npy", "o.npy", "--permutation", "x.npy"], 73, &["inputs are never changed"]);
    // bvecs are bytes.
    folder.fails(&["shuffle", "x.npy", "s.bvecs", "--permutation", "perm.npy"], 73, &["s.bvecs"]);
    folder.write("there.npy", b"");
    folder.fails(&["shuffle", "x.npy", "there.npy", "--permutation", "perm.npy"], 73, &["there.npy exists"]);
    folder.fails(&["shuffle", "x.npy", "o.npy", "--permutation", "there.npy"], 73, &["there.npy exists"]);
    folder.fails(&["shuffle", "x.npy", "o.npy", "--permutation", "perm.npy", "--memory", "1KiB"], 78, &["--memory"]);
    // Dealt, with chunks that only rows have, and gathered.
    for (name, more) in [("o.npy", &[][..]), ("o.zarr", &["--chunks", "100,24"]), ("r.npy", &["--resume"])] {
        let words = ["shuffle", "x.npy", name, "--seed", "5", "--permutation", "perm.npy", "--overwrite", "--memory", "4MiB"];
        folder.ok(&[&words[..], more].concat());
        assert_eq!(folder.ok(&["eval", "all(x[p] == y)", "x=x.npy", "p=perm.npy", &format!("y={name}")]), "True", "{name}");
        assert_eq!(folder.ok(&["eval", "all(sort(p) == arange(400))", "p=perm.npy"]), "True");
    }
    folder.ok(&["shuffle", "x.npy", "p.npy", "--seed", "5", "--permutation", "perm.zarr", "--chunks", "100"]);
    assert_eq!(folder.ok(&["eval", "all(a == b)", "a=perm.npy", "b=perm.zarr"]), "True");
}

/// The budget that a refusal names.
fn budget_of(folder: &Folder, words: &[&str]) -> String {
    let ran = folder.run(&[words, &["--json"]].concat());
    assert_eq!(ran.code, 78, "{words:?}: {}", ran.stderr);
    let error: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    error["needed_bytes"].as_u64().unwrap_or_else(|| panic!("{error}")).to_string()
}

#[test]
fn refusals_name_a_budget_that_works_or_another_way() {
    let folder = Folder::new();
    folder.f32("x.npy", &[3000, 24], &values(3000 * 24));
    for (words, memory) in [
        (&["shuffle", "x.npy", "o.npy"][..], "1MiB"),
        (&["audit", "x.npy"], "1KiB"),
        (&["audit", "x.npy"], "8KiB"),
        (&["digest", "x.npy"], "100KiB"),
        (&["digest", "x.npy"], "1KiB"),
    ] {
        let budget = budget_of(&folder, &[words, &["--memory", memory]].concat());
        let ran = folder.run(&[words, &["--memory", &budget]].concat());
        assert_eq!(ran.code, 0, "{words:?} {budget}: {}", ran.stderr);
    }
    folder.fails(&["audit", "x.npy", "--memory", "1KiB"], 78, &["an audit of 3000 rows", "--memory"]);
    let digest = folder.ok(&["digest", "x.npy"]);
    assert_eq!(folder.ok(&["digest", "x.npy", "--memory", "600KiB"]), digest, "blocks are as small as the budget wants");
    let ran = folder.run(&["digest", "x.npy", "--memory", "10KiB"]);
    assert!(ran.code == 78 && ran.stderr.contains("memory") && !ran.stderr.contains("rows per block"), "{}", ran.stderr);
    folder.fails(&["kmeans", "x.npy", "-k", "5", "--memory", "1000"], 78, &["--memory 15360 (15.00 KiB) at least", "fewer clusters"]);
    let ran = folder.run(&["topk", "x.npy", "--axis", "1", "-k", "3", "-o", "k.npy", "--memory", "1000"]);
    assert!(ran.code == 78 && ran.stderr.contains("fewer queries") && !ran.stderr.contains("-o"), "{}", ran.stderr);
    folder.f32("ten.npy", &[10, 3], &values(30));
    folder.fails(&["topk", "ten.npy", "-k", "10"], 2, &["10 neighbours of each row were asked for, of 9 others", "from 1 to 9"]);
    folder.fails(&["topk", "ten.npy", "--queries", "ten.npy", "-k", "11"], 2, &["11 nearest rows of 10", "from 1 to 10"]);
    folder.f32("none.npy", &[0, 3], &[]);
    folder.fails(&["kmeans", "none.npy", "-k", "1"], 2, &["no rows to cluster", "(0, 3)"]);
}

#[test]
fn a_shuffle_and_an_audit_stay_within_the_budget() {
    let folder = Folder::on_disk();
    let rows = 1_000_000;
    folder.ok(&["eval", &format!("normal(({rows}, 64), seed=1, dtype=f32)"), "-o", "x.npy"]);
    folder.ok(&["eval", "x[:8000]", "x.npy", "-o", "part.npy"]);
    for words in [
        &["shuffle", "x.npy", "y.npy", "--seed", "3"][..],
        &["split", "x.npy", "0.7=a.npy", "rest=b.npy"],
        &["quantize", "x.npy", "q.npy", "--to", "int8", "--scale", "column"],
        &["audit", "x.npy", "--columns"],
        &["pairs", "part.npy", "--above", "0.62", "-o", "pairs.npy"],
        &["pca", "x.npy", "-k", "2", "--method", "randomized", "--powers", "0", "-o", "p.npy"],
        &["kmeans", "x.npy", "-k", "8", "--batch", "4096", "--iterations", "3", "--labels", "l.npy"],
    ] {
        let limits = ["--memory", "32MiB", "--threads", "2", "--report", "report.json", "--overwrite"];
        folder.ok(&[words, &limits].concat());
        let report: serde_json::Value = serde_json::from_slice(&fs::read(folder.path("report.json")).unwrap()).unwrap();
        let peak = report["bytes_peak_measured"].as_u64().unwrap();
        println!("{} with 32 MiB: peak {:.1} MiB", words[0], peak as f64 / 1_048_576.0);
        assert!(peak <= (32 + 24) << 20, "{words:?}: {peak}");
    }
    let whole: serde_json::Value = serde_json::from_str(&folder.ok(&["audit", "x.npy", "--json", "--memory", "32MiB"])).unwrap();
    assert_eq!((whole["duplicates"]["rows"].as_u64(), whole["rows"].as_u64()), (Some(0), Some(rows)));
    assert!(whole["norms"]["quantile_error"].as_f64().unwrap() > 0.0);
}

#[test]
fn appended_rows_are_there_or_not_whatever_kills_the_job() {
    let folder = Folder::on_disk();
    folder.counting("x.npy", &[1000, 8]);
    let before = fs::read(folder.path("x.npy")).unwrap();
    let statement = "where(arange(4000000)[:, None] < 0, 1, 0).astype(f32) + arange(8).astype(f32)";
    let mut child =
        folder.command(&["eval", statement, "-o", "x.npy?append=0"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Killed when rows have come, or done by then: either is one of two arrays.
    while fs::metadata(folder.path("x.npy")).unwrap().len() <= before.len() as u64 && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let shape = folder.ok(&["eval", "x.shape", "x.npy"]);
    assert!(["(1000, 8)", "(4001000, 8)"].contains(&shape.as_str()), "{shape}");
    folder.ok(&["eval", "x[:1000]", "x.npy", "-o", "first.npy"]);
    assert_eq!(&fs::read(folder.path("first.npy")).unwrap()[128..], &before[before.len() - 32_000..]);
    // What was left does not stand in the way of the next.
    let rows: usize = if shape.starts_with("(1000,") { 1000 } else { 4_001_000 };
    folder.ok(&["convert", "first.npy", "x.npy?append=0"]);
    assert_eq!(folder.ok(&["eval", "x.shape", "x.npy"]), format!("({}, 8)", rows + 1000));
    assert_eq!(fs::metadata(folder.path("x.npy")).unwrap().len(), 128 + (rows as u64 + 1000) * 32);
}

#[test]
fn what_does_not_continue_a_file_is_refused() {
    let folder = Folder::new();
    folder.counting("x.npy", &[10, 3]);
    folder.counting("wide.npy", &[10, 4]);
    folder.write("bytes.npy", &npy("|u1", &[2, 3], &[1; 6]));
    folder.fails(&["convert", "wide.npy", "x.npy?append=0"], 65, &["(10, 3)", "(10, 4)"]);
    folder.fails(&["convert", "bytes.npy", "x.npy?append=0"], 65, &["it holds f32, the rows are u8"]);
    folder.fails(&["convert", "x.npy", "x.npy?append=0"], 73, &["is the input"]);
    folder.fails(&["convert", "x.npy", "none.npy?append=0"], 66, &["none.npy"]);
    let before = fs::read(folder.path("x.npy")).unwrap();
    folder.fails(&["eval", "assert all(x > 5); x", "wide.npy", "-o", "x.npy?append=0"], 65, &[]);
    folder.fails(&["eval", "assert all(x > 5); x[:, :3]", "wide.npy", "-o", "x.npy?append=0"], 1, &["assert"]);
    assert_eq!(fs::read(folder.path("x.npy")).unwrap(), before);
}

#[test]
fn small_numbers_are_no_zeros_and_columns_without_numbers_no_warning() {
    let folder = Folder::new();
    let mut x = vec![1e-200; 5 * 4];
    x[8..12].fill(0.0);
    x[12] = f64::NAN;
    folder.f64("tiny.npy", &[5, 4], &x);
    let text = folder.ok(&["audit", "tiny.npy"]);
    assert!(text.contains("zero rows         1: 2\n") && text.contains("rows with nan     1: 3\n"), "{text}");
    folder.f32("column.npy", &[3, 2], &[1.0, f32::NAN, 2.0, f32::NAN, 3.0, f32::NAN]);
    let text = folder.ok(&["audit", "column.npy"]);
    assert!(text.contains("all-nan columns   1: 1"), "{text}");
}

#[test]
fn cut_rows_are_scaled_before_they_are_rounded() {
    let folder = Folder::new();
    // 1, 2, 3, 4 as f16.
    let halves: Vec<u8> = [0x3c00u16, 0x4000, 0x4200, 0x4400].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    folder.write("h.npy", &npy("<f2", &[1, 4], &halves));
    folder.ok(&["quantize", "h.npy", "f.npy", "--to", "f32", "--dims", "3"]);
    let found = crate::cli_support::read_f32(&folder.path("f.npy"));
    let norm = 14f64.sqrt();
    assert_eq!(found, [1.0, 2.0, 3.0].map(|value| (value / norm) as f32));
    // Rows of any length have a direction.
    folder.f64("tiny.npy", &[1, 3], &[1e-200; 3]);
    folder.f32("huge.npy", &[1, 4], &[3e38; 4]);
    folder.ok(&["quantize", "tiny.npy", "t.npy", "--to", "f32", "--dims", "3"]);
    folder.ok(&["quantize", "huge.npy", "u.npy", "--to", "f32", "--dims", "4"]);
    assert_eq!(crate::cli_support::read_f32(&folder.path("t.npy")), [(1.0 / 3f64.sqrt()) as f32; 3]);
    assert_eq!(crate::cli_support::read_f32(&folder.path("u.npy")), [0.5; 4]);
    folder.ok(&["quantize", "h.npy", "b.npy", "--to", "bf16", "--dims", "3"]);
    assert_eq!(folder.ok(&["eval", "all(b == x.astype(bf16))", "x=f.npy", "b=b.npy?dtype=bf16"]), "True");
}
