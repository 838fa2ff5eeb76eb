//! Every page of the guide is run: commands in a folder of small inputs, their exit codes, and the output that pages show.
//!
//! - A block `sh` is run by a shell, command by command, in the order of the page. A command ends with 0, or with what the comment
//!   behind it says: `# exit 65`.
//! - A block `text` is what the block of commands above it prints, stdout before stderr of each. `...` in a line is any text, and a line of
//!   nothing else any lines.
//! - A block `rust` is a test of the documentation: the page stands in `src/lib.rs`.
//! - Anything else, and commands that no test can run, are named in [`NOT_RUN`] with the reason.

mod inputs;
mod page;
mod rust;

use crate::cli_support::Folder;
use page::{Block, Command, blocks, commands, covers};
use std::{fs, path::Path};

/// Blocks (by page and first line) and commands (by page and text) that are not run, and why.
const NOT_RUN: [(&str, &str, &str); 10] = [
    ("README.md", "cargo run --release -- demo", "builds the program, and `demo` has tests of its own"),
    ("README.md", "cargo test", "this is it"),
    ("README.md", "cargo install --path . --features object-store", "installs into the home of whoever runs the tests"),
    ("README.md", "use outcore::{Save, Session, axis};", "needs a file beside it: `examples/readme.rs`, which a test compares and runs"),
    ("docs/cluster.md", "pip install ./python/outcore-dask", "installs from the package index"),
    (
        "docs/cluster.md",
        "outcore eval '(x - mean(x, 0)) / std(x, 0)' x.zarr -o z.zarr --on dask://head-node:8786 --job /shared/jobs/z --memory 2GiB --threads 1",
        "a cluster that is not there",
    ),
    (
        "docs/cluster.md",
        "outcore eval 'mean(x, 0)' x.zarr --on 'dask:local?workers=2' --job jobs/mean",
        "needs Python with distributed: `tests/dask_parity.py` runs jobs on Dask",
    ),
    ("docs/from-dask.md", "x = da.from_zarr(\"temperature.zarr\")", "Python, which tests do not need"),
    ("docs/from-numpy.md", "x = np.load(\"embeddings.npy\", mmap_mode=\"r\")", "Python, which tests do not need"),
    (
        "docs/reports.md",
        r#"{"schema":"outcore.progress/1","plan":1,"stage":1,"stages":2,"name":"mean","bytes_done":512000000,"bytes_total":4096000000,"#,
        "a line of a long job, with other numbers each time",
    ),
];

/// What holds in the folder after a page: statements, inputs, and what is printed.
const AFTER: [(&str, &str, &[&str], &str); 10] = [
    ("docs/embeddings.md", "x.shape", &["graph.npy"], "(400, 3)"),
    ("docs/embeddings.md", "x.shape", &["all.npy"], "(400, 64)"),
    ("docs/embeddings.md", "all(x >= 0.6)", &["pair-scores.npy"], "True"),
    ("docs/embeddings.md", "all(x[:, 0] < x[:, 1])", &["pairs.npy"], "True"),
    ("docs/embeddings.md", "max(abs(x - y)) < max(abs(x)) / 250", &["x=embeddings.npy", "y=back.npy"], "True"),
    ("docs/embeddings.md", "all(y == (x > 0))", &["x=embeddings.npy", "y=zeros-and-ones.npy"], "True"),
    ("docs/embeddings.md", "all(y == shuffle(x, seed=7))", &["x=embeddings.npy", "y=shuffled.npy"], "True"),
    (
        "docs/embeddings.md",
        "all(concatenate([a, b, c], axis=0) == y)",
        &["a=train.npy", "b=val.npy", "c=test.npy", "y=shuffled.npy"],
        "True",
    ),
    ("docs/linalg.md", "x.shape", &["projected.npy"], "(400, 10)"),
    ("docs/linalg.md", "max(x) < 20", &["batch-labels.npy"], "True"),
];

/// Pages, and how many commands of each are run: a page whose commands are no longer found would pass else.
macro_rules! pages {
    ($($name:ident $page:literal $commands:literal,)*) => {
        const PAGES: &[&str] = &[$($page),*];
        $(#[test]
        fn $name() {
            assert_eq!(run($page), $commands, "commands of {}", $page);
        })*
    };
}

pages! {
    readme "README.md" 31,
    contents "docs/README.md" 1,
    embeddings "docs/embeddings.md" 21,
    errors "docs/errors.md" 33,
    formats "docs/formats.md" 7,
    cluster "docs/cluster.md" 6,
    from_dask "docs/from-dask.md" 4,
    from_numpy "docs/from-numpy.md" 13,
    larger_than_memory "docs/larger-than-memory.md" 7,
    linalg "docs/linalg.md" 4,
    math "docs/math.md" 0,
    numerics "docs/numerics.md" 3,
    objects "docs/objects.md" 0,
    reliability "docs/reliability.md" 0,
    reports "docs/reports.md" 7,
    resume "docs/resume.md" 1,
    tuning "docs/tuning.md" 14,
    zarr "docs/zarr.md" 7,
}

fn text(page: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap()
}

