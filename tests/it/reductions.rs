//! Reductions whose result must not depend on blocks, threads and instruction sets, and what they refuse.

use ndarray::{Array1, Array2, Ix0, Ix1};
use outcore::{Array, Bias, DType, Element, ErrorKind, Isa, Kurtosis, Session, axis};

/// Sessions that cut the same work differently.
fn sessions() -> Vec<Session> {
    let mut made = Vec::new();
    for isa in Isa::available() {
        for (threads, bytes) in [(1, 64), (3, 1000), (4, 1 << 20)] {
            let builder = Session::builder().memory("256MiB").threads(threads).isa(isa);
            made.push(builder.block_bytes(bytes).build().unwrap());
        }
    }
    made
}

fn draws(count: usize) -> impl Iterator<Item = u64> {
    let mut state = 9_u64;
    (0..count).map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    })
}

fn value<T: Element>(array: &Array) -> T {
    array.eval::<T, Ix0>().unwrap().into_scalar()
}

#[test]
fn the_first_of_ties_is_found_across_blocks_and_threads() {
    let data: Vec<f32> = draws(200_000).map(|draw| (draw % 7) as f32).collect();
    let first = |wanted: f32| data.iter().position(|value| *value == wanted).unwrap() as i64;
    for session in sessions() {
        let x = session.from_ndarray(Array1::from(data.clone()));
        assert_eq!((value::<i64>(&x.argmin(..)), value::<i64>(&x.argmax(0))), (first(0.0), first(6.0)));
        // Views are searched in their own order.
        let back = x.slice(ndarray::s![..;-1]);
        let last = data.iter().rev().position(|value| *value == 6.0).unwrap() as i64;
        assert_eq!(value::<i64>(&back.argmax(..)), last);
        let table = x.reshape([400, 500]);
        for (axis, turned) in [(0, false), (1, false), (0, true), (1, true)] {
            let seen = if turned { table.transpose() } else { table.clone() };
            let own = Array2::from_shape_vec((400, 500), data.clone()).unwrap();
            let own = if turned { own.reversed_axes() } else { own };
            let wanted: Array1<i64> = own.lanes(ndarray::Axis(axis)).into_iter().map(|lane| naive_argmin(&lane.to_vec())).collect();
            assert_eq!(seen.argmin(axis as i64).eval::<i64, Ix1>().unwrap(), wanted, "axis {axis} {turned}");
        }
    }
}

fn naive_argmin(lane: &[f32]) -> i64 {
    let least = lane.iter().copied().fold(f32::INFINITY, f32::min);
    lane.iter().position(|value| *value == least).unwrap() as i64
}

#[test]
fn results_do_not_depend_on_the_session() {
    let numbers = || draws(60_000).map(|draw| ((draw as f64) - 1e9) * 2f64.powi((draw % 60) as i32 - 30));
    let x: Vec<f64> = numbers().collect();
    let y: Vec<f64> = numbers().map(|value| value.sqrt()).collect();
    let mut seen: Option<Vec<u64>> = None;
    for session in sessions() {
        let a = session.from_ndarray(Array1::from(x.clone()));
        let b = session.from_ndarray(Array1::from(y.clone()));
        let clean = b.nan_to_num(1.5, None, None);
        let results = [
            b.nansum(..),
            b.nanmean(..),
            b.nanstd(..),
            b.nanmin(..),
            b.nanmax(..),
            a.dot(&clean),
            a.norm(..),
            a.average(&clean, ..),
            a.cov(&clean, ..),
            a.corr(&clean, ..),
            a.skew(.., Bias::Kept),
            a.kurtosis(.., Kurtosis::Fisher, Bias::Removed),
        ];
        let bits: Vec<u64> = results.iter().map(|result| value::<f64>(result).to_bits()).collect();
        assert_eq!(seen.get_or_insert_with(|| bits.clone()), &bits);
    }
}

/// Products of floats depend on the grid, and on nothing else.
#[test]
fn products_do_not_depend_on_threads() {
    let data: Vec<f32> = draws(100_000).map(|draw| 0.5 + (draw % 1000) as f32 / 999.0).collect();
    let mut seen = None;
    for isa in Isa::available() {
        for threads in [1, 2, 4] {
            let session = Session::builder().memory("256MiB").threads(threads).isa(isa).block_bytes(4096).build().unwrap();
            let x = session.from_ndarray(Array1::from(data.clone()));
            let bits = value::<f64>(&x.reduce(outcore::Finish::Prod, None, false, Some(DType::F64), Default::default())).to_bits();
            assert_eq!(*seen.get_or_insert(bits), bits);
        }
    }
}

