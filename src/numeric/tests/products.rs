//! Exact sums of products against the oracle: dot products, weighted means, covariances, correlations and higher moments.

use super::oracle::{fixed, round};
use super::*;
use crate::ErrorKind;
use crate::numeric::Statistic;
use crate::numeric::axes::Baseline;
use num_bigint::BigInt;

const PAIRS: [AccumulatorKind; 3] = [AccumulatorKind::Dot, AccumulatorKind::Weighted, AccumulatorKind::Comoments];

fn paired(kind: AccumulatorKind, dtype: DType, a: &[u64], b: &[u64]) -> Accumulator {
    let mut made = Accumulator::new(kind, dtype, 1).unwrap();
    made.absorb_pair::<Baseline>(&bytes_of(dtype, a), &bytes_of(dtype, b), &[reduced(a.len())], 0);
    made
}

fn statistic(accumulator: &Accumulator, what: Statistic, dtype: DType) -> u64 {
    let mut out = vec![0; dtype.size()];
    accumulator.finish_statistic(what, dtype, 0, 1, &mut out).unwrap();
    bits_of(&out)
}

/// `numerator / denominator`, or the root of it with the sign of `like`, as the oracle rounds it; NaN where it does not exist.
fn ratio(numerator: BigInt, denominator: BigInt, root: Option<&BigInt>, dtype: DType) -> u64 {
    let (exponent_bits, mantissa_bits) = layout(dtype);
    let zero = BigInt::ZERO;
    if denominator == zero {
        return ((1 << exponent_bits) - 1) << mantissa_bits | 1 << (mantissa_bits - 1);
    }
    let (numerator, denominator) = if denominator < zero { (-numerator, -denominator) } else { (numerator, denominator) };
    let negative = root.is_some_and(|like| *like < zero);
    round(&numerator, &denominator, root.is_some(), dtype) | u64::from(negative) << (exponent_bits + mantissa_bits)
}

fn one() -> BigInt {
    BigInt::from(1) << 1100
}

struct Sides {
    count: BigInt,
    sums: [BigInt; 2],
    squares: [BigInt; 2],
    products: BigInt,
}

impl Sides {
    fn new(dtype: DType, a: &[u64], b: &[u64]) -> Self {
        let [x, y] = [a, b].map(|bits| bits.iter().map(|bits| fixed(dtype, *bits)).collect::<Vec<_>>());
        Self {
            count: BigInt::from(a.len()),
            sums: [x.iter().sum(), y.iter().sum()],
            squares: [&x, &y].map(|side| side.iter().map(|value| value * value).sum()),
            products: x.iter().zip(&y).map(|(x, y)| x * y).sum(),
        }
    }

    fn joint(&self) -> BigInt {
        &self.count * &self.products - &self.sums[0] * &self.sums[1]
    }

    fn deviation(&self, side: usize) -> BigInt {
        &self.count * &self.squares[side] - &self.sums[side] * &self.sums[side]
    }
}

fn check_pairs(dtype: DType, a: &[u64], b: &[u64]) {
    let sides = Sides::new(dtype, a, b);
    let [dot, weighted, comoments] = PAIRS.map(|kind| paired(kind, dtype, a, b));
    for out in FLOATS {
        let name = format!("{dtype} {a:x?} {b:x?} into {out}");
        if sides.products != BigInt::ZERO {
            assert_eq!(statistic(&dot, Statistic::Dot, out), ratio(sides.products.clone(), one() * one(), None, out), "dot {name}");
            let want = ratio(sides.products.clone(), &sides.sums[1] * one(), None, out);
            assert_eq!(statistic(&weighted, Statistic::WeightedMean, out), want, "weighted mean {name}");
        }
        let divisor = &sides.count * (&sides.count - 1) * one() * one();
        assert_eq!(statistic(&comoments, Statistic::Cov { ddof: 1 }, out), ratio(sides.joint(), divisor, None, out), "cov {name}");
        let (joint, both) = (sides.joint(), sides.deviation(0) * sides.deviation(1));
        let want = ratio(&joint * &joint, both, Some(&joint), out);
        assert_eq!(statistic(&comoments, Statistic::Corr, out), want, "corr {name}");
    }
}

