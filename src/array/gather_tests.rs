//! Gathered views against ndarray, over memory, files, computed values and held results, for several grids.

use super::{linalg_tests::session, *};
use crate::{ErrorKind, IoMode};
use ndarray::{Array1, Array2, ArrayD, Axis, Ix2, IxDyn, array, concatenate, s};
use std::path::Path;

pub(super) fn numbers(rows: usize, columns: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, columns), |(a, b)| ((a * 31 + b * 7) % 101) as f32 - 50.0)
}

fn sessions() -> Vec<Session> {
    let make = |threads, block, io| session(threads, block, "64MiB", io);
    vec![make(2, 0, IoMode::Auto), make(1, 512, IoMode::Auto), make(2, 2048, IoMode::Read), make(2, 256, IoMode::Mmap)]
}

/// `make` of `data` in memory, in a file, transposed in a file, and computed, against `want`.
#[track_caller]
fn check(data: &Array2<f32>, want: &ArrayD<f32>, make: impl Fn(&Array) -> Array) {
    let folder = tempfile::tempdir().unwrap();
    let (plain, turned) = (folder.path().join("x.npy"), folder.path().join("t.npy"));
    let ses = Session::builder().memory("64MiB").build().unwrap();
    ses.from_ndarray(data.clone()).save(&plain).unwrap();
    ses.from_ndarray(data.t().to_owned()).save(&turned).unwrap();
    for ses in sessions() {
        let open = |path: &Path| ses.open(path);
        let inputs = [ses.from_ndarray(data.clone()), open(&plain), open(&turned).t(), &open(&plain) * 2.0 - open(&turned).t()];
        for (index, x) in inputs.iter().enumerate() {
            let made = make(x);
            assert_eq!(&made.eval_any().unwrap().into_ndarray::<f32, IxDyn>().unwrap(), want, "input {index}");
            // Below operators and a reduction.
            let total: f64 = (made.cast::<f64>() * 3.0).sum(..).item().unwrap();
            assert_eq!(total, want.iter().map(|&value| f64::from(value) * 3.0).sum::<f64>(), "sum, input {index}");
        }
    }
}

#[test]
fn rolls_repeats_tiles_and_lists() {
    let data = numbers(23, 11);
    let rolled = |shift: usize| concatenate![Axis(0), data.slice(s![shift.., ..]), data.slice(s![..shift, ..])].into_dyn();
    check(&data, &rolled(20), |x| x.roll(3, 0));
    check(&data, &rolled(3), |x| x.roll(-26, 0));
    check(&data, &concatenate![Axis(1), data.slice(s![.., 9..]), data.slice(s![.., ..9])].into_dyn(), |x| x.roll(2, 1));
    check(&data, &data.select(Axis(0), &[5, 0, 22, 5, 5, 6, 7]).into_dyn(), |x| x.take([5, 0, -1, 5, 5, 6, 7], 0));
    check(&data, &data.select(Axis(1), &[10, 9, 0]).into_dyn(), |x| x.take([10, -2, 0], 1));
    let places: Vec<usize> = (0..33).map(|index| index / 3).collect();
    check(&data, &data.select(Axis(1), &places).into_dyn(), |x| x.repeat(3, 1));
    let places: Vec<usize> = (0..46).map(|index| index % 23).collect();
    check(&data, &data.select(Axis(0), &places).into_dyn(), |x| x.tile(&[2, 1]));
    check(&data, &data.select(Axis(0), &places).insert_axis(Axis(0)).into_dyn(), |x| x.tile(&[1, 2, 1]));
    check(&data, &data.slice(s![..;-1, ..]).to_owned().into_dyn(), |x| x.flip(0));
    check(&data, &data.select(Axis(0), &[4, 4]).select(Axis(1), &[1, 1, 3]).into_dyn(), |x| x.take([4, 4], 0).take([1, 1, 3], 1));
    check(&data, &data.slice(s![..0, ..]).to_owned().into_dyn(), |x| x.take([], 0));
}

