//! The kernel against plain loops, for every instruction set, shape and stride.

use super::{Outputs, Panels, SEGMENT, Side};
use crate::{
    kernel::simd::{Isa, kernels},
    nd::DType,
};

/// Numbers whose sums round.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..count).map(|_| (next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0).collect()
}

struct Case {
    rows: Vec<i64>,
    columns: Vec<i64>,
    left_inner: Vec<i64>,
    right_inner: Vec<i64>,
}

fn steps(count: usize, first: i64, step: i64) -> Vec<i64> {
    (0..count as i64).map(|at| first + at * step).collect()
}

fn naive<T: Copy>(case: &Case, left: &[T], right: &[T], add: impl Fn(T, T, T) -> T, zero: T, wide: impl Fn(T) -> f64) -> Vec<f64> {
    let mut sums = Vec::new();
    for &row in &case.rows {
        for &column in &case.columns {
            let mut sum = 0.0;
            for (lefts, rights) in case.left_inner.chunks(SEGMENT).zip(case.right_inner.chunks(SEGMENT)) {
                let chain = lefts
                    .iter()
                    .zip(rights)
                    .fold(zero, |chain, (&a, &b)| add(left[(row + a) as usize], right[(column + b) as usize], chain));
                sum += wide(chain);
            }
            sums.push(sum);
        }
    }
    sums
}

/// Rows by columns by inner places, each side along rows, along columns, or with gaps and turned around.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, columns, inner) in
        [(1, 1, 1), (1, 5, 3), (8, 32, 256), (9, 33, 257), (31, 47, 600), (40, 3, 2), (3, 70, 515), (0, 4, 3), (4, 4, 0)]
    {
        let (r, c, k) = (rows as i64, columns as i64, inner as i64);
        // Both inner places together, as in `x @ y.T`.
        cases.push(Case {
            rows: steps(rows, 0, k),
            columns: steps(columns, 0, k),
            left_inner: steps(inner, 0, 1),
            right_inner: steps(inner, 0, 1),
        });
        // Places together, as in `x.T @ y`.
        cases.push(Case {
            rows: steps(rows, 0, 1),
            columns: steps(columns, 0, 1),
            left_inner: steps(inner, 0, r),
            right_inner: steps(inner, 0, c),
        });
        // Every third row backwards, and one inner place for all.
        let last = (3 * r * k - 1).max(0);
        cases.push(Case {
            rows: steps(rows, last, -3 * k.max(1)),
            columns: steps(columns, 0, 2),
            left_inner: steps(inner, 0, -1),
            right_inner: steps(inner, 0, 0),
        });
    }
    cases
}

#[test]
fn products_are_those_of_the_contract_on_every_set() {
    for (seed, case) in cases().iter().enumerate() {
        let left = numbers(3 * 40 * 600 + 10, seed as u64 + 1);
        let right = numbers(3 * 70 * 600 + 10, seed as u64 + 100);
        let (left32, right32): (Vec<f32>, Vec<f32>) = (left.iter().map(|&x| x as f32).collect(), right.iter().map(|&x| x as f32).collect());
        let want64 = naive(case, &left, &right, f64::mul_add, 0.0, |x| x);
        let want32 = naive(case, &left32, &right32, f32::mul_add, 0.0, f64::from);
        for isa in Isa::available() {
            let kernels = kernels(isa);
            let mut panels = Panels::default();
            // One byte off any alignment.
            let shifted = |bytes: &[u8]| [&[0], bytes].concat();
            let sides = [
                (DType::F64, shifted(bytemuck::cast_slice(&left)), shifted(bytemuck::cast_slice(&right)), &want64),
                (DType::F32, shifted(bytemuck::cast_slice(&left32)), shifted(bytemuck::cast_slice(&right32)), &want32),
            ];
            for (dtype, left, right, want) in sides {
                let kernel = (kernels.product)(dtype).unwrap();
                let left = Side { bytes: &left[1..], places: &case.rows, inner: &case.left_inner };
                let right = Side { bytes: &right[1..], places: &case.columns, inner: &case.right_inner };
                let mut sums = vec![0.0; case.rows.len() * case.columns.len()];
                if let Some(kernel) = (kernels.product_of_segment)(dtype).filter(|_| case.left_inner.len() <= SEGMENT) {
                    let mut results = vec![f32::NAN; sums.len()];
                    kernel(bytemuck::cast_slice_mut(&mut results), left, right, Outputs::All, &mut panels);
                    assert!(results.iter().zip(want).all(|(result, want)| result.to_bits() == (*want as f32).to_bits()), "{isa:?}");
                }
                kernel(&mut sums, left, right, Outputs::All, &mut panels);
                assert_eq!(&sums, want, "{isa:?} {dtype:?} {} {} {}", case.rows.len(), case.columns.len(), case.left_inner.len());
                assert!(panels.held_bytes() <= 2 * Panels::side_bytes_max(70, usize::MAX, 8));
            }
        }
    }
}

#[test]
fn results_of_a_segment_have_one_nan_and_no_zero_below_zero() {
    // -0 of products that vanish, NaN of either sign, and an infinity.
    let left = [-1e-30f32, -f32::NAN, f32::MAX, 0.0];
    let right = [1e-30f32, 1.0, 2.0];
    let (rows, columns, inner) = (steps(4, 0, 1), steps(3, 0, 1), [0]);
    let side = |elements, places| Side { bytes: bytemuck::cast_slice(elements), places, inner: &inner };
    for isa in Isa::available() {
        let mut results = [1f32; 12];
        let kernel = (kernels(isa).product_of_segment)(DType::F32).unwrap();
        let out = bytemuck::cast_slice_mut(&mut results);
        kernel(out, side(&left[..], &rows), side(&right[..], &columns), Outputs::All, &mut Panels::default());
        let want = [0.0, -1e-30, -2e-30, f32::NAN, f32::NAN, f32::NAN, f32::MAX * 1e-30, f32::MAX, f32::INFINITY, 0.0, 0.0, 0.0];
        assert_eq!(results.map(f32::to_bits), want.map(f32::to_bits), "{isa:?}: {results:?}");
    }
}

#[test]
fn symmetric_products_are_the_whole_ones() {
    for (side, inner) in [(1, 3), (8, 256), (33, 300), (70, 20), (130, 5)] {
        let elements = numbers(side * inner, 7);
        let (places, steps) = (steps(side, 0, 1), steps(inner, 0, side as i64));
        let one = Side { bytes: bytemuck::cast_slice(&elements), places: &places, inner: &steps };
        for isa in Isa::available() {
            let kernel = (kernels(isa).product)(DType::F64).unwrap();
            let mut panels = Panels::default();
            let [mut whole, mut half] = [vec![0.0; side * side], vec![0.0; side * side]];
            kernel(&mut whole, one, one, Outputs::All, &mut panels);
            kernel(&mut half, one, one, Outputs::Symmetric, &mut panels);
            assert_eq!(whole, half, "{isa:?} {side}");
        }
    }
}

#[test]
fn other_dtypes_have_no_kernel() {
    for dtype in [DType::Bool, DType::I64, DType::U8, DType::F16, DType::BF16] {
        assert!((kernels(Isa::Baseline).product)(dtype).is_none());
    }
}
