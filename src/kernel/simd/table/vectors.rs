//! Groups of float lanes in one vector register: what chains compute with.
//!
//! Half floats are `f32` in a register, rounded to their own dtype by every operation that rounds: once widened, a chain stays
//! wide until it is stored. Operations give what [`crate::kernel::operation`] gives.

use super::Baseline;
#[cfg(target_arch = "x86_64")]
use super::{Avx2Set, Avx512Set};
use crate::kernel::{
    lane::Lane,
    operation::{self as op, Binary, Unary},
};
use bytemuck::Pod;
use half::{bf16, f16};
use std::marker::PhantomData;

#[cfg(target_arch = "x86_64")]
mod x86;

/// A register of lanes. Slices that are given have as many elements as it has lanes.
pub(crate) trait Vectors {
    /// What memory holds.
    type Bits: Pod;
    type Vector: Copy;
    const LANES: usize;
    fn load(bits: &[Self::Bits]) -> Self::Vector;
    fn store(out: &mut [Self::Bits], vector: Self::Vector);
    fn splat(bits: Self::Bits) -> Self::Vector;
    fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn subtract(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn multiply(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn divide(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn minimum(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn maximum(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn negative(a: Self::Vector) -> Self::Vector;
    fn absolute(a: Self::Vector) -> Self::Vector;
    fn sqrt(a: Self::Vector) -> Self::Vector;
    fn rint(a: Self::Vector) -> Self::Vector;
    fn floor(a: Self::Vector) -> Self::Vector;
    fn ceil(a: Self::Vector) -> Self::Vector;
    fn trunc(a: Self::Vector) -> Self::Vector;
}

/// The vectors of an instruction set. Each set's types are named by its own table alone.
pub(crate) trait FloatVectors {
    /// Vectors that a chain works on at once: with them, enough registers are left for what else it needs.
    const ROWS: usize;
    type F16: Vectors;
    type Bf16: Vectors;
    type F32: Vectors;
    type F64: Vectors;
}

impl FloatVectors for Baseline {
    const ROWS: usize = 4;
    type F16 = Portable<f16>;
    type Bf16 = Portable<bf16>;
    type F32 = Portable<f32>;
    type F64 = Portable<f64>;
}
#[cfg(target_arch = "x86_64")]
impl FloatVectors for Avx2Set {
    const ROWS: usize = 4;
    type F16 = Narrow<x86::Half8>;
    type Bf16 = Narrow<x86::Brain8>;
    type F32 = x86::F32x8;
    type F64 = x86::F64x4;
}
#[cfg(target_arch = "x86_64")]
impl FloatVectors for Avx512Set {
    const ROWS: usize = 8;
    type F16 = Narrow<x86::Half16>;
    type Bf16 = Narrow<x86::Brain16>;
    type F32 = x86::F32x16;
    type F64 = x86::F64x8;
}

/// Lanes in an array, for sets without types of their own.
pub(crate) struct Portable<L>(PhantomData<L>);

/// Lanes of [`Portable`].
const PORTABLE_LANES: usize = 8;

macro_rules! portable {
    (one $($name:ident $op:ident),*) => {$(
        #[inline(always)]
        fn $name(mut a: Self::Vector) -> Self::Vector {
            for lane in 0..PORTABLE_LANES {
                a[lane] = L::widen(L::narrow(<op::$op as Unary<L>>::apply(a[lane])));
            }
            a
        }
    )*};
    (two $($name:ident $op:ident),*) => {$(
        #[inline(always)]
        fn $name(mut a: Self::Vector, b: Self::Vector) -> Self::Vector {
            for lane in 0..PORTABLE_LANES {
                a[lane] = L::widen(L::narrow(<op::$op as Binary<L>>::apply(a[lane], b[lane])));
            }
            a
        }
    )*};
}

impl<L> Vectors for Portable<L>
where
    L: Lane<Wide: Default>,
    op::Add: Binary<L, Out = L>,
    op::Subtract: Binary<L, Out = L>,
    op::Multiply: Binary<L, Out = L>,
    op::Divide: Binary<L, Out = L>,
    op::Minimum: Binary<L, Out = L>,
    op::Maximum: Binary<L, Out = L>,
    op::Negative: Unary<L, Out = L>,
    op::Absolute: Unary<L, Out = L>,
    op::Sqrt: Unary<L, Out = L>,
    op::Rint: Unary<L, Out = L>,
    op::Floor: Unary<L, Out = L>,
    op::Ceil: Unary<L, Out = L>,
    op::Trunc: Unary<L, Out = L>,
{
    type Bits = L::Bits;
    type Vector = [L::Wide; PORTABLE_LANES];
    const LANES: usize = PORTABLE_LANES;
    #[inline(always)]
    fn load(bits: &[L::Bits]) -> Self::Vector {
        let mut wide = [L::Wide::default(); PORTABLE_LANES];
        for lane in 0..PORTABLE_LANES {
            wide[lane] = L::widen(bits[lane]);
        }
        wide
    }
    #[inline(always)]
    fn store(out: &mut [L::Bits], vector: Self::Vector) {
        for lane in 0..PORTABLE_LANES {
            out[lane] = L::narrow(vector[lane]);
        }
    }
    #[inline(always)]
    fn splat(bits: L::Bits) -> Self::Vector {
        [L::widen(bits); PORTABLE_LANES]
    }
    portable!(two add Add, subtract Subtract, multiply Multiply, divide Divide, minimum Minimum, maximum Maximum);
    portable!(one negative Negative, absolute Absolute, sqrt Sqrt, rint Rint, floor Floor, ceil Ceil, trunc Trunc);
}

/// How half floats become `f32` and back, in registers of `Wide`.
pub(crate) trait Conversion {
    type Wide: Vectors<Bits = f32>;
    type Lane: Lane<Bits = u16, Wide = f32>;
    fn widen(bits: &[u16]) -> <Self::Wide as Vectors>::Vector;
    /// The nearest value of the narrow dtype.
    fn round(wide: <Self::Wide as Vectors>::Vector) -> <Self::Wide as Vectors>::Vector;
    /// Of values that are rounded.
    fn narrow(out: &mut [u16], rounded: <Self::Wide as Vectors>::Vector);
}

/// Half floats in vectors of `f32`.
pub(crate) struct Narrow<C>(PhantomData<C>);

macro_rules! through_wide {
    (two $($name:ident),*) => {$(
        #[inline(always)]
        fn $name(a: Self::Vector, b: Self::Vector) -> Self::Vector {
            C::round(C::Wide::$name(a, b))
        }
    )*};
    // What is one of its operands, or a whole number, needs no rounding.
    (exact two $($name:ident),*) => {$(
        #[inline(always)]
        fn $name(a: Self::Vector, b: Self::Vector) -> Self::Vector {
            C::Wide::$name(a, b)
        }
    )*};
    (exact one $($name:ident),*) => {$(
        #[inline(always)]
        fn $name(a: Self::Vector) -> Self::Vector {
            C::Wide::$name(a)
        }
    )*};
}

impl<C: Conversion> Vectors for Narrow<C> {
    type Bits = u16;
    type Vector = <C::Wide as Vectors>::Vector;
    const LANES: usize = C::Wide::LANES;
    #[inline(always)]
    fn load(bits: &[u16]) -> Self::Vector {
        C::widen(bits)
    }
    #[inline(always)]
    fn store(out: &mut [u16], vector: Self::Vector) {
        C::narrow(out, vector);
    }
    #[inline(always)]
    fn splat(bits: u16) -> Self::Vector {
        C::Wide::splat(C::Lane::widen(bits))
    }
    #[inline(always)]
    fn sqrt(a: Self::Vector) -> Self::Vector {
        C::round(C::Wide::sqrt(a))
    }
    through_wide!(two add, subtract, multiply, divide);
    through_wide!(exact two minimum, maximum);
    through_wide!(exact one negative, absolute, rint, floor, ceil, trunc);
}
