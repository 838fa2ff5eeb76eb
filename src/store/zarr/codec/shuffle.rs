//! Byte and bit shuffles undone: planes of bytes (or of bits) back into elements.

/// Undoes a byte shuffle of elements of `element_bytes`. What is left over at the end was never shuffled.
///
/// Both slices have the same length.
pub(super) fn unshuffle(element_bytes: usize, shuffled: &[u8], out: &mut [u8]) {
    let count = if element_bytes > 1 { out.len() / element_bytes } else { 0 };
    let whole = count * element_bytes;
    let planes = &shuffled[..whole];
    match element_bytes {
        2 => interleave::<u16, 2>(planes, count, &mut out[..whole]),
        4 => interleave::<u32, 4>(planes, count, &mut out[..whole]),
        8 => interleave::<u64, 8>(planes, count, &mut out[..whole]),
        _ => {
            for (index, element) in out[..whole].chunks_exact_mut(element_bytes.max(1)).enumerate() {
                for (plane, byte) in element.iter_mut().enumerate() {
                    *byte = planes[plane * count + index];
                }
            }
        }
    }
    out[whole..].copy_from_slice(&shuffled[whole..]);
}

/// Elements that are put together at a time: their planes stay in the first-level cache, and the compiler sees the length.
const GROUP: usize = 64;

/// A number of as many bytes as an element has.
trait Number<const WIDTH: usize>: Copy + Default + From<u8> + std::ops::Shl<usize, Output = Self> + std::ops::BitOr<Output = Self> {
    /// Its bytes, the lowest first.
    fn bytes(self) -> [u8; WIDTH];
}
impl Number<2> for u16 {
    fn bytes(self) -> [u8; 2] {
        self.to_le_bytes()
    }
}
impl Number<4> for u32 {
    fn bytes(self) -> [u8; 4] {
        self.to_le_bytes()
    }
}
impl Number<8> for u64 {
    fn bytes(self) -> [u8; 8] {
        self.to_le_bytes()
    }
}

fn interleave<N: Number<WIDTH>, const WIDTH: usize>(planes: &[u8], count: usize, out: &mut [u8]) {
    let (elements, _) = out.as_chunks_mut::<WIDTH>();
    let plane = |index: usize| &planes[index * count..(index + 1) * count];
    let planes: [&[u8]; WIDTH] = std::array::from_fn(plane);
    let mut at = 0;
    while at + GROUP <= count {
        let pieces: [&[u8; GROUP]; WIDTH] = planes.map(|plane| plane[at..].first_chunk().expect("a whole group is left"));
        let group: &mut [[u8; WIDTH]; GROUP] = elements[at..].first_chunk_mut().expect("a whole group is left");
        // Shifted and joined as whole numbers: that is what compilers make vector code of.
        for (index, element) in group.iter_mut().enumerate() {
            let mut number = N::default();
            for (plane, piece) in pieces.iter().enumerate() {
                number = number | N::from(piece[index]) << (8 * plane);
            }
            *element = N::bytes(number);
        }
        at += GROUP;
    }
    for index in at..count {
        elements[index] = std::array::from_fn(|plane| planes[plane][index]);
    }
}

/// Undoes Blosc's bit shuffle: one row of bits for every bit of an element. Only whole groups of eight elements were shuffled; a
/// count that is not a multiple of eight was left as it is.
pub(super) fn unshuffle_bits(element_bytes: usize, shuffled: &[u8], out: &mut [u8]) {
    let count = out.len() / element_bytes.max(1);
    if element_bytes == 0 || count == 0 || !count.is_multiple_of(8) {
        out.copy_from_slice(shuffled);
        return;
    }
    let (row, whole) = (count / 8, count * element_bytes);
    for plane in 0..element_bytes {
        let rows = &shuffled[plane * 8 * row..(plane + 1) * 8 * row];
        for group in 0..row {
            let bits = u64::from_le_bytes(std::array::from_fn(|bit| rows[bit * row + group]));
            for (index, byte) in transpose_bits(bits).to_le_bytes().into_iter().enumerate() {
                out[(group * 8 + index) * element_bytes + plane] = byte;
            }
        }
    }
    out[whole..].copy_from_slice(&shuffled[whole..]);
}

/// Transposes a square of 8 x 8 bits: byte `i`, bit `j` becomes byte `j`, bit `i`.
fn transpose_bits(mut square: u64) -> u64 {
    for (shift, mask) in [(7, 0x00AA_00AA_00AA_00AA), (14, 0x0000_CCCC_0000_CCCC), (28, 0x0000_0000_F0F0_F0F0)] {
        let moved = (square ^ (square >> shift)) & mask;
        square ^= moved ^ (moved << shift);
    }
    square
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_in_every_width() {
        for width in 1..=17 {
            for length in [0, 1, width, 7 * width + width / 2, 64 * width, 131 * width + 1] {
                let wanted: Vec<u8> = (0..length).map(|place| (place * 37 + place / 256) as u8).collect();
                let count = length / width;
                let mut shuffled = wanted.clone();
                if width > 1 {
                    for place in 0..count * width {
                        shuffled[place % width * count + place / width] = wanted[place];
                    }
                }
                let mut out = vec![0; length];
                unshuffle(width, &shuffled, &mut out);
                assert!(out == wanted, "width {width}, {length} bytes");
            }
        }
    }

    #[test]
    fn bits_come_back_in_every_width() {
        for width in [1, 2, 3, 4, 8] {
            for count in [8, 64, 24, 5] {
                let wanted: Vec<u8> = (0..count * width + 1).map(|place| (place * 91 + 5) as u8).collect();
                let mut shuffled = wanted.clone();
                // A width of one has no bytes left over.
                let (wanted, shuffled) =
                    if width == 1 { (&wanted[..count], &mut shuffled[..count]) } else { (&wanted[..], &mut shuffled[..]) };
                if count % 8 == 0 {
                    shuffled[..count * width].fill(0);
                    for element in 0..count {
                        for bit in 0..width * 8 {
                            let value = wanted[element * width + bit / 8] >> (bit % 8) & 1;
                            shuffled[bit * (count / 8) + element / 8] |= value << (element % 8);
                        }
                    }
                }
                let mut out = vec![0; wanted.len()];
                unshuffle_bits(width, shuffled, &mut out);
                assert!(out == wanted, "width {width}, {count} elements");
            }
        }
    }
}
