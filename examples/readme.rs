//! The program of the README: it standardises `embeddings.npy` of the folder it is started in.
//!
//! `cargo run --release --example readme`

use outcore::{Save, Session, axis};

fn main() -> outcore::Result<()> {
    let session = Session::builder().memory("2GiB").build()?;
    let x = session.open("embeddings.npy");
    let (mean, deviation) = (x.mean(0), x.std(axis(0).ddof(1)));
    let z = (&x - &mean) / deviation.maximum(1e-12);
    println!("{}", session.explain([&z, &mean])?);
    let report = session.save_all([(&z, "z.npy"), (&mean, "mean.npy")], Save::new())?;
    println!("{} bytes read, at most {} held", report.stats.bytes_read, report.stats.bytes_peak_held);
    Ok(())
}
