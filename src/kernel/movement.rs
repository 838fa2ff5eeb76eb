//! Copies of boxes between strided memory and dense tiles, any element size, any alignment.

use crate::kernel::simd::{prefetch, turn};

/// One axis of a copy: its length and the distances of neighbours in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CopyAxis {
    pub length: usize,
    pub to: i64,
    pub from: i64,
}

/// Copies the box that `axes` (outermost first) describe; `to_first` and `from_first` are the bytes of its first element.
pub(crate) fn copy_box(size: usize, axes: &mut [CopyAxis], to: &mut [u8], to_first: usize, from: &[u8], from_first: usize) {
    arrange(axes);
    match size {
        1 => walk::<1, 16, 64>(axes, to, to_first as i64, from, from_first as i64),
        2 => walk::<2, 8, 32>(axes, to, to_first as i64, from, from_first as i64),
        4 => walk::<4, 4, 16>(axes, to, to_first as i64, from, from_first as i64),
        _ => walk::<8, 2, 8>(axes, to, to_first as i64, from, from_first as i64),
    }
}

/// Puts the axis along which the strided side is densest last: that side lies in slow memory, the tile in the first-level cache.
/// An innermost axis that repeats one element stays: it is a fill.
fn arrange(axes: &mut [CopyAxis]) {
    let Some(last) = axes.last() else { return };
    if last.from == 0 || last.to == 0 {
        return;
    }
    let weight = |axis: &CopyAxis| axis.from.abs().max(axis.to.abs());
    let mut best = axes.len() - 1;
    for (index, axis) in axes.iter().enumerate() {
        if axis.length > 1 && axis.from != 0 && axis.to != 0 && weight(axis) < weight(&axes[best]) {
            best = index;
        }
    }
    let last = axes.len() - 1;
    axes.swap(best, last);
}

/// `Q` elements of `N` bytes fill a vector, `L` a cache line.
fn walk<const N: usize, const Q: usize, const L: usize>(axes: &[CopyAxis], to: &mut [u8], to_at: i64, from: &[u8], from_at: i64) {
    match axes {
        [outer, row] if is_short::<N>(*outer, *row) => short_rows::<N>(*outer, *row, to, to_at, from, from_at),
        [outer, row] if is_transposed::<N, Q>(*outer, *row) => transpose::<N, Q, L>(*outer, *row, to, to_at, from, from_at),
        [outer, row] if is_transposed::<N, Q>(*row, *outer) => transpose::<N, Q, L>(*row, *outer, to, to_at, from, from_at),
        [] => copy_row::<N>(CopyAxis { length: 1, to: N as i64, from: N as i64 }, to, to_at, from, from_at),
        [row] => copy_row::<N>(*row, to, to_at, from, from_at),
        [outer, rest @ ..] => {
            let (mut to_at, mut from_at) = (to_at, from_at);
            for _ in 0..outer.length {
                walk::<N, Q, L>(rest, to, to_at, from, from_at);
                to_at += outer.to;
                from_at += outer.from;
            }
        }
    }
}

/// Elements of rows that are copied without a loop of their own, at most.
const SHORT: usize = 8;

/// Whether rows are short and written one behind the other, each from a piece of its own that lies behind the one before.
fn is_short<const N: usize>(outer: CopyAxis, row: CopyAxis) -> bool {
    let size = N as i64;
    let apart = outer.from >= row.length as i64 * size;
    let pieces = row.from == 0 || row.from.abs() == size && apart;
    (2..=SHORT).contains(&row.length) && row.to == size && outer.to == row.length as i64 * size && outer.from >= size && pieces
}

fn short_rows<const N: usize>(outer: CopyAxis, row: CopyAxis, to: &mut [u8], to_at: i64, from: &[u8], from_at: i64) {
    match row.length {
        2 => short_rows_of::<N, 2>(outer, row, to, to_at, from, from_at),
        3 => short_rows_of::<N, 3>(outer, row, to, to_at, from, from_at),
        4 => short_rows_of::<N, 4>(outer, row, to, to_at, from, from_at),
        5 => short_rows_of::<N, 5>(outer, row, to, to_at, from, from_at),
        6 => short_rows_of::<N, 6>(outer, row, to, to_at, from, from_at),
        7 => short_rows_of::<N, 7>(outer, row, to, to_at, from, from_at),
        _ => short_rows_of::<N, SHORT>(outer, row, to, to_at, from, from_at),
    }
}

