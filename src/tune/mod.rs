//! Which settings are fastest here: the same work in sessions with other blocks, threads and ways to read, and layouts of Zarr stores.
//!
//! Here live the order of measurements, what is made of them, and the one clock of the library that they are taken with. What must never
//! live here: anything that a result depends on, and a decision that a plan makes by itself. Entry functions: [`Sweep::run`],
//! [`LayoutSweep::run`], [`interleaved`].
//!
//! Measurements of several things are interleaved: every round takes one of each, forwards and backwards by turns, so that a machine that
//! gets slower does so for all of them. Ratios are taken within a round, and the median of the rounds is reported with its spread.

mod layouts;
mod rounds;
mod sweep;

pub use layouts::{Layout, LayoutMeasured, LayoutSweep, ReadWay, candidates};
pub use rounds::{Spread, excess_percent, interleaved, least_median, mean_seconds};
pub use sweep::{Grid, Measured, Setting, Sweep, Swept};
