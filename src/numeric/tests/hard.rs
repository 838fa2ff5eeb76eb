//! Inputs that are hard to add up, cut and merged in any way.

use super::oracle::Sums;
use super::*;

const KINDS: [AccumulatorKind; 2] = [AccumulatorKind::Sum(SumMode::Exact), AccumulatorKind::Moments(SumMode::Exact)];

/// Elements of one family, as f64s that `dtype` can round to.
fn family(which: usize, dtype: DType, draws: &[u64]) -> Vec<u64> {
    let (exponent_bits, mantissa_bits) = layout(dtype);
    let (sign, fields) = (1_u64 << (exponent_bits + mantissa_bits), (1_u64 << exponent_bits) - 1);
    let mantissa = (1 << mantissa_bits) - 1;
    let mut bits = Vec::new();
    for (at, draw) in draws.iter().enumerate() {
        let any = (draw % (fields << mantissa_bits)) | (draw >> 63 << (exponent_bits + mantissa_bits));
        match which {
            // Cancellation over all exponents: what is left is tiny.
            0 => bits.extend([any, any ^ sign, draw >> 32 & 7]),
            // Subnormals and the smallest normals.
            1 => bits.push(draw & (mantissa << 1 | 1 | sign)),
            // Overflow in the middle.
            2 => {
                let large = (fields - 1) << mantissa_bits | mantissa;
                bits.extend([large ^ if at % 2 == 0 { 0 } else { sign }, large ^ ((draw >> 20 & 1) * sign)]);
            }
            // Ties: one, half of its last place, and far below.
            3 => {
                let one = (fields / 2) << mantissa_bits;
                let half = (fields / 2).saturating_sub(u64::from(mantissa_bits) + 1) << mantissa_bits;
                bits.extend([one, half, if draw & 1 == 0 { 1 } else { 1 | sign }]);
            }
            // Zeros of both signs.
            4 => bits.push(if draw & 1 == 0 { sign } else { 0 }),
            // Random bit patterns.
            _ => bits.push(any),
        }
    }
    bits
}

/// Everything into every column of a tile, and by itself.
fn absorbed_in(kind: AccumulatorKind, dtype: DType, bits: &[u64], columns: usize) -> Vec<u8> {
    let mut made = Accumulator::new(kind, dtype, columns).unwrap();
    let tile: Vec<u64> = bits.iter().flat_map(|bits| std::iter::repeat_n(*bits, columns)).collect();
    let axes = [reduced(bits.len()), TileAxis { length: columns, output_step: 1, index_step: 0 }];
    made.absorb_baseline(&bytes_of(dtype, &tile), &axes, 0, 0);
    let mut last = Accumulator::new(kind, dtype, 1).unwrap();
    last.merge_run(0, &made, columns - 1, 1);
    last.serialise()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hard_sums_are_the_oracles_however_they_are_cut(
        which in 0..6_usize,
        dtype in prop::sample::select(&FLOATS[..]),
        draws in prop::collection::vec(any::<u64>(), 1..300),
        columns in prop::sample::select(&[1_usize, 2, 5, 8, 17, 64][..]),
        cuts in prop::collection::vec(1..90_usize, 1..12),
    ) {
        let mut bits = family(which, dtype, &draws);
        for at in 0..bits.len() {
            let with = draws[at % draws.len()] as usize % bits.len();
            bits.swap(at, with);
        }
        for kind in KINDS {
            let whole = absorbed(kind, dtype, &bits);
            let oracle = Sums::new(dtype, &bits);
            if which != 4 {
                prop_assert_eq!(finished(&whole, Finish::Sum, dtype), oracle.round_sum(dtype), "{:?} {} {}", kind, dtype, which);
            }
            prop_assert_eq!(absorbed_in(kind, dtype, &bits, columns), whole.serialise(), "{:?} {} {} columns", kind, dtype, columns);
            let mut parts = Vec::new();
            let mut rest = &bits[..];
            for cut in cuts.iter().cycle() {
                let (part, after) = rest.split_at(rest.len().min(*cut));
                parts.push(absorbed(kind, dtype, part));
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            // Merged as a tree, every other part by way of its bytes.
            while parts.len() > 1 {
                let mut merged = Vec::new();
                for pair in parts.chunks(2) {
                    let mut left = pair[0].clone();
                    if let [_, right] = pair {
                        left.merge_run(0, &Accumulator::deserialise(&right.serialise()).unwrap(), 0, 1);
                    }
                    merged.push(left);
                }
                parts = merged;
            }
            prop_assert_eq!(parts[0].serialise(), whole.serialise(), "{:?} {} {}", kind, dtype, which);
        }
    }
}

/// Whatever bits a NaN has, in whatever place: one result, one state.
#[test]
fn nan_payloads_leave_no_trace() {
    for dtype in FLOATS {
        let (exponent_bits, mantissa_bits) = layout(dtype);
        let infinity = ((1_u64 << exponent_bits) - 1) << mantissa_bits;
        let mut states = Vec::new();
        for payload in [1, 1 << (mantissa_bits - 1), (1 << mantissa_bits) - 1, 3 | 1 << (exponent_bits + mantissa_bits)] {
            for place in [0, 7, 299] {
                let mut bits = vec![1 << mantissa_bits; 300];
                bits[place] = infinity | payload;
                let made = absorbed(KINDS[1], dtype, &bits);
                assert_eq!(finished(&made, Finish::Mean, dtype), infinity | 1 << (mantissa_bits - 1));
                states.push(made.serialise());
            }
        }
        assert!(states.iter().all(|state| *state == states[0]), "{dtype}");
    }
}
