//! Integers and bools, extremes, truths and indices.

use super::oracle::Sums;
use super::*;

/// The value of an integer or bool element.
pub(super) fn integer(dtype: DType, bits: u64) -> i128 {
    match dtype {
        DType::Bool => i128::from(bits as u8 != 0),
        DType::I8 => i128::from(bits as i8),
        DType::I16 => i128::from(bits as i16),
        DType::I32 => i128::from(bits as i32),
        DType::I64 => i128::from(bits as i64),
        DType::U8 => i128::from(bits as u8),
        DType::U16 => i128::from(bits as u16),
        DType::U32 => i128::from(bits as u32),
        _ => i128::from(bits),
    }
}

fn whole_bits() -> impl Strategy<Value = (DType, Vec<u64>)> {
    let element = prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), Just(1_u64 << 63), Just((1 << 63) - 1), 0..9_u64];
    (prop::sample::select(&WHOLES[..]), prop::collection::vec(element, 1..300))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn integer_statistics_match_the_oracle((dtype, bits) in whole_bits()) {
        let moments = absorbed(AccumulatorKind::Moments(SumMode::Neumaier), dtype, &bits);
        let values = bits.iter().map(|bits| integer(dtype, *bits));
        let oracle = Sums::of_integers(values.clone());
        for out in [DType::F64, DType::F32] {
            prop_assert_eq!(finished(&moments, Finish::Sum, out), oracle.round_sum(out));
            prop_assert_eq!(finished(&moments, Finish::Mean, out), oracle.round_mean(out));
            prop_assert_eq!(finished(&moments, Finish::Var { ddof: 0 }, out), oracle.round_deviation(0, false, out));
            prop_assert_eq!(finished(&moments, Finish::Std { ddof: 0 }, out), oracle.round_deviation(0, true, out));
        }
        let sum: i128 = values.sum();
        let mut out = [0; 8];
        let fits = moments.finish(Finish::Sum, DType::I64, 0, 1, &mut out);
        match i64::try_from(sum) {
            Ok(sum) => prop_assert_eq!(i64::from_ne_bytes(out), sum),
            Err(_) => prop_assert!(fits.unwrap_err().to_string().contains(&sum.to_string())),
        }
        let fits = moments.finish(Finish::Sum, DType::U64, 0, 1, &mut out);
        match u64::try_from(sum) {
            Ok(sum) => prop_assert_eq!(u64::from_ne_bytes(out), sum),
            Err(_) => prop_assert!(fits.unwrap_err().to_string().contains(&sum.to_string())),
        }
    }

    #[test]
    fn integer_extremes_and_counts((dtype, bits) in whole_bits()) {
        let values: Vec<i128> = bits.iter().map(|bits| integer(dtype, *bits)).collect();
        let got = |kind, what, out| finished(&absorbed(kind, dtype, &bits), what, out);
        prop_assert_eq!(integer(dtype, got(AccumulatorKind::Min, Finish::Min, dtype)), *values.iter().min().unwrap());
        prop_assert_eq!(integer(dtype, got(AccumulatorKind::Max, Finish::Max, dtype)), *values.iter().max().unwrap());
        let nonzero = values.iter().filter(|value| **value != 0).count() as u64;
        prop_assert_eq!(got(AccumulatorKind::CountNonzero, Finish::CountNonzero, DType::I64), nonzero);
        prop_assert_eq!(got(AccumulatorKind::Any, Finish::Any, DType::Bool), u64::from(nonzero > 0));
        prop_assert_eq!(got(AccumulatorKind::All, Finish::All, DType::Bool), u64::from(nonzero as usize == values.len()));
        let first = values.iter().position(|value| *value == 0).map_or(-1, |at| at as i64);
        prop_assert_eq!(got(AccumulatorKind::FirstFalse, Finish::FirstFalse, DType::I64) as i64, first);
    }

    #[test]
    fn float_extremes_follow_total_order(
        (dtype, bits) in prop::sample::select(&FLOATS[..]).prop_flat_map(|dtype| (Just(dtype), finite_bits(dtype, 1..200))),
        nan in any::<Option<prop::sample::Index>>(), negative in any::<bool>(),
    ) {
        let (exponent_bits, mantissa_bits) = layout(dtype);
        let (sign, infinity) = (1_u64 << (exponent_bits + mantissa_bits), ((1_u64 << exponent_bits) - 1) << mantissa_bits);
        // Magnitudes order as their bits do.
        let order = |bits: &u64| if bits & sign != 0 { -((bits ^ sign) as i128) - 1 } else { i128::from(*bits) };
        let mut want = (*bits.iter().min_by_key(|b| order(b)).unwrap(), *bits.iter().max_by_key(|b| order(b)).unwrap());
        let mut bits = bits;
        if let Some(at) = nan {
            let at = at.index(bits.len());
            bits[at] = infinity | 1 | if negative { sign } else { 0 };
            want = (infinity | 1 << (mantissa_bits - 1), infinity | 1 << (mantissa_bits - 1));
        }
        prop_assert_eq!(finished(&absorbed(AccumulatorKind::Min, dtype, &bits), Finish::Min, dtype), want.0);
        prop_assert_eq!(finished(&absorbed(AccumulatorKind::Max, dtype, &bits), Finish::Max, dtype), want.1);
    }
}

