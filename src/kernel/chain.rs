//! Chains: operations on floats of which each takes the result of the one before it, run as one loop over the tile.
//!
//! The running value of a group of lanes stays in vector registers from the first operation to the last. Every operation rounds
//! as it does alone: a chain gives the bits of its operations one by one.

use crate::kernel::{
    program::{BinaryOp, UnaryOp},
    simd::Vectors,
};
use bytemuck::{Zeroable, cast_slice, cast_slice_mut};

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
    Rint,
    Floor,
    Ceil,
    Trunc,
}

impl Link {
    pub fn unary(op: UnaryOp) -> Option<Link> {
        Some(match op {
            UnaryOp::Negative => Link::Negative,
            UnaryOp::Absolute => Link::Absolute,
            UnaryOp::Square => Link::Square,
            UnaryOp::Sqrt => Link::Sqrt,
            UnaryOp::Rint => Link::Rint,
            UnaryOp::Floor => Link::Floor,
            UnaryOp::Ceil => Link::Ceil,
            UnaryOp::Trunc => Link::Trunc,
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

/// Lanes of a vector at most.
const LANES_MAX: usize = 16;

/// An operand of a tile.
struct Elements<'a, V: Vectors> {
    elements: &'a [V::Bits],
    uniform: bool,
}

impl<'a, V: Vectors> Elements<'a, V> {
    #[inline(always)]
    fn of((bytes, uniform): (&'a [u8], bool)) -> Self {
        Elements { elements: cast_slice(bytes), uniform }
    }
}

/// Runs `links` over a tile, `ROWS` vectors at a time.
#[inline(always)]
pub(crate) fn run<V: Vectors, const ROWS: usize>(out: &mut [u8], operands: &[(&[u8], bool); CHAIN_MAX + 1], links: &[Link]) {
    let out: &mut [V::Bits] = cast_slice_mut(out);
    let used = &operands[..=links.len()];
    let first = Elements::<V>::of(used[0]);
    let group = ROWS * V::LANES;
    let mut at = 0;
    while at + group <= out.len() {
        group_of::<V, ROWS>(&mut out[at..at + group], at, &first, used, links);
        at += group;
    }
    while at + V::LANES <= out.len() {
        group_of::<V, 1>(&mut out[at..at + V::LANES], at, &first, used, links);
        at += V::LANES;
    }
    let rest = out.len() - at;
    if rest > 0 {
        // What is left over, in copies that are long enough.
        let mut padded = [[V::Bits::zeroed(); LANES_MAX]; CHAIN_MAX + 1];
        let mut copies = [(&[][..], false); CHAIN_MAX + 1];
        for ((padded, copy), operand) in padded.iter_mut().zip(&mut copies).zip(used) {
            let Elements { elements, uniform } = Elements::<V>::of(*operand);
            let given = if uniform { &elements[..1] } else { elements.get(at..at + rest).unwrap_or_default() };
            padded[..given.len()].copy_from_slice(given);
            *copy = (cast_slice(&padded[..V::LANES]), uniform);
        }
        let mut result = [V::Bits::zeroed(); LANES_MAX];
        group_of::<V, 1>(&mut result[..V::LANES], 0, &Elements::of(copies[0]), &copies[..=links.len()], links);
        out[at..].copy_from_slice(&result[..rest]);
    }
}

#[inline(always)]
fn group_of<V: Vectors, const ROWS: usize>(
    out: &mut [V::Bits],
    at: usize,
    first: &Elements<'_, V>,
    operands: &[(&[u8], bool)],
    links: &[Link],
) {
    let mut value = [V::splat(first.elements[0]); ROWS];
    if !first.uniform {
        let elements = &first.elements[at..at + ROWS * V::LANES];
        for row in 0..ROWS {
            value[row] = V::load(&elements[row * V::LANES..(row + 1) * V::LANES]);
        }
    }
    // Macros, not closures: only what is inlined for certain is compiled for the instruction set.
    macro_rules! one {
        (|$a:ident| $apply:expr) => {
            for row in 0..ROWS {
                let $a = value[row];
                value[row] = $apply;
            }
        };
    }
    for (link, operand) in links.iter().zip(&operands[1..]) {
        let other = Elements::<V>::of(*operand);
        macro_rules! two {
            (|$a:ident, $b:ident| $apply:expr) => {
                if other.uniform {
                    let $b = V::splat(other.elements[0]);
                    one!(|$a| $apply);
                } else {
                    let elements = &other.elements[at..at + ROWS * V::LANES];
                    for row in 0..ROWS {
                        let ($a, $b) = (value[row], V::load(&elements[row * V::LANES..(row + 1) * V::LANES]));
                        value[row] = $apply;
                    }
                }
            };
        }
        match link {
            Link::Add => two!(|a, b| V::add(a, b)),
            Link::Subtract => two!(|a, b| V::subtract(a, b)),
            Link::SubtractFrom => two!(|a, b| V::subtract(b, a)),
            Link::Multiply => two!(|a, b| V::multiply(a, b)),
            Link::Divide => two!(|a, b| V::divide(a, b)),
            Link::DivideInto => two!(|a, b| V::divide(b, a)),
            Link::Minimum => two!(|a, b| V::minimum(a, b)),
            Link::Maximum => two!(|a, b| V::maximum(a, b)),
            Link::Negative => one!(|a| V::negative(a)),
            Link::Absolute => one!(|a| V::absolute(a)),
            Link::Square => one!(|a| V::multiply(a, a)),
            Link::Sqrt => one!(|a| V::sqrt(a)),
            Link::Rint => one!(|a| V::rint(a)),
            Link::Floor => one!(|a| V::floor(a)),
            Link::Ceil => one!(|a| V::ceil(a)),
            Link::Trunc => one!(|a| V::trunc(a)),
        }
    }
    for (row, out) in out.chunks_exact_mut(V::LANES).enumerate() {
        V::store(out, value[row]);
    }
}
