//! sin, cos, tan of `f32`: in `f32` up to [`TRIG_NEAR_F32`], beyond by the functions of `f64`. The `_near` functions
//! hold up to there and are bit for bit the same: a tile without larger numbers may use them.

use super::{
    coefficients::{COS_F32, HALF_PI_F32, SIN_F32, TAN_F32},
    single::{ROUND, fast_two_sum, polynomial, two_sum},
    trig::{cos_f64, sin_f64, tan_f64},
};

/// Magnitudes up to this are served by the `_near` functions of `f32`.
pub const TRIG_NEAR_F32: f32 = 98_304.0;

/// `|x|` modulo pi/2 as a sum of two, and the quadrant in the low bits.
#[inline(always)]
fn reduce(magnitude: f32) -> (f32, f32, u32) {
    let shifted = magnitude.mul_add(std::f32::consts::FRAC_2_PI, ROUND);
    let k = shifted - ROUND;
    // The first difference is exact.
    let first = (-k).mul_add(HALF_PI_F32[0], magnitude);
    let product = k * HALF_PI_F32[1];
    let error = k.mul_add(HALF_PI_F32[1], -product);
    let sum = two_sum(first, -product);
    (sum.0, (-k).mul_add(HALF_PI_F32[2], sum.1 - error), shifted.to_bits())
}

/// The sine of `|x|`, `turn` quarter turns on.
#[inline(always)]
fn sine(magnitude: f32, turn: u32) -> f32 {
    let (r, low, quarters) = reduce(magnitude);
    let quarters = quarters.wrapping_add(turn);
    let z = r * r;
    let sin = r + polynomial(&SIN_F32, z).mul_add(z * r, low);
    let cos = fast_two_sum(1.0, -0.5 * z);
    let cos = cos.0 + polynomial(&COS_F32, z).mul_add(z * z, (-r).mul_add(low, cos.1));
    let value = if quarters & 1 == 0 { sin } else { cos };
    f32::from_bits(value.to_bits() ^ ((quarters & 2) << 30))
}

#[inline(always)]
fn signed(x: f32, value: f32) -> f32 {
    f32::from_bits(value.to_bits() ^ (x.to_bits() & (1 << 31)))
}

/// [`sin_f32`] up to [`TRIG_NEAR_F32`].
#[inline(always)]
#[must_use]
pub fn sin_near_f32(x: f32) -> f32 {
    signed(x, sine(x.abs(), 0))
}

/// [`cos_f32`] up to [`TRIG_NEAR_F32`].
#[inline(always)]
#[must_use]
pub fn cos_near_f32(x: f32) -> f32 {
    sine(x.abs(), 1)
}

/// [`tan_f32`] up to [`TRIG_NEAR_F32`].
#[inline(always)]
#[must_use]
pub fn tan_near_f32(x: f32) -> f32 {
    let (r, low, quarters) = reduce(x.abs());
    let z = r * r;
    // The derivative of the tangent is 1 + tan^2.
    let tail = polynomial(&TAN_F32, z).mul_add(z * r, z.mul_add(low, low));
    let tan = fast_two_sum(r, tail);
    let inverse = -1.0 / tan.0;
    let error = inverse.mul_add(tan.0, 1.0) + inverse * tan.1;
    let odd = error.mul_add(inverse, inverse);
    signed(x, if quarters & 1 == 0 { tan.0 } else { odd })
}

macro_rules! complete {
    ($(#[$doc:meta])* $name:ident $near:ident $wide:ident) => {
        $(#[$doc])*
        #[inline(always)]
        #[must_use]
        pub fn $name(x: f32) -> f32 {
            let (near, far) = ($near(x), $wide(f64::from(x)) as f32);
            if x.abs() <= TRIG_NEAR_F32 { near } else { far }
        }
    };
}

complete!(
    /// Sine.
    sin_f32 sin_near_f32 sin_f64
);
complete!(
    /// Cosine.
    cos_f32 cos_near_f32 cos_f64
);
complete!(
    /// Tangent.
    tan_f32 tan_near_f32 tan_f64
);
