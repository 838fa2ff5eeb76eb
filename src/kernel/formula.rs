//! Sums of formulas: one or two operations on tiles whose result is only added up and never written down.
//!
//! A formula is `outer(inner(a, b))`, with either operation missing, over `f32`; it is a [`Run`] that an accumulator
//! reads. Which formulas exist is what profiles of real expressions showed: norms, distances and error sums.

use crate::{
    kernel::{
        operation::{self as op, Binary, Unary},
        program::{BinaryOp, UnaryOp},
    },
    numeric::{Accumulator, Cells, InstructionSet, Run},
};
use std::marker::PhantomData;

/// `(accumulator, a, b, output)`: adds a formula of two tiles to one output. False, and nothing done, where the accumulator
/// wants a tile. A scalar operand is a slice of one element.
pub(crate) type SumKernel = fn(&mut Accumulator, &[u8], &[u8], usize) -> bool;

/// The forms of one formula.
#[derive(Clone, Copy)]
pub(crate) struct SumKernels {
    pub vector_vector: SumKernel,
    pub vector_scalar: SumKernel,
    pub scalar_vector: SumKernel,
}

/// No outer operation.
struct Keep;
/// No inner operation: the first operand.
struct First;

impl Unary<f32> for Keep {
    type Out = f32;
    #[inline(always)]
    fn apply(a: f32) -> f32 {
        a
    }
}
impl Binary<f32> for First {
    type Out = f32;
    #[inline(always)]
    fn apply(a: f32, _b: f32) -> f32 {
        a
    }
}

/// One value, as often as the other operand has elements.
#[derive(Clone, Copy)]
struct Same {
    value: f32,
    length: usize,
}

impl Run for Same {
    type Element = f32;
    type Row = f32;
    #[inline(always)]
    fn len(self) -> usize {
        self.length
    }
    #[inline(always)]
    fn row(self, _row: usize) -> f32 {
        self.value
    }
    #[inline(always)]
    fn value(row: f32, _lane: usize) -> f32 {
        row
    }
    #[inline(always)]
    fn at(self, _index: usize) -> f32 {
        self.value
    }
}

/// `U(B(a, b))` of every pair of elements.
struct Formula<U, B, X, Y> {
    a: X,
    b: Y,
    operations: PhantomData<fn() -> (U, B)>,
}

impl<U, B, X: Copy, Y: Copy> Clone for Formula<U, B, X, Y> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<U, B, X: Copy, Y: Copy> Copy for Formula<U, B, X, Y> {}

impl<U, B, X, Y> Run for Formula<U, B, X, Y>
where
    U: Unary<f32, Out = f32>,
    B: Binary<f32, Out = f32>,
    X: Run<Element = f32>,
    Y: Run<Element = f32>,
{
    type Element = f32;
    type Row = (X::Row, Y::Row);
    #[inline(always)]
    fn len(self) -> usize {
        self.a.len()
    }
    #[inline(always)]
    fn row(self, row: usize) -> Self::Row {
        (self.a.row(row), self.b.row(row))
    }
    #[inline(always)]
    fn value((a, b): Self::Row, lane: usize) -> f32 {
        U::apply(B::apply(X::value(a, lane), Y::value(b, lane)))
    }
    #[inline(always)]
    fn at(self, index: usize) -> f32 {
        U::apply(B::apply(self.a.at(index), self.b.at(index)))
    }
}

fn tile(bytes: &[u8]) -> Cells<'_, f32> {
    Cells::new(bytes.as_chunks().0)
}

fn same(bytes: &[u8], length: usize) -> Same {
    Same { value: bytes.first_chunk().map_or(0.0, |bytes| f32::from_ne_bytes(*bytes)), length }
}

fn add<I, U, B, X, Y>(accumulator: &mut Accumulator, a: X, b: Y, output: usize) -> bool
where
    I: InstructionSet,
    U: Unary<f32, Out = f32>,
    B: Binary<f32, Out = f32>,
    X: Run<Element = f32>,
    Y: Run<Element = f32>,
{
    accumulator.absorb_run::<I, _>(Formula::<U, B, X, Y> { a, b, operations: PhantomData }, output)
}

/// The forms of `U(B(a, b))`.
fn forms<I, U, B>() -> SumKernels
where
    I: InstructionSet,
    U: Unary<f32, Out = f32>,
    B: Binary<f32, Out = f32>,
{
    const SIZE: usize = size_of::<f32>();
    SumKernels {
        vector_vector: |accumulator, a, b, output| add::<I, U, B, _, _>(accumulator, tile(a), tile(b), output),
        vector_scalar: |accumulator, a, b, output| add::<I, U, B, _, _>(accumulator, tile(a), same(b, a.len() / SIZE), output),
        scalar_vector: |accumulator, a, b, output| add::<I, U, B, _, _>(accumulator, same(a, b.len() / SIZE), tile(b), output),
    }
}

/// The sum of `outer(inner(a, b))`, if there is such a loop.
pub(crate) fn kernels<I: InstructionSet>(inner: Option<BinaryOp>, outer: Option<UnaryOp>) -> Option<SumKernels> {
    fn outer_of<I: InstructionSet, B: Binary<f32, Out = f32>>(outer: Option<UnaryOp>) -> Option<SumKernels> {
        Some(match outer {
            None => forms::<I, Keep, B>(),
            Some(UnaryOp::Absolute) => forms::<I, op::Absolute, B>(),
            Some(UnaryOp::Square) => forms::<I, op::Square, B>(),
            Some(UnaryOp::Sqrt) => forms::<I, op::Sqrt, B>(),
            Some(_) => return None,
        })
    }
    match inner {
        None => outer.and_then(|outer| outer_of::<I, First>(Some(outer))),
        Some(BinaryOp::Add) => outer_of::<I, op::Add>(outer),
        Some(BinaryOp::Subtract) => outer_of::<I, op::Subtract>(outer),
        Some(BinaryOp::Multiply) => outer_of::<I, op::Multiply>(outer),
        Some(_) => None,
    }
}
