//! Scans, searches and sorted lines against plain sorting.

use super::{
    cuts::Cuts,
    key::{Cell, Key, of_cell},
    scan::Scan,
    seek::{Seek, Wanted},
};
use crate::{
    kernel::{
        order::{
            distinct::Distinct,
            lines::{Give, LineQuantile, LineSort},
            top::Top,
        },
        program::QuantileMethod,
        vm::BlockFunction,
    },
    nd::{DType, Element},
};

fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// The answer of all elements, block by block.
fn scan(dtype: DType, shape: &[usize], reduced: &[bool], cuts: &Cuts, bytes: &[u8], rows: usize) -> super::cuts::Tally {
    let scan = Scan::new(dtype, shape, reduced, cuts.clone()).unwrap();
    let row = shape[1..].iter().product::<usize>() * dtype.size();
    for first in (0..shape[0]).step_by(rows) {
        let height = rows.min(shape[0] - first);
        let mut start = vec![0; shape.len()];
        start[0] = first;
        let mut block = shape.to_vec();
        block[0] = height;
        scan.call(&start, &block, &bytes[first * row..(first + height) * row], &mut []).unwrap();
    }
    scan.take()
}

/// Seeks and compares with sorting. Returns how many passes it took.
fn check(dtype: DType, shape: &[usize], axis: usize, bytes: &[u8], room: usize, sample: bool, quantiles: &[f64]) -> usize {
    let reduced: Vec<bool> = (0..shape.len()).map(|place| place == axis).collect();
    let lanes = shape.iter().product::<usize>() / shape[axis];
    let wanted = Wanted { quantiles: quantiles.to_vec(), method: QuantileMethod::Lower, skip_nan: true };
    let mut seek = Seek::new(dtype, wanted, lanes, shape[axis] as u64, room);
    if sample {
        let cuts = seek.sample_cuts(1 << 20);
        let mut part = shape.to_vec();
        part[0] = (shape[0] / 3).max(1);
        let row = bytes.len() / shape[0];
        seek.propose(scan(dtype, &part, &reduced, &cuts, &bytes[..part[0] * row], 7));
    }
    let mut passes = 0;
    while let Some(cuts) = seek.next() {
        let tally = scan(dtype, shape, &reduced, &cuts, bytes, 13);
        seek.learn(&cuts, tally).unwrap();
        passes += 1;
        assert!(passes < 100);
    }
    let found = seek.results(dtype);
    let keys: Vec<i64> = of_cell!(dtype, T => T::cells(bytes).iter().map(|cell| T::key(*cell).widen()).collect());
    let top = of_cell!(dtype, T => <T as Cell>::Key::HIGHEST.widen() - i64::from(<T as Cell>::HAS_NAN));
    let inner: usize = shape[axis + 1..].iter().product();
    for lane in 0..lanes {
        let first = lane / inner * inner * shape[axis] + lane % inner;
        let mut line: Vec<i64> = (0..shape[axis]).map(|at| keys[first + at * inner]).filter(|key| *key <= top).collect();
        line.sort_unstable();
        for (index, q) in quantiles.iter().enumerate() {
            let at = (index * lanes + lane) * dtype.size();
            let got = of_cell!(dtype, T => T::key(T::cells(&found[at..at + dtype.size()])[0]).widen());
            let want = line.get(((line.len().max(1) - 1) as f64 * q).floor() as usize).copied().unwrap_or(top.saturating_add(1));
            assert_eq!(got, want, "{dtype} {shape:?} axis {axis} lane {lane} q {q} room {room}");
        }
    }
    passes
}

