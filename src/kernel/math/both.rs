//! Two vectors as one: a function of many steps that wait for each other keeps the units of a core busy with the steps of both.

use super::real::Real;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Sub};

/// Two vectors.
#[derive(Clone, Copy)]
pub(crate) struct Both<V>(V, V);

/// The conditions of two vectors.
#[derive(Clone, Copy)]
pub(crate) struct BothMasks<M>(M, M);

impl<M: BitAnd<Output = M>> BitAnd for BothMasks<M> {
    type Output = Self;
    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0, self.1 & other.1)
    }
}

impl<M: BitOr<Output = M>> BitOr for BothMasks<M> {
    type Output = Self;
    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0, self.1 | other.1)
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident),*) => {$(
        impl<V: Real> $trait for Both<V> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(self.0.$method(other.0), self.1.$method(other.1))
            }
        }
    )*};
}
operators!(Add add, Sub sub, Mul mul, Div div);

impl<V: Real> Neg for Both<V> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(-self.0, -self.1)
    }
}

/// Methods of vectors alone, of two vectors, and of two that give a condition.
macro_rules! each {
    ($($one:ident)*; $($two:ident)*; $($condition:ident)*) => {
        $(#[inline(always)]
        fn $one(self) -> Self {
            Self(self.0.$one(), self.1.$one())
        })*
        $(#[inline(always)]
        fn $two(self, other: Self) -> Self {
            Self(self.0.$two(other.0), self.1.$two(other.1))
        })*
        $(#[inline(always)]
        fn $condition(self, other: Self) -> Self::Mask {
            BothMasks(self.0.$condition(other.0), self.1.$condition(other.1))
        })*
    };
}

impl<V: Real> Real for Both<V> {
    type Scalar = V::Scalar;
    type Bits = V::Bits;
    type Mask = BothMasks<V::Mask>;
    const LANES: usize = 2 * V::LANES;
    each!(sqrt abs exponent mantissa;
        at_most at_least bit_and bit_or bit_xor bits_add bits_subtract scale or_special_logarithm or_special_argument;
        is_less is_equal is_at_most);
    #[inline(always)]
    fn of(value: V::Scalar) -> Self {
        Self(V::of(value), V::of(value))
    }
    #[inline(always)]
    fn of_bits(bits: V::Bits) -> Self {
        Self(V::of_bits(bits), V::of_bits(bits))
    }
    #[inline(always)]
    fn load(from: &[V::Scalar]) -> Self {
        let (first, second) = from[..Self::LANES].split_at(V::LANES);
        Self(V::load(first), V::load(second))
    }
    #[inline(always)]
    fn store(self, to: &mut [V::Scalar]) {
        let (first, second) = to[..Self::LANES].split_at_mut(V::LANES);
        self.0.store(first);
        self.1.store(second);
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self(self.0.mul_add(a.0, b.0), self.1.mul_add(a.1, b.1))
    }
    #[inline(always)]
    fn select(condition: Self::Mask, yes: Self, no: Self) -> Self {
        Self(V::select(condition.0, yes.0, no.0), V::select(condition.1, yes.1, no.1))
    }
    #[inline(always)]
    fn bits_left(self, count: u32) -> Self {
        Self(self.0.bits_left(count), self.1.bits_left(count))
    }
    #[inline(always)]
    fn bits_right(self, count: u32) -> Self {
        Self(self.0.bits_right(count), self.1.bits_right(count))
    }
    #[inline(always)]
    fn lookup<const N: usize>(self, table: &'static [V::Scalar; N]) -> Self {
        Self(self.0.lookup(table), self.1.lookup(table))
    }
    #[inline(always)]
    fn has_bit(self, bit: V::Bits) -> Self::Mask {
        BothMasks(self.0.has_bit(bit), self.1.has_bit(bit))
    }
    #[inline(always)]
    fn any(condition: Self::Mask) -> bool {
        V::any(condition.0) || V::any(condition.1)
    }
    #[inline(always)]
    fn all(condition: Self::Mask) -> bool {
        V::all(condition.0) && V::all(condition.1)
    }
    #[inline(always)]
    fn balanced(self) -> (Self, Self) {
        let ((m, k), (n, l)) = (self.0.balanced(), self.1.balanced());
        (Self(m, n), Self(k, l))
    }
}
