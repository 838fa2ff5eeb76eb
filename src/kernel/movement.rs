//! Copies of boxes between strided memory and dense tiles, any element size, any alignment.

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
        1 => walk::<1>(axes, to, to_first as i64, from, from_first as i64),
        2 => walk::<2>(axes, to, to_first as i64, from, from_first as i64),
        4 => walk::<4>(axes, to, to_first as i64, from, from_first as i64),
        _ => walk::<8>(axes, to, to_first as i64, from, from_first as i64),
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

fn walk<const N: usize>(axes: &[CopyAxis], to: &mut [u8], to_at: i64, from: &[u8], from_at: i64) {
    match axes {
        [] => copy_row::<N>(CopyAxis { length: 1, to: N as i64, from: N as i64 }, to, to_at, from, from_at),
        [row] => copy_row::<N>(*row, to, to_at, from, from_at),
        [outer, rest @ ..] => {
            let (mut to_at, mut from_at) = (to_at, from_at);
            for _ in 0..outer.length {
                walk::<N>(rest, to, to_at, from, from_at);
                to_at += outer.to;
                from_at += outer.from;
            }
        }
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
