//! The other modes keep their bounds, their special values and constants.

use super::*;

fn magnitude(values: &[f64]) -> f64 {
    values.iter().map(|value| value.abs()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn errors_stay_below_the_documented_bounds(
        values in prop::collection::vec((-1e3..1e3_f64, -30..30_i32), 1..3000),
    ) {
        let values: Vec<f64> = values.into_iter().map(|(value, exponent)| value * 2_f64.powi(exponent)).collect();
        let exact = sum_f64(SumMode::Exact, &values);
        let (unit, total, count) = (f64::EPSILON / 2.0, magnitude(&values), values.len() as f64);
        for (mode, bound) in [
            (SumMode::Neumaier, 3.0 * unit * exact.abs() + count * count * unit * unit * total),
            (SumMode::Kahan, 3.0 * unit * total),
            (SumMode::Pairwise, 128.0 * unit * total),
            (SumMode::Naive, count * unit * total),
        ] {
            let error = (sum_f64(mode, &values) - exact).abs();
            prop_assert!(error <= bound, "{mode:?}: {error} above {bound}");
        }
    }

    #[test]
    fn narrow_elements_stay_within_their_units(values in prop::collection::vec(any::<f32>().prop_filter("finite", |x| x.is_finite()), 1..2000)) {
        let bits: Vec<u64> = values.iter().map(|value| u64::from(value.to_bits())).collect();
        let of = |mode| f64::from_bits(finished(&absorbed(AccumulatorKind::Sum(mode), DType::F32, &bits), Finish::Sum, DType::F64));
        let total: f64 = values.iter().map(|value| f64::from(value.abs())).sum();
        for mode in [SumMode::Neumaier, SumMode::Kahan] {
            prop_assert!((of(mode) - of(SumMode::Exact)).abs() <= 65.0 * f64::EPSILON * total);
        }
    }
}

#[test]
fn special_values_survive() {
    for mode in MODES {
        assert_eq!(sum_f64(mode, &[]).to_bits(), 0);
        assert_eq!(sum_f64(mode, &[-0.0; 40]).to_bits(), (-0.0_f64).to_bits(), "{mode:?}");
        assert_eq!(sum_f64(mode, &[0.0, -0.0]).to_bits(), 0, "{mode:?}");
        for at in [0, 7, 399] {
            for infinity in [f64::INFINITY, f64::NEG_INFINITY] {
                let mut values = vec![0.1; 400];
                values[at] = infinity;
                assert_eq!(sum_f64(mode, &values), infinity, "{mode:?}");
                values[200] = -infinity;
                assert_eq!(sum_f64(mode, &values).to_bits(), 0x7ff8_0000_0000_0000, "{mode:?}");
            }
        }
    }
}

/// Nothing where a pair holds the sums of squares; as little as the mode promises elsewhere.
#[test]
fn constants_vary_by_nothing_or_little() {
    for mode in MODES {
        for value in [0.1, -1e10 / 3.0, 7.0, 1e-3] {
            for count in [1_usize, 2, 37, 5000] {
                let narrow = value as f32;
                let moments = absorbed(AccumulatorKind::Moments(mode), DType::F32, &vec![u64::from(narrow.to_bits()); count]);
                let var = f64::from_bits(finished(&moments, Finish::Var { ddof: 0 }, DType::F64));
                let few = if matches!(mode, SumMode::Exact | SumMode::Neumaier) { 0.0 } else { 1e-12 };
                assert!(var <= few * value * value, "{mode:?} f32 {value} {count}: {var}");
                let moments = absorbed(AccumulatorKind::Moments(mode), DType::F64, &vec![f64::to_bits(value); count]);
                let var = f64::from_bits(finished(&moments, Finish::Var { ddof: 0 }, DType::F64));
                let few = match mode {
                    SumMode::Exact => 0.0,
                    SumMode::Neumaier => 1e-28,
                    _ => 1e-12,
                };
                assert!(var <= few * value * value, "{mode:?} f64 {value} {count}: {var}");
            }
        }
    }
}

#[test]
fn deviations_are_close_and_never_negative() {
    let values: Vec<f64> = (0..5000).map(|at| 1e8 + f64::from(at % 7)).collect();
    let exact = absorbed(AccumulatorKind::Moments(SumMode::Exact), DType::F64, &f64_bits(&values));
    let want = f64::from_bits(finished(&exact, Finish::Std { ddof: 1 }, DType::F64));
    for mode in MODES {
        let moments = absorbed(AccumulatorKind::Moments(mode), DType::F64, &f64_bits(&values));
        let got = f64::from_bits(finished(&moments, Finish::Std { ddof: 1 }, DType::F64));
        let tolerance = if matches!(mode, SumMode::Naive | SumMode::Pairwise | SumMode::Kahan) { 10.0 } else { 1e-12 };
        assert!((got - want).abs() <= tolerance && got >= 0.0, "{mode:?}: {got} for {want}");
    }
}

/// A compensation of an infinity is none: the norm of what is infinite, or overflows, is infinite.
#[test]
fn norms_of_infinities_are_infinite() {
    for mode in [SumMode::Neumaier, SumMode::Kahan, SumMode::Pairwise, SumMode::Naive] {
        for values in [[f64::INFINITY, 1.0].as_slice(), &[1e200, 1e200], &[1.0, -1e200, 2.0]] {
            let moments = absorbed(AccumulatorKind::Moments(mode), DType::F64, &f64_bits(values));
            assert_eq!(f64::from_bits(finished(&moments, Finish::Norm, DType::F64)), f64::INFINITY, "{mode:?} {values:?}");
        }
    }
}

/// A long run that is cut gives the bits of tiles of that length, one after the other.
#[test]
fn long_runs_are_cut_where_tiles_would_end() {
    let mut draw = Draw(7);
    for dtype in FLOATS {
        let (exponent_bits, mantissa_bits) = layout(dtype);
        let mut element = || {
            let (bits, exponent) = (draw.next(), (1 << (exponent_bits - 1)) - 4 + draw.next() % 8);
            (bits & 1) << (exponent_bits + mantissa_bits) | exponent << mantissa_bits | bits >> 3 & ((1 << mantissa_bits) - 1)
        };
        let bits: Vec<u64> = (0..10_007).map(|_| element()).collect();
        for kind in MODES.into_iter().flat_map(|mode| [AccumulatorKind::Sum(mode), AccumulatorKind::Moments(mode)]) {
            for cut in [48, 640, 9000] {
                let mut whole = Accumulator::new(kind, dtype, 1).unwrap();
                whole.cut_runs(cut);
                whole.absorb_baseline(&bytes_of(dtype, &bits), &[reduced(bits.len())], 0, 0);
                let mut tiles = Accumulator::new(kind, dtype, 1).unwrap();
                for piece in bits.chunks(cut) {
                    tiles.absorb_baseline(&bytes_of(dtype, piece), &[reduced(piece.len())], 0, 0);
                }
                assert_eq!(whole.serialise(), tiles.serialise(), "{kind:?} of {dtype}, cut at {cut}");
            }
        }
    }
}
