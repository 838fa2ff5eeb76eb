//! Clusters of rows around centroids: the passes of k-means.
//!
//! The nearest centroid of a row is the one with the smallest `|c|^2 / 2 - x . c`, the lowest of those that are equal; products are
//! those of `kernel::product`, so that labels do not depend on blocks, threads or the instruction set. The distance that
//! counts is computed from the differences, in `f64`. Sums of rows are exact, in any order.

mod assign;
mod lloyd;
mod nearest;
mod seeding;

pub use assign::Assign;
pub use lloyd::{Lloyd, Pass};
pub use nearest::Centroids;
pub use seeding::plus_plus;
