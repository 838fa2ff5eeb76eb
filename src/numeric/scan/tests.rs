//! Scans against plain loops, cut anywhere.

use super::*;
use crate::numeric::{Accumulator, AccumulatorKind, Baseline};

/// Scans `elements` of one line, cut at `cuts`.
fn scan(kind: ScanKind, dtype: DType, elements: &[u8], cuts: &[usize]) -> Result<Vec<u8>, usize> {
    let size = dtype.size();
    let length = elements.len() / size;
    let mut scan = Scan::new(kind, dtype, 1).unwrap();
    let mut out = vec![0; elements.len()];
    let mut from = 0;
    for to in cuts.iter().copied().chain([length]) {
        let block = ScanBlock { shape: &[to - from], axis: 0, start: from, length, base: 0, steps: &[0] };
        scan.advance::<Baseline>(&block, &elements[from * size..to * size], &mut out[from * size..to * size])?;
        from = to;
    }
    Ok(out)
}

fn bytes_of<T: bytemuck::Pod>(values: &[T]) -> Vec<u8> {
    bytemuck::cast_slice(values).to_vec()
}

fn sums(values: &[f64], cuts: &[usize]) -> Vec<f64> {
    let out = scan(ScanKind::Sum(SumMode::Exact), DType::F64, &bytes_of(values), cuts).unwrap();
    out.chunks_exact(8).map(|cell| f64::from_ne_bytes(cell.try_into().unwrap())).collect()
}

fn random(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 11) as f64 / (1u64 << 53) as f64 - 0.5
}

#[test]
fn cuts_do_not_change_a_bit() {
    let mut seed = 3;
    let values: Vec<f64> = (0..9000).map(|place| random(&mut seed) * 10f64.powi(place % 40 - 20)).collect();
    let want = sums(&values, &[]);
    for cuts in [vec![1], vec![4095], vec![4096], vec![4097, 4098], vec![100, 5000, 8192, 8999], (1..9000).step_by(7).collect()] {
        assert!(sums(&values, &cuts).iter().zip(&want).all(|(a, b)| a.to_bits() == b.to_bits()), "{cuts:?}");
    }
    let mut whole = Accumulator::new(AccumulatorKind::Sum(SumMode::Exact), DType::F64, 1).unwrap();
    for (place, value) in values.iter().enumerate() {
        whole.absorb_baseline(&value.to_ne_bytes(), &[], 0, 0);
        let mut out = [0; 8];
        whole.finish(crate::numeric::Finish::Sum, DType::F64, 0, 1, &mut out).unwrap();
        let exact = f64::from_ne_bytes(out);
        assert!((want[place] - exact).abs() <= exact.abs() * f64::EPSILON, "{place}");
        if place % SEGMENT == SEGMENT - 1 || place + 1 == values.len() {
            assert_eq!(want[place].to_bits(), exact.to_bits(), "{place}");
        }
    }
}

#[test]
fn sums_leave_f64_and_come_back() {
    let (huge, infinity) = (f64::MAX, f64::INFINITY);
    assert_eq!(sums(&[huge, huge, -huge, 1.0, -huge, 7.0], &[2, 3]), [huge, infinity, huge, huge, 1.0, 8.0]);
    // The same across the begin of a segment.
    let mut values = vec![0.0; SEGMENT - 1];
    values[0] = huge;
    values.extend([huge, 0.0, -huge, -huge, 3.0, 0.0]);
    let found = sums(&values, &[SEGMENT - 2, SEGMENT + 1]);
    assert_eq!(found[SEGMENT - 2..], [huge, infinity, infinity, huge, 0.0, 3.0, 3.0]);
    let found = sums(&values.iter().map(|value| -value).collect::<Vec<_>>(), &[]);
    assert_eq!(found[SEGMENT - 2..], [-huge, -infinity, -infinity, -huge, 0.0, -3.0, -3.0]);
}

