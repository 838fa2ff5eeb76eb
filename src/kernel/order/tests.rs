use super::{
    cuts::Cuts,
    key::{Cell, Key, of_cell},
    scan::Scan,
    seek::{Seek, Wanted},
};
use crate::{
    kernel::{program::QuantileMethod, vm::BlockFunction},
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

#[test]
fn zz_speed() {
    let mut state = 3;
    let count = 64 << 20;
    let values: Vec<f32> = (0..count).map(|_| (0..4).map(|_| (random(&mut state) >> 40) as f32 / (1u64 << 24) as f32).sum::<f32>()).collect();
    let bytes = f32::as_bytes(&values);
    for round in 0..3 {
    let wanted = Wanted { quantiles: vec![0.5], method: QuantileMethod::Linear, skip_nan: false };
    let mut seek = Seek::new(DType::F32, wanted, 1, count as u64, 16 << 20);
    let t = std::time::Instant::now();
    let cuts = seek.sample_cuts(1 << 20);
    seek.propose(scan(DType::F32, &[1 << 19], &[true], &cuts, &bytes[..4 << 19], 1 << 16));
    println!("sample {:?}", t.elapsed());
    while let Some(cuts) = seek.next() {
        let t = std::time::Instant::now();
        let tally = scan(DType::F32, &[count], &[true], &cuts, bytes, 1 << 16);
        let e = t.elapsed().as_secs_f64();
        println!("pass {:?} {} GB/s kept {} cuts {:?}", t.elapsed(), bytes.len() as f64 / 1e9 / e, tally.kept.len(), cuts.keys);
        let t = std::time::Instant::now();
        seek.learn(&cuts, tally).unwrap();
        println!("learn {:?}", t.elapsed());
    }
    let t = std::time::Instant::now();
    let s: f32 = values.chunks(4096).map(|c| { let mut a = [0f32; 64]; for p in c.as_chunks::<64>().0 { for i in 0..64 { a[i] += p[i]; } } a.iter().sum::<f32>() }).sum();
    println!("sum {:?} {}", bytes.len() as f64 / 1e9 / t.elapsed().as_secs_f64(), s);
    // columns
    let wanted = Wanted { quantiles: vec![0.5], method: QuantileMethod::Linear, skip_nan: false };
    let mut seek = Seek::new(DType::F32, wanted, 128, count as u64 / 128, 16 << 20);
    let cuts = seek.sample_cuts(1 << 21);
    let t = std::time::Instant::now();
    seek.propose(scan(DType::F32, &[1 << 14, 128], &[true, false], &cuts, &bytes[..4 << 21], 512));
    println!("sample {:?}", t.elapsed());
    while let Some(cuts) = seek.next() {
        let t = std::time::Instant::now();
        let tally = scan(DType::F32, &[count / 128, 128], &[true, false], &cuts, bytes, 512);
        let e = t.elapsed().as_secs_f64();
        println!("pass {:?} {} GB/s kept {} cuts {:?}", t.elapsed(), bytes.len() as f64 / 1e9 / e, tally.kept.len(), cuts.count);
        let t = std::time::Instant::now();
        seek.learn(&cuts, tally).unwrap();
        println!("learn {:?}", t.elapsed());
    }
    }
}
