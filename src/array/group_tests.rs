//! Groups, tables, histograms and sketches for several grids; what they refuse, and how they say it.

use super::{linalg_tests::session, *};
use crate::{DType, ErrorKind, IoMode};
use ndarray::{Array1, Array2, ArrayD, Ix1, IxDyn, array};

fn sessions() -> Vec<Session> {
    let make = |threads, block| session(threads, block, "64MiB", IoMode::Auto);
    vec![make(2, 0), make(1, 512), make(2, 96), make(2, 4096)]
}

fn isas() -> Vec<Session> {
    let make = |isa| Session::builder().memory("64MiB").threads(1).isa(isa).build().unwrap();
    Isa::available().into_iter().map(make).collect()
}

fn values(rows: usize, columns: usize) -> Array2<f64> {
    Array2::from_shape_fn((rows, columns), |(a, b)| ((a * 31 + b * 7) % 101) as f64 * [1e-9, 1.0, 1e12][(a + b) % 3] - 50.0)
}

fn floats(made: &Array) -> ArrayD<f64> {
    made.eval::<f64, IxDyn>().unwrap()
}

#[test]
fn groups_do_not_depend_on_the_grid() {
    let (x, labels) = (values(57, 23), Array1::from_shape_fn(57, |at| (at / 9 * 5 % 7) as i64));
    let columns = Array1::from_shape_fn(23, |at| (at % 4) as u8);
    let both = Array2::from_shape_fn((57, 23), |(a, b)| ((a * b) % 9) as i16);
    let mut first: Option<Vec<ArrayD<f64>>> = None;
    for session in sessions().into_iter().chain(isas()) {
        let x = session.from_ndarray(x.clone());
        let (rows, columns) = (session.from_ndarray(labels.clone()), session.from_ndarray(columns.clone()));
        let both = session.from_ndarray(both.clone());
        let mut got = vec![floats(&(&x * 2.0).group_by(&both, 9).sum(..)), floats(&x.group_by(&both, 9).std(axis(1).ddof(1)))];
        for (labels, groups, axis) in [(&rows, 7, 0), (&columns, 4, 1), (&both, 9, 0)] {
            let by = x.group_by(labels, groups);
            got.extend([by.sum(axis), by.mean(axis), by.var(axis), by.min(axis), by.max(axis)].iter().map(floats));
            got.push(floats(&by.count(axis).cast::<f64>()));
        }
        assert_eq!(got[2].shape(), [7, 23]);
        assert_eq!(got[8].shape(), [57, 4]);
        let same = |a: &ArrayD<f64>, b: &ArrayD<f64>| a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits());
        match &first {
            Some(first) => assert!(first.iter().zip(&got).all(|(a, b)| same(a, b))),
            None => first = Some(got),
        }
    }
}

#[test]
fn groups_share_a_pass_with_what_reads_the_same() {
    let session = Session::builder().memory("64MiB").threads(1).build().unwrap();
    let x = session.from_ndarray(values(40, 8));
    let labels = session.from_ndarray(Array1::from_shape_fn(40, |at| at as i64 % 3));
    let by = x.group_by(&labels, 3);
    let text = session.explain([&by.mean(0), &by.std(0), &x.sum(0)]).unwrap();
    assert!(text.contains("1 stage") && text.contains("f64 (40, 8), 1 pass"), "{text}");
}

#[test]
fn the_first_label_outside_is_named() {
    for session in sessions() {
        let x = session.from_ndarray(values(40, 30));
        let mut labels = Array2::from_shape_fn((40, 30), |(a, b)| (a + b) as i64 % 5);
        labels[(33, 2)] = -1;
        labels[(17, 29)] = 5;
        labels[(18, 0)] = 900;
        let labels = session.from_ndarray(labels);
        let error = x.group_by(&labels, 5).sum(..).eval::<f64, IxDyn>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.to_string().contains("label 5 at index (17, 29) is none of 5 groups"), "{error}");
        let counts = x.group_by(&labels, 5).skip_others().count(..).eval::<i64, Ix1>().unwrap();
        assert_eq!(counts.sum(), 1197);
        let error = session.from_ndarray(array![3_i8, -2]).bincount_all(None, 0).eval::<i64, Ix1>().unwrap_err();
        assert!(error.to_string().contains("label -2 at index (1)") || error.to_string().contains("label -2 at index (1,)"), "{error}");
    }
}

#[test]
fn states_that_do_not_fit_are_refused_with_their_groups() {
    let session = Session::builder().memory("16MiB").threads(1).build().unwrap();
    let x = session.from_ndarray(values(40, 8));
    let labels = session.from_ndarray(Array1::from_shape_fn(40, |at| at as i64));
    let error = x.group_by(&labels, 100_000).sum(0).eval::<f64, IxDyn>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("states of 100000 groups"), "{error}");
    assert!(x.group_by(&labels, usize::MAX).sum(0).error().is_some());
    let error = labels.group_by(&labels, 9).max(..).eval::<i64, IxDyn>().unwrap_err();
    assert!(error.to_string().contains("label 9"), "{error}");
}

