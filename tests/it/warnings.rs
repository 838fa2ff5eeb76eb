//! What is said of NaN, infinities and integers that a statement makes, and what is refused.

use crate::cli_support::Folder;

/// Runs, and expects success, the result and these lines on stderr.
#[track_caller]
fn warns(place: &Folder, words: &[&str], stdout: &str, lines: &[&str]) {
    let ran = place.run(words);
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").replace("[ ", "[").replace(" ]", "]");
    assert_eq!((ran.code, flat(&ran.stdout)), (0, flat(stdout)), "{words:?}: {}", ran.stderr);
    let wanted: Vec<String> = lines.iter().map(|line| format!("outcore: warning: {line}")).collect();
    assert_eq!(ran.stderr.lines().collect::<Vec<_>>(), wanted, "{words:?}");
}

fn place() -> Folder {
    let place = Folder::new();
    place.f32("x.npy", &[2, 3], &[1.0, 0.0, 4.0, 0.0, -1.0, 2.0]);
    place.f32("nan.npy", &[4], &[1.0, f32::NAN, f32::INFINITY, 0.5]);
    place.f64("w.npy", &[3], &[1.0, 1e300, 2.0]);
    place.i64("n.npy", &[4], &[5, 0, i64::MAX, -2]);
    place
}

#[test]
fn what_is_created_is_said_once() {
    let place = place();
    warns(
        &place,
        &["eval", "y = 1 / x", "x.npy"],
        "[[ 1.    inf  0.25]\n [ inf -1.    0.5 ]]",
        &["y: 2 infinities created from finite elements, the first in divide of f32 at (0, 1)"],
    );
    warns(
        &place,
        &["eval", "sum(1 / x)", "x.npy"],
        "inf",
        &["result: 2 infinities created from finite elements, the first in divide of f32 at (0, 1)"],
    );
    warns(&place, &["eval", "y = sqrt(x); isnan(y).sum(0)", "x.npy"], "[0 1 0]", &[]);
    warns(
        &place,
        &["eval", "lcm([2**62, 4], [3, 6])"],
        "[-4611686018427387904 12]",
        &["result: 1 integer wrapped, the first in lcm of i64 at (0,)"],
    );
    warns(&place, &["eval", "lcm([200, 5].astype(u8), 3)"], "[88 15]", &["result: 1 integer wrapped, the first in lcm of u8 at (0,)"]);
    warns(
        &place,
        &["eval", "gcd([0, -2**63], [0, 0])"],
        "[0 -9223372036854775808]",
        &["result: 1 integer wrapped, the first in gcd of i64 at (1,)"],
    );
    warns(
        &place,
        &["eval", "ldexp([5e-324, 1.7e308], [2100, -2100])"],
        "[inf 0.]",
        &["result: 1 infinity created from finite elements, the first in ldexp of f64 at (0,)"],
    );
    warns(
        &place,
        &["eval", "round([-128, 15].astype(i8), -1)"],
        "[126 20]",
        &["result: 1 integer wrapped, the first in cast from i64 to i8 at (0,)"],
    );
    warns(
        &place,
        &["eval", "max(log(x))", "x.npy"],
        "nan",
        &[
            "result: 1 NaN created from finite elements, the first in log of f32 at (1, 1)",
            "result: 2 infinities created from finite elements, the first in log of f32 at (0, 1)",
        ],
    );
    warns(
        &place,
        &["eval", "cast(w, f32)", "w=w.npy"],
        "[ 1. inf  2.]",
        &["result: 1 infinity created from finite elements, the first in cast from f64 to f32 at (1,)"],
    );
    // A slice of nothing but NaN has no smallest number, block by block or over all blocks.
    place.f32("holes.npy", &[2, 2], &[f32::NAN, f32::NAN, 1.0, f32::NAN]);
    let hollow = ["result: nanmin of a slice of nothing but NaN is NaN"];
    warns(&place, &["eval", "nanmin(h, axis=1)", "h=holes.npy"], "[nan 1.]", &hollow);
    warns(&place, &["eval", "nanmin(h, axis=0)", "h=holes.npy"], "[ 1. nan]", &hollow);
    warns(&place, &["eval", "nanmean(h[0])", "h=holes.npy"], "nan", &["result: nanmean of a slice of nothing but NaN is NaN"]);
    // Two passes compute it; it is said once, of the result. What infinities make of the difference is no news.
    warns(
        &place,
        &["eval", "y = 1 / x; z = y - mean(y)", "x.npy"],
        "[[-inf  nan -inf]\n [ nan -inf -inf]]",
        &["z: 2 infinities created from finite elements, the first in divide of f32 at (0, 1)"],
    );
}