fn check_powers(dtype: DType, bits: &[u64]) {
    let values: Vec<BigInt> = bits.iter().map(|bits| fixed(dtype, *bits)).collect();
    let sum = |power: u32| values.iter().map(|value| value.pow(power)).sum::<BigInt>();
    let (n, s1, s2, s3, s4) = (BigInt::from(bits.len()), sum(1), sum(2), sum(3), sum(4));
    let deviation = &n * &s2 - &s1 * &s1;
    let third = &n * &n * &s3 - BigInt::from(3) * &n * &s1 * &s2 + BigInt::from(2) * &s1 * &s1 * &s1;
    let fourth = &n * &n * &n * &s4 - BigInt::from(4) * &n * &n * &s1 * &s3 + BigInt::from(6) * &n * &s1 * &s1 * &s2
        - BigInt::from(3) * &s1 * &s1 * &s1 * &s1;
    let made = absorbed(AccumulatorKind::Powers, dtype, bits);
    for out in FLOATS {
        let want = ratio(&third * &third, deviation.pow(3), Some(&third), out);
        assert_eq!(statistic(&made, Statistic::Skew, out), want, "skew {dtype} {bits:x?} {out}");
        let want = ratio(&fourth - BigInt::from(3) * &deviation * &deviation, &deviation * &deviation, None, out);
        assert_eq!(statistic(&made, Statistic::Kurtosis, out), want, "kurtosis {dtype} {bits:x?} {out}");
    }
    let moments = absorbed(AccumulatorKind::Moments(SumMode::Exact), dtype, bits);
    for out in FLOATS {
        let want = ratio(s2.clone(), one() * one(), Some(&BigInt::ZERO), out);
        assert_eq!(statistic(&moments, Statistic::Norm, out), want, "norm {dtype} {bits:x?} {out}");
    }
}

