//! Owned bytes at an address that suits every dtype and vector register.

use std::{fmt, ops::Deref, ops::DerefMut};

/// Alignment of [`AlignedBytes`]: a cache line, and the widest vector register.
pub const ALIGNMENT_BYTES: usize = 64;

/// A fixed number of bytes that begin at a multiple of [`ALIGNMENT_BYTES`].
#[derive(Default)]
pub struct AlignedBytes {
    words: Vec<u128>,
    /// Bytes before the first aligned one; the heap block never moves.
    start: usize,
    length: usize,
}

impl AlignedBytes {
    /// `length` zero bytes. Untouched pages take no memory.
    #[must_use]
    pub fn zeroed(length: usize) -> Self {
        if length == 0 {
            return Self::default();
        }
        let words = vec![0u128; length.saturating_add(ALIGNMENT_BYTES).div_ceil(size_of::<u128>())];
        let start = (words.as_ptr() as usize).next_multiple_of(ALIGNMENT_BYTES) - words.as_ptr() as usize;
        AlignedBytes { words, start, length }
    }
}

impl Deref for AlignedBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[self.start..self.start + self.length]
    }
}

impl DerefMut for AlignedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[self.start..self.start + self.length]
    }
}

impl AsRef<[u8]> for AlignedBytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<&[u8]> for AlignedBytes {
    fn from(bytes: &[u8]) -> Self {
        let mut made = Self::zeroed(bytes.len());
        made.copy_from_slice(bytes);
        made
    }
}

impl Clone for AlignedBytes {
    // A copied heap block lies elsewhere, so the start of the aligned bytes is found anew.
    fn clone(&self) -> Self {
        Self::from(&**self)
    }
}

impl fmt::Debug for AlignedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBytes({})", self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_aligned_and_clones_too() {
        for length in [0, 1, 15, 64, 1000, 1 << 20] {
            let mut bytes = AlignedBytes::zeroed(length);
            bytes.fill(7);
            let copy = bytes.clone();
            assert_eq!((copy.len(), &*copy), (length, &*bytes));
            assert!(length == 0 || (bytes.as_ptr() as usize).is_multiple_of(64) && (copy.as_ptr() as usize).is_multiple_of(64));
        }
    }
}
