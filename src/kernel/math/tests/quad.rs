//! The C library's functions of 113 bits, as an oracle: arguments and results are in vector registers, and Rust has
//! no stable type for them, hence the calls by hand.
#![expect(unsafe_code, reason = "calls into the C library with arguments that Rust cannot name")]

use std::arch::{asm, x86_64::__m128i};
use std::ops::{Add, Div, Mul, Sub};

/// A number of 113 bits.
#[derive(Clone, Copy)]
pub(super) struct Quad(__m128i);

type Function = unsafe extern "C" fn();

fn call(function: Function, a: Quad, b: Quad) -> Quad {
    let result;
    // SAFETY: each function listed below takes one or two floats in these registers and gives one in the first;
    // it reads nothing else, and the compiler is told of every register that a C function may change.
    unsafe {
        asm!("call {}", in(reg) function, inout("xmm0") a.0 => result, inout("xmm1") b.0 => _, clobber_abi("C"));
    }
    Quad(result)
}

#[link(name = "m")]
unsafe extern "C" {
    fn __extenddftf2();
    fn __trunctfdf2();
    fn __addtf3();
    fn __subtf3();
    fn __multf3();
    fn __divtf3();
}

impl From<f64> for Quad {
    fn from(x: f64) -> Self {
        let x = Self(bytemuck::cast([x.to_bits(), 0]));
        call(__extenddftf2, x, x)
    }
}

impl Quad {
    pub fn to_f64(self) -> f64 {
        f64::from_bits(bytemuck::cast::<__m128i, [u64; 2]>(call(__trunctfdf2, self, self).0)[0])
    }
}

macro_rules! operators {
    ($($operator:ident $method:ident $function:ident;)*) => {$(
        impl $operator for Quad {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                call($function, self, other)
            }
        }
    )*};
}
operators! {
    Add add __addtf3;
    Sub sub __subtf3;
    Mul mul __multf3;
    Div div __divtf3;
}

macro_rules! functions {
    ($($name:ident = $function:ident;)*) => {
        #[link(name = "m")]
        unsafe extern "C" {
            $(fn $function();)*
        }
        $(pub(super) fn $name(x: Quad) -> Quad {
            call($function, x, x)
        })*
    };
}
functions! {
    exp = expf128; exp2 = exp2f128; expm1 = expm1f128; log = logf128; log2 = log2f128; log10 = log10f128; log1p = log1pf128;
    cbrt = cbrtf128; sin = sinf128; cos = cosf128; tan = tanf128; asin = asinf128; acos = acosf128; atan = atanf128;
    sinh = sinhf128; cosh = coshf128; tanh = tanhf128; asinh = asinhf128; acosh = acoshf128; atanh = atanhf128;
    erf = erff128; erfc = erfcf128; sqrt = sqrtf128;
}

#[link(name = "m")]
unsafe extern "C" {
    fn powf128();
    fn hypotf128();
    fn atan2f128();
}

pub(super) fn power(x: Quad, y: Quad) -> Quad {
    call(powf128, x, y)
}

pub(super) fn hypot(x: Quad, y: Quad) -> Quad {
    call(hypotf128, x, y)
}

pub(super) fn atan2(y: Quad, x: Quad) -> Quad {
    call(atan2f128, y, x)
}

fn negative(x: Quad) -> Quad {
    Quad::from(-0.0) - x
}

pub(super) fn sigmoid(x: Quad) -> Quad {
    Quad::from(1.0) / (Quad::from(1.0) + exp(negative(x)))
}

pub(super) fn silu(x: Quad) -> Quad {
    if x.to_f64() == f64::NEG_INFINITY { Quad::from(-0.0) } else { x * sigmoid(x) }
}

pub(super) fn gelu(x: Quad) -> Quad {
    if x.to_f64() == f64::NEG_INFINITY { Quad::from(-0.0) } else { x * Quad::from(0.5) * erfc(negative(x) / sqrt(Quad::from(2.0))) }
}

pub(super) fn softplus(x: Quad) -> Quad {
    if x.to_f64() > 0.0 { x + log1p(exp(negative(x))) } else { log1p(exp(x)) }
}

fn of_sum(a: Quad, b: Quad, power: fn(Quad) -> Quad, unit: Quad) -> Quad {
    if a.to_f64().is_nan() || b.to_f64().is_nan() {
        return a + b;
    }
    let (large, small) = if a.to_f64() > b.to_f64() { (a, b) } else { (b, a) };
    if large.to_f64().is_infinite() { large } else { large + log1p(power(small - large)) / unit }
}

pub(super) fn logaddexp(a: Quad, b: Quad) -> Quad {
    of_sum(a, b, exp, Quad::from(1.0))
}

pub(super) fn logaddexp2(a: Quad, b: Quad) -> Quad {
    of_sum(a, b, exp2, log(Quad::from(2.0)))
}

/// The error of `ours` in units of the last place of the exact result; infinite where one of both is no number, or
/// the signs of zeros differ.
pub(super) fn error_ulps(ours: f64, exact: Quad) -> f64 {
    let near = exact.to_f64();
    if near.is_nan() || ours.is_nan() {
        return if near.is_nan() && ours.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if near == 0.0 && ours == 0.0 {
        // An exact result too small for a double has a sign too, but sums that cancel have either.
        return if near.is_sign_negative() == ours.is_sign_negative() { 0.0 } else { f64::INFINITY };
    }
    if near.is_infinite() || ours.is_infinite() {
        let other = if near.is_infinite() { ours } else { near };
        return if near == ours {
            0.0
        } else if other.abs() == f64::MAX {
            1.0
        } else {
            f64::INFINITY
        };
    }
    let exponent = ((near.to_bits() >> 52) & 0x7ff).max(1) as i32 - 1075;
    let half = exponent / 2;
    ((Quad::from(ours) - exact) * Quad::from(2f64.powi(-half)) * Quad::from(2f64.powi(half - exponent))).to_f64().abs()
}