#[test]
fn integers_are_exact_or_refused() {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let large = session.from_ndarray(ndarray::array![i64::MAX, 1, -1]);
    assert_eq!(value::<i64>(&large.sum(..)), i64::MAX);
    let error = session.from_ndarray(ndarray::array![i64::MAX, 1]).sum(..).eval::<i64, Ix0>().unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("9223372036854775808")), (ErrorKind::Data, true), "{error}");
    let error = session.from_ndarray(ndarray::array![1_i32 << 30, 1 << 30, 1 << 30]).prod(..).eval::<i64, Ix0>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data, "{error}");
    let zero = session.from_ndarray(ndarray::array![1_i32 << 30, 1 << 30, 1 << 30, 0]);
    assert_eq!(value::<i64>(&zero.prod(..)), 0);
    let half = session.from_ndarray(ndarray::array![i64::MAX, i64::MAX - 1]);
    assert_eq!(value::<f64>(&half.var(..)), 0.25);
    let small = session.from_ndarray(ndarray::array![100_i8, 100]);
    let error = small.dot(&small).eval::<i8, Ix0>().unwrap_err();
    assert!(error.to_string().contains("20000 is outside of i8"), "{error}");
    assert_eq!(value::<u64>(&session.from_ndarray(ndarray::array![true, true, false]).sum(axis(0).dtype(DType::U64))), 2);
}

#[test]
fn what_cannot_be_reduced_is_said() {
    let session = Session::builder().memory("64MiB").threads(1).build().unwrap();
    let x = session.from_ndarray(ndarray::array![[1.0, f64::NAN], [2.0, f64::NAN]]);
    let message = |array: Array| array.eval_any().unwrap_err().to_string();
    assert!(message(x.argmin([0, 1])).contains("one axis or over all"));
    assert!(message(x.nanargmax(0)).contains("nothing but NaN"));
    assert!(message(x.greater(0.0).ptp(0)).contains("not defined for bool"));
    assert!(message(x.insert_axis(0).dot(&x)).contains("dot of arrays of 3 and 2 axes"));
    assert!(message(x.slice(ndarray::s![..0, ..]).argmin(0)).contains("argmin over axis 0 of length 0"));
    assert!(message(x.reduce(outcore::Finish::Dot, None, false, None, Default::default())).contains("dot takes two arrays"));
    let weights = session.from_ndarray(ndarray::array![[1.0, 0.0], [-1.0, 0.0]]);
    assert!(message(x.average(&weights, 0)).contains("add up to zero"));
}

#[test]
fn a_spent_reserve_is_computed_again_in_panels() {
    use outcore::{Destination, Job, Session, axis};
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    // Digits of every column lie farther apart than a window is wide, and what is left over is known.
    let columns = 5000;
    let values = ndarray::Array2::from_shape_fn((4, columns), |(row, column)| match row {
        0 => 1e200,
        1 => 1e-200 * (column + 1) as f64,
        2 => -1e200,
        _ => 0.0,
    });
    let x = session.from_ndarray(values.clone());
    let small: Vec<f64> = (0..columns).map(|column| 1e-200 * (column + 1) as f64).collect();
    let ran = Job::new(&session).output("sums", &x.sum(0), Destination::Memory).run().unwrap();
    assert!(ran.report.warnings.iter().any(|text| text.contains("panels")), "{:?}", ran.report.warnings);
    assert_eq!(ran.arrays[0].as_ref().unwrap().as_slice::<f64>().unwrap(), small);
    // Other axes, several reductions, and results that are used.
    let kept = x.sum(axis(0).keepdims());
    let doubled = (&kept + &kept).eval::<f64, ndarray::Ix2>().unwrap();
    assert!(doubled.iter().zip(&small).all(|(double, sum)| *double == 2.0 * sum));
    let turned = session.from_ndarray(values.t().to_owned()).sum(1).eval::<f64, ndarray::Ix1>().unwrap();
    assert_eq!(turned.as_slice().unwrap(), small);
    let means = x.mean(0).eval::<f64, ndarray::Ix1>().unwrap();
    assert!(means.iter().zip(&small).all(|(mean, sum)| *mean == sum / 4.0));
    let states = x.statistics(0).unwrap();
    assert_eq!(states.sum, small);
}

/// Short lines lie whole in a block, with an output each: more than have digits, whatever panels there are.
#[test]
fn short_lines_spend_no_reserve() {
    let values = Array2::from_shape_fn((40_000, 3), |(row, at)| match at {
        0 => 1e300,
        1 => 1e-300 * (row % 7) as f64,
        _ => -1e300,
    });
    let session = Session::builder().memory("256MiB").threads(2).build().unwrap();
    let x = session.from_ndarray(values);
    let made = x.sum(1).eval::<f64, Ix1>().unwrap();
    assert!(made.iter().enumerate().all(|(row, sum)| *sum == 1e-300 * (row % 7) as f64));
}

