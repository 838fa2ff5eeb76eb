//! NumPy in a process of its own, one line of JSON per request and answer.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// See the module.
pub struct Numpy {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Numpy {
    /// Starts `python` on the script beside this file.
    pub fn start(python: &str) -> std::io::Result<Numpy> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/elementwise.py");
        let threads = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"].map(|name| (name, "1"));
        let mut child = Command::new(python).arg(script).envs(threads).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Ok(Numpy { child, input, output })
    }

    fn ask(&mut self, request: &Value) -> Option<f64> {
        writeln!(self.input, "{request}").ok()?;
        let mut answer = String::new();
        self.output.read_line(&mut answer).ok()?;
        serde_json::from_str::<Value>(&answer).ok()?.as_f64()
    }

    /// Makes arrays (name, dtype, shape, lowest, highest) and takes the text to be timed. None where NumPy has no such thing.
    pub fn prepare(&mut self, text: &str, arrays: &[Value]) -> Option<()> {
        self.ask(&json!({ "text": text, "arrays": arrays })).map(drop)
    }

    /// Seconds of one of `repeats` evaluations.
    pub fn seconds(&mut self, repeats: usize) -> Option<f64> {
        self.ask(&json!({ "repeats": repeats }))
    }
}

impl Drop for Numpy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
