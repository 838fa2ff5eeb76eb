//! Products of matrices: the order of their sums, whatever the grid, and NumPy's meaning of every form.

use super::*;
use crate::{DType, ErrorKind, IoMode};
use ndarray::{Array1, Array2, Array3, Axis, Ix0, Ix1, Ix2, Ix3, array};

pub(super) fn numbers(rows: usize, columns: usize, seed: u64) -> Array2<f32> {
    let mut state = seed | 1;
    Array2::from_shape_simple_fn((rows, columns), || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    })
}

/// A session of so many threads, with blocks of so many bytes, or (0) of those that it chooses.
pub(super) fn session(threads: usize, block: u64, memory: &str, io: IoMode) -> Session {
    let builder = Session::builder().memory(memory).threads(threads).io(io);
    let builder = if block > 0 { builder.block_bytes(block) } else { builder };
    builder.build().unwrap()
}

pub(super) fn sessions() -> Vec<Session> {
    vec![
        session(2, 0, "256MiB", IoMode::Auto),
        session(1, 512, "64MiB", IoMode::Auto),
        session(3, 20_000, "64MiB", IoMode::Read),
        session(2, 0, "24MiB", IoMode::Mmap),
    ]
}

/// What the contract says: chains of 256, added in order within groups of 4096, which are added exactly (nearly so, here).
fn contract(left: &Array2<f32>, right: &Array2<f32>) -> Array2<f32> {
    Array2::from_shape_fn((left.nrows(), right.ncols()), |(i, j)| {
        let mut total = 0.0;
        for group in (0..left.ncols()).step_by(4096) {
            let mut sum = 0.0;
            for segment in (group..(group + 4096).min(left.ncols())).step_by(256) {
                let places = segment..(segment + 256).min(left.ncols()).min(group + 4096);
                sum += f64::from(places.fold(0f32, |chain, k| left[(i, k)].mul_add(right[(k, j)], chain)));
            }
            total += sum;
        }
        total as f32
    })
}

#[test]
fn gram_matrices_have_the_same_bits_on_every_grid() {
    let data = numbers(13_000, 21, 3);
    let want = contract(&data.t().to_owned(), &data);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    Session::default_session().from_ndarray(data.clone()).save(&path).unwrap();
    for ses in sessions() {
        for x in [ses.open(&path), ses.from_ndarray(data.clone()), ses.from_ndarray(data.t().to_owned()).t()] {
            assert_eq!(x.gram().eval::<f32, Ix2>().unwrap(), want);
            assert_eq!(x.t().matmul(&x).eval::<f32, Ix2>().unwrap(), want);
            // Two sides that only look different, and a formula in both.
            let doubled = (&x * 2.0).gram().eval::<f32, Ix2>().unwrap();
            assert_eq!(doubled, want.mapv(|sum| sum * 4.0));
            let apart = x.t().matmul(&(&x * 2.0)).eval::<f32, Ix2>().unwrap();
            assert_eq!(apart, want.mapv(|sum| sum * 2.0));
        }
    }
}

#[test]
fn rows_by_a_small_matrix_stream_to_a_file() {
    let (data, weights) = (numbers(5000, 70, 1), numbers(70, 9, 2));
    let want = contract(&data, &weights);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    Session::default_session().from_ndarray(data.clone()).save(&path).unwrap();
    for (at, ses) in sessions().into_iter().enumerate() {
        let (x, w) = (ses.open(&path), ses.from_ndarray(weights.clone()));
        let to = folder.path().join(format!("y{at}.npy"));
        x.matmul(&w).save(&to).unwrap();
        assert_eq!(ses.open(&to).eval::<f32, Ix2>().unwrap(), want);
        // The other way around, and with something done to the result.
        assert_eq!(w.t().matmul(&x.t()).eval::<f32, Ix2>().unwrap(), want.t());
        let activated = (x.matmul(&w) + 1.0).maximum(0.0).eval::<f32, Ix2>().unwrap();
        assert_eq!(activated, want.mapv(|sum| (sum + 1.0).max(0.0)));
        assert_eq!(x.matmul(&w).sum(0).eval::<f64, Ix1>().ok(), None, "f32 sums are f32");
        let sums: Array1<f32> = x.matmul(&w).sum(0).eval().unwrap();
        assert_eq!(sums, want.mapv(f64::from).sum_axis(Axis(0)).mapv(|sum| sum as f32));
    }
}

