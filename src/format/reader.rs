//! Takes bytes of our own files apart, little-endian. Lengths are what the bytes have, whatever they claim: `None` where they end.

/// What is left of the bytes.
pub(super) struct Reader<'a> {
    pub rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// The next bytes.
    pub fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }

    /// The next bytes, as many as the array has.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A length in 64 bits.
    pub fn length(&mut self) -> Option<usize> {
        usize::try_from(self.u64()?).ok()
    }

    /// So many lengths.
    pub fn lengths(&mut self, count: usize) -> Option<Vec<usize>> {
        (0..count).map(|_| self.length()).collect()
    }

    /// A text behind its length in 32 bits.
    pub fn text(&mut self) -> Option<String> {
        let length = self.u32()?;
        String::from_utf8(self.bytes(length as usize)?.to_vec()).ok()
    }
}
