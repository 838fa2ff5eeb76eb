//! States: their memory, their bytes, and what they refuse.

use super::super::accumulator::State;
use super::super::memory::held_bytes;
use super::*;
use crate::ErrorKind;

pub(super) fn held(accumulator: &Accumulator) -> u64 {
    let heap = match &accumulator.state {
        State::Exact(state) => state.held_bytes(),
        State::Compensated(state) => held_bytes(&state.counts) + state.parts.iter().map(held_bytes).sum::<u64>(),
        State::Whole(state) => held_bytes(&state.counts) + held_bytes(&state.sums) + held_bytes(&state.squares),
        State::Extremes(state) => held_bytes(&state.keys) + held_bytes(&state.seen),
        State::Truths(state) => held_bytes(&state.counts) + held_bytes(&state.nonzero),
        State::FirstZero(state) => held_bytes(&state.indices),
        State::Places(state) => held_bytes(&state.keys) + held_bytes(&state.indices),
        State::Products(state) => held_bytes(&state.mantissas) + held_bytes(&state.exponents) + held_bytes(&state.flags),
        State::WholeProducts(state) => held_bytes(&state.magnitudes) + held_bytes(&state.flags),
        State::Pairs(state) => {
            let parts = state.parts().map(|part| held(part) - size_of::<Accumulator>() as u64);
            parts.sum::<u64>() + size_of_val(&**state) as u64
        }
        State::Tallies(state) => held_bytes(state.tables()),
        State::Distinct(state) => held_bytes(&state.registers),
        State::Sketch(state) => state.held_bytes(),
    };
    heap + size_of::<Accumulator>() as u64
}

#[test]
fn the_memory_proof_holds_every_byte() {
    for kind in kinds() {
        for dtype in DType::ALL {
            for outputs in [0, 1, 7, 1000] {
                let mut made = Accumulator::new(kind, dtype, outputs).unwrap();
                let bound = Accumulator::state_bytes_max(kind, dtype, outputs);
                assert_eq!(held(&made), bound, "{kind:?} {dtype} {outputs}");
                let tile = vec![1; outputs * 3 * dtype.size()];
                let axes = [reduced(3), TileAxis { length: outputs, output_step: 1, index_step: 1 }];
                made.absorb_baseline(&tile, &axes, 0, 0);
                let other = made.clone();
                made.merge_run(0, &other, 0, outputs);
                assert_eq!(held(&made), bound, "{kind:?} {dtype} {outputs} after use");
                assert_eq!(held(&Accumulator::deserialise(&made.serialise()).unwrap()), bound);
                made.reset();
                assert_eq!(made.serialise(), Accumulator::new(kind, dtype, outputs).unwrap().serialise());
            }
        }
    }
    assert!(Accumulator::new(AccumulatorKind::Min, DType::F32, usize::MAX).is_err());
}

#[test]
fn sums_of_products_hold_what_was_proved() {
    use AccumulatorKind::{Comoments, Dot, Weighted};
    for kind in [Dot(SumMode::Exact), Weighted(SumMode::Exact), Comoments(SumMode::Exact)] {
        for dtype in FLOATS {
            for outputs in [1, 700, 30_000] {
                let made = Accumulator::new(kind, dtype, outputs).unwrap();
                assert_eq!(held(&made), Accumulator::state_bytes_max(kind, dtype, outputs), "{kind:?} {dtype} {outputs}");
            }
        }
    }
}

/// What an output takes at most where there are many: the contract of the memory proof.
#[test]
fn many_outputs_are_compact() {
    for (kind, most) in [(AccumulatorKind::Sum(SumMode::Exact), 64), (AccumulatorKind::Moments(SumMode::Exact), 96)] {
        for outputs in [100_000, 1_000_000] {
            let bytes = Accumulator::state_bytes_max(kind, DType::F64, outputs);
            assert!(bytes <= most * outputs as u64 + 200, "{kind:?}: {bytes} B for {outputs}");
        }
        let made = Accumulator::new(kind, DType::F64, 50_000).unwrap();
        assert_eq!(held(&made), Accumulator::state_bytes_max(kind, DType::F64, 50_000));
    }
}

