//! Every pattern of axes gives what feeding the elements one by one gives.

use super::*;

/// Axes of a box of at most a few thousand elements, and the number of outputs it spans.
fn boxes() -> impl Strategy<Value = (Vec<TileAxis>, usize)> {
    let axis = (prop_oneof![Just(1_usize), 1..5_usize, 14..40_usize], any::<bool>(), any::<u8>());
    prop::collection::vec(axis, 0..5).prop_map(|axes| {
        // Kept axes get output steps in a random order of nesting, so that some are transposed.
        let mut made: Vec<TileAxis> = Vec::new();
        let mut elements = 1;
        for (length, _, _) in &axes {
            let length = if elements * length > 4000 { 1 } else { *length };
            elements *= length;
            made.push(TileAxis { length, output_step: 0, index_step: 0 });
        }
        let mut step = 1;
        for axis in made.iter_mut().rev() {
            axis.index_step = step + 3;
            step = (step + 3) * axis.length as i64;
        }
        let mut order: Vec<usize> = (0..made.len()).filter(|at| axes[*at].1).collect();
        order.sort_by_key(|at| std::cmp::Reverse(if axes[0].2 % 3 == 0 { (axes[*at].2, *at) } else { (0, *at) }));
        let mut outputs = 1;
        for at in order {
            made[at].output_step = outputs as i64;
            outputs *= made[at].length;
        }
        (made, outputs)
    })
}

/// Elements whose sums and squares are exact in every mode.
fn small_bits(dtype: DType, at: usize) -> u64 {
    let value = (at * 7 + at / 13) % 23;
    match dtype {
        DType::F16 => u64::from(half::f16::from_f64(value as f64 - 9.0).to_bits()),
        DType::BF16 => u64::from(half::bf16::from_f64(value as f64 - 9.0).to_bits()),
        DType::F32 => u64::from((value as f32 - 9.0).to_bits()),
        DType::F64 => (value as f64 - 9.0).to_bits(),
        DType::Bool => u64::from(value > 2),
        _ if dtype.is_unsigned() => value as u64,
        _ => (value as i64 - 9) as u64,
    }
}

/// [`small_bits`], or powers of two where the bits of anything else depend on the order.
fn bits_for(kind: AccumulatorKind, dtype: DType, at: usize) -> u64 {
    if order_free(kind, dtype) || kind.plain() != AccumulatorKind::Product {
        return small_bits(dtype, at);
    }
    let value = [1.0, -2.0, 0.5, 1.0, 0.25, -4.0][(at * 7 + at / 13) % 6];
    match dtype {
        DType::F16 => u64::from(half::f16::from_f64(value).to_bits()),
        DType::BF16 => u64::from(half::bf16::from_f64(value).to_bits()),
        DType::F32 => u64::from((value as f32).to_bits()),
        _ => value.to_bits(),
    }
}

/// `one_by_one` against `absorb` of the whole box.
fn check(kind: AccumulatorKind, dtype: DType, axes: &[TileAxis], outputs: usize) {
    let elements: usize = axes.iter().map(|axis| axis.length).product();
    let tile = bytes_of(dtype, &(0..elements).map(|at| bits_for(kind, dtype, at)).collect::<Vec<_>>());
    let mut whole = Accumulator::new(kind, dtype, outputs + 2).unwrap();
    // One byte in front: tiles need no alignment.
    let mut moved = vec![0];
    moved.extend(&tile);
    whole.absorb_baseline(&moved[1..], axes, 1, 5);
    let mut single = Accumulator::new(kind, dtype, outputs + 2).unwrap();
    for (at, element) in tile.chunks_exact(dtype.size()).enumerate() {
        let (mut rest, mut output, mut index) = (at, 1, 5);
        for axis in axes.iter().rev() {
            output += (rest % axis.length) as i64 * axis.output_step;
            index += (rest % axis.length) as i64 * axis.index_step;
            rest /= axis.length;
        }
        single.absorb_baseline(element, &[], output as usize, index);
    }
    assert_eq!(whole.serialise(), single.serialise(), "{kind:?} {dtype} {axes:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn boxes_equal_their_elements((axes, outputs) in boxes(), dtypes in any::<usize>()) {
        for (at, kind) in kinds().into_iter().enumerate() {
            for dtype in [FLOATS[(dtypes + at) % 4], WHOLES[(dtypes + at) % 9]] {
                check(kind, dtype, &axes, outputs);
            }
        }
    }
}

