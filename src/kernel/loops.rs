//! The loops over one tile, written once: plain safe code that each instruction set of [`super::simd`] inlines
//! and vectorises. Tiles are aligned bytes; a scalar operand is a slice of one element.

use crate::kernel::{
    cast::Convert,
    lane::Lane,
    operation::{Binary, Unary},
};
use bytemuck::{Pod, Zeroable, cast_slice, cast_slice_mut};

#[inline(always)]
pub(crate) fn unary<L: Lane, O: Unary<L>>(out: &mut [u8], a: &[u8]) {
    let out: &mut [<O::Out as Lane>::Bits] = cast_slice_mut(out);
    let a: &[L::Bits] = cast_slice(a);
    for (out, &a) in out.iter_mut().zip(a) {
        *out = O::Out::narrow(O::apply(L::widen(a)));
    }
}

/// A large function: chunk by chunk in the shorter way, where there is one and the whole chunk allows it.
#[inline(always)]
pub(crate) fn function<L: Lane, O: Unary<L>>(out: &mut [u8], a: &[u8]) {
    if !O::HAS_NEAR {
        return unary::<L, O>(out, a);
    }
    let out: &mut [<O::Out as Lane>::Bits] = cast_slice_mut(out);
    let a: &[L::Bits] = cast_slice(a);
    for (out, a) in out.chunks_mut(CHUNK).zip(a.chunks(CHUNK)) {
        // Without an exit, so that it vectorises.
        let near = a.iter().fold(true, |near, &a| near & O::is_near(L::widen(a)));
        if near {
            for (out, &a) in out.iter_mut().zip(a) {
                *out = O::Out::narrow(O::apply_near(L::widen(a)));
            }
        } else {
            for (out, &a) in out.iter_mut().zip(a) {
                *out = O::Out::narrow(O::apply(L::widen(a)));
            }
        }
    }
}

#[inline(always)]
pub(crate) fn vector_vector<L: Lane, O: Binary<L>>(out: &mut [u8], a: &[u8], b: &[u8]) {
    let out: &mut [<O::Out as Lane>::Bits] = cast_slice_mut(out);
    let (a, b): (&[L::Bits], &[L::Bits]) = (cast_slice(a), cast_slice(b));
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = O::Out::narrow(O::apply(L::widen(a), L::widen(b)));
    }
}

/// See [`function`].
#[inline(always)]
pub(crate) fn function_two<L: Lane, O: Binary<L>>(out: &mut [u8], a: &[u8], b: &[u8]) {
    if !O::HAS_NEAR {
        return vector_vector::<L, O>(out, a, b);
    }
    let out: &mut [<O::Out as Lane>::Bits] = cast_slice_mut(out);
    let (a, b): (&[L::Bits], &[L::Bits]) = (cast_slice(a), cast_slice(b));
    for ((out, a), b) in out.chunks_mut(CHUNK).zip(a.chunks(CHUNK)).zip(b.chunks(CHUNK)) {
        let near = a.iter().zip(b).fold(true, |near, (&a, &b)| near & O::is_near(L::widen(a), L::widen(b)));
        if near {
            for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *out = O::Out::narrow(O::apply_near(L::widen(a), L::widen(b)));
            }
        } else {
            for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *out = O::Out::narrow(O::apply(L::widen(a), L::widen(b)));
            }
        }
    }
}

#[inline(always)]
pub(crate) fn vector_scalar<L: Lane, O: Binary<L>>(out: &mut [u8], a: &[u8], b: &[u8]) {
    let out: &mut [<O::Out as Lane>::Bits] = cast_slice_mut(out);
    let a: &[L::Bits] = cast_slice(a);
    let b = L::widen(cast_slice::<u8, L::Bits>(b)[0]);
    for (out, &a) in out.iter_mut().zip(a) {
        *out = O::Out::narrow(O::apply(L::widen(a), b));
    }
}

#[inline(always)]
pub(crate) fn scalar_vector<L: Lane, O: Binary<L>>(out: &mut [u8], a: &[u8], b: &[u8]) {
    let out: &mut [<O::Out as Lane>::Bits] = cast_slice_mut(out);
    let b: &[L::Bits] = cast_slice(b);
    let a = L::widen(cast_slice::<u8, L::Bits>(a)[0]);
    for (out, &b) in out.iter_mut().zip(b) {
        *out = O::Out::narrow(O::apply(a, L::widen(b)));
    }
}

/// Elements of the buffers on the stack through which [`through_two`] goes.
const CHUNK: usize = 256;

