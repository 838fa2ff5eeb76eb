//! From elements anywhere to panels: `width` places beside each other, inner place after inner place, zeros behind the last place.

use super::Side;
use crate::kernel::simd::prefetch;
use bytemuck::Pod;
use std::ops::Range;

/// Fills the panels of all places of `side` with the elements of some inner places.
#[inline(always)]
pub(super) fn panels<T: Pod>(to: &mut [T], side: Side<'_>, inner: Range<usize>, width: usize) {
    let inner = &side.inner[inner];
    let count = inner.len();
    let neighbours = is_run(side.places);
    let runs = is_run(inner);
    // Where places lie beside each other, memory is walked along it: some inner places for all panels.
    let step = if neighbours { BESIDE } else { inner.len().max(1) };
    let mut next = inner.chunks(step).skip(1);
    for (from, inner) in (0..).step_by(step).zip(inner.chunks(step)) {
        if neighbours && let (Some(next), Some(&place)) = (next.next(), side.places.first()) {
            // Each run is short and lies far from the one before: the processor does not see it coming.
            next.iter().for_each(|step| prefetch(at::<T>(side.bytes, place + step, side.places.len())));
        }
        for (panel, places) in to.chunks_exact_mut(width * count).zip(side.places.chunks(width)) {
            let panel = &mut panel[width * from..][..width * inner.len()];
            if places.len() < width {
                panel.fill(T::zeroed());
            }
            if neighbours {
                beside::<T>(panel, side.bytes, places, inner, width);
            } else if runs {
                along::<T>(panel, side.bytes, places, inner, width);
            } else {
                scattered::<T>(panel, side.bytes, places, inner, width);
            }
        }
    }
}

/// Inner places that are copied to all panels before the next ones: lines of memory that are still in the first cache.
const BESIDE: usize = 16;

/// Whether each is the one before plus one.
#[inline(always)]
pub(super) fn is_run(places: &[i64]) -> bool {
    places.windows(2).all(|pair| pair[1] - pair[0] == 1)
}

#[inline(always)]
fn at<T: Pod>(bytes: &[u8], element: i64, count: usize) -> &[u8] {
    &bytes[element as usize * size_of::<T>()..][..count * size_of::<T>()]
}

/// Elements that are copied at once; a constant number of them is a few instructions, any number a call.
const COPIED: usize = 8;

/// Places lie beside each other in memory: a row of the panel is a run of bytes.
#[inline(always)]
fn beside<T: Pod>(panel: &mut [T], bytes: &[u8], places: &[i64], inner: &[i64], width: usize) {
    for (row, &step) in panel.chunks_exact_mut(width).zip(inner) {
        let run = at::<T>(bytes, places[0] + step, places.len());
        let mut pieces = run.chunks_exact(COPIED * size_of::<T>());
        let mut copies = row.chunks_exact_mut(COPIED);
        for (piece, copy) in (&mut pieces).zip(&mut copies) {
            copy.copy_from_slice(&bytemuck::pod_read_unaligned::<[T; COPIED]>(piece));
        }
        let left_over = pieces.remainder().chunks_exact(size_of::<T>());
        for (element, place) in left_over.zip(&mut row[places.len() / COPIED * COPIED..]) {
            *place = bytemuck::pod_read_unaligned(element);
        }
    }
}

/// Inner places that are turned at once, where those lie beside each other.
const TURNED: usize = 16;
/// Places that are turned at once.
const SIDE: usize = 8;

/// Inner places lie beside each other: a few at a time of every place, so that lines of memory are used whole.
#[inline(always)]
fn along<T: Pod>(panel: &mut [T], bytes: &[u8], places: &[i64], inner: &[i64], width: usize) {
    for (rows, steps) in panel.chunks_mut(width * TURNED).zip(inner.chunks(TURNED)) {
        let whole = if steps.len() == TURNED { places.len() / SIDE * SIDE } else { 0 };
        for (group, column) in places[..whole].chunks_exact(SIDE).zip((0..).step_by(SIDE)) {
            let lines: [[T; TURNED]; SIDE] =
                std::array::from_fn(|place| bytemuck::pod_read_unaligned(at::<T>(bytes, group[place] + steps[0], TURNED)));
            for (row, at) in rows.chunks_exact_mut(width).zip(0..TURNED) {
                let row = &mut row[column..][..SIDE];
                for place in 0..SIDE {
                    row[place] = lines[place][at];
                }
            }
        }
        for (column, &place) in places.iter().enumerate().skip(whole) {
            let run = at::<T>(bytes, place + steps[0], steps.len());
            for (row, element) in rows.chunks_exact_mut(width).zip(run.chunks_exact(size_of::<T>())) {
                row[column] = bytemuck::pod_read_unaligned(element);
            }
        }
    }
}

#[inline(always)]
fn scattered<T: Pod>(panel: &mut [T], bytes: &[u8], places: &[i64], inner: &[i64], width: usize) {
    for (row, &step) in panel.chunks_exact_mut(width).zip(inner) {
        for (to, &place) in row.iter_mut().zip(places) {
            *to = bytemuck::pod_read_unaligned(at::<T>(bytes, place + step, 1));
        }
    }
}
