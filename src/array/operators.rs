//! Rust's operators on arrays: on values and references, with arrays and literals on either side.

use super::{
    node::Array,
    operand::ScalarSide,
    words::{BinaryOp, Scalar, UnaryOp},
};
use std::ops;

macro_rules! arrays {
    ($($trait:ident $method:ident $op:ident;)*) => {$(
        impl ops::$trait<Array> for Array {
            type Output = Array;
            #[track_caller]
            fn $method(self, other: Array) -> Array { Array::binary(BinaryOp::$op, &self, &other) }
        }
        impl ops::$trait<&Array> for Array {
            type Output = Array;
            #[track_caller]
            fn $method(self, other: &Array) -> Array { Array::binary(BinaryOp::$op, &self, other) }
        }
        impl ops::$trait<Array> for &Array {
            type Output = Array;
            #[track_caller]
            fn $method(self, other: Array) -> Array { Array::binary(BinaryOp::$op, self, &other) }
        }
        impl ops::$trait<&Array> for &Array {
            type Output = Array;
            #[track_caller]
            fn $method(self, other: &Array) -> Array { Array::binary(BinaryOp::$op, self, other) }
        }
    )*};
}
arrays! {
    Add add Add;
    Sub sub Subtract;
    Mul mul Multiply;
    Div div Divide;
    Rem rem Remainder;
    BitAnd bitand BitwiseAnd;
    BitOr bitor BitwiseOr;
    BitXor bitxor BitwiseXor;
}

macro_rules! literals {
    ($trait:ident $method:ident $op:ident: $($t:ty),*) => {$(
        impl ops::$trait<$t> for Array {
            type Output = Array;
            #[track_caller]
            fn $method(self, other: $t) -> Array { Array::binary_scalar(BinaryOp::$op, &self, Scalar::from(other), ScalarSide::Right) }
        }
        impl ops::$trait<$t> for &Array {
            type Output = Array;
            #[track_caller]
            fn $method(self, other: $t) -> Array { Array::binary_scalar(BinaryOp::$op, self, Scalar::from(other), ScalarSide::Right) }
        }
        impl ops::$trait<Array> for $t {
            type Output = Array;
            #[track_caller]
            fn $method(self, other: Array) -> Array { Array::binary_scalar(BinaryOp::$op, &other, Scalar::from(self), ScalarSide::Left) }
        }
        impl ops::$trait<&Array> for $t {
            type Output = Array;
            #[track_caller]
            fn $method(self, other: &Array) -> Array { Array::binary_scalar(BinaryOp::$op, other, Scalar::from(self), ScalarSide::Left) }
        }
    )*};
}
literals!(Add add Add: i8, i16, i32, i64, u8, u16, u32, u64, usize, f32, f64);
literals!(Sub sub Subtract: i8, i16, i32, i64, u8, u16, u32, u64, usize, f32, f64);
literals!(Mul mul Multiply: i8, i16, i32, i64, u8, u16, u32, u64, usize, f32, f64);
literals!(Div div Divide: i8, i16, i32, i64, u8, u16, u32, u64, usize, f32, f64);
literals!(Rem rem Remainder: i8, i16, i32, i64, u8, u16, u32, u64, usize, f32, f64);
literals!(BitAnd bitand BitwiseAnd: bool, i8, i16, i32, i64, u8, u16, u32, u64, usize);
literals!(BitOr bitor BitwiseOr: bool, i8, i16, i32, i64, u8, u16, u32, u64, usize);
literals!(BitXor bitxor BitwiseXor: bool, i8, i16, i32, i64, u8, u16, u32, u64, usize);

macro_rules! prefixes {
    ($($trait:ident $method:ident $op:ident;)*) => {$(
        impl ops::$trait for Array {
            type Output = Array;
            #[track_caller]
            fn $method(self) -> Array { Array::unary(UnaryOp::$op, &self) }
        }
        impl ops::$trait for &Array {
            type Output = Array;
            #[track_caller]
            fn $method(self) -> Array { Array::unary(UnaryOp::$op, self) }
        }
    )*};
}
prefixes! {
    Neg neg Negative;
    Not not Invert;
}
