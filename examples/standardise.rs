//! The columns of a matrix, standardised: written and read with the memory of a few blocks, whatever its size.
//!
//! `cargo run --release --example standardise [x.npy [z.npy]]`

use outcore::{Array, Result, Save, Session, axis};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let session = Session::builder().memory("256MiB").build()?;
    let folder = tempfile::tempdir().map_err(|error| outcore::Error::io("create", "a temporary folder", error))?;
    let x = match arguments.next() {
        Some(path) => session.open(path),
        None => generated(&session),
    };

    let (mean, deviation) = (x.mean(0), x.std(axis(0).ddof(1)));
    let z = (&x - &mean) / deviation.maximum(1e-12);
    println!("{}", session.explain([&z])?);
    let path = arguments.next().map_or_else(|| folder.path().join("z.npy"), Into::into);
    let report = session.save_all([(&z, &path)], Save::new())?;

    let largest: f64 = session.open(&path).mean(axis(0).dtype(outcore::DType::F64)).abs().max(..).item()?;
    println!("{:.3} s, {} bytes read, {} written", report.stats.seconds, report.stats.bytes_read, report.stats.bytes_written);
    println!("largest mean of a column: {largest:.1e}");
    Ok(())
}

/// 20,000 rows of 64 numbers of different scales.
fn generated(session: &Session) -> Array {
    let rows = session.arange(0, 20_000, 1).insert_axis(1);
    let columns = session.arange(1, 65, 1);
    (((rows * &columns) % 1009) * &columns).cast::<f32>() / 7.0
}
