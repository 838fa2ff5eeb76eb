//! Products of matrices of integers of 32 and 64 bits: exact whatever the grid, and an error where a result does not fit.

use super::{
    chunk_tests::Draw,
    linalg_tests::{session, sessions},
    *,
};
use crate::{DType, Element, ErrorKind, IoMode};
use ndarray::{Array2, Array3, Axis, Ix2, Ix3, array, s};

/// The products, in numbers that are wide enough.
fn products<T: Copy + Into<i128>>(left: &Array2<T>, right: &Array2<T>) -> Array2<i128> {
    Array2::from_shape_fn((left.nrows(), right.ncols()), |(i, j)| {
        left.row(i).iter().zip(right.column(j)).map(|(&a, &b)| a.into() * b.into()).sum()
    })
}

fn narrowed<T: Copy + TryFrom<i128, Error: std::fmt::Debug>>(wide: &Array2<i128>) -> Array2<T> {
    wide.mapv(|value| T::try_from(value).unwrap())
}

/// Numbers from `low` on.
fn drawn<T: Copy + TryFrom<i128, Error: std::fmt::Debug>>(draw: &mut Draw, shape: (usize, usize), low: i128, count: usize) -> Array2<T> {
    Array2::from_shape_simple_fn(shape, || T::try_from(low + draw.below(count) as i128).unwrap())
}

fn holds<T>(left: &Array2<T>, right: &Array2<T>)
where
    T: Element + Copy + Into<i128> + TryFrom<i128, Error: std::fmt::Debug> + PartialEq + std::fmt::Debug,
{
    let want: Array2<T> = narrowed(&products(left, right));
    for ses in sessions() {
        let [a, b] = [left, right].map(|side| ses.from_ndarray(side.clone()));
        assert_eq!(a.matmul(&b).eval::<T, Ix2>().unwrap(), want);
        // The same elements in another order of memory, and results whose columns lie beside each other.
        let turned = ses.from_ndarray(left.t().to_owned()).t();
        assert_eq!(turned.matmul(&b).eval::<T, Ix2>().unwrap(), want);
        assert_eq!(b.t().matmul(&a.t()).eval::<T, Ix2>().unwrap(), want.t());
    }
}

#[test]
fn small_numbers_and_long_inner_axes() {
    let mut draw = Draw(1);
    for (rows, inner, columns) in [(1, 1, 1), (3, 255, 5), (7, 257, 33), (2, 9000, 3), (40, 4097, 2)] {
        holds::<i32>(&drawn(&mut draw, (rows, inner), -100, 201), &drawn(&mut draw, (inner, columns), -100, 201));
        holds::<u32>(&drawn(&mut draw, (rows, inner), 0, 500), &drawn(&mut draw, (inner, columns), 0, 500));
        holds::<i64>(&drawn(&mut draw, (rows, inner), -70_000, 140_000), &drawn(&mut draw, (inner, columns), -70_000, 140_000));
        holds::<u64>(&drawn(&mut draw, (rows, inner), 0, 1 << 24), &drawn(&mut draw, (inner, columns), 0, 1 << 24));
    }
}

/// What is added cancels but for one product of each output, so that results fit although no other digit is 0.
#[test]
fn numbers_of_every_size_cancel_exactly() {
    let mut draw = Draw(2);
    for inner in [6, 300, 5000] {
        let pairs = inner / 2;
        macro_rules! of {
            ($t:ty) => {{
                let bits = <$t>::BITS;
                let edges = [<$t>::MIN, <$t>::MAX, <$t>::MIN + 1, -1, 0, 1 << 15, (1 << 15) - 1, -(1 << 15), 1 << 16];
                let mut any = || match draw.below(4) {
                    0 => edges[draw.below(edges.len())],
                    _ => ((draw.below(1 << 32) as u64) << 32 | draw.below(1 << 32) as u64) as $t >> draw.below(bits as usize),
                };
                let half = Array2::from_shape_simple_fn((5, pairs), &mut any);
                let left = Array2::from_shape_fn((5, inner), |(i, k)| half[(i, k / 2)]);
                let other = Array2::from_shape_simple_fn((pairs, 4), || any().max(<$t>::MIN + 1));
                let kept = 3 % pairs;
                let right = Array2::from_shape_fn((inner, 4), |(k, j)| match (k % 2, k / 2 == kept) {
                    (0, false) => other[(k / 2, j)],
                    (_, false) => -other[(k / 2, j)],
                    (even, true) => (even == 0) as $t,
                });
                holds::<$t>(&left, &right);
            }};
        }
        of!(i32);
        of!(i64);
    }
    let mut wide = || (draw.below(1 << 32) as u64) << 32 | draw.below(1 << 32) as u64;
    let left = Array2::from_shape_fn((6, 300), |(i, k)| if (i + k) % 7 == 0 { u64::MAX } else { wide() });
    let right = Array2::from_shape_fn((300, 9), |(k, j)| u64::from(k == j * 31));
    holds::<u64>(&left, &right);
    holds::<u32>(&left.mapv(|value| (value >> 32) as u32), &right.mapv(|value| value as u32));
}

