//! Boxes copied from one order of elements into another, and filled with one value.

/// Where the elements of a box lie in a buffer: the place of the first one, and one stride per axis, in elements.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub first: usize,
    pub strides: Vec<usize>,
}

impl Layout {
    /// The box at `start` of an array of `shape` in C order.
    pub fn in_c_order(shape: &[usize], start: &[usize]) -> Self {
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis].max(1);
        }
        let first = start.iter().zip(&strides).map(|(start, stride)| start * stride).sum();
        Layout { first, strides }
    }

    /// The part of the box that begins `start` further.
    pub fn moved(&self, start: &[usize]) -> Self {
        let first = self.first + start.iter().zip(&self.strides).map(|(start, stride)| start * stride).sum::<usize>();
        Layout { first, strides: self.strides.clone() }
    }

    /// The same elements with the axes in another order.
    pub fn permuted(&self, order: &[usize]) -> Self {
        Layout { first: self.first, strides: permuted(&self.strides, order) }
    }

    /// Place of the last element of a box of `shape`, which is not empty.
    pub fn last(&self, shape: &[usize]) -> usize {
        self.first + shape.iter().zip(&self.strides).map(|(length, stride)| (length - 1) * stride).sum::<usize>()
    }

    /// Whether a box of `shape` is one run of elements in C order.
    pub fn is_run(&self, shape: &[usize]) -> bool {
        let mut expected = 1;
        for (&length, &stride) in shape.iter().zip(&self.strides).rev() {
            if length > 1 && stride != expected {
                return false;
            }
            expected *= length;
        }
        true
    }
}

/// `values[order[0]], values[order[1]], …`.
pub(super) fn permuted(values: &[usize], order: &[usize]) -> Vec<usize> {
    order.iter().map(|&axis| values[axis]).collect()
}

/// An axis of a copy: its length, its stride in the source and in the target.
#[derive(Clone, Copy)]
struct Axis {
    length: usize,
    from: usize,
    to: usize,
}

/// Axes of length 1 left out, and neighbours that are one run on both sides made one.
fn merged(shape: &[usize], from: &Layout, to: &Layout) -> Vec<Axis> {
    let mut axes: Vec<Axis> = Vec::with_capacity(shape.len());
    for axis in 0..shape.len() {
        let next = Axis { length: shape[axis], from: from.strides[axis], to: to.strides[axis] };
        if next.length == 1 {
            continue;
        }
        match axes.last_mut() {
            Some(last) if last.from == next.from * next.length && last.to == next.to * next.length => {
                *last = Axis { length: last.length * next.length, ..next };
            }
            _ => axes.push(next),
        }
    }
    axes
}

/// Calls `visit` with the places of every combination of coordinates along `axes`, in C order.
fn for_each_place<E>(axes: &[Axis], mut from: usize, mut to: usize, mut visit: impl FnMut(usize, usize) -> Result<(), E>) -> Result<(), E> {
    let mut at = vec![0; axes.len()];
    loop {
        visit(from, to)?;
        let mut axis = axes.len();
        loop {
            if axis == 0 {
                return Ok(());
            }
            axis -= 1;
            at[axis] += 1;
            from += axes[axis].from;
            to += axes[axis].to;
            if at[axis] < axes[axis].length {
                break;
            }
            from -= axes[axis].from * axes[axis].length;
            to -= axes[axis].to * axes[axis].length;
            at[axis] = 0;
        }
    }
}

/// Calls `visit(place in the source, place in the target, length)` for the longest runs of a box that are contiguous on both sides,
/// in C order. The box is not empty.
pub(super) fn for_each_run<E>(
    shape: &[usize],
    from: &Layout,
    to: &Layout,
    mut visit: impl FnMut(usize, usize, usize) -> Result<(), E>,
) -> Result<(), E> {
    let mut axes = merged(shape, from, to);
    let length = match axes.last() {
        Some(Axis { length, from: 1, to: 1 }) => {
            let length = *length;
            axes.pop();
            length
        }
        _ => 1,
    };
    for_each_place(&axes, from.first, to.first, |from, to| visit(from, to, length))
}

/// Copies a box, which is not empty, of elements of `item_bytes`.
pub(super) fn copy(item_bytes: usize, shape: &[usize], source: &[u8], from: &Layout, target: &mut [u8], to: &Layout) {
    let axes = merged(shape, from, to);
    let in_runs = axes.is_empty() || axes.last().is_some_and(|axis| axis.from == 1 && axis.to == 1);
    if in_runs {
        let copied = for_each_run(shape, from, to, |from, to, length| {
            let bytes = length * item_bytes;
            target[to * item_bytes..][..bytes].copy_from_slice(&source[from * item_bytes..][..bytes]);
            Ok::<(), std::convert::Infallible>(())
        });
        let Ok(()) = copied;
        return;
    }
    match item_bytes {
        1 => scatter::<1>(&axes, source, from.first, target, to.first),
        2 => scatter::<2>(&axes, source, from.first, target, to.first),
        4 => scatter::<4>(&axes, source, from.first, target, to.first),
        _ => scatter::<8>(&axes, source, from.first, target, to.first),
    }
}

