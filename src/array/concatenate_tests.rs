//! Computed pieces that are put one after the other: a block computes those that it has, and nobody can tell.

use super::{chunk_tests::Draw, gather_tests, linalg_tests::session, *};
use crate::IoMode;
use ndarray::{ArrayD, Axis, IxDyn};
use std::path::Path;

const ROWS: usize = 60;
const COLUMNS: usize = 22;

fn numbers() -> ArrayD<f32> {
    gather_tests::numbers(ROWS, COLUMNS).into_dyn()
}

fn sessions() -> Vec<Session> {
    let make = |threads, block, io| session(threads, block, "64MiB", io);
    vec![make(2, 0, IoMode::Auto), make(1, 512, IoMode::Auto), make(2, 1, IoMode::Read), make(2, 256, IoMode::Mmap)]
}

/// A piece of `x`, along `axis`, and something computed from it.
fn piece(x: &Array, axis: usize, (what, start, length): (usize, usize, usize)) -> Array {
    let range = start..start + length;
    let part = if axis == 0 { x.slice(ndarray::s![range, ..]) } else { x.slice(ndarray::s![.., range]) };
    match what {
        0 => part,
        1 => (&part * 0.25).exp(),
        2 => 1.0 / part,
        3 => &part - part.mean(crate::axis(0).keepdims()),
        4 => where_(part.greater(0.0), part.sqrt(), &part * 3.0),
        5 => part.cast::<i32>().cast::<f32>() + 0.5,
        _ => part.cumsum(1),
    }
}

/// The same pieces of everything that `x` may be, and each of them alone.
fn pieces(draw: &mut Draw, axis: usize) -> Vec<(usize, usize, usize)> {
    let most = if axis == 0 { ROWS } else { COLUMNS };
    let one = |draw: &mut Draw| {
        let length = draw.below(most / 2);
        (draw.below(7), draw.below(most - length), length)
    };
    (0..1 + draw.below(6)).map(|_| one(draw)).collect()
}

fn bits(array: &Array) -> ArrayD<u32> {
    array.eval_any().unwrap().into_ndarray::<f32, IxDyn>().unwrap().mapv(f32::to_bits)
}

fn report(session: &Session, array: &Array) -> RunReport {
    Job::new(session).output("y", array, Destination::Memory).run().unwrap().report
}

#[test]
fn pieces_are_what_they_are_alone() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [folder.path().join("x.npy"), folder.path().join("x.zarr"), folder.path().join("t.npy")];
    let made = Session::builder().memory("64MiB").build().unwrap();
    let x = made.from_ndarray(numbers());
    x.save(&paths[0]).unwrap();
    x.save(&paths[1]).unwrap();
    x.t().save(&paths[2]).unwrap();
    for seed in 0..12 {
        let mut draw = Draw(seed);
        let axis = draw.below(2);
        let parts = pieces(&mut draw, axis);
        let alone: Vec<_> = parts.iter().map(|part| bits(&piece(&x, axis, *part))).collect();
        let want = ndarray::concatenate(Axis(axis), &alone.iter().map(|part| part.view()).collect::<Vec<_>>()).unwrap();
        let mut said: Option<Vec<String>> = None;
        for session in sessions() {
            let open = |path: &Path| session.open(path);
            let inputs = [session.from_ndarray(numbers()), open(&paths[0]), open(&paths[1]), open(&paths[2]).t()];
            for (index, x) in inputs.iter().enumerate() {
                let parts: Vec<Array> = parts.iter().map(|part| piece(x, axis, *part)).collect();
                let together = Array::concatenate(&parts, axis as i64);
                assert_eq!(bits(&together), want, "seed {seed}, input {index}");
                let turned = together.slice(ndarray::s![..;-1, ..]).t();
                assert_eq!(bits(&turned), want.slice(ndarray::s![..;-1, ..]).t().into_dyn(), "seed {seed}, input {index}, turned");
                let warnings = report(&session, &together).warnings;
                assert_eq!(said.get_or_insert_with(|| warnings.clone()), &warnings, "seed {seed}, input {index}");
            }
        }
    }
}

#[test]
fn blocks_of_two_axes_have_one_piece_of_each() {
    for session in sessions() {
        let x = session.from_ndarray(numbers());
        let part = |what, start| piece(&x, 0, (what, start, 25));
        let beside = |a, b| Array::concatenate([&part(a, 3), &part(b, 30)], 1);
        let all = Array::concatenate([&beside(1, 2), &beside(4, 0)], 0);
        let want = |what, start| bits(&part(what, start));
        let row = |a, b| ndarray::concatenate![Axis(1), want(a, 3), want(b, 30)];
        assert_eq!(bits(&all), ndarray::concatenate![Axis(0), row(1, 2), row(4, 0)]);
        let total: f64 = all.cast::<f64>().max(..).item().unwrap();
        assert!(total.is_finite() || total == f64::INFINITY);
    }
}

/// What is not looked at is not read. Runs across a cut read both pieces, and the edges of the others.
#[test]
fn runs_read_the_pieces_that_they_have() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::builder().memory("64MiB").threads(1).io(IoMode::Read).build().unwrap();
    let parts: Vec<Array> = (0..4)
        .map(|part| {
            let path = folder.path().join(format!("{part}.npy"));
            session.from_ndarray(ndarray::Array2::from_elem((400_000, 8), part as f32)).save(&path).unwrap();
            session.open(&path).exp()
        })
        .collect();
    let total = Array::concatenate(&parts, 0).cast::<f64>().sum(..);
    let report = report(&session, &total);
    let bytes = 4 * 400_000 * 8 * 4;
    assert!((bytes..bytes * 2).contains(&report.stats.bytes_read), "{} of {bytes}", report.stats.bytes_read);
}

/// An error is one however blocks are cut: what may fail is computed everywhere.
#[test]
fn errors_do_not_depend_on_blocks() {
    for session in sessions() {
        let x = session.from_ndarray(numbers() * 1e9);
        let index = session.arange(0, ROWS as i64, 1).insert_axis(1);
        let whole = x.cast::<i32>();
        let chosen = where_(index.less(60), x.cast::<f64>(), whole.cast::<f64>());
        let error = chosen.eval_any().unwrap_err();
        assert!(error.message().contains("does not fit i32"), "{error}");
    }
}
