//! A function of one's own on blocks: a softmax over whole rows.
//!
//! `cargo run --release --example custom_block`

use ndarray::Array2;
use outcore::{Array, MapSpec, Result, Session};

fn main() -> Result<()> {
    let session = Session::builder().memory("64MiB").build()?;
    let scores = Array2::from_shape_fn((10_000, 32), |(row, column)| ((row * 7 + column * column) % 19) as f32);
    let x = session.from_ndarray(scores).named(["row", "class"]);

    let probabilities = softmax(&x);
    let sums = probabilities.sum("class");
    let (least, most): (f32, f32) = (sums.min(..).item()?, sums.max(..).item()?);
    println!("rows sum to {least} .. {most}");
    let surest: f32 = probabilities.max(..).item()?;
    println!("largest probability: {surest:.6}");
    Ok(())
}

/// Softmax over the axis `class`, which every block has whole.
fn softmax(x: &Array) -> Array {
    x.map_blocks::<f32, f32>(MapSpec::named("softmax/1").whole("class"), |block, mut out| {
        for (from, mut to) in block.outer_iter().zip(out.outer_iter_mut()) {
            let highest = from.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            to.zip_mut_with(&from, |to, from| *to = (from - highest).exp());
            let total = to.sum();
            to.mapv_inplace(|value| value / total);
        }
        Ok(())
    })
}
