//! What is wrong with a file of embeddings, in one read of it.
//!
//! `cargo run --release --example audit [embeddings.npy]`

use outcore::{AuditSpec, Random, Result, Session};

fn main() -> Result<()> {
    let session = Session::builder().memory("128MiB").build()?;
    let x = match std::env::args().nth(1) {
        Some(path) => session.open(path),
        // Ten thousand random rows, the last hundred of them a second time, and one that is cut to zeros.
        None => {
            let rows = session.adopt(Random::new(1).normal::<f32>([10_000, 64], 0.0, 0.125));
            let last = rows.slice(ndarray::s![9_900.., ..]);
            outcore::Array::concatenate(&[rows, &last * 1.0, &last.slice(ndarray::s![..1, ..]) * 0.0], 0)
        }
    };

    let audit = x.audit(&AuditSpec::new().columns())?;
    println!("{} rows of {}, {} bytes read", audit.rows, audit.width, audit.report.stats.bytes_read);
    println!("{} rows with nan, {} of zeros, first {:?}", audit.nan_rows.count, audit.zero_rows.count, audit.zero_rows.first);
    if let Some(found) = &audit.duplicates {
        println!("{} rows equal an earlier one, as row {:?}", found.rows, found.first.first().map(|(row, _)| row));
    }
    for (share, norm) in &audit.norms.quantiles {
        println!("norm at {:>2.0} %: {norm:.4}", share * 100.0);
    }
    Ok(())
}
