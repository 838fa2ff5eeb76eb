//! The element types as the kernels see them: floats that widen exactly to f64, integers that widen to i128,
//! and what a truth test or an ordering key is for each.

use super::lanes::Cell;
use half::{bf16, f16};

macro_rules! cells {
    ($($t:ty, $pad:expr;)*) => {$(
        impl Cell for $t {
            type Bytes = [u8; size_of::<$t>()];
            const PAD: Self = $pad;
            #[inline(always)]
            fn read(bytes: Self::Bytes) -> Self { <$t>::from_ne_bytes(bytes) }
        }
    )*};
}
cells! {
    i8, 0; i16, 0; i32, 0; i64, 0; u8, 0; u16, 0; u32, 0; u64, 0;
    f32, -0.0; f64, -0.0;
    f16, f16::from_bits(0x8000); bf16, bf16::from_bits(0x8000);
}

/// A `bool` element: one byte, any value but zero is true.
#[derive(Clone, Copy)]
pub(super) struct Truth(pub u8);

impl Cell for Truth {
    type Bytes = [u8; 1];
    const PAD: Self = Truth(0);
    #[inline(always)]
    fn read(bytes: [u8; 1]) -> Self {
        Truth(bytes[0])
    }
}

/// A float of at most 53 significant bits.
pub(crate) trait Float: Cell {
    /// Exponent of the lowest bit any finite value has: values are integers times `2^EXPONENT_MIN`.
    const EXPONENT_MIN: i32;
    /// All finite magnitudes are below `2^EXPONENT_END`.
    const EXPONENT_END: i32;
    /// Whether the square of every value is an f64. Then so are, but for their digits, products of six values and a number between
    /// 1 and 2.
    const SQUARE_IS_F64: bool;
    /// The same value as an f64.
    fn widen(self) -> f64;
    /// The bytes that [`Cell::read`] reads.
    fn bytes(self) -> Self::Bytes;
    /// Whether the sign bit is set.
    fn is_negative(self) -> bool;
    /// The bytes of neighbours.
    fn flat(cells: &[Self::Bytes]) -> &[u8];
    /// The bits without the sign, widened; larger bits are larger magnitudes.
    fn magnitude_bits(self) -> u32;
    /// Everything about [`Float::magnitude_bits`] that is not the exponent field: how far right the field is.
    const MAGNITUDE_SHIFT: u32;
    /// Exponent field value of infinities and NaN.
    const FIELD_SPECIAL: u32;
}

