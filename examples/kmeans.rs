//! Clusters of the rows of a file larger than the budget: one read an iteration, and labels written as the file streams.
//!
//! `cargo run --release --example kmeans`

use ndarray::{Array2, Ix1};
use outcore::{KMeansEnd, KMeansOptions, Random, Result, Save, Session};

fn main() -> Result<()> {
    let session = Session::builder().memory("32MiB").build()?;
    let folder = tempfile::tempdir().map_err(|error| outcore::Error::io("create", "a temporary folder", error))?;
    let file = |name: &str| folder.path().join(name);

    // Rows around eight centres: 64 MB.
    let (rows, columns, centres) = (1_000_000, 16, 8);
    let random = Random::new(3);
    let middles = Array2::from_shape_fn((centres, columns), |(row, column)| ((row * 11 + column * 5) % 13) as f32);
    let which = random.integers::<i32>([rows], 0..centres as i64);
    let one_hot = which.insert_axis(1).equal(session.arange(0, centres as i64, 1).cast::<i32>()).cast::<f32>();
    let around = one_hot.matmul(&session.from_ndarray(middles)) + random.stream(1).normal::<f32>([rows, columns], 0.0, 1.0);
    session.adopt(around).save(file("rows.npy"))?;

    let x = session.open(file("rows.npy"));
    let found = x.kmeans(KMeansOptions::new(centres).seed(1))?;
    let end = if found.end == KMeansEnd::Converged { "converged" } else { "stopped" };
    println!("{end} after {} reads of the file", found.inertia.len());
    for (iteration, inertia) in found.inertia.iter().enumerate() {
        println!("  {iteration}: {inertia:.1}");
    }
    let report = session.save_all([(&found.assign(&x), file("labels.npy"))], Save::new())?;
    println!("labels.npy: {:.0} ms, peak {} MiB", report.seconds * 1e3, report.stats.bytes_peak_held >> 20);
    let sizes = session.open(file("labels.npy")).bincount(centres).eval::<i64, Ix1>()?;
    println!("sizes of the clusters: {sizes}");
    Ok(())
}
