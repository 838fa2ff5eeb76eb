//! `outcore topk` against brute force.

use crate::cli_support::Folder;

fn vectors(rows: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..rows * width)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) % 64) as f32 / 64.0 - 0.5
        })
        .collect()
}

/// Rows by the sum of products, which is exact for these numbers, then by place.
fn brute(rows: &[f32], query: &[f32], wanted: usize) -> Vec<usize> {
    let score = |row: &[f32]| row.iter().zip(query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let mut all: Vec<(f64, usize)> = rows.chunks(query.len()).map(score).enumerate().map(|(place, score)| (score, place)).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    all[..wanted].iter().map(|(_, place)| *place).collect()
}

#[test]
fn topk_is_brute_force_for_any_budget_and_layout() {
    let place = Folder::new();
    let (rows, queries) = (vectors(5000, 12, 1), vectors(9, 12, 2));
    place.f32("db.npy", &[5000, 12], &rows);
    place.f32("q.npy", &[9, 12], &queries);
    place.ok(&["eval", "x.T", "db.npy", "-o", "turned.npy"]);
    place.ok(&["convert", "db.npy", "db.zarr", "--chunks", "700,5"]);
    let want: Vec<Vec<usize>> = queries.chunks(12).map(|query| brute(&rows, query, 7)).collect();
    let common = ["--queries", "q.npy", "-k", "7", "--metric", "dot", "--json"];
    let cases: [&[&str]; 4] =
        [&["db.npy"], &["turned.npy", "--axis", "1"], &["db.zarr", "--memory", "16MiB"], &["db.npy", "--threads", "1", "--block", "4KiB"]];
    for words in cases {
        let json: serde_json::Value = serde_json::from_str(&place.ok(&[&["topk"], words, &common].concat())).unwrap();
        assert_eq!(json["rows"], serde_json::json!(want), "{words:?}");
    }
    place.ok(&["topk", "db.npy", "--queries", "q.npy", "-k", "7", "--metric", "dot", "-o", "ids.npy", "--scores", "s.npy"]);
    assert_eq!(place.ok(&["eval", "x.shape", "ids.npy"]), "(9, 7)");
    assert_eq!(place.ok(&["eval", "x[0, 0]", "ids.npy"]), want[0][0].to_string());
    assert_eq!(place.ok(&["eval", "all(x[:, 1:] <= x[:, :-1])", "s.npy"]), "True");
    place.fails(&["topk", "db.npy", "--queries", "q.npy", "-o", "ids.npy"], 73, &["ids.npy exists", "--overwrite"]);
}

#[test]
fn filters_neighbours_and_rows_without_a_score() {
    let place = Folder::new();
    place.f32("x.npy", &[5, 2], &[1.0, 0.0, 0.0, 1.0, 1.0, 0.1, f32::NAN, 0.0, 0.0, 0.0]);
    place.f32("q.npy", &[2], &[1.0, 0.0]);
    let ran = place.run(&["topk", "x.npy", "--queries", "q.npy", "-k", "5"]);
    assert_eq!(ran.stdout.trim(), "[[0 2 1 3 4]]");
    assert!(ran.stderr.contains("2 rows have no score: NaN or an infinity, or nothing but zeros"), "{}", ran.stderr);
    place.ok(&["eval", "arange(5) > 0", "-o", "later.npy"]);
    let ran = place.run(&["topk", "x.npy", "--queries", "q.npy", "-k", "3", "--filter", "later.npy"]);
    assert_eq!(ran.stdout.trim(), "[[ 2  1 -1]]");
    assert_eq!(place.ok(&["eval", "x[:3]", "x.npy", "-o", "three.npy"]), "");
    assert_eq!(place.ok(&["topk", "three.npy", "-k", "1", "--metric", "l2"]), "[[2]\n [2]\n [0]]");
}

#[test]
fn what_cannot_be_searched_is_said() {
    let place = Folder::new();
    place.f32("x.npy", &[3, 2], &[1.0; 6]);
    place.f32("q.npy", &[1, 3], &[1.0; 3]);
    place.f32("zero.npy", &[1, 2], &[0.0; 2]);
    place.f32("v.npy", &[4], &[0.0; 4]);
    let said = |words: &[&str], code, part: &str| place.fails(&[&["topk"], words].concat(), code, &[part]);
    said(&["x.npy", "--queries", "q.npy", "-k", "1"], 65, "queries of 3 elements, rows of 2");
    said(&["x.npy", "--queries", "zero.npy", "-k", "1"], 65, "query 0 is all zeros");
    said(&["x.npy", "--queries", "zero.npy", "-k", "4", "--metric", "l2"], 2, "4 nearest rows of 3");
    said(&["v.npy", "--queries", "zero.npy", "-k", "1"], 65, "the rows are a matrix of rows with elements, not of shape (4,)");
    place.f32("empty.npy", &[5, 0], &[]);
    said(&["empty.npy", "--queries", "empty.npy", "-k", "1"], 65, "not of shape (5, 0)");
    said(&["x.npy", "--axis", "2", "--queries", "zero.npy"], 2, "--axis 2");
}
