//! `outcore stats` over several inputs, and with states that are kept.

use crate::cli_support::Folder;
use std::fs;

#[test]
fn kept_states_give_the_numbers_of_a_full_run() {
    let place = Folder::new();
    let values: Vec<f64> = (0..600).map(|at| f64::from(at % 37) * 10f64.powi(at % 23 - 11)).collect();
    place.f64("x.npy", &[100, 6], &values);
    for more in [&["--axis", "0"][..], &[]] {
        let words = |rest: &[&'static str]| [&["stats", "--json"], more, rest].concat();
        let stats = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        place.f64("a.npy", &[60, 6], &values[..360]);
        place.f64("b.npy", &[10, 6], &values[360..420]);
        let first = place.run(&words(&["a.npy", "b.npy", "--state", "s.ocs"]));
        assert!(first.code == 0 && first.stderr.contains("70 of 70 rows read"), "{}", first.stderr);
        place.f64("b.npy", &[40, 6], &values[360..]);
        let second = place.run(&words(&["a.npy", "b.npy", "--state", "s.ocs"]));
        assert!(second.code == 0 && second.stderr.contains("30 of 100 rows read"), "{}", second.stderr);
        let json = stats(&second.stdout);
        assert_eq!(json["inputs"][1]["state"], "appended");
        assert_eq!(json["shape"], serde_json::json!([100, 6]));
        let full = stats(&place.ok(&words(&["x.npy"])));
        assert_eq!(json["stats"], full["stats"]);
        // Without states, and in another order.
        assert_eq!(stats(&place.ok(&words(&["b.npy", "a.npy"])))["stats"], full["stats"]);
        let third = place.run(&words(&["b.npy", "a.npy", "--state", "s.ocs", "--threads", "1", "--block", "4KiB"]));
        assert!(third.stderr.contains("0 of 100 rows read"), "{}", third.stderr);
        assert_eq!(stats(&third.stdout)["stats"], full["stats"]);
        fs::remove_file(place.path("s.ocs")).unwrap();
    }
}

#[test]
fn what_cannot_be_trusted_is_refused() {
    let place = Folder::new();
    place.counting("x.npy", &[5, 3]);
    place.run(&["stats", "x.npy", "--state", "s.ocs"]);
    let mut bytes = fs::read(place.path("s.ocs")).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    place.write("bad.ocs", &bytes);
    place.fails(&["stats", "x.npy", "--state", "bad.ocs"], 65, &["bad.ocs", "corrupt", "delete it"]);
    place.write("short.ocs", &bytes[..last / 2]);
    place.fails(&["stats", "x.npy", "--state", "short.ocs"], 65, &["short.ocs"]);
    place.fails(&["stats", "x.npy", "--state", "x.npy"], 65, &["x.npy", "not a state file"]);
    place.fails(&["stats", "x.npy", "--axis", "0", "--state", "s.ocs"], 65, &["over the axes [0, 1]"]);
    place.fails(&["stats", "x.npy", "--axis", "1", "--state", "t.ocs"], 2, &["axis 0"]);
    place.counting("wide.npy", &[5, 4]);
    place.fails(&["stats", "x.npy", "wide.npy"], 65, &["wide.npy", "(4,)", "(3,)"]);
    place.fails(&["stats", "x.npy", "--state", "nowhere/s.ocs"], 73, &["nowhere"]);
}

#[test]
fn a_file_that_is_not_what_it_was_is_read_again_and_said() {
    let place = Folder::new();
    place.counting("x.npy", &[5, 3]);
    place.run(&["stats", "x.npy", "--state", "s.ocs"]);
    fs::rename(place.path("x.npy"), place.path("old.npy")).unwrap();
    place.counting("x.npy", &[6, 3]);
    let ran = place.run(&["stats", "x.npy", "--state", "s.ocs"]);
    assert!(ran.stderr.contains("x.npy: it was replaced; all of it was read again"), "{}", ran.stderr);
    assert_eq!(ran.stdout.trim_end(), place.ok(&["stats", "x.npy"]));
}

#[test]
fn digests_of_what_was_saved_are_in_the_report() {
    let place = Folder::new();
    place.counting("x.npy", &[5, 3]);
    let words = ["eval", "a = x * 2; b = cast(x, bf16); c = sum(x)", "x.npy", "-o", "a=a.npy", "-o", "b=b.npy", "-o", "c=c.raw"];
    let ran = place.run(&[&words[..], &["--digest", "--report", "r.json"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(place.path("r.json")).unwrap()).unwrap();
    for (file, opened) in [("a.npy", "a.npy"), ("b.npy", "b.npy?dtype=bf16")] {
        let line = place.ok(&["digest", opened]);
        let digest = line.split(' ').next().unwrap();
        assert_eq!(report["digests"][file], digest);
        assert!(ran.stderr.contains(&format!("digest: {digest}  {file}")), "{}", ran.stderr);
    }
    // A number has no axes, whatever a raw file can say.
    place.run(&["eval", "sum(x)", "x.npy", "-o", "c.npy"]);
    assert_eq!(report["digests"]["c.raw"], place.ok(&["digest", "c.npy"]).split(' ').next().unwrap());
    place.run(&[&words[..], &["--overwrite", "--report", "plain.json"]].concat());
    assert!(!fs::read_to_string(place.path("plain.json")).unwrap().contains("digests"));
}