fn two_sides() -> impl Strategy<Value = (DType, Vec<u64>, Vec<u64>)> {
    prop::sample::select(&FLOATS[..]).prop_flat_map(|dtype| {
        (Just(dtype), finite_bits(dtype, 1..40), finite_bits(dtype, 1..40)).prop_map(|(dtype, mut a, mut b)| {
            let count = a.len().min(b.len());
            a.truncate(count);
            b.truncate(count);
            (dtype, a, b)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pairs_match_the_oracle((dtype, a, b) in two_sides()) {
        check_pairs(dtype, &a, &b);
        check_pairs(dtype, &a, &a);
    }

    #[test]
    fn powers_match_the_oracle((dtype, bits) in prop::sample::select(&FLOATS[..]).prop_flat_map(|dtype| (Just(dtype), finite_bits(dtype, 1..20)))) {
        check_powers(dtype, &bits);
    }

    #[test]
    fn any_cut_gives_the_same_bytes((dtype, a, b) in two_sides(), cut in any::<usize>()) {
        let cut = cut % (a.len() + 1);
        for kind in PAIRS {
            let whole = paired(kind, dtype, &a, &b);
            let (mut first, second) = (paired(kind, dtype, &a[..cut], &b[..cut]), paired(kind, dtype, &a[cut..], &b[cut..]));
            first.merge_run(0, &Accumulator::deserialise(&second.serialise()).unwrap(), 0, 1);
            prop_assert_eq!(first.serialise(), whole.serialise(), "{:?} {}", kind, dtype);
            first.subtract_run(0, &second, 0, 1).unwrap();
            let left = paired(kind, dtype, &a[..cut], &b[..cut]);
            // A zero that is left has no sign.
            if a[..cut].iter().chain(&b[..cut]).all(|bits| bits << (64 - 8 * dtype.size() + 1) != 0) {
                prop_assert_eq!(first.serialise(), left.serialise(), "{:?} {}", kind, dtype);
            }
        }
        let mut first = absorbed(AccumulatorKind::Powers, dtype, &a[..cut]);
        first.merge_run(0, &absorbed(AccumulatorKind::Powers, dtype, &a[cut..]), 0, 1);
        prop_assert_eq!(first.serialise(), absorbed(AccumulatorKind::Powers, dtype, &a).serialise());
    }
}

/// Boxes of several axes, longer than what is multiplied at a time.
#[test]
fn boxes_of_pairs_equal_their_elements() {
    let axis = |length, output_step| TileAxis { length, output_step, index_step: 0 };
    for (axes, outputs) in [
        (vec![axis(3000, 0)], 1),
        (vec![axis(70, 0), axis(40, 1)], 40),
        (vec![axis(5, 400), axis(7, 0), axis(400, 1)], 2000),
        (vec![axis(3, 1), axis(1500, 0)], 3),
    ] {
        let elements: usize = axes.iter().map(|axis| axis.length).product();
        let values = |seed: usize| (0..elements).map(|at| ((at * seed % 1013) as f64 - 500.0).to_bits()).collect::<Vec<_>>();
        let (a, b) = (bytes_of(DType::F64, &values(37)), bytes_of(DType::F64, &values(91)));
        let (mut whole, mut single) = (
            Accumulator::new(AccumulatorKind::Comoments, DType::F64, outputs).unwrap(),
            Accumulator::new(AccumulatorKind::Comoments, DType::F64, outputs).unwrap(),
        );
        whole.absorb_pair::<Baseline>(&a, &b, &axes, 0);
        for (at, (a, b)) in a.chunks(8).zip(b.chunks(8)).enumerate() {
            let (mut rest, mut output) = (at, 0);
            for axis in axes.iter().rev() {
                output += (rest % axis.length) as i64 * axis.output_step;
                rest /= axis.length;
            }
            single.absorb_pair::<Baseline>(a, b, &[], output as usize);
        }
        assert_eq!(whole.serialise(), single.serialise(), "{axes:?}");
    }
}

#[test]
fn what_is_not_finite_and_what_does_not_exist() {
    let bits = |values: &[f64]| f64_bits(values);
    let of = |kind, a: &[f64], b: &[f64], what| f64::from_bits(statistic(&paired(kind, DType::F64, &bits(a), &bits(b)), what, DType::F64));
    assert_eq!(of(AccumulatorKind::Dot, &[1e200, 1e-200, 3.0], &[1e200, 1e-200, 4.0], Statistic::Dot), f64::INFINITY);
    assert_eq!(of(AccumulatorKind::Dot, &[1e200, -1e200, 3.0], &[1e200, 1e200, 4.0], Statistic::Dot), 12.0);
    assert_eq!(of(AccumulatorKind::Dot, &[1e-200, 3.0], &[1e-200, 0.0], Statistic::Dot), 0.0);
    assert_eq!(of(AccumulatorKind::Dot, &[f64::INFINITY, 3.0], &[-2.0, 4.0], Statistic::Dot), f64::NEG_INFINITY);
    assert!(of(AccumulatorKind::Dot, &[f64::INFINITY, 3.0], &[0.0, 4.0], Statistic::Dot).is_nan());
    assert!(of(AccumulatorKind::Comoments, &[f64::INFINITY, 3.0], &[1.0, 4.0], Statistic::Corr).is_nan());
    assert!(of(AccumulatorKind::Comoments, &[2.0, 2.0], &[1.0, 4.0], Statistic::Corr).is_nan());
    assert!(of(AccumulatorKind::Comoments, &[2.0], &[1.0], Statistic::Cov { ddof: 1 }).is_nan());
    assert!(of(AccumulatorKind::Weighted, &[2.0, 1.0], &[1.0, -1.0], Statistic::WeightedMean).is_nan());
    assert_eq!(of(AccumulatorKind::Comoments, &[0.1, 0.2, 0.7], &[-0.1, -0.2, -0.7], Statistic::Corr), -1.0);
    let norm = |values: &[f64]| {
        f64::from_bits(statistic(
            &absorbed(AccumulatorKind::Moments(SumMode::Exact), DType::F64, &bits(values)),
            Statistic::Norm,
            DType::F64,
        ))
    };
    let [large, small] = [2_f64.powi(700), 2_f64.powi(-700)];
    let norms = [norm(&[3.0 * large, 4.0 * large]), norm(&[3.0 * small, 4.0 * small]), norm(&[])];
    assert_eq!(norms, [5.0 * large, 5.0 * small, 0.0]);
    assert_eq!(norm(&[f64::INFINITY, f64::NEG_INFINITY]), f64::INFINITY);
    assert!(norm(&[f64::INFINITY, f64::NAN]).is_nan());
    let made = absorbed(AccumulatorKind::Powers, DType::F32, &[0x3f80_0000; 9]);
    assert!(f64::from_bits(statistic(&made, Statistic::Skew, DType::F64)).is_nan());
    let error = made.finish_statistic(Statistic::Corr, DType::F64, 0, 1, &mut [0; 8]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(Accumulator::new(AccumulatorKind::Dot, DType::I32, 1).unwrap_err().kind(), ErrorKind::Usage);
}