/// Outputs whose elements spread over all exponents take digits from the reserve, in any shape and by merging; when it is
/// spent, the others are still right and these say so.
#[test]
fn the_reserve_is_used_and_can_be_spent() {
    let outputs = 3000;
    for kind in [AccumulatorKind::Sum(SumMode::Exact), AccumulatorKind::Moments(SumMode::Exact)] {
        let far = |count: usize| {
            let mut made = Accumulator::new(kind, DType::F64, outputs).unwrap();
            for values in [[1e-200_f64, 1.5], [3.25, 1e120], [1e120, -7.0]] {
                let row: Vec<f64> =
                    (0..outputs).map(|at| if at % 2 == 1 && at < 2 * count { values[0] } else { values[1].min(9.0) }).collect();
                made.absorb_baseline(
                    &bytes_of(DType::F64, &f64_bits(&row)),
                    &[TileAxis { length: outputs, output_step: 1, index_step: 1 }],
                    0,
                    0,
                );
            }
            made
        };
        let made = far(1000);
        let mut merged = Accumulator::new(kind, DType::F64, outputs).unwrap();
        merged.merge_run(0, &made, 0, outputs);
        assert_eq!(merged.serialise(), made.serialise());
        assert_eq!(Accumulator::deserialise(&made.serialise()).unwrap().serialise(), made.serialise());
        let mut out = vec![0; 8 * outputs];
        merged.finish(Finish::Sum, DType::F64, 0, outputs, &mut out).unwrap();
        let want = [1e-200, 3.25, 1e120];
        let one = absorbed(kind, DType::F64, &f64_bits(&want));
        assert_eq!(bits_of(&out[8 * 999..8 * 1000]), finished(&one, Finish::Sum, DType::F64));
        let spent = far(1400);
        spent.finish(Finish::Sum, DType::F64, 0, 1000, &mut out[..8000]).unwrap();
        let error = spent.finish(Finish::Sum, DType::F64, 0, outputs, &mut out).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.hint_text().is_some());
        let mut merged = Accumulator::new(kind, DType::F64, outputs).unwrap();
        merged.merge_run(0, &spent, 0, outputs);
        assert!(merged.finish(Finish::Sum, DType::F64, 0, outputs, &mut out).is_err());
        assert!(Accumulator::deserialise(&spent.serialise()).unwrap().finish(Finish::Sum, DType::F64, 0, outputs, &mut out).is_err());
    }
}

