//! `doctor`, `tune` and the machine profile between them. Nothing depends on how long anything takes.

use crate::cli_support::{Folder, Run};
use serde_json::{Value, json};
use std::{
    fs,
    process::{Command, Stdio},
    time::Duration,
};

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// Runs with a machine profile in the folder.
fn with_profile(folder: &Folder, words: &[&str]) -> Run {
    Run::of(folder.command(words).env("OUTCORE_PROFILE", folder.path("machine.json")).output().unwrap())
}

/// Walks the tags of a page or drawing: every one that opens closes, attributes are quoted, and `&` and `<` stand for nothing else.
fn check_markup(text: &str) {
    let mut open: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        check_text(&rest[..start]);
        let end = rest[start..].find('>').expect("a tag ends") + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('?') || tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{text}");
            continue;
        }
        let body = tag.trim_end_matches('/');
        let (name, attributes) = body.split_once(' ').unwrap_or((body, ""));
        assert_eq!(attributes.matches('"').count() % 2, 0, "{tag}");
        let outside: String = attributes.split('"').step_by(2).collect();
        assert!(outside.split_whitespace().all(|part| part.ends_with('=')), "{tag}");
        if !tag.ends_with('/') {
            open.push(name.to_string());
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    // Names of XML itself are no addresses.
    let text = text.replace("http://www.w3.org/2000/svg", "");
    for part in ["http:", "https:", "//", "url(", "href", "src=", "@import", "<script"] {
        assert!(!text.contains(part), "{part} in {text}");
    }
}

fn check_text(text: &str) {
    for (at, _) in text.match_indices('&') {
        let name = text[at + 1..].split(';').next().unwrap();
        assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "{text}");
    }
}

#[test]
fn doctor_says_what_there_is_and_why() {
    let folder = Folder::on_disk();
    folder.counting("x.npy", &[10]);
    let text = folder.ok(&["doctor", "x.npy", "--quick"]);
    for name in ["processor", "kernels", "threads", "budget", "huge pages", "disk", "in force", "open files", "warning"] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is not in\n{text}");
    }
    let found = json_of(&folder.ok(&["doctor", "x.npy", "--json", "--memory", "100MiB", "--threads", "3", "--io", "read"]));
    assert_eq!(found["schema"], "outcore.doctor/1");
    assert_eq!((&found["memory"]["budget_bytes"], &found["memory"]["budget_why"]), (&json!(100 << 20), &json!("--memory 100MiB")));
    assert_eq!((&found["threads"]["count"], &found["threads"]["why"]), (&json!(3), &json!("--threads")));
    assert_eq!(found["in_force"]["io"], "read");
    for (part, rate) in
        [("memory_rates", "read_one"), ("memory_rates", "read_all"), ("memory_rates", "copy_one"), ("memory_rates", "copy_all")]
    {
        assert!(found[part][rate].as_f64().unwrap() > 0.0, "{part} {rate}");
    }
    let disk = &found["paths"][0];
    assert!(disk["write"].as_f64().unwrap() > 0.0 && disk["read"].as_f64().unwrap() > 0.0, "{disk}");
    assert!(disk["kind"].is_string() && disk["free_bytes"].as_u64().unwrap() > 0, "{disk}");
    assert!(["avx512", "avx2", "baseline"].contains(&found["processor"]["isa"].as_str().unwrap()));
    assert_eq!(folder.names(), ["x.npy"], "nothing is left");
    folder.fails(&["doctor", "none.npy"], 66, &["none.npy"]);
}

#[test]
fn doctor_names_the_variable_that_decides() {
    let folder = Folder::new();
    let mut command = folder.command(&["doctor", "--quick", "--json"]);
    let ran = Run::of(command.env("OUTCORE_THREADS", "4096").env("OUTCORE_ISA", "baseline").env("OMP_NUM_THREADS", "2").output().unwrap());
    let found = json_of(&ran.stdout);
    assert_eq!((&found["threads"]["why"], &found["processor"]["isa_why"]), (&json!("OUTCORE_THREADS"), &json!("OUTCORE_ISA")));
    assert_eq!(found["variables"]["OMP_NUM_THREADS"], "2");
    let warnings = found["warnings"].to_string();
    assert!(warnings.contains("4096 threads on") && warnings.contains("OMP_NUM_THREADS=2"), "{warnings}");
}

