//! Runs the program in a folder of its own, and looks at what it leaves there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// A folder to run the program in.
pub struct Folder {
    folder: tempfile::TempDir,
}

/// What a run of the program gave.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Folder {
    pub fn new() -> Self {
        Folder { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder that is not in memory, for files that are measured.
    pub fn on_disk() -> Self {
        Folder { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, ready to be given more.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = self.alone(env!("CARGO_BIN_EXE_outcore"));
        command.args(words);
        command
    }

    /// A line of a shell that finds the program, ready to be given more.
    pub fn shell(&self, line: &str) -> Command {
        let mut command = self.alone("sh");
        let program = Path::new(env!("CARGO_BIN_EXE_outcore"));
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        command.args(["-c", line]).env("PATH", path);
        command
    }

    /// A program in the folder, without anything of who runs the tests.
    fn alone(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        // Settings of the person who runs the tests are not part of them.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OUTCORE_")) {
            command.env_remove(name);
        }
        // Nor is what is known of the machine they run on.
        command.env("OUTCORE_PROFILE", "");
        command
    }

    pub fn run(&self, words: &[&str]) -> Run {
        Run::of(self.command(words).output().unwrap())
    }

    /// Runs, and expects success and nothing on stderr.
    #[track_caller]
    pub fn ok(&self, words: &[&str]) -> String {
        let ran = self.run(words);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{words:?} printed {}", ran.stdout);
        ran.stdout.trim_end_matches('\n').to_string()
    }

    /// Runs, and expects `code`, `parts` in the message, nothing on stdout and nothing new in the folder.
    #[track_caller]
    pub fn fails(&self, words: &[&str], code: i32, parts: &[&str]) {
        let before = self.names();
        let ran = self.run(words);
        for part in parts {
            assert!(ran.stderr.contains(part), "{words:?}: `{part}` is not in the message:\n{}", ran.stderr);
        }
        assert_eq!(ran.code, code, "{words:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{words:?}");
        assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("src/"), "{words:?}: {}", ran.stderr);
        assert_eq!(self.names(), before, "{words:?} left something behind");
    }

    /// Everything in the folder, hidden files too.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().to_string()).collect();
        names.sort();
        names
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn f32(&self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.write(name, &npy("<f4", shape, &bytes));
    }

    pub fn f64(&self, name: &str, shape: &[usize], values: &[f64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.write(name, &npy("<f8", shape, &bytes));
    }

    pub fn i64(&self, name: &str, shape: &[usize], values: &[i64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.write(name, &npy("<i8", shape, &bytes));
    }

    /// `0, 1, 2, …` as f32.
    pub fn counting(&self, name: &str, shape: &[usize]) {
        let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|value| value as f32).collect();
        self.f32(name, shape, &values);
    }
}

impl Run {
    pub fn of(output: Output) -> Self {
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).to_string(),
            stderr: String::from_utf8_lossy(&output.stderr).to_string(),
        }
    }
}

/// Runs the program in `folder`.
pub fn outcore(folder: &Folder, words: &[&str]) -> Run {
    folder.run(words)
}

/// A version 1.0 npy file, built here and not by the code under test.
pub fn npy(descr: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let lengths: String = shape.iter().map(|length| format!("{length},")).collect();
    npy_with_header(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({lengths}), }}"), data)
}

/// An npy file with any header text.
pub fn npy_with_header(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let mut header = dictionary.as_bytes().to_vec();
    while !(10 + header.len() + 1).is_multiple_of(64) {
        header.push(b' ');
    }
    header.push(b'\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    file.extend(header);
    file.extend(data);
    file
}

/// The elements of an npy file of f32.
pub fn read_f32(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + header..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}