#[test]
fn a_dtype_rounds_the_result_not_the_elements() {
    let session = Session::default_session();
    let x = session.from_ndarray(Array1::from(vec![300_i32, 300, -500]));
    assert_eq!(value::<i8>(&x.sum(axis(0).dtype(DType::I8))), 100);
    let error = x.sum(axis(0).dtype(DType::U8)).eval::<u8, Ix0>().map(|sum| sum.into_scalar());
    assert_eq!(error.unwrap(), 100);
    let few = session.from_ndarray(Array1::from(vec![300_i32, 300, 300]));
    let error = few.sum(axis(0).dtype(DType::I8)).eval::<i8, Ix0>().unwrap_err();
    assert!(error.to_string().contains("the sum 900 is outside of i8"), "{error}");
    let error = few.prod(axis(0).dtype(DType::I16)).eval::<i16, Ix0>().unwrap_err();
    assert!(error.to_string().contains("the product 27000000 is outside of i16"), "{error}");
    let wide = session.from_ndarray(Array1::from(vec![1e300, -1e300, 0.5]));
    assert_eq!(value::<f32>(&wide.sum(axis(0).dtype(DType::F32))), 0.5);
    let factors = session.from_ndarray(Array1::from(vec![1e5_f32, 1e-5]));
    assert_eq!(value::<half::f16>(&factors.prod(axis(0).dtype(DType::F16))).to_f32(), 1.0);
    // Floats become integers one by one, as in NumPy; no sum is a truth.
    let halves = session.from_ndarray(Array1::from(vec![1.5_f32, 2.5]));
    assert_eq!(value::<i64>(&halves.sum(axis(0).dtype(DType::I64))), 3);
    for refused in [few.sum(axis(0).dtype(DType::Bool)), few.prod(axis(0).dtype(DType::Bool)), few.cumsum(axis(0).dtype(DType::Bool))] {
        let error = refused.checked().unwrap_err();
        assert!(error.to_string().contains("has no dtype bool"), "{error}");
    }
}

#[test]
fn rows_of_any_length_have_a_direction() {
    let session = Session::default_session();
    let half = |values: &[f32]| values.iter().all(|value| (value - 0.5_f32.sqrt()).abs() < 1e-6);
    for pair in [[3e38_f32; 2], [1e-44; 2], [1.0; 2]] {
        let x = session.from_ndarray(Array1::from(pair.to_vec()));
        let made = x.normalize(outcore::Norm::L2, .., 0.0).eval::<f32, Ix1>().unwrap().to_vec();
        assert!(half(&made), "{pair:?} {made:?}");
        let made = x.normalize(outcore::Norm::L1, .., 0.0).eval::<f32, Ix1>().unwrap().to_vec();
        assert_eq!(made, [0.5; 2], "{pair:?}");
    }
    for pair in [[1e200; 2], [1e-200; 2], [3.0; 2]] {
        let x = session.from_ndarray(Array1::from(pair.to_vec()));
        let made = x.normalize(outcore::Norm::L2, .., 0.0).astype(DType::F32).eval::<f32, Ix1>().unwrap().to_vec();
        assert!(half(&made), "{pair:?} {made:?}");
    }
    let x = session.from_ndarray(Array1::from(vec![3e38_f32, 3e38, 1.0, 1.0, 1.0]));
    let made = x.layer_norm(.., 1e-5).eval::<f32, Ix1>().unwrap().to_vec();
    for (made, want) in made.iter().zip([1.224_744_9_f32, 1.224_744_9, -0.816_496_6, -0.816_496_6, -0.816_496_6]) {
        assert!((made - want).abs() < 1e-6, "{made} for {want}");
    }
}

#[test]
fn quantiles_of_one_element_and_of_none() {
    let session = Session::default_session();
    let one = session.from_ndarray(ndarray::arr0(3.0_f64));
    assert_eq!((value::<f64>(&one.median(..)), value::<f64>(&one.quantile(0.25, ..))), (3.0, 3.0));
    assert_eq!(one.quantile([0.0, 1.0], ..).eval::<f64, Ix1>().unwrap().to_vec(), [3.0, 3.0]);
    let error = one.quantile(Vec::new(), ..).eval::<f64, Ix1>().unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("no quantiles")), (ErrorKind::Usage, true), "{error}");
}

#[test]
fn uniform_values_stay_below_their_bound() {
    for (low, high) in [(0.0, 1.0), (-1.0, 0.0), (5.0, 7.0), (0.0, 0.1)] {
        let x = outcore::Random::new(1).uniform::<half::f16>([1 << 18], low, high);
        assert!(value::<half::f16>(&x.max(..)).to_f64() < high);
        assert!(value::<half::f16>(&x.min(..)).to_f64() >= low);
        let x = outcore::Random::new(1).uniform::<half::bf16>([1 << 18], low, high);
        assert!(value::<half::bf16>(&x.max(..)).to_f64() < high);
    }
}
