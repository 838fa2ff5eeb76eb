//! Rust's operators on arrays: on values and references, with arrays and literals on either side.
//!
//! One generic impl per operator on the right, and one literal type per kind on the left: with more, `(&x * 2.0).sqrt()` would
//! not compile, because Rust could not choose the literal's type before it knows the result's.

use super::{
    node::Array,
    operand::{Operand, ScalarSide},
    words::{BinaryOp, Scalar, UnaryOp},
};
use std::ops;

macro_rules! arrays {
    ($($trait:ident $method:ident $op:ident: $($literal:ty),*;)*) => {$(
        impl<O: Into<Operand>> ops::$trait<O> for Array {
            type Output = Array;
            #[track_caller]
            fn $method(self, other: O) -> Array { self.with(BinaryOp::$op, other.into()) }
        }
        impl<O: Into<Operand>> ops::$trait<O> for &Array {
            type Output = Array;
            #[track_caller]
            fn $method(self, other: O) -> Array { self.with(BinaryOp::$op, other.into()) }
        }
        $(
            impl ops::$trait<Array> for $literal {
                type Output = Array;
                #[track_caller]
                fn $method(self, other: Array) -> Array {
                    Array::binary_scalar(BinaryOp::$op, &other, Scalar::from(self), ScalarSide::Left)
                }
            }
            impl ops::$trait<&Array> for $literal {
                type Output = Array;
                #[track_caller]
                fn $method(self, other: &Array) -> Array {
                    Array::binary_scalar(BinaryOp::$op, other, Scalar::from(self), ScalarSide::Left)
                }
            }
        )*
    )*};
}
arrays! {
    Add add Add: i64, f64;
    Sub sub Subtract: i64, f64;
    Mul mul Multiply: i64, f64;
    Div div Divide: i64, f64;
    Rem rem Remainder: i64, f64;
    BitAnd bitand BitwiseAnd: bool, i64;
    BitOr bitor BitwiseOr: bool, i64;
    BitXor bitxor BitwiseXor: bool, i64;
    Shl shl LeftShift: i64;
    Shr shr RightShift: i64;
}

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
