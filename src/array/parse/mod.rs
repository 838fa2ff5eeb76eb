//! The expression language: text to lazy arrays.
//!
//! [`parse`] turns text into [`Statements`] without looking anything up; [`Program::build`] gives names their meaning and builds
//! arrays through the methods of [`Array`](super::Array). Nothing here reads data, plans or computes, and no rule of shapes or dtypes
//! lives here: those are the array's. What does live here is spelling: tokens, precedence, the names of functions and their
//! arguments, arithmetic on literals, and errors that point into the text.
//!
//! Texts come from strangers: every stage is bounded, and chains of any length are loops, not recursion.

mod ast;
mod build;
mod calls;
mod create;
mod fold;
mod functions;
mod gather;
mod grammar;
mod groups;
mod index;
mod lexer;
mod linalg;
mod lineage;
mod names;
mod networks;
mod operators;
mod order;
mod random;
mod reductions;
mod refuse;
mod scans;
mod source;
mod subscript;
mod suggest;
#[cfg(test)]
mod tests;
mod value;
mod views;

pub use ast::Statements;
pub use build::{BuildOptions, Built, Program};
pub use functions::{FunctionDoc, functions};
pub use grammar::parse;
pub use subscript::parse_slice;
pub use suggest::nearest;
pub use value::Value;
