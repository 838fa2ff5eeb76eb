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

/// The value of one register.
#[derive(Debug, Default)]
pub(super) struct Register {
    pub place: Place,
    /// Bytes of one element, at the front, where the place says so.
    pub uniform: [u64; 1],
    /// Which buffer is this register's. An instruction that overwrites one of its operands writes to the spare buffer, and the
    /// two numbers are exchanged: no bytes move.
    pub home: usize,
    /// Offset and shape of the tile that a kept load left in the buffer.
    pub kept: Option<(i64, u64)>,
}

impl Register {
    /// The uniform value as bytes to be written.
    pub fn uniform_mut(&mut self) -> &mut [u8] {
        bytemuck::cast_slice_mut(&mut self.uniform)
    }
}

/// The buffers of all registers but one, which is being written.
#[derive(Clone, Copy)]
pub(super) struct Buffers<'s> {
    before: &'s [Buffer],
    after: &'s [Buffer],
}

impl<'s> Buffers<'s> {
    pub fn all(buffers: &'s [Buffer]) -> Buffers<'s> {
        Buffers { before: buffers, after: &[] }
    }

    /// The buffer `target`, and the others.
    #[inline]
    pub fn split(buffers: &'s mut [Buffer], target: usize) -> (&'s mut Buffer, Buffers<'s>) {
        let (before, rest) = buffers.split_at_mut(target);
        let (out, after) = rest.split_first_mut().expect("every register has a buffer");
        (out, Buffers { before, after })
    }

    #[inline]
    pub fn bytes(self, home: usize) -> &'s [u8] {
        if home < self.before.len() { self.before[home].bytes() } else { self.after[home - self.before.len() - 1].bytes() }
    }
}