#[test]
fn gathered_views_of_views_and_what_must_be_held() {
    let data = numbers(12, 10);
    let rolled = concatenate![Axis(0), data.slice(s![7.., ..]), data.slice(s![..7, ..])];
    check(&data, &rolled.slice(s![1..11;3, ..;-2]).to_owned().into_dyn(), |x| x.roll(5, 0).slice(s![1..11;3, ..;-2]));
    check(&data, &rolled.t().slice(s![2.., 4]).to_owned().into_dyn(), |x| x.roll(5, 0).t().slice(s![2.., 4]));
    check(&data, &rolled.select(Axis(0), &[3, 3, 0]).into_dyn(), |x| x.roll(5, 0).take([3, 3, 0], 0));
    // No index map: the rolled array is held.
    check(&data, &rolled.clone().into_shape_with_order(120).unwrap().into_dyn(), |x| x.roll(5, 0).ravel());
    check(&data, &rolled.diag().to_owned().into_dyn(), |x| x.roll(5, 0).diagonal(0, 0, 1));
    check(&data, &(&rolled * 2.0).diag().to_owned().into_dyn(), |x| (x.roll(5, 0) * 2.0).diagonal(0, 0, 1));
    check(&data, &data.slice(s![2.., ..]).diag().to_owned().into_dyn(), |x| x.diagonal(-2, 0, 1));
    let ses = &sessions()[1];
    let index = ses.arange(0, 7, 1);
    assert_eq!((&index + 1).roll(2, 0).eval::<i64, _>().unwrap(), array![6, 7, 1, 2, 3, 4, 5]);
    // Of the sequence itself, through views, a reshape and a border.
    assert_eq!(index.roll(2, 0).eval::<i64, _>().unwrap(), array![5, 6, 0, 1, 2, 3, 4]);
    assert_eq!(index.slice(s![1..;2]).roll(1, 0).eval::<i64, _>().unwrap(), array![5, 1, 3]);
    assert_eq!(index.roll(1, 0).slice(s![..6]).reshape([2, 3]).eval::<i64, _>().unwrap(), array![[6, 0, 1], [2, 3, 4]]);
    assert_eq!(index.roll(1, 0).take([0, 0, 2], 0).sum(..).item::<i64>().unwrap(), 13);
    let x = ses.from_ndarray(data.clone());
    let centred: Array2<f32> = (x.mean(0).roll(1, 0) - x.min(1).take([3, 4], 0).insert_axis(1)).eval().unwrap();
    assert_eq!(centred.dim(), (2, 10));
    assert_eq!(centred[[1, 3]], data.mean_axis(Axis(0)).unwrap()[2] - data.row(4).iter().copied().fold(f32::MAX, f32::min));
}

#[test]
fn borders_are_numpys() {
    let data = numbers(4, 3);
    let around = |rows: &[usize], columns: &[usize]| data.select(Axis(0), rows).select(Axis(1), columns).into_dyn();
    check(&data, &around(&[0, 0, 1, 2, 3, 3, 3], &[0, 1, 2, 2]), |x| x.pad(&[(1, 2), (0, 1)], Pad::Edge));
    check(&data, &around(&[2, 1, 0, 1, 2, 3, 2, 1, 0, 1], &[1, 0, 1, 2]), |x| x.pad(&[(2, 4), (1, 0)], Pad::Reflect));
    check(&data, &around(&[1, 0, 0, 1, 2, 3, 3], &[0, 1, 2, 2]), |x| x.pad(&[(2, 1), (0, 1)], Pad::Symmetric));
    check(&data, &around(&[3, 0, 1, 2, 3, 0], &[1, 2, 0, 1, 2]), |x| x.pad(&[(1, 1), (2, 0)], Pad::Wrap));
    let mut bordered = Array2::from_elem((6, 5), 7.5f32);
    bordered.slice_mut(s![1..5, 2..]).assign(&data);
    check(&data, &bordered.into_dyn(), |x| x.pad(&[(1, 1), (2, 0)], Pad::Constant(7.5.into())));
}

#[test]
fn arrays_are_put_together() {
    let data = numbers(9, 5);
    let both = concatenate![Axis(0), data.view(), data.slice(s![2..4, ..]), data.view()];
    check(&data, &both.into_dyn(), |x| Array::concatenate([x, &x.slice(s![2..4, ..]), &x.slice(s![..0, ..]), x], 0));
    let beside = concatenate![Axis(1), data.view(), data.mapv(|value| value + 1.0).view()];
    check(&data, &beside.into_dyn(), |x| Array::concatenate([x, &(x + 1.0)], 1));
    let stacked = ndarray::stack![Axis(1), data, data.mapv(|value| value * value)];
    check(&data, &stacked.into_dyn(), |x| Array::stack([x, &x.square()], 1));
    let ses = &sessions()[0];
    let (a, b) = (ses.from_ndarray(array![1u8, 2]), ses.from_ndarray(array![-1.5f32]));
    assert_eq!(Array::concatenate([&a, &b], 0).eval::<f32, _>().unwrap(), array![1.0, 2.0, -1.5]);
    let x = ses.from_ndarray(data.clone());
    let halves = x.slice(s![..8, ..]).split(2, 0).unwrap();
    assert_eq!(halves[1].eval::<f32, Ix2>().unwrap(), data.slice(s![4..8, ..]));
    let mask = x.slice(s![.., 0]).greater(0.0);
    let kept: Array1<f32> = x.roll(1, 0).compress(&mask).slice(s![.., 1]).eval().unwrap();
    let want: Vec<f32> = (0..9).filter(|&row| data[[row, 0]] > 0.0).map(|row| data[[(row + 8) % 9, 1]]).collect();
    assert_eq!(kept.to_vec(), want);
}

