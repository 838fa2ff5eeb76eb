//! Reports as pages, rows and traces; drawings of plans; completions and manual pages.

use crate::cli_support::Folder;
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::Value;
use std::{collections::BTreeSet, fs};

/// Statements, file names and assertions with everything that markup knows.
const STATEMENTS: &str = "assert all(x < 1e9), 'a <b> & \"c\"'; m = mean(x, axis=0); s = std(x, axis=0); z = (x - m) / s; r = 1 / x; z";

fn job(place: &Folder) -> (String, Value) {
    // So long that both stages have several runs.
    place.counting("in <&>.npy", &[200_000, 16]);
    let words = ["eval", STATEMENTS, "x=in <&>.npy", "-o", "z=out'&<.npy", "-o", "r=r.npy", "-o", "m=m.npy"];
    let flags =
        ["--report", "r.html", "--report", "r.json", "--report", "r.csv", "--trace", "t.json", "--block", "4KiB", "--memory", "256MiB"];
    let ran = place.run(&[&words[..], &flags[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let page = fs::read_to_string(place.path("r.html")).unwrap();
    (page, serde_json::from_slice(&fs::read(place.path("r.json")).unwrap()).unwrap())
}

fn parse(text: &str) -> Document<'_> {
    Document::parse_with_options(text, ParsingOptions { allow_dtd: true, ..ParsingOptions::default() }).unwrap()
}

fn words_of(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

/// Nothing that a browser would load, follow or run.
fn assert_alone(text: &str, document: &Document<'_>) {
    for outside in ["http:", "https:", "@import", "url(", "src=", "href=", "javascript:"] {
        assert!(!text.contains(outside), "{outside} is in the page");
    }
    for node in document.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        assert!(!["link", "img", "iframe", "object", "embed", "base", "form", "image", "use", "foreignObject"].contains(&name), "{name}");
        assert!(name != "script" || node.attribute("type") == Some("application/json"), "a script");
        for attribute in node.attributes() {
            assert!(!attribute.name().starts_with("on"), "{name} {}", attribute.name());
            assert!(!attribute.value().trim_start().starts_with("//"), "{name} {}", attribute.name());
        }
    }
}

/// Coordinates are numbers, and what is drawn lies inside the drawing.
fn assert_drawn(svg: Node<'_, '_>) {
    let size: Vec<f64> = svg.attribute("viewBox").unwrap().split(' ').map(|part| part.parse().unwrap()).collect();
    assert!(svg.attribute("aria-label").is_some_and(|about| !about.is_empty()));
    for node in svg.descendants().filter(Node::is_element) {
        assert!(["svg", "g", "rect", "line", "path", "circle", "text", "title", "style"].contains(&node.tag_name().name()), "{node:?}");
        for (name, most) in
            [("x", size[2]), ("x1", size[2]), ("x2", size[2]), ("cx", size[2]), ("y", size[3]), ("y1", size[3]), ("cy", size[3])]
        {
            let Some(text) = node.attribute(name) else { continue };
            let value: f64 = text.parse().unwrap();
            assert!((-1.0..=most + 1.0).contains(&value), "{name} {value} of {most}: {node:?}");
        }
        for name in ["width", "height", "r"] {
            let is_number = |text: &str| text.ends_with('%') || text.parse::<f64>().is_ok_and(|value| value >= 0.0);
            assert!(node.attribute(name).is_none_or(is_number), "{node:?}");
        }
        if let Some(path) = node.attribute("d") {
            assert!(path.starts_with('M') && !path.contains("NaN") && !path.contains("inf"), "{path}");
        }
    }
}

#[test]
fn the_page_stands_alone_and_has_the_numbers_of_the_json() {
    let place = Folder::new();
    let (text, json) = job(&place);
    let page = parse(&text);
    assert_alone(&text, &page);
    // The JSON inside the page is that of the file.
    let inside = page.descendants().find(|node| node.attribute("id") == Some("report")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(inside.text().unwrap()).unwrap(), json);
    // Every number that says where it comes from has the value that stands there.
    let mut places = BTreeSet::new();
    for node in page.descendants().filter(|node| node.has_attribute("data-json")) {
        let from = node.attribute("data-json").unwrap();
        assert_eq!(node.attribute("data-value").unwrap(), json.pointer(from).unwrap().to_string(), "{from}");
        assert!(!words_of(node).is_empty());
        places.insert(from);
    }
    for from in [
        "/seconds",
        "/bytes_read",
        "/bytes_written",
        "/bytes_peak_held",
        "/bytes_peak_planned",
        "/env/limits/memory_bytes",
        "/blocks",
        "/block_times/p50_seconds",
        "/block_times/p95_seconds",
        "/block_times/p99_seconds",
        "/stages/0/seconds",
        "/stages/1/bytes_written",
    ] {
        assert!(places.contains(from), "{from}: {places:?}");
    }
    let sections: Vec<&str> =
        page.descendants().filter(|node| node.has_tag_name("section")).filter_map(|node| node.attribute("id")).collect();
    assert_eq!(
        sections,
        ["warnings", "ran", "plan", "throughput", "memory", "stages", "roofline", "blocks", "timeline", "environment", "why"]
    );
    let drawings: Vec<Node<'_, '_>> = page.descendants().filter(|node| node.has_tag_name("svg")).collect();
    assert!(drawings.len() >= 4, "{}", drawings.len());
    drawings.into_iter().for_each(assert_drawn);
    // Both colour schemes are there.
    assert!(text.contains("prefers-color-scheme: dark") && text.contains("color-scheme: light dark"));
}

#[test]
fn the_page_says_what_ran_and_what_was_odd() {
    let place = Folder::new();
    let (text, json) = job(&place);
    let page = parse(&text);
    let section = |id: &str| words_of(page.descendants().find(|node| node.attribute("id") == Some(id)).unwrap());
    let ran = section("ran");
    for part in [STATEMENTS, "in <&>.npy", "out'&<.npy", "f32 (200000, 16)", "'x=in <&>.npy'"] {
        assert!(ran.contains(part), "{part}: {ran}");
    }
    let plan = section("plan");
    for part in ["in <&>.npy", "mapped in place", "(200000, 16)", "held"] {
        assert!(plan.contains(part), "{part}: {plan}");
    }
    assert!(section("warnings").contains(json["warnings"][0].as_str().unwrap()), "{}", section("warnings"));
    for stage in json["stages"].as_array().unwrap() {
        assert!(section("stages").contains(stage["name"].as_str().unwrap()));
    }
    let environment = section("environment");
    for part in [json["env"]["isa"].as_str().unwrap(), "asked for by --memory", "256 MiB", "control group", env!("CARGO_PKG_VERSION")] {
        assert!(environment.contains(part), "{part}: {environment}");
    }
    let quiet = Folder::new();
    quiet.counting("x.npy", &[10]);
    let mut command = quiet.command(&["eval", "x + 1", "x.npy", "--report", "r.html"]);
    let done = command.env("OMP_NUM_THREADS", "<3>").env("RAYON_RS", "no").output().unwrap();
    assert!(done.status.success());
    let text = fs::read_to_string(quiet.path("r.html")).unwrap();
    assert!(text.contains("<dt>OMP_NUM_THREADS</dt><dd>&lt;3&gt;</dd>") && !text.contains("id=\"warnings\""));
    assert_alone(&text, &parse(&text));
}

#[test]
fn every_block_is_counted_and_every_thread_is_traced() {
    let place = Folder::new();
    let (_, json) = job(&place);
    assert_eq!(json["block_times"]["count"], json["blocks"]);
    let stages = json["stages"].as_array().unwrap();
    assert_eq!(stages.iter().map(|stage| stage["block_times"]["count"].as_u64().unwrap()).sum::<u64>(), json["blocks"].as_u64().unwrap());
    assert!(json["blocks"].as_u64().unwrap() > 32, "{json}");
    assert_eq!((&json["bytes_copied"], &json["bytes_copied_hidden"]), (&0.into(), &0.into()));
    let rows = fs::read_to_string(place.path("r.csv")).unwrap();
    assert_eq!(rows.lines().count(), 1 + stages.len());
    assert!(rows.lines().nth(1).unwrap().starts_with(&format!("\"{}\",", stages[0]["name"].as_str().unwrap())), "{rows}");
    let trace: Value = serde_json::from_slice(&fs::read(place.path("t.json")).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |kind: &str| events.iter().filter(|event| event["cat"] == kind).collect::<Vec<_>>();
    assert!(!of("compute").is_empty() && !of("block").is_empty() && !of("sync").is_empty());
    // A block lies inside the computation of its run, on the same thread.
    let inside = |block: &&Value| {
        of("compute").iter().any(|run| {
            let [begin, end] = [run["ts"].as_f64().unwrap(), run["ts"].as_f64().unwrap() + run["dur"].as_f64().unwrap()];
            let at = block["ts"].as_f64().unwrap();
            run["tid"] == block["tid"] && begin <= at && at + block["dur"].as_f64().unwrap() <= end + 0.01
        })
    };
    assert!(of("block").iter().all(inside));
    let threads: BTreeSet<u64> =
        events.iter().filter(|event| event["name"] == "thread_name").filter_map(|event| event["tid"].as_u64()).collect();
    assert!(events.iter().filter(|event| event["ph"] == "X").all(|event| threads.contains(&event["tid"].as_u64().unwrap())));
}

#[test]
fn every_mode_that_computes_can_be_reported_and_watched() {
    let place = Folder::on_disk();
    let values: Vec<f32> = (0..600u32).map(|value| (value.wrapping_mul(2_654_435_761) >> 16) as f32 / 65_536.0).collect();
    place.f32("x.npy", &[100, 6], &values);
    let cases: &[&[&str]] = &[
        &["eval", "x - mean(x)", "x.npy", "-o", "a.npy"],
        &["convert", "x.npy", "b.zarr"],
        &["stats", "x.npy"],
        &["topk", "x.npy", "-k", "2", "-o", "c.npy"],
        &["pairs", "x.npy", "--above", "0.9", "-o", "d.npy"],
        &["pca", "x.npy", "-o", "e.npy"],
        &["kmeans", "x.npy", "-k", "3"],
        &["quantize", "x.npy", "f.npy", "--to", "f16"],
        &["shuffle", "x.npy", "g.npy"],
        &["split", "x.npy", "0.8=h.npy", "rest=i.npy"],
        &["audit", "x.npy"],
        &["verify", "x.npy"],
        &["diff", "x.npy", "x.npy"],
        &["digest", "x.npy"],
    ];
    for words in cases {
        let ran = place.run(&[words, &["--report", "r.json", "--report", "r.html", "--progress", "json"][..]].concat());
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.stderr);
        let report: Value = serde_json::from_slice(&fs::read(place.path("r.json")).unwrap()).unwrap();
        assert!(report["blocks"].as_u64().unwrap() > 0 && report["bytes_read"].as_u64().unwrap() > 0, "{words:?}: {report}");
        let text = fs::read_to_string(place.path("r.html")).unwrap();
        assert_alone(&text, &parse(&text));
        let told: Vec<Value> =
            ran.stderr.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(!told.is_empty(), "{words:?} says nothing");
        for progress in told {
            assert_eq!(progress["schema"], "outcore.progress/1");
            for field in ["stage", "stages", "bytes_done", "bytes_total", "bytes_held", "bytes_budget", "bytes_per_second", "plan"] {
                assert!(progress[field].is_number(), "{words:?}: {progress}");
            }
            assert!(progress["bytes_done"].as_u64() <= progress["bytes_total"].as_u64(), "{words:?}: {progress}");
        }
        // Nobody asked, and this is no terminal.
        let quiet = place.run(&[words, &["--overwrite"][..]].concat());
        assert!(!quiet.stderr.contains("stage ") && !quiet.stderr.contains("progress"), "{words:?}: {}", quiet.stderr);
    }
}

#[test]
fn reports_are_refused_before_anything_runs() {
    let place = Folder::new();
    place.counting("x.npy", &[3]);
    place.fails(&["eval", "x", "x.npy", "--report", "r.txt"], 2, &["r.txt", "extension", ".html"]);
    place.fails(&["eval", "x", "x.npy", "--report", "no/r.html"], 73, &["no", "does not exist"]);
    place.fails(&["eval", "x", "x.npy", "--trace", "no/t.json"], 73, &["no", "does not exist"]);
    place.fails(&["explain", "x", "x.npy", "--svg", "no/p.svg"], 73, &["no", "does not exist"]);
    // A job that fails leaves an earlier report as it is.
    place.write("r.html", b"<!DOCTYPE html>earlier");
    assert_eq!(place.run(&["eval", "assert 1 > 2; x", "x.npy", "--report", "r.html"]).code, 1);
    assert_eq!(fs::read(place.path("r.html")).unwrap(), b"<!DOCTYPE html>earlier");
}

#[test]
fn explain_draws_the_plan() {
    let place = Folder::new();
    let statements = "m = mean(x, axis=0); z = (x - m) / std(x, axis=0)";
    let text = place.ok(&["explain", statements, "x=f32[4000000,768]", "--svg", "p.svg", "--memory", "1GiB"]);
    assert!(text.contains("stage 2"), "{text}");
    let svg = fs::read_to_string(place.path("p.svg")).unwrap();
    let drawing = Document::parse(&svg).unwrap();
    assert_eq!(drawing.root_element().tag_name().namespace(), Some("http://www.w3.org/2000/svg"));
    let texts: Vec<&str> = drawing.descendants().filter(|node| node.tag_name().name() == "text").filter_map(|node| node.text()).collect();
    for part in ["12.3 GB", "over (4000000, 768)", "mapped in place"] {
        assert!(texts.contains(&part), "{part}: {texts:?}");
    }
    assert_drawn(drawing.root_element());
    // The same plan is the same drawing.
    place.ok(&["explain", statements, "x=f32[4000000,768]", "--svg", "again.svg", "--memory", "1GiB"]);
    assert_eq!(svg, fs::read_to_string(place.path("again.svg")).unwrap());
}

#[test]
fn shells_and_manuals_know_every_mode() {
    let place = Folder::new();
    let help = place.ok(&["--help"]);
    let modes: Vec<&str> = help
        .split_once("Commands:")
        .unwrap()
        .1
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| !word.starts_with('-') && *word != "help")
        .collect();
    assert!(modes.contains(&"eval") && modes.contains(&"man"), "{modes:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = place.ok(&["completions", shell]);
        assert!(modes.iter().all(|mode| text.contains(mode)) && text.contains("on-invalid"), "{shell}");
    }
    let page = place.ok(&["man"]);
    assert!(page.contains(".TH outcore") && page.contains("larger than memory"), "{page}");
    let page = place.ok(&["man", "eval"]);
    assert!(page.contains(".TH outcore-eval") && page.contains("STATEMENTS"), "{page}");
    place.fails(&["man", "evil"], 2, &["no mode `evil`"]);
    place.fails(&["completions", "tcsh"], 2, &["tcsh"]);
    fs::create_dir(place.path("pages")).unwrap();
    place.ok(&["man", "--dir", "pages"]);
    place.fails(&["man", "--dir", "missing"], 73, &["cannot write pages to missing"]);
    assert!(modes.iter().all(|mode| place.path("pages").join(format!("outcore-{mode}.1")).exists()));
}
