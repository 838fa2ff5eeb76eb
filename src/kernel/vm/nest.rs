//! The loop nest of one sweep over one block: which axes are walked, how they coalesce, and the boxes called tiles.
//!
//! Axes of length 1 are dropped; neighbours become one axis when every track (slot, accumulator, generator) steps over both
//! alike. A tile is a box of the axes that are left: full trailing axes and a range of the next one. Where the innermost axis
//! alone is long, tiles are pieces of one row, so that operands which do not move along it stay scalars.

/// From this many elements on, an innermost axis is cut into tiles by itself.
const ROW_ELEMENTS_MIN: usize = 512;

/// Columns of a tile whose rows are summed: as many as one of their kernels takes, and many rows.
const COLUMNS: usize = 64;

/// Rows of a tile whose columns are reduced plainly: what a tile costs is spread over them, and they stay in the cache while a few
/// columns after the other go through them.
const PLAIN_ROWS: usize = 64;

/// What a track is to the choice of tiles; of several reductions the last decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// An index, or that of a generator.
    Other,
    /// Elements of a slot.
    Memory,
    /// Outputs of loops that keep nothing from row to row.
    Plain,
    /// Outputs of kernels that begin and end with every tile, which costs each as much as many elements.
    Settled,
}

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
    /// Elements of a tile before tiles were widened: what a sum takes at once, where that shows in its bits.
    pub piece: usize,
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
    /// Changes whenever the shape of the tile does, and with every sweep and block.
    pub stamp: u64,
    /// What goes to the columns of the two innermost axes.
    columns: Option<Role>,
    other_tile: Vec<usize>,
    tracks: usize,
    reversed: Vec<i64>,
    /// Axes as they were pushed, the innermost first, and the steps of all tracks along each.
    raw_axes: Vec<(usize, usize)>,
    raw_steps: Vec<i64>,
    order: Vec<usize>,
}

/// Whether tiles may leave the C order of the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Tiles, and the elements in them, follow the C order of the block.
    C,
    /// Whatever memory likes best.
    Any,
}

/// Elements of a tile along the axis on which a transposed operand is dense, at least: two cache lines of f32.
const TRANSPOSED_ELEMENTS: usize = 32;
/// Elements along the other axis, where the tile has room for more.
const ACROSS_ELEMENTS: usize = 64;

impl Nest {
    /// Empties the nest for `tracks` tracks; axes follow from the innermost outwards.
    pub fn begin(&mut self, tracks: usize) {
        self.tracks = tracks;
        self.stamp += 1;
        self.lengths.clear();
        self.origins.clear();
        self.reversed.clear();
        self.raw_axes.clear();
        self.raw_steps.clear();
        self.offsets.clear();
        self.offsets.resize(tracks, 0);
    }

    /// Adds the next outer axis.
    pub fn push_outer(&mut self, axis: usize, length: usize, steps: &[i64]) {
        self.raw_axes.push((axis, length));
        self.raw_steps.extend_from_slice(steps);
    }

    /// Puts axes with small steps innermost, where no slot objects.
    fn sort(&mut self, order: Order, roles: &[Role]) {
        self.order.clear();
        self.order.extend(0..self.raw_axes.len());
        if order == Order::C {
            return;
        }
        for index in 1..self.order.len() {
            let mut at = index;
            while at > 0 && self.is_denser(self.order[at], self.order[at - 1], roles) {
                self.order.swap(at, at - 1);
                at -= 1;
            }
        }
    }

    /// Whether some slot steps over axis `a` less far than over `b`, and none farther.
    fn is_denser(&self, a: usize, b: usize, roles: &[Role]) -> bool {
        let mut denser = false;
        for track in (0..self.tracks).filter(|&track| roles[track] == Role::Memory) {
            let step = |axis: usize| self.raw_steps[axis * self.tracks + track].unsigned_abs();
            if step(a) == 0 || step(b) == 0 {
                continue;
            }
            if step(a) > step(b) {
                return false;
            }
            denser |= step(a) < step(b);
        }
        denser
    }

