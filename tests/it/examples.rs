//! The examples do what they say, on the data that they make themselves.

use std::{path::Path, process::Command};

/// Runs an example, which `cargo test` has built beside the program; gives what it printed.
fn run(name: &str) -> String {
    let folder = Path::new(env!("CARGO_BIN_EXE_outcore")).parent().unwrap().join("examples");
    let done = Command::new(folder.join(name)).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
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
    run("prices");
}

#[test]
fn custom_block() {
    run("custom_block");
}
