//! The columns of a matrix, standardised on a Dask cluster by the program that is started for every task, with the bits of one process.
//!
//! `cargo run --release --example cluster -- /shared/x.npy /shared/z.npy /shared/job dask:local?workers=2`
//!
//! Needs `pip install ./python/outcore-dask`; paths are absolute, because workers run anywhere. Without a cluster it does the job itself.

use outcore::{Destination, Error, Job, Result, Save, Session, TaskSize, Tasks, axis};
use std::process::ExitCode;

fn main() -> Result<ExitCode> {
    // On a worker these are the words that began the job.
    let words = Tasks::words(std::env::args())?;
    let [_, x, z, rest @ ..] = &words[..] else { return Err(Error::usage("cluster X.npy Z.npy [FOLDER SCHEDULER]")) };
    let session = Session::builder().memory("96MiB").threads(1).build()?;
    let x = session.open(x);
    let standardised = (&x - x.mean(0)) / x.std(axis(0).ddof(1));
    let job = Job::new(&session).output("z", &standardised, Destination::Path(z.into())).save(Save::new().overwrite());

    let [folder, scheduler] = rest else {
        job.run()?;
        return Ok(ExitCode::SUCCESS);
    };
    let tasks = job.tasks(folder);
    if let Some(code) = tasks.serve(std::env::args()) {
        return Ok(code.into());
    }
    let size = TaskSize { bytes: 16 << 20, ..TaskSize::default() };
    let result = tasks.on(scheduler, size, |event| eprintln!("{event}"))?;
    println!("{z}: all tasks together read {} bytes", result.report.stats.bytes_read);
    Ok(ExitCode::SUCCESS)
}
