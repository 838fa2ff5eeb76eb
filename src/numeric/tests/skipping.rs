//! What leaves out NaN equals what never met it.

use super::*;

const KINDS: [(AccumulatorKind, Finish); 6] = [
    (AccumulatorKind::NanSum(SumMode::Exact), Finish::NanSum),
    (AccumulatorKind::NanMoments(SumMode::Exact), Finish::NanMean),
    (AccumulatorKind::NanMoments(SumMode::Exact), Finish::NanVar { ddof: 1 }),
    (AccumulatorKind::NanMoments(SumMode::Exact), Finish::NanStd { ddof: 0 }),
    (AccumulatorKind::NanMin, Finish::NanMin),
    (AccumulatorKind::NanMax, Finish::NanMax),
];

fn is_nan(dtype: DType, bits: u64) -> bool {
    let (exponent_bits, mantissa_bits) = layout(dtype);
    let infinity = ((1_u64 << exponent_bits) - 1) << mantissa_bits;
    bits & ((1 << (exponent_bits + mantissa_bits)) - 1) > infinity
}

/// Floats among which some, most or all are NaN.
fn holed_bits(count: std::ops::Range<usize>) -> impl Strategy<Value = (DType, Vec<u64>)> {
    (prop::sample::select(&FLOATS[..]), prop::sample::select(&[1_u64, 2, 20, 300][..])).prop_flat_map(move |(dtype, share)| {
        let holes = prop::collection::vec(any::<u64>(), count.end);
        (Just(dtype), finite_bits(dtype, count.clone()), holes).prop_map(move |(dtype, mut bits, holes)| {
            let (exponent_bits, mantissa_bits) = layout(dtype);
            for (bits, hole) in bits.iter_mut().zip(holes) {
                if hole % share == 0 {
                    *bits = (((1 << exponent_bits) - 1) << mantissa_bits | 1) | (hole >> 60 & 1) << (exponent_bits + mantissa_bits);
                }
            }
            (dtype, bits)
        })
    })
}

/// The bits of a finish; the sign of zero is open where `+0.0` stood for NaN.
fn result(made: &Accumulator, what: Finish, dtype: DType, at: usize) -> Option<u64> {
    let mut out = vec![0; dtype.size()];
    made.finish(what, dtype, at, 1, &mut out).ok()?;
    let bits = bits_of(&out);
    let (exponent_bits, mantissa_bits) = layout(dtype);
    let sign = 1 << (exponent_bits + mantissa_bits);
    let sums = !matches!(what.plain(), Finish::Min | Finish::Max);
    Some(if sums && bits == sign { 0 } else { bits })
}