#[test]
fn what_was_there_before_is_not_said() {
    let place = place();
    warns(&place, &["eval", "(x * 2 + 1).sum()", "x=nan.npy"], "nan", &[]);
    warns(&place, &["eval", "x - x", "x=nan.npy"], "[ 0. nan nan  0.]", &[]);
    warns(&place, &["eval", "where(x != 0, 1 / x, 0)", "x.npy"], "[[ 1.    0.    0.25]\n [ 0.   -1.    0.5 ]]", &[]);
    warns(&place, &["eval", "where(n != 0, 10 // n, -1)", "n=n.npy"], "[ 2 -1  0 -5]", &[]);
    warns(&place, &["eval", "cast(n, i8, wrap)", "n=n.npy"], "[ 5  0 -1 -2]", &[]);
    warns(&place, &["eval", "cast(n, u64, wrap) > n", "n=n.npy"], "[False False False  True]", &[]);
    warns(&place, &["eval", "1 / x", "x.npy", "--on-invalid", "ignore"], "[[ 1.    inf  0.25]\n [ inf -1.    0.5 ]]", &[]);
}

#[test]
fn integers_are_counted_too() {
    let place = place();
    warns(
        &place,
        &["eval", "10 // n", "n=n.npy"],
        "[ 2  0  0 -5]",
        &["result: 1 integer division by zero gave 0, the first in floor_divide of i64 at (1,)"],
    );
    warns(
        &place,
        &["eval", "(n + 1) % n", "n=n.npy"],
        "[1 0 9223372036854775806 -1]",
        &[
            "result: 1 integer wrapped, the first in add of i64 at (2,)",
            "result: 1 integer division by zero gave 0, the first in remainder of i64 at (1,)",
        ],
    );
    warns(
        &place,
        &["eval", "cast(n, u8)", "n=n.npy"],
        "[  5   0 255 254]",
        &["result: 2 integers wrapped, the first in cast from i64 to u8 at (2,)"],
    );
    place.fails(&["eval", "10 // n", "n=n.npy", "--strict"], 65, &["division by zero", "floor_divide of i64 at (1,)", "where"]);
    place.fails(&["eval", "n + 1", "n=n.npy", "--strict"], 65, &["wrapped", "add of i64 at (2,)"]);
    place.fails(&["eval", "n + 1", "n=n.npy", "--strict", "-o", "y.npy"], 65, &["wrapped"]);
    // Infinities are no matter of strictness.
    let ran = place.run(&["eval", "1 / x", "x.npy", "--strict"]);
    assert_eq!((ran.code, ran.stderr.contains("2 infinities")), (0, true), "{}", ran.stderr);
}

#[test]
fn errors_publish_nothing() {
    let place = place();
    place.fails(
        &["eval", "1 / x", "x.npy", "--on-invalid", "error", "-o", "y.npy"],
        65,
        &["2 infinities", "divide of f32 at (0, 1)", "try: "],
    );
    place.fails(&["eval", "sum(log(x))", "x.npy", "--on-invalid", "error"], 65, &["log of f32 at (0, 1)"]);
    place.fails(&["eval", "x", "x.npy", "--on-invalid", "never"], 2, &["on-invalid"]);
    assert_eq!(place.ok(&["eval", "sum(x * 2)", "x.npy", "--on-invalid", "error"]), "12.0");
}

#[test]
fn the_report_has_them() {
    let place = place();
    place.run(&["eval", "1 / x", "x.npy", "-o", "y.npy", "--report", "r.json"]);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(place.path("r.json")).unwrap()).unwrap();
    assert_eq!(report["warnings"].as_array().map(Vec::len), Some(1));
    assert!(report["warnings"][0].as_str().unwrap().contains("2 infinities"), "{report}");
}

