//! Whatever kernel a piece goes through, the state is the same: data at the edges of every certificate, over any cut.

use super::oracle::Sums;
use super::*;
use crate::numeric::axes::{Baseline, TileAxis};
use crate::numeric::run::Cells;

const MOMENTS: AccumulatorKind = AccumulatorKind::Moments(SumMode::Exact);
const SUM: AccumulatorKind = AccumulatorKind::Sum(SumMode::Exact);

/// Elements whose exponents spread over `spread` binades upwards of field `low`, some of them zeros, some cancelling.
fn spread_bits(dtype: DType, draw: &mut Draw, count: usize, low: u64, spread: u64) -> Vec<u64> {
    let (exponent_bits, mantissa_bits) = layout(dtype);
    let fields = (1_u64 << exponent_bits) - 1;
    let mut bits: Vec<u64> = Vec::new();
    for at in 0..count {
        let field = (low + (draw.next() >> 20) % (spread + 1)).min(fields - 1);
        let mantissa = draw.next() & ((1 << mantissa_bits) - 1);
        let sign = (draw.next() >> 40 & 1) << (exponent_bits + mantissa_bits);
        bits.push(match draw.next() >> 33 & 15 {
            0 => sign,
            1 if at > 0 => bits[at / 2] ^ 1 << (exponent_bits + mantissa_bits),
            2 => sign | field << mantissa_bits | ((1 << mantissa_bits) - 1),
            _ => sign | field << mantissa_bits | mantissa,
        });
    }
    bits
}

/// The same elements one by one, which only the scalar path sees.
fn one_by_one(kind: AccumulatorKind, dtype: DType, bits: &[u64], outputs: usize) -> Accumulator {
    let mut made = Accumulator::new(kind, dtype, outputs).unwrap();
    for (at, bits) in bits.iter().enumerate() {
        made.absorb_baseline(&bytes_of(dtype, &[*bits]), &[], at % outputs, 0);
    }
    made
}

/// Runs: all in one tile, and cut anywhere, with data of another scale before.
#[test]
fn runs_of_any_spread_equal_their_elements() {
    let mut draw = Draw(7);
    for dtype in FLOATS {
        let (exponent_bits, _) = layout(dtype);
        let fields = (1_u64 << exponent_bits) - 1;
        for spread in [0, 2, 10, 14, 20, 22, 24, 26, 28, 40, 47, 52, 60, 102, 110, 400, 2046] {
            for low in [0, 1, fields / 2, fields.saturating_sub(spread + 2)] {
                let count = 1 + (draw.next() >> 30) as usize % 2500;
                let bits = spread_bits(dtype, &mut draw, count, low.min(fields - 1), spread);
                for kind in [SUM, MOMENTS] {
                    let want = one_by_one(kind, dtype, &bits, 1).serialise();
                    assert_eq!(absorbed(kind, dtype, &bits).serialise(), want, "{kind:?} {dtype} {spread} {low}");
                    let mut pieces = Accumulator::new(kind, dtype, 1).unwrap();
                    let mut rest = &bits[..];
                    while !rest.is_empty() {
                        let (piece, after) = rest.split_at(rest.len().min(1 + (draw.next() >> 30) as usize % 300));
                        pieces.absorb_baseline(&bytes_of(dtype, piece), &[reduced(piece.len())], 0, 0);
                        rest = after;
                    }
                    assert_eq!(pieces.serialise(), want, "{kind:?} {dtype} {spread} {low} in pieces");
                    let mut other = Accumulator::new(kind, dtype, 1).unwrap();
                    other.merge_run(0, &pieces, 0, 1);
                    assert_eq!(other.serialise(), want, "merged");
                }
            }
        }
    }
}

/// Runs that exist in registers only, with every certificate and none.
#[test]
fn absorbed_runs_equal_tiles() {
    let mut draw = Draw(3);
    for dtype in [DType::F16, DType::BF16, DType::F32] {
        let (exponent_bits, _) = layout(dtype);
        let fields = (1_u64 << exponent_bits) - 1;
        for spread in [0, 3, 12, 17, 19, 21, 23, 25, 30, 90, 254] {
            let (mut run, mut tile) = (Accumulator::new(SUM, dtype, 2).unwrap(), Accumulator::new(SUM, dtype, 2).unwrap());
            for count in [64, 65, 2048, 9000, 127] {
                let low = draw.next() % fields;
                let mut bytes = bytes_of(dtype, &spread_bits(dtype, &mut draw, count, low, spread));
                if spread == 3 && count == 64 {
                    bytes = bytes_of(dtype, &vec![1 << (dtype.size() * 8 - 1); count]);
                }
                let done = match dtype {
                    DType::F16 => run.absorb_run::<Baseline, _>(Cells::<half::f16>::new(bytes.as_chunks().0), 1),
                    DType::BF16 => run.absorb_run::<Baseline, _>(Cells::<half::bf16>::new(bytes.as_chunks().0), 1),
                    _ => run.absorb_run::<Baseline, _>(Cells::<f32>::new(bytes.as_chunks().0), 1),
                };
                assert!(done, "{dtype} {count}");
                tile.absorb_baseline(&bytes, &[reduced(count)], 1, 0);
                assert_eq!(run.serialise(), tile.serialise(), "{dtype} {spread} {count}");
            }
        }
    }
}