fn check_slice(made: &Accumulator, kind: AccumulatorKind, what: Finish, at: usize, slice: &[u64]) {
    let dtype = made.dtype();
    let numbers: Vec<u64> = slice.iter().copied().filter(|bits| !is_nan(dtype, *bits)).collect();
    let plain = absorbed(kind.plain(), dtype, &numbers);
    let want = result(&plain, what.plain(), dtype, 0).or_else(|| {
        let (exponent_bits, mantissa_bits) = layout(dtype);
        (!slice.is_empty()).then_some(((1 << (exponent_bits + 1)) - 1) << (mantissa_bits - 1))
    });
    assert_eq!(result(made, what, dtype, at), want, "{what:?} of {dtype} {slice:x?}");
    let ddof = if let Finish::NanVar { ddof } = what { ddof as usize } else { 0 };
    let hollow = what != Finish::NanSum && numbers.len() <= ddof && !slice.is_empty();
    assert_eq!(made.hollow_outputs(what, at, 1), usize::from(hollow), "{what:?} of {dtype} {slice:x?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn runs_without_nan((dtype, bits) in holed_bits(1..500)) {
        for (kind, what) in KINDS {
            check_slice(&absorbed(kind, dtype, &bits), kind, what, 0, &bits);
        }
    }

    #[test]
    fn rows_and_columns_without_nan((dtype, bits) in holed_bits(1..600), columns in 1..90_usize) {
        let rows = bits.len() / columns;
        let bits = &bits[..rows * columns];
        let kept = |length: usize| TileAxis { length, output_step: 1, index_step: 0 };
        for (kind, what) in KINDS {
            let mut across = Accumulator::new(kind, dtype, rows).unwrap();
            across.absorb_baseline(&bytes_of(dtype, bits), &[kept(rows), reduced(columns)], 0, 0);
            for row in 0..rows {
                check_slice(&across, kind, what, row, &bits[row * columns..][..columns]);
            }
            let mut down = Accumulator::new(kind, dtype, columns).unwrap();
            down.absorb_baseline(&bytes_of(dtype, bits), &[reduced(rows), kept(columns)], 0, 0);
            for column in 0..if rows > 0 { columns } else { 0 } {
                check_slice(&down, kind, what, column, &(0..rows).map(|row| bits[row * columns + column]).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn any_partition_order_and_merge_gives_the_same_bytes((dtype, bits) in holed_bits(1..200), cut in 1..50_usize, turn in any::<usize>()) {
        for (kind, _) in KINDS {
            let whole = absorbed(kind, dtype, &bits).serialise();
            let mut turned = bits.clone();
            turned.rotate_left(turn % bits.len());
            let mut merged = Accumulator::new(kind, dtype, 1).unwrap();
            for part in turned.rchunks(cut) {
                let part = absorbed(kind, dtype, part);
                merged.merge_run(0, &Accumulator::deserialise(&part.serialise()).unwrap(), 0, 1);
            }
            prop_assert_eq!(merged.serialise(), whole);
        }
    }
}

/// Tiles longer than the piece that is copied, cut along an outer, the middle and the only axis.
#[test]
fn long_tiles_are_cut_into_pieces() {
    let bits: Vec<u64> =
        (0..24_000_u64).map(|at| if at % 97 == 0 { f32::NAN.to_bits() } else { (at as f32 - 9e3).to_bits() }.into()).collect();
    let axis = |length, output_step| TileAxis { length, output_step, index_step: 0 };
    let cases: [(&[TileAxis], usize); 5] = [
        (&[axis(24_000, 0)], 1),
        (&[axis(24, 0), axis(1000, 1)], 1000),
        (&[axis(6, 1), axis(4000, 0)], 6),
        (&[axis(2, 3000), axis(4, 0), axis(3000, 1)], 6000),
        (&[axis(300, 0), axis(4, 1), axis(20, 0)], 4),
    ];
    for (axes, outputs) in cases {
        for kind in [AccumulatorKind::NanMoments(SumMode::Exact), AccumulatorKind::NanSum(SumMode::Exact)] {
            let mut whole = Accumulator::new(kind, DType::F32, outputs).unwrap();
            whole.absorb_baseline(&bytes_of(DType::F32, &bits), axes, 0, 0);
            let mut single = Accumulator::new(kind, DType::F32, outputs).unwrap();
            super::super::axes::each_element(axes, 0, 0, |at, output, _| {
                single.absorb_baseline(&bytes_of(DType::F32, &bits[at..=at]), &[], output, 0);
            });
            assert!(whole.serialise() == single.serialise(), "{kind:?} {axes:?}");
        }
    }
}

#[test]
fn compensated_sums_leave_out_nan() {
    let values = [1.0, f64::NAN, 2.0, 3.0, f64::NAN];
    for mode in MODES {
        let made = absorbed(AccumulatorKind::NanMoments(mode), DType::F64, &f64_bits(&values));
        let of = |what| f64::from_bits(finished(&made, what, DType::F64));
        assert_eq!((of(Finish::NanSum), of(Finish::NanMean), of(Finish::NanVar { ddof: 1 })), (6.0, 2.0, 1.0), "{mode:?}");
    }
}

#[test]
fn zeros_are_numpys() {
    let sum = |values: &[f64]| {
        let made = absorbed(AccumulatorKind::NanSum(SumMode::Exact), DType::F64, &f64_bits(values));
        f64::from_bits(finished(&made, Finish::NanSum, DType::F64)).to_bits()
    };
    assert_eq!(sum(&[f64::NAN, f64::NAN]), 0.0_f64.to_bits());
    assert_eq!(sum(&[-0.0, f64::NAN]), 0.0_f64.to_bits());
    assert_eq!(sum(&[-0.0, -0.0]), (-0.0_f64).to_bits());
    let product = absorbed(AccumulatorKind::NanProduct, DType::F16, &[0x7e00, 0x4000, 0xfe00, 0x4200]);
    assert_eq!(finished(&product, Finish::NanProd, DType::F16), 0x4600);
    assert_eq!(finished(&absorbed(AccumulatorKind::NanProduct, DType::F16, &[0x7e00]), Finish::NanProd, DType::F16), 0x3c00);
}
