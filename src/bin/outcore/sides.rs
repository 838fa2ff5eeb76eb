//! Files that a command writes beside its outputs: reports, traces, drawings, pages and the machine profile.
//!
//! `--overwrite` is about outputs, so these have rules of their own, and all of them are looked at here before anything runs: the extension
//! is the one that the help promises; an input, an output or another of these files is never written over; and a file that is there is
//! replaced only if it is of the same kind, or empty. What is written then appears whole ([`write`]).

use crate::{
    args::{Low, Mode, spelling},
    named::Files,
    profile,
    settings::check_writable,
};
use outcore::{Error, Result, store::check_apart};
use std::{
    ffi::OsStr,
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

/// As much of a file is looked at to know its kind. Pages and drawings say it at once, a profile in its first kilobyte.
const HEAD_BYTES: u64 = 16 << 10;

/// What such a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A report: JSON.
    Json,
    /// A report or what `tune` found: a page.
    Html,
    /// A report: a row a stage.
    Csv,
    /// What every thread did.
    Trace,
    /// A drawing.
    Svg,
    /// The machine profile.
    Profile,
}

impl Kind {
    /// The kind of a report, by the extension of its path.
    pub fn of_report(path: &Path) -> Result<Kind> {
        let kinds = [Kind::Html, Kind::Json, Kind::Csv];
        kinds.into_iter().find(|kind| kind.is_spelled(path)).ok_or_else(|| {
            Error::usage(format!("{} {}: the format follows the extension", spelling("--report"), path.display()))
                .hint("--report FILE.html, FILE.json or FILE.csv")
        })
    }

    /// What paths of this kind end with.
    fn extensions(self) -> &'static [&'static str] {
        match self {
            Kind::Json | Kind::Trace => &["json"],
            Kind::Html => &["html", "htm"],
            Kind::Csv => &["csv"],
            Kind::Svg => &["svg"],
            Kind::Profile => &[],
        }
    }

    fn is_spelled(self, path: &Path) -> bool {
        let extensions = self.extensions();
        extensions.is_empty() || path.extension().and_then(OsStr::to_str).is_some_and(|end| extensions.contains(&end))
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Json | Kind::Csv => "a report of outcore",
            Kind::Html => "a page",
            Kind::Trace => "a trace",
            Kind::Svg => "a drawing",
            Kind::Profile => "a machine profile",
        }
    }

    /// Whether a file that begins with `head` is one of this kind, or empty.
    fn is_head(self, head: &[u8]) -> bool {
        let text: String = String::from_utf8_lossy(head).to_lowercase().chars().filter(|letter| !letter.is_whitespace()).collect();
        let text = text.trim_start_matches('\u{feff}');
        text.is_empty()
            || match self {
                Kind::Json => text.starts_with('{') && text.contains("\"outcore.report/"),
                Kind::Profile => text.starts_with('{') && text.contains("\"outcore.machine/"),
                Kind::Trace => ["{\"displaytimeunit\"", "{\"traceevents\"", "{\"otherdata\""].iter().any(|begin| text.starts_with(begin)),
                Kind::Html => text.starts_with("<!doctypehtml") || text.starts_with("<html"),
                Kind::Svg => text.starts_with("<svg") || (text.starts_with("<?xml") && text.contains("<svg")),
                Kind::Csv => text.starts_with("stage,seconds,"),
            }
    }
}

/// One of these files, and the flag or variable that asks for it.
struct Side {
    path: PathBuf,
    flag: String,
    kind: Kind,
}

