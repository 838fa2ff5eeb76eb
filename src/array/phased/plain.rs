//! Found arrays as plain data, for others who work on the same job.

use crate::{
    array::any::AnyArray,
    nd::{DType, Region},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// An array: native bytes in C order.
#[derive(Serialize, Deserialize)]
struct Plain {
    dtype: DType,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

pub(super) fn serialize<S: Serializer>(array: &AnyArray, serializer: S) -> Result<S::Ok, S::Error> {
    Plain { dtype: array.dtype(), shape: array.shape().to_vec(), bytes: array.bytes().to_vec() }.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AnyArray, D::Error> {
    let Plain { dtype, shape, bytes } = Plain::deserialize(deserializer)?;
    let mut array = AnyArray::zeros(dtype, &shape).map_err(D::Error::custom)?;
    if array.bytes().len() != bytes.len() {
        return Err(D::Error::custom(format!("{} bytes for an array of shape {shape:?} of {dtype}", bytes.len())));
    }
    array.place(&Region::whole(&shape), &bytes);
    Ok(array)
}
