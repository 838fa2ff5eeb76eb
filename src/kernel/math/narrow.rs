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

/// Magnitudes up to this are served by the `_near` functions of `f32`.
pub const TRIG_NEAR_F32: f32 = 1_073_741_824.0;

narrow! {
    /// [`sin_f32`] up to [`TRIG_NEAR_F32`], the same bits.
    sin_near_f32(x) = sin_near_f64;
    /// [`cos_f32`] up to [`TRIG_NEAR_F32`], the same bits.
    cos_near_f32(x) = cos_near_f64;
    /// [`tan_f32`] up to [`TRIG_NEAR_F32`], the same bits.
    tan_near_f32(x) = tan_near_f64;
    /// 2 to the power `x`.
    exp2_f32(x) = exp2_f64;
    /// `e^x - 1`, accurate near zero.
    expm1_f32(x) = expm1_f64;
    /// Logarithm to base 2.
    log2_f32(x) = log2_f64;
    /// Logarithm to base 10.
    log10_f32(x) = log10_f64;
    /// `log(1 + x)`, accurate near zero.
    log1p_f32(x) = log1p_f64;
    /// Cube root.
    cbrt_f32(x) = cbrt_f64;
    /// Sine.
    sin_f32(x) = sin_f64;
    /// Cosine.
    cos_f32(x) = cos_f64;
    /// Tangent.
    tan_f32(x) = tan_f64;
    /// Arc sine.
    asin_f32(x) = asin_f64;
    /// Arc cosine.
    acos_f32(x) = acos_f64;
    /// Arc tangent.
    atan_f32(x) = atan_f64;
    /// The angle of the point (`x`, `y`), as C's `atan2`.
    atan2_f32(y, x) = atan2_f64;
    /// Hyperbolic sine.
    sinh_f32(x) = sinh_f64;
    /// Hyperbolic cosine.
    cosh_f32(x) = cosh_f64;
    /// Hyperbolic tangent.
    tanh_f32(x) = tanh_f64;
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
    /// `1 / (1 + e^-x)`.
    sigmoid_f32(x) = sigmoid_f64;
    /// `log(1 + e^x)`.
    softplus_f32(x) = softplus_f64;
    /// `x * (1 + erf(x / sqrt 2)) / 2`; minus infinity gives its limit, -0.
    gelu_f32(x) = gelu_f64;
    /// `x / (1 + e^-x)`; minus infinity gives its limit, -0.
    silu_f32(x) = silu_f64;
    /// Error function.
    erf_f32(x) = erf_f64;
    /// Complementary error function, `1 - erf x`.
    erfc_f32(x) = erfc_f64;
}