/// Refuses, before anything runs, a file that must not be written or could not be written at the end.
pub fn check(low: &Low) -> Result<()> {
    let sides = sides(low)?;
    if sides.is_empty() {
        return Ok(());
    }
    let files = Files::of(&low.mode);
    for (index, side) in sides.iter().enumerate() {
        let Side { path, flag, kind } = side;
        // First what would be lost.
        let written = files.outputs.iter().chain(sides[..index].iter().map(|side| &side.path));
        check_apart(path, &files.inputs, written)?;
        if *kind == Kind::Json {
            Kind::of_report(path)?;
        }
        if !kind.is_spelled(path) {
            let end = kind.extensions()[0];
            let text = format!("{flag} {}: {} is written to a file that ends in .{end}", path.display(), kind.name());
            return Err(Error::usage(text).hint(format!("{flag} FILE.{end}")));
        }
        check_kind(side)?;
        // The folder of a profile is made.
        if *kind != Kind::Profile || path.exists() {
            check_writable(path, flag)?;
        }
    }
    Ok(())
}

fn sides(low: &Low) -> Result<Vec<Side>> {
    let mut found = Vec::new();
    let mut add = |path: &PathBuf, flag: &str, kind| found.push(Side { path: path.clone(), flag: spelling(flag), kind });
    for path in &low.common.report {
        // One that follows no extension is told after what would be lost.
        add(path, "--report", Kind::of_report(path).unwrap_or(Kind::Json));
    }
    low.common.trace.iter().for_each(|path| add(path, "--trace", Kind::Trace));
    let saves = match &low.mode {
        Mode::Explain(command) => {
            command.svg.iter().for_each(|path| add(path, "--svg", Kind::Svg));
            false
        }
        Mode::Tune(command) => {
            command.svg.iter().for_each(|path| add(path, "--svg", Kind::Svg));
            command.html.iter().for_each(|path| add(path, "--html", Kind::Html));
            command.save
        }
        Mode::Doctor(command) => command.save,
        _ => false,
    };
    if saves {
        found.push(Side { path: profile::place_to_save()?, flag: "--save".to_string(), kind: Kind::Profile });
    }
    Ok(found)
}

/// An error if a file is there that is none of ours. Pipes and terminals take what is written.
fn check_kind(side: &Side) -> Result<()> {
    let Side { path, flag, kind } = side;
    if !fs::metadata(path).is_ok_and(|there| there.is_file()) {
        return Ok(());
    }
    let mut head = Vec::new();
    // What cannot be read is not known to be ours.
    let is_ours = fs::File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head)).is_ok() && kind.is_head(&head);
    match is_ours {
        true => Ok(()),
        false => Err(Error::output(format!("{flag} {}: the file there is not {}, and is not replaced", path.display(), kind.name()))
            .hint("another name, or remove it first")),
    }
}

/// Writes a file whole: under its name once all of it is there.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let failed = |error| Error::io("write", path.display(), error);
    // A pipe or a terminal is written as it is.
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return fs::write(path, text).map_err(failed);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".outcore-report-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.persist(path).map(drop).map_err(|error| failed(error.error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_the_first_bytes() {
        let cases: [(Kind, &[u8], bool); 12] = [
            (Kind::Trace, b"{\"displayTimeUnit\":\"ms\"", true),
            (Kind::Trace, b"\x93NUMPY", false),
            (Kind::Trace, b"", true),
            (Kind::Json, b"{\n  \"schema\": \"outcore.report/1\"", true),
            (Kind::Json, b"{\"zarr_format\": 3}", false),
            (Kind::Svg, b"<?xml version=\"1.0\"?>\n<svg xmlns=\"\">", true),
            (Kind::Svg, b"<?xml version=\"1.0\"?>\n<feed>", false),
            (Kind::Html, b"<!DOCTYPE html>\n", true),
            (Kind::Html, b"notes", false),
            (Kind::Csv, b"stage,seconds,blocks", true),
            (Kind::Csv, b"id,name\n", false),
            (Kind::Profile, b"{\"cpu\":\"\",\"schema\":\"outcore.machine/1\"}", true),
        ];
        for (kind, head, want) in cases {
            assert_eq!(kind.is_head(head), want, "{kind:?} {}", String::from_utf8_lossy(head));
        }
    }
}
