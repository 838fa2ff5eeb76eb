//! Prices (asset, time, feature) and volumes: means and deviations over time, all in one read of each file.
//!
//! `cargo run --release --example prices`

use ndarray::Array3;
use outcore::{Result, Save, Session, axis};

fn main() -> Result<()> {
    let session = Session::builder().memory("128MiB").build()?;
    let folder = tempfile::tempdir().map_err(|error| outcore::Error::io("create", "a temporary folder", error))?;
    let file = |name: &str| folder.path().join(name);
    let shape = (50, 2_000, 4);
    let price = Array3::from_shape_fn(shape, |(asset, time, feature)| 100.0 + asset as f64 + ((time * 7 + feature * 3) % 23) as f64 * 0.25);
    let volume = Array3::from_shape_fn(shape, |(asset, time, feature)| (1_000 + asset * 10 + (time * 13 + feature) % 97) as i32);
    session.from_ndarray(price).save(file("price.npy"))?;
    session.from_ndarray(volume).save(file("volume.npy"))?;

    let names = ["asset", "time", "feature"];
    let price = session.open(file("price.npy")).named(names).expect::<f64, 3>([None, None, Some(4)])?;
    let volume = session.open(file("volume.npy")).named(names);
    let outputs = [
        (price.mean("time"), "price_mean.npy"),
        (price.std(axis("time").ddof(1)), "price_std.npy"),
        (volume.mean("time"), "volume_mean.npy"),
        (volume.std(axis("time").ddof(1)), "volume_std.npy"),
    ];

    println!("{}", session.explain(outputs.iter().map(|(array, _)| array))?);
    let report = session.save_all(outputs.iter().map(|(array, name)| (array, file(name))), Save::new())?;
    for (source, passes) in &report.stats.passes {
        println!("{source}: read {passes} times");
    }
    let first: f64 = session.open(file("price_mean.npy")).slice(ndarray::s![0, 0]).item()?;
    println!("mean of the first asset's first feature: {first:.4}");
    Ok(())
}
