//! Products against exact rational products.

use super::oracle::fixed;
use super::plain::integer;
use super::*;
use num_bigint::BigInt;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// `|computed - exact| <= n * 2^-53 * |exact|`, over any range of exponents.
    #[test]
    fn products_of_floats_keep_their_bound(
        (dtype, bits) in prop::sample::select(&FLOATS[..]).prop_flat_map(|dtype| (Just(dtype), finite_bits(dtype, 1..60))),
        zeros in any::<bool>(),
    ) {
        let sign = 1 << (layout(dtype).0 + layout(dtype).1);
        let bits: Vec<u64> = bits.into_iter().filter(|bits| zeros || bits & (sign - 1) != 0).collect();
        let exact: BigInt = bits.iter().map(|bits| fixed(dtype, *bits)).product();
        let made = absorbed(AccumulatorKind::Product, dtype, &bits);
        let negative = bits.iter().filter(|bits| *bits & sign != 0).count() % 2 == 1;
        let got = f64::from_bits(finished(&made, Finish::Prod, DType::F64));
        prop_assert_eq!(got.is_sign_negative(), negative);
        if exact == BigInt::ZERO {
            prop_assert_eq!(got, 0.0);
        } else if got.is_normal() {
            // In units of 2^-1100 to the power of n + 1, times 2^53.
            let got = fixed(DType::F64, got.to_bits()) << (1100 * bits.len());
            let exact = exact << 1100;
            let error: BigInt = if got > exact { &got - &exact } else { &exact - &got };
            let magnitude = if exact < BigInt::ZERO { -exact } else { exact };
            prop_assert!((error << 53) <= magnitude * (bits.len() as u64 + 1));
        }
    }

    /// One block grid gives one result: merges in order, through bytes too.
    #[test]
    fn products_of_parts_are_reproducible(
        bits in finite_bits(DType::F32, 1..900), cut in 1..200_usize,
    ) {
        let merged = |through_bytes: bool| {
            let mut whole = Accumulator::new(AccumulatorKind::Product, DType::F32, 1).unwrap();
            for part in bits.chunks(cut) {
                let part = absorbed(AccumulatorKind::Product, DType::F32, part);
                let part = if through_bytes { Accumulator::deserialise(&part.serialise()).unwrap() } else { part };
                whole.merge_run(0, &part, 0, 1);
            }
            whole.serialise()
        };
        prop_assert_eq!(merged(false), merged(true));
    }

    #[test]
    fn products_of_integers_are_exact(
        dtype in prop::sample::select(&WHOLES[..]),
        draws in prop::collection::vec((any::<u64>(), 0..40_u8), 0..200),
        zero in any::<bool>(), cut in 1..64_usize,
    ) {
        let ones = |draw: u64| if dtype.is_unsigned() || dtype == DType::Bool || draw & 1 == 0 { 1 } else { u64::MAX };
        let mut bits: Vec<u64> = draws.into_iter().map(|(draw, shape)| if shape == 0 { draw >> (draw % 64) } else { ones(draw) }).collect();
        if zero {
            bits.push(0);
        }
        let exact: BigInt = bits.iter().map(|bits| BigInt::from(integer(dtype, *bits))).product();
        let made = absorbed(AccumulatorKind::Product, dtype, &bits);
        let mut merged = Accumulator::new(AccumulatorKind::Product, dtype, 1).unwrap();
        for part in bits.rchunks(cut) {
            merged.merge_run(0, &absorbed(AccumulatorKind::Product, dtype, part), 0, 1);
        }
        prop_assert_eq!(merged.serialise(), made.serialise());
        let mut out = [0; 8];
        let got = made.finish(Finish::Prod, DType::I64, 0, 1, &mut out);
        prop_assert_eq!(got.ok().map(|()| i64::from_ne_bytes(out)), i64::try_from(&exact).ok());
        let got = made.finish(Finish::Prod, DType::U64, 0, 1, &mut out);
        prop_assert_eq!(got.ok().map(|()| u64::from_ne_bytes(out)), u64::try_from(&exact).ok());
    }

    #[test]
    fn columns_of_integers_are_multiplied(bits in prop::collection::vec(0..4_u64, 1..600), columns in 1..40_usize) {
        let rows = bits.len() / columns;
        let mut made = Accumulator::new(AccumulatorKind::Product, DType::I32, columns).unwrap();
        let axes = [reduced(rows), TileAxis { length: columns, output_step: 1, index_step: 0 }];
        made.absorb_baseline(&bytes_of(DType::I32, &bits[..rows * columns]), &axes, 0, 0);
        for column in 0..columns {
            let exact: BigInt = (0..rows).map(|row| BigInt::from(bits[row * columns + column])).product();
            let mut out = [0; 8];
            let got = made.finish(Finish::Prod, DType::I64, column, 1, &mut out);
            prop_assert_eq!(got.ok().map(|()| i64::from_ne_bytes(out)), i64::try_from(&exact).ok());
        }
    }
}