/// Rows of `K` elements: one element repeated, a reversed piece, or a piece.
fn short_rows_of<const N: usize, const K: usize>(outer: CopyAxis, row: CopyAxis, to: &mut [u8], to_at: i64, from: &[u8], from_at: i64) {
    let rows = to[to_at as usize..].as_chunks_mut::<N>().0.as_chunks_mut::<K>().0[..outer.length].iter_mut();
    let back = if row.from < 0 { (K - 1) * N } else { 0 };
    let pieces = &from[from_at as usize - back..];
    let step = outer.from as usize;
    if row.from == 0 {
        if step == N {
            rows.zip(pieces.as_chunks::<N>().0).for_each(|(row, piece)| *row = [*piece; K]);
        } else {
            rows.zip(pieces.chunks(step)).for_each(|(row, piece)| *row = [*piece.first_chunk().expect("an element"); K]);
        }
        return;
    }
    // Rows that lie together, which is what a reversed axis of a whole array gives.
    if step == K * N {
        let pieces = pieces.as_chunks::<N>().0.as_chunks::<K>().0;
        for (row, piece) in rows.zip(pieces) {
            for place in 0..K {
                row[place] = if back > 0 { piece[K - 1 - place] } else { piece[place] };
            }
        }
        return;
    }
    for (row, piece) in rows.zip(pieces.chunks(step)) {
        let piece = piece.as_chunks::<N>().0;
        for place in 0..K {
            row[place] = if back > 0 { piece[K - 1 - place] } else { piece[place] };
        }
    }
}