/// Why something of a page is not run.
fn not_run(page: &str, what: &str) -> bool {
    NOT_RUN.iter().any(|(of, which, _)| *of == page && *which == what)
}

/// Runs a page, and gives the number of its commands.
fn run(page: &str) -> usize {
    let folder = Folder::on_disk();
    inputs::make(&folder);
    let (mut ran, mut printed) = (0, None);
    for block in blocks(&text(page)) {
        let place = format!("{page}, line {}", block.line);
        match block.language() {
            "sh" => {
                let commands = commands(&block);
                let mut output = String::new();
                for command in commands.iter().filter(|command| !not_run(page, &command.text)) {
                    output.push_str(&run_command(&folder, command, page));
                    ran += 1;
                }
                printed = Some(output);
            }
            "text" => {
                let printed = printed.take().unwrap_or_else(|| panic!("{place}: no command stands above this output"));
                assert!(covers(&block.text, &printed), "{place} shows\n{}\nand the program prints\n{printed}", block.text);
            }
            "rust" => {
                let is_tested = include_str!("../../../src/lib.rs").contains(&format!("include_str!(\"../{page}\")"));
                assert!((is_tested && block.info == "rust") || not_run(page, first_line(&block)), "{place}: nothing runs this");
            }
            _ => assert!(not_run(page, first_line(&block)), "{place}: nothing runs `{}`, and NOT_RUN does not say why", first_line(&block)),
        }
    }
    for (_, statements, files, printed) in AFTER.iter().filter(|(of, ..)| *of == page) {
        assert_eq!(folder.ok(&[&["eval", *statements], *files].concat()), *printed, "{page}: {statements}");
    }
    ran
}

fn first_line(block: &Block) -> &str {
    block.text.lines().next().unwrap_or_default()
}

/// Runs one command in a shell, and gives what it printed.
fn run_command(folder: &Folder, command: &Command, page: &str) -> String {
    let mut shell = folder.shell(&command.text);
    let output = shell.env("OUTCORE_PROFILE", folder.path(".machine.json")).output().unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).to_string()).concat();
    assert_eq!(output.status.code(), Some(command.code), "{page}, line {}: {}\n{printed}", command.line, command.text);
    printed
}

#[test]
fn every_page_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut found: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| format!("docs/{}", entry.unwrap().file_name().to_str().unwrap())).collect();
    found.push("README.md".to_string());
    found.sort();
    let mut run = PAGES.to_vec();
    run.sort_unstable();
    assert_eq!(found, run);
}

#[test]
fn nothing_is_excused_that_is_not_there() {
    for (page, what, _) in NOT_RUN {
        let found = blocks(&text(page)).iter().any(|block| match block.language() {
            "sh" => commands(block).iter().any(|command| command.text == what),
            _ => first_line(block) == what,
        });
        assert!(found, "{page} has no `{what}`");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in PAGES {
        let text = text(page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap();
            let path = root.join(page).parent().unwrap().join(file);
            assert!(target.starts_with("http") || path.exists(), "{page}: {target}");
        }
    }
}

/// Flags of other programs.
const FLAGS_OF_OTHERS: &[&str] = &[
    "--release",
    "--path",
    "--features",
    "--test",
    "--bench",
    "--example",
    "--ignored",
    "--nocapture",
    "--data",
    "--preserve-status",
    "--open",
    "--lib",
    "--no-default-features",
];

/// Prose names flags too, where nothing runs them.
#[test]
fn every_flag_that_a_page_names_is_one() {
    let folder = Folder::new();
    folder.ok(&["man", "--dir", "."]);
    let manuals = fs::read_dir(folder.path(".")).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let manuals = manuals.collect::<String>().replace("\\-", "-");
    let flags = |text: &str| -> Vec<String> {
        let flag = |rest: &str| rest.chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '-').collect::<String>();
        text.split("--")
            .skip(1)
            .map(flag)
            .filter(|name| name.starts_with(|letter: char| letter != '-'))
            .map(|name| format!("--{name}"))
            .collect()
    };
    let known = flags(&manuals);
    for page in PAGES {
        for name in flags(&text(page)) {
            assert!(known.contains(&name) || FLAGS_OF_OTHERS.contains(&name.as_str()), "{page}: nothing has the flag {name}");
        }
    }
}

/// The README's program needs a file beside it, which no test of the documentation has.
#[test]
fn the_readme_s_program_is_an_example_that_runs() {
    let shown = blocks(&text("README.md")).into_iter().find(|block| block.language() == "rust").unwrap().text;
    let example = text("examples/readme.rs");
    assert_eq!(example.split_once("\n\n").unwrap().1, shown, "examples/readme.rs is the README's program below its first line");
    let folder = Folder::on_disk();
    inputs::make(&folder);
    assert!(crate::examples::run_in("readme", &folder).ends_with("held\n"));
    let apart = "(max(abs(z - (x - mean(x, 0)) / std(x, 0, ddof=1))) < 1e-6) & all(m == mean(x, 0))";
    assert_eq!(folder.ok(&["eval", apart, "x=embeddings.npy", "z=z.npy", "m=mean.npy"]), "True");
}
