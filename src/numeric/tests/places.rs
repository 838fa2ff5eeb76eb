//! Indices of extremes against a loop over the elements.

use super::*;

/// How elements compare for argmin and argmax; `None` for NaN.
fn value(dtype: DType, bits: u64) -> Option<f64> {
    let value = match dtype {
        DType::F16 => half::f16::from_bits(bits as u16).to_f64(),
        DType::BF16 => half::bf16::from_bits(bits as u16).to_f64(),
        DType::F32 => f64::from(f32::from_bits(bits as u32)),
        DType::F64 => f64::from_bits(bits),
        DType::Bool => f64::from(u8::from(bits as u8 != 0)),
        DType::I8 => f64::from(bits as i8),
        DType::U8 => f64::from(bits as u8),
        DType::I16 => f64::from(bits as i16),
        DType::U16 => f64::from(bits as u16),
        DType::I32 => f64::from(bits as i32),
        DType::U32 => f64::from(bits as u32),
        _ => unreachable!("64-bit integers are no f64"),
    };
    (!value.is_nan()).then_some(value)
}

/// NumPy's answer: the first NaN, or the first of the extremes.
fn naive(dtype: DType, bits: &[u64], largest: bool, skip: bool) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (at, bits) in bits.iter().enumerate() {
        match value(dtype, *bits) {
            None if skip => {}
            None => return Some(at),
            Some(value) => {
                let value = if largest { value } else { -value };
                if best.is_none_or(|(_, held)| value > held) {
                    best = Some((at, value));
                }
            }
        }
    }
    best.map(|(at, _)| at)
}

const KINDS: [(AccumulatorKind, Finish, bool, bool); 4] = [
    (AccumulatorKind::ArgMin, Finish::ArgMin, false, false),
    (AccumulatorKind::ArgMax, Finish::ArgMax, true, false),
    (AccumulatorKind::NanArgMin, Finish::NanArgMin, false, true),
    (AccumulatorKind::NanArgMax, Finish::NanArgMax, true, true),
];

