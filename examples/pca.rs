//! Principal components of a file of samples larger than the budget: found in two reads, projected in one.
//!
//! `cargo run --release --example pca`

use ndarray::{Array2, array};
use outcore::{Destination, Job, PcaOptions, Random, Result, Save, Session, axis};

fn main() -> Result<()> {
    let session = Session::builder().memory("32MiB").build()?;
    let folder = tempfile::tempdir().map_err(|error| outcore::Error::io("create", "a temporary folder", error))?;
    let file = |name: &str| folder.path().join(name);

    // Three directions in sixteen features, and a little noise: 64 MB.
    let random = Random::new(7);
    let hidden = random.normal::<f32>([1_000_000, 3], 0.0, 1.0) * session.from_ndarray(array![4f32, 2.0, 1.0]);
    let mixing = Array2::from_shape_fn((3, 16), |(row, column)| ((row * 5 + column * 3) % 7) as f32 - 3.0);
    let noise = random.stream(1).normal::<f32>([1_000_000, 16], 0.0, 0.1);
    session.adopt(hidden.matmul(&session.from_ndarray(mixing)) + noise + 5.0).save(file("samples.npy"))?;

    let x = session.open(file("samples.npy"));
    let job = Job::new(&session).output("covariances", &x.cov_matrix(1), Destination::Memory);
    for (source, passes) in &job.run()?.report.stats.passes {
        println!("{source}: read {passes} times for the covariances");
    }
    let pca = x.pca(PcaOptions::new().components(3))?;
    println!("{} components explain {:.3} % of the variance", pca.components.nrows(), 100.0 * pca.explained_variance_ratio.sum());
    for (place, variance) in pca.explained_variance.iter().enumerate() {
        println!("  {place}: {variance:.4}");
    }
    let report = session.save_all([(&pca.whiten(&x), file("white.npy"))], Save::new())?;
    println!("white.npy: {:.0} ms, peak {} MiB", report.seconds * 1e3, report.stats.bytes_peak_held >> 20);
    let deviations = session.open(file("white.npy")).std(axis(0).ddof(1)).eval::<f32, ndarray::Ix1>()?;
    println!("deviations of the projections: {deviations:.4}");
    Ok(())
}
