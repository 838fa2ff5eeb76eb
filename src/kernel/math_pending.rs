//! Stand-ins.
pub use super::math_real::*;
macro_rules! u { ($($n32:ident $n64:ident |$x:ident| $e:expr;)*) => {$(#[inline(always)] pub fn $n32($x: f32) -> f32 { let $x = f64::from($x); ($e) as f32 } #[inline(always)] pub fn $n64($x: f64) -> f64 { $e })*}; }
u! {
 exp2_f32 exp2_f64 |x| x.exp2(); expm1_f32 expm1_f64 |x| x.exp_m1(); log2_f32 log2_f64 |x| x.log2(); log10_f32 log10_f64 |x| x.log10(); log1p_f32 log1p_f64 |x| x.ln_1p();
 cbrt_f32 cbrt_f64 |x| x.cbrt(); sin_f32 sin_f64 |x| x.sin(); cos_f32 cos_f64 |x| x.cos(); tan_f32 tan_f64 |x| x.tan(); asin_f32 asin_f64 |x| x.asin(); acos_f32 acos_f64 |x| x.acos();
 atan_f32 atan_f64 |x| x.atan(); sinh_f32 sinh_f64 |x| x.sinh(); cosh_f32 cosh_f64 |x| x.cosh(); tanh_f32 tanh_f64 |x| x.tanh(); asinh_f32 asinh_f64 |x| x.asinh(); acosh_f32 acosh_f64 |x| x.acosh(); atanh_f32 atanh_f64 |x| x.atanh();
 sigmoid_f32 sigmoid_f64 |x| 1.0/(1.0+(-x).exp()); softplus_f32 softplus_f64 |x| x.max(0.0)+(-x.abs()).exp().ln_1p(); gelu_f32 gelu_f64 |x| x; silu_f32 silu_f64 |x| x/(1.0+(-x).exp()); erf_f32 erf_f64 |x| x.tanh(); erfc_f32 erfc_f64 |x| 1.0-x.tanh();
}
macro_rules! b { ($($n32:ident $n64:ident |$x:ident, $y:ident| $e:expr;)*) => {$(#[inline(always)] pub fn $n32($x: f32, $y: f32) -> f32 { let ($x,$y) = (f64::from($x),f64::from($y)); ($e) as f32 } #[inline(always)] pub fn $n64($x: f64, $y: f64) -> f64 { $e })*}; }
b! { hypot_f32 hypot_f64 |x,y| x.hypot(y); atan2_f32 atan2_f64 |x,y| x.atan2(y);
 logaddexp_f32 logaddexp_f64 |x,y| if x == y { x + std::f64::consts::LN_2 } else { x.max(y) + (-(x-y).abs()).exp().ln_1p() };
 logaddexp2_f32 logaddexp2_f64 |x,y| if x == y { x + 1.0 } else { x.max(y) + (-(x-y).abs()).exp2().ln_1p() / std::f64::consts::LN_2 };
}
