//! The length of a tile.

use crate::{kernel::program::TILE_BYTES, plan::expression::Value};

/// One tile length for the whole program: 8 KiB of the widest dtype.
#[must_use]
pub fn tile_elements(values: &[Value]) -> usize {
    let widest = values.iter().map(|value| value.dtype.size()).max().unwrap_or(8);
    TILE_BYTES / widest
}
