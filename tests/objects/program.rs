//! The program on objects: every command that reads, and what it says when it cannot.

use crate::server::{environment, server};
use std::process::{Command, Output};

pub fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_outcore-with-objects"));
    command.args(words).env_clear().envs(environment(&server().endpoint));
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
pub fn runs(words: &[&str]) -> String {
    let output = program(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", text(&output));
    String::from_utf8_lossy(&output.stdout).to_string()
}

#[track_caller]
pub fn fails(command: &mut Command, code: i32, parts: &[&str]) {
    let output = command.output().unwrap();
    let said = text(&output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    parts.iter().for_each(|part| assert!(said.contains(part), "`{part}` is not in {said}"));
}

#[test]
fn commands_read_objects() {
    let server = server();
    let local = server.path("plain", "cli/x.npy").display().to_string();
    let zarr = server.path("plain", "cli/x.zarr").display().to_string();
    runs(&["eval", "astype(reshape(arange(600), (20, 30)), f32)", "-o", &local]);
    runs(&["convert", &local, &format!("{zarr}?chunks=7,8&codec=zstd:1")]);
    for (file, object) in [(local.as_str(), "s3://plain/cli/x.npy"), (zarr.as_str(), "s3://plain/cli/x.zarr")] {
        assert_eq!(runs(&["eval", "sum(x * 2)", object]), runs(&["eval", "sum(x * 2)", file]));
        assert_eq!(runs(&["head", object]), runs(&["head", file]));
        assert_eq!(runs(&["stats", object]).replace(object, ""), runs(&["stats", file]).replace(file, ""));
        let shown = runs(&["info", object]);
        assert!(shown.contains("(20, 30)") && shown.contains(object), "{shown}");
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.npy").display().to_string();
    runs(&["convert", "s3://plain/cli/x.zarr", &copy]);
    assert_eq!(std::fs::read(&copy).unwrap(), std::fs::read(&local).unwrap());
    let web = server.path("web", "cli.npy");
    std::fs::copy(&local, web).unwrap();
    assert_eq!(runs(&["eval", "sum(x)", &format!("{}/web/cli.npy", server.endpoint)]), runs(&["eval", "sum(x)", &local]));
}

#[test]
fn commands_write_objects() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("x.npy").display().to_string();
    runs(&["eval", "astype(reshape(arange(600), (20, 30)), f32)", "-o", &local]);
    for out in ["s3://plain/out/y.zarr?chunks=7,8&shards=none", "s3://plain/out/y.npy"] {
        let bare = out.split('?').next().unwrap();
        runs(&["eval", "x + 1", &local, "-o", out]);
        assert_eq!(runs(&["eval", "sum(x)", bare]), runs(&["eval", "sum(x + 1)", &local]));
        fails(&mut program(&["eval", "x + 1", &local, "-o", out]), 73, &["exists"]);
        runs(&["convert", &local, out, "--overwrite"]);
        assert_eq!(runs(&["eval", "sum(x)", bare]), runs(&["eval", "sum(x)", &local]));
    }
    let keys = server.path("plain", "out/y.zarr/zarr.json");
    assert!(keys.exists() && !keys.with_file_name(".outcore-writer").exists());
}

#[test]
fn errors_have_exit_codes_and_say_what_to_do() {
    server();
    fails(&mut program(&["info", "s3://plain/none.npy"]), 66, &["s3://plain/none.npy", "404"]);
    fails(program(&["info", "s3://plain/none.npy"]).env("AWS_SECRET_ACCESS_KEY", "another"), 74, &["403", "AWS_SECRET_ACCESS_KEY"]);
    let mut nobody = program(&["info", "s3://plain/none.npy"]);
    nobody.env_remove("AWS_ACCESS_KEY_ID");
    fails(&mut nobody, 74, &["no credentials", "AWS_ACCESS_KEY_ID"]);
    fails(program(&["info", "s3://plain/none.npy"]).env_remove("AWS_ALLOW_HTTP"), 74, &["AWS_ALLOW_HTTP"]);
    fails(&mut program(&["info", "az://box/x.npy"]), 74, &["AZURE_STORAGE_ACCOUNT_NAME"]);
}
