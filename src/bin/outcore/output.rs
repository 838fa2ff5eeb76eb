//! What goes to stdout and stderr.

use outcore::{
    AnyArray, Error, Result,
    report::{PrintOptions, Values, numpy_text, value_json},
};
use std::io::{ErrorKind, Write, stderr, stdout};

/// How results and errors are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Writes a result and a line break to stdout. A reader that has seen enough (`| head`) is no failure.
pub fn print(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io("write", "stdout", error)),
        _ => Ok(()),
    }
}

/// Prints an array.
pub fn print_array(array: &AnyArray, style: Style) -> Result<()> {
    print_values(&Values { dtype: array.dtype(), shape: array.shape(), bytes: array.bytes() }, style)
}

/// Prints values.
pub fn print_values(values: &Values<'_>, style: Style) -> Result<()> {
    match style {
        Style::Text => print(&numpy_text(values, &PrintOptions::default())),
        Style::Json => print(&value_json(values)),
    }
}

/// One line on stderr: `outcore: warning: …`.
pub fn note(kind: &str, text: &str) {
    let _ = writeln!(stderr(), "outcore: {kind}: {text}");
}