/// Columns of different scales next to each other, panels, strips and what is left of them.
#[test]
fn columns_of_any_spread_equal_their_elements() {
    let mut draw = Draw(11);
    for dtype in FLOATS {
        let (exponent_bits, _) = layout(dtype);
        let fields = (1_u64 << exponent_bits) - 1;
        for (columns, rows) in [(1, 40), (3, 19), (8, 9), (16, 1), (37, 21), (64, 16), (150, 13)] {
            for spread in [1, 15, 26, 50, 300] {
                let (mut tiles, mut all) = (Accumulator::new(MOMENTS, dtype, columns).unwrap(), Vec::new());
                for _ in 0..4 {
                    let mut tile = vec![0; columns * rows];
                    for column in 0..columns {
                        let low = (column as u64 * 97 + draw.next() % 3) % fields;
                        for (row, bits) in spread_bits(dtype, &mut draw, rows, low, spread).into_iter().enumerate() {
                            tile[row * columns + column] = bits;
                        }
                    }
                    let axes = [reduced(rows), TileAxis { length: columns, output_step: 1, index_step: 1 }];
                    tiles.absorb_baseline(&bytes_of(dtype, &tile), &axes, 0, 0);
                    all.extend(tile);
                }
                let want = one_by_one(MOMENTS, dtype, &all, columns);
                assert_eq!(tiles.serialise(), want.serialise(), "{dtype} {columns} {rows} {spread}");
            }
        }
    }
}

/// What is not finite, in the middle of elements that take the fast way, and zeros of either sign.
#[test]
fn specials_and_zeros_are_flagged_wherever_they_lie() {
    for dtype in FLOATS {
        let (exponent_bits, mantissa_bits) = layout(dtype);
        let infinity = ((1_u64 << exponent_bits) - 1) << mantissa_bits;
        let sign = 1 << (exponent_bits + mantissa_bits);
        let one = (1_u64 << (exponent_bits - 1)) << mantissa_bits;
        for special in [infinity, infinity | sign, infinity | 1, infinity | sign | 5, 0, sign] {
            for rest in [one, 0, sign] {
                for count in [1, 5, 16, 150, 3000] {
                    for columns in [1, 64] {
                        let mut bits = vec![rest; count * columns];
                        bits[count * columns / 2] = special;
                        let mut made = Accumulator::new(MOMENTS, dtype, columns).unwrap();
                        let axes = [reduced(count), TileAxis { length: columns, output_step: 1, index_step: 1 }];
                        made.absorb_baseline(&bytes_of(dtype, &bits), &axes, 0, 0);
                        let want = one_by_one(MOMENTS, dtype, &bits, columns);
                        assert_eq!(made.serialise(), want.serialise(), "{dtype} {special:x} {rest:x} {count} {columns}");
                    }
                }
            }
        }
    }
}

/// The short finish against the oracle, and against the long one of the same state read from its bytes.
#[test]
fn finishes_from_the_window_are_those_of_the_whole_state() {
    let mut draw = Draw(23);
    for dtype in FLOATS {
        let (exponent_bits, _) = layout(dtype);
        for count in [2, 3, 16, 100, 1000] {
            for spread in [0, 1, 6, 12] {
                let bits = spread_bits(dtype, &mut draw, count, (1 << (exponent_bits - 1)) - 8, spread);
                let made = absorbed(MOMENTS, dtype, &bits);
                let long = Accumulator::deserialise(&made.serialise()).unwrap();
                let oracle = Sums::new(dtype, &bits);
                for out in FLOATS {
                    for what in [Finish::Sum, Finish::Mean, Finish::Var { ddof: 1 }, Finish::Std { ddof: 0 }] {
                        assert_eq!(finished(&made, what, out), finished(&long, what, out), "{dtype} {what:?} {out} {bits:x?}");
                    }
                    assert_eq!(finished(&made, Finish::Std { ddof: 1 }, out), oracle.round_deviation(1, true, out), "{dtype} {out}");
                }
            }
        }
    }
}

#[test]
fn constants_vary_by_nothing_in_every_shape() {
    for value in [0.1, 1e-310, 5e-324, 1e150, 3.0e300, -7.25] {
        for count in [2, 9, 128, 2048, 5000] {
            let made = absorbed(MOMENTS, DType::F64, &f64_bits(&vec![value; count]));
            assert_eq!(finished(&made, Finish::Var { ddof: 1 }, DType::F64), 0, "{value} {count}");
            assert_eq!(finished(&made, Finish::Mean, DType::F64), value.to_bits(), "{value} {count}");
        }
    }
}
