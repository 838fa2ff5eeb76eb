//! The `outcore` program: typed flags ([`args`]) become settings ([`settings`]), settings and a mode become work.
//!
//! Only the public API of the library is used. stdout carries results; everything else goes to stderr.

mod args;
mod demo;
mod errors;
mod eval;
mod explain;
mod functions;
mod head;
mod info;
mod inputs;
mod measure;
mod output;
mod progress;
mod settings;
mod signals;
mod stats;

use args::Mode;
use std::process::ExitCode;

fn main() -> ExitCode {
    let low = match args::parse() {
        Ok(low) => low,
        Err(code) => return code,
    };
    let style = low.common.style();
    match run(low) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => errors::report(&error, style),
    }
}

fn run(low: args::Low) -> outcore::Result<()> {
    signals::watch()?;
    outcore::store::mmap::install_sigbus_guard()?;
    let settings = settings::resolve(&low.common)?;
    match low.mode {
        Mode::Info(command) => info::run(&command, &settings),
        Mode::Head(command) => head::run(&command, &settings),
        Mode::Stats(command) => stats::run(&command, &settings),
        Mode::Eval(command) => eval::run(&command, &settings),
        Mode::Explain(command) => explain::run(&command, &settings),
        Mode::Demo(command) => demo::run(&command, &settings),
        Mode::Functions(command) => functions::run(&command, &settings),
    }
}
