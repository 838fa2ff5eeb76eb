//! Sums of formulas: a few operations on tiles whose result is only added up and never written down.
//!
//! A formula is `outer(inner(a, b))` over `f32`, with either operation missing and `a` squared or not; it is a [`Run`] that
//! an accumulator reads. Which formulas exist is what profiles of real expressions showed: norms, distances and error sums.

use crate::{
    kernel::{
        operation::{self as op, Binary, Unary},
        program::{BinaryOp, UnaryOp},
    },
    numeric::{Accumulator, CellsAhead, InstructionSet, Run},
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

/// Which formula: see the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Whether the inner operation sees the square of its first operand.
    pub squared: bool,
    pub inner: Option<BinaryOp>,
    pub outer: Option<UnaryOp>,
}

/// Looks up the forms of a formula, if there are loops for it.
pub(crate) type SumsOf = fn(Shape) -> Option<SumKernels>;

/// No operation.
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
    const IS_MADE: bool = false;
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

/// Which operations, without having any.
type Operations<U, B, V> = PhantomData<fn() -> (U, B, V)>;

/// `U(B(V(a), b))` of every pair of elements.
struct Formula<U, B, V, X, Y> {
    a: X,
    b: Y,
    operations: Operations<U, B, V>,
}

impl<U, B, V, X: Copy, Y: Copy> Clone for Formula<U, B, V, X, Y> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<U, B, V, X: Copy, Y: Copy> Copy for Formula<U, B, V, X, Y> {}

impl<U, B, V, X, Y> Run for Formula<U, B, V, X, Y>
where
    U: Unary<f32, Out = f32>,
    B: Binary<f32, Out = f32>,
    V: Unary<f32, Out = f32>,
    X: Run<Element = f32>,
    Y: Run<Element = f32>,
{
    type Element = f32;
    type Row = (X::Row, Y::Row);
    const IS_MADE: bool = true;
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
        U::apply(B::apply(V::apply(X::value(a, lane)), Y::value(b, lane)))
    }
    #[inline(always)]
    fn at(self, index: usize) -> f32 {
        U::apply(B::apply(V::apply(self.a.at(index)), self.b.at(index)))
    }
}

fn tile<I: InstructionSet>(bytes: &[u8]) -> CellsAhead<'_, I, f32> {
    CellsAhead::new(bytes.as_chunks().0)
}

fn first(bytes: &[u8]) -> f32 {
    bytes.first_chunk().map_or(0.0, |bytes| f32::from_ne_bytes(*bytes))
}

fn add<I, U, B, V, X, Y>(accumulator: &mut Accumulator, a: X, b: Y, output: usize) -> bool
where
    I: InstructionSet,
    U: Unary<f32, Out = f32>,
    B: Binary<f32, Out = f32>,
    V: Unary<f32, Out = f32>,
    X: Run<Element = f32>,
    Y: Run<Element = f32>,
{
    accumulator.absorb_run::<I, _>(Formula::<U, B, V, X, Y> { a, b, operations: PhantomData }, output)
}

/// The forms of `U(B(V(a), b))`; where `EXCHANGES`, `U(B(a, b))` is `U(B(b, a))`. A form that is another one has no loop of its own.
fn forms<I, U, B, V, const EXCHANGES: bool>() -> SumKernels
where
    I: InstructionSet,
    U: Unary<f32, Out = f32>,
    B: Binary<f32, Out = f32>,
    V: Unary<f32, Out = f32>,
{
    const SIZE: usize = size_of::<f32>();
    SumKernels {
        vector_vector: |accumulator, a, b, output| add::<I, U, B, V, _, _>(accumulator, tile::<I>(a), tile::<I>(b), output),
        vector_scalar: |accumulator, a, b, output| {
            let b = Same { value: first(b), length: a.len() / SIZE };
            add::<I, U, B, V, _, _>(accumulator, tile::<I>(a), b, output)
        },
        scalar_vector: |accumulator, a, b, output| {
            let a = Same { value: V::apply(first(a)), length: b.len() / SIZE };
            if EXCHANGES {
                add::<I, U, B, Keep, _, _>(accumulator, tile::<I>(b), a, output)
            } else {
                add::<I, U, B, Keep, _, _>(accumulator, a, tile::<I>(b), output)
            }
        },
    }
}

/// The forms of `U(a)`. One element is no run, so that there is one loop for all.
fn alone<I: InstructionSet, U: Unary<f32, Out = f32>>() -> SumKernels {
    let sum: SumKernel =
        |accumulator, a, _, output| add::<I, U, First, Keep, _, _>(accumulator, tile::<I>(a), Same { value: 0.0, length: 0 }, output);
    SumKernels { vector_vector: sum, vector_scalar: sum, scalar_vector: sum }
}

/// Magnitudes and squares do not tell whether the operands of a difference were exchanged.
fn with_outer<I, B, V, const EXCHANGES: bool>(outer: Option<UnaryOp>) -> Option<SumKernels>
where
    I: InstructionSet,
    B: Binary<f32, Out = f32>,
    V: Unary<f32, Out = f32>,
{
    Some(match outer {
        None => forms::<I, Keep, B, V, EXCHANGES>(),
        Some(UnaryOp::Absolute) => forms::<I, op::Absolute, B, V, true>(),
        Some(UnaryOp::Square) => forms::<I, op::Square, B, V, true>(),
        Some(UnaryOp::Sqrt) => forms::<I, op::Sqrt, B, V, EXCHANGES>(),
        Some(_) => return None,
    })
}

fn with_inner<I: InstructionSet, V: Unary<f32, Out = f32>>(inner: BinaryOp, outer: Option<UnaryOp>) -> Option<SumKernels> {
    match inner {
        BinaryOp::Add => with_outer::<I, op::Add, V, true>(outer),
        BinaryOp::Subtract => with_outer::<I, op::Subtract, V, false>(outer),
        BinaryOp::Multiply => with_outer::<I, op::Multiply, V, true>(outer),
        _ => None,
    }
}

/// [`SumsOf`] of an instruction set.
pub(crate) fn kernels<I: InstructionSet>(shape: Shape) -> Option<SumKernels> {
    match (shape.inner, shape.squared, shape.outer) {
        (Some(inner), true, outer) => with_inner::<I, op::Square>(inner, outer),
        (Some(inner), false, outer) => with_inner::<I, Keep>(inner, outer),
        (None, _, Some(UnaryOp::Absolute)) => Some(alone::<I, op::Absolute>()),
        (None, _, Some(UnaryOp::Square)) => Some(alone::<I, op::Square>()),
        (None, _, Some(UnaryOp::Sqrt)) => Some(alone::<I, op::Sqrt>()),
        (None, ..) => None,
    }
}
