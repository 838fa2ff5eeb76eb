//! How elements lie in memory and what operations see: narrow floats are widened, bools are any byte but zero.
//!
//! Everything is branch-free so that loops over it vectorise on every instruction set.

pub(crate) use crate::nd::scalar::f64_to_f32_odd;
use bytemuck::Pod;
use half::{bf16, f16};

/// An element type as stored (`Bits`) and as computed with (`Wide`).
pub(crate) trait Lane: 'static {
    /// What memory holds.
    type Bits: Pod;
    /// What operations take and give.
    type Wide: Copy;
    fn widen(bits: Self::Bits) -> Self::Wide;
    fn narrow(wide: Self::Wide) -> Self::Bits;
}

macro_rules! plain {
    ($($t:ty)*) => {$(
        impl Lane for $t {
            type Bits = $t;
            type Wide = $t;
            #[inline(always)]
            fn widen(bits: $t) -> $t { bits }
            #[inline(always)]
            fn narrow(wide: $t) -> $t { wide }
        }
    )*};
}
plain!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);

impl Lane for bool {
    type Bits = u8;
    type Wide = bool;
    #[inline(always)]
    fn widen(bits: u8) -> bool {
        bits != 0
    }
    #[inline(always)]
    fn narrow(wide: bool) -> u8 {
        u8::from(wide)
    }
}

impl Lane for f16 {
    type Bits = u16;
    type Wide = f32;
    #[inline(always)]
    fn widen(bits: u16) -> f32 {
        f16_to_f32(bits)
    }
    #[inline(always)]
    fn narrow(wide: f32) -> u16 {
        f32_to_f16(wide)
    }
}

impl Lane for bf16 {
    type Bits = u16;
    type Wide = f32;
    #[inline(always)]
    fn widen(bits: u16) -> f32 {
        f32::from_bits(u32::from(bits) << 16)
    }
    #[inline(always)]
    fn narrow(wide: f32) -> u16 {
        f32_to_bf16(wide)
    }
}

/// Half floats to be compared, as integers in their order; `INFINITY` is the bits of that. What is no number is the least integer.
pub(crate) struct Ordered<const INFINITY: u16>;

/// What is no number, in [`Ordered`].
pub(crate) const UNORDERED: i16 = i16::MIN;

impl<const INFINITY: u16> Lane for Ordered<INFINITY> {
    type Bits = u16;
    type Wide = i16;
    #[inline(always)]
    fn widen(bits: u16) -> i16 {
        let magnitude = (bits & 0x7fff) as i16;
        let sign = (bits as i16) >> 15;
        let value = (magnitude ^ sign) - sign;
        if magnitude > INFINITY as i16 { UNORDERED } else { value }
    }
    /// Back to bits; both zeros are the positive one.
    #[inline(always)]
    fn narrow(wide: i16) -> u16 {
        let negative = if wide < 0 { 0x8000 } else { 0 };
        wide.unsigned_abs() | negative
    }
}

/// The value of binary16 bits. Multiplying by 2^112 moves the exponent and normalises subnormals in one exact step.
#[inline(always)]
pub(crate) fn f16_to_f32(bits: u16) -> f32 {
    let magnitude = (u32::from(bits) & 0x7fff) << 13;
    let scaled = (f32::from_bits(magnitude) * f32::from_bits(0x7780_0000)).to_bits();
    let special = magnitude | 0x7f80_0000;
    let value = if magnitude >= 0x0f80_0000 { special } else { scaled };
    f32::from_bits(value | ((u32::from(bits) & 0x8000) << 16))
}

/// binary16 bits of a value, rounded to nearest even.
#[inline(always)]
pub(crate) fn f32_to_f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    // Subnormal halves: adding 0.5 aligns the value so that the FPU rounds at bit 2^-24.
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0x3f00_0000);
    let odd = (magnitude >> 13) & 1;
    let normal = magnitude.wrapping_sub(0x3800_0000).wrapping_add(0xfff + odd) >> 13;
    let finite = if magnitude < 0x3880_0000 { subnormal } else { normal };
    // 65520 and above round to infinity.
    let large = if magnitude > 0x7f80_0000 { 0x7e00 } else { 0x7c00 };
    let rounded = if magnitude >= 0x477f_f000 { large } else { finite };
    (rounded | ((bits >> 16) & 0x8000)) as u16
}

/// bfloat16 bits of a value, rounded to nearest even.
#[inline(always)]
pub(crate) fn f32_to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
    let nan = (bits >> 16) | 0x40;
    (if bits & 0x7fff_ffff > 0x7f80_0000 { nan } else { rounded }) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "every half float, twice")]
    fn half_conversions_agree_with_the_reference() {
        for bits in 0..=u16::MAX {
            let (ours, theirs) = (f16_to_f32(bits), f16::from_bits(bits).to_f32());
            assert!(ours == theirs || (ours.is_nan() && theirs.is_nan()), "{bits:#x}");
            if !ours.is_nan() {
                assert_eq!(f32_to_f16(ours), bits);
            }
        }
        let mut state = 1u64;
        for _ in 0..2_000_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let value = f32::from_bits((state >> 32) as u32);
            let near = f32::from_bits((0x3300_0000 + ((state >> 32) as u32 & 0x1fff_ffff)) & 0x7fff_ffff);
            for value in [value, near] {
                if !value.is_nan() {
                    assert_eq!(f32_to_f16(value), f16::from_f32(value).to_bits(), "{value:e}");
                    assert_eq!(f32_to_bf16(value), bf16::from_f32(value).to_bits(), "{value:e}");
                }
            }
            let wide = f64::from(near) * (1.0 + (state & 0xffff) as f64 * 2f64.powi(-52));
            // `half` drops the low 32 bits of a double before it rounds; keep to values where they are zero.
            let coarse = f64::from_bits(wide.to_bits() >> 32 << 32);
            assert_eq!(f32_to_f16(f64_to_f32_odd(coarse)), f16::from_f64(coarse).to_bits(), "{coarse:e}");
            assert_eq!(f32_to_bf16(f64_to_f32_odd(wide)), crate::kernel::oracle::bf16_of_f64(wide), "{wide:e}");
        }
        assert!(f32::from_bits(u32::from(f32_to_bf16(f32::NAN)) << 16).is_nan());
        assert!(f16_to_f32(f32_to_f16(f32::NAN)).is_nan());
        assert!(f64_to_f32_odd(f64::NAN).is_nan());
    }
}
