//! Pairs and summaries against brute force, on any grid.

use crate::array::linalg_tests::session as on_grid;
use crate::{ErrorKind, IoMode, Metric, Near, Search, Session};
use ndarray::{Array2, ArrayView1, array, s};

/// Rows of 64ths, so that sums of products are exact in `f64`, with duplicates, NaN, an infinity and zeros among them.
fn rows(count: usize, width: usize, seed: u64) -> Array2<f32> {
    let mut state = seed | 1;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) % 64) as f32 / 64.0 - 0.5
    };
    let middles = Array2::from_shape_simple_fn((29, width), &mut next);
    let mut x = Array2::from_shape_fn((count, width), |(row, column)| middles[(row % 29, column)] + (next() * 8.0).round() / 64.0);
    for (place, from) in [(count / 2, 3), (count - 1, 3), (20, 19)] {
        let copied = x.row(from).to_owned();
        x.row_mut(place).assign(&copied);
    }
    x[(5, 1)] = f32::NAN;
    x[(6, 0)] = f32::INFINITY;
    x.row_mut(8).fill(0.0);
    x.row_mut(9).fill(0.0);
    x
}

fn has_score(row: ArrayView1<'_, f32>, metric: Metric) -> bool {
    row.iter().all(|value| value.is_finite()) && (metric != Metric::Cosine || row.iter().any(|value| *value != 0.0))
}

fn score(one: ArrayView1<'_, f32>, other: ArrayView1<'_, f32>, metric: Metric) -> f64 {
    let dot = |one: ArrayView1<'_, f32>, other: ArrayView1<'_, f32>| -> f64 {
        one.iter().zip(other).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
    };
    match metric {
        Metric::Dot => dot(one, other),
        Metric::Cosine => (dot(one, other) / (dot(one, one).sqrt() * dot(other, other).sqrt())).clamp(-1.0, 1.0),
        Metric::L2 => (dot(one, one) - 2.0 * dot(one, other) + dot(other, other)).sqrt(),
    }
}

/// Every pair that is near, by looking at all.
fn brute(x: &Array2<f32>, y: &Array2<f32>, own: bool, metric: Metric, threshold: f64) -> (Vec<[i64; 2]>, Vec<f64>) {
    let mut found = (Vec::new(), Vec::new());
    for i in (0..x.nrows()).filter(|&i| has_score(x.row(i), metric)) {
        for j in (if own { i + 1 } else { 0 }..y.nrows()).filter(|&j| has_score(y.row(j), metric)) {
            let score = score(x.row(i), y.row(j), metric);
            if if metric == Metric::L2 { score <= threshold } else { score >= threshold } {
                found.0.push([i as i64, j as i64]);
                found.1.push(score);
            }
        }
    }
    found
}

fn sessions() -> Vec<Session> {
    vec![on_grid(2, 0, "256MiB", IoMode::Auto), on_grid(1, 3000, "16MiB", IoMode::Read), on_grid(3, 0, "16MiB", IoMode::Mmap)]
}

fn near(metric: Metric, threshold: f64) -> Near {
    match metric {
        Metric::Cosine => Near::cosine(threshold),
        Metric::Dot => Near::dot(threshold),
        Metric::L2 => Near::within(threshold),
    }
}

