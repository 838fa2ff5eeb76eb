//! Kernels without a disk: compiled plans over arrays that stay in the second-level cache.
//!
//! `cargo bench --bench kernels`. Throughput counts the bytes of the array once.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use outcore::{Array, Session, SumMode, axis};

const ROWS: usize = 512;
const COLUMNS: usize = 128;

fn programs(x: &Array) -> Vec<(&'static str, Array)> {
    let naive = |array: &Array| array.sum(axis([0, 1]).sum(SumMode::Naive));
    vec![
        ("sum naive", naive(x)),
        ("sum neumaier", x.sum(axis([0, 1]).sum(SumMode::Neumaier))),
        ("sum exact", x.sum(axis([0, 1]))),
        ("x*x, sum", naive(&(x * x))),
        ("x+1, sum", naive(&(x + 1.0))),
        ("sqrt, sum", naive(&x.sqrt())),
        ("sqrt(x*x+1), sum", naive(&(x * x + 1.0).sqrt())),
        ("exp, sum", naive(&x.exp())),
        ("max", x.max(axis([0, 1]))),
        ("mean axis 0", x.mean(axis(0).sum(SumMode::Neumaier))),
        ("std axis 0", x.std(axis(0).sum(SumMode::Neumaier))),
        ("std axis 0 exact", x.std(axis(0))),
        ("sum axis 1", x.sum(axis(1).sum(SumMode::Neumaier))),
        ("x*2", x * 2.0),
    ]
}

fn kernels(criterion: &mut Criterion) {
    let session = Session::builder().threads(1).build().unwrap();
    let values: Vec<f32> = (0..ROWS * COLUMNS).map(|index| (index as f32 * 0.37).sin()).collect();
    let x = session.from_ndarray(outcore::ndarray::Array2::from_shape_vec((ROWS, COLUMNS), values).unwrap());
    let mut group = criterion.benchmark_group("f32 512x128");
    group.throughput(Throughput::Bytes((ROWS * COLUMNS * 4) as u64)).sample_size(20);
    group.warm_up_time(std::time::Duration::from_millis(200)).measurement_time(std::time::Duration::from_millis(600));
    for (name, array) in programs(&x) {
        let plan = session.compile([&array]).unwrap();
        group.bench_function(name, |bencher| bencher.iter(|| plan.run_all(&[]).unwrap()));
    }
    group.finish();
}

/// What a run of a compiled plan costs: a sum over 1,000 elements.
fn overhead(criterion: &mut Criterion) {
    let session = Session::builder().threads(1).build().unwrap();
    let x = session.from_ndarray(outcore::ndarray::Array1::from_elem(1000, 1.5f32));
    let plan = session.compile([&(&x * 2.0 + 1.0)]).unwrap();
    criterion.bench_function("compiled, 1,000 elements", |bencher| bencher.iter(|| plan.run_all(&[]).unwrap()));
}

criterion_group!(benches, kernels, overhead);
criterion_main!(benches);