#[test]
fn large_by_large_with_long_inner_axes() {
    let (left, right) = (numbers(150, 4500, 5), numbers(4500, 130, 6));
    let want = contract(&left, &right);
    for ses in sessions() {
        let [l, r] = [&left, &right].map(|side| ses.from_ndarray(side.clone()));
        assert_eq!(l.matmul(&r).eval::<f32, Ix2>().unwrap(), want);
    }
}

#[test]
fn stacks_broadcast() {
    let ses = &sessions()[1];
    let stack = Array3::from_shape_fn((4, 3, 5), |(a, b, c)| (a * 15 + b * 5 + c) as f64);
    let matrix = Array2::from_shape_fn((5, 2), |(a, b)| (a * 2 + b) as f64);
    let [s, m] = [ses.from_ndarray(stack.clone()), ses.from_ndarray(matrix.clone())];
    let got: Array3<f64> = s.matmul(&m).eval().unwrap();
    for (part, own) in got.outer_iter().zip(stack.outer_iter()) {
        assert_eq!(part, own.dot(&matrix));
    }
    let wide: Array3<f64> = m.t().matmul(&s.swap_axes(1, 2)).eval().unwrap();
    assert_eq!(wide, got.permuted_axes([0, 2, 1]));
    let vectors: Array2<f64> = s.matmul(&ses.from_ndarray(Array1::<f64>::ones(5))).eval().unwrap();
    assert_eq!(vectors, stack.sum_axis(Axis(2)));
    let left: Array2<f64> = ses.from_ndarray(Array1::<f64>::ones(3)).matmul(&s).eval().unwrap();
    assert_eq!(left, stack.sum_axis(Axis(1)));
}

