//! Scratch memory: cache-line aligned buffers, and registers of one tile.

/// Bytes that start on a cache line. Over-allocated by a line, so that alignment needs no unsafe code.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    words: Vec<u64>,
    first: usize,
    length: usize,
}

/// Bytes of a cache line, and of the slack that aligning a buffer costs.
pub(super) const LINE: usize = 64;

impl Buffer {
    /// Bytes that a buffer of `length` really takes.
    pub fn allocated_bytes(length: usize) -> u64 {
        if length == 0 { 0 } else { (length.div_ceil(8) * 8 + LINE) as u64 }
    }

    /// Makes it `length` bytes long. Allocates only to grow; contents are unspecified.
    pub fn resize(&mut self, length: usize) {
        let words = if length == 0 { 0 } else { length.div_ceil(8) + LINE / 8 };
        if self.words.len() < words {
            self.words = vec![0; words];
            let misaligned = self.words.as_ptr() as usize % LINE;
            self.first = if misaligned == 0 { 0 } else { LINE - misaligned };
        }
        self.length = length;
    }

    /// Bytes allocated.
    pub fn capacity_bytes(&self) -> u64 {
        self.words.len() as u64 * 8
    }

    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words)[self.first..self.first + self.length]
    }

    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.words)[self.first..self.first + self.length]
    }
}

/// Where the value of a register is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// In its own buffer.
    #[default]
    Buffer,
    /// One value for the whole tile, in `uniform`.
    Uniform,
    /// Borrowed from the memory of a slot, from this byte on.
    Slot { slot: u32, byte: usize },
}

/// One tile.
#[derive(Debug, Default)]
pub(super) struct Register {
    pub buffer: Buffer,
    pub uniform: [u64; 1],
    pub place: Place,
}

impl Register {
    /// The uniform value as bytes to be written.
    pub fn uniform_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.uniform)
    }
}
