//! Elementary functions: branch-free, the same bits on every instruction set (`mul_add` is one rounding everywhere),
//! the same bits for a scalar, a vector and its tail. Errors: `f32` below 0.51 ULP, `f64` below 1 ULP.
//!
//! The narrow functions compute in `f64` and round once.

mod exp;
mod log;
mod power;
#[cfg(test)]
mod tests;

pub use exp::{exp_f32, exp_f64};
pub use log::{log_f32, log_f64};
pub use power::{power_f32, power_f64};

/// ln 2 in 32 bits, so that its product with any exponent is exact.
const LN2_HIGH: f64 = f64::from_bits(0x3fe6_2e42_fee0_0000);
/// ln 2 - [`LN2_HIGH`].
const LN2_LOW: f64 = f64::from_bits(0x3dea_39ef_3579_3c76);