    /// Makes the next outer axis of the nest, or widens the one before where every track allows it.
    fn merge_outer(&mut self, raw: usize) {
        let (axis, length) = self.raw_axes[raw];
        let steps = &self.raw_steps[raw * self.tracks..(raw + 1) * self.tracks];
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

    /// Lays out the axes and the tiles. `roles` are those of all tracks.
    pub fn finish(&mut self, tile_elements: usize, order: Order, roles: &[Role]) {
        self.sort(order, roles);
        for at in 0..self.order.len() {
            self.merge_outer(self.order[at]);
        }
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
        let tracks = 0..if order == Order::Any && rank > 1 { self.tracks } else { 0 };
        self.columns = tracks.filter(|&track| roles[track] >= Role::Plain && self.is_column(track)).map(|track| roles[track]).max();
        self.choose_tile(tile_elements.max(1), order, roles);
        self.take_tile();
    }

    /// Whether a track keeps the innermost axis, and not the next one.
    fn is_column(&self, track: usize) -> bool {
        let rank = self.lengths.len();
        let step = |axis: usize| self.strides[track * rank + axis];
        step(rank - 1) != 0 && step(rank - 2) == 0
    }

    /// Makes a tile of whole rows, so many that it has at most `tile_elements`, where reductions go to columns. Whether it did;
    /// [`Nest::put_back`] takes it back.
    pub fn take_rows(&mut self, tile_elements: usize) -> bool {
        let rank = self.lengths.len();
        let most = match self.columns {
            Some(Role::Settled) => usize::MAX,
            Some(_) if self.tile[rank - 2] == 1 => PLAIN_ROWS,
            _ => return false,
        };
        let rows = (tile_elements / self.lengths[rank - 1]).min(self.lengths[rank - 2]).min(most);
        if rows <= 1 {
            return false;
        }
        self.other_tile.clone_from(&self.tile);
        self.tile.fill(1);
        (self.tile[rank - 2], self.tile[rank - 1]) = (rows, self.lengths[rank - 1]);
        self.take_tile();
        true
    }

    /// The tile before [`Nest::take_rows`].
    pub fn put_back(&mut self) {
        std::mem::swap(&mut self.tile, &mut self.other_tile);
        self.take_tile();
    }

    /// Begins with the first tile.
    fn take_tile(&mut self) {
        let rank = self.lengths.len();
        self.box_first = self.tile.iter().position(|&length| length > 1).unwrap_or(rank);
        self.classify();
        self.position.clear();
        self.position.resize(rank, 0);
        self.shape.clear();
        self.shape.extend_from_slice(&self.tile);
        self.elements = self.shape.iter().product();
        self.piece = self.elements;
    }

    /// An axis on which some slot is denser than on the innermost one, if the box behind it does not fit a tile anyway.
    fn transposed_axis(&self, tile_elements: usize, roles: &[Role]) -> Option<usize> {
        let rank = self.lengths.len();
        (0..self.tracks).filter(|&track| roles[track] == Role::Memory).find_map(|track| {
            let step = |axis: usize| self.strides[track * rank + axis].unsigned_abs();
            let axis = (0..rank - 1).filter(|&axis| step(axis) != 0).min_by_key(|&axis| step(axis))?;
            let behind = self.lengths[axis..].iter().fold(1usize, |product, &length| product.saturating_mul(length));
            (step(axis) < step(rank - 1) && self.lengths[axis] >= 8 && behind > tile_elements).then_some(axis)
        })
    }

    fn choose_tile(&mut self, tile_elements: usize, order: Order, roles: &[Role]) {
        let rank = self.lengths.len();
        self.tile.clear();
        self.tile.resize(rank, 1);
        let inner = self.lengths[rank - 1];
        if self.columns == Some(Role::Settled) && inner >= ROW_ELEMENTS_MIN {
            self.tile[rank - 1] = COLUMNS.min(tile_elements);
            self.tile[rank - 2] = self.lengths[rank - 2].min((tile_elements / COLUMNS).max(1));
            return;
        }
        if order == Order::Any
            && let Some(axis) = self.transposed_axis(tile_elements, roles)
        {
            let along = TRANSPOSED_ELEMENTS.max(tile_elements / ACROSS_ELEMENTS);
            self.tile[axis] = self.lengths[axis].min(along).min(tile_elements);
            self.tile[rank - 1] = inner.min((tile_elements / self.tile[axis]).max(1));
            return;
        }
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

    /// Elements of the last tile of a row.
    pub fn row_rest(&self) -> usize {
        let (length, tile) = (self.lengths.last().copied().unwrap_or(1), self.tile.last().copied().unwrap_or(1));
        length.saturating_sub(1) % tile.max(1) + 1
    }

    /// Makes tiles that are pieces of one row longer, of so many whole ones. Layouts stay what they are.
    pub fn widen(&mut self, tile_elements: usize) {
        let last = self.lengths.len() - 1;
        let (length, tile) = (self.lengths[last], self.tile[last]);
        if tile == length || tile >= tile_elements || self.box_first != last {
            return;
        }
        let pieces = length.div_ceil(tile_elements);
        self.tile[last] = length.div_ceil(pieces).next_multiple_of(tile).min(length);
        self.shape[last] = self.tile[last];
        self.elements = self.shape.iter().product();
    }

    /// Makes tiles longer along their first axis. Layouts stay what they are.
    pub fn lengthen(&mut self, tile_elements: usize) {
        let Some(&length) = self.lengths.get(self.box_first) else { return };
        let behind: usize = self.tile[self.box_first + 1..].iter().product();
        let tile = (tile_elements / behind.max(1)).min(length);
        if tile > self.tile[self.box_first] {
            self.tile[self.box_first] = tile;
            self.shape[self.box_first] = tile;
            self.elements = self.shape.iter().product();
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
                // Beyond an axis that a tile covers in part, nothing is dense: the last tile along it is shorter.
                let whole = self.tile[axis] == self.lengths[axis];
                expected = if whole { expected.saturating_mul(self.lengths[axis] as i64) } else { i64::MIN };
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
                self.stamp += 1;
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