#[test]
fn quantiles_are_found_whatever_the_room() {
    let mut state = 7;
    for dtype in [DType::F32, DType::F64, DType::I16, DType::U8, DType::I64, DType::F16] {
        for kind in 0..5 {
            let count = 3000;
            let bytes: Vec<u8> = (0..count)
                .flat_map(|index| {
                    let bits = match kind {
                        0 => random(&mut state),
                        1 => 5,
                        2 => random(&mut state) % 2,
                        3 => index,
                        _ => 0x7fff_ffff_ffff_ffff,
                    };
                    bits.to_ne_bytes()[..dtype.size()].to_vec()
                })
                .collect();
            for room in [64, 500, 100_000] {
                for sample in [false, true] {
                    check(dtype, &[3000], 0, &bytes, room, sample, &[0.5]);
                    check(dtype, &[100, 30], 0, &bytes, room, sample, &[0.5, 0.0, 1.0]);
                    check(dtype, &[10, 20, 15], 1, &bytes, room, sample, &[0.1, 0.9]);
                    check(dtype, &[30, 100], 1, &bytes, room, sample, &[0.25]);
                }
            }
        }
    }
}

#[test]
fn a_good_sample_needs_one_pass() {
    let mut state = 3;
    let values: Vec<f32> = (0..200_000).map(|_| (random(&mut state) >> 40) as f32).collect();
    assert_eq!(check(DType::F32, &[200_000], 0, f32::as_bytes(&values), 20_000, true, &[0.5]), 1);
    assert!(check(DType::F32, &[200_000], 0, f32::as_bytes(&values), 2_000, true, &[0.5]) <= 2);
    let sorted: Vec<f64> = (0..200_000).map(f64::from).collect();
    assert!(check(DType::F64, &[200_000], 0, f64::as_bytes(&sorted), 20_000, true, &[0.5]) <= 3);
}

/// Calls `function` for every block of an array of `shape`.
fn blocks(function: &dyn BlockFunction, shape: &[usize; 3], block: [usize; 3], item: usize, bytes: &[u8]) {
    for (a, b, c) in (0..shape[0])
        .step_by(block[0])
        .flat_map(|a| (0..shape[1]).step_by(block[1]).flat_map(move |b| (0..shape[2]).step_by(block[2]).map(move |c| (a, b, c))))
    {
        let size = [block[0].min(shape[0] - a), block[1].min(shape[1] - b), block[2].min(shape[2] - c)];
        let mut part = Vec::new();
        for (x, y) in (a..a + size[0]).flat_map(|x| (b..b + size[1]).map(move |y| (x, y))) {
            let first = (x * shape[1] + y) * shape[2] + c;
            part.extend_from_slice(&bytes[first * item..(first + size[2]) * item]);
        }
        function.call(&[a, b, c], &size, &part, &mut []).unwrap();
    }
}

#[test]
fn the_first_of_every_lane_are_kept() {
    let (shape, mut state) = ([12, 9, 10], 5);
    for kind in [3, 1000, 1] {
        let values: Vec<i32> = (0..shape.iter().product()).map(|_| (random(&mut state) % kind) as i32 - 1).collect();
        for (axis, largest) in [(0, true), (1, false), (2, true)] {
            for block in [[12, 9, 10], [5, 2, 3], [1, 9, 10]] {
                let top = Top::new(DType::I32, &shape, axis, 4, largest);
                blocks(&top, &shape, block, 4, i32::as_bytes(&values));
                let inner: usize = shape[axis + 1..].iter().product();
                for (lane, found) in top.take().into_iter().enumerate() {
                    let first = lane / inner * inner * shape[axis] + lane % inner;
                    let mut line: Vec<(i64, u64)> = (0..shape[axis]).map(|at| (i64::from(values[first + at * inner]), at as u64)).collect();
                    line.sort_by_key(|&(value, at)| (if largest { -value } else { value }, at));
                    assert_eq!(found, line[..4], "axis {axis} lane {lane}");
                }
            }
        }
    }
}

