//! Rust types that can be elements, and [`crate::dispatch!`] from a [`DType`] to its Rust type.

use crate::nd::DType;
use half::{bf16, f16};

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that is the element of an array. Sealed: the dtypes are a closed set.
pub trait Element:
    sealed::Sealed + Copy + Default + PartialEq + PartialOrd + Send + Sync + std::fmt::Debug + std::fmt::Display + 'static
{
    /// The dtype of this Rust type.
    const DTYPE: DType;
    /// The elements as bytes in native order.
    fn as_bytes(elements: &[Self]) -> &[u8];
    /// The elements as bytes that may be overwritten with bytes of elements.
    fn write_bytes(elements: &mut [Self], bytes: &[u8]);
    /// One element from its native-order bytes (a `bool` is any byte but zero).
    fn from_bytes(bytes: &[u8]) -> Self;
}

macro_rules! element {
    ($($t:ty => $d:ident),*) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$d;
            fn as_bytes(elements: &[Self]) -> &[u8] { bytemuck::cast_slice(elements) }
            fn write_bytes(elements: &mut [Self], bytes: &[u8]) { bytemuck::cast_slice_mut::<$t, u8>(elements).copy_from_slice(bytes) }
            fn from_bytes(bytes: &[u8]) -> Self { bytemuck::pod_read_unaligned(bytes) }
        }
    )*};
}
element!(i8 => I8, i16 => I16, i32 => I32, i64 => I64, u8 => U8, u16 => U16, u32 => U32, u64 => U64, f16 => F16, bf16 => BF16, f32 => F32, f64 => F64);

impl sealed::Sealed for bool {}
impl Element for bool {
    const DTYPE: DType = DType::Bool;
    fn as_bytes(elements: &[Self]) -> &[u8] {
        bytemuck::cast_slice(elements)
    }
    fn write_bytes(elements: &mut [Self], bytes: &[u8]) {
        assert_eq!(elements.len(), bytes.len(), "one byte per bool");
        for (element, byte) in elements.iter_mut().zip(bytes) {
            *element = *byte != 0;
        }
    }
    fn from_bytes(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }
}

/// Runs `$body` with the type alias `$t` bound to the Rust type of `$dtype`; `bool` is bound to `bool`.
///
/// `dispatch!(dtype, T => size_of::<T>())` expands to a `match` with one arm per dtype.
#[macro_export]
#[doc(hidden)]
macro_rules! dispatch {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::nd::DType::Bool => {
                type $t = bool;
                $body
            }
            $crate::nd::DType::I8 => {
                type $t = i8;
                $body
            }
            $crate::nd::DType::I16 => {
                type $t = i16;
                $body
            }
            $crate::nd::DType::I32 => {
                type $t = i32;
                $body
            }
            $crate::nd::DType::I64 => {
                type $t = i64;
                $body
            }
            $crate::nd::DType::U8 => {
                type $t = u8;
                $body
            }
            $crate::nd::DType::U16 => {
                type $t = u16;
                $body
            }
            $crate::nd::DType::U32 => {
                type $t = u32;
                $body
            }
            $crate::nd::DType::U64 => {
                type $t = u64;
                $body
            }
            $crate::nd::DType::F16 => {
                type $t = half::f16;
                $body
            }
            $crate::nd::DType::BF16 => {
                type $t = half::bf16;
                $body
            }
            $crate::nd::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::nd::DType::F64 => {
                type $t = f64;
                $body
            }
        }
    };
}
