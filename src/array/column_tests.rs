//! Sums down the columns of wide matrices: the numbers of the columns by themselves, whatever tiles they are read in.

use super::{
    chunk_tests::Draw,
    linalg_tests::{session, sessions},
    *,
};
use crate::{DType, IoMode};
use ndarray::{Array1, Array2, Ix1};

/// Numbers whose exponents lie close together, but for a few columns that need more than the first kernel, and one with a NaN.
fn drawn(rows: usize, columns: usize) -> Array2<f64> {
    let mut draw = Draw((rows * columns) as u64);
    let mut values = Array2::from_shape_simple_fn((rows, columns), || draw.below(1 << 30) as f64 / f64::from(1 << 28) - 2.0);
    for column in (5..columns).step_by(211) {
        values[(rows / 2, column)] = 1e-300;
        values[(rows - 1, column)] = 1e300;
    }
    values[(0, columns - 1)] = f64::NAN;
    values
}

fn bits(values: &Array1<f64>) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// One statistic of all columns at once, and of each as a run of its own.
fn holds(what: &str, wide: &Array, turned: &Array, statistic: impl Fn(&Array, i64) -> Array) {
    let columns = statistic(wide, 0).eval::<f64, Ix1>().unwrap();
    let runs = statistic(turned, 1).eval::<f64, Ix1>().unwrap();
    assert_eq!(bits(&columns), bits(&runs), "{what}");
}

#[test]
fn columns_are_summed_like_runs() {
    for (rows, columns) in [(2, 513), (37, 640), (130, 1601), (9, 9000), (1100, 520)] {
        let values = drawn(rows, columns);
        for ses in sessions().into_iter().chain([session(1, 4096, "64MiB", IoMode::Auto), session(2, 1 << 22, "64MiB", IoMode::Auto)]) {
            let turned = values.t().as_standard_layout().into_owned();
            let narrow = |values: &Array2<f64>| ses.from_ndarray(values.mapv(|value| value as f32));
            let of_f64 = [ses.from_ndarray(values.clone()), ses.from_ndarray(turned.clone())];
            // What overflows in a narrow type is an infinity, and its sums are not numbers.
            let of_bf16 = of_f64.each_ref().map(|array| array.astype(DType::BF16));
            for [wide, turned] in [of_f64, [narrow(&values), narrow(&turned)], of_bf16] {
                let widened = |array: Array| array.astype(DType::F64);
                holds("sum", &wide, &turned, |x, axis| widened(x.sum(axis)));
                holds("std", &wide, &turned, |x, axis| widened(x.std(axis)));
                holds("mean of a formula", &wide, &turned, |x, axis| widened((x.abs() + 1.0).mean(axis)));
                holds("sum without NaN", &wide, &turned, |x, axis| widened(x.nansum(axis)));
                holds("largest", &wide, &turned, |x, axis| widened(x.max(axis)));
                holds("smallest without NaN", &wide, &turned, |x, axis| widened(x.nanmin(axis)));
                holds("of several", &wide, &turned, |x, axis| widened(x.sum(axis) + x.min(axis) + x.std(axis)));
            }
        }
    }
}