#[test]
fn bytes_come_back_and_damaged_bytes_do_not_panic() {
    for kind in kinds() {
        for dtype in DType::ALL {
            let bits: Vec<u64> = (0..60_u64).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
            let mut made = Accumulator::new(kind, dtype, 3).unwrap();
            let axes = [reduced(20), TileAxis { length: 3, output_step: 1, index_step: 1 }];
            made.absorb_baseline(&bytes_of(dtype, &bits), &axes, 0, 0);
            let bytes = made.serialise();
            assert_eq!(Accumulator::deserialise(&bytes).unwrap().serialise(), bytes);
            for cut in 0..bytes.len() {
                assert_eq!(Accumulator::deserialise(&bytes[..cut]).unwrap_err().kind(), ErrorKind::Data);
            }
            for at in 0..bytes.len() {
                for flip in [1, 0x80, 0xff] {
                    let mut damaged = bytes.clone();
                    damaged[at] ^= flip;
                    if let Ok(read) = Accumulator::deserialise(&damaged) {
                        assert_eq!(read.serialise(), damaged);
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_do_not_panic(kind in 0..22_u8, mode in 0..6_u8, dtype in 0..14_u8, outputs in 0..4_u64, rest in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut bytes = b"ocac".to_vec();
        bytes.extend([1, kind, mode, dtype]);
        bytes.extend(outputs.to_le_bytes());
        bytes.extend(rest);
        if let Ok(read) = Accumulator::deserialise(&bytes) {
            prop_assert_eq!(read.serialise(), bytes);
        }
    }

    #[test]
    fn merges_of_ranges_touch_those_outputs_only(at in 0..5_usize, from in 0..5_usize, count in 0..5_usize) {
        for kind in kinds() {
            let columns = |seed: u64| {
                let mut made = Accumulator::new(kind, DType::F32, 10).unwrap();
                let bits: Vec<u64> = (0..10).map(|at| u64::from((seed as f32 + at as f32).to_bits())).collect();
                made.absorb_baseline(&bytes_of(DType::F32, &bits), &[TileAxis { length: 10, output_step: 1, index_step: 1 }], 0, 0);
                made
            };
            let (mut merged, other) = (columns(3), columns(40));
            merged.merge_run(at, &other, from, count);
            for output in 0..10 {
                let mut want = Accumulator::new(kind, DType::F32, 1).unwrap();
                want.merge_run(0, &columns(3), output, 1);
                if (at..at + count).contains(&output) {
                    want.merge_run(0, &other, from + output - at, 1);
                }
                let mut got = Accumulator::new(kind, DType::F32, 1).unwrap();
                got.merge_run(0, &merged, output, 1);
                prop_assert_eq!(got.serialise(), want.serialise());
            }
        }
    }
}

#[test]
fn exact_subtraction_of_integers_and_counts() {
    for kind in [AccumulatorKind::Moments(SumMode::Exact), AccumulatorKind::CountNonzero] {
        for dtype in WHOLES {
            let bits: Vec<u64> = (0..50_u64).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
            let mut all = absorbed(kind, dtype, &bits);
            all.subtract_run(0, &absorbed(kind, dtype, &bits[..20]), 0, 1).unwrap();
            assert!(order_free(kind, dtype));
            assert_eq!(all.serialise(), absorbed(kind, dtype, &bits[20..]).serialise(), "{kind:?} {dtype}");
        }
    }
    let mut minimum = absorbed(AccumulatorKind::Min, DType::F32, &[0]);
    assert!(minimum.subtract_run(0, &minimum.clone(), 0, 1).is_err());
}

#[test]
fn wrong_finishes_are_refused() {
    let sum = absorbed(AccumulatorKind::Sum(SumMode::Exact), DType::F64, &[0]);
    let mut out = [0; 8];
    for (what, dtype) in
        [(Finish::Var { ddof: 0 }, DType::F64), (Finish::Sum, DType::I64), (Finish::Min, DType::F64), (Finish::All, DType::Bool)]
    {
        let error = sum.finish(what, dtype, 0, 1, &mut out[..dtype.size()]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{what:?}");
    }
    assert!(sum.finish(Finish::Sum, DType::F64, 0, 2, &mut [0; 16]).is_err());
    assert!(sum.finish(Finish::Sum, DType::F64, 0, 1, &mut [0; 4]).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any partition of elements, each part as the bytes that a plan hands out, merged in any order: the bytes of the whole.
    #[test]
    fn states_that_were_handed_out_merge(bits in finite_bits(DType::F64, 1..300), cuts in prop::collection::vec(0..300_usize, 0..6), turn in 0..7_usize) {
        for kind in kinds() {
            for dtype in DType::ALL.into_iter().filter(|dtype| order_free(kind, *dtype)) {
                if matches!(kind.plain(), AccumulatorKind::FirstFalse | AccumulatorKind::ArgMin | AccumulatorKind::ArgMax) {
                    continue;
                }
                let mask = if dtype == DType::Bool { 1 } else { u64::MAX };
                let bits: Vec<u64> = bits.iter().map(|bits| (bits >> (64 - 8 * dtype.size())) & mask).collect();
                let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (bits.len() + 1)).chain([bits.len()]).collect();
                ends.sort_unstable();
                let starts = [0].into_iter().chain(ends.iter().copied());
                let mut parts: Vec<Accumulator> = starts.zip(&ends).map(|(start, &end)| absorbed(kind, dtype, &bits[start..end])).collect();
                let turn = turn % parts.len();
                parts.rotate_left(turn);
                let mut merged = Accumulator::new(kind, dtype, 1).unwrap();
                for part in parts {
                    let mut place = vec![0xff; Finish::State { kind }.state_bytes(dtype).unwrap()];
                    part.finish(Finish::State { kind }, DType::U8, 0, 1, &mut place).unwrap();
                    let read = Accumulator::deserialise(Accumulator::state_in(&place).unwrap()).unwrap();
                    prop_assert_eq!(read.serialise(), part.serialise());
                    merged.merge_run(0, &read, 0, 1);
                }
                prop_assert_eq!(merged.serialise(), absorbed(kind, dtype, &bits).serialise(), "{:?} {}", kind, dtype);
            }
        }
    }
}

#[test]
fn the_largest_states_fit_their_places() {
    let two = |dtype: DType| {
        let largest = match dtype {
            DType::F16 => 0x7bff,
            DType::BF16 => 0x7f7f,
            DType::F32 => u64::from(f32::MAX.to_bits()),
            _ => f64::MAX.to_bits(),
        };
        // The smallest and the largest magnitude, so that every digit is written.
        let mut bits = vec![largest; 4000];
        bits.push(1);
        bits
    };
    for dtype in FLOATS {
        for kind in [AccumulatorKind::Moments(SumMode::Exact), AccumulatorKind::NanSum(SumMode::Exact)] {
            let mut place = vec![0; Finish::State { kind }.state_bytes(dtype).unwrap()];
            absorbed(kind, dtype, &two(dtype)).finish(Finish::State { kind }, DType::U8, 0, 1, &mut place).unwrap();
        }
        let kind = AccumulatorKind::Comoments(SumMode::Exact);
        let mut pairs = Accumulator::new(kind, dtype, 1).unwrap();
        let tile = bytes_of(dtype, &two(dtype));
        let side = Side { tile: &tile, uniform: false };
        pairs.absorb_pairs::<crate::numeric::Baseline>([side, side], &[reduced(4001)], 0);
        let mut place = vec![0; Finish::State { kind }.state_bytes(dtype).unwrap()];
        pairs.finish(Finish::State { kind }, DType::U8, 0, 1, &mut place).unwrap();
        let read = Accumulator::deserialise(Accumulator::state_in(&place).unwrap()).unwrap();
        assert_eq!(finished(&read, Finish::Corr, DType::F64), 1.0_f64.to_bits());
    }
}

#[test]
fn a_place_holds_a_state_or_is_refused() {
    for place in [&[][..], &[1, 0], &[9, 0, 0, 0, 1]] {
        assert_eq!(Accumulator::state_in(place).unwrap_err().kind(), ErrorKind::Internal);
    }
    let kind = AccumulatorKind::Min;
    let made = absorbed(AccumulatorKind::Max, DType::F32, &[0]);
    let mut place = vec![0; Finish::State { kind }.state_bytes(DType::F32).unwrap()];
    assert_eq!(made.finish(Finish::State { kind }, DType::U8, 0, 1, &mut place).unwrap_err().kind(), ErrorKind::Internal);
}