impl Float for f32 {
    const EXPONENT_MIN: i32 = -149;
    const EXPONENT_END: i32 = 128;
    const SQUARE_IS_F64: bool = true;
    const MAGNITUDE_SHIFT: u32 = 23;
    const FIELD_SPECIAL: u32 = 255;
    #[inline(always)]
    fn widen(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn bytes(self) -> Self::Bytes {
        self.to_ne_bytes()
    }
    #[inline(always)]
    fn is_negative(self) -> bool {
        self.is_sign_negative()
    }
    #[inline(always)]
    fn flat(cells: &[Self::Bytes]) -> &[u8] {
        cells.as_flattened()
    }
    #[inline(always)]
    fn magnitude_bits(self) -> u32 {
        self.to_bits() & 0x7fff_ffff
    }
}

impl Float for f64 {
    const EXPONENT_MIN: i32 = -1074;
    const EXPONENT_END: i32 = 1024;
    const SQUARE_IS_F64: bool = false;
    // The upper half of the bits is enough for the exponent; a sticky bit keeps "not zero".
    const MAGNITUDE_SHIFT: u32 = 20;
    const FIELD_SPECIAL: u32 = 2047;
    #[inline(always)]
    fn widen(self) -> f64 {
        self
    }
    #[inline(always)]
    fn bytes(self) -> Self::Bytes {
        self.to_ne_bytes()
    }
    #[inline(always)]
    fn is_negative(self) -> bool {
        self.is_sign_negative()
    }
    #[inline(always)]
    fn flat(cells: &[Self::Bytes]) -> &[u8] {
        cells.as_flattened()
    }
    #[inline(always)]
    fn magnitude_bits(self) -> u32 {
        let bits = self.to_bits();
        ((bits >> 32) as u32 & 0x7fff_ffff) | u32::from(bits as u32 != 0)
    }
}

impl Float for bf16 {
    const EXPONENT_MIN: i32 = -133;
    const EXPONENT_END: i32 = 128;
    const SQUARE_IS_F64: bool = true;
    const MAGNITUDE_SHIFT: u32 = 7;
    const FIELD_SPECIAL: u32 = 255;
    #[inline(always)]
    fn widen(self) -> f64 {
        f64::from(f32::from_bits(u32::from(self.to_bits()) << 16))
    }
    #[inline(always)]
    fn bytes(self) -> Self::Bytes {
        self.to_ne_bytes()
    }
    #[inline(always)]
    fn is_negative(self) -> bool {
        self.is_sign_negative()
    }
    #[inline(always)]
    fn flat(cells: &[Self::Bytes]) -> &[u8] {
        cells.as_flattened()
    }
    #[inline(always)]
    fn magnitude_bits(self) -> u32 {
        u32::from(self.to_bits() & 0x7fff)
    }
}

impl Float for f16 {
    const EXPONENT_MIN: i32 = -24;
    const EXPONENT_END: i32 = 16;
    const SQUARE_IS_F64: bool = true;
    const MAGNITUDE_SHIFT: u32 = 10;
    const FIELD_SPECIAL: u32 = 31;
    /// Exponent and mantissa are moved into an f32 and scaled by `2^112`, which is exact and makes f16 subnormals
    /// normal; infinities and NaN get the full exponent field instead. No branch, so the lanes vectorise.
    #[inline(always)]
    fn widen(self) -> f64 {
        let bits = u32::from(self.to_bits());
        let shifted = (bits & 0x7fff) << 13;
        let finite = (f32::from_bits(shifted) * f32::from_bits((112 + 127) << 23)).to_bits();
        let magnitude = if bits & 0x7c00 == 0x7c00 { shifted | 0x7f80_0000 } else { finite };
        f64::from(f32::from_bits(magnitude | (bits & 0x8000) << 16))
    }
    #[inline(always)]
    fn bytes(self) -> Self::Bytes {
        self.to_ne_bytes()
    }
    #[inline(always)]
    fn is_negative(self) -> bool {
        self.is_sign_negative()
    }
    #[inline(always)]
    fn flat(cells: &[Self::Bytes]) -> &[u8] {
        cells.as_flattened()
    }
    #[inline(always)]
    fn magnitude_bits(self) -> u32 {
        u32::from(self.to_bits() & 0x7fff)
    }
}

/// An integer or `bool`.
pub(super) trait Whole: Cell {
    /// How the sums are kept inside a tile.
    const WIDTH: WholeWidth;
    /// Whether the type is unsigned (`bool` is).
    const UNSIGNED: bool;
    /// The value, sign extended; `u64` above `i64::MAX` wraps.
    fn wrapped(self) -> i64;
}

/// How wide the elements are, which decides the lane arithmetic that cannot overflow within a tile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WholeWidth {
    /// At most 16 bits: a square fits 32 bits.
    Short,
    /// 32 bits: a square fits 64 bits.
    Middle,
    /// 64 bits.
    Long,
}

macro_rules! wholes {
    ($($t:ty, $width:ident, $unsigned:expr;)*) => {$(
        impl Whole for $t {
            const WIDTH: WholeWidth = WholeWidth::$width;
            const UNSIGNED: bool = $unsigned;
            #[inline(always)]
            fn wrapped(self) -> i64 { self as i64 }
        }
    )*};
}
wholes! {
    i8, Short, false; i16, Short, false; i32, Middle, false; i64, Long, false;
    u8, Short, true; u16, Short, true; u32, Middle, true; u64, Long, true;
}

impl Whole for Truth {
    const WIDTH: WholeWidth = WholeWidth::Short;
    const UNSIGNED: bool = true;
    #[inline(always)]
    fn wrapped(self) -> i64 {
        i64::from(self.0 != 0)
    }
}
