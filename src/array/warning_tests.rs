//! [`crate::RunReport::warnings`], and what does not change them.

use super::*;
use crate::{DType, ErrorKind};
use ndarray::{Array1, Array2, array};

fn numbers() -> Array2<f32> {
    let mut data = Array2::from_shape_fn((900, 70), |(a, b)| ((a * 31 + b * 7) % 101) as f32 + 1.0);
    for at in [[3, 5], [3, 6], [500, 0], [899, 69]] {
        data[at] = 0.0;
    }
    // What was there before does not count.
    data[[0, 0]] = f32::NAN;
    data[[700, 1]] = f32::INFINITY;
    data
}

fn report(session: &Session, arrays: &[&Array]) -> Vec<String> {
    let mut job = Job::new(session);
    for (index, array) in arrays.iter().enumerate() {
        job = job.output(format!("y{index}"), array, Destination::Memory);
    }
    job.run().unwrap().report.warnings
}

#[test]
fn counts_do_not_depend_on_threads_or_blocks() {
    let counts = Array1::from_shape_fn(5000, |at| if at % 7 == 3 { 0i32 } else { i32::MAX - (at as i32 % 3) });
    for threads in [1, 2] {
        for block_bytes in [None, Some(1), Some(4096), Some(100_000)] {
            let mut builder = Session::builder().memory("64MiB").threads(threads);
            if let Some(bytes) = block_bytes {
                builder = builder.block_bytes(bytes);
            }
            let session = builder.build().unwrap();
            let (x, n) = (session.from_ndarray(numbers()), session.from_ndarray(counts.clone()));
            let inverse = 1.0 / &x;
            let said = "4 infinities created from finite elements, the first in divide of f32 at (3, 5)";
            assert_eq!(report(&session, &[&inverse]), [format!("y0: {said}")]);
            assert_eq!(report(&session, &[&inverse.sum(0)]), [format!("y0: {said}")]);
            assert_eq!(report(&session, &[&inverse.max(1)]), [format!("y0: {said}")]);
            assert_eq!(
                report(&session, &[&inverse.t()]),
                ["y0: 4 infinities created from finite elements, the first in divide of f32 at (0, 500)"]
            );
            // Rows of zero length would be divided by it; they are not taken.
            let norm = x.square().sum(axis(1).keepdims()).sqrt();
            assert_eq!(report(&session, &[&where_(norm.equal(0.0), 0.0, &x / &norm)]), [] as [String; 0]);
            assert_eq!(report(&session, &[&(&n + 2)]), ["y0: 2858 integers wrapped, the first in add of i32 at (0,)".to_string()]);
            assert_eq!(
                report(&session, &[&n.floor_divide(&n)]),
                ["y0: 714 integer divisions by zero gave 0, the first in floor_divide of i32 at (3,)".to_string()]
            );
        }
    }
}

#[test]
fn policies_are_settings_of_the_session() {
    let data = array![1f32, 0.0];
    let silent = Session::builder().on_invalid(OnInvalid::Ignore).build().unwrap();
    assert_eq!(report(&silent, &[&(1.0 / silent.from_ndarray(data.clone()))]), [] as [String; 0]);
    let strict = Session::builder().on_invalid(OnInvalid::Error).strict(true).build().unwrap();
    let error = (1.0 / strict.from_ndarray(data.clone())).eval_any().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.message().contains("at (1,)"), "{error}");
    let n = strict.from_ndarray(array![250u8, 251]);
    assert!((&n + 5).eval_any().unwrap_err().message().contains("wrapped"), "{:?}", (&n + 5).eval_any());
    assert!((&n + 4).eval_any().is_ok());
    let careful = Session::builder().promote(Promote::Strict).build().unwrap();
    let (a, b) = (careful.from_ndarray(data), careful.from_ndarray(array![1f64, 2.0]));
    let error = (&a + &b).error().unwrap();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!((&a + 1.5).error().is_none() && (a.astype(DType::F64) + &b).error().is_none());
    for refused in [Array::concatenate([&a, &b], 0), where_(a.greater(0.0), &a, &b), a.less(&b)] {
        assert!(refused.error().is_some_and(|error| error.to_string().contains("f64")));
    }
}

#[test]
fn masks_and_assertions_are_told_apart_from_results() {
    let session = Session::builder().memory("64MiB").build().unwrap();
    let x = session.from_ndarray(array![1f32, 0.0, 4.0]);
    let kept = (1.0 / &x).compress(&x.greater(0.0));
    assert_eq!(report(&session, &[&kept]), [] as [String; 0]);
    let kept = (1.0 / &x).compress(&x.less(2.0));
    assert_eq!(report(&session, &[&kept]), ["y0: 1 infinity created from finite elements, the first in divide of f32 at (1,)"]);
}

#[test]
fn whoever_listens_hears_of_every_way_to_compute() {
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
    let listener = heard.clone();
    let session = Session::builder().on_warning(move |text| listener.lock().unwrap().push(text.to_string())).build().unwrap();
    let inverse = 1.0 / session.from_ndarray(numbers());
    let said = "4 infinities created from finite elements, the first in divide of f32 at (3, 5)";
    let times = || std::mem::take(&mut *heard.lock().unwrap()).iter().filter(|text| text.ends_with(said)).count();
    inverse.eval_any().unwrap();
    assert_eq!(times(), 1);
    inverse.eval_into(Array2::<f32>::zeros((900, 70)).view_mut()).unwrap();
    assert_eq!(times(), 1);
    assert_eq!(inverse.blocks(Rows(100)).map(Result::unwrap).count(), 9);
    assert_eq!(times(), 1);
    let x = session.input::<f32, 2>("x", [Some(900), Some(70)]);
    let compiled = session.compile([&(1.0 / x)]).unwrap();
    let [_] = compiled.run([("x", numbers().into())]).unwrap();
    assert_eq!(times(), 1);
}