#[test]
fn special_values_stay() {
    let (infinity, nan) = (f64::INFINITY, f64::NAN);
    assert_eq!(sums(&[-0.0, -0.0], &[]).map_bits(), [-0.0, -0.0].map_bits());
    assert_eq!(sums(&[-0.0, 0.0, -0.0, 5.0], &[2]).map_bits(), [-0.0, 0.0, 0.0, 5.0].map_bits());
    assert_eq!(sums(&[1.0, infinity, 2.0], &[]), [1.0, infinity, infinity]);
    let found = sums(&[1.0, infinity, -infinity, 2.0], &[1, 2, 3]);
    assert!(found[1] == infinity && found[2].is_nan() && found[3].is_nan());
    assert!(sums(&[1.0, nan, 2.0], &[2])[1..].iter().all(|value| value.is_nan()));
    let mut long = vec![1.0; 2 * SEGMENT];
    long[5] = -infinity;
    assert!(sums(&long, &[7])[5..].iter().all(|value| *value == -infinity));
}

trait MapBits {
    fn map_bits(&self) -> Vec<u64>;
}

impl<T: AsRef<[f64]>> MapBits for T {
    fn map_bits(&self) -> Vec<u64> {
        self.as_ref().iter().map(|value| value.to_bits()).collect()
    }
}

#[test]
fn integers_that_do_not_fit_are_found() {
    let run = |kind, values: &[i64], cuts: &[usize]| {
        scan(kind, DType::I64, &bytes_of(values), cuts).map(|out| bytemuck::pod_collect_to_vec::<u8, i64>(&out))
    };
    let sum = ScanKind::Sum(SumMode::Exact);
    assert_eq!(run(sum, &[1, 2, -4], &[1]), Ok(vec![1, 3, -1]));
    assert_eq!(run(sum, &[i64::MAX, -1, 1, 0, 1, -1], &[]), Err(4));
    assert_eq!(run(ScanKind::Product, &[3, -4, 0, 9], &[2]), Ok(vec![3, -12, 0, 0]));
    assert_eq!(run(ScanKind::Product, &[1 << 40, 1 << 40], &[]), Err(1));
    let unsigned = scan(sum, DType::U64, &bytes_of(&[u64::MAX, 0, 1]), &[]);
    assert_eq!(unsigned, Err(2));
    assert!(scan(sum, DType::U64, &bytes_of(&[u64::MAX - 1, 0, 1]), &[]).is_ok());
}

#[test]
fn extremes_keep_nan_and_order_zeros() {
    let run = |kind, values: &[f32]| bytemuck::pod_collect_to_vec::<u8, f32>(&scan(kind, DType::F32, &bytes_of(values), &[2]).unwrap());
    assert_eq!(run(ScanKind::Maximum, &[-3.0, 1.0, 0.5, 2.0]), [-3.0, 1.0, 1.0, 2.0]);
    assert_eq!(run(ScanKind::Minimum, &[3.0, f32::NEG_INFINITY, 0.5]), [3.0, f32::NEG_INFINITY, f32::NEG_INFINITY]);
    assert!(run(ScanKind::Minimum, &[3.0, f32::NAN, 0.5])[1..].iter().all(|value| value.is_nan()));
    assert_eq!(run(ScanKind::Maximum, &[-0.0, 0.0, -0.0]).iter().map(|v| v.to_bits()).collect::<Vec<_>>(), [1 << 31, 0, 0]);
    assert_eq!(scan(ScanKind::Maximum, DType::Bool, &[0, 1, 0], &[]), Ok(vec![0, 1, 1]));
    assert_eq!(scan(ScanKind::Maximum, DType::U8, &[0, 200, 7], &[1]), Ok(vec![0, 200, 200]));
    assert_eq!(scan(ScanKind::Minimum, DType::I8, &[127, 200, 7], &[]), Ok(vec![127, 200, 200]));
}

