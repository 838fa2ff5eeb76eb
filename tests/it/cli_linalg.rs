//! `outcore pca` and `outcore kmeans`.

use crate::cli_support::{Folder, read_f32};
use std::fs;

/// Samples whose second feature is twice the first, and whose third is noise that neither knows of.
fn samples(place: &Folder) {
    let values: Vec<f32> = (0..500).flat_map(|row| [row as f32, 2.0 * row as f32, ((row * 37) % 11) as f32]).collect();
    place.f32("x.npy", &[500, 3], &values);
}

/// The elements of an f64 file.
fn read_f64(place: &Folder, name: &str) -> Vec<f64> {
    let bytes = fs::read(place.path(name)).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[start..].chunks_exact(8).map(|item| f64::from_le_bytes(item.try_into().unwrap())).collect()
}

#[test]
fn pca_tells_variances_and_saves_projections() {
    let place = Folder::new();
    samples(&place);
    let text = place.ok(&["pca", "x.npy", "-k", "2"]);
    assert!(text.contains("500 samples of 3 features; 2 of 3 components") && text.contains("together"), "{text}");
    assert_eq!(place.names(), ["x.npy"]);
    let words = ["pca", "x.npy", "-k", "2", "-o", "p.npy", "--components", "c.npy", "--mean", "m.npy", "--json"];
    let json: serde_json::Value = serde_json::from_str(&place.ok(&words)).unwrap();
    assert_eq!((&json["schema"], &json["components"]), (&"outcore.pca/1".into(), &2.into()));
    let variance = json["explained_variance"][0].as_f64().unwrap();
    // The first two features vary together: five times the variance of 0..500.
    assert!((variance / (5.0 * 500.0 * 501.0 / 12.0) - 1.0).abs() < 1e-4, "{json}");
    let (components, mean) = (read_f64(&place, "c.npy"), read_f64(&place, "m.npy"));
    assert_eq!((components.len(), mean[0]), (6, 249.5));
    assert!((components[0] - 0.2f64.sqrt()).abs() < 1e-4 && (components[1] - 0.8f64.sqrt()).abs() < 1e-4, "{components:?}");
    let projected = read_f32(&place.path("p.npy"));
    assert_eq!(projected.len(), 1000);
    let want: f64 = [0.0, 0.0, 0.0].iter().zip(&mean).zip(&components).map(|((x, mean), component)| (x - mean) * component).sum();
    assert!((f64::from(projected[0]) - want).abs() < 1e-3, "{} {want}", projected[0]);
    place.ok(&["pca", "x.npy", "-k", "2", "-o", "w.npy", "--whiten"]);
    let white = place.ok(&["eval", "std(x, 0, ddof=1)", "w.npy"]);
    assert!(white.contains("[1. 1.]") || white.contains("0.9999999") || white.contains("1.000000"), "{white}");
}

#[test]
fn pca_of_what_has_no_components_says_so() {
    let place = Folder::new();
    samples(&place);
    place.fails(&["pca", "x.npy", "-k", "4"], 2, &["4 components of (500, 3)"]);
    place.fails(&["pca", "x.npy", "-k", "2", "-o", "no/p.npy"], 73, &["-o", "no"]);
    place.fails(&["pca", "x.npy", "--whiten"], 2, &["--output"]);
    place.f32("nan.npy", &[2, 2], &[1.0, f32::NAN, 2.0, 3.0]);
    place.fails(&["pca", "nan.npy"], 65, &["NaN"]);
    place.f32("line.npy", &[4], &[1.0, 2.0, 3.0, 4.0]);
    place.fails(&["pca", "line.npy"], 65, &["(4,)"]);
}

#[test]
fn kmeans_saves_centroids_and_labels() {
    let place = Folder::new();
    let values: Vec<f32> = (0..600).flat_map(|row| [(row % 3 * 100 + row % 7) as f32, (row % 3 * 50) as f32]).collect();
    place.f32("x.npy", &[600, 2], &values);
    let words = ["kmeans", "x.npy", "-k", "3", "--seed", "1", "-o", "c.npy", "--labels", "l.npy", "--json"];
    let json: serde_json::Value = serde_json::from_str(&place.ok(&words)).unwrap();
    assert_eq!((&json["schema"], &json["converged"]), (&"outcore.kmeans/1".into(), &true.into()));
    assert_eq!(json["sizes"], serde_json::json!([200, 200, 200]));
    let centroids = read_f32(&place.path("c.npy"));
    let mut seconds = [centroids[1], centroids[3], centroids[5]];
    seconds.sort_by(f32::total_cmp);
    assert_eq!(seconds, [0.0, 50.0, 100.0]);
    assert_eq!(place.ok(&["eval", "all(l[3:] == l[:-3])", "l=l.npy"]), "True");
    // A seed is enough for the same bits, whatever the blocks.
    let before = fs::read(place.path("c.npy")).unwrap();
    place.ok(&["kmeans", "x.npy", "-k", "3", "--seed", "1", "-o", "c.npy", "--overwrite", "--threads", "1", "--block", "512"]);
    assert_eq!(fs::read(place.path("c.npy")).unwrap(), before);
    let text = place.ok(&["kmeans", "x.npy", "-k", "3", "--iterations", "1"]);
    assert!(text.contains("600 rows in 3 clusters") && text.contains("iterations  1"), "{text}");
}

