//! The examples do what they say, on the data that they make themselves.

use crate::cli_support::Folder;
use std::{path::Path, process::Command};

/// Runs an example and gives what it printed.
fn run(name: &str) -> String {
    start(name, Path::new(env!("CARGO_MANIFEST_DIR")))
}

/// The same where its files are.
pub fn run_in(name: &str, folder: &Folder) -> String {
    start(name, &folder.path("."))
}

fn start(name: &str, folder: &Path) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    cargo.args(["run", "--quiet", "--offline", "--example", name, "--manifest-path"]).arg(manifest).current_dir(folder);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let done = cargo.output().unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn standardise() {
    let text = run("standardise");
    assert!(text.contains("largest mean of a column"), "{text}");
}

#[test]
fn images_are_read_twice_as_bytes() {
    let text = run("images");
    assert!(text.contains("read 2 times"), "{text}");
}

#[test]
fn prices_are_read_once() {
    let text = run("prices");
    assert!(text.contains("price.npy: read 1 times") && text.contains("volume.npy: read 1 times"), "{text}");
}

#[test]
fn custom_block() {
    let text = run("custom_block");
    assert!(text.contains("rows sum to"), "{text}");
}

#[test]
fn audit() {
    let text = run("audit");
    assert!(text.contains("100 rows equal an earlier one, as row Some(9900)"), "{text}");
    assert!(text.contains("1 of zeros, first [10100]"), "{text}");
}

#[test]
fn quantize() {
    let text = run("quantize");
    assert!(text.contains("passes") && text.contains("largest error"), "{text}");
}

#[test]
fn shuffle() {
    let text = run("shuffle");
    assert!(text.contains("10000 rows to test with"), "{text}");
    let named = text.lines().filter(|line| line.starts_with("row ")).map(|line| {
        let numbers: Vec<usize> = line.split(|letter: char| !letter.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
        (numbers[1] * 40, numbers[2])
    });
    assert!(named.clone().count() == 3 && named.clone().all(|(want, found)| want == found), "{text}");
}

#[test]
fn pca() {
    let text = run("pca");
    assert!(text.contains("3 components") && text.contains("read 2 times"), "{text}");
}

#[test]
fn kmeans() {
    let text = run("kmeans");
    assert!(text.contains("converged") && text.contains("labels.npy"), "{text}");
}

#[test]
fn network_learns_as_in_memory_with_one_read_an_epoch() {
    let text = run("network");
    assert!(text.contains("read once an epoch"), "{text}");
    let apart = text.lines().find_map(|line| line.strip_prefix("losses differ by at most ")).unwrap();
    assert!(apart.parse::<f64>().unwrap() < 1e-6, "{text}");
}

#[test]
fn pipeline_finds_what_the_whole_vectors_do() {
    let text = run("pipeline");
    let value = |what: &str| -> f64 { text.lines().find_map(|line| line.strip_prefix(what)).unwrap().parse().unwrap() };
    assert!(text.contains("1140 rows of 384, 1140 of norm 1, in 1751040 bytes read"), "{text}");
    // Codes lose nearly nothing, the directions that were cut a tenth of the rows.
    assert!(value("recall beside 128 floats: ") > 0.98, "{text}");
    assert!((0.85..0.95).contains(&value("recall beside all floats: ")), "{text}");
    let (_, shown) = text.split_once("Mr. Weston certainly would never marry again.\n").unwrap();
    assert!(shown.lines().next().unwrap().ends_with("Every body said that Mr. Weston would never marry again."), "{text}");
}
