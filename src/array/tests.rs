//! Metadata, deferred errors, weak scalars, long chains.

use super::*;
use crate::{DType, ErrorKind, nd::Scalar};
use ndarray::{Array2, array, s};

fn session() -> Session {
    Session::builder().memory("64MiB").threads(2).build().unwrap()
}

fn zeros(dtype: DType, shape: &[usize]) -> Array {
    session().adopt(Array::full(shape, Scalar::Int(0), dtype))
}

#[test]
fn literals_are_weak() {
    let x = zeros(DType::F32, &[3]);
    let i = zeros(DType::I8, &[3]);
    let b = zeros(DType::Bool, &[3]);
    let cases = [
        (&x + 1, DType::F32),
        (1.0 - &x, DType::F32),
        (&i + 1, DType::I8),
        (&i + 1.5, DType::F64),
        (&i / 2, DType::F64),
        (&i / &i, DType::F64),
        (&b + 1, DType::I64),
        (&b & true, DType::Bool),
        (i.less(300), DType::Bool),
        (&i / 300, DType::F64),
        (i.logical_or(300), DType::Bool),
        (i.clip(-1000, 1000), DType::I8),
        (i.power(2), DType::I8),
        (i.power(2.0), DType::F64),
        (x.power(0.5), DType::F32),
        (where_(&b, 1, &x), DType::F32),
        (where_(&b, 1, 2.0), DType::F64),
        (x.logical_and(&i), DType::Bool),
        (&x + &i, DType::F32),
        (&x + zeros(DType::I32, &[]), DType::F64),
        (Array::scalar(2) * &x, DType::F32),
        (Array::scalar(2) * Array::scalar(2.5), DType::F64),
        (x.maximum(1e-12), DType::F32),
        (x.sum(..), DType::F32),
        (i.sum(..), DType::I64),
        (i.mean(0), DType::F64),
        (x.mean(axis(0).dtype(DType::F64)), DType::F64),
        (x.isnan().count_nonzero(..), DType::I64),
    ];
    for (index, (array, dtype)) in cases.iter().enumerate() {
        assert_eq!(array.dtype().unwrap(), *dtype, "case {index}");
    }
}

#[test]
fn errors_are_deferred_and_point_into_the_program() {
    let (x, t) = (zeros(DType::F32, &[100, 24]), zeros(DType::F32, &[100]));
    let line = line!() + 1;
    let broken = &x - &t;
    let error = broken.error().unwrap();
    assert_eq!((error.kind(), error.location().unwrap().line()), (ErrorKind::Mismatch, line));
    assert!(error.location().unwrap().file().ends_with("tests.rs"), "{error}");
    // The left operand's first error stays.
    let later = (broken.sqrt() + zeros(DType::I8, &[2]).power(-1)).sum(axis(7));
    assert_eq!(later.error().unwrap().location(), error.location());
    let i = zeros(DType::U8, &[2]);
    for (array, text) in [
        (i.power(-1), "negative integer power"),
        (&i + 300, "does not fit u8"),
        (i.clip(300, 400), "300 does not fit u8"),
        (i.clip(-5, -1), "-1 does not fit u8"),
        (i.pad(&[(1, 1)], super::Pad::Constant(300.into())), "300 does not fit u8"),
        (i.pad(&[(1, 1)], super::Pad::Constant(256.5.into())), "256.5 does not fit u8"),
        ((0..63).fold(x.clone(), |x, _| x.insert_axis(0)), "65 dimensions, more than 64"),
        (x.sum(axis(2)), "axis 2 is out of range"),
        (x.sum(axis("row")), "no axis is named `row`"),
        (-zeros(DType::Bool, &[1]), "not defined for bool"),
        (x.max(axis(0).ddof(1)), "no ddof"),
        (x.reshape([7, -1]), "cannot reshape"),
        (x.insert_axis(4), "axis 4"),
        (open("no-such-file.npy"), "no-such-file.npy"),
        (session().arange(0, 1, 0), "never ends"),
    ] {
        let error = array.error().unwrap_or_else(|| panic!("{text}: no error"));
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.location().unwrap().file().ends_with("tests.rs"), "{error}");
    }
}

#[test]
fn axes_names_and_views() {
    let x = zeros(DType::F32, &[5, 4, 3]).named(["row", "col", "dim"]);
    assert_eq!(x.mean(axis(["row", "dim"])).dims().unwrap().to_string(), "col");
    assert_eq!(x.std(axis(-1).ddof(1).keepdims()).shape().unwrap(), [5, 4, 1]);
    assert_eq!(x.align(["dim", "new", "row", "col"]).shape().unwrap(), [3, 1, 5, 4]);
    assert_eq!(x.align(["dim", "row"]).error().unwrap().kind(), ErrorKind::Mismatch);
    assert_eq!(x.permute([2, 0, 1]).shape().unwrap(), [3, 5, 4]);
    assert_eq!(x.swap_axes(0, "dim").shape().unwrap(), [3, 4, 5]);
    assert_eq!(x.slice(s![1..3, .., 0]).shape().unwrap(), [2, 4]);
    assert_eq!(x.slice(s![..;2, 1.., ..]).shape().unwrap(), [3, 3, 3]);
    assert_eq!(x.slice(s![0, .., ..]).squeeze_axis("col").error().unwrap().kind(), ErrorKind::Mismatch);
    assert_eq!(x.insert_axis(-1).squeeze().shape().unwrap(), [5, 4, 3]);
    assert_eq!(x.reshape([-1, 3]).shape().unwrap(), [20, 3]);
    assert_eq!(x.ravel().shape().unwrap(), [60]);
    assert!(x.expect::<f32, 3>([None, Some(4), None]).is_ok());
    assert!(x.expect::<f32, 2>([None, None]).unwrap_err().to_string().contains("expected f32 (?, ?)"));
    let picked = x.compress(&x.greater(0.0));
    assert!(picked.shape().is_err());
    assert_eq!(format!("{picked:?}"), "Array(f32 (<=60,))");
    assert_eq!(session().linspace(0.0, 1.0, 5).shape().unwrap(), [5]);
    assert_eq!(session().eye::<u8>(3).shape().unwrap(), [3, 3]);
    assert_eq!(session().arange(0, 7, 2).shape().unwrap(), [4]);
    assert_eq!((0..62).fold(zeros(DType::F32, &[2, 2]), |x, _| x.insert_axis(0)).rank().unwrap(), 64);
    assert_eq!(session().arange(0.5, -1.0, -0.5).shape().unwrap(), [3]);
    let owned: Array2<u8> = array![[1, 2], [3, 4]];
    assert_eq!(session().from_ndarray(owned).shape().unwrap(), [2, 2]);
}

