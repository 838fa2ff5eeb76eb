//! Order statistics: keys that order as elements do, the pass that counts and keeps what lies between cuts, lines that
//! are sorted or selected from in a block, and the rules of quantiles.
//!
//! Everything here works on *keys*: signed integers of an element's width that order as the elements do, `-0 < +0`, NaN last and all
//! one. What is counted is exact, so what is selected by counts is certain, whatever a sample said. Nothing here knows a plan, a
//! budget or a file; the door decides what is asked and how much may be kept.

pub(crate) mod cuts;
pub(crate) mod distinct;
pub(crate) mod key;
pub(crate) mod lines;
pub(crate) mod method;
pub(crate) mod scan;
pub(crate) mod seek;
#[cfg(test)]
mod tests;
pub(crate) mod top;
