//! Elementary functions: branch-free, the same bits on every instruction set (`mul_add` is one rounding everywhere),
//! the same bits for a scalar, a vector and its tail. Errors: `f32` at most 1.5 ULP, `f64` at most 1 ULP; `docs/math.md`
//! has the measured ones. Special values are those of C's functions.

mod arc;
mod arc_single;
mod both;
mod coefficients;
mod erf;
mod erf_single;
mod exp;
mod exp_single;
#[cfg(test)]
mod hashes;
mod hyperbolic;
mod log;
mod log_single;
mod logarithm_tables;
mod logistic;
mod narrow;
mod pair;
mod power;
mod powers;
mod real;
mod reduce;
mod root;
mod single;
mod tables;
#[cfg(test)]
mod tests;
mod trig;
mod trig_single;

pub(crate) use both::Both;
pub(crate) use real::{Lanes, Real, map};

pub(crate) use arc::{acos, asin, atan, atan2};
pub use arc::{acos_f64, asin_f64, atan_f64, atan2_f64};
pub(crate) use arc_single::atan_single;
pub use arc_single::{acos_f32, asin_f32, atan_f32, atan2_f32};
pub use erf::{erf_f64, erfc_f64, gelu_f64};
pub use erf_single::erf_f32;
pub use exp::expm1_f64;
pub use exp_single::{expm1_f32, sigmoid_f32, silu_f32};
pub(crate) use hyperbolic::{acosh, acosh_single, asinh, asinh_single, atanh, atanh_single};
pub use hyperbolic::{acosh_f32, acosh_f64, asinh_f32, asinh_f64, atanh_f32, atanh_f64};
pub(crate) use log::{log, log1p, log2, log10};
pub use log::{log_f64, log1p_f64, log2_f64, log10_f64};
pub use log_single::{log_f32, log1p_f32, log2_f32, log10_f32};
pub(crate) use log_single::{log_single, log1p_single, log2_single, log10_single};
pub use logistic::{logaddexp_f64, logaddexp2_f64, sigmoid_f64, silu_f64, softplus_f64};
pub use narrow::*;
pub(crate) use power::{power, power_single};
pub use power::{power_f32, power_f64};
pub(crate) use powers::{cosh, cosh_single, exp, exp_single, exp2, exp2_single, sinh, sinh_single, tanh, tanh_single};
pub use powers::{cosh_f32, cosh_f64, exp_f32, exp_f64, exp2_f32, exp2_f64, sinh_f32, sinh_f64, tanh_f32, tanh_f64};
pub(crate) use root::{cbrt, cbrt_single};
pub use root::{cbrt_f32, cbrt_f64, hypot_f64};
pub use trig::{TRIG_NEAR, cos_f64, sin_f64, tan_f64};
pub(crate) use trig::{cos_near, sin_near, tan_near};
pub use trig_single::{TRIG_NEAR_F32, cos_f32, sin_f32, tan_f32};
pub(crate) use trig_single::{cos_near_single, sin_near_single, tan_near_single};

/// ln 2 in 32 bits, so that its product with any exponent is exact.
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
/// ln 2 - [`LN2_HIGH`].
const LN2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