/// Edge of the squares in which two axes change places: both sides of one stay in the first-level cache.
const TILE: usize = 32;

/// Copies element by element, in squares of the axis that is nearest in the source and the one that is nearest in the target.
fn scatter<const WIDTH: usize>(axes: &[Axis], source: &[u8], from: usize, target: &mut [u8], to: usize) {
    let (source, target) = (source.as_chunks::<WIDTH>().0, target.as_chunks_mut::<WIDTH>().0);
    let nearest = |stride: fn(&Axis) -> usize| (0..axes.len()).min_by_key(|&axis| stride(&axes[axis])).unwrap_or(0);
    let (row, column) = (nearest(|axis| axis.from), nearest(|axis| axis.to));
    let outer: Vec<Axis> = (0..axes.len()).filter(|&axis| axis != row && axis != column).map(|axis| axes[axis]).collect();
    let column = axes[column];
    let row = if axes[row].to == column.to && axes[row].from == column.from { Axis { length: 1, from: 0, to: 0 } } else { axes[row] };
    let copied = for_each_place(&outer, from, to, |from, to| {
        for first_row in (0..row.length).step_by(TILE) {
            for first_column in (0..column.length).step_by(TILE) {
                for y in first_row..row.length.min(first_row + TILE) {
                    let (from, to) = (from + y * row.from, to + y * row.to);
                    for x in first_column..column.length.min(first_column + TILE) {
                        target[to + x * column.to] = source[from + x * column.from];
                    }
                }
            }
        }
        Ok::<(), std::convert::Infallible>(())
    });
    let Ok(()) = copied;
}

/// Writes `value`, the bytes of one element, to every element of a box, which is not empty.
pub(super) fn fill(value: &[u8], shape: &[usize], target: &mut [u8], to: &Layout) {
    let item_bytes = value.len();
    let uniform = value.iter().all(|byte| *byte == value[0]);
    let filled = for_each_run(shape, to, to, |_, to, length| {
        let run = &mut target[to * item_bytes..][..length * item_bytes];
        if uniform {
            run.fill(value[0]);
        } else {
            run.chunks_exact_mut(item_bytes).for_each(|element| element.copy_from_slice(value));
        }
        Ok::<(), std::convert::Infallible>(())
    });
    let Ok(()) = filled;
}

/// Reverses the bytes of every element.
pub(super) fn swap(item_bytes: usize, bytes: &mut [u8]) {
    fn each<const WIDTH: usize>(bytes: &mut [u8]) {
        bytes.as_chunks_mut::<WIDTH>().0.iter_mut().for_each(|element| element.reverse());
    }
    match item_bytes {
        2 => each::<2>(bytes),
        4 => each::<4>(bytes),
        8 => each::<8>(bytes),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_copied_in_every_order() {
        let shape = [3, 40, 5];
        for item in [1, 2, 4, 8] {
            let source: Vec<u8> = (0..600 * item).map(|place| (place % 251) as u8).collect();
            for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
                // A box of the source, into the middle of an array whose axes are permuted.
                let (start, extent) = ([1, 2, 1], [2, 37, 3]);
                let from = Layout::in_c_order(&shape, &start);
                let room = permuted(&[4, 39, 6], &order);
                let mut back = [0; 3];
                (0..3).for_each(|axis| back[order[axis]] = axis);
                let to = Layout::in_c_order(&room, &permuted(&[1, 1, 2], &order)).permuted(&back);
                let mut target = vec![0xee; room.iter().product::<usize>() * item];
                copy(item, &extent, &source, &from, &mut target, &to);
                let mut inside = 0;
                for place in 0..936 {
                    let at = [place / (39 * 6), place / 6 % 39, place % 6];
                    let element = &target[(at[0] * to.strides[0] + at[1] * to.strides[1] + at[2] * to.strides[2]) * item..][..item];
                    let within: Vec<usize> = (0..3).map(|axis| at[axis].wrapping_sub([1, 1, 2][axis])).collect();
                    if (0..3).all(|axis| within[axis] < extent[axis]) {
                        let from = ((within[0] + 1) * 200 + (within[1] + 2) * 5 + within[2] + 1) * item;
                        assert_eq!(element, &source[from..from + item], "{order:?} {at:?}");
                        inside += 1;
                    } else {
                        assert!(element.iter().all(|&byte| byte == 0xee), "{order:?} {at:?}");
                    }
                }
                assert_eq!(inside, 2 * 37 * 3);
            }
        }
    }

    #[test]
    fn fills_stay_in_their_box() {
        let to = Layout::in_c_order(&[3, 4], &[1, 1]);
        let mut target = vec![0; 24];
        fill(&[1, 2], &[2, 2], &mut target, &to);
        assert_eq!(target, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 1, 2, 0, 0, 0, 0, 1, 2, 1, 2, 0, 0]);
        swap(2, &mut target[10..14]);
        assert_eq!(target[10..14], [2, 1, 2, 1]);
        assert!(Layout::in_c_order(&[3, 1, 4], &[1, 0, 0]).is_run(&[2, 1, 4]));
        assert!(!to.is_run(&[2, 2]) && to.is_run(&[1, 2]));
    }
}