#[test]
fn distinct_elements_are_counted_while_there_is_room() {
    let values: Vec<f32> = (0..720).map(|at| [0.0, -0.0, 2.5, f32::NAN, -f32::NAN][at % 5]).collect();
    let distinct = Distinct::new(DType::F32, 3);
    blocks(&distinct, &[8, 9, 10], [3, 9, 10], 4, f32::as_bytes(&values));
    let found: Vec<u64> = distinct.take().unwrap().into_iter().map(|(_, count)| count).collect();
    assert_eq!(found, [288, 144, 288]);
    let bytes: Vec<u8> = (0..720u32).map(|at| (at % 7) as u8).collect();
    let distinct = Distinct::new(DType::U8, 6);
    blocks(&distinct, &[8, 9, 10], [3, 9, 10], 1, &bytes);
    assert!(distinct.take().is_none());
}

#[test]
fn lines_are_sorted_along_any_axis() {
    let (shape, mut state) = ([4, 6, 5], 9);
    let values: Vec<u16> = (0..120).map(|_| (random(&mut state) % 9) as u16).collect();
    for axis in 0..3 {
        let inner: usize = shape[axis + 1..].iter().product();
        let (mut sorted, mut places) = (vec![0u8; 240], vec![0u8; 960]);
        let sort = |give| LineSort { dtype: DType::U16, axis, descending: false, give, wanted: usize::MAX };
        sort(Give::Values).call(&[0; 3], &shape, u16::as_bytes(&values), &mut sorted).unwrap();
        sort(Give::Places).call(&[0; 3], &shape, u16::as_bytes(&values), &mut places).unwrap();
        for lane in 0..120 / shape[axis] {
            let at = |rank: usize| lane / inner * inner * shape[axis] + lane % inner + rank * inner;
            let mut line: Vec<(u16, i64)> = (0..shape[axis]).map(|rank| (values[at(rank)], rank as i64)).collect();
            line.sort_unstable();
            for (rank, &(value, place)) in line.iter().enumerate() {
                assert_eq!(u16::from_bytes(&sorted[at(rank) * 2..][..2]), value);
                assert_eq!(i64::from_bytes(&places[at(rank) * 8..][..8]), place);
            }
        }
    }
}

/// The quantiles of one line, each by itself or all at once, as f64.
fn of_line(line: &[f64], quantiles: &[f64], method: QuantileMethod) -> Vec<u64> {
    let bytes = f64::as_bytes(line);
    let shape = [1, line.len()];
    let mut found = Vec::new();
    for quantiles in quantiles.chunks(quantiles.len().min(line.len())) {
        let (within, quantiles) = (vec![false, true], quantiles.to_vec());
        let count = quantiles.len();
        let function = LineQuantile { from: DType::F64, to: DType::F64, quantiles, method, skip_nan: true, within, along: 1 };
        let mut output = vec![0u8; bytes.len()];
        function.call(&[0, 0], &shape, bytes, &mut output).unwrap();
        let values: Vec<u64> = output.chunks_exact(8).map(|bytes| u64::from_ne_bytes(bytes.try_into().unwrap())).collect();
        assert!(values[count..].iter().all(|value| *value == values[count - 1]));
        found.extend(&values[..count]);
    }
    found
}

#[test]
fn quantiles_that_are_selected_together_are_those_of_each() {
    let mut state = 5;
    for length in [1, 2, 3, 7, 40, 333] {
        for ties in [3, 1 << 40] {
            let line: Vec<f64> = (0..length)
                .map(|_| match random(&mut state) % 11 {
                    0 => f64::INFINITY,
                    1 => f64::NEG_INFINITY,
                    2 => f64::NAN,
                    _ => (random(&mut state) % ties) as f64 - 1.0,
                })
                .collect();
            let quantiles: Vec<f64> = (0..9).map(|_| (random(&mut state) % 1001) as f64 / 1000.0).chain([0.0, 1.0, 0.5, 0.5]).collect();
            for method in QuantileMethod::ALL {
                let each: Vec<u64> = quantiles.iter().flat_map(|&quantile| of_line(&line, &[quantile], method)).collect();
                assert_eq!(of_line(&line, &quantiles, method), each, "{method:?} of {line:?}");
            }
        }
    }
}
