//! Rows as wholes: a hash of each, by which equal rows are found.

use crate::{
    error::{Error, Result},
    kernel::vm::BlockFunction,
    nd::DType,
};

/// Odd constants without structure: the fractional parts of the roots of small primes.
const KEYS: [u64; 4] = [0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0xd6e8_feb8_6659_fd93];

/// Words of a hash.
pub(crate) const HASH_WORDS: usize = 2;

/// Two words of hash of every row (all but the first axis), as `u64`: one is the row's first element, the other all that follow. So the
/// smallest and the largest element of a row are both words, in an order that says nothing: 127 bits.
///
/// Rows that are equal as numbers have equal hashes: both zeros are one number, and so are all NaN. Unequal rows have
/// equal hashes by chance alone, for a billion rows with a probability of 10^-21. It is no defence against rows made to collide.
pub(crate) struct RowHash {
    /// Dtype of the elements.
    pub dtype: DType,
}

impl BlockFunction for RowHash {
    fn name(&self) -> &str {
        "hash of rows"
    }

    fn call(&self, _start: &[usize], shape: &[usize], input: &[u8], output: &mut [u8]) -> Result<()> {
        let width: usize = shape.iter().skip(1).product();
        if width < HASH_WORDS {
            return Err(Error::internal(format!("rows of {width} elements have no room for a hash")));
        }
        let rows = input.chunks_exact(width * self.dtype.size()).zip(output.chunks_exact_mut(width * size_of::<u64>()));
        for (row, out) in rows {
            let [first, second] = self.hash(row);
            let (head, tail) = out.split_at_mut(size_of::<u64>());
            head.copy_from_slice(&first.to_ne_bytes());
            tail.chunks_exact_mut(size_of::<u64>()).for_each(|word| word.copy_from_slice(&second.to_ne_bytes()));
        }
        Ok(())
    }
}

impl RowHash {
    fn hash(&self, row: &[u8]) -> [u64; HASH_WORDS] {
        match self.dtype {
            DType::F16 => mixed(row, |word| each_quarter(word, |bits| one_spelling(bits, 0x7c00))),
            DType::BF16 => mixed(row, |word| each_quarter(word, |bits| one_spelling(bits, 0x7f80))),
            DType::F32 => mixed(row, |word| {
                let half = |bits: u64| {
                    let magnitude = bits & 0x7fff_ffff;
                    if magnitude == 0 {
                        0
                    } else if magnitude > 0x7f80_0000 {
                        0x7fc0_0000
                    } else {
                        bits
                    }
                };
                half(word & 0xffff_ffff) | half(word >> 32) << 32
            }),
            DType::F64 => mixed(row, |bits| {
                let magnitude = bits & (u64::MAX >> 1);
                if magnitude == 0 {
                    0
                } else if magnitude > 0x7ff0 << 48 {
                    0x7ff8 << 48
                } else {
                    bits
                }
            }),
            _ => mixed(row, |word| word),
        }
    }
}

/// Four elements of two bytes.
#[inline(always)]
fn each_quarter(word: u64, one: impl Fn(u64) -> u64) -> u64 {
    (0..4).fold(0, |all, place| all | one(word >> (16 * place) & 0xffff) << (16 * place))
}

/// The bits of a float of two bytes whose infinity has the bits `infinity`, with one zero and one NaN.
#[inline(always)]
fn one_spelling(bits: u64, infinity: u64) -> u64 {
    let magnitude = bits & 0x7fff;
    if magnitude == 0 {
        0
    } else if magnitude > infinity {
        0x7fff
    } else {
        bits
    }
}

/// Two lanes of multiplications folded together, over the words of a row as `spell` gives them. What is left over is filled with zeros.
#[inline(always)]
fn mixed(row: &[u8], spell: impl Fn(u64) -> u64) -> [u64; HASH_WORDS] {
    let mut lanes = [KEYS[0] ^ row.len() as u64, KEYS[1]];
    let mut take = |word: u64| {
        let word = spell(word);
        lanes = [folded(lanes[0] ^ word, KEYS[2]), folded(lanes[1] ^ word, KEYS[3])];
    };
    let mut words = row.chunks_exact(8);
    for word in &mut words {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        take(u64::from_le_bytes(bytes));
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let mut bytes = [0; 8];
        bytes[..rest.len()].copy_from_slice(rest);
        take(u64::from_le_bytes(bytes));
    }
    [folded(lanes[0], KEYS[1]), folded(lanes[1], KEYS[0])]
}

/// Both halves of a product of 128 bits, one upon the other.
#[inline(always)]
fn folded(value: u64, key: u64) -> u64 {
    let product = u128::from(value) * u128::from(key);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::{bf16, f16};
    use std::collections::HashSet;

    fn of(dtype: DType, bytes: &[u8]) -> [u64; 2] {
        RowHash { dtype }.hash(bytes)
    }

    #[test]
    fn numbers_that_are_equal_hash_alike_and_others_do_not() {
        let wide = |values: [f64; 3]| {
            [
                of(DType::F64, &values.map(f64::to_le_bytes).concat()),
                of(DType::F32, &values.map(|value| (value as f32).to_le_bytes()).concat()),
                of(DType::F16, &values.map(|value| f16::from_f64(value).to_le_bytes()).concat()),
                of(DType::BF16, &values.map(|value| bf16::from_f64(value).to_le_bytes()).concat()),
            ]
        };
        let plain = wide([0.0, 1.0, f64::NAN]);
        assert_eq!(plain, wide([-0.0, 1.0, -f64::NAN]));
        for other in [[0.0, -1.0, f64::NAN], [1.0, 0.0, f64::NAN], [0.0, 1.0, f64::INFINITY], [0.0, 1.0, f64::NEG_INFINITY]] {
            for (one, two) in plain.iter().zip(wide(other)) {
                assert!(one[0] != two[0] && one[1] != two[1], "{other:?}");
            }
        }
        let payload = f32::from_bits(0x7f80_0001).to_le_bytes();
        assert_eq!(of(DType::F32, &payload), of(DType::F32, &f32::NAN.to_le_bytes()));
        assert_eq!(of(DType::F32, &f32::from_bits(0xffc0_0001).to_le_bytes()), of(DType::F32, &f32::NAN.to_le_bytes()));
    }

    #[test]
    fn either_half_tells_rows_apart() {
        let mut seen = [HashSet::new(), HashSet::new()];
        for value in 0u32..20_000 {
            // Rows of 12 bytes that differ in a few low bits.
            let row = [value.to_le_bytes(), 0u32.to_le_bytes(), (value / 7).to_le_bytes()].concat();
            for (seen, half) in seen.iter_mut().zip(of(DType::U8, &row)) {
                seen.insert(half);
            }
        }
        assert_eq!(seen.map(|seen| seen.len()), [20_000; 2]);
    }

    #[test]
    fn lengths_count() {
        assert_ne!(of(DType::U8, &[1, 0]), of(DType::U8, &[1, 0, 0]));
    }
}
