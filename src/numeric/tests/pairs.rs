//! Sums over pairs against the oracle of big integers.

use super::oracle::{fixed, round};
use super::plain::integer;
use super::*;
use crate::numeric::axes::Baseline;
use num_bigint::BigInt;

const DOT: AccumulatorKind = AccumulatorKind::Dot(SumMode::Exact);
const WEIGHTED: AccumulatorKind = AccumulatorKind::Weighted(SumMode::Exact);
const COMOMENTS: AccumulatorKind = AccumulatorKind::Comoments(SumMode::Exact);

fn paired(kind: AccumulatorKind, dtype: DType, left: &[u64], right: &[u64]) -> Accumulator {
    let mut made = Accumulator::new(kind, dtype, 1).unwrap();
    let sides = [left, right].map(|bits| bytes_of(dtype, bits));
    let sides = [&sides[0], &sides[1]].map(|tile| Side { tile, uniform: false });
    made.absorb_pairs::<Baseline>(sides, &[reduced(left.len())], 0);
    made
}

fn of_f64(kind: AccumulatorKind, what: Finish, left: &[f64], right: &[f64]) -> f64 {
    f64::from_bits(finished(&paired(kind, DType::F64, &f64_bits(left), &f64_bits(right)), what, DType::F64))
}

/// Two equally long lists of finite floats.
fn two_sides(count: std::ops::Range<usize>) -> impl Strategy<Value = (DType, Vec<u64>, Vec<u64>)> {
    prop::sample::select(&FLOATS[..]).prop_flat_map(move |dtype| {
        (Just(dtype), finite_bits(dtype, count.clone()), finite_bits(dtype, count.clone())).prop_map(|(dtype, mut left, mut right)| {
            let length = left.len().min(right.len());
            left.truncate(length);
            right.truncate(length);
            (dtype, left, right)
        })
    })
}

/// The sums of the oracle, in units of `2^-1100` and `2^-2200`.
struct Oracle {
    count: u64,
    sums: [BigInt; 2],
    squares: [BigInt; 2],
    both: BigInt,
}

impl Oracle {
    fn new(left: Vec<BigInt>, right: Vec<BigInt>) -> Self {
        let squares = [&left, &right].map(|side| side.iter().map(|value| value * value).sum());
        let both = left.iter().zip(&right).map(|(left, right)| left * right).sum();
        Self { count: left.len() as u64, sums: [left.iter().sum(), right.iter().sum()], squares, both }
    }

    fn codeviation(&self) -> BigInt {
        &self.both * self.count - &self.sums[0] * &self.sums[1]
    }

    fn deviation(&self, side: usize) -> BigInt {
        &self.squares[side] * self.count - &self.sums[side] * &self.sums[side]
    }
}

