//! The fastest way to move the bytes of a row: loops that only read every input and write every byte of the output.
//!
//! Two kinds of stores are tried: ordinary ones, and on x86-64 those that pass the cache by. The faster one is the limit.

#![expect(unsafe_code, reason = "vector loads and stores of the limit loops")]

const LINE: usize = 64;
type Line = [u64; 8];

/// How results are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    Ordinary,
    Streaming,
}

/// Reads `inputs` and writes `out`, in step. All start on cache lines; odd bytes at their ends are left.
pub fn move_bytes(inputs: &[&[u8]], out: &mut [u8], stores: Stores) -> u64 {
    let inputs: Vec<&[Line]> = inputs.iter().map(|bytes| bytemuck::cast_slice(&bytes[..bytes.len() / LINE * LINE])).collect();
    let whole = out.len() / LINE * LINE;
    let out: &mut [Line] = bytemuck::cast_slice_mut(&mut out[..whole]);
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the feature was detected on the line above.
        return unsafe { vectors::move_lines(&inputs, out, stores) };
    }
    let _ = stores;
    let mut sum = [0u64; 8];
    inputs.iter().flat_map(|lines| lines.iter()).for_each(|line| (0..8).for_each(|lane| sum[lane] ^= line[lane]));
    out.fill(sum);
    sum[0]
}

#[cfg(target_arch = "x86_64")]
mod vectors {
    use super::{LINE, Line, Stores};
    use std::arch::x86_64::{
        __m512i, _mm_sfence, _mm512_loadu_si512, _mm512_reduce_add_epi64, _mm512_setzero_si512, _mm512_storeu_si512, _mm512_stream_si512,
        _mm512_xor_si512,
    };

    /// Lines of a stream that are moved before the next stream's turn, where lengths differ.
    const TURN: usize = 64;

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn load(line: &Line) -> __m512i {
        // SAFETY: a line is 64 bytes.
        unsafe { _mm512_loadu_si512(line.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store<const STREAMING: bool>(line: &mut Line, value: __m512i) {
        // SAFETY: a line is 64 bytes; `move_lines` checked that the output starts on a boundary of 64.
        unsafe {
            if STREAMING {
                _mm512_stream_si512(line.as_mut_ptr().cast(), value)
            } else {
                _mm512_storeu_si512(line.as_mut_ptr().cast(), value)
            }
        }
    }

    #[target_feature(enable = "sse2,avx512f")]
    pub fn move_lines(inputs: &[&[Line]], out: &mut [Line], stores: Stores) -> u64 {
        assert!((out.as_ptr() as usize).is_multiple_of(LINE));
        match stores {
            Stores::Ordinary => lines::<false>(inputs, out),
            Stores::Streaming => {
                let sum = lines::<true>(inputs, out);
                _mm_sfence();
                sum
            }
        }
    }

    #[target_feature(enable = "avx512f")]
    fn lines<const STREAMING: bool>(inputs: &[&[Line]], out: &mut [Line]) -> u64 {
        match *inputs {
            [a] if a.len() == out.len() => out.iter_mut().zip(a).for_each(|(out, a)| store::<STREAMING>(out, load(a))),
            [a, b] if a.len() == out.len() && b.len() == out.len() => {
                for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
                    store::<STREAMING>(out, _mm512_xor_si512(load(a), load(b)));
                }
            }
            [a, b, c] if a.len() == out.len() && b.len() == out.len() && c.len() == out.len() => {
                for (((out, a), b), c) in out.iter_mut().zip(a).zip(b).zip(c) {
                    store::<STREAMING>(out, _mm512_xor_si512(_mm512_xor_si512(load(a), load(b)), load(c)));
                }
            }
            _ => return uneven::<STREAMING>(inputs, out),
        }
        0
    }

    #[target_feature(enable = "avx512f")]
    fn uneven<const STREAMING: bool>(inputs: &[&[Line]], out: &mut [Line]) -> u64 {
        let longest = inputs.iter().map(|lines| lines.len()).chain([out.len()]).max().unwrap_or(0);
        let turns = longest.div_ceil(TURN).max(1);
        let part = |length: usize, turn: usize| length * turn / turns..length * (turn + 1) / turns;
        let mut sums = [_mm512_setzero_si512(); 8];
        for turn in 0..turns {
            for input in inputs {
                let (groups, rest) = input[part(input.len(), turn)].as_chunks::<8>();
                for group in groups {
                    for (sum, line) in sums.iter_mut().zip(group) {
                        *sum = _mm512_xor_si512(*sum, load(line));
                    }
                }
                for line in rest {
                    sums[0] = _mm512_xor_si512(sums[0], load(line));
                }
            }
            let place = part(out.len(), turn);
            for line in &mut out[place] {
                store::<STREAMING>(line, sums[0]);
            }
        }
        _mm512_reduce_add_epi64(sums.into_iter().fold(_mm512_setzero_si512(), |all, sum| _mm512_xor_si512(all, sum))) as u64
    }
}
