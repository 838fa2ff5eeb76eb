//! Boxes of bytes copied between arrays in C order.

use super::shape::c_strides;

/// Copies a box of `shape` from one C-order array of elements of `item` bytes to another: of each the bytes, the shape, and where the box
/// begins. The box lies inside of both.
pub(crate) fn copy_box(from: (&[u8], &[usize], &[usize]), to: (&mut [u8], &[usize], &[usize]), shape: &[usize], item: usize) {
    if shape.contains(&0) {
        return;
    }
    // The innermost axes that are whole on both sides are one piece, and so is the next one.
    let mut outer = shape.len();
    let mut count = 1;
    while outer > 0 {
        outer -= 1;
        count *= shape[outer];
        if shape[outer] != from.1[outer] || shape[outer] != to.1[outer] {
            break;
        }
    }
    let (from_strides, to_strides) = (c_strides(from.1), c_strides(to.1));
    let place =
        |strides: &[i64], start: &[usize]| strides.iter().zip(start).map(|(&stride, &start)| stride as usize * start).sum::<usize>();
    let (mut source, mut target) = (place(&from_strides, from.2), place(&to_strides, to.2));
    // Pieces along one more axis are rows of one loop.
    let rows = outer.checked_sub(1);
    let steps = rows.map_or((0, 0), |axis| (from_strides[axis] as usize * item, to_strides[axis] as usize * item));
    let mut at = vec![0; rows.unwrap_or(0)];
    loop {
        copy_rows(&from.0[source * item..], &mut to.0[target * item..], rows.map_or(1, |axis| shape[axis]), steps, count * item);
        let mut axis = at.len();
        loop {
            let Some(next) = axis.checked_sub(1) else { return };
            axis = next;
            at[axis] += 1;
            source += from_strides[axis] as usize;
            target += to_strides[axis] as usize;
            if at[axis] < shape[axis] {
                break;
            }
            source -= from_strides[axis] as usize * at[axis];
            target -= to_strides[axis] as usize * at[axis];
            at[axis] = 0;
        }
    }
}

/// Copies `rows` pieces of `bytes`, which lie `steps` apart.
fn copy_rows(from: &[u8], to: &mut [u8], rows: usize, steps: (usize, usize), bytes: usize) {
    // Short pieces are one or two instructions each where their length is known, and a call where it is not.
    match bytes {
        4 => copy_rows_of::<4>(from, to, rows, steps),
        8 => copy_rows_of::<8>(from, to, rows, steps),
        16 => copy_rows_of::<16>(from, to, rows, steps),
        32 => copy_rows_of::<32>(from, to, rows, steps),
        64 => copy_rows_of::<64>(from, to, rows, steps),
        _ => (0..rows).for_each(|row| to[row * steps.1..][..bytes].copy_from_slice(&from[row * steps.0..][..bytes])),
    }
}

fn copy_rows_of<const BYTES: usize>(from: &[u8], to: &mut [u8], rows: usize, steps: (usize, usize)) {
    (0..rows).for_each(|row| to[row * steps.1..][..BYTES].copy_from_slice(&from[row * steps.0..][..BYTES]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_arrive_where_they_belong() {
        for (item, inner) in [(1, 4), (2, 2), (4, 4), (8, 8), (4, 8), (3, 5), (2, 32)] {
            let (from_shape, to_shape, shape) = ([5, 6, inner + 2], [3, 4, inner + 1], [2, 3, inner]);
            let (from_start, to_start) = ([2, 3, 1], [1, 1, 0]);
            let bytes =
                |shape: &[usize]| (0..shape.iter().product::<usize>() * item).map(|place| (place * 7 % 250) as u8).collect::<Vec<_>>();
            let (from, mut to) = (bytes(&from_shape), vec![255; to_shape.iter().product::<usize>() * item]);
            copy_box((&from, &from_shape, &from_start), (&mut to, &to_shape, &to_start), &shape, item);
            let mut copied = 0;
            for place in 0..to.len() {
                let element = place / item;
                let at = [element / (4 * (inner + 1)), element / (inner + 1) % 4, element % (inner + 1)];
                let inside = (0..3).all(|axis| (to_start[axis]..to_start[axis] + shape[axis]).contains(&at[axis]));
                let there = |axis: usize| at[axis] - to_start[axis] + from_start[axis];
                let want = if inside { from[((there(0) * 6 + there(1)) * (inner + 2) + there(2)) * item + place % item] } else { 255 };
                assert_eq!(to[place], want, "byte {place} of elements of {item} in rows of {inner}");
                copied += usize::from(inside);
            }
            assert_eq!(copied, 6 * inner * item);
        }
        let mut scalar = [0; 4];
        copy_box((&[1, 2, 3, 4], &[], &[]), (&mut scalar, &[], &[]), &[], 4);
        assert_eq!(scalar, [1, 2, 3, 4]);
        copy_box((&[], &[0, 3], &[0, 0]), (&mut scalar, &[1, 1], &[0, 0]), &[0, 3], 4);
    }
}
