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
    // Rows without a score are in the graph, alone.
    let ran = place.run(&["topk", "x.npy", "-k", "2"]);
    assert_eq!(ran.stdout.trim(), "[[ 2  1]\n [ 2  0]\n [ 0  1]\n [-1 -1]\n [-1 -1]]");
    assert!(ran.stderr.contains("2 rows have no score"), "{}", ran.stderr);
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
    said(&["v.npy", "--queries", "zero.npy", "-k", "1"], 65, "a search takes a matrix with a row per sample, the array has shape (4,)");
    place.f32("empty.npy", &[5, 0], &[]);
    said(&["empty.npy", "--queries", "empty.npy", "-k", "1"], 65, "the array has shape (5, 0)");
    said(&["x.npy", "--axis", "2", "--queries", "zero.npy"], 2, "--axis 2");
}

#[test]
fn pairs_are_brute_force_for_any_budget_and_layout() {
    let place = Folder::new();
    let mut rows = vectors(3000, 12, 3);
    rows.copy_within(12 * 7..12 * 8, 12 * 2900);
    rows.copy_within(12 * 7..12 * 8, 12 * 1500);
    place.f32("x.npy", &[3000, 12], &rows);
    place.ok(&["eval", "x.T", "x.npy", "-o", "turned.npy"]);
    let dot = |i: usize, j: usize| {
        rows[12 * i..][..12].iter().zip(&rows[12 * j..][..12]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
    };
    let all = (0..3000usize).flat_map(|i| (i + 1..3000).map(move |j| (i, j)));
    let want: Vec<[usize; 2]> = all.filter(|&(i, j)| dot(i, j) >= 1.1).map(|(i, j)| [i, j]).collect();
    assert!(want.len() > 5, "{}", want.len());
    let common = ["--metric", "dot", "--above", "1.1", "--json"];
    let cases: [&[&str]; 3] =
        [&["x.npy"], &["turned.npy", "--axis", "1"], &["x.npy", "--threads", "1", "--block", "4KiB", "--memory", "8MiB"]];
    for words in cases {
        let json: serde_json::Value = serde_json::from_str(&place.ok(&[&["pairs"], words, &common].concat())).unwrap();
        assert_eq!(json["rows"], serde_json::json!(want), "{words:?}");
        assert_eq!((&json["schema"], json["pairs"].as_u64()), (&"outcore.pairs/1".into(), Some(want.len() as u64)));
    }
    let text = place.ok(&["pairs", "x.npy", "--metric", "l2", "--within", "0"]);
    assert!(text.starts_with("x.npy  3 pairs; 1 walk of x.npy\n"), "{text}");
    let lines: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines, [["7", "1500", "0.0"], ["7", "2900", "0.0"], ["1500", "2900", "0.0"]]);
    place.f32("one.npy", &[1, 12], &rows[12 * 7..12 * 8]);
    let text = place.ok(&["pairs", "one.npy", "--with", "x.npy", "--above", "0.9999", "-o", "p.npy", "--scores", "s.npy"]);
    assert_eq!(text, "one.npy  3 pairs; 1 walk of x.npy");
    assert_eq!(place.ok(&["eval", "x", "p.npy"]), "[[   0    7]\n [   0 1500]\n [   0 2900]]");
    assert_eq!(place.ok(&["eval", "all(abs(x - 1) < 1e-15)", "s.npy"]), "True");
    place.fails(&["pairs", "x.npy", "--above", "0.5", "-o", "p.npy"], 73, &["p.npy exists", "--overwrite"]);
}

#[test]
fn pairs_that_cannot_be_found_say_so() {
    let place = Folder::new();
    place.f32("x.npy", &[4, 2], &[1.0, 0.0, 0.0, 0.0, f32::NAN, 1.0, 2.0, 0.0]);
    let ran = place.run(&["pairs", "x.npy", "--above", "0.5", "-o", "p.npy"]);
    assert!(ran.stderr.contains("2 rows have no score") && ran.stderr.contains("in no pair"), "{}", ran.stderr);
    assert_eq!(place.ok(&["eval", "x", "p.npy"]), "[[0 3]]");
    place.fails(&["pairs", "x.npy"], 2, &["--above"]);
    place.fails(&["pairs", "x.npy", "--metric", "l2", "--above", "1"], 2, &["--within"]);
    place.fails(&["pairs", "x.npy", "--within", "1"], 2, &["--above", "--metric l2"]);
    place.fails(&["pairs", "x.npy", "--above", "1.5"], 2, &["1.5", "-1 to 1"]);
    place.fails(&["pairs", "x.npy", "--metric", "l2", "--within", "-1"], 2, &["distance of -1"]);
    place.f32("y.npy", &[4, 3], &[1.0; 12]);
    place.fails(&["pairs", "x.npy", "--with", "y.npy", "--above", "0"], 65, &["queries of 2 elements, rows of 3"]);
    place.ok(&["eval", "zeros((3000, 2))", "-o", "same.npy"]);
    let words = ["pairs", "same.npy", "--metric", "dot", "--above", "0", "--memory", "16MiB"];
    place.fails(&words, 78, &["more than 43690 pairs", "--above"]);
}
