//! The `outcore` program: typed flags ([`args`]) become settings ([`settings`]), settings and a mode become work.
//!
//! Only the public API of the library is used. stdout carries results; everything else goes to stderr.

mod args;
mod audit;
mod convert;
mod demo;
mod diff;
mod digest;
mod disk;
mod doctor;
mod errors;
mod eval;
mod expected;
mod explain;
mod functions;
mod head;
mod info;
mod inputs;
mod kmeans;
mod measure;
mod named;
mod output;
mod pairs;
mod pca;
mod profile;
mod progress;
mod quantize;
mod reporting;
mod saving;
mod settings;
mod shell;
mod sides;
mod signals;
mod split;
mod stats;
mod tasks;
mod topk;
mod tune;
mod verify;

use args::Mode;
use std::{
    env,
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

fn main() -> ExitCode {
    let low = match args::parse() {
        Ok(low) => low,
        Err(code) => return code,
    };
    let style = low.common.style();
    match guarded(|| run(low)) {
        Ok(outcome) => ExitCode::from(outcome),
        Err(error) => errors::report(&error, style),
    }
}

/// `work`, with a panic as an error: exit code 70 and a sentence instead of a backtrace.
fn guarded<T>(work: impl FnOnce() -> outcore::Result<T>) -> outcore::Result<T> {
    static PLACE: Mutex<Option<String>> = Mutex::new(None);
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        *PLACE.lock().unwrap_or_else(PoisonError::into_inner) = info.location().map(ToString::to_string);
        // Whoever asks for backtraces gets them.
        if env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            hook(info);
        }
    }));
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let said = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let place = PLACE.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
        Err(outcore::Error::internal(format!("internal error: {} ({place})", said.unwrap_or("no message"))))
    })
}

/// Does what is asked, and gives the exit code.
fn run(low: args::Low) -> outcore::Result<u8> {
    signals::watch()?;
    outcore::store::mmap::install_sigbus_guard()?;
    sides::check(&low)?;
    let settings = settings::resolve(&low.common, low.mode.profile_use())?;
    let code = work(low.mode, &low.common, &settings)?;
    settings.reports.write(&settings)?;
    Ok(code)
}

fn work(mode: Mode, common: &args::Common, settings: &settings::Settings) -> outcore::Result<u8> {
    match mode {
        Mode::Info(command) => info::run(&command, settings),
        Mode::Head(command) => head::run(&command, settings),
        Mode::Stats(command) => stats::run(&command, settings),
        Mode::Eval(args::Evaluate { eval, on: Some(on), job }) => return tasks::on(eval, &on, job.as_ref(), settings),
        Mode::Eval(command) => eval::run(&command.eval, settings),
        Mode::Plan(command) => tasks::plan(command, settings),
        Mode::Task(command) => return tasks::task(&command, settings.style),
        Mode::Finish(command) => tasks::finish(&command, settings.style),
        Mode::Explain(command) => explain::run(&command, settings),
        Mode::Digest(command) => digest::run(&command, settings),
        Mode::Topk(command) => topk::run(&command, settings),
        Mode::Pairs(command) => pairs::run(&command, settings),
        Mode::Convert(command) => convert::run(&command, settings),
        Mode::Verify(command) => return verify::run(&command, settings),
        Mode::Diff(command) => return diff::run(&command, settings),
        Mode::Audit(command) => return audit::run(&command, settings),
        Mode::Quantize(command) => quantize::run(&command, settings),
        Mode::Shuffle(command) => split::shuffle(&command, settings),
        Mode::Split(command) => split::split(&command, settings),
        Mode::Pca(command) => pca::run(&command, settings),
        Mode::Kmeans(command) => kmeans::run(&command, settings),
        Mode::Demo(command) => demo::run(&command, settings),
        Mode::Doctor(command) => doctor::run(&command, common, settings),
        Mode::Tune(command) => tune::run(&command, settings),
        Mode::Functions(command) => functions::run(&command, settings),
        Mode::Completions(command) => shell::completions(&command),
        Mode::Man(command) => shell::man(&command),
    }
    .map(|()| 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_internal_error() {
        let error = guarded(|| -> outcore::Result<()> { panic!("{} is out of range", 7) }).unwrap_err();
        assert_eq!(errors::code(error.kind()), 70);
        assert!(error.message().contains("internal error: 7 is out of range") && error.message().contains("main.rs"), "{error}");
    }
}
