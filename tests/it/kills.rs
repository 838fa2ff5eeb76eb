//! The campaign of kills: every kind of job that writes files is killed at random moments, and continued with other limits.
//!
//! `cargo test --release --test it campaign_of_kills -- --ignored --nocapture`; `OUTCORE_KILLS` is the number of kills of each job (50).

use crate::cli_support::Folder;
use std::{
    fs,
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

/// A job, and what it leaves when it is done.
struct Victim {
    name: &'static str,
    words: &'static [&'static str],
    outputs: &'static [&'static str],
}

const INPUTS: [&str; 2] = ["rows.zarr", "x.npy"];
const VICTIMS: [Victim; 5] = [
    Victim {
        name: "convert",
        words: &["convert", "x.npy", "c.zarr", "--chunks", "1000,250", "--shards", "16000,1000", "--codec", "blosc-lz4"],
        outputs: &["c.zarr"],
    },
    Victim {
        name: "rechunk",
        words: &["convert", "rows.zarr", "r.zarr", "--chunks", "64000,10", "--shards", "none", "--codec", "none"],
        outputs: &["r.zarr"],
    },
    Victim {
        name: "eval to Zarr",
        words: &[
            "eval",
            "(x - mean(x, 0)) / std(x, 0)",
            "x.npy",
            "-o",
            "z.zarr",
            "--chunks",
            "500,1000",
            "--shards",
            "none",
            "--codec",
            "crc32c",
        ],
        outputs: &["z.zarr"],
    },
    Victim { name: "eval to npy", words: &["eval", "exp(-x * x).T", "x.npy", "-o", "t.npy"], outputs: &["t.npy"] },
    Victim {
        name: "two outputs",
        words: &["eval", "a = sqrt(abs(x)) + mean(x); b = cumsum(x, 1)", "x.npy", "-o", "a=a.npy", "-o", "b=b.zarr"],
        outputs: &["a.npy", "b.zarr"],
    },
];

/// A small generator of moments (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn pick(&mut self, list: &[&'static str]) -> &'static str {
        list[self.below(list.len() as u64) as usize]
    }
}

/// A digest of a file, or of all names and bytes below a folder. `None` if nothing is there.
fn digest(path: &Path) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    let mut waiting = vec![path.to_path_buf()];
    while let Some(next) = waiting.pop() {
        if fs::symlink_metadata(&next).ok()?.is_dir() {
            let mut below: Vec<_> = fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()).collect();
            below.sort();
            waiting.extend(below);
        } else {
            hasher.update(next.strip_prefix(path).unwrap().as_os_str().as_encoded_bytes());
            hasher.update(&fs::read(&next).unwrap());
        }
    }
    Some(hasher.finalize().to_hex()[..16].to_string())
}

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
}

/// What one job went through.
#[derive(Default)]
struct Story {
    kills: u64,
    /// Jobs that came to their end between kills.
    ends: u64,
    /// Those of them that had something to go on with.
    continued: u64,
    /// Kills that left a journal.
    journals: u64,
}

/// Kills `victim` until it has been killed `kills` times, and lets it finish.
fn hunt(folder: &Folder, victim: &Victim, kills: u64, dice: &mut Dice) -> Story {
    let started = Instant::now();
    let ran = folder.run(victim.words);
    assert_eq!(ran.code, 0, "{}: {}", victim.name, ran.stderr);
    let span = started.elapsed();
    let paths: Vec<_> = victim.outputs.iter().map(|output| folder.path(output)).collect();
    let whole: Vec<_> = paths.iter().map(|path| digest(path)).collect();
    assert!(whole.iter().all(Option::is_some));
    paths.iter().for_each(|path| remove(path));
    let mut story = Story::default();
    let mut kept = false;
    loop {
        let limits = ["--resume", "--memory", dice.pick(&["32MiB", "64MiB", "200MiB"]), "--threads", dice.pick(&["1", "2", "3"])];
        let block = ["--block", dice.pick(&["64k", "333k", "1MiB"])];
        let words = [victim.words, &limits, &block].concat();
        let is_last = story.kills == kills;
        let mut child = folder.command(&words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        if !is_last {
            thread::sleep(Duration::from_micros(dice.below(span.as_micros() as u64)));
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).to_string();
        let found: Vec<_> = paths.iter().map(|path| digest(path)).collect();
        let place = format!("{} after {} kills, {words:?}: {said}", victim.name, story.kills);
        // Whatever stands under a name is the whole result.
        for (found, whole) in found.iter().zip(&whole) {
            assert!(found.is_none() || found == whole, "{place}");
        }
        let names = folder.names();
        let strangers = |name: &&String| !INPUTS.contains(&name.as_str()) && !victim.outputs.iter().any(|output| name.contains(output));
        assert_eq!(names.iter().find(strangers), None, "scratch, or a file of nobody: {place}");
        if output.status.success() {
            let mut left: Vec<&str> = INPUTS.iter().chain(victim.outputs).copied().collect();
            left.sort_unstable();
            assert_eq!(names, left, "{place}");
        } else {
            assert_eq!(output.status.code(), None, "killed, and not ended by itself: {place}");
            story.kills += 1;
            story.journals += u64::from(names.iter().any(|name| name.ends_with(".journal")));
        }
        if found.iter().all(Option::is_some) {
            story.ends += 1;
            story.continued += u64::from(kept);
            // Killed between its last rename and its end it may have left a journal and a lock of nothing.
            names.iter().filter(|name| !INPUTS.contains(&name.as_str())).for_each(|name| remove(&folder.path(name)));
            if is_last {
                return story;
            }
        }
        kept = folder.names().iter().any(|name| name.ends_with(".journal"));
    }
}

#[test]
#[ignore = "kills 250 processes at random moments: some minutes"]
fn campaign_of_kills() {
    let kills = std::env::var("OUTCORE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(50);
    let folder = Folder::on_disk();
    folder.ok(&["eval", "reshape(sin(arange(64_000_000) * 0.001), (64000, 1000)).astype(f32)", "-o", "x.npy"]);
    folder.ok(&["convert", "x.npy", "rows.zarr", "--chunks", "500,1000", "--shards", "none", "--codec", "blosc-lz4"]);
    let mut dice = Dice(2_463_534_242);
    for victim in &VICTIMS {
        let started = Instant::now();
        let Story { kills, ends, continued, journals } = hunt(&folder, victim, kills, &mut dice);
        let seconds = started.elapsed().as_secs();
        println!(
            "{}: {kills} kills, {journals} left a journal; {ends} jobs ended, {continued} of them continued; {seconds} s",
            victim.name
        );
    }
}