#[test]
fn pairs_are_those_of_brute_force_in_any_number_of_walks() {
    let (x, y) = (rows(330, 900, 1), rows(40, 900, 2));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    Session::default_session().from_ndarray(x.clone()).save(&path).unwrap();
    // Thresholds that some pair reaches exactly, and nothing but duplicates.
    let far = |metric| score(x.row(0), x.row(29), metric);
    let cases = [
        (Metric::Cosine, far(Metric::Cosine)),
        (Metric::Dot, far(Metric::Dot)),
        (Metric::L2, far(Metric::L2)),
        (Metric::L2, 0.0),
        (Metric::Cosine, 0.6),
    ];
    for (metric, threshold) in cases {
        let (want, scores) = brute(&x, &x, true, metric, threshold);
        let (want_with, _) = brute(&y, &x, false, metric, threshold);
        assert!(want.len() >= 4, "{metric:?} {threshold}: {}", want.len());
        for (place, session) in sessions().iter().enumerate() {
            let found = session.open(&path).near_pairs(near(metric, threshold)).unwrap();
            assert_eq!(found.walks, session.open(&path).near_pairs_walks(&session.open(&path)).unwrap());
            assert_eq!(found.walks > 1, place > 0, "{}", found.walks);
            assert!(found.rows.rows().into_iter().eq(want.iter().map(ArrayView1::from)), "{metric:?} {threshold}");
            assert_eq!(found.scores.to_vec(), scores);
            assert_eq!(found.without_score, if metric == Metric::Cosine { 4 } else { 2 });
            let found = session.from_ndarray(y.clone()).near_pairs_with(&session.open(&path), near(metric, threshold)).unwrap();
            assert!(found.rows.rows().into_iter().eq(want_with.iter().map(ArrayView1::from)), "{metric:?} {threshold}");
            assert_eq!(found.without_score, if metric == Metric::Cosine { 8 } else { 4 });
        }
    }
}

#[test]
fn graphs_are_searches_for_every_row_that_has_a_score() {
    let x = rows(330, 300, 5);
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let search = Search::nearest(4).metric(metric);
        let session = Session::default_session();
        let scored: Vec<usize> = (0..330).filter(|&row| has_score(x.row(row), metric)).collect();
        let queries = session.from_ndarray(x.select(ndarray::Axis(0), &scored));
        let want = session.from_ndarray(x.clone()).nearest(&queries, &Search::nearest(5).metric(metric)).unwrap();
        for session in sessions() {
            let graph = session.from_ndarray(x.clone()).nearest_neighbours(&search).unwrap();
            assert_eq!(graph.without_score as usize, 330 - scored.len());
            for row in 0..330 {
                let found = graph.rows.row(row).to_vec();
                let Ok(place) = scored.binary_search(&row) else {
                    assert!(found == [-1; 4] && graph.scores.row(row).iter().all(|score| score.is_nan()), "{metric:?} {row} {found:?}");
                    continue;
                };
                let mut others = want.rows.row(place).to_vec();
                others.remove(others.iter().position(|&other| other == row as i64).unwrap_or(4));
                assert_eq!(found, others, "{metric:?} {row}");
            }
        }
    }
}

#[test]
fn pairs_of_other_dtypes_and_of_few_rows() {
    let session = Session::default_session();
    let x = session.from_ndarray(array![[1i32, 2], [2, 1], [1, 2], [100, 0]]);
    assert_eq!(x.near_pairs(Near::within(1.5)).unwrap().rows, array![[0, 1], [0, 2], [1, 2]]);
    let found = x.cast::<half::f16>().near_pairs(Near::dot(200.0)).unwrap();
    assert_eq!((found.rows, found.scores), (array![[1, 3]], array![200.0]));
    let one = session.from_ndarray(array![[1f32, 2.0]]);
    assert_eq!(one.near_pairs(Near::within(1e300)).unwrap().rows.dim(), (0, 2));
    let none = one.slice(s![..0, ..].as_ref()).near_pairs(Near::within(1.0));
    assert!(none.unwrap_err().message().contains("without rows"));
    assert_eq!(one.near_pairs_with(&one.slice(s![..0, ..].as_ref()), Near::within(1.0)).unwrap().rows.dim(), (0, 2));
}

#[test]
fn pairs_that_cannot_be_found_are_refused() {
    let session = Session::default_session();
    let x = session.from_ndarray(array![[1f32, 2.0], [2.0, 1.0]]);
    let said = |near| x.near_pairs(near).unwrap_err();
    for near in [Near::cosine(1.5), Near::cosine(f64::NAN), Near::within(-1.0), Near::within(f64::INFINITY), Near::dot(f64::NAN)] {
        assert_eq!(said(near).kind(), ErrorKind::Usage, "{near:?}");
    }
    let error = x.near_pairs_with(&session.zeros::<f32>([3, 5]), Near::dot(0.0)).unwrap_err();
    assert!(error.message().contains("queries of 2 elements, rows of 5"), "{error}");
    assert!(session.zeros::<f32>([3]).near_pairs(Near::dot(0.0)).unwrap_err().message().contains("(3,)"));
    assert!(session.zeros::<f32>([3, 0]).near_pairs(Near::dot(0.0)).unwrap_err().message().contains("(3, 0)"));
    let small = Session::builder().memory("16MiB").threads(2).build().unwrap();
    let error = small.zeros::<f32>([1000, 2]).near_pairs(Near::within(0.0)).unwrap_err();
    // 16 MiB / 16 are room for pairs of 24 bytes; there are 499,500.
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(
        error.message().contains("more than 43690 pairs") && error.hint_text().is_some_and(|hint| hint.contains("--memory")),
        "{error}"
    );
}

