//! The loop nest of one sweep over one block: which axes are walked, how they coalesce, and the boxes called tiles.
//!
//! Axes of length 1 are dropped; neighbours become one axis when every track (slot, accumulator, generator) steps over both
//! alike. A tile is a box of the axes that are left: full trailing axes and a range of the next one. Where the innermost axis
//! alone is long, tiles are pieces of one row, so that operands which do not move along it stay scalars.

/// From this many elements on, an innermost axis is cut into tiles by itself.
const ROW_ELEMENTS_MIN: usize = 512;

/// How a track lies in memory over one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// One element for the whole tile.
    Uniform,
    /// C order without gaps.
    Dense,
    /// Anything else.
    Strided,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Nest {
    /// Length per axis, outermost first.
    pub lengths: Vec<usize>,
    /// The axes of the block behind each axis: the range of them that it coalesces, in C order.
    pub origins: Vec<(usize, usize)>,
    /// Longest tile per axis.
    pub tile: Vec<usize>,
    /// First axis along which tiles may be longer than 1.
    pub box_first: usize,
    /// Step per track and axis, track-major.
    pub strides: Vec<i64>,
    /// Offset per track of the current tile.
    pub offsets: Vec<i64>,
    /// Layout per track.
    pub layouts: Vec<Layout>,
    /// First coordinate per axis of the current tile.
    pub position: Vec<usize>,
    /// Length per axis of the current tile.
    pub shape: Vec<usize>,
    /// Elements of the current tile.
    pub elements: usize,
    tracks: usize,
    reversed: Vec<i64>,
}

impl Nest {
    /// Empties the nest for `tracks` tracks; axes follow from the innermost outwards.
    pub fn begin(&mut self, tracks: usize) {
        self.tracks = tracks;
        self.lengths.clear();
        self.origins.clear();
        self.reversed.clear();
        self.offsets.clear();
        self.offsets.resize(tracks, 0);
    }

    /// Adds the next outer axis, or widens the one before where every track allows it.
    pub fn push_outer(&mut self, axis: usize, length: usize, steps: &[i64]) {
        if let Some(&inner) = self.lengths.last() {
            let last = &self.reversed[self.reversed.len() - self.tracks..];
            if last.iter().zip(steps).all(|(&inner_step, &step)| step == inner_step.wrapping_mul(inner as i64)) {
                let at = self.lengths.len() - 1;
                self.lengths[at] *= length;
                self.origins[at].0 = axis;
                return;
            }
        }
        self.lengths.push(length);
        self.origins.push((axis, axis + 1));
        self.reversed.extend_from_slice(steps);
    }

    /// Lays out the tiles.
    pub fn finish(&mut self, tile_elements: usize) {
        if self.lengths.is_empty() {
            self.lengths.push(1);
            self.origins.push((0, 0));
            self.reversed.resize(self.tracks, 0);
        }
        let rank = self.lengths.len();
        self.lengths.reverse();
        self.origins.reverse();
        self.strides.clear();
        for track in 0..self.tracks {
            self.strides.extend((0..rank).map(|axis| self.reversed[(rank - 1 - axis) * self.tracks + track]));
        }
        self.choose_tile(tile_elements.max(1));
        self.box_first = self.tile.iter().position(|&length| length > 1).unwrap_or(rank);
        self.classify();
        self.position.clear();
        self.position.resize(rank, 0);
        self.shape.clear();
        self.shape.extend_from_slice(&self.tile);
        self.elements = self.shape.iter().product();
    }

    fn choose_tile(&mut self, tile_elements: usize) {
        let rank = self.lengths.len();
        self.tile.clear();
        self.tile.resize(rank, 1);
        let inner = self.lengths[rank - 1];
        if inner >= ROW_ELEMENTS_MIN.min(tile_elements) {
            // Pieces of nearly equal length, so that no row ends in a sliver.
            let pieces = inner.div_ceil(tile_elements);
            self.tile[rank - 1] = inner.div_ceil(pieces).next_multiple_of(64).min(tile_elements).min(inner);
            return;
        }
        let mut room = tile_elements;
        for axis in (0..rank).rev() {
            self.tile[axis] = self.lengths[axis].min(room);
            if self.tile[axis] < self.lengths[axis] {
                return;
            }
            room /= self.lengths[axis];
        }
    }

    fn classify(&mut self) {
        let rank = self.lengths.len();
        self.layouts.clear();
        for track in 0..self.tracks {
            let steps = &self.strides[track * rank..(track + 1) * rank];
            let moving = |axis: &usize| self.tile[*axis] > 1;
            let uniform = (self.box_first..rank).filter(moving).all(|axis| steps[axis] == 0);
            let mut expected = 1i64;
            let mut dense = true;
            for axis in (self.box_first..rank).rev() {
                dense &= steps[axis] == expected || self.tile[axis] == 1;
                expected = expected.saturating_mul(self.lengths[axis] as i64);
            }
            self.layouts.push(match (uniform, dense) {
                (true, _) => Layout::Uniform,
                (_, true) => Layout::Dense,
                _ => Layout::Strided,
            });
        }
    }

    /// Steps per axis of the tile's box, for one track.
    #[inline]
    pub fn steps(&self, track: usize) -> &[i64] {
        let rank = self.lengths.len();
        &self.strides[track * rank + self.box_first..(track + 1) * rank]
    }

    /// Lengths of the tile's box.
    #[inline]
    pub fn box_shape(&self) -> &[usize] {
        &self.shape[self.box_first..]
    }

    /// Goes to the next tile in C order; false after the last.
    pub fn advance(&mut self) -> bool {
        let rank = self.lengths.len();
        for axis in (0..rank).rev() {
            let (from, length, tile) = (self.position[axis], self.lengths[axis], self.tile[axis]);
            if tile == length {
                continue;
            }
            let next = from + tile;
            let wraps = next >= length;
            let to = if wraps { 0 } else { next };
            let distance = to as i64 - from as i64;
            for (offset, steps) in self.offsets.iter_mut().zip(self.strides.chunks_exact(rank)) {
                *offset += distance * steps[axis];
            }
            self.position[axis] = to;
            let shape = tile.min(length - to);
            if shape != self.shape[axis] {
                self.shape[axis] = shape;
                self.elements = self.shape.iter().product();
            }
            if !wraps {
                return true;
            }
        }
        false
    }

    /// Smallest and largest offset of a track over the whole block.
    pub fn reach(&self, track: usize) -> (i64, i64) {
        let rank = self.lengths.len();
        let (mut low, mut high) = (self.offsets[track], self.offsets[track]);
        for (axis, &length) in self.lengths.iter().enumerate() {
            let distance = self.strides[track * rank + axis].saturating_mul(length as i64 - 1);
            if distance < 0 {
                low = low.saturating_add(distance);
            } else {
                high = high.saturating_add(distance);
            }
        }
        (low, high)
    }
}
