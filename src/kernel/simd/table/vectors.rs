//! Which vectors the functions of an instruction set are computed with.

use super::Baseline;
#[cfg(target_arch = "x86_64")]
use super::{Avx2Set, Avx512Set};
use crate::kernel::math::Lanes;
#[cfg(target_arch = "x86_64")]
use crate::kernel::{
    math::Both,
    simd::lanes::{Narrow8, Wide4, Wide8, Wide16},
};

impl Lanes for Baseline {
    type F64 = f64;
    type F32 = f32;
    type F64Twice = f64;
    type F32Twice = f32;
}

/// Two vectors at once need more registers than there are.
#[cfg(target_arch = "x86_64")]
impl Lanes for Avx2Set {
    type F64 = Wide4;
    type F32 = Narrow8;
    type F64Twice = Wide4;
    type F32Twice = Narrow8;
}

#[cfg(target_arch = "x86_64")]
impl Lanes for Avx512Set {
    type F64 = Wide8;
    type F32 = Wide16;
    type F64Twice = Both<Wide8>;
    type F32Twice = Both<Wide16>;
}
