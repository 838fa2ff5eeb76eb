//! What the functions are written with: numbers that are one element or a vector of them. A function over [`Double`] or
//! [`Single`] is one algorithm; every instruction set brings its vectors ([`Lanes`]), and a method with a body here may be one
//! instruction there, with the same result.

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Sub};

/// One number, or one in each lane of a vector.
pub(crate) trait Real:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// One lane.
    type Scalar: Format<Bits = Self::Bits>;
    /// The bits of one lane.
    type Bits: Copy;
    /// A condition for each lane.
    type Mask: Copy + BitAnd<Output = Self::Mask> + BitOr<Output = Self::Mask>;
    const LANES: usize;
    /// The number in every lane.
    fn of(value: Self::Scalar) -> Self;
    fn of_bits(bits: Self::Bits) -> Self;
    /// From the first [`Real::LANES`] elements.
    fn load(from: &[Self::Scalar]) -> Self;
    fn store(self, to: &mut [Self::Scalar]);
    /// `self * a + b`, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    /// The lesser of both; NaN stays.
    fn at_most(self, limit: Self) -> Self;
    /// The greater of both; NaN stays.
    fn at_least(self, limit: Self) -> Self;
    fn is_less(self, other: Self) -> Self::Mask;
    fn is_equal(self, other: Self) -> Self::Mask;
    fn select(condition: Self::Mask, yes: Self, no: Self) -> Self;
    fn bit_and(self, other: Self) -> Self;
    fn bit_or(self, other: Self) -> Self;
    fn bit_xor(self, other: Self) -> Self;
    /// The sum of the bits as integers.
    fn bits_add(self, other: Self) -> Self;
    fn bits_subtract(self, other: Self) -> Self;
    fn bits_left(self, count: u32) -> Self;
    fn bits_right(self, count: u32) -> Self;
    /// The element of a table whose place is in the low bits of each lane.
    fn lookup<const N: usize>(self, table: &'static [Self::Scalar; N]) -> Self;

    fn is_at_most(self, other: Self) -> Self::Mask;
    /// Whether the bits hold this one.
    fn has_bit(self, bit: Self::Bits) -> Self::Mask;
    /// Whether the condition holds in every lane.
    fn all(condition: Self::Mask) -> bool;
    /// Whether the condition holds in any lane.
    fn any(condition: Self::Mask) -> bool;

    /// `floor(log2 |x|)` of a number that is not zero: not finite where `x` is not; nonsense for zero.
    #[inline(always)]
    #[allow(clippy::eq_op, reason = "infinity and NaN minus themselves are NaN")]
    fn exponent(self) -> Self {
        let (lifted, small) = lift(self);
        let biased = lifted.bits_right(Self::Scalar::FRACTION_BITS).bit_or(Self::of(Self::Scalar::INTEGERS));
        let exponent = biased - Self::select(small, Self::of(Self::Scalar::BIAS_LIFTED), Self::of(Self::Scalar::BIAS));
        exponent + (self - self)
    }
    /// `|x| / 2^exponent`, from 1 to 2, of a finite number that is not zero; nonsense for others.
    #[inline(always)]
    fn mantissa(self) -> Self {
        lift(self).0.bit_and(Self::of_bits(Self::Scalar::FRACTION)).bit_or(Self::of(Self::Scalar::ONE))
    }
    /// `|x|` as `m` from 0.75 to 1.5 and `k`, `x = 2^k m`, under the conditions of the mantissa.
    #[inline(always)]
    fn balanced(self) -> (Self, Self) {
        let (mantissa, exponent) = (self.mantissa(), self.exponent());
        let low = mantissa.is_less(Self::of(Self::Scalar::ONE_AND_A_HALF));
        let half = mantissa * Self::of(Self::Scalar::HALF);
        (Self::select(low, mantissa, half), Self::select(low, exponent, exponent + Self::of(Self::Scalar::ONE)))
    }
    /// `self * 2^floor(k)` rounded once, for `self` from 2^-10 to 2^10 in magnitude and any `k` that is a number of at most
    /// eight bits behind its point.
    #[inline(always)]
    fn scale(self, k: Self) -> Self {
        let k = k.at_most(Self::of(Self::Scalar::SCALE_MAX)).at_least(-Self::of(Self::Scalar::SCALE_MAX));
        let half = floor_and_round(k * Self::of(Self::Scalar::HALF));
        let rest = floor_and_round(k - (half - Self::of(Self::Scalar::ROUND)));
        self * power_of_two(half) * power_of_two(rest)
    }
    /// `self`, the logarithm of `x`, or what a logarithm gives where `x` is not positive and finite.
    #[inline(always)]
    fn or_special_logarithm(self, x: Self) -> Self {
        let (zero, infinity) = (Self::of(Self::Scalar::default()), Self::of(Self::Scalar::INFINITY));
        let result = Self::select(x.is_equal(infinity), x, self);
        let result = Self::select(x.is_equal(zero), -infinity, result);
        Self::select(zero.is_at_most(x), result, Self::of(Self::Scalar::NAN))
    }
    /// `self`, or `x` where that is zero or not finite.
    #[inline(always)]
    fn or_special_argument(self, x: Self) -> Self {
        let magnitude = x.abs();
        let plain = Self::of(Self::Scalar::default()).is_less(magnitude) & magnitude.is_less(Self::of(Self::Scalar::INFINITY));
        Self::select(plain, self, x)
    }
}

