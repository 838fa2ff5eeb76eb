//! What may stand on the right of an operator: an array or a literal.

use super::{node::Array, words::Scalar};

/// An operand of an elementwise operation.
///
/// Literals are weak, as in NumPy 2: `x + 1` has the dtype of `x`; a float literal with an integer array gives `f64`.
#[derive(Clone, Debug)]
pub enum Operand {
    /// An array.
    Array(Array),
    /// A literal.
    Scalar(Scalar),
}

/// On which side of the operator a literal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalarSide {
    /// `literal op array`.
    Left,
    /// `array op literal`.
    Right,
}

impl Operand {
    /// As an array; a literal becomes a 0-d array that stays weak.
    #[must_use]
    pub fn into_array(self) -> Array {
        match self {
            Operand::Array(array) => array,
            Operand::Scalar(scalar) => Array::scalar(scalar),
        }
    }
}

impl From<Array> for Operand {
    fn from(array: Array) -> Self {
        Operand::Array(array)
    }
}
impl From<&Array> for Operand {
    fn from(array: &Array) -> Self {
        Operand::Array(array.clone())
    }
}
impl From<Scalar> for Operand {
    fn from(scalar: Scalar) -> Self {
        Operand::Scalar(scalar)
    }
}

macro_rules! literal {
    ($($t:ty),*) => {$(
        impl From<$t> for Operand {
            fn from(value: $t) -> Self {
                Operand::Scalar(Scalar::from(value))
            }
        }
    )*};
}
literal!(bool, i8, i16, i32, i64, u8, u16, u32, u64, usize, f32, f64);
