//! The rules of the source tree, read from ARCHITECTURE.md and held against `src`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const LINES_MAX: usize = 1000;

/// A file of `src` without its tests and comments.
struct Source {
    /// Path below `src`.
    name: String,
    /// Whole text.
    text: String,
    /// Text without comments, strings and `#[cfg(test)]` items.
    code: String,
    /// Whether the whole file is compiled for tests only.
    is_test: bool,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    files.sort();
    let texts: Vec<(String, String)> = files
        .iter()
        .map(|path| (path.strip_prefix(root().join("src")).unwrap().display().to_string(), fs::read_to_string(path).unwrap()))
        .collect();
    let tests: BTreeSet<String> = texts.iter().flat_map(|(name, text)| test_modules(name, text)).collect();
    let is_test = |name: &str| tests.iter().any(|module| name == format!("{module}.rs") || name.starts_with(&format!("{module}/")));
    texts.into_iter().map(|(name, text)| Source { code: without_tests(&plain(&text)), is_test: is_test(&name), name, text }).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Module paths (`array/tests`) that `#[cfg(test)] mod …;` declares.
fn test_modules(name: &str, text: &str) -> Vec<String> {
    let path = Path::new(name);
    let folder = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") | None => path.parent().unwrap().to_path_buf(),
        Some(stem) => path.parent().unwrap().join(stem),
    };
    let mut lines = text.lines().map(str::trim);
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if !(line.starts_with("#[cfg(") && line.contains("test")) {
            continue;
        }
        let mut elsewhere = None;
        for line in lines.by_ref() {
            if let Some(path) = line.strip_prefix("#[path = \"") {
                elsewhere = path.split('"').next().map(|path| Path::new(name).with_file_name(path).with_extension(""));
            } else if !line.starts_with('#') {
                let declared = line.split("mod ").nth(1).and_then(|rest| rest.strip_suffix(';')).map(|module| folder.join(module));
                found.extend(declared.map(|module| elsewhere.unwrap_or(module).display().to_string()));
                break;
            }
        }
    }
    found
}