/// Whether one side is dense along the outer axis and the other along the inner one.
fn is_transposed<const N: usize, const Q: usize>(outer: CopyAxis, row: CopyAxis) -> bool {
    let moves = outer.from != 0 && row.to != 0;
    moves && outer.to == N as i64 && row.from == N as i64 && outer.length >= Q && row.length >= Q
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// Turns blocks of whole cache lines, each line of either side met once; what is left at the far sides goes square by square and
/// element by element. Elements are dense in `from` along `row` and in `to` along `outer`.
fn transpose<const N: usize, const Q: usize, const L: usize>(
    outer: CopyAxis,
    row: CopyAxis,
    to: &mut [u8],
    to_at: i64,
    from: &[u8],
    from_at: i64,
) {
    let (outer_lines, row_lines) = (outer.length / L * L, row.length / L * L);
    for first_outer in (0..outer_lines).step_by(L) {
        for first_row in (0..row_lines).step_by(L) {
            // The same lines of the next rows, in this box or the one behind it: too far apart for the CPU to foresee.
            for index in first_outer + L..first_outer + 2 * L {
                let at = (from_at + index as i64 * outer.from + (first_row * N) as i64) as usize;
                prefetch(from.get(at..at.saturating_add(LINE)).unwrap_or_default());
            }
            let mut block = [[0u8; LINE]; L];
            for (index, line) in block.iter_mut().enumerate() {
                let at = (from_at + (first_outer + index) as i64 * outer.from) as usize + first_row * N;
                line.copy_from_slice(&from[at..at + LINE]);
            }
            for (index, line) in turn_lines::<N, Q, L>(&block).iter().enumerate() {
                let at = (to_at + (first_row + index) as i64 * row.to) as usize + first_outer * N;
                to[at..at + LINE].copy_from_slice(line);
            }
        }
    }
    let (outer_whole, row_whole) = (outer.length / Q * Q, row.length / Q * Q);
    for outer_at in (0..outer_whole).step_by(Q) {
        for row_at in (if outer_at < outer_lines { row_lines } else { 0 }..row_whole).step_by(Q) {
            let mut square = [[0u8; 16]; Q];
            for (index, vector) in square.iter_mut().enumerate() {
                let at = (from_at + (outer_at + index) as i64 * outer.from) as usize + row_at * N;
                vector.copy_from_slice(&from[at..at + 16]);
            }
            for (index, vector) in turn::<N, Q>(square).iter().enumerate() {
                let at = (to_at + (row_at + index) as i64 * row.to) as usize + outer_at * N;
                to[at..at + 16].copy_from_slice(vector);
            }
        }
    }
    let mut rest = |outer: CopyAxis, row: CopyAxis, to_at: i64, from_at: i64| {
        for index in 0..outer.length as i64 {
            copy_row::<N>(row, to, to_at + index * outer.to, from, from_at + index * outer.from);
        }
    };
    let (skipped_outer, skipped_row) = (outer_whole as i64, row_whole as i64);
    let beside = CopyAxis { length: row.length - row_whole, ..row };
    rest(CopyAxis { length: outer_whole, ..outer }, beside, to_at + skipped_row * row.to, from_at + skipped_row * row.from);
    let below = CopyAxis { length: outer.length - outer_whole, ..outer };
    rest(below, row, to_at + skipped_outer * outer.to, from_at + skipped_outer * outer.from);
}

/// A block of lines, turned.
#[inline(always)]
fn turn_lines<const N: usize, const Q: usize, const L: usize>(block: &[[u8; LINE]; L]) -> [[u8; LINE]; L] {
    let mut turned = [[0u8; LINE]; L];
    for column in 0..LINE / 16 {
        for row in 0..L / Q {
            let mut square = [[0u8; 16]; Q];
            for index in 0..Q {
                square[index].copy_from_slice(&block[row * Q + index][column * 16..(column + 1) * 16]);
            }
            for (index, vector) in turn::<N, Q>(square).iter().enumerate() {
                turned[column * Q + index][row * 16..(row + 1) * 16].copy_from_slice(vector);
            }
        }
    }
    turned
}

/// Every `K`th element.
fn every<const N: usize, const K: usize>(out: &mut [[u8; N]], from: &[u8]) {
    let groups = from.as_chunks::<N>().0.as_chunks::<K>().0;
    for (out, group) in out.iter_mut().zip(groups) {
        *out = group[0];
    }
    // The last one may have nothing behind it.
    for index in groups.len()..out.len() {
        out[index].copy_from_slice(&from[index * K * N..][..N]);
    }
}

fn copy_row<const N: usize>(row: CopyAxis, to: &mut [u8], to_at: i64, from: &[u8], from_at: i64) {
    let (to_first, from_first, bytes) = (to_at as usize, from_at as usize, row.length * N);
    let size = N as i64;
    if row.to == size {
        let out = &mut to[to_first..to_first + bytes];
        if row.from == size {
            out.copy_from_slice(&from[from_first..from_first + bytes]);
            return;
        }
        let out = out.as_chunks_mut::<N>().0;
        if row.from == 0 {
            let mut element = [0; N];
            element.copy_from_slice(&from[from_first..from_first + N]);
            out.fill(element);
        } else if row.from == 2 * size && N >= 4 {
            every::<N, 2>(out, &from[from_first..]);
        } else if row.from == 3 * size && N >= 4 {
            every::<N, 3>(out, &from[from_first..]);
        } else if row.from == 4 * size && N >= 4 {
            every::<N, 4>(out, &from[from_first..]);
        } else if row.from >= size {
            for (out, source) in out.iter_mut().zip(from[from_first..].chunks(row.from as usize)) {
                out.copy_from_slice(&source[..N]);
            }
        } else if row.from == -size {
            let source = from[from_first + N - bytes..from_first + N].as_chunks::<N>().0;
            for (out, source) in out.iter_mut().zip(source.iter().rev()) {
                *out = *source;
            }
        } else {
            let mut at = from_at;
            for out in out {
                out.copy_from_slice(&from[at as usize..at as usize + N]);
                at += row.from;
            }
        }
        return;
    }
    let (mut to_at, mut from_at) = (to_at, from_at);
    for _ in 0..row.length {
        let (out, source) = (to_at as usize, from_at as usize);
        to[out..out + N].copy_from_slice(&from[source..source + N]);
        to_at += row.to;
        from_at += row.from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_any_layout_are_copied() {
        for size in [1usize, 2, 4, 8] {
            let shapes = [(1, 1), (2, 2), (5, 7), (16, 16), (37, 50), (15, 64), (64, 33), (100, 129)];
            for &(rows, columns) in &shapes[..if cfg!(miri) { 4 } else { shapes.len() }] {
                let from: Vec<u8> = (0..rows * columns * size).map(|byte| (byte * 7 % 251) as u8).collect();
                let axis = |length: usize, to: usize, from: usize| CopyAxis { length, to: (to * size) as i64, from: (from * size) as i64 };
                let mut turned = vec![0; from.len()];
                copy_box(size, &mut [axis(columns, rows, 1), axis(rows, 1, columns)], &mut turned, 0, &from, 0);
                let mut other = vec![0; from.len()];
                copy_box(size, &mut [axis(rows, 1, columns), axis(columns, rows, 1)], &mut other, 0, &from, 0);
                assert_eq!(turned, other);
                for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                    let element = |bytes: &[u8], at: usize| bytes[at * size..(at + 1) * size].to_vec();
                    assert_eq!(element(&turned, column * rows + row), element(&from, row * columns + column));
                }
                // Backwards over rows, into a gap.
                let mut back = vec![0; from.len() + 3];
                let mut axes = [axis(columns, rows, 1), CopyAxis { length: rows, to: -(size as i64), from: (columns * size) as i64 }];
                copy_box(size, &mut axes, &mut back, 3 + (rows - 1) * size, &from, 0);
                for (turned, back) in turned.chunks(rows * size).zip(back[3..].chunks(rows * size)) {
                    assert!(turned.chunks(size).eq(back.chunks(size).rev()));
                }
            }
        }
    }
}
