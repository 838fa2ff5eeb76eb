//! The known wrong answers of other systems that `docs/numerics.md` lists come out right here.

use crate::cli_support::Folder;

#[test]
fn the_table_of_known_wrong_answers_holds() {
    let text = include_str!("../../docs/numerics.md");
    let table = text.split("## Known wrong answers").nth(1).expect("the table is there");
    let place = Folder::new();
    let mut rows = 0;
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        // `|` stands in no expression of the table.
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let (expression, answer) = (cells[1].trim_matches('`'), cells[2].trim_matches('`'));
        for settings in [&["--threads", "1"][..], &["--threads", "2", "--block", "4KiB", "--memory", "64MiB"]] {
            let ran = place.run(&[&["eval", expression, "--on-invalid", "ignore"], settings].concat());
            if let Some(refused) = answer.strip_prefix("refused: ") {
                assert!(ran.code != 0 && ran.stderr.contains(refused), "{expression}: {}{}", ran.stdout, ran.stderr);
            } else {
                assert_eq!(ran.stdout.trim(), answer, "{expression}: {}", ran.stderr);
            }
        }
        rows += 1;
    }
    assert!(rows >= 12, "{rows} rows");
}