/// The text with comments, strings and characters blanked.
fn plain(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let length = match rest {
            ['/', '/', ..] => rest.iter().position(|&c| c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['r', '"' | '#', ..] if !chars[..at].last().is_some_and(|c| c.is_alphanumeric() || *c == '_') => raw_string(rest),
            ['"', ..] => string(rest),
            ['\'', '\\', ..] => 2 + rest[2..].iter().skip(1).position(|&c| c == '\'').map_or(0, |end| end + 2),
            ['\'', _, '\'', ..] => 3,
            _ => 0,
        };
        if length == 0 {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(rest[..length].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at += length;
        }
    }
    out
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match rest[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Length of a raw string, or 0 if there is none (`r#type`).
fn raw_string(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|&&c| c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let mut at = 2 + hashes;
    while at < rest.len() {
        if rest[at] == '"' && rest[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    rest.len()
}

fn string(rest: &[char]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != '"' {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Code without items marked `#[cfg(test)]`. Expects comments and strings blanked.
fn without_tests(code: &str) -> String {
    let mut rest = code;
    let mut out = String::new();
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        rest = after_item(&rest[at + "#[cfg(test)]".len()..]);
    }
    out + rest
}

/// What follows the next item: up to its `;`, or to the brace that closes it.
fn after_item(text: &str) -> &str {
    let mut depth = 0usize;
    for (at, letter) in text.char_indices() {
        match letter {
            ';' if depth == 0 => return &text[at + 1..],
            '{' | '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return &text[at + 1..];
                }
            }
            _ => {}
        }
    }
    ""
}

/// Every path of this crate that the code names, without `crate::`: `nd::DType`, `kernel::program`.
fn crate_paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` of a macro is a path of whoever expands it; `pub(in crate::…)` is a use of nothing, and rare.
        if code[..at].ends_with(|c: char| c == '$' || c.is_alphanumeric() || c == '_') {
            continue;
        }
        expand(&code[at + "crate::".len()..], "", &mut found);
    }
    found
}

/// Expands one use tree at the start of `text`.
fn expand<'a>(text: &'a str, prefix: &str, found: &mut Vec<String>) -> &'a str {
    let mut rest = text.trim_start();
    let mut path = prefix.to_string();
    loop {
        if let Some(mut inside) = rest.strip_prefix('{') {
            loop {
                inside = inside.trim_start();
                if let Some(after) = inside.strip_prefix('}') {
                    return after;
                }
                let before = inside.len();
                inside = expand(inside, &path, found).trim_start();
                inside = inside.strip_prefix(',').unwrap_or(inside);
                if inside.is_empty() || inside.len() == before {
                    return "";
                }
            }
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end == 0 {
            // A glob: the module itself.
            found.push(path.trim_end_matches("::").to_string());
            return rest.strip_prefix('*').unwrap_or(rest);
        }
        path.push_str(&rest[..end]);
        rest = &rest[end..];
        match rest.strip_prefix("::") {
            Some(after) if after.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '{' || c == '*') => {
                path.push_str("::");
                rest = after;
            }
            _ => {
                found.push(path);
                let renamed = rest.trim_start();
                return match renamed.strip_prefix("as ") {
                    Some(after) => after.trim_start().trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'),
                    None => rest,
                };
            }
        }
    }
}

/// The rows of the table in ARCHITECTURE.md under the heading `title`, without its two head lines.
fn table(title: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(title)).unwrap_or_else(|| panic!("no section {title}"));
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_string()).collect()).collect()
}

fn names(cell: &str) -> Vec<String> {
    cell.split(',').map(|name| name.trim().trim_matches('`').to_string()).filter(|name| !name.is_empty()).collect()
}

/// Module to what it may use. `kernel::program` allows only that part.
fn floors() -> BTreeMap<String, Vec<String>> {
    let rows = table("Floors");
    rows.iter().flat_map(|row| names(&row[0]).into_iter().map(|module| (module, names(&row[1])))).collect()
}

/// The floor that a file belongs to; `None` for `lib.rs`, which only lists them, and the program.
fn floor(name: &str) -> Option<&str> {
    let first = name.split('/').next()?.trim_end_matches(".rs");
    (!["lib", "bin"].contains(&first)).then_some(first)
}

#[track_caller]
fn none(broken: &[String]) {
    assert!(broken.is_empty(), "against ARCHITECTURE.md:\n{}", broken.join("\n"));
}

#[test]
fn every_floor_is_in_the_table() {
    let modules: BTreeSet<String> = sources().iter().filter_map(|source| floor(&source.name)).map(str::to_string).collect();
    assert_eq!(floors().into_keys().collect::<BTreeSet<_>>(), modules);
}

#[test]
fn floors_use_what_the_table_allows() {
    let floors = floors();
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test) {
        let Some(floor) = floor(&source.name) else { continue };
        for path in crate_paths(&source.code) {
            let used = path.split("::").next().unwrap_or("");
            // A macro at the root (`dispatch`) belongs to nd.
            if used == floor || !floors.contains_key(used) {
                continue;
            }
            let allowed = |rule: &String| path == *rule || path.starts_with(&format!("{rule}::"));
            if !floors[floor].iter().any(allowed) {
                broken.push(format!("{}: crate::{path}", source.name));
            }
        }
    }
    none(&broken);
}

#[test]
fn floors_form_no_circle() {
    let sources = sources();
    // What a floor really uses; the shared vocabulary `kernel::program` is a floor of its own.
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let part = |path: &str| {
        if path.starts_with("kernel::program") { "kernel::program".to_string() } else { path.split("::").next().unwrap_or("").to_string() }
    };
    for source in sources.iter().filter(|source| !source.is_test) {
        let Some(floor) = floor(&source.name) else { continue };
        let user = if source.name == "kernel/program.rs" { "kernel::program" } else { floor };
        let used = crate_paths(&source.code).into_iter().map(|path| part(&path)).filter(|used| used != user);
        uses.entry(user.to_string()).or_default().extend(used);
    }
    // Take away what uses nothing that is left, until nothing is left.
    while !uses.is_empty() {
        let free: Vec<String> =
            uses.iter().filter(|(_, used)| !used.iter().any(|used| uses.contains_key(used))).map(|(name, _)| name.clone()).collect();
        assert!(!free.is_empty(), "a circle among {uses:?}");
        free.iter().for_each(|name| drop(uses.remove(name)));
    }
}

#[test]
fn the_program_uses_the_public_api_only() {
    for source in sources().iter().filter(|source| source.name.starts_with("bin/")) {
        for path in crate_paths(&source.code) {
            let first = path.split("::").next().unwrap_or("");
            assert!(
                root().join(format!("src/bin/outcore/{first}.rs")).exists() || root().join(format!("src/bin/outcore/{first}")).is_dir(),
                "{}: {path}",
                source.name
            );
        }
    }
}

#[test]
fn files_are_short() {
    let long = sources().into_iter().filter(|source| source.text.lines().count() > LINES_MAX);
    none(&long.map(|source| format!("{} has {} lines", source.name, source.text.lines().count())).collect::<Vec<_>>());
}

#[test]
fn files_say_what_lives_in_them() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//!"));
    none(&silent.map(|source| format!("{} has no `//!` header", source.name)).collect::<Vec<_>>());
}

#[test]
fn unsafe_stands_at_its_addresses() {
    let addresses: Vec<String> = table("Unsafe").iter().flat_map(|row| names(&row[0])).collect();
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test) {
        let is_unsafe = source.code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
        let module = source.name.trim_end_matches(".rs");
        let allowed = addresses.iter().any(|address| module == address || module.starts_with(&format!("{address}/")));
        if is_unsafe && !allowed {
            broken.push(format!("{} has unsafe code, which lives in {addresses:?}", source.name));
        }
    }
    none(&broken);
}