/// Elements with many ties, zeros of both signs, infinities and, at times, NaN.
fn tied_bits() -> impl Strategy<Value = (DType, Vec<u64>)> {
    let dtypes = [DType::F16, DType::BF16, DType::F32, DType::F64, DType::Bool, DType::I8, DType::U8, DType::I16, DType::I32, DType::U32];
    (prop::sample::select(dtypes.to_vec()), prop::collection::vec(any::<u64>(), 1..700), 0..4_u8).prop_map(|(dtype, draws, shape)| {
        let bits = draws.into_iter().map(|draw| {
            if !dtype.is_float() {
                return if shape == 0 { draw } else { draw % 5 };
            }
            let (exponent_bits, mantissa_bits) = layout(dtype);
            let infinity = ((1_u64 << exponent_bits) - 1) << mantissa_bits;
            let magnitude = match (draw >> 8) % 16 {
                0 | 1 => 0,
                2 => infinity,
                3 if shape > 1 => infinity | (1 + draw % 3),
                _ if shape == 3 => infinity | 1,
                _ => (draw >> 16) % 3 * (1 << mantissa_bits),
            };
            magnitude | (draw & 1) << (exponent_bits + mantissa_bits)
        });
        (dtype, bits.collect())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn places_are_numpys((dtype, bits) in tied_bits()) {
        for (kind, what, largest, skip) in KINDS {
            let made = absorbed(kind, dtype, &bits);
            let mut out = [0; 8];
            let got = made.finish(what, DType::I64, 0, 1, &mut out).map(|()| i64::from_ne_bytes(out) as usize);
            prop_assert_eq!(got.ok(), naive(dtype, &bits, largest, skip), "{:?} of {} {:x?}", kind, dtype, &bits);
        }
    }

    #[test]
    fn any_partition_and_merge_order_gives_the_same_bytes(
        (dtype, bits) in tied_bits(), cuts in prop::collection::vec(1..90_usize, 1..20), picks in prop::collection::vec(any::<usize>(), 1..50),
    ) {
        for (kind, ..) in KINDS {
            let whole = absorbed(kind, dtype, &bits);
            let (mut parts, mut first) = (Vec::new(), 0);
            for cut in cuts.iter().cycle() {
                let end = bits.len().min(first + cut);
                let mut part = Accumulator::new(kind, dtype, 1).unwrap();
                part.absorb_baseline(&bytes_of(dtype, &bits[first..end]), &[reduced(end - first)], 0, first as i64);
                parts.push(part);
                first = end;
                if first == bits.len() {
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
            prop_assert_eq!(parts[0].serialise(), whole.serialise());
        }
    }

    /// Columns and rows of a matrix, whatever its shape.
    #[test]
    fn axes_of_matrices((dtype, bits) in tied_bits(), columns in 1..80_usize) {
        let rows = bits.len() / columns;
        let bits = &bits[..rows * columns];
        for (kind, what, largest, skip) in KINDS {
            let kept = |length: usize| TileAxis { length, output_step: 1, index_step: 0 };
            let mut down = Accumulator::new(kind, dtype, columns).unwrap();
            down.absorb_baseline(&bytes_of(dtype, bits), &[reduced(rows), kept(columns)], 0, 0);
            let mut across = Accumulator::new(kind, dtype, rows).unwrap();
            across.absorb_baseline(&bytes_of(dtype, bits), &[kept(rows), reduced(columns)], 0, 0);
            let column = |at: usize| (0..rows).map(|row| bits[row * columns + at]).collect::<Vec<u64>>();
            let mut slices: Vec<(&Accumulator, usize, Vec<u64>)> = (0..rows).map(|row| (&across, row, bits[row * columns..][..columns].to_vec())).collect();
            if rows > 0 {
                slices.extend((0..columns).map(|at| (&down, at, column(at))));
            }
            for (made, at, slice) in slices {
                let mut out = [0; 8];
                let got = made.finish(what, DType::I64, at, 1, &mut out).map(|()| i64::from_ne_bytes(out) as usize);
                prop_assert_eq!(got.ok(), naive(dtype, &slice, largest, skip), "{:?} of {} {:x?}", kind, dtype, &slice);
            }
        }
    }
}

#[test]
fn places_of_the_widest_integers() {
    let bits = [5, i64::MIN as u64, i64::MAX as u64, i64::MIN as u64, i64::MAX as u64];
    for (dtype, least, most) in [(DType::I64, 1, 2), (DType::U64, 0, 1)] {
        assert_eq!(finished(&absorbed(AccumulatorKind::ArgMin, dtype, &bits), Finish::ArgMin, DType::I64), least);
        assert_eq!(finished(&absorbed(AccumulatorKind::NanArgMax, dtype, &bits), Finish::NanArgMax, DType::I64), most);
    }
    let lowest = absorbed(AccumulatorKind::ArgMax, DType::I64, &[i64::MIN as u64; 3]);
    assert_eq!(finished(&lowest, Finish::ArgMax, DType::I64), 0);
}

#[test]
fn nothing_has_no_place() {
    let mut out = [0; 8];
    let empty = Accumulator::new(AccumulatorKind::ArgMax, DType::F32, 1).unwrap();
    let error = empty.finish(Finish::ArgMax, DType::I64, 0, 1, &mut out).unwrap_err();
    assert!(error.to_string().contains("argmax of no elements"), "{error}");
    let hollow = absorbed(AccumulatorKind::NanArgMin, DType::F64, &f64_bits(&[f64::NAN, -f64::NAN]));
    let error = hollow.finish(Finish::NanArgMin, DType::I64, 0, 1, &mut out).unwrap_err();
    assert!(error.to_string().contains("nanargmin of nothing but NaN"), "{error}");
}