#[test]
fn doctor_compares_with_another_day() {
    let folder = Folder::new();
    let new = folder.ok(&["doctor", "--quick", "--json"]);
    folder.write("same.json", new.as_bytes());
    assert!(folder.ok(&["doctor", "--quick", "--compare", "same.json"]).starts_with("nothing has changed"));
    let mut old = json_of(&new);
    old["processor"]["model"] = "an older one".into();
    old["memory_rates"] = json!({"read_all": 1e9});
    folder.write("old.json", old.to_string().as_bytes());
    let text = folder.ok(&["doctor", "--quick", "--compare", "old.json"]);
    assert!(text.contains("processor.model  an older one -> "), "{text}");
    let changes = json_of(&folder.ok(&["doctor", "--quick", "--compare", "old.json", "--json"]));
    assert!(changes["changes"].as_array().unwrap().iter().any(|change| change["name"] == "processor.model"), "{changes}");
    folder.write("other.json", b"{\"schema\": \"outcore.report/1\"}");
    folder.fails(&["doctor", "--quick", "--compare", "other.json"], 65, &["other.json", "outcore.doctor/1"]);
    fs::write(folder.path("binary.json"), [0xff, 0xfe, 0]).unwrap();
    folder.fails(&["doctor", "--quick", "--compare", "binary.json"], 65, &["binary.json", "no JSON"]);
    folder.fails(&["doctor", "--quick", "--compare", "none.json"], 66, &["none.json"]);
}