/// Constants of an element type.
pub(crate) trait Format: Copy + Default + 'static {
    type Bits: Copy;
    const FRACTION_BITS: u32;
    const EXPONENT_BITS: u32;
    /// Bits behind the point.
    const FRACTION: Self::Bits;
    const SMALLEST_NORMAL: Self;
    /// Makes a subnormal number normal, and the bias plus [`Format::INTEGERS`] without and with it.
    const LIFT: Self;
    const BIAS: Self;
    const BIAS_LIFTED: Self;
    /// From here on, up to twice as much, a float is an integer in its low bits.
    const INTEGERS: Self;
    /// 1.5 times [`Format::INTEGERS`]: adding it leaves the nearest integer in the low bits.
    const ROUND: Self;
    /// Exponents that leave the range in any case.
    const SCALE_MAX: Self;
    /// A little less than a half.
    const FLOOR: Self;
    const HALF: Self;
    const ONE: Self;
    const ONE_AND_A_HALF: Self;
    const TWO: Self;
    const INFINITY: Self;
    const NAN: Self;
}

impl Format for f64 {
    type Bits = u64;
    const FRACTION_BITS: u32 = 52;
    const EXPONENT_BITS: u32 = 11;
    const FRACTION: u64 = 0x000f_ffff_ffff_ffff;
    const SMALLEST_NORMAL: f64 = f64::MIN_POSITIVE;
    const LIFT: f64 = 18_014_398_509_481_984.0;
    const BIAS: f64 = 4_503_599_627_370_496.0 + 1023.0;
    const BIAS_LIFTED: f64 = 4_503_599_627_370_496.0 + 1023.0 + 54.0;
    const INTEGERS: f64 = 4_503_599_627_370_496.0;
    const ROUND: f64 = 6_755_399_441_055_744.0;
    const SCALE_MAX: f64 = 2000.0;
    const FLOOR: f64 = 0.498;
    const HALF: f64 = 0.5;
    const ONE: f64 = 1.0;
    const ONE_AND_A_HALF: f64 = 1.5;
    const TWO: f64 = 2.0;
    const INFINITY: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;
}

impl Format for f32 {
    type Bits = u32;
    const FRACTION_BITS: u32 = 23;
    const EXPONENT_BITS: u32 = 8;
    const FRACTION: u32 = 0x007f_ffff;
    const SMALLEST_NORMAL: f32 = f32::MIN_POSITIVE;
    const LIFT: f32 = 16_777_216.0;
    const BIAS: f32 = 8_388_608.0 + 127.0;
    const BIAS_LIFTED: f32 = 8_388_608.0 + 127.0 + 24.0;
    const INTEGERS: f32 = 8_388_608.0;
    const ROUND: f32 = 12_582_912.0;
    const SCALE_MAX: f32 = 230.0;
    const FLOOR: f32 = 0.498;
    const HALF: f32 = 0.5;
    const ONE: f32 = 1.0;
    const ONE_AND_A_HALF: f32 = 1.5;
    const TWO: f32 = 2.0;
    const INFINITY: f32 = f32::INFINITY;
    const NAN: f32 = f32::NAN;
}

/// The magnitude as a normal number, and whether it was too small.
#[inline(always)]
fn lift<V: Real>(x: V) -> (V, V::Mask) {
    let magnitude = x.abs();
    let small = magnitude.is_less(V::of(V::Scalar::SMALLEST_NORMAL));
    (V::select(small, magnitude * V::of(V::Scalar::LIFT), magnitude), small)
}

/// `2^k` for the `k` in the low bits.
#[inline(always)]
fn power_of_two<V: Real>(shifted: V) -> V {
    shifted.bits_left(V::Scalar::FRACTION_BITS).bits_add(V::of(V::Scalar::ONE))
}

/// The floor of a number with at most eight bits behind its point, in the low bits: less a little it never lies half way.
#[inline(always)]
fn floor_and_round<V: Real>(x: V) -> V {
    (x - V::of(V::Scalar::FLOOR)) + V::of(V::Scalar::ROUND)
}

/// Lanes of `f64`.
pub(crate) trait Double: Real<Scalar = f64, Bits = u64> {}
impl<V: Real<Scalar = f64, Bits = u64>> Double for V {}