#[test]
fn ndarray_slices_keep_their_meaning() {
    let data = ndarray::Array1::from_iter(0..10i64);
    let cases: [(ndarray::SliceInfoElem, usize); 5] = [
        (ndarray::Slice::new(2, Some(5), -1).into(), 3),
        (ndarray::Slice::new(0, None, -2).into(), 5),
        (ndarray::Slice::new(-4, Some(-1), -2).into(), 2),
        (ndarray::Slice::new(3, Some(0), 1).into(), 0),
        (ndarray::Slice::new(0, Some(0), -1).into(), 0),
    ];
    let x = session().from_ndarray(data);
    for (item, length) in cases {
        assert_eq!(x.slice([item]).shape().unwrap(), [length], "{item:?}");
    }
}

#[test]
fn a_long_chain_builds_and_drops() {
    let mut x = zeros(DType::F32, &[4]);
    for _ in 0..100_000 {
        x = x + 1.0;
    }
    assert_eq!(x.shape().unwrap(), [4]);
    let y = x.clone();
    drop(x);
    drop(y);
}

#[test]
fn graphs_share_what_is_equal_and_long_chains_walk() {
    let x = session().from_ndarray(Array2::<f32>::zeros((3, 2)));
    let (a, b) = (&x + 1.0, &x + 1.0);
    let work = graph::build(&[&a, &b, &(&a * &b)], &graph::unbound).unwrap();
    assert_eq!((work.sources.len(), work.graph.nodes.len()), (1, 4));
    assert_eq!(work.roots[0], work.roots[1]);
    let mut chain = x.clone();
    for _ in 0..100_000 {
        chain = chain.sqrt();
    }
    assert_eq!(graph::build(&[&chain], &graph::unbound).unwrap().graph.nodes.len(), 100_001);
}

#[test]
fn all_distinct_errors_are_told() {
    let (good, bad) = (zeros(DType::F32, &[2]), zeros(DType::F32, &[2]) + zeros(DType::F32, &[3]));
    let worse = good.sum(axis(4));
    let error = graph::build(&[&bad, &good, &worse, &bad.sqrt()], &graph::unbound).err().unwrap();
    let text = error.to_string();
    assert!(text.contains("2 outputs cannot be computed") && text.contains("broadcast") && text.contains("axis 4"), "{text}");
    assert_eq!(error.kind(), ErrorKind::Mismatch);
}

#[test]
fn masks_wait_level_by_level() {
    let x = session().from_ndarray(Array2::<f32>::zeros((5, 2)));
    let rows = x.compress(&x.sum(1).greater(0.0));
    let picked = rows.compress(&rows.less(1.0));
    let mut work = graph::build(&[&picked], &graph::unbound).unwrap();
    let said = phased::assume(&mut work, session().limits()).unwrap();
    assert_eq!(said.len(), 2, "the second mask depends on the first");
    assert_eq!(work.graph.node(work.roots[0]).meta.known_shape().unwrap(), [10]);
}

#[test]
fn inputs_are_bound_checked_and_inferred_again() {
    let ses = session();
    let q = ses.input::<f32, 2>("q", [None, Some(3)]);
    let y = (&q - q.mean(0)).slice(s![..5, ..]);
    let compiled = ses.compile([&y]).unwrap();
    assert_eq!(compiled.inputs(), ["q"]);
    let refused = |inputs: &[(&str, Bound)]| compiled.run_all(inputs).unwrap_err().to_string();
    assert!(refused(&[]).contains("`q` has no array"));
    assert!(refused(&[("p", Array2::<f32>::zeros((2, 3)).into())]).contains("no input is called `p`"));
    assert!(refused(&[("q", Array2::<f32>::zeros((2, 4)).into())]).contains("takes f32 (?, 3), it was given f32 (2, 4)"));
    assert!(refused(&[("q", Array2::<f64>::zeros((2, 3)).into())]).contains("f64"));
    assert!(y.eval_any().unwrap_err().to_string().contains("input `q` has no array"));
    let other = ses.input::<f32, 1>("q", [None]);
    assert!(ses.compile([&y, &other]).is_err());
}

#[test]
fn everything_is_send_and_sync() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Session>();
    check::<Array>();
    check::<Compiled>();
    check::<AnyArray>();
    check::<Job>();
    check::<Writer<f32>>();
    check::<crate::Error>();
}
