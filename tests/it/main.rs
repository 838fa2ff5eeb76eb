//! Integration tests: the program as it is typed, and the
//! budget against the kernel's count, and the rules of the source tree.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

#[cfg(feature = "arrow")]
mod arrow;
mod bad_input;
mod cli;
mod cli_linalg;
mod cli_support;
mod docs;
mod embeddings;
mod examples;
mod formats;
mod kills;
mod machine;
mod many;
mod memory;
mod naive;
mod numbers;
mod numpy;
mod order;
mod random;
mod reductions;
mod reports;
mod resume;
mod search;
mod sides;
mod state;
mod tasks;
mod tidy;
mod warnings;
mod zarr;
mod zarr_faults;
mod zarr_write;
