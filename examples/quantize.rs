//! Embeddings as bytes with a scale a row, and as bits, in one job; and how far the bytes are off.
//!
//! `cargo run --release --example quantize`

use outcore::{Int8, Random, Result, Save, ScaleOf, Session};

fn main() -> Result<()> {
    let session = Session::builder().memory("128MiB").build()?;
    let folder = tempfile::tempdir().map_err(|error| outcore::Error::io("create", "a temporary folder", error))?;
    let file = |name: &str| folder.path().join(name);
    session.adopt(Random::new(1).normal::<f32>([20_000, 256], 0.0, 1.0)).save(file("x.npy"))?;
    let x = session.open(file("x.npy"));

    let quantised = x.quantize_int8(Int8::per(ScaleOf::Row));
    let bits = x.pack_bits();
    let outputs = [(&quantised.codes, file("codes.npy")), (&quantised.scales, file("scales.npy")), (&bits, file("bits.npy"))];
    let report = session.save_all(outputs, Save::new())?;
    println!("{} bytes read, {} written, {:?} passes", report.stats.bytes_read, report.stats.bytes_written, report.stats.passes[0].1);

    let back = session.open(file("codes.npy")).dequantize(&session.open(file("scales.npy")));
    let off: f32 = (&x - &back).abs().max(..).item()?;
    let largest: f32 = session.open(file("scales.npy")).max(..).item()?;
    println!("largest error: {off:.5}, half of the largest scale is {:.5}", largest / 2.0);
    Ok(())
}
