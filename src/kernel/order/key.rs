//! Elements as keys: signed integers of the element's width that order as the elements do.

use half::{bf16, f16};

/// A signed integer as a key.
pub(crate) trait Key: Copy + Ord + Default + Send + Sync + 'static {
    /// The lowest key.
    const LOWEST: Self;
    /// The highest key: NaN, where the dtype has one.
    const HIGHEST: Self;
    fn widen(self) -> i64;
    /// The key of a value that fits.
    fn narrow(wide: i64) -> Self;
    /// 1 or 0 of the key's own width, so that counting loops stay in lanes of one width.
    fn one_if(truth: bool) -> Self;
    fn plus(self, other: Self) -> Self;

    /// The key by which elements are compared and not told apart: `-0` is `+0`.
    #[inline(always)]
    fn folded<C: Cell<Key = Self>>(self) -> i64 {
        // The key of -0 is the one before that of +0.
        let key = self.widen();
        if C::HAS_NAN && key == -1 { 0 } else { key }
    }
}

macro_rules! keys {
    ($($t:ty),*) => {$(
        impl Key for $t {
            const LOWEST: Self = <$t>::MIN;
            const HIGHEST: Self = <$t>::MAX;
            #[inline(always)]
            fn widen(self) -> i64 { i64::from(self) }
            #[inline(always)]
            fn narrow(wide: i64) -> Self { wide as $t }
            #[inline(always)]
            fn one_if(truth: bool) -> Self { <$t>::from(truth) }
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
        }
    )*};
}
keys!(i8, i16, i32, i64);

/// An element of a dtype, read from its native bytes at any alignment.
pub(crate) trait Cell: 'static {
    type Key: Key;
    type Bytes: Copy + Default;
    /// Whether the highest key is NaN.
    const HAS_NAN: bool;
    fn key(bytes: Self::Bytes) -> Self::Key;
    fn bytes(key: Self::Key) -> Self::Bytes;
    /// The bytes of a block as elements.
    fn cells(bytes: &[u8]) -> &[Self::Bytes];
    fn cells_mut(bytes: &mut [u8]) -> &mut [Self::Bytes];
}

macro_rules! of_bytes {
    ($size:expr) => {
        type Bytes = [u8; $size];
        #[inline(always)]
        fn cells(bytes: &[u8]) -> &[Self::Bytes] {
            bytes.as_chunks().0
        }
        #[inline(always)]
        fn cells_mut(bytes: &mut [u8]) -> &mut [Self::Bytes] {
            bytes.as_chunks_mut().0
        }
    };
}

macro_rules! wholes {
    ($($t:ty, $key:ty, $size:expr, $flip:expr;)*) => {$(
        impl Cell for $t {
            type Key = $key;
            const HAS_NAN: bool = false;
            of_bytes!($size);
            #[inline(always)]
            fn key(bytes: Self::Bytes) -> $key { <$t>::from_ne_bytes(bytes) as $key ^ $flip }
            #[inline(always)]
            fn bytes(key: $key) -> Self::Bytes { (key ^ $flip).to_ne_bytes() }
        }
    )*};
}
wholes! {
    i8, i8, 1, 0; i16, i16, 2, 0; i32, i32, 4, 0; i64, i64, 8, 0;
    u8, i8, 1, i8::MIN; u16, i16, 2, i16::MIN; u32, i32, 4, i32::MIN; u64, i64, 8, i64::MIN;
}

/// A byte that is true unless it is 0.
impl Cell for bool {
    type Key = i8;
    const HAS_NAN: bool = false;
    of_bytes!(1);
    #[inline(always)]
    fn key(bytes: [u8; 1]) -> i8 {
        i8::from(bytes[0] != 0)
    }
    #[inline(always)]
    fn bytes(key: i8) -> [u8; 1] {
        [u8::from(key != 0)]
    }
}

macro_rules! floats {
    ($($t:ty, $key:ty, $size:expr, $infinity:expr, $nan:expr;)*) => {$(
        impl Cell for $t {
            type Key = $key;
            const HAS_NAN: bool = true;
            of_bytes!($size);
            #[inline(always)]
            fn key(bytes: Self::Bytes) -> $key {
                let bits = <$key>::from_ne_bytes(bytes);
                // Negative numbers order backwards by their bits: complement all but the sign.
                let ordered = bits ^ ((bits >> (<$key>::BITS - 1)) & <$key>::MAX);
                if bits & <$key>::MAX > $infinity { <$key>::MAX } else { ordered }
            }
            #[inline(always)]
            fn bytes(key: $key) -> Self::Bytes {
                let bits: $key = if key == <$key>::MAX { $nan } else { key ^ ((key >> (<$key>::BITS - 1)) & <$key>::MAX) };
                bits.to_ne_bytes()
            }
        }
    )*};
}
floats! {
    f16, i16, 2, 0x7c00, 0x7e00;
    bf16, i16, 2, 0x7f80, 0x7fc0;
    f32, i32, 4, 0x7f80_0000, 0x7fc0_0000;
    f64, i64, 8, 0x7ff0_0000_0000_0000, 0x7ff8_0000_0000_0000;
}

/// Runs `$body` with `$t` bound to the Rust type of `$dtype`, which is a [`Cell`].
macro_rules! of_cell {
    ($dtype:expr, $t:ident => $body:expr) => {
        $crate::dispatch!($dtype, $t => $body)
    };
}
pub(crate) use of_cell;

/// The value of a key of `dtype` for arithmetic: exact but for integers beyond 2^53, of which the second part is the rest.
#[must_use]
pub(crate) fn value_of(dtype: crate::nd::DType, key: i64) -> (f64, f64) {
    fn float<C: Cell>(key: i64, read: fn(C::Bytes) -> f64) -> (f64, f64) {
        (read(C::bytes(C::Key::narrow(key))), 0.0)
    }
    use crate::nd::DType;
    match dtype {
        DType::F16 => float::<f16>(key, |bytes| f16::from_ne_bytes(bytes).to_f64()),
        DType::BF16 => float::<bf16>(key, |bytes| bf16::from_ne_bytes(bytes).to_f64()),
        DType::F32 => float::<f32>(key, |bytes| f64::from(f32::from_ne_bytes(bytes))),
        DType::F64 => float::<f64>(key, f64::from_ne_bytes),
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => {
            let low = match dtype {
                DType::U8 => i128::from(i8::MIN),
                DType::U16 => i128::from(i16::MIN),
                DType::U32 => i128::from(i32::MIN),
                _ => i128::from(i64::MIN),
            };
            split(i128::from(key) - low)
        }
        _ => split(i128::from(key)),
    }
}

/// An integer as a float and the rest.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "the rest is what the first lost")]
fn split(whole: i128) -> (f64, f64) {
    let high = whole as f64;
    (high, (whole - high as i128) as f64)
}

/// The native bytes of `key` of `dtype`.
pub(crate) fn write_key(dtype: crate::nd::DType, key: i64, out: &mut [u8]) {
    of_cell!(dtype, T => T::cells_mut(out)[0] = <T as Cell>::bytes(<T as Cell>::Key::narrow(key)));
}