#[test]
fn truth_of_floats_is_numpys() {
    for dtype in FLOATS {
        let (exponent_bits, mantissa_bits) = layout(dtype);
        let (sign, infinity) = (1_u64 << (exponent_bits + mantissa_bits), ((1_u64 << exponent_bits) - 1) << mantissa_bits);
        let bits = [infinity | 1, 1, infinity, sign | 1, sign, 0];
        let count = absorbed(AccumulatorKind::CountNonzero, dtype, &bits);
        assert_eq!(finished(&count, Finish::CountNonzero, DType::I64), 4, "{dtype}");
        let first = absorbed(AccumulatorKind::FirstFalse, dtype, &bits);
        assert_eq!(finished(&first, Finish::FirstFalse, DType::I64), 4, "{dtype}");
        assert_eq!(finished(&absorbed(AccumulatorKind::All, dtype, &bits[..4]), Finish::All, DType::Bool), 1, "{dtype}");
        assert_eq!(finished(&absorbed(AccumulatorKind::Any, dtype, &bits[4..]), Finish::Any, DType::Bool), 0, "{dtype}");
    }
}

#[test]
fn long_runs_of_bytes_are_counted() {
    let bits = vec![7; 8192];
    for (dtype, bits) in [(DType::Bool, &bits), (DType::U8, &bits)] {
        let count = absorbed(AccumulatorKind::CountNonzero, dtype, bits);
        assert_eq!(finished(&count, Finish::CountNonzero, DType::I64), 8192);
    }
}

#[test]
fn nothing_has_no_extremes_but_the_others() {
    for dtype in DType::ALL {
        let mut out = [0; 8];
        let empty = |kind| Accumulator::new(kind, dtype, 1).unwrap();
        let error = empty(AccumulatorKind::Min).finish(Finish::Min, dtype, 0, 1, &mut out[..dtype.size()]).unwrap_err();
        assert!(error.to_string().contains("minimum of no elements"), "{error}");
        assert!(empty(AccumulatorKind::Max).finish(Finish::Max, dtype, 0, 1, &mut out[..dtype.size()]).is_err());
        assert_eq!(finished(&empty(AccumulatorKind::Any), Finish::Any, DType::Bool), 0);
        assert_eq!(finished(&empty(AccumulatorKind::All), Finish::All, DType::Bool), 1);
        assert_eq!(finished(&empty(AccumulatorKind::FirstFalse), Finish::FirstFalse, DType::I64) as i64, -1);
        assert_eq!(finished(&empty(AccumulatorKind::Sum(SumMode::Exact)), Finish::Sum, DType::F64), 0);
    }
}