#[test]
fn common_boxes_equal_their_elements_for_every_kind_and_dtype() {
    let axis = |length, output_step, index_step| TileAxis { length, output_step, index_step };
    let boxes = [
        (vec![axis(700, 0, 1)], 1),
        (vec![axis(30, 0, 19), axis(19, 1, 1)], 19),
        (vec![axis(19, 1, 30), axis(30, 0, 1)], 19),
        (vec![axis(50, 1, 1)], 50),
        (vec![axis(20, -1, 2)], 1),
        (vec![axis(9, 0, 64), axis(4, 16, 16), axis(16, 1, 1)], 64),
        (vec![axis(0, 1, 1), axis(3, 0, 1)], 1),
    ];
    for (axes, outputs) in boxes {
        for kind in kinds() {
            for dtype in DType::ALL {
                if axes[0].output_step < 0 {
                    check_backwards(kind, dtype, &axes);
                } else {
                    check(kind, dtype, &axes, outputs);
                }
            }
        }
    }
}

/// A negative output step mirrors the outputs.
fn check_backwards(kind: AccumulatorKind, dtype: DType, axes: &[TileAxis]) {
    let count = axes[0].length;
    let bits: Vec<u64> = (0..count).map(|at| bits_for(kind, dtype, at)).collect();
    let mut backwards = Accumulator::new(kind, dtype, count).unwrap();
    backwards.absorb_baseline(&bytes_of(dtype, &bits), axes, count - 1, 0);
    for (at, bits) in bits.iter().enumerate() {
        let mut one = Accumulator::new(kind, dtype, 1).unwrap();
        one.absorb_baseline(&bytes_of(dtype, &[*bits]), &[], 0, 2 * at as i64);
        let mut taken = Accumulator::new(kind, dtype, 1).unwrap();
        taken.merge_run(0, &backwards, count - 1 - at, 1);
        assert_eq!(taken.serialise(), one.serialise(), "{kind:?} {dtype}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_constant_equals_its_repetition((axes, outputs) in boxes(), seed in any::<usize>()) {
        let elements: usize = axes.iter().map(|axis| axis.length).product();
        for (at, kind) in kinds().into_iter().enumerate() {
            for dtype in [FLOATS[(seed + at) % 4], WHOLES[(seed + at) % 9]] {
                let bits = bits_for(kind, dtype, seed % 100);
                let mut whole = Accumulator::new(kind, dtype, outputs).unwrap();
                whole.absorb_baseline(&bytes_of(dtype, &vec![bits; elements]), &axes, 0, 3);
                let mut constant = Accumulator::new(kind, dtype, outputs).unwrap();
                constant.absorb_constant(&bytes_of(dtype, &[bits]), &axes, 0, 3);
                prop_assert_eq!(constant.serialise(), whole.serialise(), "{:?} {} {:?}", kind, dtype, &axes);
            }
        }
    }
}

#[test]
fn a_huge_constant_honours_its_count() {
    let axes = [reduced(1 << 40)];
    let mut sum = Accumulator::new(AccumulatorKind::Moments(SumMode::Exact), DType::F32, 1).unwrap();
    sum.absorb_constant(&0.1_f32.to_ne_bytes(), &axes, 0, 0);
    assert_eq!(finished(&sum, Finish::Mean, DType::F32), u64::from(0.1_f32.to_bits()));
    assert_eq!(finished(&sum, Finish::Sum, DType::F64), (f64::from(0.1_f32) * 2_f64.powi(40)).to_bits());
    assert_eq!(finished(&sum, Finish::Var { ddof: 0 }, DType::F64), 0);
}
