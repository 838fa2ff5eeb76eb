//! Jobs that are killed, interrupted and continued, as the program.
//!
//! The campaign that kills at random moments is in `kills`.

use super::cli_support::{Folder, Run};
use std::{
    fs,
    process::{Child, Stdio},
    thread,
    time::Duration,
};

/// Heavy enough for a process to be stopped long before its end, 320 MB of output.
const STATEMENTS: &str = "x = sin(arange(40_000_000) * 0.001 + v); z = x * exp(cos(x)) - mean(x)";
const WORDS: [&str; 6] = ["--memory", "64MiB", "--threads", "1", "-o", "z.npy"];
const PART: &str = ".z.npy.part";
const JOURNAL: &str = ".z.npy.part.journal";

fn input(folder: &Folder) {
    folder.f64("v.npy", &[1], &[0.25]);
}

fn words<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["eval", STATEMENTS, "v=v.npy"][..], &WORDS, more].concat()
}

fn expected() -> Vec<u8> {
    let folder = Folder::on_disk();
    input(&folder);
    folder.ok(&["eval", STATEMENTS, "v=v.npy", "-o", "z.npy"]);
    fs::read(folder.path("z.npy")).unwrap()
}

fn start(folder: &Folder, more: &[&str]) -> Child {
    folder.command(&words(more)).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the journal has grown past `bytes`, and gives its length.
fn wait_for_journal(folder: &Folder, child: &mut Child, bytes: u64) -> u64 {
    loop {
        let length = fs::metadata(folder.path(JOURNAL)).map_or(0, |journal| journal.len());
        if length > bytes {
            return length;
        }
        assert!(child.try_wait().unwrap().is_none(), "the job ended before it could be stopped");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Bytes of the journal once a box is finished: after the header and the mean there are records of boxes, of some 40 bytes.
fn wait_for_box(folder: &Folder, child: &mut Child) {
    let begun = wait_for_journal(folder, child, 0);
    wait_for_journal(folder, child, begun);
}

fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn percent_of(text: &str) -> u64 {
    text.split(" %")
        .next()
        .and_then(|before| before.rsplit(' ').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn a_killed_job_is_refused_continued_and_started_anew() {
    let expected = expected();
    let folder = Folder::on_disk();
    input(&folder);
    let mut child = start(&folder, &[]);
    wait_for_box(&folder, &mut child);
    // It holds its output, and does not end while we look.
    signal(&child, "STOP");
    // Another process cannot have the output meanwhile, whatever it is told.
    for flag in ["--resume", "--overwrite", "--strict"] {
        let ran = folder.run(&words(&[flag]));
        assert_eq!(ran.code, 73, "{}", ran.stderr);
        assert!(ran.stderr.contains("z.npy is being written by another job"), "{}", ran.stderr);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(folder.names(), [PART, JOURNAL, "v.npy"], "nothing stands under the name");
    folder.fails(&words(&[]), 73, &["% of z.npy is there", "stopped", "second", "--resume", "--overwrite"]);
    folder.fails(&["eval", "v + 1", "v=v.npy", "-o", "z.npy", "--resume"], 73, &["left by another job", "--overwrite"]);

    // Killed once more, and continued with other limits.
    let mut child = start(&folder, &["--resume"]);
    let length = fs::metadata(folder.path(JOURNAL)).unwrap().len();
    wait_for_journal(&folder, &mut child, length);
    child.kill().unwrap();
    child.wait().unwrap();
    let ran =
        folder.run(&["eval", STATEMENTS, "v=v.npy", "-o", "z.npy", "--resume", "--memory", "32MiB", "--threads", "2", "--block", "100k"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("outcore: resumed: ") && ran.stderr.ends_with(" % of z.npy was there\n"), "{}", ran.stderr);
    assert!(percent_of(&ran.stderr) >= 20, "64 MiB of 320 MB at least were finished: {}", ran.stderr);
    assert!(fs::read(folder.path("z.npy")).unwrap() == expected);
    assert_eq!(folder.names(), ["v.npy", "z.npy"]);
}

#[test]
fn an_input_that_changed_is_refused_and_overwriting_starts_anew() {
    let folder = Folder::on_disk();
    input(&folder);
    let mut child = start(&folder, &[]);
    wait_for_box(&folder, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    folder.f64("v.npy", &[1], &[0.5]);
    folder.fails(&words(&["--resume"]), 65, &["v.npy changed", "z.npy", "--overwrite"]);
    let child = start(&folder, &["--overwrite"]);
    assert_eq!(Run::of(child.wait_with_output().unwrap()).code, 0);
    let anew = fs::read(folder.path("z.npy")).unwrap();
    folder.ok(&["eval", STATEMENTS, "v=v.npy", "-o", "fresh.npy"]);
    assert!(anew == fs::read(folder.path("fresh.npy")).unwrap());
    assert_eq!(folder.names(), ["fresh.npy", "v.npy", "z.npy"]);
}

/// How a job ends that is sent a signal once a box is finished. Where the medium is busy the first box may be on it when the last one is
/// computed: a job that came to its end before the signal did is removed, and done again.
fn signalled(folder: &Folder, more: &[&str], name: &str) -> Run {
    for _ in 0..5 {
        let mut child = start(folder, more);
        wait_for_box(folder, &mut child);
        signal(&child, name);
        let ran = Run::of(child.wait_with_output().unwrap());
        if ran.code != 0 {
            return ran;
        }
        fs::remove_file(folder.path("z.npy")).unwrap();
    }
    panic!("the job came to its end five times before the signal did");
}

#[test]
fn signals_keep_what_is_finished_only_on_request() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let folder = Folder::on_disk();
        input(&folder);
        let ran = signalled(&folder, &[], name);
        assert_eq!((ran.code, ran.stderr.as_str()), (code, "outcore: interrupted; unfinished outputs are removed\n"));
        assert_eq!(folder.names(), ["v.npy"]);

        let ran = signalled(&folder, &["--resume"], name);
        assert_eq!(ran.code, code, "{}", ran.stderr);
        assert!(ran.stderr.contains("% is kept; `--resume` goes on with it"), "{}", ran.stderr);
        assert_eq!(folder.names(), [PART, JOURNAL, "v.npy"]);
    }
}

#[test]
fn small_jobs_leave_no_journal_and_flags_have_their_variable() {
    let folder = Folder::new();
    input(&folder);
    fs::write(folder.path(PART), "half").unwrap();
    folder.fails(&["eval", "v + 1", "v=v.npy", "-o", "z.npy"], 73, &["0 % of z.npy is there", "--resume", "--overwrite"]);
    let ran = Run::of(folder.command(&["eval", "v + 1", "v=v.npy", "-o", "z.npy"]).env("OUTCORE_RESUME", "1").output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "nothing of it was finished");
    assert_eq!(folder.names(), ["v.npy", "z.npy"]);
    folder.fails(&["eval", "v + 1", "v=v.npy", "-o", "z.npy", "--resume"], 73, &["z.npy exists", "--overwrite"]);
}