#[test]
fn groups_that_make_no_sense_are_errors() {
    let session = Session::default_session();
    let x = session.from_ndarray(values(4, 3));
    let labels = session.from_ndarray(array![0, 1, 0]);
    for (made, words) in [
        (x.group_by(&labels, 2).sum(0), "labels of shape (3,)"),
        (x.group_by(&labels, 2).sum(..), "labels of shape (3,)"),
        (x.group_by(&labels.cast::<f32>(), 2).sum(1), "labels are integers"),
        (x.group_by(&labels, 2).sum(axis(1).keepdims()), "keepdims"),
        (x.histogram(0).counts(), "one bin"),
        (x.histogram(4).range(1.0, f64::NAN).counts(), "not finite"),
        (x.histogram(4).range(2.0, 1.0).counts(), "before it begins"),
        (x.histogram(vec![1.0]).counts(), "one edge makes no bin"),
        (x.histogram(vec![1.0, 3.0, 2.0]).counts(), "falls at index 2"),
        (x.histogram(4).weights(&labels).counts(), "weights of shape"),
        (x.places_in([2.0, 1.0], Side::Left), "falls at index 1"),
        (x.places_in(&x, Side::Left), "one axis"),
        (x.approx_quantile(1.5, ..), "between 0 and 1"),
    ] {
        let error = made.error().unwrap_or_else(|| panic!("{words}"));
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn histograms_of_data_without_a_range_say_so() {
    for session in sessions() {
        let x = session.from_ndarray(array![1.0, f64::NAN, 3.0]);
        let error = x.histogram(4).counts().eval::<i64, Ix1>().unwrap_err();
        assert!(error.to_string().contains("is not a number") && error.kind() == ErrorKind::Data, "{error}");
        assert_eq!(x.histogram(2).range(0.0, 4.0).counts().eval::<i64, Ix1>().unwrap(), array![1, 1]);
        let kept = x.compress(&x.not_equal(3.0));
        assert_eq!(kept.histogram(vec![0.0, 1.0, 2.0]).counts().eval::<i64, Ix1>().unwrap(), array![0, 1]);
        let finite = x.compress(&x.less(9.0));
        assert_eq!(finite.histogram(2).counts().eval::<i64, Ix1>().unwrap(), array![1, 1]);
        assert_eq!(finite.histogram(2).edges().eval::<f64, Ix1>().unwrap(), array![1.0, 2.0, 3.0]);
    }
}

#[test]
fn tables_and_lengths_are_computed_before() {
    for session in sessions() {
        let x = session.from_ndarray(Array1::from_shape_fn(1000, |at| ((at * 37) % 256) as u8));
        let table = session.arange(0, 256, 50);
        let places = x.places_in(&table * 1, Side::Right);
        let want = Array1::from_shape_fn(1000, |at| ((at * 37) % 256 / 50) as i64 + 1);
        assert_eq!(places.eval::<i64, Ix1>().unwrap(), want);
        let counts = places.bincount_all(None, 0);
        assert_eq!(counts.eval::<i64, Ix1>().unwrap().len(), 7);
        let text = session.explain([&counts]).unwrap();
        assert!(text.contains("computed in a pass before this plan"), "{text}");
        let falling = session.from_ndarray(array![3.0, 2.0]);
        let error = x.places_in(&falling, Side::Left).eval::<i64, Ix1>().unwrap_err();
        assert!(error.to_string().contains("falls at index 1"), "{error}");
    }
}

#[test]
fn answers_that_are_about_right_do_not_depend_on_the_grid() {
    let mut first = None;
    for session in sessions().into_iter().chain(isas()) {
        let x = session.from_ndarray(values(60, 20));
        let got = (
            x.approx_distinct(..).item::<i64>().unwrap(),
            x.approx_distinct(0).eval::<i64, Ix1>().unwrap(),
            [0.1, 0.5, 1.0].map(|q| x.approx_quantile(q, ..).item::<f64>().unwrap()),
            session.from_ndarray(values(5, 240)).approx_quantile(0.5, 1).eval::<f64, Ix1>().unwrap(),
        );
        let different: std::collections::HashSet<u64> = values(60, 20).iter().map(|value| value.to_bits()).collect();
        assert!((got.0 - different.len() as i64).abs() < 10, "{} of {}", got.0, different.len());
        assert_eq!(*first.get_or_insert_with(|| got.clone()), got);
    }
    assert_eq!(Session::default_session().imagine(DType::I32, [3]).approx_quantile(0.5, ..).dtype().unwrap(), DType::F64);
}