#[test]
fn widenings_are_named_or_refused() {
    let place = place();
    let plan = place.ok(&["explain", "x + w", "x=x.npy", "w=w.npy"]);
    assert!(plan.contains("add of f32 (2, 3) x.npy and f64 (3,) w.npy computes in f64, 4 bytes per element more"), "{plan}");
    assert!(!place.ok(&["explain", "x + 1.5", "x.npy"]).contains("widening"));
    assert!(!place.ok(&["explain", "x + cast(w, f32)", "x=x.npy", "w=w.npy"]).contains("widening"));
    let strict = ["--promote", "strict"];
    let words = |text| [["eval", text, "x=x.npy", "w=w.npy"].as_slice(), &strict].concat();
    place.fails(&words("x + w"), 65, &["add of x (f32) and w (f64)", "cast(x, f64)", "cast(w, f32)"]);
    place.fails(&words("where(x > 0, x, w)"), 65, &["where of x (f32) and w (f64)"]);
    place.fails(&words("x > w"), 65, &["greater of x (f32) and w (f64)"]);
    assert_eq!(place.ok(&words("sum(x * 2.5 + (x > 1))")), "17.0");
    assert_eq!(place.ok(&words("sum(cast(x, f64) + w * 0)")), "6.0");
}

#[test]
fn what_is_multiplied_is_watched() {
    let place = place();
    place.f32("ones.npy", &[3, 2], &[1.0; 6]);
    for text in ["log(x - 9) @ y", "tanh(x / 0) @ y", "z = x / 0; z @ y", "y.T @ log(x.T - 9)", "(x / 0) @ y + 1"] {
        place.fails(&["eval", text, "x=x.npy", "y=ones.npy", "-o", "o.npy", "--on-invalid", "error"], 65, &["created"]);
        assert!(!place.names().contains(&"o.npy".to_string()), "{text}");
    }
    let ran = place.run(&["eval", "log(x - 9) @ y", "x=x.npy", "y=ones.npy"]);
    assert!(ran.stderr.contains("6 NaN created"), "{}", ran.stderr);
}

#[test]
fn results_of_reductions_are_told() {
    let place = place();
    place.f64("big.npy", &[3], &[1e308; 3]);
    place.f32("far.npy", &[2, 2], &[3e38, 3e38, 1.0, 2.0]);
    let one = |what: &str| format!("result: 1 result of {what} infinite, though its elements are finite");
    warns(&place, &["eval", "sum(x)", "x=big.npy"], "inf", &[&one("sum")]);
    warns(&place, &["eval", "prod(x)", "x=big.npy"], "inf", &[&one("prod")]);
    warns(&place, &["eval", "dot(x, x)", "x=big.npy"], "inf", &[&one("dot")]);
    // Block by block, too.
    warns(&place, &["eval", "sum(x, axis=1)", "x=far.npy", "--block", "8"], "[inf 3.]", &[&one("sum")]);
    warns(&place, &["eval", "sum(x, axis=0)", "x=far.npy"], "[3.e+38 3.e+38]", &[]);
    warns(&place, &["eval", "mean(x)", "x=big.npy"], "1e+308", &[]);
    let empty = "result: 1 result of mean NaN: too few elements";
    warns(&place, &["eval", "mean(x[:0])", "x=big.npy"], "nan", &[empty]);
    warns(&place, &["eval", "var(x[:1], ddof=1)", "x=big.npy"], "nan", &["result: 1 result of var NaN: too few elements"]);
    // Groups of nothing are written down, and names are those of the statement.
    place.i64("l.npy", &[3], &[0, 2, 2]);
    warns(&place, &["eval", "group_mean(x, l, 3)", "x=big.npy", "l=l.npy"], "[1.e+308 nan 1.e+308]", &[]);
    warns(&place, &["eval", "mean(x[:0]) + 1", "x=big.npy"], "nan", &["mean: 1 result of mean NaN: too few elements"]);
    warns(&place, &["eval", "nanvar(x[:1], ddof=1)", "x=big.npy"], "nan", &["result: nanvar of a slice of too few numbers is NaN"]);
    // What was there before is no news, and neither is a float of integers.
    warns(&place, &["eval", "sum(x)", "x=nan.npy"], "nan", &[]);
    warns(&place, &["eval", "mean(n)", "n=n.npy"], "2.305843009213694e+18", &[]);
    place.fails(
        &["eval", "sum(x)", "x=big.npy", "--on-invalid", "error", "-o", "y.npy"],
        65,
        &["1 result of sum infinite", "cast to a wider dtype"],
    );
    assert!(!place.names().contains(&"y.npy".to_owned()));
    warns(&place, &["eval", "sum(x)", "x=big.npy", "--on-invalid", "ignore"], "inf", &[]);
}
