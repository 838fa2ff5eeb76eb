//! Chains: operations on floats of which each takes the result of the one before it, run as one loop over the tile.
//!
//! The running value of a group of lanes stays in vector registers from the first operation to the last. Every operation rounds
//! as it does alone: a chain gives the bits of its operations one by one.

use crate::kernel::{
    lane::{Lane, f16_to_f32, f32_to_f16},
    operation::{self as op, Binary, Unary},
    program::{BinaryOp, UnaryOp},
};
use bytemuck::{Zeroable, cast_slice, cast_slice_mut};
use half::f16;

/// Operations of a chain at most.
pub(crate) const CHAIN_MAX: usize = 8;

/// What one operation makes of the running value and its other operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Add,
    Subtract,
    /// The other operand minus the running value.
    SubtractFrom,
    Multiply,
    Divide,
    /// The other operand by the running value.
    DivideInto,
    Minimum,
    Maximum,
    Negative,
    Absolute,
    Square,
    Sqrt,
}

impl Link {
    pub fn unary(op: UnaryOp) -> Option<Link> {
        Some(match op {
            UnaryOp::Negative => Link::Negative,
            UnaryOp::Absolute => Link::Absolute,
            UnaryOp::Square => Link::Square,
            UnaryOp::Sqrt => Link::Sqrt,
            _ => return None,
        })
    }

    /// `op` with the running value as its first operand, or as its second.
    pub fn binary(op: BinaryOp, second: bool) -> Option<Link> {
        Some(match op {
            BinaryOp::Add => Link::Add,
            BinaryOp::Subtract if second => Link::SubtractFrom,
            BinaryOp::Subtract => Link::Subtract,
            BinaryOp::Multiply => Link::Multiply,
            BinaryOp::Divide if second => Link::DivideInto,
            BinaryOp::Divide => Link::Divide,
            BinaryOp::Minimum => Link::Minimum,
            BinaryOp::Maximum => Link::Maximum,
            _ => return None,
        })
    }
}

/// `(out, operands, links)`: the first operand is the first running value, operand `n + 1` the other one of link `n` (of links
/// with one operand it does not matter which). An operand that is marked is one element.
pub(crate) type ChainKernel = fn(&mut [u8], &[(&[u8], bool); CHAIN_MAX + 1], &[Link]);

/// The operations of chains on a lane.
pub(crate) trait Arithmetic: Lane<Wide: Default> + Sized {
    type Add: Binary<Self, Out = Self>;
    type Subtract: Binary<Self, Out = Self>;
    type Multiply: Binary<Self, Out = Self>;
    type Divide: Binary<Self, Out = Self>;
    type Minimum: Binary<Self, Out = Self>;
    type Maximum: Binary<Self, Out = Self>;
    type Negative: Unary<Self, Out = Self>;
    type Absolute: Unary<Self, Out = Self>;
    type Square: Unary<Self, Out = Self>;
    type Sqrt: Unary<Self, Out = Self>;
}

macro_rules! arithmetic {
    ($($t:ty)*) => {$(
        impl Arithmetic for $t {
            type Add = op::Add;
            type Subtract = op::Subtract;
            type Multiply = op::Multiply;
            type Divide = op::Divide;
            type Minimum = op::Minimum;
            type Maximum = op::Maximum;
            type Negative = op::Negative;
            type Absolute = op::Absolute;
            type Square = op::Square;
            type Sqrt = op::Sqrt;
        }
    )*};
}
arithmetic!(f16 f32 f64);

/// How an instruction set converts groups of half floats.
pub(crate) trait Halves {
    fn widen<const N: usize>(bits: [u16; N]) -> [f32; N];
    fn narrow<const N: usize>(wide: [f32; N]) -> [u16; N];
}

/// Halves by integer arithmetic, for sets without an instruction for it.
#[inline(always)]
pub(crate) fn widen_portable<const N: usize>(bits: [u16; N]) -> [f32; N] {
    let mut wide = [0.0; N];
    for lane in 0..N {
        wide[lane] = f16_to_f32(bits[lane]);
    }
    wide
}

/// See [`widen_portable`].
#[inline(always)]
pub(crate) fn narrow_portable<const N: usize>(wide: [f32; N]) -> [u16; N] {
    let mut bits = [0; N];
    for lane in 0..N {
        bits[lane] = f32_to_f16(wide[lane]);
    }
    bits
}

