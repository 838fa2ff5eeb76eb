//! Images of bytes (image, row, column, channel), standardised per channel: two reads of the bytes, one write of floats.
//!
//! `cargo run --release --example images [images.npy]`

use ndarray::Array4;
use outcore::{Result, Save, Session, axis};

fn main() -> Result<()> {
    let session = Session::builder().memory("128MiB").build()?;
    let folder = tempfile::tempdir().map_err(|error| outcore::Error::io("create", "a temporary folder", error))?;
    let path = std::env::args().nth(1).map_or_else(|| folder.path().join("images.npy"), Into::into);
    if !path.exists() {
        let pixel = |(image, row, column, channel)| ((image * 37 + row * 5 + column * 3 + channel * 61) % 256) as u8;
        session.from_ndarray(Array4::from_shape_fn((64, 48, 48, 3), pixel)).save(&path)?;
    }

    let images = session.open(&path).named(["image", "row", "column", "channel"]);
    let over = ["image", "row", "column"];
    let scaled = images.cast::<f32>() / 255.0;
    let result = (&scaled - scaled.mean(axis(over))) / scaled.std(axis(over)).maximum(1e-6);

    println!("{}", session.explain([&result])?);
    let report = session.save_all([(&result, folder.path().join("standardised.npy"))], Save::new())?;
    for (source, passes) in &report.stats.passes {
        println!("{source}: read {passes} times");
    }
    println!("{} bytes read, {} written", report.stats.bytes_read, report.stats.bytes_written);
    Ok(())
}