#[test]
fn a_neighbour_that_is_near_is_a_pair() {
    let x = Session::default_session().from_ndarray(rows(300, 30, 4).slice(s![10.., ..]).to_owned());
    let graph = x.nearest_neighbours(&Search::nearest(1).metric(Metric::L2)).unwrap();
    let nearest = graph.scores.iter().copied().fold(f64::INFINITY, f64::min);
    let found = x.near_pairs(Near::within(nearest)).unwrap();
    assert!(!found.scores.is_empty() && found.scores.iter().all(|&score| score == nearest));
}

#[test]
fn summaries_are_those_of_all_distances_on_any_grid() {
    let (x, y) = (rows(150, 900, 1), rows(330, 900, 1));
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let mut before = None;
        for session in sessions() {
            let found = session.from_ndarray(x.clone()).distance_summary(&session.from_ndarray(y.clone()), metric).unwrap();
            let left_out = if metric == Metric::Cosine { 4 } else { 2 };
            assert_eq!(found.without_score, left_out);
            for row in 0..x.nrows() {
                if !has_score(x.row(row), metric) {
                    assert!(found.min[row].is_nan() && found.max[row].is_nan() && found.mean[row].is_nan() && found.sum[row].is_nan());
                    continue;
                }
                let scored = y.rows().into_iter().filter(|other| has_score(*other, metric));
                let all: Vec<f64> = scored.map(|other| score(x.row(row), other, metric)).collect();
                let (least, greatest) =
                    (all.iter().copied().fold(f64::INFINITY, f64::min), all.iter().copied().fold(f64::NEG_INFINITY, f64::max));
                let sum: f64 = all.iter().sum();
                let near = |one: f64, other: f64| (one - other).abs() <= 1e-12 * (1.0 + other.abs());
                assert!(near(found.min[row], least) && near(found.max[row], greatest), "{metric:?} {row}: {} {least}", found.min[row]);
                assert!(near(found.sum[row], sum) && near(found.mean[row], sum / (330 - left_out) as f64), "{metric:?} {row}");
            }
            let bits: Vec<u64> = [&found.min, &found.max, &found.sum].into_iter().flatten().map(|value| value.to_bits()).collect();
            assert_eq!(before.get_or_insert_with(|| bits.clone()), &bits);
        }
    }
}

#[test]
fn distances_of_rows_that_nearly_meet_keep_their_digits() {
    let session = Session::default_session();
    let x = session.from_ndarray(array![[1e6, 1.0], [1e6, 1.0 + 1e-6]]);
    let found = x.slice(s![..1, ..].as_ref()).distance_summary(&x, Metric::L2).unwrap();
    assert_eq!(found.min, array![0.0]);
    assert!((found.max[0] / 1e-6 - 1.0).abs() < 1e-9, "{found:?}");
    let error = x.distance_summary(&session.zeros::<f32>([3, 5]), Metric::L2).unwrap_err();
    assert!(error.message().contains("queries of 2 elements, rows of 5"), "{error}");
    let error = x.distance_summary(&x.slice(s![..0, ..].as_ref()), Metric::L2).unwrap_err();
    assert!(error.message().contains("2 rows from 0 rows"), "{error}");
    let nothing = x.distance_summary(&session.from_ndarray(array![[f64::NAN, 0.0]]), Metric::L2).unwrap();
    assert!(nothing.without_score == 1 && nothing.min.iter().chain(&nothing.mean).all(|value| value.is_nan()), "{nothing:?}");
}
