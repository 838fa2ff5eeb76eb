//! What is made of NaN and infinities that a stage created, and of integers that wrapped: words, or an error.

use crate::{
    error::Error,
    kernel::watch::{Finding, FindingKind, Findings},
    nd::shape::show,
    numeric::Outcome,
    plan::Stage,
};

/// What happens when a statement creates NaN or infinities, or when integers wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnInvalid {
    /// Nothing, and nothing is looked for.
    Ignore,
    /// The report says so.
    #[default]
    Warn,
    /// NaN and infinities that are created are an error; integers that wrap are reported.
    Error,
}

/// What is looked for, and what is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Policy {
    /// NaN and infinities that are created.
    pub on_invalid: OnInvalid,
    /// Whether integers that wrap, or are divided by zero, are an error.
    pub strict: bool,
}

impl Policy {
    /// Whether anything is looked for at all.
    #[must_use]
    pub fn is_watching(self) -> bool {
        self.strict || self.on_invalid != OnInvalid::Ignore
    }

    /// Whether anything that is found may be an error.
    pub(super) fn is_strict(self) -> bool {
        self.strict || self.on_invalid == OnInvalid::Error
    }

    fn is_error(self, kind: FindingKind) -> bool {
        if kind.is_float() { self.on_invalid == OnInvalid::Error } else { self.strict }
    }

    fn is_reported(self, kind: FindingKind) -> bool {
        self.on_invalid != OnInvalid::Ignore || self.is_error(kind)
    }
}

/// What to say of a stage: the error, or one text for each kind.
pub(super) fn judge(findings: &Findings, stage: &Stage, policy: Policy) -> Result<Vec<String>, Error> {
    // Of several errors, the one of the first element.
    if let Some(worst) = findings.iter().filter(|found| policy.is_error(found.kind)).min_by_key(|found| found.first) {
        let advice = match worst.kind {
            FindingKind::Nan | FindingKind::Infinity => "mask such elements with where, clip first, or go on with on-invalid warn",
            FindingKind::Wrap => "cast to a wider dtype first, cast with wrap where it is meant, or go on without strict",
            FindingKind::ZeroDivision => "mask the divisor with where, or go on without strict",
        };
        return Err(Error::data(format!("{}: {}", told_name(stage), words(worst, stage))).hint(advice));
    }
    let results: Vec<_> = findings.results().map(|(outcome, name, count)| (outcome, of_results(outcome, name, count))).collect();
    if policy.on_invalid == OnInvalid::Error
        && let Some((_, text)) = results.iter().find(|(outcome, _)| *outcome != Outcome::Hollow)
    {
        let advice = "cast to a wider dtype first, mask what has too few elements, or go on with on-invalid warn";
        return Err(Error::data(format!("{}: {text}", told_name(stage))).hint(advice));
    }
    let mut texts: Vec<String> = findings.iter().filter(|found| policy.is_reported(found.kind)).map(|found| words(found, stage)).collect();
    if policy.on_invalid != OnInvalid::Ignore {
        texts.extend(results.into_iter().map(|(_, text)| text));
    }
    Ok(texts)
}

/// The name of a stage without the numbers by which plans tell results apart that have no name.
pub(super) fn told_name(stage: &Stage) -> String {
    let mut names: Vec<&str> = stage.name.split(", ").map(|name| name.split(" %").next().unwrap_or(name)).collect();
    names.dedup();
    names.join(", ")
}

/// What to say of results of reductions.
fn of_results(outcome: Outcome, name: &str, count: u64) -> String {
    let results = if count == 1 { "1 result".to_owned() } else { format!("{count} results") };
    match (outcome, count) {
        (Outcome::Hollow, _) => {
            let slices = if count == 1 { "a slice".to_owned() } else { format!("{count} slices") };
            let what = if matches!(name, "nanvar" | "nanstd") { "too few numbers" } else { "nothing but NaN" };
            format!("{name} of {slices} of {what} is NaN")
        }
        (Outcome::Nan, _) if name == "corrcoef" => format!("{results} of {name} NaN: too few elements, or nothing but equal ones"),
        (Outcome::Nan, _) => format!("{results} of {name} NaN: too few elements"),
        (Outcome::Infinity, 1) => format!("1 result of {name} infinite, though its elements are finite"),
        (Outcome::Infinity, _) => format!("{results} of {name} infinite, though their elements are finite"),
    }
}

fn words(found: &Finding, stage: &Stage) -> String {
    let many = |one: &str, more: &str| if found.count == 1 { format!("1 {one}") } else { format!("{} {more}", found.count) };
    let what = match found.kind {
        FindingKind::Nan => many("NaN", "NaN") + " created from finite elements",
        FindingKind::Infinity => many("infinity", "infinities") + " created from finite elements",
        FindingKind::Wrap => many("integer wrapped", "integers wrapped"),
        FindingKind::ZeroDivision => many("integer division by zero gave 0", "integer divisions by zero gave 0"),
    };
    let by = found.blame.map_or_else(String::new, |blame| match blame.operation {
        "cast" => format!("cast from {} to {}", blame.from, blame.to),
        operation => format!("{operation} of {}", blame.from),
    });
    // The axes that only products have are first in all of them.
    let place = place(found.first, &stage.space, stage.product_axes);
    let parts: Vec<String> =
        [(by, "in"), (place, "at")].into_iter().filter(|(text, _)| !text.is_empty()).map(|(text, word)| format!("{word} {text}")).collect();
    if parts.is_empty() { what } else { format!("{what}, the first {}", parts.join(" ")) }
}

/// An index of the C order spelled out, without the last axes; nothing where there is one element only.
fn place(first: u64, space: &[usize], behind: usize) -> String {
    let own = space.len().saturating_sub(behind);
    if space[..own].iter().all(|&length| length <= 1) {
        return String::new();
    }
    let (mut rest, mut index) = (first, vec![0; space.len()]);
    for (at, &length) in index.iter_mut().zip(space).rev() {
        let length = length.max(1) as u64;
        (*at, rest) = ((rest % length) as usize, rest / length);
    }
    show(&index[..own])
}
