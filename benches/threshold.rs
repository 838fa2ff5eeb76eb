//! `--fail-below RATIO`: a bench with a row whose ratio to its limit is smaller ends with exit code 1 and names the rows.

use std::{
    cell::{Cell, RefCell},
    process::ExitCode,
};

/// The least ratio, and the rows below it.
pub struct Threshold {
    least: Option<f64>,
    below: RefCell<Vec<String>>,
    rows: Cell<usize>,
}

impl Threshold {
    /// What the command line says.
    pub fn asked() -> Self {
        let mut words = std::env::args().skip_while(|word| word != "--fail-below").skip(1);
        let asked = std::env::args().any(|word| word == "--fail-below");
        let least = asked.then(|| {
            let word = words.next().unwrap_or_default();
            word.parse().unwrap_or_else(|_| panic!("--fail-below takes a ratio of the limit, such as 0.7, not `{word}`"))
        });
        Threshold { least, below: RefCell::default(), rows: Cell::new(0) }
    }

    /// Looks at a row that was printed.
    pub fn look(&self, row: &str, ratio: f64) {
        self.rows.set(self.rows.get() + 1);
        // A ratio that is no number is not reached either.
        if self.least.is_some_and(|least| ratio.is_nan() || ratio < least) {
            self.below.borrow_mut().push(format!("{row}: {ratio:.2}"));
        }
    }

    /// Says which rows were below, and with which code to end.
    pub fn end(&self) -> ExitCode {
        let Some(least) = self.least else { return ExitCode::SUCCESS };
        let below = self.below.borrow();
        match self.rows.get() {
            0 => eprintln!("--fail-below {least}: no row was measured"),
            _ if below.is_empty() => return ExitCode::SUCCESS,
            _ => eprintln!("below {least} of the limit:\n  {}", below.join("\n  ")),
        }
        ExitCode::FAILURE
    }
}
