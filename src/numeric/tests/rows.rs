//! Results of rows that go through no accumulator are those of one, wherever they are certain.

use super::super::{ROWS_MAX, RowSums};
use super::*;

const WHATS: [Finish; 7] = [
    Finish::Sum,
    Finish::Mean,
    Finish::Norm,
    Finish::Var { ddof: 0 },
    Finish::Var { ddof: 1 },
    Finish::Std { ddof: 0 },
    Finish::Std { ddof: 3 },
];

/// An element: of a few binades with all bits, or few, of any sign or one; now and then of another kind.
fn element(draw: &mut Draw, dtype: DType, round: u64) -> u64 {
    let (exponent_bits, mantissa_bits) = layout(dtype);
    let sign = (draw.next() >> 7 & round & 1) << (exponent_bits + mantissa_bits);
    if round.is_multiple_of(5) && draw.next().is_multiple_of(40) {
        let special = ((1 << exponent_bits) - 1) << mantissa_bits;
        return sign | [0, 1, special, special | 1 << (mantissa_bits - 1)][draw.next() as usize >> 5 & 3];
    }
    let spread = [1, 2, 6, (1 << exponent_bits) - 2][round as usize % 4];
    let exponent = ((1 << (exponent_bits - 1)) - 1 + draw.next() % spread) % ((1 << exponent_bits) - 1);
    let kept = [u64::MAX, 0, 3 << (mantissa_bits - 2)][round as usize % 3];
    sign | exponent << mantissa_bits | draw.next() >> 5 & kept & ((1 << mantissa_bits) - 1)
}

#[test]
fn rows_are_finished_as_by_an_accumulator() {
    let mut draw = Draw(5);
    let (mut certain, mut all) = (0, 0);
    for round in 0..400_u64 {
        let dtype = [DType::F16, DType::BF16, DType::F32][round as usize % 3];
        let (length, rows) = (2 + (draw.next() % 150) as usize, 1 + (draw.next() % ROWS_MAX as u64) as usize);
        let bits: Vec<u64> = (0..length * rows).map(|_| element(&mut draw, dtype, round)).collect();
        let bytes = bytes_of(dtype, &bits);
        let mut sums = RowSums::EMPTY;
        sums.take::<Baseline>(dtype, &bytes, length, rows);
        for what in WHATS {
            for result in [DType::F32, DType::F64] {
                let kind = AccumulatorKind::Moments(SumMode::Exact);
                if !RowSums::finishes(kind, dtype, what, result) {
                    continue;
                }
                let mut out = vec![0; rows * result.size()];
                let doubtful = sums.finish::<Baseline>(what, result, rows, &mut out);
                for row in 0..rows {
                    let row_bits = &bits[row * length..][..length];
                    let wanted = finished(&absorbed(kind, dtype, row_bits), what, result);
                    all += 1;
                    if doubtful >> row & 1 == 0 {
                        certain += 1;
                        let found = bits_of(&out[row * result.size()..][..result.size()]);
                        assert_eq!(found, wanted, "{what:?} of {dtype} as {result}: {row_bits:x?}");
                    }
                }
            }
        }
    }
    assert!(certain * 2 > all, "{certain} of {all}");
}
