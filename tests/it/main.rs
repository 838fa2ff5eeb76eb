//! Integration tests: the program as it is typed, and the rules of the source tree.

mod bad_input;
mod cli;
mod outcore;
mod tidy;