fn check(dtype: DType, left: &[u64], right: &[u64]) {
    let oracle = Oracle::new(left.iter().map(|bits| fixed(dtype, *bits)).collect(), right.iter().map(|bits| fixed(dtype, *bits)).collect());
    let (dot, weighted, comoments) =
        (paired(DOT, dtype, left, right), paired(WEIGHTED, dtype, left, right), paired(COMOMENTS, dtype, left, right));
    for out in FLOATS {
        let name = format!("{dtype} {left:x?} {right:x?} into {out}");
        let sign = |negative: bool| u64::from(negative) << (layout(out).0 + layout(out).1);
        let want = round(&oracle.both, &(BigInt::from(1) << 2200), false, out);
        for made in [&dot, &weighted, &comoments] {
            assert_eq!(finished(made, Finish::Dot, out), want, "dot of {name}");
        }
        if oracle.sums[1] != BigInt::ZERO {
            let flip = |value: &BigInt| if oracle.sums[1] < BigInt::ZERO { -value } else { value.clone() };
            let want = round(&flip(&oracle.both), &(flip(&oracle.sums[1]) << 1100), false, out);
            assert_eq!(finished(&weighted, Finish::Average, out), want, "average of {name}");
        }
        for ddof in [0, 1] {
            let want = match oracle.count > ddof {
                true => round(&oracle.codeviation(), &(BigInt::from(oracle.count * (oracle.count - ddof)) << 2200), false, out),
                false => finished(&absorbed(AccumulatorKind::Sum(SumMode::Exact), dtype, &[]), Finish::Mean, out),
            };
            assert_eq!(finished(&comoments, Finish::Cov { ddof }, out), want, "cov of {name}");
        }
        let spread = oracle.deviation(0) * oracle.deviation(1);
        let got = finished(&comoments, Finish::Corr, out);
        if spread == BigInt::ZERO {
            assert_eq!(got, finished(&absorbed(AccumulatorKind::Sum(SumMode::Exact), dtype, &[]), Finish::Mean, out), "corr of {name}");
        } else {
            let both = oracle.codeviation();
            let want = round(&(&both * &both), &spread, true, out) | sign(both < BigInt::ZERO);
            assert_eq!(got, want, "corr of {name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn few_pairs_match_the_oracle((dtype, left, right) in two_sides(1..12)) {
        check(dtype, &left, &right);
    }

    #[test]
    fn many_pairs_match_the_oracle((dtype, left, right) in two_sides(12..300)) {
        check(dtype, &left, &right);
    }

    #[test]
    fn any_partition_and_merge_order_gives_the_same_bytes(
        (dtype, left, right) in two_sides(1..150), cut in 1..50_usize, turn in any::<usize>(), special in 0..3_u8,
    ) {
        let (mut left, mut right) = (left, right);
        let (exponent_bits, mantissa_bits) = layout(dtype);
        if special > 0 {
            left[0] = (((1 << exponent_bits) - 1) << mantissa_bits) | u64::from(special == 1);
        }
        for kind in [DOT, WEIGHTED, COMOMENTS] {
            let whole = paired(kind, dtype, &left, &right).serialise();
            let mut merged = Accumulator::new(kind, dtype, 1).unwrap();
            let mut turned: Vec<(u64, u64)> = left.iter().copied().zip(right.iter().copied()).collect();
            turned.rotate_left(turn % left.len());
            for part in turned.rchunks(cut) {
                let (left, right): (Vec<u64>, Vec<u64>) = part.iter().copied().unzip();
                let part = paired(kind, dtype, &left, &right);
                merged.merge_run(0, &Accumulator::deserialise(&part.serialise()).unwrap(), 0, 1);
            }
            prop_assert_eq!(merged.serialise(), &whole[..]);
            prop_assert_eq!(Accumulator::deserialise(&whole).unwrap().serialise(), whole);
        }
        right.truncate(1);
    }

    #[test]
    fn an_array_correlates_with_itself((dtype, left, _right) in two_sides(2..60)) {
        let made = paired(COMOMENTS, dtype, &left, &left);
        let got = f64::from_bits(finished(&made, Finish::Corr, DType::F64));
        prop_assert!(got == 1.0 || got.is_nan(), "{got}");
        let var = finished(&absorbed(AccumulatorKind::Moments(SumMode::Exact), dtype, &left), Finish::Var { ddof: 1 }, DType::F64);
        prop_assert_eq!(finished(&made, Finish::Cov { ddof: 1 }, DType::F64), var);
    }

    #[test]
    fn pairs_of_integers_are_exact(
        dtype in prop::sample::select(&WHOLES[..]), pairs in prop::collection::vec((any::<u64>(), any::<u64>(), 0..3_u8), 1..100),
    ) {
        let (left, right): (Vec<u64>, Vec<u64>) =
            pairs.into_iter().map(|(a, b, shape)| if shape == 0 { (a, b) } else { (a % 9, b >> 60) }).unzip();
        let values = |bits: &[u64]| bits.iter().map(|bits| BigInt::from(integer(dtype, *bits))).collect::<Vec<BigInt>>();
        let oracle = Oracle::new(values(&left), values(&right));
        let made = paired(COMOMENTS, dtype, &left, &right);
        let mut out = [0; 8];
        let got = made.finish(Finish::Dot, DType::I64, 0, 1, &mut out);
        prop_assert_eq!(got.ok().map(|()| i64::from_ne_bytes(out)), i64::try_from(&oracle.both).ok());
        let got = made.finish(Finish::Dot, DType::U64, 0, 1, &mut out);
        prop_assert_eq!(got.ok().map(|()| u64::from_ne_bytes(out)), u64::try_from(&oracle.both).ok());
        prop_assert_eq!(finished(&made, Finish::Dot, DType::F64), round(&oracle.both, &BigInt::from(1), false, DType::F64));
        let want = round(&oracle.codeviation(), &BigInt::from(oracle.count * oracle.count), false, DType::F64);
        prop_assert_eq!(finished(&made, Finish::Cov { ddof: 0 }, DType::F64), want);
    }

    /// Rows, columns and one element for all, against pairs one by one.
    #[test]
    fn boxes_of_pairs((dtype, left, right) in two_sides(1..300), columns in 1..40_usize, uniform in 0..3_usize) {
        let rows = left.len() / columns;
        let (left, right) = (&left[..rows * columns], &right[..rows * columns]);
        let kept = |length: usize| TileAxis { length, output_step: 1, index_step: 0 };
        for (axes, outputs, place) in [([reduced(rows), kept(columns)], columns, 1_usize), ([kept(rows), reduced(columns)], rows, 0)] {
            let mut made = Accumulator::new(WEIGHTED, dtype, outputs).unwrap();
            let cut = |bits: &[u64], side: usize| bytes_of(dtype, &bits[..if uniform == side + 1 { bits.len().min(1) } else { bits.len() }]);
            let tiles = [cut(left, 0), cut(right, 1)];
            if rows == 0 {
                continue;
            }
            let sides = [0, 1].map(|side| Side { tile: &tiles[side], uniform: uniform == side + 1 });
            made.absorb_pairs::<Baseline>(sides, &axes, 0);
            let mut single = Accumulator::new(WEIGHTED, dtype, outputs).unwrap();
            for at in 0..rows * columns {
                let output = if place == 1 { at % columns } else { at / columns };
                let of = |bits: &[u64], side: usize| bytes_of(dtype, &[bits[if uniform == side + 1 { 0 } else { at }]]);
                let tiles = [of(left, 0), of(right, 1)];
                let sides = [0, 1].map(|side| Side { tile: &tiles[side], uniform: false });
                single.absorb_pairs::<Baseline>(sides, &[], output);
            }
            prop_assert_eq!(made.serialise(), single.serialise());
        }
    }
}

#[test]
fn products_beyond_the_range_of_f64_cancel() {
    let dot = |left: &[f64], right: &[f64]| of_f64(DOT, Finish::Dot, left, right);
    assert_eq!(dot(&[1e300, 1e300, 3.0], &[1e300, -1e300, 2.0]), 6.0);
    assert_eq!(dot(&[f64::MAX, f64::MAX], &[f64::MAX, 1.0]), f64::INFINITY);
    assert_eq!(dot(&[5e-324, 1.0], &[5e-324, 0.0]), 0.0);
    // 2^1074 of the smallest products make one number again.
    assert_eq!(dot(&[5e-324; 4], &[0.25; 4]), 5e-324);
    let tiny = 2_f64.powi(-600);
    assert_eq!(dot(&[tiny, -tiny, 1.0], &[tiny, tiny, 1e-300]), 1e-300);
    // The product of two neighbours of 1 is no f64; the difference of two is what rounding would lose.
    let next = 1.0 + f64::EPSILON;
    assert_eq!(dot(&[next, -1.0], &[next, 1.0 + 2.0 * f64::EPSILON]), f64::EPSILON * f64::EPSILON);
}

#[test]
fn pairs_that_are_not_finite() {
    let dot = |left: &[f64], right: &[f64]| of_f64(DOT, Finish::Dot, left, right);
    assert!(dot(&[f64::NAN, 1.0], &[0.0, 1.0]).is_nan());
    assert!(dot(&[f64::INFINITY, 1.0], &[0.0, 1.0]).is_nan());
    assert_eq!(dot(&[f64::INFINITY, 1e300], &[-1.0, 1e300]), f64::NEG_INFINITY);
    let average = |left: &[f64], right: &[f64]| of_f64(WEIGHTED, Finish::Average, left, right);
    assert_eq!(average(&[1.0, 2.0, 4.0], &[1.0, 1.0, 2.0]), 2.75);
    assert_eq!(average(&[f64::INFINITY, 1.0], &[1.0, 1.0]), f64::INFINITY);
    let none = paired(WEIGHTED, DType::F64, &f64_bits(&[1.0, 2.0]), &f64_bits(&[1.0, -1.0]));
    let error = none.finish(Finish::Average, DType::F64, 0, 1, &mut [0; 8]).unwrap_err();
    assert!(error.to_string().contains("add up to zero"), "{error}");
    assert!(of_f64(COMOMENTS, Finish::Corr, &[1.0, 1.0], &[1.0, 2.0]).is_nan());
    assert!(of_f64(COMOMENTS, Finish::Cov { ddof: 0 }, &[1.0, f64::INFINITY], &[1.0, 2.0]).is_nan());
    assert_eq!(of_f64(COMOMENTS, Finish::Corr, &[1.0, 2.0, 3.0], &[-2.0, -4.0, -6.0]), -1.0);
}

#[test]
fn norms_are_rounded_once() {
    let norm = |values: &[f64]| {
        let made = absorbed(AccumulatorKind::Moments(SumMode::Exact), DType::F64, &f64_bits(values));
        f64::from_bits(finished(&made, Finish::Norm, DType::F64))
    };
    assert_eq!(norm(&[3.0, -4.0]), 5.0);
    assert_eq!(norm(&[3e300, 4e300]), 5e300);
    assert_eq!(norm(&[5e-324, 0.0]), 5e-324);
    assert_eq!(norm(&[]), 0.0);
    assert_eq!(norm(&[f64::NEG_INFINITY, 1.0]), f64::INFINITY);
    assert!(norm(&[f64::NEG_INFINITY, f64::NAN]).is_nan());
    for dtype in WHOLES {
        let made = absorbed(AccumulatorKind::Moments(SumMode::Exact), dtype, &[1, 1, 1, 1]);
        assert_eq!(finished(&made, Finish::Norm, DType::F64), 2_f64.to_bits());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn norms_match_the_oracle(
        (dtype, bits) in prop::sample::select(&FLOATS[..]).prop_flat_map(|dtype| (Just(dtype), finite_bits(dtype, 0..40)))
    ) {
        let squares: BigInt = bits.iter().map(|bits| fixed(dtype, *bits).pow(2)).sum();
        let made = absorbed(AccumulatorKind::Moments(SumMode::Exact), dtype, &bits);
        for out in FLOATS {
            prop_assert_eq!(finished(&made, Finish::Norm, out), round(&squares, &(BigInt::from(1) << 2200), true, out));
        }
    }
}

#[test]
fn the_modes_that_are_not_exact() {
    for mode in MODES {
        let made = paired(AccumulatorKind::Comoments(mode), DType::F64, &f64_bits(&[1.0, 2.0, 4.0]), &f64_bits(&[2.0, 4.0, 8.0]));
        let of = |what| f64::from_bits(finished(&made, what, DType::F64));
        assert_eq!((of(Finish::Dot), of(Finish::Corr)), (42.0, 1.0), "{mode:?}");
    }
}

#[test]
fn the_memory_proof_holds_every_byte_of_pairs() {
    for kind in [DOT, WEIGHTED, COMOMENTS, AccumulatorKind::Dot(SumMode::Kahan)] {
        for dtype in DType::ALL {
            for outputs in [0, 1, 100] {
                let mut made = Accumulator::new(kind, dtype, outputs).unwrap();
                let tile = vec![1; outputs * 3 * dtype.size()];
                let axes = [reduced(3), TileAxis { length: outputs, output_step: 1, index_step: 0 }];
                made.absorb_pairs::<Baseline>([Side { tile: &tile, uniform: false }; 2], &axes, 0);
                assert_eq!(super::states::held(&made), Accumulator::state_bytes_max(kind, dtype, outputs), "{kind:?} {dtype} {outputs}");
                made.reset();
                assert_eq!(made.serialise(), Accumulator::new(kind, dtype, outputs).unwrap().serialise());
            }
        }
    }
}

/// Boxes of several axes, longer than what is multiplied at a time.
#[test]
fn long_boxes_of_pairs_equal_their_elements() {
    let axis = |length, output_step| TileAxis { length, output_step, index_step: 0 };
    for (axes, outputs) in [
        (vec![axis(3000, 0)], 1),
        (vec![axis(70, 0), axis(40, 1)], 40),
        (vec![axis(5, 400), axis(7, 0), axis(400, 1)], 2000),
        (vec![axis(3, 1), axis(1500, 0)], 3),
    ] {
        let elements: usize = axes.iter().map(|axis| axis.length).product();
        let values = |seed: usize| (0..elements).map(|at| ((at * seed % 1013) as f64 - 500.0).to_bits()).collect::<Vec<_>>();
        let (left, right) = (bytes_of(DType::F64, &values(37)), bytes_of(DType::F64, &values(91)));
        let empty = Accumulator::new(COMOMENTS, DType::F64, outputs).unwrap();
        let (mut whole, mut single) = (empty.clone(), empty);
        let sides = |left, right| [left, right].map(|tile| Side { tile, uniform: false });
        whole.absorb_pairs::<Baseline>(sides(&left, &right), &axes, 0);
        for (at, (left, right)) in left.chunks(8).zip(right.chunks(8)).enumerate() {
            let (mut rest, mut output) = (at, 0);
            for axis in axes.iter().rev() {
                output += (rest % axis.length) as i64 * axis.output_step;
                rest /= axis.length;
            }
            single.absorb_pairs::<Baseline>(sides(left, right), &[], output as usize);
        }
        assert!(whole.serialise() == single.serialise(), "{axes:?}");
    }
}

/// What is read back has no counts of products, and adds up with negative zeros and with nothing all the same.
#[test]
fn sums_of_pairs_that_were_read_back_are_whole() {
    for (left, right) in [(3.0, 5.0), (1e200, 1e200), (1e-200, 1e-200), (-2.0, 1e-300)] {
        let bits = |value: f64| f64_bits(&[value]);
        let made = paired(DOT, DType::F64, &bits(left), &bits(right));
        let read = Accumulator::deserialise(&made.serialise()).unwrap();
        assert_eq!(finished(&read, Finish::Dot, DType::F64), finished(&made, Finish::Dot, DType::F64), "{left} {right}");
        let mut merged = paired(DOT, DType::F64, &bits(-0.0), &bits(1.0));
        merged.merge_run(0, &read, 0, 1);
        // What is lost to rounding, or beyond f64, comes back when the rest is taken away.
        let other = paired(DOT, DType::F64, &bits(-left), &bits(right));
        assert_eq!(finished(&merged, Finish::Dot, DType::F64), finished(&made, Finish::Dot, DType::F64), "{left} {right}");
        merged.merge_run(0, &Accumulator::deserialise(&other.serialise()).unwrap(), 0, 1);
        assert_eq!(finished(&merged, Finish::Dot, DType::F64), 0, "{left} {right}");
    }
}

/// A sum of products that is lost because the reserve is spent is an error; the others are right.
#[test]
fn sums_of_pairs_that_are_lost_say_so() {
    let outputs = 3000;
    let mut made = Accumulator::new(DOT, DType::F64, outputs).unwrap();
    for values in [[1e-200_f64, 1.5], [3.25, 1.0], [1e120, 2.0]] {
        let row: Vec<f64> = (0..outputs).map(|at| values[usize::from(at % 2 == 0 || at >= 2800)]).collect();
        let ones = vec![1.0; outputs];
        let (left, right) = (bytes_of(DType::F64, &f64_bits(&row)), bytes_of(DType::F64, &f64_bits(&ones)));
        let axes = [TileAxis { length: outputs, output_step: 1, index_step: 0 }];
        made.absorb_pairs::<Baseline>([&left, &right].map(|tile| Side { tile, uniform: false }), &axes, 0);
    }
    let mut out = vec![0; 8 * outputs];
    made.finish(Finish::Dot, DType::F64, 0, 1000, &mut out[..8000]).unwrap();
    assert_eq!((bits_of(&out[..8]), bits_of(&out[8..16])), (4.5_f64.to_bits(), 1e120_f64.to_bits()));
    let error = made.finish(Finish::Dot, DType::F64, 0, outputs, &mut out).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Refused);
}