#[test]
fn contractions_are_numpys() {
    let ses = &sessions()[2];
    let x = Array3::from_shape_fn((2, 3, 4), |(a, b, c)| (a * 12 + b * 4 + c) as f64);
    let y = Array3::from_shape_fn((4, 3, 5), |(a, b, c)| (a * 15 + b * 5 + c) as f64 - 20.0);
    let [p, q] = [ses.from_ndarray(x.clone()), ses.from_ndarray(y.clone())];
    let want =
        Array2::from_shape_fn((2, 5), |(a, e)| (0..3).map(|b| (0..4).map(|c| x[(a, b, c)] * y[(c, b, e)]).sum::<f64>()).sum::<f64>());
    assert_eq!(p.tensordot(&q, &[1, 2], &[1, 0]).eval::<f64, Ix2>().unwrap(), want);
    assert_eq!(Array::einsum("abc,cbe->ae", [&p, &q]).eval::<f64, Ix2>().unwrap(), want);
    assert_eq!(Array::einsum("abc,cbe->ea", [&p, &q]).eval::<f64, Ix2>().unwrap(), want.t());
    assert_eq!(Array::einsum("abc,cbe", [&p, &q]).eval::<f64, Ix2>().unwrap(), want);
    let batched = Array3::from_shape_fn((3, 2, 5), |(b, a, e)| (0..4).map(|c| x[(a, b, c)] * y[(c, b, e)]).sum::<f64>());
    assert_eq!(Array::einsum("abc,cbe->bae", [&p, &q]).eval::<f64, Ix3>().unwrap(), batched);
    // A letter of one side alone is summed over; no letter is left.
    let total = Array::einsum("abc,cbe->", [&p, &q]).eval::<f64, Ix0>().unwrap().into_scalar();
    assert_eq!(total, want.sum());
    assert_eq!(Array::einsum("abc->ca", [&p]).eval::<f64, Ix2>().unwrap(), x.sum_axis(Axis(1)).t());
    assert_eq!(Array::einsum("...c,...c->...", [&p, &p]).eval::<f64, Ix2>().unwrap(), (&x * &x).sum_axis(Axis(2)));
    let square = ses.from_ndarray(array![[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!(Array::einsum("ii->i", [&square]).eval::<f64, Ix1>().unwrap(), array![1.0, 4.0]);
    assert_eq!(square.inner(&square).eval::<f64, Ix2>().unwrap(), array![[5.0, 11.0], [11.0, 25.0]]);
    assert_eq!(square.outer(&ses.from_ndarray(array![1.0, 10.0])).shape().unwrap(), [4, 2]);
    assert_eq!(square.dot(&square).eval::<f64, Ix2>().unwrap(), array![[7.0, 10.0], [15.0, 22.0]]);
}

#[test]
fn dtypes_are_numpys_and_integers_are_exact() {
    let ses = &sessions()[1];
    let bytes = ses.from_ndarray(array![[100i8, 27], [-128, 5]]);
    assert_eq!(bytes.matmul(&bytes).dtype().unwrap(), DType::I8);
    assert_eq!(bytes.matmul(&bytes).eval_any().unwrap_err().kind(), ErrorKind::Data, "outside i8");
    let wide = bytes.cast::<i64>();
    assert_eq!(wide.matmul(&wide).eval::<i64, Ix2>().unwrap(), array![[6544, 2835], [-13440, -3431]]);
    let small = ses.from_ndarray(array![[1i8, 2], [3, 4]]);
    assert_eq!(small.matmul(&small).eval::<i8, Ix2>().unwrap(), array![[7, 10], [15, 22]]);
    let large = ses.from_ndarray(array![[1i64 << 53, 1], [1, 1]]);
    assert_eq!(large.matmul(&ses.from_ndarray(array![[1i64], [1]])).eval::<i64, Ix2>().unwrap(), array![[(1 << 53) + 1], [2]]);
    let truths = ses.from_ndarray(array![[true, false], [false, false]]);
    assert_eq!(truths.matmul(&truths).eval::<bool, Ix2>().unwrap(), array![[true, false], [false, false]]);
    let half = ses.from_ndarray(array![[1.5f32, 2.0], [3.0, 4.0]]).astype(DType::F16);
    assert_eq!(half.matmul(&half).dtype().unwrap(), DType::F16);
    assert_eq!(half.matmul(&half).cast::<f32>().eval::<f32, Ix2>().unwrap(), array![[8.25, 11.0], [16.5, 22.0]]);
    assert_eq!(half.matmul(&half.cast::<f64>()).dtype().unwrap(), DType::F64);
}

#[test]
fn nothing_and_one_place() {
    let ses = &sessions()[0];
    let empty = |rows, columns| ses.from_ndarray(Array2::<f32>::zeros((rows, columns)));
    assert_eq!(empty(3, 0).matmul(&empty(0, 2)).eval::<f32, Ix2>().unwrap(), Array2::<f32>::zeros((3, 2)));
    assert_eq!(empty(0, 3).matmul(&empty(3, 2)).shape().unwrap(), [0, 2]);
    assert_eq!(empty(0, 3).matmul(&empty(3, 2)).eval::<f32, Ix2>().unwrap().len(), 0);
    let one = ses.from_ndarray(array![[-0.0f32]]);
    assert_eq!(one.matmul(&ses.from_ndarray(array![[5f32]])).eval::<f32, Ix2>().unwrap(), array![[0.0]]);
    let special = ses.from_ndarray(array![[f32::INFINITY, f32::NAN], [1.0, f32::NEG_INFINITY]]);
    let got = special.matmul(&ses.from_ndarray(array![[1f32], [0.0]])).eval::<f32, Ix2>().unwrap();
    assert!(got[(0, 0)].is_nan() && got[(1, 0)].is_nan());
}

#[test]
fn what_does_not_fit_is_said() {
    let ses = &sessions()[0];
    let [x, y] = [ses.from_ndarray(numbers(3, 4, 1)), ses.from_ndarray(numbers(3, 4, 2))];
    let message = |array: &Array| array.error().map(|error| error.message().to_string()).unwrap_or_default();
    assert!(
        message(&x.matmul(&y)).contains("axis 1 of the left side has 4 places, axis 0 of the right side 3"),
        "{}",
        message(&x.matmul(&y))
    );
    assert!(message(&Array::einsum("ij,jk->ik", [&x, &y])).contains("axes of 4 and 3 places do not meet"));
    assert!(message(&Array::einsum("ij->q", [&x])).contains("no operand has `q`"));
    assert!(message(&Array::einsum("ijk->i", [&x])).contains("3 letters"));
    assert!(message(&x.insert_axis(0).dot(&y)).contains("3 and 2 axes"));
    assert!(message(&x.tensordot(&y, &[0, 0], &[0, 1])).contains("twice"));
    assert!(message(&x.matmul(&Array::scalar(2.0))).contains("single number"));
    let picked = x.compress(&x.greater(0.0)).reshape([-1, 1]);
    assert!(!message(&picked.matmul(&y)).is_empty());
}