/// Lanes of `f32`.
pub(crate) trait Single: Real<Scalar = f32, Bits = u32> {}
impl<V: Real<Scalar = f32, Bits = u32>> Single for V {}

/// The vectors of an instruction set.
pub(crate) trait Lanes {
    type F64: Double;
    type F32: Single;
    /// As many as long functions take at once: their steps wait for each other.
    type F64Twice: Double;
    type F32Twice: Single;
}

macro_rules! scalar {
    ($t:ty, $bits:ty) => {
        impl Real for $t {
            type Scalar = $t;
            type Bits = $bits;
            type Mask = bool;
            const LANES: usize = 1;
            #[inline(always)]
            fn of(value: $t) -> Self {
                value
            }
            #[inline(always)]
            fn of_bits(bits: $bits) -> Self {
                <$t>::from_bits(bits)
            }
            #[inline(always)]
            fn load(from: &[$t]) -> Self {
                from[0]
            }
            #[inline(always)]
            fn store(self, to: &mut [$t]) {
                to[0] = self;
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                <$t>::mul_add(self, a, b)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$t>::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$t>::abs(self)
            }
            #[inline(always)]
            fn at_most(self, limit: Self) -> Self {
                if limit < self { limit } else { self }
            }
            #[inline(always)]
            fn at_least(self, limit: Self) -> Self {
                if limit > self { limit } else { self }
            }
            #[inline(always)]
            fn is_less(self, other: Self) -> bool {
                self < other
            }
            #[inline(always)]
            fn is_equal(self, other: Self) -> bool {
                self == other
            }
            #[inline(always)]
            fn is_at_most(self, other: Self) -> bool {
                self <= other
            }
            #[inline(always)]
            fn has_bit(self, bit: $bits) -> bool {
                self.to_bits() & bit != 0
            }
            #[inline(always)]
            fn any(condition: bool) -> bool {
                condition
            }
            #[inline(always)]
            fn all(condition: bool) -> bool {
                condition
            }
            #[inline(always)]
            fn select(condition: bool, yes: Self, no: Self) -> Self {
                if condition { yes } else { no }
            }
            #[inline(always)]
            fn bit_and(self, other: Self) -> Self {
                <$t>::from_bits(self.to_bits() & other.to_bits())
            }
            #[inline(always)]
            fn bit_or(self, other: Self) -> Self {
                <$t>::from_bits(self.to_bits() | other.to_bits())
            }
            #[inline(always)]
            fn bit_xor(self, other: Self) -> Self {
                <$t>::from_bits(self.to_bits() ^ other.to_bits())
            }
            #[inline(always)]
            fn bits_add(self, other: Self) -> Self {
                <$t>::from_bits(self.to_bits().wrapping_add(other.to_bits()))
            }
            #[inline(always)]
            fn bits_subtract(self, other: Self) -> Self {
                <$t>::from_bits(self.to_bits().wrapping_sub(other.to_bits()))
            }
            #[inline(always)]
            fn bits_left(self, count: u32) -> Self {
                <$t>::from_bits(self.to_bits() << count)
            }
            #[inline(always)]
            fn bits_right(self, count: u32) -> Self {
                <$t>::from_bits(self.to_bits() >> count)
            }
            #[inline(always)]
            fn lookup<const N: usize>(self, table: &'static [$t; N]) -> Self {
                table[self.to_bits() as usize % N]
            }
        }
    };
}
scalar!(f64, u64);
scalar!(f32, u32);

/// `out[i] = function(a[i], ...)` with `$vector`s, the last one overlapping the one before, so that the body is there once.
///
/// `$function` is inlined for certain. Of a closure that is as large as a power it is the compiler's choice, and outside of the
/// function that carries the instruction set every operation on a vector is a call.
macro_rules! map {
    ($vector:ty, $function:path, $out:expr, $($arg:ident),+) => {{
        use $crate::kernel::math::Real;
        let lanes = <$vector as Real>::LANES;
        let out = $out;
        let length = out.len()$(.min($arg.len()))+;
        let is_short = length < lanes;
        let mut short_out = [<$vector as Real>::Scalar::default(); 32];
        $(
            let mut short = [<$vector as Real>::Scalar::default(); 32];
            if is_short {
                short[..length].copy_from_slice(&$arg[..length]);
            }
            let $arg = if is_short { &short[..lanes] } else { &$arg[..length] };
        )+
        let vectors = if is_short { &mut short_out[..lanes] } else { &mut out[..length] };
        let mut index = 0;
        while index < vectors.len() {
            let at = index.min(vectors.len() - lanes);
            let result: $vector = $function($(Real::load(&$arg[at..])),+);
            result.store(&mut vectors[at..]);
            index += lanes;
        }
        if is_short {
            out[..length].copy_from_slice(&short_out[..length]);
        }
    }};
}
pub(crate) use map;