#[test]
fn nothing_is_unwrapped() {
    let mut broken = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test) {
        let lines = source.code.lines().filter(|line| line.contains(".unwrap()"));
        broken.extend(lines.map(|line| format!("{}: {}", source.name, line.trim())));
    }
    none(&broken);
}

#[test]
fn every_named_package_is_used_in_its_room() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let sources = sources();
    let (mut listed, mut broken) = (BTreeSet::new(), Vec::new());
    for row in table("Packages") {
        let (package, rooms) = (row[0].trim_matches('`').to_string(), names(&row[1]));
        assert!(manifest.lines().any(|line| line.starts_with(&format!("{package} "))), "{package} is not in Cargo.toml");
        let in_code = package.replace('-', "_");
        let users: BTreeSet<&str> = sources
            .iter()
            .filter(|source| !source.is_test && mentions(&source.code, &in_code))
            .map(|source| source.name.as_str())
            .collect();
        if users.is_empty() {
            broken.push(format!("{package} is listed and used nowhere"));
        }
        for user in users {
            let at_home = rooms.iter().any(|room| room == "every floor" || user.starts_with(room.as_str()));
            if !at_home {
                broken.push(format!("{package} is used in {user}, its rooms are {rooms:?}"));
            }
        }
        listed.insert(package);
    }
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split("[dev-dependencies]").next().unwrap();
    for package in dependencies.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name) {
        if !listed.contains(package) {
            broken.push(format!("{package} has no room in ARCHITECTURE.md"));
        }
    }
    none(&broken);
}

/// Whether code names the package at the start of a path.
fn mentions(code: &str, package: &str) -> bool {
    code.match_indices(package).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + package.len()..];
        let starts = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '.');
        // `use rayon::…`, `half::f16`, `use {ndarray, half}`, `pub use half;`, `#[derive(Serialize)]` comes with a `use`.
        starts && (after.starts_with("::") || (after.starts_with([';', ',', '}']) && code[..at].trim_end().ends_with(['{', ',', 'e'])))
    })
}

#[test]
fn the_checker_sees_what_it_must_see() {
    let code = without_tests(&plain(
        "use crate::{nd::{DType, shape::*}, error::Result as R, dispatch};\n// crate::run::no\nfn f() { \"crate::plan::no\"; crate::store::open() }\n#[cfg(test)]\nmod tests { use crate::array::No; }\nfn g() { let c = '\"'; crate::trace::X; }",
    ));
    let mut paths = crate_paths(&code);
    paths.sort();
    assert_eq!(paths, ["dispatch", "error::Result", "nd::DType", "nd::shape", "store::open", "trace::X"]);
    assert!(mentions("use half::f16;", "half") && mentions("pub use half;", "half") && !mentions("behalf::x", "half"));
}
