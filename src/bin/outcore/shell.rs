//! `outcore completions` and `outcore man`: what shells and readers of manuals know, from the flags themselves.

use crate::args::Low;
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use outcore::{Error, Result};
use std::{
    io::{ErrorKind, Write, stdout},
    path::PathBuf,
};

/// `outcore completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// `outcore man`.
#[derive(Debug, Args)]
pub struct Man {
    /// The mode to show the page of [default: the program]
    pub mode: Option<String>,
    /// Write the pages of the program and of all modes into DIR instead
    #[arg(long, value_name = "DIR", conflicts_with = "mode")]
    pub dir: Option<PathBuf>,
}

/// Prints what the shell loads.
pub fn completions(command: &Completions) -> Result<()> {
    let mut text = Vec::new();
    clap_complete::generate(command.shell, &mut Low::command(), "outcore", &mut text);
    print_bytes(&text)
}

/// Prints a manual page, or writes all.
pub fn man(command: &Man) -> Result<()> {
    if let Some(dir) = &command.dir {
        let cannot = |error| Error::output(format!("cannot write pages to {}: {error}", dir.display())).hint("the folder has to be there");
        return clap_mangen::generate_to(Low::command(), dir).map_err(cannot);
    }
    let mut program = Low::command();
    program.build();
    let page = match &command.mode {
        None => program,
        Some(mode) => {
            let found = program.find_subcommand(mode).cloned();
            let unknown = || Error::usage(format!("there is no mode `{mode}`")).hint("`outcore --help` lists the modes");
            found.ok_or_else(unknown)?
        }
    };
    let mut text = Vec::new();
    let rendered = clap_mangen::Man::new(page).render(&mut text);
    rendered.map_err(|error| Error::internal(format!("a manual page cannot be made: {error}")))?;
    print_bytes(&text)
}

fn print_bytes(text: &[u8]) -> Result<()> {
    let mut out = stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::io("write", "stdout", error)),
        _ => Ok(()),
    }
}