#[test]
fn arrays_of_indices_pick_what_lists_pick() {
    let data = numbers(23, 11);
    let ses = &sessions()[0];
    let list = [5i64, 0, -1, 5, 5, 6, 7];
    let rows = data.select(Axis(0), &[5, 0, 22, 5, 5, 6, 7]).into_dyn();
    let indices = |x: &Array| x.session().from_ndarray(Array1::from_vec(list.to_vec()));
    check(&data, &rows, |x| x.take(indices(x), 0));
    check(&data, &rows, |x| x.take(indices(x).cast::<i8>() + 0, 0));
    let pairs = || array![[3u16, 0, 9], [1, 1, 10]];
    let want = data.select(Axis(1), &[3, 0, 9, 1, 1, 10]).to_shape((23, 2, 3)).unwrap().to_owned().into_dyn();
    check(&data, &want, |x| x.take(x.session().from_ndarray(pairs()), 1));
    check(&data, &data.slice(s![.., 4]).to_owned().into_dyn(), |x| x.take(x.session().from_ndarray(ndarray::arr0(4u64)), 1));
    // Indices that are computed from what they pick from, and that pick from what is selected.
    let order = ses.from_ndarray(data.clone()).slice(s![.., 2]).argsort(0).eval::<i64, ndarray::Ix1>().unwrap();
    let sorted: Vec<usize> = order.iter().map(|&place| place as usize).collect();
    check(&data, &data.select(Axis(0), &sorted).into_dyn(), |x| x.take(x.slice(s![.., 2]).argsort(0), 0));
    let kept: Vec<usize> = (0..23).filter(|&row| data[[row, 0]] > 0.0).collect();
    let some = data.select(Axis(0), &[kept[2], kept[kept.len() - 1]]).into_dyn();
    check(&data, &some, |x| x.compress(&x.slice(s![.., 0]).greater(0.0)).take([2, -1], 0));
    let none = ses.from_ndarray(Array1::<i64>::zeros(0));
    assert_eq!(ses.from_ndarray(data.clone()).take(none, 0).eval_any().unwrap().shape(), [0, 11]);
    // Looking at the plan reads nothing, and what it holds is in it.
    let many = ses.from_ndarray(Array1::from_iter((0..100_000i64).map(|at| at % 23)));
    let plan = ses.from_ndarray(data.clone()).take(&many, 0).explain().unwrap();
    assert!(plan.contains("100000 indices of axis 0 are read in a pass before this plan"), "{plan}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let ses = &sessions()[0];
    let x = ses.from_ndarray(numbers(4, 3));
    let said = |array: Array| array.eval_any().unwrap_err();
    assert_eq!(said(x.take([0, 4], 0)).message(), "index 4 is out of bounds for axis 0 of length 4");
    let beyond = said(x.take(ses.from_ndarray(array![[0, 1], [1, -5]]), 0));
    let text = "index -5, at place 3 of the array of indices, is out of bounds for axis 0 of length 4";
    assert_eq!((beyond.kind(), beyond.message()), (ErrorKind::Data, text));
    assert!(said(x.take(&x, 0)).message().contains("indices are integers, these are f32"));
    assert!(said(x.compress(&x.greater(0.0)).take([12], 0)).message().contains("index 12"));
    assert!(said(x.slice(s![..0, ..]).take(ses.from_ndarray(array![0]), 0)).message().contains("no elements to take"));
    assert_eq!(said(x.roll(1, 2)).kind(), ErrorKind::Usage);
    assert_eq!(said(x.pad(&[(1, 1)], Pad::Edge)).message(), "1 pairs of widths for an array of 2 dimensions");
    assert!(said(x.slice(s![..0, ..]).pad(&[(1, 1), (0, 0)], Pad::Wrap)).message().contains("is empty"));
    assert!(said(Array::concatenate([&x, &x.t()], 0)).message().contains("all axes but axis 0 must agree"));
    assert!(said(Array::concatenate([], 0)).message().contains("nothing to concatenate"));
    assert!(x.split(3, 0).unwrap_err().message().contains("3 equal parts"));
    assert!(said(x.diagonal(0, 1, 1)).message().contains("no diagonal"));
    assert!(said(x.repeat(usize::MAX, 0)).message().contains("overflow"));
    assert!(said(x.compress(&x.greater(0.0)).roll(1, 0)).message().contains("no known length"));
}
