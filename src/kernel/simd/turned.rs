//! Squares of elements turned in vectors: `Q` rows of `Q` elements of `N` bytes, 16 bytes a row.
//!
//! A round interleaves row `i` with row `i + Q / 2`; after as many rounds as `Q` has bits every element is where it belongs.

/// Rows become columns.
#[inline(always)]
pub(crate) fn turn<const N: usize, const Q: usize>(square: [[u8; 16]; Q]) -> [[u8; 16]; Q] {
    let mut rows = square.map(interleave::load);
    for _ in 0..Q.trailing_zeros() {
        let mut next = rows;
        for pair in 0..Q / 2 {
            (next[2 * pair], next[2 * pair + 1]) = interleave::both::<N>(rows[pair], rows[pair + Q / 2]);
        }
        rows = next;
    }
    rows.map(interleave::store)
}

#[cfg(target_arch = "x86_64")]
mod interleave {
    //! By the unpacking instructions, which every CPU of the architecture has.

    use std::arch::x86_64::{
        __m128i, _mm_unpackhi_epi8, _mm_unpackhi_epi16, _mm_unpackhi_epi32, _mm_unpackhi_epi64, _mm_unpacklo_epi8, _mm_unpacklo_epi16,
        _mm_unpacklo_epi32, _mm_unpacklo_epi64,
    };

    #[inline(always)]
    pub fn load(row: [u8; 16]) -> __m128i {
        bytemuck::cast(row)
    }

    #[inline(always)]
    pub fn store(row: __m128i) -> [u8; 16] {
        bytemuck::cast(row)
    }

    /// The first halves of two rows element by element, and the second halves.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the instructions of the baseline are unsafe to name all the same")]
    pub fn both<const N: usize>(a: __m128i, b: __m128i) -> (__m128i, __m128i) {
        // SAFETY: SSE2 is part of the architecture, and no memory is touched.
        unsafe { both_of::<N>(a, b) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn both_of<const N: usize>(a: __m128i, b: __m128i) -> (__m128i, __m128i) {
        match N {
            1 => (_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)),
            2 => (_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b)),
            4 => (_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b)),
            _ => (_mm_unpacklo_epi64(a, b), _mm_unpackhi_epi64(a, b)),
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod interleave {
    //! Byte by byte.

    pub fn load(row: [u8; 16]) -> [u8; 16] {
        row
    }

    pub fn store(row: [u8; 16]) -> [u8; 16] {
        row
    }

    pub fn both<const N: usize>(a: [u8; 16], b: [u8; 16]) -> ([u8; 16], [u8; 16]) {
        let mut both = [0; 32];
        for (element, out) in both.chunks_exact_mut(N).enumerate() {
            let from = if element % 2 == 0 { &a } else { &b };
            out.copy_from_slice(&from[element / 2 * N..][..N]);
        }
        let (mut low, mut high) = (a, b);
        low.copy_from_slice(&both[..16]);
        high.copy_from_slice(&both[16..]);
        (low, high)
    }
}
