//! Exact sums and moments of floats are correctly rounded, for every input and output dtype.

use super::super::{accumulator::State, exact::rapid_statistic, finish::Total, round::FloatFormat};
use super::oracle::Sums;
use super::*;

const MOMENTS: AccumulatorKind = AccumulatorKind::Moments(SumMode::Exact);
const SUM: AccumulatorKind = AccumulatorKind::Sum(SumMode::Exact);

fn check_against_oracle(dtype: DType, bits: &[u64]) {
    let moments = absorbed(MOMENTS, dtype, bits);
    let sum = absorbed(SUM, dtype, bits);
    let oracle = Sums::new(dtype, bits);
    let (exponent_bits, mantissa_bits) = layout(dtype);
    let sign = 1 << (exponent_bits + mantissa_bits);
    let negative_zero = !bits.is_empty() && bits.iter().all(|bits| *bits == sign);
    for out in FLOATS {
        let zero_sign = if negative_zero { 1 << (layout(out).0 + layout(out).1) } else { 0 };
        let name = |what: &str| format!("{what} of {dtype} {bits:x?} into {out}");
        assert_eq!(finished(&sum, Finish::Sum, out), oracle.round_sum(out) | zero_sign, "{}", name("sum"));
        assert_eq!(finished(&moments, Finish::Sum, out), oracle.round_sum(out) | zero_sign, "{}", name("sum"));
        if !bits.is_empty() {
            assert_eq!(finished(&moments, Finish::Mean, out), oracle.round_mean(out) | zero_sign, "{}", name("mean"));
        }
        for ddof in [0, 1] {
            if oracle.count > ddof {
                let var = finished(&moments, Finish::Var { ddof }, out);
                assert_eq!(var, oracle.round_deviation(ddof, false, out), "{}", name("var"));
                let std = finished(&moments, Finish::Std { ddof }, out);
                assert_eq!(std, oracle.round_deviation(ddof, true, out), "{}", name("std"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn few_elements_match_the_oracle(
        (dtype, bits) in prop::sample::select(&FLOATS[..]).prop_flat_map(|dtype| (Just(dtype), finite_bits(dtype, 0..12)))
    ) {
        check_against_oracle(dtype, &bits);
    }

    #[test]
    fn runs_match_the_oracle(
        (dtype, bits) in prop::sample::select(&FLOATS[..]).prop_flat_map(|dtype| (Just(dtype), finite_bits(dtype, 12..400)))
    ) {
        check_against_oracle(dtype, &bits);
    }

    #[test]
    fn any_partition_order_and_merge_tree_gives_the_same_bytes(
        (dtype, bits) in prop::sample::select(&FLOATS[..]).prop_flat_map(|dtype| (Just(dtype), finite_bits(dtype, 1..120))),
        cuts in prop::collection::vec(1..40_usize, 1..20),
        picks in prop::collection::vec(any::<usize>(), 200),
        specials in 0..4_u8,
    ) {
        let mut bits = bits;
        let (exponent_bits, mantissa_bits) = layout(dtype);
        let infinity = ((1_u64 << exponent_bits) - 1) << mantissa_bits;
        let middle = bits.len() / 2;
        match specials {
            1 => bits.insert(middle, infinity | 1),
            2 => bits.insert(middle, infinity),
            3 => bits.insert(middle, infinity | 1 << (exponent_bits + mantissa_bits)),
            _ => {}
        }
        let whole = absorbed(MOMENTS, dtype, &bits).serialise();
        let mut shuffled = bits.clone();
        for (at, pick) in picks.iter().enumerate().take(shuffled.len()) {
            let with = pick % shuffled.len();
            shuffled.swap(at, with);
        }
        let mut parts = Vec::new();
        let mut rest = &shuffled[..];
        for cut in cuts.iter().cycle() {
            let (part, after) = rest.split_at(rest.len().min(*cut));
            parts.push(absorbed(MOMENTS, dtype, part));
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        let mut picks = picks.iter().cycle();
        while parts.len() > 1 {
            let other = parts.swap_remove(picks.next().unwrap() % parts.len());
            let other = Accumulator::deserialise(&other.serialise()).unwrap();
            let into = picks.next().unwrap() % parts.len();
            parts[into].merge_run(0, &other, 0, 1);
        }
        prop_assert_eq!(parts[0].serialise(), whole);
    }

    #[test]
    fn subtraction_leaves_what_was_not_taken_out(
        (dtype, bits) in prop::sample::select(&FLOATS[..]).prop_flat_map(|dtype| (Just(dtype), finite_bits(dtype, 2..60))),
        cut in 1..40_usize,
    ) {
        let (head, tail) = bits.split_at(cut.min(bits.len() - 1));
        let mut all = absorbed(MOMENTS, dtype, &bits);
        all.subtract_run(0, &absorbed(MOMENTS, dtype, head), 0, 1).unwrap();
        let left = absorbed(MOMENTS, dtype, tail);
        for (what, ignore_sign) in [(Finish::Sum, true), (Finish::Var { ddof: 0 }, false), (Finish::Mean, true)] {
            let (mut a, mut b) = (finished(&all, what, DType::F64), finished(&left, what, DType::F64));
            if ignore_sign && (a | b) << 1 == 0 {
                (a, b) = (0, 0);
            }
            prop_assert_eq!(a, b);
        }
        all.subtract_run(0, &left, 0, 1).unwrap();
        prop_assert_eq!(all.serialise(), Accumulator::new(MOMENTS, dtype, 1).unwrap().serialise());
        prop_assert!(all.subtract_run(0, &left, 0, 1).is_err());
    }
}

#[test]
fn long_tiles_match_the_oracle() {
    let mut generator = Draw(1);
    let mut draw = || generator.next() >> 11;
    for (count, spread) in [(8192, 1), (8192, 12), (5000, 30), (2049, 60)] {
        let values: Vec<f64> = (0..count).map(|_| (draw() as f64 - 2_f64.powi(52)) * 2_f64.powi((draw() % spread) as i32 - 60)).collect();
        check_against_oracle(DType::F64, &f64_bits(&values));
        let narrow: Vec<u64> = values.iter().map(|value| u64::from((*value as f32).to_bits())).collect();
        check_against_oracle(DType::F32, &narrow);
    }
}

/// All elements at the edge of a binade, as many as a tile holds: the counts' largest case.
#[test]
fn the_largest_counts_do_not_overflow() {
    for value in [f64::from(f32::MAX), f64::from(-f32::MAX), 1.0 + f64::EPSILON, -(2.0 - f64::EPSILON), f64::MAX, 5e-324] {
        check_against_oracle(DType::F64, &vec![value.to_bits(); 8192]);
    }
    for value in [f32::MAX, -f32::MAX, 1.0 + f32::EPSILON, f32::from_bits(1)] {
        check_against_oracle(DType::F32, &vec![u64::from(value.to_bits()); 8192]);
    }
    for bits in [0x7bff, 0xfbff, 1, 0x3c01] {
        check_against_oracle(DType::F16, &vec![bits; 8192]);
    }
    for bits in [0x7f7f, 0xff7f, 1, 0x3f81] {
        check_against_oracle(DType::BF16, &vec![bits; 8192]);
    }
}

#[test]
fn known_sums() {
    let cases: [(&[f64], f64); 14] = [
        (&[], 0.0),
        (&[-0.0, -0.0], -0.0),
        (&[-0.0, 0.0], 0.0),
        (&[1.0, -1.0], 0.0),
        (&[-1.0], -1.0),
        (&[-f64::MAX], -f64::MAX),
        (&[1e308, 1e308, -1e308], 1e308),
        (&[f64::MAX, f64::MAX], f64::INFINITY),
        (&[1.0, 1e100, 1.0, 1e50, -1e100, -1e50], 2.0),
        (&[1.0, 1.1102230246251565e-16, 1.232595164407831e-32], 1.0000000000000002),
        (&[f64::INFINITY, 1.0], f64::INFINITY),
        (&[f64::NEG_INFINITY, f64::MAX, f64::MAX], f64::NEG_INFINITY),
        (&[f64::MAX, 9.979201547673598e291], f64::MAX),
        (&[f64::MAX, 9.9792015476736e291], f64::INFINITY),
    ];
    for (values, want) in cases {
        assert_eq!(sum_f64(SumMode::Exact, values).to_bits(), want.to_bits(), "{values:?}");
    }
    for values in [&[f64::INFINITY, f64::NEG_INFINITY][..], &[-f64::NAN, 1.0, 2.0, 3.0, 4.0, 5.0]] {
        assert_eq!(sum_f64(SumMode::Exact, values).to_bits(), 0x7ff8_0000_0000_0000, "{values:?}");
    }
}

/// The exact sum lies just above a tie of f32 (of f16): by way of f64 it would round to the tie, then to even.
#[test]
fn narrow_results_round_once() {
    let sum = absorbed(SUM, DType::F64, &f64_bits(&[1.0, 2_f64.powi(-24), 2_f64.powi(-80)]));
    assert_eq!(finished(&sum, Finish::Sum, DType::F32), u64::from((1.0 + f32::EPSILON).to_bits()));
    let sum = absorbed(SUM, DType::F64, &f64_bits(&[1.0, 2_f64.powi(-11), 2_f64.powi(-60)]));
    assert_eq!(finished(&sum, Finish::Sum, DType::F16), 0x3c01);
    let sum = absorbed(SUM, DType::F64, &f64_bits(&[1.0, 2_f64.powi(-8), 2_f64.powi(-70)]));
    assert_eq!(finished(&sum, Finish::Sum, DType::BF16), 0x3f81);
}

#[test]
fn means_and_deviations_of_hard_cases() {
    let f64_of = |values: &[f64], what| f64::from_bits(finished(&absorbed(MOMENTS, DType::F64, &f64_bits(values)), what, DType::F64));
    assert_eq!(f64_of(&[1e308, 1e308], Finish::Mean), 1e308);
    assert_eq!(f64_of(&[1e200, -1e200], Finish::Std { ddof: 0 }), 1e200);
    assert_eq!(f64_of(&[1e200, -1e200], Finish::Var { ddof: 0 }), f64::INFINITY);
    assert_eq!(f64_of(&[1e-200, -1e-200], Finish::Std { ddof: 0 }), 1e-200);
    assert_eq!(f64_of(&[0.1; 37], Finish::Var { ddof: 1 }), 0.0);
    assert_eq!(f64_of(&[0.1; 37], Finish::Mean), 0.1);
    for (values, what) in [
        (&[][..], Finish::Mean),
        (&[], Finish::Var { ddof: 0 }),
        (&[1.0], Finish::Var { ddof: 1 }),
        (&[1.0, f64::INFINITY], Finish::Std { ddof: 0 }),
    ] {
        assert_eq!(f64_of(values, what).to_bits(), 0x7ff8_0000_0000_0000, "{values:?} {what:?}");
    }
}

/// Around the ends of pieces, and of what a plain piece of one, four and sixteen sums holds.
#[test]
fn long_runs_are_exact_whatever_their_spread() {
    let mut generator = Draw(9);
    let mut next = || generator.next() >> 20;
    for count in [8191, 8192, 8193, 20_000] {
        for spread in 6..30 {
            let values: Vec<i64> = (0..count)
                .map(|_| {
                    let odd = (next() & 0x00ff_ffff | 0x0080_0001) as i64;
                    (if next() % 2 == 0 { odd } else { -odd }) << (next() % spread)
                })
                .collect();
            let bits: Vec<u64> = values.iter().map(|value| u64::from((*value as f32).to_bits())).collect();
            let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
            let got = finished(&absorbed(AccumulatorKind::Sum(SumMode::Exact), DType::F32, &bits), Finish::Sum, DType::F64);
            assert_eq!(f64::from_bits(got), sum as f64, "{count} elements over {spread} powers of two");
        }
    }
}

/// What is finished with a few floats is what big integers say, wherever it is certain, and it mostly is.
#[test]
fn quick_results_are_those_of_big_integers() {
    let mut draw = Draw(11);
    let (mut quick, mut all) = (0, 0);
    for round in 0..6000 {
        let dtype = FLOATS[round % 4];
        let format = FloatFormat::of(dtype).unwrap();
        let (exponent_bits, mantissa_bits) = layout(dtype);
        let spread = [1, 2, 4, 12][draw.next() as usize % 4];
        let kept = [u64::MAX, 0, 7, 1 << (mantissa_bits - 1)][draw.next() as usize % 4];
        let signs = draw.next() % 3;
        let bits: Vec<u64> = (0..1 + draw.next() % 70)
            .map(|_| {
                let exponent = (1 << (exponent_bits - 1)) - 3 + draw.next() % spread;
                let sign = if signs == 0 { draw.next() & 1 } else { signs - 1 };
                sign << (exponent_bits + mantissa_bits) | exponent << mantissa_bits | draw.next() >> 3 & kept & ((1 << mantissa_bits) - 1)
            })
            .collect();
        let made = absorbed(AccumulatorKind::Moments(SumMode::Exact), dtype, &bits);
        let (Total::Finite(sum), Some(squares), count) = (made.total(0), made.squares(0), bits.len() as u64) else { unreachable!() };
        let deviation = sum.deviation(&squares, count);
        for ddof in [0, 1] {
            let divisor = u128::from(count) * u128::from(count - ddof);
            if divisor == 0 {
                continue;
            }
            let (var, std) = if deviation.is_zero() {
                (format.zero(false), format.zero(false))
            } else {
                (deviation.round(divisor, format), deviation.round_sqrt(divisor, format))
            };
            let wanted = [
                (Finish::Sum, sum.round(1, format)),
                (Finish::Mean, sum.round(u128::from(count), format)),
                (Finish::Norm, squares.round_sqrt(1, format)),
                (Finish::Var { ddof }, var),
                (Finish::Std { ddof }, std),
            ];
            for (what, wanted) in wanted {
                assert_eq!(finished(&made, what, dtype), wanted, "{what:?} of {dtype}: {bits:x?}");
                let State::Exact(state) = &made.state else { unreachable!() };
                let found = rapid_statistic(state, what, format, 0);
                assert!(found.is_none_or(|found| found == wanted), "{what:?} of {dtype}: {bits:x?}");
                quick += usize::from(found.is_some());
                all += 1;
            }
        }
    }
    assert!(quick * 4 > all * 3, "{quick} of {all}");
}