fn product(values: &[f64]) -> f64 {
    f64::from_bits(finished(&absorbed(AccumulatorKind::Product, DType::F64, &f64_bits(values)), Finish::Prod, DType::F64))
}

#[test]
fn known_products() {
    let cases: [(&[f64], f64); 14] = [
        (&[], 1.0),
        (&[2_f64.powi(1000), 2_f64.powi(1000), 2_f64.powi(-1000), 2_f64.powi(-1000)], 1.0),
        (&[5e-324, 2_f64.powi(1000), 2_f64.powi(74)], 1.0),
        (&[f64::MAX, 2.0], f64::INFINITY),
        (&[-f64::MAX, 2.0], f64::NEG_INFINITY),
        (&[5e-324, -0.25], -0.0),
        (&[0.0, -1.0], -0.0),
        (&[-0.0, -3.0], 0.0),
        (&[f64::INFINITY, -2.0], f64::NEG_INFINITY),
        (&[3.0, -7.0], -21.0),
        (&[1.5, 1.5, 1.5], 3.375),
        (&[f64::INFINITY, 1e-320], f64::INFINITY),
        (&[1e-310, 1e10], 1e-300),
        (&[0.0, 1e300, 1e300], 0.0),
    ];
    for (values, want) in cases {
        let got = product(values);
        assert!(got.to_bits() == want.to_bits() || (want == 1e-300 && (got / want - 1.0).abs() < 1e-11), "{values:?} gives {got}");
    }
    for values in [&[f64::NAN, 1.0][..], &[0.0, f64::INFINITY], &[f64::NAN, 0.0]] {
        assert!(product(values).is_nan(), "{values:?}");
    }
    let many = absorbed(AccumulatorKind::Product, DType::F32, &vec![u64::from(2_f32.to_bits()); 100_000]);
    assert_eq!(f32::from_bits(finished(&many, Finish::Prod, DType::F32) as u32), f32::INFINITY);
}

#[test]
fn products_that_do_not_fit_say_so() {
    let mut out = [0; 8];
    let large = absorbed(AccumulatorKind::Product, DType::I32, &[1 << 30, 1 << 30, 1 << 30]);
    let error = large.finish(Finish::Prod, DType::I64, 0, 1, &mut out).unwrap_err();
    assert!(error.to_string().contains("the product of more than 64 bits is outside of i64"), "{error}");
    let narrow = absorbed(AccumulatorKind::Product, DType::I8, &[100, 2]);
    let error = narrow.finish(Finish::Prod, DType::I8, 0, 1, &mut out[..1]).unwrap_err();
    assert!(error.to_string().contains("the product 200 is outside of i8"), "{error}");
    let least = absorbed(AccumulatorKind::Product, DType::I64, &[1 << 62, (-2_i64) as u64]);
    assert_eq!(finished(&least, Finish::Prod, DType::I64) as i64, i64::MIN);
}