#[test]
fn gram_matrices_and_files() {
    let data: Array2<i32> = drawn(&mut Draw(3), (9000, 37), -300, 601);
    let want: Array2<i32> = narrowed(&products(&data.t().to_owned(), &data));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    Session::default_session().from_ndarray(data.clone()).save(&path).unwrap();
    for ses in sessions() {
        let x = ses.open(&path);
        assert_eq!(x.gram().eval::<i32, Ix2>().unwrap(), want);
        assert_eq!(x.cast::<i64>().gram().eval::<i64, Ix2>().unwrap(), want.mapv(i64::from));
        // Short inner axes: blocks write their results themselves.
        let rows = data.slice(s![..500;-1, ..]).to_owned();
        let outer: Array2<i32> = narrowed(&products(&rows, &rows.t().to_owned()));
        let part = x.slice(s![..500;-1, ..]);
        assert_eq!(part.matmul(&part.t()).eval::<i32, Ix2>().unwrap(), outer);
    }
}

#[test]
fn batches_and_nothing() {
    let ses = session(2, 0, "64MiB", IoMode::Auto);
    let one = Array3::from_shape_fn((4, 3, 5), |(b, i, k)| (b * 100 + i * 10 + k) as i64 - 150);
    let other = Array3::from_shape_fn((4, 5, 2), |(b, k, j)| (b + k * 7 + j) as i64 - 9);
    let made = ses.from_ndarray(one.clone()).matmul(&ses.from_ndarray(other.clone())).eval::<i64, Ix3>().unwrap();
    for batch in 0..4 {
        let [one, other] = [&one, &other].map(|side| side.index_axis(Axis(0), batch).to_owned());
        assert_eq!(made.index_axis(Axis(0), batch), narrowed::<i64>(&products(&one, &other)));
    }
    let [tall, wide] = [(3, 0), (0, 2)].map(|shape| ses.from_ndarray(Array2::<u32>::zeros(shape)));
    assert_eq!(tall.matmul(&wide).eval::<u32, Ix2>().unwrap(), Array2::<u32>::zeros((3, 2)));
    assert_eq!(wide.t().matmul(&tall.t()).dtype().unwrap(), DType::U32);
}

#[test]
fn what_does_not_fit_is_an_error() {
    fn refused<T: Element>(one: Array, other: Array) -> crate::Error {
        one.matmul(&other).eval::<T, Ix2>().map(|_| ()).unwrap_err()
    }
    let ses = session(2, 0, "64MiB", IoMode::Auto);
    let column = |value: i32, count: usize| ses.from_ndarray(Array2::from_elem((count, 1), value));
    let error = refused::<i32>(ses.from_ndarray(array![[1 << 16, 0]]), column(1 << 15, 2));
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("the sum 2147483648 is outside of i32"), "{error}");
    // Long inner axes go another way.
    let error = refused::<i32>(column(1 << 20, 5000).t(), column(1 << 20, 5000));
    assert!(error.to_string().contains("the sum 5497558138880000 is outside of i32"), "{error}");
    let least = |count| ses.from_ndarray(Array2::from_elem((count, 1), i64::MIN));
    for count in [1, 2, 5000] {
        let error = refused::<i64>(least(count).t(), least(count));
        assert!(error.to_string().contains("is outside of i64"), "{error}");
    }
    let most = ses.from_ndarray(array![[u64::MAX, 1]]);
    let error = refused::<u64>(most, ses.from_ndarray(array![[1u64], [1]]));
    assert!(error.to_string().contains("the sum 18446744073709551616 is outside of u64"), "{error}");
}