/// A box of `shape` whose lines along `axis` are scanned in pieces gives what its lines give alone.
#[test]
fn every_axis_of_a_box_is_scanned() {
    let shape = [3, 5, 37];
    let strides = [185, 37, 1];
    let mut seed = 9;
    let values: Vec<f32> = (0..555).map(|_| random(&mut seed) as f32).collect();
    for kind in
        [ScanKind::Sum(SumMode::Exact), ScanKind::Sum(SumMode::Naive), ScanKind::Sum(SumMode::Kahan), ScanKind::Product, ScanKind::Minimum]
    {
        for axis in 0..3 {
            let others: Vec<usize> = (0..3).filter(|&other| other != axis).collect();
            let mut steps = [0i64; 3];
            (steps[others[0]], steps[others[1]]) = (shape[others[1]] as i64, 1);
            let mut found = vec![0f32; 555];
            let mut state = Scan::new(kind, DType::F32, shape[others[0]] * shape[others[1]]).unwrap();
            // Blocks of one or two of everything, along the axis in order.
            for block in 0..8 {
                let cut = |axis: usize, upper: bool| if upper { (2, shape[axis] - 2) } else { (0, 2) };
                let parts: Vec<(usize, usize)> = (0..3).map(|at| cut(at, block >> (2 - at) & 1 == 1)).collect();
                let lengths: Vec<usize> = parts.iter().map(|part| part.1).collect();
                let places: Vec<usize> = (0..lengths.iter().product::<usize>())
                    .map(|at| {
                        let index = [at / (lengths[1] * lengths[2]), at / lengths[2] % lengths[1], at % lengths[2]];
                        (0..3).map(|axis| (parts[axis].0 + index[axis]) * strides[axis]).sum()
                    })
                    .collect();
                let input: Vec<f32> = places.iter().map(|&place| values[place]).collect();
                let mut output = vec![0f32; input.len()];
                let base: i64 = (0..3).map(|axis| parts[axis].0 as i64 * steps[axis]).sum();
                let block =
                    ScanBlock { shape: &lengths, axis, start: parts[axis].0, length: shape[axis], base: base as usize, steps: &steps };
                state.advance::<Baseline>(&block, bytemuck::cast_slice(&input), bytemuck::cast_slice_mut(&mut output)).unwrap();
                places.iter().zip(output).for_each(|(&place, value)| found[place] = value);
            }
            for first in 0..555 {
                if first / strides[axis] % shape[axis] != 0 {
                    continue;
                }
                let line: Vec<f32> = (0..shape[axis]).map(|at| values[first + at * strides[axis]]).collect();
                let alone: Vec<f32> = bytemuck::pod_collect_to_vec(&scan(kind, DType::F32, &bytes_of(&line), &[]).unwrap());
                let boxed: Vec<f32> = (0..shape[axis]).map(|at| found[first + at * strides[axis]]).collect();
                assert_eq!(boxed, alone, "{kind:?} axis {axis} line {first}");
            }
        }
    }
}

/// Rounded to odd, so that a second rounding sees on which side of a tie the value lies.
fn odd(value: f64) -> f32 {
    let nearest = value as f32;
    if f64::from(nearest) == value || value.is_nan() {
        return nearest;
    }
    let below = if f64::from(nearest).abs() > value.abs() { nearest.to_bits() - 1 } else { nearest.to_bits() };
    f32::from_bits(below | 1)
}

#[test]
fn halves_are_rounded_as_they_should_be() {
    let mut seed = 1;
    for place in 0..200_000_u64 {
        let near = f64::from(half::f16::from_bits(place as u16)) * (1.0 + random(&mut seed) * 2e-3);
        let far = f64::from_bits((random(&mut seed) * 1e19) as i64 as u64 ^ place << 40);
        let between = (f64::from(half::bf16::from_bits(place as u16)) + f64::from(half::bf16::from_bits(place as u16 ^ 1))) / 2.0;
        for value in [near, far, between, -near] {
            // Rounded to odd first: the conversions from f64 of `half` do not look at the lowest bits.
            let odd = odd(value);
            let (narrow, brain) = (half::f16::from_f32(odd), half::bf16::from_f32(odd));
            let found = (floats::rounded::<10, 15>(value), floats::rounded::<7, 127>(value));
            assert!(narrow.is_nan() || found.0 == narrow.to_bits(), "{value:e}: {:x} for {:x}", found.0, narrow.to_bits());
            assert!(brain.is_nan() || found.1 == brain.to_bits(), "{value:e}: {:x} for {:x}", found.1, brain.to_bits());
        }
    }
    assert_eq!(floats::rounded::<10, 15>(f64::NAN), 0x7e00);
}
