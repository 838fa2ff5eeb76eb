//! The functions of `f32` that compute in `f64` and round once.

use super::*;

macro_rules! narrow {
    ($($(#[$doc:meta])* $name:ident($($x:ident),*) = $wide:ident;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        #[must_use]
        pub fn $name($($x: f32),*) -> f32 {
            $wide($(f64::from($x)),*) as f32
        }
    )*};
}

narrow! {
    /// Inverse hyperbolic sine.
    asinh_f32(x) = asinh_f64;
    /// Inverse hyperbolic cosine.
    acosh_f32(x) = acosh_f64;
    /// Inverse hyperbolic tangent.
    atanh_f32(x) = atanh_f64;
    /// `sqrt(x^2 + y^2)` without overflow on the way.
    hypot_f32(x, y) = hypot_f64;
    /// `log(e^a + e^b)`.
    logaddexp_f32(a, b) = logaddexp_f64;
    /// `log2(2^a + 2^b)`.
    logaddexp2_f32(a, b) = logaddexp2_f64;
    /// `log(1 + e^x)`.
    softplus_f32(x) = softplus_f64;
    /// `x * (1 + erf(x / sqrt 2)) / 2`; minus infinity gives its limit, -0.
    gelu_f32(x) = gelu_f64;
    /// Complementary error function, `1 - erf x`.
    erfc_f32(x) = erfc_f64;
}
