//! Which vectors the functions of an instruction set are computed with, and functions of half floats by way of `f32`.

use super::Baseline;
#[cfg(target_arch = "x86_64")]
use super::{Avx2Set, Avx512Set};
use crate::kernel::{lane::Lane, math::Lanes};
#[cfg(target_arch = "x86_64")]
use crate::kernel::{
    math::Both,
    simd::lanes::{Narrow8, Wide4, Wide8, Wide16},
};
use bytemuck::{cast_slice, cast_slice_mut};
use half::{bf16, f16};

impl Lanes for Baseline {
    type F64 = f64;
    type F32 = f32;
    type F64Twice = f64;
    type F32Twice = f32;
}

/// Two vectors at once need more registers than there are.
#[cfg(target_arch = "x86_64")]
impl Lanes for Avx2Set {
    type F64 = Wide4;
    type F32 = Narrow8;
    type F64Twice = Wide4;
    type F32Twice = Narrow8;
}

#[cfg(target_arch = "x86_64")]
impl Lanes for Avx512Set {
    type F64 = Wide8;
    type F32 = Wide16;
    type F64Twice = Both<Wide8>;
    type F32Twice = Both<Wide16>;
}

/// How an instruction set converts `f16`: the bits are those of [`Lane`], but for what a NaN that is widened carries.
pub(crate) trait HalfLanes {
    #[inline(always)]
    fn widen(out: &mut [f32], bits: &[u16]) {
        widen_each::<f16>(out, bits);
    }
    #[inline(always)]
    fn narrow(out: &mut [u16], wide: &[f32]) {
        narrow_each::<f16>(out, wide);
    }
}

impl HalfLanes for Baseline {}

/// Whole vectors, then what is left.
#[cfg(target_arch = "x86_64")]
macro_rules! half_lanes {
    ($set:ident $vector:ident $lanes:literal) => {
        impl HalfLanes for $set {
            #[inline(always)]
            fn widen(out: &mut [f32], bits: &[u16]) {
                let ((out, out_rest), (bits, bits_rest)) = (out.as_chunks_mut::<$lanes>(), bits.as_chunks::<$lanes>());
                for (out, bits) in out.iter_mut().zip(bits) {
                    *out = $vector::widened(*bits);
                }
                widen_each::<f16>(out_rest, bits_rest);
            }
            #[inline(always)]
            fn narrow(out: &mut [u16], wide: &[f32]) {
                let ((out, out_rest), (wide, wide_rest)) = (out.as_chunks_mut::<$lanes>(), wide.as_chunks::<$lanes>());
                for (out, wide) in out.iter_mut().zip(wide) {
                    *out = $vector::narrowed(*wide);
                }
                narrow_each::<f16>(out_rest, wide_rest);
            }
        }
    };
}
#[cfg(target_arch = "x86_64")]
half_lanes!(Avx2Set Narrow8 8);
#[cfg(target_arch = "x86_64")]
half_lanes!(Avx512Set Wide16 16);

#[inline(always)]
fn widen_each<L: Lane<Bits = u16, Wide = f32>>(out: &mut [f32], bits: &[u16]) {
    for (out, &bits) in out.iter_mut().zip(bits) {
        *out = L::widen(bits);
    }
}

#[inline(always)]
fn narrow_each<L: Lane<Bits = u16, Wide = f32>>(out: &mut [u16], wide: &[f32]) {
    for (out, &wide) in out.iter_mut().zip(wide) {
        *out = L::narrow(wide);
    }
}

/// A half float: how a slice becomes `f32` and comes back.
pub(crate) trait Half: Lane<Bits = u16, Wide = f32> {
    fn widen_all<S: HalfLanes>(out: &mut [f32], bits: &[u16]);
    fn narrow_all<S: HalfLanes>(out: &mut [u16], wide: &[f32]);
}

impl Half for f16 {
    #[inline(always)]
    fn widen_all<S: HalfLanes>(out: &mut [f32], bits: &[u16]) {
        S::widen(out, bits);
    }
    #[inline(always)]
    fn narrow_all<S: HalfLanes>(out: &mut [u16], wide: &[f32]) {
        S::narrow(out, wide);
    }
}

impl Half for bf16 {
    #[inline(always)]
    fn widen_all<S: HalfLanes>(out: &mut [f32], bits: &[u16]) {
        widen_each::<bf16>(out, bits);
    }
    #[inline(always)]
    fn narrow_all<S: HalfLanes>(out: &mut [u16], wide: &[f32]) {
        narrow_each::<bf16>(out, wide);
    }
}

/// Elements of the buffers on the stack.
const CHUNK: usize = 512;

/// A function of `f32` on half floats, in chunks: its body is there once.
#[inline(always)]
pub(crate) fn through_halves<S: HalfLanes, L: Half>(out: &mut [u8], a: &[u8], body: impl Fn(&mut [u8], &[u8])) {
    let (out, a): (&mut [u16], &[u16]) = (cast_slice_mut(out), cast_slice(a));
    let (mut from, mut to) = ([0f32; CHUNK], [0f32; CHUNK]);
    for (out, a) in out.chunks_mut(CHUNK).zip(a.chunks(CHUNK)) {
        let length = out.len();
        L::widen_all::<S>(&mut from[..length], a);
        body(cast_slice_mut(&mut to[..length]), cast_slice(&from[..length]));
        L::narrow_all::<S>(out, &to[..length]);
    }
}
