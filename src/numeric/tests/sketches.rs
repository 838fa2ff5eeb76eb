//! What is about right: how far off it may be, and that it depends on the elements alone.

use super::states::held;
use super::*;

const KINDS: [AccumulatorKind; 2] = [AccumulatorKind::Distinct, AccumulatorKind::Sketch];

/// A reproducible sequence of words.
fn words(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) ^ mixed >> 31
    }
}

fn distinct(bits: &[u64]) -> u64 {
    finished(&absorbed(AccumulatorKind::Distinct, DType::U64, bits), Finish::ApproxDistinct, DType::I64)
}

#[test]
fn states_depend_on_the_elements_alone() {
    let mut next = words(3);
    for dtype in DType::ALL {
        let bits: Vec<u64> = (0..600).map(|_| next() & if dtype.is_float() { u64::MAX } else { 0x3ff }).collect();
        for kind in KINDS {
            let whole = absorbed(kind, dtype, &bits);
            let mut backwards = bits.clone();
            backwards.reverse();
            let mut parts = absorbed(kind, dtype, &backwards[..77]);
            parts.merge_run(0, &absorbed(kind, dtype, &backwards[77..]), 0, 1);
            assert_eq!(whole.serialise(), parts.serialise(), "{kind:?} {dtype}");
            let again = Accumulator::deserialise(&whole.serialise()).unwrap();
            assert_eq!(again.serialise(), whole.serialise());
            assert_eq!(held(&again), Accumulator::state_bytes_max(kind, dtype, 1));
            let mut empty = whole.clone();
            empty.reset();
            assert_eq!(empty.serialise(), Accumulator::new(kind, dtype, 1).unwrap().serialise());
            let mut columns = Accumulator::new(kind, dtype, 3).unwrap();
            let axes = [reduced(200), TileAxis { length: 3, output_step: 1, index_step: 1 }];
            columns.absorb_baseline(&bytes_of(dtype, &bits), &axes, 0, 0);
            for at in 0..3 {
                let own: Vec<u64> = bits.iter().skip(at).step_by(3).copied().collect();
                let mut one = Accumulator::new(kind, dtype, 1).unwrap();
                one.merge_run(0, &columns, at, 1);
                assert_eq!(one.serialise(), absorbed(kind, dtype, &own).serialise(), "{kind:?} {dtype}");
            }
        }
    }
}

#[test]
fn counts_of_different_elements_are_within_four_standard_errors() {
    let mut next = words(5);
    assert_eq!(distinct(&[]), 0);
    for count in [1_u64, 2, 10, 100, 1000, 10_000, 50_000, 300_000] {
        let mut bits: Vec<u64> = (0..count).map(|_| next()).collect();
        bits.extend_from_within(..(count / 2) as usize);
        let got = distinct(&bits);
        assert!(got.abs_diff(count) as f64 <= 4.0 * 0.008_125 * count as f64, "{got} of {count}");
    }
}

#[test]
fn zeros_are_one_element_and_so_are_nans() {
    for dtype in FLOATS {
        let (exponent_bits, mantissa_bits) = layout(dtype);
        let (sign, infinity) = (1_u64 << (exponent_bits + mantissa_bits), ((1_u64 << exponent_bits) - 1) << mantissa_bits);
        let bits = [0, sign, infinity | 1, infinity | sign | 3, infinity, 1, sign | 1];
        assert_eq!(finished(&absorbed(AccumulatorKind::Distinct, dtype, &bits), Finish::ApproxDistinct, DType::I64), 5, "{dtype}");
    }
    let truths = absorbed(AccumulatorKind::Distinct, DType::Bool, &[0, 1, 7]);
    assert_eq!(finished(&truths, Finish::ApproxDistinct, DType::I64), 2);
}

fn quantile(accumulator: &Accumulator, q: f64) -> f64 {
    f64::from_bits(finished(accumulator, Finish::ApproxQuantile { bits: q.to_bits() }, DType::F64))
}

#[test]
fn quantiles_are_near_elements_of_their_rank() {
    let mut next = words(9);
    for dtype in [DType::F32, DType::F64, DType::I32, DType::U8, DType::I64] {
        for scale in [1e-30, 1e-3, 1.0, 1e6] {
            let mut uniform = || next() as f64 / u64::MAX as f64;
            let mut values: Vec<f64> =
                (0..999).map(|_| (uniform() * 12.0).exp() * scale * if uniform() < 0.3 { -1.0 } else { 1.0 }).collect();
            let bits: Vec<u64> = values
                .iter_mut()
                .map(|value| match dtype {
                    DType::F32 => {
                        *value = f64::from(*value as f32);
                        u64::from((*value as f32).to_bits())
                    }
                    DType::F64 => value.to_bits(),
                    DType::U8 => {
                        *value = f64::from(*value as u8);
                        *value as u64
                    }
                    DType::I32 => {
                        *value = f64::from(*value as i32);
                        *value as i32 as u64
                    }
                    _ => {
                        *value = *value as i64 as f64;
                        *value as i64 as u64
                    }
                })
                .collect();
            let made = absorbed(AccumulatorKind::Sketch, dtype, &bits);
            values.sort_by(f64::total_cmp);
            for q in [0.0, 0.01, 0.25, 0.5, 0.75, 0.99, 1.0] {
                let (got, want) = (quantile(&made, q), values[(q * 998.0).floor() as usize]);
                assert!((got - want).abs() <= want.abs() / 256.0, "{dtype} {scale} {q}: {got} for {want}");
                assert!(dtype.is_float() || got.fract() == 0.0);
            }
        }
    }
}

#[test]
fn quantiles_of_what_is_no_number() {
    let sketch = |values: &[f32]| {
        let bits: Vec<u64> = values.iter().map(|value| u64::from(value.to_bits())).collect();
        absorbed(AccumulatorKind::Sketch, DType::F32, &bits)
    };
    assert!(quantile(&sketch(&[]), 0.5).is_nan());
    assert!(quantile(&sketch(&[1.0, f32::NAN]), 0.5).is_nan());
    let made = sketch(&[f32::NEG_INFINITY, -0.0, 0.0, f32::MIN_POSITIVE / 8.0, f32::INFINITY]);
    let got: Vec<f64> = [0.0, 0.25, 0.5, 1.0].map(|q| quantile(&made, q)).to_vec();
    assert_eq!(got, [f64::NEG_INFINITY, 0.0, 0.0, f64::INFINITY]);
    let small = f64::from(f32::MIN_POSITIVE / 8.0);
    assert!((quantile(&made, 0.75) - small).abs() <= small / 256.0);
    let bytes = finished(&made, Finish::ApproxQuantile { bits: 1.0_f64.to_bits() }, DType::F16);
    assert_eq!(bytes, u64::from(half::f16::INFINITY.to_bits()));
}
