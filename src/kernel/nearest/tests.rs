//! Searches against brute force by exact scores, and the bound of the fast ones.

use super::{Metric, NearestRows, Queries, exact::Exact, fast::error_of_sums};
use crate::{
    kernel::{
        product::RowProducts,
        simd::{Isa, kernels},
        vm::{BlockFold, BlockFunction},
    },
    nd::DType,
};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

fn numbers(count: usize, seed: u64, levels: u64) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % levels
    };
    (0..count).map(|_| next() as f32 / levels as f32 - 0.5).collect()
}

fn bytes(elements: &[f32]) -> Vec<u8> {
    elements.iter().flat_map(|element| element.to_ne_bytes()).collect()
}

/// Rows and scores of every query, by scoring every row exactly and sorting.
fn brute(queries: &Queries, rows: &[u8]) -> Vec<Vec<(f64, u64)>> {
    let row_bytes = queries.width * queries.dtype.size();
    let mut exact = Exact::new(queries.dtype).unwrap();
    (0..queries.count)
        .map(|query| {
            let mut all: Vec<(f64, u64)> = rows
                .chunks_exact(row_bytes)
                .enumerate()
                .filter(|(_, row)| exact.dot(row, row).unwrap().is_finite())
                .filter(|(_, row)| queries.metric != Metric::Cosine || row.iter().any(|byte| *byte & 0x7f != 0))
                .map(|(place, row)| (place, row.to_vec()))
                .collect::<Vec<_>>()
                .into_iter()
                .map(|(place, row)| (exact.score(queries, query, &row).unwrap(), place as u64))
                .collect();
            all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            all.truncate(queries.wanted);
            all
        })
        .collect()
}

/// The search in blocks of `block` rows, in two states that are merged.
fn searched(queries: Queries, rows: &[u8], block: usize) -> Vec<f64> {
    let (width, length) = (queries.width, NearestRows::result_length(&queries));
    let row_bytes = width * queries.dtype.size();
    let search = NearestRows::new(queries, "search".into());
    let mut states: Vec<Box<dyn BlockFold>> = (0..2).map(|_| search.fold().unwrap()).collect();
    for (at, part) in rows.chunks(block * row_bytes).enumerate() {
        states[at % 2].take(&[at * block, 0], &[part.len() / row_bytes, width], part).unwrap();
    }
    let second = states.pop().unwrap();
    let mut first = states.pop().unwrap();
    first.merge(second).unwrap();
    let mut out = vec![0; 8 * length];
    first.finish(&mut out).unwrap();
    out.as_chunks::<8>().0.iter().map(|bytes| f64::from_ne_bytes(*bytes)).collect()
}

#[test]
fn searches_find_what_brute_force_finds() {
    // Few levels make many ties, and duplicates of whole rows; the last case has rows of every magnitude.
    for (seed, (rows, width, count, wanted, levels)) in
        [(3000, 7, 5, 10, 3), (1500, 64, 140, 3, 1 << 20), (700, 300, 2, 700, 50), (2500, 33, 1, 1, 2)].into_iter().enumerate()
    {
        let mut data = numbers(rows * width, seed as u64 + 5, levels);
        data.iter_mut().enumerate().filter(|(at, _)| seed == 1 && at / width % 7 == 0).for_each(|(_, element)| *element *= 1e-30);
        data[width] = f32::NAN;
        data[2 * width] = f32::INFINITY;
        data[3 * width..4 * width].fill(0.0);
        let asked = numbers(count * width, seed as u64 + 50, 1 << 20);
        for metric in METRICS {
            for isa in Isa::available() {
                let make = || Queries::new(metric, DType::F32, width, bytes(&asked), wanted, isa).unwrap();
                let want = brute(&make(), &bytes(&data));
                for block in [rows, 513, 40] {
                    let got = searched(make(), &bytes(&data), block);
                    for (query, want) in want.iter().enumerate() {
                        let ids: Vec<u64> = got[(count + query) * wanted..][..want.len()].iter().map(|&row| row as u64).collect();
                        assert_eq!(ids, want.iter().map(|(_, row)| *row).collect::<Vec<_>>(), "{metric:?} {isa:?} {block} query {query}");
                    }
                    assert_eq!(*got.last().unwrap(), if metric == Metric::Cosine { 3.0 } else { 2.0 });
                }
            }
        }
    }
}