#[test]
fn explain_predicts_seconds_from_saved_rates() {
    let folder = Folder::on_disk();
    folder.counting("x.npy", &[1000, 100]);
    let explain = ["explain", "x - mean(x, 0)", "x.npy", "-o", "z.npy"];
    assert!(!folder.ok(&explain).contains("time  "), "nothing is said without a profile");
    let ran = with_profile(&folder, &["doctor", "x.npy", "--save", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("machine.json"), "{}", ran.stderr);
    let ran = with_profile(&folder, &explain);
    assert!(
        ran.stdout.contains("time      at least ") && ran.stdout.contains("inputs on the disk") && ran.stdout.contains("binds"),
        "{}",
        ran.stdout
    );
    let ran = with_profile(&folder, &[&explain[..], &["--json"]].concat());
    let expected = &json_of(&ran.stdout)["expected"];
    assert!(expected["cold"]["seconds"].as_f64().unwrap() >= expected["warm"]["seconds"].as_f64().unwrap(), "{expected}");
    // Of another machine: ignored, and said.
    let mut profile = json_of(&fs::read_to_string(folder.path("machine.json")).unwrap());
    profile["hostname"] = "another".into();
    folder.write("machine.json", profile.to_string().as_bytes());
    let ran = with_profile(&folder, &explain);
    assert!(ran.stderr.contains("is of the machine another") && !ran.stdout.contains("at least"), "{} {}", ran.stderr, ran.stdout);
    let ran = with_profile(&folder, &["doctor", "--quick"]);
    assert!(ran.stdout.contains("the machine profile is not used"), "{}", ran.stdout);
}

/// The settings of a table of `tune`: the first three columns.
fn settings_of(table: &str) -> Vec<String> {
    let rows = table.lines().skip(1).take_while(|line| !line.is_empty());
    rows.map(|line| line.split_whitespace().take(4).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn tune_prints_every_setting_once() {
    let folder = Folder::on_disk();
    folder.counting("x.npy", &[300, 40]);
    let sweep = ["--blocks", "64K,512K,1M,64K", "--thread-counts", "1", "--io-modes", "auto,read", "--rounds", "2", "--threads", "2"];
    let words = [&["tune", "z = (x - mean(x, 0)) / std(x, 0)", "x.npy"][..], &sweep[..8]].concat();
    let text = folder.ok(&words);
    let settings = settings_of(&text);
    assert_eq!(settings.len(), text.lines().skip(1).take_while(|line| !line.is_empty()).count());
    let mut different = settings.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), settings.len(), "{text}");
    assert!(settings[0].starts_with("planned") && text.contains("64.0 KiB") && text.contains("1.00 MiB"), "{text}");
    assert_eq!(
        text.matches("default").count(),
        if text.contains("the default takes") || text.contains("the default is") { 2 } else { 1 },
        "{text}"
    );
    // Flags that fix a thing leave it out of the sweep.
    let fixed = [&["tune", "sum(x)", "x.npy", "--full", "--json", "--cold"][..], &sweep].concat();
    let json = json_of(&folder.ok(&fixed));
    assert_eq!(
        (&json["schema"], json["rows"].as_array().unwrap().len(), &json["pages"]),
        (&json!("outcore.tune/1"), 4 * 2, &json!("cold"))
    );
    assert!(json["rows"].as_array().unwrap().iter().all(|row| row["setting"]["threads"].is_null() && row["seconds"]["count"] == 2));
    // Files of a glob are dropped from the cache one by one, and so is the file of a part.
    folder.counting("x-2.npy", &[300, 40]);
    for words in [["tune", "sum(x)", "x*.npy"], ["tune", "sum(x)", "x.npy?dims=row,column"]] {
        folder.ok(&[&words[..], &["--cold", "--rounds", "1", "--blocks", "64K"]].concat());
    }
    assert_eq!(folder.names(), ["x-2.npy", "x.npy"], "nothing is left");
}

#[test]
fn tune_measures_a_sample_and_outputs_of_any_format() {
    let folder = Folder::on_disk();
    folder.counting("x.npy", &[1000, 100]);
    folder.counting("y.npy", &[1000]);
    folder.counting("w.npy", &[100]);
    let words = ["tune", "z = x * w + y[:, None]", "x=x.npy", "y=y.npy", "w=w.npy", "-o", "z=z.zarr", "-o", "z.npy"];
    let ran = folder.run(&[&words[..], &["--sample", "40kB", "--rounds", "1", "--blocks", "64K"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("the first 100 of 1000 rows of x"), "{}", ran.stderr);
    assert_eq!(folder.names(), ["w.npy", "x.npy", "y.npy"], "outputs of a sweep are no outputs");
    folder.fails(&["tune", "--nope", "x.npy"], 2, &["--nope"]);
    folder.fails(&["tune"], 2, &["STATEMENTS"]);
    folder.fails(&["tune", "sum(x)", "x.npy", "--rounds", "0"], 2, &["--rounds 0"]);
    folder.fails(&["tune", "sum(x)", "x.npy", "--blocks", "50%"], 2, &["--blocks 50%"]);
    folder.fails(&["tune", "sum(x)", "x.npy", "--sample", "0"], 2, &["--sample 0"]);
    folder.fails(&["tune", "sum(x)", "x.npy", "--thread-counts", "0"], 2, &["--thread-counts 0"]);
    folder.fails(&["tune", "sum(q)", "x.npy"], 2, &["`q`"]);
    folder.fails(&["tune", "assert 1 > 2; sum(x)", "x.npy"], 1, &["1 > 2"]);
    folder.fails(&["tune", "sum(x)", "x.npy", "--svg", "no/x.svg"], 73, &["no/x.svg"]);
}

#[test]
fn a_store_that_is_measured_stays_as_it_is() {
    let folder = Folder::on_disk();
    folder.counting("x.npy", &[600, 500]);
    folder.ok(&["convert", "x.npy", "x.zarr"]);
    let inside = || {
        let mut names: Vec<_> = fs::read_dir(folder.path("x.zarr")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        (names, fs::metadata(folder.path("x.zarr")).unwrap().modified().unwrap())
    };
    let before = inside();
    // The result is too large to stay in memory.
    folder.ok(&["tune", "x * 2", "x.zarr", "--rounds", "1", "--blocks", "64K", "--cold"]);
    folder.ok(&["tune", "--zarr", "x.zarr", "--rounds", "1", "--sample", "all"]);
    folder.ok(&["doctor", "x.zarr", "--json"]);
    assert_eq!(inside(), before);
    assert_eq!(folder.names(), ["x.npy", "x.zarr"]);
}

#[test]
fn a_saved_sweep_is_followed_where_nothing_else_is_said() {
    let folder = Folder::on_disk();
    folder.counting("x.npy", &[300, 40]);
    let ran = with_profile(&folder, &["tune", "sum(x)", "x.npy", "--rounds", "1", "--blocks", "64K", "--save"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("machine.json"), "{}", ran.stderr);
    let mut profile = json_of(&fs::read_to_string(folder.path("machine.json")).unwrap());
    assert_eq!(profile["tuned"]["statements"], "sum(x)");
    // Whatever was best in one round: what the profile says is what is done.
    profile["tuned"] = json!({"block_bytes": 65536, "threads": 1, "io": "read", "statements": "sum(x)"});
    folder.write("machine.json", profile.to_string().as_bytes());
    let statements = "z = (x - mean(x, 0)) / std(x, 0)";
    let report = |words: &[&str]| {
        let ran =
            with_profile(&folder, &[&["eval", statements, "x.npy", "-o", "z.npy", "--overwrite", "--report", "r.json"], words].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        json_of(&fs::read_to_string(folder.path("r.json")).unwrap())
    };
    let followed = report(&[]);
    let limits = &followed["env"]["limits"];
    assert_eq!((&limits["block_bytes"], &limits["threads"], &limits["io"]), (&json!(65536), &json!(1), &json!("read")));
    let said = followed["env"]["profile"].as_str().unwrap();
    assert!(said.contains("machine.json: block 64.0 KiB, threads 1, io read"), "{said}");
    let digest = folder.ok(&["digest", "z.npy"]);
    let flags = report(&["--block", "1MiB", "--threads", "2", "--io", "mmap"]);
    let limits = &flags["env"]["limits"];
    assert_eq!((&limits["block_bytes"], &limits["threads"], &limits["io"]), (&json!(1 << 20), &json!(2), &json!("mmap")));
    assert!(flags["env"]["profile"].is_null(), "nothing of the profile is in use");
    assert_eq!(folder.ok(&["digest", "z.npy"]), digest);
    // Sums that are not exact depend on blocks, and must not on a profile.
    assert!(report(&["--sum", "naive"])["env"]["limits"]["block_bytes"].is_null());
    assert!(with_profile(&folder, &["doctor", "--quick"]).stdout.contains("tuned for `sum(x)`: block 64.0 KiB, threads 1, io read"));
}

#[test]
fn drawings_and_pages_stand_alone() {
    let folder = Folder::on_disk();
    folder.counting("x.npy", &[300, 40]);
    let sweep = ["--rounds", "1", "--svg", "t.svg", "--html", "t.html"];
    let jobs: [&[&str]; 3] =
        [&["tune", "sum((x < 3) & (x > 1)) # <&\">", "x.npy", "--blocks", "64K"], &["tune", "--zarr", "x.npy"], &["tune", "--sizes=1000"]];
    for words in jobs {
        let ran = folder.run(&[words, &sweep].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let [svg, html] = ["t.svg", "t.html"].map(|name| fs::read_to_string(folder.path(name)).unwrap());
        check_markup(&svg);
        check_markup(&html);
        assert!(svg.contains("<circle") && html.contains("<circle") && html.contains("<table>"));
        assert!([&svg, &html].iter().all(|text| text.contains("prefers-color-scheme:dark")));
    }
}

#[test]
fn tune_recommends_a_layout_for_each_way_to_read() {
    let folder = Folder::on_disk();
    folder.counting("x.npy", &[600, 50]);
    let text = folder.ok(&["tune", "--zarr", "x.npy", "--rounds", "1"]);
    for way in ["by rows", "by columns", "whole"] {
        let line = text.lines().find(|line| line.starts_with(&format!("read {way}"))).unwrap_or_else(|| panic!("{text}"));
        // The advice can be followed.
        let words: Vec<&str> = line.split("outcore ").nth(1).unwrap().split_whitespace().collect();
        folder.ok(&[&words[..], &["--overwrite"]].concat());
    }
    let names: Vec<&str> = text.lines().skip(1).take_while(|line| !line.is_empty()).map(|line| line.split("  ").next().unwrap()).collect();
    assert!(names[0] == "default" && names.len() > 5, "{text}");
    assert!(names.iter().enumerate().all(|(index, name)| !names[..index].contains(name)), "{text}");
    let words = ["tune", "--zarr", "x.npy", "--rounds", "1", "--cold", "--json", "--sample", "20kB"];
    let ran = folder.run(&words);
    let json = json_of(&ran.stdout);
    assert_eq!((json["schema"].as_str(), json["sample_bytes"].as_u64()), (Some("outcore.tune-zarr/1"), Some(20_000)));
    assert!(json["best"]["row"].is_u64() && json["best"]["column"].is_u64() && json["best"]["whole"].is_u64(), "{json}");
    assert!(ran.stderr.contains("the first 100 of 600 rows"), "{}", ran.stderr);
    assert_eq!(folder.names(), ["OUT.zarr", "x.npy"]);
    folder.fails(&["tune", "--zarr", "x.npy", "y.npy"], 2, &["one array"]);
    folder.fails(&["tune", "--zarr", "x.npy", "--full"], 2, &["--full"]);
}

#[test]
fn tune_compares_sizes() {
    let folder = Folder::new();
    let json = json_of(&folder.ok(&["tune", "--sizes=10000", "--rounds", "1", "--json"]));
    let elements: Vec<u64> = json["rows"].as_array().unwrap().iter().map(|row| row["elements"].as_u64().unwrap()).collect();
    assert_eq!((json["schema"].as_str(), elements), (Some("outcore.tune-sizes/1"), vec![100, 1000, 10_000]));
    folder.fails(&["tune", "--sizes=7"], 2, &["--sizes=7"]);
    folder.fails(&["tune", "--sizes", "x"], 2, &["--sizes"]);
}

#[test]
fn a_signal_leaves_nothing_behind() {
    for words in
        [&["tune", "z = x * 2 + 1", "x.npy", "-o", "z.npy", "--rounds", "100000"][..], &["tune", "--zarr", "x.npy", "--rounds", "100000"]]
    {
        let folder = Folder::on_disk();
        folder.counting("x.npy", &[3000, 400]);
        let mut child = folder.command(words).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // Once its folder is there it has something to remove.
        while folder.names().len() < 2 {
            assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
            std::thread::sleep(Duration::from_millis(5));
        }
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(folder.names(), ["x.npy"]);
    }
}

#[test]
fn a_report_draws_its_roofline_by_the_profile() {
    let folder = Folder::on_disk();
    folder.counting("x.npy", &[600, 50]);
    let limits_of = |name: &str, more: &[&str]| {
        let words = [&["eval", "sum(x * 2)", "x.npy", "--report", name], more].concat();
        assert_eq!(with_profile(&folder, &words).code, 0);
        fs::read_to_string(folder.path(name)).unwrap()
    };
    assert!(limits_of("before.html", &[]).contains("measured right after the run"));
    assert_eq!(with_profile(&folder, &["doctor", "--save"]).code, 0);
    let page = limits_of("after.html", &[]);
    assert!(page.contains("outcore doctor --save") && !page.contains("measured right after the run"));
    // It says nothing of another number of threads.
    let profile = json_of(&fs::read_to_string(folder.path("machine.json")).unwrap());
    let other = (profile["rates"]["threads"].as_u64().unwrap() + 1).to_string();
    assert!(limits_of("other.html", &["--threads", &other]).contains("measured right after the run"));
}
