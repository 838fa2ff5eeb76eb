//! Flags as they are typed. Nothing is looked up here: what a flag means on this machine is decided in
//! [`settings`](crate::settings).

use crate::{errors, output::Style};
use clap::{Args, Parser, Subcommand, ValueEnum, builder::FalseyValueParser, error::ErrorKind};
use std::{env, ffi::OsString, path::PathBuf, process::ExitCode};

/// Evaluates NumPy-like expressions over arrays larger than memory, inside a memory budget that is proved before anything runs.
#[derive(Debug, Parser)]
#[command(name = "outcore", version, subcommand_required = true, arg_required_else_help = true, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 ok, 1 a check failed, 2 usage, 65 bad data, 66 input missing, 70 a bug, 73 output exists or cannot be \
                        created, 74 I/O, 78 memory budget refused, 130 and 143 interrupted."
)]
pub struct Low {
    /// What to do.
    #[command(subcommand)]
    pub mode: Mode,
    /// Flags of every mode.
    #[command(flatten)]
    pub common: Common,
}

/// Flags of every mode.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Memory to stay below: 2GiB, 512M, 1.5GB, 50% [default: half of what the machine or control group has]
    #[arg(long, global = true, value_name = "SIZE", env = "OUTCORE_MEMORY", hide_env_values = true)]
    pub memory: Option<String>,
    /// Compute threads [default: what affinity and the control group's quota allow]
    #[arg(long, global = true, value_name = "N", env = "OUTCORE_THREADS", hide_env_values = true)]
    pub threads: Option<usize>,
    /// How floats are added up [default: exact]
    #[arg(long, global = true, value_name = "MODE", env = "OUTCORE_SUM", hide_env_values = true)]
    pub sum: Option<Sum>,
    /// Make axis notes errors
    #[arg(long, global = true, env = "OUTCORE_STRICT", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub strict: bool,
    /// Results and errors as JSON
    #[arg(long, global = true, env = "OUTCORE_JSON", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// Progress on stderr
    #[arg(long, global = true, value_name = "WHEN", env = "OUTCORE_PROGRESS", hide_env_values = true, default_value = "auto")]
    pub progress: ProgressWhen,
    /// Write what the job took to FILE.json
    #[arg(long, global = true, value_name = "FILE", env = "OUTCORE_REPORT", hide_env_values = true)]
    pub report: Option<PathBuf>,
    /// Replace existing outputs
    #[arg(long, global = true)]
    pub overwrite: bool,
    /// How files are read
    #[arg(long, global = true, value_name = "HOW", env = "OUTCORE_IO", hide_env_values = true, default_value = "auto")]
    pub io: Io,
    /// Bytes of a block, for tests and tuning [default: from the cache]
    #[arg(long, global = true, value_name = "SIZE", env = "OUTCORE_BLOCK", hide_env_values = true)]
    pub block: Option<String>,
}

/// How floats are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sum {
    /// The real sum, rounded once
    Exact,
    /// Compensated, in f64
    Neumaier,
    /// Compensated, in f64
    Kahan,
    /// Pairwise, in f64
    Pairwise,
    /// One after the other, in f64
    Naive,
}

/// When progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressWhen {
    /// On a terminal, after one second
    Auto,
    /// Also elsewhere: a line per 30 seconds
    Always,
    /// Never
    Never,
    /// One JSON object a line
    Json,
}

/// How files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Io {
    /// Mapped where bytes lie together, read where they do not
    Auto,
    /// Mapped wherever possible
    Mmap,
    /// Never mapped
    Read,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Mode {
    /// Show shape, dtype, layout and bytes from the header; no data is read
    Info(Info),
    /// Print values as NumPy does, with digits that read back
    Head(Head),
    /// Count, NaN, infinities, minimum, maximum, mean, deviation, sum and norm in one pass, in f64 and exact
    Stats(Stats),
    /// Evaluate statements; print the last value or save values
    Eval(Eval),
    /// Show the plan: passes, bytes, blocks, predicted peak, and why
    Explain(Eval),
    /// Standardise real embeddings larger than the budget, measured and checked
    Demo(Demo),
    /// List functions, or show one
    Functions(Functions),
}

/// `outcore info`.
#[derive(Debug, Args)]
pub struct Info {
    /// Arrays: x.npy, or x.bin?dtype=f32&shape=-1,128
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
}

/// `outcore head`.
#[derive(Debug, Args)]
pub struct Head {
    /// The array
    #[arg(value_name = "PATH")]
    pub path: String,
    /// What to print: '0:5, ..., :8' [default: the first 5 rows]
    #[arg(long, allow_hyphen_values = true)]
    pub slice: Option<String>,
}

/// `outcore stats`.
#[derive(Debug, Args)]
pub struct Stats {
    /// The array
    #[arg(value_name = "PATH")]
    pub path: String,
    /// Along this axis: one line for each place of the others
    #[arg(long, allow_hyphen_values = true, value_name = "N")]
    pub axis: Option<i64>,
    /// One line for each index of --axis instead, over all other axes
    #[arg(long, requires = "axis")]
    pub each: bool,
}

/// `outcore eval` and `outcore explain`.
#[derive(Debug, Args)]
pub struct Eval {
    /// Statements, then NAME=PATH for every input; one bare PATH is called x. With -f, inputs only.
    /// For explain an input may be imagined: x=f32[4000000,768]
    #[arg(value_name = "STATEMENTS | [NAME=]PATH", required_unless_present = "file")]
    pub words: Vec<String>,
    /// Read the statements from FILE; - is stdin
    #[arg(short = 'f', long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Save the result to PATH, or the value NAME to PATH; may be repeated
    #[arg(short = 'o', long = "output", value_name = "[NAME=]PATH")]
    pub outputs: Vec<String>,
}

/// `outcore demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Folder to work in; a temporary folder is made inside and removed [default: the current one]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Bytes of data to make
    #[arg(long, default_value = "768MB")]
    pub size: String,
}

/// `outcore functions`.
#[derive(Debug, Args)]
pub struct Functions {
    /// The function to show
    pub name: Option<String>,
}

impl Common {
    /// How results and errors are printed.
    pub fn style(&self) -> Style {
        if self.json { Style::Json } else { Style::Text }
    }
}

/// The command line, or the exit code when there is nothing more to do: help was shown, or it makes no sense.
pub fn parse() -> Result<Low, ExitCode> {
    let words: Vec<OsString> = env::args_os().collect();
    Low::try_parse_from(&words).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe is no failure of `--help`.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        // The flag itself may not have been parsed yet.
        _ if words.iter().any(|word| word == "--json") || env::var_os("OUTCORE_JSON").is_some_and(|value| value == "1") => {
            let text = error.render().to_string();
            errors::report(&outcore::Error::usage(text.trim().trim_start_matches("error: ")), Style::Json)
        }
        _ => {
            let _ = error.print();
            ExitCode::from(errors::USAGE)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn flags_are_consistent() {
        Low::command().debug_assert();
    }

    #[test]
    fn flags_may_stand_anywhere() {
        for words in [["outcore", "--memory", "1GiB", "info", "x.npy"], ["outcore", "info", "--memory", "1GiB", "x.npy"]] {
            assert_eq!(Low::try_parse_from(words).unwrap().common.memory.as_deref(), Some("1GiB"));
        }
    }
}
