//! Rows in a random order with reads in one direction, split into a set to train on and one to test with.
//!
//! `cargo run --release --example shuffle`

use outcore::{Random, Result, RowOrder, Save, Session};

fn main() -> Result<()> {
    let session = Session::builder().memory("4MiB").build()?;
    let folder = tempfile::tempdir_in(".").map_err(|error| outcore::Error::io("create", "a temporary folder", error))?;
    let file = |name: &str| folder.path().join(name);
    session.arange(0, 4_000_000, 1).reshape([100_000, 40]).astype(outcore::DType::F32).save(file("x.npy"))?;
    let x = session.open(file("x.npy"));

    let seed = Random::new(7);
    let report = x.save_split(RowOrder::Shuffled(seed), &[(0.9, file("train.npy")), (0.1, file("test.npy"))], Save::new())?;
    println!("{} bytes read, {} written", report.stats.bytes_read, report.stats.bytes_written);

    // The same rows, named by the permutation.
    let first: Vec<i64> = seed.permutation(100_000).slice(ndarray::s![..3]).eval::<i64, ndarray::Ix1>()?.to_vec();
    let train = session.open(file("train.npy"));
    for (place, row) in first.into_iter().enumerate() {
        let begins: f32 = train.slice(ndarray::s![place, 0]).item()?;
        println!("row {place} of the training set is row {row} of all: it begins with {begins}");
    }
    println!("{:?} rows to test with", session.open(file("test.npy")).shape()?[0]);
    Ok(())
}
