//! Watching a program for what a statement creates: NaN and infinities out of finite elements, integers that wrap, and
//! integer division by zero.
//!
//! Nothing is counted while all is well. A finished tile is only asked whether any of it is not finite, and an integer
//! operation whether any element wrapped (`checks`). When one says yes, the block is walked a second time by a program of its
//! own (`derive`), which computes, beside the values, the mask of the elements that are to be counted: results that are not
//! finite although every element they are computed from is, and results that an event of integers reaches. Of a selection only
//! the branch that was taken counts. The first element of a kind is then computed once more by itself, one operation after the
//! other, to name the operation (`blame`).
//!
//! What counts is what leaves the program: elements that are stored, selected or given to a user function, and elements that a
//! reduction takes, whatever the reduction makes of them (the largest of `1 / x` counts its infinities of either sign). Sums are
//! asked once a block, by the flags of their state, not tile by tile; a block that flags is walked again while it is near. The
//! result of a reduction is a beginning again: one that overflows or has no elements is counted where it is finished, by what its
//! state knows, and what is computed from a result that is not finite is no news. A created infinity that a later operation makes finite (`1 / inf`),
//! and one that only decides a comparison, do not count; a `bool` or an integer carries no NaN further. Integer events count
//! wherever they reach a result, through masks too; casts that are told to wrap do not count.
//!
//! What is counted is a function of the elements alone: it depends neither on blocks nor on threads.

mod blame;
mod checks;
mod derive;
mod emit;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use blame::Place;
pub(crate) use checks::{
    EventCheck, EventChecks, TileCheck, event_checks, special_bf16, special_check, special_f16, special_f32, special_f64,
};
pub(crate) use derive::{REGISTER_BYTES_MAX, Watch, WatchedSweep};

use crate::{nd::DType, numeric::Outcome};

/// What a statement created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingKind {
    /// NaN out of finite elements.
    Nan,
    /// An infinity out of finite elements.
    Infinity,
    /// An integer that did not fit its dtype.
    Wrap,
    /// An integer divided by zero.
    ZeroDivision,
}

impl FindingKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [FindingKind; 4] = [FindingKind::Nan, FindingKind::Infinity, FindingKind::Wrap, FindingKind::ZeroDivision];

    /// Whether this is about floats.
    #[must_use]
    pub fn is_float(self) -> bool {
        matches!(self, FindingKind::Nan | FindingKind::Infinity)
    }
}

/// The operation that created the first element of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blame {
    /// NumPy's name; `cast` for a conversion.
    pub operation: &'static str,
    /// Dtype of its operands.
    pub from: DType,
    /// Dtype of its result.
    pub to: DType,
}

/// Elements of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// How many results.
    pub count: u64,
    /// Smallest linear index (C order of the stage's space).
    pub first: u64,
    /// What made the first one.
    pub blame: Option<Blame>,
}

/// What was found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// One entry per kind.
    kinds: [Option<Finding>; 4],
    /// Reductions, and how many of their results are no numbers.
    results: Vec<(Outcome, &'static str, u64)>,
}

impl Findings {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.iter().all(Option::is_none) && self.results.is_empty()
    }

    /// What was found.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.kinds.iter().flatten()
    }

    /// Adds elements that were counted elsewhere; the smaller index stays the first.
    pub fn add(&mut self, found: Finding) {
        let held = &mut self.kinds[found.kind as usize];
        match held {
            Some(held) => {
                held.count += found.count;
                if found.first < held.first {
                    (held.first, held.blame) = (found.first, found.blame);
                }
            }
            None => *held = Some(found),
        }
    }

    /// Adds everything that was counted elsewhere.
    pub fn merge(&mut self, other: Findings) {
        other.kinds.into_iter().flatten().for_each(|found| self.add(found));
        for (outcome, name, count) in other.results {
            self.add_results(name, [(outcome, count as usize)]);
        }
    }

    /// Adds results of a reduction that are no numbers.
    pub fn add_results<const N: usize>(&mut self, name: &'static str, outcomes: [(Outcome, usize); N]) {
        for (outcome, count) in outcomes {
            match self.results.iter_mut().find(|held| (held.0, held.1) == (outcome, name)) {
                _ if count == 0 => {}
                Some((.., held)) => *held += count as u64,
                None => self.results.push((outcome, name, count as u64)),
            }
        }
    }

    /// Names of reductions, how many of their results are no numbers, and why.
    pub fn results(&self) -> impl Iterator<Item = (Outcome, &'static str, u64)> + '_ {
        self.results.iter().copied()
    }

    /// The first index of a kind.
    pub(crate) fn first(&self, kind: FindingKind) -> Option<u64> {
        self.kinds[kind as usize].as_ref().map(|found| found.first)
    }
}