/// Copies up to a chunk of elements into the lane `B`; one element fills it.
#[inline(always)]
fn widen_chunk<L: Lane, B: Lane<Wide = L::Wide>>(out: &mut [B::Bits], a: &[L::Bits]) {
    if let [one] = a {
        out.fill(B::narrow(L::widen(*one)));
    } else {
        for (out, &a) in out.iter_mut().zip(a) {
            *out = B::narrow(L::widen(a));
        }
    }
}

#[inline(always)]
fn narrow_chunk<L: Lane, B: Lane<Wide = L::Wide>>(out: &mut [L::Bits], a: &[B::Bits]) {
    for (out, &a) in out.iter_mut().zip(a) {
        *out = L::narrow(B::widen(a));
    }
}

/// A function of the lane `B` on elements of `L`, in chunks: a large body is compiled once for several lanes.
/// A scalar operand (`SCALAR_A`, `SCALAR_B`) fills its chunk once.
#[inline(always)]
pub(crate) fn through_two<L: Lane, B: Lane<Wide = L::Wide>, const SCALAR_A: bool, const SCALAR_B: bool>(
    out: &mut [u8],
    a: &[u8],
    b: &[u8],
    body: impl Fn(&mut [u8], &[u8], &[u8]),
) {
    let out: &mut [L::Bits] = cast_slice_mut(out);
    let (a, b): (&[L::Bits], &[L::Bits]) = (cast_slice(a), cast_slice(b));
    let [mut left, mut right, mut to] = [[<B::Bits as Zeroable>::zeroed(); CHUNK]; 3];
    if SCALAR_A {
        widen_chunk::<L, B>(&mut left, &a[..1]);
    }
    if SCALAR_B {
        widen_chunk::<L, B>(&mut right, &b[..1]);
    }
    for (index, out) in out.chunks_mut(CHUNK).enumerate() {
        let (first, length) = (index * CHUNK, out.len());
        if !SCALAR_A {
            widen_chunk::<L, B>(&mut left[..length], &a[first..first + length]);
        }
        if !SCALAR_B {
            widen_chunk::<L, B>(&mut right[..length], &b[first..first + length]);
        }
        body(cast_slice_mut(&mut to[..length]), cast_slice(&left[..length]), cast_slice(&right[..length]));
        narrow_chunk::<L, B>(out, &to[..length]);
    }
}

/// Converts a tile; gives the first element that cannot be converted, or `usize::MAX`.
#[inline(always)]
pub(crate) fn convert<A: Lane, B: Lane, C: Convert<A, B>>(out: &mut [u8], a: &[u8]) -> usize {
    let out: &mut [B::Bits] = cast_slice_mut(out);
    let a: &[A::Bits] = cast_slice(a);
    for (out, &a) in out.iter_mut().zip(a) {
        *out = B::narrow(C::convert_fitting(A::widen(a)));
    }
    if !C::CHECKED {
        return usize::MAX;
    }
    // A second loop: a search with an exit would keep the first from vectorising.
    let mut bad = 0u32;
    for &a in a {
        bad |= u32::from(!C::fits(A::widen(a)));
    }
    if bad == 0 {
        return usize::MAX;
    }
    for (out, &a) in out.iter_mut().zip(a) {
        *out = B::narrow(C::convert(A::widen(a)));
    }
    a.iter().position(|&a| !C::fits(A::widen(a))).unwrap_or(usize::MAX)
}

/// Picks by mask; `A` and `B` say whether that operand is one scalar.
#[inline(always)]
pub(crate) fn select<T: Pod, const A: bool, const B: bool>(out: &mut [u8], mask: &[u8], a: &[u8], b: &[u8]) {
    let out: &mut [T] = cast_slice_mut(out);
    let (a, b): (&[T], &[T]) = (cast_slice(a), cast_slice(b));
    match (A, B) {
        (true, true) => {
            let (a, b) = (a[0], b[0]);
            for (out, &mask) in out.iter_mut().zip(mask) {
                *out = if mask != 0 { a } else { b };
            }
        }
        (true, false) => {
            let a = a[0];
            for ((out, &mask), &b) in out.iter_mut().zip(mask).zip(b) {
                *out = if mask != 0 { a } else { b };
            }
        }
        (false, true) => {
            let b = b[0];
            for ((out, &mask), &a) in out.iter_mut().zip(mask).zip(a) {
                *out = if mask != 0 { a } else { b };
            }
        }
        (false, false) => {
            for (((out, &mask), &a), &b) in out.iter_mut().zip(mask).zip(a).zip(b) {
                *out = if mask != 0 { a } else { b };
            }
        }
    }
}

/// Reverses the bytes of every element in place.
#[inline(always)]
pub(crate) fn swap_bytes<const N: usize>(tile: &mut [u8]) {
    for element in tile.as_chunks_mut::<N>().0 {
        element.reverse();
    }
}
