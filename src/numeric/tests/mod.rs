//! Accumulators against an oracle of big rational arithmetic that shares no code with them.

mod axes;
mod compensated;
mod exact;
mod fallback;
mod grouped;
mod hard;
mod oracle;
mod pairs;
mod places;
mod plain;
mod products;
mod rows;
mod sketches;
mod skipping;
mod states;

use super::{Accumulator, AccumulatorKind, Baseline, Finish, Side, SumMode, TileAxis};
use crate::nd::DType;
use proptest::prelude::*;

const FLOATS: [DType; 4] = [DType::F16, DType::BF16, DType::F32, DType::F64];
const WHOLES: [DType; 9] = [DType::Bool, DType::I8, DType::I16, DType::I32, DType::I64, DType::U8, DType::U16, DType::U32, DType::U64];
const MODES: [SumMode; 5] = [SumMode::Exact, SumMode::Neumaier, SumMode::Kahan, SumMode::Pairwise, SumMode::Naive];

/// A small generator, the same on every run.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 29
    }
}

fn kinds() -> Vec<AccumulatorKind> {
    use AccumulatorKind as K;
    let mut kinds = vec![K::Min, K::Max, K::Any, K::All, K::CountNonzero, K::FirstFalse, K::Count, K::ArgMin, K::ArgMax, K::Product];
    kinds.extend([K::NanMin, K::NanMax, K::NanArgMin, K::NanArgMax, K::NanProduct]);
    for mode in MODES {
        kinds.extend([K::Sum(mode), K::Moments(mode), K::NanSum(mode), K::NanMoments(mode)]);
    }
    kinds
}

/// Whether equal elements give equal bytes in any order.
fn order_free(kind: AccumulatorKind, dtype: DType) -> bool {
    match kind.plain() {
        AccumulatorKind::Sum(mode) | AccumulatorKind::Moments(mode) => mode == SumMode::Exact || !dtype.is_float(),
        AccumulatorKind::Product => !dtype.is_float(),
        _ => true,
    }
}

/// Native bytes of elements given as bits.
fn bytes_of(dtype: DType, bits: &[u64]) -> Vec<u8> {
    bits.iter().flat_map(|bits| bits.to_le_bytes().into_iter().take(dtype.size())).collect()
}

fn bits_of(bytes: &[u8]) -> u64 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(wide)
}

fn reduced(length: usize) -> TileAxis {
    TileAxis { length, output_step: 0, index_step: 1 }
}

/// An accumulator of one output that absorbed `bits` in one tile.
fn absorbed(kind: AccumulatorKind, dtype: DType, bits: &[u64]) -> Accumulator {
    let mut made = Accumulator::new(kind, dtype, 1).unwrap();
    made.absorb_baseline(&bytes_of(dtype, bits), &[reduced(bits.len())], 0, 0);
    made
}

fn finished(accumulator: &Accumulator, what: Finish, dtype: DType) -> u64 {
    let mut out = vec![0; dtype.size()];
    accumulator.finish(what, dtype, 0, 1, &mut out).unwrap();
    bits_of(&out)
}

fn f64_bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn sum_f64(mode: SumMode, values: &[f64]) -> f64 {
    f64::from_bits(finished(&absorbed(AccumulatorKind::Sum(mode), DType::F64, &f64_bits(values)), Finish::Sum, DType::F64))
}

/// Exponent bits and mantissa bits of a float dtype.
fn layout(dtype: DType) -> (u32, u32) {
    match dtype {
        DType::F16 => (5, 10),
        DType::BF16 => (8, 7),
        DType::F32 => (8, 23),
        _ => (11, 52),
    }
}

/// Bits of finite floats: `spread` limits how far the exponents lie apart; cancelling pairs come up often.
fn finite_bits(dtype: DType, count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u64>> {
    let (exponent_bits, mantissa_bits) = layout(dtype);
    let fields = (1_u64 << exponent_bits) - 1;
    let element = (any::<u64>(), any::<u64>(), 0..8_u8);
    (prop::collection::vec(element, count), 0..fields, prop_oneof![Just(0), Just(1), Just(8), Just(40), Just(fields)]).prop_map(
        move |(elements, start, spread)| {
            let mut out: Vec<u64> = Vec::new();
            for (at, (mantissa, draw, shape)) in elements.into_iter().enumerate() {
                let field = (start + draw % (spread + 1)) % fields;
                let mantissa = match shape {
                    0 => 0,
                    1 => u64::MAX,
                    2 => 1,
                    _ => mantissa,
                } & ((1 << mantissa_bits) - 1);
                let sign = draw >> 63 << (exponent_bits + mantissa_bits);
                out.push(match shape {
                    7 if at > 0 => out[(draw % at as u64) as usize] ^ 1 << (exponent_bits + mantissa_bits),
                    6 => sign * u64::from(start % 2 == 0),
                    _ => sign | field << mantissa_bits | mantissa,
                });
            }
            out
        },
    )
}