#[test]
fn rows_without_a_score_come_last_and_then_nothing() {
    let data = [1.0f32, 0.0, f32::NAN, 1.0, -1.0, 0.0];
    let make = |metric| Queries::new(metric, DType::F32, 2, bytes(&[2.0, 0.0]), 3, Isa::detect()).unwrap();
    let got = searched(make(Metric::Dot), &bytes(&data), 2);
    assert_eq!(got[..2], [2.0, -2.0]);
    assert!(got[2].is_nan());
    assert_eq!(got[3..], [0.0, 2.0, 1.0, 1.0]);
    let got = searched(make(Metric::L2), &bytes(&data), 1);
    assert_eq!((&got[..2], &got[3..5]), (&[1.0, 3.0][..], &[0.0, 2.0][..]));
    let short = searched(make(Metric::Dot), &bytes(&data[..2]), 1);
    assert_eq!(short[3..6], [0.0, -1.0, -1.0]);
}

#[test]
fn queries_without_a_score_are_refused() {
    let refused = |metric, query: [f32; 2]| Queries::new(metric, DType::F32, 2, bytes(&query), 1, Isa::detect()).is_err();
    assert!(refused(Metric::Dot, [f32::NAN, 0.0]) && refused(Metric::L2, [f32::INFINITY, 0.0]) && refused(Metric::Cosine, [0.0, 0.0]));
    assert!(!refused(Metric::Dot, [0.0, 0.0]));
}

/// The bound that lets rows be passed over, against exact sums, on data that cancels.
#[test]
fn fast_sums_are_within_their_bound() {
    for width in [1, 16, 255, 256, 257, 1000] {
        let (a, b) = (numbers(width * 40, 9, 1 << 22), numbers(width, 8, 1 << 22));
        let mut exact = Exact::new(DType::F32).unwrap();
        let [relative, least] = error_of_sums(DType::F32, width);
        for isa in Isa::available() {
            let queries = Queries::new(Metric::Dot, DType::F32, width, bytes(&b), 1, isa).unwrap();
            let mut products = RowProducts::default();
            let rows = bytes(&a);
            products.fill((kernels(isa).product)(DType::F32).unwrap(), (&queries.bytes, 0..1), (&rows, 0..40), width);
            for (row, sum) in rows.chunks_exact(4 * width).zip(&products.sums) {
                let (want, norm) = (exact.dot(row, &bytes(&b)).unwrap(), exact.dot(row, row).unwrap().sqrt());
                assert!((sum - want).abs() <= relative * norm * queries.squares[0].sqrt() + least, "{width} {isa:?}");
            }
        }
    }
}

#[test]
fn products_beyond_f32_lose_no_row() {
    let (rows, width, count, wanted) = (600, 9, 6, 40);
    let mut data = numbers(rows * width, 11, 1 << 20);
    let scales = [1e30f32, 1e-20, 1e37, 1.0];
    data.chunks_exact_mut(width).zip(scales.iter().cycle()).for_each(|(row, scale)| row.iter_mut().for_each(|element| *element *= scale));
    let mut asked = numbers(count * width, 12, 1 << 20);
    asked.iter_mut().for_each(|element| *element *= 1e10);
    for metric in METRICS {
        for isa in Isa::available() {
            let make = || Queries::new(metric, DType::F32, width, bytes(&asked), wanted, isa).unwrap();
            let want = brute(&make(), &bytes(&data));
            for block in [rows, 7] {
                let got = searched(make(), &bytes(&data), block);
                for (query, want) in want.iter().enumerate() {
                    let ids: Vec<u64> = got[(count + query) * wanted..][..wanted].iter().map(|&row| row as u64).collect();
                    assert_eq!(ids, want.iter().map(|(_, row)| *row).collect::<Vec<_>>(), "{metric:?} {isa:?} {block} query {query}");
                }
            }
        }
    }
    // Twice an element is beyond f32, the distance is not beyond f64.
    let far = [2.18e38f32, 1.2e38];
    let queries = Queries::new(Metric::L2, DType::F32, 2, bytes(&[-1e38, 1e38]), 1, Isa::detect()).unwrap();
    let [one, other] = [f64::from(far[0]) - f64::from(-1e38f32), f64::from(far[1]) - f64::from(1e38f32)];
    let got = searched(queries, &bytes(&far), 1);
    assert!((got[0] / one.hypot(other) - 1.0).abs() < 1e-15, "{got:?}");
}