/// A lane with conversions of whole groups for the instruction set `S`.
pub(crate) trait Group<S>: Arithmetic {
    #[inline(always)]
    fn widen_all<const N: usize>(bits: [Self::Bits; N]) -> [Self::Wide; N] {
        let mut wide = [Self::Wide::default(); N];
        for lane in 0..N {
            wide[lane] = Self::widen(bits[lane]);
        }
        wide
    }
    #[inline(always)]
    fn narrow_all<const N: usize>(wide: [Self::Wide; N]) -> [Self::Bits; N] {
        let mut bits = [Self::Bits::zeroed(); N];
        for lane in 0..N {
            bits[lane] = Self::narrow(wide[lane]);
        }
        bits
    }
}

impl<S> Group<S> for f32 {}
impl<S> Group<S> for f64 {}
impl<S: Halves> Group<S> for f16 {
    #[inline(always)]
    fn widen_all<const N: usize>(bits: [u16; N]) -> [f32; N] {
        S::widen(bits)
    }
    #[inline(always)]
    fn narrow_all<const N: usize>(wide: [f32; N]) -> [u16; N] {
        S::narrow(wide)
    }
}

/// An operand of a tile.
struct Elements<'a, L: Lane> {
    elements: &'a [L::Bits],
    uniform: bool,
}

impl<L: Lane> Elements<'_, L> {
    /// `N` elements from `first` on.
    #[inline(always)]
    fn load<const N: usize>(&self, first: usize) -> [L::Bits; N] {
        if self.uniform { [self.elements[0]; N] } else { *self.elements[first..].first_chunk().expect("as long as the result") }
    }
}

/// Runs `links` over a tile; `N` lanes are a group.
#[inline(always)]
pub(crate) fn run<S, L: Group<S>, const N: usize>(out: &mut [u8], operands: &[(&[u8], bool); CHAIN_MAX + 1], links: &[Link]) {
    let out: &mut [L::Bits] = cast_slice_mut(out);
    let operands = operands.map(|(bytes, uniform)| Elements::<L> { elements: cast_slice(bytes), uniform });
    let whole = out.len() / N * N;
    let (groups, rest) = out.split_at_mut(whole);
    for (index, group) in groups.as_chunks_mut::<N>().0.iter_mut().enumerate() {
        *group = group_of::<S, L, N>(index * N, &operands, links);
    }
    for (index, one) in rest.as_chunks_mut::<1>().0.iter_mut().enumerate() {
        *one = group_of::<S, L, 1>(whole + index, &operands, links);
    }
}

#[inline(always)]
fn group_of<S, L: Group<S>, const N: usize>(first: usize, operands: &[Elements<'_, L>; CHAIN_MAX + 1], links: &[Link]) -> [L::Bits; N] {
    let mut value: [L::Bits; N] = operands[0].load::<N>(first);
    for (link, operand) in links.iter().zip(&operands[1..]) {
        let other = || operand.load::<N>(first);
        value = match link {
            Link::Add => two::<S, L, L::Add, N>(value, other()),
            Link::Subtract => two::<S, L, L::Subtract, N>(value, other()),
            Link::SubtractFrom => two::<S, L, L::Subtract, N>(other(), value),
            Link::Multiply => two::<S, L, L::Multiply, N>(value, other()),
            Link::Divide => two::<S, L, L::Divide, N>(value, other()),
            Link::DivideInto => two::<S, L, L::Divide, N>(other(), value),
            Link::Minimum => two::<S, L, L::Minimum, N>(value, other()),
            Link::Maximum => two::<S, L, L::Maximum, N>(value, other()),
            Link::Negative => one::<S, L, L::Negative, N>(value),
            Link::Absolute => one::<S, L, L::Absolute, N>(value),
            Link::Square => one::<S, L, L::Square, N>(value),
            Link::Sqrt => one::<S, L, L::Sqrt, N>(value),
        };
    }
    value
}

#[inline(always)]
fn one<S, L: Group<S>, O: Unary<L, Out = L>, const N: usize>(a: [L::Bits; N]) -> [L::Bits; N] {
    let mut a = L::widen_all(a);
    for lane in 0..N {
        a[lane] = O::apply(a[lane]);
    }
    L::narrow_all(a)
}

#[inline(always)]
fn two<S, L: Group<S>, O: Binary<L, Out = L>, const N: usize>(a: [L::Bits; N], b: [L::Bits; N]) -> [L::Bits; N] {
    let (mut a, b) = (L::widen_all(a), L::widen_all(b));
    for lane in 0..N {
        a[lane] = O::apply(a[lane], b[lane]);
    }
    L::narrow_all(a)
}
