//! How a failure ends the program: the text on stderr and the exit code.

use crate::{output::Style, signals};
use outcore::{Error, ErrorKind};
use std::{
    io::{Write, stderr},
    process::ExitCode,
};

/// The exit code of a command line that makes no sense.
pub const USAGE: u8 = 2;

/// Prints `error` and gives its exit code.
pub fn report(error: &Error, style: Style) -> ExitCode {
    let text = match style {
        Style::Text => text(error),
        Style::Json => json(error),
    };
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(stderr(), "{text}");
    ExitCode::from(code(error.kind()))
}

/// The exit code of a kind of error.
pub fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Assert => 1,
        ErrorKind::Usage => USAGE,
        ErrorKind::Mismatch | ErrorKind::Data | ErrorKind::Changed => 65,
        ErrorKind::NotFound => 66,
        ErrorKind::Output => 73,
        ErrorKind::Io => 74,
        ErrorKind::Refused => 78,
        ErrorKind::Cancelled => signals::exit_code(),
        // A block closure cannot come from the command line.
        _ => 70,
    }
}

/// The name of a kind in JSON.
fn name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Usage => "usage",
        ErrorKind::Mismatch => "mismatch",
        ErrorKind::Data => "data",
        ErrorKind::Changed => "changed",
        ErrorKind::NotFound => "not_found",
        ErrorKind::Output => "output",
        ErrorKind::Io => "io",
        ErrorKind::Refused => "refused",
        ErrorKind::Assert => "assert",
        ErrorKind::Cancelled => "cancelled",
        ErrorKind::Closure => "closure",
        _ => "internal",
    }
}

/// What to try next, with the library's words in this program's.
fn hint(error: &Error) -> Option<String> {
    error.hint_text().map(|hint| hint.replace("`Save::new().overwrite()`", "--overwrite"))
}

/// Message and hint. The place in the source of this program, which the error may carry, helps nobody here.
fn text(error: &Error) -> String {
    let mut text = match error.kind() {
        // A hint says what is kept.
        ErrorKind::Cancelled if error.hint_text().is_some() => "outcore: interrupted".to_string(),
        ErrorKind::Cancelled => "outcore: interrupted; unfinished outputs are removed".to_string(),
        _ => format!("outcore: error: {}", error.message()),
    };
    if let Some(hint) = hint(error) {
        text.push_str(&format!("\n  try: {hint}"));
    }
    if error.kind() == ErrorKind::Internal {
        text.push_str("\n  this is a bug in outcore; please report it with the command and this message");
    }
    text
}

fn json(error: &Error) -> String {
    let mut object = serde_json::json!({
        "schema": "outcore.error/1",
        "kind": name(error.kind()),
        "message": error.message(),
        "hint": hint(error),
    });
    if let Some(bytes) = error.needed_bytes() {
        object["needed_bytes"] = bytes.into();
    }
    object.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_carry_the_hint() {
        let error = Error::output("z.npy exists").hint("`Save::new().overwrite()`");
        assert_eq!(text(&error), "outcore: error: z.npy exists\n  try: --overwrite");
        assert_eq!(json(&error), r#"{"schema":"outcore.error/1","kind":"output","message":"z.npy exists","hint":"--overwrite"}"#);
        assert_eq!(code(error.kind()), 73);
    }
}