#[test]
fn kmeans_of_odd_rows_says_so() {
    let place = Folder::new();
    let values: Vec<f32> = (0..20).map(|place| if place == 7 { f32::NAN } else { place as f32 }).collect();
    place.f32("x.npy", &[10, 2], &values);
    place.fails(&["kmeans", "x.npy", "-k", "2"], 65, &["1 rows have NaN", "row 3", "--skip-nan"]);
    place.fails(&["kmeans", "x.npy", "-k", "11"], 2, &["11 clusters of 10 rows"]);
    let ran = place.run(&["kmeans", "x.npy", "-k", "2", "--skip-nan", "--labels", "l.npy"]);
    assert!(ran.code == 0 && ran.stderr.contains("1 row with NaN or infinities left out"), "{}", ran.stderr);
    assert_eq!(place.ok(&["eval", "l[3]", "l=l.npy"]), "-1");
}

#[test]
fn few_components_of_many_features_and_batches_of_rows() {
    let place = Folder::new();
    let wide: Vec<f32> = (0..300 * 900).map(|at| ((at / 900 * (at % 900 % 3 + 1)) % 17) as f32).collect();
    place.f32("x.npy", &[300, 900], &wide);
    let text = place.ok(&["pca", "x.npy", "-k", "2", "--memory", "8MiB", "--threads", "1"]);
    assert!(text.contains("2 of 300 components from random directions"), "{text}");
    let method = |words: &[&str]| {
        let json: serde_json::Value = serde_json::from_str(&place.ok(&[&["pca", "x.npy", "-k", "2", "--json"], words].concat())).unwrap();
        (json["method"].as_str().unwrap().to_string(), json["explained_variance"][0].as_f64().unwrap())
    };
    let (exact, randomized) = (method(&[]), method(&["--method", "randomized", "--seed", "3", "--powers", "3"]));
    assert_eq!((exact.0.as_str(), randomized.0.as_str()), ("exact", "randomized"));
    assert!((exact.1 / randomized.1 - 1.0).abs() < 1e-6, "{exact:?} {randomized:?}");
    place.fails(&["pca", "x.npy", "-k", "2", "--method", "exact", "--memory", "8MiB"], 78, &["pca", "--method randomized"]);
    let words = ["kmeans", "x.npy", "-k", "4", "--seed", "2", "--batch", "50", "--iterations", "12", "-o", "c.npy"];
    let text = place.ok(&words);
    assert!(text.contains("600 rows drawn in 4 clusters") && text.contains("12 of 50 rows, not converged yet"), "{text}");
    let before = fs::read(place.path("c.npy")).unwrap();
    place.ok(&[&words[..], &["--overwrite", "--threads", "1", "--block", "512"]].concat());
    assert_eq!(fs::read(place.path("c.npy")).unwrap(), before);
    place.fails(&["kmeans", "x.npy", "-k", "4", "--batch", "0"], 2, &["at least one row"]);
}

#[test]
fn inputs_are_never_replaced() {
    let place = Folder::new();
    samples(&place);
    let before = fs::read(place.path("x.npy")).unwrap();
    fs::copy(place.path("x.npy"), place.path("q.npy")).unwrap();
    for words in [
        "kmeans x.npy -k 2 -o x.npy",
        "kmeans x.npy -k 2 --labels ./x.npy",
        "pca x.npy -k 1 --components x.npy",
        "pca x.npy -k 1 --mean x.npy",
        "topk x.npy -k 2 -o x.npy",
        "topk x.npy -k 2 --queries q.npy --scores q.npy",
        "pairs x.npy --above 0.5 -o x.npy",
        "pairs x.npy --with q.npy --above 0.5 -o q.npy",
        "shuffle x.npy s.npy --permutation x.npy",
    ] {
        let words: Vec<&str> = words.split(' ').chain(["--overwrite"]).collect();
        place.fails(&words, 73, &["is the input", "inputs are never changed"]);
        assert_eq!(place.names(), ["q.npy", "x.npy"], "{words:?}");
        assert_eq!(fs::read(place.path("x.npy")).unwrap(), before, "{words:?}");
        assert_eq!(fs::read(place.path("q.npy")).unwrap(), before, "{words:?}");
    }
}
