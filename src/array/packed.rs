//! Values that are stored packed, decoded as elementwise operations, so that nothing is read before it is asked for.

use super::{
    below::CfPacking,
    elementwise::where_,
    node::Array,
    operand::ScalarSide,
    words::{BinaryOp, Scalar},
};

/// The values that the stored ones of `array` stand for.
pub(super) fn unpacked(array: &Array, packing: &CfPacking) -> Array {
    let with = |op, value: &Array, number| Array::binary_scalar(op, value, Scalar::Float(number), ScalarSide::Right);
    let mut value = array.astype(packing.dtype);
    if let Some(scale) = packing.scale {
        value = with(BinaryOp::Multiply, &value, scale);
    }
    if let Some(offset) = packing.offset {
        value = with(BinaryOp::Add, &value, offset);
    }
    for &missing in &packing.missing {
        let is_missing = Array::binary_scalar(BinaryOp::Equal, array, missing, ScalarSide::Right);
        value = where_(&is_missing, Scalar::Float(f64::NAN), &value);
    }
    value
}
